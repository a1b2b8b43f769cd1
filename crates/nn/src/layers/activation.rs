//! The layers that apply a function to each element: `Activation`, `ReLU`, `Softmax`.

use deckle_autograd::Var;
use deckle_tensor::{DType, Dim, Shape, keep};
use serde::{Deserialize, Serialize};

use super::AxisList;
use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// Applies an [activation](crate::Activation).
///
/// # Shapes
///
/// Any; the output's is the input's, but half the last axis for `Glu`.
///
/// # Errors
///
/// Applying it fails if the function needs an axis that the input does not have.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::Activation};
///
/// let layer = Activation::new(deckle_nn::Activation::Relu);
/// assert_eq!(layer.output_shape(&[[None, Some(8)].into()])?, [[None, Some(8)].into()]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Activation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    activation: crate::Activation,
}

impl Activation {
    /// The layer that applies that function.
    #[must_use]
    pub fn new(activation: crate::Activation) -> Self {
        Self { activation }
    }

    /// The function.
    pub(crate) const fn function(&self) -> crate::Activation {
        self.activation
    }
}

impl Layer for Activation {
    fn class_name(&self) -> &'static str {
        "Activation"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        Ok(vec![self.activation.output_shape(expect::one_input(inputs)?)?])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl Built for Activation {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        use crate::Activation::{HardTanh, Linear, Relu};

        let x = inputs.only()?;
        let y = match self.activation {
            Linear | Relu => self.activation.apply(x)?,
            HardTanh => self.activation.apply(&call.floats(x)?)?.cast(x.dtype())?,
            _ => self.activation.apply(&call.floats(x)?)?,
        };
        Ok(vec![y])
    }
}

/// `max(x, 0)`, with a slope below, a bound above, and another threshold.
///
/// `max_value` from there on, `x` from `threshold`, `negative_slope · (x - threshold)` below.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if a setting is negative.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::ReLU};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([3]).add(ReLU::new().max_value(6.0)).build()?;
/// let x = Var::constant(&Tensor::new(vec![-1.0f32, 2.0, 8.0], [1, 3])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [0.0, 2.0, 6.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.ReLU`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReLU {
    #[serde(default)]
    max_value: Option<f64>,
    #[serde(default)]
    negative_slope: f64,
    #[serde(default)]
    threshold: f64,
}

impl ReLU {
    /// The layer with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the largest output; none by default.
    #[must_use]
    pub fn max_value(mut self, max_value: f64) -> Self {
        self.max_value = Some(max_value);
        self
    }

    /// Sets the slope below the threshold; 0 by default.
    #[must_use]
    pub fn negative_slope(mut self, negative_slope: f64) -> Self {
        self.negative_slope = negative_slope;
        self
    }

    /// Sets where the slope becomes 1; 0 by default.
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    pub(crate) fn apply(&self, x: &Var) -> deckle_autograd::Result<Var> {
        match *self == Self::default() {
            true => x.relu(),
            false => x.relu_with(self.negative_slope, self.max_value, self.threshold),
        }
    }
}

impl Layer for ReLU {
    fn class_name(&self) -> &'static str {
        "ReLU"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let settings = [
            ("max_value", self.max_value.unwrap_or(0.0)),
            ("negative_slope", self.negative_slope),
            ("threshold", self.threshold),
        ];
        for (name, value) in settings {
            if value.is_nan() || value < 0.0 {
                let problem = format_args!("`{name}` makes no sense").to_string();
                return Err(Error::invalid(problem, "a number from 0").got(value));
            }
        }
        Ok(vec![expect::one_input(inputs)?.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(*self))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl Built for ReLU {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        Ok(vec![self.apply(inputs.only()?)?])
    }
}

/// `eˣ / Σeˣ` along an axis, or along several together.
///
/// What a mask given by name, as `mask`, leaves out is 0: what is false there, or a number that
/// is not above 0.5.
///
/// # Shapes
///
/// Any with these axes; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if there is no such axis, or a mask does not broadcast to the input.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::Softmax};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([2]).add(Softmax::new()).build()?;
/// let x = Var::constant(&Tensor::new(vec![3.0f32, 3.0], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [0.5, 0.5]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Softmax`. There, a mask that belongs to the input is applied
/// too, where its shape broadcasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Softmax {
    #[serde(default = "last")]
    axis: AxisList,
}

fn last() -> AxisList {
    (-1).into()
}

impl Default for Softmax {
    fn default() -> Self {
        Self { axis: last() }
    }
}

impl Softmax {
    /// The layer along the last axis.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the axis, or axes; the last by default.
    #[must_use]
    pub fn axis(mut self, axis: impl Into<AxisList>) -> Self {
        self.axis = axis.into();
        self
    }

    /// The axis, if it is one.
    pub(crate) fn only_axis(&self) -> Option<isize> {
        match self.axis.0[..] {
            [axis] => Some(axis),
            _ => None,
        }
    }

