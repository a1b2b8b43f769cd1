//! The legacy layout of `.h5` files, whose weights are told by their order.

use deckle_formats::{Attribute, Group};
use deckle_nn::{Model, ModelLayer, Weight};
use deckle_optim::OptimizerState;
use deckle_tensor::{DType, Tensor};
use serde_json::{Map, Value, json};

use super::{
    keras2,
    weights::{Values, trained_first},
};
use crate::{Error, Result};

/// What Keras lets one attribute hold, and what it takes of that per text here.
const ATTRIBUTE_LIMIT: usize = 64_512;
const TEXT_SIZE: usize = 16;

const WEIGHTS: &str = "model_weights";
const OPTIMIZER: &str = "optimizer_weights";
const TOP: &str = "top_level_model_weights";

/// Whether the file is of that layout: a whole model, or weights alone.
pub(super) fn is_legacy(file: &Group) -> bool {
    file.group(WEIGHTS).is_some()
        || file.attribute("layer_names").is_some()
        || file.attribute("layer_names0").is_some()
}

/// The JSON in a text of the root.
fn json_attribute(file: &Group, name: &str) -> Result<Option<Value>> {
    let Some(attribute) = file.attribute(name) else {
        return Ok(None);
    };
    let wrong = || Error::invalid(format_args!("attribute {name}"), "a text in JSON");
    let text = attribute.text().ok_or_else(|| wrong().got("no text"))?;
    deckle_formats::json::parse_python(text.as_bytes())
        .map(Some)
        .map_err(|error| wrong().got(error))
}

/// A list of texts, which may be split into `name0`, `name1` and so on.
fn texts(group: &Group, name: &str) -> Option<Vec<String>> {
    if let Some(attribute) = group.attribute(name) {
        return attribute.texts().map(<[String]>::to_vec);
    }
    let parts = (0usize..).map_while(|part| group.attribute(&format!("{name}{part}")));
    let parts: Option<Vec<_>> = parts.map(Attribute::texts).collect();
    parts.filter(|parts| !parts.is_empty()).map(|parts| parts.concat())
}

fn put_texts(group: &mut Group, name: &str, texts: Vec<String>) {
    let most = ATTRIBUTE_LIMIT / TEXT_SIZE;
    if texts.is_empty() {
        let nothing = Tensor::zeros(DType::F64, [0]);
        group.attributes.insert(name.to_owned(), nothing.into());
    } else if texts.len() <= most {
        group.attributes.insert(name.to_owned(), texts.into());
    } else {
        for (part, texts) in texts.chunks(most).enumerate() {
            group.attributes.insert(format!("{name}{part}"), texts.to_vec().into());
        }
    }
}

/// The tensors of a group in the order of `weight_names`, each with its name.
fn tensors(group: &Group, place: &str) -> Result<Vec<(String, Tensor)>> {
    let names = texts(group, "weight_names").ok_or_else(|| {
        Error::invalid(format_args!("{place} cannot be read"), "a list `weight_names`")
            .got("none")
    })?;
    let tensor = |name: String| {
        let found = group.dataset(&name).cloned().ok_or_else(|| {
            Error::invalid(
                format_args!("{place} cannot be read"),
                format_args!("a tensor {name}, as `weight_names` says"),
            )
            .got("none")
        })?;
        Ok((name, found))
    };
    names.into_iter().map(tensor).collect()
}

/// A layer's weights in the order of the legacy layout: trained ones first.
fn ordered(layer: &ModelLayer) -> Vec<&Weight> {
    if layer.handle().is_trainable() {
        trained_first(layer.weights()).collect()
    } else {
        layer.weights().iter().collect()
    }
}

/// The layers that the layout names.
fn layers(model: &Model) -> impl Iterator<Item = &ModelLayer> {
    model.layers().iter().filter(|layer| !(model.is_sequential() && layer.is_input()))
}

/// The values for a model's weights, in the order of layers and of weights.
pub(super) fn read_weights(model: &Model, file: &Group) -> Result<Values> {
    let (root, prefix) = match file.group(WEIGHTS) {
        Some(root) => (root, format!("{WEIGHTS}/")),
        None => (file, String::new()),
    };
    let names = texts(root, "layer_names").ok_or_else(|| {
        Error::invalid(format_args!("{prefix} cannot be read"), "a list `layer_names`")
            .got("none")
    })?;
    let mut saved = Vec::new();
    for name in names {
        let place = format!("{prefix}{name}");
        let group = root.group(&name).ok_or_else(|| {
            Error::invalid(format_args!("{place} cannot be read"), "a group").got("none")
        })?;
        let tensors = tensors(group, &place)?;
        if !tensors.is_empty() {
            saved.push((place, tensors));
        }
    }
    let with_weights: Vec<_> =
        layers(model).filter(|layer| !layer.weights().is_empty()).collect();
    let mut values = Values::default();
    if saved.len() != with_weights.len() {
        let names = |names: Vec<&str>| names.join(", ");
        values.problem(format!(
            "{} layers with weights ({}), but the file has {} ({})",
            with_weights.len(),
            names(with_weights.iter().map(|layer| layer.name()).collect()),
            saved.len(),
            names(saved.iter().map(|(place, _)| place.as_str()).collect()),
        ));
        return Ok(values);
    }
    for (layer, (place, tensors)) in with_weights.into_iter().zip(saved) {
        let weights = ordered(layer);
        if weights.len() != tensors.len() {
            values.problem(format!(
                "layer `{}` with {} weights, but {place} has {}",
                layer.name(),
                weights.len(),
                tensors.len()
            ));
            continue;
        }
        for (weight, (name, tensor)) in weights.into_iter().zip(tensors) {
            let variable = weight.variable();
            values.take(variable.name(), variable, &format!("{place}/{name}"), &tensor);
        }
    }
    Ok(values)
}

