//! Reads a `.keras`, `.weights.h5` or `.h5` file and writes it again.
//!
//! `cargo run -p deckle-formats --example rewrite -- model.keras again.keras`

use deckle_formats::{Group, KerasArchive};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let paths: Vec<_> = std::env::args().skip(1).collect();
    let [from, to] = &paths[..] else {
        return Err("usage: rewrite FROM TO".into());
    };
    if from.ends_with(".keras") {
        KerasArchive::read(from)?.write(to)?;
    } else {
        Group::read(from)?.write(to)?;
    }
    Ok(())
}
