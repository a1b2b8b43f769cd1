//! Random numbers in training: `GaussianNoise`, `GaussianDropout`, `AlphaDropout`.

use deckle_autograd::Var;
use deckle_tensor::{Distribution, Shape};
use serde::{Deserialize, Serialize};

use super::{dropout::check_noise_shape, dropout::shared_axes, setters::setters};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// Adds normal numbers of that standard deviation in training.
///
/// In inference the output is the input. Masks pass through.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if the deviation is not between 0 and 1.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::GaussianNoise};
///
/// let layer = GaussianNoise::new(0.1);
/// assert_eq!(layer.output_shape(&[[None, Some(8)].into()])?, [[None, Some(8)].into()]);
/// assert!(GaussianNoise::new(-0.1).output_shape(&[[None, Some(8)].into()]).is_err());
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.GaussianNoise`. The numbers differ from Keras's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaussianNoise {
    stddev: f64,
    #[serde(default)]
    seed: Option<u64>,
}

impl GaussianNoise {
    /// The layer that adds numbers of that standard deviation.
    #[must_use]
    pub fn new(stddev: f64) -> Self {
        Self { stddev, seed: None }
    }

    setters! {
        /// Sets the seed that the numbers depend on; the layer's name by default.
        seed: into Option<u64>;
    }
}

impl Layer for GaussianNoise {
    fn class_name(&self) -> &'static str {
        "GaussianNoise"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        expect::rate("stddev", self.stddev)?;
        Ok(vec![expect::one_input(inputs)?.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl Built for GaussianNoise {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        if !call.is_training() || self.stddev <= 0.0 {
            return Ok(vec![x.clone()]);
        }
        let noise = call.random_from(self.seed, Distribution::Normal, x, &[])?;
        Ok(vec![x.add(&noise.mul(self.stddev)?)?])
    }
}

/// Multiplies by normal numbers of mean 1 in training.
///
/// Their deviation `√(rate / (1 - rate))` is that of [`Dropout`](super::Dropout). In inference
/// the output is the input. Masks pass through.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if `rate` is not from 0 to below 1.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::GaussianDropout};
///
/// let layer = GaussianDropout::new(0.5);
/// assert_eq!(layer.output_shape(&[[None, Some(8)].into()])?, [[None, Some(8)].into()]);
/// assert!(GaussianDropout::new(1.0).output_shape(&[[None, Some(8)].into()]).is_err());
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.GaussianDropout`, which takes a rate of 1 too and divides by 0. The numbers
/// differ from Keras's.
///
/// # References
///
/// Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*
/// (2014), section 10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaussianDropout {
    rate: f64,
    #[serde(default)]
    seed: Option<u64>,
}

impl GaussianDropout {
    /// The layer with noise as that of a dropout at that rate.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self { rate, seed: None }
    }

    setters! {
        /// Sets the seed that the numbers depend on; the layer's name by default.
        seed: into Option<u64>;
    }
}

fn below_one(rate: f64) -> Result<()> {
    if (0.0..1.0).contains(&rate) {
        return Ok(());
    }
    Err(Error::invalid("`rate` makes no sense", "a number from 0 to below 1").got(rate))
}

