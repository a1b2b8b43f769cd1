//! `dx` of `dy` and the kernel.

use super::{
    Conv, Phase,
    columns::{Columns, ColumnsShape},
    direct::{Direct, Factors, Target},
    side_by_side::Channels,
    turns::Turns,
};
use crate::{
    Simd, Threads,
    gemm::{Epilogue, Gemm, Kernels},
    simd::Float,
    threads::Disjoint,
};

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
        } else if self.pointwise {
            self.input_product().scratch::<T>(simd, threads)
        } else {
            self.phases.len() * self.phase_copy(T::kernels(simd))
        }
    }

    /// The most elements of the kernel's copy for a phase.
    fn phase_copy<T: Float>(&self, kernels: &Kernels<T>) -> usize {
        let channels = self.channels / self.groups;
        let copy = |phase: &Phase| {
            if let Some(shape) = self.phase_shape(kernels, phase) {
                return shape.copy(phase.cells.len());
            }
            let depth = phase.patches.width();
            self.groups * Columns::packed_len(kernels, depth, channels)
        };
        self.phases.iter().map(copy).max().unwrap_or_default()
    }

    /// Computes `dx`, the adjoint of [`forward`](Self::forward) in `x`, and hands its finished
    /// rows (one per cell) to the epilogue.
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape, or `scratch` is too short.
    #[expect(clippy::too_many_arguments, reason = "three tensors and what they run on")]
    pub fn to_input<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        dy: &[T],
        kernel: &[T],
        dx: &mut [T],
        scratch: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        self.check_lens(dx.len(), kernel.len(), dy.len());
        if self.is_empty() {
            dx.fill(T::ZERO);
            if let Some(epilogue) = epilogue.filter(|_| !dx.is_empty()) {
                epilogue(0, 0, dx);
            }
            return;
        }
        if self.pointwise {
            let gemm = self.input_product();
            return gemm.run(simd, threads, dy, kernel, dx, scratch, epilogue);
        }
        let kernels = T::kernels(simd);
        let len = self.phase_copy(kernels);
        for (phase, copy) in self.phases.iter().zip(scratch.chunks_mut(len.max(1))) {
            self.copy_phase(kernels, threads, phase, kernel, copy);
        }
        let scratch = &*scratch;
        let factors = |number: usize| {
            let phase = &self.phases[number];
            let copy = &scratch[number * len..(number + 1) * len];
            if let Some(shape) = self.phase_shape(kernels, phase) {
                Factors::Channels(Channels::new(shape, copy))
            } else {
                Factors::Columns(Columns::of_copy(self.phase_columns(phase), copy))
            }
        };
        let directs = |number| self.phase_direct(kernels, &self.phases[number]);
        let dx = Disjoint::new(dx);
        if self.phases.len() == 1 {
            return directs(0).run(simd, threads, dy, factors(0), &dx, epilogue);
        }
        let turns =
            Turns { count: self.phases.len(), directs: &directs, factors: &factors };
        turns.run(simd, threads, dy, &dx, epilogue);
    }

    /// The sums of a phase.
    fn phase_direct<'a, T: Float>(
        &'a self,
        kernels: &Kernels<T>,
        phase: &'a Phase,
    ) -> Direct<'a> {
        let (groups, columns) = match self.phase_shape(kernels, phase) {
            Some(shape) => (1, shape.columns()),
            None => (self.groups, self.channels / self.groups),
        };
        Direct {
            patches: &phase.patches,
            batch: self.batch,
            groups,
            columns,
            target: Target {
                lens: self.forward.lens(),
                start: phase.start,
                step: phase.step,
                channels: self.channels,
            },
        }
    }

    /// The shape of the kernel's copy for a phase.
    pub(super) const fn phase_columns(&self, phase: &Phase) -> ColumnsShape {
        let (depth, run) = (phase.patches.width(), phase.patches.run());
        let (columns, groups) = (self.channels / self.groups, self.groups);
        ColumnsShape { depth, run, columns, groups }
    }

    /// The cells' filters, by channels.
    fn copy_phase<T: Float>(
        &self,
        kernels: &Kernels<T>,
        threads: &Threads,
        phase: &Phase,
        kernel: &[T],
        to: &mut [T],
    ) {
        if let Some(shape) = self.phase_shape(kernels, phase) {
            return self.fill_phase(&shape, phase, kernel, to);
        }
        let (channels, filters) =
            (self.channels / self.groups, self.filters / self.groups);
        let shape = self.phase_columns(phase);
        Columns::packed(kernels, threads, shape, to, |group, first, count, to| {
            let each = (to.len() / phase.cells.len().max(1)).max(1);
            for (&cell, to) in phase.cells.iter().zip(to.chunks_exact_mut(each)) {
                let row = cell * channels + first;
                let from = &kernel[row * self.filters + group * filters..];
                kernels.copy_columns(from, [1, self.filters], [filters, count], to);
            }
        });
    }
}
