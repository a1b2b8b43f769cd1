//! Models in Keras's files: [`load`], [`load_with`], and `save` of [`Saved`].

use std::path::Path;

use deckle_autograd::{Device, Variable};
use deckle_formats::{Attribute, Group, KerasArchive};
use deckle_nn::{AnyLoss, Model, ModelLayer, Registry, Weight, snake_case};
use deckle_optim::{AnyOptimizer, OptimizerState};
use deckle_tensor::{Tensor, shape_text};
use serde_json::{Map, Value, json};

use crate::{
    AnyMetric, Compile, Error, Result, Trainable, Trainer,
    compile::{Losses, OutputPlan},
};

/// What a `.keras` file holds: a model with its weights, and how it was compiled.
#[derive(Debug)]
pub struct Saved {
    /// The model.
    pub model: Model,
    /// Optimizer, losses and metrics, if the model was compiled.
    pub compile: Option<Compile>,
    /// The optimizer's state, in its order; none if it has not made a step.
    optimizer: Vec<Tensor>,
}

impl Saved {
    /// The model as it was left: compiled, with the optimizer's state.
    ///
    /// # Errors
    ///
    /// If the file holds no compile state, or the optimizer's state does not fit.
    pub fn into_trainer(self) -> Result<Trainer> {
        let compile = self.compile.ok_or_else(|| {
            Error::invalid("the file cannot be trained on", "a model that was compiled")
                .got("no compile state")
                .help("compile the model: model.compile(Compile::new(..))")
        })?;
        let trainer = self.model.compile(compile)?;
        if !self.optimizer.is_empty() {
            restore(trainer.optimizer(), &self.optimizer)?;
        }
        Ok(trainer)
    }
}

fn restore(state: &OptimizerState, values: &[Tensor]) -> Result<()> {
    let variables = state.variables();
    let cast: Vec<_> = values
        .iter()
        .zip(&variables)
        .map(|(value, variable)| value.cast(variable.dtype()))
        .collect();
    // Before its first step, Keras's optimizer has no slots: a count and a learning rate.
    if (1..=2).contains(&values.len()) && variables.len() > values.len() {
        for (variable, value) in variables.iter().zip(&cast) {
            variable.set(value)?;
        }
        return Ok(());
    }
    if values.len() != variables.len() {
        return Err(Error::invalid(
            "the file's optimizer state does not fit",
            format_args!("{} variables", variables.len()),
        )
        .got(values.len()));
    }
    Ok(state.load(&cast)?)
}

/// Reads a model that Keras, or Deckle, has saved as `.keras`.
///
/// # Errors
///
/// If the file cannot be read or is damaged, or asks for what Deckle does not have; everything
/// that is missing is named.
pub fn load(path: impl AsRef<Path>) -> Result<Saved> {
    load_with(path, &Registry::keras())
}

/// Reads a model that may hold layers of your own, which `registry` knows.
///
/// # Errors
///
/// As [`load`].
pub fn load_with(path: impl AsRef<Path>, registry: &Registry) -> Result<Saved> {
    let path = path.as_ref();
    let archive = KerasArchive::read(path)?;
    let model = Model::from_config(&archive.config, registry, 0, &Device::reference())?;
    read_weights(&model, &archive.weights).map_err(|error| in_file(error, path))?;
    let compile = match archive.config.get("compile_config") {
        Some(Value::Object(config)) if config.contains_key("optimizer") => {
            Some(parse_compile(config, &model)?)
        }
        _ => None,
    };
    let optimizer = archive.weights.group("optimizer/vars");
    let optimizer =
        optimizer.map_or(Vec::new(), |vars| vars.numbered().cloned().collect());
    Ok(Saved { model, compile, optimizer })
}

fn in_file(error: Error, path: &Path) -> Error {
    match error {
        Error::Invalid { problem, expected, got, help } => Error::Invalid {
            problem: format!("{}: {problem}", path.display()),
            expected,
            got,
            help,
        },
        error => error,
    }
}

