//! The products of a step with the recurrent kernel: [`Products`].

use std::ops::Range;

use super::cell::{Cell, each};
use crate::{
    Simd, Threads,
    gemm::Gemm,
    simd::{Float, vectorized},
};

/// The most elements of a kernel whose gradient is added up step by step, beside the rows that
/// it comes from; that of a larger one is a product over all steps.
pub(super) const SMALL: usize = 1 << 14;

/// What products are made of: their shapes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) batch: usize,
    pub(super) units: usize,
    pub(super) gates: usize,
    pub(super) dropped: bool,
    pub(super) products: &'static [(usize, usize)],
}

impl Sizes {
    pub(super) fn new<C: Cell>(
        rows: usize,
        batch: usize,
        units: usize,
        dropped: bool,
    ) -> Self {
        let (gates, products) = (C::GATES, C::PRODUCTS);
        Self { rows, batch, units, gates, dropped, products }
    }

    /// The gates of each part of a product: all at once, unless each has a state of its own.
    pub(super) fn parts(
        self,
        product: usize,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let (first, end) = self.products[product];
        let each = if self.dropped { 1 } else { end - first };
        (first..end).step_by(each).map(move |gate| gate..gate + each)
    }

    fn all(self) -> impl Iterator<Item = Range<usize>> + use<> {
        (0..self.products.len()).flat_map(move |product| self.parts(product))
    }

    /// `state · kernel`, added to z.
    fn forward(&self, gates: &Range<usize>) -> Gemm {
        let width = self.gates * self.units;
        Gemm::new(self.rows, gates.len() * self.units, self.units)
            .b_strides(width, 1)
            .c_stride(width)
            .accumulate(true)
    }

    /// `dz · kernelᵀ`, added to the gradient by the state, or for that of one gate.
    fn backward(&self, gates: &Range<usize>) -> Gemm {
        let width = self.gates * self.units;
        Gemm::new(self.rows, self.units, gates.len() * self.units)
            .a_strides(width, 1)
            .b_strides(1, width)
            .accumulate(!self.dropped)
    }

    /// `stateᵀ · dz` over so many rows, added to the gradient by the kernel.
    pub(super) fn learn(&self, gates: &Range<usize>, rows: usize) -> Gemm {
        let width = self.gates * self.units;
        Gemm::new(self.units, gates.len() * self.units, rows)
            .transpose_a(true)
            .b_strides(width, 1)
            .c_stride(width)
            .accumulate(true)
    }

    /// The elements of the recurrent kernel.
    pub(super) const fn kernel(&self) -> usize {
        self.gates * self.units * self.units
    }

    /// Whether the gradient by the kernel is added up step by step.
    pub(super) const fn learns_by_steps(&self) -> bool {
        self.kernel() <= SMALL
    }

    /// The elements of the kernel's copy for products forward.
    pub(super) fn packed<T: Float>(&self, simd: Simd) -> usize {
        self.all().map(|gates| self.forward(&gates).packed_b::<T>(simd)).sum()
    }

    /// The elements of the kernel's copy for products backward.
    pub(super) fn packed_back<T: Float>(&self, simd: Simd) -> usize {
        self.all().map(|gates| self.backward(&gates).packed_b::<T>(simd)).sum()
    }

