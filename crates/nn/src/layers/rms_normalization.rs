//! The layer that divides each example by its root mean square.

use deckle_autograd::{Signature, Var, Variable};
use deckle_tensor::{DType, Shape, keep};
use serde::{Deserialize, Serialize};

use super::{
    AxisList,
    gamma_beta::{along, check_epsilon, lens, narrow, wide},
    setters::setters,
};
use crate::{Built, Call, Error, Init, Initializer, Inputs, Layer, Result, expect};

/// Divides each example by its root mean square: `y = scale · x / √(mean of x² + epsilon)`.
///
/// The mean is that along the axes, together. Half precision is computed in `F32`. Along the
/// last axis it is one operation, `rms_normalization`, that a backend may have a kernel for.
///
/// As in Keras, `scale` multiplies along the last axes, whichever the axes of the mean are; and of
/// whole numbers the output is of whole numbers, without fractions.
///
/// # Shapes
///
/// | tensor        | shape                                  |
/// |---------------|----------------------------------------|
/// | input, output | any with these axes                    |
/// | `scale`       | the lengths of these axes, in order    |
///
/// # Errors
///
/// Building fails if there is no such axis, its length is unknown, `scale` does not fit the last
/// axes, or `epsilon` is negative.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::RMSNormalization};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([2]).add(RMSNormalization::new().epsilon(0.0)).build()?;
/// let x = Var::constant(&Tensor::new(vec![-3.0f32, 3.0], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [-1.0, 1.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.RMSNormalization`. As there, a mask does not pass.
///
/// # References
///
/// Zhang and Sennrich, *Root mean square layer normalization* (2019).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RMSNormalization {
    #[serde(default = "last")]
    axis: AxisList,
    #[serde(default = "default_epsilon")]
    epsilon: f64,
}

fn last() -> AxisList {
    (-1).into()
}

fn default_epsilon() -> f64 {
    1e-6
}

impl Default for RMSNormalization {
    fn default() -> Self {
        Self::new()
    }
}

impl RMSNormalization {
    /// The layer with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self { axis: last(), epsilon: default_epsilon() }
    }

    setters! {
        /// Sets the axis, or axes, to normalize along; the last by default.
        axis: into AxisList;
        /// Sets what is added to the mean square; 10⁻⁶ by default.
        epsilon: f64;
    }
}

impl Layer for RMSNormalization {
    fn class_name(&self) -> &'static str {
        "RMSNormalization"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        let scale: Shape = lens(input, &self.axis)?.into();
        check_epsilon(self.epsilon)?;
        let output = input.broadcast(&scale).ok_or_else(|| {
            Error::invalid(
                "`scale` does not fit the input",
                format_args!("last axes that broadcast with those of scale, {scale}"),
            )
            .got(input)
            .help("normalize along the last axes, or permute the input's axes before")
        })?;
        Ok(vec![output])
    }

    /// Whole numbers stay whole.
    fn outputs(&self, inputs: &[Signature], dtype: DType) -> Result<Vec<Signature>> {
        let shapes: Vec<_> = inputs.iter().map(|input| input.shape.clone()).collect();
        let outputs = self.output_shape(&shapes)?.into_iter();
        let dtype = if inputs[0].dtype.is_float() { dtype } else { inputs[0].dtype };
        Ok(outputs.map(|shape| Signature::new(dtype, shape)).collect())
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let shape = lens(&inputs[0], &self.axis)?;
        let scale = init.variable("scale", shape, &Initializer::Ones)?;
        let (axes, epsilon) = (self.axis.of(inputs[0].rank())?, self.epsilon);
        let rank = inputs[0].rank();
        let are_last =
            self.axis.as_written(rank)?.into_iter().eq(rank - axes.len()..rank);
        Ok(Box::new(BuiltRMSNormalization { axes, are_last, epsilon, scale }))
    }
}

#[derive(Debug)]
struct BuiltRMSNormalization {
    axes: Vec<usize>,
    /// Whether these are the last axes, in the order of the scale's.
    are_last: bool,
    epsilon: f64,
    scale: Variable,
}

impl Built for BuiltRMSNormalization {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let input = inputs.only()?;
        let x = input.cast(wide(call))?;
        let scale = call.read(&self.scale).cast(wide(call))?;
        let y = if self.are_last {
            let scale = scale.flatten()?;
            along(&x, &self.axes, |x| x.rms_normalization(&scale, self.epsilon))?
        } else {
            let mean = x.square()?.mean(keep(&self.axes))?;
            x.mul(&mean.add(self.epsilon)?.rsqrt()?)?.mul(&scale)?
        };
        let is_float = input.dtype().is_float();
        Ok(vec![narrow(&y, if is_float { call.dtype() } else { input.dtype() })?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LayerExt, Symbol, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&RMSNormalization::new(), [[2, 3]])?;
        check_layer(&RMSNormalization::new().axis([1, 2]).epsilon(0.1), [[2, 3, 2]])?;
        check_layer(&RMSNormalization::new().axis(1), [[2, 3, 3]])?;
        check_layer(&RMSNormalization::new().axis([1, 3]), [[2, 3, 3, 3]])?;
        check_layer(&RMSNormalization::new().axis(1), [[2, 3, 1]])
    }

    #[test]
    fn a_scale_that_does_not_fit_the_last_axes_is_named() {
        let x = Symbol::input("x", [2, 3]);
        let error = RMSNormalization::new().axis(1).apply(&x).unwrap_err();
        assert_eq!(
            error.to_string(),
            "layer `rms_normalization` (RMSNormalization): `scale` does not fit the input\n  \
             expected: last axes that broadcast with those of scale, (2,)\n       \
             got: (batch, 2, 3)\n      \
             help: normalize along the last axes, or permute the input's axes before"
        );
    }
}
