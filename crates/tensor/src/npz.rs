//! NumPy's `.npz` format: a zip archive of `.npy` files.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use rawzip::{
    CompressionMethod, FileReader, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipArchive,
    ZipArchiveEntryWayfinder, ZipArchiveWriter, ZipLocator,
};

use crate::{AtomicFile, Error, NpyHeader, Result, Tensor, npy, npy::MAGIC};

/// What deflate can make of one byte at most (RFC 1951: 258 bytes from 2 bits).
const MAX_RATIO: u64 = 1032;

/// A `.npz` file opened for reading.
///
/// Members are read when they are asked for; each is checked against its length and checksum.
///
/// # Examples
///
/// ```
/// use deckle_tensor::{Npz, NpzWriter, Tensor};
///
/// let mut writer = NpzWriter::new(Vec::new(), "pair.npz").compressed(true);
/// writer.add("x", &Tensor::from([1, 2]))?;
/// writer.add("y", &Tensor::from([0.5]))?;
/// let npz = Npz::from_bytes(writer.finish()?, "pair.npz")?;
///
/// assert_eq!(npz.names().collect::<Vec<_>>(), ["x", "y"]);
/// assert_eq!(npz.tensor("y")?, Tensor::from([0.5]));
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct Npz {
    archive: ZipArchive<Source>,
    file: String,
    /// In the order of the file.
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    /// Without `.npy`.
    name: String,
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    compressed: u64,
    len: u64,
}

#[derive(Debug)]
enum Source {
    File(FileReader),
    Bytes(Vec<u8>),
}

impl ReaderAt for Source {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, offset),
            Self::Bytes(bytes) => {
                let start =
                    usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[start..]).read(buffer)
            }
        }
    }
}

impl Npz {
    /// Opens a `.npz` file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no complete zip archive, or has two members of a name.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let fail = |error| Error::io(&name, error);
        let file = File::open(path).map_err(fail)?;
        let len = file.metadata().map_err(fail)?.len();
        Self::locate(Source::File(file.into()), len, name.clone())
    }

    /// Opens `.npz` bytes; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// If the bytes are no complete zip archive, or have two members of a name.
    pub fn from_bytes(bytes: Vec<u8>, file: &str) -> Result<Self> {
        let len = bytes.len() as u64;
        Self::locate(Source::Bytes(bytes), len, file.to_owned())
    }

    fn locate(source: Source, len: u64, file: String) -> Result<Self> {
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let archive = ZipLocator::new()
            .locate_in_reader(source, &mut buffer, len)
            .map_err(|(source, error)| {
                let mut start = [0; MAGIC.len()];
                match source.read_at(&mut start, 0) {
                    Ok(read) if read == MAGIC.len() && start == *MAGIC => {
                        Error::file(&file, "is one array, no .npz archive of named ones")
                            .help("numpy.savez writes an archive")
                    }
                    _ => no_archive(&file, &error),
                }
            })?;
        let mut members: Vec<Member> = Vec::new();
        let mut names = BTreeSet::new();
        let mut count = 0;
        let mut entries = archive.entries(&mut buffer);
        while let Some(entry) =
            entries.next_entry().map_err(|error| no_archive(&file, &error))?
        {
            count += 1;
            if entry.is_dir() {
                continue;
            }
            let path = entry.file_path();
            let full = String::from_utf8_lossy(path.as_bytes());
            let name = full.strip_suffix(".npy").unwrap_or(&full).to_owned();
            if !names.insert(name.clone()) {
                return Err(Error::file(&file, format_args!("has two members `{name}`")));
            }
            members.push(Member {
                name,
                place: entry.wayfinder(),
                method: entry.compression_method(),
                compressed: entry.compressed_size_hint(),
                len: entry.uncompressed_size_hint(),
            });
        }
        if archive.entries_hint() != count {
            return Err(Error::file(
                &file,
                format_args!(
                    "is not a complete .npz archive: {count} of {} members are there",
                    archive.entries_hint()
                ),
            ));
        }
        Ok(Self { archive, file, members })
    }

    /// The members' names in the order of the file, without `.npy`.
    #[must_use]
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The number of members.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The tensor of that name.
    ///
    /// # Errors
    ///
    /// If there is no such member, it is damaged, or no tensor can hold its elements.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        Tensor::from_npy(&self.bytes(name)?, &self.member_name(name))
    }

    /// All tensors with their names, in the order of the file.
    ///
    /// # Errors
    ///
    /// Each as [`Npz::tensor`].
    pub fn tensors(&self) -> impl Iterator<Item = Result<(&str, Tensor)>> {
        self.names().map(|name| Ok((name, self.tensor(name)?)))
    }

    /// The bytes of the member of that name: an `.npy` file, see [`NpyHeader`](crate::NpyHeader).
    ///
    /// # Errors
    ///
    /// If there is no such member, or it is damaged.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let wanted = name.strip_suffix(".npy").unwrap_or(name);
        let member =
            self.members.iter().find(|member| member.name == wanted).ok_or_else(
                || {
                    let names: Vec<&str> = self.names().collect();
                    Error::file(&self.file, format_args!("has no member `{name}`"))
                        .help(format_args!("its members are {}", names.join(", ")))
                },
            )?;
        let fail = |problem: &dyn std::fmt::Display| {
            Error::file(self.member_name(name), format_args!("is damaged: {problem}"))
        };
        let possible = match member.method {
            CompressionMethod::STORE => member.compressed == member.len,
            CompressionMethod::DEFLATE => {
                member.len <= member.compressed.saturating_mul(MAX_RATIO)
            }
            _ => {
                return Err(Error::file(
                    self.member_name(name),
                    "is compressed by another method than deflate",
                )
                .help("save it with numpy.savez or numpy.savez_compressed"));
            }
        };
        if !possible {
            return Err(fail(&format_args!(
                "{} bytes cannot hold {} bytes",
                member.compressed, member.len
            )));
        }
        let entry = self.archive.get_entry(member.place).map_err(|error| fail(&error))?;
        let raw = entry.reader();
        let mut reader: Box<dyn Read + '_> = match member.method {
            CompressionMethod::STORE => Box::new(entry.verifying_reader(raw)),
            _ => Box::new(entry.verifying_reader(DeflateDecoder::new(raw))),
        };
        // The length is only a claim, so memory grows with what is really there.
        let mut bytes = Vec::new();
        (&mut reader)
            .take(member.len)
            .read_to_end(&mut bytes)
            .and_then(|read| match read as u64 == member.len {
                // One more read makes the reader compare length and checksum of an empty member.
                true => reader.read(&mut [0]).map(|_| ()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            })
            .map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::UnexpectedEof => fail(&error),
                _ => Error::io(self.member_name(name), error),
            })?;
        Ok(bytes)
    }

    fn member_name(&self, name: &str) -> String {
        format!("{}, member `{name}`", self.file)
    }
}

