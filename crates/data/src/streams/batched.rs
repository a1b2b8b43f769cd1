//! Batches of another size: [`Batched`].

use super::gather::Gather;
use crate::{Batch, Example, Result, Stream, error::at_least_one};

/// Batches of a size: [`StreamExt::batch`](super::StreamExt::batch).
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream, StreamExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..5)])?;
/// let mut stream = Loader::new(numbers, 2)?.batch(3)?.drop_remainder(true);
/// let mut batch = Batch::new();
/// assert!(stream.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [0, 1, 2]);
/// assert!(!stream.next_batch(&mut batch)?);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batched<S> {
    source: Gather<S>,
    batch_size: usize,
    drop_remainder: bool,
}

impl<S: Stream> Batched<S> {
    pub(super) fn new(stream: S, batch_size: usize) -> Result<Self> {
        let batch_size = at_least_one("batch", "batch_size", batch_size)?;
        Ok(Self { source: Gather::new(stream), batch_size, drop_remainder: false })
    }

    /// Sets whether a last batch of fewer examples is left out; `false` by default.
    #[must_use]
    pub const fn drop_remainder(mut self, drop_remainder: bool) -> Self {
        self.drop_remainder = drop_remainder;
        self
    }
}

impl<S: Stream> Stream for Batched<S> {
    fn name(&self) -> String {
        self.source.stream.name()
    }

    fn example(&self) -> &Example {
        self.source.stream.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        let taken = self.source.take(self.batch_size)?;
        if taken == 0 || (self.drop_remainder && taken < self.batch_size) {
            return Ok(false);
        }
        self.source.stack(into)?;
        Ok(true)
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        self.source.restart(pass)
    }
}
