//! The reference backend's primitives: scan.

use std::sync::Arc;

use deckle_tensor::{
    Binary, Builder, DType, Error, Primitive, Program, Scan, Spec, Tensor, Unary,
};

use super::{run_all, run_program, tensor};

/// carry' = carry · factor + step; result = carry before.
fn body() -> Arc<Program> {
    let mut builder = Builder::new();
    let scalar = Spec::scalar(DType::F64);
    let [factor, carry, step] = [0; 3].map(|_| builder.input(scalar.clone()));
    let product = builder.push(Primitive::Binary(Binary::Mul), &[carry, factor]).unwrap();
    let next = builder.push(Primitive::Binary(Binary::Add), &[product, step]).unwrap();
    Arc::new(builder.finish([next, carry], []).unwrap())
}

fn scan(length: usize, reverse: bool) -> Primitive {
    Primitive::Scan(Scan { body: body(), constants: 1, carries: 1, length, reverse })
}

#[track_caller]
fn check(length: usize, reverse: bool, last: f64, results: &[f64]) {
    let steps: Vec<_> = (0..length).map(|i| i as f64 + 1.0).collect();
    let inputs = [tensor(&[10.0], &[]), tensor(&[5.0], &[]), tensor(&steps, &[length])];
    let [carry, made] =
        run_all(scan(length, reverse), &inputs).unwrap().try_into().unwrap();
    assert_eq!(carry.item::<f64>(), Ok(last));
    assert_eq!(made.to_vec::<f64>().unwrap(), results);
}

#[test]
fn carries_go_from_step_to_step() {
    check(3, false, 5123.0, &[5.0, 51.0, 512.0]);
    check(3, true, 5321.0, &[532.0, 53.0, 5.0]);
    check(1, false, 51.0, &[5.0]);
    check(0, false, 5.0, &[]);
    check(0, true, 5.0, &[]);
}

#[test]
fn scans_nest() {
    // The inner scan runs over the columns of a row, the outer over rows.
    let mut builder = Builder::new();
    let scalar = Spec::scalar(DType::F64);
    let (factor, carry) = (builder.input(scalar.clone()), builder.input(scalar));
    let row = builder.input(Spec::new(DType::F64, [2]));
    let made = builder.push_all(scan(2, true), &[factor, carry, row]).unwrap();
    let body = Arc::new(builder.finish(made, []).unwrap());
    let outer = Primitive::Scan(Scan {
        body,
        constants: 1,
        carries: 1,
        length: 2,
        reverse: false,
    });
    let rows = tensor(&[1.0, 2.0, 3.0, 4.0], &[2, 2]);
    let inputs = [tensor(&[10.0], &[]), tensor(&[0.0], &[]), rows];
    let [carry, made] = run_all(outer, &inputs).unwrap().try_into().unwrap();
    assert_eq!(carry.item::<f64>(), Ok(2143.0));
    assert_eq!(made.to_vec::<f64>().unwrap(), [2.0, 0.0, 214.0, 21.0]);
}

#[test]
fn sequences_may_be_views() {
    let mut builder = Builder::new();
    let scalar = Spec::scalar(DType::F64);
    let (factor, carry) = (builder.input(scalar.clone()), builder.input(scalar));
    let rows = builder.input(Spec::new(DType::F64, [1, 3]));
    let columns =
        builder.push(Primitive::Transpose { permutation: vec![1, 0] }, &[rows]).unwrap();
    let steps = builder.push(Primitive::Reshape { shape: vec![3] }, &[columns]).unwrap();
    let made = builder.push_all(scan(3, false), &[factor, carry, steps]).unwrap();
    let program = builder.finish(made, []).unwrap();
    let rows = tensor(&[1.0, 2.0, 3.0], &[1, 3]);
    let made = run_program(&program, &[tensor(&[10.0], &[]), tensor(&[0.0], &[]), rows])
        .unwrap();
    assert_eq!(made[0].item::<f64>(), Ok(123.0));
}

#[test]
fn an_error_inside_names_the_innermost_layer() {
    let mut builder = Builder::new();
    let table = builder.input(Spec::new(DType::F32, [2]));
    let index = builder.input(Spec::scalar(DType::I64));
    builder.set_path(&"embedding".into());
    let value = builder.push(Primitive::Gather { axis: 0 }, &[table, index]).unwrap();
    let body = Arc::new(builder.finish([value], []).unwrap());
    let mut builder = Builder::new();
    let table = builder.input(Spec::new(DType::F32, [2]));
    let indices = builder.input(Spec::new(DType::I64, [3]));
    builder.set_path(&"rnn".into());
    let scan = Scan { body, constants: 1, carries: 0, length: 3, reverse: false };
    let made = builder.push(Primitive::Scan(scan), &[table, indices]).unwrap();
    let made = builder.push(Primitive::Unary(Unary::Exp), &[made]).unwrap();
    let program = builder.finish([made], []).unwrap();
    let inputs = [Tensor::zeros(DType::F32, [2]), tensor(&[0i64, 1, 2], &[3])];
    let error = run_program(&program, &inputs).unwrap_err();
    let expected =
        Error::Index { op: "gather".into(), path: "embedding".into(), index: 2, len: 2 };
    assert_eq!(error, expected);
}
