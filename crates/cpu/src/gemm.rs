//! Matrix products: [`Gemm`].
#![expect(unsafe_code, reason = "vector instructions, and tasks that write parts of C")]

mod at_once;
mod columns;
mod copies;
mod kernel;
mod lanes;
mod non_zeros;
mod pack;
mod packed;
mod pairs;
mod pieces;
mod plan;
mod row;
mod run;
mod scan;
mod sums;
mod tiles;

pub(crate) use columns::{Spreading, Strip};
pub use kernel::GemmFloat;
pub(crate) use kernel::Kernels;
pub(crate) use non_zeros::{Lists, Matrix, NonZeros};
#[doc(hidden)]
pub use pack::Turn;
#[doc(hidden)]
pub use packed::{Base, Packed};
pub(crate) use pairs::Beside;
pub(crate) use pieces::Pieces;
pub(crate) use plan::ENOUGH;
pub(crate) use sums::{Stretch, Sums};
pub(crate) use tiles::Tile;

use crate::{Simd, Threads, simd::Float, threads::Disjoint};
#[doc(hidden)]
pub use plan::{Blocks, Plan, Source};

/// What is done to a finished part of C while it is in the cache.
///
/// Called with the row, the part's first column and its elements: some of one row, or all of
/// one or more rows that lie side by side. In a batch, product i's rows start at `i · m`. Each
/// element is given exactly once. How C is cut into parts depends on the shape alone.
pub type Epilogue<'a, T> = &'a (dyn Fn(usize, usize, &mut [T]) + Sync);

/// A matrix product `C = A · B`, or `C += A · B`: what, but not on which numbers.
///
/// A is (m, k), B is (k, n), both with any strides, so that transposed operands need no copies.
/// C is (m, n); its rows lie side by side.
///
/// The work is cut into tasks by shape alone, and each sum has one order. So results are the
/// same bits on any number of threads; they depend on the instruction set.
///
/// # Examples
///
/// ```
/// use deckle_cpu::{Simd, Threads, gemm::Gemm};
///
/// let gemm = Gemm::new(2, 1, 3);
/// let (threads, simd) = (Threads::new(1), Simd::detect());
/// let mut scratch = vec![0.0; gemm.scratch::<f32>(simd, 1)];
/// let mut c = [0.0; 2];
/// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// gemm.run(simd, &threads, &a, &[1.0, 0.0, -1.0], &mut c, &mut scratch, None);
/// assert_eq!(c, [-2.0, -2.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gemm {
    /// The rows of A and C.
    pub m: usize,
    /// The columns of B and C.
    pub n: usize,
    /// The columns of A and rows of B: the steps of each sum.
    pub k: usize,
    /// A's elements from row to row, and from column to column.
    pub a: [usize; 2],
    /// B's.
    pub b: [usize; 2],
    /// C's elements from row to row.
    pub c_row: usize,
    /// Whether C is added to.
    pub accumulate: bool,
}

impl Gemm {
    /// The product of an (m, k) and a (k, n) matrix, all row-major and without gaps.
    #[must_use]
    pub const fn new(m: usize, n: usize, k: usize) -> Self {
        Self { m, n, k, a: [k, 1], b: [n, 1], c_row: n, accumulate: false }
    }

    /// Sets A's distances from row to row and from column to column; `k, 1` by default.
    #[must_use]
    pub const fn a_strides(mut self, row: usize, column: usize) -> Self {
        self.a = [row, column];
        self
    }

    /// Sets B's distances from row to row and from column to column; `n, 1` by default.
    #[must_use]
    pub const fn b_strides(mut self, row: usize, column: usize) -> Self {
        self.b = [row, column];
        self
    }

    /// Sets that A is stored as (k, m), or not, without gaps.
    #[must_use]
    pub const fn transpose_a(self, transpose: bool) -> Self {
        let (m, k) = (self.m, self.k);
        if transpose { self.a_strides(1, m) } else { self.a_strides(k, 1) }
    }

    /// Sets that B is stored as (n, k), or not, without gaps.
    #[must_use]
    pub const fn transpose_b(self, transpose: bool) -> Self {
        let (n, k) = (self.n, self.k);
        if transpose { self.b_strides(1, k) } else { self.b_strides(n, 1) }
    }

