//! Tensors from arrays, ranges, functions and random numbers.

use std::ops::Range;

use crate::{
    DType, Element, Error, Result, Storage, Tensor, random::Draw, tensor::checked_size,
    with_element,
};

impl<T: Element> From<T> for Tensor {
    fn from(value: T) -> Self {
        Self::scalar(value)
    }
}

impl<T: Element> From<&[T]> for Tensor {
    fn from(values: &[T]) -> Self {
        Self::from_storage(Storage::from_slice(values), T::DTYPE, &[values.len()])
    }
}

impl<T: Element> From<Vec<T>> for Tensor {
    fn from(values: Vec<T>) -> Self {
        Self::from(&values[..])
    }
}

impl<T: Element, const A: usize> From<[T; A]> for Tensor {
    fn from(values: [T; A]) -> Self {
        Self::from(&values[..])
    }
}

impl<T: Element, const A: usize, const B: usize> From<[[T; B]; A]> for Tensor {
    fn from(values: [[T; B]; A]) -> Self {
        let values = values.as_flattened();
        Self::from_storage(Storage::from_slice(values), T::DTYPE, &[A, B])
    }
}

impl<T: Element, const A: usize, const B: usize, const C: usize> From<[[[T; C]; B]; A]>
    for Tensor
{
    fn from(values: [[[T; C]; B]; A]) -> Self {
        let values = values.as_flattened().as_flattened();
        Self::from_storage(Storage::from_slice(values), T::DTYPE, &[A, B, C])
    }
}

impl<T: Element, const A: usize, const B: usize, const C: usize, const D: usize>
    From<[[[[T; D]; C]; B]; A]> for Tensor
{
    fn from(values: [[[[T; D]; C]; B]; A]) -> Self {
        let values = values.as_flattened().as_flattened().as_flattened();
        Self::from_storage(Storage::from_slice(values), T::DTYPE, &[A, B, C, D])
    }
}

impl Tensor {
    /// A tensor of ones (`true` for `Bool`).
    ///
    /// # Panics
    ///
    /// If the number of bytes exceeds the address space.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// assert_eq!(Tensor::ones(DType::F32, [2]), Tensor::from([1.0f32, 1.0]));
    /// ```
    #[must_use]
    pub fn ones(dtype: DType, shape: impl AsRef<[usize]>) -> Self {
        with_element!(dtype, T => Self::full(shape, T::from_i64(1)))
    }

