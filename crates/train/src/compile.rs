//! How a model is to be trained: [`Compile`], and [`Trainable`] for what a model can do.

use std::path::Path;

use deckle_autograd::{Device, Var};
use deckle_nn::{AnyLoss, Call, Model, Randomness};
use deckle_optim::AnyOptimizer;
use deckle_tensor::{DType, Tensor};

use crate::{AnyMetric, Error, Predictor, Result, Trainer, save};

/// Optimizer, losses and metrics that a model is to be trained with.
///
/// # Examples
///
/// ```
/// use deckle_nn::losses::MeanSquaredError;
/// use deckle_optim::Sgd;
/// use deckle_train::Compile;
///
/// let by_value = Compile::new(Sgd::new(), MeanSquaredError::new());
/// let by_name = Compile::named("sgd", "mse")?.metrics_named(&["mae"])?;
/// # let _ = (by_value, by_name);
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `Model.compile`; names that do not exist are errors here, not at the first batch.
#[derive(Clone, Debug)]
pub struct Compile {
    pub(crate) optimizer: AnyOptimizer,
    pub(crate) losses: Losses,
    pub(crate) loss_weights: Vec<(String, f64)>,
    pub(crate) metrics: Vec<(Option<String>, AnyMetric)>,
    pub(crate) undecayed: Vec<String>,
    pub(crate) rates: Vec<(String, f64)>,
    pub(crate) device: Option<Device>,
}

#[derive(Clone, Debug)]
pub(crate) enum Losses {
    /// One for every output.
    Every(AnyLoss),
    /// By output.
    Named(Vec<(String, AnyLoss)>),
}

impl Compile {
    /// One loss for every output of the model.
    pub fn new(optimizer: impl Into<AnyOptimizer>, loss: impl Into<AnyLoss>) -> Self {
        Self::with(optimizer.into(), Losses::Every(loss.into()))
    }

    /// A loss for each output, by its layer's name; outputs without one are not trained.
    pub fn outputs<N: Into<String>>(
        optimizer: impl Into<AnyOptimizer>,
        losses: impl IntoIterator<Item = (N, AnyLoss)>,
    ) -> Self {
        let losses = losses.into_iter().map(|(name, loss)| (name.into(), loss));
        Self::with(optimizer.into(), Losses::Named(losses.collect()))
    }

    /// No loss but the model's penalties: regularizers, and losses that layers add.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Regularizer, Sequential, layers::Dense};
    /// use deckle_optim::Sgd;
    /// use deckle_train::{Compile, Trainable};
    ///
    /// let layer = Dense::new(1).kernel_regularizer(Regularizer::l2(0.1));
    /// let model = Sequential::new([2]).add(layer).build()?;
    /// assert!(model.compile(Compile::of_penalties(Sgd::new())).is_ok());
    /// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
    /// assert!(model.compile(Compile::of_penalties(Sgd::new())).is_err());
    /// # Ok::<(), deckle_train::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `compile` with `loss=None`; of a model without penalties an error here, which Keras on
    /// JAX trains towards nothing.
    pub fn of_penalties(optimizer: impl Into<AnyOptimizer>) -> Self {
        Self::with(optimizer.into(), Losses::Named(Vec::new()))
    }

    /// Optimizer and loss by name, as Keras knows them.
    ///
    /// # Errors
    ///
    /// If there is none of that name, with the one that was probably meant.
    pub fn named(optimizer: &str, loss: &str) -> Result<Self> {
        Ok(Self::new(AnyOptimizer::named(optimizer)?, AnyLoss::by_name(loss)?))
    }

    fn with(optimizer: AnyOptimizer, losses: Losses) -> Self {
        Self {
            optimizer,
            losses,
            loss_weights: Vec::new(),
            metrics: Vec::new(),
            undecayed: Vec::new(),
            rates: Vec::new(),
            device: None,
        }
    }

    /// Sets the optimizer.
    #[must_use]
    pub fn optimizer(mut self, optimizer: impl Into<AnyOptimizer>) -> Self {
        self.optimizer = optimizer.into();
        self
    }

    /// Sets one loss for every output of the model.
    #[must_use]
    pub fn loss(mut self, loss: impl Into<AnyLoss>) -> Self {
        self.losses = Losses::Every(loss.into());
        self
    }

