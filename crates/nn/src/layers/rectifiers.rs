//! Rectifiers that are not 0 below 0: `LeakyReLU`, `ELU`, `PReLU`.

use deckle_autograd::{Var, Variable};
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::setters::setters;
use crate::{
    Built, Call, Constraint, Error, Init, Initializer, Inputs, Layer, Regularizer,
    Result, expect, keras::one_or_many,
};

/// `x` from 0 on, `negative_slope · x` below.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if the slope is negative.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::LeakyReLU};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([2]).add(LeakyReLU::new().negative_slope(0.5)).build()?;
/// let x = Var::constant(&Tensor::new(vec![-1.0f32, 2.0], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [-0.5, 2.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.LeakyReLU`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeakyReLU {
    #[serde(default = "default_slope", alias = "alpha")]
    negative_slope: f64,
}

fn default_slope() -> f64 {
    0.3
}

impl Default for LeakyReLU {
    fn default() -> Self {
        Self { negative_slope: default_slope() }
    }
}

impl LeakyReLU {
    /// The layer with Keras's default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the slope below 0; 0.3 by default.
        negative_slope: f64;
    }

    pub(crate) fn apply(&self, x: &Var) -> deckle_autograd::Result<Var> {
        x.leaky_relu(self.negative_slope)
    }
}

impl Layer for LeakyReLU {
    fn class_name(&self) -> &'static str {
        "LeakyReLU"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        expect::not_negative("negative_slope", self.negative_slope)?;
        Ok(vec![expect::one_input(inputs)?.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(*self))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl Built for LeakyReLU {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        Ok(vec![self.apply(&call.floats(inputs.only()?)?)?])
    }
}

/// `x` from 0 on, `alpha · (eˣ - 1)` below.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::ELU};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([2]).add(ELU::new().alpha(0.5)).build()?;
/// let x = Var::constant(&Tensor::new(vec![-1e9f32, 2.0], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [-0.5, 2.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.ELU`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ELU {
    #[serde(default = "default_alpha")]
    alpha: f64,
}

fn default_alpha() -> f64 {
    1.0
}

impl Default for ELU {
    fn default() -> Self {
        Self { alpha: default_alpha() }
    }
}

impl ELU {
    /// The layer with Keras's default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the factor below 0; 1 by default.
        alpha: f64;
    }

    pub(crate) fn apply(&self, x: &Var) -> deckle_autograd::Result<Var> {
        x.elu(self.alpha)
    }
}

impl Layer for ELU {
    fn class_name(&self) -> &'static str {
        "ELU"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if !self.alpha.is_finite() {
            return Err(Error::invalid("`alpha` makes no sense", "a finite number")
                .got(self.alpha));
        }
        Ok(vec![expect::one_input(inputs)?.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(*self))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl Built for ELU {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        Ok(vec![self.apply(&call.floats(inputs.only()?)?)?])
    }
}

/// `x` from 0 on, `alpha · x` below, with a slope that is trained for each element.
///
/// # Shapes
///
/// | tensor        | shape                                            |
/// |---------------|--------------------------------------------------|
/// | input, output | any with a batch axis                            |
/// | `alpha`       | the input's without batch; 1 along shared axes   |
///
/// # Errors
///
/// Building fails if a length is unknown along an axis that is not shared, or a shared axis is the
/// batch or does not exist.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Initializer, Sequential, layers::PReLU};
/// use deckle_tensor::Tensor;
///
/// let layer = PReLU::new().alpha_initializer(Initializer::Constant(0.5));
/// let model = Sequential::new([2]).add(layer).build()?;
/// let x = Var::constant(&Tensor::new(vec![-1.0f32, 2.0], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [-0.5, 2.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.PReLU`.
///
/// # References
///
/// He et al., *Delving deep into rectifiers* (2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PReLU {
    #[serde(default = "Initializer::zeros")]
    alpha_initializer: Initializer,
    #[serde(default)]
    alpha_regularizer: Option<Regularizer>,
    #[serde(default)]
    alpha_constraint: Option<Constraint>,
    #[serde(default, deserialize_with = "one_or_many")]
    shared_axes: Option<Vec<usize>>,
}

impl Default for PReLU {
    fn default() -> Self {
        Self {
            alpha_initializer: Initializer::zeros(),
            alpha_regularizer: None,
            alpha_constraint: None,
            shared_axes: None,
        }
    }
}

impl PReLU {
    /// The layer with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the first slopes; zeros by default.
        alpha_initializer: Initializer;
        /// Sets the penalty on the slopes; none by default.
        alpha_regularizer: into Option<Regularizer>;
        /// Sets what the slopes are made to be after each step; free by default.
        alpha_constraint: into Option<Constraint>;
        /// Sets the axes, numbered from 1, along which all elements have one slope; none by
        /// default.
        shared_axes: into Option<Vec<usize>>;
    }

    /// The shape of the slopes.
    fn slopes(&self, input: &Shape) -> Result<Vec<usize>> {
        let shared = self.shared_axes.as_deref().unwrap_or(&[]);
        if let Some(axis) = shared.iter().find(|&&axis| axis == 0 || axis >= input.rank())
        {
            let expected = format!("axes of {input} after the batch");
            return Err(
                Error::invalid("`shared_axes` makes no sense", expected).got(axis)
            );
        }
        let len = |axis: usize| match shared.contains(&axis) {
            true => Ok(1),
            false => expect::known(input, axis.cast_signed()),
        };
        (1..input.rank()).map(len).collect()
    }
}

impl Layer for PReLU {
    fn class_name(&self) -> &'static str {
        "PReLU"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        self.slopes(input)?;
        Ok(vec![input.clone()])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let shape = self.slopes(&inputs[0])?;
        let alpha = init.variable("alpha", shape, &self.alpha_initializer)?;
        init.regularize(&alpha, self.alpha_regularizer.as_ref());
        init.constrain(&alpha, self.alpha_constraint.as_ref());
        Ok(Box::new(BuiltPReLU(alpha)))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct BuiltPReLU(Variable);

impl Built for BuiltPReLU {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?.cast(call.dtype())?;
        let below = x.neg()?.relu()?.mul(&call.read(&self.0))?;
        Ok(vec![x.relu()?.sub(&below)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&LeakyReLU::new(), [[2, 3]])?;
        check_layer(&LeakyReLU::new().negative_slope(0.0), [[2, 3]])?;
        check_layer(&ELU::new().alpha(0.7), [[2, 3]])?;
        check_layer(&ELU::new(), [[2, 3]])?;
        check_layer(&PReLU::new(), [[2, 3]])?;
        check_layer(&PReLU::new().shared_axes(vec![1]), [[2, 3, 2]])
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let shape = [[2, 3].into()];
        let error = LeakyReLU::new().negative_slope(-1.0).output_shape(&shape);
        assert_eq!(
            error.unwrap_err().to_string(),
            "`negative_slope` makes no sense\n  expected: a finite number of at least 0\n       got: -1"
        );
        let error = PReLU::new().shared_axes(vec![0]).output_shape(&shape).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`shared_axes` makes no sense\n  expected: axes of (2, 3) after the batch\n       \
             got: 0"
        );
    }

    #[test]
    fn files_of_keras_2_have_another_name_for_the_slope() {
        let layer: LeakyReLU = serde_json::from_str(r#"{"alpha": 0.2}"#).unwrap();
        assert_eq!(layer, LeakyReLU::new().negative_slope(0.2));
    }
}
