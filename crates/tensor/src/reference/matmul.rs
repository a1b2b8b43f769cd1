//! Products of matrices.

use ndarray::{ArrayView2, ArrayViewMut2, LinalgScalar, linalg::general_mat_mul};

use super::{
    layout::broadcast,
    number::{narrow, widen},
};
use crate::{DType, Element, Spec, Storage, Tensor, tensor::Positions, with_element};

/// Both operands, the sides on which they are transposed, and the product's spec.
pub(super) struct MatMul<'a> {
    pub(super) a: &'a Tensor,
    pub(super) b: &'a Tensor,
    pub(super) transpose_a: bool,
    pub(super) transpose_b: bool,
    pub(super) spec: &'a Spec,
}

impl MatMul<'_> {
    pub(super) fn run(&self) -> Tensor {
        if self.a.is_empty() || self.b.is_empty() {
            return Tensor::zeros(self.spec.dtype, &self.spec.shape);
        }
        match self.spec.dtype {
            DType::F32 => self.of_floats::<f32>(self.a, self.b),
            DType::F64 => self.of_floats::<f64>(self.a, self.b),
            DType::F16 | DType::BF16 => {
                let (a, b) = (self.a.cast(DType::F32), self.b.cast(DType::F32));
                self.of_floats::<f32>(&a, &b).cast(self.spec.dtype)
            }
            dtype => with_element!(dtype, T => self.of_integers::<T>()),
        }
    }

    /// The lengths m, k, n.
    fn lens(&self) -> [usize; 3] {
        let [.., rows, columns] = self.a.shape() else { return [0; 3] };
        let (m, k) = if self.transpose_a { (columns, rows) } else { (rows, columns) };
        [*m, *k, self.spec.shape.last().copied().unwrap_or(0)]
    }

    fn of_floats<T: Element + LinalgScalar>(&self, a: &Tensor, b: &Tensor) -> Tensor {
        let [m, k, n] = self.lens();
        let (a, b) = (a.contiguous(), b.contiguous());
        let (from_a, from_b) = (a.memory::<T>(), b.memory::<T>());
        let mut storage = Storage::zeroed(self.spec.size() * size_of::<T>());
        let products = storage.as_mut_slice::<T>().chunks_mut(m * n);
        for ((at_a, at_b), product) in self.matrices(&a, &b).zip(products) {
            let a = matrix(&from_a[at_a..at_a + m * k], [m, k], self.transpose_a);
            let b = matrix(&from_b[at_b..at_b + k * n], [k, n], self.transpose_b);
            let mut product = ArrayViewMut2::from_shape((m, n), product)
                .expect("a chunk is one matrix");
            general_mat_mul(T::one(), &a, &b, T::zero(), &mut product);
        }
        Tensor::from_storage(storage, T::DTYPE, &self.spec.shape)
    }

    fn of_integers<T: Element>(&self) -> Tensor {
        let [m, k, n] = self.lens();
        let (a, b) = (self.a.contiguous(), self.b.contiguous());
        let (from_a, from_b) = (widen::<T, i64>(&a), widen::<T, i64>(&b));
        let mut products = vec![0i64; self.spec.size()];
        let starts: Vec<_> = self.matrices(&a, &b).collect();
        for (&(at_a, at_b), product) in starts.iter().zip(products.chunks_mut(m * n)) {
            let (at_a, at_b) = (at_a - a.offset(), at_b - b.offset());
            for (i, sum) in product.iter_mut().enumerate() {
                let (row, column) = (i / n, i % n);
                for p in 0..k {
                    let x = if self.transpose_a { p * m + row } else { row * k + p };
                    let y =
                        if self.transpose_b { column * k + p } else { p * n + column };
                    let term = from_a[at_a + x].wrapping_mul(from_b[at_b + y]);
                    *sum = sum.wrapping_add(term);
                }
            }
        }
        narrow::<T, i64>(&self.spec.shape, &products)
    }

    /// Where the matrices of each pair start in the memory of `a` and `b`.
    fn matrices(&self, a: &Tensor, b: &Tensor) -> impl Iterator<Item = (usize, usize)> {
        let batch = &self.spec.shape[..self.spec.rank() - 2];
        let starts = |x: &Tensor| {
            let matrix = &x.shape()[x.rank() - 2..];
            let all = broadcast(x, &[batch, matrix].concat());
            let strides = &all.strides()[..batch.len()];
            Positions::new(batch, strides, all.offset()).collect::<Vec<_>>()
        };
        starts(a).into_iter().zip(starts(b))
    }
}

/// A view of a matrix of `lens`, which lies transposed in memory or not.
fn matrix<T>(
    values: &[T],
    [rows, columns]: [usize; 2],
    transposed: bool,
) -> ArrayView2<'_, T> {
    let lens = if transposed { (columns, rows) } else { (rows, columns) };
    let stored = ArrayView2::from_shape(lens, values).expect("as many values as cells");
    if transposed { stored.reversed_axes() } else { stored }
}
