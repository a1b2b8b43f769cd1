//! How a model was compiled, in Keras's JSON.

use deckle_nn::{AnyLoss, Model};
use deckle_optim::AnyOptimizer;
use serde_json::{Map, Value, json};

use crate::{
    AnyMetric, Compile, Error, Result, Trainer,
    compile::{Losses, OutputPlan},
};

pub(super) fn parse_compile(
    config: &Map<String, Value>,
    model: &Model,
) -> Result<Compile> {
    let optimizer = match &config["optimizer"] {
        Value::String(name) => AnyOptimizer::named(name)?,
        object => AnyOptimizer::from_keras(object)?,
    };
    let outputs: Vec<_> = model.outputs().map(|(name, _)| name.to_owned()).collect();
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
    for (key, is_weighted) in [("metrics", false), ("weighted_metrics", true)] {
        let metrics = config.get(key).unwrap_or(&Value::Null);
        compile = add_metrics(compile, metrics, &outputs, is_weighted)?;
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

/// Adds the metrics that stand in one of Keras's lists.
fn add_metrics(
    mut compile: Compile,
    metrics: &Value,
    outputs: &[String],
    is_weighted: bool,
) -> Result<Compile> {
    let read = |value: &Value| -> Result<AnyMetric> {
        let metric = AnyMetric::from_keras(value)?;
        Ok(if is_weighted { metric.weighted() } else { metric })
    };
    match metrics {
        // One entry for each output.
        Value::Array(metrics)
            if outputs.len() > 1 || metrics.iter().any(Value::is_array) =>
        {
            for (output, metrics) in outputs.iter().zip(metrics) {
                let one = std::slice::from_ref(metrics);
                let list = metrics.as_array().map_or(one, Vec::as_slice);
                for metric in list.iter().filter(|metric| !metric.is_null()) {
                    compile = compile.metric_for(output, read(metric)?);
                }
            }
        }
        Value::Array(metrics) => {
            for metric in metrics.iter().filter(|metric| !metric.is_null()) {
                compile = compile.metric(read(metric)?);
            }
        }
        Value::Object(by_output) => {
            for (output, metrics) in by_output {
                let one = std::slice::from_ref(metrics);
                let list = metrics.as_array().map_or(one, Vec::as_slice);
                for metric in list.iter().filter(|metric| !metric.is_null()) {
                    compile = compile.metric_for(output, read(metric)?);
                }
            }
        }
        metric if metric.is_string() || metric.get("class_name").is_some() => {
            compile = compile.metric(read(metric)?);
        }
        _ => {}
    }
    Ok(compile)
}

pub(super) fn compile_config(trainer: &Trainer) -> Result<Value> {
    let compile = trainer.compiled();
    let plans: &[OutputPlan] = trainer.plans();
    let loss = match &compile.losses {
        Losses::Every(loss) => loss.to_keras()?,
        // Keras wants every output in it, with null for one without a loss.
        Losses::Named(_) => {
            let named = plans.iter().map(|plan| {
                let loss = plan.loss.as_ref().map(AnyLoss::to_keras).transpose()?;
                Ok((plan.output.clone(), loss.unwrap_or(Value::Null)))
            });
            Value::Object(named.collect::<Result<_>>()?)
        }
    };
    let metrics = |weighted: bool| -> Value {
        let names = |plan: &OutputPlan| -> Vec<Value> {
            let metrics = plan.metrics.iter();
            metrics
                .filter(|m| m.is_weighted() == weighted)
                .filter_map(AnyMetric::to_keras)
                .collect()
        };
        match plans {
            [plan] => Value::Array(names(plan)),
            plans => plans.iter().map(|plan| Value::Array(names(plan))).collect(),
        }
    };
    let has_weighted =
        plans.iter().flat_map(|plan| &plan.metrics).any(AnyMetric::is_weighted);
    let loss_weights: Map<_, _> =
        compile.loss_weights.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    Ok(json!({
        "optimizer": trainer.optimizer().to_keras()?,
        "loss": loss,
        "loss_weights": if loss_weights.is_empty() { Value::Null } else { loss_weights.into() },
        "metrics": metrics(false),
        "weighted_metrics": if has_weighted { metrics(true) } else { Value::Null },
        "run_eagerly": false,
        "steps_per_execution": 1,
        "jit_compile": false,
    }))
}
