//! Losses of margins: hinge, its square, and that of one-hot targets.

use deckle_autograd::Var;

use super::setting::{loss, loss_basics};
use crate::{Loss, Result, loss::as_float};

/// Targets of -1 and 1; targets of a batch that are all 0 or 1 are moved there.
fn signs(y_true: &Var, y_pred: &Var) -> Result<Var> {
    let t = as_float(y_true, y_pred)?;
    let binary = t.equal(0.0)?.or(&t.equal(1.0)?)?.all(..)?;
    Ok(binary.select(&(&t * 2.0 - 1.0), &t)?)
}

/// `max(1 - t · p, 0)`.
fn margin(y_true: &Var, y_pred: &Var) -> Result<Var> {
    Ok((1.0 - signs(y_true, y_pred)?.mul(y_pred)?).maximum(0.0)?)
}

loss! {
    /// The hinge: the mean of `max(1 - t · p, 0)` over the last axis, for targets -1 and 1.
    ///
    /// If all targets of a batch are 0 or 1, 0 stands for -1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::Hinge};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[0.0f32, 1.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[0.5f32, 0.5]]));
    /// let loss = Hinge::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 1.0).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.Hinge`.
    Hinge {}
}

impl Loss for Hinge {
    loss_basics! { Hinge }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        Ok(margin(y_true, y_pred)?.mean([-1])?)
    }
}

loss! {
    /// The squared hinge: the mean of `max(1 - t · p, 0)²` over the last axis, for targets -1
    /// and 1.
    ///
    /// If all targets of a batch are 0 or 1, 0 stands for -1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::SquaredHinge};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[0.0f32, 1.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[0.5f32, 0.5]]));
    /// let loss = SquaredHinge::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 1.25).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.SquaredHinge`.
    SquaredHinge {}
}

impl Loss for SquaredHinge {
    loss_basics! { SquaredHinge }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        Ok(margin(y_true, y_pred)?.square()?.mean([-1])?)
    }
}

loss! {
    /// The hinge of one-hot targets: `max(n - p + 1, 0)`, where `p` is the prediction of the true
    /// class and `n` the largest of the others.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::CategoricalHinge};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[0.0f32, 1.0, 0.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[0.25f32, 0.5, 0.75]]));
    /// let loss = CategoricalHinge::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 1.25).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.CategoricalHinge`.
    CategoricalHinge {}
}

impl Loss for CategoricalHinge {
    loss_basics! { CategoricalHinge }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let t = as_float(y_true, y_pred)?;
        let right = t.mul(y_pred)?.sum([-1])?;
        let wrong = (1.0 - &t).mul(y_pred)?.max([-1])?;
        Ok((wrong.sub(&right)? + 1.0).maximum(0.0)?)
    }
}
