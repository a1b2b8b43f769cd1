//! Copies of operands in the order in which the innermost loops read them.
#![expect(clippy::needless_range_loop, reason = "constant bounds, unrolled to registers")]

use super::{kernel::Kernels, lanes::Lanes};

/// A panel of an operand: `len` rows of A or columns of B, all steps of the sum.
#[derive(Clone, Copy)]
pub(super) struct Panel<T> {
    /// The copy: `depth` steps of `width` elements.
    pub(super) to: *mut T,
    pub(super) from: *const T,
    pub(super) depth: usize,
    /// From one step of the sum to the next in the operand.
    pub(super) step: usize,
    /// From one row of A, or column of B, to the next in the operand.
    pub(super) across: usize,
    pub(super) len: usize,
    /// At least `len`, less than a vector more; the rest is filled with zeros.
    pub(super) width: usize,
}

/// Copies a panel.
///
/// # Safety
///
/// The instruction set of the table's entry is there, and the panel's pointers are valid for
/// what it describes.
pub(super) type Pack<T> = unsafe fn(Panel<T>);

/// A square that is transposed in registers.
///
/// # Safety
///
/// As for [`Lanes`].
unsafe trait Block<T> {
    const LEN: usize;

    /// Writes `LEN` columns of `LEN` rows as rows.
    unsafe fn transpose(from: *const T, row: usize, to: *mut T, to_row: usize);
}

#[inline(always)]
unsafe fn pack<V, Big, Small>(panel: Panel<V::Number>)
where
    V: Lanes,
    Big: Block<V::Number>,
    Small: Block<V::Number>,
{
    // SAFETY: the callers' promise is the same.
    unsafe {
        if panel.across == 1 {
            copy::<V>(panel);
        } else if panel.step == 1 && panel.len >= Big::LEN {
            transpose::<V, Big>(panel);
        } else if panel.step == 1 && panel.len >= Small::LEN {
            transpose::<V, Small>(panel);
        } else {
            gather::<V>(panel, 0, 0..panel.len);
            fill::<V>(panel);
        }
    }
}

/// Each step's elements lie side by side.
#[inline(always)]
unsafe fn copy<V: Lanes>(panel: Panel<V::Number>) {
    let Panel { mut to, mut from, depth, step, len, width, .. } = panel;
    // SAFETY: a step has `len` elements at `from` and `width` at `to`; the vectors lie within.
    unsafe {
        if len == 2 * V::LEN {
            for _ in 0..depth {
                let (first, second) = (V::load(from), V::load(from.add(V::LEN)));
                first.store(to);
                second.store(to.add(V::LEN));
                to = to.add(width);
                from = from.add(step);
            }
            return;
        }
        let full = len / V::LEN * V::LEN;
        let rest = len - full;
        for _ in 0..depth {
            let mut i = 0;
            while i < full {
                V::load(from.add(i)).store(to.add(i));
                i += V::LEN;
            }
            if rest > 0 {
                let last = V::load_part(from.add(i), rest);
                if full + V::LEN <= width {
                    last.store(to.add(i));
                } else {
                    last.store_part(to.add(i), rest);
                }
            }
            to = to.add(width);
            from = from.add(step);
        }
    }
}

/// Each row's (column's) elements lie side by side.
#[inline(always)]
unsafe fn transpose<V: Lanes, B: Block<V::Number>>(panel: Panel<V::Number>) {
    let Panel { to, from, depth, across, len, width, .. } = panel;
    let blocks = depth / B::LEN;
    let mut i = 0;
    // SAFETY: `i + B::LEN <= len`, and the blocks' steps are below `depth`.
    unsafe {
        while i < len {
            // The last square overlaps the one before rather than end outside.
            i = i.min(len - B::LEN);
            for block in 0..blocks {
                let p = block * B::LEN;
                B::transpose(
                    from.add(i * across + p),
                    across,
                    to.add(p * width + i),
                    width,
                );
            }
            i += B::LEN;
        }
        gather::<V>(panel, blocks * B::LEN, 0..len);
        fill::<V>(panel);
    }
}

/// Element by element, from step `start` on.
#[inline(always)]
unsafe fn gather<V: Lanes>(
    panel: Panel<V::Number>,
    start: usize,
    rows: std::ops::Range<usize>,
) {
    for p in start..panel.depth {
        for i in rows.clone() {
            // SAFETY: the panel has these steps and rows.
            unsafe {
                *panel.to.add(p * panel.width + i) =
                    *panel.from.add(p * panel.step + i * panel.across);
            }
        }
    }
}

