//! The decays of the optimizers that keep a mean and a mean square: [`Betas`].

use deckle_autograd::Var;
use serde::Serialize;

use crate::{
    Result,
    config::Fields,
    optimizer::{decay, not_negative, slot},
};

/// How fast the gradient's mean and mean square forget, and what is added to its root.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Betas {
    pub(crate) beta_1: f64,
    pub(crate) beta_2: f64,
    pub(crate) epsilon: f64,
}

impl Betas {
    pub(crate) fn new() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }

    /// Takes the settings out of a config; what is not there is as in `self`.
    pub(crate) fn read(self, fields: &mut Fields) -> Result<Self> {
        Ok(Self {
            beta_1: fields.or("beta_1", self.beta_1)?,
            beta_2: fields.or("beta_2", self.beta_2)?,
            epsilon: fields.or("epsilon", self.epsilon)?,
        })
    }

    pub(crate) fn check(&self, class: &str) -> Result<()> {
        decay(class, "beta_1", self.beta_1)?;
        decay(class, "beta_2", self.beta_2)?;
        not_negative(class, "epsilon", self.epsilon)
    }

    /// The gradient's mean and mean square after this step, out of the first two slots.
    pub(crate) fn averages(&self, gradient: &Var, slots: &[Var]) -> Result<(Var, Var)> {
        let mean = toward(slot(slots, 0)?, gradient, self.beta_1)?;
        let square = toward(slot(slots, 1)?, &gradient.square()?, self.beta_2)?;
        Ok((mean, square))
    }
}

/// The average after one more number: `old + (new - old)·(1 - β)`.
pub(crate) fn toward(old: &Var, new: &Var, beta: f64) -> Result<Var> {
    Ok(old.add(&(new.sub(old)? * (1.0 - beta)))?)
}

/// `1 - βᵗ`, as `-(eᵗ ˡⁿ ᵝ - 1)`: the difference would lose five of seven digits at the first
/// step.
pub(crate) fn unseen(beta: f64, number: &Var) -> Result<Var> {
    Ok(-(number * beta.ln()).expm1()?)
}

/// The setters of the decays.
macro_rules! betas_setters {
    ($epsilon:literal) => {
        /// Sets how much of the gradient's mean stays in each step; 0.9 by default.
        #[must_use]
        pub fn beta_1(mut self, beta_1: f64) -> Self {
            self.betas.beta_1 = beta_1;
            self
        }

        /// Sets how much of the gradient's second moment stays in each step; 0.999 by default.
        #[must_use]
        pub fn beta_2(mut self, beta_2: f64) -> Self {
            self.betas.beta_2 = beta_2;
            self
        }

        #[doc = concat!("Sets what is added to what is divided by; ", $epsilon, " by default.")]
        #[must_use]
        pub fn epsilon(mut self, epsilon: f64) -> Self {
            self.betas.epsilon = epsilon;
            self
        }
    };
}
pub(crate) use betas_setters;
