//! Any optimizer, by name or from a file: [`AnyOptimizer`].

use std::{fmt, ops::Deref, str::FromStr, sync::Arc};

use serde_json::{Value, json};

use crate::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Error, Ftrl, Lamb, Lion,
    LossScaleOptimizer, Muon, Nadam, Optimizer, Result, RmsProp, ScheduleFreeAdamW, Sgd,
    config,
};

/// Any optimizer, as one type.
///
/// # Examples
///
/// ```
/// use deckle_optim::{AnyOptimizer, RmsProp};
///
/// assert_eq!(AnyOptimizer::named("rmsprop")?, AnyOptimizer::from(RmsProp::new()));
/// # Ok::<(), deckle_optim::Error>(())
/// ```
#[derive(Clone)]
pub struct AnyOptimizer(Arc<dyn Optimizer>);

type Read = fn(Value) -> Result<AnyOptimizer>;

const BUILT_IN: [(&str, Read); 15] = [
    ("SGD", read::<Sgd>),
    ("RMSprop", read::<RmsProp>),
    ("Adam", read::<Adam>),
    ("AdamW", read::<AdamW>),
    ("Adagrad", read::<Adagrad>),
    ("Adadelta", read::<Adadelta>),
    ("Adafactor", read::<Adafactor>),
    ("Adamax", read::<Adamax>),
    ("Ftrl", read::<Ftrl>),
    ("Lamb", read::<Lamb>),
    ("Lion", read::<Lion>),
    ("LossScaleOptimizer", read::<LossScaleOptimizer>),
    ("Muon", read::<Muon>),
    ("Nadam", read::<Nadam>),
    ("ScheduleFreeAdamW", read::<ScheduleFreeAdamW>),
];

fn read<O: Optimizer + TryFrom<Value, Error = Error> + 'static>(
    config: Value,
) -> Result<AnyOptimizer> {
    let optimizer = AnyOptimizer(Arc::new(O::try_from(config)?));
    optimizer.check_settings()?;
    Ok(optimizer)
}

impl AnyOptimizer {
    /// The optimizer of that class, in upper or lower case, with Keras's defaults.
    ///
    /// # Errors
    ///
    /// If there is none.
    ///
    /// # Keras
    ///
    /// `keras.optimizers.get`.
    pub fn named(name: &str) -> Result<Self> {
        Self::of(name, json!({}))
    }

    fn of(class: &str, config: Value) -> Result<Self> {
        let known = BUILT_IN.iter().find(|(name, _)| name.eq_ignore_ascii_case(class));
        let (_, read) = known.ok_or_else(|| Error::UnknownName {
            kind: "optimizer",
            name: class.to_owned(),
            known: BUILT_IN.map(|(name, _)| name).to_vec(),
        })?;
        read(config)
    }

    /// The optimizer in what Keras writes: a name, or an object `{class_name, config, …}`.
    ///
    /// # Errors
    ///
    /// If the class is unknown, or a setting is unknown or cannot work. Unknown settings that
    /// are null, false or 0 are passed over.
    pub fn from_keras(object: &Value) -> Result<Self> {
        if let Value::String(name) = object {
            return Self::named(name);
        }
        let (class, config) = config::open("optimizer", object)?;
        Self::of(&class, config)
    }

    /// The object that Keras writes for it.
    #[must_use]
    pub fn to_keras(&self) -> Value {
        config::envelope("keras.optimizers", self.class_name(), &self.config())
    }

    /// Whether all settings can work.
    ///
    /// # Errors
    ///
    /// If one cannot, or more than one way of clipping is set.
    pub fn check_settings(&self) -> Result<()> {
        self.common().check(self.class_name())?;
        self.check()
    }
}

impl<O: Optimizer + 'static> From<O> for AnyOptimizer {
    fn from(optimizer: O) -> Self {
        Self(Arc::new(optimizer))
    }
}

impl FromStr for AnyOptimizer {
    type Err = Error;

    /// As [`AnyOptimizer::named`].
    fn from_str(name: &str) -> Result<Self> {
        Self::named(name)
    }
}

impl Deref for AnyOptimizer {
    type Target = dyn Optimizer;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for AnyOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for AnyOptimizer {
    /// Whether class and settings are equal.
    fn eq(&self, other: &Self) -> bool {
        self.class_name() == other.class_name() && self.config() == other.config()
    }
}
