//! Functions of single elements.

use super::{
    Suite,
    data::{Domain, Draft, FLOATS, Feed, INTEGERS, numbers, of_numbers},
};
use crate::{Binary, Compare, DType, Primitive, Tensor, Unary, shape_text};

const SHAPES: [&[usize]; 7] = [&[], &[1], &[7], &[0], &[3, 5], &[2, 0, 3], &[2, 3, 37]];

pub(super) fn check(suite: &mut Suite<'_>) {
    for (i, &unary) in Unary::ALL.iter().enumerate() {
        check_unary(suite, unary, i);
    }
    for (i, &binary) in Binary::ALL.iter().enumerate() {
        check_binary(suite, binary, i);
    }
    for (i, &compare) in Compare::ALL.iter().enumerate() {
        check_compare(suite, compare, i);
    }
    check_select(suite);
    check_cast(suite);
}

/// Numbers at which functions do something special; each type holds them as it can.
const SPECIAL: [f64; 14] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.5,
    1e-3,
    -1e-3,
    90.0,
    -90.0,
    -750.0,
];

/// Where a function is checked, and to how many units of rounding, relative and absolute.
fn domain(unary: Unary) -> (f64, f64, f64, f64) {
    match unary {
        Unary::Sqrt | Unary::Rsqrt => (0.01, 9.0, 4.0, 0.0),
        Unary::Log => (0.01, 9.0, 16.0, 1.0),
        Unary::Log1p => (-0.9, 9.0, 16.0, 0.0),
        Unary::Asin | Unary::Acos => (-1.0, 1.0, 16.0, 1.0),
        Unary::Sin | Unary::Cos => (-8.0, 8.0, 16.0, 2.0),
        Unary::Tan => (-1.4, 1.4, 16.0, 2.0),
        Unary::Acosh => (1.0, 9.0, 16.0, 1.0),
        Unary::Atanh | Unary::Erfinv => (-0.95, 0.95, 16.0, 0.0),
        _ => (-4.0, 4.0, 16.0, 0.0),
    }
}

fn check_unary(suite: &mut Suite<'_>, unary: Unary, first: usize) {
    let (low, high, units, floor) = domain(unary);
    let types = numbers().chain([DType::Bool]);
    for (j, dtype) in types.filter(|&dtype| takes(unary, dtype)).enumerate() {
        for (k, shape) in SHAPES.into_iter().enumerate() {
            let feed = Feed::nth(first + j + k);
            let name = format!("{} {dtype} {} {feed:?}", unary.name(), shape_text(shape));
            let mut draft = Draft::new(name).relative(units, floor);
            let domain = if dtype.is_float() {
                Domain::Between(low, high)
            } else {
                Domain::Between(-100.0, 100.0)
            };
            let x = draft.operand(dtype, shape, domain, feed);
            let y = draft.push(Primitive::Unary(unary), &[x]);
            suite.check(&draft.finish(&[y]));
        }
        if dtype.is_float() {
            let name = format!("{} {dtype} of special numbers", unary.name());
            let mut draft = Draft::new(name).relative(units, floor);
            let x = draft.input_of(of_numbers(dtype, &SPECIAL, &[SPECIAL.len()]));
            let y = draft.push(Primitive::Unary(unary), &[x]);
            suite.check(&draft.finish(&[y]));
        }
    }
}

fn takes(unary: Unary, dtype: DType) -> bool {
    match unary {
        Unary::Neg | Unary::Abs | Unary::Sign | Unary::Square => dtype != DType::Bool,
        Unary::Not => !dtype.is_float(),
        _ => dtype.is_float(),
    }
}

/// Two shapes that broadcast.
const PAIRS: [[&[usize]; 2]; 9] = [
    [&[3, 5], &[3, 5]],
    [&[3, 5], &[5]],
    [&[5], &[3, 5]],
    [&[3, 1], &[1, 5]],
    [&[2, 1, 3], &[4, 1]],
    [&[], &[4]],
    [&[], &[]],
    [&[0, 3], &[3]],
    [&[203], &[203]],
];

