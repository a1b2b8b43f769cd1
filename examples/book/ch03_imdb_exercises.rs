//! Further experiments on film reviews: sections 3.4 (3.5 of the programs) of *Deep Learning with
//! Python*.
//!
//! `DECKLE_DATA_DIR=<folder with imdb/imdb.npz> cargo run --release --example
//! ch03_imdb_exercises`
//!
//! The network of `imdb` with one hidden layer or three, with 32 or 64 units, with the squared
//! error, with `tanh`, each for 20 epochs and validated on the first 10,000 training reviews. The
//! book's own network ends with 0.8683 and a loss of 0.6796; the others it leaves to the reader,
//! who sees that none is much better and all overfit.

use deckle::{datasets::imdb::Imdb, nn::AnyLoss, plot::Chart, prelude::*};
use deckle_examples::{picture, report, seed};

struct Exercise {
    name: &'static str,
    layers: usize,
    units: usize,
    activation: Activation,
    squared: bool,
}

const OWN: Exercise = Exercise {
    name: "the book's",
    layers: 2,
    units: 16,
    activation: Relu,
    squared: false,
};

const EXERCISES: [Exercise; 7] = [
    OWN,
    Exercise { name: "one hidden layer", layers: 1, ..OWN },
    Exercise { name: "three hidden layers", layers: 3, ..OWN },
    Exercise { name: "32 units", units: 32, ..OWN },
    Exercise { name: "64 units", units: 64, ..OWN },
    Exercise { name: "squared error", squared: true, ..OWN },
    Exercise { name: "tanh", activation: Tanh, ..OWN },
];

fn main() -> Result<()> {
    let data = Imdb::new().num_words(10_000).load()?;
    println!("{}", data.source);
    let validation = data.train.take(10_000).multi_hot(10_000)?;
    let train = data.train.skip(10_000).multi_hot(10_000)?;
    let mut chart = Chart::new("validation accuracy").x_label("epoch");
    for exercise in EXERCISES {
        let mut model = Sequential::new([10_000]);
        for _ in 0..exercise.layers {
            model = model.add(Dense::new(exercise.units).activation(exercise.activation));
        }
        let model = model.add(Dense::new(1).activation(Sigmoid)).seed(seed()).build()?;
        let loss: AnyLoss = match exercise.squared {
            true => MeanSquaredError::new().into(),
            false => BinaryCrossentropy::new().into(),
        };
        let compile = Compile::new(RmsProp::new(), loss).metric(Accuracy::new());
        let fit = Fit::new().epochs(20).batch_size(512).validation_data(&validation);
        let history = model.compile(compile)?.fit(&train, fit.verbose(0))?;

        let name = exercise.name;
        let accuracies = history.points("val_accuracy");
        chart = chart
            .line(name, accuracies.map(|(epoch, value)| (epoch as f64 + 1.0, value)));
        let last = history.last("val_accuracy").unwrap_or(f64::NAN);
        let published = (name == OWN.name).then_some(0.8683);
        report(&format!("IMDB, {name}: validation accuracy"), published, last);
    }
    chart.save(picture("ch03_imdb_exercises.png"))?;
    Ok(())
}
