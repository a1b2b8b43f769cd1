//! Values and gradients of all losses, as Keras computed them (`tools/golden/losses.py`).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use deckle_autograd::{Var, check_gradients, grad};
use deckle_nn::AnyLoss;
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
            Var::constant(&Tensor::new(weights, [weights.len()]).unwrap().cast(dtype))
        });
        loss.call(&self.y_true(dtype), y_pred, weights.as_ref(), None)
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
