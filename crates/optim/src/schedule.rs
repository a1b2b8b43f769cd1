//! What the learning rate is at each step: [`Schedule`], [`LearningRate`].

use std::{fmt, ops::Deref, sync::Arc};

use deckle_autograd::Var;
use deckle_tensor::DType;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use crate::{
    CosineDecay, CosineDecayRestarts, Error, ExponentialDecay, InverseTimeDecay,
    PiecewiseConstantDecay, PolynomialDecay, Result, Warmup, config,
};

/// A learning rate that depends on the number of steps taken.
///
/// A schedule is data; [`Schedule::value`] builds the graph that computes it within a training
/// step, and [`Schedule::value_at`] is the same formula for the host.
///
/// # Examples
///
/// ```
/// use deckle_optim::{ExponentialDecay, Schedule};
///
/// let schedule = ExponentialDecay::new(0.5, 10, 0.25);
/// assert_eq!(schedule.value_at(0)?, 0.5);
/// assert_eq!(schedule.value_at(5)?, 0.25);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// `keras.optimizers.schedules.LearningRateSchedule`.
pub trait Schedule: fmt::Debug + Send + Sync {
    /// Keras's name of the class.
    fn class_name(&self) -> &str;

    /// The settings as Keras's config JSON.
    fn config(&self) -> Value;

    /// The learning rate at `step`, the number of steps taken before, as a floating-point
    /// scalar; of the same element type.
    ///
    /// # Errors
    ///
    /// If `step` is not a floating-point number.
    fn value(&self, step: &Var) -> Result<Var>;

    /// Whether the settings can work.
    ///
    /// # Errors
    ///
    /// If one cannot.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The learning rate after `step` steps, in double precision.
    ///
    /// # Errors
    ///
    /// If a setting cannot work.
    fn value_at(&self, step: u64) -> Result<f64> {
        self.check()?;
        #[expect(clippy::cast_precision_loss, reason = "no training takes 2⁵³ steps")]
        let step = Var::scalar(DType::F64, step as f64);
        Ok(self.value(&step)?.eval()?.item::<f64>()?)
    }
}

/// Any schedule, as one type.
#[derive(Clone)]
pub struct AnySchedule(Arc<dyn Schedule>);

type Read = fn(Value) -> Result<AnySchedule>;

const BUILT_IN: [(&str, Read); 7] = [
    ("ExponentialDecay", read::<ExponentialDecay>),
    ("CosineDecay", read::<CosineDecay>),
    ("CosineDecayRestarts", read::<CosineDecayRestarts>),
    ("InverseTimeDecay", read::<InverseTimeDecay>),
    ("PiecewiseConstantDecay", read::<PiecewiseConstantDecay>),
    ("PolynomialDecay", read::<PolynomialDecay>),
    ("Warmup", read::<Warmup>),
];

fn read<S: Schedule + TryFrom<Value, Error = Error> + 'static>(
    config: Value,
) -> Result<AnySchedule> {
    let schedule = S::try_from(config)?;
    schedule.check()?;
    Ok(AnySchedule(Arc::new(schedule)))
}

impl AnySchedule {
    /// The schedule in an object as Keras writes it: `{class_name, config, …}`.
    ///
    /// # Errors
    ///
    /// If the class is unknown, or a setting is missing, unknown or cannot work.
    pub fn from_keras(object: &Value) -> Result<Self> {
        let (class, config) = config::open("learning-rate schedule", object)?;
        let known = BUILT_IN.iter().find(|(name, _)| *name == class);
        let (_, read) = known.ok_or_else(|| Error::UnknownName {
            kind: "learning-rate schedule",
            name: class,
            known: BUILT_IN.map(|(name, _)| name).to_vec(),
        })?;
        read(config)
    }

    /// The object that Keras writes for it.
    #[must_use]
    pub fn to_keras(&self) -> Value {
        config::envelope("keras.optimizers.schedules", self.class_name(), &self.config())
    }
}

impl<S: Schedule + 'static> From<S> for AnySchedule {
    fn from(schedule: S) -> Self {
        Self(Arc::new(schedule))
    }
}

impl Deref for AnySchedule {
    type Target = dyn Schedule;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for AnySchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for AnySchedule {
    /// Whether class and settings are equal.
    fn eq(&self, other: &Self) -> bool {
        self.class_name() == other.class_name() && self.config() == other.config()
    }
}

/// A learning rate: a number, or a schedule.
///
/// # Examples
///
/// ```
/// use deckle_optim::{CosineDecay, LearningRate};
///
/// assert_eq!(LearningRate::from(0.5).value_at(7)?, 0.5);
/// assert_eq!(LearningRate::from(CosineDecay::new(0.5, 10)).value_at(5)?, 0.25);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum LearningRate {
    /// The same until it is set, see [`OptimizerState`](crate::OptimizerState).
    Constant(f64),
    /// A function of the number of steps.
    Schedule(AnySchedule),
}

impl LearningRate {
    /// The learning rate after `step` steps.
    ///
    /// # Errors
    ///
    /// If a setting of the schedule cannot work.
    pub fn value_at(&self, step: u64) -> Result<f64> {
        match self {
            Self::Constant(value) => Ok(*value),
            Self::Schedule(schedule) => schedule.value_at(step),
        }
    }
}

impl From<f64> for LearningRate {
    fn from(value: f64) -> Self {
        Self::Constant(value)
    }
}

impl From<AnySchedule> for LearningRate {
    fn from(schedule: AnySchedule) -> Self {
        Self::Schedule(schedule)
    }
}

impl<S: Schedule + 'static> From<S> for LearningRate {
    fn from(schedule: S) -> Self {
        Self::Schedule(schedule.into())
    }
}

impl Serialize for LearningRate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Constant(value) => value.serialize(to),
            Self::Schedule(schedule) => schedule.to_keras().serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for LearningRate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        match value.as_f64() {
            Some(value) => Ok(Self::Constant(value)),
            None => AnySchedule::from_keras(&value)
                .map(Self::Schedule)
                .map_err(D::Error::custom),
        }
    }
}

/// Complains about a number of steps that a schedule divides by.
pub(crate) fn positive(class: &str, setting: &'static str, steps: u64) -> Result<()> {
    if steps > 0 {
        return Ok(());
    }
    Err(Error::Setting {
        class: class.to_owned(),
        setting,
        expected: "at least one step",
        got: steps.to_string(),
    })
}
