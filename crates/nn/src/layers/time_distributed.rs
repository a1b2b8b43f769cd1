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
/// The layer gets its part of the input's mask, which passes through. In training, a layer that
/// keeps statistics of batches or has penalties, or a model with such a one, is applied to one step
/// after the other, if the number of steps is known; else all steps of all examples are one batch.
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
/// `keras.layers.TimeDistributed`. As there, an `activity_regularizer` of the layer itself counts
/// for nothing, but those of a model's layers do.
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

impl TimeDistributed {
    /// The layer without a penalty of its own: Keras applies what it computes, not the layer as a
    /// whole.
    fn without_penalty(&self) -> Result<Wrapped> {
        if self.layer.handle().model().is_some() {
            return Ok(self.layer.clone());
        }
        let config = self.layer.layer().config()?;
        let has = |name: &str| config.get(name).is_some_and(|value| !value.is_null());
        let layer = if self.layer.layer().class_name() == "ActivityRegularization" {
            self.layer.with_settings(&[("l1", 0.0.into()), ("l2", 0.0.into())])?
        } else if has("activity_regularizer") {
            self.layer.with_settings(&[("activity_regularizer", Value::Null)])?
        } else {
            self.layer.clone()
        };
        Ok(layer.with(|layer| layer.clone().activity_regularizer(None)))
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
        let layer = self.without_penalty()?.build("layer", &[step(&inputs[0])], init)?;
        Ok(Box::new(BuiltTimeDistributed(layer)))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct BuiltTimeDistributed(BuiltWrapped);

impl BuiltTimeDistributed {
    /// The outputs for some steps of all examples, which are one batch of the layer.
    fn at_once(
        &self,
        steps: &Var,
        mask: Option<&Var>,
        call: &mut Call<'_>,
    ) -> Result<Vec<Var>> {
        if let Some(mask) = mask {
            call.set_mask(steps, mask);
        }
        self.0.call(&Inputs::new([steps.clone()]), call)
    }

    /// The outputs of the steps one after the other.
    fn one_by_one(
        &self,
        x: &Var,
        mask: Option<&Var>,
        time: usize,
        call: &mut Call<'_>,
    ) -> Result<Vec<Var>> {
        let masks = mask.map(|mask| mask.split(time, 1)).transpose()?;
        let mut outputs: Vec<Vec<Var>> = Vec::new();
        for (at, step) in x.split(time, 1)?.iter().enumerate() {
            let mask = masks.as_ref().map(|masks| masks[at].squeeze(1)).transpose()?;
            let made = self.at_once(&step.squeeze(1)?, mask.as_ref(), call)?;
            outputs.resize_with(made.len(), Vec::new);
            for (all, made) in outputs.iter_mut().zip(made) {
                all.push(made);
            }
        }
        let stacked = outputs.iter().map(|steps| Ok(Var::stack(steps, 1)?));
        stacked.collect()
    }
}

impl Built for BuiltTimeDistributed {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        let mask = inputs.named("mask").next().or_else(|| call.mask(x)).cloned();
        let time = x.shape().dims()[1].known();
        if let Some(time @ 1..) = time
            && self.0.has_state()
            && call.updates_state()
        {
            return self.one_by_one(x, mask.as_ref(), time, call);
        }
        let losses = call.losses().len();
        let masks = mask.as_ref().map(|mask| mask.merge_axes(0, 2)).transpose()?;
        let mut outputs = self.at_once(&x.merge_axes(0, 2)?, masks.as_ref(), call)?;
        if let Some(time @ 1..) = time
            && call.losses().len() > losses
        {
            // Penalties are of each step by itself.
            call.forget_losses(losses);
            return self.one_by_one(x, mask.as_ref(), time, call);
        }
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
        Model, Randomness, Regularizer, Sequential, check_layer,
        layers::{BatchNormalization, Conv1D, Dense, Dropout, LSTM},
    };
    use deckle_tensor::Tensor;

    /// Training's output of a model for these steps, the number of updates, and its penalties.
    fn trained(
        model: &Model,
        x: &[f32],
        shape: [usize; 3],
    ) -> (Vec<f32>, usize, Vec<f32>) {
        let x = Var::constant(&Tensor::new(x, shape).unwrap());
        let number = Var::constant(&Tensor::scalar(1i64));
        let mut call = Call::training(Randomness { seed: &number, step: &number });
        let y = model.call(&[x], &mut call).unwrap()[0].eval().unwrap();
        let losses = call.losses().iter();
        let losses = losses.map(|loss| loss.eval().unwrap().item::<f32>().unwrap());
        (y.to_vec().unwrap(), call.updates().len(), losses.collect())
    }

    #[test]
    fn each_step_has_statistics_of_its_own() -> Result<()> {
        // Two examples, two steps: in each step the values differ by 2 from their mean.
        let x = [0.0, 100.0, 4.0, 104.0];
        let layer = BatchNormalization::new().epsilon(1e-9);
        let model = Sequential::new([2, 1]).add(TimeDistributed::new(layer)).build()?;
        let (y, updates, _) = trained(&model, &x, [2, 2, 1]);
        assert_eq!((y, updates), (vec![-1.0, -1.0, 1.0, 1.0], 2));
        // A frozen one has none.
        let frozen = BatchNormalization::new().epsilon(1e-9);
        let frozen = Wrapped::from(frozen).with(|layer| layer.clone().trainable(false));
        let model = Sequential::new([2, 1]).add(TimeDistributed::new(frozen)).build()?;
        let (y, updates, _) = trained(&model, &x, [2, 2, 1]);
        assert_eq!((y, updates), (x.to_vec(), 0));
        Ok(())
    }

    #[test]
    fn penalties_of_a_model_count_by_steps_and_those_of_the_layer_do_not() -> Result<()> {
        let dense = || {
            let ones = crate::Initializer::Ones;
            let dense = Dense::new(1).kernel_initializer(ones);
            dense.activity_regularizer(Regularizer::l1(1.0))
        };
        let x = [1.0, 2.0, 3.0, 4.0];
        let alone = TimeDistributed::new(dense());
        let model = Sequential::new([2, 1]).add(alone).build()?;
        assert_eq!(trained(&model, &x, [2, 2, 1]).2, Vec::<f32>::new());
        let part = Sequential::new([1]).add(dense()).build()?;
        let model = Sequential::new([2, 1]).add(TimeDistributed::new(&part)).build()?;
        // (1 + 3) / 2 and (2 + 4) / 2.
        let losses = trained(&model, &x, [2, 2, 1]).2;
        assert_eq!(losses, [2.0, 3.0]);
        Ok(())
    }

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&TimeDistributed::new(Dense::new(2)), [[2, 3, 2]])?;
        check_layer(&TimeDistributed::new(Conv1D::new(2, 2)), [[2, 2, 3, 2]])?;
        check_layer(&TimeDistributed::new(Dropout::new(0.4)), [[2, 3, 2]])?;
        check_layer(&TimeDistributed::new(BatchNormalization::new()), [[3, 2, 2]])?;
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
