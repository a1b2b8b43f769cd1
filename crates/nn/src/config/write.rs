//! From models to Keras's JSON.

use std::any::Any;

use deckle_tensor::{DType, Dim, Shape};
use serde_json::{Map, Value, json};

use super::{is_operation, shared::Numbers};
use crate::{
    DTypePolicy, InputLayer, LayerCall, Model, ModelLayer, Nest, Result, TensorRef,
    keras::{freeze_inner, keras_object, write_activity},
    layers::{Operation, Wrapped},
};

impl Model {
    /// The model as Keras's JSON, the `config.json` of a `.keras` file, but for what `compile`
    /// adds.
    ///
    /// # Errors
    ///
    /// If a layer's configuration cannot be written.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let config = Sequential::new([4]).add(Dense::new(3)).build()?.config()?;
    /// assert_eq!(config["class_name"], "Sequential");
    /// assert_eq!(config["config"]["layers"][1]["config"]["units"], 3);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    pub fn config(&self) -> Result<Value> {
        self.object(&Numbers::of(self))
    }

    /// The configuration, in which layers of several models have numbers.
    fn object(&self, numbers: &Numbers<'_>) -> Result<Value> {
        if self.is_sequential() {
            self.sequential_config(numbers)
        } else {
            self.functional_config(numbers)
        }
    }

    fn sequential_config(&self, numbers: &Numbers<'_>) -> Result<Value> {
        let layers = self.layers().iter().map(|layer| layer_object(layer, numbers));
        let layers: Vec<_> = layers.collect::<Result<_>>()?;
        let shape = self.inputs().next().map(|(_, shape, _)| keras_shape(shape));
        let config = json!({
            "name": self.name(),
            "trainable": self.is_trainable(),
            "dtype": DTypePolicy::default().to_keras(),
            "layers": layers,
            "build_input_shape": shape,
        });
        let mut object = keras_object("keras", "Sequential", config);
        object["build_config"] = json!({ "input_shape": shape });
        Ok(object)
    }

    fn functional_config(&self, numbers: &Numbers<'_>) -> Result<Value> {
        let mut calls: Vec<Vec<&LayerCall>> = vec![Vec::new(); self.layers().len()];
        for call in self.calls() {
            if !self.layers()[call.layer].is_input() {
                calls[call.layer].push(call);
            }
        }
        calls.iter_mut().for_each(|calls| calls.sort_by_key(|call| call.number));
        let mut layers = Vec::new();
        for (at, layer) in self.layers().iter().enumerate() {
            let mut object = layer_object(layer, numbers)?;
            let nodes = calls[at].iter().map(|call| self.node(layer, call));
            object["name"] = layer.name().into();
            object["inbound_nodes"] = nodes.collect::<Result<Vec<_>>>()?.into();
            layers.push(object);
        }
        let ends = |nest: &Nest<usize>, tensors: &[TensorRef]| {
            nest.to_json(&|&at| {
                let tensor = tensors[at];
                let mut end = self.history(tensor);
                let model = self.layers()[self.calls()[tensor.call].layer].model();
                if model.is_some_and(|model| !model.is_sequential()) {
                    // Keras counts the call that made the model.
                    end[1] = (self.call_number(tensor) + 1).into();
                }
                end
            })
        };
        let config = json!({
            "name": self.name(),
            "trainable": self.is_trainable(),
            "layers": layers,
            "input_layers": ends(self.input_nest(), self.input_refs()),
            "output_layers": ends(self.output_nest(), self.output_refs()),
        });
        let mut object =
            keras_object("keras.src.models.functional", "Functional", config);
        object["registered_name"] = "Functional".into();
        object["build_config"] = json!({ "input_shape": null });
        Ok(object)
    }

    /// Layer, number of its call, number of the output.
    fn history(&self, tensor: TensorRef) -> Value {
        let layer = self.calls()[tensor.call].layer;
        json!([self.layers()[layer].name(), self.call_number(tensor), tensor.output])
    }

    fn tensor(&self, tensor: TensorRef) -> Value {
        let signature = self.signature(tensor);
        json!({
            "class_name": "__keras_tensor__",
            "config": {
                "shape": keras_shape(&signature.shape),
                "dtype": signature.dtype.name(),
                "keras_history": self.history(tensor),
            },
        })
    }

    /// One call of a layer.
    fn node(&self, layer: &ModelLayer, call: &LayerCall) -> Result<Value> {
        let operation: Option<&Operation> =
            (layer.handle().layer() as &dyn Any).downcast_ref();
        let arguments = match operation {
            Some(operation) => Some(operation.arguments_for(call.inputs.len())),
            None => call.arguments.as_deref().cloned(),
        };
        if let Some(arguments) = &arguments {
            let named = call.named.iter().map(|(_, tensor)| tensor);
            let all: Vec<_> = call.inputs.iter().chain(named).collect();
            let write = |nest: &Nest<usize>| nest.to_json(&|&at| self.tensor(*all[at]));
            let args: Vec<_> = arguments.positional.iter().map(write).collect();
            let kwargs: Map<_, _> = (arguments.named.iter())
                .map(|(name, nest)| (name.clone(), write(nest)))
                .collect();
            return Ok(json!({ "args": args, "kwargs": kwargs }));
        }
        let mut args: Vec<_> =
            call.inputs.iter().map(|&input| self.tensor(input)).collect();
        let config = layer.handle().layer();
        if let Some(model) = layer.model() {
            let nest = model.input_nest().to_json(&|&at| args[at].clone());
            args = vec![nest];
        }
        if let Some(from) = config.list_from().filter(|&from| args.len() > from) {
            let list = args.split_off(from);
            args.push(list.into());
        }
        let mut kwargs: Map<String, Value> = Map::new();
        for (name, tensor) in &call.named {
            let tensor = self.tensor(*tensor);
            match kwargs.get_mut(name) {
                Some(Value::Array(several)) => several.push(tensor),
                Some(one) => *one = json!([one.take(), tensor]),
                None => drop(kwargs.insert(name.clone(), tensor)),
            }
        }
        Ok(json!({ "args": args, "kwargs": kwargs }))
    }
}

