//! How often predictions are right.

use deckle_autograd::Var;
use deckle_nn::align;
use deckle_tensor::{DType, Dim, Part};

use super::setting::{check_finite, metric, metric_basics, no_sense, wrong_shapes};
use crate::{Direction, Metric, Result, metric::last};

metric! {
    /// The share of predictions that equal the truth.
    ///
    /// It compares numbers: for classes, see [`CategoricalAccuracy`] and its kin, or
    /// [`Accuracy`](crate::Accuracy) of the crate, which chooses one of them by the shapes.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::Accuracy};
    ///
    /// let (t, p) = (Tensor::from([1.0f32, 2.0, 3.0, 4.0]), Tensor::from([0.0f32, 2.0, 3.0, 4.0]));
    /// assert_eq!(Accuracy::new().measure(&t, &p, None)?.item::<f64>()?, 0.75);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.Accuracy`.
    Accuracy {}
}

impl Metric for Accuracy {
    metric_basics! { Accuracy }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let (t, p) = aligned("Accuracy", y_true, y_pred)?;
        Ok(t.cast(p.dtype())?.equal(&p)?.cast(DType::F32)?)
    }
}

metric! {
    /// The share of predictions on the right side of a threshold.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::BinaryAccuracy};
    ///
    /// let (t, p) = (Tensor::from([1.0f32, 1.0, 0.0, 0.0]), Tensor::from([0.98f32, 1.0, 0.0, 0.6]));
    /// assert_eq!(BinaryAccuracy::new().measure(&t, &p, None)?.item::<f64>()?, 0.75);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.BinaryAccuracy`: above the threshold (not at it) is a prediction of 1.
    BinaryAccuracy {
        /// Sets the threshold; a half by default.
        threshold: f64 = 0.5;
    }
}

impl Metric for BinaryAccuracy {
    metric_basics! { BinaryAccuracy }

    fn check(&self) -> Result<()> {
        check_finite("BinaryAccuracy", "threshold", self.threshold)
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let (t, p) = aligned("BinaryAccuracy", y_true, y_pred)?;
        let predicted =
            p.greater(&Var::scalar(p.dtype(), self.threshold))?.cast(DType::F32)?;
        Ok(t.cast(DType::F32)?.equal(&predicted)?.cast(DType::F32)?)
    }
}

metric! {
    /// The share of samples whose largest prediction is where the truth is largest.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::CategoricalAccuracy};
    ///
    /// let t = Tensor::from([[0.0f32, 0.0, 1.0], [0.0, 1.0, 0.0]]);
    /// let p = Tensor::from([[0.1f32, 0.9, 0.8], [0.05, 0.95, 0.0]]);
    /// assert_eq!(CategoricalAccuracy::new().measure(&t, &p, None)?.item::<f64>()?, 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.CategoricalAccuracy`.
    CategoricalAccuracy {}
}

impl Metric for CategoricalAccuracy {
    metric_basics! { CategoricalAccuracy }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        check_one_hot("CategoricalAccuracy", y_true, y_pred)?;
        Ok(y_true.argmax(-1)?.equal(&y_pred.argmax(-1)?)?.cast(DType::F32)?)
    }
}

metric! {
    /// The share of samples whose largest prediction is at the true label.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::SparseCategoricalAccuracy};
    ///
    /// let p = Tensor::from([[0.1f32, 0.6, 0.3], [0.05, 0.95, 0.0]]);
    /// let accuracy = SparseCategoricalAccuracy::new().measure(&Tensor::from([2, 1]), &p, None)?;
    /// assert_eq!(accuracy.item::<f64>()?, 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.SparseCategoricalAccuracy`.
    SparseCategoricalAccuracy {}
}

impl Metric for SparseCategoricalAccuracy {
    metric_basics! { SparseCategoricalAccuracy }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let labels = labels(y_true, y_pred)?.cast(DType::I64)?;
        check_labels("SparseCategoricalAccuracy", &labels, y_pred)?;
        Ok(labels.equal(&y_pred.argmax(-1)?)?.cast(DType::F32)?)
    }
}

metric! {
    /// The share of samples whose true class, where the truth is largest, is among the `k`
    /// largest predictions.
    ///
    /// A prediction that is as large as the `k`-th counts as among them.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::TopKCategoricalAccuracy};
    ///
    /// let t = Tensor::from([[0.0f32, 0.0, 1.0], [0.0, 1.0, 0.0]]);
    /// let p = Tensor::from([[0.1f32, 0.9, 0.8], [0.5, 0.1, 0.4]]);
    /// let metric = TopKCategoricalAccuracy::new().k(2);
    /// assert_eq!(metric.measure(&t, &p, None)?.item::<f64>()?, 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.TopKCategoricalAccuracy`.
    TopKCategoricalAccuracy {
        /// Sets how many predictions count; 5 by default.
        k: usize = 5;
    }
}

impl Metric for TopKCategoricalAccuracy {
    metric_basics! { TopKCategoricalAccuracy }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn check(&self) -> Result<()> {
        check_k("TopKCategoricalAccuracy", self.k)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let class = "TopKCategoricalAccuracy";
        check_one_hot(class, y_true, y_pred)?;
        in_top_k(class, &y_true.argmax(-1)?, y_pred, self.k)
    }
}

