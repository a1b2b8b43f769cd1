//! HDF5 files as trees of named tensors: [`Group`] and [`Attribute`].
//!
//! Written is the part of the format that h5py writes for Keras, with nothing left to chance:
//! superblock of version 0, groups as B-trees of symbol tables, object headers of version 1,
//! contiguous data, strings of variable length in global heaps.
//!
//! Read is what h5py can write of tensors: superblocks of versions 0 to 3, object headers of
//! versions 1 and 2, groups and attributes of the old and the new style, compact, contiguous and
//! chunked data (by all indices but extensible arrays), filtered by `gzip`, `lzf`, `shuffle` and
//! `fletcher32`. Anything else is an error that names it.
//!
//! # References
//!
//! The HDF Group, *HDF5 File Format Specification*, version 3.0.

mod checksum;
mod datatype;
mod read;
mod write;

use std::{collections::BTreeMap, path::Path};

use deckle_tensor::Tensor;

pub(crate) use datatype::{Datatype, Number, bytes_of};
pub(crate) use read::byte_count;

use crate::{Error, Result, disk};

/// Groups within groups within ...: more than this is taken for a loop.
const MAX_DEPTH: usize = 64;
/// HDF5's limit on axes.
const MAX_RANK: usize = 32;
/// The type of Keras' data sets of `bfloat16` is opaque; this attribute tells what they are.
const DTYPE: &str = "dtype";

/// A group of an HDF5 file, or the whole file: attributes, tensors, and groups, by name.
///
/// Paths are relative to the group, without a slash at either end.
///
/// # Examples
///
/// ```
/// use deckle_formats::{Attribute, Group};
/// use deckle_tensor::Tensor;
///
/// let mut file = Group::new();
/// let vars = file.create_group("layers/dense/vars")?;
/// vars.attributes.insert("name".into(), Attribute::from("dense_1"));
/// vars.insert("0", Tensor::new(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2])?)?;
///
/// let file = Group::from_bytes(&file.to_bytes()?)?;
/// let vars = file.group("layers/dense/vars").expect("it was written");
/// assert_eq!(vars.attribute("name").and_then(Attribute::text), Some("dense_1"));
/// assert_eq!(vars.dataset("0"), file.dataset("layers/dense/vars/0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// What is said about the group, such as the `name` of a layer.
    pub attributes: BTreeMap<String, Attribute>,
    /// The tensors directly in this group.
    pub datasets: BTreeMap<String, Tensor>,
    /// The groups directly in this group.
    pub groups: BTreeMap<String, Self>,
}

