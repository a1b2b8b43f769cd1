//! Sums over windows of images that stay where they are: [`Direct`].

use std::ops::Range;

use super::{TASK, patches::Patches, side_by_side::Channels};
use crate::{
    Simd, Threads,
    gemm::{Beside, Epilogue, Kernels, Stretch, Sums},
    simd::Float,
    threads::{Disjoint, part},
};

/// The most rows of the product that are computed together.
const ROWS: usize = 128;

/// The least images whose windows at one place make a tile.
const IMAGES: usize = 4;

/// Where the sums of windows go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// The cells of an image.
    pub(super) lens: [usize; 3],
    /// The cell of the first window, and from one window to the next, along each axis.
    pub(super) start: [usize; 3],
    pub(super) step: [usize; 3],
    /// The elements of a cell.
    pub(super) channels: usize,
}

impl Target {
    const fn image(&self) -> usize {
        self.lens[0] * self.lens[1] * self.lens[2] * self.channels
    }

    /// Where a window's sums start in their image.
    const fn place(&self, window: [usize; 3]) -> usize {
        let (mut at, mut axis) = (0, 0);
        while axis < 3 {
            at = at * self.lens[axis] + self.start[axis] + window[axis] * self.step[axis];
            axis += 1;
        }
        at * self.channels
    }
}

/// The product of all windows of a batch with a kernel.
pub(super) struct Direct<'a> {
    pub(super) patches: &'a Patches,
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// The columns of a group.
    pub(super) columns: usize,
    pub(super) target: Target,
}

/// Which windows make a tile; all that do read the same cells, but for where they are.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// One after the other: none reaches beyond its image.
    Flat,
    /// Those at the same place, in so many parts of the batch.
    Images(usize),
    /// Those side by side along the last axis.
    Lines,
}

/// A kernel as a matrix, the elements of a window by columns, of each group.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a, T> {
    elements: &'a [T],
    depth: usize,
    columns: usize,
    groups: usize,
    packed: bool,
    /// Whether cells have an even number of elements, so that two steps can be added up at
    /// once.
    even: bool,
}

/// The depth of a group's matrix, the elements of a cell among it, its columns, and the groups.
#[derive(Clone, Copy)]
pub(super) struct ColumnsShape {
    pub(super) depth: usize,
    pub(super) run: usize,
    pub(super) columns: usize,
    pub(super) groups: usize,
}

impl<'a, T: Float> Columns<'a, T> {
    /// Whether a kernel with the columns of all groups side by side needs no copy.
    pub(super) const fn are_direct(
        kernels: &Kernels<T>,
        run: usize,
        columns: usize,
    ) -> bool {
        columns.is_multiple_of(kernels.half_lanes())
            && columns <= 2 * kernels.sum_columns()
            && !(run.is_multiple_of(2)
                && kernels.are_pairs(columns % kernels.sum_columns()))
    }

    /// The kernel as it is.
    pub(super) const fn direct(elements: &'a [T], shape: ColumnsShape) -> Self {
        let ColumnsShape { depth, columns, groups, .. } = shape;
        Self { elements, depth, columns, groups, packed: false, even: false }
    }

    /// The elements of a group's copy.
    pub(super) const fn packed_len(
        kernels: &Kernels<T>,
        depth: usize,
        columns: usize,
    ) -> usize {
        depth * columns.next_multiple_of(kernels.half_lanes())
    }

    /// A copy that [`packed`](Self::packed) made.
    pub(super) const fn of_copy(shape: ColumnsShape, elements: &'a [T]) -> Self {
        let ColumnsShape { depth, run, columns, groups } = shape;
        let even = run.is_multiple_of(2);
        Self { elements, depth, columns, groups, packed: true, even }
    }

