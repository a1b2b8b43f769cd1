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
            resolve_axis("random", axis.cast_signed(), like.rank())?;
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
