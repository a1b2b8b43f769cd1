//! Steps in the proportion of past steps to past gradients: [`Adadelta`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Optimizer, Result, Slot, Step, Updated,
    class::{class, identity},
    optimizer::{common_setters, not_negative, part, slot},
};

/// Gradient descent scaled by the root mean square of past steps over that of gradients.
///
/// With learning rate η and gradient g: `a ← ρ·a + (1 - ρ)·g²`,
/// `s = g·√(d + ε) / √(a + ε)`, `d ← ρ·d + (1 - ρ)·s²`, `w ← w - η·s`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Adadelta, Optimizer};
///
/// assert_eq!(Adadelta::new().rho(0.9).config()["rho"], 0.9);
/// ```
///
/// # Keras
///
/// `keras.optimizers.Adadelta`. The paper's own rule has a learning rate of 1.
///
/// # References
///
/// Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012, algorithm 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Adadelta {
    #[serde(flatten)]
    common: Common,
    rho: f64,
    epsilon: f64,
}

impl Adadelta {
    /// The optimizer with Keras's defaults; its learning rate is 0.001.
    #[must_use]
    pub fn new() -> Self {
        Self { common: Common::new("adadelta", 0.001), rho: 0.95, epsilon: 1e-7 }
    }

    /// Sets how much of the mean squares stays in each step; 0.95 by default.
    #[must_use]
    pub fn rho(mut self, rho: f64) -> Self {
        self.rho = rho;
        self
    }

    /// Sets what is added under both roots; 1e-7 by default.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    common_setters!();
}

class!(Adadelta, "Adadelta", rho, epsilon; ;);

impl Optimizer for Adadelta {
    identity!("Adadelta");

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        vec![vec![Slot::zeros("accumulated_grad"), Slot::zeros("accumulated_delta_var")]]
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let average = |old: &Var, new: &Var| -> Result<Var> {
            Ok((old * self.rho).add(&(new.square()? * (1.0 - self.rho)))?)
        };
        let root = |x: &Var| (x + self.epsilon).sqrt();
        let squares = average(slot(slots, 0)?, gradient)?;
        let steps = slot(slots, 1)?;
        let change = root(steps)?.mul(gradient)?.div(&root(&squares)?)?;
        let weight = weight.sub(&change.mul(step.learning_rate())?)?;
        Ok(Updated { weight, slots: vec![squares, average(steps, &change)?] })
    }

    fn check(&self) -> Result<()> {
        part(self.class_name(), "rho", self.rho)?;
        not_negative(self.class_name(), "epsilon", self.epsilon)
    }
}
