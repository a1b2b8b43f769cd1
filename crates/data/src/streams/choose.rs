//! Some examples of a stream: [`Filter`], [`Shard`], [`Take`], [`Skip`].

use std::{fmt, mem, ops::Range};

use super::gather::{Gather, read, stack};
use crate::{Batch, Example, Result, Stream, adapt::check_shard};

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
    whole: Batch,
    one: Batch,
    kept: Vec<Range<usize>>,
}

impl<S: Stream, F: Fn(&Batch) -> Result<bool> + Send> Filter<S, F> {
    pub(super) fn new(stream: S, keep: F) -> Self {
        let (whole, one) = (Batch::new(), Batch::new());
        Self { stream, keep, whole, one, kept: Vec::new() }
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
        let Self { stream, keep, whole, one, kept } = self;
        while read(stream, whole)? {
            kept.clear();
            for row in 0..whole.len() {
                let part = (&*whole, row..row + 1);
                stack(stream.example(), std::iter::once(part), one)?;
                if !keep(one)? {
                    continue;
                }
                match kept.last_mut().filter(|last| last.end == row) {
                    Some(last) => last.end += 1,
                    None => kept.push(row..row + 1),
                }
            }
            let parts = kept.iter().map(|rows| (&*whole, rows.clone()));
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

/// Every `count`th example: [`StreamExt::shard`](super::StreamExt::shard).
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
    whole: Batch,
}

impl<S: Stream> Shard<S> {
    pub(super) fn new(stream: S, count: usize, index: usize) -> Result<Self> {
        check_shard(count, index)?;
        Ok(Self { stream, count, index, number: 0, whole: Batch::new() })
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
        if self.count == 1 {
            return read(&mut self.stream, into);
        }
        while read(&mut self.stream, &mut self.whole)? {
            let len = self.whole.len();
            // The first that is the shard's; a sum might overflow.
            let first = if self.index >= self.number {
                self.index - self.number
            } else {
                self.count - (self.number - self.index)
            };
            let len_on = len % self.count;
            self.number = if len_on >= self.count - self.number {
                len_on - (self.count - self.number)
            } else {
                self.number + len_on
            };
            let rows = (first..len).step_by(self.count);
            let parts = rows.map(|row| (&self.whole, row..row + 1));
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
        if self.left == 0 || !read(&mut self.stream, into)? {
            return Ok(false);
        }
        if into.len() > self.left {
            mem::swap(into, &mut self.whole);
            let part = (&self.whole, 0..self.left);
            stack(self.stream.example(), std::iter::once(part), into)?;
        }
        self.left -= into.len();
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
