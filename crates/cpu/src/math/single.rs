//! Functions of an `f32`, without branches.
//!
//! The polynomials were fitted at Chebyshev points with forty digits.
#![expect(clippy::float_cmp, reason = "special values are met exactly")]

use std::f64::consts as pi;

use super::double::mul_add as fused;

/// The largest argument of [`sin`], [`cos`] and [`tan`] that their reduction is exact for.
pub(crate) const LARGEST_ANGLE: f32 = 1.0e6;

#[inline(always)]
fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// A polynomial, the constant coefficient first.
#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        sum = mul_add::<FMA>(sum, x, coefficients[i]);
    }
    sum
}

/// Added to a number below 2²², this leaves it rounded in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts; the first has so few bits that its multiples are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// The polynomial `(eʳ - 1 - r) / r²` for |r| ≤ ln 2 / 2.
const EXPM1: [f32; 5] =
    [0.5, 0.166_665_77, 0.041_666_554, 0.008_363_203, 0.001_392_621_3];

/// `x = n ln 2 + r`, |r| ≤ ln 2 / 2; gives n with [`ROUND`] added, as an integer, and `eʳ - 1`.
#[inline(always)]
fn reduced_expm1<const FMA: bool>(x: f32) -> (f32, i32, f32) {
    let shifted = mul_add::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = mul_add::<FMA>(n, -LN_2[0], x);
    let r = mul_add::<FMA>(n, -LN_2[1], r);
    let q = polynomial::<FMA, 5>(r, EXPM1);
    let bits = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    (shifted, bits, mul_add::<FMA>(r * r, q, r))
}

