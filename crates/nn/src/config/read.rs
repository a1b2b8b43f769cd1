//! From Keras's JSON to models.

mod graph;
mod layer;

use std::collections::BTreeSet;

use deckle_autograd::Device;
use deckle_tensor::DType;
use serde_json::{Map, Value};

use super::{Registry, is_custom, is_operation, shared::Found};
use crate::{
    Arguments, Error, Functional, InputLayer, LayerHandle, Model, Nest, Result,
    Sequential,
    init::Blank,
    keras::{is_harmless, is_nothing, is_trainable},
    layer::Made,
    layers::{KerasShape, Operation},
    stream,
};
use graph::{End, Node, argument, connect, endpoints, find};

impl Model {
    /// The model that Keras's JSON, the `config.json` of a `.keras` file, describes; its weights
    /// descend from `seed`.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`], with all classes and arguments that do not exist here, or an
    /// error about what is wrong with the JSON or the model.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Device;
    /// use deckle_nn::{Model, Registry, Sequential, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3)).build()?;
    /// let config = model.config()?;
    /// let again = Model::from_config(&config, &Registry::keras(), 1, &Device::reference())?;
    /// assert_eq!(again.count_params(), 15);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    pub fn from_config(
        config: &Value,
        registry: &Registry,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        Reader::new(registry, device, seed, None).whole(config)
    }

    /// The model that Keras's JSON describes, with weights that are zeros until they are
    /// assigned.
    ///
    /// `elements` is how many its weights may have in all: what is known to have values. So a
    /// few words of JSON never ask for more memory than that.
    ///
    /// # Errors
    ///
    /// As [`Model::from_config`], and if the weights have more elements.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Device;
    /// use deckle_nn::{Model, Registry, Sequential, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3)).build()?;
    /// let (config, registry) = (model.config()?, Registry::keras());
    /// let again = Model::blank_from_config(&config, &registry, 0, &Device::reference(), 15)?;
    /// assert_eq!(again.count_params(), 15);
    /// let error = Model::blank_from_config(&config, &registry, 0, &Device::reference(), 14);
    /// assert!(error.unwrap_err().to_string().contains("a weight of 2 elements or fewer"));
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    pub fn blank_from_config(
        config: &Value,
        registry: &Registry,
        seed: u64,
        device: &Device,
        elements: usize,
    ) -> Result<Self> {
        Reader::new(registry, device, seed, Some(Blank::new(elements))).whole(config)
    }
}

/// Whether a class is that of a model.
pub(crate) fn is_model(class: &str) -> bool {
    matches!(class, "Sequential" | "Functional" | "Model")
}

fn wrong(expected: &str, got: impl std::fmt::Display) -> Error {
    Error::invalid("the model's configuration cannot be read", expected).got(got)
}

/// Positional and named arguments of a call.
type Called = (Vec<Nest<End>>, Vec<(String, Nest<End>)>);

/// A short form of a value, for messages.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn field<'a>(value: &'a Value, key: &str) -> Result<&'a Value> {
    let found = value.get(key);
    found.ok_or_else(|| wrong(&format!("an object with `{key}`"), brief(value)))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    let found = field(value, key)?;
    found.as_str().ok_or_else(|| wrong(&format!("text as `{key}`"), brief(found)))
}

fn object<'a>(value: &'a Value, key: &str) -> Result<&'a Map<String, Value>> {
    let found = field(value, key)?;
    found.as_object().ok_or_else(|| wrong(&format!("an object as `{key}`"), brief(found)))
}

fn list<'a>(value: Option<&'a Value>, what: &str) -> Result<&'a [Value]> {
    let found = value.and_then(Value::as_array);
    found.map(Vec::as_slice).ok_or_else(|| {
        wrong(&format!("a list of {what}"), value.map_or("nothing".into(), brief))
    })
}

