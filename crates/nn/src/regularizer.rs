//! Penalties on weights and outputs: [`Regularizer`].

use deckle_autograd::Var;
use deckle_tensor::{DType, keep};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};

use crate::{
    Call, Error, Result,
    keras::{keras_object, names_class, parse_keras_object},
};

/// A penalty that is added to the loss: `l1 · Σ|w| + l2 · Σw²`, without a half, or how far the
/// rows or columns of a matrix are from being orthogonal.
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
/// `keras.regularizers.L1`, `L2`, `L1L2`, `OrthogonalRegularizer`.
#[derive(Clone, Debug, PartialEq)]
pub struct Regularizer(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    L1(f64),
    L2(f64),
    L1L2 { l1: f64, l2: f64 },
    Orthogonal { factor: f64, mode: Vectors },
}

/// Which vectors of a matrix are to be orthogonal.
///
/// # Keras
///
/// `mode` of `keras.regularizers.OrthogonalRegularizer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vectors {
    /// The rows.
    #[default]
    Rows,
    /// The columns.
    Columns,
}

const CLASSES: [&str; 4] = ["L1", "L2", "L1L2", "OrthogonalRegularizer"];

impl Regularizer {
    /// `l1 · Σ|w|`; Keras's default is 0.01.
    #[must_use]
    pub const fn l1(l1: f64) -> Self {
        Self(Kind::L1(l1))
    }

    /// `l2 · Σw²`; Keras's default is 0.01.
    #[must_use]
    pub const fn l2(l2: f64) -> Self {
        Self(Kind::L2(l2))
    }

    /// `l1 · Σ|w| + l2 · Σw²`.
    #[must_use]
    pub const fn l1_l2(l1: f64, l2: f64) -> Self {
        Self(Kind::L1L2 { l1, l2 })
    }

    /// `factor` times the mean of the sizes of the products of all pairs of rows, or columns, of
    /// length 1 each; for weights with two axes. A single one has no pair, and no penalty.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Regularizer, Vectors};
    /// use deckle_tensor::Tensor;
    ///
    /// let w = Var::constant(&Tensor::new(vec![2.0f32, 0.0, 3.0, 0.0], [2, 2])?);
    /// let penalty = Regularizer::orthogonal(0.5, Vectors::Rows).penalty(&w)?;
    /// assert_eq!(penalty.eval()?.item::<f32>()?, 0.5);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    #[must_use]
    pub const fn orthogonal(factor: f64, mode: Vectors) -> Self {
        Self(Kind::Orthogonal { factor, mode })
    }

