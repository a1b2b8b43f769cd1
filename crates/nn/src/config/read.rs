//! From Keras's JSON to models.

mod graph;

use std::sync::Arc;

use deckle_autograd::Device;
use deckle_tensor::DType;
use serde_json::{Map, Value};

use super::{Registry, is_operation};
use crate::{
    AnyLayer, Error, Functional, InputLayer, LayerHandle, Model, Result, Sequential,
    layers::KerasShape,
};
use graph::{Node, connect, endpoints, find, tensors};

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
        let mut reader = Reader { registry, missing: Vec::new() };
        let class = text(config, "class_name")?;
        let settings = object(config, "config")?;
        let name = settings.get("name").and_then(Value::as_str).unwrap_or("model");
        if settings.get("trainable") == Some(&Value::Bool(false)) {
            reader.missing.push(format!("model `{name}`: trainable = false"));
        }
        match class {
            "Sequential" => {
                let made = reader.sequential(settings)?;
                let made = reader.finish(made)?;
                made.name(name).seed(seed).device(device).build()
            }
            "Functional" | "Model" => {
                let made = reader.functional(settings)?;
                let made = reader.finish(made)?;
                made.name(name).seed(seed).device(device).build()
            }
            class => Err(Error::Unsupported {
                missing: vec![format!("class `{class}` of a model")],
            }),
        }
    }
}

fn wrong(expected: &str, got: impl std::fmt::Display) -> Error {
    Error::invalid("the model's configuration cannot be read", expected).got(got)
}

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
struct Reader<'a> {
    registry: &'a Registry,
    missing: Vec<String>,
}

