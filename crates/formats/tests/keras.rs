//! Files that Keras and h5py wrote are read, and what is written reads as the same.

use std::path::{Path, PathBuf};

use deckle_formats::{Attribute, Group, KerasArchive, json::json};
use deckle_tensor::{DType, Tensor, bf16, f16};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

#[track_caller]
fn check_dataset(file: &Group, path: &str, expected: &Tensor) {
    let tensor = file.dataset(path).unwrap_or_else(|| panic!("no {path}"));
    assert_eq!(tensor.spec(), expected.spec(), "{path}");
    assert!(tensor.bits_equal(expected), "{path}");
}

#[test]
fn an_archive_of_keras_is_read() {
    let archive = KerasArchive::read(data("tiny.keras")).unwrap();
    assert_eq!(archive.metadata["keras_version"], "3.15.1");
    assert_eq!(archive.config["class_name"], "Sequential");
    assert_eq!(archive.config["config"]["layers"][1]["config"]["units"], 3);
    assert_eq!(archive.config["compile_config"]["loss"], "mse");
    assert!(archive.assets.is_empty());

    let vars = archive.weights.group("layers/dense/vars").unwrap();
    assert_eq!(vars.attribute("name").and_then(Attribute::text), Some("hidden"));
    let numbered: Vec<_> = vars.numbered().map(Tensor::shape).collect();
    assert_eq!(numbered, [&[2, 3][..], &[3]]);
    // A layer without weights still has a group.
    let flatten = archive.weights.group("layers/flatten/vars").unwrap();
    assert_eq!((flatten.datasets.len(), flatten.attributes.len()), (0, 1));
    let paths: Vec<_> =
        archive.weights.tensors().into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        paths[..4],
        [
            "layers/dense/vars/0",
            "layers/dense/vars/1",
            "layers/dense_1/vars/0",
            "layers/dense_1/vars/1"
        ]
    );
    check_dataset(&archive.weights, "optimizer/vars/0", &Tensor::scalar(1i32));
    check_dataset(&archive.weights, "optimizer/vars/1", &Tensor::scalar(0f32));
    assert_eq!(archive.weights.dataset("optimizer/vars/2").unwrap().shape(), [2, 3]);
    check_dataset(
        &archive.weights,
        "layers/dense/vars/0",
        &Tensor::new([0f32, 1., 2., 3., 4., 5.], [2, 3]).unwrap(),
    );
}

#[test]
fn a_deflated_archive_with_64_bit_sizes_is_read() {
    let stored = KerasArchive::read(data("tiny.keras")).unwrap();
    let deflated = KerasArchive::read(data("zip64.keras")).unwrap();
    assert_eq!(deflated.config, stored.config);
    assert_eq!(deflated.weights, stored.weights);
    assert_eq!(deflated.assets["layers/words.txt"], b"the\nof\n");
}

#[test]
fn a_legacy_model_is_read() {
    let file = Group::read(data("tiny.h5")).unwrap();
    let config = file.attribute("model_config").and_then(Attribute::text).unwrap();
    let config = deckle_formats::json::parse(config.as_bytes()).unwrap();
    assert_eq!(config["class_name"], "Sequential");
    let weights = file.group("model_weights").unwrap();
    let names = weights.attribute("layer_names").and_then(Attribute::texts).unwrap();
    assert_eq!(names, ["hidden", "flatten", "dense"]);
    let hidden = &weights.groups["hidden"];
    let names = hidden.attribute("weight_names").and_then(Attribute::texts).unwrap();
    assert_eq!(names, ["tiny/hidden/kernel", "tiny/hidden/bias"]);
    check_dataset(
        hidden,
        &names[0],
        &Tensor::new([0f32, 1., 2., 3., 4., 5.], [2, 3]).unwrap(),
    );
    let none = weights.groups["flatten"].attribute("weight_names").unwrap();
    assert_eq!(none.texts(), Some(&[][..]));
}

#[test]
fn every_type_of_h5py_is_read() {
    let file = Group::read(data("kinds.weights.h5")).unwrap();
    let kinds = file.group("kinds/vars").unwrap();
    let values = Tensor::new([0f64, 1., 2., 3., 4., 100.], [2, 3]).unwrap();
    let swapped = Tensor::new([-1f64, 2.], [2]).unwrap();
    for (name, dtype) in [
        ("float16", DType::F16),
        ("float32", DType::F32),
        ("float64", DType::F64),
        ("int8", DType::I32),
        ("int16", DType::I32),
        ("int32", DType::I32),
        ("int64", DType::I64),
    ] {
        check_dataset(kinds, name, &values.cast(dtype));
        check_dataset(kinds, &format!("{name}_be"), &swapped.cast(dtype));
    }
    for (name, dtype) in [
        ("uint8", DType::U8),
        ("uint16", DType::U32),
        ("uint32", DType::U32),
        ("uint64", DType::I64),
        ("bool", DType::Bool),
    ] {
        check_dataset(kinds, name, &values.cast(dtype));
    }
    check_dataset(kinds, "scalar", &Tensor::scalar(7i64));
    check_dataset(kinds, "empty", &Tensor::zeros(DType::F32, [0, 3]));
    let brain = [1.5, -2.0].map(bf16::from_f64);
    check_dataset(kinds, "bfloat16", &Tensor::new(brain, [2]).unwrap());
    // More members than one node of the tree holds.
    for (number, tensor) in (0u8..).zip(file.groups["many"].numbered()) {
        assert_eq!(*tensor, Tensor::scalar(f32::from(number)));
    }
    assert_eq!(file.groups["many"].numbered().count(), 40);
    assert_eq!(*file.group("nothing/vars").unwrap(), Group::new());

    let texts =
        |texts: &[&str]| Attribute::Texts(texts.iter().map(|&x| x.into()).collect());
    for (name, expected) in [
        ("text", Attribute::from("é")),
        ("empty text", Attribute::from("")),
        ("bytes", Attribute::from("bytes")),
        ("texts", texts(&["x", "yz", ""])),
        ("fixed texts", texts(&["a", "bcd"])),
        ("number", Tensor::scalar(3.5f64).into()),
        ("numbers", Tensor::new([0i64, 1, 2], [3]).unwrap().into()),
        ("flag", Tensor::scalar(true).into()),
        ("empty list", Tensor::zeros(DType::F64, [0]).into()),
        ("null", Attribute::Null),
    ] {
        assert_eq!(file.attribute(name), Some(&expected), "{name}");
    }
    assert_eq!(file.attributes.len(), 10);
}

