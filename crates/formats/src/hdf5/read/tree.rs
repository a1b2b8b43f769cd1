//! B-trees of version 2.

use super::{Bytes, Reader, UNDEFINED};
use crate::{Error, Result};

const TREE: &str = "a B-tree";

/// What is the same for all nodes of a tree.
struct Tree {
    node_size: u64,
    record_size: usize,
    /// The bytes of a number of records in one node.
    count_size: usize,
    /// For each level, leaves first: the bytes of a number of records in and below a node.
    total_sizes: Vec<usize>,
}

impl<'a> Reader<'a> {
    /// All records of the tree at `address`, which is of one of these types.
    pub(super) fn tree(&mut self, address: u64, types: &[u8]) -> Result<Vec<&'a [u8]>> {
        let mut head = self.block(address, b"BTHD", 30, TREE)?;
        head.expect(&[0])?;
        let kind = head.u8()?;
        if !types.contains(&kind) {
            return Err(Error::new(format_args!(
                "damaged: a B-tree of type {kind} where one of type {types:?} should be"
            )));
        }
        let (node_size, record_size) = (head.u32()?, head.u16()?);
        let depth = head.u16()?;
        head.skip(2)?;
        let (root, count, total) = (head.u64()?, head.u16()?, head.u64()?);
        if root == UNDEFINED {
            return Ok(Vec::new());
        }
        let tree = Tree::new(node_size, record_size, depth)?;
        let mut records = Vec::new();
        let mut nodes = vec![(root, count, depth)];
        while let Some((address, count, level)) = nodes.pop() {
            let (address, count) = (address, usize::from(count));
            let level = usize::from(level);
            let pointer = 8 + tree.count_size + tree.total_sizes[level];
            let pointers = if level == 0 { 0 } else { (count + 1) * pointer };
            let len = 2 + count * tree.record_size + pointers;
            if len as u64 + 8 > tree.node_size {
                return Err(Error::new("damaged: a node of a B-tree is too full"));
            }
            let signature = if level == 0 { b"BTLF" } else { b"BTIN" };
            let mut node = self.block(address, signature, len as u64, TREE)?;
            node.expect(&[0, kind])?;
            for _ in 0..count {
                records.push(node.take(tree.record_size)?);
            }
            if level > 0 {
                for _ in 0..=count {
                    let (child, count) = (node.u64()?, node.uint(tree.count_size)?);
                    node.skip(tree.total_sizes[level])?;
                    let count = u16::try_from(count).unwrap_or(u16::MAX);
                    nodes.push((child, count, level as u16 - 1));
                }
            }
        }
        if records.len() as u64 != total {
            return Err(Error::new(format_args!(
                "damaged: a B-tree of {} records instead of {total}",
                records.len()
            )));
        }
        Ok(records)
    }

    /// Keys and addresses in the leaves of the tree of version 1 at `address`, whose keys are
    /// `key_len` long and which is one of chunks.
    pub(super) fn chunk_tree(
        &mut self,
        address: u64,
        key_len: usize,
    ) -> Result<Vec<(Bytes<'a>, u64)>> {
        let mut found = Vec::new();
        let mut nodes = vec![(address, None)];
        while let Some((address, level)) = nodes.pop() {
            let mut node = self.at(address, 24, TREE)?;
            node.expect(b"TREE\x01")?;
            let own = node.u8()?;
            if level.is_some_and(|level: u8| own.checked_add(1) != Some(level)) {
                return Err(Error::new("damaged: a B-tree's levels do not descend"));
            }
            let children = u64::from(node.u16()?);
            let len = (key_len as u64 + 8) * children;
            let mut node = self.at(address + 24, len, TREE)?;
            for _ in 0..children {
                let key = node.piece(key_len, 1, TREE)?;
                let child = node.u64()?;
                if own == 0 {
                    found.push((key, child));
                } else {
                    nodes.push((child, Some(own)));
                }
            }
        }
        Ok(found)
    }
}

impl Tree {
    fn new(node_size: u32, record_size: u16, depth: u16) -> Result<Self> {
        let odd = || Error::new("damaged: a B-tree of absurd sizes");
        let (node_size, record_size) = (u64::from(node_size), u64::from(record_size));
        if record_size == 0 || depth > 32 {
            return Err(odd());
        }
        let room = node_size.checked_sub(10).ok_or_else(odd)?;
        let most = room / record_size;
        let count_size = size_of_number(most);
        let mut total_sizes = vec![0, 0];
        let mut total = most;
        for _ in 1..depth {
            let pointer = 8 + count_size + total_sizes[total_sizes.len() - 1];
            let room = room.checked_sub(pointer as u64).ok_or_else(odd)?;
            let most = room / (record_size + pointer as u64);
            total = (most + 1).saturating_mul(total).saturating_add(most);
            total_sizes.push(size_of_number(total));
        }
        let record_size = record_size as usize;
        Ok(Self { node_size, record_size, count_size, total_sizes })
    }
}

/// The bytes that hold a number up to `limit`.
pub(super) fn size_of_number(limit: u64) -> usize {
    (limit.max(1).ilog2() / 8 + 1) as usize
}
