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
