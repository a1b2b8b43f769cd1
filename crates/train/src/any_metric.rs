//! A metric of any class, by value, by name or from a file: [`AnyMetric`].

use std::sync::Arc;

use deckle_autograd::Var;
use deckle_nn::{
    AnyLoss, Labels,
    keras::{keras_object, names_class, parse_keras_function, parse_keras_object},
    losses, snake_case,
};
use deckle_tensor::{Shape, Tensor};
use serde_json::{Map, Value, json};

use crate::{
    Direction, Error, Metric, Result,
    metrics::{self, CLASSES, Class, MeanMetricWrapper, setting::Settings},
};

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
    /// Keras's type of the result, which is a number of 64 bits here.
    dtype: Option<Value>,
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
/// Keras's class `Accuracy`, which compares numbers, is
/// [`metrics::Accuracy`](crate::metrics::Accuracy).
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

/// A loss where a metric is expected, as Keras takes it.
macro_rules! of_losses {
    ($($loss:ident)*) => {$(
        /// The mean of the samples' losses, as [`MeanMetricWrapper::of_loss`] has it.
        impl From<losses::$loss> for AnyMetric {
            fn from(loss: losses::$loss) -> Self {
                MeanMetricWrapper::of_loss(loss).into()
            }
        }
    )*};
}

of_losses! {
    BinaryCrossentropy BinaryFocalCrossentropy CategoricalCrossentropy
    CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge
    CosineSimilarity Hinge Huber KLDivergence LogCosh MeanAbsoluteError
    MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
    SparseCategoricalCrossentropy SquaredHinge
}

impl AnyMetric {
    const fn of(name: String, choice: Choice) -> Self {
        Self { name, choice, is_weighted: false, dtype: None }
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

    /// The same metric under another name in the history.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Whether each example counts by its weight.
    #[must_use]
    pub const fn is_weighted(&self) -> bool {
        self.is_weighted
    }

    /// Keras's classes, as `AUC`, that [`AnyMetric::from_keras`] can read.
    pub fn classes() -> impl Iterator<Item = &'static str> {
        CLASSES.iter().map(|class| class.name)
    }

    /// The metric of that name, which also becomes its name in the history: a class, its name
    /// in snake case, an abbreviation, `accuracy`, or a loss.
    ///
    /// # Errors
    ///
    /// If there is none, with the name that was probably meant; or its class has settings
    /// without a default.
    pub fn by_name(name: &str) -> Result<Self> {
        let choice = if follows_shapes(name) {
            Choice::Accuracy
        } else {
            Choice::Given(named(name, Map::new())?)
        };
        Ok(Self::of(name.to_owned(), choice))
    }

    /// The metric that Keras's JSON, or a name, stands for.
    ///
    /// # Errors
    ///
    /// If there is no such metric, or a setting is unknown or makes no sense.
    pub fn from_keras(value: &Value) -> Result<Self> {
        if let Some(name) = value.as_str() {
            return Self::by_name(name);
        }
        if let Some(name) = parse_keras_function(value) {
            if follows_shapes(name) {
                return Self::by_name(name);
            }
            let choice = Choice::Given(of_function(name, Map::new())?);
            return Ok(Self::of(name.to_owned(), choice));
        }
        let (class, mut config) = parse_keras_object(value).ok_or_else(|| {
            Error::invalid("a metric cannot be read", "a name or an object").got(value)
        })?;
        let name = match config.remove("name") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(other) => {
                let problem = format_args!("metric {class}: `name` makes no sense");
                return Err(Error::invalid(problem, "a text").got(other));
            }
        };
        if names_class(class, "MeanMetricWrapper") {
            let dtype = config.remove("dtype");
            let of = config.remove("fn").unwrap_or(Value::Null);
            let of =
                parse_keras_function(&of).or_else(|| of.as_str()).ok_or_else(|| {
                    let problem = "metric MeanMetricWrapper: `fn` cannot be read";
                    Error::invalid(problem, "the name of a function of Keras").got(&of)
                })?;
            let metric = of_function(of, config)?;
            let name = name.unwrap_or_else(|| metric.name());
            return Ok(Self { dtype, ..Self::of(name, Choice::Given(metric)) });
        }
        let Some(known) = find(class) else { return Err(unknown(class)) };
        let mut settings = Settings::new(known.name, config);
        let metric = (known.read)(&mut settings)?;
        let dtype = settings.take("dtype").filter(|dtype| !dtype.is_null());
        settings.finish()?;
        metric.check()?;
        let name = name.unwrap_or_else(|| metric.name());
        Ok(Self { dtype, ..Self::of(name, Choice::Given(metric)) })
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

