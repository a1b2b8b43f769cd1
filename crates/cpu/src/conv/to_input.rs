//! `dx` of `dy` and the kernel.

use super::{
    Conv, Phase,
    depthwise::multiply_add,
    direct::{Columns, Direct, Target},
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
        if self.is_empty() || self.is_depthwise() {
            0
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
            return self.to_input_depthwise(simd, threads, dy, kernel, dx);
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
            direct.run(simd, threads, dy, columns, &dx, None);
        }
    }

    /// The places of a phase in the whole batch.
    const fn phase_rows(&self, phase: &Phase) -> usize {
        self.batch * phase.patches.windows()
    }

    /// The place in the batch of a phase's place.
    const fn input_place(&self, phase: &Phase, window: usize) -> usize {
        let (image, place) = phase.patches.place(window);
        let lens = self.forward.lens();
        let mut at = image;
        let mut axis = 0;
        while axis < 3 {
            at = at * lens[axis] + phase.start[axis] + place[axis] * phase.step[axis];
            axis += 1;
        }
        at
    }

    fn to_input_depthwise<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        dy: &[T],
        kernel: &[T],
        dx: &mut [T],
    ) {
        let (channels, filters) = (self.channels, self.filters);
        let multiplier = filters / channels;
        let multiply_add = multiply_add::<T>(simd);
        let dx = Disjoint::new(dx);
        let rows = (4096 / filters).max(1);
        for phase in &self.phases {
            let all = self.phase_rows(phase);
            threads.run(all.div_ceil(rows), &|task| {
                for window in task * rows..all.min((task + 1) * rows) {
                    let start = self.input_place(phase, window) * channels;
                    // SAFETY: each place belongs to one phase, and there to one task.
                    let dx = unsafe { dx.slice(start..start + channels) };
                    dx.fill(T::ZERO);
                    phase.patches.visit(window, |cell, place| {
                        let dy = &dy[place * filters..][..filters];
                        let kernel = &kernel[phase.cells[cell] * filters..][..filters];
                        if multiplier == 1 {
                            multiply_add(dx, dy, kernel);
                        } else {
                            let parts = dy.chunks_exact(multiplier);
                            let parts = parts.zip(kernel.chunks_exact(multiplier));
                            for (dx, (dy, kernel)) in dx.iter_mut().zip(parts) {
                                for (&dy, &kernel) in dy.iter().zip(kernel) {
                                    *dx += dy * kernel;
                                }
                            }
                        }
                    });
                }
            });
        }
    }
}
