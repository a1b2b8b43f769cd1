//! The tasks of a product: [`run`].

use std::ops::Range;

use super::{
    Epilogue, Gemm,
    at_once::at_once,
    kernel::{Kernels, Operands, wide_vectors},
    plan::{Blocks, LARGE, LINE, Plan, Source},
    row::Row,
};
use crate::{Threads, simd::Float, threads::part};

/// The panels of A that part of B is fetched for at a time.
pub(super) const ROW_PANELS: usize = 16;

/// Where the matrices start.
#[derive(Clone, Copy)]
pub(super) struct Matrices<T> {
    pub(super) a: *const T,
    pub(super) b: *const T,
    pub(super) c: *mut T,
}

impl<T: Copy> Matrices<T> {
    /// The whole, so that a closure captures it rather than its pointers.
    fn get(&self) -> Self {
        *self
    }
}

// SAFETY: the tasks read A and B, and each writes its own part of C.
unsafe impl<T: Sync> Sync for Matrices<T> {}

/// Parts of the scratch memory.
#[derive(Clone, Copy)]
pub(super) struct Scratch<T> {
    pub(super) a: *mut T,
    pub(super) b: *mut T,
    pub(super) sums: *mut T,
    pub(super) private: *mut T,
}

impl<T: Copy> Scratch<T> {
    /// The whole, so that a closure captures it rather than its pointers.
    fn get(&self) -> Self {
        *self
    }
}

// SAFETY: tasks of one phase write different parts, and read what the phase before wrote.
unsafe impl<T: Sync> Sync for Scratch<T> {}

/// Computes a product on the calling thread, with a copy of B that [`pack_b`] made.
///
/// # Safety
///
/// As for [`run`]; `matrices.b` is the copy, and `private` starts a cache line.
pub(super) unsafe fn run_packed<T: Float>(
    gemm: &Gemm,
    blocks: &Blocks,
    kernels: &Kernels<T>,
    matrices: Matrices<T>,
    private: *mut T,
    epilogue: Option<Epilogue<'_, T>>,
) {
    let b = matrices.b.cast_mut();
    let scratch = Scratch { a: private, b, sums: private, private };
    let run = Run { gemm, blocks, kernels, threads: None, matrices, scratch, epilogue };
    // SAFETY: the caller's promise is the same; a given B is read only.
    unsafe { run.run() }
}

/// Makes a copy of B at `to`.
///
/// # Safety
///
/// `b` is valid for the shape and strides, `to` for the copy.
pub(super) unsafe fn pack_b<T: Float>(
    gemm: &Gemm,
    blocks: &Blocks,
    kernels: &Kernels<T>,
    threads: Option<&Threads>,
    b: *const T,
    to: *mut T,
) {
    let matrices = Matrices { a: b, b, c: to };
    let scratch = Scratch { a: to, b: to, sums: to, private: to };
    let run = Run { gemm, blocks, kernels, threads, matrices, scratch, epilogue: None };
    // SAFETY: the caller's promise; only B and its copy are used.
    unsafe { run.share_b() };
}

/// Computes a product.
///
/// # Safety
///
/// The pointers are valid for the shape and strides, the scratch memory for the plan.
pub(super) unsafe fn run<T: Float>(
    gemm: &Gemm,
    plan: &Plan,
    kernels: &Kernels<T>,
    threads: Option<&Threads>,
    matrices: Matrices<T>,
    scratch: *mut T,
    epilogue: Option<Epilogue<'_, T>>,
) {
    // SAFETY: the caller's promise is the same.
    unsafe {
        match plan {
            Plan::Nothing => nothing(gemm, matrices, epilogue),
            Plan::RowDots { parts } => {
                share(threads, *parts, &|task, _| {
                    let columns = part(gemm.n, *parts, task);
                    let matrices = matrices.get();
                    let b = matrices.b.add(columns.start * gemm.b[1]);
                    let y = matrices.c.add(columns.start);
                    (kernels.row_dots)(Row {
                        depth: gemm.k,
                        x: matrices.a,
                        b,
                        b_step: gemm.b[1],
                        y,
                        columns: columns.len(),
                        accumulate: gemm.accumulate,
                    });
                    if let Some(epilogue) = epilogue {
                        let part = std::slice::from_raw_parts_mut(y, columns.len());
                        epilogue(0, columns.start, part);
                    }
                });
            }
            Plan::RowSums { slices, .. } => {
                row_sums(gemm, *slices, kernels, threads, matrices, scratch, epilogue);
            }
            Plan::Blocks(blocks) if epilogue.is_none() && blocks.is_at_once() => {
                let add = (matrices.c.cast_const(), gemm.c_row);
                let add = gemm.accumulate.then_some(add);
                at_once(gemm, blocks, kernels, matrices, add);
            }
            Plan::Blocks(blocks) => {
                let scratch = scratch.add(scratch.align_offset(64).min(LINE));
                let a = scratch;
                let b = a.add(blocks.shared_a());
                let sums = b.add(blocks.shared_b());
                let private = sums.add(blocks.partial_sums());
                let scratch = Scratch { a, b, sums, private };
                Run { gemm, blocks, kernels, threads, matrices, scratch, epilogue }.run();
            }
        }
    }
}

