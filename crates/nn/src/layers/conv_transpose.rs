//! Transposed convolutions: `Conv1DTranspose`, `Conv2DTranspose`, `Conv3DTranspose`.

use deckle_autograd::{Padding as Edges, Result as GraphResult, Var, Variable};
use deckle_tensor::{Dim, Part, Shape};
use serde::{Deserialize, Serialize};

use super::{DataFormat, Padding, PerAxis, conv::check_windows, setters::setters};
use crate::{
    Activation, Built, Call, Constraint, Error, Init, Initializer, Inputs, Layer,
    Regularizer, Result, expect, keras::yes,
};

/// A [transposed convolution](ConvTranspose) over time.
pub type Conv1DTranspose = ConvTranspose<1>;
/// A [transposed convolution](ConvTranspose) over images.
pub type Conv2DTranspose = ConvTranspose<2>;
/// A [transposed convolution](ConvTranspose) over volumes.
pub type Conv3DTranspose = ConvTranspose<3>;

/// What undoes a convolution's shape: each element adds a kernel times itself to the output.
///
/// The names [`Conv1DTranspose`], [`Conv2DTranspose`] and [`Conv3DTranspose`] stand for one, two
/// and three spatial axes. It is the gradient of a convolution by its input.
///
/// # Shapes
///
/// | tensor   | shape                                 |
/// |----------|---------------------------------------|
/// | input    | `(batch, spatial..., channels)`       |
/// | `kernel` | `(kernel_size..., filters, channels)` |
/// | `bias`   | `(filters,)`                          |
/// | output   | `(batch, longer..., filters)`         |
///
/// With `k = dilation_rate · (kernel_size - 1) + 1`, a spatial axis of length `n` becomes
/// `n · stride` with padding `Same`, `(n - 1) · stride + max(k, stride)` with `Valid`. With
/// `output_padding` it becomes `(n - 1) · stride + output_padding` and more: `k` with `Valid`, 1
/// with `Same` and odd `k`, 0 with `Same` and even `k`. It may be unknown.
///
/// # Errors
///
/// Building fails if the input has another rank or unknown channels, both a stride and a dilation
/// are above 1, `output_padding` is not below the stride, the padding is `Causal`, or nothing
/// would come out.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::{Conv2DTranspose, Padding}};
///
/// let image = [None, Some(7), Some(7), Some(64)].into();
/// let layer = Conv2DTranspose::new(32, 3).strides(2).padding(Padding::Same);
/// assert_eq!(layer.output_shape(&[image])?[0].to_string(), "(batch, 14, 14, 32)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Conv1DTranspose`, `Conv2DTranspose`, `Conv3DTranspose`, as on JAX and
/// TensorFlow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvTranspose<const N: usize> {
    filters: usize,
    kernel_size: PerAxis<N>,
    #[serde(default = "PerAxis::ones")]
    strides: PerAxis<N>,
    #[serde(default)]
    padding: Padding,
    #[serde(default)]
    output_padding: Option<PerAxis<N>>,
    #[serde(default)]
    data_format: DataFormat,
    #[serde(default = "PerAxis::ones")]
    dilation_rate: PerAxis<N>,
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

/// How the output lies along one axis.
struct Fit {
    /// What the convolution whose gradient it is pads before and after.
    edges: (usize, usize),
    /// The output is this much longer than `(n - 1) · stride`.
    more: usize,
}

