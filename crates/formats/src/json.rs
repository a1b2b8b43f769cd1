//! JSON files: [`read`], [`parse`] and [`write()`].

use std::path::Path;

use crate::{Error, Result, disk};

pub use serde_json::{Map, Value, json};

/// Reads a JSON file.
///
/// # Errors
///
/// If the file cannot be read or does not hold one JSON value.
pub fn read(path: impl AsRef<Path>) -> Result<Value> {
    let path = path.as_ref();
    parse(&disk::read(path)?).map_err(|error| error.in_file(path))
}

/// Parses one JSON value; objects keep the order of their keys.
///
/// # Errors
///
/// If the bytes are not one JSON value; the error names line and column.
///
/// # Examples
///
/// ```
/// use deckle_formats::json;
///
/// let config = json::parse(br#"{"units": 3, "activation": "relu"}"#)?;
/// assert_eq!(config["units"], 3);
/// let error = json::parse(b"{\"units\": }").unwrap_err();
/// assert_eq!(error.to_string(), "not JSON: expected value at line 1 column 11");
/// # Ok::<(), deckle_formats::Error>(())
/// ```
pub fn parse(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::new(format_args!("not JSON: {error}")))
}

/// Writes a value as indented JSON, replacing the file at once.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write(path: impl AsRef<Path>, value: &Value) -> Result<()> {
    disk::write_atomically(path, format!("{value:#}\n").as_bytes())
}
