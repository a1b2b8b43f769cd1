//! Products with a copy of B that is made once: [`Packed`].

use super::{
    Epilogue, Gemm, GemmFloat,
    at_once::at_once,
    kernel::Kernels,
    plan::{Blocks, LARGE, LINE, Plan},
    run::{self, Matrices},
};
use crate::{Simd, Threads, simd::Float, threads::Disjoint};

/// Many products on the calling thread, of one shape, with a copy of one B.
///
/// How the product is cut is found out once; short sums then take little more than their
/// multiplications.
#[doc(hidden)]
#[expect(missing_debug_implementations, reason = "only the tests see it")]
pub struct Packed<T: 'static> {
    gemm: Gemm,
    blocks: Blocks,
    kernels: &'static Kernels<T>,
}

/// What a product is added to.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Base<'a, T> {
    Zero,
    /// What C is.
    C,
    /// The same row for all of C.
    Row(&'a [T]),
    /// A matrix with the distance from row to row that C has.
    Rows(&'a [T]),
}

impl<'a, T> Base<'a, T> {
    /// What columns from one on are added to.
    pub(crate) fn columns_from(self, column: usize) -> Self {
        match self {
            Self::Zero | Self::C => self,
            Self::Row(row) => Self::Row(&row[column..]),
            Self::Rows(rows) => Self::Rows(&rows[column..]),
        }
    }
}

impl<T: Float> Packed<T> {
    #[must_use]
    pub fn new(gemm: &Gemm, simd: Simd) -> Self {
        let kernels = <T as GemmFloat>::kernels(simd);
        Self { gemm: *gemm, blocks: Blocks::with_packed_b(gemm, kernels), kernels }
    }

    /// The elements of the copy of B; it depends on n and k alone.
    #[must_use]
    pub fn copy_len(&self) -> usize {
        self.blocks.packed_b()
    }

    /// Copies B as the kernels read it, on the calling thread if there are no others.
    ///
    /// # Panics
    ///
    /// If B or its copy is too short.
    pub fn pack(&self, threads: Option<&Threads>, b: &[T], to: &mut [T]) {
        let Self { gemm, blocks, kernels } = self;
        assert!(to.len() >= self.copy_len(), "room for the copy");
        if gemm.m * gemm.n * gemm.k == 0 {
            return;
        }
        gemm.check(usize::MAX, b.len(), usize::MAX);
        // SAFETY: B and its copy lie within the slices.
        unsafe {
            run::pack_b(gemm, blocks, kernels, threads, b.as_ptr(), to.as_mut_ptr());
        };
    }

    /// The elements of scratch memory of a product.
    #[must_use]
    pub fn scratch(&self) -> usize {
        Plan::Blocks(self.blocks.clone()).scratch(1)
    }

    /// Computes a product; the epilogue gets its parts, as in [`Gemm::run`].
    ///
    /// # Panics
    ///
    /// If a slice is too short, or there is nothing to compute.
    pub fn run(
        &self,
        a: &[T],
        copy: &[T],
        base: Base<'_, T>,
        c: &mut [T],
        scratch: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let Gemm { m, n, k, c_row, .. } = self.gemm;
        assert!(m * n * k > 0, "something to compute");
        self.gemm.check(a.len(), usize::MAX, c.len());
        assert!(copy.len() >= self.copy_len(), "the whole copy");
        assert!(scratch.len() >= self.scratch(), "enough scratch memory");
        // What is added but C: a row or rows, and how far they are apart.
        let added = match base {
            Base::Row(row) => Some((row, 0)),
            Base::Rows(rows) => Some((rows, c_row)),
            Base::Zero | Base::C => None,
        };
        if let Some((rows, step)) = added {
            assert!(rows.len() >= (m - 1) * step + n, "all rows that are added");
        }
        let matrices =
            |c: &mut [T]| Matrices { a: a.as_ptr(), b: copy.as_ptr(), c: c.as_mut_ptr() };
        // What an epilogue gets shall be in the cache.
        if self.blocks.is_at_once() && (epilogue.is_none() || m * n <= LARGE) {
            let matrices = matrices(c);
            let added = match base {
                Base::C => Some((matrices.c.cast_const(), c_row)),
                _ => added.map(|(rows, step)| (rows.as_ptr(), step)),
            };
            // SAFETY: A, C and what is added lie within the slices, the copy is as large as
            // the plan says.
            unsafe { at_once(&self.gemm, &self.blocks, self.kernels, matrices, added) };
            match epilogue {
                Some(epilogue) if c_row == n => epilogue(0, 0, &mut c[..m * n]),
                Some(epilogue) => {
                    let rows = c.chunks_mut(c_row).take(m).enumerate();
                    rows.for_each(|(row, c)| epilogue(row, 0, &mut c[..n]));
                }
                None => {}
            }
            return;
        }
        if let Some((rows, step)) = added {
            for (i, to) in c.chunks_mut(c_row).take(m).enumerate() {
                to[..n].copy_from_slice(&rows[i * step..][..n]);
            }
        }
        let matrices = matrices(c);
        let gemm = self.gemm.accumulate(!matches!(base, Base::Zero));
        let scratch = scratch.as_mut_ptr();
        // SAFETY: as above; the scratch is as large as the plan says too.
        unsafe {
            let scratch = scratch.add(scratch.align_offset(64).min(LINE));
            run::run_packed(
                &gemm,
                &self.blocks,
                self.kernels,
                matrices,
                scratch,
                epilogue,
            );
        }
    }

    /// Computes a product whose C starts at a column of a wider one, from which on its rows, as
    /// far apart as this product's, are; without scratch memory.
    ///
    /// # Panics
    ///
    /// If a slice is too short, there is nothing to compute, or it needs scratch memory.
    ///
    /// # Safety
    ///
    /// Nobody else uses these columns of C.
    pub(super) unsafe fn run_columns(
        &self,
        a: &[T],
        copy: &[T],
        base: Base<'_, T>,
        c: &Disjoint<'_, T>,
        column: usize,
    ) {
        let Gemm { m, n, k, c_row, .. } = self.gemm;
        assert!(m * n * k > 0, "something to compute");
        self.gemm.check(a.len(), usize::MAX, c.len().saturating_sub(column));
        assert!(copy.len() >= self.copy_len(), "the whole copy");
        assert!(self.blocks.private_a() + self.blocks.private_b() == 0, "no scratch");
        // SAFETY: `check` found the column within C.
        let to = unsafe { c.as_ptr().add(column) };
        let (rows, step) = match base {
            Base::Zero => (std::ptr::null(), 0),
            Base::C => (to.cast_const(), c_row),
            Base::Row(row) => (row.as_ptr(), 0),
            Base::Rows(rows) => (rows.as_ptr(), c_row),
        };
        if let Base::Row(rows) | Base::Rows(rows) = base {
            assert!(rows.len() >= (m - 1) * step + n, "all rows that are added");
        }
        let matrices = Matrices { a: a.as_ptr(), b: copy.as_ptr(), c: to };
        let added = (!rows.is_null()).then_some((rows, step));
        // SAFETY: A, the columns of C and what is added lie within the slices, the copy is as
        // large as the plan says, and no scratch memory is used.
        unsafe {
            if self.blocks.is_at_once() {
                return at_once(&self.gemm, &self.blocks, self.kernels, matrices, added);
            }
            if let Base::Row(_) | Base::Rows(_) = base {
                for row in 0..m {
                    let (from, to) = (rows.add(row * step), to.add(row * c_row));
                    std::ptr::copy_nonoverlapping(from, to, n);
                }
            }
            let gemm = self.gemm.accumulate(added.is_some());
            let (blocks, kernels) = (&self.blocks, self.kernels);
            let scratch = std::ptr::dangling_mut();
            run::run_packed(&gemm, blocks, kernels, matrices, scratch, None);
        }
    }
}
