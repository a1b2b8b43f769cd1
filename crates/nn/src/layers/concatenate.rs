//! The layer that joins tensors along an axis.

use deckle_autograd::Var;
use deckle_tensor::{DType, Dim, Shape};
use serde::{Deserialize, Serialize};

use super::merging::promoted;
use crate::{Built, Call, Error, Init, Inputs, Layer, Result};

/// Joins tensors along an axis.
///
/// # Shapes
///
/// Any that differ in the length of the axis only; it becomes the sum of the lengths. A step is
/// masked if all that is joined there is.
///
/// # Errors
///
/// Applying it fails if there is no input, no such axis, or another axis differs.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::Concatenate};
///
/// let inputs = [[None, Some(3)].into(), [None, Some(5)].into()];
/// assert_eq!(Concatenate::new().output_shape(&inputs)?, [[None, Some(8)].into()]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Concatenate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concatenate {
    #[serde(default = "super::last_axis")]
    axis: isize,
}

impl Default for Concatenate {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

impl Concatenate {
    /// The layer along the last axis.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the axis; the last by default.
    #[must_use]
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }
}

impl Layer for Concatenate {
    fn class_name(&self) -> &'static str {
        "Concatenate"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let Some(first) = inputs.first() else {
            return Err(
                Error::invalid("cannot join nothing", "one input or more").got("none")
            );
        };
        let wrong = || {
            let shapes: Vec<_> = inputs.iter().map(Shape::to_string).collect();
            let expected =
                format_args!("shapes that differ in axis {} only", self.axis).to_string();
            Error::invalid("cannot join these inputs", expected).got(shapes.join(" and "))
        };
        let axis = deckle_tensor::resolve_axis("concatenate", self.axis, first.rank())?;
        let (mut dims, mut total) = (first.dims().to_vec(), Some(0));
        for input in inputs {
            if input.rank() != dims.len() {
                return Err(wrong());
            }
            for (at, (dim, other)) in dims.iter_mut().zip(input.dims()).enumerate() {
                if at != axis {
                    *dim = dim.meet(other).ok_or_else(wrong)?;
                }
            }
            total = total
                .zip(input.dims()[axis].known())
                .and_then(|(a, b): (usize, usize)| a.checked_add(b));
        }
        if inputs.len() > 1 {
            dims[axis] = Dim::from(total);
        }
        Ok(vec![dims.into()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn list_from(&self) -> Option<usize> {
        Some(0)
    }
}

impl Built for Concatenate {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let given = inputs.positional();
        let y = Var::concatenate(&promoted(given)?, self.axis)?;
        if given.iter().any(|input| call.mask(input).is_some()) {
            let mut masks = Vec::new();
            for input in given {
                let ones = input.cast(DType::F32)?.ones_like()?;
                let all = ones.greater(0.0)?;
                masks.push(match call.mask(input) {
                    None => all,
                    // A mask of all elements is one already, for whatever they are.
                    Some(mask) if mask.rank() >= input.rank() => mask.clone(),
                    Some(mask) => {
                        let mut mask = mask.clone();
                        while mask.rank() < input.rank() {
                            mask = mask.expand_dims(-1)?;
                        }
                        mask.and(&all)?
                    }
                });
            }
            let mask = Var::concatenate(&masks, self.axis)?.any(-1)?;
            call.set_mask(&y, &mask);
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Concatenate::new(), [[2, 3], [2, 1], [2, 2]])?;
        check_layer(&Concatenate::new().axis(1), [[2, 3, 2], [2, 1, 2]])?;
        check_layer(&Concatenate::new(), [[2, 3]])
    }

    #[test]
    fn inputs_that_do_not_fit_are_named() {
        let shapes = [[None, Some(3), Some(2)].into(), [None, Some(4), Some(2)].into()];
        let error = Concatenate::new().output_shape(&shapes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot join these inputs\n  expected: shapes that differ in axis -1 only\n       \
             got: (batch, 3, 2) and (batch, 4, 2)"
        );
    }
}
