//! Tensors joined, split, repeated and padded.

use std::borrow::Borrow;

use crate::{
    Element, Error, Part, Result, Scalar, Storage, Tensor, resolve_axis, shape_text,
    tensor::checked_size, walk, with_element,
};

impl Tensor {
    /// The tensors one after the other along an axis.
    ///
    /// # Errors
    ///
    /// If there is no tensor or no such axis, element types differ, or lengths along another
    /// axis do.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1], [2]]);
    /// assert_eq!(Tensor::concatenate(&[&x, &x], 1)?, Tensor::from([[1, 1], [2, 2]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn concatenate(tensors: &[impl Borrow<Self>], axis: isize) -> Result<Self> {
        join("concatenate", tensors, axis)
    }

    /// The tensors one after the other along a new axis.
    ///
    /// # Errors
    ///
    /// If there is no tensor, or the element types or shapes differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let (x, y) = (Tensor::from([1, 2]), Tensor::from([3, 4]));
    /// assert_eq!(Tensor::stack(&[&x, &y], 0)?, Tensor::from([[1, 2], [3, 4]]));
    /// assert_eq!(Tensor::stack(&[&x, &y], 1)?, Tensor::from([[1, 3], [2, 4]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn stack(tensors: &[impl Borrow<Self>], axis: isize) -> Result<Self> {
        let first = first("stack", tensors)?;
        if let Some(other) =
            tensors.iter().find(|x| (*x).borrow().shape() != first.shape())
        {
            return Err(Error::invalid("stack", "tensors of one shape").got(
                format_args!(
                    "{} and {}",
                    shape_text(first.shape()),
                    shape_text(other.borrow().shape())
                ),
            ));
        }
        let expanded: Vec<Self> = tensors
            .iter()
            .map(|x| x.borrow().expand_dims(axis))
            .collect::<Result<_>>()?;
        join("stack", &expanded, axis)
    }

    /// Views of `sections` equal parts along an axis.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or its length is no multiple of `sections`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let parts = Tensor::arange(0..4).split(2, 0)?;
    /// assert_eq!(parts[1], Tensor::from([2, 3]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn split(&self, sections: usize, axis: isize) -> Result<Vec<Self>> {
        let at = resolve_axis("split", axis, self.rank())?;
        let len = self.shape()[at];
        if sections == 0 || !len.is_multiple_of(sections) {
            return Err(Error::invalid(
                "split",
                format_args!("a divisor of {len} sections"),
            )
            .got(sections)
            .help("name the places of the cuts instead: .split_at([...], axis)"));
        }
        let cuts: Vec<usize> = (1..sections).map(|i| i * (len / sections)).collect();
        self.split_at(cuts, axis)
    }

    /// Views of the parts between ascending positions along an axis.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the positions do not ascend or are beyond its length.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let parts = Tensor::arange(0..4).split_at([1], 0)?;
    /// assert_eq!(parts, [Tensor::from([0]), Tensor::from([1, 2, 3])]);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn split_at(&self, cuts: impl AsRef<[usize]>, axis: isize) -> Result<Vec<Self>> {
        let axis = resolve_axis("split_at", axis, self.rank())?;
        let (cuts, len) = (cuts.as_ref(), self.shape()[axis]);
        if !cuts.is_sorted() || cuts.last().is_some_and(|&last| last > len) {
            return Err(Error::invalid(
                "split_at",
                format_args!("ascending positions up to {len}"),
            )
            .got(format_args!("{cuts:?}")));
        }
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        let stops = cuts.iter().copied().chain([len]);
        starts
            .zip(stops)
            .map(|(start, stop)| {
                let mut parts = vec![Part::from(..); axis];
                parts.push(Part::from(start..stop));
                self.slice(parts)
            })
            .collect()
    }

    /// Each slice along an axis `times` times, one after the other.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the result does not fit into memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1, 2]).repeat(2, 0)?, Tensor::from([1, 1, 2, 2]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn repeat(&self, times: usize, axis: isize) -> Result<Self> {
        let axis = resolve_axis("repeat", axis, self.rank())?;
        let mut wide = self.shape().to_vec();
        wide.insert(axis + 1, times);
        let size = checked_size(&wide)?;
        let mut shape = self.shape().to_vec();
        shape[axis] = if size == 0 && times == 0 { 0 } else { merged(&wide, axis)? };
        let view = self.expand_dims(axis.cast_signed() + 1)?.broadcast_to(&wide)?;
        view.reshape(shape)
    }

    /// The whole tensor repeated along each axis.
    ///
    /// With fewer repeats than axes these count for the last axes; with more, the tensor gets
    /// new first axes.
    ///
    /// # Errors
    ///
    /// If the result does not fit into memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1, 2]).tile([2])?, Tensor::from([1, 2, 1, 2]));
    /// assert_eq!(Tensor::from([1, 2]).tile([2, 1])?, Tensor::from([[1, 2], [1, 2]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn tile(&self, repeats: impl AsRef<[usize]>) -> Result<Self> {
        let repeats = repeats.as_ref();
        let rank = self.rank().max(repeats.len());
        let at = |values: &[usize], i: usize| {
            (i + values.len()).checked_sub(rank).map_or(1, |i| values[i])
        };
        // Axis i becomes two, (repeats, len), of which the first is broadcast.
        let (mut narrow, mut wide) = (Vec::new(), Vec::new());
        for i in 0..rank {
            let len = at(self.shape(), i);
            narrow.extend([1, len]);
            wide.extend([at(repeats, i), len]);
        }
        checked_size(&wide)?;
        let shape =
            (0..rank).map(|i| merged(&wide, 2 * i)).collect::<Result<Vec<usize>>>()?;
        self.reshape(narrow)?.broadcast_to(&wide)?.reshape(shape)
    }

    /// The tensor with `value` around it: per axis, the cells before and after.
    ///
    /// # Errors
    ///
    /// If there is not one pair per axis, the element type cannot hold `value`, or the result
    /// does not fit into memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1, 2]).pad([(1, 2)], 0)?, Tensor::from([0, 1, 2, 0, 0]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn pad(
        &self,
        padding: impl AsRef<[(usize, usize)]>,
        value: impl Into<Scalar>,
    ) -> Result<Self> {
        let padding = padding.as_ref();
        if padding.len() != self.rank() {
            return Err(Error::invalid(
                "pad",
                format_args!("{} pairs, one per axis", self.rank()),
            )
            .got(format_args!("{} pairs", padding.len())));
        }
        let too_large = || {
            Error::invalid("pad", "a result that fits into memory")
                .got(format_args!("{padding:?}"))
        };
        let shape = self
            .shape()
            .iter()
            .zip(padding)
            .map(|(&len, &(before, after))| len.checked_add(before)?.checked_add(after))
            .collect::<Option<Vec<usize>>>()
            .ok_or_else(too_large)?;
        checked_size(&shape)?;
        let value = value.into().cast_to(self.dtype(), "pad")?;
        with_element!(self.dtype(), T => {
            let mut out = Self::full(&shape, value.item::<T>()?);
            let strides = out.strides().to_vec();
            let starts = padding.iter().zip(&strides).map(|(&(before, _), &stride)| {
                before * stride.unsigned_abs()
            });
            let offset = starts.sum();
            write_view(out.make_mut::<T>(), &strides, offset, self);
            Ok(out)
        })
    }
}

