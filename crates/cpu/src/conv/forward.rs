//! `y` of `x` and the kernel.

use super::{
    Conv,
    columns::{Columns, ColumnsShape},
    direct::{Direct, Factors, Target},
};
use crate::{
    Simd, Threads,
    gemm::{Epilogue, Gemm},
    simd::Float,
    threads::Disjoint,
};

impl Conv {
    /// The elements of scratch memory that [`forward`](Self::forward) needs.
    #[must_use]
    pub fn forward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.is_empty() || self.pointwise {
            return self.whole_product().scratch::<T>(simd, threads);
        }
        if self.has_few_windows() {
            return self.few_windows_scratch::<T>(simd, threads);
        }
        if let Some(shape) = self.forward_channels(T::kernels(simd)) {
            return self.forward_copy(&shape);
        }
        let (kernels, filters) = (T::kernels(simd), self.filters / self.groups);
        if Columns::are_direct(kernels, self.forward.run(), filters) {
            return 0;
        }
        self.groups * Columns::packed_len(kernels, self.forward.width(), filters)
    }

    /// Computes `y`, and hands its finished rows (one per cell) to the epilogue.
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape, or `scratch` is too short.
    #[expect(clippy::too_many_arguments, reason = "three tensors and what they run on")]
    pub fn forward<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        x: &[T],
        kernel: &[T],
        y: &mut [T],
        scratch: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        self.check_lens(x.len(), kernel.len(), y.len());
        if self.is_empty() || self.pointwise {
            let gemm = self.whole_product();
            return gemm.run(simd, threads, x, kernel, y, scratch, epilogue);
        }
        if self.has_few_windows() {
            return self.forward_of_few(simd, threads, x, kernel, y, scratch, epilogue);
        }
        if let Some(shape) = self.forward_channels(T::kernels(simd)) {
            return self.forward_side_by_side(
                shape, simd, threads, x, kernel, y, scratch, epilogue,
            );
        }
        let (kernels, groups) = (T::kernels(simd), self.groups);
        let shape = self.forward_columns();
        let ColumnsShape { depth, run, columns: filters, .. } = shape;
        let columns = if Columns::are_direct(kernels, run, filters) {
            Columns::direct(kernel, shape)
        } else {
            Columns::packed(
                kernels,
                threads,
                shape,
                scratch,
                |group, first, count, to| {
                    let from = &kernel[group * filters + first..];
                    kernels.copy_columns(from, [self.filters, 1], [depth, count], to);
                },
            )
        };
        let kernel = Factors::Columns(columns);
        self.forward_direct(groups, filters).run(
            simd,
            threads,
            x,
            kernel,
            &Disjoint::new(y),
            epilogue,
        );
    }

    /// The shape of the kernel as a matrix of each group.
    pub(super) const fn forward_columns(&self) -> ColumnsShape {
        ColumnsShape {
            depth: self.forward.width(),
            run: self.forward.run(),
            columns: self.filters / self.groups,
            groups: self.groups,
        }
    }

    /// The sums of the forward pass, in so many groups of so many columns.
    pub(super) fn forward_direct(&self, groups: usize, columns: usize) -> Direct<'_> {
        Direct {
            patches: &self.forward,
            batch: self.batch,
            groups,
            columns,
            target: Target {
                lens: self.forward.counts(),
                start: [0; 3],
                step: [1; 3],
                channels: self.filters,
            },
        }
    }

    /// The whole as one product: for 1 × 1 kernels, and where there is nothing to add up.
    fn whole_product(&self) -> Gemm {
        let k = if self.pointwise { self.channels } else { 0 };
        Gemm::new(self.batch * self.cells[1], self.filters, k)
    }
}
