//! Data that comes batch by batch: [`Stream`], and [`Generator`] for one made of a closure.

use std::fmt;

use crate::{Batch, Example, Result};

/// Batches one after the other, of data without an index: a generator, a log, a socket.
///
/// A stream is read in *passes*. It begins at the start of pass 0; [`Stream::next_batch`] says
/// when a pass is over, and [`Stream::restart`] begins another one. What is random in a stream
/// is keyed by pass and place, so that training can be resumed.
///
/// # Examples
///
/// ```
/// use deckle_data::{Batch, Example, Result, Stream};
/// use deckle_tensor::{DType, Spec};
///
/// /// Three batches with the numbers of pass and batch.
/// struct Numbers {
///     example: Example,
///     pass: u64,
///     batch: u64,
/// }
///
/// impl Stream for Numbers {
///     fn name(&self) -> String {
///         "Numbers".to_owned()
///     }
///
///     fn example(&self) -> &Example {
///         &self.example
///     }
///
///     fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
///         if self.batch == 3 {
///             return Ok(false);
///         }
///         into.prepare(&self.example, 1);
///         into.inputs[0].make_mut::<f32>()[0] = (10 * self.pass + self.batch) as f32;
///         self.batch += 1;
///         Ok(true)
///     }
///
///     fn restart(&mut self, pass: u64) -> Result<bool> {
///         (self.pass, self.batch) = (pass, 0);
///         Ok(true)
///     }
/// }
///
/// let example = Example::new().input("x", Spec::scalar(DType::F32));
/// let mut numbers = Numbers { example, pass: 0, batch: 0 };
/// assert!(numbers.seek(4, 2)?);
/// let mut batch = Batch::new();
/// assert!(numbers.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<f32>()?, [42.0]);
/// assert!(!numbers.next_batch(&mut batch)?);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// A generator or `tf.data.Dataset` given to `Model.fit`.
pub trait Stream: Send {
    /// What it is called in errors.
    fn name(&self) -> String;

    /// What one example holds: names, element types and shapes without the batch axis.
    fn example(&self) -> &Example;

    /// Makes `into` hold the next batch, or says that the pass is over.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn next_batch(&mut self, into: &mut Batch) -> Result<bool>;

    /// The number of batches of a pass, if it is known.
    fn batches(&self) -> Option<usize> {
        None
    }

    /// Goes to the beginning of that pass, or says that it cannot: then training ends with the
    /// data.
    ///
    /// # Errors
    ///
    /// If the source cannot be opened again.
    fn restart(&mut self, pass: u64) -> Result<bool> {
        let _ = pass;
        Ok(false)
    }

    /// Goes to that batch of that pass, both counted from 0, or says that it cannot: then
    /// interrupted training cannot be resumed. By default, batches are read and dropped.
    ///
    /// A stream that does not give the same batches again after [`Stream::restart`] has to
    /// answer `false`.
    ///
    /// # Errors
    ///
    /// If the source cannot be read.
    fn seek(&mut self, pass: u64, batch: u64) -> Result<bool> {
        Ok(self.restart(pass)? && read_and_drop(self, batch)?)
    }
}

/// Reads as many batches; says whether there were as many.
pub(crate) fn read_and_drop<S: Stream + ?Sized>(
    stream: &mut S,
    batches: u64,
) -> Result<bool> {
    let mut dropped = Batch::new();
    for _ in 0..batches {
        if !stream.next_batch(&mut dropped)? {
            return Ok(false);
        }
    }
    Ok(true)
}

macro_rules! stream_behind {
    ($($pointer:ty),*) => {$(
        impl<S: Stream + ?Sized> Stream for $pointer {
            fn name(&self) -> String {
                (**self).name()
            }

            fn example(&self) -> &Example {
                (**self).example()
            }

            fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
                (**self).next_batch(into)
            }

            fn batches(&self) -> Option<usize> {
                (**self).batches()
            }

            fn restart(&mut self, pass: u64) -> Result<bool> {
                (**self).restart(pass)
            }

            fn seek(&mut self, pass: u64, batch: u64) -> Result<bool> {
                (**self).seek(pass, batch)
            }
        }
    )*};
}

stream_behind!(&mut S, Box<S>);

/// A stream whose batches a closure makes; it has one pass, which need not end.
///
/// # Examples
///
/// ```
/// use deckle_data::{Batch, Example, Generator, Stream};
/// use deckle_tensor::{DType, Spec};
///
/// let example = Example::new().input("x", Spec::scalar(DType::F32));
/// let mut made = 0;
/// let mut ones = Generator::new("ones", example, |batch, example| {
///     batch.prepare(example, 8);
///     batch.inputs[0].make_mut::<f32>().fill(1.0);
///     made += 1;
///     Ok(made <= 2)
/// });
/// let mut batch = Batch::new();
/// assert!(ones.next_batch(&mut batch)? && ones.next_batch(&mut batch)?);
/// assert!(!ones.next_batch(&mut batch)?);
/// assert!(!ones.seek(0, 0)?);
/// # Ok::<(), deckle_data::Error>(())
/// ```
pub struct Generator<F> {
    name: String,
    example: Example,
    make: F,
}

impl<F> Generator<F>
where
    F: FnMut(&mut Batch, &Example) -> Result<bool> + Send,
{
    /// Batches of examples like that, filled by `make`, which says whether there was one.
    pub fn new(name: impl Into<String>, example: Example, make: F) -> Self {
        Self { name: name.into(), example, make }
    }
}

impl<F> Stream for Generator<F>
where
    F: FnMut(&mut Batch, &Example) -> Result<bool> + Send,
{
    fn name(&self) -> String {
        self.name.clone()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        (self.make)(into, &self.example)
    }
}

impl<F> fmt::Debug for Generator<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generator(`{}`: {})", self.name, self.example)
    }
}
