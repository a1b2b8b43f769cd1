//! Images that are turned, moved, zoomed and sheared at each step of training.

use std::f64::consts::TAU;

use deckle_autograd::{Axis, Var};
use deckle_tensor::{DType, Distribution, Shape};
use serde::{Deserialize, Serialize};

use super::{
    DataFormat, Factor, Interpolation, gamma_beta::wide, resizing::sides,
    setters::setters,
};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// What lies outside an image.
///
/// # Keras
///
/// `fill_mode` of `keras.layers.RandomRotation` and others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillMode {
    /// The image in a mirror along its edge: `(d c b a | a b c d | d c b a)`.
    #[default]
    Reflect,
    /// The image again: `(a b c d | a b c d | a b c d)`.
    Wrap,
    /// `fill_value`: `(k k k k | a b c d | k k k k)`.
    Constant,
    /// The pixels at the edge: `(a a a a | a b c d | d d d d)`.
    Nearest,
}

impl FillMode {
    /// Places on an axis of that length for whole numbers, which may lie outside.
    ///
    /// In floating point, which is exact for whole numbers as small as these.
    fn place(self, at: &Var, len: usize) -> Result<Var> {
        let len = len as f64;
        let remainder = |at: &Var, by: f64| at.sub(&at.div(by)?.floor()?.mul(by)?);
        let place = match self {
            Self::Nearest | Self::Constant => at.clone(),
            Self::Wrap => remainder(at, len)?,
            Self::Reflect => {
                // The mirror of twice as many half pixels.
                let halves = at.mul(2.0)?.add(1.0 + 2.0 * len)?;
                let mirrored = remainder(&halves, 4.0 * len)?.sub(2.0 * len)?.abs()?;
                mirrored.sub(1.0)?.mul(0.5)?.floor()?
            }
        };
        // Of numbers so large that they are not exact, too.
        Ok(place.clip(0.0, len - 1.0)?)
    }
}

/// The place in an image that a place of the changed one shows: `x' = a0 x + a1 y + a2` and
/// `y' = b0 x + b1 y + b2`; each number `(batch, 1, 1)`.
struct Affine {
    x: [Var; 3],
    y: [Var; 3],
}

/// Random numbers of the images of a batch.
struct Draw<'a, 'b> {
    images: &'a Var,
    seed: Option<u64>,
    call: &'a mut Call<'b>,
}

impl Draw<'_, '_> {
    /// A number between two for each image: `(batch, 1, 1)`.
    fn between(&mut self, [low, high]: [f64; 2]) -> Result<Var> {
        let uniform = Distribution::Uniform;
        let draw = self.call.random_from(self.seed, uniform, self.images, &[1, 2, 3])?;
        Ok(draw.squeeze(3)?.mul(high - low)?.add(low)?)
    }
}

/// How pixels are read between and outside.
struct Reader<'a> {
    images: &'a Var,
    sides: [usize; 2],
    fill_mode: FillMode,
    fill_value: f64,
    /// All images' pixels, one after the other, and where each image's begin.
    pixels: Var,
    starts: Var,
}

impl<'a> Reader<'a> {
    fn new(images: &'a Var, fill_mode: FillMode, fill_value: f64) -> Result<Self> {
        let sides =
            [expect::known(images.shape(), 1)?, expect::known(images.shape(), 2)?];
        let starts = images.positions(0, DType::I32)?;
        let starts = starts.reshape([Axis::Rest, Axis::from(1), Axis::from(1)])?;
        // Fits: an image is in memory.
        let starts = starts.mul((sides[0] * sides[1]) as i32)?;
        let pixels = images.merge_axes(0, 3)?;
        Ok(Self { images, sides, fill_mode, fill_value, pixels, starts })
    }

    /// The pixels at whole numbers `(batch, height, width)`.
    fn read(&self, y: &Var, x: &Var) -> Result<Var> {
        let [height, width] = self.sides;
        let row = self.fill_mode.place(y, height)?.cast(DType::I32)?;
        let column = self.fill_mode.place(x, width)?.cast(DType::I32)?;
        let places = row.mul(width as i32)?.add(&column)?.add(&self.starts)?;
        let pixels = self.pixels.gather(0, &places)?;
        if self.fill_mode != FillMode::Constant {
            return Ok(pixels);
        }
        let inside = |at: &Var, len: usize| {
            at.greater_equal(0.0)?.and(&at.less_equal(len as f64 - 1.0)?)
        };
        let inside = inside(y, height)?.and(&inside(x, width)?)?;
        Ok(inside.expand_dims(3)?.select(&pixels, self.fill_value)?)
    }

