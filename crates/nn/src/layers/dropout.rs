//! The layer that leaves out elements at random.

use deckle_autograd::Var;
use deckle_tensor::{Dim, Distribution, Shape};
use serde::{Deserialize, Serialize};

use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// Sets elements to 0 at random in training, with probability `rate`.
///
/// The others are divided by `1 - rate`, so that the expected sum stays. In inference, and if
/// `rate` is 0, the output is the input. Masks pass through.
///
/// # Shapes
///
/// Any; the output's is the input's.
///
/// # Errors
///
/// Building fails if `rate` is not between 0 and 1, or `noise_shape` has a length that is
/// neither 1 nor the input's, or more axes.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::Dropout};
///
/// let layer = Dropout::new(0.5);
/// assert_eq!(layer.output_shape(&[[None, Some(8)].into()])?, [[None, Some(8)].into()]);
/// assert!(Dropout::new(1.5).output_shape(&[[None, Some(8)].into()]).is_err());
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Dropout`. With `seed`, the numbers depend on it instead of the layer's name;
/// they depend on the seed of training in either case, and differ from Keras's.
///
/// # References
///
/// Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*
/// (2014).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropout {
    rate: f64,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    noise_shape: Option<Vec<Option<usize>>>,
}

impl Dropout {
    /// The layer that leaves out that share.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self { rate, seed: None, noise_shape: None }
    }

    /// Sets the seed that the numbers depend on; the layer's name by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the shape of the random numbers, the batch axis included: 1 where an axis shares
    /// them, `None` for the input's length. A shorter one is that of the last axes, the others
    /// share. No axis shares them by default.
    #[must_use]
    pub fn noise_shape(mut self, noise_shape: impl Into<Vec<Option<usize>>>) -> Self {
        self.noise_shape = Some(noise_shape.into());
        self
    }
}

/// The axes along which all elements share their fate.
pub(super) fn shared_axes(
    noise_shape: Option<&[Option<usize>]>,
    input: &Shape,
) -> Vec<usize> {
    let Some(noise) = noise_shape else { return Vec::new() };
    let added = input.rank().saturating_sub(noise.len());
    let lens = noise.iter().enumerate();
    let of_one = lens.filter(|&(at, &len)| {
        let own = len.or_else(|| input.dims().get(at)?.known().filter(|_| added > 0));
        own == Some(1)
    });
    (0..added).chain(of_one.map(|(at, _)| at + added)).collect()
}

/// That a shape of random numbers fits the input.
pub(super) fn check_noise_shape(
    noise_shape: Option<&[Option<usize>]>,
    input: &Shape,
) -> Result<()> {
    let Some(noise) = noise_shape else { return Ok(()) };
    let (dims, rank) = (input.dims(), input.rank());
    let added = rank.saturating_sub(noise.len());
    let fits = |(at, &len): (usize, &Option<usize>)| match (len, &dims[at + added]) {
        (Some(0), _) => false,
        (Some(1), _) => true,
        (Some(len), dim) => dim.known().is_none_or(|n| n == len),
        // That stands for the length of the axis at its place from the front.
        (None, dim) => match &dims[at] {
            _ if added == 0 => true,
            Dim::Unknown => false,
            own => *own == Dim::Known(1) || own == dim,
        },
    };
    if noise.len() <= rank && noise.iter().enumerate().all(fits) {
        return Ok(());
    }
    let expected = if noise.len() >= rank {
        format!("for each axis of {input}, its length, None or 1")
    } else {
        format!("for each of the last axes of {input}, its length or 1")
    };
    Err(Error::invalid("`noise_shape` makes no sense", expected).got(Shape::from(noise)))
}

impl Layer for Dropout {
    fn class_name(&self) -> &'static str {
        "Dropout"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        expect::rate("rate", self.rate)?;
        check_noise_shape(self.noise_shape.as_deref(), input)?;
        Ok(vec![input.clone()])
    }

    fn build(&self, inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let (rate, seed) = (self.rate, self.seed);
        let shared = shared_axes(self.noise_shape.as_deref(), expect::one_input(inputs)?);
        Ok(Box::new(BuiltDropout { rate, seed, shared }))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct BuiltDropout {
    rate: f64,
    seed: Option<u64>,
    shared: Vec<usize>,
}

impl Built for BuiltDropout {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        if !call.is_training() || self.rate <= 0.0 {
            return Ok(vec![x.clone()]);
        }
        Ok(vec![dropout(x, self.rate, self.seed, &self.shared, call)?])
    }
}

/// `x` with a random share left out and the rest divided by what remains.
pub(super) fn dropout(
    x: &Var,
    rate: f64,
    seed: Option<u64>,
    shared: &[usize],
    call: &mut Call<'_>,
) -> Result<Var> {
    if rate >= 1.0 {
        return Ok(x.mul(0.0)?);
    }
    let draw = call.random_from(seed, Distribution::Uniform, x, shared)?;
    let kept = x.mul(1.0 / (1.0 - rate))?;
    Ok(draw.greater_equal(rate)?.select(&kept, 0.0)?)
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Randomness, Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Dropout::new(0.5), [[2, 3]])?;
        check_layer(
            &Dropout::new(0.3).seed(7).noise_shape([None, Some(1), None]),
            [[2, 3, 4]],
        )?;
        check_layer(&Dropout::new(1.0), [[2, 3]])?;
        check_layer(&Dropout::new(0.0), [[2, 3]])
    }

    /// What the layer makes of ones in training.
    fn trained(layer: Dropout, shape: [usize; 2], seed: i64, step: i64) -> Vec<f32> {
        let model = Sequential::new([shape[1]]).add(layer).build().unwrap();
        let number = |n: i64| Var::constant(&Tensor::scalar(n));
        let (seed, step) = (number(seed), number(step));
        let mut call = Call::training(Randomness { seed: &seed, step: &step });
        let x = Var::constant(&Tensor::full(shape, 1.0f32));
        model.call(&[x], &mut call).unwrap()[0].eval().unwrap().to_vec().unwrap()
    }

    #[test]
    fn a_share_is_left_out_and_the_sum_stays() {
        let y = trained(Dropout::new(0.25), [100, 100], 1, 0);
        let zeros = y.iter().filter(|y| **y == 0.0).count();
        assert!((2300..2700).contains(&zeros), "{zeros}");
        assert!(y.iter().all(|&y| y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6));
    }

    #[test]
    fn each_step_and_seed_has_numbers_of_its_own() {
        let at = |seed, step| trained(Dropout::new(0.5), [8, 8], seed, step);
        assert_eq!(at(1, 0), at(1, 0));
        assert_ne!(at(1, 0), at(1, 1));
        assert_ne!(at(1, 0), at(2, 0));
        assert_ne!(at(1, 0), trained(Dropout::new(0.5).seed(3), [8, 8], 1, 0));
    }

    #[test]
    fn shared_axes_share_their_fate() {
        let y = trained(Dropout::new(0.5).noise_shape([None, Some(1)]), [64, 8], 1, 0);
        assert!(y.chunks(8).all(|row| row == [row[0]; 8]));
        assert!(y.contains(&0.0) && y.contains(&2.0));
    }

    #[test]
    fn inference_and_rate_0_change_nothing() -> Result<()> {
        let x = Var::constant(&Tensor::full([2, 2], 1.0f32));
        let model = Sequential::new([2]).add(Dropout::new(0.5)).build()?;
        assert!(
            model.call(std::slice::from_ref(&x), &mut Call::inference())?[0].is_same(&x)
        );
        assert_eq!(trained(Dropout::new(0.0), [2, 2], 1, 0), [1.0; 4]);
        Ok(())
    }

    #[test]
    fn a_shorter_noise_shape_is_that_of_the_last_axes() -> Result<()> {
        let axes = |noise: &[Option<usize>], input: &Shape| {
            check_noise_shape(Some(noise), input)
                .map(|()| shared_axes(Some(noise), input))
        };
        let of_four = [None, Some(3), Some(4)].into();
        assert_eq!(axes(&[Some(4)], &of_four)?, [0, 1]);
        assert_eq!(axes(&[Some(3), Some(1)], &of_four)?, [0, 2]);
        assert_eq!(axes(&[Some(1), Some(4)], &of_four)?, [0, 1]);
        assert_eq!(axes(&[], &of_four)?, [0, 1, 2]);
        // What is left open is the length of the axis at its place from the front.
        assert_eq!(axes(&[Some(4), None], &[Some(2), Some(4), Some(4)].into())?, [0]);
        assert_eq!(axes(&[None, Some(4)], &[Some(1), Some(3), Some(4)].into())?, [0, 1]);
        for wrong in [&[None, Some(4)][..], &[Some(0)], &[Some(3)], &[None; 4]] {
            assert!(axes(wrong, &of_four).is_err(), "{wrong:?}");
        }
        assert!(axes(&[Some(0), None, None], &of_four).is_err());
        check_layer(&Dropout::new(0.3).noise_shape([Some(1), Some(4)]), [[2, 3, 4]])?;
        let y = trained(Dropout::new(0.5).noise_shape([Some(8)]), [64, 8], 1, 0);
        assert!(y.chunks(8).all(|row| row == &y[..8]));
        assert!(y.contains(&0.0) && y.contains(&2.0));
        Ok(())
    }

    #[test]
    fn a_wrong_noise_shape_is_named() {
        let layer = Dropout::new(0.5).noise_shape([None, Some(3)]);
        let error = layer.output_shape(&[[None, Some(4)].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`noise_shape` makes no sense\n  expected: for each axis of (batch, 4), its length, \
             None or 1\n       got: (batch, 3)"
        );
    }
}
