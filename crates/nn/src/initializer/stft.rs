//! The kernel of a short-time Fourier transform: [`Stft`].

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// The kernel `(frame_length, 1, bands)` of a convolution that is a short-time Fourier transform:
/// `cos(2πft)` or `-sin(2πft)`, times a window.
///
/// # Keras
///
/// `keras.initializers.STFT`, with these windows of `SciPy`'s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stft {
    /// Which part of the complex numbers.
    #[serde(default)]
    pub side: Part,
    /// What each frame is multiplied by.
    #[serde(default = "hann")]
    pub window: Option<Window>,
    /// What the window is divided by.
    #[serde(default = "density")]
    pub scaling: Option<Scaling>,
    /// Whether the window repeats after a frame, instead of being symmetric.
    #[serde(default)]
    pub periodic: bool,
}

fn hann() -> Option<Window> {
    Some(Window::Hann)
}

fn density() -> Option<Scaling> {
    Some(Scaling::Density)
}

impl Default for Stft {
    fn default() -> Self {
        Self { side: Part::Real, window: hann(), scaling: density(), periodic: false }
    }
}

/// A part of a complex number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The real one.
    #[default]
    Real,
    /// The imaginary one.
    Imag,
}

/// What a window is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// The root of the sum of squares.
    Density,
    /// The sum of sizes.
    Spectrum,
}

/// A window, by its name or its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// `½ - ½ cos`.
    #[serde(alias = "hanning", alias = "han")]
    Hann,
    /// `0.54 - 0.46 cos`.
    #[serde(alias = "hamm", alias = "ham")]
    Hamming,
    /// Three terms.
    #[serde(alias = "black", alias = "blk")]
    Blackman,
    /// A triangle that ends with 0.
    #[serde(alias = "bart", alias = "brt")]
    Bartlett,
    /// Ones.
    #[serde(alias = "box", alias = "ones", alias = "rect", alias = "rectangular")]
    Boxcar,
    /// Half a wave.
    #[serde(alias = "halfcosine")]
    Cosine,
    /// Four terms, after Nuttall.
    #[serde(alias = "nutl", alias = "nut")]
    Nuttall,
    /// Four terms, after Blackman and Harris.
    #[serde(rename = "blackmanharris", alias = "blackharr", alias = "bkh")]
    BlackmanHarris,
    /// These numbers.
    #[serde(untagged)]
    Numbers(Vec<f64>),
}

impl Window {
    /// The numbers for a frame of that length, at least 1.
    fn numbers(&self, len: usize, periodic: bool) -> Vec<f64> {
        if let Self::Numbers(numbers) = self {
            return numbers.clone();
        }
        if len == 1 {
            return vec![1.0];
        }
        let whole = if periodic { len + 1 } else { len };
        let last = (whole - 1) as f64;
        let waves = |terms: &[f64], i: f64| -> f64 {
            let angle = 2.0 * PI * i / last - PI;
            terms.iter().zip(0u8..).map(|(a, k)| a * (f64::from(k) * angle).cos()).sum()
        };
        let at = |i: usize| {
            let i = i as f64;
            match self {
                Self::Hann => waves(&[0.5, 0.5], i),
                Self::Hamming => waves(&[0.54, 0.46], i),
                Self::Blackman => waves(&[0.42, 0.5, 0.08], i),
                Self::Nuttall => {
                    waves(&[0.363_581_9, 0.489_177_5, 0.136_599_5, 0.010_641_1], i)
                }
                Self::BlackmanHarris => {
                    waves(&[0.358_75, 0.488_29, 0.141_28, 0.011_68], i)
                }
                Self::Bartlett => 1.0 - (2.0 * i / last - 1.0).abs(),
                Self::Cosine => (PI / (last + 1.0) * (i + 0.5)).sin(),
                Self::Boxcar | Self::Numbers(_) => 1.0,
            }
        };
        (0..len).map(at).collect()
    }
}

