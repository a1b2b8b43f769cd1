//! A model in training: [`Trainer`], with [`Fit`] and [`Evaluate`] for its settings.

use std::path::Path;

use deckle_autograd::Variable;
use deckle_data::{Batch, Dataset, Order, split_at};
use deckle_nn::Model;
use deckle_optim::OptimizerState;
use deckle_tensor::Tensor;

use crate::{
    Compile, Error, History, Logs, Predictor, Result, Verbose,
    class_weight::ClassWeights,
    compile::{OutputPlan, settle},
    progress::Progress,
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
    /// The number of epochs done, which keys the next shuffle.
    epochs: usize,
}

/// How a model is to be fitted.
///
/// # Examples
///
/// ```
/// use deckle_train::Fit;
///
/// let fit = Fit::new().epochs(5).batch_size(128).validation_split(0.1);
/// # let _ = fit;
/// ```
///
/// # Keras
///
/// The arguments of `Model.fit`, with the same defaults.
#[derive(Clone, Copy)]
pub struct Fit<'a> {
    epochs: usize,
    batch_size: usize,
    validation_split: Option<f64>,
    validation_data: Option<&'a dyn Dataset>,
    validation_batch_size: Option<usize>,
    shuffle: bool,
    initial_epoch: usize,
    verbose: Verbose,
    seed: Option<u64>,
    class_weight: Option<&'a [(i64, f64)]>,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Fit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fit")
            .field("epochs", &self.epochs)
            .field("batch_size", &self.batch_size)
            .field("validation_split", &self.validation_split)
            .field("shuffle", &self.shuffle)
            .field("initial_epoch", &self.initial_epoch)
            .field("verbose", &self.verbose)
            .field("seed", &self.seed)
            .field("class_weight", &self.class_weight)
            .finish_non_exhaustive()
    }
}

impl<'a> Fit<'a> {
    /// One epoch, batches of 32, shuffled.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            epochs: 1,
            batch_size: 32,
            validation_split: None,
            validation_data: None,
            validation_batch_size: None,
            shuffle: true,
            initial_epoch: 0,
            verbose: Verbose::Progress,
            seed: None,
            class_weight: None,
        }
    }

    /// Sets the epoch to end before, counted from 0; 1 by default.
    #[must_use]
    pub const fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// Sets the number of examples in a batch; 32 by default.
    #[must_use]
    pub const fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Sets the share of the examples, from the end and before any shuffle, that validates;
    /// none by default.
    #[must_use]
    pub const fn validation_split(mut self, fraction: f64) -> Self {
        self.validation_split = Some(fraction);
        self
    }

    /// Sets the data that validates, whatever `validation_split` says; none by default.
    #[must_use]
    pub const fn validation_data(mut self, data: &'a dyn Dataset) -> Self {
        self.validation_data = Some(data);
        self
    }

    /// Sets the number of examples in a batch of validation; `batch_size` by default.
    #[must_use]
    pub const fn validation_batch_size(mut self, batch_size: usize) -> Self {
        self.validation_batch_size = Some(batch_size);
        self
    }

    /// Sets whether the examples are shuffled before each epoch; true by default.
    #[must_use]
    pub const fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// Sets the epoch to begin with, counted from 0; 0 by default.
    #[must_use]
    pub const fn initial_epoch(mut self, epoch: usize) -> Self {
        self.initial_epoch = epoch;
        self
    }

    /// Sets how much is shown: 0, 1 or 2; 1 by default.
    #[must_use]
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }

    /// Sets the seed of shuffles and dropout; the model's by default.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets how much the examples of a class count in the loss; 1 by default, and for every
    /// class that is not named.
    ///
    /// Targets are labels or one-hot vectors of the model's only output. If the examples have
    /// weights too, these are multiplied. Validation is not weighted.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_train::Fit;
    ///
    /// let fit = Fit::new().class_weight(&[(0, 0.5), (1, 2.0)]);
    /// # let _ = fit;
    /// ```
    #[must_use]
    pub const fn class_weight(mut self, weights: &'a [(i64, f64)]) -> Self {
        self.class_weight = Some(weights);
        self
    }
}

