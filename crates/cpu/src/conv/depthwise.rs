//! Convolutions with one channel per group, filter by filter.

use std::ops::Range;

use super::{
    Conv, Phase,
    direct::{Direct, Factors, Job, Target},
    part,
    patches::{Class, Patches, STRETCHES},
};
use crate::{
    Simd, Threads,
    gemm::{Epilogue, Kernels, Stretch, Sums},
    simd::Float,
    threads::Disjoint,
};

/// The most rows of a tile, and their elements.
const ROWS: usize = 16;
const TILE: usize = ROWS * 32;

/// The most cells of a window that are added up to together.
const CELLS: usize = 64;

/// A kernel with an element of each cell for each filter.
#[derive(Clone, Copy)]
pub(super) struct Channels<'a, T> {
    /// The filters of each cell, as often as there are windows in a row of a tile.
    elements: &'a [T],
    shape: ChannelShape,
}

/// How filters and channels are laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChannelShape {
    filters: usize,
    /// The windows side by side that make a row of a tile.
    together: usize,
    /// The filters that read the same channel.
    spread: usize,
    /// The filters that are added up to one channel.
    fold: usize,
    /// The most columns of a tile.
    width: usize,
}

impl ChannelShape {
    /// For windows of `patches` whose sums lie side by side in the target or not.
    fn new<T: Float>(
        kernels: &Kernels<T>,
        filters: usize,
        [spread, fold]: [usize; 2],
        side_by_side: bool,
    ) -> Self {
        let vector = 2 * kernels.half_lanes();
        let width = if spread > 1 { vector } else { 2 * vector };
        let width = if fold > 1 && fold <= width { width / fold * fold } else { width };
        let together = if side_by_side { (width / filters).max(1) } else { 1 };
        Self { filters, together, spread, fold, width }
    }

    /// The elements of a copy of the filters of so many cells.
    pub(super) const fn copy(&self, cells: usize) -> usize {
        cells * self.row()
    }

    /// Copies the filters of some cells.
    pub(super) fn fill<T: Copy>(
        &self,
        kernel: &[T],
        cells: impl Iterator<Item = usize>,
        to: &mut [T],
    ) {
        let filters = self.filters;
        for (cell, to) in cells.zip(to.chunks_exact_mut(self.row())) {
            let from = &kernel[cell * filters..][..filters];
            to.chunks_exact_mut(filters).for_each(|to| to.copy_from_slice(from));
        }
    }

    /// The elements of a kernel's row.
    const fn row(&self) -> usize {
        self.together * self.filters
    }

    /// The columns of A and C from this one on that make a tile: how many there are.
    fn block(&self, column: usize, columns: usize) -> usize {
        let end = if self.fold > self.width {
            (column / self.fold + 1) * self.fold
        } else {
            columns
        };
        self.width.min(end - column)
    }
}

impl<'a, T: Float> Channels<'a, T> {
    /// What [`ChannelShape::fill`] made, or the kernel as it is, if one window makes a row.
    pub(super) const fn new(shape: ChannelShape, elements: &'a [T]) -> Self {
        Self { elements, shape }
    }

    /// The windows side by side that make a row of a tile.
    pub(super) const fn together(&self) -> usize {
        self.shape.together
    }

