//! NumPy's arrays of lists, pickles of any bytes, are read or refused.
#![no_main]

use deckle_datasets::lists;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = lists::from_npy(bytes, "fuzz.npy");
});