/// The optimizer's state, if there is one, with the names in the file and in its order.
pub(super) fn read_optimizer(file: &Group) -> Result<Vec<(String, Tensor)>> {
    file.group(OPTIMIZER).map_or(Ok(Vec::new()), |group| tensors(group, OPTIMIZER))
}

/// The model's configuration.
pub(super) fn model_config(file: &Group) -> Result<Option<Value>> {
    let Some(config) = json_attribute(file, "model_config")? else { return Ok(None) };
    Ok(Some(match keras2::wrote(file) {
        true => keras2::model_config(config),
        false => known_classes(config),
    }))
}

/// The layout has the names of Keras's source, where one class has another name.
fn known_classes(mut config: Value) -> Value {
    keras2::each_object(&mut config, &mut |object| {
        if object.get("class_name").is_some_and(|class| class == "GroupedQueryAttention")
        {
            object.insert("class_name".to_owned(), json!("GroupQueryAttention"));
        }
    });
    config
}

/// The compile state as Keras 3's archives have it.
pub(super) fn compile_config(file: &Group) -> Result<Option<Map<String, Value>>> {
    let Some(Value::Object(mut training)) = json_attribute(file, "training_config")?
    else {
        return Ok(None);
    };
    let Some(optimizer) = training.shift_remove("optimizer_config") else {
        return Ok(None);
    };
    training.insert("optimizer".to_owned(), optimizer);
    if keras2::wrote(file) {
        keras2::compile_config(&mut training);
    }
    Ok(Some(training))
}

/// A whole model in the legacy layout; `compile` is the compile state and the optimizer.
pub(super) fn write(
    model: &Model,
    compile: Option<(Value, &OptimizerState)>,
) -> Result<Group> {
    let mut file = Group::new();
    let version = Attribute::from("3.15.1");
    let backend = Attribute::from("numpy");
    let config = model.config()?;
    let config = json!({"class_name": config["class_name"], "config": config["config"]});
    let attributes = &mut file.attributes;
    attributes.insert("keras_version".to_owned(), version.clone());
    attributes.insert("backend".to_owned(), backend.clone());
    attributes.insert("model_config".to_owned(), config.to_string().into());

    let weights = file.create_group(WEIGHTS)?;
    weights.attributes.insert("keras_version".to_owned(), version);
    weights.attributes.insert("backend".to_owned(), backend);
    let names = layers(model).map(|layer| layer.name().to_owned()).collect();
    put_texts(weights, "layer_names", names);
    for layer in layers(model) {
        let group = weights.create_group(layer.name())?;
        let mut names = Vec::new();
        for weight in ordered(layer) {
            let mut name = format!("{}/{}", model.name(), weight.variable().name());
            // Models in models may have weights of one name.
            while layer.model().is_some() && names.contains(&name) {
                name.push('_');
            }
            group.insert(&name, weight.variable().value()?)?;
            names.push(name);
        }
        put_texts(group, "weight_names", names);
    }
    put_texts(weights.create_group(TOP)?, "weight_names", Vec::new());

    if let Some((mut config, state)) = compile {
        if let Some(config) = config.as_object_mut() {
            let optimizer = config.shift_remove("optimizer").unwrap_or_default();
            let optimizer = json!({
                "class_name": optimizer["class_name"],
                "config": optimizer["config"],
            });
            config.insert("optimizer_config".to_owned(), optimizer);
        }
        file.attributes.insert("training_config".to_owned(), config.to_string().into());
        let group = file.create_group(OPTIMIZER)?;
        let mut names = Vec::new();
        for variable in state.tracked_variables() {
            let mut name =
                format!("{}/{}", state.optimizer().common().name, variable.name());
            // Adafactor keeps several tensors under a weight's own name.
            while names.contains(&name) {
                name.push('_');
            }
            group.insert(&name, variable.value()?)?;
            names.push(name);
        }
        put_texts(group, "weight_names", names);
    }
    Ok(file)
}
