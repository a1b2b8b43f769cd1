//! The reference backend's primitives: index.

use deckle_tensor::{DType, Error, Primitive, Tensor};

use super::{check, run_all, tensor};

fn x() -> Tensor {
    tensor(&[0i32, 1, 2, 10, 11, 12], &[2, 3])
}

#[test]
fn gather_takes_slices_along_any_axis() {
    let at = tensor(&[1i64, 0, 1], &[3]);
    check(
        Primitive::Gather { axis: 0 },
        &[x(), at.clone()],
        &[10, 11, 12, 0, 1, 2, 10, 11, 12],
        &[3, 3],
    );
    check(Primitive::Gather { axis: 1 }, &[x(), at], &[1, 0, 1, 11, 10, 11], &[2, 3]);
    let at = tensor(&[2u8, 0, 1, 1], &[2, 2]);
    check(
        Primitive::Gather { axis: 1 },
        &[x(), at],
        &[2, 0, 1, 1, 12, 10, 11, 11],
        &[2, 2, 2],
    );
    check(
        Primitive::Gather { axis: 0 },
        &[x(), tensor(&[1u32], &[])],
        &[10, 11, 12],
        &[3],
    );
    check::<i32>(
        Primitive::Gather { axis: 0 },
        &[x(), Tensor::zeros(DType::I32, [0])],
        &[],
        &[0, 3],
    );
    check(
        Primitive::Gather { axis: 0 },
        &[tensor(&[true, false], &[2]), tensor(&[1i32], &[1])],
        &[false],
        &[1],
    );
}

#[test]
fn scatter_adds_up_repeated_indices() {
    let at = tensor(&[2i64, 0, 2], &[3]);
    let updates = tensor(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2]);
    let scatter = |axis, len| Primitive::ScatterAdd { axis, len };
    let expected = [3.0f32, 4.0, 0.0, 0.0, 6.0, 8.0, 0.0, 0.0];
    check(scatter(0, 4), &[at.clone(), updates], &expected, &[4, 2]);
    let updates = tensor(&[1i32, 2, 3, 4, 5, 6], &[2, 3]);
    check(scatter(1, 3), &[at, updates], &[2, 0, 4, 5, 0, 10], &[2, 3]);
    let none = Tensor::zeros(DType::I64, [0]);
    check(
        scatter(0, 2),
        &[none, Tensor::zeros(DType::F32, [0, 2])],
        &[0.0f32; 4],
        &[2, 2],
    );
    check(
        scatter(0, 2),
        &[tensor(&[1i32], &[]), tensor(&[7u8], &[1])],
        &[0u8, 7],
        &[2, 1],
    );
}

#[test]
fn gather_along_takes_elements() {
    let at = tensor(&[2i64, 0, 1, 1], &[2, 2]);
    check(Primitive::GatherAlong { axis: 1 }, &[x(), at], &[2, 0, 11, 11], &[2, 2]);
    let at = tensor(&[1i32, 0, 1], &[1, 3]);
    check(Primitive::GatherAlong { axis: 0 }, &[x(), at], &[10, 1, 12], &[1, 3]);
    check::<i32>(
        Primitive::GatherAlong { axis: 1 },
        &[x(), Tensor::zeros(DType::I64, [2, 0])],
        &[],
        &[2, 0],
    );
}

#[test]
fn scatter_add_along_adds_elements() {
    let at = tensor(&[2i64, 2, 1, 0], &[2, 2]);
    let updates = tensor(&[1.0, 2.0, 4.0, 8.0], &[2, 2]);
    let scatter = |axis, len| Primitive::ScatterAddAlong { axis, len };
    check(
        scatter(1, 3),
        &[at.clone(), updates.clone()],
        &[0.0, 0.0, 3.0, 8.0, 4.0, 0.0],
        &[2, 3],
    );
    check(scatter(0, 3), &[at, updates], &[0.0, 8.0, 4.0, 0.0, 1.0, 2.0], &[3, 2]);
}

#[test]
fn an_index_out_of_range_is_an_error_that_names_it() {
    for (index, len) in [(2i64, 2), (-1, 2), (i64::MIN, 2)] {
        let at = tensor(&[0, index], &[2]);
        let along = tensor(&[0, index, 0, 0, 0, 0], &[2, 3]);
        let updates = Tensor::zeros(DType::F32, [2, 3]);
        let errors = [
            run_all(Primitive::Gather { axis: 0 }, &[x(), at.clone()]),
            run_all(Primitive::ScatterAdd { axis: 0, len }, &[at, updates.clone()]),
            run_all(Primitive::GatherAlong { axis: 0 }, &[x(), along.clone()]),
            run_all(Primitive::ScatterAddAlong { axis: 0, len }, &[along, updates]),
        ];
        for error in errors {
            let Err(Error::Index { index: got, len: of, .. }) = error else {
                panic!("no index error: {error:?}");
            };
            assert_eq!((got, of), (index, len));
        }
    }
    let none = run_all(
        Primitive::Gather { axis: 0 },
        &[Tensor::zeros(DType::F32, [0]), tensor(&[0i32], &[1])],
    );
    let text = "`gather`: index out of range\n  expected: 0 <= index < 0\n       got: 0";
    assert_eq!(none.unwrap_err().to_string(), text);
}
