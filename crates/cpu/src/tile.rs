//! Element-wise programs over tiles that stay in the first-level cache: [`Tile`].
//!
//! A tile program goes over the elements of one space in row-major order, some hundred at a
//! time. It loads operands through their strides, runs one loop per operation over registers
//! that are short pieces of memory, stores results, and folds them along the reduced axes of
//! its frame. So a chain of operations reads and writes main memory once.

pub(crate) mod fill;
mod fold;
mod function;
mod layout;
pub(crate) mod number;
mod random;
mod run;

use std::collections::BTreeMap;

use deckle_tensor::{DType, Reduction};

pub(crate) use fill::with_width;
pub(crate) use function::with_number;
pub(crate) use run::{Frame, Worker};

use crate::{
    fuse::Space,
    graph::{Graph, Id, Kind, Map},
    view::View,
};
use layout::Layout;

/// The number of a value within a tile program: loads first, then the results of steps.
type Local = usize;

/// Reads a value along the space.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) id: Id,
    pub(crate) dtype: DType,
    /// Over the space, with as few axes as possible.
    view: View,
}

impl Load {
    /// Whether element i of the space is element i of the value.
    pub(crate) fn is_linear(&self) -> bool {
        self.view.offset == 0 && matches!(self.view.strides[..], [] | [1])
    }

    /// The number of elements after which the same ones come again, if it divides the space.
    fn period(&self) -> Option<usize> {
        (self.view.strides.first() == Some(&0))
            .then(|| self.view.shape[1..].iter().product())
    }
}

/// Computes one value from others.
#[derive(Clone, Copy, Debug)]
struct Step {
    map: Map,
    /// Of the operands; of the second one for `Select`.
    dtype: DType,
    inputs: [Local; 3],
}

/// Writes a value.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    local: Local,
    pub(crate) id: Id,
    dtype: DType,
    /// Where the elements go, if not in order.
    region: Option<View>,
}

/// Reduces a value over the middle of the frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fold {
    local: Local,
    reduction: Reduction,
    dtype: DType,
    pub(crate) id: Id,
    /// Where the parts of long sums go, before they are added up.
    pub(crate) parts: Option<Id>,
}

/// A program of element-wise operations over one space, and reductions of their results.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) space: Space,
    pub(crate) loads: Vec<Load>,
    steps: Vec<Step>,
    pub(crate) stores: Vec<Store>,
    pub(crate) folds: Vec<Fold>,
    layout: Layout,
}

impl Tile {
    /// The program of a group's maps and reductions.
    ///
    /// `stored` says which results are read elsewhere.
    pub(crate) fn new(
        graph: &Graph,
        nodes: &[usize],
        space: &Space,
        stored: &dyn Fn(Id) -> bool,
    ) -> Self {
        let mut tile = Self {
            space: space.clone(),
            loads: Vec::new(),
            steps: Vec::new(),
            stores: Vec::new(),
            folds: Vec::new(),
            layout: Layout::default(),
        };
        let mut build =
            Build { graph, tile: &mut tile, known: BTreeMap::new(), results: 0 };
        build.loads(nodes);
        for &number in nodes {
            build.node(number, stored);
        }
        tile
    }

    /// The program that copies a view of a value into part of another one.
    pub(crate) fn copy(from: (Id, DType, &View), to: Id, region: Option<&View>) -> Self {
        let (id, dtype, view) = from;
        let shape = view.shape.clone();
        let space = Space { size: view.size(), shape, frame: None };
        let load = Load { id, dtype, view: view.collapsed() };
        let region = region.map(View::collapsed);
        let store = Store { local: 0, id: to, dtype, region };
        Self {
            space,
            loads: vec![load],
            steps: Vec::new(),
            stores: vec![store],
            folds: Vec::new(),
            layout: Layout::default(),
        }
    }

