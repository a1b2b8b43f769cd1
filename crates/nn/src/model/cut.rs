//! Models up to an inner layer of others, with the same weights: [`Model::sub_model`].

use std::collections::BTreeMap;

use super::{Model, ModelLayer, Nest, State, TensorRef};
use crate::{Error, Result};

/// What stays of a model that is cut, besides what the wanted layers need.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stays {
    Nothing,
    Inputs,
    /// Its outputs too, before the wanted ones.
    Outputs,
}

impl Model {
    /// The model from the inputs up to what the layers at these paths make in their first calls,
    /// with the same weights; inputs that these do not need are left out.
    ///
    /// A path may lead into models that are layers, as `encoder/dense`: to what the layer makes
    /// in the first call of that model.
    ///
    /// # Errors
    ///
    /// If there is no such layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{LayerExt, Sequential, layers::Dense};
    ///
    /// let encoder = Sequential::new([4])
    ///     .add(Dense::new(3).named("features"))
    ///     .add(Dense::new(2))
    ///     .name("encoder")
    ///     .build()?;
    /// let model = Sequential::new([4]).add(&encoder).add(Dense::new(1)).build()?;
    /// for path in ["encoder", "encoder/features"] {
    ///     let features = model.sub_model([path])?;
    ///     let shapes: Vec<_> = features.outputs().map(|(_, s)| s.to_string()).collect();
    ///     let (shape, params) = if path == "encoder" { (2, 23) } else { (3, 15) };
    ///     assert_eq!(shapes, [format!("(batch, {shape})")]);
    ///     assert_eq!(features.count_params(), params);
    /// }
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.Model(model.inputs, model.get_layer(name).output)`, which cannot reach into the
    /// models in a model.
    pub fn sub_model<'a>(
        &self,
        layers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let paths: Vec<_> = layers.into_iter().collect();
        if paths.is_empty() {
            return Err(Error::invalid("a model needs an output", "one layer or more")
                .got("none"));
        }
        for path in &paths {
            self.layer(path)?;
        }
        Ok(self.cut(&paths, Stays::Nothing)?.0)
    }

    /// The model up to the layers at these paths, which exist, and how many outputs each has.
    fn cut(&self, paths: &[&str], stays: Stays) -> Result<(Self, Vec<usize>)> {
        let mut wanted = Vec::new();
        let mut inside: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for path in paths {
            let (name, rest) =
                path.split_once('/').map_or((*path, None), |(a, b)| (a, Some(b)));
            let layer = self.layers().iter().position(|layer| layer.name() == name);
            let layer = layer.ok_or_else(|| {
                let known: Vec<_> = self.layers().iter().map(ModelLayer::name).collect();
                Error::unknown("layer", name, &known)
            })?;
            let mut calls = self.calls().iter();
            let call = calls.position(|c| c.layer == layer && c.number == 0);
            wanted.push((layer, call.expect("every layer is called"), rest));
            inside.entry(layer).or_default().extend(rest);
        }
        inside.retain(|_, rests| !rests.is_empty());

        let mut ends: Vec<usize> = wanted.iter().map(|(_, call, _)| *call).collect();
        if stays == Stays::Outputs {
            ends.extend(self.output_refs().iter().map(|tensor| tensor.call));
        }
        let is_needed = self.needed_for(&ends);
        // Where the outputs of the layers inside begin, and how many each path has.
        let mut places = BTreeMap::new();
        let mut made = self.clone();
        for (&layer, rests) in &inside {
            let is_given = self.gives(layer, &is_needed)
                || wanted.iter().any(|(at, _, rest)| *at == layer && rest.is_none())
                || (stays == Stays::Outputs
                    && self
                        .output_refs()
                        .iter()
                        .any(|t| self.calls()[t.call].layer == layer));
            let inner = self.layers()[layer].model().expect("a path leads into it");
            let is_plain =
                |call: &super::LayerCall| call.layer != layer || call.named.is_empty();
            let inner_stays = match is_given {
                true => Stays::Outputs,
                false if self.calls().iter().all(is_plain) => Stays::Nothing,
                false => Stays::Inputs,
            };
            let (cut, counts) = inner.cut(rests, inner_stays)?;
            let first = if is_given { inner.output_refs().len() } else { 0 };
            places.insert(layer, (first, counts));
            made = made.with_inner(layer, inner, &cut, &is_needed)?;
        }

        let (mut outputs, mut counts) = (Vec::new(), Vec::new());
        if stays == Stays::Outputs {
            outputs.extend_from_slice(self.output_refs());
        }
        let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
        for (layer, call, rest) in wanted {
            let (first, count) = match (rest, places.get(&layer)) {
                (Some(_), Some((first, counts))) => {
                    let number = seen.entry(layer).or_default();
                    let before: usize = counts[..*number].iter().sum();
                    *number += 1;
                    (first + before, counts[*number - 1])
                }
                _ => (0, self.calls()[call].outputs.len()),
            };
            outputs
                .extend((first..first + count).map(|output| TensorRef { call, output }));
            counts.push(count);
        }
        let ends: Vec<_> = outputs.iter().map(|tensor| tensor.call).collect();
        let mut is_needed = made.needed_for(&ends);
        if stays != Stays::Nothing {
            made.input_refs().iter().for_each(|tensor| is_needed[tensor.call] = true);
        }
        Ok((made.with(|state| state.keep(&is_needed, &outputs)), counts))
    }

    /// Which calls these calls need, themselves included.
    fn needed_for(&self, calls: &[usize]) -> Vec<bool> {
        let mut waiting = calls.to_vec();
        let mut is_needed = vec![false; self.calls().len()];
        while let Some(at) = waiting.pop() {
            if !std::mem::replace(&mut is_needed[at], true) {
                waiting.extend(self.calls()[at].given().map(|tensor| tensor.call));
            }
        }
        is_needed
    }

    /// Whether one of these calls takes what that layer makes.
    fn gives(&self, layer: usize, is_needed: &[bool]) -> bool {
        let mut calls = self.calls().iter().zip(is_needed).filter(|(_, needed)| **needed);
        calls.any(|(call, _)| {
            call.given().any(|tensor| self.calls()[tensor.call].layer == layer)
        })
    }

    /// The model with `new` in the place of `old`, a layer, of which it is a part; what calls
    /// that are not needed make does not matter.
    fn with_inner(
        &self,
        layer: usize,
        old: &Self,
        new: &Self,
        is_needed: &[bool],
    ) -> Result<Self> {
        let kept: Vec<bool> = old
            .inputs()
            .map(|(name, ..)| new.inputs().any(|(known, ..)| known == name))
            .collect();
        let mut calls = self.calls().to_vec();
        for at in 0..calls.len() {
            if calls[at].layer != layer || !is_needed[at] {
                continue;
            }
            if kept.contains(&false) {
                let mut kept = kept.iter();
                calls[at].inputs.retain(|_| kept.next() == Some(&true));
                calls[at].arguments = None;
            }
            let given = calls[at].inputs.iter();
            let given: Vec<_> =
                given.map(|t| calls[t.call].outputs[t.output].clone()).collect();
            calls[at].outputs = new.signatures(&given)?;
        }
        Ok(self.with(|state| {
            let mut first = calls.iter().filter(|c| c.layer == layer && c.number == 0);
            if let Some(call) = first.next() {
                let given = call.inputs.iter();
                let given = given.map(|t| calls[t.call].outputs[t.output].shape.clone());
                let made = call.outputs.iter().map(|output| output.shape.clone());
                state.layers[layer] = state.layers[layer]
                    .with_model(new)
                    .with_shapes(given.collect(), made.collect());
            }
            state.calls = calls;
        }))
    }
}

impl State {
    /// Leaves out the calls that are not needed, and their layers.
    fn keep(&mut self, is_needed: &[bool], outputs: &[TensorRef]) {
        let count = self.inputs.len();
        let mut places = BTreeMap::new();
        let mut calls = Vec::new();
        for (at, call) in self.calls.iter().enumerate().filter(|(at, _)| is_needed[*at]) {
            places.insert(at, calls.len());
            calls.push(call.clone());
        }
        let moved = |tensor: &TensorRef| {
            let call = places.get(&tensor.call).copied();
            call.map(|call| TensorRef { call, ..*tensor })
        };
        let mut layers = BTreeMap::new();
        let kept = self.layers.iter().enumerate();
        let kept = kept.filter(|(at, _)| calls.iter().any(|call| call.layer == *at));
        let kept: Vec<_> = kept
            .map(|(at, layer)| {
                layers.insert(at, layers.len());
                layer.clone()
            })
            .collect();
        for call in &mut calls {
            call.layer = layers[&call.layer];
            call.inputs = call.inputs.iter().filter_map(moved).collect();
            let named = call.named.iter();
            call.named =
                named.filter_map(|(n, t)| Some((n.clone(), moved(t)?))).collect();
        }
        super::functional::number_calls(&mut calls);
        self.inputs = self.inputs.iter().filter_map(moved).collect();
        self.outputs = outputs.iter().filter_map(moved).collect();
        if self.inputs.len() != count {
            self.input_nest = Nest::of_all(0..self.inputs.len());
        }
        self.output_nest = Nest::of_all(0..self.outputs.len());
        (self.layers, self.calls) = (kept, calls);
        (self.name, self.is_sequential) = (None, false);
    }
}
