//! The first values of weights: [`Initializer`].

mod stft;

use deckle_tensor::{
    DType, Distribution, Tensor, random::Draw, resolve_axis, shape_text,
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _,
};
use serde_json::{Map, Value, json};

use crate::{
    Error, Result,
    keras::{keras_object, names_class, parse_keras_object},
};
pub use stft::{Part as StftPart, Scaling, Stft, Window};

/// The distribution of a weight's first values.
///
/// The fans of a shape: `(n, n)` for one axis; else the product of the axes before the last
/// two times each of these. Every weight has numbers of its own, drawn from the model's seed
/// and the weight's path.
///
/// # Examples
///
/// ```
/// use deckle_nn::Initializer;
/// use deckle_tensor::DType;
///
/// let kernel = Initializer::GlorotUniform.values(&[200, 100], DType::F32, 42, 0)?;
/// let limit = (6.0f32 / 300.0).sqrt();
/// assert!(kernel.to_vec::<f32>()?.iter().all(|w| w.abs() <= limit));
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.initializers`. There, one instance gives the same values wherever it is used; here,
/// each weight draws its own.
///
/// # References
///
/// Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural
/// networks* (2010); He et al., *Delving deep into rectifiers* (2015); `LeCun` et al., *Efficient
/// backprop* (1998); Saxe et al., *Exact solutions to the nonlinear dynamics of learning* (2014).
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Initializer {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// All one value.
    Constant(f64),
    /// Normal.
    RandomNormal {
        /// The mean; Keras's default is 0.
        mean: f64,
        /// The standard deviation; Keras's default is 0.05.
        stddev: f64,
    },
    /// Normal, drawn again beyond two standard deviations.
    TruncatedNormal {
        /// The mean; Keras's default is 0.
        mean: f64,
        /// The standard deviation before the cut; Keras's default is 0.05.
        stddev: f64,
    },
    /// Uniform.
    RandomUniform {
        /// The least value; Keras's default is -0.05.
        minval: f64,
        /// The limit above; Keras's default is 0.05.
        maxval: f64,
    },
    /// Uniform within `√(6 / (fan_in + fan_out))`.
    #[default]
    GlorotUniform,
    /// Truncated normal of variance `2 / (fan_in + fan_out)`.
    GlorotNormal,
    /// Uniform within `√(6 / fan_in)`.
    HeUniform,
    /// Truncated normal of variance `2 / fan_in`.
    HeNormal,
    /// Uniform within `√(3 / fan_in)`.
    LecunUniform,
    /// Truncated normal of variance `1 / fan_in`.
    LecunNormal,
    /// Variance `scale / fan`.
    VarianceScaling {
        /// The factor; Keras's default is 1.
        scale: f64,
        /// Which fan; Keras's default is `FanIn`.
        mode: Fan,
        /// The distribution; Keras's default is `TruncatedNormal`.
        distribution: Spread,
    },
    /// Rows or columns that are orthogonal, times `gain`.
    Orthogonal {
        /// The factor; Keras's default is 1.
        gain: f64,
    },
    /// A square matrix of `gain` on the diagonal, 0 elsewhere.
    Identity {
        /// The factor; Keras's default is 1.
        gain: f64,
    },
    /// The kernel of a short-time Fourier transform, see [`Stft`].
    Stft(Stft),
    /// Scaled by the lengths of these axes, instead of all but the last and the last.
    OverAxes {
        /// The axes of a kernel that are inputs.
        input_axes: Vec<isize>,
        /// The axes that are outputs.
        output_axes: Vec<isize>,
        /// How the numbers are drawn.
        initializer: Box<Self>,
    },
    /// Random numbers of a seed of their own, not of the model's and the weight's.
    Seeded {
        /// The seed.
        seed: u64,
        /// How the numbers are drawn.
        initializer: Box<Self>,
    },
}

/// Which fan [`Initializer::VarianceScaling`] divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fan {
    /// The inputs of one output.
    FanIn,
    /// The outputs of one input.
    FanOut,
    /// The mean of both.
    FanAvg,
}

/// The distribution of [`Initializer::VarianceScaling`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Normal within two standard deviations, corrected to the variance.
    #[serde(alias = "normal")]
    TruncatedNormal,
    /// Normal.
    UntruncatedNormal,
    /// Uniform.
    Uniform,
}

/// Every class, for messages.
const CLASSES: [&str; 16] = [
    "Zeros",
    "Ones",
    "Constant",
    "RandomNormal",
    "TruncatedNormal",
    "RandomUniform",
    "GlorotUniform",
    "GlorotNormal",
    "HeUniform",
    "HeNormal",
    "LecunUniform",
    "LecunNormal",
    "VarianceScaling",
    "Orthogonal",
    "Identity",
    "STFT",
];

impl Initializer {
    /// All 0, as a function for serde's defaults.
    #[must_use]
    pub const fn zeros() -> Self {
        Self::Zeros
    }

    /// All 1, as a function for serde's defaults.
    #[must_use]
    pub const fn ones() -> Self {
        Self::Ones
    }

    /// Keras's `uniform`: from -0.05 to 0.05.
    #[must_use]
    pub const fn uniform() -> Self {
        Self::RandomUniform { minval: -0.05, maxval: 0.05 }
    }

    /// Keras's `orthogonal`, with gain 1.
    #[must_use]
    pub const fn orthogonal() -> Self {
        Self::Orthogonal { gain: 1.0 }
    }

    /// The values for a weight of that shape, from its own random stream.
    ///
    /// # Errors
    ///
    /// If the shape has not the axes that the initializer needs.
    pub fn values(
        &self,
        shape: &[usize],
        dtype: DType,
        seed: u64,
        stream: u64,
    ) -> Result<Tensor> {
        self.values_by(fans(shape), shape, dtype, (seed, stream))
    }

    /// The values for a kernel with that many inputs of each output, and outputs of each input.
    fn values_by(
        &self,
        (fan_in, fan_out): (f64, f64),
        shape: &[usize],
        dtype: DType,
        (seed, stream): (u64, u64),
    ) -> Result<Tensor> {
        self.check()?;
        let draw = Draw::new(seed, stream, 0);
        // Number by number, into the tensor's own memory: nothing else is touched.
        let fill = |value: &dyn Fn(u64) -> f64| -> Result<Tensor> {
            Tensor::from_positions(dtype, shape, value)
                .map_err(|_| self.needs("memory for it", shape))
        };
        let sample = |distribution: Distribution, scale: f64, shift: f64| {
            fill(&|i| draw.sample(distribution, i) * scale + shift)
        };
        let scaled = |scale: f64, mode: Fan, distribution: Spread| {
            let fan = match mode {
                Fan::FanIn => fan_in,
                Fan::FanOut => fan_out,
                Fan::FanAvg => f64::midpoint(fan_in, fan_out),
            };
            let variance = scale / fan.max(1.0);
            match distribution {
                Spread::Uniform => {
                    let limit = (3.0 * variance).sqrt();
                    sample(Distribution::Uniform, 2.0 * limit, -limit)
                }
                Spread::UntruncatedNormal => {
                    sample(Distribution::Normal, variance.sqrt(), 0.0)
                }
                Spread::TruncatedNormal => {
                    // The standard deviation of a standard normal cut at two of them.
                    let stddev = variance.sqrt() / 0.879_625_661_034_239_8;
                    sample(Distribution::TruncatedNormal, stddev, 0.0)
                }
            }
        };
        match *self {
            Self::Seeded { seed, ref initializer } => {
                initializer.values_by((fan_in, fan_out), shape, dtype, (seed, 0))
            }
            Self::OverAxes { ref input_axes, ref output_axes, ref initializer } => {
                let size = |axes: &[isize]| -> Result<f64> {
                    let lens = axes.iter().map(|&axis| {
                        let at =
                            resolve_axis("an initializer's axes", axis, shape.len())?;
                        Ok(shape[at] as f64)
                    });
                    lens.product()
                };
                let fans = (size(input_axes)?, size(output_axes)?);
                initializer.values_by(fans, shape, dtype, (seed, stream))
            }
            Self::Stft(ref stft) => {
                let values = stft
                    .values(shape)
                    .map_err(|expected| self.needs(&expected, shape))?;
                fill(&|i| values[i as usize])
            }
            Self::Zeros => Tensor::try_zeros(dtype, shape)
                .map_err(|_| self.needs("memory for it", shape)),
            Self::Ones => fill(&|_| 1.0),
            Self::Constant(value) => fill(&|_| value),
            Self::RandomNormal { mean, stddev } => {
                sample(Distribution::Normal, stddev, mean)
            }
            Self::TruncatedNormal { mean, stddev } => {
                sample(Distribution::TruncatedNormal, stddev, mean)
            }
            Self::RandomUniform { minval, maxval } => {
                sample(Distribution::Uniform, maxval - minval, minval)
            }
            Self::GlorotUniform => scaled(1.0, Fan::FanAvg, Spread::Uniform),
            Self::GlorotNormal => scaled(1.0, Fan::FanAvg, Spread::TruncatedNormal),
            Self::HeUniform => scaled(2.0, Fan::FanIn, Spread::Uniform),
            Self::HeNormal => scaled(2.0, Fan::FanIn, Spread::TruncatedNormal),
            Self::LecunUniform => scaled(1.0, Fan::FanIn, Spread::Uniform),
            Self::LecunNormal => scaled(1.0, Fan::FanIn, Spread::TruncatedNormal),
            Self::VarianceScaling { scale, mode, distribution } => {
                scaled(scale, mode, distribution)
            }
            Self::Orthogonal { gain } => {
                let values = self.orthogonal_values(shape, gain, draw)?;
                fill(&|i| values[i as usize])
            }
            Self::Identity { gain } => {
                let [_, columns] = *shape else {
                    return Err(self.needs("two axes", shape));
                };
                let on_diagonal =
                    |i: u64| i / columns.max(1) as u64 == i % columns.max(1) as u64;
                fill(&|i| if on_diagonal(i) { gain } else { 0.0 })
            }
        }
    }

    /// The same initializer, with numbers of that seed wherever it is used; what is not random
    /// stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::Initializer;
    /// use deckle_tensor::DType;
    ///
    /// let initializer = Initializer::GlorotUniform.seeded(7);
    /// let values = |stream| initializer.values(&[2, 3], DType::F32, 1, stream);
    /// assert_eq!(values(1)?, values(2)?);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `seed`; Keras draws other numbers of it.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        match self {
            Self::Zeros
            | Self::Ones
            | Self::Constant(_)
            | Self::Identity { .. }
            | Self::Stft(_) => self,
            Self::Seeded { initializer, .. } => Self::Seeded { seed, initializer },
            initializer => Self::Seeded { seed, initializer: Box::new(initializer) },
        }
    }

    /// Checks the settings.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = match *self {
            Self::Constant(value) => !value.is_finite(),
            Self::RandomNormal { mean, stddev }
            | Self::TruncatedNormal { mean, stddev } => {
                !mean.is_finite() || !(0.0..f64::INFINITY).contains(&stddev)
            }
            Self::RandomUniform { minval, maxval } => {
                !minval.is_finite() || !maxval.is_finite() || minval > maxval
            }
            Self::VarianceScaling { scale, .. } => !scale.is_finite() || scale <= 0.0,
            Self::Orthogonal { gain } | Self::Identity { gain } => !gain.is_finite(),
            Self::Seeded { ref initializer, .. }
            | Self::OverAxes { ref initializer, .. } => return initializer.check(),
            _ => false,
        };
        if !wrong {
            return Ok(());
        }
        let class = self.class_name();
        let problem = format_args!("initializer {class} makes no sense").to_string();
        let expected = "finite numbers, no negative deviation, a scale above 0, minval not \
                        above maxval";
        Err(Error::invalid(problem, expected).got(format_args!("{self:?}")))
    }

    fn needs(&self, expected: &str, shape: &[usize]) -> Error {
        Error::invalid(
            format_args!("initializer {} cannot fill this weight", self.class_name()),
            expected,
        )
        .got(shape_text(shape))
    }

    /// The Q of the QR decomposition of normal numbers, with the signs of R's diagonal, by
    /// modified Gram–Schmidt, done twice for accuracy.
    fn orthogonal_values(
        &self,
        shape: &[usize],
        gain: f64,
        draw: Draw,
    ) -> Result<Vec<f64>> {
        if shape.len() < 2 {
            return Err(self.needs("two axes or more", shape));
        }
        let columns = shape[shape.len() - 1];
        let rows: usize = shape[..shape.len() - 1].iter().product();
        let (long, short) = (rows.max(columns), rows.min(columns));
        let mut vectors: Vec<Vec<f64>> = (0..short)
            .map(|j| (0..long).map(|i| draw.normal((i * short + j) as u64)).collect())
            .collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for j in 0..short {
            let (before, rest) = vectors.split_at_mut(j);
            let vector = &mut rest[0];
            for _ in 0..2 {
                for other in before.iter() {
                    let share = dot(other, vector);
                    vector.iter_mut().zip(other).for_each(|(v, o)| *v -= share * o);
                }
            }
            let length = dot(vector, vector).sqrt();
            vector.iter_mut().for_each(|v| *v /= length);
        }
        let at = |row: usize, column: usize| {
            if rows >= columns { vectors[column][row] } else { vectors[row][column] }
        };
        let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        Ok(all.map(|(row, column)| gain * at(row, column)).collect())
    }

    /// Keras's name of the class.
    #[must_use]
    pub fn class_name(&self) -> &'static str {
        match self {
            Self::Zeros => "Zeros",
            Self::Ones => "Ones",
            Self::Constant(_) => "Constant",
            Self::RandomNormal { .. } => "RandomNormal",
            Self::TruncatedNormal { .. } => "TruncatedNormal",
            Self::RandomUniform { .. } => "RandomUniform",
            Self::GlorotUniform => "GlorotUniform",
            Self::GlorotNormal => "GlorotNormal",
            Self::HeUniform => "HeUniform",
            Self::HeNormal => "HeNormal",
            Self::LecunUniform => "LecunUniform",
            Self::LecunNormal => "LecunNormal",
            Self::VarianceScaling { .. } => "VarianceScaling",
            Self::Orthogonal { .. } => "Orthogonal",
            Self::Identity { .. } => "Identity",
            Self::Stft(_) => "STFT",
            Self::Seeded { initializer, .. } | Self::OverAxes { initializer, .. } => {
                initializer.class_name()
            }
        }
    }

    fn from_keras(name: &str, config: &Map<String, Value>) -> Result<Self> {
        let mut made = Self::unseeded(name, config)?;
        let axes = |key: &str| match config.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(axes) => {
                serde_json::from_value(axes.clone()).map(Some).map_err(|error| {
                    Error::invalid(format_args!("initializer {name}: `{key}`"), "axes")
                        .got(error)
                })
            }
        };
        if let (Some(input_axes), Some(output_axes)) =
            (axes("input_axes")?, axes("output_axes")?)
        {
            let initializer = Box::new(made);
            made = Self::OverAxes { input_axes, output_axes, initializer };
        }
        let seed = config.get("seed").and_then(Value::as_i64);
        Ok(match seed {
            Some(seed) => made.seeded(seed.cast_unsigned()),
            None => made,
        })
    }

    fn unseeded(name: &str, config: &Map<String, Value>) -> Result<Self> {
        let name = match name {
            "uniform" => "RandomUniform",
            "normal" => "RandomNormal",
            "zero" => "Zeros",
            "one" => "Ones",
            "IdentityInitializer" => "Identity",
            "OrthogonalInitializer" => "Orthogonal",
            "STFTInitializer" => "STFT",
            name => name,
        };
        let number = |key: &str, default: f64| match config.get(key) {
            None => Ok(default),
            Some(value) => value.as_f64().ok_or_else(|| {
                Error::invalid(format_args!("initializer {name}: `{key}`"), "a number")
                    .got(value)
            }),
        };
        let class = CLASSES.into_iter().find(|class| names_class(name, class));
        Ok(match class.ok_or_else(|| Error::unknown("initializer", name, &CLASSES))? {
            "Zeros" => Self::Zeros,
            "Ones" => Self::Ones,
            "Constant" => Self::Constant(number("value", 0.0)?),
            "RandomNormal" => Self::RandomNormal {
                mean: number("mean", 0.0)?,
                stddev: number("stddev", 0.05)?,
            },
            "TruncatedNormal" => Self::TruncatedNormal {
                mean: number("mean", 0.0)?,
                stddev: number("stddev", 0.05)?,
            },
            "RandomUniform" => Self::RandomUniform {
                minval: number("minval", -0.05)?,
                maxval: number("maxval", 0.05)?,
            },
            "GlorotUniform" => Self::GlorotUniform,
            "GlorotNormal" => Self::GlorotNormal,
            "HeUniform" => Self::HeUniform,
            "HeNormal" => Self::HeNormal,
            "LecunUniform" => Self::LecunUniform,
            "LecunNormal" => Self::LecunNormal,
            "VarianceScaling" => {
                let wrong = |error| Error::invalid("initializer VarianceScaling", error);
                let mode = config.get("mode").cloned().unwrap_or_else(|| json!("fan_in"));
                let distribution = config.get("distribution").cloned();
                let distribution =
                    distribution.unwrap_or_else(|| json!("truncated_normal"));
                Self::VarianceScaling {
                    scale: number("scale", 1.0)?,
                    mode: serde_json::from_value(mode).map_err(wrong)?,
                    distribution: serde_json::from_value(distribution).map_err(wrong)?,
                }
            }
            "Orthogonal" => Self::Orthogonal { gain: number("gain", 1.0)? },
            "STFT" => {
                let settings = Value::Object(config.clone());
                Self::Stft(serde_json::from_value(settings).map_err(|error| {
                    Error::invalid("initializer STFT", "its settings").got(error)
                })?)
            }
            _ => Self::Identity { gain: number("gain", 1.0)? },
        })
    }
}

/// The inputs of one output and the outputs of one input, of a kernel of that shape.
fn fans(shape: &[usize]) -> (f64, f64) {
    match *shape {
        [] => (1.0, 1.0),
        [n] => (n as f64, n as f64),
        [ref field @ .., inputs, outputs] => {
            let field: f64 = field.iter().map(|&n| n as f64).product();
            (inputs as f64 * field, outputs as f64 * field)
        }
    }
}

impl Serialize for Initializer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let config = match self {
            Self::Seeded { seed, initializer } => {
                let mut object =
                    serde_json::to_value(initializer).map_err(S::Error::custom)?;
                object["config"]["seed"] = seed.cast_signed().into();
                return object.serialize(serializer);
            }
            Self::OverAxes { input_axes, output_axes, initializer } => {
                let mut object =
                    serde_json::to_value(initializer).map_err(S::Error::custom)?;
                object["config"]["input_axes"] = json!(input_axes);
                object["config"]["output_axes"] = json!(output_axes);
                return object.serialize(serializer);
            }
            Self::Stft(stft) => json!(stft),
            Self::Zeros | Self::Ones => json!({}),
            Self::Constant(value) => json!({ "value": value }),
            Self::RandomNormal { mean, stddev }
            | Self::TruncatedNormal { mean, stddev } => {
                json!({ "mean": mean, "stddev": stddev, "seed": null })
            }
            Self::RandomUniform { minval, maxval } => {
                json!({ "minval": minval, "maxval": maxval, "seed": null })
            }
            Self::VarianceScaling { scale, mode, distribution } => json!({
                "scale": scale, "mode": mode, "distribution": distribution, "seed": null,
            }),
            Self::Orthogonal { gain } => json!({ "gain": gain, "seed": null }),
            Self::Identity { gain } => json!({ "gain": gain }),
            _ => json!({ "seed": null }),
        };
        keras_object("keras.initializers", self.class_name(), config)
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Initializer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.is_null() {
            // Keras keeps it so, and makes the weight by its default.
            return Ok(Self::default());
        }
        let (name, config) = parse_keras_object(&value)
            .ok_or_else(|| D::Error::custom("an initializer is a name or an object"))?;
        Self::from_keras(name, &config).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
