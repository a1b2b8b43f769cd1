//! Where batches come from: [`Source`], and [`Feed`] for what training reads of one.

use std::{fmt, ops::Range};

use deckle_autograd::Device;
use deckle_data::{Batch, Dataset, Example, Field, Order, Stream};
use deckle_nn::Model;
use deckle_tensor::{DType, Tensor};

use crate::{Error, Result, class_weight::ClassWeights};

/// Where examples come from: a data set, or a stream.
///
/// Made of `&data` or `&mut stream`, which is what [`Trainer::fit`](crate::Trainer::fit) takes.
pub enum Source<'a> {
    /// Examples by index.
    Dataset(&'a dyn Dataset),
    /// Batches one after the other.
    Stream(Box<dyn Stream + 'a>),
}

/// The examples in a batch, where none are given: so many that the steps see all examples, or 32.
pub(crate) fn batch_size(
    size: Option<usize>,
    steps: Option<usize>,
    examples: usize,
) -> usize {
    size.unwrap_or_else(|| steps.map_or(32, |steps| examples.div_ceil(steps)))
}

impl<'a, D: Dataset> From<&'a D> for Source<'a> {
    fn from(data: &'a D) -> Self {
        Self::Dataset(data)
    }
}

impl<'a> From<&'a dyn Dataset> for Source<'a> {
    fn from(data: &'a dyn Dataset) -> Self {
        Self::Dataset(data)
    }
}

impl<'a, S: Stream> From<&'a mut S> for Source<'a> {
    fn from(stream: &'a mut S) -> Self {
        Self::Stream(Box::new(stream))
    }
}

impl<'a> From<&'a mut dyn Stream> for Source<'a> {
    fn from(stream: &'a mut dyn Stream) -> Self {
        Self::Stream(Box::new(stream))
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dataset(data) => {
                write!(f, "Dataset({} examples of {})", data.len(), data.example())
            }
            Self::Stream(stream) => write!(f, "Stream(`{}`)", stream.name()),
        }
    }
}

/// Batches of a source, pass after pass, with the weights that `fit` gives their examples.
pub(crate) struct Feed<'a> {
    input: Input<'a>,
    batch: Batch,
    weights: ExampleWeights<'a>,
    /// The pass that is read, if one was begun, and how many of its batches were read.
    pub(crate) pass: Option<u64>,
    pub(crate) read: usize,
}

enum Input<'a> {
    Indexed {
        data: &'a dyn Dataset,
        order: Order,
        size: usize,
        seed: Option<u64>,
        /// Whether examples may differ from pass to pass, as augmented ones do.
        by_pass: bool,
    },
    Streamed {
        stream: Box<dyn Stream + 'a>,
        is_fresh: bool,
    },
}

impl<'a> Feed<'a> {
    /// Batches of `size` examples of a range of a data set, shuffled if there is a seed.
    pub(crate) fn indexed(
        data: &'a dyn Dataset,
        range: Range<usize>,
        size: usize,
        seed: Option<u64>,
    ) -> Result<Self> {
        let order = Order::new(range);
        if order.is_empty() {
            return Err(empty());
        }
        // Fails for a size of 0.
        order.batches(size)?;
        Ok(Self::new(Input::Indexed { data, order, size, seed, by_pass: false }))
    }

    /// The same batches, filled on the threads of a device.
    pub(crate) fn on(mut self, device: &Device) -> Self {
        // A stream may be read ahead, on threads of its own, while the device is busy.
        if matches!(self.input, Input::Indexed { .. }) {
            self.batch = Batch::on(device.share_backend());
        }
        self
    }

    /// The same batches as they are read for training: each pass is an epoch of the data set.
    pub(crate) const fn for_training(mut self) -> Self {
        if let Input::Indexed { by_pass, .. } = &mut self.input {
            *by_pass = true;
        }
        self
    }

    /// Batches as a stream gives them.
    pub(crate) fn streamed(stream: Box<dyn Stream + 'a>) -> Self {
        Self::new(Input::Streamed { stream, is_fresh: true })
    }

