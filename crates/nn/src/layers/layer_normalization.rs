//! The layer that normalizes each example by itself.

use deckle_autograd::{Var, Variable};
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::{
    AxisList,
    gamma_beta::{Maybe, along, check_epsilon, lens, narrow, vector, wide},
    setters::setters,
};
use crate::{
    Built, Call, Constraint, Init, Initializer, Inputs, Layer, Regularizer, Result,
    expect, keras::yes,
};

/// Normalizes each example: `y = gamma · (x - mean) / √(variance + epsilon) + beta`.
///
/// Mean and (biased) variance are those along the axes, together. Half precision is computed in
/// `F32`; of whole numbers the result is made whole, as in Keras. Along the last axis it is one
/// operation, `layer_normalization`, that a backend may have a kernel for. Masks pass through.
///
/// # Shapes
///
/// | tensor          | shape                                  |
/// |-----------------|----------------------------------------|
/// | input, output   | any with these axes                    |
/// | `gamma`, `beta` | the lengths of these axes, in order    |
///
/// # Errors
///
/// Building fails if there is no such axis, its length is unknown, or `epsilon` is negative.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::LayerNormalization};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([2]).add(LayerNormalization::new().epsilon(0.0)).build()?;
/// let x = Var::constant(&Tensor::new(vec![6.0f32, 10.0], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [-1.0, 1.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.LayerNormalization`, without the deprecated `rms_scaling`.
///
/// # References
///
/// Ba, Kiros and Hinton, *Layer normalization* (2016).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerNormalization {
    #[serde(default = "last")]
    axis: AxisList,
    #[serde(default = "default_epsilon")]
    epsilon: f64,
    #[serde(default = "yes")]
    center: bool,
    #[serde(default = "yes")]
    scale: bool,
    #[serde(default = "Initializer::zeros")]
    beta_initializer: Initializer,
    #[serde(default = "Initializer::ones")]
    gamma_initializer: Initializer,
    #[serde(default)]
    beta_regularizer: Option<Regularizer>,
    #[serde(default)]
    beta_constraint: Option<Constraint>,
    #[serde(default)]
    gamma_regularizer: Option<Regularizer>,
    #[serde(default)]
    gamma_constraint: Option<Constraint>,
}

fn last() -> AxisList {
    (-1).into()
}

fn default_epsilon() -> f64 {
    1e-3
}

impl Default for LayerNormalization {
    fn default() -> Self {
        Self::new()
    }
}

impl LayerNormalization {
    /// The layer with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            axis: last(),
            epsilon: default_epsilon(),
            center: true,
            scale: true,
            beta_initializer: Initializer::Zeros,
            gamma_initializer: Initializer::Ones,
            beta_regularizer: None,
            beta_constraint: None,
            gamma_regularizer: None,
            gamma_constraint: None,
        }
    }

    setters! {
        /// Sets the axis, or axes, to normalize along; the last by default.
        axis: into AxisList;
        /// Sets what is added to the variance; 0.001 by default.
        epsilon: f64;
        /// Sets whether `beta` is added; true by default.
        center: bool;
        /// Sets whether `gamma` multiplies; true by default.
        scale: bool;
        /// Sets the first values of `beta`; zeros by default.
        beta_initializer: Initializer;
        /// Sets the first values of `gamma`; ones by default.
        gamma_initializer: Initializer;
        /// Sets the penalty on `beta`; none by default.
        beta_regularizer: into Option<Regularizer>;
        /// Sets what `beta` is made to be after each step; free by default.
        beta_constraint: into Option<Constraint>;
        /// Sets the penalty on `gamma`; none by default.
        gamma_regularizer: into Option<Regularizer>;
        /// Sets what `gamma` is made to be after each step; free by default.
        gamma_constraint: into Option<Constraint>;
    }
}

impl Layer for LayerNormalization {
    fn class_name(&self) -> &'static str {
        "LayerNormalization"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        lens(input, &self.axis)?;
        check_epsilon(self.epsilon)?;
        Ok(vec![input.clone()])
    }

    /// They are normalized in full precision.
    fn casts_inputs(&self) -> bool {
        false
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let shape = lens(&inputs[0], &self.axis)?;
        let gamma = Maybe {
            wanted: self.scale,
            name: "gamma",
            initializer: &self.gamma_initializer,
            regularizer: self.gamma_regularizer.as_ref(),
            constraint: self.gamma_constraint.as_ref(),
        };
        let beta = Maybe {
            wanted: self.center,
            name: "beta",
            initializer: &self.beta_initializer,
            regularizer: self.beta_regularizer.as_ref(),
            constraint: self.beta_constraint.as_ref(),
        };
        Ok(Box::new(BuiltLayerNormalization {
            axes: self.axis.of(inputs[0].rank())?,
            size: shape.iter().product(),
            epsilon: self.epsilon,
            gamma: gamma.make(&shape, init)?,
            beta: beta.make(&shape, init)?,
        }))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct BuiltLayerNormalization {
    axes: Vec<usize>,
    size: usize,
    epsilon: f64,
    gamma: Option<Variable>,
    beta: Option<Variable>,
}

impl Built for BuiltLayerNormalization {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let input = inputs.only()?;
        let x = input.cast(wide(call))?;
        let read = |weight: &Option<Variable>, otherwise: f64| -> Result<Var> {
            match weight {
                Some(weight) => vector(weight, call),
                None => Ok(Var::full(x.dtype(), [self.size], otherwise)?),
            }
        };
        let (gamma, beta) = (read(&self.gamma, 1.0)?, read(&self.beta, 0.0)?);
        let y =
            along(&x, &self.axes, |x| x.layer_normalization(&gamma, &beta, self.epsilon));
        Ok(vec![narrow(&y?, input.dtype())?.cast(call.dtype())?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&LayerNormalization::new(), [[2, 3]])?;
        check_layer(&LayerNormalization::new().center(false), [[2, 3, 4]])?;
        check_layer(&LayerNormalization::new().axis([1, 2]).scale(false), [[2, 3, 2]])?;
        check_layer(&LayerNormalization::new().axis([1, -1]), [[2, 2, 3, 2]])
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let shape = [[2, 3].into()];
        let error = LayerNormalization::new().axis(2).output_shape(&shape).unwrap_err();
        assert!(error.to_string().contains("axis 2"), "{error}");
        let error =
            LayerNormalization::new().epsilon(-1.0).output_shape(&shape).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`epsilon` makes no sense\n  expected: a number from 0\n       got: -1"
        );
    }
}
