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
    pub(super) const fn beside(&self, kernels: &Kernels<T>) -> usize {
        if self.packed {
            Self::packed_len(kernels, self.depth, self.columns)
        } else {
            self.columns
        }
    }

    /// Whether a tile of so many columns adds up two steps at once.
    pub(super) const fn are_pairs(&self, kernels: &Kernels<T>, columns: usize) -> bool {
        self.even && kernels.are_pairs(columns)
    }

    /// Whether two groups make a tile.
    pub(super) const fn are_two(&self, kernels: &Kernels<T>) -> bool {
        self.are_pairs(kernels, self.columns) && kernels.are_two(self.columns)
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