fn no_archive(file: &str, error: &rawzip::Error) -> Error {
    Error::file(file, format_args!("is not a complete .npz archive: {error}"))
}

/// Writes a `.npz` file, member by member.
///
/// # Examples
///
/// ```
/// use deckle_tensor::{Npz, NpzWriter, Tensor};
///
/// # let path = std::env::temp_dir().join(format!("deckle-{}.npz", std::process::id()));
/// let mut writer = NpzWriter::create(&path)?.compressed(true);
/// writer.add("x", &Tensor::from([1, 2]))?;
/// writer.finish()?.commit()?;
/// assert_eq!(Npz::open(&path)?.tensor("x")?, Tensor::from([1, 2]));
/// # std::fs::remove_file(&path).map_err(|error| deckle_tensor::Error::io("path", error))?;
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct NpzWriter<W> {
    archive: ZipArchiveWriter<W>,
    file: String,
    names: Vec<String>,
    compressed: bool,
}

impl NpzWriter<AtomicFile> {
    /// Opens a file, which appears when [`finish`](Self::finish) is followed by
    /// [`commit`](AtomicFile::commit).
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::new(AtomicFile::create(path)?, &path.display().to_string()))
    }
}

impl<W: Write> NpzWriter<W> {
    /// Writes to any writer; `file` is named in errors.
    pub fn new(writer: W, file: &str) -> Self {
        Self {
            archive: ZipArchiveWriter::new(writer),
            file: file.to_owned(),
            names: Vec::new(),
            compressed: false,
        }
    }

    /// Sets whether members are compressed from now on; false by default.
    #[must_use]
    pub fn compressed(mut self, compressed: bool) -> Self {
        self.compressed = compressed;
        self
    }

    /// Writes one tensor.
    ///
    /// # Errors
    ///
    /// If there is a member of that name already, the elements are `BF16`, which NumPy lacks,
    /// or the writer fails.
    pub fn add(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        if name.is_empty() || self.names.iter().any(|other| other == name) {
            return Err(Error::file(
                &self.file,
                format_args!("cannot have another member `{name}`"),
            )
            .help("give each member a name of its own"));
        }
        let member = format!("{}, member `{name}`", self.file);
        let method = if self.compressed {
            CompressionMethod::DEFLATE
        } else {
            CompressionMethod::STORE
        };
        let fail = |error: rawzip::Error| Error::io(&member, io::Error::other(error));
        // What cannot be written is found before a byte is.
        NpyHeader::of(tensor, &member)?;
        let (mut entry, config) = self
            .archive
            .new_file(&*format!("{name}.npy"))
            .compression_method(method)
            .start()
            .map_err(fail)?;
        let descriptor = if self.compressed {
            let mut writer =
                config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
            npy::write(tensor, &mut writer, &member)?;
            let (encoder, descriptor) = writer.finish().map_err(fail)?;
            encoder.finish().map_err(|error| Error::io(&member, error))?;
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            npy::write(tensor, &mut writer, &member)?;
            writer.finish().map_err(fail)?.1
        };
        entry.finish(descriptor).map_err(fail)?;
        self.names.push(name.to_owned());
        Ok(())
    }

    /// Writes the directory at the end, and gives the writer back.
    ///
    /// # Errors
    ///
    /// If the writer fails.
    pub fn finish(self) -> Result<W> {
        self.archive
            .finish()
            .map_err(|error| Error::io(self.file, io::Error::other(error)))
    }
}