fn check_binary(suite: &mut Suite<'_>, binary: Binary, first: usize) {
    let types = numbers().chain([DType::Bool]);
    let takes = |dtype: DType| match binary {
        Binary::And | Binary::Or | Binary::Xor => !dtype.is_float(),
        Binary::Atan2 => dtype.is_float(),
        _ => dtype != DType::Bool,
    };
    for (j, dtype) in types.filter(|&dtype| takes(dtype)).enumerate() {
        let [of_a, of_b] = match (binary, dtype.is_float()) {
            (Binary::Pow, true) => {
                [Domain::Between(0.1, 3.0), Domain::Between(-3.0, 3.0)]
            }
            (Binary::Pow, false) => {
                [Domain::Between(-9.0, 9.0), Domain::Between(-4.0, 40.0)]
            }
            (_, true) => [Domain::Between(-3.0, 3.0); 2],
            // Zero among the divisors, too.
            (_, false) => [Domain::Between(-100.0, 100.0), Domain::Between(-3.0, 3.0)],
        };
        let floor = if binary == Binary::Rem { 8.0 } else { 0.0 };
        for (k, [a, b]) in PAIRS.into_iter().enumerate() {
            let feed = Feed::nth(first + j + k);
            let shapes = format!("{} {}", shape_text(a), shape_text(b));
            let name = format!("{} {dtype} {shapes} {feed:?}", binary.name());
            let mut draft = Draft::new(name).relative(16.0, floor);
            let a = draft.operand(dtype, a, of_a, feed);
            let b = draft.operand(dtype, b, of_b, Feed::nth(first + k));
            let y = draft.push(Primitive::Binary(binary), &[a, b]);
            suite.check(&draft.finish(&[y]));
        }
        let special: &[f64] = match dtype {
            DType::Bool => &[0.0, 1.0],
            DType::I32 => &[-2_147_483_648.0, 2_147_483_647.0, 0.0, -1.0, 1.0],
            DType::I64 => &[i64::MIN as f64, 0.0, -1.0, 1.0],
            DType::U8 => &[0.0, 1.0, 255.0],
            DType::U32 => &[0.0, 1.0, 4_294_967_295.0],
            _ => &SPECIAL[..9],
        };
        let name = format!("{} {dtype} of special numbers", binary.name());
        let mut draft = Draft::new(name).relative(16.0, floor);
        let (rows, columns) = (&[special.len(), 1], &[special.len()]);
        let a = draft.input_of(of_numbers(dtype, special, rows));
        let b = draft.input_of(of_numbers(dtype, special, columns));
        let y = draft.push(Primitive::Binary(binary), &[a, b]);
        suite.check(&draft.finish(&[y]));
    }
    let name = format!("{} of one value with itself", binary.name());
    let mut draft = Draft::new(name).relative(16.0, 0.0);
    let dtype = if takes(DType::F32) { DType::F32 } else { DType::I32 };
    let x = draft.input(dtype, &[9], Domain::Between(0.5, 3.0));
    let y = draft.push(Primitive::Binary(binary), &[x, x]);
    suite.check(&draft.finish(&[y]));
}

fn check_compare(suite: &mut Suite<'_>, compare: Compare, first: usize) {
    for (j, dtype) in numbers().chain([DType::Bool]).enumerate() {
        for (k, [a, b]) in PAIRS.into_iter().enumerate() {
            let feed = Feed::nth(first + j + k);
            let shapes = format!("{} {}", shape_text(a), shape_text(b));
            let mut draft =
                Draft::new(format!("{} {dtype} {shapes} {feed:?}", compare.name()));
            let a = draft.operand(dtype, a, Domain::Below(3), feed);
            let b = draft.operand(dtype, b, Domain::Below(3), Feed::nth(first + k));
            let y = draft.push(Primitive::Compare(compare), &[a, b]);
            suite.check(&draft.finish(&[y]));
        }
    }
    for dtype in FLOATS {
        let name = format!("{} {dtype} of special numbers", compare.name());
        let mut draft = Draft::new(name);
        let a = draft.input_of(of_numbers(dtype, &SPECIAL, &[SPECIAL.len(), 1]));
        let b = draft.input_of(of_numbers(dtype, &SPECIAL, &[SPECIAL.len()]));
        let y = draft.push(Primitive::Compare(compare), &[a, b]);
        suite.check(&draft.finish(&[y]));
    }
    let mut draft = Draft::new(format!("{} int64 beyond 2⁵³", compare.name()));
    let a = draft.input_of(Tensor::full([1], i64::MAX));
    let b = draft.input_of(Tensor::full([1], i64::MAX - 1));
    let y = draft.push(Primitive::Compare(compare), &[a, b]);
    suite.check(&draft.finish(&[y]));
}

