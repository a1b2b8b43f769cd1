//! What a layer computes in, and what its weights are: [`DTypePolicy`].

use std::{fmt, str::FromStr};

use deckle_tensor::{DType, Error as TensorError};
use serde_json::{Value, json};

use crate::keras::keras_object;

/// The element types of a layer: that of its computation, and that of its weights.
///
/// They are one, or, in mixed precision, 16 bits for the computation and `F32` for weights and
/// states: steps too small for 16 bits are not lost.
///
/// # Examples
///
/// ```
/// use deckle_nn::DTypePolicy;
/// use deckle_tensor::DType;
///
/// let policy: DTypePolicy = "mixed_bfloat16".parse()?;
/// assert_eq!(policy, DTypePolicy::MIXED_BFLOAT16);
/// assert_eq!(policy.compute_dtype(), DType::BF16);
/// assert_eq!(policy.variable_dtype(), DType::F32);
/// assert_eq!(DTypePolicy::from(DType::F64).to_string(), "float64");
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
///
/// # Keras
///
/// `keras.DTypePolicy`; quantized policies are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DTypePolicy {
    compute: DType,
    variable: DType,
}

impl DTypePolicy {
    /// Computes in `F16`, with weights of `F32`.
    pub const MIXED_FLOAT16: Self = Self { compute: DType::F16, variable: DType::F32 };
    /// Computes in `BF16`, with weights of `F32`.
    pub const MIXED_BFLOAT16: Self = Self { compute: DType::BF16, variable: DType::F32 };

    /// What the layer computes in; its outputs are of that type.
    #[must_use]
    pub const fn compute_dtype(self) -> DType {
        self.compute
    }

    /// What its weights are.
    #[must_use]
    pub const fn variable_dtype(self) -> DType {
        self.variable
    }

    /// As in Keras: the element type's name, `mixed_float16` or `mixed_bfloat16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MIXED_FLOAT16 => "mixed_float16",
            Self::MIXED_BFLOAT16 => "mixed_bfloat16",
            Self { compute, .. } => compute.name(),
        }
    }

    /// The object that Keras writes.
    pub(crate) fn to_keras(self) -> Value {
        keras_object("keras", "DTypePolicy", json!({ "name": self.name() }))
    }
}

impl Default for DTypePolicy {
    fn default() -> Self {
        DType::F32.into()
    }
}

impl From<DType> for DTypePolicy {
    fn from(dtype: DType) -> Self {
        Self { compute: dtype, variable: dtype }
    }
}

impl fmt::Display for DTypePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DTypePolicy {
    type Err = TensorError;

    fn from_str(name: &str) -> Result<Self, TensorError> {
        match name {
            "mixed_float16" => Ok(Self::MIXED_FLOAT16),
            "mixed_bfloat16" => Ok(Self::MIXED_BFLOAT16),
            name => name.parse().map(DType::into),
        }
    }
}
