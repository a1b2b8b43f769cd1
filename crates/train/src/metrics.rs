//! The metrics.

use deckle_autograd::Var;
use deckle_nn::{Loss, align, losses};
use deckle_tensor::{DType, Dim};
use serde_json::{Map, Value};

use crate::{Metric, Result};

/// Declares a metric without settings whose samples' values an expression gives.
macro_rules! mean_metric {
    ($(
        $(#[$doc:meta])*
        $metric:ident, $class:literal, $name:literal, |$t:ident, $p:ident| $values:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $metric;

        impl $metric {
            /// The metric with Keras's defaults.
            #[must_use]
            pub const fn new() -> Self {
                Self
            }
        }

        impl Metric for $metric {
            fn name(&self) -> String {
                $name.to_owned()
            }

            fn class_name(&self) -> &'static str {
                $class
            }

            fn per_sample(&self, $t: &Var, $p: &Var) -> Result<Var> {
                $values
            }
        }
    )*};
}

mean_metric! {
    /// The mean of `(p - t)²`.
    ///
    /// # Keras
    ///
    /// `keras.metrics.MeanSquaredError`.
    MeanSquaredError, "MeanSquaredError", "mean_squared_error", |t, p| {
        let (t, p) = align(t, p)?;
        Ok(losses::MeanSquaredError::new().per_sample(&t, &p)?)
    };

    /// The mean of `|p - t|`.
    ///
    /// # Keras
    ///
    /// `keras.metrics.MeanAbsoluteError`.
    MeanAbsoluteError, "MeanAbsoluteError", "mean_absolute_error", |t, p| {
        let (t, p) = align(t, p)?;
        Ok(losses::MeanAbsoluteError::new().per_sample(&t, &p)?)
    };

    /// The share of samples whose largest prediction is where the truth is largest.
    ///
    /// # Keras
    ///
    /// `keras.metrics.CategoricalAccuracy`.
    CategoricalAccuracy, "CategoricalAccuracy", "categorical_accuracy", |t, p| {
        Ok(t.argmax(-1)?.equal(&p.argmax(-1)?)?.cast(DType::F32)?)
    };

    /// The share of samples whose largest prediction is at the true label.
    ///
    /// # Keras
    ///
    /// `keras.metrics.SparseCategoricalAccuracy`.
    SparseCategoricalAccuracy, "SparseCategoricalAccuracy", "sparse_categorical_accuracy", |t, p| {
        let ends_in_one = t.shape().dims().last() == Some(&Dim::Known(1));
        let labels = if t.rank() == p.rank() && ends_in_one { t.squeeze(-1)? } else { t.clone() };
        Ok(labels.cast(DType::I64)?.equal(&p.argmax(-1)?)?.cast(DType::F32)?)
    };
}

/// The share of predictions on the right side of a threshold.
///
/// # Keras
///
/// `keras.metrics.BinaryAccuracy`: above the threshold (not at it) is a prediction of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BinaryAccuracy {
    threshold: f64,
}

impl Default for BinaryAccuracy {
    fn default() -> Self {
        Self::new()
    }
}

impl BinaryAccuracy {
    /// The metric with Keras's threshold, a half.
    #[must_use]
    pub const fn new() -> Self {
        Self { threshold: 0.5 }
    }

    /// Sets the threshold; a half by default.
    #[must_use]
    pub const fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }
}

impl Metric for BinaryAccuracy {
    fn name(&self) -> String {
        "binary_accuracy".to_owned()
    }

    fn class_name(&self) -> &'static str {
        "BinaryAccuracy"
    }

    fn config(&self) -> Map<String, Value> {
        let mut config = Map::new();
        if self.threshold.to_bits() != Self::new().threshold.to_bits() {
            config.insert("threshold".to_owned(), Value::from(self.threshold));
        }
        config
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let (t, p) = align(y_true, y_pred)?;
        let predicted =
            p.greater(&Var::scalar(p.dtype(), self.threshold))?.cast(DType::F32)?;
        Ok(t.cast(DType::F32)?.equal(&predicted)?.cast(DType::F32)?.mean(-1)?)
    }
}
