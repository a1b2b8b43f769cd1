//! Keras's JSON form of an object: class name and configuration in an envelope.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{Error, Regularizer, Result};

/// The setting of every layer that is the penalty on its outputs.
pub(crate) const ACTIVITY: &str = "activity_regularizer";

/// An object as Keras writes it.
#[must_use]
pub fn keras_object(module: &str, class_name: &str, config: Value) -> Value {
    let mut object = json!({ "module": module, "class_name": class_name });
    object["config"] = config;
    object["registered_name"] = Value::Null;
    object
}

/// Class name and configuration of an object as Keras writes it; a bare name has no
/// configuration.
#[must_use]
pub fn parse_keras_object(value: &Value) -> Option<(&str, Map<String, Value>)> {
    match value {
        Value::String(name) => Some((name, Map::new())),
        Value::Object(object) => {
            let class = object.get("class_name")?.as_str()?;
            let config = object.get("config").and_then(Value::as_object);
            Some((class, config.cloned().unwrap_or_default()))
        }
        _ => None,
    }
}

/// The name of a function of Keras's, as it writes one.
#[must_use]
pub fn parse_keras_function(value: &Value) -> Option<&str> {
    let is_function = value.get("class_name")? == "function";
    value.get("config")?.as_str().filter(|_| is_function)
}

/// Whether a name as a user types it (`he_normal`, `HeNormal`) means that class.
#[must_use]
pub fn names_class(name: &str, class: &str) -> bool {
    let letters = |text: &str| {
        text.chars()
            .filter(|c| *c != '_')
            .map(|c| c.to_ascii_lowercase())
            .collect::<String>()
    };
    letters(name) == letters(class)
}

/// True, as a function for serde's defaults.
pub(crate) fn yes() -> bool {
    true
}

/// The settings that a layer's own configuration does not know, and that change something.
pub(crate) fn unknown_settings<'a>(
    given: &'a Map<String, Value>,
    known: &'a Value,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let unknown = given.iter().filter(|(key, _)| known.get(key).is_none());
    unknown.filter(|(key, value)| !is_harmless(key, value))
}

/// Writes the penalty on a layer's outputs that is not a setting of its class.
pub(crate) fn write_activity(
    settings: &mut Map<String, Value>,
    regularizer: Option<&Regularizer>,
) -> Result<()> {
    let Some(regularizer) = regularizer else { return Ok(()) };
    let written = serde_json::to_value(regularizer).map_err(|error| {
        Error::invalid("cannot write the regularizer", "plain data").got(error)
    })?;
    settings.insert(ACTIVITY.to_owned(), written);
    Ok(())
}

/// What the setting `trainable` of a layer says; true if there is none.
pub(crate) fn is_trainable(setting: Option<&Value>) -> Result<bool, String> {
    match setting {
        None => Ok(true),
        Some(Value::Bool(trainable)) => Ok(*trainable),
        Some(other) => Err(format!("trainable = {other}: expected true or false")),
    }
}

/// The settings of Keras's layers that are layers.
const INNER: [&str; 4] = ["layer", "backward_layer", "cell", "cells"];

/// Takes whether a layer of a Keras class is trainable out of its settings.
///
/// As in Keras, what a layer around others says is of its own weights, of which it has none: each
/// of the others says it for itself. Where all of them are frozen, they are so as parts of this
/// one, and no longer if this one is opened: as in Keras, where setting that sets it for all.
pub(crate) fn take_trainable(settings: &mut Map<String, Value>) -> Result<bool, String> {
    fn is_open(layer: &Value) -> bool {
        if let Value::Array(layers) = layer {
            return layers.iter().any(is_open);
        }
        let config = layer.get("config").unwrap_or(&Value::Null);
        let mut inner = INNER.iter().filter_map(|key| config.get(*key)).peekable();
        match inner.peek() {
            Some(_) => inner.any(is_open),
            None => config.get("trainable") != Some(&Value::Bool(false)),
        }
    }
    let own = is_trainable(settings.shift_remove("trainable").as_ref())?;
    let open = own || INNER.iter().filter_map(|key| settings.get(*key)).any(is_open);
    if !open {
        set_inner(settings, true);
    }
    Ok(open)
}

/// Writes that the layers within a layer are frozen.
pub(crate) fn freeze_inner(settings: &mut Map<String, Value>) {
    set_inner(settings, false);
}

fn set_inner(settings: &mut Map<String, Value>, trainable: bool) {
    let set = |layer: &mut Value| set_layer(layer, trainable);
    for key in INNER {
        settings.get_mut(key).into_iter().for_each(set);
    }
}

fn set_layer(layer: &mut Value, trainable: bool) {
    let set = |layer: &mut Value| set_layer(layer, trainable);
    if let Value::Array(layers) = layer {
        layers.iter_mut().for_each(set);
        return;
    }
    let is_input = layer.get("class_name").is_some_and(|class| class == "InputLayer");
    if let Some(config) = layer.get_mut("config").and_then(Value::as_object_mut) {
        if !is_input {
            config.insert("trainable".to_owned(), trainable.into());
        }
        config.get_mut("layers").into_iter().for_each(set);
        set_inner(config, trainable);
    }
}

/// Takes the penalty on outputs out of a layer's settings, if its class does not know it.
pub(crate) fn take_activity(
    settings: &mut Map<String, Value>,
    known: &Value,
) -> serde_json::Result<Option<Regularizer>> {
    let is_own = known.get(ACTIVITY).is_some();
    let given = (!is_own).then(|| settings.shift_remove(ACTIVITY)).flatten();
    given.map_or(Ok(None), serde_json::from_value)
}

/// Whether an argument that a layer does not know changes nothing.
pub(crate) fn is_harmless(key: &str, value: &Value) -> bool {
    match key {
        // How, not what, Keras computes.
        // And what Keras 2 notes of the input.
        "unroll" | "use_cudnn" | "implementation" | "batch_input_shape"
        | "input_length" => true,
        "autocast" => value == &Value::Bool(true),
        // Only read with renormalization.
        "renorm_momentum" => value.as_f64() == Some(0.99),
        _ => is_nothing(value),
    }
}

/// Whether a value says nothing.
pub(crate) fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
}

/// None, one value, or a list of values, for serde.
pub(crate) fn one_or_many<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        One(T),
        Many(Vec<T>),
    }
    let given = Option::<OneOrMany<T>>::deserialize(deserializer)?;
    Ok(given.map(|given| match given {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    }))
}
