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

pub(super) fn compile_config(trainer: &Trainer) -> Result<Value> {
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
