//! From Keras's JSON to one layer.

use std::sync::Arc;

use deckle_tensor::DType;
use serde_json::{Map, Value};

use super::{Reader, brief, is_model, object, take_name, text, with_name};
use crate::{
    AnyLayer, DTypePolicy, LayerHandle, Regularizer, Result,
    config::is_custom,
    keras::{ACTIVITY, is_trainable, take_activity, take_trainable, unknown_settings},
    layers::Wrapped,
};

/// A layer with the penalty on its outputs, if that is no setting of its class.
type Penalized = (Arc<dyn AnyLayer>, Option<Regularizer>);

impl Reader<'_> {
    /// A layer that was not read before.
    pub(super) fn new_layer(&mut self, layer: &Value) -> Result<Option<LayerHandle>> {
        let class = text(layer, "class_name")?;
        if is_model(class) && !is_custom(layer) {
            return self.nested(layer);
        }
        let mut config = object(layer, "config")?.clone();
        let name = take_name(&mut config);
        let place = match &name {
            Some(name) => format!("layer `{}{name}` ({class})", self.path),
            None => format!("layer {}{class}", self.path),
        };
        let make = match self.registry.maker_of(layer) {
            Ok(make) => make,
            Err(why) => {
                let missing = why.map_or(place.clone(), |why| format!("{place}: {why}"));
                self.missing.push(missing);
                return Ok(None);
            }
        };
        let trainable = match is_custom(layer) {
            // It may have weights besides those of layers in it.
            true => is_trainable(config.shift_remove("trainable").as_ref()),
            false => take_trainable(&mut config),
        };
        let trainable = trainable.unwrap_or_else(|why| {
            self.missing.push(format!("{place}: {why}"));
            true
        });
        let dtype = self.dtype(&place, config.shift_remove("dtype").as_ref());
        if let Some(dtype) = dtype
            && let Some(other) = config.values().find_map(|value| other(value, dtype))
        {
            let is = format_args!("of the layer within, in one of dtype {dtype}");
            self.missing.push(format!("{place}: dtype {other} {is}"));
        }
        let made = self.make(&place, &*make, config)?;
        Ok(made.zip(dtype).map(|((made, activity), dtype)| {
            let handle = LayerHandle::new(made).trainable(trainable).dtype(dtype);
            with_name(handle.activity_regularizer(activity), name)
        }))
    }

    /// A layer of its configuration, and the penalty on its outputs if its class does not know
    /// it; other arguments that it does not know have to be harmless.
    fn make(
        &mut self,
        place: &str,
        make: &dyn Fn(Value) -> serde_json::Result<Arc<dyn AnyLayer>>,
        mut config: Map<String, Value>,
    ) -> Result<Option<Penalized>> {
        let attempt = |config: &Map<String, Value>| make(Value::Object(config.clone()));
        let before = self.missing.len();
        // Parsing stops at the first argument that it cannot take: without it, the error is
        // another one. Of one that has to be, the error then is that it is not there.
        let mut taken_out = Vec::new();
        let made = loop {
            let error = match attempt(&config) {
                Ok(made) => break made,
                Err(error) => error.to_string(),
            };
            if let Some(needed) = error.strip_prefix("missing field `") {
                let needed = needed.trim_end_matches('`');
                if !taken_out.iter().any(|name| name == needed) {
                    self.missing.push(format!("{place}: no `{needed}`"));
                }
                return Ok(None);
            }
            let culprit = config.keys().find(|key| {
                let mut rest = config.clone();
                rest.shift_remove(*key);
                attempt(&rest).map_or_else(|other| other.to_string() != error, |_| true)
            });
            let Some(culprit) = culprit.cloned() else {
                self.missing.push(format!("{place}: {error}"));
                return Ok(None);
            };
            let value = config.shift_remove(&culprit).unwrap_or_default();
            if Wrapped::is_in(&value) {
                // The layer in it is what is wrong, which the error names.
                self.missing.push(format!("{place}: {error}"));
                return Ok(None);
            }
            let (value, why) = (brief(&value), in_words(&error));
            self.missing.push(format!("{place}: {culprit} = {value}: {why}"));
            taken_out.push(culprit);
        };
        let known = made.config()?;
        let activity = take_activity(&mut config, &known).unwrap_or_else(|error| {
            let why = in_words(&error.to_string());
            self.missing.push(format!("{place}: {ACTIVITY}: {why}"));
            None
        });
        for (key, value) in unknown_settings(&config, &known) {
            self.missing.push(format!("{place}: {key} = {}", brief(value)));
        }
        Ok((self.missing.len() == before).then_some((made, activity)))
    }

    /// What a policy stands for; none if it is missing here.
    pub(super) fn dtype(
        &mut self,
        place: &str,
        policy: Option<&Value>,
    ) -> Option<DTypePolicy> {
        let name = match policy {
            None | Some(Value::Null) => return Some(DTypePolicy::default()),
            Some(Value::String(name)) => name.as_str(),
            Some(policy) => {
                policy.pointer("/config/name").and_then(Value::as_str).unwrap_or("?")
            }
        };
        let dtype = name.parse().ok();
        if dtype.is_none() {
            self.missing.push(format!("{place}: dtype {name}"));
        }
        dtype
    }
}

/// The policy of a layer within a layer, which computes in the outer one's type here, if that makes
/// a difference of precision.
fn other(value: &Value, outer: DTypePolicy) -> Option<DTypePolicy> {
    if let Value::Array(parts) = value {
        return parts.iter().find_map(|part| other(part, outer));
    }
    let class = value.get("class_name").and_then(Value::as_str);
    if !Wrapped::is_in(value) || class.is_some_and(is_model) {
        return None;
    }
    let config = value.get("config").and_then(Value::as_object)?;
    let dtype =
        config.get("dtype").map(|dtype| dtype.pointer("/config/name").unwrap_or(dtype));
    let own = dtype.and_then(Value::as_str).and_then(|name| name.parse().ok());
    let is_half =
        |policy: DTypePolicy| matches!(policy.compute_dtype(), DType::F16 | DType::BF16);
    let differs = |own: &DTypePolicy| *own != outer && (is_half(*own) || is_half(outer));
    own.filter(differs).or_else(|| config.values().find_map(|value| other(value, outer)))
}

/// What serde says of a value, without Rust's names of types.
fn in_words(error: &str) -> String {
    let mut text = error.replace('`', "");
    for (ours, words) in [
        ("expected usize", "expected a whole number from 0"),
        ("expected u64", "expected a whole number from 0"),
        ("expected isize", "expected a whole number"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
        ("expected a sequence", "expected a list"),
        ("unknown variant", "unknown name"),
        ("\n  expected:", ", expected"),
        ("\n       got:", ", got"),
        ("\n      help:", ", help:"),
    ] {
        text = text.replace(ours, words);
    }
    text.replace('\n', " ")
}
