//! The copies of A and B that a product's tasks read: methods of [`Run`].

use std::ops::Range;

use super::{
    pack::Panel,
    plan::ENOUGH,
    run::{Run, share},
};
use crate::{simd::Float, threads::part};

/// The steps of a sum that are packed together where each lies side by side.
const PACKED_STEPS: usize = 16;

impl<T: Float> Run<'_, T> {
    /// Packs the whole of B.
    pub(super) unsafe fn share_b(&self) {
        let blocks = self.blocks;
        let columns = blocks.padded_column(blocks.column_panels);
        let all = 0..blocks.k;
        let depth = blocks.depth(&all);
        let parts = blocks.k.div_ceil(depth);
        let across = (ENOUGH / parts).clamp(1, blocks.column_panels);
        share(self.threads, parts * across, &|task, _| {
            let (steps, place) = (task / across * depth, task % across);
            let steps = steps..blocks.k.min(steps + depth);
            let panels = part(blocks.column_panels, across, place);
            // SAFETY: each task writes panels and steps of its own.
            unsafe {
                let to = self.scratch.b.add(steps.start * columns);
                self.pack_b(to, 0, panels, &steps);
            }
        });
    }

    /// Calls `pack` for the steps that are packed together.
    pub(super) fn pack_shared(&self, pack: impl Fn(Range<usize>)) {
        let all = 0..self.blocks.k;
        let depth = self.blocks.depth(&all);
        for start in all.step_by(depth) {
            pack(start..self.blocks.k.min(start + depth));
        }
    }

    /// Packs panels of A; `to` is where panel `first` would be.
    pub(super) unsafe fn pack_a(
        &self,
        to: *mut T,
        first: usize,
        panels: Range<usize>,
        steps: &Range<usize>,
    ) {
        let blocks = self.blocks;
        let [across, step] = self.gemm.a;
        let offset = |panel| (blocks.row(panel) - blocks.row(first)) * steps.len();
        let panel = |panel: usize| {
            let row = blocks.row(panel);
            let len = blocks.row(panel + 1) - row;
            // SAFETY: A has these rows and steps, and `to` room for them.
            let (to, from) = unsafe {
                (
                    to.add(offset(panel)),
                    self.matrices.a.add(row * across + steps.start * step),
                )
            };
            Panel { to, from, depth: steps.len(), step, across, len, width: len }
        };
        // SAFETY: the panels are within A and `to`.
        unsafe { self.pack(panels, panel) };
    }

    /// Packs panels, some steps of all panels at a time if steps are what lies side by side:
    /// a step may be a page of its own.
    unsafe fn pack(&self, panels: Range<usize>, panel: impl Fn(usize) -> Panel<T>) {
        for index in panels.clone() {
            let whole = panel(index);
            if whole.across != 1 || panels.len() == 1 {
                // SAFETY: the caller's promise is the same.
                unsafe { (self.kernels.pack)(whole) };
                continue;
            }
            for start in (0..whole.depth).step_by(PACKED_STEPS) {
                for index in panels.clone() {
                    let whole = panel(index);
                    // SAFETY: these steps of the panel are part of it.
                    unsafe {
                        (self.kernels.pack)(Panel {
                            to: whole.to.add(start * whole.width),
                            from: whole.from.add(start * whole.step),
                            depth: PACKED_STEPS.min(whole.depth - start),
                            ..whole
                        });
                    }
                }
            }
            return;
        }
    }

    /// Packs panels of B; `to` is where panel `first` would be.
    pub(super) unsafe fn pack_b(
        &self,
        to: *mut T,
        first: usize,
        panels: Range<usize>,
        steps: &Range<usize>,
    ) {
        let blocks = self.blocks;
        let [step, across] = self.gemm.b;
        let skipped = blocks.padded_column(first);
        let panel = |panel: usize| {
            let column = blocks.column(panel);
            let start = (blocks.padded_column(panel) - skipped) * steps.len();
            let len = blocks.column(panel + 1) - column;
            // SAFETY: B has these columns and steps, and `to` room for them.
            let (to, from) = unsafe {
                let from = self.matrices.b.add(column * across + steps.start * step);
                (to.add(start), from)
            };
            let width = blocks.width(panel);
            Panel { to, from, depth: steps.len(), step, across, len, width }
        };
        // SAFETY: the panels are within B and `to`.
        unsafe { self.pack(panels, panel) };
    }
}
