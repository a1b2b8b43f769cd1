//! What theory says about each optimizer, in double precision.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::slice::from_ref;

use deckle_autograd::{Device, Function, Group, Var};
use deckle_optim::{Adagrad, Adam, AdamW, AnyOptimizer, OptimizerState, RmsProp, Sgd};
use deckle_tensor::Tensor;

/// Exact in single precision, as the state keeps it.
const RATE: f64 = 0.0625;

/// The weight before and after each of `steps` steps; `gradient` is made of the weight.
fn path(
    optimizer: impl Into<AnyOptimizer>,
    start: f64,
    steps: usize,
    gradient: impl Fn(&Var) -> Var,
) -> Vec<f64> {
    let device = Device::reference();
    let group = Group::new(&device);
    let weight = group.variable("w", &Tensor::scalar(start)).unwrap();
    let state = OptimizerState::new(optimizer, from_ref(&weight), &group).unwrap();
    let updates = state.updates(&[gradient(&weight.read())]).unwrap();
    let step =
        Function::new([], [&weight.read()]).updates(updates).compile(&device).unwrap();
    (0..=steps).map(|_| step.call(&[]).unwrap()[0].item::<f64>().unwrap()).collect()
}

#[track_caller]
fn check_close(got: f64, expected: f64, tolerance: f64) {
    let close = (got - expected).abs() <= tolerance * expected.abs().max(1.0);
    assert!(close, "expected {expected}, got {got}");
}

/// On `½·λ·w²` gradient descent multiplies w by 1 - η·λ.
#[test]
fn gradient_descent_converges_at_its_rate() {
    for curvature in [0.5, 3.0, 20.0] {
        let path = path(Sgd::new().learning_rate(RATE), 2.0, 30, |w| w * curvature);
        for pair in path.windows(2) {
            check_close(pair[1], (1.0 - RATE * curvature) * pair[0], 1e-14);
        }
    }
}

/// On `½·λ·w²` momentum is a linear recurrence of order two with this trace and determinant,
/// and converges like the root of the determinant.
#[track_caller]
fn check_recurrence(optimizer: Sgd, curvature: f64, trace: f64, determinant: f64) {
    let path = path(optimizer, 2.0, 400, |w| w * curvature);
    for three in path.windows(3).take(100) {
        check_close(three[2], trace * three[1] - determinant * three[0], 1e-13);
    }
    assert!(trace * trace < 4.0 * determinant, "the weight swings");
    // What w² + … would be without its swings: constant times determinantᵏ.
    let energy = |k: usize| {
        let (now, next) = (path[k], path[k + 1]);
        next * next - trace * next * now + determinant * now * now
    };
    let rate = (energy(300) / energy(0)).powf(1.0 / 600.0);
    check_close(rate, determinant.sqrt(), 1e-6);
}

#[test]
fn momentum_converges_at_the_rate_of_the_heavy_ball() {
    let momentum = 0.875;
    for curvature in [0.5, 3.0] {
        let pull = RATE * curvature;
        let sgd = Sgd::new().learning_rate(RATE).momentum(momentum);
        check_recurrence(sgd, curvature, 1.0 + momentum - pull, momentum);
    }
}

#[test]
fn momentum_of_nesterov_converges_at_its_rate() {
    let momentum = 0.875;
    for curvature in [0.5, 3.0] {
        let pull = RATE * curvature;
        let sgd = Sgd::new().learning_rate(RATE).momentum(momentum).nesterov(true);
        let (trace, determinant) =
            ((1.0 + momentum) * (1.0 - pull), momentum * (1.0 - pull));
        check_recurrence(sgd, curvature, trace, determinant);
    }
}

/// The lengths of the steps along a gradient that never changes.
fn steps(optimizer: impl Into<AnyOptimizer>, count: usize, gradient: f64) -> Vec<f64> {
    let path = path(optimizer, 0.0, count, |w| w * 0.0 + gradient);
    path.windows(2).map(|pair| pair[0] - pair[1]).collect()
}

