//! Decay along half a cosine, again and again: [`CosineDecayRestarts`].

use std::f64::consts::PI;

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Result, Schedule,
    config::{self, Count, Fields},
    optimizer::{ensure, not_negative},
    schedule::positive,
};

/// A learning rate that falls along half a cosine, then starts again.
///
/// Period i takes `first_decay_steps · t_mulⁱ` steps; in it, with x from 0 to 1, the rate is
/// `initial_learning_rate · ((1 - alpha) · m_mulⁱ · (1 + cos(π·x)) / 2 + alpha)`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{CosineDecayRestarts, Schedule};
///
/// let schedule = CosineDecayRestarts::new(1.0, 10).m_mul(0.5);
/// assert_eq!(schedule.value_at(5)?, 0.5);
/// assert_eq!(schedule.value_at(10)?, 0.5);
/// assert_eq!(schedule.value_at(20)?, 0.25);
/// assert_eq!(schedule.value_at(30)?, 0.25);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// `keras.optimizers.schedules.CosineDecayRestarts`. Rounding errors in the number of the
/// period are mended, so that no restart is a step late where `t_mul` is whole.
///
/// # References
///
/// Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017,
/// equation 5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct CosineDecayRestarts {
    initial_learning_rate: f64,
    first_decay_steps: u64,
    t_mul: f64,
    m_mul: f64,
    alpha: f64,
    name: String,
}

impl CosineDecayRestarts {
    /// The decay to 0 in `first_decay_steps` steps, then in twice as many, and so on.
    #[must_use]
    pub fn new(initial_learning_rate: f64, first_decay_steps: u64) -> Self {
        Self {
            initial_learning_rate,
            first_decay_steps,
            t_mul: 2.0,
            m_mul: 1.0,
            alpha: 0.0,
            name: "SGDRDecay".into(),
        }
    }

    /// Sets how many times longer each period is than the one before; 2 by default.
    #[must_use]
    pub fn t_mul(mut self, t_mul: f64) -> Self {
        self.t_mul = t_mul;
        self
    }

    /// Sets how many times higher each period begins than the one before; 1 by default.
    #[must_use]
    pub fn m_mul(mut self, m_mul: f64) -> Self {
        self.m_mul = m_mul;
        self
    }

    /// Sets what is left at the end of a period, as a fraction of the initial learning rate;
    /// 0 by default.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// The periods that are over after `done` times the first one's steps, and the part of
    /// the current one.
    fn period(&self, done: &Var) -> Result<(Var, Var)> {
        if (self.t_mul - 1.0).abs() < 1e-9 {
            let period = done.floor()?;
            let part = done.sub(&period)?;
            return Ok((period, part));
        }
        let base = Var::scalar(done.dtype(), self.t_mul);
        // The end of period i - 1: 1 + t + … + t^(i - 1), in units of the first period.
        let end = |period: &Var| -> Result<Var> {
            Ok((base.power(period)? - 1.0) / (self.t_mul - 1.0))
        };
        let grown = (done * (self.t_mul - 1.0) + 1.0).log()? / self.t_mul.ln();
        let near = grown.floor()?;
        // Rounding may have taken the logarithm to the wrong side of a whole number.
        let before = (&near - 1.0).maximum(0.0)?;
        let after = &near + 1.0;
        let period = done.less(&end(&near)?)?.select(&before, &near)?;
        let period = done.less(&end(&after)?)?.select(&period, &after)?;
        let part = done.sub(&end(&period)?)?.div(&base.power(&period)?)?;
        Ok((period, part))
    }
}

impl Schedule for CosineDecayRestarts {
    fn class_name(&self) -> &str {
        "CosineDecayRestarts"
    }

    fn config(&self) -> Value {
        config::to_value(self)
    }

    fn check(&self) -> Result<()> {
        let class = self.class_name();
        positive(class, "first_decay_steps", self.first_decay_steps)?;
        not_negative(class, "initial_learning_rate", self.initial_learning_rate)?;
        not_negative(class, "m_mul", self.m_mul)?;
        not_negative(class, "alpha", self.alpha)?;
        let fine = self.t_mul >= 1.0 && self.t_mul.is_finite();
        ensure(class, "t_mul", "a number of at least 1", self.t_mul, fine)
    }

    fn value(&self, step: &Var) -> Result<Var> {
        let (period, part) = self.period(&(step / self.first_decay_steps as f64))?;
        let height = Var::scalar(step.dtype(), self.m_mul).power(&period)?;
        let cosine = ((part * PI).cos()? + 1.0).mul(&height)? * 0.5;
        Ok((cosine * (1.0 - self.alpha) + self.alpha) * self.initial_learning_rate)
    }
}

impl TryFrom<Value> for CosineDecayRestarts {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let mut fields = Fields::new("CosineDecayRestarts", config)?;
        let steps = fields.required::<Count>("first_decay_steps")?.0;
        let default = Self::new(fields.required("initial_learning_rate")?, steps);
        let decay = Self {
            t_mul: fields.or("t_mul", default.t_mul)?,
            m_mul: fields.or("m_mul", default.m_mul)?,
            alpha: fields.or("alpha", default.alpha)?,
            name: fields.or("name", default.name)?,
            ..default
        };
        fields.finish()?;
        Ok(decay)
    }
}
