//! What lies between the pixels of an image: [`Interpolation`].

use std::f64::consts::PI;

use deckle_autograd::{Axis, Var};
use deckle_tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{Result, expect};

/// What lies between the pixels of an image that gets another size.
///
/// Pixels are squares: the first of twice as many lies a quarter of a pixel before the first.
///
/// # Keras
///
/// `interpolation` of `keras.layers.UpSampling2D` and `Resizing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// What the nearest pixel is.
    #[default]
    Nearest,
    /// Lines between pixels.
    Bilinear,
    /// Keys's cubic curves through four pixels.
    Bicubic,
    /// Lanczos's kernel over six pixels.
    Lanczos3,
    /// Lanczos's kernel over ten pixels.
    Lanczos5,
}

/// The longest side of an image that is interpolated.
pub(super) const LONGEST: usize = 1 << 20;

/// Places of an axis, and how much what lies there counts, for each place of a new axis.
type Tap = (Vec<i32>, Vec<f64>);

impl Interpolation {
    /// How far a pixel reaches.
    fn reach(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos3 => 3.0,
            Self::Lanczos5 => 5.0,
        }
    }

    /// How much a pixel at that distance counts.
    fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Self::Nearest => f64::from(u8::from(x <= 0.5)),
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => ((1.5 * x - 2.5) * x) * x + 1.0,
            Self::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Bicubic => 0.0,
            Self::Lanczos3 | Self::Lanczos5 => {
                let reach = self.reach();
                if x > reach {
                    0.0
                } else if x <= 1e-3 {
                    1.0
                } else {
                    reach * (PI * x).sin() * (PI * x / reach).sin() / (PI * PI * x * x)
                }
            }
        }
    }

    /// For each of `made` pixels where the pixels of the axis are that it is made of, and how much
    /// each counts; one list for each of these pixels. Where fewer are made and `antialias` is
    /// set, a pixel reaches as much further.
    pub(super) fn taps(self, len: usize, made: usize, antialias: bool) -> Vec<Tap> {
        if self == Self::Nearest {
            // As Keras on JAX rounds it.
            let place = |i| ((i as f32 + 0.5) * len as f32 / made as f32).floor() as i32;
            let places = (0..made).map(|i| place(i).clamp(0, len as i32 - 1));
            return vec![(places.collect(), vec![1.0; made])];
        }
        let shrunk = len as f64 / made as f64;
        let wider = if antialias { shrunk.max(1.0) } else { 1.0 };
        let reach = self.reach() * wider;
        let count = (2.0 * reach).ceil() as usize;
        let mut taps = vec![(Vec::new(), Vec::new()); count];
        for i in 0..made {
            let place = (i as f64 + 0.5) * shrunk - 0.5;
            let first = (place - reach).floor() as i64 + 1;
            let inside = |at: i64| (0..len as i64).contains(&at);
            let weight = |at: i64| self.weight((place - at as f64) / wider);
            let weights: Vec<_> = (first..first + count as i64)
                .map(|at| if inside(at) { weight(at) } else { 0.0 })
                .collect();
            let sum: f64 = weights.iter().sum();
            for (tap, weight) in weights.iter().enumerate() {
                let at = (first + tap as i64).clamp(0, len as i64 - 1);
                taps[tap].0.push(at as i32);
                taps[tap].1.push(weight / sum);
            }
        }
        taps
    }

    /// The tensor with `made` pixels along an axis of known length.
    pub(super) fn resize(
        self,
        x: &Var,
        axis: usize,
        made: usize,
        antialias: bool,
    ) -> Result<Var> {
        let at = axis.cast_signed();
        let len = expect::known(x.shape(), at)?;
        let mut place = vec![Axis::from(1); x.rank()];
        place[axis] = Axis::Rest;
        let mut sum: Option<Var> = None;
        for (places, weights) in self.taps(len, made, antialias) {
            let count = [places.len()];
            let places = Var::constant(&Tensor::new(places, count)?);
            let part = x.gather(at, &places)?;
            if self == Self::Nearest {
                return Ok(part);
            }
            let weights = Tensor::new(weights, count)?.cast(x.dtype());
            let weights = Var::constant(&weights).reshape(place.clone())?;
            let part = part.mul(&weights)?;
            sum = Some(sum.map_or(Ok(part.clone()), |sum| sum.add(&part))?);
        }
        Ok(sum.unwrap_or_else(|| x.clone()))
    }
}
