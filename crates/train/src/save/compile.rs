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
            if losses.len() > outputs.len() {
                return Err(counted("loss", "one loss for each output or fewer", losses));
            }
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
        _ => Compile::of_penalties(optimizer),
    };
    for (key, is_weighted) in [("metrics", false), ("weighted_metrics", true)] {
        let metrics = config.get(key).unwrap_or(&Value::Null);
        if let Value::Array(list) = metrics
            && outputs.len() > 1
            && ![0, outputs.len()].contains(&list.len())
        {
            let expected = format_args!("{} entries, one for each output", outputs.len());
            return Err(counted(key, expected, list));
        }
        compile = add_metrics(compile, metrics, &outputs, is_weighted)?;
    }
    for (output, weight) in loss_weights(config, &outputs)? {
        compile = compile.loss_weight(output, weight);
    }
    Ok(compile)
}

/// The error for a list that does not belong to the model's outputs.
fn counted(key: &str, expected: impl std::fmt::Display, list: &[Value]) -> Error {
    Error::invalid(
        format_args!("the file's compile state: `{key}` makes no sense"),
        expected,
    )
    .got(list.len())
}

/// The weights of the outputs' losses: a number for the only loss, or one for each loss.
fn loss_weights(
    config: &Map<String, Value>,
    outputs: &[String],
) -> Result<Vec<(String, f64)>> {
    let problem = "the file's compile state: `loss_weights` makes no sense";
    let one = |weight: &Value| match weight {
        Value::Null => Ok(1.0),
        weight => weight.as_f64().ok_or_else(|| {
            Error::invalid(problem, "a number or null for each loss").got(weight)
        }),
    };
    // A loss that is no list is that of every output.
    let losses = match config.get("loss") {
        Some(Value::Array(losses)) => losses.len(),
        Some(Value::Object(losses)) if !losses.contains_key("class_name") => losses.len(),
        _ => 1,
    };
    let of_all = |weight: &Value| {
        let weight = one(weight)?;
        Ok(outputs.iter().map(|output| (output.clone(), weight)).collect())
    };
    match config.get("loss_weights") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(weight @ Value::Number(_)) if losses == 1 => of_all(weight),
        Some(Value::Array(weights)) => match weights.as_slice() {
            [weight] if losses == 1 => of_all(weight),
            weights if weights.len() == outputs.len() => {
                let named = outputs.iter().zip(weights);
                named.map(|(output, w)| Ok((output.clone(), one(w)?))).collect()
            }
            weights => {
                Err(Error::invalid(problem, format_args!("{} weights", outputs.len()))
                    .got(weights.len())
                    .help("give a weight for each output's loss"))
            }
        },
        Some(Value::Object(weights)) => {
            weights.iter().map(|(name, w)| Ok((name.clone(), one(w)?))).collect()
        }
        Some(other) => {
            let allowed = match losses {
                1 => "a number, a list, an object of numbers by output, or null",
                _ => "a list, an object of numbers by output, or null",
            };
            Err(Error::invalid(problem, allowed)
                .got(other)
                .help("give a weight for each output's loss"))
        }
    }
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
        // All of them belong to the only output, however they are nested.
        metrics if outputs.len() == 1 => {
            for metric in flattened(metrics) {
                compile = compile.metric(read(metric)?);
            }
        }
        // One entry for each output.
        Value::Array(metrics) => {
            for (output, metrics) in outputs.iter().zip(metrics) {
                let one = std::slice::from_ref(metrics);
                let list = metrics.as_array().map_or(one, Vec::as_slice);
                for metric in list.iter().filter(|metric| !metric.is_null()) {
                    compile = compile.metric_for(output, read(metric)?);
                }
            }
        }
        Value::Object(by_output) if !by_output.contains_key("class_name") => {
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

/// The leaves of lists and of objects that are no metric, which Keras takes by their sorted keys.
fn flattened(metrics: &Value) -> Vec<&Value> {
    match metrics {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().flat_map(flattened).collect(),
        Value::Object(named) if !named.contains_key("class_name") => {
            let mut named: Vec<_> = named.iter().collect();
            named.sort_by_key(|(name, _)| *name);
            named.into_iter().flat_map(|(_, metrics)| flattened(metrics)).collect()
        }
        metric => vec![metric],
    }
}

pub(super) fn compile_config(trainer: &Trainer) -> Result<Value> {
    let compile = trainer.compiled();
    let plans: &[OutputPlan] = trainer.plans();
    let is_weighted = !compile.loss_weights.is_empty();
    let first = plans.first().map(|plan| plan.weight);
    let same = plans.iter().all(|plan| Some(plan.weight) == first);
    // By output, Keras wants every one in it, with null for one without a loss.
    // Outputs of one layer share a name, which an object could hold only once.
    let is_twice = |(at, plan): (usize, &OutputPlan)| {
        plans[..at].iter().any(|before| before.output == plan.output)
    };
    let shares_names = plans.iter().enumerate().any(is_twice);
    let by_output = |of: &dyn Fn(&OutputPlan) -> Result<Value>| -> Result<Value> {
        if shares_names {
            return plans.iter().map(of).collect();
        }
        let named = plans.iter().map(|plan| Ok((plan.output.clone(), of(plan)?)));
        Ok(Value::Object(named.collect::<Result<_>>()?))
    };
    let weights = || by_output(&|plan| Ok(json!(plan.weight)));
    let (loss, loss_weights) = match &compile.losses {
        Losses::Every(loss) if !is_weighted => (loss.to_keras()?, Value::Null),
        // Keras wants as many weights as losses.
        Losses::Every(loss) if same => (loss.to_keras()?, json!(first)),
        _ if plans.iter().all(|plan| plan.loss.is_none()) => (Value::Null, Value::Null),
        _ => {
            let loss = by_output(&|plan| {
                let loss = plan.loss.as_ref().map(AnyLoss::to_keras).transpose()?;
                Ok(loss.unwrap_or(Value::Null))
            })?;
            (loss, if is_weighted { weights()? } else { Value::Null })
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
    Ok(json!({
        "optimizer": trainer.optimizer().to_keras()?,
        "loss": loss,
        "loss_weights": loss_weights,
        "metrics": metrics(false),
        "weighted_metrics": if has_weighted { metrics(true) } else { Value::Null },
        "run_eagerly": false,
        "steps_per_execution": 1,
        "jit_compile": false,
    }))
}

#[cfg(test)]
mod tests {
    use deckle_nn::{
        LayerExt, Regularizer, Sequential, Symbol,
        layers::Dense,
        losses::{MeanAbsoluteError, MeanSquaredError},
    };
    use deckle_optim::Sgd;

    use super::*;
    use crate::Trainable;

    fn of_one_output() -> Model {
        Sequential::new([2]).add(Dense::new(1).named("a")).build().unwrap()
    }

    #[test]
    fn losses_of_outputs_of_one_layer_are_written_in_turn() -> Result<()> {
        let x = Symbol::input("x", [2]);
        let shared = LayerExt::named(Dense::new(2), "a");
        let first = shared.apply(&x)?;
        let model = Model::new([&x], [&first, &shared.apply(&first)?])?;
        let losses: [(String, AnyLoss); 2] = [
            ("a".to_owned(), MeanSquaredError::new().into()),
            ("a".to_owned(), MeanAbsoluteError::new().into()),
        ];
        let compile = Compile::outputs(Sgd::new(), losses);
        let trainer =
            model.compile(compile.loss_weight("a", 0.5).loss_weight("a", 2.0))?;
        let config = compile_config(&trainer)?;
        let classes = ["/loss/0/class_name", "/loss/1/class_name"];
        let classes = classes.map(|place| config.pointer(place).and_then(Value::as_str));
        assert_eq!(classes, [Some("MeanSquaredError"), Some("MeanAbsoluteError")]);
        assert_eq!(config["loss_weights"], json!([0.5, 2.0]));
        Ok(())
    }

    fn of_two_outputs() -> Model {
        let x = Symbol::input("x", [2]);
        let [a, b] = ["a", "b"].map(|name| Dense::new(1).named(name).apply(&x).unwrap());
        Model::new([&x], [&a, &b]).unwrap()
    }

    fn read(model: &Model, loss: &Value, weights: &Value) -> Result<Vec<(String, f64)>> {
        let config = json!({ "optimizer": "sgd", "loss": loss, "loss_weights": weights });
        let compile = parse_compile(config.as_object().unwrap(), model)?;
        Ok(compile.loss_weights)
    }

    #[test]
    fn weights_of_losses_are_read_as_keras_does() {
        let (one, two) = (of_one_output(), of_two_outputs());
        let named = |weights: &[(&str, f64)]| -> Vec<(String, f64)> {
            weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect()
        };
        for weights in [json!(0.5), json!([0.5]), json!({ "a": 0.5 })] {
            let got = read(&one, &json!("mse"), &weights).unwrap();
            assert_eq!(got, named(&[("a", 0.5)]));
        }
        assert_eq!(read(&one, &json!(["mse"]), &json!(2)).unwrap(), named(&[("a", 2.0)]));
        let got = read(&two, &json!("mse"), &json!(0.5)).unwrap();
        assert_eq!(got, named(&[("a", 0.5), ("b", 0.5)]));
        let got = read(&two, &json!(["mse", "mae"]), &json!([0.5, null])).unwrap();
        assert_eq!(got, named(&[("a", 0.5), ("b", 1.0)]));
        assert!(read(&one, &json!("mse"), &Value::Null).unwrap().is_empty());
    }

    #[test]
    fn metrics_of_the_only_output_may_be_nested() {
        let model = of_one_output();
        let names = |metrics: Value| -> Vec<String> {
            let config = json!({ "optimizer": "sgd", "loss": "mse", "metrics": metrics });
            let compile = parse_compile(config.as_object().unwrap(), &model).unwrap();
            let plans = compile.plan(&["a".to_owned()]).unwrap();
            plans[0].metrics.iter().map(|metric| metric.name().to_owned()).collect()
        };
        assert_eq!(names(json!([["mae"], ["mse"]])), ["mae", "mse"]);
        assert_eq!(names(json!(["mae", ["mse", "msle"]])), ["mae", "mse", "msle"]);
        assert_eq!(
            names(json!({ "z": "mae", "b": ["mse", "msle"] })),
            ["mse", "msle", "mae"]
        );
        assert_eq!(
            names(json!({ "a": { "class_name": "MeanSquaredError" } })),
            ["mean_squared_error"]
        );
        assert_eq!(names(json!("mae")), ["mae"]);
        assert!(names(json!([])).is_empty());
    }

    #[test]
    fn weights_that_make_no_sense_are_refused() {
        let (one, two) = (of_one_output(), of_two_outputs());
        let error = read(&one, &json!("mse"), &json!(["0.5"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the file's compile state: `loss_weights` makes no sense\n  expected: a number or \
             null for each loss\n       got: \"0.5\""
        );
        let error = read(&two, &json!(["mse", "mae"]), &json!(0.5)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the file's compile state: `loss_weights` makes no sense\n  expected: a list, an \
             object of numbers by output, or null\n       got: 0.5\n      help: give a weight \
             for each output's loss"
        );
        let error = read(&two, &json!("mse"), &json!([1.0, 2.0, 3.0])).unwrap_err();
        assert!(error.to_string().contains("expected: 2 weights\n       got: 3"));
        for wrong in [json!("0.5"), json!(true), json!({ "a": [] })] {
            assert!(read(&one, &json!("mse"), &wrong).is_err());
        }
    }

    #[test]
    fn lists_that_do_not_belong_to_the_outputs_are_refused() {
        let model = of_two_outputs();
        let text = |key: &str, list: Value| -> String {
            let mut config = json!({ "optimizer": "sgd", "loss": "mse" });
            config[key] = list;
            let read = parse_compile(config.as_object().unwrap(), &model);
            read.map_or_else(|error| error.to_string(), |_| "read".to_owned())
        };
        for key in ["metrics", "weighted_metrics"] {
            for wrong in [json!(["mae"]), json!([["mae"], [], ["mse"]])] {
                let got = wrong.as_array().unwrap().len();
                let expected = format!(
                    "the file's compile state: `{key}` makes no sense\n  expected: 2 entries, \
                     one for each output\n       got: {got}"
                );
                assert_eq!(text(key, wrong), expected);
            }
            assert_eq!(text(key, json!(["mae", null])), "read");
            assert_eq!(text(key, json!([])), "read");
        }
        assert_eq!(
            text("loss", json!(["mse", "mse", "mae"])),
            "the file's compile state: `loss` makes no sense\n  expected: one loss for each \
             output or fewer\n       got: 3"
        );
        assert_eq!(text("loss", json!(["mse"])), "read");
    }

    #[test]
    fn weights_of_losses_are_saved_as_keras_takes_them() {
        let saved = |model: &Model, compile: Compile| {
            let config = compile_config(&model.compile(compile).unwrap()).unwrap();
            (config["loss"].clone(), config["loss_weights"].clone())
        };
        let compile = || Compile::new(Sgd::new(), MeanSquaredError::new());
        let (one, two) = (of_one_output(), of_two_outputs());
        let (_, weights) = saved(&one, compile().loss_weight("a", 0.5));
        assert_eq!(weights, json!(0.5));
        // Keras takes as many weights as losses, or fails.
        let (loss, weights) = saved(&two, compile().loss_weight("a", 0.5));
        assert_eq!(weights, json!({ "a": 0.5, "b": 1.0 }));
        assert_eq!(loss["b"]["class_name"], "MeanSquaredError");
        let losses = [("b", MeanAbsoluteError::new().into())];
        let compile = Compile::outputs(Sgd::new(), losses).loss_weight("b", 3.0);
        let (loss, weights) = saved(&two, compile);
        assert_eq!(loss["a"], Value::Null);
        assert_eq!(weights, json!({ "a": 1.0, "b": 3.0 }));
    }

    #[test]
    fn penalties_alone_are_a_loss() {
        let config = json!({ "optimizer": "sgd", "loss": null });
        let model = of_one_output();
        let compile = parse_compile(config.as_object().unwrap(), &model).unwrap();
        let error = model.compile(compile.clone()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nothing to train\n  expected: a loss for one output or more, or layers with \
             penalties\n       got: none"
        );
        let layer = Dense::new(1).kernel_regularizer(Regularizer::l2(0.1));
        let model = Sequential::new([2]).add(layer).build().unwrap();
        let trainer = model.compile(compile).unwrap();
        assert_eq!(compile_config(&trainer).unwrap()["loss"], Value::Null);
    }
}
