//! The tensors of some examples: [`Batch`].

use std::{mem, sync::Arc};

use deckle_tensor::{Backend, Spec, Tensor};

use crate::{Error, Example, Field, Result, rows::Workers};

/// Some examples of a data set, stacked along a first axis.
///
/// One batch is filled again and again. It keeps the memory of the last few sizes, so that the
/// smaller batch at the end of an epoch costs no allocation either.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Dataset};
/// use deckle_tensor::Tensor;
///
/// let data = Arrays::new(
///     Tensor::new(vec![1.0f32, 2.0, 3.0], [3, 1])?,
///     Tensor::new(vec![10i64, 20, 30], [3])?,
/// )?;
/// let mut batch = Batch::new();
/// data.read_batch(&[2, 0], &mut batch)?;
/// assert_eq!(batch.inputs[0].to_vec::<f32>()?, [3.0, 1.0]);
/// assert_eq!(batch.targets[0].to_vec::<i64>()?, [30, 10]);
///
/// // All of them.
/// assert_eq!(Batch::from(data).len(), 3);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The inputs, each `(batch, ...)`.
    pub inputs: Vec<Tensor>,
    /// The targets, each `(batch, ...)`.
    pub targets: Vec<Tensor>,
    /// The weights of the examples in the losses, each `(batch,)`: none, one for all targets, or
    /// one for each target.
    pub weights: Vec<Tensor>,
    len: usize,
    /// Memory of batches of other sizes, the latest last.
    spare: Vec<Self>,
    pub(crate) workers: Workers,
}

/// How many sizes of batches keep their memory besides the current one.
const SPARE: usize = 3;

impl Batch {
    /// A batch of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch of nothing that the data sets of this crate fill on the threads of a backend, where
    /// it is large. What it is filled with does not depend on that.
    #[must_use]
    pub fn on(backend: Arc<dyn Backend>) -> Self {
        Self { workers: Workers(Some(backend)), ..Self::default() }
    }

    /// The number of examples, also if the tensors were put in place one by one.
    #[must_use]
    pub fn len(&self) -> usize {
        let first = self.inputs.first().or_else(|| self.targets.first());
        first.map_or(self.len, |tensor| tensor.shape().first().copied().unwrap_or(0))
    }

    /// Whether there is no example.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room for `len` examples like `example`; what the tensors hold is unspecified.
    ///
    /// For implementations of [`Dataset::read_batch`](crate::Dataset::read_batch), which then
    /// write through [`Tensor::make_mut`]. Allocates only if none of the last four sizes fits.
    pub fn prepare(&mut self, example: &Example, len: usize) {
        if self.fits(example, len) {
            return;
        }
        if let Some(at) = self.spare.iter().position(|spare| spare.fits(example, len)) {
            let found = self.spare.remove(at);
            self.replace(found);
            return;
        }
        let stack = |spec: &Spec| {
            let mut shape = Vec::with_capacity(spec.rank() + 1);
            shape.push(len);
            shape.extend(&spec.shape);
            Tensor::zeros(spec.dtype, shape)
        };
        let all = |fields: &[Field]| fields.iter().map(|f| stack(&f.spec)).collect();
        self.replace(Self {
            inputs: all(&example.inputs),
            targets: all(&example.targets),
            weights: example.weights.iter().map(stack).collect(),
            len,
            ..Self::default()
        });
    }