/// The length of two neighbouring axes as one; the lengths of empty tensors may be too large.
fn merged(shape: &[usize], axis: usize) -> Result<usize> {
    shape[axis].checked_mul(shape[axis + 1]).ok_or_else(|| {
        Error::invalid("shape", "lengths that fit into memory").got(shape_text(shape))
    })
}

/// Copies the elements of `from` into the places that strides and offset say.
fn write_view<T: Element>(to: &mut [T], strides: &[isize], offset: usize, from: &Tensor) {
    let memory = from.memory::<T>();
    walk::rows(
        from.shape(),
        [strides, from.strides()],
        [offset, from.offset()],
        |[to_at, from_at], steps, len| match steps {
            [1, 1] => {
                let (to_at, from_at) = (to_at.unsigned_abs(), from_at.unsigned_abs());
                to[to_at..to_at + len].copy_from_slice(&memory[from_at..from_at + len]);
            }
            [step_to, step_from] => {
                for i in 0..len {
                    to[walk::position(to_at, step_to, i)] =
                        memory[walk::position(from_at, step_from, i)];
                }
            }
        },
    );
}

fn first<'a>(op: &'static str, tensors: &'a [impl Borrow<Tensor>]) -> Result<&'a Tensor> {
    tensors
        .first()
        .map(Borrow::borrow)
        .ok_or_else(|| Error::invalid(op, "at least one tensor").got("none"))
}

