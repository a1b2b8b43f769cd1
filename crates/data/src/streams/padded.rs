//! Batches of examples of different lengths: [`PaddedBatch`].

use deckle_tensor::{DType, Element as _, Spec, Tensor, shape_text, with_element};

use super::gather::{Gather, row_shape};
use crate::{Batch, Error, Example, Result, Stream, error::at_least_one};

/// Batches of examples that are padded at the end to one shape:
/// [`StreamExt::padded_batch`](super::StreamExt::padded_batch).
///
/// Every axis of a batch is as long as the longest of its examples, or as
/// [`padded_shape`](Self::padded_shape) says. Targets are padded like inputs.
///
/// # Examples
///
/// ```
/// use deckle_data::{Batch, Sequences, Stream, StreamExt, streams::Ragged};
///
/// let texts = Sequences::from_iter([vec![1], vec![2, 3, 4], vec![5, 6]]);
/// let mut stream = Ragged::of_sequences("words", &texts).padded_batch(2)?;
/// let mut batch = Batch::new();
/// assert!(stream.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [1, 0, 0, 2, 3, 4]);
/// assert!(stream.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].shape(), [1, 2]);
///
/// let mut stream = Ragged::of_sequences("words", &texts)
///     .padded_batch(2)?
///     .padded_shape("words", [4])?
///     .padding_value("words", -1.0)?;
/// assert!(stream.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [1, -1, -1, -1, 2, 3, 4, -1]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `tf.data.Dataset.padded_batch`.
#[derive(Clone, Debug)]
pub struct PaddedBatch<S> {
    source: Gather<S>,
    batch_size: usize,
    drop_remainder: bool,
    /// The example as the stream says, but for the axes whose length is set.
    example: Example,
    /// Of each tensor of an example: the lengths that are set, and what it is padded with.
    lens: Vec<Vec<Option<usize>>>,
    values: Vec<f64>,
}

impl<S: Stream> PaddedBatch<S> {
    pub(super) fn new(stream: S, batch_size: usize) -> Result<Self> {
        let example = stream.example().clone();
        let lens: Vec<_> = example.specs().map(|spec| vec![None; spec.rank()]).collect();
        Ok(Self {
            batch_size: at_least_one("padded_batch", "batch_size", batch_size)?,
            drop_remainder: false,
            values: vec![0.0; lens.len()],
            example,
            lens,
            source: Gather::new(stream),
        })
    }

    /// Sets whether a last batch of fewer examples is left out; `false` by default.
    #[must_use]
    pub const fn drop_remainder(mut self, drop_remainder: bool) -> Self {
        self.drop_remainder = drop_remainder;
        self
    }

    /// Sets the lengths of an input's or target's axes, without that of the batch; `None` is the
    /// longest of the batch, as all are by default.
    ///
    /// # Errors
    ///
    /// If nothing has that name, or it has another number of axes.
    pub fn padded_shape<N: Into<Option<usize>>>(
        mut self,
        name: &str,
        shape: impl IntoIterator<Item = N>,
    ) -> Result<Self> {
        let at = self.place(name)?;
        let lens: Vec<Option<usize>> = shape.into_iter().map(Into::into).collect();
        let rank = self.lens[at].len();
        if lens.len() != rank {
            let expected = format!("{rank} lengths for `{name}`");
            return Err(Error::invalid("padded_batch", expected)
                .got(format_args!("{} lengths", lens.len())));
        }
        let known = self.source.stream.example().specs().nth(at);
        for (to, from) in self.example.specs_mut().nth(at).into_iter().zip(known) {
            let lens = from.shape.iter().zip(&lens);
            to.shape = lens.map(|(&known, len)| len.unwrap_or(known)).collect();
        }
        self.lens[at] = lens;
        Ok(self)
    }

    /// Sets what an input or target is padded with; 0 by default.
    ///
    /// # Errors
    ///
    /// If nothing has that name, or its element type cannot hold the value.
    pub fn padding_value(mut self, name: &str, value: f64) -> Result<Self> {
        let at = self.place(name)?;
        let dtype = self.example.specs().nth(at).map_or(DType::F64, |spec| spec.dtype);
        let held = with_element!(dtype, T => T::from_f64(value).to_f64());
        if !dtype.is_float() && held.to_bits() != (value + 0.0).to_bits() {
            return Err(Error::invalid(
                "padded_batch",
                format_args!("a value of {dtype} for `{name}`"),
            )
            .got(value));
        }
        self.values[at] = value;
        Ok(self)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let fields = self.example.inputs.iter().chain(&self.example.targets);
        fields.map(|field| &field.name[..])
    }

