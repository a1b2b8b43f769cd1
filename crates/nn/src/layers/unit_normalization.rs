//! The layer that scales each example to length 1.

use deckle_autograd::Var;
use deckle_tensor::{Shape, keep};
use serde::{Deserialize, Serialize};

use super::{AxisList, setters::setters};
use crate::{Built, Call, Init, Inputs, Layer, Result, expect};

/// Divides each example by its length: `y = x / √(Σ x²)`.
///
/// The sum is that along the axes, together. What is shorter than 10⁻¹² is divided by that.
/// Masks pass through.
///
/// # Shapes
///
/// Any with these axes; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if there is no such axis.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::UnitNormalization};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([2]).add(UnitNormalization::new()).build()?;
/// let x = Var::constant(&Tensor::new(vec![0.0f32, -8.0], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [0.0, -1.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.UnitNormalization`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitNormalization {
    #[serde(default = "last")]
    axis: AxisList,
}

fn last() -> AxisList {
    (-1).into()
}

impl Default for UnitNormalization {
    fn default() -> Self {
        Self { axis: last() }
    }
}

impl UnitNormalization {
    /// The layer along the last axis.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the axis, or axes, to normalize along; the last by default.
        axis: into AxisList;
    }
}

impl Layer for UnitNormalization {
    fn class_name(&self) -> &'static str {
        "UnitNormalization"
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

impl Built for UnitNormalization {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        let axes = self.axis.of(x.rank())?;
        let square = x.square()?.sum(keep(axes))?;
        Ok(vec![x.mul(&square.maximum(1e-24)?.rsqrt()?)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&UnitNormalization::new(), [[2, 3]])?;
        check_layer(&UnitNormalization::new().axis([1, 2]), [[2, 3, 2]])?;
        check_layer(&UnitNormalization::new().axis(1), [[2, 3, 2]])
    }
}
