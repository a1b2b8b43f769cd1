//! Convolutions of each channel by itself: `DepthwiseConv1D`, `DepthwiseConv2D`.

use deckle_autograd::{Axis, Var, Variable};
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::{DataFormat, Padding, PerAxis, conv::check_lens, setters::setters};
use crate::{
    Activation, Built, Call, Constraint, Error, Init, Initializer, Inputs, Layer,
    Regularizer, Result, expect, keras::yes,
};

/// A [depthwise convolution](DepthwiseConv) over time.
pub type DepthwiseConv1D = DepthwiseConv<1>;
/// A [depthwise convolution](DepthwiseConv) over images.
pub type DepthwiseConv2D = DepthwiseConv<2>;

/// A convolution of each channel by itself, with `depth_multiplier` filters for each.
///
/// The names [`DepthwiseConv1D`] and [`DepthwiseConv2D`] stand for one and two spatial axes.
///
/// # Shapes
///
/// | tensor   | shape                                              |
/// |----------|----------------------------------------------------|
/// | input    | `(batch, spatial..., channels)`                    |
/// | `kernel` | `(kernel_size..., channels, depth_multiplier)`     |
/// | `bias`   | `(channels · depth_multiplier,)`                   |
/// | output   | `(batch, windows..., channels · depth_multiplier)` |
///
/// Windows are those of a [`Conv`](super::Conv).
///
/// # Errors
///
/// Building fails if the input has another rank or unknown channels, the padding is `Causal`, or
/// the window is longer than the input.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::DepthwiseConv2D};
///
/// let image = [None, Some(28), Some(28), Some(3)].into();
/// let shapes = DepthwiseConv2D::new(3).depth_multiplier(2).output_shape(&[image])?;
/// assert_eq!(shapes[0].to_string(), "(batch, 26, 26, 6)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.DepthwiseConv1D`, `DepthwiseConv2D`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepthwiseConv<const N: usize> {
    kernel_size: PerAxis<N>,
    #[serde(default = "PerAxis::ones")]
    strides: PerAxis<N>,
    #[serde(default)]
    padding: Padding,
    #[serde(default = "one")]
    depth_multiplier: usize,
    #[serde(default)]
    data_format: DataFormat,
    #[serde(default = "PerAxis::ones")]
    dilation_rate: PerAxis<N>,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default)]
    depthwise_initializer: Initializer,
    #[serde(default = "Initializer::zeros")]
    bias_initializer: Initializer,
    #[serde(default)]
    depthwise_regularizer: Option<Regularizer>,
    #[serde(default)]
    depthwise_constraint: Option<Constraint>,
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

/// How a depthwise convolution runs over its input.
#[derive(Clone, Debug)]
pub(super) struct Run<'a, const N: usize> {
    pub(super) kernel_size: &'a PerAxis<N>,
    pub(super) strides: &'a PerAxis<N>,
    pub(super) dilation_rate: &'a PerAxis<N>,
    pub(super) padding: Padding,
    pub(super) depth_multiplier: usize,
}

impl<const N: usize> Run<'_, N> {
    /// The output's shape for that input, channels last.
    pub(super) fn shape(&self, input: &Shape) -> Result<Shape> {
        let channels = expect::known(input, -1)?;
        expect::positive("depth_multiplier", self.depth_multiplier)?;
        check_lens(self.kernel_size, self.strides, self.dilation_rate)?;
        if self.padding == Padding::Causal {
            return Err(
                Error::invalid("`padding` makes no sense", "Valid or Same").got("Causal")
            );
        }
        let filters = channels.checked_mul(self.depth_multiplier).ok_or_else(|| {
            Error::invalid("`depth_multiplier` makes no sense", "a smaller number")
                .got(self.depth_multiplier)
        })?;
        let mut shape = input.with(-1, filters)?;
        for axis in 0..N {
            let gaps =
                (self.kernel_size.0[axis] - 1).saturating_mul(self.dilation_rate.0[axis]);
            let at = axis.cast_signed() + 1;
            let (len, stride) = (input.dim(at)?, self.strides.0[axis]);
            let window = gaps.saturating_add(1);
            shape = shape.with(at, self.padding.windows(len, window, stride)?)?;
        }
        Ok(shape)
    }

    /// The shape of the kernel for that many channels.
    pub(super) fn kernel(&self, channels: usize) -> Vec<usize> {
        let mut shape = self.kernel_size.0.to_vec();
        shape.extend([channels, self.depth_multiplier]);
        shape
    }

    /// The convolution of `x`, channels last.
    pub(super) fn apply(&self, x: &Var, kernel: &Var) -> Result<Var> {
        let channels = kernel.shape().dims()[N].known().unwrap_or(1);
        let place = [Axis::from(1), Axis::Product(N..N + 2)];
        let axes: Vec<_> = (0..N).map(Axis::Of).chain(place).collect();
        Ok(x.conv(
            &kernel.reshape(axes)?,
            &self.strides.0,
            &self.padding.edges(),
            &self.dilation_rate.0,
            channels,
        )?)
    }
}

