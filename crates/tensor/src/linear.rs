//! Products of vectors, matrices and stacks of them.

use ndarray::{
    ArrayView2, ArrayViewMut2, LinalgScalar, ShapeBuilder, linalg::general_mat_mul,
};

use crate::{
    DType, Element, Error, Result, Tensor, broadcast_shapes, elementwise::wrong_dtype,
    resolve_axis, shape_text, with_element,
};

impl Tensor {
    /// The product of vectors, matrices and tensors, as NumPy's `dot`.
    ///
    /// The sum of products over the last axis of `a` and the last but one axis of `b`, or its
    /// only one. Half precision is computed in `F32`; integers wrap.
    ///
    /// # Shapes
    ///
    /// | a              | b            | a · b                |
    /// |----------------|--------------|----------------------|
    /// | `(n,)`         | `(n,)`       | `()`                 |
    /// | `(m, n)`       | `(n,)`       | `(m,)`               |
    /// | `(m, k)`       | `(k, n)`     | `(m, n)`             |
    /// | `(a, b, c, d)` | `(d,)`       | `(a, b, c)`          |
    /// | `(a, b, c, d)` | `(d, e)`     | `(a, b, c, e)`       |
    /// | `(..., k)`     | `(..., k, n)`| `(..., ..., n)`      |
    /// | `()`           | any          | as `mul`             |
    ///
    /// # Errors
    ///
    /// If these axes differ in length, or the element types differ or are `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// let v = Tensor::from([1.0, 10.0]);
    /// assert_eq!(v.dot(&v)?, Tensor::from(101.0));
    /// assert_eq!(x.dot(&v)?, Tensor::from([21.0, 43.0]));
    /// assert_eq!(x.dot(&x)?, Tensor::from([[7.0, 10.0], [15.0, 22.0]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn dot(&self, other: &Self) -> Result<Self> {
        if self.rank() == 0 || other.rank() == 0 {
            return self.mul(other);
        }
        let axis = other.rank().saturating_sub(2);
        self.contract("dot", other, &[self.rank() - 1], &[axis])
    }

    /// The product of matrices in the last two axes; the axes before broadcast.
    ///
    /// A vector on the left is a row, on the right a column, and that axis goes away again.
    ///
    /// # Shapes
    ///
    /// `(..., m, k) · (..., k, n) → (..., m, n)`
    ///
    /// # Errors
    ///
    /// If one has no axis, the inner lengths differ, the axes before do not broadcast, or the
    /// element types differ or are `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[[1.0, 2.0]], [[3.0, 4.0]]]);
    /// let y = Tensor::from([[1.0], [10.0]]);
    /// assert_eq!(x.matmul(&y)?, Tensor::from([[[21.0]], [[43.0]]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        let op = "matmul";
        self.check_product(op, other)?;
        if self.rank() == 0 || other.rank() == 0 {
            return Err(Error::invalid(op, "tensors with at least one axis")
                .got(self.pair_text(other))
                .help("multiply by a scalar with .mul"));
        }
        let a = if self.rank() == 1 { self.expand_dims(0)? } else { self.clone() };
        let b = if other.rank() == 1 { other.expand_dims(-1)? } else { other.clone() };
        let [batch_a, batch_b] = [&a, &b].map(|x| &x.shape()[..x.rank() - 2]);
        let [m, k] = [a.rank() - 2, a.rank() - 1].map(|axis| a.shape()[axis]);
        let [k_b, n] = [b.rank() - 2, b.rank() - 1].map(|axis| b.shape()[axis]);
        let batch =
            broadcast_shapes(batch_a, batch_b).filter(|_| k == k_b).ok_or_else(|| {
                Error::invalid(op, "shapes (..., m, k) and (..., k, n)")
                    .got(self.pair_text(other))
            })?;
        let product =
            if batch_b.iter().all(|&len| len == 1) && batch.len() == batch_a.len() {
                // One matrix for all: the stack is one tall matrix.
                let matrix = b.reshape([k, n])?;
                let rows = batch.iter().product::<usize>() * m;
                a.reshape([rows, k])?.matrix_product(&matrix)?
            } else {
                let a = a.spread(&[&batch[..], &[m, k]].concat());
                let b = b.spread(&[&batch[..], &[k, n]].concat());
                a.stacked_product(&b, batch.len())?
            };
        let mut shape = batch;
        if self.rank() > 1 {
            shape.push(m);
        }
        if other.rank() > 1 {
            shape.push(n);
        }
        product.reshape(shape)
    }

    /// The sum of products over pairs of axes; the axes left over of both follow each other.
    ///
    /// # Errors
    ///
    /// If the axes are not as many, or differ in length, or the element types differ or are
    /// `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.tensordot(&x, [0, 1], [0, 1])?, Tensor::from(30.0));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn tensordot(
        &self,
        other: &Self,
        axes: impl Into<crate::Axes>,
        other_axes: impl Into<crate::Axes>,
    ) -> Result<Self> {
        let axes = axes.into().resolve("tensordot", self.rank())?;
        let other_axes = other_axes.into().resolve("tensordot", other.rank())?;
        self.contract("tensordot", other, &axes, &other_axes)
    }

    /// The products of all pairs of elements.
    ///
    /// # Errors
    ///
    /// If the element types differ or are `Bool`, or the result does not fit into memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([1, 2]);
    /// assert_eq!(x.outer(&x)?, Tensor::from([[1, 2], [2, 4]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn outer(&self, other: &Self) -> Result<Self> {
        crate::tensor::checked_size(&[self.size(), other.size()])?;
        self.flatten().expand_dims(-1)?.mul(&other.flatten())
    }

    fn contract(
        &self,
        op: &'static str,
        other: &Self,
        axes: &[usize],
        other_axes: &[usize],
    ) -> Result<Self> {
        self.check_product(op, other)?;
        let lens = |x: &Self, axes: &[usize]| -> Vec<usize> {
            axes.iter().map(|&axis| x.shape()[axis]).collect()
        };
        let inner = lens(self, axes);
        if inner != lens(other, other_axes) {
            return Err(Error::invalid(
                op,
                format_args!(
                    "equal lengths of {} of the first and {} of the second",
                    axes_text(axes),
                    axes_text(other_axes)
                ),
            )
            .got(self.pair_text(other)));
        }
        let free = |x: &Self, axes: &[usize]| -> Vec<usize> {
            (0..x.rank()).filter(|axis| !axes.contains(axis)).collect()
        };
        let (free_a, free_b) = (free(self, axes), free(other, other_axes));
        let shape = [lens(self, &free_a), lens(other, &free_b)].concat();
        crate::tensor::checked_size(&shape)?;
        let inner: usize = inner.iter().product();
        let outer = |x: &Self, free: &[usize]| lens(x, free).iter().product::<usize>();
        let a = self
            .reorder(&[&free_a, axes].concat())
            .reshape([outer(self, &free_a), inner])?;
        let b = other
            .reorder(&[other_axes, &free_b].concat())
            .reshape([inner, outer(other, &free_b)])?;
        a.matrix_product(&b)?.reshape(shape)
    }

    fn check_product(&self, op: &'static str, other: &Self) -> Result<()> {
        if self.dtype() == DType::Bool {
            return Err(wrong_dtype(op, "numbers", DType::Bool));
        }
        crate::Operand::Tensor(other).resolve(op, self).map(|_| ())
    }

    fn pair_text(&self, other: &Self) -> String {
        format!("{} and {}", shape_text(self.shape()), shape_text(other.shape()))
    }

    /// (m, k) · (k, n).
    fn matrix_product(&self, other: &Self) -> Result<Self> {
        self.stacked_product(other, 0)
    }

    /// (…, m, k) · (…, k, n) with the same `stacked` axes before.
    fn stacked_product(&self, other: &Self, stacked: usize) -> Result<Self> {
        let (m, k) = (self.shape()[stacked], self.shape()[stacked + 1]);
        let n = other.shape()[stacked + 1];
        let shape = [&self.shape()[..stacked], &[m, n]].concat();
        crate::tensor::checked_size(&shape)?;
        let narrow = matches!(self.dtype(), DType::F16 | DType::BF16);
        if narrow {
            let [a, b] = [self, other].map(|x| x.cast(DType::F32));
            return Ok(a.stacked_product(&b, stacked)?.cast(self.dtype()));
        }
        let mut out = Self::zeros(self.dtype(), &shape);
        if out.is_empty() || k == 0 {
            return Ok(out);
        }
        let [a, b] = [self, other].map(Self::with_forward_strides);
        match self.dtype() {
            DType::F32 => each_product::<f32>(&a, &b, &mut out, multiply_floats),
            DType::F64 => each_product::<f64>(&a, &b, &mut out, multiply_floats),
            dtype => with_element!(dtype, T => {
                each_product::<T>(&a, &b, &mut out, multiply_integers);
            }),
        }
        Ok(out)
    }

    /// The same values without negative strides.
    fn with_forward_strides(&self) -> Self {
        if self.strides().iter().all(|&stride| stride >= 0) {
            self.clone()
        } else {
            self.contiguous()
        }
    }

    /// The elements on the diagonal of the first two axes, along a new last axis; a view.
    ///
    /// # Errors
    ///
    /// If there are fewer than two axes.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([[1, 2], [3, 4]]).diagonal()?, Tensor::from([1, 4]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn diagonal(&self) -> Result<Self> {
        resolve_axis("diagonal", 1, self.rank())?;
        let mut shape = self.shape()[2..].to_vec();
        let mut strides = self.strides()[2..].to_vec();
        shape.push(self.shape()[0].min(self.shape()[1]));
        strides.push(self.strides()[0] + self.strides()[1]);
        Ok(self.view(shape, strides, self.offset()))
    }
}

