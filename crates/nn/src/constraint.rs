//! What weights are made to be after each step of training: [`Constraint`].

use deckle_autograd::Var;
use deckle_tensor::keep;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value, json};

use crate::{
    Error, Result,
    keras::{keras_object, names_class, parse_keras_object},
    layers::AxisList,
};

/// What a weight is made to be after each step of training.
///
/// Norms are lengths along the first axis, or others: of a dense layer's kernel, those of the
/// weights that lead to one unit.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::Constraint;
/// use deckle_tensor::Tensor;
///
/// let kernel = Var::constant(&Tensor::from([[3.0, 0.3], [4.0, 0.4]]));
/// let y = Constraint::max_norm(1.0).apply(&kernel)?.eval()?;
/// assert!(y.allclose(&Tensor::from([[0.6, 0.3], [0.8, 0.4]]), 1e-6, 1e-6)?);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.constraints`.
#[derive(Clone, Debug, PartialEq)]
pub enum Constraint {
    /// Norms up to a value: `w · min(norm, max_value) / (norm + 10⁻⁷)`.
    MaxNorm {
        /// The largest norm; Keras's default is 2.
        max_value: f64,
        /// The axes that a norm is along; Keras's default is 0.
        axis: AxisList,
    },
    /// No weight below 0: `max(w, 0)`.
    NonNeg,
    /// Norms of 1: `w / (norm + 10⁻⁷)`.
    UnitNorm {
        /// The axes that a norm is along; Keras's default is 0.
        axis: AxisList,
    },
    /// Norms between two values, or on the way there: `w · (rate · clip(norm, min_value,
    /// max_value) + (1 - rate) · norm) / (norm + 10⁻⁷)`.
    MinMaxNorm {
        /// The least norm; Keras's default is 0.
        min_value: f64,
        /// The largest norm; Keras's default is 1.
        max_value: f64,
        /// The share of the way; Keras's default is 1.
        rate: f64,
        /// The axes that a norm is along; Keras's default is 0.
        axis: AxisList,
    },
}

const CLASSES: [&str; 4] = ["MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"];

impl Constraint {
    /// Norms along the first axis up to that value; Keras's default is 2.
    #[must_use]
    pub fn max_norm(max_value: f64) -> Self {
        Self::MaxNorm { max_value, axis: 0.into() }
    }

    /// Norms along the first axis of 1.
    #[must_use]
    pub fn unit_norm() -> Self {
        Self::UnitNorm { axis: 0.into() }
    }

    /// Norms along the first axis between these values; Keras's defaults are 0 and 1.
    #[must_use]
    pub fn min_max_norm(min_value: f64, max_value: f64) -> Self {
        Self::MinMaxNorm { min_value, max_value, rate: 1.0, axis: 0.into() }
    }

    /// Sets the axes that norms are along; the first by default.
    #[must_use]
    pub fn axis(mut self, axes: impl Into<AxisList>) -> Self {
        match &mut self {
            Self::NonNeg => {}
            Self::MaxNorm { axis, .. }
            | Self::UnitNorm { axis }
            | Self::MinMaxNorm { axis, .. } => *axis = axes.into(),
        }
        self
    }

    /// Sets the share of the way that [`Constraint::MinMaxNorm`] goes in a step; 1 by default.
    #[must_use]
    pub fn rate(mut self, share: f64) -> Self {
        if let Self::MinMaxNorm { rate, .. } = &mut self {
            *rate = share;
        }
        self
    }

    /// Checks the settings.
    pub(crate) fn check(&self) -> Result<()> {
        let length = |value: f64| (0.0..f64::INFINITY).contains(&value);
        let fits = match *self {
            Self::NonNeg | Self::UnitNorm { .. } => true,
            Self::MaxNorm { max_value, .. } => length(max_value),
            Self::MinMaxNorm { min_value, max_value, rate, .. } => {
                length(min_value)
                    && length(max_value)
                    && min_value <= max_value
                    && (0.0..=1.0).contains(&rate)
            }
        };
        if fits {
            return Ok(());
        }
        let class = self.class_name();
        let problem = format_args!("constraint {class} makes no sense").to_string();
        let expected =
            "finite lengths from 0, the least not above the most, a rate from 0 to 1";
        Err(Error::invalid(problem, expected).got(format_args!("{self:?}")))
    }