impl Stft {
    /// The numbers of a kernel of that shape; else what its shape should be.
    pub(super) fn values(&self, shape: &[usize]) -> Result<Vec<f64>, String> {
        let [frame, 1, bands] = *shape else {
            return Err("a shape (frame_length, 1, bands)".to_owned());
        };
        let mut window = vec![1.0; frame];
        if let (Some(given), true) = (&self.window, frame > 0) {
            window = given.numbers(frame, self.periodic);
            if window.len() != frame {
                return Err(format!("frames as long as the window, {}", window.len()));
            }
            let scale = match self.scaling {
                Some(Scaling::Density) => {
                    window.iter().map(|w| w * w).sum::<f64>().sqrt()
                }
                Some(Scaling::Spectrum) => window.iter().map(|w| w.abs()).sum(),
                None => 1.0,
            };
            window.iter_mut().for_each(|w| *w /= scale);
        }
        let period = 2.0 * (bands.max(1) - 1) as f64;
        let value = |time: usize, band: usize| {
            let angle = -2.0 * PI * time as f64 * (band as f64 / period);
            match self.side {
                Part::Real => angle.cos(),
                Part::Imag => angle.sin(),
            }
        };
        let at = |(time, w): (usize, &f64)| -> Vec<f64> {
            (0..bands).map(|band| w * value(time, band)).collect()
        };
        Ok(window.iter().enumerate().flat_map(at).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Initializer;

    #[track_caller]
    fn check(json: &str, expected: &[f64]) {
        let text = format!(r#"{{"class_name": "STFT", "config": {json}}}"#);
        let initializer: Initializer = serde_json::from_str(&text).unwrap();
        let back = serde_json::to_value(&initializer).unwrap();
        assert_eq!(serde_json::from_value::<Initializer>(back).unwrap(), initializer);
        let made =
            initializer.values(&[4, 1, 3], deckle_tensor::DType::F64, 0, 0).unwrap();
        let made = made.to_vec::<f64>().unwrap();
        assert!(made.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{made:?}");
    }

    /// Keras 3.15.1.
    #[test]
    fn kernels_are_kerass() {
        let h = 0.5f64.sqrt();
        check("{}", &[0.0, 0.0, 0.0, h, 0.0, -h, h, -h, h, 0.0, 0.0, 0.0]);
        check(
            r#"{"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": true}"#,
            &[0.0, 0.0, 0.0, 0.0, -0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.0],
        );
        check(
            r#"{"side": "imag", "window": null}"#,
            &[0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        );
        check(
            r#"{"window": [1.0, 2.0, 3.0, 0.5], "scaling": null}"#,
            &[1.0, 1.0, 1.0, 2.0, 0.0, -2.0, 3.0, -3.0, 3.0, 0.5, 0.0, -0.5],
        );
        check(
            r#"{"window": "blackman", "scaling": "spectrum"}"#,
            &[0.0, 0.0, 0.0, 0.5, 0.0, -0.5, 0.5, -0.5, 0.5, 0.0, 0.0, 0.0],
        );
    }

    /// `SciPy` 1.16, `get_window(name, 5, False)`; with 4 and `True` it is the same but for the last.
    #[test]
    fn windows_are_scipys() {
        for (name, first, second) in [
            ("hann", 0.0, 0.5),
            ("hamming", 0.08, 0.54),
            ("blackman", 0.0, 0.34),
            ("bartlett", 0.0, 0.5),
            ("boxcar", 1.0, 1.0),
            ("cosine", 0.309_017, 0.809_017),
            ("nuttall", 0.000_363, 0.226_982),
            ("blackmanharris", 0.000_06, 0.217_47),
        ] {
            let window: Window = serde_json::from_value(name.into()).unwrap();
            let expected = [first, second, 1.0, second, first];
            let made = window.numbers(5, false);
            assert!(
                made.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
                "{made:?}"
            );
            let made = window.numbers(4, true);
            assert!(
                made.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
                "{made:?}"
            );
            assert_eq!(window.numbers(1, false), [1.0]);
        }
    }
}
