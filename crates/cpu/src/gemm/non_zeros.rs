//! Products with a matrix of few non-zeros, such as multi-hot texts: [`NonZeros`].

use std::sync::atomic::{AtomicBool, Ordering};

use super::Epilogue;
use crate::{
    Simd, Threads,
    simd::{Float, vectorized},
};

/// A is looked at in so many places, of so many elements each.
const PLACES: usize = 64;
const TOGETHER: usize = 64;

/// One non-zero in so many elements is few.
const RARE: usize = 16;

/// The least length of a row of A: shorter ones are hardly empty.
const LEAST: usize = 1024;

/// The least multiplications of a product that is worth a look.
const WORK: usize = 1 << 18;

/// The tasks that are enough for many threads.
const TASKS: usize = 16;

/// The elements whose bits are one number, those that are looked at before the next are read,
/// and the non-zeros that are collected.
const CHUNK: usize = 16;
const BLOCK: usize = 2048;
const LIST: usize = 256;

/// A product whose A is stored in long rows, and can have few elements that are not zero.
///
/// Whether it has few is found out in each run, by a look at some thousand of its elements: so
/// other matrices cost no more than that. A product goes over A once, skips what is zero, and
/// adds each other element's row of B. If B has an element that is not finite, zeros matter,
/// and the product is not taken. Results depend on the numbers alone, not on threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NonZeros {
    /// The rows of A as it is stored, and their length.
    rows: usize,
    len: usize,
    /// The columns of B and C.
    n: usize,
    /// Whether A is stored transposed: then a row of C belongs to a column of what is stored.
    transposed: bool,
}

impl NonZeros {
    /// The product of an (m, k) matrix, stored with these distances from row to row and column
    /// to column, and a (k, n) one.
    pub(crate) fn new(
        [m, n, k]: [usize; 3],
        a: [usize; 2],
        b: [usize; 2],
    ) -> Option<Self> {
        let transposed = a == [1, m];
        let (rows, len) = if transposed { (k, m) } else { (m, k) };
        let fits = (transposed || a == [k, 1])
            && b == [n, 1]
            && len >= LEAST
            && n > 1
            && u32::try_from(len).is_ok()
            && rows.saturating_mul(len).saturating_mul(n) >= WORK;
        fits.then_some(Self { rows, len, n, transposed })
    }

    /// Computes the product, if A has few non-zeros and B finite elements; tells whether.
    pub(crate) fn run<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        [a, b]: [&[T]; 2],
        c: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) -> bool {
        let Self { rows, len, n, transposed } = *self;
        let (m, k) = if transposed { (len, rows) } else { (rows, len) };
        let (Some(a), Some(b)) = (a.get(..rows * len), b.get(..k * n)) else {
            return false;
        };
        if !has_few(a) || !is_finite(simd, threads, b) {
            return false;
        }
        let (by_rows, by_columns) = (by_rows::<T>(simd), by_columns::<T>(simd));
        let per_task =
            m.div_ceil(TASKS).next_multiple_of(if transposed { CHUNK } else { 1 });
        let c = &mut c[..m * n];
        threads.run_chunks(c, per_task * n, |start, part| {
            let (first, count) = (start / n, part.len() / n);
            part.fill(T::ZERO);
            if transposed {
                by_columns(&a[first..], len, count, b, n, part);
            } else {
                by_rows(&a[first * len..(first + count) * len], len, b, n, part);
            }
            if let Some(epilogue) = epilogue {
                epilogue(first, 0, part);
            }
        });
        true
    }
}

