//! From groups of nodes to instructions: [`lower`].

mod parts;
mod shared;

use std::{collections::BTreeMap, sync::Arc};

use deckle_tensor::{DType, Primitive, Result, Scan, SliceAxis, Spec, shape_text};

use crate::{
    Options,
    absorb::absorb,
    batch,
    fuse::{Group, fuse},
    gemm::Matrix,
    graph::{Access, Graph, Id, Kind, Node},
    kernel::{
        self, ByParts, Convolve, Finish, Indices, Instruction, Kernel, MatMul, Pass,
        Product, ScanLoop,
    },
    place::{Base, Dense},
    plan::Plan,
    tile::Tile,
    view::View,
    work::flops,
};
use parts::{Parts, parts_of_joined, product_into, regions};

/// What a graph becomes.
pub(crate) struct Lowered {
    pub(crate) instructions: Vec<Instruction>,
    /// Values that have no memory of their own but that of another one.
    pub(crate) alias: BTreeMap<Id, Id>,
    /// Memory that all parts of a batch share, if this is what one of them runs.
    pub(crate) shared: Vec<Id>,
}

/// The instructions that compute a graph, in an order in which they can run.
pub(crate) fn lower(graph: &mut Graph, options: &Options) -> Result<Lowered> {
    absorb(graph);
    let groups = fuse(graph);
    let parts = parts_of_joined(graph, &groups);
    let mut lowering = Lowering {
        read_outside: read_outside(graph, &groups, &parts),
        learned: learned(graph, &options.learned),
        lists: Vec::new(),
        parts,
        graph,
        options,
        instructions: Vec::new(),
        alias: BTreeMap::new(),
        shared: Vec::new(),
    };
    let tail = groups.partition_point(|group| !group.tail);
    for group in &groups[..tail] {
        let before = lowering.instructions.len();
        if group.heavy {
            lowering.heavy(group)?;
        } else {
            let tile = lowering.tile(group);
            lowering.pass(vec![tile], lowering.path(group));
        }
        // What is made right where it goes needs no instruction.
        if lowering.instructions.len() > before {
            lowering.count([group]);
        }
    }
    lowering.tail(&groups[tail..]);
    let Lowering { instructions, alias, shared, .. } = lowering;
    Ok(Lowered { instructions, alias, shared })
}

/// Per value, whether anything outside the group that makes it reads it.
fn read_outside(graph: &Graph, groups: &[Group], parts: &Parts) -> Vec<bool> {
    let group_of = groups_of_nodes(graph, groups);
    let mut outside = vec![false; graph.values.len()];
    for (number, node) in graph.nodes.iter().enumerate() {
        for (at, operand) in node.operands.iter().enumerate() {
            let part = parts.get(&operand.id);
            let joined = part.is_some_and(|part| part.joins == (number, at));
            if let Some(maker) = graph.maker(operand.id).filter(|_| !joined) {
                outside[operand.id] |= group_of[maker] != group_of[number];
            }
        }
    }
    for &id in graph.outputs.iter().chain(graph.updates.iter().map(|(_, id)| id)) {
        outside[id] = true;
    }
    outside
}

/// Per value, whether it depends on a variable; others are data, or made of data.
fn learned(graph: &Graph, inputs: &[bool]) -> Vec<bool> {
    let mut learned = vec![false; graph.values.len()];
    for (&input, &is_learned) in graph.inputs.iter().zip(inputs) {
        learned[input] = is_learned;
    }
    for &variable in &graph.variables {
        learned[variable] = true;
    }
    for node in &graph.nodes {
        let depends = node.operands.iter().any(|operand| learned[operand.id]);
        node.results.iter().for_each(|&result| learned[result] = depends);
    }
    learned
}

fn groups_of_nodes(graph: &Graph, groups: &[Group]) -> Vec<usize> {
    let mut group_of = vec![usize::MAX; graph.nodes.len()];
    for (number, group) in groups.iter().enumerate() {
        for &node in &group.nodes {
            group_of[node] = number;
        }
    }
    group_of
}

struct Lowering<'a> {
    parts: Parts,
    graph: &'a mut Graph,
    options: &'a Options,
    read_outside: Vec<bool>,
    learned: Vec<bool>,
    /// Matrices of data: from which element of which value on, and where the lists of what is
    /// not zero in them are.
    lists: Vec<((Matrix, usize), Id, [Id; 2])>,
    instructions: Vec<Instruction>,
    alias: BTreeMap<Id, Id>,
    shared: Vec<Id>,
}

