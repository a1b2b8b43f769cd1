//! Configs as Keras writes them: [`Fields`], [`envelope`].

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// The settings in a config's JSON, taken one by one.
///
/// What is left at the end is unknown, and an error unless it is switched off.
#[derive(Debug)]
pub(crate) struct Fields {
    class: &'static str,
    given: Map<String, Value>,
}

impl Fields {
    pub(crate) fn new(class: &'static str, config: Value) -> Result<Self> {
        match config {
            Value::Object(given) => Ok(Self { class, given }),
            other => {
                Err(Error::config(class, "", format_args!("not an object but {other}")))
            }
        }
    }

    /// A setting that must be there.
    pub(crate) fn required<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<T> {
        let value = self.given.remove(name);
        let value =
            value.ok_or_else(|| Error::config(self.class, name, "it is missing"))?;
        self.read(name, value)
    }

    /// A setting that has a default when it is missing. Null is no value of it, but false where
    /// that is one, as in Python, and the default of a name.
    pub(crate) fn or<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        default: T,
    ) -> Result<T> {
        match self.given.remove(name) {
            None => Ok(default),
            Some(Value::Null) if name == "name" => Ok(default),
            Some(Value::Null) => serde_json::from_value(Value::Bool(false))
                .or_else(|_| self.read(name, Value::Null)),
            Some(value) => self.read(name, value),
        }
    }

    /// A setting that has a default when it is missing and may be null.
    pub(crate) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        default: Option<T>,
    ) -> Result<Option<T>> {
        match self.given.remove(name) {
            None => Ok(default),
            Some(value) => self.read(name, value),
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str, value: Value) -> Result<T> {
        serde_json::from_value(value)
            .map_err(|error| Error::config(self.class, name, error))
    }

    /// Complains about all settings that nobody took, but for those that change nothing.
    pub(crate) fn finish(self) -> Result<()> {
        let unknown = self.given.into_iter().filter(|(name, value)| {
            let off = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Number(number) => number.as_f64() == Some(0.0),
                _ => false,
            };
            // How TensorFlow ran it, not what it computed.
            !off && name != "jit_compile"
        });
        let settings: Vec<_> =
            unknown.map(|(name, value)| format!("{name} = {value}")).collect();
        if settings.is_empty() {
            return Ok(());
        }
        Err(Error::UnknownSettings { class: self.class.to_owned(), settings })
    }
}

/// A whole number, which may be written as `100.0`.
pub(crate) fn count<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    use serde::{Deserialize, de::Error as _};
    let number = serde_json::Number::deserialize(from)?;
    let whole = number
        .as_f64()
        .filter(|value| value.fract() == 0.0 && (0.0..9e15).contains(value));
    match (number.as_u64(), whole) {
        (Some(count), _) => Ok(count),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in range"
        )]
        (None, Some(value)) => Ok(value as u64),
        (None, None) => {
            Err(D::Error::custom(format_args!("{number} is not a whole number")))
        }
    }
}

/// A whole number as a setting, see [`count`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Count(#[serde(deserialize_with = "count")] pub(crate) u64);

/// An object as Keras writes it.
pub(crate) fn envelope(module: &str, class_name: &str, config: &Value) -> Value {
    json!({
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": null,
    })
}

/// The class and the config in an object as Keras writes it.
pub(crate) fn open(kind: &'static str, object: &Value) -> Result<(String, Value)> {
    let class = object.get("class_name").and_then(Value::as_str).ok_or_else(|| {
        let problem =
            format_args!("expected a `class_name` and a `config`, got {object}");
        Error::config(kind, "", problem)
    })?;
    let config = object.get("config").cloned().unwrap_or_else(|| json!({}));
    Ok((class.to_owned(), config))
}

/// A config's JSON.
pub(crate) fn to_value(config: &impl Serialize) -> Value {
    serde_json::to_value(config).expect("numbers and texts under names are JSON")
}