/// A layer's class and configuration, with its name, trainability and element type.
fn layer_object(layer: &ModelLayer, numbers: &Numbers<'_>) -> Result<Value> {
    if let Some(model) = layer.model() {
        let mut object = model.object(numbers)?;
        object["config"]["name"] = layer.name().into();
        numbers.write(layer, &mut object);
        return Ok(object);
    }
    let (handle, config) = (layer.handle(), layer.handle().layer());
    let is_operation = is_operation(config.module());
    let own = config.config()?.as_object().cloned().unwrap_or_default();
    let mut settings = Map::new();
    settings.insert("name".to_owned(), layer.name().into());
    if layer.is_input() {
        settings.extend(own);
        settings.insert(
            "dtype".to_owned(),
            layer.handle().as_input().map_or(DType::F32, InputLayer::dtype).name().into(),
        );
    } else if is_operation {
        settings.extend(own);
    } else {
        if config.takes_trainable() {
            settings.insert("trainable".to_owned(), handle.is_trainable().into());
        }
        let policy = handle.dtype_policy().to_keras();
        settings.insert("dtype".to_owned(), policy.clone());
        settings.extend(own);
        if !handle.is_trainable() && config.module().starts_with("keras") {
            freeze_inner(&mut settings);
        }
        settings.values_mut().for_each(|value| inherit(value, &policy));
        write_activity(&mut settings, handle.activity())?;
    }
    let mut object = keras_object(config.module(), config.class_name(), settings.into());
    if is_operation {
        object["registered_name"] = config.class_name().into();
    } else if config.module().is_empty() {
        object["module"] = Value::Null;
        object["registered_name"] = format!("Custom>{}", config.class_name()).into();
    }
    let shapes: Vec<_> = layer.input_shapes().iter().map(keras_shape).collect();
    if !layer.is_input() && !is_operation {
        let names = config.input_names().iter();
        let named: Map<String, Value> = names
            .zip(&shapes)
            .map(|(name, shape)| (format!("{name}_shape"), shape.clone()))
            .collect();
        object["build_config"] = match (&shapes[..], config.list_from()) {
            _ if !named.is_empty() => json!({ "shapes_dict": named }),
            (_, Some(0)) => json!({ "input_shape": shapes }),
            ([first, ..], _) => json!({ "input_shape": first }),
            ([], _) => json!({ "input_shape": null }),
        };
    }
    numbers.write(layer, &mut object);
    Ok(object)
}

/// Enters the policy in the configurations of layers within a layer that have none.
fn inherit(value: &mut Value, policy: &Value) {
    if let Value::Array(parts) = value {
        parts.iter_mut().for_each(|part| inherit(part, policy));
    }
    if !Wrapped::is_in(value) {
        return;
    }
    let Some(config) = value.get_mut("config").and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(dtype @ Value::Null) = config.get_mut("dtype") {
        *dtype = policy.clone();
    }
    let own = config.get("dtype").unwrap_or(policy).clone();
    config.values_mut().for_each(|value| inherit(value, &own));
}

fn keras_shape(shape: &Shape) -> Value {
    shape.dims().iter().map(Dim::known).collect::<Vec<_>>().into()
}
