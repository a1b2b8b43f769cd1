//! `.npy` and `.npz` files against those that NumPy wrote (`tools/golden/npy.py`).

use std::{fs, path::PathBuf};

use deckle_tensor::{DType, Error, NpyHeader, Npz, NpzWriter, Result, Tensor};
use proptest::prelude::*;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// 0 to 5 in two rows, as the script's `values`.
fn values(dtype: DType) -> Tensor {
    Tensor::arange(0..6).reshape([2, 3]).expect("six elements").cast(dtype)
}

const OWN: [(&str, DType); 8] = [
    ("bool", DType::Bool),
    ("uint8", DType::U8),
    ("int32", DType::I32),
    ("int64", DType::I64),
    ("uint32", DType::U32),
    ("float16", DType::F16),
    ("float32", DType::F32),
    ("float64", DType::F64),
];

const WIDENED: [(&str, DType); 4] = [
    ("int8", DType::I32),
    ("int16", DType::I32),
    ("uint16", DType::I32),
    ("uint64", DType::I64),
];

fn members() -> [(&'static str, Tensor); 3] {
    [
        ("x", values(DType::F32)),
        ("y", Tensor::arange(0..5i64)),
        ("empty", Tensor::zeros(DType::F64, [0, 2])),
    ]
}

/// The text of an error without the folder.
#[track_caller]
fn problem<T: std::fmt::Debug>(result: Result<T>) -> String {
    result
        .expect_err("a problem")
        .to_string()
        .replace(&*data("").display().to_string(), "")
}

#[test]
fn every_element_type_of_numpy_is_read() {
    for (name, dtype) in OWN.into_iter().chain(WIDENED) {
        let x = Tensor::read_npy(data(&format!("{name}.npy"))).unwrap();
        assert_eq!(x, values(dtype), "{name}");
        if !["bool", "uint8", "int8"].contains(&name) {
            let x = Tensor::read_npy(data(&format!("{name}_big_endian.npy"))).unwrap();
            assert_eq!(x, values(dtype), "{name}, big-endian");
        }
    }
}

#[test]
fn what_is_written_is_what_numpy_writes_byte_for_byte() {
    for (name, dtype) in OWN {
        let expected = fs::read(data(&format!("{name}.npy"))).unwrap();
        assert_eq!(values(dtype).to_npy().unwrap(), expected, "{name}");
    }
}

#[test]
fn fortran_order_scalars_and_other_versions_are_read() {
    let read = |name: &str| Tensor::read_npy(data(name)).unwrap();
    let x = read("fortran.npy");
    assert_eq!(x, Tensor::arange(0..24).reshape([2, 3, 4]).unwrap().cast(DType::F32));
    assert!(x.is_contiguous());
    assert_eq!(read("fortran_big_endian.npy"), values(DType::F64));
    assert_eq!(read("scalar.npy"), Tensor::from(2.5f32));
    assert_eq!(read("empty.npy"), Tensor::zeros(DType::F32, [0, 3]));
    assert_eq!(read("version_2.npy"), values(DType::F32));
    assert_eq!(read("version_3.npy"), values(DType::F32));
}

#[test]
fn what_no_tensor_holds_is_named() {
    let help = "\n      help: save it from NumPy as bool, an integer or a floating-point type: \
                array.astype(\"float32\")";
    let read = |name: &str| problem(Tensor::read_npy(data(name)));
    assert_eq!(read("strings.npy"), format!("strings.npy: has strings (`<U2`){help}"));
    assert_eq!(
        read("objects.npy"),
        format!("objects.npy: has pickled Python objects (`|O`){help}")
    );
    assert_eq!(
        read("complex.npy"),
        format!("complex.npy: has complex numbers (`<c16`){help}")
    );
    assert_eq!(
        read("fields.npy"),
        "fields.npy: has a broken header: several fields per element, which no tensor holds"
    );
}

#[test]
fn archives_of_numpy_are_read() {
    for name in ["stored.npz", "compressed.npz", "zip64.npz"] {
        let npz = Npz::open(data(name)).unwrap();
        let read: Vec<(&str, Tensor)> = npz.tensors().collect::<Result<_>>().unwrap();
        assert_eq!(read, members(), "{name}");
        assert_eq!(npz.tensor("x.npy").unwrap(), values(DType::F32));
    }
}

#[test]
fn raw_members_are_there_for_other_readers() {
    let npz = Npz::open(data("objects.npz")).unwrap();
    assert_eq!(npz.names().collect::<Vec<_>>(), ["x", "y"]);
    let bytes = npz.bytes("x").unwrap();
    let header = NpyHeader::parse(&bytes, "x").unwrap();
    assert_eq!((&*header.descr, &header.shape[..]), ("|O", &[2][..]));
    // A pickle starts with its protocol.
    assert_eq!(bytes[header.data_start], 0x80);
    assert_eq!(
        problem(npz.tensor("x")).lines().next(),
        Some("objects.npz, member `x`: has pickled Python objects (`|O`)")
    );
    assert_eq!(
        problem(npz.tensor("z")),
        "objects.npz: has no member `z`\n      help: its members are x, y"
    );
}

fn archive(compressed: bool) -> Vec<u8> {
    let mut writer = NpzWriter::new(Vec::new(), "a.npz").compressed(compressed);
    for (name, tensor) in members() {
        writer.add(name, &tensor).expect("memory takes all");
    }
    writer.finish().expect("memory takes all")
}

#[test]
fn archives_come_back() {
    for compressed in [false, true] {
        let npz = Npz::from_bytes(archive(compressed), "a.npz").unwrap();
        assert_eq!(npz.len(), 3);
        let read: Vec<(&str, Tensor)> = npz.tensors().collect::<Result<_>>().unwrap();
        assert_eq!(read, members());
    }
    let nothing = NpzWriter::new(Vec::new(), "a.npz").finish().unwrap();
    assert!(Npz::from_bytes(nothing, "a.npz").unwrap().is_empty());
}

#[test]
fn names_are_unique() {
    let mut writer = NpzWriter::new(Vec::new(), "a.npz");
    writer.add("x", &Tensor::from(1)).unwrap();
    assert_eq!(
        problem(writer.add("x", &Tensor::from(1))),
        "a.npz: cannot have another member `x`\n      help: give each member a name of its own"
    );
    // A refused member leaves the archive whole.
    assert!(writer.add("y", &Tensor::zeros(DType::BF16, [1])).is_err());
    let npz = Npz::from_bytes(writer.finish().unwrap(), "a.npz").unwrap();
    assert_eq!(npz.tensor("x").unwrap(), Tensor::from(1));
}

#[test]
fn files_appear_whole_or_not_at_all() {
    let scratch = tempfile::TempDir::new().unwrap();
    let folder = scratch.path();
    let path = folder.join("a.npz");
    let mut writer = NpzWriter::create(&path).unwrap();
    writer.add("x", &Tensor::from(1)).unwrap();
    drop(writer);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);

    let mut writer = NpzWriter::create(&path).unwrap();
    writer.add("x", &Tensor::from(1)).unwrap();
    writer.finish().unwrap().commit().unwrap();
    Tensor::from(2).write_npy(folder.join("b.npy")).unwrap();
    Tensor::from(3).write_npy(folder.join("b.npy")).unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 2);
    assert_eq!(Npz::open(&path).unwrap().tensor("x").unwrap(), Tensor::from(1));
    assert_eq!(Tensor::read_npy(folder.join("b.npy")).unwrap(), Tensor::from(3));
    drop(scratch);
    assert!(matches!(Tensor::from(1).write_npy(&path), Err(Error::Io { .. })));
}

