//! Arithmetic, comparisons and choices, element by element with broadcasting.

use std::borrow::Cow;

use crate::{
    Binary, Compare, DType, Element, Error, Operand, Result, Tensor, broadcast_shapes,
    shape_text, walk, with_element,
};

/// Two operands of one element type as views of one shape.
fn pair<'a>(
    op: &'static str,
    a: &'a Tensor,
    b: impl Into<Operand<'a>>,
) -> Result<[Cow<'a, Tensor>; 2]> {
    let b = b.into().resolve(op, a)?;
    if a.shape() == b.shape() {
        return Ok([Cow::Borrowed(a), b]);
    }
    let shape = common_shape(op, &[a.shape(), b.shape()])?;
    Ok([Cow::Owned(a.spread(&shape)), Cow::Owned(b.spread(&shape))])
}

/// The shape that all these broadcast to.
pub(crate) fn common_shape(op: &'static str, shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let mut common = Vec::new();
    for shape in shapes {
        common = broadcast_shapes(&common, shape).ok_or_else(|| {
            let texts: Vec<String> =
                shapes.iter().map(|shape| shape_text(shape)).collect();
            Error::invalid(op, "shapes that broadcast: aligned at the end, equal or 1")
                .got(texts.join(" and "))
        })?;
    }
    Ok(common)
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident, $binary:ident, $example:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// If the shapes do not broadcast, or the element types differ or are not taken.
        ///
        /// # Examples
        ///
        /// ```
        /// use deckle_tensor::Tensor;
        ///
        #[doc = $example]
        /// # Ok::<(), deckle_tensor::Error>(())
        /// ```
        pub fn $name<'a>(&'a self, other: impl Into<Operand<'a>>) -> Result<Self> {
            self.binary(stringify!($name), Binary::$binary, other)
        }
    )*};
}

macro_rules! compare {
    ($($(#[$doc:meta])* $name:ident, $compare:ident, $expected:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// The result is of type `Bool`. NaN is unequal to all, also to itself.
        ///
        /// # Errors
        ///
        /// If the shapes do not broadcast, or the element types differ.
        ///
        /// # Examples
        ///
        /// ```
        /// use deckle_tensor::Tensor;
        ///
        /// let x = Tensor::from([1, 2, 3]);
        #[doc = concat!("assert_eq!(x.", stringify!($name), "(2)?, Tensor::from(", $expected, "));")]
        /// # Ok::<(), deckle_tensor::Error>(())
        /// ```
        pub fn $name<'a>(&'a self, other: impl Into<Operand<'a>>) -> Result<Self> {
            self.compare(stringify!($name), Compare::$compare, other)
        }
    )*};
}

/// Arithmetic with broadcasting by NumPy's rule. The right-hand side is a tensor of the same
/// element type, or a Rust number, which takes that type. Integers wrap.
impl Tensor {
    binary! {
        /// The sum `a + b`.
        add, Add, "assert_eq!(Tensor::from([1, 2]).add(10)?, Tensor::from([11, 12]));";
        /// The difference `a - b`.
        sub, Sub, "assert_eq!(Tensor::from([1, 2]).sub(10)?, Tensor::from([-9, -8]));";
        /// The product `a · b`.
        mul, Mul, "assert_eq!(Tensor::from([1, 2]).mul(10)?, Tensor::from([10, 20]));";
        /// The quotient `a / b`.
        ///
        /// Integers truncate as in Rust, where NumPy makes floating point; by 0 they give 0.
        div, Div, "assert_eq!(Tensor::from([-7, 7]).div(2)?, Tensor::from([-3, 3]));";
        /// The remainder `a mod b`, with the sign of `b` as Python's `%`.
        ///
        /// Integers give 0 for `b = 0`.
        remainder, Rem, "assert_eq!(Tensor::from([-7, 7]).remainder(3)?, Tensor::from([2, 1]));";
        /// The power `aᵇ`.
        ///
        /// Of integers with negative `b` it is `1 / a⁻ᵇ`, truncated.
        power, Pow, "assert_eq!(Tensor::from([2, 3]).power(3)?, Tensor::from([8, 27]));";
        /// The larger of both; NaN wins.
        maximum, Max, "assert_eq!(Tensor::from([-1, 1]).maximum(0)?, Tensor::from([0, 1]));";
        /// The smaller of both; NaN wins.
        minimum, Min, "assert_eq!(Tensor::from([-1, 1]).minimum(0)?, Tensor::from([-1, 0]));";
        /// The angle of the point (b, a), in radians from -π to π.
        arctan2, Atan2, "assert_eq!(Tensor::from([0.0]).arctan2(1.0)?, Tensor::from([0.0]));";
        /// Whether both are true; of integers, bit by bit.
        bitwise_and, And, "assert_eq!(Tensor::from([5, 6]).bitwise_and(3)?, Tensor::from([1, 2]));";
        /// Whether one is true or both are; of integers, bit by bit.
        bitwise_or, Or, "assert_eq!(Tensor::from([5, 6]).bitwise_or(3)?, Tensor::from([7, 7]));";
        /// Whether exactly one is true; of integers, bit by bit.
        bitwise_xor, Xor, "assert_eq!(Tensor::from([5, 6]).bitwise_xor(3)?, Tensor::from([6, 5]));";
    }

