//! The fully-connected recurrent layer.

pub(crate) mod composite;

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::{
    recurrent::{Cell, Recurrent, recurrent_setters},
    rnn::OverSteps,
};
use crate::{Activation, Built, Call, Init, Inputs, Layer, Result};
use composite::Simple;

/// A layer whose output is an input of its next step:
/// `h' = tanh(x · kernel + h · recurrent_kernel + bias)`.
///
/// `activation` stands for tanh. Masked steps keep the state. It starts with 0, or with
/// `initial_state`: one more input, positional or by that name.
/// The inputs of all steps are multiplied by `kernel` at once; with the default activation the
/// rest is one operation, `simple_rnn`, that a backend may run as one loop.
///
/// # Shapes
///
/// | tensor                  | shape                                                        |
/// |-------------------------|--------------------------------------------------------------|
/// | input                   | `(batch, time, features)`; `time` may be unknown             |
/// | `cell/kernel`           | `(features, units)`                                          |
/// | `cell/recurrent_kernel` | `(units, units)`                                             |
/// | `cell/bias`             | `(units,)`                                                   |
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
/// use deckle_nn::{Layer, layers::SimpleRNN};
///
/// let words = [None, None, Some(32)].into();
/// assert_eq!(SimpleRNN::new(16).output_shape(&[words])?, [[None, Some(16)].into()]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.SimpleRNN`. As there, a layer that is given states does
/// not use the mask that belongs to its input: give it by name, as `mask`.
///
/// # References
///
/// Elman, *Finding structure in time* (1990).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimpleRNN {
    #[serde(flatten)]
    recurrent: Recurrent,
}

impl SimpleRNN {
    /// The layer with that many outputs.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Self { recurrent: Recurrent::new(units) }
    }
}

recurrent_setters! { SimpleRNN }

impl Layer for SimpleRNN {
    fn class_name(&self) -> &'static str {
        "SimpleRNN"
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

impl OverSteps for SimpleRNN {
    fn build_in(
        &self,
        scope: &str,
        inputs: &[Shape],
        init: &mut Init<'_>,
    ) -> Result<Box<dyn Built>> {
        let recurrent = self.recurrent.clone();
        let cell = recurrent.cell(scope, inputs, (1, 1), init, |init| {
            init.variable("bias", [recurrent.units], &recurrent.bias_initializer)
        })?;
        Ok(Box::new(BuiltSimpleRNN { recurrent, cell }))
    }
}

#[derive(Debug)]
struct BuiltSimpleRNN {
    recurrent: Recurrent,
    cell: Cell,
}

impl Built for BuiltSimpleRNN {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let bias = self.cell.bias.as_ref().map(|bias| call.read(bias));
        let steps =
            self.recurrent.begin(&self.cell, (1, 1), bias.as_ref(), inputs, call)?;
        let kernel = call.read(&self.cell.recurrent_kernel);
        if self.recurrent.activation == Activation::Tanh {
            let (extras, more) = steps.extras()?;
            let inputs = [&steps.projection, &steps.states[0], &kernel].into_iter();
            let inputs: Vec<_> = inputs.chain(&more).collect();
            let mut made = Var::composite(Simple(extras), &inputs)?;
            let states = made.split_off(1);
            return self.recurrent.finish(&steps, &made[0], states, call);
        }
        let mut scanned = steps.run(|x, states| {
            let sum = x.add(&steps.product(&states[0], &kernel)?)?;
            Ok(vec![self.recurrent.activation.apply(&sum)?])
        })?;
        self.recurrent.finish(&steps, &scanned.results.remove(0), scanned.carries, call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deckle_tensor::{DType, Tensor};

    use crate::{
        check_layer,
        layers::lstm::tests::{check_loop, golden},
    };

    #[test]
    fn the_gradient_is_right() -> Result<()> {
        let numbers = |shape: &[usize]| {
            let size: usize = shape.iter().product();
            let numbers = (0..size).map(|i| (i * 7 % 11) as f64 / 11.0 - 0.4);
            Tensor::new(numbers.collect::<Vec<_>>(), shape).map(|x| x.cast(DType::F64))
        };
        let given = [numbers(&[3, 2, 2])?, numbers(&[2, 2])?, numbers(&[2, 2])?];
        let dropout = numbers(&[1, 2, 2])?;
        check_loop(&given, &dropout, |extras, x| Var::composite(Simple(extras), x))
    }

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&SimpleRNN::new(2), [[2, 3, 2]])?;
        check_layer(
            &SimpleRNN::new(2)
                .return_sequences(true)
                .return_state(true)
                .go_backwards(true)
                .activation(Activation::Relu)
                .use_bias(false)
                .recurrent_dropout(0.3),
            [[2, 3, 1]],
        )
    }

    /// Keras 3.15.1.
    #[test]
    fn values_are_kerass() -> Result<()> {
        let expected =
            [-0.244_919, 0.041_643, -0.286_003, 0.112_825, -0.413_92, 0.140_439];
        golden(SimpleRNN::new(2).return_sequences(true), &expected)
    }
}
