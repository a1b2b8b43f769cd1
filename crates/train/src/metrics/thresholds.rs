//! Counts of predictions on either side of thresholds: [`Thresholds`], [`Confusion`].

use deckle_autograd::Var;
use deckle_nn::align;
use deckle_tensor::{DType, Part, Tensor};
use serde::{Deserialize, Serialize};

use super::setting::{no_sense, wrong_shapes};
use crate::{Result, metric::last};

/// One threshold, which gives one number, or a list of them, which gives one number for each.
///
/// # Examples
///
/// ```
/// use deckle_train::metrics::Thresholds;
///
/// assert_eq!(Thresholds::from([0.25, 0.75]).values(), [0.25, 0.75]);
/// assert_eq!(Thresholds::from(0.5).values(), [0.5]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "one number from 0 to 1, or more")]
pub enum Thresholds {
    /// One.
    One(f64),
    /// A list.
    Many(Vec<f64>),
}

impl Thresholds {
    /// The thresholds.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    /// The thresholds, or one if none are set.
    pub(super) fn or(given: Option<&Self>, default: f64) -> Vec<f64> {
        given.map_or_else(|| vec![default], |given| given.values().to_vec())
    }

    /// Whether all lie between 0 and 1, and there is one.
    pub(super) fn check(given: Option<&Self>, class: &str) -> Result<()> {
        let Some(given) = given else { return Ok(()) };
        let values = given.values();
        if !values.is_empty() && values.iter().all(|t| (0.0..=1.0).contains(t)) {
            return Ok(());
        }
        Err(no_sense(class, "thresholds", "one number from 0 to 1, or more")
            .got(format_args!("{values:?}")))
    }
}

impl From<f64> for Thresholds {
    fn from(threshold: f64) -> Self {
        Self::One(threshold)
    }
}

impl From<Vec<f64>> for Thresholds {
    fn from(thresholds: Vec<f64>) -> Self {
        Self::Many(thresholds)
    }
}

impl From<&[f64]> for Thresholds {
    fn from(thresholds: &[f64]) -> Self {
        Self::Many(thresholds.to_vec())
    }
}

impl<const N: usize> From<[f64; N]> for Thresholds {
    fn from(thresholds: [f64; N]) -> Self {
        Self::Many(thresholds.to_vec())
    }
}

/// The most thresholds that counts are kept for.
pub(super) const MOST_THRESHOLDS: usize = 1 << 20;

/// That many thresholds from 0 to 1 in equal steps.
pub(super) fn even(count: usize) -> Vec<f64> {
    match count {
        0 | 1 => vec![0.5; count],
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        _ => (0..count).map(|i| i as f64 / (count - 1) as f64).collect(),
    }
}

/// Whether thresholds go from 0 to 1 in equal steps.
pub(super) fn are_even(thresholds: &[f64]) -> bool {
    let near = |(a, b): (&f64, f64)| (a - b).abs() <= 1e-7 + 1e-5 * b.abs();
    thresholds.len() > 2 && thresholds.iter().zip(even(thresholds.len())).all(near)
}

/// How true and false predictions are counted.
#[derive(Debug)]
pub(super) struct Confusion<'a> {
    pub(super) class: &'a str,
    pub(super) thresholds: &'a [f64],
    /// Whether the thresholds go in equal steps, so that each prediction is put into the bucket
    /// between two of them.
    pub(super) is_even: bool,
    pub(super) top_k: Option<usize>,
    pub(super) class_id: Option<usize>,
    /// Whether the last axis is counted one by one.
    pub(super) is_multi_label: bool,
    pub(super) label_weights: Option<&'a [f64]>,
}

/// Sums of weights for each threshold, and each label if they are counted one by one; `F64`.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) true_positives: Var,
    pub(super) false_positives: Var,
    pub(super) true_negatives: Var,
    pub(super) false_negatives: Var,
}

impl Counts {
    /// States of true positives, false positives, true negatives and false negatives with these
    /// counts added.
    pub(super) fn added_to(&self, state: &[Var]) -> Result<Vec<Var>> {
        let counts = [
            &self.true_positives,
            &self.false_positives,
            &self.true_negatives,
            &self.false_negatives,
        ];
        state.iter().zip(counts).map(|(state, count)| Ok(state.add(count)?)).collect()
    }
}

/// What predictions beyond the `k` largest are moved to.
const BEYOND: f64 = -1e10;

/// The threshold if none is set: a half, or none at all among the `k` largest.
pub(super) fn default_threshold(top_k: Option<usize>) -> f64 {
    if top_k.is_some() { BEYOND } else { 0.5 }
}

impl<'a> Confusion<'a> {
    pub(super) fn new(class: &'a str, thresholds: &'a [f64]) -> Self {
        Self {
            class,
            thresholds,
            is_even: are_even(thresholds),
            top_k: None,
            class_id: None,
            is_multi_label: false,
            label_weights: None,
        }
    }

