//! A data set's batches as a stream: [`Loader`].

use std::fmt;

use crate::{Batch, Dataset, Example, Order, Result, Stream};

/// The batches of a data set, shuffled anew for each pass if a seed is given.
///
/// Goes to any batch at once. The order is that of `fit`: a function of seed and epoch, which is
/// the pass.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream};
/// use deckle_tensor::Tensor;
///
/// let data = Arrays::of_inputs([Tensor::arange(0i64..5)])?;
/// let mut loader = Loader::new(data, 2)?.shuffle(42);
/// assert_eq!(loader.batches(), Some(3));
///
/// let mut batch = Batch::new();
/// let mut seen = Vec::new();
/// while loader.next_batch(&mut batch)? {
///     seen.extend(batch.inputs[0].to_vec::<i64>()?);
/// }
/// assert!(loader.seek(0, 2)?);
/// assert!(loader.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, seen[4..]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone)]
pub struct Loader<D> {
    data: D,
    batch_size: usize,
    seed: Option<u64>,
    drop_remainder: bool,
    name: String,
    order: Order,
    /// The pass that `order` is for.
    ordered: Option<u64>,
    pass: u64,
    /// The batch that is next.
    batch: usize,
}

impl<D: Dataset> Loader<D> {
    /// Batches of `batch_size` examples, in the order of the data set; the last may be smaller.
    ///
    /// # Errors
    ///
    /// If `batch_size` is 0 or there is no example.
    pub fn new(data: D, batch_size: usize) -> Result<Self> {
        let order = Order::of(&data);
        order.batches(batch_size)?;
        Ok(Self {
            data,
            batch_size,
            seed: None,
            drop_remainder: false,
            name: "data set".into(),
            order,
            ordered: None,
            pass: 0,
            batch: 0,
        })
    }

    /// Sets the seed of the shuffles; without it, nothing is shuffled.
    #[must_use]
    pub fn shuffle(mut self, seed: impl Into<Option<u64>>) -> Self {
        self.seed = seed.into();
        self.ordered = None;
        self
    }

    /// Sets whether a last batch of fewer examples is left out; `false` by default.
    #[must_use]
    pub const fn drop_remainder(mut self, drop_remainder: bool) -> Self {
        self.drop_remainder = drop_remainder;
        self
    }

    /// Sets the name for messages; `data set` by default.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The pass, and the batch that is next.
    pub(crate) const fn place(&self) -> (u64, u64) {
        (self.pass, self.batch as u64)
    }

    pub(crate) fn count(&self) -> usize {
        let len = self.order.len();
        if self.drop_remainder {
            len / self.batch_size
        } else {
            len.div_ceil(self.batch_size)
        }
    }
}

impl<D: Dataset> Stream for Loader<D> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn example(&self) -> &Example {
        self.data.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        if self.batch >= self.count() {
            return Ok(false);
        }
        if self.ordered != Some(self.pass) {
            match self.seed {
                Some(seed) => self.order.shuffle(seed, self.pass),
                None => self.order.restore(),
            }
            self.ordered = Some(self.pass);
        }
        let start = self.batch * self.batch_size;
        let end = start.saturating_add(self.batch_size).min(self.order.len());
        self.data.read_epoch(self.pass, &self.order.indices()[start..end], into)?;
        self.batch += 1;
        Ok(true)
    }

    fn batches(&self) -> Option<usize> {
        Some(self.count())
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        self.seek(pass, 0)
    }

    fn seek(&mut self, pass: u64, batch: u64) -> Result<bool> {
        let batch = usize::try_from(batch).ok().filter(|&batch| batch <= self.count());
        if let Some(batch) = batch {
            (self.pass, self.batch) = (pass, batch);
        }
        Ok(batch.is_some())
    }
}

impl<D: Dataset> fmt::Debug for Loader<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("name", &self.name)
            .field("examples", &self.data.len())
            .field("batch_size", &self.batch_size)
            .field("seed", &self.seed)
            .field("pass", &self.pass)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::Arrays;

    fn loader() -> Loader<Arrays> {
        let data = Arrays::of_inputs([Tensor::arange(0i64..7)]).unwrap();
        Loader::new(data, 3).unwrap()
    }

    fn pass(loader: &mut Loader<Arrays>, pass: u64) -> Vec<Vec<i64>> {
        assert!(loader.restart(pass).unwrap());
        rest(loader)
    }

    fn rest(loader: &mut Loader<Arrays>) -> Vec<Vec<i64>> {
        let (mut batch, mut all) = (Batch::new(), Vec::new());
        while loader.next_batch(&mut batch).unwrap() {
            all.push(batch.inputs[0].to_vec().unwrap());
        }
        assert!(!loader.next_batch(&mut batch).unwrap());
        all
    }

    #[test]
    fn a_pass_has_every_example_once() {
        let mut plain = loader();
        assert_eq!(rest(&mut plain), [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        let mut dropping = loader().drop_remainder(true);
        assert_eq!(rest(&mut dropping).len(), 2);
        assert_eq!(dropping.batches(), Some(2));

        let mut shuffled = loader().shuffle(7);
        let (first, second) = (pass(&mut shuffled, 0), pass(&mut shuffled, 1));
        assert_ne!(first, second);
        let mut all = first.concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
        let mut order = Order::new(0..7);
        order.shuffle(7, 1);
        let indices: Vec<_> = order.indices().iter().map(|&i| i as i64).collect();
        assert_eq!(second.concat(), indices);
    }

    #[test]
    fn a_position_is_all_that_the_rest_depends_on() {
        let mut from_start = loader().shuffle(3);
        let all = pass(&mut from_start, 1);
        for batch in 0..=3 {
            let mut late = loader().shuffle(3);
            assert!(late.seek(1, batch).unwrap());
            assert_eq!(rest(&mut late), all[batch as usize..]);
        }
        assert!(!loader().seek(0, 4).unwrap());
        assert!(!loader().seek(0, u64::MAX).unwrap());
    }

    #[test]
    fn nothing_to_read_is_an_error() {
        let data = Arrays::of_inputs([Tensor::arange(0i64..7)]).unwrap();
        assert!(Loader::new(data.take(0), 3).is_err());
        assert!(Loader::new(&data, 0).is_err());
        assert!(
            Loader::new(&data, usize::MAX)
                .unwrap()
                .next_batch(&mut Batch::new())
                .unwrap()
        );
    }
}