/// Zeros where the panel is wider than long.
#[inline(always)]
unsafe fn fill<V: Lanes>(panel: Panel<V::Number>) {
    let rest = panel.width - panel.len;
    if rest > 0 {
        for p in 0..panel.depth {
            // SAFETY: the elements from `len` to `width` of step `p`, less than a vector.
            unsafe {
                V::zero().store_part(panel.to.add(p * panel.width + panel.len), rest);
            };
        }
    }
}

/// A matrix, and where its columns are to be rows.
#[derive(Clone, Copy)]
#[doc(hidden)]
#[expect(missing_debug_implementations, reason = "only the tests see it")]
pub struct Turn<T> {
    pub from: *const T,
    /// From one row to the next.
    pub row: usize,
    pub to: *mut T,
    /// From one row of the result to the next.
    pub to_row: usize,
    pub rows: usize,
    pub columns: usize,
}

/// Transposes a matrix.
///
/// # Safety
///
/// The instruction set of the table's entry is there, and the pointers are valid for what the
/// turn describes.
pub(super) type Turned<T> = unsafe fn(Turn<T>);

#[inline(always)]
unsafe fn turned<T: Copy, Big: Block<T>, Small: Block<T>>(turn: Turn<T>) {
    let least = turn.rows.min(turn.columns);
    // SAFETY: the callers' promise is the same.
    unsafe {
        if least >= Big::LEN {
            squares::<T, Big>(turn);
        } else if least >= Small::LEN {
            squares::<T, Small>(turn);
        } else {
            for p in 0..turn.columns {
                for i in 0..turn.rows {
                    let element = turn.from.add(i * turn.row + p).read();
                    turn.to.add(p * turn.to_row + i).write(element);
                }
            }
        }
    }
}

/// Square by square, whole rows of the result one after the other.
#[inline(always)]
unsafe fn squares<T: Copy, B: Block<T>>(turn: Turn<T>) {
    let Turn { from, row, to, to_row, rows, columns } = turn;
    for p in (0..columns).step_by(B::LEN) {
        for i in (0..rows).step_by(B::LEN) {
            // The last squares overlap those before rather than end outside.
            let (p, i) = (p.min(columns - B::LEN), i.min(rows - B::LEN));
            // SAFETY: the square lies within both matrices.
            unsafe {
                B::transpose(from.add(i * row + p), row, to.add(p * to_row + i), to_row);
            }
        }
    }
}

/// A square of four, left to the compiler.
struct PlainBlock;

// SAFETY: needs no instruction set.
unsafe impl<T: Copy> Block<T> for PlainBlock {
    const LEN: usize = 4;

    #[inline(always)]
    unsafe fn transpose(from: *const T, row: usize, to: *mut T, to_row: usize) {
        // SAFETY: the caller promises four rows of four elements at both.
        unsafe {
            let rows: [[T; 4]; 4] = std::array::from_fn(|i| {
                from.add(i * row).cast::<[T; 4]>().read_unaligned()
            });
            for p in 0..4 {
                let column = [rows[0][p], rows[1][p], rows[2][p], rows[3][p]];
                to.add(p * to_row).cast::<[T; 4]>().write_unaligned(column);
            }
        }
    }
}

