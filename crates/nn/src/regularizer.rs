//! Penalties on weights and outputs: [`Regularizer`].

use deckle_autograd::Var;
use deckle_tensor::DType;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};

use crate::{
    Call, Error, Result,
    keras::{keras_object, names_class, parse_keras_object},
};

/// A penalty that is added to the loss: `l1 · Σ|w| + l2 · Σw²`, without a half.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::Regularizer;
/// use deckle_tensor::Tensor;
///
/// let w = Var::constant(&Tensor::new(vec![1.0f32, -2.0], [2])?);
/// assert_eq!(Regularizer::l2(0.5).penalty(&w)?.eval()?.item::<f32>()?, 2.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keras
///
/// `keras.regularizers.L1`, `L2`, `L1L2`.
#[derive(Clone, Debug, PartialEq)]
pub struct Regularizer {
    class: &'static str,
    l1: f64,
    l2: f64,
}

impl Regularizer {
    /// `l1 · Σ|w|`; Keras's default is 0.01.
    #[must_use]
    pub const fn l1(l1: f64) -> Self {
        Self { class: "L1", l1, l2: 0.0 }
    }

    /// `l2 · Σw²`; Keras's default is 0.01.
    #[must_use]
    pub const fn l2(l2: f64) -> Self {
        Self { class: "L2", l1: 0.0, l2 }
    }

    /// `l1 · Σ|w| + l2 · Σw²`.
    #[must_use]
    pub const fn l1_l2(l1: f64, l2: f64) -> Self {
        Self { class: "L1L2", l1, l2 }
    }

    /// The penalty of a tensor, one number.
    ///
    /// # Errors
    ///
    /// If the tensor is not floating point.
    pub fn penalty(&self, weight: &Var) -> Result<Var> {
        let mut total = Var::scalar(weight.dtype(), 0.0);
        let nothing = total.clone();
        if self.l1 != 0.0 {
            total = total.add(&(weight.abs()?.sum_to_like(&nothing)? * self.l1))?;
        }
        if self.l2 != 0.0 {
            total = total.add(&(weight.mul(weight)?.sum_to_like(&nothing)? * self.l2))?;
        }
        Ok(total)
    }

    /// Adds the penalty of an output, divided by the batch size, to the loss.
    ///
    /// # Errors
    ///
    /// If the output is not floating point.
    pub fn add_activity(&self, output: &Var, call: &mut Call<'_>) -> Result<()> {
        let batch = output.count_of([0], DType::F32)?.cast(output.dtype())?;
        call.add_loss(self.penalty(output)?.div(&batch)?);
        Ok(())
    }
}

impl Serialize for Regularizer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let config = match self.class {
            "L1" => json!({ "l1": self.l1 }),
            "L2" => json!({ "l2": self.l2 }),
            _ => json!({ "l1": self.l1, "l2": self.l2 }),
        };
        keras_object("keras.regularizers", self.class, config).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Regularizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let (name, config) = parse_keras_object(&value)
            .ok_or_else(|| D::Error::custom("a regularizer is a name or an object"))?;
        let number = |key: &str, default: f64| {
            config.get(key).map_or(Some(default), Value::as_f64).unwrap_or(default)
        };
        let known: [(&str, &[&str]); 3] =
            [("L1", &["L1"]), ("L2", &["L2"]), ("L1L2", &["L1L2", "l1_l2"])];
        let class =
            known.iter().find(|(_, names)| names.iter().any(|n| names_class(name, n)));
        match class.map(|(class, _)| *class) {
            Some("L1") => Ok(Self::l1(number("l1", 0.01))),
            Some("L2") => Ok(Self::l2(number("l2", 0.01))),
            Some(_) => Ok(Self::l1_l2(number("l1", 0.0), number("l2", 0.0))),
            None => {
                let error = Error::unknown("regularizer", name, &["L1", "L2", "L1L2"]);
                Err(D::Error::custom(error))
            }
        }
    }
}
