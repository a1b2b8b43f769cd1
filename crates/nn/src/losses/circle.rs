//! A loss of embeddings: close for the same label, far for others.

use deckle_autograd::Var;
use deckle_tensor::{DType, Dim};

use super::setting::{loss, loss_basics};
use crate::{Error, Loss, Result, expect};

/// What stands for minus infinity among logits: finite, so that no gradient is NaN, and in the
/// range of every element type.
const NEVER: f64 = -1e4;

loss! {
    /// The circle loss of embeddings of length 1 and their integer labels: each embedding is
    /// compared with all of the batch.
    ///
    /// With the distances `d = max(1 - a·b, 0)` to the embeddings of the same label (`p`) and of
    /// others (`n`), `softplus(lse(γ · (m + d_p) · (d_p - m)) + lse(γ · (1 + m - d_n)₊ · (1 - m - d_n)))`,
    /// where `lse` is the logarithm of the sum of exponentials. Embeddings without a partner of
    /// either kind do not count.
    ///
    /// # Shapes
    ///
    /// Labels `(batch,)` or `(batch, 1)`, embeddings `(batch, features)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::Circle};
    /// use deckle_tensor::Tensor;
    ///
    /// let labels = Var::constant(&Tensor::from([0i64, 0, 1]));
    /// let far = Var::constant(&Tensor::from([[1.0f32, 0.0], [1.0, 0.0], [-1.0, 0.0]]));
    /// let loss = Circle::new().call(&labels, &far, None, None)?;
    /// assert!(loss.eval()?.item::<f32>()? < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.Circle`.
    ///
    /// # References
    ///
    /// Sun et al., *Circle loss: a unified perspective of pair similarity optimization* (2020),
    /// equation 6.
    Circle {
        /// Sets the scale `γ`; 80 by default.
        gamma: f64 = 80.0,
        /// Sets the margin `m`; 0.4 by default.
        margin: f64 = 0.4,
        /// Sets whether an embedding is not its own partner; true by default.
        remove_diagonal: bool = true,
    }
}

impl Loss for Circle {
    loss_basics! { Circle }

    fn check(&self) -> Result<()> {
        expect::not_negative("gamma", self.gamma)?;
        expect::not_negative("margin", self.margin)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let mut labels = y_true.cast(DType::I32)?;
        if labels.rank() == 2 && labels.shape().dims().last() == Some(&Dim::Known(1)) {
            labels = labels.squeeze([-1])?;
        }
        if labels.rank() != 1 || y_pred.rank() != 2 {
            return Err(Error::invalid(
                "loss Circle: cannot take these shapes",
                "labels (batch,) and embeddings (batch, features)",
            )
            .got(format_args!("{} and {}", y_true.shape(), y_pred.shape())));
        }
        let distance = (1.0 - y_pred.matmul(&y_pred.transpose([1, 0])?)?).maximum(0.0)?;
        let same = labels.expand_dims(-1)?.equal(&labels.expand_dims(0)?)?;
        let other = same.not()?;
        let partners = if self.remove_diagonal {
            let row = labels.positions(0, DType::I32)?;
            same.and(&row.expand_dims(-1)?.not_equal(&row.expand_dims(0)?)?)?
        } else {
            same
        };
        let (gamma, margin) = (self.gamma, self.margin);
        let near = (&distance + margin).maximum(0.0)?.mul(&(&distance - margin))? * gamma;
        let far = (1.0 + margin - &distance).maximum(0.0)?;
        let far = far.mul(&(1.0 - margin - &distance))? * gamma;
        let near = partners.select(&near, NEVER)?.logsumexp([1])?;
        let far = other.select(&far, NEVER)?.logsumexp([1])?;
        Ok(near.add(&far)?.softplus()?)
    }

    fn counted(&self, y_true: &Var, y_pred: &Var) -> Result<Option<Var>> {
        let values = self.per_sample(y_true, &y_pred.stop_gradient()?)?;
        // NaN counts, or a loss of nothing but NaN would be 0.
        Ok(Some(values.less_equal(0.0)?.not()?))
    }
}
