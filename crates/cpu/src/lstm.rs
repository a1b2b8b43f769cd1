//! The loop of an LSTM, forward and backward: [`Lstm`].
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

/// All steps of an LSTM with the functions σ and tanh, on tensors of given shapes.
///
/// Time comes before the batch. The rows of a batch do not depend on each other: so a task
/// takes some of them through all steps, and no step waits for another task. The recurrent
/// kernel is packed once; gates and cells are computed where the product left them. The work
/// is cut by shape alone, so results are the same bits on any number of threads.
///
/// In the formulas, z is the input's part plus `h · kernel`, and its quarters
/// `i, f, g, o` become the gates `σ(i), σ(f), tanh(g), σ(o)`; then
/// `c' = f · c + i · g` and `h' = o · tanh(c')`. Steps whose mask is 0 keep `h` and `c`.
///
/// # References
///
/// S. Hochreiter, J. Schmidhuber, *Long short-term memory*, Neural Computation 9 (1997); with
/// the forget gate of F. Gers, J. Schmidhuber, F. Cummins (2000).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lstm {
    time: usize,
    batch: usize,
    units: usize,
}

/// What [`Lstm::forward`] reads.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a, T> {
    /// The inputs times their kernel, with the bias (time, batch, 4 · units).
    pub x: &'a [T],
    /// Before the first step (batch, units).
    pub h: &'a [T],
    /// Before the first step (batch, units).
    pub c: &'a [T],
    /// The recurrent kernel (units, 4 · units).
    pub kernel: &'a [T],
    /// Which steps count (time, batch): not 0. All, if there is none.
    pub mask: Option<&'a [u8]>,
}

/// What [`Lstm::forward`] makes.
#[derive(Debug)]
pub struct States<'a, T> {
    /// `h` after each step (time, batch, units).
    pub sequence: &'a mut [T],
    /// After the last step (batch, units).
    pub h: &'a mut [T],
    /// After the last step (batch, units).
    pub c: &'a mut [T],
    /// The gates (time, batch, 4 · units).
    pub gates: &'a mut [T],
    /// `c` after each step (time, batch, units).
    pub cells: &'a mut [T],
}

/// What [`Lstm::backward`] reads.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a, T> {
    /// The recurrent kernel (units, 4 · units).
    pub kernel: &'a [T],
    /// Before the first step (batch, units).
    pub h: &'a [T],
    /// Before the first step (batch, units).
    pub c: &'a [T],
    /// `h` after each step (time, batch, units).
    pub sequence: &'a [T],
    /// The gates (time, batch, 4 · units).
    pub gates: &'a [T],
    /// `c` after each step (time, batch, units).
    pub cells: &'a [T],
    /// The gradient by the last `h` (batch, units).
    pub dh: &'a [T],
    /// The gradient by the last `c` (batch, units).
    pub dc: &'a [T],
    /// The gradient by `h` after each step (time, batch, units), if there is one.
    pub by_sequence: Option<&'a [T]>,
    /// Which steps count, as in [`Forward`].
    pub mask: Option<&'a [u8]>,
}

/// What [`Lstm::backward`] makes.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// By the inputs times their kernel (time, batch, 4 · units).
    pub dx: &'a mut [T],
    /// By `h` before the first step (batch, units).
    pub dh: &'a mut [T],
    /// By `c` before the first step (batch, units).
    pub dc: &'a mut [T],
    /// By the recurrent kernel (units, 4 · units).
    pub dkernel: &'a mut [T],
}

impl Lstm {
    /// An LSTM of so many steps, rows and units.
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

    /// `h · kernel`, added to z.
    const fn recurrent(&self, rows: usize) -> Gemm {
        Gemm::new(rows, 4 * self.units, self.units).accumulate(true)
    }

    /// `dz · kernelᵀ`.
    const fn recurrent_back(&self, rows: usize) -> Gemm {
        Gemm::new(rows, self.units, 4 * self.units).transpose_b(true)
    }

