//! The harmonic mean of precision and recall: [`FBetaScore`], [`F1Score`].

use deckle_autograd::Var;
use deckle_tensor::{DType, Shape, Tensor, keep};
use serde::{Deserialize, Serialize};

use super::{
    setting::{metric, metric_basics, no_sense, wrong_shapes},
    thresholds::spread,
};
use crate::{Direction, Metric, Result, metric_state::numbers};

/// How the scores of several classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// Counts are summed over the classes first.
    Micro,
    /// The mean of the classes' scores.
    Macro,
    /// The mean of the classes' scores, weighted by how often each is true.
    Weighted,
}

metric! {
    /// The weighted harmonic mean of precision and recall:
    /// `(1 + β²) · precision · recall / (β² · precision + recall)`, one for each class unless
    /// they are averaged.
    ///
    /// Without a threshold, the largest prediction of a sample is its prediction of 1.
    ///
    /// # Shapes
    ///
    /// Truth and prediction are `(batch, classes)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::{Average, FBetaScore}};
    ///
    /// let t = Tensor::from([[1.0f32, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]);
    /// let p = Tensor::from([[0.2f32, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]);
    /// let metric = FBetaScore::new().beta(2.0).threshold(0.5);
    /// let scores = metric.measure(&t, &p, None)?;
    /// let expected = Tensor::from([0.384_615_38, 0.909_090_9, 0.833_333_3]);
    /// assert!(scores.allclose(&expected, 1e-6, 1e-6)?);
    /// let mean = metric.average(Average::Macro).measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((mean - 0.709_013).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.FBetaScore`.
    FBetaScore {
        /// Sets how much recall counts, compared with precision; 1 by default.
        beta: f64 = 1.0;
    } optional {
        /// Sets how the classes' scores become one number; a vector of all by default.
        average: Average = Average;
        /// Sets above what a prediction is one of 1; the largest of a sample by default.
        threshold: f64 = f64;
    }
}

impl Metric for FBetaScore {
    metric_basics! { FBetaScore, "fbeta_score" }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn takes_mask(&self) -> bool {
        false
    }

    fn check(&self) -> Result<()> {
        check_threshold("FBetaScore", self.threshold)?;
        if self.beta.is_finite() && self.beta > 0.0 {
            return Ok(());
        }
        Err(no_sense("FBetaScore", "beta", "a positive number").got(self.beta))
    }

    fn initial(&self, y_pred: &Shape) -> Result<Vec<Tensor>> {
        initial("FBetaScore", self.average, y_pred)
    }

    fn update(
        &self,
        state: &[Var],
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        let counts = counts("FBetaScore", self.threshold, y_true, y_pred, weights)?;
        added(state, &counts, self.average)
    }

    fn result(&self, state: &[Tensor]) -> Result<Tensor> {
        score(state, self.average, self.beta)
    }
}

metric! {
    /// The harmonic mean of precision and recall: `2 · precision · recall / (precision +
    /// recall)`, one for each class unless they are averaged.
    ///
    /// Without a threshold, the largest prediction of a sample is its prediction of 1.
    ///
    /// # Shapes
    ///
    /// Truth and prediction are `(batch, classes)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::F1Score};
    ///
    /// let t = Tensor::from([[1.0f32, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]);
    /// let p = Tensor::from([[0.2f32, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]);
    /// let scores = F1Score::new().threshold(0.5).measure(&t, &p, None)?;
    /// assert!(scores.allclose(&Tensor::from([0.5, 0.8, 2.0 / 3.0]), 1e-6, 1e-6)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.F1Score`.
    F1Score {} optional {
        /// Sets how the classes' scores become one number; a vector of all by default.
        average: Average = Average;
        /// Sets above what a prediction is one of 1; the largest of a sample by default.
        threshold: f64 = f64;
    }
}

impl Metric for F1Score {
    metric_basics! { F1Score, "f1_score" }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn takes_mask(&self) -> bool {
        false
    }

    fn check(&self) -> Result<()> {
        check_threshold("F1Score", self.threshold)
    }

    fn initial(&self, y_pred: &Shape) -> Result<Vec<Tensor>> {
        initial("F1Score", self.average, y_pred)
    }

