//! `dx` of `dy` and the kernel.

use super::{
    Conv, Phase,
    direct::{Columns, Direct, Factors, Target},
};
use crate::{Simd, Threads, gemm::Gemm, simd::Float, threads::Disjoint};

impl Conv {
    /// The whole as one product, for 1 × 1 kernels.
    const fn input_product(&self) -> Gemm {
        Gemm::new(self.batch * self.cells[1], self.channels, self.filters)
            .transpose_b(true)
    }

    /// The elements of scratch memory that [`to_input`](Self::to_input) needs.
    #[must_use]
    pub fn to_input_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.is_empty() {
            0
        } else if self.is_depthwise() {
            let copy = |phase| self.phase_copy(T::kernels(simd), phase);
            self.phases.iter().map(copy).max().unwrap_or_default()
        } else if self.pointwise {
            self.input_product().scratch::<T>(simd, threads)
        } else {
            let channels = self.channels / self.groups;
            let copy = |phase: &Phase| {
                let depth = phase.patches.width();
                self.groups * Columns::packed_len(T::kernels(simd), depth, channels)
            };
            self.phases.iter().map(copy).max().unwrap_or_default()
        }
    }

    /// Computes `dx`, the adjoint of [`forward`](Self::forward) in `x`.
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape, or `scratch` is too short.
    pub fn to_input<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        dy: &[T],
        kernel: &[T],
        dx: &mut [T],
        scratch: &mut [T],
    ) {
        self.check_lens(dx.len(), kernel.len(), dy.len());
        if self.is_empty() {
            return dx.fill(T::ZERO);
        }
        if self.pointwise {
            let gemm = self.input_product();
            return gemm.run(simd, threads, dy, kernel, dx, scratch, None);
        }
        if self.is_depthwise() {
            return self.to_input_depthwise(simd, threads, dy, kernel, dx, scratch);
        }
        let (kernels, groups) = (T::kernels(simd), self.groups);
        let (channels, filters) = (self.channels / groups, self.filters / groups);
        let dx = Disjoint::new(dx);
        for phase in &self.phases {
            // The cells' filters, by channels.
            let shape = [phase.patches.width(), channels, groups];
            let turn = |group: usize, first: usize, count: usize, to: &mut [T]| {
                let each = (to.len() / phase.cells.len().max(1)).max(1);
                for (&cell, to) in phase.cells.iter().zip(to.chunks_exact_mut(each)) {
                    let row = cell * channels + first;
                    let from = &kernel[row * self.filters + group * filters..];
                    kernels.copy_columns(from, [1, self.filters], [filters, count], to);
                }
            };
            let columns = Columns::packed(kernels, threads, shape, scratch, turn);
            let direct = Direct {
                patches: &phase.patches,
                batch: self.batch,
                groups,
                columns: channels,
                target: Target {
                    lens: self.forward.lens(),
                    start: phase.start,
                    step: phase.step,
                    channels: self.channels,
                },
            };
            direct.run(simd, threads, dy, Factors::Columns(columns), &dx, None);
        }
    }
}
