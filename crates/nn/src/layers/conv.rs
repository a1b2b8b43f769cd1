//! Convolutions over one, two or three spatial axes: `Conv1D`, `Conv2D`, `Conv3D`.

use deckle_autograd::{Padding as Edges, Var, Variable};
use deckle_tensor::{Dim, Shape};
use serde::{Deserialize, Serialize};

use super::{DataFormat, PerAxis};
use crate::{
    Activation, Built, Call, Constraint, Error, Init, Initializer, Inputs, Layer,
    Regularizer, Result, expect, keras::yes,
};

/// A [convolution](Conv) over time.
pub type Conv1D = Conv<1>;
/// A [convolution](Conv) over images.
pub type Conv2D = Conv<2>;
/// A [convolution](Conv) over volumes.
pub type Conv3D = Conv<3>;

/// How the window of a convolution or pooling meets the edges of its input.
///
/// # Keras
///
/// `padding`, with TensorFlow's rule for `same`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Windows lie inside the input.
    #[default]
    Valid,
    /// `⌈length / stride⌉` windows; of the zeros outside, the odd one comes after.
    Same,
    /// Zeros before only, so that no window looks ahead; for one spatial axis.
    Causal,
}

impl Padding {
    pub(super) fn edges(self) -> Edges {
        match self {
            Self::Valid => Edges::Valid,
            Self::Same => Edges::Same,
            Self::Causal => Edges::Causal,
        }
    }

    /// How many windows of that length, gaps included, an axis has.
    pub(super) fn windows(self, len: &Dim, window: usize, stride: usize) -> Result<Dim> {
        match (self, len.known()) {
            (Self::Same | Self::Causal, None) if stride == 1 => Ok(len.clone()),
            (_, None) => Ok(Dim::Unknown),
            (Self::Same | Self::Causal, Some(len)) => Ok(len.div_ceil(stride).into()),
            (Self::Valid, Some(len)) if len >= window => {
                Ok(((len - window) / stride + 1).into())
            }
            (Self::Valid, Some(len)) => Err(Error::invalid(
                "the window is longer than the input",
                format_args!("an axis of length {window} or more"),
            )
            .got(len)
            .help("use a smaller window, or .padding(Padding::Same)")),
        }
    }
}

/// A convolution (cross-correlation): `y = activation(x * kernel + bias)`.
///
/// The names [`Conv1D`], [`Conv2D`] and [`Conv3D`] stand for one, two and three spatial axes.
///
/// # Shapes
///
/// | tensor   | shape                                              |
/// |----------|----------------------------------------------------|
/// | input    | `(batch, spatial..., channels)`                    |
/// | `kernel` | `(kernel_size..., channels / groups, filters)`     |
/// | `bias`   | `(filters,)`                                       |
/// | output   | `(batch, windows..., filters)`                     |
///
/// A spatial axis of length `n` has `⌈n / stride⌉` windows with padding `Same` or `Causal`, and
/// `⌊(n - dilation_rate · (kernel_size - 1) - 1) / stride⌋ + 1` with `Valid`. It may be unknown.
///
/// # Errors
///
/// Applying it fails if the input has another rank or unknown channels, `groups` does not divide
/// channels and filters, both a stride and a dilation are above 1, `Causal` meets several
/// spatial axes, or the window is longer than the input.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::Conv2D};
///
/// let image = [None, Some(28), Some(28), Some(1)].into();
/// let shapes = Conv2D::new(32, 3).output_shape(&[image])?;
/// assert_eq!(shapes[0].to_string(), "(batch, 26, 26, 32)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Conv1D`, `Conv2D`, `Conv3D`: same names, defaults and weight layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv<const N: usize> {
    filters: usize,
    kernel_size: PerAxis<N>,
    #[serde(default = "PerAxis::ones")]
    strides: PerAxis<N>,
    #[serde(default)]
    padding: Padding,
    #[serde(default)]
    data_format: DataFormat,
    #[serde(default = "PerAxis::ones")]
    dilation_rate: PerAxis<N>,
    #[serde(default = "one")]
    groups: usize,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default)]
    kernel_initializer: Initializer,
    #[serde(default = "Initializer::zeros")]
    bias_initializer: Initializer,
    #[serde(default)]
    kernel_regularizer: Option<Regularizer>,
    #[serde(default)]
    kernel_constraint: Option<Constraint>,
    #[serde(default)]
    bias_regularizer: Option<Regularizer>,
    #[serde(default)]
    bias_constraint: Option<Constraint>,
    #[serde(default)]
    activity_regularizer: Option<Regularizer>,
}

