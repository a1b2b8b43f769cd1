//! Products of elements, for convolutions with one channel per group.

use crate::{Simd, simd::Float};

/// `y += a · b`, element by element.
pub(super) type MultiplyAdd<T> = fn(y: &mut [T], a: &[T], b: &[T]);

#[inline(always)]
fn run<T: Float>(y: &mut [T], a: &[T], b: &[T]) {
    for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
        *y += a * b;
    }
}

/// The function for an instruction set, or the machine's if that is smaller.
pub(super) fn multiply_add<T: Float>(simd: Simd) -> MultiplyAdd<T> {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn avx512<T: Float>(y: &mut [T], a: &[T], b: &[T]) {
            run(y, a, b);
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<T: Float>(y: &mut [T], a: &[T], b: &[T]) {
            run(y, a, b);
        }
        match simd.or_detected() {
            // SAFETY: the machine has this instruction set.
            Simd::Avx512 => return |y, a, b| unsafe { avx512(y, a, b) },
            // SAFETY: the machine has this instruction set.
            Simd::Avx2 => return |y, a, b| unsafe { avx2(y, a, b) },
            Simd::Portable => {}
        }
    }
    let _ = simd;
    run
}
