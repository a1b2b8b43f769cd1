//! A search for settings, and networks that vote: section 7.3.2 and 7.3.3 of *Deep Learning with
//! Python*.
//!
//! `cargo run --release --example ch07_search [-- TRIALS]`
//!
//! Networks of 1 to 3 hidden layers on 10,000 digits of MNIST, from `DECKLE_DATA_DIR` or
//! those that Deckle has with it: width, depth, dropout and learning rate are drawn at random, the same for
//! the same seed. The best three of the validation then vote on the test images, against the best
//! alone. The book has no figures for it.

use deckle::{
    datasets::mnist::Mnist, prelude::*, tensor::random::Draw, train::ConfusionMatrix,
};
use deckle_examples::{choice, report, seed};

/// What is searched for.
#[derive(Clone, Copy, Debug)]
struct Settings {
    layers: usize,
    units: usize,
    dropout: f64,
    learning_rate: f64,
}

impl Settings {
    /// The settings of a trial: those that act by their size are drawn by their logarithm.
    fn draw(trial: u64) -> Self {
        let draw = Draw::new(seed(), trial, 0);
        let power = |at, from: f64, to: f64| from * (to / from).powf(draw.uniform(at));
        Self {
            layers: 1 + (3.0 * draw.uniform(0)) as usize,
            units: power(1, 16.0, 512.0) as usize,
            dropout: 0.5 * draw.uniform(2),
            learning_rate: power(3, 1e-4, 1e-2),
        }
    }

    fn network(self, seed: u64) -> Result<Model> {
        let model = Sequential::new([28, 28]).add(Rescaling::new(1.0 / 255.0));
        let mut model = model.add(Flatten::new());
        for _ in 0..self.layers {
            model = model.add(Dense::new(self.units).activation(Relu));
            model = model.add(Dropout::new(self.dropout));
        }
        Ok(model.add(Dense::new(10).activation(Softmax)).seed(seed).build()?)
    }
}

fn main() -> Result<()> {
    let trials = choice().map_or(12, |n| n.parse().expect("a number of trials"));
    let data = Mnist::new().load()?;
    println!("{}", data.source);
    let (train, validation) = data.train.take(10_000).split(0.2)?;

    let mut found = Vec::new();
    for trial in 0..trials {
        let settings = Settings::draw(trial);
        let model = settings.network(seed() + trial)?;
        let optimizer = Adam::new().learning_rate(settings.learning_rate);
        let compile = Compile::new(optimizer, SparseCategoricalCrossentropy::new());
        let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
        let stop = EarlyStopping::new().patience(2).restore_best_weights(true);
        let fit = Fit::new().epochs(15).batch_size(128).validation_data(&validation);
        trainer.fit(&train, fit.verbose(0).callback(stop))?;
        let logs = trainer.evaluate(&validation)?;
        let accuracy = logs.get("accuracy").unwrap_or(f64::NAN);
        println!("trial {trial}: {accuracy:.4} with {settings:.4?}");
        found.push((accuracy, settings, model));
    }
    found.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    let (accuracy, settings, _) = &found[0];
    println!("best: {settings:.4?}");
    report("search: accuracy in validation of the best", None, *accuracy);
    report("search: that of the worst", None, found[found.len() - 1].0);

    // Who is more often right has more to say.
    let labels = data.test.y()?;
    let voters = &found[..found.len().min(3)];
    let total: f64 = voters.iter().map(|(accuracy, ..)| accuracy).sum();
    let mut votes: Option<Tensor> = None;
    for (place, (accuracy, _, model)) in voters.iter().enumerate() {
        let chances = model.predict(&data.test.x().cast(DType::F32))?;
        let alone = ConfusionMatrix::of(labels, &chances)?.accuracy();
        report(&format!("search: test accuracy of number {}", place + 1), None, alone);
        let weighted = &chances * (accuracy / total);
        votes = Some(votes.map_or_else(|| weighted.clone(), |votes| &votes + &weighted));
    }
    if let Some(votes) = votes {
        let together = ConfusionMatrix::of(labels, &votes)?.accuracy();
        report("search: test accuracy of all three together", None, together);
    }
    Ok(())
}