impl Reader<'_> {
    /// What was made, if nothing is missing.
    fn finish<T>(self, made: Option<T>) -> Result<T> {
        match made {
            Some(made) if self.missing.is_empty() => Ok(made),
            _ => Err(Error::Unsupported { missing: self.missing }),
        }
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
            let shape =
                settings.get("build_input_shape").filter(|shape| !shape.is_null());
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
            rest.iter().map(|layer| self.layer(layer, None)).collect::<Result<_>>()?;
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
        for layer in list(settings.get("layers"), "layers")? {
            let name = match layer.get("name").and_then(Value::as_str) {
                Some(name) => name,
                None => text(field(layer, "config")?, "name")?,
            };
            let is_input = text(layer, "class_name")? == "InputLayer";
            let mut calls = Vec::new();
            for call in list(layer.get("inbound_nodes"), "inbound nodes")? {
                calls.push(self.node(name, call)?);
            }
            let handle = if is_input {
                calls = vec![Node::default()];
                Some(self.input(layer)?)
            } else {
                let constant = calls.iter().find_map(|node| node.constant.clone());
                self.layer(layer, constant)?
            };
            if let Some(handle) = handle {
                for (i, node) in calls.into_iter().enumerate() {
                    nodes.push((handle.clone(), (name.to_owned(), i), node));
                }
                handles.push(handle);
            }
        }
        // What is missing would leave holes in the graph.
        if !self.missing.is_empty() {
            return Ok(None);
        }
        let made = connect(nodes)?;
        let symbols = |key: &str| -> Result<Vec<_>> {
            let mut ends = Vec::new();
            let missing = || wrong(&format!("`{key}`"), "nothing");
            endpoints(settings.get(key).ok_or_else(missing)?, &mut ends)?;
            ends.iter().map(|end| find(&made, end)).collect()
        };
        let (inputs, outputs) = (symbols("input_layers")?, symbols("output_layers")?);
        Ok(Some(Functional::new(&inputs, &outputs).layer_order(handles)))
    }

    /// The tensors that a call of a layer takes.
    fn node(&mut self, layer: &str, call: &Value) -> Result<Node> {
        let mut node = Node::default();
        if call.is_array() {
            return Err(wrong("calls as Keras 3 writes them", "a list, as in Keras 2"));
        }
        tensors(field(call, "args")?, &mut node.inputs, &mut |value| {
            if value.is_number() && node.constant.is_none() {
                node.constant = Some(value.clone());
            } else if !is_nothing(value) {
                let line = format!("layer `{layer}`: called with {}", brief(value));
                self.missing.push(line);
            }
        })?;
        for (key, value) in object(call, "kwargs")? {
            let mut given = Vec::new();
            tensors(value, &mut given, &mut |value| {
                if !is_nothing(value) {
                    let line =
                        format!("layer `{layer}`: called with {key} = {}", brief(value));
                    self.missing.push(line);
                }
            })?;
            node.named.extend(given.into_iter().map(|tensor| (key.clone(), tensor)));
        }
        Ok(node)
    }

    fn input(&mut self, layer: &Value) -> Result<LayerHandle> {
        let mut config = object(layer, "config")?.clone();
        let name = take_name(&mut config);
        let place = format!("layer `{}` (InputLayer)", name.as_deref().unwrap_or("?"));
        let dtype = self.dtype(&place, config.shift_remove("dtype").as_ref());
        for key in ["sparse", "ragged"] {
            if config.get(key) == Some(&Value::Bool(true)) {
                self.missing.push(format!("{place}: {key} = true"));
            }
        }
        let shape = config.get("batch_shape").or_else(|| config.get("batch_input_shape"));
        let shape =
            lens(shape.ok_or_else(|| wrong("an input with a `batch_shape`", &place))?)?;
        let layer = InputLayer::of_batch(shape, dtype.unwrap_or(DType::F32));
        Ok(with_name(layer.into(), name))
    }

    /// The layer, unless something about it is missing.
    fn layer(
        &mut self,
        layer: &Value,
        constant: Option<Value>,
    ) -> Result<Option<LayerHandle>> {
        let class = text(layer, "class_name")?;
        let mut config = object(layer, "config")?.clone();
        let name = take_name(&mut config);
        let place = match &name {
            Some(name) => format!("layer `{name}` ({class})"),
            None => format!("layer {class}"),
        };
        let Some(make) = self.registry.makers.get(class).map(Arc::clone) else {
            self.missing.push(place);
            return Ok(None);
        };
        let trainable = config.shift_remove("trainable") != Some(Value::Bool(false));
        let dtype = self.dtype(&place, config.shift_remove("dtype").as_ref());
        let module = layer.get("module").and_then(Value::as_str).unwrap_or_default();
        if let (true, Some(constant)) = (is_operation(module), constant) {
            config.insert("value".to_owned(), constant);
        }
        let made = self.make(&place, &*make, config)?;
        Ok(made.zip(dtype).map(|(made, dtype)| {
            with_name(LayerHandle::new(made).trainable(trainable).dtype(dtype), name)
        }))
    }

    /// A layer of its configuration; arguments that it does not know have to be harmless.
    fn make(
        &mut self,
        place: &str,
        make: &dyn Fn(Value) -> serde_json::Result<Arc<dyn AnyLayer>>,
        mut config: Map<String, Value>,
    ) -> Result<Option<Arc<dyn AnyLayer>>> {
        let attempt = |config: &Map<String, Value>| make(Value::Object(config.clone()));
        let before = self.missing.len();
        // Parsing stops at the first argument that it cannot take: without it, the error is
        // another one.
        let made = loop {
            let error = match attempt(&config) {
                Ok(made) => break made,
                Err(error) => error.to_string(),
            };
            let culprit = config.keys().find(|key| {
                let mut rest = config.clone();
                rest.shift_remove(*key);
                attempt(&rest).map_or_else(|other| other.to_string() != error, |_| true)
            });
            let Some(culprit) = culprit.cloned() else {
                self.missing.push(format!("{place}: {error}"));
                return Ok(None);
            };
            let value = config.shift_remove(&culprit).unwrap_or_default();
            self.missing.push(format!("{place}: {culprit} = {}", brief(&value)));
        };
        let known = made.config()?;
        for (key, value) in &config {
            if known.get(key).is_none() && !is_harmless(key, value) {
                self.missing.push(format!("{place}: {key} = {}", brief(value)));
            }
        }
        Ok((self.missing.len() == before).then_some(made))
    }

    /// The element type that a policy stands for; none if it is missing here.
    fn dtype(&mut self, place: &str, policy: Option<&Value>) -> Option<DType> {
        let name = match policy {
            None | Some(Value::Null) => return Some(DType::F32),
            Some(Value::String(name)) => name.as_str(),
            Some(policy) => {
                policy.pointer("/config/name").and_then(Value::as_str).unwrap_or("?")
            }
        };
        let dtype = name.parse().ok();
        if dtype.is_none() {
            self.missing.push(format!("{place}: dtype {name}"));
        }
        dtype
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

/// Whether an argument that a layer does not know changes nothing.
fn is_harmless(key: &str, value: &Value) -> bool {
    match key {
        // How, not what, Keras computes.
        "unroll" | "use_cudnn" | "implementation" => true,
        "autocast" => value == &Value::Bool(true),
        // Only read with renormalization.
        "renorm_momentum" => value.as_f64() == Some(0.99),
        _ => is_nothing(value),
    }
}

fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
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
