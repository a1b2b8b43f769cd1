//! The functions of one real number.

mod erf;

use std::f64::consts::LN_2;

use self::erf::erf;
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
        Unary::Acosh => acosh,
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

/// `ln(x + √(x² - 1))`, by `x - 1`, which is exact near 1.
fn acosh(x: f64) -> f64 {
    let t = x - 1.0;
    if x < 1.0 {
        f64::NAN
    } else if x > 1e9 {
        x.ln() + LN_2
    } else {
        (t + (t * (t + 2.0)).sqrt()).ln_1p()
    }
}

fn erfinv(x: f64) -> f64 {
    if x.abs() > 1.0 { f64::NAN } else { random::erfinv(x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_do_not_overflow() {
        assert_eq!(sigmoid(-1000.0).to_bits(), 0f64.to_bits());
        assert_eq!(sigmoid(1000.0).to_bits(), 1f64.to_bits());
        assert_eq!(softplus(1000.0).to_bits(), 1000f64.to_bits());
        assert_eq!(softplus(-1000.0).to_bits(), 0f64.to_bits());
        assert!(softplus(f64::NAN).is_nan() && sigmoid(f64::NAN).is_nan());
        assert!(erfinv(1.5).is_nan());
        assert!(erfinv(1.0).is_infinite());
        assert!(acosh(-1e300).is_nan());
    }
}
