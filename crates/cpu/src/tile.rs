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
mod parts;
mod random;
mod run;

use std::collections::BTreeMap;

use deckle_tensor::{Binary, DType, Reduction, Unary};

pub(crate) use fill::with_width;
pub(crate) use function::with_number;
pub(crate) use run::Worker;

use crate::{
    fuse::Space,
    graph::{Graph, Id, Kind, Map},
    view::View,
};
use layout::{FRAME, Layout};

/// The longest rows that are reduced within a tile.
const LONGEST_ROW: usize = 1024;

/// The number of a value within a tile program: loads first, then the results of steps.
type Local = usize;

/// How many elements a value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// One for each element of the space.
    Full,
    /// One for each row of the frame.
    Row,
}

/// Reads a value along the space.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) id: Id,
    pub(crate) dtype: DType,
    level: Level,
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

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Map(Map),
    /// Reduces each row to one element.
    Fold(Reduction),
    /// Repeats the element of each row along it.
    Expand,
}

/// Computes one value from others.
#[derive(Clone, Copy, Debug)]
struct Step {
    op: Op,
    /// Of the operands; of the second one for `Select`.
    dtype: DType,
    inputs: [Local; 3],
    /// Of the result.
    level: Level,
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
    /// The local numbers of what the nodes make.
    known: BTreeMap<Id, Local>,
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
            known: BTreeMap::new(),
        };
        let rows = space.frame.filter(|_| tile.fits_rows(graph, nodes));
        let mut build = Build { graph, tile: &mut tile, expanded: BTreeMap::new(), rows };
        build.loads(nodes);
        for &number in nodes {
            build.node(number, stored);
        }
        tile
    }

    /// The program that copies a view of a value into part of another one.
    pub(crate) fn copy(from: (Id, DType, &View), to: Id, region: Option<&View>) -> Self {
        let (id, dtype, view) = from;
        let space = Space { size: view.size(), frame: None };
        let load = Load { id, dtype, level: Level::Full, view: view.collapsed() };
        let region = region.map(View::collapsed);
        let store = Store { local: 0, id: to, dtype, region };
        Self {
            space,
            loads: vec![load],
            steps: Vec::new(),
            stores: vec![store],
            folds: Vec::new(),
            layout: Layout::default(),
            known: BTreeMap::new(),
        }
    }

    /// Stores what a node makes in part of another value, too.
    pub(crate) fn store_part(&mut self, made: Id, to: Id, region: &View) {
        let local = self.known[&made];
        let dtype = match local.checked_sub(self.loads.len()) {
            Some(step) => self.steps[step].result(),
            None => self.loads[local].dtype,
        };
        let whole = region.collapsed();
        let region = (!whole.is_whole(region.size())).then_some(whole);
        self.stores.push(Store { local, id: to, dtype, region });
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
        let steps: usize = self.steps.iter().map(|step| step.op.cost()).sum();
        self.space.size * (1 + steps + self.folds.len() + self.loads.len() / 2)
    }

    /// What the program does, in a few words: the names of its operations.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let steps = self.steps.iter().filter_map(|step| step.op.name());
        let mut names: Vec<_> =
            steps.chain(self.folds.iter().map(|fold| fold.reduction.name())).collect();
        if names.is_empty() {
            names.push("copy");
        }
        names
    }
}

impl Tile {
    /// Whether whole rows of all values fit into registers, so that what is reduced can be
    /// used within the same tile.
    fn fits_rows(&self, graph: &Graph, nodes: &[usize]) -> bool {
        let operands: usize = nodes.iter().map(|&n| graph.nodes[n].operands.len()).sum();
        self.space.frame.is_some_and(|frame| rows_fit(frame, nodes.len() + operands))
    }

    /// Whether values are reduced row by row within a tile.
    fn by_rows(&self) -> bool {
        self.space.frame.is_some() && self.folds.is_empty()
    }
}

/// Whether whole rows of so many values fit into registers.
pub(crate) fn rows_fit([outer, len, inner]: [usize; 3], values: usize) -> bool {
    // Twice as many for what is repeated along rows.
    outer > 0
        && len > 0
        && inner == 1
        && len <= LONGEST_ROW
        && 2 * values * len * 8 <= FRAME
}

impl Op {
    fn name(&self) -> Option<&'static str> {
        match self {
            Self::Map(map) => Some(map.name()),
            Self::Fold(reduction) => Some(reduction.name()),
            Self::Expand => None,
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::Map(map) => map.cost(),
            Self::Fold(_) | Self::Expand => 1,
        }
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
        match self {
            Self::Unary(Unary::Sqrt | Unary::Reciprocal | Unary::Rsqrt)
            | Self::Binary(Binary::Div) => 3,
            Self::Unary(unary) if is_cheap(*unary) => 1,
            Self::Unary(_) | Self::Binary(Binary::Pow | Binary::Atan2 | Binary::Rem) => {
                12
            }
            Self::Random { .. } => 20,
            _ => 1,
        }
    }
}

