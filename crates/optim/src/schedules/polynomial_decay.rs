//! Decay along a polynomial: [`PolynomialDecay`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Result, Schedule,
    config::{self, Count, Fields},
    optimizer::not_negative,
    schedule::positive,
};

/// A learning rate that falls to `end_learning_rate` in `decay_steps` steps.
///
/// `(initial_learning_rate - end_learning_rate) · (1 - step / decay_steps)^power +
/// end_learning_rate`, where it stays; or, with [`PolynomialDecay::cycle`], `decay_steps`
/// stands for the least multiple of it that is not below `step`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{PolynomialDecay, Schedule};
///
/// let schedule = PolynomialDecay::new(1.0, 10).end_learning_rate(0.0).power(2.0);
/// assert_eq!(schedule.value_at(5)?, 0.25);
/// assert_eq!(schedule.value_at(15)?, 0.0);
/// assert_eq!(schedule.cycle(true).value_at(15)?, 0.0625);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// `keras.optimizers.schedules.PolynomialDecay`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct PolynomialDecay {
    initial_learning_rate: f64,
    decay_steps: u64,
    end_learning_rate: f64,
    power: f64,
    cycle: bool,
    name: String,
}

impl PolynomialDecay {
    /// The decay, on a straight line, in `decay_steps` steps.
    #[must_use]
    pub fn new(initial_learning_rate: f64, decay_steps: u64) -> Self {
        Self {
            initial_learning_rate,
            decay_steps,
            end_learning_rate: 1e-4,
            power: 1.0,
            cycle: false,
            name: "PolynomialDecay".into(),
        }
    }

    /// Sets where it ends; 0.0001 by default.
    #[must_use]
    pub fn end_learning_rate(mut self, end_learning_rate: f64) -> Self {
        self.end_learning_rate = end_learning_rate;
        self
    }

    /// Sets the polynomial's power; 1 by default.
    #[must_use]
    pub fn power(mut self, power: f64) -> Self {
        self.power = power;
        self
    }

    /// Sets whether it starts again below, with longer and longer cycles; false by default.
    #[must_use]
    pub fn cycle(mut self, cycle: bool) -> Self {
        self.cycle = cycle;
        self
    }
}

impl Schedule for PolynomialDecay {
    fn class_name(&self) -> &str {
        "PolynomialDecay"
    }

    fn config(&self) -> Value {
        config::to_value(self)
    }

    fn check(&self) -> Result<()> {
        let class = self.class_name();
        positive(class, "decay_steps", self.decay_steps)?;
        not_negative(class, "initial_learning_rate", self.initial_learning_rate)?;
        not_negative(class, "end_learning_rate", self.end_learning_rate)?;
        not_negative(class, "power", self.power)
    }

    fn value(&self, step: &Var) -> Result<Var> {
        let periods = step / self.decay_steps as f64;
        let done = if self.cycle {
            // The first cycle begins with step 0, whose multiple would be 0.
            periods.div(&periods.ceil()?.maximum(1.0)?)?
        } else {
            periods.minimum(1.0)?
        };
        let (start, end) = (self.initial_learning_rate, self.end_learning_rate);
        Ok((1.0 - done).power(self.power)? * (start - end) + end)
    }
}

impl TryFrom<Value> for PolynomialDecay {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let mut fields = Fields::new("PolynomialDecay", config)?;
        let decay_steps = fields.required::<Count>("decay_steps")?.0;
        let default = Self::new(fields.required("initial_learning_rate")?, decay_steps);
        let decay = Self {
            end_learning_rate: fields
                .or("end_learning_rate", default.end_learning_rate)?,
            power: fields.or("power", default.power)?,
            cycle: fields.or("cycle", default.cycle)?,
            name: fields.or("name", default.name)?,
            ..default
        };
        fields.finish()?;
        Ok(decay)
    }
}
