//! What an optimizer remembers, and the graph of its step: [`OptimizerState`].

use deckle_autograd::{Group, Var, Variable};
use deckle_tensor::{DType, Spec, Tensor};
use serde_json::{Value, json};

use crate::{
    AnyOptimizer, Common, Error, LearningRate, Result, Slot,
    loss_scale::{Scale, all_finite},
    update::Graph,
};

/// An optimizer with all that it remembers about some weights.
///
/// [`OptimizerState::updates`] is one training step as a graph, in Keras's order: undo the
/// loss's scale, accumulate, clip, decay the weights, update, average, count.
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Device, Function, Group, grad};
/// use deckle_optim::{OptimizerState, Sgd};
/// use deckle_tensor::Tensor;
///
/// let group = Group::new(&Device::reference());
/// let w = group.variable("w", &Tensor::scalar(1.0f32))?;
/// let state = OptimizerState::new(Sgd::new().learning_rate(0.25), &[w.clone()], &group)?;
///
/// let loss = w.read() * &w.read();
/// let gradients = grad(&loss, &[&w.read()])?;
/// let step = Function::new([], [&loss]).updates(state.updates(&gradients)?);
/// let step = step.compile(&group.device())?;
///
/// assert_eq!(step.call(&[])?[0].item::<f32>()?, 1.0);
/// assert_eq!(step.call(&[])?[0].item::<f32>()?, 0.25);
/// assert_eq!(state.iterations()?, 2);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// A `keras.optimizers.Optimizer` after `build`, and `apply`. Weights' constraints are the
/// caller's: Keras applies them last, to the new weights, in steps that
/// [are made](OptimizerState::is_made).
#[derive(Clone, Debug)]
pub struct OptimizerState {
    pub(crate) optimizer: AnyOptimizer,
    pub(crate) weights: Vec<Variable>,
    /// Whether weight decay reaches each weight.
    pub(crate) decays: Vec<bool>,
    /// What the learning rate of each weight is multiplied by.
    pub(crate) rates: Vec<f64>,
    pub(crate) iteration: Variable,
    /// Nothing if the learning rate follows a schedule.
    pub(crate) learning_rate: Option<Variable>,
    /// One per weight, or none at all; so with the accumulators.
    pub(crate) averages: Vec<Variable>,
    pub(crate) accumulators: Vec<Variable>,
    /// Per weight, in the order of `Optimizer::slots`.
    pub(crate) slots: Vec<Vec<Variable>>,
    /// All slots in the order of Keras's files.
    saved_slots: Vec<Variable>,
    /// What all weights share, in the order of `Optimizer::shared_slots`.
    pub(crate) shared: Vec<Variable>,
    /// What Keras does not write of an optimizer in a `LossScaleOptimizer`.
    untracked: Vec<Variable>,
    /// The loss's scale, if it follows the gradients.
    pub(crate) scale: Option<Scale>,
}

