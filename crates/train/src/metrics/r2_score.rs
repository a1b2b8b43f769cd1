//! The share of the variance that predictions explain: [`R2Score`].

use deckle_autograd::Var;
use deckle_nn::align;
use deckle_tensor::{DType, Shape, Tensor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    setting::{metric, metric_basics, wrong_shapes},
    thresholds::spread,
};
use crate::{Direction, Metric, Result, metric_state::numbers};

/// How the scores of several outputs become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Aggregation {
    /// Their mean.
    #[default]
    UniformAverage,
    /// Their mean, weighted by the variance of each output's truth.
    VarianceWeightedAverage,
    /// Not at all: a vector of all.
    None,
}

/// Keras's form: a name, or null for none.
impl Serialize for Aggregation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self {
            Self::UniformAverage => Some("uniform_average"),
            Self::VarianceWeightedAverage => Some("variance_weighted_average"),
            Self::None => None,
        };
        name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Aggregation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Name {
            UniformAverage,
            VarianceWeightedAverage,
        }
        Ok(match Option::<Name>::deserialize(deserializer)? {
            Some(Name::UniformAverage) => Self::UniformAverage,
            Some(Name::VarianceWeightedAverage) => Self::VarianceWeightedAverage,
            None => Self::None,
        })
    }
}

metric! {
    /// The coefficient of determination: `1 - Σ (t - p)² / Σ (t - mean(t))²` of each output.
    ///
    /// With regressors, it is adjusted: `1 - (1 - R²) · (n - 1) / (n - regressors - 1)`, where
    /// `n` is, as in Keras, the number of all truths; if that leaves nothing, it is not.
    ///
    /// # Shapes
    ///
    /// Truth and prediction are `(batch, outputs)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::R2Score};
    ///
    /// let t = Tensor::from([[1.0f32], [4.0], [3.0]]);
    /// let p = Tensor::from([[2.0f32], [4.0], [4.0]]);
    /// let score = R2Score::new().measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((score - 0.571_428_57).abs() < 1e-7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.R2Score`.
    R2Score {
        /// Sets how the outputs' scores become one number; [`Aggregation::UniformAverage`] by
        /// default.
        class_aggregation: Aggregation = Aggregation::UniformAverage;
        /// Sets the number of regressors, for the adjusted score; 0 by default.
        num_regressors: u32 = 0;
    }
}

impl Metric for R2Score {
    metric_basics! { R2Score }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn takes_mask(&self) -> bool {
        false
    }

    /// Number of truths; then, of each output, sum and sum of squares of the truths, sum of
    /// squared errors, sum of weights.
    fn initial(&self, y_pred: &Shape) -> Result<Vec<Tensor>> {
        let outputs = match y_pred.dims() {
            [_] => Some(1),
            [_, outputs] => outputs.known(),
            _ => None,
        };
        let Some(outputs) = outputs else {
            return Err(
                wrong_shapes("R2Score", "predictions (batch, outputs)").got(y_pred)
            );
        };
        let mut state = vec![Tensor::scalar(0.0f64)];
        state.resize(5, Tensor::zeros(DType::F64, [outputs]));
        Ok(state)
    }

    fn update(
        &self,
        state: &[Var],
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        let (mut t, mut p) = align(y_true, y_pred)?;
        if t.rank() == 1 && p.rank() == 1 {
            (t, p) = (t.expand_dims(-1)?, p.expand_dims(-1)?);
        }
        if p.rank() != 2 || !t.shape().may_equal(p.shape()) {
            let expected = "truth and prediction (batch, outputs)";
            return Err(wrong_shapes("R2Score", expected).got(format_args!(
                "{} and {}",
                y_true.shape(),
                y_pred.shape()
            )));
        }
        let (t, p) = (t.cast(DType::F64)?, p.cast(DType::F64)?);
        let w = match weights {
            Some(weights) => spread(weights, &t)?.cast(DType::F64)?,
            None => t.ones_like()?,
        };
        let weighted = t.mul(&w)?;
        let error = t.sub(&p)?.square()?.mul(&w)?;
        Ok(vec![
            state[0].add(&t.count_of(.., DType::F64)?)?,
            state[1].add(&weighted.sum(0)?)?,
            state[2].add(&t.mul(&weighted)?.sum(0)?)?,
            state[3].add(&error.sum(0)?)?,
            state[4].add(&w.sum(0)?)?,
        ])
    }

    fn result(&self, state: &[Tensor]) -> Result<Tensor> {
        let samples = state[0].item::<f64>()?;
        let sums: Vec<_> = state[1..].iter().map(numbers).collect::<Result<_>>()?;
        let of = |i: usize| {
            let (sum, squares, errors, count) =
                (sums[0][i], sums[1][i], sums[2][i], sums[3][i]);
            let variation = squares - sum * (sum / count);
            let score = 1.0 - errors / variation;
            (if score.is_infinite() { 0.0 } else { score }, variation)
        };
        let scores: Vec<_> = (0..sums[0].len()).map(of).collect();
        let regressors = f64::from(self.num_regressors);
        let adjust = |score: f64| {
            if regressors == 0.0 || regressors >= samples - 1.0 {
                return score;
            }
            1.0 - (1.0 - score) * (samples - 1.0) / (samples - regressors - 1.0)
        };
        #[expect(clippy::cast_precision_loss, reason = "there are few outputs")]
        let outputs = scores.len() as f64;
        let sum = |value: fn(&(f64, f64)) -> f64| scores.iter().map(value).sum::<f64>();
        Ok(match self.class_aggregation {
            Aggregation::None => {
                Tensor::from(scores.iter().map(|(s, _)| adjust(*s)).collect::<Vec<_>>())
            }
            Aggregation::UniformAverage => {
                Tensor::scalar(adjust(sum(|(score, _)| *score) / outputs))
            }
            Aggregation::VarianceWeightedAverage => {
                let weighted = sum(|(score, variation)| score * variation);
                Tensor::scalar(adjust(weighted / sum(|(_, variation)| *variation)))
            }
        })
    }
}