    compare! {
        /// Whether `a = b`, element by element.
        equal, Equal, "[false, true, false]";
        /// Whether `a ≠ b`, element by element.
        not_equal, NotEqual, "[true, false, true]";
        /// Whether `a < b`, element by element.
        less, Less, "[true, false, false]";
        /// Whether `a ≤ b`, element by element.
        less_equal, LessEqual, "[true, true, false]";
        /// Whether `a > b`, element by element.
        greater, Greater, "[false, false, true]";
        /// Whether `a ≥ b`, element by element.
        greater_equal, GreaterEqual, "[false, true, true]";
    }

    fn binary<'a>(
        &'a self,
        op: &'static str,
        binary: Binary,
        other: impl Into<Operand<'a>>,
    ) -> Result<Self> {
        let dtype = self.dtype();
        let (fits, expected) = match binary {
            Binary::And | Binary::Or | Binary::Xor => {
                (!dtype.is_float(), "bool or integers")
            }
            Binary::Atan2 => (dtype.is_float(), "floating point"),
            _ => (dtype != DType::Bool, "numbers"),
        };
        if !fits {
            return Err(wrong_dtype(op, expected, dtype));
        }
        let [a, b] = pair(op, self, other)?;
        Ok(with_element!(dtype, T => if dtype.is_float() {
            float_binary::<T>(binary, &a, &b)
        } else {
            integer_binary::<T>(binary, &a, &b)
        }))
    }

    fn compare<'a>(
        &'a self,
        op: &'static str,
        compare: Compare,
        other: impl Into<Operand<'a>>,
    ) -> Result<Self> {
        let [a, b] = pair(op, self, other)?;
        Ok(with_element!(self.dtype(), T => comparison::<T>(compare, &a, &b)))
    }

    /// The elements of `a` where `condition` is true, else of `b`; all three broadcast.
    ///
    /// # Errors
    ///
    /// If `condition` is not `Bool`, the shapes do not broadcast, or the element types of `a`
    /// and `b` differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([-1.0, 2.0]);
    /// let y = Tensor::where_(&x.greater(0.0)?, &x, 0.0)?;
    /// assert_eq!(y, Tensor::from([0.0, 2.0]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn where_<'a>(
        condition: &Self,
        a: impl Into<Operand<'a>>,
        b: impl Into<Operand<'a>>,
    ) -> Result<Self> {
        let op = "where_";
        if condition.dtype() != DType::Bool {
            return Err(wrong_dtype(op, "a bool condition", condition.dtype()));
        }
        let (a, b) = match (a.into(), b.into()) {
            (a @ Operand::Scalar(_), Operand::Tensor(b)) => {
                (a.resolve(op, b)?, Cow::Borrowed(b))
            }
            (a, b) => {
                let a = a.alone(op)?;
                let b = b.resolve(op, &a)?;
                (a, b)
            }
        };
        let shape = common_shape(op, &[condition.shape(), a.shape(), b.shape()])?;
        let [condition, a, b] = [condition, &a, &b].map(|x| x.spread(&shape));
        Ok(with_element!(a.dtype(), T => select::<T>(&condition, &a, &b)))
    }

    /// The elements, but none below `low` and none above `high`.
    ///
    /// # Errors
    ///
    /// If the shapes do not broadcast, or the element types differ or are `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1, 5, 9]).clip(2, 6)?, Tensor::from([2, 5, 6]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn clip<'a>(
        &'a self,
        low: impl Into<Operand<'a>>,
        high: impl Into<Operand<'a>>,
    ) -> Result<Self> {
        let raised = self.binary("clip", Binary::Max, low)?;
        // The operand may outlive the intermediate tensor, so it is resolved against `self`.
        let high = high.into().resolve("clip", self)?;
        raised.binary("clip", Binary::Min, &*high)
    }

    /// The quotient rounded towards negative infinity, as Python's `//`.
    ///
    /// # Errors
    ///
    /// If the shapes do not broadcast, or the element types differ or are `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([-7, 7]).floor_divide(2)?, Tensor::from([-4, 3]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn floor_divide<'a>(&'a self, other: impl Into<Operand<'a>>) -> Result<Self> {
        let op = "floor_divide";
        if self.dtype() == DType::Bool {
            return Err(wrong_dtype(op, "numbers", DType::Bool));
        }
        let [a, b] = pair(op, self, other)?;
        Ok(with_element!(self.dtype(), T => if self.dtype().is_float() {
            walk::zip(&a, &b, |a: T, b: T| {
                let (a, b) = (a.to_f64(), b.to_f64());
                let exact = (a - float_remainder(a, b)) / b;
                T::from_f64(if b == 0.0 { a / b } else { exact.round_ties_even() })
            })
        } else {
            walk::zip(&a, &b, |a: T, b: T| {
                let (a, b) = (a.to_i64(), b.to_i64());
                let above = b != 0 && a.wrapping_rem(b) != 0 && (a < 0) != (b < 0);
                T::from_i64(divide(a, b) - i64::from(above))
            })
        }))
    }

    /// Whether every pair of elements differs by at most `atol + rtol · |b|`.
    ///
    /// Equal infinities are close, NaN never is. NumPy's tolerances are `rtol = 1e-5` and
    /// `atol = 1e-8`.
    ///
    /// # Errors
    ///
    /// If the shapes do not broadcast, or the element types differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([1.0, 2.0]);
    /// assert!(x.allclose(&x.add(1e-9)?, 1e-5, 1e-8)?);
    /// assert!(!x.allclose(&x.add(1e-3)?, 1e-5, 1e-8)?);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn allclose<'a>(
        &'a self,
        other: impl Into<Operand<'a>>,
        rtol: f64,
        atol: f64,
    ) -> Result<bool> {
        let [a, b] = pair("allclose", self, other)?;
        with_element!(self.dtype(), T => Ok(all_close::<T>(&a, &b, rtol, atol)))
    }
}

