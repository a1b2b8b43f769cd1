//! The binary files of CIFAR: records of labels and 32 × 32 pixels.

use std::{collections::BTreeMap, io::Read, path::Path};

use deckle_data::{Arrays, Dataset};
use deckle_tensor::{DType, Tensor};

use crate::{Error, Info, Loaded, Place, Result, Source, gzip::Bytes, search::Found};

/// The length of the images' axes.
const SIDE: usize = 32;
/// Red, green and blue, one plane after the other.
const PIXELS: usize = 3 * SIDE * SIDE;
/// More than a file of either data set has.
const MAX_BYTES: u64 = 1 << 28;

/// How a file's records begin, and which of their labels is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    /// The bytes before the pixels: a label each.
    pub(crate) count: usize,
    /// Which of them.
    pub(crate) at: usize,
    pub(crate) classes: u8,
}

/// Loads the files, of which the last is the one to test on; from an archive, those of these
/// names.
pub(crate) fn load(
    info: &'static Info,
    found: Found,
    names: &[&str],
    labels: Labels,
) -> Result<Loaded<Arrays>> {
    let mut files = match &found.paths[..] {
        [archive] => members(archive, names)?,
        paths => {
            let read = |path: &std::path::PathBuf| {
                let name = path.display().to_string();
                let failed = |error| Error::Io { file: name.clone(), error };
                let len = std::fs::metadata(path).map_err(failed)?.len();
                Ok((name, Bytes::open(path)?.rest(len)?))
            };
            paths.iter().map(read).collect::<Result<Vec<_>>>()?
        }
    };
    let test = files.split_off(files.len() - 1);
    let (train, test) = (records(&files, labels)?, records(&test, labels)?);
    let place = Place::Folder(found.folder);
    let source = Source { info, place, train: train.len(), test: test.len() };
    Ok(Loaded {
        train: train.description(format!("{}, images to train on", info.name)),
        test: test.description(format!("{}, images to test on", info.name)),
        source,
    })
}

/// The files of these names in a tar archive, in the order of the names, whatever folder of the
/// archive they are in.
fn members(archive: &Path, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
    let damaged = |error: std::io::Error| {
        Error::file(archive.display(), format_args!("is damaged: {error}"))
    };
    let mut found = BTreeMap::new();
    let bytes = Bytes::open(archive)?;
    let limit = bytes.limit();
    let mut reader = tar::Archive::new(bytes.into_reader());
    for entry in reader.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?;
        let Some(&name) = names.iter().find(|&name| path.ends_with(name)) else {
            continue;
        };
        let mut bytes = Vec::new();
        entry.take(MAX_BYTES).read_to_end(&mut bytes).map_err(damaged)?;
        found.insert(name, bytes);
    }
    // An archive ends before its file does, but gzip's checksum is compared only there.
    let rest = &mut reader.into_inner().take(limit);
    std::io::copy(rest, &mut std::io::sink()).map_err(damaged)?;
    let mut all = Vec::new();
    for name in names {
        let file = format!("{}, member `{name}`", archive.display());
        match found.remove(name) {
            Some(bytes) => all.push((file, bytes)),
            None => return Err(Error::file(file, "is missing")),
        }
    }
    Ok(all)
}

