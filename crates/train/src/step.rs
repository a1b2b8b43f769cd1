//! One step as one program: forward, loss, gradients, update, metrics.

use std::sync::Arc;

use deckle_autograd::{Compiled, Function, Specialized, Var, Variable, gradients};
use deckle_data::Batch;
use deckle_nn::{Call, Model, Randomness, Weight};
use deckle_optim::OptimizerState;
use deckle_tensor::{Buffer, DType, Dim, Shape, Spec, Tensor};

use crate::{
    AnyMetric, Error, Result,
    compile::OutputPlan,
    error::LOSS,
    metric::{masked, mean_result},
    predictor::batch_axis,
};

/// Which program a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Train,
    Evaluate,
}

/// A number that is kept as state over batches.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) name: String,
    metric: Option<AnyMetric>,
    initial: Vec<Tensor>,
    state: Vec<Variable>,
}

impl Tracker {
    /// A tracker of predictions of that shape, with its variables in the model's group; without
    /// a metric, a mean.
    pub(crate) fn new(
        model: &Model,
        name: String,
        metric: Option<(&AnyMetric, &Shape)>,
    ) -> Result<Self> {
        let initial = match metric {
            Some((metric, y_pred)) => {
                metric.check()?;
                metric.initial(y_pred)?
            }
            None => vec![Tensor::scalar(0.0f64), Tensor::scalar(0.0f64)],
        };
        let make = |(i, value): (usize, &Tensor)| {
            model.group().variable(&format!("metrics/{name}/{i}"), value)
        };
        let state = initial.iter().enumerate().map(make).collect::<Result<_, _>>()?;
        Ok(Self {
            name,
            metric: metric.map(|(metric, _)| metric.clone()),
            initial,
            state,
        })
    }

    pub(crate) fn reset(&self) -> Result<()> {
        for (variable, initial) in self.state.iter().zip(&self.initial) {
            variable.set(initial)?;
        }
        Ok(())
    }

    /// What the state stands for, one number or a vector of them.
    pub(crate) fn result(&self) -> Result<Tensor> {
        let state: Vec<_> =
            self.state.iter().map(Variable::value).collect::<Result<_, _>>()?;
        match &self.metric {
            Some(metric) => metric.result(&state),
            None => Ok(Tensor::scalar(mean_result(&state)?)),
        }
    }

    /// What it measures; nothing for a loss.
    pub(crate) const fn metric(&self) -> Option<&AnyMetric> {
        self.metric.as_ref()
    }

    /// Its state.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.state.iter()
    }

    fn read(&self) -> Vec<Var> {
        self.state.iter().map(Variable::read).collect()
    }

    /// The updates that make `new` the state.
    fn updates(&self, new: Vec<Var>) -> impl Iterator<Item = (Variable, Var)> {
        self.state.iter().cloned().zip(new)
    }
}

/// What the trackers of a model are, in the order of the history.
#[derive(Debug)]
pub(crate) struct Trackers {
    /// The total loss, then for several outputs each one's loss, then the metrics.
    pub(crate) all: Vec<Tracker>,
}

impl Trackers {
    pub(crate) fn new(model: &Model, plans: &[OutputPlan]) -> Result<Self> {
        let several = plans.len() > 1;
        let mut all = vec![Tracker::new(model, "loss".to_owned(), None)?];
        if has_several_losses(plans) {
            for plan in plans.iter().filter(|plan| plan.loss.is_some()) {
                all.push(Tracker::new(model, format!("{}_loss", plan.output), None)?);
            }
        }
        let outputs = model.outputs().map(|(_, shape)| shape);
        for (plan, y_pred) in plans.iter().zip(outputs) {
            for metric in &plan.metrics {
                let named = |name: &str| match several {
                    true => format!("{}_{name}", plan.output),
                    false => name.to_owned(),
                };
                let is_known = |name: &str| all.iter().any(|known| known.name == name);
                let mut name = named(metric.name());
                if metric.is_weighted() && is_known(&name) {
                    name = named(&format!("weighted_{}", metric.name()));
                }
                if is_known(&name) {
                    let numbered = (1..).map(|number| format!("{name}_{number}"));
                    name =
                        numbered.into_iter().find(|name| !is_known(name)).unwrap_or(name);
                }
                let tracker = Tracker::new(model, name, Some((metric, y_pred)));
                all.push(
                    tracker.map_err(|error| error.of_output(&plan.output, several))?,
                );
            }
        }
        Ok(Self { all })
    }
}

