//! One axis or several: [`AxisList`].

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use crate::{Error, Result};

/// The axes that a layer works along: `-1`, or `[1, 2]`. Negative ones count from the end.
///
/// # Examples
///
/// ```
/// use deckle_nn::layers::AxisList;
///
/// assert_eq!(serde_json::from_str::<AxisList>("-1")?, AxisList::from([-1]));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisList(pub Vec<isize>);

impl AxisList {
    /// The axes of a tensor of that rank, in order.
    pub(crate) fn of(&self, rank: usize) -> Result<Vec<usize>> {
        let mut axes = deckle_tensor::Axes::from(&self.0).resolve("axis", rank)?;
        if axes.is_empty() {
            return Err(
                Error::invalid("`axis` makes no sense", "one axis or more").got("none")
            );
        }
        axes.sort_unstable();
        Ok(axes)
    }

    /// The axes as Keras sorts them: in the order that they are written in, negative ones first.
    pub(crate) fn as_written(&self, rank: usize) -> Result<Vec<usize>> {
        let mut axes = self.0.clone();
        axes.sort_unstable();
        Ok(deckle_tensor::Axes::from(&axes).resolve("axis", rank)?)
    }
}

impl From<isize> for AxisList {
    fn from(axis: isize) -> Self {
        Self(vec![axis])
    }
}

impl<const N: usize> From<[isize; N]> for AxisList {
    fn from(axes: [isize; N]) -> Self {
        Self(axes.into())
    }
}

impl From<Vec<isize>> for AxisList {
    fn from(axes: Vec<isize>) -> Self {
        Self(axes)
    }
}

impl Serialize for AxisList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0[..] {
            [axis] => axis.serialize(serializer),
            _ => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AxisList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Ok(axis) = isize::deserialize(&value) {
            return Ok(axis.into());
        }
        Vec::deserialize(&value).map(Self).map_err(|_| {
            D::Error::custom(format_args!("{value} is not an axis or a list of axes"))
        })
    }
}
