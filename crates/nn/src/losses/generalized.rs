//! A cross-entropy that bears wrong labels.

use deckle_autograd::Var;
use deckle_tensor::DType;

use super::{
    labels::labels,
    setting::{loss, loss_basics},
};
use crate::{Error, Loss, Result};

loss! {
    /// Between the absolute error and the cross-entropy, for integer labels: `(1 - p^q) / q`,
    /// where `p` is the probability of the true class.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Loss, losses::CategoricalGeneralizedCrossEntropy};
    /// use deckle_tensor::Tensor;
    ///
    /// let y_true = Var::constant(&Tensor::from([1i64]));
    /// let y_pred = Var::constant(&Tensor::from([[0.75f32, 0.25]]));
    /// let loss = CategoricalGeneralizedCrossEntropy::new().call(&y_true, &y_pred, None, None)?;
    /// assert!((loss.eval()?.item::<f32>()? - 1.0).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.losses.CategoricalGeneralizedCrossEntropy`.
    ///
    /// # References
    ///
    /// Zhang and Sabuncu, *Generalized cross entropy loss for training deep neural networks with
    /// noisy labels* (2018), equation 6.
    CategoricalGeneralizedCrossEntropy {
        /// Sets the power, between 0 (the cross-entropy) and 1 (the absolute error); 0.5 by
        /// default.
        q: f64 = 0.5,
    }
}

impl Loss for CategoricalGeneralizedCrossEntropy {
    loss_basics! { CategoricalGeneralizedCrossEntropy }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let (class, q) = (self.class_name(), self.q);
        if !(q > 0.0 && q < 1.0) {
            return Err(Error::invalid(
                format_args!("loss {class}: `q` makes no sense"),
                "a number between 0 and 1",
            )
            .got(q));
        }
        let help = "for one-hot targets take their argmax first";
        let labels = labels(class, help, y_true, y_pred)?.cast(DType::I64)?;
        let p = y_pred.gather_along(-1, &labels.expand_dims(-1)?)?.squeeze([-1])?;
        Ok((1.0 - p.power(q)?) / q)
    }
}
