//! Elements by position, and positions by order: take, one-hot, sort, top-k.

use std::cmp::Ordering;

use crate::{
    Axes, DType, Element, Error, Result, Storage, Tensor, elementwise::wrong_dtype,
    resolve_axis, shape_text, tensor::checked_size, walk, with_element,
};

/// The positions that `indices` mean along an axis; negative ones count from the end.
fn positions(op: &'static str, indices: &Tensor, len: usize) -> Result<Vec<usize>> {
    if !indices.dtype().is_integer() {
        return Err(Error::invalid(op, "integer indices")
            .got(indices.dtype())
            .help("convert the indices: .cast(DType::I64)"));
    }
    with_element!(indices.dtype(), T => indices
        .iter::<T>()
        .map(|index| {
            let index = index.to_i64();
            let at = if index < 0 { index + len as i64 } else { index };
            usize::try_from(at).ok().filter(|&at| at < len).ok_or_else(|| {
                let expected = match len {
                    0 => "no index, because the axis is empty".to_owned(),
                    _ => format!("indices from -{len} to {}", len - 1),
                };
                Error::invalid(op, expected).got(index)
            })
        })
        .collect())
}

impl Tensor {
    /// The slices at `indices` along an axis, which is replaced by the axes of `indices`.
    ///
    /// As NumPy's `take`: negative indices count from the end, others out of range are an
    /// error.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or `indices` are no integers or out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1, 2], [3, 4], [5, 6]]);
    /// let y = x.take(&Tensor::from([2, 0, -1]), 0)?;
    /// assert_eq!(y, Tensor::from([[5, 6], [1, 2], [5, 6]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn take(&self, indices: &Self, axis: isize) -> Result<Self> {
        let axis = resolve_axis("take", axis, self.rank())?;
        let len = self.shape()[axis];
        let positions = positions("take", indices, len)?;
        let (before, after) = (&self.shape()[..axis], &self.shape()[axis + 1..]);
        let shape = [before, indices.shape(), after].concat();
        let size = checked_size(&shape)?;
        let inner: usize = after.iter().product();
        let x = self.contiguous();
        with_element!(self.dtype(), T => {
            let mut storage = Storage::zeroed(size * size_of::<T>());
            let from = x.values::<T>();
            if size > 0 {
                let blocks = from.chunks_exact(len * inner);
                let targets = storage.as_mut_slice::<T>().chunks_exact_mut(inner);
                let sources = blocks.flat_map(|block| {
                    positions.iter().map(move |&at| &block[at * inner..(at + 1) * inner])
                });
                for (to, from) in targets.zip(sources) {
                    to.copy_from_slice(from);
                }
            }
            Ok(Self::from_storage(storage, self.dtype(), &shape))
        })
    }

    /// The elements at `indices` along an axis, one index for each.
    ///
    /// As NumPy's `take_along_axis`, without broadcasting: negative indices count from the
    /// end, others out of range are an error.
    ///
    /// # Errors
    ///
    /// If there is no such axis, `indices` are no integers or out of range, or their shape
    /// differs from this one along another axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[3, 1, 2], [4, 6, 5]]);
    /// assert_eq!(
    ///     x.take_along_axis(&x.argsort(-1)?, -1)?,
    ///     Tensor::from([[1, 2, 3], [4, 5, 6]])
    /// );
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn take_along_axis(&self, indices: &Self, axis: isize) -> Result<Self> {
        let op = "take_along_axis";
        let axis = resolve_axis(op, axis, self.rank())?;
        let fits = indices.rank() == self.rank()
            && (0..self.rank())
                .all(|i| i == axis || indices.shape()[i] == self.shape()[i]);
        if !fits {
            return Err(Error::invalid(
                op,
                format_args!(
                    "indices of shape {} but for axis {axis}",
                    shape_text(self.shape())
                ),
            )
            .got(format_args!("indices of shape {}", shape_text(indices.shape()))));
        }
        let positions = positions(op, indices, self.shape()[axis])?;
        let stride = self.strides()[axis];
        let mut strides = self.strides().to_vec();
        strides[axis] = 0;
        let starts = self.view(indices.shape().to_vec(), strides, self.offset());
        with_element!(self.dtype(), T => {
            let from = self.memory::<T>();
            let values: Vec<T> = starts
                .positions()
                .zip(positions)
                .map(|(start, at)| from[walk::position(start.cast_signed(), stride, at)])
                .collect();
            Self::new(values, indices.shape())
        })
    }

    /// For each integer, `depth` numbers along a new last axis: 1 at its place, else 0.
    ///
    /// # Errors
    ///
    /// If the elements are no integers, or not from 0 to `depth - 1`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Tensor::from([2, 0]).one_hot(3, DType::I32)?;
    /// assert_eq!(x, Tensor::from([[0, 0, 1], [1, 0, 0]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.ops.one_hot`, which makes zeros of integers out of range.
    pub fn one_hot(&self, depth: usize, dtype: DType) -> Result<Self> {
        if !self.dtype().is_integer() {
            return Err(wrong_dtype("one_hot", "integers", self.dtype())
                .help("convert the tensor first: .cast(DType::I64)"));
        }
        let mut shape = self.shape().to_vec();
        shape.push(depth);
        checked_size(&shape)?;
        let wide = self.cast(DType::I64);
        let out_of_range = |&&label: &&i64| label < 0 || label >= depth as i64;
        let labels = wide.values::<i64>();
        if let Some(label) = labels.iter().find(out_of_range) {
            return Err(Error::invalid(
                "one_hot",
                format_args!("integers that are at least 0 and below {depth}"),
            )
            .got(label));
        }
        let mut out = Self::zeros(dtype, &shape);
        with_element!(dtype, T => {
            let rows = out.make_mut::<T>().chunks_exact_mut(depth.max(1));
            for (row, &label) in rows.zip(labels) {
                row[label as usize] = T::from_i64(1);
            }
        });
        Ok(out)
    }

    /// The elements in ascending order along an axis; of all elements for `..`. NaN is last.
    ///
    /// # Errors
    ///
    /// If there is no such axis or more than one.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([3, 1, 2]).sort(0)?, Tensor::from([1, 2, 3]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn sort(&self, axis: impl Into<Axes>) -> Result<Self> {
        let axis = axis.into();
        let Some(at) = axis.one("sort", self.rank())? else {
            return self.flatten().sort(0);
        };
        self.take_along_axis(&self.argsort(axis)?, at.cast_signed())
    }

    /// The `I64` positions that put the elements along an axis in ascending order.
    ///
    /// Equal elements keep their order. For `..` they are positions in row-major order.
    ///
    /// # Errors
    ///
    /// If there is no such axis or more than one.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([3, 1, 2]).argsort(0)?, Tensor::from([1i64, 2, 0]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn argsort(&self, axis: impl Into<Axes>) -> Result<Self> {
        let Some(axis) = axis.into().one("argsort", self.rank())? else {
            return self.flatten().argsort(0);
        };
        let axis = axis.cast_signed();
        let rows = self.move_axis(axis, -1)?;
        let order = rows.sorted_positions(ascending, |order| order);
        order.move_axis(-1, axis).map(|order| order.contiguous())
    }

    /// The `k` largest elements along the last axis, the largest first, and their positions.
    ///
    /// Of equal elements the first ones count; NaN is larger than all.
    ///
    /// # Errors
    ///
    /// If there is no axis, or `k` is beyond its length.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let (values, positions) = Tensor::from([3, 9, 5]).top_k(2)?;
    /// assert_eq!(values, Tensor::from([9, 5]));
    /// assert_eq!(positions, Tensor::from([1i64, 2]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn top_k(&self, k: usize) -> Result<(Self, Self)> {
        let axis = resolve_axis("top_k", -1, self.rank())?;
        let len = self.shape()[axis];
        if k > len {
            return Err(Error::invalid("top_k", format_args!("k up to {len}")).got(k));
        }
        let order = self.sorted_positions(|a, b| ascending(b, a), |order| &order[..k]);
        Ok((self.take_along_axis(&order, -1)?, order))
    }

    /// Per row along the last axis, what `keep` keeps of the stably sorted positions.
    fn sorted_positions(
        &self,
        compare: fn(f64, f64) -> Ordering,
        keep: impl Fn(&[i64]) -> &[i64],
    ) -> Self {
        let x = self.contiguous();
        let len =
            *self.shape().last().expect("the caller has checked that there is an axis");
        let mut positions = Vec::with_capacity(self.size());
        let whole: Vec<i64> = (0..len as i64).collect();
        with_element!(self.dtype(), T => {
            let values = x.values::<T>();
            for row in values.chunks_exact(len.max(1)) {
                let mut order = whole.clone();
                if T::DTYPE.is_float() {
                    order.sort_by(|&a, &b| {
                        compare(row[a as usize].to_f64(), row[b as usize].to_f64())
                    });
                } else {
                    // Beyond 2^53 integers differ that are equal as `f64`.
                    let less = compare(0.0, 1.0);
                    order.sort_by(|&a, &b| {
                        let order = row[a as usize].to_i64().cmp(&row[b as usize].to_i64());
                        if less == Ordering::Less { order } else { order.reverse() }
                    });
                }
                positions.extend_from_slice(keep(&order));
            }
        });
        let mut shape = self.shape().to_vec();
        *shape.last_mut().expect("there is an axis") = keep(&whole).len();
        Self::new(positions, shape)
            .expect("one row of positions for each row of elements")
    }
}

