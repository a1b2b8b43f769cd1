//! Which weight of a model is which tensor of a file: [`Places`].

use std::collections::BTreeMap;

use deckle_autograd::Variable;
use deckle_formats::{Attribute, Group, Safetensors};
use deckle_nn::{Model, Weight};
use deckle_tensor::{DType, Tensor, shape_text};

use crate::{Error, Result};

/// What may be wrong is told up to that many times.
const MOST: usize = 12;

/// New values for variables, checked before the first is assigned.
#[derive(Debug, Default)]
pub(super) struct Values {
    values: Vec<(Variable, Tensor)>,
    problems: Vec<String>,
}

impl Values {
    /// Takes a tensor for a variable; `place` is that in the file.
    pub(super) fn take(
        &mut self,
        path: &str,
        variable: &Variable,
        place: &str,
        tensor: &Tensor,
    ) {
        let is_number = tensor.dtype() != DType::Bool || variable.dtype() == DType::Bool;
        if tensor.shape() != variable.shape() || !is_number {
            self.problem(format!(
                "`{path}` of shape {}, but {place} has shape {} and type {}",
                shape_text(variable.shape()),
                shape_text(tensor.shape()),
                tensor.dtype(),
            ));
            return;
        }
        self.values.push((variable.clone(), tensor.cast(variable.dtype())));
    }

    /// Remembers what is wrong.
    pub(super) fn problem(&mut self, line: String) {
        self.problems.push(line);
    }

    /// Whether a variable has a value already.
    fn has(&self, variable: &Variable) -> bool {
        self.values.iter().any(|(known, _)| known.is_same(variable))
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.values.extend(other.values);
        self.problems.extend(other.problems);
    }

    /// Assigns all values if nothing is wrong.
    pub(super) fn assign(self, what: &str) -> Result<()> {
        if !self.problems.is_empty() {
            let count = self.problems.len();
            let mut lines = self.problems;
            lines.truncate(MOST);
            if count > MOST {
                lines.push(format!("and {} more", count - MOST));
            }
            return Err(Error::invalid(
                format_args!("the file does not fit {what}"),
                "a tensor of the right shape for each weight, and no other",
            )
            .got(lines.join("\n            ")));
        }
        for (variable, value) in self.values {
            variable.set(&value)?;
        }
        Ok(())
    }
}

/// A group of a weights file in Keras 3's layout, with the weights in it.
pub(super) struct Place<'a> {
    /// The group's path, as `layers/lstm/cell/vars`.
    pub(super) group: String,
    /// The name that the group is given, that of a layer or a model.
    pub(super) name: Option<&'a str>,
    /// The weights in it, in order, each with the name that people know it by.
    pub(super) weights: Vec<&'a Weight>,
    /// The path of the layer in the model.
    pub(super) layer: String,
}

/// All groups of a model's weights, in the order of Keras's walk.
///
/// A layer's group is its class in snake case, numbered in each model; its variables are
/// numbered by scope, the trained ones first.
pub(super) fn places(model: &Model) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    walk(model, "", "", &mut places);
    places
}

fn walk<'a>(model: &'a Model, prefix: &str, path: &str, places: &mut Vec<Place<'a>>) {
    places.push(Place {
        group: format!("{prefix}vars"),
        name: Some(model.name()),
        weights: Vec::new(),
        layer: path.trim_end_matches('/').to_owned(),
    });
    for (layer, name) in model.layers().iter().zip(model.file_groups()) {
        let Some(name) = name else { continue };
        let group = format!("{prefix}layers/{name}");
        let layer_path = format!("{path}{}", layer.name());
        if let Some(model) = layer.model() {
            walk(model, &format!("{group}/"), &format!("{layer_path}/"), places);
            continue;
        }
        places.push(Place {
            group: format!("{group}/vars"),
            name: Some(layer.name()),
            weights: Vec::new(),
            layer: layer_path.clone(),
        });
        for weight in trained_first(layer.weights()) {
            for scope in [Some(weight.scope()), weight.also_in()].into_iter().flatten() {
                let steps = scope.iter().map(String::as_str).chain(["vars"]);
                let group = format!("{group}/{}", steps.collect::<Vec<_>>().join("/"));
                match places.iter_mut().rev().find(|place| place.group == group) {
                    Some(place) => place.weights.push(weight),
                    None => places.push(Place {
                        group,
                        name: None,
                        weights: vec![weight],
                        layer: layer_path.clone(),
                    }),
                }
            }
        }
    }
}