    const fn class_name(&self) -> &'static str {
        match self.0 {
            Kind::L1(_) => CLASSES[0],
            Kind::L2(_) => CLASSES[1],
            Kind::L1L2 { .. } => CLASSES[2],
            Kind::Orthogonal { .. } => CLASSES[3],
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// If a factor is negative, NaN or infinite.
    pub(crate) fn check(&self) -> Result<()> {
        let factors = match self.0 {
            Kind::L1(factor) | Kind::L2(factor) | Kind::Orthogonal { factor, .. } => {
                [factor; 2]
            }
            Kind::L1L2 { l1, l2 } => [l1, l2],
        };
        match factors.iter().find(|factor| !(0.0..f64::INFINITY).contains(*factor)) {
            None => Ok(()),
            Some(factor) => {
                let class = self.class_name();
                let problem =
                    format_args!("regularizer {class} makes no sense").to_string();
                Err(Error::invalid(problem, "finite numbers from 0").got(factor))
            }
        }
    }

    /// The penalty of a tensor, one number.
    ///
    /// # Errors
    ///
    /// If the tensor is not floating point, a factor is negative, or the rows of a tensor that is
    /// no matrix are to be orthogonal.
    pub fn penalty(&self, weight: &Var) -> Result<Var> {
        self.check()?;
        let (l1, l2) = match self.0 {
            Kind::L1(l1) => (l1, 0.0),
            Kind::L2(l2) => (0.0, l2),
            Kind::L1L2 { l1, l2 } => (l1, l2),
            Kind::Orthogonal { factor, mode } => return orthogonal(weight, factor, mode),
        };
        let mut total = Var::scalar(weight.dtype(), 0.0);
        let nothing = total.clone();
        if l1 != 0.0 {
            total = total.add(&(weight.abs()?.sum_to_like(&nothing)? * l1))?;
        }
        if l2 != 0.0 {
            total = total.add(&(weight.mul(weight)?.sum_to_like(&nothing)? * l2))?;
        }
        Ok(total)
    }

    /// Adds the penalty of an output, divided by the batch size if it has axes, to the loss; whole
    /// numbers count as `F32`.
    ///
    /// # Errors
    ///
    /// As [`Regularizer::penalty`].
    pub fn add_activity(&self, output: &Var, call: &mut Call<'_>) -> Result<()> {
        let dtype = output.dtype();
        let dtype = if dtype.is_float() { dtype } else { DType::F32 };
        let penalty = self.penalty(&output.cast(dtype)?)?;
        let loss = match output.rank() {
            0 => penalty,
            _ => penalty.div(&output.count_of([0], DType::F32)?.cast(dtype)?)?,
        };
        call.add_loss(loss);
        Ok(())
    }
}

/// The mean of the sizes of products of vectors of length 1, times a factor.
fn orthogonal(weight: &Var, factor: f64, mode: Vectors) -> Result<Var> {
    let rows = match mode {
        _ if weight.rank() != 2 => {
            let problem = "regularizer OrthogonalRegularizer cannot take this weight";
            return Err(Error::invalid(problem, "two axes").got(weight.shape()));
        }
        Vectors::Rows => weight.clone(),
        Vectors::Columns => weight.swap_axes(0, 1)?,
    };
    let inverse = rows.square()?.sum(keep(1))?.maximum(1e-14)?.rsqrt()?;
    let rows = rows.mul(&inverse)?;
    let products = rows.matmul_with(&rows, false, true)?.abs()?;
    let places = rows.positions(0, DType::I32)?;
    let pairs = places.expand_dims(-1)?.not_equal(&places)?;
    let sum = pairs.select(&products, 0.0)?.sum(..)?;
    let count = pairs.cast(weight.dtype())?.sum(..)?.maximum(1.0)?;
    Ok(sum.div(&count)?.mul(factor)?)
}

impl Serialize for Regularizer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let config = match self.0 {
            Kind::L1(l1) => json!({ "l1": l1 }),
            Kind::L2(l2) => json!({ "l2": l2 }),
            Kind::L1L2 { l1, l2 } => json!({ "l1": l1, "l2": l2 }),
            Kind::Orthogonal { factor, mode } => {
                json!({ "factor": factor, "mode": mode })
            }
        };
        let class = self.class_name();
        keras_object("keras.regularizers", class, config).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Regularizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let (name, config) = parse_keras_object(&value)
            .ok_or_else(|| D::Error::custom("a regularizer is a name or an object"))?;
        let number = |key: &str, default: f64| match config.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_f64()
                .ok_or_else(|| D::Error::custom(format_args!("`{key}` is a number"))),
        };
        let class = CLASSES.into_iter().find(|class| names_class(name, class));
        let made = match class {
            Some("L1") => Self::l1(number("l1", 0.01)?),
            Some("L2") => Self::l2(number("l2", 0.01)?),
            Some("L1L2") => Self::l1_l2(number("l1", 0.0)?, number("l2", 0.0)?),
            Some(_) => {
                let mode = config.get("mode").cloned().unwrap_or_else(|| json!("rows"));
                let mode = serde_json::from_value(mode).map_err(D::Error::custom)?;
                Self::orthogonal(number("factor", 0.01)?, mode)
            }
            None => {
                let error = Error::unknown("regularizer", name, &CLASSES);
                return Err(D::Error::custom(error));
            }
        };
        made.check().map_err(D::Error::custom)?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;

    /// Keras 3.15.1.
    #[test]
    fn penalties_of_pairs_are_kerass() -> Result<()> {
        let w = Tensor::new(vec![1.0f64, 2.0, 0.5, -1.0, 0.3, 2.0], [2, 3])?;
        for (mode, expected) in
            [(Vectors::Rows, 0.058_034_025), (Vectors::Columns, 0.248_775_08)]
        {
            let regularizer = Regularizer::orthogonal(0.5, mode);
            let penalty = regularizer.penalty(&Var::constant(&w))?.eval()?;
            assert!((penalty.item::<f64>()? - expected).abs() < 1e-7, "{penalty}");
            let json = serde_json::to_value(&regularizer).unwrap();
            assert_eq!(serde_json::from_value::<Regularizer>(json).unwrap(), regularizer);
        }
        let one = Var::constant(&w.slice(..1)?);
        let penalty = Regularizer::orthogonal(0.5, Vectors::Rows).penalty(&one)?;
        assert_eq!(penalty.eval()?.to_vec::<f64>()?, [0.0]);
        Ok(())
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let w = Var::constant(&Tensor::from([1.0, 2.0]));
        let error = Regularizer::l2(-1.0).penalty(&w).unwrap_err();
        assert_eq!(
            error.to_string(),
            "regularizer L2 makes no sense\n  expected: finite numbers from 0\n       got: -1"
        );
        assert!(Regularizer::l1_l2(0.1, f64::NAN).penalty(&w).is_err());
        assert!(Regularizer::orthogonal(0.1, Vectors::Rows).penalty(&w).is_err());
        let read = |text: &str| serde_json::from_str::<Regularizer>(text);
        let error =
            read(r#"{"class_name": "L1", "config": {"l1": "much"}}"#).unwrap_err();
        assert!(error.to_string().contains("`l1` is a number"), "{error}");
        assert_eq!(read("\"l1_l2\"").unwrap(), Regularizer::l1_l2(0.0, 0.0));
        assert_eq!(
            read("\"orthogonal_regularizer\"").unwrap(),
            Regularizer::orthogonal(0.01, Vectors::Rows)
        );
    }
}