impl OptimizerState {
    /// The state before the first step, in variables of that group.
    ///
    /// # Errors
    ///
    /// If a setting cannot work, a weight is not made of floating-point numbers, or there is
    /// not enough memory.
    pub fn new(
        optimizer: impl Into<AnyOptimizer>,
        weights: &[Variable],
        group: &Group,
    ) -> Result<Self> {
        let optimizer = optimizer.into();
        optimizer.check_settings()?;
        if let Some(weight) = weights.iter().find(|weight| !weight.dtype().is_float()) {
            let (weight, got) = (weight.name().to_owned(), weight.dtype());
            return Err(Error::NotFloating { weight, got });
        }
        let common = optimizer.common();
        let iteration = group.variable("iteration", &Tensor::scalar(0i64))?;
        let learning_rate = match &common.learning_rate {
            LearningRate::Constant(rate) => {
                let rate = Tensor::scalar(*rate).cast(DType::F32);
                Some(group.variable("learning_rate", &rate)?)
            }
            LearningRate::Schedule(_) => None,
        };
        let for_all = |wanted: bool, name| -> Result<Vec<Variable>> {
            let weights = weights.iter().filter(|_| wanted);
            weights.map(|weight| beside(group, weight, &Slot::zeros(name))).collect()
        };
        let averages = for_all(common.use_ema, "average")?;
        let accumulators = for_all(
            common.gradient_accumulation_steps.is_some(),
            "gradient_accumulator",
        )?;
        let mut slots = vec![Vec::new(); weights.len()];
        let (mut saved_slots, mut untracked) = (Vec::new(), Vec::new());
        let wanted = weights.iter().map(|w| optimizer.slots(w.name(), w.shape()));
        let wanted: Vec<_> = wanted.collect();
        for kept_together in 0..wanted.iter().map(Vec::len).max().unwrap_or(0) {
            for ((weight, wanted), slots) in weights.iter().zip(&wanted).zip(&mut slots) {
                for wanted in wanted.get(kept_together).into_iter().flatten() {
                    let slot = beside(group, weight, wanted)?;
                    untracked.extend(wanted.is_untracked.then(|| slot.clone()));
                    saved_slots.push(slot.clone());
                    slots.push(slot);
                }
            }
        }
        let dtype = weights.first().map_or(DType::F32, Variable::dtype);
        let shared = optimizer.shared_slots().into_iter().map(|slot| {
            let shape = slot.shape.unwrap_or_default();
            let value = Tensor::full(&shape[..], slot.initial);
            let value = value.cast(slot.dtype.unwrap_or(dtype));
            let variable = group.variable(slot.name, &value)?;
            untracked.extend(slot.is_untracked.then(|| variable.clone()));
            Ok(variable)
        });
        let shared = shared.collect::<Result<_>>()?;
        let scale = optimizer.loss_scale().map(|scale| Scale::new(scale, group));
        Ok(Self {
            decays: vec![true; weights.len()],
            rates: vec![1.0; weights.len()],
            weights: weights.to_vec(),
            optimizer,
            iteration,
            learning_rate,
            averages,
            accumulators,
            slots,
            saved_slots,
            shared,
            untracked,
            scale: scale.transpose()?,
        })
    }

    /// The optimizer's settings.
    #[must_use]
    pub fn optimizer(&self) -> &AnyOptimizer {
        &self.optimizer
    }

    /// The weights, in the order of their gradients.
    #[must_use]
    pub fn weights(&self) -> &[Variable] {
        &self.weights
    }

    /// The averages of the weights, one for each, if they are kept.
    #[must_use]
    pub fn averages(&self) -> &[Variable] {
        &self.averages
    }

