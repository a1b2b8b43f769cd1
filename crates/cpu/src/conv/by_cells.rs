//! Gradients by kernels of many channels: a product for each cell, [`ByCells`].
//!
//! `dkernel` at a cell is the product of `x`, as that cell sees it, and `dy`. Its operands are
//! copied to panels, some windows at a time: channels of cells side by side lie so far apart that
//! the first cache would keep few of them, and short lines would make short sums.

use std::ops::Range;

use super::{Conv, to_kernel::SLICES};
use crate::{
    Threads,
    gemm::{ENOUGH, Kernels, Tile},
    simd::Float,
    threads::{Disjoint, part},
};

/// The least channels and filters of a group: for fewer, copies take what they save.
const LEAST: usize = 192;

/// The most windows whose products are added up at a time.
const DEPTH: usize = 256;

/// The most filters of a task.
const COLUMNS: usize = 512;

/// Bytes in a cache line.
const BYTES: usize = 64;

/// How the work is cut, by the shape alone.
#[derive(Clone, Copy)]
pub(super) struct ByCells {
    /// The parts of the windows whose sums are added up in the end.
    slices: usize,
    /// The parts of a group's filters.
    chunks: usize,
    /// The elements of a task's copies of `x` and `dy`.
    copies: [usize; 2],
}

impl ByCells {
    /// The elements of all slices; the only one needs none.
    pub(super) const fn sums(&self, kernel: usize) -> usize {
        if self.slices > 1 { self.slices * kernel } else { 0 }
    }

    /// The elements of a task's copies, and of what is before a cache line.
    pub(super) const fn copy<T>(&self) -> usize {
        self.copies[0] + self.copies[1] + BYTES / size_of::<T>()
    }
}

/// A cell of the kernel, and some filters of a group.
struct Task<'a, T: 'static> {
    kernels: &'a Kernels<T>,
    x: &'a [T],
    dy: &'a [T],
    cell: usize,
    group: usize,
    columns: Range<usize>,
}

impl Conv {
    /// The cut, if copies are worth their while.
    pub(super) fn by_cells<T>(&self, kernels: &Kernels<T>) -> Option<ByCells> {
        let (channels, filters) =
            (self.channels / self.groups, self.filters / self.groups);
        let windows = self.batch * self.cells[1];
        if channels < LEAST || filters < LEAST || windows < DEPTH {
            return None;
        }
        let chunks = filters.div_ceil(COLUMNS);
        let columns = filters.div_ceil(chunks).next_multiple_of(kernels.tile_len()[1]);
        let slices = ENOUGH.div_ceil(self.groups * self.cells[2] * chunks);
        let slices = slices.min(SLICES).min(self.slices).min(windows.div_ceil(DEPTH));
        let copies = [channels * DEPTH, columns * DEPTH];
        Some(ByCells { slices, chunks, copies })
    }

    /// Computes all slices, one after the other in `sums`.
    pub(super) fn cell_products<T: Float>(
        &self,
        kernels: &Kernels<T>,
        threads: &Threads,
        [x, dy]: [&[T]; 2],
        cut: &ByCells,
        sums: &mut [T],
        scratch: &mut [T],
    ) {
        let ByCells { slices, chunks, copies } = *cut;
        let (len, cells) = (sums.len() / slices, self.cells[2]);
        let filters = self.filters / self.groups;
        let all = self.batch * self.cells[1];
        let (sums, scratch) = (Disjoint::new(sums), Disjoint::new(scratch));
        threads.run_with_slot(slices * self.groups * cells * chunks, &|task, slot| {
            let (task, chunk) = (task / chunks, task % chunks);
            let (task, cell) = (task / cells, task % cells);
            let (slice, group) = (task / self.groups, task % self.groups);
            // Chunks of whole panels.
            let width = kernels.tile_len()[1];
            let panels = part(filters.div_ceil(width), chunks, chunk);
            let columns = panels.start * width..filters.min(panels.end * width);
            let task = Task { kernels, x, dy, cell, group, columns };
            let own = slot * cut.copy::<T>()..(slot + 1) * cut.copy::<T>();
            // SAFETY: each slot has scratch memory of its own.
            let copy = unsafe { scratch.slice(own) };
            let start = copy.as_ptr().align_offset(BYTES).min(BYTES / size_of::<T>());
            let (a, b) = copy[start..].split_at_mut(copies[0]);
            let blocks = part(all.div_ceil(DEPTH), slices, slice);
            for block in blocks.clone() {
                let windows = block * DEPTH..all.min((block + 1) * DEPTH);
                let depth = self.copy_windows(&task, windows, a, b);
                let accumulate = block > blocks.start;
                if depth > 0 || !accumulate {
                    // SAFETY: a cell's columns in a slice have one task.
                    unsafe {
                        let c = sums.as_ptr().add(slice * len);
                        self.cell_tiles(&task, [a, b], depth, c, accumulate);
                    }
                }
            }
        });
    }

    /// Copies what a task reads of some windows; gives the number of those for which a cell
    /// exists.
    fn copy_windows<T: Float>(
        &self,
        task: &Task<'_, T>,
        windows: Range<usize>,
        a: &mut [T],
        b: &mut [T],
    ) -> usize {
        let Task { kernels, x, dy, cell, group, ref columns } = *task;
        let (channels, filters) =
            (self.channels / self.groups, self.filters / self.groups);
        let [height, width] = kernels.tile_len();
        let panels = channels.div_ceil(height);
        let mut depth = 0;
        self.forward.pieces(windows, Some(cell), |window, start, count| {
            let step = self.forward.step();
            for panel in 0..panels {
                let rows = part(channels, panels, panel);
                let from = &x[start + group * channels + rows.start..];
                let to = &mut a[rows.start * DEPTH + depth * rows.len()..];
                kernels.copy_panel(from, [step, 1], count, [rows.len(); 2], to);
            }
            let from = &dy[window * self.filters + group * filters..];
            for column in columns.clone().step_by(width) {
                let len = width.min(columns.end - column);
                let filled = len.next_multiple_of(kernels.lanes());
                let to = &mut b[(column - columns.start) * DEPTH + depth * filled..];
                let from = &from[column..];
                kernels.copy_panel(from, [self.filters, 1], count, [len, filled], to);
            }
            depth += count;
        });
        depth
    }

    /// Computes the tiles of a task from its copies.
    ///
    /// # Safety
    ///
    /// `c` is valid for a kernel, and nobody else uses the task's part of it.
    unsafe fn cell_tiles<T: Float>(
        &self,
        task: &Task<'_, T>,
        [a, b]: [&[T]; 2],
        depth: usize,
        c: *mut T,
        accumulate: bool,
    ) {
        let Task { kernels, cell, group, ref columns, .. } = *task;
        let (channels, filters) =
            (self.channels / self.groups, self.filters / self.groups);
        let [height, width] = kernels.tile_len();
        let panels = channels.div_ceil(height);
        for column in columns.clone().step_by(width) {
            let len = width.min(columns.end - column);
            let b = b[(column - columns.start) * DEPTH..].as_ptr();
            for panel in 0..panels {
                let rows = part(channels, panels, panel);
                let a = a[rows.start * DEPTH..].as_ptr();
                let first =
                    (cell * channels + rows.start) * self.filters + group * filters;
                // SAFETY: the copies hold so many steps; the rest is the caller's promise.
                unsafe {
                    kernels.packed_tile(&Tile {
                        len: [rows.len(), len],
                        depth,
                        a,
                        b,
                        c: c.add(first + column),
                        c_row: self.filters,
                        accumulate,
                    });
                }
            }
        }
    }
}
