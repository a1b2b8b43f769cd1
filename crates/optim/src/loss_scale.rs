//! A loss scale that follows the gradients: [`LossScaleOptimizer`].

use deckle_autograd::{Group, Var, Variable};
use deckle_tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    AnyOptimizer, Common, Error, Optimizer, Result, Slot, Step, Updated,
    config::{Count, Fields},
    optimizer::ensure,
};

/// How the loss's scale starts and grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScale {
    /// The scale of the first step.
    pub initial: f64,
    /// After how many steps with finite gradients it doubles.
    pub growth_steps: u64,
}

/// Another optimizer, with the loss scaled so that small gradients are not lost.
///
/// The loss is multiplied by the scale before it is differentiated, the gradients are divided
/// by it. Where a gradient is not finite, nothing but the scale changes: it is halved. After
/// `dynamic_growth_steps` steps with finite gradients it doubles.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Adam, LossScaleOptimizer, Optimizer};
///
/// let optimizer = LossScaleOptimizer::new(Adam::new()).initial_scale(1024.0);
/// assert_eq!(optimizer.config()["initial_scale"], 1024.0);
/// assert_eq!(optimizer.config()["inner_optimizer"]["class_name"], "Adam");
/// ```
///
/// # Keras
///
/// `keras.optimizers.LossScaleOptimizer`; a fixed scale of the inner optimizer does not count.
/// A step whose loss is not finite leaves the scale as it is, too. As on JAX, and as in files,
/// the product that `Nadam` keeps is forgotten after each step; TensorFlow keeps it.
///
/// # References
///
/// Micikevicius et al., "Mixed Precision Training", 2018, section 3.2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct LossScaleOptimizer {
    name: String,
    inner: AnyOptimizer,
    /// The inner optimizer's settings without a fixed scale.
    common: Common,
    scale: LossScale,
}

impl LossScaleOptimizer {
    /// That optimizer with a scale of 32768, which grows every 2000 steps.
    #[must_use]
    pub fn new(inner: impl Into<AnyOptimizer>) -> Self {
        let inner = inner.into();
        Self {
            name: "loss_scale_optimizer".to_owned(),
            common: Common { loss_scale_factor: None, ..inner.common().clone() },
            inner,
            scale: LossScale { initial: 32768.0, growth_steps: 2000 },
        }
    }

    /// Sets the optimizer's name; the class's in snake case by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the scale of the first step; 32768 by default.
    #[must_use]
    pub fn initial_scale(mut self, initial_scale: f64) -> Self {
        self.scale.initial = initial_scale;
        self
    }

    /// Sets after how many steps with finite gradients the scale doubles; 2000 by default.
    #[must_use]
    pub fn dynamic_growth_steps(mut self, steps: u64) -> Self {
        self.scale.growth_steps = steps;
        self
    }
}

impl Optimizer for LossScaleOptimizer {
    fn class_name(&self) -> &str {
        "LossScaleOptimizer"
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn config(&self) -> Value {
        let mut inner = self.inner.to_keras();
        inner["config"]["loss_scale_factor"] = Value::Null;
        json!({
            "name": self.name,
            "inner_optimizer": inner,
            "initial_scale": self.scale.initial,
            "dynamic_growth_steps": self.scale.growth_steps,
        })
    }

    fn slots(&self, path: &str, shape: &[usize]) -> Vec<Vec<Slot>> {
        self.inner.slots(path, shape)
    }

    fn shared_slots(&self) -> Vec<Slot> {
        self.inner.shared_slots()
    }

    fn update_shared(&self, step: &Step, slots: &[Var]) -> Result<Vec<Var>> {
        let slots =
            self.inner.shared_slots().into_iter().zip(slots).map(|(slot, var)| {
                let is_forgotten = slot.is_untracked;
                if is_forgotten {
                    Ok(var.full_like(slot.initial)?)
                } else {
                    Ok(var.clone())
                }
            });
        self.inner.update_shared(step, &slots.collect::<Result<Vec<_>>>()?)
    }

    fn weight_decay(&self, path: &str, shape: &[usize]) -> Option<f64> {
        self.inner.weight_decay(path, shape)
    }

    fn loss_scale(&self) -> Option<LossScale> {
        Some(self.scale)
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        self.inner.update(step, weight, gradient, slots)
    }

    fn check(&self) -> Result<()> {
        let class = self.class_name();
        let LossScale { initial, growth_steps } = self.scale;
        let fine = initial > 0.0 && initial.is_finite();
        ensure(class, "initial_scale", "a positive finite number", initial, fine)?;
        let fine = growth_steps >= 1;
        ensure(class, "dynamic_growth_steps", "at least one step", growth_steps, fine)?;
        let expected = "an optimizer without a scale of its own";
        let inner = self.inner.class_name();
        ensure(
            class,
            "inner_optimizer",
            expected,
            inner,
            self.inner.loss_scale().is_none(),
        )?;
        self.inner.check_settings()
    }
}

impl TryFrom<Value> for LossScaleOptimizer {
    type Error = Error;

