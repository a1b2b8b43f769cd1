//! DeepDream: section 8.2 of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with cifar10/ and cats_vs_dogs/> cargo run --release --example
//! ch08_dream`
//!
//! A network sees in a photograph what it was trained to look for. Change the photograph, a little
//! at a time, so that its layers answer more strongly, from small to large, and it draws what it
//! sees. The book takes a network that knows ImageNet; this one is trained on the small photographs
//! of CIFAR-10 first, by this program. `target/examples/ch08_dream.png` has a photograph and what
//! became of it. The book has no figures: it stops when the loss passes 10, after 20 steps at each
//! of three sizes otherwise.
//!
//! Mordvintsev, Olah, Tyka: *Inceptionism: Going Deeper into Neural Networks* (2015).

use deckle::{
    autograd::{self, Group},
    data::Batch,
    datasets::{cats_vs_dogs::CatsVsDogs, cifar10::Cifar10},
    nn::Call,
    plot::Grid,
    prelude::*,
};
use deckle_examples::{picture, report, seed};

const SIDE: usize = 224;
/// Each size is so many times the one before.
const OCTAVE: f64 = 1.4;
const OCTAVES: i32 = 3;
const STEPS: usize = 20;
/// How far a pixel goes in a step, on average, of 0 to 1.
const STEP: f64 = 0.005;
/// The layers that are to answer, and how much each counts.
const LAYERS: [(&str, f64); 4] =
    [("edges", 0.2), ("corners", 1.0), ("parts", 2.0), ("things", 1.5)];
/// Rough images make layers answer, too: how much it counts that the image becomes rougher.
const ROUGHNESS: f64 = 0.8;
/// No more is wanted than so many times the answer to the photograph.
const ENOUGH: f32 = 10.0;

/// A network that takes photographs of any size, with pixels from 0 to 1.
fn network() -> Result<Model> {
    let convolution =
        |filters| Conv2D::new(filters, 3).padding(Padding::Same).use_bias(false);
    let mut model = Sequential::new([None, None, Some(3)]);
    for (filters, (name, _)) in [32, 64, 128, 128].into_iter().zip(LAYERS) {
        model = model
            .add(convolution(filters))
            .add(BatchNormalization::new().momentum(0.9))
            .add(ReLU::new().named(name));
        if filters < 128 {
            model = model.add(AveragePooling2D::new(2));
        }
    }
    let model =
        model.add(GlobalAveragePooling2D::new()).add(Dense::new(10).activation(Softmax));
    Ok(model.seed(seed()).build()?)
}

fn resized(image: &Tensor, side: usize) -> Result<Tensor> {
    let [_, height, width, channels] = *image.shape() else { unreachable!() };
    let model = Sequential::new([height, width, channels]).add(Resizing::new(side, side));
    Ok(model.build()?.predict(image)?)
}

/// How strongly the layers answer to an image: their weighted mean squares.
fn answer(features: &Model, image: &Var) -> Result<Var> {
    let all = features.call(std::slice::from_ref(image), &mut Call::inference())?;
    let mut sum = Var::scalar(DType::F32, 0.0);
    for (layer, (_, weight)) in all.iter().zip(LAYERS) {
        // Not at the border, where a part of what they see is missing.
        let inner = layer.slice((.., 2..-2, 2..-2))?;
        sum = sum + inner.square()?.mean(..)? * weight;
    }
    Ok(sum)
}

/// How much neighbours differ.
fn roughness(image: &Var) -> autograd::Result<Var> {
    let down = image.slice((.., 1..))? - image.slice((.., ..-1))?;
    let right = image.slice((.., .., 1..))? - image.slice((.., .., ..-1))?;
    Ok(down.square()?.mean(..)? + right.square()?.mean(..)?)
}

