//! What a loss is: [`Loss`], its [`Reduction`], and [`AnyLoss`] by name.

use std::{fmt, sync::Arc};

use deckle_autograd::Var;
use deckle_tensor::{DType, Dim};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Error, Result,
    keras::{keras_object, names_class, parse_keras_function, parse_keras_object},
    losses,
    words::allowed,
};

/// A measure of how far predictions are from the truth: plain data that builds graph.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Loss, Result};
/// use deckle_tensor::Tensor;
///
/// /// The fourth power of what is wrong.
/// #[derive(Debug)]
/// struct Quartic;
///
/// impl Loss for Quartic {
///     fn class_name(&self) -> &'static str {
///         "Quartic"
///     }
///
///     fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
///         Ok(y_pred.sub(y_true)?.square()?.square()?.mean(-1)?)
///     }
/// }
///
/// let y_true = Var::constant(&Tensor::from([[1.0f32], [0.0]]));
/// let y_pred = Var::constant(&Tensor::from([[3.0f32], [0.0]]));
/// let loss = Quartic.call(&y_true, &y_pred, None, None)?;
/// assert_eq!(loss.eval()?.item::<f32>()?, 8.0);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
pub trait Loss: fmt::Debug + Send + Sync + 'static {
    /// Keras's name of the class, as `MeanSquaredError`.
    fn class_name(&self) -> &'static str;

    /// The loss of each sample: one number less in rank than the prediction.
    ///
    /// # Errors
    ///
    /// If the shapes do not belong together.
    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var>;

    /// Which samples' losses count, `Bool`; all by default.
    ///
    /// # Errors
    ///
    /// If the shapes do not belong together.
    fn counted(&self, y_true: &Var, y_pred: &Var) -> Result<Option<Var>> {
        let _ = (y_true, y_pred);
        Ok(None)
    }

    /// Whether the settings can work.
    ///
    /// # Errors
    ///
    /// If one cannot.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// How the samples' losses become one number.
    fn reduction(&self) -> Reduction {
        Reduction::SumOverBatchSize
    }

    /// The settings as Keras's JSON; null of what Keras knows by its name alone. None by default.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    fn config(&self) -> Result<Value> {
        Ok(Map::new().into())
    }

    /// The loss of a batch, one number: the samples' losses, weighted and reduced.
    ///
    /// `mask` (`Bool`) takes samples out, `weights` scale them; both may lack the last axes of
    /// the samples' losses.
    ///
    /// # Errors
    ///
    /// If the shapes do not belong together.
    fn call(
        &self,
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
        mask: Option<&Var>,
    ) -> Result<Var> {
        let value = || {
            self.check()?;
            let (y_true, y_pred) = align(y_true, y_pred)?;
            let values = self.per_sample(&y_true, &y_pred)?;
            let counted = self.counted(&y_true, &y_pred)?;
            let mask = match (mask, counted) {
                (Some(mask), Some(counted)) => {
                    let (mask, counted) = same_rank(mask, &counted)?;
                    Some(mask.and(&counted)?)
                }
                (mask, counted) => counted.or_else(|| mask.cloned()),
            };
            reduce(self.reduction(), &values, weights, mask.as_ref())
        };
        value().map_err(|error: Error| error.in_loss(self.class_name()))
    }
}

/// How the truth tells classes, as its shape and that of the predictions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// Whether it is the one class there is.
    Binary,
    /// The number of the class.
    Sparse,
    /// A number for each class.
    Categorical,
}

impl Labels {
    /// What Keras takes them for: binary where predictions have a last axis of length 1; sparse
    /// where the truth lacks the axis of the classes, or has length 1 there.
    #[must_use]
    pub fn of(y_true: &Var, y_pred: &Var) -> Self {
        let ends_in_one = |var: &Var| var.shape().dims().last() == Some(&Dim::Known(1));
        if ends_in_one(y_pred) {
            Self::Binary
        } else if y_true.rank() < y_pred.rank() || ends_in_one(y_true) {
            Self::Sparse
        } else {
            Self::Categorical
        }
    }
}

/// How many losses become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their sum, divided by their number (not by the sum of the weights).
    #[default]
    SumOverBatchSize,
    /// Their sum.
    Sum,
    /// Their mean; the same as `SumOverBatchSize`.
    Mean,
    /// Their sum, divided by the sum of the weights.
    MeanWithSampleWeight,
}

