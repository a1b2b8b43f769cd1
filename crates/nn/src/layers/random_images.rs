//! Images that differ at each step of training: `RandomFlip`, `RandomBrightness`,
//! `RandomContrast`.

use deckle_autograd::Var;
use deckle_tensor::{Distribution, Shape, keep};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DataFormat, Factor, setters::setters};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result};

/// Numbers between two, one for each image: `(batch, 1, 1, 1)`.
fn per_image(
    x: &Var,
    [low, high]: [f64; 2],
    seed: Option<u64>,
    call: &mut Call<'_>,
) -> Result<Var> {
    let draw = call.random_from(seed, Distribution::Uniform, x, &[1, 2, 3])?;
    Ok(draw.mul(high - low)?.add(low)?)
}

/// Which way images are turned over.
///
/// # Keras
///
/// `mode` of `keras.layers.RandomFlip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
    /// Both at once.
    #[default]
    HorizontalAndVertical,
}

/// Turns half of the images over in training.
///
/// Each image has its own chance at each step. In inference the output is the input.
///
/// # Shapes
///
/// `(batch, height, width, channels)`; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if the input has another rank.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::{Flip, RandomFlip}};
///
/// let image = [None, Some(28), Some(28), Some(1)].into();
/// let shapes = RandomFlip::new(Flip::Horizontal).output_shape(&[image])?;
/// assert_eq!(shapes[0].to_string(), "(batch, 28, 28, 1)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.RandomFlip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandomFlip {
    #[serde(default)]
    mode: Flip,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    data_format: DataFormat,
}

impl RandomFlip {
    /// The layer that turns images over in that way.
    #[must_use]
    pub fn new(mode: Flip) -> Self {
        Self { mode, seed: None, data_format: DataFormat::ChannelsLast }
    }

    setters! {
        /// Sets the seed that chance depends on; the layer's name by default.
        seed: into Option<u64>;
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
    }
}

impl Layer for RandomFlip {
    fn class_name(&self) -> &'static str {
        "RandomFlip"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.data_format.spatial_input::<2>(inputs)?;
        Ok(inputs.to_vec())
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for RandomFlip {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?.cast(call.dtype())?;
        if !call.is_training() {
            return Ok(vec![x]);
        }
        let first = if self.data_format == DataFormat::ChannelsLast { 1 } else { 2 };
        let mut turned = x.clone();
        if self.mode != Flip::Horizontal {
            turned = turned.flip(first)?;
        }
        if self.mode != Flip::Vertical {
            turned = turned.flip(first + 1)?;
        }
        let chance = per_image(&x, [0.0, 1.0], self.seed, call)?;
        Ok(vec![chance.less_equal(0.5)?.select(&turned, &x)?])
    }
}

/// Two numbers: the setting `value_range`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
struct Between([f64; 2]);

impl TryFrom<Value> for Between {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let all: Option<Vec<f64>> =
            (value.as_array()).and_then(|all| all.iter().map(Value::as_f64).collect());
        all.and_then(|all| all.try_into().ok())
            .map(Self)
            .ok_or_else(|| format!("{value} is no list of two numbers"))
    }
}

impl Between {
    fn check(self) -> Result<()> {
        let [low, high] = self.0;
        if low <= high {
            return Ok(());
        }
        let expected = "two numbers, the lower one first";
        let error = Error::invalid("`value_range` makes no sense", expected);
        Err(error.got(format_args!("{:?}", self.0)))
    }
}

fn bytes() -> Between {
    Between([0.0, 255.0])
}

