//! What lies between the pixels of an image: [`Interpolation`].

use std::f64::consts::PI;

/// What lies between the pixels of an axis that gets another length.
///
/// Pixels are squares: the first of twice as many lies a quarter of a pixel before the first.
///
/// # Examples
///
/// ```
/// use deckle_tensor::Interpolation;
///
/// // Four pixels of two: what each is made of, and how much each part counts.
/// let taps = Interpolation::Bilinear.taps(2, 4, false);
/// assert_eq!(taps[0].0, [0, 0, 0, 1]);
/// assert_eq!(taps[0].1, [0.0, 0.75, 0.25, 1.0]);
/// assert_eq!(taps[1].0, [0, 1, 1, 1]);
/// ```
///
/// # Keras
///
/// `interpolation` of `keras.ops.image.resize`, as it computes on JAX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// What the nearest pixel is.
    Nearest,
    /// Lines between pixels.
    #[default]
    Bilinear,
    /// Keys's cubic curves through four pixels.
    Bicubic,
    /// Lanczos's kernel over six pixels.
    Lanczos3,
    /// Lanczos's kernel over ten pixels.
    Lanczos5,
}

/// Places of an axis, and how much what lies there counts, for each place of a new axis.
pub type Tap = (Vec<i32>, Vec<f64>);

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

    /// For each of `made` pixels where the pixels of an axis of `len` are that it is made of, and
    /// how much each counts; one list for each of these pixels.
    ///
    /// Where fewer are made and `antialias` is set, a pixel reaches as much further. Neither
    /// length may be 0 or above 2²⁰.
    #[must_use]
    pub fn taps(self, len: usize, made: usize, antialias: bool) -> Vec<Tap> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pixel_is_made_of_is_all_of_it() {
        use Interpolation::{Bicubic, Bilinear, Lanczos3, Lanczos5, Nearest};
        for kind in [Nearest, Bilinear, Bicubic, Lanczos3, Lanczos5] {
            for (len, made) in [(1, 1), (1, 5), (5, 1), (7, 3), (3, 7), (100, 99)] {
                for antialias in [false, true] {
                    let taps = kind.taps(len, made, antialias);
                    for i in 0..made {
                        let sum: f64 = taps.iter().map(|tap| tap.1[i]).sum();
                        assert!((sum - 1.0).abs() < 1e-12, "{kind:?} {len} {made}");
                        assert!(taps.iter().all(|tap| (tap.0[i] as usize) < len));
                    }
                }
            }
        }
    }
}