    /// Computes rows of so many windows each, which have the same stretches.
    ///
    /// # Safety
    ///
    /// As [`Kernels::sum_by_columns`] for the windows' elements in the source and in `out`.
    pub(super) unsafe fn block(
        &self,
        job: &Job<'_, T>,
        rows: &[[usize; 2]],
        windows: usize,
        stretches: &[Stretch],
        accumulate: bool,
    ) {
        let ChannelShape { filters, spread, fold, .. } = self.shape;
        let columns = windows * filters;
        let mut column = 0;
        while column < columns {
            let count = self.shape.block(column, columns);
            let mut sums = Sums {
                // Within the elements of a window, if there is a stretch.
                a: job.source.as_ptr().wrapping_add(column / spread),
                a_step: 0,
                b: self.elements.as_ptr().wrapping_add(column),
                b_step: 0,
                b_unit: self.shape.row(),
                rows,
                stretches,
                c: job.out.as_ptr(),
                columns: count,
                accumulate,
            };
            let spread = (spread > 1).then_some([column % spread, spread]);
            if fold == 1 {
                // SAFETY: the caller's promise; these are columns of the windows.
                unsafe {
                    sums.c = sums.c.add(column);
                    job.kernels.sum_by_columns(&sums, spread);
                }
            } else {
                let mut tile = [T::ZERO; TILE];
                let mut places = [[0; 2]; ROWS];
                for (i, (place, row)) in places.iter_mut().zip(rows).enumerate() {
                    *place = [row[0], i * count];
                }
                (sums.rows, sums.c) = (&places[..rows.len()], tile.as_mut_ptr());
                sums.accumulate = false;
                // SAFETY: the caller's promise; the tile has room for all rows.
                unsafe { job.kernels.sum_by_columns(&sums, spread) };
                let channels = count.div_ceil(fold);
                let first = !accumulate && column % fold == 0;
                for (row, tile) in rows.iter().zip(tile.chunks_exact(count)) {
                    let start = row[1] + column / fold;
                    // SAFETY: the caller's promise; these are channels of the windows.
                    let out = unsafe { job.out.slice(start..start + channels) };
                    fold_row(out, tile, fold, first);
                }
            }
            column += count;
        }
    }
}

/// Sets each element to the sum of its part of a row, or adds that to it.
fn fold_row<T: Float>(out: &mut [T], row: &[T], fold: usize, set: bool) {
    for (out, row) in out.iter_mut().zip(row.chunks(fold)) {
        let sum = row[1..].iter().fold(row[0], |sum, &x| sum + x);
        *out = if set { sum } else { *out + sum };
    }
}

impl Conv {
    /// The filters of a channel.
    const fn multiplier(&self) -> usize {
        self.filters / self.channels
    }

    fn forward_shape<T: Float>(&self, kernels: &Kernels<T>) -> ChannelShape {
        let side_by_side = self.forward.step() == self.channels;
        let spread = self.multiplier();
        ChannelShape::new(kernels, self.filters, [spread, 1], side_by_side)
    }

    pub(super) fn phase_shape<T: Float>(
        &self,
        kernels: &Kernels<T>,
        phase: &Phase,
    ) -> ChannelShape {
        let side_by_side = phase.step[2] == 1;
        let fold = self.multiplier();
        ChannelShape::new(kernels, self.filters, [1, fold], side_by_side)
    }

    /// The elements of the kernel's copy for [`forward_depthwise`](Self::forward_depthwise).
    pub(super) fn forward_copy<T: Float>(&self, kernels: &Kernels<T>) -> usize {
        let shape = self.forward_shape(kernels);
        if shape.together == 1 { 0 } else { shape.copy(self.cells[2]) }
    }

    #[expect(clippy::too_many_arguments, reason = "three tensors and what they run on")]
    pub(super) fn forward_depthwise<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        x: &[T],
        kernel: &[T],
        y: &mut [T],
        scratch: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let shape = self.forward_shape(T::kernels(simd));
        let channels = if shape.together == 1 {
            Channels::new(shape, kernel)
        } else {
            let copy = &mut scratch[..shape.copy(self.cells[2])];
            shape.fill(kernel, 0..self.cells[2], copy);
            Channels::new(shape, copy)
        };
        let direct = Direct {
            patches: &self.forward,
            batch: self.batch,
            groups: 1,
            columns: self.filters,
            target: Target {
                lens: self.forward.counts(),
                start: [0; 3],
                step: [1; 3],
                channels: self.filters,
            },
        };
        let kernel = Factors::Channels(channels);
        direct.run(simd, threads, x, kernel, &Disjoint::new(y), epilogue);
    }

    /// The elements of a slice of `dkernel`'s sums: a row for each cell.
    pub(super) fn slice_depthwise<T: Float>(&self, kernels: &Kernels<T>) -> usize {
        self.forward_shape(kernels).copy(self.cells[2])
    }

    /// Adds up the slices of the windows, each block by block, and then the slices.
    pub(super) fn to_kernel_depthwise<T: Float>(
        &self,
        kernels: &Kernels<T>,
        threads: &Threads,
        [x, dy]: [&[T]; 2],
        rows: usize,
        dkernel: &mut [T],
        sums: &mut [T],
    ) {
        let shape = self.forward_shape(kernels);
        let (len, filters) = (shape.copy(self.cells[2]), self.filters);
        let slices = sums.len() / len;
        let all = self.batch * self.cells[1];
        let blocks = all.div_ceil(rows);
        threads.run_chunks(sums, len, |start, sum| {
            let slice = start / len;
            sum.fill(T::ZERO);
            for block in slice * blocks / slices..(slice + 1) * blocks / slices {
                let windows = block * rows..all.min((block + 1) * rows);
                let work = Products { kernels, patches: &self.forward, shape, x, dy };
                for class in self.forward.classes() {
                    work.class(&windows, class, sum);
                }
            }
        });
        let sums = &*sums;
        let lines = (4096 / filters).max(1) * filters;
        threads.run_chunks(dkernel, lines, |start, part| {
            for (row, part) in part.chunks_exact_mut(filters).enumerate() {
                let from = (start / filters + row) * shape.row();
                part.fill(T::ZERO);
                for slice in sums.chunks_exact(len) {
                    for sums in slice[from..][..shape.row()].chunks_exact(filters) {
                        part.iter_mut().zip(sums).for_each(|(total, &sum)| *total += sum);
                    }
                }
            }
        });
    }
}

