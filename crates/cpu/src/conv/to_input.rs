//! `dx` of `dy` and the kernel.

use super::{Conv, Phase, block_rows, depthwise::multiply_add};
use crate::{Simd, Threads, gemm::Gemm, simd::Float, threads::Disjoint};

/// How the scratch memory and the tasks of [`Conv::to_input`] are divided.
struct Layout {
    /// The rows of a block.
    rows: usize,
    /// The kernel with channels last.
    turned: usize,
    /// The packed copies of it, one after the other.
    packed: usize,
    /// Of each slot: patches, the product before it is scattered, and the product's own.
    patches: usize,
    product: usize,
    scratch: usize,
}

impl Layout {
    const fn slot(&self) -> usize {
        self.patches + self.product + self.scratch
    }
}

impl Conv {
    fn to_input_layout<T: Float>(&self, simd: Simd) -> Layout {
        let width = self.phases.iter().map(|phase| phase.patches.width()).max();
        let width = width.unwrap_or_default();
        let rows = block_rows(width);
        let products = self.phases.iter().map(|phase| self.phase_product(phase, rows));
        let scratch = products.clone().map(|gemm| gemm.scratch_packed::<T>(simd)).max();
        let packed: usize = products.map(|gemm| gemm.packed_b::<T>(simd)).sum();
        Layout {
            rows,
            turned: self.cells[2] * self.filters * (self.channels / self.groups),
            packed: self.groups * packed,
            patches: rows * width,
            product: if self.phases.len() > 1 { rows * self.channels } else { 0 },
            scratch: scratch.unwrap_or_default(),
        }
    }

    /// The product of one group's patches with its part of the turned kernel.
    const fn phase_product(&self, phase: &Phase, rows: usize) -> Gemm {
        Gemm::new(rows, self.channels / self.groups, phase.patches.width())
            .c_stride(self.channels)
    }

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
            let layout = self.to_input_layout::<T>(simd);
            layout.turned + layout.packed + threads * layout.slot()
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
        let layout = self.to_input_layout::<T>(simd);
        let (turned, scratch) = scratch.split_at_mut(layout.turned);
        let (packed, scratch) = scratch.split_at_mut(layout.packed);
        self.turn_kernel(simd, threads, &layout, kernel, turned, packed);
        let slot_len = layout.slot();
        let (dx, scratch) = (Disjoint::new(dx), Disjoint::new(scratch));
        let blocks = |phase: &Phase| self.phase_rows(phase).div_ceil(layout.rows);
        let tasks = self.phases.iter().map(blocks).sum();
        threads.run_with_slot(tasks, &|task, slot| {
            let mut task = task;
            let mut start = 0;
            for phase in &self.phases {
                let copy = self.phase_product(phase, layout.rows).packed_b::<T>(simd);
                if task < blocks(phase) {
                    let packed = &packed[start..start + self.groups * copy];
                    // SAFETY: each slot has scratch memory of its own.
                    let scratch =
                        unsafe { scratch.slice(slot * slot_len..(slot + 1) * slot_len) };
                    return self.input_block(
                        simd, phase, task, &layout, dy, packed, &dx, scratch,
                    );
                }
                task -= blocks(phase);
                start += self.groups * copy;
            }
        });
    }

    /// The places of a phase in the whole batch.
    const fn phase_rows(&self, phase: &Phase) -> usize {
        self.batch * phase.patches.windows()
    }

    /// Copies the kernel with channels last, in the order of each phase's patches, and packs
    /// that.
    fn turn_kernel<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        layout: &Layout,
        kernel: &[T],
        turned: &mut [T],
        mut packed: &mut [T],
    ) {
        let (channels, filters) =
            (self.channels / self.groups, self.filters / self.groups);
        let mut rest = turned;
        for phase in &self.phases {
            for group in 0..self.groups {
                let (turned, after) =
                    rest.split_at_mut(phase.cells.len() * filters * channels);
                rest = after;
                threads.run_chunks(
                    turned,
                    (filters * channels).max(1),
                    |start, turned| {
                        let cell = phase.cells[start / (filters * channels)];
                        let kernel =
                            &kernel[cell * channels * self.filters + group * filters..];
                        for (channel, row) in
                            kernel.chunks(self.filters).take(channels).enumerate()
                        {
                            for (filter, &value) in row[..filters].iter().enumerate() {
                                turned[filter * channels + channel] = value;
                            }
                        }
                    },
                );
                let product = self.phase_product(phase, layout.rows);
                let (to, after) = packed.split_at_mut(product.packed_b::<T>(simd));
                packed = after;
                product.pack_b(simd, threads, turned, to);
            }
        }
    }

    /// Computes a block of a phase's places.
    #[expect(clippy::too_many_arguments, reason = "what a task knows")]
    fn input_block<T: Float>(
        &self,
        simd: Simd,
        phase: &Phase,
        block: usize,
        layout: &Layout,
        dy: &[T],
        packed: &[T],
        dx: &Disjoint<'_, T>,
        scratch: &mut [T],
    ) {
        let windows =
            block * layout.rows..self.phase_rows(phase).min((block + 1) * layout.rows);
        let (patches, scratch) = scratch.split_at_mut(layout.patches);
        let (product, scratch) = scratch.split_at_mut(layout.product);
        let direct = self.phases.len() == 1;
        let rows = if direct {
            // SAFETY: with one phase, blocks are rows of `dx` one after the other, and each
            // has one task.
            unsafe {
                dx.slice(windows.start * self.channels..windows.end * self.channels)
            }
        } else {
            &mut product[..windows.len() * self.channels]
        };
        if phase.cells.is_empty() {
            rows.fill(T::ZERO);
        } else {
            let gemm = self.phase_product(phase, windows.len());
            let copy = packed.len() / self.groups;
            for group in 0..self.groups {
                let filter = group * (self.filters / self.groups);
                phase.patches.copy(dy, filter, windows.clone(), patches);
                let rows = &mut rows[group * (self.channels / self.groups)..];
                let packed = &packed[group * copy..][..copy];
                gemm.run_packed(simd, patches, packed, rows, scratch, None);
            }
        }
        if !direct {
            for (window, row) in windows.zip(rows.chunks_exact(self.channels)) {
                let start = self.input_place(phase, window) * self.channels;
                // SAFETY: each place belongs to one phase, and there to one block.
                unsafe { dx.slice(start..start + self.channels) }.copy_from_slice(row);
            }
        }
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
