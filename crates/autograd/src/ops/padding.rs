//! How windows of convolutions and pooling meet the edges: [`Padding`].

use deckle_tensor::{Dim, Error as TensorError};

use crate::Result;

/// How a window meets the edges of its input.
///
/// # Keras
///
/// `padding="valid"`, `"same"` and `"causal"`, with TensorFlow's rule for `"same"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Windows lie inside the input.
    Valid,
    /// `⌈length / stride⌉` windows; of the cells outside, the odd one comes after.
    Same,
    /// As many windows as with stride 1 there are cells, and none looks ahead.
    Causal,
    /// The cells before and after, per spatial axis.
    Explicit(Vec<(usize, usize)>),
}

impl Padding {
    /// The cells before and after one axis of that length, for a window with its gaps.
    pub(crate) fn amounts(
        &self,
        axis: usize,
        len: usize,
        window: usize,
        stride: usize,
    ) -> (usize, usize) {
        match self {
            Self::Valid => (0, 0),
            Self::Same => {
                let windows = len.div_ceil(stride).max(1);
                let reach = (windows - 1).saturating_mul(stride).saturating_add(window);
                let total = reach.saturating_sub(len);
                (total / 2, total - total / 2)
            }
            Self::Causal => (window - 1, 0),
            Self::Explicit(padding) => padding[axis],
        }
    }

    /// How many windows there are along one axis.
    pub(crate) fn windows(
        &self,
        op: &'static str,
        axis: usize,
        len: &Dim,
        window: &Dim,
        stride: usize,
    ) -> Result<Dim> {
        let Some(cells) = len.known() else {
            let keeps = match self {
                Self::Same | Self::Causal => stride == 1,
                Self::Valid => stride == 1 && window.known() == Some(1),
                Self::Explicit(padding) => {
                    let (low, high) = padding[axis];
                    stride == 1
                        && window.known()
                            == low.checked_add(high).and_then(|n| n.checked_add(1))
                }
            };
            return Ok(if keeps { len.clone() } else { Dim::Unknown });
        };
        if *self == Self::Same && cells > 0 {
            return Ok(cells.div_ceil(stride).into());
        }
        if *self == Self::Same {
            let expected = format_args!("one cell or more along spatial axis {axis}");
            return Err(TensorError::invalid(op, expected).got("none").into());
        }
        let Some(window) = window.known() else { return Ok(Dim::Unknown) };
        let (low, high) = self.amounts(axis, cells, window, stride);
        let padded = cells.checked_add(low).and_then(|cells| cells.checked_add(high));
        let room =
            padded.and_then(|cells| cells.checked_sub(window)).ok_or_else(|| {
                let expected =
                    format_args!("{window} cells or more along spatial axis {axis}");
                TensorError::invalid(op, expected)
                    .got(format_args!("{cells} and {low} + {high} around them"))
                    .help("use smaller windows, or Padding::Same")
            })?;
        Ok((room / stride + 1).into())
    }

    /// Checks what holds for any input.
    pub(crate) fn check(&self, op: &'static str, spatial: usize) -> Result<()> {
        let wrong = |expected: &str, got: usize| {
            TensorError::invalid(op, expected).got(format_args!("{got} spatial axes"))
        };
        match self {
            Self::Causal if spatial != 1 => {
                Err(wrong("one spatial axis for causal padding", spatial).into())
            }
            Self::Explicit(padding) if padding.len() != spatial => {
                Err(wrong("a pair of paddings for each spatial axis", spatial).into())
            }
            _ => Ok(()),
        }
    }
}

/// Checks one positive number per spatial axis.
pub(crate) fn positive(
    op: &'static str,
    what: &str,
    values: &[usize],
    spatial: usize,
) -> Result<()> {
    let product = values.iter().try_fold(1usize, |n, &value| n.checked_mul(value));
    let fits = product.is_some_and(|n| n > 0 && isize::try_from(n).is_ok());
    if values.len() == spatial && fits {
        return Ok(());
    }
    let expected = format_args!("positive {what} for each of {spatial} spatial axes");
    Err(TensorError::invalid(op, expected).got(format_args!("{values:?}")).into())
}
