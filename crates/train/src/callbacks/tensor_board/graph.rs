//! Layers as the nodes of TensorBoard's graph.

use deckle_formats::events::GraphNode;
use deckle_nn::{LayerCall, Model, TensorRef};

/// A node for each call of a layer, in models of models too.
pub(super) fn nodes(model: &Model) -> Vec<GraphNode> {
    let mut nodes = Vec::new();
    add_nodes(model, "", &[], &mut nodes);
    nodes
}

/// Adds a node for each call of a layer, in models of models with the path before it; returns
/// the names of the model's outputs.
fn add_nodes(
    model: &Model,
    path: &str,
    given: &[String],
    nodes: &mut Vec<GraphNode>,
) -> Vec<String> {
    // For each call the names of what it makes.
    let mut made: Vec<Vec<String>> = Vec::with_capacity(model.calls().len());
    for (at, call) in model.calls().iter().enumerate() {
        let layer = &model.layers()[call.layer];
        let name = match call.number {
            0 => format!("{path}{}", layer.name()),
            number => format!("{path}{}.call_{number}", layer.name()),
        };
        let tensors =
            call.inputs.iter().chain(call.named.iter().map(|(_, tensor)| tensor));
        let mut inputs: Vec<_> =
            tensors.map(|tensor| made[tensor.call][tensor.output].clone()).collect();
        if let Some(inner) = layer.model() {
            made.push(add_nodes(inner, &format!("{name}/"), &inputs, nodes));
            continue;
        }
        let is_input = |tensor: &TensorRef| tensor.call == at;
        if let Some(which) = model.input_refs().iter().position(is_input) {
            inputs.extend(given.get(which).cloned());
        }
        let outputs = 0..call.outputs.len();
        made.push(
            outputs
                .map(|i| if i == 0 { name.clone() } else { format!("{name}:{i}") })
                .collect(),
        );
        let op = layer.class_name().to_owned();
        nodes.push(GraphNode { name, op, inputs, output_shapes: shapes(call) });
    }
    let outputs = model.output_refs().iter();
    outputs.map(|tensor| made[tensor.call][tensor.output].clone()).collect()
}

fn shapes(call: &LayerCall) -> Vec<Vec<Option<usize>>> {
    let lens = call.outputs.iter().map(|output| output.shape.dims().iter());
    lens.map(|dims| dims.map(deckle_tensor::Dim::known).collect()).collect()
}

#[cfg(test)]
mod tests {
    use deckle_nn::{
        LayerExt, LayerHandle, Sequential, Symbol,
        layers::{Add, Dense, Embedding, LSTM},
    };
    use deckle_tensor::DType;

    use super::*;
    use crate::Result;

    #[test]
    fn graphs_name_calls_outputs_and_models_in_models() -> Result<()> {
        let words = Symbol::typed_input("words", [5], DType::I32);
        let states = LSTM::new(4).return_state(true).shared();
        let states = states.call([&Embedding::new(10, 4).apply(&words)?], [])?;
        let tower = Model::new([&words], [&states[0], &states[2]])?;
        let tower = LayerHandle::from(tower.named("tower"));
        let (a, b) = (
            Symbol::typed_input("a", [5], DType::I32),
            Symbol::typed_input("b", [5], DType::I32),
        );
        let (left, right) = (tower.call([&a], [])?, tower.call([&b], [])?);
        let head = Sequential::new([4]).add(Dense::new(1)).build()?;
        let head = LayerHandle::from(head.named("head"));
        let y = head.apply(&Add::new().join([&left[1], &right[0]])?)?;
        let model = Model::new([&a, &b], [&y])?;
        let mut nodes = Vec::new();
        let outputs = add_nodes(&model, "", &[], &mut nodes);
        assert_eq!(outputs, ["head/dense"]);
        let find = |name: &str| nodes.iter().find(|node| node.name == name);
        let inputs = |name: &str| find(name).map(|node| node.inputs.join(" "));
        assert_eq!(inputs("tower/words").as_deref(), Some("a"));
        assert_eq!(inputs("tower.call_1/words").as_deref(), Some("b"));
        assert_eq!(inputs("tower/lstm").as_deref(), Some("tower/embedding"));
        assert_eq!(inputs("add").as_deref(), Some("tower/lstm:2 tower.call_1/lstm"));
        let lstm = find("tower/lstm").map(|node| node.output_shapes.clone());
        assert_eq!(lstm, Some(vec![vec![None, Some(4)]; 3]));
        Ok(())
    }
}
