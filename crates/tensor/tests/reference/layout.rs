//! The reference backend's primitives: layout.

use deckle_tensor::{DType, Primitive, SliceAxis, Tensor};

use super::{check, tensor};

fn x() -> Tensor {
    tensor(&[0i32, 1, 2, 3, 4, 5], &[2, 3])
}

#[test]
fn iota_counts_along_its_axis() {
    let iota = |shape: &[usize], axis, dtype| Primitive::Iota {
        shape: shape.to_vec(),
        axis,
        dtype,
    };
    check(iota(&[2, 3], 1, DType::I64), &[], &[0i64, 1, 2, 0, 1, 2], &[2, 3]);
    check(iota(&[2, 3], 0, DType::F32), &[], &[0.0f32, 0.0, 0.0, 1.0, 1.0, 1.0], &[2, 3]);
    check(
        iota(&[257], 0, DType::U8),
        &[],
        &(0..257).map(|i| i as u8).collect::<Vec<_>>(),
        &[257],
    );
    check::<i32>(iota(&[0, 3], 1, DType::I32), &[], &[], &[0, 3]);
    check::<i32>(iota(&[3, 0], 0, DType::I32), &[], &[], &[3, 0]);
}

#[test]
fn constants_stay_as_they_are() {
    check(Primitive::Constant(x()), &[], &[0, 1, 2, 3, 4, 5], &[2, 3]);
}

#[test]
fn padding_surrounds() {
    let pad = |padding: &[(usize, usize)]| Primitive::Pad { padding: padding.to_vec() };
    let nine = tensor(&[9i32], &[]);
    check(
        pad(&[(1, 0), (0, 2)]),
        &[x(), nine.clone()],
        &[9, 9, 9, 9, 9, 0, 1, 2, 9, 9, 3, 4, 5, 9, 9],
        &[3, 5],
    );
    check(pad(&[(1, 1)]), &[Tensor::zeros(DType::I32, [0]), nine.clone()], &[9, 9], &[2]);
    check(pad(&[]), &[tensor(&[4i32], &[]), nine], &[4], &[]);
}

#[test]
fn slices_step_either_way() {
    let axis = |start, len, step| SliceAxis { start, len, step };
    let slice = |axes: &[SliceAxis]| Primitive::Slice(axes.to_vec());
    check(slice(&[axis(1, 1, 1), axis(0, 2, 2)]), &[x()], &[3, 5], &[1, 2]);
    check(slice(&[axis(1, 2, -1), axis(2, 3, -1)]), &[x()], &[5, 4, 3, 2, 1, 0], &[2, 3]);
    check(slice(&[SliceAxis::all(2), axis(1, 1, isize::MIN)]), &[x()], &[1, 4], &[2, 1]);
    // A step that is never made need not fit.
    check(
        slice(&[axis(1, 1, isize::MIN), SliceAxis::all(3)]),
        &[x()],
        &[3, 4, 5],
        &[1, 3],
    );
    check::<i32>(slice(&[axis(5, 0, 1), SliceAxis::all(3)]), &[x()], &[], &[0, 3]);
}

#[test]
fn parts_join_along_an_axis() {
    let y = tensor(&[7i32, 8], &[2, 1]);
    check(
        Primitive::Concat { axis: 1 },
        &[x(), y.clone(), y],
        &[0, 1, 2, 7, 7, 3, 4, 5, 8, 8],
        &[2, 5],
    );
    check(
        Primitive::Concat { axis: 0 },
        &[Tensor::zeros(DType::I32, [0, 3]), x()],
        &[0, 1, 2, 3, 4, 5],
        &[2, 3],
    );
}

#[test]
fn axes_move_repeat_and_reshape() {
    let x3: Vec<_> = (0..24).collect();
    let x3 = tensor::<i32>(&x3, &[2, 3, 4]);
    let y: Vec<_> = (0..4)
        .flat_map(|k| (0..2).flat_map(move |i| (0..3).map(move |j| i * 12 + j * 4 + k)))
        .collect();
    check(Primitive::Transpose { permutation: vec![2, 0, 1] }, &[x3], &y, &[4, 2, 3]);
    check(
        Primitive::Broadcast { shape: vec![2, 2, 3] },
        &[x()],
        &[0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5],
        &[2, 2, 3],
    );
    check(
        Primitive::Broadcast { shape: vec![2, 2] },
        &[tensor(&[1u8, 2], &[2, 1])],
        &[1u8, 1, 2, 2],
        &[2, 2],
    );
    check::<u8>(
        Primitive::Broadcast { shape: vec![0, 2] },
        &[tensor(&[1u8], &[])],
        &[],
        &[0, 2],
    );
    check(
        Primitive::Reshape { shape: vec![3, 1, 2] },
        &[x()],
        &[0, 1, 2, 3, 4, 5],
        &[3, 1, 2],
    );
    check::<f32>(
        Primitive::Reshape { shape: vec![4, 0] },
        &[Tensor::zeros(DType::F32, [0, 7])],
        &[],
        &[4, 0],
    );
}
