//! Data that memory does not hold: made once, kept in a file, read from it while a model trains.
//!
//! `cargo run --release --example larger_than_memory [-- --megabytes N] [--folder F] [--seed N]`
//!
//! Images of noise in which a stripe is brighter; where it is, is the class. The second
//! run finds the file that the first one wrote. `tools/stream/run.py` runs it with 8 GB and measures
//! its memory. Takes a few seconds.

use std::{path::PathBuf, time::Instant};

use deckle::{
    data::{Batch, DatasetExt, Example, Generator, Stream, StreamExt},
    prelude::*,
    tensor::Spec,
};
use deckle_examples::{argument, number, seed};

const SIDE: usize = 64;
const BYTES: usize = SIDE * SIDE * 3;
const CLASSES: usize = 8;
/// Examples that wait to be drawn from: 50 MB.
const BUFFER: usize = 4096;

/// So many images, one batch after the other: nothing but the batch is in memory.
fn images(count: usize) -> impl Stream {
    let example = Example::new()
        .input("image", Spec::new(DType::U8, [SIDE, SIDE, 3]))
        .target("class", Spec::scalar(DType::U8));
    let mut made = 0;
    let mut noise = 1u64;
    let make = move |batch: &mut Batch, example: &Example| {
        let len = 64.min(count - made);
        batch.prepare(example, len);
        let images = batch.inputs[0].make_mut::<u8>().chunks_exact_mut(BYTES);
        let classes = batch.targets[0].make_mut::<u8>();
        for (image, class) in images.zip(classes) {
            for bytes in image.chunks_exact_mut(8) {
                // Marsaglia's xorshift.
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                bytes.copy_from_slice(&(noise & 0x7f7f_7f7f_7f7f_7f7f).to_le_bytes());
            }
            let place = noise as usize % CLASSES;
            *class = place as u8;
            let width = BYTES / SIDE / CLASSES;
            for line in image.chunks_exact_mut(BYTES / SIDE) {
                line[place * width..][..width].iter_mut().for_each(|byte| *byte += 48);
            }
        }
        made += len;
        Ok(len > 0)
    };
    Generator::new("images", example, make)
}

fn main() -> Result<()> {
    let megabytes = number("--megabytes", 64u32) as usize;
    let folder = argument("--folder").map_or_else(std::env::temp_dir, PathBuf::from);
    let count = megabytes * 1_000_000 / BYTES;
    let path = folder.join(format!("deckle-images-{count}"));

    let begin = Instant::now();
    let data = images(count).cache_to(&path)?;
    let written = begin.elapsed().as_secs_f64();
    println!("{count} images in {}", path.display());

    // The file is read in order, ahead of training; what is trained on is drawn from a buffer.
    let test = data.clone().take(count / 20);
    let mut train = data
        .skip(test.len())
        .batch(64)?
        .prefetch(1, 2)?
        .shuffle(BUFFER, seed())?
        .prefetch(2)?;
    let model = Sequential::new([SIDE, SIDE, 3])
        .add(Rescaling::new(1.0 / 128.0))
        .add(Conv2D::new(8, 8).strides(8).activation(Relu))
        .add(Flatten::new())
        .add(Dense::new(CLASSES).activation(Softmax))
        .seed(seed())
        .build()?;
    let compile = Compile::new(Adam::new(), SparseCategoricalCrossentropy::new());
    let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
    let begin = Instant::now();
    trainer.fit(&mut train, Fit::new())?;
    let trained = begin.elapsed().as_secs_f64();
    let accuracy = trainer.evaluate(&test)?.get("accuracy").unwrap_or(f64::NAN);
    println!("accuracy of the {} that were kept back: {accuracy:.4}", test.len());
    println!(
        "RESULT {}",
        serde_json::json!({
            "example": "larger_than_memory", "images": count, "accuracy": accuracy,
            "write_s": written, "epoch_s": trained, "file": path,
        })
    );
    Ok(())
}