    /// What the constraint makes of a weight.
    ///
    /// # Errors
    ///
    /// If the weight has not the axes.
    pub fn apply(&self, weight: &Var) -> Result<Var> {
        let norms = |axis: &AxisList| -> Result<Var> {
            let axes = axis.of(weight.rank())?;
            Ok(weight.square()?.sum(keep(axes))?.sqrt()?)
        };
        let scaled = |norms: &Var, wanted: &Var| -> Result<Var> {
            Ok(weight.mul(&wanted.div(&norms.add(1e-7)?)?)?)
        };
        match self {
            Self::NonNeg => Ok(weight.maximum(0.0)?),
            Self::UnitNorm { axis } => Ok(weight.div(&norms(axis)?.add(1e-7)?)?),
            Self::MaxNorm { max_value, axis } => {
                let norms = norms(axis)?;
                scaled(&norms, &norms.minimum(*max_value)?)
            }
            Self::MinMaxNorm { min_value, max_value, rate, axis } => {
                let norms = norms(axis)?;
                let near = norms.maximum(*min_value)?.minimum(*max_value)?;
                let wanted = near.mul(*rate)?.add(&norms.mul(1.0 - rate)?)?;
                scaled(&norms, &wanted)
            }
        }
    }

    fn class_name(&self) -> &'static str {
        match self {
            Self::MaxNorm { .. } => "MaxNorm",
            Self::NonNeg => "NonNeg",
            Self::UnitNorm { .. } => "UnitNorm",
            Self::MinMaxNorm { .. } => "MinMaxNorm",
        }
    }

    fn read(name: &str, config: &Map<String, Value>) -> Result<Self, String> {
        let number = |key: &str, default: f64| match config.get(key) {
            None => Ok(default),
            Some(value) => value.as_f64().ok_or_else(|| format!("`{key}` is a number")),
        };
        let axis = match config.get("axis") {
            None => 0.into(),
            Some(axis) => {
                serde_json::from_value(axis.clone()).map_err(|e| e.to_string())?
            }
        };
        match CLASSES.into_iter().find(|class| names_class(name, class)) {
            Some("MaxNorm") => {
                Ok(Self::MaxNorm { max_value: number("max_value", 2.0)?, axis })
            }
            Some("NonNeg") => Ok(Self::NonNeg),
            Some("UnitNorm") => Ok(Self::UnitNorm { axis }),
            Some(_) => Ok(Self::MinMaxNorm {
                min_value: number("min_value", 0.0)?,
                max_value: number("max_value", 1.0)?,
                rate: number("rate", 1.0)?,
                axis,
            }),
            None => Err(Error::unknown("constraint", name, &CLASSES).to_string()),
        }
    }
}

impl Serialize for Constraint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let config = match self {
            Self::MaxNorm { max_value, axis } => {
                json!({ "max_value": max_value, "axis": axis })
            }
            Self::NonNeg => json!({}),
            Self::UnitNorm { axis } => json!({ "axis": axis }),
            Self::MinMaxNorm { min_value, max_value, rate, axis } => json!({
                "min_value": min_value, "max_value": max_value, "rate": rate, "axis": axis,
            }),
        };
        keras_object("keras.constraints", self.class_name(), config).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Constraint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let (name, config) = parse_keras_object(&value)
            .ok_or_else(|| D::Error::custom("a constraint is a name or an object"))?;
        Self::read(name, &config).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;

    fn applied(constraint: &Constraint) -> Vec<f64> {
        let weight = Var::constant(&Tensor::from([[3.0, -0.3], [4.0, 0.4]]));
        constraint.apply(&weight).unwrap().eval().unwrap().to_vec().unwrap()
    }

    #[track_caller]
    fn check(constraint: &Constraint, expected: [f64; 4]) {
        let found = applied(constraint);
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near, "{constraint:?} makes {found:?}, not {expected:?}");
        let json = serde_json::to_value(constraint).unwrap();
        assert_eq!(serde_json::from_value::<Constraint>(json).unwrap(), *constraint);
    }

    #[test]
    fn norms_are_along_the_first_axis_or_others() {
        check(&Constraint::max_norm(2.5), [1.5, -0.3, 2.0, 0.4]);
        check(&Constraint::NonNeg, [3.0, 0.0, 4.0, 0.4]);
        check(&Constraint::unit_norm(), [0.6, -0.6, 0.8, 0.8]);
        check(&Constraint::min_max_norm(1.0, 2.0), [1.2, -0.6, 1.6, 0.8]);
        check(&Constraint::min_max_norm(1.0, 3.0).rate(0.5), [2.4, -0.45, 3.2, 0.6]);
        let norm = 25.25f64.sqrt();
        let whole = [3.0, -0.3, 4.0, 0.4].map(|w| w / norm);
        check(&Constraint::unit_norm().axis([0, 1]), whole);
    }

    #[test]
    fn names_as_users_type_them_are_known() {
        let read = |text: &str| serde_json::from_str::<Constraint>(text);
        assert_eq!(read("\"max_norm\"").unwrap(), Constraint::max_norm(2.0));
        assert_eq!(read("\"NonNeg\"").unwrap(), Constraint::NonNeg);
        let error = read("\"max_nrm\"").unwrap_err().to_string();
        assert!(error.contains("max_nrm") && error.contains("MaxNorm"), "{error}");
    }
}
