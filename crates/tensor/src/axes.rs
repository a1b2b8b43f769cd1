//! Arguments that name axes and lengths: [`Axes`], [`keep`] and [`Lens`].

use std::ops::RangeFull;

use crate::{Error, Result, resolve_axis, shape_text};

/// Which axes an operation works on: one, several, or all (`..`).
///
/// Negative axes count from the end. [`keep`] says that a reduction leaves the axes in place
/// with length 1.
///
/// # Examples
///
/// ```
/// use deckle_tensor::{Tensor, keep};
///
/// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
/// assert_eq!(x.sum(..)?, Tensor::from(10.0));
/// assert_eq!(x.sum(0)?, Tensor::from([4.0, 6.0]));
/// assert_eq!(x.sum([0, -1])?, Tensor::from(10.0));
/// assert_eq!(x.sum(keep(-1))?, Tensor::from([[3.0], [7.0]]));
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes {
    /// `None` is all of them.
    axes: Option<Vec<isize>>,
    keep: bool,
}

/// The same axes, which a reduction leaves in place with length 1; NumPy's `keepdims=True`.
#[must_use]
pub fn keep(axes: impl Into<Axes>) -> Axes {
    Axes { keep: true, ..axes.into() }
}

impl Axes {
    /// Whether a reduction leaves the axes in place with length 1.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.keep
    }

    /// The axes as indices below `rank`, in the order given.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or one is named twice; `op` names who asked.
    pub fn resolve(&self, op: &'static str, rank: usize) -> Result<Vec<usize>> {
        let Some(axes) = &self.axes else {
            return Ok((0..rank).collect());
        };
        let mut resolved: Vec<usize> = Vec::with_capacity(axes.len());
        for &axis in axes {
            let at = resolve_axis(op, axis, rank)?;
            if resolved.contains(&at) {
                return Err(Error::invalid(op, "each axis once")
                    .got(format_args!("axis {axis} twice")));
            }
            resolved.push(at);
        }
        Ok(resolved)
    }

    /// The one axis if it is one, or `None` if it is all.
    pub(crate) fn one(&self, op: &'static str, rank: usize) -> Result<Option<usize>> {
        match self.axes.as_deref() {
            None => Ok(None),
            Some([axis]) => resolve_axis(op, *axis, rank).map(Some),
            Some(axes) => Err(Error::invalid(op, "one axis, or `..` for all elements")
                .got(format_args!("{} axes", axes.len()))),
        }
    }
}

impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Self {
        Self { axes: None, keep: false }
    }
}

/// `()` is all axes, as NumPy's `axis=None`.
impl From<()> for Axes {
    fn from((): ()) -> Self {
        (..).into()
    }
}

impl From<&Self> for Axes {
    fn from(axes: &Self) -> Self {
        axes.clone()
    }
}

/// The lengths of a new shape's axes; -1 is a length that follows from the others.
///
/// # Examples
///
/// ```
/// use deckle_tensor::Tensor;
///
/// let x = Tensor::arange(0..6);
/// assert_eq!(x.reshape([2, -1])?.shape(), [2, 3]);
/// assert_eq!(x.reshape(vec![3usize, 2])?.shape(), [3, 2]);
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lens(Vec<isize>);

impl Lens {
    /// The shape of `size` elements that these lengths mean.
    ///
    /// # Errors
    ///
    /// If the lengths do not make `size` elements, or more than one is -1; `op` names who
    /// asked.
    pub fn resolve(&self, op: &'static str, size: usize) -> Result<Vec<usize>> {
        let fail = || {
            Error::invalid(
                op,
                format_args!("a shape of {size} elements, -1 at most once"),
            )
            .got(self.text())
        };
        let known = self.0.iter().filter(|&&len| len != -1);
        let product = known.clone().try_fold(1usize, |product, &len| {
            product.checked_mul(usize::try_from(len).ok()?)
        });
        // An overflow does not matter if another axis is empty.
        let empty = self.0.contains(&0) && known.clone().all(|&len| len >= 0);
        let product = if empty { 0 } else { product.ok_or_else(fail)? };
        let inferred = match self.0.len() - known.count() {
            0 if product == size => 0,
            1 if product > 0 && size.is_multiple_of(product) => size / product,
            _ => return Err(fail()),
        };
        Ok(self.0.iter().map(|&len| usize::try_from(len).unwrap_or(inferred)).collect())
    }

