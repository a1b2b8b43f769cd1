//! What is done to the results of products while they are in the cache: [`Finish`].
#![expect(unsafe_code, reason = "a tile program on raw memory")]

use super::Kernel;
use crate::{
    Simd,
    graph::Id,
    place::{Context, Plain},
    simd::Float,
    tile::{Tile, Worker},
};

/// A kernel whose results a tile program can finish.
pub(crate) trait Product: Kernel {
    fn set_finish(&mut self, finish: Finish);
}

/// A tile program over the result of a product.
pub(crate) struct Finish {
    tile: Tile,
    /// The product's result, and its columns.
    product: Id,
    columns: usize,
}

impl Finish {
    pub(crate) const fn new(tile: Tile, product: Id, columns: usize) -> Self {
        Self { tile, product, columns }
    }

    pub(crate) fn prepare(&mut self, same: &dyn Fn(Id, Id) -> bool, simd: Simd) {
        self.tile.lay_out(same, simd);
    }

    /// Runs the program over a finished part of the result.
    pub(crate) fn part<T: Float + Plain>(
        &self,
        context: &Context<'_>,
        row: usize,
        column: usize,
        part: &mut [T],
    ) {
        let bytes = size_of_val(part);
        let start = row * self.columns + column;
        // SAFETY: any bytes are elements of `T`, which is a float; `part` is borrowed as long
        // as the slice of its bytes.
        let part =
            unsafe { std::slice::from_raw_parts_mut(part.as_mut_ptr().cast(), bytes) };
        Worker::with(&self.tile, context.places(), |worker| {
            // SAFETY: a product hands out each element once, and the plan lets this instruction
            // alone write what the program writes.
            unsafe { worker.part(start, part, self.product, size_of::<T>()) };
        });
    }

    /// Runs the program over the whole result.
    pub(crate) fn whole(&self, context: &Context<'_>) {
        // SAFETY: as in `part`.
        let task = |task: usize| unsafe { self.tile.task(context.places(), task) };
        context.threads.run(self.tile.tasks(), &task);
    }
}