    /// The counts of a batch.
    pub(super) fn counts(
        &self,
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Counts> {
        let (t, p) = align(y_true, y_pred)?;
        if !t.shape().may_equal(p.shape()) {
            return Err(wrong_shapes(self.class, "as many truths as predictions")
                .got(format_args!("{} and {}", y_true.shape(), y_pred.shape())));
        }
        if self.is_multi_label && p.rank() != 2 {
            let expected = "predictions (batch, labels), as `multi_label` is set";
            return Err(wrong_shapes(self.class, expected).got(p.shape()));
        }
        let mut t = t.cast(DType::F32)?.not_equal(0.0)?;
        let mut p = p.cast(DType::F32)?;
        if let Some(k) = self.top_k {
            p = self.largest(&p, k)?;
        }
        if let Some(class_id) = self.class_id {
            (t, p) = (self.one_class(&t, class_id)?, self.one_class(&p, class_id)?);
        }
        let mut w = match weights {
            Some(weights) => spread(weights, &p)?,
            None => p.full_like(1.0)?,
        };
        if let Some(label_weights) = self.label_weights {
            w = w.mul(&self.of_labels(label_weights, &p)?)?;
        }
        if !self.is_multi_label {
            (t, p, w) = (t.flatten()?, p.flatten()?, w.flatten()?);
        }
        if self.is_even {
            self.in_buckets(&t, &p, &w)
        } else {
            self.one_by_one(&t, &p, &w)
        }
    }

    /// Predictions of which all but the `k` largest of the last axis are moved out of the way.
    fn largest(&self, p: &Var, k: usize) -> Result<Var> {
        let classes = last(p).as_ref().and_then(deckle_tensor::Dim::known);
        let Some(classes) = classes.filter(|&classes| k <= classes && p.rank() > 1)
        else {
            let expected = format_args!("predictions (batch, ..., {k} classes or more)");
            return Err(wrong_shapes(self.class, expected).got(p.shape()));
        };
        let (_, at) = p.top_k(k)?;
        let is_largest = at.one_hot(classes, DType::F32)?.sum(-2)?.greater(0.0)?;
        Ok(is_largest.select(p, BEYOND)?)
    }

    fn one_class(&self, x: &Var, class_id: usize) -> Result<Var> {
        let classes = last(x).as_ref().and_then(deckle_tensor::Dim::known);
        if x.rank() < 2 || classes.is_none_or(|classes| class_id >= classes) {
            let expected = format_args!("predictions (batch, ..., more than {class_id})");
            return Err(wrong_shapes(self.class, expected).got(x.shape()));
        }
        let at = class_id.cast_signed();
        Ok(x.slice((Part::Ellipsis, at..at + 1))?)
    }

    fn of_labels(&self, label_weights: &[f64], p: &Var) -> Result<Var> {
        let labels = last(p).as_ref().and_then(deckle_tensor::Dim::known);
        if labels != Some(label_weights.len()) || p.rank() < 2 {
            let expected = format_args!(
                "predictions (batch, {} labels), as many as `label_weights`",
                label_weights.len()
            );
            return Err(wrong_shapes(self.class, expected).got(p.shape()));
        }
        Ok(Var::constant(&Tensor::from(label_weights).cast(DType::F32))
            .broadcast_like(p)?)
    }

    /// Each prediction goes into the bucket between two thresholds; sums from the top are the
    /// counts.
    ///
    /// A threshold is not above itself, so that buckets hold their upper end. NaN goes where it
    /// goes in Keras: above the first threshold.
    fn in_buckets(&self, t: &Var, p: &Var, w: &Var) -> Result<Counts> {
        let count = self.thresholds.len();
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let steps = (count - 1) as f64;
        let is_number = p.equal(p)?;
        let at = (p.clip(0.0, 1.0)? * steps).ceil()?;
        let mut at = is_number.select(&at, 1.0)?;
        if self.thresholds.first().is_some_and(|first| *first < 0.0) {
            // The first threshold lies below all predictions.
            at = at.maximum(1.0)?;
        }
        let at = at.cast(DType::I32)?;
        let sums = |which: &Var| -> Result<(Var, Var)> {
            let w = which.select(w, 0.0)?.cast(DType::F64)?;
            let buckets = if self.is_multi_label {
                Var::scatter_add_along(&at, &w, 0, count)?
            } else {
                Var::scatter_add(&at, &w, 0, count)?
            };
            let above = buckets.cumsum(0, true, true)?;
            let rest = buckets.cumsum(0, false, false)?;
            Ok((above, rest))
        };
        let (true_positives, false_negatives) = sums(t)?;
        let (false_positives, true_negatives) = sums(&t.not()?)?;
        Ok(Counts { true_positives, false_positives, true_negatives, false_negatives })
    }

    /// Each prediction is compared with each threshold.
    fn one_by_one(&self, t: &Var, p: &Var, w: &Var) -> Result<Counts> {
        let mut thresholds =
            Var::constant(&Tensor::from(self.thresholds).cast(DType::F32));
        for _ in 0..p.rank() {
            thresholds = thresholds.expand_dims(-1)?;
        }
        let positive = p.expand_dims(0)?.greater(&thresholds)?;
        let negative = positive.not()?;
        let (t, w) = (t.expand_dims(0)?, w.expand_dims(0)?.cast(DType::F64)?);
        let f = t.not()?;
        let sum = |truth: &Var, side: &Var| -> Result<Var> {
            Ok(truth.and(side)?.select(&w, 0.0)?.sum(1)?)
        };
        Ok(Counts {
            true_positives: sum(&t, &positive)?,
            false_positives: sum(&f, &positive)?,
            true_negatives: sum(&f, &negative)?,
            false_negatives: sum(&t, &negative)?,
        })
    }
}

/// Weights of examples, or of the first axes, for every element of `like`; `F32`.
pub(super) fn spread(weights: &Var, like: &Var) -> Result<Var> {
    let mut weights = weights.cast(DType::F32)?;
    while weights.rank() > like.rank() && last(&weights) == Some(1.into()) {
        weights = weights.squeeze(-1)?;
    }
    while weights.rank() < like.rank() {
        weights = weights.expand_dims(-1)?;
    }
    Ok(weights.broadcast_like(like)?)
}

/// `a / b` of each pair, 0 where `b` is 0.
pub(super) fn ratios(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| ratio(a, b)).collect()
}

/// `a / b`, or 0 if `b` is 0.
pub(super) fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// The sums of each pair.
pub(super) fn sums(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}
