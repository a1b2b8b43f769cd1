//! Predictions from any number of threads: [`Predictor`].

use std::sync::{Arc, PoisonError, RwLock};

use deckle_autograd::{Compiled, Function, Var};
use deckle_data::{Arrays, Batch, Dataset, Order};
use deckle_nn::{Call, Model};
use deckle_tensor::{Dim, Shape, Spec, Tensor};

use crate::{Error, Result, compile::settle};

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

    /// Sets how many examples are computed at once; 32 by default.
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
    pub fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.predict_dataset(&Arrays::of_inputs(inputs.iter().cloned())?)
    }

    /// The model's outputs for the inputs of a data set.
    ///
    /// # Errors
    ///
    /// If the model cannot take these inputs, or there is no example.
    pub fn predict_dataset(&self, data: &dyn Dataset) -> Result<Vec<Tensor>> {
        if data.is_empty() {
            return Err(
                Error::invalid("nothing to predict", "one example or more").got("none")
            );
        }
        let order = Order::of(data);
        let mut batch = Batch::new();
        let mut parts: Vec<Vec<Tensor>> = Vec::new();
        for indices in order.batches(self.batch_size)? {
            data.read_batch(indices, &mut batch)?;
            for (i, output) in self.run(&batch.inputs)?.into_iter().enumerate() {
                if parts.len() <= i {
                    parts.push(Vec::new());
                }
                parts[i].push(output);
            }
        }
        let join = |parts: &Vec<Tensor>| {
            Ok(Tensor::concatenate(&parts.iter().collect::<Vec<_>>(), 0)?)
        };
        parts.iter().map(join).collect()
    }

    /// The outputs for one batch.
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let field = |tensor: &Tensor| {
            Spec::new(tensor.dtype(), tensor.shape().get(1..).unwrap_or(&[]))
        };
        let fields: Vec<_> = inputs.iter().map(field).collect();
        let find = |kinds: &Kinds| {
            kinds.iter().find(|(known, _)| *known == fields).map(|(_, c)| Arc::clone(c))
        };
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let found = find(&kinds);
        drop(kinds);
        let compiled = if let Some(compiled) = found {
            compiled
        } else {
            let compiled = Arc::new(self.compile(&fields)?);
            let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
            kinds.push((fields, Arc::clone(&compiled)));
            compiled
        };
        Ok(compiled.call(inputs)?)
    }

    fn compile(&self, fields: &[Spec]) -> Result<Compiled> {
        let given: Vec<_> = fields
            .iter()
            .enumerate()
            .map(|(i, field)| {
                let dims = field.shape.iter().map(|&len| Dim::Known(len));
                let shape: Shape = std::iter::once(Dim::batch()).chain(dims).collect();
                Var::input(&format!("x{i}"), shape, field.dtype)
            })
            .collect();
        let outputs = self.model.call(&given, &mut Call::inference())?;
        Ok(Function::new(&given, &outputs).compile(&self.model.group().device())?)
    }
}
