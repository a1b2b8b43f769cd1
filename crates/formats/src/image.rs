//! Pictures in memory, and as PNG: [`Image`].

use std::{io::Write, path::Path};

use deckle_tensor::{DType, Tensor, shape_text};
use flate2::{Compression, Crc, write::ZlibEncoder};

use crate::{Error, Result, disk};

/// A picture: rows of pixels of 1 (grey), 2 (grey, opacity), 3 (RGB) or 4 bytes (RGBA).
///
/// # Examples
///
/// ```
/// use deckle_formats::Image;
///
/// let red_and_blue = Image::new(2, 1, 3, vec![255, 0, 0, 0, 0, 255])?;
/// assert_eq!(red_and_blue.pixel(1, 0), [0, 0, 255]);
/// assert!(red_and_blue.to_png()?.starts_with(b"\x89PNG"));
/// # Ok::<(), deckle_formats::Error>(())
/// ```
///
/// # References
///
/// W3C: *Portable Network Graphics (PNG) Specification*, third edition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Vec<u8>,
}

/// The longest side that the format can have.
const LONGEST: usize = i32::MAX as usize;

impl Image {
    /// A picture of these pixels, row by row from the top.
    ///
    /// # Errors
    ///
    /// If a side is 0, there are other than 1 to 4 channels, or the pixels are not as many.
    pub fn new(
        width: usize,
        height: usize,
        channels: usize,
        pixels: Vec<u8>,
    ) -> Result<Self> {
        let sides = [width, height].into_iter();
        if sides.clone().any(|side| side == 0 || side > LONGEST) {
            return Err(Error::new(format_args!(
                "a picture cannot be {width} pixels wide and {height} high"
            )));
        }
        if !(1..=4).contains(&channels) {
            return Err(Error::new(format_args!(
                "a picture cannot have {channels} channels"
            ))
            .help("1 is grey, 3 is RGB; 2 and 4 have opacity besides"));
        }
        let size = sides.chain([channels]).try_fold(1usize, usize::checked_mul);
        if size != Some(pixels.len()) {
            return Err(Error::new(format_args!(
                "a picture of {width} x {height} pixels with {channels} channels cannot \
                 have {} bytes",
                pixels.len()
            )));
        }
        Ok(Self { width, height, channels, pixels })
    }

    /// The picture that a tensor `(height, width)` or `(height, width, channels)` holds.
    ///
    /// Floating-point numbers count from 0 to 1, all others from 0 to 255; what lies outside is
    /// cut, NaN is 0.
    ///
    /// # Errors
    ///
    /// If the shape is another one.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_formats::Image;
    /// use deckle_tensor::Tensor;
    ///
    /// let image = Image::from_tensor(&Tensor::new(vec![0.0f32, 0.5, 1.0], [1, 3])?)?;
    /// assert_eq!(image.pixels(), [0, 128, 255]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let (height, width, channels) = match *tensor.shape() {
            [height, width] => (height, width, 1),
            [height, width, channels] => (height, width, channels),
            _ => {
                return Err(Error::new(format_args!(
                    "a tensor of shape {} is no picture",
                    shape_text(tensor.shape())
                ))
                .help("give one of shape (height, width) or (height, width, channels)"));
            }
        };
        let scale = if tensor.dtype().is_float() { 255.0 } else { 1.0 };
        let values = tensor.cast(DType::F64).to_vec::<f64>()?;
        // `as` cuts at 0 and 255, and makes NaN 0.
        let pixels = values.iter().map(|value| (value * scale).round() as u8);
        Self::new(width, height, channels, pixels.collect())
    }

    /// The number of pixels of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The number of bytes of a pixel.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All bytes, row by row from the top.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The bytes of the pixel at `x` from the left and `y` from the top.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> &[u8] {
        assert!(x < self.width && y < self.height, "no pixel ({x}, {y})");
        let at = (y * self.width + x) * self.channels;
        &self.pixels[at..at + self.channels]
    }

    /// The picture as the bytes of a PNG file; the same for the same picture.
    ///
    /// # Errors
    ///
    /// If a row has more than 2³¹ bytes.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let mut header = Vec::with_capacity(13);
        for side in [self.width, self.height] {
            header.extend((side as u32).to_be_bytes());
        }
        let kind = [0, 4, 2, 6][self.channels - 1];
        // Eight bits a sample, the only compression and filters there are, no interlacing.
        header.extend([8, kind, 0, 0, 0]);
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut png, b"IHDR", &header)?;
        chunk(&mut png, b"IDAT", &self.deflate()?)?;
        chunk(&mut png, b"IEND", &[])?;
        Ok(png)
    }

    /// Writes the picture as a PNG file, replacing the file at once.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save_png(&self, path: impl AsRef<Path>) -> Result<()> {
        disk::write_atomically(path, &self.to_png()?)
    }

    /// The filtered rows, compressed.
    fn deflate(&self) -> Result<Vec<u8>> {
        let in_memory = |error| Error::io(Path::new("memory"), error);
        let stride = self.width * self.channels;
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let (mut above, mut best) = (vec![0; stride], vec![0; stride]);
        let mut row = vec![0; stride];
        for line in self.pixels.chunks_exact(stride) {
            let (mut chosen, mut least) = (0, u64::MAX);
            for filter in [0, 1, 2, 4] {
                filter_row(filter, line, &above, self.channels, &mut row);
                let cost =
                    row.iter().map(|&byte| u64::from(byte.cast_signed().unsigned_abs()));
                let cost = cost.sum();
                if cost < least {
                    (chosen, least) = (filter, cost);
                    best.copy_from_slice(&row);
                }
            }
            encoder.write_all(&[chosen]).map_err(in_memory)?;
            encoder.write_all(&best).map_err(in_memory)?;
            above.copy_from_slice(line);
        }
        encoder.finish().map_err(in_memory)
    }
}

