//! Exponential decay: [`ExponentialDecay`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Result, Schedule,
    config::{self, Count, Fields},
    optimizer::not_negative,
    schedule::positive,
};

/// A learning rate that falls by the same factor in equal times.
///
/// `initial_learning_rate · decay_rate^(step / decay_steps)`
///
/// # Examples
///
/// ```
/// use deckle_optim::{ExponentialDecay, Schedule};
///
/// let schedule = ExponentialDecay::new(1.0, 100, 0.25).staircase(true);
/// assert_eq!(schedule.value_at(99)?, 1.0);
/// assert_eq!(schedule.value_at(200)?, 0.0625);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// `keras.optimizers.schedules.ExponentialDecay`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct ExponentialDecay {
    initial_learning_rate: f64,
    decay_steps: u64,
    decay_rate: f64,
    staircase: bool,
    name: String,
}

impl ExponentialDecay {
    /// The decay by the factor `decay_rate` in `decay_steps` steps.
    #[must_use]
    pub fn new(initial_learning_rate: f64, decay_steps: u64, decay_rate: f64) -> Self {
        Self {
            initial_learning_rate,
            decay_steps,
            decay_rate,
            staircase: false,
            name: "ExponentialDecay".into(),
        }
    }

    /// Sets whether it falls only every `decay_steps` steps; false by default.
    #[must_use]
    pub fn staircase(mut self, staircase: bool) -> Self {
        self.staircase = staircase;
        self
    }
}

impl Schedule for ExponentialDecay {
    fn class_name(&self) -> &str {
        "ExponentialDecay"
    }

    fn config(&self) -> Value {
        config::to_value(self)
    }

    fn check(&self) -> Result<()> {
        let class = self.class_name();
        positive(class, "decay_steps", self.decay_steps)?;
        not_negative(class, "initial_learning_rate", self.initial_learning_rate)?;
        not_negative(class, "decay_rate", self.decay_rate)
    }

    fn value(&self, step: &Var) -> Result<Var> {
        let mut periods = step / self.decay_steps as f64;
        if self.staircase {
            periods = periods.floor()?;
        }
        let rate = Var::scalar(step.dtype(), self.decay_rate);
        Ok(rate.power(&periods)? * self.initial_learning_rate)
    }
}

impl TryFrom<Value> for ExponentialDecay {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let mut fields = Fields::new("ExponentialDecay", config)?;
        let decay_steps = fields.required::<Count>("decay_steps")?.0;
        let initial_learning_rate = fields.required("initial_learning_rate")?;
        let default =
            Self::new(initial_learning_rate, decay_steps, fields.required("decay_rate")?);
        let decay = Self {
            staircase: fields.or("staircase", default.staircase)?,
            name: fields.or("name", default.name)?,
            ..default
        };
        fields.finish()?;
        Ok(decay)
    }
}
