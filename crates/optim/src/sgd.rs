//! Gradient descent: [`Sgd`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Error, Optimizer, Result, Slot, Step, Updated,
    config::{self, Fields},
    optimizer::{common_setters, part, slot},
};

/// Gradient descent, with momentum if it is set.
///
/// With learning rate η, momentum μ and gradient g:
///
/// - without momentum `w ← w - η·g`;
/// - with momentum `v ← μ·v - η·g`, `w ← w + v`;
/// - with Nesterov's momentum `v ← μ·v - η·g`, `w ← w + μ·v - η·g`.
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Device, Function, Group, Var};
/// use deckle_optim::{OptimizerState, Sgd};
/// use deckle_tensor::Tensor;
///
/// let group = Group::new(&Device::reference());
/// let w = group.variable("w", &Tensor::scalar(1.0f32))?;
/// let state = OptimizerState::new(Sgd::new().learning_rate(0.5), &[w.clone()], &group)?;
/// let gradient = w.read() * 0.5;
/// let step = Function::new([], []).updates(state.updates(&[gradient])?);
/// step.compile(&group.device())?.call(&[])?;
/// assert_eq!(w.value()?.item::<f32>()?, 0.75);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// `keras.optimizers.SGD`.
///
/// # References
///
/// Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in
/// deep learning", 2013, equations 1 to 4.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Sgd {
    #[serde(flatten)]
    common: Common,
    momentum: f64,
    nesterov: bool,
}

impl Sgd {
    /// Gradient descent with learning rate 0.01 and without momentum.
    #[must_use]
    pub fn new() -> Self {
        Self { common: Common::new("sgd", 0.01), momentum: 0.0, nesterov: false }
    }

    /// Sets how much of the velocity stays in each step; 0 by default.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Sets whether the velocity is applied before it is known; false by default.
    #[must_use]
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.nesterov = nesterov;
        self
    }

    common_setters!();
}

impl Default for Sgd {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer for Sgd {
    fn class_name(&self) -> &str {
        "SGD"
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn config(&self) -> Value {
        config::to_value(self)
    }

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        if self.momentum == 0.0 { vec![] } else { vec![vec![Slot::zeros("momentum")]] }
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let descent = gradient.mul(step.learning_rate())?;
        if self.momentum == 0.0 {
            return Ok(Updated { weight: weight.sub(&descent)?, slots: vec![] });
        }
        let velocity = (slot(slots, 0)? * self.momentum).sub(&descent)?;
        let weight = if self.nesterov {
            weight.add(&(&velocity * self.momentum).sub(&descent)?)?
        } else {
            weight.add(&velocity)?
        };
        Ok(Updated { weight, slots: vec![velocity] })
    }

    fn check(&self) -> Result<()> {
        part(self.class_name(), "momentum", self.momentum)
    }
}

impl TryFrom<Value> for Sgd {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let (mut fields, default) = (Fields::new("SGD", config)?, Self::new());
        let sgd = Self {
            common: default.common.read(&mut fields)?,
            momentum: fields.or("momentum", default.momentum)?,
            nesterov: fields.or("nesterov", default.nesterov)?,
        };
        fields.finish()?;
        Ok(sgd)
    }
}
