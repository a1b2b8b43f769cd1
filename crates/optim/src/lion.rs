//! Steps of one length: the sign of a mean: [`Lion`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Optimizer, Result, Slot, Step, Updated,
    class::{class, identity},
    optimizer::{common_setters, decay, ensure, slot},
};

/// Descent by the sign of the gradient's mean, so that every element moves equally far.
///
/// With learning rate η and gradient g: `w ← w - η·sign(β₁·m + (1 - β₁)·g)`,
/// `m ← β₂·m + (1 - β₂)·g`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Lion, Optimizer};
///
/// assert_eq!(Lion::new().config()["beta_2"], 0.99);
/// ```
///
/// # Keras
///
/// `keras.optimizers.Lion`.
///
/// # References
///
/// Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, program 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Lion {
    #[serde(flatten)]
    common: Common,
    beta_1: f64,
    beta_2: f64,
}

impl Lion {
    /// The optimizer with Keras's defaults; its learning rate is 0.001.
    #[must_use]
    pub fn new() -> Self {
        Self { common: Common::new("lion", 0.001), beta_1: 0.9, beta_2: 0.99 }
    }

    /// Sets how much of the mean counts beside the gradient in a step; 0.9 by default.
    #[must_use]
    pub fn beta_1(mut self, beta_1: f64) -> Self {
        self.beta_1 = beta_1;
        self
    }

    /// Sets how much of the mean stays in each step; 0.99 by default.
    #[must_use]
    pub fn beta_2(mut self, beta_2: f64) -> Self {
        self.beta_2 = beta_2;
        self
    }

    common_setters!();
}

class!(Lion, "Lion", beta_1, beta_2; ;);

impl Optimizer for Lion {
    identity!("Lion");

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        vec![vec![Slot::zeros("momentum")]]
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let mixed = |mean: &Var, beta: f64| (mean * beta).add(&(gradient * (1.0 - beta)));
        let mean = slot(slots, 0)?;
        let descent = mixed(mean, self.beta_1)?.sign()?.mul(step.learning_rate())?;
        let weight = weight.sub(&descent)?;
        Ok(Updated { weight, slots: vec![mixed(mean, self.beta_2)?] })
    }

    fn check(&self) -> Result<()> {
        let (class, beta_1) = (self.class_name(), self.beta_1);
        let fine = beta_1 > 0.0 && beta_1 <= 1.0;
        ensure(class, "beta_1", "a number above 0 and up to 1", beta_1, fine)?;
        decay(class, "beta_2", self.beta_2)
    }
}
