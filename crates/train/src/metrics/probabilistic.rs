//! Distances of distributions.

use deckle_autograd::Var;
use deckle_nn::losses;

use super::{
    regression::{of_loss, update_by_loss},
    setting::{check_share, metric, metric_basics},
};
use crate::{Direction, Metric, Result};

metric! {
    /// The mean of `Σ t · ln(t / p)` over the last axis: how much is lost if `p` stands for `t`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::KLDivergence};
    ///
    /// let (t, p) = (Tensor::from([[0.0f32, 1.0]]), Tensor::from([[0.5f32, 0.5]]));
    /// let divergence = KLDivergence::new().measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((divergence - 2.0f64.ln()).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.KLDivergence`.
    KLDivergence {}
}

impl Metric for KLDivergence {
    metric_basics! { KLDivergence, "kl_divergence" }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Down)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        of_loss(&losses::KLDivergence::new(), y_true, y_pred)
    }
}

metric! {
    /// The mean of `p - t · ln(p)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::Poisson};
    ///
    /// let (t, p) = (Tensor::from([[0.0f32, 1.0]]), Tensor::from([[1.0f32, 1.0]]));
    /// let loss = Poisson::new().measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((loss - 1.0).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.Poisson`.
    Poisson {}
}

impl Metric for Poisson {
    metric_basics! { Poisson }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Down)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        of_loss(&losses::Poisson::new(), y_true, y_pred)
    }
}

metric! {
    /// The mean cross-entropy of classes that are true or not.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::BinaryCrossentropy};
    ///
    /// let (t, p) = (Tensor::from([[0.0f32, 1.0]]), Tensor::from([[0.0f32, 0.0]]));
    /// let metric = BinaryCrossentropy::new().from_logits(true);
    /// let entropy = metric.measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((entropy - 2.0f64.ln()).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.BinaryCrossentropy`.
    BinaryCrossentropy {
        /// Sets whether predictions are logits instead of probabilities; false by default.
        from_logits: bool = false;
        /// Sets how far the truth is moved to a half; 0 by default.
        label_smoothing: f64 = 0.0;
    }
}

impl Metric for BinaryCrossentropy {
    metric_basics! { BinaryCrossentropy }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Down)
    }

    fn check(&self) -> Result<()> {
        check_share("BinaryCrossentropy", "label_smoothing", self.label_smoothing)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let loss = losses::BinaryCrossentropy::new()
            .from_logits(self.from_logits)
            .label_smoothing(self.label_smoothing);
        of_loss(&loss, y_true, y_pred)
    }
}

metric! {
    /// The mean cross-entropy of classes given as one-hot vectors.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::CategoricalCrossentropy};
    ///
    /// let (t, p) = (Tensor::from([[0.0f32, 1.0]]), Tensor::from([[0.5f32, 0.5]]));
    /// let metric = CategoricalCrossentropy::new();
    /// let entropy = metric.measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((entropy - 2.0f64.ln()).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.CategoricalCrossentropy`.
    CategoricalCrossentropy {
        /// Sets whether predictions are logits instead of probabilities; false by default.
        from_logits: bool = false;
        /// Sets how far the truth is moved to equal shares; 0 by default.
        label_smoothing: f64 = 0.0;
        /// Sets the axis of the classes; the last by default.
        axis: isize = -1;
    }
}

impl Metric for CategoricalCrossentropy {
    metric_basics! { CategoricalCrossentropy }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Down)
    }

    fn check(&self) -> Result<()> {
        check_share("CategoricalCrossentropy", "label_smoothing", self.label_smoothing)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let loss = losses::CategoricalCrossentropy::new()
            .from_logits(self.from_logits)
            .label_smoothing(self.label_smoothing)
            .axis(self.axis);
        of_loss(&loss, y_true, y_pred)
    }
}

metric! {
    /// The mean cross-entropy of classes given as integers.
    ///
    /// As in Keras, samples of the class to ignore count as zeros, unless samples have weights:
    /// then they do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::SparseCategoricalCrossentropy};
    ///
    /// let p = Tensor::from([[0.5f32, 0.5]]);
    /// let metric = SparseCategoricalCrossentropy::new();
    /// let entropy = metric.measure(&Tensor::from([1]), &p, None)?.item::<f64>()?;
    /// assert!((entropy - 2.0f64.ln()).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.SparseCategoricalCrossentropy`.
    SparseCategoricalCrossentropy {
        /// Sets whether predictions are logits instead of probabilities; false by default.
        from_logits: bool = false;
        /// Sets the axis of the classes; the last by default.
        axis: isize = -1;
    } optional {
        /// Sets a label whose samples do not count; none by default.
        ignore_class: i64 = i64;
    }
}

impl SparseCategoricalCrossentropy {
    fn loss(&self) -> losses::SparseCategoricalCrossentropy {
        let loss = losses::SparseCategoricalCrossentropy::new()
            .from_logits(self.from_logits)
            .axis(self.axis);
        match self.ignore_class {
            Some(label) => loss.ignore_class(label),
            None => loss,
        }
    }
}

impl Metric for SparseCategoricalCrossentropy {
    metric_basics! { SparseCategoricalCrossentropy }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Down)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        of_loss(&self.loss(), y_true, y_pred)
    }

    fn update(
        &self,
        state: &[Var],
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        update_by_loss(&self.loss(), state, [y_true, y_pred], weights)
    }
}