    /// Sets a loss for one output; outputs that have none are not trained.
    #[must_use]
    pub fn loss_for(
        mut self,
        output: impl Into<String>,
        loss: impl Into<AnyLoss>,
    ) -> Self {
        let output = output.into();
        let mut losses = match self.losses {
            Losses::Named(losses) => losses,
            Losses::Every(_) => Vec::new(),
        };
        losses.retain(|(known, _)| *known != output);
        losses.push((output, loss.into()));
        self.losses = Losses::Named(losses);
        self
    }

    /// Takes all metrics away.
    #[must_use]
    pub fn without_metrics(mut self) -> Self {
        self.metrics.clear();
        self
    }

    /// Adds a metric for every output that has a loss; if none has, for every output.
    ///
    /// A loss stands for the mean of the samples' losses, a class of [`metrics`](crate::metrics)
    /// for itself; one of your own is a [`Metric`](crate::Metric).
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_data::Arrays;
    /// use deckle_nn::{Sequential, layers::Dense, losses::{MeanAbsoluteError, MeanSquaredError}};
    /// use deckle_optim::Sgd;
    /// use deckle_tensor::{DType, Tensor};
    /// use deckle_train::{Compile, Trainable, metrics::RootMeanSquaredError};
    ///
    /// let compile = Compile::new(Sgd::new(), MeanSquaredError::new())
    ///     .metric(MeanAbsoluteError::new())
    ///     .metric(RootMeanSquaredError::new());
    /// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
    /// let zeros = Tensor::zeros(DType::F32, [4, 2]);
    /// let data = Arrays::new(zeros, Tensor::full([4, 1], 3.0f32))?;
    /// let logs = model.compile(compile)?.evaluate(&data)?;
    /// assert_eq!((logs.loss(), logs.get("mean_absolute_error")), (9.0, Some(3.0)));
    /// assert_eq!(logs.get("root_mean_squared_error"), Some(3.0));
    /// # Ok::<(), deckle_train::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// An object of a loss in the list `metrics` is averaged over batches there, so that a last,
    /// smaller one counts as much as others; here over samples, as metrics are.
    #[must_use]
    pub fn metric(mut self, metric: impl Into<AnyMetric>) -> Self {
        self.metrics.push((None, metric.into()));
        self
    }

    /// Adds a metric for one output.
    #[must_use]
    pub fn metric_for(
        mut self,
        output: impl Into<String>,
        metric: impl Into<AnyMetric>,
    ) -> Self {
        self.metrics.push((Some(output.into()), metric.into()));
        self
    }

    /// Adds a metric, for every output that has a loss, in which examples count by their
    /// weights.
    #[must_use]
    pub fn weighted_metric(self, metric: impl Into<AnyMetric>) -> Self {
        self.metric(metric.into().weighted())
    }

    /// Adds metrics by name, as Keras knows them.
    ///
    /// # Errors
    ///
    /// If there is none of that name, with the one that was probably meant.
    pub fn metrics_named(mut self, names: &[&str]) -> Result<Self> {
        for name in names {
            self.metrics.push((None, AnyMetric::by_name(name)?));
        }
        Ok(self)
    }

    /// Sets how much an output's loss counts in the total; 1 by default.
    #[must_use]
    pub fn loss_weight(mut self, output: impl Into<String>, weight: f64) -> Self {
        self.loss_weights.push((output.into(), weight));
        self
    }

