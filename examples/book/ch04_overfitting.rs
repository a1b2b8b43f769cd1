//! Four ways to overfit less: section 4.4 of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with imdb/imdb.npz> cargo run --release --example ch04_overfitting`
//!
//! The same network on film reviews, smaller, larger, with a penalty on large weights, with
//! dropout. The curves of their losses on the test reviews land in `target/examples/`. After 20
//! epochs the book has the losses 0.769 (original), 0.474 (smaller), 0.890 (larger), 0.420 (L2)
//! and 0.536 (dropout).

use deckle::{datasets::imdb::Imdb, plot::Chart, prelude::*};
use deckle_examples::{picture, report, seed};

const PUBLISHED: [(&str, f64, f64); 5] = [
    ("original", 0.769, 0.8487),
    ("smaller", 0.474, 0.8617),
    ("larger", 0.890, 0.8682),
    ("L2", 0.420, 0.8704),
    ("dropout", 0.536, 0.8738),
];

fn network(name: &str) -> Result<Model> {
    let units = match name {
        "smaller" => 4,
        "larger" => 512,
        _ => 16,
    };
    let hidden = || {
        let layer = Dense::new(units).activation(Relu);
        if name == "L2" {
            layer.kernel_regularizer(Regularizer::l2(0.001))
        } else {
            layer
        }
    };
    let rate = if name == "dropout" { 0.5 } else { 0.0 };
    let model = Sequential::new([10_000])
        .add(hidden())
        .add(Dropout::new(rate))
        .add(hidden())
        .add(Dropout::new(rate))
        .add(Dense::new(1).activation(Sigmoid))
        .seed(seed());
    Ok(model.build()?)
}

fn main() -> Result<()> {
    let data = Imdb::new().num_words(10_000).load()?;
    println!("{}", data.source);
    let (train, test) = (data.train.multi_hot(10_000)?, data.test.multi_hot(10_000)?);

    let mut chart = Chart::new("loss on the test reviews").x_label("epoch");
    for (name, published_loss, published_accuracy) in PUBLISHED {
        let compile = Compile::new(RmsProp::new(), BinaryCrossentropy::new());
        let mut trainer = network(name)?.compile(compile.metric(Accuracy::new()))?;
        let fit = Fit::new().epochs(20).batch_size(512).validation_data(&test).verbose(0);
        let history = trainer.fit(&train, fit)?;
        let losses = history.get("val_loss").unwrap_or_default();
        let epochs = losses.iter().enumerate();
        chart = chart.line(name, epochs.map(|(i, &loss)| (i as f64 + 1.0, loss)));
        let last = |name| history.last(name).unwrap_or(f64::NAN);
        let (loss, accuracy) = (last("val_loss"), last("val_accuracy"));
        report(&format!("{name}: loss after 20 epochs"), published_loss, loss);
        report(
            &format!("{name}: accuracy after 20 epochs"),
            published_accuracy,
            accuracy,
        );
    }
    chart.save(picture("ch04_overfitting.png"))?;
    Ok(())
}
