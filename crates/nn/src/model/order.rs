//! The order that Keras gives the layers of a functional model.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{LayerHandle, Symbol, symbol::SymbolCall};

/// The calls that a model consists of, and its layers, in Keras's order.
pub(super) struct Order {
    /// Inputs that nothing uses, then the others: those farthest from the outputs first, which
    /// puts each after those it needs.
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
        let Depths { of_calls: call_depths, of_layers: mut depths } = Depths::new(&calls);
        calls.sort_by_key(|call| {
            let (depth, at) = call_depths[&key(call)];
            (Reverse(depth), at)
        });
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
struct Depths {
    /// Of each call, and its place among calls as far: the order in which they are met.
    of_calls: BTreeMap<usize, (usize, usize)>,
    of_layers: BTreeMap<usize, usize>,
}

impl Depths {
    fn new(calls: &[Arc<SymbolCall>]) -> Self {
        let (mut of_calls, mut of_layers) = (BTreeMap::new(), BTreeMap::new());
        for call in calls.iter().rev() {
            let layer = of_layers.entry(call.layer.key()).or_insert(0);
            let met = of_calls.len();
            let known: &mut (usize, usize) =
                of_calls.entry(key(call)).or_insert((0, met));
            let depth = known.0.max(*layer);
            (known.0, *layer) = (depth, depth);
            for input in call.given() {
                let met = of_calls.len();
                let known = of_calls.entry(key(input.made_by())).or_insert((0, met));
                known.0 = known.0.max(depth + 1);
            }
        }
        Self { of_calls, of_layers }
    }
}
