//! Softmax of rows, its logarithm, and the way back.
#![expect(unsafe_code, reason = "loops compiled for instruction sets that are detected")]

use crate::simd::{Float, one_by_one, vectorized};

/// The elements that are folded side by side.
const LANES: usize = 16;

/// The rows that are computed together.
const ROWS: usize = 4;

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

/// What is left of each of `R` rows after all whole chunks, filled up.
#[inline(always)]
fn ends<T: Float, const R: usize>(rows: &[T], len: usize, fill: T) -> [[T; LANES]; R] {
    let mut ends = [[fill; LANES]; R];
    for (end, row) in ends.iter_mut().zip(rows.chunks_exact(len)) {
        let (_, rest) = row.as_chunks::<LANES>();
        end[..rest.len()].copy_from_slice(rest);
    }
    ends
}

/// The largest of each of `R` rows; any number, or NaN, of one with NaN.
#[inline(always)]
fn largest<T: Float, const R: usize>(
    rows: &[T],
    len: usize,
    ends: &[[T; LANES]; R],
) -> [T; R] {
    let mut lanes = *ends;
    for start in (0..len - len % LANES).step_by(LANES) {
        one_by_one();
        for (r, lanes) in lanes.iter_mut().enumerate() {
            let x = &rows[r * len + start..][..LANES];
            for i in 0..LANES {
                lanes[i] = larger(x[i], lanes[i]);
            }
        }
    }
    lanes.map(|lanes| folded(lanes, larger))
}

/// Adds up the powers of `R` rows, and leaves them in place of the numbers, or the numbers as
/// they are. What one row waits for, the others use.
#[inline(always)]
fn powers<T: Float, const FMA: bool, const R: usize, const KEEP: bool>(
    rows: &mut [T],
    len: usize,
    ends: &mut [[T; LANES]; R],
    largest: [T; R],
) -> [T; R] {
    let whole = len - len % LANES;
    let mut sums = [[T::ZERO; LANES]; R];
    for start in (0..whole).step_by(LANES) {
        one_by_one();
        for (r, sums) in sums.iter_mut().enumerate() {
            let x = &mut rows[r * len + start..][..LANES];
            for i in 0..LANES {
                let power = (x[i] - largest[r]).exp_of_negative::<FMA>();
                sums[i] += power;
                if !KEEP {
                    x[i] = power;
                }
            }
        }
    }
    if whole < len {
        for (r, end) in ends.iter_mut().enumerate() {
            for i in 0..LANES {
                let power = (end[i] - largest[r]).exp_of_negative::<FMA>();
                sums[r][i] += power;
                end[i] = power;
            }
            if !KEEP {
                rows[r * len + whole..(r + 1) * len].copy_from_slice(&end[..len - whole]);
            }
        }
    }
    sums.map(|sums| folded(sums, |a, b| a + b))
}

#[inline(always)]
fn softmax_of<T: Float, const FMA: bool, const R: usize>(rows: &mut [T], len: usize) {
    let mut ends = ends::<T, R>(rows, len, T::NEG_INFINITY);
    let largest = largest(rows, len, &ends);
    // NaN may have been passed over: it comes back with the powers, and then all are NaN.
    let sums = powers::<T, FMA, R, false>(rows, len, &mut ends, largest);
    for (row, sum) in rows.chunks_exact_mut(len).zip(sums) {
        let factor = T::ONE / sum;
        for x in row {
            *x = *x * factor;
        }
    }
}

#[inline(always)]
fn logarithm_of<T: Float, const FMA: bool, const R: usize>(rows: &mut [T], len: usize) {
    let mut ends = ends::<T, R>(rows, len, T::NEG_INFINITY);
    let largest = largest(rows, len, &ends);
    let sums = powers::<T, FMA, R, true>(rows, len, &mut ends, largest);
    for (r, row) in rows.chunks_exact_mut(len).enumerate() {
        let (most, logarithm) = (largest[r], sums[r].ln::<FMA>());
        for x in row {
            *x = *x - most - logarithm;
        }
    }
}

/// `y · (dy - Σ y · dy)` of `R` rows.
#[inline(always)]
fn softmax_back_of<T: Float, const R: usize>(shares: &[T], by: &mut [T], len: usize) {
    let whole = len - len % LANES;
    let mut sums = [[T::ZERO; LANES]; R];
    for start in (0..whole).step_by(LANES) {
        one_by_one();
        for (r, sums) in sums.iter_mut().enumerate() {
            let share = &shares[r * len + start..][..LANES];
            let by = &by[r * len + start..][..LANES];
            for i in 0..LANES {
                sums[i] += share[i] * by[i];
            }
        }
    }
    if whole < len {
        let shares = ends::<T, R>(shares, len, T::ZERO);
        let by = ends::<T, R>(by, len, T::ZERO);
        for (r, sums) in sums.iter_mut().enumerate() {
            for i in 0..LANES {
                sums[i] += shares[r][i] * by[r][i];
            }
        }
    }
    let rows = shares.chunks_exact(len).zip(by.chunks_exact_mut(len));
    for ((shares, by), sums) in rows.zip(sums) {
        let sum = folded(sums, |a, b| a + b);
        for (by, &share) in by.iter_mut().zip(shares) {
            *by = share * (*by - sum);
        }
    }
}

vectorized! {
    /// The softmax of each row of `len` elements, in its place.
    pub(crate) fn softmax<T: Float, const FMA: bool>(rows: &mut [T], len: usize) {
        if len == 0 {
            return;
        }
        let mut together = rows.chunks_exact_mut(ROWS * len);
        for rows in together.by_ref() {
            softmax_of::<T, FMA, ROWS>(rows, len);
        }
        for row in together.into_remainder().chunks_exact_mut(len) {
            softmax_of::<T, FMA, 1>(row, len);
        }
    }
}

vectorized! {
    /// The logarithm of the softmax of each row of `len` elements, in its place.
    pub(crate) fn log_softmax<T: Float, const FMA: bool>(rows: &mut [T], len: usize) {
        if len == 0 {
            return;
        }
        let mut together = rows.chunks_exact_mut(ROWS * len);
        for rows in together.by_ref() {
            logarithm_of::<T, FMA, ROWS>(rows, len);
        }
        for row in together.into_remainder().chunks_exact_mut(len) {
            logarithm_of::<T, FMA, 1>(row, len);
        }
    }
}

vectorized! {
    /// Of the gradient by shares makes that by scores, in its place: `y · (dy - Σ y · dy)`.
    pub(crate) fn softmax_back<T: Float>(shares: &[T], by: &mut [T], len: usize) {
        if len == 0 {
            return;
        }
        let many = ROWS * len;
        let mut together = shares.chunks_exact(many).zip(by.chunks_exact_mut(many));
        for (shares, by) in together.by_ref() {
            softmax_back_of::<T, ROWS>(shares, by, len);
        }
        let done = by.len() / many * many;
        let rows = shares[done..].chunks_exact(len).zip(by[done..].chunks_exact_mut(len));
        for (shares, by) in rows {
            softmax_back_of::<T, 1>(shares, by, len);
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
            let mut scores: Vec<f32> = (0..6 * len).map(|i| (i % 7) as f32).collect();
            scores[len + at] = f32::NAN;
            for simd in Simd::available() {
                let mut shares = scores.clone();
                softmax::<f32>(simd)(&mut shares, len);
                assert!(shares[len..2 * len].iter().all(|x| x.is_nan()), "{len} {at}");
                for (r, row) in shares.chunks(len).enumerate().filter(|row| row.0 != 1) {
                    assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{r} {row:?}");
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
