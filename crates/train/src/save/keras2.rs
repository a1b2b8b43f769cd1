//! What Keras 2 writes differently into its files.

use std::collections::{BTreeMap, btree_map::Entry};

use deckle_formats::Group;
use deckle_optim::OptimizerState;
use deckle_tensor::Tensor;
use serde_json::{Map, Value, json};

/// Whether Keras 2 wrote the file.
pub(super) fn wrote(file: &Group) -> bool {
    let version = file.attribute("keras_version").and_then(|version| version.text());
    version.is_some_and(|version| version.starts_with("2."))
}

/// A model's configuration as Keras 3 has it.
pub(super) fn model_config(mut config: Value) -> Value {
    each_object(&mut config, &mut |object| {
        let class = object.get("class_name").and_then(Value::as_str).map(str::to_owned);
        let Some(config) = object.get_mut("config").and_then(Value::as_object_mut) else {
            return;
        };
        match class.as_deref() {
            // Keras 2 notes the axes of a built layer as a list.
            Some("BatchNormalization") => {
                let axes = config.get("axis").and_then(Value::as_array);
                if let Some([axis]) = axes.map(Vec::as_slice) {
                    let axis = axis.clone();
                    config.insert("axis".to_owned(), axis);
                }
            }
            // And the shapes that it was built for.
            Some("MultiHeadAttention") => {
                config.retain(|key, _| !key.ends_with("_shape") || key == "output_shape");
            }
            _ => {}
        }
    });
    config
}

/// Calls `change` with every object in a value, the inner ones first.
pub(super) fn each_object(
    value: &mut Value,
    change: &mut impl FnMut(&mut Map<String, Value>),
) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|item| each_object(item, change)),
        Value::Object(object) => {
            object.values_mut().for_each(|item| each_object(item, change));
            change(object);
        }
        _ => {}
    }
}

/// The compile state as Keras 3 has it: `training_config` with its optimizer in place.
pub(super) fn compile_config(training: &mut Map<String, Value>) {
    if let Some(optimizer) = training.get_mut("optimizer") {
        optimizer_config(optimizer);
    }
    if let Some(loss) = training.get_mut("loss") {
        each_object(loss, &mut |object| {
            let Some(config) = object.get_mut("config").and_then(Value::as_object_mut)
            else {
                return;
            };
            // The mean, outside of a distribution strategy.
            if config.get("reduction") == Some(&json!("auto")) {
                config.insert("reduction".to_owned(), json!("sum_over_batch_size"));
            }
            // The function that the class wraps.
            config.shift_remove("fn");
        });
    }
    for key in ["metrics", "weighted_metrics"] {
        if let Some(metrics) = training.get_mut(key) {
            plain_metrics(metrics);
            // One output has a list of lists, too.
            if let Value::Array(list) = metrics
                && let [Value::Array(only)] = &list[..]
            {
                *metrics = Value::Array(only.clone());
            }
        }
    }
}

fn optimizer_config(optimizer: &mut Value) {
    if let Some(class) = optimizer.get_mut("class_name")
        && let Some(plain) = class.as_str().and_then(|name| name.strip_prefix("Custom>"))
    {
        *class = json!(plain);
    }
    let Some(config) = optimizer.get_mut("config").and_then(Value::as_object_mut) else {
        return;
    };
    // Keras 2's names, and what it noted about itself.
    if let Some(rate) = config.shift_remove("lr") {
        config.entry("learning_rate").or_insert(rate);
    }
    for key in ["is_legacy_optimizer", "jit_compile"] {
        config.shift_remove(key);
    }
    // Optimizers before Keras 2.11 had a schedule of their own.
    let decay = config.shift_remove("decay").and_then(|decay| decay.as_f64());
    if let (Some(decay), Some(rate)) =
        (decay.filter(|&decay| decay != 0.0), config.get_mut("learning_rate"))
        && rate.is_number()
    {
        *rate = json!({
            "module": "keras.optimizers.schedules",
            "class_name": "InverseTimeDecay",
            "config": {
                "initial_learning_rate": rate,
                "decay_steps": 1,
                "decay_rate": decay,
                "staircase": false,
                "name": "InverseTimeDecay",
            },
            "registered_name": null,
        });
    }
}

/// Makes of wrapped metrics the names of the metrics, if they have no names of their own.
fn plain_metrics(metrics: &mut Value) {
    each_object(metrics, &mut |object| {
        let wrapped =
            object.get("class_name").and_then(Value::as_str) == Some("MeanMetricWrapper");
        let Some(config) = object.get("config").filter(|_| wrapped) else { return };
        let text = |key: &str| config.get(key).and_then(Value::as_str);
        if let Some(function) = text("fn").or_else(|| text("name")) {
            let name = text("name").unwrap_or(function);
            let settings = json!({ "name": name });
            let made = json!({ "class_name": function, "config": settings });
            object.clone_from(made.as_object().unwrap_or(&Map::new()));
        }
    });
}

