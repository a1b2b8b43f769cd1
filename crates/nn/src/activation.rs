//! The functions after a layer's sum: [`Activation`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};

use crate::Result;

/// A function of each element, or (softmax and its kin) of each last axis.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::Activation;
/// use deckle_tensor::Tensor;
///
/// let x = Var::constant(&Tensor::new(vec![-3.0f32, 0.5], [2])?);
/// let y = Activation::Relu.apply(&x)?.eval()?;
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keras
///
/// `keras.activations`, with the same names and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x`.
    #[default]
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `eˣ / Σeˣ` along the last axis.
    Softmax,
}

impl Activation {
    /// The function's values, as graph.
    ///
    /// # Errors
    ///
    /// If `x` is not floating point, or has no axis where the function needs one.
    pub fn apply(self, x: &Var) -> Result<Var> {
        Ok(match self {
            Self::Linear => x.clone(),
            Self::Relu => x.relu()?,
            Self::Sigmoid => x.sigmoid()?,
            Self::Tanh => x.tanh()?,
            Self::Softmax => x.softmax(-1)?,
        })
    }
}
