//! What makes one element of many: sums, products, maxima and minima.
#![expect(unsafe_code, reason = "typed loops over registers of any element type")]

use deckle_tensor::{Binary, DType, Reduction, bf16, f16};

use super::{
    fill::expand,
    function::{Loop, pick_loop, with_number},
    number::{Bits, Number},
};
use crate::{Simd, graph::Map};

/// Folds a register into accumulators, element by element.
pub(super) type Accumulate = Loop;

/// Folds `len` elements into the one accumulator.
///
/// # Safety
///
/// The first pointer is valid for reads of `len` elements, the second for one.
pub(super) type FoldRow = unsafe fn(*const u8, usize, *mut u8);

/// The binary operation that folds two elements.
const fn binary(reduction: Reduction) -> Binary {
    match reduction {
        Reduction::Sum => Binary::Add,
        Reduction::Product => Binary::Mul,
        Reduction::Max => Binary::Max,
        Reduction::Min => Binary::Min,
        Reduction::All => Binary::And,
        Reduction::Any => Binary::Or,
    }
}

pub(super) fn pick_accumulate(
    reduction: Reduction,
    dtype: DType,
    simd: Simd,
) -> Accumulate {
    let map = Map::Binary(binary(reduction));
    pick_loop(map, dtype, simd).expect("a program reduces what can be reduced")
}

/// What the fold of no elements is, in as many bytes as an element has.
#[derive(Clone, Copy, Debug)]
#[repr(align(8))]
pub(super) struct Identity([u8; 8]);

impl Identity {
    pub(super) fn new(reduction: Reduction, dtype: DType) -> Self {
        let mut bytes = [0; 8];
        let value = match reduction {
            Reduction::Sum | Reduction::Any => return Self(bytes),
            Reduction::Product | Reduction::All => 1.0,
            Reduction::Max => f64::NEG_INFINITY,
            Reduction::Min => f64::INFINITY,
        };
        macro_rules! put {
            ($value:expr) => {{
                let value = $value.to_ne_bytes();
                bytes[..value.len()].copy_from_slice(&value);
            }};
        }
        match dtype {
            DType::F32 => put!(value as f32),
            DType::F64 => put!(value),
            // `as` saturates, so that ∞ is the largest integer.
            DType::I32 => put!(value as i32),
            DType::I64 => put!(value as i64),
            DType::U32 => put!(value as u32),
            DType::F16 => put!(f16::from_f64(value)),
            DType::BF16 => put!(bf16::from_f64(value)),
            _ => put!(value as u8),
        }
        Self(bytes)
    }

    /// Writes it to `count` places of `size` bytes.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of as many elements of the type that it was made for.
    pub(super) unsafe fn fill(self, to: *mut u8, count: usize, size: usize) {
        debug_assert!(size <= size_of::<Self>(), "an element is no longer");
        // SAFETY: the caller's promise; no element has more bytes or a larger alignment.
        unsafe { expand(self.0.as_ptr(), to, 1, count, size) };
    }
}

/// The partial results that a row is folded into side by side.
const LANES: usize = 32;

/// Folds a row in a fixed order: side by side into lanes, lanes in halves, the rest at the end.
#[inline(always)]
unsafe fn row<T: Copy>(
    x: *const u8,
    len: usize,
    acc: *mut u8,
    f: impl Fn(T, T) -> T + Copy,
) {
    let (x, acc) = (x.cast::<T>(), acc.cast::<T>());
    // SAFETY: the caller's promise.
    let mut total = unsafe { acc.read() };
    let whole = len - len % LANES;
    if whole > 0 {
        // SAFETY: at least LANES elements.
        let mut lanes = unsafe { x.cast::<[T; LANES]>().read_unaligned() };
        let mut i = LANES;
        while i < whole {
            // SAFETY: i + LANES <= len.
            let next = unsafe { x.add(i).cast::<[T; LANES]>().read_unaligned() };
            lanes = std::array::from_fn(|j| f(lanes[j], next[j]));
            i += LANES;
        }
        let mut width = LANES / 2;
        while width > 0 {
            for j in 0..width {
                lanes[j] = f(lanes[j], lanes[j + width]);
            }
            width /= 2;
        }
        total = f(total, lanes[0]);
    }
    for i in whole..len {
        // SAFETY: i < len.
        total = f(total, unsafe { x.add(i).read() });
    }
    // SAFETY: the caller's promise.
    unsafe { acc.write(total) };
}

macro_rules! folds {
    ($T:ty, $f:expr) => {{
        unsafe fn fold(x: *const u8, len: usize, acc: *mut u8) {
            // SAFETY: the caller's promise.
            unsafe { row::<$T>(x, len, acc, $f) }
        }
        fold
    }};
}

#[cfg(target_arch = "x86_64")]
macro_rules! fast_folds {
    ($simd:expr, $f:expr) => {{
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2(x: *const u8, len: usize, acc: *mut u8) {
            // SAFETY: the caller's promise.
            unsafe { row::<f32>(x, len, acc, $f) }
        }
        #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]
        unsafe fn avx512(x: *const u8, len: usize, acc: *mut u8) {
            // SAFETY: the caller's promise.
            unsafe { row::<f32>(x, len, acc, $f) }
        }
        match $simd {
            Simd::Portable => folds!(f32, $f),
            Simd::Avx2 => avx2,
            _ => avx512,
        }
    }};
}

#[cfg(not(target_arch = "x86_64"))]
macro_rules! fast_folds {
    ($simd:expr, $f:expr) => {{
        let _ = $simd;
        folds!(f32, $f)
    }};
}

pub(super) fn pick_fold_row(reduction: Reduction, dtype: DType, simd: Simd) -> FoldRow {
    match (reduction, dtype) {
        (Reduction::Sum, DType::F32) => fast_folds!(simd, |a, b| a + b),
        (Reduction::Max, DType::F32) => fast_folds!(simd, Number::maximum),
        (Reduction::Min, DType::F32) => fast_folds!(simd, Number::minimum),
        (Reduction::Sum, _) => with_number!(dtype, T => folds!(T, Number::add)),
        (Reduction::Product, _) => with_number!(dtype, T => folds!(T, Number::mul)),
        (Reduction::Max, _) => with_number!(dtype, T => folds!(T, Number::maximum)),
        (Reduction::Min, _) => with_number!(dtype, T => folds!(T, Number::minimum)),
        (Reduction::All, _) => folds!(u8, Bits::and),
        (Reduction::Any, _) => folds!(u8, Bits::or),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fold_in_any_length() {
        for simd in Simd::available() {
            let fold = pick_fold_row(Reduction::Sum, DType::F32, simd);
            for len in [0, 1, 31, 32, 33, 100, 1000] {
                let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
                let mut sum = 1.0f32;
                // SAFETY: `values` has `len` elements, `sum` is one.
                unsafe { fold(values.as_ptr().cast(), len, (&raw mut sum).cast()) };
                let expected = 1.0 + (len * len.saturating_sub(1) / 2) as f32;
                assert_eq!(sum.to_bits(), expected.to_bits());
            }
        }
    }
}
