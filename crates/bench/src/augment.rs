//! How fast a model trains beside the threads that change its images: [`line()`].

use std::time::Instant;

use deckle::{
    data::{Batch, Loader, Stream},
    formats::json::{Value, json},
    nn,
    prelude::*,
    train::augmented,
};

use crate::cases::Case;

/// Measurements of each of the three, of which the median counts. They have to be long: the system may
/// let the threads of a new stream share a core with training for the first half second.
const ROUNDS: usize = 3;
/// Batches of the data set.
const BATCHES: usize = 8;
/// Batches that wait for each thread that changes images.
const AHEAD: usize = 2;

/// Examples per second of training on plain images, of changing images, and of both beside each
/// other, in turn and each on its share of the threads; and what part of the slower both reach.
pub(crate) fn line(
    name: &str,
    case: Case,
    [threads, workers]: [usize; 2],
    seconds: f64,
) -> Result<Value> {
    let Case { model, compile, data, batch } = case;
    let image = &data.inputs()[0].shape()[1..];
    if image.len() != 3 {
        let expected = "images, as those of mnist_cnn and cifar_resnet";
        return Err(nn::Error::invalid("--augment", expected).got(name).into());
    }
    let changes = Sequential::new(image)
        .add(RandomFlip::new(Flip::Horizontal))
        .add(RandomRotation::new(0.1))
        .add(RandomZoom::new(0.2))
        .build()?;
    let many = |tensor: &Tensor| Tensor::concatenate(&[tensor; BATCHES], 0);
    let plain = Arrays::new(many(&data.inputs()[0])?, many(&data.targets()[0])?)?;
    let changed = augmented(plain.clone(), &changes, 1)?;
    let loader =
        || Loader::new(changed.clone(), batch)?.shuffle(1).prefetch(workers, AHEAD);

    let share = threads.saturating_sub(workers).max(1);
    let device = Device::new(Cpu::with_threads(share));
    let mut trainer = model.compile(compile.device(&device))?;
    let fit = |epochs| Fit::new().epochs(epochs).batch_size(batch).verbose(0);
    let mut read = Batch::new();
    // The seconds that so many passes take.
    let mut run = |what: usize, passes: usize| -> Result<f64> {
        let begin = Instant::now();
        match what {
            0 => drop(trainer.fit(&plain, fit(passes))?),
            1 => {
                let mut loader = loader()?;
                for pass in 0..passes as u64 {
                    loader.restart(pass)?;
                    while loader.next_batch(&mut read)? {}
                }
            }
            _ => drop(trainer.fit(&mut loader()?, fit(passes))?),
        }
        Ok(begin.elapsed().as_secs_f64())
    };
    let mut passes = [1; 3];
    for (what, passes) in passes.iter_mut().enumerate() {
        run(what, 1)?;
        *passes =
            (seconds / (3 * ROUNDS) as f64 / run(what, 1)?).ceil().max(1.0) as usize;
    }
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (what, rates) in rates.iter_mut().enumerate() {
            let examples = passes[what] * plain.len();
            rates.push(examples as f64 / run(what, passes[what])?);
        }
    }
    // Of each round by itself, since a machine changes its pace.
    let shares = (0..ROUNDS).map(|at| rates[2][at] / rates[0][at].min(rates[1][at]));
    let [of_the_slower, train, augment, both] =
        [shares.collect(), rates[0].clone(), rates[1].clone(), rates[2].clone()]
            .map(median);
    Ok(json!({
        "framework": "deckle", "version": env!("CARGO_PKG_VERSION"), "case": name,
        "mode": "augment", "threads": share, "workers": workers, "batch": batch,
        "train_per_s": train, "augment_per_s": augment, "both_per_s": both,
        "of_the_slower": of_the_slower,
    }))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
