//! Files that may be compressed with gzip, read whole: [`Bytes`].

use std::{
    fs, io,
    io::{BufReader, Read},
    path::Path,
};

use flate2::bufread::GzDecoder;

use crate::{Error, Result};

/// The most that deflate can expand: 258 bytes from two bits.
const MAX_EXPANSION: u64 = 1032;

/// The bytes of a file, decompressed as they are read, and its name for messages.
pub(crate) struct Bytes<'a> {
    reader: Box<dyn Read + 'a>,
    name: String,
    /// No more bytes can come.
    limit: u64,
}

impl<'a> Bytes<'a> {
    /// The bytes of a file, decompressed if its name ends in `.gz`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |error| Error::Io { file: name.clone(), error };
        let file = fs::File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let file = BufReader::new(file);
        Ok(if path.extension().is_some_and(|extension| extension == "gz") {
            Self::compressed(file, len, name)
        } else {
            Self { reader: Box::new(file), name, limit: len }
        })
    }

    /// Bytes in memory that are compressed.
    pub(crate) fn embedded(bytes: &'static [u8], name: &str) -> Bytes<'static> {
        Bytes::compressed(bytes, bytes.len() as u64, name.into())
    }

    fn compressed(reader: impl io::BufRead + 'a, len: u64, name: String) -> Self {
        let limit = len.saturating_mul(MAX_EXPANSION);
        Self { reader: Box::new(GzDecoder::new(reader)), name, limit }
    }

    /// The bytes one after the other.
    pub(crate) fn into_reader(self) -> impl Read + 'a {
        self.reader
    }

    /// No more bytes can come.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        self.reader.read_exact(&mut array).map_err(|error| self.failed(error))?;
        Ok(array)
    }

    /// All bytes, which have to be UTF-8.
    pub(crate) fn text(mut self) -> Result<String> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).map_err(|error| self.failed(error))?;
        String::from_utf8(bytes)
            .map_err(|_| Error::file(&self.name, "is no text: it is not UTF-8"))
    }

    /// The next `len` bytes, which have to be the last.
    ///
    /// Memory grows with the bytes that come, not with the number that is asked for.
    pub(crate) fn rest(mut self, len: u64) -> Result<Vec<u8>> {
        if len > self.limit {
            return Err(Error::file(
                &self.name,
                format_args!(
                    "announces {len} bytes, more than a file of its length can hold"
                ),
            ));
        }
        let mut bytes = Vec::new();
        // One more, to see the end: gzip's checksum is compared only there.
        let read = (&mut self.reader).take(len + 1).read_to_end(&mut bytes);
        let got = read.map_err(|error| self.failed(error))? as u64;
        match got.cmp(&len) {
            std::cmp::Ordering::Less => Err(Error::file(
                &self.name,
                format_args!("is cut off: announces {len} bytes, but {got} follow"),
            )),
            std::cmp::Ordering::Equal => Ok(bytes),
            std::cmp::Ordering::Greater => Err(Error::file(
                &self.name,
                format_args!("holds more than the {len} bytes that it announces"),
            )),
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        match error.kind() {
            UnexpectedEof => Error::file(&self.name, "is cut off"),
            InvalidData | InvalidInput => Error::file(
                &self.name,
                "is damaged: its compressed data or checksum is wrong",
            ),
            _ => Error::Io { file: self.name.clone(), error },
        }
    }
}
