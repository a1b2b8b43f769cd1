//! Cross-entropies that count what is already right for less: the focal losses.

use deckle_autograd::Var;
use deckle_tensor::{Dim, Tensor, keep};
use serde::{Deserialize, Serialize};

use super::setting::{loss, loss_basics};
use crate::{
    Error, Loss, Result, expect,
    loss::{EPSILON, as_float},
};

loss! {
    /// The cross-entropy of two classes, each element times `(1 - q)^γ`, where `q` is the
    /// probability given to its true class; the mean over the last axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::BinaryFocalCrossentropy};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[1.0f32]]));
    /// let y_pred = Var::constant(&Tensor::from([[0.5f32]]));
    /// let loss = BinaryFocalCrossentropy::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 0.173_287).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.BinaryFocalCrossentropy`.
    ///
    /// # References
    ///
    /// Lin et al., *Focal loss for dense object detection* (2017), equations 4 and 5.
    BinaryFocalCrossentropy {
        /// Sets whether elements of class 1 count `alpha` and others `1 - alpha`; false by
        /// default.
        apply_class_balancing: bool = false,
        /// Sets the weight of class 1 for the balance; 0.25 by default.
        alpha: f64 = 0.25,
        /// Sets the power `γ`; 2 by default. 0 gives the plain cross-entropy.
        gamma: f64 = 2.0,
        /// Sets whether predictions are logits instead of probabilities; false by default.
        from_logits: bool = false,
        /// Sets how far the truth is moved to a half: `t · (1 - s) + s / 2`; 0 by default.
        label_smoothing: f64 = 0.0,
        /// Sets the axis that the mean is taken over; the last by default.
        axis: isize = -1,
    }
}

impl Loss for BinaryFocalCrossentropy {
    loss_basics! { BinaryFocalCrossentropy }

    fn check(&self) -> Result<()> {
        expect::rate("label_smoothing", self.label_smoothing)?;
        expect::rate("alpha", self.alpha)?;
        expect::not_negative("gamma", self.gamma)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let mut t = as_float(y_true, y_pred)?;
        if self.label_smoothing > 0.0 {
            t = t * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing;
        }
        let p = if self.from_logits { y_pred.sigmoid()? } else { y_pred.clone() };
        let logits =
            if self.from_logits { Some(y_pred) } else { y_pred.logits_of_sigmoid() };
        let (no, not) = (1.0 - &t, 1.0 - &p);
        let entropy = match logits {
            Some(x) => x.sigmoid_cross_entropy(&t)?,
            None => {
                let p = p.clip(EPSILON, 1.0 - EPSILON)?;
                let not = no.mul(&(1.0 - &p).log()?)?;
                0.0 - t.mul(&p.log()?)?.add(&not)?
            }
        };
        let miss = 1.0 - t.mul(&p)?.add(&no.mul(&not)?)?;
        let mut values = miss.power(self.gamma)?.mul(&entropy)?;
        if self.apply_class_balancing {
            let weight = &t * self.alpha + no * (1.0 - self.alpha);
            values = values.mul(&weight)?;
        }
        Ok(values.mean([self.axis])?)
    }
}

loss! {
    /// The cross-entropy of one-hot targets, each class's part times `α · (1 - p)^γ`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::CategoricalFocalCrossentropy};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([[0.0f32, 1.0]]));
    /// let y_pred = Var::constant(&Tensor::from([[0.5f32, 0.5]]));
    /// let loss = CategoricalFocalCrossentropy::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 0.043_321_7).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.CategoricalFocalCrossentropy`.
    ///
    /// # References
    ///
    /// Lin et al., *Focal loss for dense object detection* (2017), equation 5.
    CategoricalFocalCrossentropy {
        /// Sets the weight `α`, of all classes or of each; 0.25 by default.
        alpha: Alpha = Alpha::All(0.25),
        /// Sets the power `γ`; 2 by default.
        gamma: f64 = 2.0,
        /// Sets whether predictions are logits instead of probabilities; false by default.
        from_logits: bool = false,
        /// Sets how much of the truth is spread over all classes: `t · (1 - s) + s / classes`; 0
        /// by default.
        label_smoothing: f64 = 0.0,
        /// Sets the axis of the classes; the last by default.
        axis: isize = -1,
    }
}

/// The weight of the classes in [`CategoricalFocalCrossentropy`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, or a list of one for each class")]
pub enum Alpha {
    /// The same for all classes.
    All(f64),
    /// One for each class, along the last axis.
    Each(Vec<f64>),
}

impl From<f64> for Alpha {
    fn from(alpha: f64) -> Self {
        Self::All(alpha)
    }
}

impl From<Vec<f64>> for Alpha {
    fn from(alphas: Vec<f64>) -> Self {
        Self::Each(alphas)
    }
}

impl<const N: usize> From<[f64; N]> for Alpha {
    fn from(alphas: [f64; N]) -> Self {
        Self::Each(alphas.into())
    }
}

impl Alpha {
    fn check(&self) -> Result<()> {
        let alphas = match self {
            Self::All(alpha) => std::slice::from_ref(alpha),
            Self::Each(alphas) => alphas,
        };
        if alphas.is_empty() {
            return Err(Error::invalid("`alpha` makes no sense", "one for each class")
                .got("an empty list"));
        }
        alphas.iter().try_for_each(|&alpha| expect::not_negative("alpha", alpha))
    }

    /// Values of classes, along the last axis, times their weights.
    fn weigh(&self, values: &Var) -> Result<Var> {
        match self {
            Self::All(alpha) => Ok(values.mul(*alpha)?),
            Self::Each(alphas) => {
                let classes = values.shape().dims().last().and_then(Dim::known);
                if alphas.len() != 1 && classes.is_some_and(|n| n != alphas.len()) {
                    return Err(Error::invalid(
                        "`alpha` does not fit the predictions",
                        format_args!("one for each class of {}", values.shape()),
                    )
                    .got(format_args!("{} numbers", alphas.len())));
                }
                let alphas = Tensor::new(alphas.clone(), [alphas.len()])?;
                Ok(values.mul(&Var::constant(&alphas).cast(values.dtype())?)?)
            }
        }
    }
}

impl Loss for CategoricalFocalCrossentropy {
    loss_basics! { CategoricalFocalCrossentropy }

    fn check(&self) -> Result<()> {
        expect::rate("label_smoothing", self.label_smoothing)?;
        self.alpha.check()?;
        expect::not_negative("gamma", self.gamma)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let mut t = as_float(y_true, y_pred)?;
        if self.label_smoothing > 0.0 {
            let share = t.ones_like()?.mul(&t.count_of([-1], t.dtype())?)?;
            t = (t * (1.0 - self.label_smoothing))
                .add(&(1.0 / share * self.label_smoothing))?;
        }
        let p =
            if self.from_logits { y_pred.softmax(self.axis)? } else { y_pred.clone() };
        let p = p.div(&p.sum(keep(self.axis))?)?.clip(EPSILON, 1.0 - EPSILON)?;
        let factor = self.alpha.weigh(&(1.0 - &p).power(self.gamma)?)?;
        let values = factor.mul(&t.mul(&p.log()?)?)?;
        Ok(0.0 - values.sum([self.axis])?)
    }
}
