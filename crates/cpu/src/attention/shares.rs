//! From scores to shares, and back.

use crate::simd::{Float, one_by_one, vectorized};

/// The elements that are folded side by side.
const LANES: usize = 16;

/// The larger one; `b` if one of them is NaN, so that it is one instruction.
#[inline(always)]
fn larger<T: Float>(a: T, b: T) -> T {
    if a > b { a } else { b }
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
                    lanes[i] = larger(chunk[i], lanes[i]);
                }
            }
            // NaN is passed over: it comes back with the powers, and then all shares are.
            let largest =
                rest.iter().fold(folded(lanes, larger), |most, &x| larger(x, most));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Simd;

    #[test]
    fn shares_of_a_row_with_nan_are_nan_and_no_others() {
        for (len, at) in [(40, 3), (40, 39), (5, 0), (16, 15)] {
            let mut scores: Vec<f32> = (0..3 * len).map(|i| (i % 7) as f32).collect();
            scores[len + at] = f32::NAN;
            for simd in Simd::available() {
                let mut shares = scores.clone();
                softmax::<f32>(simd)(&mut shares, len);
                assert!(shares[len..2 * len].iter().all(|x| x.is_nan()), "{len} {at}");
                for row in [&shares[..len], &shares[2 * len..]] {
                    assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
                }
            }
        }
    }

    #[test]
    fn the_largest_score_is_found_wherever_it_is() {
        for at in 0..40 {
            let mut scores = vec![-300.0_f32; 40];
            scores[at] = 300.0;
            for simd in Simd::available() {
                let mut shares = scores.clone();
                softmax::<f32>(simd)(&mut shares, 40);
                assert_eq!(shares.iter().position(|&x| x > 0.5), Some(at), "{shares:?}");
            }
        }
    }
}