/// A layer that changes colors: the doc, its name, the range of factors, what it computes.
macro_rules! color {
    ($(#[$doc:meta])* $layer:ident, $least:literal, $change:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct $layer {
            factor: Factor,
            #[serde(default = "bytes")]
            value_range: Between,
            #[serde(default)]
            seed: Option<u64>,
            #[serde(default)]
            data_format: DataFormat,
        }

        impl $layer {
            /// The layer with a factor up to that.
            #[must_use]
            pub fn new(factor: f64) -> Self {
                let (seed, data_format) = (None, DataFormat::ChannelsLast);
                Self { factor: factor.into(), value_range: bytes(), seed, data_format }
            }

            setters! {
                /// Sets the seed that chance depends on; the layer's name by default.
                seed: into Option<u64>;
                /// Sets where the channels are; last by default.
                data_format: DataFormat;
            }

            /// Sets the least and the largest factor.
            #[must_use]
            pub fn factor(mut self, low: f64, high: f64) -> Self {
                self.factor = (low, high).into();
                self
            }

            /// Sets the least and the largest value of a pixel; 0 and 255 by default.
            #[must_use]
            pub fn value_range(mut self, low: f64, high: f64) -> Self {
                self.value_range = Between([low, high]);
                self
            }

            /// Both factors, of which Keras takes two that only reach there, too.
            fn factors(&self) -> Result<[f64; 2]> {
                let from_0 = $least >= 0.0;
                let factor = if from_0 { self.factor.non_negative() } else { self.factor };
                factor.reach("factor", $least, 1.0)?;
                factor.check("factor", -1.0, 1.0)
            }
        }

        impl Layer for $layer {
            fn class_name(&self) -> &'static str {
                stringify!($layer)
            }

            fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
                self.data_format.spatial_input::<2>(inputs)?;
                self.factors()?;
                self.value_range.check()?;
                Ok(inputs.to_vec())
            }

            fn build(
                &self,
                _inputs: &[Shape],
                _init: &mut Init<'_>,
            ) -> Result<Box<dyn Built>> {
                Ok(Box::new(self.clone()))
            }
        }

        impl Built for $layer {
            fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
                let x = inputs.only()?.cast(call.dtype())?;
                if !call.is_training() {
                    return Ok(vec![x]);
                }
                let change: fn(&Self, &Var, &mut Call<'_>) -> Result<Var> = $change;
                let [low, high] = self.value_range.0;
                Ok(vec![change(self, &x, call)?.clip(low, high)?])
            }
        }
    };
}