/// Whether a sample of the elements is nearly all zero.
fn has_few<T: Float>(a: &[T]) -> bool {
    let places = PLACES.min(a.len() / TOGETHER);
    let most = places * TOGETHER / RARE;
    let mut count = 0;
    for place in 0..places {
        // Spread as multiples of the golden ratio are, so that no column is preferred.
        let share = (place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let spots = (a.len() - TOGETHER) as u128 + 1;
        let start = ((u128::from(share) * spots) >> 64) as usize;
        let spot = &a[start..start + TOGETHER];
        count += spot.iter().filter(|&&x| x != T::ZERO).count();
        if count > most {
            return false;
        }
    }
    places > 0
}

/// Whether no element is infinite or NaN.
fn is_finite<T: Float>(simd: Simd, threads: &Threads, values: &[T]) -> bool {
    const PART: usize = 1 << 15;
    let zeros = zeros::<T>(simd);
    let finite = AtomicBool::new(true);
    threads.run(values.len().div_ceil(PART), &|part| {
        let part = &values[part * PART..values.len().min((part + 1) * PART)];
        let mut sums = [T::ZERO; CHUNK];
        zeros(part, &mut sums);
        if sums.iter().any(|sum| sum.is_nan()) {
            finite.store(false, Ordering::Relaxed);
        }
    });
    finite.into_inner()
}

vectorized! {
    /// Adds each element times 0 to a sum: 0, or NaN.
    fn zeros<T: Float>(values: &[T], sums: &mut [T]) {
        let mut lanes = [T::ZERO; CHUNK];
        let (chunks, rest) = values.as_chunks::<CHUNK>();
        for chunk in chunks {
            for i in 0..CHUNK {
                lanes[i] += chunk[i] * T::ZERO;
            }
        }
        for &value in rest {
            lanes[0] += value * T::ZERO;
        }
        sums.copy_from_slice(&lanes);
    }
}

vectorized! {
    /// Adds the products of rows of A, side by side, to rows of C.
    fn by_rows<T: Float, const AVX2: bool>(a: &[T], len: usize, b: &[T], n: usize, c: &mut [T]) {
        for (a, c) in a.chunks_exact(len).zip(c.chunks_exact_mut(n)) {
            non_zeros::<T, AVX2>(a, |list| add_rows(list, b, n, c));
        }
    }
}

vectorized! {
    /// Adds the products of the first `count` columns of A, in rows of `len`, to rows of C.
    fn by_columns<T: Float, const AVX2: bool>(
        a: &[T],
        len: usize,
        count: usize,
        b: &[T],
        n: usize,
        c: &mut [T],
    ) {
        for (a, b) in a.chunks(len).zip(b.chunks_exact(n)) {
            non_zeros::<T, AVX2>(&a[..count], |list| {
                for &(at, value) in list {
                    let at = at as usize * n;
                    for (c, &b) in c[at..at + n].iter_mut().zip(b) {
                        *c += value * b;
                    }
                }
            });
        }
    }
}

/// Hands on what is not zero, some at a time, with its place.
#[inline(always)]
fn non_zeros<T: Float, const AVX2: bool>(
    values: &[T],
    mut with: impl FnMut(&[(u32, T)]),
) {
    let mut list = [(0, T::ZERO); LIST];
    let mut count = 0;
    for (number, block) in values.chunks(BLOCK).enumerate() {
        // First all bits, without a branch that would hold up the reads.
        let mut words = [0_u16; BLOCK / CHUNK];
        let (chunks, rest) = block.as_chunks::<CHUNK>();
        for (bits, chunk) in words.iter_mut().zip(chunks) {
            *bits = bits_of::<T, AVX2>(chunk);
        }
        if !rest.is_empty() {
            let mut last = [T::ZERO; CHUNK];
            last[..rest.len()].copy_from_slice(rest);
            words[chunks.len()] = bits_of::<T, AVX2>(&last);
        }
        let (groups, _) = words.as_chunks::<4>();
        for (group, &[a, b, c, d]) in groups.iter().enumerate() {
            let [a, b, c, d] = [a, b, c, d].map(u64::from);
            let mut bits = a | b << 16 | c << 32 | d << 48;
            if count > LIST - 4 * CHUNK {
                with(&list[..count]);
                count = 0;
            }
            while bits != 0 {
                let at = 4 * CHUNK * group + bits.trailing_zeros() as usize;
                list[count] = ((number * BLOCK + at) as u32, block[at]);
                count += 1;
                bits &= bits - 1;
            }
        }
    }
    with(&list[..count]);
}

/// A bit for each element that is not zero, the first element's the lowest.
#[inline(always)]
fn bits_of<T: Float, const AVX2: bool>(chunk: &[T; CHUNK]) -> u16 {
    #[cfg(target_arch = "x86_64")]
    if AVX2 {
        use std::arch::x86_64::*;

        // SAFETY: `vectorized` sets its constant only where AVX2 is there. A `Float` of four
        // bytes is an `f32`, any other one an `f64`; the loads are those of the chunk.
        return unsafe {
            let mut bits = 0;
            if size_of::<T>() == 4 {
                let values = chunk.as_ptr().cast::<f32>();
                let zero = _mm256_setzero_ps();
                for part in 0..2 {
                    let values = _mm256_loadu_ps(values.add(8 * part));
                    let other = _mm256_cmp_ps::<_CMP_NEQ_UQ>(values, zero);
                    bits |= _mm256_movemask_ps(other).cast_unsigned() << (8 * part);
                }
            } else {
                let values = chunk.as_ptr().cast::<f64>();
                let zero = _mm256_setzero_pd();
                for part in 0..4 {
                    let values = _mm256_loadu_pd(values.add(4 * part));
                    let other = _mm256_cmp_pd::<_CMP_NEQ_UQ>(values, zero);
                    bits |= _mm256_movemask_pd(other).cast_unsigned() << (4 * part);
                }
            }
            bits as u16
        };
    }
    (0..CHUNK).fold(0, |bits, i| bits | u16::from(chunk[i] != T::ZERO) << i)
}

/// Adds rows of B, each times its factor, to a row of C.
#[inline(always)]
fn add_rows<T: Float>(list: &[(u32, T)], b: &[T], n: usize, c: &mut [T]) {
    let mut column = 0;
    column = add_columns::<T, 64>(list, b, n, c, column);
    column = add_columns::<T, 16>(list, b, n, c, column);
    column = add_columns::<T, 4>(list, b, n, c, column);
    add_columns::<T, 1>(list, b, n, c, column);
}

/// As [`add_rows`], in columns from `column` on, `N` at a time; returns the first one left.
#[inline(always)]
fn add_columns<T: Float, const N: usize>(
    list: &[(u32, T)],
    b: &[T],
    n: usize,
    c: &mut [T],
    mut column: usize,
) -> usize {
    while column + N <= n {
        let c = &mut c[column..column + N];
        let mut sums = [T::ZERO; N];
        sums.copy_from_slice(c);
        for &(at, value) in list {
            let b = &b[at as usize * n + column..][..N];
            for j in 0..N {
                sums[j] += value * b[j];
            }
        }
        c.copy_from_slice(&sums);
        column += N;
    }
    column
}

#[cfg(test)]
mod tests {
    use deckle_tensor::random::Draw;

    use super::*;
    use crate::gemm::Gemm;

    /// An (m, k) matrix with one non-zero in `rare` elements, and a full (k, n) one.
    fn operands([m, n, k]: [usize; 3], rare: u64) -> [Vec<f64>; 2] {
        let draw = Draw::new(7, rare, 0);
        let a = (0..(m * k) as u64).map(|i| {
            if draw.below(2 * i, rare) == 0 { draw.normal(2 * i + 1) } else { 0.0 }
        });
        let b = (0..(k * n) as u64).map(|i| Draw::new(8, 0, 0).normal(i));
        [a.collect(), b.collect()]
    }

    fn product(
        [m, n, k]: [usize; 3],
        transposed: bool,
        [a, b]: [&[f64]; 2],
        simd: Simd,
        threads: usize,
    ) -> Option<Vec<f64>> {
        let strides = if transposed { [1, m] } else { [k, 1] };
        let product = NonZeros::new([m, n, k], strides, [n, 1]).unwrap();
        let mut c = vec![f64::NAN; m * n];
        let taken = product.run(
            simd,
            &Threads::new(threads),
            [a, b],
            &mut c,
            Some(&|row, _, c| {
                for (i, c) in c.iter_mut().enumerate() {
                    *c += (row + i / n) as f64;
                }
            }),
        );
        taken.then_some(c)
    }

    #[test]
    fn products_are_those_of_all_elements() {
        for (shape, transposed) in [
            ([1, 65, 4100], false),
            ([37, 16, 1024], false),
            ([5, 87, 2049], false),
            ([2, 2, 70_001], false),
            ([1024, 16, 37], true),
            ([1031, 86, 9], true),
            ([4100, 65, 1], true),
        ] {
            let [m, n, k] = shape;
            let [a, b] = operands(shape, 40);
            let gemm = Gemm::new(m, n, k).transpose_a(transposed);
            let threads = Threads::new(1);
            let mut scratch = vec![0.0; gemm.scratch::<f64>(Simd::Portable, 1)];
            let mut expected = vec![0.0; m * n];
            gemm.run(Simd::Portable, &threads, &a, &b, &mut expected, &mut scratch, None);
            let first = product(shape, transposed, [&a, &b], Simd::Portable, 1).unwrap();
            for (i, (found, expected)) in first.iter().zip(&expected).enumerate() {
                let expected = expected + (i / n) as f64;
                assert!((found - expected).abs() < 1e-9, "{shape:?} {i}");
            }
            for simd in [Simd::Portable, Simd::Avx2, Simd::Avx512] {
                for threads in 1..4 {
                    let again = product(shape, transposed, [&a, &b], simd, threads);
                    assert_eq!(
                        again.as_ref(),
                        Some(&first),
                        "{shape:?} {simd:?} {threads}"
                    );
                }
            }
        }
    }

    #[test]
    fn full_matrices_and_infinite_ones_are_left_to_others() {
        let shape = [4, 64, 2048];
        let [a, mut b] = operands(shape, 40);
        assert!(product(shape, false, [&a, &b], Simd::detect(), 2).is_some());
        let [full, _] = operands(shape, 8);
        assert!(product(shape, false, [&full, &b], Simd::detect(), 2).is_none());
        for wrong in [f64::INFINITY, f64::NAN] {
            b[2047 * 64 + 63] = wrong;
            assert!(product(shape, false, [&a, &b], Simd::detect(), 2).is_none());
        }
    }

    #[test]
    fn small_or_gapped_matrices_are_not_looked_at() {
        assert!(NonZeros::new([4, 64, 1023], [1023, 1], [64, 1]).is_none());
        assert!(NonZeros::new([4, 64, 2048], [2049, 1], [64, 1]).is_none());
        assert!(NonZeros::new([4, 64, 2048], [2048, 1], [1, 2048]).is_none());
        assert!(NonZeros::new([1, 64, 2048], [2048, 1], [64, 1]).is_none());
    }
}
