//! The right-hand side of an operation: a tensor or a Rust number, [`Operand`] and [`Scalar`].

use std::borrow::Cow;

use crate::{DType, Element, Error, Result, Tensor, with_element};

/// A Rust number, which takes the element type of the tensor that it meets.
///
/// # Examples
///
/// ```
/// use deckle_tensor::{DType, Scalar};
///
/// let two = Scalar::from(2).to_tensor(DType::F32)?;
/// assert_eq!(two.item::<f32>()?, 2.0);
/// assert!(Scalar::from(2.5).to_tensor(DType::I32).is_err());
/// assert!(Scalar::from(300).to_tensor(DType::U8).is_err());
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
}

impl Scalar {
    /// The number as a tensor without axes.
    ///
    /// # Errors
    ///
    /// If `dtype` cannot hold it: a fraction for integers, an integer beyond their range, a
    /// number for `Bool`.
    pub fn to_tensor(self, dtype: DType) -> Result<Tensor> {
        self.cast_to(dtype, "Scalar::to_tensor")
    }

    pub(crate) fn cast_to(self, dtype: DType, op: &'static str) -> Result<Tensor> {
        let fail = |expected: &str, got: &dyn std::fmt::Display| {
            Err(Error::invalid(op, format_args!("{expected} for a tensor of {dtype}"))
                .got(got)
                .help("convert the tensor first: .cast(DType::F32)"))
        };
        with_element!(dtype, T => match self {
            Self::Bool(value) => Ok(Tensor::scalar(T::from_i64(value.into()))),
            Self::Int(value) if dtype == DType::Bool => fail("true or false", &value),
            Self::Int(value) if dtype.is_float() => Ok(Tensor::scalar(T::from_f64(value as f64))),
            Self::Int(value) => {
                let element = T::from_i64(value);
                if element.to_i64() == value {
                    Ok(Tensor::scalar(element))
                } else {
                    fail("an integer in range", &value)
                }
            }
            Self::Float(value) if dtype.is_float() => Ok(Tensor::scalar(T::from_f64(value))),
            Self::Float(value) if dtype == DType::Bool => fail("true or false", &format!("{value:?}")),
            Self::Float(value) => fail("an integer", &format!("{value:?}")),
        })
    }

    /// The type of the number when it meets no tensor.
    const fn default_dtype(self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::Int(_) => DType::I64,
            Self::Float(_) => DType::F32,
        }
    }
}

macro_rules! scalar_from {
    ($($type:ty => $variant:ident, $value:ident => $convert:expr;)*) => {$(
        impl From<$type> for Scalar {
            fn from($value: $type) -> Self {
                Self::$variant($convert)
            }
        }

        impl From<$type> for Operand<'_> {
            fn from(value: $type) -> Self {
                Self::Scalar(value.into())
            }
        }
    )*};
}

scalar_from! {
    bool => Bool, value => value;
    u8 => Int, value => value.into();
    i32 => Int, value => value.into();
    u32 => Int, value => value.into();
    i64 => Int, value => value;
    isize => Int, value => value as i64;
    usize => Int, value => i64::try_from(value).unwrap_or(i64::MAX);
    f32 => Float, value => value.into();
    f64 => Float, value => value;
}

/// A tensor, or a number that takes the other side's element type.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// A tensor, whose element type has to fit.
    Tensor(&'a Tensor),
    /// A number.
    Scalar(Scalar),
}

impl<'a> Operand<'a> {
    /// The operand as a tensor of `dtype`, for `op` on `other`.
    pub(crate) fn resolve(
        self,
        op: &'static str,
        other: &Tensor,
    ) -> Result<Cow<'a, Tensor>> {
        match self {
            Self::Scalar(scalar) => scalar.cast_to(other.dtype(), op).map(Cow::Owned),
            Self::Tensor(tensor) if tensor.dtype() == other.dtype() => {
                Ok(Cow::Borrowed(tensor))
            }
            Self::Tensor(tensor) => Err(Error::invalid(op, "one element type")
                .got(format_args!("{} and {}", other.spec(), tensor.spec()))
                .help(format_args!(
                    "convert one of them: .cast(DType::{:?})",
                    wider(other.dtype(), tensor.dtype())
                ))),
        }
    }

    /// The operand as a tensor when nothing else says of which type.
    pub(crate) fn alone(self, op: &'static str) -> Result<Cow<'a, Tensor>> {
        match self {
            Self::Scalar(scalar) => {
                scalar.cast_to(scalar.default_dtype(), op).map(Cow::Owned)
            }
            Self::Tensor(tensor) => Ok(Cow::Borrowed(tensor)),
        }
    }
}

/// The one of two types that loses less, for advice only.
fn wider(a: DType, b: DType) -> DType {
    let rank = |dtype: DType| (dtype.is_float(), dtype.is_integer(), dtype.size());
    if rank(a) >= rank(b) { a } else { b }
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self::Tensor(tensor)
    }
}

impl From<Scalar> for Operand<'_> {
    fn from(scalar: Scalar) -> Self {
        Self::Scalar(scalar)
    }
}

impl Tensor {
    /// A tensor of one number, of any element type that can hold it.
    ///
    /// # Errors
    ///
    /// If `dtype` cannot hold `value`.
    ///
    /// # Panics
    ///
    /// If the number of bytes exceeds the address space.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Tensor::filled(DType::F32, [2], 7)?;
    /// assert_eq!(x.to_vec::<f32>()?, [7.0, 7.0]);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn filled(
        dtype: DType,
        shape: impl AsRef<[usize]>,
        value: impl Into<Scalar>,
    ) -> Result<Self> {
        let value = value.into().cast_to(dtype, "filled")?;
        with_element!(dtype, T => Ok(Self::full(shape, value.item::<T>()?)))
    }

    /// A tensor of this shape and element type filled with one number.
    ///
    /// # Errors
    ///
    /// If the element type cannot hold `value`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([1u8, 2]);
    /// assert_eq!(x.full_like(9)?, Tensor::from([9u8, 9]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn full_like(&self, value: impl Into<Scalar>) -> Result<Self> {
        Self::filled(self.dtype(), self.shape(), value)
    }
}
