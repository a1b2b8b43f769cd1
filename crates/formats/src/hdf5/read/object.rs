//! Object headers, of version 1 and 2: [`Object`].

use std::collections::BTreeMap;

use super::{
    Bytes, Reader,
    data::{Layout, Space, dataspace},
    filter::Filter,
    members::{Links, Table},
};
use crate::{
    Error, Result,
    hdf5::{
        Attribute,
        datatype::{Datatype, unsupported},
    },
};

/// An object header's messages that matter.
#[derive(Default)]
pub(super) struct Object<'a> {
    pub(super) attributes: BTreeMap<String, Attribute>,
    /// Of a group of the old style: the addresses of its B-tree and its names.
    pub(super) table: Option<Table>,
    /// Of a group of the new style: where its links are, if they are not in the header.
    pub(super) links: Option<Links>,
    /// Of a group of the new style: names and addresses in the header.
    pub(super) members: Vec<(String, u64)>,
    /// Of a data set.
    pub(super) space: Option<Space>,
    pub(super) datatype: Option<Datatype>,
    pub(super) layout: Option<Layout<'a>>,
    pub(super) filters: Vec<Filter>,
}

impl Object<'_> {
    pub(super) const fn is_group(&self) -> bool {
        self.table.is_some() || self.links.is_some()
    }
}

const DATASPACE: u16 = 0x01;
const LINK_INFO: u16 = 0x02;
const DATATYPE: u16 = 0x03;
const LINK: u16 = 0x06;
const EXTERNAL: u16 = 0x07;
const LAYOUT: u16 = 0x08;
const FILTERS: u16 = 0x0b;
const ATTRIBUTE: u16 = 0x0c;
const CONTINUATION: u16 = 0x10;
const SYMBOL_TABLE: u16 = 0x11;
const ATTRIBUTE_INFO: u16 = 0x15;

const HEADER: &str = "an object header";

impl<'a> Reader<'a> {
    pub(super) fn object(&mut self, address: u64) -> Result<Object<'a>> {
        match self.at(address, 1, HEADER)?.u8()? {
            1 => self.old_object(address),
            b'O' => self.new_object(address),
            _ => Err(Error::new("damaged: no object header where one should be")),
        }
    }

    fn old_object(&mut self, address: u64) -> Result<Object<'a>> {
        let mut head = self.at(address, 16, HEADER)?;
        head.skip(2)?;
        let mut left = head.u16()?;
        head.skip(4)?;
        let mut object = Object::default();
        let mut blocks = vec![(address + 16, u64::from(head.u32()?))];
        while let Some((address, size)) = blocks.pop() {
            let mut block = self.at(address, size, HEADER)?;
            while left > 0 && block.rest.len() >= 8 {
                left -= 1;
                let (kind, size) = (block.u16()?, block.u16()?);
                let flags = block.u8()?;
                block.skip(3)?;
                let message =
                    block.piece(size.into(), 1, "a message of an object header")?;
                blocks.extend(self.message(kind, flags, message, &mut object)?);
            }
        }
        if left > 0 {
            return Err(Error::new("damaged: an object header ends early"));
        }
        Ok(object)
    }

    fn new_object(&mut self, address: u64) -> Result<Object<'a>> {
        let mut head = self.at(address, 6, HEADER)?;
        head.expect(b"OHDR\x02")?;
        let flags = head.u8()?;
        let times = if flags & 0x20 == 0 { 0 } else { 16 };
        let limits = if flags & 0x10 == 0 { 0 } else { 4 };
        let before = 2 + times + limits;
        let size_of_size = 1 << (flags & 3);
        let mut head =
            self.at(address.saturating_add(4 + before), size_of_size, HEADER)?;
        let size = head.uint(size_of_size as usize)?;
        let whole = size.saturating_add(before + size_of_size);
        let mut first = self.block(address, b"OHDR", whole, HEADER)?;
        first.skip((before + size_of_size) as usize)?;

        let mut object = Object::default();
        let head = if flags & 4 == 0 { 4 } else { 6 };
        let mut blocks = vec![first];
        while let Some(mut block) = blocks.pop() {
            // Less is a gap.
            while block.rest.len() >= head {
                let (kind, size) = (block.u8()?, block.u16()?);
                let flags = block.u8()?;
                block.skip(head - 4)?;
                let message =
                    block.piece(size.into(), 1, "a message of an object header")?;
                if let Some((address, size)) =
                    self.message(kind.into(), flags, message, &mut object)?
                {
                    let size = size.saturating_sub(8);
                    blocks.push(self.block(address, b"OCHK", size, HEADER)?);
                }
            }
        }
        Ok(object)
    }

    /// Reads one message; gives address and size of the block in which the header goes on, if
    /// it says so.
    fn message(
        &mut self,
        kind: u16,
        flags: u8,
        mut message: Bytes<'a>,
        object: &mut Object<'a>,
    ) -> Result<Option<(u64, u64)>> {
        let known = matches!(
            kind,
            DATASPACE | DATATYPE | LAYOUT | FILTERS | ATTRIBUTE | SYMBOL_TABLE | LINK
        );
        if known && flags & 2 != 0 {
            return Err(unsupported("messages shared between objects"));
        }
        match kind {
            DATASPACE => object.space = Some(dataspace(&mut message)?),
            DATATYPE => object.datatype = Some(Datatype::parse(&mut message)?),
            LAYOUT => object.layout = Some(self.layout(&mut message)?),
            FILTERS => object.filters = Filter::parse(&mut message)?,
            SYMBOL_TABLE => {
                object.table =
                    Some(Table { tree: message.u64()?, names: message.u64()? });
            }
            LINK_INFO => object.links = Some(Links::parse(&mut message)?),
            LINK => object.members.push(self.link(message)?),
            ATTRIBUTE => {
                let (name, attribute) = self.attribute(message)?;
                add_attribute(object, name, attribute)?;
            }
            ATTRIBUTE_INFO => {
                for (name, attribute) in self.dense_attributes(message)? {
                    add_attribute(object, name, attribute)?;
                }
            }
            CONTINUATION => return Ok(Some((message.u64()?, message.u64()?))),
            EXTERNAL => return Err(unsupported("data in other files")),
            _ if flags & 0x80 != 0 => {
                return Err(unsupported(&format!("messages of type {kind:#x}")));
            }
            // Fill values, times, comments: nothing that the values depend on.
            _ => {}
        }
        Ok(None)
    }
}

fn add_attribute(
    object: &mut Object<'_>,
    name: String,
    attribute: Attribute,
) -> Result<()> {
    if object.attributes.contains_key(&name) {
        return Err(Error::new(format_args!("damaged: two attributes {name}")));
    }
    object.attributes.insert(name, attribute);
    Ok(())
}
