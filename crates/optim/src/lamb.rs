//! Adam with steps in proportion to each weight: [`Lamb`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Optimizer, Result, Slot, Step, Updated,
    betas::{Betas, betas_setters, unseen},
    class::{class, identity},
    optimizer::common_setters,
};

/// Adam whose step of each weight is as long as the weight itself, times the learning rate.
///
/// With learning rate η, gradient g, step number t from 1 and Adam's m and v:
/// `u = m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + ε)`, `w ← w - η·(‖w‖ / ‖u‖)·u`; the ratio is 1
/// where a norm is 0.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Lamb, Optimizer};
///
/// assert_eq!(Lamb::new().class_name(), "Lamb");
/// ```
///
/// # Keras
///
/// `keras.optimizers.Lamb`.
///
/// # References
///
/// You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes",
/// 2020, algorithm 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Lamb {
    #[serde(flatten)]
    common: Common,
    #[serde(flatten)]
    betas: Betas,
}

impl Lamb {
    /// The optimizer with Keras's defaults; its learning rate is 0.001.
    #[must_use]
    pub fn new() -> Self {
        Self { common: Common::new("lamb", 0.001), betas: Betas::new() }
    }

    betas_setters!("1e-7");
    common_setters!();
}

class!(Lamb, "Lamb", ; betas;);

impl Optimizer for Lamb {
    identity!("Lamb");

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        vec![vec![Slot::zeros("momentum"), Slot::zeros("velocity")]]
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let Betas { beta_1, beta_2, epsilon } = self.betas;
        let (mean, square) = self.betas.averages(gradient, slots)?;
        let root = square.div(&unseen(beta_2, step.number())?)?.sqrt()?;
        let change = mean.div(&unseen(beta_1, step.number())?)?.div(&(root + epsilon))?;
        let norm = |x: &Var| x.square()?.sum(..)?.sqrt();
        let (of_weight, of_change) = (norm(weight)?, norm(&change)?);
        let ratio = of_change.greater(0.0)?.select(&of_weight.div(&of_change)?, 1.0)?;
        let ratio = of_weight.greater(0.0)?.select(&ratio, 1.0)?;
        let descent = change.mul(&ratio.mul(step.learning_rate())?)?;
        Ok(Updated { weight: weight.sub(&descent)?, slots: vec![mean, square] })
    }

    fn check(&self) -> Result<()> {
        self.betas.check(self.class_name())
    }
}