/// Reads layers; remembers all that does not exist here.
pub(super) struct Reader<'a> {
    registry: Registry,
    device: &'a Device,
    seed: u64,
    blank: Option<Blank>,
    /// The models around the layer that is read, as `encoder/`.
    path: String,
    missing: Vec<String>,
    /// The layers so far, if some are in several models.
    found: Option<Found>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        registry: &Registry,
        device: &'a Device,
        seed: u64,
        blank: Option<Blank>,
    ) -> Self {
        let mut registry = registry.clone();
        registry.blank.clone_from(&blank);
        let (path, missing) = (String::new(), Vec::new());
        Self { registry, device, seed, blank, path, missing, found: None }
    }

    /// The outermost model.
    pub(super) fn whole(mut self, config: &Value) -> Result<Model> {
        self.found = Found::of(config);
        let class = text(config, "class_name")?;
        if !is_model(class) || is_custom(config) {
            let missing = vec![format!("class `{class}` of a model")];
            return Err(Error::Unsupported { missing });
        }
        match self.model(config)? {
            Some(model) if self.missing.is_empty() => Ok(model),
            _ => Err(Error::Unsupported { missing: self.missing }),
        }
    }

    /// The model, unless something about it is missing.
    fn model(&mut self, config: &Value) -> Result<Option<Model>> {
        let settings = object(config, "config")?;
        let name = settings.get("name").and_then(Value::as_str).unwrap_or("model");
        let trainable = is_trainable(settings.get("trainable")).unwrap_or_else(|why| {
            self.missing.push(format!("model `{}{name}`: {why}", self.path));
            true
        });
        if text(config, "class_name")? == "Sequential" {
            let Some(made) = self.sequential(settings)? else { return Ok(None) };
            let made = made.name(name).seed(self.seed).device(self.device);
            let made = made.blank(self.blank.clone());
            return made.flagged(trainable).build().map(Some);
        }
        let Some(made) = self.functional(settings)? else { return Ok(None) };
        let made = made.name(name).seed(self.seed).device(self.device);
        let made = made.blank(self.blank.clone());
        made.flagged(trainable).build().map(Some)
    }

    /// The model in another one; its random numbers are its own.
    fn nested(&mut self, config: &Value) -> Result<Option<LayerHandle>> {
        let name = object(config, "config")?.get("name").and_then(Value::as_str);
        let name = name.unwrap_or("model");
        let path = format!("{}{name}/", self.path);
        let outer = (std::mem::replace(&mut self.path, path), self.seed);
        self.seed = stream(name, self.seed);
        let made = self.model(config).map_err(|error| match error {
            Error::Layer { name: inner, class, error } => {
                Error::Layer { name: format!("{name}/{inner}"), class, error }
            }
            error => error,
        });
        (self.path, self.seed) = outer;
        Ok(made?.map(|model| LayerHandle::from(&model)))
    }

    fn sequential(
        &mut self,
        settings: &Map<String, Value>,
    ) -> Result<Option<Sequential>> {
        let layers = list(settings.get("layers"), "layers")?;
        let first = layers.first().map(|layer| text(layer, "class_name")).transpose()?;
        let (input, rest) = if first == Some("InputLayer") {
            (self.input(&layers[0])?, &layers[1..])
        } else {
            let own = layers.first().and_then(|l| l.pointer("/config/batch_input_shape"));
            let shape = settings.get("build_input_shape").or(own);
            let shape = shape.filter(|shape| !shape.is_null());
            let Some(shape) = shape else {
                return Err(wrong(
                    "an InputLayer first, or a `build_input_shape`",
                    "neither",
                )
                .help("build the model in Keras before you save it"));
            };
            let layer =
                InputLayer::new(KerasShape(lens(shape)?[1..].to_vec()), DType::F32);
            (LayerHandle::from(layer), layers)
        };
        let made: Vec<_> =
            rest.iter().map(|layer| self.layer(layer)).collect::<Result<_>>()?;
        let layers: Option<Vec<_>> = made.into_iter().collect();
        Ok(layers.map(|layers| {
            layers.into_iter().fold(Sequential::from_input(input), Sequential::add)
        }))
    }

    fn functional(
        &mut self,
        settings: &Map<String, Value>,
    ) -> Result<Option<Functional>> {
        let (mut nodes, mut handles) = (Vec::new(), Vec::new());
        let mut is_legacy = false;
        for layer in list(settings.get("layers"), "layers")? {
            let name = match layer.get("name").and_then(Value::as_str) {
                Some(name) => name,
                None => text(field(layer, "config")?, "name")?,
            };
            let class = text(layer, "class_name")?;
            let calls = list(layer.get("inbound_nodes"), "inbound nodes")?.iter();
            is_legacy |= calls.clone().any(Value::is_array);
            let calls = calls.map(Self::node);
            let mut calls = calls.collect::<Result<Vec<_>>>()?;
            let handle = if class == "InputLayer" {
                calls = vec![(Vec::new(), Vec::new())];
                Some(self.input(layer)?)
            } else {
                let module = layer.get("module").and_then(Value::as_str);
                if is_operation(module.unwrap_or_default()) {
                    self.operation(layer, name, &mut calls, &mut nodes, &mut handles)?;
                    continue;
                }
                let handle = self.layer(layer)?;
                self.check_constants(name, handle.as_ref(), &calls);
                handle
            };
            if let Some(layer) = handle {
                for (number, (positional, named)) in calls.into_iter().enumerate() {
                    let (key, layer) = ((name.to_owned(), number), layer.clone());
                    nodes.push(Node { key, layer, positional, named });
                }
                handles.push(layer);
            }
        }
        // What is missing would leave holes in the graph.
        if !self.missing.is_empty() {
            return Ok(None);
        }
        // So Keras 2 counts those of all models, in calls too.
        let models: BTreeSet<_> = (handles.iter())
            .filter(|handle| handle.model().is_some())
            .filter_map(|handle| handle.name().map(str::to_owned))
            .collect();
        if is_legacy {
            for node in &mut nodes {
                node.change_ends(&mut |end| {
                    end.call =
                        end.call.saturating_sub(usize::from(models.contains(&end.layer)));
                });
            }
        }
        let made = connect(&nodes)?;
        // Keras counts the calls of a functional model in outputs from 1, as it has one that
        // made it.
        let functional: BTreeSet<_> = (handles.iter())
            .filter(|h| {
                h.model().is_some_and(|model| is_legacy || !model.is_sequential())
            })
            .filter_map(LayerHandle::name)
            .collect();
        let symbols = |key: &str| -> Result<Nest<_>> {
            let missing = || wrong(&format!("`{key}`"), "nothing");
            let ends = endpoints(settings.get(key).ok_or_else(missing)?)?;
            ends.try_map(&mut |end| {
                let mut end = end.clone();
                if functional.contains(&end.layer[..]) {
                    end.call = end.call.saturating_sub(1);
                }
                find(&made, &end)
            })
        };
        let (inputs, outputs) = (symbols("input_layers")?, symbols("output_layers")?);
        Ok(Some(Functional::nested(&inputs, &outputs).layer_order(handles)))
    }

    /// An operation; its calls may have constants of their own, so each is one of its own.
    fn operation(
        &mut self,
        layer: &Value,
        name: &str,
        calls: &mut Vec<Called>,
        nodes: &mut Vec<Node>,
        handles: &mut Vec<LayerHandle>,
    ) -> Result<()> {
        let class = text(layer, "class_name")?;
        let place = format!("layer `{}{name}` ({class})", self.path);
        if !Operation::is_known(class) {
            self.missing.push(place);
            return Ok(());
        }
        let mut settings = object(layer, "config")?.clone();
        take_name(&mut settings);
        for (number, (positional, named)) in calls.drain(..).enumerate() {
            let mut count = 0;
            let mut ends = Vec::new();
            let mut place_of = |nest: &Nest<End>| {
                nest.map(&mut |end| {
                    ends.push(Nest::One(end.clone()));
                    count += 1;
                    count - 1
                })
            };
            let positional = positional.iter().map(&mut place_of).collect();
            let named = named.iter().map(|(key, nest)| (key.clone(), place_of(nest)));
            let arguments = Arguments { positional, named: named.collect() };
            let operation = Operation::new(class)?.arguments(arguments);
            let operation = (settings.iter())
                .fold(operation, |made, (key, value)| made.set(key, value.clone()));
            for (key, value) in operation.unknown_settings() {
                if !is_harmless(key, value) {
                    self.missing.push(format!("{place}: {key} = {}", brief(value)));
                }
            }
            let named =
                if number == 0 { name.to_owned() } else { format!("{name}_{number}") };
            let handle = LayerHandle::from(operation).named(named);
            let key = (name.to_owned(), number);
            let layer = handle.clone();
            nodes.push(Node { key, layer, positional: ends, named: Vec::new() });
            handles.push(handle);
        }
        Ok(())
    }

    /// The arguments of a call of a layer.
    fn node(call: &Value) -> Result<Called> {
        if let Value::Array(given) = call {
            return legacy_node(given);
        }
        let positional = list(Some(field(call, "args")?), "arguments")?;
        let named = object(call, "kwargs")?.iter();
        Ok((
            positional.iter().map(argument).collect::<Result<_>>()?,
            named
                .map(|(key, value)| Ok((key.clone(), argument(value)?)))
                .collect::<Result<_>>()?,
        ))
    }

    /// Notes the constants that a layer cannot be called with.
    fn check_constants(
        &mut self,
        name: &str,
        handle: Option<&LayerHandle>,
        calls: &[Called],
    ) {
        let takes = |argument: &str, value: &Value| {
            // Keras gives a layer the mode of the whole model, whatever a file says. Of one that
            // could not be made, nothing is known.
            is_nothing(value)
                || argument == "training"
                || handle.is_none_or(|h| h.layer().takes_constant(argument, value))
        };
        let path = format!("{}{name}", self.path);
        for (positional, named) in calls {
            for value in positional.iter().flat_map(Nest::leaves).filter_map(Result::err)
            {
                if !takes("", value) {
                    let line = format!("layer `{path}`: called with {}", brief(value));
                    self.missing.push(line);
                }
            }
            for (key, nest) in named {
                for value in nest.leaves().into_iter().filter_map(Result::err) {
                    if !takes(key, value) {
                        let line = format!(
                            "layer `{path}`: called with {key} = {}",
                            brief(value)
                        );
                        self.missing.push(line);
                    }
                }
            }
        }
    }

    fn input(&mut self, layer: &Value) -> Result<LayerHandle> {
        let mut config = object(layer, "config")?.clone();
        let name = take_name(&mut config);
        let place = format!(
            "layer `{}{}` (InputLayer)",
            self.path,
            name.as_deref().unwrap_or("?")
        );
        let dtype = self.dtype(&place, config.shift_remove("dtype").as_ref());
        for key in ["sparse", "ragged"] {
            if config.get(key) == Some(&Value::Bool(true)) {
                self.missing.push(format!("{place}: {key} = true"));
            }
        }
        let shape = config.get("batch_shape").or_else(|| config.get("batch_input_shape"));
        let shape =
            lens(shape.ok_or_else(|| wrong("an input with a `batch_shape`", &place))?)?;
        let layer =
            InputLayer::of_batch(shape, dtype.unwrap_or_default().compute_dtype());
        Ok(with_name(layer.into(), name))
    }

    /// The layer, unless something about it is missing.
    fn layer(&mut self, layer: &Value) -> Result<Option<LayerHandle>> {
        if let Some(known) = self.found.as_mut().and_then(|found| found.again(layer)) {
            return Ok(Some(known));
        }
        let made = self.new_layer(layer)?;
        Ok(match (&mut self.found, made) {
            (Some(found), Some(made)) => {
                let made = match made.model() {
                    Some(_) => made,
                    None => made.sharing(Made::default()),
                };
                found.add(layer, &made);
                Some(made)
            }
            (_, made) => made,
        })
    }
}

