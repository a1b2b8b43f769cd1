//! The composites `lstm` and `lstm_backward`.

use deckle_tensor::{Composite, DType, Result, Spec};

use super::Kernel;
use crate::{
    Simd,
    graph::Id,
    lstm::{Backward, Forward, Gradients, Lstm, States},
    place::{Context, Dense, Plain},
    simd::Float,
};

/// The loop of an LSTM; inputs and results are those that the composites document.
pub(super) struct Recurrence {
    lstm: Lstm,
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
    fn new(composite: &Composite) -> Option<(Self, Lstm)> {
        let body = &composite.body;
        let inputs: Vec<_> =
            body.inputs().iter().map(|&value| body.spec(value)).collect();
        let results = body.output_specs();
        let flag = |name| composite.int(name).map(|value| value != 0);
        let part = match &*composite.name {
            "lstm" if inputs.len() == 4 || inputs.len() == 5 => {
                Self::Forward { masked: inputs.len() == 5 }
            }
            "lstm_backward" => Self::Backward {
                by_sequence: flag("by_sequence")?,
                masked: flag("masked")?,
            },
            _ => return None,
        };
        let (gates, count) = match part {
            Self::Forward { .. } => (inputs.first()?, 5),
            Self::Backward { by_sequence, masked } => {
                if inputs.len() != 8 + usize::from(by_sequence) + usize::from(masked) {
                    return None;
                }
                (&inputs[4], 4)
            }
        };
        let [time, batch, width] = gates.shape[..] else { return None };
        let float = matches!(gates.dtype, DType::F32 | DType::F64);
        if !float || width % 4 != 0 || results.len() != count {
            return None;
        }
        let lstm = Lstm::new(time, batch, width / 4);
        part.fits(&inputs, [time, batch, width / 4]).then_some((part, lstm))
    }

    /// Whether the inputs have the documented shapes and one element type.
    fn fits(self, inputs: &[&Spec], [time, batch, units]: [usize; 3]) -> bool {
        let (state, kernel) = (vec![batch, units], vec![units, 4 * units]);
        let (gates, states) = (vec![time, batch, 4 * units], vec![time, batch, units]);
        let (expected, masked) = match self {
            Self::Forward { masked } => {
                (vec![gates, state.clone(), state, kernel], masked)
            }
            Self::Backward { by_sequence, masked } => {
                let mut expected = vec![kernel, state.clone(), state.clone()];
                expected.extend([states.clone(), gates, states.clone()]);
                expected.extend([state.clone(), state]);
                expected.extend(by_sequence.then_some(states));
                (expected, masked)
            }
        };
        let (floats, mask) = inputs.split_at(inputs.len() - usize::from(masked));
        let dtype = floats[0].dtype;
        floats.len() == expected.len()
            && floats.iter().zip(expected).all(|(a, b)| a.shape == b && a.dtype == dtype)
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
        let (part, lstm) = Part::new(composite)?;
        let dtype = inputs.first()?.spec.dtype;
        Some(Box::new(Self { lstm, part, dtype, inputs, results, scratch: None }))
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
                    c: read(2),
                    kernel: read(3),
                    mask: mask(masked),
                };
                let to = States {
                    sequence: write(0),
                    h: write(1),
                    c: write(2),
                    gates: write(3),
                    cells: write(4),
                };
                self.lstm.forward(simd, threads, &from, to, scratch);
            }
            Part::Backward { by_sequence, masked } => {
                let from = Backward {
                    kernel: read(0),
                    h: read(1),
                    c: read(2),
                    sequence: read(3),
                    gates: read(4),
                    cells: read(5),
                    dh: read(6),
                    dc: read(7),
                    by_sequence: by_sequence.then(|| read(8)),
                    mask: mask(masked),
                };
                let to = Gradients {
                    dx: write(0),
                    dh: write(1),
                    dc: write(2),
                    dkernel: write(3),
                };
                self.lstm.backward(simd, threads, &from, to, scratch);
            }
        }
    }
}

impl Kernel for Recurrence {
    fn scratch(&self, simd: Simd, threads: usize) -> usize {
        let elements = match (self.part, self.dtype) {
            (Part::Forward { .. }, DType::F64) => {
                self.lstm.forward_scratch::<f64>(simd, threads)
            }
            (Part::Forward { .. }, _) => self.lstm.forward_scratch::<f32>(simd, threads),
            (Part::Backward { .. }, DType::F64) => {
                self.lstm.backward_scratch::<f64>(simd, threads)
            }
            (Part::Backward { .. }, _) => {
                self.lstm.backward_scratch::<f32>(simd, threads)
            }
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
