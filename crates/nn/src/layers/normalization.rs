//! The layer that standardizes features by statistics of the data.

use deckle_autograd::{Axis, Var, Variable};
use deckle_tensor::{DType, Shape, Tensor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use super::{AxisList, gamma_beta::wide, setters::setters};
use crate::{Built, Call, Error, Init, Initializer, Inputs, Layer, Result, expect};

/// Standardizes features: `y = (x - mean) / max(√variance, 10⁻⁷)`; inverted,
/// `y = mean + x · max(√variance, 10⁻⁷)`.
///
/// The statistics are settings, that of [`Normalization::adapted_to`] for instance; without them,
/// they are weights that a file has, and that training does not change. Masks pass through.
///
/// # Shapes
///
/// | tensor             | shape                                                       |
/// |--------------------|-------------------------------------------------------------|
/// | input, output      | any with these axes                                         |
/// | `mean`, `variance` | the lengths of these axes, in order; only without settings  |
/// | `count`            | `()`, of which Keras makes no use; only without settings    |
///
/// # Errors
///
/// Building fails if there is no such axis, its length is unknown, or the statistics have other
/// lengths.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::Normalization};
/// use deckle_tensor::Tensor;
///
/// let data = Tensor::new(vec![1.0f32, 10.0, 3.0, 30.0], [2, 2])?;
/// let layer = Normalization::new().adapted_to(&data)?;
/// let model = Sequential::new([2]).add(layer).build()?;
/// let y = model.call(&[Var::constant(&data)], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [-1.0, -1.0, 1.0, 1.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Normalization`. There, `adapt` changes the weights; here, it sets the
/// statistics before the layer is built. No axis, `axis=None` there, is `.axis([])`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    #[serde(default = "last", deserialize_with = "perhaps_none")]
    axis: AxisList,
    #[serde(default)]
    invert: bool,
    #[serde(default)]
    mean: Option<Numbers>,
    #[serde(default)]
    variance: Option<Numbers>,
}

fn last() -> AxisList {
    (-1).into()
}

fn perhaps_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<AxisList, D::Error> {
    let axes = Option::<AxisList>::deserialize(deserializer)?;
    Ok(axes.unwrap_or(AxisList(Vec::new())))
}

/// Numbers in a shape: one, or nested lists.
#[derive(Clone, Debug, PartialEq)]
struct Numbers {
    lens: Vec<usize>,
    values: Vec<f64>,
}

impl Numbers {
    fn of_list(values: Vec<f64>) -> Self {
        let lens = if values.len() == 1 { Vec::new() } else { vec![values.len()] };
        Self { lens, values }
    }

    fn parse(value: &Value) -> Option<Self> {
        if let Some(number) = value.as_f64() {
            return Some(Self { lens: Vec::new(), values: vec![number] });
        }
        let parts = value.as_array()?.iter().map(Self::parse);
        let parts: Vec<_> = parts.collect::<Option<_>>()?;
        let inner = parts.first().map(|part| part.lens.clone()).unwrap_or_default();
        if parts.iter().any(|part| part.lens != inner) {
            return None;
        }
        let lens = std::iter::once(parts.len()).chain(inner).collect();
        Some(Self {
            lens,
            values: parts.into_iter().flat_map(|part| part.values).collect(),
        })
    }

    fn nested(lens: &[usize], values: &[f64]) -> Value {
        match lens.split_first() {
            None => values.first().copied().unwrap_or_default().into(),
            Some((&len, rest)) => {
                let size = values.len() / len.max(1);
                (0..len)
                    .map(|i| Self::nested(rest, &values[i * size..][..size]))
                    .collect()
            }
        }
    }

    fn check(&self, name: &str, expected: &str, fits: fn(f64) -> bool) -> Result<()> {
        let Some(wrong) = self.values.iter().find(|&&value| !fits(value)) else {
            return Ok(());
        };
        let problem = format_args!("`{name}` makes no sense").to_string();
        Err(Error::invalid(problem, expected).got(wrong))
    }

    /// The numbers along these axes of a tensor, as far as there are that many.
    fn along(&self, axes: &[usize], input: &Shape) -> Result<Tensor> {
        let wrong = || {
            let expected = format!("lengths of axes {axes:?} of {input}");
            Error::invalid("the statistics have another shape", expected)
                .got(deckle_tensor::shape_text(&self.lens))
        };
        let from = axes.len().checked_sub(self.lens.len()).ok_or_else(wrong)?;
        let mut shape = vec![1; input.rank()];
        for (&axis, &len) in axes[from..].iter().zip(&self.lens) {
            if len != 1 && len != expect::known(input, axis.cast_signed())? {
                return Err(wrong());
            }
            shape[axis] = len;
        }
        Ok(Tensor::new(self.values.clone(), shape)?)
    }
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::nested(&self.lens, &self.values).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::parse(&value).ok_or_else(|| D::Error::custom("numbers, perhaps in lists"))
    }
}

impl Default for Normalization {
    fn default() -> Self {
        Self { axis: last(), invert: false, mean: None, variance: None }
    }
}

