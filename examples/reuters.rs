//! Newswires on 46 topics: section 3.6 of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with reuters/reuters.npz> cargo run --release --example reuters
//! [-- --seed N]`
//!
//! The book reaches 0.797 (second edition) on the 2,246 test wires. Takes a few seconds.

use deckle::{datasets::reuters::Reuters, prelude::*};
use deckle_examples::seed;

fn main() -> Result<()> {
    let data = Reuters::new().num_words(10_000).load()?;
    println!("{}", data.source);

    let model = Sequential::new([10_000])
        .add(Dense::new(64).activation(Relu))
        .add(Dense::new(64).activation(Relu))
        .add(Dense::new(46).activation(Softmax))
        .seed(seed())
        .build()?;
    println!("{}", model.summary());

    let mut trainer = model.compile(
        Compile::new(RmsProp::new(), SparseCategoricalCrossentropy::new())
            .metric(Accuracy::new()),
    )?;
    let (train, test) = (data.train.multi_hot(10_000)?, data.test.multi_hot(10_000)?);
    trainer.fit(&train, Fit::new().epochs(9).batch_size(512))?;
    let test = trainer.evaluate_with(&test, Evaluate::new().batch_size(512))?;
    println!("{test}");

    println!(
        "RESULT {}",
        serde_json::json!({
            "example": "reuters", "seed": seed(), "loss": test.loss(),
            "accuracy": test.get("accuracy"),
        })
    );
    Ok(())
}
