//! Sums of products of elements: each column of C has its own one of A and of B.
#![expect(clippy::needless_range_loop, reason = "constant bounds, unrolled to registers")]

use super::{
    kernel::Kernels,
    lanes::{Lanes, Spread},
    sums::{Sums, store},
};

/// As [`Sum`](super::sums::Sum), with a column of A for some of C, side by side: how many of
/// those of the first one lie before C, and how many columns of C have one.
pub(super) type SpreadSum<T> = for<'a> unsafe fn(&Sums<'a, T>, usize, usize);

/// Computes `M` rows of `N` vectors of C, the last of which may be partial.
///
/// # Safety
///
/// The instruction set of the table's entry is there, and there are `M` rows. All elements that
/// the stretches name lie within A and B, those of all columns; C has the columns of each row.
#[inline(always)]
pub(super) unsafe fn sum<V: Lanes, const M: usize, const N: usize>(
    o: &Sums<'_, V::Number>,
) {
    // SAFETY: the caller's promises are the same.
    unsafe {
        if o.columns == N * V::LEN {
            tile::<V, M, N, false>(o);
        } else {
            tile::<V, M, N, true>(o);
        }
    }
}

#[inline(always)]
unsafe fn tile<V: Lanes, const M: usize, const N: usize, const PART: bool>(
    o: &Sums<'_, V::Number>,
) {
    // SAFETY: `sum` says what the caller promises; every access below lies within it.
    unsafe {
        let rest = o.columns - (N - 1) * V::LEN;
        let rows = o.rows.as_ptr().cast::<[[usize; 2]; M]>().read();
        let mut sums = [[V::zero(); N]; M];
        for stretch in o.stretches {
            let mut a = o.a.add(stretch.a);
            let mut b = o.b.add(stretch.b * o.b_unit);
            for _ in 0..stretch.depth {
                let mut factors = [V::zero(); N];
                for j in 0..N {
                    factors[j] = load::<V, N, PART>(b, j, rest);
                }
                for i in 0..M {
                    for j in 0..N {
                        let x: V = load::<V, N, PART>(a.add(rows[i][0]), j, rest);
                        sums[i][j] = x.mul_add(factors[j], sums[i][j]);
                    }
                }
                a = a.wrapping_add(o.a_step);
                b = b.wrapping_add(o.b_step);
            }
        }
        for i in 0..M {
            for j in 0..N {
                let c = o.c.add(rows[i][1] + j * V::LEN);
                let len = if j + 1 < N { V::LEN } else { rest };
                store(sums[i][j], c, len, o.accumulate);
            }
        }
    }
}

/// Vector `j` of `N`, of which the last may be partial.
#[inline(always)]
unsafe fn load<V: Lanes, const N: usize, const PART: bool>(
    from: *const V::Number,
    j: usize,
    rest: usize,
) -> V {
    // SAFETY: the caller promises these elements, and `rest` ones of the last vector.
    unsafe {
        let from = from.add(j * V::LEN);
        if PART && j + 1 == N { V::load_part(from, rest) } else { V::load(from) }
    }
}

/// Computes `M` rows of a vector of C, which may be partial; column i of it has column
/// `(first + i) / times` of A.
///
/// # Safety
///
/// As for [`sum`].
#[inline(always)]
pub(super) unsafe fn spread<V: Spread, const M: usize>(
    o: &Sums<'_, V::Number>,
    first: usize,
    times: usize,
) {
    // SAFETY: the caller's promise; every access below lies within it.
    unsafe {
        let rows = o.rows.as_ptr().cast::<[[usize; 2]; M]>().read();
        let places = V::places(first, times);
        let count = (first + o.columns - 1) / times + 1;
        let mut sums = [V::zero(); M];
        for stretch in o.stretches {
            let mut a = o.a.add(stretch.a);
            let mut b = o.b.add(stretch.b * o.b_unit);
            for _ in 0..stretch.depth {
                let factors = if o.columns == V::LEN {
                    V::load(b)
                } else {
                    V::load_part(b, o.columns)
                };
                for i in 0..M {
                    let x = V::load_at(a.add(rows[i][0]), count, places);
                    sums[i] = x.mul_add(factors, sums[i]);
                }
                a = a.wrapping_add(o.a_step);
                b = b.wrapping_add(o.b_step);
            }
        }
        for i in 0..M {
            store(sums[i], o.c.add(rows[i][1]), o.columns, o.accumulate);
        }
    }
}

impl<T> Kernels<T> {
    /// The most rows of a tile whose columns have their own ones of A.
    pub(crate) const fn column_rows(&self) -> usize {
        self.columns.len()
    }

    /// Computes a tile of at least one row and one column, of which each has a column of A; or
    /// if `spread` is `[first, times]`, column i has column `(first + i) / times`: then these
    /// are at most a vector, else two.
    ///
    /// # Safety
    ///
    /// All elements that the stretches name lie within A and B, those of all columns; C has
    /// the columns of each row, and nobody else uses them.
    pub(crate) unsafe fn sum_by_columns(
        &self,
        sums: &Sums<'_, T>,
        spread: Option<[usize; 2]>,
    ) {
        let row = sums.rows.len() - 1;
        // SAFETY: the caller's promise; the table's instruction set is there, and these entries
        // are for so many rows.
        unsafe {
            match spread {
                Some([first, times]) => self.spread[row](sums, first, times),
                None => {
                    let vectors = sums.columns.div_ceil(self.lanes);
                    self.columns[row][vectors - 1](sums);
                }
            }
        }
    }
}
