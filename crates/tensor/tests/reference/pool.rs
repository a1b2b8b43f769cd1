//! The reference backend's primitives: pool.

use deckle_tensor::{DType, Pool, Primitive, Tensor};

use super::{check, run, tensor};

fn pool(window: usize, strides: usize, padding: (usize, usize)) -> Pool {
    Pool { window: vec![window], strides: vec![strides], padding: vec![padding] }
}

fn x() -> Tensor {
    tensor(&[1.0f32, -1.0, 5.0, -5.0, 5.0, -2.0, 0.0, -7.0], &[1, 4, 2])
}

#[test]
fn maxima_ignore_cells_outside() {
    check(
        Primitive::MaxPool(pool(2, 2, (0, 0))),
        &[x()],
        &[5.0f32, -1.0, 5.0, -2.0],
        &[1, 2, 2],
    );
    check(
        Primitive::MaxPool(pool(2, 3, (1, 1))),
        &[x()],
        &[1.0f32, -1.0, 5.0, -2.0],
        &[1, 2, 2],
    );
    // A window in the padding only.
    let y = [f32::NEG_INFINITY, f32::NEG_INFINITY, 1.0, -1.0];
    check(
        Primitive::MaxPool(pool(1, 2, (2, 0))),
        &[tensor(&[1.0f32, -1.0], &[1, 1, 2])],
        &y,
        &[1, 2, 2],
    );
    let bytes = tensor(&[3u8, 9], &[1, 2, 1]);
    check(Primitive::MaxPool(pool(1, 1, (1, 0))), &[bytes], &[0u8, 3, 9], &[1, 3, 1]);
    let y = run(
        Primitive::MaxPool(pool(3, 1, (0, 0))),
        &[tensor(&[1.0, f64::NAN, 2.0], &[1, 3, 1])],
    );
    assert!(y.to_vec::<f64>().unwrap()[0].is_nan());
}

#[test]
fn values_are_taken_from_the_first_largest_cell() {
    let values = tensor(&[10i32, 11, 12, 13, 14, 15, 16, 17], &[1, 4, 2]);
    check(
        Primitive::MaxPoolGather(pool(3, 1, (0, 0))),
        &[x(), values.clone()],
        &[12, 11, 12, 15],
        &[1, 2, 2],
    );
    check(
        Primitive::MaxPoolGather(pool(1, 5, (2, 0))),
        &[x(), values],
        &[0, 0, 16, 17],
        &[1, 2, 2],
    );
    let nan = tensor(&[1.0, f64::NAN, 2.0, f64::NAN], &[1, 4, 1]);
    check(
        Primitive::MaxPoolGather(pool(4, 1, (0, 0))),
        &[nan, tensor(&[1i32, 2, 3, 4], &[1, 4, 1])],
        &[2],
        &[1, 1, 1],
    );
}

#[test]
fn gradients_go_to_the_first_largest_cell_and_add_up() {
    let dy = tensor(&[1.0f32, 2.0, 4.0, 8.0], &[1, 2, 2]);
    let expected = [0.0f32, 2.0, 5.0, 0.0, 0.0, 8.0, 0.0, 0.0];
    check(
        Primitive::MaxPoolScatter(pool(3, 1, (0, 0))),
        &[x(), dy],
        &expected,
        &[1, 4, 2],
    );
}

#[test]
fn means_count_the_cells_inside() {
    let x = tensor(&[1.0, 2.0, 6.0], &[1, 3, 1]);
    check(
        Primitive::AveragePool(pool(2, 1, (0, 0))),
        &[x.clone()],
        &[1.5, 4.0],
        &[1, 2, 1],
    );
    check(
        Primitive::AveragePool(pool(3, 2, (1, 1))),
        &[x.clone()],
        &[1.5, 4.0],
        &[1, 2, 1],
    );
    check(Primitive::AveragePool(pool(1, 4, (1, 0))), &[x], &[0.0], &[1, 1, 1]);
}

#[test]
fn gradients_of_means_are_shared_by_the_cells_inside() {
    let dy = tensor(&[2.0f32, 8.0], &[1, 2, 1]);
    let to_input = |pool| Primitive::AveragePoolToInput { pool, spatial: vec![3] };
    check(to_input(pool(2, 1, (0, 0))), &[dy.clone()], &[1.0f32, 5.0, 4.0], &[1, 3, 1]);
    check(to_input(pool(3, 2, (1, 1))), &[dy], &[1.0f32, 5.0, 4.0], &[1, 3, 1]);
}

#[test]
fn windows_in_two_dimensions() {
    let x: Vec<_> = (0..12).map(|i| f64::from(i * 7 % 12)).collect();
    // 0 7 2 9 / 4 11 6 1 / 8 3 10 5
    let x = tensor(&x, &[1, 3, 4, 1]);
    let pool =
        Pool { window: vec![2, 2], strides: vec![1, 2], padding: vec![(0, 0), (0, 0)] };
    check(
        Primitive::MaxPool(pool.clone()),
        &[x.clone()],
        &[11.0, 9.0, 11.0, 10.0],
        &[1, 2, 2, 1],
    );
    check(
        Primitive::AveragePool(pool.clone()),
        &[x],
        &[5.5, 4.5, 6.5, 5.5],
        &[1, 2, 2, 1],
    );
    check::<f32>(
        Primitive::MaxPool(pool),
        &[Tensor::zeros(DType::F32, [0, 3, 4, 1])],
        &[],
        &[0, 2, 2, 1],
    );
}
