//! Sums over several stretches of operands that stay where they are: [`Sums`].
#![expect(clippy::needless_range_loop, reason = "constant bounds, unrolled to registers")]

use super::{kernel::Kernels, lanes::Lanes};

/// A part of a sum: where it starts in A, from a row's start; and in B, in units; and how many
/// products it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) a: usize,
    pub(crate) b: usize,
    pub(crate) depth: usize,
}

/// A tile of C, whose sums all have the same stretches.
#[derive(Clone, Copy)]
pub(crate) struct Sums<'a, T> {
    pub(crate) a: *const T,
    /// From one step of a stretch to the next in A.
    pub(crate) a_step: usize,
    pub(crate) b: *const T,
    /// From one step to the next in B.
    pub(crate) b_step: usize,
    /// The elements that a stretch's start in B counts.
    pub(crate) b_unit: usize,
    /// Where each row of the tile starts in A and in C.
    pub(crate) rows: &'a [[usize; 2]],
    pub(crate) stretches: &'a [Stretch],
    pub(crate) c: *mut T,
    /// The columns of C; at most two vectors.
    pub(crate) columns: usize,
    /// Whether C is added to.
    pub(crate) accumulate: bool,
}

/// Computes `M` rows of `N` vectors of C, and of half a vector more if `HALF`.
///
/// # Safety
///
/// The instruction set of the table's entry is there, and there are `M` rows. All elements that
/// the stretches name lie within A; so do in B those of all columns, filled up to half vectors;
/// C has the columns of each row.
pub(super) type Sum<T> = for<'a> unsafe fn(&Sums<'a, T>);

#[inline(always)]
pub(super) unsafe fn sum<V, H, const M: usize, const N: usize, const HALF: bool>(
    o: &Sums<'_, V::Number>,
) where
    V: Lanes,
    H: Lanes<Number = V::Number>,
{
    // SAFETY: `Sum` says what the caller promises; every access below lies within it.
    unsafe {
        let rows = o.rows.as_ptr().cast::<[[usize; 2]; M]>().read();
        let mut full = [[V::zero(); N]; M];
        let mut half = [H::zero(); M];
        for stretch in o.stretches {
            let mut starts = [o.a; M];
            for i in 0..M {
                starts[i] = o.a.add(rows[i][0] + stretch.a);
            }
            let mut b = o.b.add(stretch.b * o.b_unit);
            let mut at = 0;
            for _ in 0..stretch.depth {
                let mut vectors = [V::zero(); N];
                for j in 0..N {
                    vectors[j] = V::load(b.add(j * V::LEN));
                }
                let last = if HALF { H::load(b.add(N * V::LEN)) } else { H::zero() };
                for i in 0..M {
                    let x = *starts[i].add(at);
                    let wide = V::splat(x);
                    for j in 0..N {
                        full[i][j] = wide.mul_add(vectors[j], full[i][j]);
                    }
                    if HALF {
                        half[i] = H::splat(x).mul_add(last, half[i]);
                    }
                }
                at += o.a_step;
                b = b.wrapping_add(o.b_step);
            }
        }
        let whole = N * V::LEN + if HALF { H::LEN } else { 0 };
        for i in 0..M {
            let c = o.c.add(rows[i][1]);
            for j in 0..N {
                let last = !HALF && j + 1 == N;
                let missing = if last { whole - o.columns } else { 0 };
                store(full[i][j], c.add(j * V::LEN), V::LEN - missing, o.accumulate);
            }
            if HALF {
                let len = H::LEN - (whole - o.columns);
                store(half[i], c.add(N * V::LEN), len, o.accumulate);
            }
        }
    }
}

#[inline(always)]
pub(super) unsafe fn store<V: Lanes>(
    sum: V,
    c: *mut V::Number,
    len: usize,
    accumulate: bool,
) {
    // SAFETY: `len` elements of C are there, at most a vector.
    unsafe {
        if len == V::LEN {
            let sum = if accumulate { V::load(c).add(sum) } else { sum };
            sum.store(c);
        } else {
            let sum = if accumulate { V::load_part(c, len).add(sum) } else { sum };
            sum.store_part(c, len);
        }
    }
}

impl<T> Kernels<T> {
    /// The most rows of a tile.
    pub(crate) const fn sum_rows(&self) -> usize {
        self.sums.len()
    }

    /// The most columns of a tile.
    pub(crate) const fn sum_columns(&self) -> usize {
        2 * self.lanes
    }

    /// What the columns of B are filled up to a multiple of.
    pub(crate) const fn half_lanes(&self) -> usize {
        self.lanes / 2
    }

    /// Computes a tile of at least one row and one column.
    ///
    /// # Safety
    ///
    /// All elements that the stretches name lie within A; so do in B those of all columns,
    /// filled up to half vectors; C has the columns of each row, and nobody else uses them.
    pub(crate) unsafe fn sum(&self, sums: &Sums<'_, T>) {
        let halves = sums.columns.div_ceil(self.half_lanes());
        let sum = self.sums[sums.rows.len() - 1][halves - 1];
        // SAFETY: the caller's promise; the table's instruction set is there, and this entry
        // is for so many rows.
        unsafe { sum(sums) };
    }

    /// Copies columns of B: `depth` steps of `columns` elements, filled up to half vectors.
    ///
    /// Strides are those from step to step, and from column to column.
    pub(crate) fn copy_columns(
        &self,
        from: &[T],
        [step, across]: [usize; 2],
        [depth, columns]: [usize; 2],
        to: &mut [T],
    ) {
        let width = columns.next_multiple_of(self.half_lanes());
        self.copy_panel(from, [step, across], depth, [columns, width], to);
    }
}
