//! Images of another size: `Resizing`, `CenterCrop`.

use deckle_autograd::{Signature, Var};
use deckle_tensor::{DType, Dim, Part, Shape};
use serde::{Deserialize, Serialize};

use super::{
    DataFormat, Interpolation,
    interpolation::{LONGEST, Pixels, Window, as_before},
    mixture::Mixture,
    setters::setters,
};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// The size of an image, checked.
pub(super) fn sides(height: usize, width: usize) -> Result<[usize; 2]> {
    for (name, len) in [("height", height), ("width", width)] {
        expect::positive(name, len)?;
        if len > LONGEST {
            let problem = format_args!("`{name}` makes no sense").to_string();
            let expected = format_args!("{LONGEST} or less").to_string();
            return Err(Error::invalid(problem, expected).got(len));
        }
    }
    Ok([height, width])
}

/// The shape of images that get that size.
pub(super) fn resized(
    format: DataFormat,
    inputs: &[Shape],
    made: [usize; 2],
) -> Result<Shape> {
    let shape = format.spatial_input::<2>(inputs)?;
    for (axis, name) in [(1, "the height of an image"), (2, "the width of an image")] {
        if let Some(len) = shape.dims()[axis].known() {
            expect::positive(name, len)?;
        }
    }
    Ok(format.shape_of_last(&shape.with(1, made[0])?.with(2, made[1])?))
}

/// `⌊a · b / c⌋`, and not 0.
fn in_proportion(a: usize, b: usize, c: usize) -> usize {
    ((a as f64 * b as f64 / c as f64) as usize).max(1)
}

/// The largest part of an image of the proportions of what is made: its size.
fn part_of([height, width]: [usize; 2], made: [usize; 2]) -> [usize; 2] {
    [
        in_proportion(width, made[0], made[1]).min(height),
        in_proportion(height, made[1], made[0]).min(width),
    ]
}

/// The windows of images, whose sides are the axes 1 and 2, stretched to a size; margins are of
/// one value.
struct Stretch<F> {
    made: [usize; 2],
    interpolation: Interpolation,
    antialias: bool,
    margin: f64,
    /// The window of images of that size.
    windows: F,
}

impl<F> Stretch<F>
where
    F: Fn([usize; 2]) -> [Window; 2] + Copy + Send + Sync + 'static,
{
    fn apply(&self, x: &Var) -> Result<Var> {
        let sides = [&x.shape().dims()[1], &x.shape().dims()[2]];
        match sides.map(Dim::known) {
            [Some(height), Some(width)] => self.known(x, [height, width]),
            _ => self.unknown(x),
        }
    }

    fn known(&self, x: &Var, sides: [usize; 2]) -> Result<Var> {
        let windows = (self.windows)(sides);
        let mut parts = vec![Part::from(..)];
        let mut margins = [(0, 0); 4];
        for (at, Window { start, len }) in windows.into_iter().enumerate() {
            let [before, end] = [(-start).max(0), start + len.cast_signed()];
            let after = (end - sides[at].cast_signed()).max(0);
            margins[at + 1] = (before.cast_unsigned(), after.cast_unsigned());
            parts.push(Part::from(start.max(0)..end - after));
        }
        let mut x = x.slice(parts)?;
        if margins != [(0, 0); 4] {
            x = x.pad(margins, self.margin)?;
        }
        for (at, made) in self.made.into_iter().enumerate() {
            if made != windows[at].len {
                let made = Pixels::Count(made);
                x = self.interpolation.resize(&x, at + 1, made, self.antialias)?;
            }
        }
        Ok(x)
    }

    fn unknown(&self, x: &Var) -> Result<Var> {
        let Self { made, interpolation, antialias, margin, windows } = *self;
        let along = |at: usize| {
            Mixture::of_lengths(x, &[1, 2], made[at], move |sides| {
                let window = windows([sides[0], sides[1]])[at];
                interpolation.parts(window, sides[at], made[at], antialias)
            })
        };
        let [rows, columns] = [along(0)?, along(1)?];
        let y = columns.mix(&rows.mix(x, 1)?, 2)?;
        if margin == 0.0 {
            return Ok(y);
        }
        let inside = rows.totals()?.outer(&columns.totals()?)?.expand_dims(-1)?;
        Ok(y.add(&inside.mul(-margin)?.add(margin)?)?)
    }
}

