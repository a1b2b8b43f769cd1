//! Decay along half a cosine: [`CosineDecay`].

use std::f64::consts::PI;

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Result, Schedule,
    config::{self, Count, Fields},
    optimizer::not_negative,
    schedule::positive,
};

/// A learning rate that falls along half a cosine, after a warm-up if one is set.
///
/// With x = `step / decay_steps`, at most 1: `initial_learning_rate · ((1 - alpha) · (1 +
/// cos(π·x)) / 2 + alpha)`. With [`CosineDecay::warmup_target`] it first rises on a straight
/// line from `initial_learning_rate` to that target in `warmup_steps` steps, and then falls
/// from there in `decay_steps` more.
///
/// # Examples
///
/// ```
/// use deckle_optim::{CosineDecay, Schedule};
///
/// let schedule = CosineDecay::new(0.0, 20).warmup_target(1.0).warmup_steps(10);
/// assert_eq!(schedule.value_at(5)?, 0.5);
/// assert_eq!(schedule.value_at(10)?, 1.0);
/// assert_eq!(schedule.value_at(30)?, 0.0);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// `keras.optimizers.schedules.CosineDecay`.
///
/// # References
///
/// Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017,
/// equation 5 without restarts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct CosineDecay {
    initial_learning_rate: f64,
    decay_steps: u64,
    alpha: f64,
    name: String,
    warmup_target: Option<f64>,
    warmup_steps: u64,
}

impl CosineDecay {
    /// The decay to 0 in `decay_steps` steps.
    #[must_use]
    pub fn new(initial_learning_rate: f64, decay_steps: u64) -> Self {
        Self {
            initial_learning_rate,
            decay_steps,
            alpha: 0.0,
            name: "CosineDecay".into(),
            warmup_target: None,
            warmup_steps: 0,
        }
    }

    /// Sets what is left at the end, as a fraction of where the decay begins; 0 by default.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Sets where the warm-up ends and the decay begins; no warm-up by default.
    #[must_use]
    pub fn warmup_target(mut self, warmup_target: f64) -> Self {
        self.warmup_target = Some(warmup_target);
        self
    }

    /// Sets how many steps the warm-up takes; 0 by default.
    #[must_use]
    pub fn warmup_steps(mut self, warmup_steps: u64) -> Self {
        self.warmup_steps = warmup_steps;
        self
    }

    /// The decay from `start`, at a step counted from its beginning.
    fn decay(&self, start: f64, step: &Var) -> Result<Var> {
        let done = (step / self.decay_steps as f64).minimum(1.0)?;
        let cosine = ((done * PI).cos()? + 1.0) * 0.5;
        Ok((cosine * (1.0 - self.alpha) + self.alpha) * start)
    }
}

impl Schedule for CosineDecay {
    fn class_name(&self) -> &str {
        "CosineDecay"
    }

    fn config(&self) -> Value {
        config::to_value(self)
    }

    fn check(&self) -> Result<()> {
        let class = self.class_name();
        positive(class, "decay_steps", self.decay_steps)?;
        not_negative(class, "initial_learning_rate", self.initial_learning_rate)?;
        not_negative(class, "alpha", self.alpha)?;
        not_negative(class, "warmup_target", self.warmup_target.unwrap_or(0.0))
    }

    fn value(&self, step: &Var) -> Result<Var> {
        let start = self.initial_learning_rate;
        let Some(target) = self.warmup_target else {
            return self.decay(start, step);
        };
        let warmup = self.warmup_steps as f64;
        if self.warmup_steps == 0 {
            return self.decay(target, step);
        }
        let rising = step / warmup * (target - start) + start;
        let falling = self.decay(target, &(step - warmup))?;
        let warming = step.less(warmup)?;
        Ok(warming.select(&rising, &falling)?)
    }
}

impl TryFrom<Value> for CosineDecay {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let mut fields = Fields::new("CosineDecay", config)?;
        let decay_steps = fields.required::<Count>("decay_steps")?.0;
        let default = Self::new(fields.required("initial_learning_rate")?, decay_steps);
        let decay = Self {
            alpha: fields.or("alpha", default.alpha)?,
            name: fields.or("name", default.name)?,
            warmup_target: fields.optional("warmup_target", default.warmup_target)?,
            warmup_steps: fields.or("warmup_steps", Count(default.warmup_steps))?.0,
            ..default
        };
        fields.finish()?;
        Ok(decay)
    }
}
