//! Writing HDF5 files, in the layout that h5py gives to Keras'.

use deckle_tensor::{DType, Tensor};

use super::{
    Attribute, DTYPE, Group, MAX_DEPTH,
    datatype::{Datatype, Padding, bytes_of},
};
use crate::{Error, Result};

const UNDEFINED: u64 = u64::MAX;
/// Half the entries of a symbol table, and half the children of a B-tree's node.
const LEAF_K: usize = 4;
const NODE_K: usize = 16;
/// The size of the superblock with the root's symbol table entry.
const SUPERBLOCK: usize = 96;
/// The smallest global heap, in bytes.
const HEAP: usize = 4096;

pub(super) fn file(root: &Group) -> Result<Vec<u8>> {
    let mut writer = Writer { out: vec![0; SUPERBLOCK], texts: Vec::new() };
    let root = writer.group(root, 0)?;
    writer.heaps();
    Ok(writer.finish(root))
}

/// Where a group's object header and the parts of its table of members lie.
#[derive(Clone, Copy)]
struct Address {
    header: u64,
    /// Of a group: the B-tree and the local heap.
    table: Option<(u64, u64)>,
}

struct Writer {
    out: Vec<u8>,
    /// The texts for the global heaps, each with the position of the reference to it.
    texts: Vec<(usize, String)>,
}

impl Writer {
    /// Where the next piece goes.
    fn here(&mut self) -> u64 {
        self.out.resize(self.out.len().next_multiple_of(8), 0);
        self.out.len() as u64
    }

    fn put(&mut self, bytes: impl AsRef<[u8]>) {
        self.out.extend_from_slice(bytes.as_ref());
    }

    fn put_u64(&mut self, value: u64) {
        self.put(value.to_le_bytes());
    }

    /// Zeros, until the piece that began at `start` has `size` bytes.
    fn fill(&mut self, start: u64, size: usize) {
        self.out.resize(start as usize + size, 0);
    }

    fn group(&mut self, group: &Group, depth: usize) -> Result<Address> {
        if depth > MAX_DEPTH {
            return Err(Error::new(format_args!(
                "groups are nested deeper than {MAX_DEPTH}"
            )));
        }
        let mut members = Vec::new();
        for (name, tensor) in &group.datasets {
            if group.groups.contains_key(name) {
                return Err(
                    Error::new("a tensor and a group have this name").within(name)
                );
            }
            let address = self.dataset(tensor).map_err(|error| error.within(name))?;
            members.push((checked(name)?, address));
        }
        for (name, inner) in &group.groups {
            let address =
                self.group(inner, depth + 1).map_err(|error| error.within(name))?;
            members.push((checked(name)?, address));
        }
        // In order of bytes, as the library searches them.
        members.sort_unstable_by_key(|&(name, _)| name);
        let (tree, names) = self.table(&members);
        let mut messages =
            vec![Message::new(0x11, [tree, names].map(u64::to_le_bytes).concat())];
        for (name, attribute) in &group.attributes {
            messages.push(attribute_message(checked(name)?, attribute)?);
        }
        Ok(Address { header: self.header(messages)?, table: Some((tree, names)) })
    }

    /// Writes a group's table of members; gives the addresses of its B-tree and its names.
    fn table(&mut self, members: &[(&str, Address)]) -> (u64, u64) {
        // The empty name is at 0.
        let mut names = vec![0; 8];
        let mut offsets = Vec::new();
        for (name, _) in members {
            offsets.push(names.len() as u64);
            names.extend(name.as_bytes());
            names.resize((names.len() + 1).next_multiple_of(8), 0);
        }
        let data = self.here();
        self.put(&names);
        let heap = self.here();
        self.put(b"HEAP\0\0\0\0");
        self.put_u64(names.len() as u64);
        // No free block.
        self.put_u64(1);
        self.put_u64(data);

        // The children of the next level: address, and the greatest name below.
        let mut children = Vec::new();
        for (members, offsets) in
            members.chunks(2 * LEAF_K).zip(offsets.chunks(2 * LEAF_K))
        {
            children.push((self.symbols(members, offsets), offsets[offsets.len() - 1]));
        }
        let mut level = 0;
        loop {
            let nodes: Vec<_> = children.chunks(2 * NODE_K).map(<[_]>::to_vec).collect();
            let nodes = if nodes.is_empty() { vec![Vec::new()] } else { nodes };
            children = self.level(level, &nodes);
            level += 1;
            if let [(root, _)] = children[..] {
                return (root, heap);
            }
        }
    }