    /// A copy at `to`; `copy` makes those of some steps and columns: the group, the first
    /// column, how many there are, and the place.
    pub(super) fn packed(
        kernels: &Kernels<T>,
        threads: &Threads,
        shape: ColumnsShape,
        to: &'a mut [T],
        copy: impl Fn(usize, usize, usize, &mut [T]) + Sync,
    ) -> Self {
        let ColumnsShape { depth, run, columns, groups } = shape;
        let width = kernels.sum_columns();
        let panels = columns.div_ceil(width);
        let len = Self::packed_len(kernels, depth, columns);
        let elements = Disjoint::new(&mut to[..groups * len]);
        let panel = |task: usize| {
            let (group, first) = (task / panels, task % panels * width);
            let start = group * len + depth * first;
            let count = width.min(columns - first);
            let end = start + Self::packed_len(kernels, depth, count);
            // SAFETY: panels lie one after the other, and each has one task.
            let to = unsafe { elements.slice(start..end) };
            copy(group, first, count, to);
            if run.is_multiple_of(2) && kernels.are_pairs(count) {
                kernels.join_steps(to, count);
            }
        };
        if groups * len < TASK / 8 {
            (0..groups * panels).for_each(panel);
        } else {
            threads.run(groups * panels, &panel);
        }
        Self::of_copy(shape, to)
    }

    /// From a group to the next in the elements.
    const fn beside(&self, kernels: &Kernels<T>) -> usize {
        if self.packed {
            Self::packed_len(kernels, self.depth, self.columns)
        } else {
            self.columns
        }
    }

    /// Whether a tile of so many columns adds up two steps at once.
    const fn are_pairs(&self, kernels: &Kernels<T>, columns: usize) -> bool {
        self.even && kernels.are_pairs(columns)
    }

    /// Whether two groups make a tile.
    const fn are_two(&self, kernels: &Kernels<T>) -> bool {
        self.are_pairs(kernels, self.columns) && kernels.are_two(self.columns)
    }

    /// The columns from a given one on that make a tile: where they start, from step to step,
    /// and how many there are.
    fn panel(
        &self,
        kernels: &Kernels<T>,
        group: usize,
        column: usize,
    ) -> (*const T, usize, usize) {
        let count = kernels.sum_columns().min(self.columns - column);
        let (start, step) = if self.packed {
            (
                group * self.beside(kernels) + self.depth * column,
                count.next_multiple_of(kernels.half_lanes()),
            )
        } else {
            (group * self.columns + column, self.groups * self.columns)
        };
        (self.elements[start..].as_ptr(), step, count)
    }
}

/// What windows are multiplied with.
#[derive(Clone, Copy)]
pub(super) enum Factors<'a, T> {
    /// A matrix for each group.
    Columns(Columns<'a, T>),
    /// The elements of all groups side by side, which count as one.
    Channels(Channels<'a, T>),
}

/// What all tasks know.
pub(super) struct Job<'a, T: 'static> {
    pub(super) kernels: &'a Kernels<T>,
    pub(super) source: &'a [T],
    factors: Factors<'a, T>,
    pub(super) out: &'a Disjoint<'a, T>,
    epilogue: Option<Epilogue<'a, T>>,
}

impl<T: Float> Job<'_, T> {
    /// The most rows of a tile.
    pub(super) const fn rows(&self) -> usize {
        match self.factors {
            Factors::Columns(_) => self.kernels.sum_rows(),
            Factors::Channels(_) => self.kernels.column_rows(),
        }
    }

    /// The windows side by side that make a row of a tile, where there are as many.
    const fn together(&self) -> usize {
        match &self.factors {
            Factors::Columns(_) => 1,
            Factors::Channels(channels) => channels.together(),
        }
    }
}

