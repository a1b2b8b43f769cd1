//! Sums of few columns, two to each: vectors that an odd number of half vectors would leave
//! half empty hold the sums of even and of odd steps, or of two rows. And those of two groups
//! at once; or of four, each of a quarter of a vector, with four steps side by side.
#![expect(clippy::needless_range_loop, reason = "constant bounds, unrolled to registers")]

use super::{
    kernel::Kernels,
    lanes::{Lanes, Pairs},
    sums::{Sums, store},
};
use crate::simd::opaque;

/// Puts the elements of two steps side by side, by turns.
///
/// # Safety
///
/// The instruction set of the table's entry is there, and the half vectors of two steps can be
/// read and written.
pub(super) type Join<T> = unsafe fn(*mut T);

/// Where each of some groups starts in A and in B, from the first one on; in C they follow each
/// other. Those that are missing are as the last one.
///
/// Not one distance: the compiler would make a place of its own for each row and group of it, and
/// run out of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    a: [usize; 4],
    b: [usize; 4],
}

impl Beside {
    /// So many groups, at these distances in A and in B.
    pub(crate) fn new(groups: usize, a: usize, b: usize) -> Self {
        let places = |step| [0, 1, 2, 3].map(|group: usize| step * group.min(groups - 1));
        Self { a: places(a), b: places(b) }
    }
}

/// As [`Sum`](super::sums::Sum), of several groups.
pub(super) type SumBeside<T> = for<'a> unsafe fn(&Sums<'a, T>, Beside);

/// Computes `M` rows of `N` half vectors of C, two steps at a time: those of A lie side by side,
/// so do those of B, by turns.
///
/// # Safety
///
/// As for [`Sum`](super::sums::Sum), and stretches start at even steps and have even depths.
#[inline(always)]
pub(super) unsafe fn steps<V: Pairs, const M: usize, const N: usize>(
    o: &Sums<'_, V::Number>,
) {
    // SAFETY: the caller's promises; every access below lies within them.
    unsafe {
        let rows = o.rows.as_ptr().cast::<[[usize; 2]; M]>().read();
        let mut sums = [[V::zero(); N]; M];
        // With one half vector, so few sums would wait for each other: those of every second
        // pair of steps are apart.
        let mut others = [V::zero(); M];
        for stretch in o.stretches {
            let mut starts = [o.a; M];
            for i in 0..M {
                starts[i] = o.a.add(rows[i][0] + stretch.a);
            }
            let mut b = o.b.add(stretch.b * o.b_unit);
            let (mut pair, pairs) = (0, stretch.depth / 2);
            while N == 1 && pair + 1 < pairs {
                let vectors = [V::load(b), V::load(b.add(2 * o.b_step))];
                for i in 0..M {
                    let x = V::load_pair(starts[i].add(2 * pair));
                    sums[i][0] = x.mul_add(vectors[0], sums[i][0]);
                }
                for i in 0..M {
                    let x = V::load_pair(starts[i].add(2 * pair + 2));
                    others[i] = x.mul_add(vectors[1], others[i]);
                }
                pair += 2;
                b = b.wrapping_add(4 * o.b_step);
            }
            while pair < pairs {
                let mut vectors = [V::zero(); N];
                for j in 0..N {
                    vectors[j] = V::load(b.add(j * V::LEN));
                }
                for i in 0..M {
                    let x = V::load_pair(starts[i].add(2 * pair));
                    for j in 0..N {
                        sums[i][j] = x.mul_add(vectors[j], sums[i][j]);
                    }
                }
                pair += 1;
                b = b.wrapping_add(2 * o.b_step);
            }
        }
        if N == 1 {
            for i in 0..M {
                sums[i][0] = sums[i][0].add(others[i]);
            }
        }
        // What is left of two vectors makes one; by memory, where the last may be partial.
        let mut folded = [[V::zero(); 2]; M];
        for i in 0..M {
            for j in 0..N.div_ceil(2) {
                let next = if 2 * j + 1 < N { 2 * j + 1 } else { 2 * j };
                folded[i][j] = sums[i][2 * j].add_pairs(sums[i][next]);
            }
        }
        for (row, folded) in o.rows.iter().zip(&folded) {
            store_row::<V>(o, folded.as_ptr().cast(), row);
        }
    }
}

