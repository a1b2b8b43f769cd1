//! Models: layers with weights, joined to a graph: [`Model`], [`Functional`], [`Sequential`].

mod cut;
mod edit;
mod functional;
mod layer;
mod nest;
mod nested;
mod order;
mod sequential;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::AtomicUsize},
};

use deckle_autograd::{Group, Signature, Var, Variable};
use deckle_tensor::{DType, Shape, Tensor};

use crate::{Call, Error, Inputs, Result, Symbol, Weight};
pub use functional::{Functional, snake_case};
pub use layer::ModelLayer;
pub use nest::{Arguments, Nest};
pub(crate) use nested::Nested;
pub use sequential::Sequential;

/// A model with weights: a cheap handle on shared variables.
///
/// Made by [`Sequential`] or [`Functional`]. It builds graph with [`Model::call`]; the crate
/// `train` compiles, fits, evaluates and predicts.
#[derive(Clone)]
pub struct Model(Arc<State>);

#[derive(Clone)]
struct State {
    name: Option<String>,
    seed: u64,
    is_sequential: bool,
    is_trainable: bool,
    group: Group,
    layers: Vec<ModelLayer>,
    calls: Vec<LayerCall>,
    inputs: Vec<TensorRef>,
    outputs: Vec<TensorRef>,
    /// How inputs and outputs are nested, as numbers in the lists above.
    input_nest: Nest<usize>,
    output_nest: Nest<usize>,
    /// How often it was applied as a layer.
    applied: Arc<AtomicUsize>,
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
    /// How these are nested, and the constants among them, if a file says so.
    pub arguments: Option<Arc<Arguments>>,
    /// How many calls of the layer there are before it, as files count them.
    pub number: usize,
    /// Shapes and element types of its outputs.
    pub outputs: Vec<Signature>,
}

impl LayerCall {
    /// All tensors that it is given.
    pub(crate) fn given(&self) -> impl Iterator<Item = &TensorRef> {
        self.inputs.iter().chain(self.named.iter().map(|(_, tensor)| tensor))
    }
}

