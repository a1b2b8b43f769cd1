//! True and false predictions, precision and recall.

use deckle_autograd::Var;
use deckle_tensor::{DType, Shape, Tensor};

use super::{
    setting::{metric, metric_basics, no_sense},
    thresholds::{Confusion, Thresholds, default_threshold, ratios, sums},
};
use crate::{Direction, Metric, Result, metric_state::numbers};

/// One number if there is one threshold, else a vector.
fn result(values: Vec<f64>) -> Tensor {
    match values[..] {
        [value] => Tensor::scalar(value),
        _ => Tensor::from(values),
    }
}

macro_rules! counts {
    ($($(#[$about:meta])* $name:ident, $what:ident;)*) => {$(
        metric! {
            $(#[$about])*
            $name {} optional {
                /// Sets one threshold, or several for a vector of counts; a half by default.
                thresholds: Thresholds = impl Into<Thresholds>;
            }
        }

        impl Metric for $name {
            metric_basics! { $name }

            fn check(&self) -> Result<()> {
                Thresholds::check(self.thresholds.as_ref(), stringify!($name))
            }

            fn takes_mask(&self) -> bool {
                false
            }

            fn initial(&self, _: &Shape) -> Result<Vec<Tensor>> {
                let count = Thresholds::or(self.thresholds.as_ref(), 0.5).len();
                Ok(vec![Tensor::zeros(DType::F64, [count])])
            }

            fn update(
                &self,
                state: &[Var],
                y_true: &Var,
                y_pred: &Var,
                weights: Option<&Var>,
            ) -> Result<Vec<Var>> {
                let thresholds = Thresholds::or(self.thresholds.as_ref(), 0.5);
                let confusion = Confusion::new(stringify!($name), &thresholds);
                let counts = confusion.counts(y_true, y_pred, weights)?;
                Ok(vec![state[0].add(&counts.$what)?])
            }

            fn result(&self, state: &[Tensor]) -> Result<Tensor> {
                Ok(result(numbers(&state[0])?))
            }
        }
    )*};
}

counts! {
    /// How many predictions are above the threshold where the truth is 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::TruePositives};
    ///
    /// let (t, p) = (Tensor::from([0.0f32, 1.0, 1.0, 1.0]), Tensor::from([1.0f32, 0.0, 1.0, 1.0]));
    /// assert_eq!(TruePositives::new().measure(&t, &p, None)?.item::<f64>()?, 2.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.TruePositives`.
    TruePositives, true_positives;

    /// How many predictions are above the threshold where the truth is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::FalsePositives};
    ///
    /// let (t, p) = (Tensor::from([0.0f32, 1.0, 0.0, 0.0]), Tensor::from([0.4f32, 0.0, 0.6, 0.9]));
    /// let metric = FalsePositives::new().thresholds([0.3, 0.5]);
    /// assert_eq!(metric.measure(&t, &p, None)?.to_vec::<f64>()?, [3.0, 2.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.FalsePositives`.
    FalsePositives, false_positives;

    /// How many predictions are not above the threshold where the truth is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::TrueNegatives};
    ///
    /// let (t, p) = (Tensor::from([0.0f32, 1.0, 0.0, 0.0]), Tensor::from([1.0f32, 1.0, 0.0, 0.0]));
    /// assert_eq!(TrueNegatives::new().measure(&t, &p, None)?.item::<f64>()?, 2.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.TrueNegatives`.
    TrueNegatives, true_negatives;

    /// How many predictions are not above the threshold where the truth is 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::FalseNegatives};
    ///
    /// let (t, p) = (Tensor::from([0.0f32, 1.0, 1.0, 1.0]), Tensor::from([0.0f32, 1.0, 0.0, 0.0]));
    /// assert_eq!(FalseNegatives::new().measure(&t, &p, None)?.item::<f64>()?, 2.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.FalseNegatives`.
    FalseNegatives, false_negatives;
}

macro_rules! shares {
    ($($(#[$about:meta])* $name:ident, $other:ident;)*) => {$(
        metric! {
            $(#[$about])*
            $name {} optional {
                /// Sets one threshold, or several for a vector of numbers; a half by default,
                /// none if `top_k` is set.
                thresholds: Thresholds = impl Into<Thresholds>;
                /// Sets that only the `k` largest predictions of the last axis count as
                /// predictions of 1; all by default.
                top_k: usize = usize;
                /// Sets the class that alone counts, an index of the last axis; all by default.
                class_id: usize = usize;
            }
        }

        impl $name {
            fn all_thresholds(&self) -> Vec<f64> {
                Thresholds::or(self.thresholds.as_ref(), default_threshold(self.top_k))
            }
        }

        impl Metric for $name {
            metric_basics! { $name }

            fn direction(&self) -> Option<Direction> {
                Some(Direction::Up)
            }

            fn check(&self) -> Result<()> {
                if self.top_k == Some(0) {
                    return Err(no_sense(stringify!($name), "top_k", "1 or more").got(0));
                }
                Thresholds::check(self.thresholds.as_ref(), stringify!($name))
            }

            fn takes_mask(&self) -> bool {
                false
            }

            fn initial(&self, _: &Shape) -> Result<Vec<Tensor>> {
                let zeros = Tensor::zeros(DType::F64, [self.all_thresholds().len()]);
                Ok(vec![zeros.clone(), zeros])
            }

            fn update(
                &self,
                state: &[Var],
                y_true: &Var,
                y_pred: &Var,
                weights: Option<&Var>,
            ) -> Result<Vec<Var>> {
                let thresholds = self.all_thresholds();
                let confusion = Confusion {
                    top_k: self.top_k,
                    class_id: self.class_id,
                    ..Confusion::new(stringify!($name), &thresholds)
                };
                let counts = confusion.counts(y_true, y_pred, weights)?;
                Ok(vec![
                    state[0].add(&counts.true_positives)?,
                    state[1].add(&counts.$other)?,
                ])
            }

            fn result(&self, state: &[Tensor]) -> Result<Tensor> {
                let (found, others) = (numbers(&state[0])?, numbers(&state[1])?);
                Ok(result(ratios(&found, &sums(&found, &others))))
            }
        }
    )*};
}

shares! {
    /// The share of the predictions of 1 that are true: `TP / (TP + FP)`, 0 if there are none.
    ///
    /// A prediction above the threshold (not at it) is one of 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::Precision};
    ///
    /// let (t, p) = (Tensor::from([0.0f32, 1.0, 1.0, 1.0]), Tensor::from([0.6f32, 0.3, 0.2, 0.8]));
    /// assert_eq!(Precision::new().measure(&t, &p, None)?.item::<f64>()?, 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.Precision`.
    Precision, false_positives;

    /// The share of the truths of 1 that are predicted: `TP / (TP + FN)`, 0 if there are none.
    ///
    /// A prediction above the threshold (not at it) is one of 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::Recall};
    ///
    /// let (t, p) = (Tensor::from([0.0f32, 1.0, 1.0, 1.0]), Tensor::from([0.6f32, 0.3, 0.2, 0.8]));
    /// let recall = Recall::new().thresholds([0.25, 0.5]).measure(&t, &p, None)?;
    /// assert_eq!(recall.to_vec::<f64>()?, [2.0 / 3.0, 1.0 / 3.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.Recall`.
    Recall, false_negatives;
}
