//! Softmax and its kin: stable by construction, composites where a backend may fuse them.

use std::{any::Any, collections::BTreeMap};

use deckle_tensor::{Attribute, Axes, keep, resolve_axis};

use crate::{Composite, Result, Rule, Var, composite::CompositeOp};

impl Var {
    /// `eˣ / Σeˣ` along `axis`.
    ///
    /// The largest element is subtracted first, so that nothing overflows.
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
    /// let x = Var::constant(&Tensor::from([1000.0, 1000.0]));
    /// assert_eq!(x.softmax(-1)?.eval()?, Tensor::from([0.5, 0.5]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn softmax(&self, axis: isize) -> Result<Self> {
        self.float("softmax")?;
        let axis = resolve_axis("softmax", axis, self.rank())?;
        one(Self::composite(Softmax { axis }, &[self])?)
    }

    /// What this is the softmax of along `axis`, if it is one.
    ///
    /// A loss that knows it can compute the logarithm without the softmax.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([0.0, 1.0]));
    /// assert!(x.softmax(-1)?.logits_of_softmax(0).is_some_and(|logits| logits.is_same(&x)));
    /// assert!(x.logits_of_softmax(-1).is_none());
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    #[must_use]
    pub fn logits_of_softmax(&self, axis: isize) -> Option<&Self> {
        let softmax: &CompositeOp<Softmax> = (self.op()? as &dyn Any).downcast_ref()?;
        let axis = resolve_axis("softmax", axis, self.rank()).ok()?;
        (softmax.0.axis == axis).then(|| &self.inputs()[0])
    }

    /// What this is the sigmoid of, if it is one; see [`Var::logits_of_softmax`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([0.0, 1.0]));
    /// assert!(x.sigmoid()?.logits_of_sigmoid().is_some_and(|logits| logits.is_same(&x)));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    #[must_use]
    pub fn logits_of_sigmoid(&self) -> Option<&Self> {
        (self.op()?.name() == "sigmoid").then(|| &self.inputs()[0])
    }

    /// The logarithm of [`Var::softmax`]: `x - ln Σeˣ`.
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
    /// let x = Var::constant(&Tensor::from([0.0, 1000.0]));
    /// assert_eq!(x.log_softmax(-1)?.eval()?, Tensor::from([-1000.0, 0.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn log_softmax(&self, axis: isize) -> Result<Self> {
        self.float("log_softmax")?;
        let axis = resolve_axis("log_softmax", axis, self.rank())?;
        one(Self::composite(LogSoftmax { axis }, &[self])?)
    }

    /// `ln Σeˣ` along `axes`; of none it is -∞.
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
    /// let x = Var::constant(&Tensor::from([0.0, 1000.0]));
    /// assert_eq!(x.logsumexp(..)?.eval()?, Tensor::from(1000.0));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn logsumexp(&self, axes: impl Into<Axes>) -> Result<Self> {
        let axes = axes.into();
        self.float("logsumexp")?;
        let largest = self.max(keep(&axes))?;
        // -∞ - -∞ would be NaN.
        let shift = largest.is_finite()?.select(&largest, 0.0)?.stop_gradient()?;
        let sum = self.sub(&shift)?.exp()?.sum(&axes)?.log()?;
        sum.add(&shift.reshape_like(&sum)?)
    }

    /// The projection onto probabilities, many of which are 0, along `axis`.
    ///
    /// `max(x - τ, 0)`, where `τ = (Σ cᵢ - 1) / k` over the `k` largest elements in descending
    /// order `zᵢ`, with running sums `cᵢ`, for which `zᵢ > (cᵢ - 1) / i`.
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
    /// let x = Var::constant(&Tensor::from([-1.0, 3.0]));
    /// assert_eq!(x.sparsemax(-1)?.eval()?, Tensor::from([0.0, 1.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.activations.sparsemax`. It sums all `cᵢ`, where the paper has the last one alone;
    /// so does this, for the same numbers: with more than one element in the support, the
    /// results do not add up to 1.
    ///
    /// # References
    ///
    /// Martins and Astudillo, *From Softmax to Sparsemax* (2016).
    pub fn sparsemax(&self, axis: isize) -> Result<Self> {
        self.float("sparsemax")?;
        let at = resolve_axis("sparsemax", axis, self.rank())?;
        let (sorted, _) = self.sort(axis, true)?;
        let sums = sorted.cumsum(axis, false, false)?;
        let mut place = vec![super::Axis::Dim(1.into()); self.rank()];
        place[at] = super::Axis::Rest;
        let rank = self.positions(axis, self.dtype())?.add(1.0)?;
        let rank = rank.reshape_by(&rank, place)?;
        let support = sorted.greater(&sums.sub(1.0)?.div(&rank)?)?;
        let count = support.cast(self.dtype())?.sum(keep(axis))?.stop_gradient()?;
        let total = support.select(&sums, 0.0)?.sum(keep(axis))?;
        self.sub(&total.sub(1.0)?.div(&count)?)?.relu()
    }
}

pub(super) fn one(results: Vec<Var>) -> Result<Var> {
    Ok(results.into_iter().next().expect("one result"))
}

fn attributes(axis: usize) -> BTreeMap<String, Attribute> {
    BTreeMap::from([("axis".to_owned(), Attribute::Int(axis as i64))])
}