/// What a row differs in from what the filter expects of it: section 9.2.
fn filter_row(filter: u8, line: &[u8], above: &[u8], channels: usize, into: &mut [u8]) {
    for (i, out) in into.iter_mut().enumerate() {
        let (left, corner) = match i.checked_sub(channels) {
            Some(before) => (line[before], above[before]),
            None => (0, 0),
        };
        let expected = match filter {
            0 => 0,
            1 => left,
            2 => above[i],
            _ => paeth(left, above[i], corner),
        };
        *out = line[i].wrapping_sub(expected);
    }
}

/// Of three neighbours the one that is closest to `left + above - corner`.
fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let guess = i16::from(left) + i16::from(above) - i16::from(corner);
    let distance = |value: &u8| (guess - i16::from(*value)).abs();
    // The first of equals counts, in this order.
    [left, above, corner].into_iter().min_by_key(distance).unwrap_or(left)
}

fn chunk(png: &mut Vec<u8>, name: &[u8; 4], bytes: &[u8]) -> Result<()> {
    let len = u32::try_from(bytes.len()).ok().filter(|&len| len <= LONGEST as u32);
    let len = len.ok_or_else(|| Error::new("the picture is too large for PNG"))?;
    let mut crc = Crc::new();
    crc.update(name);
    crc.update(bytes);
    png.extend(len.to_be_bytes());
    png.extend(name);
    png.extend(bytes);
    png.extend(crc.sum().to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture that a foreign decoder finds in a file.
    fn decode(bytes: &[u8]) -> Image {
        let mut reader =
            png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let channels = info.color_type.samples();
        Image::new(info.width as usize, info.height as usize, channels, pixels).unwrap()
    }

    #[test]
    fn another_decoder_reads_every_size_and_number_of_channels() {
        for (width, height) in [(1, 1), (1, 7), (5, 1), (3, 4), (40, 33)] {
            for channels in 1..=4 {
                let size = width * height * channels;
                let noise = (0..size).map(|i| (i * i * 31 + i * 7) as u8).collect();
                let ramp = (0..size).map(|i| (i / channels) as u8).collect();
                for pixels in [noise, ramp, vec![255; size]] {
                    let image = Image::new(width, height, channels, pixels).unwrap();
                    assert_eq!(decode(&image.to_png().unwrap()), image);
                }
            }
        }
    }

    #[test]
    fn smooth_pictures_become_small() {
        let pixels = (0..100 * 100).map(|i| (i / 100 + i % 100) as u8).collect();
        let image = Image::new(100, 100, 1, pixels).unwrap();
        assert!(image.to_png().unwrap().len() < 300);
    }

    #[test]
    fn tensors_are_cut_to_what_a_byte_holds()
    -> std::result::Result<(), deckle_tensor::Error> {
        let values = vec![f32::NAN, -1.0, 0.25, 7.0, f32::INFINITY, f32::NEG_INFINITY];
        let image = Image::from_tensor(&Tensor::new(values, [1, 2, 3])?).unwrap();
        assert_eq!((image.width(), image.height(), image.channels()), (2, 1, 3));
        assert_eq!(image.pixels(), [0, 0, 64, 255, 255, 0]);
        let image =
            Image::from_tensor(&Tensor::new(vec![-3i32, 9, 300], [3, 1])?).unwrap();
        assert_eq!(image.pixels(), [0, 9, 255]);
        Ok(())
    }

    #[test]
    fn what_is_no_picture_is_an_error() -> std::result::Result<(), deckle_tensor::Error> {
        let of = |width, height, channels, len| {
            Image::new(width, height, channels, vec![0; len]).unwrap_err().to_string()
        };
        assert_eq!(of(0, 2, 1, 0), "a picture cannot be 0 pixels wide and 2 high");
        assert_eq!(
            of(2, 2, 5, 20),
            "a picture cannot have 5 channels\n      help: 1 is grey, 3 is RGB; 2 and 4 have \
             opacity besides"
        );
        assert_eq!(
            of(2, 2, 3, 11),
            "a picture of 2 x 2 pixels with 3 channels cannot have 11 bytes"
        );
        let error = Image::from_tensor(&Tensor::zeros(DType::F32, [4])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a tensor of shape (4,) is no picture\n      help: give one of shape (height, \
             width) or (height, width, channels)"
        );
        let huge = Image::new(1 << 30, 1 << 30, 4, Vec::new()).unwrap_err();
        assert!(huge.to_string().ends_with("cannot have 0 bytes"));
        Ok(())
    }
}
