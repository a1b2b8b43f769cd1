//! The reference backend's primitives: reduce.

use deckle_tensor::{DType, Primitive, Reduction, Tensor, bf16, f16};

use super::{check, run, run_all, tensor};

fn reduce(reduction: Reduction, axes: &[usize]) -> Primitive {
    Primitive::Reduce { reduction, axes: axes.to_vec() }
}

#[test]
fn sums_and_products_over_any_axes() {
    let x = tensor(
        &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0],
        &[2, 3, 2],
    );
    check(
        reduce(Reduction::Sum, &[0]),
        &[x.clone()],
        &[8.0f32, 10.0, 12.0, 14.0, 16.0, 18.0],
        &[3, 2],
    );
    check(reduce(Reduction::Sum, &[0, 2]), &[x.clone()], &[18.0f32, 26.0, 34.0], &[3]);
    check(reduce(Reduction::Sum, &[0, 1, 2]), &[x.clone()], &[78.0f32], &[]);
    check(
        reduce(Reduction::Sum, &[]),
        &[x.clone()],
        &x.to_vec::<f32>().unwrap(),
        &[2, 3, 2],
    );
    check(
        reduce(Reduction::Product, &[1]),
        &[x.clone()],
        &[15.0f32, 48.0, 693.0, 960.0],
        &[2, 2],
    );
    check(reduce(Reduction::Max, &[1, 2]), &[x.clone()], &[6.0f32, 12.0], &[2]);
    check(reduce(Reduction::Min, &[0, 1]), &[x], &[1.0f32, 2.0], &[2]);
}

#[test]
fn of_nothing_each_reduction_has_its_neutral_element() {
    let x = Tensor::zeros(DType::F32, [2, 0]);
    check(reduce(Reduction::Sum, &[1]), &[x.clone()], &[0.0f32; 2], &[2]);
    check(reduce(Reduction::Product, &[1]), &[x.clone()], &[1.0f32; 2], &[2]);
    check(reduce(Reduction::Max, &[1]), &[x.clone()], &[f32::NEG_INFINITY; 2], &[2]);
    check(reduce(Reduction::Min, &[1]), &[x.clone()], &[f32::INFINITY; 2], &[2]);
    check::<f32>(reduce(Reduction::Max, &[0]), &[x], &[], &[0]);
    let bools = Tensor::zeros(DType::Bool, [0]);
    check(reduce(Reduction::All, &[0]), &[bools.clone()], &[true], &[]);
    check(reduce(Reduction::Any, &[0]), &[bools], &[false], &[]);
    check(
        reduce(Reduction::Max, &[0]),
        &[Tensor::zeros(DType::I32, [0])],
        &[i32::MIN],
        &[],
    );
    check(
        reduce(Reduction::Min, &[0]),
        &[Tensor::zeros(DType::I64, [0])],
        &[i64::MAX],
        &[],
    );
    check(reduce(Reduction::Max, &[0]), &[Tensor::zeros(DType::U8, [0])], &[0u8], &[]);
    check(
        reduce(Reduction::Min, &[0]),
        &[Tensor::zeros(DType::U32, [0])],
        &[u32::MAX],
        &[],
    );
    check(
        reduce(Reduction::Max, &[0]),
        &[Tensor::zeros(DType::F16, [0])],
        &[f16::NEG_INFINITY],
        &[],
    );
}

#[test]
fn nan_wins_extremes() {
    let x = tensor(&[1.0, f64::NAN, 3.0], &[3]);
    for reduction in [Reduction::Max, Reduction::Min] {
        assert!(
            run(reduce(reduction, &[0]), &[x.clone()]).item::<f64>().unwrap().is_nan()
        );
    }
}

#[test]
fn integer_sums_wrap_and_half_sums_accumulate_wider() {
    check(reduce(Reduction::Sum, &[0]), &[tensor(&[200u8, 100], &[2])], &[44u8], &[]);
    check(
        reduce(Reduction::Product, &[0]),
        &[tensor(&[i32::MAX, 2], &[2])],
        &[-2i32],
        &[],
    );
    // In bfloat16 itself a sum of ones stops at 256.
    let ones = Tensor::full([1000], bf16::from_f32(1.0));
    check(reduce(Reduction::Sum, &[0]), &[ones], &[bf16::from_f32(1000.0)], &[]);
    let ones = Tensor::full([4096], f16::from_f32(1.0));
    check(reduce(Reduction::Sum, &[0]), &[ones], &[f16::from_f32(4096.0)], &[]);
}

