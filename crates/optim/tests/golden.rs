//! What Keras computes: see `tools/golden/optim.py`, and Keras 3.15.1's values in single
//! precision.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::slice::from_ref;

use deckle_autograd::{Device, Function, Group, Var, Variable};
use deckle_cpu::Cpu;
use deckle_optim::{
    Adagrad, Adam, AdamW, AnyOptimizer, AnySchedule, CosineDecay, CosineDecayRestarts,
    OptimizerState, PolynomialDecay, RmsProp, Schedule, Sgd,
};
use deckle_tensor::{DType, Tensor};
use serde_json::Value;

fn cases() -> Value {
    serde_json::from_str(include_str!("testdata/keras.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[track_caller]
fn check_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        let close = (got - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(close, "{what}: expected {expected}, got {got}");
    }
}

fn values(variable: &Variable) -> Vec<f64> {
    variable.value().unwrap().cast(DType::F64).to_vec().unwrap()
}

#[test]
fn optimizers_compute_what_keras_computes() {
    check_optimizers(&Device::reference());
}

#[test]
fn optimizers_compute_the_same_on_the_fast_backend() {
    check_optimizers(&Device::new(Cpu::new()));
}

fn check_optimizers(device: &Device) {
    let cases = cases();
    for case in cases["optimizers"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let tolerance = case["tolerance"].as_f64().unwrap();
        let group = Group::new(device);
        let (mut weights, mut inputs) = (Vec::new(), Vec::new());
        for (index, label) in ["a", "b"].iter().enumerate() {
            let shape: Vec<usize> =
                numbers(&case["shapes"][index]).iter().map(|&len| len as usize).collect();
            let start = Tensor::new(numbers(&case["start"][index]), &shape).unwrap();
            weights.push(group.variable(label, &start).unwrap());
            inputs.push(Var::input(label, &shape[..], DType::F64));
        }
        let optimizer = AnyOptimizer::from_keras(&case["optimizer"]).unwrap();
        let state = OptimizerState::new(optimizer, &weights, &group).unwrap();
        let step = Function::new(&inputs, []).updates(state.updates(&inputs).unwrap());
        let step = step.compile(device).unwrap();
        let gradients = case["gradients"].as_array().unwrap();
        for (number, gradients) in gradients.iter().enumerate() {
            let gradients: Vec<_> = weights
                .iter()
                .enumerate()
                .map(|(i, weight)| {
                    Tensor::new(numbers(&gradients[i]), weight.shape()).unwrap()
                })
                .collect();
            step.call(&gradients).unwrap();
            for (index, weight) in weights.iter().enumerate() {
                let expected = numbers(&case["weights"][number][index]);
                let what = format!("{name}, step {number}, {}", weight.name());
                check_close(&values(weight), &expected, tolerance, &what);
            }
        }
        let variables = state.variables();
        let expected = case["variables"].as_array().unwrap();
        assert_eq!(variables.len(), expected.len(), "{name}");
        for (variable, expected) in variables.iter().zip(expected) {
            assert_eq!(variable.name(), expected[0].as_str().unwrap(), "{name}");
            let what = format!("{name}, {}", variable.name());
            check_close(&values(variable), &numbers(&expected[1]), tolerance, &what);
        }
        state.finalize().unwrap();
        for (index, weight) in weights.iter().enumerate() {
            let expected = numbers(&case["finalized"][index]);
            check_close(&values(weight), &expected, tolerance, name);
        }
    }
}

#[test]
fn schedules_compute_what_keras_computes() {
    let cases = cases();
    for case in cases["schedules"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let tolerance = case["tolerance"].as_f64().unwrap();
        let schedule = AnySchedule::from_keras(&case["schedule"]).unwrap();
        for (step, expected) in
            numbers(&case["steps"]).iter().zip(numbers(&case["values"]))
        {
            let got = schedule.value_at(*step as u64).unwrap();
            check_close(&[got], &[expected], tolerance, &format!("{name} at {step}"));
        }
    }
}

#[test]
fn objects_are_written_as_keras_writes_them() {
    let cases = cases();
    for case in cases["optimizers"].as_array().unwrap() {
        let object = &case["optimizer"];
        let optimizer = AnyOptimizer::from_keras(object).unwrap();
        assert_eq!(optimizer.to_keras().to_string(), object.to_string());
    }
    for case in cases["schedules"].as_array().unwrap() {
        let object = &case["schedule"];
        let schedule = AnySchedule::from_keras(object).unwrap();
        assert_eq!(schedule.to_keras().to_string(), object.to_string());
    }
}

/// The weights after each of three steps from [1, 2].
#[track_caller]
fn check_single(
    optimizer: impl Into<AnyOptimizer>,
    tolerance: f64,
    expected: [[f64; 2]; 3],
) {
    let device = Device::reference();
    let group = Group::new(&device);
    let weight = group.variable("w", &Tensor::from([1.0f32, 2.0])).unwrap();
    let gradient = Var::input("gradient", [2], DType::F32);
    let state = OptimizerState::new(optimizer, from_ref(&weight), &group).unwrap();
    let updates = state.updates(from_ref(&gradient)).unwrap();
    let step = Function::new([&gradient], []).updates(updates).compile(&device).unwrap();
    for (gradient, expected) in
        [[0.1f32, -0.2], [0.3, 0.05], [-0.1, 0.4]].iter().zip(&expected)
    {
        step.call(&[Tensor::from(*gradient)]).unwrap();
        check_close(
            &values(&weight),
            expected,
            tolerance,
            state.optimizer().class_name(),
        );
    }
}

#[test]
fn steps_in_single_precision_are_those_of_keras() {
    let sgd = || Sgd::new().learning_rate(0.1);
    check_single(sgd(), 1e-7, [[0.99, 2.02], [0.96, 2.0149999], [0.97, 1.9749999]]);
    let momentum = || sgd().momentum(0.9);
    check_single(momentum(), 1e-7, [[0.99, 2.02], [0.951, 2.033], [0.9259, 2.0046999]]);
    check_single(
        momentum().nesterov(true),
        1e-7,
        [[0.981, 2.0380001], [0.9159, 2.0447001], [0.90331, 1.9792302]],
    );
    check_single(
        sgd().clipnorm(0.1),
        1e-7,
        [[0.9955279, 2.0089443], [0.985664, 2.0073004], [0.9880893, 1.997599]],
    );
    check_single(
        sgd().use_ema(true).ema_overwrite_frequency(2),
        1e-7,
        [[0.99, 2.02], [0.9897, 2.0199499], [0.9997, 1.97995]],
    );
    check_single(
        sgd().gradient_accumulation_steps(2),
        1e-7,
        [[1.0, 2.0], [0.98, 2.0074999], [0.98, 2.0074999]],
    );
    check_single(
        RmsProp::new(),
        1e-7,
        [[0.9968379, 2.0031621], [0.9938228, 2.0023563], [0.9948273, 1.9994893]],
    );
    check_single(
        RmsProp::new().momentum(0.9).centered(true),
        2e-7,
        [[0.9966668, 2.0033333], [0.9903896, 2.0055091], [0.9857783, 2.0045395]],
    );
    check_single(
        Adagrad::new().learning_rate(0.1),
        1e-7,
        [[0.9698489, 2.0534523], [0.9027668, 2.0402069], [0.9245886, 1.9674796]],
    );
}

/// Keras's 1 - 0.999ᵗ has lost digits by cancellation, here it has not.
#[test]
fn steps_of_adam_in_single_precision_are_those_of_keras_but_for_its_cancellation() {
    let adam = [[0.9000038, 2.0999978], [0.8082275, 2.1469433], [0.759859, 2.1067612]];
    check_single(Adam::new().learning_rate(0.1), 3e-6, adam);
    check_single(Adam::new().learning_rate(0.1).amsgrad(true), 3e-6, adam);
    check_single(
        AdamW::new().learning_rate(0.1),
        3e-6,
        [[0.8996038, 2.0991976], [0.8074677, 2.1453035], [0.7587761, 2.1042633]],
    );
}

#[test]
fn schedules_have_the_values_of_keras_in_single_precision() {
    let check = |schedule: &dyn Schedule, steps: &[u64], expected: &[f64]| {
        let got: Vec<_> =
            steps.iter().map(|&step| schedule.value_at(step).unwrap()).collect();
        check_close(&got, expected, 5e-8, schedule.class_name());
    };
    let warm = CosineDecay::new(0.0, 20).warmup_target(1.0).warmup_steps(10);
    check(&warm, &[0, 5, 10, 20, 30], &[0.0, 0.5, 1.0, 0.5, 0.0]);
    let expected = [1.0, 0.5, 1.0, 0.8535534, 1.0, 0.9984587];
    check(&CosineDecayRestarts::new(1.0, 10), &[0, 5, 10, 15, 30, 31], &expected);
    let polynomial = PolynomialDecay::new(0.1, 10).end_learning_rate(0.01).power(2.0);
    check(&polynomial, &[0, 5, 10, 15], &[0.1, 0.0325, 0.01, 0.01]);
}
