//! Inputs that a loop multiplies by their kernel itself: [`Projection`].
//!
//! A product over all steps writes (time, batch, gates · units) to memory, from where the loop
//! reads it; backward the loop writes its gradient, which three operations read. A loop that
//! multiplies a step's inputs itself has all of that in the cache.

use super::products::add_rows;
use crate::{
    Simd, Threads,
    gemm::{Base, Gemm, Packed},
    simd::Float,
};

/// Whether a loop multiplies its inputs by their kernel, and which gradients it gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// The elements of an input; 0 if inputs come multiplied by their kernel.
    pub features: usize,
    /// Forward: whether a bias is added.
    pub biased: bool,
    /// Backward: whether the gradients by the products, by the kernel, by the inputs and by
    /// the bias are wanted.
    pub by_product: bool,
    pub by_kernel: bool,
    pub by_input: bool,
    pub by_bias: bool,
}

impl Projection {
    /// Inputs that come multiplied by their kernel.
    pub const NONE: Self = Self {
        features: 0,
        biased: false,
        by_product: true,
        by_kernel: false,
        by_input: false,
        by_bias: false,
    };

    /// The arithmetic operations for each element of the inputs times their kernel.
    #[must_use]
    pub fn flops(self) -> u64 {
        let count = |flags: [bool; 2]| flags.map(u64::from).iter().sum::<u64>();
        let products = count([self.by_kernel, self.by_input]).max(1);
        2 * products * self.features as u64 + count([self.biased, self.by_bias])
    }

    /// With rows of so many gates' units.
    pub(super) const fn of(self, rows: usize, width: usize) -> Products {
        Products { of: self, rows, width }
    }
}

/// The products of some rows' inputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Products {
    of: Projection,
    rows: usize,
    /// The columns of the kernel.
    width: usize,
}

impl Products {
    const fn forward(&self) -> Gemm {
        Gemm::new(self.rows, self.width, self.of.features)
    }

    const fn backward(&self) -> Gemm {
        Gemm::new(self.rows, self.of.features, self.width).transpose_b(true)
    }

    /// Inputs times their kernel, which is copied once.
    pub(super) fn forward_with<T: Float>(&self, simd: Simd) -> Packed<T> {
        Packed::new(&self.forward(), simd)
    }

    /// The gradient by the inputs, with a copy of the kernel.
    pub(super) fn backward_with<T: Float>(&self, simd: Simd) -> Packed<T> {
        Packed::new(&self.backward(), simd)
    }

    const fn learn(&self) -> Gemm {
        Gemm::new(self.of.features, self.width, self.rows)
            .transpose_a(true)
            .accumulate(true)
    }

    /// The elements of a step's inputs.
    pub(super) const fn inputs(&self) -> usize {
        self.rows * self.of.features
    }

    /// The elements of the kernel, if its gradient is wanted.
    pub(super) const fn kernel(&self) -> usize {
        if self.of.by_kernel { self.of.features * self.width } else { 0 }
    }

    /// The elements of the bias, if its gradient is wanted.
    pub(super) const fn bias(&self) -> usize {
        if self.of.by_bias { self.width } else { 0 }
    }

    /// The elements of the kernel's copy for products forward.
    pub(super) fn packed<T: Float>(&self, simd: Simd) -> usize {
        if self.of.features > 0 { self.forward_with::<T>(simd).copy_len() } else { 0 }
    }

    /// The elements of the kernel's copy for products backward.
    pub(super) fn packed_back<T: Float>(&self, simd: Simd) -> usize {
        if self.of.by_input { self.backward_with::<T>(simd).copy_len() } else { 0 }
    }

    pub(super) fn pack<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        kernel: &[T],
        to: &mut [T],
    ) {
        if self.of.features > 0 {
            self.forward_with(simd).pack(Some(threads), kernel, to);
        }
    }

    pub(super) fn pack_back<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        kernel: &[T],
        to: &mut [T],
    ) {
        if self.of.by_input {
            self.backward_with(simd).pack(Some(threads), kernel, to);
        }
    }

    /// The elements of scratch memory of a product forward, of as many rows or one less.
    pub(super) fn scratch<T: Float>(&self, simd: Simd) -> usize {
        let of = |products: Self| match products.of.features {
            0 => 0,
            _ => products.forward_with::<T>(simd).scratch(),
        };
        of(*self).max(of(self.one_less()))
    }

    /// The elements of scratch memory of products backward, of as many rows or one less.
    pub(super) fn scratch_back<T: Float>(&self, simd: Simd) -> usize {
        let of = |products: Self| {
            let back = match products.of.by_input {
                true => products.backward_with::<T>(simd).scratch(),
                false => 0,
            };
            let learn = match products.of.by_kernel {
                true => products.learn().scratch::<T>(simd, 1),
                false => 0,
            };
            back.max(learn)
        };
        of(*self).max(of(self.one_less()))
    }

    const fn one_less(&self) -> Self {
        Self { rows: if self.rows > 1 { self.rows - 1 } else { 1 }, ..*self }
    }

    /// A step's part of the gradients, by those by the products.
    pub(super) fn step_back<T: Float>(
        &self,
        simd: Simd,
        (inputs, dx): (&[T], &[T]),
        (back, copy): (&Packed<T>, &[T]),
        to: &mut Back<'_, T>,
        scratch: &mut [T],
    ) {
        if self.of.by_kernel {
            self.learn().run_here(simd, inputs, dx, to.dkernel, scratch);
        }
        if self.of.by_bias {
            add_rows::<T>(simd)(dx, to.dbias);
        }
        if self.of.by_input {
            back.run(dx, copy, Base::Zero, to.dinput, scratch, None);
        }
    }
}

/// Where a step's parts of the gradients go; nowhere, if they are not wanted.
pub(super) struct Back<'a, T> {
    pub(super) dkernel: &'a mut [T],
    pub(super) dbias: &'a mut [T],
    pub(super) dinput: &'a mut [T],
}
