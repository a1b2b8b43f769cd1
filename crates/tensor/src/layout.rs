//! The same elements under other shapes: reshape, transpose, broadcast and their kin.

use crate::{
    Axes, Error, Lens, Result, Tensor, resolve_axis, shape_text, tensor::checked_size,
};

impl Tensor {
    /// The same elements in row-major order under another shape; one length may be -1.
    ///
    /// A view if the elements lie in row-major order, else a copy.
    ///
    /// # Errors
    ///
    /// If the lengths do not make the same number of elements.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::arange(0..6).reshape([2, -1])?;
    /// assert_eq!(x, Tensor::from([[0, 1, 2], [3, 4, 5]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn reshape(&self, shape: impl Into<Lens>) -> Result<Self> {
        let shape = shape.into().resolve("reshape", self.size())?;
        Ok(self.with_shape(shape))
    }

    /// Under a shape of as many elements.
    fn with_shape(&self, shape: Vec<usize>) -> Self {
        let strides = crate::tensor::contiguous_strides(&shape);
        let contiguous = self.contiguous();
        let offset = contiguous.offset();
        contiguous.view(shape, strides, offset)
    }

    /// All elements in row-major order along one axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([[1, 2], [3, 4]]).flatten(), Tensor::from([1, 2, 3, 4]));
    /// ```
    #[must_use]
    pub fn flatten(&self) -> Self {
        self.with_shape(vec![self.size()])
    }

    /// A view with the axes in reverse order: of a matrix, its transpose.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1, 2], [3, 4]]);
    /// assert_eq!(x.transpose(), Tensor::from([[1, 3], [2, 4]]));
    /// ```
    #[must_use]
    pub fn transpose(&self) -> Self {
        let reversed: Vec<usize> = (0..self.rank()).rev().collect();
        self.reorder(&reversed)
    }

    /// A view with the axes in another order: axis i is axis `axes[i]` of this tensor.
    ///
    /// # Errors
    ///
    /// If `axes` does not name each axis once.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Tensor::zeros(DType::F32, [2, 3, 4]);
    /// assert_eq!(x.permute([2, 0, 1])?.shape(), [4, 2, 3]);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn permute(&self, axes: impl Into<Axes>) -> Result<Self> {
        let axes = axes.into().resolve("permute", self.rank())?;
        if axes.len() != self.rank() {
            return Err(Error::invalid(
                "permute",
                format_args!("each of {} axes once", self.rank()),
            )
            .got(format_args!("{} axes", axes.len())));
        }
        Ok(self.reorder(&axes))
    }

    pub(crate) fn reorder(&self, axes: &[usize]) -> Self {
        let shape = axes.iter().map(|&axis| self.shape()[axis]).collect();
        let strides = axes.iter().map(|&axis| self.strides()[axis]).collect();
        self.view(shape, strides, self.offset())
    }

    /// A view with two axes exchanged.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Tensor::zeros(DType::F32, [2, 3, 4]);
    /// assert_eq!(x.swap_axes(0, -1)?.shape(), [4, 3, 2]);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn swap_axes(&self, a: isize, b: isize) -> Result<Self> {
        let mut axes: Vec<usize> = (0..self.rank()).collect();
        axes.swap(
            resolve_axis("swap_axes", a, self.rank())?,
            resolve_axis("swap_axes", b, self.rank())?,
        );
        Ok(self.reorder(&axes))
    }

    /// A view with one axis moved to another place; the others keep their order.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Tensor::zeros(DType::F32, [2, 3, 4]);
    /// assert_eq!(x.move_axis(0, -1)?.shape(), [3, 4, 2]);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn move_axis(&self, from: isize, to: isize) -> Result<Self> {
        let from = resolve_axis("move_axis", from, self.rank())?;
        let to = resolve_axis("move_axis", to, self.rank())?;
        let mut axes: Vec<usize> =
            (0..self.rank()).filter(|&axis| axis != from).collect();
        axes.insert(to, from);
        Ok(self.reorder(&axes))
    }

    /// A view with a new axis of length 1, which is axis `axis` of the result.
    ///
    /// # Errors
    ///
    /// If `axis` is beyond the new rank.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1, 2]).expand_dims(-1)?, Tensor::from([[1], [2]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn expand_dims(&self, axis: isize) -> Result<Self> {
        let axis = resolve_axis("expand_dims", axis, self.rank() + 1)?;
        let (mut shape, mut strides) = (self.shape().to_vec(), self.strides().to_vec());
        shape.insert(axis, 1);
        strides.insert(axis, 0);
        Ok(self.view(shape, strides, self.offset()))
    }

    /// A view without these axes of length 1; without all such axes for `..`.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or its length is not 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[[1], [2]]]);
    /// assert_eq!(x.squeeze(..)?, Tensor::from([1, 2]));
    /// assert_eq!(x.squeeze(0)?, Tensor::from([[1], [2]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn squeeze(&self, axes: impl Into<Axes>) -> Result<Self> {
        let axes = axes.into();
        let all = axes == Axes::from(..);
        let mut gone = axes.resolve("squeeze", self.rank())?;
        if all {
            gone.retain(|&axis| self.shape()[axis] == 1);
        }
        if gone.iter().any(|&axis| self.shape()[axis] != 1) {
            return Err(Error::invalid("squeeze", "axes of length 1")
                .got(format_args!("shape {}", shape_text(self.shape()))));
        }
        let rest: Vec<usize> =
            (0..self.rank()).filter(|axis| !gone.contains(axis)).collect();
        Ok(self.reorder(&rest))
    }

    /// A view repeated to `shape` by NumPy's rule, without a copy.
    ///
    /// # Errors
    ///
    /// If the axes, aligned at the last, are not equal or 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([1, 2]).broadcast_to([2, 2])?;
    /// assert_eq!(x, Tensor::from([[1, 2], [1, 2]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn broadcast_to(&self, shape: impl AsRef<[usize]>) -> Result<Self> {
        let shape = shape.as_ref();
        checked_size(shape)?;
        let fits = self.rank() <= shape.len()
            && self
                .shape()
                .iter()
                .rev()
                .zip(shape.iter().rev())
                .all(|(&from, &to)| from == to || from == 1);
        if !fits {
            return Err(Error::invalid(
                "broadcast_to",
                format_args!("a shape that broadcasts to {}", shape_text(shape)),
            )
            .got(shape_text(self.shape())));
        }
        Ok(self.spread(shape))
    }

    /// A view of a shape that this one broadcasts to.
    pub(crate) fn spread(&self, shape: &[usize]) -> Self {
        let added = shape.len() - self.rank();
        let mut strides = vec![0; added];
        for (axis, &stride) in self.strides().iter().enumerate() {
            let repeated = self.shape()[axis] != shape[added + axis];
            strides.push(if repeated { 0 } else { stride });
        }
        self.view(shape.to_vec(), strides, self.offset())
    }

    /// A view with the order of the elements along these axes reversed.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1, 2], [3, 4]]);
    /// assert_eq!(x.flip(1)?, Tensor::from([[2, 1], [4, 3]]));
    /// assert_eq!(x.flip(..)?, Tensor::from([[4, 3], [2, 1]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn flip(&self, axes: impl Into<Axes>) -> Result<Self> {
        let mut strides = self.strides().to_vec();
        let mut offset = self.offset().cast_signed();
        for axis in axes.into().resolve("flip", self.rank())? {
            offset += strides[axis] * self.shape()[axis].saturating_sub(1).cast_signed();
            strides[axis] = -strides[axis];
        }
        // Nothing is read of an empty view, and its lengths may lead anywhere.
        let offset = if self.is_empty() { 0 } else { offset.unsigned_abs() };
        Ok(self.view(self.shape().to_vec(), strides, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn views_share_the_memory() {
        let x = Tensor::arange(0..6).reshape([2, 3]).unwrap();
        let start = x.as_slice::<i32>().unwrap().as_ptr();
        let same = x.flatten().reshape([3, 1, 2]).unwrap();
        assert_eq!(same.as_slice::<i32>().unwrap().as_ptr(), start);
        assert_eq!(x.transpose().transpose().as_slice::<i32>().unwrap().as_ptr(), start);
    }

    #[test]
    fn a_transposed_tensor_is_reshaped_in_its_own_order() {
        let x = Tensor::from([[1, 2, 3], [4, 5, 6]]).transpose();
        assert_eq!(x.flatten(), Tensor::from([1, 4, 2, 5, 3, 6]));
        assert_eq!(x.reshape([2, 3]).unwrap(), Tensor::from([[1, 4, 2], [5, 3, 6]]));
    }

    #[test]
    fn broadcasting_costs_no_memory() {
        let x = Tensor::from([1.0]).broadcast_to([1 << 20, 1 << 20]).unwrap();
        assert_eq!(x.size(), 1 << 40);
        assert!(Tensor::from([1, 2]).broadcast_to([3]).is_err());
        assert!(Tensor::from([[1]]).broadcast_to([3]).is_err());
        assert!(Tensor::from([1]).broadcast_to([usize::MAX, 2]).is_err());
        assert_eq!(Tensor::from([1]).broadcast_to([0, 0]).unwrap().shape(), [0, 0]);
    }

    #[test]
    fn empty_tensors_can_be_flipped() {
        let x = Tensor::zeros(DType::F32, [0, 5]);
        assert_eq!(x.flip(..).unwrap().flip(1).unwrap(), x);
    }

    #[test]
    fn wrong_axes_are_named() {
        let x = Tensor::zeros(DType::F32, [2, 3]);
        assert_eq!(
            x.squeeze(0).unwrap_err().to_string(),
            "`squeeze`: cannot take this input\n  expected: axes of length 1\n       got: shape \
             (2, 3)"
        );
        assert!(x.permute([0]).is_err());
        assert!(x.permute([0, 0]).is_err());
        assert!(x.permute([0, 2]).is_err());
        assert!(x.expand_dims(3).is_err());
        assert_eq!(x.expand_dims(2).unwrap().shape(), [2, 3, 1]);
    }
}
