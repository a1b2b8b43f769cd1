//! Operations compute what NumPy computes, and say what they cannot take.

use std::cmp::Ordering;

use deckle_tensor::Tensor;
use serde_json::json;

use super::*;
use crate::{LayerExt, Model, Registry, Symbol};

fn run(operation: Operation, x: &Tensor) -> Result<Tensor> {
    let example: Vec<_> = x.shape()[1..].to_vec();
    let symbol = Symbol::typed_input("x", example, x.dtype());
    let model = Model::new([&symbol], [&operation.apply(&symbol)?])?;
    let config = model.config()?;
    let device = deckle_autograd::Device::reference();
    let again = Model::from_config(&config, &Registry::keras(), 0, &device)?;
    assert_eq!(again.config()?, config);
    let y = again.call(&[Var::constant(x)], &mut Call::inference())?;
    Ok(y[0].eval()?)
}

fn with(class: &str, positional: Vec<Nest<usize>>) -> Result<Operation> {
    let arguments = Arguments { positional, named: Vec::new() };
    Ok(Operation::new(class)?.arguments(arguments))
}

#[test]
fn constants_keep_their_place_and_type() -> Result<()> {
    let x = Tensor::from([[1.0f32, 4.0]]);
    let two = || Nest::Constant(json!(2));
    let from = with("Subtract", vec![two(), Nest::One(0)])?;
    assert_eq!(run(from, &x)?, Tensor::from([[1.0f32, -2.0]]));
    let whole = Tensor::from([[3i32, 4]]);
    let half = with("TrueDivide", vec![Nest::One(0), two()])?;
    assert_eq!(run(half, &whole)?, Tensor::from([[1.5f32, 2.0]]));
    let floor = with("FloorDivide", vec![Nest::One(0), two()])?;
    assert_eq!(run(floor, &whole)?, Tensor::from([[1i32, 2]]));
    let more = with("Add", vec![Nest::One(0), Nest::Constant(json!(0.5))])?;
    assert_eq!(run(more, &whole)?, Tensor::from([[3.5f32, 4.5]]));
    Ok(())
}

