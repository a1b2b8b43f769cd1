//! Losses of distributions: Kullback-Leibler's divergence and Poisson's likelihood.

use deckle_autograd::Var;

use super::setting::{loss, loss_basics};
use crate::{
    Loss, Result,
    loss::{EPSILON, as_float},
};

loss! {
    /// How much one distribution tells beyond another: `Σ t · ln(t / p)` over the last axis, where
    /// both are clipped to [1e-7, 1].
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::KLDivergence};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[0.0f32, 1.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[0.5f32, 0.5]]));
    /// let loss = KLDivergence::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 0.693_145_6).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.KLDivergence`.
    ///
    /// # References
    ///
    /// Kullback and Leibler, *On information and sufficiency* (1951), equation 2.4.
    KLDivergence {}
}

impl Loss for KLDivergence {
    loss_basics! { KLDivergence }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let t = as_float(y_true, y_pred)?.clip(EPSILON, 1.0)?;
        let p = y_pred.clip(EPSILON, 1.0)?;
        Ok(t.mul(&t.div(&p)?.log()?)?.sum([-1])?)
    }
}

loss! {
    /// The negative likelihood of counts `t` at rates `p`, without what does not depend on `p`:
    /// the mean of `p - t · ln(p + 1e-7)` over the last axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::Poisson};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[1.0f32, 0.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[1.0f32, 3.0]]));
    /// let loss = Poisson::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 2.0).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.Poisson`.
    Poisson {}
}

impl Loss for Poisson {
    loss_basics! { Poisson }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let t = as_float(y_true, y_pred)?;
        let log = (y_pred + EPSILON).log()?;
        Ok(y_pred.sub(&t.mul(&log)?)?.mean([-1])?)
    }
}