    fn apply(&self, x: &Var) -> Result<Var> {
        let axes = self.axis.of(x.rank())?;
        Ok(match axes[..] {
            [axis] => x.softmax(axis.cast_signed())?,
            _ => x.sub(&x.logsumexp(keep(axes))?)?.exp()?,
        })
    }
}

impl Layer for Softmax {
    fn class_name(&self) -> &'static str {
        "Softmax"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        self.axis.of(input.rank())?;
        Ok(vec![input.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl Built for Softmax {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = &call.floats(inputs.only()?)?;
        let Some(mask) = inputs.named("mask").next() else {
            return Ok(vec![self.apply(x)?]);
        };
        let fits = |(own, of): (&Dim, &Dim)| match (own.known(), of.known()) {
            (Some(own), Some(of)) => own == 1 || own == of,
            _ => true,
        };
        let dims = mask.shape().dims().iter().rev().zip(x.shape().dims().iter().rev());
        if mask.rank() > x.rank() || !dims.into_iter().all(fits) {
            let expected = format_args!("lengths of {} or 1", x.shape());
            return Err(
                Error::invalid("`mask` makes no sense", expected).got(mask.shape())
            );
        }
        let mask = &match mask.dtype() {
            DType::Bool => mask.clone(),
            dtype if dtype.is_float() => mask.greater(0.5)?,
            _ => mask.greater(0)?,
        };
        let least = if x.dtype() == DType::F16 { -3e4 } else { -1e9 };
        let left = self.apply(&mask.select(x, least)?)?;
        // Where all is masked, the softmax is not 0 by itself.
        Ok(vec![mask.select(&left, 0.0)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Activation as Function, Functional, Symbol, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Activation::new(Function::Tanh), [[2, 3]])?;
        check_layer(&Activation::new(Function::Glu), [[2, 4]])?;
        check_layer(&ReLU::new(), [[2, 3]])?;
        check_layer(
            &ReLU::new().max_value(0.5).negative_slope(0.1).threshold(0.1),
            [[4, 3]],
        )?;
        check_layer(&Softmax::new(), [[2, 3]])?;
        check_layer(&Softmax::new().axis(1), [[2, 3, 2]])?;
        check_layer(&Softmax::new().axis([1, -1]), [[2, 3, 2]])
    }

    #[test]
    fn softmax_leaves_out_what_is_masked() -> Result<()> {
        let x = Symbol::input("x", [3]);
        let mask = Symbol::typed_input("mask", [3], DType::Bool);
        let y = crate::LayerExt::shared(Softmax::new())
            .call([&x], [("mask", &mask)])?
            .remove(0);
        let model = Functional::new([&x, &mask], [&y]).build()?;
        let x =
            Var::constant(&Tensor::new(vec![1.0f32, 1.0, 9.0, 1.0, 2.0, 3.0], [2, 3])?);
        let keep = vec![true, true, false, false, false, false];
        let mask = Var::constant(&Tensor::new(keep, [2, 3])?);
        let y = model.call(&[x, mask], &mut Call::inference())?;
        assert_eq!(y[0].eval()?.to_vec::<f32>()?, [0.5, 0.5, 0.0, 0.0, 0.0, 0.0]);
        Ok(())
    }

    #[test]
    fn numbers_above_a_half_are_a_mask_of_softmax() -> Result<()> {
        let softmax = |shape: &[usize], mask: Tensor| -> Result<Vec<f32>> {
            let x = Symbol::input("x", [3]);
            let given = Symbol::typed_input("mask", shape.to_vec(), mask.dtype());
            let layer = crate::LayerExt::shared(Softmax::new());
            let y = layer.call([&x], [("mask", &given)])?.remove(0);
            let model = Functional::new([&x, &given], [&y]).build()?;
            let x = Var::constant(&Tensor::full([1, 3], 1.0f32));
            let y = model.call(&[x, Var::constant(&mask)], &mut Call::inference())?;
            Ok(y[0].eval()?.to_vec()?)
        };
        let floats = Tensor::new(vec![0.6f32, 0.5, 2.0], [1, 3])?;
        assert_eq!(softmax(&[3], floats)?, [0.5, 0.0, 0.5]);
        let whole = Tensor::new(vec![0i32, -1, 2], [1, 3])?;
        assert_eq!(softmax(&[3], whole)?, [0.0, 0.0, 1.0]);
        let wide = softmax(&[1, 3], Tensor::full([1, 1, 3], true)).unwrap_err();
        assert!(wide.to_string().contains("`mask` makes no sense"), "{wide}");
        Ok(())
    }

    #[test]
    fn a_negative_setting_is_named() {
        let error =
            ReLU::new().negative_slope(-0.5).output_shape(&[[2].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`negative_slope` makes no sense\n  expected: a number from 0\n       got: -0.5"
        );
    }
}