    /// Copies the kernel for products forward.
    pub(super) fn pack<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        kernel: &[T],
        mut to: &mut [T],
    ) {
        for gates in self.all() {
            let product = self.forward(&gates);
            let (part, rest) = to.split_at_mut(product.packed_b::<T>(simd));
            product.pack_b(simd, threads, &kernel[gates.start * self.units..], part);
            to = rest;
        }
    }

    /// Copies the kernel for products backward.
    pub(super) fn pack_back<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        kernel: &[T],
        mut to: &mut [T],
    ) {
        for gates in self.all() {
            let product = self.backward(&gates);
            let (part, rest) = to.split_at_mut(product.packed_b::<T>(simd));
            product.pack_b(simd, threads, &kernel[gates.start * self.units..], part);
            to = rest;
        }
    }

    /// The elements of scratch memory of products forward, of as many rows or one less.
    pub(super) fn scratch<T: Float>(&self, simd: Simd) -> usize {
        let of = |sizes: Self| {
            let scratch =
                sizes.all().map(|g| sizes.forward(&g).scratch_packed::<T>(simd));
            scratch.max().unwrap_or_default()
        };
        of(*self).max(of(self.one_less())) + self.dropped()
    }

    /// The elements of scratch memory of products backward, of as many rows or one less.
    pub(super) fn scratch_back<T: Float>(&self, simd: Simd) -> usize {
        let of = |sizes: Self| {
            let scratch = sizes.all().map(|gates| {
                let learn = match sizes.learns_by_steps() {
                    true => sizes.learn(&gates, sizes.rows).scratch::<T>(simd, 1),
                    false => 0,
                };
                sizes.backward(&gates).scratch_packed::<T>(simd).max(learn)
            });
            scratch.max().unwrap_or_default()
        };
        of(*self).max(of(self.one_less())) + self.dropped()
    }

    /// The elements of a state that a gate multiplied.
    const fn dropped(&self) -> usize {
        if self.dropped { self.rows * self.units } else { 0 }
    }

    const fn one_less(&self) -> Self {
        Self { rows: if self.rows > 1 { self.rows - 1 } else { 1 }, ..*self }
    }
}

/// The products of a task's rows.
pub(crate) struct Products<'a, T> {
    pub(super) simd: Simd,
    /// With the task's rows.
    pub(super) sizes: Sizes,
    /// The task's first row.
    pub(super) first: usize,
    /// The copy of the kernel, forward or backward.
    pub(super) packed: &'a [T],
    /// What gates multiply states by (gates, batch, units).
    pub(super) dropout: Option<&'a [T]>,
    /// The task's part of the gradient by the kernel, if it is added up step by step.
    pub(super) dkernel: &'a mut [T],
    /// The task's part of the gradient by the products' bias, if there is one.
    pub(super) dbias: &'a mut [T],
    pub(super) scratch: &'a mut [T],
}