/// The path of each layer's group in a weights file: the class in snake case, numbered.
fn layer_groups(model: &Model) -> Vec<(&ModelLayer, String)> {
    let mut counts = std::collections::BTreeMap::new();
    let layers = model
        .layers()
        .iter()
        .filter(|layer| !(model.is_sequential() && layer.is_input()));
    layers
        .map(|layer| {
            let class = snake_case(layer.class_name());
            let count = counts.entry(class.clone()).or_insert(0usize);
            let name = if *count == 0 { class } else { format!("{class}_{count}") };
            *count += 1;
            (layer, format!("layers/{name}"))
        })
        .collect()
}

/// A layer's weights by the group that they are in below the layer's.
fn by_scope(layer: &ModelLayer) -> Vec<(String, Vec<&Weight>)> {
    let mut groups: Vec<(String, Vec<&Weight>)> = Vec::new();
    for trainable in [true, false] {
        for weight in layer.weights().iter().filter(|w| w.is_trainable() == trainable) {
            let scope: Vec<_> =
                weight.scope().iter().map(String::as_str).chain(["vars"]).collect();
            let scope = scope.join("/");
            match groups.iter_mut().find(|(known, _)| *known == scope) {
                Some((_, weights)) => weights.push(weight),
                None => groups.push((scope, vec![weight])),
            }
        }
    }
    groups
}

fn read_weights(model: &Model, file: &Group) -> Result<()> {
    let mut new: Vec<(Variable, Tensor)> = Vec::new();
    for (layer, group) in layer_groups(model) {
        for (scope, weights) in by_scope(layer) {
            let path = format!("{group}/{scope}");
            let problem = format!("the weights of layer `{}`", layer.name());
            let vars = file.group(&path).ok_or_else(|| {
                Error::invalid(&problem, format_args!("the group {path}"))
                    .got("no such group")
            })?;
            let tensors: Vec<_> = vars.numbered().collect();
            if tensors.len() != weights.len() {
                return Err(Error::invalid(
                    &problem,
                    format_args!("{} tensors", weights.len()),
                )
                .got(format_args!("{} in {path}", tensors.len())));
            }
            for (weight, tensor) in weights.into_iter().zip(tensors) {
                let variable = weight.variable();
                if tensor.shape() != variable.shape() {
                    return Err(Error::invalid(
                        format_args!("{problem}: `{}`", weight.name()),
                        shape_text(variable.shape()),
                    )
                    .got(shape_text(tensor.shape())));
                }
                new.push((variable.clone(), tensor.cast(variable.dtype())));
            }
        }
    }
    // Everything fits: now nothing is half-written.
    for (variable, value) in new {
        variable.set(&value)?;
    }
    Ok(())
}

fn parse_compile(config: &Map<String, Value>, model: &Model) -> Result<Compile> {
    let optimizer = match &config["optimizer"] {
        Value::String(name) => AnyOptimizer::named(name)?,
        object => AnyOptimizer::from_keras(object)?,
    };
    let outputs: Vec<_> = model.outputs().map(|(name, _)| name.to_owned()).collect();
    let is_object = |value: &Value| value.get("class_name").is_some();
    let mut compile = match config.get("loss") {
        Some(Value::Array(losses)) => {
            let named = outputs.iter().zip(losses).filter(|(_, loss)| !loss.is_null());
            let named =
                named.map(|(name, loss)| Ok((name.clone(), AnyLoss::from_keras(loss)?)));
            Compile::outputs(optimizer, named.collect::<Result<Vec<_>>>()?)
        }
        Some(Value::Object(losses)) if !losses.contains_key("class_name") => {
            let named = losses.iter().filter(|(_, loss)| !loss.is_null());
            let named =
                named.map(|(name, loss)| Ok((name.clone(), AnyLoss::from_keras(loss)?)));
            Compile::outputs(optimizer, named.collect::<Result<Vec<_>>>()?)
        }
        Some(loss) if !loss.is_null() => {
            Compile::new(optimizer, AnyLoss::from_keras(loss)?)
        }
        _ => {
            return Err(Error::invalid("the file's compile state", "a loss").got("none"));
        }
    };
    match config.get("metrics") {
        Some(Value::Array(metrics)) if metrics.iter().any(Value::is_array) => {
            for (output, metrics) in outputs.iter().zip(metrics) {
                for metric in metrics.as_array().into_iter().flatten() {
                    compile = compile.metric_for(output, AnyMetric::from_keras(metric)?);
                }
            }
        }
        Some(Value::Array(metrics)) => {
            for metric in metrics.iter().filter(|metric| !metric.is_null()) {
                compile = compile.metric(AnyMetric::from_keras(metric)?);
            }
        }
        Some(Value::Object(by_output)) => {
            for (output, metrics) in by_output {
                let one = std::slice::from_ref(metrics);
                let list = metrics.as_array().map_or(one, Vec::as_slice);
                for metric in list {
                    compile = compile.metric_for(output, AnyMetric::from_keras(metric)?);
                }
            }
        }
        Some(metric) if metric.is_string() || is_object(metric) => {
            compile = compile.metric(AnyMetric::from_keras(metric)?);
        }
        _ => {}
    }
    match config.get("loss_weights") {
        Some(Value::Array(weights)) => {
            for (output, weight) in outputs.iter().zip(weights) {
                compile = compile.loss_weight(output, weight.as_f64().unwrap_or(1.0));
            }
        }
        Some(Value::Object(weights)) => {
            for (output, weight) in weights {
                compile = compile.loss_weight(output, weight.as_f64().unwrap_or(1.0));
            }
        }
        _ => {}
    }
    Ok(compile)
}

