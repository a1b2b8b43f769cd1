//! Which memory each value gets: [`assign`].
//!
//! A value lives from the instruction that makes it to the last one that reads it; values that
//! do not live at the same time share the arena. Outputs and new values of variables are made
//! in their own memory where that changes nothing, and an element-wise result takes the place
//! of an operand that nobody reads again.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    graph::{Graph, Id, Origin},
    kernel::Instruction,
    lower::{Lowered, pass},
    memory::ALIGN,
    place::Place,
    tile::Tile,
    view::View,
};

/// Where the arena, the constants and the first input are among the bases.
pub(crate) const ARENA: usize = 0;
pub(crate) const CONSTANTS: usize = 1;
pub(crate) const FIRST: usize = 2;

/// Where everything is.
pub(crate) struct Assignment {
    pub(crate) places: Vec<Place>,
    pub(crate) arena_bytes: usize,
    /// The most bytes of values that live at the same time.
    pub(crate) peak_bytes: usize,
    /// The same without what instructions need for themselves, which depends on the threads.
    pub(crate) value_bytes: usize,
    pub(crate) constant_bytes: usize,
    /// Of what all parts of a batch share, in the last base.
    pub(crate) shared_bytes: usize,
}

/// Gives each value a place; appends the copies of new values into their variables.
pub(crate) fn assign(graph: &mut Graph, lowered: &mut Lowered) -> Assignment {
    let mut fixed = BTreeMap::new();
    let variables = FIRST + graph.inputs.len();
    let outputs = variables + graph.variables.len();
    for (number, &id) in graph.outputs.iter().enumerate() {
        fixed.insert(id, Place { base: outputs + number, offset: 0 });
    }
    let mut copies = Vec::new();
    for (variable, id) in graph.updates.clone() {
        let place = Place { base: variables + variable, offset: 0 };
        if writes_in_place(graph, &lowered.instructions, graph.variables[variable], id) {
            fixed.insert(id, place);
        } else {
            let spec = graph.values[id].spec.clone();
            let view = View::contiguous(&spec.shape);
            let target = graph.scratch(spec.clone());
            fixed.insert(target, place);
            copies.push(Tile::copy((id, spec.dtype, &view), target, None));
        }
    }
    if !copies.is_empty() {
        let mut copy = pass(graph, copies, Vec::new(), Arc::from("update"));
        copy.in_place.clear();
        lowered.instructions.push(copy);
    }

    let mut shared_bytes = 0;
    for &id in &lowered.shared {
        let base = outputs + graph.outputs.len();
        fixed.insert(id, Place { base, offset: shared_bytes });
        shared_bytes += padded(graph.values[id].spec.bytes());
    }

    let mut constant_bytes = 0;
    for (id, slot) in graph.values.iter().enumerate() {
        let place = match &slot.origin {
            Origin::Input(number) => Place { base: FIRST + number, offset: 0 },
            Origin::Variable(number) => Place { base: variables + number, offset: 0 },
            Origin::Constant(_) => {
                let offset = constant_bytes;
                constant_bytes += padded(slot.spec.bytes());
                Place { base: CONSTANTS, offset }
            }
            Origin::Node(_) | Origin::Scratch => continue,
        };
        fixed.insert(id, place);
    }
    for (id, as_other) in &lowered.alias {
        if let Some(&place) = fixed.get(as_other) {
            fixed.insert(*id, place);
        }
    }

    let mut lives = Lives::new(graph, lowered, &fixed);
    lives.share(&lowered.instructions);
    let count = lowered.instructions.len();
    let is_made = |id: Id| matches!(lives.graph.values[id].origin, Origin::Node(_));
    let (peak_bytes, value_bytes) =
        (lives.peak(count, &|_| true), lives.peak(count, &is_made));
    let (offsets, arena_bytes) = lives.pack();
    let places = (0..graph.values.len())
        .map(|id| match fixed.get(&id) {
            Some(&place) => place,
            None => Place { base: ARENA, offset: offsets[lives.root(id)] },
        })
        .collect();
    Assignment {
        places,
        arena_bytes,
        peak_bytes,
        value_bytes,
        constant_bytes,
        shared_bytes,
    }
}

const fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGN)
}

/// Whether a variable's new value can be made in the variable's memory: its old value is not
/// read any more, and nothing can fail from then on.
fn writes_in_place(
    graph: &Graph,
    instructions: &[Instruction],
    variable: Id,
    value: Id,
) -> bool {
    let makes = |instruction: &Instruction| instruction.writes.contains(&value);
    let Some(at) = instructions.iter().position(makes) else { return false };
    let own = &instructions[at];
    let reads_old = own.reads.contains(&variable);
    let later = &instructions[at + 1..];
    graph.values[value].spec == graph.values[variable].spec
        && !own.fallible
        && own.writes.iter().filter(|&&id| id == value).count() == 1
        && (!reads_old || own.in_place.contains(&(variable, value)))
        && !later.iter().any(|i| i.fallible || i.reads.contains(&variable))
}

/// A value's bytes, and the first and the last instruction that uses it.
type Block = (Id, usize, (usize, usize));

/// What blocks are sorted by before they are placed.
type Order = fn(&Block) -> (usize, usize);

