//! The metrics.

mod accuracy;
mod auc;
mod confusion;
mod correlation;
mod f_score;
mod hinge;
mod iou;
mod operating_point;
mod probabilistic;
mod r2_score;
mod reduction;
mod regression;
pub(crate) mod setting;
mod thresholds;

use std::sync::Arc;

pub use accuracy::{
    Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy,
};
pub use auc::{AUC, Curve, Summation};
pub use confusion::{
    FalseNegatives, FalsePositives, Precision, Recall, TrueNegatives, TruePositives,
};
pub use correlation::{ConcordanceCorrelation, PearsonCorrelation};
pub use f_score::{Average, F1Score, FBetaScore};
pub use hinge::{CategoricalHinge, Hinge, SquaredHinge};
pub use iou::{BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU};
pub use operating_point::{
    PrecisionAtRecall, RecallAtPrecision, SensitivityAtSpecificity,
    SpecificityAtSensitivity,
};
pub use probabilistic::{
    BinaryCrossentropy, CategoricalCrossentropy, KLDivergence, Poisson,
    SparseCategoricalCrossentropy,
};
pub use r2_score::{Aggregation, R2Score};
pub use reduction::{Mean, MeanMetricWrapper, Sum};
pub use regression::{
    CosineSimilarity, LogCoshError, MeanAbsoluteError, MeanAbsolutePercentageError,
    MeanSquaredError, MeanSquaredLogarithmicError, RootMeanSquaredError,
};
pub use thresholds::Thresholds;

use crate::{Metric, Result};
use setting::Settings;

/// Keras's class, its other names, and how one is made of its settings.
pub(crate) struct Class {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) read: fn(&mut Settings) -> Result<Arc<dyn Metric>>,
}

/// A table of the classes that can be read from Keras's JSON.
macro_rules! classes {
    ($($class:ident $([$($alias:literal),+])?,)*) => {
        /// Every class.
        pub(crate) const CLASSES: &[Class] = &[$(Class {
            name: stringify!($class),
            aliases: &[$($($alias),+)?],
            read: |settings| Ok(Arc::new($class::read(settings)?)),
        },)*];
    };
}

classes! {
    AUC,
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy ["bce", "BCE"],
    BinaryIoU,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    ConcordanceCorrelation,
    CosineSimilarity,
    F1Score,
    FBetaScore,
    FalseNegatives,
    FalsePositives,
    Hinge,
    IoU,
    KLDivergence,
    LogCoshError,
    Mean,
    MeanAbsoluteError ["mae", "MAE"],
    MeanAbsolutePercentageError ["mape", "MAPE"],
    MeanIoU,
    MeanSquaredError ["mse", "MSE"],
    MeanSquaredLogarithmicError ["msle", "MSLE"],
    OneHotIoU,
    OneHotMeanIoU,
    PearsonCorrelation,
    Poisson,
    Precision,
    PrecisionAtRecall,
    R2Score,
    Recall,
    RecallAtPrecision,
    RootMeanSquaredError,
    SensitivityAtSpecificity,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SpecificityAtSensitivity,
    SquaredHinge,
    Sum,
    TopKCategoricalAccuracy,
    TrueNegatives,
    TruePositives,
}
