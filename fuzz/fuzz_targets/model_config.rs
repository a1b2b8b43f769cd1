//! A model's JSON of any bytes gives a model, which can be written, or an error.
#![no_main]

use deckle_autograd::Device;
use deckle_formats::json;
use deckle_nn::{Model, Registry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = json::parse(bytes)
        && let Ok(model) = Model::blank_from_config(&config, &Registry::keras(), 0, &Device::reference(), 1 << 20)
    {
        let _ = model.config();
    }
});
