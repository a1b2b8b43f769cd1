//! Functions of an `f64`; the first ones without branches.

use deckle_tensor::random;

#[inline(always)]
pub(super) fn mul_add<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Added to a number below 2⁵¹, this leaves it rounded in the lowest bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// ln 2 in two parts; the first has so few bits that its multiples are exact.
const LN_2: [f64; 2] =
    [f64::from_bits(0x3FE6_2E42_FEE0_0000), 1.908_214_929_270_587_7e-10];

/// `x = n ln 2 + r`, |r| ≤ ln 2 / 2; gives n and `eʳ - 1`.
#[inline(always)]
fn reduced_expm1<const FMA: bool>(x: f64) -> (f64, f64) {
    let n = mul_add::<FMA>(x, std::f64::consts::LOG2_E, ROUND) - ROUND;
    let r = mul_add::<FMA>(n, -LN_2[0], x);
    let r = mul_add::<FMA>(n, -LN_2[1], r);
    // The series of (eʳ - 1 - r) / r² up to r¹¹ / 13!.
    let factorials = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
    ];
    let mut sum = 0.0;
    let mut i = 0;
    while i < factorials.len() {
        sum = mul_add::<FMA>(sum, r, factorials[i]);
        i += 1;
    }
    (n, mul_add::<FMA>(r * r, sum, r))
}

/// 2ⁿ for whole n from -1022 to 1023.
#[inline(always)]
fn power_of_two(n: f64) -> f64 {
    f64::from_bits(
        (n + ROUND).to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(1023) << 52,
    )
}

/// `eˣ`.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f64) -> f64 {
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let (n, p) = reduced_expm1::<FMA>(x);
    // In two steps, because 2ⁿ itself may not be a number.
    let half = (n * 0.5 + ROUND) - ROUND;
    (1.0 + p) * power_of_two(half) * power_of_two(n - half)
}

/// `ln x`.
#[inline(always)]
pub(crate) fn log<const FMA: bool>(x: f64) -> f64 {
    /// The square root of 1/2; the mantissa goes from here to its double.
    const START: u64 = 0x3FE6_A09E_667F_3BCD;
    let small = x < f64::MIN_POSITIVE;
    let scaled = if small { x * 18_014_398_509_481_984.0 } else { x };
    let shift = if small { 54.0 + 1023.0 } else { 1023.0 };
    let bits = scaled.to_bits().wrapping_sub(START).wrapping_add(1023 << 52);
    // The exponent as a number, by way of its mantissa.
    let e = f64::from_bits(bits >> 52 | 0x4330_0000_0000_0000)
        - 4_503_599_627_370_496.0
        - shift;
    let f = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF).wrapping_add(START)) - 1.0;
    // ln(1 + f) = 2 artanh s = f - (f²/2 - s (f²/2 + R)), R the series without its first term.
    let s = f / (2.0 + f);
    let t = s * s;
    let odd = [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0];
    let mut series = 2.0 / 23.0;
    let mut i = 0;
    while i < odd.len() {
        series = mul_add::<FMA>(series, t, 2.0 / odd[i]);
        i += 1;
    }
    let half = 0.5 * f * f;
    let tail = mul_add::<FMA>(s, half + series * t, e * LN_2[1]);
    let y = mul_add::<FMA>(e, LN_2[0], f - (half - tail));
    let y = if x < f64::INFINITY { y } else { x };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x < 0.0 { f64::NAN } else { y }
}

/// The hyperbolic tangent, `m / (m + 2)` with `m = e²ˣ - 1`.
#[inline(always)]
pub(crate) fn tanh<const FMA: bool>(x: f64) -> f64 {
    let a = x.abs();
    let a = if a > 20.0 { 20.0 } else { a };
    let (n, p) = reduced_expm1::<FMA>(2.0 * a);
    let half = power_of_two(n - 1.0);
    let m = 2.0 * mul_add::<FMA>(half, p, half - 0.5);
    (m / (m + 2.0)).copysign(x)
}

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub(crate) fn sigmoid<const FMA: bool>(x: f64) -> f64 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

/// `ln(1 + eˣ)`.
pub(crate) fn softplus(x: f64) -> f64 {
    // A comparison that is false for NaN keeps it.
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + (-x.abs()).exp().ln_1p()
}

/// The error function: up to 2.5 its series of positive terms (Abramowitz and Stegun, 7.1.6),
/// beyond one minus the continued fraction of its complement (7.1.14).
pub(crate) fn erf(x: f64) -> f64 {
    use std::f64::consts::FRAC_2_SQRT_PI;
    let a = x.abs();
    if a < 2.5 {
        let (mut term, mut sum, mut odd) = (1.0, 1.0, 1.0);
        while term > 1e-17 * sum {
            odd += 2.0;
            term *= 2.0 * x * x / odd;
            sum += term;
        }
        FRAC_2_SQRT_PI * x * (-x * x).exp() * sum
    } else if a < 6.0 {
        let fraction = (1..=60).rev().fold(a, |below, n| a + 0.5 * f64::from(n) / below);
        (1.0 - 0.5 * FRAC_2_SQRT_PI * (-a * a).exp() / fraction).copysign(x)
    } else if x.is_nan() {
        x
    } else {
        1f64.copysign(x)
    }
}

/// The inverse of the error function.
pub(crate) fn erfinv(x: f64) -> f64 {
    if x.abs() > 1.0 { f64::NAN } else { random::erfinv(x) }
}
