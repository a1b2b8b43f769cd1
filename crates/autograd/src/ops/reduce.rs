//! One element made of many: sums, means, extrema, norms.

use deckle_tensor::{Axes, DType, Dim, Primitive, Reduction, Shape, Spec, Tensor, Value};

use super::Axis;
use crate::{Lower, Op, Result, Rule, Signature, Var};

/// `axes` is one axis, several, `..` for all, or [`keep`](deckle_tensor::keep) of these, which
/// leaves them in place with length 1.
impl Var {
    /// The sum of the elements along `axes`; of none it is 0.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{Tensor, keep};
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(x.sum(..)?.eval()?, Tensor::from(10.0));
    /// assert_eq!(x.sum(0)?.eval()?, Tensor::from([4.0, 6.0]));
    /// assert_eq!(x.sum(keep(-1))?.eval()?, Tensor::from([[3.0], [7.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn sum(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.reduce(Reduction::Sum, &axes.into())
    }

    /// The mean of the elements along `axes`; of none it is NaN.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(x.mean(1)?.eval()?, Tensor::from([1.5, 3.5]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn mean(&self, axes: impl Into<Axes>) -> Result<Self> {
        let axes = axes.into();
        self.float("mean")?;
        let count = self.count_of(&axes, self.dtype())?;
        self.sum(axes)?.div(&count)
    }

    /// The product of the elements along `axes`; of none it is 1.
    ///
    /// The gradient is exact where elements are 0, but takes one step per element.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(x.prod(0)?.eval()?, Tensor::from([3.0, 8.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn prod(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.reduce(Reduction::Product, &axes.into())
    }

    /// The largest element along `axes`; of none it is -∞, NaN wins.
    ///
    /// Equal largest elements share the gradient.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 4.0], [3.0, 2.0]]));
    /// assert_eq!(x.max(0)?.eval()?, Tensor::from([3.0, 4.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn max(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.reduce(Reduction::Max, &axes.into())
    }

    /// The least element along `axes`; of none it is ∞, NaN wins.
    ///
    /// Equal least elements share the gradient.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 4.0], [3.0, 2.0]]));
    /// assert_eq!(x.min(0)?.eval()?, Tensor::from([1.0, 2.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn min(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.reduce(Reduction::Min, &axes.into())
    }

    /// Whether all elements along `axes` are true; of none, yes.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are not `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([true, false]));
    /// assert_eq!(x.all(..)?.eval()?, Tensor::from(false));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn all(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.reduce(Reduction::All, &axes.into())
    }

    /// Whether any element along `axes` is true; of none, no.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are not `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([true, false]));
    /// assert_eq!(x.any(..)?.eval()?, Tensor::from(true));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn any(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.reduce(Reduction::Any, &axes.into())
    }

    /// The variance along `axes`: the mean of the squared distances to the mean.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1.0, 3.0]));
    /// assert_eq!(x.variance(..)?.eval()?, Tensor::from(1.0));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn variance(&self, axes: impl Into<Axes>) -> Result<Self> {
        let axes = axes.into();
        self.float("variance")?;
        self.sub(&self.mean(deckle_tensor::keep(&axes))?)?.square()?.mean(axes)
    }

    /// The standard deviation along `axes`, the root of [`Var::variance`].
    ///
    /// The gradient at 0 is 0.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1.0, 5.0]));
    /// assert_eq!(x.std(..)?.eval()?, Tensor::from(2.0));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn std(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.float("std")?;
        self.variance(axes)?.root()
    }

    /// The Euclidean norm along `axes`: `√Σx²`.
    ///
    /// The gradient at 0 is 0.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([3.0, 4.0]));
    /// assert_eq!(x.norm(..)?.eval()?, Tensor::from(5.0));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn norm(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.float("norm")?;
        self.square()?.sum(axes)?.root()
    }

    /// The square root of what is not negative, with gradient 0 at 0.
    fn root(&self) -> Result<Self> {
        let zero = self.equal(0.0)?;
        zero.select(0.0, &zero.select(1.0, self)?.sqrt()?)
    }

    /// The number of elements along `axes`, as one number of that type.
    ///
    /// It reads the shape alone, also one that is not known until a function is called.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0, 3.0]]));
    /// assert_eq!(x.count_of(-1, DType::I64)?.eval()?, Tensor::from(3i64));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn count_of(&self, axes: impl Into<Axes>, dtype: DType) -> Result<Self> {
        let axes = axes.into().resolve("count_of", self.rank())?;
        let dims = self.shape().dims();
        let known =
            axes.iter().try_fold(1usize, |n, &axis| n.checked_mul(dims[axis].known()?));
        match known {
            Some(count) => Ok(Self::constant(&number(count, dtype))),
            None => Self::apply_one(CountOf { axes, dtype }, &[self]),
        }
    }

    fn reduce(&self, reduction: Reduction, axes: &Axes) -> Result<Self> {
        let mut resolved = axes.resolve(reduction.name(), self.rank())?;
        resolved.sort_unstable();
        let op = Reduce { reduction, axes: resolved };
        if op.axes.is_empty() {
            op.infer(&[self.signature().clone()])?;
            return Ok(self.clone());
        }
        let kept = axes.is_kept().then(|| ones_at(self.rank(), &op.axes));
        let reduced = Self::apply_one(op, &[self])?;
        match kept {
            Some(shape) => reduced.reshape_by(self, shape),
            None => Ok(reduced),
        }
    }

    /// What was made by reducing `like` along `axes`, repeated to its shape.
    pub(crate) fn unreduce(&self, like: &Self, axes: &[usize]) -> Result<Self> {
        self.reshape_by(like, ones_at(like.rank(), axes))?.broadcast_like(like)
    }

    /// Checks that the elements are floating point.
    pub(crate) fn float(&self, op: &'static str) -> Result<()> {
        if self.dtype().is_float() {
            return Ok(());
        }
        Err(deckle_tensor::Error::invalid(op, "floating point")
            .got(self.dtype())
            .help("cast it: .cast(DType::F32)")
            .into())
    }
}

