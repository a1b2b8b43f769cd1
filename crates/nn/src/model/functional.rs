//! Models from graphs of symbols: [`Functional`].

use std::{any::Any, sync::Arc};

use deckle_autograd::{Device, Group};

use super::{LayerCall, Model, ModelLayer, State, TensorRef};
use crate::{Error, Init, InputLayer, LayerHandle, Result, Symbol, symbol::SymbolCall};

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
    pub(super) name: Option<String>,
    pub(super) seed: u64,
    pub(super) device: Device,
    pub(super) is_sequential: bool,
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
        let is_used =
            |layer: &&LayerHandle| order.iter().any(|call| call.layer.is_same(layer));
        let mut handles: Vec<LayerHandle> =
            self.order.iter().filter(is_used).cloned().collect();
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
        let model = Model(Arc::new(State {
            name: self.name.clone().unwrap_or_else(|| kind.to_owned()),
            seed: self.seed,
            is_sequential: self.is_sequential,
            group,
            layers: layers.into_iter().flatten().collect(),
            calls,
            inputs: self.inputs.iter().map(place).collect(),
            outputs: self.outputs.iter().map(place).collect(),
        }));
        model.trace()?;
        Ok(model)
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
        for (i, input) in self.inputs.iter().enumerate() {
            if self.inputs[..i].iter().any(|other| other.layer().is_same(input.layer())) {
                let name = input.layer().name().unwrap_or("?");
                return Err(Error::invalid("an input is named twice", "each input once")
                    .got(format_args!("`{name}` twice")));
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
pub(super) fn unique_names(layers: &[LayerHandle]) -> Result<Vec<String>> {
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
