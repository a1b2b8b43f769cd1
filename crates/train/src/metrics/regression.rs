//! Errors of numbers.

use deckle_autograd::Var;
use deckle_nn::{Loss, align, losses};
use deckle_tensor::{DType, Tensor};

use super::setting::{metric, metric_basics};
use crate::{
    Direction, Metric, Result,
    metric::{masked, mean_result, mean_update},
};

/// The losses of samples, whose truth may lack, or have, a last axis of 1.
pub(super) fn of_loss(loss: &dyn Loss, y_true: &Var, y_pred: &Var) -> Result<Var> {
    let (t, p) = align(y_true, y_pred)?;
    Ok(loss.per_sample(&t, &p)?)
}

/// The state of a mean with the losses of more samples: those that the loss takes out count as
/// zeros, or, if samples have weights, not at all.
pub(super) fn update_by_loss(
    loss: &dyn Loss,
    state: &[Var],
    [y_true, y_pred]: [&Var; 2],
    weights: Option<&Var>,
) -> Result<Vec<Var>> {
    let (t, p) = align(y_true, y_pred)?;
    let values = loss.per_sample(&t, &p)?;
    let weights = match (weights, loss.counted(&t, &p)?) {
        (Some(weights), Some(counted)) => Some(masked(weights, &counted)?),
        (weights, _) => weights.cloned(),
    };
    mean_update(state, &values, weights.as_ref())
}

macro_rules! errors {
    ($($(#[$about:meta])* $name:ident, $snake:literal, $loss:ident;)*) => {$(
        metric! {
            $(#[$about])*
            $name {}
        }

        impl Metric for $name {
            metric_basics! { $name, $snake }

            fn direction(&self) -> Option<Direction> {
                Some(Direction::Down)
            }

            fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
                of_loss(&losses::$loss::new(), y_true, y_pred)
            }
        }
    )*};
}

errors! {
    /// The mean of `(p - t)²`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::MeanSquaredError};
    ///
    /// let (t, p) = (Tensor::from([[1.0f32, 2.0]]), Tensor::from([[1.0f32, 4.0]]));
    /// assert_eq!(MeanSquaredError::new().measure(&t, &p, None)?.item::<f64>()?, 2.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.MeanSquaredError`.
    MeanSquaredError, "mean_squared_error", MeanSquaredError;

    /// The mean of `|p - t|`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::MeanAbsoluteError};
    ///
    /// let (t, p) = (Tensor::from([[1.0f32, 2.0]]), Tensor::from([[1.0f32, 4.0]]));
    /// assert_eq!(MeanAbsoluteError::new().measure(&t, &p, None)?.item::<f64>()?, 1.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.MeanAbsoluteError`.
    MeanAbsoluteError, "mean_absolute_error", MeanAbsoluteError;

    /// The mean of `100 · |p - t| / max(|t|, 1e-7)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::MeanAbsolutePercentageError};
    ///
    /// let (t, p) = (Tensor::from([[1.0f32, 2.0]]), Tensor::from([[1.0f32, 4.0]]));
    /// let metric = MeanAbsolutePercentageError::new();
    /// assert_eq!(metric.measure(&t, &p, None)?.item::<f64>()?, 50.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.MeanAbsolutePercentageError`.
    MeanAbsolutePercentageError, "mean_absolute_percentage_error",
    MeanAbsolutePercentageError;

    /// The mean of `(ln(p + 1) - ln(t + 1))²`, where `p` and `t` are at least 1e-7.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::MeanSquaredLogarithmicError};
    ///
    /// let (t, p) = (Tensor::from([[0.0f32, 1.0]]), Tensor::from([[0.0f32, 3.0]]));
    /// let error = MeanSquaredLogarithmicError::new().measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((error - 0.240_227).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.MeanSquaredLogarithmicError`.
    MeanSquaredLogarithmicError, "mean_squared_logarithmic_error",
    MeanSquaredLogarithmicError;

    /// The mean of `ln(cosh(p - t))`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::LogCoshError};
    ///
    /// let (t, p) = (Tensor::from([[0.0f32, 0.0]]), Tensor::from([[1.0f32, 0.0]]));
    /// let error = LogCoshError::new().measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((error - 0.216_89).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.LogCoshError`, named `logcosh`.
    LogCoshError, "logcosh", LogCosh;
}

metric! {
    /// The root of the mean of `(p - t)²` over all samples.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::RootMeanSquaredError};
    ///
    /// let (t, p) = (Tensor::from([1.0f32, 2.0]), Tensor::from([1.0f32, 2.0f32.sqrt() + 2.0]));
    /// let error = RootMeanSquaredError::new().measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((error - 1.0).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.RootMeanSquaredError`.
    RootMeanSquaredError {}
}

impl Metric for RootMeanSquaredError {
    metric_basics! { RootMeanSquaredError }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Down)
    }

    fn takes_mask(&self) -> bool {
        false
    }

    fn update(
        &self,
        state: &[Var],
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        let (t, p) = align(y_true, y_pred)?;
        let error = p.cast(DType::F32)?.sub(&t.cast(DType::F32)?)?;
        mean_update(state, &error.square()?, weights)
    }

    fn result(&self, state: &[Tensor]) -> Result<Tensor> {
        Ok(Tensor::scalar(mean_result(state)?.sqrt()))
    }
}

metric! {
    /// The mean cosine of the angle between prediction and truth: 1 where they point in one
    /// direction, -1 where in opposite ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::CosineSimilarity};
    ///
    /// let t = Tensor::from([[0.0f32, 1.0], [1.0, 1.0]]);
    /// let p = Tensor::from([[1.0f32, 0.0], [1.0, 1.0]]);
    /// let similarity = CosineSimilarity::new().measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((similarity - 0.5).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.CosineSimilarity`; unlike the loss, larger is better.
    CosineSimilarity {
        /// Sets the axis of the vectors; the last by default.
        axis: isize = -1;
    }
}

impl Metric for CosineSimilarity {
    metric_basics! { CosineSimilarity }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let loss = losses::CosineSimilarity::new().axis(self.axis);
        Ok(of_loss(&loss, y_true, y_pred)?.neg()?)
    }
}
