//! Adam with Nesterov momentum: [`Nadam`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Optimizer, Result, Slot, Step, Updated,
    betas::{Betas, betas_setters, unseen},
    class::{class, identity},
    optimizer::{common_setters, slot},
};

/// Adam whose mean looks one step ahead.
///
/// With learning rate η, gradient g, step number t from 1 and Adam's m and v:
///
/// - `uₜ = β₁·(1 - 0.96ᵗ/2)`, `pₜ = pₜ₋₁·uₜ` from `p₀ = 1`;
/// - `n = uₜ₊₁·m / (1 - pₜ·uₜ₊₁) + (1 - uₜ)·g / (1 - pₜ)`;
/// - `w ← w - η·n / (√(v / (1 - β₂ᵗ)) + ε)`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Nadam, Optimizer};
///
/// assert_eq!(Nadam::new().shared_slots()[0].initial, 1.0);
/// ```
///
/// # Keras
///
/// `keras.optimizers.Nadam`, which keeps p in a nameless variable after all slots.
///
/// # References
///
/// Dozat, "Incorporating Nesterov Momentum into Adam", 2016, algorithm 8.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Nadam {
    #[serde(flatten)]
    common: Common,
    #[serde(flatten)]
    betas: Betas,
}

impl Nadam {
    /// The optimizer with Keras's defaults; its learning rate is 0.001.
    #[must_use]
    pub fn new() -> Self {
        Self { common: Common::new("nadam", 0.001), betas: Betas::new() }
    }

    betas_setters!("1e-7");
    common_setters!();

    /// `uₜ`, a scalar.
    fn momentum(&self, number: &Var) -> Result<Var> {
        let shrinks = (number * 0.96_f64.ln()).exp()?;
        Ok((1.0 - shrinks * 0.5) * self.betas.beta_1)
    }
}

class!(Nadam, "Nadam", ; betas;);

impl Optimizer for Nadam {
    identity!("Nadam");

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        vec![vec![Slot::zeros("momentum"), Slot::zeros("velocity")]]
    }

    fn shared_slots(&self) -> Vec<Slot> {
        vec![Slot::filled("variable", 1.0).untracked()]
    }

    fn update_shared(&self, step: &Step, slots: &[Var]) -> Result<Vec<Var>> {
        Ok(vec![slot(slots, 0)?.mul(&self.momentum(step.number())?)?])
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let Betas { beta_2, epsilon, .. } = self.betas;
        let (mean, square) = self.betas.averages(gradient, slots)?;
        let (now, product) = (self.momentum(step.number())?, slot(step.shared(), 0)?);
        let next = self.momentum(&(step.number() + 1.0))?;
        let rate = step.learning_rate();
        let of_mean = next.div(&(1.0 - product.mul(&next)?))?.mul(rate)?;
        let of_gradient = (1.0 - now).div(&(1.0 - product))?.mul(rate)?;
        let ahead = mean.mul(&of_mean)?.add(&gradient.mul(&of_gradient)?)?;
        let root = square.div(&unseen(beta_2, step.number())?)?.sqrt()?;
        let weight = weight.sub(&ahead.div(&(root + epsilon))?)?;
        Ok(Updated { weight, slots: vec![mean, square] })
    }

    fn check(&self) -> Result<()> {
        self.betas.check(self.class_name())
    }
}
