//! The fuzz target's corpus of `.npz` archives is read or refused.

use std::path::Path;

use deckle_tensor::Npz;

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
