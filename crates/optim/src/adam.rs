//! Adaptive moments: [`Adam`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Error, Optimizer, Result, Slot, Step, Updated,
    config::{self, Fields},
    moments::{Moments, moments_setters},
    optimizer::common_setters,
};

/// Gradient descent by the gradient's mean, divided by the root of its mean square.
///
/// With learning rate η, gradient g and step number t from 1:
///
/// - `m ← β₁·m + (1 - β₁)·g`, `v ← β₂·v + (1 - β₂)·g²`;
/// - `w ← w - η · √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε)`;
/// - with `amsgrad` `u ← max(u, v)` stands for v in the last line.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Adam, Optimizer};
///
/// let config = Adam::new().learning_rate(1e-4).beta_2(0.99).config();
/// assert_eq!(config["learning_rate"], 1e-4);
/// assert_eq!(config["beta_2"], 0.99);
/// ```
///
/// # Keras
///
/// `keras.optimizers.Adam`. `1 - βᵗ` is computed without cancellation, so that the first steps
/// differ from Keras's in single precision by some 10⁻⁵ of their length.
///
/// # References
///
/// Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, end of section 2 (ε-hat);
/// `amsgrad`: Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond", 2018, algorithm 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Adam {
    #[serde(flatten)]
    common: Common,
    #[serde(flatten)]
    moments: Moments,
}

impl Adam {
    /// The optimizer with learning rate 0.001, β₁ 0.9 and β₂ 0.999.
    #[must_use]
    pub fn new() -> Self {
        Self { common: Common::new("adam", 0.001), moments: Moments::new() }
    }

    moments_setters!();
    common_setters!();
}

impl Default for Adam {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer for Adam {
    fn class_name(&self) -> &str {
        "Adam"
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn config(&self) -> Value {
        config::to_value(self)
    }

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        self.moments.slots()
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        self.moments.update(step, weight, gradient, slots)
    }

    fn check(&self) -> Result<()> {
        self.moments.check(self.class_name())
    }
}

impl TryFrom<Value> for Adam {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let (mut fields, default) = (Fields::new("Adam", config)?, Self::new());
        let adam = Self {
            common: default.common.read(&mut fields)?,
            moments: default.moments.read(&mut fields)?,
        };
        fields.finish()?;
        Ok(adam)
    }
}
