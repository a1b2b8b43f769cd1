//! An `.npz` archive of any bytes is read or refused, with all its `.npy` members.
#![no_main]

use deckle_tensor::Npz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(npz) = Npz::from_bytes(bytes.to_vec(), "fuzz.npz") {
        for tensor in npz.tensors() {
            let _ = tensor;
        }
    }
});
