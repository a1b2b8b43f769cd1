//! Film reviews, good or bad: section 3.5 of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with imdb/imdb.npz> cargo run --release --example imdb [-- --seed N]`
//!
//! The book reaches 0.885 on the 25,000 test reviews. Takes a few seconds.

use deckle::{datasets::imdb::Imdb, prelude::*};
use deckle_examples::seed;

fn main() -> Result<()> {
    let reviews = Imdb::new().num_words(10_000);
    let data = reviews.load()?;
    println!("{}", data.source);
    let first = data.train.x().get(0).unwrap_or_default();
    println!("{} ...", reviews.word_index()?.decode(&first[..first.len().min(20)]));

    let model = Sequential::new([10_000])
        .add(Dense::new(16).activation(Relu))
        .add(Dense::new(16).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid))
        .seed(seed())
        .build()?;
    println!("{}", model.summary());

    let mut trainer = model.compile(
        Compile::new(RmsProp::new(), BinaryCrossentropy::new()).metric(Accuracy::new()),
    )?;
    let (train, test) = (data.train.multi_hot(10_000)?, data.test.multi_hot(10_000)?);
    trainer.fit(&train, Fit::new().epochs(4).batch_size(512))?;
    let test = trainer.evaluate_with(&test, Evaluate::new().batch_size(512))?;
    println!("{test}");

    println!(
        "RESULT {}",
        serde_json::json!({
            "example": "imdb", "seed": seed(), "loss": test.loss(),
            "accuracy": test.get("accuracy"),
        })
    );
    Ok(())
}
