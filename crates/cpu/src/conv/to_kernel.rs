//! `dkernel` of `x` and `dy`.

use std::ops::Range;

use super::{Conv, patches::STRETCHES};
use crate::{
    Simd, Threads,
    gemm::{Beside, Gemm, Kernels, Stretch, Sums},
    simd::Float,
    threads::{Disjoint, part},
};

/// The parts of the batch's windows whose sums are added up in the end.
pub(super) const SLICES: usize = 8;

/// The most elements of these sums.
const SUMS: usize = 1 << 22;

/// The elements of `x` and `dy` that stay in the first cache.
const BLOCK: usize = 6 << 10;

/// The most rows of `dkernel` that are computed together.
const ROWS: usize = 128;

impl Conv {
    /// The windows of a block, and the slices of all of them.
    fn kernel_slices(&self, kernel: usize) -> (usize, usize) {
        let windows = self.batch * self.cells[1];
        // As many lines as there are stretches, of which the first and last may be cut.
        let most = self.forward.counts()[2] * (STRETCHES - 2);
        let rows = BLOCK / (self.filters + self.forward.step());
        let rows = rows.clamp(48, 256).min(most).min(windows);
        let slices = (SUMS / kernel).clamp(2, SLICES).min(self.slices);
        let slices = slices.min(windows.div_ceil(rows));
        (rows, slices)
    }

    fn kernel_len(&self) -> usize {
        self.cells[2] * (self.channels / self.groups) * self.filters
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
        if let Some(shape) = self.forward_shape(T::kernels(simd)) {
            return slices * shape.copy(self.cells[2]);
        }
        if let Some(cut) = self.by_cells(T::kernels(simd)) {
            return cut.sums(kernel) + threads * cut.copy::<T>();
        }
        slices * kernel + threads * self.ragged_copy(T::kernels(simd), rows)
    }

    /// The elements of a copy of a block of one group's part of `dy`, for rows that do not end
    /// where a half vector does.
    fn ragged_copy<T>(&self, kernels: &Kernels<T>, rows: usize) -> usize {
        let (filters, half) = (self.filters / self.groups, kernels.half_lanes());
        if filters.is_multiple_of(half) {
            0
        } else {
            rows * filters.next_multiple_of(half)
        }
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
        let kernels = T::kernels(simd);
        if let Some(shape) = self.forward_shape(kernels) {
            let sums = &mut scratch[..slices * shape.copy(self.cells[2])];
            return self.to_kernel_side_by_side(
                shape,
                kernels,
                threads,
                [x, dy],
                rows,
                dkernel,
                sums,
            );
        }
        if let Some(cut) = self.by_cells(kernels) {
            let (sums, scratch) = scratch.split_at_mut(cut.sums(len));
            let to = if sums.is_empty() { &mut *dkernel } else { &mut *sums };
            self.cell_products(kernels, threads, [x, dy], &cut, to, scratch);
            return add_slices(threads, sums, dkernel);
        }
        let (sums, scratch) = scratch.split_at_mut(slices * len);
        self.product_slices(kernels, threads, [x, dy], (rows, slices), sums, scratch);
        add_slices(threads, sums, dkernel);
    }

    /// Whether a tile of so many columns has rows in pairs: they start at even elements of
    /// cells.
    const fn are_pairs<T>(&self, kernels: &Kernels<T>, columns: usize) -> bool {
        self.forward.run().is_multiple_of(2) && kernels.are_pairs(columns)
    }

    /// Whether two groups make a tile.
    const fn are_two<T>(&self, kernels: &Kernels<T>) -> bool {
        let filters = self.filters / self.groups;
        self.are_pairs(kernels, filters) && kernels.are_two(filters)
    }

    /// Adds up the slices of the windows, each block by block.
    fn product_slices<T: Float>(
        &self,
        kernels: &Kernels<T>,
        threads: &Threads,
        [x, dy]: [&[T]; 2],
        (rows, slices): (usize, usize),
        sums: &mut [T],
        scratch: &mut [T],
    ) {
        let len = sums.len() / slices;
        let all = self.batch * self.cells[1];
        let blocks = all.div_ceil(rows);
        let slot_len = self.ragged_copy(kernels, rows);
        let (sums, scratch) = (Disjoint::new(sums), Disjoint::new(scratch));
        threads.run_with_slot(slices, &|slice, slot| {
            // SAFETY: each slice has one task, each slot scratch memory of its own.
            let (sum, copy) = unsafe {
                (
                    sums.slice(slice * len..(slice + 1) * len),
                    scratch.slice(slot * slot_len..(slot + 1) * slot_len),
                )
            };
            let first = slice * blocks / slices;
            for block in first..(slice + 1) * blocks / slices {
                let windows = block * rows..all.min((block + 1) * rows);
                let together = if self.are_two(kernels) { 2 } else { 1 };
                for group in (0..self.groups).step_by(together) {
                    let groups = group..self.groups.min(group + together);
                    let start = windows.start * self.filters
                        + group * (self.filters / self.groups);
                    let mut b = (&dy[start..], self.filters);
                    if !copy.is_empty() {
                        b = self.copy_rows(kernels, b.0, windows.len(), copy);
                    }
                    let accumulate = block > first;
                    self.kernel_block(kernels, x, b, &windows, &groups, sum, accumulate);
                }
            }
        });
    }

