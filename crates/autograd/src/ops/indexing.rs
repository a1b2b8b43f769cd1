//! Elements by index: gathering, its adjoint, one-hot vectors.

use deckle_tensor::{
    Compare, DType, Dim, Error as TensorError, Primitive, Value, resolve_axis,
};

use crate::{Lower, Op, Result, Rule, Signature, Var};

/// Indices are integers that count from 0; one out of range is the error
/// [`Index`](deckle_tensor::Error::Index) of the run. They have no gradient by their nature.
impl Var {
    /// Slices along `axis`, whose place the axes of `indices` take; NumPy's `take`.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the indices are no integers.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let words = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]));
    /// let indices = Var::constant(&Tensor::from([2, 0]));
    /// let found = words.gather(0, &indices)?;
    /// assert_eq!(found.eval()?, Tensor::from([[5.0, 6.0], [1.0, 2.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn gather(&self, axis: isize, indices: &Self) -> Result<Self> {
        let axis = resolve_axis("gather", axis, self.rank())?;
        Self::apply_one(Gather { axis }, &[self, indices])
    }

    /// The elements along `axis` that `indices`, of this shape but for `axis`, name; NumPy's
    /// `take_along_axis`.
    ///
    /// # Errors
    ///
    /// If there is no such axis, the indices are no integers or their other axes differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let indices = Var::constant(&Tensor::from([[1], [0]]));
    /// assert_eq!(x.gather_along(-1, &indices)?.eval()?, Tensor::from([[2.0], [3.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn gather_along(&self, axis: isize, indices: &Self) -> Result<Self> {
        let axis = resolve_axis("gather_along", axis, self.rank())?;
        Self::apply_one(GatherAlong { axis }, &[self, indices])
    }

    /// Zeros with `axis` of length `len`, to which each of `updates` is added at its index: the
    /// adjoint of [`Var::gather`].
    ///
    /// # Errors
    ///
    /// If the indices are no integers, or the updates do not have their axes at `axis`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let indices = Var::constant(&Tensor::from([2, 0, 2]));
    /// let updates = Var::constant(&Tensor::from([1.0, 2.0, 3.0]));
    /// let sums = Var::scatter_add(&indices, &updates, 0, 3)?;
    /// assert_eq!(sums.eval()?, Tensor::from([2.0, 0.0, 4.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn scatter_add(
        indices: &Self,
        updates: &Self,
        axis: usize,
        len: impl Into<Dim>,
    ) -> Result<Self> {
        let op = ScatterAdd { axis, len: Some(len.into()) };
        Self::apply_one(op, &[indices, updates])
    }

    /// Zeros with `axis` of length `len`, to which each of `updates` is added at its index
    /// along `axis`: the adjoint of [`Var::gather_along`].
    ///
    /// # Errors
    ///
    /// If there is no such axis, the indices are no integers or of another shape.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let indices = Var::constant(&Tensor::from([[1], [0]]));
    /// let updates = Var::constant(&Tensor::from([[5.0], [6.0]]));
    /// let sums = Var::scatter_add_along(&indices, &updates, -1, 2)?;
    /// assert_eq!(sums.eval()?, Tensor::from([[0.0, 5.0], [6.0, 0.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn scatter_add_along(
        indices: &Self,
        updates: &Self,
        axis: isize,
        len: impl Into<Dim>,
    ) -> Result<Self> {
        let axis = resolve_axis("scatter_add_along", axis, updates.rank())?;
        let op = ScatterAddAlong { axis, len: Some(len.into()) };
        Self::apply_one(op, &[indices, updates])
    }

    /// As [`Var::scatter_add_along`], with the length of this value's axis.
    pub(crate) fn scatter_add_along_like(
        &self,
        axis: isize,
        indices: &Self,
        updates: &Self,
    ) -> Result<Self> {
        let axis = resolve_axis("scatter_add_along", axis, updates.rank())?;
        let op = ScatterAddAlong { axis, len: None };
        Self::apply_one(op, &[indices, updates, self])
    }

    /// A new last axis of length `depth`, 1 at the index and 0 elsewhere.
    ///
    /// An index out of range makes zeros. It has no gradient.
    ///
    /// # Errors
    ///
    /// If the indices are no integers.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let labels = Var::constant(&Tensor::from([1, -1]));
    /// let vectors = labels.one_hot(2, DType::F64)?;
    /// assert_eq!(vectors.eval()?, Tensor::from([[0.0, 1.0], [0.0, 0.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn one_hot(&self, depth: usize, dtype: DType) -> Result<Self> {
        Self::apply_one(OneHot { depth, dtype }, &[self])
    }
}

