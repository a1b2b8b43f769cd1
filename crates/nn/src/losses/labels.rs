//! Integer targets of losses.

use deckle_autograd::Var;
use deckle_tensor::Dim;

use crate::{Error, Result};

/// The labels, one for each prediction: targets without their last axis of 1, if they have it.
pub(super) fn labels(class: &str, help: &str, y_true: &Var, y_pred: &Var) -> Result<Var> {
    let mut labels = y_true.clone();
    if labels.rank() == y_pred.rank()
        && labels.shape().dims().last() == Some(&Dim::Known(1))
    {
        labels = labels.squeeze([-1])?;
    }
    if labels.rank() + 1 != y_pred.rank() {
        return Err(Error::invalid(
            format_args!("loss {class}: cannot take these targets"),
            format_args!(
                "one integer label for each prediction of shape {}",
                y_pred.shape()
            ),
        )
        .got(y_true.shape())
        .help(help));
    }
    Ok(labels)
}
