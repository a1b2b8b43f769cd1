//! `.safetensors` files: every type of elements, and every way to be wrong.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use deckle_formats::Safetensors;
use deckle_tensor::{DType, Tensor};
use proptest::prelude::*;

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[track_caller]
fn check_error(bytes: &[u8], expected: &str) {
    assert_eq!(Safetensors::from_bytes(bytes).unwrap_err().to_string(), expected);
}

fn kinds() -> Safetensors {
    let mut file = Safetensors::new();
    let values = Tensor::new([0f64, 1., 2., 3., 4., 100.], [2, 3]).unwrap();
    for dtype in [
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::U32,
        DType::Bool,
    ] {
        file.tensors.insert(format!("all/{dtype}"), values.cast(dtype));
    }
    file.tensors.insert("scalar".into(), Tensor::scalar(7i64));
    file.tensors.insert("empty".into(), Tensor::zeros(DType::F32, [0, 3]));
    for key in ["z", "a", "m"] {
        file.metadata.insert(key.into(), format!("about {key}"));
    }
    file
}

#[test]
fn what_is_written_reads_as_the_same() {
    let file = kinds();
    let bytes = file.to_bytes().unwrap();
    let again = Safetensors::from_bytes(&bytes).unwrap();
    assert_eq!(again, file);
    assert_eq!(again.to_bytes().unwrap(), bytes);
    // The numbers begin at a multiple of 8.
    assert_eq!(u64::from_le_bytes(bytes[..8].try_into().unwrap()) % 8, 0);
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let bytes = file(
        r#"{"b":{"dtype":"I16","shape":[2],"data_offsets":[4,8]},"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#,
        &[0, 0, 0x80, 0x3f, 1, 0, 0xff, 0xff],
    );
    let file = Safetensors::from_bytes(&bytes).unwrap();
    assert_eq!(file.tensors["a"], Tensor::scalar(1.0f32));
    assert_eq!(file.tensors["b"], Tensor::new([1i32, -1], [2]).unwrap());
    assert_eq!(file.metadata["k"], "v");
}

#[test]
fn what_is_wrong_is_named() {
    let whole = "not a safetensors file, or a truncated one: no whole header";
    check_error(b"", whole);
    check_error(&u64::MAX.to_le_bytes(), whole);
    check_error(&[200, 0, 0, 0, 0, 0, 0, 0, b'{', b'}'], whole);
    check_error(&file("[]", b""), "header: not an object");
    check_error(
        &file("{", b""),
        "header: not JSON: EOF while parsing an object at line 1 column 1",
    );
    let one = |dtype: &str, shape: &str, offsets: &str| {
        format!(
            r#"{{"x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#
        )
    };
    for (header, expected) in [
        (
            one("F8_E4M3", "[4]", "[0,4]"),
            "elements of type \"F8_E4M3\", which does not exist here",
        ),
        (one("F32", "[2]", "[0,4]"), "4 bytes for shape (2,), which has 8"),
        (one("F32", "[1]", "[4,8]"), "bytes 4 to 8 of 4 that there are"),
        (one("F32", "[1]", "[4,0]"), "bytes 4 to 0 of 4 that there are"),
        (one("F32", "[-1]", "[0,4]"), "no list of whole numbers as `shape`"),
        (one("F32", "[1]", "[0]"), "no two numbers as `data_offsets`"),
        (
            one("F32", "[0,18446744073709551615]", "[0,0]"),
            "damaged: of the absurd shape (0, 18446744073709551615)",
        ),
    ] {
        check_error(&file(&header, &[0; 4]), &format!("tensor x: {expected}"));
    }
    let two = r#"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#;
    check_error(
        &file(two, &[0; 4]),
        "tensor b: begins at byte 2 where 3 is next: tensors overlap or leave bytes out",
    );
    check_error(
        &file(&one("U8", "[3]", "[0,3]"), &[0; 4]),
        "4 bytes of numbers, of which the tensors have 3",
    );
    check_error(
        &file(r#"{"__metadata__":{"a":1}}"#, b""),
        "__metadata__: not texts by name",
    );
}

#[test]
fn every_truncation_is_noticed() {
    let bytes = kinds().to_bytes().unwrap();
    for len in 0..bytes.len() {
        assert!(Safetensors::from_bytes(&bytes[..len]).is_err(), "{len}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(header in ".{0,60}", data in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = Safetensors::from_bytes(&file(&header, &data));
        let _ = Safetensors::from_bytes(&data);
        let mut damaged = kinds().to_bytes().unwrap();
        for (at, byte) in data.iter().enumerate() {
            let at = (at * 131 + usize::from(*byte)) % damaged.len();
            damaged[at] ^= *byte;
        }
        let _ = Safetensors::from_bytes(&damaged);
    }
}
