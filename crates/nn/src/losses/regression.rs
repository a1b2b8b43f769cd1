//! Losses of numbers: relative, logarithmic, robust, and by angle.

use deckle_autograd::Var;
use deckle_tensor::keep;

use super::setting::{loss, loss_basics};
use crate::{
    Error, Loss, Result,
    loss::{EPSILON, as_float},
};

loss! {
    /// The mean absolute error in percent of the truth: `100 · mean(|t - p| / max(|t|, 1e-7))`
    /// over the last axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::MeanAbsolutePercentageError};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[2.0f32, 4.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[1.0f32, 5.0]]));
    /// let loss = MeanAbsolutePercentageError::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 37.5).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.MeanAbsolutePercentageError`.
    MeanAbsolutePercentageError {}
}

impl Loss for MeanAbsolutePercentageError {
    loss_basics! { MeanAbsolutePercentageError }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let t = as_float(y_true, y_pred)?;
        let share = t.sub(y_pred)?.div(&t.abs()?.maximum(EPSILON)?)?.abs()?;
        Ok(share.mean([-1])? * 100.0)
    }
}

loss! {
    /// The mean squared difference of logarithms: `mean((ln(p + 1) - ln(t + 1))²)` over the last
    /// axis, where `p` and `t` are at least 1e-7.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::MeanSquaredLogarithmicError};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[0.0f32, 1.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[0.0f32, 3.0]]));
    /// let loss = MeanSquaredLogarithmicError::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 0.240_227).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.MeanSquaredLogarithmicError`.
    MeanSquaredLogarithmicError {}
}

impl Loss for MeanSquaredLogarithmicError {
    loss_basics! { MeanSquaredLogarithmicError }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let log = |x: &Var| Ok::<_, Error>((x.maximum(EPSILON)? + 1.0).log()?);
        let difference = log(y_pred)?.sub(&log(&as_float(y_true, y_pred)?)?)?;
        Ok(difference.square()?.mean([-1])?)
    }
}

loss! {
    /// The mean logarithm of the hyperbolic cosine: `mean(ln(cosh(p - t)))` over the last axis.
    ///
    /// Close to `x² / 2` for small errors and to `|x| - ln 2` for large ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::LogCosh};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[0.0f32, 0.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[1.0f32, 0.0]]));
    /// let loss = LogCosh::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 0.216_89).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.LogCosh`.
    LogCosh {}
}

impl Loss for LogCosh {
    loss_basics! { LogCosh }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let x = y_pred.sub(&as_float(y_true, y_pred)?)?;
        // ln((eˣ + e⁻ˣ) / 2), which no x makes infinite.
        let values = x.add(&(&x * -2.0).softplus()?)? - std::f64::consts::LN_2;
        Ok(values.mean([-1])?)
    }
}

loss! {
    /// Huber's loss: `x² / 2` where `|x| ≤ δ` and `δ · (|x| - δ / 2)` beyond, for `x = p - t`;
    /// the mean over the last axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::Huber};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[0.0f32, 0.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[1.0f32, 3.0]]));
    /// let loss = Huber::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 1.5).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.Huber`.
    ///
    /// # References
    ///
    /// Huber, *Robust estimation of a location parameter* (1964), equation 1.
    Huber {
        /// Sets from which error on the loss grows linearly; 1 by default.
        delta: f64 = 1.0,
    }
}

impl Loss for Huber {
    loss_basics! { Huber }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let delta = self.delta;
        if !(delta > 0.0 && delta.is_finite()) {
            let place = "loss Huber: `delta` makes no sense";
            return Err(Error::invalid(place, "a positive number").got(delta));
        }
        let x = y_pred.sub(&as_float(y_true, y_pred)?)?;
        let size = x.abs()?;
        let near = x.square()? * 0.5;
        let far = &size * delta - 0.5 * delta * delta;
        Ok(size.less_equal(delta)?.select(&near, &far)?.mean([-1])?)
    }
}

loss! {
    /// The cosine of the angle between truth and prediction, negative: `-Σ t · p / (|t| · |p|)`.
    ///
    /// -1 for the same direction, 0 for a right angle or a vector of zeros.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::CosineSimilarity};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[0.0f32, 1.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[1.0f32, 1.0]]));
    /// let loss = CosineSimilarity::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? + 0.707_107).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.CosineSimilarity`.
    CosineSimilarity {
        /// Sets the axis of the vectors; the last by default.
        axis: isize = -1,
    }
}

impl Loss for CosineSimilarity {
    loss_basics! { CosineSimilarity }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let unit = |x: &Var| {
            let sum = x.square()?.sum(keep(self.axis))?;
            Ok::<_, Error>(x.mul(&sum.maximum(EPSILON * EPSILON)?.rsqrt()?)?)
        };
        let product = unit(&as_float(y_true, y_pred)?)?.mul(&unit(y_pred)?)?;
        Ok(0.0 - product.sum([self.axis])?)
    }
}
