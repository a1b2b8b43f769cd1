//! Vector functions against exact values, and their errors in ULP.

#![expect(clippy::float_cmp, reason = "special values are met exactly")]

use std::ops::RangeInclusive;

use deckle_tensor::{Unary, random::Draw};

use super::*;

/// The distance to the exact value, in units of the last place of an `f32` there.
fn distance(value: f32, exact: f64) -> f64 {
    if value.is_nan() && exact.is_nan() || f64::from(value) == exact {
        return 0.0;
    }
    let rounded = exact as f32;
    if value.is_infinite() || rounded.is_infinite() {
        return if value == rounded { 0.0 } else { f64::INFINITY };
    }
    let exponent = exact.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor();
    (f64::from(value) - exact).abs() / (exponent - 23.0).exp2()
}

/// Every `step`-th float of a range, of both signs.
fn samples(range: RangeInclusive<f32>, step: usize) -> Vec<f32> {
    let bits = range.start().to_bits()..=range.end().to_bits();
    bits.step_by(step)
        .flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)])
        .collect()
}

#[track_caller]
fn check(function: Unary, exact: fn(f64) -> f64, range: RangeInclusive<f32>, limit: f64) {
    let x = samples(range, 9973);
    for simd in Simd::available() {
        let mut y = vec![0.0; x.len()];
        unary(simd, function, &x, &mut y);
        let errors =
            x.iter().zip(&y).map(|(&x, &y)| (distance(y, exact(f64::from(x))), x));
        let (error, at) = errors.fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
        assert!(error <= limit, "{}: {error} units at {at}", function.name());
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn powers_of_negative_numbers_end_in_zero() {
    let least = f64::from(f32::MIN_POSITIVE);
    for x in samples(0.0..=f32::INFINITY, 9973).into_iter().filter(|&x| x <= 0.0) {
        let exact = f64::from(x).exp();
        for y in [single::exp_of_negative::<true>(x), single::exp_of_negative::<false>(x)]
        {
            let near = distance(y, exact) <= 1.0;
            assert!(near || (exact < 1.001 * least && y == 0.0), "{x}: {y}");
        }
    }
    assert_eq!(single::exp_of_negative::<true>(f32::NEG_INFINITY), 0.0);
    assert_eq!(single::exp_of_negative::<true>(-0.0), 1.0);
    assert!(single::exp_of_negative::<true>(f32::NAN).is_nan());
}

#[test]
fn errors_are_within_the_promised_units() {
    let all = 0.0..=f32::MAX;
    check(Unary::Exp, f64::exp, 0.0..=87.3, 1.0);
    check(Unary::Expm1, f64::exp_m1, all.clone(), 2.0);
    check(Unary::Log, f64::ln, all.clone(), 1.0);
    check(Unary::Log, f64::ln, 0.9..=1.1, 1.0);
    check(Unary::Log1p, f64::ln_1p, all.clone(), 2.0);
    check(Unary::Tanh, f64::tanh, all.clone(), 3.0);
    check(Unary::Sigmoid, sigmoid, 0.0..=87.3, 3.0);
    check(Unary::Softplus, double::softplus, 0.0..=80.0, 3.0);
    check(Unary::Erf, double::erf, all.clone(), 2.0);
    check(Unary::Sin, f64::sin, all.clone(), 1.0);
    check(Unary::Cos, f64::cos, all.clone(), 1.0);
    check(Unary::Tan, f64::tan, all.clone(), 1.0);
    check(Unary::Sqrt, f64::sqrt, all, 0.5);
}

#[test]
fn special_values_have_the_functions_limits() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let cases: [(Unary, &[(f32, f32)]); 10] = [
        (Unary::Exp, &[(-inf, 0.0), (inf, inf), (88.73, inf), (-200.0, 0.0), (0.0, 1.0)]),
        (Unary::Expm1, &[(-inf, -1.0), (inf, inf), (-0.0, -0.0), (1e-30, 1e-30)]),
        (Unary::Log, &[(0.0, -inf), (-0.0, -inf), (inf, inf), (-1.0, nan), (1.0, 0.0)]),
        (
            Unary::Log1p,
            &[(-1.0, -inf), (inf, inf), (-2.0, nan), (-0.0, -0.0), (-inf, nan)],
        ),
        (Unary::Tanh, &[(-inf, -1.0), (inf, 1.0), (-0.0, -0.0), (1e-30, 1e-30)]),
        (Unary::Sigmoid, &[(-inf, 0.0), (inf, 1.0), (0.0, 0.5)]),
        (Unary::Softplus, &[(-inf, 0.0), (inf, inf), (100.0, 100.0)]),
        (Unary::Erf, &[(-inf, -1.0), (inf, 1.0), (-0.0, -0.0)]),
        (Unary::Sin, &[(inf, nan), (-0.0, -0.0), (0.0, 0.0)]),
        (Unary::Cos, &[(-inf, nan), (0.0, 1.0)]),
    ];
    for simd in Simd::available() {
        for (function, pairs) in cases {
            for &(x, expected) in pairs.iter().chain([&(nan, nan)]) {
                let mut y = [x; 21];
                unary_in_place(simd, function, &mut y);
                for y in y {
                    let same = y.to_bits() == expected.to_bits()
                        || y.is_nan() && expected.is_nan();
                    assert!(same, "{}({x}) on {simd:?} is {y}", function.name());
                }
                let mut y = [f64::from(x); 9];
                unary_in_place(simd, function, &mut y);
                let same = y[8] as f32 == expected
                    || y[8].is_nan() && expected.is_nan()
                    || x == 88.73;
                assert!(same, "{}({x}) of f64 on {simd:?} is {}", function.name(), y[8]);
            }
        }
    }
}

/// Whatever the bits of its payload.
#[test]
fn no_number_stays_none() {
    let payloads = [0x7FC0_0000, 0x7FC0_0001, 0x7F80_0001, 0x7FFF_FFFF, 0x7FA5_5A5A];
    for simd in Simd::available() {
        for bits in payloads.into_iter().flat_map(|bits: u32| [bits, bits | 1 << 31]) {
            for function in [
                Unary::Exp,
                Unary::Expm1,
                Unary::Log,
                Unary::Tanh,
                Unary::Sigmoid,
                Unary::Softplus,
                Unary::Erf,
            ] {
                let mut y = [f32::from_bits(bits); 19];
                unary_in_place(simd, function, &mut y);
                let all = y.iter().all(|y| y.is_nan());
                assert!(all, "{} of {bits:x} is {y:?}", function.name());
            }
        }
    }
}

/// Where the exponential becomes too large for a float, and results are no normal numbers.
#[test]
fn the_sigmoid_of_large_numbers_goes_to_its_limits() {
    for simd in Simd::available() {
        let x = samples(87.0..=89.5, 7);
        let mut y = vec![0.0; x.len()];
        unary(simd, Unary::Sigmoid, &x, &mut y);
        for (&x, &y) in x.iter().zip(&y) {
            let error = (f64::from(y) - sigmoid(f64::from(x))).abs();
            assert!(error < 4.2e-39, "{x} {y}");
            assert!((0.0..=1.0).contains(&y), "{x} {y}");
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_place() {
    let x: Vec<_> = samples(1e-3..=90.0, 400_009);
    for simd in Simd::available() {
        let functions = [
            Unary::Exp,
            Unary::Log1p,
            Unary::Tanh,
            Unary::Sigmoid,
            Unary::Erf,
            Unary::Sin,
        ];
        for function in functions {
            let mut whole = x.clone();
            unary_in_place(simd, function, &mut whole);
            for (&x, &expected) in x.iter().zip(&whole) {
                let mut one = [x];
                unary_in_place(simd, function, &mut one);
                assert_eq!(
                    one[0].to_bits(),
                    expected.to_bits(),
                    "{}({x})",
                    function.name()
                );
            }
        }
    }
}

#[test]
fn powers_are_within_a_unit_and_keep_their_limits() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let bases =
        [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.7, -3.0, 1e-30, 1e30, inf, -inf, nan, 1.0001];
    let exponents = [
        0.0,
        1.0,
        2.0,
        -1.0,
        0.5,
        -0.5,
        3.0,
        -3.0,
        2.5,
        1e5,
        -1e9,
        inf,
        -inf,
        nan,
        16_777_215.0,
    ];
    for simd in Simd::available() {
        for x in bases {
            for y in exponents {
                let mut power = [x; 18];
                pow(simd, &mut power, &[y; 18]);
                let exact = f64::from(x).powf(f64::from(y));
                // Below that, a result is subnormal, and counts in its units.
                let error = distance(power[17], exact);
                assert!(error <= 1.0, "{x} to the {y} is {}, not {exact}", power[17]);
                assert!(
                    power[17] != 0.0
                        || power[17].is_sign_negative()
                            == (exact as f32).is_sign_negative()
                );
            }
        }
        let x = samples(1e-6..=1e6, 1_000_003);
        for (i, &x) in x.iter().enumerate() {
            let y = (i % 41) as f32 * 0.31 - 6.0;
            let mut power = [x.abs()];
            pow(simd, &mut power, &[y]);
            assert!(distance(power[0], f64::from(x.abs()).powf(f64::from(y))) <= 1.0);
        }
    }
}

#[test]
fn functions_of_f64_agree_with_the_standard_library() {
    type Case = (Unary, fn(f64) -> f64, f64);
    let cases: [Case; 4] = [
        (Unary::Exp, f64::exp, 2.0),
        (Unary::Log, f64::ln, 2.0),
        (Unary::Tanh, f64::tanh, 4.0),
        (Unary::Sigmoid, sigmoid, 4.0),
    ];
    let x: Vec<f64> = samples(1e-9..=300.0, 4003)
        .into_iter()
        .map(|x| f64::from(x) * 1.000_000_01)
        .collect();
    for simd in Simd::available() {
        for (function, exact, limit) in cases {
            let mut y = vec![0.0; x.len()];
            unary(simd, function, &x, &mut y);
            for (&x, &y) in x.iter().zip(&y) {
                let exact = exact(x);
                let error = (y - exact).abs() / (exact.abs() * f64::EPSILON);
                let fine = error <= limit || y == exact || y.is_nan() && exact.is_nan();
                assert!(fine, "{}({x}) is {y}, not {exact}", function.name());
            }
        }
    }
}

#[test]
fn random_numbers_are_those_of_the_definition() {
    for simd in Simd::available() {
        for (start, len) in
            [(0, 0), (0, 64), (3, 200), (5, 2), (u64::from(u32::MAX) * 4 - 7, 301)]
        {
            let draw = Draw::new(42, 1 << 40 | 9, 3);
            let (mut integers, mut floats) = (vec![0; len], vec![0.0; len]);
            bits(simd, [42, 1 << 40 | 9, 3], start, &mut integers);
            uniform(simd, [42, 1 << 40 | 9, 3], start, &mut floats);
            for i in 0..len {
                assert_eq!(integers[i], draw.bits(start + i as u64));
                assert!(f64::from(floats[i]) == draw.uniform(start + i as u64));
            }
        }
    }
}

#[test]
fn normal_numbers_are_those_of_the_definition() {
    let near = |value: f32, exact: f64, what: &str| {
        let unit = exact.abs() * f64::from(f32::EPSILON);
        assert!((f64::from(value) - exact).abs() <= unit, "{what}: {value}, not {exact}");
    };
    for simd in Simd::available() {
        for (start, len) in [(0, 1), (0, 64), (3, 63), (3, 200), (1 << 40, 1 << 18)] {
            let (keys, draw) = ([42, 1 << 40 | 9, 3], Draw::new(42, 1 << 40 | 9, 3));
            let (mut whole, mut cut) = (vec![0.0; len], vec![0.0; len]);
            normal(simd, keys, start, &mut whole);
            truncated_normal(simd, keys, start, &mut cut);
            for i in 0..len {
                let position = start + i as u64;
                near(whole[i], draw.normal(position), "normal");
                near(cut[i], draw.truncated_normal(position), "truncated");
            }
        }
    }
}

#[test]
fn normal_numbers_do_not_depend_on_the_place() {
    for simd in Simd::available() {
        let mut all = vec![0.0; 4096];
        normal(simd, [1, 2, 3], 0, &mut all);
        for (start, len) in [(0, 1), (1, 1), (5, 64), (7, 57), (4095, 1), (130, 3000)] {
            let mut part = vec![0.0; len];
            normal(simd, [1, 2, 3], start as u64, &mut part);
            assert_eq!(part, all[start..start + len], "{len} from {start}");
        }
    }
}
