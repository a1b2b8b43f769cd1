//! Convolutions with few channels per group, with all groups side by side in vectors.

use std::ops::Range;

use super::{
    Conv, Phase,
    direct::{Factors, Job, Run},
    patches::{Class, Patches, STRETCHES},
    spread::{Block, Spread},
};
use crate::{
    Simd, Threads,
    gemm::{Epilogue, Kernels, Spreading, Stretch, Strip, Sums},
    simd::Float,
    threads::{Disjoint, part},
};

/// The most rows of a tile, and their elements.
const ROWS: usize = 16;
const TILE: usize = ROWS * 32;

/// The most elements of a window's groups that are added up to together.
const ELEMENTS: usize = 64;

/// A kernel with an element for each sum, of all groups side by side.
#[derive(Clone, Copy)]
pub(super) struct Channels<'a, T> {
    /// A row for each product of a sum.
    elements: &'a [T],
    shape: ChannelShape,
}

/// How sums and what is added up are laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChannelShape {
    /// The sums of a window.
    columns: usize,
    /// The products of a cell in each sum.
    depth: usize,
    /// The windows side by side that make a row of a tile.
    together: usize,
    /// The sums of a group, which read the same elements, and how many these are; or one each.
    times: usize,
    stride: usize,
    /// The sums that are added up to one.
    fold: usize,
    /// The most columns of a tile.
    width: usize,
}

impl ChannelShape {
    /// One element and one sum for each column, of which so many are added up in the end.
    fn folded<T: Float>(kernels: &Kernels<T>, columns: usize, fold: usize) -> Self {
        let most = 4 * kernels.half_lanes();
        let width = if fold <= most { most / fold * fold } else { most };
        Self { columns, depth: 1, together: 1, times: 1, stride: 1, fold, width }
    }

    /// Groups of so many sums, which read so many elements; none if a vector holds no group
    /// that reads one element, or fewer than three others.
    fn spread<T: Float>(
        kernels: &Kernels<T>,
        groups: usize,
        [times, stride]: [usize; 2],
    ) -> Option<Self> {
        let lanes = 2 * kernels.half_lanes();
        let (columns, depth, fold) = (groups * times, stride, 1);
        let width = if stride == 1 {
            if times > lanes {
                return None;
            }
            lanes / times * times
        } else {
            let together = (lanes / times).min((lanes - 1) / stride + 1);
            // Two groups are as fast by themselves, in half vectors.
            if !kernels.spread_is_fast() || together < 3 {
                return None;
            }
            together * times
        };
        Some(Self { columns, depth, together: 1, times, stride, fold, width })
    }

    /// With several windows in a row of a tile, if they lie side by side.
    fn joined(self, side_by_side: bool) -> Self {
        let together = if side_by_side { (self.width / self.columns).max(1) } else { 1 };
        Self { together, ..self }
    }

    /// The sums of a window.
    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    /// The elements of a copy of the rows of so many cells.
    pub(super) const fn copy(&self, cells: usize) -> usize {
        cells * self.depth * self.row()
    }

    /// Fills a copy; `fill` sets the elements of a row for one window.
    pub(super) fn fill<T: Copy>(&self, to: &mut [T], fill: impl Fn(usize, &mut [T])) {
        for (number, to) in to.chunks_exact_mut(self.row()).enumerate() {
            let (first, others) = to.split_at_mut(self.columns);
            fill(number, first);
            others
                .chunks_exact_mut(self.columns)
                .for_each(|to| to.copy_from_slice(first));
        }
    }

    /// The elements of a row.
    const fn row(&self) -> usize {
        self.together * self.columns
    }

    /// The first element that the sums from a column on read.
    const fn source(&self, column: usize) -> usize {
        column / self.times * self.stride
    }

    /// Whether sums share elements.
    const fn is_spread(&self) -> bool {
        self.times > 1 || self.stride > 1
    }

