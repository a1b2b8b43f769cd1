//! Data sets: shapes, layouts, tensors.

use deckle_tensor::{DType, Tensor, shape_text};

use super::{Bytes, Reader, UNDEFINED, chunks::Chunked, object::Object};
use crate::{
    Error, Result,
    hdf5::{
        Attribute, DTYPE, MAX_RANK,
        datatype::{Datatype, Number, unsupported},
    },
};

/// A shape, and how far it may grow.
pub(super) struct Space {
    /// Nothing if there is no value.
    pub(super) shape: Option<Vec<usize>>,
    /// The largest length of each axis.
    pub(super) most: Vec<u64>,
}

/// Where the data of a data set are.
pub(super) enum Layout<'a> {
    Compact(&'a [u8]),
    Contiguous { address: u64, size: u64 },
    Chunked(Chunked),
}

impl<'a> Reader<'a> {
    pub(super) fn layout(&mut self, message: &mut Bytes<'a>) -> Result<Layout<'a>> {
        let (version, class) = (message.u8()?, message.u8()?);
        match (version, class) {
            (3..=5, 0) => {
                let size = message.u16()?;
                self.spend(size.into())?;
                Ok(Layout::Compact(message.take(size.into())?))
            }
            (3..=5, 1) => {
                Ok(Layout::Contiguous { address: message.u64()?, size: message.u64()? })
            }
            (3, 2) => Ok(Layout::Chunked(Chunked::parse_old(message)?)),
            (4 | 5, 2) => Ok(Layout::Chunked(Chunked::parse_new(message)?)),
            (4 | 5, 3) => {
                Err(unsupported("a virtual data set, whose data are elsewhere"))
            }
            _ => Err(unsupported(&format!("a data layout of version {version}"))),
        }
    }

    pub(super) fn dataset(&mut self, object: Object<'a>) -> Result<Tensor> {
        let (datatype, layout) = match (object.datatype, object.layout) {
            (Some(datatype), Some(layout)) => (datatype, layout),
            (Some(_), None) => return Err(unsupported("a type of elements with a name")),
            _ => return Err(Error::new("damaged: neither a group nor a data set")),
        };
        let space = object
            .space
            .ok_or_else(|| Error::new("damaged: a data set without a shape"))?;
        let Some(shape) = &space.shape else {
            return Err(unsupported("a data set without a value"));
        };
        let said = object.attributes.get(DTYPE).and_then(Attribute::text);
        let datatype = match (datatype, said) {
            (Datatype::Opaque { size: 2 }, Some(said)) if said == DType::BF16.name() => {
                Datatype::Number { number: Number::BF16, big_endian: false }
            }
            _ => datatype,
        };
        datatype.check_number()?;
        let expected = byte_count(shape, datatype.size())?;
        if !object.filters.is_empty() && !matches!(layout, Layout::Chunked(_)) {
            return Err(Error::new("damaged: filtered, but not in chunks"));
        }
        let joined;
        let raw = match layout {
            _ if expected == 0 => &[],
            Layout::Contiguous { address: UNDEFINED, .. } => {
                return Err(never_written());
            }
            Layout::Contiguous { address, size } if size == expected as u64 => {
                self.at(address, size, "a data set")?.rest
            }
            Layout::Compact(bytes) if bytes.len() >= expected => &bytes[..expected],
            Layout::Chunked(chunked) => {
                joined = self.join(&chunked, &space, datatype.size(), &object.filters)?;
                &joined
            }
            _ => {
                return Err(Error::new(format_args!(
                    "damaged: shape {} does not fit its data's size",
                    shape_text(shape)
                )));
            }
        };
        datatype.tensor(shape, raw)
    }
}

pub(super) fn never_written() -> Error {
    Error::new("its data were never written")
}

pub(super) fn dataspace(message: &mut Bytes<'_>) -> Result<Space> {
    let (version, rank) = (message.u8()?, usize::from(message.u8()?));
    let flags = message.u8()?;
    let kind = message.u8()?;
    match version {
        1 => message.skip(4)?,
        2 if kind == 2 => return Ok(Space { shape: None, most: Vec::new() }),
        2 => {}
        _ => return Err(Error::new("damaged: a shape of unknown version")),
    }
    if rank > MAX_RANK {
        return Err(Error::new(format_args!("damaged: {rank} axes")));
    }
    let lens = (0..rank).map(|_| message.u64()).collect::<Result<Vec<_>>>()?;
    let most = match flags & 1 {
        0 => lens.clone(),
        _ => (0..rank).map(|_| message.u64()).collect::<Result<_>>()?,
    };
    let len = |len: u64| {
        usize::try_from(len)
            .map_err(|_| Error::new(format_args!("damaged: an axis of length {len}")))
    };
    let shape = lens.into_iter().map(len).collect::<Result<_>>()?;
    Ok(Space { shape: Some(shape), most })
}

/// The bytes of a tensor, if such a tensor can be addressed.
pub(crate) fn byte_count(shape: &[usize], size: usize) -> Result<usize> {
    let empty = shape.contains(&0) || size == 0;
    // Strides are products of lengths even if another length is 0.
    shape
        .iter()
        .filter(|&&len| len != 0)
        .try_fold(size.max(1), |bytes, &len| bytes.checked_mul(len))
        .filter(|&bytes| bytes <= isize::MAX.unsigned_abs() / 16)
        .map(|bytes| if empty { 0 } else { bytes })
        .ok_or_else(|| {
            Error::new(format_args!("damaged: of the absurd shape {}", shape_text(shape)))
        })
}