impl Direct<'_> {
    /// What its tasks know.
    pub(super) fn job<'a, T: Float>(
        &self,
        kernels: &'a Kernels<T>,
        source: &'a [T],
        factors: Factors<'a, T>,
        out: &'a Disjoint<'a, T>,
        epilogue: Option<Epilogue<'a, T>>,
    ) -> Job<'a, T> {
        assert!(self.batch * self.patches.image() <= source.len(), "all images");
        assert!(self.batch * self.target.image() <= out.len(), "all results");
        Job { kernels, source, factors, out, epilogue }
    }

    /// The multiplications.
    pub(super) const fn work(&self) -> usize {
        let windows = self.batch * self.patches.windows();
        windows * self.patches.width() * self.columns * self.groups
    }

    /// By the shape, the rows of a tile, and the windows in a row.
    pub(super) fn order<T: Float>(&self, job: &Job<'_, T>) -> Order {
        let (rows, together) = (job.rows(), job.together());
        if !self.patches.is_clipped() && together == 1 {
            return Order::Flat;
        }
        // The rows of tiles along lines; a tile of one takes the time of two.
        let along = self.patches.classes().iter().map(|class| {
            let windows = class.windows.len().div_ceil(together);
            windows.max(2 * windows.div_ceil(rows))
        });
        let along: usize = along.sum();
        let whole = self.patches.counts()[2].div_ceil(together);
        let across = match job.factors {
            Factors::Columns(_) => 25 * along > 26 * whole,
            // Images lie far apart, and little is done with what is read.
            Factors::Channels(_) => whole <= 4,
        };
        if self.batch >= IMAGES && across {
            Order::Images(self.batch.div_ceil(rows))
        } else {
            Order::Lines
        }
    }

    /// Computes all sums, and hands finished rows to the epilogue, if the target is the whole
    /// of the images.
    pub(super) fn run<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        source: &[T],
        factors: Factors<'_, T>,
        out: &Disjoint<'_, T>,
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let job = self.job(T::kernels(simd), source, factors, out, epilogue);
        let rows = job.rows();
        let order = self.order(&job);
        let all = self.batch * self.patches.windows();
        let [first, second, _] = self.patches.counts();
        let units = match order {
            Order::Flat => all.div_ceil(ROWS).max(all.div_ceil(rows).min(4)),
            Order::Images(parts) => parts * first * second,
            Order::Lines => self.batch * first * second,
        };
        let work = self.work();
        let each = (work / units.max(1)).max(1);
        let together = if work < TASK / 2 { units } else { TASK / each };
        let most = if work < TASK / 2 { units } else { units.div_ceil(2) };
        let together = together.clamp(1, most.max(1));
        threads.run(units.div_ceil(together), &|task| {
            for unit in task * together..units.min((task + 1) * together) {
                match order {
                    Order::Flat => self.flat(&job, part(all, units, unit)),
                    Order::Images(parts) => {
                        let images = part(self.batch, parts, unit / (first * second));
                        self.whole_line(&job, images, unit % (first * second), true);
                    }
                    Order::Lines => {
                        let image = unit / (first * second);
                        let line = unit % (first * second);
                        self.whole_line(&job, image..image + 1, line, false);
                    }
                }
            }
        });
    }

    /// Windows one after the other, of which none is clipped.
    fn flat<T: Float>(&self, job: &Job<'_, T>, windows: Range<usize>) {
        let mut rows = [[0; 2]; ROWS];
        let rows = &mut rows[..windows.len()];
        let [_, _, third] = self.patches.counts();
        let steps = [self.patches.step(), self.target.step[2] * self.target.channels];
        let mut filled = 0;
        while filled < rows.len() {
            // A line at a time.
            let (image, place) = self.patches.place(windows.start + filled);
            let mut row = [
                image * self.patches.image() + self.patches.start(place),
                image * self.target.image() + self.target.place(place),
            ];
            let end = rows.len().min(filled + third - place[2]);
            for to in &mut rows[filled..end] {
                *to = row;
                row = [row[0] + steps[0], row[1] + steps[1]];
            }
            filled = end;
        }
        let tiles = rows.len().div_ceil(job.rows());
        let classes = self.patches.classes();
        let cells = self.patches.existing([0; 2], &classes[0]);
        self.block(job, rows, [tiles, 1], [0; 3], &cells);
        self.finish(job, windows);
    }

    /// A line of some images, which is one of the target too.
    fn whole_line<T: Float>(
        &self,
        job: &Job<'_, T>,
        images: Range<usize>,
        line: usize,
        across: bool,
    ) {
        self.line(job, images.clone(), line, across);
        for image in images {
            let windows = self.patches.counts()[2];
            let first = image * self.patches.windows() + line * windows;
            self.finish(job, first..first + windows);
        }
    }

    /// The windows of a line of some images; a tile's are those at one place, or side by side.
    pub(super) fn line<T: Float>(
        &self,
        job: &Job<'_, T>,
        images: Range<usize>,
        line: usize,
        across: bool,
    ) {
        let second = self.patches.counts()[1];
        let (p, q) = (line / second, line % second);
        let start = self.target.place([p, q, 0]);
        let step = self.target.step[2] * self.target.channels;
        let row = |image: usize, window: usize, steps: usize| {
            [
                image * self.patches.image() + steps * self.patches.step(),
                image * self.target.image() + start + window * step,
            ]
        };
        for class in self.patches.classes() {
            let cells = self.patches.existing([p, q], class);
            let each = if across { (ROWS / images.len()).max(1) } else { ROWS };
            // Rows of several windows, and one of the rest.
            let (len, together) = (class.windows.len(), job.together());
            let (whole, rest) = (len / together, len % together);
            for (start, count, together) in
                [(0, whole, together), (len - rest, rest.min(1), rest)]
            {
                for first in (0..count).step_by(each) {
                    let here = each.min(count - first);
                    let start = class.windows.start + start + first * together;
                    let mut rows = [[0; 2]; ROWS];
                    let mut len = 0;
                    for steps in (0..here).map(|row| row * together) {
                        for image in images.clone() {
                            rows[len] = row(image, start + steps, steps);
                            len += 1;
                        }
                    }
                    let tiles = if across { here } else { len.div_ceil(job.rows()) };
                    let rows = &rows[..len];
                    self.block(job, rows, [tiles, together], [p, q, start], &cells);
                }
            }
        }
    }

    /// Tiles of rows of so many windows, which have the cells of one at a place.
    fn block<T: Float>(
        &self,
        job: &Job<'_, T>,
        rows: &[[usize; 2]],
        [tiles, together]: [usize; 2],
        place: [usize; 3],
        cells: &[Range<usize>; 3],
    ) {
        let tile = |tile: usize| &rows[part(rows.len(), tiles, tile)];
        self.patches.stretches(place, cells, |stretches, first| match &job.factors {
            Factors::Columns(kernel) => {
                let tiles = (0..tiles).map(tile);
                let together = if kernel.are_two(job.kernels) { 2 } else { 1 };
                for group in (0..self.groups).step_by(together) {
                    let groups = group..self.groups.min(group + together);
                    self.group(job, kernel, &tiles, groups, stretches, first);
                }
            }
            Factors::Channels(kernel) => {
                for rows in (0..tiles).map(tile) {
                    // SAFETY: the stretches are cells that exist in the images of these rows;
                    // each window's part of `out` has one task. `run` found that all images
                    // are there.
                    unsafe { kernel.block(job, rows, together, stretches, !first) };
                }
            }
        });
    }

    /// Tiles of the columns of a group, or of two.
    fn group<'r, T: Float>(
        &self,
        job: &Job<'_, T>,
        kernel: &Columns<'_, T>,
        tiles: &(impl Iterator<Item = &'r [[usize; 2]]> + Clone),
        groups: Range<usize>,
        stretches: &[Stretch],
        first: bool,
    ) {
        let group = groups.start;
        for column in (0..self.columns).step_by(job.kernels.sum_columns()) {
            let (b, b_step, columns) = kernel.panel(job.kernels, group, column);
            for rows in tiles.clone() {
                // SAFETY: the stretches are cells that exist in the images of these rows, and
                // elements of the kernel; each window's part of `out` has one task. `run`
                // found that all images are there.
                unsafe {
                    let sums = Sums {
                        a: job.source.as_ptr().add(group * self.patches.run()),
                        a_step: 1,
                        b,
                        b_step,
                        b_unit: b_step,
                        rows,
                        stretches,
                        c: job.out.as_ptr().add(group * self.columns + column),
                        columns,
                        accumulate: !first,
                    };
                    let pairs = kernel.are_pairs(job.kernels, columns);
                    if groups.len() == 2 {
                        let b = kernel.beside(job.kernels);
                        let beside = Beside { a: self.patches.run(), b };
                        job.kernels.sum_steps_of_two(&sums, beside);
                    } else if pairs {
                        job.kernels.sum_steps(&sums);
                    } else {
                        job.kernels.sum(&sums);
                    }
                }
            }
        }
    }

    /// Hands finished rows of the target to the epilogue.
    pub(super) fn finish<T: Float>(&self, job: &Job<'_, T>, windows: Range<usize>) {
        let Some(epilogue) = job.epilogue else { return };
        let channels = self.target.channels;
        // SAFETY: the calling task has computed these rows, and nobody else uses them.
        let part =
            unsafe { job.out.slice(windows.start * channels..windows.end * channels) };
        epilogue(windows.start, 0, part);
    }
}
