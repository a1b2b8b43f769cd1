//! The layer that penalizes its input.

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::setters::setters;
use crate::{Built, Call, Error, Init, Inputs, Layer, Regularizer, Result, expect};

/// Adds `l1 · Σ|x| + l2 · Σx²`, divided by the batch size, to the loss.
///
/// The output is the input, with its mask.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if a factor is negative.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::ActivityRegularization};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([2]).add(ActivityRegularization::new().l1(0.5)).build()?;
/// let x = Var::constant(&Tensor::new(vec![-1.0f32, 3.0], [1, 2])?);
/// let mut call = Call::inference();
/// model.call(&[x], &mut call)?;
/// assert_eq!(call.losses()[0].eval()?.item::<f32>()?, 2.0);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.ActivityRegularization`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActivityRegularization {
    #[serde(default)]
    l1: f64,
    #[serde(default)]
    l2: f64,
}

impl ActivityRegularization {
    /// The layer, without a penalty at first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the factor of the sum of absolute values; 0 by default.
        l1: f64;
        /// Sets the factor of the sum of squares; 0 by default.
        l2: f64;
    }
}

impl Layer for ActivityRegularization {
    fn class_name(&self) -> &'static str {
        "ActivityRegularization"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        for (name, value) in [("l1", self.l1), ("l2", self.l2)] {
            if value.is_nan() || value < 0.0 {
                let problem = format_args!("`{name}` makes no sense").to_string();
                return Err(Error::invalid(problem, "a number from 0").got(value));
            }
        }
        Ok(vec![expect::one_input(inputs)?.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl Built for ActivityRegularization {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        Regularizer::l1_l2(self.l1, self.l2).add_activity(x, call)?;
        Ok(vec![x.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&ActivityRegularization::new().l1(0.1).l2(0.2), [[2, 3]])?;
        check_layer(&ActivityRegularization::new(), [[2, 3]])
    }
}