const fn is_cheap(unary: Unary) -> bool {
    matches!(unary, Unary::Neg | Unary::Abs | Unary::Square | Unary::Not | Unary::Sign)
}

struct Build<'a> {
    graph: &'a Graph,
    tile: &'a mut Tile,
    /// The local number of a row's value, repeated along it.
    expanded: BTreeMap<Local, Local>,
    /// The frame, if values are reduced row by row.
    rows: Option<[usize; 3]>,
}

impl Build<'_> {
    /// Finds all loads first, so that the numbers of steps follow theirs.
    fn loads(&mut self, nodes: &[usize]) {
        let made: Vec<_> =
            nodes.iter().flat_map(|&n| &self.graph.nodes[n].results).collect();
        for &number in nodes {
            let level = self.level(number);
            for operand in &self.graph.nodes[number].operands {
                if !made.contains(&&operand.id) {
                    self.load(operand.id, &operand.view, level);
                }
            }
        }
    }

    /// Of the elements that a node goes over.
    fn level(&self, number: usize) -> Level {
        let node = &self.graph.nodes[number];
        let full = matches!(node.kind, Kind::Reduce { .. })
            || self.graph.size(node.results[0]) == self.tile.space.size;
        if full { Level::Full } else { Level::Row }
    }

    fn load(&mut self, id: Id, view: &View, level: Level) -> Local {
        let size = match (level, self.rows) {
            (Level::Row, Some([rows, ..])) => rows,
            _ => self.tile.space.size,
        };
        // Seed and step of random numbers are scalars beside a larger space.
        let view =
            if view.size() == size { view.clone() } else { view.broadcast(&[size]) };
        let view = view.collapsed();
        let same = |l: &Load| l.id == id && l.view == view && l.level == level;
        let loads = &mut self.tile.loads;
        if let Some(known) = loads.iter().position(same) {
            return known;
        }
        loads.push(Load { id, dtype: self.graph.dtype(id), level, view });
        loads.len() - 1
    }

    fn step(&mut self, step: Step) -> Local {
        self.tile.steps.push(step);
        self.tile.loads.len() + self.tile.steps.len() - 1
    }

    /// Where a node finds its operand.
    fn operand(&mut self, id: Id, view: &View, level: Level) -> Local {
        let Some(&local) = self.tile.known.get(&id) else {
            return self.load(id, view, level);
        };
        let first = self.tile.loads.len();
        let has = match local.checked_sub(first) {
            Some(step) => self.tile.steps[step].level,
            None => self.tile.loads[local].level,
        };
        if has == level {
            return local;
        }
        if let Some(&expanded) = self.expanded.get(&local) {
            return expanded;
        }
        let dtype = self.graph.dtype(id);
        let op = Op::Expand;
        let expanded =
            self.step(Step { op, dtype, inputs: [local; 3], level: Level::Full });
        self.expanded.insert(local, expanded);
        expanded
    }

    fn node(&mut self, number: usize, stored: &dyn Fn(Id) -> bool) {
        let graph = self.graph;
        let node = &graph.nodes[number];
        let level = self.level(number);
        let mut inputs = [0; 3];
        for (local, operand) in inputs.iter_mut().zip(&node.operands) {
            *local = self.operand(operand.id, &operand.view, level);
        }
        let id = node.results[0];
        let dtype = graph.dtype(id);
        let local = match node.kind {
            Kind::Map(Map::Copy) => inputs[0],
            Kind::Map(map) => {
                let dtype = match map {
                    Map::Random { .. } => dtype,
                    Map::Select => graph.dtype(node.operands[1].id),
                    _ => graph.dtype(node.operands[0].id),
                };
                self.step(Step { op: Op::Map(map), dtype, inputs, level })
            }
            Kind::Reduce { reduction, .. } if self.rows.is_some() => {
                let op = Op::Fold(reduction);
                self.step(Step { op, dtype, inputs, level: Level::Row })
            }
            Kind::Reduce { reduction, .. } => {
                let fold = Fold { local: inputs[0], reduction, dtype, id, parts: None };
                self.tile.folds.push(fold);
                return;
            }
            _ => unreachable!("a pass runs maps and reductions"),
        };
        self.tile.known.insert(id, local);
        if stored(id) {
            self.tile.stores.push(Store { local, id, dtype, region: None });
        }
    }
}