/// A tensor of a model: an output of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorRef {
    /// The call's place in [`Model::calls`].
    pub call: usize,
    /// Which of its outputs.
    pub output: usize,
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
        let kind = if self.is_sequential() { "sequential" } else { "functional" };
        self.0.name.as_deref().unwrap_or(kind)
    }

    /// The name that it was given.
    pub(crate) fn own_name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// A number that differs from that of every other model that is alive.
    pub(crate) fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// What counts how often the model was applied as a layer.
    pub(crate) fn call_counter(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0.applied)
    }

    /// Whether training changes its weights, but for those of layers that are frozen.
    #[must_use]
    pub fn is_trainable(&self) -> bool {
        self.0.is_trainable
    }

    /// How the inputs are nested, as numbers of inputs.
    #[must_use]
    pub fn input_nest(&self) -> &Nest<usize> {
        &self.0.input_nest
    }

    /// How the outputs are nested, as numbers of outputs.
    #[must_use]
    pub fn output_nest(&self) -> &Nest<usize> {
        &self.0.output_nest
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

    /// The group that its own variables are locked with and live in; those of models in it
    /// have groups of their own, see [`Model::groups`].
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.0.group
    }

    /// All groups that its variables live in, its own first.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let mut groups = vec![self.group().clone()];
        for weight in self.weights() {
            let group = weight.variable().group();
            if !groups.iter().any(|known| known.is_same(group)) {
                groups.push(group.clone());
            }
        }
        groups
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

    /// The layer of that name, or at that path, as `encoder/dense`.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn layer(&self, path: &str) -> Result<&ModelLayer> {
        let (name, rest) =
            path.split_once('/').map_or((path, None), |(a, b)| (a, Some(b)));
        let layer = self.layers().iter().find(|layer| layer.name() == name);
        let Some(layer) = layer else {
            let known: Vec<_> = self.layers().iter().map(ModelLayer::name).collect();
            return Err(Error::unknown("layer", name, &known));
        };
        match (rest, layer.model()) {
            (None, _) => Ok(layer),
            (Some(rest), Some(model)) => model.layer(rest),
            (Some(rest), None) => Err(Error::invalid(
                format_args!("there is no layer `{path}`"),
                format_args!("`{name}` to be a model, with a layer `{rest}`"),
            )
            .got(format_args!("a layer of class {}", layer.class_name()))),
        }
    }

    /// The group under `layers` that Keras's weights files have each layer's weights in: its
    /// class in snake case, numbered; nothing for a layer that they leave out.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3)).add(Dense::new(1)).build()?;
    /// let groups = model.file_groups();
    /// assert_eq!(groups, [None, Some("dense".to_owned()), Some("dense_1".to_owned())]);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    #[must_use]
    pub fn file_groups(&self) -> Vec<Option<String>> {
        let mut counts = BTreeMap::new();
        let layers = self.layers().iter().map(|layer| {
            if self.is_sequential() && layer.is_input() {
                return None;
            }
            let class = snake_case(layer.handle().layer().own_class_name());
            let count = counts.entry(class.clone()).or_insert(0usize);
            *count += 1;
            Some(if *count == 1 { class } else { format!("{class}_{}", *count - 1) })
        });
        layers.collect()
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
        self.0.calls[tensor.call].number
    }

    /// Shape and element type of a tensor.
    pub(crate) fn signature(&self, tensor: TensorRef) -> &Signature {
        &self.0.calls[tensor.call].outputs[tensor.output]
    }

    fn layer_of(&self, tensor: TensorRef) -> &ModelLayer {
        &self.0.layers[self.0.calls[tensor.call].layer]
    }

    /// The inputs' names, shapes with the batch axis, and element types.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Shape, DType)> {
        self.0.inputs.iter().map(|&tensor| {
            let signature = self.signature(tensor);
            (self.layer_of(tensor).name(), &signature.shape, signature.dtype)
        })
    }

    /// The outputs' names, and shapes with the batch axis.
    ///
    /// The name is that of the layer; in a model whose outputs are a dictionary, the key.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &Shape)> {
        let outputs = self.0.outputs.iter().enumerate();
        outputs.map(|(at, &tensor)| {
            let key = match &self.0.output_nest {
                Nest::Dict(parts) => {
                    parts.iter().find(|(_, part)| *part == Nest::One(at))
                }
                _ => None,
            };
            let name = key.map_or_else(|| self.layer_of(tensor).name(), |(key, _)| key);
            (name, &self.signature(tensor).shape)
        })
    }

    /// All weights and states, by layer, each once; those of models in it included.
    pub fn weights(&self) -> impl Iterator<Item = &Weight> {
        self.open_weights().into_iter().map(|(_, weight)| weight)
    }

    /// The weights that training changes: those of no frozen layer, unless the model itself is
    /// frozen.
    ///
    /// Whether a model in the model is frozen says nothing: what counts are its layers, which
    /// are frozen with it, and may have been opened since.
    pub fn trainable_weights(&self) -> impl Iterator<Item = &Weight> {
        let open = if self.is_trainable() { self.open_weights() } else { Vec::new() };
        open.into_iter().filter(|(is_open, _)| *is_open).map(|(_, weight)| weight)
    }

    /// Every weight, and whether it is frozen in no layer.
    fn open_weights(&self) -> Vec<(bool, &Weight)> {
        let all = self.layers().iter().flat_map(|layer| {
            let is_open = layer.is_open();
            (layer.weights().iter())
                .map(move |weight| (is_open && weight.is_trainable(), weight))
        });
        unique(all.collect())
    }

    /// Whether training changes something that is no weight, in a layer that is not frozen.
    pub(crate) fn has_state(&self) -> bool {
        let mut layers = self.layers().iter();
        self.is_trainable()
            && layers.any(|layer| match layer.model() {
                Some(model) => model.has_state(),
                None => {
                    let mut weights = layer.weights().iter();
                    layer.is_open() && weights.any(|weight| !weight.is_trainable())
                }
            })
    }

    /// All variables, by layer.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        self.weights().map(|weight| weight.variable().clone()).collect()
    }

    /// What its layers remember from batch to batch, each once: no weights, and in no file of a
    /// model.
    #[must_use]
    pub fn memories(&self) -> Vec<Variable> {
        let mut all: Vec<Variable> = Vec::new();
        for memory in self.layers().iter().flat_map(ModelLayer::memories) {
            if !all.iter().any(|known| known.is_same(memory)) {
                all.push(memory.clone());
            }
        }
        all
    }

    /// The number of examples that every batch has to have: that of the inputs, if a layer
    /// remembers something of each example; else none.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::GRU};
    ///
    /// let model = |layer| Sequential::new([None, Some(3)]).batch_size(8).add(layer).build();
    /// assert_eq!(model(GRU::new(2).stateful(true))?.fixed_batch(), Some(8));
    /// assert_eq!(model(GRU::new(2))?.fixed_batch(), None);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    #[must_use]
    pub fn fixed_batch(&self) -> Option<usize> {
        if self.layers().iter().all(|layer| layer.memories().is_empty()) {
            return None;
        }
        self.inputs().find_map(|(_, shape, _)| shape.dims().first()?.known())
    }

    /// Makes stateful layers begin anew: with zeros.
    ///
    /// # Errors
    ///
    /// If a state cannot be written.
    ///
    /// # Keras
    ///
    /// `reset_state` of each layer.
    pub fn reset_states(&self) -> Result<()> {
        for memory in self.memories() {
            memory.set(&Tensor::zeros(memory.dtype(), memory.shape()))?;
        }
        Ok(())
    }

    /// The number of numbers in all weights.
    #[must_use]
    pub fn count_params(&self) -> usize {
        self.weights().map(|weight| weight.variable().spec().size()).sum()
    }

    /// The sum of the penalties on weights that are trained, if there is any, with the values that
    /// a pass has left them; of the type of the weights if they all have one, else `F32`.
    ///
    /// # Errors
    ///
    /// If a penalty cannot be computed.
    pub fn regularization(&self, call: &Call<'_>) -> Result<Option<Var>> {
        let mut total: Option<Var> = None;
        for weight in self.trainable_weights() {
            if let Some(regularizer) = weight.regularizer() {
                let penalty = regularizer.penalty(&call.read_exact(weight.variable()))?;
                total = Some(match total {
                    Some(total) if total.dtype() == penalty.dtype() => {
                        total.add(&penalty)?
                    }
                    Some(total) => {
                        total.cast(DType::F32)?.add(&penalty.cast(DType::F32)?)?
                    }
                    None => penalty,
                });
            }
        }
        Ok(total)
    }

    /// Calls every layer once, so that what does not fit is found when the model is built, and
    /// notes what its outputs are.
    fn trace(&mut self) -> Result<()> {
        let inputs: Vec<_> = self
            .inputs()
            .map(|(name, shape, dtype)| Var::input(name, shape, dtype))
            .collect();
        let made = self.run(&inputs, &mut Call::inference())?;
        if let Some(state) = Arc::get_mut(&mut self.0) {
            for (call, made) in state.calls.iter_mut().zip(made) {
                call.outputs.truncate(made.len());
                for (output, made) in call.outputs.iter_mut().zip(made) {
                    output.dtype = made.dtype();
                }
            }
        }
        Ok(())
    }

    /// The outputs for these inputs, as graph.
    ///
    /// # Errors
    ///
    /// If there are more or fewer inputs than the model has, one is of another shape, or a
    /// layer fails, which is named.
    pub fn call(&self, inputs: &[Var], call: &mut Call<'_>) -> Result<Vec<Var>> {
        let made = self.run(inputs, call)?;
        let outputs = self.0.outputs.iter();
        Ok(outputs.map(|tensor| made[tensor.call][tensor.output].clone()).collect())
    }

    /// What every call makes.
    fn run(&self, inputs: &[Var], call: &mut Call<'_>) -> Result<Vec<Vec<Var>>> {
        let state = &*self.0;
        self.check_count(inputs.len())?;
        let mut made: Vec<Vec<Var>> = vec![Vec::new(); state.calls.len()];
        for ((input, tensor), (name, shape, dtype)) in
            inputs.iter().zip(&state.inputs).zip(self.inputs())
        {
            nested::check_input(name, shape, input.shape())?;
            let given = input.cast(dtype)?;
            if let (false, Some(mask)) = (given.is_same(input), call.mask(input).cloned())
            {
                call.set_mask(&given, &mask);
            }
            made[tensor.call] = vec![given];
        }
        for (at, step) in state.calls.iter().enumerate() {
            let layer = &state.layers[step.layer];
            if layer.is_input() {
                continue;
            }
            let find = |tensor: &TensorRef| made[tensor.call][tensor.output].clone();
            let given = step.inputs.iter().map(find).collect::<Vec<_>>();
            let mut given = Inputs::new(given).called_with(step.arguments.as_ref());
            for (name, tensor) in &step.named {
                given = given.with(name, find(tensor));
            }
            made[at] = layer.call(&given, call).map_err(|error| layer.locate(error))?;
        }
        Ok(made)
    }
}

/// Every weight once, and whether it is open everywhere.
fn unique(all: Vec<(bool, &Weight)>) -> Vec<(bool, &Weight)> {
    let mut places = BTreeMap::new();
    let mut unique: Vec<(bool, &Weight)> = Vec::with_capacity(all.len());
    for (trained, weight) in all {
        let place = *places.entry(weight.variable().key()).or_insert(unique.len());
        match unique.get_mut(place) {
            Some((everywhere, _)) => *everywhere &= trained,
            None => unique.push((trained, weight)),
        }
    }
    unique
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.name())
            .field("layers", &self.layers())
            .finish_non_exhaustive()
    }
}
