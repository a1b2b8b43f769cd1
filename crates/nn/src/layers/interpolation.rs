//! What lies between the pixels of an image: [`Interpolation`].

use deckle_autograd::{Axis, Result as GraphResult, Var};
use deckle_tensor::{DType, Dim, Error as TensorError, Interpolation as Kernel, Tensor};
use serde::{Deserialize, Serialize};

use super::mixture::{Mixture, Parts};
use crate::Result;

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

    /// The tensor with another number of pixels along an axis.
    pub(super) fn resize(
        self,
        x: &Var,
        axis: usize,
        made: Pixels,
        antialias: bool,
    ) -> Result<Var> {
        let Some(len) = x.shape().dims()[axis].known() else {
            let count = match made {
                Pixels::Count(made) => Dim::from(made),
                Pixels::Times(_) => Dim::Unknown,
            };
            let rule = move |lens: &[usize]| {
                let window = Window::all(lens[0]);
                self.parts(window, lens[0], made.of(lens[0]), antialias)
            };
            return Mixture::of_lengths(x, &[axis], count, rule)?.mix(x, axis);
        };
        let made = made.of(len);
        check(len, made)?;
        let mut place = vec![Axis::from(1); x.rank()];
        place[axis] = Axis::Rest;
        let mut sum: Option<Var> = None;
        for (places, weights) in self.kernel().taps(len, made, antialias) {
            let count = [places.len()];
            let places = Var::constant(&Tensor::new(places, count)?);
            let part = x.gather(axis.cast_signed(), &places)?;
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

    /// What `made` pixels are made of that a window of an axis of `len` pixels is stretched to.
    pub(super) fn parts(
        self,
        window: Window,
        len: usize,
        made: usize,
        antialias: bool,
    ) -> GraphResult<Vec<Parts>> {
        check(window.len, made)?;
        if window.len == made {
            // What stays as it is does not depend on what lies beside it.
            let place = |i: usize| usize::try_from(window.start + i.cast_signed()).ok();
            let part =
                |i| place(i).filter(|&place| place < len).map(|place| (place, 1.0));
            return Ok((0..made).map(|i| part(i).into_iter().collect()).collect());
        }
        let taps = self.kernel().taps(window.len, made, antialias);
        let part = |i: usize| {
            taps.iter().filter_map(move |(places, weights)| {
                let place = usize::try_from(window.start + places[i] as isize).ok()?;
                (place < len).then_some((place, weights[i]))
            })
        };
        Ok((0..made).map(|i| part(i).collect()).collect())
    }
}

/// Pixels computed as numbers, in the type that they had before: whole ones are rounded.
pub(super) fn as_before(x: &Var, dtype: DType) -> GraphResult<Var> {
    if dtype.is_float() {
        return x.cast(dtype);
    }
    let mut x = x.round()?;
    if dtype == DType::U8 {
        x = x.clip(0, 255)?;
    }
    x.cast(dtype)
}

/// Fails if there are no pixels along an axis, or too many.
fn check(len: usize, made: usize) -> GraphResult<()> {
    for len in [len, made] {
        if !(1..=LONGEST).contains(&len) {
            let expected = format_args!("1 to {LONGEST} pixels along an axis");
            return Err(TensorError::invalid("resize", expected).got(len).into());
        }
    }
    Ok(())
}

/// How many pixels are made of those along an axis.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pixels {
    /// So many.
    Count(usize),
    /// So many for each.
    Times(usize),
}

impl Pixels {
    fn of(self, len: usize) -> usize {
        match self {
            Self::Count(made) => made,
            Self::Times(factor) => len.saturating_mul(factor),
        }
    }
}

/// Part of an axis, and margins where it reaches beyond it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Before the axis if below 0.
    pub(super) start: isize,
    pub(super) len: usize,
}

impl Window {
    /// The whole axis.
    pub(super) const fn all(len: usize) -> Self {
        Self { start: 0, len }
    }

    /// The middle of an axis that is long enough.
    pub(super) const fn middle(of: usize, len: usize) -> Self {
        Self { start: ((of - len) / 2).cast_signed(), len }
    }

    /// The axis with margins on both sides.
    pub(super) const fn with_margins(of: usize, margin: usize) -> Self {
        Self { start: -margin.cast_signed(), len: of + 2 * margin }
    }
}
