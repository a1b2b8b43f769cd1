//! The losses.

mod binary_crossentropy;
mod categorical_crossentropy;
mod circle;
mod crossentropy;
mod ctc;
mod divergence;
mod focal;
mod generalized;
mod hinge;
mod labels;
mod mean_absolute_error;
mod mean_squared_error;
mod overlap;
mod regression;
mod setting;
mod sparse_categorical_crossentropy;

pub use binary_crossentropy::BinaryCrossentropy;
pub use categorical_crossentropy::CategoricalCrossentropy;
pub use circle::Circle;
pub(crate) use crossentropy::Crossentropy;
pub use ctc::CTC;
pub use divergence::{KLDivergence, Poisson};
pub use focal::{Alpha, BinaryFocalCrossentropy, CategoricalFocalCrossentropy};
pub use generalized::CategoricalGeneralizedCrossEntropy;
pub use hinge::{CategoricalHinge, Hinge, SquaredHinge};
pub use mean_absolute_error::MeanAbsoluteError;
pub use mean_squared_error::MeanSquaredError;
pub use overlap::{Dice, Tversky};
pub use regression::{
    CosineSimilarity, Huber, LogCosh, MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
};
pub use sparse_categorical_crossentropy::SparseCategoricalCrossentropy;
