//! Numbers before and after each spatial axis: [`Margins`].

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

/// What is added or cut before and after each of `N` spatial axes.
///
/// # Examples
///
/// ```
/// use deckle_nn::layers::Margins;
///
/// assert_eq!(Margins::<2>::from(1), Margins([(1, 1), (1, 1)]));
/// assert_eq!(serde_json::from_str::<Margins<2>>("[1, 2]")?, Margins([(1, 1), (2, 2)]));
/// assert_eq!(serde_json::from_str::<Margins<1>>("[1, 2]")?, Margins([(1, 2)]));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Keras
///
/// One number, one for each axis, or a pair for each axis; for one axis, a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margins<const N: usize>(pub [(usize, usize); N]);

impl<const N: usize> From<usize> for Margins<N> {
    fn from(all: usize) -> Self {
        Self([(all, all); N])
    }
}

impl<const N: usize> From<[usize; N]> for Margins<N> {
    fn from(both: [usize; N]) -> Self {
        Self(both.map(|len| (len, len)))
    }
}

impl<const N: usize> From<[(usize, usize); N]> for Margins<N> {
    fn from(pairs: [(usize, usize); N]) -> Self {
        Self(pairs)
    }
}

impl From<(usize, usize)> for Margins<1> {
    fn from(pair: (usize, usize)) -> Self {
        Self([pair])
    }
}

impl<const N: usize> Serialize for Margins<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if N == 1 {
            self.0[0].serialize(serializer)
        } else {
            self.0[..].serialize(serializer)
        }
    }
}

impl<'de, const N: usize> Deserialize<'de> for Margins<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Ok(all) = usize::deserialize(&value) {
            return Ok(all.into());
        }
        let forms = match N {
            1 => "one number, or a pair".to_owned(),
            _ => format!("one number, or a list of {N} numbers or pairs"),
        };
        let wrong = || D::Error::custom(format_args!("{value} is not {forms}"));
        if N == 1 {
            let pair = <(usize, usize)>::deserialize(&value).map_err(|_| wrong())?;
            return Ok(Self([pair; N]));
        }
        let axes = Vec::<Value>::deserialize(&value).map_err(|_| wrong())?;
        let pair = |axis: &Value| {
            let both = usize::deserialize(axis).map(|len| (len, len));
            both.or_else(|_| <(usize, usize)>::deserialize(axis)).map_err(|_| wrong())
        };
        let pairs: Vec<_> = axes.iter().map(pair).collect::<Result<_, _>>()?;
        pairs.try_into().map(Self).map_err(|_| wrong())
    }
}
