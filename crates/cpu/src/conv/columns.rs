//! Kernels as matrices: [`Columns`].

use super::TASK;
use crate::{Threads, gemm::Kernels, simd::Float, threads::Disjoint};

/// A kernel as a matrix, the elements of a window by columns, of each group.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a, T> {
    elements: &'a [T],
    depth: usize,
    columns: usize,
    groups: usize,
    packed: bool,
    /// How many elements of a cell follow each other in a copy: so many, or a divisor, can be
    /// added up at once.
    run: usize,
}

/// The depth of a group's matrix, the elements of a cell among it, its columns, and the groups.
#[derive(Clone, Copy)]
pub(super) struct ColumnsShape {
    pub(super) depth: usize,
    pub(super) run: usize,
    pub(super) columns: usize,
    pub(super) groups: usize,
}

impl ColumnsShape {
    /// Whether four groups make a tile, which adds up four steps at once.
    pub(super) const fn are_four<T>(&self, kernels: &Kernels<T>) -> bool {
        self.groups > 2
            && self.run.is_multiple_of(4)
            && kernels.spread_is_fast()
            && kernels.are_four(self.columns)
    }
}

/// Puts four steps at a time side by side, by turns, of copied ones that are filled up.
fn join_four<T: Float>(filled: usize, columns: usize, steps: &mut [T]) {
    for four in 0..steps.len() / (4 * filled) {
        let from = &steps[4 * four * filled..][..4 * filled];
        let mut joined = [T::ZERO; 16];
        let joined = &mut joined[..4 * columns];
        for (step, from) in from.chunks_exact(filled).enumerate() {
            for (column, &element) in from[..columns].iter().enumerate() {
                joined[4 * column + step] = element;
            }
        }
        steps[4 * four * columns..][..4 * columns].copy_from_slice(joined);
    }
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
        Self { elements, depth, columns, groups, packed: false, run: 1 }
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
        Self { elements, depth, columns, groups, packed: true, run }
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
            if shape.are_four(kernels) {
                join_four(kernels.half_lanes(), count, to);
            } else if run.is_multiple_of(2) && kernels.are_pairs(count) {
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
    pub(super) const fn beside(&self, kernels: &Kernels<T>) -> usize {
        if self.packed {
            Self::packed_len(kernels, self.depth, self.columns)
        } else {
            self.columns
        }
    }

    /// Whether a tile of so many columns adds up two steps at once.
    pub(super) const fn are_pairs(&self, kernels: &Kernels<T>, columns: usize) -> bool {
        self.packed && self.run.is_multiple_of(2) && kernels.are_pairs(columns)
    }

    /// Whether four groups make a tile, which adds up four steps at once.
    pub(super) const fn are_four(&self, kernels: &Kernels<T>) -> bool {
        let Self { depth, run, columns, groups, .. } = *self;
        self.packed && ColumnsShape { depth, run, columns, groups }.are_four(kernels)
    }

    /// The groups that make a tile.
    pub(super) const fn together(&self, kernels: &Kernels<T>) -> usize {
        if self.are_four(kernels) {
            4
        } else if self.are_pairs(kernels, self.columns) && kernels.are_two(self.columns) {
            2
        } else {
            1
        }
    }

    /// The columns from a given one on that make a tile: where they start, from step to step,
    /// and how many there are.
    pub(super) fn panel(
        &self,
        kernels: &Kernels<T>,
        group: usize,
        column: usize,
    ) -> (*const T, usize, usize) {
        let count = kernels.sum_columns().min(self.columns - column);
        let (start, step) = if self.are_four(kernels) {
            (group * self.beside(kernels), count)
        } else if self.packed {
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