/// The axes of another shape, but length 1 along `axes`.
pub(crate) fn ones_at(rank: usize, axes: &[usize]) -> Vec<Axis> {
    (0..rank)
        .map(|axis| if axes.contains(&axis) { 1usize.into() } else { Axis::Of(axis) })
        .collect()
}

fn number(count: usize, dtype: DType) -> Tensor {
    Tensor::scalar(i64::try_from(count).unwrap_or(i64::MAX)).cast(dtype)
}

#[derive(Debug)]
struct Reduce {
    reduction: Reduction,
    /// Ascending.
    axes: Vec<usize>,
}

impl Op for Reduce {
    fn name(&self) -> &str {
        self.reduction.name()
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let x = &inputs[0];
        let primitive = Primitive::Reduce { reduction: self.reduction, axes: Vec::new() };
        primitive.infer(&[&Spec::scalar(x.dtype)])?;
        let dims = x.shape.dims().iter().enumerate();
        let kept = dims.filter(|(axis, _)| !self.axes.contains(axis));
        Ok(vec![Signature {
            dtype: x.dtype,
            shape: kept.map(|(_, dim)| dim.clone()).collect(),
        }])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        Ok(vec![lower.reduce(self.reduction, &self.axes, inputs[0])?])
    }

    /// Of a sum, `dx` is `dy`, repeated. Of an extremum, `dy` goes to the elements that are
    /// equal to it, shared among them.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let (x, y, dy) = (rule.x(), rule.y(), rule.dy()?);
        let dx = match self.reduction {
            Reduction::Sum => dy.unreduce(x, &self.axes)?,
            Reduction::Max | Reduction::Min => {
                let wins = x.equal(&y.unreduce(x, &self.axes)?)?;
                let axes = Axes::from(&self.axes);
                let count = wins.cast(x.dtype())?.sum(axes)?.stop_gradient()?;
                wins.select(&(dy / count).unreduce(x, &self.axes)?, 0.0)?
            }
            Reduction::Product => return self.product(x, &dy),
            Reduction::All | Reduction::Any => return Err(rule.no_gradient(self.name())),
        };
        Ok(vec![Some(dx)])
    }
}

impl Reduce {
    /// The product as a loop has an exact gradient where elements are 0, at any order.
    fn product(&self, x: &Var, dy: &Var) -> Result<Vec<Option<Var>>> {
        let kept = (0..x.rank()).filter(|axis| !self.axes.contains(axis));
        let permutation: Vec<_> = self.axes.iter().copied().chain(kept).collect();
        let steps = x.transpose(permutation)?.merge_axes(0, self.axes.len())?;
        let one = dy.full_like(1.0)?;
        let product = crate::scan(&[&one], &[&steps], false, |product, x| {
            Ok((vec![product[0].mul(&x[0])?], Vec::new()))
        })?;
        crate::grad::gradients_between(
            &product.carries,
            &[Some(dy.clone())],
            std::slice::from_ref(x),
            &[true],
        )
    }
}

/// Input: a tensor whose shape is read.
#[derive(Debug)]
struct CountOf {
    axes: Vec<usize>,
    dtype: DType,
}

impl Op for CountOf {
    fn name(&self) -> &str {
        "count_of"
    }

    fn depends(&self, _output: usize, _input: usize) -> bool {
        false
    }

    fn infer(&self, _inputs: &[Signature]) -> Result<Vec<Signature>> {
        Ok(vec![Signature::new(self.dtype, Shape::new(<[Dim; 0]>::default()))])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let shape = lower.shape(inputs[0]);
        let count = self.axes.iter().map(|&axis| shape[axis]).product();
        Ok(vec![lower.constant(&number(count, self.dtype))])
    }