/// Computes `M` pairs of rows of `N` half vectors of C; the rows of a pair lie side by side
/// in A.
///
/// # Safety
///
/// As for [`Sum`](super::sums::Sum), with twice as many rows.
#[inline(always)]
pub(super) unsafe fn rows<V: Pairs, const M: usize, const N: usize>(
    o: &Sums<'_, V::Number>,
) {
    // SAFETY: the caller's promises; every access below lies within them.
    unsafe {
        let rows = o.rows.as_ptr().cast::<[[[usize; 2]; 2]; M]>().read();
        let mut sums = [[V::zero(); N]; M];
        for stretch in o.stretches {
            let mut starts = [o.a; M];
            for i in 0..M {
                starts[i] = o.a.add(rows[i][0][0] + stretch.a);
            }
            let mut b = o.b.add(stretch.b * o.b_unit);
            let mut at = 0;
            for _ in 0..stretch.depth {
                let mut vectors = [V::zero(); N];
                for j in 0..N {
                    let half = V::Half::load(b.add(j * V::Half::LEN));
                    vectors[j] = V::join(half, half);
                }
                for i in 0..M {
                    let x = V::load_pair(starts[i].add(at));
                    for j in 0..N {
                        sums[i][j] = x.mul_add(vectors[j], sums[i][j]);
                    }
                }
                at += o.a_step;
                b = b.wrapping_add(o.b_step);
            }
        }
        let mut halves = [[[V::Half::zero(); N]; 2]; M];
        for i in 0..M {
            for j in 0..N {
                let [even, odd] = sums[i][j].split();
                (halves[i][0][j], halves[i][1][j]) = (even, odd);
            }
        }
        for (row, halves) in o.rows.iter().zip(halves.as_flattened()) {
            store_row::<V>(o, halves.as_ptr(), row);
        }
    }
}

/// As [`steps`], of half a vector of each of two groups; the vectors of B of so many pairs of
/// steps are in registers at a time.
///
/// # Safety
///
/// As for [`steps`], for both groups.
#[inline(always)]
pub(super) unsafe fn steps_of_two<V: Pairs, const M: usize, const TOGETHER: usize>(
    o: &Sums<'_, V::Number>,
    beside: Beside,
) {
    // SAFETY: the caller's promises; every access below lies within them.
    unsafe {
        let rows = o.rows.as_ptr().cast::<[[usize; 2]; M]>().read();
        let mut sums = [[V::zero(); 2]; M];
        let mut starts = [o.a; M];
        for i in 0..M {
            // Without a stretch, rows may lie anywhere.
            starts[i] = o.a.wrapping_add(rows[i][0]);
        }
        for stretch in o.stretches {
            let (mut at, mut pairs) = (stretch.a, stretch.depth / 2);
            let mut b = o.b.add(stretch.b * o.b_unit);
            while pairs >= TOGETHER {
                for j in 0..2 {
                    // The compiler shall not make a place of its own of each row's.
                    let own = opaque(at + beside.a[j]);
                    let mut vectors = [V::zero(); TOGETHER];
                    for pair in 0..TOGETHER {
                        vectors[pair] = V::load(b.add(beside.b[j] + 2 * pair * o.b_step));
                    }
                    for pair in 0..TOGETHER {
                        for i in 0..M {
                            let x = V::load_pair(starts[i].wrapping_add(own + 2 * pair));
                            sums[i][j] = x.mul_add(vectors[pair], sums[i][j]);
                        }
                    }
                }
                (at, pairs) = (at + 2 * TOGETHER, pairs - TOGETHER);
                b = b.wrapping_add(2 * TOGETHER * o.b_step);
            }
            while pairs > 0 {
                let vectors = [V::load(b), V::load(b.add(beside.b[1]))];
                for i in 0..M {
                    let a = o.a.add(rows[i][0] + at);
                    for j in 0..2 {
                        let x = V::load_pair(a.add(beside.a[j]));
                        sums[i][j] = x.mul_add(vectors[j], sums[i][j]);
                    }
                }
                (at, pairs) = (at + 2, pairs - 1);
                b = b.wrapping_add(2 * o.b_step);
            }
        }
        for i in 0..M {
            let folded = sums[i][0].add_pairs(sums[i][1]);
            store(folded, o.c.add(rows[i][1]), V::LEN, o.accumulate);
        }
    }
}

