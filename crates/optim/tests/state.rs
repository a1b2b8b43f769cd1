//! States of optimizers: learning rates, saving and loading, kinds of weights, promises.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]
#![expect(clippy::float_cmp, reason = "all numbers are exact")]

use std::{
    slice::from_ref,
    sync::atomic::{AtomicUsize, Ordering},
};

use deckle_autograd::{Compiled, Device, Function, Group, Var, Variable};
use deckle_optim::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, AnyOptimizer, Common, Error,
    ExponentialDecay, Ftrl, Lamb, Lion, LossScaleOptimizer, Muon, Nadam, Optimizer,
    OptimizerState, Result, RmsProp, ScheduleFreeAdamW, Sgd, Slot, Step, Updated,
    check_optimizer,
};
use deckle_tensor::{DType, Tensor};
use serde_json::{Value, json};

#[track_caller]
fn check_error<T: std::fmt::Debug>(result: Result<T>, expected: &str) {
    assert_eq!(result.unwrap_err().to_string(), expected);
}

fn group() -> Group {
    Group::new(&Device::reference())
}

fn weight(group: &Group, name: &str, values: &[f32]) -> Variable {
    group.variable(name, &Tensor::new(values, [values.len()]).unwrap()).unwrap()
}

/// A step whose gradients are the weights themselves.
fn step(state: &OptimizerState) -> Compiled {
    let gradients: Vec<_> = state.weights().iter().map(Variable::read).collect();
    let updates = state.updates(&gradients).unwrap();
    Function::new([], []).updates(updates).compile(&state.weights()[0].device()).unwrap()
}

fn values(variable: &Variable) -> Vec<f64> {
    variable.value().unwrap().cast(DType::F64).to_vec().unwrap()
}

#[test]
fn every_optimizer_keeps_its_promises() {
    let check = |optimizer: AnyOptimizer| check_optimizer(optimizer).unwrap();
    check(Sgd::new().into());
    check(Sgd::new().momentum(0.9).global_clipnorm(1.0).into());
    check(Sgd::new().momentum(0.9).nesterov(true).weight_decay(0.1).into());
    check(RmsProp::new().into());
    check(RmsProp::new().momentum(0.9).centered(true).clipnorm(1.0).into());
    check(Adam::new().into());
    check(Adam::new().amsgrad(true).use_ema(true).ema_overwrite_frequency(3).into());
    check(AdamW::new().gradient_accumulation_steps(2).into());
    check(Adagrad::new().loss_scale_factor(8.0).clipvalue(1.0).into());
    check(Adam::new().learning_rate(ExponentialDecay::new(0.1, 10, 0.5)).into());
    check(Adadelta::new().rho(0.5).into());
    check(Adafactor::new().gradient_accumulation_steps(3).into());
    check(Adamax::new().weight_decay(0.1).into());
    check(Ftrl::new().l1_regularization_strength(0.1).beta(0.5).into());
    check(Lamb::new().clipnorm(1.0).into());
    check(Lion::new().use_ema(true).into());
    check(Nadam::new().gradient_accumulation_steps(2).into());
    check(Muon::new().nesterov(false).into());
    check(ScheduleFreeAdamW::new().warmup_steps(5).into());
    check(LossScaleOptimizer::new(Adam::new()).into());
}

