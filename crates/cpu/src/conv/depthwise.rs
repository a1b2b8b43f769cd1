//! Products of elements, for convolutions with one channel per group.

use crate::simd::vectorized;

vectorized! {
    /// `y += a · b`, element by element.
    pub(super) fn multiply_add<T: Float>(y: &mut [T], a: &[T], b: &[T]) {
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            *y += a * b;
        }
    }
}
