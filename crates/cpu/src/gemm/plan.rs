//! How a product is cut into tasks, by its shape and the kernels' size alone: [`Plan`].

use std::ops::Range;

use super::{Gemm, kernel::Kernels, run::ROW_PANELS};
use crate::threads::part;

/// The most steps of a sum that are computed at a time: between the panels of columns, a panel of
/// A stays in the first or the second cache.
const DEPTH: usize = 512;

/// The elements of A that a task reads as steps before it goes on to the next ones: they stay in
/// the second cache between the panels of columns and of rows that share a cache line.
const BLOCK: usize = 1 << 15;

/// The multiplications that make a task worth handing over.
const TASK: usize = 1 << 18;

/// The multiplications with one row that make a task: each element of B is read for one.
const ROW_TASK: usize = 1 << 16;

/// The least rows or columns of a task, so that what it packs is used often enough.
const LEAST: usize = 64;

/// The most rows or columns of a task, so that what it packs stays in the second cache.
const MOST: usize = 256;

/// The tasks that are enough for many threads.
pub(crate) const ENOUGH: usize = 16;

/// The elements of a matrix that stays in the first cache.
pub(super) const SMALL: usize = 8192;

/// The elements of a matrix that stays in the second cache.
pub(super) const LARGE: usize = 1 << 17;

/// The most bytes of a B that is read where it is: a larger one is fetched from memory in longer
/// pieces when it is copied.
const NEAR: usize = 8 << 20;

/// The bytes after which addresses fall into the same set of the first cache.
const PAGE: usize = 4096;

/// The most columns of a product that reads A where it is: for more, a copy costs next to nothing.
const MOST_COLUMNS: usize = 1024;

/// The most rows of a task that reads A as steps: a step's part of A is then a page.
const MOST_STEPS: usize = 1024;

/// The most steps of sums that take less time than C does on its way to memory.
const SHORT: usize = 64;

/// The least elements of a C that no cache holds.
const FAR: usize = 1 << 21;

/// Elements in a cache line of the smallest number type.
pub(super) const LINE: usize = 16;

/// How the elements of an operand come to the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Source {
    /// As they are; a row's elements lie side by side.
    Direct,
    /// As they are; the elements of a step of the sum lie side by side. Only for A.
    Steps,
    /// Packed by all threads, before the tasks.
    Shared,
    /// Packed by each task.
    Private,
    /// Packed by the caller, as if shared. Only for B.
    Given,
}

/// How a product is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Plan {
    /// There is no product: C is zero, or stays.
    Nothing,
    /// One row times row-major B, in so many parts of the sum.
    RowSums { n: usize, slices: usize },
    /// One row times column-major B, in so many parts of the columns.
    RowDots { parts: usize },
    /// Anything else.
    Blocks(Blocks),
}

/// Tiles, in panels of rows and columns, in tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Blocks {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    lanes: usize,
    pub a: Source,
    pub b: Source,
    /// The panels that the rows are cut into, of nearly equal height.
    pub(super) row_panels: usize,
    /// The panels of two vectors that the columns are cut into; the last may be narrower.
    pub(super) column_panels: usize,
    /// The tasks that the rows are cut into.
    row_tasks: usize,
    column_tasks: usize,
    /// The parts of the sum that are added up separately, then together.
    pub slices: usize,
    /// The most steps of a sum that are computed at a time.
    depth: usize,
    /// Whether C is written row by row, because it takes longer to be written than B to be read.
    pub far: bool,
}

impl Plan {
    #[must_use]
    pub fn new<T>(gemm: &Gemm, kernels: &Kernels<T>) -> Self {
        let Gemm { m, n, k, .. } = *gemm;
        let work = m.saturating_mul(n).saturating_mul(k);
        if work == 0 {
            return Self::Nothing;
        }
        // With one column it could be either; the sums are the faster way only for many.
        if m == 1 && gemm.a[1] == 1 && n > 1 {
            if gemm.b[0] == 1 && k > 1 {
                return Self::RowDots { parts: even((work / ROW_TASK).min(n / LEAST)) };
            }
            if gemm.b[1] == 1 {
                return Self::RowSums {
                    n,
                    slices: even((work / ROW_TASK).min(k / LEAST)),
                };
            }
        }
        Self::Blocks(Blocks::new(gemm, kernels, work))
    }

    /// The tasks that the greater part of the work is cut into.
    pub(super) const fn tasks(&self) -> usize {
        match self {
            Self::Nothing => 1,
            Self::RowSums { slices, .. } => *slices,
            Self::RowDots { parts } => *parts,
            Self::Blocks(blocks) => blocks.tasks(),
        }
    }