    /// How the sums of a tile share elements.
    fn spreading(&self) -> Spreading {
        Spreading::new(self.times, self.stride)
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

    /// Whether sums share elements, which are spread.
    pub(super) const fn is_spread(&self) -> bool {
        self.shape.is_spread()
    }

    /// What is spread for rows at this distance.
    pub(super) fn spread(&self, stretches: &[Stretch], step: usize) -> Spread {
        Spread::new(self.shape.spreading(), stretches, step)
    }

    /// As [`run`](Self::run), for sums that share elements.
    ///
    /// # Safety
    ///
    /// As for [`run`](Self::run).
    pub(super) unsafe fn run_spread(
        &self,
        job: &Job<'_, T>,
        run: Run,
        windows: usize,
        spread: &Spread,
        accumulate: bool,
    ) {
        let columns = windows * self.shape.columns;
        for column in (0..columns).step_by(self.shape.width) {
            let source = self.shape.source(column);
            let block = Block {
                source: job.source.as_ptr().wrapping_add(source),
                factors: self.elements.as_ptr().wrapping_add(column),
                factors_unit: self.shape.row(),
                out: job.out.as_ptr().wrapping_add(column),
                columns: self.shape.width.min(columns - column),
            };
            // SAFETY: the caller's promise; these are columns of the windows.
            unsafe { spread.run(job, run, &block, accumulate) };
        }
    }

    /// Computes rows of so many windows each, which have the same stretches.
    ///
    /// # Safety
    ///
    /// As [`Kernels::sum_strip`] for the windows' elements in the source and in `out`.
    pub(super) unsafe fn run(
        &self,
        job: &Job<'_, T>,
        run: Run,
        windows: usize,
        stretches: &[Stretch],
        accumulate: bool,
    ) {
        let fold = self.shape.fold;
        let columns = windows * self.shape.columns;
        let mut column = 0;
        while column < columns {
            let count = self.shape.block(column, columns);
            for run in run.parts(job.rows()) {
                if fold == 1 {
                    let out = job.out.as_ptr().wrapping_add(column);
                    // SAFETY: the caller's promise; these are columns of the windows.
                    unsafe {
                        self.tile(job, run, column, count, stretches, out, accumulate);
                    }
                    continue;
                }
                let mut tile = [T::ZERO; TILE];
                let to = Run {
                    start: [run.start[0], 0],
                    step: [run.step[0], count],
                    len: run.len,
                };
                // SAFETY: the caller's promise; the tile has room for all rows.
                unsafe {
                    let out = tile.as_mut_ptr();
                    self.tile(job, to, column, count, stretches, out, false);
                }
                let channels = count.div_ceil(fold);
                let first = !accumulate && column % fold == 0;
                for (row, tile) in tile.chunks_exact(count).take(run.len).enumerate() {
                    let start = run.start[1] + row * run.step[1] + column / fold;
                    // SAFETY: the caller's promise; these are channels of the windows.
                    let out = unsafe { job.out.slice(start..start + channels) };
                    job.kernels.fold(out, tile, fold, first);
                }
            }
            column += count;
        }
    }

    /// Computes some columns of rows, from the run's places in `out` on.
    ///
    /// # Safety
    ///
    /// As [`run`](Self::run) for at most a tile's rows, and there is room in `out`.
    #[expect(clippy::too_many_arguments, reason = "what a task knows")]
    unsafe fn tile(
        &self,
        job: &Job<'_, T>,
        run: Run,
        column: usize,
        count: usize,
        stretches: &[Stretch],
        out: *mut T,
        accumulate: bool,
    ) {
        // Within the elements of a window, if there is a stretch.
        let a = job.source.as_ptr().wrapping_add(self.shape.source(column));
        // SAFETY: the caller's promise; a cell has one element for each column.
        unsafe {
            job.kernels.sum_strip(&Strip {
                rows: run.len,
                a: a.wrapping_add(run.start[0]),
                a_row: run.step[0],
                b: self.elements.as_ptr().wrapping_add(column),
                b_unit: self.shape.row(),
                stretches,
                c: out.wrapping_add(run.start[1]),
                c_row: run.step[1],
                columns: count,
                accumulate,
            });
        }
    }
}

impl Conv {
    /// How the forward pass adds up all groups side by side, if it does.
    pub(super) fn forward_shape<T: Float>(
        &self,
        kernels: &Kernels<T>,
    ) -> Option<ChannelShape> {
        let [channels, filters] = [self.channels, self.filters].map(|n| n / self.groups);
        let shape = match (self.groups, channels, filters) {
            (1, ..) => None,
            (_, 1, 1) => Some(ChannelShape::folded(kernels, self.filters, 1)),
            _ => ChannelShape::spread(kernels, self.groups, [filters, channels]),
        };
        Some(shape?.joined(self.forward.step() == self.channels))
    }

    /// As [`forward_shape`](Self::forward_shape), if four groups at a time are no faster.
    pub(super) fn forward_channels<T: Float>(
        &self,
        kernels: &Kernels<T>,
    ) -> Option<ChannelShape> {
        let shape = || self.forward_shape(kernels);
        if self.forward_columns().are_four(kernels) { None } else { shape() }
    }

    /// As [`forward_channels`](Self::forward_channels), for a phase of the pass to the input.
    pub(super) fn phase_shape<T: Float>(
        &self,
        kernels: &Kernels<T>,
        phase: &Phase,
    ) -> Option<ChannelShape> {
        let [channels, filters] = [self.channels, self.filters].map(|n| n / self.groups);
        let shape = match (self.groups, channels) {
            (1, _) => None,
            _ if self.phase_columns(phase).are_four(kernels) => None,
            (_, 1) => Some(ChannelShape::folded(kernels, self.filters, filters)),
            _ => ChannelShape::spread(kernels, self.groups, [channels, filters]),
        };
        Some(shape?.joined(phase.step[2] == 1))
    }

