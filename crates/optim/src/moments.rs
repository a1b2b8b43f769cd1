//! The rule that [`Adam`](crate::Adam) and [`AdamW`](crate::AdamW) share: [`Moments`].

use deckle_autograd::Var;
use serde::Serialize;

use crate::{
    Result, Slot, Step, Updated,
    betas::{Betas, unseen},
    config::Fields,
    optimizer::slot,
};

/// The settings of Adam's rule, and the rule; see [`Adam`](crate::Adam) for the formula.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Moments {
    #[serde(flatten)]
    pub(crate) betas: Betas,
    pub(crate) amsgrad: bool,
}

impl Moments {
    pub(crate) fn new() -> Self {
        Self { betas: Betas::new(), amsgrad: false }
    }

    /// Takes the settings out of a config; what is not there is as in `self`.
    pub(crate) fn read(self, fields: &mut Fields) -> Result<Self> {
        Ok(Self {
            betas: self.betas.read(fields)?,
            amsgrad: fields.or("amsgrad", self.amsgrad)?,
        })
    }

    pub(crate) fn check(&self, class: &str) -> Result<()> {
        self.betas.check(class)
    }

    pub(crate) fn slots(&self) -> Vec<Vec<Slot>> {
        let mut slots = vec![vec![Slot::zeros("momentum"), Slot::zeros("velocity")]];
        if self.amsgrad {
            slots.push(vec![Slot::zeros("velocity_hat")]);
        }
        slots
    }

    pub(crate) fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let (mean, square) = self.betas.averages(gradient, slots)?;
        let mut updated = vec![mean.clone(), square.clone()];
        let mut largest = square;
        if self.amsgrad {
            largest = slot(slots, 2)?.maximum(&largest)?;
            updated.push(largest.clone());
        }
        let Betas { beta_1, beta_2, epsilon } = self.betas;
        let unbiased = unseen(beta_2, step.number())?.sqrt()?;
        let rate = step.learning_rate().mul(&unbiased)?;
        let rate = rate.div(&unseen(beta_1, step.number())?)?;
        let descent = mean.mul(&rate)?.div(&(largest.sqrt()? + epsilon))?;
        Ok(Updated { weight: weight.sub(&descent)?, slots: updated })
    }
}

/// The setters of Adam's settings.
macro_rules! moments_setters {
    () => {
        /// Sets how much of the gradient's mean stays in each step; 0.9 by default.
        #[must_use]
        pub fn beta_1(mut self, beta_1: f64) -> Self {
            self.moments.betas.beta_1 = beta_1;
            self
        }

        /// Sets how much of the gradient's mean square stays in each step; 0.999 by default.
        #[must_use]
        pub fn beta_2(mut self, beta_2: f64) -> Self {
            self.moments.betas.beta_2 = beta_2;
            self
        }

        /// Sets what is added to the root of the mean square; 1e-7 by default.
        #[must_use]
        pub fn epsilon(mut self, epsilon: f64) -> Self {
            self.moments.betas.epsilon = epsilon;
            self
        }

        /// Sets whether the largest mean square so far is divided by; false by default.
        #[must_use]
        pub fn amsgrad(mut self, amsgrad: bool) -> Self {
            self.moments.amsgrad = amsgrad;
            self
        }
    };
}
pub(crate) use moments_setters;
