//! Where a tile program keeps its values while it runs: [`Layout`].

use deckle_tensor::{Binary, DType, Unary};

use super::{
    Level, Load, Local, Op, Tile,
    fold::{Accumulate, FoldRow, Identity, pick_accumulate, pick_fold_row},
    function::{Loop, pick_loop},
};
use crate::{
    Simd,
    graph::{Id, Map},
};

/// The bytes of all registers of one program.
pub(super) const FRAME: usize = 128 * 1024;
/// The bytes of a tile's values, in registers and in memory, if it can be so few: they stay in
/// the first-level cache.
const NEAR: usize = 28 * 1024;
/// The least bytes of a program's values in memory that no cache holds.
const FAR: usize = 8 << 20;
/// The most elements of a tile.
const WIDEST: usize = 1024;
/// The most values of a program.
pub(super) const MOST_VALUES: usize = 128;

/// The most loads of a program.
pub(super) const MOST_LOADS: usize = 48;

/// Where a value is while a tile is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Home {
    /// Beside the tile's elements in the memory of a value.
    Moving(Id),
    /// In the register that starts at this byte.
    Register(usize),
}

/// One loop over the elements of a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) run: Runs,
    pub(super) inputs: [Local; 3],
    pub(super) out: Local,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Runs {
    Loop(Loop, Level),
    /// A function of the vector mathematics.
    Function(Unary, DType, Level),
    Power(DType, Level),
    /// The map, the element type, and how many.
    Random(Map, DType, Level),
    /// What folds, what the fold of no elements is, and the bytes of an element.
    Fold(FoldRow, Identity, usize),
    /// The bytes of an element.
    Expand(usize),
}

/// Where all values of a program are, and what runs over a tile.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// The elements of a tile.
    pub(super) width: usize,
    /// The bytes of all registers.
    pub(super) bytes: usize,
    pub(super) simd: Option<Simd>,
    pub(super) homes: Vec<Home>,
    pub(super) sizes: Vec<usize>,
    pub(super) levels: Vec<Level>,
    /// The values that are beside their tile's elements in memory, one for each place.
    pub(super) moving: Vec<Local>,
    /// Whether they are so large that no cache holds them.
    pub(super) far: bool,
    /// The loads that are no pointer into memory.
    pub(super) filled: Vec<Local>,
    pub(super) calls: Vec<Call>,
    /// The stores that are copied at the end of each tile.
    pub(super) copied: Vec<usize>,
    /// Per fold, the register of its accumulators, and what folds.
    pub(super) folds: Vec<(usize, Accumulate, FoldRow)>,
}

