//! Some examples of a data set: [`Subset`].

use super::Pool;
use crate::{Batch, Dataset, Example, Result};

/// Some examples of a data set, in an order of their own; one may occur more than once.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Dataset, DatasetExt, k_fold};
/// use deckle_tensor::Tensor;
///
/// let data = Arrays::of_inputs([Tensor::arange(0i64..4)])?;
/// let (train, test) = k_fold(data.len(), 2, None)?.swap_remove(0);
/// let (train, test) = (data.clone().pick(train)?, data.pick(test)?);
/// let mut batch = Batch::new();
/// train.read_batch(&[0, 1], &mut batch)?;
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [2, 3]);
/// assert_eq!(test.len(), 2);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Subset<D> {
    data: D,
    indices: Vec<usize>,
    pool: Pool<Vec<usize>>,
}

impl<D: Dataset> Subset<D> {
    pub(super) fn new(data: D, indices: Vec<usize>) -> Result<Self> {
        data.check_indices(&indices)?;
        Ok(Self { data, indices, pool: Pool::default() })
    }

    /// The examples from `start` to `end`, as far as there are any.
    pub(super) fn of_range(data: D, start: usize, end: usize) -> Self {
        let indices = (start..end.min(data.len())).collect();
        Self { data, indices, pool: Pool::default() }
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn example(&self) -> &Example {
        self.data.example()
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.read_epoch(0, indices, into)
    }

    fn read_epoch(&self, epoch: u64, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        self.pool.with(|inner| {
            inner.clear();
            inner.extend(indices.iter().map(|&index| self.indices[index]));
            self.data.read_epoch(epoch, inner, into)
        })
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Arrays, DatasetExt, check_dataset};

    fn data() -> Arrays {
        Arrays::of_inputs([Tensor::arange(0i64..7)]).unwrap()
    }

    #[test]
    fn keeps_the_promises_of_a_data_set() {
        check_dataset(&data().pick(vec![6, 0, 0, 3]).unwrap()).unwrap();
        check_dataset(&data().repeat(3).unwrap()).unwrap();
        check_dataset(&data().pick(vec![]).unwrap()).unwrap();
    }

    #[test]
    fn shards_have_every_example_once() {
        for count in 1..9 {
            let shards = (0..count).map(|index| data().shard(count, index).unwrap());
            let mut all: Vec<usize> = shards.flat_map(|shard| shard.indices).collect();
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
        }
        assert!(data().shard(2, 2).is_err());
        assert!(data().shard(0, 0).is_err());
        assert!(data().pick(vec![7]).is_err());
        assert!(data().repeat(usize::MAX).is_err());
        assert_eq!(data().take(0).repeat(5).unwrap().len(), 0);
    }
}
