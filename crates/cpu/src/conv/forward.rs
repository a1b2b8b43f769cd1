//! `y` of `x` and the kernel.

use super::{
    Conv,
    depthwise::multiply_add,
    direct::{Columns, Direct, Target},
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
        if self.is_empty() || self.pointwise || self.is_depthwise() {
            return self.whole_product().scratch::<T>(simd, threads);
        }
        let (kernels, filters) = (T::kernels(simd), self.filters / self.groups);
        if Columns::are_direct(kernels, filters) {
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
        if self.is_depthwise() {
            return self.forward_depthwise(simd, threads, x, kernel, y, epilogue);
        }
        let (kernels, groups) = (T::kernels(simd), self.groups);
        let (depth, filters) = (self.forward.width(), self.filters / groups);
        let columns = if Columns::are_direct(kernels, filters) {
            Columns::direct(kernel, depth, filters, groups)
        } else {
            let shape = [depth, filters, groups];
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
        let direct = Direct {
            patches: &self.forward,
            batch: self.batch,
            groups,
            columns: filters,
            target: Target {
                lens: self.forward.counts(),
                start: [0; 3],
                step: [1; 3],
                channels: self.filters,
            },
        };
        direct.run(simd, threads, x, columns, &Disjoint::new(y), epilogue);
    }

    /// The whole as one product: for 1 × 1 kernels, and where there is nothing to add up.
    fn whole_product(&self) -> Gemm {
        let k = if self.pointwise { self.channels } else { 0 };
        Gemm::new(self.batch * self.cells[1], self.filters, k)
    }

    fn forward_depthwise<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        x: &[T],
        kernel: &[T],
        y: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let filters = self.filters;
        let multiplier = filters / self.channels;
        let multiply_add = multiply_add::<T>(simd);
        let rows = (4096 / filters).max(1);
        threads.run_chunks(y, rows * filters, |start, y| {
            for (i, y) in y.chunks_exact_mut(filters).enumerate() {
                let window = start / filters + i;
                y.fill(T::ZERO);
                self.forward.visit(window, |cell, place| {
                    let x = &x[place * self.channels..][..self.channels];
                    let kernel = &kernel[cell * filters..][..filters];
                    if multiplier == 1 {
                        multiply_add(y, x, kernel);
                    } else {
                        let parts = y.chunks_exact_mut(multiplier);
                        let parts = parts.zip(kernel.chunks_exact(multiplier));
                        for ((y, kernel), &x) in parts.zip(x) {
                            for (y, &kernel) in y.iter_mut().zip(kernel) {
                                *y += x * kernel;
                            }
                        }
                    }
                });
            }
            if let Some(epilogue) = epilogue {
                epilogue(start / filters, 0, y);
            }
        });
    }
}
