//! Cutting the ends of spatial axes: `Cropping1D`, `Cropping2D`, `Cropping3D`.

use deckle_autograd::{Lower, Op, Result as GraphResult, Rule, Signature, Var};
use deckle_tensor::{Dim, Error as TensorError, Part, Shape, Value};
use serde::{Deserialize, Serialize};

use super::{DataFormat, Margins};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result};

/// [Cuts](Cropping) the first and last steps.
pub type Cropping1D = Cropping<1>;
/// [Cuts](Cropping) the edges of images.
pub type Cropping2D = Cropping<2>;
/// [Cuts](Cropping) the edges of volumes.
pub type Cropping3D = Cropping<3>;

/// Cuts numbers before and after each spatial axis.
///
/// The names [`Cropping1D`], [`Cropping2D`] and [`Cropping3D`] stand for one, two and three
/// spatial axes.
///
/// # Shapes
///
/// `(batch, spatial..., channels)` becomes `(batch, shorter..., channels)`.
///
/// # Errors
///
/// Applying it fails if the input has another rank, or nothing is left. Of an axis of unknown
/// length, that shows when it is computed.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::Cropping1D};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([3, 1]).add(Cropping1D::new((0, 1))).build()?;
/// let x = Var::constant(&Tensor::new(vec![1.0f32, 2.0, 3.0], [1, 3, 1])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Cropping1D`, `Cropping2D`, `Cropping3D`. The cropping has no default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cropping<const N: usize> {
    #[serde(default = "default_cropping")]
    cropping: Margins<N>,
    #[serde(default, skip_serializing_if = "is_only_format::<N>")]
    data_format: Format<N>,
}

/// Where the channels are; Keras's class for one axis has no such setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Format<const N: usize>(DataFormat);

fn is_only_format<const N: usize>(_: &Format<N>) -> bool {
    N == 1
}

fn default_cropping<const N: usize>() -> Margins<N> {
    if N == 2 { 0.into() } else { 1.into() }
}

impl<const N: usize> Cropping<N> {
    /// The layer that cuts so many numbers.
    #[must_use]
    pub fn new(cropping: impl Into<Margins<N>>) -> Self {
        Self { cropping: cropping.into(), data_format: Format::default() }
    }
}

impl Cropping<2> {
    /// Sets where the channels are; last by default.
    #[must_use]
    pub fn data_format(mut self, data_format: DataFormat) -> Self {
        self.data_format = Format(data_format);
        self
    }
}

impl Cropping<3> {
    /// Sets where the channels are; last by default.
    #[must_use]
    pub fn data_format(mut self, data_format: DataFormat) -> Self {
        self.data_format = Format(data_format);
        self
    }
}

impl<const N: usize> Layer for Cropping<N> {
    fn class_name(&self) -> &'static str {
        ["Cropping1D", "Cropping2D", "Cropping3D"][N - 1]
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let format = self.data_format.0;
        let mut shape = format.spatial_input::<N>(inputs)?;
        for (axis, &(before, after)) in self.cropping.0.iter().enumerate() {
            let at = axis.cast_signed() + 1;
            let len = shape.dim(at)?.clone();
            let cut = before.saturating_add(after);
            if i32::try_from(cut).is_err() {
                return Err(Error::invalid(
                    "`cropping` makes no sense",
                    "smaller numbers",
                )
                .got(format_args!("{before} and {after}")));
            }
            let shorter = match len.known() {
                _ if cut == 0 => len,
                None => Dim::Unknown,
                Some(known) if known > cut => (known - cut).into(),
                Some(known) => {
                    let expected =
                        format!("less than {known} cut from an axis of {known}");
                    return Err(Error::invalid("`cropping` leaves nothing", expected)
                        .got(format_args!("{before} and {after}")));
                }
            };
            shape = shape.with(at, shorter)?;
        }
        Ok(vec![format.shape_of_last(&shape)])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl<const N: usize> Built for Cropping<N> {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        let mut parts = vec![Part::from(..)];
        if self.data_format.0 == DataFormat::ChannelsFirst {
            parts.push(Part::from(..));
        }
        parts.extend(self.cropping.0.iter().map(|&(before, after)| {
            let start = before.cast_signed();
            if after == 0 {
                Part::from(start..)
            } else {
                Part::from(start..-after.cast_signed())
            }
        }));
        let x = inputs.only()?;
        let cuts = self.cropping.0.iter().map(|&(before, after)| before + after);
        let longer = Longer { first: parts.len() - N, cuts: cuts.collect() };
        Ok(vec![Var::apply_one(longer, &[x])?.slice(parts)?])
    }
}

