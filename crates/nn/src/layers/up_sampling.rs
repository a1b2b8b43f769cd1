//! Longer spatial axes: `UpSampling1D`, `UpSampling2D`, `UpSampling3D`.

use std::f64::consts::PI;

use deckle_autograd::{Axis, Var};
use deckle_tensor::{Dim, Shape, Tensor};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use super::{DataFormat, PerAxis, setters::setters};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// [Repeats](UpSampling) each step.
pub type UpSampling1D = UpSampling<1>;
/// [Enlarges](UpSampling) images.
pub type UpSampling2D = UpSampling<2>;
/// [Repeats](UpSampling) the cells of volumes.
pub type UpSampling3D = UpSampling<3>;

/// What lies between the pixels of an image that is enlarged.
///
/// Pixels are squares: the first of twice as many lies a quarter of a pixel before the first.
///
/// # Keras
///
/// `interpolation` of `keras.layers.UpSampling2D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// What the nearest pixel is.
    #[default]
    Nearest,
    /// Lines between pixels.
    Bilinear,
    /// Keys's cubic curves through four pixels.
    Bicubic,
    /// Lanczos's kernel over six pixels.
    Lanczos3,
    /// Lanczos's kernel over ten pixels.
    Lanczos5,
}

impl Interpolation {
    /// How far a pixel reaches.
    fn reach(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos3 => 3.0,
            Self::Lanczos5 => 5.0,
        }
    }

    /// How much a pixel at that distance counts.
    fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Self::Nearest => f64::from(u8::from(x <= 0.5)),
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => ((1.5 * x - 2.5) * x) * x + 1.0,
            Self::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Bicubic => 0.0,
            Self::Lanczos3 | Self::Lanczos5 => {
                let reach = self.reach();
                if x > reach {
                    0.0
                } else if x <= 1e-3 {
                    1.0
                } else {
                    reach * (PI * x).sin() * (PI * x / reach).sin() / (PI * PI * x * x)
                }
            }
        }
    }

    /// For each pixel of an axis that becomes `factor` times as long: where the pixels are that
    /// it is made of, and how much each counts; one list for each of these pixels.
    fn taps(self, len: usize, factor: usize) -> Vec<(Vec<i32>, Vec<f64>)> {
        let count = (2.0 * self.reach()) as usize;
        let mut taps = vec![(Vec::new(), Vec::new()); count];
        for i in 0..len * factor {
            let place = (i as f64 + 0.5) / factor as f64 - 0.5;
            let first = (place - self.reach()).floor() as i64 + 1;
            let inside = |at: i64| (0..len as i64).contains(&at);
            let weights: Vec<_> = (first..first + count as i64)
                .map(|at| if inside(at) { self.weight(place - at as f64) } else { 0.0 })
                .collect();
            let sum: f64 = weights.iter().sum();
            for (tap, weight) in weights.iter().enumerate() {
                let at = (first + tap as i64).clamp(0, len as i64 - 1);
                taps[tap].0.push(at as i32);
                taps[tap].1.push(weight / sum);
            }
        }
        taps
    }
}

/// Makes each spatial axis several times as long.
///
/// The names [`UpSampling1D`], [`UpSampling2D`] and [`UpSampling3D`] stand for one, two and three
/// spatial axes. Cells are repeated; images may be interpolated.
///
/// # Shapes
///
/// `(batch, spatial..., channels)` becomes `(batch, longer..., channels)`.
///
/// # Errors
///
/// Applying it fails if the input has another rank, or a length is unknown where it is
/// interpolated.
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
    #[serde(default = "two")]
    size: PerAxis<N>,
    #[serde(default)]
    data_format: DataFormat,
    #[serde(default)]
    interpolation: Interpolation,
}

fn two<const N: usize>() -> PerAxis<N> {
    2.into()
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
                let known = expect::known(&shape, at)?;
                expect::positive("the length of an image", known)?;
                if known.checked_mul(factor).is_none_or(|n| i32::try_from(n).is_err()) {
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
        let mut x = inputs.only()?.clone();
        let first = match self.data_format {
            DataFormat::ChannelsLast => 1,
            DataFormat::ChannelsFirst => 2,
        };
        for (axis, &factor) in self.size.0.iter().enumerate() {
            let at: usize = first + axis;
            if self.interpolation == Interpolation::Nearest {
                x = x.repeat(factor, at.cast_signed())?;
                continue;
            }
            let len = expect::known(x.shape(), at.cast_signed())?;
            let mut place = vec![Axis::from(1); x.rank()];
            place[at] = Axis::Rest;
            let mut sum: Option<Var> = None;
            for (places, weights) in self.interpolation.taps(len, factor) {
                let count = [places.len()];
                let places = Var::constant(&Tensor::new(places, count)?);
                let weights = Tensor::new(weights, count)?.cast(x.dtype());
                let weights = Var::constant(&weights).reshape(place.clone())?;
                let part = x.gather(at.cast_signed(), &places)?.mul(&weights)?;
                sum = Some(sum.map_or(Ok(part.clone()), |sum| sum.add(&part))?);
            }
            x = sum.unwrap_or(x);
        }
        Ok(vec![x])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

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
    fn weights_of_a_pixel_are_1_together() {
        for interpolation in [Interpolation::Bilinear, Interpolation::Lanczos5] {
            let taps = interpolation.taps(3, 4);
            for i in 0..12 {
                let sum: f64 = taps.iter().map(|(_, weights)| weights[i]).sum();
                assert!((sum - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn an_unknown_length_cannot_be_interpolated() {
        let layer = UpSampling2D::new(2).interpolation(Interpolation::Bilinear);
        let error = layer.output_shape(&[[None, None, Some(3), Some(1)].into()]);
        assert!(error.unwrap_err().to_string().contains("a known length of axis 1"));
    }
}
