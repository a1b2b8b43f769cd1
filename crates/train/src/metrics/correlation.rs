//! How far predictions go with the truth.

use deckle_autograd::Var;
use deckle_nn::align;
use deckle_tensor::{DType, keep};

use super::setting::{metric, metric_basics};
use crate::{Direction, Metric, Result};

/// Truth and prediction of one rank, as `F32`.
fn pair(y_true: &Var, y_pred: &Var) -> Result<(Var, Var)> {
    let (t, p) = align(y_true, y_pred)?;
    Ok((t.cast(DType::F32)?, p.cast(DType::F32)?))
}

metric! {
    /// The mean correlation: covariance of truth and prediction along an axis, divided by both
    /// standard deviations; NaN where one does not vary.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::PearsonCorrelation};
    ///
    /// let t = Tensor::from([[0.0f32, 1.0, 0.5], [1.0, 1.0, 0.2]]);
    /// let p = Tensor::from([[0.1f32, 0.9, 0.5], [1.0, 0.9, 0.2]]);
    /// let correlation = PearsonCorrelation::new().measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((correlation - 0.996_700).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.PearsonCorrelation`.
    PearsonCorrelation {
        /// Sets the axis along which values are compared; the last by default.
        axis: isize = -1;
    }
}

impl Metric for PearsonCorrelation {
    metric_basics! { PearsonCorrelation }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let (t, p) = pair(y_true, y_pred)?;
        let standard = |x: &Var| -> Result<Var> {
            let centered = x.sub(&x.mean(keep(self.axis))?)?;
            let deviation = centered.square()?.mean(keep(self.axis))?.sqrt()?;
            Ok(centered.div(&deviation)?)
        };
        Ok(standard(&t)?.mul(&standard(&p)?)?.mean(self.axis)?)
    }
}

metric! {
    /// The mean concordance: how close predictions along an axis come to the truth itself, not
    /// only to a line: `2 · cov(t, p) / (var(t) + var(p) + (mean(t) - mean(p))²)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::ConcordanceCorrelation};
    ///
    /// let t = Tensor::from([[0.0f32, 1.0, 0.5], [1.0, 1.0, 0.2]]);
    /// let p = Tensor::from([[0.1f32, 0.9, 0.5], [1.0, 0.9, 0.2]]);
    /// let concordance = ConcordanceCorrelation::new().measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((concordance - 0.981_632).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.ConcordanceCorrelation`.
    ConcordanceCorrelation {
        /// Sets the axis along which values are compared; the last by default.
        axis: isize = -1;
    }
}

impl Metric for ConcordanceCorrelation {
    metric_basics! { ConcordanceCorrelation }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let (t, p) = pair(y_true, y_pred)?;
        let mean = |x: &Var| x.mean(keep(self.axis));
        let (mean_t, mean_p) = (mean(&t)?, mean(&p)?);
        let variance = |x: &Var, of: &Var| mean(&x.sub(of)?.square()?);
        let apart = mean_t.sub(&mean_p)?.square()?;
        let norm = variance(&t, &mean_t)?.add(&variance(&p, &mean_p)?)?.add(&apart)?;
        let covariance = t.sub(&mean_p)?.mul(&p.sub(&mean_p)?)?;
        Ok((covariance * 2.0).div(&(norm + 1e-7))?.mean(self.axis)?)
    }
}