/// Squeezes or expands a last axis of 1 where the ranks differ by one.
///
/// # Errors
///
/// Never today.
pub fn align(y_true: &Var, y_pred: &Var) -> Result<(Var, Var)> {
    let ends_in_one = |var: &Var| var.shape().dims().last() == Some(&Dim::Known(1));
    let (mut t, mut p) = (y_true.clone(), y_pred.clone());
    if p.rank() == t.rank() + 1 && ends_in_one(&p) {
        if t.rank() == 1 {
            t = t.expand_dims(-1)?;
        } else {
            p = p.squeeze([-1])?;
        }
    } else if t.rank() == p.rank() + 1 && ends_in_one(&t) {
        if p.rank() == 1 {
            p = p.expand_dims(-1)?;
        } else {
            t = t.squeeze([-1])?;
        }
    }
    Ok((t, p))
}

/// One number from the samples' losses.
///
/// # Errors
///
/// If weights or mask do not broadcast to the losses.
pub fn reduce(
    reduction: Reduction,
    values: &Var,
    weights: Option<&Var>,
    mask: Option<&Var>,
) -> Result<Var> {
    let dtype = values.dtype();
    let is_mean = matches!(reduction, Reduction::SumOverBatchSize | Reduction::Mean);
    let was_one = values.rank() == 0;
    let has_further = |factors: &Var| {
        let further = factors.shape().dims().get(values.rank()..).unwrap_or_default();
        let is_one = |dim: &Dim| !matches!(dim, Dim::Known(len) if *len != 1);
        !was_one && !further.iter().all(is_one)
    };
    if let Some(weights) = weights.filter(|weights| has_further(weights)) {
        let expected = format_args!("weights of losses of shape {}", values.shape());
        return Err(Error::invalid("sample weights", expected)
            .got(weights.shape())
            .help("give each example, or each of its steps, one weight"));
    }
    if let Some(mask) = mask.filter(|mask| has_further(mask)) {
        let expected = format_args!("a mask of losses of shape {}", values.shape());
        return Err(Error::invalid("the predictions' mask", expected)
            .got(mask.shape())
            .help("give targets the axes of the predictions, or predictions no mask"));
    }
    let mut values = values.clone();
    let mut factors: Option<Var> =
        weights.map(|weights| weights.cast(dtype)).transpose()?;
    if let Some(mask) = mask {
        let (aligned, wide) = same_rank(&values, mask)?;
        values = wide.select(&aligned, 0.0)?;
        let mut mask = mask.cast(dtype)?;
        if is_mean {
            // What is left weighs as much as all did: what is masked drops out of the mean.
            let scale = mask.count_of(.., dtype)?.div(&mask.sum(..)?.maximum(1.0)?)?;
            mask = mask.mul(&scale)?;
        }
        factors = Some(match factors {
            Some(weights) => {
                let (weights, mask) = same_rank(&weights, &mask)?;
                weights.mul(&mask)?
            }
            None => mask,
        });
    }
    let weighted = match &factors {
        Some(factors) => {
            let (values, factors) = same_rank(&values, factors)?;
            values.mul(&factors)?
        }
        None => values,
    };
    // Keras takes one number without an axis for reduced already.
    let is_one = weighted.rank() == 0;
    let total = weighted.count_of(.., dtype)?.maximum(1.0)?;
    let sum = weighted.sum(..)?;
    Ok(match (reduction, factors) {
        (Reduction::Sum, _) => sum,
        (Reduction::MeanWithSampleWeight, Some(_)) if is_one => sum,
        (Reduction::MeanWithSampleWeight, Some(factors)) => {
            let mut weight = factors.sum(..)?;
            if was_one && factors.rank() == 1 {
                // It takes the axis away from a single weight, but not from several.
                let is_single = factors.count_of(.., dtype)?.equal(1.0)?;
                weight = is_single.select(1.0, &weight)?;
            }
            let share = sum.div(&weight.equal(0.0)?.select(1.0, &weight)?)?;
            weight.equal(0.0)?.select(0.0, &share)?
        }
        _ => sum.div(&total)?,
    })
}

/// Appends axes of length 1 to the one of lower rank, so that both align at the batch.
fn same_rank(a: &Var, b: &Var) -> Result<(Var, Var)> {
    let (mut a, mut b) = (a.clone(), b.clone());
    while a.rank() < b.rank() {
        a = a.expand_dims(-1)?;
    }
    while b.rank() < a.rank() {
        // A trailing axis of weights that the losses do not have.
        b = b.expand_dims(-1)?;
    }
    Ok((a, b))
}

