//! The layer that gives each example another shape.

use deckle_autograd::{Axis, Var};
use deckle_tensor::{Dim, Shape};
use serde::{Deserialize, Serialize};

use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// Gives each example another shape, with the same elements in the same order.
///
/// # Shapes
///
/// `(batch, ...)` becomes `(batch, target_shape...)`; one length may be -1, which follows from
/// the others.
///
/// # Errors
///
/// Applying it fails if the number of elements differs, or two lengths are left open.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::Reshape};
///
/// let layer = Reshape::new([3, -1]);
/// assert_eq!(layer.output_shape(&[[None, Some(12)].into()])?, [[None, Some(3), Some(4)].into()]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Reshape`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reshape {
    target_shape: Vec<isize>,
}

impl Reshape {
    /// The layer for examples of that shape, in which one length may be -1.
    #[must_use]
    pub fn new(target_shape: impl Into<Vec<isize>>) -> Self {
        Self { target_shape: target_shape.into() }
    }

    /// The length that is left for -1, if the input's elements fit.
    fn rest(&self, input: &Shape) -> Option<Dim> {
        let known = self.target_shape.iter().filter(|&&len| len != -1);
        let open = known.clone().count() < self.target_shape.len();
        let size = product(known.map(|&len| usize::try_from(len).ok()))?;
        match product(input.dims()[1..].iter().map(Dim::known)) {
            None => Some(Dim::Unknown),
            Some(total) if open => {
                (size > 0 && total.is_multiple_of(size)).then(|| (total / size).into())
            }
            Some(total) => (total == size).then_some(Dim::Unknown),
        }
    }

    fn target(&self) -> String {
        let lens: Vec<_> = self.target_shape.iter().map(isize::to_string).collect();
        format!("({})", lens.join(", "))
    }
}

/// The product, if all factors are known and it is a length.
fn product(mut lens: impl Iterator<Item = Option<usize>>) -> Option<usize> {
    lens.try_fold(1usize, |product, len| product.checked_mul(len?))
}

impl Layer for Reshape {
    fn class_name(&self) -> &'static str {
        "Reshape"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let help = "give the model's input a shape";
        let input =
            expect::at_least(expect::one_input(inputs)?, 1, "(batch, ...)", help)?;
        let open = self.target_shape.iter().filter(|&&len| len == -1).count();
        if open > 1 || self.target_shape.iter().any(|&len| len < -1) {
            return Err(Error::invalid(
                "`target_shape` makes no sense",
                "lengths, one of which may be -1",
            )
            .got(self.target()));
        }
        let rest = self.rest(input).ok_or_else(|| {
            Error::invalid(
                "cannot take this input",
                format_args!("a shape with as many elements as {}", self.target()),
            )
            .got(input)
        })?;
        let lens = self.target_shape.iter().map(|&len| match usize::try_from(len) {
            Ok(len) => Dim::Known(len),
            Err(_) => rest.clone(),
        });
        Ok(vec![std::iter::once(input.dims()[0].clone()).chain(lens).collect()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for Reshape {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        // Of an empty batch, the lengths of the other axes do not tell what is left.
        let rest = match self.rest(x.shape()) {
            Some(Dim::Known(len)) => Axis::from(len),
            _ => Axis::Rest,
        };
        let lens = self.target_shape.iter();
        let lens = lens.map(|&len| usize::try_from(len).map_or(rest.clone(), Axis::from));
        let axes: Vec<_> = std::iter::once(Axis::Of(0)).chain(lens).collect();
        Ok(vec![x.reshape_by(x, axes)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Reshape::new([4, 3]), [[2, 3, 4]])?;
        check_layer(&Reshape::new([-1, 2]), [[2, 3, 4]])?;
        check_layer(&Reshape::new([]), [[2, 1]])
    }

    #[test]
    fn an_unknown_length_is_found_when_the_model_is_called() -> Result<()> {
        let shapes =
            Reshape::new([-1, 3]).output_shape(&[[None, None, Some(6)].into()])?;
        assert_eq!(shapes[0].to_string(), "(batch, ?, 3)");
        Ok(())
    }

    #[test]
    fn a_wrong_target_is_named() {
        let error =
            |layer: Reshape| layer.output_shape(&[[None, Some(12)].into()]).unwrap_err();
        assert_eq!(
            error(Reshape::new([5, -1])).to_string(),
            "cannot take this input\n  expected: a shape with as many elements as (5, -1)\n       \
             got: (batch, 12)"
        );
        assert_eq!(
            error(Reshape::new([-1, -1])).to_string(),
            "`target_shape` makes no sense\n  expected: lengths, one of which may be -1\n       \
             got: (-1, -1)"
        );
    }
}
