//! The fuzz target's corpus of IDX files is read or refused.

use std::path::Path;

use deckle_datasets::idx;

#[test]
fn the_corpus_of_idx_is_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/idx");
    let read = std::fs::read_dir(folder)
        .unwrap()
        .filter(|entry| idx::read(entry.as_ref().unwrap().path()).is_ok())
        .count();
    assert!(read > 0, "{read}");
}
