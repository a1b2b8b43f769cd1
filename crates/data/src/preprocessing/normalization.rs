//! Features with mean 0 and variance 1: [`Normalization`].

use deckle_tensor::{DType, Tensor, resolve_axis};

use crate::{Error, Result};

/// What a division by 0 is avoided with: the least standard deviation.
const EPSILON: f64 = 1e-7;

/// Shifts and scales features to mean 0 and variance 1: `(x - mean) / max(√variance, 10⁻⁷)`.
///
/// Mean and variance are learnt from data, in `f64`, or given. NaN in the data makes the feature
/// NaN; fill missing values first.
///
/// # Examples
///
/// ```
/// use deckle_data::Normalization;
/// use deckle_tensor::Tensor;
///
/// let x = Tensor::from([[1.0f32, 10.0], [3.0, 30.0]]);
/// let mut normalization = Normalization::new();
/// normalization.adapt(&x)?;
/// assert_eq!(normalization.apply(&x)?, Tensor::from([[-1.0f32, -1.0], [1.0, 1.0]]));
/// let back = normalization.invert(true).apply(&Tensor::from([[0.0f32, 1.0]]))?;
/// assert_eq!(back, Tensor::from([[2.0f32, 30.0]]));
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Normalization`, for data before it reaches a model; `deckle_nn` has the layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    axis: Vec<isize>,
    invert: bool,
    moments: Option<Moments>,
}

#[derive(Clone, Debug, PartialEq)]
struct Moments {
    /// The lengths of the kept axes.
    shape: Vec<usize>,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl Default for Normalization {
    fn default() -> Self {
        Self::new()
    }
}

impl Normalization {
    /// Normalizes each feature of the last axis.
    #[must_use]
    pub fn new() -> Self {
        Self { axis: vec![-1], invert: false, moments: None }
    }

    /// Sets the axes that have a mean and a variance for each index; the last by default. With
    /// none, there is one mean and one variance.
    #[must_use]
    pub fn axis(mut self, axis: impl IntoIterator<Item = isize>) -> Self {
        self.axis = axis.into_iter().collect();
        self
    }

    /// Sets whether normalized values become what they were.
    #[must_use]
    pub const fn invert(mut self, invert: bool) -> Self {
        self.invert = invert;
        self
    }

    /// Sets mean and variance, one for each feature.
    ///
    /// # Errors
    ///
    /// If they differ in length.
    pub fn moments(mut self, mean: &[f64], variance: &[f64]) -> Result<Self> {
        if mean.len() != variance.len() {
            return Err(Error::invalid(
                "Normalization",
                "a mean and a variance for each feature",
            )
            .got(format_args!("{} and {}", mean.len(), variance.len())));
        }
        self.moments = Some(Moments {
            shape: vec![mean.len()],
            mean: mean.to_vec(),
            variance: variance.to_vec(),
        });
        Ok(self)
    }

    /// The means, if they were learnt or given.
    #[must_use]
    pub fn mean(&self) -> Option<&[f64]> {
        self.moments.as_ref().map(|moments| &moments.mean[..])
    }

    /// The variances, if they were learnt or given.
    #[must_use]
    pub fn variance(&self) -> Option<&[f64]> {
        self.moments.as_ref().map(|moments| &moments.variance[..])
    }

    /// Learns mean and variance.
    ///
    /// # Errors
    ///
    /// If an axis is out of range, or there is no example.
    pub fn adapt(&mut self, x: &Tensor) -> Result<()> {
        let place = Places::new(x.shape(), &self.axis)?;
        let values = x.cast(DType::F64).to_vec::<f64>()?;
        if values.is_empty() {
            return Err(
                Error::invalid("Normalization", "at least one example").got("none")
            );
        }
        let features = place.features();
        let count = (values.len() / features) as f64;
        let (mut mean, mut variance) = (vec![0.0; features], vec![0.0; features]);
        for (at, value) in values.iter().enumerate() {
            mean[place.of(at)] += value;
        }
        mean.iter_mut().for_each(|mean| *mean /= count);
        for (at, value) in values.iter().enumerate() {
            let feature = place.of(at);
            variance[feature] += (value - mean[feature]).powi(2);
        }
        variance.iter_mut().for_each(|variance| *variance /= count);
        self.moments = Some(Moments { shape: place.lens, mean, variance });
        Ok(())
    }

    /// The normalized tensor, of the same shape and floating-point type; integers become `F32`.
    ///
    /// # Errors
    ///
    /// If nothing was learnt or given, or the shape has other features.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let Some(moments) = &self.moments else {
            return Err(Error::invalid("Normalization", "a mean and a variance")
                .got("none")
                .help("call adapt, or set moments"));
        };
        let place = Places::new(x.shape(), &self.axis)?;
        // One number for all features is allowed, as in Keras.
        let shared = moments.mean.len() == 1;
        if !shared && place.features() != moments.mean.len() {
            return Err(Error::invalid(
                "Normalization",
                format_args!("features of shape {:?}", moments.shape),
            )
            .got(x.spec()));
        }
        let scale: Vec<f64> =
            moments.variance.iter().map(|v| v.sqrt().max(EPSILON)).collect();
        let mut values = x.cast(DType::F64).to_vec::<f64>()?;
        for (at, value) in values.iter_mut().enumerate() {
            let feature = if shared { 0 } else { place.of(at) };
            let (mean, scale) = (moments.mean[feature], scale[feature]);
            *value =
                if self.invert { mean + *value * scale } else { (*value - mean) / scale };
        }
        let dtype = if x.dtype().is_float() { x.dtype() } else { DType::F32 };
        Ok(Tensor::new(values, x.shape())?.cast(dtype))
    }
}

/// Which feature each element of a tensor belongs to.
struct Places {
    /// Of all axes: the length, and the step of the feature's number; 0 for those summed over.
    axes: Vec<(usize, usize)>,
    /// The lengths of the kept axes.
    lens: Vec<usize>,
}

impl Places {
    fn new(shape: &[usize], axis: &[isize]) -> Result<Self> {
        let mut kept = vec![false; shape.len()];
        for &axis in axis {
            kept[resolve_axis("Normalization", axis, shape.len())?] = true;
        }
        let (mut axes, mut step) = (vec![(0, 0); shape.len()], 1);
        for at in (0..shape.len()).rev() {
            axes[at] = (shape[at], if kept[at] { step } else { 0 });
            if kept[at] {
                step *= shape[at];
            }
        }
        let lens =
            shape.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(&n, _)| n).collect();
        Ok(Self { axes, lens })
    }

    fn features(&self) -> usize {
        self.lens.iter().product()
    }

    fn of(&self, mut at: usize) -> usize {
        let mut feature = 0;
        for &(len, step) in self.axes.iter().rev() {
            feature += at % len * step;
            at /= len;
        }
        feature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_normalized_is_an_error() {
        let x = Tensor::from([[1.0f32, 2.0]]);
        assert!(Normalization::new().apply(&x).is_err());
        assert!(Normalization::new().adapt(&Tensor::zeros(DType::F32, [0, 3])).is_err());
        assert!(Normalization::new().axis([2]).adapt(&x).is_err());
        assert!(Normalization::new().adapt(&Tensor::scalar(1.0f32)).is_err());
        let given = Normalization::new().moments(&[0.0; 3], &[1.0; 3]).unwrap();
        assert_eq!(
            given.apply(&x).unwrap_err().to_string(),
            "`Normalization`: cannot take this input\n  expected: features of shape [3]\n       \
             got: float32 (1, 2)"
        );
        assert!(Normalization::new().moments(&[0.0; 3], &[1.0; 2]).is_err());
    }

    #[test]
    fn bytes_become_floats_and_a_constant_feature_zero() {
        let x = Tensor::from([[7u8, 1], [7, 3]]);
        let mut normalization = Normalization::new();
        normalization.adapt(&x).unwrap();
        assert_eq!(normalization.mean(), Some(&[7.0, 2.0][..]));
        assert_eq!(normalization.variance(), Some(&[0.0, 1.0][..]));
        let y = normalization.apply(&x).unwrap();
        assert_eq!(y, Tensor::from([[0.0f32, -1.0], [0.0, 1.0]]));
        let nan = Tensor::from([[f32::NAN, 1.0]]);
        assert!(normalization.apply(&nan).unwrap().to_vec::<f32>().unwrap()[0].is_nan());
    }
}
