//! Examples that are kept in memory once they were read: [`Cached`].

use std::sync::{Arc, PoisonError, RwLock};

use super::Pool;
use crate::{Batch, Dataset, Example, Result, rows::copy_rows};

/// The examples of a data set, kept in memory from when each is first read on:
/// [`DatasetExt::cache`](super::DatasetExt::cache).
///
/// A clone shares what is kept, so threads that read ahead do so, too.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use deckle_data::{Arrays, Batch, Dataset, DatasetExt, Example};
/// use deckle_tensor::{DType, Spec, Tensor};
///
/// let read = AtomicUsize::new(0);
/// let example = Example::new().input("x0", Spec::scalar(DType::I64));
/// let slow = Arrays::of_inputs([Tensor::arange(0i64..5)])?.map(example, |_, from, to| {
///     read.fetch_add(from.len(), Ordering::Relaxed);
///     to.inputs[0].make_mut::<i64>().copy_from_slice(&from.inputs[0].to_vec()?);
///     Ok(())
/// });
/// let data = slow.cache();
/// let mut batch = Batch::new();
/// for indices in [[4, 1], [1, 4], [0, 0], [4, 0]] {
///     data.read_batch(&indices, &mut batch)?;
/// }
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [4, 0]);
/// assert_eq!(read.into_inner(), 3);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cached<D> {
    data: D,
    kept: Arc<RwLock<Kept>>,
    pool: Pool<Batch>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The examples by index.
    all: Batch,
    /// Which of them were read.
    is_there: Vec<bool>,
}

impl Kept {
    fn write(&self, indices: &[usize], into: &mut Batch) {
        let workers = into.workers.clone();
        for (from, to) in self.all.tensors().zip(into.tensors_mut()) {
            workers.copy(from, indices, |index| index, to);
        }
    }
}

impl<D: Dataset> Cached<D> {
    pub(super) fn new(data: D) -> Self {
        Self { data, kept: Arc::default(), pool: Pool::default() }
    }
}

impl<D: Dataset> Dataset for Cached<D> {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn example(&self) -> &Example {
        self.data.example()
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        into.prepare(self.example(), indices.len());
        let missing = {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            let is_missing =
                |index: usize| !kept.is_there.get(index).copied().unwrap_or(false);
            let mut missing: Vec<usize> =
                indices.iter().copied().filter(|&index| is_missing(index)).collect();
            if missing.is_empty() {
                kept.write(indices, into);
                return Ok(());
            }
            missing.sort_unstable();
            missing.dedup();
            missing
        };
        self.pool.with(|read| {
            read.workers.clone_from(&into.workers);
            // Nobody waits while it is read; if two read the same, it is the same.
            self.data.read_batch(&missing, read)?;
            read.settle(self.example(), missing.len())?;
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            if kept.is_there.is_empty() {
                let len = self.len();
                kept.all.prepare(self.example(), len);
                kept.is_there = vec![false; len];
            }
            let mut at = 0;
            for run in missing.chunk_by(|one, next| one + 1 == *next) {
                let rows = at..at + run.len();
                for (from, to) in read.tensors().zip(kept.all.tensors_mut()) {
                    copy_rows(from, &rows, to, run[0])?;
                }
                kept.is_there[run[0]..][..run.len()].fill(true);
                at = rows.end;
            }
            kept.write(indices, into);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use crate::{Arrays, DatasetExt, Loader, Stream, check_dataset};

    #[test]
    fn keeps_the_promises_of_a_data_set() {
        for len in [0, 1, 7] {
            let x = Tensor::arange(0i64..2 * len).reshape([len as usize, 2]).unwrap();
            let data = Arrays::new(x, Tensor::arange(0i64..len)).unwrap();
            check_dataset(&data.clone().cache()).unwrap();
            check_dataset(&data.cache().take(3).skip(1)).unwrap();
        }
    }

    #[test]
    fn threads_share_what_is_kept() {
        let data = Arrays::of_inputs([Tensor::arange(0i64..50)]).unwrap().cache();
        let mut loader = Loader::new(data.clone(), 7).unwrap().prefetch(4, 2).unwrap();
        let (mut batch, mut all) = (crate::Batch::new(), Vec::new());
        for pass in 0..3 {
            assert!(loader.restart(pass).unwrap());
            all.clear();
            while loader.next_batch(&mut batch).unwrap() {
                all.extend(batch.inputs[0].to_vec::<i64>().unwrap());
            }
            assert!(all.iter().copied().eq(0..50));
        }
        drop(loader);
        assert!(data.kept.read().unwrap().is_there.iter().all(|&there| there));
    }
}
