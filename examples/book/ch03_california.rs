//! The price of a house in California: what the third edition of *Deep Learning with Python* has
//! in the place of Boston's (section 4.3).
//!
//! `DECKLE_DATA_DIR=<folder with california_housing/> cargo run --release --example
//! ch03_california`
//!
//! 480 districts, validated in four folds of 50 epochs with batches of 16; prices are in units of
//! 100,000 dollars. The book's errors are about 0.3 in the mean of the folds, and in the test.

use deckle::{
    datasets::california_housing::CaliforniaHousing,
    prelude::*,
    train::{self, AnyMetric, k_fold},
};
use deckle_examples::{report, seed};

fn trainer() -> train::Result<Trainer> {
    let model = Sequential::new([8])
        .add(Dense::new(64).activation(Relu))
        .add(Dense::new(64).activation(Relu))
        .add(Dense::new(1))
        .seed(seed())
        .build()?;
    let compile = Compile::new(Adam::new(), MeanSquaredError::new());
    model.compile(compile.metric(AnyMetric::by_name("mae")?))
}

fn main() -> Result<()> {
    let data = CaliforniaHousing::new().small().load()?;
    println!("{}", data.source);
    // The test rows too are measured by what was known when training.
    let (mean, deviation) = (data.train.x().mean([0])?, data.train.x().std([0])?);
    let scaled = |part: &Arrays| -> Result<Arrays> {
        Ok(Arrays::new(&(part.x() - &mean) / &deviation, part.y()? / 100_000.0)?)
    };
    let (train, test) = (scaled(&data.train)?, scaled(&data.test)?);

    let folds = k_fold(&train, 4, |fold| {
        let mut trainer = trainer()?;
        let fit = Fit::new().epochs(50).batch_size(16).verbose(0);
        trainer.fit(fold.train(), fit)?;
        trainer.evaluate(fold.validation())
    })?;
    println!("after 50 epochs: {folds}");
    let error = folds.mean("mae").unwrap_or(f64::NAN);
    report("California: MAE of 4 folds (100,000 $)", None, error);

    let mut trainer = trainer()?;
    trainer.fit(&train, Fit::new().epochs(130).batch_size(16).verbose(0))?;
    let error = trainer.evaluate(&test)?.get("mae").unwrap_or(f64::NAN);
    report("California: test MAE (100,000 $)", None, error);
    Ok(())
}
