//! Heaps: global ones, with texts, and fractal ones, with links and attributes.

use std::collections::BTreeMap;

use super::{Bytes, Reader, UNDEFINED, tree::size_of_number, verify};
use crate::{Error, Result, hdf5::datatype::unsupported};

const HEAP: &str = "a fractal heap";

/// A heap of objects in blocks of growing size.
pub(super) struct FractalHeap {
    /// The bytes of a reference to an object.
    pub(super) id_len: usize,
    /// The bytes of an offset and of a length in a reference.
    offset_len: usize,
    length_len: usize,
    /// By offset in the heap: the address and the size of the block there.
    blocks: BTreeMap<u64, (u64, u64)>,
    /// The B-tree of the objects that are too large for blocks.
    huge: u64,
    /// The bytes before the objects of a block, and whether they hold a checksum.
    block_head: u64,
    checked: bool,
}

/// The sizes of a heap's blocks: `width` to a row, the rows growing by the factor 2.
struct Table {
    width: u64,
    start: u64,
    most: u64,
    offset_len: usize,
}

impl Table {
    /// The size of each block in a row.
    fn size(&self, row: u64) -> u64 {
        self.start.saturating_mul(1u64.checked_shl(row.max(1) as u32 - 1).unwrap_or(0))
    }
}

impl<'a> Reader<'a> {
    pub(super) fn fractal_heap(&mut self, address: u64) -> Result<FractalHeap> {
        let mut head = self.at(address, 9, HEAP)?;
        head.expect(b"FRHP\0")?;
        let id_len = usize::from(head.u16()?);
        if head.u16()? != 0 {
            return Err(unsupported("filtered links or attributes"));
        }
        let mut head = self.block(address, b"FRHP", 138, HEAP)?;
        head.skip(5)?;
        let checked = head.u8()? & 2 != 0;
        let most_managed = head.u32()?;
        head.skip(8)?;
        let huge = head.u64()?;
        head.skip(80)?;
        let width = u64::from(head.u16()?);
        let (start, most) = (head.u64()?, head.u64()?);
        let bits = head.u16()?;
        head.skip(2)?;
        let (root, rows) = (head.u64()?, u64::from(head.u16()?));
        let absurd = || Error::new("damaged: a fractal heap of absurd sizes");
        if !start.is_power_of_two() || !most.is_power_of_two() || bits > 64 || width == 0
        {
            return Err(absurd());
        }
        let offset_len = usize::from(bits).div_ceil(8);
        let length_len =
            (most.ilog2() as usize).div_ceil(8).min(size_of_number(most_managed.into()));
        let table = Table { width, start, most, offset_len };
        let mut heap = FractalHeap {
            id_len,
            offset_len,
            length_len,
            blocks: BTreeMap::new(),
            huge,
            block_head: 13 + offset_len as u64 + if checked { 4 } else { 0 },
            checked,
        };
        if root == UNDEFINED {
            return Ok(heap);
        }
        if rows == 0 {
            heap.blocks.insert(0, (root, start));
            return Ok(heap);
        }
        let mut indirect = vec![(root, rows, 0u64)];
        while let Some((address, rows, mut offset)) = indirect.pop() {
            let head = 9 + offset_len as u64;
            let len = rows.saturating_mul(8 * table.width).saturating_add(head);
            let mut block = self.block(address, b"FHIB", len, HEAP)?;
            block.expect(&[0])?;
            block.skip(8 + table.offset_len)?;
            for row in 0..rows {
                let size = table.size(row);
                for _ in 0..table.width {
                    let child = block.u64()?;
                    let place = offset;
                    offset = offset.saturating_add(size);
                    if child == UNDEFINED {
                        continue;
                    }
                    if size <= table.most {
                        heap.blocks.insert(place, (child, size));
                    } else {
                        let first_row = table.start.saturating_mul(table.width);
                        let rows = (size / first_row).max(1).ilog2() + 1;
                        indirect.push((child, rows.into(), place));
                    }
                }
            }
        }
        Ok(heap)
    }

    /// The object to which a reference leads.
    pub(super) fn heap_object(
        &mut self,
        heap: &FractalHeap,
        id: &'a [u8],
    ) -> Result<Bytes<'a>> {
        let mut id = Bytes::new(id, "a reference to a fractal heap");
        let kind = id.u8()?;
        match (kind >> 6, kind >> 4 & 3) {
            (0, 0) => {
                let offset = id.uint(heap.offset_len)?;
                let len = id.uint(heap.length_len)?;
                self.managed(heap, offset, len)
            }
            (0, 1) => {
                let wanted = id.uint(id.rest.len().min(8))?;
                for record in self.tree(heap.huge, &[1])? {
                    let mut record = Bytes::new(record, "a record of a B-tree");
                    let (address, len) = (record.u64()?, record.u64()?);
                    if record.u64()? == wanted {
                        return self.at(address, len, "a huge attribute");
                    }
                }
                Err(Error::new("damaged: a huge attribute is missing"))
            }
            (0, 2) => {
                let len = usize::from(kind & 15) + 1;
                self.spend(len)?;
                Ok(Bytes::new(id.take(len)?, "a tiny object"))
            }
            _ => Err(unsupported("a reference of an unknown kind")),
        }
    }

    fn managed(
        &mut self,
        heap: &FractalHeap,
        offset: u64,
        len: u64,
    ) -> Result<Bytes<'a>> {
        let outside =
            || Error::new("damaged: an object lies outside of its fractal heap");
        let (place, (address, size)) =
            heap.blocks.range(..=offset).next_back().ok_or_else(outside)?;
        let within = offset - place;
        let end = within.checked_add(len).filter(|end| end <= size);
        if within < heap.block_head || end.is_none() {
            return Err(outside());
        }
        if !self.verified.contains(address) {
            self.verify_block(heap, *address, *size)?;
            self.verified.insert(*address);
        }
        self.at(address.saturating_add(within), len, "an object of a fractal heap")
    }

    /// Checks signature and checksum of a block of objects.
    fn verify_block(
        &mut self,
        heap: &FractalHeap,
        address: u64,
        size: u64,
    ) -> Result<()> {
        let mut block = self.at(address, size, HEAP)?;
        let whole = block.rest;
        block.expect(b"FHDB\0")?;
        if !heap.checked {
            return Ok(());
        }
        block.skip(8 + heap.offset_len)?;
        let at = whole.len() - block.rest.len();
        let said = block.u32()?;
        // The checksum is that of the block with zeros in its own place.
        let mut copy = whole.to_vec();
        copy[at..at + 4].fill(0);
        verify(&copy, said, HEAP)
    }

    /// The objects of the global heap at `address`.
    pub(super) fn global_heap(
        &mut self,
        address: u64,
    ) -> Result<BTreeMap<u16, &'a [u8]>> {
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
