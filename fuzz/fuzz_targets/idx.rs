//! An IDX file of any bytes, compressed or not, is read or refused.
#![no_main]

use deckle_datasets::idx;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir();
    for ending in ["idx", "gz"] {
        let path = folder.join(format!("deckle-fuzz-{}.{ending}", std::process::id()));
        if std::fs::write(&path, bytes).is_ok() {
            let _ = idx::read(&path);
        }
    }
});
