//! Examples of a stream, whatever batches they come in: [`Gather`], [`stack`].

use std::{borrow::Cow, mem, ops::Range};

use deckle_tensor::{Tensor, shape_text};

use crate::{Batch, Error, Example, Result, Stream, rows::copy_rows};

/// What the examples of that batch hold: what the stream says but for the lengths, which may
/// differ.
pub(super) fn actual<'a>(example: &'a Example, batch: &Batch) -> Cow<'a, Example> {
    if example.specs().map(|spec| &spec.shape[..]).eq(batch.tensors().map(row_shape)) {
        return Cow::Borrowed(example);
    }
    let mut found = example.clone();
    for (spec, tensor) in found.specs_mut().zip(batch.tensors()) {
        spec.shape = row_shape(tensor).to_vec();
    }
    Cow::Owned(found)
}

/// The shape of an example.
pub(super) fn row_shape(tensor: &Tensor) -> &[usize] {
    tensor.shape().get(1..).unwrap_or_default()
}

/// Reads the next batch of a stream, and checks that it holds examples like the stream's, but for
/// the lengths, and as many in each tensor; each is in row-major order then.
pub(super) fn read<S: Stream>(stream: &mut S, into: &mut Batch) -> Result<bool> {
    let is_there = stream.next_batch(into)?;
    if is_there {
        check(stream.example(), into)?;
        into.straighten();
    }
    Ok(is_there)
}

fn check(example: &Example, batch: &Batch) -> Result<()> {
    let misfit = || Error::invalid("batch", format_args!("examples of {example}"));
    let counts = |inputs, targets, weights| {
        format!("{inputs} inputs, {targets} targets and {weights} weights")
    };
    let expected =
        counts(example.inputs.len(), example.targets.len(), example.weights.len());
    let got = counts(batch.inputs.len(), batch.targets.len(), batch.weights.len());
    if expected != got {
        return Err(misfit().got(got));
    }
    let fields = example.inputs.iter().chain(&example.targets);
    let names = fields.map(|field| &*field.name).chain(std::iter::repeat("weights"));
    let mut first: Option<(&str, usize)> = None;
    for ((tensor, spec), name) in batch.tensors().zip(example.specs()).zip(names) {
        let Some(&len) = tensor.shape().first().filter(|_| tensor.dtype() == spec.dtype)
        else {
            let shape = shape_text(tensor.shape());
            return Err(
                misfit().got(format_args!("`{name}`: {} {shape}", tensor.dtype()))
            );
        };
        let (first, expected) = *first.get_or_insert((name, len));
        if len != expected {
            return Err(Error::Counts {
                first: first.to_owned(),
                expected,
                other: name.to_owned(),
                got: len,
            });
        }
    }
    Ok(())
}

/// Makes `into` hold rows of batches that [`read`] gave, one after the other; says how many.
///
/// # Errors
///
/// If they differ in shape.
pub(super) fn stack<'a>(
    example: &Example,
    parts: impl Iterator<Item = (&'a Batch, Range<usize>)> + Clone,
    into: &mut Batch,
) -> Result<usize> {
    let total = parts.clone().map(|(_, rows)| rows.len()).sum();
    let Some((first, _)) = parts.clone().next() else { return Ok(0) };
    into.prepare(&actual(example, first), total);
    let mut at = 0;
    for (batch, rows) in parts {
        for (from, to) in batch.tensors().zip(into.tensors_mut()) {
            if row_shape(from) != row_shape(to) {
                let one = |tensor| shape_text(row_shape(tensor));
                return Err(Error::invalid("batch", "examples of one shape")
                    .got(format_args!("{} beside {}", one(from), one(to)))
                    .help("padded_batch makes examples equally long"));
            }
            copy_rows(from, &rows, to, at)?;
        }
        at += rows.len();
    }
    Ok(total)
}

/// A stream of which any number of examples can be taken.
#[derive(Clone, Debug)]
pub(super) struct Gather<S> {
    pub(super) stream: S,
    /// What was taken last: batches, which of their rows, and how many they have.
    parts: Vec<(Batch, Range<usize>, usize)>,
    free: Vec<Batch>,
    /// Whether an error ended the last take: what it took is for the next one.
    broke_off: bool,
    /// Whether the pass is over, so that the stream isn't asked again.
    is_over: bool,
}

impl<S: Stream> Gather<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            parts: Vec::new(),
            free: Vec::new(),
            broke_off: false,
            is_over: false,
        }
    }

    /// Reads the stream's next batch, unless the pass is over.
    pub(super) fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        self.is_over = self.is_over || !read(&mut self.stream, into)?;
        Ok(!self.is_over)
    }

    /// Takes the next examples, as many as there are of `wanted`; says how many.
    ///
    /// # Errors
    ///
    /// If the stream cannot be read. Then nothing is lost: who asks for as many again gets those
    /// that came before the error, and what follows it.
    pub(super) fn take(&mut self, wanted: usize) -> Result<usize> {
        if !mem::take(&mut self.broke_off) {
            let last = self.parts.pop_if(|(_, rows, len)| rows.end < *len);
            self.clear();
            self.parts
                .extend(last.map(|(batch, rows, len)| (batch, rows.end..rows.end, len)));
        }
        let mut taken = self.parts.iter().map(|(_, rows, _)| rows.len()).sum();
        while taken < wanted {
            if self.rest() == 0 {
                let mut batch = self.free.pop().unwrap_or_default();
                let read = self.next_batch(&mut batch);
                if !matches!(read, Ok(true)) {
                    self.free.push(batch);
                    self.broke_off = read.is_err();
                    read?;
                    break;
                }
                let len = batch.len();
                self.parts.push((batch, 0..0, len));
            }
            if let Some((_, rows, len)) = self.parts.last_mut() {
                let more = (*len - rows.end).min(wanted - taken);
                rows.end += more;
                taken += more;
            }
        }
        Ok(taken)
    }

    /// What was taken last.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&Batch, Range<usize>)> + Clone {
        let parts = self.parts.iter().filter(|(_, rows, _)| !rows.is_empty());
        parts.map(|(batch, rows, _)| (batch, rows.clone()))
    }

    /// Makes a batch of what was taken last.
    pub(super) fn stack(&self, into: &mut Batch) -> Result<usize> {
        stack(self.stream.example(), self.parts(), into)
    }

    /// How many examples are there of the batch that was read last, but not taken.
    pub(super) fn rest(&self) -> usize {
        self.parts.last().map_or(0, |(_, rows, len)| len - rows.end)
    }

    /// Forgets what was read.
    pub(super) fn clear(&mut self) {
        self.free.extend(self.parts.drain(..).map(|(batch, ..)| batch));
        // As many as a batch is made of; a change in their number is no reason to keep all.
        self.free.truncate(1 << 10);
    }

    pub(super) fn restart(&mut self, pass: u64) -> Result<bool> {
        let restarted = self.stream.restart(pass)?;
        if restarted {
            self.clear();
            (self.broke_off, self.is_over) = (false, false);
        }
        Ok(restarted)
    }
}
