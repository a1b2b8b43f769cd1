//! The layer that makes each example a vector.

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::DataFormat;
use crate::{Built, Call, Init, Inputs, Layer, Result, expect};

/// Makes each example a vector.
///
/// # Shapes
///
/// `(batch, a, b, ...)` becomes `(batch, a · b · ...)`; `(batch,)` becomes `(batch, 1)`.
///
/// # Errors
///
/// Applying it fails if the input has no axis.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::Flatten};
///
/// let image = [None, Some(28), Some(28)].into();
/// assert_eq!(Flatten::new().output_shape(&[image])?, [[None, Some(784)].into()]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Flatten`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flatten {
    #[serde(default)]
    data_format: DataFormat,
}

impl Flatten {
    /// The layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets where the channels are; last by default. Those that are first become the last.
    #[must_use]
    pub fn data_format(mut self, data_format: DataFormat) -> Self {
        self.data_format = data_format;
        self
    }
}

impl Layer for Flatten {
    fn class_name(&self) -> &'static str {
        "Flatten"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let help = "give the model's input a shape";
        let input =
            expect::at_least(expect::one_input(inputs)?, 1, "(batch, ...)", help)?;
        let rest = &input.dims()[1..];
        let size = match rest {
            // One unknown length stays what it is.
            [dim] => dim.clone(),
            rest => {
                rest.iter().try_fold(1usize, |n, dim| n.checked_mul(dim.known()?)).into()
            }
        };
        Ok(vec![[input.dims()[0].clone(), size].into()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(BuiltFlatten(self.data_format)))
    }
}

#[derive(Debug)]
struct BuiltFlatten(DataFormat);

impl Built for BuiltFlatten {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = self.0.to_last(inputs.only()?)?;
        Ok(vec![if x.rank() == 1 {
            x.expand_dims(-1)?
        } else {
            x.merge_axes(1, x.rank())?
        }])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Dim;

    use super::*;
    use crate::{Error, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Flatten::new(), [[2, 3, 4]])?;
        let first = Flatten::new().data_format(DataFormat::ChannelsFirst);
        check_layer(&first, [[2, 3, 4]])?;
        check_layer(&Flatten::new(), [[2, 3]])?;
        check_layer(&Flatten::new(), [[2]])
    }

    #[test]
    fn an_unknown_length_stays_unknown() -> Result<()> {
        let shapes = Flatten::new().output_shape(&[[None, None, Some(3)].into()])?;
        assert_eq!(shapes, [[Dim::batch(), Dim::Unknown].into()]);
        Ok(())
    }

    #[test]
    fn a_scalar_is_an_error() {
        let error = Flatten::new().output_shape(&[Shape::default()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot take this input\n  expected: (batch, ...)\n       got: ()\n      \
             help: give the model's input a shape"
        );
        assert!(matches!(error, Error::Invalid { .. }));
    }
}
