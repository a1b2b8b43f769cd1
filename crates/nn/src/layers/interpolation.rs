//! What lies between the pixels of an image: [`Interpolation`].

use deckle_autograd::{Axis, Var};
use deckle_tensor::{Interpolation as Kernel, Tensor};
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

impl Interpolation {
    /// What each pixel is made of.
    fn kernel(self) -> Kernel {
        match self {
            Self::Nearest => Kernel::Nearest,
            Self::Bilinear => Kernel::Bilinear,
            Self::Bicubic => Kernel::Bicubic,
            Self::Lanczos3 => Kernel::Lanczos3,
            Self::Lanczos5 => Kernel::Lanczos5,
        }
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
        for (places, weights) in self.kernel().taps(len, made, antialias) {
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
