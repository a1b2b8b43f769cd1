//! Handwritten digits: the first network of *Deep Learning with Python* (section 2.1).
//!
//! `cargo run --release --example mnist [-- --seed N]`
//!
//! With MNIST's files (see the first line that it prints), which it downloads once, it reaches about
//! 0.98 on the 10,000 test digits; without a network, it trains on embedded digits. Takes a few
//! seconds.

use deckle::{datasets::mnist::Mnist, prelude::*};
use deckle_examples::seed;

fn main() -> Result<()> {
    let data = Mnist::new().load()?;
    println!("{}", data.source);

    // A seventh of the digits is learned by heart sooner than it is understood: dropout helps,
    // and an epoch is fewer steps.
    let (epochs, rate) = if data.source.is_whole() { (5, 0.0) } else { (30, 0.5) };
    let model = Sequential::new([28, 28])
        .add(Rescaling::new(1.0 / 255.0))
        .add(Flatten::new())
        .add(Dense::new(512).activation(Relu))
        .add(Dropout::new(rate))
        .add(Dense::new(10).activation(Softmax))
        .seed(seed())
        .build()?;
    println!("{}", model.summary());

    let mut trainer = model.compile(
        Compile::new(RmsProp::new(), SparseCategoricalCrossentropy::new())
            .metric(Accuracy::new()),
    )?;
    trainer.fit(&data.train, Fit::new().epochs(epochs).batch_size(128))?;
    let test = trainer.evaluate_with(&data.test, Evaluate::new().batch_size(128))?;
    println!("{test}");

    let accuracy = test.get("accuracy").unwrap_or(f64::NAN);
    let embedded = !data.source.is_whole();
    println!(
        "RESULT {}",
        serde_json::json!({
            "example": "mnist", "seed": seed(), "embedded": embedded,
            "loss": test.loss(), "accuracy": accuracy,
        })
    );
    Ok(())
}
