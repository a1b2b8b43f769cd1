//! Parts of images, others at each step of training: `RandomCrop`.

use deckle_autograd::Var;
use deckle_tensor::{DType, Distribution, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::{
    DataFormat,
    resizing::{resized, sides, stretched_middle},
    setters::setters,
};
use crate::{Built, Call, Init, Inputs, Layer, Result, expect};

/// Cuts a part out of images, at another place at each step of training, the same for all images
/// of a batch.
///
/// In inference, and where a side is not larger than what is made of it, the middle is cut out in
/// the proportions of what is made, and stretched.
///
/// # Shapes
///
/// `(batch, height, width, channels)` becomes the same with that size.
///
/// # Errors
///
/// Applying it fails if a side is 0, or unknown in training, or the input has another rank.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::RandomCrop};
///
/// let image = [None, Some(32), Some(32), Some(3)].into();
/// let shapes = RandomCrop::new(28, 24).output_shape(&[image])?;
/// assert_eq!(shapes[0].to_string(), "(batch, 28, 24, 3)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.RandomCrop` as it is documented; 3.15 leaves images as they are in inference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandomCrop {
    height: usize,
    width: usize,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    data_format: DataFormat,
}

impl RandomCrop {
    /// The layer that cuts images to that size.
    #[must_use]
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width, seed: None, data_format: DataFormat::ChannelsLast }
    }

    setters! {
        /// Sets the seed that chance depends on; the layer's name by default.
        seed: into Option<u64>;
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
    }
}

impl Layer for RandomCrop {
    fn class_name(&self) -> &'static str {
        "RandomCrop"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let made = sides(self.height, self.width)?;
        Ok(vec![resized(self.data_format, inputs, made)?])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for RandomCrop {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let mut x = self.data_format.to_last(&inputs.only()?.cast(call.dtype())?)?;
        let made = [self.height, self.width];
        let mut places = None;
        if call.is_training() {
            let given = [expect::known(x.shape(), 1)?, expect::known(x.shape(), 2)?];
            places = (given[0] > made[0] && given[1] > made[1])
                .then(|| [0, 1].map(|at| (given[at] - made[at] + 1) as f64));
        }
        if let Some(places) = places {
            let like = x.cast(DType::F32)?;
            for (at, axis) in [(0, 1), (1, 2)] {
                let chance = call.random_from(
                    self.seed,
                    Distribution::Uniform,
                    &like,
                    &[0, 1, 2, 3],
                )?;
                // A chance close to 1 may be rounded to one place too many.
                let start = chance.mul(places[at])?.floor()?;
                let start = start.clip(0.0, places[at] - 1.0)?;
                let start = start.merge_axes(0, 4)?.cast(DType::I32)?;
                let steps = Var::constant(&Tensor::arange(0..made[at] as i32));
                x = x.gather(axis, &steps.add(&start)?)?;
            }
        } else {
            x = stretched_middle(&x, made)?;
        }
        Ok(vec![self.data_format.of_last(&x)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Randomness, Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&RandomCrop::new(2, 2), [[2, 3, 4, 1]])?;
        let first = RandomCrop::new(4, 2).seed(1).data_format(DataFormat::ChannelsFirst);
        check_layer(&first, [[2, 1, 3, 4]])
    }

    #[test]
    fn every_part_comes_and_each_is_whole() -> Result<()> {
        let model = Sequential::new([3, 4, 1]).add(RandomCrop::new(2, 2)).build()?;
        let x: Vec<f32> = (0..24).map(|at| at as f32).collect();
        let x = Var::constant(&Tensor::new(x, [2, 3, 4, 1])?);
        let mut seen = std::collections::BTreeSet::new();
        for step in 0..60i64 {
            let seed = Var::constant(&Tensor::scalar(1i64));
            let step = Var::constant(&Tensor::scalar(step));
            let mut call = Call::training(Randomness { seed: &seed, step: &step });
            let y = model.call(std::slice::from_ref(&x), &mut call)?[0].eval()?;
            let y = y.to_vec::<f32>()?;
            let at = y[0];
            let part = [at, at + 1.0, at + 4.0, at + 5.0];
            assert_eq!(y, [part, part.map(|pixel| pixel + 12.0)].concat());
            seen.insert(at as usize);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 4, 5, 6]);
        Ok(())
    }
}