#[test]
fn the_scale_falls_where_a_gradient_is_not_finite_and_grows_otherwise() {
    let device = Device::reference();
    let group = Group::new(&device);
    let weight = group.variable("w", &Tensor::from([1.0f32, 2.0])).unwrap();
    let inner = Sgd::new().learning_rate(1.0);
    let optimizer =
        LossScaleOptimizer::new(inner).initial_scale(8.0).dynamic_growth_steps(2);
    let state = OptimizerState::new(optimizer, from_ref(&weight), &group).unwrap();
    let scaled = state.scale_loss(&Var::scalar(DType::F32, 3.0)).unwrap();
    assert_eq!(scaled.eval().unwrap().item::<f32>().unwrap(), 24.0);
    let gradient = Var::input("gradient", [2], DType::F32);
    let updates = state.updates(from_ref(&gradient)).unwrap();
    let step = Function::new([&gradient], []).updates(updates).compile(&device).unwrap();
    let scale = &state.variables()[3];
    let run = |gradient: [f32; 2]| {
        step.call(&[Tensor::from(gradient)]).unwrap();
        (values(&weight), values(scale)[0], state.iterations().unwrap())
    };
    assert_eq!(run([8.0, 16.0]), (vec![0.0, 0.0], 8.0, 1));
    assert_eq!(run([8.0, f32::INFINITY]), (vec![0.0, 0.0], 4.0, 1));
    assert_eq!(run([4.0, 4.0]), (vec![-1.0, -1.0], 4.0, 2));
    assert_eq!(run([f32::NAN, 4.0]), (vec![-1.0, -1.0], 2.0, 2));
    assert_eq!(run([2.0, 2.0]), (vec![-2.0, -2.0], 2.0, 3));
    assert_eq!(run([2.0, 2.0]), (vec![-3.0, -3.0], 4.0, 4));
}

/// Gradient descent with a fault.
#[derive(Debug)]
struct Wrong {
    common: Common,
    fault: &'static str,
    /// How often it was called.
    calls: AtomicUsize,
    /// The rank of the weight that was updated last.
    last: AtomicUsize,
}

impl Optimizer for Wrong {
    fn class_name(&self) -> &str {
        "Wrong"
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn config(&self) -> Value {
        match self.fault {
            "config" => json!({ "name": "wrong" }),
            _ => serde_json::to_value(&self.common).unwrap(),
        }
    }

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        vec![vec![Slot::zeros("slot")]]
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let slots = if self.fault == "slots" { vec![] } else { slots.to_vec() };
        let descent = gradient.mul(step.learning_rate())?;
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        let last = self.last.swap(weight.rank(), Ordering::Relaxed);
        let weight = match self.fault {
            "memory" => weight.sub(&(descent / (calls + 1) as f64))?,
            "coupling" if last < weight.rank() => weight.sub(&(descent * 0.5))?,
            "ascent" => weight.add(&descent)?,
            "rate" => weight.sub(&(gradient * 0.01))?,
            "shape" => descent.sum_to_like(step.learning_rate())?,
            _ => weight.sub(&descent)?,
        };
        Ok(Updated { weight, slots })
    }
}

#[test]
fn an_optimizer_that_breaks_a_promise_is_rejected() {
    let wrong = |fault| Wrong {
        common: Common::new("wrong", 0.01),
        fault,
        calls: AtomicUsize::new(0),
        last: AtomicUsize::new(0),
    };
    check_optimizer(wrong("none")).unwrap();
    let check = |fault: &'static str, expected: &str, got: &str| {
        let error = check_optimizer(wrong(fault)).unwrap_err().to_string();
        let start =
            format!("Wrong does not keep its promise\n  expected: {expected}\n       ");
        assert!(error.starts_with(&format!("{start}got: {got}")), "{error}");
    };
    check("config", "the config has the common settings", "`learning_rate` is missing");
    check("slots", "an update returns all slots", "0 of 1");
    check(
        "shape",
        "an update keeps shapes and element types",
        "float32 () of float32 (3,)",
    );
    check("rate", "a learning rate of 0 leaves the weight as it is", "it changes");
    check("memory", "the same steps give the same bits", "they differ");
    check(
        "coupling",
        "weights do not influence each other",
        "another weight changes one",
    );
    check("ascent", "the loss of a quadratic falls", "it goes from ");
}

