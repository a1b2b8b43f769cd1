//! A `.keras` archive of any bytes is read or refused; what is read can be written.
#![no_main]

use deckle_formats::KerasArchive;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(archive) = KerasArchive::from_bytes(bytes) {
        let _ = archive.to_bytes();
    }
});
