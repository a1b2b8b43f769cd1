//! compile, fit, evaluate, predict, save and load for Deckle's models.
#![forbid(unsafe_code)]

mod any_metric;
mod augmented;
mod callback;
pub mod callbacks;
mod checkpoint;
mod class_weight;
mod compile;
mod context;
mod debug;
mod error;
mod feed;
mod fit;
mod history;
mod metric;
mod metric_state;
pub mod metrics;
mod predictor;
mod progress;
mod report;
mod run;
mod save;
mod spread;
mod step;
mod trainer;

pub use any_metric::{Accuracy, AnyMetric};
pub use augmented::augmented;
pub use callback::{Callback, State};
pub use compile::{Compile, Trainable};
pub use context::Context;
pub use error::{Error, Result};
pub use feed::Source;
pub use fit::{Evaluate, Fit, ValidationFreq};
pub use history::{History, Logs};
pub use metric::{Direction, Metric, mean_update};
pub use metric_state::MetricState;
pub use predictor::Predictor;
pub use progress::Verbose;
pub use report::{ClassScores, ClassificationReport, ConfusionMatrix};
pub use save::{Saved, check_path, load, load_model, load_with, save_model};
pub use spread::{Fold, Spread, k_fold, over_seeds};
pub use trainer::Trainer;
