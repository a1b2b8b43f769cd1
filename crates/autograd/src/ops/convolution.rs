//! Convolutions over any number of spatial axes, and their adjoints.

use deckle_tensor::{Convolution, Error as TensorError, Primitive, Value};

use super::{Padding, padding::positive};
use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// The convolution (cross-correlation) with `kernel`.
    ///
    /// Each group of channels meets its part of the filters.
    ///
    /// # Shapes
    ///
    /// This is `(batch, spatial..., channels)`, the kernel
    /// `(spatial..., channels / groups, filters)`, the result `(batch, spatial..., filters)`.
    ///
    /// # Errors
    ///
    /// If shapes, element types or settings do not fit.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Padding, Var};
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Var::ones(DType::F64, [1, 4, 4, 1])?;
    /// let kernel = Var::ones(DType::F64, [3, 3, 1, 1])?;
    /// let y = x.conv(&kernel, &[2, 2], &Padding::Same, &[1, 1], 1)?;
    /// assert_eq!(y.reshape([2, 2])?.eval()?, Tensor::from([[9.0, 6.0], [6.0, 4.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.ops.conv` with `data_format="channels_last"`.
    pub fn conv(
        &self,
        kernel: &Self,
        strides: &[usize],
        padding: &Padding,
        dilation: &[usize],
        groups: usize,
    ) -> Result<Self> {
        let settings = Settings {
            strides: strides.to_vec(),
            padding: padding.clone(),
            dilation: dilation.to_vec(),
            groups,
        };
        Self::apply_one(Conv(settings), &[self, kernel])
    }

    /// The adjoint of [`Var::conv`] in its input: what a gradient of the convolution's output
    /// is to its input, whose shape is `like`'s; also called transposed convolution.
    ///
    /// # Errors
    ///
    /// If the convolution of `like` with `kernel` is not of this shape.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Padding, Var};
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let dy = Var::ones(DType::F64, [1, 2, 1])?;
    /// let kernel = Var::ones(DType::F64, [3, 1, 1])?;
    /// let like = Var::zeros(DType::F64, [1, 4, 1])?;
    /// let dx = dy.conv_to_input(&kernel, &like, &[1], &Padding::Valid, &[1], 1)?;
    /// assert_eq!(dx.flatten()?.eval()?, Tensor::from([1.0, 2.0, 2.0, 1.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn conv_to_input(
        &self,
        kernel: &Self,
        like: &Self,
        strides: &[usize],
        padding: &Padding,
        dilation: &[usize],
        groups: usize,
    ) -> Result<Self> {
        let settings = Settings {
            strides: strides.to_vec(),
            padding: padding.clone(),
            dilation: dilation.to_vec(),
            groups,
        };
        Self::apply_one(ConvToInput(settings), &[self, kernel, like])
    }
}

#[derive(Clone, Debug)]
struct Settings {
    strides: Vec<usize>,
    padding: Padding,
    dilation: Vec<usize>,
    groups: usize,
}

/// A kernel's length with the gaps between its cells.
fn window(cells: usize, dilation: usize) -> Option<usize> {
    cells.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)
}

impl Settings {
    /// The output for these inputs.
    fn infer(&self, x: &Signature, kernel: &Signature) -> Result<Signature> {
        let wrong = |expected: &str| TensorError::invalid("conv", expected);
        let both = format_args!("{x} and {kernel}");
        if x.dtype != kernel.dtype || !x.dtype.is_float() {
            return Err(wrong("one floating-point type")
                .got(both)
                .help("cast one of them: .cast(dtype)")
                .into());
        }
        let dtype = x.dtype;
        let (x, kernel) = (x.shape.dims(), kernel.shape.dims());
        let fits = x.len() >= 3 && x.len() == kernel.len();
        if !fits {
            return Err(wrong(
                "input (batch, spatial..., channels) and kernel (spatial..., channels, filters)",
            )
            .got(both)
            .into());
        }
        let spatial = x.len() - 2;
        positive("conv", "strides", &self.strides, spatial)?;
        positive("conv", "dilation", &self.dilation, spatial)?;
        self.padding.check("conv", spatial)?;
        let (channels, per_group) = (&x[spatial + 1], &kernel[spatial]);
        let filters = &kernel[spatial + 1];
        let per_group = per_group.known().map(|n| n.checked_mul(self.groups));
        let fits = self.groups > 0
            && filters.known().is_none_or(|n| n % self.groups == 0)
            && per_group.is_none_or(|n| {
                n.is_some_and(|n| channels.known().is_none_or(|channels| channels == n))
            });
        if !fits {
            let expected = format_args!(
                "a kernel for {channels} channels in {} groups, which divide its filters",
                self.groups
            );
            return Err(TensorError::invalid("conv", expected).got(both).into());
        }
        let mut dims = vec![x[0].clone()];
        for axis in 0..spatial {
            let cells = match kernel[axis].known() {
                Some(cells) => {
                    Some(window(cells, self.dilation[axis]).ok_or_else(|| {
                        wrong("a kernel with one cell or more, that fits into memory")
                            .got(both)
                    })?)
                }
                None => None,
            };
            let (padding, stride) = (&self.padding, self.strides[axis]);
            dims.push(padding.windows(
                "conv",
                axis,
                &x[axis + 1],
                &cells.into(),
                stride,
            )?);
        }
        dims.push(filters.clone());
        Ok(Signature::new(dtype, dims))
    }

