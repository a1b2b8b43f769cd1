//! The fuzz targets' corpora of `.npy` files and `.npz` archives are read or refused.

use std::path::Path;

use deckle_tensor::{Npz, Tensor};

#[test]
fn the_corpus_of_npz_is_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/npz");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        if let Ok(npz) = Npz::from_bytes(bytes, "corpus.npz") {
            count += npz.tensors().filter(Result::is_ok).count();
        }
    }
    assert!(count > 0, "{count}");
}

#[test]
fn the_corpus_of_npy_is_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/npy");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        if let Ok(tensor) = Tensor::from_npy(&bytes, "corpus.npy") {
            let again = Tensor::from_npy(&tensor.to_npy().unwrap(), "again.npy").unwrap();
            assert_eq!(again.spec(), tensor.spec());
            count += 1;
        }
    }
    assert!(count > 0, "{count}");
}
