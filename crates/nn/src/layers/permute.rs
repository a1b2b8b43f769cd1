//! The layer that reorders axes.

use deckle_autograd::Var;
use deckle_tensor::{Shape, shape_text};
use serde::{Deserialize, Serialize};

use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// Reorders the axes after the batch, which are numbered from 1.
///
/// # Shapes
///
/// `Permute::new([2, 1])` makes `(batch, b, a)` of `(batch, a, b)`.
///
/// # Errors
///
/// Applying it fails if the axes are not those of the input, each once.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::Permute};
///
/// let shapes = Permute::new([3, 1, 2]).output_shape(&[[None, Some(4), Some(5), Some(6)].into()])?;
/// assert_eq!(shapes[0].to_string(), "(batch, 6, 4, 5)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Permute`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Permute {
    dims: Vec<usize>,
}

impl Permute {
    /// The layer whose output has these axes of the input after the batch.
    #[must_use]
    pub fn new(dims: impl Into<Vec<usize>>) -> Self {
        Self { dims: dims.into() }
    }

    /// The axes, with the batch.
    fn order(&self) -> Vec<usize> {
        std::iter::once(0).chain(self.dims.iter().copied()).collect()
    }
}

impl Layer for Permute {
    fn class_name(&self) -> &'static str {
        "Permute"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        let mut sorted = self.order();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..input.rank()) {
            let count = input.rank().saturating_sub(1);
            let expected = format!("the axes 1 to {count} of {input}, each once");
            return Err(Error::invalid("`dims` makes no sense", expected)
                .got(shape_text(&self.dims)));
        }
        let dims = self.order().into_iter().map(|axis| input.dims()[axis].clone());
        Ok(vec![dims.collect()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for Permute {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        Ok(vec![inputs.only()?.transpose(self.order())?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Permute::new([2, 1]), [[2, 3, 4]])?;
        check_layer(&Permute::new([3, 1, 2]), [[2, 3, 1, 2]])
    }

    #[test]
    fn a_wrong_axis_is_named() {
        let error = Permute::new([0, 1]).output_shape(&[[2, 3, 4].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`dims` makes no sense\n  expected: the axes 1 to 2 of (2, 3, 4), each once\n       \
             got: (0, 1)"
        );
    }
}
