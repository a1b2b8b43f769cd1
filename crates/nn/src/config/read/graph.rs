//! The calls between the layers of a functional model.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{brief, wrong};
use crate::{LayerHandle, Result, Symbol};

/// A tensor in a file: layer, number of its call, number of the output.
type End = (String, usize, usize);

/// What each call of each layer made.
type Made = BTreeMap<(String, usize), Vec<Symbol>>;

/// What a call of a layer takes.
#[derive(Default)]
pub(super) struct Node {
    pub(super) inputs: Vec<End>,
    pub(super) named: Vec<(String, End)>,
    /// A number among the tensors.
    pub(super) constant: Option<Value>,
}

/// Finds the tensors in arguments, in order, however they are nested.
pub(super) fn tensors(
    value: &Value,
    found: &mut Vec<End>,
    other: &mut dyn FnMut(&Value),
) -> Result<()> {
    match value {
        Value::Array(values) => {
            values.iter().try_for_each(|value| tensors(value, found, other))
        }
        Value::Object(map) => match map.get("class_name").and_then(Value::as_str) {
            Some("__keras_tensor__") => {
                let history = value.pointer("/config/keras_history");
                endpoints(history.unwrap_or(&Value::Null), found)
            }
            Some(_) => {
                other(value);
                Ok(())
            }
            None => map.values().try_for_each(|value| tensors(value, found, other)),
        },
        value => {
            other(value);
            Ok(())
        }
    }
}

/// `["name", 0, 0]`, or a list or object of these.
pub(super) fn endpoints(value: &Value, found: &mut Vec<End>) -> Result<()> {
    let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
    let error = || wrong("a tensor as [layer, call, output]", brief(value));
    match value {
        Value::Array(parts) => {
            if let [Value::String(name), call, output, ..] = &parts[..] {
                let (call, output) =
                    number(call).zip(number(output)).ok_or_else(error)?;
                found.push((name.clone(), call, output));
                return Ok(());
            }
            parts.iter().try_for_each(|part| endpoints(part, found))
        }
        Value::Object(map) => map.values().try_for_each(|part| endpoints(part, found)),
        _ => Err(error()),
    }
}

pub(super) fn find(made: &Made, (layer, call, output): &End) -> Result<Symbol> {
    let outputs = made.get(&(layer.clone(), *call));
    outputs.and_then(|outputs| outputs.get(*output)).cloned().ok_or_else(|| {
        wrong(
            "tensors that a layer of the model makes",
            format_args!("output {output} of call {call} of layer `{layer}`"),
        )
    })
}

/// Calls the layers in an order in which each has its inputs.
pub(super) fn connect(
    mut waiting: Vec<(LayerHandle, (String, usize), Node)>,
) -> Result<Made> {
    let mut made = Made::new();
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut left = Vec::new();
        for (handle, key, node) in waiting {
            let named = node.named.iter().map(|(_, end)| end);
            let mut needed = node.inputs.iter().chain(named);
            if !needed.all(|(layer, call, _)| made.contains_key(&(layer.clone(), *call)))
            {
                left.push((handle, key, node));
                continue;
            }
            let outputs = if handle.layer().class_name() == "InputLayer" {
                vec![Symbol::of_input(&handle)]
            } else {
                let inputs = node.inputs.iter().map(|end| find(&made, end));
                let named = node.named.iter();
                let named =
                    named.map(|(name, end)| Ok((name.clone(), find(&made, end)?)));
                Symbol::call(
                    &handle,
                    inputs.collect::<Result<_>>()?,
                    named.collect::<Result<_>>()?,
                )?
            };
            if made.contains_key(&key) {
                let twice = format_args!("`{}` twice", key.0).to_string();
                return Err(wrong("layers with names that differ", twice));
            }
            made.insert(key, outputs);
        }
        if left.len() == before {
            let (_, (name, _), _) = &left[0];
            let got = format_args!("layer `{name}` without").to_string();
            return Err(wrong("layers whose inputs other layers make", got));
        }
        waiting = left;
    }
    Ok(made)
}
