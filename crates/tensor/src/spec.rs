//! Element type and shape of a value in a program: [`Spec`].

use std::fmt;

use crate::{DType, shape_text};

/// Element type and shape of a tensor, a buffer, or a value in a [`Program`](crate::Program).
///
/// # Examples
///
/// ```
/// use deckle_tensor::{DType, Spec};
///
/// let spec = Spec::new(DType::F32, [2, 3]);
/// assert_eq!(spec.size(), 6);
/// assert_eq!(spec.bytes(), 24);
/// assert_eq!(spec.to_string(), "float32 (2, 3)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spec {
    /// The element type.
    pub dtype: DType,
    /// The length of each axis.
    pub shape: Vec<usize>,
}

impl Spec {
    /// The spec of that element type and shape.
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        Self { dtype, shape: shape.into() }
    }

    /// The spec of one element without axes.
    #[must_use]
    pub const fn scalar(dtype: DType) -> Self {
        Self { dtype, shape: Vec::new() }
    }

    /// The number of axes.
    #[must_use]
    pub const fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    #[must_use]
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// The number of bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.size() * self.dtype.size()
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, shape_text(&self.shape))
    }
}
