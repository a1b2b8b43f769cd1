//! The best of one rate where another is good enough.

use deckle_autograd::Var;
use deckle_tensor::{DType, Shape, Tensor};

use super::{
    setting::{check_share, check_size, metric, metric_basics},
    thresholds::{Confusion, MOST_THRESHOLDS, even, ratios, sums},
};
use crate::{Direction, Metric, Result, metric_state::numbers};

/// What can be said at each threshold.
struct Rates {
    /// `TP / (TP + FN)`, also called recall.
    sensitivity: Vec<f64>,
    /// `TN / (TN + FP)`.
    specificity: Vec<f64>,
    /// `TP / (TP + FP)`.
    precision: Vec<f64>,
}

impl Rates {
    fn of(state: &[Tensor]) -> Result<Self> {
        let counts: Vec<_> = state.iter().map(numbers).collect::<Result<_>>()?;
        let [tp, fp, tn, fnn] = [&counts[0], &counts[1], &counts[2], &counts[3]];
        Ok(Self {
            sensitivity: ratios(tp, &sums(tp, fnn)),
            specificity: ratios(tn, &sums(tn, fp)),
            precision: ratios(tp, &sums(tp, fp)),
        })
    }
}

/// The largest of `wanted` where `bound` is at least `least`, or 0.
fn best(wanted: &[f64], bound: &[f64], least: f64) -> Tensor {
    let good = wanted.iter().zip(bound).filter(|(_, bound)| **bound >= least);
    Tensor::scalar(good.fold(0.0f64, |best, (&value, _)| best.max(value)))
}

macro_rules! points {
    ($($(#[$about:meta])* $name:ident($bound:ident): $wanted:ident where $rate:ident;)*) => {$(
        metric! {
            $(#[$about])*
            $name($bound: f64 = f64) {
                /// Sets how many thresholds from 0 to 1 are tried; 200 by default.
                num_thresholds: usize = 200;
            } optional {
                /// Sets the class that alone counts, an index of the last axis; all by default.
                class_id: usize = usize;
            }
        }

        impl Metric for $name {
            metric_basics! { $name }

            fn direction(&self) -> Option<Direction> {
                Some(Direction::Up)
            }

            fn check(&self) -> Result<()> {
                let class = stringify!($name);
                check_share(class, stringify!($bound), self.$bound)?;
                let range = [1, MOST_THRESHOLDS];
                check_size(class, "num_thresholds", self.num_thresholds, range)
            }

            fn takes_mask(&self) -> bool {
                false
            }

            fn initial(&self, _: &Shape) -> Result<Vec<Tensor>> {
                Ok(vec![Tensor::zeros(DType::F64, [self.num_thresholds]); 4])
            }

            fn update(
                &self,
                state: &[Var],
                y_true: &Var,
                y_pred: &Var,
                weights: Option<&Var>,
            ) -> Result<Vec<Var>> {
                let thresholds = even(self.num_thresholds);
                let confusion = Confusion {
                    class_id: self.class_id,
                    is_even: self.num_thresholds > 1,
                    ..Confusion::new(stringify!($name), &thresholds)
                };
                confusion.counts(y_true, y_pred, weights)?.added_to(state)
            }

            fn result(&self, state: &[Tensor]) -> Result<Tensor> {
                let rates = Rates::of(state)?;
                Ok(best(&rates.$wanted, &rates.$rate, self.$bound))
            }
        }
    )*};
}

points! {
    /// The largest recall (`TP / (TP + FN)`) at a threshold where specificity (`TN / (TN + FP)`)
    /// is at least the given one; 0 if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::SensitivityAtSpecificity};
    ///
    /// let t = Tensor::from([0.0f32, 0.0, 0.0, 1.0, 1.0]);
    /// let p = Tensor::from([0.0f32, 0.3, 0.8, 0.3, 0.8]);
    /// let metric = SensitivityAtSpecificity::new(0.5);
    /// assert_eq!(metric.measure(&t, &p, None)?.item::<f64>()?, 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.SensitivityAtSpecificity`.
    SensitivityAtSpecificity(specificity): sensitivity where specificity;

    /// The largest specificity (`TN / (TN + FP)`) at a threshold where recall
    /// (`TP / (TP + FN)`) is at least the given one; 0 if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::SpecificityAtSensitivity};
    ///
    /// let t = Tensor::from([0.0f32, 0.0, 0.0, 1.0, 1.0]);
    /// let p = Tensor::from([0.0f32, 0.3, 0.8, 0.3, 0.8]);
    /// let metric = SpecificityAtSensitivity::new(0.5);
    /// let specificity = metric.measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((specificity - 2.0 / 3.0).abs() < 1e-12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.SpecificityAtSensitivity`.
    SpecificityAtSensitivity(sensitivity): specificity where sensitivity;

    /// The largest precision (`TP / (TP + FP)`) at a threshold where recall (`TP / (TP + FN)`)
    /// is at least the given one; 0 if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::PrecisionAtRecall};
    ///
    /// let t = Tensor::from([0.0f32, 0.0, 0.0, 1.0, 1.0]);
    /// let p = Tensor::from([0.0f32, 0.3, 0.8, 0.3, 0.8]);
    /// let metric = PrecisionAtRecall::new(0.5);
    /// assert_eq!(metric.measure(&t, &p, None)?.item::<f64>()?, 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.PrecisionAtRecall`.
    PrecisionAtRecall(recall): precision where sensitivity;

    /// The largest recall (`TP / (TP + FN)`) at a threshold where precision (`TP / (TP + FP)`)
    /// is at least the given one; 0 if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::RecallAtPrecision};
    ///
    /// let t = Tensor::from([0.0f32, 0.0, 1.0, 1.0]);
    /// let p = Tensor::from([0.0f32, 0.5, 0.3, 0.9]);
    /// let metric = RecallAtPrecision::new(0.8);
    /// assert_eq!(metric.measure(&t, &p, None)?.item::<f64>()?, 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.RecallAtPrecision`.
    RecallAtPrecision(precision): sensitivity where precision;
}
