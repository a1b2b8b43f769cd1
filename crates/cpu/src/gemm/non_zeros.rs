//! Products with a matrix of few non-zeros, such as multi-hot texts: [`NonZeros`].

mod blocks;

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use self::blocks::{Block, Blocks, Vectors, by_shape, store, vectors};
use super::{
    Epilogue,
    scan::{SLACK, scan},
};
use crate::{
    Simd, Threads,
    simd::{Float, vectorized},
    threads::{Disjoint, part},
};

/// A matrix is looked at in so many places, of so many elements each.
const PLACES: usize = 64;
const TOGETHER: usize = 64;

/// One non-zero in so many elements is few.
const RARE: usize = 16;

/// One non-zero in so many elements is the most that lists have room for.
const ROOM: usize = 8;

/// The least length of a row: shorter ones are hardly empty.
const LEAST: usize = 1024;

/// The least multiplications of a product that is worth a look.
const WORK: usize = 1 << 18;

/// The tasks that are enough for many threads, and the parts of a row whose lists start at a
/// known place.
const TASKS: usize = 16;

/// A row-major matrix that can have few elements that are not zero.
///
/// Whether it has few is found out in each run, by a look at some thousand of its elements: so
/// other matrices cost no more than that. Then one pass over it, in parallel, lists what is not
/// zero, for all products of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    rows: usize,
    len: usize,
}

/// What is not zero in a [`Matrix`], by rows; where there are too many, nothing is listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lists<'a, T> {
    /// Whether they are complete; where each row's parts start, and where they end; columns.
    pub(crate) places: &'a [u32],
    pub(crate) values: &'a [T],
}

impl Matrix {
    /// The `u32`s that lists take, and the values.
    pub(crate) fn sizes(&self) -> [usize; 2] {
        [1 + self.rows * (TASKS + 1) + self.entries(), self.entries()]
    }

    fn entries(&self) -> usize {
        self.rows * self.room()
    }

    /// The entries that there is room for, for each row of a task.
    fn room(&self) -> usize {
        self.len / ROOM + SLACK
    }

    fn tasks(&self) -> usize {
        self.rows.min(TASKS)
    }

    /// The columns of a part of each row.
    fn columns(&self, index: usize) -> Range<usize> {
        let each = self.len.div_ceil(TASKS).next_multiple_of(16);
        (index * each).min(self.len)..((index + 1) * each).min(self.len)
    }

    /// Lists what is not zero, if that is little.
    pub(crate) fn list<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        matrix: &[T],
        places: &mut [u32],
        values: &mut [T],
    ) {
        let len = self.len;
        places[0] = 0;
        let matrix = &matrix[..self.rows * len];
        if !has_few(matrix) {
            return;
        }
        let scan = scan::<T>(simd);
        let fits = AtomicBool::new(true);
        let (starts, columns) = places[1..].split_at_mut(self.rows * (TASKS + 1));
        let (starts, columns) = (Disjoint::new(starts), Disjoint::new(columns));
        let values = Disjoint::new(values);
        threads.run(self.tasks(), &|task| {
            let rows = part(self.rows, self.tasks(), task);
            let entries = rows.start * self.room()..rows.end * self.room();
            let bounds = rows.start * (TASKS + 1)..rows.end * (TASKS + 1);
            let first = entries.start;
            // SAFETY: each task has rows of its own.
            let (starts, columns, values) = unsafe {
                (
                    starts.slice(bounds),
                    columns.slice(entries.clone()),
                    values.slice(entries),
                )
            };
            let mut count = 0;
            let matrix = matrix[rows.start * len..rows.end * len].chunks_exact(len);
            for (row, starts) in matrix.zip(starts.chunks_exact_mut(TASKS + 1)) {
                for (index, start) in starts[..TASKS].iter_mut().enumerate() {
                    *start = (first + count) as u32;
                    let part = self.columns(index);
                    let column = part.start as u32;
                    let (at, to) = (&mut columns[count..], &mut values[count..]);
                    let Some(found) = scan(&row[part], column, at, to) else {
                        return fits.store(false, Ordering::Relaxed);
                    };
                    count += found;
                }
                starts[TASKS] = (first + count) as u32;
            }
        });
        places[0] = u32::from(fits.into_inner());
    }

    /// Whether all is listed.
    const fn is_listed(places: &[u32]) -> bool {
        places[0] != 0
    }

    /// The entries of some parts of a row.
    fn entries_of<'a, T: Copy>(
        &self,
        lists: Lists<'a, T>,
        row: usize,
        parts: Range<usize>,
    ) -> (&'a [u32], &'a [T]) {
        let (starts, columns) = lists.places[1..].split_at(self.rows * (TASKS + 1));
        let at = |part: usize| starts[row * (TASKS + 1) + part] as usize;
        let range = at(parts.start)..at(parts.end);
        (&columns[range.clone()], &lists.values[range])
    }
}

