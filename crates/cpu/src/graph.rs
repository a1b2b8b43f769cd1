//! What computes what, with layout operations turned into strided views: [`Graph`].

use std::{collections::BTreeMap, sync::Arc};

use deckle_tensor::{
    Binary, Compare, Composite, DType, Distribution, Operation, Primitive, Program,
    Reduction, Spec, Tensor, Unary, Value,
};

use crate::{recurrent::Projection, view::View};

/// A value that has memory or is computed within a pass, by its number in [`Graph::values`].
pub(crate) type Id = usize;

/// Some elements of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Access {
    pub(crate) id: Id,
    pub(crate) view: View,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    Input(usize),
    Variable(usize),
    Constant(Tensor),
    /// Made by the node of that number.
    Node(usize),
    /// Memory that an instruction needs for itself, or a variable's after its update.
    Scratch,
}

#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) spec: Spec,
    pub(crate) origin: Origin,
}

/// A function of elements at one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Map {
    Copy,
    Unary(Unary),
    Binary(Binary),
    Compare(Compare),
    Select,
    Cast(DType),
    /// Reads seed and step.
    Random {
        distribution: Distribution,
        stream: u64,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// All operands have the shape of the one result.
    Map(Map),
    /// Of an operand with shape (outer, len, inner), reduced over `len`.
    Reduce {
        reduction: Reduction,
        frame: [usize; 3],
    },
    Primitive(Primitive),
    Composite(Composite),
    /// A recurrent layer's loop, or its backward pass, that multiplies inputs by their kernel.
    Loop(Composite, Projection),
    /// A copy of a view whose neighbours lie far apart in memory.
    Turn,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) operands: Vec<Access>,
    pub(crate) results: Vec<Id>,
    pub(crate) path: Arc<str>,
}

impl Node {
    pub(crate) fn name(&self) -> &str {
        match &self.kind {
            Kind::Map(Map::Copy) => "copy",
            Kind::Map(Map::Unary(unary)) => unary.name(),
            Kind::Map(Map::Binary(binary)) => binary.name(),
            Kind::Map(Map::Compare(compare)) => compare.name(),
            Kind::Map(Map::Select) => "select",
            Kind::Map(Map::Cast(_)) => "cast",
            Kind::Map(Map::Random { .. }) => "random",
            Kind::Reduce { reduction, .. } => reduction.name(),
            Kind::Primitive(primitive) => primitive.name(),
            Kind::Composite(composite) | Kind::Loop(composite, _) => &composite.name,
            Kind::Turn => "transpose",
        }
    }
}

/// A program as nodes that read views of values.
///
/// Nodes are in an order in which they can run. Each output, and each variable's new value, is
/// the whole of a value that a node makes and that has no other such place.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) values: Vec<Slot>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) inputs: Vec<Id>,
    pub(crate) variables: Vec<Id>,
    pub(crate) outputs: Vec<Id>,
    /// The variable's number, and its new value.
    pub(crate) updates: Vec<(usize, Id)>,
}

impl Graph {
    /// A new value that no node makes.
    pub(crate) fn scratch(&mut self, spec: Spec) -> Id {
        self.values.push(Slot { spec, origin: Origin::Scratch });
        self.values.len() - 1
    }

    /// The graph of a canonical program.
    pub(crate) fn new(program: &Program) -> Self {
        let graph = Self {
            values: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            variables: Vec::new(),
            outputs: Vec::new(),
            updates: Vec::new(),
        };
        let mut build = Build { graph, access: BTreeMap::new(), dense: Vec::new() };
        for (i, &value) in program.inputs().iter().enumerate() {
            let id = build.bind(value, program.spec(value), Origin::Input(i));
            build.graph.inputs.push(id);
        }
        for (i, &value) in program.variables().iter().enumerate() {
            let id = build.bind(value, program.spec(value), Origin::Variable(i));
            build.graph.variables.push(id);
        }
        for instruction in program.instructions() {
            let inputs: Vec<_> = instruction
                .inputs
                .iter()
                .map(|value| build.access[value].clone())
                .collect();
            let specs: Vec<_> = instruction
                .outputs
                .iter()
                .map(|&value| program.spec(value).clone())
                .collect();
            let results = match &instruction.operation {
                Operation::Primitive(primitive) => {
                    build.primitive(primitive, inputs, &specs, &instruction.path)
                }
                Operation::Composite(composite) => {
                    let kind = Kind::Composite(composite.clone());
                    let inputs = build.all_dense(inputs);
                    build.node(kind, inputs, &specs, &instruction.path)
                }
            };
            for (&value, access) in instruction.outputs.iter().zip(results) {
                build.access.insert(value, access);
            }
        }
        let mut taken = Vec::new();
        for value in program.outputs() {
            let id = build.own(&build.access[value].clone(), &mut taken);
            build.graph.outputs.push(id);
        }
        for update in program.updates() {
            let id = build.own(&build.access[&update.value].clone(), &mut taken);
            build.graph.updates.push((update.variable, id));
        }
        build.graph
    }