/// No residuals: the gradient takes the output.
#[derive(Debug)]
struct Softmax {
    axis: usize,
}

impl Composite for Softmax {
    fn name(&self) -> &str {
        "softmax"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        attributes(self.axis)
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let x = &inputs[0];
        let exp = x.sub(&x.max(keep(self.axis))?.stop_gradient()?)?.exp()?;
        Ok(vec![exp.div(&exp.sum(keep(self.axis))?)?])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        let backward = SoftmaxBackward { axis: self.axis };
        let dx = rule.dy().and_then(|dy| Var::composite(backward, &[rule.y(), &dy]));
        Some(dx.map(|dx| dx.into_iter().map(Some).collect()))
    }
}

/// Inputs: `y`, `dy`. `dx = y · (dy - Σ dy·y)`.
#[derive(Debug)]
struct SoftmaxBackward {
    axis: usize,
}

impl Composite for SoftmaxBackward {
    fn name(&self) -> &str {
        "softmax_backward"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        attributes(self.axis)
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (y, dy) = (&inputs[0], &inputs[1]);
        let sum = dy.mul(y)?.sum(keep(self.axis))?;
        Ok(vec![dy.sub(&sum)?.mul(y)?])
    }
}

/// No residuals: the gradient takes the output.
#[derive(Debug)]
struct LogSoftmax {
    axis: usize,
}

impl Composite for LogSoftmax {
    fn name(&self) -> &str {
        "log_softmax"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        attributes(self.axis)
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let x = &inputs[0];
        let shifted = x.sub(&x.max(keep(self.axis))?.stop_gradient()?)?;
        let sum = shifted.exp()?.sum(keep(self.axis))?;
        Ok(vec![shifted.sub(&sum.log()?)?])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        let backward = LogSoftmaxBackward { axis: self.axis };
        let dx = rule.dy().and_then(|dy| Var::composite(backward, &[rule.y(), &dy]));
        Some(dx.map(|dx| dx.into_iter().map(Some).collect()))
    }
}

/// Inputs: `y`, `dy`. `dx = dy - eʸ · Σ dy`.
#[derive(Debug)]
struct LogSoftmaxBackward {
    axis: usize,
}

impl Composite for LogSoftmaxBackward {
    fn name(&self) -> &str {
        "log_softmax_backward"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        attributes(self.axis)
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (y, dy) = (&inputs[0], &inputs[1]);
        Ok(vec![dy.sub(&y.exp()?.mul(&dy.sum(keep(self.axis))?)?)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor, keep};
    use proptest::prelude::*;

    use crate::{
        Var,
        ops::testing::{
            cases, check, distinct, filled, ramp, rejects, tensor, with_axes,
        },
    };

    fn dense() -> impl Strategy<Value = Tensor> + use<> {
        filled(1..4).prop_flat_map(|shape| tensor(shape, &[-2.0..2.0]))
    }

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn gradients_are_right((x, axes) in with_axes(dense()), axis in -3isize..3) {
            let axis = axis.rem_euclid(x.rank().cast_signed());
            check(|x| Ok(vec![x[0].softmax(axis)?]), std::slice::from_ref(&x));
            check(|x| Ok(vec![x[0].log_softmax(axis)?]), std::slice::from_ref(&x));
            check(|x| Ok(vec![x[0].logsumexp(&axes)?]), &[x]);
        }

        #[test]
        fn sparse_projections_have_the_right_gradients(x in distinct(1..3)) {
            check(|x| Ok(vec![x[0].mul(0.37)?.sparsemax(-1)?]), &[x]);
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = [ramp(&[2, 3])];
        rejects(|x| Ok(vec![x[0].softmax(0)?]), &x);
        rejects(|x| Ok(vec![x[0].log_softmax(-1)?]), &x);
        rejects(|x| Ok(vec![x[0].logsumexp(keep(0))?]), &x);
        rejects(|x| Ok(vec![x[0].sparsemax(-1)?.square()?]), &x);
    }

    #[test]
    fn extremes_are_stable() {
        let infinite = f64::NEG_INFINITY;
        let x = Var::constant(&Tensor::from([0.0, infinite]));
        assert_eq!(x.softmax(0).unwrap().eval().unwrap(), Tensor::from([1.0, 0.0]));
        assert_eq!(x.logsumexp(..).unwrap().eval().unwrap(), Tensor::from(0.0));
        let x = Var::constant(&Tensor::from([infinite, infinite]));
        assert_eq!(x.logsumexp(0).unwrap().eval().unwrap(), Tensor::from(infinite));
        let none = Var::constant(&Tensor::zeros(DType::F64, [2, 0]));
        assert_eq!(none.softmax(1).unwrap().eval().unwrap().shape(), [2, 0]);
        let expected = Tensor::from([infinite, infinite]);
        assert_eq!(none.logsumexp(1).unwrap().eval().unwrap(), expected);
    }

    #[test]
    fn sparse_projections_are_those_of_keras() {
        // Two elements in the support: all running sums are added up.
        let x = Var::constant(&Tensor::from([1.0, 0.9, -1.0]));
        let y = x.sparsemax(0).unwrap().eval().unwrap();
        assert!(y.allclose(&Tensor::from([0.05, 0.0, 0.0]), 1e-12, 1e-12).unwrap());
    }
}
