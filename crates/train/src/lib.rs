//! compile, fit, evaluate, predict, save and load for Deckle's models.
#![forbid(unsafe_code)]

mod class_weight;
mod compile;
mod error;
mod history;
mod metric;
pub mod metrics;
mod predictor;
mod progress;
mod report;
mod save;
mod step;
mod tensor_board;
mod trainer;

pub use compile::{Compile, Trainable};
pub use error::{Error, Result};
pub use history::{History, Logs};
pub use metric::{Accuracy, AnyMetric, Metric};
pub use predictor::Predictor;
pub use progress::Verbose;
pub use report::{ClassScores, ClassificationReport, ConfusionMatrix};
pub use save::{Saved, check_path, load, load_model, load_with, save_model};
pub use tensor_board::TensorBoard;
pub use trainer::{Evaluate, Fit, Trainer};
