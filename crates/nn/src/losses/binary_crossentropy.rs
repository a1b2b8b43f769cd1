//! The binary cross-entropy.

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Loss, Reduction, Result, expect,
    loss::{EPSILON, as_float},
};

/// The cross-entropy of two classes: the mean of `-t · ln p - (1 - t) · ln(1 - p)` over the
/// last axis.
///
/// From logits, or if the prediction is a sigmoid's output, it is computed as
/// `max(x, 0) - x · t + ln(1 + e^-|x|)`, which no logit makes infinite; other probabilities are
/// clipped to [1e-7, 1 - 1e-7].
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Loss, losses::BinaryCrossentropy};
/// use deckle_tensor::Tensor;
///
/// let y_true = Var::constant(&Tensor::new(vec![1.0f32], [1, 1])?);
/// let logit = Var::constant(&Tensor::new(vec![0.0f32], [1, 1])?);
/// let loss = BinaryCrossentropy::new().from_logits(true).call(&y_true, &logit, None, None)?;
/// assert!((loss.eval()?.item::<f32>()? - 2.0f32.ln()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keras
///
/// `keras.losses.BinaryCrossentropy`. The gain of the logits' form is Keras's on TensorFlow; on
/// its other backends a sigmoid's output is clipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryCrossentropy {
    #[serde(default)]
    reduction: Reduction,
    #[serde(default)]
    from_logits: bool,
    #[serde(default)]
    label_smoothing: f64,
    #[serde(default = "last")]
    axis: isize,
}

pub(super) fn last() -> isize {
    -1
}

impl Default for BinaryCrossentropy {
    fn default() -> Self {
        Self::new()
    }
}

impl BinaryCrossentropy {
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

    /// Sets how far the truth is moved to a half: `t · (1 - s) + s / 2`; 0 by default.
    #[must_use]
    pub fn label_smoothing(mut self, label_smoothing: f64) -> Self {
        self.label_smoothing = label_smoothing;
        self
    }

    /// Sets the axis that the mean is taken over; the last by default.
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

impl Loss for BinaryCrossentropy {
    fn class_name(&self) -> &'static str {
        "BinaryCrossentropy"
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        expect::rate("label_smoothing", self.label_smoothing)?;
        let mut t = as_float(y_true, y_pred)?;
        if self.label_smoothing > 0.0 {
            t = t * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing;
        }
        let logits =
            if self.from_logits { Some(y_pred) } else { y_pred.logits_of_sigmoid() };
        let values = match logits {
            Some(x) => x.sigmoid_cross_entropy(&t)?,
            None => {
                let p = y_pred.clip(EPSILON, 1.0 - EPSILON)?;
                let yes = t.mul(&p.log()?)?;
                let no = (1.0 - &t).mul(&(1.0 - &p).log()?)?;
                0.0 - yes.add(&no)?
            }
        };
        Ok(values.mean([self.axis])?)
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn config(&self) -> Result<Value> {
        serde_json::to_value(self)
            .map_err(|error| Error::invalid("settings of a loss", error))
    }
}
