//! Numbers as the bins that they fall into: [`Discretization`].

use deckle_tensor::{DType, Tensor};

use super::{OutputMode, encode::encode};
use crate::{Error, Result};

/// Numbers as the bins that they fall into, between given boundaries or learnt quantiles.
///
/// Boundary `b` separates `x < b` from `x ≥ b`; `n` boundaries make `n + 1` bins. NaN falls into
/// the last.
///
/// # Examples
///
/// ```
/// use deckle_data::Discretization;
/// use deckle_tensor::Tensor;
///
/// let ages = Discretization::new([18.0, 65.0])?;
/// assert_eq!(ages.apply(&Tensor::from([17.9f32, 18.0, 90.0]))?, Tensor::from([0i64, 1, 2]));
///
/// let mut quartiles = Discretization::quantiles(4);
/// quartiles.adapt([&Tensor::arange(0..8)])?;
/// assert_eq!(quartiles.bin_boundaries(), [1.0, 3.0, 5.0]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Discretization`, to the sketch of quantiles (`epsilon`).
#[derive(Clone, Debug, PartialEq)]
pub struct Discretization {
    bin_boundaries: Vec<f64>,
    num_bins: Option<usize>,
    epsilon: f64,
    output_mode: OutputMode,
    /// Whether there are boundaries, of which there may be none.
    is_known: bool,
}

impl Discretization {
    /// Bins between boundaries.
    ///
    /// # Errors
    ///
    /// If they do not increase.
    pub fn new(bin_boundaries: impl IntoIterator<Item = f64>) -> Result<Self> {
        let bin_boundaries: Vec<f64> = bin_boundaries.into_iter().collect();
        if !bin_boundaries.is_sorted() || bin_boundaries.iter().any(|b| b.is_nan()) {
            return Err(Error::invalid("Discretization", "boundaries that increase")
                .got(format_args!("{bin_boundaries:?}")));
        }
        Ok(Self {
            bin_boundaries,
            num_bins: None,
            epsilon: 0.01,
            output_mode: OutputMode::Int,
            is_known: true,
        })
    }

    /// `num_bins` bins that [`Discretization::adapt`] makes equally full.
    #[must_use]
    pub const fn quantiles(num_bins: usize) -> Self {
        Self {
            bin_boundaries: Vec::new(),
            num_bins: Some(num_bins),
            epsilon: 0.01,
            output_mode: OutputMode::Int,
            is_known: false,
        }
    }

    /// Sets the error of the learnt quantiles; 0.01 by default.
    #[must_use]
    pub const fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Sets what bins become; [`OutputMode::Int`] by default, [`OutputMode::TfIdf`] is none.
    #[must_use]
    pub const fn output_mode(mut self, output_mode: OutputMode) -> Self {
        self.output_mode = output_mode;
        self
    }

    /// The boundaries; none before [`Discretization::adapt`].
    #[must_use]
    pub fn bin_boundaries(&self) -> &[f64] {
        &self.bin_boundaries
    }

    /// Learns the boundaries from batches of numbers, of which only a sketch is kept.
    ///
    /// # Errors
    ///
    /// If the boundaries were given, there is no number, one is NaN, or `num_bins` or `epsilon`
    /// makes no sense.
    pub fn adapt<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a Tensor>,
    ) -> Result<()> {
        let Some(num_bins) = self.num_bins.filter(|&bins| bins > 0) else {
            return Err(Self::invalid("a number of bins to learn")
                .got(if self.num_bins.is_some() { "0 bins" } else { "boundaries" })
                .help("Discretization::quantiles(num_bins)"));
        };
        if !(self.epsilon > 0.0 && self.epsilon <= 1.0) {
            return Err(Self::invalid("an epsilon between 0 and 1").got(self.epsilon));
        }
        let mut summary = Summary::default();
        for batch in batches {
            let values = batch.cast(DType::F32).to_vec::<f32>()?;
            if values.iter().any(|value| value.is_nan()) {
                return Err(Self::invalid("numbers")
                    .got("NaN")
                    .help("leave out or fill missing values first"));
            }
            summary =
                Summary::of(values, self.epsilon).merge(summary).compress(self.epsilon);
        }
        if summary.values.is_empty() {
            return Err(Self::invalid("at least one number").got("none"));
        }
        let mut boundaries = summary.compress(1.0 / num_bins as f64).values;
        boundaries.pop();
        self.bin_boundaries = boundaries.into_iter().map(f64::from).collect();
        self.is_known = true;
        Ok(())
    }

    /// The bins of numbers: `I64` of the same shape as `Int`; see [`OutputMode`] for the others.
    ///
    /// # Errors
    ///
    /// If nothing was learnt, or the shape does not suit the mode.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if !self.is_known {
            return Err(Self::invalid("boundaries").got("none").help("call adapt"));
        }
        if self.output_mode == OutputMode::TfIdf {
            return Err(Self::invalid("an output mode other than TfIdf").got("TfIdf"));
        }
        let bin = |x: f64| self.bin_boundaries.partition_point(|&b| b <= x || x.is_nan());
        let bins: Vec<i64> = x
            .cast(DType::F64)
            .to_vec::<f64>()?
            .into_iter()
            .map(|x| bin(x) as i64)
            .collect();
        let depth = self.bin_boundaries.len() + 1;
        encode("Discretization", &bins, x.shape(), self.output_mode, depth, None)
    }

    fn invalid(expected: &str) -> Error {
        Error::invalid("Discretization", expected)
    }
}

