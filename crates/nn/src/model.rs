//! Models: layers with weights, joined to a graph: [`Model`], [`Functional`], [`Sequential`].

mod functional;
mod sequential;

use std::{any::Any, fmt, sync::Arc};

use deckle_autograd::{Group, Var, Variable};
use deckle_tensor::{DType, Shape};

use crate::{
    Built, Call, Error, InputLayer, Inputs, LayerHandle, Result, Symbol, Weight,
};
pub use functional::{Functional, snake_case};
pub use sequential::Sequential;

/// A model with weights: a cheap handle on shared variables.
///
/// Made by [`Sequential`] or [`Functional`]. It builds graph with [`Model::call`]; the crate
/// `train` compiles, fits, evaluates and predicts.
#[derive(Clone)]
pub struct Model(Arc<State>);

struct State {
    name: String,
    seed: u64,
    is_sequential: bool,
    group: Group,
    layers: Vec<ModelLayer>,
    calls: Vec<LayerCall>,
    inputs: Vec<TensorRef>,
    outputs: Vec<TensorRef>,
}

/// A layer of a model, with its weights.
#[derive(Debug)]
pub struct ModelLayer {
    handle: LayerHandle,
    name: String,
    built: Box<dyn Built>,
    weights: Vec<Weight>,
    input_shapes: Vec<Shape>,
    output_shapes: Vec<Shape>,
}

/// One call of a layer of a model.
#[derive(Clone, Debug)]
pub struct LayerCall {
    /// The layer's place in [`Model::layers`].
    pub layer: usize,
    /// The tensors it is given.
    pub inputs: Vec<TensorRef>,
    /// The tensors it is given by name.
    pub named: Vec<(String, TensorRef)>,
    /// The shapes of its outputs.
    pub shapes: Vec<Shape>,
}

/// A tensor of a model: an output of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorRef {
    /// The call's place in [`Model::calls`].
    pub call: usize,
    /// Which of its outputs.
    pub output: usize,
}

impl ModelLayer {
    /// The name, unique in its model.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keras's name of the class.
    #[must_use]
    pub fn class_name(&self) -> &'static str {
        self.handle.layer().class_name()
    }

    /// Configuration, trainability and element type.
    #[must_use]
    pub const fn handle(&self) -> &LayerHandle {
        &self.handle
    }

    /// The weights, in the order in which they were made.
    #[must_use]
    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }

    /// The shapes that it was built for.
    #[must_use]
    pub fn input_shapes(&self) -> &[Shape] {
        &self.input_shapes
    }

    /// The shapes of its first call's outputs.
    #[must_use]
    pub fn output_shapes(&self) -> &[Shape] {
        &self.output_shapes
    }

    /// The number of numbers in its weights.
    #[must_use]
    pub fn count_params(&self) -> usize {
        self.weights.iter().map(|weight| weight.variable().spec().size()).sum()
    }

    /// Whether it stands for an input of the model.
    #[must_use]
    pub fn is_input(&self) -> bool {
        self.as_input().is_some()
    }

    /// The element type of the input that it stands for.
    pub(crate) fn input_dtype(&self) -> DType {
        self.as_input().map_or(DType::F32, InputLayer::dtype)
    }

    fn as_input(&self) -> Option<&InputLayer> {
        (self.handle.layer() as &dyn Any).downcast_ref()
    }
}

