//! The gates of one step of an LSTM, and their gradients: the composites `lstm_gates` and
//! `lstm_gates_backward`.
#![expect(unsafe_code, reason = "tasks that write parts of several results")]

use deckle_tensor::{Composite, DType, Result};

use super::Kernel;
use crate::{
    Simd,
    graph::Id,
    place::{Context, Dense, Plain},
    recurrent::{gates, gates_back},
    simd::Float,
    threads::Disjoint,
};

/// Elements of a state that a task computes, about.
const TASK: usize = 1 << 12;

/// Fewer elements in a row leave most of a vector empty: then the body is faster.
const LEAST: usize = 8;

/// Inputs and results are those that the composites document.
pub(super) struct Gates {
    backward: bool,
    units: usize,
    inputs: Vec<Dense>,
    results: Vec<Dense>,
    /// Whether what becomes a result has its memory.
    in_place: bool,
}

impl Gates {
    /// Whether it is of rows long enough.
    pub(super) fn takes(composite: &Composite) -> bool {
        let body = &composite.body;
        let specs: Vec<_> = body.inputs().iter().map(|&value| body.spec(value)).collect();
        let Some(units) = specs.last().and_then(|spec| spec.shape.last()) else {
            return false;
        };
        let float = |dtype| matches!(dtype, DType::F32 | DType::F64);
        let same = specs.iter().all(|spec| spec.dtype == specs[0].dtype);
        *units >= LEAST && same && float(specs[0].dtype)
    }

    pub(super) fn make(
        composite: &Composite,
        inputs: Vec<Dense>,
        results: Vec<Dense>,
    ) -> Option<Box<dyn Kernel>> {
        let units = *inputs.last()?.shape().last()?;
        let backward = composite.name.ends_with("_backward");
        let made = Self { backward, units, inputs, results, in_place: false };
        Some(Box::new(made))
    }

    /// What may share memory: a summand with the gates, or the gradients by `c`.
    fn pair(&self) -> (&Dense, &Dense) {
        match self.backward {
            false => (&self.inputs[1], &self.results[2]),
            true => (&self.inputs[3], &self.results[1]),
        }
    }

    fn compute<T: Float + Plain>(&self, context: &Context<'_>) {
        let read = |place: usize| context.read::<T>(&self.inputs[place]);
        let (simd, units) = (context.simd, self.units);
        let (from, to) = self.pair();
        let copied = (!self.in_place).then(|| context.read::<T>(from));
        let changed = context.write::<T>(to);
        let width = changed.len();
        let changed = Disjoint::new(changed);
        let others = match self.backward {
            false => [0, 1]
                .map(|place| Disjoint::new(context.write::<T>(&self.results[place]))),
            true => [
                Disjoint::new(context.write::<T>(&self.results[0])),
                Disjoint::new(&mut []),
            ],
        };
        let rows = match self.backward {
            false => width / (4 * units),
            true => width / units,
        };
        let width = width.checked_div(rows).unwrap_or_default();
        let given = match self.backward {
            false => [read(0), read(2), &[]],
            true => [read(0), read(1), read(2)],
        };
        let together = (TASK / units).max(1);
        context.threads.run(rows.div_ceil(together), &|task| {
            let rows = task * together..rows.min((task + 1) * together);
            let of = |width: usize| rows.start * width..rows.end * width;
            // SAFETY: a task uses its own rows of each result.
            let changed = unsafe { changed.slice(of(width)) };
            if let Some(copied) = copied {
                changed.copy_from_slice(&copied[of(width)]);
            }
            let [wide, narrow] = [of(4 * units), of(units)];
            let [first, second, third] = given;
            if self.backward {
                // SAFETY: as above.
                let dz = unsafe { others[0].slice(wide.clone()) };
                let (before, dh) = (&second[narrow.clone()], &third[narrow]);
                gates_back::<T>(simd)(units, &first[wide], before, dh, dz, changed);
            } else {
                // SAFETY: as above.
                let [h, c] =
                    [0, 1].map(|place| unsafe { others[place].slice(narrow.clone()) });
                gates::<T>(simd)(units, &first[wide], changed, &second[narrow], c, h);
            }
        });
    }
}

impl Kernel for Gates {
    fn prepare(&mut self, same: &dyn Fn(Id, Id) -> bool, _: Simd) {
        let (from, to) = self.pair();
        self.in_place = same(from.id, to.id);
    }

    fn in_place(&self) -> Option<(Id, Id)> {
        let (from, to) = self.pair();
        // What is read elsewhere too has to stay.
        let alone = self.inputs.iter().filter(|input| input.id == from.id).count() == 1;
        alone.then_some((from.id, to.id))
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        match self.inputs[0].spec.dtype {
            DType::F64 => self.compute::<f64>(context),
            _ => self.compute::<f32>(context),
        }
        Ok(())
    }
}