/// Whether the losses are reported one by one, besides their sum.
fn has_several_losses(plans: &[OutputPlan]) -> bool {
    plans.iter().filter(|plan| plan.loss.is_some()).count() > 1
}

/// What a step is made of.
pub(crate) struct Parts<'a> {
    pub(crate) model: &'a Model,
    pub(crate) plans: &'a [OutputPlan],
    pub(crate) optimizer: &'a OptimizerState,
    pub(crate) trackers: &'a Trackers,
    pub(crate) seed: &'a Variable,
    pub(crate) step: &'a Variable,
}

/// A graph compiled for batches of one kind: element types and shapes but for the batch.
#[derive(Debug)]
pub(crate) struct Kind {
    mode: Mode,
    /// Element types and shapes of one example of each tensor of a batch.
    fields: Vec<Spec>,
    compiled: Compiled,
}

/// A program for batches of one size, with the buffers that it works on.
#[derive(Debug)]
pub(crate) struct Program {
    mode: Mode,
    program: Arc<Specialized>,
    inputs: Vec<Buffer>,
    /// Whether the loss is finite, and the loss.
    outputs: Vec<Buffer>,
    finite: Tensor,
    loss: Tensor,
}

/// Element types and shapes of one example of each tensor of a batch, and an input of a graph
/// for each.
pub(crate) fn inputs(model: &Model, batch: &Batch) -> (Vec<Spec>, Vec<Var>) {
    let batch_axis = batch_axis(model);
    let field = |tensor: &Tensor| Spec::new(tensor.dtype(), &tensor.shape()[1..]);
    let fields: Vec<_> = tensors(batch).map(field).collect();
    let input = |(i, field): (usize, &Spec)| {
        let dims = field.shape.iter().map(|&len| Dim::Known(len));
        let shape: Shape = std::iter::once(batch_axis.clone()).chain(dims).collect();
        Var::input(&format!("batch[{i}]"), shape, field.dtype)
    };
    let given = fields.iter().enumerate().map(input).collect();
    (fields, given)
}

/// Whether a batch's tensors are of these element types and shapes of examples.
pub(crate) fn is_of(batch: &Batch, fields: &[Spec]) -> bool {
    fields.len() == tensors(batch).count()
        && fields.iter().zip(tensors(batch)).all(|(field, tensor)| {
            field.dtype == tensor.dtype() && field.shape[..] == tensor.shape()[1..]
        })
}

/// The tensors of a batch: inputs, targets, weights.
pub(crate) fn tensors(batch: &Batch) -> impl Iterator<Item = &Tensor> {
    batch.inputs.iter().chain(&batch.targets).chain(&batch.weights)
}

impl Kind {
    /// Whether it is for that mode and batch.
    pub(crate) fn fits(&self, mode: Mode, batch: &Batch) -> bool {
        self.mode == mode && is_of(batch, &self.fields)
    }

    /// Builds and compiles the graph for batches like this one.
    pub(crate) fn new(mode: Mode, parts: &Parts<'_>, batch: &Batch) -> Result<Self> {
        let (fields, given) = inputs(parts.model, batch);
        let (outputs, updates) = parts.graph(mode, &given, batch)?;
        let device = parts.model.group().device();
        let compiled =
            Function::new(&given, &outputs).updates(updates).compile(&device)?;
        Ok(Self { mode, fields, compiled })
    }

    /// The program for batches of this one's size.
    pub(crate) fn program(&self, batch: &Batch) -> Result<Program> {
        let specs: Vec<_> = tensors(batch).map(Tensor::spec).collect();
        let program = self.compiled.specialize(&specs)?;
        let backend = self.compiled.device().backend();
        let allocate = |specs: &[Spec]| {
            specs
                .iter()
                .map(|spec| Ok(backend.allocate(spec)?))
                .collect::<Result<Vec<_>>>()
        };
        let (inputs, outputs) = (allocate(&specs)?, allocate(program.outputs())?);
        let (finite, loss) = (Tensor::scalar(true), Tensor::scalar(0.0f32));
        Ok(Program { mode: self.mode, program, inputs, outputs, finite, loss })
    }

    /// Runs a batch; returns the loss and whether it is finite.
    pub(crate) fn run(
        &self,
        program: &mut Program,
        batch: &Batch,
    ) -> Result<(f32, bool)> {
        let backend = self.compiled.device().backend();
        let Program { program: specialized, inputs, outputs, .. } = program;
        let lent = tensors(batch)
            .zip(&mut *inputs)
            .try_for_each(|(tensor, buffer)| backend.lend(tensor, buffer));
        let done = match lent {
            Ok(()) => specialized.run(inputs, outputs),
            Err(error) => Err(error.into()),
        };
        // The batch is filled again in place, which needs its memory back.
        inputs.iter_mut().for_each(|buffer| backend.release(buffer));
        done?;
        backend.read(&program.outputs[0], &mut program.finite)?;
        backend.read(&program.outputs[1], &mut program.loss)?;
        Ok((program.loss.item()?, program.finite.item()?))
    }
}

