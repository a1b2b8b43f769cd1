//! Functions of one tensor, element by element.

use crate::{
    DType, Element, Result, Tensor, Unary, elementwise::wrong_dtype, math, walk,
    with_element,
};

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident, $unary:ident, $x:literal => $y:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// If the elements are not of a type that it takes.
        ///
        /// # Examples
        ///
        /// ```
        /// use deckle_tensor::Tensor;
        ///
        #[doc = concat!("let y = Tensor::from(", stringify!($x), ").", stringify!($name), "()?;")]
        #[doc = concat!("assert!(y.allclose(", stringify!($y), ", 1e-12, 1e-12)?);")]
        /// # Ok::<(), deckle_tensor::Error>(())
        /// ```
        pub fn $name(&self) -> Result<Self> {
            self.unary(stringify!($name), Unary::$unary)
        }
    )*};
}

/// Functions of each element. All but `neg`, `abs`, `sign` and `square` take floating point
/// only; half precision is computed in `F64` and rounded once.
impl Tensor {
    unary! {
        /// The negative `-x`; integers wrap.
        neg, Neg, 2 => -2;
        /// The absolute value `|x|`; integers wrap.
        abs, Abs, -2 => 2;
        /// The sign: -1, 0 or 1; NaN stays.
        sign, Sign, -2.5 => -1.0;
        /// The inverse `1 / x`.
        reciprocal, Reciprocal, 4.0 => 0.25;
        /// The square `x²`; integers wrap.
        square, Square, 3 => 9;
        /// The square root `√x`.
        sqrt, Sqrt, 9.0 => 3.0;
        /// The inverse of the square root, `1 / √x`.
        rsqrt, Rsqrt, 4.0 => 0.5;
        /// The exponential `eˣ`.
        exp, Exp, 1.0 => 2.718281828459045;
        /// `eˣ - 1`, exact near 0.
        expm1, Expm1, 1e-10 => 1.00000000005e-10;
        /// The natural logarithm `ln x`.
        log, Log, 2.718281828459045 => 1.0;
        /// `ln(1 + x)`, exact near 0.
        log1p, Log1p, 1e-10 => 9.9999999995e-11;
        /// The sine.
        sin, Sin, 1.0 => 0.8414709848078965;
        /// The cosine.
        cos, Cos, 1.0 => 0.5403023058681398;
        /// The tangent.
        tan, Tan, 1.0 => 1.557407724654902;
        /// The inverse of the sine, from -π/2 to π/2.
        arcsin, Asin, 0.5 => 0.5235987755982989;
        /// The inverse of the cosine, from 0 to π.
        arccos, Acos, 0.5 => 1.0471975511965979;
        /// The inverse of the tangent, from -π/2 to π/2.
        arctan, Atan, 1.0 => 0.7853981633974483;
        /// The hyperbolic sine.
        sinh, Sinh, 1.0 => 1.1752011936438014;
        /// The hyperbolic cosine.
        cosh, Cosh, 1.0 => 1.543080634815244;
        /// The hyperbolic tangent.
        tanh, Tanh, 1.0 => 0.7615941559557649;
        /// The inverse of the hyperbolic sine.
        arcsinh, Asinh, 1.0 => 0.881373587019543;
        /// The inverse of the hyperbolic cosine.
        arccosh, Acosh, 2.0 => 1.3169578969248166;
        /// The inverse of the hyperbolic tangent.
        arctanh, Atanh, 0.5 => 0.5493061443340548;
        /// The logistic function `1 / (1 + e⁻ˣ)`.
        sigmoid, Sigmoid, 1.0 => 0.7310585786300049;
        /// `ln(1 + eˣ)`, without overflow.
        softplus, Softplus, 1.0 => 1.3132616875182228;
        /// The error function `2/√π ∫₀ˣ e^(-t²) dt`.
        erf, Erf, 1.0 => 0.8427007929497149;
        /// The inverse of the error function.
        erfinv, Erfinv, 0.5 => 0.4769362762044699;
        /// The largest integer not above `x`.
        floor, Floor, -1.5 => -2.0;
        /// The smallest integer not below `x`.
        ceil, Ceil, -1.5 => -1.0;
        /// The nearest integer; ties go to the even one.
        round, Round, 2.5 => 2.0;
        /// Whether it is false; of integers, every bit turned.
        bitwise_not, Not, 5 => -6;
    }

    /// Whether each element is neither infinite nor NaN.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([1.0, f64::INFINITY, f64::NAN]);
    /// assert_eq!(x.isfinite(), Tensor::from([true, false, false]));
    /// ```
    #[must_use]
    pub fn isfinite(&self) -> Self {
        with_element!(self.dtype(), T => walk::map(self, |x: T| x.to_f64().is_finite()))
    }

    /// Whether each element is NaN.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1.0, f64::NAN]).isnan(), Tensor::from([false, true]));
    /// ```
    #[must_use]
    pub fn isnan(&self) -> Self {
        with_element!(self.dtype(), T => walk::map(self, |x: T| x.to_f64().is_nan()))
    }

    fn unary(&self, op: &'static str, unary: Unary) -> Result<Self> {
        let dtype = self.dtype();
        let (fits, expected) = match unary {
            Unary::Not => (!dtype.is_float(), "bool or integers"),
            Unary::Neg | Unary::Abs | Unary::Sign | Unary::Square => {
                (dtype != DType::Bool, "numbers")
            }
            _ => (dtype.is_float(), "floating point"),
        };
        if !fits {
            return Err(wrong_dtype(op, expected, dtype));
        }
        Ok(with_element!(dtype, T => if dtype.is_float() {
            let f = math::float_unary(unary);
            walk::map(self, |x: T| T::from_f64(f(x.to_f64())))
        } else if dtype == DType::Bool {
            walk::map(self, |x: bool| !x)
        } else {
            let f = integer_unary(unary);
            walk::map(self, |x: T| T::from_i64(f(x.to_i64())))
        }))
    }
}

fn integer_unary(unary: Unary) -> fn(i64) -> i64 {
    match unary {
        Unary::Neg => i64::wrapping_neg,
        Unary::Abs => i64::wrapping_abs,
        Unary::Sign => i64::signum,
        Unary::Square => |x| x.wrapping_mul(x),
        Unary::Not => |x| !x,
        _ => unreachable!("the caller has checked that the rest is floating point"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_reals_name_the_cast_for_integers() {
        let error = Tensor::from([1, 2]).exp().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`exp`: cannot take this input\n  expected: floating point\n       got: int32\n     \
             \x20help: convert the tensor first: .cast(DType::F32)"
        );
    }

    #[test]
    fn integers_and_bools_have_their_own_functions() {
        let x = Tensor::from([i32::MIN, -3, 0]);
        assert_eq!(x.abs().unwrap(), Tensor::from([i32::MIN, 3, 0]));
        assert_eq!(x.sign().unwrap(), Tensor::from([-1, -1, 0]));
        assert_eq!(Tensor::from([1u8]).neg().unwrap(), Tensor::from([255u8]));
        assert_eq!(Tensor::from([1u8]).bitwise_not().unwrap(), Tensor::from([254u8]));
        assert_eq!(Tensor::from([true]).bitwise_not().unwrap(), Tensor::from([false]));
        assert!(Tensor::from([true]).neg().is_err());
    }
}