impl Normalization {
    /// The layer with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the axes that have a mean and a variance for each place; the last by default.
        axis: into AxisList;
        /// Sets whether standardized numbers become what they were; false by default.
        invert: bool;
    }

    /// Sets the statistics: for each place along the (last) axis, or one for all.
    #[must_use]
    pub fn statistics(
        mut self,
        mean: impl Into<Vec<f64>>,
        variance: impl Into<Vec<f64>>,
    ) -> Self {
        self.mean = Some(Numbers::of_list(mean.into()));
        self.variance = Some(Numbers::of_list(variance.into()));
        self
    }

    /// Sets the statistics to those of the data, whose first axis is the examples.
    ///
    /// # Errors
    ///
    /// If the data has no such axis, or no numbers.
    pub fn adapted_to(mut self, data: &Tensor) -> Result<Self> {
        let kept = self.axes(data.shape().len())?;
        let others: Vec<_> =
            (0..data.shape().len()).filter(|axis| !kept.contains(axis)).collect();
        if data.shape().contains(&0) {
            return Err(Error::invalid("cannot adapt to this data", "some numbers")
                .got(deckle_tensor::shape_text(data.shape())));
        }
        let data = data.cast(DType::F64);
        let numbers = |tensor: &Tensor| -> Result<Numbers> {
            Ok(Numbers { lens: tensor.shape().to_vec(), values: tensor.to_vec()? })
        };
        let mean = data.mean(deckle_tensor::keep(&others))?;
        let square = data.sub(&mean)?.square()?;
        self.mean = Some(numbers(&mean.squeeze(&others)?)?);
        self.variance = Some(numbers(&square.mean(&others)?)?);
        Ok(self)
    }

    fn axes(&self, rank: usize) -> Result<Vec<usize>> {
        if self.axis.0.is_empty() { Ok(Vec::new()) } else { self.axis.of(rank) }
    }

    /// The lengths of the axes.
    fn lens(&self, input: &Shape) -> Result<Vec<usize>> {
        let axes = self.axes(input.rank())?;
        axes.iter().map(|&axis| expect::known(input, axis.cast_signed())).collect()
    }
}

impl Layer for Normalization {
    fn class_name(&self) -> &'static str {
        "Normalization"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        self.lens(input)?;
        if self.mean.is_some() != self.variance.is_some() {
            let expected = "`mean` and `variance`, or neither";
            return Err(Error::invalid("one statistic is missing", expected).got("one"));
        }
        for numbers in [&self.mean, &self.variance].into_iter().flatten() {
            numbers.along(&self.axes(input.rank())?, input)?;
        }
        if let Some(mean) = &self.mean {
            mean.check("mean", "finite numbers", f64::is_finite)?;
        }
        if let Some(variance) = &self.variance {
            let fits = |variance: f64| (0.0..f64::INFINITY).contains(&variance);
            variance.check("variance", "finite numbers of at least 0", fits)?;
        }
        Ok(vec![input.clone()])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let axes = self.axes(inputs[0].rank())?;
        let statistics =
            if let (Some(mean), Some(variance)) = (&self.mean, &self.variance) {
                let along = |numbers: &Numbers| numbers.along(&axes, &inputs[0]);
                Statistics::Given(along(mean)?, along(variance)?)
            } else {
                let lens = self.lens(&inputs[0])?;
                let mean = init.state("mean", &lens, &Initializer::Zeros)?;
                let variance = init.state("variance", &lens, &Initializer::Ones)?;
                init.counter("count")?;
                Statistics::Weights(mean, variance)
            };
        Ok(Box::new(BuiltNormalization { axes, invert: self.invert, statistics }))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

#[derive(Debug)]
enum Statistics {
    Given(Tensor, Tensor),
    Weights(Variable, Variable),
}

#[derive(Debug)]
struct BuiltNormalization {
    axes: Vec<usize>,
    invert: bool,
    statistics: Statistics,
}

impl Built for BuiltNormalization {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let wide = wide(call);
        let x = inputs.only()?.cast(wide)?;
        let (mean, variance) = match &self.statistics {
            Statistics::Given(mean, variance) => {
                let constant = |tensor: &Tensor| Var::constant(&tensor.cast(wide));
                (constant(mean), constant(variance))
            }
            Statistics::Weights(mean, variance) => {
                let mut place = vec![Axis::from(1); x.rank()];
                for (at, &axis) in self.axes.iter().enumerate() {
                    place[axis] = Axis::Of(at);
                }
                let along = |weight: &Variable| {
                    call.read(weight).cast(wide)?.reshape(place.clone())
                };
                (along(mean)?, along(variance)?)
            }
        };
        let deviation = variance.sqrt()?.maximum(1e-7)?;
        let y = if self.invert {
            mean.add(&x.mul(&deviation)?)?
        } else {
            x.sub(&mean)?.div(&deviation)?
        };
        Ok(vec![y.cast(call.dtype())?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Normalization::new(), [[2, 3]])?;
        check_layer(&Normalization::new().axis([1, -1]).invert(true), [[2, 3, 2]])?;
        check_layer(&Normalization::new().axis([]).statistics([1.0], [4.0]), [[2, 3]])?;
        check_layer(&Normalization::new().statistics([1.0, 2.0], [4.0, 0.0]), [[2, 2]])
    }

    #[test]
    fn statistics_of_several_axes_survive_a_file() -> Result<()> {
        let data = Tensor::arange(0.0f32..12.0).reshape([2, 3, 2])?;
        let layer = Normalization::new().axis([1, 2]).adapted_to(&data)?;
        let json = serde_json::to_value(&layer).unwrap();
        assert_eq!(json["mean"], serde_json::json!([[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]));
        assert_eq!(serde_json::from_value::<Normalization>(json).unwrap(), layer);
        let layer = Normalization::new().axis([]).adapted_to(&data)?;
        assert_eq!(serde_json::to_value(&layer).unwrap()["mean"], 5.5);
        Ok(())
    }

    #[test]
    fn statistics_of_other_lengths_are_an_error() {
        let layer = Normalization::new().statistics([1.0, 2.0], [1.0, 1.0]);
        let error = layer.output_shape(&[[2, 3].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the statistics have another shape\n  expected: lengths of axes [1] of (2, 3)\n       \
             got: (2,)"
        );
    }
}
