//! A variational autoencoder of digits: section 8.4 of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with mnist/> cargo run --release --example ch08_vae [-- EPOCHS
//! [--book]]`
//!
//! An encoder says of each digit around which point of a plane it lies, a decoder draws a digit
//! for each point. The loss is the book's: binary crossentropy of the pixels, plus 0.0005 times
//! the distance from the normal distribution. The book reaches 0.1801 on the test digits in ten
//! epochs. Its layer takes the logarithm of the variance for that of the deviation when it draws,
//! so that the same noise costs less; so does ours with `--book`. The picture in
//! `target/examples/` shows the plane.

use deckle::{
    datasets::mnist::Mnist,
    nn::{self, Built, Call, Init, Inputs, Layer},
    plot::Grid,
    prelude::*,
    tensor::Distribution,
};
use deckle_examples::{choice, picture, report, seed};
use serde::Serialize;

/// Draws a point around a mean, as far away as the logarithm of the variance says, and adds to the
/// loss how far that is from the normal distribution.
///
/// Kingma and Welling: *Auto-Encoding Variational Bayes* (arXiv 1312.6114), appendix B.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Sampling {
    kl_weight: f64,
    /// What the logarithm of the variance is multiplied by to have that of the deviation: 0.5;
    /// in the book, 1.
    factor: f64,
}

impl Layer for Sampling {
    fn class_name(&self) -> &'static str {
        "Sampling"
    }

    fn output_shape(&self, inputs: &[Shape]) -> nn::Result<Vec<Shape>> {
        Ok(vec![inputs[0].clone()])
    }

    fn build(&self, _: &[Shape], _: &mut Init<'_>) -> nn::Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for Sampling {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> nn::Result<Vec<Var>> {
        let [mean, log_variance] = inputs.positional() else {
            return Err(nn::Error::invalid("cannot take these inputs", "two"));
        };
        let distance = mean.square()? + log_variance.exp()? - log_variance - 1.0;
        call.add_loss(distance.mean(..)? * self.kl_weight);
        let noise = if call.is_training() {
            call.random(Distribution::Normal, mean, &[])?
        } else {
            // The same in every batch, so that a validation can be repeated.
            let zero = Var::constant(&Tensor::scalar(0i64));
            Var::random_like(mean, Distribution::Normal, 0, &zero, &zero, &[])?
        };
        Ok(vec![mean + noise * (log_variance * self.factor).exp()?])
    }
}

fn convolution(filters: usize) -> Conv2D {
    Conv2D::new(filters, 3).padding(Padding::Same).activation(Relu)
}

fn decoder() -> Result<Model> {
    let model = Sequential::new([2])
        .add(Dense::new(14 * 14 * 64).activation(Relu))
        .add(Reshape::new([14, 14, 64]))
        .add(
            Conv2DTranspose::new(32, 3)
                .strides(2)
                .padding(Padding::Same)
                .activation(Relu),
        )
        .add(Conv2D::new(1, 3).padding(Padding::Same).activation(Sigmoid))
        .name("decoder")
        .seed(seed());
    Ok(model.build()?)
}

/// The autoencoder around a decoder.
fn autoencoder(decoder: &Model) -> Result<Model> {
    let image = Symbol::input("image", [28, 28, 1]);
    let x = convolution(32).apply(&image)?;
    let x = convolution(64).strides(2).apply(&x)?;
    let x = convolution(64).apply(&x)?;
    let x = convolution(64).apply(&x)?;
    let x = Dense::new(32).activation(Relu).apply(&Flatten::new().apply(&x)?)?;
    let mean = Dense::new(2).named("mean").apply(&x)?;
    let log_variance = Dense::new(2).named("log_variance").apply(&x)?;
    let factor = if std::env::args().any(|a| a == "--book") { 1.0 } else { 0.5 };
    let point = Sampling { kl_weight: 5e-4, factor }.join([&mean, &log_variance])?;
    let drawn = LayerHandle::from(decoder).apply(&point)?;
    Ok(Functional::new([&image], [&drawn]).name("vae").seed(seed()).build()?)
}

/// Digits as inputs, and as what is to come out.
fn images(data: &Arrays) -> Result<Arrays> {
    let images = data.x().cast(DType::F32).reshape([data.len(), 28, 28, 1])?;
    let images = &images / 255.0;
    Ok(Arrays::new(images.clone(), images)?)
}

fn main() -> Result<()> {
    let epochs = choice().map_or(10, |n| n.parse().expect("a number of epochs"));
    let data = Mnist::new().load()?;
    println!("{}", data.source);
    let (train, test) = (images(&data.train)?, images(&data.test)?);

    let decoder = decoder()?;
    let model = autoencoder(&decoder)?;
    println!("{}", model.summary());
    let mut trainer =
        model.compile(Compile::new(RmsProp::new(), BinaryCrossentropy::new()))?;
    let fit = Fit::new().epochs(epochs).batch_size(16).validation_data(&test);
    let history = trainer.fit(&train, fit.validation_batch_size(100))?;
    let loss = history.last("val_loss").unwrap_or(f64::NAN);
    report("VAE: loss on the test digits", 0.1801, loss);

    // The square in which most points of a normal distribution lie.
    let places = Tensor::linspace(-1.65f32, 1.65, 15).to_vec::<f32>()?;
    let points = places.iter().flat_map(|&y| places.iter().flat_map(move |&x| [x, y]));
    let points = Tensor::new(points.collect::<Vec<f32>>(), [15 * 15, 2])?;
    let digits = decoder.predict(&points)?;
    Grid::new()
        .columns(15)
        .gap(0)
        .scale(2)
        .image(&digits)?
        .save_png(picture("ch08_vae.png"))?;
    Ok(())
}