    /// All that is remembered, in the order of Keras's files.
    ///
    /// `iteration`; `learning_rate`, unless it follows a schedule; averages and accumulators of
    /// all weights, if they are kept; then the slots, group by group as in
    /// [`Optimizer::slots`](crate::Optimizer::slots), and what all weights share. Before them
    /// four numbers of the loss's scale, if it follows the gradients.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        let scale = self.scale.iter();
        scale
            .flat_map(|scale| scale.unused.iter().chain([&scale.counter, &scale.scale]))
            .chain([&self.iteration])
            .chain(&self.learning_rate)
            .chain(&self.averages)
            .chain(&self.accumulators)
            .chain(&self.saved_slots)
            .chain(&self.shared)
            .cloned()
            .collect()
    }

    /// Those of [`OptimizerState::variables`] that Keras writes.
    ///
    /// All, but of an optimizer in a `LossScaleOptimizer` neither the product of `Nadam` nor what
    /// stands for the rows and columns that `Adafactor` does not have.
    #[must_use]
    pub fn tracked_variables(&self) -> Vec<Variable> {
        let mut all = self.variables();
        if self.scale.is_some() {
            all.retain(|one| !self.untracked.iter().any(|other| other.is_same(one)));
        }
        all
    }

    /// The variables that a file of Keras with that many values has them of, in its order; none
    /// if the file is of another optimizer.
    ///
    /// A file has all [`OptimizerState::variables`] or the
    /// [tracked ones](Self::tracked_variables); before the first step only a count of steps and
    /// a learning rate, in a `LossScaleOptimizer` twice.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Device, Group};
    /// use deckle_optim::{Adam, LossScaleOptimizer, OptimizerState};
    /// use deckle_tensor::Tensor;
    ///
    /// let group = Group::new(&Device::reference());
    /// let w = group.variable("w", &Tensor::scalar(1.0f32))?;
    /// let optimizer = LossScaleOptimizer::new(Adam::new());
    /// let state = OptimizerState::new(optimizer, &[w], &group)?;
    /// let names = |count| -> Vec<_> {
    ///     let found = state.saved_variables(count).unwrap_or_default();
    ///     found.iter().map(|variable| variable.name().to_owned()).collect()
    /// };
    /// assert_eq!(names(8)[3], "dynamic_scale");
    /// assert_eq!(names(4), ["iteration", "learning_rate", "iteration", "learning_rate"]);
    /// assert!(state.saved_variables(5).is_none());
    /// # Ok::<(), deckle_optim::Error>(())
    /// ```
    #[must_use]
    pub fn saved_variables(&self, count: usize) -> Option<Vec<Variable>> {
        let all = self.variables();
        if count == all.len() {
            return Some(all);
        }
        if self.scale.is_some() {
            let tracked = self.tracked_variables();
            if count == tracked.len() {
                return Some(tracked);
            }
            let own = 1 + usize::from(self.learning_rate.is_some());
            if count == 2 + own {
                return Some([&all[..2], &all[4..4 + own]].concat());
            }
        }
        (count <= 2 && count < all.len()).then(|| all[..count].to_vec())
    }

    /// Replaces all that is remembered by values in the order of
    /// [`OptimizerState::variables`]; numbers of another type are cast.
    ///
    /// # Errors
    ///
    /// If their number or a shape differs; then nothing has changed.
    pub fn load(&self, values: &[Tensor]) -> Result<()> {
        let variables = self.variables();
        if values.len() != variables.len() {
            let (expected, got) = (variables.len(), values.len());
            return Err(Error::Count {
                what: "saved values of the optimizer",
                expected,
                got,
            });
        }
        for (variable, value) in variables.iter().zip(values) {
            let is_number = value.dtype() != DType::Bool;
            if variable.shape() != value.shape() || !is_number {
                return Err(Error::Mismatch {
                    what: format!("saved value of `{}`", variable.name()),
                    expected: variable.spec().to_string(),
                    got: value.spec().to_string(),
                });
            }
        }
        for (variable, value) in variables.iter().zip(values) {
            variable.set(&value.cast(variable.dtype()))?;
        }
        Ok(())
    }

    /// Keeps weight decay from all weights in whose own names, as `bias`, one of these texts
    /// occurs; one with a `/`, as `dense/`, is looked for in their paths. Those that were kept
    /// from it before still are.
    ///
    /// # Keras
    ///
    /// `exclude_from_weight_decay(var_names=…)`, with plain texts; a second call there takes the
    /// first one back.
    pub fn exclude_from_weight_decay<T: AsRef<str>>(
        &mut self,
        names: impl IntoIterator<Item = T>,
    ) {
        for name in names {
            for (weight, decays) in self.weights.iter().zip(&mut self.decays) {
                *decays &= !is_named(weight.name(), name.as_ref());
            }
        }
    }

    /// Multiplies the learning rate of all weights in whose names one of these texts occurs,
    /// besides what it was multiplied by before; by 0, they stay as they are.
    ///
    /// # Errors
    ///
    /// If the factor is not a finite number of at least 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Device, Function, Group, grad};
    /// use deckle_optim::{OptimizerState, Sgd};
    /// use deckle_tensor::Tensor;
    ///
    /// let group = Group::new(&Device::reference());
    /// let [a, b] = ["base/kernel", "head/kernel"].map(|name| {
    ///     group.variable(name, &Tensor::scalar(1.0f32))
    /// });
    /// let (a, b) = (a?, b?);
    /// let weights = [a.clone(), b.clone()];
    /// let mut state = OptimizerState::new(Sgd::new().learning_rate(0.5), &weights, &group)?;
    /// state.multiply_learning_rate(["base/"], 0.25)?;
    ///
    /// let gradients = grad(&(a.read() + &b.read()), &[&a.read(), &b.read()])?;
    /// let step = Function::new([], []).updates(state.updates(&gradients)?);
    /// step.compile(&group.device())?.call(&[])?;
    /// assert_eq!(a.value()?.item::<f32>()?, 0.875);
    /// assert_eq!(b.value()?.item::<f32>()?, 0.5);
    /// # Ok::<(), deckle_optim::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// Where `MultiOptimizer` has one optimizer for each group of weights.
    pub fn multiply_learning_rate<T: AsRef<str>>(
        &mut self,
        names: impl IntoIterator<Item = T>,
        factor: f64,
    ) -> Result<()> {
        let names: Vec<_> = names.into_iter().collect();
        let is_one = |name: &str| names.iter().any(|of: &T| name.contains(of.as_ref()));
        self.multiply_learning_rate_of(|weight| is_one(weight.name()), factor)
    }

    /// As [`multiply_learning_rate`](Self::multiply_learning_rate), of the weights that are chosen.
    ///
    /// # Errors
    ///
    /// If `factor` is negative or not finite.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Device, Function, Group, grad};
    /// use deckle_optim::{OptimizerState, Sgd};
    /// use deckle_tensor::Tensor;
    ///
    /// let group = Group::new(&Device::reference());
    /// let a = group.variable("a", &Tensor::scalar(1.0f32))?;
    /// let b = group.variable("b", &Tensor::scalar(1.0f32))?;
    /// let weights = [a.clone(), b.clone()];
    /// let mut state = OptimizerState::new(Sgd::new().learning_rate(0.5), &weights, &group)?;
    /// state.multiply_learning_rate_of(|weight| weight.key() == a.key(), 0.25)?;
    /// let gradients = grad(&(a.read() + &b.read()), &[&a.read(), &b.read()])?;
    /// let step = Function::new([], []).updates(state.updates(&gradients)?);
    /// step.compile(&group.device())?.call(&[])?;
    /// assert_eq!(a.value()?.item::<f32>()?, 0.875);
    /// assert_eq!(b.value()?.item::<f32>()?, 0.5);
    /// # Ok::<(), deckle_optim::Error>(())
    /// ```
    pub fn multiply_learning_rate_of(
        &mut self,
        is_one: impl Fn(&Variable) -> bool,
        factor: f64,
    ) -> Result<()> {
        let class = self.optimizer.class_name();
        crate::optimizer::not_negative(class, "learning-rate multiplier", factor)?;
        for (weight, rate) in self.weights.iter().zip(&mut self.rates) {
            if is_one(weight) {
                *rate *= factor;
            }
        }
        Ok(())
    }

    /// How many times the weights were updated: not by steps that only accumulated gradients.
    ///
    /// # Errors
    ///
    /// If the device cannot be read.
    ///
    /// # Keras
    ///
    /// `Optimizer.iterations`.
    pub fn update_count(&self) -> Result<u64> {
        let every = self.common().gradient_accumulation_steps.unwrap_or(1);
        Ok(self.iterations()? / every.max(1))
    }

    /// How many steps were taken, those included that only accumulated.
    ///
    /// # Errors
    ///
    /// If the device cannot be read.
    pub fn iterations(&self) -> Result<u64> {
        Ok(self.iteration.value()?.item::<i64>()?.unsigned_abs())
    }

    /// The learning rate of the next step.
    ///
    /// # Errors
    ///
    /// If the device cannot be read.
    pub fn learning_rate(&self) -> Result<f64> {
        match &self.learning_rate {
            Some(variable) => Ok(variable.value()?.item::<f32>()?.into()),
            None => self.common().learning_rate.value_at(self.iterations()?),
        }
    }

    /// Changes the learning rate from the next step on.
    ///
    /// # Errors
    ///
    /// If it follows a schedule, or the new one is negative or not finite as `F32`.
    pub fn set_learning_rate(&self, learning_rate: f64) -> Result<()> {
        match (&self.learning_rate, &self.common().learning_rate) {
            (Some(variable), _) => {
                let class = self.optimizer.class_name();
                crate::optimizer::not_negative(class, "learning_rate", learning_rate)?;
                Ok(variable.set(&Tensor::scalar(learning_rate).cast(DType::F32))?)
            }
            (None, LearningRate::Schedule(schedule)) => {
                Err(Error::Scheduled { schedule: schedule.class_name().to_owned() })
            }
            _ => Err(Error::Setting {
                class: self.optimizer.class_name().to_owned(),
                setting: "learning_rate",
                expected: "a finite number of at least 0",
                got: learning_rate.to_string(),
            }),
        }
    }

    /// The object that Keras writes for the optimizer, with the current learning rate.
    ///
    /// # Errors
    ///
    /// If the device cannot be read.
    pub fn to_keras(&self) -> Result<Value> {
        let mut object = self.optimizer.to_keras();
        if self.learning_rate.is_some() {
            let mut config = &mut object["config"];
            if self.scale.is_some() {
                config = &mut config["inner_optimizer"]["config"];
            }
            config["learning_rate"] = json!(self.learning_rate()?);
        }
        Ok(object)
    }

    /// The loss as it should be differentiated: times the loss's scale, if one is set.
    ///
    /// # Errors
    ///
    /// If the loss is not made of floating-point numbers.
    pub fn scale_loss(&self, loss: &Var) -> Result<Var> {
        Ok(match (&self.scale, self.common().loss_scale_factor) {
            (Some(scale), _) => loss.mul(&scale.scale.read().cast(loss.dtype())?)?,
            (None, Some(scale)) => loss * scale,
            (None, None) => loss.clone(),
        })
    }

    /// Whether a step with these gradients is made at all; `None` if every step is.
    ///
    /// A [`LossScaleOptimizer`](crate::LossScaleOptimizer) leaves one out whose gradients are not
    /// all finite, and so is a constraint of the weights.
    ///
    /// # Errors
    ///
    /// If the gradients are not made of floating-point numbers.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Device, Group, Var};
    /// use deckle_optim::{LossScaleOptimizer, OptimizerState, Sgd};
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let group = Group::new(&Device::reference());
    /// let w = [group.variable("w", &Tensor::scalar(1.0f32))?];
    /// let infinite = [Var::scalar(DType::F32, f64::INFINITY)];
    /// let state = OptimizerState::new(LossScaleOptimizer::new(Sgd::new()), &w, &group)?;
    /// let is_made = state.is_made(&infinite)?.expect("not every step");
    /// assert!(!is_made.eval()?.item::<bool>()?);
    /// assert!(OptimizerState::new(Sgd::new(), &w, &group)?.is_made(&infinite)?.is_none());
    /// # Ok::<(), deckle_optim::Error>(())
    /// ```
    pub fn is_made(&self, gradients: &[Var]) -> Result<Option<Var>> {
        self.scale.as_ref().map(|_| all_finite(gradients)).transpose()
    }

    /// The new values of weights and state after one step; their path is the optimizer's name.
    ///
    /// # Errors
    ///
    /// If the gradients are not of the weights' number, shapes and element types.
    pub fn updates(&self, gradients: &[Var]) -> Result<Vec<(Variable, Var)>> {
        self.check_gradients(gradients)?;
        let mut graph = Graph::new(self)?;
        let mut updates = Vec::new();
        let ready = graph.gradients(gradients, &mut updates)?;
        graph.update_shared(&mut updates)?;
        for (index, gradient) in ready.iter().enumerate() {
            graph.update(index, gradient, &mut updates)?;
        }
        let next = self.iteration.read().add(1)?;
        updates.push((self.iteration.clone(), next));
        if let Some(scale) = &self.scale {
            scale.guard(gradients, &mut updates)?;
        }
        let made: Vec<_> = updates.iter().map(|(_, value)| value.clone()).collect();
        Var::set_path(&made, gradients, &self.common().name);
        Ok(updates)
    }

    /// Gives the weights their averages, if they are kept; what Keras does after training.
    ///
    /// # Errors
    ///
    /// If a device cannot be read.
    pub fn finalize(&self) -> Result<()> {
        if self.iterations()? > 0 {
            for (weight, average) in self.weights.iter().zip(&self.averages) {
                weight.set(&average.value()?)?;
            }
        }
        Ok(())
    }

    pub(crate) fn common(&self) -> &Common {
        self.optimizer.common()
    }

    fn check_gradients(&self, gradients: &[Var]) -> Result<()> {
        if gradients.len() != self.weights.len() {
            let (expected, got) = (self.weights.len(), gradients.len());
            return Err(Error::Count { what: "gradients", expected, got });
        }
        for (weight, gradient) in self.weights.iter().zip(gradients) {
            if *weight.read().signature() != *gradient.signature() {
                return Err(Error::Mismatch {
                    what: format!("gradient of `{}`", weight.name()),
                    expected: weight.spec().to_string(),
                    got: gradient.signature().to_string(),
                });
            }
        }
        Ok(())
    }
}

/// A slot of a weight, as it is before the first step.
fn beside(group: &Group, weight: &Variable, slot: &Slot) -> Result<Variable> {
    let dtype = slot.dtype.unwrap_or(weight.dtype());
    let shape = slot.shape.as_deref().unwrap_or(weight.shape());
    let path = weight.name();
    let name = match slot.name {
        "" => path.rsplit('/').next().unwrap_or(path).to_owned(),
        name => format!("{}_{name}", path.replace('/', "_")),
    };
    if !slot.is_copy && slot.initial == 0.0 {
        return Ok(group.zeros(&name, &Spec::new(dtype, shape))?);
    }
    let value = if slot.is_copy {
        weight.value()?.cast(dtype)
    } else {
        Tensor::full(shape, slot.initial).cast(dtype)
    };
    Ok(group.variable(&name, &value)?)
}

/// Whether a text occurs in a weight's own name, or, with a `/`, in its path.
fn is_named(path: &str, text: &str) -> bool {
    let own = path.rsplit('/').next().unwrap_or(path);
    if text.contains('/') { path.contains(text) } else { own.contains(text) }
}