    /// A tensor of zeros of this shape and element type.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1u8, 2]).zeros_like(), Tensor::from([0u8, 0]));
    /// ```
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        Self::zeros(self.dtype(), self.shape())
    }

    /// A tensor of ones of this shape and element type.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([5u8, 2]).ones_like(), Tensor::from([1u8, 1]));
    /// ```
    #[must_use]
    pub fn ones_like(&self) -> Self {
        Self::ones(self.dtype(), self.shape())
    }

    /// A tensor of that element type whose number at each position, in row-major order, is `f` of
    /// that position, converted as by [`Tensor::cast`].
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Tensor::from_positions(DType::F32, [2, 2], |i| i as f64 / 2.0)?;
    /// assert_eq!(x, Tensor::from([[0.0f32, 0.5], [1.0, 1.5]]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn from_positions(
        dtype: DType,
        shape: impl AsRef<[usize]>,
        f: impl Fn(u64) -> f64,
    ) -> Result<Self> {
        let mut tensor = Self::try_zeros(dtype, shape)?;
        with_element!(dtype, T => {
            for (i, element) in tensor.make_mut::<T>().iter_mut().enumerate() {
                *element = if T::DTYPE == DType::I64 {
                    T::from_i64(f(i as u64).to_i64())
                } else {
                    T::from_f64(f(i as u64))
                };
            }
        });
        Ok(tensor)
    }

    /// A tensor whose element at each index is `f` of that index, in row-major order.
    ///
    /// # Panics
    ///
    /// If the number of bytes exceeds the address space.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from_fn([2, 2], |index| (10 * index[0] + index[1]) as i32);
    /// assert_eq!(x, Tensor::from([[0, 1], [10, 11]]));
    /// ```
    #[must_use]
    pub fn from_fn<T: Element>(
        shape: impl AsRef<[usize]>,
        mut f: impl FnMut(&[usize]) -> T,
    ) -> Self {
        let shape = shape.as_ref();
        let mut tensor = Self::zeros(T::DTYPE, shape);
        let mut index = vec![0; shape.len()];
        for element in tensor.make_mut::<T>() {
            *element = f(&index);
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        tensor
    }

    /// The numbers from `range.start` up to `range.end`, which is left out, in steps of 1.
    ///
    /// # Panics
    ///
    /// If they are too many for the memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::arange(0..3), Tensor::from([0, 1, 2]));
    /// assert_eq!(Tensor::arange(0.0..2.5), Tensor::from([0.0, 1.0, 2.0]));
    /// ```
    #[must_use]
    pub fn arange<T: Element>(range: Range<T>) -> Self {
        Self::arange_step(range, T::from_i64(1)).expect("few enough to fit into memory")
    }

    /// The numbers `start`, `start + step`, … before `range.end`.
    ///
    /// # Errors
    ///
    /// If `step` is 0 or a bound is not finite, or the numbers are too many for the memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::arange_step(5..0, -2)?, Tensor::from([5, 3, 1]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn arange_step<T: Element>(range: Range<T>, step: T) -> Result<Self> {
        let invalid = || {
            Error::invalid("arange", "finite bounds, and a finite step that is not 0")
                .got(format_args!("{range:?} in steps of {step:?}"))
        };
        if T::DTYPE.is_float() {
            let [start, stop, step] = [range.start, range.end, step].map(T::to_f64);
            let len = ((stop - start) / step).ceil();
            if step == 0.0 || !len.is_finite() {
                return Err(invalid());
            }
            let len = checked_size(&[len.max(0.0) as usize])?;
            Ok((0..len)
                .map(|i| T::from_f64(start + i as f64 * step))
                .collect::<Vec<_>>()
                .into())
        } else {
            let [start, stop, step] = [range.start, range.end, step].map(T::to_i64);
            if step == 0 {
                return Err(invalid());
            }
            let distance = i128::from(stop) - i128::from(start);
            let len = (distance + i128::from(step - step.signum())) / i128::from(step);
            let len = checked_size(&[usize::try_from(len).unwrap_or(0)])?;
            Ok((0..len)
                .map(|i| T::from_i64(start.wrapping_add((i as i64).wrapping_mul(step))))
                .collect::<Vec<_>>()
                .into())
        }
    }

    /// `count` evenly spaced numbers from `start` to `stop`, both included.
    ///
    /// # Panics
    ///
    /// If they are too many for the memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::linspace(0.0, 1.0, 3), Tensor::from([0.0, 0.5, 1.0]));
    /// ```
    #[must_use]
    pub fn linspace<T: Element>(start: T, stop: T, count: usize) -> Self {
        let (from, to) = (start.to_f64(), stop.to_f64());
        let step = (to - from) / count.saturating_sub(1).max(1) as f64;
        let value = |i| T::from_f64(from + i as f64 * step);
        let mut tensor = Self::zeros(T::DTYPE, [count]);
        for (i, element) in tensor.make_mut().iter_mut().enumerate() {
            *element = if i > 0 && i + 1 == count { stop } else { value(i) };
        }
        tensor
    }

    /// A matrix with ones on its diagonal, else zeros.
    ///
    /// # Panics
    ///
    /// If the number of bytes exceeds the address space.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// assert_eq!(Tensor::eye(DType::I32, 2), Tensor::from([[1, 0], [0, 1]]));
    /// ```
    #[must_use]
    pub fn eye(dtype: DType, len: usize) -> Self {
        let mut tensor = Self::zeros(dtype, [len, len]);
        with_element!(dtype, T => {
            for element in tensor.make_mut::<T>().iter_mut().step_by(len + 1) {
                *element = T::from_i64(1);
            }
        });
        tensor
    }

    /// Random `F32` numbers, evenly distributed from `range.start` up to `range.end`.
    ///
    /// A function of `seed` and `shape` alone: element i is number i of
    /// [`Draw::new(seed, 0, 0)`](Draw).
    ///
    /// # Panics
    ///
    /// If the number of bytes exceeds the address space.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::random_uniform([1000], 0.0..1.0, 42);
    /// assert_eq!(x, Tensor::random_uniform([1000], 0.0..1.0, 42));
    /// assert!((x.mean(..)?.item::<f32>()? - 0.5).abs() < 0.05);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    #[must_use]
    pub fn random_uniform(
        shape: impl AsRef<[usize]>,
        range: Range<f64>,
        seed: u64,
    ) -> Self {
        let width = range.end - range.start;
        let draw = Draw::new(seed, 0, 0);
        Self::random(shape, |i| (range.start + width * draw.uniform(i)) as f32)
    }

    /// Random `F32` numbers, normally distributed.
    ///
    /// A function of `seed` and `shape` alone, as [`Tensor::random_uniform`].
    ///
    /// # Panics
    ///
    /// If the number of bytes exceeds the address space.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::random_normal([1000], 5.0, 1.0, 42);
    /// assert!((x.mean(..)?.item::<f32>()? - 5.0).abs() < 0.2);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    #[must_use]
    pub fn random_normal(
        shape: impl AsRef<[usize]>,
        mean: f64,
        standard_deviation: f64,
        seed: u64,
    ) -> Self {
        let draw = Draw::new(seed, 0, 0);
        Self::random(shape, |i| (mean + standard_deviation * draw.normal(i)) as f32)
    }

    /// Random `I64` integers, evenly distributed from `range.start` up to `range.end`.
    ///
    /// A function of `seed` and `shape` alone, as [`Tensor::random_uniform`].
    ///
    /// # Errors
    ///
    /// If the range is empty.
    ///
    /// # Panics
    ///
    /// If the number of bytes exceeds the address space.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let dice = Tensor::random_integers([100], 1..7, 42)?;
    /// assert_eq!(dice.max(..)?, Tensor::from(6i64));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn random_integers(
        shape: impl AsRef<[usize]>,
        range: Range<i64>,
        seed: u64,
    ) -> Result<Self> {
        if range.is_empty() {
            return Err(Error::invalid("random_integers", "a range that is not empty")
                .got(format_args!("{range:?}")));
        }
        let bound = range.end.abs_diff(range.start);
        let draw = Draw::new(seed, 0, 0);
        let value = |i| range.start.wrapping_add(draw.below(i, bound).cast_signed());
        Ok(Self::random(shape, value))
    }

    fn random<T: Element>(shape: impl AsRef<[usize]>, value: impl Fn(u64) -> T) -> Self {
        let mut tensor = Self::zeros(T::DTYPE, shape);
        for (i, element) in tensor.make_mut().iter_mut().enumerate() {
            *element = value(i as u64);
        }
        tensor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_numpys_lengths() {
        assert_eq!(Tensor::arange(0..0).shape(), [0]);
        assert_eq!(Tensor::arange(3.0..-2.0).shape(), [0]);
        assert_eq!(Tensor::arange_step(0..10, 3).unwrap(), Tensor::from([0, 3, 6, 9]));
        assert_eq!(Tensor::arange_step(0..9, 3).unwrap(), Tensor::from([0, 3, 6]));
        assert_eq!(Tensor::arange_step(0.0..1.0, 0.25).unwrap().shape(), [4]);
        assert!(Tensor::arange_step(0..1, 0).is_err());
        assert!(Tensor::arange_step(0.0..f64::NAN, 1.0).is_err());
        assert!(Tensor::arange_step(i64::MIN..i64::MAX, 1).is_err());
    }

    #[test]
    fn spaced_numbers_end_at_the_end() {
        assert_eq!(Tensor::linspace(0.0f32, 1.0, 0).shape(), [0]);
        assert_eq!(Tensor::linspace(5.0f32, 1.0, 1), Tensor::from([5.0f32]));
        let x = Tensor::linspace(0.0, 0.7, 11).to_vec::<f64>().unwrap();
        assert_eq!(x[10].to_bits(), 0.7f64.to_bits());
    }

    #[test]
    fn random_integers_reach_both_ends() {
        let x = Tensor::random_integers([200], -2..2, 1).unwrap();
        assert_eq!(x.min(..).unwrap(), Tensor::from(-2i64));
        assert_eq!(x.max(..).unwrap(), Tensor::from(1i64));
        assert!(Tensor::random_integers([2], 1..1, 0).is_err());
    }

    #[test]
    fn random_normals_have_the_moments_asked_for() {
        let x = Tensor::random_normal([10_000], 3.0, 2.0, 7);
        let (mean, std) = (x.mean(..).unwrap(), x.std(..).unwrap());
        assert!((mean.item::<f32>().unwrap() - 3.0).abs() < 0.06);
        assert!((std.item::<f32>().unwrap() - 2.0).abs() < 0.06);
    }
}