    /// The elements of scratch memory.
    pub(super) fn scratch(&self, threads: usize) -> usize {
        match self {
            Self::Nothing | Self::RowDots { .. } => 0,
            Self::RowSums { n, slices } => (slices - 1) * n,
            Self::Blocks(blocks) => {
                let threads = if blocks.tasks() == 1 { 1 } else { threads };
                let private = blocks.private_a() + blocks.private_b();
                blocks.shared_a()
                    + blocks.shared_b()
                    + blocks.partial_sums()
                    + threads * private
                    + LINE
            }
        }
    }
}

impl Blocks {
    /// One task that reads a copy of B which [`Packed`](super::Packed) made.
    pub(super) fn with_packed_b<T>(gemm: &Gemm, kernels: &Kernels<T>) -> Self {
        Self { b: Source::Given, depth: DEPTH, ..Self::new(gemm, kernels, 1) }
    }

    fn new<T>(gemm: &Gemm, kernels: &Kernels<T>, work: usize) -> Self {
        let Gemm { m, n, k, .. } = *gemm;
        let width = 2 * kernels.lanes;
        // Rows so far apart lie in few sets of the first cache.
        let page = PAGE / size_of::<T>();
        let crowded = |step: usize| step.is_multiple_of(page);
        let direct_a = gemm.a[1] == 1
            && n <= MOST_COLUMNS
            && (n <= 8 * width || m <= 2 * LEAST || !crowded(gemm.a[0]));
        let small_a = k.saturating_mul(gemm.a[1].max(m)) <= SMALL;
        let few_columns = n <= 2 * width || (n <= 4 * width && !crowded(gemm.a[1]));
        let steps = gemm.a[0] == 1 && !direct_a && (few_columns || small_a);
        let near_b = k.saturating_mul(gemm.b[0]) <= NEAR / size_of::<T>()
            && (gemm.b[0] <= page / 2 || !gemm.b[0].is_multiple_of(page / 2));
        let direct_b = gemm.b[1] == 1 && (near_b || m <= 4 * kernels.rows);
        // Where nothing is copied, or B is copied soon, rows are cut: C is written in order.
        let far = k <= SHORT && m.saturating_mul(n) >= FAR && n * k <= FAR / 4;
        let by_rows = m >= n
            || (direct_a && direct_b && m >= 4 * LEAST && 2 * m >= n)
            || (n * k <= SMALL && m >= 2 * LEAST)
            || (far && m >= 8 * LEAST);
        let long = if by_rows { m } else { n };
        let most = if steps && by_rows { MOST_STEPS } else { MOST };
        let mut tasks = even((work / TASK).min(long / LEAST).min(ENOUGH));
        tasks = tasks.max(if work > TASK { long.div_ceil(most) } else { 1 });
        let mut slices = 1;
        let turned = gemm.a[1] != 1;
        if (tasks < 4 || turned) && work >= 16 * TASK && k >= 1024 && m * n <= 1 << 16 {
            // Few rows and columns, long sums.
            slices = even((k / 512).min(8));
            tasks = 1;
        }
        let split = tasks > 1;
        // A small operand is copied by each task rather than fetched from another core.
        let source = |direct, across, len: usize| match (direct, split && across) {
            (true, _) => Source::Direct,
            (false, true) if len > LARGE => Source::Shared,
            (false, _) => Source::Private,
        };
        let block = if n > width { 2 * BLOCK } else { BLOCK };
        let depth = match (steps, by_rows) {
            (true, true) => block / m.div_ceil(tasks),
            (true, false) => block / m,
            _ => DEPTH,
        };
        let (row_panels, column_panels) = (m.div_ceil(kernels.rows), n.div_ceil(width));
        Self {
            m,
            n,
            k,
            lanes: kernels.lanes,
            a: if steps { Source::Steps } else { source(direct_a, !by_rows, m * k) },
            b: source(direct_b, by_rows, k * n),
            row_panels,
            column_panels,
            row_tasks: if by_rows { tasks.min(row_panels) } else { 1 },
            column_tasks: if by_rows { 1 } else { tasks.min(column_panels) },
            slices,
            far,
            depth: (depth / 8 * 8).clamp(16, DEPTH),
        }
    }

