//! A layer in the configuration of another one: [`Wrapped`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
    ser::Error as SerializeError,
};
use serde_json::{Map, Value};

use crate::{
    AnyLayer, Built, Call, DTypePolicy, Error, Init, Inputs, Layer, LayerHandle, Model,
    Registry, Result,
    config::{Make, is_custom, is_model},
    keras::{
        ACTIVITY, freeze_inner, is_trainable, keras_object, take_activity,
        take_trainable, unknown_settings, write_activity,
    },
};

/// A layer as the setting of another one, which has the weights of both.
///
/// # Keras
///
/// An object with class and configuration, as in a model's list of layers.
#[derive(Clone)]
pub struct Wrapped {
    handle: LayerHandle,
    /// Makes a layer of the same class from another configuration.
    make: Make,
    /// If it is a model: whether its weights belong to a layer already.
    is_taken: Arc<AtomicBool>,
}

impl<L> From<L> for Wrapped
where
    L: Layer + PartialEq + Serialize + DeserializeOwned + 'static,
{
    fn from(layer: L) -> Self {
        let make = |config| -> serde_json::Result<Arc<dyn AnyLayer>> {
            Ok(Arc::new(serde_json::from_value::<L>(config)?))
        };
        Self::new(layer.into(), Arc::new(make))
    }
}

/// The model with its weights; a second layer of the same settings has new ones.
impl From<&Model> for Wrapped {
    fn from(model: &Model) -> Self {
        let make = |_: Value| -> serde_json::Result<Arc<dyn AnyLayer>> {
            Err(serde::de::Error::custom("a model has no settings of its own"))
        };
        Self::new(model.into(), Arc::new(make))
    }
}

impl From<Model> for Wrapped {
    fn from(model: Model) -> Self {
        (&model).into()
    }
}

impl Wrapped {
    fn new(handle: LayerHandle, make: Make) -> Self {
        Self { handle, make, is_taken: Arc::default() }
    }

    /// The layer, with its name and whether its weights are trained.
    #[must_use]
    pub fn handle(&self) -> &LayerHandle {
        &self.handle
    }

    /// The configuration.
    #[must_use]
    pub fn layer(&self) -> &dyn AnyLayer {
        self.handle.layer()
    }

    /// Changes name and whether the weights are trained.
    #[must_use]
    pub fn with(self, change: impl FnOnce(&LayerHandle) -> LayerHandle) -> Self {
        Self { handle: change(&self.handle), ..self }
    }

    /// A setting that is true or false; false if there is none of that name.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        let config = self.layer().config()?;
        Ok(config.get(name).and_then(Value::as_bool).unwrap_or(false))
    }

    /// The same layer with other settings; those that it does not have are left out.
    pub(super) fn with_settings(&self, settings: &[(&str, Value)]) -> Result<Self> {
        let mut config = self.layer().config()?;
        for (name, value) in settings {
            if let Some(known) = config.get_mut(name) {
                *known = value.clone();
            }
        }
        let made = (self.make)(config).map_err(|error| {
            Error::invalid("cannot change the inner layer's settings", "a configuration")
                .got(error)
        })?;
        let handle = LayerHandle::new(made)
            .trainable(self.handle.is_trainable())
            .activity_regularizer(self.handle.activity().cloned());
        let policy = self.handle.own_policy();
        let handle = policy.map_or_else(|| handle.clone(), |policy| handle.dtype(policy));
        let name = self.handle.name();
        let handle = name.map_or_else(|| handle.clone(), |name| handle.named(name));
        Ok(Self::new(handle, Arc::clone(&self.make)))
    }

    /// Reads what Keras writes of a layer in another one.
    ///
    /// # Errors
    ///
    /// If there is no such class, or something in its configuration is not known here.
    pub fn read(object: &Value, registry: &Registry) -> serde_json::Result<Self> {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let class = text("class_name").ok_or_else(|| -> serde_json::Error {
            serde::de::Error::custom(format_args!("{object} is not a layer"))
        })?;
        if is_model(class) && !is_custom(object) {
            let model = registry.model(object).map_err(|error| -> serde_json::Error {
                match error {
                    Error::Unsupported { missing } => {
                        serde::de::Error::custom(missing.join(", "))
                    }
                    error => serde::de::Error::custom(error),
                }
            })?;
            return Ok(Self::from(&model));
        }
        let config = object.get("config").and_then(Value::as_object);
        let mut config = config.cloned().unwrap_or_default();
        let name = config.shift_remove("name");
        let name = name.as_ref().and_then(Value::as_str);
        let place = match name {
            Some(name) => format!("layer `{name}` ({class})"),
            None => format!("layer {class}"),
        };
        let wrong = |what: &dyn fmt::Display| -> serde_json::Error {
            serde::de::Error::custom(format_args!("{place}: {what}"))
        };
        let make = registry
            .maker_of(object)
            .map_err(|why| wrong(&why.as_deref().unwrap_or("no such class")))?;
        let trainable = match is_custom(object) {
            true => is_trainable(config.shift_remove("trainable").as_ref()),
            false => take_trainable(&mut config),
        };
        let trainable = trainable.map_err(|why| wrong(&why))?;
        let policy = config.shift_remove("dtype").unwrap_or_default();
        let dtype: Option<DTypePolicy> =
            match policy.pointer("/config/name").unwrap_or(&policy) {
                Value::String(name) => {
                    Some(name.parse().map_err(|_| wrong(&format_args!("dtype {name}")))?)
                }
                Value::Null => None,
                policy => return Err(wrong(&format_args!("dtype {policy}"))),
            };
        let layer = make(Value::Object(config.clone())).map_err(|error| wrong(&error))?;
        let known = layer.config().map_err(|error| wrong(&error))?;
        let activity = take_activity(&mut config, &known)
            .map_err(|error| wrong(&format_args!("{ACTIVITY}: {error}")))?;
        if let Some((key, value)) = unknown_settings(&config, &known).next() {
            return Err(wrong(&format_args!("{key} = {value}")));
        }
        let mut handle =
            LayerHandle::new(layer).trainable(trainable).activity_regularizer(activity);
        if let Some(dtype) = dtype {
            handle = handle.dtype(dtype);
        }
        if let Some(name) = name {
            handle = handle.named(name);
        }
        Ok(Self::new(handle, make))
    }

    /// Whether a setting holds layers.
    pub(crate) fn is_in(value: &Value) -> bool {
        match value {
            Value::Array(parts) => parts.iter().any(Self::is_in),
            value => {
                let text = |key: &str| value.get(key).and_then(Value::as_str);
                text("module").is_some_and(|module| module.contains("layers"))
                    || text("class_name").is_some_and(is_model)
            }
        }
    }

    /// Makes the layer's weights as a part of that name.
    pub(super) fn build(
        &self,
        scope: &str,
        inputs: &[Shape],
        init: &mut Init<'_>,
    ) -> Result<BuiltWrapped> {
        if let Some(model) = self.handle.model() {
            let is_taken = self.is_taken.swap(true, Ordering::Relaxed);
            let has_state = model.has_state();
            let model = match is_taken {
                true => model.with_new_weights(init.seed_of(scope))?,
                false => model.clone(),
            };
            let handle = LayerHandle::from(&model);
            let built = init.scoped(scope, |init| {
                init.adopt(&model);
                handle.layer().build(inputs, init)
            })?;
            return Ok(BuiltWrapped {
                handle,
                built,
                scope: scope.to_owned(),
                has_state,
            });
        }
        let handle = self.handle.clone();
        let made = init.weights_made();
        let built = (handle.check_activity())
            .and_then(|()| init.scoped(scope, |init| handle.layer().build(inputs, init)))
            .map_err(|error| self.locate(error))?;
        let has_state = handle.is_trainable() && init.has_state_from(made);
        if !handle.is_trainable() {
            init.freeze_from(made);
        }
        Ok(BuiltWrapped { handle, built, scope: scope.to_owned(), has_state })
    }

    /// The shapes of the layer's outputs.
    pub(super) fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.layer().output_shape(inputs).map_err(|error| self.locate(error))
    }

    fn locate(&self, error: Error) -> Error {
        self.handle.locate(error)
    }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