impl Model {
    /// The model between these symbols, with seed 0; [`Functional`] has more settings.
    ///
    /// # Errors
    ///
    /// As [`Functional::build`].
    pub fn new<'a>(
        inputs: impl IntoIterator<Item = &'a Symbol>,
        outputs: impl IntoIterator<Item = &'a Symbol>,
    ) -> Result<Self> {
        Functional::new(inputs, outputs).build()
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The seed that its weights, and later dropout, descend from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Whether it was made by [`Sequential`].
    #[must_use]
    pub fn is_sequential(&self) -> bool {
        self.0.is_sequential
    }

    /// The group that its variables are locked with and live in.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.0.group
    }

    /// The layers, inputs included, each after those it needs.
    #[must_use]
    pub fn layers(&self) -> &[ModelLayer] {
        &self.0.layers
    }

    /// The calls of the layers, in an order in which they can run.
    #[must_use]
    pub fn calls(&self) -> &[LayerCall] {
        &self.0.calls
    }

    /// The layer of that name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn layer(&self, name: &str) -> Result<&ModelLayer> {
        self.layers().iter().find(|layer| layer.name == name).ok_or_else(|| {
            let known: Vec<_> = self.layers().iter().map(ModelLayer::name).collect();
            Error::unknown("layer", name, &known)
        })
    }

    /// The tensors that are its inputs.
    #[must_use]
    pub fn input_refs(&self) -> &[TensorRef] {
        &self.0.inputs
    }

    /// The tensors that are its outputs.
    #[must_use]
    pub fn output_refs(&self) -> &[TensorRef] {
        &self.0.outputs
    }

    /// Which of its layer's calls makes a tensor.
    pub(crate) fn call_number(&self, tensor: TensorRef) -> usize {
        let layer = self.0.calls[tensor.call].layer;
        self.0.calls[..tensor.call].iter().filter(|call| call.layer == layer).count()
    }

    fn layer_of(&self, tensor: TensorRef) -> &ModelLayer {
        &self.0.layers[self.0.calls[tensor.call].layer]
    }

    /// The inputs' names, shapes with the batch axis, and element types.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Shape, DType)> {
        self.0.inputs.iter().map(|&tensor| {
            let layer = self.layer_of(tensor);
            (layer.name(), &layer.output_shapes[0], layer.input_dtype())
        })
    }

    /// The outputs' names, those of their layers, and shapes with the batch axis.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &Shape)> {
        self.0.outputs.iter().map(|&tensor| {
            let shape = &self.0.calls[tensor.call].shapes[tensor.output];
            (self.layer_of(tensor).name(), shape)
        })
    }

    /// All weights and states, by layer.
    pub fn weights(&self) -> impl Iterator<Item = &Weight> {
        self.layers().iter().flat_map(ModelLayer::weights)
    }

    /// The weights that training changes: those of layers that are not frozen.
    pub fn trainable_weights(&self) -> impl Iterator<Item = &Weight> {
        let trained = self.layers().iter().filter(|layer| layer.handle.is_trainable());
        trained.flat_map(ModelLayer::weights).filter(|weight| weight.is_trainable())
    }

    /// All variables, by layer.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        self.weights().map(|weight| weight.variable().clone()).collect()
    }

    /// The number of numbers in all weights.
    #[must_use]
    pub fn count_params(&self) -> usize {
        self.layers().iter().map(ModelLayer::count_params).sum()
    }

    /// The sum of the penalties on weights that are trained, if there is any.
    ///
    /// # Errors
    ///
    /// If a penalty cannot be computed.
    pub fn regularization(&self) -> Result<Option<Var>> {
        let mut total: Option<Var> = None;
        for weight in self.trainable_weights() {
            if let Some(regularizer) = weight.regularizer() {
                let penalty = regularizer.penalty(&weight.variable().read())?;
                total = Some(match total {
                    Some(total) => total.add(&penalty)?,
                    None => penalty,
                });
            }
        }
        Ok(total)
    }

    /// Calls every layer once, so that what does not fit is found when the model is built.
    fn trace(&self) -> Result<()> {
        let inputs =
            self.inputs().map(|(name, shape, dtype)| Var::input(name, shape, dtype));
        self.call(&inputs.collect::<Vec<_>>(), &mut Call::inference())?;
        Ok(())
    }

    /// The outputs for these inputs, as graph.
    ///
    /// # Errors
    ///
    /// If there are more or fewer inputs than the model has, one is of another shape, or a
    /// layer fails, which is named.
    pub fn call(&self, inputs: &[Var], call: &mut Call<'_>) -> Result<Vec<Var>> {
        let state = &*self.0;
        if inputs.len() != state.inputs.len() {
            return Err(Error::invalid(
                format_args!("model `{}` cannot take these inputs", state.name),
                match state.inputs.len() {
                    1 => "1 input".to_owned(),
                    n => format!("{n} inputs"),
                },
            )
            .got(inputs.len()));
        }
        let mut made: Vec<Vec<Var>> = vec![Vec::new(); state.calls.len()];
        for ((input, tensor), (name, shape, dtype)) in
            inputs.iter().zip(&state.inputs).zip(self.inputs())
        {
            if !input.shape().may_equal(shape) {
                return Err(Error::invalid(
                    format_args!("input `{name}` of the model got data of another shape"),
                    shape,
                )
                .got(input.shape())
                .help(reshape_help(input.shape())));
            }
            made[tensor.call] = vec![input.cast(dtype)?];
        }
        for (at, step) in state.calls.iter().enumerate() {
            let layer = &state.layers[step.layer];
            if layer.is_input() {
                continue;
            }
            let find = |tensor: &TensorRef| made[tensor.call][tensor.output].clone();
            let given = step.inputs.iter().map(find).collect::<Vec<_>>();
            let mut given = Inputs::new(given);
            for (name, tensor) in &step.named {
                given = given.with(name, find(tensor));
            }
            made[at] = layer
                .call(&given, call)
                .map_err(|error| error.in_layer(layer.name(), layer.class_name()))?;
        }
        Ok(state
            .outputs
            .iter()
            .map(|tensor| made[tensor.call][tensor.output].clone())
            .collect())
    }
}

/// What to do about data of that shape.
fn reshape_help(shape: &Shape) -> String {
    let example: Option<Shape> =
        shape.dims().split_first().map(|(_, dims)| dims.iter().cloned().collect());
    let example = example.unwrap_or_default();
    format!("reshape the data, or build the model for examples of shape {example}")
}

impl ModelLayer {
    fn call(&self, given: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let (handle, dtype) = (&self.handle, self.handle.element_type());
        let casts = handle.layer().casts_inputs();
        let inputs = given.map(|input| {
            let cast = casts && input.dtype().is_float() && input.dtype() != dtype;
            if !cast {
                return Ok(input.clone());
            }
            let output = input.cast(dtype)?;
            if let Some(mask) = call.mask(input).cloned() {
                call.set_mask(&output, &mask);
            }
            Ok(output)
        })?;
        let mut outputs =
            call.within(&self.name, handle.is_trainable(), dtype, |call| {
                self.built.call(&inputs, call)
            })?;
        if !handle.layer().passes_mask() {
            for output in &mut outputs {
                let is_input =
                    inputs.positional().iter().any(|input| input.is_same(output));
                if is_input
                    && call.mask(output).is_some()
                    && output.dtype() != DType::Bool
                {
                    // The same numbers, but another tensor, to which the mask does not belong.
                    *output = output.mul(1.0)?;
                }
            }
        }
        let all: Vec<_> = inputs.positional().to_vec();
        Var::set_path(&outputs, &all, &self.name);
        if handle.layer().passes_mask() {
            let given = inputs.named("mask").next();
            let first = inputs.positional().first();
            let mask = given.or_else(|| call.mask(first?)).cloned();
            for output in &outputs {
                if let (Some(mask), None) = (&mask, call.mask(output)) {
                    call.set_mask(output, mask);
                }
            }
        }
        Ok(outputs)
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.name())
            .field("layers", &self.layers())
            .finish_non_exhaustive()
    }
}
