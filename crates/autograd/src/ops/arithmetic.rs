//! Sums, differences, products and quotients of two tensors, which broadcast.

use deckle_tensor::{Binary, Error as TensorError, Value};

use crate::{Lower, Op, Result, Rule, Signature, Var};

/// The signature of an element-wise operation on two inputs of one element type.
pub(crate) fn broadcast(name: &'static str, inputs: &[Signature]) -> Result<Signature> {
    let (a, b) = (&inputs[0], &inputs[1]);
    if a.dtype != b.dtype {
        return Err(TensorError::invalid(name, "one element type")
            .got(format_args!("{} and {}", a.dtype, b.dtype))
            .help("cast one of them: .cast(dtype)")
            .into());
    }
    let shape = a.shape.broadcast(&b.shape).ok_or_else(|| {
        TensorError::invalid(name, "shapes that broadcast")
            .got(format_args!("{} and {}", a.shape, b.shape))
    })?;
    Ok(Signature { dtype: a.dtype, shape })
}

macro_rules! arithmetic {
    ($(
        $(#[$doc:meta])*
        $method:ident, $op:ident, $trait:ident, $name:literal,
        |$a:ident, $b:ident, $y:ident, $dy:ident| $da:expr, $db:expr;
    )*) => {$(
        impl Var {
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the element types differ, or the shapes do not broadcast.
            pub fn $method(&self, other: &Self) -> Result<Self> {
                Self::apply_one($op, &[self, other])
            }
        }

        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $op;

        impl Op for $op {
            fn name(&self) -> &str {
                $name
            }

            fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
                Ok(vec![broadcast($name, inputs)?])
            }

            fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
                Ok(vec![lower.binary(Binary::$op, inputs[0], inputs[1])?])
            }

            fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
                let ($a, $b, $y, $dy) = (&rule.inputs[0], &rule.inputs[1], rule.y(), &rule.dy()?);
                let _ = ($a, $b, $y);
                Ok(vec![Some($da.sum_to_like($a)?), Some($db.sum_to_like($b)?)])
            }
        }

        /// # Panics
        ///
        /// If the element types differ, or the shapes do not broadcast.
        impl std::ops::$trait<&Var> for &Var {
            type Output = Var;

            #[track_caller]
            fn $method(self, other: &Var) -> Var {
                match Var::$method(self, other) {
                    Ok(var) => var,
                    Err(error) => panic!("{error}"),
                }
            }
        }

        impl std::ops::$trait<Var> for &Var {
            type Output = Var;

            #[track_caller]
            fn $method(self, other: Var) -> Var {
                std::ops::$trait::$method(self, &other)
            }
        }

        impl std::ops::$trait<&Var> for Var {
            type Output = Var;

            #[track_caller]
            fn $method(self, other: &Var) -> Var {
                std::ops::$trait::$method(&self, other)
            }
        }

        impl std::ops::$trait<Var> for Var {
            type Output = Var;

            #[track_caller]
            fn $method(self, other: Var) -> Var {
                std::ops::$trait::$method(&self, &other)
            }
        }

        /// The number takes the tensor's element type.
        impl std::ops::$trait<f64> for &Var {
            type Output = Var;

            fn $method(self, other: f64) -> Var {
                std::ops::$trait::$method(self, &Var::scalar(self.dtype(), other))
            }
        }

        /// The number takes the tensor's element type.
        impl std::ops::$trait<f64> for Var {
            type Output = Var;

            fn $method(self, other: f64) -> Var {
                std::ops::$trait::$method(&self, other)
            }
        }

        /// The number takes the tensor's element type.
        impl std::ops::$trait<&Var> for f64 {
            type Output = Var;

            fn $method(self, other: &Var) -> Var {
                std::ops::$trait::$method(&Var::scalar(other.dtype(), self), other)
            }
        }

        /// The number takes the tensor's element type.
        impl std::ops::$trait<Var> for f64 {
            type Output = Var;

            fn $method(self, other: Var) -> Var {
                std::ops::$trait::$method(self, &other)
            }
        }
    )*};
}

arithmetic! {
    /// The sum, element by element: `a + b`.
    add, Add, Add, "add", |a, b, y, dy| dy, dy;

    /// The difference, element by element: `a - b`.
    sub, Sub, Sub, "subtract", |a, b, y, dy| dy, (0.0 - dy);

    /// The product, element by element: `a · b`.
    mul, Mul, Mul, "multiply", |a, b, y, dy| (dy * b), (dy * a);

    /// The quotient, element by element: `a / b`.
    div, Div, Div, "divide", |a, b, y, dy| (dy / b), (0.0 - dy * y / b);
}
