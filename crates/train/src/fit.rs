//! How a model is to be fitted and evaluated: [`Fit`], [`Evaluate`].

use std::fmt;

use deckle_tensor::Tensor;

use crate::{Callback, Source, Verbose};

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
pub struct Fit<'a> {
    pub(crate) epochs: usize,
    pub(crate) batch_size: Option<usize>,
    pub(crate) steps_per_epoch: Option<usize>,
    pub(crate) validation_split: Option<f64>,
    pub(crate) validation_data: Option<Source<'a>>,
    pub(crate) validation_batch_size: Option<usize>,
    pub(crate) validation_steps: Option<usize>,
    pub(crate) validation_freq: ValidationFreq,
    pub(crate) shuffle: bool,
    pub(crate) initial_epoch: usize,
    pub(crate) verbose: Verbose,
    pub(crate) seed: Option<u64>,
    pub(crate) class_weight: Option<&'a [(i64, f64)]>,
    pub(crate) sample_weight: Option<&'a Tensor>,
    pub(crate) callbacks: Vec<Box<dyn Callback + 'a>>,
    pub(crate) exact_metrics: bool,
    pub(crate) debug: bool,
}

/// After which epochs a model is validated.
///
/// # Examples
///
/// ```
/// use deckle_train::ValidationFreq;
///
/// let third = ValidationFreq::from(3);
/// assert!(!third.includes(0) && third.includes(2));
/// assert!(ValidationFreq::from([1, 5]).includes(4));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidationFreq {
    /// After every so many epochs.
    Every(usize),
    /// After these epochs, counted from 1.
    Epochs(Vec<usize>),
}

impl ValidationFreq {
    /// Whether an epoch, counted from 0, is validated.
    #[must_use]
    pub fn includes(&self, epoch: usize) -> bool {
        match self {
            Self::Every(freq) => (epoch + 1).is_multiple_of(*freq),
            Self::Epochs(epochs) => epochs.contains(&(epoch + 1)),
        }
    }
}

impl From<usize> for ValidationFreq {
    fn from(epochs: usize) -> Self {
        Self::Every(epochs)
    }
}

impl<const N: usize> From<[usize; N]> for ValidationFreq {
    fn from(epochs: [usize; N]) -> Self {
        Self::Epochs(epochs.to_vec())
    }
}

impl From<Vec<usize>> for ValidationFreq {
    fn from(epochs: Vec<usize>) -> Self {
        Self::Epochs(epochs)
    }
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Fit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let callbacks: Vec<_> = self.callbacks.iter().map(Callback::name).collect();
        f.debug_struct("Fit")
            .field("epochs", &self.epochs)
            .field("batch_size", &self.batch_size)
            .field("steps_per_epoch", &self.steps_per_epoch)
            .field("validation_split", &self.validation_split)
            .field("validation_data", &self.validation_data)
            .field("shuffle", &self.shuffle)
            .field("initial_epoch", &self.initial_epoch)
            .field("verbose", &self.verbose)
            .field("seed", &self.seed)
            .field("class_weight", &self.class_weight)
            .field("callbacks", &callbacks)
            .finish_non_exhaustive()
    }
}