    /// All of a source, in order.
    pub(crate) fn all(
        source: Source<'a>,
        size: Option<usize>,
        steps: Option<usize>,
    ) -> Result<Self> {
        match source {
            Source::Dataset(data) => {
                let size = batch_size(size, steps, data.len());
                Self::indexed(data, 0..data.len(), size, None)
            }
            Source::Stream(stream) => Ok(Self::streamed(stream)),
        }
    }

    fn new(input: Input<'a>) -> Self {
        let weights = ExampleWeights::default();
        Self { input, batch: Batch::new(), weights, pass: None, read: 0 }
    }

    /// Weighs examples by class and by index besides.
    pub(crate) fn weigh(
        mut self,
        class: Option<ClassWeights<'a>>,
        sample: Option<&Tensor>,
    ) -> Result<Self> {
        let sample = match (sample, &self.input) {
            (None, _) => None,
            (Some(weights), Input::Indexed { data, .. }) => {
                if weights.shape() != [data.len()] {
                    return Err(Error::invalid(
                        "sample_weight",
                        format_args!("({},)", data.len()),
                    )
                    .got(weights.spec()));
                }
                Some(weights.cast(DType::F32).to_vec::<f32>()?)
            }
            (Some(_), Input::Streamed { stream, .. }) => {
                return Err(Error::invalid("sample_weight", "a data set")
                    .got(format_args!("stream `{}`", stream.name()))
                    .help("have the stream give its examples' weights"));
            }
        };
        self.weights = ExampleWeights { class, sample, ..ExampleWeights::default() };
        Ok(self)
    }

    /// What an example of the source holds.
    fn example(&self) -> &Example {
        match &self.input {
            Input::Indexed { data, .. } => data.example(),
            Input::Streamed { stream, .. } => stream.example(),
        }
    }

    /// Fails if the source names its tensors as the model does, but in another order.
    pub(crate) fn check_order(&self, model: &Model) -> Result<()> {
        let inputs: Vec<_> = model.inputs().map(|(name, ..)| name).collect();
        let outputs: Vec<_> = model.outputs().map(|(name, _)| name).collect();
        check_order("inputs", &inputs, &self.example().inputs)?;
        check_order("targets", &outputs, &self.example().targets)
    }

    /// A batch like the first of a data set, without its numbers; a stream's may differ from what
    /// it says.
    pub(crate) fn blank(&self) -> Option<Batch> {
        let Input::Indexed { data, order, size, .. } = &self.input else { return None };
        let mut batch = Batch::new();
        batch.prepare(data.example(), order.len().min(*size));
        Some(batch)
    }

    /// What a stream is called.
    pub(crate) fn stream_name(&self) -> Option<String> {
        match &self.input {
            Input::Streamed { stream, .. } => Some(stream.name()),
            Input::Indexed { .. } => None,
        }
    }

    /// The number of batches of a pass, if it is known.
    pub(crate) fn batches(&self) -> Option<usize> {
        match &self.input {
            Input::Indexed { order, size, .. } => Some(order.len().div_ceil(*size)),
            Input::Streamed { stream, .. } => stream.batches(),
        }
    }

    /// What a checkpoint says of the data: their number and kind.
    pub(crate) fn description(&self) -> String {
        match &self.input {
            Input::Indexed { data, order, size, .. } => format!(
                "{} examples in batches of {size}: {}",
                order.len(),
                data.example()
            ),
            Input::Streamed { stream, .. } => {
                format!("stream `{}`: {}", stream.name(), stream.example())
            }
        }
    }

    /// Goes to the beginning of a pass; says whether there is one.
    pub(crate) fn begin(&mut self, pass: u64) -> Result<bool> {
        let there = match &mut self.input {
            Input::Indexed { order, seed, .. } => {
                if let Some(seed) = seed {
                    order.shuffle(*seed, pass);
                }
                true
            }
            // A stream stands at the beginning of pass 0 already.
            Input::Streamed { is_fresh, .. } if *is_fresh && pass == 0 => true,
            Input::Streamed { stream, is_fresh } => {
                // A stream that has only one pass gives it to the first who asks.
                stream.restart(pass)? || *is_fresh
            }
        };
        (self.pass, self.read) = (there.then_some(pass), 0);
        Ok(there)
    }

