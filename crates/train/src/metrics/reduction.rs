//! Sums and means: of numbers, or of what a function says of each sample.

use std::{fmt, sync::Arc};

use deckle_autograd::Var;
use deckle_nn::{AnyLoss, snake_case};
use deckle_tensor::{DType, Shape, Tensor};
use serde_json::{Map, Value};

use super::{
    regression::{of_loss, update_by_loss},
    setting::{metric, metric_basics},
    thresholds::spread,
};
use crate::{Direction, Metric, Result, metric::mean_update};

metric! {
    /// The mean of numbers: as a metric of a model, of its predictions.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{MetricState, metrics::Mean};
    ///
    /// let mut mean = MetricState::new(Mean::new());
    /// mean.update_values(&Tensor::from([1.0f32, 3.0, 5.0, 7.0]), None)?;
    /// assert_eq!(mean.result()?.item::<f64>()?, 4.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.Mean`. In `compile`, that takes predictions for weights of the truth,
    /// which nobody can mean.
    Mean {}
}

impl Metric for Mean {
    metric_basics! { Mean }

    fn takes_mask(&self) -> bool {
        false
    }

    fn update(
        &self,
        state: &[Var],
        _: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        mean_update(state, y_pred, weights)
    }
}

metric! {
    /// The sum of numbers: as a metric of a model, of its predictions.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{MetricState, metrics::Sum};
    ///
    /// let mut sum = MetricState::new(Sum::new());
    /// let weights = Tensor::from([1.0f32, 1.0, 0.0, 0.0]);
    /// sum.update_values(&Tensor::from([1.0f32, 3.0, 5.0, 7.0]), Some(&weights))?;
    /// assert_eq!(sum.result()?.item::<f64>()?, 4.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.Sum`. In `compile`, that takes predictions for weights of the truth,
    /// which nobody can mean.
    Sum {}
}

impl Metric for Sum {
    metric_basics! { Sum }

    fn takes_mask(&self) -> bool {
        false
    }

    fn initial(&self, _: &Shape) -> Result<Vec<Tensor>> {
        Ok(vec![Tensor::scalar(0.0f64)])
    }

    fn update(
        &self,
        state: &[Var],
        _: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        let mut values = y_pred.cast(DType::F32)?;
        if let Some(weights) = weights {
            values = values.mul(&spread(weights, &values)?)?;
        }
        Ok(vec![state[0].add(&values.cast(DType::F64)?.sum(..)?)?])
    }

    fn result(&self, state: &[Tensor]) -> Result<Tensor> {
        Ok(state[0].clone())
    }
}

/// What says a number of each sample.
type PerSample = Arc<dyn Fn(&Var, &Var) -> Result<Var> + Send + Sync>;

/// The mean of what a function of truth and prediction says of each sample, or of a loss.
///
/// # Examples
///
/// ```
/// use deckle_nn::losses::Huber;
/// use deckle_tensor::Tensor;
/// use deckle_train::{Metric, metrics::MeanMetricWrapper};
///
/// let (t, p) = (Tensor::from([[0.0f32, 0.0]]), Tensor::from([[1.0f32, 3.0]]));
/// let cubes = MeanMetricWrapper::new("cubes", |t, p| Ok(p.sub(t)?.power(3.0)?.mean(-1)?));
/// assert_eq!(cubes.measure(&t, &p, None)?.item::<f64>()?, 14.0);
/// assert_eq!(cubes.name(), "cubes");
///
/// let huber = MeanMetricWrapper::of_loss(Huber::new());
/// assert_eq!(huber.measure(&t, &p, None)?.item::<f64>()?, 1.5);
/// assert_eq!(huber.name(), "huber");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keras
///
/// `keras.metrics.MeanMetricWrapper`, which is what a function in the list of metrics becomes.
/// A file holds the wrapper of a loss with its defaults, but no function of yours.
#[derive(Clone)]
pub struct MeanMetricWrapper {
    name: String,
    of: Of,
}

/// What is averaged.
#[derive(Clone)]
enum Of {
    Function(PerSample),
    Loss(AnyLoss),
}

impl MeanMetricWrapper {
    /// The mean of what the function says of each sample, under that name.
    pub fn new(
        name: impl Into<String>,
        function: impl Fn(&Var, &Var) -> Result<Var> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), of: Of::Function(Arc::new(function)) }
    }

    /// The mean of the samples' losses.
    pub fn of_loss(loss: impl Into<AnyLoss>) -> Self {
        let loss = loss.into();
        Self { name: snake_case(loss.class_name()), of: Of::Loss(loss) }
    }

    /// The loss that is measured, if it is one.
    #[must_use]
    pub const fn loss(&self) -> Option<&AnyLoss> {
        match &self.of {
            Of::Function(_) => None,
            Of::Loss(loss) => Some(loss),
        }
    }
}

impl fmt::Debug for MeanMetricWrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeanMetricWrapper")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Metric for MeanMetricWrapper {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn class_name(&self) -> &'static str {
        "MeanMetricWrapper"
    }

    /// The function of a loss, as `fn`, with those of its settings that are not the defaults; of
    /// another function nothing.
    fn config(&self) -> Map<String, Value> {
        let Some(loss) = self.loss() else { return Map::new() };
        let settings = |loss: &AnyLoss| match loss.config() {
            Ok(Value::Object(settings)) => settings,
            _ => Map::new(),
        };
        let name = snake_case(loss.class_name());
        let default = AnyLoss::by_name(&name).map(|loss| settings(&loss));
        let default = default.unwrap_or_default();
        let mut config = settings(loss);
        config.retain(|key, value| key != "reduction" && default.get(key) != Some(value));
        config.insert("fn".to_owned(), Value::from(name));
        config
    }

    fn direction(&self) -> Option<Direction> {
        self.loss().map(|_| Direction::Down)
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        match &self.of {
            Of::Function(function) => function(y_true, y_pred),
            Of::Loss(loss) => of_loss(&**loss, y_true, y_pred),
        }
    }

    fn update(
        &self,
        state: &[Var],
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        match &self.of {
            Of::Function(function) => {
                mean_update(state, &function(y_true, y_pred)?, weights)
            }
            Of::Loss(loss) => update_by_loss(&**loss, state, [y_true, y_pred], weights),
        }
    }
}
