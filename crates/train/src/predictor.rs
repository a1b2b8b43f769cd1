//! Predictions from any number of threads: [`Predictor`].

use std::{
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

use deckle_autograd::{Compiled, Function, Var};
use deckle_data::{Arrays, Batch, Dataset, Order};
use deckle_nn::{Call, Model};
use deckle_tensor::{Dim, Shape, Spec, Tensor};

use crate::{Error, Result, compile::settle, feed::check_order};

/// The axis of the examples, whose number only stateful layers fix.
pub(crate) fn batch_axis(model: &Model) -> Dim {
    model.fixed_batch().map_or_else(Dim::batch, Dim::Known)
}

/// Checks that stateful layers get as many examples as they remember.
pub(crate) fn check_batch<'a>(
    model: &Model,
    mut inputs: impl Iterator<Item = &'a Tensor>,
) -> Result<()> {
    let Some(fixed) = model.fixed_batch() else { return Ok(()) };
    let len = |tensor: &Tensor| tensor.shape().first().copied().unwrap_or(0);
    match inputs.find(|tensor| len(tensor) != fixed) {
        None => Ok(()),
        Some(other) => Err(Error::invalid(
            "stateful layers remember each example of a batch",
            format_args!("batches of {fixed} examples"),
        )
        .got(len(other))
        .help("set batch_size, and give a multiple of it; or build for other batches")),
    }
}

/// Functions by the kinds of their inputs: element types and shapes but for the batch.
type Kinds = Vec<(Vec<Spec>, Arc<Compiled>)>;

/// What computes a model's outputs with its current weights; clones share the programs.
///
/// Any number of threads can use it, also while the model is being trained: each batch sees the
/// weights of one step.
#[derive(Clone, Debug)]
pub struct Predictor {
    model: Model,
    kinds: Arc<RwLock<Kinds>>,
    batch_size: usize,
}

impl Predictor {
    pub(crate) fn new(model: &Model) -> Result<Self> {
        settle(model, None)?;
        Ok(Self { model: model.clone(), kinds: Arc::default(), batch_size: 32 })
    }

