//! The fuzz target's corpus of configurations gives models or errors.

use std::path::Path;

use deckle_autograd::Device;
use deckle_nn::{Model, Registry};

#[test]
fn the_corpus_of_configurations_is_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/model_config");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        count += 1;
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        if let Ok(config) = serde_json::from_slice(&bytes)
            && let Ok(model) =
                Model::from_config(&config, &Registry::keras(), 0, &Device::reference())
        {
            model.config().unwrap();
        }
    }
    assert!(count > 10, "{count}");
}
