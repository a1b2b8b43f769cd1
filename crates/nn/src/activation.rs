//! The functions after a layer's sum: [`Activation`].

mod of_layer;

use std::{fmt, str::FromStr};

use deckle_autograd::Var;
use deckle_tensor::{Dim, Shape};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use crate::{Error, Result, keras::parse_keras_object};
pub use of_layer::LayerFunction;

/// A function of each element, or (softmax and its kin) of each last axis.
///
/// Those with a parameter have Keras's default; [`Activation::of_layer`] takes others.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::Activation;
/// use deckle_tensor::Tensor;
///
/// let x = Var::constant(&Tensor::from([-3.0, 0.5]));
/// assert_eq!(Activation::Relu.apply(&x)?.eval()?, Tensor::from([0.0, 0.5]));
/// assert_eq!("swish".parse::<Activation>()?, Activation::Silu);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.activations`, with the same names and defaults, but without `threshold`, whose two
/// arguments have no defaults.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Activation {
    /// `x` above 0, `eˣ - 1` below.
    Celu,
    /// `x` above 0, `eˣ - 1` below.
    Elu,
    /// `eˣ`.
    Exponential,
    /// `x · Φ(x)`, with the normal distribution's `Φ`.
    Gelu,
    /// The first half of the last axis times the sigmoid of the second.
    Glu,
    /// `x` where `|x| > 0.5`, else 0.
    HardShrink,
    /// `min(max(x + 3, 0), 6) / 6`.
    HardSigmoid,
    /// `x · hard_sigmoid(x)`.
    HardSilu,
    /// `min(max(x, -1), 1)`.
    HardTanh,
    /// `x` above 0, `0.2 · x` below.
    LeakyRelu,
    /// `x`.
    #[default]
    Linear,
    /// `-ln(1 + e⁻ˣ)`.
    LogSigmoid,
    /// `x - ln(Σeˣ)` along the last axis.
    LogSoftmax,
    /// `x · tanh(softplus(x))`.
    Mish,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// The scaled exponential linear unit.
    Selu,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `x · sigmoid(x)`, also called swish.
    Silu,
    /// `x` moved towards 0 by 0.5, and 0 if it is closer.
    SoftShrink,
    /// `eˣ / Σeˣ` along the last axis.
    Softmax,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// 0 below -1, `(x + 1)² / 4` up to 1, `x` above.
    SparsePlus,
    /// `min(max((x + 1) / 2, 0), 1)`.
    SparseSigmoid,
    /// The closest point of the probability simplex, along the last axis.
    Sparsemax,
    /// `(x + √(x² + 4)) / 2`.
    Squareplus,
    /// The hyperbolic tangent.
    Tanh,
    /// `x - tanh(x)`.
    TanhShrink,
    /// What a layer with settings of its own does, see [`Activation::of_layer`].
    Layer(LayerFunction),
}

/// Every function with Keras's name.
const NAMES: [(Activation, &str); 29] = [
    (Activation::Celu, "celu"),
    (Activation::Elu, "elu"),
    (Activation::Exponential, "exponential"),
    (Activation::Gelu, "gelu"),
    (Activation::Glu, "glu"),
    (Activation::HardShrink, "hard_shrink"),
    (Activation::HardSigmoid, "hard_sigmoid"),
    (Activation::HardSilu, "hard_silu"),
    (Activation::HardTanh, "hard_tanh"),
    (Activation::LeakyRelu, "leaky_relu"),
    (Activation::Linear, "linear"),
    (Activation::LogSigmoid, "log_sigmoid"),
    (Activation::LogSoftmax, "log_softmax"),
    (Activation::Mish, "mish"),
    (Activation::Relu, "relu"),
    (Activation::Relu6, "relu6"),
    (Activation::Selu, "selu"),
    (Activation::Sigmoid, "sigmoid"),
    (Activation::Silu, "silu"),
    (Activation::SoftShrink, "soft_shrink"),
    (Activation::Softmax, "softmax"),
    (Activation::Softplus, "softplus"),
    (Activation::Softsign, "softsign"),
    (Activation::SparsePlus, "sparse_plus"),
    (Activation::SparseSigmoid, "sparse_sigmoid"),
    (Activation::Sparsemax, "sparsemax"),
    (Activation::Squareplus, "squareplus"),
    (Activation::Tanh, "tanh"),
    (Activation::TanhShrink, "tanh_shrink"),
];