impl<const N: usize> ConvTranspose<N> {
    /// A layer with that many filters, and kernels of that size.
    #[must_use]
    pub fn new(filters: usize, kernel_size: impl Into<PerAxis<N>>) -> Self {
        Self {
            filters,
            kernel_size: kernel_size.into(),
            strides: PerAxis::ones(),
            padding: Padding::Valid,
            output_padding: None,
            data_format: DataFormat::ChannelsLast,
            dilation_rate: PerAxis::ones(),
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

    setters! {
        /// Sets the step between the kernels that elements add; 1 by default.
        strides: into PerAxis<N>;
        /// Sets how the output's edges are cut, `Valid` or `Same`; `Valid` by default.
        padding: Padding;
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
        /// Sets the step between the kernel's cells; 1 by default.
        dilation_rate: into PerAxis<N>;
        /// Sets the activation; none by default.
        activation: Activation;
        /// Sets whether a bias is added; true by default.
        use_bias: bool;
        /// Sets the kernel's first values; Glorot uniform by default.
        kernel_initializer: Initializer;
        /// Sets the bias's first values; zeros by default.
        bias_initializer: Initializer;
        /// Sets the penalty on the kernel; none by default.
        kernel_regularizer: into Option<Regularizer>;
        /// Sets what the kernel is made to be after each step; free by default.
        kernel_constraint: into Option<Constraint>;
        /// Sets the penalty on the bias; none by default.
        bias_regularizer: into Option<Regularizer>;
        /// Sets what the bias is made to be after each step; free by default.
        bias_constraint: into Option<Constraint>;
        /// Sets the penalty on the output, divided by the batch size; none by default.
        activity_regularizer: into Option<Regularizer>;
    }

    /// Sets the length that the output has in addition, below the stride.
    #[must_use]
    pub fn output_padding(mut self, output_padding: impl Into<PerAxis<N>>) -> Self {
        self.output_padding = Some(output_padding.into());
        self
    }

    fn fit(&self, axis: usize) -> Fit {
        let stride = self.strides.0[axis];
        let window = (self.kernel_size.0[axis] - 1)
            .saturating_mul(self.dilation_rate.0[axis])
            .saturating_add(1);
        let extra = self.output_padding.map(|padding| padding.0[axis]);
        // Zeros before and after the input with gaps, over which the turned kernel runs.
        let (before, after) = if self.padding == Padding::Same {
            let total = match extra {
                None => stride.saturating_add(window) - 2,
                Some(extra) => (window + window % 2 + extra).saturating_sub(2),
            };
            let before = total.div_ceil(2).min(window - 1);
            (before, total - before)
        } else {
            let extra = extra.unwrap_or_else(|| window.max(stride) - window);
            (window - 1, (window - 1).saturating_add(extra))
        };
        let edges = (window - 1 - before, (window - 1).saturating_sub(after));
        Fit { edges, more: (before + after + 2).saturating_sub(window) }
    }

    fn check(&self) -> Result<()> {
        expect::positive("filters", self.filters)?;
        check_windows(&self.kernel_size, &self.strides, &self.dilation_rate)?;
        if self.padding == Padding::Causal {
            return Err(
                Error::invalid("`padding` makes no sense", "Valid or Same").got("Causal")
            );
        }
        if let Some(padding) = &self.output_padding
            && padding
                .0
                .iter()
                .zip(&self.strides.0)
                .any(|(padding, stride)| padding >= stride)
        {
            let expected = format_args!("numbers below {:?}", self.strides.0).to_string();
            return Err(Error::invalid("`output_padding` makes no sense", expected)
                .got(format_args!("{:?}", padding.0)));
        }
        Ok(())
    }
}

impl<const N: usize> Layer for ConvTranspose<N> {
    fn class_name(&self) -> &'static str {
        match N {
            1 => "Conv1DTranspose",
            2 => "Conv2DTranspose",
            _ => "Conv3DTranspose",
        }
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = self.data_format.spatial_input::<N>(inputs)?;
        expect::known(&input, -1)?;
        self.check()?;
        let mut shape = input.with(-1, self.filters)?;
        for axis in 0..N {
            let at = axis.cast_signed() + 1;
            let Some(len) = input.dim(at)?.known() else {
                shape = shape.with(at, Dim::Unknown)?;
                continue;
            };
            let steps =
                len.checked_sub(1).and_then(|n| n.checked_mul(self.strides.0[axis]));
            let made = steps.and_then(|n| n.checked_add(self.fit(axis).more));
            let made = made.filter(|&len| len > 0).ok_or_else(|| {
                Error::invalid("nothing would come out", "a longer input or kernel")
                    .got(&input)
            })?;
            shape = shape.with(at, made)?;
        }
        let shape = self.data_format.shape_of_last(&shape);
        Ok(vec![self.activation.output_shape(&shape)?])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let channels = expect::known(&self.data_format.shape_to_last(&inputs[0]), -1)?;
        let mut shape = self.kernel_size.0.to_vec();
        shape.extend([self.filters, channels]);
        let kernel = init.variable("kernel", shape, &self.kernel_initializer)?;
        init.regularize(&kernel, self.kernel_regularizer.as_ref());
        init.constrain(&kernel, self.kernel_constraint.as_ref());
        let mut bias = None;
        if self.use_bias {
            let made = init.variable("bias", [self.filters], &self.bias_initializer)?;
            init.regularize(&made, self.bias_regularizer.as_ref());
            init.constrain(&made, self.bias_constraint.as_ref());
            bias = Some(made);
        }
        Ok(Box::new(BuiltConvTranspose { config: self.clone(), kernel, bias }))
    }
}

#[derive(Debug)]
struct BuiltConvTranspose<const N: usize> {
    config: ConvTranspose<N>,
    kernel: Variable,
    bias: Option<Variable>,
}

impl<const N: usize> ConvTranspose<N> {
    /// The convolution's adjoint on `x`, channels last.
    pub(super) fn transpose(&self, x: &Var, kernel: &Var) -> Result<Var> {
        self.check()?;
        let edges = (0..N).map(|axis| self.fit(axis).edges).collect();
        Ok(x.conv_to_input(
            kernel,
            &self.like(x)?,
            &self.strides.0,
            &Edges::Explicit(edges),
            &self.dilation_rate.0,
            1,
        )?)
    }

