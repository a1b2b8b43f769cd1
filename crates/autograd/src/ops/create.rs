//! Values that are made of nothing but a shape: constants, positions, random numbers.

use deckle_tensor::{
    DType, Dim, Distribution, Error as TensorError, Primitive, Scalar, Shape, Tensor,
    Value, resolve_axis,
};

use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// One number in a shape, whose lengths may be symbols.
    ///
    /// # Errors
    ///
    /// If the element type cannot hold the number. A symbol that no input of the function has is
    /// an error of the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Var::full(DType::F64, [2], 7)?;
    /// assert_eq!(x.eval()?, Tensor::from([7.0, 7.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn full(
        dtype: DType,
        shape: impl Into<Shape>,
        value: impl Into<Scalar>,
    ) -> Result<Self> {
        Self::constant(&value.into().to_tensor(dtype)?).broadcast_to(shape)
    }

    /// Zeros in a shape, whose lengths may be symbols.
    ///
    /// # Errors
    ///
    /// As [`Var::full`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// assert_eq!(Var::zeros(DType::F64, [2])?.eval()?, Tensor::from([0.0, 0.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn zeros(dtype: DType, shape: impl Into<Shape>) -> Result<Self> {
        Self::constant(&Tensor::zeros(dtype, [])).broadcast_to(shape)
    }

    /// Ones in a shape, whose lengths may be symbols.
    ///
    /// # Errors
    ///
    /// As [`Var::full`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// assert_eq!(Var::ones(DType::F64, [2])?.eval()?, Tensor::from([1.0, 1.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn ones(dtype: DType, shape: impl Into<Shape>) -> Result<Self> {
        Self::constant(&Tensor::ones(dtype, [])).broadcast_to(shape)
    }

    /// Ones in the shape and element type of this.
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
    /// let x = Var::constant(&Tensor::from([3.0, 4.0]));
    /// assert_eq!(x.ones_like()?.eval()?, Tensor::from([1.0, 1.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn ones_like(&self) -> Result<Self> {
        self.full_like(1.0)
    }

    /// The positions along `axis` as a tensor with that axis alone: 0, 1, 2, …
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the element type is `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0, 3.0]]));
    /// assert_eq!(x.positions(-1, DType::I32)?.eval()?, Tensor::from([0, 1, 2]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn positions(&self, axis: isize, dtype: DType) -> Result<Self> {
        let axis = resolve_axis("positions", axis, self.rank())?;
        Self::apply_one(Positions { axis, dtype }, &[self])
    }

    /// Random numbers in the shape of `like`, but of length 1 along `shared` axes.
    ///
    /// A pure function of seed, stream and step, two `I64` numbers and a constant, as
    /// [`random`](deckle_tensor::random) defines it; of `like`'s values nothing is read. Its
    /// type is `like`'s if that is floating point, else `F32`; [`Distribution::Bits`] are `U32`.
    ///
    /// # Errors
    ///
    /// If seed or step is no `I64` number, or there is no such axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{Distribution, Tensor};
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let [seed, step] = [42i64, 0].map(|n| Var::constant(&Tensor::from(n)));
    /// let noise = Var::random_like(&x, Distribution::Uniform, 7, &seed, &step, &[1])?;
    /// assert_eq!(noise.eval()?.shape(), [2, 1]);
    /// assert_eq!(noise.eval()?, noise.eval()?);
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn random_like(
        like: &Self,
        distribution: Distribution,
        stream: u64,
        seed: &Self,
        step: &Self,
        shared: &[usize],
    ) -> Result<Self> {
        for &axis in shared {
            // What is beyond all axes must not become one that counts from the end.
            let axis = isize::try_from(axis).unwrap_or(isize::MAX);
            resolve_axis("random", axis, like.rank())?;
        }
        let dtype = match like.dtype() {
            _ if distribution == Distribution::Bits => DType::U32,
            dtype if dtype.is_float() => dtype,
            _ => DType::F32,
        };
        let op =
            Random { distribution, stream, dtype, shape: None, shared: shared.to_vec() };
        Self::apply_one(op, &[seed, step, like])
    }

    /// Random numbers in a shape, whose lengths may be symbols; see [`Var::random_like`].
    ///
    /// # Errors
    ///
    /// If seed or step is no `I64` number, or `dtype` is not floating point (not `U32` for
    /// [`Distribution::Bits`]).
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{DType, Distribution, Tensor};
    ///
    /// let [seed, step] = [42i64, 0].map(|n| Var::constant(&Tensor::from(n)));
    /// let noise = Var::random([3], DType::F32, Distribution::Normal, 7, &seed, &step)?;
    /// assert_eq!(noise.eval()?.shape(), [3]);
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn random(
        shape: impl Into<Shape>,
        dtype: DType,
        distribution: Distribution,
        stream: u64,
        seed: &Self,
        step: &Self,
    ) -> Result<Self> {
        let shape = Some(shape.into());
        let op = Random { distribution, stream, dtype, shape, shared: Vec::new() };
        Self::apply_one(op, &[seed, step])
    }
}

/// Input: a tensor whose shape is read.
#[derive(Debug)]
struct Positions {
    axis: usize,
    dtype: DType,
}

impl Op for Positions {
    fn name(&self) -> &str {
        "positions"
    }

    fn depends(&self, _output: usize, _input: usize) -> bool {
        false
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        if self.dtype == DType::Bool {
            return Err(TensorError::invalid("positions", "a number type")
                .got(self.dtype)
                .into());
        }
        let len = inputs[0].shape.dims()[self.axis].clone();
        Ok(vec![Signature::new(self.dtype, [len])])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let shape = vec![lower.shape(inputs[0])[self.axis]];
        Ok(vec![lower.push(Primitive::Iota { shape, axis: 0, dtype: self.dtype }, &[])?])
    }

    /// A shape has no gradient by its nature.
    fn vjp(&self, _rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![None])
    }
}

/// Inputs: seed, step and, if no shape is given, a tensor whose shape is read.
#[derive(Debug)]
struct Random {
    distribution: Distribution,
    stream: u64,
    dtype: DType,
    shape: Option<Shape>,
    /// Axes that are of length 1.
    shared: Vec<usize>,
}

impl Op for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input < 2
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        for input in &inputs[..2] {
            if input.dtype != DType::I64 || input.shape.rank() > 0 {
                return Err(TensorError::invalid(
                    "random",
                    "seed and step, int64 numbers",
                )
                .got(input)
                .into());
            }
        }
        let fits = match self.distribution {
            Distribution::Bits => self.dtype == DType::U32,
            _ => self.dtype.is_float(),
        };
        if !fits {
            let error =
                TensorError::invalid("random", "floating point (uint32 for bits)");
            return Err(error.got(self.dtype).into());
        }
        let shape = self.shape.as_ref().unwrap_or_else(|| &inputs[2].shape);
        let dims = shape.dims().iter().enumerate().map(|(axis, dim)| {
            if self.shared.contains(&axis) { Dim::Known(1) } else { dim.clone() }
        });
        Ok(vec![Signature { dtype: self.dtype, shape: dims.collect() }])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let mut shape = match &self.shape {
            Some(shape) => lower.resolve_shape(shape)?,
            None => lower.shape(inputs[2]),
        };
        for &axis in &self.shared {
            shape[axis] = 1;
        }
        let half = matches!(self.dtype, DType::F16 | DType::BF16);
        let dtype = if half { DType::F32 } else { self.dtype };
        let Self { distribution, stream, .. } = *self;
        let primitive = Primitive::Random { distribution, stream, shape, dtype };
        let made = lower.push(primitive, &inputs[..2])?;
        if half {
            return Ok(vec![lower.push(Primitive::Cast(self.dtype), &[made])?]);
        }
        Ok(vec![made])
    }

    /// None by its nature: the numbers depend on no value that has one.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![None; rule.inputs.len()])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Dim, Distribution, Shape, Tensor, random::Draw};

    use crate::{
        Device, Function, Result, Var, grad,
        ops::testing::{ramp, symbolic},
    };

    #[test]
    fn random_numbers_are_those_of_their_definition() {
        let (seed, step) = (
            Var::input("seed", Shape::default(), DType::I64),
            Var::input("step", Shape::default(), DType::I64),
        );
        let like = symbolic("x", 2);
        let noise = Var::random_like(&like, Distribution::Uniform, 7, &seed, &step, &[0])
            .unwrap();
        assert_eq!(noise.shape().to_string(), "(1, x1)");
        let call = Function::new([&seed, &step, &like], [&noise]);
        let call = call.compile(&Device::reference()).unwrap();
        let given = [Tensor::from(42i64), Tensor::from(3i64), ramp(&[2, 3])];
        let draw = Draw::new(42, 7, 3);
        let expected =
            Tensor::from([[draw.uniform(0), draw.uniform(1), draw.uniform(2)]]);
        assert_eq!(call.call(&given).unwrap(), [expected]);
    }

    fn random(dtype: DType, distribution: Distribution, seed: DType) -> Result<Var> {
        let seed = Var::scalar(seed, 1.0);
        Var::random([4], dtype, distribution, 0, &seed, &seed)
    }

    #[test]
    fn random_numbers_have_any_floating_point_type() {
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            let made =
                random(dtype, Distribution::Normal, DType::I64).unwrap().eval().unwrap();
            assert_eq!(made.dtype(), dtype);
        }
        let bits =
            random(DType::U32, Distribution::Bits, DType::I64).unwrap().eval().unwrap();
        assert_eq!(bits.dtype(), DType::U32);
        assert_eq!(
            random(DType::I32, Distribution::Normal, DType::I64).unwrap_err().to_string(),
            "`random`: cannot take this input\n  expected: floating point (uint32 for \
             bits)\n       got: int32"
        );
        assert_eq!(
            random(DType::F32, Distribution::Normal, DType::F32).unwrap_err().to_string(),
            "`random`: cannot take this input\n  expected: seed and step, int64 numbers\n       \
             got: float32 ()"
        );
        let x = Var::scalar(DType::F32, 0.0);
        let seed = Var::scalar(DType::I64, 1.0);
        assert!(
            Var::random_like(&x, Distribution::Normal, 0, &seed, &seed, &[0]).is_err()
        );
    }

    #[test]
    fn shapes_have_no_gradient_by_their_nature() {
        let x = Var::constant(&ramp(&[3]));
        let seed = Var::constant(&Tensor::from(1i64));
        let noise =
            Var::random_like(&x, Distribution::Uniform, 0, &seed, &seed, &[]).unwrap();
        let noise = noise.mul(0.0).unwrap();
        let positions = x.positions(0, DType::F64).unwrap();
        let loss = x.mul(&positions).unwrap().add(&noise).unwrap().sum(..).unwrap();
        let dx = grad(&loss, &[&x]).unwrap().remove(0);
        assert_eq!(dx.eval().unwrap(), Tensor::from([0.0, 1.0, 2.0]));
    }

    #[test]
    fn lengths_are_learnt_from_any_input() {
        let x = symbolic("x", 1);
        let zeros = Var::zeros(DType::F32, [Dim::symbol("x0"), 2.into()]).unwrap();
        let call = Function::new([&x], [&zeros]).compile(&Device::reference()).unwrap();
        assert_eq!(call.call(&[ramp(&[3])]).unwrap()[0].shape(), [3, 2]);
        assert!(Var::full(DType::U8, [2], 300).is_err());
    }
}
