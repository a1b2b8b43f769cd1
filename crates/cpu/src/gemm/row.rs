//! One row times a matrix.
#![expect(clippy::needless_range_loop, reason = "constant bounds, unrolled to registers")]

use super::lanes::Lanes;

/// The columns that [`dots`] computes together.
const TOGETHER: usize = 4;

/// A row `x` of `depth` elements, times `columns` columns of B.
#[derive(Clone, Copy)]
pub(super) struct Row<T> {
    pub(super) depth: usize,
    pub(super) x: *const T,
    pub(super) b: *const T,
    /// From one row of B to the next in [`Sums`], from one column to the next in [`Dots`].
    pub(super) b_step: usize,
    pub(super) y: *mut T,
    pub(super) columns: usize,
    /// Whether `y` is added to.
    pub(super) accumulate: bool,
}

/// Adds up the rows of B, which lie side by side, each times its element of `x`.
///
/// # Safety
///
/// The instruction set of the table's entry is there, and the pointers are valid.
pub(super) type Sums<T> = unsafe fn(Row<T>);

/// Multiplies each column of B, whose elements lie side by side, with `x`.
///
/// # Safety
///
/// As for [`Sums`].
pub(super) type Dots<T> = unsafe fn(Row<T>);

#[inline(always)]
pub(super) unsafe fn sums<V: Lanes>(o: Row<V::Number>) {
    // SAFETY: the caller's promise is the same; the rows lie below `depth`.
    unsafe {
        let mut p = 0;
        let mut accumulate = o.accumulate;
        while p + 8 <= o.depth {
            add_rows::<V, 8>(o, p, accumulate);
            (p, accumulate) = (p + 8, true);
        }
        while p < o.depth {
            add_rows::<V, 1>(o, p, accumulate);
            (p, accumulate) = (p + 1, true);
        }
    }
}

/// Adds rows `p` to `p + N - 1`.
#[inline(always)]
unsafe fn add_rows<V: Lanes, const N: usize>(o: Row<V::Number>, p: usize, add: bool) {
    // SAFETY: the rows lie below `depth`; the vectors within `columns`.
    unsafe {
        let mut factors = [V::zero(); N];
        for i in 0..N {
            factors[i] = V::splat(*o.x.add(p + i));
        }
        let b = o.b.add(p * o.b_step);
        let full = o.columns / V::LEN * V::LEN;
        let mut j = 0;
        while j < full {
            let mut sum = if add { V::load(o.y.add(j)) } else { V::zero() };
            for i in 0..N {
                sum = factors[i].mul_add(V::load(b.add(i * o.b_step + j)), sum);
            }
            sum.store(o.y.add(j));
            j += V::LEN;
        }
        let rest = o.columns - full;
        if rest > 0 {
            let mut sum = if add { V::load_part(o.y.add(j), rest) } else { V::zero() };
            for i in 0..N {
                sum =
                    factors[i].mul_add(V::load_part(b.add(i * o.b_step + j), rest), sum);
            }
            sum.store_part(o.y.add(j), rest);
        }
    }
}

#[inline(always)]
pub(super) unsafe fn dots<V: Lanes>(o: Row<V::Number>)
where
    V::Number: std::ops::Add<Output = V::Number>,
{
    // SAFETY: the caller's promise is the same; the columns lie below `columns`.
    unsafe {
        let mut j = 0;
        while j + TOGETHER <= o.columns {
            dot_columns::<V, TOGETHER>(o, j);
            j += TOGETHER;
        }
        while j < o.columns {
            dot_columns::<V, 1>(o, j);
            j += 1;
        }
    }
}

/// Columns `j` to `j + N - 1`. A column's sum has the same order for each `N`.
#[inline(always)]
unsafe fn dot_columns<V: Lanes, const N: usize>(o: Row<V::Number>, j: usize)
where
    V::Number: std::ops::Add<Output = V::Number>,
{
    // SAFETY: the columns lie below `columns`, the vectors within `depth`.
    unsafe {
        let b = o.b.add(j * o.b_step);
        let mut even = [V::zero(); N];
        let mut odd = [V::zero(); N];
        let mut p = 0;
        while p + 2 * V::LEN <= o.depth {
            let (x, next) = (V::load(o.x.add(p)), V::load(o.x.add(p + V::LEN)));
            for i in 0..N {
                let column = b.add(i * o.b_step + p);
                even[i] = x.mul_add(V::load(column), even[i]);
                odd[i] = next.mul_add(V::load(column.add(V::LEN)), odd[i]);
            }
            p += 2 * V::LEN;
        }
        while p < o.depth {
            let len = V::LEN.min(o.depth - p);
            let part = |from| {
                if len == V::LEN { V::load(from) } else { V::load_part(from, len) }
            };
            let x = part(o.x.add(p));
            for i in 0..N {
                even[i] = x.mul_add(part(b.add(i * o.b_step + p)), even[i]);
            }
            p += len;
        }
        for i in 0..N {
            let sum = even[i].add(odd[i]).sum();
            let y = o.y.add(j + i);
            *y = if o.accumulate { *y + sum } else { sum };
        }
    }
}