fn join(
    op: &'static str,
    tensors: &[impl Borrow<Tensor>],
    axis: isize,
) -> Result<Tensor> {
    let first = first(op, tensors)?;
    let axis = resolve_axis(op, axis, first.rank())?;
    let mut shape = first.shape().to_vec();
    shape[axis] = 0;
    for tensor in tensors.iter().map(Borrow::borrow) {
        let others = |shape: &[usize]| [&shape[..axis], &shape[axis + 1..]].concat();
        let fits = tensor.rank() == first.rank()
            && others(tensor.shape()) == others(first.shape())
            && tensor.dtype() == first.dtype();
        if !fits {
            return Err(Error::invalid(
                op,
                format_args!(
                    "one element type, and shapes that differ along axis {axis} only"
                ),
            )
            .got(format_args!("{} and {}", first.spec(), tensor.spec())));
        }
        shape[axis] = shape[axis].checked_add(tensor.shape()[axis]).ok_or_else(|| {
            Error::invalid(op, "a result that fits into memory").got(tensor.spec())
        })?;
    }
    let size = checked_size(&shape)?;
    with_element!(first.dtype(), T => {
        let mut storage = Storage::zeroed(size * size_of::<T>());
        let strides = crate::tensor::contiguous_strides(&shape);
        let mut start = 0;
        for tensor in tensors.iter().map(Borrow::borrow) {
            write_view(storage.as_mut_slice::<T>(), &strides, start, tensor);
            start += tensor.shape()[axis] * strides[axis].unsigned_abs();
        }
        Ok(Tensor::from_storage(storage, first.dtype(), &shape))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn views_and_empty_tensors_are_joined() {
        let x = Tensor::arange(0..6).reshape([2, 3]).unwrap();
        let y = x.transpose().slice((..2, ..)).unwrap();
        let empty = Tensor::zeros(DType::I32, [2, 0]);
        assert_eq!(
            Tensor::concatenate(&[x, empty, y], -1).unwrap(),
            Tensor::from([[0, 1, 2, 0, 3], [3, 4, 5, 1, 4]])
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let x = Tensor::zeros(DType::F32, [2, 3]);
        let error = Tensor::concatenate(&[&x, &x.transpose()], 0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`concatenate`: cannot take this input\n  expected: one element type, and shapes \
             that differ along axis 0 only\n       got: float32 (2, 3) and float32 (3, 2)"
        );
        let none: [Tensor; 0] = [];
        assert!(Tensor::concatenate(&none, 0).is_err());
        assert!(Tensor::concatenate(&[Tensor::from(1.0)], 0).is_err());
        assert!(Tensor::concatenate(&[&x, &x.cast(DType::I32)], 0).is_err());
        assert!(Tensor::stack(&[&x, &x.transpose()], 0).is_err());
        assert!(x.split(2, 1).is_err());
        assert!(x.split(0, 1).is_err());
        assert!(x.split_at([2, 1], 1).is_err());
        assert!(x.pad([(1, 1)], 0).is_err());
        assert!(x.pad([(usize::MAX, 1), (0, 0)], 0).is_err());
        assert!(x.repeat(usize::MAX, 0).is_err());
        assert!(x.tile([usize::MAX]).is_err());
    }

    #[test]
    fn repeats_follow_numpy() {
        let x = Tensor::from([[1, 2], [3, 4]]);
        assert_eq!(x.repeat(2, 1).unwrap(), Tensor::from([[1, 1, 2, 2], [3, 3, 4, 4]]));
        assert_eq!(x.repeat(0, 0).unwrap().shape(), [0, 2]);
        assert_eq!(x.tile([2]).unwrap(), Tensor::from([[1, 2, 1, 2], [3, 4, 3, 4]]));
        assert_eq!(x.tile([2, 1, 1]).unwrap().shape(), [2, 2, 2]);
        assert_eq!(x.tile([0, 1]).unwrap().shape(), [0, 2]);
    }

    #[test]
    fn padding_surrounds_any_view() {
        let x = Tensor::from([[1, 2], [3, 4]]).transpose();
        let expected = Tensor::from([[9, 9, 9], [9, 1, 3], [9, 2, 4]]);
        assert_eq!(x.pad([(1, 0), (1, 0)], 9).unwrap(), expected);
        assert_eq!(Tensor::from(1.0).pad([], 0.0).unwrap(), Tensor::from(1.0));
    }
}
