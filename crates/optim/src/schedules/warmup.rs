//! A rise before any other schedule: [`Warmup`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, LearningRate, Result, Schedule,
    config::{self, Count, Fields},
    optimizer::not_negative,
    schedule::positive,
};

/// A learning rate that rises in a straight line to that of another schedule, which then begins.
///
/// `initial_learning_rate + (f(0) - initial_learning_rate) · step / warmup_steps` up to
/// `warmup_steps`, then `f(step - warmup_steps)`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{ExponentialDecay, Schedule, Warmup};
///
/// let schedule = Warmup::new(ExponentialDecay::new(0.5, 10, 0.25), 4);
/// assert_eq!(schedule.value_at(0)?, 0.0);
/// assert_eq!(schedule.value_at(2)?, 0.25);
/// assert_eq!(schedule.value_at(4)?, 0.5);
/// assert_eq!(schedule.value_at(9)?, 0.25);
/// assert_eq!(Warmup::new(0.5, 4).initial_learning_rate(0.25).value_at(2)?, 0.375);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// None: only `CosineDecay` has a rise of its own. Keras cannot read what a file says of this
/// one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Warmup {
    learning_rate: LearningRate,
    warmup_steps: u64,
    initial_learning_rate: f64,
}

impl Warmup {
    /// The rise from 0 in `warmup_steps` steps to a number, or the start of a schedule.
    #[must_use]
    pub fn new(learning_rate: impl Into<LearningRate>, warmup_steps: u64) -> Self {
        let learning_rate = learning_rate.into();
        Self { learning_rate, warmup_steps, initial_learning_rate: 0.0 }
    }

    /// Sets the learning rate of the first step; 0 by default.
    #[must_use]
    pub fn initial_learning_rate(mut self, learning_rate: f64) -> Self {
        self.initial_learning_rate = learning_rate;
        self
    }
}

impl Schedule for Warmup {
    fn class_name(&self) -> &str {
        "Warmup"
    }

    fn config(&self) -> Value {
        config::to_value(self)
    }

    fn check(&self) -> Result<()> {
        let class = self.class_name();
        positive(class, "warmup_steps", self.warmup_steps)?;
        not_negative(class, "initial_learning_rate", self.initial_learning_rate)?;
        match &self.learning_rate {
            LearningRate::Schedule(schedule) => schedule.check(),
            LearningRate::Constant(rate) => not_negative(class, "learning_rate", *rate),
        }
    }

    fn value(&self, step: &Var) -> Result<Var> {
        let (warmup, start) = (self.warmup_steps as f64, self.initial_learning_rate);
        let later = (step - warmup).maximum(0.0)?;
        // The other schedule stands at its start until the rise is done.
        let rate = match &self.learning_rate {
            LearningRate::Constant(rate) => Var::scalar(step.dtype(), *rate),
            LearningRate::Schedule(schedule) => schedule.value(&later)?,
        };
        let share = step / warmup;
        let rising = (&rate - start).mul(&share)? + start;
        Ok(step.less(warmup)?.select(&rising, &rate)?)
    }
}

impl TryFrom<Value> for Warmup {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let mut fields = Fields::new("Warmup", config)?;
        let read = Self {
            learning_rate: fields.required("learning_rate")?,
            warmup_steps: fields.required::<Count>("warmup_steps")?.0,
            initial_learning_rate: fields.or("initial_learning_rate", 0.0)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{AnySchedule, CosineDecay, PiecewiseConstantDecay};

    #[test]
    fn any_schedule_begins_after_the_rise() {
        let cosine = CosineDecay::new(0.5, 10);
        let warm = Warmup::new(cosine.clone(), 5).initial_learning_rate(0.1);
        for step in 5..20 {
            let (found, own) =
                (warm.value_at(step).unwrap(), cosine.value_at(step - 5).unwrap());
            assert_eq!(found.to_bits(), own.to_bits());
        }
        for (step, expected) in [(0, 0.1), (1, 0.18), (4, 0.42)] {
            assert!((warm.value_at(step).unwrap() - expected).abs() < 1e-12);
        }
        let steps = PiecewiseConstantDecay::new([2, 4], [1.0, 0.5, 0.25]);
        let warm = Warmup::new(steps, 2);
        let found: Vec<_> = (0..8).map(|step| warm.value_at(step).unwrap()).collect();
        assert_eq!(found, [0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25]);
    }

    #[test]
    fn it_survives_a_file_with_the_schedule_in_it() {
        let warm = AnySchedule::from(Warmup::new(CosineDecay::new(0.5, 10), 5));
        let again = AnySchedule::from_keras(&warm.to_keras()).unwrap();
        assert_eq!(again, warm);
        let none = json!({ "class_name": "Warmup", "config": {
            "learning_rate": 0.1, "warmup_steps": 0,
        } });
        assert!(AnySchedule::from_keras(&none).is_err());
    }
}
