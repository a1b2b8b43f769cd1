//! One number for each spatial axis: [`PerAxis`].

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

/// One number for each of `N` spatial axes: `3` for all, or `[3, 5]`.
///
/// # Examples
///
/// ```
/// use deckle_nn::layers::PerAxis;
///
/// assert_eq!(PerAxis::<2>::from(3), PerAxis([3, 3]));
/// assert_eq!(serde_json::from_str::<PerAxis<2>>("[3, 5]")?, PerAxis([3, 5]));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerAxis<const N: usize>(pub [usize; N]);

impl<const N: usize> PerAxis<N> {
    /// 1 for all axes.
    pub(super) fn ones() -> Self {
        1.into()
    }
}

impl<const N: usize> From<usize> for PerAxis<N> {
    fn from(len: usize) -> Self {
        Self([len; N])
    }
}

impl<const N: usize> From<[usize; N]> for PerAxis<N> {
    fn from(lens: [usize; N]) -> Self {
        Self(lens)
    }
}

impl<const N: usize> Serialize for PerAxis<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl<'de, const N: usize> Deserialize<'de> for PerAxis<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Ok(len) = usize::deserialize(&value) {
            return Ok(len.into());
        }
        let lens = Vec::<usize>::deserialize(&value).ok();
        lens.and_then(|lens| lens.try_into().ok()).map(Self).ok_or_else(|| {
            D::Error::custom(format_args!("{value} is not one number, or a list of {N}"))
        })
    }
}
