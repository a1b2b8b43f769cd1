//! The reference backend's primitives: element-wise.

use deckle_tensor::{
    Binary, Compare, DType, Distribution, Primitive, Tensor, Unary, bf16, f16,
    random::Draw,
};

use super::{check, run, tensor};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

#[test]
fn functions_of_one_float_agree_with_mpmath() {
    let mut seen = Vec::new();
    for line in include_str!("unary.txt").lines().skip(1) {
        let [name, x, expected] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let unary = *Unary::ALL.iter().find(|unary| unary.name() == name).unwrap();
        let (x, expected) = (x.parse::<f64>().unwrap(), expected.parse::<f64>().unwrap());
        seen.push(unary);
        for (dtype, bound) in [
            (DType::F64, 1e-15),
            (DType::F32, 1e-7),
            (DType::F16, 6e-4),
            (DType::BF16, 4e-3),
        ] {
            let narrow = Tensor::scalar(x).cast(dtype);
            // Where the type cannot hold x itself, nothing is promised.
            if narrow.cast(DType::F64).item() != Ok(x) && !x.is_nan() {
                continue;
            }
            let got = run(Primitive::Unary(unary), &[narrow]).cast(DType::F64);
            let got = got.item::<f64>().unwrap();
            let least = if dtype == DType::F16 { 6e-8 } else { 1e-40 };
            let close = (got - expected).abs() <= bound * expected.abs() + least;
            let same = got.to_bits() == expected.to_bits();
            let nan = got.is_nan() && expected.is_nan();
            assert!(
                close || same || nan,
                "{name}({x}) as {dtype}: {got}, not {expected}"
            );
        }
    }
    seen.sort_unstable();
    seen.dedup();
    // The table has all but those that are exact, which the tests below check.
    assert_eq!(seen.len(), Unary::ALL.len() - 7);
}

#[test]
fn rounding_goes_to_even_and_signs_stay() {
    let x = [-1.5, -0.5, 0.5, 1.5, 2.5, -2.7];
    check(
        Primitive::Unary(Unary::Round),
        &[tensor(&x, &[6])],
        &[-2.0, -0.0, 0.0, 2.0, 2.0, -3.0],
        &[6],
    );
    check(
        Primitive::Unary(Unary::Floor),
        &[tensor(&x, &[6])],
        &[-2.0, -1.0, 0.0, 1.0, 2.0, -3.0],
        &[6],
    );
    check(
        Primitive::Unary(Unary::Ceil),
        &[tensor(&x, &[6])],
        &[-1.0, -0.0, 1.0, 2.0, 3.0, -2.0],
        &[6],
    );
    check(
        Primitive::Unary(Unary::Sign),
        &[tensor(&x, &[6])],
        &[-1.0, -1.0, 1.0, 1.0, 1.0, -1.0],
        &[6],
    );
    assert!(
        run(Primitive::Unary(Unary::Sign), &[tensor(&[NAN], &[])])
            .item::<f64>()
            .unwrap()
            .is_nan()
    );
}

#[test]
fn integers_wrap() {
    let x = tensor(&[i32::MIN, -3, 0, 7], &[4]);
    check(Primitive::Unary(Unary::Neg), &[x.clone()], &[i32::MIN, 3, 0, -7], &[4]);
    check(Primitive::Unary(Unary::Abs), &[x.clone()], &[i32::MIN, 3, 0, 7], &[4]);
    check(Primitive::Unary(Unary::Sign), &[x.clone()], &[-1, -1, 0, 1], &[4]);
    check(Primitive::Unary(Unary::Square), &[x.clone()], &[0, 9, 0, 49], &[4]);
    check(Primitive::Unary(Unary::Not), &[x], &[i32::MAX, 2, -1, -8], &[4]);
    let bytes = tensor(&[0u8, 1, 200], &[3]);
    check(Primitive::Unary(Unary::Neg), &[bytes.clone()], &[0u8, 255, 56], &[3]);
    check(Primitive::Unary(Unary::Not), &[bytes.clone()], &[255u8, 254, 55], &[3]);
    let hundred = tensor(&[100u8], &[1]);
    check(
        Primitive::Binary(Binary::Add),
        &[bytes.clone(), hundred.clone()],
        &[100u8, 101, 44],
        &[3],
    );
    check(
        Primitive::Binary(Binary::Sub),
        &[bytes.clone(), hundred.clone()],
        &[156u8, 157, 100],
        &[3],
    );
    check(Primitive::Binary(Binary::Mul), &[bytes, hundred], &[0u8, 100, 32], &[3]);
    let (least, minus) = (tensor(&[i64::MIN], &[]), tensor(&[-1i64], &[]));
    check(
        Primitive::Binary(Binary::Div),
        &[least.clone(), minus.clone()],
        &[i64::MIN],
        &[],
    );
    check(Primitive::Binary(Binary::Rem), &[least, minus], &[0i64], &[]);
}

