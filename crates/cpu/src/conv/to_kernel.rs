//! `dkernel` of `x` and `dy`.

use super::{BLOCK, Conv, depthwise::multiply_add};
use crate::{Simd, Threads, gemm::Gemm, simd::Float, threads::Disjoint};

/// The parts of the batch's windows whose sums are added up in the end.
const SLICES: usize = 8;

/// The most elements of these sums.
const SUMS: usize = 1 << 22;

impl Conv {
    /// The rows of a block, and the slices of the windows.
    fn kernel_slices(&self, kernel: usize) -> (usize, usize) {
        let windows = self.batch * self.cells[1];
        let rows = (BLOCK / self.forward.width()).clamp(32, 256).min(windows);
        let slices = (SUMS / kernel).clamp(2, SLICES).min(windows.div_ceil(rows));
        (rows, slices)
    }

    fn kernel_len(&self) -> usize {
        self.cells[2] * (self.channels / self.groups) * self.filters
    }

    /// The product of one group's turned patches with its part of `dy`.
    const fn kernel_product(&self, rows: usize, accumulate: bool) -> Gemm {
        let width = self.forward.width();
        Gemm::new(width, self.filters / self.groups, rows)
            .a_strides(1, width)
            .b_strides(self.filters, 1)
            .c_stride(self.filters)
            .accumulate(accumulate)
    }

    /// The whole as one product, for 1 × 1 kernels.
    const fn whole_kernel_product(&self) -> Gemm {
        Gemm::new(self.channels, self.filters, self.batch * self.cells[1])
            .transpose_a(true)
    }

    /// The elements of scratch memory that [`to_kernel`](Self::to_kernel) needs.
    #[must_use]
    pub fn to_kernel_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.is_empty() {
            return 0;
        }
        if self.pointwise {
            return self.whole_kernel_product().scratch::<T>(simd, threads);
        }
        let kernel = self.kernel_len();
        let (rows, slices) = self.kernel_slices(kernel);
        if self.is_depthwise() {
            return slices * kernel;
        }
        slices * kernel
            + threads * (rows * self.forward.width() + self.product_scratch::<T>(simd))
    }

    /// The elements that the product of a block needs; the last block may have fewer rows.
    fn product_scratch<T: Float>(&self, simd: Simd) -> usize {
        let (rows, _) = self.kernel_slices(self.kernel_len());
        let last = self.batch * self.cells[1] % rows;
        let scratch = |rows| self.kernel_product(rows, true).scratch::<T>(simd, 1);
        scratch(rows).max(scratch(last))
    }

    /// Computes `dkernel`, the adjoint of [`forward`](Self::forward) in the kernel.
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape, or `scratch` is too short.
    pub fn to_kernel<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        x: &[T],
        dy: &[T],
        dkernel: &mut [T],
        scratch: &mut [T],
    ) {
        self.check_lens(x.len(), dkernel.len(), dy.len());
        if self.is_empty() {
            return dkernel.fill(T::ZERO);
        }
        if self.pointwise {
            let gemm = self.whole_kernel_product();
            return gemm.run(simd, threads, x, dy, dkernel, scratch, None);
        }
        let len = dkernel.len();
        let (rows, slices) = self.kernel_slices(len);
        let (sums, scratch) = scratch.split_at_mut(slices * len);
        if self.is_depthwise() {
            self.depthwise_slices(simd, threads, x, dy, len, sums);
        } else {
            self.product_slices(simd, threads, [x, dy], (rows, slices), sums, scratch);
        }
        let sums = &*sums;
        threads.run_chunks(dkernel, 4096, |start, part| {
            part.copy_from_slice(&sums[start..start + part.len()]);
            for slice in sums.chunks_exact(len).skip(1) {
                for (total, &sum) in part.iter_mut().zip(&slice[start..]) {
                    *total += sum;
                }
            }
        });
    }

    /// Adds up the slices of the windows, each block by block.
    fn product_slices<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        [x, dy]: [&[T]; 2],
        (rows, slices): (usize, usize),
        sums: &mut [T],
        scratch: &mut [T],
    ) {
        let len = sums.len() / slices;
        let all = self.batch * self.cells[1];
        let blocks = all.div_ceil(rows);
        let width = self.forward.width();
        let slot_len = rows * width + self.product_scratch::<T>(simd);
        let (channels, filters) =
            (self.channels / self.groups, self.filters / self.groups);
        let (sums, scratch) = (Disjoint::new(sums), Disjoint::new(scratch));
        threads.run_with_slot(slices, &|slice, slot| {
            // SAFETY: each slice has one task, each slot scratch memory of its own.
            let (sum, scratch) = unsafe {
                (
                    sums.slice(slice * len..(slice + 1) * len),
                    scratch.slice(slot * slot_len..(slot + 1) * slot_len),
                )
            };
            let (patches, scratch) = scratch.split_at_mut(rows * width);
            let first = slice * blocks / slices;
            for block in first..(slice + 1) * blocks / slices {
                let windows = block * rows..all.min((block + 1) * rows);
                let product = self.kernel_product(windows.len(), block > first);
                for group in 0..self.groups {
                    self.forward.copy(x, group * channels, windows.clone(), patches);
                    let dy = &dy[windows.start * self.filters + group * filters..];
                    let sum = &mut sum[group * filters..];
                    product.run_here(simd, patches, dy, sum, scratch);
                }
            }
        });
    }

    /// As [`product_slices`](Self::product_slices), with one channel per group.
    fn depthwise_slices<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        x: &[T],
        dy: &[T],
        len: usize,
        sums: &mut [T],
    ) {
        let slices = sums.len() / len;
        let (channels, filters) = (self.channels, self.filters);
        let multiplier = filters / channels;
        let multiply_add = multiply_add::<T>(simd);
        let all = self.batch * self.cells[1];
        threads.run_chunks(sums, len, |start, sum| {
            let slice = start / len;
            sum.fill(T::ZERO);
            for window in slice * all / slices..(slice + 1) * all / slices {
                let dy = &dy[window * filters..][..filters];
                self.forward.visit(window, |cell, place| {
                    let x = &x[place * channels..][..channels];
                    let sum = &mut sum[cell * filters..][..filters];
                    if multiplier == 1 {
                        multiply_add(sum, x, dy);
                    } else {
                        let parts = sum.chunks_exact_mut(multiplier);
                        let parts = parts.zip(dy.chunks_exact(multiplier));
                        for ((sum, dy), &x) in parts.zip(x) {
                            for (sum, &dy) in sum.iter_mut().zip(dy) {
                                *sum += x * dy;
                            }
                        }
                    }
                });
            }
        });
    }
}
