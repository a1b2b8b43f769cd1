//! The cross-entropy of classes given as integers.

use deckle_autograd::Var;
use deckle_tensor::{DType, Tensor, keep, resolve_axis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{binary_crossentropy::last, labels::labels};
use crate::{Error, Loss, Reduction, Result, loss::EPSILON};

/// The cross-entropy of classes given as integers: `-ln p[t]`.
///
/// From logits, or if the prediction is a softmax's output, it is computed from the logarithm of
/// the softmax; other predictions are divided by their sum and clipped to [1e-7, 1 - 1e-7]. A
/// label outside the classes is an error of the step.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Loss, losses::SparseCategoricalCrossentropy};
/// use deckle_tensor::Tensor;
///
/// let y_true = Var::constant(&Tensor::new(vec![1i64], [1])?);
/// let y_pred = Var::constant(&Tensor::new(vec![0.5f32, 0.5], [1, 2])?);
/// let loss = SparseCategoricalCrossentropy::new().call(&y_true, &y_pred, None, None)?;
/// assert!((loss.eval()?.item::<f32>()? - 2.0f32.ln()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keras
///
/// `keras.losses.SparseCategoricalCrossentropy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SparseCategoricalCrossentropy {
    #[serde(default)]
    reduction: Reduction,
    #[serde(default)]
    from_logits: bool,
    #[serde(default)]
    ignore_class: Option<i64>,
    #[serde(default = "last")]
    axis: isize,
}

impl Default for SparseCategoricalCrossentropy {
    fn default() -> Self {
        Self::new()
    }
}

impl SparseCategoricalCrossentropy {
    /// The loss with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        let reduction = Reduction::default();
        Self { reduction, from_logits: false, ignore_class: None, axis: last() }
    }

    /// Sets whether predictions are logits instead of probabilities; false by default.
    #[must_use]
    pub fn from_logits(mut self, from_logits: bool) -> Self {
        self.from_logits = from_logits;
        self
    }

    /// Sets a label whose samples do not count; none by default.
    #[must_use]
    pub fn ignore_class(mut self, label: i64) -> Self {
        self.ignore_class = Some(label);
        self
    }

    /// Sets the axis of the classes; the last by default.
    #[must_use]
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    /// Sets how the samples' losses become one number; their mean by default.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Targets and predictions with the classes in the last axis.
    fn at_the_end(&self, y_true: &Var, y_pred: &Var) -> Result<(Var, Var)> {
        let axis = resolve_axis("axis", self.axis, y_pred.rank())?;
        if axis + 1 == y_pred.rank() {
            return Ok((y_true.clone(), y_pred.clone()));
        }
        let at = axis.cast_signed();
        // Labels may have an axis of 1 where predictions have one of classes.
        let labels = if y_true.rank() == y_pred.rank() {
            y_true.move_axis(at, -1)?
        } else {
            y_true.clone()
        };
        Ok((labels, y_pred.move_axis(at, -1)?))
    }

    /// The labels, one for each prediction, as integers.
    fn labels(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let help = "for one-hot targets use CategoricalCrossentropy";
        let labels = labels(self.class_name(), help, y_true, y_pred)?;
        if labels.dtype().is_float() {
            // NaN is not equal to itself. What is no whole number is made no class.
            let is_whole = labels.equal(&labels.floor()?)?;
            let none = Var::constant(&Tensor::scalar(i64::MIN));
            return Ok(is_whole.select(&labels.cast(DType::I64)?, &none)?);
        }
        // A label to ignore may not fit into a smaller type.
        let fits = labels.dtype().is_integer() && self.ignore_class.is_none();
        Ok(if fits { labels } else { labels.cast(DType::I64)? })
    }

    fn values(&self, labels: &Var, y_pred: &Var) -> Result<Var> {
        let logits =
            if self.from_logits { Some(y_pred) } else { y_pred.logits_of_softmax(-1) };
        if let Some(x) = logits {
            return Ok(x.sparse_softmax_cross_entropy(labels)?);
        }
        let p = y_pred.div(&y_pred.sum(keep(-1))?)?.clip(EPSILON, 1.0 - EPSILON)?;
        let picked = p.gather_along(-1, &labels.expand_dims(-1)?)?.squeeze([-1])?;
        Ok(0.0 - picked.log()?)
    }
}

impl Loss for SparseCategoricalCrossentropy {
    fn class_name(&self) -> &'static str {
        "SparseCategoricalCrossentropy"
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let (y_true, y_pred) = self.at_the_end(y_true, y_pred)?;
        let labels = self.labels(&y_true, &y_pred)?;
        let Some(ignored) = self.ignore_class else {
            return self.values(&labels, &y_pred);
        };
        let counts = labels.not_equal(ignored)?;
        let values = self.values(&counts.select(&labels, 0)?, &y_pred)?;
        Ok(counts.select(&values, 0.0)?)
    }

    fn counted(&self, y_true: &Var, y_pred: &Var) -> Result<Option<Var>> {
        let Some(ignored) = self.ignore_class else { return Ok(None) };
        let (y_true, y_pred) = self.at_the_end(y_true, y_pred)?;
        Ok(Some(self.labels(&y_true, &y_pred)?.not_equal(ignored)?))
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn config(&self) -> Result<Value> {
        serde_json::to_value(self)
            .map_err(|error| Error::invalid("settings of a loss", error))
    }
}
