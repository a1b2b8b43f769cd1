//! What a random setting lies between: [`Factor`].

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{Error, Result};

/// Two numbers that a random one lies between; one number stands for its negative and itself.
///
/// # Examples
///
/// ```
/// use deckle_nn::layers::Factor;
///
/// assert_eq!(Factor::from(0.2), Factor::from((-0.2, 0.2)));
/// ```
///
/// # Keras
///
/// `factor` of `keras.layers.RandomRotation` and others.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub struct Factor {
    low: f64,
    high: f64,
    /// The one number that was given, if it was one.
    one: Option<f64>,
}

/// One number is equal to the two that it stands for.
impl PartialEq for Factor {
    fn eq(&self, other: &Self) -> bool {
        (self.low, self.high) == (other.low, other.high)
    }
}

impl From<f64> for Factor {
    fn from(one: f64) -> Self {
        Self { low: -one.abs(), high: one.abs(), one: Some(one) }
    }
}

impl From<(f64, f64)> for Factor {
    fn from((low, high): (f64, f64)) -> Self {
        // As Keras, in any order.
        let (low, high) = if low > high { (high, low) } else { (low, high) };
        Self { low, high, one: None }
    }
}

impl TryFrom<Value> for Factor {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let pair = |all: &Vec<Value>| match &all[..] {
            [low, high] => Some(Self::from((low.as_f64()?, high.as_f64()?))),
            _ => None,
        };
        let one = value.as_f64().map(Self::from);
        one.or_else(|| value.as_array().and_then(pair))
            .ok_or_else(|| format!("{value} is neither a number nor a list of two"))
    }
}

impl Serialize for Factor {
    /// One number or two, as it was given: what two may be is not what one may. Keras refuses -1
    /// of what it takes 1 for.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.one {
            Some(one) => one.abs().serialize(serializer),
            None => [self.low, self.high].serialize(serializer),
        }
    }
}

impl Factor {
    /// The numbers that are not negative: what one number stands for where none may be.
    pub(super) fn non_negative(self) -> Self {
        if self.one.is_some() { Self { low: 0.0, ..self } } else { self }
    }

    /// Both numbers, the lower one first, if they lie between two.
    pub(super) fn check(self, name: &str, least: f64, most: f64) -> Result<[f64; 2]> {
        self.checked(name, least, most, self.low >= least && self.high <= most)
    }

    /// Both numbers, the lower one first, if they reach between two; one number alone has to lie
    /// there. So Keras checks the factors that the base class of such layers reads.
    pub(super) fn reach(self, name: &str, least: f64, most: f64) -> Result<[f64; 2]> {
        let fits = match self.one {
            Some(one) => one >= least && one <= most,
            None => self.low <= most && self.high >= least,
        };
        self.checked(name, least, most, fits)
    }

    fn checked(self, name: &str, least: f64, most: f64, fits: bool) -> Result<[f64; 2]> {
        if fits && self.low.is_finite() && self.high.is_finite() {
            return Ok([self.low, self.high]);
        }
        let problem = format_args!("`{name}` makes no sense").to_string();
        let expected =
            format_args!("one or two numbers from {least} to {most}").to_string();
        let error = Error::invalid(problem, expected);
        Err(match self.one {
            Some(one) => error.got(one),
            None => error.got(format_args!("{:?}", [self.low, self.high])),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn two_numbers_stay_two_in_a_file() {
        for factor in [json!([-2.0, 2.0]), json!([-0.5, 0.5]), json!(0.5)] {
            let read: Factor = serde_json::from_value(factor.clone()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), factor);
        }
        assert_eq!(serde_json::to_value(Factor::from(-0.5)).unwrap(), json!(0.5));
    }
}
