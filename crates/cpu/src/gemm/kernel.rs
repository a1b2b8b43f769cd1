//! The innermost loops: [`tile`], and its tables for each instruction set.
#![expect(clippy::needless_range_loop, reason = "constant bounds, unrolled to registers")]

use super::{
    columns::{self, Fold, SpreadRows, SpreadSum, Spreading, Strip, StripSum},
    lanes::{Lanes, Plain, Spread},
    pack,
    pairs::{self, Beside, Join, SumBeside},
    row,
    sums::{self, Sum, Sums},
};
use crate::{Simd, simd::prefetch};

/// Where the operands of one tile are.
#[derive(Clone, Copy)]
pub(super) struct Operands<T> {
    /// The number of products in each sum.
    pub(super) depth: usize,
    pub(super) a: *const T,
    /// From one row of `a` to the next, for direct tiles.
    pub(super) a_row: usize,
    /// From one step of the sum to the next in `a`, for packed tiles.
    pub(super) a_step: usize,
    pub(super) b: *const T,
    /// From one step of the sum to the next in `b`.
    pub(super) b_step: usize,
    pub(super) c: *mut T,
    pub(super) c_row: usize,
    /// The columns of the tile that exist; the last vector may be partial.
    pub(super) columns: usize,
    /// What is added to the sums, laid out as `c` is but with rows `add_row` apart; null if
    /// nothing is.
    pub(super) add: *const T,
    pub(super) add_row: usize,
}

/// Computes `M` rows of `N` vectors of C.
///
/// # Safety
///
/// The instruction set of the table's entry is there; `a` is valid for `M` rows of `depth`
/// elements, `b` for `depth` steps of all columns' vectors, `c`, and `add` unless it is null, for
/// `M` rows of `columns`.
pub(super) type Tile<T> = unsafe fn(Operands<T>);

/// The kernels of one number type on one instruction set.
#[expect(missing_debug_implementations, reason = "hidden, a table of functions")]
pub struct Kernels<T: 'static> {
    /// The numbers in a vector.
    pub(super) lanes: usize,
    /// The rows of the largest tile.
    pub(super) rows: usize,
    /// By rows - 1, then vectors - 1, with a packed panel of `a`.
    pub(super) packed: &'static [[Tile<T>; 2]],
    /// By rows - 1, then vectors - 1, with the rows of `a` as they are.
    pub(super) direct: &'static [[Tile<T>; 2]],
    /// By rows - 1, with [`wide_vectors`] vectors and a packed panel of `a`.
    pub(super) wide: &'static [Tile<T>],
    /// By rows - 1, then half vectors - 1.
    pub(super) sums: &'static [[Sum<T>; 4]],
    /// By rows - 1, then 1 or 3 half vectors, with two steps at a time.
    pub(super) pairs: &'static [&'static [Sum<T>]],
    /// By pairs of rows - 1, then 1 or 3 half vectors.
    pub(super) row_pairs: &'static [&'static [Sum<T>]],
    /// By rows - 1, of half a vector of each of two groups, with two steps at a time.
    pub(super) pairs_of_two: &'static [SumBeside<T>],
    /// By pairs of rows - 1, of half a vector of each of two groups.
    pub(super) row_pairs_of_two: &'static [SumBeside<T>],
    /// By rows - 1, of a quarter of a vector of each of four groups, with four steps at a time.
    pub(super) of_four: &'static [SumBeside<T>],
    /// By 1 or 3 half vectors.
    pub(super) join: &'static [Join<T>],
    /// By rows - 1, then vectors - 1, with a column of A for each of C.
    pub(super) columns: &'static [[Sum<T>; 2]],
    /// The same, for strips.
    pub(super) strips: &'static [[StripSum<T>; 2]],
    pub(super) spread_is_fast: bool,
    /// By rows - 1, with a column of A for some of C.
    pub(super) spread: &'static [SpreadSum<T>],
    pub(super) spread_rows: SpreadRows<T>,
    pub(super) fold: Fold<T>,
    pub(super) pack: pack::Pack<T>,
    pub(super) turn: pack::Turned<T>,
    pub(super) row_sums: row::Sums<T>,
    pub(super) row_dots: row::Dots<T>,
}

/// The products in each sum that take longer than it does to fetch C.
const FETCHED: usize = 192;

/// The steps of a sum that is long enough to fetch its operands ahead.
const LONG: usize = 64;

/// The steps ahead of which B, and steps of A, are fetched to the first cache.
const AHEAD: usize = 16;

