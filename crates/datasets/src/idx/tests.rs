//! IDX files, whole and damaged.

use proptest::prelude::*;

use super::*;
use crate::scratch::{Scratch, gzipped};

const GOOD: [u8; 15] = [0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9];

#[track_caller]
fn check(name: &str, bytes: &[u8], problem: &str) {
    let scratch = Scratch::new();
    let path = scratch.write(name, bytes);
    let expected = format!("{}: {problem}", path.display());
    assert_eq!(read(&path).unwrap_err().to_string(), expected);
}

#[test]
fn plain_and_compressed_files_are_read() {
    let scratch = Scratch::new();
    let plain = read(scratch.write("a", &GOOD)).unwrap();
    assert_eq!(plain.shape(), [1, 3]);
    assert_eq!(plain.to_vec::<u8>().unwrap(), [7, 8, 9]);
    assert_eq!(read(scratch.write("a.gz", &gzipped(&GOOD))).unwrap(), plain);
    let empty = read(scratch.write("b", &[0, 0, 8, 1, 0, 0, 0, 0])).unwrap();
    assert_eq!(empty.shape(), [0]);
}

#[test]
fn damaged_files_are_errors() {
    check("a", b"", "is cut off");
    check("a", &GOOD[..10], "is cut off");
    check("a", &GOOD[..14], "is cut off: announces 3 bytes, but 2 follow");
    check(
        "a",
        &[&GOOD[..], b"x"].concat(),
        "holds more than the 3 bytes that it announces",
    );
    check("a", b"PK\x03\x04", "is no IDX file: begins with 50 4b 03 04");
    check("a", &[0, 0, 8, 0], "is no IDX file: begins with 00 00 08 00");
    check("a", &[0, 0, 13, 1], "holds elements of IDX type 0x0d, expected 0x08 (bytes)");
    check(
        "a",
        &[&[0, 0, 8, 3][..], &[0xFF; 12]].concat(),
        "announces more elements than there can be: [4294967295, 4294967295, 4294967295]",
    );
    check(
        "a",
        &[&[0, 0, 8, 1][..], &[0xFF; 4]].concat(),
        "announces 4294967295 bytes, more than a file of its length can hold",
    );
    let zipped = gzipped(&[&[0, 0, 8, 1][..], &[0xFF; 4]].concat());
    check(
        "a.gz",
        &zipped,
        "announces 4294967295 bytes, more than a file of its length can hold",
    );
    check("a.gz", &GOOD, "is damaged: its compressed data or checksum is wrong");
    let zipped = gzipped(&GOOD);
    check("a.gz", &zipped[..zipped.len() - 2], "is cut off");
    let scratch = Scratch::new();
    let missing = scratch.path().join("missing");
    assert_eq!(
        read(&missing).unwrap_err().to_string(),
        format!("{}: cannot be read", missing.display())
    );
}

/// A flip may pass only where it changes nothing: in time, operating system and flags of
/// gzip's header (at most 80 bits), and in the bits that fill up the last byte.
#[test]
fn no_flipped_bit_of_compressed_data_changes_it() {
    let scratch = Scratch::new();
    let good = read(scratch.write("a", &GOOD)).unwrap();
    let zipped = gzipped(&GOOD);
    let mut passed = 0;
    for bit in 0..zipped.len() * 8 {
        let mut flipped = zipped.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(tensor) = read(scratch.write("a.gz", &flipped)) {
            assert_eq!(tensor, good, "bit {bit}");
            passed += 1;
        }
    }
    assert!(passed < 88, "{passed}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let scratch = Scratch::new();
        let _ = read(scratch.write("a", &bytes));
        let _ = read(scratch.write("a", &[&[0, 0, 8, 1][..], &bytes].concat()));
        let _ = read(scratch.write("a.gz", &bytes));
        let _ = read(scratch.write("b.gz", &[&[0x1f, 0x8b, 8, 0][..], &bytes].concat()));
        let _ = read(scratch.write("c.gz", &gzipped(&bytes)));
    }
}
