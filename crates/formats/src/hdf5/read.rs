//! Reading HDF5 files.
//!
//! Nothing in a file is believed. Every range is checked against the file, every block that is
//! visited and every byte that is copied is paid for from a budget in proportion to the file's
//! length; so neither loops nor many references to one large block can exceed time or memory.

mod attribute;
mod bytes;
mod chunks;
mod data;
mod filter;
mod heap;
mod members;
mod object;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use bytes::Bytes;
pub(crate) use data::byte_count;
use object::Object;

use super::{Group, MAX_DEPTH, checksum::lookup3, datatype::unsupported};
use crate::{Error, Result};

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// An address that says that there is nothing.
const UNDEFINED: u64 = u64::MAX;
/// What all data sets may inflate to: 100 times the file on the disk, and this.
const ALWAYS_ALLOWED: u64 = 1 << 20;

/// `stored` is the length of the file on the disk, which this one may lie in.
pub(super) fn file(bytes: &[u8], stored: usize) -> Result<Group> {
    let mut head = Bytes::new(bytes, "superblock");
    if head.take(8).ok() != Some(&SIGNATURE) {
        let is_later = std::iter::successors(Some(512usize), |at| at.checked_mul(2))
            .take_while(|&at| at < bytes.len())
            .any(|at| bytes[at..].starts_with(&SIGNATURE));
        return Err(match is_later {
            true => unsupported("a block before the file proper"),
            false => {
                Error::new("not an HDF5 file: it does not begin with HDF5's signature")
            }
        });
    }
    let (end, root) = match head.u8()? {
        version @ (0 | 1) => old_superblock(&mut head, version)?,
        2 | 3 => new_superblock(bytes, &mut head)?,
        version => {
            return Err(unsupported(&format!("a superblock of version {version}")));
        }
    };
    if end > bytes.len() as u64 {
        return Err(Error::new(format_args!(
            "truncated: {} bytes instead of {end}",
            bytes.len()
        )));
    }
    let mut reader = Reader {
        file: &bytes[..end as usize],
        // A sound file spends less than its length, unless objects have several names.
        budget: end.saturating_mul(4).saturating_add(4096),
        inflated: (stored as u64).saturating_mul(100).saturating_add(ALWAYS_ALLOWED),
        heaps: BTreeMap::new(),
        verified: BTreeSet::new(),
    };
    let root = reader.object(root)?;
    if !root.is_group() {
        return Err(Error::new("damaged: the root is not a group"));
    }
    reader.group(root, 0)
}

/// The end of the file and the address of the root, after the version 0 or 1.
fn old_superblock(head: &mut Bytes<'_>, version: u8) -> Result<(u64, u64)> {
    head.skip(4)?;
    sizes(head)?;
    head.skip(if version == 0 { 9 } else { 13 })?;
    base(head)?;
    head.skip(8)?;
    let end = head.u64()?;
    head.skip(16)?;
    Ok((end, head.u64()?))
}

/// The end of the file and the address of the root, after the version 2 or 3.
fn new_superblock(bytes: &[u8], head: &mut Bytes<'_>) -> Result<(u64, u64)> {
    sizes(head)?;
    head.skip(1)?;
    base(head)?;
    head.skip(8)?;
    let (end, root) = (head.u64()?, head.u64()?);
    verify(&bytes[..44], head.u32()?, "superblock")?;
    Ok((end, root))
}

fn sizes(head: &mut Bytes<'_>) -> Result<()> {
    if (head.u8()?, head.u8()?) == (8, 8) {
        return Ok(());
    }
    Err(unsupported("addresses of other than 8 bytes"))
}

fn base(head: &mut Bytes<'_>) -> Result<()> {
    if head.u64()? == 0 {
        return Ok(());
    }
    Err(unsupported("a block before the file proper"))
}

fn verify(bytes: &[u8], said: u32, what: &str) -> Result<()> {
    // A fuzzer would find little but wrong checksums.
    if lookup3(bytes) == said || cfg!(fuzzing) {
        return Ok(());
    }
    Err(Error::new(format_args!("damaged: the checksum of {what} is wrong")))
}

struct Reader<'a> {
    file: &'a [u8],
    /// What may still be read of the file.
    budget: u64,
    /// What compressed data may still inflate to.
    inflated: u64,
    /// Global heaps by address: their objects by index.
    heaps: BTreeMap<u64, BTreeMap<u16, &'a [u8]>>,
    /// The addresses of blocks whose checksums were right.
    verified: BTreeSet<u64>,
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

    /// A block with a signature, `len` bytes and a checksum at the end: what is between them.
    fn block(
        &mut self,
        address: u64,
        signature: &[u8; 4],
        len: u64,
        what: &'static str,
    ) -> Result<Bytes<'a>> {
        let mut block = self.at(address, len.saturating_add(8), what)?;
        let whole = block.rest;
        block.expect(signature)?;
        let (checked, said) = whole.split_at(whole.len() - 4);
        verify(checked, Bytes::new(said, what).u32()?, what)?;
        Ok(Bytes::new(&checked[4..], what))
    }

    fn group(&mut self, mut object: Object<'a>, depth: usize) -> Result<Group> {
        if depth > MAX_DEPTH {
            return Err(Error::new(format_args!(
                "damaged: groups are nested deeper than {MAX_DEPTH}"
            )));
        }
        let attributes = std::mem::take(&mut object.attributes);
        let mut group = Group { attributes, ..Group::default() };
        for (name, address) in self.members(object)? {
            if group.datasets.contains_key(&name) || group.groups.contains_key(&name) {
                return Err(Error::new("damaged: the name occurs twice").inside(name));
            }
            let mut member = || -> Result<()> {
                let object = self.object(address)?;
                if object.is_group() {
                    let inner = self.group(object, depth + 1)?;
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
}

fn text(bytes: &[u8]) -> Result<String> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| Error::new("damaged: a text that is not UTF-8"))
}
