//! Examples that a function makes of others: [`Map`].

use std::fmt;

use super::Pool;
use crate::{Batch, Dataset, Example, Result};

/// What is being read: all that a random change may depend on, besides a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<'a> {
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// The indices of the examples of the batch.
    pub indices: &'a [usize],
}

/// Examples that a function makes of a data set's, a batch at a time.
///
/// The function gets what is read, the batch as it is and the batch to fill, which has the shapes
/// of the new example. An example has to depend on its index and the epoch only, not on the
/// others of its batch.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Dataset, DatasetExt, Example};
/// use deckle_tensor::{DType, Spec, Tensor};
///
/// let bytes = Arrays::of_inputs([Tensor::from([0u8, 51, 255])])?;
/// let example = Example::new().input("x0", Spec::scalar(DType::F32));
/// let data = bytes.map(example, |_, from, to| {
///     let from = from.inputs[0].to_vec::<u8>()?;
///     for (to, from) in to.inputs[0].make_mut::<f32>().iter_mut().zip(from) {
///         *to = f32::from(from) / 255.0;
///     }
///     Ok(())
/// });
/// let mut batch = Batch::new();
/// data.read_batch(&[2, 1], &mut batch)?;
/// assert_eq!(batch.inputs[0].to_vec::<f32>()?, [1.0, 0.2]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone)]
pub struct Map<D, F> {
    data: D,
    example: Example,
    change: F,
    pool: Pool<Batch>,
}

impl<D: Dataset, F> Map<D, F>
where
    F: Fn(Reading<'_>, &Batch, &mut Batch) -> Result<()> + Send + Sync,
{
    pub(super) fn new(data: D, example: Example, change: F) -> Self {
        Self { data, example, change, pool: Pool::default() }
    }
}

impl<D: Dataset, F> Dataset for Map<D, F>
where
    F: Fn(Reading<'_>, &Batch, &mut Batch) -> Result<()> + Send + Sync,
{
    fn len(&self) -> usize {
        self.data.len()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.read_epoch(0, indices, into)
    }

    fn read_epoch(&self, epoch: u64, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.pool.with(|from| {
            from.workers.clone_from(&into.workers);
            self.data.read_epoch(epoch, indices, from)?;
            into.prepare(&self.example, indices.len());
            (self.change)(Reading { epoch, indices }, from, into)
        })
    }
}

impl<D: fmt::Debug, F> fmt::Debug for Map<D, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("data", &self.data)
            .field("example", &self.example)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Spec, Tensor};

    use super::*;
    use crate::{Arrays, DatasetExt, check_dataset};

    #[test]
    fn a_change_knows_epoch_and_index() {
        let data = Arrays::of_inputs([Tensor::arange(0i64..5)]).unwrap();
        let example = Example::new().input("x0", Spec::scalar(DType::I64));
        let data = data.map(example, |reading, from, to| {
            let from = from.inputs[0].to_vec::<i64>()?;
            let to = to.inputs[0].make_mut::<i64>().iter_mut();
            for ((to, from), &index) in to.zip(from).zip(reading.indices) {
                *to = 100 * reading.epoch as i64 + 10 * index as i64 + from;
            }
            Ok(())
        });
        check_dataset(&data).unwrap();
        // The epoch reaches it through what is made of it.
        let data = data.repeat(2).unwrap();
        let mut batch = Batch::new();
        data.read_epoch(3, &[9, 1], &mut batch).unwrap();
        assert_eq!(batch.inputs[0].to_vec::<i64>().unwrap(), [344, 311]);
    }
}