fn one() -> usize {
    1
}

impl<const N: usize> Conv<N> {
    /// A layer with that many filters, and kernels of that size.
    #[must_use]
    pub fn new(filters: usize, kernel_size: impl Into<PerAxis<N>>) -> Self {
        Self {
            filters,
            kernel_size: kernel_size.into(),
            strides: PerAxis::ones(),
            padding: Padding::Valid,
            data_format: DataFormat::ChannelsLast,
            dilation_rate: PerAxis::ones(),
            groups: 1,
            activation: Activation::default(),
            use_bias: true,
            kernel_initializer: Initializer::default(),
            bias_initializer: Initializer::zeros(),
            kernel_regularizer: None,
            kernel_constraint: None,
            bias_regularizer: None,
            bias_constraint: None,
            activity_regularizer: None,
        }
    }

    /// Sets the step of the window; 1 by default.
    #[must_use]
    pub fn strides(mut self, strides: impl Into<PerAxis<N>>) -> Self {
        self.strides = strides.into();
        self
    }

    /// Sets how windows meet the edges; `Valid` by default.
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Sets where the channels are; last by default.
    #[must_use]
    pub fn data_format(mut self, data_format: DataFormat) -> Self {
        self.data_format = data_format;
        self
    }

    /// Sets the step between the kernel's cells; 1 by default.
    #[must_use]
    pub fn dilation_rate(mut self, dilation_rate: impl Into<PerAxis<N>>) -> Self {
        self.dilation_rate = dilation_rate.into();
        self
    }

    /// Sets the number of independent parts of channels and filters; 1 by default.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Sets the activation; none by default.
    #[must_use]
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Sets whether a bias is added; true by default.
    #[must_use]
    pub fn use_bias(mut self, use_bias: bool) -> Self {
        self.use_bias = use_bias;
        self
    }

    /// Sets the kernel's first values; Glorot uniform by default.
    #[must_use]
    pub fn kernel_initializer(mut self, initializer: Initializer) -> Self {
        self.kernel_initializer = initializer;
        self
    }

    /// Sets the bias's first values; zeros by default.
    #[must_use]
    pub fn bias_initializer(mut self, initializer: Initializer) -> Self {
        self.bias_initializer = initializer;
        self
    }

    /// Sets the penalty on the kernel; none by default.
    #[must_use]
    pub fn kernel_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.kernel_regularizer = Some(regularizer);
        self
    }

    /// Sets what the kernel is made to be after each step; free by default.
    #[must_use]
    pub fn kernel_constraint(mut self, constraint: Constraint) -> Self {
        self.kernel_constraint = Some(constraint);
        self
    }

    /// Sets the penalty on the bias; none by default.
    #[must_use]
    pub fn bias_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.bias_regularizer = Some(regularizer);
        self
    }

    /// Sets what the bias is made to be after each step; free by default.
    #[must_use]
    pub fn bias_constraint(mut self, constraint: Constraint) -> Self {
        self.bias_constraint = Some(constraint);
        self
    }

    /// Sets the penalty on the output, divided by the batch size; none by default.
    #[must_use]
    pub fn activity_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.activity_regularizer = Some(regularizer);
        self
    }

    fn check(&self, channels: usize) -> Result<()> {
        expect::positive("filters", self.filters)?;
        expect::positive("groups", self.groups)?;
        check_windows(&self.kernel_size, &self.strides, &self.dilation_rate)?;
        let wrong = |problem: &str, expected: &str| Error::invalid(problem, expected);
        if !self.filters.is_multiple_of(self.groups)
            || !channels.is_multiple_of(self.groups)
        {
            return Err(wrong(
                "`groups` makes no sense",
                "a divisor of channels and filters",
            )
            .got(format_args!(
                "{} groups of {channels} channels and {} filters",
                self.groups, self.filters
            )));
        }
        if self.padding == Padding::Causal && N != 1 {
            return Err(wrong(
                "`padding` makes no sense",
                "Valid or Same; Causal is for Conv1D",
            )
            .got("Causal"));
        }
        Ok(())
    }
}

