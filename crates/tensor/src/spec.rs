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

    /// The number of elements; `usize::MAX` if it is larger.
    ///
    /// No tensor, buffer or value of a program has that many: where shapes come from, such a
    /// one is an error.
    #[must_use]
    pub fn size(&self) -> usize {
        if self.shape.contains(&0) {
            return 0;
        }
        self.shape.iter().fold(1, |size: usize, &len| size.saturating_mul(len))
    }

    /// The number of bytes; `usize::MAX` if it is larger.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.size().saturating_mul(self.dtype.size())
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, shape_text(&self.shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_do_not_wrap() {
        let half = usize::MAX / 2 + 1;
        let spec = |shape: &[usize]| Spec::new(DType::F32, shape);
        assert_eq!(spec(&[half, 2]).size(), usize::MAX);
        assert_eq!(spec(&[half, 2, 0]).size(), 0);
        assert_eq!(spec(&[half, 2, 0]).bytes(), 0);
        assert_eq!(spec(&[half, 1]).size(), half);
        assert_eq!(spec(&[half]).bytes(), usize::MAX);
    }
}
