//! Images of which a part is hidden in training: `RandomErasing`.

use deckle_autograd::{Axis, Var};
use deckle_tensor::{Distribution, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::{DataFormat, Factor, setters::setters};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// What a hidden part is filled with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Fill {
    One(f64),
    Channels(Vec<f64>),
}

/// Hides a rectangle of images in training.
///
/// Each image has a rectangle of its own at each step. The chance that it is hidden lies between
/// the two numbers of `factor`; each side is a part of the image's whose square lies between the
/// two of `scale`; it is filled with noise, or with `fill_value`. In inference the output is the
/// input.
///
/// # Shapes
///
/// `(batch, height, width, channels)`, both sides known; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if the input has another rank or unknown sides, or a setting makes no sense.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::RandomErasing};
///
/// let image = [None, Some(28), Some(28), Some(3)].into();
/// let layer = RandomErasing::new().factor(0.5).fill_value([0.0, 0.0, 0.0]);
/// assert_eq!(layer.output_shape(&[image])?[0].to_string(), "(batch, 28, 28, 3)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.RandomErasing`.
///
/// # References
///
/// Zhong, Zheng, Kang, Li, Yang: *Random Erasing Data Augmentation* (2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandomErasing {
    #[serde(default = "certain")]
    factor: Factor,
    #[serde(default = "third")]
    scale: Factor,
    #[serde(default)]
    fill_value: Option<Fill>,
    #[serde(default = "bytes")]
    value_range: [f64; 2],
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    data_format: DataFormat,
}

fn certain() -> Factor {
    Factor::from((0.0, 1.0))
}

fn third() -> Factor {
    Factor::from((0.02, 0.33))
}

fn bytes() -> [f64; 2] {
    [0.0, 255.0]
}

impl Default for RandomErasing {
    fn default() -> Self {
        Self::new()
    }
}

impl RandomErasing {
    /// The layer with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            factor: certain(),
            scale: third(),
            fill_value: None,
            value_range: bytes(),
            seed: None,
            data_format: DataFormat::ChannelsLast,
        }
    }

    setters! {
        /// Sets the seed that chance depends on; the layer's name by default.
        seed: into Option<u64>;
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
    }

    /// Sets what the chance lies between, 0 to 1, which is the default; one number is the upper.
    #[must_use]
    pub fn factor(mut self, factor: impl Into<Factor>) -> Self {
        self.factor = factor.into();
        self
    }

    /// Sets what the hidden part lies between, 0 to 1; 0.02 and 0.33 by default; one number is the
    /// upper.
    #[must_use]
    pub fn scale(mut self, scale: impl Into<Factor>) -> Self {
        self.scale = scale.into();
        self
    }

    /// Sets what the hidden part is filled with, a number for each channel; noise by default.
    #[must_use]
    pub fn fill_value(mut self, value: impl Into<Vec<f64>>) -> Self {
        let value = value.into();
        self.fill_value = Some(match value[..] {
            [one] => Fill::One(one),
            _ => Fill::Channels(value),
        });
        self
    }

    /// Sets the least and the largest value of a pixel; 0 and 255 by default.
    #[must_use]
    pub fn value_range(mut self, low: f64, high: f64) -> Self {
        self.value_range = [low, high];
        self
    }

    fn ranges(&self) -> Result<[[f64; 2]; 2]> {
        let factor = self.factor.non_negative().reach("factor", 0.0, 1.0)?;
        Ok([factor, self.scale.non_negative().reach("scale", 0.0, 1.0)?])
    }
}

