//! The loop of a GRU, forward and backward: [`Gru`].
#![expect(unsafe_code, reason = "tasks that write parts of the results")]

mod cell;
#[cfg(test)]
mod tests;

use crate::{
    Simd, Threads,
    gemm::Gemm,
    shards::{Shards, assert_lens, clear, keep},
    simd::Float,
    threads::Disjoint,
};

/// All steps of a GRU with the functions σ and tanh, on tensors of given shapes.
///
/// Time comes before the batch. A task takes some rows through all steps; the recurrent kernel
/// is packed once. The work is cut by shape alone, so results are the same bits on any number
/// of threads.
///
/// In the formulas, x is the input's part and y is `h · kernel + bias`, in thirds `z, r, g`:
/// `z = σ(x + y)`, `r = σ(x + y)`, `g = tanh(x + r · y)`, `h' = z · h + (1 - z) · g`. Steps
/// whose mask is 0 keep `h`.
///
/// # References
///
/// K. Cho et al., *Learning phrase representations using RNN encoder–decoder* (2014), with the
/// reset gate after the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gru {
    time: usize,
    batch: usize,
    units: usize,
}

/// What [`Gru::forward`] reads.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a, T> {
    /// The inputs times their kernel, with their bias (time, batch, 3 · units).
    pub x: &'a [T],
    /// Before the first step (batch, units).
    pub h: &'a [T],
    /// The recurrent kernel (units, 3 · units).
    pub kernel: &'a [T],
    /// The recurrent bias (3 · units).
    pub bias: &'a [T],
    /// Which steps count (time, batch): not 0. All, if there is none.
    pub mask: Option<&'a [u8]>,
}

/// What [`Gru::forward`] makes.
#[derive(Debug)]
pub struct States<'a, T> {
    /// `h` after each step (time, batch, units).
    pub sequence: &'a mut [T],
    /// After the last step (batch, units).
    pub h: &'a mut [T],
    /// `z`, `r`, `g`, and the last third of y (time, batch, 4 · units).
    pub gates: &'a mut [T],
}

/// What [`Gru::backward`] reads.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a, T> {
    /// The recurrent kernel (units, 3 · units).
    pub kernel: &'a [T],
    /// Before the first step (batch, units).
    pub h: &'a [T],
    /// `h` after each step (time, batch, units).
    pub sequence: &'a [T],
    /// What [`States::gates`] holds (time, batch, 4 · units).
    pub gates: &'a [T],
    /// The gradient by the last `h` (batch, units).
    pub dh: &'a [T],
    /// The gradient by `h` after each step (time, batch, units), if there is one.
    pub by_sequence: Option<&'a [T]>,
    /// Which steps count, as in [`Forward`].
    pub mask: Option<&'a [u8]>,
}

/// What [`Gru::backward`] makes.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// By the inputs times their kernel (time, batch, 3 · units).
    pub dx: &'a mut [T],
    /// By `h` before the first step (batch, units).
    pub dh: &'a mut [T],
    /// By the recurrent kernel (units, 3 · units).
    pub dkernel: &'a mut [T],
    /// By the recurrent bias (3 · units).
    pub dbias: &'a mut [T],
}

impl Gru {
    /// A GRU of so many steps, rows and units.
    #[must_use]
    pub const fn new(time: usize, batch: usize, units: usize) -> Self {
        Self { time, batch, units }
    }

    const fn is_empty(&self) -> bool {
        self.time == 0 || self.batch == 0 || self.units == 0
    }

    const fn shards(&self) -> Shards {
        Shards::new(self.batch)
    }

    /// `h · kernel`, added to the bias.
    const fn recurrent(&self, rows: usize) -> Gemm {
        Gemm::new(rows, 3 * self.units, self.units).accumulate(true)
    }

    /// `dy · kernelᵀ`, added to what goes around the product.
    const fn recurrent_back(&self, rows: usize) -> Gemm {
        Gemm::new(rows, self.units, 3 * self.units).transpose_b(true).accumulate(true)
    }

    /// `hᵀ · dy` over so many rows of all steps.
    const fn kernel_product(&self, rows: usize) -> Gemm {
        Gemm::new(self.units, 3 * self.units, rows).transpose_a(true)
    }

