//! Zip archives in memory: their members by name.

use std::{borrow::Cow, collections::BTreeMap, io::Read, io::Write};

use flate2::bufread::DeflateDecoder;
use rawzip::{
    CompressionMethod, ErrorKind, ZipArchive, ZipArchiveWriter, ZipSliceEntry,
    ZipVerification,
};

use crate::{Error, Result};

/// What all members may inflate to: 100 times the archive, and this. Keras stores its members.
const ALWAYS_ALLOWED: usize = 16 << 20;

/// The members of an archive: their bytes by name, in the archive itself where they are stored.
///
/// Names are labels, not paths; still, one that would lead out of a folder is refused, because
/// whoever unpacks the archive later might follow it.
pub(crate) fn read(archive: &[u8]) -> Result<BTreeMap<String, Cow<'_, [u8]>>> {
    let zip = ZipArchive::from_slice(archive).map_err(|error| match error.kind() {
        ErrorKind::MissingEndOfCentralDirectory => {
            Error::new("not a zip archive, or a truncated one: its directory is missing")
        }
        _ => damaged(&error),
    })?;
    let mut members = BTreeMap::new();
    let mut stored = archive.len();
    let mut inflated = archive.len().saturating_mul(100).saturating_add(ALWAYS_ALLOWED);
    let mut count = 0u64;
    for record in zip.entries() {
        let record = record.map_err(|error| damaged(&error))?;
        count += 1;
        let name = member_name(record.file_path().as_ref())?;
        if record.is_dir() {
            continue;
        }
        let entry = zip
            .get_entry(record.wayfinder())
            .map_err(|error| damaged(&error).inside(&name))?;
        // Members that overlap would make a small archive as large as they like.
        let data = data_of(archive, &entry);
        stored = stored.checked_sub(data.len()).ok_or_else(|| {
            Error::new("the members claim more bytes than there are").inside(&name)
        })?;
        let bytes =
            member(data, record.compression_method(), entry.claim_verifier(), inflated)
                .map_err(|error| error.inside(&name))?;
        inflated -= bytes.len();
        if members.insert(name.clone(), bytes).is_some() {
            return Err(Error::new("the archive holds this member twice").inside(name));
        }
    }
    if count != zip.entries_hint() {
        return Err(Error::new(format_args!(
            "the archive's directory lists {count} members instead of {}",
            zip.entries_hint()
        )));
    }
    Ok(members)
}

/// The member as it lies in the archive; rawzip has checked that it lies inside.
fn data_of<'a>(archive: &'a [u8], entry: &ZipSliceEntry<'_>) -> &'a [u8] {
    let (start, end) = entry.compressed_data_range();
    archive.get(start as usize..end as usize).unwrap_or_default()
}

fn damaged(error: &rawzip::Error) -> Error {
    Error::new(format_args!("damaged zip archive: {error}"))
}

fn member_name(name: &[u8]) -> Result<String> {
    let name = std::str::from_utf8(name)
        .map_err(|_| Error::new("damaged zip archive: a member's name is not UTF-8"))?;
    let leads_out = name.starts_with('/')
        || name.contains(['\\', ':', '\0'])
        || name.split('/').any(|step| step == "..");
    if leads_out || name.is_empty() {
        return Err(Error::new(format_args!(
            "the archive has a member with the forbidden name {name:?}"
        )));
    }
    Ok(name.to_owned())
}

fn member<'a>(
    data: &'a [u8],
    method: CompressionMethod,
    said: ZipVerification,
    limit: usize,
) -> Result<Cow<'a, [u8]>> {
    let declared = said.uncompressed_size;
    if !usize::try_from(declared).is_ok_and(|size| size <= limit) {
        return Err(Error::new(format_args!(
            "claims to hold {declared} bytes, absurd for an archive of this size"
        )));
    }
    let bytes = match method {
        CompressionMethod::STORE => Cow::Borrowed(data),
        CompressionMethod::DEFLATE => {
            let mut bytes = Vec::new();
            // One more than declared, to notice when there is more.
            DeflateDecoder::new(data)
                .take(declared + 1)
                .read_to_end(&mut bytes)
                .map_err(|_| Error::new("damaged: its compressed data make no sense"))?;
            Cow::Owned(bytes)
        }
        other => {
            return Err(Error::new(format_args!(
                "compressed by method {}, which is neither stored nor deflated",
                other.as_u16()
            )));
        }
    };
    if bytes.len() as u64 != declared {
        return Err(Error::new(format_args!(
            "damaged: not of the {declared} bytes that the archive's directory says"
        )));
    }
    if rawzip::crc32(&bytes) != said.crc {
        return Err(Error::new("damaged: its checksum is wrong"));
    }
    Ok(bytes)
}

/// An archive of stored members in the given order, without times: equal members, equal bytes.
pub(crate) fn write<'a>(
    members: impl IntoIterator<Item = (&'a str, Cow<'a, [u8]>)>,
) -> Result<Vec<u8>> {
    let mut zip = ZipArchiveWriter::new(Vec::new());
    for (name, bytes) in members {
        member_name(name.as_bytes())?;
        let mut add = || -> std::result::Result<(), rawzip::Error> {
            let (mut entry, config) = zip.new_file(name).start()?;
            let mut writer = config.wrap(&mut entry);
            writer.write_all(&bytes)?;
            let (_, descriptor) = writer.finish()?;
            entry.finish(descriptor)?;
            Ok(())
        };
        add().map_err(|error| Error::new(error).inside(name))?;
    }
    zip.finish().map_err(Error::new)
}