impl PartialEq for Wrapped {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.handle, &other.handle);
        a.layer().is_equal(b.layer())
            && a.name() == b.name()
            && a.is_trainable() == b.is_trainable()
            && a.own_policy() == b.own_policy()
            && a.activity() == b.activity()
    }
}

impl Serialize for Wrapped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(model) = self.handle.model() {
            return model.config().map_err(SerializeError::custom)?.serialize(serializer);
        }
        let layer = self.layer();
        let own = layer.config().map_err(SerializeError::custom)?;
        let mut config = Map::new();
        if let Some(name) = self.handle.name() {
            config.insert("name".to_owned(), name.into());
        }
        if layer.takes_trainable() {
            config.insert("trainable".to_owned(), self.handle.is_trainable().into());
        }
        // None is that of the layer it belongs to, which enters it.
        let policy = self.handle.own_policy().map(DTypePolicy::to_keras);
        config.insert("dtype".to_owned(), policy.into());
        config.extend(own.as_object().cloned().unwrap_or_default());
        if !self.handle.is_trainable() && layer.module().starts_with("keras") {
            freeze_inner(&mut config);
        }
        write_activity(&mut config, self.handle.activity())
            .map_err(SerializeError::custom)?;
        let mut object = keras_object(layer.module(), layer.class_name(), config.into());
        if layer.module().is_empty() {
            object["module"] = Value::Null;
            object["registered_name"] = format!("Custom>{}", layer.class_name()).into();
        }
        object.serialize(serializer)
    }
}

/// Knows Keras's classes; [`Wrapped::read`] takes others too.
impl<'de> Deserialize<'de> for Wrapped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Value::deserialize(deserializer)?;
        Self::read(&object, &Registry::keras()).map_err(D::Error::custom)
    }
}

/// A layer of another one, with its weights.
#[derive(Debug)]
pub(super) struct BuiltWrapped {
    handle: LayerHandle,
    built: Box<dyn Built>,
    scope: String,
    /// Whether training changes what is no weight, as the statistics of a normalization.
    has_state: bool,
}

impl BuiltWrapped {
    /// Whether training changes something that is no weight, as the statistics of a
    /// normalization.
    pub(super) const fn has_state(&self) -> bool {
        self.has_state
    }

    /// Calls the layer as a part of the one that is being called, in whose type it computes.
    pub(super) fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let (handle, dtype) = (&self.handle, call.dtype());
        let is_open = handle.model().is_some() || handle.is_trainable();
        let outputs = call.within(&self.scope, is_open, dtype, |call| {
            let outputs = self.built.call(inputs, call)?;
            handle.penalize(&outputs, call)?;
            Ok(outputs)
        });
        outputs.map_err(|error| handle.locate(error))
    }
}
