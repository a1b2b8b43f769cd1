//! From scores to shares, and back.

use crate::simd::{Float, one_by_one, vectorized};

/// The elements that are folded side by side.
const LANES: usize = 16;

/// The larger one, or NaN.
#[inline(always)]
fn larger<T: Float>(a: T, b: T) -> T {
    if a > b || a.is_nan() { a } else { b }
}

/// All lanes in one, in halves.
#[inline(always)]
fn folded<T: Float>(mut lanes: [T; LANES], fold: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = fold(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

vectorized! {
    /// The softmax of each row of `len` elements, in its place.
    pub(super) fn softmax<T: Float, const FMA: bool>(scores: &mut [T], len: usize) {
        for row in scores.chunks_exact_mut(len.max(1)) {
            let (chunks, rest) = row.as_chunks::<LANES>();
            let mut lanes = [T::NEG_INFINITY; LANES];
            for chunk in chunks {
                one_by_one();
                for i in 0..LANES {
                    lanes[i] = larger(lanes[i], chunk[i]);
                }
            }
            let largest = rest.iter().copied().fold(folded(lanes, larger), larger);
            let (chunks, rest) = row.as_chunks_mut::<LANES>();
            let mut sums = [T::ZERO; LANES];
            for chunk in chunks {
                one_by_one();
                for i in 0..LANES {
                    let power = (chunk[i] - largest).exp::<FMA>();
                    chunk[i] = power;
                    sums[i] += power;
                }
            }
            let mut sum = folded(sums, |a, b| a + b);
            for x in rest {
                *x = (*x - largest).exp::<FMA>();
                sum += *x;
            }
            let factor = T::ONE / sum;
            for x in row {
                *x = *x * factor;
            }
        }
    }
}

vectorized! {
    /// Of the gradient by shares makes that by scores, in its place: `y · (dy - Σ y · dy)`.
    pub(super) fn softmax_back<T: Float>(shares: &[T], by: &mut [T], len: usize) {
        let rows = shares.chunks_exact(len.max(1)).zip(by.chunks_exact_mut(len.max(1)));
        for (shares, by) in rows {
            let mut sums = [T::ZERO; LANES];
            let (chunks, rest) = shares.as_chunks::<LANES>();
            let (by_chunks, by_rest) = by.as_chunks::<LANES>();
            for (share, by) in chunks.iter().zip(by_chunks) {
                one_by_one();
                for i in 0..LANES {
                    sums[i] += share[i] * by[i];
                }
            }
            let mut sum = folded(sums, |a, b| a + b);
            for (&share, &by) in rest.iter().zip(by_rest) {
                sum += share * by;
            }
            for (by, &share) in by.iter_mut().zip(shares) {
                *by = share * (*by - sum);
            }
        }
    }
}
