//! `+ - * /` and `& | ^ !` on tensors and references to them.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

use crate::{Result, Scalar, Tensor};

#[track_caller]
fn value(result: Result<Tensor>) -> Tensor {
    result.unwrap_or_else(|error| panic!("{error}"))
}

macro_rules! operator {
    ($($trait:ident, $method:ident, $call:ident;)*) => {$(
        operator!(tensors: Tensor, Tensor, $trait, $method, $call);
        operator!(tensors: Tensor, &Tensor, $trait, $method, $call);
        operator!(tensors: &Tensor, Tensor, $trait, $method, $call);
        operator!(tensors: &Tensor, &Tensor, $trait, $method, $call);
        operator!(scalars: Tensor, $trait, $method, $call);
        operator!(scalars: &Tensor, $trait, $method, $call);
        operator!(left: f64, Tensor, $trait, $method, $call);
        operator!(left: f64, &Tensor, $trait, $method, $call);
        operator!(left: i64, Tensor, $trait, $method, $call);
        operator!(left: i64, &Tensor, $trait, $method, $call);
    )*};
    (tensors: $left:ty, $right:ty, $trait:ident, $method:ident, $call:ident) => {
        impl $trait<$right> for $left {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: $right) -> Tensor {
                let (left, right): (&Tensor, &Tensor) = (&self, &other);
                value(left.$call(right))
            }
        }
    };
    (scalars: $tensor:ty, $trait:ident, $method:ident, $call:ident) => {
        // Generic, so that the result's type is known before that of a literal.
        impl<S: Into<Scalar>> $trait<S> for $tensor {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: S) -> Tensor {
                let scalar: Scalar = other.into();
                value(Tensor::$call(&self, scalar))
            }
        }
    };
    // Only the widest types: with more of them a literal's would not be known.
    (left: $scalar:ty, $tensor:ty, $trait:ident, $method:ident, $call:ident) => {
        impl $trait<$tensor> for $scalar {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: $tensor) -> Tensor {
                let right: &Tensor = &other;
                let left = Scalar::from(self).cast_to(right.dtype(), stringify!($call));
                value(left.and_then(|left| Tensor::$call(&left, right)))
            }
        }
    };
}

operator! {
    Add, add, add;
    Sub, sub, sub;
    Mul, mul, mul;
    Div, div, div;
}

macro_rules! bit_operator {
    ($($trait:ident, $method:ident, $call:ident;)*) => {$(
        operator!(tensors: Tensor, Tensor, $trait, $method, $call);
        operator!(tensors: Tensor, &Tensor, $trait, $method, $call);
        operator!(tensors: &Tensor, Tensor, $trait, $method, $call);
        operator!(tensors: &Tensor, &Tensor, $trait, $method, $call);
    )*};
}

bit_operator! {
    BitAnd, bitand, bitwise_and;
    BitOr, bitor, bitwise_or;
    BitXor, bitxor, bitwise_xor;
}

macro_rules! prefix {
    ($($tensor:ty, $trait:ident, $method:ident, $call:ident;)*) => {$(
        impl $trait for $tensor {
            type Output = Tensor;

            #[track_caller]
            fn $method(self) -> Tensor {
                value(Tensor::$call(&self))
            }
        }
    )*};
}

prefix! {
    Tensor, Neg, neg, neg;
    &Tensor, Neg, neg, neg;
    Tensor, Not, not, bitwise_not;
    &Tensor, Not, not, bitwise_not;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_work_on_values_references_and_numbers() {
        let x = Tensor::from([1.0f32, 2.0]);
        assert_eq!(&x + &x, Tensor::from([2.0f32, 4.0]));
        assert_eq!(2.0 * &x - 1 + &x / 2.0, Tensor::from([1.5f32, 4.0]));
        assert_eq!(1 - x.clone(), Tensor::from([0.0f32, -1.0]));
        // The types of literals are found without help.
        let y = (2.0 * (x.clone() / 2.0)) + 0.5f32 - 1u8;
        assert_eq!(y.shape(), [2]);
        let z = 2 * &y;
        assert_eq!(z.rank(), 1);
        assert_eq!(-&x, Tensor::from([-1.0f32, -2.0]));
        let [yes, no] = [true, false].map(Tensor::from);
        assert_eq!(&yes & &!(&no | &yes) ^ &yes, yes);
    }

    #[test]
    #[should_panic(expected = "expected: shapes that broadcast")]
    fn operators_panic_with_the_text_of_the_error() {
        let _ = Tensor::arange(0..3) + Tensor::arange(0..2);
    }
}
