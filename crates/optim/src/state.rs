//! What an optimizer remembers, and the graph of its step: [`OptimizerState`].

use deckle_autograd::{Group, Var, Variable};
use deckle_tensor::{DType, Tensor};
use serde_json::{Value, json};

use crate::{AnyOptimizer, Common, Error, LearningRate, Result, Step, clip::clip};

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
/// caller's: Keras applies them last, to the new weights.
#[derive(Clone, Debug)]
pub struct OptimizerState {
    optimizer: AnyOptimizer,
    weights: Vec<Variable>,
    /// Whether weight decay reaches each weight.
    decays: Vec<bool>,
    iteration: Variable,
    /// Nothing if the learning rate follows a schedule.
    learning_rate: Option<Variable>,
    /// One per weight, or none at all; so with the accumulators.
    averages: Vec<Variable>,
    accumulators: Vec<Variable>,
    /// Per weight, in the order of `Optimizer::slots`.
    slots: Vec<Vec<Variable>>,
    /// All slots in the order of Keras's files.
    saved_slots: Vec<Variable>,
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
        let beside = |weight: &Variable, name: &str, initial: f64| {
            let value = if initial == 0.0 {
                Tensor::zeros(weight.dtype(), weight.shape())
            } else {
                Tensor::full(weight.shape(), initial).cast(weight.dtype())
            };
            group.variable(&format!("{}_{name}", weight.name().replace('/', "_")), &value)
        };
        let for_all = |wanted: bool, name: &str| -> Result<Vec<Variable>> {
            let weights = weights.iter().filter(|_| wanted);
            weights.map(|weight| Ok(beside(weight, name, 0.0)?)).collect()
        };
        let averages = for_all(common.use_ema, "average")?;
        let accumulators = for_all(
            common.gradient_accumulation_steps.is_some(),
            "gradient_accumulator",
        )?;
        let mut slots = vec![Vec::new(); weights.len()];
        let mut saved_slots = Vec::new();
        for kept_together in optimizer.slots() {
            for (weight, slots) in weights.iter().zip(&mut slots) {
                for slot in &kept_together {
                    let slot = beside(weight, slot.name, slot.initial)?;
                    saved_slots.push(slot.clone());
                    slots.push(slot);
                }
            }
        }
        Ok(Self {
            decays: vec![true; weights.len()],
            weights: weights.to_vec(),
            optimizer,
            iteration,
            learning_rate,
            averages,
            accumulators,
            slots,
            saved_slots,
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

    /// All that is remembered, in the order of Keras's files.
    ///
    /// `iteration`; `learning_rate`, unless it follows a schedule; averages and accumulators of
    /// all weights, if they are kept; then the slots, group by group as in
    /// [`Optimizer::slots`](crate::Optimizer::slots).
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        std::iter::once(&self.iteration)
            .chain(&self.learning_rate)
            .chain(&self.averages)
            .chain(&self.accumulators)
            .chain(&self.saved_slots)
            .cloned()
            .collect()
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

    /// Keeps weight decay from all weights in whose names one of these texts occurs.
    ///
    /// # Keras
    ///
    /// `exclude_from_weight_decay(var_names=…)`, with plain texts.
    pub fn exclude_from_weight_decay<T: AsRef<str>>(
        &mut self,
        names: impl IntoIterator<Item = T>,
    ) {
        for name in names {
            for (weight, decays) in self.weights.iter().zip(&mut self.decays) {
                *decays &= !weight.name().contains(name.as_ref());
            }
        }
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
    /// If it follows a schedule, or the new one is not finite.
    pub fn set_learning_rate(&self, learning_rate: f64) -> Result<()> {
        match (&self.learning_rate, &self.common().learning_rate) {
            (Some(variable), _) if learning_rate.is_finite() => {
                Ok(variable.set(&Tensor::scalar(learning_rate).cast(DType::F32))?)
            }
            (None, LearningRate::Schedule(schedule)) => {
                Err(Error::Scheduled { schedule: schedule.class_name().to_owned() })
            }
            _ => Err(Error::Setting {
                class: self.optimizer.class_name().to_owned(),
                setting: "learning_rate",
                expected: "a finite number",
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
            object["config"]["learning_rate"] = json!(self.learning_rate()?);
        }
        Ok(object)
    }

    /// The loss as it should be differentiated: times the loss's scale, if one is set.
    #[must_use]
    pub fn scale_loss(&self, loss: &Var) -> Var {
        match self.common().loss_scale_factor {
            Some(scale) => loss * scale,
            None => loss.clone(),
        }
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
        for (index, gradient) in ready.iter().enumerate() {
            graph.update(index, gradient, &mut updates)?;
        }
        let next = self.iteration.read().add(1)?;
        updates.push((self.iteration.clone(), next));
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

    fn common(&self) -> &Common {
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

/// The graph of one step while it is built.
struct Graph<'a> {
    state: &'a OptimizerState,
    /// The number of updates before this step.
    done: Var,
    /// Whether this step updates, if not every step does.
    applies: Option<Var>,
    /// What all weights of one type share.
    steps: Vec<(DType, Step)>,
}

impl<'a> Graph<'a> {
    fn new(state: &'a OptimizerState) -> Result<Self> {
        let iteration = state.iteration.read();
        let (done, applies) = match state.common().gradient_accumulation_steps {
            Some(every) => {
                (iteration.div(whole(every))?, Some(is_nth(&iteration, every)?))
            }
            None => (iteration, None),
        };
        Ok(Self { state, done, applies, steps: Vec::new() })
    }

    /// The scalars of this step as numbers of that type.
    fn step(&mut self, dtype: DType) -> Result<Step> {
        if let Some((_, step)) = self.steps.iter().find(|(known, _)| *known == dtype) {
            return Ok(step.clone());
        }
        let state = self.state;
        let learning_rate = match (&state.learning_rate, &state.common().learning_rate) {
            (Some(variable), _) => variable.read().cast(dtype)?,
            (None, LearningRate::Schedule(schedule)) => {
                schedule.value(&state.iteration.read().cast(dtype)?)?
            }
            (None, LearningRate::Constant(rate)) => Var::scalar(dtype, *rate),
        };
        let number = self.done.add(1)?.cast(dtype)?;
        let step = Step::new(learning_rate, number);
        self.steps.push((dtype, step.clone()));
        Ok(step)
    }

    /// What to descend: gradients without the loss's scale, accumulated and clipped.
    fn gradients(
        &self,
        gradients: &[Var],
        updates: &mut Vec<(Variable, Var)>,
    ) -> Result<Vec<Var>> {
        let common = self.state.common();
        let mut ready = Vec::new();
        for (index, gradient) in gradients.iter().enumerate() {
            let mut gradient = gradient.cast(working(gradient.dtype()))?;
            if let Some(scale) = common.loss_scale_factor {
                gradient = gradient / scale;
            }
            if let (Some(applies), Some(every)) =
                (&self.applies, common.gradient_accumulation_steps)
            {
                let accumulator = &self.state.accumulators[index];
                let sum = gradient.add(&accumulator.read().cast(gradient.dtype())?)?;
                let kept = applies.select(0.0, &sum)?;
                updates.push((accumulator.clone(), kept.cast(accumulator.dtype())?));
                gradient = sum / every as f64;
            }
            ready.push(gradient);
        }
        clip(common, ready)
    }

    /// Weight decay, the optimizer's rule and the average of one weight.
    fn update(
        &mut self,
        index: usize,
        gradient: &Var,
        updates: &mut Vec<(Variable, Var)>,
    ) -> Result<()> {
        let (state, dtype) = (self.state, gradient.dtype());
        let step = self.step(dtype)?;
        let read = |variable: &Variable| Ok(variable.read().cast(dtype)?);
        let before = read(&state.weights[index])?;
        let mut weight = before.clone();
        if let Some(decay) = state.common().weight_decay.filter(|_| state.decays[index]) {
            weight = weight.sub(&(&weight * decay).mul(step.learning_rate())?)?;
        }
        let slots = state.slots[index].iter().map(read).collect::<Result<Vec<_>>>()?;
        let updated = state.optimizer.update(&step, &weight, gradient, &slots)?;
        if updated.slots.len() != slots.len() {
            let (expected, got) = (slots.len(), updated.slots.len());
            return Err(Error::Count { what: "updated slots", expected, got });
        }
        let if_applied = |new: &Var, old: &Var| -> Result<Var> {
            Ok(match &self.applies {
                Some(applies) => applies.select(new, old)?,
                None => new.clone(),
            })
        };
        for (slot, (new, old)) in
            state.slots[index].iter().zip(updated.slots.iter().zip(&slots))
        {
            updates.push((slot.clone(), if_applied(new, old)?.cast(slot.dtype())?));
        }
        let mut weight = if_applied(&updated.weight, &before)?;
        if let Some(average) = state.averages.get(index) {
            weight = self.average(average, weight, updates)?;
        }
        let variable = &state.weights[index];
        updates.push((variable.clone(), weight.cast(variable.dtype())?));
        Ok(())
    }

    /// Updates the average; returns the weight, replaced by it if this is the time.
    fn average(
        &self,
        average: &Variable,
        weight: Var,
        updates: &mut Vec<(Variable, Var)>,
    ) -> Result<Var> {
        let common = self.state.common();
        let momentum = common.ema_momentum;
        let old = average.read().cast(weight.dtype())?;
        let mean = (old * momentum).add(&(&weight * (1.0 - momentum)))?;
        let is_first = self.done.equal(0)?;
        let mean = is_first.select(&weight, &mean)?;
        updates.push((average.clone(), mean.cast(average.dtype())?));
        match common.ema_overwrite_frequency {
            Some(every) => Ok(is_nth(&self.done, every)?.select(&mean, &weight)?),
            None => Ok(weight),
        }
    }
}

/// Whether the step after `done` others is an `every`-th one.
fn is_nth(done: &Var, every: u64) -> Result<Var> {
    let rest = done.add(1)?.mod_(whole(every))?;
    Ok(rest.equal(0)?)
}

/// A number of steps as the counter's type; more than it can hold never come.
fn whole(steps: u64) -> i64 {
    i64::try_from(steps).unwrap_or(i64::MAX)
}

/// What numbers of a type are computed in: half precision forgets small changes.
fn working(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}