impl Tile {
    /// Assigns registers and picks loops.
    ///
    /// `same` says whether two values share their memory.
    pub(crate) fn lay_out(&mut self, same: &dyn Fn(Id, Id) -> bool, simd: Simd) {
        let loads = self.loads.len();
        let count = loads + self.steps.len();
        let short = count <= MOST_VALUES && loads <= MOST_LOADS;
        assert!(short, "fusion keeps passes short");
        let mut layout = Layout {
            sizes: self.loads.iter().map(|load| load.dtype.size()).collect(),
            levels: self.loads.iter().map(|load| load.level).collect(),
            simd: Some(simd),
            ..Layout::default()
        };
        layout.sizes.extend(self.steps.iter().map(|step| step.result().size()));
        layout.levels.extend(self.steps.iter().map(|step| step.level));
        let mut homes = vec![None; count];
        for (local, load) in self.loads.iter().enumerate() {
            if load.is_linear() {
                homes[local] = Some(Home::Moving(load.id));
            } else {
                layout.filled.push(local);
            }
        }
        let last = self.last_reads();
        for (number, store) in self.stores.iter().enumerate() {
            let made = store.local.checked_sub(loads);
            // A later step must not find its operand overwritten.
            let overwrites = |(local, load): (usize, &Load)| {
                same(load.id, store.id)
                    && (!load.is_linear()
                        || made.is_none_or(|made| last[local] > made + 1))
            };
            let direct = homes[store.local].is_none()
                && store.region.is_none()
                && !self.loads.iter().enumerate().any(overwrites);
            if direct {
                homes[store.local] = Some(Home::Moving(store.id));
            } else {
                layout.copied.push(number);
            }
        }
        let slots = self.assign(&mut homes, &last);
        let register = |&local: &usize| matches!(homes[local], Some(Home::Register(_)));
        let size = (0..count).filter(register).map(|local| layout.sizes[local]).max();
        let folds = self.folds.iter().map(|fold| fold.dtype.size()).max();
        let size = size.into_iter().chain(folds).max().unwrap_or(1);
        let registers = (slots + self.folds.len()).max(1);
        let mut moving: Vec<Id> = Vec::new();
        for (local, home) in homes.iter().enumerate() {
            if let Some(Home::Moving(id)) = *home
                && !moving.iter().any(|&other| other == id || same(other, id))
            {
                moving.push(id);
                layout.moving.push(local);
            }
        }
        let bytes: usize = layout.moving.iter().map(|&local| layout.sizes[local]).sum();
        layout.far = self.space.size.saturating_mul(bytes) >= FAR;
        layout.width = (NEAR / ((registers + moving.len()) * size)).min(WIDEST);
        match self.space.frame {
            // Whole rows.
            Some([_, len, _]) if self.by_rows() => {
                layout.width = (layout.width / len).max(1) * len;
            }
            _ => layout.width = (layout.width & !63).max(64),
        }
        assert!(layout.width * registers * size <= FRAME, "fusion keeps passes short");
        let slot = layout.width * size;
        layout.bytes = slot * registers;
        for (number, fold) in self.folds.iter().enumerate() {
            layout.folds.push((
                (slots + number) * slot,
                pick_accumulate(fold.reduction, fold.dtype, simd),
                pick_fold_row(fold.reduction, fold.dtype, simd),
            ));
        }
        if !self.by_rows() {
            self.fit_width(&mut layout.width);
        }
        layout.homes = homes
            .into_iter()
            .map(|home| match home.expect("each value has a place") {
                Home::Register(number) => Home::Register(number * slot),
                moving => moving,
            })
            .collect();
        for (number, step) in self.steps.iter().enumerate() {
            let run = match step.op {
                Op::Map(Map::Unary(unary)) if has_function(unary, step.dtype) => {
                    Runs::Function(unary, step.dtype, step.level)
                }
                Op::Map(Map::Binary(Binary::Pow)) if is_wide(step.dtype) => {
                    Runs::Power(step.dtype, step.level)
                }
                Op::Map(map) => match pick_loop(map, step.dtype, simd) {
                    Some(run) => Runs::Loop(run, step.level),
                    None => Runs::Random(map, step.dtype, step.level),
                },
                Op::Fold(reduction) => Runs::Fold(
                    pick_fold_row(reduction, step.dtype, simd),
                    Identity::new(reduction, step.dtype),
                    step.dtype.size(),
                ),
                Op::Expand => Runs::Expand(step.dtype.size()),
            };
            layout.calls.push(Call { run, inputs: step.inputs, out: loads + number });
        }
        self.layout = layout;
    }

    /// The pairs of a value that is read and one of the same size that is written, which may
    /// share their memory: each element is read for the last time before it is written.
    pub(crate) fn in_place(&self) -> Vec<(Id, Id)> {
        let last = self.last_reads();
        let mut pairs = Vec::new();
        for store in self.stores.iter().filter(|store| store.region.is_none()) {
            let Some(made) = store.local.checked_sub(self.loads.len()) else { continue };
            for (local, load) in self.loads.iter().enumerate() {
                let alone = self.loads.iter().filter(|l| l.id == load.id).count() == 1;
                let same = load.dtype.size() == store.dtype.size()
                    && load.level == self.steps[made].level;
                if load.is_linear() && alone && same && last[local] <= made + 1 {
                    pairs.push((load.id, store.id));
                }
            }
        }
        pairs
    }

    /// Makes tiles whole periods, so that what repeats is loaded once.
    fn fit_width(&self, width: &mut usize) {
        let periods = self.loads.iter().filter_map(Load::period);
        let longest = periods.filter(|&period| period > 1 && period <= *width).max();
        if let Some(period) = longest {
            *width -= *width % period;
        }
    }

