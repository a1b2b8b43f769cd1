//! Values and gradients of all losses, as Keras computed them (`tools/golden/losses.py`).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use deckle_autograd::{Var, check_gradients, grad};
use deckle_nn::{AnyLoss, Loss, losses};
use deckle_tensor::{DType, Tensor};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Case {
    class: String,
    config: Value,
    true_dtype: String,
    true_shape: Vec<usize>,
    #[serde(rename = "true")]
    y_true: Vec<f64>,
    pred_shape: Vec<usize>,
    pred: Vec<f64>,
    weights: Option<Vec<f64>>,
    weights_shape: Option<Vec<usize>>,
    mask: Option<Vec<i64>>,
    mask_shape: Option<Vec<usize>>,
    value: f64,
    gradient: Vec<f64>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("losses.json")).unwrap()
}

impl Case {
    fn loss(&self) -> AnyLoss {
        let keras = json!({
            "module": "keras.losses", "class_name": self.class, "config": self.config,
            "registered_name": null,
        });
        AnyLoss::from_keras(&keras).unwrap()
    }

    fn y_true(&self, dtype: DType) -> Var {
        let integers = self.true_dtype == "int64";
        let tensor = Tensor::new(&self.y_true, &self.true_shape).unwrap();
        Var::constant(&tensor.cast(if integers { DType::I64 } else { dtype }))
    }

    fn value(
        &self,
        loss: &AnyLoss,
        dtype: DType,
        y_pred: &Var,
    ) -> deckle_nn::Result<Var> {
        let weights = self.weights.as_ref().map(|weights| {
            let shape = self.weights_shape.as_ref().unwrap();
            Var::constant(&Tensor::new(weights, shape).unwrap().cast(dtype))
        });
        let mask = self.mask.as_ref().map(|mask| {
            let shape = self.mask_shape.as_ref().unwrap();
            Var::constant(&Tensor::new(mask, shape).unwrap().cast(DType::Bool))
        });
        loss.call(&self.y_true(dtype), y_pred, weights.as_ref(), mask.as_ref())
    }
}

#[test]
fn values_and_gradients_are_those_of_keras() {
    let mut seen = std::collections::BTreeMap::<_, usize>::new();
    for (number, case) in cases().iter().enumerate() {
        *seen.entry(case.class.clone()).or_default() += 1;
        let y_pred = Tensor::new(&case.pred, &case.pred_shape).unwrap().cast(DType::F32);
        let y_pred = Var::constant(&y_pred);
        let value = case.value(&case.loss(), DType::F32, &y_pred).unwrap();
        let gradient = grad(&value, &[&y_pred]).unwrap().remove(0);
        let got = value.eval().unwrap().item::<f32>().unwrap();
        let near = |got: f32, expected: f64| {
            (f64::from(got) - expected).abs() <= 2e-5 * (1.0 + expected.abs())
        };
        let name = format!("case {number}, {}", case.class);
        assert!(near(got, case.value), "{name}: {got}, Keras {}", case.value);
        let got = gradient.eval().unwrap().to_vec::<f32>().unwrap();
        assert_eq!(got.len(), case.gradient.len(), "{name}");
        for (i, (&got, &expected)) in got.iter().zip(&case.gradient).enumerate() {
            assert!(near(got, expected), "{name}, gradient {i}: {got}, Keras {expected}");
        }
    }
    assert_eq!(seen.len(), 22);
    assert!(seen.values().all(|&count| count >= 2), "{seen:?}");
}

#[test]
fn the_loss_of_predictions_that_are_no_numbers_is_none() {
    // What a mask takes out is no number of the loss.
    for (number, case) in cases().iter().enumerate().filter(|(_, c)| c.mask.is_none()) {
        let y_pred = Var::constant(&Tensor::full(&case.pred_shape, f32::NAN));
        let value = case.value(&case.loss(), DType::F32, &y_pred).unwrap();
        let got = value.eval().unwrap().item::<f32>().unwrap();
        assert!(got.is_nan(), "case {number}, {}: {got}", case.class);
    }
}

#[test]
fn a_mask_of_steps_is_none_of_the_losses_of_examples() {
    let zeros = |shape: &[usize]| Var::constant(&Tensor::zeros(DType::F32, shape));
    let mask = Var::constant(&Tensor::zeros(DType::Bool, [2, 3]));
    let value = |y_true: &Var| {
        let loss = losses::MeanSquaredError::new();
        loss.call(y_true, &zeros(&[2, 3, 1]), None, Some(&mask))
    };
    assert!(value(&zeros(&[2, 3, 1])).is_ok());
    assert_eq!(
        value(&zeros(&[2, 3])).unwrap_err().to_string(),
        "loss MeanSquaredError: the predictions' mask\n  expected: a mask of losses of shape \
         (2,)\n       got: (2, 3)\n      help: give targets the axes of the predictions, or \
         predictions no mask"
    );
}

