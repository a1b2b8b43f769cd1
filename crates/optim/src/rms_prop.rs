//! Steps divided by the root of the gradient's mean square: [`RmsProp`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Error, Optimizer, Result, Slot, Step, Updated,
    config::{self, Fields},
    optimizer::{common_setters, not_negative, part, slot},
};

/// Gradient descent divided by the root of the gradient's mean square.
///
/// With learning rate η and gradient g:
///
/// - `v ← ρ·v + (1 - ρ)·g²`; centered also `a ← ρ·a + (1 - ρ)·g`;
/// - `d = η·g / √(v + ε)`; centered `d = η·g / √(v - a² + ε)`;
/// - `w ← w - d`; with momentum μ `m ← μ·m + d`, `w ← w - m`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Optimizer, RmsProp};
///
/// let config = RmsProp::new().learning_rate(1e-4).config();
/// assert_eq!(config["learning_rate"], 1e-4);
/// assert_eq!(config["rho"], 0.9);
/// ```
///
/// # Keras
///
/// `keras.optimizers.RMSprop`; ε lies inside the root.
///
/// # References
///
/// Tieleman and Hinton, "Lecture 6.5: Divide the gradient by a running
/// average of its recent magnitude", 2012; centered: Graves, "Generating Sequences
/// With Recurrent Neural Networks", 2013, equations 38 to 41.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct RmsProp {
    #[serde(flatten)]
    common: Common,
    rho: f64,
    momentum: f64,
    epsilon: f64,
    centered: bool,
}

impl RmsProp {
    /// The optimizer with learning rate 0.001, ρ 0.9, and without momentum.
    #[must_use]
    pub fn new() -> Self {
        Self {
            common: Common::new("rm_sprop", 0.001),
            rho: 0.9,
            momentum: 0.0,
            epsilon: 1e-7,
            centered: false,
        }
    }

    /// Sets how much of the mean square stays in each step; 0.9 by default.
    #[must_use]
    pub fn rho(mut self, rho: f64) -> Self {
        self.rho = rho;
        self
    }

    /// Sets how much of the velocity stays in each step; 0 by default.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Sets what is added to the mean square; 1e-7 by default.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Sets whether the variance stands for the mean square; false by default.
    #[must_use]
    pub fn centered(mut self, centered: bool) -> Self {
        self.centered = centered;
        self
    }

    common_setters!();
}

impl Default for RmsProp {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer for RmsProp {
    fn class_name(&self) -> &str {
        "RMSprop"
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn config(&self) -> Value {
        config::to_value(self)
    }

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        let mut slots = vec![vec![Slot::zeros("velocity")]];
        if self.momentum > 0.0 {
            slots.push(vec![Slot::zeros("momentum")]);
        }
        if self.centered {
            slots.push(vec![Slot::zeros("average_gradient")]);
        }
        slots
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let average =
            |old: &Var, new: Var| (old * self.rho).add(&(new * (1.0 - self.rho)));
        let square = average(slot(slots, 0)?, gradient.square()?)?;
        let mut updated = vec![square.clone()];
        let mean = if self.centered {
            let index = if self.momentum > 0.0 { 2 } else { 1 };
            Some(average(slot(slots, index)?, gradient.clone())?)
        } else {
            None
        };
        let spread = match &mean {
            Some(mean) => square.sub(&mean.square()?)?,
            None => square,
        };
        let root = (spread + self.epsilon).sqrt()?;
        let mut descent = gradient.mul(step.learning_rate())?.div(&root)?;
        if self.momentum > 0.0 {
            descent = (slot(slots, 1)? * self.momentum).add(&descent)?;
            updated.push(descent.clone());
        }
        updated.extend(mean);
        Ok(Updated { weight: weight.sub(&descent)?, slots: updated })
    }

    fn check(&self) -> Result<()> {
        let class = self.class_name();
        part(class, "rho", self.rho)?;
        part(class, "momentum", self.momentum)?;
        not_negative(class, "epsilon", self.epsilon)
    }
}

impl TryFrom<Value> for RmsProp {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let (mut fields, default) = (Fields::new("RMSprop", config)?, Self::new());
        let rms_prop = Self {
            common: default.common.read(&mut fields)?,
            rho: fields.or("rho", default.rho)?,
            momentum: fields.or("momentum", default.momentum)?,
            epsilon: fields.or("epsilon", default.epsilon)?,
            centered: fields.or("centered", default.centered)?,
        };
        fields.finish()?;
        Ok(rms_prop)
    }
}
