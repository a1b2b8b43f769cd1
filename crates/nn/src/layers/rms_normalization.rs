//! The layer that divides each example by its root mean square.

use deckle_autograd::{Var, Variable};
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::{
    AxisList,
    gamma_beta::{along, check_epsilon, lens, wide},
    setters::setters,
};
use crate::{Built, Call, Init, Initializer, Inputs, Layer, Result, expect};

/// Divides each example by its root mean square: `y = scale · x / √(mean of x² + epsilon)`.
///
/// The mean is that along the axes, together. Half precision is computed in `F32`. Along the
/// last axis it is one operation, `rms_normalization`, that a backend may have a kernel for.
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
/// Building fails if there is no such axis, its length is unknown, or `epsilon` is negative.
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
        lens(input, &self.axis)?;
        check_epsilon(self.epsilon)?;
        Ok(vec![input.clone()])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let shape = lens(&inputs[0], &self.axis)?;
        let scale = init.variable("scale", shape, &Initializer::Ones)?;
        let (axes, epsilon) = (self.axis.of(inputs[0].rank())?, self.epsilon);
        Ok(Box::new(BuiltRMSNormalization { axes, epsilon, scale }))
    }
}

#[derive(Debug)]
struct BuiltRMSNormalization {
    axes: Vec<usize>,
    epsilon: f64,
    scale: Variable,
}

impl Built for BuiltRMSNormalization {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?.cast(wide(call))?;
        let scale = call.read(&self.scale).cast(wide(call))?.flatten()?;
        let y = along(&x, &self.axes, |x| x.rms_normalization(&scale, self.epsilon))?;
        Ok(vec![y.cast(call.dtype())?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&RMSNormalization::new(), [[2, 3]])?;
        check_layer(&RMSNormalization::new().axis([1, 2]).epsilon(0.1), [[2, 3, 2]])?;
        check_layer(&RMSNormalization::new().axis(1), [[2, 3, 2]])
    }
}
