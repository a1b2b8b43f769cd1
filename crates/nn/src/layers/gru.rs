//! The gated recurrent unit.

pub(crate) mod composite;

use deckle_autograd::{Result as GraphResult, Var};
use deckle_tensor::{Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::{
    recurrent::{Cell, Recurrent, Steps, recurrent_setters, sigmoid},
    rnn::OverSteps,
};
use crate::{Activation, Built, Call, Init, Inputs, Layer, Result, keras::yes};
use composite::Gru;

/// A gated recurrent unit: a state `h`, part of which each step replaces.
///
/// With the three parts `z, r, g` of `x · kernel + bias₀` and of `h · recurrent_kernel + bias₁`:
///
/// ```text
/// z  = σ(zₓ + zₕ)
/// r  = σ(rₓ + rₕ)
/// h' = z · h + (1 - z) · tanh(gₓ + r · gₕ)
/// ```
///
/// Without `reset_after`, `gₕ` is `(r · h) · recurrent_kernel`, `r` inside, and there is one
/// bias. `activation` stands for tanh, `recurrent_activation` for σ. Masked steps keep the
/// state. It starts with 0, or with `initial_state`: one more input, positional or by that name.
/// The inputs of all steps are multiplied by `kernel` at once; with the default activations
/// the rest is one operation, `gru`, that a backend may run as one loop.
///
/// # Shapes
///
/// | tensor                  | shape                                                        |
/// |-------------------------|--------------------------------------------------------------|
/// | input                   | `(batch, time, features)`; `time` may be unknown             |
/// | `cell/kernel`           | `(features, 3 · units)`                                      |
/// | `cell/recurrent_kernel` | `(units, 3 · units)`                                         |
/// | `cell/bias`             | `(2, 3 · units)`; `(3 · units,)` without `reset_after`       |
/// | output                  | `(batch, units)`, or `(batch, time, units)` with all steps   |
/// | state                   | `(batch, units)`                                             |
///
/// # Errors
///
/// As [`LSTM`](super::LSTM).
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::GRU};
///
/// let words = [None, None, Some(32)].into();
/// assert_eq!(GRU::new(16).output_shape(&[words])?, [[None, Some(16)].into()]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.GRU`. As there, a layer that is given states does not use
/// the mask that belongs to its input: give it by name, as `mask`.
///
/// # References
///
/// Cho et al., *Learning phrase representations using RNN encoder–decoder* (2014).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GRU {
    #[serde(flatten)]
    recurrent: Recurrent,
    #[serde(default = "sigmoid")]
    recurrent_activation: Activation,
    #[serde(default = "yes")]
    reset_after: bool,
}

const GATES: usize = 3;

impl GRU {
    /// The layer with that many outputs.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Self {
            recurrent: Recurrent::new(units),
            recurrent_activation: Activation::Sigmoid,
            reset_after: true,
        }
    }

    /// Sets the function of the gates; the sigmoid by default.
    #[must_use]
    pub fn recurrent_activation(mut self, activation: Activation) -> Self {
        self.recurrent_activation = activation;
        self
    }

    /// Sets whether the reset gate comes after the product with the recurrent kernel; true by
    /// default.
    #[must_use]
    pub fn reset_after(mut self, reset_after: bool) -> Self {
        self.reset_after = reset_after;
        self
    }
}

recurrent_setters! { GRU }

impl Layer for GRU {
    fn class_name(&self) -> &'static str {
        "GRU"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.recurrent.output_shape(inputs, 1)
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        self.build_in("cell", inputs, init)
    }

    fn takes_named(&self, name: &str) -> bool {
        matches!(name, "mask" | "initial_state")
    }

    fn list_from(&self) -> Option<usize> {
        Some(1)
    }
}

impl OverSteps for GRU {
    fn build_in(
        &self,
        scope: &str,
        inputs: &[Shape],
        init: &mut Init<'_>,
    ) -> Result<Box<dyn Built>> {
        let recurrent = &self.recurrent;
        let width = recurrent.units.saturating_mul(GATES);
        let shape = if self.reset_after { vec![2, width] } else { vec![width] };
        let cell = recurrent.cell(scope, inputs, (GATES, 1), init, |init| {
            init.variable("bias", shape, &recurrent.bias_initializer)
        })?;
        Ok(Box::new(BuiltGRU { config: self.clone(), cell }))
    }
}

#[derive(Debug)]
struct BuiltGRU {
    config: GRU,
    cell: Cell,
}