/// A loss of any class.
///
/// # Examples
///
/// ```
/// use deckle_nn::AnyLoss;
///
/// assert_eq!(AnyLoss::by_name("mse")?.class_name(), "MeanSquaredError");
/// let error = AnyLoss::by_name("mssse").unwrap_err();
/// assert_eq!(error.to_string(), "unknown loss `mssse`\n      help: did you mean `mse`?");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AnyLoss(Arc<dyn Loss>);

impl std::ops::Deref for AnyLoss {
    type Target = dyn Loss;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl<L: Loss> From<L> for AnyLoss {
    fn from(loss: L) -> Self {
        Self(Arc::new(loss))
    }
}

/// Class, Keras's other names, and how one is made of its settings.
type Entry = (&'static str, &'static [&'static str], fn(&Value) -> Result<AnyLoss>);

const LOSSES: &[Entry] = &[
    ("MeanSquaredError", &["mse", "MSE"], parse::<losses::MeanSquaredError>),
    ("MeanAbsoluteError", &["mae", "MAE"], parse::<losses::MeanAbsoluteError>),
    ("BinaryCrossentropy", &["bce", "BCE"], parse::<losses::BinaryCrossentropy>),
    ("CategoricalCrossentropy", &[], parse::<losses::CategoricalCrossentropy>),
    (
        "SparseCategoricalCrossentropy",
        &[],
        parse::<losses::SparseCategoricalCrossentropy>,
    ),
    (
        "MeanAbsolutePercentageError",
        &["mape", "MAPE"],
        parse::<losses::MeanAbsolutePercentageError>,
    ),
    (
        "MeanSquaredLogarithmicError",
        &["msle", "MSLE"],
        parse::<losses::MeanSquaredLogarithmicError>,
    ),
    ("BinaryFocalCrossentropy", &[], parse::<losses::BinaryFocalCrossentropy>),
    ("CategoricalFocalCrossentropy", &[], parse::<losses::CategoricalFocalCrossentropy>),
    ("CategoricalHinge", &[], parse::<losses::CategoricalHinge>),
    (
        "CategoricalGeneralizedCrossEntropy",
        &[],
        parse::<losses::CategoricalGeneralizedCrossEntropy>,
    ),
    ("Circle", &[], parse::<losses::Circle>),
    ("CosineSimilarity", &[], parse::<losses::CosineSimilarity>),
    ("CTC", &["ctc"], parse::<losses::CTC>),
    ("Dice", &[], parse::<losses::Dice>),
    ("Hinge", &[], parse::<losses::Hinge>),
    ("Huber", &[], parse::<losses::Huber>),
    ("KLDivergence", &["kld", "KLD", "kl_divergence"], parse::<losses::KLDivergence>),
    ("LogCosh", &["logcosh"], parse::<losses::LogCosh>),
    ("Poisson", &[], parse::<losses::Poisson>),
    ("SquaredHinge", &[], parse::<losses::SquaredHinge>),
    ("Tversky", &[], parse::<losses::Tversky>),
];

fn parse<L: Loss + for<'de> Deserialize<'de>>(config: &Value) -> Result<AnyLoss> {
    let attempt = |config: &Value| L::deserialize(config);
    let error = match attempt(config) {
        Ok(loss) => return Ok(loss.into()),
        Err(error) => error,
    };
    let text = error.to_string();
    // Parsing stops at the first setting that it cannot take: without it, the error is another.
    let is_culprit = |key: &&String| {
        let mut rest = config.clone();
        rest.as_object_mut().map(|rest| rest.shift_remove(*key));
        attempt(&rest).map_or_else(|other| other.to_string() != text, |_| true)
    };
    let culprit =
        config.as_object().and_then(|settings| settings.keys().find(is_culprit));
    let Some(culprit) = culprit else {
        let problem = "its settings cannot be read";
        return Err(Error::invalid(problem, allowed(&error)).got(config));
    };
    let problem = if text.starts_with("unknown field") {
        format!("unknown setting `{culprit}`")
    } else {
        format!("`{culprit}` makes no sense")
    };
    Err(Error::invalid(problem, allowed(&error)).got(&config[culprit]))
}

impl AnyLoss {
    /// The loss of that name: Keras's class, snake-case name or abbreviation.
    ///
    /// # Errors
    ///
    /// If there is none, with the name that was probably meant.
    pub fn by_name(name: &str) -> Result<Self> {
        Self::from_keras(&Value::String(name.to_owned()))
    }

    /// The loss that Keras's JSON, or a name, stands for. As in Keras, `crossentropy` and `ce`
    /// mean the binary, the sparse or the categorical one, as the shapes of truth and prediction
    /// ask for.
    ///
    /// # Errors
    ///
    /// If there is no such loss, or a setting is unknown.
    pub fn from_keras(value: &Value) -> Result<Self> {
        let bare = parse_keras_function(value).or_else(|| value.as_str());
        if let Some(loss) = bare.and_then(losses::Crossentropy::by_name) {
            return Ok(loss.into());
        }
        let parts = bare.map(|name| (name, Map::new()));
        let parts = parts.or_else(|| parse_keras_object(value));
        let (name, mut config) = parts.ok_or_else(|| {
            Error::invalid("a loss cannot be read", "a name or an object").got(value)
        })?;
        let matches = |(class, aliases, _): &&Entry| {
            names_class(name, class) || aliases.contains(&name)
        };
        let Some((class, _, make)) = LOSSES.iter().find(matches) else {
            let snake: Vec<_> =
                LOSSES.iter().map(|(class, ..)| crate::snake_case(class)).collect();
            let known: Vec<_> =
                (LOSSES.iter().flat_map(|(_, aliases, _)| aliases.iter().copied()))
                    .chain(snake.iter().map(String::as_str))
                    .chain(LOSSES.iter().map(|(class, ..)| *class))
                    .chain(["crossentropy"])
                    .collect();
            return Err(Error::unknown("loss", name, &known));
        };
        // Not settings of the computation.
        for key in ["name", "dtype"] {
            config.remove(key);
        }
        make(&Value::Object(config)).map_err(|error| error.in_loss(class))
    }

    /// Keras's JSON.
    ///
    /// # Errors
    ///
    /// If the settings cannot be written.
    pub fn to_keras(&self) -> Result<Value> {
        Ok(match self.config()? {
            Value::Null => Value::from(self.class_name()),
            config => keras_object("keras.losses", self.class_name(), config),
        })
    }
}

/// The truth as floating point of the prediction's type.
///
/// # Errors
///
/// If it has another shape than the prediction: to repeat either is what nobody means. A number
/// without axes is that of all.
pub(crate) fn as_float(y_true: &Var, y_pred: &Var) -> Result<Var> {
    let is_number = y_true.rank() == 0 || y_pred.rank() == 0;
    if !is_number && !y_true.shape().may_equal(y_pred.shape()) {
        return Err(Error::invalid(
            "cannot take these targets",
            format_args!("targets of the prediction's shape {}", y_pred.shape()),
        )
        .got(y_true.shape())
        .help("give the last layer as many units as a target has numbers"));
    }
    let dtype = if y_pred.dtype().is_float() { y_pred.dtype() } else { DType::F32 };
    Ok(y_true.cast(dtype)?)
}

/// Keras's `epsilon()`: how close to 0 and 1 probabilities come.
pub(crate) const EPSILON: f64 = 1e-7;

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;
    use serde_json::json;

    use super::*;

    #[test]
    fn one_number_is_divided_by_the_weights() {
        let reduced = |values: Tensor, weights: Tensor| {
            let (values, weights) = (Var::constant(&values), Var::constant(&weights));
            let reduction = Reduction::MeanWithSampleWeight;
            let reduced = reduce(reduction, &values, Some(&weights), None).unwrap();
            reduced.eval().unwrap().item::<f32>().unwrap()
        };
        // It gets the shape of the weights, and is their mean then.
        let got = reduced(Tensor::scalar(0.5f32), Tensor::from([1.0f32, 3.0]));
        assert!((got - 0.5).abs() < 1e-6, "{got}");
        // As it is for Keras with one weight, with or without an axis.
        for weight in [Tensor::scalar(3.0f32), Tensor::from([3.0f32])] {
            let got = reduced(Tensor::scalar(0.5f32), weight);
            assert!((got - 1.5).abs() < 1e-6, "{got}");
        }
    }

    #[test]
    fn weights_of_more_axes_than_losses_are_refused() {
        let loss = |weights: &[usize]| {
            let [t, p] = [0.0f32, 1.0].map(|x| Var::constant(&Tensor::full([3, 3], x)));
            let weights = Var::constant(&Tensor::full(weights, 2.0f32));
            let loss = losses::MeanSquaredError::new();
            Ok::<_, Error>(loss.call(&t, &p, Some(&weights), None)?.eval()?)
        };
        for fitting in [&[3][..], &[3, 1], &[3, 1, 1]] {
            assert_eq!(loss(fitting).unwrap(), Tensor::scalar(2.0f32));
        }
        assert_eq!(
            loss(&[3, 3]).unwrap_err().to_string(),
            "loss MeanSquaredError: sample weights\n  expected: weights of losses of shape \
             (3,)\n       got: (3, 3)\n      help: give each example, or each of its steps, one \
             weight"
        );
    }

    #[test]
    fn functions_of_keras_are_losses() {
        let function = json!({
            "module": "builtins", "class_name": "function",
            "config": "mean_squared_error", "registered_name": "function",
        });
        let loss = AnyLoss::from_keras(&function).unwrap();
        assert_eq!(loss.class_name(), "MeanSquaredError");
        let error =
            AnyLoss::from_keras(&json!({ "class_name": "function", "config": "mine" }));
        assert!(error.unwrap_err().to_string().starts_with("unknown loss `mine`"));
    }

    #[test]
    fn the_cross_entropy_is_that_of_the_shapes() {
        let number = |loss: &dyn Loss, t: &Tensor, p: &Tensor| {
            let loss =
                loss.call(&Var::constant(t), &Var::constant(p), None, None).unwrap();
            loss.eval().unwrap().item::<f32>().unwrap()
        };
        let shares = Tensor::from([[0.2f32, 0.3, 0.5], [0.1, 0.8, 0.1]]);
        let one = Tensor::from([[0.2f32], [0.9]]);
        let cases: [(AnyLoss, Tensor, &Tensor); 6] = [
            (losses::BinaryCrossentropy::new().into(), Tensor::from([0.0f32, 1.0]), &one),
            (losses::BinaryCrossentropy::new().into(), Tensor::from([[0], [1]]), &one),
            (
                losses::SparseCategoricalCrossentropy::new().into(),
                Tensor::from([2, 1]),
                &shares,
            ),
            (
                losses::SparseCategoricalCrossentropy::new().into(),
                Tensor::from([[2], [1]]),
                &shares,
            ),
            (
                losses::CategoricalCrossentropy::new().into(),
                Tensor::from([[0.0f32, 0.0, 1.0], [0.0, 1.0, 0.0]]),
                &shares,
            ),
            (
                losses::CategoricalCrossentropy::new().into(),
                Tensor::from([[0, 0, 1], [0, 1, 0]]),
                &shares,
            ),
        ];
        for name in ["crossentropy", "CE", "CrossEntropy"] {
            let loss = AnyLoss::by_name(name).unwrap();
            assert_eq!(loss.to_keras().unwrap(), "crossentropy");
            for (expected, t, p) in &cases {
                let found = number(&*loss, t, p);
                assert_eq!(found.to_bits(), number(&**expected, t, p).to_bits());
            }
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        let error = |class: &str, config: Value| {
            let keras = json!({ "class_name": class, "config": config });
            AnyLoss::from_keras(&keras).unwrap_err().to_string()
        };
        assert_eq!(
            error("Huber", json!({ "reduction": "sum", "delta": "wide" })),
            "loss Huber: `delta` makes no sense\n  expected: a number\n       got: \"wide\""
        );
        assert_eq!(
            error("Huber", json!({ "reduction": "half" })),
            "loss Huber: `reduction` makes no sense\n  expected: one of \
             `sum_over_batch_size`, `sum`, `mean`, `mean_with_sample_weight`\n       got: \
             \"half\""
        );
        assert_eq!(
            error("Huber", json!({ "delta": 2.0, "with": 1 })),
            "loss Huber: unknown setting `with`\n  expected: `reduction` or `delta`\n       \
             got: 1"
        );
        assert_eq!(
            error("CosineSimilarity", json!({ "axis": 0.5 })),
            "loss CosineSimilarity: `axis` makes no sense\n  expected: a whole number\n       \
             got: 0.5"
        );
        let text = error("BinaryCrossentropy", json!({ "from_logits": 3 }));
        assert!(
            text.contains("`from_logits`") && text.contains("true or false"),
            "{text}"
        );
    }
}
