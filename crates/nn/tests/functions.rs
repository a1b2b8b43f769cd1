//! Activations, regularizers and constraints, as Keras computed them
//! (`tools/golden/functions.py`).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use deckle_autograd::{Var, check_gradients};
use deckle_nn::{Activation, Constraint, Initializer, Regularizer};
use deckle_tensor::{DType, Tensor};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Numbers {
    fn var(&self) -> Var {
        let tensor = Tensor::new(&self.values, &self.shape).unwrap();
        Var::constant(&tensor.cast(DType::F32))
    }
}

#[derive(Deserialize)]
struct Function {
    name: String,
    config: Value,
    y: Numbers,
}

#[derive(Deserialize)]
struct Penalty {
    keras: Value,
    bare: bool,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct Bound {
    keras: Value,
    bare: bool,
    values: Vec<Numbers>,
}

#[derive(Deserialize)]
struct Start {
    keras: Value,
    y: Numbers,
}

#[derive(Deserialize)]
struct Cases {
    x: Numbers,
    weights: Vec<Numbers>,
    activations: Vec<Function>,
    regularizers: Vec<Penalty>,
    constraints: Vec<Bound>,
    initializers: Vec<Start>,
}

fn cases() -> Cases {
    serde_json::from_str(include_str!("functions.json")).unwrap()
}

#[track_caller]
fn check(what: &str, found: &Var, expected: &Numbers) {
    let found = found.eval().unwrap();
    assert_eq!(found.shape(), expected.shape, "{what}");
    let values = found.cast(DType::F64).to_vec::<f64>().unwrap();
    for (i, (got, keras)) in values.iter().zip(&expected.values).enumerate() {
        let near = (got - keras).abs() <= 2e-6 * (1.0 + keras.abs());
        assert!(near, "{what}, element {i}: {got}, Keras {keras}");
    }
}

/// Whether settings are equal, but for what 32 bits cannot tell.
fn same(ours: &Value, keras: &Value) -> bool {
    let (Some(ours), Some(keras)) = (ours.as_object(), keras.as_object()) else {
        return false;
    };
    ours.len() == keras.len()
        && keras.iter().all(|(key, keras)| {
            let Some(own) = ours.get(key) else { return false };
            match (own.as_f64(), keras.as_f64()) {
                (Some(own), Some(keras)) => (own - keras).abs() < 1e-7,
                _ => own == keras,
            }
        })
}

#[test]
fn activations_are_those_of_keras() {
    let cases = cases();
    let x = cases.x.var();
    let mut plain = Vec::new();
    for case in &cases.activations {
        let of = |key: &str| case.config.get(key).and_then(Value::as_f64);
        let axis = || case.config["axis"].as_i64().unwrap() as isize;
        let number = |key: &str, default: f64| of(key).unwrap_or(default);
        let y = if case.config.as_object().unwrap().is_empty() {
            let activation: Activation = case.name.parse().unwrap();
            plain.push(activation);
            activation.apply(&x).unwrap()
        } else {
            match case.name.as_str() {
                "relu" => x
                    .relu_with(
                        number("negative_slope", 0.0),
                        of("max_value"),
                        number("threshold", 0.0),
                    )
                    .unwrap(),
                "leaky_relu" => x.leaky_relu(number("negative_slope", 0.2)).unwrap(),
                "elu" => x.elu(number("alpha", 1.0)).unwrap(),
                "celu" => x.celu(number("alpha", 1.0)).unwrap(),
                "gelu" => x.gelu(true).unwrap(),
                "hard_shrink" => x.hard_shrink(number("threshold", 0.5)).unwrap(),
                "soft_shrink" => x.soft_shrink(number("threshold", 0.5)).unwrap(),
                "squareplus" => x.squareplus(number("b", 4.0)).unwrap(),
                "threshold" => {
                    let (at, below) =
                        (number("threshold", 0.0), number("default_value", 0.0));
                    x.threshold(at, below).unwrap()
                }
                "glu" => x.glu(axis()).unwrap(),
                "softmax" => x.softmax(axis()).unwrap(),
                "log_softmax" => x.log_softmax(axis()).unwrap(),
                "sparsemax" => x.sparsemax(axis()).unwrap(),
                other => unreachable!("{other} has no argument"),
            }
        };
        check(&format!("{} {}", case.name, case.config), &y, &case.y);
    }
    assert!(Activation::all().all(|activation| plain.contains(&activation)));
}

#[test]
fn regularizers_are_those_of_keras() {
    let cases = cases();
    for case in &cases.regularizers {
        let regularizer: Regularizer =
            serde_json::from_value(case.keras.clone()).unwrap();
        for (weight, keras) in cases.weights.iter().zip(&case.values) {
            let weight = weight.var();
            let penalty = regularizer.penalty(&weight).unwrap().eval().unwrap();
            let got = f64::from(penalty.item::<f32>().unwrap());
            let near = (got - keras).abs() <= 2e-6 * (1.0 + keras.abs());
            assert!(near, "{}: {got}, Keras {keras}", case.keras);
        }
        let written = serde_json::to_value(&regularizer).unwrap();
        assert_eq!(written["class_name"], case.keras["class_name"]);
        assert!(same(&written["config"], &case.keras["config"]), "{written}");
        if case.bare {
            let named: Regularizer =
                serde_json::from_value(case.keras["class_name"].clone()).unwrap();
            let named = serde_json::to_value(&named).unwrap();
            assert!(same(&named["config"], &written["config"]), "{named}");
        }
    }
}

#[test]
fn orthogonal_penalties_have_the_right_gradients() {
    let weight = Tensor::new(&cases().weights[0].values, [3, 4]).unwrap();
    for mode in ["rows", "columns"] {
        let keras = serde_json::json!({
            "class_name": "OrthogonalRegularizer", "config": { "mode": mode, "factor": 0.5 },
        });
        let regularizer: Regularizer = serde_json::from_value(keras).unwrap();
        check_gradients(
            |w| Ok(vec![regularizer.penalty(&w[0]).expect("a matrix")]),
            std::slice::from_ref(&weight),
        )
        .unwrap();
    }
    let cube = Var::constant(&Tensor::zeros(DType::F32, [2, 2, 2]));
    let orthogonal: Regularizer =
        serde_json::from_value("orthogonal_regularizer".into()).unwrap();
    assert_eq!(
        orthogonal.penalty(&cube).unwrap_err().to_string(),
        "regularizer OrthogonalRegularizer cannot take this weight\n  expected: two axes\n       \
         got: (2, 2, 2)"
    );
    let wrong = serde_json::json!({
        "class_name": "OrthogonalRegularizer", "config": { "mode": "rooms" },
    });
    assert!(serde_json::from_value::<Regularizer>(wrong).is_err());
}

#[test]
fn constraints_are_those_of_keras() {
    let cases = cases();
    for case in &cases.constraints {
        let constraint: Constraint = serde_json::from_value(case.keras.clone()).unwrap();
        for (weight, keras) in cases.weights.iter().zip(&case.values) {
            let found = constraint.apply(&weight.var()).unwrap();
            check(&case.keras.to_string(), &found, keras);
        }
        let written = serde_json::to_value(&constraint).unwrap();
        let again: Constraint = serde_json::from_value(written).unwrap();
        assert_eq!(again, constraint);
        if case.bare {
            let named: Constraint =
                serde_json::from_value(case.keras["class_name"].clone()).unwrap();
            assert_eq!(named, constraint);
        }
    }
}

#[test]
fn plain_initializers_are_those_of_keras() {
    for case in cases().initializers {
        let initializer: Initializer =
            serde_json::from_value(case.keras.clone()).unwrap();
        let found = initializer.values(&case.y.shape, DType::F32, 1, 2).unwrap();
        check(&case.keras.to_string(), &Var::constant(&found), &case.y);
    }
}