/// When the values in the arena live.
struct Lives<'a> {
    graph: &'a Graph,
    /// Per value, the value whose place it has; itself if it has its own.
    same: Vec<Id>,
    /// Per value in the arena, the first and the last instruction that uses it.
    spans: Vec<Option<(usize, usize)>>,
}

impl<'a> Lives<'a> {
    fn new(graph: &'a Graph, lowered: &Lowered, fixed: &BTreeMap<Id, Place>) -> Self {
        let mut lives = Self {
            graph,
            same: (0..graph.values.len()).collect(),
            spans: vec![None; graph.values.len()],
        };
        for (&id, &other) in &lowered.alias {
            lives.same[id] = other;
        }
        for (number, instruction) in lowered.instructions.iter().enumerate() {
            let used = instruction.reads.iter().chain(&instruction.writes);
            for &id in used.chain(&instruction.scratch) {
                let id = lives.root(id);
                if !fixed.contains_key(&id) {
                    let (first, _) = lives.spans[id].unwrap_or((number, number));
                    lives.spans[id] = Some((first, number));
                }
            }
        }
        lives
    }

    fn root(&self, mut id: Id) -> Id {
        while self.same[id] != id {
            id = self.same[id];
        }
        id
    }

    /// Lets results take the place of operands that die with their instruction.
    fn share(&mut self, instructions: &[Instruction]) {
        for (number, instruction) in instructions.iter().enumerate() {
            let mut taken = Vec::new();
            for &(read, written) in &instruction.in_place {
                let (from, to) = (self.root(read), self.root(written));
                let (Some(old), Some(new)) = (self.spans[from], self.spans[to]) else {
                    continue;
                };
                let size = |id: Id| self.graph.values[id].spec.bytes();
                let fits = from != to
                    && old.1 == number
                    && new.0 == number
                    && size(from) == size(to)
                    && !taken.contains(&from)
                    && self.readers(instruction, from) == 1;
                if fits {
                    self.same[to] = from;
                    self.spans[from] = Some((old.0, new.1));
                    self.spans[to] = None;
                    taken.push(from);
                }
            }
        }
    }

    /// How many values at that place an instruction reads.
    fn readers(&self, instruction: &Instruction, place: Id) -> usize {
        instruction.reads.iter().filter(|&&id| self.root(id) == place).count()
    }

    /// The bytes, and span, of each place in the arena.
    fn blocks(&self) -> Vec<Block> {
        let live =
            self.spans.iter().enumerate().filter_map(|(id, span)| Some((id, (*span)?)));
        live.map(|(id, span)| (id, padded(self.graph.values[id].spec.bytes()), span))
            .collect()
    }

    /// The most bytes of some values at the same time.
    fn peak(&self, instructions: usize, some: &dyn Fn(Id) -> bool) -> usize {
        let mut change = vec![0_isize; instructions + 1];
        let blocks = self.blocks().into_iter().filter(|&(id, ..)| some(id));
        for (_, bytes, (first, last)) in blocks {
            change[first] += bytes.cast_signed();
            change[last + 1] -= bytes.cast_signed();
        }
        let mut live = 0;
        let levels = change.iter().map(|&bytes| {
            live += bytes;
            live
        });
        levels.max().unwrap_or_default().unsigned_abs()
    }

    /// Offsets of all places, and the bytes of the arena: the best of some greedy orders.
    fn pack(&self) -> (Vec<usize>, usize) {
        let orders: [Order; 3] = [
            |&(_, bytes, (first, _))| (usize::MAX - bytes, first),
            |&(_, bytes, (first, last))| {
                (usize::MAX - (last - first), usize::MAX - bytes)
            },
            |&(_, bytes, (first, _))| (first, usize::MAX - bytes),
        ];
        let packed = orders.iter().map(|order| {
            let mut blocks = self.blocks();
            blocks.sort_by_key(|block| (order(block), block.0));
            self.place_all(&blocks)
        });
        packed.min_by_key(|(_, bytes)| *bytes).unwrap_or_default()
    }

    /// Puts each block into the smallest gap that is large enough for as long as it lives.
    fn place_all(&self, blocks: &[Block]) -> (Vec<usize>, usize) {
        let mut offsets = vec![0; self.graph.values.len()];
        // By offset: start, end, span.
        let mut placed: Vec<(usize, usize, (usize, usize))> = Vec::new();
        let mut total = 0;
        for &(id, bytes, span) in blocks {
            let meets = |&&(_, _, other): &&(_, _, (usize, usize))| {
                other.0 <= span.1 && span.0 <= other.1
            };
            let (mut end, mut best) = (0, None);
            for &(from, to, _) in placed.iter().filter(meets) {
                if from >= end + bytes && best.is_none_or(|(gap, _)| from - end < gap) {
                    best = Some((from - end, end));
                }
                end = end.max(to);
            }
            let offset = best.map_or(end, |(_, offset)| offset);
            offsets[id] = offset;
            total = total.max(offset + bytes);
            let at = placed.partition_point(|&(from, ..)| from < offset);
            placed.insert(at, (offset, offset + bytes, span));
        }
        (offsets, total)
    }
}
