//! Several passes as one: [`Repeat`].

use crate::{Batch, Error, Example, Result, Stream, stream::read_and_drop};

/// Passes of a stream one after the other: [`StreamExt::repeat`](super::StreamExt::repeat).
///
/// Pass `p` of `count` repetitions has the passes from `p * count` on, so that what is shuffled or
/// changed at random is so in each.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream, StreamExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..3)])?;
/// let mut twice = Loader::new(numbers, 2)?.repeat(2);
/// assert_eq!(twice.batches(), Some(4));
/// let mut batch = Batch::new();
/// assert!(twice.seek(0, 3)? && twice.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [2]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Repeat<S> {
    stream: S,
    count: Option<usize>,
    pass: u64,
    /// Which repetition is read, and whether it had a batch.
    turn: u64,
    had_batch: bool,
}

impl<S: Stream> Repeat<S> {
    pub(super) const fn new(stream: S, count: Option<usize>) -> Self {
        Self { stream, count, pass: 0, turn: 0, had_batch: false }
    }

    /// The pass of the stream that a repetition of a pass is. Without a count, a pass has no end,
    /// so another can only be begun by who leaves one; it then begins far away.
    fn inner(&self, pass: u64, turn: u64) -> u64 {
        let count = self.count.map_or(1 << 32, |count| count as u64);
        pass.wrapping_mul(count).wrapping_add(turn)
    }
}

impl<S: Stream> Stream for Repeat<S> {
    fn name(&self) -> String {
        self.stream.name()
    }

    fn example(&self) -> &Example {
        self.stream.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        loop {
            if self.count.is_some_and(|count| self.turn >= count as u64) {
                return Ok(false);
            }
            if self.stream.next_batch(into)? {
                self.had_batch = true;
                return Ok(true);
            }
            let next = self.turn + 1;
            if !self.had_batch || self.count.is_some_and(|count| next >= count as u64) {
                return Ok(false);
            }
            if !self.stream.restart(self.inner(self.pass, next))? {
                return Err(Error::invalid("repeat", "a stream that can begin again")
                    .got(format_args!("stream `{}`, which cannot", self.stream.name()))
                    .help("cache() before repeat() keeps the batches of its only pass"));
            }
            (self.turn, self.had_batch) = (next, false);
        }
    }

    fn batches(&self) -> Option<usize> {
        self.stream.batches()?.checked_mul(self.count?)
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        let restarted = self.stream.restart(self.inner(pass, 0))?;
        if restarted {
            (self.pass, self.turn, self.had_batch) = (pass, 0, false);
        }
        Ok(restarted)
    }

    fn seek(&mut self, pass: u64, batch: u64) -> Result<bool> {
        if let Some(len) = self.stream.batches().filter(|&len| len > 0) {
            let len = len as u64;
            let (mut turn, mut at) = (batch / len, batch % len);
            if let Some(count) = self.count.map(|count| count as u64)
                && turn >= count
            {
                if count == 0 || batch > count * len {
                    return Ok(batch == 0 && self.restart(pass)?);
                }
                (turn, at) = (count - 1, len);
            }
            let found = self.stream.seek(self.inner(pass, turn), at)?;
            if found {
                (self.pass, self.turn, self.had_batch) = (pass, turn, at > 0);
            }
            return Ok(found);
        }
        Ok(self.restart(pass)? && read_and_drop(self, batch)?)
    }
}
