//! The fuzz targets' corpora of IDX files and pickled lists are read or refused.

use std::path::Path;

use deckle_datasets::{idx, lists};

#[test]
fn the_corpus_of_idx_is_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/idx");
    let read = std::fs::read_dir(folder)
        .unwrap()
        .filter(|entry| idx::read(entry.as_ref().unwrap().path()).is_ok())
        .count();
    assert!(read > 0, "{read}");
}

#[test]
fn the_corpus_of_pickles_is_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/pickle");
    let read = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .filter(|bytes| lists::from_npy(bytes, "corpus.npy").is_ok())
        .count();
    assert!(read > 0, "{read}");
}
