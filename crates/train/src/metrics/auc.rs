//! The area under a curve of rates: [`AUC`].

use deckle_autograd::Var;
use deckle_tensor::{DType, Shape, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    setting::{check_size, json, metric, no_sense, wrong_shapes},
    thresholds::{Confusion, MOST_THRESHOLDS, are_even, even, ratio},
};
use crate::{Direction, Metric, Result, metric_state::numbers};

/// Which curve [`AUC`] is the area under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Curve {
    /// Recall over the rate of false positives: the receiver operating characteristic.
    #[default]
    #[serde(rename = "ROC", alias = "roc")]
    Roc,
    /// Precision over recall.
    #[serde(rename = "PR", alias = "pr")]
    Pr,
    /// The gain of precision over the gain of recall.
    #[serde(rename = "PRGAIN", alias = "prgain")]
    PrGain,
}

/// How [`AUC`] sums the area between two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Summation {
    /// By the mean of both heights; of [`Curve::Pr`], by interpolated counts.
    #[default]
    #[serde(rename = "interpolation", alias = "Interpolation")]
    Interpolation,
    /// By the lower one.
    #[serde(rename = "minoring", alias = "Minoring")]
    Minoring,
    /// By the higher one.
    #[serde(rename = "majoring", alias = "Majoring")]
    Majoring,
}

metric! {
    /// The area under the ROC or the precision-recall curve, from counts at thresholds.
    ///
    /// Thresholds go from just below 0 to just above 1, in equal steps unless others are set.
    /// Predictions lie between 0 and 1, or are logits if `from_logits` is set.
    ///
    /// # Shapes
    ///
    /// Truth and prediction have one shape; with `multi_label`, `(batch, labels)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::AUC};
    ///
    /// let t = Tensor::from([0.0f32, 0.0, 1.0, 1.0]);
    /// let p = Tensor::from([0.0f32, 0.5, 0.3, 0.9]);
    /// let auc = AUC::new().num_thresholds(3).measure(&t, &p, None)?.item::<f64>()?;
    /// assert_eq!(auc, 0.75);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.AUC`.
    ///
    /// # References
    ///
    /// Davis and Goadrich, "The relationship between precision-recall and ROC curves" (2006),
    /// for the interpolation of the precision-recall curve; Flach and Kull,
    /// "Precision-recall-gain curves" (2015).
    AUC {
        /// Sets how many thresholds there are; 200 by default.
        num_thresholds: usize = 200;
        /// Sets which curve; [`Curve::Roc`] by default.
        curve: Curve = Curve::Roc;
        /// Sets how areas are summed; [`Summation::Interpolation`] by default.
        summation_method: Summation = Summation::Interpolation;
        /// Sets whether each label has a curve of its own, the areas of which are averaged;
        /// false by default.
        multi_label: bool = false;
        /// Sets whether predictions are logits instead of probabilities; false by default.
        from_logits: bool = false;
    } optional {
        /// Sets thresholds between 0 and 1, to which one below 0 and one above 1 are added;
        /// equal steps by default.
        thresholds: Vec<f64> = impl Into<Vec<f64>>;
        /// Sets how many labels there are, which the predictions' shape says too.
        num_labels: usize = usize;
        /// Sets how much each label counts; all the same by default.
        label_weights: Vec<f64> = impl Into<Vec<f64>>;
    }
}

/// The most labels that have a curve of their own.
const MOST_LABELS: usize = 1 << 20;

/// How far beyond 0 and 1 the first and the last threshold are.
const BEYOND: f64 = 1e-7;

impl AUC {
    /// All thresholds, in order, and whether they go in equal steps.
    fn all_thresholds(&self) -> (Vec<f64>, bool) {
        let mut all = match &self.thresholds {
            Some(thresholds) => {
                let mut inner = thresholds.clone();
                inner.sort_by(f64::total_cmp);
                [vec![0.0], inner, vec![1.0]].concat()
            }
            None => even(self.num_thresholds),
        };
        let is_even = self.thresholds.is_none() || are_even(&all);
        if let Some(first) = all.first_mut() {
            *first = -BEYOND;
        }
        if let Some(last) = all.last_mut() {
            *last = 1.0 + BEYOND;
        }
        (all, is_even)
    }

    /// The area of one label, from counts at the thresholds.
    fn area(&self, [tp, fp, tn, missed]: [&[f64]; 4]) -> f64 {
        if self.curve == Curve::Pr && self.summation_method == Summation::Interpolation {
            return interpolated([tp, fp, missed]);
        }
        let point = |i: usize| match self.curve {
            Curve::Roc => (ratio(fp[i], fp[i] + tn[i]), ratio(tp[i], tp[i] + missed[i])),
            Curve::Pr => (ratio(tp[i], tp[i] + missed[i]), ratio(tp[i], tp[i] + fp[i])),
            Curve::PrGain if tp[i] == 0.0 => (0.0, 1.0),
            Curve::PrGain => {
                let odds = ratio(tp[i] + missed[i], tn[i] + fp[i]);
                let gain = |errors: f64| 1.0 - odds * ratio(errors, tp[i]);
                (gain(missed[i]).max(0.0), gain(fp[i]))
            }
        };
        let points: Vec<_> = (0..tp.len()).map(point).collect();
        let areas = points.windows(2).map(|pair| {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let height = match self.summation_method {
                Summation::Interpolation => f64::midpoint(y0, y1),
                Summation::Minoring => y0.min(y1),
                Summation::Majoring => y0.max(y1),
            };
            (x0 - x1) * height
        });
        areas.sum()
    }
}