fn check_select(suite: &mut Suite<'_>) {
    let shapes: [[&[usize]; 3]; 6] = [
        [&[3, 5], &[3, 5], &[3, 5]],
        [&[3, 1], &[5], &[]],
        [&[], &[3, 5], &[5]],
        [&[5], &[2, 1, 1], &[3, 1]],
        [&[0], &[1], &[]],
        [&[131], &[131], &[131]],
    ];
    for (j, dtype) in numbers().chain([DType::Bool]).enumerate() {
        for (k, [condition, a, b]) in shapes.into_iter().enumerate() {
            let feed = Feed::nth(j + k);
            let name = format!("select {dtype} {} {feed:?}", shape_text(condition));
            let mut draft = Draft::new(name).relative(0.0, 0.0);
            let domain = Domain::Between(-50.0, 50.0);
            let condition = draft.operand(DType::Bool, condition, domain, feed);
            let a = draft.operand(dtype, a, domain, Feed::nth(j + 2 * k));
            let b = draft.operand(dtype, b, domain, Feed::nth(j + 3 * k));
            let y = draft.push(Primitive::Select, &[condition, a, b]);
            suite.check(&draft.finish(&[y]));
        }
    }
    // What is not chosen does not matter, not even NaN.
    let mut draft = Draft::new("select beside nan").relative(0.0, 0.0);
    let condition = draft.input_of(of_numbers(DType::Bool, &[1.0, 0.0], &[2]));
    let a = draft.input_of(of_numbers(DType::F32, &[1.0, f64::NAN], &[2]));
    let b = draft.input_of(of_numbers(DType::F32, &[f64::NAN, 2.0], &[2]));
    let y = draft.push(Primitive::Select, &[condition, a, b]);
    suite.check(&draft.finish(&[y]));
}

fn check_cast(suite: &mut Suite<'_>) {
    for (i, from) in DType::ALL.into_iter().enumerate() {
        for (j, to) in DType::ALL.into_iter().enumerate() {
            let cast = |suite: &mut Suite<'_>, mut draft: Draft, x| {
                let y = draft.push(Primitive::Cast(to), &[x]);
                suite.check(&draft.finish(&[y]));
            };
            let feed = Feed::nth(i + j);
            let name = format!("cast {from} to {to} {feed:?}");
            let mut draft = Draft::new(name).relative(1.0, 0.0);
            let x = draft.operand(from, &[3, 19], Domain::Between(-200.0, 500.0), feed);
            cast(suite, draft, x);
            // Small numbers, most of which truncate to zero.
            let mut draft =
                Draft::new(format!("cast {from} to {to} small")).relative(1.0, 0.0);
            let x = draft.input(from, &[33], Domain::Between(-1.9, 1.9));
            cast(suite, draft, x);
            let mut special = vec![0.0, 1.0, 300.0, -1.0];
            if from.is_float() {
                special.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 3e9, -3e9]);
            }
            let name = format!("cast {from} to {to} special");
            let mut draft = Draft::new(name).relative(1.0, 0.0);
            let x = draft.input_of(of_numbers(from, &special, &[special.len()]));
            cast(suite, draft, x);
        }
    }
    for dtype in INTEGERS {
        let mut draft = Draft::new(format!("cast int64 to {dtype} wraps"));
        let x = draft.input_of(Tensor::full([1], 0x1_2345_6789_abcd_i64));
        let y = draft.push(Primitive::Cast(dtype), &[x]);
        suite.check(&draft.finish(&[y]));
    }
}