    fn transform(&self, affine: &Affine, interpolation: Interpolation) -> Result<Var> {
        let dtype = self.images.dtype();
        let along = |axis: isize, shape: [Axis; 3]| {
            self.images.positions(axis, dtype)?.reshape(shape)
        };
        let one = || Axis::from(1);
        let y = along(1, [one(), Axis::Rest, one()])?;
        let x = along(2, [one(), one(), Axis::Rest])?;
        let place =
            |[of_x, of_y, more]: &[Var; 3]| x.mul(of_x)?.add(&y.mul(of_y)?)?.add(more);
        let (x, y) = (place(&affine.x)?, place(&affine.y)?);
        if interpolation == Interpolation::Nearest {
            // Halves are rounded away from zero.
            let round = |at: &Var| at.abs()?.add(0.5)?.floor()?.mul(&at.sign()?);
            return self.read(&round(&y)?, &round(&x)?);
        }
        let (above, left) = (y.floor()?, x.floor()?);
        let (down, right) = (y.sub(&above)?, x.sub(&left)?);
        let rows = [(above.clone(), down.mul(-1.0)?.add(1.0)?), (above.add(1.0)?, down)];
        let columns =
            [(left.clone(), right.mul(-1.0)?.add(1.0)?), (left.add(1.0)?, right)];
        let mut sum: Option<Var> = None;
        for (y, of_row) in &rows {
            for (x, of_column) in &columns {
                let part =
                    of_row.mul(of_column)?.expand_dims(3)?.mul(&self.read(y, x)?)?;
                sum = Some(sum.map_or(Ok(part.clone()), |sum| sum.add(&part))?);
            }
        }
        Ok(sum.unwrap_or_else(|| self.images.clone()))
    }
}

/// A layer that changes where pixels are: the doc, its name, its factors, what they have to lie
/// between, and the place that a place shows.
macro_rules! affine {
    (
        $(#[$doc:meta])* $layer:ident,
        { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* },
        |$checked:ident| $check:expr,
        |$of:ident, $draw:ident, $lens:ident| $affine:expr
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct $layer {
            $($(#[$field_doc])* $field: $type,)*
            #[serde(default)]
            fill_mode: FillMode,
            #[serde(default = "bilinear")]
            interpolation: Interpolation,
            #[serde(default)]
            seed: Option<u64>,
            #[serde(default)]
            fill_value: f64,
            #[serde(default)]
            data_format: DataFormat,
        }

        impl $layer {
            fn of($($field: $type),*) -> Self {
                Self {
                    $($field,)*
                    fill_mode: FillMode::Reflect,
                    interpolation: Interpolation::Bilinear,
                    seed: None,
                    fill_value: 0.0,
                    data_format: DataFormat::ChannelsLast,
                }
            }

            setters! {
                /// Sets what lies outside an image; the image in a mirror by default.
                fill_mode: FillMode;
                /// Sets what lies between pixels: lines, by default, or the nearest pixel.
                interpolation: Interpolation;
                /// Sets the seed that chance depends on; the layer's name by default.
                seed: into Option<u64>;
                /// Sets what lies outside with [`FillMode::Constant`]; 0 by default.
                fill_value: f64;
                /// Sets where the channels are; last by default.
                data_format: DataFormat;
            }
        }

        impl Layer for $layer {
            fn class_name(&self) -> &'static str {
                stringify!($layer)
            }

            fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
                let shape = self.data_format.spatial_input::<2>(inputs)?;
                sides(expect::known(&shape, 1)?, expect::known(&shape, 2)?)?;
                let $checked = self;
                $check;
                check_interpolation(self.interpolation)?;
                Ok(inputs.to_vec())
            }

            fn build(
                &self,
                _inputs: &[Shape],
                _init: &mut Init<'_>,
            ) -> Result<Box<dyn Built>> {
                Ok(Box::new(self.clone()))
            }
        }

        impl Built for $layer {
            fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
                let (given, dtype) = (inputs.only()?, call.dtype());
                if !call.is_training() {
                    return Ok(vec![given.cast(dtype)?]);
                }
                // Sixteen bits cannot tell the places of large images apart.
                let given = given.cast(wide(call))?;
                let images = self.data_format.to_last(&given)?;
                let reader = Reader::new(&images, self.fill_mode, self.fill_value)?;
                let $lens = reader.sides.map(|side| side as f64);
                let $of = self;
                let mut draw = Draw { images: &images, seed: self.seed, call };
                let $draw = &mut draw;
                let affine: Affine = $affine;
                let changed = reader.transform(&affine, self.interpolation)?;
                Ok(vec![self.data_format.of_last(&changed.cast(dtype)?)?])
            }
        }
    };
}

