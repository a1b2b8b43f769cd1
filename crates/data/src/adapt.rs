//! Data sets made of data sets, still read by index: [`DatasetExt`].

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use crate::{Batch, CacheFile, Dataset, Error, Example, Loader, Result};

mod cached;
mod concatenate;
mod map;
mod subset;
mod zip;

pub use cached::Cached;
pub use concatenate::Concatenate;
pub(crate) use concatenate::check_alike;
pub use map::{Map, Reading};
pub use subset::Subset;
pub use zip::Zip;
pub(crate) use zip::side_by_side;

/// Data sets made of a data set.
///
/// All are read by index, so they can be shuffled, split and gone on with from any position.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Dataset, DatasetExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..10)])?;
/// let even = numbers.clone().filter(|batch| Ok(batch.inputs[0].item::<i64>()? % 2 == 0))?;
/// let data = even.shard(2, 1)?.concatenate(numbers)?.repeat(2)?;
/// assert_eq!(data.len(), 24);
/// let mut batch = Batch::new();
/// data.read_batch(&[0, 1, 2, 13], &mut batch)?;
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [2, 6, 0, 6]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// The methods of `tf.data.Dataset` of these names, for data that has an index.
pub trait DatasetExt: Dataset + Sized {
    /// The examples at `indices`, in that order.
    ///
    /// # Errors
    ///
    /// If an index is out of range.
    fn pick(self, indices: Vec<usize>) -> Result<Subset<Self>> {
        Subset::new(self, indices)
    }

    /// The examples for which `keep` says so; it sees each once, alone in a batch.
    ///
    /// # Errors
    ///
    /// If an example cannot be read, or `keep` fails.
    fn filter(
        self,
        mut keep: impl FnMut(&Batch) -> Result<bool>,
    ) -> Result<Subset<Self>> {
        let (mut batch, mut indices) = (Batch::new(), Vec::new());
        for index in 0..self.len() {
            self.read_batch(&[index], &mut batch)?;
            if keep(&batch)? {
                indices.push(index);
            }
        }
        Subset::new(self, indices)
    }

    /// Every `count`th example, from the one at `index` on: what one of `count` machines reads.
    ///
    /// # Errors
    ///
    /// If `index` is not below `count`.
    fn shard(self, count: usize, index: usize) -> Result<Subset<Self>> {
        check_shard(count, index)?;
        let indices = (index..self.len()).step_by(count).collect();
        Subset::new(self, indices)
    }

    /// The first `count` examples, or as many as there are.
    fn take(self, count: usize) -> Subset<Self> {
        Subset::of_range(self, 0, count)
    }

    /// All but the first `count` examples.
    fn skip(self, count: usize) -> Subset<Self> {
        Subset::of_range(self, count, usize::MAX)
    }

    /// The examples, kept in memory from when each is first read on; those of epoch 0.
    ///
    /// Put what changes from epoch to epoch behind it.
    fn cache(self) -> Cached<Self> {
        Cached::new(self)
    }

    /// The examples on the disk: those of the file at `path` if there is one, or else all of this
    /// data set, written to it. As [`DatasetExt::cache`], they are those of epoch 0.
    ///
    /// # Errors
    ///
    /// If an example cannot be read; the file cannot be written, and then there is none; or it holds
    /// other examples, as far as [`CacheFile`] compares them, or is damaged.
    fn cache_to(self, path: impl AsRef<Path>) -> Result<CacheFile> {
        CacheFile::of_dataset(path.as_ref(), &self)
    }

    /// Batches of `batch_size` examples; [`Loader`] shuffles them, or reads them ahead.
    ///
    /// # Errors
    ///
    /// If `batch_size` is 0 or there is no example.
    fn batch(self, batch_size: usize) -> Result<Loader<Self>> {
        Loader::new(self, batch_size)
    }

    /// All examples, `count` times.
    ///
    /// # Errors
    ///
    /// If there are more than can be counted.
    fn repeat(self, count: usize) -> Result<Subset<Self>> {
        let len = self.len();
        let Some(total) = len.checked_mul(count).filter(|&total| total <= 1 << 40) else {
            return Err(Error::invalid("repeat", "a number of examples below 2^40")
                .got(format_args!("{len} examples {count} times")));
        };
        Subset::new(self, (0..total).map(|index| index % len).collect())
    }

    /// The examples of this data set, then those of the other.
    ///
    /// # Errors
    ///
    /// If their examples differ in element types or shapes.
    fn concatenate<E: Dataset>(self, other: E) -> Result<Concatenate<Self, E>> {
        Concatenate::new(self, other)
    }

    /// Examples that have the inputs, targets and weights of both; as many as the shorter has.
    ///
    /// # Errors
    ///
    /// If an input or a target of both has one name.
    fn zip<E: Dataset>(self, other: E) -> Result<Zip<Self, E>> {
        Zip::new(self, other)
    }

    /// Examples like `example`, made by a function from batches of this data set.
    fn map<F>(self, example: Example, change: F) -> Map<Self, F>
    where
        F: Fn(Reading<'_>, &Batch, &mut Batch) -> Result<()> + Send + Sync,
    {
        Map::new(self, example, change)
    }
}

impl<D: Dataset> DatasetExt for D {}

/// Checks that there is such a shard.
pub(crate) fn check_shard(count: usize, index: usize) -> Result<()> {
    if index >= count {
        return Err(Error::invalid("shard", "an index below the number of shards")
            .got(format_args!("shard {index} of {count}")));
    }
    Ok(())
}

/// Memory for whoever reads, as much as readers at once need.
#[derive(Debug, Default)]
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let free = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut item = free().pop().unwrap_or_default();
        let result = work(&mut item);
        free().push(item);
        result
    }
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

#[cfg(test)]
mod tests;