/// Keras's other names.
const ALIASES: [(&str, Activation); 2] =
    [("swish", Activation::Silu), ("hard_swish", Activation::HardSilu)];

impl Activation {
    /// Every function with a name of its own.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|&(activation, _)| activation)
    }

    /// Keras's name; of a layer's function, that of the class.
    ///
    /// # Panics
    ///
    /// Never: every function has a name.
    #[must_use]
    pub fn name(self) -> &'static str {
        if let Self::Layer(layer) = self {
            return layer.class_name();
        }
        let known = NAMES.iter().find(|(activation, _)| *activation == self);
        known.expect("every function has a name").1
    }

    /// The function's values, as graph.
    ///
    /// # Errors
    ///
    /// If `x` is not floating point, or has no axis where the function needs one.
    pub fn apply(self, x: &Var) -> deckle_autograd::Result<Var> {
        Ok(match self {
            Self::Celu => x.celu(1.0)?,
            Self::Elu => x.elu(1.0)?,
            Self::Exponential => x.exp()?,
            Self::Gelu => x.gelu(false)?,
            Self::Glu => x.glu(-1)?,
            Self::HardShrink => x.hard_shrink(0.5)?,
            Self::HardSigmoid => x.hard_sigmoid()?,
            Self::HardSilu => x.hard_silu()?,
            Self::HardTanh => x.hard_tanh()?,
            Self::LeakyRelu => x.leaky_relu(0.2)?,
            Self::Linear => x.clone(),
            Self::LogSigmoid => x.log_sigmoid()?,
            Self::LogSoftmax => x.log_softmax(-1)?,
            Self::Mish => x.mish()?,
            Self::Relu => x.relu()?,
            Self::Relu6 => x.relu6()?,
            Self::Selu => x.selu()?,
            Self::Sigmoid => x.sigmoid()?,
            Self::Silu => x.silu()?,
            Self::SoftShrink => x.soft_shrink(0.5)?,
            Self::Softmax => x.softmax(-1)?,
            Self::Softplus => x.softplus()?,
            Self::Softsign => x.softsign()?,
            Self::SparsePlus => x.sparse_plus()?,
            Self::SparseSigmoid => x.sparse_sigmoid()?,
            Self::Sparsemax => x.sparsemax(-1)?,
            Self::Squareplus => x.squareplus(4.0)?,
            Self::Tanh => x.tanh()?,
            Self::TanhShrink => x.tanh_shrink()?,
            Self::Layer(layer) => layer.apply(x)?,
        })
    }

    /// The shape of the function's values: that of `x`, but half the last axis for `Glu`.
    ///
    /// # Errors
    ///
    /// If the last axis cannot be halved, or a layer's function has no such axis.
    pub fn output_shape(self, x: &Shape) -> Result<Shape> {
        match self {
            Self::Glu => {}
            Self::Layer(layer) => return layer.output_shape(x),
            _ => return Ok(x.clone()),
        }
        match x.dims().last() {
            Some(Dim::Known(len)) if len % 2 == 0 => Ok(x.with(-1, len / 2)?),
            _ => Err(Error::invalid(
                "activation glu cannot halve the last axis",
                "an even length",
            )
            .got(x)),
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let named = NAMES.iter().map(|&(activation, known)| (known, activation));
        let known: Vec<_> = named.chain(ALIASES).collect();
        known
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, found)| *found)
            .ok_or_else(|| {
                let known: Vec<_> = known.iter().map(|(known, _)| *known).collect();
                Error::unknown("activation", name, &known)
            })
    }
}

impl Serialize for Activation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Layer(layer) => layer.serialize(serializer),
            function => serializer.serialize_str(function.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Activation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.is_null() {
            return Ok(Self::Linear);
        }
        if of_layer::is_layer(&value) {
            return of_layer::read(&value).map_err(D::Error::custom);
        }
        let (name, _) = parse_keras_object(&value)
            .ok_or_else(|| D::Error::custom("an activation is a name"))?;
        name.parse().map_err(D::Error::custom)
    }
}