/// Hands tasks to the threads, or runs them here.
pub(super) fn share(
    threads: Option<&Threads>,
    tasks: usize,
    task: &(dyn Fn(usize, usize) + Sync),
) {
    match threads {
        Some(threads) => threads.run_with_slot(tasks, task),
        _ => (0..tasks).for_each(|index| task(index, 0)),
    }
}

/// C of an empty sum.
unsafe fn nothing<T: Float>(
    gemm: &Gemm,
    matrices: Matrices<T>,
    epilogue: Option<Epilogue<'_, T>>,
) {
    for row in 0..if gemm.n > 0 { gemm.m } else { 0 } {
        // SAFETY: C has that row, and nobody else uses it.
        let c = unsafe {
            std::slice::from_raw_parts_mut(matrices.c.add(row * gemm.c_row), gemm.n)
        };
        if !gemm.accumulate {
            c.fill(T::ZERO);
        }
        if let Some(epilogue) = epilogue {
            epilogue(row, 0, c);
        }
    }
}

/// One row times row-major B: each task adds up some rows of B, the first one into C.
unsafe fn row_sums<T: Float>(
    gemm: &Gemm,
    slices: usize,
    kernels: &Kernels<T>,
    threads: Option<&Threads>,
    matrices: Matrices<T>,
    scratch: *mut T,
    epilogue: Option<Epilogue<'_, T>>,
) {
    let sums = Scratch { a: scratch, b: scratch, sums: scratch, private: scratch };
    share(threads, slices, &|slice, _| {
        let steps = part(gemm.k, slices, slice);
        // SAFETY: the slices' steps lie below `k`; each has a row of its own in C or scratch.
        unsafe {
            let own = || sums.get().sums.add((slice - 1) * gemm.n);
            (kernels.row_sums)(Row {
                depth: steps.len(),
                x: matrices.get().a.add(steps.start),
                b: matrices.get().b.add(steps.start * gemm.b[0]),
                b_step: gemm.b[0],
                y: if slice == 0 { matrices.get().c } else { own() },
                columns: gemm.n,
                accumulate: slice == 0 && gemm.accumulate,
            });
        }
    });
    // SAFETY: all tasks are done.
    unsafe {
        let c = std::slice::from_raw_parts_mut(matrices.c, gemm.n);
        for slice in 1..slices {
            let sum =
                std::slice::from_raw_parts(scratch.add((slice - 1) * gemm.n), gemm.n);
            c.iter_mut().zip(sum).for_each(|(c, &sum)| *c += sum);
        }
        if let Some(epilogue) = epilogue {
            epilogue(0, 0, c);
        }
    }
}

/// What all tasks of a product know.
pub(super) struct Run<'a, T: 'static> {
    pub(super) gemm: &'a Gemm,
    pub(super) blocks: &'a Blocks,
    pub(super) kernels: &'a Kernels<T>,
    pub(super) threads: Option<&'a Threads>,
    pub(super) matrices: Matrices<T>,
    pub(super) scratch: Scratch<T>,
    pub(super) epilogue: Option<Epilogue<'a, T>>,
}

