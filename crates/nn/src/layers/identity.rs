//! The layer that changes nothing.

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use crate::{Built, Call, Init, Inputs, Layer, Result, expect};

/// Returns its input, with its mask.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::Identity};
///
/// let shape = [None, Some(3)].into();
/// assert_eq!(Identity::new().output_shape(&[shape])?[0].to_string(), "(batch, 3)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Identity`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {}

impl Identity {
    /// The layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Layer for Identity {
    fn class_name(&self) -> &'static str {
        "Identity"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        Ok(vec![expect::one_input(inputs)?.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl Built for Identity {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        Ok(vec![inputs.only()?.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Identity::new(), [[2, 3]])?;
        check_layer(&Identity::new(), [[2, 3, 4]])
    }
}
