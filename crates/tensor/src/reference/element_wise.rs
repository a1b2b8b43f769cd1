//! Functions of single elements.

use std::f64::consts::LN_2;

use super::{
    erf::erf,
    layout::broadcast,
    number::{Wide, collect, map, zip},
};
use crate::{
    Binary, Compare, DType, Element, Tensor, Unary, random::erfinv, with_element,
};

pub(super) fn unary(unary: Unary, x: &Tensor) -> Tensor {
    let dtype = x.dtype();
    with_element!(dtype, T => match unary {
        Unary::IsFinite => map(x, |x: T| x.to_f64().is_finite()),
        Unary::IsNan => map(x, |x: T| x.to_f64().is_nan()),
        Unary::Not if dtype == DType::Bool => map(x, |x: bool| !x),
        _ if dtype.is_float() => {
            let f = of_float(unary);
            map(x, |x: T| T::from_f64(f(x.to_f64())))
        }
        _ => {
            let f = of_integer(unary);
            map(x, |x: T| T::from_i64(f(x.to_i64())))
        }
    })
}

fn of_float(unary: Unary) -> fn(f64) -> f64 {
    match unary {
        Unary::Neg => |x| -x,
        Unary::Abs => f64::abs,
        Unary::Sign => |x| {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            }
        },
        Unary::Reciprocal => f64::recip,
        Unary::Square => |x| x * x,
        Unary::Sqrt => f64::sqrt,
        Unary::Rsqrt => |x| x.sqrt().recip(),
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
        Unary::Atanh => |x| (0.5 * (2.0 * x.abs() / (1.0 - x.abs())).ln_1p()).copysign(x),
        Unary::Tanh => f64::tanh,
        Unary::Sigmoid => sigmoid,
        Unary::Softplus => |x| x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Unary::Erf => erf,
        Unary::Erfinv => erfinv,
        Unary::Floor => f64::floor,
        Unary::Ceil => f64::ceil,
        Unary::Round => f64::round_ties_even,
        Unary::Not | Unary::IsFinite | Unary::IsNan => |x| x,
    }
}

/// `1 / (1 + e⁻ˣ)`, by the exponential that does not overflow.
fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// `ln(x + √(x² - 1))`, by `x - 1`, which is exact near 1.
fn acosh(x: f64) -> f64 {
    let t = x - 1.0;
    if x < 1.0 {
        return f64::NAN;
    }
    if x > 1e9 { x.ln() + LN_2 } else { (t + (t * (t + 2.0)).sqrt()).ln_1p() }
}

fn of_integer(unary: Unary) -> fn(i64) -> i64 {
    match unary {
        Unary::Neg => i64::wrapping_neg,
        Unary::Abs => i64::wrapping_abs,
        Unary::Sign => i64::signum,
        Unary::Square => |x| x.wrapping_mul(x),
        Unary::Not => |x| !x,
        // The shape rule allows no other function of integers.
        _ => |x| x,
    }
}

pub(super) fn binary(binary: Binary, a: &Tensor, b: &Tensor, shape: &[usize]) -> Tensor {
    let dtype = a.dtype();
    with_element!(dtype, T => if dtype.is_float() {
        let f = of_floats(binary);
        zip(a, b, shape, |a: T, b: T| T::from_f64(f(a.to_f64(), b.to_f64())))
    } else {
        let f = of_integers(binary);
        zip(a, b, shape, |a: T, b: T| T::from_i64(f(a.to_i64(), b.to_i64())))
    })
}

fn of_floats(binary: Binary) -> fn(f64, f64) -> f64 {
    match binary {
        Binary::Add => |a, b| a + b,
        Binary::Sub => |a, b| a - b,
        Binary::Mul => |a, b| a * b,
        Binary::Div => |a, b| a / b,
        Binary::Rem => remainder,
        Binary::Pow => f64::powf,
        Binary::Max => Wide::max,
        Binary::Min => Wide::min,
        Binary::Atan2 => f64::atan2,
        // The shape rule allows these for integers and `Bool` only.
        Binary::And | Binary::Or | Binary::Xor => |a, _| a,
    }
}

/// Python's `%`: the sign of the divisor.
fn remainder(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        0.0f64.copysign(b)
    } else if (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}

fn of_integers(binary: Binary) -> fn(i64, i64) -> i64 {
    match binary {
        Binary::Add => i64::wrapping_add,
        Binary::Sub => i64::wrapping_sub,
        Binary::Mul => i64::wrapping_mul,
        Binary::Div => |a, b| if b == 0 { 0 } else { a.wrapping_div(b) },
        Binary::Rem => |a, b| {
            if b == 0 {
                return 0;
            }
            let rest = a.wrapping_rem(b);
            if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
        },
        Binary::Pow => power,
        Binary::Max => Ord::max,
        Binary::Min => Ord::min,
        Binary::And => |a, b| a & b,
        Binary::Or => |a, b| a | b,
        Binary::Xor => |a, b| a ^ b,
        // The shape rule allows it for floating point only.
        Binary::Atan2 => |a, _| a,
    }
}

/// `aᵇ`, wrapping; for `b < 0` the quotient `1 / a⁻ᵇ`, truncated, and 0 for `a = 0`.
fn power(a: i64, b: i64) -> i64 {
    if b < 0 {
        return match a {
            1 => 1,
            -1 if b % 2 == 0 => 1,
            -1 => -1,
            _ => 0,
        };
    }
    let (mut result, mut base, mut exponent) = (1i64, a, b);
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent /= 2;
    }
    result
}

pub(super) fn compare(
    compare: Compare,
    a: &Tensor,
    b: &Tensor,
    shape: &[usize],
) -> Tensor {
    with_element!(a.dtype(), T => {
        let f: fn(&T, &T) -> bool = match compare {
            Compare::Equal => PartialEq::eq,
            Compare::NotEqual => PartialEq::ne,
            Compare::Less => |a, b| a < b,
            Compare::LessEqual => |a, b| a <= b,
            Compare::Greater => |a, b| a > b,
            Compare::GreaterEqual => |a, b| a >= b,
        };
        zip(a, b, shape, |a: T, b: T| f(&a, &b))
    })
}

pub(super) fn select(
    condition: &Tensor,
    a: &Tensor,
    b: &Tensor,
    shape: &[usize],
) -> Tensor {
    let condition = broadcast(condition, shape);
    let (a, b) = (broadcast(a, shape), broadcast(b, shape));
    with_element!(a.dtype(), T => {
        let pairs = a.iter::<T>().zip(b.iter::<T>());
        let chosen = condition.iter::<bool>().zip(pairs);
        collect(shape, chosen.map(|(condition, (a, b))| if condition { a } else { b }))
    })
}