/// Checks that windows, gaps included, and steps have a length that can be counted, and that they
/// do not have both steps and gaps.
pub(super) fn check_windows<const N: usize>(
    kernel_size: &PerAxis<N>,
    strides: &PerAxis<N>,
    dilation_rate: &PerAxis<N>,
) -> Result<()> {
    check_lens(kernel_size, strides, dilation_rate)?;
    if strides.0.iter().any(|&n| n > 1) && dilation_rate.0.iter().any(|&n| n > 1) {
        let (strides, dilation) = (strides.0, dilation_rate.0);
        return Err(Error::invalid(
            "strides and dilation exclude each other",
            "one of both to be 1",
        )
        .got(format_args!("strides {strides:?} and dilation_rate {dilation:?}")));
    }
    Ok(())
}

/// Checks that windows, gaps included, and steps have a length that can be counted.
pub(super) fn check_lens<const N: usize>(
    kernel_size: &PerAxis<N>,
    strides: &PerAxis<N>,
    dilation_rate: &PerAxis<N>,
) -> Result<()> {
    for (name, values) in [
        ("kernel_size", kernel_size),
        ("strides", strides),
        ("dilation_rate", dilation_rate),
    ] {
        expect::positive(name, values.0.iter().copied().min().unwrap_or(1))?;
    }
    for axis in 0..N {
        let (cells, gaps) = (kernel_size.0[axis], dilation_rate.0[axis]);
        let longest = cells.checked_mul(gaps).map(|window| window.max(strides.0[axis]));
        if longest.is_none_or(|len| i32::try_from(len).is_err()) {
            let expected = "a smaller kernel, stride or dilation";
            return Err(Error::invalid("the window is too long", expected)
                .got(format_args!("{cells} cells, {gaps} apart")));
        }
    }
    Ok(())
}

impl<const N: usize> Layer for Conv<N> {
    fn class_name(&self) -> &'static str {
        match N {
            1 => "Conv1D",
            2 => "Conv2D",
            _ => "Conv3D",
        }
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = &self.data_format.spatial_input::<N>(inputs)?;
        self.check(expect::known(input, -1)?)?;
        let mut shape = input.with(-1, self.filters)?;
        for axis in 0..N {
            let gaps =
                (self.kernel_size.0[axis] - 1).saturating_mul(self.dilation_rate.0[axis]);
            let window = gaps.saturating_add(1);
            let at = axis.cast_signed() + 1;
            let len = input.dim(at)?;
            shape = shape
                .with(at, self.padding.windows(len, window, self.strides.0[axis])?)?;
        }
        let shape = self.data_format.shape_of_last(&shape);
        Ok(vec![self.activation.output_shape(&shape)?])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let input = self.data_format.shape_to_last(&inputs[0]);
        let channels = expect::known(&input, -1)?;
        let mut shape = self.kernel_size.0.to_vec();
        shape.extend([channels / self.groups, self.filters]);
        let kernel = init.variable("kernel", shape, &self.kernel_initializer)?;
        init.regularize(&kernel, self.kernel_regularizer.as_ref());
        init.constrain(&kernel, self.kernel_constraint.as_ref());
        let bias = if self.use_bias {
            let bias = init.variable("bias", [self.filters], &self.bias_initializer)?;
            init.regularize(&bias, self.bias_regularizer.as_ref());
            init.constrain(&bias, self.bias_constraint.as_ref());
            Some(bias)
        } else {
            None
        };
        Ok(Box::new(BuiltConv { config: self.clone(), kernel, bias }))
    }
}

#[derive(Debug)]
struct BuiltConv<const N: usize> {
    config: Conv<N>,
    kernel: Variable,
    bias: Option<Variable>,
}

