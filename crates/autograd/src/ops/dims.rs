//! Operations on axes: reshaping to lengths, transposing, adding and removing axes.

use deckle_tensor::{
    Axes, Dim, Error as TensorError, Primitive, Shape, Value, resolve_axis,
};

use super::Axis;
use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// The same elements in row-major order under another shape; -1 is what is left.
    ///
    /// Lengths are numbers, [`Dim`]s, or [`Axis`] in terms of this shape.
    ///
    /// # Errors
    ///
    /// If the number of elements differs, or more than one length is -1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Axis, Var};
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Var::constant(&Tensor::from([[1, 2, 3], [4, 5, 6]]));
    /// let y = x.reshape([3, -1])?;
    /// assert_eq!(y.eval()?, Tensor::from([[1, 2], [3, 4], [5, 6]]));
    ///
    /// let x = Var::input("x", [None, Some(4), Some(2)], DType::F32);
    /// let y = x.reshape([Axis::Of(0), Axis::Rest])?;
    /// assert_eq!(y.shape().to_string(), "(batch, 8)");
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn reshape(
        &self,
        axes: impl IntoIterator<Item = impl Into<Axis>>,
    ) -> Result<Self> {
        let axes: Vec<Axis> = axes.into_iter().map(Into::into).collect();
        self.reshape_by(self, axes)
    }

    /// The same elements along one axis.
    ///
    /// # Errors
    ///
    /// Never today.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1, 2], [3, 4]]));
    /// assert_eq!(x.flatten()?.eval()?, Tensor::from([1, 2, 3, 4]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn flatten(&self) -> Result<Self> {
        if self.rank() == 1 {
            return Ok(self.clone());
        }
        self.merge_axes(0, self.rank())
    }

    /// The axes in another order: axis i is axis `permutation[i]` of this.
    ///
    /// # Errors
    ///
    /// If the permutation does not name each axis once.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1, 2, 3], [4, 5, 6]]));
    /// let y = x.transpose([1, 0])?;
    /// assert_eq!(y.eval()?, Tensor::from([[1, 4], [2, 5], [3, 6]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn transpose(&self, permutation: impl Into<Axes>) -> Result<Self> {
        let permutation = permutation.into().resolve("transpose", self.rank())?;
        if permutation.len() != self.rank() {
            return Err(TensorError::invalid("transpose", "each axis once")
                .got(format_args!("{permutation:?} for shape {}", self.shape()))
                .into());
        }
        if permutation.iter().copied().eq(0..self.rank()) {
            return Ok(self.clone());
        }
        Self::apply_one(Transpose { permutation }, &[self])
    }

    /// Two axes swapped.
    ///
    /// # Errors
    ///
    /// If there are no such axes.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1, 2, 3], [4, 5, 6]]));
    /// assert_eq!(x.swap_axes(0, -1)?.eval()?.shape(), [3, 2]);
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn swap_axes(&self, a: isize, b: isize) -> Result<Self> {
        let mut permutation: Vec<_> = (0..self.rank()).collect();
        permutation.swap(
            resolve_axis("swap_axes", a, self.rank())?,
            resolve_axis("swap_axes", b, self.rank())?,
        );
        self.transpose(permutation)
    }

    /// One axis at another place, the others in their order.
    ///
    /// # Errors
    ///
    /// If there are no such axes.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Var::zeros(DType::F32, [1, 2, 3])?;
    /// assert_eq!(x.move_axis(0, -1)?.shape(), &[2, 3, 1].into());
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn move_axis(&self, from: isize, to: isize) -> Result<Self> {
        let from = resolve_axis("move_axis", from, self.rank())?;
        let to = resolve_axis("move_axis", to, self.rank())?;
        let mut permutation: Vec<_> = (0..self.rank()).filter(|&i| i != from).collect();
        permutation.insert(to, from);
        self.transpose(permutation)
    }

    /// A new axis of length 1 at that place of the result.
    ///
    /// # Errors
    ///
    /// If the result has no such axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1, 2]));
    /// assert_eq!(x.expand_dims(-1)?.eval()?, Tensor::from([[1], [2]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn expand_dims(&self, axis: isize) -> Result<Self> {
        let axis = resolve_axis("expand_dims", axis, self.rank() + 1)?;
        let mut axes: Vec<_> = (0..self.rank()).map(Axis::Of).collect();
        axes.insert(axis, 1usize.into());
        self.reshape_by(self, axes)
    }

    /// Without these axes, which are of length 1; `..` is all that are known to be.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or it is of another length.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[[1], [2]]]));
    /// assert_eq!(x.squeeze(-1)?.eval()?, Tensor::from([[1, 2]]));
    /// assert_eq!(x.squeeze(..)?.eval()?, Tensor::from([1, 2]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn squeeze(&self, axes: impl Into<Axes>) -> Result<Self> {
        let axes = axes.into();
        let mut gone = axes.resolve("squeeze", self.rank())?;
        let dims = self.shape().dims();
        if axes == Axes::from(..) {
            gone.retain(|&axis| dims[axis] == Dim::Known(1));
        }
        if let Some(&axis) = gone.iter().find(|&&axis| !dims[axis].may_equal(&1.into())) {
            return Err(TensorError::invalid("squeeze", "an axis of length 1")
                .got(format_args!("axis {axis} of shape {}", self.shape()))
                .into());
        }
        if gone.is_empty() {
            return Ok(self.clone());
        }
        let kept = (0..self.rank()).filter(|axis| !gone.contains(axis));
        self.reshape_by(self, kept.map(Axis::Of).collect::<Vec<_>>())
    }

    /// Repeated to a shape by NumPy's rule; its lengths may be symbols.
    ///
    /// # Errors
    ///
    /// If this shape does not broadcast to that. A symbol that no input of the function has is
    /// an error of the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1, 2]));
    /// assert_eq!(x.broadcast_to([2, 2])?.eval()?, Tensor::from([[1, 2], [1, 2]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if *self.shape() == shape && !shape.dims().contains(&Dim::Unknown) {
            return Ok(self.clone());
        }
        Self::apply_one(BroadcastTo(shape), &[self])
    }

    /// Axes of length 1 repeated to other lengths, those of the others kept.
    pub(crate) fn stretch(&self, lens: Vec<(usize, usize)>) -> Result<Self> {
        Self::apply_one(Stretch(lens), &[self])
    }
}

