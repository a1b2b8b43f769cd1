//! Sums, means, extremes and their kin, over one, several or all axes.

use crate::{
    Axes, DType, Element, Error, Result, Tensor, shape_text, tensor::contiguous_strides,
    walk, with_element,
};

/// How many elements in a row are added up before their sum joins that of the others: rounding
/// errors grow with the number of blocks, not of elements.
const BLOCK: usize = 128;

/// The kept and the reduced axes of one reduction.
struct Plan {
    /// With the reduced axes of length 1.
    kept: Vec<usize>,
    /// The shape of the result.
    shape: Vec<usize>,
    /// Of the result, along each axis of the input: 0 along reduced ones.
    strides: Vec<isize>,
    /// The number of elements that become one.
    count: usize,
}

impl Plan {
    fn new(op: &'static str, shape: &[usize], axes: &Axes) -> Result<Self> {
        let reduced = axes.resolve(op, shape.len())?;
        let mut kept = shape.to_vec();
        for &axis in &reduced {
            kept[axis] = 1;
        }
        let mut strides = contiguous_strides(&kept);
        for &axis in &reduced {
            strides[axis] = 0;
        }
        let shape_of_result = if axes.is_kept() {
            kept.clone()
        } else {
            (0..shape.len()).filter(|i| !reduced.contains(i)).map(|i| shape[i]).collect()
        };
        let count = reduced.iter().map(|&axis| shape[axis]).product();
        Ok(Self { kept, shape: shape_of_result, strides, count })
    }

    fn size(&self) -> usize {
        self.kept.iter().product()
    }

    /// Folds every element into its place of the result; `join` combines what blocks made.
    fn fold<T: Element, A: Copy>(
        &self,
        x: &Tensor,
        identity: A,
        fold: impl Fn(A, T) -> A,
        join: impl Fn(A, A) -> A,
    ) -> Vec<A> {
        let mut sums = vec![identity; self.size()];
        let from = x.memory::<T>();
        let strides = [x.strides(), &self.strides[..]];
        walk::rows(
            x.shape(),
            strides,
            [x.offset(), 0],
            |[x, to], [step, step_to], len| {
                if step_to != 0 {
                    for i in 0..len {
                        let sum = &mut sums[walk::position(to, step_to, i)];
                        *sum = fold(*sum, from[walk::position(x, step, i)]);
                    }
                    return;
                }
                let sum = &mut sums[walk::position(to, 0, 0)];
                for start in (0..len).step_by(BLOCK) {
                    let part = (start..len.min(start + BLOCK))
                        .fold(identity, |part, i| {
                            fold(part, from[walk::position(x, step, i)])
                        });
                    *sum = join(*sum, part);
                }
            },
        );
        sums
    }

    fn result<T: Element>(&self, values: impl Iterator<Item = T>) -> Tensor {
        let mut out = Tensor::zeros(T::DTYPE, &self.shape);
        for (to, value) in out.make_mut::<T>().iter_mut().zip(values) {
            *to = value;
        }
        out
    }
}

