//! A model in training: [`Trainer`].

use std::path::Path;

use deckle_autograd::Variable;
use deckle_data::{Batch, Dataset};
use deckle_nn::Model;
use deckle_optim::OptimizerState;
use deckle_tensor::Tensor;

use crate::{
    Compile, Direction, Error, Logs, Predictor, Result, Source,
    callbacks::Better,
    checkpoint,
    compile::{OutputPlan, check_losses, settle},
    debug::Inspector,
    feed::Feed,
    predictor::check_batch,
    save,
    step::{Kind, Mode, Parts, Program, Tracker, Trackers},
};

/// A model with optimizer, losses and metrics.
#[derive(Debug)]
pub struct Trainer {
    model: Model,
    compile: Compile,
    plans: Vec<OutputPlan>,
    optimizer: OptimizerState,
    trackers: Trackers,
    /// What dropout and the like descend from.
    seed: Variable,
    /// The number of training steps done.
    step: Variable,
    kinds: Vec<Kind>,
    programs: Vec<(usize, Program)>,
    inspectors: Vec<Inspector>,
    /// The number of passes over data that are done, which keys the next shuffle.
    pub(crate) passes: u64,
    /// Whether averages are in the place of the weights.
    is_averaged: bool,
}

impl Trainer {
    pub(crate) fn new(model: &Model, compile: Compile) -> Result<Self> {
        compile.optimizer.check_settings()?;
        let outputs: Vec<_> = model.outputs().map(|(name, _)| name.to_owned()).collect();
        let plans = compile.plan(&outputs)?;
        check_losses(model, &plans)?;
        settle(model, compile.device.as_ref())?;
        let weights: Vec<_> =
            model.trainable_weights().map(|weight| weight.variable().clone()).collect();
        let group = model.group();
        let mut optimizer =
            OptimizerState::new(compile.optimizer.clone(), &weights, group)?;
        optimizer.exclude_from_weight_decay(&compile.undecayed);
        for (name, factor) in &compile.rates {
            let mut found = model.weight_paths();
            found.retain(|(path, _)| path.contains(name));
            if found.is_empty() {
                let expected =
                    "a text in the path of a weight, as model.weight_paths() has them";
                return Err(Error::invalid("multiply_learning_rate", expected)
                    .got(format_args!("`{name}`"))
                    .help(
                        "name the layer, as `dense/`, or the weight, as `dense/kernel`",
                    ));
            }
            let is_found = |of: &Variable| {
                found.iter().any(|(_, weight)| weight.variable().key() == of.key())
            };
            optimizer.multiply_learning_rate_of(is_found, *factor)?;
        }
        let trackers = Trackers::new(model, &plans)?;
        let seed = group.variable("seed", &Tensor::scalar(model.seed().cast_signed()))?;
        let step = group.variable("step", &Tensor::scalar(0i64))?;
        let model = model.clone();
        let (kinds, programs, inspectors) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            model,
            compile,
            plans,
            optimizer,
            trackers,
            seed,
            step,
            kinds,
            programs,
            inspectors,
            passes: 0,
            is_averaged: false,
        })
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The optimizer with its state.
    #[must_use]
    pub const fn optimizer(&self) -> &OptimizerState {
        &self.optimizer
    }

    /// What it was compiled with.
    #[must_use]
    pub const fn compiled(&self) -> &Compile {
        &self.compile
    }

    pub(crate) fn plans(&self) -> &[OutputPlan] {
        &self.plans
    }

    /// Writes model, weights, compile state and optimizer's state as `.keras` or legacy `.h5`;
    /// weights and optimizer's state alone as `.weights.h5` or `.safetensors`.
    ///
    /// The file appears whole or not at all, and is the same for the same state. Metrics of
    /// classes that Keras does not have are left out of it.
    ///
    /// # Errors
    ///
    /// If the name's ending is none of these, the model holds what Keras has no form for, or
    /// the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save::save(self, path)
    }

    /// Writes weights and the optimizer's state, as `.weights.h5` or `.safetensors`.
    ///
    /// # Errors
    ///
    /// As [`Trainer::save`].
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        save::save_trainer_weights(self, path.as_ref())
    }

    /// Replaces the weights, and the optimizer's state if the file has it, by those in a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or does not fit; then nothing has changed.
    pub fn load_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        save::load_trainer_weights(self, path.as_ref())
    }

    /// Trains on one batch; returns its loss. Metrics go on from where they were, and nothing
    /// is allocated once there was a batch like it: for loops of your own.
    ///
    /// # Errors
    ///
    /// If the batch does not fit the model, or the loss is NaN or infinite; the weights are
    /// then those from before.
    pub fn train_step(&mut self, batch: &Batch) -> Result<f32> {
        let (loss, finite) = self.run(Mode::Train, batch)?;
        if finite { Ok(loss) } else { Err(Error::NotFinite { loss, epoch: 1, batch: 1 }) }
    }

    /// Trains on one batch; returns its loss and metrics.
    ///
    /// # Errors
    ///
    /// As [`Trainer::train_step`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_data::{Arrays, Batch};
    /// use deckle_nn::{Sequential, layers::Dense};
    /// use deckle_tensor::{DType, Tensor};
    /// use deckle_train::{Compile, Trainable};
    ///
    /// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
    /// let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
    /// let (x, y) = (Tensor::zeros(DType::F32, [3, 2]), Tensor::full([3, 1], 2.0f32));
    /// let batch = Batch::from(Arrays::new(x, y)?);
    /// assert_eq!(trainer.train_on_batch(&batch)?.loss(), 4.0);
    /// assert!(trainer.test_on_batch(&batch)?.loss() < 4.0);
    /// assert_eq!(trainer.predict_on_batch(&batch)?[0].shape(), [3, 1]);
    /// # Ok::<(), deckle_train::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `train_on_batch(x, y)`; a batch that is filled again and again by
    /// [`read_batch`](deckle_data::Dataset::read_batch) costs no memory.
    pub fn train_on_batch(&mut self, batch: &Batch) -> Result<Logs> {
        self.reset()?;
        self.train_step(batch)?;
        self.logs()
    }

    /// The loss and the metrics of one batch.
    ///
    /// # Errors
    ///
    /// If the batch does not fit the model.
    pub fn test_on_batch(&mut self, batch: &Batch) -> Result<Logs> {
        self.reset()?;
        self.run(Mode::Evaluate, batch)?;
        self.logs()
    }

    /// The model's outputs for the inputs of one batch.
    ///
    /// # Errors
    ///
    /// If the batch does not fit the model.
    pub fn predict_on_batch(&self, batch: &Batch) -> Result<Vec<Tensor>> {
        self.predict(&batch.inputs)
    }

    /// What predicts with the current weights, from any number of threads.
    ///
    /// # Errors
    ///
    /// If the weights cannot be moved to the device.
    pub fn predictor(&self) -> Result<Predictor> {
        Predictor::new(&self.model)
    }

    /// The model's outputs for its inputs.
    ///
    /// # Errors
    ///
    /// If the model cannot take these inputs, or there is no example.
    pub fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.predictor()?.predict(inputs)
    }

    /// The backend's plan of the training step for batches like the first of a data set.
    ///
    /// # Errors
    ///
    /// If the data set is empty or does not fit the model.
    pub fn plan(&mut self, data: &dyn Dataset, batch_size: usize) -> Result<String> {
        let mut feed = Feed::all(Source::Dataset(data), Some(batch_size), None)?;
        feed.advance()?;
        let program = self.prepare(Mode::Train, feed.batch())?;
        Ok(self.programs[program].1.plan())
    }

    pub(crate) fn reset(&self) -> Result<()> {
        self.trackers.all.iter().try_for_each(Tracker::reset)
    }

    pub(crate) fn logs(&self) -> Result<Logs> {
        let mut logs = Logs::default();
        let all = &self.trackers.all;
        for (at, tracker) in all.iter().enumerate() {
            // Outputs of one layer share a name: as in Keras, the last one is reported.
            if all[at + 1..].iter().any(|later| later.name == tracker.name) {
                continue;
            }
            logs.push(&tracker.name, &tracker.result()?)?;
        }
        Ok(logs)
    }

    /// Runs one batch; returns the loss and whether it is finite. Allocates nothing once there
    /// is a program for batches like this.
    pub(crate) fn run(&mut self, mode: Mode, batch: &Batch) -> Result<(f32, bool)> {
        let at = self.prepare(mode, batch)?;
        let (kind, program) = &mut self.programs[at];
        self.kinds[*kind].run(program, batch)
    }

    /// Fails if a batch does not fit the model.
    pub(crate) fn fits(&mut self, mode: Mode, batch: &Batch) -> Result<()> {
        self.prepare(mode, batch).map(drop)
    }

    /// The place of the program for that mode and batch, which is made if there is none.
    fn prepare(&mut self, mode: Mode, batch: &Batch) -> Result<usize> {
        let found =
            self.programs.iter().position(|(_, program)| program.fits(mode, batch));
        if let Some(at) = found {
            return Ok(at);
        }
        check_counts(batch)?;
        check_batch(&self.model, batch.inputs.iter())?;
        let kind = match self.kinds.iter().position(|kind| kind.fits(mode, batch)) {
            Some(kind) => kind,
            None => {
                let kind = Kind::new(mode, &self.parts(), batch)?;
                self.kinds.push(kind);
                self.kinds.len() - 1
            }
        };
        let program = self.kinds[kind].program(batch)?;
        self.programs.push((kind, program));
        Ok(self.programs.len() - 1)
    }

    /// What a step is made of.
    fn parts(&self) -> Parts<'_> {
        Parts {
            model: &self.model,
            plans: &self.plans,
            optimizer: &self.optimizer,
            trackers: &self.trackers,
            seed: &self.seed,
            step: &self.step,
        }
    }

    /// Runs one batch after a look at every operation; see [`Fit::debug`](crate::Fit::debug).
    pub(crate) fn debug_step(
        &mut self,
        batch: &Batch,
        epoch: usize,
        at: usize,
    ) -> Result<(f32, bool)> {
        let found = self.inspectors.iter().position(|known| known.fits(batch));
        let inspector = match found {
            Some(found) => &self.inspectors[found],
            None => {
                let inspector = Inspector::new(&self.parts(), batch)?;
                self.inspectors.push(inspector);
                &self.inspectors[self.inspectors.len() - 1]
            }
        };
        if let Some(what) = inspector.find(batch)? {
            return Err(Error::MadeNotFinite { what, epoch: epoch + 1, batch: at + 1 });
        }
        self.run(Mode::Train, batch)
    }

    /// The names of loss and metrics.
    pub(crate) fn names(&self) -> Vec<String> {
        match self.logs() {
            // With an entry for each number of a vector.
            Ok(logs) => logs.iter().map(|(name, _)| name.to_owned()).collect(),
            Err(_) => self.trackers.all.iter().map(|one| one.name.clone()).collect(),
        }
    }

    /// Whether a loss or metric is better when it is larger or smaller, if that is known.
    pub(crate) fn better(&self, name: &str) -> Option<Better> {
        let name = name.split('[').next().unwrap_or(name);
        let tracker = self.trackers.all.iter().find(|tracker| tracker.name == name)?;
        match tracker.metric() {
            None => Some(Better::Smaller),
            Some(metric) => {
                let direction = metric.direction().map(|direction| match direction {
                    Direction::Up => Better::Larger,
                    Direction::Down => Better::Smaller,
                });
                Better::of_class(metric.class_name()).or(direction)
            }
        }
    }

    pub(crate) fn set_seed(&self, seed: u64) -> Result<()> {
        Ok(self.seed.set(&Tensor::scalar(seed.cast_signed()))?)
    }

    /// All that changes while the model is trained.
    pub(crate) fn all_variables(&self) -> Vec<Variable> {
        let tracked = self.trackers.all.iter().flat_map(Tracker::variables);
        checkpoint::unique(
            (self.model.variables().into_iter())
                .chain(self.model.memories())
                .chain(self.optimizer.variables())
                .chain(tracked.cloned())
                .chain([self.seed.clone(), self.step.clone()]),
        )
    }

    /// The values of the metrics' state.
    pub(crate) fn tracked(&self) -> Result<Vec<Tensor>> {
        let tracked = self.trackers.all.iter().flat_map(Tracker::variables);
        tracked.map(|variable| Ok(variable.value()?)).collect()
    }

    pub(crate) fn set_tracked(&self, values: &[Tensor]) -> Result<()> {
        let tracked = self.trackers.all.iter().flat_map(Tracker::variables);
        tracked.zip(values).try_for_each(|(variable, value)| Ok(variable.set(value)?))
    }

    /// Whether averages are in the place of the weights.
    pub(crate) const fn is_averaged(&self) -> bool {
        self.is_averaged
    }

    pub(crate) const fn set_averaged(&mut self, is_averaged: bool) {
        self.is_averaged = is_averaged;
    }

    /// Fails if the optimizer keeps no averages of the weights.
    pub(crate) fn check_averages(&self) -> Result<()> {
        if self.optimizer.averages().is_empty() {
            return Err(Error::invalid(
                "there are no averages of the weights",
                "an optimizer that keeps averages",
            )
            .got("use_ema = false")
            .help("set the optimizer's .use_ema(true)"));
        }
        Ok(())
    }

    /// Swaps weights and averages, unless it is so already.
    pub(crate) fn use_averages(&mut self, wanted: bool) -> Result<()> {
        self.check_averages()?;
        if self.is_averaged != wanted {
            let pairs = self.optimizer.weights().iter().zip(self.optimizer.averages());
            for (weight, average) in pairs {
                let (value, averaged) = (weight.value()?, average.value()?);
                weight.set(&averaged)?;
                average.set(&value)?;
            }
            self.is_averaged = wanted;
        }
        Ok(())
    }

    /// What is done after training: the averages of the weights become the weights.
    pub(crate) fn finalize(&mut self) -> Result<()> {
        if self.is_averaged {
            let pairs = self.optimizer.weights().iter().zip(self.optimizer.averages());
            for (weight, average) in pairs {
                average.set(&weight.value()?)?;
            }
            self.is_averaged = false;
        }
        Ok(self.optimizer.finalize()?)
    }

    /// A short text that differs for models that compute something else.
    pub(crate) fn fingerprint(&self) -> String {
        let layers = self.model.layers();
        let settings = match self.model.config() {
            Ok(config) => config.to_string(),
            // Layers of one's own may have no form in a file.
            Err(_) => layers
                .iter()
                .map(|l| format!("{} {}\n", l.name(), l.class_name()))
                .collect(),
        };
        let sum = crc32fast::hash(settings.as_bytes());
        format!("{} layers with settings {sum:08x}", layers.len())
    }

    /// Losses and metrics, with a short text that differs for other settings of the losses.
    pub(crate) fn measured(&self) -> String {
        let losses: Vec<_> = self
            .plans
            .iter()
            .map(|plan| format!("{:?} {}", plan.loss, plan.weight))
            .collect();
        let sum = crc32fast::hash(losses.join("\n").as_bytes());
        format!("{} with settings {sum:08x}", self.names().join(", "))
    }
}

/// Checks that all tensors of a batch hold as many examples, one or more.
fn check_counts(batch: &Batch) -> Result<()> {
    let kinds = [
        ("input", &batch.inputs),
        ("target", &batch.targets),
        ("weights of", &batch.weights),
    ];
    let all = kinds.iter().flat_map(|(kind, tensors)| {
        let named = move |(at, tensor)| (format!("{kind} {at}"), tensor);
        tensors.iter().enumerate().map(named)
    });
    let mut first = None;
    for (name, tensor) in all {
        let Some(&count) = tensor.shape().first() else {
            return Err(Error::invalid(
                "a batch's tensors hold examples",
                "a first axis that counts them",
            )
            .got(format_args!("{name} of shape ()")));
        };
        let (known, expected) = first.get_or_insert((name.clone(), count));
        if count != *expected {
            return Err(deckle_data::Error::Counts {
                first: known.clone(),
                expected: *expected,
                other: name,
                got: count,
            }
            .into());
        }
    }
    match first {
        Some((_, 0)) => {
            Err(Error::invalid("a batch is empty", "one example or more").got("none"))
        }
        _ => Ok(()),
    }
}
