//! What is measured besides the loss: [`Metric`].

use std::fmt;

use deckle_autograd::Var;
use deckle_nn::snake_case;
use deckle_tensor::{DType, Dim, Shape, Tensor};
use serde_json::{Map, Value};

use crate::{AnyMetric, Error, MetricState, Result};

/// A measure of predictions, kept as state that the compiled step updates.
///
/// Most are means over the samples: implement [`Metric::per_sample`], and the rest follows.
/// Others implement [`Metric::initial`], [`Metric::update`] and [`Metric::result`].
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_tensor::Tensor;
/// use deckle_train::{Metric, Result};
///
/// /// The largest error of each sample.
/// #[derive(Clone, Debug)]
/// struct MaxError;
///
/// impl Metric for MaxError {
///     fn class_name(&self) -> &'static str {
///         "MaxError"
///     }
///
///     fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
///         Ok(y_pred.sub(y_true)?.abs()?.max(-1)?)
///     }
/// }
///
/// let y_true = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// let y_pred = Tensor::from([[1.0f32, 2.5], [4.0, 4.0]]);
/// assert_eq!(MaxError.measure(&y_true, &y_pred, None)?.item::<f64>()?, 0.75);
/// assert_eq!(MaxError.name(), "max_error");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Metric: fmt::Debug + Send + Sync + 'static {
    /// The name in the history; the class in snake case by default.
    fn name(&self) -> String {
        snake_case(self.class_name())
    }

    /// Keras's name of the class, as `BinaryAccuracy`.
    fn class_name(&self) -> &'static str;

    /// The settings as Keras's JSON; none by default.
    fn config(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    ///
    /// If one does not.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Whether larger or smaller values are better, if it is known.
    fn direction(&self) -> Option<Direction> {
        None
    }

    /// Whether a mask of the predictions takes samples out, as it does of Keras's means.
    ///
    /// It does so in training and in evaluation; Keras on JAX forgets the mask in training, but
    /// for the loss.
    fn takes_mask(&self) -> bool {
        true
    }

    /// The value of each sample, of a metric that is a mean; further axes are averaged.
    ///
    /// # Errors
    ///
    /// If the shapes do not belong together, or the metric is no mean.
    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        let _ = (y_true, y_pred);
        Err(Error::invalid(
            format_args!("metric {}: has no value of each sample", self.class_name()),
            "`per_sample`, or `initial`, `update` and `result`, implemented",
        ))
    }

    /// The state before the first batch, for predictions of that shape; by default sum and
    /// count of a mean, both `F64`.
    ///
    /// # Errors
    ///
    /// If there is no state for predictions of that shape.
    fn initial(&self, y_pred: &Shape) -> Result<Vec<Tensor>> {
        let _ = y_pred;
        Ok(vec![Tensor::scalar(0.0f64), Tensor::scalar(0.0f64)])
    }

    /// The state after a batch, in which `weights` say how much each sample counts: a mask of
    /// the predictions, the weights of a weighted metric, or their product.
    ///
    /// # Errors
    ///
    /// If the shapes do not belong together.
    fn update(
        &self,
        state: &[Var],
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        mean_update(state, &self.per_sample(y_true, y_pred)?, weights)
    }

    /// The measure that a state stands for, one `F64` number or a vector of them; by default
    /// that of a mean, which is 0 of no sample.
    ///
    /// # Errors
    ///
    /// If the state is not one of this metric.
    fn result(&self, state: &[Tensor]) -> Result<Tensor> {
        Ok(Tensor::scalar(mean_result(state)?))
    }

    /// The measure of these predictions, one `F64` number or a vector of them.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense, or the shapes do not belong together.
    fn measure(
        &self,
        y_true: &Tensor,
        y_pred: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<Tensor>
    where
        Self: Clone + Sized,
    {
        let mut state = MetricState::new(self.clone());
        state.update_state(y_true, y_pred, weights)?;
        state.result()
    }

    /// The same metric under another name in the history.
    #[must_use]
    fn with_name(self, name: impl Into<String>) -> AnyMetric
    where
        Self: Sized,
    {
        AnyMetric::from(self).with_name(name)
    }

    /// The same metric, in which each example counts by its weight.
    #[must_use]
    fn weighted(self) -> AnyMetric
    where
        Self: Sized,
    {
        AnyMetric::from(self).weighted()
    }
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Larger ones.
    Up,
    /// Smaller ones.
    Down,
}

/// Sum and count of a mean with the values of more samples, whose further axes are averaged.
///
/// # Errors
///
/// If the weights do not belong to the values.
pub fn mean_update(
    state: &[Var],
    values: &Var,
    weights: Option<&Var>,
) -> Result<Vec<Var>> {
    let average = |var: Var, from: usize| -> Result<Var> {
        let rest: Vec<_> = (from..var.rank()).map(usize::cast_signed).collect();
        if rest.is_empty() { Ok(var) } else { Ok(var.mean(&rest)?) }
    };
    let mut values = values.cast(DType::F32)?;
    let count = match weights {
        Some(weights) => {
            let mut weights = weights.cast(DType::F32)?;
            while weights.rank() > values.rank() && last(&weights) == Some(Dim::Known(1))
            {
                weights = weights.squeeze(-1)?;
            }
            if values.rank() > 0 && weights.rank() > values.rank() {
                return Err(Error::invalid(
                    "sample weights",
                    format_args!("weights of values of shape {}", values.shape()),
                )
                .got(weights.shape())
                .help("give each example, or each of its steps, one weight"));
            }
            values = average(values, weights.rank())?.mul(&weights)?;
            average(weights, 1)?.sum(..)?.cast(DType::F64)?
        }
        None if values.rank() == 0 => Var::scalar(DType::F64, 1.0),
        None => values.count_of(0, DType::F64)?,
    };
    let sum = average(values, 1)?.sum(..)?.cast(DType::F64)?;
    Ok(vec![state[0].add(&sum)?, state[1].add(&count)?])
}

/// Weights of examples for the elements that a mask leaves.
pub(crate) fn masked(weights: &Var, mask: &Var) -> Result<Var> {
    let mut weights = weights.cast(DType::F32)?;
    while weights.rank() > mask.rank() && last(&weights) == Some(Dim::Known(1)) {
        weights = weights.squeeze(-1)?;
    }
    while weights.rank() < mask.rank() {
        weights = weights.expand_dims(-1)?;
    }
    Ok(mask.cast(DType::F32)?.mul(&weights)?)
}

pub(crate) fn last(var: &Var) -> Option<Dim> {
    var.shape().dims().last().cloned()
}

/// The mean that a sum and a count stand for; of no sample, 0.
pub(crate) fn mean_result(state: &[Tensor]) -> Result<f64> {
    let (sum, count) = (state[0].item::<f64>()?, state[1].item::<f64>()?);
    Ok(if count == 0.0 { 0.0 } else { sum / count })
}