    /// The elements of scratch memory that [`forward`](Self::forward) needs.
    #[must_use]
    pub fn forward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.is_empty() {
            return 0;
        }
        let product = self.recurrent(self.shards().most());
        product.packed_b::<T>(simd) + threads * self.slot::<T>(simd, 3, Self::recurrent)
    }

    /// The elements of scratch memory that [`backward`](Self::backward) needs.
    #[must_use]
    pub fn backward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.is_empty() {
            return 0;
        }
        let product = self.recurrent_back(self.shards().most());
        let slot = self.slot::<T>(simd, 1, Self::recurrent_back);
        let steps = product.packed_b::<T>(simd) + threads * slot;
        let first = self.kernel_product(self.batch).scratch::<T>(simd, threads);
        let rest = self.kernel_product((self.time - 1) * self.batch);
        let rest = rest.scratch::<T>(simd, threads);
        self.by_product() + self.by_bias() + steps.max(first).max(rest)
    }

    /// The elements of dy.
    const fn by_product(&self) -> usize {
        3 * self.time * self.batch * self.units
    }

    /// The elements of the tasks' parts of the bias's gradient.
    fn by_bias(&self) -> usize {
        3 * self.shards().tasks() * self.units
    }

    /// The elements of a slot: a product of a step, and so many values for each unit of each
    /// row.
    fn slot<T: Float>(
        &self,
        simd: Simd,
        values: usize,
        product: fn(&Self, usize) -> Gemm,
    ) -> usize {
        let rows = self.shards().most();
        let scratch = |rows: usize| product(self, rows).scratch_packed::<T>(simd);
        scratch(rows).max(scratch(rows - 1)) + values * rows * self.units
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
        let (units, batch) = (self.units, self.batch);
        let States { sequence, h, gates } = to;
        let steps = self.time * batch;
        assert_lens([
            (from.x.len(), 3 * units * steps),
            (from.h.len(), batch * units),
            (from.kernel.len(), 3 * units * units),
            (from.bias.len(), 3 * units),
            (from.mask.map_or(steps, <[u8]>::len), steps),
            (sequence.len(), steps * units),
            (gates.len(), 4 * units * steps),
        ]);
        if self.is_empty() {
            return h.copy_from_slice(from.h);
        }
        let shards = self.shards();
        let product = self.recurrent(shards.most());
        let (packed, scratch) = scratch.split_at_mut(product.packed_b::<T>(simd));
        product.pack_b(simd, threads, from.kernel, packed);
        let slot_len = self.slot::<T>(simd, 3, Self::recurrent);
        let cell = cell::forward::<T>(simd);
        {
            let [sequence, gates, scratch] =
                [&mut *sequence, gates, scratch].map(Disjoint::new);
            threads.run_with_slot(shards.tasks(), &|task, slot| {
                let (first, rows) = shards.rows(task);
                // SAFETY: each slot has scratch memory of its own.
                let scratch =
                    unsafe { scratch.slice(slot * slot_len..(slot + 1) * slot_len) };
                let (y, scratch) = scratch.split_at_mut(3 * rows * units);
                let product = self.recurrent(rows);
                let mut before = &from.h[first * units..][..rows * units];
                for step in 0..self.time {
                    let start = (step * batch + first) * units;
                    let end = start + rows * units;
                    // SAFETY: a task uses its own rows of each step.
                    let (gates, h) = unsafe {
                        (gates.slice(4 * start..4 * end), sequence.slice(start..end))
                    };
                    for y in y.chunks_exact_mut(3 * units) {
                        y.copy_from_slice(from.bias);
                    }
                    product.run_packed(simd, before, packed, y, scratch, None);
                    cell(units, &from.x[3 * start..3 * end], y, before, gates, h);
                    if let Some(mask) = from.mask {
                        keep(&mask[step * batch + first..][..rows], units, h, before);
                    }
                    before = h;
                }
            });
        }
        h.copy_from_slice(&sequence[(self.time - 1) * batch * units..]);
    }

    /// Computes the gradients of [`forward`](Self::forward).
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape, or `scratch` is too short.
    pub fn backward<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        from: &Backward<'_, T>,
        to: Gradients<'_, T>,
        scratch: &mut [T],
    ) {
        let (units, batch) = (self.units, self.batch);
        let Gradients { dx, dh, dkernel, dbias } = to;
        let steps = self.time * batch;
        assert_lens([
            (from.kernel.len(), 3 * units * units),
            (from.h.len(), batch * units),
            (from.sequence.len(), steps * units),
            (from.gates.len(), 4 * units * steps),
            (from.by_sequence.map_or(steps * units, <[T]>::len), steps * units),
            (from.mask.map_or(steps, <[u8]>::len), steps),
            (dx.len(), 3 * units * steps),
            (dkernel.len(), 3 * units * units),
            (dbias.len(), 3 * units),
        ]);
        // The gradient by the state goes backward through the steps where it ends.
        dh.copy_from_slice(from.dh);
        if self.is_empty() {
            dbias.fill(T::ZERO);
            return dkernel.fill(T::ZERO);
        }
        let (dy, scratch) = scratch.split_at_mut(self.by_product());
        let (parts, scratch) = scratch.split_at_mut(self.by_bias());
        self.backward_steps(
            simd,
            threads,
            from,
            [dx, &mut *dy, dh, &mut *parts],
            scratch,
        );
        dbias.fill(T::ZERO);
        for part in parts.chunks_exact(3 * units) {
            dbias.iter_mut().zip(part).for_each(|(sum, &part)| *sum += part);
        }
        let first = 3 * units * batch;
        let product = self.kernel_product(batch);
        product.run(simd, threads, from.h, &dy[..first], dkernel, scratch, None);
        if self.time > 1 {
            let product = self.kernel_product(steps - batch).accumulate(true);
            let before = &from.sequence[..(steps - batch) * units];
            product.run(simd, threads, before, &dy[first..], dkernel, scratch, None);
        }
    }

    fn backward_steps<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        from: &Backward<'_, T>,
        [dx, dy, dh, parts]: [&mut [T]; 4],
        scratch: &mut [T],
    ) {
        let (units, batch, shards) = (self.units, self.batch, self.shards());
        let product = self.recurrent_back(shards.most());
        let (packed, scratch) = scratch.split_at_mut(product.packed_b::<T>(simd));
        product.pack_b(simd, threads, from.kernel, packed);
        let slot_len = self.slot::<T>(simd, 1, Self::recurrent_back);
        let cell = cell::backward::<T>(simd);
        let [dx, dy, dh, parts, scratch] =
            [dx, dy, dh, parts, scratch].map(Disjoint::new);
        threads.run_with_slot(shards.tasks(), &|task, slot| {
            let (first, rows) = shards.rows(task);
            let states = first * units..(first + rows) * units;
            // SAFETY: a task uses its own rows of the state, its own part of the bias's
            // gradient, and a slot's own scratch.
            let (dh, part, scratch) = unsafe {
                (
                    dh.slice(states.clone()),
                    parts.slice(3 * task * units..3 * (task + 1) * units),
                    scratch.slice(slot * slot_len..(slot + 1) * slot_len),
                )
            };
            part.fill(T::ZERO);
            let (spare, scratch) = scratch.split_at_mut(rows * units);
            let product = self.recurrent_back(rows);
            for step in (0..self.time).rev() {
                let start = (step * batch + first) * units;
                let end = start + rows * units;
                if let Some(by_sequence) = from.by_sequence {
                    let by_step = &by_sequence[start..end];
                    dh.iter_mut().zip(by_step).for_each(|(dh, &by)| *dh += by);
                }
                let before = match step.checked_sub(1) {
                    None => &from.h[states.clone()],
                    Some(_) => &from.sequence[start - batch * units..][..rows * units],
                };
                // SAFETY: a task uses its own rows of each step.
                let (dx, dy) = unsafe {
                    (dx.slice(3 * start..3 * end), dy.slice(3 * start..3 * end))
                };
                let mask = from.mask.map(|mask| &mask[step * batch + first..][..rows]);
                if mask.is_some() {
                    spare.copy_from_slice(dh);
                }
                cell(units, &from.gates[4 * start..4 * end], before, dh, dx, dy);
                if let Some(mask) = mask {
                    clear(mask, 3 * units, dx, T::ZERO);
                    clear(mask, 3 * units, dy, T::ZERO);
                }
                product.run_packed(simd, dy, packed, dh, scratch, None);
                if let Some(mask) = mask {
                    keep(mask, units, dh, spare);
                }
                for row in dy.chunks_exact(3 * units) {
                    part.iter_mut().zip(row).for_each(|(sum, &dy)| *sum += dy);
                }
            }
        });
    }
}
