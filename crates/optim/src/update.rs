//! The graph of one step: [`Graph`].

use deckle_autograd::{Var, Variable};
use deckle_tensor::DType;

use crate::{Error, LearningRate, OptimizerState, Result, Step, clip::clip};

/// The graph of one step while it is built.
pub(crate) struct Graph<'a> {
    state: &'a OptimizerState,
    /// The number of updates before this step.
    done: Var,
    /// Whether this step updates, if not every step does.
    applies: Option<Var>,
    /// What all weights of one type share.
    steps: Vec<(DType, Step)>,
    /// The new values of the optimizer's shared slots.
    shared: Vec<Var>,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(state: &'a OptimizerState) -> Result<Self> {
        let iteration = state.iteration.read();
        let (done, applies) = match state.common().gradient_accumulation_steps {
            Some(every) => {
                (iteration.div(whole(every))?, Some(is_nth(&iteration, every)?))
            }
            None => (iteration, None),
        };
        Ok(Self { state, done, applies, steps: Vec::new(), shared: Vec::new() })
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
        let shared = self.shared.iter().map(|slot| slot.cast(dtype));
        let shared = shared.collect::<Result<_, _>>()?;
        let step = Step::new(learning_rate, number).with_shared(shared);
        self.steps.push((dtype, step.clone()));
        Ok(step)
    }

    /// What to descend: gradients without the loss's scale, accumulated and clipped.
    pub(crate) fn gradients(
        &self,
        gradients: &[Var],
        updates: &mut Vec<(Variable, Var)>,
    ) -> Result<Vec<Var>> {
        let common = self.state.common();
        let mut ready = Vec::new();
        for (index, gradient) in gradients.iter().enumerate() {
            let mut gradient = gradient.cast(working(gradient.dtype()))?;
            if let Some(scale) = &self.state.scale {
                gradient = gradient.div(&scale.scale.read().cast(gradient.dtype())?)?;
            } else if let Some(scale) = common.loss_scale_factor {
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

    /// What all weights share.
    pub(crate) fn update_shared(
        &mut self,
        updates: &mut Vec<(Variable, Var)>,
    ) -> Result<()> {
        let variables = &self.state.shared;
        let Some(first) = variables.first() else { return Ok(()) };
        let dtype = working(first.dtype());
        let old = variables.iter().map(|slot| slot.read().cast(dtype));
        let old = old.collect::<Result<Vec<_>, _>>()?;
        let step = self.step(dtype)?;
        self.steps.clear();
        self.shared = self.state.optimizer.update_shared(&step, &old)?;
        if self.shared.len() != old.len() {
            let (expected, got) = (old.len(), self.shared.len());
            return Err(Error::Count { what: "updated shared slots", expected, got });
        }
        for ((variable, new), old) in variables.iter().zip(&self.shared).zip(&old) {
            let new = self.if_applied(new, old)?;
            updates.push((variable.clone(), new.cast(variable.dtype())?));
        }
        Ok(())
    }

    /// The new value, or the old one where this step only accumulates.
    fn if_applied(&self, new: &Var, old: &Var) -> Result<Var> {
        Ok(match &self.applies {
            Some(applies) => applies.select(new, old)?,
            None => new.clone(),
        })
    }

    /// Weight decay, the optimizer's rule and the average of one weight.
    pub(crate) fn update(
        &mut self,
        index: usize,
        gradient: &Var,
        updates: &mut Vec<(Variable, Var)>,
    ) -> Result<()> {
        let (state, dtype) = (self.state, gradient.dtype());
        let step = self.step(dtype)?.times(state.rates[index]);
        let read = |variable: &Variable| Ok(variable.read().cast(dtype)?);
        let before = read(&state.weights[index])?;
        let mut weight = before.clone();
        let (path, shape) = (state.weights[index].name(), state.weights[index].shape());
        let decay = state.optimizer.weight_decay(path, shape);
        if let Some(decay) = decay.filter(|_| state.decays[index]) {
            weight = weight.sub(&(&weight * decay).mul(step.learning_rate())?)?;
        }
        let slots = state.slots[index].iter().map(read).collect::<Result<Vec<_>>>()?;
        let updated = state.optimizer.update(&step, &weight, gradient, &slots)?;
        if updated.slots.len() != slots.len() {
            let (expected, got) = (slots.len(), updated.slots.len());
            return Err(Error::Count { what: "updated slots", expected, got });
        }
        for (slot, (new, old)) in
            state.slots[index].iter().zip(updated.slots.iter().zip(&slots))
        {
            updates.push((slot.clone(), self.if_applied(new, old)?.cast(slot.dtype())?));
        }
        let mut weight = self.if_applied(&updated.weight, &before)?;
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