fn integers(op: &'static str, indices: &Signature) -> Result<()> {
    if indices.dtype.is_integer() {
        return Ok(());
    }
    Err(TensorError::invalid(op, "integer indices")
        .got(indices)
        .help("cast them: .cast(DType::I32)")
        .into())
}

/// Inputs: `x`, indices.
#[derive(Debug)]
struct Gather {
    axis: usize,
}

impl Op for Gather {
    fn name(&self) -> &str {
        "gather"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (x, indices) = (&inputs[0], &inputs[1]);
        integers("gather", indices)?;
        let (before, after) = x.shape.dims().split_at(self.axis);
        let dims = [before, indices.shape.dims(), &after[1..]].concat();
        Ok(vec![Signature::new(x.dtype, dims)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        Ok(vec![lower.push(Primitive::Gather { axis: self.axis }, inputs)?])
    }

    /// `dx`: each slice of `dy` is added where it came from.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let op = ScatterAdd { axis: self.axis, len: None };
        let dx = Var::apply_one(op, &[&rule.inputs[1], &rule.dy()?, rule.x()])?;
        Ok(vec![Some(dx), None])
    }
}

/// Inputs: indices, updates and, if `len` is not given, a tensor whose `axis` has that length.
#[derive(Debug)]
struct ScatterAdd {
    axis: usize,
    len: Option<Dim>,
}

impl Op for ScatterAdd {
    fn name(&self) -> &str {
        "scatter_add"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input < 2
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (indices, updates) = (&inputs[0], &inputs[1]);
        integers("scatter_add", indices)?;
        let dims = updates.shape.dims();
        let end = self.axis.saturating_add(indices.shape.rank());
        let fits = dims.get(self.axis..end).is_some_and(|own| {
            own.iter().zip(indices.shape.dims()).all(|(a, b)| a.may_equal(b))
        });
        if !fits || updates.dtype == DType::Bool {
            let expected =
                format_args!("updates with the axes of the indices at {}", self.axis);
            return Err(TensorError::invalid("scatter_add", expected)
                .got(format_args!("indices {}, updates {updates}", indices.shape))
                .into());
        }
        let len = self.len.clone();
        let len = len.unwrap_or_else(|| inputs[2].shape.dims()[self.axis].clone());
        let dims = [&dims[..self.axis], &[len], &dims[end..]].concat();
        Ok(vec![Signature::new(updates.dtype, dims)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let axis = self.axis;
        let len = match &self.len {
            Some(len) => lower.resolve(len)?,
            None => lower.shape(inputs[2])[axis],
        };
        Ok(vec![lower.push(Primitive::ScatterAdd { axis, len }, &inputs[..2])?])
    }

    /// The updates' gradient is `dy` at their indices.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let dy = rule.dy()?.gather(self.axis.cast_signed(), &rule.inputs[0])?;
        let gradients = [None, Some(dy), None];
        Ok(gradients.into_iter().take(rule.inputs.len()).collect())
    }
}

/// Inputs: `x`, indices.
#[derive(Debug)]
struct GatherAlong {
    axis: usize,
}

impl Op for GatherAlong {
    fn name(&self) -> &str {
        "gather_along"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (x, indices) = (&inputs[0], &inputs[1]);
        integers("gather_along", indices)?;
        let pairs = x.shape.dims().iter().zip(indices.shape.dims()).enumerate();
        let fits = x.shape.rank() == indices.shape.rank()
            && pairs.into_iter().all(|(i, (a, b))| i == self.axis || a.may_equal(b));
        if !fits {
            let expected =
                format_args!("indices of shape {} but for axis {}", x.shape, self.axis);
            return Err(TensorError::invalid("gather_along", expected)
                .got(&indices.shape)
                .into());
        }
        Ok(vec![Signature::new(x.dtype, &indices.shape)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        Ok(vec![lower.push(Primitive::GatherAlong { axis: self.axis }, inputs)?])
    }

    /// `dx`: each element of `dy` is added where it came from.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let axis = self.axis.cast_signed();
        let dx = rule.x().scatter_add_along_like(axis, &rule.inputs[1], &rule.dy()?)?;
        Ok(vec![Some(dx), None])
    }
}

/// Inputs: indices, updates and, if `len` is not given, a tensor whose `axis` has that length.
#[derive(Debug)]
struct ScatterAddAlong {
    axis: usize,
    len: Option<Dim>,
}

impl Op for ScatterAddAlong {
    fn name(&self) -> &str {
        "scatter_add_along"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input < 2
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (indices, updates) = (&inputs[0], &inputs[1]);
        integers("scatter_add_along", indices)?;
        if !indices.shape.may_equal(&updates.shape) || updates.dtype == DType::Bool {
            return Err(TensorError::invalid(
                "scatter_add_along",
                format_args!("updates of shape {}", indices.shape),
            )
            .got(updates)
            .into());
        }
        let len = self.len.clone();
        let len = len.unwrap_or_else(|| inputs[2].shape.dims()[self.axis].clone());
        let mut dims = updates.shape.dims().to_vec();
        dims[self.axis] = len;
        Ok(vec![Signature::new(updates.dtype, dims)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let axis = self.axis;
        let len = match &self.len {
            Some(len) => lower.resolve(len)?,
            None => lower.shape(inputs[2])[axis],
        };
        Ok(vec![lower.push(Primitive::ScatterAddAlong { axis, len }, &inputs[..2])?])
    }

    /// The updates' gradient is `dy` at their indices.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let axis = self.axis.cast_signed();
        let dy = rule.dy()?.gather_along(axis, &rule.inputs[0])?;
        let gradients = [None, Some(dy), None];
        Ok(gradients.into_iter().take(rule.inputs.len()).collect())
    }
}

#[derive(Debug)]
struct OneHot {
    depth: usize,
    dtype: DType,
}

impl Op for OneHot {
    fn name(&self) -> &str {
        "one_hot"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        integers("one_hot", &inputs[0])?;
        let dims = inputs[0].shape.dims().iter().cloned();
        let dims: Vec<_> = dims.chain([Dim::Known(self.depth)]).collect();
        Ok(vec![Signature::new(self.dtype, dims)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let mut shape = lower.shape(inputs[0]);
        shape.push(1);
        // Wide enough for any depth, which the indices' own type may not be.
        let indices = lower.push(Primitive::Cast(DType::I64), inputs)?;
        let indices = lower.reshape(shape, indices)?;
        let classes =
            Primitive::Iota { shape: vec![self.depth], axis: 0, dtype: DType::I64 };
        let classes = lower.push(classes, &[])?;
        let hit = lower.push(Primitive::Compare(Compare::Equal), &[indices, classes])?;
        if self.dtype == DType::Bool {
            return Ok(vec![hit]);
        }
        Ok(vec![lower.push(Primitive::Cast(self.dtype), &[hit])?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Dim, Tensor};
    use proptest::{collection::vec, prelude::*};

    use crate::{
        Device, Error, Function, Var,
        ops::testing::{cases, check, filled, ramp, rejects, symbolic, tensor},
    };

    fn indices(shape: Vec<usize>, len: usize) -> impl Strategy<Value = Tensor> + use<> {
        vec(0..len as i64, shape.iter().product::<usize>())
            .prop_map(move |indices| Tensor::new(indices, &shape).expect("as many"))
    }

    /// A tensor, one of its axes, indices of any shape, and indices along the axis.
    fn gathered() -> impl Strategy<Value = (Tensor, usize, Tensor, Tensor)> {
        (filled(1..4), filled(0..3), 0usize..3, 1usize..4).prop_flat_map(
            |(shape, of, axis, count)| {
                let axis = axis % shape.len();
                let mut along = shape.clone();
                along[axis] = count;
                let x = tensor(shape.clone(), &[-2.0..2.0]);
                (x, Just(axis), indices(of, shape[axis]), indices(along, shape[axis]))
            },
        )
    }

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn gradients_are_right((x, axis, indices, along) in gathered()) {
            let at = axis.cast_signed();
            let len = x.shape()[axis];
            let shape = |x: &Var| x.shape().known().unwrap();
            let gather = [x.clone(), indices];
            check(|x| Ok(vec![x[0].gather(at, &x[1])?.square()?]), &gather);
            check(
                |x| {
                    let updates = x[0].gather(at, &x[1])?;
                    let sums = Var::scatter_add(&x[1], &updates, axis, len)?;
                    assert_eq!(shape(&sums), shape(&x[0]));
                    Ok(vec![sums.square()?])
                },
                &gather,
            );
            let along = [x, along];
            check(
                |x| {
                    let found = x[0].gather_along(at, &x[1])?;
                    let sums = Var::scatter_add_along(&x[1], &found, at, len)?;
                    Ok(vec![found.square()?, sums.square()?])
                },
                &along,
            );
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = ramp(&[3, 2]);
        let few = [x.clone(), Tensor::from([2, 0, 2])];
        rejects(|x| Ok(vec![x[0].gather(0, &x[1])?.square()?]), &few);
        rejects(|x| Ok(vec![Var::scatter_add(&x[1], &x[0], 0, 4)?.square()?]), &few);
        let along = [x, Tensor::from([[1, 0], [0, 0], [1, 1]])];
        rejects(|x| Ok(vec![x[0].gather_along(1, &x[1])?.square()?]), &along);
        rejects(
            |x| Ok(vec![Var::scatter_add_along(&x[1], &x[0], 0, 2)?.square()?]),
            &along,
        );
    }

    #[test]
    fn lengths_may_be_symbols() {
        let (x, indices) = (symbolic("x", 2), Var::input("i", [None], DType::I64));
        let rows = x.gather(0, &indices).unwrap();
        let sums = Var::scatter_add(&indices, &rows, 0, Dim::symbol("x0")).unwrap();
        assert_eq!(rows.shape().to_string(), "(batch, x1)");
        assert_eq!(sums.shape(), x.shape());
        let call = Function::new([&x, &indices], [&sums]).compile(&Device::reference());
        let made = call.unwrap().call(&[ramp(&[3, 1]), Tensor::from([1i64, 1])]).unwrap();
        assert_eq!(made[0], Tensor::from([[0.0], [1.0], [0.0]]));
    }

    #[test]
    fn indices_out_of_range_are_named() {
        let x = Var::constant(&ramp(&[3]));
        for index in [3, -1] {
            let indices = Var::constant(&Tensor::from([index]));
            let error = x.gather(0, &indices).unwrap().eval().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "`gather`: index out of range\n  expected: 0 <= index < 3\n       got: {index}"
                )
            );
            let wanted = Tensor::from([[0.0, 0.0]]);
            assert_eq!(indices.one_hot(2, DType::F64).unwrap().eval().unwrap(), wanted);
        }
    }

    #[test]
    fn deep_one_hot_vectors_have_room_for_every_index() {
        let indices = Var::constant(&Tensor::from([44u8]));
        let sum = indices.one_hot(300, DType::F64).unwrap().sum(..).unwrap();
        assert_eq!(sum.eval().unwrap(), Tensor::from(1.0));
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = Var::input("x", [2, 3], DType::F32);
        let indices = Var::input("i", [4, 3], DType::I32);
        let text = |error: Error| error.to_string();
        assert_eq!(
            text(x.gather(0, &x).unwrap_err()),
            "`gather`: cannot take this input\n  expected: integer indices\n       got: float32 \
             (2, 3)\n      help: cast them: .cast(DType::I32)"
        );
        assert_eq!(
            text(x.gather_along(1, &indices).unwrap_err()),
            "`gather_along`: cannot take this input\n  expected: indices of shape (2, 3) but \
             for axis 1\n       got: (4, 3)"
        );
        assert_eq!(
            text(Var::scatter_add(&indices, &x, 0, 3).unwrap_err()),
            "`scatter_add`: cannot take this input\n  expected: updates with the axes of the \
             indices at 0\n       got: indices (4, 3), updates float32 (2, 3)"
        );
        assert!(Var::scatter_add(&indices, &x, usize::MAX, 3).is_err());
    }
}