/// Multiplies the matrices in the last two axes, one pair after the other.
fn each_product<T: Element>(
    a: &Tensor,
    b: &Tensor,
    out: &mut Tensor,
    multiply: impl Fn(&Matrix<'_, T>, &Matrix<'_, T>, &mut [T]),
) {
    let stacked = a.rank() - 2;
    // The places of the matrices are those of their first elements.
    let starts = |x: &Tensor| {
        let (shape, strides) =
            (x.shape()[..stacked].to_vec(), x.strides()[..stacked].to_vec());
        x.view(shape, strides, x.offset()).positions().collect::<Vec<_>>()
    };
    let (from_a, from_b) = (a.memory::<T>(), b.memory::<T>());
    let matrix = |x: &Tensor| {
        [stacked, stacked + 1].map(|i| (x.shape()[i], x.strides()[i].unsigned_abs()))
    };
    let ([rows_a, columns_a], [rows_b, columns_b]) = (matrix(a), matrix(b));
    let len = rows_a.0 * columns_b.0;
    let products = out.make_mut::<T>().chunks_exact_mut(len);
    for ((to, at_a), at_b) in products.zip(starts(a)).zip(starts(b)) {
        let a = Matrix {
            values: &from_a[at_a..],
            shape: [rows_a.0, columns_a.0],
            strides: [rows_a.1, columns_a.1],
        };
        let b = Matrix {
            values: &from_b[at_b..],
            shape: [rows_b.0, columns_b.0],
            strides: [rows_b.1, columns_b.1],
        };
        multiply(&a, &b, to);
    }
}