/// As [`rows`], of half a vector of each of two groups.
///
/// # Safety
///
/// As for [`rows`], for both groups.
#[inline(always)]
pub(super) unsafe fn rows_of_two<V: Pairs, const M: usize>(
    o: &Sums<'_, V::Number>,
    beside: Beside,
) {
    // SAFETY: the caller's promises; every access below lies within them.
    unsafe {
        let rows = o.rows.as_ptr().cast::<[[[usize; 2]; 2]; M]>().read();
        let mut sums = [[V::zero(); 2]; M];
        for stretch in o.stretches {
            let mut starts = [o.a; M];
            for i in 0..M {
                starts[i] = o.a.add(rows[i][0][0] + stretch.a);
            }
            let mut b = o.b.add(stretch.b * o.b_unit);
            let mut at = 0;
            for _ in 0..stretch.depth {
                let (first, second) =
                    (V::Half::load(b), V::Half::load(b.add(beside.b[1])));
                let vectors = [V::join(first, first), V::join(second, second)];
                for i in 0..M {
                    let a = starts[i].add(at);
                    sums[i][0] = V::load_pair(a).mul_add(vectors[0], sums[i][0]);
                    let a = a.add(beside.a[1]);
                    sums[i][1] = V::load_pair(a).mul_add(vectors[1], sums[i][1]);
                }
                at += o.a_step;
                b = b.wrapping_add(o.b_step);
            }
        }
        for i in 0..M {
            for j in 0..2 {
                let halves = sums[i][j].split();
                for odd in 0..2 {
                    let c = o.c.add(rows[i][odd][1] + j * V::Half::LEN);
                    store(halves[odd], c, V::Half::LEN, o.accumulate);
                }
            }
        }
    }
}

/// Computes `M` rows of a quarter of a vector of each of four groups, or fewer, four steps at a
/// time: those of A lie side by side, so do those of B, by turns.
///
/// # Safety
///
/// As for [`Sum`](super::sums::Sum), for all groups, and stretches start at fourth steps and have
/// such depths.
#[inline(always)]
pub(super) unsafe fn steps_of_four<V: Pairs, const M: usize>(
    o: &Sums<'_, V::Number>,
    beside: Beside,
) {
    // SAFETY: the caller's promises; every access below lies within them.
    unsafe {
        let rows = o.rows.as_ptr().cast::<[[usize; 2]; M]>().read();
        let Beside { a, b } = beside;
        let mut sums = [[V::zero(); 4]; M];
        for stretch in o.stretches {
            let first = o.b.add(stretch.b * o.b_unit);
            for step in (0..stretch.depth).step_by(4) {
                let mut vectors = [V::zero(); 4];
                for j in 0..4 {
                    vectors[j] = V::load(first.add(step * o.b_step + b[j]));
                }
                for i in 0..M {
                    let row = o.a.add(rows[i][0] + stretch.a + step);
                    for j in 0..4 {
                        let x = V::load_four(row.add(a[j]));
                        sums[i][j] = x.mul_add(vectors[j], sums[i][j]);
                    }
                }
            }
        }
        for i in 0..M {
            let first = sums[i][0].add_pairs(sums[i][1]);
            let folded = first.add_pairs(sums[i][2].add_pairs(sums[i][3]));
            store(folded, o.c.add(rows[i][1]), o.columns, o.accumulate);
        }
    }
}

/// Stores the half vectors of a row, of which the last may be partial.
///
/// # Safety
///
/// The instruction set is there, and so are the half vectors of C's columns, and these.
#[inline(always)]
unsafe fn store_row<V: Pairs>(
    o: &Sums<'_, V::Number>,
    halves: *const V::Half,
    row: &[usize; 2],
) {
    for start in (0..o.columns).step_by(V::Half::LEN) {
        let len = V::Half::LEN.min(o.columns - start);
        // SAFETY: the caller's promise.
        unsafe {
            let half = halves.add(start / V::Half::LEN).read();
            store(half, o.c.add(row[1] + start), len, o.accumulate);
        }
    }
}

#[inline(always)]
pub(super) unsafe fn join<V: Pairs, const N: usize>(at: *mut V::Number) {
    // SAFETY: the caller promises that the `2 · N` half vectors can be read and written.
    unsafe {
        let mut joined = [V::zero(); N];
        for j in 0..N {
            let even = V::Half::load(at.add(j * V::Half::LEN));
            let odd = V::Half::load(at.add((N + j) * V::Half::LEN));
            joined[j] = V::join(even, odd);
        }
        for j in 0..N {
            joined[j].store(at.add(j * V::LEN));
        }
    }
}

impl<T> Kernels<T> {
    /// Whether sums of so many columns are computed two to each.
    pub(crate) const fn are_pairs(&self, columns: usize) -> bool {
        let halves = columns.div_ceil(self.half_lanes());
        halves % 2 == 1 && halves / 2 < self.pairs[0].len()
    }

    /// Whether pairs of so many columns are half a vector, so that those of two groups fill one.
    pub(crate) const fn are_two(&self, columns: usize) -> bool {
        columns == self.half_lanes()
    }