/// The middle of images in the proportions of what is made.
fn middle(sides: [usize; 2], made: [usize; 2]) -> [Window; 2] {
    let part = part_of(sides, made);
    [0, 1].map(|at| Window::middle(sides[at], part[at]))
}

/// Images with margins for the proportions of what is made.
fn with_margins([height, width]: [usize; 2], made: [usize; 2]) -> [Window; 2] {
    let margin = |len: usize, of: usize, a: usize, b: usize| {
        (in_proportion(of, a, b).max(len) - len) / 2
    };
    let top = margin(height, width, made[0], made[1]);
    let left = margin(width, height, made[1], made[0]);
    // Keras gives margins along one axis only.
    let left = if top > 0 { 0 } else { left };
    [Window::with_margins(height, top), Window::with_margins(width, left)]
}

/// The middle of images, stretched to a size.
pub(super) fn stretched_middle(x: &Var, made: [usize; 2]) -> Result<Var> {
    let windows = move |sides| middle(sides, made);
    bilinear_windows(made, windows).apply(x)
}

fn bilinear_windows<F>(made: [usize; 2], windows: F) -> Stretch<F> {
    let interpolation = Interpolation::Bilinear;
    Stretch { made, interpolation, antialias: false, margin: 0.0, windows }
}

/// Makes images of a size.
///
/// Without more settings, they are stretched. Whole numbers stay such, rounded.
///
/// # Shapes
///
/// `(batch, height, width, channels)` becomes the same with that size.
///
/// # Errors
///
/// Applying it fails if a side is 0, the input has another rank, or both cropping and padding are
/// asked for.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::{Interpolation, Resizing}};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([1, 2, 1]).add(Resizing::new(1, 4)).build()?;
/// let x = Var::constant(&Tensor::new(vec![0.0f32, 4.0], [1, 1, 2, 1])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [0.0, 1.0, 3.0, 4.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Resizing`, of batches of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resizing {
    height: usize,
    width: usize,
    #[serde(default = "bilinear")]
    interpolation: Interpolation,
    #[serde(default)]
    crop_to_aspect_ratio: bool,
    #[serde(default)]
    pad_to_aspect_ratio: bool,
    #[serde(default)]
    fill_mode: FillMode,
    #[serde(default)]
    fill_value: f64,
    #[serde(default)]
    antialias: bool,
    #[serde(default)]
    data_format: DataFormat,
}

fn bilinear() -> Interpolation {
    Interpolation::Bilinear
}

/// What lies outside an image: there is one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FillMode {
    #[default]
    Constant,
}

impl Resizing {
    /// The layer that makes images of that size.
    #[must_use]
    pub fn new(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            interpolation: Interpolation::Bilinear,
            crop_to_aspect_ratio: false,
            pad_to_aspect_ratio: false,
            fill_mode: FillMode::Constant,
            fill_value: 0.0,
            antialias: false,
            data_format: DataFormat::ChannelsLast,
        }
    }

    setters! {
        /// Sets what lies between pixels; lines by default.
        interpolation: Interpolation;
        /// Sets whether images are cut to the new proportions first; false by default.
        crop_to_aspect_ratio: bool;
        /// Sets whether images get margins for the new proportions first; false by default.
        pad_to_aspect_ratio: bool;
        /// Sets what these margins are; 0 by default.
        fill_value: f64;
        /// Sets whether pixels that become fewer are means of more pixels; false by default.
        antialias: bool;
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
    }
}

