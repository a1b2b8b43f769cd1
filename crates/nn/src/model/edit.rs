//! Models made of others, with the same weights.

use std::{collections::BTreeMap, sync::Arc};

use deckle_tensor::{Tensor, shape_text};

use super::{Functional, Model, ModelLayer, Nest, State, TensorRef};
use crate::{Error, LayerHandle, Result, Symbol, Weight, layer::Made, stream};

/// What has new weights already.
#[derive(Default)]
struct Renewed<'a> {
    layers: Vec<(&'a ModelLayer, Made)>,
    models: BTreeMap<(usize, &'a str), Model>,
}

impl Model {
    pub(super) fn with(&self, change: impl FnOnce(&mut State)) -> Self {
        let mut state = (*self.0).clone();
        state.applied = Arc::default();
        change(&mut state);
        Self(Arc::new(state))
    }

    /// The model with that name, and the same weights.
    #[must_use]
    pub fn named(&self, name: impl Into<String>) -> Self {
        self.with(|state| state.name = Some(name.into()))
    }

    /// The model with the same weights, and all layers in it, at any depth, trained or frozen.
    ///
    /// A frozen `BatchNormalization` uses its moving averages in training, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3)).build()?;
    /// assert_eq!(model.trainable_weights().count(), 2);
    /// assert_eq!(model.trainable(false).trainable_weights().count(), 0);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `model.trainable = False`, which changes the model itself.
    #[must_use]
    pub fn trainable(&self, trainable: bool) -> Self {
        self.with(|state| {
            state.is_trainable = trainable;
            for layer in &mut state.layers {
                *layer = layer.trained(trainable);
            }
        })
    }

    /// The model with the same weights, and the layer at that path, as `encoder/dense`, trained
    /// or frozen; if it is a model, all layers in it.
    ///
    /// # Errors
    ///
    /// If there is no such layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let base = Sequential::new([8]).add(Dense::new(4)).name("base").build()?;
    /// let model = Sequential::new([8]).add(&base).add(Dense::new(3)).build()?;
    /// let frozen = model.with_trainable("base", false)?;
    /// let names: Vec<_> = frozen.trainable_weights().map(|w| w.variable().name()).collect();
    /// assert_eq!(names, ["dense/kernel", "dense/bias"]);
    /// assert_eq!(frozen.count_params(), model.count_params());
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `model.get_layer(name).trainable = False`, which changes the layer itself; here `model`
    /// stays as it was.
    pub fn with_trainable(&self, path: &str, trainable: bool) -> Result<Self> {
        self.layer(path)?;
        Ok(self.trained_at(path, trainable))
    }

    /// Every weight with its path, as `encoder/dense/kernel`, in Keras's order: by layer, those
    /// that training changes first.
    #[must_use]
    pub fn weight_paths(&self) -> Vec<(String, &Weight)> {
        let mut all = Vec::new();
        self.collect_paths("", &mut all);
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|(_, weight)| seen.insert(weight.variable().key()));
        all
    }

    fn collect_paths<'a>(&'a self, before: &str, all: &mut Vec<(String, &'a Weight)>) {
        for layer in self.layers() {
            let path = format!("{before}{}/", layer.name());
            if let Some(model) = layer.model() {
                model.collect_paths(&path, all);
                continue;
            }
            let mut weights: Vec<_> = layer.weights().iter().collect();
            weights.sort_by_key(|weight| !weight.is_trainable());
            all.extend(weights.into_iter().map(|weight| {
                let scope = weight.scope().iter().map(|part| format!("{part}/"));
                (format!("{path}{}{}", scope.collect::<String>(), weight.name()), weight)
            }));
        }
    }

    /// The weight at that path, as `dense/kernel` or `encoder/dense/kernel`.
    ///
    /// # Errors
    ///
    /// If there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3)).build()?;
    /// assert_eq!(model.weight("dense/kernel")?.variable().shape(), [4, 3]);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    pub fn weight(&self, path: &str) -> Result<&Weight> {
        let all = self.weight_paths();
        let found =
            all.iter().find(|(known, _)| known == path).map(|(_, weight)| *weight);
        found.ok_or_else(|| {
            let known: Vec<_> = all.iter().map(|(known, _)| known.as_str()).collect();
            Error::unknown("weight", path, &known)
        })
    }

    /// The values of all weights, in Keras's order.
    ///
    /// # Errors
    ///
    /// If a device cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3)).build()?;
    /// let weights = model.get_weights()?;
    /// assert_eq!(weights[0].shape(), [4, 3]);
    /// model.set_weights(&weights)?;
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    pub fn get_weights(&self) -> Result<Vec<Tensor>> {
        let all = self.weight_paths().into_iter();
        all.map(|(_, weight)| Ok(weight.variable().value()?)).collect()
    }

    /// Replaces the values of all weights, in Keras's order; of all or, after an error about
    /// number or shape, of none.
    ///
    /// # Errors
    ///
    /// If there are more or fewer tensors than weights, or one is of another shape.
    pub fn set_weights(&self, values: &[Tensor]) -> Result<()> {
        let all = self.weight_paths();
        if all.len() != values.len() {
            return Err(Error::invalid(
                format_args!("model `{}` cannot take these weights", self.name()),
                format_args!("{} tensors", all.len()),
            )
            .got(values.len()));
        }
        for ((path, weight), value) in all.iter().zip(values) {
            let shape = weight.variable().shape();
            if shape != value.shape() {
                return Err(Error::invalid(
                    format_args!("weight `{path}` cannot take this value"),
                    shape_text(shape),
                )
                .got(shape_text(value.shape())));
            }
        }
        for ((_, weight), value) in all.iter().zip(values) {
            weight.variable().set(&value.cast(weight.variable().dtype()))?;
        }
        Ok(())
    }

    /// A model of the same layers with new weights, which descend from `seed`.
    ///
    /// # Errors
    ///
    /// As [`Functional::build`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3)).build()?;
    /// let other = model.with_new_weights(1)?;
    /// assert_ne!(model.get_weights()?[0], other.get_weights()?[0]);
    /// assert_eq!(model.config()?, other.config()?);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.models.clone_model`.
    pub fn with_new_weights(&self, seed: u64) -> Result<Self> {
        self.renewed(seed, &mut Renewed::default())
    }

    /// A model with new weights, which are shared as those of the old ones are.
    fn renewed<'a>(&'a self, seed: u64, known: &mut Renewed<'a>) -> Result<Self> {
        let mut handles = Vec::new();
        for layer in self.layers() {
            let handle = match layer.model() {
                Some(model) => {
                    let key = (model.key(), layer.name());
                    if !known.models.contains_key(&key) {
                        let seed = stream(layer.name(), seed);
                        let made = model.renewed(seed, known)?.named(layer.name());
                        known.models.insert(key, made);
                    }
                    LayerHandle::from(&known.models[&key])
                }
                None => layer.handle().named(layer.name()),
            };
            if layer.weights().is_empty() || layer.model().is_some() {
                handles.push(handle);
                continue;
            }
            let same = known.layers.iter().find(|(old, _)| old.has_weights_of(layer));
            let made = same.map_or_else(Made::default, |(_, made)| Arc::clone(made));
            known.layers.push((layer, Arc::clone(&made)));
            handles.push(handle.sharing(made));
        }
        let mut made: Vec<Vec<Symbol>> = Vec::new();
        for call in self.calls() {
            let handle = &handles[call.layer];
            let find = |tensor: &TensorRef| made[tensor.call][tensor.output].clone();
            let outputs = if handle.as_input().is_some() {
                vec![Symbol::of_input(handle)]
            } else {
                let inputs = call.inputs.iter().map(find).collect();
                let named = call.named.iter().map(|(name, t)| (name.clone(), find(t)));
                let arguments = call.arguments.as_deref().cloned();
                Symbol::call(handle, inputs, named.collect(), arguments)?
            };
            made.push(outputs);
        }
        let nest = |nest: &Nest<usize>, tensors: &[TensorRef]| {
            nest.map(&mut |&at| made[tensors[at].call][tensors[at].output].clone())
        };
        let inputs = nest(self.input_nest(), self.input_refs());
        let outputs = nest(self.output_nest(), self.output_refs());
        let mut model = Functional::nested(&inputs, &outputs)
            .layer_order(handles)
            .seed(seed)
            .flagged(self.is_trainable());
        model.name = self.own_name().map(str::to_owned);
        model.is_sequential = self.is_sequential();
        model.build()
    }

    fn trained_at(&self, path: &str, trainable: bool) -> Self {
        let (name, rest) =
            path.split_once('/').map_or((path, None), |(a, b)| (a, Some(b)));
        self.with(|state| {
            for layer in state.layers.iter_mut().filter(|layer| layer.name() == name) {
                *layer = match (rest, layer.model()) {
                    (Some(rest), Some(model)) => {
                        layer.with_model(&model.trained_at(rest, trainable))
                    }
                    _ => layer.trained(trainable),
                };
            }
        })
    }
}

impl ModelLayer {
    fn trained(&self, trainable: bool) -> Self {
        match self.model() {
            Some(model) => self.with_model(&model.trainable(trainable)),
            None => self.with_handle(self.handle().trainable(trainable)),
        }
    }
}
