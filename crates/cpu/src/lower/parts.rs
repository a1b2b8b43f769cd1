//! What is made right in its part of a concatenation: [`Parts`].

use std::collections::BTreeMap;

use deckle_tensor::{Primitive, SliceAxis};

use super::groups_of_nodes;
use crate::{
    fuse::Group,
    graph::{Access, Graph, Id, Kind, Node},
    kernel::MatMul,
    view::View,
};

/// Values that are made right in their part of a concatenation.
pub(super) type Parts = BTreeMap<Id, Part>;

pub(super) struct Part {
    /// The node that concatenates, and which of its operands this is: a value may be several.
    pub(super) joins: (usize, usize),
    pub(super) whole: Id,
    pub(super) region: View,
}

/// The values that passes make and concatenations read.
pub(super) fn parts_of_joined(graph: &Graph, groups: &[Group]) -> Parts {
    let group_of = groups_of_nodes(graph, groups);
    let mut parts = Parts::new();
    for (number, node) in graph.nodes.iter().enumerate() {
        let Kind::Primitive(Primitive::Concat { axis }) = node.kind else { continue };
        let whole = node.results[0];
        let all = node.operands.iter().zip(regions(graph, node, axis));
        for (at, (operand, region)) in all.enumerate() {
            let Some(maker) = graph.maker(operand.id) else { continue };
            let group = &groups[group_of[maker]];
            let by_pass = matches!(graph.nodes[maker].kind, Kind::Map(_)) && !group.tail;
            let by_product = group.nodes == [maker]
                && is_read_once(graph, operand.id)
                && product_into(graph, maker, whole, &region).is_some();
            let fits = by_pass || by_product;
            if fits && graph.is_whole(operand) && region.size() > 0 {
                let part = Part { joins: (number, at), whole, region };
                parts.entry(operand.id).or_insert(part);
            }
        }
    }
    parts
}

/// Whether one operand of one node is all that reads a value.
fn is_read_once(graph: &Graph, id: Id) -> bool {
    let operands = graph.nodes.iter().flat_map(|node| &node.operands);
    let updates = graph.updates.iter().map(|(_, id)| id);
    let mut outside = graph.outputs.iter().chain(updates);
    operands.filter(|operand| operand.id == id).count() == 1 && !outside.any(|&o| o == id)
}

/// A product of matrices that is written right to its part of `whole`, if it can be.
pub(super) fn product_into(
    graph: &Graph,
    number: usize,
    whole: Id,
    region: &View,
) -> Option<MatMul> {
    let node = &graph.nodes[number];
    let Kind::Primitive(Primitive::MatMul { transpose_a, transpose_b }) = node.kind
    else {
        return None;
    };
    MatMul::new(graph, node, [transpose_a, transpose_b]).into_part(graph, whole, region)
}

/// Where the operands of a concatenation go.
pub(super) fn regions(graph: &Graph, node: &Node, axis: usize) -> Vec<View> {
    let whole = View::contiguous(&graph.values[node.results[0]].spec.shape);
    let mut start = 0;
    let region = |operand: &Access| {
        let len = operand.view.shape[axis];
        let mut axes: Vec<_> =
            whole.shape.iter().map(|&len| SliceAxis::all(len)).collect();
        axes[axis] = SliceAxis { start, len, step: 1 };
        start += len;
        whole.slice(&axes)
    };
    node.operands.iter().map(region).collect()
}