    fn text(&self) -> String {
        match self
            .0
            .iter()
            .map(|&len| usize::try_from(len))
            .collect::<Result<Vec<_>, _>>()
        {
            Ok(lens) => shape_text(&lens),
            Err(_) => format!("{:?}", self.0),
        }
    }
}

/// Lengths beyond `isize::MAX` cannot be; they become it and fail later.
fn signed(len: usize) -> isize {
    isize::try_from(len).unwrap_or(isize::MAX)
}

macro_rules! from_integers {
    ($($type:ty: $convert:expr;)*) => {$(
        impl From<$type> for Axes {
            fn from(axis: $type) -> Self {
                Self { axes: Some(vec![$convert(axis)]), keep: false }
            }
        }

        impl From<&[$type]> for Axes {
            fn from(axes: &[$type]) -> Self {
                Self { axes: Some(axes.iter().map(|&axis| $convert(axis)).collect()), keep: false }
            }
        }

        impl<const N: usize> From<[$type; N]> for Axes {
            fn from(axes: [$type; N]) -> Self {
                Self::from(&axes[..])
            }
        }

        impl<const N: usize> From<&[$type; N]> for Axes {
            fn from(axes: &[$type; N]) -> Self {
                Self::from(&axes[..])
            }
        }

        impl From<Vec<$type>> for Axes {
            fn from(axes: Vec<$type>) -> Self {
                Self::from(&axes[..])
            }
        }

        impl From<&Vec<$type>> for Axes {
            fn from(axes: &Vec<$type>) -> Self {
                Self::from(&axes[..])
            }
        }

        impl From<&[$type]> for Lens {
            fn from(lens: &[$type]) -> Self {
                Self(lens.iter().map(|&len| $convert(len)).collect())
            }
        }

        impl<const N: usize> From<[$type; N]> for Lens {
            fn from(lens: [$type; N]) -> Self {
                Self::from(&lens[..])
            }
        }

        impl<const N: usize> From<&[$type; N]> for Lens {
            fn from(lens: &[$type; N]) -> Self {
                Self::from(&lens[..])
            }
        }

        impl From<Vec<$type>> for Lens {
            fn from(lens: Vec<$type>) -> Self {
                Self::from(&lens[..])
            }
        }

        impl From<&Vec<$type>> for Lens {
            fn from(lens: &Vec<$type>) -> Self {
                Self::from(&lens[..])
            }
        }
    )*};
}

from_integers! {
    i32: |value| value as isize;
    isize: std::convert::identity;
    usize: signed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lens: impl Into<Lens>, size: usize, expected: Option<&[usize]>) {
        assert_eq!(lens.into().resolve("reshape", size).ok().as_deref(), expected);
    }

    #[test]
    fn one_length_is_inferred() {
        check([2, -1], 6, Some(&[2, 3]));
        check([-1], 0, Some(&[0]));
        check([-1, 0], 0, None);
        check([-1, -1], 4, None);
        check([-2, -2], 4, None);
        check([4], 5, None);
        check(
            [0, usize::MAX, usize::MAX],
            0,
            Some(&[0, isize::MAX as usize, isize::MAX as usize]),
        );
        check(Vec::<i32>::new(), 1, Some(&[]));
    }

    #[test]
    fn a_shape_of_another_size_is_named() {
        let error = Lens::from([2, -1]).resolve("reshape", 5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`reshape`: cannot take this input\n  expected: a shape of 5 elements, -1 at most \
             once\n       got: [2, -1]"
        );
    }
}