    pub(crate) fn size(&self, id: Id) -> usize {
        self.values[id].spec.size()
    }

    pub(crate) fn dtype(&self, id: Id) -> DType {
        self.values[id].spec.dtype
    }

    /// Takes nodes out whose results nobody reads any more.
    pub(crate) fn remove(&mut self, gone: &[bool]) {
        let mut gone = gone.iter();
        self.nodes.retain(|_| !gone.next().is_some_and(|&gone| gone));
        for slot in &mut self.values {
            if matches!(slot.origin, Origin::Node(_)) {
                slot.origin = Origin::Scratch;
            }
        }
        for (number, node) in self.nodes.iter().enumerate() {
            for &result in &node.results {
                self.values[result].origin = Origin::Node(number);
            }
        }
    }

    /// The node that makes a value.
    pub(crate) fn maker(&self, id: Id) -> Option<usize> {
        match self.values[id].origin {
            Origin::Node(node) => Some(node),
            _ => None,
        }
    }

    /// Whether an access is the whole value in order, so that it can be had element by element.
    pub(crate) fn is_whole(&self, access: &Access) -> bool {
        access.view.is_whole(self.size(access.id))
    }
}

struct Build {
    graph: Graph,
    access: BTreeMap<Value, Access>,
    /// Copies of views made so far.
    dense: Vec<(Access, Id)>,
}

impl Build {
    fn slot(&mut self, spec: &Spec, origin: Origin) -> Id {
        self.graph.values.push(Slot { spec: spec.clone(), origin });
        self.graph.values.len() - 1
    }

    fn bind(&mut self, value: Value, spec: &Spec, origin: Origin) -> Id {
        let id = self.slot(spec, origin);
        self.access.insert(value, Access { id, view: View::contiguous(&spec.shape) });
        id
    }

    fn node(
        &mut self,
        kind: Kind,
        operands: Vec<Access>,
        specs: &[Spec],
        path: &Arc<str>,
    ) -> Vec<Access> {
        let number = self.graph.nodes.len();
        let results: Vec<_> =
            specs.iter().map(|spec| self.slot(spec, Origin::Node(number))).collect();
        let accesses = results.iter().zip(specs);
        let accesses = accesses
            .map(|(&id, spec)| Access { id, view: View::contiguous(&spec.shape) })
            .collect();
        let path = Arc::clone(path);
        self.graph.nodes.push(Node { kind, operands, results, path });
        accesses
    }

    /// A copy of the elements in row-major order.
    fn copy(&mut self, access: &Access, path: &Arc<str>) -> Access {
        let spec = Spec::new(self.graph.dtype(access.id), access.view.shape.clone());
        let kind =
            if access.view.is_turned() { Kind::Turn } else { Kind::Map(Map::Copy) };
        self.node(kind, vec![access.clone()], &[spec], path).remove(0)
    }

    /// The elements in row-major order without gaps: themselves, or a copy.
    fn contiguous(&mut self, access: Access) -> Access {
        if access.view.is_contiguous() {
            return access;
        }
        let known = self.dense.iter().find(|(known, _)| *known == access);
        let id = match known {
            Some(&(_, id)) => id,
            None => {
                let id = self.copy(&access, &Arc::default()).id;
                self.dense.push((access.clone(), id));
                id
            }
        };
        Access { id, view: View::contiguous(&access.view.shape) }
    }

    fn all_dense(&mut self, accesses: Vec<Access>) -> Vec<Access> {
        accesses.into_iter().map(|access| self.contiguous(access)).collect()
    }

    /// The elements, or a copy of them if a pass would read them slowly.
    fn near(&mut self, access: Access) -> Access {
        if access.view.is_turned() { self.contiguous(access) } else { access }
    }