/// Some of the sorted values, and how many values each stands for.
#[derive(Debug, Default)]
struct Summary {
    values: Vec<f32>,
    weights: Vec<f32>,
}

impl Summary {
    fn of(mut values: Vec<f32>, epsilon: f64) -> Self {
        values.sort_by(f32::total_cmp);
        let step = (values.len() as f64 / (1.0 / epsilon)).max(1.0);
        let kept: Vec<f32> = values
            .into_iter()
            .skip((step - 1.0) as usize)
            .step_by(step as usize)
            .collect();
        Self { weights: vec![step as f32; kept.len()], values: kept }
    }

    fn merge(self, other: Self) -> Self {
        let mut pairs: Vec<(f32, f32)> = self
            .values
            .into_iter()
            .zip(self.weights)
            .chain(other.values.into_iter().zip(other.weights))
            .collect();
        pairs.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let (values, weights) = pairs.into_iter().unzip();
        Self { values, weights }
    }

    /// As many values as `epsilon` asks for, by interpolation of the cumulative weights.
    fn compress(self, epsilon: f64) -> Self {
        if (self.values.len() as f64) * epsilon < 1.0 {
            return self;
        }
        // NumPy sums `float32` one after the other in `float32`.
        let mut total = 0f32;
        let cumulative: Vec<f32> = self
            .weights
            .iter()
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        let shares: Vec<f64> =
            cumulative.iter().map(|&sum| f64::from(sum / total)).collect();
        let steps = (1.0 / epsilon).ceil() as usize;
        let (mut values, mut weights, mut before) = (Vec::new(), Vec::new(), 0.0);
        for step in 0..steps {
            let share = epsilon + step as f64 * epsilon;
            values.push(interpolate(share, &shares, &self.values) as f32);
            let sum = interpolate(share, &shares, &cumulative);
            weights.push((sum - before) as f32);
            before = sum;
        }
        Self { values, weights }
    }
}

/// The value at `x` of the line through the points, as `numpy.interp`.
fn interpolate(x: f64, xs: &[f64], ys: &[f32]) -> f64 {
    let after = xs.partition_point(|&at| at <= x);
    if after == 0 {
        return f64::from(ys[0]);
    }
    if after == xs.len() {
        return f64::from(ys[after - 1]);
    }
    let (x_0, x_1) = (xs[after - 1], xs[after]);
    let (y_0, y_1) = (f64::from(ys[after - 1]), f64::from(ys[after]));
    (y_1 - y_0) / (x_1 - x_0) * (x - x_0) + y_0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_bins_is_an_error() {
        assert!(Discretization::new([1.0, 0.0]).is_err());
        assert!(Discretization::new([f64::NAN]).is_err());
        let x = Tensor::from([1.0f32, 2.0]);
        assert!(Discretization::new([1.0]).unwrap().adapt([&x]).is_err());
        assert!(Discretization::quantiles(0).adapt([&x]).is_err());
        assert!(Discretization::quantiles(2).adapt([]).is_err());
        assert!(Discretization::quantiles(2).adapt([&Tensor::from([f32::NAN])]).is_err());
        assert!(Discretization::quantiles(2).epsilon(0.0).adapt([&x]).is_err());
        assert!(Discretization::quantiles(2).apply(&x).is_err());
    }

    #[test]
    fn no_number_is_lost() {
        let bins = Discretization::new([0.0]).unwrap();
        let x = Tensor::from([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]);
        assert_eq!(bins.apply(&x).unwrap(), Tensor::from([1i64, 1, 0, 1]));
        assert_eq!(
            bins.apply(&Tensor::zeros(DType::F32, [0, 2])).unwrap().shape(),
            [0, 2]
        );
        let single = Discretization::new([]).unwrap();
        assert_eq!(single.apply(&Tensor::from([3u8])).unwrap(), Tensor::from([0i64]));
    }
}
