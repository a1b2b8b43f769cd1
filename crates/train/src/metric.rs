//! What is measured besides the loss: [`Metric`], and [`AnyMetric`] by name.

use std::{fmt, sync::Arc};

use deckle_autograd::Var;
use deckle_nn::{keras::names_class, keras::parse_keras_object};
use deckle_tensor::{DType, Dim, Tensor};
use serde_json::{Map, Value, json};

use crate::{Result, metrics};

/// A measure of predictions, kept as state that the compiled step updates.
///
/// Most are means over the samples: implement [`Metric::per_sample`], and the rest follows.
pub trait Metric: fmt::Debug + Send + Sync + 'static {
    /// The name in the history, as `accuracy`.
    fn name(&self) -> String;

    /// Keras's name of the class, as `BinaryAccuracy`.
    fn class_name(&self) -> &'static str;

    /// The settings that differ from the class's defaults, as Keras's JSON; none by default.
    fn config(&self) -> Map<String, Value> {
        Map::new()
    }

    /// The value of each sample; further axes are averaged.
    ///
    /// # Errors
    ///
    /// If the shapes do not belong together.
    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var>;

    /// The state before the first batch; by default sum and count of a mean, both `F64`.
    fn initial(&self) -> Vec<Tensor> {
        vec![Tensor::scalar(0.0f64), Tensor::scalar(0.0f64)]
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

    /// The measure that a state stands for; of no sample, 0.
    fn result(&self, state: &[f64]) -> f64 {
        mean_result(state)
    }
}

/// Sum and count of a mean with the values of more samples, whose further axes are averaged.
pub(crate) fn mean_update(
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
            values = average(values, weights.rank())?.mul(&weights)?;
            average(weights, 1)?.sum(..)?.cast(DType::F64)?
        }
        None if values.rank() == 0 => Var::scalar(DType::F64, 1.0),
        None => values.count_of(0, DType::F64)?,
    };
    let sum = average(values, 1)?.sum(..)?.cast(DType::F64)?;
    Ok(vec![state[0].add(&sum)?, state[1].add(&count)?])
}

fn last(var: &Var) -> Option<Dim> {
    var.shape().dims().last().cloned()
}

pub(crate) fn mean_result(state: &[f64]) -> f64 {
    if state[1] == 0.0 { 0.0 } else { state[0] / state[1] }
}

/// A metric of any class, or one that is chosen when the shapes are known.
///
/// # Examples
///
/// ```
/// use deckle_train::AnyMetric;
///
/// assert_eq!(AnyMetric::by_name("mae")?.name(), "mae");
/// let error = AnyMetric::by_name("accuracyy").unwrap_err();
/// assert_eq!(error.to_string(), "unknown metric `accuracyy`\n      help: did you mean `accuracy`?");
/// # Ok::<(), deckle_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AnyMetric {
    name: String,
    choice: Choice,
    is_weighted: bool,
}

#[derive(Clone, Debug)]
enum Choice {
    Given(Arc<dyn Metric>),
    /// Keras's `accuracy`: which one follows from the shapes.
    Accuracy,
}

impl<M: Metric> From<M> for AnyMetric {
    fn from(metric: M) -> Self {
        Self::of(metric.name(), Choice::Given(Arc::new(metric)))
    }
}

/// The metric that Keras's `"accuracy"` stands for: binary, categorical or sparse categorical
/// accuracy, by the shapes of truth and prediction.
///
/// # Examples
///
/// ```
/// use deckle_train::{Accuracy, AnyMetric};
///
/// assert_eq!(AnyMetric::from(Accuracy::new()).name(), "accuracy");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accuracy;

impl Accuracy {
    /// The metric.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl From<Accuracy> for AnyMetric {
    fn from(_: Accuracy) -> Self {
        Self::of("accuracy".to_owned(), Choice::Accuracy)
    }
}