/// How a model is to be evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Evaluate {
    batch_size: usize,
    verbose: Verbose,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self::new()
    }
}

impl Evaluate {
    /// Batches of 32, nothing shown.
    #[must_use]
    pub const fn new() -> Self {
        Self { batch_size: 32, verbose: Verbose::Silent }
    }

    /// Sets the number of examples in a batch; 32 by default.
    #[must_use]
    pub const fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Sets how much is shown: 0, 1 or 2; 0 by default.
    #[must_use]
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }
}

impl Trainer {
    pub(crate) fn new(model: &Model, compile: Compile) -> Result<Self> {
        compile.optimizer.check_settings()?;
        let outputs: Vec<_> = model.outputs().map(|(name, _)| name.to_owned()).collect();
        let plans = compile.plan(&outputs)?;
        settle(model, compile.device.as_ref())?;
        let weights: Vec<_> =
            model.trainable_weights().map(|weight| weight.variable().clone()).collect();
        let group = model.group();
        let optimizer = OptimizerState::new(compile.optimizer.clone(), &weights, group)?;
        let trackers = Trackers::new(model, &plans)?;
        let seed = group.variable("seed", &Tensor::scalar(model.seed().cast_signed()))?;
        let step = group.variable("step", &Tensor::scalar(0i64))?;
        let model = model.clone();
        let (kinds, programs, epochs) = (Vec::new(), Vec::new(), 0);
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
            epochs,
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
    /// The file appears whole or not at all, and is the same for the same state.
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

    /// Trains the model.
    ///
    /// # Errors
    ///
    /// If the data set is empty or does not fit the model, a setting makes no sense, or the
    /// loss becomes NaN or infinite; the weights are then those from before that batch.
    pub fn fit(&mut self, data: &dyn Dataset, fit: Fit<'_>) -> Result<History> {
        let (train, held_out) = match (fit.validation_split, fit.validation_data) {
            (Some(fraction), None) => {
                check_not_empty(data)?;
                let at = split_at(data.len(), fraction)?;
                (0..at, Some((data, at..data.len())))
            }
            (_, Some(held_out)) => (0..data.len(), Some((held_out, 0..held_out.len()))),
            (None, None) => (0..data.len(), None),
        };
        check_not_empty(data)?;
        let seed = fit.seed.unwrap_or(self.model.seed());
        self.seed.set(&Tensor::scalar(seed.cast_signed()))?;
        let mut class_weights = match fit.class_weight {
            Some(weights) => Some(ClassWeights::new(weights, self.plans.len())?),
            None => None,
        };
        let mut order = Order::new(train);
        let mut progress = Progress::new(fit.verbose, Some(fit.epochs));
        let mut history = History::default();
        let mut batch = Batch::new();
        for epoch in fit.initial_epoch..fit.epochs {
            let key = self.epochs.max(epoch);
            if fit.shuffle {
                order.shuffle(seed, key as u64);
            }
            let steps = order.batches(fit.batch_size)?.len();
            progress.begin(epoch, steps);
            self.reset()?;
            for (i, indices) in order.batches(fit.batch_size)?.enumerate() {
                data.read_batch(indices, &mut batch)?;
                let added = match &mut class_weights {
                    Some(weights) => weights.apply(&mut batch)?,
                    None => false,
                };
                let (loss, finite) = self.run(Mode::Train, &batch)?;
                if let (Some(weights), true) = (&mut class_weights, added) {
                    weights.take_back(&mut batch);
                }
                if !finite {
                    return Err(Error::NotFinite {
                        loss,
                        epoch: epoch + 1,
                        batch: i + 1,
                    });
                }
                if progress.is_due() {
                    progress.show(i + 1, &self.logs()?);
                }
            }
            let mut logs = self.logs()?;
            if let Some((held_out, range)) = &held_out {
                let size = fit.validation_batch_size.unwrap_or(fit.batch_size);
                let validation =
                    self.measure(*held_out, &Order::new(range.clone()), size)?;
                logs.extend(validation.prefixed("val_"));
            }
            progress.end(epoch, &logs);
            history.push(epoch, &logs);
            self.epochs = key + 1;
        }
        self.optimizer.finalize()?;
        Ok(history)
    }

    /// Trains on one batch; returns its loss. Metrics go on from where they were.
    ///
    /// # Errors
    ///
    /// If the batch does not fit the model, or the loss is NaN or infinite; the weights are
    /// then those from before.
    pub fn train_on_batch(&mut self, batch: &Batch) -> Result<f32> {
        let (loss, finite) = self.run(Mode::Train, batch)?;
        if finite { Ok(loss) } else { Err(Error::NotFinite { loss, epoch: 1, batch: 1 }) }
    }

    /// The loss and the metrics of a data set, with Keras's defaults.
    ///
    /// # Errors
    ///
    /// If the data set is empty or does not fit the model.
    pub fn evaluate(&mut self, data: &dyn Dataset) -> Result<Logs> {
        self.evaluate_with(data, Evaluate::new())
    }

    /// The loss and the metrics of a data set.
    ///
    /// # Errors
    ///
    /// If the data set is empty or does not fit the model.
    pub fn evaluate_with(
        &mut self,
        data: &dyn Dataset,
        evaluate: Evaluate,
    ) -> Result<Logs> {
        check_not_empty(data)?;
        let order = Order::of(data);
        let mut progress = Progress::new(evaluate.verbose, None);
        progress.begin(0, order.batches(evaluate.batch_size)?.len());
        let logs = self.measure(data, &order, evaluate.batch_size)?;
        progress.end(0, &logs);
        Ok(logs)
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
        check_not_empty(data)?;
        let order = Order::of(data);
        let mut batch = Batch::new();
        if let Some(indices) = order.batches(batch_size)?.next() {
            data.read_batch(indices, &mut batch)?;
        }
        let program = self.prepare(Mode::Train, &batch)?;
        Ok(self.programs[program].1.plan())
    }

    fn measure(
        &mut self,
        data: &dyn Dataset,
        order: &Order,
        size: usize,
    ) -> Result<Logs> {
        self.reset()?;
        let mut batch = Batch::new();
        for indices in order.batches(size)? {
            data.read_batch(indices, &mut batch)?;
            self.run(Mode::Evaluate, &batch)?;
        }
        self.logs()
    }

    fn reset(&self) -> Result<()> {
        self.trackers.all.iter().try_for_each(Tracker::reset)
    }

    fn logs(&self) -> Result<Logs> {
        self.trackers
            .all
            .iter()
            .map(|tracker| Ok((tracker.name.clone(), tracker.result()?)))
            .collect()
    }

    /// Runs one batch; returns the loss and whether it is finite. Allocates nothing once there
    /// is a program for batches like this.
    fn run(&mut self, mode: Mode, batch: &Batch) -> Result<(f32, bool)> {
        let at = self.prepare(mode, batch)?;
        let (kind, program) = &mut self.programs[at];
        self.kinds[*kind].run(program, batch)
    }

    /// The place of the program for that mode and batch, which is made if there is none.
    fn prepare(&mut self, mode: Mode, batch: &Batch) -> Result<usize> {
        let found =
            self.programs.iter().position(|(_, program)| program.fits(mode, batch));
        if let Some(at) = found {
            return Ok(at);
        }
        let kind = match self.kinds.iter().position(|kind| kind.fits(mode, batch)) {
            Some(kind) => kind,
            None => {
                let parts = Parts {
                    model: &self.model,
                    plans: &self.plans,
                    optimizer: &self.optimizer,
                    trackers: &self.trackers,
                    seed: &self.seed,
                    step: &self.step,
                };
                self.kinds.push(Kind::new(mode, &parts, batch)?);
                self.kinds.len() - 1
            }
        };
        let program = self.kinds[kind].program(batch)?;
        self.programs.push((kind, program));
        Ok(self.programs.len() - 1)
    }
}

fn check_not_empty(data: &dyn Dataset) -> Result<()> {
    if data.is_empty() {
        return Err(
            Error::invalid("the data set is empty", "one example or more").got("none")
        );
    }
    Ok(())
}
