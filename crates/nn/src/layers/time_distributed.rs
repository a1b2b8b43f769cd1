//! The layer that applies another one at each step.

use deckle_autograd::{Axis, Var};
use deckle_tensor::{Dim, Shape};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wrapped::{BuiltWrapped, Wrapped};
use crate::{
    Built, Call, Error, FromConfig, Init, Inputs, Layer, Registry, Result, expect,
};

/// Applies a layer, with the same weights, at each step of a sequence.
///
/// All steps of all examples are one batch for the layer; so statistics of a batch are those of
/// all steps together. Masks pass through.
///
/// # Shapes
///
/// `(batch, time, ...)`, of which the layer gets `(batch · time, ...)`; the output has the time
/// as its second axis too.
///
/// # Errors
///
/// Building fails if the input has fewer than three axes, or the layer cannot take its steps.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::{Conv2D, TimeDistributed}};
///
/// let layer = TimeDistributed::new(Conv2D::new(4, 3));
/// let film = [None, Some(10), Some(28), Some(28), Some(1)].into();
/// assert_eq!(layer.output_shape(&[film])?[0].to_string(), "(batch, 10, 26, 26, 4)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.TimeDistributed`; there, each step is a call of its own, with its part of the
/// mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeDistributed {
    layer: Wrapped,
}

impl TimeDistributed {
    /// The layer that applies that one.
    #[must_use]
    pub fn new(layer: impl Into<Wrapped>) -> Self {
        Self { layer: layer.into() }
    }
}

impl FromConfig for TimeDistributed {
    fn from_config(config: Value, registry: &Registry) -> serde_json::Result<Self> {
        let layer = config.get("layer").unwrap_or(&Value::Null);
        Ok(Self { layer: Wrapped::read(layer, registry)? })
    }
}

/// The shape of one step.
fn step(input: &Shape) -> Shape {
    input.dims()[..1].iter().chain(&input.dims()[2..]).cloned().collect()
}

impl Layer for TimeDistributed {
    fn class_name(&self) -> &'static str {
        "TimeDistributed"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let help = "add an axis for the time, e.g. with Reshape";
        let expected = "(batch, time, ...) with at least three axes";
        let input = expect::at_least(expect::one_input(inputs)?, 3, expected, help)?;
        let made = self.layer.output_shape(&[step(input)])?;
        let time = &input.dims()[1];
        let with_time = |shape: Shape| -> Result<Shape> {
            let Some((batch, rest)) = shape.dims().split_first() else {
                return Err(Error::invalid("cannot apply this layer", "a batch axis"));
            };
            if rest.iter().filter(|dim| dim.known().is_none()).count() > 1 {
                let expected = "at most one unknown axis of a step";
                return Err(
                    Error::invalid("cannot apply this layer", expected).got(shape)
                );
            }
            Ok([batch, time].into_iter().chain(rest).cloned().collect())
        };
        made.into_iter().map(with_time).collect()
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let layer = self.layer.build("layer", &[step(&inputs[0])], init)?;
        Ok(Box::new(BuiltTimeDistributed(layer)))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct BuiltTimeDistributed(BuiltWrapped);

impl Built for BuiltTimeDistributed {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        let steps = x.merge_axes(0, 2)?;
        let mut outputs = self.0.call(&Inputs::new([steps]), call)?;
        for output in &mut outputs {
            let rest = output.shape().dims()[1..].iter().map(|dim| match dim {
                Dim::Unknown => Axis::Rest,
                dim => Axis::from(dim),
            });
            let axes: Vec<_> =
                [Axis::Of(0), Axis::Of(1)].into_iter().chain(rest).collect();
            *output = output.reshape_by(x, axes)?;
        }
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check_layer,
        layers::{Conv1D, Dense, Dropout, LSTM},
    };

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&TimeDistributed::new(Dense::new(2)), [[2, 3, 2]])?;
        check_layer(&TimeDistributed::new(Conv1D::new(2, 2)), [[2, 2, 3, 2]])?;
        check_layer(&TimeDistributed::new(Dropout::new(0.4)), [[2, 3, 2]])?;
        check_layer(&TimeDistributed::new(LSTM::new(2)), [[1, 2, 2, 2]])
    }

    #[test]
    fn an_error_names_the_inner_layer() {
        let layer = TimeDistributed::new(Dense::new(0));
        let error = layer.output_shape(&[[2, 3, 4].into()]).unwrap_err();
        assert!(
            error.to_string().starts_with("layer `dense` (Dense): `units`"),
            "{error}"
        );
    }

    #[test]
    fn what_the_inner_layer_does_not_know_is_named() {
        let mut json = serde_json::to_value(TimeDistributed::new(Dense::new(2))).unwrap();
        json["layer"]["config"]["lora_rank"] = 3.into();
        let error = serde_json::from_value::<TimeDistributed>(json).unwrap_err();
        assert_eq!(error.to_string(), "layer Dense: lora_rank = 3");
    }
}
