//! What is done to a chunk before it is stored, and undone here: [`Filter`].

use std::{borrow::Cow, io::Read};

use flate2::bufread::ZlibDecoder;

use super::Bytes;
use crate::{
    Error, Result,
    hdf5::{checksum::is_fletcher32, datatype::unsupported},
};

/// One step of what was done to every chunk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Filter {
    Deflate,
    /// The first bytes of all elements, then the second, and so on.
    Shuffle {
        size: usize,
    },
    /// A checksum at the end.
    Fletcher32,
    /// h5py's fast compression.
    Lzf,
}

impl Filter {
    /// Reads the message about filters.
    pub(super) fn parse(message: &mut Bytes<'_>) -> Result<Vec<Self>> {
        let (version, count) = (message.u8()?, message.u8()?);
        match version {
            1 => message.skip(6)?,
            2 => {}
            _ => return Err(Error::new("damaged: filters of unknown version")),
        }
        let mut filters = Vec::new();
        for _ in 0..count {
            let id = message.u16()?;
            let name_len = if version == 1 || id >= 256 { message.u16()? } else { 0 };
            message.skip(2)?;
            let values = usize::from(message.u16()?);
            let align = if version == 1 { 8 } else { 1 };
            message.skip(usize::from(name_len).next_multiple_of(align))?;
            let first = if values > 0 { message.u32()? } else { 0 };
            message.skip(4 * values.saturating_sub(1))?;
            if version == 1 && values % 2 == 1 {
                message.skip(4)?;
            }
            filters.push(match id {
                1 => Self::Deflate,
                2 => Self::Shuffle { size: first as usize },
                3 => Self::Fletcher32,
                4 => return Err(unsupported("data compressed by `szip`")),
                5 => return Err(unsupported("data packed by `nbit`")),
                6 => return Err(unsupported("data packed by `scaleoffset`")),
                32_000 => Self::Lzf,
                id => return Err(unsupported(&format!("data filtered by filter {id}"))),
            });
        }
        Ok(filters)
    }

    /// Undoes the step; what comes out has `limit` bytes at most.
    pub(super) fn undo<'a>(
        self,
        bytes: Cow<'a, [u8]>,
        limit: usize,
    ) -> Result<Cow<'a, [u8]>> {
        match self {
            Self::Deflate => {
                let mut out = Vec::new();
                ZlibDecoder::new(&bytes[..])
                    .take(limit as u64 + 1)
                    .read_to_end(&mut out)
                    .map_err(|_| Error::new("damaged: compressed data make no sense"))?;
                if out.len() > limit {
                    return Err(Error::new("damaged: a chunk inflates to too much"));
                }
                Ok(out.into())
            }
            Self::Shuffle { size } if size > 1 => {
                let count = bytes.len() / size;
                let mut out = bytes.to_vec();
                for (at, plane) in
                    bytes[..count * size].chunks_exact(count.max(1)).enumerate()
                {
                    for (element, byte) in plane.iter().enumerate() {
                        out[element * size + at] = *byte;
                    }
                }
                Ok(out.into())
            }
            Self::Shuffle { .. } => Ok(bytes),
            Self::Fletcher32 => {
                let wrong = || Error::new("damaged: the checksum of a chunk is wrong");
                let (data, said) = bytes.split_last_chunk::<4>().ok_or_else(wrong)?;
                if !is_fletcher32(u32::from_le_bytes(*said), data) && !cfg!(fuzzing) {
                    return Err(wrong());
                }
                let len = data.len();
                Ok(match bytes {
                    Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..len]),
                    Cow::Owned(mut bytes) => {
                        bytes.truncate(len);
                        Cow::Owned(bytes)
                    }
                })
            }
            Self::Lzf => Ok(expand_lzf(&bytes, limit)?.into()),
        }
    }
}

/// Undoes the compression LZF: runs of bytes, and copies of what came before.
fn expand_lzf(bytes: &[u8], limit: usize) -> Result<Vec<u8>> {
    let damaged = || Error::new("damaged: compressed data make no sense");
    let mut out: Vec<u8> = Vec::new();
    let mut rest = Bytes::new(bytes, "compressed data");
    while !rest.rest.is_empty() {
        let control = usize::from(rest.u8()?);
        if control < 32 {
            out.extend(rest.take(control + 1)?);
        } else {
            let mut len = control >> 5;
            if len == 7 {
                len += usize::from(rest.u8()?);
            }
            let back = (control & 31) << 8 | usize::from(rest.u8()?);
            let start = out.len().checked_sub(back + 1).ok_or_else(damaged)?;
            for at in start..start + len + 2 {
                out.push(out[at]);
            }
        }
        if out.len() > limit {
            return Err(Error::new("damaged: a chunk inflates to too much"));
        }
    }
    Ok(out)
}