    fn symbols(&mut self, members: &[(&str, Address)], offsets: &[u64]) -> u64 {
        let start = self.here();
        self.put(b"SNOD\x01\0");
        self.put((members.len() as u16).to_le_bytes());
        for ((_, address), offset) in members.iter().zip(offsets) {
            self.symbol(*offset, *address);
        }
        self.fill(start, 8 + 2 * LEAF_K * 40);
        start
    }

    fn symbol(&mut self, name: u64, address: Address) {
        self.put_u64(name);
        self.put_u64(address.header);
        // The addresses of a group's parts are kept here too.
        self.put_u64(u64::from(address.table.is_some()));
        let (tree, names) = address.table.unwrap_or_default();
        self.put_u64(tree);
        self.put_u64(names);
    }

    /// Writes one level of a B-tree; gives the address of each node and the greatest name in it.
    fn level(&mut self, level: u8, nodes: &[Vec<(u64, u64)>]) -> Vec<(u64, u64)> {
        let size = 24 + 8 * (4 * NODE_K + 1);
        let first = self.here();
        let address = |number: usize| first + (number * size) as u64;
        let mut written = Vec::new();
        let mut least = 0;
        for (number, children) in nodes.iter().enumerate() {
            self.put(b"TREE\0");
            self.put([level]);
            self.put((children.len() as u16).to_le_bytes());
            self.put_u64(number.checked_sub(1).map_or(UNDEFINED, address));
            self.put_u64(if number + 1 < nodes.len() {
                address(number + 1)
            } else {
                UNDEFINED
            });
            self.put_u64(least);
            for &(child, greatest) in children {
                self.put_u64(child);
                self.put_u64(greatest);
                least = greatest;
            }
            self.fill(address(number), size);
            written.push((address(number), least));
        }
        written
    }

    fn dataset(&mut self, tensor: &Tensor) -> Result<Address> {
        let datatype = Datatype::of(tensor.dtype())?;
        let bytes = bytes_of(tensor);
        let address = if bytes.is_empty() {
            UNDEFINED
        } else {
            let address = self.here();
            self.put(&bytes);
            address
        };
        let mut layout = vec![3, 1];
        layout.extend(address.to_le_bytes());
        layout.extend((bytes.len() as u64).to_le_bytes());
        let mut messages = vec![
            Message::new(0x01, dataspace(tensor.shape())),
            Message::new(0x03, datatype.encode()),
            // The fill value: allocated late, written if set; zero.
            Message::new(0x05, vec![2, 2, 2, 1, 0, 0, 0, 0]),
            Message::new(0x08, layout),
        ];
        if tensor.dtype() == DType::BF16 {
            let name = Attribute::from(DType::BF16.name());
            messages.push(attribute_message(DTYPE, &name)?);
        }
        Ok(Address { header: self.header(messages)?, table: None })
    }

    fn header(&mut self, messages: Vec<Message>) -> Result<u64> {
        let size: usize = messages.iter().map(|message| 8 + message.body.len()).sum();
        let (Ok(count), Ok(size)) = (u16::try_from(messages.len()), u32::try_from(size))
        else {
            return Err(Error::new("has too many attributes"));
        };
        let start = self.here();
        self.put([1, 0]);
        self.put(count.to_le_bytes());
        self.put(1u32.to_le_bytes());
        self.put(size.to_le_bytes());
        self.put([0; 4]);
        for message in messages {
            self.put(message.kind.to_le_bytes());
            self.put((message.body.len() as u16).to_le_bytes());
            self.put([0; 4]);
            let body = self.out.len();
            self.put(&message.body);
            let texts = message.texts.into_iter();
            self.texts.extend(texts.map(|(position, text)| (body + position, text)));
        }
        Ok(start)
    }

