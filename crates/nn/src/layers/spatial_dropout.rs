//! Leaving out whole channels: `SpatialDropout1D`, `SpatialDropout2D`, `SpatialDropout3D`.

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::{DataFormat, dropout::dropout, setters::setters};
use crate::{Built, Call, Init, Inputs, Layer, Result, expect};

/// Leaves out [channels](SpatialDropout) of sequences.
pub type SpatialDropout1D = SpatialDropout<1>;
/// Leaves out [channels](SpatialDropout) of images.
pub type SpatialDropout2D = SpatialDropout<2>;
/// Leaves out [channels](SpatialDropout) of volumes.
pub type SpatialDropout3D = SpatialDropout<3>;

/// Sets whole channels to 0 at random in training, with probability `rate`.
///
/// The others are divided by `1 - rate`. In inference the output is the input. Masks pass
/// through. The names [`SpatialDropout1D`], [`SpatialDropout2D`] and [`SpatialDropout3D`] stand
/// for one, two and three spatial axes.
///
/// # Shapes
///
/// `(batch, spatial..., channels)`; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if the input has another rank, or `rate` is not between 0 and 1.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::SpatialDropout1D};
///
/// let words = [None, None, Some(8)].into();
/// let shapes = SpatialDropout1D::new(0.5).output_shape(&[words])?;
/// assert_eq!(shapes[0].to_string(), "(batch, ?, 8)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.SpatialDropout1D` and so on. The numbers differ from Keras's.
///
/// # References
///
/// Tompson et al., *Efficient object localization using convolutional networks* (2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpatialDropout<const N: usize> {
    rate: f64,
    #[serde(default)]
    seed: Option<u64>,
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

impl<const N: usize> SpatialDropout<N> {
    /// The layer that leaves out that share.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self { rate, seed: None, data_format: Format::default() }
    }

    setters! {
        /// Sets the seed that the numbers depend on; the layer's name by default.
        seed: into Option<u64>;
    }
}

impl SpatialDropout<2> {
    /// Sets where the channels are; last by default.
    #[must_use]
    pub fn data_format(mut self, data_format: DataFormat) -> Self {
        self.data_format = Format(data_format);
        self
    }
}

impl SpatialDropout<3> {
    /// Sets where the channels are; last by default.
    #[must_use]
    pub fn data_format(mut self, data_format: DataFormat) -> Self {
        self.data_format = Format(data_format);
        self
    }
}

impl<const N: usize> Layer for SpatialDropout<N> {
    fn class_name(&self) -> &'static str {
        ["SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"][N - 1]
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        expect::rate("rate", self.rate)?;
        self.data_format.0.spatial_input::<N>(inputs)?;
        Ok(inputs.to_vec())
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn passes_mask(&self) -> bool {
        true
    }

    fn takes_trainable(&self) -> bool {
        false
    }
}

impl<const N: usize> Built for SpatialDropout<N> {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        if !call.is_training() || self.rate <= 0.0 {
            return Ok(vec![x.clone()]);
        }
        let first = match self.data_format.0 {
            DataFormat::ChannelsLast => 1,
            DataFormat::ChannelsFirst => 2,
        };
        let shared: Vec<_> = (first..first + N).collect();
        Ok(vec![dropout(x, self.rate, self.seed, &shared, call)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Randomness, Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&SpatialDropout1D::new(0.4), [[2, 3, 2]])?;
        check_layer(&SpatialDropout2D::new(0.3).seed(3), [[2, 2, 2, 2]])?;
        let first = SpatialDropout3D::new(0.5).data_format(DataFormat::ChannelsFirst);
        check_layer(&first, [[1, 2, 1, 2, 2]])
    }

    #[test]
    fn channels_are_left_out_as_a_whole() -> Result<()> {
        let model = Sequential::new([5, 16]).add(SpatialDropout1D::new(0.5)).build()?;
        let number = Var::constant(&Tensor::scalar(2i64));
        let mut call = Call::training(Randomness { seed: &number, step: &number });
        let x = Var::constant(&Tensor::full([1, 5, 16], 1.0f32));
        let y = model.call(&[x], &mut call)?[0].eval()?.to_vec::<f32>()?;
        assert!(y.chunks(16).all(|step| step == &y[..16]));
        assert!(y.contains(&0.0) && y.contains(&2.0));
        Ok(())
    }
}