/// Bytes in a cache line.
const BYTES: usize = 64;

/// The vectors of a wide tile, which has few rows.
pub(super) const fn wide_vectors(rows: usize) -> usize {
    if rows <= 3 { 8 } else { 4 }
}

#[inline(always)]
unsafe fn tile<V: Lanes, const M: usize, const N: usize, const DIRECT: bool>(
    o: Operands<V::Number>,
) {
    // SAFETY: `Tile` says what the caller promises; every access below lies within it: rows
    // below `M`, steps below `depth`, vectors below `N`, of which only the last is partial.
    unsafe {
        let mut sums = [[V::zero(); N]; M];
        if o.depth >= FETCHED {
            for i in 0..M {
                for j in 0..N {
                    prefetch(o.c.wrapping_add(i * o.c_row + j * V::LEN));
                }
            }
        }
        let (mut a, mut b) = (o.a, o.b);
        for p in 0..o.depth {
            // Smaller tiles have no room for more loads, short sums nothing to wait for.
            if M >= 6 && N == 2 && o.depth >= LONG {
                let line = BYTES / size_of::<V::Number>();
                for j in (0..N * V::LEN).step_by(line) {
                    prefetch(b.wrapping_add(AHEAD * o.b_step + j));
                }
                if DIRECT {
                    // One row, or two, in each step: a line lasts for about as many.
                    let (start, place) = (p / line * line, p % line);
                    let rows = M.div_ceil(line);
                    for i in 0..rows {
                        let row = (place * rows + i) * o.a_row;
                        prefetch(o.a.wrapping_add(start + line + row));
                    }
                } else {
                    let next = a.wrapping_add(AHEAD * o.a_step);
                    prefetch(next);
                    prefetch(next.wrapping_add(M - 1));
                }
            }
            let mut vectors = [V::zero(); N];
            for j in 0..N {
                vectors[j] = V::load(b.add(j * V::LEN));
            }
            for i in 0..M {
                let x = V::splat(*a.add(if DIRECT { i * o.a_row } else { i }));
                for j in 0..N {
                    sums[i][j] = x.mul_add(vectors[j], sums[i][j]);
                }
            }
            a = a.wrapping_add(if DIRECT { 1 } else { o.a_step });
            b = b.wrapping_add(o.b_step);
        }
        let rest = o.columns - (N - 1) * V::LEN;
        if rest == V::LEN {
            for i in 0..M {
                for j in 0..N {
                    let sum = if o.add.is_null() {
                        sums[i][j]
                    } else {
                        let add = o.add.add(i * o.add_row + j * V::LEN);
                        V::load(add).add(sums[i][j])
                    };
                    sum.store(o.c.add(i * o.c_row + j * V::LEN));
                }
            }
        } else {
            for i in 0..M {
                for j in 0..N {
                    let c = o.c.add(i * o.c_row + j * V::LEN);
                    let add = o.add.wrapping_add(i * o.add_row + j * V::LEN);
                    let add = if o.add.is_null() { o.add } else { add };
                    let len = if j + 1 < N { V::LEN } else { rest };
                    store(sums[i][j], add, c, len);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn store<V: Lanes>(sum: V, add: *const V::Number, c: *mut V::Number, len: usize) {
    // SAFETY: as in `tile`: `len` elements of `c`, and of `add` unless it is null, are there.
    unsafe {
        if len == V::LEN {
            let sum = if add.is_null() { sum } else { V::load(add).add(sum) };
            sum.store(c);
        } else {
            let sum = if add.is_null() { sum } else { V::load_part(add, len).add(sum) };
            sum.store_part(c, len);
        }
    }
}

/// A function for these numbers of half vectors, and of so many rows.
macro_rules! halves {
    ($function:ident, [$($half:literal)*]) => {
        &[$($function::<$half>),*]
    };
    ($function:ident, [$($half:literal)*], $rows:literal) => {
        &[$($function::<$rows, $half>),*]
    };
}

macro_rules! kernels {
    (
        $name:ident: $number:ty, $vector:ty, $half:ty, $pack:ident, $turn:ident, rows $rows:literal
            [$($m:literal)*], sums [$($sum:literal)*], pairs $halves:tt by $together:literal,
        columns [$($row:literal)*], $(#[$feature:meta])?
    ) => {
        mod $name {
            use super::*;

            $(#[$feature])?
            unsafe fn packed<const M: usize, const N: usize>(o: Operands<$number>) {
                // SAFETY: the caller's promises are the same.
                unsafe { tile::<$vector, M, N, false>(o) }
            }

            $(#[$feature])?
            unsafe fn direct<const M: usize, const N: usize>(o: Operands<$number>) {
                // SAFETY: the caller's promises are the same.
                unsafe { tile::<$vector, M, N, true>(o) }
            }

            $(#[$feature])?
            unsafe fn sum<const M: usize, const N: usize, const HALF: bool>(
                o: &Sums<'_, $number>,
            ) {
                // SAFETY: the caller's promises are the same.
                unsafe { sums::sum::<$vector, $half, M, N, HALF>(o) }
            }

            $(#[$feature])?
            unsafe fn pair_steps<const M: usize, const N: usize>(o: &Sums<'_, $number>) {
                // SAFETY: the caller's promises are the same.
                unsafe { pairs::steps::<$vector, M, N>(o) }
            }

            $(#[$feature])?
            unsafe fn pair_rows<const M: usize, const N: usize>(o: &Sums<'_, $number>) {
                // SAFETY: the caller's promises are the same.
                unsafe { pairs::rows::<$vector, M, N>(o) }
            }

            $(#[$feature])?
            unsafe fn pairs_of_two<const M: usize>(
                o: &Sums<'_, $number>,
                beside: Beside,
            ) {
                // SAFETY: the caller's promises are the same.
                unsafe { pairs::steps_of_two::<$vector, M, $together>(o, beside) }
            }

            $(#[$feature])?
            unsafe fn of_four<const M: usize>(o: &Sums<'_, $number>, beside: Beside) {
                // SAFETY: the caller's promises are the same.
                unsafe { pairs::steps_of_four::<$vector, M>(o, beside) }
            }

            $(#[$feature])?
            unsafe fn row_pairs_of_two<const M: usize>(
                o: &Sums<'_, $number>,
                beside: Beside,
            ) {
                // SAFETY: the caller's promises are the same.
                unsafe { pairs::rows_of_two::<$vector, M>(o, beside) }
            }

            $(#[$feature])?
            unsafe fn join<const N: usize>(at: *mut $number) {
                // SAFETY: the caller's promises are the same.
                unsafe { pairs::join::<$vector, N>(at) }
            }

            $(#[$feature])?
            unsafe fn column<const M: usize, const N: usize>(o: &Sums<'_, $number>) {
                // SAFETY: the caller's promises are the same.
                unsafe { columns::sum::<$vector, M, N>(o) }
            }

            $(#[$feature])?
            unsafe fn strip<const M: usize, const N: usize>(o: &Strip<'_, $number>) {
                // SAFETY: the caller's promises are the same.
                unsafe { columns::strip::<$vector, M, N>(o) }
            }

            $(#[$feature])?
            unsafe fn spread<const M: usize>(
                o: &Sums<'_, $number>,
                spreading: &Spreading,
            ) {
                // SAFETY: the caller's promises are the same.
                unsafe { columns::spread::<$vector, M>(o, spreading) }
            }

            $(#[$feature])?
            unsafe fn spread_rows(
                spreading: &Spreading,
                columns: usize,
                from: *const $number,
                step: usize,
                rows: usize,
                to: *mut $number,
            ) {
                // SAFETY: the caller's promises are the same.
                unsafe {
                    columns::spread_rows::<$vector>(
                        spreading, columns, from, step, rows, to,
                    );
                }
            }

            $(#[$feature])?
            unsafe fn fold(to: &mut [$number], from: &[$number], count: usize, set: bool) {
                columns::fold(to, from, count, set);
            }

            $(#[$feature])?
            unsafe fn pack(panel: pack::Panel<$number>) {
                // SAFETY: the caller's promises are the same.
                unsafe { pack::$pack::<$vector>(panel) }
            }

            $(#[$feature])?
            unsafe fn turn(turn: pack::Turn<$number>) {
                // SAFETY: the caller's promises are the same.
                unsafe { pack::$turn(turn) }
            }

            $(#[$feature])?
            unsafe fn row_sums(o: row::Row<$number>) {
                // SAFETY: the caller's promises are the same.
                unsafe { row::sums::<$vector>(o) }
            }

            $(#[$feature])?
            unsafe fn row_dots(o: row::Row<$number>) {
                // SAFETY: the caller's promises are the same.
                unsafe { row::dots::<$vector>(o) }
            }

            pub(super) static KERNELS: Kernels<$number> = Kernels {
                lanes: <$vector as Lanes>::LEN,
                rows: $rows,
                packed: &[$([packed::<$m, 1>, packed::<$m, 2>]),*],
                direct: &[$([direct::<$m, 1>, direct::<$m, 2>]),*],
                wide: &[
                    packed::<1, 8>, packed::<2, 8>, packed::<3, 8>, packed::<4, 4>,
                    packed::<5, 4>, packed::<6, 4>,
                ],
                sums: &[$([
                    sum::<$sum, 0, true>, sum::<$sum, 1, false>,
                    sum::<$sum, 1, true>, sum::<$sum, 2, false>,
                ]),*],
                pairs: &[$(halves!(pair_steps, $halves, $sum)),*],
                row_pairs: &[$(halves!(pair_rows, $halves, $sum)),*],
                pairs_of_two: &[$(pairs_of_two::<$sum>),*],
                of_four: &[of_four::<1>, of_four::<2>, of_four::<3>, of_four::<4>],
                row_pairs_of_two: &[$(row_pairs_of_two::<$sum>),*],
                join: halves!(join, $halves),
                columns: &[$([column::<$row, 1>, column::<$row, 2>]),*],
                strips: &[$([strip::<$row, 1>, strip::<$row, 2>]),*],
                spread_is_fast: <$vector as Spread>::FAST,
                spread: &[$(spread::<$row>),*],
                spread_rows,
                fold,
                pack,
                turn,
                row_sums,
                row_dots,
            };
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels!(
    avx512_f32: f32, std::arch::x86_64::__m512, std::arch::x86_64::__m256, wide_f32, wide_turn_f32,
    rows 14 [1 2 3 4 5 6 7 8 9 10 11 12 13 14], sums [1 2 3 4 5 6 7 8], pairs [1 3] by 4,
    columns [1 2 3 4 5 6 7 8 9],
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
);
#[cfg(target_arch = "x86_64")]
kernels!(
    avx512_f64: f64, std::arch::x86_64::__m512d, std::arch::x86_64::__m256d, wide_f64, wide_turn_f64,
    rows 14 [1 2 3 4 5 6 7 8 9 10 11 12 13 14], sums [1 2 3 4 5 6 7 8], pairs [1 3] by 4,
    columns [1 2 3 4 5 6 7 8 9],
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
);
#[cfg(target_arch = "x86_64")]
kernels!(
    avx2_f32: f32, std::arch::x86_64::__m256, std::arch::x86_64::__m128, wide_f32, wide_turn_f32,
    rows 6 [1 2 3 4 5 6], sums [1 2 3 4 5 6], pairs [1] by 1,
    columns [1 2 3 4 5 6],
    #[target_feature(enable = "avx2,fma")]
);
#[cfg(target_arch = "x86_64")]
kernels!(
    avx2_f64: f64, std::arch::x86_64::__m256d, std::arch::x86_64::__m128d, wide_f64, wide_turn_f64,
    rows 6 [1 2 3 4 5 6], sums [1 2 3 4 5 6], pairs [1] by 1,
    columns [1 2 3 4 5 6],
    #[target_feature(enable = "avx2,fma")]
);
kernels!(
    portable_f32: f32, Plain<f32, 4>, Plain<f32, 2>, plain, plain_turn_f32,
    rows 4 [1 2 3 4], sums [1 2 3 4], pairs [1] by 1, columns [1 2 3 4],
);
kernels!(
    portable_f64: f64, Plain<f64, 2>, Plain<f64, 1>, plain, plain_turn_f64,
    rows 4 [1 2 3 4], sums [1 2 3 4], pairs [1] by 1, columns [1 2 3 4],
);

/// The number types that have kernels.
pub trait GemmFloat: Sized + 'static {
    #[doc(hidden)]
    fn kernels(simd: Simd) -> &'static Kernels<Self>;
}

macro_rules! gemm_float {
    ($number:ty: $avx512:ident, $avx2:ident, $portable:ident) => {
        impl GemmFloat for $number {
            fn kernels(simd: Simd) -> &'static Kernels<Self> {
                // Whatever the caller says, what the machine does not have is never run.
                match simd.or_detected() {
                    #[cfg(target_arch = "x86_64")]
                    Simd::Avx512 => &$avx512::KERNELS,
                    #[cfg(target_arch = "x86_64")]
                    Simd::Avx2 => &$avx2::KERNELS,
                    _ => &$portable::KERNELS,
                }
            }
        }
    };
}

gemm_float!(f32: avx512_f32, avx2_f32, portable_f32);
gemm_float!(f64: avx512_f64, avx2_f64, portable_f64);