#[inline(always)]
pub(super) unsafe fn plain<V: Lanes>(panel: Panel<V::Number>) {
    // SAFETY: the caller's promise is the same.
    unsafe { pack::<V, PlainBlock, PlainBlock>(panel) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn wide_f32<V: Lanes<Number = f32>>(panel: Panel<f32>) {
    // SAFETY: the caller's promise is the same.
    unsafe { pack::<V, x86::Eight, x86::Four>(panel) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn wide_f64<V: Lanes<Number = f64>>(panel: Panel<f64>) {
    // SAFETY: the caller's promise is the same.
    unsafe { pack::<V, x86::Four, x86::Four>(panel) }
}

macro_rules! turns {
    ($($(#[$attribute:meta])? $name:ident: $number:ty, $big:ty, $small:ty;)*) => {$(
        $(#[$attribute])?
        #[inline(always)]
        pub(super) unsafe fn $name(turn: Turn<$number>) {
            // SAFETY: the caller's promise is the same.
            unsafe { turned::<$number, $big, $small>(turn) }
        }
    )*};
}

turns! {
    plain_turn_f32: f32, PlainBlock, PlainBlock;
    plain_turn_f64: f64, PlainBlock, PlainBlock;
    #[cfg(target_arch = "x86_64")]
    wide_turn_f32: f32, x86::Eight, x86::Four;
    #[cfg(target_arch = "x86_64")]
    wide_turn_f64: f64, x86::Four, x86::Four;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Block;

    /// A square of eight.
    pub(super) struct Eight;

    /// A square of four.
    pub(super) struct Four;

    // SAFETY: needs AVX.
    unsafe impl Block<f32> for Eight {
        const LEN: usize = 8;

        #[inline(always)]
        unsafe fn transpose(from: *const f32, row: usize, to: *mut f32, to_row: usize) {
            for half in [0, 4] {
                // SAFETY: AVX, and eight rows of eight elements at both, are the caller's
                // promise.
                unsafe {
                    // Rows i and i + 4 side by side, so that whole rows come out.
                    let pair = |i: usize| {
                        let low = _mm_loadu_ps(from.add(i * row + half));
                        let high = _mm_loadu_ps(from.add((i + 4) * row + half));
                        _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high)
                    };
                    let [a, b, c, d] = [pair(0), pair(1), pair(2), pair(3)];
                    let (ab_low, ab_high) =
                        (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                    let (cd_low, cd_high) =
                        (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                    let columns = [
                        _mm256_shuffle_ps::<0x44>(ab_low, cd_low),
                        _mm256_shuffle_ps::<0xEE>(ab_low, cd_low),
                        _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
                        _mm256_shuffle_ps::<0xEE>(ab_high, cd_high),
                    ];
                    for (p, column) in columns.into_iter().enumerate() {
                        _mm256_storeu_ps(to.add((half + p) * to_row), column);
                    }
                }
            }
        }
    }

    // SAFETY: needs SSE, which x86-64 has.
    unsafe impl Block<f32> for Four {
        const LEN: usize = 4;

        #[inline(always)]
        unsafe fn transpose(from: *const f32, row: usize, to: *mut f32, to_row: usize) {
            // SAFETY: four rows of four elements at both are the caller's promise.
            unsafe {
                let load = |i: usize| _mm_loadu_ps(from.add(i * row));
                let [a, b, c, d] = [load(0), load(1), load(2), load(3)];
                let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
                let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
                _mm_storeu_ps(to, _mm_movelh_ps(ab_low, cd_low));
                _mm_storeu_ps(to.add(to_row), _mm_movehl_ps(cd_low, ab_low));
                _mm_storeu_ps(to.add(2 * to_row), _mm_movelh_ps(ab_high, cd_high));
                _mm_storeu_ps(to.add(3 * to_row), _mm_movehl_ps(cd_high, ab_high));
            }
        }
    }

    // SAFETY: needs AVX.
    unsafe impl Block<f64> for Four {
        const LEN: usize = 4;

        #[inline(always)]
        unsafe fn transpose(from: *const f64, row: usize, to: *mut f64, to_row: usize) {
            for half in [0, 2] {
                // SAFETY: AVX, and four rows of four elements at both, are the caller's
                // promise.
                unsafe {
                    let pair = |i: usize| {
                        let low = _mm_loadu_pd(from.add(i * row + half));
                        let high = _mm_loadu_pd(from.add((i + 2) * row + half));
                        _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(low), high)
                    };
                    let (a, b) = (pair(0), pair(1));
                    _mm256_storeu_pd(to.add(half * to_row), _mm256_unpacklo_pd(a, b));
                    _mm256_storeu_pd(
                        to.add((half + 1) * to_row),
                        _mm256_unpackhi_pd(a, b),
                    );
                }
            }
        }
    }
}

impl<T> Kernels<T> {
    /// Transposes a matrix.
    ///
    /// # Safety
    ///
    /// The matrix can be read, and its transpose can be written; they have no element in common.
    #[doc(hidden)]
    pub unsafe fn transpose(&self, turn: Turn<T>) {
        // SAFETY: the caller's promise; the table's instruction set is there.
        unsafe { (self.turn)(turn) }
    }
}
