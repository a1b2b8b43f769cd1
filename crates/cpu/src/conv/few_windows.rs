//! Products of few windows with a large kernel: of copies of their cells.

use super::Conv;
use crate::{
    Simd, Threads,
    gemm::{Epilogue, Gemm},
    simd::Float,
    threads::Disjoint,
};

/// The most windows that are copied.
const WINDOWS: usize = 600;

/// The least elements of a kernel that is read from afar.
const FAR: usize = 1 << 17;

impl Conv {
    /// Whether there are so few windows, and so much of the kernel, that the cells are copied
    /// rather than the kernel, which each task of the other ways reads as a whole.
    pub(super) fn has_few_windows(&self) -> bool {
        self.groups == 1
            && !self.pointwise
            && self.batch * self.cells[1] <= WINDOWS
            && self.windows_product().k * self.filters >= FAR
    }

    /// All windows times the kernel.
    const fn windows_product(&self) -> Gemm {
        let depth = self.forward.width();
        Gemm::new(self.batch * self.cells[1], self.filters, depth)
    }

    /// The elements of the cells' copy.
    const fn windows_len(&self) -> usize {
        let Gemm { m, k, .. } = self.windows_product();
        (m * k).next_multiple_of(16)
    }

    pub(super) fn few_windows_scratch<T: Float>(
        &self,
        simd: Simd,
        threads: usize,
    ) -> usize {
        self.windows_len() + self.windows_product().scratch::<T>(simd, threads)
    }

    /// Computes `y` of a few windows.
    #[expect(clippy::too_many_arguments, reason = "three tensors and what they run on")]
    pub(super) fn forward_of_few<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        x: &[T],
        kernel: &[T],
        y: &mut [T],
        scratch: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let product = self.windows_product();
        let (copy, scratch) = scratch.split_at_mut(self.windows_len());
        let (channels, clipped) = (self.channels, self.forward.is_clipped());
        let rows = Disjoint::new(copy);
        threads.run(product.m, &|window| {
            // SAFETY: each window has one task.
            let row = unsafe { rows.slice(window * product.k..(window + 1) * product.k) };
            if clipped {
                row.fill(T::ZERO);
            }
            self.forward.visit(window, |cell, place| {
                let from = &x[place * channels..][..channels];
                row[cell * channels..][..channels].copy_from_slice(from);
            });
        });
        product.run(simd, threads, copy, kernel, y, scratch, epilogue);
    }
}
