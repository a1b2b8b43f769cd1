//! Functions of single elements.

use super::{
    layout::broadcast,
    number::{Wide, collect, map, zip},
};
use crate::{
    Binary, Compare, DType, Element, Tensor, Unary,
    elementwise::{divide, float_remainder, integer_power},
    math::float_unary,
    with_element,
};

pub(super) fn unary(unary: Unary, x: &Tensor) -> Tensor {
    let dtype = x.dtype();
    with_element!(dtype, T => match unary {
        Unary::IsFinite => map(x, |x: T| x.to_f64().is_finite()),
        Unary::IsNan => map(x, |x: T| x.to_f64().is_nan()),
        Unary::Not if dtype == DType::Bool => map(x, |x: bool| !x),
        _ if dtype.is_float() => {
            let f = float_unary(unary);
            map(x, |x: T| T::from_f64(f(x.to_f64())))
        }
        _ => {
            let f = of_integer(unary);
            map(x, |x: T| T::from_i64(f(x.to_i64())))
        }
    })
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
        Binary::Rem => float_remainder,
        Binary::Pow => f64::powf,
        Binary::Max => Wide::max,
        Binary::Min => Wide::min,
        Binary::Atan2 => f64::atan2,
        // The shape rule allows these for integers and `Bool` only.
        Binary::And | Binary::Or | Binary::Xor => |a, _| a,
    }
}

fn of_integers(binary: Binary) -> fn(i64, i64) -> i64 {
    match binary {
        Binary::Add => i64::wrapping_add,
        Binary::Sub => i64::wrapping_sub,
        Binary::Mul => i64::wrapping_mul,
        Binary::Div => divide,
        Binary::Rem => |a, b| {
            if b == 0 {
                return 0;
            }
            let rest = a.wrapping_rem(b);
            if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
        },
        Binary::Pow => integer_power,
        Binary::Max => Ord::max,
        Binary::Min => Ord::min,
        Binary::And => |a, b| a & b,
        Binary::Or => |a, b| a | b,
        Binary::Xor => |a, b| a ^ b,
        // The shape rule allows it for floating point only.
        Binary::Atan2 => |a, _| a,
    }
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
