//! The style of one image on another: section 8.3 of *Deep Learning with Python*.
//!
//! `cargo run --release --example ch08_style`
//!
//! The book takes a network that has seen ImageNet. This one has seen the digits of MNIST, and so
//! knows strokes in grey; it takes images of any size. `target/examples/ch08_style.png` has an
//! image, a pattern, and the image in the pattern's style, found by L-BFGS. The book's loss falls
//! from 7.4e9 to 5.0e8 in 20 times 20 iterations: to 0.068 of what it was.

use deckle::{
    autograd::{self, Group},
    datasets::mnist::Mnist,
    nn::Call,
    optim::Lbfgs,
    plot::Grid,
    prelude::*,
};
use deckle_examples::{picture, report, seed};

const SIDE: usize = 112;
const LAYERS: [&str; 4] = ["edges", "corners", "parts", "things"];

/// A network that takes images of any size, with pixels from 0 to 1.
fn network() -> Result<Model> {
    let layer = |filters, name: &str| {
        Conv2D::new(filters, 3).padding(Padding::Same).activation(Relu).named(name)
    };
    let model = Sequential::new([None, None, Some(1)])
        .add(layer(16, LAYERS[0]))
        .add(layer(16, LAYERS[1]))
        .add(AveragePooling2D::new(2))
        .add(layer(32, LAYERS[2]))
        .add(AveragePooling2D::new(2))
        .add(layer(64, LAYERS[3]))
        .add(GlobalMaxPooling2D::new())
        .add(Dense::new(10).activation(Softmax));
    Ok(model.seed(seed()).build()?)
}

fn resized(image: &Tensor, side: usize) -> Result<Tensor> {
    let [_, height, width, channels] = *image.shape() else { unreachable!() };
    let model = Sequential::new([height, width, channels]).add(Resizing::new(side, side));
    Ok(model.build()?.predict(image)?)
}

/// What the layers put out for an image, `(height, width, features)` each.
fn seen(features: &Model, image: &Var) -> Result<Vec<Var>> {
    let all = features.call(std::slice::from_ref(image), &mut Call::inference())?;
    Ok(all.iter().map(|layer| layer.squeeze(0)).collect::<autograd::Result<_>>()?)
}

/// How often features occur together: the products of all pairs, over all places.
fn style(layer: &Var) -> Result<Var> {
    let [height, width, features] = [0, 1, 2].map(|axis| layer.shape().dim(axis));
    let count =
        |dim: deckle::tensor::Result<&Dim>| dim.ok().and_then(Dim::known).unwrap_or(1);
    let (places, features) = (count(height) * count(width), count(features));
    let flat = layer.reshape([places, features])?;
    Ok(flat.transpose([1, 0])?.matmul(&flat)? * (1.0 / (places * features) as f64))
}

/// An image with the things of one and the style of another, and to what part the loss fell.
fn transfer(
    features: &Model,
    content: &Tensor,
    pattern: &Tensor,
) -> Result<(Tensor, f64)> {
    let device = features.group().device();
    let pixels = Group::new(&device).variable("pixels", content)?;
    let image = pixels.read();
    let made = seen(features, &image)?;
    let wanted = seen(features, &Var::constant(content))?;
    let styles = seen(features, &Var::constant(pattern))?;

    let last = LAYERS.len() - 1;
    let mut loss =
        (&made[last] - Var::constant(&wanted[last].eval()?)).square()?.mean(..)? * 0.025;
    for (made, pattern) in made.iter().zip(&styles) {
        let apart = style(made)? - Var::constant(&style(pattern)?.eval()?);
        loss = loss + apart.square()?.mean(..)? * (100.0 / LAYERS.len() as f64);
    }
    // Neighbours are to be alike.
    let down = image.slice((.., 1.., ..-1))? - image.slice((.., ..-1, ..-1))?;
    let right = image.slice((.., ..-1, 1..))? - image.slice((.., ..-1, ..-1))?;
    let rough = (down.square()? + right.square()? + 1e-6).sqrt()?.mean(..)?;
    loss = loss + rough * 1e-3;

    let before = f64::from(loss.eval()?.item::<f32>()?);
    let found = Lbfgs::new()
        .max_iterations(200)
        .minimize(&loss, std::slice::from_ref(&pixels))?;
    println!("style: loss {before:.5} to {:.5}, {} steps", found.loss, found.iterations);
    Ok((pixels.value()?.clip(0.0, 1.0)?, found.loss / before))
}

fn main() -> Result<()> {
    let data = Mnist::new().load()?;
    println!("{}", data.source);
    let images = |part: &Arrays| {
        let unit = |x: &Tensor| {
            Ok(&x.reshape([x.shape()[0], 28, 28, 1])?.cast(DType::F32) / 255.0)
        };
        part.map_inputs(unit)
    };
    let (train, test) = (images(&data.train)?, images(&data.test)?);
    let model = network()?;
    let compile = Compile::new(Adam::new(), SparseCategoricalCrossentropy::new());
    let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
    trainer.fit(&train, Fit::new().epochs(3).batch_size(64).verbose(2))?;
    let accuracy = trainer.evaluate(&test)?.get("accuracy").unwrap_or(f64::NAN);
    report("style: test accuracy of the network that looks", None, accuracy);
    let features = model.sub_model(LAYERS)?;

    let content = resized(&test.x().slice(..1)?, SIDE)?;
    let pattern = Tensor::from_fn([1, SIDE, SIDE, 1], |at| {
        let (y, x) = (at[1] as f32, at[2] as f32);
        let wave = (x * 0.5 + 6.0 * (y * 0.11).sin()).sin();
        0.5 + 0.4 * wave * (y * 0.05).cos().abs().sqrt()
    });
    let (styled, part) = transfer(&features, &content, &pattern)?;
    let all = Tensor::concatenate(&[&content, &pattern, &styled], 0)?;
    Grid::new().columns(3).scale(2).image(&all)?.save_png(picture("ch08_style.png"))?;
    report("style: part of the loss that is left", 0.068, part);
    Ok(())
}
