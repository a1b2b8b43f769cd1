//! Decay with the inverse of time: [`InverseTimeDecay`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Result, Schedule,
    config::{self, Count, Fields},
    optimizer::not_negative,
    schedule::positive,
};

/// A learning rate that falls with the inverse of time.
///
/// `initial_learning_rate / (1 + decay_rate · step / decay_steps)`
///
/// # Examples
///
/// ```
/// use deckle_optim::{InverseTimeDecay, Schedule};
///
/// let schedule = InverseTimeDecay::new(1.0, 10, 2.0);
/// assert_eq!(schedule.value_at(5)?, 0.5);
/// assert_eq!(schedule.staircase(true).value_at(5)?, 1.0);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// `keras.optimizers.schedules.InverseTimeDecay`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct InverseTimeDecay {
    initial_learning_rate: f64,
    decay_steps: u64,
    decay_rate: f64,
    staircase: bool,
    name: String,
}

impl InverseTimeDecay {
    /// The decay by `decay_rate` times the initial denominator in `decay_steps` steps.
    #[must_use]
    pub fn new(initial_learning_rate: f64, decay_steps: u64, decay_rate: f64) -> Self {
        Self {
            initial_learning_rate,
            decay_steps,
            decay_rate,
            staircase: false,
            name: "InverseTimeDecay".into(),
        }
    }

    /// Sets whether it falls only every `decay_steps` steps; false by default.
    #[must_use]
    pub fn staircase(mut self, staircase: bool) -> Self {
        self.staircase = staircase;
        self
    }
}

impl Schedule for InverseTimeDecay {
    fn class_name(&self) -> &str {
        "InverseTimeDecay"
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
        Ok(self.initial_learning_rate / (periods * self.decay_rate + 1.0))
    }
}

impl TryFrom<Value> for InverseTimeDecay {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let mut fields = Fields::new("InverseTimeDecay", config)?;
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
