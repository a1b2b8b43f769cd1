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
        $crate::with_element!($dtype, $T => {
            match $dtype {
                $crate::DType::F32 | $crate::DType::F64 => {
                    type $W = f64;
                    $body
                }
                $crate::DType::F16 | $crate::DType::BF16 => {
                    type $W = f32;
                    $body
                }
                _ => {
                    type $W = i64;
                    $body
                }
            }
        })
    };
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
    match x.as_slice::<T>() {
        Some(values) => values.iter().map(|&value| W::of(value)).collect(),
        None => x.iter::<T>().map(W::of).collect(),
    }
}

/// A tensor of computed numbers.
pub(super) fn narrow<T: Element, W: Wide>(shape: &[usize], values: &[W]) -> Tensor {
    collect(shape, values.iter().map(|&value| value.to::<T>()))
}

/// A function of each element.
pub(super) fn map<T: Element, U: Element>(x: &Tensor, f: impl Fn(T) -> U) -> Tensor {
    match x.as_slice::<T>() {
        Some(values) => collect(x.shape(), values.iter().map(|&value| f(value))),
        None => collect(x.shape(), x.iter().map(f)),
    }
}

/// A function of each pair of elements, broadcast to `shape`.
pub(super) fn zip<T: Element, U: Element>(
    a: &Tensor,
    b: &Tensor,
    shape: &[usize],
    f: impl Fn(T, T) -> U,
) -> Tensor {
    let (a, b) = (broadcast(a, shape), broadcast(b, shape));
    match (a.as_slice::<T>(), b.as_slice::<T>()) {
        (Some(x), Some(y)) => collect(shape, x.iter().zip(y).map(|(&x, &y)| f(x, y))),
        _ => collect(shape, a.iter().zip(b.iter()).map(|(x, y)| f(x, y))),
    }
}
