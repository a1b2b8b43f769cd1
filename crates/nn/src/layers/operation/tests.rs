//! Operations compute what NumPy computes, and say what they cannot take.

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
