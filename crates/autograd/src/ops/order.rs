//! Operations along an axis that depend on order: running sums, sorting, positions of extrema.

use deckle_tensor::{
    Axes, DType, Dim, Error as TensorError, Primitive, Value, resolve_axis,
};

use super::reduce::ones_at;
use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// Running sums along `axis`.
    ///
    /// If `exclusive`, an element's own value is left out of its sum; if `reverse`, it runs
    /// from the end.
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
    /// let x = Var::constant(&Tensor::from([1.0, 2.0, 3.0]));
    /// assert_eq!(x.cumsum(0, false, false)?.eval()?, Tensor::from([1.0, 3.0, 6.0]));
    /// assert_eq!(x.cumsum(0, true, true)?.eval()?, Tensor::from([5.0, 3.0, 0.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn cumsum(&self, axis: isize, exclusive: bool, reverse: bool) -> Result<Self> {
        let axis = resolve_axis("cumsum", axis, self.rank())?;
        Self::apply_one(CumSum { axis, exclusive, reverse }, &[self])
    }

    /// The values in order along `axis`, and their `I64` positions.
    ///
    /// Equal values keep their order. The values have a gradient, the positions have none.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([2.0, 3.0, 1.0]));
    /// let (values, positions) = x.sort(-1, true)?;
    /// assert_eq!(values.eval()?, Tensor::from([3.0, 2.0, 1.0]));
    /// assert_eq!(positions.eval()?, Tensor::from([1i64, 0, 2]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn sort(&self, axis: isize, descending: bool) -> Result<(Self, Self)> {
        let axis = resolve_axis("sort", axis, self.rank())?;
        pair(Self::apply(Sort { axis, descending }, &[self])?)
    }

    /// The `k` largest values along the last axis, the largest first, and their `I64`
    /// positions.
    ///
    /// Of equal values the first ones count. The values have a gradient, the positions have
    /// none.
    ///
    /// # Errors
    ///
    /// If the last axis has fewer than `k` elements, or there is no axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([2.0, 3.0, 1.0]));
    /// let (values, positions) = x.top_k(2)?;
    /// assert_eq!(values.eval()?, Tensor::from([3.0, 2.0]));
    /// assert_eq!(positions.eval()?, Tensor::from([1i64, 0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn top_k(&self, k: usize) -> Result<(Self, Self)> {
        pair(Self::apply(TopK { k }, &[self])?)
    }

    /// The `I64` position of the largest element along `axis`: the first of several, and of NaN
    /// if there is one.
    ///
    /// `..` counts over all elements in row-major order. It has no gradient: on the way to a
    /// loss it is an error that names it.
    ///
    /// # Errors
    ///
    /// If there is no such axis, it is empty, or several are named.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 3.0], [4.0, 2.0]]));
    /// assert_eq!(x.argmax(-1)?.eval()?, Tensor::from([1i64, 0]));
    /// assert_eq!(x.argmax(..)?.eval()?, Tensor::from(2i64));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn argmax(&self, axis: impl Into<Axes>) -> Result<Self> {
        self.arg_reduce(true, &axis.into())
    }

    /// The `I64` position of the least element along `axis`, as [`Var::argmax`].
    ///
    /// # Errors
    ///
    /// If there is no such axis, it is empty, or several are named.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 3.0], [4.0, 2.0]]));
    /// assert_eq!(x.argmin(-1)?.eval()?, Tensor::from([0i64, 1]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn argmin(&self, axis: impl Into<Axes>) -> Result<Self> {
        self.arg_reduce(false, &axis.into())
    }

    fn arg_reduce(&self, largest: bool, axis: &Axes) -> Result<Self> {
        let name = if largest { "argmax" } else { "argmin" };
        let axes = axis.resolve(name, self.rank())?;
        let (x, axis_of_x) = match axes[..] {
            [axis] => (self.clone(), axis),
            _ if axes.iter().copied().eq(0..self.rank()) => (self.flatten()?, 0),
            _ => {
                return Err(TensorError::invalid(
                    name,
                    "one axis, or `..` for all elements",
                )
                .got(format_args!("{} axes", axes.len()))
                .into());
            }
        };
        let found = Self::apply_one(ArgReduce { largest, axis: axis_of_x }, &[&x])?;
        if axis.is_kept() {
            return found.reshape_by(self, ones_at(self.rank(), &axes));
        }
        Ok(found)
    }
}

fn pair(made: Vec<Var>) -> Result<(Var, Var)> {
    let mut made = made.into_iter();
    Ok((made.next().expect("values"), made.next().expect("positions")))
}

#[derive(Debug)]
struct CumSum {
    axis: usize,
    exclusive: bool,
    reverse: bool,
}

impl Op for CumSum {
    fn name(&self) -> &str {
        "cumsum"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let x = &inputs[0];
        if x.dtype == DType::Bool {
            let error = TensorError::invalid("cumsum", "a number type").got(x.dtype);
            return Err(error.help("cast it: .cast(DType::I64)").into());
        }
        Ok(inputs.to_vec())
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let Self { axis, exclusive, reverse } = *self;
        Ok(vec![lower.push(Primitive::CumSum { axis, exclusive, reverse }, inputs)?])
    }

    /// `dx` is the running sum of `dy` in the other direction.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let back = Self { reverse: !self.reverse, ..*self };
        Ok(vec![Some(Var::apply_one(back, &[&rule.dy()?])?)])
    }
}