pub(crate) fn wrong_dtype(op: &'static str, expected: &str, dtype: DType) -> Error {
    let error = Error::invalid(op, expected).got(dtype);
    match expected {
        "floating point" | "numbers" => {
            error.help("convert the tensor first: .cast(DType::F32)")
        }
        "bool or integers" => error.help("convert the tensor first: .cast(DType::I32)"),
        _ => error.help("convert the tensor first: .cast(DType::Bool)"),
    }
}

fn comparison<T: Element>(compare: Compare, a: &Tensor, b: &Tensor) -> Tensor {
    match compare {
        Compare::Equal => walk::zip(a, b, |a: T, b| a == b),
        Compare::NotEqual => walk::zip(a, b, |a: T, b| a != b),
        Compare::Less => walk::zip(a, b, |a: T, b| a < b),
        Compare::LessEqual => walk::zip(a, b, |a: T, b| a <= b),
        Compare::Greater => walk::zip(a, b, |a: T, b| a > b),
        Compare::GreaterEqual => walk::zip(a, b, |a: T, b| a >= b),
    }
}

fn all_close<T: Element>(a: &Tensor, b: &Tensor, rtol: f64, atol: f64) -> bool {
    a.iter::<T>().zip(b.iter::<T>()).all(|(a, b)| {
        let (x, y) = (a.to_f64(), b.to_f64());
        a == b || (y.is_finite() && (x - y).abs() <= atol + rtol * y.abs())
    })
}

