//! Sums of products of elements: each column of C has its own one of A and of B.
#![expect(clippy::needless_range_loop, reason = "constant bounds, unrolled to registers")]

use std::ops::Add;

use super::{
    kernel::Kernels,
    lanes::{Lanes, Spread},
    sums::{Stretch, Sums, store},
};

/// As [`Sum`](super::sums::Sum), with a column of A for some of C.
pub(super) type SpreadSum<T> = for<'a> unsafe fn(&Sums<'a, T>, &Spreading);

/// Which column of A each of C has, where several have one: column i has column
/// `i / times · stride`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spreading {
    times: usize,
    stride: usize,
    /// Column by column, as far as a vector reaches.
    places: [u32; MOST],
}

/// The most elements of a vector.
const MOST: usize = 16;

impl Spreading {
    /// Columns of which so many have the same one of A, at this distance.
    pub(crate) fn new(times: usize, stride: usize) -> Self {
        let places = std::array::from_fn(|i| (i / times * stride) as u32);
        Self { times, stride, places }
    }

    /// The columns of A from the first to the last of so many columns of C.
    const fn reach(&self, columns: usize) -> usize {
        (columns - 1) / self.times * self.stride + 1
    }
}

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

/// A tile of C whose rows lie at equal distances in A and in C, and whose stretches have one
/// step each.
#[derive(Clone, Copy)]
pub(crate) struct Strip<'a, T> {
    pub(crate) rows: usize,
    pub(crate) a: *const T,
    pub(crate) a_row: usize,
    pub(crate) b: *const T,
    /// The elements that a stretch's start in B counts.
    pub(crate) b_unit: usize,
    pub(crate) stretches: &'a [Stretch],
    pub(crate) c: *mut T,
    pub(crate) c_row: usize,
    /// The columns of C; at most two vectors.
    pub(crate) columns: usize,
    /// Whether C is added to.
    pub(crate) accumulate: bool,
}

/// As [`Sum`](super::sums::Sum), for a strip.
pub(super) type StripSum<T> = for<'a> unsafe fn(&Strip<'a, T>);

/// Computes `M` rows of `N` vectors of C, the last of which may be partial.
///
/// # Safety
///
/// As for [`sum`].
#[inline(always)]
pub(super) unsafe fn strip<V: Lanes, const M: usize, const N: usize>(
    o: &Strip<'_, V::Number>,
) {
    // SAFETY: the caller's promises are the same.
    unsafe {
        if o.columns == N * V::LEN {
            strip_tile::<V, M, N, false>(o);
        } else {
            strip_tile::<V, M, N, true>(o);
        }
    }
}

