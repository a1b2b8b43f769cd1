//! Many images as one: [`Grid`], [`filters`], [`activations`].

use deckle_formats::Image;
use deckle_tensor::{DType, Tensor, shape_text};

use crate::{Color, Error, Result};

/// Many images of one size as one image, in rows.
///
/// # Examples
///
/// ```
/// use deckle_plot::Grid;
/// use deckle_tensor::{DType, Tensor};
///
/// let digits = Tensor::zeros(DType::U8, [10, 28, 28]);
/// let image = Grid::new().columns(5).scale(2).image(&digits)?;
/// assert_eq!((image.width(), image.height()), (5 * 57 + 1, 2 * 57 + 1));
/// # Ok::<(), deckle_plot::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    columns: Option<usize>,
    scale: usize,
    gap: usize,
    stretch: bool,
    viridis: bool,
}

impl Default for Grid {
    fn default() -> Self {
        Self::new()
    }
}

impl Grid {
    /// As many columns as rows, each number a pixel, as bright as it says.
    #[must_use]
    pub const fn new() -> Self {
        Self { columns: None, scale: 1, gap: 1, stretch: false, viridis: false }
    }

    /// Sets the number of images in a row; by default as many as there are rows, or more.
    #[must_use]
    pub const fn columns(mut self, columns: usize) -> Self {
        self.columns = Some(columns);
        self
    }

    /// Sets how many pixels wide and high each of an image's pixels becomes; 1 by default.
    #[must_use]
    pub const fn scale(mut self, scale: usize) -> Self {
        self.scale = scale;
        self
    }

    /// Sets how many pixels lie between images; 1 by default.
    #[must_use]
    pub const fn gap(mut self, gap: usize) -> Self {
        self.gap = gap;
        self
    }

    /// Sets whether each image goes from its least number to its greatest, whatever these are;
    /// false by default.
    #[must_use]
    pub const fn stretch(mut self, stretch: bool) -> Self {
        self.stretch = stretch;
        self
    }

    /// Sets whether numbers become colors from violet to yellow instead of grey; false by
    /// default. Images with three channels have colors of their own.
    #[must_use]
    pub const fn viridis(mut self, viridis: bool) -> Self {
        self.viridis = viridis;
        self
    }

    /// The images of a tensor `(images, height, width)` or `(images, height, width, channels)`.
    ///
    /// Floating-point numbers count from 0 to 1, all others from 0 to 255, unless stretched.
    ///
    /// # Errors
    ///
    /// If the shape is another one, there is no pixel, channels are other than 1 or 3, or the
    /// image would have more than 100 million pixels.
    pub fn image(&self, images: &Tensor) -> Result<Image> {
        let (count, height, width, channels) = match *images.shape() {
            [count, height, width] => (count, height, width, 1),
            [count, height, width, channels @ (1 | 3)] => {
                (count, height, width, channels)
            }
            _ => (0, 0, 0, 0),
        };
        if count * height * width == 0 || self.scale == 0 {
            let got = shape_text(images.shape());
            return Err(Error::invalid(
                "these are no images for a grid",
                "(images, height, width), or (images, height, width, channels) with 1 or 3 \
                 channels",
                format_args!("{got}, each pixel {} wide", self.scale),
            ));
        }
        let columns = self.columns.unwrap_or((count as f64).sqrt().ceil() as usize);
        let columns = columns.clamp(1, count);
        let side = |count: usize, side: usize| {
            let tile = side.saturating_mul(self.scale).saturating_add(self.gap);
            count.saturating_mul(tile).saturating_add(self.gap)
        };
        let all = (side(columns, width), side(count.div_ceil(columns), height));
        if all.0.saturating_mul(all.1) > 100_000_000 {
            return Err(Error::invalid(
                "the grid is too large",
                "at most 100 million pixels",
                format_args!("{} x {}", all.0, all.1),
            ));
        }
        let unit = if images.dtype().is_float() { 1.0 } else { 255.0 };
        let values = images.cast(DType::F64).to_vec::<f64>()?;
        let mut pixels = vec![128; all.0 * all.1 * 3];
        for (i, image) in values.chunks_exact(height * width * channels).enumerate() {
            let (low, high) = if self.stretch { range(image) } else { (0.0, unit) };
            let left = self.gap + i % columns * (width * self.scale + self.gap);
            let top = self.gap + i / columns * (height * self.scale + self.gap);
            for y in 0..height * self.scale {
                for x in 0..width * self.scale {
                    let from = (y / self.scale * width + x / self.scale) * channels;
                    let color = self.color(&image[from..from + channels], low, high);
                    let to = ((top + y) * all.0 + left + x) * 3;
                    pixels[to..to + 3].copy_from_slice(&[color.0, color.1, color.2]);
                }
            }
        }
        Ok(Image::new(all.0, all.1, 3, pixels)?)
    }

    fn color(&self, pixel: &[f64], low: f64, high: f64) -> Color {
        let share = |value: f64| (value - low) / (high - low);
        // `as` cuts at 0 and 255, and makes NaN 0.
        let byte = |value: f64| (share(value) * 255.0).round() as u8;
        match *pixel {
            [r, g, b] => Color(byte(r), byte(g), byte(b)),
            [value, ..] if self.viridis => Color::viridis(share(value)),
            [value, ..] => Color(byte(value), byte(value), byte(value)),
            [] => Color::WHITE,
        }
    }
}

