//! The loop forward: [`Forward`] makes [`States`].

use super::{
    Recurrence, assert_lens,
    cell::{Cell, Step, Target},
    keep,
    products::{Direction, Products, Sizes},
};
use crate::{Simd, Threads, gemm::Base, simd::Float, threads::Disjoint};

/// What [`Recurrence::forward`] reads.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a, T> {
    /// The inputs times their kernel, with the bias (time, batch, gates · units); nothing if
    /// they are in the memory of what is made of them, or the loop makes them of its inputs.
    pub x: Option<&'a [T]>,
    pub inputs: Option<Inputs<'a, T>>,
    /// The states before the first step (batch, units); as many as the cell has.
    pub states: [&'a [T]; 2],
    /// The recurrent kernel (units, gates · units).
    pub kernel: &'a [T],
    /// What is added to products, if the cell has it (gates · units).
    pub bias: &'a [T],
    /// What each gate multiplies its states by (gates, batch, units), if it does.
    pub dropout: Option<&'a [T]>,
    /// Which steps count (time, batch): not 0. All, if there is none.
    pub mask: Option<&'a [u8]>,
}

/// What a loop multiplies itself.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, T> {
    /// The inputs (time, batch, features).
    pub x: &'a [T],
    /// Their kernel (features, gates · units).
    pub kernel: &'a [T],
    /// Forward, if there is one: their bias (gates · units).
    pub bias: &'a [T],
}

/// What [`Recurrence::forward`] makes.
#[derive(Debug)]
pub struct States<'a, T> {
    /// `h` after each step (time, batch, units).
    pub sequence: &'a mut [T],
    /// The states after the last step (batch, units).
    pub states: [&'a mut [T]; 2],
    /// What the cell keeps (time, batch, parts · units).
    pub kept: &'a mut [T],
    /// `c` after each step (time, batch, units), if the cell has it.
    pub cells: &'a mut [T],
}

impl<C: Cell> Recurrence<C> {
    /// The elements of a slot: products of a step, and what the cell needs.
    pub(super) fn forward_slot<T: Float>(&self, simd: Simd) -> usize {
        let sizes = self.sizes();
        let scratch = sizes.scratch::<T>(simd).max(self.projected().scratch::<T>(simd));
        scratch + (C::SPARE[0] + self.projected_parts()) * sizes.rows * self.units
    }

    /// The parts of memory for each row's inputs times their kernel.
    fn projected_parts(&self) -> usize {
        let needed = self.projection.features > 0 && C::IN_PLACE.is_none();
        if needed { C::GATES } else { 0 }
    }

