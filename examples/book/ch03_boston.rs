//! The price of a house: section 3.6 of *Deep Learning with Python* (3.7 of the programs).
//!
//! `DECKLE_DATA_DIR=<folder with boston_housing/> cargo run --release --example ch03_boston`
//!
//! 404 rows are few, so the network is validated four times, each time on another quarter. The
//! mean absolute errors of the folds are 2.075, 2.117, 2.914 and 2.429 thousand dollars in the
//! book, 2.384 in the mean; 2.553 on the test rows after the final training. The curve over 500
//! epochs, smoothed as in the book, lands in `target/examples/`.

use deckle::{
    datasets::boston_housing,
    plot::Chart,
    prelude::*,
    train::{self, AnyMetric, k_fold},
};
use deckle_examples::{picture, report, seed};

fn trainer() -> train::Result<Trainer> {
    let model = Sequential::new([13])
        .add(Dense::new(64).activation(Relu))
        .add(Dense::new(64).activation(Relu))
        .add(Dense::new(1))
        .seed(seed())
        .build()?;
    let compile = Compile::new(RmsProp::new(), MeanSquaredError::new());
    model.compile(compile.metric(AnyMetric::by_name("mae")?))
}

fn main() -> Result<()> {
    let (train, test) = boston_housing::load()?;
    // The test rows too are measured by what was known when training.
    let (mean, deviation) = (train.x().mean([0])?, train.x().std([0])?);
    let normal = |part: &Arrays| -> Result<Arrays> {
        Ok(Arrays::new(&(part.x() - &mean) / &deviation, part.y()?.clone())?)
    };
    let (train, test) = (normal(&train)?, normal(&test)?);

    let folds = k_fold(&train, 4, |fold| {
        let mut trainer = trainer()?;
        let fit = Fit::new().epochs(100).batch_size(1).verbose(0);
        trainer.fit(fold.train(), fit)?;
        trainer.evaluate(fold.validation())
    })?;
    println!("after 100 epochs: {folds}");
    report("Boston: MAE of 4 folds", 2.384, folds.mean("mae").unwrap_or(f64::NAN));

    let mut curve = vec![0.0; 500];
    k_fold(&train, 4, |fold| {
        let mut trainer = trainer()?;
        let fit = Fit::new().epochs(curve.len()).batch_size(1).verbose(0);
        let history =
            trainer.fit(fold.train(), fit.validation_data(fold.validation()))?;
        for (sum, error) in
            curve.iter_mut().zip(history.get("val_mae").unwrap_or_default())
        {
            *sum += error / 4.0;
        }
        Ok(Logs::from_iter([("mae".to_owned(), curve[curve.len() - 1])]))
    })?;
    let mut smoothed = f64::NAN;
    let points = curve.iter().enumerate().skip(10).map(|(epoch, error)| {
        smoothed = if smoothed.is_nan() { *error } else { 0.9 * smoothed + 0.1 * error };
        (epoch as f64 + 1.0, smoothed)
    });
    let chart = Chart::new("mean absolute error of 4 folds").x_label("epoch");
    chart.line("validation", points).save(picture("ch03_boston.png"))?;

    let mut trainer = trainer()?;
    trainer.fit(&train, Fit::new().epochs(80).batch_size(16).verbose(0))?;
    let error = trainer.evaluate(&test)?.get("mae").unwrap_or(f64::NAN);
    report("Boston: test MAE", 2.553, error);
    Ok(())
}
