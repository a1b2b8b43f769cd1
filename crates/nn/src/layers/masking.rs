//! The layer that makes a mask of steps that say nothing.

use deckle_autograd::Var;
use deckle_tensor::{DType, Shape, keep};
use serde::{Deserialize, Serialize};

use super::setters::setters;
use crate::{Built, Call, Init, Inputs, Layer, Result, expect};

/// Masks the steps all of whose features are one value, and sets them to 0.
///
/// # Shapes
///
/// `(batch, ..., features)`; the output's is the input's, the mask's is without features.
///
/// # Errors
///
/// Applying it fails if the input has fewer than two axes.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::{GlobalAveragePooling1D, Masking}};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([3, 1])
///     .add(Masking::new().mask_value(-1.0))
///     .add(GlobalAveragePooling1D::new())
///     .build()?;
/// let x = Var::constant(&Tensor::new(vec![2.0f32, 4.0, -1.0], [1, 3, 1])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [3.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Masking`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Masking {
    #[serde(default)]
    mask_value: f64,
}

impl Masking {
    /// The layer that masks steps of zeros.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the value that says nothing; 0 by default.
        mask_value: f64;
    }
}

impl Layer for Masking {
    fn class_name(&self) -> &'static str {
        "Masking"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let help = "add an axis for the features, e.g. Reshape::new([1])";
        let expected = "(batch, ..., features) with at least two axes";
        let input = expect::at_least(expect::one_input(inputs)?, 2, expected, help)?;
        Ok(vec![input.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for Masking {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let mut x = inputs.only()?.clone();
        if x.dtype() == DType::Bool {
            x = x.cast(DType::I32)?;
        }
        // Whole numbers may be compared with any value.
        let compared = if x.dtype().is_float() { &x } else { &x.cast(DType::F32)? };
        let says = compared.not_equal(self.mask_value)?.any(keep(-1))?;
        let y = says.select(&x, &x.zeros_like()?)?;
        call.set_mask(&y, &says.squeeze(-1)?);
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Masking::new(), [[2, 3, 2]])?;
        check_layer(&Masking::new().mask_value(0.5), [[2, 3]])
    }
}
