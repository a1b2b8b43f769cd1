//! HDF5 files as h5py can write them, beyond what Keras does: read, or refused by name.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::path::{Path, PathBuf};

use deckle_formats::{Attribute, Group};
use deckle_tensor::{DType, Tensor};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Whether the tensor holds 0, 1, 2, ...
fn counts(tensor: &Tensor) -> bool {
    let values = tensor.cast(DType::F64).to_vec::<f64>().unwrap();
    // `uint8` begins again after 255.
    let count =
        |at: usize| (if tensor.dtype() == DType::U8 { at % 256 } else { at }) as f64;
    values.iter().enumerate().all(|(at, &value)| value.to_bits() == count(at).to_bits())
}

#[test]
fn every_layout_is_read() {
    for (name, at_least) in
        [("layouts.h5", 170), ("layouts_latest.h5", 170), ("layouts_v110.h5", 20)]
    {
        let file = Group::read(data(name)).unwrap();
        let tensors = file.tensors();
        assert!(tensors.len() > at_least, "{name}: {}", tensors.len());
        for (path, tensor) in tensors {
            assert!(counts(tensor), "{name}: {path}: {tensor}");
        }
        for (path, shape) in [
            ("edges", &[5, 7, 3][..]),
            ("many chunks", &[70, 9]),
            ("lzf", &[40, 40]),
            ("two axes without limit", &[9, 9]),
            ("empty", &[0, 3]),
        ] {
            assert_eq!(file.dataset(path).unwrap().shape(), shape, "{name}: {path}");
        }
        let again = Group::from_bytes(&file.to_bytes().unwrap_or_default());
        match file.groups.get("attributes") {
            // What is too large for our own layout.
            Some(group) if group.attribute("huge").is_some() => again.unwrap_err(),
            _ => {
                assert_eq!(again.unwrap(), file, "{name}");
                continue;
            }
        };
    }
}

#[test]
fn many_members_and_attributes_are_read() {
    for name in ["layouts.h5", "layouts_latest.h5"] {
        let file = Group::read(data(name)).unwrap();
        assert_eq!(file.groups["many"].datasets.len(), 151, "{name}");
        let attributes = &file.groups["attributes"];
        for number in 0..60 {
            let text = attributes.attribute(&format!("attribute {number:02}"));
            let expected = format!("text {number}");
            assert_eq!(text.and_then(Attribute::text), Some(&expected[..]), "{name}");
        }
        let lens: &[(&str, usize)] = match name {
            "layouts.h5" => &[("numbers", 1000)],
            _ => &[("numbers", 1000), ("huge", 66_000)],
        };
        for (attribute, len) in lens {
            let Some(Attribute::Tensor(numbers)) = attributes.attribute(attribute) else {
                panic!("{name}: {attribute}");
            };
            assert!(counts(numbers) && numbers.shape() == [*len], "{name}");
        }
        let tracked = &file.groups["tracked"];
        assert_eq!((tracked.datasets.len(), tracked.attributes.len()), (12, 12));
        assert_eq!(tracked.attribute("11"), Some(&Tensor::scalar(0i64).into()));
    }
}

#[test]
fn what_is_not_read_is_named() {
    let holds = |what: &str| format!("x: holds {what}, which Keras does not write");
    for (name, expected) in [
        ("linked", holds("a link to another object")),
        ("unwritten", "huge: its data were never written".to_owned()),
        ("refused/arrays", holds("arrays as elements")),
        (
            "refused/bomb",
            "x: claims to hold 67108864 bytes, absurd for a file of this size".into(),
        ),
        ("refused/complex", holds("compound elements")),
        ("refused/compound", holds("compound elements")),
        ("refused/enumeration", holds("enumerations other than FALSE and TRUE")),
        ("refused/extensible_array", holds("chunks listed in an extensible array")),
        ("refused/external", holds("data in other files")),
        ("refused/external_link", holds("a link to another file")),
        ("refused/huge_chunks", "x: its data were never written".to_owned()),
        ("refused/named_type", holds("a type of elements with a name")),
        ("refused/opaque", holds("opaque bytes")),
        ("refused/references", holds("references")),
        ("refused/scaleoffset", holds("data packed by `scaleoffset`")),
        ("refused/sequences", holds("sequences of variable length")),
        (
            "refused/shared_type",
            holds("a type of elements with a name").replacen('x', "a", 1),
        ),
        ("refused/soft_link_latest", holds("a link to another object")),
        ("refused/texts", holds("texts")),
        ("refused/unwritten_chunks", "x: its data were never written".to_owned()),
        ("refused/user_block", holds("a block before the file proper")[3..].to_owned()),
        ("refused/virtual", holds("a virtual data set, whose data are elsewhere")),
    ] {
        let bytes = std::fs::read(data(&format!("{name}.h5"))).unwrap();
        let error = Group::from_bytes(&bytes).unwrap_err();
        assert_eq!(error.to_string(), expected, "{name}");
    }
}

#[test]
fn a_flipped_bit_in_new_metadata_is_noticed() {
    let bytes = std::fs::read(data("latest.h5")).unwrap();
    let file = Group::from_bytes(&bytes).unwrap();
    // Superblock, root and data set are covered by checksums; the numbers are at the end.
    let metadata = bytes.len() - 24;
    let mut noticed = 0;
    for at in 0..metadata {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        match Group::from_bytes(&damaged) {
            Err(_) => noticed += 1,
            // Space that nothing lies in.
            Ok(read) => assert_eq!(read, file, "{at}"),
        }
    }
    assert!(noticed > 200, "{noticed}");
}

#[test]
fn every_truncation_of_a_layout_is_noticed() {
    for name in ["layouts.h5", "layouts_latest.h5", "layouts_v110.h5"] {
        let bytes = std::fs::read(data(name)).unwrap();
        for len in (0..bytes.len()).step_by(97) {
            assert!(Group::from_bytes(&bytes[..len]).is_err(), "{name} {len}");
        }
    }
}

#[test]
fn no_flipped_byte_of_a_layout_is_too_much() {
    for (name, step) in
        [("layouts.h5", 211), ("layouts_latest.h5", 193), ("layouts_v110.h5", 59)]
    {
        let bytes = std::fs::read(data(name)).unwrap();
        for at in (0..bytes.len()).step_by(step) {
            let mut damaged = bytes.clone();
            damaged[at] ^= if at % 2 == 0 { 0xff } else { 1 << (at % 8) };
            if let Err(error) = Group::from_bytes(&damaged) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}
