//! Between the elements of a tensor and the numbers that are computed with.

use super::layout::broadcast;
use crate::{DType, Element, Storage, Tensor};

/// A type to accumulate in: `f64`, `f32` or, for integers and `Bool`, `i64`.
///
/// `i64` wraps; the low bits of a sum or product of `i64` are those of the narrower integers.
pub(super) trait Wide: Copy + PartialOrd + 'static {
    const ZERO: Self;
    const ONE: Self;

    fn of<T: Element>(element: T) -> Self;
    fn to<T: Element>(self) -> T;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// The least value of the type, -∞ for floating point.
    fn least(dtype: DType) -> Self;
    /// The greatest value of the type, ∞ for floating point.
    fn greatest(dtype: DType) -> Self;
    fn is_nan(self) -> bool;

    /// The larger one; NaN wins.
    fn max(self, other: Self) -> Self {
        if self.is_nan() || self > other { self } else { other }
    }

    /// The smaller one; NaN wins.
    fn min(self, other: Self) -> Self {
        if self.is_nan() || self < other { self } else { other }
    }
}

macro_rules! wide_float {
    ($($type:ty),*) => {$(
        impl Wide for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            fn of<T: Element>(element: T) -> Self {
                element.to_f64() as Self
            }
            fn to<T: Element>(self) -> T {
                T::from_f64(self.into())
            }
            fn plus(self, other: Self) -> Self {
                self + other
            }
            fn times(self, other: Self) -> Self {
                self * other
            }
            fn least(_: DType) -> Self {
                Self::NEG_INFINITY
            }
            fn greatest(_: DType) -> Self {
                Self::INFINITY
            }
            fn is_nan(self) -> bool {
                Self::is_nan(self)
            }
        }
    )*};
}

wide_float!(f32, f64);

impl Wide for i64 {
    const ZERO: Self = 0;
    const ONE: Self = 1;

    fn of<T: Element>(element: T) -> Self {
        element.to_i64()
    }
    fn to<T: Element>(self) -> T {
        T::from_i64(self)
    }
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn times(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    fn least(dtype: DType) -> Self {
        match dtype {
            DType::I32 => i32::MIN.into(),
            DType::I64 => Self::MIN,
            _ => 0,
        }
    }
    fn greatest(dtype: DType) -> Self {
        match dtype {
            DType::I32 => i32::MAX.into(),
            DType::U8 => u8::MAX.into(),
            DType::U32 => u32::MAX.into(),
            DType::Bool => 1,
            _ => Self::MAX,
        }
    }
    fn is_nan(self) -> bool {
        false
    }
}

/// Runs `$body` with the element type of `$dtype` as `$T` and its [`Wide`] type as `$W`.
macro_rules! with_wide {
    ($dtype:expr, $T:ident, $W:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => with_wide!(f32, f64, $T, $W, $body),
            $crate::DType::F64 => with_wide!(f64, f64, $T, $W, $body),
            $crate::DType::F16 => with_wide!(half::f16, f32, $T, $W, $body),
            $crate::DType::BF16 => with_wide!(half::bf16, f32, $T, $W, $body),
            $crate::DType::I32 => with_wide!(i32, i64, $T, $W, $body),
            $crate::DType::I64 => with_wide!(i64, i64, $T, $W, $body),
            $crate::DType::U8 => with_wide!(u8, i64, $T, $W, $body),
            $crate::DType::U32 => with_wide!(u32, i64, $T, $W, $body),
            $crate::DType::Bool => with_wide!(bool, i64, $T, $W, $body),
        }
    };
    ($element:ty, $wide:ty, $T:ident, $W:ident, $body:expr) => {{
        type $T = $element;
        type $W = $wide;
        $body
    }};
}
pub(super) use with_wide;

/// A tensor of values in row-major order.
pub(super) fn collect<T: Element>(
    shape: &[usize],
    values: impl Iterator<Item = T>,
) -> Tensor {
    let size: usize = shape.iter().product();
    let mut storage = Storage::zeroed(size * size_of::<T>());
    for (to, value) in storage.as_mut_slice().iter_mut().zip(values) {
        *to = value;
    }
    Tensor::from_storage(storage, T::DTYPE, shape)
}

/// The elements as numbers to compute with, in row-major order.
pub(super) fn widen<T: Element, W: Wide>(x: &Tensor) -> Vec<W> {
    let x = x.contiguous();
    let values = x.as_slice::<T>().unwrap_or_default();
    values.iter().map(|&value| W::of(value)).collect()
}

/// A tensor of computed numbers.
pub(super) fn narrow<T: Element, W: Wide>(shape: &[usize], values: &[W]) -> Tensor {
    collect(shape, values.iter().map(|&value| value.to::<T>()))
}

/// A function of each element.
pub(super) fn map<T: Element, U: Element>(x: &Tensor, f: impl Fn(T) -> U) -> Tensor {
    let x = x.contiguous();
    let values = x.as_slice::<T>().unwrap_or_default();
    collect(x.shape(), values.iter().map(|&value| f(value)))
}

/// A function of each pair of elements, broadcast to `shape`.
pub(super) fn zip<T: Element, U: Element>(
    a: &Tensor,
    b: &Tensor,
    shape: &[usize],
    f: impl Fn(T, T) -> U,
) -> Tensor {
    let (a, b) = (broadcast(a, shape).contiguous(), broadcast(b, shape).contiguous());
    let a = a.as_slice::<T>().unwrap_or_default();
    let b = b.as_slice::<T>().unwrap_or_default();
    collect(shape, a.iter().zip(b).map(|(&x, &y)| f(x, y)))
}