impl Lowering<'_> {
    /// The layer that most of a group stems from: that of its last node with one.
    fn path(&self, group: &Group) -> Arc<str> {
        let paths = group.nodes.iter().rev().map(|&node| &self.graph.nodes[node].path);
        paths.clone().find(|path| !path.is_empty()).cloned().unwrap_or_default()
    }

    fn tile(&self, group: &Group) -> Tile {
        let nodes = &group.nodes[usize::from(group.heavy)..];
        let mut tile =
            Tile::new(self.graph, nodes, &group.space, &|id| self.read_outside[id]);
        for &node in nodes {
            let id = self.graph.nodes[node].results[0];
            if let Some(part) = self.parts.get(&id) {
                tile.store_part(id, part.whole, &part.region);
            }
        }
        tile
    }

    fn pass(&mut self, mut tiles: Vec<Tile>, path: Arc<str>) {
        let mut scratch = Vec::new();
        for tile in &mut tiles {
            for (fold, size) in tile.scratch() {
                let id = self.graph.scratch(Spec::new(tile.fold_dtype(fold), [size]));
                tile.set_parts(fold, id);
                scratch.push(id);
            }
        }
        self.instructions.push(pass(self.graph, tiles, scratch, path));
    }

    /// Groups that nothing but variables depend on: as few instructions as there are levels.
    fn tail(&mut self, groups: &[Group]) {
        let mut level = vec![0; groups.len()];
        let mut maker = BTreeMap::new();
        for (number, group) in groups.iter().enumerate() {
            for &node in &group.nodes {
                maker.insert(node, number);
            }
        }
        for (number, group) in groups.iter().enumerate().rev() {
            for &node in &group.nodes {
                for operand in &self.graph.nodes[node].operands {
                    let made_by =
                        self.graph.maker(operand.id).and_then(|m| maker.get(&m));
                    if let Some(&from) = made_by.filter(|&&from| from != number) {
                        level[from] = level[from].max(level[number] + 1);
                    }
                }
            }
        }
        let levels = level.iter().max().map_or(0, |highest| highest + 1);
        for now in (0..levels).rev() {
            let members = groups.iter().zip(&level).filter(|&(_, &level)| level == now);
            let members = members.map(|(group, _)| group);
            let tiles = members.clone().map(|group| self.tile(group)).collect();
            self.pass(tiles, Arc::from("update"));
            self.count(members);
        }
    }

    /// Counts the operations of groups for the instruction that was made last.
    fn count<'g>(&mut self, groups: impl IntoIterator<Item = &'g Group>) {
        let nodes = groups.into_iter().flat_map(|group| &group.nodes);
        let all = nodes.map(|&node| flops(self.graph, &self.graph.nodes[node])).sum();
        if let Some(last) = self.instructions.last_mut() {
            last.flops = all;
        }
    }

    fn push(&mut self, mut kernel: Box<dyn Kernel>, node: &Node, fallible: bool) {
        let scratch = self.scratch(&mut *kernel);
        let in_place = kernel.in_place().into_iter().collect();
        let shapes =
            node.results.iter().map(|&id| self.graph.values[id].spec.to_string());
        self.instructions.push(Instruction {
            kernel,
            name: format!("{} -> {}", node.name(), shapes.collect::<Vec<_>>().join(", ")),
            path: Arc::clone(&node.path),
            reads: node.operands.iter().map(|operand| operand.id).collect(),
            writes: node.results.clone(),
            scratch,
            in_place,
            fallible,
            flops: 0,
        });
    }

    /// The memory that a kernel needs while it runs.
    fn scratch(&mut self, kernel: &mut dyn Kernel) -> Vec<Id> {
        let bytes = kernel.scratch(self.options.simd, self.options.threads.count());
        if bytes == 0 {
            return Vec::new();
        }
        let id = self.graph.scratch(Spec::new(DType::U8, [bytes]));
        kernel.set_scratch(id, bytes);
        vec![id]
    }

    fn heavy(&mut self, group: &Group) -> Result<()> {
        let node = self.graph.nodes[group.nodes[0]].clone();
        let primitive = match &node.kind {
            Kind::Primitive(primitive) => primitive,
            Kind::Turn => {
                let Access { id, view } = &node.operands[0];
                let size = self.graph.dtype(*id).size();
                let kernel = kernel::transpose(*id, view, node.results[0], size);
                self.push(kernel, &node, false);
                return Ok(());
            }
            Kind::Composite(composite) => {
                if let Some(parts) = self.options.parts_of(composite) {
                    self.by_parts(&node, Arc::clone(parts));
                    return Ok(());
                }
                let inputs = node.operands.iter().map(|a| Dense::new(self.graph, a));
                let inputs: Vec<_> = inputs.collect();
                let whole = |&id: &Id| Dense::whole(id, &self.graph.values[id].spec);
                let results = node.results.iter().map(whole).collect();
                let kernel = kernel::make(composite, inputs, results);
                let kernel =
                    kernel.expect("composites without a kernel are replaced by bodies");
                self.push(kernel, &node, false);
                return Ok(());
            }
            Kind::Loop(composite, projection) => {
                let inputs = node.operands.iter().map(|a| Dense::new(self.graph, a));
                let inputs: Vec<_> = inputs.collect();
                let whole = |&id: &Id| Dense::whole(id, &self.graph.values[id].spec);
                let results = node.results.iter().map(whole).collect();
                let kernel =
                    kernel::make_projecting(composite, *projection, inputs, results);
                self.push(kernel.expect("a loop that has a kernel"), &node, false);
                return Ok(());
            }
            Kind::Map(_) | Kind::Reduce { .. } => unreachable!("passes run these"),
        };
        let in_part = self.options.in_part;
        if let Some(kernel) = Convolve::new(self.graph, &node, primitive, in_part) {
            self.product(group, &node, kernel);
            return Ok(());
        }
        let dense = |i: usize| Dense::new(self.graph, &node.operands[i]);
        let whole = |i: usize| {
            let id = node.results[i];
            Dense::whole(id, &self.graph.values[id].spec)
        };
        let indices = |i: usize| Indices {
            from: dense(i),
            op: primitive.name(),
            path: Arc::clone(&node.path),
        };
        let kernel = match primitive {
            Primitive::MatMul { transpose_a, transpose_b } => {
                if let Some(part) = self.parts.get(&node.results[0]) {
                    let (number, whole) = (group.nodes[0], part.whole);
                    let kernel = product_into(self.graph, number, whole, &part.region);
                    let kernel = kernel.expect("a part that was found to be one");
                    self.push(Box::new(kernel), &node, false);
                    if let Some(last) = self.instructions.last_mut() {
                        last.writes = vec![whole];
                    }
                    return Ok(());
                }
                let mut kernel =
                    MatMul::new(self.graph, &node, [*transpose_a, *transpose_b]);
                let lists = self.lists(&node, &mut kernel);
                self.share_copy(&node, &mut kernel);
                self.product(group, &node, kernel);
                if let Some(last) = self.instructions.last_mut() {
                    last.scratch.extend(lists);
                }
                return Ok(());
            }
            Primitive::Concat { axis } => {
                self.concat(group.nodes[0], &node, *axis);
                return Ok(());
            }
            Primitive::Pad { padding } => {
                self.pad(&node, padding);
                return Ok(());
            }
            Primitive::Scan(scan) => return self.scan(&node, scan),
            Primitive::ArgReduce { largest, axis } => {
                kernel::arg_reduce(dense(0), whole(0), *axis, *largest)
            }
            Primitive::CumSum { axis, exclusive, reverse } => {
                kernel::cumulative_sum(dense(0), whole(0), *axis, *exclusive, *reverse)
            }
            Primitive::Sort { descending, .. } => {
                kernel::sort(dense(0), whole(0), whole(1), *descending)
            }
            Primitive::TopK { k } => kernel::top_k(dense(0), whole(0), whole(1), *k),
            Primitive::Gather { axis } => {
                kernel::gather(dense(0), indices(1), whole(0), *axis)
            }
            Primitive::ScatterAdd { axis, .. } => {
                kernel::scatter_add(indices(0), dense(1), whole(0), *axis)
            }
            Primitive::GatherAlong { axis } => {
                kernel::gather_along(dense(0), indices(1), whole(0), *axis)
            }
            Primitive::ScatterAddAlong { axis, .. } => {
                kernel::scatter_add_along(indices(0), dense(1), whole(0), *axis)
            }
            Primitive::MaxPool(pool) => kernel::max_pool(dense(0), whole(0), pool),
            Primitive::MaxPoolGather(pool) => {
                kernel::max_pool_gather(dense(0), dense(1), whole(0), pool)
            }
            Primitive::MaxPoolScatter(pool) => {
                kernel::max_pool_scatter(dense(0), dense(1), whole(0), pool)
            }
            Primitive::AveragePool(pool) => {
                kernel::average_pool(dense(0), whole(0), pool)
            }
            Primitive::AveragePoolToInput { pool, .. } => {
                kernel::average_pool_to_input(dense(0), whole(0), pool)
            }
            Primitive::Convolution(settings) => {
                kernel::convolution(dense(0), dense(1), whole(0), settings)
            }
            Primitive::ConvolutionToInput { convolution, .. } => {
                kernel::convolution_to_input(dense(0), dense(1), whole(0), convolution)
            }
            Primitive::ConvolutionToKernel { convolution, .. } => {
                kernel::convolution_to_kernel(dense(0), dense(1), whole(0), convolution)
            }
            other => unreachable!("`{}` is a map, a reduction or a view", other.name()),
        };
        let fallible = matches!(
            primitive,
            Primitive::Gather { .. }
                | Primitive::ScatterAdd { .. }
                | Primitive::GatherAlong { .. }
                | Primitive::ScatterAddAlong { .. }
        );
        self.push(kernel, &node, fallible);
        Ok(())
    }

    /// A product, whose result the rest of the group finishes.
    fn product(
        &mut self,
        group: &Group,
        node: &Node,
        mut kernel: impl Product + 'static,
    ) {
        let mut scratch = self.scratch(&mut kernel);
        let product = node.results[0];
        let spec = self.graph.values[product].spec.clone();
        let mut reads: Vec<_> = node.operands.iter().map(|operand| operand.id).collect();
        let mut writes = Vec::new();
        let mut name = node.name().to_owned();
        if group.nodes.len() > 1 {
            let tile = self.tile(group);
            reads.extend(tile.reads().filter(|&id| id != product));
            writes.extend(tile.writes());
            name.push_str(" + ");
            name.push_str(&tile.names().join(" + "));
            let columns = spec.shape.last().copied().unwrap_or(1);
            kernel.set_finish(Finish::new(tile, product, columns));
        }
        if self.read_outside[product] || writes.is_empty() {
            writes.push(product);
        } else {
            // The product is finished where one of its results goes.
            let graph = &*self.graph;
            let made_here =
                |id| graph.maker(id).is_some_and(|n| group.nodes.contains(&n));
            let same =
                |id: Id| graph.size(id) == spec.size() && graph.dtype(id) == spec.dtype;
            match writes.iter().find(|&&id| made_here(id) && same(id)) {
                Some(&result) => {
                    self.alias.insert(product, result);
                }
                None => scratch.push(product),
            }
        }
        let [a, b] = [0, 1].map(|i| shape_text(&node.operands[i].view.shape));
        self.instructions.push(Instruction {
            kernel: Box::new(kernel),
            name: format!("{name}: {a} x {b} -> {spec}"),
            path: self.first_path(group),
            reads,
            writes,
            scratch,
            in_place: Vec::new(),
            fallible: false,
            flops: 0,
        });
    }

    /// The layer of a group's first node with one.
    fn first_path(&self, group: &Group) -> Arc<str> {
        let mut paths = group.nodes.iter().map(|&node| &self.graph.nodes[node].path);
        paths.find(|path| !path.is_empty()).cloned().unwrap_or_default()
    }

    fn concat(&mut self, number: usize, node: &Node, axis: usize) {
        let out = node.results[0];
        let mut tiles = Vec::new();
        let all = node.operands.iter().zip(regions(self.graph, node, axis));
        for (at, (operand, region)) in all.enumerate() {
            let part = self.parts.get(&operand.id);
            if part.is_none_or(|part| part.joins != (number, at)) {
                tiles.push(self.copy(operand, out, &region));
            }
        }
        if !tiles.is_empty() {
            self.pass(tiles, Arc::clone(&node.path));
            self.rename_last("concat", out);
        }
    }

    fn pad(&mut self, node: &Node, padding: &[(usize, usize)]) {
        let out = node.results[0];
        let whole = View::contiguous(&self.graph.values[out].spec.shape);
        let value = Access {
            id: node.operands[1].id,
            view: node.operands[1].view.broadcast(&whole.shape),
        };
        let fill = self.copy(&value, out, &whole);
        self.pass(vec![fill], Arc::clone(&node.path));
        self.rename_last("fill", out);
        let inner = &node.operands[0];
        let axes: Vec<_> = (padding.iter().zip(&inner.view.shape))
            .map(|(&(start, _), &len)| SliceAxis { start, len, step: 1 })
            .collect();
        let copy = self.copy(inner, out, &whole.slice(&axes));
        self.pass(vec![copy], Arc::clone(&node.path));
        self.rename_last("pad", out);
    }

    fn copy(&self, from: &Access, to: Id, region: &View) -> Tile {
        let dtype = self.graph.dtype(from.id);
        let whole = region.is_whole(self.graph.size(to));
        Tile::copy((from.id, dtype, &from.view), to, (!whole).then_some(region))
    }

    fn rename_last(&mut self, name: &str, out: Id) {
        if let Some(last) = self.instructions.last_mut() {
            last.name = format!("{name} -> {}", self.graph.values[out].spec);
        }
    }

    fn by_parts(&mut self, node: &Node, parts: Arc<batch::Parts>) {
        let inputs = node.operands.iter().map(|a| Dense::new(self.graph, a)).collect();
        let whole = |&id: &Id| Dense::whole(id, &self.graph.values[id].spec);
        let outputs = node.results.iter().map(whole).collect();
        let (fallible, text) = (parts.fallible(), parts.text());
        self.push(Box::new(ByParts::new(parts, inputs, outputs)), node, fallible);
        if let Some(last) = self.instructions.last_mut() {
            last.name = text;
        }
    }

    fn scan(&mut self, node: &Node, scan: &Scan) -> Result<()> {
        // What its inputs are is not known.
        let (threads, parts) =
            (Arc::clone(&self.options.threads), self.options.parts.clone());
        let options = Options { threads, parts, learned: Vec::new(), ..*self.options };
        let body = Plan::compile(&scan.body, &options)?;
        let mut scratch = Vec::new();
        let mut take = |graph: &mut Graph, spec: Spec| {
            let id = graph.scratch(spec);
            scratch.push(id);
            id
        };
        let bytes = body.arena_bytes();
        let arena = take(self.graph, Spec::new(DType::U8, [bytes]));
        let count = 2 + node.operands.len() + node.results.len();
        let bases = take(self.graph, Spec::new(DType::U8, [count * size_of::<Base>()]));
        let mut carries = Vec::new();
        for &carry in &node.results[..scan.carries] {
            let spec = self.graph.values[carry].spec.clone();
            let two = [0, 1].map(|_| take(self.graph, spec.clone()));
            carries.push(two.map(|id| Dense::whole(id, &spec)));
        }
        let fallible = body.fallible();
        let inner = body.text().lines().map(|line| format!("\n    | {line}"));
        let inner: String = inner.collect();
        let whole = |&id: &Id| Dense::whole(id, &self.graph.values[id].spec);
        let kernel = ScanLoop {
            constants: scan.constants,
            length: scan.length,
            reverse: scan.reverse,
            inputs: node.operands.iter().map(|a| Dense::new(self.graph, a)).collect(),
            outputs: node.results.iter().map(whole).collect(),
            carries,
            arena: Dense::scratch(arena, bytes, 1),
            bases: Dense::scratch(bases, count, size_of::<Base>()),
            body,
        };
        self.push(Box::new(kernel), node, fallible);
        if let Some(last) = self.instructions.last_mut() {
            last.scratch = scratch;
            last.name.push_str(&inner);
        }
        Ok(())
    }
}