color! {
    /// Makes images brighter or darker in training: adds `factor` times the range of values.
    ///
    /// Each image has a factor of its own at each step, between two, -1 to 1; the result is clipped
    /// to the range. In inference the output is the input.
    ///
    /// # Shapes
    ///
    /// `(batch, height, width, channels)`; the output's is the input's.
    ///
    /// # Errors
    ///
    /// Applying it fails if the input has another rank, or factors or values make no range.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Layer, layers::RandomBrightness};
    ///
    /// let image = [None, Some(28), Some(28), Some(3)].into();
    /// let layer = RandomBrightness::new(0.2).value_range(0.0, 1.0);
    /// assert_eq!(layer.output_shape(&[image])?[0].to_string(), "(batch, 28, 28, 3)");
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.layers.RandomBrightness`, which also takes two numbers of which one is beyond -1 or 1.
    RandomBrightness, -1.0, |layer, x, call| {
        let factor = per_image(x, layer.factors()?, layer.seed, call)?;
        let [low, high] = layer.value_range.0;
        Ok(x.add(&factor.mul(high - low)?)?)
    }
}

color! {
    /// Changes the contrast of images in training: moves each channel away from its mean, or
    /// towards it.
    ///
    /// Each image has a factor of its own at each step, from `1 - low` to `1 + high` for the
    /// setting's two numbers, 0 to 1; the result is clipped to the range of values. In inference
    /// the output is the input.
    ///
    /// # Shapes
    ///
    /// `(batch, height, width, channels)`; the output's is the input's.
    ///
    /// # Errors
    ///
    /// Applying it fails if the input has another rank, or factors or values make no range.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Layer, layers::RandomContrast};
    ///
    /// let image = [None, Some(28), Some(28), Some(3)].into();
    /// let layer = RandomContrast::new(0.2).factor(0.1, 0.3);
    /// assert_eq!(layer.output_shape(&[image])?[0].to_string(), "(batch, 28, 28, 3)");
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.layers.RandomContrast`; there too, one number alone only adds contrast. It also takes
    /// two numbers of which one is beyond -1 or 1.
    RandomContrast, 0.0, |layer, x, call| {
        let [low, high] = layer.factors()?;
        let factor = per_image(x, [1.0 - low, 1.0 + high], layer.seed, call)?;
        let axes = if layer.data_format == DataFormat::ChannelsLast { [1, 2] } else { [2, 3] };
        let mean = x.mean(keep(axes))?;
        Ok(x.sub(&mean)?.mul(&factor)?.add(&mean)?)
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;
    use serde_json::json;

    use super::*;
    use crate::{AnyLayer, Randomness, Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&RandomFlip::new(Flip::Horizontal), [[2, 2, 3, 1]])?;
        let first = DataFormat::ChannelsFirst;
        check_layer(
            &RandomFlip::new(Flip::Vertical).seed(3).data_format(first),
            [[2, 1, 3, 2]],
        )?;
        check_layer(&RandomBrightness::new(0.2).value_range(-9.0, 9.0), [[2, 2, 2, 1]])?;
        let layer = RandomContrast::new(0.2).value_range(-9.0, 9.0).data_format(first);
        check_layer(&layer.factor(0.1, 0.4), [[2, 1, 2, 3]])
    }

    fn trained(layer: impl AnyLayer, x: Vec<f32>, shape: [usize; 4]) -> Vec<f32> {
        let model = Sequential::new(&shape[1..]).add(layer).build().unwrap();
        let number = Var::constant(&Tensor::scalar(1i64));
        let mut call = Call::training(Randomness { seed: &number, step: &number });
        let x = Var::constant(&Tensor::new(x, shape).unwrap());
        model.call(&[x], &mut call).unwrap()[0].eval().unwrap().to_vec().unwrap()
    }

    #[test]
    fn half_of_the_images_are_turned_over() {
        let images = [1.0, 2.0, 3.0, 4.0].repeat(400);
        let y =
            trained(RandomFlip::new(Flip::HorizontalAndVertical), images, [400, 2, 2, 1]);
        let turned = y.chunks(4).filter(|image| **image == [4.0, 3.0, 2.0, 1.0]).count();
        let kept = y.chunks(4).filter(|image| **image == [1.0, 2.0, 3.0, 4.0]).count();
        assert!(turned + kept == 400 && (160..240).contains(&turned), "{turned} {kept}");
        let y = trained(
            RandomFlip::new(Flip::Vertical),
            [1.0, 2.0].repeat(50),
            [50, 2, 1, 1],
        );
        assert!(y.chunks(2).any(|image| *image == [2.0, 1.0]));
    }

    #[test]
    fn each_image_has_a_factor_of_its_own_within_the_range() {
        let y = trained(RandomBrightness::new(0.1), vec![100.0; 200], [100, 2, 1, 1]);
        assert!(y.chunks(2).all(|image| image[0].to_bits() == image[1].to_bits()));
        assert!(y.iter().all(|y| (y - 100.0).abs() <= 25.5), "{y:?}");
        assert!(y.iter().any(|y| *y > 110.0) && y.iter().any(|y| *y < 90.0));
        let y =
            trained(RandomContrast::new(0.5), [100.0, 102.0].repeat(100), [100, 2, 1, 1]);
        let distances: Vec<_> = y.chunks(2).map(|image| image[1] - image[0]).collect();
        assert!(distances.iter().all(|d| (2.0 - 1e-4..=3.0 + 1e-4).contains(d)));
        assert!(distances.iter().any(|d| *d > 2.7) && distances.iter().any(|d| *d < 2.3));
        let y = trained(RandomBrightness::new(1.0), vec![250.0; 50], [50, 1, 1, 1]);
        assert!(y.iter().all(|y| (0.0..=255.0).contains(y)) && y.contains(&255.0));
    }

    #[test]
    fn one_number_of_contrast_is_the_upper_one() -> Result<()> {
        let read = |factor| -> Result<Vec<f64>> {
            let config = json!({ "factor": factor });
            let layer: RandomContrast = serde_json::from_value(config).unwrap();
            Ok(layer.factors()?.to_vec())
        };
        assert_eq!(read(json!(0.25))?, [0.0, 0.25]);
        assert_eq!(read(json!([0.5, 0.25]))?, [0.25, 0.5]);
        assert_eq!(read(json!([-0.5, 0.25]))?, [-0.5, 0.25]);
        assert!(read(json!(-0.25)).is_err() && read(json!([-3, 3])).is_err());
        let layer = RandomBrightness::new(-0.25);
        assert_eq!(layer.factors()?.to_vec(), [-0.25, 0.25]);
        let again: RandomBrightness = serde_json::from_value(layer.config()?).unwrap();
        assert_eq!(again, layer);
        Ok(())
    }

    #[test]
    fn a_range_that_is_none_is_named() {
        let image = [[1, 2, 2, 1].into()];
        let error = RandomBrightness::new(1.5).output_shape(&image).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`factor` makes no sense\n  expected: one or two numbers from -1 to 1\n       got: 1.5"
        );
        let negative = (RandomContrast::new(-0.1), "from 0 to 1\n       got: -0.1");
        let beyond = RandomContrast::new(0.1).factor(1.1, 0.2);
        for (layer, end) in [negative, (beyond, "from -1 to 1\n       got: [0.2, 1.1]")] {
            let error = layer.output_shape(&image).unwrap_err().to_string();
            assert!(error.ends_with(end), "{error}");
        }
        let layer = RandomContrast::new(0.1).value_range(1.0, 0.0);
        assert!(layer.output_shape(&image).is_err());
    }
}
