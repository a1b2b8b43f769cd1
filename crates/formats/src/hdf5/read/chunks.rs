//! Data sets in chunks: [`Chunked`].

use std::borrow::Cow;

use deckle_tensor::shape_text;

use super::{
    Bytes, Reader, UNDEFINED,
    data::{Space, byte_count, never_written},
    filter::Filter,
};
use crate::{Error, Result, hdf5::MAX_RANK, hdf5::datatype::unsupported};

/// How a data set is divided, and where its parts are.
pub(super) struct Chunked {
    /// The shape of each chunk.
    shape: Vec<usize>,
    /// The bytes of one element.
    element: usize,
    index: Index,
    /// Whether chunks that the data set does not fill are not filtered.
    raw_edges: bool,
}

/// How a chunk is found.
#[derive(Clone, Copy)]
enum Index {
    OldTree(u64),
    Single { address: u64, filtered: Option<(u64, u32)> },
    Implicit(u64),
    FixedArray(u64),
    Tree(u64),
}

/// A chunk in the file.
struct Chunk {
    /// Its place among the chunks, along each axis.
    at: Vec<u64>,
    address: u64,
    /// The stored bytes; nothing if they are as many as the chunk has.
    size: Option<u64>,
    /// The filters that were left out, a bit each.
    left_out: u32,
}

impl Chunked {
    pub(super) fn parse_old(message: &mut Bytes<'_>) -> Result<Self> {
        let axes = usize::from(message.u8()?);
        let address = message.u64()?;
        let lens = (0..axes).map(|_| Ok(message.u32()?.into())).collect::<Result<_>>()?;
        Self::new(lens, Index::OldTree(address), false)
    }

    pub(super) fn parse_new(message: &mut Bytes<'_>) -> Result<Self> {
        let flags = message.u8()?;
        let (axes, len) = (usize::from(message.u8()?), usize::from(message.u8()?));
        let lens = (0..axes).map(|_| message.uint(len)).collect::<Result<_>>()?;
        let index = match message.u8()? {
            1 => {
                let filtered = match flags & 2 {
                    0 => None,
                    _ => Some((message.u64()?, message.u32()?)),
                };
                Index::Single { address: message.u64()?, filtered }
            }
            2 => Index::Implicit(message.u64()?),
            3 => {
                message.skip(1)?;
                Index::FixedArray(message.u64()?)
            }
            4 => return Err(unsupported("chunks listed in an extensible array")),
            5 => {
                message.skip(6)?;
                Index::Tree(message.u64()?)
            }
            kind => {
                return Err(unsupported(&format!(
                    "chunks listed by an index of type {kind}"
                )));
            }
        };
        Self::new(lens, index, flags & 1 != 0)
    }

    /// The last length is the size of an element.
    fn new(mut lens: Vec<u64>, index: Index, raw_edges: bool) -> Result<Self> {
        let element = lens.pop().unwrap_or_default();
        let lens: Option<Vec<_>> = lens
            .into_iter()
            .chain([element])
            .map(|len| usize::try_from(len).ok().filter(|&len| len > 0))
            .collect();
        match lens {
            Some(mut shape) if shape.len() <= MAX_RANK + 1 => {
                let element = shape.pop().unwrap_or_default();
                Ok(Self { shape, element, index, raw_edges })
            }
            _ => Err(Error::new("damaged: chunks of an absurd shape")),
        }
    }
}

impl<'a> Reader<'a> {
    /// The bytes of a data set in chunks, as if it were in one piece.
    pub(super) fn join(
        &mut self,
        chunked: &Chunked,
        space: &Space,
        element: usize,
        filters: &[Filter],
    ) -> Result<Vec<u8>> {
        let shape = space.shape.as_deref().unwrap_or_default();
        if chunked.shape.len() != shape.len() || chunked.element != element {
            return Err(Error::new(format_args!(
                "damaged: chunks of shape {} in a data set of shape {}",
                shape_text(&chunked.shape),
                shape_text(shape)
            )));
        }
        let chunk_len = byte_count(&chunked.shape, element)?;
        let grid: Vec<_> = shape
            .iter()
            .zip(&chunked.shape)
            .map(|(&len, &part)| len.div_ceil(part) as u64)
            .collect();
        let count = grid.iter().try_fold(1u64, |count, &len| count.checked_mul(len));
        let chunks = self.chunks(chunked, &grid, space, filters, chunk_len)?;
        if count != Some(chunks.len() as u64) {
            return Err(never_written());
        }
        let total = byte_count(shape, element)?;
        let mut out = vec![0; self.inflate(total)?];
        let mut seen = vec![false; chunks.len()];
        for chunk in &chunks {
            let twice = chunk
                .at
                .iter()
                .zip(&grid)
                .try_fold(0, |place, (&at, &len)| (at < len).then(|| place * len + at))
                .and_then(|place| seen.get_mut(place as usize))
                .is_none_or(|seen| std::mem::replace(seen, true));
            if twice {
                return Err(Error::new("damaged: a chunk occurs twice, or lies outside"));
            }
            let bytes = self.chunk(chunk, chunked, shape, filters, chunk_len)?;
            copy(&bytes, chunked, &chunk.at, shape, &mut out);
        }
        Ok(out)
    }

