//! `y` of `x` and the kernel.

use super::{Conv, block_rows, depthwise::multiply_add};
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
        let rows = self.forward_rows();
        let product = self.product(rows);
        let block = rows * self.forward.width() + product.scratch_packed::<T>(simd);
        self.groups * product.packed_b::<T>(simd) + threads * block
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
        let rows = self.forward_rows();
        let (width, filters) = (self.forward.width(), self.filters / self.groups);
        let product = self.product(rows);
        let copy = product.packed_b::<T>(simd);
        let (packed, scratch) = scratch.split_at_mut(self.groups * copy);
        for (group, to) in packed.chunks_exact_mut(copy).enumerate() {
            product.pack_b(simd, threads, &kernel[group * filters..], to);
        }
        let block = rows * width + product.scratch_packed::<T>(simd);
        let all = self.batch * self.cells[1];
        let (y, scratch) = (Disjoint::new(y), Disjoint::new(scratch));
        threads.run_with_slot(all.div_ceil(rows), &|task, slot| {
            let windows = task * rows..all.min((task + 1) * rows);
            // SAFETY: each task has rows of its own, each slot scratch memory of its own.
            let (y, scratch) = unsafe {
                (
                    y.slice(windows.start * self.filters..windows.end * self.filters),
                    scratch.slice(slot * block..(slot + 1) * block),
                )
            };
            let (patches, scratch) = scratch.split_at_mut(rows * width);
            let product = self.product(windows.len());
            for group in 0..self.groups {
                let channel = group * (self.channels / self.groups);
                self.forward.copy(x, channel, windows.clone(), patches);
                let packed = &packed[group * copy..][..copy];
                let shifted = |row: usize, column: usize, part: &mut [T]| {
                    if let Some(epilogue) = epilogue {
                        epilogue(windows.start + row, group * filters + column, part);
                    }
                };
                let epilogue: Option<Epilogue<'_, T>> =
                    if epilogue.is_some() { Some(&shifted) } else { None };
                let y = &mut y[group * filters..];
                product.run_packed(simd, patches, packed, y, scratch, epilogue);
            }
        });
    }

    /// The whole as one product: for 1 × 1 kernels, and where there is nothing to add up.
    fn whole_product(&self) -> Gemm {
        let k = if self.pointwise { self.channels } else { 0 };
        Gemm::new(self.batch * self.cells[1], self.filters, k)
    }

    fn forward_rows(&self) -> usize {
        block_rows(self.forward.width()).min(self.batch * self.cells[1])
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
