//! The layer that runs a recurrent one in both directions.

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    setters::setters,
    wrapped::{BuiltWrapped, Wrapped},
};
use crate::{
    Built, Call, Error, FromConfig, Init, Inputs, Layer, Registry, Result, expect,
};

/// How the outputs of both directions become one.
///
/// # Keras
///
/// `merge_mode`; `None` there is [`Merge::Both`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Option<Mode>", into = "Option<Mode>")]
pub enum Merge {
    /// Side by side.
    #[default]
    Concat,
    /// Their sum.
    Sum,
    /// Their product.
    Mul,
    /// Their mean.
    Ave,
    /// Two outputs.
    Both,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Concat,
    Sum,
    Mul,
    Ave,
}

impl From<Option<Mode>> for Merge {
    fn from(mode: Option<Mode>) -> Self {
        match mode {
            Some(Mode::Concat) => Self::Concat,
            Some(Mode::Sum) => Self::Sum,
            Some(Mode::Mul) => Self::Mul,
            Some(Mode::Ave) => Self::Ave,
            None => Self::Both,
        }
    }
}

impl From<Merge> for Option<Mode> {
    fn from(merge: Merge) -> Self {
        match merge {
            Merge::Concat => Some(Mode::Concat),
            Merge::Sum => Some(Mode::Sum),
            Merge::Mul => Some(Mode::Mul),
            Merge::Ave => Some(Mode::Ave),
            Merge::Both => None,
        }
    }
}

/// Runs a recurrent layer from the first step to the last, and another from the last to the
/// first.
///
/// The second is by default a layer of the same settings. Outputs of all steps are those of the
/// same step; if there are such, masked steps give 0. States, if they are outputs, are those of
/// the first layer, then those of the second; so are states to start with, positional after the
/// input or given as `initial_state`.
///
/// # Shapes
///
/// | tensor               | shape                                                     |
/// |----------------------|-----------------------------------------------------------|
/// | input                | `(batch, time, features)`                                 |
/// | `forward_layer/...`  | the weights of the first layer                            |
/// | `backward_layer/...` | the weights of the second layer                           |
/// | output               | the layers', with `Concat` twice as long in the last axis |
///
/// # Errors
///
/// Building fails if both layers go the same way, only one is stateful or has outputs of all steps
/// or states, or one of them cannot take the input.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::{Bidirectional, LSTM}};
///
/// let layer = Bidirectional::new(LSTM::new(16).return_sequences(true));
/// let words = [None, None, Some(32)].into();
/// assert_eq!(layer.output_shape(&[words])?[0].to_string(), "(batch, ?, 32)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Bidirectional`, without `weights`. As there, a layer that is given states does
/// not use the mask that belongs to its input: give it by name, as `mask`.
///
/// # References
///
/// Schuster and Paliwal, *Bidirectional recurrent neural networks* (1997).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bidirectional {
    #[serde(default)]
    merge_mode: Merge,
    layer: Wrapped,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backward_layer: Option<Wrapped>,
}

impl Bidirectional {
    /// The layer that runs that one in both directions.
    #[must_use]
    pub fn new(layer: impl Into<Wrapped>) -> Self {
        Self { merge_mode: Merge::Concat, layer: layer.into(), backward_layer: None }
    }

    setters! {
        /// Sets how the outputs of both directions become one; side by side by default.
        merge_mode: Merge;
    }

    /// Sets the layer that goes backwards; one of the same settings by default.
    #[must_use]
    pub fn backward_layer(mut self, layer: impl Into<Wrapped>) -> Self {
        self.backward_layer = Some(layer.into());
        self
    }

    /// Both layers, as they run.
    fn directions(&self) -> Result<[Wrapped; 2]> {
        let settings = |layer: &Wrapped| -> Result<Wrapped> {
            let sequences = layer.flag("return_sequences")?;
            layer.with_settings(&[("zero_output_for_mask", sequences.into())])
        };
        let forward = settings(&self.layer)?;
        let backward = match &self.backward_layer {
            Some(layer) => settings(layer)?,
            None => {
                let turned = !forward.flag("go_backwards")?;
                forward.with_settings(&[("go_backwards", turned.into())])?
            }
        };
        if forward.flag("go_backwards")? == backward.flag("go_backwards")? {
            let expected = "recurrent layers of which one has `go_backwards`";
            return Err(Error::invalid("both layers go the same way", expected));
        }
        for name in ["stateful", "return_sequences", "return_state"] {
            if forward.flag(name)? != backward.flag(name)? {
                return Err(Error::invalid(
                    "the layers do not fit to each other",
                    format_args!("the same `{name}` of both"),
                ));
            }
        }
        Ok([forward, backward])
    }
}

impl FromConfig for Bidirectional {
    fn from_config(config: Value, registry: &Registry) -> serde_json::Result<Self> {
        let read = |value: &Value| Wrapped::read(value, registry);
        let layer = read(config.get("layer").unwrap_or(&Value::Null))?;
        let backward = config.get("backward_layer").filter(|layer| !layer.is_null());
        let merge_mode = match config.get("merge_mode") {
            Some(mode) => serde_json::from_value(mode.clone())?,
            None => Merge::default(),
        };
        let backward_layer = backward.map(read).transpose()?;
        Ok(Self { merge_mode, layer, backward_layer })
    }
}

/// The input with the states for each direction.
fn halves<T: Clone>(input: &T, states: &[T]) -> [Vec<T>; 2] {
    let (first, second) = states.split_at(states.len() / 2);
    [first, second].map(|half| std::iter::once(input).chain(half).cloned().collect())
}