#[test]
fn logic_is_for_bools_and_bits() {
    let (a, b) = (
        tensor(&[false, false, true, true], &[4]),
        tensor(&[false, true, false, true], &[4]),
    );
    check(Primitive::Unary(Unary::Not), &[a.clone()], &[true, true, false, false], &[4]);
    check(
        Primitive::Binary(Binary::And),
        &[a.clone(), b.clone()],
        &[false, false, false, true],
        &[4],
    );
    check(
        Primitive::Binary(Binary::Or),
        &[a.clone(), b.clone()],
        &[false, true, true, true],
        &[4],
    );
    check(Primitive::Binary(Binary::Xor), &[a, b], &[false, true, true, false], &[4]);
    let (a, b) = (tensor(&[0b1100u32], &[1]), tensor(&[0b1010u32], &[1]));
    check(Primitive::Binary(Binary::Xor), &[a, b], &[0b0110u32], &[1]);
}

#[test]
fn integer_division_truncates_and_zero_divides_to_zero() {
    let (a, b) =
        (tensor(&[7i32, -7, 7, -7, 5, 0], &[6]), tensor(&[2i32, 2, -2, -2, 0, 0], &[6]));
    check(
        Primitive::Binary(Binary::Div),
        &[a.clone(), b.clone()],
        &[3, -3, -3, 3, 0, 0],
        &[6],
    );
    check(Primitive::Binary(Binary::Rem), &[a, b], &[1, 1, -1, -1, 0, 0], &[6]);
    let (a, b) = (
        tensor(&[2i32, -2, 3, 0, -1, -1, 5, 2], &[8]),
        tensor(&[10i32, 3, 21, 0, -3, -4, -1, 32], &[8]),
    );
    check(
        Primitive::Binary(Binary::Pow),
        &[a, b],
        &[1024, -8, 1_870_418_611, 1, -1, 1, 0, 0],
        &[8],
    );
}

#[test]
fn pairs_of_floats_follow_numpy() {
    let (a, b) = (
        tensor(&[7.5, -7.5, 7.5, -7.5, -1.0], &[5]),
        tensor(&[2.0, 2.0, -2.0, -2.0, INF], &[5]),
    );
    check(
        Primitive::Binary(Binary::Rem),
        &[a.clone(), b.clone()],
        &[1.5, 0.5, -0.5, -1.5, INF],
        &[5],
    );
    check(
        Primitive::Binary(Binary::Div),
        &[a.clone(), b.clone()],
        &[3.75, -3.75, -3.75, 3.75, -0.0],
        &[5],
    );
    check(
        Primitive::Binary(Binary::Max),
        &[a.clone(), b.clone()],
        &[7.5, 2.0, 7.5, -2.0, INF],
        &[5],
    );
    check(Primitive::Binary(Binary::Min), &[a, b], &[2.0, -7.5, -2.0, -7.5, -1.0], &[5]);
    let (a, b) =
        (tensor(&[2.0, 4.0, 0.0, -8.0f32], &[4]), tensor(&[3.0, 0.5, 0.0, 3.0f32], &[4]));
    check(Primitive::Binary(Binary::Pow), &[a, b], &[8.0, 2.0, 1.0, -512.0f32], &[4]);
    let (y, x) = (tensor(&[1.0, -1.0, 0.0], &[3]), tensor(&[1.0, -1.0, -1.0], &[3]));
    let pi = std::f64::consts::PI;
    check(Primitive::Binary(Binary::Atan2), &[y, x], &[pi / 4.0, -0.75 * pi, pi], &[3]);
}

#[test]
fn nan_wins_maxima_and_differs_from_all() {
    let (a, b) = (tensor(&[NAN, 1.0, NAN], &[3]), tensor(&[1.0, NAN, NAN], &[3]));
    for binary in [Binary::Max, Binary::Min] {
        let y = run(Primitive::Binary(binary), &[a.clone(), b.clone()]);
        assert!(y.to_vec::<f64>().unwrap().iter().all(|y| y.is_nan()));
    }
    for compare in Compare::ALL {
        let unequal = *compare == Compare::NotEqual;
        check(Primitive::Compare(*compare), &[a.clone(), b.clone()], &[unequal; 3], &[3]);
    }
    check(Primitive::Unary(Unary::IsNan), &[a.clone()], &[true, false, true], &[3]);
    let x = tensor(&[f16::MAX, f16::INFINITY, f16::NAN], &[3]);
    check(Primitive::Unary(Unary::IsFinite), &[x], &[true, false, false], &[3]);
}