/// What `dkernel` is the sum of.
struct Products<'a, T: 'static> {
    kernels: &'a Kernels<T>,
    patches: &'a Patches,
    shape: ChannelShape,
    x: &'a [T],
    dy: &'a [T],
}

impl<T: Float> Products<'_, T> {
    /// Adds those of some windows of a class, in pieces of lines.
    fn class(&self, windows: &Range<usize>, class: &Class, sum: &mut [T]) {
        let ChannelShape { filters, together, .. } = self.shape;
        let step = self.patches.step();
        let mut list = [Stretch::default(); STRETCHES];
        let (mut len, mut last) = (0, [const { 0..0 }; 3]);
        self.patches.lines(windows.clone(), class, |window, start, count, cells| {
            if len == STRETCHES || *cells != last {
                self.add(&last, &list[..len], together, sum);
                (len, last) = (0, cells.clone());
            }
            let b = window * filters;
            if count >= together {
                list[len] = Stretch { a: start, b, depth: count / together };
                len += 1;
            }
            let rest = count % together;
            if rest > 0 {
                let before = count - rest;
                let (a, b) = (start + before * step, b + before * filters);
                self.add(cells, &[Stretch { a, b, depth: 1 }], rest, sum);
            }
        });
        self.add(&last, &list[..len], together, sum);
    }

    /// Adds those of stretches whose windows have the same cells, so many windows at a step.
    fn add(
        &self,
        cells: &[Range<usize>; 3],
        stretches: &[Stretch],
        windows: usize,
        sum: &mut [T],
    ) {
        if stretches.is_empty() {
            return;
        }
        let mut rows = [[0; 2]; CELLS];
        let mut len = 0;
        self.patches.cells_of(cells, |cell, start| {
            rows[len] = [start, cell * self.shape.row()];
            len += 1;
            if len == CELLS {
                self.tiles(&rows, stretches, windows, sum);
                len = 0;
            }
        });
        self.tiles(&rows[..len], stretches, windows, sum);
    }

    fn tiles(
        &self,
        rows: &[[usize; 2]],
        stretches: &[Stretch],
        windows: usize,
        sum: &mut [T],
    ) {
        let ChannelShape { filters, together, spread, width, .. } = self.shape;
        let tiles = rows.len().div_ceil(self.kernels.column_rows());
        for column in (0..windows * filters).step_by(width) {
            for tile in 0..tiles {
                // SAFETY: the stretches are cells of `x` that exist for these windows, and
                // their elements of `dy`; `sum` has a row for each cell.
                unsafe {
                    let sums = Sums {
                        a: self.x.as_ptr().add(column / spread),
                        a_step: together * self.patches.step(),
                        b: self.dy.as_ptr().add(column),
                        b_step: together * filters,
                        b_unit: 1,
                        rows: &rows[part(rows.len(), tiles, tile)],
                        stretches,
                        c: sum.as_mut_ptr().add(column),
                        columns: width.min(windows * filters - column),
                        accumulate: true,
                    };
                    let spread = (spread > 1).then_some([column % spread, spread]);
                    self.kernels.sum_by_columns(&sums, spread);
                }
            }
        }
    }
}
