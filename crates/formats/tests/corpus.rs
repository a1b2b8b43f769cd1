//! What the fuzz targets found, or reach much code with, is read or refused.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::path::Path;

use deckle_formats::{Group, KerasArchive, Safetensors};

/// The files of one target's corpus.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target}");
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn the_corpus_of_hdf5_is_read_or_refused() {
    for bytes in corpus("hdf5") {
        if let Ok(file) = Group::from_bytes(&bytes)
            && let Ok(written) = file.to_bytes()
        {
            assert_eq!(Group::from_bytes(&written).unwrap(), file);
        }
    }
}

#[test]
fn the_corpus_of_archives_is_read_or_refused() {
    for bytes in corpus("keras_archive") {
        if let Ok(archive) = KerasArchive::from_bytes(&bytes) {
            archive.to_bytes().unwrap();
        }
    }
}

#[test]
fn the_corpus_of_safetensors_is_read_or_refused() {
    for bytes in corpus("safetensors") {
        if let Ok(file) = Safetensors::from_bytes(&bytes) {
            let written = file.to_bytes().unwrap();
            assert_eq!(Safetensors::from_bytes(&written).unwrap(), file);
        }
    }
}
