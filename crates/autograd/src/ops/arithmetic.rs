//! Sums, differences, products and quotients of two tensors, which broadcast.

use deckle_tensor::{Binary, Primitive};

use super::{ElementWise, Operand};
use crate::{Result, Rule, Var};

macro_rules! arithmetic {
    ($(
        $(#[$doc:meta])*
        $method:ident, $op:ident, $example:literal,
        |$a:pat_param, $b:pat_param, $y:pat_param, $dy:ident| $da:expr, $db:expr;
    )*) => {$(
        impl Var {
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the element types differ, or the shapes do not broadcast.
            ///
            /// # Examples
            ///
            /// ```
            /// use deckle_autograd::Var;
            /// use deckle_tensor::Tensor;
            ///
            /// let x = Var::constant(&Tensor::from([6.0, 8.0]));
            #[doc = concat!("let y = x.", stringify!($method), "(2.0)?;")]
            #[doc = concat!("assert_eq!(y.eval()?, Tensor::from(", $example, "));")]
            /// # Ok::<(), deckle_autograd::Error>(())
            /// ```
            pub fn $method<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Self> {
                Self::apply_one($op, &[self, &*other.into().resolve(self.dtype())?])
            }
        }

        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $op;

        impl ElementWise for $op {
            const PRIMITIVE: Primitive = Primitive::Binary(Binary::$op);

            fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
                let ($a, $b, $y) = (&rule.inputs[0], &rule.inputs[1], rule.y());
                let $dy = &rule.dy()?;
                Ok(vec![
                    rule.when_needed(0, || Ok($da))?,
                    rule.when_needed(1, || Ok($db))?,
                ])
            }
        }

        /// # Panics
        ///
        /// If the element types differ, or the shapes do not broadcast.
        impl std::ops::$op<&Var> for &Var {
            type Output = Var;

            #[track_caller]
            fn $method(self, other: &Var) -> Var {
                match Var::$method(self, other) {
                    Ok(var) => var,
                    Err(error) => panic!("{error}"),
                }
            }
        }

        impl std::ops::$op<Var> for &Var {
            type Output = Var;

            #[track_caller]
            fn $method(self, other: Var) -> Var {
                std::ops::$op::$method(self, &other)
            }
        }

        impl std::ops::$op<&Var> for Var {
            type Output = Var;

            #[track_caller]
            fn $method(self, other: &Var) -> Var {
                std::ops::$op::$method(&self, other)
            }
        }

        impl std::ops::$op<Var> for Var {
            type Output = Var;

            #[track_caller]
            fn $method(self, other: Var) -> Var {
                std::ops::$op::$method(&self, &other)
            }
        }

        /// The number takes the tensor's element type.
        impl std::ops::$op<f64> for &Var {
            type Output = Var;

            fn $method(self, other: f64) -> Var {
                std::ops::$op::$method(self, &Var::scalar(self.dtype(), other))
            }
        }

        /// The number takes the tensor's element type.
        impl std::ops::$op<f64> for Var {
            type Output = Var;

            fn $method(self, other: f64) -> Var {
                std::ops::$op::$method(&self, other)
            }
        }

        /// The number takes the tensor's element type.
        impl std::ops::$op<&Var> for f64 {
            type Output = Var;

            fn $method(self, other: &Var) -> Var {
                std::ops::$op::$method(&Var::scalar(other.dtype(), self), other)
            }
        }

        /// The number takes the tensor's element type.
        impl std::ops::$op<Var> for f64 {
            type Output = Var;

            fn $method(self, other: Var) -> Var {
                std::ops::$op::$method(self, &other)
            }
        }
    )*};
}

arithmetic! {
    /// The sum, element by element: `a + b`.
    add, Add, "[8.0, 10.0]", |_, _, _, dy| dy.clone(), dy.clone();

    /// The difference, element by element: `a - b`.
    sub, Sub, "[4.0, 6.0]", |_, _, _, dy| dy.clone(), -dy;

    /// The product, element by element: `a · b`.
    mul, Mul, "[12.0, 16.0]", |a, b, _, dy| dy * b, dy * a;

    /// The quotient, element by element: `a / b`.
    div, Div, "[3.0, 4.0]", |_, b, y, dy| dy / b, -(dy * y / b);
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};
    use proptest::prelude::*;

    use crate::{
        Var,
        ops::testing::{cases, check, gradient, pair_on, ramp, rejects},
    };

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn gradients_are_right(
            (a, b) in pair_on(&[-2.0..2.0], &[-2.0..-0.5, 0.5..2.0]),
        ) {
            let inputs = [a, b];
            check(|x| Ok(vec![x[0].add(&x[1])?, x[0].sub(&x[1])?]), &inputs);
            check(|x| Ok(vec![x[0].mul(&x[1])?, x[0].div(&x[1])?]), &inputs);
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        for [a, b] in [[&[2, 3][..], &[3]], [&[2, 3], &[2, 1]], [&[], &[2]]] {
            let inputs = [ramp(a), ramp(b)];
            rejects(|x| Ok(vec![x[0].add(&x[1])?]), &inputs);
            rejects(|x| Ok(vec![x[0].sub(&x[1])?]), &inputs);
            rejects(|x| Ok(vec![x[0].mul(&x[1])?]), &inputs);
            rejects(|x| Ok(vec![x[0].div(&x[1])?]), &inputs);
        }
    }

    #[test]
    fn operators_take_numbers_on_either_side() {
        let x = Tensor::from([2.0, 4.0]);
        let y = |x: &Var| Ok(1.0 - 8.0 / (x * 2.0 + 0.0) - -x);
        assert_eq!(
            y(&Var::constant(&x)).unwrap().eval().unwrap(),
            Tensor::from([1.0, 4.0])
        );
        assert_eq!(gradient(y, &x), Tensor::from([2.0, 1.25]));
    }

    #[test]
    fn disagreeing_inputs_are_named() {
        let x = |dtype, shape: &[usize]| Var::input("x", shape, dtype);
        let error = x(DType::F32, &[2, 3]).add(&x(DType::F32, &[2])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`add`: cannot take this input\n  expected: shapes that broadcast: aligned at the \
             end, equal or 1\n       got: (2, 3) and (2,)"
        );
        let error = x(DType::F32, &[]).mul(&x(DType::F64, &[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`multiply`: cannot take this input\n  expected: one element type\n       got: \
             float32 and float64\n      help: cast one of them: .cast(dtype)"
        );
        let error = x(DType::I32, &[]).add(0.5).unwrap_err();
        assert!(
            error.to_string().contains("an integer for a tensor of int32"),
            "{error}"
        );
    }

    #[test]
    #[should_panic(expected = "shapes that broadcast")]
    fn operators_panic_with_the_same_text() {
        let _ = Var::constant(&ramp(&[2])) + Var::constant(&ramp(&[3]));
    }
}
