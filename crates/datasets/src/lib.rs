//! Data sets: found, checked and loaded.
//!
//! ```
//! use deckle_data::Dataset;
//! use deckle_datasets::mnist::Mnist;
//!
//! let mnist = Mnist::new().offline().load()?;
//! // Says what was loaded, and from where.
//! println!("{}", mnist.source);
//! assert_eq!(mnist.train.example().inputs[0].spec.shape, [28, 28]);
//! # Ok::<(), deckle_datasets::Error>(())
//! ```
//!
//! # Overview
//!
//! | module | examples | input | target |
//! |---|---|---|---|
//! | [`mnist`] | 60,000 + 10,000 handwritten digits | `U8` `(28, 28)` | `U8`, 0 to 9 |
//! | [`imdb`] | 25,000 + 25,000 reviews | lists of word ids | `I64`, 0 or 1 |
//! | [`reuters`] | 8982 + 2246 newswires | lists of word ids | `I64`, 0 to 45 |
//! | [`fashion_mnist`] | 60,000 + 10,000 articles of clothing | `U8` `(28, 28)` | `U8`, 0 to 9 |
//! | [`cifar10`] | 50,000 + 10,000 photographs | `U8` `(32, 32, 3)` | `U8`, 0 to 9 |
//! | [`cifar100`] | 50,000 + 10,000 photographs | `U8` `(32, 32, 3)` | `U8`, 0 to 99 or 0 to 19 |
//! | [`cats_vs_dogs`] | 1200 + 400 + 402 photographs | `F32` `(96, 96, 3)` | `F32` `(1,)`, 0 or 1 |
//! | [`tables`] | iris, wine, digits, penguins, weather, ... | | |
//! | [`texts`] | reviews, newswires, books, sentences; vectors of words | | |
//! | [`boston_housing`] | 404 + 102 suburbs | `F32` `(13,)` | `F32`, price in $1000 |
//! | [`california_housing`] | 16,512 + 4128 districts | `F32` `(8,)` | `F32`, price in $ |
//!
//! Each module has `INFO` with source, licence and citation, a loader with Keras's options, and
//! a function `load` with Keras's defaults.
//!
//! # Where files are looked for
//!
//! 1. In the folder that the loader is given (`folder`); then nowhere else.
//! 2. In the folder that the environment variable `DECKLE_DATA_DIR` names: in its subfolder of
//!    the data set's name (`mnist`, `boston_housing`, ...), then in the folder itself.
//! 3. In the user's cache: `~/.cache/deckle/mnist`, or what the operating system calls it.
//! 4. In what Keras has downloaded: `~/.keras/datasets`, or `datasets` in the folder that the
//!    environment variable `KERAS_HOME` names.
//! 5. A part of Fashion-MNIST, of MNIST's digits or of CIFAR-10, and Boston housing as a table: in
//!    the same folders, and in the subfolders of `embeddable` in `DECKLE_DATA_DIR`.
//! 6. On the network, into the user's cache, where the file's SHA-256 sum is known ([`Info`]'s
//!    `downloads`): with the feature `download`, which the crate `deckle` has by default, and
//!    unless the loader is `offline` or the environment variable `DECKLE_OFFLINE` is set. Several
//!    servers are asked in turn; a download that broke off goes on the next time; a file gets its
//!    name when its sum is right. Proxies are those of `HTTPS_PROXY` and `NO_PROXY`.
//! 7. For MNIST, in the program itself: 10,000 digits of the 60,000 to train on.
//!
//! [`Loaded::source`] says what was read, and from where; [`Source::is_whole`] whether it is the
//! whole data set.
//!
//! The names are those of the original downloads and of Keras's. A file that is damaged, cut
//! off or does not belong to the others is an error that names it; nothing is read in its place.
#![forbid(unsafe_code)]

pub mod boston_housing;
pub mod california_housing;
pub mod cats_vs_dogs;
mod cifar;
pub mod cifar10;
pub mod cifar100;
#[cfg(feature = "download")]
mod download;
mod error;
pub mod fashion_mnist;
mod gzip;
mod housing;
pub mod idx;
pub mod imdb;
mod info;
mod labeled_images;
mod labeled_sequences;
pub mod lists;
mod loaded;
mod lookup;
mod mersenne_twister;
pub mod mnist;
mod npz;
mod pickle;
mod remote;
pub mod reuters;
#[cfg(test)]
mod scratch;
mod search;
pub mod tables;
pub mod texts;
mod tokens;
mod word_index;

pub use error::{Error, Result};
pub use info::Info;
pub use labeled_sequences::LabeledSequences;
pub use loaded::{Loaded, Place, Source};
pub use remote::Remote;
pub use word_index::WordIndex;

/// What is known of each data set.
pub const ALL: &[Info] = &[
    mnist::INFO,
    imdb::INFO,
    reuters::INFO,
    fashion_mnist::INFO,
    cifar10::INFO,
    cifar100::INFO,
    cats_vs_dogs::INFO,
    boston_housing::INFO,
    california_housing::INFO,
    tables::JENA,
    texts::BOOKS,
    texts::GLOVE,
    texts::PAIRS,
];