    /// The settings for an input and a kernel of these shapes.
    fn resolve(&self, x: &[usize], kernel: &[usize]) -> Convolution {
        let spatial = self.strides.len();
        let padding = (0..spatial).map(|axis| {
            let window = window(kernel[axis], self.dilation[axis]).unwrap_or(1);
            self.padding.amounts(axis, x[axis + 1], window, self.strides[axis])
        });
        Convolution {
            strides: self.strides.clone(),
            padding: padding.collect(),
            dilation: self.dilation.clone(),
            groups: self.groups,
        }
    }

    fn to_input(&self, dy: &Var, kernel: &Var, x: &Var) -> Result<Var> {
        Var::apply_one(ConvToInput(self.clone()), &[dy, kernel, x])
    }

    fn to_kernel(&self, x: &Var, dy: &Var, kernel: &Var) -> Result<Var> {
        Var::apply_one(ConvToKernel(self.clone()), &[x, dy, kernel])
    }

    fn forward(&self, x: &Var, kernel: &Var) -> Result<Var> {
        Var::apply_one(Conv(self.clone()), &[x, kernel])
    }
}

/// Checks that `dy` can be the gradient of an output.
fn adjoint(op: &'static str, y: &Signature, dy: &Signature) -> Result<()> {
    if y.dtype == dy.dtype && y.shape.may_equal(&dy.shape) {
        return Ok(());
    }
    Err(TensorError::invalid(op, format_args!("the convolution's {y}")).got(dy).into())
}

/// The lengths of the spatial axes, which are between the first and last of an input.
fn spatial(shape: &[usize]) -> Vec<usize> {
    shape[1..shape.len() - 1].to_vec()
}

/// Inputs: `x`, `kernel`.
#[derive(Debug)]
pub(crate) struct Conv(Settings);

impl Op for Conv {
    fn name(&self) -> &str {
        "conv"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        Ok(vec![self.0.infer(&inputs[0], &inputs[1])?])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let settings = self.0.resolve(&lower.shape(inputs[0]), &lower.shape(inputs[1]));
        Ok(vec![lower.push(Primitive::Convolution(settings), inputs)?])
    }

    /// Both gradients are the adjoints.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let (x, kernel, dy) = (&rule.inputs[0], &rule.inputs[1], rule.dy()?);
        Ok(vec![
            rule.when_needed(0, || self.0.to_input(&dy, kernel, x))?,
            rule.when_needed(1, || self.0.to_kernel(x, &dy, kernel))?,
        ])
    }
}

/// Inputs: `dy`, `kernel`, and a tensor whose shape is that of `x`.
#[derive(Debug)]
pub(crate) struct ConvToInput(Settings);

impl Op for ConvToInput {
    fn name(&self) -> &str {
        "conv_to_input"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input < 2
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (dy, kernel, like) = (&inputs[0], &inputs[1], &inputs[2]);
        let x = Signature::new(dy.dtype, &like.shape);
        adjoint("conv_to_input", &self.0.infer(&x, kernel)?, dy)?;
        Ok(vec![x])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let x = lower.shape(inputs[2]);
        let convolution = self.0.resolve(&x, &lower.shape(inputs[1]));
        let primitive =
            Primitive::ConvolutionToInput { convolution, spatial: spatial(&x) };
        Ok(vec![lower.push(primitive, &inputs[..2])?])
    }

    /// For a gradient `g` of `dx`: by `dy` it is the convolution of `g`, by the kernel the
    /// adjoint with `g` in place of `x`.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let (dy, kernel, g) = (&rule.inputs[0], &rule.inputs[1], rule.dy()?);
        Ok(vec![
            rule.when_needed(0, || self.0.forward(&g, kernel))?,
            rule.when_needed(1, || self.0.to_kernel(&g, dy, kernel))?,
            None,
        ])
    }
}