impl Layer for Resizing {
    fn class_name(&self) -> &'static str {
        "Resizing"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let made = sides(self.height, self.width)?;
        if self.crop_to_aspect_ratio && self.pad_to_aspect_ratio {
            return Err(Error::invalid(
                "images cannot be both cut and given margins",
                "one of crop_to_aspect_ratio and pad_to_aspect_ratio",
            ));
        }
        Ok(vec![resized(self.data_format, inputs, made)?])
    }

    fn outputs(&self, inputs: &[Signature], dtype: DType) -> Result<Vec<Signature>> {
        let shapes: Vec<_> = inputs.iter().map(|input| input.shape.clone()).collect();
        let given = inputs.first().map_or(dtype, |input| input.dtype);
        let dtype = if given.is_float() { dtype } else { given };
        let outputs = self.output_shape(&shapes)?.into_iter();
        Ok(outputs.map(|shape| Signature::new(dtype, shape)).collect())
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for Resizing {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let given = inputs.only()?;
        let own = given.dtype();
        let is_float = own.is_float();
        let dtype = if is_float { call.dtype() } else { DType::F32 };
        let x = self.data_format.to_last(&given.cast(dtype)?)?;
        let made = [self.height, self.width];
        let (crop, pad) = (self.crop_to_aspect_ratio, self.pad_to_aspect_ratio);
        let stretch = Stretch {
            made,
            interpolation: self.interpolation,
            antialias: self.antialias,
            margin: self.fill_value,
            windows: move |sides: [usize; 2]| match (crop, pad) {
                (true, _) => middle(sides, made),
                (_, true) => with_margins(sides, made),
                _ => sides.map(Window::all),
            },
        };
        let mut x = stretch.apply(&x)?;
        if !is_float {
            x = as_before(&x, own)?;
        }
        Ok(vec![self.data_format.of_last(&x)?])
    }
}

/// Cuts the middle out of images; those that are too small are stretched, in their proportions.
///
/// # Shapes
///
/// `(batch, height, width, channels)` becomes the same with that size.
///
/// # Errors
///
/// Applying it fails if a side is 0, or the input has another rank.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::CenterCrop};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([1, 4, 1]).add(CenterCrop::new(1, 2)).build()?;
/// let x = Var::constant(&Tensor::new(vec![0.0f32, 1.0, 2.0, 3.0], [1, 1, 4, 1])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.CenterCrop`, of batches of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CenterCrop {
    height: usize,
    width: usize,
    #[serde(default)]
    data_format: DataFormat,
}

impl CenterCrop {
    /// The layer that cuts images to that size.
    #[must_use]
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width, data_format: DataFormat::ChannelsLast }
    }

    setters! {
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
    }
}

impl Layer for CenterCrop {
    fn class_name(&self) -> &'static str {
        "CenterCrop"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let made = sides(self.height, self.width)?;
        Ok(vec![resized(self.data_format, inputs, made)?])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for CenterCrop {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let mut x = self.data_format.to_last(&inputs.only()?.cast(call.dtype())?)?;
        let made = [self.height, self.width];
        x = bilinear_windows(made, move |sides: [usize; 2]| {
            if sides[0] >= made[0] && sides[1] >= made[1] {
                [0, 1].map(|at| Window::middle(sides[at], made[at]))
            } else {
                middle(sides, made)
            }
        })
        .apply(&x)?;
        Ok(vec![self.data_format.of_last(&x)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Resizing::new(3, 2), [[2, 2, 3, 2]])?;
        let layer = Resizing::new(2, 2).antialias(true).pad_to_aspect_ratio(true);
        check_layer(&layer.interpolation(Interpolation::Bicubic), [[1, 3, 5, 1]])?;
        let layer = Resizing::new(2, 1).crop_to_aspect_ratio(true);
        check_layer(&layer.data_format(DataFormat::ChannelsFirst), [[1, 2, 3, 3]])?;
        check_layer(&CenterCrop::new(2, 2), [[2, 3, 4, 1]])?;
        check_layer(&CenterCrop::new(4, 2), [[2, 3, 4, 1]])
    }

    #[test]
    fn whole_numbers_stay_such() -> Result<()> {
        let model =
            Sequential::typed([1, 2, 1], DType::U8).add(Resizing::new(1, 3)).build()?;
        let x = Var::constant(&Tensor::new(vec![0u8, 255], [1, 1, 2, 1])?);
        let y = model.call(&[x], &mut Call::inference())?[0].eval()?;
        assert_eq!(y.to_vec::<u8>()?, [0, 128, 255]);
        Ok(())
    }

    #[test]
    fn a_size_that_makes_no_sense_is_named() {
        let image = [[1, 2, 2, 1].into()];
        let error = Resizing::new(0, 2).output_shape(&image).unwrap_err();
        assert!(error.to_string().starts_with("`height` makes no sense"), "{error}");
        let error = CenterCrop::new(2, usize::MAX).output_shape(&image).unwrap_err();
        assert!(error.to_string().starts_with("`width` makes no sense"), "{error}");
    }
}