impl<T: Float> Run<'_, T> {
    /// # Safety
    ///
    /// As for [`run`].
    unsafe fn run(&self) {
        let blocks = self.blocks;
        // SAFETY: the caller's promise; the tasks of each phase write different elements, and
        // a phase starts when the one before has ended.
        unsafe {
            if blocks.a == Source::Shared {
                let parts = blocks.row_panels.min(16);
                share(self.threads, parts, &|task, _| {
                    self.pack_shared(|steps| {
                        let panels = part(blocks.row_panels, parts, task);
                        self.pack_a(
                            self.scratch.a.add(steps.start * blocks.m),
                            0,
                            panels,
                            &steps,
                        );
                    });
                });
            }
            if blocks.b == Source::Shared {
                self.share_b();
            }
            share(self.threads, blocks.tasks(), &|task, slot| {
                let private = blocks.private_a() + blocks.private_b();
                self.task(task, self.scratch.private.add(slot * private));
            });
            if blocks.slices > 1 {
                self.add_slices();
            } else if self.epilogue.is_some() && self.ends_at_once() {
                let parts = blocks.row_panels.min(16);
                share(self.threads, parts, &|task, _| {
                    let rows = part(blocks.row_panels, parts, task);
                    self.finish(&rows, &(0..blocks.column_panels));
                });
            }
        }
    }

    /// Whether the epilogue gets whole rows after all tasks, not each task's part of each row:
    /// where C is small, it is still in a cache then.
    fn ends_at_once(&self) -> bool {
        let Blocks { m, n, slices, .. } = *self.blocks;
        slices == 1 && self.blocks.has_parts_of_rows() && m * n <= LARGE
    }

    /// Computes the tiles of one task.
    unsafe fn task(&self, task: usize, private: *mut T) {
        let blocks = self.blocks;
        let (rows, columns, slice) = blocks.task(task);
        let all = blocks.slice(slice);
        let depth = blocks.depth(&all);
        for start in all.clone().step_by(depth) {
            let steps = start..all.end.min(start + depth);
            let last = steps.end == all.end;
            // SAFETY: the task's panels and steps are those of the matrices; `private` is this
            // task's own; shared copies were made before.
            unsafe {
                let private_b = private.add(blocks.private_a());
                let a = match blocks.a {
                    Source::Direct | Source::Steps => {
                        self.matrices.a.add(steps.start * self.gemm.a[1])
                    }
                    Source::Shared => {
                        let start = blocks.m * steps.start;
                        self.scratch.a.add(start + blocks.row(rows.start) * steps.len())
                    }
                    Source::Private | Source::Given => {
                        self.pack_a(private, rows.start, rows.clone(), &steps);
                        private
                    }
                };
                let b = match blocks.b {
                    Source::Direct => self.direct_b(private_b, &columns, &steps),
                    Source::Shared | Source::Given => {
                        let padded = blocks.padded_column(blocks.column_panels);
                        let start = padded * steps.start;
                        let column = blocks.padded_column(columns.start);
                        self.scratch.b.add(start + column * steps.len())
                    }
                    Source::Private | Source::Steps => {
                        self.pack_b(private_b, columns.start, columns.clone(), &steps);
                        private_b
                    }
                };
                for first in rows.clone().step_by(ROW_PANELS) {
                    let group = first..rows.end.min(first + ROW_PANELS);
                    let place = Place {
                        a,
                        b,
                        tail: private_b,
                        rows: &group,
                        first_row: rows.start,
                        columns: &columns,
                        steps: &steps,
                        slice,
                    };
                    self.group(&place);
                    if last && blocks.slices == 1 && !self.ends_at_once() {
                        self.finish(&group, &columns);
                    }
                }
            }
        }
    }

    /// Where B starts as it is; copies its last panel if that ends within a vector.
    unsafe fn direct_b(
        &self,
        tail: *mut T,
        columns: &Range<usize>,
        steps: &Range<usize>,
    ) -> *const T {
        let last = columns.end - 1;
        // SAFETY: as in `task`; a tail has room for one panel.
        unsafe {
            if self.tail(last) {
                self.pack_b(tail, last, last..last + 1, steps);
            }
            self.matrices.b.add(steps.start * self.gemm.b[0])
        }
    }

    /// Whether a panel ends within a vector.
    fn tail(&self, panel: usize) -> bool {
        let end = self.blocks.column(panel + 1);
        !end.is_multiple_of(self.kernels.lanes)
    }

    /// Computes the tiles of some panels of rows and all of the task's columns: as many columns
    /// at a time as the second cache holds of B, C row by row.
    unsafe fn group(&self, place: &Place<'_, T>) {
        let whole = if self.blocks.far { usize::MAX } else { LARGE };
        let panel = 2 * self.kernels.lanes * place.steps.len();
        let panels = (whole / panel).max(1);
        for start in place.columns.clone().step_by(panels) {
            let columns = start..place.columns.end.min(start.saturating_add(panels));
            for row in place.rows.clone() {
                // SAFETY: the caller's promise is the same.
                unsafe { self.row(place, row, columns.clone()) };
            }
        }
    }

    /// Computes the tiles of one panel of rows and some of columns.
    unsafe fn row(&self, place: &Place<'_, T>, row: usize, columns: Range<usize>) {
        let blocks = self.blocks;
        let height = blocks.row(1) - blocks.row(0);
        let wide = blocks.b == Source::Direct
            && blocks.a != Source::Direct
            && blocks.row_panels == 1
            && height <= self.kernels.wide.len();
        let mut panel = columns.start;
        while panel < columns.end {
            let mut panels = 1;
            if wide {
                let end = panel + wide_vectors(height) / 2;
                let whole = blocks.column(end) == 2 * self.kernels.lanes * end;
                if end <= columns.end && whole {
                    panels = end - panel;
                }
            }
            // SAFETY: the caller's promise is the same.
            unsafe { self.tile(place, row, panel, panels) };
            panel += panels;
        }
    }

    /// Computes the tile of one panel of rows and `panels` of columns.
    unsafe fn tile(&self, place: &Place<'_, T>, row: usize, panel: usize, panels: usize) {
        let (gemm, blocks, kernels) = (self.gemm, self.blocks, self.kernels);
        let depth = place.steps.len();
        let (first, end) = (blocks.row(row), blocks.row(row + 1));
        let column = blocks.column(panel);
        let columns = blocks.column(panel + panels) - column;
        let vectors = columns.div_ceil(kernels.lanes);
        let tile = match (panels, blocks.a) {
            (1, Source::Direct) => kernels.direct[end - first - 1][vectors - 1],
            (1, _) => kernels.packed[end - first - 1][vectors - 1],
            _ => kernels.wide[end - first - 1],
        };
        // SAFETY: `place` points at the task's panels and steps; C has these rows and columns,
        // or else the slice's partial sums have. Vectors of B that are read as they are lie
        // within its rows, because a panel that ends within one is copied.
        unsafe {
            let skipped = first - blocks.row(place.first_row);
            let a = match blocks.a {
                Source::Direct | Source::Steps => place.a.add(first * gemm.a[0]),
                _ => place.a.add(skipped * depth),
            };
            let a_step = if blocks.a == Source::Steps { gemm.a[1] } else { end - first };
            let (b, b_step) = match blocks.b {
                Source::Direct if panels == 1 && self.tail(panel) => {
                    (place.tail.cast_const(), blocks.width(panel))
                }
                Source::Direct => (place.b.add(column), gemm.b[0]),
                _ => {
                    let start = blocks.padded_column(place.columns.start);
                    let skipped = blocks.padded_column(panel) - start;
                    (place.b.add(skipped * depth), blocks.width(panel))
                }
            };
            let (c, c_row, accumulate) = if blocks.slices == 1 {
                (self.matrices.c, gemm.c_row, gemm.accumulate || place.steps.start > 0)
            } else {
                let sums = self.scratch.sums.add(place.slice * blocks.m * blocks.n);
                let start = blocks.slice(place.slice).start;
                (sums, blocks.n, place.steps.start > start)
            };
            let c = c.add(first * c_row + column);
            tile(Operands {
                depth,
                a,
                a_row: gemm.a[0],
                a_step,
                b,
                b_step,
                c,
                c_row,
                columns,
                add: if accumulate { c } else { std::ptr::null() },
                add_row: c_row,
            });
        }
    }

    /// Hands finished rows to the epilogue.
    unsafe fn finish(&self, rows: &Range<usize>, columns: &Range<usize>) {
        let Some(epilogue) = self.epilogue else { return };
        let blocks = self.blocks;
        let column = blocks.column(columns.start);
        let len = blocks.column(columns.end) - column;
        let (first, end) = (blocks.row(rows.start), blocks.row(rows.end));
        if len == self.gemm.c_row {
            // SAFETY: these rows without gaps belong to the calling task, which has computed
            // them.
            let part = unsafe {
                let start = self.matrices.c.add(first * len);
                std::slice::from_raw_parts_mut(start, (end - first) * len)
            };
            epilogue(first, 0, part);
            return;
        }
        for row in first..end {
            // SAFETY: this part of C belongs to the calling task, which has computed it.
            let part = unsafe {
                let start = self.matrices.c.add(row * self.gemm.c_row + column);
                std::slice::from_raw_parts_mut(start, len)
            };
            epilogue(row, column, part);
        }
    }

    /// Adds the slices' sums up in their order.
    unsafe fn add_slices(&self) {
        let (gemm, blocks) = (self.gemm, self.blocks);
        let parts = gemm.m.min(16);
        share(self.threads, parts, &|task, _| {
            for row in part(gemm.m, parts, task) {
                // SAFETY: each row of C has one task; the sums are complete.
                unsafe {
                    let start = self.matrices.c.add(row * gemm.c_row);
                    let c = std::slice::from_raw_parts_mut(start, gemm.n);
                    for slice in 0..blocks.slices {
                        let start = (slice * gemm.m + row) * gemm.n;
                        let sums = self.scratch.sums.add(start);
                        let sums = std::slice::from_raw_parts(sums, gemm.n);
                        if slice == 0 && !gemm.accumulate {
                            c.copy_from_slice(sums);
                        } else {
                            c.iter_mut().zip(sums).for_each(|(c, &sum)| *c += sum);
                        }
                    }
                    if let Some(epilogue) = self.epilogue {
                        epilogue(row, 0, c);
                    }
                }
            }
        });
    }
}

/// What the tiles of a group of panels share.
struct Place<'a, T> {
    a: *const T,
    b: *const T,
    tail: *mut T,
    rows: &'a Range<usize>,
    first_row: usize,
    columns: &'a Range<usize>,
    steps: &'a Range<usize>,
    slice: usize,
}