#[test]
fn slices_are_pythons() -> Result<()> {
    let x = Tensor::from([[1.0f32, 2.0, 3.0, 4.0]]);
    let slice = |start: Value, stop: Value, step: Value| json!({"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}});
    let all = || slice(Value::Null, Value::Null, Value::Null);
    let item = |key: Value| with("GetItem", vec![Nest::One(0), Nest::Constant(key)]);
    let odd = item(json!([all(), slice(1.into(), Value::Null, 2.into())]))?;
    assert_eq!(run(odd, &x)?, Tensor::from([[2.0f32, 4.0]]));
    assert_eq!(run(item(json!([all(), -1]))?, &x)?, Tensor::from([4.0f32]));
    Ok(())
}

/// The operation of numbers, and the gradients of its sum.
#[track_caller]
fn gradients(class: &str, inputs: &[f64]) -> (f64, Vec<f64>) {
    let inputs: Vec<_> =
        inputs.iter().map(|&x| Var::constant(&Tensor::scalar(x))).collect();
    let y = Operation::new(class).unwrap().run(&inputs).unwrap().remove(0);
    let all: Vec<_> = inputs.iter().collect();
    let found = deckle_autograd::grad(&y, &all).unwrap();
    let number = |x: &Var| x.eval().unwrap().item::<f64>().unwrap();
    (number(&y), found.iter().map(number).collect())
}

#[test]
fn sums_of_powers_are_exact_and_have_gradients() {
    let (inf, half) = (f64::INFINITY, vec![0.5, 0.5]);
    assert_eq!(gradients("Logaddexp", &[-1e9, 0.25]), (0.25, vec![0.0, 1.0]));
    assert_eq!(gradients("Logaddexp", &[-inf, 0.5]), (0.5, vec![0.0, 1.0]));
    assert_eq!(gradients("Logaddexp", &[2.0, 2.0]), (2.0 + 2f64.ln(), half.clone()));
    assert_eq!(gradients("Logaddexp2", &[3.0, 3.0]), (4.0, half.clone()));
    for (a, b, sum) in [(-inf, -inf, -inf), (inf, inf, inf), (inf, -inf, inf)] {
        assert_eq!(gradients("Logaddexp", &[a, b]).0.total_cmp(&sum), Ordering::Equal);
    }
    for pair in [[f64::NAN, inf], [inf, f64::NAN], [f64::NAN, 1.0]] {
        assert!(gradients("Logaddexp", &pair).0.is_nan());
    }
    assert_eq!(gradients("Hypot", &[0.0, 0.0]), (0.0, half));
    assert_eq!(gradients("Hypot", &[0.0, -3.0]), (3.0, vec![0.0, -1.0]));
    assert!(gradients("Hypot", &[f64::NAN, -inf]).0.is_infinite());
    let (y, slopes) = gradients("Hypot", &[3e200, 4e200]);
    assert!((y / 5e200 - 1.0).abs() < 1e-15, "{y}");
    assert!((slopes[0] - 0.6).abs() < 1e-15 && (slopes[1] - 0.8).abs() < 1e-15);
    let inputs =
        [Tensor::from([0.5, -1.25, 2.0, 1.5]), Tensor::from([0.3, 1.0, -2.5, 1.5])];
    for class in ["Logaddexp", "Logaddexp2", "Hypot", "Fmod"] {
        let operation = Operation::new(class).unwrap();
        let run = |x: &[Var]| Ok(operation.run(x).unwrap());
        let count = if class.starts_with("Log") { 4isize } else { 3 };
        let parts = inputs.each_ref().map(|x| x.slice(..count).unwrap());
        deckle_autograd::check_gradients(run, &parts).unwrap();
    }
}

#[test]
fn the_complement_of_the_error_function_has_digits() {
    for (x, expected) in [
        (-2.0, 1.995_322_265_018_952_7),
        (0.3, 0.671_373_240_540_872_6),
        (0.75, 0.288_844_366_346_484_87),
        (4.0, 1.541_725_790_028_002e-8),
        (5.0, 1.537_459_794_428_034_8e-12),
        (26.0, 5.663_192_408_856_143e-296),
    ] {
        let (y, slope) = gradients("Erfc", &[x]);
        assert!((y / expected - 1.0).abs() < 1e-11, "{x}: {y}");
        let bell = -(-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI;
        assert!((slope[0] / bell - 1.0).abs() < 1e-14, "{x}: {}", slope[0]);
    }
    assert_eq!(gradients("Erfc", &[f64::INFINITY]).0.to_bits(), 0);
    assert_eq!(gradients("Erfc", &[f64::NEG_INFINITY]).0.to_bits(), 2f64.to_bits());
    assert!(gradients("Erfc", &[f64::NAN]).0.is_nan());
}

#[test]
fn what_is_between_numbers_does_not_ask_others() -> Result<()> {
    let inf = f32::INFINITY;
    let x = Tensor::from([[1.0, 2.0, inf], [-inf, 1.0, 2.0], [1.0, f32::NAN, 2.0]]);
    let median = run(Operation::new("Median")?.set("axis", 1), &x)?.to_vec::<f32>()?;
    assert_eq!(median[..2], [2.0, 1.0]);
    assert!(median[2].is_nan());
    let largest = with("Quantile", vec![Nest::One(0), Nest::Constant(json!(1.0))])?;
    let largest = run(largest.set("axis", 1), &x)?.to_vec::<f32>()?;
    assert_eq!(largest[..2], [inf, 2.0]);
    Ok(())
}

#[test]
fn defaults_are_keras() -> Result<()> {
    let x = Tensor::from([[1.0f32, -2.0]]);
    let both = with("Concatenate", vec![Nest::List(vec![Nest::One(0), Nest::One(0)])])?;
    assert_eq!(run(both, &x)?.shape(), [2, 2]);
    let gelu = run(Operation::new("Gelu")?, &x)?;
    assert_eq!(gelu, run(Operation::new("Gelu")?.set("approximate", true), &x)?);
    assert_ne!(gelu, run(Operation::new("Gelu")?.set("approximate", false), &x)?);
    Ok(())
}

#[test]
fn norms_go_to_infinity() -> Result<()> {
    let x = Tensor::from([[3.0f32, -4.0, 0.0]]);
    let norm = |order: f64| -> Result<f32> {
        let norm = Operation::new("Norm")?.set("ord", order).set("axis", json!([-1]));
        Ok(run(norm, &x)?.to_vec::<f32>()?[0])
    };
    // Files say so of infinity.
    assert_eq!((norm(f64::MAX)?, norm(f64::MIN)?), (4.0, 0.0));
    assert_eq!((norm(0.0)?, norm(1.0)?, norm(2.0)?), (2.0, 7.0, 5.0));
    Ok(())
}

#[test]
fn what_an_operation_cannot_take_is_named() {
    let error = Operation::new("Meen").unwrap_err().to_string();
    assert_eq!(error, "unknown operation `Meen`\n      help: did you mean `Mean`?");
    let x = Symbol::input("x", [3]);
    let error = Operation::new("Mean").unwrap().set("axis", "one").apply(&x).unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer `mean` (Mean): cannot take `axis`\n  expected: a whole number\n       \
         got: \"one\""
    );
    let error = |operation: Operation| operation.apply(&x).unwrap_err().to_string();
    let pad = |mode: Value| {
        let pad =
            Operation::new("Pad").unwrap().set("pad_width", json!([[0, 0], [0, 0]]));
        pad.set("mode", mode)
    };
    assert_eq!(
        error(pad(json!(-1))),
        "layer `pad` (Pad): cannot take `mode`\n  expected: one of constant, reflect, \
         symmetric, edge, wrap\n       got: -1"
    );
    assert!(error(pad(json!("mirror"))).ends_with("got: \"mirror\""));
    assert!(pad(json!("edge")).apply(&x).is_ok());
    let x = Symbol::typed_input("x", [3], DType::I32);
    for class in ["OneHot", "MultiHot"] {
        let huge =
            Operation::new(class).unwrap().set("num_classes", 1_000_000_000_000u64);
        let error = huge.apply(&x).unwrap_err().to_string();
        assert!(error.contains("cannot take `num_classes`"), "{error}");
        assert!(
            error.contains("from 0 to 16777216\n       got: 1000000000000"),
            "{error}"
        );
    }
}