fn select<T: Element>(condition: &Tensor, a: &Tensor, b: &Tensor) -> Tensor {
    let mut out = Tensor::zeros(T::DTYPE, condition.shape());
    let (to, mut done) = (out.make_mut::<T>(), 0);
    let (from_c, from_a, from_b) =
        (condition.memory::<bool>(), a.memory::<T>(), b.memory::<T>());
    walk::rows(
        condition.shape(),
        [condition.strides(), a.strides(), b.strides()],
        [condition.offset(), a.offset(), b.offset()],
        |[c, a, b], [step_c, step_a, step_b], len| {
            for (i, to) in to[done..done + len].iter_mut().enumerate() {
                *to = if from_c[walk::position(c, step_c, i)] {
                    from_a[walk::position(a, step_a, i)]
                } else {
                    from_b[walk::position(b, step_b, i)]
                };
            }
            done += len;
        },
    );
    out
}

/// One rounding at the end makes `F32` and half-precision results exact: 53 bits are more than
/// twice 24 and 2 bits, so rounding a sum, product, quotient twice is rounding it once.
fn float_binary<T: Element>(binary: Binary, a: &Tensor, b: &Tensor) -> Tensor {
    let zip = |f: fn(f64, f64) -> f64| {
        walk::zip(a, b, |a: T, b: T| T::from_f64(f(a.to_f64(), b.to_f64())))
    };
    match binary {
        Binary::Add => walk::zip(a, b, |a: T, b: T| T::from_f64(a.to_f64() + b.to_f64())),
        Binary::Sub => walk::zip(a, b, |a: T, b: T| T::from_f64(a.to_f64() - b.to_f64())),
        Binary::Mul => walk::zip(a, b, |a: T, b: T| T::from_f64(a.to_f64() * b.to_f64())),
        Binary::Div => walk::zip(a, b, |a: T, b: T| T::from_f64(a.to_f64() / b.to_f64())),
        Binary::Rem => zip(float_remainder),
        Binary::Pow => zip(f64::powf),
        Binary::Max => zip(|a, b| if b > a || b.is_nan() { b } else { a }),
        Binary::Min => zip(|a, b| if b < a || b.is_nan() { b } else { a }),
        Binary::Atan2 => zip(f64::atan2),
        Binary::And | Binary::Or | Binary::Xor => {
            unreachable!("the caller has checked that these are bool or integers")
        }
    }
}

pub(crate) fn float_remainder(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        rest.copysign(b)
    } else if (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}

/// In 64 bits; narrower types wrap when the result is converted back.
fn integer_binary<T: Element>(binary: Binary, a: &Tensor, b: &Tensor) -> Tensor {
    let zip = |f: fn(i64, i64) -> i64| {
        walk::zip(a, b, |a: T, b: T| T::from_i64(f(a.to_i64(), b.to_i64())))
    };
    match binary {
        Binary::Add => zip(i64::wrapping_add),
        Binary::Sub => zip(i64::wrapping_sub),
        Binary::Mul => zip(i64::wrapping_mul),
        Binary::Div => zip(divide),
        Binary::Rem => zip(|a, b| match b {
            0 => 0,
            b => {
                let rest = a.wrapping_rem(b);
                if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
            }
        }),
        Binary::Pow => zip(integer_power),
        Binary::Max => zip(i64::max),
        Binary::Min => zip(i64::min),
        Binary::And => zip(|a, b| a & b),
        Binary::Or => zip(|a, b| a | b),
        Binary::Xor => zip(|a, b| a ^ b),
        Binary::Atan2 => {
            unreachable!("the caller has checked that these are floating point")
        }
    }
}

pub(crate) const fn divide(a: i64, b: i64) -> i64 {
    if b == 0 { 0 } else { a.wrapping_div(b) }
}