/// Both moments are unbiased, so that their quotient is 1 from the first step on.
#[test]
fn every_step_of_adam_along_a_constant_gradient_is_the_learning_rate() {
    let adam = || Adam::new().learning_rate(RATE).epsilon(0.0);
    for gradient in [1e-6, 0.3, 1e6] {
        for step in steps(adam(), 500, gradient) {
            check_close(step, RATE, 1e-11);
        }
        for step in steps(adam().amsgrad(true), 50, gradient) {
            check_close(step, RATE, 1e-11);
        }
    }
}

#[test]
fn every_step_of_adam_in_single_precision_is_the_learning_rate_too() {
    let device = Device::reference();
    let group = Group::new(&device);
    let weight = group.variable("w", &Tensor::scalar(0.0f32)).unwrap();
    let adam = Adam::new().learning_rate(1.0).epsilon(0.0);
    let state = OptimizerState::new(adam, from_ref(&weight), &group).unwrap();
    let gradient = weight.read() * 0.0 + 0.3;
    let updates = state.updates(&[gradient]).unwrap();
    let step = Function::new([], []).updates(updates).compile(&device).unwrap();
    for number in 1..=20 {
        step.call(&[]).unwrap();
        let moved = f64::from(-weight.value().unwrap().item::<f32>().unwrap());
        // Keras's first step is 6e-6 too short, for the digits that 1 - 0.999 loses.
        check_close(moved / f64::from(number), 1.0, 5e-7);
    }
}

#[test]
fn steps_of_rms_prop_along_a_constant_gradient_shrink_as_the_mean_square_is_filled() {
    let rho: f64 = 0.75;
    for gradient in [1e-6, 0.3, 1e6] {
        let rms_prop = RmsProp::new().learning_rate(RATE).rho(rho).epsilon(0.0);
        for (index, step) in steps(rms_prop, 50, gradient).into_iter().enumerate() {
            let filled = 1.0 - rho.powi(index as i32 + 1);
            check_close(step, RATE / filled.sqrt(), 1e-12);
        }
    }
}

#[test]
fn steps_of_adagrad_along_a_constant_gradient_fall_with_the_root_of_their_number() {
    for gradient in [1e-6, 0.3, 1e6] {
        let adagrad = Adagrad::new().learning_rate(RATE).epsilon(0.0);
        let adagrad = adagrad.initial_accumulator_value(0.0);
        for (index, step) in steps(adagrad, 50, gradient).into_iter().enumerate() {
            check_close(step, RATE / (index as f64 + 1.0).sqrt(), 1e-12);
        }
    }
}

#[test]
fn weight_decay_alone_shrinks_a_weight_by_the_same_factor_in_each_step() {
    let check = |optimizer: AnyOptimizer| {
        let path = path(optimizer, 2.0, 20, |w| w * 0.0);
        for pair in path.windows(2) {
            check_close(pair[1], (1.0 - RATE * 0.5) * pair[0], 1e-14);
        }
    };
    check(Sgd::new().learning_rate(RATE).weight_decay(0.5).momentum(0.9).into());
    check(RmsProp::new().learning_rate(RATE).weight_decay(0.5).into());
    check(AdamW::new().learning_rate(RATE).weight_decay(0.5).into());
    check(Adagrad::new().learning_rate(RATE).weight_decay(0.5).into());
}

#[test]
fn every_optimizer_reaches_the_bottom_of_a_steep_and_flat_bowl() {
    let check = |optimizer: AnyOptimizer| {
        for curvature in [0.1, 10.0] {
            let path = path(optimizer.clone(), 1.0, 600, |w| w * curvature);
            assert!(path[600].abs() < 0.05, "{optimizer:?}: {}", path[600]);
        }
    };
    check(Sgd::new().learning_rate(RATE).into());
    check(Sgd::new().learning_rate(RATE).momentum(0.9).into());
    check(RmsProp::new().learning_rate(0.01).into());
    check(RmsProp::new().learning_rate(0.01).centered(true).into());
    check(Adam::new().learning_rate(0.03).into());
    check(AdamW::new().learning_rate(0.03).into());
    check(Adagrad::new().learning_rate(0.5).into());
}
