//! One learning rate after the other: [`PiecewiseConstantDecay`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Result, Schedule,
    config::{self, Count, Fields},
    optimizer::not_negative,
};

/// A learning rate that jumps after given numbers of steps.
///
/// `values[i]` for the first i at which `step <= boundaries[i]`, else the last value.
///
/// # Examples
///
/// ```
/// use deckle_optim::{PiecewiseConstantDecay, Schedule};
///
/// let schedule = PiecewiseConstantDecay::new([10, 20], [1.0, 0.5, 0.25]);
/// assert_eq!(schedule.value_at(10)?, 1.0);
/// assert_eq!(schedule.value_at(11)?, 0.5);
/// assert_eq!(schedule.value_at(21)?, 0.25);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// `keras.optimizers.schedules.PiecewiseConstantDecay`. Boundaries that do not ascend are an
/// error here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct PiecewiseConstantDecay {
    boundaries: Vec<u64>,
    values: Vec<f64>,
    name: String,
}

impl PiecewiseConstantDecay {
    /// The schedule with that many values; one boundary less.
    #[must_use]
    pub fn new(boundaries: impl Into<Vec<u64>>, values: impl Into<Vec<f64>>) -> Self {
        Self {
            boundaries: boundaries.into(),
            values: values.into(),
            name: "PiecewiseConstant".into(),
        }
    }
}

impl Schedule for PiecewiseConstantDecay {
    fn class_name(&self) -> &str {
        "PiecewiseConstantDecay"
    }

    fn config(&self) -> Value {
        config::to_value(self)
    }

    fn check(&self) -> Result<()> {
        let wrong = |setting, expected, got| {
            let class = self.class_name().to_owned();
            Err(Error::Setting { class, setting, expected, got })
        };
        if !self.boundaries.is_sorted_by(|a, b| a < b) {
            let got = format!("{:?}", self.boundaries);
            return wrong("boundaries", "numbers of steps that ascend", got);
        }
        if self.values.len() != self.boundaries.len() + 1 {
            let (values, boundaries) = (self.values.len(), self.boundaries.len());
            let got = format!("{values} values, {boundaries} boundaries");
            return wrong("values", "one more than there are boundaries", got);
        }
        let mut values = self.values.iter();
        values.try_for_each(|&value| not_negative(self.class_name(), "values", value))
    }

    fn value(&self, step: &Var) -> Result<Var> {
        self.check()?;
        let pieces = self.boundaries.iter().zip(&self.values);
        let last = Var::scalar(step.dtype(), self.values[self.boundaries.len()]);
        pieces.rev().try_fold(last, |later, (&boundary, &value)| {
            let now = step.less_equal(boundary as f64)?;
            Ok(now.select(value, &later)?)
        })
    }
}

impl TryFrom<Value> for PiecewiseConstantDecay {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let mut fields = Fields::new("PiecewiseConstantDecay", config)?;
        let boundaries = fields.required::<Vec<Count>>("boundaries")?;
        let boundaries: Vec<_> = boundaries.into_iter().map(|count| count.0).collect();
        let default = Self::new(boundaries, fields.required::<Vec<f64>>("values")?);
        let name = fields.or("name", default.name)?;
        fields.finish()?;
        Ok(Self { name, ..default })
    }
}
