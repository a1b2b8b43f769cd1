//! Margins.

use deckle_autograd::Var;
use deckle_nn::losses;

use super::{
    regression::of_loss,
    setting::{metric, metric_basics},
};
use crate::{Direction, Metric, Result};

macro_rules! margins {
    ($($(#[$about:meta])* $name:ident;)*) => {$(
        metric! {
            $(#[$about])*
            $name {}
        }

        impl Metric for $name {
            metric_basics! { $name }

            fn direction(&self) -> Option<Direction> {
                Some(Direction::Down)
            }

            fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
                of_loss(&losses::$name::new(), y_true, y_pred)
            }
        }
    )*};
}

margins! {
    /// The mean of `max(1 - t · p, 0)`, for truths -1 and 1, or 0 and 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::Hinge};
    ///
    /// let (t, p) = (Tensor::from([[0.0f32, 1.0]]), Tensor::from([[0.5f32, 0.5]]));
    /// assert_eq!(Hinge::new().measure(&t, &p, None)?.item::<f64>()?, 1.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.Hinge`.
    Hinge;

    /// The mean of `max(1 - t · p, 0)²`, for truths -1 and 1, or 0 and 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::SquaredHinge};
    ///
    /// let (t, p) = (Tensor::from([[0.0f32, 1.0]]), Tensor::from([[0.5f32, 0.5]]));
    /// assert_eq!(SquaredHinge::new().measure(&t, &p, None)?.item::<f64>()?, 1.25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.SquaredHinge`.
    SquaredHinge;

    /// The mean of `max(n - p + 1, 0)`, where `p` is the prediction of the true class of a
    /// one-hot truth and `n` the largest of the others.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::CategoricalHinge};
    ///
    /// let (t, p) = (Tensor::from([[0.0f32, 1.0, 0.0]]), Tensor::from([[0.25f32, 0.5, 0.75]]));
    /// assert_eq!(CategoricalHinge::new().measure(&t, &p, None)?.item::<f64>()?, 1.25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.CategoricalHinge`.
    CategoricalHinge;
}