#[derive(Debug)]
struct Transpose {
    permutation: Vec<usize>,
}

impl Op for Transpose {
    fn name(&self) -> &str {
        "transpose"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let dims = inputs[0].shape.dims();
        let shape = self.permutation.iter().map(|&axis| dims[axis].clone()).collect();
        Ok(vec![Signature { dtype: inputs[0].dtype, shape }])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let permutation = self.permutation.clone();
        Ok(vec![lower.push(Primitive::Transpose { permutation }, inputs)?])
    }

    /// `dx` is `dy` with its axes in their old order.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let mut back = vec![0; self.permutation.len()];
        for (to, &from) in self.permutation.iter().enumerate() {
            back[from] = to;
        }
        Ok(vec![Some(rule.dy()?.transpose(back)?)])
    }
}

#[derive(Debug)]
struct BroadcastTo(Shape);

impl Op for BroadcastTo {
    fn name(&self) -> &str {
        "broadcast_to"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let x = &inputs[0];
        let shape = x.shape.broadcast(&self.0);
        if !shape.is_some_and(|shape| shape.may_equal(&self.0)) {
            let expected = format_args!("a shape that broadcasts to {}", self.0);
            return Err(TensorError::invalid("broadcast_to", expected)
                .got(&x.shape)
                .into());
        }
        Ok(vec![Signature::new(x.dtype, &self.0)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let shape = lower.resolve_shape(&self.0)?;
        Ok(vec![lower.push(Primitive::Broadcast { shape }, inputs)?])
    }

    /// `dx` is `dy`, summed over the repetitions.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(rule.dy()?.sum_to_like(rule.x())?)])
    }
}

/// Axes of length 1 with their new lengths.
#[derive(Debug)]
struct Stretch(Vec<(usize, usize)>);

impl Op for Stretch {
    fn name(&self) -> &str {
        "stretch"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let mut dims = inputs[0].shape.dims().to_vec();
        for &(axis, len) in &self.0 {
            dims[axis] = len.into();
        }
        Ok(vec![Signature::new(inputs[0].dtype, dims)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let mut shape = lower.shape(inputs[0]);
        for &(axis, len) in &self.0 {
            shape[axis] = len;
        }
        Ok(vec![lower.push(Primitive::Broadcast { shape }, inputs)?])
    }

    /// `dx` is `dy`, summed over the repetitions.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(rule.dy()?.sum_to_like(rule.x())?)])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Dim};
    use proptest::prelude::*;

    use crate::{
        Axis, Device, Function, Var,
        ops::testing::{cases, check, filled, ramp, rejects, symbolic, tensor_on},
    };

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn gradients_are_right(
            x in tensor_on(&[-2.0..2.0]),
            order in Just([0usize, 1, 2]).prop_shuffle(),
            axis in 0isize..4,
            before in filled(0..3),
        ) {
            let (rank, shape) = (x.rank(), x.shape().to_vec());
            let permutation: Vec<_> = order.into_iter().filter(|&i| i < rank).collect();
            let axis = axis.min(rank.cast_signed());
            check(
                |x| {
                    let expanded = x[0].expand_dims(axis)?.square()?;
                    Ok(vec![
                        x[0].transpose(permutation.clone())?.square()?,
                        expanded.squeeze(axis)?,
                        x[0].flatten()?.reshape([-1])?.square()?,
                        x[0].broadcast_to([&before[..], &shape].concat())?.square()?,
                    ])
                },
                &[x],
            );
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = [ramp(&[2, 3])];
        rejects(|x| Ok(vec![x[0].transpose([1, 0])?.square()?]), &x);
        rejects(|x| Ok(vec![x[0].broadcast_to([2, 2, 3])?.square()?]), &x);
        rejects(|x| Ok(vec![x[0].reshape([3, -1])?.square()?]), &x);
    }

    #[test]
    fn nothing_happens_if_nothing_changes() {
        let x = symbolic("x", 2);
        let same = [
            x.transpose([0, 1]).unwrap(),
            x.swap_axes(1, -1).unwrap(),
            x.squeeze(..).unwrap(),
            x.reshape(x.shape().dims().to_vec()).unwrap(),
            x.broadcast_to(x.shape()).unwrap(),
        ];
        assert!(same.iter().all(|y| y.is_same(&x)));
    }

    #[test]
    fn lengths_may_be_symbols() {
        let x = Var::input("x", [Dim::batch(), "time".into(), 6.into()], DType::F64);
        let y = x.reshape([Dim::batch(), "time".into(), 2.into(), 3.into()]).unwrap();
        let z = y.reshape([Axis::Of(0), Axis::Rest]).unwrap();
        assert_eq!(z.shape().to_string(), "(batch, ?)");
        let w =
            Var::scalar(DType::F64, 1.0).broadcast_to([Dim::batch(), 2.into()]).unwrap();
        let call =
            Function::new([&x], [&y, &z, &w]).compile(&Device::reference()).unwrap();
        let made = call.call(&[ramp(&[3, 1, 6])]).unwrap();
        assert_eq!(made[0].shape(), [3, 1, 2, 3]);
        assert_eq!(made[1].shape(), [3, 6]);
        assert_eq!(made[2].shape(), [3, 2]);
    }

    #[test]
    fn a_symbol_that_no_input_has_is_named() {
        let x = Var::input("x", [2], DType::F64);
        let y = Var::zeros(DType::F64, [Dim::symbol("time")]).unwrap();
        let call = Function::new([&x], [&y]).compile(&Device::reference()).unwrap();
        assert_eq!(
            call.call(&[ramp(&[2])]).unwrap_err().to_string(),
            "the length of axis `time` is not known when the function is called\n      help: \
             take it from a tensor instead, e.g. with reshape_like or broadcast_like"
        );
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = Var::input("x", [2, 3], DType::F32);
        let text = |error: crate::Error| error.to_string();
        assert_eq!(
            text(x.reshape([4, -1]).unwrap_err()),
            "`reshape`: cannot take this input\n  expected: (2, 3) elements\n       got: shape \
             (4, -1)"
        );
        assert_eq!(
            text(x.reshape([-1, -1]).unwrap_err()),
            "`reshape`: cannot take this input\n  expected: (2, 3) elements\n       got: shape \
             (-1, -1)\n      help: leave one length open at most"
        );
        assert_eq!(
            text(x.reshape([-2, 3]).unwrap_err()),
            "`reshape`: cannot take this input\n  expected: lengths from -1\n       got: -2"
        );
        assert_eq!(
            text(x.transpose([0]).unwrap_err()),
            "`transpose`: cannot take this input\n  expected: each axis once\n       got: [0] \
             for shape (2, 3)"
        );
        assert_eq!(
            text(x.squeeze(0).unwrap_err()),
            "`squeeze`: cannot take this input\n  expected: an axis of length 1\n       got: \
             axis 0 of shape (2, 3)"
        );
        assert_eq!(
            text(x.broadcast_to([2, 2]).unwrap_err()),
            "`broadcast_to`: cannot take this input\n  expected: a shape that broadcasts to (2, \
             2)\n       got: (2, 3)"
        );
    }
}