pub(crate) fn integer_power(mut base: i64, exponent: i64) -> i64 {
    if exponent < 0 {
        // Only 1 and -1 have an inverse that is not truncated to 0.
        return match base {
            1 => 1,
            -1 if exponent % 2 == 0 => 1,
            -1 => -1,
            _ => 0,
        };
    }
    let (mut power, mut left) = (1i64, exponent);
    while left > 0 {
        if left % 2 == 1 {
            power = power.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        left /= 2;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_from_the_end() {
        let column = Tensor::from([[1], [2]]);
        let row = Tensor::from([10, 20, 30]);
        let expected = Tensor::from([[11, 21, 31], [12, 22, 32]]);
        assert_eq!(column.add(&row).unwrap(), expected);
        assert_eq!(row.add(&column).unwrap(), expected);
    }

    #[test]
    fn shapes_that_do_not_broadcast_are_named() {
        let error = Tensor::arange(0..3).add(&Tensor::arange(0..2)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`add`: cannot take this input\n  expected: shapes that broadcast: aligned at the \
             end, equal or 1\n       got: (3,) and (2,)"
        );
    }

    #[test]
    fn different_element_types_name_the_cast() {
        let error = Tensor::arange(0..3).mul(&Tensor::from(1.0f32)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`mul`: cannot take this input\n  expected: one element type\n       got: int32 \
             (3,) and float32 ()\n      help: convert one of them: .cast(DType::F32)"
        );
    }

    #[test]
    fn a_fraction_for_integers_names_the_cast() {
        let error = Tensor::arange(0..3).mul(0.5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`mul`: cannot take this input\n  expected: an integer for a tensor of int32\n      \
             \x20got: 0.5\n      help: convert the tensor first: .cast(DType::F32)"
        );
    }

    #[test]
    fn integers_wrap_and_survive_a_division_by_zero() {
        let x = Tensor::from([i32::MIN, 5]);
        assert_eq!(x.div(-1).unwrap(), Tensor::from([i32::MIN, -5]));
        assert_eq!(x.div(0).unwrap(), Tensor::from([0, 0]));
        assert_eq!(x.remainder(0).unwrap(), Tensor::from([0, 0]));
        assert_eq!(x.sub(1).unwrap(), Tensor::from([i32::MAX, 4]));
        assert_eq!(Tensor::from([200u8]).add(100).unwrap(), Tensor::from([44u8]));
        assert_eq!(Tensor::from([2, -1, 0]).power(-1).unwrap(), Tensor::from([0, -1, 0]));
    }

    #[test]
    fn remainders_have_the_sign_of_the_divisor() {
        let x = Tensor::from([-7.0, 7.0, -6.0]);
        assert_eq!(x.remainder(3.0).unwrap(), Tensor::from([2.0, 1.0, 0.0]));
        assert_eq!(x.remainder(-3.0).unwrap(), Tensor::from([-1.0, -2.0, -0.0]));
        assert_eq!(x.floor_divide(2.0).unwrap(), Tensor::from([-4.0, 3.0, -3.0]));
    }

    #[test]
    fn nan_wins_maximum_and_minimum() {
        let x = Tensor::from([f64::NAN, 1.0]);
        for y in [x.maximum(0.0).unwrap(), x.minimum(2.0).unwrap()] {
            assert!(y.to_vec::<f64>().unwrap()[0].is_nan());
        }
        let y = Tensor::from(1.0).maximum(f64::NAN).unwrap();
        assert!(y.item::<f64>().unwrap().is_nan());
    }

    #[test]
    fn a_choice_of_numbers_alone_has_a_type() {
        let condition = Tensor::from([true, false]);
        assert_eq!(
            Tensor::where_(&condition, 1.0, 0.0).unwrap(),
            Tensor::from([1.0f32, 0.0])
        );
        assert_eq!(
            Tensor::where_(&condition, 1, &Tensor::from([5u8])).unwrap(),
            Tensor::from([1u8, 5])
        );
        assert!(Tensor::where_(&Tensor::from([1]), 1, 2).is_err());
    }
}