metric! {
    /// The share of samples whose true label is among the `k` largest predictions, or, if
    /// predictions are labels, the largest first, among the first `k`.
    ///
    /// A prediction that is as large as the `k`-th counts as among them.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::SparseTopKCategoricalAccuracy};
    ///
    /// let t = Tensor::from([2, 1]);
    /// let p = Tensor::from([[0.1f32, 0.9, 0.8], [0.5, 0.1, 0.4]]);
    /// let metric = SparseTopKCategoricalAccuracy::new().k(2);
    /// assert_eq!(metric.measure(&t, &p, None)?.item::<f64>()?, 0.5);
    ///
    /// let ids = Tensor::from([[1, 0, 2], [1, 0, 2]]);
    /// let metric = metric.from_sorted_ids(true);
    /// assert_eq!(metric.measure(&t, &ids, None)?.item::<f64>()?, 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.SparseTopKCategoricalAccuracy`.
    SparseTopKCategoricalAccuracy {
        /// Sets how many predictions count; 5 by default.
        k: usize = 5;
        /// Sets whether predictions are labels in order instead of the scores of all labels;
        /// false by default.
        from_sorted_ids: bool = false;
    }
}

impl Metric for SparseTopKCategoricalAccuracy {
    metric_basics! { SparseTopKCategoricalAccuracy }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn check(&self) -> Result<()> {
        check_k("SparseTopKCategoricalAccuracy", self.k)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let class = "SparseTopKCategoricalAccuracy";
        let labels = labels(y_true, y_pred)?;
        if !self.from_sorted_ids {
            return in_top_k(class, &labels.cast(DType::I64)?, y_pred, self.k);
        }
        check_labels(class, &labels, y_pred)?;
        let k = isize::try_from(self.k).unwrap_or(isize::MAX);
        let first = y_pred.slice((Part::Ellipsis, ..k))?;
        let labels = labels.cast(y_pred.dtype())?.expand_dims(-1)?;
        Ok(first.equal(&labels)?.any(-1)?.cast(DType::F32)?)
    }
}

fn check_k(class: &str, k: usize) -> Result<()> {
    if k > 0 {
        return Ok(());
    }
    Err(no_sense(class, "k", "1 or more").got(k))
}

/// Truth and predictions of one shape; either may lack a last axis of 1.
fn aligned(class: &str, y_true: &Var, y_pred: &Var) -> Result<(Var, Var)> {
    let (t, p) = align(y_true, y_pred)?;
    if t.shape().may_equal(p.shape()) {
        return Ok((t, p));
    }
    let expected = format_args!("truths of the predictions' shape {}", y_pred.shape());
    Err(wrong_shapes(class, expected).got(y_true.shape()))
}

fn check_one_hot(class: &str, y_true: &Var, y_pred: &Var) -> Result<()> {
    if y_true.shape().may_equal(y_pred.shape()) {
        return Ok(());
    }
    let expected =
        format_args!("one-hot truths of the predictions' shape {}", y_pred.shape());
    let help = format_args!("for labels that are integers use Sparse{class}");
    Err(wrong_shapes(class, expected).got(y_true.shape()).help(help))
}

/// Labels without a last axis of 1, if they have it.
fn labels(y_true: &Var, y_pred: &Var) -> Result<Var> {
    let ends_in_one = last(y_true) == Some(Dim::Known(1));
    Ok(if y_true.rank() == y_pred.rank() && ends_in_one {
        y_true.squeeze(-1)?
    } else {
        y_true.clone()
    })
}

fn check_labels(class: &str, labels: &Var, y_pred: &Var) -> Result<()> {
    if labels.rank() + 1 == y_pred.rank() {
        return Ok(());
    }
    let expected =
        format_args!("one class for each prediction of shape {}", y_pred.shape());
    Err(wrong_shapes(class, expected).got(labels.shape()))
}

/// Whether fewer than `k` predictions are larger than that of the true class.
fn in_top_k(class: &str, labels: &Var, y_pred: &Var, k: usize) -> Result<Var> {
    check_labels(class, labels, y_pred)?;
    let p = y_pred.cast(DType::F32)?;
    let classes = p.count_of(-1, DType::I64)?;
    let is_class = labels.greater_equal(0)?.and(&labels.less(&classes)?)?;
    let at = is_class.select(labels, 0)?.expand_dims(-1)?;
    let own = p.gather_along(-1, &at)?;
    let is_number = own.equal(&own)?.and(&is_class.expand_dims(-1)?)?;
    let own = is_number.select(&own, f64::NEG_INFINITY)?;
    let larger = p.greater(&own)?.cast(DType::F32)?.sum(-1)?;
    // As many as there are numbers up to 2²⁴.
    #[expect(clippy::cast_precision_loss, reason = "more classes than that do not fit")]
    Ok(larger.less(k as f64)?.and(&is_class)?.cast(DType::F32)?)
}