impl<const N: usize> Built for BuiltConv<N> {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let config = &self.config;
        let x = config.data_format.to_last(&inputs.only()?.cast(call.dtype())?)?;
        let mut y = x.conv(
            &call.read(&self.kernel),
            &config.strides.0,
            &config.padding.edges(),
            &config.dilation_rate.0,
            config.groups,
        )?;
        if let Some(bias) = &self.bias {
            y = y.add(&call.read(bias))?;
        }
        let y = config.activation.apply(&config.data_format.of_last(&y)?)?;
        if let Some(regularizer) = &config.activity_regularizer {
            regularizer.add_activity(&y, call)?;
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Conv1D::new(2, 2).activation(Activation::Tanh), [[2, 5, 3]])?;
        check_layer(
            &Conv1D::new(2, 3).padding(Padding::Causal).dilation_rate(2),
            [[2, 5, 1]],
        )?;
        check_layer(
            &Conv2D::new(2, [3, 2]).padding(Padding::Same).strides(2),
            [[2, 4, 5, 3]],
        )?;
        check_layer(&Conv2D::new(4, 2).groups(2).use_bias(false), [[1, 3, 3, 2]])?;
        check_layer(&Conv2D::new(2, 2).dilation_rate([2, 1]), [[1, 4, 3, 1]])?;
        check_layer(
            &Conv2D::new(2, [2, 1]).data_format(DataFormat::ChannelsFirst),
            [[2, 3, 3, 2]],
        )?;
        check_layer(&Conv3D::new(2, 2), [[1, 3, 2, 2, 2]])
    }

    fn run<const N: usize>(layer: Conv<N>, x: &Tensor) -> Result<Tensor> {
        let model = Sequential::new(&x.shape()[1..]).add(layer).build()?;
        let y = model.call(&[Var::constant(x)], &mut Call::inference())?;
        Ok(y[0].eval()?)
    }

    fn ones<const N: usize>(kernel_size: usize) -> Conv<N> {
        Conv::new(1, kernel_size).kernel_initializer(Initializer::Ones)
    }

    /// Keras 3.15.1.
    #[test]
    fn padding_is_kerass() -> Result<()> {
        let x = Tensor::full([1, 4, 4, 1], 1.0f32);
        let y = run(ones::<2>(3).padding(Padding::Same).strides(2), &x)?;
        assert_eq!(y.to_vec::<f32>()?, [9.0, 6.0, 6.0, 4.0]);
        let x = Tensor::new(vec![1.0f32, 2.0, 3.0, 4.0, 5.0], [1, 5, 1])?;
        let y = run(ones::<1>(3).padding(Padding::Causal).dilation_rate(2), &x)?;
        assert_eq!(y.to_vec::<f32>()?, [1.0, 2.0, 4.0, 6.0, 9.0]);
        Ok(())
    }

    #[test]
    fn an_unknown_length_works() -> Result<()> {
        let layer = ones::<1>(2).padding(Padding::Same).strides(2);
        let model = Sequential::new([None, Some(1)]).add(layer).build()?;
        let x = Var::input("x", [None, None, Some(1)], deckle_tensor::DType::F32);
        let y = model.call(std::slice::from_ref(&x), &mut Call::inference())?;
        let function = deckle_autograd::Function::new([&x], &y);
        let function = function.compile(&deckle_autograd::Device::reference())?;
        for len in [1, 4, 5] {
            let y = function.call(&[Tensor::full([2, len, 1], 1.0f32)])?;
            assert_eq!(y[0].shape(), [2, len.div_ceil(2), 1]);
        }
        Ok(())
    }

    #[track_caller]
    fn fails(layer: &Conv2D, shape: [Option<usize>; 4], expected: &str) {
        let error = layer.output_shape(&[shape.into()]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let image = [None, Some(4), Some(4), Some(3)];
        fails(
            &Conv2D::new(4, 3).groups(2),
            image,
            "`groups` makes no sense\n  expected: a divisor of channels and filters\n       \
             got: 2 groups of 3 channels and 4 filters",
        );
        fails(
            &Conv2D::new(4, 3).strides(2).dilation_rate(2),
            image,
            "strides and dilation exclude each other\n  expected: one of both to be 1\n       \
             got: strides [2, 2] and dilation_rate [2, 2]",
        );
        fails(
            &Conv2D::new(4, 5),
            image,
            "the window is longer than the input\n  expected: an axis of length 5 or more\n       \
             got: 4\n      help: use a smaller window, or .padding(Padding::Same)",
        );
        fails(
            &Conv2D::new(4, 3).padding(Padding::Causal),
            image,
            "`padding` makes no sense\n  expected: Valid or Same; Causal is for Conv1D\n       \
             got: Causal",
        );
        let error = Conv2D::new(4, 3).output_shape(&[[None, Some(28), Some(28)].into()]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "cannot take this input\n  expected: (batch, height, width, channels)\n       \
             got: (batch, 28, 28)\n      help: add an axis of length 1, e.g. with Reshape"
        );
    }
}
