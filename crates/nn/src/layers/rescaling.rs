//! The layer that changes the scale of its input.

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use crate::{Built, Call, Init, Inputs, Layer, Result, expect};

/// Changes the scale of its input: `y = x · scale + offset`.
///
/// Whole numbers, as pixels, become floating point.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::Rescaling};
/// use deckle_tensor::{DType, Tensor};
///
/// let layer = Rescaling::new(1.0 / 127.5).offset(-1.0);
/// let model = Sequential::typed([2], DType::U8).add(layer).build()?;
/// let x = Var::constant(&Tensor::new(vec![0u8, 255], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [-1.0, 1.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Rescaling`, with one number for all elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescaling {
    scale: f64,
    #[serde(default)]
    offset: f64,
}

impl Rescaling {
    /// The layer that multiplies by that number.
    #[must_use]
    pub fn new(scale: f64) -> Self {
        Self { scale, offset: 0.0 }
    }

    /// Sets what is added; 0 by default.
    #[must_use]
    pub fn offset(mut self, offset: f64) -> Self {
        self.offset = offset;
        self
    }
}

impl Layer for Rescaling {
    fn class_name(&self) -> &'static str {
        "Rescaling"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        Ok(vec![expect::one_input(inputs)?.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(BuiltRescaling(self.clone())))
    }
}

#[derive(Debug)]
struct BuiltRescaling(Rescaling);

impl Built for BuiltRescaling {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let Rescaling { scale, offset } = self.0;
        let y = inputs.only()?.cast(call.dtype())?.mul(scale)?;
        Ok(vec![if offset == 0.0 { y } else { y.add(offset)? }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Rescaling::new(0.5), [[2, 3]])?;
        check_layer(&Rescaling::new(-2.0).offset(0.25), [[2, 3, 1]])
    }
}
