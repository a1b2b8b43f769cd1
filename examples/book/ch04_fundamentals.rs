//! What a network learns, and when it does not: sections 5.1 and 5.3 of the second edition of
//! *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with mnist/> cargo run --release --example ch04_fundamentals
//! [-- STUDY]`
//!
//! Four studies of small networks on digits, one after the other, or only the one that is named.
//! `channels`: pixels that mean nothing make it worse, pixels that are always zero do not.
//! `labels`: labels that were shuffled can be learnt too, but only by heart. `learning_rate`: with
//! 1 instead of 0.01 nothing is learnt. `capacity`: ten units learn too little, two hidden layers
//! of 96 soon too much. The last fifth of the training digits is for validation; curves land in
//! `target/examples/`. The book shows curves of all four, and few figures: with the rate of 1 it
//! sees accuracies between 0.3 and 0.4.

use deckle::{datasets::mnist::Mnist, plot::Chart, prelude::*};
use deckle_examples::{choice, picture, report, seed};

/// A network on flat images, trained.
fn train(data: &Arrays, hidden: &[usize], rate: f64, epochs: usize) -> Result<History> {
    let mut model =
        Sequential::new([data.x().shape()[1]]).add(Rescaling::new(1.0 / 255.0));
    for &units in hidden {
        model = model.add(Dense::new(units).activation(Relu));
    }
    let model = model.add(Dense::new(10).activation(Softmax)).seed(seed()).build()?;
    let optimizer = RmsProp::new().learning_rate(rate);
    let compile = Compile::new(optimizer, SparseCategoricalCrossentropy::new());
    let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
    let fit = Fit::new().epochs(epochs).batch_size(128).validation_split(0.2).verbose(0);
    Ok(trainer.fit(data, fit)?)
}

/// One curve for each training; reports the last values.
fn compare(study: &str, value: &str, runs: &[(&str, History)]) -> Result<()> {
    let mut chart = Chart::new(value).x_label("epoch");
    for (name, history) in runs {
        let points = history.points(value);
        chart =
            chart.line(name, points.map(|(epoch, value)| (epoch as f64 + 1.0, value)));
        let last = history.last(value).unwrap_or(f64::NAN);
        report(&format!("MNIST {name}: {value}"), None, last);
    }
    Ok(chart.save(picture(&format!("ch04_{study}_{value}.png")))?)
}

fn channels(digits: &Arrays) -> Result<()> {
    let shape = digits.x().shape();
    let noise = Tensor::random_integers(shape, 0..256, seed())?.cast(DType::U8);
    let beside = |more: &Tensor| -> Result<Arrays> {
        let x = Tensor::concatenate(&[digits.x(), more], 1)?;
        Ok(Arrays::new(x, digits.y()?.clone())?)
    };
    let noisy = train(&beside(&noise)?, &[512], 1e-3, 10)?;
    let zeros = train(&beside(&Tensor::zeros(DType::U8, shape))?, &[512], 1e-3, 10)?;
    let runs = [("with channels of noise", noisy), ("with channels of zeros", zeros)];
    compare("channels", "val_accuracy", &runs)
}

fn labels(digits: &Arrays) -> Result<()> {
    let order = Tensor::random_uniform([digits.x().shape()[0]], 0.0..1.0, seed());
    let shuffled = digits.y()?.take(&order.argsort(0)?, 0)?;
    let data = Arrays::new(digits.x().clone(), shuffled)?;
    let runs = [("with shuffled labels", train(&data, &[512], 1e-3, 100)?)];
    compare("labels", "val_accuracy", &runs)?;
    compare("labels", "accuracy", &runs)
}

fn learning_rate(digits: &Arrays) -> Result<()> {
    let high = train(digits, &[512], 1.0, 10)?;
    let runs = [
        ("at a learning rate of 1", high),
        ("at 0.01", train(digits, &[512], 1e-2, 10)?),
    ];
    compare("learning_rate", "val_accuracy", &runs)
}

fn capacity(digits: &Arrays) -> Result<()> {
    let runs = [
        ("with ten units", train(digits, &[], 1e-3, 20)?),
        ("with 96, 96 and ten", train(digits, &[96, 96], 1e-3, 20)?),
    ];
    compare("capacity", "val_loss", &runs)
}

type Study = fn(&Arrays) -> Result<()>;

const STUDIES: [(&str, Study); 4] = [
    ("channels", channels),
    ("labels", labels),
    ("learning_rate", learning_rate),
    ("capacity", capacity),
];

fn main() -> Result<()> {
    let data = Mnist::new().load()?;
    println!("{}", data.source);
    let count = data.train.x().shape()[0];
    let digits = data.train.map_inputs(|x| Ok(x.reshape([count, 784])?))?;
    let chosen = choice();
    for (name, study) in STUDIES {
        if chosen.as_ref().is_none_or(|chosen| chosen == name) {
            study(&digits)?;
        }
    }
    Ok(())
}