    /// Whether one task reads the operands where they are, and computes whole sums.
    pub(super) fn is_at_once(&self) -> bool {
        let near_a = matches!(self.a, Source::Direct | Source::Steps);
        let near_b = match self.b {
            Source::Given => true,
            // Few rows have wider tiles.
            Source::Direct => {
                let few = self.a != Source::Direct && self.row_panels == 1;
                self.n.is_multiple_of(self.lanes) && !few
            }
            _ => false,
        };
        // Many rows are read group by group.
        let few_panels =
            self.row_panels <= ROW_PANELS || self.far || self.n * self.k <= SMALL;
        let whole = self.tasks() == 1 && self.depth(&(0..self.k)) == self.k;
        near_a && near_b && few_panels && whole
    }

    /// The steps of the sum that are computed together.
    pub(super) fn depth(&self, steps: &Range<usize>) -> usize {
        let blocks = steps.len().div_ceil(self.depth).max(1);
        steps.len().div_ceil(blocks).next_multiple_of(8).min(steps.len())
    }

    #[must_use]
    pub const fn tasks(&self) -> usize {
        self.row_tasks * self.column_tasks * self.slices
    }

    /// Whether a task has a part of each of its rows.
    pub(super) const fn has_parts_of_rows(&self) -> bool {
        self.column_tasks > 1
    }

    /// The panels of rows, of columns, and the slice of a task.
    pub(super) fn task(&self, index: usize) -> (Range<usize>, Range<usize>, usize) {
        let (slice, place) = (index % self.slices, index / self.slices);
        let (row, column) = (place / self.column_tasks, place % self.column_tasks);
        (
            part(self.row_panels, self.row_tasks, row),
            part(self.column_panels, self.column_tasks, column),
            slice,
        )
    }

    /// The first row of a panel.
    pub(super) const fn row(&self, panel: usize) -> usize {
        panel * self.m / self.row_panels
    }

    /// The first column of a panel.
    pub(super) const fn column(&self, panel: usize) -> usize {
        let column = panel * 2 * self.lanes;
        if column < self.n { column } else { self.n }
    }

    /// The columns of a panel's copy, which is filled up to a whole vector.
    pub(super) const fn width(&self, panel: usize) -> usize {
        (self.column(panel + 1) - self.column(panel)).next_multiple_of(self.lanes)
    }

    /// Where the copy of a panel starts, for each step of the sum.
    pub(super) const fn padded_column(&self, panel: usize) -> usize {
        let column = panel * 2 * self.lanes;
        let end = self.n.next_multiple_of(self.lanes);
        if column < end { column } else { end }
    }

    /// The steps of the sum in a slice.
    pub(super) fn slice(&self, index: usize) -> Range<usize> {
        part(self.k, self.slices, index)
    }

    fn longest_depth(&self) -> usize {
        (0..self.slices).map(|i| self.depth(&self.slice(i))).max().unwrap_or_default()
    }

    pub(super) fn shared_a(&self) -> usize {
        if self.a == Source::Shared { line(self.m * self.k) } else { 0 }
    }

    pub(super) fn shared_b(&self) -> usize {
        if self.b == Source::Shared { self.packed_b() } else { 0 }
    }

    /// The elements of a packed copy of B.
    pub(super) fn packed_b(&self) -> usize {
        line(self.padded_column(self.column_panels) * self.k)
    }

    pub(super) fn private_a(&self) -> usize {
        if self.a != Source::Private {
            return 0;
        }
        let rows = (0..self.row_tasks).map(|i| {
            let panels = part(self.row_panels, self.row_tasks, i);
            self.row(panels.end) - self.row(panels.start)
        });
        line(rows.max().unwrap_or_default() * self.longest_depth())
    }

    pub(super) fn private_b(&self) -> usize {
        let columns = match self.b {
            Source::Shared | Source::Given => 0,
            // A last panel that ends within a vector cannot be read as it is.
            Source::Direct if self.n.is_multiple_of(self.lanes) => 0,
            Source::Direct => 2 * self.lanes,
            Source::Private | Source::Steps => {
                let width = |i| {
                    let panels = part(self.column_panels, self.column_tasks, i);
                    self.padded_column(panels.end) - self.padded_column(panels.start)
                };
                (0..self.column_tasks).map(width).max().unwrap_or_default()
            }
        };
        line(columns * self.longest_depth())
    }

    pub(super) fn partial_sums(&self) -> usize {
        if self.slices > 1 { line(self.slices * self.m * self.n) } else { 0 }
    }
}

/// Some tasks less, or one, so that two or four threads get equally many.
const fn even(tasks: usize) -> usize {
    match tasks {
        0 | 1 => 1,
        2 | 3 => 2,
        _ => tasks / 4 * 4,
    }
}

/// So many elements that the next start a cache line.
const fn line(elements: usize) -> usize {
    elements.next_multiple_of(LINE)
}