impl<'a> Fit<'a> {
    /// One epoch, batches of 32, shuffled.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            epochs: 1,
            batch_size: None,
            steps_per_epoch: None,
            validation_split: None,
            validation_data: None,
            validation_batch_size: None,
            validation_steps: None,
            validation_freq: ValidationFreq::Every(1),
            shuffle: true,
            initial_epoch: 0,
            verbose: Verbose::Progress,
            seed: None,
            class_weight: None,
            sample_weight: None,
            callbacks: Vec::new(),
            exact_metrics: false,
            debug: false,
        }
    }

    /// Sets the epoch to end before, counted from 0; 1 by default.
    #[must_use]
    pub const fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// Sets the number of examples in a batch; 32 by default, or with
    /// [`Fit::steps_per_epoch`] what makes that many of the data set. Streams have batches.
    #[must_use]
    pub const fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = Some(batch_size);
        self
    }

    /// Sets the number of batches of an epoch; by default, all of a pass over the data. The
    /// next epoch goes on where this one has ended; one in which the data end is shorter.
    #[must_use]
    pub const fn steps_per_epoch(mut self, steps: usize) -> Self {
        self.steps_per_epoch = Some(steps);
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
    pub fn validation_data(mut self, data: impl Into<Source<'a>>) -> Self {
        self.validation_data = Some(data.into());
        self
    }

    /// Sets the number of examples in a batch of validation; `batch_size` by default.
    #[must_use]
    pub const fn validation_batch_size(mut self, batch_size: usize) -> Self {
        self.validation_batch_size = Some(batch_size);
        self
    }

    /// Sets after how many batches validation ends; after all by default.
    #[must_use]
    pub const fn validation_steps(mut self, steps: usize) -> Self {
        self.validation_steps = Some(steps);
        self
    }

    /// Sets after which epochs the model is validated: every so many, or a list of epochs
    /// counted from 1; after each by default.
    #[must_use]
    pub fn validation_freq(mut self, freq: impl Into<ValidationFreq>) -> Self {
        self.validation_freq = freq.into();
        self
    }

    /// Sets whether the examples are shuffled before each pass; true by default. Streams
    /// shuffle themselves.
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

    /// Sets how much each example of the data set counts in the loss and in weighted metrics:
    /// `(examples,)`. Those of [`Fit::validation_split`] count in validation. 1 by default.
    #[must_use]
    pub const fn sample_weight(mut self, weights: &'a Tensor) -> Self {
        self.sample_weight = Some(weights);
        self
    }

    /// Adds what watches training and steps in, after those that were added before. By
    /// reference, its results can be read afterwards.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_train::{Fit, callbacks::{CSVLogger, EarlyStopping}};
    ///
    /// let mut stopping = EarlyStopping::new().patience(3);
    /// let fit = Fit::new().callback(CSVLogger::new("log.csv")).callback(&mut stopping);
    /// # let _ = fit;
    /// ```
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Adds several callbacks.
    #[must_use]
    pub fn callbacks(
        mut self,
        callbacks: impl IntoIterator<Item = Box<dyn Callback + 'a>>,
    ) -> Self {
        self.callbacks.extend(callbacks);
        self
    }

    /// Sets whether the training data are measured after each epoch, with its final weights and
    /// without dropout; false by default: then loss and metrics are those of the batches as
    /// they were trained on. Takes about as long as a validation on the training data.
    #[must_use]
    pub const fn exact_metrics(mut self, exact: bool) -> Self {
        self.exact_metrics = exact;
        self
    }

    /// Checks every operation of every step, and fails at the first one that makes a NaN or an
    /// infinity of finite numbers: with operation, layer, epoch and batch. Several times slower.
    #[must_use]
    pub const fn debug(mut self) -> Self {
        self.debug = true;
        self
    }
}

/// How a model is to be evaluated.
pub struct Evaluate<'a> {
    pub(crate) batch_size: Option<usize>,
    pub(crate) steps: Option<usize>,
    pub(crate) verbose: Verbose,
    pub(crate) callbacks: Vec<Box<dyn Callback + 'a>>,
}

impl Default for Evaluate<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Evaluate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluate")
            .field("batch_size", &self.batch_size)
            .field("steps", &self.steps)
            .field("verbose", &self.verbose)
            .finish_non_exhaustive()
    }
}

impl<'a> Evaluate<'a> {
    /// Batches of 32, nothing shown.
    #[must_use]
    pub const fn new() -> Self {
        let (steps, verbose) = (None, Verbose::Silent);
        Self { batch_size: None, steps, verbose, callbacks: Vec::new() }
    }

    /// Sets the number of examples in a batch; by default so many that the
    /// [`steps`](Self::steps) see all examples, or 32.
    #[must_use]
    pub const fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = Some(batch_size);
        self
    }

    /// Sets after how many batches it ends; after all by default.
    #[must_use]
    pub const fn steps(mut self, steps: usize) -> Self {
        self.steps = Some(steps);
        self
    }

    /// Sets how much is shown: 0, 1 or 2; 0 by default.
    #[must_use]
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }

    /// Adds what watches, by its hooks of tests.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }
}
