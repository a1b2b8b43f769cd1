//! When a value is better than another: [`Mode`], and [`Monitor`] for what is watched.

use crate::{Context, Error, Logs, Result};

/// Whether a value is better when it is smaller or larger.
///
/// # Keras
///
/// `mode` of callbacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As the loss or metric of that name has it.
    #[default]
    Auto,
    /// Smaller is better.
    Min,
    /// Larger is better.
    Max,
}

/// [`Mode`], when it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Smaller,
    Larger,
}

/// The metrics, by Keras's names of their classes, of which larger is better.
const LARGER: &[&str] = &[
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "Precision",
    "Recall",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "PrecisionAtRecall",
    "RecallAtPrecision",
    "AUC",
    "PearsonCorrelation",
    "ConcordanceCorrelation",
    "FBetaScore",
    "F1Score",
    "IoU",
    "BinaryIoU",
    "MeanIoU",
    "OneHotIoU",
    "OneHotMeanIoU",
    "CosineSimilarity",
    "R2Score",
];

/// Those of which smaller is better.
const SMALLER: &[&str] = &[
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
    "KLDivergence",
    "Poisson",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "MeanSquaredError",
    "RootMeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "LogCoshError",
];

impl Better {
    /// That of the metric whose class has that name in Keras.
    pub(crate) fn of_class(class: &str) -> Option<Self> {
        match class {
            _ if LARGER.contains(&class) => Some(Self::Larger),
            _ if SMALLER.contains(&class) => Some(Self::Smaller),
            _ => None,
        }
    }
}

/// A value of the logs that is watched, and when it counts as better.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) min_delta: f64,
    better: Better,
}

impl Monitor {
    pub(crate) fn new(name: &str, min_delta: f64) -> Self {
        let (name, better) = (name.to_owned(), Better::Smaller);
        Self { name, mode: Mode::Auto, min_delta, better }
    }

    /// Finds out when the value is better; fails if there is no such value.
    pub(crate) fn resolve(&mut self, context: &Context<'_>) -> Result<()> {
        if !self.min_delta.is_finite() {
            return Err(
                Error::invalid("min_delta", "a finite number").got(self.min_delta)
            );
        }
        let (name, names) = (&self.name, context.names());
        if !names.contains(name) {
            let known: Vec<_> = names.iter().map(|known| format!("`{known}`")).collect();
            let error = Error::invalid(
                format_args!("cannot monitor `{name}`"),
                format_args!("one of {}", known.join(", ")),
            )
            .got(format_args!("`{name}`"));
            let validates = names.iter().any(|known| known.starts_with("val_"));
            return Err(match name.strip_prefix("val_") {
                Some(own) if !validates && names.iter().any(|known| known == own) => {
                    error.help("validate: Fit::validation_split or Fit::validation_data")
                }
                _ => error.help("name one of these: .monitor(\"loss\")"),
            });
        }
        self.better = match self.mode {
            Mode::Min => Better::Smaller,
            Mode::Max => Better::Larger,
            Mode::Auto => context.better(name).ok_or_else(|| {
                Error::invalid(
                    format_args!("cannot tell when `{name}` is better"),
                    "a loss, or a metric of Keras's",
                )
                .got(format_args!("`{name}`"))
                .help("say so: .mode(Mode::Max) or .mode(Mode::Min)")
            })?,
        };
        Ok(())
    }

    /// The value in an epoch's logs; not every epoch has those of validation.
    pub(crate) fn value(&self, logs: &Logs) -> Option<f64> {
        logs.get(&self.name)
    }

    /// Whether a value is better than another by more than `min_delta`; than none, always.
    pub(crate) fn is_better(&self, value: f64, than: Option<f64>) -> bool {
        let Some(than) = than else { return true };
        match self.better {
            Better::Smaller => value + self.min_delta < than,
            Better::Larger => value - self.min_delta > than,
        }
    }
}

/// The setters of what callbacks that monitor have in common.
macro_rules! monitor_setters {
    () => {
        /// Sets the value of the logs that decides; `val_loss` by default.
        #[must_use]
        pub fn monitor(mut self, name: &str) -> Self {
            name.clone_into(&mut self.monitor.name);
            self
        }

        /// Sets whether smaller or larger is better; as the metric has it by default.
        #[must_use]
        pub const fn mode(mut self, mode: $crate::callbacks::Mode) -> Self {
            self.monitor.mode = mode;
            self
        }
    };
    ($default:literal) => {
        $crate::callbacks::monitor::monitor_setters!();

        #[doc = concat!("Sets by how much a value has to be better; ", $default, " by default.")]
        #[must_use]
        pub const fn min_delta(mut self, min_delta: f64) -> Self {
            self.monitor.min_delta = min_delta.abs();
            self
        }
    };
}
pub(crate) use monitor_setters;
