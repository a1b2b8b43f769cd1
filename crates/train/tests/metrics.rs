//! All metrics over several batches, as Keras computed them (`tools/golden/metrics.py`).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use deckle_nn::AnyLoss;
use deckle_tensor::{DType, Tensor};
use deckle_train::{
    AnyMetric, Direction, Metric, MetricState,
    metrics::{self, AUC, MeanMetricWrapper},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Numbers {
    dtype: String,
    shape: Vec<usize>,
    values: Vec<Option<f64>>,
}

impl Numbers {
    fn tensor(&self) -> Tensor {
        let values: Vec<_> = self.values.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        let dtype: DType = self.dtype.parse().unwrap();
        Tensor::new(values, &self.shape).unwrap().cast(dtype)
    }
}

#[derive(Deserialize)]
struct Measured {
    shape: Vec<usize>,
    values: Vec<Option<f64>>,
}

#[derive(Deserialize)]
struct Case {
    class: String,
    config: Value,
    direction: Option<String>,
    batches: Vec<(Numbers, Numbers, Option<Numbers>)>,
    results: Vec<Measured>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("metrics.json")).unwrap()
}

impl Case {
    fn metric(&self) -> AnyMetric {
        let keras = json!({
            "module": "keras.metrics", "class_name": self.class, "config": self.config,
            "registered_name": null,
        });
        AnyMetric::from_keras(&keras).unwrap()
    }
}

