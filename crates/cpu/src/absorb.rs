//! Products around loops that the loops compute themselves: [`absorb`].

use deckle_tensor::{Binary, Composite, Primitive, Reduction};

use crate::{
    graph::{Access, Graph, Id, Kind, Map, Node},
    kernel::projects,
    recurrent::Projection,
    view::View,
};

/// Lets the loops of recurrent layers multiply their inputs by their kernel, and give the
/// gradients of that, where nothing else reads the product.
///
/// Forward `x · kernel + bias` joins the loop that reads it; backward what reads the gradient by
/// that product joins the loop that makes it: the gradients by kernel, inputs and bias.
pub(crate) fn absorb(graph: &mut Graph) {
    let uses = Uses::new(graph);
    let mut gone = vec![false; graph.nodes.len()];
    for number in 0..graph.nodes.len() {
        let Kind::Composite(composite) = &graph.nodes[number].kind else { continue };
        let found = match composite.name.ends_with("_backward") {
            true => backward(graph, &uses, number, composite),
            false => forward(graph, &uses, number, composite),
        };
        if let Some((node, absorbed)) = found {
            graph.nodes[number] = node;
            absorbed.into_iter().for_each(|node| gone[node] = true);
        }
    }
    if gone.contains(&true) {
        graph.remove(&gone);
    }
}

/// Who reads each value.
struct Uses {
    /// Per value, the nodes that read it; once for each operand.
    users: Vec<Vec<usize>>,
    /// Per value, whether it is an output or the new value of a variable.
    external: Vec<bool>,
}

impl Uses {
    fn new(graph: &Graph) -> Self {
        let mut users = vec![Vec::new(); graph.values.len()];
        for (number, node) in graph.nodes.iter().enumerate() {
            for operand in &node.operands {
                users[operand.id].push(number);
            }
        }
        let mut external = vec![false; graph.values.len()];
        for &id in graph.outputs.iter().chain(graph.updates.iter().map(|(_, id)| id)) {
            external[id] = true;
        }
        Self { users, external }
    }

    /// Whether one node alone reads a value, once.
    fn only(&self, id: Id, user: usize) -> bool {
        self.users[id] == [user] && !self.external[id]
    }
}

/// A loop with the product that makes its first operand, and the nodes that are then gone.
fn forward(
    graph: &Graph,
    uses: &Uses,
    number: usize,
    composite: &Composite,
) -> Option<(Node, Vec<usize>)> {
    let node = &graph.nodes[number];
    let x = node.operands.first()?;
    let mut absorbed = Vec::new();
    let mut made = made_for(graph, uses, x, number)?;
    let mut bias = None;
    if let Kind::Map(Map::Binary(Binary::Add)) = graph.nodes[made].kind {
        let [a, b] = &graph.nodes[made].operands[..] else { return None };
        let (product, row) = match (row(b), row(a)) {
            (Some(row), _) => (a, row),
            (None, Some(row)) => (b, row),
            (None, None) => return None,
        };
        absorbed.push(made);
        bias = Some(row);
        made = made_for(graph, uses, product, made)?;
    }
    absorbed.push(made);
    let [inputs, kernel] = product(graph, made)?;
    let (&[_, features], true) = (&inputs.view.shape[..], is_matrix(&kernel.view)) else {
        return None;
    };
    if !inputs.view.is_contiguous() || !projects(composite, features) {
        return None;
    }
    let biased = bias.is_some();
    let own = [inputs, kernel].into_iter().chain(bias);
    let operands = own.chain(node.operands[1..].iter().cloned()).collect();
    let projection = Projection { features, biased, ..Projection::NONE };
    let kind = Kind::Loop(composite.clone(), projection);
    Some((Node { kind, operands, ..node.clone() }, absorbed))
}

