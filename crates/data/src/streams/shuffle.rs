//! Examples in a random order, with bounded memory: [`Shuffle`].

use std::mem;

use deckle_tensor::random::Draw;

use super::gather::{Gather, stack};
use crate::{Batch, Example, Result, Stream, error::at_least_one};

/// The stream of random numbers that buffers draw from.
const BUFFER: u64 = u64::from_le_bytes(*b"buffer\0\0");

/// Examples drawn from a buffer of those that come next:
/// [`StreamExt::shuffle`](super::StreamExt::shuffle).
///
/// Holds that many examples in memory. The order is a function of seed and pass, whatever batches
/// the examples come in; batches are as large as the first of the pass. A buffer as large as the
/// data gives every order with equal chance; a smaller one moves an example forward by its size at
/// most.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream, StreamExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..6)])?;
/// // A loader has a shuffle of its own, of all that it reads.
/// let mut stream = StreamExt::shuffle(Loader::new(numbers, 6)?, 3, 42)?;
/// let mut batch = Batch::new();
/// assert!(stream.next_batch(&mut batch)?);
/// let mut seen = batch.inputs[0].to_vec::<i64>()?;
/// assert_ne!(seen, [0, 1, 2, 3, 4, 5]);
/// seen.sort_unstable();
/// assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Shuffle<S> {
    source: Gather<S>,
    size: usize,
    seed: u64,
    pass: u64,
    /// How many examples of this pass were drawn.
    drawn: u64,
    /// The examples of a batch; not known before the first.
    batch_size: Option<usize>,
    buffer: Vec<Batch>,
    chosen: Vec<Batch>,
    /// How many examples of the next batch were chosen; an error leaves them to be gone on with.
    taken: usize,
}

impl<S: Stream> Shuffle<S> {
    pub(super) fn new(stream: S, size: usize, seed: u64) -> Result<Self> {
        Ok(Self {
            source: Gather::new(stream),
            size: at_least_one("shuffle", "buffer_size", size)?,
            seed,
            pass: 0,
            drawn: 0,
            batch_size: None,
            buffer: Vec::new(),
            chosen: Vec::new(),
            taken: 0,
        })
    }

    /// Draws an example, into `chosen` at that place; says whether there was one.
    fn draw(&mut self, place: usize) -> Result<bool> {
        let mut spare = mem::take(&mut self.chosen[place]);
        let mut more = true;
        // One more than the buffer holds, so that drawn and next change places.
        while more && self.buffer.len() <= self.size {
            more = self.source.take(1)? == 1;
            if more {
                if self.batch_size.is_none() {
                    let whole = self.source.parts().next().map(|(batch, _)| batch.len());
                    self.batch_size = Some(whole.unwrap_or(1));
                }
                let mut one = mem::take(&mut spare);
                self.source.stack(&mut one)?;
                self.buffer.push(one);
            }
        }
        if self.buffer.is_empty() {
            return Ok(false);
        }
        // The one that came last is not in the buffer yet, unless no more come.
        let among = self.buffer.len().min(self.size) as u64;
        let draw = Draw::new(self.seed, BUFFER, self.pass);
        let at = draw.below(self.drawn, among) as usize;
        self.drawn += 1;
        self.chosen[place] = self.buffer.swap_remove(at);
        Ok(true)
    }
}

impl<S: Stream> Stream for Shuffle<S> {
    fn name(&self) -> String {
        self.source.stream.name()
    }

    fn example(&self) -> &Example {
        self.source.stream.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        while self.taken < self.batch_size.unwrap_or(1) {
            if self.chosen.len() == self.taken {
                self.chosen.push(Batch::new());
            }
            if !self.draw(self.taken)? {
                break;
            }
            self.taken += 1;
        }
        let taken = mem::take(&mut self.taken);
        let parts = self.chosen[..taken].iter().map(|one| (one, 0..1));
        Ok(stack(self.source.stream.example(), parts, into)? > 0)
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        let restarted = self.source.restart(pass)?;
        if restarted {
            (self.pass, self.drawn, self.batch_size, self.taken) = (pass, 0, None, 0);
            self.buffer.clear();
        }
        Ok(restarted)
    }
}