fn bilinear() -> Interpolation {
    Interpolation::Bilinear
}

fn check_interpolation(interpolation: Interpolation) -> Result<()> {
    if matches!(interpolation, Interpolation::Nearest | Interpolation::Bilinear) {
        return Ok(());
    }
    Err(Error::invalid("`interpolation` makes no sense", "nearest or bilinear")
        .got(format_args!("{interpolation:?}")))
}

affine! {
    /// Turns images in training, around their middle.
    ///
    /// Each image has an angle of its own at each step, between two; `factor` is a part of a full
    /// turn, -1 to 1, and more than 0 turns against the clock. In inference the output is the
    /// input.
    ///
    /// # Shapes
    ///
    /// `(batch, height, width, channels)`, both sides known; the output's is the input's.
    ///
    /// # Errors
    ///
    /// Applying it fails if the input has another rank or unknown sides, or a setting makes no
    /// sense.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Layer, layers::{FillMode, RandomRotation}};
    ///
    /// let image = [None, Some(28), Some(28), Some(1)].into();
    /// let layer = RandomRotation::new((-0.1, 0.2)).fill_mode(FillMode::Constant);
    /// assert_eq!(layer.output_shape(&[image])?[0].to_string(), "(batch, 28, 28, 1)");
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.layers.RandomRotation`.
    RandomRotation,
    { factor: Factor, },
    |layer| { layer.factor.reach("factor", -1.0, 1.0)?; },
    |layer, draw, lens| {
        let range = layer.factor.reach("factor", -1.0, 1.0)?;
        let angle = draw.between(range)?.mul(TAU)?;
        let (cos, sin) = (angle.cos()?, angle.sin()?);
        let [cy, cx] = lens.map(|len| (len - 1.0) / 2.0);
        let minus_sin = sin.mul(-1.0)?;
        let more = |center: f64, of_x: &Var, of_y: &Var| {
            of_x.mul(-cx)?.sub(&of_y.mul(cy)?)?.add(center)
        };
        let (x, y) = (more(cx, &cos, &minus_sin)?, more(cy, &sin, &cos)?);
        Affine { x: [cos.clone(), minus_sin, x], y: [sin, cos, y] }
    }
}

impl RandomRotation {
    /// The layer that turns images by so much.
    #[must_use]
    pub fn new(factor: impl Into<Factor>) -> Self {
        Self::of(factor.into())
    }
}

affine! {
    /// Moves images in training.
    ///
    /// Each image has distances of its own at each step, each between two; the factors are parts
    /// of height and width, -1 to 1, and more than 0 is down and right. In inference the output is
    /// the input.
    ///
    /// # Shapes
    ///
    /// `(batch, height, width, channels)`, both sides known; the output's is the input's.
    ///
    /// # Errors
    ///
    /// Applying it fails if the input has another rank or unknown sides, or a setting makes no
    /// sense.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Layer, layers::RandomTranslation};
    ///
    /// let image = [None, Some(28), Some(28), Some(1)].into();
    /// let layer = RandomTranslation::new(0.2, (0.0, 0.1));
    /// assert_eq!(layer.output_shape(&[image])?[0].to_string(), "(batch, 28, 28, 1)");
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.layers.RandomTranslation`.
    RandomTranslation,
    { height_factor: Factor, width_factor: Factor, },
    |layer| {
        layer.height_factor.check("height_factor", -1.0, 1.0)?;
        layer.width_factor.check("width_factor", -1.0, 1.0)?;
    },
    |layer, draw, lens| {
        let [height, width] = lens;
        let down = draw.between(layer.height_factor.check("height_factor", -1.0, 1.0)?)?;
        let right = draw.between(layer.width_factor.check("width_factor", -1.0, 1.0)?)?;
        let (zero, one) = (down.mul(0.0)?, down.mul(0.0)?.add(1.0)?);
        Affine {
            x: [one.clone(), zero.clone(), right.mul(-width)?],
            y: [zero, one, down.mul(-height)?],
        }
    }
}

impl RandomTranslation {
    /// The layer that moves images by so much.
    #[must_use]
    pub fn new(
        height_factor: impl Into<Factor>,
        width_factor: impl Into<Factor>,
    ) -> Self {
        Self::of(height_factor.into(), width_factor.into())
    }
}

