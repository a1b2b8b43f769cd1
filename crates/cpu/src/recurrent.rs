//! The loops of recurrent layers, forward and backward: [`Recurrence`].
#![expect(unsafe_code, reason = "tasks that write parts of the results")]

mod backward;
mod cell;
mod forward;
mod gru;
mod lstm;
mod products;
mod projection;
mod shards;
mod simple;

pub use backward::{Backward, Gradients, Learned};
pub use cell::{Cell, Target};
pub use forward::{Forward, Inputs, States};
pub use gru::{ResetAfter, ResetBefore};
pub use lstm::Lstm;
pub(crate) use lstm::{gates, gates_back};
pub use projection::Projection;
pub use simple::Simple;

use std::marker::PhantomData;

use crate::{Simd, simd::Float};
use products::{Direction, SMALL, Sizes};
use shards::Shards;

/// The most elements of a kernel that stays in the second cache.
const LARGE: usize = 1 << 16;

/// All steps of a recurrent layer with a kind of [`Cell`], on tensors of given shapes.
///
/// Time comes before the batch. The rows of a batch do not depend on each other: so a task
/// takes some of them through all steps, and no step waits for another task. The recurrent
/// kernel is packed once; gates and states are computed where the product left them. The work
/// is cut by shape alone, so results are the same bits on any number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrence<C> {
    time: usize,
    batch: usize,
    units: usize,
    /// Whether each gate multiplies its states by numbers of its own first.
    dropped: bool,
    projection: Projection,
    cell: PhantomData<C>,
}

impl<C: Cell> Recurrence<C> {
    /// So many steps, rows and units.
    #[must_use]
    pub const fn new([time, batch, units]: [usize; 3], dropped: bool) -> Self {
        let projection = Projection::NONE;
        Self { time, batch, units, dropped, projection, cell: PhantomData }
    }

    /// Sets what it does with its inputs; nothing by default.
    #[must_use]
    pub const fn projection(mut self, projection: Projection) -> Self {
        self.projection = projection;
        self
    }

    /// Whether to multiply inputs of so many elements by their kernel in the loop: if each
    /// step has rows enough, and the kernel stays in the cache beside them.
    #[must_use]
    pub fn projects(&self, features: usize, backward: bool) -> bool {
        let kernel = features * C::GATES * self.units;
        let fits = match backward {
            true => kernel <= SMALL && self.sizes().learns_by_steps(),
            false => kernel <= LARGE,
        };
        !self.is_empty() && self.shards().tasks() > 1 && kernel > 0 && fits
    }

    /// The products of a task's inputs, with the most rows that a task has.
    fn projected(&self) -> projection::Products {
        self.projection.of(self.shards().most(), C::GATES * self.units)
    }

    const fn is_empty(&self) -> bool {
        self.time == 0 || self.batch == 0 || self.units == 0
    }

    const fn shards(&self) -> Shards {
        Shards::new(self.batch)
    }

    /// The products of the most rows that a task has, or of one less.
    fn sizes(&self) -> Sizes {
        let (rows, batch) = (self.shards().most(), self.batch);
        Sizes::new::<C>(rows, batch, self.units, self.dropped)
    }

    /// The elements of a state of all rows.
    const fn state(&self) -> usize {
        self.batch * self.units
    }

    /// The elements of a state after each step.
    const fn steps(&self) -> usize {
        self.time * self.state()
    }

    /// The elements of scratch memory that [`forward`](Self::forward) needs.
    #[must_use]
    pub fn forward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.is_empty() {
            return 0;
        }
        self.sizes().packed::<T>(simd, Direction::Forward)
            + self.projected().packed::<T>(simd)
            + threads * self.forward_slot::<T>(simd)
    }

    /// The elements of scratch memory that [`backward`](Self::backward) needs.
    #[must_use]
    pub fn backward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.is_empty() {
            return 0;
        }
        let slots = threads * self.backward_slot::<T>(simd);
        self.sizes().packed::<T>(simd, Direction::Backward)
            + self.projected().packed_back::<T>(simd)
            + self.shards().tasks() * self.partial_sums()
            + self.by_product()
            + self.sources()
            + slots.max(self.learn_scratch::<T>(simd, threads))
    }
}

/// Puts back what was before, in rows whose mask is 0.
fn keep<T: Copy>(mask: &[u8], units: usize, now: &mut [T], before: &[T]) {
    let rows = now.chunks_exact_mut(units).zip(before.chunks_exact(units));
    for ((now, before), _) in rows.zip(mask).filter(|(_, mask)| **mask == 0) {
        now.copy_from_slice(before);
    }
}

/// Zeros in rows whose mask is 0.
fn clear<T: Copy>(mask: &[u8], width: usize, now: &mut [T], zero: T) {
    for (row, _) in now.chunks_exact_mut(width).zip(mask).filter(|(_, mask)| **mask == 0)
    {
        row.fill(zero);
    }
}

#[track_caller]
fn assert_lens<const N: usize>(pairs: [(usize, usize); N]) {
    for (i, (len, expected)) in pairs.into_iter().enumerate() {
        assert_eq!(len, expected, "elements of tensor {i}");
    }
}
