//! Models: layers with weights, joined to a graph: [`Model`], [`Functional`], [`Sequential`].

use std::{any::Any, fmt, sync::Arc};

use deckle_autograd::{Device, Group, Var, Variable};
use deckle_tensor::{DType, Shape};

use crate::{
    Built, Call, Error, Init, InputLayer, Inputs, LayerHandle, Result, Symbol, Weight,
    layers::KerasShape, symbol::SymbolCall,
};

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

    fn layer_of(&self, tensor: TensorRef) -> &ModelLayer {
        &self.0.layers[self.0.calls[tensor.call].layer]
    }

    /// The inputs' names, shapes with the batch axis, and element types.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Shape, DType)> {
        self.0.inputs.iter().map(|&tensor| {
            let layer = self.layer_of(tensor);
            let dtype = layer.as_input().map_or(DType::F32, InputLayer::dtype);
            (layer.name(), &layer.output_shapes[0], dtype)
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

    /// The sum of the penalties on weights, if there is any.
    ///
    /// # Errors
    ///
    /// If a penalty cannot be computed.
    pub fn regularization(&self) -> Result<Option<Var>> {
        let mut total: Option<Var> = None;
        for weight in self.weights() {
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
                format_args!("{} inputs", state.inputs.len()),
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
                .help(
                    "reshape the data, or build the model for examples of that shape",
                ));
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
        let outputs = call.within(&self.name, handle.is_trainable(), dtype, |call| {
            self.built.call(&inputs, call)
        })?;
        let all: Vec<_> = inputs.positional().to_vec();
        Var::set_path(&outputs, &all, &self.name);
        if handle.layer().passes_mask() {
            let mask =
                inputs.positional().first().and_then(|input| call.mask(input)).cloned();
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

/// The graph between symbols, to be built to a [`Model`].
///
/// # Examples
///
/// ```
/// use deckle_nn::{Functional, LayerExt, Symbol, layers::Dense};
///
/// let x = Symbol::input("x", [4]);
/// let y = Dense::new(3).apply(&x)?;
/// let model = Functional::new([&x], [&y]).name("small").seed(1).build()?;
/// assert_eq!(model.name(), "small");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Functional {
    inputs: Vec<Symbol>,
    outputs: Vec<Symbol>,
    name: Option<String>,
    seed: u64,
    device: Device,
    is_sequential: bool,
    /// The order of the layers, if it is not to follow from the graph.
    order: Vec<LayerHandle>,
}

impl Functional {
    /// The graph from these inputs to these outputs.
    pub fn new<'a>(
        inputs: impl IntoIterator<Item = &'a Symbol>,
        outputs: impl IntoIterator<Item = &'a Symbol>,
    ) -> Self {
        Self {
            inputs: inputs.into_iter().cloned().collect(),
            outputs: outputs.into_iter().cloned().collect(),
            name: None,
            seed: 0,
            device: Device::reference(),
            is_sequential: false,
            order: Vec::new(),
        }
    }

    /// Sets the model's name; `functional` or `sequential` by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the seed that all weights descend from; 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets where the weights live; the reference device by default, until the model is
    /// compiled for another.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// Sets the order of [`Model::layers`], which files follow.
    #[must_use]
    pub fn layer_order(mut self, order: impl Into<Vec<LayerHandle>>) -> Self {
        self.order = order.into();
        self
    }

    /// Names the layers, and makes their weights.
    ///
    /// # Errors
    ///
    /// If an output depends on an input that is not named, two layers have one name, or a
    /// layer cannot be built.
    pub fn build(&self) -> Result<Model> {
        let order = self.topological();
        self.check_inputs(&order)?;
        let mut handles: Vec<LayerHandle> = self.order.clone();
        for call in &order {
            if !handles.iter().any(|known| known.is_same(&call.layer)) {
                handles.push(call.layer.clone());
            }
        }
        let names = unique_names(&handles)?;
        let group = Group::new(&self.device);
        let mut layers: Vec<Option<ModelLayer>> = handles.iter().map(|_| None).collect();
        let mut calls = Vec::new();
        let place = |symbol: &Symbol| TensorRef {
            call: order
                .iter()
                .position(|call| Arc::ptr_eq(call, symbol.made_by()))
                .unwrap_or_default(),
            output: symbol.output(),
        };
        for call in &order {
            let at = handles.iter().position(|known| known.is_same(&call.layer));
            let at = at.unwrap_or_default();
            if layers[at].is_none() {
                let (handle, name) = (handles[at].clone(), names[at].clone());
                layers[at] = Some(build_layer(handle, name, call, &group, self.seed)?);
            }
            calls.push(LayerCall {
                layer: at,
                inputs: call.inputs.iter().map(place).collect(),
                named: call
                    .named
                    .iter()
                    .map(|(name, s)| (name.clone(), place(s)))
                    .collect(),
                shapes: call.shapes.clone(),
            });
        }
        let kind = if self.is_sequential { "sequential" } else { "functional" };
        Ok(Model(Arc::new(State {
            name: self.name.clone().unwrap_or_else(|| kind.to_owned()),
            seed: self.seed,
            is_sequential: self.is_sequential,
            group,
            layers: layers.into_iter().flatten().collect(),
            calls,
            inputs: self.inputs.iter().map(place).collect(),
            outputs: self.outputs.iter().map(place).collect(),
        })))
    }

    /// The calls that the model consists of, inputs first, each after those it needs.
    fn topological(&self) -> Vec<Arc<SymbolCall>> {
        let mut order: Vec<Arc<SymbolCall>> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        let mut stack: Vec<(Arc<SymbolCall>, usize)> = Vec::new();
        for root in self.inputs.iter().chain(&self.outputs) {
            if seen.insert(Arc::as_ptr(root.made_by()).addr()) {
                stack.push((Arc::clone(root.made_by()), 0));
            }
            while let Some((call, visited)) = stack.last_mut() {
                let named = call.named.iter().map(|(_, symbol)| symbol);
                let next = call.inputs.iter().chain(named).nth(*visited).cloned();
                if let Some(input) = next {
                    *visited += 1;
                    if seen.insert(Arc::as_ptr(input.made_by()).addr()) {
                        stack.push((Arc::clone(input.made_by()), 0));
                    }
                } else {
                    order.extend(stack.pop().map(|(call, _)| call));
                }
            }
        }
        order
    }

    fn check_inputs(&self, order: &[Arc<SymbolCall>]) -> Result<()> {
        let is_input =
            |layer: &LayerHandle| (layer.layer() as &dyn Any).is::<InputLayer>();
        let given = |call: &Arc<SymbolCall>| {
            self.inputs.iter().any(|input| Arc::ptr_eq(input.made_by(), call))
        };
        for input in &self.inputs {
            if !is_input(input.layer()) {
                return Err(Error::invalid(
                    "this cannot be an input of a model",
                    "a Symbol::input",
                )
                .got(format_args!("{input:?}")));
            }
        }
        if self.outputs.is_empty() {
            return Err(Error::invalid("a model needs an output", "one symbol or more")
                .got("none"));
        }
        match order.iter().find(|call| is_input(&call.layer) && !given(call)) {
            None => Ok(()),
            Some(call) => Err(Error::invalid(
                "an output depends on an input that the model does not have",
                "all inputs that are used",
            )
            .got(format_args!("input `{}` is left out", call.layer.name().unwrap_or("?")))
            .help("name it among the model's inputs")),
        }
    }
}

fn build_layer(
    handle: LayerHandle,
    name: String,
    call: &SymbolCall,
    group: &Group,
    seed: u64,
) -> Result<ModelLayer> {
    let input_shapes: Vec<_> =
        call.inputs.iter().map(|input| input.shape().clone()).collect();
    let mut init = Init::new(group, seed, &name, handle.element_type());
    let built = handle
        .layer()
        .build(&input_shapes, &mut init)
        .map_err(|error| error.in_layer(&name, handle.layer().class_name()))?;
    let (weights, output_shapes) = (init.into_weights(), call.shapes.clone());
    Ok(ModelLayer { handle, name, built, weights, input_shapes, output_shapes })
}

/// Each layer's own name, or its class in snake case with a number if there are several.
fn unique_names(layers: &[LayerHandle]) -> Result<Vec<String>> {
    let mut names: Vec<Option<String>> =
        layers.iter().map(|layer| layer.name().map(str::to_owned)).collect();
    for (i, name) in names.iter().enumerate() {
        if name.is_some() && names[..i].contains(name) {
            let name = name.as_deref().unwrap_or_default();
            return Err(Error::invalid(
                "two layers of a model have one name",
                "names that differ",
            )
            .got(format_args!("`{name}` twice"))
            .help("give one of them another name with .named(..)"));
        }
    }
    for i in 0..names.len() {
        if names[i].is_none() {
            let class = snake_case(layers[i].layer().class_name());
            let numbered = (1..).map(|k| format!("{class}_{k}"));
            let free = std::iter::once(class.clone())
                .chain(numbered)
                .find(|name| !names.iter().flatten().any(|known| known == name));
            names[i] = free;
        }
    }
    Ok(names.into_iter().flatten().collect())
}

/// A class's name as Keras spells it in names: `MaxPooling2D` becomes `max_pooling2d`.
///
/// # Examples
///
/// ```
/// use deckle_nn::snake_case;
///
/// assert_eq!(snake_case("MaxPooling2D"), "max_pooling2d");
/// assert_eq!(snake_case("LSTM"), "lstm");
/// assert_eq!(snake_case("RMSprop"), "rm_sprop");
/// ```
#[must_use]
pub fn snake_case(class: &str) -> String {
    let chars: Vec<_> = class.chars().collect();
    let mut name = String::new();
    for (i, &c) in chars.iter().enumerate() {
        if i > 0 && c.is_ascii_uppercase() {
            let before = chars[i - 1];
            let starts_word = chars.get(i + 1).is_some_and(char::is_ascii_lowercase);
            if before.is_ascii_lowercase() || (starts_word && before != '_') {
                name.push('_');
            }
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// Layers one after another, to be built to a [`Model`].
///
/// # Examples
///
/// ```
/// use deckle_nn::{Activation::{Relu, Softmax}, Sequential, layers::Dense};
///
/// let model = Sequential::new([784])
///     .add(Dense::new(512).activation(Relu))
///     .add(Dense::new(10).activation(Softmax))
///     .seed(42)
///     .build()?;
/// assert_eq!(model.count_params(), 407_050);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.Sequential`, with the input's shape given first.
#[derive(Clone, Debug)]
pub struct Sequential {
    input: LayerHandle,
    layers: Vec<LayerHandle>,
    name: Option<String>,
    seed: u64,
    device: Device,
}

impl Sequential {
    /// A model for examples of that shape, without the batch axis; `[None]` for an unknown
    /// length.
    #[must_use]
    pub fn new(shape: impl Into<KerasShape>) -> Self {
        Self::typed(shape, DType::F32)
    }

    /// A model for examples of that shape and element type, as `I32` for words.
    #[must_use]
    pub fn typed(shape: impl Into<KerasShape>, dtype: DType) -> Self {
        Self::from_input(InputLayer::new(shape, dtype).into())
    }

    /// A model after that input layer.
    pub(crate) fn from_input(input: LayerHandle) -> Self {
        Self {
            input,
            layers: Vec::new(),
            name: None,
            seed: 0,
            device: Device::reference(),
        }
    }

    /// Appends a layer.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "Keras's name")]
    pub fn add(mut self, layer: impl Into<LayerHandle>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// Sets the model's name; `sequential` by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the seed that all weights descend from; 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets where the weights live, see [`Functional::device`].
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// Names the layers, checks their shapes, and makes their weights.
    ///
    /// # Errors
    ///
    /// If a layer cannot take what the one before it gives, or two have one name.
    pub fn build(&self) -> Result<Model> {
        let mut all = vec![self.input.clone()];
        all.extend(self.layers.iter().cloned());
        let names = unique_names(&all)?;
        let input = Symbol::of_input(&self.input);
        let mut last = input.clone();
        for (layer, name) in self.layers.iter().zip(&names[1..]) {
            let class = layer.layer().class_name();
            last = layer.apply(&last).map_err(|error| match error {
                Error::Layer { error, .. } => error.in_layer(name, class),
                error => error.in_layer(name, class),
            })?;
        }
        let mut functional = Functional::new([&input], [&last]);
        functional.name.clone_from(&self.name);
        functional.seed = self.seed;
        functional.device = self.device.clone();
        functional.is_sequential = true;
        functional.layer_order(all).build()
    }
}
