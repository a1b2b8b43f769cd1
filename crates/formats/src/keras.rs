//! The `.keras` archive: [`KerasArchive`].

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::{Error, Group, Result, disk, json, zip};

const METADATA: &str = "metadata.json";
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";
const ASSETS: &str = "assets/";

/// What a member of JSON may inflate to: 100 times the archive, and this.
const ALWAYS_ALLOWED: usize = 1 << 20;

/// A whole model in one file: what `model.save("model.keras")` writes.
///
/// A zip archive with `metadata.json`, `config.json`, `model.weights.h5`, and files under
/// `assets/` if a layer has some (vocabularies). Members are written stored and in this order,
/// without times: equal archives are equal bytes.
///
/// # Examples
///
/// ```
/// use deckle_formats::{Group, KerasArchive, json::json};
///
/// let archive = KerasArchive::new(json!({"class_name": "Functional"}), Group::new());
/// let bytes = archive.to_bytes()?;
/// assert_eq!(bytes[..4], *b"PK\x03\x04");
/// assert_eq!(KerasArchive::from_bytes(&bytes)?, archive);
/// # Ok::<(), deckle_formats::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KerasArchive {
    /// `metadata.json`: `keras_version` and `date_saved`.
    pub metadata: Value,
    /// `config.json`: the model as `keras.saving.serialize_keras_object` gives it.
    pub config: Value,
    /// `model.weights.h5`: the weights, at paths such as `layers/dense/vars/0`.
    pub weights: Group,
    /// The files under `assets/`, by their names without that.
    pub assets: BTreeMap<String, Vec<u8>>,
}

impl KerasArchive {
    /// An archive without assets, its metadata saying that Keras 3.15.1 can read it.
    #[must_use]
    pub fn new(config: Value, weights: Group) -> Self {
        Self {
            metadata: json::json!({"keras_version": "3.15.1"}),
            config,
            weights,
            assets: BTreeMap::new(),
        }
    }

    /// Reads a `.keras` file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not such an archive or a damaged one.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes(&disk::read(path)?).map_err(|error| error.in_file(path))
    }

    /// Reads the bytes of a `.keras` file.
    ///
    /// # Errors
    ///
    /// If this is not such an archive or a damaged one: not a zip archive, a member missing or
    /// with a wrong checksum, JSON that does not parse, weights that [`Group::from_bytes`]
    /// cannot read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut members = zip::read(bytes)?;
        let mut member = |name: &str| members.remove(name).ok_or_else(|| missing(name));
        let (metadata, config, weights) =
            (member(METADATA)?, member(CONFIG)?, member(WEIGHTS)?);
        let stored = bytes.len();
        let json = |bytes: &[u8], name| {
            // A value takes many times the memory of its text.
            if bytes.len() > stored.saturating_mul(100).saturating_add(ALWAYS_ALLOWED) {
                let problem = format!(
                    "{} bytes of JSON, absurd for an archive of this size",
                    bytes.len()
                );
                return Err(Error::new(problem).inside(name));
            }
            json::parse_python(bytes).map_err(|error| error.inside(name))
        };
        Ok(Self {
            metadata: json(&metadata, METADATA)?,
            config: json(&config, CONFIG)?,
            weights: Group::from_member(&weights, stored)
                .map_err(|e| e.inside(WEIGHTS))?,
            assets: members
                .into_iter()
                .filter_map(|(name, bytes)| {
                    Some((name.strip_prefix(ASSETS)?.to_owned(), bytes.into_owned()))
                })
                .collect(),
        })
    }

    /// Writes a `.keras` file, replacing what was there at once.
    ///
    /// # Errors
    ///
    /// As [`to_bytes`](Self::to_bytes), and if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|error| error.in_file(path))?;
        disk::write_atomically(path, &bytes)
    }

    /// The bytes of a `.keras` file.
    ///
    /// # Errors
    ///
    /// If the weights cannot be written, as [`Group::to_bytes`] says, or an asset's name leads
    /// out of its folder.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let weights = self.weights.to_bytes().map_err(|e| e.inside(WEIGHTS))?;
        let text = |value: &Value| Cow::Owned(value.to_string().into_bytes());
        let assets: Vec<_> = self
            .assets
            .iter()
            .map(|(name, bytes)| (format!("{ASSETS}{name}"), bytes))
            .collect();
        let members = [
            (METADATA, text(&self.metadata)),
            (CONFIG, text(&self.config)),
            (WEIGHTS, Cow::Owned(weights)),
        ];
        zip::write(members.into_iter().chain(
            assets.iter().map(|(name, bytes)| (name.as_str(), Cow::Borrowed(&bytes[..]))),
        ))
    }
}

fn missing(name: &str) -> Error {
    Error::new(format_args!("the archive has no member {name}"))
        .help("only files that Keras 3 saved as .keras have it; is this one?")
}
