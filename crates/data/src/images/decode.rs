//! The pixels of JPEG and PNG files: [`decode`].

use std::io::{Cursor, ErrorKind};

use png::{ColorType, Decoder, DecodingError, Transformations};
use zune_core::{colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// The channels that images get.
///
/// # Keras
///
/// `color_mode` of `keras.utils.image_dataset_from_directory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ColorMode {
    /// One: `0.299 red + 0.587 green + 0.114 blue`.
    Grayscale,
    /// Red, green and blue; opacity is left out.
    #[default]
    Rgb,
    /// Red, green, blue and opacity, 255 where an image has none.
    Rgba,
}

impl ColorMode {
    /// The number of channels.
    #[must_use]
    pub const fn channels(self) -> usize {
        match self {
            Self::Grayscale => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// The longest side of an image.
pub(crate) const LONGEST: usize = 1 << 14;

/// Pixels that any file may have, and those that it may have for each byte: a progressive JPEG of
/// one colour has at most 512, a PNG of one bit a pixel 8 times what deflate can expand.
const PIXELS: usize = 1 << 20;
const JPEG_PIXELS: usize = 512;
const PNG_PIXELS: usize = 8 * 1032;

/// Writes an image's pixels, row by row, and says its height and width; or what is wrong.
pub(crate) fn decode(
    bytes: &[u8],
    mode: ColorMode,
    pixels: &mut Vec<u8>,
) -> Result<[usize; 2], String> {
    match bytes {
        [] => Err("an empty file".to_owned()),
        [0xff, 0xd8, 0xff, ..] => jpeg(bytes, mode, pixels),
        [0x89, b'P', b'N', b'G', ..] => png(bytes, mode, pixels),
        [b'G', b'I', b'F', b'8', ..] => Err("a GIF image".to_owned()),
        [b'B', b'M', ..] => Err("a BMP image".to_owned()),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
            Err("a WebP image".to_owned())
        }
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => {
            Err("a TIFF image".to_owned())
        }
        _ => Err(format!("a file that begins with {:?}", beginning(bytes))),
    }
}

fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(8)]).into_owned()
}

fn check_size(
    [height, width]: [usize; 2],
    bytes: &[u8],
    pixels_a_byte: usize,
) -> Result<(), String> {
    if height == 0 || width == 0 || height > LONGEST || width > LONGEST {
        return Err(format!("an image of {height} x {width} pixels"));
    }
    let most = bytes.len().saturating_mul(pixels_a_byte).saturating_add(PIXELS);
    if height * width > most {
        return Err(format!(
            "a file of {} bytes that claims {height} x {width} pixels",
            bytes.len()
        ));
    }
    Ok(())
}

fn jpeg(
    bytes: &[u8],
    mode: ColorMode,
    pixels: &mut Vec<u8>,
) -> Result<[usize; 2], String> {
    // The decoder fills what is missing with grey.
    let last = |marker: u8| bytes.windows(2).rposition(|two| two == [0xff, marker]);
    if last(0xd9) <= last(0xda) {
        return Err("a JPEG image that is cut off".to_owned());
    }
    let failed = |error| format!("a damaged JPEG image: {error}");
    let options =
        DecoderOptions::default().set_max_width(LONGEST).set_max_height(LONGEST);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    decoder.decode_headers().map_err(failed)?;
    let info = decoder.info().ok_or("a JPEG image without a header")?;
    let size = [usize::from(info.height), usize::from(info.width)];
    check_size(size, bytes, JPEG_PIXELS)?;
    let is_grey = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => true,
        // Its first channel is how bright a pixel is.
        Some(ColorSpace::YCbCr) => mode == ColorMode::Grayscale,
        _ => false,
    };
    let (space, given) =
        if is_grey { (ColorSpace::Luma, 1) } else { (ColorSpace::RGB, 3) };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    pixels.clear();
    pixels.resize(size[0] * size[1] * given, 0);
    decoder.decode_into(pixels).map_err(failed)?;
    convert(pixels, given, mode);
    Ok(size)
}

fn png(
    bytes: &[u8],
    mode: ColorMode,
    pixels: &mut Vec<u8>,
) -> Result<[usize; 2], String> {
    let failed = |error| match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "a PNG image that is cut off".to_owned()
        }
        error => format!("a damaged PNG image: {error}"),
    };
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(failed)?;
    let size = [header.height as usize, header.width as usize];
    check_size(size, bytes, PNG_PIXELS)?;
    let mut reader = decoder.read_info().map_err(failed)?;
    let len = reader.output_buffer_size().ok_or("a PNG image that is too large")?;
    pixels.clear();
    pixels.resize(len, 0);
    let info = reader.next_frame(pixels).map_err(failed)?;
    pixels.truncate(info.buffer_size());
    let given = match info.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgba => 4,
        ColorType::Rgb | ColorType::Indexed => 3,
    };
    convert(pixels, given, mode);
    Ok(size)
}

/// Gives pixels of so many channels those of the mode.
fn convert(pixels: &mut Vec<u8>, given: usize, mode: ColorMode) {
    if given == mode.channels() {
        return;
    }
    let from = std::mem::take(pixels);
    pixels.reserve(from.len() / given * mode.channels());
    for pixel in from.chunks_exact(given) {
        let (rgb, opacity) = match *pixel {
            [grey] => ([grey; 3], 255),
            [grey, opacity] => ([grey; 3], opacity),
            [red, green, blue] => ([red, green, blue], 255),
            [red, green, blue, opacity] => ([red, green, blue], opacity),
            _ => ([0; 3], 255),
        };
        match mode {
            ColorMode::Grayscale if given < 3 => pixels.push(rgb[0]),
            ColorMode::Grayscale => pixels.push(luma(rgb)),
            ColorMode::Rgb => pixels.extend(rgb),
            ColorMode::Rgba => {
                pixels.extend(rgb);
                pixels.push(opacity);
            }
        }
    }
}

/// How bright a colour is: ITU-R BT.601, in 65536ths as Pillow rounds it.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
    ((sum + 0x8000) >> 16) as u8
}
