//! Batches that are kept in memory: [`Cached`].

use super::gather::{read, stack};
use crate::{Batch, Example, Result, Stream, stream::read_and_drop};

/// The batches of one pass, kept in memory: [`StreamExt::cache`](super::StreamExt::cache).
///
/// Every pass is pass 0 of the stream. One in which a batch could not be read is not kept.
///
/// # Examples
///
/// ```
/// use deckle_data::{Batch, Example, Generator, Stream, StreamExt};
/// use deckle_tensor::{DType, Spec};
///
/// let example = Example::new().input("x", Spec::scalar(DType::F32));
/// let mut made = 0;
/// let mut stream = Generator::new("numbers", example, move |batch, example| {
///     batch.prepare(example, 1);
///     batch.inputs[0].make_mut::<f32>()[0] = made as f32;
///     made += 1;
///     Ok(made <= 3)
/// })
/// .cache();
/// let mut batch = Batch::new();
/// while stream.next_batch(&mut batch)? {}
/// // The generator has one pass; what is kept has many.
/// assert!(stream.seek(1, 2)? && stream.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<f32>()?, [2.0]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cached<S> {
    stream: S,
    /// The batches of pass 0.
    kept: Vec<Batch>,
    is_whole: bool,
    /// Whether a batch of this pass could not be read: then not all of it is kept.
    is_torn: bool,
    next: usize,
}

impl<S: Stream> Cached<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, kept: Vec::new(), is_whole: false, is_torn: false, next: 0 }
    }

    /// Reads a batch of the first pass, and keeps it.
    fn read(&mut self, into: &mut Batch) -> Result<bool> {
        let is_there = read(&mut self.stream, into)?;
        if is_there {
            let mut kept = Batch::new();
            let part = (&*into, 0..into.len());
            stack(self.stream.example(), std::iter::once(part), &mut kept)?;
            self.kept.push(kept);
        }
        // Who knows the number of batches does not ask for the end.
        if !is_there || self.stream.batches() == Some(self.kept.len()) {
            (self.is_whole, self.next) = (!self.is_torn, self.kept.len());
        }
        Ok(is_there)
    }
}

impl<S: Stream> Stream for Cached<S> {
    fn name(&self) -> String {
        self.stream.name()
    }

    fn example(&self) -> &Example {
        self.stream.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        if self.is_whole {
            let Some(kept) = self.kept.get(self.next) else { return Ok(false) };
            let part = (kept, 0..kept.len());
            stack(self.stream.example(), std::iter::once(part), into)?;
            self.next += 1;
            return Ok(true);
        }
        let read = self.read(into);
        self.is_torn |= read.is_err();
        read
    }

    fn batches(&self) -> Option<usize> {
        if self.is_whole { Some(self.kept.len()) } else { self.stream.batches() }
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        // Every pass is pass 0, so that it does not matter which was the first to be read.
        let _ = pass;
        let restarted = self.is_whole || self.stream.restart(0)?;
        if restarted {
            (self.is_torn, self.next) = (false, 0);
            if !self.is_whole {
                self.kept.clear();
            }
        }
        Ok(restarted)
    }

    fn seek(&mut self, pass: u64, batch: u64) -> Result<bool> {
        if !self.is_whole {
            return Ok(self.restart(pass)? && read_and_drop(self, batch)?);
        }
        let batch = usize::try_from(batch).ok().filter(|&batch| batch <= self.kept.len());
        self.next = batch.unwrap_or(self.next);
        Ok(batch.is_some())
    }
}