    /// Copies a group's part of some rows of `dy`, filled up to half vectors; the copy, and
    /// its elements in a row.
    fn copy_rows<'a, T: Float>(
        &self,
        kernels: &Kernels<T>,
        dy: &[T],
        rows: usize,
        to: &'a mut [T],
    ) -> (&'a [T], usize) {
        let filters = self.filters / self.groups;
        let width = filters.next_multiple_of(kernels.half_lanes());
        for (row, to) in to.chunks_exact_mut(width).take(rows).enumerate() {
            let (to, rest) = to.split_at_mut(filters);
            to.copy_from_slice(&dy[row * self.filters..][..filters]);
            rest.fill(T::ZERO);
        }
        (to, width)
    }

    /// Adds up the products of a block of windows: those of each cell for which it exists.
    #[expect(clippy::too_many_arguments, reason = "what a task knows")]
    fn kernel_block<T: Float>(
        &self,
        kernels: &Kernels<T>,
        x: &[T],
        b: (&[T], usize),
        windows: &Range<usize>,
        groups: &Range<usize>,
        sum: &mut [T],
        accumulate: bool,
    ) {
        let group = groups.start;
        let patches = &self.forward;
        let run = patches.run();
        let clipped = patches.is_clipped();
        // Without clipping, all elements of a window have the same stretches.
        for cell in 0..if clipped { patches.cells() } else { 1 } {
            let mut list = [Stretch::default(); STRETCHES];
            let mut len = 0;
            patches.pieces(
                windows.clone(),
                clipped.then_some(cell),
                |window, a, depth| {
                    list[len] = Stretch { a, b: window - windows.start, depth };
                    len += 1;
                },
            );
            if len == 0 && accumulate {
                continue;
            }
            let elements =
                if clipped { cell * run..(cell + 1) * run } else { 0..patches.width() };
            for start in elements.clone().step_by(ROWS) {
                let elements = start..elements.end.min(start + ROWS);
                let mut rows = [[0; 2]; ROWS];
                let (mut cell, mut channel) =
                    (elements.start / run, elements.start % run);
                let first = |cell: usize| if clipped { 0 } else { patches.first(cell) };
                let mut start = first(cell) + group * run;
                for (row, element) in rows.iter_mut().zip(elements.clone()) {
                    if channel == run {
                        (cell, channel) = (cell + 1, 0);
                        start = first(cell) + group * run;
                    }
                    *row = [start + channel, element * self.filters];
                    channel += 1;
                }
                let rows = &rows[..elements.len()];
                self.kernel_tiles(
                    kernels,
                    x,
                    b,
                    rows,
                    &list[..len],
                    groups,
                    sum,
                    accumulate,
                );
            }
        }
    }

    /// Computes some rows of `dkernel` with the same stretches.
    #[expect(clippy::too_many_arguments, reason = "what a task knows")]
    fn kernel_tiles<T: Float>(
        &self,
        kernels: &Kernels<T>,
        x: &[T],
        (b, b_step): (&[T], usize),
        rows: &[[usize; 2]],
        stretches: &[Stretch],
        groups: &Range<usize>,
        sum: &mut [T],
        accumulate: bool,
    ) {
        let group = groups.start;
        let filters = self.filters / self.groups;
        for column in (0..filters).step_by(kernels.sum_columns()) {
            let columns = kernels.sum_columns().min(filters - column);
            let pairs = self.are_pairs(kernels, columns);
            let (unit, most) =
                if pairs { (2, kernels.pair_rows()) } else { (1, kernels.sum_rows()) };
            let tiles = rows.len().div_ceil(most);
            for tile in 0..tiles {
                let tile = part(rows.len() / unit, tiles, tile);
                // SAFETY: the stretches are cells of `x` that exist for each of these rows,
                // and windows of `b`, whose rows hold whole half vectors; `sum` has these
                // rows and columns.
                unsafe {
                    let sums = Sums {
                        a: x.as_ptr(),
                        a_step: self.forward.step(),
                        b: b.as_ptr().add(column),
                        b_step,
                        b_unit: b_step,
                        rows: &rows[unit * tile.start..unit * tile.end],
                        stretches,
                        c: sum.as_mut_ptr().add(group * filters + column),
                        columns,
                        accumulate,
                    };
                    if groups.len() == 2 {
                        let beside = Beside::new(2, self.forward.run(), filters);
                        kernels.sum_rows_of_two(&sums, beside);
                    } else if pairs {
                        kernels.sum_rows_in_pairs(&sums);
                    } else {
                        kernels.sum(&sums);
                    }
                }
            }
        }
    }
}

/// Adds up the slices in their order; without any, `dkernel` is the sum.
fn add_slices<T: Float>(threads: &Threads, sums: &[T], dkernel: &mut [T]) {
    if sums.is_empty() {
        return;
    }
    let len = dkernel.len();
    threads.run_chunks(dkernel, 4096, |start, part| {
        part.copy_from_slice(&sums[start..start + part.len()]);
        for slice in sums.chunks_exact(len).skip(1) {
            for (total, &sum) in part.iter_mut().zip(&slice[start..]) {
                *total += sum;
            }
        }
    });
}