fn take_name(config: &mut Map<String, Value>) -> Option<String> {
    config.shift_remove("name").and_then(|name| name.as_str().map(str::to_owned))
}

fn with_name(handle: LayerHandle, name: Option<String>) -> LayerHandle {
    match name {
        Some(name) => handle.named(name),
        None => handle,
    }
}

/// A call as Keras 2 writes it: `[["dense", 0, 0, {}]]`.
fn legacy_node(given: &[Value]) -> Result<Called> {
    let (mut tensors, mut named) = (Vec::new(), Vec::new());
    for one in given {
        tensors.push(endpoints(one)?);
        let kwargs = one.get(3).and_then(Value::as_object).into_iter().flatten();
        for (key, value) in kwargs {
            let value =
                endpoints(value).unwrap_or_else(|_| Nest::Constant(value.clone()));
            named.push((key.clone(), value));
        }
    }
    let nest = if tensors.len() == 1 { tensors.remove(0) } else { Nest::List(tensors) };
    Ok((vec![nest], named))
}

/// A shape with its batch axis.
fn lens(shape: &Value) -> Result<Vec<Option<usize>>> {
    let error = || wrong("a shape with a batch axis", brief(shape));
    let lens = list(Some(shape), "lengths")?;
    if lens.is_empty() {
        return Err(error());
    }
    let len = |len: &Value| match len {
        Value::Null => Ok(None),
        len => {
            len.as_u64().and_then(|n| usize::try_from(n).ok()).map(Some).ok_or_else(error)
        }
    };
    lens.iter().map(len).collect()
}