#[inline(always)]
unsafe fn strip_tile<V: Lanes, const M: usize, const N: usize, const PART: bool>(
    o: &Strip<'_, V::Number>,
) {
    // SAFETY: `strip` says what the caller promises; every access below lies within it.
    unsafe {
        let rest = o.columns - (N - 1) * V::LEN;
        let mut sums = [[V::zero(); N]; M];
        for stretch in o.stretches {
            let mut a = o.a.add(stretch.a);
            let b = o.b.add(stretch.b * o.b_unit);
            let mut factors = [V::zero(); N];
            for j in 0..N {
                factors[j] = load::<V, N, PART>(b, j, rest);
            }
            for i in 0..M {
                for j in 0..N {
                    let x: V = load::<V, N, PART>(a, j, rest);
                    sums[i][j] = x.mul_add(factors[j], sums[i][j]);
                }
                a = a.wrapping_add(o.a_row);
            }
        }
        for i in 0..M {
            for j in 0..N {
                let c = o.c.add(i * o.c_row + j * V::LEN);
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

/// Writes a vector of spread elements for each of some rows: their first column and distance,
/// how many columns there are and how many rows, and where to.
pub(super) type SpreadRows<T> =
    unsafe fn(&Spreading, usize, *const T, usize, usize, *mut T);

/// Spreads the columns of A that some of C have, row by row, to vectors that follow each other.
///
/// # Safety
///
/// The instruction set of the table's entry is there; so are the columns of A in all rows, and
/// room for their vectors.
#[inline(always)]
pub(super) unsafe fn spread_rows<V: Spread>(
    spreading: &Spreading,
    columns: usize,
    from: *const V::Number,
    step: usize,
    rows: usize,
    to: *mut V::Number,
) {
    let count = spreading.reach(columns);
    // SAFETY: the caller's promise.
    unsafe {
        let places = V::places(&spreading.places);
        for row in 0..rows {
            let from = from.add(row * step);
            V::load_at(from, count, places).store(to.add(row * V::LEN));
        }
    }
}

/// Computes `M` rows of a vector of C, which may be partial.
///
/// # Safety
///
/// As for [`sum`].
#[inline(always)]
pub(super) unsafe fn spread<V: Spread, const M: usize>(
    o: &Sums<'_, V::Number>,
    spreading: &Spreading,
) {
    // SAFETY: the caller's promise; every access below lies within it.
    unsafe {
        let rows = o.rows.as_ptr().cast::<[[usize; 2]; M]>().read();
        let places = V::places(&spreading.places);
        let count = spreading.reach(o.columns);
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

/// Sets each element of the first slice to the sum of so many of the second one, which follow
/// each other, or adds that to it.
///
/// # Safety
///
/// The instruction set of the table's entry is there.
pub(super) type Fold<T> = unsafe fn(&mut [T], &[T], usize, bool);

#[inline(always)]
pub(super) fn fold<T: Copy + Add<Output = T>>(
    to: &mut [T],
    from: &[T],
    count: usize,
    set: bool,
) {
    #[inline(always)]
    fn each<'a, T: Copy + Add<Output = T> + 'a>(
        to: &mut [T],
        from: impl Iterator<Item = &'a [T]>,
        set: bool,
    ) {
        for (to, from) in to.iter_mut().zip(from) {
            let sum = from[1..].iter().fold(from[0], |sum, &x| sum + x);
            *to = if set { sum } else { *to + sum };
        }
    }
    // With lengths that are known, the loops are over vectors.
    match count {
        2 => each(to, from.as_chunks::<2>().0.iter().map(|x| &x[..]), set),
        3 => each(to, from.as_chunks::<3>().0.iter().map(|x| &x[..]), set),
        4 => each(to, from.as_chunks::<4>().0.iter().map(|x| &x[..]), set),
        _ => each(to, from.chunks(count), set),
    }
}

impl<T> Kernels<T> {
    /// The most rows of a tile whose columns have their own ones of A.
    pub(crate) const fn column_rows(&self) -> usize {
        self.columns.len()
    }

    /// Whether spreading columns of A costs little more than reading them.
    pub(crate) const fn spread_is_fast(&self) -> bool {
        self.spread_is_fast
    }

    /// Computes a tile of at least one row and one column, of which each has its own column of
    /// A.
    ///
    /// # Safety
    ///
    /// All elements that the stretches name lie within A and B, those of all rows and columns;
    /// C has the columns of each row, and nobody else uses them.
    pub(crate) unsafe fn sum_strip(&self, strip: &Strip<'_, T>) {
        let vectors = strip.columns.div_ceil(self.lanes);
        // SAFETY: the caller's promise; the table's instruction set is there, and this entry
        // is for so many rows.
        unsafe { self.strips[strip.rows - 1][vectors - 1](strip) };
    }

    /// Sets each element to the sum of so many that follow each other, or adds that to it; with
    /// more than four, the last ones may be fewer.
    pub(crate) fn fold(&self, to: &mut [T], from: &[T], count: usize, set: bool) {
        // SAFETY: the table's instruction set is there.
        unsafe { (self.fold)(to, from, count, set) };
    }

    /// Spreads what so many columns, at most a vector of them, read of some rows: from the
    /// first one's elements on, at this distance; to vectors that follow each other.
    ///
    /// # Safety
    ///
    /// The columns' elements of all rows lie within A, and there is room for the vectors.
    pub(crate) unsafe fn spread(
        &self,
        spreading: &Spreading,
        columns: usize,
        from: *const T,
        step: usize,
        rows: usize,
        to: *mut T,
    ) {
        // SAFETY: the caller's promise; the table's instruction set is there.
        unsafe { (self.spread_rows)(spreading, columns, from, step, rows, to) };
    }

    /// Computes a tile of at least one row and one column, of which each has its own column of
    /// A: at most two vectors; or one vector of spread columns, which lie within a vector of A.
    ///
    /// # Safety
    ///
    /// All elements that the stretches name lie within A and B, those of all columns; C has
    /// the columns of each row, and nobody else uses them.
    pub(crate) unsafe fn sum_by_columns(
        &self,
        sums: &Sums<'_, T>,
        spreading: Option<&Spreading>,
    ) {
        let row = sums.rows.len() - 1;
        // SAFETY: the caller's promise; the table's instruction set is there, and these entries
        // are for so many rows.
        unsafe {
            match spreading {
                Some(spreading) => self.spread[row](sums, spreading),
                None => {
                    let vectors = sums.columns.div_ceil(self.lanes);
                    self.columns[row][vectors - 1](sums);
                }
            }
        }
    }
}