/// The area under the precision-recall curve between whose points counts are interpolated.
fn interpolated([tp, fp, missed]: [&[f64]; 3]) -> f64 {
    let increment = |i: usize| {
        let (p0, p1) = (tp[i] + fp[i], tp[i + 1] + fp[i + 1]);
        let gained = tp[i] - tp[i + 1];
        let slope = ratio(gained, (p0 - p1).max(0.0));
        let intercept = tp[i + 1] - slope * p1;
        let growth = if p0 > 0.0 && p1 > 0.0 { p0 / p1 } else { 1.0 };
        let area = slope * (gained + intercept * growth.ln());
        ratio(area, (tp[i + 1] + missed[i + 1]).max(0.0))
    };
    (0..tp.len().saturating_sub(1)).map(increment).sum()
}

impl Metric for AUC {
    fn class_name(&self) -> &'static str {
        "AUC"
    }

    fn config(&self) -> Map<String, Value> {
        let mut config = self.settings();
        match &self.thresholds {
            Some(_) => {
                let (all, _) = self.all_thresholds();
                config.insert("num_thresholds".to_owned(), json(&all.len()));
                config.insert("thresholds".to_owned(), json(&&all[1..all.len() - 1]));
            }
            None => drop(config.shift_remove("thresholds")),
        }
        config
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn takes_mask(&self) -> bool {
        false
    }

    fn check(&self) -> Result<()> {
        if self.thresholds.is_none() {
            let range = [2, MOST_THRESHOLDS];
            check_size("AUC", "num_thresholds", self.num_thresholds, range)?;
        }
        if let Some(labels) = self.num_labels {
            check_size("AUC", "num_labels", labels, [1, MOST_LABELS])?;
        }
        if let Some(thresholds) = &self.thresholds
            && !thresholds.iter().all(|t| t.is_finite())
        {
            return Err(no_sense("AUC", "thresholds", "finite numbers")
                .got(format_args!("{thresholds:?}")));
        }
        let counts = |weight: &f64| (0.0..f64::INFINITY).contains(weight);
        if let Some(weights) = &self.label_weights
            && !weights.iter().all(counts)
        {
            return Err(no_sense("AUC", "label_weights", "finite numbers of at least 0")
                .got(format_args!("{weights:?}")));
        }
        if let (false, Some(labels)) = (self.multi_label, self.num_labels) {
            return Err(no_sense("AUC", "num_labels", "none without `multi_label`")
                .got(labels)
                .help("set multi_label(true)"));
        }
        if let (Some(labels), Some(weights)) = (self.num_labels, &self.label_weights)
            && labels != weights.len()
        {
            return Err(no_sense(
                "AUC",
                "label_weights",
                format_args!("{labels} numbers"),
            )
            .got(weights.len()));
        }
        Ok(())
    }

    fn initial(&self, y_pred: &Shape) -> Result<Vec<Tensor>> {
        let count = self.all_thresholds().0.len();
        let mut shape = vec![count];
        if self.multi_label {
            let labels = match (self.num_labels, y_pred.dims()) {
                (given, [_, last]) => given.or_else(|| last.known()),
                (given, _) => given,
            };
            let labels = labels.ok_or_else(|| {
                let expected = "predictions (batch, labels), as `multi_label` is set";
                wrong_shapes("AUC", expected).got(y_pred)
            })?;
            if let Some(weights) = &self.label_weights
                && weights.len() != labels
            {
                let expected = format_args!("{labels} numbers, one for each label");
                return Err(no_sense("AUC", "label_weights", expected).got(weights.len()));
            }
            shape.push(labels);
        }
        Ok(vec![Tensor::try_zeros(DType::F64, shape)?; 4])
    }

    fn update(
        &self,
        state: &[Var],
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        let (thresholds, is_even) = self.all_thresholds();
        let confusion = Confusion {
            is_even,
            is_multi_label: self.multi_label,
            label_weights: self.label_weights.as_deref().filter(|_| !self.multi_label),
            ..Confusion::new("AUC", &thresholds)
        };
        let y_pred = if self.from_logits { y_pred.sigmoid()? } else { y_pred.clone() };
        confusion.counts(y_true, &y_pred, weights)?.added_to(state)
    }

    fn result(&self, state: &[Tensor]) -> Result<Tensor> {
        let counts: Vec<_> = state.iter().map(numbers).collect::<Result<_>>()?;
        let labels = state[0].shape().get(1).copied();
        let areas = (0..labels.unwrap_or(1)).map(|label| {
            let of = |counts: &Vec<f64>| -> Vec<f64> {
                counts.iter().skip(label).step_by(labels.unwrap_or(1)).copied().collect()
            };
            let counts: Vec<_> = counts.iter().map(of).collect();
            self.area([&counts[0], &counts[1], &counts[2], &counts[3]])
        });
        let weights = self.label_weights.as_deref().filter(|_| self.multi_label);
        let (mut sum, mut count) = (0.0, 0.0);
        for (label, area) in areas.enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[label]);
            sum += area * weight;
            count += weight;
        }
        Ok(Tensor::scalar(ratio(sum, count)))
    }
}