    /// Inputs, targets and weights.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = &Tensor> + Clone {
        self.inputs.iter().chain(&self.targets).chain(&self.weights)
    }

    /// Inputs, targets and weights.
    pub(crate) fn tensors_mut(&mut self) -> impl Iterator<Item = &mut Tensor> {
        self.inputs.iter_mut().chain(&mut self.targets).chain(&mut self.weights)
    }

    /// Whether the tensors are those of `len` examples like `example`.
    pub(crate) fn is_like(&self, example: &Example, len: usize) -> bool {
        let counts = (self.inputs.len(), self.targets.len(), self.weights.len());
        counts == (example.inputs.len(), example.targets.len(), example.weights.len())
            && self.tensors().zip(example.specs()).all(|(tensor, spec)| {
                tensor.dtype() == spec.dtype
                    && tensor.shape().split_first() == Some((&len, &spec.shape[..]))
            })
    }

    /// Checks that a data set filled this with as many examples as it was asked for, like those that
    /// it says; each tensor is in row-major order then.
    pub(crate) fn settle(&mut self, example: &Example, len: usize) -> Result<()> {
        if !self.is_like(example, len) {
            let tensors: Vec<_> =
                self.tensors().map(|tensor| tensor.spec().to_string()).collect();
            let expected = format_args!("{len} examples of {example}");
            return Err(Error::invalid("batch", expected).got(tensors.join(", ")));
        }
        self.straighten();
        Ok(())
    }

    /// Puts each tensor in row-major order.
    pub(crate) fn straighten(&mut self) {
        for tensor in self.tensors_mut().filter(|tensor| !tensor.is_contiguous()) {
            *tensor = tensor.contiguous();
        }
    }

    /// Takes these tensors, each of the same number of examples.
    pub(crate) fn set(&mut self, inputs: Vec<Tensor>, targets: Vec<Tensor>) {
        (self.inputs, self.targets, self.weights) = (inputs, targets, Vec::new());
        self.len = 0;
    }

    /// Puts `other`'s tensors in place and keeps the present ones.
    fn replace(&mut self, other: Self) {
        let mut spare = mem::take(&mut self.spare);
        let workers = mem::take(&mut self.workers);
        let old = mem::replace(self, other);
        if !old.inputs.is_empty() || !old.targets.is_empty() {
            if spare.len() == SPARE {
                spare.remove(0);
            }
            spare.push(old);
        }
        (self.spare, self.workers) = (spare, workers);
    }

    fn fits(&self, example: &Example, len: usize) -> bool {
        self.len() == len && self.is_like(example, len)
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{Buffer, DType, Executable, Program, Reference};

    use super::*;
    use crate::{Arrays, Dataset};

    fn example() -> Example {
        Example::new()
            .input("x0", Spec::new(DType::F32, [2]))
            .target("y0", Spec::scalar(DType::U8))
            .weight(DType::F32)
    }

    fn address(batch: &Batch) -> *const u8 {
        batch.inputs[0].as_bytes().unwrap().as_ptr()
    }

    #[test]
    fn memory_of_the_last_sizes_is_kept() {
        let mut batch = Batch::new();
        let mut addresses = Vec::new();
        for len in [8, 7, 6, 5] {
            batch.prepare(&example(), len);
            addresses.push(address(&batch));
        }
        for (len, expected) in [8, 7, 6, 5, 8, 5].into_iter().zip([0, 1, 2, 3, 0, 3]) {
            batch.prepare(&example(), len);
            assert_eq!(batch.len(), len);
            assert_eq!(batch.inputs[0].shape(), [len, 2]);
            assert_eq!(batch.targets[0].shape(), [len]);
            assert_eq!(batch.weights[0].shape(), [len]);
            assert_eq!(address(&batch), addresses[expected]);
        }
    }

    #[test]
    fn threads_fill_with_the_same_and_stay() {
        let data = |width: usize| {
            let count = 40 * width;
            let x = Tensor::arange(0i64..count as i64).reshape([40, width]).unwrap();
            Arrays::new(x.cast(DType::F32), Tensor::arange(0i64..40)).unwrap()
        };
        let mut shared = Batch::on(Arc::new(Reversed));
        for width in [1, 3, 2000, 20_000] {
            let data = data(width);
            for indices in [&[7usize, 39, 0, 7, 12, 1, 30, 22, 9][..], &[], &[3]] {
                let mut alone = Batch::new();
                data.read_batch(indices, &mut alone).unwrap();
                data.read_batch(indices, &mut shared).unwrap();
                assert_eq!(
                    alone.inputs[0].to_vec::<f32>().unwrap(),
                    shared.inputs[0].to_vec::<f32>().unwrap()
                );
                assert!(shared.workers.0.is_some());
            }
        }
    }

    /// Begins with the last task, each on a thread of its own.
    #[derive(Debug)]
    struct Reversed;

    impl Backend for Reversed {
        fn name(&self) -> &'static str {
            "reversed"
        }

        fn compile(
            &self,
            program: &Program,
        ) -> deckle_tensor::Result<Box<dyn Executable>> {
            Reference.compile(program)
        }

        fn allocate(&self, spec: &Spec) -> deckle_tensor::Result<Buffer> {
            Reference.allocate(spec)
        }

        fn write(&self, from: &Tensor, to: &Buffer) -> deckle_tensor::Result<()> {
            Reference.write(from, to)
        }

        fn share(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
            std::thread::scope(|scope| {
                for number in (0..tasks).rev() {
                    scope.spawn(move || task(number));
                }
            });
        }

        fn read(&self, from: &Buffer, to: &mut Tensor) -> deckle_tensor::Result<()> {
            Reference.read(from, to)
        }
    }

    #[test]
    fn no_more_than_four_sizes_are_kept() {
        let mut batch = Batch::new();
        for len in 1..100 {
            batch.prepare(&example(), len);
        }
        assert_eq!(batch.spare.len(), SPARE);
        assert!(batch.spare.iter().all(|spare| spare.spare.is_empty()));
    }

    #[test]
    fn another_kind_of_example_gets_tensors_of_its_own() {
        let mut batch = Batch::new();
        batch.prepare(&example(), 3);
        batch.prepare(&Example::new().input("x0", Spec::new(DType::U8, [2])), 3);
        assert_eq!(batch.inputs[0].dtype(), DType::U8);
        assert!(batch.targets.is_empty() && batch.weights.is_empty());
    }
}
