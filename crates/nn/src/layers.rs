//! The layers, each in a file of its own.

mod dense;

pub use dense::Dense;

/// The shape of one example, without the batch axis; `None` is a length that is unknown until
/// the model is called.
///
/// # Examples
///
/// ```
/// use deckle_nn::layers::KerasShape;
///
/// assert_eq!(KerasShape::from([28, 28]), KerasShape::from([Some(28), Some(28)]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KerasShape(pub Vec<Option<usize>>);

impl<const N: usize> From<[usize; N]> for KerasShape {
    fn from(lens: [usize; N]) -> Self {
        Self(lens.into_iter().map(Some).collect())
    }
}

impl<const N: usize> From<[Option<usize>; N]> for KerasShape {
    fn from(lens: [Option<usize>; N]) -> Self {
        Self(lens.into())
    }
}

impl From<Vec<usize>> for KerasShape {
    fn from(lens: Vec<usize>) -> Self {
        Self(lens.into_iter().map(Some).collect())
    }
}

impl From<&[usize]> for KerasShape {
    fn from(lens: &[usize]) -> Self {
        lens.to_vec().into()
    }
}
