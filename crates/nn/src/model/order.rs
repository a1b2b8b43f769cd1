//! The order that Keras gives the layers of a functional model.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{LayerHandle, Symbol, symbol::SymbolCall};

/// The calls that a model consists of, and its layers, in Keras's order.
pub(super) struct Order {
    /// Inputs that nothing uses, then each call after those it needs.
    pub(super) calls: Vec<Arc<SymbolCall>>,
    /// Those farthest from the outputs first, among them those first that are found first.
    pub(super) layers: Vec<LayerHandle>,
}

fn key(call: &Arc<SymbolCall>) -> usize {
    Arc::as_ptr(call).addr()
}

impl Order {
    /// The graph from these inputs to these outputs.
    pub(super) fn new(inputs: &[Symbol], outputs: &[Symbol]) -> Self {
        let (mut calls, found) = depth_first(outputs);
        let (call_depths, mut depths) = depths(&calls);
        let mut layers: Vec<(LayerHandle, usize)> = Vec::new();
        let mut unused = Vec::new();
        for input in inputs {
            let call = input.made_by();
            if !call_depths.contains_key(&key(call))
                && !unused.iter().any(|known| Arc::ptr_eq(known, call))
            {
                depths.insert(call.layer.key(), 0);
                layers.push((call.layer.clone(), 0));
                unused.push(Arc::clone(call));
            }
        }
        let found = found.into_iter().enumerate();
        layers.extend(found.map(|(at, layer)| (layer, at + 1)));
        layers.sort_by_key(|(layer, at)| {
            (Reverse(depths.get(&layer.key()).copied().unwrap_or_default()), *at)
        });
        unused.append(&mut calls);
        let layers = layers.into_iter().map(|(layer, _)| layer).collect();
        Self { calls: unused, layers }
    }
}

/// The calls, each after those it needs, and the layers as they are met on the way back.
fn depth_first(outputs: &[Symbol]) -> (Vec<Arc<SymbolCall>>, Vec<LayerHandle>) {
    let (mut calls, mut layers) = (Vec::new(), Vec::new());
    let (mut seen, mut met) = (BTreeSet::new(), BTreeSet::new());
    let mut stack: Vec<(Arc<SymbolCall>, Vec<Arc<SymbolCall>>)> = Vec::new();
    for output in outputs {
        let mut next = Some(Arc::clone(output.made_by()));
        loop {
            if let Some(call) = next.take().filter(|call| seen.insert(key(call))) {
                if met.insert(call.layer.key()) {
                    layers.push(call.layer.clone());
                }
                let mut needed: Vec<_> =
                    call.given().map(|input| Arc::clone(input.made_by())).collect();
                needed.reverse();
                stack.push((call, needed));
            }
            match stack.last_mut() {
                Some((_, needed)) => {
                    next = needed.pop();
                    if next.is_none() {
                        calls.extend(stack.pop().map(|(call, _)| call));
                    }
                }
                None => break,
            }
        }
    }
    (calls, layers)
}

/// How far calls and layers are from the outputs; a layer counts as its farthest call so far.
fn depths(calls: &[Arc<SymbolCall>]) -> (BTreeMap<usize, usize>, BTreeMap<usize, usize>) {
    let (mut of_call, mut of_layer) = (BTreeMap::new(), BTreeMap::new());
    for call in calls.iter().rev() {
        let layer = of_layer.entry(call.layer.key()).or_insert(0);
        let depth: usize = *of_call.get(&key(call)).unwrap_or(&0);
        let depth = depth.max(*layer);
        *layer = depth;
        of_call.insert(key(call), depth);
        for input in call.given() {
            let known = of_call.entry(key(input.made_by())).or_insert(0);
            *known = (*known).max(depth + 1);
        }
    }
    (of_call, of_layer)
}