    /// Pays for `len` bytes that do not lie in the file as they are.
    fn inflate(&mut self, len: usize) -> Result<usize> {
        self.inflated = self.inflated.checked_sub(len as u64).ok_or_else(|| {
            Error::new(format_args!(
                "claims to hold {len} bytes, absurd for a file of this size"
            ))
        })?;
        Ok(len)
    }

    /// The bytes of one chunk, unfiltered.
    fn chunk(
        &mut self,
        chunk: &Chunk,
        chunked: &Chunked,
        shape: &[usize],
        filters: &[Filter],
        len: usize,
    ) -> Result<Cow<'a, [u8]>> {
        let size = chunk.size.unwrap_or(len as u64);
        let stored = self.at(chunk.address, size, "a chunk of data")?.rest;
        let is_edge = chunk
            .at
            .iter()
            .zip(&chunked.shape)
            .zip(shape)
            .any(|((&at, &part), &len)| (at as usize + 1).saturating_mul(part) > len);
        let mut bytes = Cow::Borrowed(stored);
        for (number, filter) in filters.iter().enumerate().rev() {
            let left_out = chunk.left_out >> number.min(31) & 1 == 1;
            if left_out || (chunked.raw_edges && is_edge) {
                continue;
            }
            // Room for a checksum.
            self.inflate(len)?;
            bytes = filter.undo(bytes, len.saturating_add(4))?;
        }
        if bytes.len() != len {
            return Err(Error::new(format_args!(
                "damaged: a chunk of {} bytes instead of {len}",
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    fn chunks(
        &mut self,
        chunked: &Chunked,
        grid: &[u64],
        space: &Space,
        filters: &[Filter],
        chunk_len: usize,
    ) -> Result<Vec<Chunk>> {
        match chunked.index {
            Index::OldTree(UNDEFINED)
            | Index::Single { address: UNDEFINED, .. }
            | Index::Implicit(UNDEFINED)
            | Index::FixedArray(UNDEFINED)
            | Index::Tree(UNDEFINED) => Err(never_written()),
            Index::OldTree(address) => self.old_tree_chunks(address, chunked),
            Index::Single { address, filtered } => Ok(vec![Chunk {
                at: vec![0; grid.len()],
                address,
                size: filtered.map(|(size, _)| size),
                left_out: filtered.map_or(0, |(_, left_out)| left_out),
            }]),
            Index::Implicit(address) => {
                let most = limits(chunked, space)?;
                let count = most.iter().try_fold(1u64, |n, &len| n.checked_mul(len));
                let whole = count.and_then(|n| n.checked_mul(chunk_len as u64));
                // All are one after another, so that this fails for a count that is absurd.
                let whole = whole.unwrap_or(u64::MAX);
                self.at(address, whole, "the chunks of a data set")?;
                self.budget = self.budget.saturating_add(whole);
                let places = 0..count.unwrap_or_default();
                let chunks = places.map(|place| Chunk {
                    at: coordinates(place, &most),
                    address: address + place * chunk_len as u64,
                    size: None,
                    left_out: 0,
                });
                Ok(chunks.filter(|chunk| is_within(&chunk.at, grid)).collect())
            }
            Index::FixedArray(address) => {
                let filtered = !filters.is_empty();
                let most = limits(chunked, space)?;
                let mut chunks = self.fixed_array(address, filtered, &most)?;
                chunks.retain(|chunk| is_within(&chunk.at, grid));
                Ok(chunks)
            }
            Index::Tree(address) => {
                let filtered = !filters.is_empty();
                let records = self.tree(address, if filtered { &[11] } else { &[10] })?;
                let coordinates_len = 8 * grid.len();
                records
                    .into_iter()
                    .map(|record| {
                        let size_len = record.len().checked_sub(12 + coordinates_len);
                        let mut record = Bytes::new(record, "a record of a B-tree");
                        let address = record.u64()?;
                        let (mut size, mut left_out) = (None, 0);
                        if filtered {
                            size = Some(record.uint(size_len.unwrap_or(9))?);
                            left_out = record.u32()?;
                        }
                        let at =
                            grid.iter().map(|_| record.u64()).collect::<Result<_>>()?;
                        Ok(Chunk { at, address, size, left_out })
                    })
                    .collect()
            }
        }
    }

    fn old_tree_chunks(&mut self, address: u64, chunked: &Chunked) -> Result<Vec<Chunk>> {
        let axes = chunked.shape.len();
        let found = self.chunk_tree(address, 8 + 8 * (axes + 1))?;
        found
            .into_iter()
            .map(|(mut key, address)| {
                let (size, left_out) = (u64::from(key.u32()?), key.u32()?);
                let at = chunked.shape.iter().map(|&part| {
                    let offset = key.u64()?;
                    let part = part as u64;
                    if offset % part != 0 {
                        return Err(Error::new("damaged: a chunk between two places"));
                    }
                    Ok(offset / part)
                });
                let at = at.collect::<Result<_>>()?;
                Ok(Chunk { at, address, size: Some(size), left_out })
            })
            .collect()
    }

    fn fixed_array(
        &mut self,
        address: u64,
        filtered: bool,
        most: &[u64],
    ) -> Result<Vec<Chunk>> {
        const ARRAY: &str = "a fixed array";
        let mut head = self.block(address, b"FAHD", 20, ARRAY)?;
        head.expect(&[0, u8::from(filtered)])?;
        let (entry, page_bits) = (u64::from(head.u8()?), head.u8()?);
        let (count, address) = (head.u64()?, head.u64()?);
        if address == UNDEFINED {
            return Err(never_written());
        }
        let page = 1u64.checked_shl(page_bits.into()).unwrap_or(u64::MAX);
        let mut parts = Vec::new();
        if count > page {
            let pages = count.div_ceil(page);
            let bitmap_len = pages.div_ceil(8);
            let len = bitmap_len.saturating_add(10);
            let mut head = self.block(address, b"FADB", len, ARRAY)?;
            head.skip(10)?;
            let bitmap = head.rest;
            let mut address = address.saturating_add(len + 8);
            for number in 0..pages {
                let entries = page.min(count - number * page);
                let len = entries.saturating_mul(entry);
                let written = bitmap[number as usize / 8] >> (7 - number % 8) & 1 == 1;
                if !written {
                    return Err(never_written());
                }
                let whole = self.at(address, len.saturating_add(4), ARRAY)?.rest;
                let (checked, said) = whole.split_at(whole.len() - 4);
                super::verify(checked, Bytes::new(said, ARRAY).u32()?, ARRAY)?;
                parts.push(Bytes::new(checked, ARRAY));
                address = address.saturating_add(len + 4);
            }
        } else {
            let len = count.saturating_mul(entry).saturating_add(10);
            let mut block = self.block(address, b"FADB", len, ARRAY)?;
            block.skip(10)?;
            parts.push(block);
        }
        let mut chunks = Vec::new();
        let wrong_size = || Error::new("damaged: a fixed array of absurd sizes");
        let size_len = match filtered {
            true => entry.checked_sub(12).filter(|&len| len > 0),
            false => (entry == 8).then_some(0),
        };
        let size_len = size_len.ok_or_else(wrong_size)? as usize;
        for mut part in parts {
            while !part.rest.is_empty() {
                let address = part.u64()?;
                let (mut size, mut left_out) = (None, 0);
                if filtered {
                    size = Some(part.uint(size_len)?);
                    left_out = part.u32()?;
                }
                let place = chunks.len() as u64;
                let at = coordinates(place, most);
                chunks.push(Chunk { at, address, size, left_out });
            }
        }
        if chunks.len() as u64 != count {
            return Err(wrong_size());
        }
        chunks.retain(|chunk| chunk.address != UNDEFINED);
        Ok(chunks)
    }
}

/// The number of chunks along each axis if the data set is as large as it may become.
fn limits(chunked: &Chunked, space: &Space) -> Result<Vec<u64>> {
    let lens = space.most.iter().zip(&chunked.shape);
    let most: Vec<_> = lens.map(|(&len, &part)| len.div_ceil(part as u64)).collect();
    if most.contains(&0) {
        return Err(Error::new("damaged: a data set that may not have its shape"));
    }
    Ok(most)
}

/// The place along each axis of the chunk with that number.
fn coordinates(mut number: u64, lens: &[u64]) -> Vec<u64> {
    let mut at = vec![0; lens.len()];
    for (at, &len) in at.iter_mut().zip(lens).rev() {
        *at = number % len.max(1);
        number /= len.max(1);
    }
    at
}

fn is_within(at: &[u64], grid: &[u64]) -> bool {
    at.iter().zip(grid).all(|(at, len)| at < len)
}

/// Copies the part of a chunk that lies in the data set, row by row.
fn copy(bytes: &[u8], chunked: &Chunked, at: &[u64], shape: &[usize], out: &mut [u8]) {
    let element = chunked.element;
    let axes = shape.len();
    let starts: Vec<_> =
        at.iter().zip(&chunked.shape).map(|(&at, &part)| at as usize * part).collect();
    let lens: Vec<_> = (0..axes)
        .map(|axis| chunked.shape[axis].min(shape[axis].saturating_sub(starts[axis])))
        .collect();
    let Some((&row, outer)) = lens.split_last() else {
        out.copy_from_slice(bytes);
        return;
    };
    let rows: usize = outer.iter().product();
    let mut index = vec![0; outer.len()];
    for _ in 0..rows {
        let (mut from, mut to) = (0, 0);
        for axis in 0..axes {
            let i = index.get(axis).copied().unwrap_or(0);
            from = from * chunked.shape[axis] + i;
            to = to * shape[axis] + starts[axis] + i;
        }
        let len = row * element;
        out[to * element..][..len].copy_from_slice(&bytes[from * element..][..len]);
        for (i, len) in index.iter_mut().zip(outer).rev() {
            *i += 1;
            if *i < *len {
                break;
            }
            *i = 0;
        }
    }
}