/// A product whose A is stored in long rows, and can have few elements that are not zero.
///
/// It takes the lists of a [`Matrix`], which is A or its transpose, and adds for each non-zero
/// the row of B that it belongs to. If B has an element that is not finite, zeros matter, and
/// the product is not taken. Results depend on the numbers alone, not on threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NonZeros {
    /// A as it is stored.
    pub(crate) matrix: Matrix,
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
        let matrix = Matrix { rows, len };
        let fits = (transposed || a == [k, 1])
            && b == [n, 1]
            && len >= LEAST
            && n > 1
            && u32::try_from(rows.saturating_mul(len)).is_ok()
            && rows.saturating_mul(len).saturating_mul(n) >= WORK;
        fits.then_some(Self { matrix, n, transposed })
    }

    /// Computes the product, if A is listed and B has finite elements; tells whether.
    pub(crate) fn run<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        lists: Lists<'_, T>,
        b: &[T],
        c: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) -> bool {
        let Self { matrix, n, transposed } = *self;
        let Matrix { rows, len } = matrix;
        let (m, k) = if transposed { (len, rows) } else { (rows, len) };
        let b = &b[..k * n];
        if !Matrix::is_listed(lists.places) || !is_finite(simd, threads, b) {
            return false;
        }
        let (by_rows, by_columns) = (by_rows::<T>(simd), by_columns::<T>(simd));
        let c = Disjoint::new(&mut c[..m * n]);
        let tasks = if transposed { TASKS } else { matrix.tasks() };
        threads.run(tasks, &|task| {
            let own = match transposed {
                true => matrix.columns(task),
                false => part(rows, tasks, task),
            };
            // SAFETY: each task has rows of C of its own.
            let part = unsafe { c.slice(own.start * n..own.end * n) };
            part.fill(T::ZERO);
            if transposed {
                by_columns(matrix, task, lists, b, n, part);
            } else {
                by_rows(matrix, own.start, lists, b, n, part);
            }
            if let (Some(epilogue), false) = (epilogue, own.is_empty()) {
                epilogue(own.start, 0, part);
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

/// The sums that are taken side by side.
const LANES: usize = 16;

/// Whether no element is infinite or NaN.
fn is_finite<T: Float>(simd: Simd, threads: &Threads, values: &[T]) -> bool {
    const PART: usize = 1 << 15;
    let zeros = zeros::<T>(simd);
    let finite = AtomicBool::new(true);
    threads.run(values.len().div_ceil(PART), &|part| {
        let part = &values[part * PART..values.len().min((part + 1) * PART)];
        let mut sums = [T::ZERO; LANES];
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
        let mut lanes = [T::ZERO; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
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
    /// Adds the products of rows of A, from `first` on, to rows of C.
    fn by_rows<T: Float>(
        matrix: Matrix,
        first: usize,
        lists: Lists<'_, T>,
        b: &[T],
        n: usize,
        c: &mut [T],
    ) {
        for block in Blocks::new(n) {
            by_shape!(block, rows_of_b(matrix, first, lists, b, n, c));
        }
    }
}

vectorized! {
    /// Adds the products of one part of the columns of A to rows of C.
    fn by_columns<T: Float>(
        matrix: Matrix,
        part: usize,
        lists: Lists<'_, T>,
        b: &[T],
        n: usize,
        c: &mut [T],
    ) {
        for block in Blocks::new(n) {
            by_shape!(block, rows_of_c(matrix, part, lists, b, n, c));
        }
    }
}

/// Adds rows of B, each times its factor, to rows of C, in the columns of a block.
#[inline(always)]
fn rows_of_b<T: Float, const HEAD: usize, const N: usize>(
    Block { start, len, .. }: Block,
    matrix: Matrix,
    first: usize,
    lists: Lists<'_, T>,
    b: &[T],
    n: usize,
    c: &mut [T],
) {
    for (i, c) in c.chunks_exact_mut(n).enumerate() {
        let (places, values) = matrix.entries_of(lists, first + i, 0..TASKS);
        let c = &mut c[start..start + len];
        let (mut head, mut last) = vectors::<T, HEAD, N>(c);
        for (&at, &value) in places.iter().zip(values) {
            let (own, own_last) =
                vectors::<T, HEAD, N>(&b[at as usize * n + start..][..len]);
            for j in 0..HEAD {
                head[j] += value * own[j];
            }
            for j in 0..N {
                last[j] += value * own_last[j];
            }
        }
        store(head, last, c);
    }
}

/// Adds rows of B, each times the factors of a part of the columns of A, to rows of C, in the
/// columns of a block.
#[inline(always)]
fn rows_of_c<T: Float, const HEAD: usize, const N: usize>(
    Block { start, len, .. }: Block,
    matrix: Matrix,
    part: usize,
    lists: Lists<'_, T>,
    b: &[T],
    n: usize,
    c: &mut [T],
) {
    let first = matrix.columns(part).start;
    for (row, b) in b.chunks_exact(n).enumerate() {
        let (places, values) = matrix.entries_of(lists, row, part..part + 1);
        let (own, own_last) = vectors::<T, HEAD, N>(&b[start..start + len]);
        for (&at, &value) in places.iter().zip(values) {
            let c = &mut c[(at as usize - first) * n + start..][..len];
            let (mut head, mut last) = vectors::<T, HEAD, N>(c);
            for j in 0..HEAD {
                head[j] += value * own[j];
            }
            for j in 0..N {
                last[j] += value * own_last[j];
            }
            store(head, last, c);
        }
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::random::Draw;

    use super::*;

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
        let threads = &Threads::new(threads);
        let [places, values] = product.matrix.sizes();
        let (mut places, mut values) = (vec![7; places], vec![f64::NAN; values]);
        product.matrix.list(simd, threads, a, &mut places, &mut values);
        let taken = product.run(
            simd,
            threads,
            Lists { places: &places, values: &values },
            b,
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
        let columns = (2..21).chain(31..37).chain(47..53).chain(60..70).chain([127, 145]);
        let any = columns.flat_map(|n| [([64, n, 2049], false), ([2049, n, 64], true)]);
        let some = [
            ([1, 65, 4100], false),
            ([37, 16, 1024], false),
            ([5, 87, 2049], false),
            ([2, 2, 70_001], false),
            ([1024, 16, 37], true),
            ([1031, 86, 9], true),
            ([4100, 65, 1], true),
        ];
        for (shape, transposed) in some.into_iter().chain(any) {
            let [m, n, k] = shape;
            let [a, b] = operands(shape, 40);
            let mut expected = vec![0.0; m * n];
            for (at, &a) in a.iter().enumerate().filter(|&(_, &a)| a != 0.0) {
                let (i, p) = if transposed { (at % m, at / m) } else { (at / k, at % k) };
                let row = expected[i * n..].iter_mut().zip(&b[p * n..][..n]);
                row.for_each(|(sum, b)| *sum += a * b);
            }
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

    /// The look finds few, but all are in places where it does not look.
    #[test]
    fn lists_without_room_are_not_used() {
        let shape @ [m, _, k] = [2, 64, 4096];
        let [mut a, b] = operands(shape, 1 << 40);
        let mut full = Vec::new();
        for i in 0..m * k {
            let before = std::mem::replace(&mut a[i], 1.0);
            if has_few(&a) {
                full.push(i);
            } else {
                a[i] = before;
            }
        }
        assert!(full.len() > m * k / ROOM, "{}", full.len());
        for simd in Simd::available() {
            assert!(product(shape, false, [&a, &b], simd, 2).is_none());
            assert!(product([k, 64, m], true, [&a, &b], simd, 2).is_none());
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
