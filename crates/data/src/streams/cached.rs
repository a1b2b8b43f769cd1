//! Batches that are kept in memory: [`Cached`].

use super::gather::stack;
use crate::{Batch, Example, Result, Stream, stream::read_and_drop};

/// The batches of one pass, kept in memory: [`StreamExt::cache`](super::StreamExt::cache).
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
    kept: Vec<Batch>,
    is_whole: bool,
    next: usize,
}

impl<S: Stream> Cached<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, kept: Vec::new(), is_whole: false, next: 0 }
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
            let part = (kept, 0..kept.count());
            stack(self.stream.example(), std::iter::once(part), into)?;
            self.next += 1;
            return Ok(true);
        }
        if !self.stream.next_batch(into)? {
            self.is_whole = true;
            self.next = self.kept.len();
            return Ok(false);
        }
        let mut kept = Batch::new();
        let part = (&*into, 0..into.count());
        stack(self.stream.example(), std::iter::once(part), &mut kept)?;
        self.kept.push(kept);
        Ok(true)
    }

    fn batches(&self) -> Option<usize> {
        if self.is_whole { Some(self.kept.len()) } else { self.stream.batches() }
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        if self.is_whole {
            self.next = 0;
            return Ok(true);
        }
        let restarted = self.stream.restart(pass)?;
        if restarted {
            self.kept.clear();
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
