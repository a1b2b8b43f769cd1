//! The functions of one real number that the standard library lacks.

use crate::{Unary, random};

/// The function of that name. `Not`, `IsFinite` and `IsNan` make no number.
pub(crate) fn float_unary(unary: Unary) -> fn(f64) -> f64 {
    match unary {
        Unary::Neg => |x| -x,
        Unary::Abs => f64::abs,
        Unary::Sign => |x| if x == 0.0 || x.is_nan() { x } else { x.signum() },
        Unary::Reciprocal => f64::recip,
        Unary::Square => |x| x * x,
        Unary::Sqrt => f64::sqrt,
        Unary::Rsqrt => |x| 1.0 / x.sqrt(),
        Unary::Exp => f64::exp,
        Unary::Expm1 => f64::exp_m1,
        Unary::Log => f64::ln,
        Unary::Log1p => f64::ln_1p,
        Unary::Sin => f64::sin,
        Unary::Cos => f64::cos,
        Unary::Tan => f64::tan,
        Unary::Asin => f64::asin,
        Unary::Acos => f64::acos,
        Unary::Atan => f64::atan,
        Unary::Sinh => f64::sinh,
        Unary::Cosh => f64::cosh,
        Unary::Asinh => f64::asinh,
        Unary::Acosh => f64::acosh,
        Unary::Atanh => f64::atanh,
        Unary::Tanh => f64::tanh,
        Unary::Sigmoid => sigmoid,
        Unary::Softplus => softplus,
        Unary::Erf => erf,
        Unary::Erfinv => erfinv,
        Unary::Floor => f64::floor,
        Unary::Ceil => f64::ceil,
        Unary::Round => f64::round_ties_even,
        Unary::Not | Unary::IsFinite | Unary::IsNan => {
            unreachable!("`{}` makes no number of a number", unary.name())
        }
    }
}

/// `1 / (1 + e⁻ˣ)`; the exponential never overflows.
fn sigmoid(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// `ln(1 + eˣ) = max(x, 0) + ln(1 + e^(-|x|))`.
fn softplus(x: f64) -> f64 {
    // `max` would drop a NaN.
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + (-x.abs()).exp().ln_1p()
}

/// The error function.
///
/// Up to |x| = 2.5 the series `2x/√π e^(-x²) Σ (2x²)ⁿ / (1·3·…·(2n+1))`, all of whose terms are
/// positive; beyond, one minus the continued fraction of erfc (Abramowitz and Stegun 7.1.6 and
/// 7.1.14), evaluated from its 60th term back.
pub(crate) fn erf(x: f64) -> f64 {
    use std::f64::consts::FRAC_2_SQRT_PI;
    let magnitude = x.abs();
    if magnitude < 2.5 {
        let square = x * x;
        let (mut term, mut sum) = (1.0, 1.0);
        let mut odd = 1.0;
        while term > sum * 1e-17 {
            odd += 2.0;
            term *= 2.0 * square / odd;
            sum += term;
        }
        FRAC_2_SQRT_PI * x * (-square).exp() * sum
    } else if magnitude < 6.0 {
        let fraction = (1..=60)
            .rev()
            .fold(magnitude, |below, n| magnitude + f64::from(n) / 2.0 / below);
        let complement = (-x * x).exp() * FRAC_2_SQRT_PI / 2.0 / fraction;
        (1.0 - complement).copysign(x)
    } else if x.is_nan() {
        x
    } else {
        1f64.copysign(x)
    }
}

fn erfinv(x: f64) -> f64 {
    if x.abs() > 1.0 { f64::NAN } else { random::erfinv(x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_has_its_published_values() {
        // Computed with 40 digits by mpmath 1.4.1.
        let table = [
            (0.0, 0.0),
            (1e-10, 1.128_379_167_095_512_6e-10),
            (0.5, 0.520_499_877_813_046_5),
            (1.5, 0.966_105_146_475_310_7),
            (2.499, 0.999_590_864_244_255_4),
            (2.5, 0.999_593_047_982_555),
            (3.0, 0.999_977_909_503_001_4),
            (4.5, 0.999_999_999_803_383_9),
            (7.0, 1.0),
        ];
        for (x, expected) in table {
            for (x, expected) in [(x, expected), (-x, -expected)] {
                let error = (erf(x) - expected).abs();
                assert!(error <= 4e-16 * expected.abs(), "erf({x}) is off by {error:e}");
            }
        }
        assert!(erf(f64::NAN).is_nan());
    }

    #[test]
    fn extremes_do_not_overflow() {
        assert_eq!(sigmoid(-1000.0).to_bits(), 0f64.to_bits());
        assert_eq!(sigmoid(1000.0).to_bits(), 1f64.to_bits());
        assert_eq!(softplus(1000.0).to_bits(), 1000f64.to_bits());
        assert_eq!(softplus(-1000.0).to_bits(), 0f64.to_bits());
        assert!(softplus(f64::NAN).is_nan() && sigmoid(f64::NAN).is_nan());
        assert!(erfinv(1.5).is_nan());
        assert!(erfinv(1.0).is_infinite());
    }
}
