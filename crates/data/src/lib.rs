//! Data sets, batches, shuffles, splits and preprocessing.
//!
//! A [`Dataset`] gives examples by index and *fills* a [`Batch`] with those that are asked for;
//! an [`Order`] says which, and in which order. So any data set can be shuffled, split and cut
//! into batches, and at steady state nothing is allocated.
//!
//! ```
//! use deckle_data::{Arrays, Batch, Dataset, Order};
//! use deckle_tensor::Tensor;
//!
//! let x = Tensor::new(vec![0.0f32, 0.1, 1.0, 1.1, 2.0, 2.1], [3, 2])?;
//! let y = Tensor::new(vec![0u8, 1, 2], [3])?;
//! let data = Arrays::new(x, y)?;
//!
//! let mut order = Order::of(&data);
//! order.shuffle(42, 0);
//! let mut batch = Batch::new();
//! let mut examples = 0;
//! for indices in order.batches(2)? {
//!     data.read_batch(indices, &mut batch)?;
//!     assert_eq!(batch.inputs[0].shape(), [indices.len(), 2]);
//!     examples += batch.len();
//! }
//! assert_eq!(examples, 3);
//! # Ok::<(), deckle_data::Error>(())
//! ```
//!
//! # Overview
//!
//! - [`Dataset`]: the contract; [`Arrays`]: examples in memory, one tensor per input and target;
//!   [`MultiHot`]: lists of ids that become rows of zeros and ones when they are read;
//!   [`check_dataset`]: tests the promises of a data set of your own.
//! - [`Batch`]: the tensors of some examples; [`Order`] and [`Batches`]: which examples, when.
//! - [`Stream`]: data that comes batch by batch; [`Generator`]: one made of a closure; [`Loader`]:
//!   a data set's batches, which [`Prefetch`] reads ahead on threads.
//! - [`StreamExt`]: streams made of streams: shuffled by a buffer, filtered, padded, kept, ...
//! - [`CacheFile`]: examples on the disk, read by index; for data larger than memory.
//! - [`DatasetExt`]: data sets made of data sets; [`Timeseries`]: windows of a series; [`k_fold`] and
//!   [`train_test_split`]: which examples train.
//! - [`image_dataset_from_directory`]: images of a folder or a zip archive by class, read and
//!   decoded when they are asked for.
//! - [`text_dataset_from_directory`]: texts of a folder by class; [`read_zip_member`]: one file of a
//!   zip archive.
//! - [`Csv`]: tables in files, in memory or row by row.
//! - [`Sequences`]: lists of ids of any lengths; [`PadSequences`] makes them equally long.
//! - [`Tokenizer`], [`TextVectorization`]: texts as numbers; [`StringLookup`], [`IntegerLookup`],
//!   [`Hashing`], [`HashedCrossing`], [`CategoryEncoding`], [`Discretization`], [`Normalization`]:
//!   columns of tables; all with Keras's numbers.
//! - [`to_categorical`], [`normalize`]: preprocessing of tensors.
#![forbid(unsafe_code)]

mod adapt;
mod arrays;
mod batch;
mod cache_file;
mod categorical;
mod check;
mod csv;
mod dataset;
mod directory;
mod error;
mod images;
mod loader;
mod multi_hot;
mod normalize;
mod order;
mod pad_sequences;
mod prefetch;
mod preprocessing;
mod rows;
mod sequences;
mod split;
mod stream;
pub mod streams;
mod text;
mod texts;
mod timeseries;

pub use adapt::{Cached, Concatenate, DatasetExt, Map, Reading, Subset, Zip};
pub use arrays::Arrays;
pub use batch::Batch;
pub use cache_file::CacheFile;
pub use categorical::to_categorical;
pub use check::check_dataset;
pub use csv::{Column, ColumnType, Csv, CsvStream, Missing, Table};
pub use dataset::{Dataset, Example, Field};
pub use deckle_tensor::Interpolation;
pub use directory::{DirectorySubset, LabelMode, Labels, read_zip_member};
pub use error::{Error, Result};
pub use images::{ColorMode, ImageDirectory, Images, image_dataset_from_directory};
pub use loader::Loader;
pub use multi_hot::MultiHot;
pub use normalize::normalize;
pub use order::{Batches, Order, split_at};
pub use pad_sequences::{PadSequences, Side, pad_sequences};
pub use prefetch::Prefetch;
pub use preprocessing::{
    CategoryEncoding, Discretization, HashInput, HashedCrossing, Hashing, IndexLookup,
    IntegerLookup, Normalization, OovMethod, OutputMode, StringLookup, Token,
};
pub use sequences::Sequences;
pub use split::{Fold, k_fold, train_test_split};
pub use stream::{Generator, Stream};
pub use streams::StreamExt;
pub use text::{
    MatrixMode, Split, Standardize, TextToWords, TextVectorization, Tokenizer,
    hashing_trick,
};
pub use texts::{TextDirectory, Texts, VectorizedTexts, text_dataset_from_directory};
pub use timeseries::{Timeseries, Windows};