/// The records of files, which have a name for messages.
fn records(files: &[(String, Vec<u8>)], labels: Labels) -> Result<Arrays> {
    let record = labels.count + PIXELS;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            return Err(Error::file(
                name,
                format_args!(
                    "has {} bytes, expected records of {record} bytes",
                    bytes.len()
                ),
            ));
        }
        for record in bytes.chunks_exact(record) {
            let (head, pixels) = record.split_at(labels.count);
            let label = head[labels.at];
            if label >= labels.classes {
                return Err(Error::file(
                    name,
                    format_args!(
                        "is damaged: label {label} at position {} is not 0 to {}",
                        y.len(),
                        labels.classes - 1
                    ),
                ));
            }
            y.push(label);
            // From planes to pixels.
            for pixel in 0..SIDE * SIDE {
                x.extend((0..3).map(|plane| pixels[plane * SIDE * SIDE + pixel]));
            }
        }
    }
    let x = Tensor::from_bytes(DType::U8, vec![y.len(), SIDE, SIDE, 3], &x)?;
    let y = Tensor::new(&y, [y.len()])?;
    Ok(Arrays::new(x, y)?)
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        cifar10::Cifar10,
        cifar100::{Cifar100, LabelMode},
        scratch::Scratch,
    };

    /// A record whose red plane counts, whose green is 1 and whose blue is 2.
    fn record(labels: &[u8]) -> Vec<u8> {
        let red = (0..SIDE * SIDE).map(|at| (at % 251) as u8);
        let planes = red.chain([1; SIDE * SIDE]).chain([2; SIDE * SIDE]);
        labels.iter().copied().chain(planes).collect()
    }

    #[test]
    fn planes_become_pixels() {
        let scratch = Scratch::new();
        for batch in 1..=5 {
            let name = format!("cifar-10-batches-bin/data_batch_{batch}.bin");
            scratch.write(&name, &[record(&[batch]), record(&[9])].concat());
        }
        scratch.write("cifar-10-batches-bin/test_batch.bin", &record(&[7]));
        let loaded = Cifar10::new().folder(scratch.path()).load().unwrap();
        assert_eq!(loaded.train.x().shape(), [10, 32, 32, 3]);
        let y = loaded.train.y().unwrap().to_vec::<u8>().unwrap();
        assert_eq!(y, [1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
        let pixel = loaded.test.x().slice((0, 8, 0)).unwrap();
        assert_eq!(pixel.to_vec::<u8>().unwrap(), [5, 1, 2]);

        scratch.write("cifar-10-batches-bin/data_batch_3.bin", &record(&[10]));
        let error = Cifar10::new().folder(scratch.path()).load().unwrap_err().to_string();
        let expected =
            "data_batch_3.bin: is damaged: label 10 at position 4 is not 0 to 9";
        assert!(error.ends_with(expected), "{error}");
        scratch.write("cifar-10-batches-bin/data_batch_3.bin", &record(&[]));
        let error = Cifar10::new().folder(scratch.path()).load().unwrap_err().to_string();
        let expected = "data_batch_3.bin: has 3072 bytes, expected records of 3073 bytes";
        assert!(error.ends_with(expected), "{error}");
        scratch.write("cifar-10-batches-bin/data_batch_3.bin", &[]);
        assert!(Cifar10::new().folder(scratch.path()).load().is_err());
    }

    #[test]
    fn the_coarse_label_stands_first() {
        let scratch = Scratch::new();
        scratch.write("train.bin", &[record(&[19, 99]), record(&[3, 4])].concat());
        scratch.write("test.bin", &record(&[0, 1]));
        let cifar = Cifar100::new().folder(scratch.path());
        let labels = |cifar: &Cifar100| {
            cifar.load().unwrap().train.y().unwrap().to_vec::<u8>().unwrap()
        };
        assert_eq!(labels(&cifar), [99, 4]);
        assert_eq!(labels(&cifar.label_mode(LabelMode::Coarse)), [19, 3]);
    }

    /// A compressed archive of these members, in the folder `folder`.
    fn archive(folder: &str, members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        compressed(folder, members, Compression::fast())
    }

    /// As [`archive`], with all bytes as they are: what is changed among them still decompresses.
    fn stored(folder: &str, members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        compressed(folder, members, Compression::none())
    }

    fn compressed(
        folder: &str,
        members: &[(&str, Vec<u8>)],
        compression: Compression,
    ) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), compression));
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            let path = format!("{folder}/{name}");
            builder.append_data(&mut header, path, &bytes[..]).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn the_archive_is_read_as_it_is() {
        let scratch = Scratch::new();
        let mut members = vec![
            ("batches.meta.txt", b"airplane".to_vec()),
            ("test_batch.bin", record(&[7])),
        ];
        for name in
            ["5", "3", "1", "2", "4"].map(|batch| format!("data_batch_{batch}.bin"))
        {
            let batch = name.as_bytes()[11] - b'0';
            members.push((name.leak(), record(&[batch])));
        }
        let folder = "cifar-10-batches-bin";
        let path = scratch.write("cifar-10-binary.tar.gz", &archive(folder, &members));
        let cifar = Cifar10::new().folder(scratch.path());
        let loaded = cifar.load().unwrap();
        assert_eq!(loaded.train.y().unwrap().to_vec::<u8>().unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(loaded.test.y().unwrap().to_vec::<u8>().unwrap(), [7]);
        assert!(loaded.source.is_whole());

        let error = |bytes: &[u8]| {
            scratch.write("cifar-10-binary.tar.gz", bytes);
            let text = cifar.load().unwrap_err().to_string();
            text.replace(&path.display().to_string(), "FILE")
        };
        let bytes = archive(folder, &members);
        let cut = error(&bytes[..bytes.len() / 2]);
        assert!(cut.starts_with("FILE: is damaged: "), "{cut}");
        // The sum of what was compressed, its length, and what is stored as it is: what they say of
        // the members can be read all the same.
        let stored = stored(folder, &members);
        scratch.write("cifar-10-binary.tar.gz", &stored);
        cifar.load().unwrap();
        let pixel = stored.len() / 2;
        for at in (stored.len() - 8..stored.len()).chain([pixel]) {
            let mut changed = stored.clone();
            changed[at] ^= 4;
            let text = error(&changed);
            assert!(text.starts_with("FILE: is damaged: "), "byte {at}: {text}");
            assert!(text.ends_with("checksum"), "byte {at}: {text}");
        }
        assert!(error(&stored[..stored.len() - 1]).starts_with("FILE: is damaged: "));
        members[2].1.pop();
        assert_eq!(
            error(&archive(folder, &members)),
            "FILE, member `data_batch_5.bin`: has 3072 bytes, expected records of 3073 bytes"
        );
        members.pop();
        assert_eq!(
            error(&archive(folder, &members)),
            "FILE, member `data_batch_4.bin`: is missing"
        );

        let members = [("test.bin", record(&[0, 1])), ("train.bin", record(&[19, 99]))];
        scratch.write("cifar-100-binary.tar", &{
            let mut tar = Vec::new();
            let bytes = archive("cifar-100-binary", &members);
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut tar).unwrap();
            tar
        });
        let loaded = Cifar100::new().folder(scratch.path()).load().unwrap();
        assert_eq!(loaded.train.y().unwrap().to_vec::<u8>().unwrap(), [99]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn changed_archives_never_panic(
            at in any::<prop::sample::Index>(), byte: u8, header: bool, cut: bool,
        ) {
            let members = [("test.bin", record(&[0, 1])), ("train.bin", record(&[19, 99]))];
            let bytes = archive("cifar-100-binary", &members);
            let mut tar = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut tar).unwrap();
            // The first header, or anything.
            let at = at.index(if header { 512 } else { tar.len() });
            if cut { tar.truncate(at) } else { tar[at] = byte }
            let scratch = Scratch::new();
            scratch.write("cifar-100-binary.tar", &tar);
            let loaded = Cifar100::new().folder(scratch.path()).load();
            // What is read is of the archive.
            if let Ok(loaded) = loaded {
                prop_assert_eq!((loaded.train.len(), loaded.test.len()), (1, 1));
            }
        }
    }
}
