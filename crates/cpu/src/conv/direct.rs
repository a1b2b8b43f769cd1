//! Sums over windows of images that stay where they are: [`Direct`].

use std::ops::Range;

use super::{TASK, columns::Columns, patches::Patches, side_by_side::Channels};
use crate::{
    Simd, Threads,
    gemm::{Beside, Epilogue, Kernels, Stretch, Sums},
    simd::Float,
    threads::{Disjoint, part},
};

/// The most rows of the product that are computed together.
const ROWS: usize = 256;

/// The most lines of a task, whose short ends make tiles together.
const LINES: usize = 16;

/// The least tasks for which that is done, and the multiplications that make more of them.
const UNITS: usize = 4;
const UNIT: usize = 8 * TASK;

/// The least images whose windows at one place make a tile.
const IMAGES: usize = 4;

/// The least elements of a kernel that is fetched from afar for each task: there are few then.
const FAR: usize = 1 << 17;

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
    /// Those at the same places of some lines, in so many parts of the batch.
    Images { parts: usize, lines: usize },
    /// Those that have the same cells in the lines of a task.
    Lines,
}

/// Windows that have the same cells.
struct Alike<'a> {
    /// The first one.
    place: [usize; 3],
    cells: &'a [Range<usize>; 3],
    /// The windows of a row.
    together: usize,
    images: Range<usize>,
    lines: usize,
    /// The rows in a line.
    count: usize,
}

/// Rows at equal distances: where they start in the source, from the first one's cells on, and
/// in the target.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) start: [usize; 2],
    pub(super) step: [usize; 2],
    pub(super) len: usize,
}