#[test]
fn what_is_written_reads_as_the_same() {
    for name in ["kinds.weights.h5", "tiny.h5"] {
        let file = Group::read(data(name)).unwrap();
        let bytes = file.to_bytes().unwrap();
        assert_eq!(Group::from_bytes(&bytes).unwrap(), file);
        assert_eq!(Group::from_bytes(&bytes).unwrap().to_bytes().unwrap(), bytes);
    }
    let mut archive = KerasArchive::read(data("zip64.keras")).unwrap();
    archive.assets.insert("empty".into(), Vec::new());
    let bytes = archive.to_bytes().unwrap();
    assert_eq!(KerasArchive::from_bytes(&bytes).unwrap(), archive);
    assert_eq!(archive.to_bytes().unwrap(), bytes);
}

#[test]
fn large_groups_and_long_texts_are_written() {
    let mut file = Group::new();
    // Three levels of the tree: 8 to a symbol table, 32 tables or nodes to a node.
    for number in 0..8 * 32 * 33 {
        file.insert(&format!("many/{number}"), Tensor::scalar(number)).unwrap();
    }
    // A heap has 4096 bytes, 32 of them for the heap and for the first text; the second text
    // fits, leaves 8 bytes, misses by 8, or is larger than a heap.
    let lens = [0, 1, 4064, 2016, 2032, 2016, 2024, 2016, 2040, 70_000];
    for (number, len) in lens.into_iter().enumerate() {
        file.attributes.insert(format!("text {number}"), "t".repeat(len).into());
    }
    let texts: Vec<_> = (0..4000).map(|number| number.to_string()).collect();
    file.attributes.insert("texts".into(), texts.into());
    let transposed = Tensor::new([f16::from_f64(1.0); 6], [2, 3]).unwrap();
    file.insert("half", transposed).unwrap();
    let bytes = file.to_bytes().unwrap();
    assert_eq!(Group::from_bytes(&bytes).unwrap(), file);
    // Reading here does not search the trees as HDF5's library does. That finds every member
    // of the file with this checksum: `h5py.File(path)["many"][str(n)][()] == n`.
    assert_eq!(rawzip::crc32(&bytes), 3_461_588_766);
}

#[test]
fn floats_in_json_keep_every_bit() {
    let archive = KerasArchive::new(
        json!({"learning_rate": 0.001_000_000_047_497_451_3}),
        Group::new(),
    );
    let bytes = archive.to_bytes().unwrap();
    let again = KerasArchive::from_bytes(&bytes).unwrap();
    let rate = again.config["learning_rate"].as_f64().unwrap();
    assert_eq!(rate.to_bits(), f64::from(0.001f32).to_bits());
}

#[test]
fn files_are_read_where_they_were_written() {
    let scratch = tempfile::TempDir::new().unwrap();
    let folder = scratch.path();
    let archive = KerasArchive::read(data("tiny.keras")).unwrap();
    archive.write(folder.join("model.keras")).unwrap();
    assert_eq!(KerasArchive::read(folder.join("model.keras")).unwrap(), archive);
    archive.weights.write(folder.join("model.weights.h5")).unwrap();
    assert_eq!(Group::read(folder.join("model.weights.h5")).unwrap(), archive.weights);
    deckle_formats::json::write(folder.join("config.json"), &archive.config).unwrap();
    let config = deckle_formats::json::read(folder.join("config.json")).unwrap();
    assert_eq!(config, archive.config);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 3);
}

/// The folder with the cases that Keras computed, if it lies beside the data or the checkout.
fn fixtures() -> Option<PathBuf> {
    let data =
        std::env::var_os("DECKLE_DATA_DIR").map(|data| PathBuf::from(data).join(".."));
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folders = data.into_iter().chain([beside]).map(|folder| folder.join("fixtures"));
    folders.into_iter().find(|folder| folder.is_dir())
}

#[test]
#[expect(clippy::print_stdout, reason = "tells why nothing was tested")]
fn every_fixture_is_read_and_written() {
    let Some(fixtures) = fixtures() else {
        println!("no fixtures beside DECKLE_DATA_DIR or in ../shared: none read");
        return;
    };
    let mut archives = vec![fixtures.join("functional_compiled.keras")];
    for entry in std::fs::read_dir(&fixtures).unwrap() {
        let model = entry.unwrap().path().join("model.keras");
        if model.is_file() {
            archives.push(model);
        }
    }
    assert!(archives.len() > 20, "{archives:?}");
    for path in archives {
        let archive = KerasArchive::read(&path).unwrap();
        let again = KerasArchive::from_bytes(&archive.to_bytes().unwrap()).unwrap();
        assert_eq!(again, archive, "{}", path.display());
    }
    for name in ["example.weights.h5", "legacy.h5"] {
        let file = Group::read(fixtures.join(name)).unwrap();
        assert_eq!(Group::from_bytes(&file.to_bytes().unwrap()).unwrap(), file);
        assert!(file.tensors().len() > 10, "{name}");
    }
}
