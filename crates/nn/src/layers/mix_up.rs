//! Images that are mixed in training: `MixUp`.

use deckle_autograd::Var;
use deckle_tensor::{Distribution, Shape};
use serde::{Deserialize, Serialize};

use super::{DataFormat, setters::setters};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result};

/// Mixes each image with another of its batch in training.
///
/// Each image counts `w`, the other `1 - w`, where `w` is drawn from the beta distribution with
/// both parameters `alpha`. Targets are left as they are: mix a pipeline's batches for that. In
/// inference the output is the input.
///
/// # Shapes
///
/// `(batch, height, width, channels)`; the output's is the input's.
///
/// # Errors
///
/// Applying it fails if the input has another rank, or `alpha` is not positive.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::MixUp};
///
/// let image = [None, Some(28), Some(28), Some(3)].into();
/// assert_eq!(MixUp::new(0.2).output_shape(&[image])?[0].to_string(), "(batch, 28, 28, 3)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.MixUp` of images alone.
///
/// # References
///
/// Zhang, Cissé, Dauphin, Lopez-Paz: *mixup: Beyond Empirical Risk Minimization* (2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MixUp {
    #[serde(default = "fifth")]
    alpha: f64,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    data_format: DataFormat,
}

fn fifth() -> f64 {
    0.2
}

/// How often a number is drawn until one is right: each is with 0.95 or more.
const TRIES: usize = 6;

impl MixUp {
    /// The layer with that parameter of the beta distribution; 0.2 in Keras.
    #[must_use]
    pub fn new(alpha: f64) -> Self {
        Self { alpha, seed: None, data_format: DataFormat::ChannelsLast }
    }

    setters! {
        /// Sets the seed that chance depends on; the layer's name by default.
        seed: into Option<u64>;
        /// Sets where the channels are; last by default. Nothing depends on it.
        data_format: DataFormat;
    }

    fn draw(
        &self,
        distribution: Distribution,
        x: &Var,
        call: &mut Call<'_>,
    ) -> Result<Var> {
        call.random_from(self.seed, distribution, x, &[1, 2, 3])
    }

    /// The logarithm of a number from the gamma distribution with parameter `alpha`, for each
    /// image: Marsaglia and Tsang's method for `alpha + 1`, times a power of a uniform number.
    fn log_gamma(&self, x: &Var, call: &mut Call<'_>) -> Result<Var> {
        let d = self.alpha + 1.0 - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        // What is returned if no try is right, which happens once in 10⁷.
        let mut chosen = x.mean(deckle_tensor::keep([1, 2, 3]))?.full_like(d)?;
        for _ in 0..TRIES {
            let normal = self.draw(Distribution::Normal, x, call)?;
            let uniform = self.draw(Distribution::Uniform, x, call)?.clip(1e-30, 1.0)?;
            let root = normal.mul(c)?.add(1.0)?;
            let v = root.square()?.mul(&root)?;
            let positive = v.greater(0.0)?;
            let v = positive.select(&v, 1.0)?;
            let most = normal.square()?.mul(0.5)?.add(d)?.sub(&v.mul(d)?)?;
            let most = most.add(&v.log()?.mul(d)?)?;
            let right = positive.and(&uniform.log()?.less(&most)?)?;
            chosen = right.select(&v.mul(d)?, &chosen)?;
        }
        let uniform = self.draw(Distribution::Uniform, x, call)?.clip(1e-30, 1.0)?;
        Ok(chosen.log()?.add(&uniform.log()?.mul(1.0 / self.alpha)?)?)
    }
}

impl Layer for MixUp {
    fn class_name(&self) -> &'static str {
        "MixUp"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.data_format.spatial_input::<2>(inputs)?;
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            return Err(Error::invalid("`alpha` makes no sense", "a positive number")
                .got(self.alpha));
        }
        Ok(inputs.to_vec())
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for MixUp {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?.cast(call.dtype())?;
        if !call.is_training() {
            return Ok(vec![x]);
        }
        // Random numbers in their order: a permutation.
        let key = self.draw(Distribution::Uniform, &x, call)?.merge_axes(0, 4)?;
        let (_, order) = key.sort(0, false)?;
        let others = x.gather(0, &order)?;
        // a / (a + b), of logarithms.
        let (a, b) = (self.log_gamma(&x, call)?, self.log_gamma(&x, call)?);
        let weight = a.sub(&b)?.sigmoid()?;
        let rest = weight.mul(-1.0)?.add(1.0)?;
        Ok(vec![x.mul(&weight)?.add(&others.mul(&rest)?)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Randomness, Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&MixUp::new(0.2).seed(3), [[3, 2, 2, 1]])
    }

    /// What images of 0 and 1 become: the weights of the ones.
    fn mixed(alpha: f64) -> Result<Vec<f64>> {
        const LEN: usize = 4000;
        let model = Sequential::new([1, 1, 1]).add(MixUp::new(alpha)).build()?;
        let number = Var::constant(&Tensor::scalar(1i64));
        let mut call = Call::training(Randomness { seed: &number, step: &number });
        let x: Vec<f32> = (0..LEN).map(|at| (at % 2) as f32).collect();
        let x = Var::constant(&Tensor::new(x, [LEN, 1, 1, 1])?);
        let y = model.call(&[x], &mut call)?[0].eval()?.to_vec::<f32>()?;
        Ok(y.into_iter().map(f64::from).collect())
    }

    #[test]
    fn weights_are_from_the_beta_distribution() -> Result<()> {
        for alpha in [0.2, 1.0, 4.0] {
            let y = mixed(alpha)?;
            assert!(y.iter().all(|y| (0.0..=1.0).contains(y)));
            let len = y.len() as f64;
            let mean = y.iter().sum::<f64>() / len;
            // A pair differs with 1/2; the weight's variance is 1 / (4 (2 alpha + 1)).
            let square = y.iter().map(|y| y * y).sum::<f64>() / len;
            let expected = 0.25 + 0.5 * (0.25 + 0.25 / (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.03, "{alpha}: {mean}");
            assert!((square - expected).abs() < 0.03, "{alpha}: {square} {expected}");
        }
        Ok(())
    }

    #[test]
    fn a_parameter_that_makes_no_sense_is_named() {
        for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = MixUp::new(alpha).output_shape(&[[1, 2, 2, 3].into()]);
            assert!(error.unwrap_err().to_string().starts_with("`alpha` makes no sense"));
        }
    }
}