#[test]
fn comparisons_broadcast_and_know_every_type() {
    let (a, b) = (tensor(&[1u8, 2, 3], &[3, 1]), tensor(&[2u8, 3], &[2]));
    let (f, t) = (false, true);
    let expected = [
        (Compare::Equal, [f, f, t, f, f, t]),
        (Compare::NotEqual, [t, t, f, t, t, f]),
        (Compare::Less, [t, t, f, t, f, f]),
        (Compare::LessEqual, [t, t, t, t, f, t]),
        (Compare::Greater, [f, f, f, f, t, f]),
        (Compare::GreaterEqual, [f, f, t, f, t, t]),
    ];
    for (compare, expected) in expected {
        for dtype in [
            DType::F32,
            DType::F64,
            DType::I32,
            DType::I64,
            DType::U8,
            DType::U32,
            DType::F16,
            DType::BF16,
        ] {
            check(
                Primitive::Compare(compare),
                &[a.cast(dtype), b.cast(dtype)],
                &expected,
                &[3, 2],
            );
        }
    }
    // Integers beyond 2⁵³ are told apart.
    let (a, b) = (tensor(&[i64::MAX], &[]), tensor(&[i64::MAX - 1], &[]));
    check(Primitive::Compare(Compare::Equal), &[a, b], &[false], &[]);
}

#[test]
fn empty_and_scalar_operands_broadcast() {
    let (empty, one) = (Tensor::zeros(DType::F32, [0, 3]), tensor(&[1.0f32], &[]));
    check::<f32>(
        Primitive::Binary(Binary::Add),
        &[empty.clone(), one.clone()],
        &[],
        &[0, 3],
    );
    check::<f32>(Primitive::Unary(Unary::Exp), &[empty], &[], &[0, 3]);
    check(Primitive::Binary(Binary::Sub), &[one.clone(), one], &[0.0f32], &[]);
}

#[test]
fn select_broadcasts_all_three() {
    let condition = tensor(&[true, false], &[2, 1]);
    let (a, b) = (tensor(&[1i64, 2, 3], &[3]), tensor(&[-1i64], &[]));
    check(Primitive::Select, &[condition, a, b], &[1i64, 2, 3, -1, -1, -1], &[2, 3]);
}

#[test]
fn casts_truncate_saturate_and_wrap() {
    let x = tensor(&[-1.9, 1.9, 300.0, NAN, INF], &[5]);
    check(Primitive::Cast(DType::U8), &[x.clone()], &[0u8, 1, 255, 0, 255], &[5]);
    check(Primitive::Cast(DType::I32), &[x.clone()], &[-1, 1, 300, 0, i32::MAX], &[5]);
    check(Primitive::Cast(DType::Bool), &[x], &[true; 5], &[5]);
    check(Primitive::Cast(DType::U8), &[tensor(&[-1i32, 257], &[2])], &[255u8, 1], &[2]);
    check(
        Primitive::Cast(DType::F32),
        &[tensor(&[true, false], &[2])],
        &[1.0f32, 0.0],
        &[2],
    );
    check(
        Primitive::Cast(DType::BF16),
        &[tensor(&[1.0f32 / 3.0], &[1])],
        &[bf16::from_bits(0x3eab)],
        &[1],
    );
}

#[test]
fn random_numbers_are_those_of_the_draw() {
    let seed = tensor(&[-5i64], &[]);
    let step = tensor(&[3i64], &[]);
    let draw = Draw::new((-5i64).cast_unsigned(), 11, 3);
    let random = |distribution, dtype| Primitive::Random {
        distribution,
        stream: 11,
        shape: vec![2, 3],
        dtype,
    };
    let bits: Vec<_> = (0..6).map(|i| draw.bits(i)).collect();
    check(
        random(Distribution::Bits, DType::U32),
        &[seed.clone(), step.clone()],
        &bits,
        &[2, 3],
    );
    let uniform: Vec<_> = (0..6).map(|i| draw.uniform(i) as f32).collect();
    check(
        random(Distribution::Uniform, DType::F32),
        &[seed.clone(), step.clone()],
        &uniform,
        &[2, 3],
    );
    let normal: Vec<_> = (0..6).map(|i| draw.normal(i)).collect();
    check(
        random(Distribution::Normal, DType::F64),
        &[seed.clone(), step.clone()],
        &normal,
        &[2, 3],
    );
    let truncated: Vec<_> = (0..6).map(|i| draw.truncated_normal(i) as f32).collect();
    check(
        random(Distribution::TruncatedNormal, DType::F32),
        &[seed, step],
        &truncated,
        &[2, 3],
    );
}