/// Floating-point sums are accumulated in `F64` whatever the element type. `axes` is one axis,
/// several, `..` for all, or [`keep`](crate::keep) of these.
impl Tensor {
    /// The sum of the elements along `axes`; of none it is 0.
    ///
    /// The sum of integers and of `Bool` is an `I64`, as NumPy's.
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
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum(0)?, Tensor::from([4.0, 6.0]));
    /// assert_eq!(Tensor::from([200u8, 100]).sum(..)?, Tensor::from(300i64));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn sum(&self, axes: impl Into<Axes>) -> Result<Self> {
        let plan = Plan::new("sum", self.shape(), &axes.into())?;
        Ok(with_element!(self.dtype(), T => if self.dtype().is_float() {
            let sums = plan.fold(self, 0.0, |sum, x: T| sum + x.to_f64(), |a, b| a + b);
            plan.result(sums.into_iter().map(T::from_f64))
        } else {
            let fold = |sum: i64, x: T| sum.wrapping_add(x.to_i64());
            plan.result(plan.fold(self, 0, fold, i64::wrapping_add).into_iter())
        }))
    }

    /// The product of the elements along `axes`; of none it is 1.
    ///
    /// The product of integers and of `Bool` is an `I64`, as NumPy's.
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
    /// assert_eq!(Tensor::from([2.0, 3.0]).prod(..)?, Tensor::from(6.0));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn prod(&self, axes: impl Into<Axes>) -> Result<Self> {
        let plan = Plan::new("prod", self.shape(), &axes.into())?;
        Ok(with_element!(self.dtype(), T => if self.dtype().is_float() {
            let products = plan.fold(self, 1.0, |p, x: T| p * x.to_f64(), |a, b| a * b);
            plan.result(products.into_iter().map(T::from_f64))
        } else {
            let fold = |product: i64, x: T| product.wrapping_mul(x.to_i64());
            plan.result(plan.fold(self, 1, fold, i64::wrapping_mul).into_iter())
        }))
    }

    /// The mean of the elements along `axes`; of none it is NaN.
    ///
    /// The mean of integers and of `Bool` is an `F64`, as NumPy's.
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
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.mean(1)?, Tensor::from([1.5, 3.5]));
    /// assert_eq!(Tensor::from([true, false]).mean(..)?, Tensor::from(0.5));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn mean(&self, axes: impl Into<Axes>) -> Result<Self> {
        let plan = Plan::new("mean", self.shape(), &axes.into())?;
        let means = self.means(&plan);
        Ok(self.float_result(&plan, means.into_iter()))
    }

    /// The variance along `axes`: the mean of the squared distances to the mean.
    ///
    /// It is computed in two passes, so large means cost no digits. Of integers and of `Bool`
    /// it is an `F64`, as NumPy's.
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
    /// assert_eq!(Tensor::from([1.0, 3.0]).var(..)?, Tensor::from(1.0));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn var(&self, axes: impl Into<Axes>) -> Result<Self> {
        let plan = Plan::new("var", self.shape(), &axes.into())?;
        let variances = self.variances(&plan);
        Ok(self.float_result(&plan, variances.into_iter()))
    }

    /// The standard deviation along `axes`: the root of [`Tensor::var`].
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
    /// assert_eq!(Tensor::from([1.0, 5.0]).std(..)?, Tensor::from(2.0));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn std(&self, axes: impl Into<Axes>) -> Result<Self> {
        let plan = Plan::new("std", self.shape(), &axes.into())?;
        let variances = self.variances(&plan);
        Ok(self.float_result(&plan, variances.into_iter().map(f64::sqrt)))
    }

    /// The largest element along `axes`; NaN wins.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or no element along it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([[1, 5], [3, 2]]).max(0)?, Tensor::from([3, 5]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn max(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.extreme("max", &axes.into(), true)
    }

    /// The least element along `axes`; NaN wins.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or no element along it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([[1, 5], [3, 2]]).min(1)?, Tensor::from([1, 2]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn min(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.extreme("min", &axes.into(), false)
    }

    /// Whether all elements along `axes` are true (not 0); of none it is true.
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
    /// assert_eq!(Tensor::from([true, false]).all(..)?, Tensor::from(false));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn all(&self, axes: impl Into<Axes>) -> Result<Self> {
        let plan = Plan::new("all", self.shape(), &axes.into())?;
        with_element!(self.dtype(), T => {
            let all = plan.fold(self, true, |all, x: T| all && is_true(x), |a, b| a && b);
            Ok(plan.result(all.into_iter()))
        })
    }

    /// Whether any element along `axes` is true (not 0); of none it is false.
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
    /// assert_eq!(Tensor::from([true, false]).any(..)?, Tensor::from(true));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn any(&self, axes: impl Into<Axes>) -> Result<Self> {
        let plan = Plan::new("any", self.shape(), &axes.into())?;
        with_element!(self.dtype(), T => {
            let any = plan.fold(self, false, |any, x: T| any || is_true(x), |a, b| a || b);
            Ok(plan.result(any.into_iter()))
        })
    }

    /// The position along one axis (or in row-major order, for `..`) of the largest element.
    ///
    /// The result is an `I64`: the first position of several, and of NaN if there is one.
    ///
    /// # Errors
    ///
    /// If there is no such axis or more than one, or no element along it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1, 5], [9, 2]]);
    /// assert_eq!(x.argmax(1)?, Tensor::from([1i64, 0]));
    /// assert_eq!(x.argmax(..)?, Tensor::from(2i64));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn argmax(&self, axis: impl Into<Axes>) -> Result<Self> {
        self.arg_extreme("argmax", &axis.into(), true)
    }

    /// The position along one axis (or in row-major order, for `..`) of the least element.
    ///
    /// # Errors
    ///
    /// As [`Tensor::argmax`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([4, 1, 1]).argmin(0)?, Tensor::from(1i64));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn argmin(&self, axis: impl Into<Axes>) -> Result<Self> {
        self.arg_extreme("argmin", &axis.into(), false)
    }

    /// The running sums along one axis, or of all elements in row-major order for `..`.
    ///
    /// The sums of integers and of `Bool` are `I64`, as NumPy's.
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
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.cumsum(0)?, Tensor::from([[1.0, 2.0], [4.0, 6.0]]));
    /// assert_eq!(x.cumsum(..)?, Tensor::from([1.0, 3.0, 6.0, 10.0]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn cumsum(&self, axis: impl Into<Axes>) -> Result<Self> {
        let Some(axis) = axis.into().one("cumsum", self.rank())? else {
            return self.flatten().cumsum(0);
        };
        let len = self.shape()[axis];
        let inner: usize = self.shape()[axis + 1..].iter().product();
        let x = self.contiguous();
        let Some(row) = std::num::NonZeroUsize::new(inner) else {
            return Ok(if self.dtype().is_float() { x } else { x.cast(DType::I64) });
        };
        let chunk = (len * row.get()).max(1);
        with_element!(self.dtype(), T => if self.dtype().is_float() {
            let mut out = Self::zeros(T::DTYPE, self.shape());
            let from = x.values::<T>();
            for (to, from) in out.make_mut::<T>().chunks_mut(chunk).zip(from.chunks(chunk)) {
                let mut sums = vec![0.0; row.get()];
                for (i, (to, x)) in to.iter_mut().zip(from).enumerate() {
                    let sum = &mut sums[i % row];
                    *sum += x.to_f64();
                    *to = T::from_f64(*sum);
                }
            }
            Ok(out)
        } else {
            let mut out = Self::zeros(DType::I64, self.shape());
            let from = x.values::<T>();
            for (to, from) in out.make_mut::<i64>().chunks_mut(chunk).zip(from.chunks(chunk)) {
                for i in 0..to.len() {
                    let before = if i < row.get() { 0 } else { to[i - row.get()] };
                    to[i] = before.wrapping_add(from[i].to_i64());
                }
            }
            Ok(out)
        })
    }

    fn means(&self, plan: &Plan) -> Vec<f64> {
        let sums = with_element!(self.dtype(), T => {
            plan.fold(self, 0.0, |sum, x: T| sum + x.to_f64(), |a, b| a + b)
        });
        sums.into_iter().map(|sum| sum / plan.count as f64).collect()
    }

    fn variances(&self, plan: &Plan) -> Vec<f64> {
        let means = self.means(plan);
        let mut squares = vec![0.0; means.len()];
        with_element!(self.dtype(), T => {
            let from = self.memory::<T>();
            let strides = [self.strides(), &plan.strides[..]];
            walk::rows(self.shape(), strides, [self.offset(), 0], |[x, to], [step, step_to], len| {
                for i in 0..len {
                    let at = walk::position(to, step_to, i);
                    let distance = from[walk::position(x, step, i)].to_f64() - means[at];
                    squares[at] += distance * distance;
                }
            });
        });
        squares.into_iter().map(|sum| sum / plan.count as f64).collect()
    }

    /// Numbers as this tensor's type if that is floating point, else as `F64`.
    fn float_result(&self, plan: &Plan, values: impl Iterator<Item = f64>) -> Self {
        if self.dtype().is_float() {
            with_element!(self.dtype(), T => plan.result(values.map(T::from_f64)))
        } else {
            plan.result(values)
        }
    }

    fn extreme(&self, op: &'static str, axes: &Axes, largest: bool) -> Result<Self> {
        let plan = Plan::new(op, self.shape(), axes)?;
        if plan.count == 0 && plan.size() > 0 {
            return Err(no_element(op, self.shape()));
        }
        with_element!(self.dtype(), T => {
            // `None` only before the first element; the test above leaves no place without.
            let better = |best: T, x: T| {
                if wins(x, best, largest) || is_nan(x) { x } else { best }
            };
            let fold = |best: Option<T>, x: T| Some(best.map_or(x, |best| better(best, x)));
            let join = |a: Option<T>, b: Option<T>| match (a, b) {
                (Some(a), Some(b)) => Some(better(a, b)),
                (a, b) => a.or(b),
            };
            Ok(plan.result(plan.fold(self, None, fold, join).into_iter().flatten()))
        })
    }

    fn arg_extreme(&self, op: &'static str, axes: &Axes, largest: bool) -> Result<Self> {
        let Some(axis) = axes.one(op, self.rank())? else {
            let flat = self.flatten().arg_extreme(op, &0.into(), largest)?;
            let shape = if axes.is_kept() { vec![1; self.rank()] } else { Vec::new() };
            return flat.reshape(shape);
        };
        let plan = Plan::new(op, self.shape(), axes)?;
        let (len, step) = (self.shape()[axis], self.strides()[axis]);
        if len == 0 && plan.size() > 0 {
            return Err(no_element(op, self.shape()));
        }
        with_element!(self.dtype(), T => {
            let from = self.memory::<T>();
            let mut strides = self.strides().to_vec();
            strides[axis] = 0;
            let firsts = self.view(plan.kept.clone(), strides, self.offset());
            let best = |first: usize| {
                let at = |i| from[walk::position(first.cast_signed(), step, i)];
                (1..len).fold(0, |best, i| {
                    let (x, y) = (at(i), at(best));
                    let wins = wins(x, y, largest) || is_nan(x);
                    if wins && !is_nan(y) { i } else { best }
                }) as i64
            };
            Ok(plan.result(firsts.positions().map(best)))
        })
    }
}

