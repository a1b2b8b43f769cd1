//! The members of a zip archive, read from the disk one by one: [`Archive`].

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use flate2::read::DeflateDecoder;
use rawzip::{
    CompressionMethod, FileReader, RECOMMENDED_BUFFER_SIZE, ZipArchive,
    ZipArchiveEntryWayfinder,
};

use crate::{Error, Result};

/// The bytes of one member of a zip archive.
///
/// # Errors
///
/// If the archive cannot be read, has no such member, or this is damaged.
///
/// # Examples
///
/// ```no_run
/// let bytes = deckle_data::read_zip_member("spa-eng.zip", "spa-eng/spa.txt")?;
/// # let _ = bytes;
/// # Ok::<(), deckle_data::Error>(())
/// ```
pub fn read_zip_member(path: impl AsRef<Path>, member: &str) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let (archive, members) = Archive::open(path, "a zip archive")?;
    let failed = |problem: &dyn std::fmt::Display| {
        Error::file(format_args!("{}, member `{member}`", path.display()), problem)
    };
    let found = members.iter().find(|(name, _)| name == member);
    let (_, place) = found.ok_or_else(|| failed(&"is missing"))?;
    let mut bytes = Vec::new();
    archive.read(place, &mut bytes).map_err(|error| failed(&error))?;
    Ok(bytes)
}

/// The most that deflate can expand: 258 bytes from two bits.
const MAX_EXPANSION: u64 = 1032;

/// A zip archive that is open.
#[derive(Debug)]
pub(crate) struct Archive {
    zip: ZipArchive<FileReader>,
}

/// Where a member lies, and how it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
}

impl Archive {
    /// Opens an archive, and lists its members' names with `/` between folders; a folder's name
    /// ends in it.
    pub(crate) fn open(
        path: &Path,
        expected: &str,
    ) -> Result<(Self, Vec<(String, Member)>)> {
        let failed = |problem: &dyn std::fmt::Display| {
            Error::file(path.display(), "cannot be read as a zip archive")
                .expected(expected)
                .got(problem)
        };
        let file = File::open(path).map_err(|error| failed(&error))?;
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let zip =
            ZipArchive::from_file(file, &mut buffer).map_err(|error| failed(&error))?;
        let mut members = Vec::new();
        let mut entries = zip.entries(&mut buffer);
        while let Some(record) = entries.next_entry().map_err(|error| failed(&error))? {
            let name = record.file_path();
            let name = String::from_utf8_lossy(name.as_ref()).into_owned();
            let method = record.compression_method();
            members.push((name, Member { place: record.wayfinder(), method }));
        }
        Ok((Self { zip }, members))
    }

    /// The bytes of a member, of which size and checksum are compared.
    pub(crate) fn read(&self, member: &Member, into: &mut Vec<u8>) -> io::Result<()> {
        let entry = self.zip.get_entry(member.place).map_err(io::Error::other)?;
        let (size, stored) =
            (member.place.uncompressed_size_hint(), member.place.compressed_size_hint());
        if size > stored.saturating_mul(MAX_EXPANSION) {
            return Err(io::Error::other(format!(
                "claims to hold {size} bytes, more than {stored} can expand to"
            )));
        }
        // One more, so that the checks see what is too much.
        match member.method {
            CompressionMethod::STORE => {
                entry.verifying_reader(entry.reader()).take(size + 1).read_to_end(into)
            }
            CompressionMethod::DEFLATE => entry
                .verifying_reader(DeflateDecoder::new(entry.reader()))
                .take(size + 1)
                .read_to_end(into),
            other => Err(io::Error::other(format!(
                "compressed by method {}, which is neither stored nor deflated",
                other.as_u16()
            ))),
        }
        .map(drop)
    }
}
