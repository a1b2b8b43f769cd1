//! Losses of regions by how far they overlap: Dice's and Tversky's.

use deckle_autograd::Var;
use deckle_tensor::Axes;

use super::setting::{loss, loss_basics};
use crate::{
    Loss, Result, expect,
    layers::AxisList,
    loss::{EPSILON, as_float},
};

fn axes(axis: Option<&AxisList>) -> Axes {
    axis.map_or_else(|| Axes::from(..), |list| Axes::from(&list.0))
}

loss! {
    /// What two regions do not share: `1 - 2 · Σ t·p / (Σ t + Σ p + 1e-7)` over all axes, the
    /// batch's too, or those of `axis`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::Dice};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[1.0f32, 0.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[0.5f32, 0.5]]));
    /// let loss = Dice::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 0.5).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.Dice`.
    ///
    /// # References
    ///
    /// Dice, *Measures of the amount of ecologic association between species* (1945).
    Dice {
        /// Sets the axes of the sums; all by default.
        axis: Option<AxisList> = None,
    }
}

impl Loss for Dice {
    loss_basics! { Dice }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let (t, axes) = (as_float(y_true, y_pred)?, axes(self.axis.as_ref()));
        let both = t.mul(y_pred)?.sum(axes.clone())?;
        let all = t.sum(axes.clone())?.add(&y_pred.sum(axes)?)? + EPSILON;
        Ok(1.0 - (both * 2.0).div(&all)?)
    }
}

loss! {
    /// What two regions do not share, with weights for both ways to err:
    /// `1 - s / (s + α · Σ t·(1-p) + β · Σ (1-t)·p + 1e-7)` with `s = Σ t·p`, over all axes, the
    /// batch's too, or those of `axis`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::Tversky};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[1.0f32, 0.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[0.5f32, 0.5]]));
    /// let loss = Tversky::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 0.5).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.Tversky`.
    ///
    /// # References
    ///
    /// Salehi, Erdogmus and Gholipour, *Tversky loss function for image segmentation* (2017),
    /// section 2.
    Tversky {
        /// Sets the weight of truth that is not predicted; 0.5 by default.
        alpha: f64 = 0.5,
        /// Sets the weight of what is predicted wrongly; 0.5 by default.
        beta: f64 = 0.5,
        /// Sets the axes of the sums; all by default.
        axis: Option<AxisList> = None,
    }
}

impl Loss for Tversky {
    loss_basics! { Tversky }

    fn check(&self) -> Result<()> {
        expect::not_negative("alpha", self.alpha)?;
        expect::not_negative("beta", self.beta)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let (t, axes) = (as_float(y_true, y_pred)?, axes(self.axis.as_ref()));
        let both = t.mul(y_pred)?.sum(axes.clone())?;
        let missed = (1.0 - y_pred).mul(&t)?.sum(axes.clone())?;
        let wrong = (1.0 - &t).mul(y_pred)?.sum(axes)?;
        let all = both.add(&(missed * self.alpha))?.add(&(wrong * self.beta))? + EPSILON;
        Ok(1.0 - both.div(&all)?)
    }
}