type Entry = (&'static str, &'static [&'static str], fn() -> Arc<dyn Metric>);

const METRICS: &[Entry] = &[
    ("BinaryAccuracy", &[], || Arc::new(metrics::BinaryAccuracy::new())),
    ("CategoricalAccuracy", &[], || Arc::new(metrics::CategoricalAccuracy::new())),
    ("SparseCategoricalAccuracy", &[], || {
        Arc::new(metrics::SparseCategoricalAccuracy::new())
    }),
    ("MeanSquaredError", &["mse", "MSE"], || Arc::new(metrics::MeanSquaredError::new())),
    (
        "MeanAbsoluteError",
        &["mae", "MAE"],
        || Arc::new(metrics::MeanAbsoluteError::new()),
    ),
];

impl AnyMetric {
    const fn of(name: String, choice: Choice) -> Self {
        Self { name, choice, is_weighted: false }
    }

    /// The same metric, in which each example counts by its weight.
    ///
    /// # Keras
    ///
    /// One of `weighted_metrics` of `Model.compile`.
    #[must_use]
    pub const fn weighted(mut self) -> Self {
        self.is_weighted = true;
        self
    }

    /// Whether each example counts by its weight.
    #[must_use]
    pub const fn is_weighted(&self) -> bool {
        self.is_weighted
    }

    /// The metric of that name, which also becomes its name in the history.
    ///
    /// # Errors
    ///
    /// If there is none, with the name that was probably meant.
    pub fn by_name(name: &str) -> Result<Self> {
        let choice = match name {
            "accuracy" | "acc" => Choice::Accuracy,
            _ => Choice::Given(Self::find(name)?),
        };
        Ok(Self::of(name.to_owned(), choice))
    }

    /// The metric that Keras's JSON, or a name, stands for.
    ///
    /// # Errors
    ///
    /// If there is no such metric.
    pub fn from_keras(value: &Value) -> Result<Self> {
        if let Value::String(name) = value {
            return Self::by_name(name);
        }
        let (class, config) = parse_keras_object(value).ok_or_else(|| {
            crate::Error::invalid("a metric cannot be read", "a name or an object")
                .got(value)
        })?;
        let metric = match (class, config.get("threshold").and_then(Value::as_f64)) {
            ("BinaryAccuracy", Some(threshold)) => {
                Arc::new(metrics::BinaryAccuracy::new().threshold(threshold))
            }
            _ => Self::find(class)?,
        };
        let name = config.get("name").and_then(Value::as_str);
        let name = name.map_or_else(|| metric.name(), str::to_owned);
        Ok(Self::of(name, Choice::Given(metric)))
    }

    fn find(name: &str) -> Result<Arc<dyn Metric>> {
        let matches = |(class, aliases, _): &&Entry| {
            names_class(name, class) || aliases.contains(&name)
        };
        let found = METRICS.iter().find(matches).map(|(.., make)| make());
        found.ok_or_else(|| {
            let snake: Vec<_> =
                METRICS.iter().map(|(class, ..)| deckle_nn::snake_case(class)).collect();
            let aliases =
                METRICS.iter().flat_map(|(_, aliases, _)| aliases.iter().copied());
            let known: Vec<_> = ["accuracy"]
                .into_iter()
                .chain(aliases)
                .chain(snake.iter().map(String::as_str))
                .collect();
            deckle_nn::Error::unknown("metric", name, &known).into()
        })
    }

    /// Keras's name of the class.
    pub(crate) fn class_name(&self) -> &str {
        match &self.choice {
            Choice::Given(metric) => metric.class_name(),
            Choice::Accuracy => "Accuracy",
        }
    }

    /// The name in the history.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keras's form: a name that it resolves to the same metric, or an object.
    pub(crate) fn to_keras(&self) -> Value {
        let Choice::Given(metric) = &self.choice else {
            return Value::from(self.name.clone());
        };
        let (class, mut config) = (metric.class_name(), metric.config());
        let by_name = Self::find(&self.name).is_ok_and(|m| m.class_name() == class);
        if config.is_empty() && by_name {
            return Value::from(self.name.clone());
        }
        config.insert("name".to_owned(), Value::from(self.name.clone()));
        json!({
            "module": "keras.metrics",
            "class_name": class,
            "config": config,
            "registered_name": null,
        })
    }

    /// The metric for truth and predictions of these shapes.
    pub(crate) fn resolve(&self, y_true: &Var, y_pred: &Var) -> Arc<dyn Metric> {
        match &self.choice {
            Choice::Given(metric) => Arc::clone(metric),
            Choice::Accuracy if last(y_pred) == Some(Dim::Known(1)) => {
                Arc::new(metrics::BinaryAccuracy::new())
            }
            Choice::Accuracy
                if y_true.rank() < y_pred.rank()
                    || last(y_true) == Some(Dim::Known(1)) =>
            {
                Arc::new(metrics::SparseCategoricalAccuracy::new())
            }
            Choice::Accuracy => Arc::new(metrics::CategoricalAccuracy::new()),
        }
    }

    /// The state before the first batch.
    pub(crate) fn initial(&self) -> Vec<Tensor> {
        match &self.choice {
            Choice::Given(metric) => metric.initial(),
            Choice::Accuracy => metrics::BinaryAccuracy::new().initial(),
        }
    }

    /// The measure that a state stands for.
    pub(crate) fn result(&self, state: &[f64]) -> f64 {
        match &self.choice {
            Choice::Given(metric) => metric.result(state),
            Choice::Accuracy => mean_result(state),
        }
    }
}
