//! A loss of sequences without alignment.

use deckle_autograd::{Result as GraphResult, Var, scan};
use deckle_tensor::{DType, keep};

use super::setting::{loss, loss_basics};
use crate::{Error, Loss, Result};

/// What stands for the logarithm of 0.
const LOG_ZERO: f64 = -1e5;

loss! {
    /// Connectionist temporal classification: how unlikely a sequence of labels is, over all ways
    /// to spread it over the time steps.
    ///
    /// Class 0 is the blank between labels; targets are padded with it at the end. Predictions
    /// are logits.
    ///
    /// # Shapes
    ///
    /// Targets `(batch, labels)` of integers, predictions `(batch, time, classes)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::CTC};
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// // Two steps of two equally likely classes: `1`, `1-`, `-1` of four ways spell the label 1.
    /// let labels = Var::constant(&Tensor::from([[1i64, 0]]));
    /// let logits = Var::constant(&Tensor::zeros(DType::F32, [1, 2, 2]));
    /// let loss = CTC::new().call(&labels, &logits, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - (4.0f32 / 3.0).ln()).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.CTC`. As there, the predictions' length is that of the time axis.
    ///
    /// # References
    ///
    /// Graves et al., *Connectionist temporal classification* (2006), section 4.1.
    CTC {}
}

/// `ln(eᵃ + eᵇ)`.
fn log_add(a: &Var, b: &Var) -> GraphResult<Var> {
    Var::stack(&[a, b], 0)?.logsumexp([0])
}

/// All but the first column, which stays, joined by the scores of the labels before.
fn join(blank: &Var, label: &Var) -> GraphResult<Var> {
    let (first, rest) = (blank.slice((.., ..1))?, blank.slice((.., 1..))?);
    Var::concatenate(&[first, log_add(&rest, label)?], 1)
}

impl Loss for CTC {
    loss_basics! { CTC }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        if y_true.rank() != 2 || y_pred.rank() != 3 {
            return Err(Error::invalid(
                "loss CTC: cannot take these shapes",
                "labels (batch, labels) and logits (batch, time, classes)",
            )
            .got(format_args!("{} and {}", y_true.shape(), y_pred.shape())));
        }
        let Some(classes) = y_pred.shape().dim(-1)?.known() else {
            let place = "loss CTC: cannot take this prediction";
            return Err(
                Error::invalid(place, "a known number of classes").got(y_pred.shape())
            );
        };
        let labels = y_true.cast(DType::I32)?;
        let log = y_pred.log_softmax(-1)?;
        let dtype = log.dtype();
        let one_hot = labels.one_hot(classes, dtype)?.transpose([0, 2, 1])?;
        // Time comes first: (time, batch, labels) and (time, batch, 1).
        let emits = log.matmul(&one_hot)?.transpose([1, 0, 2])?;
        let blanks = log.slice((.., .., ..1))?.transpose([1, 0, 2])?;
        // Between two equal labels there must be a blank.
        let (before, after) = (labels.slice((.., ..-1))?, labels.slice((.., 1..))?);
        let repeats = before.equal(&after)?.cast(dtype)?;
        let last = labels.slice((.., ..1))?.cast(dtype)?.zeros_like()?;
        let repeats = Var::concatenate(&[repeats, last.clone()], 1)?;
        let (no_step, must_step) = (&repeats * LOG_ZERO, (1.0 - &repeats) * LOG_ZERO);
        // Scores of all ways so far: that end in a label, or in a blank after so many labels.
        let ends = labels.cast(dtype)?.full_like(LOG_ZERO)?;
        let starts = Var::concatenate(&[last, ends.clone()], 1)?;
        let scanned =
            scan(&[&starts, &ends], &[&emits, &blanks], false, |scores, now| {
                let [blank, label] = [&scores[0], &scores[1]];
                let [emit, stay] = [&now[0], &now[1]];
                let open = join(blank, &label.add(&no_step)?)?;
                let reach = open.slice((.., ..-1))?;
                let next_label = log_add(&reach.add(emit)?, &label.add(emit)?)?;
                let waited = open.add(stay)?;
                let next_blank = join(&waited, &label.add(stay)?.add(&must_step)?)?;
                Ok((vec![next_blank, next_label], Vec::new()))
            })?;
        let scores = join(&scanned.carries[0], &scanned.carries[1])?;
        let length = labels.not_equal(0)?.cast(DType::I32)?.sum(keep(1))?;
        Ok(0.0 - scores.gather_along(1, &length)?.squeeze([1])?)
    }
}