    /// A tensor of the output's shape; its numbers do not matter.
    fn like(&self, x: &Var) -> GraphResult<Var> {
        let mut like = x.slice((Part::Ellipsis, ..1))?;
        for axis in 0..N {
            let (stride, more) = (self.strides.0[axis], self.fit(axis).more);
            let at = axis + 1;
            like = like.repeat(stride, at.cast_signed())?;
            // n · stride numbers, of which there are to be (n - 1) · stride + more.
            let mut padding = vec![(0, 0); N + 2];
            padding[at].1 = more;
            like = like.pad(padding, 0)?.move_axis(at.cast_signed(), 0)?;
            like = like.slice(stride..)?.move_axis(0, at.cast_signed())?;
        }
        let mut row = vec![1; N + 1];
        row.push(self.filters);
        like.mul(&Var::zeros(x.dtype(), row)?)
    }
}

impl<const N: usize> Built for BuiltConvTranspose<N> {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let config = &self.config;
        let x = config.data_format.to_last(&inputs.only()?.cast(call.dtype())?)?;
        let mut y = config.transpose(&x, &call.read(&self.kernel))?;
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
        check_layer(&Conv1DTranspose::new(2, 2).strides(3), [[2, 3, 2]])?;
        check_layer(
            &Conv1DTranspose::new(2, 3).dilation_rate(2).activation(Activation::Tanh),
            [[2, 3, 1]],
        )?;
        check_layer(
            &Conv2DTranspose::new(2, [3, 2]).strides(2).padding(Padding::Same),
            [[2, 2, 3, 2]],
        )?;
        check_layer(
            &Conv2DTranspose::new(1, 3).strides([2, 3]).output_padding([1, 2]),
            [[1, 2, 2, 1]],
        )?;
        check_layer(
            &Conv2DTranspose::new(2, 2).data_format(DataFormat::ChannelsFirst),
            [[1, 3, 2, 2]],
        )?;
        check_layer(&Conv3DTranspose::new(1, 2).use_bias(false), [[1, 1, 2, 2, 2]])
    }

    /// Keras 3.15.1: 0 to 3 as a square, kernels of ones.
    #[test]
    fn values_are_those_of_keras() -> Result<()> {
        let layer = Conv2DTranspose::new(1, 3).strides(2).padding(Padding::Same);
        let layer = layer.kernel_initializer(Initializer::Ones);
        let model = Sequential::new([2, 2, 1]).add(layer).build()?;
        let x = Var::constant(&Tensor::arange(0.0f32..4.0).reshape([1, 2, 2, 1])?);
        let y = model.call(&[x], &mut Call::inference())?;
        let expected = [
            [0.0, 0.0, 1.0, 1.0],
            [0.0, 0.0, 1.0, 1.0],
            [2.0, 2.0, 6.0, 4.0],
            [2.0, 2.0, 5.0, 3.0],
        ];
        assert_eq!(y[0].eval()?.to_vec::<f32>()?, expected.concat());
        Ok(())
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let layer = Conv2DTranspose::new(1, 3).strides(2).output_padding(2);
        let error = layer.output_shape(&[[None, Some(4), Some(4), Some(1)].into()]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "`output_padding` makes no sense\n  expected: numbers below [2, 2]\n       \
             got: [2, 2]"
        );
    }
}