/// Steps that let the layers answer more strongly than to the photograph, which is of this size.
fn ascend(features: &Model, image: &Tensor, photograph: &Tensor) -> Result<Tensor> {
    let device = features.group().device();
    let pixels = Group::new(&device).variable("pixels", image)?;
    let (now, before) = (pixels.read(), Var::constant(photograph));
    let times = |now: Var, before: &Var| -> Result<Var> {
        Ok(now / Var::constant(&before.eval()?))
    };
    let gain = times(answer(features, &now)?, &answer(features, &before)?)?;
    let rougher = times(roughness(&now)?, &roughness(&before)?)?;
    let wanted = &gain - &rougher * ROUGHNESS;
    let slope = grad(&wanted, &[&now])?.remove(0);
    // Steps of one size, however steep it is.
    let size = slope.abs()?.mean(..)? + 1e-7;
    let next = (now + slope / size * STEP).clip(0.0, 1.0)?;
    let step =
        Function::new([], [&gain, &rougher]).update(&pixels, &next).compile(&device)?;
    let mut count = 0;
    let last = loop {
        let values = step.call(&[])?;
        let [gain, rougher] = [values[0].item::<f32>()?, values[1].item::<f32>()?];
        count += 1;
        if gain > ENOUGH || count == STEPS {
            break [gain, rougher];
        }
    };
    println!(
        "{} pixels, {count} steps: answers {:.2} times as strong, {:.2} times as rough",
        image.shape()[1],
        last[0],
        last[1]
    );
    Ok(pixels.value()?)
}

/// From small to large. What of the photograph a smaller size had no pixels for comes back.
fn dream(features: &Model, photograph: &Tensor) -> Result<Tensor> {
    let side = |octave: i32| (SIDE as f64 / OCTAVE.powi(OCTAVES - 1 - octave)) as usize;
    let mut smaller = resized(photograph, side(0))?;
    let mut image = ascend(features, &smaller, &smaller)?;
    for octave in 1..OCTAVES {
        let side = side(octave);
        let this = resized(photograph, side)?;
        let lost = &this - &resized(&smaller, side)?;
        image = (&resized(&image, side)? + &lost).clip(0.0, 1.0)?;
        image = ascend(features, &image, &this)?;
        smaller = this;
    }
    Ok(image)
}

/// The share of pixels that are black or white in a channel.
fn at_the_ends(image: &Tensor) -> Result<f64> {
    let values = image.to_vec::<f32>()?;
    let ends = values.iter().filter(|&&value| value <= 0.0 || value >= 1.0);
    Ok(ends.count() as f64 / values.len() as f64)
}

fn main() -> Result<()> {
    let data = Cifar10::new().load()?;
    println!("{}", data.source);
    let unit = |part: &Arrays| part.map_inputs(|x| Ok(&x.cast(DType::F32) / 255.0));
    let (train, test) = (unit(&data.train)?, unit(&data.test)?);
    let model = network()?;
    let compile = Compile::new(Adam::new(), SparseCategoricalCrossentropy::new());
    let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
    trainer.fit(&train, Fit::new().epochs(8).batch_size(64).verbose(2))?;
    let accuracy = trainer.evaluate(&test)?.get("accuracy").unwrap_or(f64::NAN);
    report("dream: test accuracy of the network that looks", None, accuracy);

    let pets = CatsVsDogs::new().image_size(SIDE, SIDE).load()?;
    let mut batch = Batch::new();
    pets.test.read_batch(&[0], &mut batch)?;
    let photograph = &batch.inputs[0] / 255.0;
    let features = model.sub_model(LAYERS.map(|(name, _)| name))?;
    let dreamt = dream(&features, &photograph)?;

    let strength = |image: &Tensor| -> Result<f64> {
        let answer = answer(&features, &Var::constant(image))?.eval()?;
        Ok(f64::from(answer.item::<f32>()?))
    };
    let times = strength(&dreamt)? / strength(&photograph)?;
    report("dream: times as strong an answer as to the photograph", None, times);
    report("dream: share of pixels at an end", None, at_the_ends(&dreamt)?);
    report("dream: share of them in the photograph", None, at_the_ends(&photograph)?);
    let both = Tensor::concatenate(&[&photograph, &dreamt], 0)?;
    Grid::new().columns(2).image(&both)?.save_png(picture("ch08_dream.png"))?;
    Ok(())
}