/// 2ⁿ for n from -126 to 127, and 0 for -127, given with [`ROUND`] added; any bits of what is no
/// number.
#[inline(always)]
fn power_of_rounded(shifted: f32) -> f32 {
    // The low nine bits of `ROUND` are 0: so what is left after the shift is n.
    f32::from_bits(1.0f32.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// 2ⁿ for n from -126 to 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `eˣ`.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let (_, n, p) = reduced_expm1::<FMA>(x);
    // In two steps, because 2ⁿ itself may not be a number.
    let half = n >> 1;
    (1.0 + p) * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// `eˣ` of what is not above zero; zero for what would be below the normal numbers.
#[inline(always)]
pub(crate) fn exp_of_negative<const FMA: bool>(x: f32) -> f32 {
    // There n is -127, and the bits of its power those of zero.
    let x = if x < -88.0 { -88.0 } else { x };
    let (shifted, _, p) = reduced_expm1::<FMA>(x);
    (1.0 + p) * power_of_rounded(shifted)
}

/// `eˣ - 1`.
#[inline(always)]
pub(crate) fn expm1<const FMA: bool>(x: f32) -> f32 {
    let y = if x > 89.0 { 89.0 } else { x };
    let y = if y < -30.0 { -30.0 } else { y };
    let (_, n, p) = reduced_expm1::<FMA>(y);
    let half = power_of_two(n.wrapping_sub(1));
    let y = 2.0 * mul_add::<FMA>(half, p, half - 0.5);
    // Keeps the sign of zero.
    if x == 0.0 { x } else { y }
}

/// `ln x`.
#[inline(always)]
pub(crate) fn log<const FMA: bool>(x: f32) -> f32 {
    /// The square root of 1/2; the mantissa goes from here to its double.
    const START: u32 = 0x3F35_04F3;
    let small = x < f32::MIN_POSITIVE;
    let scaled = if small { x * 8_388_608.0 } else { x };
    let shift = if small { -23.0 } else { 0.0 };
    let bits = scaled.to_bits().wrapping_sub(START);
    let e = ((bits as i32) >> 23) as f32 + shift;
    let f = f32::from_bits((bits & 0x007F_FFFF).wrapping_add(START)) - 1.0;
    let r = polynomial::<FMA, 9>(
        f,
        [
            0.333_333_3,
            -0.249_999_97,
            0.200_007_17,
            -0.166_678_07,
            0.142_490_08,
            -0.124_255_23,
            0.116_857_85,
            -0.114_812_12,
            0.069_725_186,
        ],
    );
    let square = f * f;
    let tail = square * mul_add::<FMA>(f, r, -0.5);
    let tail = mul_add::<FMA>(e, LN_2[1], tail);
    let y = mul_add::<FMA>(e, LN_2[0], f + tail);
    let y = if x < f32::INFINITY { y } else { x };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 { f32::NAN } else { y }
}

/// `ln(1 + x)`.
#[inline(always)]
pub(crate) fn log1p<const FMA: bool>(x: f32) -> f32 {
    let u = 1.0 + x;
    // What rounding took from 1 + x, to first order.
    let lost = (x - (u - 1.0)) / u;
    let y = log::<FMA>(u);
    let y = if u > 0.0 && u < f32::INFINITY { y + lost } else { y };
    if x == 0.0 { x } else { y }
}

/// The hyperbolic tangent, `m / (m + 1)` with `m = (e²ˣ - 1) / 2`.
#[inline(always)]
pub(crate) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let a = if a > 9.1 { 9.1 } else { a };
    let shifted = mul_add::<FMA>(a, 2.0 * std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // Half of what is left of 2a, so that a need not be doubled: the coefficients are those of
    // `reduced_expm1` times powers of two, as are all results.
    let r = mul_add::<FMA>(n, -0.5 * LN_2[0], a);
    let r = mul_add::<FMA>(n, -0.5 * LN_2[1], r);
    let [a, b, c, d, e] = EXPM1;
    let q = polynomial::<FMA, 5>(r, [2.0 * a, 4.0 * b, 8.0 * c, 16.0 * d, 32.0 * e]);
    let p = mul_add::<FMA>(r * r, q, r);
    let power = power_of_rounded(shifted);
    let m = mul_add::<FMA>(power, p, mul_add::<FMA>(power, 0.5, -0.5));
    (m / (m + 1.0)).copysign(x)
}

/// `1 / (1 + e⁻ˣ)`; 0 where that is less than 2^-127.5, which is no normal number any more.
#[inline(always)]
pub(crate) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    /// -127.5 ln 2: below it, the power of two would be too large for its exponent.
    const LEAST: f32 = -88.376_2;
    let y = if x > 87.0 { 87.0 } else { x };
    let y = if y < LEAST { LEAST } else { y };
    let (shifted, _, p) = reduced_expm1::<FMA>(-y);
    let power = power_of_rounded(shifted);
    // Of no number only p is sure to be none.
    let y = 1.0 / (1.0 + mul_add::<FMA>(power, p, power));
    if x < LEAST { 0.0 } else { y }
}

/// `ln(1 + eˣ)`.
#[inline(always)]
pub(crate) fn softplus<const FMA: bool>(x: f32) -> f32 {
    // A comparison that is false for NaN keeps it.
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + log1p::<FMA>(exp::<FMA>(-x.abs()))
}

/// The error function: a polynomial below 0.93, one minus an exponential above.
#[inline(always)]
pub(crate) fn erf<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let low = if a > 1.0 { 1.0 } else { a };
    // The first coefficient is that of the series less 1.
    let small = polynomial::<FMA, 7>(
        low * low,
        [
            0.128_379_17,
            -0.376_126_32,
            0.112_836_71,
            -0.026_858_043,
            0.005_197_684_7,
            -0.000_810_505_4,
            8.212_78e-5,
        ],
    );
    let small = mul_add::<FMA>(x, small, x);
    let high = if a > 4.1 { 4.1 } else { a };
    let logarithm = polynomial::<FMA, 11>(
        high,
        [
            2.501_288_6e-4,
            -1.129_865_8,
            -0.632_676_9,
            -0.108_938_82,
            0.025_440_01,
            -0.004_195_356,
            3.771_039e-4,
            1.112_837_8e-5,
            -7.889_025e-6,
            9.177_003e-7,
            -3.886_043e-8,
        ],
    );
    let large = (1.0 - exp::<FMA>(logarithm)).copysign(x);
    let y = if a < 0.93 { small } else { large };
    if a >= 4.0 { 1.0f32.copysign(x) } else { y }
}

