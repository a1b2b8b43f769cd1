//! Files of the IDX format, in which MNIST is distributed.
//!
//! Two zero bytes, the element type, the number of axes, their lengths as big-endian 32-bit
//! numbers, and the elements in row-major order.

use std::path::Path;

use deckle_tensor::{DType, Tensor};

use crate::{Error, Result, gzip::Bytes};

/// The element type that IDX calls 8: unsigned bytes.
const BYTES: u8 = 8;

/// Reads an IDX file of bytes; one whose name ends in `.gz` is decompressed.
///
/// # Errors
///
/// If the file cannot be read, is no IDX file of unsigned bytes, is damaged, or is longer or
/// shorter than it says.
///
/// # Examples
///
/// ```
/// use deckle_datasets::idx;
///
/// let file = std::env::temp_dir().join(format!("deckle-{}.idx", std::process::id()));
/// std::fs::write(&file, [0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9])?;
/// let tensor = idx::read(&file)?;
/// assert_eq!(tensor.shape(), [1, 3]);
/// assert_eq!(tensor.to_vec::<u8>()?, [7, 8, 9]);
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Y. LeCun, C. Cortes and C. J. C. Burges, *The MNIST database of handwritten digits*, "The
/// IDX file format".
pub fn read(path: impl AsRef<Path>) -> Result<Tensor> {
    parse(Bytes::open(path.as_ref())?)
}

pub(crate) fn parse(mut bytes: Bytes<'_>) -> Result<Tensor> {
    let [zero_0, zero_1, dtype, rank] = bytes.array()?;
    if (zero_0, zero_1) != (0, 0) || rank == 0 {
        return Err(Error::file(
            bytes.name(),
            format_args!(
                "is no IDX file: begins with {zero_0:02x} {zero_1:02x} {dtype:02x} {rank:02x}"
            ),
        ));
    }
    if dtype != BYTES {
        return Err(Error::file(
            bytes.name(),
            format_args!(
                "holds elements of IDX type 0x{dtype:02x}, expected 0x08 (bytes)"
            ),
        ));
    }
    let mut shape = Vec::new();
    for _ in 0..rank {
        shape.push(u32::from_be_bytes(bytes.array()?) as usize);
    }
    let size = shape.iter().try_fold(1u64, |size, &len| size.checked_mul(len as u64));
    let Some(size) = size.filter(|&size| size < u64::MAX) else {
        return Err(Error::file(
            bytes.name(),
            format_args!("announces more elements than there can be: {shape:?}"),
        ));
    };
    let values = bytes.rest(size)?;
    Ok(Tensor::from_bytes(DType::U8, shape, &values)?)
}

#[cfg(test)]
mod tests;
