//! Loads a model and predicts once: how long a short-lived program takes.
//!
//! `cargo run --release --example predict_once MODEL.keras`
//!
//! Without a model it saves one for 28 x 28 digits first. Takes some milliseconds.

use std::time::Instant;

use deckle::{prelude::*, train::load};

fn main() -> Result<()> {
    let path = match std::env::args().nth(1) {
        Some(path) => path.into(),
        None => {
            let path = std::env::temp_dir().join("deckle-predict-once.keras");
            let model = Sequential::new([784])
                .add(Dense::new(512).activation(Relu))
                .add(Dense::new(10).activation(Softmax))
                .build()?;
            model.save(&path)?;
            path
        }
    };
    let start = Instant::now();
    let model = load(&path)?.model;
    let loaded = start.elapsed();
    let shape = model.inputs().next().and_then(|(_, shape, _)| shape.dims().get(1..));
    let known = shape.unwrap_or_default().iter().map(|dim| match dim {
        Dim::Known(len) => *len,
        _ => 1,
    });
    let shape: Vec<_> = std::iter::once(1).chain(known).collect();
    let output = model.predict(&Tensor::full(shape, 0.5f32))?;
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    println!(
        "RESULT {}",
        serde_json::json!({
            "example": "predict_once", "outputs": output.shape(),
            "load_ms": milliseconds(loaded), "total_ms": milliseconds(start.elapsed()),
        })
    );
    Ok(())
}
