//! A small Xception: section 9.3 of the second edition of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with cats_vs_dogs/> cargo run --release --example ch05_xception
//! [-- EPOCHS]`
//!
//! Cats and dogs once more, from scratch: blocks of separable convolutions, each normalized, with
//! a way around every block. The book reaches 0.908 on its test photographs after 100 epochs on
//! 2,000 photographs of 180 × 180 pixels; here are 1,200 of 96 × 96, and 40 epochs by default, so
//! expect less. Curves land in `target/examples/`.
//!
//! Chollet: *Xception: Deep Learning with Depthwise Separable Convolutions* (arXiv 1610.02357).

use deckle::{datasets::cats_vs_dogs::CatsVsDogs, plot, prelude::*};
use deckle_examples::{choice, picture, report, seed};

/// What is normalized, rectified and convolved.
fn convolved(x: &Symbol, filters: usize) -> Result<Symbol> {
    let x = BatchNormalization::new().apply(x)?;
    let x = ReLU::new().apply(&x)?;
    let layer = SeparableConv2D::new(filters, 3).padding(Padding::Same).use_bias(false);
    Ok(layer.apply(&x)?)
}

fn network() -> Result<Model> {
    let image = Symbol::input("image", [96, 96, 3]);
    let x = RandomFlip::new(Flip::Horizontal).apply(&image)?;
    let x = RandomRotation::new(0.1).apply(&x)?;
    let x = RandomZoom::new(0.2).apply(&x)?;
    let x = Rescaling::new(1.0 / 255.0).apply(&x)?;
    // Channels of a photograph belong together, those of features do not: the first convolution
    // is an ordinary one.
    let mut x = Conv2D::new(32, 5).use_bias(false).apply(&x)?;
    for filters in [32, 64, 128, 256, 512] {
        let y = convolved(&convolved(&x, filters)?, filters)?;
        let y = MaxPooling2D::new(3).strides(2).padding(Padding::Same).apply(&y)?;
        let around = Conv2D::new(filters, 1).strides(2).padding(Padding::Same);
        x = Add::new().join([&y, &around.use_bias(false).apply(&x)?])?;
    }
    let x = GlobalAveragePooling2D::new().apply(&x)?;
    let x = Dropout::new(0.5).apply(&x)?;
    let is_dog = Dense::new(1).activation(Sigmoid).apply(&x)?;
    Ok(Functional::new([&image], [&is_dog]).name("xception").seed(seed()).build()?)
}

fn main() -> Result<()> {
    let epochs = choice().map_or(40, |n| n.parse().expect("a number of epochs"));
    let pets = CatsVsDogs::new().load()?;
    println!("{}", pets.train);
    let model = network()?;
    println!("{}", model.summary());
    let compile = Compile::new(RmsProp::new(), BinaryCrossentropy::new());
    let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
    let fit = Fit::new().epochs(epochs).validation_data(&pets.validation);
    let history = trainer.fit(&pets.train, fit.verbose(2))?;
    plot::history(&history).save(picture("ch05_xception.png"))?;
    let accuracy = trainer.evaluate(&pets.test)?.get("accuracy").unwrap_or(f64::NAN);
    report("small Xception: test accuracy", 0.908, accuracy);
    Ok(())
}
