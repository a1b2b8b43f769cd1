//! Element types: [`DType`], and [`Element`] for the Rust types behind them.
#![expect(clippy::cast_lossless, reason = "`as` says the same for every type of a macro")]

use std::fmt;

pub use half::{bf16, f16};

use crate::{Error, Result};

/// The type of a tensor's elements.
///
/// `F16` and `BF16` are storage types: backends add up their sums in `F32`.
///
/// # Examples
///
/// ```
/// use deckle_tensor::DType;
///
/// assert_eq!(DType::F32.size(), 4);
/// assert_eq!("float32".parse(), Ok(DType::F32));
/// assert_eq!(DType::I64.to_string(), "int64");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DType {
    /// 32-bit floating point, the default.
    F32,
    /// 64-bit floating point.
    F64,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// 8-bit unsigned integer.
    U8,
    /// 32-bit unsigned integer.
    U32,
    /// `true` or `false`, one byte each.
    Bool,
    /// IEEE 754 half precision, a storage type.
    F16,
    /// The upper half of an `F32`, a storage type.
    BF16,
}

impl DType {
    /// Every element type.
    pub const ALL: [Self; 9] = [
        Self::F32,
        Self::F64,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U32,
        Self::Bool,
        Self::F16,
        Self::BF16,
    ];

    /// The bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::U8 | Self::Bool => 1,
        }
    }

    /// Whether this is a floating-point type; only these have gradients.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::F16 | Self::BF16)
    }

    /// Whether this is an integer type; `Bool` is none.
    #[must_use]
    pub const fn is_integer(self) -> bool {
        matches!(self, Self::I32 | Self::I64 | Self::U8 | Self::U32)
    }

    /// For `with_element!`, which has to match every variant in every crate.
    #[doc(hidden)]
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::F32,
            Self::F64 => Kind::F64,
            Self::I32 => Kind::I32,
            Self::I64 => Kind::I64,
            Self::U8 => Kind::U8,
            Self::U32 => Kind::U32,
            Self::Bool => Kind::Bool,
            Self::F16 => Kind::F16,
            Self::BF16 => Kind::BF16,
        }
    }

    /// The name that NumPy and Keras use, `float32` for `F32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U32 => "uint32",
            Self::Bool => "bool",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
        }
    }
}

/// The same variants as [`DType`], but known to be all.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    F32,
    F64,
    I32,
    I64,
    U8,
    U32,
    Bool,
    F16,
    BF16,
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for DType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name).ok_or_else(|| {
            Error::invalid("dtype", "float32, float64, int32, int64, uint8, uint32, bool, float16 or bfloat16")
                .got(name)
        })
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that a tensor can hold.
///
/// Sealed: exactly one type for each [`DType`].
pub trait Element:
    sealed::Sealed
    + Copy
    + Default
    + PartialEq
    + PartialOrd
    + fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// The element type of tensors of `Self`.
    const DTYPE: DType;

    /// Converts from an `f64` as [`Tensor::cast`](crate::Tensor::cast) does.
    fn from_f64(value: f64) -> Self;

    /// Converts to an `f64`; integers beyond 2⁵³ are rounded.
    fn to_f64(self) -> f64;

    /// Converts from an `i64`, wrapping as `as` does.
    fn from_i64(value: i64) -> Self;

    /// Converts to an `i64`, saturating as `as` does; NaN becomes 0.
    fn to_i64(self) -> i64;
}

macro_rules! element {
    ($($type:ty, $dtype:ident;)*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            #[inline]
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            #[inline]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline]
            fn from_i64(value: i64) -> Self {
                value as Self
            }
            #[inline]
            fn to_i64(self) -> i64 {
                self as i64
            }
        }
    )*};
}

element! { f32, F32; f64, F64; i32, I32; i64, I64; u8, U8; u32, U32; }

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: DType = DType::Bool;
    #[inline]
    fn from_f64(value: f64) -> Self {
        value != 0.0
    }
    #[inline]
    fn to_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
    #[inline]
    fn from_i64(value: i64) -> Self {
        value != 0
    }
    #[inline]
    fn to_i64(self) -> i64 {
        i64::from(self)
    }
}

macro_rules! half_element {
    ($($type:ty, $dtype:ident;)*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            #[inline]
            fn from_f64(value: f64) -> Self {
                Self::from_f64(value)
            }
            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline]
            fn from_i64(value: i64) -> Self {
                Self::from_f64(value as f64)
            }
            #[inline]
            fn to_i64(self) -> i64 {
                f64::from(self) as i64
            }
        }
    )*};
}

half_element! { f16, F16; bf16, BF16; }

/// Runs `$body` with the Rust type of `$dtype` bound to the name `$T`.
///
/// # Examples
///
/// ```
/// use deckle_tensor::{DType, with_element};
///
/// let size = with_element!(DType::F64, T => size_of::<T>());
/// assert_eq!(size, 8);
/// ```
#[macro_export]
macro_rules! with_element {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $crate::DType::kind($dtype) {
            $crate::Kind::F32 => {
                type $T = f32;
                $body
            }
            $crate::Kind::F64 => {
                type $T = f64;
                $body
            }
            $crate::Kind::I32 => {
                type $T = i32;
                $body
            }
            $crate::Kind::I64 => {
                type $T = i64;
                $body
            }
            $crate::Kind::U8 => {
                type $T = u8;
                $body
            }
            $crate::Kind::U32 => {
                type $T = u32;
                $body
            }
            $crate::Kind::Bool => {
                type $T = bool;
                $body
            }
            $crate::Kind::F16 => {
                type $T = $crate::f16;
                $body
            }
            $crate::Kind::BF16 => {
                type $T = $crate::bf16;
                $body
            }
        }
    };
}