impl Run {
    /// Parts of about the same length, of at most so many rows.
    pub(super) fn parts(self, most: usize) -> impl Iterator<Item = Self> {
        let parts = if self.len <= most { 1 } else { self.len.div_ceil(most) };
        let (each, longer) =
            if parts == 1 { (self.len, 0) } else { (self.len / parts, self.len % parts) };
        let Self { start: [a, c], step: [a_step, c_step], .. } = self;
        // Each by itself: reading what the one before has just written would wait for it.
        (0..parts).map(move |number| {
            let before = number * each + number.min(longer);
            let len = each + usize::from(number < longer);
            let start = [a + before * a_step, c + before * c_step];
            Self { start, len, ..self }
        })
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
            Factors::Columns(columns) if columns.are_four(self.kernels) => {
                self.kernels.four_rows()
            }
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

    /// The most lines of a task.
    pub(super) fn task_lines(&self) -> usize {
        let [first, second, _] = self.patches.counts();
        let units = UNITS.max(self.work() / UNIT).div_ceil((self.batch * first).max(1));
        second.div_ceil(units).clamp(1, LINES)
    }

    /// By the shape, the rows of a tile, and the windows in a row; how many tasks there are, by
    /// the threads too.
    pub(super) fn order<T: Float>(&self, job: &Job<'_, T>, threads: &Threads) -> Order {
        let (rows, together) = (job.rows(), job.together());
        if !self.patches.is_clipped() && matches!(job.factors, Factors::Columns(_)) {
            return Order::Flat;
        }
        let counts = self.patches.counts();
        let kernel = self.patches.width() * self.columns * self.groups;
        let is_product = matches!(job.factors, Factors::Columns(_));
        if kernel >= FAR && self.batch > 1 && is_product {
            let each = if kernel < 4 * FAR { 2 } else { 1 };
            let tasks = (each * threads.count()).div_ceil(counts[0]);
            let parts = tasks.min(self.batch);
            let lines = counts[1].div_ceil(tasks.div_ceil(parts));
            return Order::Images { parts, lines };
        }
        let lines = self.task_lines();
        // The rows of tiles along lines; a tile of one takes the time of two.
        let (mut along, whole) = (0, counts[1] * counts[2].div_ceil(together));
        for down in self.patches.line_classes() {
            for class in self.patches.classes() {
                let windows = class.windows.len().div_ceil(together);
                let mut left = down.windows.len();
                while left > 0 {
                    let block = left.min(lines);
                    let tiles = (block * windows).div_ceil(rows);
                    along += (block * windows).max(2 * tiles);
                    left -= block;
                }
            }
        }
        let across = match job.factors {
            Factors::Columns(_) => 50 * along > 51 * whole,
            // Images lie far apart, and little is done with what is read.
            Factors::Channels(_) => counts[2].div_ceil(together) <= 4,
        };
        if self.batch >= IMAGES && across {
            Order::Images { parts: self.batch.div_ceil(rows), lines: 1 }
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
        let order = self.order(&job, threads);
        let all = self.batch * self.patches.windows();
        let [first, second, _] = self.patches.counts();
        let lines = self.task_lines();
        let units = match order {
            Order::Flat => all.div_ceil(ROWS).max(all.div_ceil(rows).min(4)),
            Order::Images { parts, lines } => parts * first * second.div_ceil(lines),
            Order::Lines => self.batch * first * second.div_ceil(lines),
        };
        let work = self.work();
        let each = (work / units.max(1)).max(1);
        let together = if work < TASK / 2 { units } else { TASK / each };
        let most = if work < TASK / 2 { units } else { units.div_ceil(2) };
        let together = together.clamp(1, most.max(1));
        threads.run(units.div_ceil(together), &|task| {
            for unit in task * together..units.min((task + 1) * together) {
                match order {
                    Order::Flat => {
                        if let Factors::Columns(kernel) = &job.factors {
                            self.flat(&job, kernel, part(all, units, unit));
                        }
                    }
                    Order::Images { parts, lines } => {
                        let blocks = second.div_ceil(lines);
                        let images = part(self.batch, parts, unit / (first * blocks));
                        let (p, start) = (unit / blocks % first, unit % blocks * lines);
                        let lines = start..second.min(start + lines);
                        self.whole_lines(&job, images, p, lines, true);
                    }
                    Order::Lines => {
                        let blocks = second.div_ceil(lines);
                        let (image, p) = (unit / blocks / first, unit / blocks % first);
                        let start = unit % blocks * lines;
                        let lines = start..second.min(start + lines);
                        self.whole_lines(&job, image..image + 1, p, lines, false);
                    }
                }
            }
        });
    }

    /// Windows one after the other, of which none is clipped.
    fn flat<T: Float>(
        &self,
        job: &Job<'_, T>,
        kernel: &Columns<'_, T>,
        windows: Range<usize>,
    ) {
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
        let classes = self.patches.classes();
        let cells = self.patches.existing([0; 2], &classes[0]);
        self.block(job, kernel, rows, [0; 3], &cells);
        self.finish(job, windows);
    }

    /// Lines of some images, which are lines of the target too.
    fn whole_lines<T: Float>(
        &self,
        job: &Job<'_, T>,
        images: Range<usize>,
        p: usize,
        lines: Range<usize>,
        across: bool,
    ) {
        self.lines(job, images.clone(), p, lines.clone(), across);
        let [first, second, third] = self.patches.counts();
        for image in images {
            let line = (image * first + p) * second;
            self.finish(job, (line + lines.start) * third..(line + lines.end) * third);
        }
    }

    /// The windows of lines of some images; a tile's are those at one place, or have the same
    /// cells.
    pub(super) fn lines<T: Float>(
        &self,
        job: &Job<'_, T>,
        images: Range<usize>,
        p: usize,
        lines: Range<usize>,
        across: bool,
    ) {
        for block in self.patches.line_classes() {
            let start = block.windows.start.max(lines.start);
            let lines = start..block.windows.end.min(lines.end);
            if lines.is_empty() {
                continue;
            }
            for class in self.patches.classes() {
                let cells = self.patches.existing([p, lines.start], class);
                // Rows of several windows, and one of the rest.
                let (len, together) = (class.windows.len(), job.together());
                let (whole, rest) = (len / together, len % together);
                for (start, count, together) in
                    [(0, whole, together), (len - rest, rest.min(1), rest)]
                {
                    let place = [p, lines.start, class.windows.start + start];
                    let alike = Alike {
                        place,
                        cells: &cells,
                        together,
                        images: images.clone(),
                        lines: lines.len(),
                        count,
                    };
                    if count > 0 {
                        self.alike(job, &alike, across);
                    }
                }
            }
        }
    }

    /// Rows that have the same cells.
    fn alike<T: Float>(&self, job: &Job<'_, T>, alike: &Alike<'_>, across: bool) {
        let Alike { place, cells, together, .. } = *alike;
        match &job.factors {
            Factors::Columns(kernel) => {
                let mut rows = [[0; 2]; ROWS];
                let mut len = 0;
                let block = |rows: &[[usize; 2]]| {
                    self.block(job, kernel, rows, place, cells);
                };
                self.runs(alike, across, false, |run| {
                    let [mut a, mut c] = run.start;
                    for _ in 0..run.len {
                        if len == ROWS {
                            block(&rows);
                            len = 0;
                        }
                        rows[len] = [a, c];
                        (a, c) = (a + run.step[0], c + run.step[1]);
                        len += 1;
                    }
                });
                block(&rows[..len]);
            }
            Factors::Channels(kernel) => {
                // Tiles lie within a run: along lines, or across if that is longer.
                let down = alike.count < alike.lines && alike.count < job.rows();
                self.patches.stretches(place, cells, |stretches, first| {
                    let mut spread = None;
                    self.runs(alike, across, down, |run| {
                        let accumulate = !first;
                        // SAFETY: the stretches are cells that exist in the images of these
                        // rows; each window's part of `out` has one task. `run` found that
                        // all images are there.
                        unsafe {
                            if !kernel.is_spread() {
                                kernel.run(job, run, together, stretches, accumulate);
                                return;
                            }
                            let spread = spread.get_or_insert_with(|| {
                                kernel.spread(stretches, run.step[0])
                            });
                            kernel.run_spread(job, run, together, spread, accumulate);
                        }
                    });
                });
            }
        }
    }

    /// Calls `visit` with rows at equal distances: across images, down the lines, or along
    /// them.
    fn runs(
        &self,
        alike: &Alike<'_>,
        across: bool,
        down: bool,
        mut visit: impl FnMut(Run),
    ) {
        let Alike { place: [p, q, r], together, ref images, lines, count, .. } = *alike;
        let (patches, target) = (self.patches, &self.target);
        // From a row, a line and an image to the next.
        let along =
            [together * patches.step(), together * target.step[2] * target.channels];
        let below =
            [patches.line_step(), target.step[1] * target.lens[2] * target.channels];
        let image = [patches.image(), target.image()];
        let at = |line: usize, step: usize| {
            let first = [0, target.place([p, q, r])];
            [0, 1].map(|i| {
                first[i] + images.start * image[i] + line * below[i] + step * along[i]
            })
        };
        if across {
            for line in 0..lines {
                for step in 0..count {
                    visit(Run { start: at(line, step), step: image, len: images.len() });
                }
            }
        } else if down {
            (0..count).for_each(|step| {
                visit(Run { start: at(0, step), step: below, len: lines });
            });
        } else {
            (0..lines).for_each(|line| {
                visit(Run { start: at(line, 0), step: along, len: count });
            });
        }
    }

    /// Tiles of rows, which have the cells of the one at a place.
    fn block<T: Float>(
        &self,
        job: &Job<'_, T>,
        kernel: &Columns<'_, T>,
        rows: &[[usize; 2]],
        place: [usize; 3],
        cells: &[Range<usize>; 3],
    ) {
        let tiles = rows.len().div_ceil(job.rows());
        let tile = |tile: usize| &rows[part(rows.len(), tiles, tile)];
        self.patches.stretches(place, cells, |stretches, first| {
            let tiles = (0..tiles).map(tile);
            let together = kernel.together(job.kernels);
            for group in (0..self.groups).step_by(together) {
                let groups = group..self.groups.min(group + together);
                self.group(job, kernel, &tiles, groups, stretches, first);
            }
        });
    }

    /// Tiles of the columns of a group, or of some.
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
                    let mut sums = Sums {
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
                    let b = kernel.beside(job.kernels);
                    let beside = Beside::new(groups.len(), self.patches.run(), b);
                    if kernel.are_four(job.kernels) {
                        sums.columns *= groups.len();
                        job.kernels.sum_steps_of_four(&sums, beside);
                    } else if groups.len() == 2 {
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
