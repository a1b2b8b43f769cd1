//! Adam with the largest gradient instead of the mean square: [`Adamax`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Optimizer, Result, Slot, Step, Updated,
    betas::{Betas, betas_setters, toward, unseen},
    class::{class, identity},
    optimizer::{common_setters, slot},
};

/// Gradient descent by the gradient's mean, divided by the largest gradient so far.
///
/// With learning rate η, gradient g and step number t from 1: `m ← β₁·m + (1 - β₁)·g`,
/// `u ← max(β₂·u, |g|)`, `w ← w - η·m / ((1 - β₁ᵗ)·(u + ε))`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Adamax, Optimizer};
///
/// let slots = Adamax::new().slots("dense/kernel", &[3, 2]).concat();
/// assert_eq!(slots[1].name, "norm");
/// ```
///
/// # Keras
///
/// `keras.optimizers.Adamax`.
///
/// # References
///
/// Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, section 7.1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Adamax {
    #[serde(flatten)]
    common: Common,
    #[serde(flatten)]
    betas: Betas,
}

impl Adamax {
    /// The optimizer with Keras's defaults; its learning rate is 0.001.
    #[must_use]
    pub fn new() -> Self {
        Self { common: Common::new("adamax", 0.001), betas: Betas::new() }
    }

    betas_setters!("1e-7");
    common_setters!();
}

class!(Adamax, "Adamax", ; betas;);

impl Optimizer for Adamax {
    identity!("Adamax");

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        vec![vec![Slot::zeros("momentum"), Slot::zeros("norm")]]
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let Betas { beta_1, beta_2, epsilon } = self.betas;
        let mean = toward(slot(slots, 0)?, gradient, beta_1)?;
        let largest = (slot(slots, 1)? * beta_2).maximum(&gradient.abs()?)?;
        let rate = step.learning_rate().div(&unseen(beta_1, step.number())?)?;
        let descent = mean.mul(&rate)?.div(&(&largest + epsilon))?;
        Ok(Updated { weight: weight.sub(&descent)?, slots: vec![mean, largest] })
    }

    fn check(&self) -> Result<()> {
        self.betas.check(self.class_name())
    }
}
