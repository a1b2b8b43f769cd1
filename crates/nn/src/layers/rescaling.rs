//! The layer that changes the scale of its input.

use deckle_autograd::Var;
use deckle_tensor::{Dim, Shape, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// Changes the scale of its input: `y = x · scale + offset`.
///
/// Whole numbers, as pixels, become floating point. Scale and offset are one number each, or as
/// many as the last axis is long.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if there are several numbers, and the last axis has another length.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::Rescaling};
/// use deckle_tensor::{DType, Tensor};
///
/// let layer = Rescaling::new(1.0 / 127.5).offset(-1.0);
/// let model = Sequential::typed([2], DType::U8).add(layer).build()?;
/// let x = Var::constant(&Tensor::new(vec![0u8, 255], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [-1.0, 1.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Rescaling`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescaling {
    scale: Numbers,
    #[serde(default)]
    offset: Numbers,
}

/// One number for all elements, or one for each of the last axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Numbers {
    One(f64),
    Many(Vec<f64>),
}

impl Default for Numbers {
    fn default() -> Self {
        Self::One(0.0)
    }
}

impl Numbers {
    fn check(&self, name: &str, input: &Shape) -> Result<()> {
        let all = match self {
            Self::One(number) => std::slice::from_ref(number),
            Self::Many(numbers) => numbers,
        };
        if let Some(number) = all.iter().find(|number| !number.is_finite()) {
            let problem = format_args!("`{name}` makes no sense").to_string();
            return Err(Error::invalid(problem, "finite numbers").got(number));
        }
        let Self::Many(numbers) = self else { return Ok(()) };
        let last = input.dims().last().and_then(Dim::known);
        if numbers.len() == 1 || last == Some(numbers.len()) {
            return Ok(());
        }
        let problem = format_args!("`{name}` makes no sense").to_string();
        let expected = "one number, or one for each of the last axis";
        let got = format_args!("{} numbers for {input}", numbers.len()).to_string();
        Err(Error::invalid(problem, expected).got(got))
    }

    /// As a tensor that is broadcast.
    fn var(&self, call: &Call<'_>) -> Result<Var> {
        Ok(match self {
            Self::One(number) => Var::scalar(call.dtype(), *number),
            Self::Many(numbers) => {
                let row = Tensor::new(&numbers[..], [numbers.len()])?;
                Var::constant(&row.cast(call.dtype()))
            }
        })
    }
}

impl Rescaling {
    /// The layer that multiplies by that number.
    #[must_use]
    pub fn new(scale: f64) -> Self {
        Self { scale: Numbers::One(scale), offset: Numbers::default() }
    }

    /// The layer that multiplies the last axis by these numbers.
    #[must_use]
    pub fn by_channel(scales: impl Into<Vec<f64>>) -> Self {
        Self { scale: Numbers::Many(scales.into()), offset: Numbers::default() }
    }

    /// Sets what is added to the last axis; 0 by default.
    #[must_use]
    pub fn offsets(mut self, offsets: impl Into<Vec<f64>>) -> Self {
        self.offset = Numbers::Many(offsets.into());
        self
    }

    /// Sets what is added; 0 by default.
    #[must_use]
    pub fn offset(mut self, offset: f64) -> Self {
        self.offset = Numbers::One(offset);
        self
    }
}

impl Layer for Rescaling {
    fn class_name(&self) -> &'static str {
        "Rescaling"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        self.scale.check("scale", input)?;
        self.offset.check("offset", input)?;
        Ok(vec![input.clone()])
    }

    fn passes_mask(&self) -> bool {
        true
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(BuiltRescaling(self.clone())))
    }
}

#[derive(Debug)]
struct BuiltRescaling(Rescaling);

impl Built for BuiltRescaling {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let Rescaling { scale, offset } = &self.0;
        let y = inputs.only()?.cast(call.dtype())?.mul(&scale.var(call)?)?;
        Ok(vec![match offset {
            Numbers::One(0.0) => y,
            offset => y.add(&offset.var(call)?)?,
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Rescaling::new(0.5), [[2, 3]])?;
        check_layer(&Rescaling::new(-2.0).offset(0.25), [[2, 3, 1]])?;
        let layer = Rescaling::by_channel([1.0, 2.0, 0.5]).offsets([0.0, -1.0, 3.0]);
        check_layer(&layer, [[2, 1, 3]])
    }
}
