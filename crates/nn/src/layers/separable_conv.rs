//! Convolutions in two parts, space and channels: `SeparableConv1D`, `SeparableConv2D`.

use deckle_autograd::{Padding as Edges, Var, Variable};
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::{DataFormat, Padding, PerAxis, depthwise_conv::Run, setters::setters};
use crate::{
    Activation, Built, Call, Constraint, Init, Initializer, Inputs, Layer, Regularizer,
    Result, expect, keras::yes,
};

/// A [separable convolution](SeparableConv) over time.
pub type SeparableConv1D = SeparableConv<1>;
/// A [separable convolution](SeparableConv) over images.
pub type SeparableConv2D = SeparableConv<2>;

/// A convolution of each channel by itself, then one that mixes channels, cell by cell.
///
/// The names [`SeparableConv1D`] and [`SeparableConv2D`] stand for one and two spatial axes.
///
/// # Shapes
///
/// | tensor             | shape                                              |
/// |--------------------|----------------------------------------------------|
/// | input              | `(batch, spatial..., channels)`                    |
/// | `depthwise_kernel` | `(kernel_size..., channels, depth_multiplier)`     |
/// | `pointwise_kernel` | `(1..., channels · depth_multiplier, filters)`     |
/// | `bias`             | `(filters,)`                                       |
/// | output             | `(batch, windows..., filters)`                     |
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
/// use deckle_nn::{Layer, layers::SeparableConv2D};
///
/// let image = [None, Some(28), Some(28), Some(3)].into();
/// let shapes = SeparableConv2D::new(8, 3).output_shape(&[image])?;
/// assert_eq!(shapes[0].to_string(), "(batch, 26, 26, 8)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.SeparableConv1D`, `SeparableConv2D`.
///
/// # References
///
/// Chollet, *Xception: deep learning with depthwise separable convolutions* (2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeparableConv<const N: usize> {
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
    depth_multiplier: usize,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default)]
    depthwise_initializer: Initializer,
    #[serde(default)]
    pointwise_initializer: Initializer,
    #[serde(default = "Initializer::zeros")]
    bias_initializer: Initializer,
    #[serde(default)]
    depthwise_regularizer: Option<Regularizer>,
    #[serde(default)]
    depthwise_constraint: Option<Constraint>,
    #[serde(default)]
    pointwise_regularizer: Option<Regularizer>,
    #[serde(default)]
    pointwise_constraint: Option<Constraint>,
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

impl<const N: usize> SeparableConv<N> {
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
            depth_multiplier: 1,
            activation: Activation::default(),
            use_bias: true,
            depthwise_initializer: Initializer::default(),
            pointwise_initializer: Initializer::default(),
            bias_initializer: Initializer::zeros(),
            depthwise_regularizer: None,
            depthwise_constraint: None,
            pointwise_regularizer: None,
            pointwise_constraint: None,
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
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
        /// Sets the step between the kernel's cells; 1 by default.
        dilation_rate: into PerAxis<N>;
        /// Sets the number of filters for each channel before they are mixed; 1 by default.
        depth_multiplier: usize;
        /// Sets the activation; none by default.
        activation: Activation;
        /// Sets whether a bias is added; true by default.
        use_bias: bool;
        /// Sets the first values of the kernel over space; Glorot uniform by default.
        depthwise_initializer: Initializer;
        /// Sets the first values of the kernel that mixes channels; Glorot uniform by default.
        pointwise_initializer: Initializer;
        /// Sets the bias's first values; zeros by default.
        bias_initializer: Initializer;
        /// Sets the penalty on the kernel over space; none by default.
        depthwise_regularizer: into Option<Regularizer>;
        /// Sets what the kernel over space is made to be after each step; free by default.
        depthwise_constraint: into Option<Constraint>;
        /// Sets the penalty on the kernel that mixes channels; none by default.
        pointwise_regularizer: into Option<Regularizer>;
        /// Sets what the kernel that mixes channels is made to be after each step; free by default.
        pointwise_constraint: into Option<Constraint>;
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

impl<const N: usize> Layer for SeparableConv<N> {
    fn class_name(&self) -> &'static str {
        if N == 1 { "SeparableConv1D" } else { "SeparableConv2D" }
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = self.data_format.spatial_input::<N>(inputs)?;
        expect::positive("filters", self.filters)?;
        let shape = self.run().shape(&input)?.with(-1, self.filters)?;
        let shape = self.data_format.shape_of_last(&shape);
        Ok(vec![self.activation.output_shape(&shape)?])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let channels = expect::known(&self.data_format.shape_to_last(&inputs[0]), -1)?;
        let shape = self.run().kernel(channels);
        let depthwise =
            init.variable("depthwise_kernel", shape, &self.depthwise_initializer)?;
        init.regularize(&depthwise, self.depthwise_regularizer.as_ref());
        init.constrain(&depthwise, self.depthwise_constraint.as_ref());
        let mut shape = vec![1; N];
        shape.extend([channels.saturating_mul(self.depth_multiplier), self.filters]);
        let pointwise =
            init.variable("pointwise_kernel", shape, &self.pointwise_initializer)?;
        init.regularize(&pointwise, self.pointwise_regularizer.as_ref());
        init.constrain(&pointwise, self.pointwise_constraint.as_ref());
        let mut bias = None;
        if self.use_bias {
            let made = init.variable("bias", [self.filters], &self.bias_initializer)?;
            init.regularize(&made, self.bias_regularizer.as_ref());
            init.constrain(&made, self.bias_constraint.as_ref());
            bias = Some(made);
        }
        let config = self.clone();
        Ok(Box::new(BuiltSeparableConv { config, depthwise, pointwise, bias }))
    }
}

#[derive(Debug)]
struct BuiltSeparableConv<const N: usize> {
    config: SeparableConv<N>,
    depthwise: Variable,
    pointwise: Variable,
    bias: Option<Variable>,
}

impl<const N: usize> Built for BuiltSeparableConv<N> {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let config = &self.config;
        let x = config.data_format.to_last(&inputs.only()?.cast(call.dtype())?)?;
        let y = config.run().apply(&x, &call.read(&self.depthwise))?;
        let pointwise = call.read(&self.pointwise);
        let mut y = y.conv(&pointwise, &[1; N], &Edges::Valid, &[1; N], 1)?;
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
        check_layer(&SeparableConv1D::new(3, 2).depth_multiplier(2), [[2, 4, 2]])?;
        check_layer(
            &SeparableConv1D::new(2, 2).dilation_rate(2).activation(Activation::Tanh),
            [[2, 4, 2]],
        )?;
        check_layer(
            &SeparableConv2D::new(2, [3, 2]).strides(2).padding(Padding::Same),
            [[1, 4, 3, 2]],
        )?;
        check_layer(
            &SeparableConv2D::new(1, 2)
                .data_format(DataFormat::ChannelsFirst)
                .use_bias(false),
            [[1, 2, 3, 3]],
        )
    }

    #[test]
    fn no_filters_are_an_error() {
        let error = SeparableConv1D::new(0, 2).output_shape(&[[2, 4, 2].into()]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "`filters` makes no sense\n  expected: a positive number\n       got: 0"
        );
    }
}
