//! Adam with weight decay beside it: [`AdamW`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Error, Optimizer, Result, Slot, Step, Updated,
    config::{self, Fields},
    moments::{Moments, moments_setters},
    optimizer::common_setters,
};

/// [`Adam`](crate::Adam) with weight decay beside it, not in the gradient.
///
/// First `w ← w - η·λ·w` with learning rate η and weight decay λ, then Adam's step.
///
/// # Examples
///
/// ```
/// use deckle_optim::{AdamW, Optimizer};
///
/// assert_eq!(AdamW::new().config()["weight_decay"], 0.004);
/// ```
///
/// # Keras
///
/// `keras.optimizers.AdamW`.
///
/// # References
///
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct AdamW {
    #[serde(flatten)]
    common: Common,
    #[serde(flatten)]
    moments: Moments,
}

impl AdamW {
    /// The optimizer with learning rate 0.001, weight decay 0.004, β₁ 0.9 and β₂ 0.999.
    #[must_use]
    pub fn new() -> Self {
        let common = Common { weight_decay: Some(0.004), ..Common::new("adam_w", 0.001) };
        Self { common, moments: Moments::new() }
    }

    moments_setters!();
    common_setters!();
}

impl Default for AdamW {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer for AdamW {
    fn class_name(&self) -> &str {
        "AdamW"
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
        if self.common.weight_decay.is_none() {
            return Err(Error::Setting {
                class: self.class_name().to_owned(),
                setting: "weight_decay",
                expected: "a number; Adam is the optimizer without weight decay",
                got: "null".to_owned(),
            });
        }
        self.moments.check(self.class_name())
    }
}

impl TryFrom<Value> for AdamW {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let (mut fields, default) = (Fields::new("AdamW", config)?, Self::new());
        let adam_w = Self {
            common: default.common.read(&mut fields)?,
            moments: default.moments.read(&mut fields)?,
        };
        fields.finish()?;
        Ok(adam_w)
    }
}