/// Multiples of a half turn's half, and sine and cosine of the rest.
#[inline(always)]
fn quadrant<const FMA: bool>(x: f32) -> (u64, f64, f64) {
    /// π / 2 in two parts; multiples of the first up to 2²⁰ are exact.
    const HALF_PI: [f64; 2] = [1.570_796_326_734_125_6, 6.077_100_506_506_192e-11];
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let x = f64::from(x);
    let shifted = fused::<FMA>(x, pi::FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    let r = fused::<FMA>(n, -HALF_PI[0], x);
    let r = fused::<FMA>(n, -HALF_PI[1], r);
    let s = r * r;
    // The series; the first term left out is below 2e-10 of the sum.
    let sine = fused::<FMA>(s, 1.0 / 362_880.0, -1.0 / 5_040.0);
    let sine = fused::<FMA>(sine, s, 1.0 / 120.0);
    let sine = fused::<FMA>(sine, s, -1.0 / 6.0);
    let sine = fused::<FMA>(sine * s, r, r);
    let cosine = fused::<FMA>(s, -1.0 / 3_628_800.0, 1.0 / 40_320.0);
    let cosine = fused::<FMA>(cosine, s, -1.0 / 720.0);
    let cosine = fused::<FMA>(cosine, s, 1.0 / 24.0);
    let cosine = fused::<FMA>(cosine, s, -0.5);
    let cosine = fused::<FMA>(cosine, s, 1.0);
    (shifted.to_bits(), sine, cosine)
}

/// The value with its sign flipped if `flip` is 1.
#[inline(always)]
fn flipped(value: f64, flip: u64) -> f64 {
    f64::from_bits(value.to_bits() ^ (flip << 63))
}

/// The sine, for |x| up to [`LARGEST_ANGLE`].
#[inline(always)]
pub(crate) fn sin<const FMA: bool>(x: f32) -> f32 {
    let (n, sine, cosine) = quadrant::<FMA>(x);
    let y = if n & 1 == 0 { sine } else { cosine };
    // Keeps the sign of zero.
    if x == 0.0 { x } else { flipped(y, n >> 1 & 1) as f32 }
}

/// The cosine, for |x| up to [`LARGEST_ANGLE`].
#[inline(always)]
pub(crate) fn cos<const FMA: bool>(x: f32) -> f32 {
    let (n, sine, cosine) = quadrant::<FMA>(x);
    let y = if n & 1 == 0 { cosine } else { sine };
    flipped(y, (n ^ n >> 1) & 1) as f32
}

/// The tangent, for |x| up to [`LARGEST_ANGLE`].
#[inline(always)]
pub(crate) fn tan<const FMA: bool>(x: f32) -> f32 {
    let (n, sine, cosine) = quadrant::<FMA>(x);
    let (above, below) = if n & 1 == 0 { (sine, cosine) } else { (cosine, -sine) };
    if x == 0.0 { x } else { (above / below) as f32 }
}

/// `log₂ x` of a positive normal number, to 1e-13.
#[inline(always)]
pub(super) fn log2<const FMA: bool>(x: f64) -> f64 {
    /// The square root of 1/2.
    const START: u64 = 0x3FE6_A09E_667F_3BCD;
    let bits = x.to_bits().wrapping_sub(START).wrapping_add(1023 << 52);
    // The exponent as a number, by way of its mantissa.
    let e = f64::from_bits(bits >> 52 | 0x4330_0000_0000_0000)
        - (4_503_599_627_370_496.0 + 1023.0);
    let m = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF).wrapping_add(START));
    // ln m = 2 artanh s, by its series; the first term left out is below 1e-13 of the sum.
    let s = (m - 1.0) / (m + 1.0);
    let t = s * s;
    let odd = [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0];
    let mut sum = 1.0 / 15.0;
    let mut i = 0;
    while i < odd.len() {
        sum = fused::<FMA>(sum, t, 1.0 / odd[i]);
        i += 1;
    }
    fused::<FMA>(s * sum, 2.0 * pi::LOG2_E, e)
}

/// `xʸ`, computed in `f64`: `2 ^ (y · log₂ |x|)`.
#[inline(always)]
pub(crate) fn pow<const FMA: bool>(x: f32, y: f32) -> f32 {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let magnitude = f64::from(x.abs());
    // An `f32` is never subnormal as an `f64`.
    let log2 = log2::<FMA>(magnitude);
    let log2 = if magnitude == 0.0 { f64::NEG_INFINITY } else { log2 };
    let log2 = if magnitude < f64::INFINITY { log2 } else { magnitude };
    let z = f64::from(y) * log2;
    let clamped = if z > 200.0 { 200.0 } else { z };
    let clamped = if clamped < -200.0 { -200.0 } else { clamped };
    let shifted = clamped + ROUND;
    let r = (clamped - (shifted - ROUND)) * pi::LN_2;
    // eʳ by its series; the first term left out is below 1e-12.
    let factorials =
        [362_880.0, 40_320.0, 5_040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0];
    let mut p = 1.0 / 3_628_800.0;
    let mut i = 0;
    while i < factorials.len() {
        p = fused::<FMA>(p, r, 1.0 / factorials[i]);
        i += 1;
    }
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(1023);
    let power = (p * f64::from_bits(exponent << 52)) as f32;

    let whole = y.floor() == y;
    let odd = whole && (0.5 * y).floor() != 0.5 * y;
    let power = if odd { power.copysign(x) } else { power };
    let undefined = x < 0.0 && !whole && magnitude < f64::INFINITY;
    let power = if undefined { f32::NAN } else { power };
    // 1 to any power, and -1 to an infinite one.
    let one = x == 1.0 || y == 0.0 || (magnitude == 1.0 && y.abs() == f32::INFINITY);
    if one { 1.0 } else { power }
}
