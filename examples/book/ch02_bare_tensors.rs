//! MNIST from bare tensors and gradients: section 2.5 of *Deep Learning with Python*, second
//! edition.
//!
//! `DECKLE_DATA_DIR=<folder with mnist/> cargo run --release --example ch02_bare_tensors`
//!
//! The same network as in `mnist`, without layers, optimizer or `fit`: two matrices, two vectors,
//! gradient descent with a rate of 0.001. The book reaches about 0.82 in ten epochs. Takes some
//! seconds.

use deckle::{autograd::Group, data::Order, datasets::mnist::Mnist, prelude::*};
use deckle_examples::{report, seed};

const BATCH: usize = 128;

/// The logits of the digits, `(batch, 10)`, for pixels `(batch, 784)`.
fn network(pixels: &Var, [w1, b1, w2, b2]: &[Var; 4]) -> Result<Var> {
    let hidden = pixels.matmul(w1)?.add(b1)?.relu()?;
    Ok(hidden.matmul(w2)?.add(b2)?)
}

fn pixels(data: &Arrays) -> Result<Tensor> {
    let flat = data.x().reshape([data.len(), 784])?;
    Ok(&flat.cast(DType::F32) / 255.0)
}

fn main() -> Result<()> {
    let data = Mnist::new().load()?;
    println!("{}", data.source);

    let device = Device::new(Cpu::new());
    let group = Group::new(&device);
    let random = |shape: [usize; 2], stream| {
        Tensor::random_uniform(shape, 0.0..0.1, seed() + stream)
    };
    let weights = [
        group.variable("w1", &random([784, 512], 1))?,
        group.variable("b1", &Tensor::zeros(DType::F32, [512]))?,
        group.variable("w2", &random([512, 10], 2))?,
        group.variable("b2", &Tensor::zeros(DType::F32, [10]))?,
    ];
    let read = weights.each_ref().map(Variable::read);
    let given = Var::input("pixels", [None, Some(784)], DType::F32);
    let labels = Var::input("labels", [None], DType::I64);

    let logits = network(&given, &read)?;
    let loss = logits.sparse_softmax_cross_entropy(&labels)?.mean(..)?;
    let gradients = grad(&loss, &read.each_ref())?;
    let mut step = Function::new([&given, &labels], [&loss]);
    for (weight, gradient) in weights.iter().zip(&gradients) {
        step = step.update(weight, &(weight.read() - gradient * 1e-3));
    }
    let step = step.compile(&device)?;

    let train = Arrays::new(pixels(&data.train)?, data.train.y()?.cast(DType::I64))?;
    let mut order = Order::of(&train);
    for epoch in 0..10 {
        order.shuffle(seed(), epoch);
        let mut last = f32::NAN;
        for indices in order.batches(BATCH)? {
            let batch = train.subset(indices)?;
            last = step.call(&[batch.x().clone(), batch.y()?.clone()])?[0].item()?;
        }
        println!("epoch {}: loss {last:.4}", epoch + 1);
    }

    let predict = Function::new([&given], [&logits]).compile(&device)?;
    let outputs = predict.call(&[pixels(&data.test)?])?;
    let matrix = deckle::train::ConfusionMatrix::of(data.test.y()?, &outputs[0])?;
    println!("accuracy {:.4}", matrix.accuracy());
    if data.source.is_whole() {
        report("bare tensors: test accuracy", 0.82, matrix.accuracy());
    }
    Ok(())
}
