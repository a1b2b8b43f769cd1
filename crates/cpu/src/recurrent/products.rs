//! The products of a step with the recurrent kernel: [`Products`].

use std::ops::Range;

use super::cell::{Cell, each};
use crate::{
    Simd, Threads,
    gemm::{Base, Gemm, Pieces},
    simd::{Float, vectorized},
};

/// The most elements of a kernel whose gradient is added up step by step, beside the rows that
/// it comes from; that of a larger one is a product over all steps.
pub(super) const SMALL: usize = 1 << 14;

/// The least elements of a kernel whose products threads share, where one task has all rows: it
/// takes them longer to come from afar than to be handed over.
const FAR: usize = 1 << 17;

/// The columns of a product that a thread takes, about.
const COLUMNS: usize = 256;

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
        const { assert!(C::GATES <= MOST_GATES, "a place for each gate's product") };
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

    /// `state · kernel`.
    fn forward(&self, gates: &Range<usize>) -> Gemm {
        let width = self.gates * self.units;
        Gemm::new(self.rows, gates.len() * self.units, self.units)
            .b_strides(width, 1)
            .c_stride(width)
    }

    /// `dz · kernelᵀ`, the gradient by the state, or by that of one gate.
    fn backward(&self, gates: &Range<usize>) -> Gemm {
        let width = self.gates * self.units;
        Gemm::new(self.rows, self.units, gates.len() * self.units)
            .a_strides(width, 1)
            .b_strides(1, width)
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

    /// The elements of the kernel's copies for products forward, or backward.
    pub(super) fn packed<T: Float>(&self, simd: Simd, direction: Direction) -> usize {
        self.all()
            .map(|gates| self.product::<T>(simd, direction, &gates).copy_len())
            .sum()
    }

    /// Copies the kernel for products forward, or backward.
    pub(super) fn pack<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        direction: Direction,
        kernel: &[T],
        mut to: &mut [T],
    ) {
        for gates in self.all() {
            let product = self.product(simd, direction, &gates);
            let (part, rest) = to.split_at_mut(product.copy_len());
            product.pack(threads, &kernel[gates.start * self.units..], part);
            to = rest;
        }
    }

    /// The products of a step with the kernel's copies.
    pub(super) fn parts_of<'a, T: Float>(
        &self,
        simd: Simd,
        direction: Direction,
        mut copies: &'a [T],
    ) -> Parts<'a, T> {
        let mut parts = [const { None }; MOST_GATES];
        for gates in self.all() {
            let product = self.product(simd, direction, &gates);
            let (copy, rest) = copies.split_at(product.copy_len());
            parts[gates.start] = Some(Part { product, copy });
            copies = rest;
        }
        Parts(parts)
    }

    fn product<T: Float>(
        &self,
        simd: Simd,
        direction: Direction,
        gates: &Range<usize>,
    ) -> Pieces<T> {
        let gemm = match direction {
            Direction::Forward => self.forward(gates),
            Direction::Backward => self.backward(gates),
        };
        let shared = self.rows == self.batch && self.kernel() >= FAR;
        let pieces = if shared { gemm.n / COLUMNS } else { 1 };
        Pieces::new(&gemm, simd, pieces)
    }

    /// The elements of scratch memory of products forward, of as many rows or one less.
    pub(super) fn scratch<T: Float>(&self, simd: Simd) -> usize {
        let of = |sizes: Self| {
            let scratch = |g| sizes.product::<T>(simd, Direction::Forward, &g).scratch();
            sizes.all().map(scratch).max().unwrap_or_default()
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
                let back = sizes.product::<T>(simd, Direction::Backward, &gates);
                back.scratch().max(learn)
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

/// The most gates of a cell.
const MOST_GATES: usize = 4;

/// Which way a product goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// The products of a step, at the place of the first gate of each.
pub(super) struct Parts<'a, T: 'static>([Option<Part<'a, T>>; MOST_GATES]);

struct Part<'a, T: 'static> {
    product: Pieces<T>,
    copy: &'a [T],
}

impl<T: Float> Parts<'_, T> {
    /// Computes the product that starts with a gate.
    fn run(
        &self,
        threads: &Threads,
        gate: usize,
        from: &[T],
        base: Base<'_, T>,
        to: &mut [T],
        scratch: &mut [T],
    ) {
        let part = self.0[gate].as_ref().expect("a product starts with the gate");
        part.product.run(Some(threads), from, part.copy, base, to, scratch);
    }
}

/// The products of a task's rows.
#[expect(missing_debug_implementations, reason = "only the tests see it")]
pub struct Products<'a, T: 'static> {
    pub(super) simd: Simd,
    pub(super) threads: &'a Threads,
    /// With the task's rows.
    pub(super) sizes: Sizes,
    /// The task's first row.
    pub(super) first: usize,
    /// The products, forward or backward.
    pub(super) parts: Parts<'a, T>,
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

    /// Makes rows of all gates the products of states, each gate's dropout applied, and what
    /// they are added to.
    pub(super) fn add(
        &mut self,
        product: usize,
        state: &[T],
        base: Base<'_, T>,
        to: &mut [T],
    ) {
        for gates in self.sizes.parts(product) {
            self.add_part(&gates, state, base, to, self.sizes.dropped);
        }
    }

    /// As [`add`](Self::add), of what is no plain state: dropout has been applied.
    pub(super) fn add_ready(
        &mut self,
        product: usize,
        from: &[T],
        base: Base<'_, T>,
        to: &mut [T],
    ) {
        for gates in self.sizes.parts(product) {
            self.add_part(&gates, from, base, to, false);
        }
    }

    fn add_part(
        &mut self,
        gates: &Range<usize>,
        from: &[T],
        base: Base<'_, T>,
        to: &mut [T],
        drop: bool,
    ) {
        let scratch = std::mem::take(&mut self.scratch);
        let (from, rest) = self.source(gates.start, from, drop, scratch);
        let start = gates.start * self.sizes.units;
        self.parts.run(
            self.threads,
            gates.start,
            from,
            base.columns_from(start),
            &mut to[start..],
            rest,
        );
        self.scratch = scratch;
    }

    /// What the product that starts with a gate takes, and the rest of the scratch memory.
    fn source<'s>(
        &self,
        gate: usize,
        from: &'s [T],
        drop: bool,
        scratch: &'s mut [T],
    ) -> (&'s [T], &'s mut [T]) {
        let (dropped, rest) = scratch.split_at_mut(self.sizes.dropped());
        if !drop {
            return (from, rest);
        }
        self.drop_for(gate, from, dropped);
        (dropped, rest)
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
        let (from, rest) = self.source(gates.start, from, drop, scratch);
        let start = gates.start * units;
        let (dz, dkernel) = (&dz[start..], &mut self.dkernel[start..]);
        self.sizes.learn(gates, rows).run_here(self.simd, from, dz, dkernel, rest);
        self.scratch = scratch;
    }

    /// Adds a step's part of the gradient by the bias.
    pub(super) fn learn_bias(&mut self, dy: &[T]) {
        add_rows::<T>(self.simd)(dy, self.dbias);
    }

    /// Adds the gradients by the state that a product took to what is there.
    pub(super) fn add_back(&mut self, product: usize, dz: &[T], dh: &mut [T]) {
        self.back(product, dz, Base::C, dh);
    }

    /// The gradients by the state that the one product of all gates took.
    pub(super) fn set_back(&mut self, dz: &[T], dh: &mut [T]) {
        if self.sizes.dropped {
            dh.fill(T::ZERO);
        }
        self.back(0, dz, Base::Zero, dh);
    }

    fn back(&mut self, product: usize, dz: &[T], base: Base<'_, T>, dh: &mut [T]) {
        for gates in self.sizes.parts(product) {
            let scratch = std::mem::take(&mut self.scratch);
            let (dropped, rest) = scratch.split_at_mut(self.sizes.dropped());
            let dz = &dz[gates.start * self.sizes.units..];
            if self.sizes.dropped {
                self.parts.run(self.threads, gates.start, dz, Base::Zero, dropped, rest);
                self.drop_back(gates.start, dropped, dh);
            } else {
                self.parts.run(self.threads, gates.start, dz, base, dh, rest);
            }
            self.scratch = scratch;
        }
    }

    /// The gradients by what a product of one part took, which is no plain state.
    pub(super) fn set_back_ready(&mut self, product: usize, dz: &[T], by: &mut [T]) {
        let scratch = std::mem::take(&mut self.scratch);
        let gate = self.sizes.products[product].0;
        let dz = &dz[gate * self.sizes.units..];
        self.parts.run(self.threads, gate, dz, Base::Zero, by, scratch);
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

vectorized! {
    /// Adds all rows to one.
    pub(super) fn add_rows<T: Float>(rows: &[T], sum: &mut [T]) {
        for row in rows.chunks_exact(sum.len()) {
            for (sum, &x) in sum.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}
