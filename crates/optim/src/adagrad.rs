//! Steps divided by the root of all squared gradients: [`Adagrad`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Error, Optimizer, Result, Slot, Step, Updated,
    config::{self, Fields},
    optimizer::{common_setters, not_negative, slot},
};

/// Gradient descent divided by the root of all squared gradients so far.
///
/// With learning rate η and gradient g: `a ← a + g²`, `w ← w - η·g / √(a + ε)`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Adagrad, Optimizer};
///
/// assert_eq!(Adagrad::new().slots("dense/bias", &[3])[0][0].initial, 0.1);
/// ```
///
/// # Keras
///
/// `keras.optimizers.Adagrad`; ε lies inside the root.
///
/// # References
///
/// Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
/// Optimization", 2011, figure 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Adagrad {
    #[serde(flatten)]
    common: Common,
    initial_accumulator_value: f64,
    epsilon: f64,
}

impl Adagrad {
    /// The optimizer with learning rate 0.001.
    #[must_use]
    pub fn new() -> Self {
        Self {
            common: Common::new("adagrad", 0.001),
            initial_accumulator_value: 0.1,
            epsilon: 1e-7,
        }
    }

    /// Sets the sum of squares before the first step; 0.1 by default.
    #[must_use]
    pub fn initial_accumulator_value(mut self, initial_accumulator_value: f64) -> Self {
        self.initial_accumulator_value = initial_accumulator_value;
        self
    }

    /// Sets what is added to the sum of squares; 1e-7 by default.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    common_setters!();
}

impl Default for Adagrad {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer for Adagrad {
    fn class_name(&self) -> &str {
        "Adagrad"
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn config(&self) -> Value {
        config::to_value(self)
    }

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        vec![vec![Slot::filled("accumulator", self.initial_accumulator_value)]]
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let sum = slot(slots, 0)?.add(&gradient.square()?)?;
        let root = (&sum + self.epsilon).sqrt()?;
        let descent = gradient.mul(step.learning_rate())?.div(&root)?;
        Ok(Updated { weight: weight.sub(&descent)?, slots: vec![sum] })
    }

    fn check(&self) -> Result<()> {
        let class = self.class_name();
        not_negative(class, "initial_accumulator_value", self.initial_accumulator_value)?;
        not_negative(class, "epsilon", self.epsilon)
    }
}

impl TryFrom<Value> for Adagrad {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let (mut fields, default) = (Fields::new("Adagrad", config)?, Self::new());
        let initial = default.initial_accumulator_value;
        let adagrad = Self {
            common: default.common.read(&mut fields)?,
            initial_accumulator_value: fields.or("initial_accumulator_value", initial)?,
            epsilon: fields.or("epsilon", default.epsilon)?,
        };
        fields.finish()?;
        Ok(adagrad)
    }
}
