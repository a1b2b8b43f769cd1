//! Examples in memory whose lengths differ: [`Ragged`].

use std::sync::Arc;

use deckle_tensor::{DType, Spec, Tensor};

use crate::{Batch, Error, Example, Field, Order, Result, Sequences, Stream};

/// Examples in memory whose axes may differ in length, one at a time.
///
/// What [`StreamExt::padded_batch`](super::StreamExt::padded_batch) makes batches of. Goes to any
/// example at once. The lengths of [`Stream::example`] are the longest.
///
/// # Examples
///
/// ```
/// use deckle_data::{Batch, Stream, StreamExt, streams::Ragged};
/// use deckle_tensor::Tensor;
///
/// let x = [Tensor::from([1.0f32]), Tensor::from([2.0f32, 3.0])];
/// let y = [Tensor::scalar(0i64), Tensor::scalar(1i64)];
/// let data = Ragged::new().input("x", x)?.target("y", y)?;
/// assert_eq!(data.example().to_string(), "`x`: float32 (2,), `y`: int64 ()");
/// let mut stream = data.padded_batch(32)?;
/// let mut batch = Batch::new();
/// assert!(stream.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<f32>()?, [1.0, 0.0, 2.0, 3.0]);
/// assert_eq!(batch.targets[0].to_vec::<i64>()?, [0, 1]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Ragged {
    /// The examples of each input, then of each target, with an axis for the batch.
    inputs: Vec<Arc<[Tensor]>>,
    targets: Vec<Arc<[Tensor]>>,
    example: Example,
    seed: Option<u64>,
    order: Option<Order>,
    pass: u64,
    next: usize,
}

impl Ragged {
    /// No examples; add inputs and targets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists of ids, `I64` `(length,)`.
    #[must_use]
    pub fn of_sequences(name: impl Into<String>, sequences: &Sequences) -> Self {
        let rows = sequences.iter().map(|ids| {
            let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
            let len = ids.len();
            Tensor::new(ids, [1, len])
                .unwrap_or_else(|_| Tensor::zeros(DType::I64, [1, 0]))
        });
        let rows: Arc<[Tensor]> = rows.collect();
        let longest = sequences.iter().map(<[u32]>::len).max().unwrap_or(0);
        let example = Example::new().input(name, Spec::new(DType::I64, [longest]));
        Self { inputs: vec![rows], example, ..Self::default() }
    }

    /// Adds an input: its value of each example.
    ///
    /// # Errors
    ///
    /// If there is an input of that name, or there are inputs or targets of another number of
    /// examples, or the values differ in element type or number of axes.
    pub fn input(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = Tensor>,
    ) -> Result<Self> {
        let (rows, field) = self.field(&self.example.inputs, name.into(), values)?;
        self.inputs.push(rows);
        self.example.inputs.push(field);
        Ok(self)
    }

    /// Adds a target: its value of each example.
    ///
    /// # Errors
    ///
    /// As for [`Ragged::input`], but for a target of that name.
    pub fn target(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = Tensor>,
    ) -> Result<Self> {
        let (rows, field) = self.field(&self.example.targets, name.into(), values)?;
        self.targets.push(rows);
        self.example.targets.push(field);
        Ok(self)
    }

    /// Sets the seed of the shuffles; without it, nothing is shuffled.
    #[must_use]
    pub fn shuffled(mut self, seed: impl Into<Option<u64>>) -> Self {
        self.seed = seed.into();
        self.order = None;
        self
    }

    /// The number of examples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.first().or_else(|| self.targets.first()).map_or(0, |rows| rows.len())
    }

    /// Whether there is no example.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples of one more input or target, with an axis for the batch, and what they hold;
    /// `beside` are those of its kind.
    fn field(
        &self,
        beside: &[Field],
        name: String,
        values: impl IntoIterator<Item = Tensor>,
    ) -> Result<(Arc<[Tensor]>, Field)> {
        if beside.iter().any(|field| field.name == name) {
            return Err(Error::invalid("Ragged", "every name once")
                .got(format_args!("`{name}` twice")));
        }
        let mut rows: Vec<Tensor> = Vec::new();
        let mut spec: Option<Spec> = None;
        for value in values {
            let shape = value.shape();
            let spec = spec.get_or_insert_with(|| value.spec());
            if value.dtype() != spec.dtype || shape.len() != spec.rank() {
                return Err(Error::invalid(
                    "Ragged",
                    format_args!("`{name}` of {} and {} axes", spec.dtype, spec.rank()),
                )
                .got(format_args!(
                    "{} at position {}",
                    value.spec(),
                    rows.len()
                )));
            }
            for (len, &other) in spec.shape.iter_mut().zip(shape) {
                *len = (*len).max(other);
            }
            rows.push(value.contiguous().reshape([&[1], shape].concat())?);
        }
        let known = self.inputs.iter().chain(&self.targets).next();
        if let Some(known) = known.filter(|known| known.len() != rows.len()) {
            let fields = self.example.inputs.iter().chain(&self.example.targets);
            return Err(Error::Counts {
                first: fields.map(|field| field.name.clone()).next().unwrap_or_default(),
                expected: known.len(),
                other: name,
                got: rows.len(),
            });
        }
        let spec = spec.unwrap_or_else(|| Spec::scalar(DType::F32));
        Ok((rows.into(), Field { name, spec }))
    }
}

impl Stream for Ragged {
    fn name(&self) -> String {
        "ragged examples".to_owned()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        let (len, next) = (self.len(), self.next);
        if next >= len {
            return Ok(false);
        }
        let index = match self.seed {
            None => next,
            Some(seed) => {
                let pass = self.pass;
                let order = self.order.get_or_insert_with(|| {
                    let mut order = Order::new(0..len);
                    order.shuffle(seed, pass);
                    order
                });
                order.indices()[next]
            }
        };
        let value = |rows: &Arc<[Tensor]>| rows[index].clone();
        into.set(
            self.inputs.iter().map(value).collect(),
            self.targets.iter().map(value).collect(),
        );
        self.next += 1;
        Ok(true)
    }

    fn batches(&self) -> Option<usize> {
        Some(self.len())
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        self.seek(pass, 0)
    }

    fn seek(&mut self, pass: u64, batch: u64) -> Result<bool> {
        let batch = usize::try_from(batch).ok().filter(|&batch| batch <= self.len());
        if let Some(batch) = batch {
            if self.pass != pass {
                self.order = None;
            }
            (self.pass, self.next) = (pass, batch);
        }
        Ok(batch.is_some())
    }
}