#[test]
fn gradients_of_both_orders_are_right() {
    for (number, case) in cases().iter().enumerate() {
        // An embedding's distance to itself is where `max(1 - a·b, 0)` has its kink.
        let kink = case.config.get("remove_diagonal") == Some(&json!(false));
        if case.weights.is_some() || kink || case.pred.iter().any(|p| p.abs() > 10.0) {
            continue;
        }
        let y_pred = Tensor::new(&case.pred, &case.pred_shape).unwrap();
        let loss = case.loss();
        let value = |inputs: &[Var]| {
            Ok(vec![case.value(&loss, DType::F64, &inputs[0]).expect("computed above")])
        };
        let result = check_gradients(value, &[y_pred]);
        assert!(result.is_ok(), "case {number}, {}: {}", case.class, result.unwrap_err());
    }
}

#[test]
fn settings_survive_a_file() {
    for case in cases() {
        let loss = case.loss();
        let written = loss.to_keras().unwrap();
        let again = AnyLoss::from_keras(&written).unwrap();
        assert_eq!(again.to_keras().unwrap(), written);
        for (key, value) in written["config"].as_object().unwrap() {
            // Keras writes no `delta` of Huber's, but reads it.
            let keras = case.config.get(key);
            assert!(keras.is_none_or(|keras| keras == value), "{} `{key}`", case.class);
        }
    }
}

#[test]
fn settings_without_sense_are_refused() {
    let x = || Var::constant(&Tensor::from([[0.5f64, 0.5]]));
    let error = |class: &str, config: Value| {
        let keras = json!({ "class_name": class, "config": config });
        let loss = AnyLoss::from_keras(&keras).unwrap();
        loss.call(&x(), &x(), None, None).unwrap_err().to_string()
    };
    assert_eq!(
        error("Huber", json!({ "delta": 0.0 })),
        "loss Huber: `delta` makes no sense\n  expected: a positive number\n       got: 0"
    );
    assert_eq!(
        error("CategoricalGeneralizedCrossEntropy", json!({ "q": 1.0 })),
        "loss CategoricalGeneralizedCrossEntropy: `q` makes no sense\n  expected: a number \
         between 0 and 1\n       got: 1"
    );
    assert_eq!(
        error("CTC", json!({})),
        "loss CTC: cannot take these shapes\n  expected: labels (batch, labels) and logits \
         (batch, time, classes)\n       got: (1, 2) and (1, 2)"
    );
    assert!(
        error("BinaryFocalCrossentropy", json!({ "label_smoothing": 2.0 }))
            .contains("0 to 1")
    );
}

/// Every setting of every loss with values that make no sense: an error with the loss's name.
#[test]
fn every_wrong_setting_is_an_error_with_the_losss_name() {
    let x = |dtype| Var::constant(&Tensor::from([[0.5f64, 0.5]]).cast(dtype));
    let mut problems = Vec::new();
    let mut checked = 0;
    for case in cases().iter().filter(|case| case.weights.is_none()) {
        let class = &case.class;
        let written = case.loss().to_keras().unwrap();
        for key in written["config"].as_object().unwrap().keys() {
            let wrong = match key.as_str() {
                "reduction" => json!(["average", 3]),
                "axis" => json!([9, -9, "last", [0, 9]]),
                "label_smoothing" | "q" => json!([-0.1, 1.1, "much"]),
                "from_logits" | "apply_class_balancing" | "remove_diagonal" => {
                    json!(["maybe", 3])
                }
                "ignore_class" => json!(["first", 0.5]),
                "alpha" if class == "CategoricalFocalCrossentropy" => {
                    json!([
                        -1.0,
                        "many",
                        [],
                        [0.5, -0.5],
                        ["much"],
                        [1, 1, 1, 1, 1, 1, 1]
                    ])
                }
                _ => json!([-1.0, "many", [1.0]]),
            };
            for wrong in wrong.as_array().unwrap() {
                let mut keras = written.clone();
                keras["config"][key] = wrong.clone();
                checked += 1;
                let called = AnyLoss::from_keras(&keras).and_then(|loss| {
                    let y_true = case.y_true(DType::F64);
                    let shape = &case.pred_shape;
                    let y_pred = Var::constant(&Tensor::new(&case.pred, shape).unwrap());
                    loss.call(&y_true, &y_pred, None, None)
                });
                match called {
                    Ok(_) => problems.push(format!("{class}: {key} = {wrong} is taken")),
                    Err(error) if error.to_string().contains(class.as_str()) => {}
                    Err(error) => {
                        problems.push(format!("{class}: {key} = {wrong}: {error}"));
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(checked > 200, "{checked}");
    // JSON has no form for these.
    for loss in [
        AnyLoss::from(losses::Huber::new().delta(f64::NAN)),
        losses::Tversky::new().alpha(f64::NAN).into(),
        losses::Tversky::new().beta(f64::INFINITY).into(),
        losses::Circle::new().gamma(f64::NAN).into(),
        losses::BinaryFocalCrossentropy::new().gamma(f64::NAN).into(),
        losses::CategoricalFocalCrossentropy::new().alpha(f64::NAN).into(),
        losses::CategoricalCrossentropy::new().label_smoothing(f64::NAN).into(),
        losses::BinaryCrossentropy::new().label_smoothing(f64::NAN).into(),
    ] {
        let error = loss.call(&x(DType::F64), &x(DType::F64), None, None).unwrap_err();
        let error = error.to_string();
        let start = format!("loss {}: `", loss.class_name());
        assert!(error.starts_with(&start) && error.contains("expected: "), "{error}");
    }
}
