//! Two streams as one: [`Concatenate`], [`Zip`].

use super::gather::{Gather, actual, read};
use crate::{
    Batch, Example, Result, Stream,
    adapt::{check_alike, side_by_side},
    rows::copy_rows,
    stream::read_and_drop,
};

/// The batches of one stream, then those of another; the first's names count:
/// [`StreamExt::concatenate`](super::StreamExt::concatenate).
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream, StreamExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = |range| Loader::new(Arrays::of_inputs([Tensor::arange(range)])?, 2);
/// let mut all = numbers(0i64..3)?.concatenate(numbers(10..12)?)?;
/// assert_eq!(all.batches(), Some(3));
/// let mut batch = Batch::new();
/// assert!(all.seek(0, 2)? && all.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [10, 11]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Concatenate<S, T> {
    first: S,
    second: T,
    is_second: bool,
    /// Whether only the first could begin again; then there is nothing that belongs together.
    is_apart: bool,
}

impl<S: Stream, T: Stream> Concatenate<S, T> {
    pub(super) fn new(first: S, second: T) -> Result<Self> {
        check_alike(first.example(), second.example())?;
        Ok(Self { first, second, is_second: false, is_apart: false })
    }
}

impl<S: Stream, T: Stream> Stream for Concatenate<S, T> {
    fn name(&self) -> String {
        format!("{} and {}", self.first.name(), self.second.name())
    }

    fn example(&self) -> &Example {
        self.first.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        if self.is_apart {
            return Ok(false);
        }
        if !self.is_second {
            if self.first.next_batch(into)? {
                return Ok(true);
            }
            self.is_second = true;
        }
        self.second.next_batch(into)
    }

    fn batches(&self) -> Option<usize> {
        self.first.batches()?.checked_add(self.second.batches()?)
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        if !self.first.restart(pass)? {
            return Ok(false);
        }
        (self.is_second, self.is_apart) = (false, true);
        self.is_apart = !self.second.restart(pass)?;
        Ok(!self.is_apart)
    }

    fn seek(&mut self, pass: u64, batch: u64) -> Result<bool> {
        if !self.restart(pass)? {
            return Ok(false);
        }
        match self.first.batches().map(|first| first as u64) {
            Some(first) if batch >= first => {
                self.is_second = true;
                self.second.seek(pass, batch - first)
            }
            Some(_) => self.first.seek(pass, batch),
            None => read_and_drop(self, batch),
        }
    }
}

/// Examples that have the inputs, targets and weights of two streams:
/// [`StreamExt::zip`](super::StreamExt::zip).
///
/// The batches are those of the first.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream, StreamExt};
/// use deckle_tensor::Tensor;
///
/// let column = |name: &str, range, size| {
///     let none = [] as [(&str, Tensor); 0];
///     Loader::new(Arrays::named([(name, Tensor::arange(range))], none)?, size)
/// };
/// let mut both = column("a", 0i64..5, 2)?.zip(column("b", 10..14, 3)?)?;
/// let (mut batch, mut pairs) = (Batch::new(), Vec::new());
/// while both.next_batch(&mut batch)? {
///     pairs.push((batch.inputs[0].to_vec::<i64>()?, batch.inputs[1].to_vec::<i64>()?));
/// }
/// assert_eq!(pairs, [(vec![0, 1], vec![10, 11]), (vec![2, 3], vec![12, 13])]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Zip<S, T> {
    first: S,
    second: Gather<T>,
    example: Example,
    /// The first's batch, and the second's examples beside it.
    left: Batch,
    right: Batch,
    /// Whether the first's batch still has to be given out.
    has_left: bool,
    /// Whether only the first could begin again; then there is nothing that belongs together.
    is_apart: bool,
}

impl<S: Stream, T: Stream> Zip<S, T> {
    pub(super) fn new(first: S, second: T) -> Result<Self> {
        let example = side_by_side(first.example(), second.example())?;
        let (left, right) = (Batch::new(), Batch::new());
        let second = Gather::new(second);
        Ok(Self { first, second, example, left, right, has_left: false, is_apart: false })
    }
}

impl<S: Stream, T: Stream> Stream for Zip<S, T> {
    fn name(&self) -> String {
        format!("{} beside {}", self.first.name(), self.second.stream.name())
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        if self.is_apart {
            return Ok(false);
        }
        while !self.has_left {
            if !read(&mut self.first, &mut self.left)? {
                return Ok(false);
            }
            self.has_left = !self.left.is_empty();
        }
        // If that fails or there is none, the first's examples wait for it.
        let taken = self.second.take(self.left.len())?;
        if taken == 0 {
            return Ok(false);
        }
        self.has_left = false;
        self.second.stack(&mut self.right)?;
        let one = actual(self.first.example(), &self.left);
        let other = actual(self.second.stream.example(), &self.right);
        into.prepare(&side_by_side(&one, &other)?, taken);
        let rows = 0..taken;
        for (to, left, right) in [
            (&mut into.inputs, &self.left.inputs, &self.right.inputs),
            (&mut into.targets, &self.left.targets, &self.right.targets),
            (&mut into.weights, &self.left.weights, &self.right.weights),
        ] {
            for (to, from) in to.iter_mut().zip(left.iter().chain(right)) {
                copy_rows(from, &rows, to, 0)?;
            }
        }
        Ok(true)
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        if !self.first.restart(pass)? {
            return Ok(false);
        }
        (self.has_left, self.is_apart) = (false, true);
        self.is_apart = !self.second.restart(pass)?;
        Ok(!self.is_apart)
    }
}