    /// Keeps weight decay from all weights in whose own names, as `bias`, one of these texts
    /// occurs; one with a `/`, as `dense/`, is looked for in their paths.
    ///
    /// # Keras
    ///
    /// `Optimizer.exclude_from_weight_decay(var_names=…)`, which no file holds either.
    #[must_use]
    pub fn exclude_from_weight_decay<T: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = T>,
    ) -> Self {
        self.undecayed.extend(names.into_iter().map(Into::into));
        self
    }

    /// Multiplies the learning rate of all weights in whose
    /// [paths](deckle_nn::Model::weight_paths) this text occurs, as `base/` of a model within the
    /// model, besides what it is multiplied by already; no file holds it. Compiling fails if there is no such
    /// weight, or the factor is negative or not finite.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_train::Compile;
    ///
    /// let compile = Compile::named("sgd", "mse")?.multiply_learning_rate("base/", 0.1);
    /// # let _ = compile;
    /// # Ok::<(), deckle_train::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// Where `MultiOptimizer` has one optimizer for each group of weights.
    #[must_use]
    pub fn multiply_learning_rate(
        mut self,
        name: impl Into<String>,
        factor: f64,
    ) -> Self {
        self.rates.push((name.into(), factor));
        self
    }

    /// Sets where the model is trained; by default where its weights live, or on the fast CPU
    /// backend if they live on the reference device.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// The loss, weight and metrics of each of these outputs.
    pub(crate) fn plan(&self, outputs: &[String]) -> Result<Vec<OutputPlan>> {
        let named = |name: &str| -> Result<()> {
            if outputs.iter().any(|output| output == name) {
                return Ok(());
            }
            let names: Vec<_> = outputs.iter().map(|name| format!("`{name}`")).collect();
            let known: Vec<_> = outputs.iter().map(String::as_str).collect();
            let error = Error::invalid(
                format_args!("unknown output `{name}`"),
                format_args!("the name of an output's layer: {}", names.join(", ")),
            );
            Err(match deckle_nn::did_you_mean(name, &known) {
                Some(known) => error.help(format_args!("did you mean `{known}`?")),
                None => error,
            })
        };
        let losses = match &self.losses {
            Losses::Named(losses) => losses.iter().map(|(name, _)| name).collect(),
            Losses::Every(_) => Vec::new(),
        };
        let metrics = self.metrics.iter().filter_map(|(output, _)| output.as_ref());
        let weights = self.loss_weights.iter().map(|(name, _)| name);
        for name in losses.into_iter().chain(metrics).chain(weights) {
            named(name)?;
        }
        if let Some((name, weight)) =
            self.loss_weights.iter().find(|(_, w)| !w.is_finite())
        {
            return Err(Error::invalid("loss_weight", "a finite number")
                .got(format_args!("{weight} for output `{name}`")));
        }
        let has_loss = match &self.losses {
            Losses::Every(_) => true,
            Losses::Named(losses) => !losses.is_empty(),
        };
        let plans = outputs.iter().enumerate().map(|(at, output)| {
            // Outputs of one layer share a name; what is given for it several times is theirs in
            // turn.
            let before = outputs[..at].iter().filter(|name| *name == output).count();
            let loss = match &self.losses {
                Losses::Every(loss) => Some(loss.clone()),
                Losses::Named(losses) => own(losses, output, before).cloned(),
            };
            let weight = own(&self.loss_weights, output, before);
            let metrics = self.metrics.iter().filter(|(only, _)| match only {
                Some(only) => only == output,
                None => loss.is_some() || !has_loss,
            });
            let mut metrics: Vec<_> = metrics.map(|(_, metric)| metric.clone()).collect();
            // Keras's order, which names that come twice depend on.
            metrics.sort_by_key(AnyMetric::is_weighted);
            OutputPlan {
                output: output.clone(),
                weight: weight.copied().unwrap_or(1.0),
                metrics,
                loss,
            }
        });
        Ok(plans.collect())
    }
}

/// What is given for a name, of which so many outputs come before: the next one, or the last.
fn own<'a, T>(given: &'a [(String, T)], name: &str, before: usize) -> Option<&'a T> {
    let mut own = given.iter().filter(|(known, _)| known == name).map(|(_, own)| own);
    let last = own.clone().last();
    own.nth(before).or(last)
}

/// What is computed of one output in a step.
#[derive(Clone, Debug)]
pub(crate) struct OutputPlan {
    pub(crate) output: String,
    pub(crate) loss: Option<AnyLoss>,
    pub(crate) weight: f64,
    pub(crate) metrics: Vec<AnyMetric>,
}

impl OutputPlan {
    /// Whether the output needs a target.
    pub(crate) fn needs_target(&self) -> bool {
        self.loss.is_some() || !self.metrics.is_empty()
    }
}

