//! Reading HDF5 files.
//!
//! Nothing in a file is believed. Every range is checked against the file, every block that is
//! visited and every byte that is copied is paid for from a budget in proportion to the file's
//! length; so neither loops nor many references to one large block can exceed time or memory.

use std::collections::BTreeMap;

use deckle_tensor::{DType, Tensor, shape_text};

use super::{
    Attribute, DTYPE, Group, MAX_DEPTH, MAX_RANK,
    datatype::{Datatype, HEAP_TEXT_SIZE, Number, Padding, unsupported},
};
use crate::{Error, Result};

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// An address that says that there is nothing.
const UNDEFINED: u64 = u64::MAX;
const OLD_FORMAT: &str =
    "write it again with h5py.File(path, \"w\", libver=\"earliest\"), as Keras does";

pub(super) fn file(bytes: &[u8]) -> Result<Group> {
    let mut head = Bytes::new(bytes, "superblock");
    if head.take(8).ok() != Some(&SIGNATURE) {
        return Err(Error::new(
            "not an HDF5 file: it does not begin with HDF5's signature",
        ));
    }
    let version = head.u8()?;
    if version > 1 {
        return Err(
            unsupported(&format!("a superblock of version {version}")).help(OLD_FORMAT)
        );
    }
    head.skip(4)?;
    if (head.u8()?, head.u8()?) != (8, 8) {
        return Err(unsupported("addresses of other than 8 bytes"));
    }
    head.skip(if version == 0 { 9 } else { 13 })?;
    if head.u64()? != 0 {
        return Err(unsupported("a block before the file proper"));
    }
    head.skip(8)?;
    let end = head.u64()?;
    if end > bytes.len() as u64 {
        return Err(Error::new(format_args!(
            "truncated: {} bytes instead of {end}",
            bytes.len()
        )));
    }
    head.skip(16)?;
    let root = head.u64()?;
    let mut reader = Reader {
        file: &bytes[..end as usize],
        // A sound file spends less than its length, unless objects have several names.
        budget: end.saturating_mul(4).saturating_add(4096),
        heaps: BTreeMap::new(),
    };
    let root = reader.object(root)?;
    let Some(table) = root.table else {
        return Err(Error::new("damaged: the root is not a group"));
    };
    reader.group(table, root.attributes, 0)
}

/// What is left of a piece of the file.
#[derive(Clone, Debug)]
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Bytes<'a> {
    const fn new(rest: &'a [u8], what: &'static str) -> Self {
        Self { rest, what }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| {
            Error::new(format_args!("damaged: {} ends early", self.what))
        })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn skip(&mut self, len: usize) -> Result<()> {
        self.take(len).map(|_| ())
    }

    /// A piece of its own, of `len` bytes and what fills them up to a multiple of `align`.
    fn piece(&mut self, len: usize, align: usize, what: &'static str) -> Result<Self> {
        let piece = Self::new(self.take(len)?, what);
        self.skip((len.next_multiple_of(align) - len).min(self.rest.len()))?;
        Ok(piece)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn expect(&mut self, signature: &[u8]) -> Result<()> {
        if self.take(signature.len())? == signature {
            return Ok(());
        }
        Err(Error::new(format_args!("damaged: no {} where one should be", self.what)))
    }
}

/// An object header's messages that matter.
#[derive(Default)]
struct Object {
    attributes: BTreeMap<String, Attribute>,
    /// Of a group: the addresses of its B-tree and its names.
    table: Option<Table>,
    /// Of a data set.
    shape: Option<Vec<usize>>,
    datatype: Option<Datatype>,
    layout: Option<Layout>,
}

#[derive(Clone, Copy)]
struct Table {
    tree: u64,
    names: u64,
}

enum Layout {
    Compact(Vec<u8>),
    Contiguous { address: u64, size: u64 },
}

struct Reader<'a> {
    file: &'a [u8],
    budget: u64,
    /// Global heaps by address: their objects by index.
    heaps: BTreeMap<u64, BTreeMap<u16, &'a [u8]>>,
}

impl<'a> Reader<'a> {
    /// Pays for `len` bytes that are read or copied.
    fn spend(&mut self, len: usize) -> Result<()> {
        self.budget = self.budget.checked_sub(len as u64).ok_or_else(|| {
            Error::new("damaged: its parts refer to each other in a loop, or too often")
        })?;
        Ok(())
    }