impl<const N: usize> DepthwiseConv<N> {
    /// A layer with kernels of that size.
    #[must_use]
    pub fn new(kernel_size: impl Into<PerAxis<N>>) -> Self {
        Self {
            kernel_size: kernel_size.into(),
            strides: PerAxis::ones(),
            padding: Padding::Valid,
            depth_multiplier: 1,
            data_format: DataFormat::ChannelsLast,
            dilation_rate: PerAxis::ones(),
            activation: Activation::default(),
            use_bias: true,
            depthwise_initializer: Initializer::default(),
            bias_initializer: Initializer::zeros(),
            depthwise_regularizer: None,
            depthwise_constraint: None,
            bias_regularizer: None,
            bias_constraint: None,
            activity_regularizer: None,
        }
    }

    setters! {
        /// Sets the step of the window; 1 by default.
        strides: into PerAxis<N>;
        /// Sets how windows meet the edges, `Valid` or `Same`; `Valid` by default.
        padding: Padding;
        /// Sets the number of filters for each channel; 1 by default.
        depth_multiplier: usize;
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
        /// Sets the step between the kernel's cells; 1 by default.
        dilation_rate: into PerAxis<N>;
        /// Sets the activation; none by default.
        activation: Activation;
        /// Sets whether a bias is added; true by default.
        use_bias: bool;
        /// Sets the kernel's first values; Glorot uniform by default.
        depthwise_initializer: Initializer;
        /// Sets the bias's first values; zeros by default.
        bias_initializer: Initializer;
        /// Sets the penalty on the kernel; none by default.
        depthwise_regularizer: into Option<Regularizer>;
        /// Sets what the kernel is made to be after each step; free by default.
        depthwise_constraint: into Option<Constraint>;
        /// Sets the penalty on the bias; none by default.
        bias_regularizer: into Option<Regularizer>;
        /// Sets what the bias is made to be after each step; free by default.
        bias_constraint: into Option<Constraint>;
        /// Sets the penalty on the output, divided by the batch size; none by default.
        activity_regularizer: into Option<Regularizer>;
    }

    fn run(&self) -> Run<'_, N> {
        Run {
            kernel_size: &self.kernel_size,
            strides: &self.strides,
            dilation_rate: &self.dilation_rate,
            padding: self.padding,
            depth_multiplier: self.depth_multiplier,
        }
    }
}

impl<const N: usize> Layer for DepthwiseConv<N> {
    fn class_name(&self) -> &'static str {
        if N == 1 { "DepthwiseConv1D" } else { "DepthwiseConv2D" }
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = self.data_format.spatial_input::<N>(inputs)?;
        let shape = self.data_format.shape_of_last(&self.run().shape(&input)?);
        Ok(vec![self.activation.output_shape(&shape)?])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let channels = expect::known(&self.data_format.shape_to_last(&inputs[0]), -1)?;
        let shape = self.run().kernel(channels);
        let kernel = init.variable("kernel", shape, &self.depthwise_initializer)?;
        init.regularize(&kernel, self.depthwise_regularizer.as_ref());
        init.constrain(&kernel, self.depthwise_constraint.as_ref());
        let mut bias = None;
        if self.use_bias {
            let filters = channels * self.depth_multiplier;
            let made = init.variable("bias", [filters], &self.bias_initializer)?;
            init.regularize(&made, self.bias_regularizer.as_ref());
            init.constrain(&made, self.bias_constraint.as_ref());
            bias = Some(made);
        }
        Ok(Box::new(BuiltDepthwiseConv { config: self.clone(), kernel, bias }))
    }
}

#[derive(Debug)]
struct BuiltDepthwiseConv<const N: usize> {
    config: DepthwiseConv<N>,
    kernel: Variable,
    bias: Option<Variable>,
}

impl<const N: usize> Built for BuiltDepthwiseConv<N> {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let config = &self.config;
        let x = config.data_format.to_last(&inputs.only()?.cast(call.dtype())?)?;
        let mut y = config.run().apply(&x, &call.read(&self.kernel))?;
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
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&DepthwiseConv1D::new(2).depth_multiplier(2), [[2, 4, 2]])?;
        check_layer(
            &DepthwiseConv1D::new(2).dilation_rate(2).use_bias(false),
            [[2, 4, 2]],
        )?;
        check_layer(
            &DepthwiseConv2D::new([3, 2]).strides(2).padding(Padding::Same),
            [[1, 4, 3, 2]],
        )?;
        check_layer(
            &DepthwiseConv2D::new(2).data_format(DataFormat::ChannelsFirst),
            [[1, 2, 3, 3]],
        )
    }

    #[test]
    fn causal_windows_are_an_error() {
        let layer = DepthwiseConv1D::new(2).padding(Padding::Causal);
        assert_eq!(
            layer.output_shape(&[[2, 4, 2].into()]).unwrap_err().to_string(),
            "`padding` makes no sense\n  expected: Valid or Same\n       got: Causal"
        );
    }
}