    /// Whether larger or smaller values are better, if it is known.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        match &self.choice {
            Choice::Given(metric) => metric.direction(),
            Choice::Accuracy => Some(Direction::Up),
        }
    }

    /// Keras's form: a name that it resolves to the same metric, or an object.
    ///
    /// `None` for what a file cannot hold: a metric of your own.
    #[must_use]
    pub fn to_keras(&self) -> Option<Value> {
        let Choice::Given(metric) = &self.choice else {
            let name = Some(self.name.as_str()).filter(|name| follows_shapes(name));
            return Some(Value::from(name.unwrap_or("accuracy")));
        };
        let class = metric.class_name();
        if class == "MeanMetricWrapper" {
            return wrapped(&self.name, &**metric);
        }
        let known = CLASSES.iter().find(|known| known.name == class)?;
        let mut config = metric.config();
        let is_default =
            || named(class, Map::new()).is_ok_and(|default| default.config() == config);
        if self.dtype.is_none() && is_keras_name(&self.name, known) && is_default() {
            return Some(Value::from(self.name.clone()));
        }
        config.insert("name".to_owned(), Value::from(self.name.clone()));
        if let Some(dtype) = &self.dtype {
            config.insert("dtype".to_owned(), dtype.clone());
        }
        Some(keras_object("keras.metrics", class, Value::Object(config)))
    }

    /// The metric for truth and predictions of these shapes.
    pub(crate) fn resolve(&self, y_true: &Var, y_pred: &Var) -> Arc<dyn Metric> {
        let labels = match &self.choice {
            Choice::Given(metric) => return Arc::clone(metric),
            Choice::Accuracy => Labels::of(y_true, y_pred),
        };
        match labels {
            Labels::Binary => Arc::new(metrics::BinaryAccuracy::new()),
            Labels::Sparse => Arc::new(metrics::SparseCategoricalAccuracy::new()),
            Labels::Categorical => Arc::new(metrics::CategoricalAccuracy::new()),
        }
    }

    /// The metric, or, where it follows from the shapes, one with the same state.
    fn state_of(&self) -> Arc<dyn Metric> {
        match &self.choice {
            Choice::Given(metric) => Arc::clone(metric),
            Choice::Accuracy => Arc::new(metrics::BinaryAccuracy::new()),
        }
    }

    /// Whether the settings make sense.
    pub(crate) fn check(&self) -> Result<()> {
        self.state_of().check()
    }

    /// Whether a mask of the predictions takes samples out.
    pub(crate) fn takes_mask(&self) -> bool {
        self.state_of().takes_mask()
    }

    /// The state before the first batch.
    pub(crate) fn initial(&self, y_pred: &Shape) -> Result<Vec<Tensor>> {
        self.state_of().initial(y_pred)
    }

    /// The measure that a state stands for.
    pub(crate) fn result(&self, state: &[Tensor]) -> Result<Tensor> {
        self.state_of().result(state)
    }
}

/// Whether Keras takes that name for the accuracy that the shapes ask for.
fn follows_shapes(name: &str) -> bool {
    ["accuracy", "acc"].iter().any(|accuracy| name.eq_ignore_ascii_case(accuracy))
}

/// Whether Keras finds the class by that name, letter by letter.
fn is_keras_name(name: &str, class: &Class) -> bool {
    let is_one = name == class.name
        || name == snake_case(class.name)
        || class.aliases.contains(&name);
    is_one && !follows_shapes(name)
}

fn find(name: &str) -> Option<&'static Class> {
    let matches =
        |class: &&Class| names_class(name, class.name) || class.aliases.contains(&name);
    CLASSES.iter().find(matches)
}

/// The metric of a class, or that of a loss, with these settings.
fn named(name: &str, settings: Map<String, Value>) -> Result<Arc<dyn Metric>> {
    let Some(class) = find(name) else {
        let loss = json!({ "class_name": name, "config": settings });
        return match AnyLoss::from_keras(&loss) {
            Ok(loss) => Ok(Arc::new(MeanMetricWrapper::of_loss(loss))),
            Err(deckle_nn::Error::Unknown { suggestion, .. }) => {
                Err(unknown(name).or_suggest(suggestion))
            }
            Err(error) => Err(error.into()),
        };
    };
    let mut settings = Settings::new(class.name, settings);
    let metric = (class.read)(&mut settings)?;
    settings.finish()?;
    metric.check()?;
    Ok(metric)
}

/// The metric of one of Keras's functions with these settings: the loss of that name before the
/// metric, whose sign may be the other.
fn of_function(name: &str, settings: Map<String, Value>) -> Result<Arc<dyn Metric>> {
    let loss = if settings.is_empty() {
        AnyLoss::by_name(name)
    } else {
        AnyLoss::from_keras(&json!({ "class_name": name, "config": settings }))
    };
    match loss {
        Ok(loss) => Ok(Arc::new(MeanMetricWrapper::of_loss(loss))),
        Err(deckle_nn::Error::Unknown { .. }) => named(name, settings),
        Err(error) => Err(error.into()),
    }
}

fn unknown(name: &str) -> Error {
    let snake: Vec<_> = CLASSES.iter().map(|class| snake_case(class.name)).collect();
    let aliases = CLASSES.iter().flat_map(|class| class.aliases.iter().copied());
    let known: Vec<_> = ["accuracy"]
        .into_iter()
        .chain(aliases)
        .chain(snake.iter().map(String::as_str))
        .chain(CLASSES.iter().map(|class| class.name))
        .collect();
    deckle_nn::Error::unknown("metric", name, &known).into()
}

/// Keras's form of a wrapped loss.
fn wrapped(name: &str, metric: &dyn Metric) -> Option<Value> {
    let mut config = metric.config();
    let class = config.remove("fn")?.as_str()?.to_owned();
    let function = json!({
        "module": "builtins",
        "class_name": "function",
        "config": class,
        "registered_name": "function",
    });
    if name == class && config.is_empty() {
        return Some(function);
    }
    config.insert("name".to_owned(), Value::from(name));
    config.insert("dtype".to_owned(), Value::from("float32"));
    config.insert("fn".to_owned(), function);
    Some(keras_object("keras.metrics", "MeanMetricWrapper", config.into()))
}

/// The name of a type in Keras's JSON: a text, or an object that names it.
pub(crate) fn dtype_name(value: &Value) -> Option<String> {
    let name = value.as_str().or_else(|| value.get("config")?.get("name")?.as_str())?;
    Some(name.to_owned())
}
