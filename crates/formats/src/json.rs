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

/// Parses JSON as Python writes it, where numbers may be `Infinity` or `-Infinity`.
///
/// They become the largest finite numbers, `±f64::MAX`, which as an `f32` are infinite again.
///
/// # Errors
///
/// As [`parse`]; and if a number is `NaN`.
///
/// # Examples
///
/// ```
/// use deckle_formats::json;
///
/// let config = json::parse_python(br#"{"max_value": Infinity, "name": "Infinity"}"#)?;
/// assert_eq!(config["max_value"].as_f64().unwrap() as f32, f32::INFINITY);
/// assert_eq!(config["name"], "Infinity");
/// # Ok::<(), deckle_formats::Error>(())
/// ```
pub fn parse_python(bytes: &[u8]) -> Result<Value> {
    const INFINITY: &[u8] = b"Infinity";
    const NAN: &[u8] = b"NaN";
    let mut plain = Vec::new();
    let (mut copied, mut at, mut in_text) = (0, 0, false);
    while at < bytes.len() {
        let rest = &bytes[at..];
        match bytes[at] {
            b'\\' if in_text => at += 1,
            b'"' => in_text = !in_text,
            b'I' if !in_text && rest.starts_with(INFINITY) => {
                plain.extend_from_slice(&bytes[copied..at]);
                plain.extend_from_slice(format!("{:e}", f64::MAX).as_bytes());
                at += INFINITY.len();
                copied = at;
                continue;
            }
            b'N' if !in_text && rest.starts_with(NAN) => {
                let lines = bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
                let line = bytes[..at].rsplit(|&byte| byte == b'\n').next();
                let column = line.map_or(0, <[u8]>::len);
                return Err(Error::new(format_args!(
                    "a number that is NaN at line {} column {}",
                    lines + 1,
                    column + 1
                )));
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return parse(bytes);
    }
    plain.extend_from_slice(&bytes[copied..]);
    parse(&plain)
}

/// Writes a value as indented JSON, replacing the file at once.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write(path: impl AsRef<Path>, value: &Value) -> Result<()> {
    disk::write_atomically(path, format!("{value:#}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinite_numbers_are_read_outside_of_texts() {
        let text = br#"[1, -Infinity, "a \"Infinity NaN", [Infinity], "\\", Infinity]"#;
        let value = parse_python(text).unwrap();
        let most = f64::MAX;
        assert_eq!(value, json!([1, -most, "a \"Infinity NaN", [most], "\\", most]));
        assert_eq!(parse_python(b"[1, 2]").unwrap(), json!([1, 2]));
        for wrong in ["[Inf]", "[Infinity", "-", "[InfinityInfinity]", "\"\\"] {
            assert!(parse_python(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let error = parse_python(b"{\n \"a\": NaN}").unwrap_err();
        assert_eq!(error.to_string(), "a number that is NaN at line 2 column 7");
    }
}
