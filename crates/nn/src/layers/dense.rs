//! The densely-connected layer.

use deckle_autograd::{Var, Variable};
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use crate::{
    Activation, Built, Call, Constraint, Init, Initializer, Inputs, Layer, Regularizer,
    Result, expect, keras::yes,
};

/// A densely-connected layer: `y = activation(x · kernel + bias)`.
///
/// # Shapes
///
/// | tensor   | shape                    |
/// |----------|--------------------------|
/// | input    | `(batch, ..., features)` |
/// | `kernel` | `(features, units)`      |
/// | `bias`   | `(units,)`               |
/// | output   | `(batch, ..., units)`    |
///
/// # Errors
///
/// Building fails if `units` is 0, or the input has fewer than two axes or an unknown last one.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Activation, Layer, layers::Dense};
///
/// let layer = Dense::new(64).activation(Activation::Relu);
/// assert_eq!(layer.output_shape(&[[None, Some(784)].into()])?, [[None, Some(64)].into()]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Dense`: same names, defaults and weight layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dense {
    units: usize,
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

impl Dense {
    /// A layer with that many outputs.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Self {
            units,
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
}

impl Layer for Dense {
    fn class_name(&self) -> &'static str {
        "Dense"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let help = "add an axis for the features, e.g. Reshape::new([1])";
        let expected = "(batch, ..., features) with at least two axes";
        let input = expect::at_least(expect::one_input(inputs)?, 2, expected, help)?;
        expect::known(input, -1)?;
        expect::positive("units", self.units)?;
        Ok(vec![self.activation.output_shape(&input.with(-1, self.units)?)?])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let features = expect::known(&inputs[0], -1)?;
        let kernel =
            init.variable("kernel", [features, self.units], &self.kernel_initializer)?;
        init.regularize(&kernel, self.kernel_regularizer.as_ref());
        init.constrain(&kernel, self.kernel_constraint.as_ref());
        let bias = if self.use_bias {
            let bias = init.variable("bias", [self.units], &self.bias_initializer)?;
            init.regularize(&bias, self.bias_regularizer.as_ref());
            init.constrain(&bias, self.bias_constraint.as_ref());
            Some(bias)
        } else {
            None
        };
        let (activation, activity) = (self.activation, self.activity_regularizer.clone());
        Ok(Box::new(BuiltDense { kernel, bias, activation, activity }))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct BuiltDense {
    kernel: Variable,
    bias: Option<Variable>,
    activation: Activation,
    activity: Option<Regularizer>,
}

impl Built for BuiltDense {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?.cast(call.dtype())?;
        let mut y = x.matmul(&call.read(&self.kernel))?;
        if let Some(bias) = &self.bias {
            y = y.add(&call.read(bias))?;
        }
        let y = self.activation.apply(&y)?;
        if let Some(regularizer) = &self.activity {
            regularizer.add_activity(&y, call)?;
        }
        Ok(vec![y])
    }
}
