//! Some examples of a stream: [`Filter`], [`Shard`], [`Take`], [`Skip`].

use std::{fmt, mem, ops::Range};

use super::gather::{Gather, stack};
use crate::{Batch, Error, Example, Result, Stream};

/// The examples that a function keeps: [`StreamExt::filter`](super::StreamExt::filter).
///
/// Batches become smaller; [`batch`](super::StreamExt::batch) after it makes them equal again.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream, StreamExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..6)])?;
/// let mut even = Loader::new(numbers, 3)?.filter(|one| {
///     Ok(one.inputs[0].to_vec::<i64>()?[0] % 2 == 0)
/// });
/// let mut batch = Batch::new();
/// assert!(even.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [0, 2]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone)]
pub struct Filter<S, F> {
    stream: S,
    keep: F,
    read: Batch,
    one: Batch,
    kept: Vec<Range<usize>>,
}

impl<S: Stream, F: Fn(&Batch) -> Result<bool> + Send> Filter<S, F> {
    pub(super) fn new(stream: S, keep: F) -> Self {
        let (read, one) = (Batch::new(), Batch::new());
        Self { stream, keep, read, one, kept: Vec::new() }
    }
}

impl<S: Stream, F: Fn(&Batch) -> Result<bool> + Send> Stream for Filter<S, F> {
    fn name(&self) -> String {
        self.stream.name()
    }

    fn example(&self) -> &Example {
        self.stream.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        let Self { stream, keep, read, one, kept } = self;
        while stream.next_batch(read)? {
            kept.clear();
            for row in 0..read.count() {
                let part = (&*read, row..row + 1);
                stack(stream.example(), std::iter::once(part), one)?;
                if keep(one)? {
                    kept.push(row..row + 1);
                }
            }
            let parts = kept.iter().map(|rows| (&*read, rows.clone()));
            if stack(stream.example(), parts, into)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        self.stream.restart(pass)
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Filter<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// Every so-manieth example: [`StreamExt::shard`](super::StreamExt::shard).
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream, StreamExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..8)])?;
/// let mut third = Loader::new(numbers, 5)?.shard(3, 1)?.batch(8)?;
/// let mut batch = Batch::new();
/// assert!(third.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [1, 4, 7]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Shard<S> {
    stream: S,
    count: usize,
    index: usize,
    /// How many examples of the pass were read, modulo `count`.
    number: usize,
    read: Batch,
}

impl<S: Stream> Shard<S> {
    pub(super) fn new(stream: S, count: usize, index: usize) -> Result<Self> {
        if index >= count {
            return Err(Error::invalid("shard", "an index below the number of shards")
                .got(format_args!("shard {index} of {count}")));
        }
        Ok(Self { stream, count, index, number: 0, read: Batch::new() })
    }
}

impl<S: Stream> Stream for Shard<S> {
    fn name(&self) -> String {
        self.stream.name()
    }

    fn example(&self) -> &Example {
        self.stream.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        while self.stream.next_batch(&mut self.read)? {
            let len = self.read.count();
            let first = (self.count - self.number + self.index) % self.count;
            self.number = (self.number + len % self.count) % self.count;
            let rows = (first..len).step_by(self.count);
            let parts = rows.map(|row| (&self.read, row..row + 1));
            if stack(self.stream.example(), parts, into)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        let restarted = self.stream.restart(pass)?;
        if restarted {
            self.number = 0;
        }
        Ok(restarted)
    }
}

/// The first examples of each pass: [`StreamExt::take`](super::StreamExt::take).
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream, StreamExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..8)])?;
/// let mut first = Loader::new(numbers, 3)?.take(4);
/// let mut batch = Batch::new();
/// assert!(first.next_batch(&mut batch)? && first.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [3]);
/// assert!(!first.next_batch(&mut batch)?);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Take<S> {
    stream: S,
    count: usize,
    left: usize,
    whole: Batch,
}

impl<S: Stream> Take<S> {
    pub(super) fn new(stream: S, count: usize) -> Self {
        Self { stream, count, left: count, whole: Batch::new() }
    }
}

impl<S: Stream> Stream for Take<S> {
    fn name(&self) -> String {
        self.stream.name()
    }

    fn example(&self) -> &Example {
        self.stream.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        // What is not taken is not asked for.
        if self.left == 0 || !self.stream.next_batch(into)? {
            return Ok(false);
        }
        if into.count() > self.left {
            mem::swap(into, &mut self.whole);
            let part = (&self.whole, 0..self.left);
            stack(self.stream.example(), std::iter::once(part), into)?;
        }
        self.left -= into.count();
        Ok(true)
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        let restarted = self.stream.restart(pass)?;
        if restarted {
            self.left = self.count;
        }
        Ok(restarted)
    }
}

/// All but the first examples of each pass: [`StreamExt::skip`](super::StreamExt::skip).
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream, StreamExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..8)])?;
/// let mut rest = Loader::new(numbers, 3)?.skip(4);
/// let mut batch = Batch::new();
/// assert!(rest.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [4, 5]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Skip<S> {
    source: Gather<S>,
    count: usize,
    /// How many examples of this pass are still to be skipped.
    left: usize,
}

impl<S: Stream> Skip<S> {
    pub(super) fn new(stream: S, count: usize) -> Self {
        Self { source: Gather::new(stream), count, left: count }
    }
}

impl<S: Stream> Stream for Skip<S> {
    fn name(&self) -> String {
        self.source.stream.name()
    }

    fn example(&self) -> &Example {
        self.source.stream.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        while self.left > 0 {
            let skipped = self.source.take(self.left.min(1 << 10))?;
            if skipped == 0 {
                return Ok(false);
            }
            self.left -= skipped;
        }
        // What is left of the batch in which skipping ended, then whole batches.
        let rest = self.source.rest();
        if rest > 0 {
            self.source.take(rest)?;
            self.source.stack(into)?;
            return Ok(true);
        }
        self.source.clear();
        self.source.next_batch(into)
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        let restarted = self.source.restart(pass)?;
        if restarted {
            self.left = self.count;
        }
        Ok(restarted)
    }
}
