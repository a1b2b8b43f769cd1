//! Adam without a schedule: an average is what counts: [`ScheduleFreeAdamW`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Optimizer, Result, Slot, Step, Updated,
    betas::{Betas, betas_setters, toward, unseen},
    class::{class, identity},
    optimizer::{common_setters, ensure, slot},
};

/// Descent of a point z, with weights between z and the average of all its positions.
///
/// With learning rate η (rising evenly over the warm-up), gradient g and step number t from 1:
///
/// - `x = (w - (1 - β₁)·z) / β₁`, `v ← β₂·v + (1 - β₂)·g²`;
/// - `z ← z - η·g / (√(v / (1 - β₂ᵗ)) + ε)`, `x ← x + (z - x)/t`;
/// - `w ← (1 - β₁)·z + β₁·x`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Optimizer, ScheduleFreeAdamW};
///
/// let slots = ScheduleFreeAdamW::new().slots("kernel", &[3]).concat();
/// assert!(slots[0].is_copy);
/// ```
///
/// # Keras
///
/// `keras.optimizers.ScheduleFreeAdamW`.
///
/// # References
///
/// Defazio et al., "The Road Less Scheduled", 2024, algorithm 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct ScheduleFreeAdamW {
    #[serde(flatten)]
    common: Common,
    #[serde(flatten)]
    betas: Betas,
    warmup_steps: u64,
}

impl ScheduleFreeAdamW {
    /// The optimizer with Keras's defaults; its learning rate is 0.0025.
    #[must_use]
    pub fn new() -> Self {
        Self {
            common: Common::new("schedule_free_adam_w", 0.0025),
            betas: Betas { epsilon: 1e-8, ..Betas::new() },
            warmup_steps: 0,
        }
    }

    /// Sets over how many steps the learning rate rises from 0; none by default.
    #[must_use]
    pub fn warmup_steps(mut self, warmup_steps: u64) -> Self {
        self.warmup_steps = warmup_steps;
        self
    }

    betas_setters!("1e-8");
    common_setters!();
}

class!(ScheduleFreeAdamW, "ScheduleFreeAdamW", warmup_steps; betas;);

impl Optimizer for ScheduleFreeAdamW {
    identity!("ScheduleFreeAdamW");

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        vec![vec![Slot::copy("momentum"), Slot::zeros("velocity")]]
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let Betas { beta_1, beta_2, epsilon } = self.betas;
        let (number, z) = (step.number(), slot(slots, 0)?);
        let mut rate = step.learning_rate().clone();
        if self.warmup_steps > 0 {
            let part = (number / self.warmup_steps as f64).minimum(1.0)?;
            rate = rate.mul(&part)?;
        }
        let square = toward(slot(slots, 1)?, &gradient.square()?, beta_2)?;
        let root = square.div(&unseen(beta_2, number)?)?.sqrt()?;
        let moved = z.sub(&gradient.mul(&rate)?.div(&(root + epsilon))?)?;
        let average = weight.sub(&(z * (1.0 - beta_1)))? / beta_1;
        let new = number.reciprocal()?;
        let average = average.mul(&(1.0 - &new))?.add(&moved.mul(&new)?)?;
        let weight = (&moved * (1.0 - beta_1)).add(&(average * beta_1))?;
        Ok(Updated { weight, slots: vec![moved, square] })
    }

    fn check(&self) -> Result<()> {
        let (class, beta_1) = (self.class_name(), self.betas.beta_1);
        ensure(class, "beta_1", "a number above 0 and below 1", beta_1, beta_1 > 0.0)?;
        self.betas.check(class)
    }
}
