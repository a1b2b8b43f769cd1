//! Class numbers as rows of a column for each class: [`CategoryEncoding`].

use deckle_tensor::{DType, Tensor};

use super::{OutputMode, encode::encode};
use crate::{Error, Result, categorical::whole_numbers};

/// Class numbers as rows of a column for each class.
///
/// # Shapes
///
/// | mode | input | output |
/// |---|---|---|
/// | multi-hot, count | `(numbers,)` | `(num_tokens,)` |
/// | multi-hot, count | `(batch, numbers)` | `(batch, num_tokens)` |
/// | one-hot | `(...,)` | `(..., num_tokens)`; a last axis of length 1 is left out first |
/// | one-hot | `()` | `(1, num_tokens)` |
///
/// # Errors
///
/// If a number is not below `num_tokens`.
///
/// # Examples
///
/// ```
/// use deckle_data::{CategoryEncoding, OutputMode};
/// use deckle_tensor::Tensor;
///
/// let x = Tensor::from([[0i64, 1], [0, 0]]);
/// let encoding = CategoryEncoding::new(3);
/// assert_eq!(encoding.apply(&x)?, Tensor::from([[1.0f32, 1.0, 0.0], [1.0, 0.0, 0.0]]));
/// let counts = encoding.output_mode(OutputMode::Count).apply(&x)?;
/// assert_eq!(counts, Tensor::from([[1.0f32, 1.0, 0.0], [2.0, 0.0, 0.0]]));
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.CategoryEncoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CategoryEncoding {
    num_tokens: usize,
    output_mode: OutputMode,
}

impl CategoryEncoding {
    /// Multi-hot rows of `num_tokens` columns.
    #[must_use]
    pub const fn new(num_tokens: usize) -> Self {
        Self { num_tokens, output_mode: OutputMode::MultiHot }
    }

    /// Sets the mode; [`OutputMode::MultiHot`] by default.
    #[must_use]
    pub const fn output_mode(mut self, output_mode: OutputMode) -> Self {
        self.output_mode = output_mode;
        self
    }

    /// The rows of class numbers.
    ///
    /// # Errors
    ///
    /// If a number is not whole or not one of the classes, or the shape does not suit the mode.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        self.encode(x, None)
    }

    /// The rows of class numbers that count as much as `count_weights`, of the same shape, say.
    ///
    /// # Errors
    ///
    /// As for [`CategoryEncoding::apply`]; also if the mode is not `Count`, or the shapes differ.
    pub fn apply_weighted(&self, x: &Tensor, count_weights: &Tensor) -> Result<Tensor> {
        if self.output_mode != OutputMode::Count || x.shape() != count_weights.shape() {
            return Err(Self::invalid("weights like the numbers, for OutputMode::Count")
                .got(format_args!(
                    "{} for {}, {:?}",
                    count_weights.spec(),
                    x.spec(),
                    self.output_mode
                )));
        }
        self.encode(x, Some(&count_weights.cast(DType::F32).to_vec()?))
    }

    fn encode(&self, x: &Tensor, weights: Option<&[f32]>) -> Result<Tensor> {
        if matches!(self.output_mode, OutputMode::Int | OutputMode::TfIdf) {
            return Err(Self::invalid("output mode OneHot, MultiHot or Count")
                .got(format_args!("{:?}", self.output_mode)));
        }
        let numbers = whole_numbers("CategoryEncoding", x)?;
        let is_outside = |&number: &i64| {
            usize::try_from(number).map_or(true, |n| n >= self.num_tokens)
        };
        if let Some(position) = numbers.iter().position(is_outside) {
            return Err(Error::Label {
                op: "`CategoryEncoding`".into(),
                label: numbers[position],
                position,
                classes: self.num_tokens,
            });
        }
        let (mode, depth) = (self.output_mode, self.num_tokens);
        encode("CategoryEncoding", &numbers, x.shape(), mode, depth, weights)
    }

    fn invalid(expected: &str) -> Error {
        Error::invalid("CategoryEncoding", expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_axes_is_one_example() {
        let one_hot = CategoryEncoding::new(3).output_mode(OutputMode::OneHot);
        let x = Tensor::scalar(2i64);
        assert_eq!(one_hot.apply(&x).unwrap(), Tensor::from([[0.0f32, 0.0, 1.0]]));
        let multi_hot = CategoryEncoding::new(3).apply(&x).unwrap();
        assert_eq!(multi_hot, Tensor::from([0.0f32, 0.0, 1.0]));
    }

    #[test]
    fn what_cannot_be_encoded_is_an_error() {
        let encoding = CategoryEncoding::new(3);
        for x in [Tensor::from([3i64]), Tensor::from([-1i64]), Tensor::from([0.5f32])] {
            assert!(encoding.apply(&x).is_err());
        }
        assert!(encoding.apply(&Tensor::zeros(DType::I64, [1, 1, 1])).is_err());
        assert!(
            encoding.output_mode(OutputMode::Int).apply(&Tensor::from([0i64])).is_err()
        );
        let x = Tensor::from([0i64]);
        assert!(encoding.apply_weighted(&x, &Tensor::from([1.0f32])).is_err());
        let counting = encoding.output_mode(OutputMode::Count);
        assert!(counting.apply_weighted(&x, &Tensor::from([1.0f32, 2.0])).is_err());
        assert_eq!(
            encoding.apply(&Tensor::zeros(DType::I64, [0, 2])).unwrap().shape(),
            [0, 3]
        );
        let none =
            CategoryEncoding::new(0).apply(&Tensor::zeros(DType::I64, [2, 0])).unwrap();
        assert_eq!(none.shape(), [2, 0]);
    }
}