/// Inputs: `x`, `dy`, and a tensor whose shape is that of the kernel.
#[derive(Debug)]
pub(crate) struct ConvToKernel(Settings);

impl ConvToKernel {
    /// The same of other images: the gradient by `kernel`.
    pub(crate) fn again(&self, x: &Var, dy: &Var, kernel: &Var) -> Result<Var> {
        self.0.to_kernel(x, dy, kernel)
    }
}

impl Op for ConvToKernel {
    fn name(&self) -> &str {
        "conv_to_kernel"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input < 2
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (x, dy, like) = (&inputs[0], &inputs[1], &inputs[2]);
        let kernel = Signature::new(dy.dtype, &like.shape);
        adjoint("conv_to_kernel", &self.0.infer(x, &kernel)?, dy)?;
        Ok(vec![kernel])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let kernel = lower.shape(inputs[2]);
        let convolution = self.0.resolve(&lower.shape(inputs[0]), &kernel);
        let spatial = kernel[..kernel.len() - 2].to_vec();
        let primitive = Primitive::ConvolutionToKernel { convolution, spatial };
        Ok(vec![lower.push(primitive, &inputs[..2])?])
    }

    /// For a gradient `g` of the kernel: by `x` it is the adjoint with `g` for a kernel, by `dy`
    /// the convolution with `g`.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let (x, dy, g) = (&rule.inputs[0], &rule.inputs[1], rule.dy()?);
        Ok(vec![
            rule.when_needed(0, || self.0.to_input(dy, &g, x))?,
            rule.when_needed(1, || self.0.forward(x, &g))?,
            None,
        ])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};
    use proptest::{collection::vec, prelude::*};

    use super::Padding;
    use crate::{
        Device, Function, Var, grad,
        ops::testing::{cases, check, ramp, rejects, tensor},
    };

    #[derive(Debug)]
    struct Case {
        x: Tensor,
        kernel: Tensor,
        strides: Vec<usize>,
        padding: Padding,
        dilation: Vec<usize>,
        groups: usize,
    }

    fn padding(spatial: usize) -> impl Strategy<Value = Padding> {
        let explicit = vec((0usize..3, 0usize..3), spatial).prop_map(Padding::Explicit);
        let causal = if spatial == 1 { Padding::Causal } else { Padding::Same };
        prop_oneof![Just(Padding::Valid), Just(Padding::Same), Just(causal), explicit]
    }

    fn case() -> impl Strategy<Value = Case> {
        (1usize..3)
            .prop_flat_map(|spatial| {
                let per_axis = |lens: std::ops::Range<usize>| vec(lens, spatial);
                let lens = (per_axis(1..4), per_axis(0..3));
                let channels = (1usize..3, 1usize..3, 1usize..3, 1usize..3);
                (lens, per_axis(1..3), per_axis(1..3), padding(spatial), channels)
                    .prop_flat_map(
                        |(
                            (cells, more),
                            strides,
                            dilation,
                            padding,
                            (batch, groups, per, filters),
                        )| {
                            let window =
                                cells.iter().zip(&dilation).map(|(n, d)| (n - 1) * d + 1);
                            let lens: Vec<_> =
                                window.zip(more).map(|(n, more)| n + more).collect();
                            let x = [&[batch], &lens[..], &[groups * per]].concat();
                            let kernel = [&cells[..], &[per, groups * filters]].concat();
                            let settings = (
                                Just(strides),
                                Just(padding),
                                Just(dilation),
                                Just(groups),
                            );
                            let x = tensor(x, &[-2.0..2.0]);
                            (x, tensor(kernel, &[-2.0..2.0]), settings)
                        },
                    )
            })
            .prop_map(|(x, kernel, (strides, padding, dilation, groups))| Case {
                x,
                kernel,
                strides,
                padding,
                dilation,
                groups,
            })
    }

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn gradients_are_right(case in case()) {
            let Case { x, kernel, strides, padding, dilation, groups } = case;
            check(
                |x| {
                    let y = x[0].conv(&x[1], &strides, &padding, &dilation, groups)?;
                    let back =
                        y.conv_to_input(&x[1], &x[0], &strides, &padding, &dilation, groups)?;
                    Ok(vec![y.square()?, back])
                },
                &[x, kernel],
            );
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = [ramp(&[2, 5, 4, 2]), ramp(&[2, 3, 1, 2])];
        rejects(
            |x| {
                let y = x[0].conv(&x[1], &[2, 1], &Padding::Same, &[1, 1], 2)?;
                Ok(vec![y.square()?])
            },
            &x,
        );
    }

    #[test]
    fn same_padding_is_that_of_keras() {
        let x = Var::ones(DType::F64, [1, 5, 1]).unwrap();
        let kernel =
            Var::constant(&Tensor::from([[[1.0]], [[10.0]], [[100.0]], [[1000.0]]]));
        let y = |padding: &Padding, stride: usize| {
            let y = x.conv(&kernel, &[stride], padding, &[1], 1).unwrap();
            y.flatten().unwrap().eval().unwrap().to_vec::<f64>().unwrap()
        };
        // One cell before, two after.
        assert_eq!(y(&Padding::Same, 1), [1110.0, 1111.0, 1111.0, 111.0, 11.0]);
        assert_eq!(y(&Padding::Same, 2), [1110.0, 1111.0, 11.0]);
        assert_eq!(y(&Padding::Causal, 1), [1000.0, 1100.0, 1110.0, 1111.0, 1111.0]);
        assert_eq!(y(&Padding::Valid, 1), [1111.0, 1111.0]);
    }

    #[test]
    fn spatial_axes_may_be_unknown() {
        let x = Var::input("x", [None, None, Some(1)], DType::F64);
        let kernel = Var::constant(&Tensor::from([[[1.0]], [[1.0]], [[1.0]]]));
        let same = x.conv(&kernel, &[1], &Padding::Same, &[1], 1).unwrap();
        assert_eq!(same.shape().to_string(), "(batch, ?, 1)");
        let strided = x.conv(&kernel, &[2], &Padding::Same, &[1], 1).unwrap();
        let loss = strided.sum(..).unwrap();
        let dx = grad(&loss, &[&x]).unwrap().remove(0);
        let results = [&same, &strided, &dx];
        let call = Function::new([&x], results).compile(&Device::reference()).unwrap();
        let made = call.call(&[Tensor::ones(DType::F64, [1, 4, 1])]).unwrap();
        let values = |i: usize| made[i].to_vec::<f64>().unwrap();
        assert_eq!(values(0), [2.0, 3.0, 3.0, 2.0]);
        assert_eq!(values(1), [3.0, 2.0]);
        assert_eq!(values(2), [1.0, 1.0, 2.0, 1.0]);
    }

    #[test]
    fn a_symbol_stays_one_where_the_length_does() {
        let time = [deckle_tensor::Dim::batch(), "time".into(), 2.into()];
        let x = Var::input("x", time, DType::F32);
        let kernel = Var::ones(DType::F32, [3, 2, 4]).unwrap();
        for padding in [Padding::Same, Padding::Causal, Padding::Explicit(vec![(2, 0)])] {
            let y = x.conv(&kernel, &[1], &padding, &[1], 1).unwrap();
            assert_eq!(y.shape().to_string(), "(batch, time, 4)");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = Var::input("x", [1, 4, 3], DType::F32);
        let kernel = |shape: [usize; 3]| Var::input("kernel", shape, DType::F32);
        let conv = |kernel: &Var, strides: &[usize], padding: &Padding, groups| {
            x.conv(kernel, strides, padding, &[1], groups).unwrap_err().to_string()
        };
        assert_eq!(
            conv(&kernel([2, 2, 5]), &[1], &Padding::Valid, 1),
            "`conv`: cannot take this input\n  expected: a kernel for 3 channels in 1 groups, \
             which divide its filters\n       got: float32 (1, 4, 3) and float32 (2, 2, 5)"
        );
        assert_eq!(
            conv(&kernel([5, 3, 5]), &[1], &Padding::Valid, 1),
            "`conv`: cannot take this input\n  expected: 5 cells or more along spatial axis \
             0\n       got: 4 and 0 + 0 around them\n      help: use smaller windows, or \
             Padding::Same"
        );
        assert_eq!(
            conv(&kernel([2, 3, 5]), &[0], &Padding::Valid, 1),
            "`conv`: cannot take this input\n  expected: positive strides for each of 1 \
             spatial axes\n       got: [0]"
        );
        assert!(
            conv(&kernel([2, 3, 5]), &[1], &Padding::Valid, 0).contains("in 0 groups")
        );
        assert!(
            conv(&kernel([0, 3, 5]), &[1], &Padding::Same, 1)
                .contains("one cell or more")
        );
        let padding = Padding::Explicit(vec![]);
        assert!(
            conv(&kernel([2, 3, 5]), &[1], &padding, 1).contains("a pair of paddings")
        );
    }
}
