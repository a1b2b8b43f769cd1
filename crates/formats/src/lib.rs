//! Files of named tensors and JSON: the `.keras` archive and Keras' HDF5 layouts.
//!
//! Nothing here knows of layers or training; whoever reads a file gets its JSON as it stands
//! and its tensors by their paths.
//!
//! ```
//! use deckle_formats::{Group, KerasArchive, json::json};
//! use deckle_tensor::Tensor;
//!
//! let mut weights = Group::new();
//! weights.insert("layers/dense/vars/0", Tensor::new(vec![1.0f32, 2.0], [2, 1])?)?;
//! let archive = KerasArchive::new(json!({"class_name": "Sequential"}), weights);
//!
//! let again = KerasArchive::from_bytes(&archive.to_bytes()?)?;
//! assert_eq!(again.config["class_name"], "Sequential");
//! assert_eq!(again.weights.dataset("layers/dense/vars/0").unwrap().shape(), [2, 1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`KerasArchive`]: the zip file of `model.save("model.keras")`: `metadata.json`,
//!   `config.json`, the weights, and assets.
//! - [`Group`]: the tree in an HDF5 file, `.weights.h5` of Keras 3 or a legacy `.h5` model; also
//!   in several files, by their index `.weights.json`.
//! - [`Safetensors`]: tensors by name, `.safetensors`.
//! - [`json`]: JSON files.
//! - [`Image`]: pictures, as PNG.
//! - [`events`]: what TensorBoard reads.
//! - [`write_atomically`]: how all of them are written.
//!
//! # Damaged files
//!
//! Whatever the bytes, reading ends in a value or in an [`Error`] that names the file, the part
//! of it and what is wrong there; it needs memory in proportion to the file, and writing either
//! replaces a file as a whole or leaves it as it was. Every byte of an archive's members is
//! covered by a checksum; the HDF5 that Keras writes has none, so in a bare `.h5` file a flipped
//! bit within a tensor's numbers goes unnoticed.

#![forbid(unsafe_code)]

mod disk;
mod error;
pub mod events;
mod hdf5;
mod image;
pub mod json;
mod keras;
mod safetensors;
mod shards;
mod zip;

pub use disk::write_atomically;
pub use error::{Error, Result};
pub use hdf5::{Attribute, Group};
pub use image::Image;
pub use keras::KerasArchive;
pub use safetensors::Safetensors;