    fn update(
        &self,
        state: &[Var],
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        let counts = counts("F1Score", self.threshold, y_true, y_pred, weights)?;
        added(state, &counts, self.average)
    }

    fn result(&self, state: &[Tensor]) -> Result<Tensor> {
        score(state, self.average, 1.0)
    }
}

/// Keras's `epsilon()`, added to what is divided by.
const EPSILON: f64 = 1e-7;

fn check_threshold(class: &str, threshold: Option<f64>) -> Result<()> {
    match threshold {
        Some(value) if !(value > 0.0 && value <= 1.0) => {
            let expected = "a number above 0, at most 1";
            Err(no_sense(class, "threshold", expected).got(value))
        }
        _ => Ok(()),
    }
}

/// True positives, false positives, false negatives and how often a class is true.
fn initial(class: &str, average: Option<Average>, y_pred: &Shape) -> Result<Vec<Tensor>> {
    let classes = match y_pred.dims() {
        [_, classes] => classes.known(),
        _ => None,
    };
    let Some(classes) = classes else {
        return Err(wrong_shapes(class, "predictions (batch, classes)").got(y_pred));
    };
    let shape = if average == Some(Average::Micro) { vec![] } else { vec![classes] };
    Ok(vec![Tensor::zeros(DType::F64, shape); 4])
}

fn counts(
    class: &str,
    threshold: Option<f64>,
    y_true: &Var,
    y_pred: &Var,
    weights: Option<&Var>,
) -> Result<[Var; 4]> {
    let fits = y_true.rank() == 2
        && y_pred.rank() == 2
        && y_true.shape().may_equal(y_pred.shape());
    if !fits {
        let expected = "truth and prediction (batch, classes)";
        return Err(wrong_shapes(class, expected).got(format_args!(
            "{} and {}",
            y_true.shape(),
            y_pred.shape()
        )));
    }
    let p = y_pred.cast(DType::F32)?;
    let chosen = match threshold {
        Some(threshold) => p.greater(threshold)?,
        None => p.greater_equal(&p.max(keep(-1))?)?.and(&p.abs()?.greater(1e-9)?)?,
    };
    let (t, p) = (y_true.cast(DType::F64)?, chosen.cast(DType::F64)?);
    let counts = [t.mul(&p)?, (1.0 - &t).mul(&p)?, (1.0 - &p).mul(&t)?, t];
    let Some(weights) = weights else { return Ok(counts) };
    let w = spread(weights, &counts[0])?.cast(DType::F64)?;
    let [a, b, c, d] = &counts;
    Ok([a.mul(&w)?, b.mul(&w)?, c.mul(&w)?, d.mul(&w)?])
}

fn added(state: &[Var], counts: &[Var; 4], average: Option<Average>) -> Result<Vec<Var>> {
    let sum = |count: &Var| match average {
        Some(Average::Micro) => count.sum(..),
        _ => count.sum(0),
    };
    state.iter().zip(counts).map(|(state, count)| Ok(state.add(&sum(count)?)?)).collect()
}

fn score(state: &[Tensor], average: Option<Average>, beta: f64) -> Result<Tensor> {
    let counts: Vec<_> = state.iter().map(numbers).collect::<Result<_>>()?;
    let [tp, fp, missed, weights] = [&counts[0], &counts[1], &counts[2], &counts[3]];
    let of = |i: usize| {
        let precision = tp[i] / (tp[i] + fp[i] + EPSILON);
        let recall = tp[i] / (tp[i] + missed[i] + EPSILON);
        let mean = precision * recall / (beta * beta * precision + recall + EPSILON);
        mean * (1.0 + beta * beta)
    };
    let scores: Vec<_> = (0..tp.len()).map(of).collect();
    #[expect(clippy::cast_precision_loss, reason = "there are few classes")]
    let classes = scores.len() as f64;
    Ok(match average {
        None => Tensor::from(scores),
        Some(Average::Weighted) => {
            let total = weights.iter().sum::<f64>() + EPSILON;
            let weighted = scores.iter().zip(weights).map(|(score, w)| score * w / total);
            Tensor::scalar(weighted.sum::<f64>())
        }
        Some(Average::Micro | Average::Macro) => {
            Tensor::scalar(scores.iter().sum::<f64>() / classes)
        }
    })
}