    fn try_from(config: Value) -> Result<Self> {
        let mut fields = Fields::new("LossScaleOptimizer", config)?;
        let inner: Value = fields.required("inner_optimizer")?;
        // A scaled optimizer in a scaled one, and so on, would be read to any depth.
        if inner.get("class_name").and_then(Value::as_str) == Some("LossScaleOptimizer") {
            let problem = "it is a LossScaleOptimizer itself";
            return Err(Error::config("LossScaleOptimizer", "inner_optimizer", problem));
        }
        let new = Self::new(AnyOptimizer::from_keras(&inner)?);
        let steps = fields.or("dynamic_growth_steps", Count(new.scale.growth_steps))?;
        let read = Self {
            name: fields.or("name", new.name)?,
            scale: LossScale {
                initial: fields.or("initial_scale", new.scale.initial)?,
                growth_steps: steps.0,
            },
            ..Self::new(new.inner)
        };
        // Keras once wrote its default here.
        let _: Option<f64> = fields.optional("ema_momentum", None)?;
        let _: Option<bool> = fields.optional("dynamic", None)?;
        fields.finish()?;
        Ok(read)
    }
}

impl From<LossScaleOptimizer> for Value {
    fn from(optimizer: LossScaleOptimizer) -> Self {
        optimizer.config()
    }
}

/// The loss's scale with what Keras keeps beside it.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    growth_steps: u64,
    pub(crate) scale: Variable,
    /// How many steps had finite gradients since the scale changed.
    pub(crate) counter: Variable,
    /// A count and a learning rate that Keras writes and does not use.
    pub(crate) unused: [Variable; 2],
}

impl Scale {
    pub(crate) fn new(settings: LossScale, group: &Group) -> Result<Self> {
        let zero = Tensor::scalar(0i64);
        let initial = Tensor::scalar(settings.initial).cast(DType::F32);
        Ok(Self {
            growth_steps: settings.growth_steps,
            scale: group.variable("dynamic_scale", &initial)?,
            counter: group.variable("step_counter", &zero)?,
            unused: [
                group.variable("iteration", &zero)?,
                group.variable("learning_rate", &Tensor::scalar(0.0f32))?,
            ],
        })
    }

    /// Keeps all as it is where a gradient is not finite, and adapts the scale.
    pub(crate) fn guard(
        &self,
        gradients: &[Var],
        updates: &mut Vec<(Variable, Var)>,
    ) -> Result<()> {
        let finite = all_finite(gradients)?;
        for (variable, new) in updates.iter_mut() {
            *new = finite.select(&*new, &variable.read())?;
        }
        let (scale, counter) = (self.scale.read(), self.counter.read());
        let last = i64::try_from(self.growth_steps).unwrap_or(i64::MAX) - 1;
        let grows = counter.equal(last)?;
        let grown = grows.select(&(&scale * 2.0), &scale)?;
        updates.push((self.scale.clone(), finite.select(&grown, &(scale * 0.5))?));
        let counted = grows.select(0, &counter.add(1)?)?;
        updates.push((self.counter.clone(), finite.select(&counted, 0)?));
        Ok(())
    }
}

/// Whether no number of the gradients is infinite or NaN.
pub(crate) fn all_finite(gradients: &[Var]) -> Result<Var> {
    let mut finite = Var::constant(&Tensor::scalar(true));
    for gradient in gradients {
        finite = finite.and(&gradient.is_finite()?.all(..)?)?;
    }
    Ok(finite)
}
