//! A layer of your own: weights, a configuration, a place in a file.
//!
//! `cargo run --release --example custom_layer`
//!
//! The layer lets a part of its input through as it is, and learns which part. Takes less than a
//! second.

use deckle::{
    nn::{self, Built, Call, Init, Inputs, Layer, Registry, expect},
    prelude::*,
    train::load_with,
};
use serde::{Deserialize, Serialize};

/// `y = g · relu(x·W + b) + (1 - g) · x` with the gate `g = σ(x·V + c)`.
///
/// Srivastava, Greff, Schmidhuber: *Highway Networks* (arXiv 1505.00387), equation 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Highway {
    /// What the gate's bias starts with: negative lets the input through at first.
    gate_bias: f64,
}

impl Layer for Highway {
    fn class_name(&self) -> &'static str {
        "Highway"
    }

    fn output_shape(&self, inputs: &[Shape]) -> nn::Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        expect::at_least(input, 2, "(batch, ..., features)", "add an axis")?;
        expect::known(input, -1)?;
        Ok(vec![input.clone()])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> nn::Result<Box<dyn Built>> {
        let features = expect::known(&inputs[0], -1)?;
        let (random, zeros) = (Initializer::GlorotUniform, Initializer::zeros());
        let closed = Initializer::Constant(self.gate_bias);
        Ok(Box::new(BuiltHighway {
            kernel: init.variable("kernel", [features, features], &random)?,
            bias: init.variable("bias", [features], &zeros)?,
            gate_kernel: init.variable("gate_kernel", [features, features], &random)?,
            gate_bias: init.variable("gate_bias", [features], &closed)?,
        }))
    }
}

#[derive(Debug)]
struct BuiltHighway {
    kernel: Variable,
    bias: Variable,
    gate_kernel: Variable,
    gate_bias: Variable,
}

impl Built for BuiltHighway {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> nn::Result<Vec<Var>> {
        let x = inputs.only()?;
        let changed = x.matmul(&call.read(&self.kernel))?.add(&call.read(&self.bias))?;
        let gate = x.matmul(&call.read(&self.gate_kernel))?;
        let gate = gate.add(&call.read(&self.gate_bias))?.sigmoid()?;
        let changed = Relu.apply(&changed)?;
        // x + g·(changed - x): the same, with one product less.
        Ok(vec![x.add(&gate.mul(&changed.sub(x)?)?)?])
    }
}

/// Points in a square; the target is whether they lie in a ring around its middle.
fn points(count: usize) -> Result<Arrays> {
    let spread = |i: usize, step: f64| (i as f64 * step).fract() as f32 * 2.0 - 1.0;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..count {
        // Multiples of these fractions fill a square evenly.
        let (a, b) = (spread(i, 0.754_877_666_246_693), spread(i, 0.569_840_290_998_053));
        let radius = a.hypot(b);
        x.extend([a, b]);
        y.push(f32::from(radius > 0.4 && radius < 0.8));
    }
    Ok(Arrays::of([Tensor::new(x, [count, 2])?], [Tensor::new(y, [count, 1])?])?)
}

fn main() -> Result<()> {
    let model = Sequential::new([2])
        .add(Dense::new(16).activation(Relu))
        .add(Highway { gate_bias: -1.0 })
        .add(Highway { gate_bias: -1.0 })
        .add(Dense::new(1).activation(Sigmoid))
        .seed(1)
        .build()?;
    println!("{}", model.summary());

    let (train, test) = points(2_000)?.split(0.25)?;
    let compile =
        Compile::new(Adam::new().learning_rate(0.01), BinaryCrossentropy::new());
    let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
    trainer.fit(&train, Fit::new().epochs(30).verbose(0))?;
    let accuracy = trainer.evaluate(&test)?.get("accuracy").unwrap_or(f64::NAN);

    // A file names the class; what the class means is said here, to whoever loads.
    let path =
        std::env::temp_dir().join(format!("deckle-highway-{}.keras", std::process::id()));
    trainer.save(&path)?;
    let unknown = deckle::train::load(&path).err();
    let registry = Registry::keras().register::<Highway>("Highway");
    let again = load_with(&path, &registry);
    std::fs::remove_file(&path).ok();
    if let Some(unknown) = unknown {
        println!("without the registry: {unknown}");
    }
    let x = &test.inputs()[0];
    let (before, after) = (model.predict(x)?, again?.model.predict(x)?);

    println!(
        "RESULT {}",
        serde_json::json!({
            "example": "custom_layer", "accuracy": accuracy,
            "same_after_loading": before.bits_equal(&after),
        })
    );
    Ok(())
}