    /// Which of an example's tensors has that name.
    fn place(&self, name: &str) -> Result<usize> {
        self.names().position(|known| known == name).ok_or_else(|| {
            let known = self.names().collect::<Vec<_>>().join(", ");
            Error::invalid("padded_batch", format_args!("a name of {known}"))
                .got(format_args!("`{name}`"))
        })
    }

    /// Makes a tensor's axes as long as those of all examples that were taken.
    fn widen(&self, at: usize, spec: &mut Spec) -> Result<()> {
        let lens = &self.lens[at];
        spec.shape = lens.iter().map(|len| len.unwrap_or(0)).collect();
        for (batch, _) in self.source.parts() {
            let tensor = batch.tensors().nth(at);
            let found = tensor.map_or(&[][..], row_shape);
            let fits = tensor.is_some_and(|tensor| tensor.dtype() == spec.dtype)
                && found.len() == lens.len()
                && found
                    .iter()
                    .zip(lens)
                    .all(|(&len, most)| most.is_none_or(|m| len <= m));
            if !fits {
                return Err(self.misfit(at, spec.dtype, tensor));
            }
            for (len, &found) in spec.shape.iter_mut().zip(found) {
                *len = (*len).max(found);
            }
        }
        Ok(())
    }

    fn misfit(&self, at: usize, dtype: DType, got: Option<&Tensor>) -> Error {
        let name = self.names().nth(at).unwrap_or("weights");
        let lens = self.lens[at].iter();
        let lens: Vec<_> =
            lens.map(|len| len.map_or("any".to_owned(), |len| len.to_string())).collect();
        let got = got.map_or("none".to_owned(), |tensor| {
            format!("{} {}", tensor.dtype(), shape_text(row_shape(tensor)))
        });
        Error::invalid(
            "padded_batch",
            format_args!("`{name}` of {dtype} and at most ({})", lens.join(", ")),
        )
        .got(got)
        .help("give a larger padded_shape, or None for the longest of the batch")
    }
}

impl<S: Stream> Stream for PaddedBatch<S> {
    fn name(&self) -> String {
        self.source.stream.name()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        let taken = self.source.take(self.batch_size)?;
        if taken == 0 || (self.drop_remainder && taken < self.batch_size) {
            return Ok(false);
        }
        let mut example = self.example.clone();
        for (at, spec) in example.specs_mut().enumerate() {
            self.widen(at, spec)?;
        }
        into.prepare(&example, taken);
        for ((number, to), &value) in into.tensors_mut().enumerate().zip(&self.values) {
            with_element!(to.dtype(), T => to.make_mut::<T>().fill(T::from_f64(value)));
            let mut at = 0;
            for (batch, rows) in self.source.parts() {
                if let Some(from) = batch.tensors().nth(number) {
                    let from = from.slice(rows.start as isize..rows.end as isize)?;
                    write(&from.contiguous(), to, at);
                }
                at += rows.len();
            }
        }
        Ok(true)
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        self.source.restart(pass)
    }
}

/// Writes examples to the beginning of every axis of larger ones, from example `at` on.
fn write(from: &Tensor, to: &mut Tensor, at: usize) {
    let (small, large) = (from.shape().to_vec(), to.shape().to_vec());
    let line = small.last().copied().filter(|_| small.len() > 1).unwrap_or(1);
    if from.is_empty() {
        return;
    }
    with_element!(from.dtype(), T => {
        let Some(from) = from.as_slice::<T>() else { return };
        let to = to.make_mut::<T>();
        for (number, from) in from.chunks_exact(line).enumerate() {
            // The place of the line's first element, from the last axis but one to the first.
            let (mut rest, mut place) = (number, 0);
            let mut stride = if small.len() > 1 { large[large.len() - 1] } else { 1 };
            for axis in (0..small.len().max(2) - 1).rev() {
                let index = rest % small[axis];
                rest /= small[axis];
                place += (index + if axis == 0 { at } else { 0 }) * stride;
                stride *= large[axis];
            }
            to[place..place + line].copy_from_slice(from);
        }
    });
}