    /// The most rows of a tile of pairs of rows.
    pub(crate) const fn pair_rows(&self) -> usize {
        2 * self.row_pairs.len()
    }

    /// Copied columns whose steps lie side by side in pairs, of a number that
    /// [`are_pairs`](Self::are_pairs).
    pub(crate) fn join_steps(&self, copied: &mut [T], columns: usize) {
        let width = columns.next_multiple_of(self.half_lanes());
        let join = self.join[width / self.lanes];
        for pair in copied.chunks_exact_mut(2 * width) {
            // SAFETY: these are two steps of so many half vectors; the table's instruction set
            // is there.
            unsafe { join(pair.as_mut_ptr()) };
        }
    }

    /// As [`sum`](Self::sum), of columns of B whose steps were [joined](Self::join_steps).
    ///
    /// # Safety
    ///
    /// As for [`sum`](Self::sum); A's steps lie side by side, stretches start at even ones and
    /// have even depths.
    pub(crate) unsafe fn sum_steps(&self, sums: &Sums<'_, T>) {
        let halves = sums.columns.div_ceil(self.half_lanes());
        let sum = self.pairs[sums.rows.len() - 1][halves / 2];
        // SAFETY: the caller's promise; the table's instruction set is there, and this entry
        // is for so many rows.
        unsafe { sum(sums) };
    }

    /// As [`sum`](Self::sum), of pairs of rows that lie side by side in A.
    ///
    /// # Safety
    ///
    /// As for [`sum`](Self::sum), and each row at an even place is followed by the next element
    /// of A.
    pub(crate) unsafe fn sum_rows_in_pairs(&self, sums: &Sums<'_, T>) {
        let halves = sums.columns.div_ceil(self.half_lanes());
        let sum = self.row_pairs[sums.rows.len() / 2 - 1][halves / 2];
        // SAFETY: the caller's promise; the table's instruction set is there, and this entry
        // is for so many rows.
        unsafe { sum(sums) };
    }

    /// As [`sum_steps`](Self::sum_steps), of two groups of [half a vector](Self::are_two).
    ///
    /// # Safety
    ///
    /// As for that, for both groups.
    pub(crate) unsafe fn sum_steps_of_two(&self, sums: &Sums<'_, T>, beside: Beside) {
        let sum = self.pairs_of_two[sums.rows.len() - 1];
        // SAFETY: the caller's promise; the table's instruction set is there, and this entry
        // is for so many rows.
        unsafe { sum(sums, beside) };
    }

    /// As [`sum_rows_in_pairs`](Self::sum_rows_in_pairs), of two groups of [half a vector](Self::are_two).
    ///
    /// # Safety
    ///
    /// As for that, for both groups.
    pub(crate) unsafe fn sum_rows_of_two(&self, sums: &Sums<'_, T>, beside: Beside) {
        let sum = self.row_pairs_of_two[sums.rows.len() / 2 - 1];
        // SAFETY: the caller's promise; the table's instruction set is there, and this entry
        // is for so many rows.
        unsafe { sum(sums, beside) };
    }

    /// Whether the sums of groups of so many columns are computed four to each.
    pub(crate) const fn are_four(&self, columns: usize) -> bool {
        self.lanes >= 8 && columns == self.lanes / 4
    }

    /// The most rows of a tile of four groups.
    pub(crate) const fn four_rows(&self) -> usize {
        self.of_four.len()
    }

    /// Sums of up to four groups of a [quarter of a vector](Self::are_four), whose four steps
    /// lie side by side in B, by turns.
    ///
    /// # Safety
    ///
    /// As for [`sum`](Self::sum), for all groups; A's steps lie side by side, stretches start at
    /// fourth ones and have such depths.
    pub(crate) unsafe fn sum_steps_of_four(&self, sums: &Sums<'_, T>, beside: Beside) {
        // SAFETY: the caller's promise; the table's instruction set is there, and this entry
        // is for so many rows.
        unsafe { self.of_four[sums.rows.len() - 1](sums, beside) };
    }
}

#[cfg(test)]
mod tests {
    use super::Beside;

    #[test]
    fn groups_that_are_missing_are_read_where_the_last_one_is() {
        let places = |groups| {
            let Beside { a, b } = Beside::new(groups, 4, 72);
            (a, b)
        };
        assert_eq!(places(4), ([0, 4, 8, 12], [0, 72, 144, 216]));
        assert_eq!(places(3), ([0, 4, 8, 8], [0, 72, 144, 144]));
        assert_eq!(places(1), ([0; 4], [0; 4]));
    }
}