    /// Goes to a batch of a pass, where reading was interrupted.
    pub(crate) fn seek(&mut self, pass: u64, batch: usize) -> Result<()> {
        match &mut self.input {
            Input::Indexed { .. } => {
                self.begin(pass)?;
            }
            Input::Streamed { stream, is_fresh } => {
                if !stream.seek(pass, batch as u64)? {
                    return Err(Error::invalid(
                        format_args!(
                            "stream `{}` cannot go to batch {batch} of pass {pass}, so training \
                             cannot be resumed",
                            stream.name()
                        ),
                        "a stream that can seek",
                    )
                    .got("one that cannot")
                    .help("implement Stream::seek or Stream::restart, or begin anew"));
                }
                *is_fresh = false;
            }
        }
        (self.pass, self.read) = (Some(pass), batch);
        Ok(())
    }

    /// Reads the next batch of the pass, if there is one.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        self.weights.take_back(&mut self.batch);
        let indices = match &mut self.input {
            Input::Indexed { data, order, size, by_pass, .. } => {
                let from = self.read.saturating_mul(*size).min(order.len());
                let to = from.saturating_add(*size).min(order.len());
                let indices = &order.indices()[from..to];
                if indices.is_empty() {
                    return Ok(false);
                }
                match self.pass {
                    Some(pass) if *by_pass => {
                        data.read_epoch(pass, indices, &mut self.batch)?;
                    }
                    _ => data.read_batch(indices, &mut self.batch)?,
                }
                indices
            }
            Input::Streamed { stream, is_fresh } => {
                *is_fresh = false;
                if !stream.next_batch(&mut self.batch)? {
                    return Ok(false);
                }
                &[]
            }
        };
        self.weights.apply(indices, &mut self.batch)?;
        self.read += 1;
        Ok(true)
    }

    /// The batch that was read last.
    pub(crate) const fn batch(&self) -> &Batch {
        &self.batch
    }
}

/// Fails if the fields have these names, but in another order: tensors are taken by their place.
pub(crate) fn check_order(what: &str, names: &[&str], fields: &[Field]) -> Result<()> {
    let given: Vec<_> = fields.iter().map(|field| &*field.name).collect();
    let is_other = given != names
        && given.len() == names.len()
        && names.iter().all(|name| given.contains(name));
    if !is_other {
        return Ok(());
    }
    let list = |names: &[&str]| {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    Err(Error::invalid(
        format_args!("the data set's {what} are in another order than the model's"),
        list(names),
    )
    .got(list(&given))
    .help("give them in the model's order, by which they are taken"))
}

/// The error for data without an example.
pub(crate) fn empty() -> Error {
    Error::invalid("the data set is empty", "one example or more").got("none")
}

/// The weights that examples have by index and by class.
#[derive(Default)]
struct ExampleWeights<'a> {
    class: Option<ClassWeights<'a>>,
    sample: Option<Vec<f32>>,
    /// Memory for batches of several sizes.
    made: Vec<Tensor>,
    /// What was added to the batch, and has to be taken out of it again.
    added: Added,
}

#[derive(Clone, Copy, Default)]
enum Added {
    #[default]
    Nothing,
    Sample,
    Class,
}

impl ExampleWeights<'_> {
    fn apply(&mut self, indices: &[usize], batch: &mut Batch) -> Result<()> {
        if let Some(weights) = &self.sample {
            if !batch.weights.is_empty() {
                return Err(Error::invalid(
                    "sample_weight",
                    "a data set whose examples have no weights",
                )
                .got("one whose examples have"));
            }
            let found = self.made.iter().position(|made| made.shape() == [indices.len()]);
            let mut made = match found {
                Some(at) => self.made.swap_remove(at),
                None => Tensor::zeros(DType::F32, [indices.len()]),
            };
            for (made, &index) in made.make_mut::<f32>().iter_mut().zip(indices) {
                *made = weights[index];
            }
            batch.weights.push(made);
            self.added = Added::Sample;
        }
        if let Some(class) = &mut self.class
            && class.apply(batch)?
        {
            self.added = Added::Class;
        }
        Ok(())
    }

    fn take_back(&mut self, batch: &mut Batch) {
        match std::mem::take(&mut self.added) {
            Added::Nothing => {}
            Added::Sample => self.made.append(&mut batch.weights),
            Added::Class => {
                if let Some(class) = &mut self.class {
                    class.take_back(batch);
                }
            }
        }
    }
}