struct Matrix<'a, T> {
    values: &'a [T],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<T> Matrix<'_, T> {
    fn view(&self) -> ArrayView2<'_, T> {
        ArrayView2::from_shape(self.shape.strides(self.strides), self.values)
            .expect("a view's strides stay inside its memory")
    }
}

/// `to = a · b`, row-major.
fn multiply_floats<T: Element + LinalgScalar>(
    a: &Matrix<'_, T>,
    b: &Matrix<'_, T>,
    to: &mut [T],
) {
    let mut to = ArrayViewMut2::from_shape((a.shape[0], b.shape[1]), to)
        .expect("as many elements as the product has");
    general_mat_mul(T::one(), &a.view(), &b.view(), T::zero(), &mut to);
}

/// `to = a · b`, row-major; `to` is zero before. Wraps.
fn multiply_integers<T: Element>(a: &Matrix<'_, T>, b: &Matrix<'_, T>, to: &mut [T]) {
    let [m, k] = a.shape;
    let n = b.shape[1];
    for i in 0..m {
        let row = &mut to[i * n..(i + 1) * n];
        for p in 0..k {
            let x = a.values[i * a.strides[0] + p * a.strides[1]].to_i64();
            for (j, to) in row.iter_mut().enumerate() {
                let y = b.values[p * b.strides[0] + j * b.strides[1]].to_i64();
                *to = T::from_i64(to.to_i64().wrapping_add(x.wrapping_mul(y)));
            }
        }
    }
}

