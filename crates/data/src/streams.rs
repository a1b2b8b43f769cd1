//! Streams made of streams: [`StreamExt`], and what its methods give.
//!
//! All count examples, whatever batches they come in: a batch is only how examples are carried,
//! until [`StreamExt::batch`] or [`StreamExt::padded_batch`] says how many are trained on at once.

use std::path::Path;

use crate::{Batch, CacheFile, Example, Reading, Result, Stream};

mod ahead;
mod batched;
mod cached;
mod choose;
mod gather;
mod join;
mod map;
mod padded;
mod ragged;
mod repeat;
mod shuffle;

pub use ahead::Ahead;
pub use batched::Batched;
pub use cached::Cached;
pub use choose::{Filter, Shard, Skip, Take};
pub use join::{Concatenate, Zip};
pub use map::Map;
pub use padded::PaddedBatch;
pub use ragged::Ragged;
pub use repeat::Repeat;
pub use shuffle::Shuffle;

/// Streams made of a stream.
///
/// What comes out depends on what goes in and on seeds, never on threads. A stream that is made of
/// one that can begin another pass can do so too, and can go to any batch, which means that
/// training on it can be resumed; where no shorter way is known, batches are read and dropped. Of a
/// stream that cannot, resuming is refused with its name.
///
/// Data with an index has the same methods in [`DatasetExt`](crate::DatasetExt), where nothing has
/// to be read and dropped, and a [`Loader`](crate::Loader).
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream, StreamExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..10)])?;
/// let mut stream = Loader::new(numbers, 4)?
///     .filter(|one| Ok(one.inputs[0].to_vec::<i64>()? != [7]))
///     .skip(1)
///     .take(7)
///     .batch(3)?
///     .prefetch(2)?;
/// let (mut batch, mut all) = (Batch::new(), Vec::new());
/// while stream.next_batch(&mut batch)? {
///     all.push(batch.inputs[0].to_vec::<i64>()?);
/// }
/// assert_eq!(all, [vec![1, 2, 3], vec![4, 5, 6], vec![8]]);
/// assert!(stream.seek(0, 2)?);
/// assert!(stream.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [8]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// The methods of `tf.data.Dataset` of these names.
pub trait StreamExt: Stream + Sized {
    /// Examples like `example`, made by a function from one batch after the other.
    ///
    /// The function is told the pass and the numbers of the examples in it, from which a random
    /// change can be drawn. [`Map::workers`] calls it on several threads.
    fn map<F>(self, example: Example, change: F) -> Map<Self, F>
    where
        F: Fn(Reading<'_>, &Batch, &mut Batch) -> Result<()> + Send + Sync,
    {
        Map::new(self, example, change)
    }

    /// The examples for which `keep` says so; it sees each alone in a batch.
    fn filter<F>(self, keep: F) -> Filter<Self, F>
    where
        F: Fn(&Batch) -> Result<bool> + Send,
    {
        Filter::new(self, keep)
    }

    /// Examples drawn at random from the next `buffer_size`, in another order for each pass.
    ///
    /// # Errors
    ///
    /// If `buffer_size` is 0.
    fn shuffle(self, buffer_size: usize, seed: u64) -> Result<Shuffle<Self>> {
        Shuffle::new(self, buffer_size, seed)
    }

    /// Batches of `batch_size` examples; the last may be smaller.
    ///
    /// # Errors
    ///
    /// If `batch_size` is 0.
    fn batch(self, batch_size: usize) -> Result<Batched<Self>> {
        Batched::new(self, batch_size)
    }

    /// Batches of `batch_size` examples of different lengths, which are padded.
    ///
    /// # Errors
    ///
    /// If `batch_size` is 0.
    fn padded_batch(self, batch_size: usize) -> Result<PaddedBatch<Self>> {
        PaddedBatch::new(self, batch_size)
    }

    /// The first `count` examples of each pass.
    fn take(self, count: usize) -> Take<Self> {
        Take::new(self, count)
    }

    /// All but the first `count` examples of each pass.
    fn skip(self, count: usize) -> Skip<Self> {
        Skip::new(self, count)
    }

    /// Every `count`th example, from the one at `index` on.
    ///
    /// # Errors
    ///
    /// If `index` is not below `count`.
    fn shard(self, count: usize, index: usize) -> Result<Shard<Self>> {
        Shard::new(self, count, index)
    }

    /// The examples of this stream, then those of the other.
    ///
    /// # Errors
    ///
    /// If their examples differ in element types or shapes.
    fn concatenate<T: Stream>(self, other: T) -> Result<Concatenate<Self, T>> {
        Concatenate::new(self, other)
    }

    /// Examples that have the inputs, targets and weights of both, until either ends.
    ///
    /// # Errors
    ///
    /// If an input or a target of both has one name.
    fn zip<T: Stream>(self, other: T) -> Result<Zip<Self, T>> {
        Zip::new(self, other)
    }

    /// All passes that follow as one: `count` of them, or without end if there is no count.
    fn repeat(self, count: impl Into<Option<usize>>) -> Repeat<Self> {
        Repeat::new(self, count.into())
    }

    /// The batches of the first pass that is read to its end, from memory ever after.
    ///
    /// Also makes a stream of one pass one of many. Put what changes from pass to pass behind it.
    fn cache(self) -> Cached<Self> {
        Cached::new(self)
    }

    /// The examples of one pass as a data set on the disk: that of the file at `path` if there is
    /// one, or else all that is left of this pass, written to it.
    ///
    /// # Errors
    ///
    /// If the stream cannot be read; the file cannot be written, and then there is none; or it holds
    /// examples of other names, types or shapes (others are not noticed), or is damaged.
    fn cache_to(self, path: impl AsRef<Path>) -> Result<CacheFile> {
        CacheFile::of_stream(path.as_ref(), self)
    }

    /// The batches, read ahead on a thread; at most `buffer_size` wait.
    ///
    /// # Errors
    ///
    /// If `buffer_size` is 0.
    fn prefetch(self, buffer_size: usize) -> Result<Ahead<Self>>
    where
        Self: 'static,
    {
        Ahead::new(self, buffer_size)
    }
}

impl<S: Stream> StreamExt for S {}

#[cfg(test)]
mod tests;
