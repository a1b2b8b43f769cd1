//! Gradients without a model: a line, then a small network, each fitted by hand.
//!
//! `cargo run --release --example gradients`

use deckle::prelude::*;

fn main() -> Result<()> {
    let line = fit_a_line()?;
    let network = fit_a_network()?;
    let result =
        serde_json::json!({ "example": "gradients", "line": line, "network": network });
    println!("RESULT {result}");
    Ok(())
}

/// Stochastic gradient descent on `y = w · x + b`; returns the last loss.
fn fit_a_line() -> Result<f32> {
    let x = Tensor::random_uniform([100], -1.0..1.0, 1);
    let y: Tensor = &(&x * 3.0) + 2.0;
    let w = Variable::new("w", &Tensor::scalar(0.0f32))?;
    let b = Variable::new("b", &Tensor::scalar(0.0f32))?;

    let (given, expected) =
        (Var::input("x", [100], DType::F32), Var::input("y", [100], DType::F32));
    let predicted = w.read() * &given + b.read();
    let loss = (predicted - &expected).square()?.mean(..)?;
    let gradients = grad(&loss, &[&w.read(), &b.read()])?;
    let step = Function::new([&given, &expected], [&loss])
        .update(&w, &(w.read() - &gradients[0] * 0.1))
        .update(&b, &(b.read() - &gradients[1] * 0.1))
        .compile(&Device::reference())?;

    let mut last = f32::NAN;
    for _ in 0..200 {
        last = step.call(&[x.clone(), y.clone()])?[0].item()?;
    }
    println!("line: w = {}, b = {}, loss {last:e}", w.value()?, b.value()?);
    Ok(last)
}

/// Gradient descent on a network of two layers that learns a parabola; returns the last loss.
fn fit_a_network() -> Result<f32> {
    let x = Tensor::random_uniform([256, 1], -1.0..1.0, 2);
    let y = &x * &x;
    let random = |shape: [usize; 2], seed| Tensor::random_normal(shape, 0.0, 0.7, seed);
    let weights = [
        Variable::new("kernel_1", &random([1, 16], 3))?,
        Variable::new("bias_1", &Tensor::zeros(DType::F32, [16]))?,
        Variable::new("kernel_2", &random([16, 1], 4))?,
        Variable::new("bias_2", &Tensor::zeros(DType::F32, [1]))?,
    ];
    let [k1, b1, k2, b2] = weights.each_ref().map(Variable::read);

    let given = Var::input("x", [None, Some(1)], DType::F32);
    let expected = Var::input("y", [None, Some(1)], DType::F32);
    let hidden = given.matmul(&k1)?.add(&b1)?.tanh()?;
    let predicted = hidden.matmul(&k2)?.add(&b2)?;
    let loss = predicted.sub(&expected)?.square()?.mean(..)?;
    let gradients = grad(&loss, &[&k1, &b1, &k2, &b2])?;
    let mut step = Function::new([&given, &expected], [&loss]);
    for (weight, gradient) in weights.iter().zip(&gradients) {
        step = step.update(weight, &(weight.read() - gradient * 0.3));
    }
    let step = step.compile(&Device::reference())?;

    let (mut first, mut last) = (None, f32::NAN);
    for _ in 0..1000 {
        last = step.call(&[x.clone(), y.clone()])?[0].item()?;
        first.get_or_insert(last);
    }
    println!("network: loss from {:e} to {last:e}", first.unwrap_or(f32::NAN));
    Ok(last)
}