fn axes_text(axes: &[usize]) -> String {
    match axes {
        [axis] => format!("axis {axis}"),
        axes => format!("axes {}", shape_text(axes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(shape: impl AsRef<[usize]>) -> Tensor {
        let mut next = 0;
        Tensor::from_fn(shape, |_| {
            next += 1;
            f64::from(next)
        })
    }

    #[test]
    fn dot_has_numpys_shapes() {
        let x = counted([2, 3, 4, 5]);
        for (other, expected) in [
            (&[5][..], &[2, 3, 4][..]),
            (&[5, 6], &[2, 3, 4, 6]),
            (&[7, 5, 6], &[2, 3, 4, 7, 6]),
            (&[], &[2, 3, 4, 5]),
        ] {
            assert_eq!(x.dot(&counted(other)).unwrap().shape(), expected);
        }
        assert_eq!(counted([0, 3]).dot(&counted([3, 2])).unwrap().shape(), [0, 2]);
        assert_eq!(counted([2, 0]).dot(&counted([0])).unwrap(), Tensor::from([0.0, 0.0]));
    }

    #[test]
    fn every_element_type_is_multiplied() {
        let x = Tensor::from([[1, 2], [3, 4]]);
        let expected = Tensor::from([[7, 10], [15, 22]]);
        for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::Bool) {
            let x = x.cast(dtype);
            assert_eq!(x.dot(&x).unwrap(), expected.cast(dtype), "{dtype}");
            let flipped = x.flip(..).unwrap().flip(..).unwrap();
            assert_eq!(
                flipped.matmul(&flipped).unwrap(),
                expected.cast(dtype),
                "{dtype}"
            );
        }
        assert!(x.cast(DType::Bool).dot(&x.cast(DType::Bool)).is_err());
    }

    #[test]
    fn stacks_of_matrices_broadcast() {
        let (x, y) = (counted([2, 1, 3, 4]), counted([5, 4, 2]));
        let product = x.matmul(&y).unwrap();
        assert_eq!(product.shape(), [2, 5, 3, 2]);
        let one = x.slice((1, 0)).unwrap().dot(&y.slice(3).unwrap()).unwrap();
        assert_eq!(product.slice((1, 3)).unwrap(), one);
        assert_eq!(counted([4]).matmul(&y).unwrap().shape(), [5, 2]);
        assert_eq!(counted([5, 3, 4]).matmul(&counted([4])).unwrap().shape(), [5, 3]);
        assert_eq!(counted([4]).matmul(&counted([4])).unwrap(), Tensor::from(30.0));
    }

    #[test]
    fn transposed_and_sliced_matrices_are_multiplied() {
        let x = counted([4, 6]);
        let y = x.slice((crate::step(.., -2), crate::step(1.., 2))).unwrap();
        let copied = Tensor::new(y.to_vec::<f64>().unwrap(), y.shape()).unwrap();
        let expected = copied.dot(&copied.transpose().contiguous()).unwrap();
        assert_eq!(y.dot(&y.transpose()).unwrap(), expected);
    }

    #[test]
    fn lengths_that_differ_are_named() {
        let error = counted([2, 3]).dot(&counted([2, 3])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`dot`: cannot take this input\n  expected: equal lengths of axis 1 of the first \
             and axis 0 of the second\n       got: (2, 3) and (2, 3)"
        );
        assert!(counted([2, 3]).matmul(&counted([2, 3])).is_err());
        assert!(counted([2, 3, 4]).matmul(&counted([3, 4, 2])).is_err());
        assert!(counted([]).matmul(&counted([2])).is_err());
        assert!(counted([2]).tensordot(&counted([2]), [0], [1]).is_err());
        assert!(counted([2, 3]).tensordot(&counted([2]), [0, 1], [0]).is_err());
    }
}