#[test]
fn all_and_any() {
    let x = tensor(&[true, true, false, true, false, false], &[3, 2]);
    check(reduce(Reduction::All, &[1]), &[x.clone()], &[true, false, false], &[3]);
    check(reduce(Reduction::Any, &[1]), &[x], &[true, true, false], &[3]);
}

#[test]
fn positions_of_extremes_are_the_first_and_those_of_nan() {
    let arg = |largest, axis| Primitive::ArgReduce { largest, axis };
    let x = tensor(&[1.0f32, 3.0, 3.0, 0.0, 0.0, 2.0], &[2, 3]);
    check(arg(true, 1), &[x.clone()], &[1i64, 2], &[2]);
    check(arg(false, 1), &[x.clone()], &[0i64, 0], &[2]);
    check(arg(true, 0), &[x], &[0i64, 0, 0], &[3]);
    let x = tensor(&[1.0, f64::NAN, 9.0, f64::NAN], &[4]);
    check(arg(true, 0), &[x.clone()], &[1i64], &[]);
    check(arg(false, 0), &[x], &[1i64], &[]);
    check::<i64>(arg(true, 1), &[Tensor::zeros(DType::F32, [0, 3])], &[], &[0]);
    assert!(run_all(arg(true, 1), &[Tensor::zeros(DType::F32, [3, 0])]).is_err());
}

#[test]
fn running_sums_in_both_directions() {
    let sum = |axis, exclusive, reverse| Primitive::CumSum { axis, exclusive, reverse };
    let x = tensor(&[1i32, 2, 3, 4, 5, 6], &[2, 3]);
    check(sum(1, false, false), &[x.clone()], &[1, 3, 6, 4, 9, 15], &[2, 3]);
    check(sum(1, true, false), &[x.clone()], &[0, 1, 3, 0, 4, 9], &[2, 3]);
    check(sum(1, false, true), &[x.clone()], &[6, 5, 3, 15, 11, 6], &[2, 3]);
    check(sum(1, true, true), &[x.clone()], &[5, 3, 0, 11, 6, 0], &[2, 3]);
    check(sum(0, false, false), &[x], &[1, 2, 3, 5, 7, 9], &[2, 3]);
    check::<f32>(
        sum(1, false, false),
        &[Tensor::zeros(DType::F32, [2, 0])],
        &[],
        &[2, 0],
    );
}

#[track_caller]
fn check_both(
    primitive: Primitive,
    x: Tensor,
    values: &[f32],
    positions: &[i64],
    shape: &[usize],
) {
    let [y, at] = run_all(primitive, &[x]).unwrap().try_into().unwrap();
    assert_eq!((y.shape(), at.shape()), (shape, shape));
    assert_eq!(format!("{:?}", y.to_vec::<f32>().unwrap()), format!("{values:?}"));
    assert_eq!(at.to_vec::<i64>().unwrap(), positions);
}

#[test]
fn sorting_is_stable_and_knows_nan() {
    let sort = |axis, descending| Primitive::Sort { axis, descending };
    let nan = f32::NAN;
    let x = tensor(&[2.0, nan, 1.0, 2.0, -1.0], &[5]);
    check_both(
        sort(0, false),
        x.clone(),
        &[-1.0, 1.0, 2.0, 2.0, nan],
        &[4, 2, 0, 3, 1],
        &[5],
    );
    check_both(sort(0, true), x, &[nan, 2.0, 2.0, 1.0, -1.0], &[1, 0, 3, 2, 4], &[5]);
    let x = tensor(&[3.0f32, 1.0, 2.0, 5.0], &[2, 2]);
    check_both(sort(0, false), x, &[2.0, 1.0, 3.0, 5.0], &[1, 0, 0, 1], &[2, 2]);
    check_both(sort(1, false), Tensor::zeros(DType::F32, [2, 0]), &[], &[], &[2, 0]);
}

#[test]
fn the_largest_come_first_and_of_equals_the_first() {
    let top = |k| Primitive::TopK { k };
    let x = tensor(&[1.0f32, 4.0, 4.0, 2.0, 9.0, 0.0, 9.0, 9.0], &[2, 4]);
    check_both(top(2), x.clone(), &[4.0, 4.0, 9.0, 9.0], &[1, 2, 0, 2], &[2, 2]);
    check_both(top(0), x.clone(), &[], &[], &[2, 0]);
    check_both(
        top(4),
        x,
        &[4.0, 4.0, 2.0, 1.0, 9.0, 9.0, 9.0, 0.0],
        &[1, 2, 3, 0, 0, 2, 3, 1],
        &[2, 4],
    );
}