    /// `hᵀ · dz` over so many rows of all steps.
    const fn kernel_product(&self, rows: usize) -> Gemm {
        Gemm::new(self.units, 4 * self.units, rows).transpose_a(true)
    }

    /// The elements of scratch memory that [`forward`](Self::forward) needs.
    #[must_use]
    pub fn forward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.is_empty() {
            return 0;
        }
        let product = self.recurrent(self.shards().most());
        product.packed_b::<T>(simd) + threads * self.slot::<T>(simd, Self::recurrent)
    }

    /// The elements of scratch memory that [`backward`](Self::backward) needs.
    #[must_use]
    pub fn backward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.is_empty() {
            return 0;
        }
        let product = self.recurrent_back(self.shards().most());
        let slot = self.slot::<T>(simd, Self::recurrent_back);
        let steps = product.packed_b::<T>(simd) + threads * slot;
        let first = self.kernel_product(self.batch).scratch::<T>(simd, threads);
        let rest = self.kernel_product((self.time - 1) * self.batch);
        steps.max(first).max(rest.scratch::<T>(simd, threads))
    }

    /// The elements of a slot: a product of a step, and one value for each unit of each row.
    fn slot<T: Float>(&self, simd: Simd, product: fn(&Self, usize) -> Gemm) -> usize {
        let rows = self.shards().most();
        let scratch = |rows: usize| product(self, rows).scratch_packed::<T>(simd);
        scratch(rows).max(scratch(rows - 1)) + rows * self.units
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
        let States { sequence, h, c, gates, cells } = to;
        let steps = self.time * batch;
        assert_lens([
            (from.x.len(), 4 * units * steps),
            (from.h.len(), batch * units),
            (from.c.len(), batch * units),
            (from.kernel.len(), 4 * units * units),
            (from.mask.map_or(steps, <[u8]>::len), steps),
            (sequence.len(), steps * units),
            (gates.len(), 4 * units * steps),
            (cells.len(), steps * units),
        ]);
        if self.is_empty() {
            h.copy_from_slice(from.h);
            return c.copy_from_slice(from.c);
        }
        let product = self.recurrent(self.shards().most());
        let (packed, scratch) = scratch.split_at_mut(product.packed_b::<T>(simd));
        product.pack_b(simd, threads, from.kernel, packed);
        let slot_len = self.slot::<T>(simd, Self::recurrent);
        let cell = cell::forward::<T>(simd);
        {
            let [sequence, gates, cells, scratch] =
                [&mut *sequence, gates, &mut *cells, scratch].map(Disjoint::new);
            threads.run_with_slot(self.shards().tasks(), &|task, slot| {
                let (first, rows) = self.shards().rows(task);
                // SAFETY: each slot has scratch memory of its own.
                let scratch =
                    unsafe { scratch.slice(slot * slot_len..(slot + 1) * slot_len) };
                let product = self.recurrent(rows);
                let mut before_h = &from.h[first * units..][..rows * units];
                let mut before_c = &from.c[first * units..][..rows * units];
                for step in 0..self.time {
                    let part = (step * batch + first) * units;
                    let (part, rows_of_x) = (part..part + rows * units, 4 * part);
                    // SAFETY: a task uses its own rows of each step.
                    let (z, h, c) = unsafe {
                        (
                            gates.slice(4 * part.start..4 * part.end),
                            sequence.slice(part.clone()),
                            cells.slice(part),
                        )
                    };
                    z.copy_from_slice(&from.x[rows_of_x..rows_of_x + z.len()]);
                    product.run_packed(simd, before_h, packed, z, scratch, None);
                    cell(units, z, before_c, c, h);
                    if let Some(mask) = from.mask {
                        let mask = &mask[step * batch + first..][..rows];
                        keep(mask, units, h, before_h);
                        keep(mask, units, c, before_c);
                    }
                    (before_h, before_c) = (h, c);
                }
            });
        }
        let last = (self.time - 1) * batch * units;
        h.copy_from_slice(&sequence[last..]);
        c.copy_from_slice(&cells[last..]);
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
        let Gradients { dx, dh, dc, dkernel } = to;
        let steps = self.time * batch;
        assert_lens([
            (from.kernel.len(), 4 * units * units),
            (from.sequence.len(), steps * units),
            (from.gates.len(), 4 * units * steps),
            (from.cells.len(), steps * units),
            (from.by_sequence.map_or(steps * units, <[T]>::len), steps * units),
            (from.mask.map_or(steps, <[u8]>::len), steps),
            (dx.len(), 4 * units * steps),
            (dkernel.len(), 4 * units * units),
        ]);
        // The gradients by the states go backward through the steps where they end.
        dh.copy_from_slice(from.dh);
        dc.copy_from_slice(from.dc);
        if self.is_empty() {
            return dkernel.fill(T::ZERO);
        }
        self.backward_steps(simd, threads, from, [&mut *dx, dh, dc], scratch);
        let first = 4 * units * batch;
        let product = self.kernel_product(batch);
        product.run(simd, threads, from.h, &dx[..first], dkernel, scratch, None);
        if self.time > 1 {
            let product = self.kernel_product(steps - batch).accumulate(true);
            let before = &from.sequence[..(steps - batch) * units];
            product.run(simd, threads, before, &dx[first..], dkernel, scratch, None);
        }
    }

    fn backward_steps<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        from: &Backward<'_, T>,
        [dx, dh, dc]: [&mut [T]; 3],
        scratch: &mut [T],
    ) {
        let (units, batch) = (self.units, self.batch);
        let product = self.recurrent_back(self.shards().most());
        let (packed, scratch) = scratch.split_at_mut(product.packed_b::<T>(simd));
        product.pack_b(simd, threads, from.kernel, packed);
        let slot_len = self.slot::<T>(simd, Self::recurrent_back);
        let cell = cell::backward::<T>(simd);
        let [dx, dh, dc, scratch] = [dx, dh, dc, scratch].map(Disjoint::new);
        threads.run_with_slot(self.shards().tasks(), &|task, slot| {
            let (first, rows) = self.shards().rows(task);
            let states = first * units..(first + rows) * units;
            // SAFETY: a task uses its own rows of the states, and a slot's own scratch.
            let (dh, dc, scratch) = unsafe {
                (
                    dh.slice(states.clone()),
                    dc.slice(states.clone()),
                    scratch.slice(slot * slot_len..(slot + 1) * slot_len),
                )
            };
            let (spare, scratch) = scratch.split_at_mut(rows * units);
            let product = self.recurrent_back(rows);
            for step in (0..self.time).rev() {
                let start = (step * batch + first) * units;
                let part = start..start + rows * units;
                if let Some(by_sequence) = from.by_sequence {
                    let by_step = &by_sequence[part.clone()];
                    dh.iter_mut().zip(by_step).for_each(|(dh, &by)| *dh += by);
                }
                let before_c = match step.checked_sub(1) {
                    None => &from.c[states.clone()],
                    Some(_) => &from.cells[start - batch * units..][..rows * units],
                };
                let after_c = &from.cells[part];
                let gates = &from.gates[4 * start..4 * (start + rows * units)];
                // SAFETY: a task uses its own rows of each step.
                let dz = unsafe { dx.slice(4 * start..4 * (start + rows * units)) };
                let mask = from.mask.map(|mask| &mask[step * batch + first..][..rows]);
                if let Some(mask) = mask {
                    spare.copy_from_slice(dc);
                    cell(units, gates, after_c, before_c, dh, dc, dz);
                    keep(mask, units, dc, spare);
                    clear(mask, 4 * units, dz, T::ZERO);
                    product.run_packed(simd, dz, packed, spare, scratch, None);
                    keep(mask, units, spare, dh);
                    dh.copy_from_slice(spare);
                } else {
                    cell(units, gates, after_c, before_c, dh, dc, dz);
                    product.run_packed(simd, dz, packed, dh, scratch, None);
                }
            }
        });
    }
}