/// The instruction of tile programs that do not depend on each other.
pub(crate) fn pass(
    graph: &Graph,
    tiles: Vec<Tile>,
    scratch: Vec<Id>,
    path: Arc<str>,
) -> Instruction {
    let mut reads: Vec<_> = tiles.iter().flat_map(Tile::reads).collect();
    reads.sort_unstable();
    reads.dedup();
    let count =
        |id: Id| tiles.iter().flat_map(Tile::reads).filter(|&read| read == id).count();
    let pairs = tiles.iter().flat_map(Tile::in_place);
    let in_place = pairs.filter(|&(read, _)| count(read) == 1).collect();
    let name = match &tiles[..] {
        [tile] => {
            let specs = tile.writes().map(|id| graph.values[id].spec.to_string());
            let specs: Vec<_> = specs.collect();
            format!("{} -> {}", tile.names().join(" + "), specs.join(", "))
        }
        _ => {
            let elements: usize = tiles.iter().map(|tile| tile.space.size).sum();
            format!("{} programs over {elements} elements", tiles.len())
        }
    };
    Instruction {
        name,
        path,
        reads,
        writes: tiles.iter().flat_map(Tile::writes).collect(),
        scratch,
        in_place,
        fallible: false,
        flops: 0,
        kernel: Box::new(Pass::new(tiles)),
    }
}