    /// The `len` bytes at `address`.
    fn at(&mut self, address: u64, len: u64, what: &'static str) -> Result<Bytes<'a>> {
        let range = usize::try_from(address)
            .ok()
            .zip(usize::try_from(len).ok())
            .and_then(|(start, len)| self.file.get(start..start.checked_add(len)?));
        let Some(bytes) = range else {
            return Err(Error::new(format_args!(
                "damaged: {what} of {len} bytes at {address:#x} lies outside of the file"
            )));
        };
        self.spend(bytes.len())?;
        Ok(Bytes::new(bytes, what))
    }

    fn group(
        &mut self,
        table: Table,
        attributes: BTreeMap<String, Attribute>,
        depth: usize,
    ) -> Result<Group> {
        if depth > MAX_DEPTH {
            return Err(Error::new(format_args!(
                "damaged: groups are nested deeper than {MAX_DEPTH}"
            )));
        }
        let mut group = Group { attributes, ..Group::default() };
        for (name, address) in self.members(table)? {
            if group.datasets.contains_key(&name) || group.groups.contains_key(&name) {
                return Err(Error::new("damaged: the name occurs twice").inside(name));
            }
            let mut member = || -> Result<()> {
                let object = self.object(address)?;
                if let Some(table) = object.table {
                    let inner = self.group(table, object.attributes, depth + 1)?;
                    group.groups.insert(name.clone(), inner);
                } else {
                    group.datasets.insert(name.clone(), self.dataset(object)?);
                }
                Ok(())
            };
            member().map_err(|error| error.within(&name))?;
        }
        Ok(group)
    }

    /// Names and addresses of the objects in a group.
    fn members(&mut self, table: Table) -> Result<Vec<(String, u64)>> {
        let mut head = self.at(table.names, 32, "a local heap")?;
        head.expect(b"HEAP\0\0\0\0")?;
        let size = head.u64()?;
        head.skip(8)?;
        let address = head.u64()?;
        let names = self.at(address, size, "the names of a group")?;

        let mut members = Vec::new();
        // Each with the level that its parent gives it, so that the tree is none with loops.
        let mut nodes = vec![(table.tree, None)];
        while let Some((address, level)) = nodes.pop() {
            if level == Some(0) {
                self.symbols(address, &names, &mut members)?;
                continue;
            }
            let mut node = self.at(address, 24, "a B-tree")?;
            node.expect(b"TREE\0")?;
            let own = node.u8()?;
            if level.is_some_and(|level| own.checked_add(1) != Some(level)) {
                return Err(Error::new("damaged: a B-tree's levels do not descend"));
            }
            let children = u64::from(node.u16()?);
            let mut node = self.at(address + 24, 16 * children + 8, "a B-tree")?;
            for _ in 0..children {
                node.skip(8)?;
                nodes.push((node.u64()?, Some(own)));
            }
        }
        Ok(members)
    }

    fn symbols(
        &mut self,
        address: u64,
        names: &Bytes<'a>,
        members: &mut Vec<(String, u64)>,
    ) -> Result<()> {
        let mut node = self.at(address, 8, "a symbol table")?;
        node.expect(b"SNOD\x01\0")?;
        let count = u64::from(node.u16()?);
        let mut node = self.at(address + 8, 40 * count, "a symbol table")?;
        for _ in 0..count {
            let (name, address, kind) = (node.u64()?, node.u64()?, node.u32()?);
            node.skip(20)?;
            let mut rest = names.clone();
            rest.skip(usize::try_from(name).unwrap_or(usize::MAX))?;
            let end = rest.rest.iter().position(|&byte| byte == 0);
            let name = rest.take(end.unwrap_or(usize::MAX))?;
            self.spend(name.len())?;
            let name = text(name)?;
            if name.is_empty() || name.contains('/') {
                return Err(Error::new("damaged: an object without a proper name"));
            }
            if kind == 2 {
                return Err(unsupported("a link to another object").within(&name));
            }
            members.push((name, address));
        }
        Ok(())
    }

    fn object(&mut self, address: u64) -> Result<Object> {
        let mut head = self.at(address, 16, "an object header")?;
        let version = head.u8()?;
        if version == b'O' {
            return Err(unsupported("an object header of version 2").help(OLD_FORMAT));
        }
        if version != 1 {
            return Err(Error::new("damaged: no object header where one should be"));
        }
        head.skip(1)?;
        let mut left = head.u16()?;
        head.skip(4)?;
        let mut object = Object::default();
        let mut blocks = vec![(address + 16, u64::from(head.u32()?))];
        while let Some((address, size)) = blocks.pop() {
            let mut block = self.at(address, size, "an object header")?;
            while left > 0 && block.rest.len() >= 8 {
                left -= 1;
                let (kind, size) = (block.u16()?, block.u16()?);
                let flags = block.u8()?;
                block.skip(3)?;
                let message =
                    block.piece(size.into(), 1, "a message of an object header")?;
                if kind == CONTINUATION {
                    let mut message = message;
                    blocks.push((message.u64()?, message.u64()?));
                } else {
                    self.message(kind, flags, message, &mut object)?;
                }
            }
        }
        if left > 0 {
            return Err(Error::new("damaged: an object header ends early"));
        }
        Ok(object)
    }

    fn message(
        &mut self,
        kind: u16,
        flags: u8,
        mut message: Bytes<'a>,
        object: &mut Object,
    ) -> Result<()> {
        let known = matches!(
            kind,
            DATASPACE | DATATYPE | LAYOUT | FILTERS | ATTRIBUTE | SYMBOL_TABLE
        );
        if known && flags & 2 != 0 {
            return Err(unsupported("messages shared between objects"));
        }
        match kind {
            DATASPACE => object.shape = dataspace(&mut message)?,
            DATATYPE => object.datatype = Some(Datatype::parse(&mut message)?),
            LAYOUT => object.layout = Some(self.layout(&mut message)?),
            SYMBOL_TABLE => {
                object.table =
                    Some(Table { tree: message.u64()?, names: message.u64()? });
            }
            ATTRIBUTE => {
                let (name, attribute) = self.attribute(message)?;
                if object.attributes.insert(name.clone(), attribute).is_some() {
                    return Err(Error::new(format_args!(
                        "damaged: two attributes {name}"
                    )));
                }
            }
            LINK_INFO | LINK | ATTRIBUTE_INFO => {
                return Err(unsupported("a group or attributes of the new style")
                    .help(OLD_FORMAT));
            }
            EXTERNAL => return Err(unsupported("data in other files")),
            FILTERS => return Err(chunked()),
            _ if flags & 0x80 != 0 => {
                return Err(unsupported(&format!("messages of type {kind:#x}")));
            }
            // Fill values, times, comments: nothing that the values depend on.
            _ => {}
        }
        Ok(())
    }

    fn layout(&mut self, message: &mut Bytes<'a>) -> Result<Layout> {
        let (version, class) = (message.u8()?, message.u8()?);
        match (version, class) {
            (3 | 4, 0) => {
                let size = message.u16()?;
                self.spend(size.into())?;
                Ok(Layout::Compact(message.take(size.into())?.to_vec()))
            }
            (3 | 4, 1) => {
                Ok(Layout::Contiguous { address: message.u64()?, size: message.u64()? })
            }
            (3 | 4, 2) => Err(chunked()),
            (4, 3) => Err(unsupported("data in other files")),
            _ => Err(unsupported(&format!("a data layout of version {version}"))),
        }
    }

    fn dataset(&mut self, object: Object) -> Result<Tensor> {
        let (Some(datatype), Some(layout)) = (object.datatype, object.layout) else {
            return Err(Error::new("damaged: neither a group nor a data set"));
        };
        let Some(shape) = object.shape else {
            return Err(unsupported("a data set without a value"));
        };
        let said = object.attributes.get(DTYPE).and_then(Attribute::text);
        let datatype = match (datatype, said) {
            (Datatype::Opaque { size: 2 }, Some(said)) if said == DType::BF16.name() => {
                Datatype::Number { number: Number::BF16, big_endian: false }
            }
            _ => datatype,
        };
        let expected = byte_count(&shape, datatype.size())?;
        let compact;
        let raw = match layout {
            _ if expected == 0 => &[],
            Layout::Contiguous { address: UNDEFINED, .. } => {
                return Err(Error::new("its data were never written"));
            }
            Layout::Contiguous { address, size } if size == expected as u64 => {
                self.at(address, size, "a data set")?.rest
            }
            Layout::Compact(bytes) if bytes.len() >= expected => {
                compact = bytes;
                &compact[..expected]
            }
            _ => {
                return Err(Error::new(format_args!(
                    "damaged: shape {} does not fit its data's size",
                    shape_text(&shape)
                )));
            }
        };
        datatype.tensor(&shape, raw)
    }

    fn attribute(&mut self, mut message: Bytes<'a>) -> Result<(String, Attribute)> {
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
        let mut value = || -> Result<Attribute> {
            let mut datatype = message.piece(sizes[1], align, "an attribute")?;
            let datatype = Datatype::parse(&mut datatype)?;
            let mut space = message.piece(sizes[2], align, "an attribute")?;
            let Some(shape) = dataspace(&mut space)? else {
                return Ok(Attribute::Null);
            };
            let raw = message.take(byte_count(&shape, datatype.size())?)?;
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
        };
        let value =
            value().map_err(|error| error.inside(format_args!("attribute {name}")))?;
        Ok((name, value))
    }

    fn heap_text(&mut self, mut reference: Bytes<'a>) -> Result<String> {
        let (len, address) = (reference.u32()? as usize, reference.u64()?);
        let index = reference.u32()?;
        if len == 0 {
            return Ok(String::new());
        }
        if !self.heaps.contains_key(&address) {
            let heap = self.heap(address)?;
            self.heaps.insert(address, heap);
        }
        let bytes = u16::try_from(index)
            .ok()
            .and_then(|index| self.heaps[&address].get(&index)?.get(..len))
            .ok_or_else(|| Error::new("damaged: a text lies outside of its heap"))?;
        self.spend(len)?;
        text(trim(bytes, Padding::Nul))
    }

    /// The objects of the global heap at `address`.
    fn heap(&mut self, address: u64) -> Result<BTreeMap<u16, &'a [u8]>> {
        let mut head = self.at(address, 16, "a global heap")?;
        head.expect(b"GCOL\x01\0\0\0")?;
        let size = head.u64()?.saturating_sub(16);
        let mut heap = self.at(address + 16, size, "a global heap")?;
        let mut objects = BTreeMap::new();
        while heap.rest.len() >= 16 {
            let index = heap.u16()?;
            if index == 0 {
                // The rest is free.
                break;
            }
            heap.skip(6)?;
            let size = usize::try_from(heap.u64()?).unwrap_or(usize::MAX);
            let object = heap.piece(size, 8, "a global heap")?;
            objects.insert(index, object.rest);
        }
        Ok(objects)
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

/// A shape, or nothing if there is no value.
fn dataspace(message: &mut Bytes<'_>) -> Result<Option<Vec<usize>>> {
    let (version, rank) = (message.u8()?, usize::from(message.u8()?));
    message.skip(1)?;
    let kind = message.u8()?;
    match version {
        1 => message.skip(4)?,
        2 if kind == 2 => return Ok(None),
        2 => {}
        _ => return Err(Error::new("damaged: a shape of unknown version")),
    }
    if rank > MAX_RANK {
        return Err(Error::new(format_args!("damaged: {rank} axes")));
    }
    let shape = (0..rank)
        .map(|_| {
            let len = message.u64()?;
            usize::try_from(len)
                .map_err(|_| Error::new(format_args!("damaged: an axis of length {len}")))
        })
        .collect::<Result<_>>()?;
    Ok(Some(shape))
}

/// The bytes of a tensor, if such a tensor can be addressed.
fn byte_count(shape: &[usize], size: usize) -> Result<usize> {
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

fn chunked() -> Error {
    unsupported("chunked or compressed data")
        .help("write the data set again without chunks and compression")
}

fn text(bytes: &[u8]) -> Result<String> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| Error::new("damaged: a text that is not UTF-8"))
}

/// The characters of a text without what fills them up.
fn trim(bytes: &[u8], padding: Padding) -> &[u8] {
    match padding {
        Padding::Nul => bytes.split(|&byte| byte == 0).next().unwrap_or_default(),
        Padding::Space => bytes.trim_ascii_end(),
    }
}
