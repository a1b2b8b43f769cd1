//! The right-hand side of an operation: a value of the graph or a number, [`Operand`].

use std::borrow::Cow;

use deckle_tensor::{DType, Scalar};

use crate::{Result, Var};

/// A value of the graph, or a number that takes the other side's element type.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_tensor::Tensor;
///
/// let x = Var::constant(&Tensor::from([1.0, -2.0]));
/// assert_eq!(x.maximum(0.0)?.eval()?, Tensor::from([1.0, 0.0]));
/// assert_eq!(x.maximum(&x)?.eval()?, Tensor::from([1.0, -2.0]));
/// # Ok::<(), deckle_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// A value, whose element type has to fit.
    Var(&'a Var),
    /// A number.
    Scalar(Scalar),
}

impl<'a> Operand<'a> {
    /// The operand in the graph; a number takes that element type.
    pub(crate) fn resolve(self, dtype: DType) -> Result<Cow<'a, Var>> {
        Ok(match self {
            Self::Var(var) => Cow::Borrowed(var),
            Self::Scalar(scalar) => Cow::Owned(Var::constant(&scalar.to_tensor(dtype)?)),
        })
    }

    /// The element type, if it has one of its own.
    pub(crate) fn dtype(&self) -> Option<DType> {
        match self {
            Self::Var(var) => Some(var.dtype()),
            Self::Scalar(_) => None,
        }
    }
}

impl<'a> From<&'a Var> for Operand<'a> {
    fn from(var: &'a Var) -> Self {
        Self::Var(var)
    }
}

macro_rules! operand_from {
    ($($type:ty),*) => {$(
        impl From<$type> for Operand<'_> {
            fn from(number: $type) -> Self {
                Self::Scalar(number.into())
            }
        }
    )*};
}

operand_from! { bool, i32, i64, usize, f32, f64, Scalar }