    /// Sets how many examples are computed at once; 32 by default. A model with stateful layers
    /// computes as many as it remembers.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// The model's outputs for its inputs, `(batch, ...)` each.
    ///
    /// # Errors
    ///
    /// If the model cannot take these inputs, or there is no example.
    ///
    /// # Examples
    ///
    /// One example, asked for by several threads.
    ///
    /// ```
    /// use deckle_nn::{Initializer, Sequential, layers::Dense};
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Error, Result, Trainable};
    ///
    /// let layer = Dense::new(1).kernel_initializer(Initializer::Ones);
    /// let predictor = Sequential::new([3]).add(layer).build()?.predictor()?;
    /// let sum = |example: [f32; 3]| -> Result<f32> {
    ///     let outputs = predictor.predict(&[Tensor::from(example).expand_dims(0)?])?;
    ///     Ok(outputs[0].item()?)
    /// };
    /// std::thread::scope(|scope| {
    ///     let threads = [1.0, 2.0].map(|x| scope.spawn(move || sum([x, x, x])));
    ///     for (thread, expected) in threads.into_iter().zip([3.0, 6.0]) {
    ///         assert_eq!(thread.join().unwrap()?, expected);
    ///     }
    ///     Ok::<(), Error>(())
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let all = || inputs.iter().cloned();
        let data = Arrays::of_inputs(all()).or_else(|_| {
            // Once more, for an error that tells the inputs apart.
            let shapes: Vec<_> = all().map(|x| Shape::from(x.shape())).collect();
            self.model.check_inputs(&shapes)?;
            let names = self.model.inputs().map(|(name, ..)| name);
            Ok::<_, Error>(Arrays::named(names.zip(all()), [] as [(&str, Tensor); 0])?)
        })?;
        self.collect(data.len(), |batch| {
            if batch.len() == data.len() {
                return self.run(data.inputs());
            }
            let part = |input: &Tensor| input.slice((batch.clone(),));
            let parts = data.inputs().iter().map(part);
            self.run(&parts.collect::<std::result::Result<Vec<_>, _>>()?)
        })
    }

    /// The model's outputs for the inputs of a data set.
    ///
    /// # Errors
    ///
    /// If the model cannot take these inputs, or there is no example.
    pub fn predict_dataset(&self, data: &dyn Dataset) -> Result<Vec<Tensor>> {
        let inputs: Vec<_> = self.model.inputs().map(|(name, ..)| name).collect();
        check_order("inputs", &inputs, &data.example().inputs)?;
        let backend = self.model.group().device().share_backend();
        let (order, mut batch) = (Order::of(data), Batch::on(backend));
        self.collect(data.len(), |range| {
            data.read_batch(&order.indices()[range], &mut batch)?;
            self.run(&batch.inputs)
        })
    }

    /// The outputs of `run` for all batches of `len` examples, one after the other.
    fn collect(
        &self,
        len: usize,
        mut run: impl FnMut(Range<usize>) -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Tensor>> {
        if len == 0 {
            return Err(
                Error::invalid("nothing to predict", "one example or more").got("none")
            );
        }
        let batch_size = self.model.fixed_batch().unwrap_or(self.batch_size);
        if batch_size == 0 {
            return Err(Error::invalid("batch_size", "at least 1").got(0));
        }
        if len <= batch_size {
            return run(0..len);
        }
        let starts = (0..len).step_by(batch_size);
        let batches: Vec<_> = starts
            .map(|start| run(start..len.min(start + batch_size)))
            .collect::<Result<_>>()?;
        let outputs = batches.first().map_or(0, Vec::len);
        let join = |i: usize| {
            let parts: Vec<_> = batches.iter().map(|batch| &batch[i]).collect();
            Ok(Tensor::concatenate(&parts, 0)?)
        };
        (0..outputs).map(join).collect()
    }

    /// The outputs for one batch.
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        check_batch(&self.model, inputs.iter())?;
        let fits = |field: &Spec, tensor: &Tensor| {
            field.dtype == tensor.dtype()
                && tensor.shape().get(1..) == Some(&field.shape[..])
        };
        let find = |kinds: &Kinds| {
            let all = |known: &[Spec]| {
                known.len() == inputs.len()
                    && known.iter().zip(inputs).all(|(field, input)| fits(field, input))
            };
            kinds.iter().find(|(known, _)| all(known)).map(|(_, c)| Arc::clone(c))
        };
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let found = find(&kinds);
        drop(kinds);
        if let Some(compiled) = found {
            return Ok(compiled.call(inputs)?);
        }
        let field = |tensor: &Tensor| {
            Spec::new(tensor.dtype(), tensor.shape().get(1..).unwrap_or(&[]))
        };
        let fields: Vec<_> = inputs.iter().map(field).collect();
        let compiled = Arc::new(self.compile(&fields)?);
        let outputs = compiled.call(inputs)?;
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been faster; one function per kind is enough.
        if find(&kinds).is_none() {
            kinds.push((fields, compiled));
        }
        Ok(outputs)
    }

    fn compile(&self, fields: &[Spec]) -> Result<Compiled> {
        let batch = batch_axis(&self.model);
        let given: Vec<_> = fields
            .iter()
            .enumerate()
            .map(|(i, field)| {
                let dims = field.shape.iter().map(|&len| Dim::Known(len));
                let shape: Shape = std::iter::once(batch.clone()).chain(dims).collect();
                Var::input(&format!("x{i}"), shape, field.dtype)
            })
            .collect();
        let mut call = Call::inference();
        let outputs = self.model.call(&given, &mut call)?;
        let function = Function::new(&given, &outputs).updates(call.updates().to_vec());
        Ok(function.compile(&self.model.group().device())?)
    }
}