impl Layer for Bidirectional {
    fn class_name(&self) -> &'static str {
        "Bidirectional"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let Some((x, states)) = inputs.split_first() else {
            return Err(Error::invalid("cannot take no input", "one input").got("none"));
        };
        let [forward, backward] = self.directions()?;
        let [a, b] = halves(x, states);
        let (mut made, mut other) =
            (forward.output_shape(&a)?, backward.output_shape(&b)?);
        if made.is_empty() || other.is_empty() {
            return Err(Error::invalid("cannot run this layer", "a layer with outputs"));
        }
        let (y, reversed) = (made.remove(0), other.remove(0));
        let mut outputs = match self.merge_mode {
            Merge::Both => vec![y, reversed],
            Merge::Concat => {
                let len = |shape: &Shape| expect::known(shape, -1);
                let len = len(&y)?.saturating_add(len(&reversed)?);
                vec![y.with(-1, len)?]
            }
            Merge::Sum | Merge::Mul | Merge::Ave => {
                if !y.may_equal(&reversed) {
                    return Err(Error::invalid(
                        "cannot join the outputs of both layers",
                        format_args!("two of shape {y}"),
                    )
                    .got(reversed));
                }
                vec![y]
            }
        };
        outputs.extend(made.into_iter().chain(other));
        Ok(outputs)
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let [forward, backward] = self.directions()?;
        let [a, b] = halves(&inputs[0], &inputs[1..]);
        let sequences = forward.flag("return_sequences")?;
        Ok(Box::new(BuiltBidirectional {
            merge: self.merge_mode,
            sequences,
            forward: forward.build("forward_layer", &a, init)?,
            backward: backward.build("backward_layer", &b, init)?,
        }))
    }

    fn takes_named(&self, name: &str) -> bool {
        matches!(name, "mask" | "initial_state")
    }

    fn list_from(&self) -> Option<usize> {
        Some(1)
    }
}

#[derive(Debug)]
struct BuiltBidirectional {
    merge: Merge,
    sequences: bool,
    forward: BuiltWrapped,
    backward: BuiltWrapped,
}

impl Built for BuiltBidirectional {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let Some((x, states)) = inputs.positional().split_first() else {
            return Err(Error::invalid("cannot take no input", "one input").got("none"));
        };
        let states: Vec<Var> =
            states.iter().chain(inputs.named("initial_state")).cloned().collect();
        let own = call.mask(x).cloned();
        let given = inputs.named("mask").next().cloned();
        let used = given.clone().or_else(|| own.clone().filter(|_| states.is_empty()));
        let [a, b] = halves(x, &states).map(|half| {
            let inner = Inputs::new(half);
            match &used {
                Some(mask) => inner.with("mask", mask.clone()),
                None => inner,
            }
        });
        let mut made = self.forward.call(&a, call)?;
        let mut other = self.backward.call(&b, call)?;
        let (y, mut reversed) = (made.remove(0), other.remove(0));
        if self.sequences {
            reversed = reversed.flip(1)?;
        }
        let mut outputs = match self.merge {
            Merge::Both => vec![y, reversed],
            Merge::Concat => vec![Var::concatenate(&[y, reversed], -1)?],
            Merge::Sum => vec![y.add(&reversed)?],
            Merge::Mul => vec![y.mul(&reversed)?],
            Merge::Ave => vec![y.add(&reversed)?.mul(0.5)?],
        };
        if let (true, Some(mask)) = (self.sequences, given.or(own)) {
            outputs.iter().for_each(|output| call.set_mask(output, &mask));
        }
        outputs.extend(made.into_iter().chain(other));
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check_layer,
        layers::{Dense, GRU, LSTM, SimpleRNN},
    };

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Bidirectional::new(LSTM::new(2)), [[2, 3, 2]])?;
        check_layer(
            &Bidirectional::new(GRU::new(2).return_sequences(true))
                .merge_mode(Merge::Sum),
            [[2, 3, 1]],
        )?;
        check_layer(
            &Bidirectional::new(SimpleRNN::new(2)).merge_mode(Merge::Mul),
            [[2, 3, 1]],
        )?;
        let states = LSTM::new(1).return_state(true);
        check_layer(
            &Bidirectional::new(states).merge_mode(Merge::Both),
            [vec![2, 2, 1], vec![2, 1], vec![2, 1], vec![2, 1], vec![2, 1]],
        )?;
        let other = SimpleRNN::new(2).go_backwards(true);
        check_layer(
            &Bidirectional::new(GRU::new(2)).backward_layer(other).merge_mode(Merge::Ave),
            [[2, 3, 1]],
        )
    }

    #[test]
    fn layers_that_do_not_fit_are_an_error() {
        let shape = [[2, 3, 1].into()];
        let layer = Bidirectional::new(GRU::new(2)).backward_layer(GRU::new(2));
        let error = layer.output_shape(&shape).unwrap_err();
        assert!(error.to_string().starts_with("both layers go the same way"), "{error}");
        let error = Bidirectional::new(Dense::new(2)).output_shape(&shape).unwrap_err();
        assert!(error.to_string().starts_with("both layers go the same way"), "{error}");
        let other = GRU::new(2).go_backwards(true).stateful(true);
        let error = Bidirectional::new(GRU::new(2)).backward_layer(other);
        let error = error.output_shape(&[[2, 3, 1].into()]).unwrap_err();
        assert!(error.to_string().contains("the same `stateful` of both"), "{error}");
        let other = GRU::new(3).go_backwards(true);
        let layer = Bidirectional::new(GRU::new(2)).backward_layer(other);
        let error = layer.merge_mode(Merge::Sum).output_shape(&shape).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot join the outputs of both layers\n  expected: two of shape (2, 2)\n       \
             got: (2, 3)"
        );
    }
}
