//! The reference backend's primitives: run.

use std::{collections::BTreeMap, sync::Arc};

use deckle_tensor::{
    Backend, Binary, Buffer, Builder, Composite, DType, Primitive, Reference, Spec,
    Tensor, Unary,
};

use super::{buffer, read, run_program, tensor};

fn spec() -> Spec {
    Spec::new(DType::F32, [2])
}

fn values(buffer: &Buffer) -> Vec<f32> {
    read(buffer).to_vec().unwrap()
}

#[test]
fn variables_swap() {
    let mut builder = Builder::new();
    let (a, b) = (builder.variable(spec()), builder.variable(spec()));
    let program = builder.finish([a, b], [(0, b), (1, a)]).unwrap();
    let variables =
        [buffer(&tensor(&[1.0f32, 2.0], &[2])), buffer(&tensor(&[3.0f32, 4.0], &[2]))];
    let outputs = [0; 2].map(|_| Reference::new().allocate(&spec()).unwrap());
    let executable = Reference::new().compile(&program).unwrap();
    executable.run(&[], &variables, &outputs).unwrap();
    assert_eq!(variables.each_ref().map(values), [[3.0, 4.0], [1.0, 2.0]]);
    assert_eq!(outputs.each_ref().map(values), [[1.0, 2.0], [3.0, 4.0]]);
    executable.run(&[], &variables, &outputs).unwrap();
    assert_eq!(variables.each_ref().map(values), [[1.0, 2.0], [3.0, 4.0]]);
}

#[test]
fn an_error_changes_no_variable() {
    let mut builder = Builder::new();
    let x = builder.variable(spec());
    let index = builder.input(Spec::scalar(DType::I64));
    let doubled = builder.push(Primitive::Binary(Binary::Add), &[x, x]).unwrap();
    let y = builder.push(Primitive::Gather { axis: 0 }, &[x, index]).unwrap();
    let program = builder.finish([y], [(0, doubled)]).unwrap();
    let executable = Reference::new().compile(&program).unwrap();
    let variable = buffer(&tensor(&[1.0f32, 2.0], &[2]));
    let output = Reference::new().allocate(&Spec::scalar(DType::F32)).unwrap();
    let run = |index: i64| {
        executable.run(
            &[buffer(&Tensor::scalar(index))],
            &[variable.clone()],
            &[output.clone()],
        )
    };
    assert!(run(2).is_err());
    assert_eq!(values(&variable), [1.0, 2.0]);
    run(1).unwrap();
    assert_eq!((values(&variable), values(&output)), (vec![2.0, 4.0], vec![2.0]));
}

#[test]
fn buffers_in_use_and_foreign_buffers_are_errors() {
    let mut builder = Builder::new();
    let x = builder.input(spec());
    let program = builder.finish([x], []).unwrap();
    let executable = Reference::new().compile(&program).unwrap();
    let x = buffer(&tensor(&[1.0f32, 2.0], &[2]));
    let error = executable.run(&[x.clone()], &[], &[x.clone()]).unwrap_err();
    assert!(error.to_string().contains("which is in use"), "{error}");
    let foreign = Buffer::new(spec(), Arc::new(7));
    let error = executable.run(&[x.clone()], &[], &[foreign.clone()]).unwrap_err();
    assert!(error.to_string().contains("of another backend"), "{error}");
    assert!(Reference::new().write(&Tensor::zeros(DType::F32, [2]), &foreign).is_err());
    assert!(
        Reference::new().read(&foreign, &mut Tensor::zeros(DType::F32, [2])).is_err()
    );
    // The failed runs hold on to nothing.
    let output = Reference::new().allocate(&spec()).unwrap();
    executable.run(&[x], &[], &[output.clone()]).unwrap();
    assert_eq!(values(&output), [1.0, 2.0]);
}

#[test]
fn buffers_of_another_spec_or_number_are_errors() {
    let mut builder = Builder::new();
    let x = builder.input(spec());
    let program = builder.finish([x], []).unwrap();
    let executable = Reference::new().compile(&program).unwrap();
    let good = || Reference::new().allocate(&spec()).unwrap();
    let other = Reference::new().allocate(&Spec::new(DType::F64, [2])).unwrap();
    let error = executable.run(&[other.clone()], &[], &[good()]).unwrap_err();
    let text = "`run`: cannot take this input\n  expected: float32 (2,) as 0 of the inputs\n       got: float64 (2,)";
    assert_eq!(error.to_string(), text);
    assert!(executable.run(&[good()], &[], &[other]).is_err());
    assert!(executable.run(&[], &[], &[good()]).is_err());
    assert!(executable.run(&[good()], &[good()], &[good()]).is_err());
    assert!(Reference::new().write(&Tensor::zeros(DType::F32, [3]), &good()).is_err());
}

#[test]
fn composites_mean_their_body() {
    let mut body = Builder::new();
    let x = body.input(spec());
    let square = body.push(Primitive::Unary(Unary::Square), &[x]).unwrap();
    let double = body.push(Primitive::Binary(Binary::Add), &[x, x]).unwrap();
    let body = Arc::new(body.finish([square, double], []).unwrap());
    let mut builder = Builder::new();
    let x = builder.input(spec());
    let composite = Composite { name: "both".into(), attributes: BTreeMap::new(), body };
    let made = builder.push_composite(composite, &[x]).unwrap();
    let sum = builder.push(Primitive::Binary(Binary::Add), &made).unwrap();
    let program = builder.finish([sum], []).unwrap();
    let made = run_program(&program, &[tensor(&[3.0f32, -1.0], &[2])]).unwrap();
    assert_eq!(made[0].to_vec::<f32>().unwrap(), [15.0, -1.0]);
}

#[test]
fn outputs_do_not_change_with_their_source() {
    let (a, b) = (
        buffer(&tensor(&[1.0f32, 2.0], &[2])),
        Reference::new().allocate(&spec()).unwrap(),
    );
    let mut builder = Builder::new();
    let x = builder.input(spec());
    let program = builder.finish([x], []).unwrap();
    Reference::new()
        .compile(&program)
        .unwrap()
        .run(&[a.clone()], &[], &[b.clone()])
        .unwrap();
    let mut seen = read(&b);
    Reference::new().write(&tensor(&[5.0f32, 6.0], &[2]), &a).unwrap();
    assert_eq!(values(&b), [1.0, 2.0]);
    seen.make_mut::<f32>()[0] = 9.0;
    assert_eq!(values(&b), [1.0, 2.0]);
}

#[test]
fn memory_that_cannot_exist_is_an_error() {
    assert!(Reference::new().allocate(&Spec::new(DType::F64, [usize::MAX, 2])).is_err());
    assert!(Reference::new().allocate(&Spec::new(DType::F64, [1 << 55])).is_err());
}
