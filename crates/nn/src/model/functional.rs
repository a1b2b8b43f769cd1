//! Models from graphs of symbols: [`Functional`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use deckle_autograd::{Device, Group};

use super::{LayerCall, Model, ModelLayer, Nest, State, TensorRef, order::Order};
use crate::{Error, Init, LayerHandle, Result, Symbol, init::Blank, symbol::SymbolCall};

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
    pub(super) blank: Option<Blank>,
    pub(super) is_sequential: bool,
    pub(super) is_trainable: bool,
    /// Whether the layers are to be frozen with the model.
    pub(super) freezes: bool,
    input_nest: Nest<usize>,
    output_nest: Nest<usize>,
    /// The order of the layers, if it is not to follow from the graph.
    order: Vec<LayerHandle>,
}

impl Functional {
    /// The graph from these inputs to these outputs.
    pub fn new<'a>(
        inputs: impl IntoIterator<Item = &'a Symbol>,
        outputs: impl IntoIterator<Item = &'a Symbol>,
    ) -> Self {
        let nest = |symbols: Vec<Symbol>| Nest::of_all(symbols);
        Self::nested(
            &nest(inputs.into_iter().cloned().collect()),
            &nest(outputs.into_iter().cloned().collect()),
        )
    }

    /// The graph from these inputs to these outputs, which files nest like this.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Functional, LayerExt, Nest, Symbol, layers::Dense};
    ///
    /// let x = Symbol::input("x", [4]);
    /// let (a, b) = (Dense::new(3).apply(&x)?, Dense::new(2).apply(&x)?);
    /// let outputs = [("price".to_owned(), Nest::One(a)), ("area".to_owned(), Nest::One(b))];
    /// let model = Functional::nested(&Nest::One(x), &Nest::Dict(outputs.into())).build()?;
    /// let names: Vec<_> = model.outputs().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["area", "price"]);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.Model(inputs, outputs)` with lists and dictionaries, which go by key.
    #[must_use]
    pub fn nested(inputs: &Nest<Symbol>, outputs: &Nest<Symbol>) -> Self {
        let flat = |nest: &Nest<Symbol>| nest.flatten().into_iter().cloned().collect();
        let numbered = |nest: &Nest<Symbol>| {
            let mut numbers = 0..;
            nest.map(&mut |_| numbers.next().unwrap_or_default())
        };
        Self {
            inputs: flat(inputs),
            outputs: flat(outputs),
            input_nest: numbered(inputs),
            output_nest: numbered(outputs),
            is_trainable: true,
            freezes: false,
            name: None,
            seed: 0,
            device: Device::reference(),
            blank: None,
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

    /// Makes weights of zeros.
    pub(crate) fn blank(mut self, blank: Option<Blank>) -> Self {
        self.blank = blank;
        self
    }

    /// Sets whether training changes the weights, but for those of frozen layers; it does by
    /// default. A frozen model's layers are frozen.
    #[must_use]
    pub fn trainable(mut self, trainable: bool) -> Self {
        (self.is_trainable, self.freezes) = (trainable, !trainable);
        self
    }

    /// Sets what the model says of itself, whatever its layers are.
    pub(crate) fn flagged(mut self, trainable: bool) -> Self {
        self.is_trainable = trainable;
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
    /// Layers are in Keras's order: those farthest from the outputs first.
    ///
    /// # Errors
    ///
    /// If an output depends on an input that is not named, two layers have one name, or a
    /// layer cannot be built.
    pub fn build(&self) -> Result<Model> {
        let order = Order::new(&self.inputs, &self.outputs);
        self.check_inputs(&order.calls)?;
        let handles = self.ordered(&order.layers);
        let places: BTreeMap<_, _> =
            handles.iter().enumerate().map(|(at, layer)| (layer.key(), at)).collect();
        let names = unique_names(&handles)?;
        let group = Group::new(&self.device);
        let mut layers: Vec<Option<ModelLayer>> = handles.iter().map(|_| None).collect();
        let calls = order.calls.iter().enumerate();
        let numbers: BTreeMap<_, _> =
            calls.map(|(at, call)| (Arc::as_ptr(call).addr(), at)).collect();
        let place = |symbol: &Symbol| TensorRef {
            call: numbers[&Arc::as_ptr(symbol.made_by()).addr()],
            output: symbol.output(),
        };
        let mut calls = Vec::new();
        for call in &order.calls {
            let at = places[&call.layer.key()];
            if layers[at].is_none() {
                let (handle, name) = (handles[at].clone(), names[at].clone());
                let layer = ModelLayer::build(handle, name, call, |path, dtype| {
                    Init::new(&group, self.seed, path, dtype).blank(self.blank.clone())
                })?;
                layers[at] = Some(layer);
            }
            let named = call.named.iter().map(|(name, s)| (name.clone(), place(s)));
            calls.push(LayerCall {
                layer: at,
                inputs: call.inputs.iter().map(place).collect(),
                named: named.collect(),
                arguments: call.arguments.clone(),
                number: call.number,
                outputs: call.outputs.clone(),
            });
        }
        number_calls(&mut calls);
        let mut model = Model(Arc::new(State {
            name: self.name.clone(),
            seed: self.seed,
            is_sequential: self.is_sequential,
            is_trainable: self.is_trainable,
            group,
            layers: layers.into_iter().flatten().collect(),
            calls,
            inputs: self.inputs.iter().map(place).collect(),
            outputs: self.outputs.iter().map(place).collect(),
            input_nest: self.input_nest.clone(),
            output_nest: self.output_nest.clone(),
            applied: Arc::default(),
        }));
        model.trace()?;
        Ok(if self.freezes { model.trainable(false) } else { model })
    }

    /// The layers in the order that was asked for, those that it leaves out last.
    fn ordered(&self, layers: &[LayerHandle]) -> Vec<LayerHandle> {
        let mut left: BTreeMap<_, _> =
            layers.iter().map(|layer| (layer.key(), layer)).collect();
        let asked = self.order.iter().filter_map(|layer| left.remove(&layer.key()));
        let mut handles: Vec<_> = asked.cloned().collect();
        handles.extend(layers.iter().filter(|l| left.contains_key(&l.key())).cloned());
        handles
    }

    fn check_inputs(&self, order: &[Arc<SymbolCall>]) -> Result<()> {
        let is_input = |layer: &LayerHandle| layer.as_input().is_some();
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

/// Counts the calls of each layer, in the order in which they were made.
pub(super) fn number_calls(calls: &mut [LayerCall]) {
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by_key(|&at| (calls[at].layer, calls[at].number));
    let mut last = (usize::MAX, 0);
    for at in order {
        let next = if last.0 == calls[at].layer { last.1 + 1 } else { 0 };
        last = (calls[at].layer, next);
        calls[at].number = next;
    }
}

/// Each layer's own name, or its class in snake case with a number if there are several.
pub(super) fn unique_names(layers: &[LayerHandle]) -> Result<Vec<String>> {
    let mut known = BTreeSet::new();
    for name in layers.iter().filter_map(LayerHandle::name) {
        if !known.insert(name.to_owned()) {
            return Err(Error::invalid(
                "two layers of a model have one name",
                "names that differ",
            )
            .got(format_args!("`{name}` twice"))
            .help("give one of them another name with .named(..)"));
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let names = layers.iter().map(|layer| {
        if let Some(name) = layer.name() {
            return name.to_owned();
        }
        let class = snake_case(layer.layer().class_name());
        let count = counts.entry(class.clone()).or_default();
        loop {
            let name =
                if *count == 0 { class.clone() } else { format!("{class}_{count}") };
            *count += 1;
            if known.insert(name.clone()) {
                return name;
            }
        }
    });
    Ok(names.collect())
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