/// What it is given, if each axis from `first` on is longer than what is cut from it.
#[derive(Debug)]
struct Longer {
    first: usize,
    cuts: Vec<usize>,
}

impl Op for Longer {
    fn name(&self) -> &str {
        "cropping"
    }

    fn infer(&self, inputs: &[Signature]) -> GraphResult<Vec<Signature>> {
        let axes = inputs[0].shape.dims()[self.first..].iter().zip(&self.cuts);
        for (axis, (dim, &cut)) in axes.enumerate() {
            if let Some(len) = dim.known().filter(|&len| cut > 0 && len <= cut) {
                let expected =
                    format_args!("more than {cut} cells along spatial axis {axis}");
                return Err(TensorError::invalid("cropping", expected).got(len).into());
            }
        }
        Ok(vec![inputs[0].clone()])
    }

    fn lower(&self, inputs: &[Value], _lower: &mut Lower<'_>) -> GraphResult<Vec<Value>> {
        Ok(vec![inputs[0]])
    }

    fn vjp(&self, rule: &Rule<'_>) -> GraphResult<Vec<Option<Var>>> {
        Ok(vec![Some(rule.dy()?)])
    }
}

#[cfg(test)]
mod tests {
    use deckle_autograd::{Device, Function};
    use deckle_tensor::{DType, Tensor};

    use super::*;
    use crate::{Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Cropping1D::new((1, 0)), [[2, 3, 2]])?;
        check_layer(&Cropping2D::new([1, 0]), [[2, 3, 2, 2]])?;
        check_layer(
            &Cropping2D::new([(0, 1), (1, 1)]).data_format(DataFormat::ChannelsFirst),
            [[2, 1, 3, 4]],
        )?;
        check_layer(&Cropping3D::new(1), [[1, 3, 4, 3, 2]])
    }

    #[test]
    fn cutting_all_of_an_unknown_length_is_an_error() -> Result<()> {
        let layer = Cropping1D::new((2, 1));
        let model = Sequential::new([None, Some(1)]).add(layer).build()?;
        let shape = [Dim::symbol("batch"), Dim::symbol("steps"), Dim::Known(1)];
        let x = Var::input("x", shape.into_iter().collect::<Shape>(), DType::F32);
        let y = model.call(std::slice::from_ref(&x), &mut Call::inference())?;
        let crop = Function::new([&x], [&y[0]]).compile(&Device::reference())?;
        let steps = |n: usize| Tensor::full([1, n, 1], 1.0f32);
        assert_eq!(crop.call(&[steps(4)])?[0].shape(), [1, 1, 1]);
        let error = crop.call(&[steps(3)]).unwrap_err().to_string();
        assert!(error.contains("more than 3 cells along spatial axis 0"), "{error}");
        let error = model.call(&[Var::constant(&steps(2))], &mut Call::inference());
        assert!(error.unwrap_err().to_string().contains("more than 3 cells"));
        Ok(())
    }

    #[test]
    fn cutting_all_is_an_error() {
        let error =
            Cropping1D::new((2, 1)).output_shape(&[[2, 3, 2].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`cropping` leaves nothing\n  expected: less than 3 cut from an axis of 3\n       \
             got: 2 and 1"
        );
    }
}