impl Group {
    /// A group without anything in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads an HDF5 file, `.weights.h5` or a legacy `.h5` model.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, and as [`from_bytes`](Self::from_bytes).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes(&disk::read(path)?).map_err(|error| error.in_file(path))
    }

    /// Reads the bytes of an HDF5 file.
    ///
    /// Integers of 8 and 16 bits become `int32`, `uint16` becomes `uint32`, `uint64` becomes
    /// `int64` if it fits.
    ///
    /// # Errors
    ///
    /// If this is not an HDF5 file, or a truncated or damaged one, or has what is not read, which
    /// is named: links to elsewhere, data in other files, types of elements that are no numbers.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        read::file(bytes, bytes.len())
    }

    /// Reads an HDF5 file that lies, perhaps compressed, in an archive of that length.
    pub(crate) fn from_member(bytes: &[u8], archive: usize) -> Result<Self> {
        read::file(bytes, archive)
    }

    /// Writes an HDF5 file, replacing what was there at once.
    ///
    /// # Errors
    ///
    /// As [`to_bytes`](Self::to_bytes), and if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|error| error.in_file(path))?;
        disk::write_atomically(path, &bytes)
    }

    /// The bytes of an HDF5 file; equal groups are equal bytes.
    ///
    /// # Errors
    ///
    /// If a name is empty, `.` or holds a slash or NUL, if a tensor and a group have the same
    /// name, if an attribute exceeds 64 KiB, or if groups are nested deeper than 64.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        write::file(self)
    }

    /// The group at `path`.
    #[must_use]
    pub fn group(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |group, name| group.groups.get(name))
    }

    /// The tensor at `path`.
    #[must_use]
    pub fn dataset(&self, path: &str) -> Option<&Tensor> {
        match path.rsplit_once('/') {
            Some((group, name)) => self.group(group)?.datasets.get(name),
            None => self.datasets.get(path),
        }
    }

    /// The attribute of that name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.get(name)
    }

    /// The group at `path`, made with all groups on the way if it does not exist.
    ///
    /// # Errors
    ///
    /// If a step of the path is empty or the name of a tensor.
    pub fn create_group(&mut self, path: &str) -> Result<&mut Self> {
        path.split('/').try_fold(self, |group, name| {
            if name.is_empty() || group.datasets.contains_key(name) {
                return Err(Error::new("cannot be a group").inside(path));
            }
            Ok(group.groups.entry(name.to_owned()).or_default())
        })
    }

    /// Puts a tensor at `path`, in place of the one there, and makes the groups on the way.
    ///
    /// # Errors
    ///
    /// If a step of the path is empty or the name of a tensor, or the path is that of a group.
    pub fn insert(&mut self, path: &str, tensor: Tensor) -> Result<()> {
        let (group, name) = match path.rsplit_once('/') {
            Some((group, name)) => (self.create_group(group)?, name),
            None => (self, path),
        };
        if name.is_empty() || group.groups.contains_key(name) {
            return Err(Error::new("cannot be a tensor").inside(path));
        }
        group.datasets.insert(name.to_owned(), tensor);
        Ok(())
    }

    /// The tensors named `0`, `1`, `2` and so on, in this order, as far as there are any.
    ///
    /// This is how Keras 3 numbers a layer's variables; by name, `10` would come before `2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_formats::Group;
    /// use deckle_tensor::Tensor;
    ///
    /// let mut vars = Group::new();
    /// for number in 0..12 {
    ///     vars.insert(&number.to_string(), Tensor::scalar(number))?;
    /// }
    /// let last = vars.numbered().last().expect("there are 12");
    /// assert_eq!(last.item::<i32>()?, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn numbered(&self) -> impl Iterator<Item = &Tensor> {
        (0usize..).map_while(|number| self.datasets.get(&number.to_string()))
    }

    /// Every tensor in this group and the groups in it, with its path, in order of the paths'
    /// names.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_formats::Group;
    /// use deckle_tensor::Tensor;
    ///
    /// let mut file = Group::new();
    /// file.insert("vars/0", Tensor::scalar(1.0f32))?;
    /// file.insert("seed", Tensor::scalar(7i64))?;
    /// let paths: Vec<_> = file.tensors().into_iter().map(|(path, _)| path).collect();
    /// assert_eq!(paths, ["seed", "vars/0"]);
    /// # Ok::<(), deckle_formats::Error>(())
    /// ```
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, &Tensor)> {
        let own = self.datasets.iter().map(|(name, tensor)| (name.clone(), tensor));
        let inner = self.groups.iter().flat_map(|(outer, group)| {
            let prefixed = move |(path, tensor)| (format!("{outer}/{path}"), tensor);
            group.tensors().into_iter().map(prefixed)
        });
        own.chain(inner).collect()
    }
}

/// A small value that says something about a group.
///
/// # Examples
///
/// ```
/// use deckle_formats::Attribute;
///
/// let name = Attribute::from("dense_1");
/// assert_eq!(name.text(), Some("dense_1"));
/// assert_eq!(name.texts(), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A list of texts, such as the legacy format's `weight_names`.
    Texts(Vec<String>),
    /// Numbers.
    Tensor(Tensor),
    /// No value at all.
    Null,
}

impl Attribute {
    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The list of texts, if it is one; h5py writes an empty list as an empty tensor.
    #[must_use]
    pub fn texts(&self) -> Option<&[String]> {
        match self {
            Self::Texts(texts) => Some(texts),
            Self::Tensor(tensor) if tensor.is_empty() => Some(&[]),
            _ => None,
        }
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<String>> for Attribute {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

impl From<Tensor> for Attribute {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}
