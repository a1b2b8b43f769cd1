//! A safetensors file of any bytes is read or refused; what is written reads as the same.
#![no_main]

use deckle_formats::Safetensors;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = Safetensors::from_bytes(bytes)
        && let Ok(written) = file.to_bytes()
    {
        assert!(Safetensors::from_bytes(&written).is_ok_and(|again| again == file));
    }
});
