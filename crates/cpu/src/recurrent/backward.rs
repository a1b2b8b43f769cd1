//! The loop backward: [`Backward`] makes [`Gradients`].

use std::ops::Range;

use super::{
    Recurrence, assert_lens,
    cell::{Cell, StepBack, Target},
    forward::Inputs,
    keep,
    products::{Direction, Products, Sizes},
    projection::Back,
};
use crate::{Simd, Threads, simd::Float, threads::Disjoint};

/// What [`Recurrence::backward`] reads.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a, T> {
    /// The recurrent kernel (units, gates · units).
    pub kernel: &'a [T],
    /// The states before the first step (batch, units); as many as the cell has.
    pub states: [&'a [T]; 2],
    /// `h` after each step (time, batch, units).
    pub sequence: &'a [T],
    /// What the cell kept (time, batch, parts · units); nothing if it is where `dx` goes.
    pub kept: Option<&'a [T]>,
    /// `c` after each step (time, batch, units), if the cell has it.
    pub cells: &'a [T],
    /// The gradients by the last states (batch, units).
    pub by_states: [&'a [T]; 2],
    /// The gradient by `h` after each step (time, batch, units), if there is one.
    pub by_sequence: Option<&'a [T]>,
    /// What each gate multiplies its states by, as in [`Forward`](super::Forward).
    pub dropout: Option<&'a [T]>,
    /// Which steps count, as in [`Forward`](super::Forward).
    pub mask: Option<&'a [u8]>,
    /// Inputs and kernel, as in [`Forward`](super::Forward), if gradients by them are wanted.
    pub inputs: Option<Inputs<'a, T>>,
}

/// What [`Recurrence::backward`] makes.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// By the inputs times their kernel (time, batch, gates · units), if wanted.
    pub dx: &'a mut [T],
    /// By the states before the first step (batch, units).
    pub states: [&'a mut [T]; 2],
    /// By the recurrent kernel (units, gates · units).
    pub dkernel: &'a mut [T],
    /// By the products' bias, if the cell has it (gates · units).
    pub dbias: &'a mut [T],
    pub learned: Learned<'a, T>,
}

/// The gradients of what a loop multiplies itself, each if it is wanted.
#[derive(Debug)]
pub struct Learned<'a, T> {
    /// By the kernel of the inputs (features, gates · units).
    pub dkernel: &'a mut [T],
    /// By the bias (gates · units).
    pub dbias: &'a mut [T],
    /// By the inputs (time, batch, features).
    pub dinput: &'a mut [T],
}

impl<C: Cell> Recurrence<C> {
    /// The elements of a task's part of the gradients by kernels and biases.
    pub(super) fn partial_sums(&self) -> usize {
        let projected = self.projected();
        self.own_sums() + projected.kernel() + projected.bias()
    }

    /// The elements of a task's part of the gradients by the loop's own kernel and bias.
    fn own_sums(&self) -> usize {
        let sizes = self.sizes();
        let kernel = if sizes.learns_by_steps() { sizes.kernel() } else { 0 };
        kernel + self.bias()
    }

    const fn bias(&self) -> usize {
        if C::BIAS { C::GATES * self.units } else { 0 }
    }

    /// The elements of the gradients by the products of all steps, if those are needed later.
    pub(super) fn by_product(&self) -> usize {
        let needed = C::BIAS && !self.sizes().learns_by_steps();
        if needed { C::GATES * self.steps() } else { 0 }
    }

    /// The elements of what a product took in all steps, if that is needed, and no state.
    pub(super) fn sources(&self) -> usize {
        let plain = C::PRODUCTS.len() == 1 && !self.dropped;
        if plain || self.sizes().learns_by_steps() { 0 } else { self.steps() }
    }

    /// The elements of a slot: products of a step, what the cell needs, and the gradients by
    /// the states after a step that does not count in all rows.
    pub(super) fn backward_slot<T: Float>(&self, simd: Simd) -> usize {
        let sizes = self.sizes();
        let projected = self.projected().scratch_back::<T>(simd);
        sizes.scratch_back::<T>(simd).max(projected)
            + self.spare_parts() * sizes.rows * self.units
    }

    /// The parts of memory for each row.
    fn spare_parts(&self) -> usize {
        let by_product = C::BIAS && self.by_product() == 0;
        let by_x = !self.projection.by_product;
        C::SPARE[1] + C::STATES + C::GATES * (usize::from(by_product) + usize::from(by_x))
    }