impl<T: Float> Products<'_, T> {
    /// What a gate multiplies the task's rows of a state by.
    fn factors(&self, gate: usize) -> Option<&[T]> {
        let Sizes { rows, batch, units, .. } = self.sizes;
        let start = (gate * batch + self.first) * units;
        self.dropout.map(|dropout| &dropout[start..start + rows * units])
    }

    /// The copy of the kernel for the part of a product that starts with a gate.
    fn packed(
        &self,
        gates: &Range<usize>,
        product: fn(&Sizes, &Range<usize>) -> Gemm,
    ) -> &[T] {
        let before = self.sizes.all().take_while(|part| part.start < gates.start);
        let len = |part| product(&self.sizes, &part).packed_b::<T>(self.simd);
        &self.packed[before.map(len).sum::<usize>()..]
    }

    /// Adds the products of states, each gate's dropout applied, to rows of all gates.
    pub(super) fn add(&mut self, product: usize, state: &[T], to: &mut [T]) {
        for gates in self.sizes.parts(product) {
            self.add_part(&gates, state, to, self.sizes.dropped);
        }
    }

    /// As [`add`](Self::add), of what is no plain state: dropout has been applied.
    pub(super) fn add_ready(&mut self, product: usize, from: &[T], to: &mut [T]) {
        for gates in self.sizes.parts(product) {
            self.add_part(&gates, from, to, false);
        }
    }

    fn add_part(&mut self, gates: &Range<usize>, from: &[T], to: &mut [T], drop: bool) {
        let scratch = std::mem::take(&mut self.scratch);
        let (dropped, rest) = scratch.split_at_mut(self.sizes.dropped());
        let from = if drop {
            self.drop_for(gates.start, from, dropped);
            &*dropped
        } else {
            from
        };
        let product = self.sizes.forward(gates);
        let packed = self.packed(gates, Sizes::forward);
        let to = &mut to[gates.start * self.sizes.units..];
        product.run_packed(self.simd, from, packed, to, rest, None);
        self.scratch = scratch;
    }

    /// The state that a gate takes.
    pub(super) fn drop_for(&self, gate: usize, state: &[T], to: &mut [T]) {
        match self.factors(gate) {
            Some(factors) => times::<T>(self.simd)(state, factors, to),
            None => to.copy_from_slice(state),
        }
    }

    /// Adds the gradient by the state that a gate takes to that by the state.
    pub(super) fn drop_back(&self, gate: usize, by: &[T], dh: &mut [T]) {
        match self.factors(gate) {
            Some(factors) => add_times::<T>(self.simd)(by, factors, dh),
            None => dh.iter_mut().zip(by).for_each(|(dh, &by)| *dh += by),
        }
    }

    /// Adds a step's part of the gradient by the kernel.
    pub(super) fn learn(&mut self, product: usize, state: &[T], dz: &[T]) {
        for gates in self.sizes.parts(product) {
            self.learn_part(&gates, state, dz, self.sizes.dropped);
        }
    }

    /// As [`learn`](Self::learn), of what is no plain state: dropout has been applied.
    pub(super) fn learn_ready(&mut self, product: usize, from: &[T], dz: &[T]) {
        for gates in self.sizes.parts(product) {
            self.learn_part(&gates, from, dz, false);
        }
    }

    fn learn_part(&mut self, gates: &Range<usize>, from: &[T], dz: &[T], drop: bool) {
        if !self.sizes.learns_by_steps() {
            return;
        }
        let Sizes { rows, units, .. } = self.sizes;
        let scratch = std::mem::take(&mut self.scratch);
        let (dropped, rest) = scratch.split_at_mut(self.sizes.dropped());
        let from = if drop {
            self.drop_for(gates.start, from, dropped);
            &*dropped
        } else {
            from
        };
        let start = gates.start * units;
        let (dz, dkernel) = (&dz[start..], &mut self.dkernel[start..]);
        self.sizes.learn(gates, rows).run_here(self.simd, from, dz, dkernel, rest);
        self.scratch = scratch;
    }

    /// Adds a step's part of the gradient by the bias.
    pub(super) fn learn_bias(&mut self, dy: &[T]) {
        for row in dy.chunks_exact(self.dbias.len()) {
            self.dbias.iter_mut().zip(row).for_each(|(sum, &dy)| *sum += dy);
        }
    }

    /// Adds the gradients by the state that a product took.
    pub(super) fn add_back(&mut self, product: usize, dz: &[T], dh: &mut [T]) {
        for gates in self.sizes.parts(product) {
            self.add_part_back(&gates, dz, dh, self.sizes.dropped);
        }
    }

    /// As [`add_back`](Self::add_back), by what is no plain state.
    pub(super) fn add_back_ready(&mut self, product: usize, dz: &[T], by: &mut [T]) {
        for gates in self.sizes.parts(product) {
            self.add_part_back(&gates, dz, by, false);
        }
    }

    fn add_part_back(
        &mut self,
        gates: &Range<usize>,
        dz: &[T],
        dh: &mut [T],
        drop: bool,
    ) {
        let scratch = std::mem::take(&mut self.scratch);
        let (dropped, rest) = scratch.split_at_mut(self.sizes.dropped());
        let product = self.sizes.backward(gates);
        let packed = self.packed(gates, Sizes::backward);
        let dz = &dz[gates.start * self.sizes.units..];
        if drop {
            product.run_packed(self.simd, dz, packed, dropped, rest, None);
            self.drop_back(gates.start, dropped, dh);
        } else {
            let product = product.accumulate(true);
            product.run_packed(self.simd, dz, packed, dh, rest, None);
        }
        self.scratch = scratch;
    }
}

vectorized! {
    fn times<T: Float>(from: &[T], factors: &[T], to: &mut [T]) {
        each(to.len(), [from, factors], [to], |[x, factor], _| [x * factor]);
    }
}

vectorized! {
    fn add_times<T: Float>(from: &[T], factors: &[T], to: &mut [T]) {
        each(to.len(), [from, factors], [to], |[x, factor], [sum]| [sum + x * factor]);
    }
}