/// Gives each of several outputs its metrics: a list without lists in it, which is there of a
/// model that was not trained, is that of every output in Keras 2. Takes the outputs' names from
/// their metrics' names, where Keras 2 has put them.
pub(super) fn name_metrics(compile: &mut Map<String, Value>, outputs: &[String]) {
    if outputs.len() < 2 {
        return;
    }
    let strip = |metrics: &mut Value, output: &str| {
        each_object(metrics, &mut |object| {
            let Some(Value::String(name)) = object.get_mut("name") else { return };
            let plain = name.strip_prefix(output).and_then(|name| name.strip_prefix('_'));
            if let Some(plain) = plain.map(str::to_owned) {
                *name = plain;
            }
        });
    };
    for key in ["metrics", "weighted_metrics"] {
        match compile.get_mut(key) {
            Some(Value::Array(list)) => {
                if !list.is_empty() && !list.iter().any(Value::is_array) {
                    *list = vec![Value::Array(list.clone()); outputs.len()];
                }
                list.iter_mut().zip(outputs).for_each(|(metrics, o)| strip(metrics, o));
            }
            Some(Value::Object(named)) => {
                named.iter_mut().for_each(|(output, metrics)| strip(metrics, output));
            }
            _ => {}
        }
    }
}

/// The names of a slot here, in Keras 2, and in Keras before 2.11.
const SLOTS: &[(&str, &[&str])] = &[
    ("momentum", &["m", "momentum"]),
    ("velocity", &["v", "velocity", "rms"]),
    ("velocity_hat", &["vhat"]),
    ("average_gradient", &["average_gradient", "mg"]),
    ("accumulator", &["accumulator"]),
    ("linear", &["linear"]),
    ("norm", &["u"]),
    ("accumulated_grad", &["accumulated_grad", "accum_grad"]),
    ("accumulated_delta_var", &["accumulated_delta_var", "accum_var"]),
    ("average", &["average"]),
];

/// Whether a variable of an optimizer is that slot of a weight: `Adam/m/dense/kernel:0`, or
/// `Adam/dense/kernel/m:0` before Keras 2.11.
fn is_slot(name: &str, slot: &str) -> bool {
    let known = SLOTS.iter().find(|(here, _)| *here == slot);
    let names = known.map_or(&[][..], |(_, names)| names);
    let path = name.split_once(':').map_or(name, |(path, _)| path);
    let steps: Vec<_> = path.split('/').skip(1).collect();
    let ends = [steps.first(), steps.last()];
    ends.iter().flatten().any(|step| names.contains(step))
}

/// The state of an optimizer in the order of [`OptimizerState::variables`]; an error says what
/// there is not.
pub(super) fn optimizer_state(
    state: &OptimizerState,
    saved: &[(String, Tensor)],
) -> Result<Vec<Tensor>, String> {
    let optimizer = state.optimizer();
    let (count, common) = (state.weights().len(), optimizer.common());
    let mut values = Vec::new();
    let steps = saved.iter().find(|(name, _)| {
        let name = name.trim_end_matches(":0");
        name == "iteration" || name.ends_with("/iter") || name.ends_with("/iterations")
    });
    let (_, steps) = steps.ok_or("the number of steps is not there")?;
    values.push(steps.clone());
    if let Some(rate) = state.variables().get(1).filter(|v| v.name() == "learning_rate") {
        values.push(rate.value().map_err(|error| error.to_string())?);
    }
    let of = |slot: &str| -> Result<Vec<Tensor>, String> {
        let found = saved.iter().filter(|(name, _)| is_slot(name, slot));
        let found: Vec<_> = found.map(|(_, tensor)| tensor.clone()).collect();
        if found.len() == count {
            return Ok(found);
        }
        Err(format!("{count} variables `{slot}`, but the file has {}", found.len()))
    };
    if common.use_ema {
        values.extend(of("average")?);
    }
    if common.gradient_accumulation_steps.is_some() {
        values.extend(of("gradient_accumulator")?);
    }
    if optimizer.loss_scale().is_some() || !optimizer.shared_slots().is_empty() {
        return Err(format!(
            "the state of Keras 2's {} is kept otherwise",
            optimizer.class_name()
        ));
    }
    let wanted = state.weights().iter().map(|w| optimizer.slots(w.name(), w.shape()));
    let wanted: Vec<_> = wanted.collect();
    let mut found = BTreeMap::new();
    for kept_together in 0..wanted.iter().map(Vec::len).max().unwrap_or(0) {
        for (weight, wanted) in wanted.iter().enumerate() {
            for slot in wanted.get(kept_together).into_iter().flatten() {
                let slots = match found.entry(slot.name) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(of(slot.name)?),
                };
                values.push(slots[weight].clone());
            }
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_lists_is_that_of_every_output() {
        let outputs = ["a", "b"].map(str::to_owned);
        let named = |metrics: Value| {
            let mut compile = Map::from_iter([("metrics".to_owned(), metrics)]);
            name_metrics(&mut compile, &outputs);
            compile.remove("metrics")
        };
        let both = json!([["mae", "mse"], ["mae", "mse"]]);
        assert_eq!(named(json!(["mae", "mse"])), Some(both));
        assert_eq!(named(json!(["mae"])), Some(json!([["mae"], ["mae"]])));
        for metrics in [json!(["mae", ["mse"]]), json!([]), json!({ "b": ["mse"] })] {
            assert_eq!(named(metrics.clone()), Some(metrics));
        }
    }
}