#[derive(Debug)]
struct Sort {
    axis: usize,
    descending: bool,
}

impl Op for Sort {
    fn name(&self) -> &str {
        "sort"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let x = &inputs[0];
        Ok(vec![x.clone(), Signature::new(DType::I64, &x.shape)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let Self { axis, descending } = *self;
        lower.push_all(Primitive::Sort { axis, descending }, inputs)
    }

    /// Each element of `dy` goes back to where its value came from.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let positions = &rule.outputs[1];
        let axis = self.axis.cast_signed();
        let dx = rule.x().scatter_add_along_like(axis, positions, &rule.dy()?)?;
        Ok(vec![Some(dx)])
    }
}

#[derive(Debug)]
struct TopK {
    k: usize,
}

impl Op for TopK {
    fn name(&self) -> &str {
        "top_k"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let x = &inputs[0];
        let mut dims = x.shape.dims().to_vec();
        match dims.last_mut() {
            Some(len) if len.known().is_none_or(|len| self.k <= len) => {
                *len = Dim::Known(self.k);
            }
            _ => {
                let expected =
                    format_args!("a last axis with {} elements or more", self.k);
                return Err(TensorError::invalid("top_k", expected).got(&x.shape).into());
            }
        }
        let values = Signature::new(x.dtype, dims);
        let positions = Signature::new(DType::I64, &values.shape);
        Ok(vec![values, positions])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        lower.push_all(Primitive::TopK { k: self.k }, inputs)
    }

    /// Each element of `dy` goes back to where its value came from.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let dx = rule.x().scatter_add_along_like(-1, &rule.outputs[1], &rule.dy()?)?;
        Ok(vec![Some(dx)])
    }
}

#[derive(Debug)]
struct ArgReduce {
    largest: bool,
    axis: usize,
}

impl Op for ArgReduce {
    fn name(&self) -> &str {
        if self.largest { "argmax" } else { "argmin" }
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let mut dims = inputs[0].shape.dims().to_vec();
        if dims.remove(self.axis).known() == Some(0) {
            let name = if self.largest { "argmax" } else { "argmin" };
            let error = TensorError::invalid(name, "an axis with elements");
            return Err(error.got(&inputs[0].shape).into());
        }
        Ok(vec![Signature::new(DType::I64, dims)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let Self { largest, axis } = *self;
        Ok(vec![lower.push(Primitive::ArgReduce { largest, axis }, inputs)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor, keep};
    use proptest::prelude::*;

    use crate::{
        Device, Function, Var,
        ops::testing::{cases, check, distinct, ramp, rejects, symbolic, tensor_on},
    };

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn running_sums_have_the_right_gradients(
            x in tensor_on(&[-2.0..2.0]),
            axis in 0isize..3,
            exclusive in any::<bool>(),
            reverse in any::<bool>(),
        ) {
            prop_assume!(x.rank() > 0);
            let axis = axis.rem_euclid(x.rank().cast_signed());
            check(|x| Ok(vec![x[0].cumsum(axis, exclusive, reverse)?.square()?]), &[x]);
        }

        #[test]
        fn sorted_values_have_the_right_gradients(
            x in distinct(1..4),
            axis in -1isize..2,
            descending in any::<bool>(),
            k in 1usize..3,
        ) {
            let axis = axis.rem_euclid(x.rank().cast_signed());
            let k = k.min(x.shape()[x.rank() - 1]);
            let inputs = [x];
            check(|x| Ok(vec![x[0].sort(axis, descending)?.0.square()?]), &inputs);
            check(|x| Ok(vec![x[0].top_k(k)?.0.square()?]), &inputs);
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = [ramp(&[2, 3])];
        rejects(|x| Ok(vec![x[0].cumsum(1, true, false)?]), &x);
        rejects(|x| Ok(vec![x[0].sort(0, false)?.0.square()?]), &x);
        rejects(|x| Ok(vec![x[0].top_k(2)?.0.square()?]), &x);
    }

    #[test]
    fn positions_are_those_of_unknown_shapes_too() {
        let x = symbolic("x", 2);
        let (values, positions) = x.sort(0, false).unwrap();
        let results =
            [values, positions, x.argmin(keep(1)).unwrap(), x.argmax(..).unwrap()];
        let call = Function::new([&x], &results).compile(&Device::reference()).unwrap();
        let made = call.call(&[Tensor::from([[2.0, 5.0], [1.0, f64::NAN]])]).unwrap();
        assert_eq!(made[0], Tensor::from([[1.0, 5.0], [2.0, f64::NAN]]));
        assert_eq!(made[1], Tensor::from([[1i64, 0], [0, 1]]));
        assert_eq!(made[2], Tensor::from([[0i64], [1]]));
        assert_eq!(made[3], Tensor::from(3i64));
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = Var::input("x", [2, 3, 0], DType::F32);
        let text = |error: crate::Error| error.to_string();
        assert_eq!(
            text(x.argmax(-1).unwrap_err()),
            "`argmax`: cannot take this input\n  expected: an axis with elements\n       got: \
             (2, 3, 0)"
        );
        assert_eq!(
            text(x.argmin([0, 1]).unwrap_err()),
            "`argmin`: cannot take this input\n  expected: one axis, or `..` for all \
             elements\n       got: 2 axes"
        );
        assert_eq!(
            text(x.top_k(1).unwrap_err()),
            "`top_k`: cannot take this input\n  expected: a last axis with 1 elements or \
             more\n       got: (2, 3, 0)"
        );
    }
}