impl BuiltGRU {
    /// The outputs of all steps, and the last state.
    fn run(
        &self,
        steps: &Steps,
        kernel: &Var,
        bias: Option<&Var>,
    ) -> Result<(Var, Vec<Var>)> {
        let config = &self.config;
        let functions = (config.recurrent.activation, config.recurrent_activation);
        let fits = functions == (Activation::Tanh, Activation::Sigmoid);
        if fits {
            let (projection, reset_after) = (&steps.projection, config.reset_after);
            let bias = reset_after.then(|| {
                bias.cloned().unwrap_or_else(|| {
                    let width = [GATES * config.recurrent.units];
                    Var::constant(&Tensor::zeros(projection.dtype(), width))
                })
            });
            let (extras, more) = steps.extras()?;
            let inputs = [projection, &steps.states[0], kernel].into_iter();
            let inputs: Vec<_> = inputs.chain(&bias).chain(&more).collect();
            let mut made = Var::composite(Gru { reset_after, extras }, &inputs)?;
            let states = made.split_off(1);
            return Ok((made.remove(0), states));
        }
        let mut scanned = steps
            .run(|x, states| Ok(vec![self.step(steps, x, &states[0], kernel, bias)?]))?;
        Ok((scanned.results.remove(0), scanned.carries))
    }

    /// The state after a step, from the projection of its input.
    fn step(
        &self,
        steps: &Steps,
        x: &Var,
        h: &Var,
        kernel: &Var,
        bias: Option<&Var>,
    ) -> GraphResult<Var> {
        let (gate, units) =
            (self.config.recurrent_activation, self.config.recurrent.units);
        let x = x.split(GATES, -1)?;
        let (z, r, g);
        if self.config.reset_after {
            let mut product = steps.product(h, kernel)?;
            if let Some(bias) = bias {
                product = product.add(bias)?;
            }
            let by = product.split(GATES, -1)?;
            z = gate.apply(&x[0].add(&by[0])?)?;
            r = gate.apply(&x[1].add(&by[1])?)?;
            g = x[2].add(&r.mul(&by[2])?)?;
        } else {
            let kernels = kernel.split_at([2 * units], -1)?;
            let dropped = |gate: usize| match steps.state_dropout.get(gate) {
                Some(dropout) => h.mul(dropout),
                None => Ok(h.clone()),
            };
            let by = if steps.state_dropout.is_empty() {
                h.matmul(&kernels[0])?.split(2, -1)?
            } else {
                let parts = kernels[0].split(2, -1)?;
                vec![dropped(0)?.matmul(&parts[0])?, dropped(1)?.matmul(&parts[1])?]
            };
            z = gate.apply(&x[0].add(&by[0])?)?;
            r = gate.apply(&x[1].add(&by[1])?)?;
            g = x[2].add(&r.mul(&dropped(2)?)?.matmul(&kernels[1])?)?;
        }
        let new = self.config.recurrent.activation.apply(&g)?;
        z.mul(h)?.add(&(1.0 - &z).mul(&new)?)
    }
}

impl Built for BuiltGRU {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let recurrent = &self.config.recurrent;
        let bias = self.cell.bias.as_ref().map(|bias| call.read(bias));
        let (of_input, of_state) = match &bias {
            Some(bias) if self.config.reset_after => {
                (Some(bias.slice(0)?), Some(bias.slice(1)?))
            }
            bias => (bias.clone(), None),
        };
        let steps =
            recurrent.begin(&self.cell, (GATES, 1), of_input.as_ref(), inputs, call)?;
        let kernel = call.read(&self.cell.recurrent_kernel);
        let (sequence, states) = self.run(&steps, &kernel, of_state.as_ref())?;
        recurrent.finish(&steps, &sequence, states, call)
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::DType;

    use super::*;
    use crate::{
        check_layer,
        layers::lstm::tests::{check_loop, golden},
    };

    /// The rule and differentiating through the body give the same gradients, orders one and
    /// two.
    #[test]
    fn the_gradient_is_right() -> Result<()> {
        let shapes = [vec![3, 2, 6], vec![2, 2], vec![2, 6], vec![6]];
        let numbers = |shape: &Vec<usize>| {
            let size: usize = shape.iter().product();
            let numbers: Vec<_> =
                (0..size).map(|i| (i * 7 % 11) as f64 / 11.0 - 0.4).collect();
            Tensor::new(numbers, shape)
        };
        let mut given: Vec<_> =
            shapes.iter().map(numbers).collect::<deckle_tensor::Result<_>>()?;
        assert_eq!(given[0].dtype(), DType::F64);
        let dropout = numbers(&vec![3, 2, 2])?;
        for reset_after in [true, false] {
            given.truncate(if reset_after { 4 } else { 3 });
            check_loop(&given, &dropout, |extras, x| {
                Var::composite(Gru { reset_after, extras }, x)
            })?;
        }
        Ok(())
    }

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&GRU::new(2), [[2, 3, 2]])?;
        check_layer(&GRU::new(2).reset_after(false).return_sequences(true), [[2, 3, 1]])?;
        check_layer(
            &GRU::new(2).use_bias(false).recurrent_dropout(0.4).dropout(0.2),
            [[2, 3, 1]],
        )
    }

    /// Keras 3.15.1.
    #[test]
    fn values_are_kerass() -> Result<()> {
        let expected = [-0.018_212, 0.017_277, 0.0068, 0.090_661, 0.056_262, 0.196_111];
        golden(GRU::new(2).return_sequences(true), &expected)?;
        let expected = [0.077_582, 0.124_747, 0.156_582, 0.256_069, 0.234_651, 0.383_909];
        golden(GRU::new(2).reset_after(false).return_sequences(true), &expected)
    }
}
