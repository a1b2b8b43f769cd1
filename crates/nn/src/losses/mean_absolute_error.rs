//! The mean absolute error.

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Loss, Reduction, Result, loss::as_float};

/// The mean absolute error of each sample: `mean(|p - t|)` over the last axis.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Loss, losses::MeanAbsoluteError};
/// use deckle_tensor::Tensor;
///
/// let y_true = Var::constant(&Tensor::new(vec![0.0f32, 1.0], [1, 2])?);
/// let y_pred = Var::constant(&Tensor::new(vec![2.0f32, 1.0], [1, 2])?);
/// let loss = MeanAbsoluteError::new().call(&y_true, &y_pred, None, None)?;
/// assert_eq!(loss.eval()?.item::<f32>()?, 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keras
///
/// `keras.losses.MeanAbsoluteError`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanAbsoluteError {
    #[serde(default)]
    reduction: Reduction,
}

impl MeanAbsoluteError {
    /// The loss with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how the samples' losses become one number; their mean by default.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }
}

impl Loss for MeanAbsoluteError {
    fn class_name(&self) -> &'static str {
        "MeanAbsoluteError"
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        // In this order, as a difference of 0 has a gradient too.
        let difference = as_float(y_true, y_pred)?.sub(y_pred)?;
        Ok(difference.abs()?.mean([-1])?)
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn config(&self) -> Result<Value> {
        serde_json::to_value(self)
            .map_err(|error| Error::invalid("settings of a loss", error))
    }
}