/// NaN is larger than all numbers, and -0 equals 0.
fn ascending(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_taken_along_any_axis() {
        let x = Tensor::arange(0..12).reshape([3, 4]).unwrap();
        let y = x.transpose().take(&Tensor::from([[1u8, 0]]), -1).unwrap();
        assert_eq!(y.shape(), [4, 1, 2]);
        assert_eq!(y.slice((2, 0, ..)).unwrap(), Tensor::from([6, 2]));
        let none = x.take(&Tensor::zeros(DType::I64, [0]), 0).unwrap();
        assert_eq!(none.shape(), [0, 4]);
        let empty = Tensor::zeros(DType::F32, [3, 0]);
        assert_eq!(empty.take(&Tensor::from([1]), 0).unwrap().shape(), [1, 0]);
    }

    #[test]
    fn indices_out_of_range_are_named() {
        let x = Tensor::arange(0..3);
        assert_eq!(
            x.take(&Tensor::from([0, 3]), 0).unwrap_err().to_string(),
            "`take`: cannot take this input\n  expected: indices from -3 to 2\n       got: 3"
        );
        assert!(x.take(&Tensor::from([-4]), 0).is_err());
        assert!(x.take(&Tensor::from([0.0]), 0).is_err());
        assert!(x.take_along_axis(&Tensor::from([[0]]), 0).is_err());
        assert!(Tensor::zeros(DType::F32, [0]).take(&Tensor::from([0]), 0).is_err());
        assert_eq!(
            Tensor::from([10]).one_hot(10, DType::F32).unwrap_err().to_string(),
            "`one_hot`: cannot take this input\n  expected: integers that are at least 0 and \
             below 10\n       got: 10"
        );
        assert!(Tensor::from([0]).one_hot(0, DType::F32).is_err());
        assert!(Tensor::from([0.5]).one_hot(2, DType::F32).is_err());
    }

    #[test]
    fn orders_are_stable_with_nan_last() {
        let x = Tensor::from([2.0, f64::NAN, 0.0, 2.0, -0.0]);
        assert_eq!(x.argsort(0).unwrap(), Tensor::from([2i64, 4, 0, 3, 1]));
        assert_eq!(x.top_k(3).unwrap().1, Tensor::from([1i64, 0, 3]));
        let large = Tensor::from([i64::MAX, i64::MAX - 1]);
        assert_eq!(large.argsort(0).unwrap(), Tensor::from([1i64, 0]));
        assert_eq!(large.top_k(1).unwrap().0, Tensor::from([i64::MAX]));
        let columns = Tensor::from([[3, 0], [1, 2]]);
        assert_eq!(columns.sort(0).unwrap(), Tensor::from([[1, 0], [3, 2]]));
        assert_eq!(columns.sort(..).unwrap(), Tensor::from([0, 1, 2, 3]));
        assert_eq!(Tensor::zeros(DType::F32, [2, 0]).sort(1).unwrap().shape(), [2, 0]);
        assert_eq!(Tensor::zeros(DType::F32, [0, 2]).top_k(1).unwrap().0.shape(), [0, 1]);
        assert!(Tensor::from(1).sort(0).is_err());
        assert!(Tensor::from(1).top_k(0).is_err());
    }
}
