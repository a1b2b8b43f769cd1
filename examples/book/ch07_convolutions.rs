//! Batch normalization and separable convolutions: section 7.3.1 of *Deep Learning with Python*.
//!
//! `cargo run --release --example ch07_convolutions`
//!
//! The book's small network of separable convolutions, half as wide, on 10,000 digits of MNIST, from
//! `DECKLE_DATA_DIR` or those that Deckle has with it. Beside it, the same of ordinary convolutions,
//! and both with batch normalization. The book has no figures for it; it says that separable ones
//! have fewer weights and need fewer multiplications, and tend to do better on few data.

use deckle::{datasets::mnist::Mnist, prelude::*};
use deckle_examples::{report, seed};

fn network(is_separable: bool, is_normalized: bool) -> Result<Model> {
    let mut model = Sequential::new([28, 28, 1]).add(Rescaling::new(1.0 / 255.0));
    for (at, filters) in [16, 32, 32, 64, 32, 64].into_iter().enumerate() {
        if at == 2 || at == 4 {
            model = model.add(MaxPooling2D::new(2));
        }
        // The normalization's shift takes the place of a bias.
        model = if is_separable {
            let layer = SeparableConv2D::new(filters, 3).padding(Padding::Same);
            model.add(layer.use_bias(!is_normalized))
        } else {
            let layer = Conv2D::new(filters, 3).padding(Padding::Same);
            model.add(layer.use_bias(!is_normalized))
        };
        if is_normalized {
            model = model.add(BatchNormalization::new());
        }
        model = model.add(ReLU::new());
    }
    let model = model
        .add(GlobalAveragePooling2D::new())
        .add(Dense::new(32).activation(Relu))
        .add(Dense::new(10).activation(Softmax));
    Ok(model.seed(seed()).build()?)
}

fn main() -> Result<()> {
    let data = Mnist::new().load()?;
    println!("{}", data.source);
    let images = |part: &Arrays| {
        part.map_inputs(|x| Ok(x.reshape([x.shape()[0], 28, 28, 1])?.cast(DType::F32)))
    };
    let (train, test) = (images(&data.train.take(10_000))?, images(&data.test)?);
    for is_separable in [false, true] {
        for is_normalized in [false, true] {
            let model = network(is_separable, is_normalized)?;
            let kind = if is_separable { "separable" } else { "ordinary" };
            let with = if is_normalized { ", normalized" } else { "" };
            let name = format!("{kind} convolutions{with}");
            report(&format!("{name}: parameters"), None, model.count_params() as f64);

            let compile =
                Compile::new(RmsProp::new(), SparseCategoricalCrossentropy::new());
            let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
            let fit = Fit::new().epochs(5).batch_size(64).validation_data(&test);
            trainer.fit(&train, fit.verbose(2))?;
            let accuracy = trainer.evaluate(&test)?.get("accuracy").unwrap_or(f64::NAN);
            report(&format!("{name}: test accuracy"), None, accuracy);
        }
    }
    Ok(())
}