/// Fails if there is neither a loss nor a penalty to train the model by.
pub(crate) fn check_losses(model: &Model, plans: &[OutputPlan]) -> Result<()> {
    if plans.iter().any(|plan| plan.loss.is_some())
        || model.regularization(&Call::inference())?.is_some()
    {
        return Ok(());
    }
    // What layers add is known once they are called.
    let inputs = model.inputs();
    let inputs: Vec<_> =
        inputs.map(|(name, shape, dtype)| Var::input(name, shape, dtype)).collect();
    let (seed, step) = (Var::scalar(DType::I64, 0.0), Var::scalar(DType::I64, 0.0));
    let mut call = Call::training(Randomness { seed: &seed, step: &step });
    model.call(&inputs, &mut call)?;
    if !call.losses().is_empty() {
        return Ok(());
    }
    let expected = "a loss for one output or more, or layers with penalties";
    Err(Error::invalid("nothing to train", expected).got("none"))
}

/// What a model can do once this crate is there.
pub trait Trainable {
    /// Joins the model with optimizer, losses and metrics.
    ///
    /// # Errors
    ///
    /// If an output that is named does not exist, or a setting makes no sense.
    fn compile(&self, compile: Compile) -> Result<Trainer>;

    /// What predicts with the model's weights, from any number of threads.
    ///
    /// # Errors
    ///
    /// If the weights cannot be moved to the device.
    fn predictor(&self) -> Result<Predictor>;

    /// The model's output for examples, computed in batches of 32.
    ///
    /// # Errors
    ///
    /// If the model has several inputs or outputs, or cannot take these examples.
    fn predict(&self, x: &Tensor) -> Result<Tensor>;

    /// Writes the model with its weights: as `.keras` or legacy `.h5`; the weights alone as
    /// `.weights.h5` or `.safetensors`.
    ///
    /// The file appears whole or not at all, and is the same for the same model.
    ///
    /// # Errors
    ///
    /// If the name's ending is none of these, the model holds what Keras has no form for, or
    /// the file cannot be written.
    fn save(&self, path: impl AsRef<Path>) -> Result<()>;

    /// Writes the weights alone, as `.weights.h5` or `.safetensors`; `.h5` holds the model too.
    ///
    /// # Errors
    ///
    /// If the name's ending is none of these, or the file cannot be written.
    fn save_weights(&self, path: impl AsRef<Path>) -> Result<()>;

    /// Replaces the weights by those in a file: `.weights.h5`, `.keras`, legacy `.h5`,
    /// `.safetensors`, or the index `.weights.json` of several files.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a weight is missing, of another shape or unknown to the
    /// model; all are named, and the model is as before.
    fn load_weights(&self, path: impl AsRef<Path>) -> Result<()>;
}

impl Trainable for Model {
    fn compile(&self, compile: Compile) -> Result<Trainer> {
        Trainer::new(self, compile)
    }

    fn predictor(&self) -> Result<Predictor> {
        Predictor::new(self)
    }

    fn predict(&self, x: &Tensor) -> Result<Tensor> {
        let mut outputs = Predictor::new(self)?.predict(std::slice::from_ref(x))?;
        if outputs.len() == 1 {
            return Ok(outputs.swap_remove(0));
        }
        Err(Error::invalid("predict gives one tensor", "a model with one output")
            .got(format_args!("{} outputs", outputs.len()))
            .help("use model.predictor()?.predict(&[x])"))
    }

    fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save::save_model(self, path)
    }

    fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        save::save_weights(self, path.as_ref())
    }

    fn load_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        save::load_weights(self, path.as_ref())
    }
}

/// Moves a model, and the models in it, to the device that it is to run on, unless one of them
/// lives on a fast one already.
pub(crate) fn settle(model: &Model, device: Option<&Device>) -> Result<Device> {
    let groups = model.groups();
    let fast = || {
        let mut homes = groups.iter().map(deckle_autograd::Group::device);
        homes.find(|home| home.name() != "reference")
    };
    let device = device.cloned().or_else(fast).unwrap_or_else(default_device);
    for group in &groups {
        group.move_to(&device)?;
    }
    Ok(device)
}

#[cfg(feature = "cpu")]
pub(crate) fn default_device() -> Device {
    Device::new(deckle_cpu::Cpu::new())
}

#[cfg(not(feature = "cpu"))]
pub(crate) fn default_device() -> Device {
    Device::reference()
}

/// A device that computes on the thread that calls it.
#[cfg(feature = "cpu")]
pub(crate) fn device_of_one_thread() -> Device {
    Device::new(deckle_cpu::Cpu::with_threads(1))
}

#[cfg(not(feature = "cpu"))]
pub(crate) fn device_of_one_thread() -> Device {
    Device::reference()
}
