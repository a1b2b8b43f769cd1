//! A line between two clouds of points: chapter 3 of the second edition of *Deep Learning with
//! Python*, from bare tensors.
//!
//! `cargo run --release --example ch03_linear_classifier`
//!
//! A thousand points on each side, one matrix and one number, gradient descent with a rate of 0.1.
//! The book's loss is about 0.025 after 40 steps. The points and the line land in
//! `target/examples/`.

use deckle::{autograd::Group, plot::Chart, prelude::*};
use deckle_examples::{picture, report, seed};

const POINTS: usize = 1_000;

/// Points around a mean whose coordinates vary together: both have a variance of 1, and a
/// covariance of 0.5.
fn cloud(mean: [f32; 2], stream: u64) -> Result<Tensor> {
    let normal = Tensor::random_normal([POINTS, 2], 0.0, 1.0, seed() << 8 | stream);
    // Cholesky's factor of [[1, 0.5], [0.5, 1]], transposed.
    let factor = Tensor::new(vec![1.0, 0.5, 0.0, 0.75f32.sqrt()], [2, 2])?;
    Ok(&normal.matmul(&factor)? + &Tensor::new(mean, [2])?)
}

fn main() -> Result<()> {
    let clouds = [cloud([0.0, 3.0], 1)?, cloud([3.0, 0.0], 2)?];
    let points = Tensor::concatenate(&[&clouds[0], &clouds[1]], 0)?;
    let sides = [0.0f32, 1.0].map(|side| Tensor::full([POINTS, 1], side));
    let sides = Tensor::concatenate(&[&sides[0], &sides[1]], 0)?;

    let device = Device::new(Cpu::new());
    let group = Group::new(&device);
    let w = group.variable("w", &Tensor::random_uniform([2, 1], 0.0..1.0, seed()))?;
    let b = group.variable("b", &Tensor::zeros(DType::F32, [1]))?;
    let (given, wanted) = (Var::constant(&points), Var::constant(&sides));
    let answers = given.matmul(&w.read())?.add(&b.read())?;
    let loss = (&answers - &wanted).square()?.mean(..)?;
    let slopes = grad(&loss, &[&w.read(), &b.read()])?;
    let step = Function::new([], [&loss])
        .update(&w, &(w.read() - &slopes[0] * 0.1))
        .update(&b, &(b.read() - &slopes[1] * 0.1))
        .compile(&device)?;
    for number in 1..=40 {
        let loss: f32 = step.call(&[])?[0].item()?;
        if number % 10 == 0 {
            println!("step {number}: loss {loss:.4}");
        }
    }

    let look = Function::new([], [&loss, &answers]).compile(&device)?;
    let found = look.call(&[])?;
    report("linear classifier: loss", 0.025, f64::from(found[0].item::<f32>()?));
    let pairs = found[1].to_vec::<f32>()?.into_iter().zip(sides.to_vec::<f32>()?);
    let right = pairs.filter(|(answer, side)| (*answer > 0.5) == (*side > 0.5)).count();
    report("linear classifier: accuracy", None, right as f64 / (2 * POINTS) as f64);

    let coordinates = |cloud: &Tensor| -> Result<Vec<(f64, f64)>> {
        let values = cloud.cast(DType::F64).to_vec::<f64>()?;
        Ok(values.chunks_exact(2).map(|point| (point[0], point[1])).collect())
    };
    // Where the answer is 0.5.
    let (w, b) = (w.value()?.to_vec::<f32>()?, b.value()?.to_vec::<f32>()?);
    let line = [-1.0, 4.0].map(|x| (x, f64::from((0.5 - b[0] - w[0] * x as f32) / w[1])));
    Chart::new("two clouds and a line")
        .points("left", coordinates(&clouds[0])?)
        .points("right", coordinates(&clouds[1])?)
        .line("0.5", line)
        .save(picture("ch03_linear_classifier.png"))?;
    Ok(())
}
