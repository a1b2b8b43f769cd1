//! The members of groups, of the old style and the new.

use super::{Bytes, Reader, UNDEFINED, object::Object, text};
use crate::{Error, Result, hdf5::datatype::unsupported};

/// Where the members of a group of the old style are.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) tree: u64,
    pub(super) names: u64,
}

/// Where the links, or the attributes, of an object are if there are many: a fractal heap, and
/// a B-tree of those in it by name.
#[derive(Clone, Copy)]
pub(super) struct Links {
    pub(super) heap: u64,
    pub(super) tree: u64,
}

impl Links {
    /// Reads the message about links.
    pub(super) fn parse(message: &mut Bytes<'_>) -> Result<Self> {
        let (version, flags) = (message.u8()?, message.u8()?);
        if version != 0 {
            return Err(unsupported("a group of an unknown version"));
        }
        message.skip(if flags & 1 == 0 { 0 } else { 8 })?;
        Ok(Self { heap: message.u64()?, tree: message.u64()? })
    }
}

impl<'a> Reader<'a> {
    /// Names and addresses of the objects in a group.
    pub(super) fn members(&mut self, object: Object<'a>) -> Result<Vec<(String, u64)>> {
        let mut members = object.members;
        if let Some(links) = object.links.filter(|links| links.heap != UNDEFINED) {
            for link in self.indexed(links, &[5], 4)? {
                members.push(self.link(link)?);
            }
        }
        if let Some(table) = object.table {
            members.extend(self.old_members(table)?);
        }
        Ok(members)
    }

    /// The objects in a fractal heap to which a B-tree leads; the heap's references are `at`
    /// that place in the tree's records, which are of one of these types.
    pub(super) fn indexed(
        &mut self,
        links: Links,
        types: &[u8],
        at: usize,
    ) -> Result<Vec<Bytes<'a>>> {
        let heap = self.fractal_heap(links.heap)?;
        let mut objects = Vec::new();
        for record in self.tree(links.tree, types)? {
            let mut record = Bytes::new(record, "a record of a B-tree");
            record.skip(at)?;
            let id = record.take(heap.id_len)?;
            objects.push(self.heap_object(&heap, id)?);
        }
        Ok(objects)
    }

    /// Name and address in a message about a link.
    pub(super) fn link(&mut self, mut message: Bytes<'a>) -> Result<(String, u64)> {
        let (version, flags) = (message.u8()?, message.u8()?);
        if version != 1 {
            return Err(unsupported("a link of an unknown version"));
        }
        let kind = if flags & 8 == 0 { 0 } else { message.u8()? };
        message.skip(if flags & 4 == 0 { 0 } else { 8 })?;
        message.skip(if flags & 16 == 0 { 0 } else { 1 })?;
        let len = message.uint(1 << (flags & 3))?;
        let name = message.take(usize::try_from(len).unwrap_or(usize::MAX))?;
        self.spend(name.len())?;
        let name = proper_name(name)?;
        match kind {
            0 => Ok((name, message.u64()?)),
            1 => Err(link_elsewhere().within(&name)),
            64 => Err(unsupported("a link to another file").within(&name)),
            _ => Err(unsupported("a link of an unknown kind").within(&name)),
        }
    }

    fn old_members(&mut self, table: Table) -> Result<Vec<(String, u64)>> {
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
            let name = proper_name(name)?;
            if kind == 2 {
                return Err(link_elsewhere().within(&name));
            }
            members.push((name, address));
        }
        Ok(())
    }
}

fn proper_name(name: &[u8]) -> Result<String> {
    let name = text(name)?;
    if name.is_empty() || name.contains(['/', '\0']) {
        return Err(Error::new("damaged: an object without a proper name"));
    }
    Ok(name)
}

fn link_elsewhere() -> Error {
    unsupported("a link to another object")
}