#[test]
fn the_learning_rate_can_be_set_between_steps() {
    let group = group();
    let w = weight(&group, "w", &[1.0]);
    let sgd = Sgd::new().learning_rate(0.5);
    let state = OptimizerState::new(sgd, from_ref(&w), &group).unwrap();
    let step = step(&state);
    step.call(&[]).unwrap();
    assert_eq!(values(&w), [0.5]);
    state.set_learning_rate(0.25).unwrap();
    step.call(&[]).unwrap();
    assert_eq!(values(&w), [0.375]);
    assert_eq!(state.learning_rate().unwrap(), 0.25);
    assert_eq!(state.to_keras().unwrap()["config"]["learning_rate"], 0.25);
    // The last is infinite as float32.
    for wrong in [f64::INFINITY, f64::NAN, -0.1, 1e39] {
        let text = format!(
            "SGD: cannot use this `learning_rate`\n  expected: a finite number of at least 0\n       \
             got: {wrong}"
        );
        check_error(state.set_learning_rate(wrong), &text);
    }
    assert_eq!(state.learning_rate().unwrap(), 0.25);
}

#[test]
fn a_schedule_is_followed_and_cannot_be_overruled() {
    let group = group();
    let w = weight(&group, "w", &[1.0]);
    let sgd = Sgd::new().learning_rate(ExponentialDecay::new(0.5, 1, 0.5));
    let state = OptimizerState::new(sgd, from_ref(&w), &group).unwrap();
    let step = step(&state);
    for (expected, rate) in [(0.5, 0.5), (0.375, 0.25), (0.328125, 0.125)] {
        assert_eq!(state.learning_rate().unwrap(), rate);
        step.call(&[]).unwrap();
        assert_eq!(values(&w), [expected]);
    }
    check_error(
        state.set_learning_rate(0.1),
        "the learning rate follows ExponentialDecay and cannot be set\n      help: make the \
         optimizer with a number as .learning_rate(…)",
    );
    let object = state.to_keras().unwrap();
    assert_eq!(object["config"]["learning_rate"]["class_name"], "ExponentialDecay");
}

