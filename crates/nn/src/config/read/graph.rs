//! The calls between the layers of a functional model.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{brief, wrong};
use crate::{Arguments, LayerHandle, Model, Nest, Result, Symbol};

/// A tensor in a file: layer, number of its call, number of the output.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct End {
    pub(super) layer: String,
    pub(super) call: usize,
    pub(super) output: usize,
}

/// A call: its layer's name, and how many calls of the layer are before it.
pub(super) type Key = (String, usize);

/// What each call of each layer made.
type Made = BTreeMap<Key, Vec<Symbol>>;

/// A call of a layer.
pub(super) struct Node {
    pub(super) key: Key,
    pub(super) layer: LayerHandle,
    pub(super) positional: Vec<Nest<End>>,
    pub(super) named: Vec<(String, Nest<End>)>,
}

impl Node {
    /// Changes the tensors that it is given.
    pub(super) fn change_ends(&mut self, change: &mut dyn FnMut(&mut End)) {
        let named = self.named.iter_mut().map(|(_, nest)| nest);
        for nest in self.positional.iter_mut().chain(named) {
            *nest = nest.map(&mut |end| {
                let mut end = end.clone();
                change(&mut end);
                end
            });
        }
    }

    fn ends(&self) -> impl Iterator<Item = &End> {
        let named = self.named.iter().map(|(_, nest)| nest);
        self.positional.iter().chain(named).flat_map(Nest::flatten)
    }
}

/// `["name", 0, 0]`.
fn end(value: &Value) -> Option<Result<End>> {
    let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
    let Value::Array(parts) = value else { return None };
    let [Value::String(layer), call, output, ..] = &parts[..] else { return None };
    let numbers = number(call)
        .zip(number(output))
        .ok_or_else(|| wrong("a tensor as [layer, call, output]", brief(value)));
    Some(numbers.map(|(call, output)| End { layer: layer.clone(), call, output }))
}

/// An argument of a call: tensors and constants.
pub(super) fn argument(value: &Value) -> Result<Nest<End>> {
    match value {
        Value::Array(values) => {
            Ok(Nest::List(values.iter().map(argument).collect::<Result<_>>()?))
        }
        Value::Object(map) => match map.get("class_name").and_then(Value::as_str) {
            Some("__keras_tensor__") => {
                let history = value.pointer("/config/keras_history");
                let error = || wrong("a tensor with a `keras_history`", brief(value));
                Ok(Nest::One(history.and_then(end).ok_or_else(error)??))
            }
            Some(_) => Ok(Nest::Constant(value.clone())),
            None => {
                let parts = map.iter();
                let parts = parts.map(|(key, part)| Ok((key.clone(), argument(part)?)));
                Ok(Nest::Dict(parts.collect::<Result<_>>()?))
            }
        },
        value => Ok(Nest::Constant(value.clone())),
    }
}

/// A model's inputs or outputs: `["name", 0, 0]`, or a list or object of these.
pub(super) fn endpoints(value: &Value) -> Result<Nest<End>> {
    if let Some(end) = end(value) {
        return Ok(Nest::One(end?));
    }
    match value {
        Value::Array(parts) => {
            Ok(Nest::List(parts.iter().map(endpoints).collect::<Result<_>>()?))
        }
        Value::Object(map) => {
            let parts = map.iter();
            let parts = parts.map(|(key, part)| Ok((key.clone(), endpoints(part)?)));
            Ok(Nest::Dict(parts.collect::<Result<_>>()?))
        }
        _ => Err(wrong("a tensor as [layer, call, output]", brief(value))),
    }
}

pub(super) fn find(made: &Made, end: &End) -> Result<Symbol> {
    let outputs = made.get(&(end.layer.clone(), end.call));
    outputs.and_then(|outputs| outputs.get(end.output)).cloned().ok_or_else(|| {
        wrong(
            "tensors that a layer of the model makes",
            format_args!(
                "output {} of call {} of layer `{}`",
                end.output, end.call, end.layer
            ),
        )
    })
}

/// Calls the layers in an order in which each has its inputs; those of one layer in theirs.
pub(super) fn connect(nodes: &[Node]) -> Result<Made> {
    let mut places: BTreeMap<&Key, usize> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        if places.insert(&node.key, at).is_some() {
            let twice = format!("`{}` twice", node.key.0);
            return Err(wrong("layers with names that differ", twice));
        }
    }
    let mut waits = vec![0usize; nodes.len()];
    let mut used_by: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        let mut needed = BTreeSet::new();
        for end in node.ends() {
            let place = places.get(&(end.layer.clone(), end.call));
            // What does not exist is named when the call is made.
            needed.extend(place.copied());
        }
        if let Some(before) = node.key.1.checked_sub(1) {
            needed.extend(places.get(&(node.key.0.clone(), before)).copied());
        }
        waits[at] = needed.len();
        needed.into_iter().for_each(|place| used_by[place].push(at));
    }
    let mut ready: BTreeSet<usize> =
        (0..nodes.len()).filter(|&at| waits[at] == 0).collect();
    let mut made = Made::new();
    while let Some(at) = ready.pop_first() {
        made.insert(nodes[at].key.clone(), call(&nodes[at], &made)?);
        for &next in &used_by[at] {
            waits[next] -= 1;
            if waits[next] == 0 {
                ready.insert(next);
            }
        }
    }
    if made.len() == nodes.len() {
        return Ok(made);
    }
    let stuck = nodes.iter().find(|node| !made.contains_key(&node.key));
    let name = stuck.map_or("", |node| &node.key.0);
    let got = format!("layer `{name}`, which needs what it makes");
    Err(wrong("layers whose inputs other layers make", got))
}

fn call(node: &Node, made: &Made) -> Result<Vec<Symbol>> {
    if node.layer.as_input().is_some() {
        return Ok(vec![Symbol::of_input(&node.layer)]);
    }
    let mut count = 0;
    let (mut inputs, mut named) = (Vec::new(), Vec::new());
    let mut arguments = Arguments::default();
    for nest in &node.positional {
        arguments.positional.push(nest.try_map(&mut |end| -> Result<usize> {
            inputs.push(find(made, end)?);
            count += 1;
            Ok(count - 1)
        })?);
    }
    if let (Some(model), [nest, ..]) = (node.layer.model(), &node.positional[..])
        && let Some(inputs) = by_name(model, nest, made)?
    {
        return Symbol::call(&node.layer, inputs, named, None);
    }
    for (name, nest) in &node.named {
        let nest = nest.try_map(&mut |end| -> Result<usize> {
            named.push((name.clone(), find(made, end)?));
            count += 1;
            Ok(count - 1)
        })?;
        arguments.named.push((name.clone(), nest));
    }
    Symbol::call(&node.layer, inputs, named, Some(arguments))
}

/// The inputs of a model that is given a dictionary but has a list, by their names.
fn by_name(model: &Model, nest: &Nest<End>, made: &Made) -> Result<Option<Vec<Symbol>>> {
    let (Nest::Dict(parts), false) = (nest, matches!(model.input_nest(), Nest::Dict(_)))
    else {
        return Ok(None);
    };
    let named = model.inputs().map(|(name, ..)| {
        let part = parts.iter().find(|(key, _)| key == name);
        match part {
            Some((_, Nest::One(end))) => find(made, end),
            _ => Err(wrong(
                &format!("an input `{name}` for the model `{}`", model.name()),
                "a dictionary without",
            )),
        }
    });
    named.collect::<Result<_>>().map(Some)
}