/// A layer's weights, those that its gradient changes first.
pub(super) fn trained_first(weights: &[Weight]) -> impl Iterator<Item = &Weight> {
    let of =
        |trained| weights.iter().filter(move |weight| weight.is_trainable() == trained);
    of(true).chain(of(false))
}

/// The values for a model's weights in Keras 3's layout.
pub(super) fn read_groups(model: &Model, file: &Group) -> Values {
    let mut values = Values::default();
    let mut known = BTreeMap::new();
    for place in places(model) {
        for (number, weight) in place.weights.iter().enumerate() {
            let at = format!("{}/{number}", place.group);
            let path = weight_path(&place.layer, weight);
            match file.dataset(&at) {
                Some(tensor) => values.take(&path, weight.variable(), &at, tensor),
                None if values.has(weight.variable()) => {}
                None => values.problem(format!("`{path}`, but there is no {at}")),
            }
            known.insert(at, ());
        }
    }
    for (path, _) in file.tensors() {
        // States of random numbers are no weights here.
        let elsewhere =
            path.starts_with("optimizer/") || path.contains("seed_generator/");
        if !elsewhere && !known.contains_key(&path) {
            values.problem(format!("{path}, of which the model has no weight"));
        }
    }
    values
}

/// A model's weights in Keras 3's layout.
pub(super) fn write_groups(model: &Model) -> Result<Group> {
    let mut file = Group::new();
    for place in places(model) {
        if let Some(name) = place.name {
            let group = file.create_group(&place.group)?;
            group.attributes.insert("name".to_owned(), Attribute::from(name));
        }
        for (number, weight) in place.weights.iter().enumerate() {
            // A layer in two models is written in both: in Keras, it is two when it is read.
            let value = weight.variable().value()?;
            file.insert(&format!("{}/{number}", place.group), value)?;
        }
    }
    Ok(file)
}

/// How a weight is called: by layer, scope and name.
pub(super) fn weight_path(layer: &str, weight: &Weight) -> String {
    let steps = std::iter::once(layer).chain(weight.scope().iter().map(String::as_str));
    steps.chain([weight.name()]).collect::<Vec<_>>().join("/")
}

/// Every weight of a model, once, by its path.
fn by_path(model: &Model) -> Vec<(String, &Weight)> {
    let mut found: Vec<(String, &Weight)> = Vec::new();
    for place in places(model) {
        for weight in place.weights {
            if !found.iter().any(|(_, known)| known.variable().is_same(weight.variable()))
            {
                found.push((weight_path(&place.layer, weight), weight));
            }
        }
    }
    found
}

/// The values for a model's weights by their paths.
pub(super) fn read_named(model: &Model, file: &Safetensors) -> Values {
    let mut values = Values::default();
    let weights = by_path(model);
    for (path, weight) in &weights {
        match file.tensors.get(path) {
            Some(tensor) => {
                values.take(path, weight.variable(), &format!("tensor {path}"), tensor);
            }
            None => {
                values.problem(format!("`{path}`, but there is no tensor of that name"));
            }
        }
    }
    for name in file.tensors.keys().filter(|name| !name.starts_with("optimizer/")) {
        if !weights.iter().any(|(path, _)| path == name) {
            values.problem(format!("tensor {name}, of which the model has no weight"));
        }
    }
    values
}

/// A model's weights by their paths.
pub(super) fn write_named(model: &Model) -> Result<Safetensors> {
    let mut file = Safetensors::new();
    file.metadata.insert("format".to_owned(), "deckle".to_owned());
    for (path, weight) in by_path(model) {
        file.tensors.insert(path, weight.variable().value()?);
    }
    Ok(file)
}
