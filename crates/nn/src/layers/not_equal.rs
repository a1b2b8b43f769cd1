//! Keras's operation that makes masks in functional models.

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use crate::{Built, Call, Init, Inputs, Layer, Result, expect};

/// Whether each element differs from a number: `x ≠ value`, as `Bool`.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::NotEqual};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([2]).add(NotEqual::new(0.0)).build()?;
/// let x = Var::constant(&Tensor::new(vec![3.0f32, 0.0], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<bool>()?, [true, false]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.ops.not_equal` with a number, which a file of a functional model holds for each mask
/// that an `Embedding` makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotEqual {
    value: f64,
}

impl NotEqual {
    /// The layer for that number.
    #[must_use]
    pub fn new(value: f64) -> Self {
        Self { value }
    }
}

impl Layer for NotEqual {
    fn class_name(&self) -> &'static str {
        "NotEqual"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        Ok(vec![expect::one_input(inputs)?.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn casts_inputs(&self) -> bool {
        false
    }

    fn module(&self) -> &'static str {
        "keras.src.ops.numpy"
    }
}

impl Built for NotEqual {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        let value = Var::scalar(x.dtype(), self.value);
        Ok(vec![x.not_equal(&value)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer_on;
    use deckle_tensor::Tensor;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer_on(&NotEqual::new(0.0), &[Tensor::new(vec![0i32, 1, 2, 0], [2, 2])?])
    }
}
