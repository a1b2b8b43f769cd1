//! Layers with weights that are in several models of one file.
//!
//! Keras numbers such a layer, from the second time on that it is written, as
//! `shared_object_id`; it finds it again where all these models are sequential, and the first
//! place is numbered, too. Elsewhere it would lose its way in the graph; there, Deckle numbers
//! it under a name that Keras does not read, so that Keras has several layers.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{LayerHandle, Model, ModelLayer};

/// Keras's number of an object, and Deckle's of a layer that Keras cannot share.
const KEYS: [&str; 2] = ["shared_object_id", "shared_layer"];

/// The number of a layer, under its key.
fn number(layer: &Value) -> Option<(&'static str, u64)> {
    KEYS.iter().find_map(|key| Some((*key, layer.get(key)?.as_u64()?)))
}

/// What is read of layers in several models.
#[derive(Debug, Default)]
pub(super) struct Found {
    numbered: BTreeMap<(&'static str, u64), LayerHandle>,
    /// Class and configuration of every layer so far, any of which may turn out to be one.
    seen: Vec<(Value, LayerHandle)>,
}

impl Found {
    /// For a file with such layers.
    pub(super) fn of(config: &Value) -> Option<Self> {
        has_numbers(config).then(Self::default)
    }

    /// The layer, if it was read before.
    pub(super) fn again(&mut self, layer: &Value) -> Option<LayerHandle> {
        let number = number(layer)?;
        if let Some(known) = self.numbered.get(&number) {
            return Some(known.clone());
        }
        // Keras does not number the first of them.
        let content = content(layer);
        let mut seen = self.seen.iter();
        let handle = seen.find(|(known, _)| *known == content)?.1.clone();
        self.numbered.insert(number, handle.clone());
        Some(handle)
    }

    /// Notes a layer that was read.
    pub(super) fn add(&mut self, layer: &Value, handle: &LayerHandle) {
        match number(layer) {
            Some(number) => drop(self.numbered.insert(number, handle.clone())),
            None => self.seen.push((content(layer), handle.clone())),
        }
    }
}

/// Whether a layer below is numbered.
fn has_numbers(object: &Value) -> bool {
    let layers = object.pointer("/config/layers").and_then(Value::as_array);
    let mut layers = layers.into_iter().flatten();
    layers.any(|layer| {
        let is_input = layer.get("class_name").is_some_and(|class| class == "InputLayer");
        (!is_input && number(layer).is_some()) || has_numbers(layer)
    })
}

/// Class and configuration without numbers.
fn content(layer: &Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(strip),
            Value::Object(object) => {
                KEYS.iter().for_each(|key| drop(object.shift_remove(*key)));
                object.values_mut().for_each(strip);
            }
            _ => {}
        }
    }
    let mut content: Value =
        [&layer["class_name"], &layer["config"]].into_iter().cloned().collect();
    strip(&mut content);
    content
}

/// The layers in several models of one that is written.
pub(super) struct Numbers<'a> {
    layers: Vec<Occurring<'a>>,
}

struct Occurring<'a> {
    layer: &'a ModelLayer,
    count: usize,
    /// Whether all models that it is in are sequential.
    in_sequentials: bool,
}

impl<'a> Numbers<'a> {
    pub(super) fn of(model: &'a Model) -> Self {
        let mut numbers = Self { layers: Vec::new() };
        numbers.collect(model);
        numbers.layers.retain(|occurring| occurring.count > 1);
        numbers
    }

    fn collect(&mut self, model: &'a Model) {
        for layer in model.layers().iter().filter(|layer| !layer.weights().is_empty()) {
            match self.layers.iter_mut().find(|known| is_same(known.layer, layer)) {
                Some(known) => {
                    known.count += 1;
                    known.in_sequentials &= model.is_sequential();
                }
                None => {
                    let in_sequentials = model.is_sequential();
                    self.layers.push(Occurring { layer, count: 1, in_sequentials });
                    if let Some(model) = layer.model() {
                        self.collect(model);
                    }
                }
            }
        }
    }

    /// Writes the number of a layer that has one.
    pub(super) fn write(&self, layer: &ModelLayer, object: &mut Value) {
        let at = self.layers.iter().position(|known| is_same(known.layer, layer));
        if let Some(at) = at {
            let key = KEYS[usize::from(!self.layers[at].in_sequentials)];
            object[key] = (at + 1).into();
        }
    }
}

/// Whether these are one layer in two models.
fn is_same(a: &ModelLayer, b: &ModelLayer) -> bool {
    let (left, right) = (a.handle(), b.handle());
    a.name() == b.name()
        && left.is_trainable() == right.is_trainable()
        && left.dtype_policy() == right.dtype_policy()
        && left.activity() == right.activity()
        && a.has_weights_of(b)
        && left.layer().is_equal(right.layer())
}