affine! {
    /// Zooms images in training, around their middle.
    ///
    /// Each image has factors of its own at each step, each between two, above -1 and up to 1;
    /// less than 0 makes larger what the image shows. Without a width's factor, proportions stay.
    /// In inference the output is the input.
    ///
    /// # Shapes
    ///
    /// `(batch, height, width, channels)`, both sides known; the output's is the input's.
    ///
    /// # Errors
    ///
    /// Applying it fails if the input has another rank or unknown sides, or a setting makes no
    /// sense.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Layer, layers::RandomZoom};
    ///
    /// let image = [None, Some(28), Some(28), Some(1)].into();
    /// let layer = RandomZoom::new(0.2).width_factor((-0.1, 0.0));
    /// assert_eq!(layer.output_shape(&[image])?[0].to_string(), "(batch, 28, 28, 1)");
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.layers.RandomZoom`.
    RandomZoom,
    { height_factor: Factor, #[serde(default)] width_factor: Option<Factor>, },
    |layer| {
        layer.height_factor.check("height_factor", ABOVE_MINUS_1, 1.0)?;
        if let Some(factor) = layer.width_factor {
            factor.check("width_factor", ABOVE_MINUS_1, 1.0)?;
        }
    },
    |layer, draw, lens| {
        let more = |range: [f64; 2]| range.map(|factor| 1.0 + factor);
        let height = layer.height_factor.check("height_factor", ABOVE_MINUS_1, 1.0)?;
        let height = draw.between(more(height))?;
        let width = match layer.width_factor {
            Some(factor) => {
                draw.between(more(factor.check("width_factor", ABOVE_MINUS_1, 1.0)?))?
            }
            None => height.clone(),
        };
        let [cy, cx] = lens.map(|len| (len - 1.0) / 2.0);
        let offset = |zoom: &Var, center: f64| zoom.mul(-center)?.add(center);
        let (x, y) = (offset(&width, cx)?, offset(&height, cy)?);
        let zero = height.mul(0.0)?;
        Affine { x: [width, zero.clone(), x], y: [zero, height, y] }
    }
}

/// The least factor of a zoom, which Keras takes of one number only.
const ABOVE_MINUS_1: f64 = -1.0;

impl RandomZoom {
    /// The layer that zooms images by so much.
    #[must_use]
    pub fn new(height_factor: impl Into<Factor>) -> Self {
        Self::of(height_factor.into(), None)
    }

    /// Sets how much the width is zoomed; as much as the height by default.
    #[must_use]
    pub fn width_factor(mut self, width_factor: impl Into<Factor>) -> Self {
        self.width_factor = Some(width_factor.into());
        self
    }
}

affine! {
    /// Shears images in training: moves rows by their distance from the top, columns by theirs
    /// from the left.
    ///
    /// Each image has factors of its own at each step, each between two, and a sign for both by
    /// chance. In inference the output is the input.
    ///
    /// # Shapes
    ///
    /// `(batch, height, width, channels)`, both sides known; the output's is the input's.
    ///
    /// # Errors
    ///
    /// Applying it fails if the input has another rank or unknown sides, or a setting makes no
    /// sense.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Layer, layers::RandomShear};
    ///
    /// let image = [None, Some(28), Some(28), Some(1)].into();
    /// let layer = RandomShear::new(0.2, (0.0, 0.1));
    /// assert_eq!(layer.output_shape(&[image])?[0].to_string(), "(batch, 28, 28, 1)");
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.layers.RandomShear`.
    RandomShear,
    { #[serde(default = "nothing")] x_factor: Factor, #[serde(default = "nothing")] y_factor: Factor, },
    |layer| {
        layer.x_factor.check("x_factor", -1.0, 1.0)?;
        layer.y_factor.check("y_factor", -1.0, 1.0)?;
    },
    |layer, draw, _lens| {
        let sign = draw.between([0.0, 1.0])?.greater(0.5)?;
        let sign = sign.cast(draw.images.dtype())?.mul(-2.0)?.add(1.0)?;
        let y = draw.between(layer.y_factor.check("y_factor", -1.0, 1.0)?)?.mul(&sign)?;
        let x = draw.between(layer.x_factor.check("x_factor", -1.0, 1.0)?)?.mul(&sign)?;
        let (zero, one) = (x.mul(0.0)?, x.mul(0.0)?.add(1.0)?);
        Affine { x: [one.clone(), x, zero.clone()], y: [y, one, zero] }
    }
}

fn nothing() -> Factor {
    Factor::from(0.0)
}

impl RandomShear {
    /// The layer that shears images by so much.
    #[must_use]
    pub fn new(x_factor: impl Into<Factor>, y_factor: impl Into<Factor>) -> Self {
        Self::of(x_factor.into(), y_factor.into())
    }
}

#[cfg(test)]
mod tests;