    /// Writes the global heaps and the references to the texts in them.
    fn heaps(&mut self) {
        let texts = std::mem::take(&mut self.texts);
        let mut texts = texts.into_iter().peekable();
        let room = |text: &str| 16 + text.len().next_multiple_of(8);
        while let Some((_, first)) = texts.peek() {
            let size = (16 + room(first)).max(HEAP);
            let start = self.here();
            self.put(b"GCOL\x01\0\0\0");
            self.put_u64(size as u64);
            let end = start as usize + size;
            let mut index = 0u16;
            while let Some((position, text)) =
                texts.next_if(|(_, text)| self.out.len() + room(text) <= end)
            {
                index += 1;
                self.put(index.to_le_bytes());
                self.put([0; 6]);
                self.put_u64(text.len() as u64);
                self.put(&text);
                self.here();
                let mut reference = (text.len() as u32).to_le_bytes().to_vec();
                reference.extend(start.to_le_bytes());
                reference.extend(u32::from(index).to_le_bytes());
                self.out[position..position + 16].copy_from_slice(&reference);
            }
            if let free @ 16.. = end - self.out.len() {
                self.put_u64(0);
                self.put_u64(free as u64);
            }
            self.fill(start, size);
        }
    }

    fn finish(mut self, root: Address) -> Vec<u8> {
        let end = self.here();
        let body = std::mem::take(&mut self.out);
        self.put(b"\x89HDF\r\n\x1a\n");
        self.put([0, 0, 0, 0, 0, 8, 8, 0]);
        self.put((LEAF_K as u16).to_le_bytes());
        self.put((NODE_K as u16).to_le_bytes());
        self.put([0; 4]);
        for address in [0, UNDEFINED, end, UNDEFINED] {
            self.put_u64(address);
        }
        self.symbol(0, root);
        self.put(&body[SUPERBLOCK..]);
        self.out
    }
}

/// A message of an object header.
struct Message {
    kind: u16,
    body: Vec<u8>,
    /// Texts that belong into a global heap, and where in `body` the references to them go.
    texts: Vec<(usize, String)>,
}

impl Message {
    fn new(kind: u16, mut body: Vec<u8>) -> Self {
        body.resize(body.len().next_multiple_of(8), 0);
        Self { kind, body, texts: Vec::new() }
    }
}

fn dataspace(shape: &[usize]) -> Vec<u8> {
    let mut message = vec![1, shape.len() as u8, 0, 0, 0, 0, 0, 0];
    message.extend(shape.iter().flat_map(|&len| (len as u64).to_le_bytes()));
    message
}

fn attribute_message(name: &str, attribute: &Attribute) -> Result<Message> {
    let (datatype, space, data, texts) = match attribute {
        Attribute::Text(text) => {
            (Datatype::HeapText, dataspace(&[]), vec![0; 16], vec![text.clone()])
        }
        Attribute::Texts(texts) => {
            let data = vec![0; 16 * texts.len()];
            (Datatype::HeapText, dataspace(&[texts.len()]), data, texts.clone())
        }
        Attribute::Tensor(tensor) => {
            let data = bytes_of(tensor);
            (Datatype::of(tensor.dtype())?, dataspace(tensor.shape()), data, Vec::new())
        }
        Attribute::Null => {
            let nothing = Datatype::Text { size: 1, padding: Padding::Nul };
            (nothing, vec![2, 0, 0, 2], Vec::new(), Vec::new())
        }
    };
    let parts = [[name.as_bytes(), &[0]].concat(), datatype.encode(), space];
    let mut body = vec![1, 0];
    for part in &parts {
        body.extend((part.len() as u16).to_le_bytes());
    }
    for part in parts {
        body.extend(part);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let first = body.len();
    body.extend(data);
    let mut message = Message::new(0x0c, body);
    // An empty text is no reference.
    message.texts =
        (first..).step_by(16).zip(texts).filter(|(_, text)| !text.is_empty()).collect();
    if message.body.len() > 0xfff8 {
        return Err(Error::new("an attribute exceeds HDF5's limit of 64 KiB")
            .help("split it, as Keras does, into name0, name1, ...")
            .inside(format_args!("attribute {name}")));
    }
    Ok(message)
}

/// A name that HDF5 can hold.
fn checked(name: &str) -> Result<&str> {
    if name.is_empty() || name == "." || name.contains(['/', '\0']) || name.len() > 0xf000
    {
        return Err(Error::new(format_args!(
            "{name:?} cannot be a name in an HDF5 file"
        )));
    }
    Ok(name)
}
