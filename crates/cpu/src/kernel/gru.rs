//! The composites `gru` and `gru_backward`.

use deckle_tensor::{Composite, DType, Result, Spec};

use super::Kernel;
use crate::{
    Simd,
    graph::Id,
    gru::{Backward, Forward, Gradients, Gru, States},
    place::{Context, Dense, Plain},
    simd::Float,
};

/// The loop of a GRU; inputs and results are those that the composites document.
pub(super) struct Recurrence {
    gru: Gru,
    part: Part,
    dtype: DType,
    inputs: Vec<Dense>,
    results: Vec<Dense>,
    scratch: Option<Dense>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Forward { masked: bool },
    Backward { by_sequence: bool, masked: bool },
}

impl Part {
    /// The composite that it is, if its inputs and results look like it.
    fn new(composite: &Composite) -> Option<(Self, Gru)> {
        let body = &composite.body;
        let inputs: Vec<_> =
            body.inputs().iter().map(|&value| body.spec(value)).collect();
        let flag = |name| composite.int(name).map(|value| value != 0);
        // The state before the first step and the steps' states tell all sizes.
        let (part, state, steps, results) = match &*composite.name {
            "gru" => (
                Self::Forward { masked: inputs.len() == 5 },
                inputs.get(1)?,
                &inputs[0],
                3,
            ),
            "gru_backward" => {
                let part = Self::Backward {
                    by_sequence: flag("by_sequence")?,
                    masked: flag("masked")?,
                };
                (part, inputs.get(1)?, inputs.get(2)?, 4)
            }
            _ => return None,
        };
        let (&[batch, units], [time, ..]) = (&state.shape[..], &steps.shape[..]) else {
            return None;
        };
        let sizes = [*time, batch, units];
        let float = matches!(state.dtype, DType::F32 | DType::F64);
        (float && body.output_specs().len() == results && part.fits(&inputs, sizes))
            .then(|| (part, Gru::new(*time, batch, units)))
    }

    /// Whether the inputs have the documented shapes and one element type.
    fn fits(self, inputs: &[&Spec], [time, batch, units]: [usize; 3]) -> bool {
        let (state, kernel) = (vec![batch, units], vec![units, 3 * units]);
        let steps = |width: usize| vec![time, batch, width * units];
        let (expected, masked) = match self {
            Self::Forward { masked } => {
                (vec![steps(3), state, kernel, vec![3 * units]], masked)
            }
            Self::Backward { by_sequence, masked } => {
                let mut expected = vec![kernel, state.clone(), steps(1), steps(4), state];
                expected.extend(by_sequence.then(|| steps(1)));
                (expected, masked)
            }
        };
        let Some(floats) = inputs.len().checked_sub(usize::from(masked)) else {
            return false;
        };
        let (floats, mask) = inputs.split_at(floats);
        floats.len() == expected.len()
            && floats
                .iter()
                .zip(expected)
                .all(|(a, b)| a.shape == b && a.dtype == floats[0].dtype)
            && mask.iter().all(|m| m.shape == [time, batch] && m.dtype == DType::Bool)
    }
}

impl Recurrence {
    /// Whether there is a kernel for the composite.
    pub(super) fn takes(composite: &Composite) -> bool {
        Part::new(composite).is_some()
    }

    pub(super) fn make(
        composite: &Composite,
        inputs: Vec<Dense>,
        results: Vec<Dense>,
    ) -> Option<Box<dyn Kernel>> {
        let (part, gru) = Part::new(composite)?;
        let dtype = inputs.first()?.spec.dtype;
        Some(Box::new(Self { gru, part, dtype, inputs, results, scratch: None }))
    }

    fn compute<T: Float + Plain>(&self, context: &Context<'_>) {
        let read = |i: usize| context.read::<T>(&self.inputs[i]);
        let write = |i: usize| context.write::<T>(&self.results[i]);
        let mask = |masked: bool| {
            self.inputs.last().filter(|_| masked).map(|mask| context.read::<u8>(mask))
        };
        let scratch: &mut [T] = match &self.scratch {
            Some(scratch) => context.write(scratch),
            None => &mut [],
        };
        let (simd, threads) = (context.simd, context.threads);
        match self.part {
            Part::Forward { masked } => {
                let from = Forward {
                    x: read(0),
                    h: read(1),
                    kernel: read(2),
                    bias: read(3),
                    mask: mask(masked),
                };
                let to = States { sequence: write(0), h: write(1), gates: write(2) };
                self.gru.forward(simd, threads, &from, to, scratch);
            }
            Part::Backward { by_sequence, masked } => {
                let from = Backward {
                    kernel: read(0),
                    h: read(1),
                    sequence: read(2),
                    gates: read(3),
                    dh: read(4),
                    by_sequence: by_sequence.then(|| read(5)),
                    mask: mask(masked),
                };
                let to = Gradients {
                    dx: write(0),
                    dh: write(1),
                    dkernel: write(2),
                    dbias: write(3),
                };
                self.gru.backward(simd, threads, &from, to, scratch);
            }
        }
    }

    fn elements<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        match self.part {
            Part::Forward { .. } => self.gru.forward_scratch::<T>(simd, threads),
            Part::Backward { .. } => self.gru.backward_scratch::<T>(simd, threads),
        }
    }
}

impl Kernel for Recurrence {
    fn scratch(&self, simd: Simd, threads: usize) -> usize {
        let elements = match self.dtype {
            DType::F64 => self.elements::<f64>(simd, threads),
            _ => self.elements::<f32>(simd, threads),
        };
        self.dtype.size() * elements
    }

    fn set_scratch(&mut self, id: Id, bytes: usize) {
        let width = self.dtype.size();
        self.scratch = Some(Dense::scratch(id, bytes / width, width));
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        match self.dtype {
            DType::F64 => self.compute::<f64>(context),
            _ => self.compute::<f32>(context),
        }
        Ok(())
    }
}