    /// A shape has no gradient by its nature.
    fn vjp(&self, _rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![None])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor, keep};
    use proptest::prelude::*;

    use crate::{
        Device, Function, Var,
        ops::testing::{
            cases, check, distinct, filled, gradient, ramp, rejects, symbolic, tensor,
            tensor_on, with_axes,
        },
    };

    fn dense() -> impl Strategy<Value = Tensor> + use<> {
        filled(0..4).prop_flat_map(|shape| tensor(shape, &[-2.0..2.0]))
    }

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn sums_have_the_right_gradients((x, axes) in with_axes(tensor_on(&[-2.0..2.0]))) {
            check(|x| Ok(vec![x[0].sum(&axes)?.square()?]), &[x]);
        }

        #[test]
        fn means_and_variances_have_the_right_gradients((x, axes) in with_axes(dense())) {
            check(|x| Ok(vec![x[0].mean(&axes)?.square()?, x[0].variance(&axes)?]), &[x]);
        }

        #[test]
        fn norms_have_the_right_gradients((x, axes) in with_axes(distinct(0..4))) {
            check(|x| Ok(vec![x[0].add(0.1)?.norm(&axes)?]), std::slice::from_ref(&x));
            // Of one element the deviation is 0, which is a kink.
            if axes.resolve("std", x.rank()).unwrap().iter().any(|&axis| x.shape()[axis] > 1) {
                check(|x| Ok(vec![x[0].std(&axes)?]), &[x]);
            }
        }

        #[test]
        fn extrema_have_the_right_gradients((x, axes) in with_axes(distinct(0..4))) {
            check(|x| Ok(vec![x[0].max(&axes)?.square()?, x[0].min(&axes)?]), &[x]);
        }

        #[test]
        fn products_have_the_right_gradients(
            (x, axes) in with_axes(dense()),
            zeros in proptest::collection::vec(any::<bool>(), 64),
        ) {
            let mut values = x.to_vec::<f64>().unwrap();
            for (value, zero) in values.iter_mut().zip(zeros) {
                *value = if zero { 0.0 } else { *value };
            }
            let x = Tensor::new(values, x.shape()).unwrap();
            check(|x| Ok(vec![x[0].prod(&axes)?]), &[x]);
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = [ramp(&[2, 3])];
        rejects(|x| Ok(vec![x[0].sum(0)?]), &x);
        rejects(|x| Ok(vec![x[0].mean(-1)?]), &x);
        rejects(|x| Ok(vec![x[0].max(keep(0))?]), &x);
        rejects(|x| Ok(vec![x[0].min(..)?]), &x);
        rejects(|x| Ok(vec![x[0].prod(1)?]), &x);
        rejects(|x| Ok(vec![x[0].norm(1)?]), &x);
    }

    #[test]
    fn equal_extrema_share_the_gradient() {
        let x = Tensor::from([1.0, 2.0, 2.0]);
        assert_eq!(gradient(|x| x.max(0), &x), Tensor::from([0.0, 0.5, 0.5]));
        assert_eq!(gradient(|x| x.min(..), &x), Tensor::from([1.0, 0.0, 0.0]));
        let zeros = Tensor::from([0.0, 0.0]);
        assert_eq!(gradient(|x| x.norm(..), &zeros), zeros);
        assert_eq!(gradient(|x| x.std(..), &zeros), zeros);
    }

    #[test]
    fn counts_read_shapes_that_are_known_when_called() {
        let x = symbolic("x", 2);
        let count = x.count_of([0, 1], DType::I64).unwrap();
        let mean = x.mean(keep(0)).unwrap();
        let call =
            Function::new([&x], [&count, &mean]).compile(&Device::reference()).unwrap();
        let made = call.call(&[Tensor::from([[1.0], [3.0]])]).unwrap();
        assert_eq!(made, [Tensor::from(2i64), Tensor::from([[2.0]])]);
    }

    #[test]
    fn of_nothing_they_are_as_documented() {
        let none = Var::constant(&Tensor::zeros(DType::F64, [0]));
        let value = |x: Var| x.eval().unwrap().item::<f64>().unwrap();
        assert!(value(none.mean(..).unwrap()).is_nan());
        assert_eq!(value(none.prod(..).unwrap()).to_bits(), 1f64.to_bits());
        assert_eq!(value(none.max(..).unwrap()).to_bits(), f64::NEG_INFINITY.to_bits());
        let x = Var::constant(&ramp(&[2]));
        assert!(x.sum(Vec::<usize>::new()).unwrap().is_same(&x));
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = Var::input("x", [2], DType::I32);
        assert_eq!(
            x.mean(..).unwrap_err().to_string(),
            "`mean`: cannot take this input\n  expected: floating point\n       got: int32\n      \
             help: cast it: .cast(DType::F32)"
        );
        assert_eq!(
            x.sum(1).unwrap_err().to_string(),
            "`sum`: cannot take this input\n  expected: an axis from -1 to 0\n       got: axis 1"
        );
        assert!(x.all(..).unwrap_err().to_string().contains("expected: bool"));
    }
}
