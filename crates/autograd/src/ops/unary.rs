//! Functions of one tensor, element by element: one row of the table each.

use std::f64::consts::PI;

use deckle_tensor::{Primitive, Unary};

use super::ElementWise;
use crate::{Result, Rule, Var};

/// A table of functions of one tensor. A row holds the doc, the name, an example, where the
/// property test runs, and either the primitive and its gradient rule, or what the function is
/// made of. Without `on`, there is no gradient.
macro_rules! unary {
    () => {};
    (
        $(#[$doc:meta])*
        $name:ident, $at:literal => $to:literal on $domain:expr,
        $op:ident, |$x:pat_param, $y:pat_param, $dy:ident| $dx:expr;
        $($rest:tt)*
    ) => {
        method! { $(#[$doc])* $name, $at => $to, |x| Var::apply_one($op, &[x]) }

        #[derive(Debug)]
        struct $op;

        impl ElementWise for $op {
            const PRIMITIVE: Primitive = Primitive::Unary(Unary::$op);

            fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
                let ($x, $y, $dy) = (rule.x(), rule.y(), &rule.dy()?);
                Ok(vec![Some($dx)])
            }
        }

        gradient_test! { $name, $domain }
        unary! { $($rest)* }
    };
    (
        $(#[$doc:meta])*
        $name:ident, $at:literal => $to:literal on $domain:expr, |$x:ident| $value:expr;
        $($rest:tt)*
    ) => {
        method! { $(#[$doc])* $name, $at => $to, |$x| $value }
        gradient_test! { $name, $domain }
        unary! { $($rest)* }
    };
    (
        $(#[$doc:meta])*
        $name:ident, $at:literal => $to:literal, $op:ident;
        $($rest:tt)*
    ) => {
        method! {
            $(#[$doc])*
            ///
            /// It has no gradient: on the way to a loss it is an error that names it.
            $name, $at => $to, |x| Var::apply_one($op, &[x])
        }

        #[derive(Debug)]
        struct $op;

        impl ElementWise for $op {
            const PRIMITIVE: Primitive = Primitive::Unary(Unary::$op);
        }

        unary! { $($rest)* }
    };
}

macro_rules! method {
    ($(#[$doc:meta])* $name:ident, $at:literal => $to:literal, |$x:ident| $value:expr) => {
        impl Var {
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the elements are not of a type that it takes.
            ///
            /// # Examples
            ///
            /// ```
            /// use deckle_autograd::Var;
            /// use deckle_tensor::Tensor;
            ///
            #[doc = concat!("let x = Var::constant(&Tensor::from(", stringify!($at), "));")]
            #[doc = concat!("let y = x.", stringify!($name), "()?.eval()?;")]
            #[doc = concat!("assert!(y.allclose(", stringify!($to), ", 1e-12, 1e-12)?);")]
            /// # Ok::<(), deckle_autograd::Error>(())
            /// ```
            pub fn $name(&self) -> Result<Self> {
                let $x = self;
                $value
            }
        }
    };
}

/// Checks gradients of orders one and two, and that wrong ones are noticed.
macro_rules! gradient_test {
    ($name:ident, $domain:expr) => {
        #[cfg(test)]
        mod $name {
            proptest::proptest! {
                #![proptest_config(crate::ops::testing::cases())]
                #[test]
                fn has_the_right_gradients(x in crate::ops::testing::tensor_on(&$domain)) {
                    crate::ops::testing::check(|x| Ok(vec![x[0].$name()?]), &[x]);
                }
            }

            #[test]
            fn wrong_rules_are_noticed() {
                let x = crate::ops::testing::spread(&$domain);
                crate::ops::testing::rejects(|x| Ok(vec![x[0].$name()?]), &[x]);
            }
        }
    };
}

pub(crate) use {gradient_test, method, unary};

unary! {
    /// The negative `-x`, element by element; integers wrap.
    neg, 2.0 => -2.0 on [-2.0..2.0], Neg, |_, _, dy| -dy;

    /// The absolute value `|x|`, element by element. The gradient at 0 is 1, as of Keras on JAX.
    abs, -2.0 => 2.0 on [-2.0..-0.1, 0.1..2.0],
    Abs, |x, _, dy| x.greater_equal(0)?.select(dy, &-dy)?;

    /// The square `x²`, element by element; integers wrap.
    square, 3.0 => 9.0 on [-2.0..2.0], Square, |x, _, dy| dy * x * 2.0;

    /// The square root `√x`, element by element. The gradient at 0 is infinite.
    sqrt, 9.0 => 3.0 on [0.3..3.0], Sqrt, |_, y, dy| dy * 0.5 / y;

    /// The inverse of the square root, `1 / √x`, element by element.
    rsqrt, 4.0 => 0.5 on [0.3..3.0], Rsqrt, |_, y, dy| dy * -0.5 * (y * y.square()?);

    /// The inverse `1 / x`, element by element.
    reciprocal, 4.0 => 0.25 on [-3.0..-0.3, 0.3..3.0],
    Reciprocal, |_, y, dy| -(dy * y.square()?);

    /// The exponential `eˣ`, element by element.
    exp, 1.0 => 2.718281828459045 on [-2.0..2.0], Exp, |_, y, dy| dy * y;

    /// `eˣ - 1`, exact near 0, element by element.
    expm1, 1e-10 => 1.00000000005e-10 on [-2.0..2.0], Expm1, |_, y, dy| dy * (y + 1.0);

    /// The natural logarithm `ln x`, element by element.
    log, 2.718281828459045 => 1.0 on [0.3..3.0], Log, |x, _, dy| dy / x;

    /// `ln(1 + x)`, exact near 0, element by element.
    log1p, 1e-10 => 9.9999999995e-11 on [-0.6..2.0], Log1p, |x, _, dy| dy / (x + 1.0);

    /// The sine, element by element.
    sin, 1.0 => 0.8414709848078965 on [-3.0..3.0], Sin, |x, _, dy| dy * x.cos()?;

    /// The cosine, element by element.
    cos, 1.0 => 0.5403023058681398 on [-3.0..3.0], Cos, |x, _, dy| -(dy * x.sin()?);

    /// The tangent, element by element.
    tan, 1.0 => 1.5574077246549023 on [-1.2..1.2],
    Tan, |_, y, dy| dy * (y.square()? + 1.0);

    /// The inverse of the sine, element by element, from -π/2 to π/2.
    asin, 0.5 => 0.5235987755982989 on [-0.8..0.8],
    Asin, |x, _, dy| dy * (1.0 - x.square()?).rsqrt()?;

    /// The inverse of the cosine, element by element, from 0 to π.
    acos, 0.5 => 1.0471975511965979 on [-0.8..0.8],
    Acos, |x, _, dy| -(dy * (1.0 - x.square()?).rsqrt()?);

    /// The inverse of the tangent, element by element, from -π/2 to π/2.
    atan, 1.0 => 0.7853981633974483 on [-3.0..3.0],
    Atan, |x, _, dy| dy / (x.square()? + 1.0);

    /// The hyperbolic sine, element by element.
    sinh, 1.0 => 1.1752011936438014 on [-2.0..2.0], Sinh, |x, _, dy| dy * x.cosh()?;

    /// The hyperbolic cosine, element by element.
    cosh, 1.0 => 1.5430806348152437 on [-2.0..2.0], Cosh, |x, _, dy| dy * x.sinh()?;

    /// The inverse of the hyperbolic sine, element by element.
    asinh, 1.0 => 0.881373587019543 on [-3.0..3.0],
    Asinh, |x, _, dy| dy * (x.square()? + 1.0).rsqrt()?;

    /// The inverse of the hyperbolic cosine, element by element, from 0.
    acosh, 2.0 => 1.3169578969248166 on [1.5..3.0],
    Acosh, |x, _, dy| dy * (x.square()? - 1.0).rsqrt()?;

    /// The inverse of the hyperbolic tangent, element by element.
    atanh, 0.5 => 0.5493061443340548 on [-0.7..0.7],
    Atanh, |x, _, dy| dy / (1.0 - x.square()?);

    /// The hyperbolic tangent, element by element.
    tanh, 0.5 => 0.46211715726000973 on [-3.0..3.0],
    Tanh, |_, y, dy| dy * (1.0 - y.square()?);

    /// The logistic function `1 / (1 + e⁻ˣ)`, element by element.
    sigmoid, 1.0 => 0.7310585786300049 on [-3.0..3.0],
    Sigmoid, |_, y, dy| dy * y * (1.0 - y);

    /// `ln(1 + eˣ)`, a smooth `max(x, 0)`, element by element.
    softplus, 0.0 => 0.6931471805599453 on [-3.0..3.0],
    Softplus, |x, _, dy| dy * x.sigmoid()?;

    /// The error function `2/√π · ∫₀ˣ exp(-t²) dt`, element by element.
    erf, 0.5 => 0.5204998778130465 on [-2.0..2.0],
    Erf, |x, _, dy| dy * (-x.square()?).exp()? * (2.0 / PI.sqrt());

    /// The inverse of the error function, element by element.
    erfinv, 0.5204998778130465 => 0.5 on [-0.8..0.8],
    Erfinv, |_, y, dy| dy * y.square()?.exp()? * (PI.sqrt() / 2.0);

    /// The sign, element by element: -1, 0 or 1; NaN stays.
    sign, -2.5 => -1.0, Sign;

    /// The next whole number below, element by element.
    floor, -1.5 => -2.0, Floor;

    /// The next whole number above, element by element.
    ceil, -1.5 => -1.0, Ceil;

    /// The nearest whole number, ties to the even one, element by element.
    round, 2.5 => 2.0, Round;

    /// Not, element by element; bit by bit for integers.
    not, 5 => -6, Not;

    /// Whether each element is neither infinite nor NaN.
    is_finite, 1.0 => true, IsFinite;

    /// Whether each element is NaN.
    is_nan, 1.0 => false, IsNan;
}

impl std::ops::Neg for &Var {
    type Output = Var;

    /// # Panics
    ///
    /// If the elements are of type `Bool`.
    #[track_caller]
    fn neg(self) -> Var {
        match Var::neg(self) {
            Ok(var) => var,
            Err(error) => panic!("{error}"),
        }
    }
}

impl std::ops::Neg for Var {
    type Output = Self;

    #[track_caller]
    fn neg(self) -> Self {
        -&self
    }
}