#[test]
fn a_loaded_state_goes_on_to_the_bit() {
    let adam =
        || Adam::new().learning_rate(0.1).amsgrad(true).use_ema(true).clipnorm(0.5);
    let group = group();
    let start = [weight(&group, "layer/a", &[1.0, -2.0]), weight(&group, "b", &[3.0])];
    let state = OptimizerState::new(adam(), &start, &group).unwrap();
    let first = step(&state);
    for _ in 0..3 {
        first.call(&[]).unwrap();
    }
    let copies: Vec<_> =
        start.iter().map(|weight| weight.to(&group.device()).unwrap()).collect();
    let copy = OptimizerState::new(adam(), &copies, &group).unwrap();
    let mut saved: Vec<_> =
        state.variables().iter().map(|v| v.value().unwrap()).collect();
    // Keras on JAX writes 32 bits.
    saved[0] = saved[0].cast(DType::I32);
    copy.load(&saved).unwrap();
    assert_eq!(copy.iterations().unwrap(), 3);
    let second = step(&copy);
    for _ in 0..3 {
        first.call(&[]).unwrap();
        second.call(&[]).unwrap();
    }
    for (one, other) in
        start.iter().chain(&state.variables()).zip(copies.iter().chain(&copy.variables()))
    {
        assert_eq!(one.value().unwrap(), other.value().unwrap(), "{one:?}");
    }
    let names: Vec<_> = state.variables().iter().map(|v| v.name().to_owned()).collect();
    let expected = [
        "iteration",
        "learning_rate",
        "layer_a_average",
        "b_average",
        "layer_a_momentum",
        "layer_a_velocity",
        "b_momentum",
        "b_velocity",
        "layer_a_velocity_hat",
        "b_velocity_hat",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_does_not_fit_is_not_loaded() {
    let group = group();
    let w = weight(&group, "w", &[1.0, 2.0]);
    let state = OptimizerState::new(RmsProp::new(), &[w], &group).unwrap();
    check_error(
        state.load(&[Tensor::scalar(1i64)]),
        "the number of saved values of the optimizer is wrong\n  expected: 3\n       got: 1",
    );
    let wrong = [Tensor::scalar(7i64), Tensor::scalar(0.1f32), Tensor::from([1.0f32])];
    check_error(
        state.load(&wrong),
        "saved value of `w_velocity` is of another kind\n  expected: float32 (2,)\n       got: \
         float32 (1,)",
    );
    assert_eq!(state.iterations().unwrap(), 0);
}

#[test]
fn gradients_that_do_not_fit_are_errors() {
    let group = group();
    let w = weight(&group, "dense/kernel", &[1.0, 2.0]);
    let state = OptimizerState::new(Sgd::new(), &[w], &group).unwrap();
    check_error(
        state.updates(&[]),
        "the number of gradients is wrong\n  expected: 1\n       got: 0",
    );
    check_error(
        state.updates(&[Var::scalar(DType::F64, 1.0)]),
        "gradient of `dense/kernel` is of another kind\n  expected: float32 (2,)\n       got: \
         float64 ()",
    );
    let ids = group.variable("ids", &Tensor::from([1, 2])).unwrap();
    check_error(
        OptimizerState::new(Sgd::new(), &[ids], &group),
        "weight `ids` cannot be trained\n  expected: floating-point numbers\n       got: int32",
    );
    let clipped = Sgd::new().clipvalue(1.0).clipnorm(1.0);
    let error = OptimizerState::new(clipped, &[], &group).unwrap_err();
    assert!(matches!(error, Error::Clipping { .. }));
}

#[test]
fn slots_that_are_missing_are_an_error() {
    let number = |value| Var::scalar(DType::F32, value);
    let step = Step::new(number(0.1), number(1.0));
    let adam = Adam::new().amsgrad(true);
    check_error(
        adam.update(&step, &number(1.0), &number(1.0), &[number(0.0), number(0.0)]),
        "the number of slots is wrong\n  expected: 3\n       got: 2",
    );
}

#[test]
fn weights_without_decay_are_chosen_by_name() {
    let group = group();
    let weights =
        [weight(&group, "dense/kernel", &[1.0]), weight(&group, "dense/bias", &[1.0])];
    let sgd = Sgd::new().learning_rate(0.5).weight_decay(0.5);
    let mut state = OptimizerState::new(sgd, &weights, &group).unwrap();
    state.exclude_from_weight_decay(["bias", "gamma"]);
    step(&state).call(&[]).unwrap();
    assert_eq!(values(&weights[0]), [0.25]);
    assert_eq!(values(&weights[1]), [0.5]);
}

#[test]
fn a_name_is_the_weights_own_and_a_path_has_a_slash() {
    let decayed = |name: &str| {
        let group = group();
        let weights =
            ["bias_tower/kernel", "tower/bias"].map(|name| weight(&group, name, &[1.0]));
        let sgd = Sgd::new().learning_rate(0.5).weight_decay(0.5);
        let mut state = OptimizerState::new(sgd, &weights, &group).unwrap();
        state.exclude_from_weight_decay([name]);
        step(&state).call(&[]).unwrap();
        weights.map(|weight| values(&weight) == [0.25])
    };
    assert_eq!(decayed("bias"), [true, false]);
    assert_eq!(decayed("bias_tower/"), [false, true]);
    assert_eq!(decayed("tower"), [true, true]);
    assert_eq!(decayed("tower/bias"), [true, false]);
}

#[test]
fn the_loss_is_scaled_and_the_gradients_are_scaled_back() {
    let group = group();
    let w = weight(&group, "w", &[1.0]);
    let sgd = Sgd::new().learning_rate(0.5).loss_scale_factor(8.0);
    let state = OptimizerState::new(sgd, from_ref(&w), &group).unwrap();
    let scaled = state.scale_loss(&Var::scalar(DType::F32, 3.0)).unwrap().eval().unwrap();
    assert_eq!(scaled, Tensor::scalar(24.0f32));
    let gradient = w.read() * 8.0;
    let updates = state.updates(from_ref(&gradient)).unwrap();
    assert!(updates.iter().all(|(_, value)| value.path() == "sgd"));
    assert_eq!(gradient.path(), "");
    let step = Function::new([], []).updates(updates).compile(&group.device()).unwrap();
    step.call(&[]).unwrap();
    assert_eq!(values(&w), [0.5]);
}

#[test]
fn averages_become_the_weights_at_the_end() {
    let group = group();
    let w = weight(&group, "w", &[1.0]);
    let sgd = Sgd::new().learning_rate(0.5).use_ema(true).ema_momentum(0.5);
    let state = OptimizerState::new(sgd, from_ref(&w), &group).unwrap();
    state.finalize().unwrap();
    assert_eq!(values(&w), [1.0], "there is no average before the first step");
    let step = step(&state);
    step.call(&[]).unwrap();
    step.call(&[]).unwrap();
    assert_eq!(values(&w), [0.25]);
    state.finalize().unwrap();
    assert_eq!(values(&w), [0.375]);
}

/// Numbers of half precision are computed in single precision and rounded at the end.
#[test]
fn weights_of_all_types_are_trained_together() {
    let group = group();
    let dtypes = [DType::F32, DType::F64, DType::BF16, DType::F16];
    let weights: Vec<_> = dtypes
        .iter()
        .map(|&dtype| {
            group.variable("w", &Tensor::from([3.0f64, -4.0]).cast(dtype)).unwrap()
        })
        .collect();
    let adam = Adam::new().learning_rate(0.125).global_clipnorm(1.0);
    let state = OptimizerState::new(adam, &weights, &group).unwrap();
    let step = step(&state);
    for _ in 0..8 {
        step.call(&[]).unwrap();
    }
    for weight in &weights {
        assert_eq!(state.weights()[0].shape(), weight.shape());
        for (got, expected) in values(weight).iter().zip([2.0, -3.0]) {
            assert!((got - expected).abs() < 0.05, "{weight:?}: {got}");
        }
    }
}

/// The gradient's square, 1e-9 after weighing, is 0 in half precision.
#[test]
fn small_gradients_of_half_precision_are_not_lost_within_a_step() {
    for dtype in [DType::F16, DType::BF16] {
        let group = group();
        let w = group.variable("w", &Tensor::from([1.0]).cast(dtype)).unwrap();
        let adam = Adam::new().learning_rate(0.125);
        let state = OptimizerState::new(adam, from_ref(&w), &group).unwrap();
        let gradient = Var::constant(&Tensor::from([1e-3]).cast(dtype));
        let updates = state.updates(&[gradient]).unwrap();
        let step =
            Function::new([], []).updates(updates).compile(&group.device()).unwrap();
        step.call(&[]).unwrap();
        assert!((values(&w)[0] - 0.875).abs() < 0.004, "{w:?}: {:?}", values(&w));
    }
}

#[test]
fn an_infinite_gradient_is_not_hidden_by_clipping() {
    let trained = |sgd: Sgd| {
        let group = group();
        let w = weight(&group, "w", &[f32::INFINITY, 1.0]);
        let state = OptimizerState::new(sgd, from_ref(&w), &group).unwrap();
        step(&state).call(&[]).unwrap();
        values(&w)
    };
    assert!(trained(Sgd::new().clipnorm(1.0))[0].is_nan());
    let together = trained(Sgd::new().global_clipnorm(1.0));
    assert!(together.iter().all(|value| value.is_nan()), "{together:?}");
}

#[test]
fn gradients_of_zero_stay_zero_under_clipping() {
    for sgd in [
        Sgd::new().clipnorm(1.0),
        Sgd::new().global_clipnorm(1.0),
        Sgd::new().clipnorm(0.0),
    ] {
        let group = group();
        let w = weight(&group, "w", &[0.0, 0.0]);
        let state = OptimizerState::new(sgd, from_ref(&w), &group).unwrap();
        step(&state).call(&[]).unwrap();
        assert_eq!(values(&w), [0.0, 0.0]);
    }
}
