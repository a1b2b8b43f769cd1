//! Products with a copy of B, whose columns threads share: [`Pieces`].

use super::{Base, Gemm, Packed, kernel::Kernels, run::share};
use crate::{Simd, Threads, simd::Float, threads::Disjoint};

/// Many products of one shape with a copy of one B, each of them on several threads.
///
/// The columns are cut into pieces by the shape alone, each of which has a copy of its own; a sum
/// is the same as if they were not.
pub(crate) struct Pieces<T: 'static> {
    /// The product of each piece but the last, and of the last.
    products: [Packed<T>; 2],
    count: usize,
    /// The columns of each piece but the last.
    width: usize,
    /// From one column of B to the next.
    step: usize,
}

impl<T: Float> Pieces<T> {
    /// Cuts the columns into about so many pieces.
    pub(crate) fn new(gemm: &Gemm, simd: Simd, pieces: usize) -> Self {
        let kernels: &Kernels<T> = T::kernels(simd);
        let panel = 2 * kernels.lanes;
        let width = gemm.n.div_ceil(pieces.max(1)).next_multiple_of(panel);
        let (width, count) = match pieces {
            0 | 1 => (gemm.n, 1),
            _ => (width, gemm.n.div_ceil(width)),
        };
        let last = gemm.n - (count - 1) * width;
        let products = [width, last].map(|n| Packed::new(&Gemm { n, ..*gemm }, simd));
        Self { products, count, width, step: gemm.b[1] }
    }

    fn product(&self, piece: usize) -> &Packed<T> {
        &self.products[usize::from(piece + 1 == self.count)]
    }

    /// The elements of the copy of B.
    pub(crate) fn copy_len(&self) -> usize {
        let [whole, last] = &self.products;
        (self.count - 1) * whole.copy_len() + last.copy_len()
    }

    /// Copies B as [`run`](Self::run) reads it.
    pub(crate) fn pack(&self, threads: &Threads, b: &[T], to: &mut [T]) {
        let len = self.products[0].copy_len().max(1);
        for (piece, to) in to.chunks_mut(len).take(self.count).enumerate() {
            let start = piece * self.width * self.step;
            self.product(piece).pack(Some(threads), &b[start..], to);
        }
    }

    /// The elements of scratch memory of a product.
    pub(crate) fn scratch(&self) -> usize {
        self.products.iter().map(Packed::scratch).max().unwrap_or_default()
    }

    /// Computes a product, on the calling thread if it is one piece or there are no others.
    ///
    /// # Panics
    ///
    /// As [`Packed::run`].
    pub(crate) fn run(
        &self,
        threads: Option<&Threads>,
        a: &[T],
        copy: &[T],
        base: Base<'_, T>,
        c: &mut [T],
        scratch: &mut [T],
    ) {
        if self.count == 1 {
            return self.products[0].run(a, copy, base, c, scratch, None);
        }
        let len = self.products[0].copy_len();
        let c = Disjoint::new(c);
        share(threads, self.count, &|piece, _| {
            let column = piece * self.width;
            let base = base.columns_from(column);
            // SAFETY: a piece's columns of C have one task.
            unsafe {
                self.product(piece).run_columns(
                    a,
                    &copy[piece * len..],
                    base,
                    &c,
                    column,
                );
            }
        });
    }
}