    /// Runs all steps.
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape, or `scratch` is too short.
    pub fn forward<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        from: &Forward<'_, T>,
        to: States<'_, T>,
        scratch: &mut [T],
    ) {
        let (units, batch, gates, steps) =
            (self.units, self.batch, C::GATES, self.steps());
        let States { sequence, states, kept, cells } = to;
        let has_c = usize::from(C::STATES > 1);
        assert_lens([
            (from.x.map_or(gates * steps, <[T]>::len), gates * steps),
            (from.states[0].len(), self.state()),
            (from.states[1].len(), has_c * self.state()),
            (from.kernel.len(), gates * units * units),
            (from.bias.len(), if C::BIAS { gates * units } else { 0 }),
            (from.mask.map_or(self.time * batch, <[u8]>::len), self.time * batch),
            (from.dropout.map_or(0, <[T]>::len), self.dropout()),
            (sequence.len(), steps),
            (kept.len(), C::KEPT * steps),
            (cells.len(), has_c * steps),
        ]);
        let features = self.projection.features;
        let inputs = from.inputs.filter(|_| features > 0);
        assert_eq!(inputs.is_some(), features > 0, "inputs are given");
        if let Some(inputs) = inputs {
            let bias = if self.projection.biased { gates * units } else { 0 };
            assert_lens([
                (inputs.x.len(), self.time * batch * features),
                (inputs.kernel.len(), features * gates * units),
                (inputs.bias.len(), bias),
            ]);
        }
        let given = from.x.is_some() || features > 0;
        assert!(given || C::IN_PLACE.is_some(), "x is given");
        if self.is_empty() {
            for (to, from) in states.into_iter().zip(from.states) {
                to.copy_from_slice(from);
            }
            return;
        }
        let sizes = self.sizes();
        let (packed, scratch) =
            scratch.split_at_mut(sizes.packed::<T>(simd, Direction::Forward));
        sizes.pack(simd, threads, Direction::Forward, from.kernel, packed);
        let packed_len = self.projected().packed::<T>(simd);
        let (packed_inputs, scratch) = scratch.split_at_mut(packed_len);
        if let Some(inputs) = inputs {
            self.projected().pack(simd, threads, inputs.kernel, packed_inputs);
        }
        let packed_inputs = &*packed_inputs;
        let slot_len = self.forward_slot::<T>(simd);
        {
            let [sequence, kept, cells, scratch] =
                [&mut *sequence, kept, &mut *cells, scratch].map(Disjoint::new);
            threads.run_with_slot(self.shards().tasks(), &|task, slot| {
                let (first, rows) = self.shards().rows(task);
                // SAFETY: each slot has scratch memory of its own.
                let scratch =
                    unsafe { scratch.slice(slot * slot_len..(slot + 1) * slot_len) };
                let (spare, scratch) = scratch.split_at_mut(C::SPARE[0] * rows * units);
                let own_x = self.projected_parts() * rows * units;
                let (own_x, scratch) = scratch.split_at_mut(own_x);
                let projected = self.projection.of(rows, gates * units);
                let by_inputs = projected.forward_with::<T>(simd);
                let sizes = Sizes { rows, ..sizes };
                let mut products = Products {
                    simd,
                    threads,
                    sizes,
                    first,
                    parts: sizes.parts_of(simd, Direction::Forward, packed),
                    dropout: from.dropout,
                    dkernel: &mut [],
                    dbias: &mut [],
                    scratch,
                };
                let own = first * units..(first + rows) * units;
                let mut before = [&from.states[0][own.clone()], &[][..]];
                if has_c > 0 {
                    before[1] = &from.states[1][own];
                }
                for step in 0..self.time {
                    let start = (step * batch + first) * units;
                    let end = start + rows * units;
                    // SAFETY: a task uses its own rows of each step.
                    let (h, c, kept) = unsafe {
                        (
                            sequence.slice(start..end),
                            cells.slice(has_c * start..has_c * end),
                            kept.slice(C::KEPT * start..C::KEPT * end),
                        )
                    };
                    let mut x =
                        from.x.map_or(&[][..], |x| &x[gates * start..gates * end]);
                    if let Some(inputs) = inputs {
                        let first = (step * batch + first) * features;
                        let own = &inputs.x[first..first + projected.inputs()];
                        let to = match C::IN_PLACE {
                            Some(Target::Kept) => &mut *kept,
                            Some(Target::Sequence) => &mut *h,
                            None => &mut *own_x,
                        };
                        let base = match self.projection.biased {
                            true => Base::Row(inputs.bias),
                            false => Base::Zero,
                        };
                        let scratch = &mut *products.scratch;
                        by_inputs.run(own, packed_inputs, base, to, scratch, None);
                        x = own_x;
                    }
                    C::forward(
                        Step {
                            simd,
                            units,
                            x,
                            bias: from.bias,
                            before,
                            h: &mut *h,
                            c: &mut *c,
                            kept,
                            spare: &mut *spare,
                        },
                        &mut products,
                    );
                    if let Some(mask) = from.mask {
                        let mask = &mask[step * batch + first..][..rows];
                        keep(mask, units, h, before[0]);
                        keep(mask, units, c, before[1]);
                    }
                    before = [h, c];
                }
            });
        }
        let last = (self.time - 1) * self.state();
        let [h, c] = states;
        h.copy_from_slice(&sequence[last..]);
        c.copy_from_slice(&cells[has_c * last..]);
    }

    /// The elements of what gates multiply states by.
    pub(super) const fn dropout(&self) -> usize {
        if self.dropped { C::GATES * self.state() } else { 0 }
    }
}