impl Layer for GaussianDropout {
    fn class_name(&self) -> &'static str {
        "GaussianDropout"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        below_one(self.rate)?;
        Ok(vec![expect::one_input(inputs)?.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl Built for GaussianDropout {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        if !call.is_training() || self.rate <= 0.0 {
            return Ok(vec![x.clone()]);
        }
        let deviation = (self.rate / (1.0 - self.rate)).sqrt();
        let noise = call.random_from(self.seed, Distribution::Normal, x, &[])?;
        Ok(vec![x.mul(&noise.mul(deviation)?.add(1.0)?)?])
    }
}

/// Sets elements to the least value of the SELU at random in training, and keeps mean and
/// variance.
///
/// With `a = ((1 - rate) · (1 + rate · α²))^-½` and `α = -1.7580993`, a kept `x` becomes
/// `a · (x - α · rate)`, another one `a · (α - α · rate)`. In inference the output is the input.
/// Masks pass through.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if `rate` is not from 0 to below 1, or `noise_shape` has a length that is
/// neither 1 nor the input's.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::AlphaDropout};
///
/// let layer = AlphaDropout::new(0.1);
/// assert_eq!(layer.output_shape(&[[None, Some(8)].into()])?, [[None, Some(8)].into()]);
/// assert!(AlphaDropout::new(1.5).output_shape(&[[None, Some(8)].into()]).is_err());
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.AlphaDropout`, which takes a rate of 1 too and divides by 0. The numbers differ
/// from Keras's.
///
/// # References
///
/// Klambauer et al., *Self-normalizing neural networks* (2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlphaDropout {
    rate: f64,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    noise_shape: Option<Vec<Option<usize>>>,
}

impl AlphaDropout {
    /// The layer that leaves out that share.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self { rate, seed: None, noise_shape: None }
    }

    setters! {
        /// Sets the seed that the numbers depend on; the layer's name by default.
        seed: into Option<u64>;
        /// Sets the shape of the random numbers, the batch axis included: 1 where an axis shares
        /// them, `None` for the input's length. A shorter one is that of the last axes, the
        /// others share. No axis shares them by default.
        noise_shape: into Option<Vec<Option<usize>>>;
    }
}

impl Layer for AlphaDropout {
    fn class_name(&self) -> &'static str {
        "AlphaDropout"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        below_one(self.rate)?;
        check_noise_shape(self.noise_shape.as_deref(), input)?;
        Ok(vec![input.clone()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl Built for AlphaDropout {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let (x, rate) = (inputs.only()?, self.rate);
        if !call.is_training() || rate <= 0.0 {
            return Ok(vec![x.clone()]);
        }
        let alpha = -1.673_263_242_354_377_2 * 1.050_700_987_355_480_5;
        let a = ((1.0 - rate) * (1.0 + rate * alpha * alpha)).sqrt().recip();
        let shared = shared_axes(self.noise_shape.as_deref(), x.shape());
        let draw = call.random_from(self.seed, Distribution::Uniform, x, &shared)?;
        let kept = draw.greater_equal(rate)?.select(x, alpha)?;
        Ok(vec![kept.mul(a)?.add(-a * alpha * rate)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{AnyLayer, Randomness, Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&GaussianNoise::new(0.2), [[2, 3]])?;
        check_layer(&GaussianNoise::new(0.0).seed(3), [[2, 3]])?;
        check_layer(&GaussianDropout::new(0.3), [[2, 3]])?;
        check_layer(&GaussianDropout::new(0.0).seed(1), [[2, 3]])?;
        check_layer(&AlphaDropout::new(0.3), [[2, 3]])?;
        check_layer(
            &AlphaDropout::new(0.3).seed(7).noise_shape(vec![None, Some(1), None]),
            [[2, 3, 4]],
        )
    }

    /// Mean and deviation of what the layer makes, in training, of numbers with mean 0 and
    /// deviation 1, or of ones.
    fn moments(layer: impl AnyLayer, ones: bool) -> (f64, f64) {
        let model = Sequential::new([200]).add(layer).build().unwrap();
        let number = Var::constant(&Tensor::scalar(1i64));
        let mut call = Call::training(Randomness { seed: &number, step: &number });
        let values = (0..40_000).map(|i| if ones || i % 2 == 0 { 1.0f32 } else { -1.0 });
        let x = Tensor::new(values.collect::<Vec<_>>(), [200, 200]).unwrap();
        let y = model.call(&[Var::constant(&x)], &mut call).unwrap()[0].eval().unwrap();
        let y = y.to_vec::<f32>().unwrap();
        let mean = y.iter().map(|&y| f64::from(y)).sum::<f64>() / 40_000.0;
        let square = y.iter().map(|&y| (f64::from(y) - mean).powi(2)).sum::<f64>();
        (mean, (square / 40_000.0).sqrt())
    }

    #[test]
    fn noise_has_the_moments_that_it_should_have() {
        let near = |(a, b): (f64, f64), mean: f64, deviation: f64| {
            assert!((a - mean).abs() < 0.02 && (b - deviation).abs() < 0.02, "{a} {b}");
        };
        near(moments(GaussianNoise::new(0.3), true), 1.0, 0.3);
        near(moments(GaussianDropout::new(0.2), true), 1.0, 0.5);
        near(moments(AlphaDropout::new(0.2), false), 0.0, 1.0);
    }

    #[test]
    fn a_rate_of_1_is_an_error() {
        let error = AlphaDropout::new(1.0).output_shape(&[[2, 3].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`rate` makes no sense\n  expected: a number from 0 to below 1\n       got: 1"
        );
    }
}
