//! The test of every optimizer's promises: [`check_optimizer`].

use std::slice::from_ref;

use deckle_autograd::{Device, Function, Group, Var, Variable};
use deckle_tensor::{DType, Tensor};

use crate::{AnyOptimizer, Error, OptimizerState, Result, Slot, Step, config};

/// Tests what every optimizer promises.
///
/// Its settings work, and its config has the common ones; an update keeps shapes, element types
/// and the number of slots, for scalars and empty weights too; a learning rate of 0 leaves the
/// weight as it is; weights do not influence each other; twice the same is the same to the
/// bit; and the loss of a quadratic falls.
///
/// # Errors
///
/// If a promise is broken.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Sgd, check_optimizer};
///
/// check_optimizer(Sgd::new().momentum(0.9).nesterov(true))?;
/// # Ok::<(), deckle_optim::Error>(())
/// ```
pub fn check_optimizer(optimizer: impl Into<AnyOptimizer>) -> Result<()> {
    let optimizer = optimizer.into();
    optimizer.check_settings()?;
    config_is_complete(&optimizer)?;
    for dtype in [DType::F32, DType::F64] {
        for shape in [&[3][..], &[2, 2], &[], &[0, 2]] {
            update_keeps_kinds(&optimizer, dtype, shape)?;
        }
    }
    // Both shapes at once and alone; a norm of all gradients would couple them by intent.
    let (a, b) = (start(&[3]), start(&[2, 2]));
    let together = train(&optimizer, &[a.clone(), b.clone()])?;
    if !same(&together, &train(&optimizer, &[a.clone(), b.clone()])?) {
        return broken(&optimizer, "the same steps give the same bits", "they differ");
    }
    if optimizer.common().global_clipnorm.is_none() {
        // In the other order, so that nothing can be left behind by the weight before.
        let second = train(&optimizer, from_ref(&b))?;
        let alone = [train(&optimizer, from_ref(&a))?, second].concat();
        if !same(&together, &alone) {
            let expected = "weights do not influence each other";
            return broken(&optimizer, expected, "another weight changes one");
        }
    }
    let (before, after) = (distance(&[a, b])?, distance(&together)?);
    if after.partial_cmp(&before) != Some(std::cmp::Ordering::Less) {
        let got = format!("it goes from {before} to {after}");
        return broken(&optimizer, "the loss of a quadratic falls", got);
    }
    Ok(())
}

fn broken(
    optimizer: &AnyOptimizer,
    expected: &'static str,
    got: impl Into<String>,
) -> Result<()> {
    let class = optimizer.class_name().to_owned();
    Err(Error::Promise { class, expected, got: got.into() })
}

fn config_is_complete(optimizer: &AnyOptimizer) -> Result<()> {
    let (mut config, common) = (optimizer.config(), config::to_value(optimizer.common()));
    if let Some(inner) = config.pointer_mut("/inner_optimizer/config") {
        config = inner.take();
    }
    for (name, value) in common.as_object().into_iter().flatten() {
        if config.get(name) != Some(value) {
            let expected = "the config has the common settings";
            return broken(
                optimizer,
                expected,
                format!("`{name}` is missing or differs"),
            );
        }
    }
    Ok(())
}

fn update_keeps_kinds(
    optimizer: &AnyOptimizer,
    dtype: DType,
    shape: &[usize],
) -> Result<()> {
    let full = |value: f64| Var::constant(&Tensor::full(shape, value).cast(dtype));
    let step = Step::new(Var::scalar(dtype, 0.0), Var::scalar(dtype, 1.0));
    let of = |shape: &[usize], value: f64, dtype| {
        Var::constant(&Tensor::full(shape, value).cast(dtype))
    };
    let fill = |slot: &Slot| {
        let value = if slot.is_copy { 2.0 } else { slot.initial };
        of(slot.shape.as_deref().unwrap_or(shape), value, slot.dtype.unwrap_or(dtype))
    };
    let slots: Vec<_> = optimizer.slots("w", shape).concat().iter().map(fill).collect();
    let shared = optimizer.shared_slots().into_iter();
    let shared: Vec<_> = shared.map(|slot| of(&[], slot.initial, dtype)).collect();
    let new = optimizer.update_shared(&step, &shared)?;
    if new.len() != shared.len() {
        let got = format!("{} of {}", new.len(), shared.len());
        return broken(optimizer, "an update returns all shared slots", got);
    }
    let step = step.with_shared(new);
    let (weight, gradient) = (full(2.0), full(0.5));
    let updated = optimizer.update(&step, &weight, &gradient, &slots)?;
    if updated.slots.len() != slots.len() {
        let got = format!("{} of {}", updated.slots.len(), slots.len());
        return broken(optimizer, "an update returns all slots", got);
    }
    let old = slots.iter().chain([&weight]);
    for (var, old) in updated.slots.iter().chain([&updated.weight]).zip(old) {
        if var.signature() != old.signature() {
            let got = format!("{} of {}", var.signature(), old.signature());
            return broken(optimizer, "an update keeps shapes and element types", got);
        }
    }
    let new = updated.weight.eval()?.cast(DType::F64).to_vec::<f64>()?;
    // Without a learning rate, some rules have no step at all.
    if new.iter().any(|new| (new - 2.0).abs() > 1e-6) {
        let expected = "a learning rate of 0 leaves the weight as it is";
        return broken(optimizer, expected, "it changes");
    }
    Ok(())
}

/// Numbers from 2 on, of both signs.
fn start(shape: &[usize]) -> Tensor {
    let size = shape.iter().product::<usize>();
    let value =
        |i: usize| if i.is_multiple_of(2) { 2.0 + i as f64 } else { -2.0 - i as f64 };
    let values: Vec<_> = (0..size).map(value).collect();
    Tensor::new(values, shape).expect("as many values as the shape has")
}

/// The weights after 20 steps down `½‖w‖²`, whose gradient is w.
fn train(optimizer: &AnyOptimizer, start: &[Tensor]) -> Result<Vec<Tensor>> {
    let device = Device::reference();
    let group = Group::new(&device);
    let weights = start.iter().map(|value| group.variable("w", value));
    let weights = weights.collect::<Result<Vec<_>, _>>()?;
    let state = OptimizerState::new(optimizer.clone(), &weights, &group)?;
    let scale = optimizer.common().loss_scale_factor.unwrap_or(1.0);
    let gradients: Vec<_> = weights.iter().map(|weight| weight.read() * scale).collect();
    let step =
        Function::new([], []).updates(state.updates(&gradients)?).compile(&device)?;
    for _ in 0..20 {
        step.call(&[])?;
    }
    Ok(weights.iter().map(Variable::value).collect::<Result<Vec<_>, _>>()?)
}

fn same(a: &[Tensor], b: &[Tensor]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.bits_equal(b))
}

/// The norm of all weights together.
fn distance(weights: &[Tensor]) -> Result<f64> {
    let mut sum = 0.0;
    for weight in weights {
        sum += weight.to_vec::<f64>()?.iter().map(|x| x * x).sum::<f64>();
    }
    Ok(sum.sqrt())
}