    /// Copies the kernel's rows for a phase.
    pub(super) fn fill_phase<T: Float>(
        &self,
        shape: &ChannelShape,
        phase: &Phase,
        kernel: &[T],
        to: &mut [T],
    ) {
        let [channels, filters] = [self.channels, self.filters].map(|n| n / self.groups);
        let to = &mut to[..shape.copy(phase.cells.len())];
        if channels == 1 {
            return shape.fill(to, |row, to| {
                let cell = phase.cells[row];
                to.copy_from_slice(&kernel[cell * self.filters..][..self.filters]);
            });
        }
        shape.fill(to, |row, to| {
            let (cell, filter) = (phase.cells[row / filters], row % filters);
            for (channel, to) in to.iter_mut().enumerate() {
                let row = cell * channels + channel % channels;
                *to = kernel[row * self.filters + channel / channels * filters + filter];
            }
        });
    }

    /// The elements of the kernel's copy for [`forward_side_by_side`](Self::forward_side_by_side).
    pub(super) const fn forward_copy(&self, shape: &ChannelShape) -> usize {
        if shape.together == 1 { 0 } else { shape.copy(self.cells[2]) }
    }

    #[expect(clippy::too_many_arguments, reason = "three tensors and what they run on")]
    pub(super) fn forward_side_by_side<T: Float>(
        &self,
        shape: ChannelShape,
        simd: Simd,
        threads: &Threads,
        x: &[T],
        kernel: &[T],
        y: &mut [T],
        scratch: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let channels = if shape.together == 1 {
            Channels::new(shape, kernel)
        } else {
            let copy = &mut scratch[..self.forward_copy(&shape)];
            let row = |row: usize, to: &mut [T]| {
                to.copy_from_slice(&kernel[row * self.filters..][..self.filters]);
            };
            shape.fill(copy, row);
            Channels::new(shape, copy)
        };
        let kernel = Factors::Channels(channels);
        let direct = self.forward_direct(1, self.filters);
        direct.run(simd, threads, x, kernel, &Disjoint::new(y), epilogue);
    }

    /// Adds up the slices of the windows, each block by block, and then the slices.
    #[expect(clippy::too_many_arguments, reason = "three tensors and what they run on")]
    pub(super) fn to_kernel_side_by_side<T: Float>(
        &self,
        shape: ChannelShape,
        kernels: &Kernels<T>,
        threads: &Threads,
        [x, dy]: [&[T]; 2],
        rows: usize,
        dkernel: &mut [T],
        sums: &mut [T],
    ) {
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
        let ChannelShape { columns, together, .. } = self.shape;
        let step = self.patches.step();
        let mut list = [Stretch::default(); STRETCHES];
        let (mut len, mut last) = (0, [const { 0..0 }; 3]);
        self.patches.lines(windows.clone(), class, |window, start, count, cells| {
            if len == STRETCHES || *cells != last {
                self.add(&last, &list[..len], together, sum);
                (len, last) = (0, cells.clone());
            }
            let b = window * columns;
            if count >= together {
                list[len] = Stretch { a: start, b, depth: count / together };
                len += 1;
            }
            let rest = count % together;
            if rest > 0 {
                let before = count - rest;
                let (a, b) = (start + before * step, b + before * columns);
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
        let mut rows = [[0; 2]; ELEMENTS];
        let mut len = 0;
        self.patches.cells_of(cells, |cell, start| {
            let (depth, width) = (self.shape.depth, self.shape.row());
            for i in 0..depth {
                rows[len] = [start + i, (cell * depth + i) * width];
                len += 1;
                if len == ELEMENTS {
                    self.tiles(&rows, stretches, windows, sum);
                    len = 0;
                }
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
        let ChannelShape { columns, together, width, .. } = self.shape;
        let tiles = rows.len().div_ceil(self.kernels.column_rows());
        let spreading = self.shape.is_spread().then(|| self.shape.spreading());
        for column in (0..windows * columns).step_by(width) {
            for tile in 0..tiles {
                // SAFETY: the stretches are cells of `x` that exist for these windows, and
                // their elements of `dy`; `sum` has a row for each cell.
                unsafe {
                    let sums = Sums {
                        a: self.x.as_ptr().add(self.shape.source(column)),
                        a_step: together * self.patches.step(),
                        b: self.dy.as_ptr().add(column),
                        b_step: together * columns,
                        b_unit: 1,
                        rows: &rows[part(rows.len(), tiles, tile)],
                        stretches,
                        c: sum.as_mut_ptr().add(column),
                        columns: width.min(windows * columns - column),
                        accumulate: true,
                    };
                    self.kernels.sum_by_columns(&sums, spreading.as_ref());
                }
            }
        }
    }
}