    /// The values that are read.
    pub(crate) fn reads(&self) -> impl Iterator<Item = Id> + '_ {
        self.loads.iter().map(|load| load.id)
    }

    /// The values that are written.
    pub(crate) fn writes(&self) -> impl Iterator<Item = Id> + '_ {
        let folds = self.folds.iter();
        self.stores.iter().map(|store| store.id).chain(folds.map(|fold| fold.id))
    }

    /// What a run costs, roughly in vector operations on one element.
    pub(crate) fn cost(&self) -> usize {
        let steps: usize = self.steps.iter().map(|step| step.map.cost()).sum();
        self.space.size * (1 + steps + self.folds.len() + self.loads.len() / 2)
    }

    /// What the program does, in a few words: the names of its operations.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let steps = self.steps.iter().map(|step| step.map.name());
        let mut names: Vec<_> =
            steps.chain(self.folds.iter().map(|fold| fold.reduction.name())).collect();
        if names.is_empty() {
            names.push("copy");
        }
        names
    }
}

impl Map {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Unary(unary) => unary.name(),
            Self::Binary(binary) => binary.name(),
            Self::Compare(compare) => compare.name(),
            Self::Select => "select",
            Self::Cast(_) => "cast",
            Self::Random { .. } => "random",
        }
    }

    fn cost(&self) -> usize {
        use deckle_tensor::{Binary, Unary};
        match self {
            Self::Unary(
                Unary::Neg | Unary::Abs | Unary::Square | Unary::Not | Unary::Sign,
            ) => 1,
            Self::Unary(Unary::Sqrt | Unary::Reciprocal | Unary::Rsqrt) => 3,
            Self::Unary(_) | Self::Binary(Binary::Pow | Binary::Atan2 | Binary::Rem) => {
                12
            }
            Self::Binary(Binary::Div) => 3,
            Self::Random { .. } => 20,
            _ => 1,
        }
    }
}

struct Build<'a> {
    graph: &'a Graph,
    tile: &'a mut Tile,
    /// The local number of values that the nodes make.
    known: BTreeMap<Id, Local>,
    /// How many steps there are so far.
    results: usize,
}

impl Build<'_> {
    /// Finds all loads first, so that the numbers of steps follow theirs.
    fn loads(&mut self, nodes: &[usize]) {
        let made: Vec<_> =
            nodes.iter().flat_map(|&n| &self.graph.nodes[n].results).collect();
        for &number in nodes {
            for operand in &self.graph.nodes[number].operands {
                if !made.contains(&&operand.id) {
                    self.load(operand.id, &operand.view);
                }
            }
        }
    }

    fn load(&mut self, id: Id, view: &View) -> Local {
        let size = self.tile.space.size;
        // Seed and step of random numbers are scalars beside a larger space.
        let view =
            if view.size() == size { view.clone() } else { view.broadcast(&[size]) };
        let view = view.collapsed();
        let loads = &mut self.tile.loads;
        if let Some(known) = loads.iter().position(|l| l.id == id && l.view == view) {
            return known;
        }
        loads.push(Load { id, dtype: self.graph.dtype(id), view });
        loads.len() - 1
    }

    fn node(&mut self, number: usize, stored: &dyn Fn(Id) -> bool) {
        let graph = self.graph;
        let node = &graph.nodes[number];
        let mut inputs = [0; 3];
        for (local, operand) in inputs.iter_mut().zip(&node.operands) {
            *local = match self.known.get(&operand.id) {
                Some(&known) => known,
                None => self.load(operand.id, &operand.view),
            };
        }
        let id = node.results[0];
        let dtype = graph.dtype(id);
        let map = match node.kind {
            Kind::Map(map) => map,
            Kind::Reduce { reduction, .. } => {
                let fold = Fold { local: inputs[0], reduction, dtype, id, parts: None };
                self.tile.folds.push(fold);
                return;
            }
            _ => unreachable!("a pass runs maps and reductions"),
        };
        let local = if map == Map::Copy {
            inputs[0]
        } else {
            let operand = usize::from(map == Map::Select);
            let dtype = match map {
                Map::Random { .. } => dtype,
                _ => graph.dtype(node.operands[operand].id),
            };
            self.tile.steps.push(Step { map, dtype, inputs });
            self.results += 1;
            self.tile.loads.len() + self.results - 1
        };
        self.known.insert(id, local);
        if stored(id) {
            self.tile.stores.push(Store { local, id, dtype, region: None });
        }
    }
}
