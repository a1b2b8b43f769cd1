//! Attributes: small values in object headers, or in a heap if there are many.

use super::{
    Bytes, Reader, UNDEFINED,
    data::{byte_count, dataspace},
    members::Links,
    text,
};
use crate::{
    Error, Result,
    hdf5::{
        Attribute,
        datatype::{Datatype, HEAP_TEXT_SIZE, Padding, unsupported},
    },
};

impl<'a> Reader<'a> {
    pub(super) fn attribute(
        &mut self,
        mut message: Bytes<'a>,
    ) -> Result<(String, Attribute)> {
        self.spend(message.rest.len())?;
        let (version, flags) = (message.u8()?, message.u8()?);
        let sizes = [message.u16()?, message.u16()?, message.u16()?].map(usize::from);
        let align = match version {
            1 => 8,
            2 => 1,
            3 => {
                message.skip(1)?;
                1
            }
            _ => return Err(Error::new("damaged: an attribute of unknown version")),
        };
        if version > 1 && flags & 3 != 0 {
            return Err(unsupported("messages shared between objects"));
        }
        let name = message.piece(sizes[0], align, "an attribute")?.rest;
        let name = text(name.split(|&byte| byte == 0).next().unwrap_or_default())?;
        let datatype = message.piece(sizes[1], align, "an attribute")?;
        let space = message.piece(sizes[2], align, "an attribute")?;
        let value = self
            .attribute_value(datatype, space, message)
            .map_err(|error| error.inside(format_args!("attribute {name}")))?;
        Ok((name, value))
    }

    fn attribute_value(
        &mut self,
        mut datatype: Bytes<'a>,
        mut space: Bytes<'a>,
        mut value: Bytes<'a>,
    ) -> Result<Attribute> {
        let datatype = Datatype::parse(&mut datatype)?;
        let Some(shape) = dataspace(&mut space)?.shape else {
            return Ok(Attribute::Null);
        };
        let raw = value.take(byte_count(&shape, datatype.size())?)?;
        // Many short texts take more memory than file.
        if matches!(datatype, Datatype::Text { .. } | Datatype::HeapText) {
            self.spend(raw.len() / datatype.size().max(1) * size_of::<String>())?;
        }
        let texts = match datatype {
            Datatype::HeapText => raw
                .chunks_exact(HEAP_TEXT_SIZE)
                .map(|reference| self.heap_text(Bytes::new(reference, "a text")))
                .collect::<Result<Vec<_>>>()?,
            Datatype::Text { size, padding } if size > 0 => raw
                .chunks_exact(size)
                .map(|bytes| text(trim(bytes, padding)))
                .collect::<Result<Vec<_>>>()?,
            Datatype::Text { .. } => {
                vec![String::new(); usize::from(shape.is_empty())]
            }
            _ => return Ok(Attribute::Tensor(datatype.tensor(&shape, raw)?)),
        };
        match shape.len() {
            0 => Ok(Attribute::Text(texts.concat())),
            1 => Ok(Attribute::Texts(texts)),
            _ => Err(unsupported("texts with several axes")),
        }
    }

    /// The attributes that a message says to be in a heap.
    pub(super) fn dense_attributes(
        &mut self,
        mut message: Bytes<'a>,
    ) -> Result<Vec<(String, Attribute)>> {
        let (version, flags) = (message.u8()?, message.u8()?);
        if version != 0 {
            return Err(unsupported("attributes of an unknown version"));
        }
        message.skip(if flags & 1 == 0 { 0 } else { 2 })?;
        let links = Links { heap: message.u64()?, tree: message.u64()? };
        if links.heap == UNDEFINED {
            return Ok(Vec::new());
        }
        let found = self.indexed(links, &[8], 0)?;
        found.into_iter().map(|message| self.attribute(message)).collect()
    }

    fn heap_text(&mut self, mut reference: Bytes<'a>) -> Result<String> {
        let (len, address) = (reference.u32()? as usize, reference.u64()?);
        let index = reference.u32()?;
        if len == 0 {
            return Ok(String::new());
        }
        if !self.heaps.contains_key(&address) {
            let heap = self.global_heap(address)?;
            self.heaps.insert(address, heap);
        }
        let bytes = u16::try_from(index)
            .ok()
            .and_then(|index| self.heaps[&address].get(&index)?.get(..len))
            .ok_or_else(|| Error::new("damaged: a text lies outside of its heap"))?;
        self.spend(len)?;
        text(trim(bytes, Padding::Nul))
    }
}

/// The characters of a text without what fills them up.
fn trim(bytes: &[u8], padding: Padding) -> &[u8] {
    match padding {
        Padding::Nul => bytes.split(|&byte| byte == 0).next().unwrap_or_default(),
        Padding::Space => bytes.trim_ascii_end(),
    }
}