    /// Per value, the number of the last step that reads it, counted from 1; steps that store
    /// and fold come after all others.
    fn last_reads(&self) -> Vec<usize> {
        let mut last = vec![0; self.loads.len() + self.steps.len()];
        for (number, step) in self.steps.iter().enumerate() {
            for &input in &step.inputs[..step.op.arity()] {
                last[input] = number + 1;
            }
        }
        let end = self.steps.len() + 1;
        for local in self.stores.iter().map(|store| store.local) {
            last[local] = end;
        }
        for local in self.folds.iter().map(|fold| fold.local) {
            last[local] = end;
        }
        last
    }

    /// Gives a register to each value that is not in memory; returns how many there are.
    fn assign(&self, homes: &mut [Option<Home>], last: &[usize]) -> usize {
        let loads = self.loads.len();
        let mut slots = 0;
        let mut free = Vec::new();
        let mut take = |free: &mut Vec<usize>| {
            free.pop().unwrap_or_else(|| {
                slots += 1;
                slots - 1
            })
        };
        // What is loaded may stay for several tiles.
        for home in homes[..loads].iter_mut().filter(|home| home.is_none()) {
            *home = Some(Home::Register(take(&mut free)));
        }
        for (number, step) in self.steps.iter().enumerate() {
            let mut dying: Vec<usize> = step.inputs[..step.op.arity()]
                .iter()
                .copied()
                .filter(|&input| input >= loads && last[input] == number + 1)
                .collect();
            dying.sort_unstable();
            dying.dedup();
            let register = |local: usize| match homes[local] {
                Some(Home::Register(slot)) => Some(slot),
                _ => None,
            };
            let size = step.result().size();
            // Only a map reads each element before it writes that place.
            let in_place = |&local: &usize| {
                let from = &self.steps[local - loads];
                let map = matches!(step.op, Op::Map(_));
                map && from.level == step.level && from.result().size() == size
            };
            let (same, other): (Vec<usize>, Vec<usize>) =
                dying.into_iter().partition(in_place);
            let same: Vec<_> = same.into_iter().filter_map(register).collect();
            let other: Vec<_> = other.into_iter().filter_map(register).collect();
            free.extend(same);
            if homes[loads + number].is_none() {
                homes[loads + number] = Some(Home::Register(take(&mut free)));
            }
            free.extend(other);
            // Nobody reads it: its register is free at once.
            if last[loads + number] == 0
                && let Some(Home::Register(slot)) = homes[loads + number]
            {
                free.push(slot);
            }
        }
        slots
    }
}

/// Types that the vector mathematics has functions for.
const fn is_wide(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64)
}

/// Whether the vector mathematics is used for a function; the compiler makes good loops of the
/// others.
const fn has_function(unary: Unary, dtype: DType) -> bool {
    let simple = matches!(
        unary,
        Unary::Neg
            | Unary::Abs
            | Unary::Sign
            | Unary::Reciprocal
            | Unary::Square
            | Unary::Sqrt
            | Unary::Rsqrt
            | Unary::Floor
            | Unary::Ceil
            | Unary::Round
            | Unary::Not
            | Unary::IsFinite
            | Unary::IsNan
    );
    is_wide(dtype) && !simple
}

impl super::Step {
    /// The element type of the result.
    pub(super) fn result(&self) -> DType {
        match self.op {
            Op::Map(Map::Cast(to)) => to,
            Op::Map(Map::Compare(_) | Map::Unary(Unary::IsFinite | Unary::IsNan)) => {
                DType::Bool
            }
            _ => self.dtype,
        }
    }
}

impl Op {
    const fn arity(self) -> usize {
        match self {
            Self::Map(map) => map.arity(),
            Self::Fold(_) | Self::Expand => 1,
        }
    }
}

impl Map {
    const fn arity(self) -> usize {
        match self {
            Self::Copy | Self::Unary(_) | Self::Cast(_) => 1,
            Self::Binary(_) | Self::Compare(_) | Self::Random { .. } => 2,
            Self::Select => 3,
        }
    }
}
