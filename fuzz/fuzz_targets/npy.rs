//! An `.npy` file of any bytes is read or refused; what is written reads as the same.
#![no_main]

use deckle_tensor::Tensor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tensor) = Tensor::from_npy(bytes, "fuzz.npy")
        && let Ok(written) = tensor.to_npy()
    {
        let again = Tensor::from_npy(&written, "again.npy");
        assert!(again.is_ok_and(|again| again.spec() == tensor.spec()));
    }
});