/// Writes a model with its weights, and what it was compiled with, as `.keras`.
///
/// The file appears whole or not at all, and is the same for the same model.
///
/// # Errors
///
/// If the model holds what Keras has no form for, or the file cannot be written.
pub(crate) fn save(trainer: &Trainer, path: impl AsRef<Path>) -> Result<()> {
    let model = trainer.model();
    let mut config = model.config()?;
    if let Value::Object(object) = &mut config {
        object.insert("compile_config".to_owned(), compile_config(trainer)?);
    }
    let mut weights = model_weights(model)?;
    let state = trainer.optimizer();
    for (i, variable) in state.variables().iter().enumerate() {
        weights.insert(&format!("optimizer/vars/{i}"), variable.value()?)?;
    }
    Ok(KerasArchive::new(config, weights).write(path)?)
}

/// Writes a model with its weights as `.keras`.
///
/// # Errors
///
/// If the model holds what Keras has no form for, or the file cannot be written.
pub fn save_model(model: &Model, path: impl AsRef<Path>) -> Result<()> {
    Ok(KerasArchive::new(model.config()?, model_weights(model)?).write(path)?)
}

fn model_weights(model: &Model) -> Result<Group> {
    let mut file = Group::new();
    let name = |group: &mut Group, name: &str| {
        group.attributes.insert("name".to_owned(), Attribute::Text(name.to_owned()));
    };
    name(file.create_group("vars")?, model.name());
    for (layer, group) in layer_groups(model) {
        name(file.create_group(&format!("{group}/vars"))?, layer.name());
        for (scope, weights) in by_scope(layer) {
            for (i, weight) in weights.iter().enumerate() {
                file.insert(&format!("{group}/{scope}/{i}"), weight.variable().value()?)?;
            }
        }
    }
    Ok(file)
}

fn compile_config(trainer: &Trainer) -> Result<Value> {
    let compile = trainer.compiled();
    let loss = match &compile.losses {
        Losses::Every(loss) => loss.to_keras()?,
        Losses::Named(losses) => {
            let named =
                losses.iter().map(|(name, loss)| Ok((name.clone(), loss.to_keras()?)));
            Value::Object(named.collect::<Result<_>>()?)
        }
    };
    let plans: &[OutputPlan] = trainer.plans();
    let names = |plan: &OutputPlan| -> Vec<Value> {
        plan.metrics.iter().map(AnyMetric::to_keras).collect()
    };
    let metrics = match plans {
        [plan] => Value::Array(names(plan)),
        plans => plans.iter().map(|plan| Value::Array(names(plan))).collect(),
    };
    let loss_weights: Map<_, _> =
        compile.loss_weights.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    Ok(json!({
        "optimizer": trainer.optimizer().to_keras()?,
        "loss": loss,
        "loss_weights": if loss_weights.is_empty() { Value::Null } else { loss_weights.into() },
        "metrics": metrics,
        "weighted_metrics": null,
        "run_eagerly": false,
        "steps_per_execution": 1,
        "jit_compile": false,
    }))
}