fn is_true<T: Element>(x: T) -> bool {
    x != T::default()
}

fn wins<T: Element>(x: T, best: T, largest: bool) -> bool {
    if largest { x > best } else { x < best }
}

/// Only NaN is unequal to itself, and no other type has it.
#[expect(clippy::eq_op, reason = "the definition of NaN, for any element type")]
fn is_nan<T: Element>(x: T) -> bool {
    x != x
}

fn no_element(op: &'static str, shape: &[usize]) -> Error {
    Error::invalid(op, "at least one element along the axes")
        .got(format_args!("shape {}", shape_text(shape)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep;

    #[test]
    fn any_axes_can_be_reduced_and_kept() {
        let x = Tensor::arange(0..24).reshape([2, 3, 4]).unwrap();
        assert_eq!(x.sum([0, 2]).unwrap(), Tensor::from([60i64, 92, 124]));
        assert_eq!(x.sum(keep([0, 2])).unwrap().shape(), [1, 3, 1]);
        assert_eq!(x.sum(keep(..)).unwrap().shape(), [1, 1, 1]);
        assert_eq!(x.transpose().sum([0, 2]).unwrap(), Tensor::from([60i64, 92, 124]));
        assert_eq!(x.max(1).unwrap().shape(), [2, 4]);
        assert!(x.sum([0, 0]).is_err());
        assert!(x.sum(3).is_err());
    }

    #[test]
    fn empty_axes_have_sums_but_no_extremes() {
        let x = Tensor::zeros(DType::F32, [2, 0]);
        assert_eq!(x.sum(1).unwrap(), Tensor::from([0.0f32, 0.0]));
        assert_eq!(x.prod(1).unwrap(), Tensor::from([1.0f32, 1.0]));
        assert!(x.mean(1).unwrap().isnan().all(..).unwrap().item::<bool>().unwrap());
        assert_eq!(x.max(0).unwrap().shape(), [0]);
        assert_eq!(x.argmax(0).unwrap().shape(), [0]);
        assert_eq!(
            x.max(1).unwrap_err().to_string(),
            "`max`: cannot take this input\n  expected: at least one element along the axes\n  \
             \x20    got: shape (2, 0)"
        );
        assert!(x.argmax(1).is_err());
        assert!(x.argmax(..).is_err());
    }

    #[test]
    fn nan_wins_extremes_at_its_first_position() {
        let x = Tensor::from([1.0, f64::NAN, 3.0, f64::NAN]);
        assert!(x.max(..).unwrap().item::<f64>().unwrap().is_nan());
        assert!(x.min(..).unwrap().item::<f64>().unwrap().is_nan());
        assert_eq!(x.argmax(0).unwrap(), Tensor::from(1i64));
        assert_eq!(x.argmin(0).unwrap(), Tensor::from(1i64));
    }

    #[test]
    fn long_sums_keep_their_digits() {
        let x = Tensor::full([1_000_000], 0.1f32);
        let expected = f64::from(0.1f32) * 1e6;
        let sum = x.sum(..).unwrap().item::<f32>().unwrap();
        assert_eq!(sum.to_bits(), (expected as f32).to_bits());
        let half = Tensor::ones(DType::F16, [5000]).mean(..).unwrap();
        assert_eq!(
            half.cast(DType::F32).item::<f32>().unwrap().to_bits(),
            1f32.to_bits()
        );
    }

    #[test]
    fn running_sums_follow_any_axis() {
        let x = Tensor::from([[1u8, 2], [255, 4]]);
        assert_eq!(x.cumsum(0).unwrap(), Tensor::from([[1i64, 2], [256, 6]]));
        assert_eq!(x.cumsum(1).unwrap(), Tensor::from([[1i64, 3], [255, 259]]));
        assert_eq!(x.transpose().cumsum(1).unwrap(), Tensor::from([[1i64, 256], [2, 6]]));
        assert_eq!(Tensor::zeros(DType::U8, [0, 3]).cumsum(0).unwrap().shape(), [0, 3]);
        assert!(Tensor::from(1.0).cumsum(0).is_err());
        assert_eq!(Tensor::from(1.0).cumsum(..).unwrap(), Tensor::from([1.0]));
    }
}