    /// Sets C's distance from row to row, at least n; `n` by default.
    #[must_use]
    pub const fn c_stride(mut self, row: usize) -> Self {
        self.c_row = row;
        self
    }

    /// Sets whether the product is added to C; false by default.
    #[must_use]
    pub const fn accumulate(mut self, accumulate: bool) -> Self {
        self.accumulate = accumulate;
        self
    }

    /// The elements of scratch memory that [`run`](Self::run) needs on so many threads.
    #[must_use]
    pub fn scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        Plan::new(&self.columns_as_rows(), T::kernels(simd)).scratch(threads)
    }

    /// The elements of scratch memory that [`run_batch`](Self::run_batch) needs.
    #[must_use]
    pub fn scratch_batch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        let plan = Plan::new(&self.columns_as_rows(), T::kernels(simd));
        if plan.tasks() == 1 { plan.scratch(1) * threads } else { plan.scratch(threads) }
    }

    /// Computes the product.
    ///
    /// `scratch` holds any numbers before and after.
    ///
    /// # Panics
    ///
    /// If a slice is too short for its shape and strides, `scratch` for
    /// [`scratch`](Self::scratch), or C's rows overlap.
    #[expect(clippy::too_many_arguments, reason = "three matrices and what they run on")]
    pub fn run<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        a: &[T],
        b: &[T],
        c: &mut [T],
        scratch: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let plan = Plan::new(&self.columns_as_rows(), T::kernels(simd));
        assert!(scratch.len() >= plan.scratch(threads.count()), "enough scratch memory");
        self.check(a.len(), b.len(), c.len());
        let operands = run::Matrices { a: a.as_ptr(), b: b.as_ptr(), c: c.as_mut_ptr() };
        // SAFETY: `check` found all elements within the slices, and C's rows apart; the
        // scratch is as large as the plan says.
        unsafe {
            self.execute(
                &plan,
                simd,
                Some(threads),
                operands,
                scratch.as_mut_ptr(),
                epilogue,
            );
        }
    }

    /// Whether [`run`](Self::run) copies B, of more than one column.
    pub(crate) fn copies_b<T: Float>(&self, simd: Simd) -> bool {
        match Plan::new(self, T::kernels(simd)) {
            Plan::Blocks(blocks) => matches!(blocks.b, Source::Shared | Source::Private),
            _ => false,
        }
    }

    /// Computes the product on the calling thread; as [`run`](Self::run) with one thread.
    pub(crate) fn run_here<T: Float>(
        &self,
        simd: Simd,
        a: &[T],
        b: &[T],
        c: &mut [T],
        scratch: &mut [T],
    ) {
        let plan = Plan::new(&self.columns_as_rows(), T::kernels(simd));
        assert!(scratch.len() >= plan.scratch(1), "enough scratch memory");
        self.check(a.len(), b.len(), c.len());
        let operands = run::Matrices { a: a.as_ptr(), b: b.as_ptr(), c: c.as_mut_ptr() };
        // SAFETY: as in `run`.
        unsafe { self.execute(&plan, simd, None, operands, scratch.as_mut_ptr(), None) };
    }

    /// Computes many products of the same shape: product i reads A and B from `offsets[i]` on,
    /// and writes C from `i · m · c_stride` on.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    #[expect(clippy::too_many_arguments, reason = "three matrices and what they run on")]
    pub fn run_batch<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        (a, b): (&[T], &[T]),
        offsets: &[(usize, usize)],
        c: &mut [T],
        scratch: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        /// The multiplications that make a task worth handing over.
        const TASK: usize = 1 << 18;
        let kernels = T::kernels(simd);
        let plan = Plan::new(&self.columns_as_rows(), kernels);
        let needed = self.scratch_batch::<T>(simd, threads.count());
        assert!(scratch.len() >= needed, "enough scratch memory");
        let c_step = self.m * self.c_row;
        for (i, &(a_start, b_start)) in offsets.iter().enumerate() {
            let len = |len: usize, start| len.saturating_sub(start);
            self.check(
                len(a.len(), a_start),
                len(b.len(), b_start),
                len(c.len(), i * c_step),
            );
        }
        let alone = plan.tasks() == 1;
        let per_slot = if alone { plan.scratch(1) } else { 0 };
        let (c, scratch) = (Disjoint::new(c), Disjoint::new(scratch));
        let product = |i: usize, slot: usize| {
            let (a_start, b_start) = offsets[i];
            let shifted = |row: usize, column: usize, part: &mut [T]| {
                if let Some(epilogue) = epilogue {
                    epilogue(i * self.m + row, column, part);
                }
            };
            // SAFETY: `check` found the elements of this product within the slices. Products
            // write different parts of C, and tasks use the scratch of their slot.
            unsafe {
                let operands = run::Matrices {
                    a: a.as_ptr().add(a_start),
                    b: b.as_ptr().add(b_start),
                    c: c.as_ptr().add(i * c_step),
                };
                let threads = (!alone).then_some(threads);
                let scratch = scratch.as_ptr().add(slot * per_slot);
                let epilogue: Option<Epilogue<'_, T>> =
                    if epilogue.is_some() { Some(&shifted) } else { None };
                self.execute(&plan, simd, threads, operands, scratch, epilogue);
            }
        };
        if alone {
            let work = (self.m * self.n * self.k).max(1);
            let group = (TASK / work).clamp(1, offsets.len().div_ceil(4).max(1));
            threads.run_with_slot(offsets.len().div_ceil(group), &|task, slot| {
                for i in task * group..offsets.len().min((task + 1) * group) {
                    product(i, slot);
                }
            });
        } else {
            for i in 0..offsets.len() {
                product(i, 0);
            }
        }
    }

    /// # Safety
    ///
    /// The pointers are valid for the shape and strides, the scratch for the plan.
    unsafe fn execute<T: Float>(
        &self,
        plan: &Plan,
        simd: Simd,
        threads: Option<&Threads>,
        matrices: run::Matrices<T>,
        scratch: *mut T,
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let job = self.columns_as_rows();
        let swapped = job != *self;
        let matrices = if swapped {
            run::Matrices { a: matrices.b, b: matrices.a, c: matrices.c }
        } else {
            matrices
        };
        // Some columns of the row are some rows of the column, which lie side by side.
        let turned = |_, column: usize, part: &mut [T]| {
            if let Some(epilogue) = epilogue {
                epilogue(column, 0, part);
            }
        };
        let epilogue: Option<Epilogue<'_, T>> =
            if swapped && epilogue.is_some() { Some(&turned) } else { epilogue };
        let kernels = T::kernels(simd);
        // SAFETY: the caller's promise; the turned product has the same elements.
        unsafe { run::run(&job, plan, kernels, threads, matrices, scratch, epilogue) }
    }

    /// A product whose C is one column without gaps is that of a row: `Cᵀ = Bᵀ · Aᵀ`.
    const fn columns_as_rows(&self) -> Self {
        if self.n == 1 && self.m > 1 && self.c_row == 1 {
            let ([a_row, a_column], [b_row, b_column]) = (self.a, self.b);
            Self {
                m: 1,
                n: self.m,
                a: [b_column, b_row],
                b: [a_column, a_row],
                c_row: self.m,
                ..*self
            }
        } else {
            *self
        }
    }

    /// Panics unless all elements lie within slices of these lengths.
    #[track_caller]
    fn check(&self, a: usize, b: usize, c: usize) {
        /// The place after the last element; `usize::MAX` if there is none in memory.
        fn end(rows: usize, columns: usize, [row, column]: [usize; 2]) -> usize {
            let last = || {
                let row = (rows - 1).checked_mul(row)?;
                row.checked_add((columns - 1).checked_mul(column)?)?.checked_add(1)
            };
            if rows == 0 || columns == 0 { 0 } else { last().unwrap_or(usize::MAX) }
        }
        if self.m > 0 && self.n > 0 {
            assert!(end(self.m, self.k, self.a) <= a, "A holds {} x {}", self.m, self.k);
            assert!(end(self.k, self.n, self.b) <= b, "B holds {} x {}", self.k, self.n);
        }
        assert!(
            end(self.m, self.n, [self.c_row, 1]) <= c,
            "C holds {} x {}",
            self.m,
            self.n
        );
        assert!(self.m <= 1 || self.c_row >= self.n, "rows of C lie apart");
    }
}