/// The least and the greatest finite number; apart by 1 at least if they are the same.
pub(crate) fn range(values: &[f64]) -> (f64, f64) {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let ends = finite.fold(None, |ends: Option<(f64, f64)>, value| {
        Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    });
    match ends {
        Some((low, high)) if high > low => (low, high),
        Some((low, _)) => (low, low + 1.0),
        None => (0.0, 1.0),
    }
}

/// The filters of a convolution as images: `(height, width, inputs, filters)` becomes
/// `(filters, height, width, 3)` for 3 inputs, else `(filters · inputs, height, width)`.
///
/// # Errors
///
/// If the kernel does not have four axes.
///
/// # Examples
///
/// ```
/// use deckle_plot::{Grid, filters};
/// use deckle_tensor::{DType, Tensor};
///
/// let kernel = Tensor::zeros(DType::F32, [3, 3, 1, 32]);
/// assert_eq!(filters(&kernel)?.shape(), [32, 3, 3]);
/// let image = Grid::new().columns(8).scale(8).stretch(true).image(&filters(&kernel)?)?;
/// assert_eq!(image.width(), 8 * 25 + 1);
/// # Ok::<(), deckle_plot::Error>(())
/// ```
pub fn filters(kernel: &Tensor) -> Result<Tensor> {
    let [height, width, inputs, filters] = *kernel.shape() else {
        return Err(Error::invalid(
            "this is no kernel of a convolution over images",
            "(height, width, inputs, filters)",
            shape_text(kernel.shape()),
        ));
    };
    if inputs == 3 {
        return Ok(kernel.permute([3, 0, 1, 2])?);
    }
    let each = kernel.permute([3, 2, 0, 1])?;
    Ok(each.reshape([filters * inputs, height, width])?)
}

/// What a layer puts out for one image, as images: `(1, height, width, channels)` or without
/// the first axis becomes `(channels, height, width)`.
///
/// # Errors
///
/// If the shape is another one.
///
/// # Keras
///
/// The book's pictures of intermediate activations (section 5.4.1), with
/// `Grid::new().columns(16).stretch(true).viridis(true)`.
pub fn activations(output: &Tensor) -> Result<Tensor> {
    let output = match *output.shape() {
        [1, _, _, _] => output.squeeze([0])?,
        [_, _, _] => output.clone(),
        _ => {
            return Err(Error::invalid(
                "this is no output for one image",
                "(1, height, width, channels)",
                shape_text(output.shape()),
            )
            .help("choose one with slice((i..i + 1,))"));
        }
    };
    Ok(output.permute([2, 0, 1])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_stand_in_rows_with_gaps() -> Result<()> {
        let images = Tensor::new(vec![0u8, 10, 20, 30, 40, 50], [3, 1, 2])?;
        let image = Grid::new().columns(2).image(&images)?;
        assert_eq!((image.width(), image.height()), (7, 5));
        let row = |y| (0..7).map(|x| image.pixel(x, y)[0]).collect::<Vec<_>>();
        assert_eq!(row(1), [128, 0, 10, 128, 20, 30, 128]);
        assert_eq!(row(3), [128, 40, 50, 128, 128, 128, 128]);
        assert_eq!(row(2), [128; 7]);
        Ok(())
    }

    #[test]
    fn stretched_images_use_the_whole_range_each() -> Result<()> {
        let values = vec![-1.0f32, 1.0, 5.0, 5.0, f32::NAN, 2.0];
        let images = Tensor::new(values, [3, 2, 1])?;
        let image = Grid::new().gap(0).columns(3).stretch(true).image(&images)?;
        let column = |x| [image.pixel(x, 0)[0], image.pixel(x, 1)[0]];
        assert_eq!([column(0), column(1), column(2)], [[0, 255], [0, 0], [0, 0]]);
        let colors = Grid::new().gap(0).stretch(true).viridis(true).image(&images)?;
        assert_eq!(colors.pixel(0, 0), [68, 1, 84]);
        Ok(())
    }

    #[test]
    fn filters_and_activations_become_images() -> Result<()> {
        let numbers = |size: usize| (0..size).map(|i| i as f32).collect::<Vec<_>>();
        let kernel = Tensor::new(numbers(2 * 2 * 3 * 5), [2, 2, 3, 5])?;
        assert_eq!(filters(&kernel)?.shape(), [5, 2, 2, 3]);
        let kernel = Tensor::new(numbers(2 * 4), [2, 1, 2, 2])?;
        let images = filters(&kernel)?;
        assert_eq!(images.shape(), [4, 2, 1]);
        // The first filter's first input, then its second.
        assert_eq!(images.to_vec::<f32>()?, [0.0, 4.0, 2.0, 6.0, 1.0, 5.0, 3.0, 7.0]);
        let output = Tensor::new(numbers(12), [1, 2, 2, 3])?;
        assert_eq!(activations(&output)?.to_vec::<f32>()?[..4], [0.0, 3.0, 6.0, 9.0]);
        Ok(())
    }

    #[test]
    fn what_is_no_grid_is_an_error() {
        let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
        let error = Grid::new().image(&zeros(&[2, 3])).unwrap_err().to_string();
        assert!(error.ends_with("got: (2, 3), each pixel 1 wide"), "{error}");
        assert!(Grid::new().image(&zeros(&[0, 3, 3])).is_err());
        assert!(Grid::new().image(&zeros(&[2, 3, 3, 4])).is_err());
        assert!(Grid::new().scale(0).image(&zeros(&[1, 1, 1])).is_err());
        assert!(Grid::new().scale(usize::MAX).image(&zeros(&[1, 1, 1])).is_err());
        assert!(filters(&zeros(&[3, 3])).is_err());
        assert!(activations(&zeros(&[2, 3, 3, 1])).is_err());
    }
}