/// Leaves files for `tools/golden/npy.py --check`, if a folder is given.
#[test]
fn files_for_numpy_to_judge() {
    let Some(folder) = std::env::var_os("DECKLE_NPY_OUTPUT").map(PathBuf::from) else {
        return;
    };
    fs::create_dir_all(&folder).unwrap();
    for (name, dtype) in OWN {
        values(dtype).write_npy(folder.join(format!("{name}.npy"))).unwrap();
    }
    for (name, compressed) in [("stored.npz", false), ("compressed.npz", true)] {
        let mut writer =
            NpzWriter::create(folder.join(name)).unwrap().compressed(compressed);
        for (name, tensor) in members() {
            writer.add(name, &tensor).unwrap();
        }
        writer.finish().unwrap().commit().unwrap();
    }
}

#[test]
fn truncated_archives_are_errors() {
    for bytes in [archive(false), archive(true)] {
        for len in 0..bytes.len() {
            assert!(
                Npz::from_bytes(bytes[..len].to_vec(), "a.npz").is_err(),
                "{len} bytes"
            );
        }
    }
    assert_eq!(
        problem(Npz::from_bytes(archive(true)[..200].to_vec(), "a.npz")),
        "a.npz: is not a complete .npz archive: Missing end of central directory"
    );
    let array = Tensor::from([1, 2]).to_npy().unwrap();
    assert_eq!(
        problem(Npz::from_bytes(array, "a.npy")),
        "a.npy: is one array, no .npz archive of named ones\n      help: numpy.savez writes an archive"
    );
}

/// Reads all of an archive; a flipped bit may only ever give an error or the same values.
fn read_all(bytes: Vec<u8>) -> Option<Vec<Tensor>> {
    let npz = Npz::from_bytes(bytes, "a.npz").ok()?;
    npz.tensors().map(|member| member.ok().map(|(_, tensor)| tensor)).collect()
}

#[test]
fn a_flipped_bit_never_changes_values() {
    let expected: Vec<Tensor> = members().into_iter().map(|(_, tensor)| tensor).collect();
    for bytes in [archive(false), archive(true)] {
        let mut noticed = 0;
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            match read_all(flipped) {
                Some(read) => assert_eq!(read, expected, "bit {at}"),
                None => noticed += 1,
            }
        }
        assert!(noticed > bytes.len() * 2, "{noticed} of {} bits", bytes.len() * 8);
    }
}

#[test]
fn damage_in_a_member_names_it() {
    let mut bytes = archive(false);
    let at = bytes.windows(4).position(|window| window == 5f32.to_le_bytes()).unwrap();
    bytes[at] ^= 1;
    let text = problem(Npz::from_bytes(bytes, "a.npz").unwrap().tensor("x"));
    assert!(
        text.starts_with("a.npz, member `x`: is damaged: Invalid checksum"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Tensor::from_npy(&bytes, "x");
        let _ = NpyHeader::parse(&bytes, "x");
        let _ = read_all(bytes);
    }

    #[test]
    fn damaged_files_never_panic(
        name in prop::sample::select(vec![
            "float32.npy", "int16_big_endian.npy", "fortran.npy", "bool.npy", "version_2.npy",
        ]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = fs::read(data(name)).unwrap();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = Tensor::from_npy(&bytes, "x");
    }

    #[test]
    fn damaged_archives_never_panic(
        name in prop::sample::select(vec!["stored.npz", "compressed.npz", "zip64.npz"]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = fs::read(data(name)).unwrap();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read_all(bytes);
    }
}
