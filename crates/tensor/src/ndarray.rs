//! Conversions from and to arrays of the `ndarray` crate.

use ::ndarray::{
    Array, ArrayD, ArrayViewD, Axis, Dimension, IxDyn, ShapeBuilder, StrideShape,
};

use crate::{Element, Result, Storage, Tensor};

impl Tensor {
    /// A tensor that takes over an array's memory, whatever its strides; nothing is copied.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use ndarray::array;
    ///
    /// let x = Tensor::from_ndarray(array![[1, 2], [3, 4]].reversed_axes());
    /// assert_eq!(x, Tensor::from([[1, 3], [2, 4]]));
    /// ```
    #[must_use]
    pub fn from_ndarray<T: Element, D: Dimension>(array: Array<T, D>) -> Self {
        let shape = array.shape().to_vec();
        let strides = array.strides().to_vec();
        let (values, offset) = array.into_raw_vec_and_offset();
        let storage = Storage::from_owner(values, Vec::as_slice);
        // An empty array has no first element.
        Self::from_storage(storage, T::DTYPE, &[]).view(
            shape,
            strides,
            offset.unwrap_or(0),
        )
    }

    /// A view of the tensor's memory as an array, whatever its strides; nothing is copied.
    ///
    /// # Errors
    ///
    /// If `T` is not the element type.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1, 2], [3, 4]]).transpose();
    /// assert_eq!(x.as_ndarray::<i32>()?[[0, 1]], 3);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn as_ndarray<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        self.expect_dtype::<T>("as_ndarray")?;
        let shape = IxDyn(self.shape());
        if self.is_empty() {
            return Ok(view(shape.into(), &[]));
        }
        // The crate takes a slice with forward strides; the axes are turned after that.
        let mut start = self.offset().cast_signed();
        for (&len, &stride) in self.shape().iter().zip(self.strides()) {
            start += stride.min(0) * (len.cast_signed() - 1);
        }
        let forward: Vec<usize> =
            self.strides().iter().map(|stride| stride.unsigned_abs()).collect();
        let memory = &self.memory::<T>()[start.unsigned_abs()..];
        let mut view = view(shape.strides(IxDyn(&forward)), memory);
        for (axis, &stride) in self.strides().iter().enumerate() {
            if stride < 0 {
                view.invert_axis(Axis(axis));
            }
        }
        Ok(view)
    }

    /// A copy of the elements as an array of its own.
    ///
    /// # Errors
    ///
    /// If `T` is not the element type.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let array = Tensor::from([1.0, 2.0]).to_ndarray::<f64>()?;
    /// assert_eq!(array.sum(), 3.0);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn to_ndarray<T: Element>(&self) -> Result<ArrayD<T>> {
        Ok(self.as_ndarray()?.to_owned())
    }
}

fn view<T>(shape: StrideShape<IxDyn>, memory: &[T]) -> ArrayViewD<'_, T> {
    ArrayViewD::from_shape(shape, memory)
        .expect("a view's strides stay inside its memory")
}

#[cfg(test)]
mod tests {
    use ::ndarray::{Array2, arr0, s};

    use super::*;
    use crate::{DType, step};

    #[test]
    fn any_strides_come_in_without_a_copy() {
        let array = Array2::from_shape_fn((4, 6), |(i, j)| (10 * i + j) as i32);
        let start = array.as_ptr();
        let expected = array.slice(s![..;-2, 1..;3]).to_owned();
        let x = Tensor::from_ndarray(array.slice_move(s![..;-2, 1..;3]));
        assert_eq!(
            x.to_vec::<i32>().unwrap(),
            expected.iter().copied().collect::<Vec<_>>()
        );
        assert_eq!(x.strides(), [-12, 3]);
        assert_eq!(x.memory::<i32>().as_ptr(), start);
        assert_eq!(Tensor::from_ndarray(arr0(5u8)), Tensor::from(5u8));
        let empty = Tensor::from_ndarray(Array2::<f32>::zeros((0, 3)));
        assert_eq!(empty, Tensor::zeros(DType::F32, [0, 3]));
    }

    #[test]
    fn foreign_memory_is_copied_before_it_is_changed() {
        let mut x = Tensor::from_ndarray(Array2::<f32>::zeros((2, 2)));
        let before = x.clone();
        x.make_mut::<f32>()[0] = 1.0;
        assert_eq!(before, Tensor::zeros(DType::F32, [2, 2]));
        assert_eq!(x.to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn any_view_goes_out_without_a_copy() {
        let x = Tensor::arange(0..24).reshape([2, 3, 4]).unwrap();
        for x in [
            x.clone(),
            x.transpose(),
            x.flip(..).unwrap(),
            x.slice((1, step(.., -2), step(1.., 2))).unwrap(),
            x.slice((0, 0)).unwrap().broadcast_to([5, 4]).unwrap(),
            x.slice((.., 3..)).unwrap(),
            x.slice((0, 0, 0)).unwrap(),
        ] {
            let view = x.as_ndarray::<i32>().unwrap();
            assert_eq!(view.shape(), x.shape());
            assert_eq!(
                view.iter().copied().collect::<Vec<_>>(),
                x.to_vec::<i32>().unwrap()
            );
            assert_eq!(Tensor::from_ndarray(x.to_ndarray::<i32>().unwrap()), x);
        }
        assert!(x.as_ndarray::<f32>().is_err());
    }
}
