//! Longer spatial axes: `UpSampling1D`, `UpSampling2D`, `UpSampling3D`.

use deckle_autograd::Var;
use deckle_tensor::{DType, Dim, Shape};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

use super::{
    DataFormat, Interpolation, PerAxis,
    interpolation::{LONGEST, Pixels, as_before},
    setters::setters,
};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// [Repeats](UpSampling) each step.
pub type UpSampling1D = UpSampling<1>;
/// [Enlarges](UpSampling) images.
pub type UpSampling2D = UpSampling<2>;
/// [Repeats](UpSampling) the cells of volumes.
pub type UpSampling3D = UpSampling<3>;

/// Makes each spatial axis several times as long.
///
/// The names [`UpSampling1D`], [`UpSampling2D`] and [`UpSampling3D`] stand for one, two and three
/// spatial axes. Cells are repeated; images may be interpolated, whole numbers then rounded.
///
/// # Shapes
///
/// `(batch, spatial..., channels)` becomes `(batch, longer..., channels)`.
///
/// # Errors
///
/// Applying it fails if the input has another rank, `size` is 0, or an interpolated axis becomes
/// longer than 2²⁰.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::UpSampling1D};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([2, 1]).add(UpSampling1D::new(2)).build()?;
/// let x = Var::constant(&Tensor::new(vec![1.0f32, 2.0], [1, 2, 1])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.UpSampling1D`, `UpSampling2D`, `UpSampling3D`. The size has no default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct UpSampling<const N: usize> {
    #[serde(default = "two", deserialize_with = "size")]
    size: PerAxis<N>,
    #[serde(default)]
    data_format: DataFormat,
    #[serde(default)]
    interpolation: Interpolation,
}

fn two<const N: usize>() -> PerAxis<N> {
    2.into()
}

/// One axis has a number, and no list of one.
fn size<'de, const N: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<PerAxis<N>, D::Error> {
    if N == 1 {
        return usize::deserialize(deserializer).map(PerAxis::from);
    }
    PerAxis::deserialize(deserializer)
}

/// Keras's classes have these settings as far as they have a meaning.
impl<const N: usize> Serialize for UpSampling<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if N == 1 {
            map.serialize_entry("size", &self.size.0[0])?;
        } else {
            map.serialize_entry("size", &self.size)?;
            map.serialize_entry("data_format", &self.data_format)?;
        }
        if N == 2 {
            map.serialize_entry("interpolation", &self.interpolation)?;
        }
        map.end()
    }
}

impl<const N: usize> UpSampling<N> {
    /// The layer that makes axes so many times as long.
    #[must_use]
    pub fn new(size: impl Into<PerAxis<N>>) -> Self {
        let (data_format, interpolation) =
            (DataFormat::ChannelsLast, Interpolation::Nearest);
        Self { size: size.into(), data_format, interpolation }
    }
}

impl UpSampling<2> {
    setters! {
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
        /// Sets what lies between pixels; the nearest one by default.
        interpolation: Interpolation;
    }
}

impl UpSampling<3> {
    setters! {
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
    }
}

impl<const N: usize> Layer for UpSampling<N> {
    fn class_name(&self) -> &'static str {
        ["UpSampling1D", "UpSampling2D", "UpSampling3D"][N - 1]
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let mut shape = self.data_format.spatial_input::<N>(inputs)?;
        for (axis, &factor) in self.size.0.iter().enumerate() {
            expect::positive("size", factor)?;
            let at = axis.cast_signed() + 1;
            let len = shape.dim(at)?.clone();
            if self.interpolation != Interpolation::Nearest {
                let known = len.known().unwrap_or(1);
                expect::positive("the length of an image", known)?;
                if known.checked_mul(factor).is_none_or(|n| n > LONGEST) {
                    return Err(Error::invalid("`size` makes no sense", "a smaller one")
                        .got(factor));
                }
            }
            let longer = Dim::from(len.known().and_then(|len| len.checked_mul(factor)));
            shape = shape.with(at, if factor == 1 { len } else { longer })?;
        }
        Ok(vec![self.data_format.shape_of_last(&shape)])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl<const N: usize> Built for UpSampling<N> {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        let given = inputs.only()?;
        let mut x = given.clone();
        let mixes = self.interpolation != Interpolation::Nearest;
        if mixes && !given.dtype().is_float() {
            x = x.cast(DType::F32)?;
        }
        let first = match self.data_format {
            DataFormat::ChannelsLast => 1,
            DataFormat::ChannelsFirst => 2,
        };
        for (axis, &factor) in self.size.0.iter().enumerate() {
            let at: usize = first + axis;
            if factor == 1 {
                continue;
            }
            if !mixes {
                x = x.repeat(factor, at.cast_signed())?;
                continue;
            }
            x = self.interpolation.resize(&x, at, Pixels::Times(factor), false)?;
        }
        Ok(vec![if x.dtype() == given.dtype() {
            x
        } else {
            as_before(&x, given.dtype())?
        }])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&UpSampling1D::new(3), [[2, 3, 2]])?;
        check_layer(&UpSampling2D::new([1, 2]), [[2, 2, 3, 2]])?;
        for interpolation in
            [Interpolation::Bilinear, Interpolation::Bicubic, Interpolation::Lanczos3]
        {
            let layer = UpSampling2D::new([2, 3]).interpolation(interpolation);
            check_layer(&layer, [[1, 2, 3, 2]])?;
        }
        let first = UpSampling2D::new(2).data_format(DataFormat::ChannelsFirst);
        check_layer(&first.interpolation(Interpolation::Lanczos5), [[1, 2, 2, 1]])?;
        check_layer(&UpSampling3D::new([2, 1, 2]), [[1, 1, 2, 1, 2]])
    }

    #[test]
    fn whole_numbers_between_pixels_are_rounded() -> Result<()> {
        let made = |interpolation, x: Tensor| -> Result<Tensor> {
            let layer = UpSampling2D::new([1, 2]).interpolation(interpolation);
            let model = Sequential::typed([1, 2, 1], x.dtype()).add(layer).build()?;
            let y = model.call(&[Var::constant(&x)], &mut Call::inference())?;
            Ok(y[0].eval()?)
        };
        let x = Tensor::new(vec![0i32, 9], [1, 1, 2, 1])?;
        let y = made(Interpolation::Bilinear, x.clone())?;
        assert_eq!(y.to_vec::<i32>()?, [0, 2, 7, 9]);
        let y = made(Interpolation::Bicubic, x.cast(DType::U8))?;
        assert_eq!(y.to_vec::<u8>()?[0], 0);
        let y = made(Interpolation::Bicubic, x)?;
        assert_eq!(y.to_vec::<i32>()?[0], -1);
        Ok(())
    }

    #[test]
    fn one_axis_has_no_list() {
        let read = serde_json::from_str::<UpSampling1D>;
        assert_eq!(read(r#"{"size": 3}"#).unwrap(), UpSampling1D::new(3));
        assert!(read(r#"{"size": [3]}"#).is_err());
    }
}