    /// The elements of scratch memory of products over all steps.
    pub(super) fn learn_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        let sizes = self.sizes();
        if sizes.learns_by_steps() {
            return 0;
        }
        let rows = self.time * self.batch;
        let of = |gates: &Range<usize>, rows: usize| {
            sizes.learn(gates, rows).scratch::<T>(simd, threads)
        };
        let parts = (0..C::PRODUCTS.len()).flat_map(|product| sizes.parts(product));
        let most = parts.map(|gates| {
            let some = of(&gates, self.batch).max(of(&gates, rows - self.batch));
            some.max(of(&gates, rows))
        });
        most.max().unwrap_or_default()
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
        let (units, gates, steps) = (self.units, C::GATES, self.steps());
        let Gradients { dx, states: [dh, dc], dkernel, dbias, learned } = to;
        let has_c = usize::from(C::STATES > 1);
        let rows = self.time * self.batch;
        let projected = self.projected();
        let by_x = if self.projection.by_product { gates * steps } else { 0 };
        let inputs = |wanted: bool| {
            if wanted { rows * self.projection.features } else { 0 }
        };
        if let Some(given) = from.inputs {
            let kernel = match self.projection.by_input {
                true => self.projection.features * gates * units,
                false => 0,
            };
            assert_lens([
                (given.x.len(), inputs(self.projection.by_kernel)),
                (given.kernel.len(), kernel),
            ]);
        }
        assert_lens([
            (learned.dkernel.len(), projected.kernel()),
            (learned.dbias.len(), projected.bias()),
            (learned.dinput.len(), inputs(self.projection.by_input)),
            (from.kernel.len(), gates * units * units),
            (from.states[0].len(), self.state()),
            (from.states[1].len(), has_c * self.state()),
            (from.sequence.len(), steps),
            (from.kept.map_or(C::KEPT * steps, <[T]>::len), C::KEPT * steps),
            (from.cells.len(), has_c * steps),
            (from.by_sequence.map_or(steps, <[T]>::len), steps),
            (from.dropout.map_or(0, <[T]>::len), self.dropout()),
            (from.mask.map_or(rows, <[u8]>::len), rows),
            (dx.len(), by_x),
            (dkernel.len(), gates * units * units),
            (dbias.len(), self.bias()),
        ]);
        // The gradients by the states go backward through the steps where they end.
        dh.copy_from_slice(from.by_states[0]);
        dc.copy_from_slice(from.by_states[1]);
        dbias.fill(T::ZERO);
        dkernel.fill(T::ZERO);
        learned.dkernel.fill(T::ZERO);
        learned.dbias.fill(T::ZERO);
        if self.is_empty() {
            return;
        }
        let sizes = self.sizes();
        let parts = self.shards().tasks() * self.partial_sums();
        let (packed, scratch) =
            scratch.split_at_mut(sizes.packed::<T>(simd, Direction::Backward));
        let (packed_inputs, scratch) =
            scratch.split_at_mut(projected.packed_back::<T>(simd));
        let (sums, scratch) = scratch.split_at_mut(parts);
        let (dy, scratch) = scratch.split_at_mut(self.by_product());
        let (sources, scratch) = scratch.split_at_mut(self.sources());
        sizes.pack(simd, threads, Direction::Backward, from.kernel, packed);
        if let Some(inputs) = from.inputs {
            projected.pack_back(simd, threads, inputs.kernel, packed_inputs);
        }
        let dinput = learned.dinput;
        let to = Loop { dx: &mut *dx, dh, dc, dy: &mut *dy, dinput, sums: &mut *sums };
        let packed = [&*packed, &*packed_inputs];
        self.backward_steps(simd, threads, from, packed, to, scratch);
        let add = |to: &mut [T], parts: &[T]| {
            to.iter_mut().zip(parts).for_each(|(sum, &part)| *sum += part);
        };
        for sums in sums.chunks_exact(self.partial_sums().max(1)) {
            let (own, of_inputs) = sums.split_at(self.own_sums());
            let (of_kernel, of_bias) = own.split_at(own.len() - self.bias());
            add(dkernel, of_kernel);
            add(dbias, of_bias);
            let (of_kernel, of_bias) = of_inputs.split_at(projected.kernel());
            add(learned.dkernel, of_kernel);
            add(learned.dbias, of_bias);
        }
        if !sizes.learns_by_steps() {
            let dz = if C::BIAS { &*dy } else { &*dx };
            self.learn(simd, threads, from, dz, dkernel, sources, scratch);
        }
    }

    /// The gradient by a large kernel: products over all steps.
    #[expect(clippy::too_many_arguments, reason = "what is read, made, and used for it")]
    fn learn<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        from: &Backward<'_, T>,
        dz: &[T],
        dkernel: &mut [T],
        sources: &mut [T],
        scratch: &mut [T],
    ) {
        let (sizes, units, batch) = (self.sizes(), self.units, self.batch);
        let rows = self.time * batch;
        let first = C::GATES * self.state();
        for product in 0..C::PRODUCTS.len() {
            for gates in sizes.parts(product) {
                let start = gates.start * units;
                let dkernel = &mut dkernel[start..];
                if !sources.is_empty() {
                    self.fill_sources(simd, threads, from, product, gates.start, sources);
                    let learn = sizes.learn(&gates, rows);
                    let dz = &dz[start..];
                    learn.run(simd, threads, sources, dz, dkernel, scratch, None);
                    continue;
                }
                let (h, learn) = (from.states[0], sizes.learn(&gates, batch));
                learn.run(simd, threads, h, &dz[start..first], dkernel, scratch, None);
                if self.time > 1 {
                    let before = &from.sequence[..self.steps() - self.state()];
                    let learn = sizes.learn(&gates, rows - batch);
                    let dz = &dz[first + start..];
                    learn.run(simd, threads, before, dz, dkernel, scratch, None);
                }
            }
        }
    }

    /// What a product took in all steps, for the gates from one on.
    fn fill_sources<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        from: &Backward<'_, T>,
        product: usize,
        gate: usize,
        sources: &mut [T],
    ) {
        let (units, batch) = (self.units, self.batch);
        threads.run_chunks(sources, self.state(), |start, sources| {
            let before = match start.checked_sub(self.state()) {
                None => from.states[0],
                Some(before) => &from.sequence[before..before + self.state()],
            };
            sources.copy_from_slice(before);
            if let Some(dropout) = from.dropout {
                let factors = &dropout[gate * batch * units..][..batch * units];
                for (state, &factor) in sources.iter_mut().zip(factors) {
                    *state = *state * factor;
                }
            }
            for (row, state) in sources.chunks_exact_mut(units).enumerate() {
                let row = start / units + row;
                let width = C::KEPT * units;
                let kept = from
                    .kept
                    .map_or(&[][..], |kept| &kept[row * width..(row + 1) * width]);
                C::source(product, kept, state, simd);
            }
        });
    }

    fn backward_steps<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        from: &Backward<'_, T>,
        [packed, packed_inputs]: [&[T]; 2],
        to: Loop<'_, T>,
        scratch: &mut [T],
    ) {
        let (units, batch, gates, sizes) =
            (self.units, self.batch, C::GATES, self.sizes());
        let has_c = usize::from(C::STATES > 1);
        let slot_len = self.backward_slot::<T>(simd);
        let sums_len = self.partial_sums();
        let kept_dy = !to.dy.is_empty();
        let [dx, dh, dc, dy, dinput, sums, scratch] =
            [to.dx, to.dh, to.dc, to.dy, to.dinput, to.sums, scratch].map(Disjoint::new);
        let by_product = self.projection.by_product;
        let features = self.projection.features;
        threads.run_with_slot(self.shards().tasks(), &|task, slot| {
            let (first, rows) = self.shards().rows(task);
            let own = first * units..(first + rows) * units;
            let own_c = has_c * own.start..has_c * own.end;
            // SAFETY: a task uses its own rows of the states, its own sums, and a slot's own
            // scratch.
            let (dh, dc, sums, scratch) = unsafe {
                (
                    dh.slice(own.clone()),
                    dc.slice(own_c.clone()),
                    sums.slice(task * sums_len..(task + 1) * sums_len),
                    scratch.slice(slot * slot_len..(slot + 1) * slot_len),
                )
            };
            sums.fill(T::ZERO);
            let projected = self.projection.of(rows, gates * units);
            let (sums, input_sums) = sums.split_at_mut(self.own_sums());
            let (dkernel, dbias) = sums.split_at_mut(sums.len() - self.bias());
            let (by_kernel, by_bias) = input_sums.split_at_mut(projected.kernel());
            let (saved, scratch) = scratch.split_at_mut(rows * units);
            let (saved_c, scratch) = scratch.split_at_mut(has_c * rows * units);
            let (spare, scratch) = scratch.split_at_mut(C::SPARE[1] * rows * units);
            let here = if C::BIAS && !kept_dy { gates * rows * units } else { 0 };
            let (own_dy, scratch) = scratch.split_at_mut(here);
            let here = if by_product { 0 } else { gates * rows * units };
            let (own_dx, scratch) = scratch.split_at_mut(here);
            let by_inputs = projected.backward_with::<T>(simd);
            let sizes = Sizes { rows, ..sizes };
            let mut products = Products {
                simd,
                threads,
                sizes,
                first,
                parts: sizes.parts_of(simd, Direction::Backward, packed),
                dropout: from.dropout,
                dkernel,
                dbias,
                scratch,
            };
            for step in (0..self.time).rev() {
                let start = (step * batch + first) * units;
                let end = start + rows * units;
                if let Some(by_sequence) = from.by_sequence {
                    let by_step = &by_sequence[start..end];
                    dh.iter_mut().zip(by_step).for_each(|(dh, &by)| *dh += by);
                }
                let before = match step.checked_sub(1) {
                    None => {
                        [&from.states[0][own.clone()], &from.states[1][own_c.clone()]]
                    }
                    Some(_) => {
                        let (start, end) = (start - self.state(), end - self.state());
                        let cells = &from.cells[has_c * start..has_c * end];
                        [&from.sequence[start..end], cells]
                    }
                };
                let after =
                    [&from.sequence[start..end], &from.cells[has_c * start..has_c * end]];
                let dx = if by_product {
                    // SAFETY: a task uses its own rows of each step.
                    unsafe { dx.slice(gates * start..gates * end) }
                } else {
                    &mut *own_dx
                };
                let dy = if kept_dy {
                    // SAFETY: as above.
                    unsafe { dy.slice(gates * start..gates * end) }
                } else {
                    &mut *own_dy
                };
                let mask = from.mask.map(|mask| &mask[step * batch + first..][..rows]);
                if mask.is_some() {
                    saved.copy_from_slice(dh);
                    saved_c.copy_from_slice(dc);
                }
                let width = C::KEPT;
                C::backward(
                    StepBack {
                        simd,
                        units,
                        kept: from
                            .kept
                            .map_or(&[], |kept| &kept[width * start..width * end]),
                        before,
                        after,
                        dh: &mut *dh,
                        dc: &mut *dc,
                        dx: &mut *dx,
                        dy,
                        mask,
                        spare: &mut *spare,
                    },
                    &mut products,
                );
                if let Some(mask) = mask {
                    keep(mask, units, dh, saved);
                    keep(mask, units, dc, saved_c);
                }
                if let Some(inputs) = from.inputs {
                    let start = (step * batch + first) * features;
                    let own = start..start + projected.inputs();
                    let x = inputs.x.get(own.clone()).unwrap_or_default();
                    let own = if dinput.is_empty() { 0..0 } else { own };
                    // SAFETY: a task uses its own rows of each step.
                    let dinput = unsafe { dinput.slice(own) };
                    let mut to =
                        Back { dkernel: &mut *by_kernel, dbias: &mut *by_bias, dinput };
                    let scratch = &mut *products.scratch;
                    let back = (&by_inputs, packed_inputs);
                    projected.step_back(simd, (x, dx), back, &mut to, scratch);
                }
            }
        });
    }

    /// Whether what the cell kept can be where `dx` goes.
    #[must_use]
    pub fn kept_in_place(&self) -> bool {
        let later = C::PRODUCTS.len() > 1 && !self.sizes().learns_by_steps();
        C::IN_PLACE == Some(Target::Kept) && !later && self.projection.by_product
    }
}

/// What the loop changes.
struct Loop<'a, T> {
    dx: &'a mut [T],
    dh: &'a mut [T],
    dc: &'a mut [T],
    /// The gradients by the products, if they are needed after the loop.
    dy: &'a mut [T],
    /// The gradient by the inputs, if the loop gives it.
    dinput: &'a mut [T],
    /// Each task's part of the gradients by kernels and biases.
    sums: &'a mut [T],
}