impl Layer for RandomErasing {
    fn class_name(&self) -> &'static str {
        "RandomErasing"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let shape = self.data_format.spatial_input::<2>(inputs)?;
        expect::known(&shape, 1)?;
        expect::known(&shape, 2)?;
        self.ranges()?;
        if let Some(Fill::Channels(values)) = &self.fill_value {
            let channels = expect::known(&shape, 3)?;
            if values.len() != channels {
                return Err(Error::invalid(
                    "`fill_value` does not fit the input",
                    format_args!("one number or {channels}"),
                )
                .got(format_args!("{} numbers", values.len())));
            }
        }
        let [low, high] = self.value_range;
        if low.partial_cmp(&high).is_none_or(std::cmp::Ordering::is_gt) {
            return Err(Error::invalid(
                "`value_range` makes no sense",
                "two numbers, the lower one first",
            )
            .got(format_args!("{:?}", self.value_range)));
        }
        Ok(inputs.to_vec())
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for RandomErasing {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let given = inputs.only()?.cast(call.dtype())?;
        if !call.is_training() {
            return Ok(vec![given]);
        }
        let x = self.data_format.to_last(&given)?;
        let [factor, scale] = self.ranges()?;
        let between = |[low, high]: [f64; 2], call: &mut Call<'_>| -> Result<Var> {
            let uniform = Distribution::Uniform;
            let draw = call.random_from(self.seed, uniform, &x, &[1, 2, 3])?;
            Ok(draw.mul(high - low)?.add(low)?)
        };
        let mut hidden: Option<Var> = None;
        for axis in [1isize, 2] {
            let side = expect::known(x.shape(), axis)? as f64;
            let len = between(scale, call)?.sqrt()?.mul(side)?;
            let start = between([0.0, 1.0], call)?.mul(&len.mul(-1.0)?.add(side)?)?;
            let end = start.add(&len)?;
            let mut shape = vec![Axis::from(1); x.rank()];
            shape[axis.unsigned_abs()] = Axis::Rest;
            let places = x.positions(axis, x.dtype())?.reshape(shape)?;
            let inside = places.greater_equal(&start)?.and(&places.less(&end)?)?;
            hidden = Some(hidden.map_or(Ok(inside.clone()), |all| all.and(&inside))?);
        }
        let chance = between(factor, call)?;
        let is_hidden = between([0.0, 1.0], call)?.less(&chance)?;
        let [low, high] = self.value_range;
        let fill = match &self.fill_value {
            None => {
                call.random_from(self.seed, Distribution::Normal, &x, &[])?.mul(high)?
            }
            Some(Fill::One(value)) => x.full_like(*value)?,
            Some(Fill::Channels(values)) => {
                let values = Tensor::new(values.clone(), [values.len()])?.cast(x.dtype());
                Var::constant(&values).broadcast_like(&x)?
            }
        };
        let fill = fill.clip(low, high)?;
        let Some(hidden) = hidden else { return Ok(vec![given]) };
        let y = hidden.and(&is_hidden)?.select(&fill, &x)?;
        Ok(vec![self.data_format.of_last(&y)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Randomness, Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&RandomErasing::new(), [[2, 3, 4, 1]])?;
        let layer = RandomErasing::new().fill_value([1.0, 2.0]).scale((0.3, 0.9)).seed(4);
        check_layer(&layer.data_format(DataFormat::ChannelsFirst), [[2, 2, 3, 4]])?;
        check_layer(
            &RandomErasing::new().factor(0.3).value_range(0.0, 1.0),
            [[2, 3, 4, 1]],
        )
    }

    fn trained(layer: RandomErasing) -> Result<Vec<f32>> {
        let model = Sequential::new([8, 8, 1]).add(layer).build()?;
        let number = Var::constant(&Tensor::scalar(1i64));
        let mut call = Call::training(Randomness { seed: &number, step: &number });
        let x = Var::constant(&Tensor::full([50, 8, 8, 1], -1.0f32));
        Ok(model.call(&[x], &mut call)?[0].eval()?.to_vec()?)
    }

    #[test]
    fn a_rectangle_of_each_image_is_hidden() -> Result<()> {
        // Half of each side: 4 or 5 pixels, by where it begins.
        let layer = RandomErasing::new().factor((1.0, 1.0)).scale((0.25, 0.25));
        for image in trained(layer.fill_value([9.0]))?.chunks(64) {
            let rows: Vec<_> = image.chunks(8).filter(|row| row.contains(&9.0)).collect();
            assert_eq!(rows.len(), 4);
            for row in &rows {
                assert_eq!(row, &rows[0]);
                assert_eq!(row.iter().filter(|&&pixel| pixel > 8.0).count(), 4);
            }
        }
        let noise = trained(RandomErasing::new().factor((1.0, 1.0)).scale((1.0, 1.0)))?;
        assert!(noise.iter().all(|pixel| (0.0..=255.0).contains(pixel)));
        assert!(noise.iter().any(|pixel| (1.0..254.0).contains(pixel)));
        let never = trained(RandomErasing::new().factor((0.0, 0.0)))?;
        assert_eq!(never, vec![-1.0; never.len()]);
        Ok(())
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let image = [[1, 2, 2, 3].into()];
        let error = RandomErasing::new().fill_value([1.0, 2.0]).output_shape(&image);
        assert_eq!(
            error.unwrap_err().to_string(),
            "`fill_value` does not fit the input\n  expected: one number or 3\n       got: 2 numbers"
        );
        assert!(RandomErasing::new().scale(1.5).output_shape(&image).is_err());
        assert!(RandomErasing::new().value_range(1.0, 0.0).output_shape(&image).is_err());
    }
}
