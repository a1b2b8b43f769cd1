//! The layer that repeats a vector as steps.

use deckle_autograd::Var;
use deckle_tensor::{Dim, Shape};
use serde::{Deserialize, Serialize};

use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// Repeats each example as the steps of a sequence.
///
/// # Shapes
///
/// `(batch, features)` becomes `(batch, n, features)`.
///
/// # Errors
///
/// Applying it fails if the input has another rank, or `n` is 0.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::RepeatVector};
///
/// let shapes = RepeatVector::new(3).output_shape(&[[None, Some(8)].into()])?;
/// assert_eq!(shapes[0].to_string(), "(batch, 3, 8)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.RepeatVector`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepeatVector {
    n: usize,
}

impl RepeatVector {
    /// The layer that repeats so many times.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { n }
    }
}

impl Layer for RepeatVector {
    fn class_name(&self) -> &'static str {
        "RepeatVector"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let help = "make one vector of each example, e.g. with Flatten";
        let input =
            expect::exactly(expect::one_input(inputs)?, 2, "(batch, features)", help)?;
        expect::positive("n", self.n)?;
        if i32::try_from(self.n).is_err() {
            return Err(
                Error::invalid("`n` makes no sense", "a number below 2^31").got(self.n)
            );
        }
        let dims = input.dims();
        Ok(vec![[dims[0].clone(), Dim::Known(self.n), dims[1].clone()].into()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for RepeatVector {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        Ok(vec![inputs.only()?.expand_dims(1)?.repeat(self.n, 1)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&RepeatVector::new(3), [[2, 4]])?;
        check_layer(&RepeatVector::new(1), [[2, 1]])
    }
}