impl Program {
    /// Whether it is for that mode and batch.
    pub(crate) fn fits(&self, mode: Mode, batch: &Batch) -> bool {
        self.mode == mode
            && self.inputs.len() == tensors(batch).count()
            && self.inputs.iter().zip(tensors(batch)).all(|(buffer, tensor)| {
                let spec = buffer.spec();
                spec.dtype == tensor.dtype() && spec.shape[..] == *tensor.shape()
            })
    }

    /// The backend's plan.
    pub(crate) fn plan(&self) -> String {
        self.program.plan()
    }
}

/// Outputs and updates of a function.
pub(crate) type Results = (Vec<Var>, Vec<(Variable, Var)>);

impl Parts<'_> {
    /// A step as graph; one whose loss is not finite changes nothing.
    fn graph(&self, mode: Mode, given: &[Var], batch: &Batch) -> Result<Results> {
        let (outputs, mut updates) = self.unguarded(mode, given, batch)?;
        // A measurement says what the loss is, whatever it is.
        if mode == Mode::Train {
            for (variable, value) in &mut updates {
                *value = outputs[0].select(&*value, &variable.read())?;
            }
        }
        Ok((outputs, updates))
    }

    /// A step as graph, with whether the loss is finite, the loss, and all updates.
    pub(crate) fn unguarded(
        &self,
        mode: Mode,
        given: &[Var],
        batch: &Batch,
    ) -> Result<Results> {
        let (x, rest) = given.split_at(batch.inputs.len());
        let (y, weights) = rest.split_at(batch.targets.len());
        let (seed, step) = (self.seed.read(), self.step.read());
        let randomness = Randomness { seed: &seed, step: &step };
        let mut call = match mode {
            Mode::Train => Call::training(randomness),
            Mode::Evaluate => Call::inference(),
        };
        let outputs = self.model.call(x, &mut call)?;
        let outputs = in_full_precision(outputs, &mut call)?;
        self.check_targets(y, weights)?;
        let mut updates: Vec<(Variable, Var)> = call.updates().to_vec();
        let mut trackers = self.trackers.all.iter();
        let total_tracker = trackers.next();

        let is_needed = |(plan, _): &(&OutputPlan, &Var)| plan.needs_target();
        let needed = self.plans.iter().zip(&outputs).filter(is_needed);
        // Targets of outputs that need none may be there or not.
        let of_needed = |given: &[Var]| -> Vec<Option<Var>> {
            let all = given.iter().cloned().map(Some);
            match given.len() == self.plans.len() {
                true => {
                    let all = self.plans.iter().zip(all);
                    all.filter(|(plan, _)| plan.needs_target()).map(|(_, t)| t).collect()
                }
                false => all.collect(),
            }
        };
        let targets = of_needed(y).into_iter().flatten();
        let weights = match weights {
            [] | [_] => vec![weights.first().cloned(); self.plans.len()],
            weights => of_needed(weights),
        };
        let pairs = needed.zip(targets).zip(weights);
        let pairs: Vec<_> = pairs.map(|(((plan, p), t), w)| (plan, t, p, w)).collect();
        let examples = x[0].count_of(0, DType::F64)?;
        let mut total: Option<Var> = None;
        let mut losses = Vec::new();
        for (plan, t, p, weights) in &pairs {
            let Some(loss) = &plan.loss else { continue };
            let value =
                loss.call(t, p, weights.as_ref(), call.mask(p))?.cast(DType::F32)?;
            let weighted = &value * plan.weight;
            losses.push(value);
            total = Some(match total {
                Some(total) => total.add(&weighted)?,
                None => weighted,
            });
        }
        for extra in self.model.regularization(&call)?.iter().chain(call.losses()) {
            let extra = extra.cast(DType::F32)?;
            total = Some(match total {
                Some(total) => total.add(&extra)?,
                None => extra,
            });
        }
        let total = total.ok_or_else(|| Error::invalid("nothing to train", "a loss"))?;
        let known: Vec<_> = outputs.iter().chain(y).chain(x).cloned().collect();
        Var::set_path(std::slice::from_ref(&total), &known, LOSS);

        // The loss counts as often as there are samples, as Keras has it.
        let weighted_mean = |tracker: &Tracker, value: &Var| -> Result<Vec<Var>> {
            let state = tracker.read();
            let sum = value.cast(DType::F64)?.mul(&examples)?;
            Ok(vec![state[0].add(&sum)?, state[1].add(&examples)?])
        };
        if let Some(tracker) = total_tracker {
            updates.extend(tracker.updates(weighted_mean(tracker, &total)?));
        }
        if has_several_losses(self.plans) {
            for (value, tracker) in losses.iter().zip(trackers.by_ref()) {
                updates.extend(tracker.updates(weighted_mean(tracker, value)?));
            }
        }
        for (plan, t, p, weights) in &pairs {
            for (metric, tracker) in plan.metrics.iter().zip(trackers.by_ref()) {
                let weights = match (
                    weights.as_ref().filter(|_| metric.is_weighted()),
                    call.mask(p).filter(|_| metric.takes_mask()),
                ) {
                    (Some(weights), Some(mask)) => Some(masked(weights, mask)?),
                    (weights, mask) => weights.or(mask).cloned(),
                };
                let metric = metric.resolve(t, p);
                let new = metric
                    .update(&tracker.read(), t, p, weights.as_ref())
                    .map_err(|error| error.in_metric(metric.class_name()))?;
                Var::set_path(&new, &known, "metrics");
                updates.extend(tracker.updates(new));
            }
        }
        let finite = total.is_finite()?;
        if mode == Mode::Train {
            updates.extend(self.training_updates(&total)?);
            updates.push((self.step.clone(), step.add(&Var::scalar(DType::I64, 1.0))?));
        }
        Ok((vec![finite, total], updates))
    }

    fn check_targets(&self, y: &[Var], weights: &[Var]) -> Result<()> {
        if weights.len() > 1 && weights.len() != y.len() {
            return Err(Error::invalid(
                "the data set's weights are not those that the losses need",
                format_args!("one for all, or one for each of {} targets", y.len()),
            )
            .got(weights.len()));
        }
        let needed: Vec<_> =
            self.plans.iter().filter(|plan| plan.needs_target()).collect();
        if needed.len() == y.len() || self.plans.len() == y.len() {
            return Ok(());
        }
        let names: Vec<_> =
            needed.iter().map(|plan| format!("`{}`", plan.output)).collect();
        Err(Error::invalid(
            "the data set's targets are not those that the losses need",
            format_args!("a target for {}", names.join(", ")),
        )
        .got(format_args!("{} targets", y.len())))
    }

    fn training_updates(&self, total: &Var) -> Result<Vec<(Variable, Var)>> {
        let weights: Vec<_> =
            self.optimizer.weights().iter().map(Variable::read).collect();
        let loss = self.optimizer.scale_loss(total)?;
        let one = Var::scalar(loss.dtype(), 1.0);
        let wrt: Vec<_> = weights.iter().collect();
        let found = gradients(std::slice::from_ref(&loss), &[Some(one)], &wrt)?;
        let mut all = Vec::new();
        for (gradient, weight) in found.into_iter().zip(&weights) {
            all.push(match gradient {
                Some(gradient) => gradient,
                None => weight.zeros_like()?,
            });
        }
        let mut updates = self.optimizer.updates(&all)?;
        let is_made = self.optimizer.is_made(&all)?;
        for (variable, value) in &mut updates {
            let mut weights = self.model.weights();
            let weight = weights.find(|weight| weight.variable().is_same(variable));
            if let Some(constraint) = weight.and_then(Weight::constraint) {
                let constrained = constraint.apply(value)?;
                *value = match &is_made {
                    Some(is_made) => is_made.select(&constrained, &*value)?,
                    None => constrained,
                };
            }
        }
        let new: Vec<_> = updates.iter().map(|(_, value)| value.clone()).collect();
        let known: Vec<_> = all.iter().chain(&weights).cloned().collect();
        Var::set_path(&new, &known, "optimizer");
        Ok(updates)
    }
}

/// The outputs as losses and metrics take them: those of 16 bits and whole numbers as `F32`, as in
/// Keras.
fn in_full_precision(mut outputs: Vec<Var>, call: &mut Call<'_>) -> Result<Vec<Var>> {
    for output in &mut outputs {
        if !matches!(output.dtype(), DType::F32 | DType::F64) {
            let full = output.cast(DType::F32)?;
            if let Some(mask) = call.mask(output).cloned() {
                call.set_mask(&full, &mask);
            }
            *output = full;
        }
    }
    Ok(outputs)
}
