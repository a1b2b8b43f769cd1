//! The long short-term memory.

pub(crate) mod composite;
pub(crate) mod gates;

use deckle_autograd::{Var, Variable};
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::{
    recurrent::{Cell, Recurrent, Steps, recurrent_setters, sigmoid},
    rnn::OverSteps,
};
use crate::{
    Activation, Built, Call, Init, Initializer, Inputs, Layer, Result, keras::yes,
};
use composite::Lstm;

/// Long short-term memory: an output `h` and a cell state `c`, carried from step to step.
///
/// With the four parts `i, f, g, o` of `x · kernel + h · recurrent_kernel + bias`:
///
/// ```text
/// c' = σ(f) · c + σ(i) · tanh(g)
/// h' = σ(o) · tanh(c')
/// ```
///
/// `activation` stands for tanh, `recurrent_activation` for σ. Masked steps keep both states.
/// States start with 0, or with `initial_state`: two more inputs, positional or by that name.
/// The inputs of all steps are multiplied by `kernel` at once; with the default activations the
/// rest is one operation, `lstm`, that a backend may run as one loop.
///
/// # Shapes
///
/// | tensor                  | shape                                                        |
/// |-------------------------|--------------------------------------------------------------|
/// | input                   | `(batch, time, features)`; `time` may be unknown             |
/// | `cell/kernel`           | `(features, 4 · units)`                                      |
/// | `cell/recurrent_kernel` | `(units, 4 · units)`                                         |
/// | `cell/bias`             | `(4 · units,)`                                               |
/// | output                  | `(batch, units)`, or `(batch, time, units)` with all steps   |
/// | states                  | `h` and `c`, `(batch, units)` each                           |
///
/// # Errors
///
/// Building fails if the input has not three axes or unknown features, `units` is 0, or a share
/// to drop is not from 0 to below 1.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::LSTM};
///
/// let words = [None, None, Some(32)].into();
/// let layer = LSTM::new(16).return_sequences(true);
/// assert_eq!(layer.output_shape(&[words])?[0].to_string(), "(batch, ?, 16)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.LSTM`: same names, defaults, weight layout, and masks of
/// dropout (drawn once per batch; one for each gate if states are dropped). As there, a layer
/// that is given states does not use the mask that belongs to its input: give it by name, as
/// `mask`.
///
/// # References
///
/// Hochreiter and Schmidhuber, *Long short-term memory* (1997); Gers et al., *Learning to
/// forget* (2000).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LSTM {
    #[serde(flatten)]
    recurrent: Recurrent,
    #[serde(default = "sigmoid")]
    recurrent_activation: Activation,
    #[serde(default = "yes")]
    unit_forget_bias: bool,
}

const GATES: usize = 4;

impl LSTM {
    /// The layer with that many outputs.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Self {
            recurrent: Recurrent::new(units),
            recurrent_activation: Activation::Sigmoid,
            unit_forget_bias: true,
        }
    }

    /// Sets the function of the gates; the sigmoid by default.
    #[must_use]
    pub fn recurrent_activation(mut self, activation: Activation) -> Self {
        self.recurrent_activation = activation;
        self
    }

    /// Sets whether the bias of the forget gate starts with 1; true by default.
    #[must_use]
    pub fn unit_forget_bias(mut self, unit_forget_bias: bool) -> Self {
        self.unit_forget_bias = unit_forget_bias;
        self
    }

    fn bias(&self, init: &mut Init<'_>) -> Result<Variable> {
        let (units, initializer) =
            (self.recurrent.units, &self.recurrent.bias_initializer);
        if !self.unit_forget_bias {
            return init.variable("bias", [GATES * units], initializer);
        }
        let rest = units.saturating_mul(2);
        let parts =
            [(initializer, units), (&Initializer::Ones, units), (initializer, rest)];
        init.joined("bias", &parts)
    }
}

recurrent_setters! { LSTM }

impl Layer for LSTM {
    fn class_name(&self) -> &'static str {
        "LSTM"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.recurrent.output_shape(inputs, 2)
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

impl OverSteps for LSTM {
    fn build_in(
        &self,
        scope: &str,
        inputs: &[Shape],
        init: &mut Init<'_>,
    ) -> Result<Box<dyn Built>> {
        let bias = |init: &mut Init<'_>| self.bias(init);
        let cell = self.recurrent.cell(scope, inputs, (GATES, 2), init, bias)?;
        Ok(Box::new(BuiltLSTM { config: self.clone(), cell }))
    }
}

#[derive(Debug)]
struct BuiltLSTM {
    config: LSTM,
    cell: Cell,
}

impl BuiltLSTM {
    /// The outputs of all steps, and the last states.
    fn run(&self, steps: &Steps, kernel: &Var) -> Result<(Var, Vec<Var>)> {
        let activation = self.config.recurrent.activation;
        let gate = self.config.recurrent_activation;
        let fits = (activation, gate) == (Activation::Tanh, Activation::Sigmoid);
        if fits {
            let (h, c) = (&steps.states[0], &steps.states[1]);
            let (extras, more) = steps.extras()?;
            let inputs = [&steps.projection, h, c, kernel].into_iter().chain(&more);
            let mut made = Var::composite(Lstm(extras), &inputs.collect::<Vec<_>>())?;
            let states = made.split_off(1);
            return Ok((made.remove(0), states));
        }
        let mut scanned = steps.run(|x, states| {
            let parts = x.add(&steps.product(&states[0], kernel)?)?.split(GATES, -1)?;
            let (i, f) = (gate.apply(&parts[0])?, gate.apply(&parts[1])?);
            let (g, o) = (activation.apply(&parts[2])?, gate.apply(&parts[3])?);
            let c = f.mul(&states[1])?.add(&i.mul(&g)?)?;
            Ok(vec![o.mul(&activation.apply(&c)?)?, c])
        })?;
        Ok((scanned.results.remove(0), scanned.carries))
    }
}

impl Built for BuiltLSTM {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let recurrent = &self.config.recurrent;
        let bias = self.cell.bias.as_ref().map(|bias| call.read(bias));
        let steps =
            recurrent.begin(&self.cell, (GATES, 2), bias.as_ref(), inputs, call)?;
        let kernel = call.read(&self.cell.recurrent_kernel);
        let (sequence, states) = self.run(&steps, &kernel)?;
        recurrent.finish(&steps, &sequence, states, call)
    }
}

#[cfg(test)]
pub(in crate::layers) mod tests;