/// A backward pass with what reads its first result, and the nodes that are then gone.
fn backward(
    graph: &Graph,
    uses: &Uses,
    number: usize,
    composite: &Composite,
) -> Option<(Node, Vec<usize>)> {
    let node = &graph.nodes[number];
    let dx = *node.results.first()?;
    let width = *graph.values[dx].spec.shape.last()?;
    let rows = graph.size(dx).checked_div(width)?;
    // What is there before the loop runs.
    let early =
        |access: &Access| graph.maker(access.id).is_none_or(|maker| maker < number);
    let mut by_kernel: Option<(usize, Access)> = None;
    let mut by_input: Option<(usize, Access)> = None;
    let mut by_bias = None;
    for &user in &uses.users[dx] {
        let reader = &graph.nodes[user];
        if let Kind::Reduce { reduction: Reduction::Sum, frame } = reader.kind {
            let sums = frame == [1, rows, width] && graph.is_whole(&reader.operands[0]);
            by_bias = by_bias.or(sums.then_some(user));
            continue;
        }
        let Some([a, b]) = product(graph, user) else { continue };
        let turned = |access: &Access| {
            let view = access.view.transpose(&[1, 0]);
            Access { id: access.id, view }
        };
        let is_dx = |access: &Access| access.id == dx && graph.is_whole(access);
        if is_dx(&b) && a.id != dx && by_kernel.is_none() {
            // inputsᵀ · dx
            let inputs = turned(&a);
            let fits = inputs.view.shape[0] == rows && inputs.view.is_contiguous();
            by_kernel = (fits && early(&inputs)).then_some((user, inputs));
        } else if is_dx(&a) && b.id != dx && by_input.is_none() {
            // dx · kernelᵀ
            let kernel = turned(&b);
            let fits = is_matrix(&kernel.view) && early(&kernel);
            by_input = fits.then_some((user, kernel));
        }
    }
    let features = match (&by_kernel, &by_input) {
        (Some((_, inputs)), _) => inputs.view.shape[1],
        (None, Some((_, kernel))) => kernel.view.shape[0],
        (None, None) => return None,
    };
    by_input = by_input.filter(|(_, kernel)| kernel.view.shape[0] == features);
    if !projects(composite, features) {
        return None;
    }
    let kernel_gradient = by_kernel.as_ref().map(|&(user, _)| user);
    let input_gradient = by_input.as_ref().map(|&(user, _)| user);
    let absorbed: Vec<_> =
        [kernel_gradient, by_bias, input_gradient].into_iter().flatten().collect();
    let others = uses.users[dx].iter().any(|user| !absorbed.contains(user));
    let projection = Projection {
        features,
        biased: false,
        by_product: others || uses.external[dx],
        by_kernel: by_kernel.is_some(),
        by_input: by_input.is_some(),
        by_bias: by_bias.is_some(),
    };
    let mut node = node.clone();
    let read = [by_kernel, by_input].into_iter().flatten();
    node.operands.extend(read.map(|(_, access)| access));
    if !projection.by_product {
        node.results.remove(0);
    }
    node.results.extend(absorbed.iter().map(|&user| graph.nodes[user].results[0]));
    node.kind = Kind::Loop(composite.clone(), projection);
    Some((node, absorbed))
}

/// The node that makes what an operand is the whole of, for that one reader alone.
fn made_for(graph: &Graph, uses: &Uses, read: &Access, user: usize) -> Option<usize> {
    let alone = graph.is_whole(read) && uses.only(read.id, user);
    graph.maker(read.id).filter(|_| alone)
}

/// The operands of a product of two matrices, as they are multiplied.
fn product(graph: &Graph, number: usize) -> Option<[Access; 2]> {
    let node = &graph.nodes[number];
    let Kind::Primitive(Primitive::MatMul { transpose_a, transpose_b }) = node.kind
    else {
        return None;
    };
    let [a, b] = &node.operands[..] else { return None };
    if a.view.shape.len() != 2 || b.view.shape.len() != 2 {
        return None;
    }
    let [a, b] = [(a, transpose_a), (b, transpose_b)].map(|(access, transpose)| {
        let axes = if transpose { [1, 0] } else { [0, 1] };
        Access { id: access.id, view: access.view.transpose(&axes) }
    });
    Some([a, b])
}

/// Whether a view is a matrix in row-major order without gaps.
fn is_matrix(view: &View) -> bool {
    view.shape.len() == 2 && view.is_contiguous()
}

/// The row that an operand repeats.
fn row(access: &Access) -> Option<Access> {
    let View { shape, strides, offset } = &access.view;
    let (&last, others) = strides.split_last()?;
    let repeats = last == 1 && others.iter().all(|&stride| stride == 0);
    repeats.then(|| {
        let (shape, strides) = (shape[others.len()..].to_vec(), vec![1]);
        Access { id: access.id, view: View { shape, strides, offset: *offset } }
    })
}