    /// A value of its own with these elements, made by a node.
    fn own(&mut self, access: &Access, taken: &mut Vec<Id>) -> Id {
        let whole = self.graph.is_whole(access);
        let made = self.graph.maker(access.id).is_some();
        let id = if whole && made && !taken.contains(&access.id) {
            access.id
        } else {
            self.copy(access, &Arc::default()).id
        };
        taken.push(id);
        id
    }

    fn primitive(
        &mut self,
        primitive: &Primitive,
        mut inputs: Vec<Access>,
        specs: &[Spec],
        path: &Arc<str>,
    ) -> Vec<Access> {
        let shape = &specs[0].shape;
        let map = match primitive {
            Primitive::Constant(tensor) => {
                let id = self.slot(&specs[0], Origin::Constant(tensor.contiguous()));
                return vec![Access { id, view: View::contiguous(shape) }];
            }
            Primitive::Reshape { .. } => {
                let access = inputs.remove(0);
                if let Some(view) = access.view.reshape(shape) {
                    return vec![Access { id: access.id, view }];
                }
                let id = self.contiguous(access).id;
                return vec![Access { id, view: View::contiguous(shape) }];
            }
            Primitive::Transpose { permutation } => {
                let access = inputs.remove(0);
                let view = access.view.transpose(permutation);
                return vec![Access { id: access.id, view }];
            }
            Primitive::Slice(axes) => {
                let access = inputs.remove(0);
                return vec![Access { id: access.id, view: access.view.slice(axes) }];
            }
            Primitive::Broadcast { .. } => {
                let access = inputs.remove(0);
                return vec![Access {
                    id: access.id,
                    view: access.view.broadcast(shape),
                }];
            }
            Primitive::Unary(unary) => Map::Unary(*unary),
            Primitive::Binary(binary) => Map::Binary(*binary),
            Primitive::Compare(compare) => Map::Compare(*compare),
            Primitive::Select => Map::Select,
            Primitive::Cast(dtype) => Map::Cast(*dtype),
            Primitive::Random { distribution, stream, .. } => {
                Map::Random { distribution: *distribution, stream: *stream }
            }
            Primitive::Reduce { reduction, axes } => {
                let inputs: Vec<_> = inputs.into_iter().map(|x| self.near(x)).collect();
                let view = &inputs[0].view;
                let kind = Kind::Reduce {
                    reduction: *reduction,
                    frame: frame(&view.shape, axes),
                };
                return self.node(kind, inputs, specs, path);
            }
            Primitive::MatMul { .. } => {
                // Products read any strides but backwards.
                let inputs = inputs
                    .into_iter()
                    .map(|access| match access.view.strides.iter().all(|&s| s >= 0) {
                        true => access,
                        false => self.contiguous(access),
                    })
                    .collect();
                return self.node(
                    Kind::Primitive(primitive.clone()),
                    inputs,
                    specs,
                    path,
                );
            }
            Primitive::Concat { .. } | Primitive::Pad { .. } => {
                return self.node(
                    Kind::Primitive(primitive.clone()),
                    inputs,
                    specs,
                    path,
                );
            }
            _ => {
                let inputs = self.all_dense(inputs);
                return self.node(
                    Kind::Primitive(primitive.clone()),
                    inputs,
                    specs,
                    path,
                );
            }
        };
        for input in &mut inputs {
            let near = self.near(input.clone());
            *input = Access { view: near.view.broadcast(shape), ..near };
        }
        self.node(Kind::Map(map), inputs, specs, path)
    }
}

/// The lengths before, along and after the one run of reduced axes.
fn frame(shape: &[usize], axes: &[usize]) -> [usize; 3] {
    let mut frame = [1; 3];
    let mut part = 0;
    for (axis, &len) in shape.iter().enumerate().filter(|&(_, &len)| len != 1) {
        if axes.contains(&axis) {
            part = 1;
        } else if part == 1 {
            part = 2;
        }
        frame[part] *= len;
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        assert_eq!(frame(&[2, 3, 4], &[1]), [2, 3, 4]);
        assert_eq!(frame(&[2, 3, 4], &[0, 1]), [1, 6, 4]);
        assert_eq!(frame(&[2, 3, 4], &[1, 2]), [2, 12, 1]);
        assert_eq!(frame(&[2, 1, 4], &[0, 2]), [1, 8, 1]);
        assert_eq!(frame(&[5], &[0]), [1, 5, 1]);
        assert_eq!(frame(&[1, 5, 3], &[0, 2]), [5, 3, 1]);
    }
}
