//! The cross-entropy of classes given as shares.

use deckle_autograd::Var;
use deckle_tensor::keep;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::binary_crossentropy::last;
use crate::{
    Error, Loss, Reduction, Result, expect,
    loss::{EPSILON, as_float},
};

/// The cross-entropy of classes given as shares, usually one-hot: `-Σ t · ln p`.
///
/// From logits, or if the prediction is a softmax's output, it is computed from the logarithm of
/// the softmax; other predictions are divided by their sum and clipped to [1e-7, 1 - 1e-7].
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Loss, losses::CategoricalCrossentropy};
/// use deckle_tensor::Tensor;
///
/// let y_true = Var::constant(&Tensor::new(vec![0.0f32, 1.0], [1, 2])?);
/// let y_pred = Var::constant(&Tensor::new(vec![0.5f32, 0.5], [1, 2])?);
/// let loss = CategoricalCrossentropy::new().call(&y_true, &y_pred, None, None)?;
/// assert!((loss.eval()?.item::<f32>()? - 2.0f32.ln()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keras
///
/// `keras.losses.CategoricalCrossentropy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoricalCrossentropy {
    #[serde(default)]
    reduction: Reduction,
    #[serde(default)]
    from_logits: bool,
    #[serde(default)]
    label_smoothing: f64,
    #[serde(default = "last")]
    axis: isize,
}

impl Default for CategoricalCrossentropy {
    fn default() -> Self {
        Self::new()
    }
}

impl CategoricalCrossentropy {
    /// The loss with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        let reduction = Reduction::default();
        Self { reduction, from_logits: false, label_smoothing: 0.0, axis: last() }
    }

    /// Sets whether predictions are logits instead of probabilities; false by default.
    #[must_use]
    pub fn from_logits(mut self, from_logits: bool) -> Self {
        self.from_logits = from_logits;
        self
    }

    /// Sets how far the truth is moved to equal shares: `t · (1 - s) + s / classes`; 0 by
    /// default.
    #[must_use]
    pub fn label_smoothing(mut self, label_smoothing: f64) -> Self {
        self.label_smoothing = label_smoothing;
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
}

impl Loss for CategoricalCrossentropy {
    fn class_name(&self) -> &'static str {
        "CategoricalCrossentropy"
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        expect::rate("label_smoothing", self.label_smoothing)?;
        let classes = (y_true.shape().dim(self.axis)?, y_pred.shape().dim(self.axis)?);
        if y_true.rank() != y_pred.rank() || !classes.0.may_equal(classes.1) {
            return Err(Error::invalid(
                "loss CategoricalCrossentropy: cannot take these targets",
                format_args!(
                    "one-hot targets of the prediction's shape {}",
                    y_pred.shape()
                ),
            )
            .got(y_true.shape())
            .help("for labels that are integers use SparseCategoricalCrossentropy"));
        }
        let mut t = as_float(y_true, y_pred)?;
        if self.label_smoothing > 0.0 {
            // Keras takes the length of the last axis, wherever the classes are.
            let share = self.label_smoothing / y_pred.count_of(-1, t.dtype())?;
            t = (t * (1.0 - self.label_smoothing)).add(&share)?;
        }
        let logits = if self.from_logits {
            Some(y_pred)
        } else {
            y_pred.logits_of_softmax(self.axis)
        };
        if let Some(x) = logits {
            let last = y_pred.rank().cast_signed() - 1;
            if self.axis == -1 || self.axis == last {
                return Ok(x.softmax_cross_entropy(&t)?);
            }
            return Ok(0.0 - t.mul(&x.log_softmax(self.axis)?)?.sum(self.axis)?);
        }
        let p =
            y_pred.div(&y_pred.sum(keep(self.axis))?)?.clip(EPSILON, 1.0 - EPSILON)?;
        Ok(0.0 - t.mul(&p.log()?)?.sum(self.axis)?)
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn config(&self) -> Result<Value> {
        serde_json::to_value(self)
            .map_err(|error| Error::invalid("settings of a loss", error))
    }
}
