//! Damaged files end in an error that says what is wrong, never in a panic.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{
    io::{Cursor, Write},
    path::Path,
};

use deckle_formats::{Error, Group, KerasArchive};
use deckle_tensor::Tensor;
use proptest::prelude::*;
use rawzip::{CompressionMethod, ZipArchiveWriter};

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name))
        .unwrap()
}

#[track_caller]
fn check_error<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
    assert_eq!(result.unwrap_err().to_string(), expected);
}

/// Reads an HDF5 file that may be damaged; what comes out is of the file's own size class.
#[track_caller]
fn read_anyhow(bytes: &[u8]) {
    match Group::from_bytes(bytes) {
        Ok(group) => {
            let held: usize =
                group.tensors().iter().map(|(_, x)| x.size() * x.dtype().size()).sum();
            assert!(held <= 16 * (bytes.len() + 4096), "{held} from {}", bytes.len());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The position of the only occurrence of `part`.
#[track_caller]
fn find(bytes: &[u8], part: &[u8]) -> usize {
    let mut found = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(part));
    let at = found.next().expect("it occurs");
    assert_eq!(found.next(), None, "it occurs once");
    at
}

fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// An archive with these members; their data are taken as they are, whatever the method.
fn zip(method: CompressionMethod, members: &[(&str, &[u8], &[u8])]) -> Vec<u8> {
    let mut zip = ZipArchiveWriter::new(Cursor::new(Vec::new()));
    for (name, raw, said) in members {
        let (mut entry, config) =
            zip.new_file(*name).compression_method(method).start().unwrap();
        let mut descriptor = config.wrap(std::io::sink());
        descriptor.write_all(said).unwrap();
        let (_, descriptor) = descriptor.finish().unwrap();
        entry.write_all(raw).unwrap();
        entry.finish(descriptor).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn stored(members: &[(&str, &[u8])]) -> Vec<u8> {
    let members: Vec<_> =
        members.iter().map(|&(name, bytes)| (name, bytes, bytes)).collect();
    zip(CompressionMethod::STORE, &members)
}

#[test]
fn every_truncation_of_a_file_is_noticed() {
    let file = data("kinds.weights.h5");
    for len in 0..file.len() {
        assert!(Group::from_bytes(&file[..len]).is_err(), "{len}");
    }
    for name in ["tiny.keras", "zip64.keras"] {
        let archive = data(name);
        for len in 0..archive.len() {
            assert!(KerasArchive::from_bytes(&archive[..len]).is_err(), "{name} {len}");
        }
    }
}

#[test]
fn every_flipped_bit_of_an_archive_is_noticed_or_harmless() {
    for (name, bits) in
        [("tiny.keras", &[0, 5][..]), ("zip64.keras", &[0, 1, 2, 3, 4, 5, 6, 7])]
    {
        let bytes = data(name);
        let archive = KerasArchive::from_bytes(&bytes).unwrap();
        for at in 0..bytes.len() {
            for bit in bits {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                if let Ok(read) = KerasArchive::from_bytes(&damaged) {
                    // Assets may be called anything.
                    assert_eq!(read.config, archive.config, "{name} {at} {bit}");
                    assert_eq!(read.weights, archive.weights, "{name} {at} {bit}");
                    let assets = |archive: &KerasArchive| {
                        archive.assets.values().cloned().collect::<Vec<_>>()
                    };
                    let lost = read.assets.is_empty();
                    assert!(
                        lost || assets(&read) == assets(&archive),
                        "{name} {at} {bit}"
                    );
                }
            }
        }
    }
}

#[test]
fn no_flipped_bit_of_an_hdf5_file_is_too_much() {
    let ours = Group::from_bytes(&data("kinds.weights.h5")).unwrap().to_bytes().unwrap();
    for file in [data("kinds.weights.h5"), data("tiny.h5"), data("latest.h5"), ours] {
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] = if at % 3 == 0 { !file[at] } else { file[at] ^ 1 << (at % 8) };
            read_anyhow(&damaged);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_anyhow(&bytes);
        prop_assert!(KerasArchive::from_bytes(&bytes).is_err());
        read_anyhow(&[&data("kinds.weights.h5")[..100], &bytes].concat());
        prop_assert!(deckle_formats::json::parse(&[b"[", &bytes[..]].concat()).is_err() || bytes.ends_with(b"]"));
    }

    /// Numbers where addresses and sizes are: small, large, and those that occur in the file.
    #[test]
    fn no_addresses_are_too_much(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..6usize, any::<prop::sample::Index>()), 1..8)
    ) {
        let file = data("kinds.weights.h5");
        let mut damaged = file.clone();
        for (at, kind, from) in changes {
            let (at, from) = (8 * at.index(file.len() / 8), 8 * from.index(file.len() / 8));
            let value = match kind {
                0 => from as u64,
                1 => u64::MAX - from as u64,
                2 => i64::MAX as u64,
                3 => file.len() as u64 - at as u64,
                _ => u64::from_le_bytes(file[from..from + 8].try_into().unwrap()),
            };
            put_u64(&mut damaged, at, value);
        }
        read_anyhow(&damaged);
    }
}

#[test]
fn what_is_no_archive_is_said_to_be_none() {
    let no_zip = "not a zip archive, or a truncated one: its directory is missing";
    check_error(KerasArchive::from_bytes(b""), no_zip);
    check_error(KerasArchive::from_bytes(&data("tiny.h5")), no_zip);
    let no_hdf5 = "not an HDF5 file: it does not begin with HDF5's signature";
    check_error(Group::from_bytes(b""), no_hdf5);
    check_error(Group::from_bytes(&data("tiny.keras")), no_hdf5);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let absent = Path::new("absent/model.keras");
    let error = KerasArchive::read(absent).unwrap_err();
    assert!(
        format!("{error:?}")
            .starts_with("absent/model.keras: cannot be read or written: ")
    );
    assert!(matches!(error, Error::Io { .. }));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let path = folder.join("make.py");
    let expected = format!(
        "{}: not a zip archive, or a truncated one: its directory is missing",
        path.display()
    );
    check_error(KerasArchive::read(&path), &expected);
}

#[test]
fn a_damaged_archive_is_told_from_a_sound_one() {
    let weights = data("tiny.h5");
    let sound = [
        ("metadata.json", &b"{}"[..]),
        ("config.json", b"{}"),
        ("model.weights.h5", &weights),
    ];
    KerasArchive::from_bytes(&stored(&sound)).unwrap();
    for (index, (name, _)) in sound.iter().enumerate() {
        let mut members = sound.to_vec();
        members.remove(index);
        check_error(
            KerasArchive::from_bytes(&stored(&members)),
            &format!(
                "the archive has no member {name}\n      help: only files that Keras 3 saved \
                 as .keras have it; is this one?"
            ),
        );
    }
    let mut twice = sound.to_vec();
    twice.push(sound[1]);
    let twice = KerasArchive::from_bytes(&stored(&twice));
    check_error(twice, "config.json: the archive holds this member twice");
    let mut no_json = sound;
    no_json[1].1 = b"{\"a\": nothing}";
    check_error(
        KerasArchive::from_bytes(&stored(&no_json)),
        "config.json: not JSON: expected ident at line 1 column 8",
    );
    let mut truncated = sound;
    truncated[2].1 = &weights[..2000];
    check_error(
        KerasArchive::from_bytes(&stored(&truncated)),
        &format!("model.weights.h5: truncated: 2000 bytes instead of {}", weights.len()),
    );
    let mut flipped = stored(&sound);
    let at = find(&flipped, &weights[..64]) + 1000;
    flipped[at] ^= 1;
    let expected = "model.weights.h5: damaged: its checksum is wrong";
    check_error(KerasArchive::from_bytes(&flipped), expected);
}

#[test]
fn a_member_leads_nowhere_and_inflates_to_what_it_says() {
    // rawzip makes proper names of these; so they are put into the finished archive.
    for name in ["../../abcd", "/bc/de/fgh", "ab\\de\\fghi", "c:/autoexe"] {
        let mut archive = stored(&[("0123456789", b"x")]);
        while let Some(at) = archive.windows(10).position(|part| part == b"0123456789") {
            archive[at..at + 10].copy_from_slice(name.as_bytes());
        }
        let expected =
            format!("the archive has a member with the forbidden name {name:?}");
        check_error(KerasArchive::from_bytes(&archive), &expected);
    }

    let deflate = |bytes: &[u8]| {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let bomb = deflate(&vec![0; 64 << 20]);
    let members = [("bomb", &bomb[..], &vec![0; 64 << 20][..])];
    check_error(
        KerasArchive::from_bytes(&zip(CompressionMethod::DEFLATE, &members)),
        "bomb: claims to hold 67108864 bytes, absurd for an archive of this size",
    );
    let (long, short) = (deflate(&[1; 1000]), deflate(&[1; 10]));
    for raw in [&long, &short] {
        check_error(
            KerasArchive::from_bytes(&zip(
                CompressionMethod::DEFLATE,
                &[("a", raw, &[1; 100])],
            )),
            "a: damaged: not of the 100 bytes that the archive's directory says",
        );
    }
    check_error(
        KerasArchive::from_bytes(&zip(
            CompressionMethod::DEFLATE,
            &[("a", &[0xff; 9], b"a")],
        )),
        "a: damaged: its compressed data make no sense",
    );
    check_error(
        KerasArchive::from_bytes(&zip(CompressionMethod::ZSTD, &[("a", b"a", b"a")])),
        "a: compressed by method 93, which is neither stored nor deflated",
    );
}

/// A file with one tensor `x` of 1.0 to 6.0, whose attribute `a` holds two texts.
fn small() -> Vec<u8> {
    let mut file = Group::new();
    let x = Tensor::new([1f64, 2., 3., 4., 5., 6.], [2, 3]).unwrap();
    file.insert("outer/x", x).unwrap();
    let texts = vec!["t".repeat(3000), "second".to_owned()];
    file.attributes.insert("a".into(), texts.into());
    file.to_bytes().unwrap()
}

#[test]
fn an_absurd_shape_is_refused() {
    let file = small();
    let shape = find(&file, &[2u64, 3].map(u64::to_le_bytes).concat());
    let mut damaged = file.clone();
    put_u64(&mut damaged, shape, 1 << 62);
    let expected = "outer/x: damaged: of the absurd shape (4611686018427387904, 3)";
    check_error(Group::from_bytes(&damaged), expected);
    // No element, but strides that overflow.
    put_u64(&mut damaged, shape, 0);
    put_u64(&mut damaged, shape + 8, u64::MAX);
    let expected = "outer/x: damaged: of the absurd shape (0, 18446744073709551615)";
    check_error(Group::from_bytes(&damaged), expected);
    let mut damaged = file;
    put_u64(&mut damaged, shape, 3);
    let expected = "outer/x: damaged: shape (3, 3) does not fit its data's size";
    check_error(Group::from_bytes(&damaged), expected);
}

#[test]
fn data_outside_of_the_file_are_refused() {
    let file = small();
    let values = find(&file, &[1f64, 2., 3.].map(f64::to_le_bytes).concat()) as u64;
    let address = find(&file, &[values, 48].map(u64::to_le_bytes).concat());
    for wrong in [file.len() as u64 - 40, u64::MAX - 8, 1 << 63] {
        let mut damaged = file.clone();
        put_u64(&mut damaged, address, wrong);
        let expected = format!(
            "outer/x: damaged: a data set of 48 bytes at {wrong:#x} lies outside of the file"
        );
        check_error(Group::from_bytes(&damaged), &expected);
    }
}

/// The address that stands at `at`.
fn address(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

#[test]
fn a_group_that_holds_itself_is_refused() {
    for (size, expected) in [
        (1, "damaged: its parts refer to each other in a loop, or too often"),
        // There is budget for more rounds than the stack has room for.
        (1 << 20, "damaged: groups are nested deeper than 64"),
    ] {
        let mut file = Group::new();
        file.create_group("a").unwrap();
        file.insert("x", Tensor::full([size], 1u8)).unwrap();
        let mut file = file.to_bytes().unwrap();
        // The superblock knows the root's header and tree, the tree its one symbol table.
        let (root, tree) = (address(&file, 64), address(&file, 80));
        let table = address(&file, tree + 32);
        put_u64(&mut file, table + 16, root as u64);
        let error = Group::from_bytes(&file).unwrap_err().to_string();
        assert!(error.starts_with("a/a/a/a/") && error.ends_with(expected), "{error}");
    }
}

#[test]
fn a_tree_that_is_its_own_branch_is_refused() {
    let mut file = small();
    let tree = address(&file, 80);
    file[tree + 5] = 1;
    put_u64(&mut file, tree + 32, tree as u64);
    check_error(Group::from_bytes(&file), "damaged: a B-tree's levels do not descend");
    file[tree + 5] = 255;
    check_error(Group::from_bytes(&file), "damaged: a B-tree's levels do not descend");
}

#[test]
fn one_long_text_under_many_references_is_refused() {
    let mut file = Group::new();
    let mut texts = vec!["t".repeat(60_000)];
    texts.resize(4000, "t".into());
    file.attributes.insert("a".into(), texts.into());
    let mut file = file.to_bytes().unwrap();
    let reference = (0..file.len() - 16)
        .step_by(8)
        .find(|&at| {
            file[at..at + 4] == 60_000u32.to_le_bytes()
                && file[at + 12..at + 16] == [1, 0, 0, 0]
        })
        .unwrap();
    for number in 1..4000 {
        file.copy_within(reference..reference + 16, reference + 16 * number);
    }
    check_error(
        Group::from_bytes(&file),
        "attribute a: damaged: its parts refer to each other in a loop, or too often",
    );
}

#[test]
fn what_hdf5_cannot_hold_is_not_written() {
    let check = |file: &Group, expected: &str| check_error(file.to_bytes(), expected);
    for name in ["", ".", "a/b", "a\0b"] {
        let mut file = Group::new();
        file.groups.insert(name.into(), Group::new());
        check(&file, &format!("{name:?} cannot be a name in an HDF5 file"));
    }
    let mut file = Group::new();
    file.insert("a/b", Tensor::scalar(1.0f32)).unwrap();
    check_error(file.insert("a/b/c", Tensor::scalar(1.0f32)), "a/b: cannot be a group");
    check_error(file.insert("a", Tensor::scalar(1.0f32)), "a: cannot be a tensor");
    file.groups.get_mut("a").unwrap().groups.insert("b".into(), Group::new());
    check(&file, "a/b: a tensor and a group have this name");

    let mut file = Group::new();
    let group = file.create_group("a/b").unwrap();
    group.attributes.insert("texts".into(), vec![String::new(); 5000].into());
    check(
        &file,
        "a/b: attribute texts: an attribute exceeds HDF5's limit of 64 KiB\n      help: split it, \
         as Keras does, into name0, name1, ...",
    );
    let mut deep = Group::new();
    deep.create_group(&vec!["a"; 65].join("/")).unwrap();
    let error = deep.to_bytes().unwrap_err().to_string();
    assert!(error.ends_with("a: groups are nested deeper than 64"), "{error}");
    deep.groups.remove("a");
    deep.create_group(&vec!["a"; 64].join("/")).unwrap();
    assert_eq!(Group::from_bytes(&deep.to_bytes().unwrap()).unwrap(), deep);
}