#[test]
fn values_are_those_of_keras() {
    let mut seen = BTreeMap::<_, usize>::new();
    let mut wrong = Vec::new();
    for (number, case) in cases().iter().enumerate() {
        *seen.entry(case.class.clone()).or_default() += 1;
        let mut state = MetricState::new(case.metric());
        for (step, (batch, expected)) in
            case.batches.iter().zip(&case.results).enumerate()
        {
            let name = format!("case {number}.{step}, {} {}", case.class, case.config);
            let (y_true, y_pred, weights) = batch;
            let weights = weights.as_ref().map(Numbers::tensor);
            let updated =
                state.update_state(&y_true.tensor(), &y_pred.tensor(), weights.as_ref());
            if let Err(error) = updated {
                wrong.push(format!("{name}: {error}"));
                break;
            }
            let found = state.result().unwrap();
            assert_eq!(found.shape(), expected.shape, "{name}");
            let values = found.to_vec::<f64>().unwrap();
            // Keras's differences of sums of 32 bits cancel.
            let tolerance = if case.class == "R2Score" { 1e-5 } else { 3e-6 };
            let near = values.iter().zip(&expected.values).all(|(got, keras)| {
                let keras = keras.unwrap_or(f64::NAN);
                (got.is_nan() && keras.is_nan())
                    || (got - keras).abs() <= tolerance * (1.0 + keras.abs())
            });
            if !near {
                let weighted = if weights.is_some() { " weighted" } else { "" };
                let keras = &expected.values;
                wrong.push(format!("{name}{weighted}: {values:?}, Keras {keras:?}"));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let classes: Vec<_> = AnyMetric::classes().collect();
    let without: Vec<_> = classes.iter().filter(|c| !seen.contains_key(**c)).collect();
    assert!(without.is_empty(), "without a case: {without:?}");
    assert!(seen.values().all(|&count| count >= 2), "{seen:?}");
}

#[test]
fn settings_survive_a_file() {
    for case in cases() {
        let metric = case.metric();
        assert_eq!(metric.name(), case.config["name"], "{}", case.class);
        let written = metric.to_keras().unwrap();
        let again = AnyMetric::from_keras(&written).unwrap();
        assert_eq!(again.name(), metric.name());
        assert_eq!(again.to_keras().unwrap(), written);
        let Some(config) = written["config"].as_object() else { continue };
        if written["class_name"] != case.class.as_str() {
            // A function that is wrapped, and a class too.
            assert_eq!(case.class, "MeanMetricWrapper");
            continue;
        }
        for (key, keras) in case.config.as_object().unwrap() {
            let same = match (config[key].as_f64(), keras.as_f64()) {
                (Some(a), Some(b)) => a.to_bits() == b.to_bits(),
                _ => config[key] == *keras,
            };
            assert!(same, "{} `{key}`: {} for {keras}", case.class, config[key]);
        }
    }
}

#[test]
fn names_without_settings_are_those_of_keras() {
    let mut checked = 0;
    for case in cases() {
        let Ok(metric) = AnyMetric::by_name(&case.class) else { continue };
        assert_eq!(metric.name(), case.class);
        let bare = json!({ "class_name": case.class, "config": {} });
        let name = AnyMetric::from_keras(&bare).unwrap().name().to_owned();
        if case.config["name"] == name {
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn names_are_written_where_keras_finds_the_same_metric_by_them() {
    let keeps = |metric: AnyMetric, name: &str| {
        assert_eq!(metric.to_keras().unwrap(), name);
        assert_eq!(AnyMetric::by_name(name).unwrap().to_keras().unwrap(), name);
    };
    keeps(metrics::MeanSquaredError::new().with_name("MSE"), "MSE");
    keeps(AUC::new().into(), "auc");
    keeps(AUC::new().with_name("AUC"), "AUC");
    for name in ["accuracy", "Accuracy", "ACC"] {
        keeps(AnyMetric::by_name(name).unwrap(), name);
    }
    // Names that Keras takes for nothing, or for another accuracy.
    let equal = metrics::Accuracy::new();
    for metric in [
        AUC::new().with_name("Auc"),
        metrics::FBetaScore::new().into(),
        metrics::LogCoshError::new().into(),
        equal.clone().into(),
        equal.with_name("acc"),
    ] {
        let written = metric.to_keras().unwrap();
        assert_eq!(written["config"]["name"], metric.name());
        let again = AnyMetric::from_keras(&written).unwrap();
        assert_eq!(again.to_keras().unwrap(), written);
        let (t, p) = (Tensor::from([[2.0f32]]), Tensor::from([[2.0f32]]));
        if written["class_name"] == "Accuracy" {
            let mut state = MetricState::new(again);
            state.update_state(&t, &p, None).unwrap();
            assert_eq!(state.result().unwrap(), Tensor::scalar(1.0f64));
        }
    }
}

#[test]
fn a_wrapped_cross_entropy_survives_a_file() {
    let loss = AnyLoss::by_name("ce").unwrap();
    let written = AnyMetric::from(MeanMetricWrapper::of_loss(loss)).to_keras().unwrap();
    assert_eq!(written["config"], "crossentropy");
    let again = AnyMetric::from_keras(&written).unwrap();
    assert_eq!(again.to_keras().unwrap(), written);
}

#[test]
fn weights_of_more_axes_than_values_are_refused() {
    let (t, p) = (Tensor::zeros(DType::F32, [3, 3]), Tensor::zeros(DType::F32, [3, 3]));
    let weights = Tensor::full([3, 3], 1.0f32);
    let error = metrics::MeanSquaredError::new().measure(&t, &p, Some(&weights));
    assert_eq!(
        error.unwrap_err().to_string(),
        "sample weights\n  expected: weights of values of shape (batch,)\n       got: (batch, 3)\n      \
         help: give each example, or each of its steps, one weight"
    );
}

#[test]
fn directions_are_those_of_keras() {
    for case in cases() {
        let found = case.metric().direction().map(|direction| match direction {
            Direction::Up => "up",
            Direction::Down => "down",
        });
        // Keras finds those of losses by their function, which JSON does not say.
        if case.direction.is_some() {
            assert_eq!(found, case.direction.as_deref(), "{}", case.class);
        }
    }
}

#[test]
fn settings_without_sense_are_refused() {
    let error = |class: &str, config: Value| {
        let keras = json!({ "class_name": class, "config": config });
        AnyMetric::from_keras(&keras).unwrap_err().to_string()
    };
    assert_eq!(
        error("Precision", json!({ "thresholds": [0.5, 1.5] })),
        "metric Precision: `thresholds` makes no sense\n  expected: one number from 0 to 1, or \
         more\n       got: [0.5, 1.5]"
    );
    assert_eq!(
        error("AUC", json!({ "num_thresholds": 1 })),
        "metric AUC: `num_thresholds` makes no sense\n  expected: a whole number from 2 to \
         1048576\n       got: 1"
    );
    assert_eq!(
        error("MeanSquaredError", json!({ "axis": 1 })),
        "metric MeanSquaredError: unknown settings\n  expected: those of Keras's class\n       \
         got: axis = 1"
    );
    assert_eq!(
        error("IoU", json!({ "num_classes": 3 })),
        "metric IoU: `target_class_ids` is missing\n  expected: a value for it"
    );
    assert_eq!(
        error("AUC", json!({ "num_thresholds": "many" })),
        "metric AUC: `num_thresholds` makes no sense\n  expected: a whole number from 0\n       \
         got: \"many\""
    );
    assert_eq!(
        error("AUC", json!({ "curve": "POC" })),
        "metric AUC: `curve` makes no sense\n  expected: one of `ROC`, `roc`, `PR`, `pr`, \
         `PRGAIN`, `prgain`\n       got: \"POC\""
    );
    assert_eq!(
        error("Recall", json!({ "thresholds": "low" })),
        "metric Recall: `thresholds` makes no sense\n  expected: one number from 0 to 1, or \
         more\n       got: \"low\""
    );
    for (class, config, what) in [
        ("AUC", json!({ "curve": "POC" }), "`curve`"),
        ("AUC", json!({ "num_labels": 3 }), "num_labels"),
        ("AUC", json!({ "thresholds": [0.5, null] }), "thresholds"),
        ("Recall", json!({ "top_k": 0 }), "top_k"),
        ("Recall", json!({ "class_id": -1 }), "class_id"),
        ("TruePositives", json!({ "thresholds": [] }), "thresholds"),
        ("F1Score", json!({ "average": "most" }), "average"),
        ("F1Score", json!({ "threshold": 0.0 }), "threshold"),
        ("FBetaScore", json!({ "beta": 0.0 }), "beta"),
        ("IoU", json!({ "num_classes": 3, "target_class_ids": [3] }), "target_class_ids"),
        ("MeanIoU", json!({ "num_classes": 0 }), "num_classes"),
        ("PrecisionAtRecall", json!({ "recall": 1.5 }), "recall"),
        ("PrecisionAtRecall", json!({ "recall": 0.5, "num_thresholds": 0 }), "num_thr"),
        ("R2Score", json!({ "class_aggregation": "mean" }), "class_aggregation"),
        ("R2Score", json!({ "num_regressors": -1 }), "num_regressors"),
        ("TopKCategoricalAccuracy", json!({ "k": 0 }), "`k`"),
        ("BinaryCrossentropy", json!({ "label_smoothing": 2.0 }), "label_smoothing"),
        ("Precision", json!({ "name": 3 }), "`name`"),
        ("MeanMetricWrapper", json!({ "fn": "hubber" }), "did you mean"),
    ] {
        let text = error(class, config.clone());
        assert!(text.contains(what), "{class} {config}: {text}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let error = |class: &str, config: Value, y_true: Tensor, y_pred: Tensor| {
        let keras = json!({ "class_name": class, "config": config });
        let mut state = MetricState::new(AnyMetric::from_keras(&keras).unwrap());
        state.update_state(&y_true, &y_pred, None).unwrap_err().to_string()
    };
    let (row, table) = (|| Tensor::from([0.0f32, 1.0]), || Tensor::from([[0.0f32, 1.0]]));
    assert_eq!(
        error("F1Score", json!({}), row(), row()),
        "metric F1Score: cannot take these shapes\n  expected: predictions (batch, classes)\n       \
         got: (2,)"
    );
    for (class, config, y_true, y_pred) in [
        ("Precision", json!({ "top_k": 3 }), table(), table()),
        ("Precision", json!({ "class_id": 2 }), table(), table()),
        ("Precision", json!({ "class_id": 0 }), row(), row()),
        ("AUC", json!({ "multi_label": true }), row(), row()),
        ("AUC", json!({ "label_weights": [1.0] }), table(), table()),
        ("AUC", json!({}), table(), Tensor::from([[0.0f32, 0.5, 1.0]])),
        ("R2Score", json!({}), Tensor::from([[[1.0f32]]]), Tensor::from([[[1.0f32]]])),
        ("SparseTopKCategoricalAccuracy", json!({}), table(), table()),
    ] {
        let text = error(class, config.clone(), y_true, y_pred);
        assert!(text.starts_with(&format!("metric {class}: ")), "{config}: {text}");
    }
}

/// Every setting of every metric with values that make no sense: an error with the metric's name.
#[test]
fn every_wrong_setting_is_an_error_with_the_metrics_name() {
    let (mut problems, mut checked) = (Vec::new(), 0);
    let mut seen = std::collections::BTreeSet::new();
    for case in cases() {
        let class = &case.class;
        for (key, value) in case.config.as_object().unwrap() {
            let wrong = match key.as_str() {
                // Keras takes any.
                "thresholds" if class == "AUC" => json!(["low"]),
                "thresholds" => json!([-0.1, 1.1, [0.5, 2.0], "low"]),
                "num_thresholds" | "k" | "top_k" | "num_classes" => {
                    json!([0, -1, 1.5, "a"])
                }
                "specificity" | "sensitivity" | "recall" | "precision"
                | "label_smoothing" => json!([-0.1, 1.1, "much"]),
                "class_id" => json!([-1, 0.5, "first"]),
                "target_class_ids" => json!([[99], "all", [-1]]),
                // Only read where there are scores.
                "axis" if class.contains("IoU") => json!(["last"]),
                "axis" => json!([9, -9, "last"]),
                "beta" => json!([0.0, -1.0, "b"]),
                "average" | "class_aggregation" | "curve" | "summation_method" => {
                    json!(["most", 3])
                }
                "from_logits" | "multi_label" | "sparse_y_true" | "sparse_y_pred"
                | "from_sorted_ids" => json!(["maybe", 3]),
                "num_labels" => json!([0, -1]),
                "label_weights" => json!([[1.0], "all"]),
                "num_regressors" => json!([-1, 0.5]),
                "ignore_class" => json!(["first", 0.5]),
                "threshold" => json!(["low", [0.5]]),
                _ => json!([]),
            };
            // A setting that is not set may depend on others.
            let is_first = seen.insert((class.clone(), key.clone(), value.is_null()));
            if value.is_null() || !is_first {
                continue;
            }
            for wrong in wrong.as_array().unwrap() {
                let mut config = case.config.clone();
                config[key] = wrong.clone();
                checked += 1;
                let keras = json!({ "class_name": class, "config": config });
                let measured = AnyMetric::from_keras(&keras).and_then(|metric| {
                    let (y_true, y_pred, _) = &case.batches[0];
                    let mut state = MetricState::new(metric);
                    state.update_state(&y_true.tensor(), &y_pred.tensor(), None)
                });
                match measured {
                    Ok(()) => problems.push(format!("{class}: {key} = {wrong} is taken")),
                    Err(error)
                        if error.to_string().contains(&format!("metric {class}")) => {}
                    Err(error) => {
                        problems.push(format!("{class}: {key} = {wrong}: {error}"));
                    }
                }
            }
        }
    }
    assert!(
        problems.is_empty(),
        "{} of {checked}:\n{}",
        problems.len(),
        problems.join("\n")
    );
    assert!(checked > 100, "{checked}");
}

#[test]
fn losses_are_metrics_too() {
    let huber = AnyMetric::by_name("huber").unwrap();
    let function = huber.to_keras().unwrap();
    assert_eq!(function["class_name"], "function");
    assert_eq!(AnyMetric::from_keras(&function).unwrap().name(), "huber");
    let renamed = huber.with_name("robust").to_keras().unwrap();
    assert_eq!(renamed["class_name"], "MeanMetricWrapper");
    assert_eq!(AnyMetric::from_keras(&renamed).unwrap().name(), "robust");
    let wrapper = json!({
        "class_name": "MeanMetricWrapper",
        "config": { "name": "wide", "fn": function, "delta": 2.0 },
    });
    let mut state = MetricState::new(AnyMetric::from_keras(&wrapper).unwrap());
    let (t, p) = (Tensor::from([[0.0f32, 0.0]]), Tensor::from([[1.0f32, 3.0]]));
    state.update_state(&t, &p, None).unwrap();
    assert_eq!(state.result().unwrap(), Tensor::scalar(2.25f64));
}

#[test]
fn functions_of_losses_keep_the_sign_of_the_loss() {
    let function = json!({ "class_name": "function", "config": "cosine_similarity" });
    let wrapper = json!({
        "class_name": "MeanMetricWrapper",
        "config": { "name": "angle", "fn": function },
    });
    let (t, p) = (Tensor::from([[1.0f32, 0.0]]), Tensor::from([[2.0f32, 0.0]]));
    for (keras, expected) in
        [(function, -1.0f64), (wrapper, -1.0), (json!("cosine_similarity"), 1.0)]
    {
        let metric = AnyMetric::from_keras(&keras).unwrap();
        let again = AnyMetric::from_keras(&metric.to_keras().unwrap()).unwrap();
        for metric in [metric, again] {
            let mut state = MetricState::new(metric);
            state.update_state(&t, &p, None).unwrap();
            assert_eq!(state.result().unwrap(), Tensor::scalar(expected), "{keras}");
        }
    }
    // What is no loss is a metric.
    let function = json!({ "class_name": "function", "config": "binary_accuracy" });
    let metric = AnyMetric::from_keras(&function).unwrap();
    assert_eq!(metric.direction(), Some(Direction::Up));
}

#[test]
fn nothing_seen_has_a_result_where_there_is_one() {
    for (class, config) in [
        ("AUC", json!({})),
        ("Precision", json!({ "thresholds": [0.2, 0.4] })),
        ("MeanSquaredError", json!({})),
        ("MeanIoU", json!({ "num_classes": 2 })),
        ("SensitivityAtSpecificity", json!({ "specificity": 0.5 })),
    ] {
        let keras = json!({ "class_name": class, "config": config });
        let state = MetricState::new(AnyMetric::from_keras(&keras).unwrap());
        let result = state.result().unwrap().to_vec::<f64>().unwrap();
        assert!(result.iter().all(|value| *value == 0.0), "{class}: {result:?}");
    }
    let state = MetricState::new(AnyMetric::by_name("f1_score").unwrap());
    assert!(state.result().unwrap_err().to_string().contains("has no result"));
}

#[test]
fn sizes_that_fit_into_no_memory_are_refused() {
    let check = |class: &str, setting: &str, config: Value| {
        let keras = json!({ "class_name": class, "config": config });
        let error = AnyMetric::from_keras(&keras).unwrap_err().to_string();
        let most = if setting == "num_classes" { 4096 } else { 1_048_576 };
        let start = format!("metric {class}: `{setting}` makes no sense\n  expected: ");
        assert!(error.starts_with(&start), "{error}");
        let end = format!("to {most}\n       got: {}", config[setting]);
        assert!(error.ends_with(&end), "{error}");
    };
    for size in [1_048_577, 1_000_000_000_000, u64::MAX] {
        check("AUC", "num_thresholds", json!({ "num_thresholds": size }));
        check("AUC", "num_labels", json!({ "num_labels": size, "multi_label": true }));
        for (class, bound) in [
            ("SensitivityAtSpecificity", "specificity"),
            ("SpecificityAtSensitivity", "sensitivity"),
            ("PrecisionAtRecall", "recall"),
            ("RecallAtPrecision", "precision"),
        ] {
            let config = json!({ "num_thresholds": size, bound: 0.5 });
            check(class, "num_thresholds", config);
        }
        for class in ["IoU", "OneHotIoU"] {
            let config = json!({ "num_classes": size, "target_class_ids": [0] });
            check(class, "num_classes", config);
        }
        for class in ["MeanIoU", "OneHotMeanIoU"] {
            check(class, "num_classes", json!({ "num_classes": size }));
        }
    }
    let huge = AUC::new().num_thresholds(usize::MAX);
    assert!(MetricState::new(huge).result().is_err());
}

/// On JAX; Keras's other backends differ.
#[test]
fn nan_is_above_the_first_threshold_where_steps_are_equal() {
    let (t, p) = (
        Tensor::from([1.0f32, 0.0, 1.0, 0.0]),
        Tensor::from([f32::NAN, f32::NAN, 0.6, 0.2]),
    );
    for (class, expected) in [
        ("TruePositives", [2.0, 1.0, 0.0]),
        ("FalseNegatives", [0.0, 1.0, 2.0]),
        ("TrueNegatives", [0.0, 2.0, 2.0]),
        ("FalsePositives", [2.0, 0.0, 0.0]),
    ] {
        let keras =
            json!({ "class_name": class, "config": { "thresholds": [0.0, 0.5, 1.0] } });
        let mut state = MetricState::new(AnyMetric::from_keras(&keras).unwrap());
        state.update_state(&t, &p, None).unwrap();
        assert_eq!(state.result().unwrap().to_vec::<f64>().unwrap(), expected, "{class}");
    }
    let auc = AnyMetric::from_keras(
        &json!({ "class_name": "AUC", "config": { "num_thresholds": 5 } }),
    );
    let mut state = MetricState::new(auc.unwrap());
    state.update_state(&t, &p, None).unwrap();
    assert_eq!(state.result().unwrap(), Tensor::scalar(0.75f64));
}
