//! The loops of recurrent layers, and their gradients: the composites `lstm`, `gru`,
//! `simple_rnn`, and the same names with `_backward`.

use deckle_tensor::{Composite, DType, Result, Spec};

use super::Kernel;
use crate::{
    Simd,
    graph::Id,
    place::{Context, Dense, Plain},
    recurrent::{
        Backward, Cell, Forward, Gradients, Inputs, Learned, Lstm, Projection,
        Recurrence, ResetAfter, ResetBefore, Simple, States, Target,
    },
    simd::Float,
};

/// A loop; inputs and results are those that the composites document.
struct Loop<C> {
    recurrence: Recurrence<C>,
    part: Part,
    projection: Projection,
    dtype: DType,
    inputs: Vec<Dense>,
    results: Vec<Dense>,
    scratch: Option<Dense>,
    /// Whether the first input, or what was kept, has the memory of what is made of it.
    in_place: bool,
}

/// Which composite it is, and which inputs it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    backward: bool,
    by_sequence: bool,
    dropped: bool,
    masked: bool,
}

/// Calls `$body` with the cell of a composite's name; `None` for any other name.
macro_rules! with_cell {
    ($composite:expr, $C:ident => $body:expr) => {{
        let name = $composite.name.strip_suffix("_backward").unwrap_or(&$composite.name);
        let after = $composite.int("reset_after").is_none_or(|after| after != 0);
        match name {
            "lstm" => {
                type $C = Lstm;
                $body
            }
            "gru" if after => {
                type $C = ResetAfter;
                $body
            }
            "gru" => {
                type $C = ResetBefore;
                $body
            }
            "simple_rnn" => {
                type $C = Simple;
                $body
            }
            _ => None,
        }
    }};
}

/// Whether there is a kernel for the composite.
pub(super) fn takes(composite: &Composite) -> bool {
    with_cell!(composite, C => Part::new::<C>(composite).map(|_| ())).is_some()
}

pub(super) fn make(
    composite: &Composite,
    inputs: Vec<Dense>,
    results: Vec<Dense>,
) -> Option<Box<dyn Kernel>> {
    make_projecting(composite, Projection::NONE, inputs, results)
}

/// The kernel of a loop that multiplies its inputs by their kernel itself.
///
/// Forward the first inputs are the layer's inputs, their kernel and their bias, if there is
/// one, instead of their product. Backward the last inputs are the layer's inputs and their
/// kernel, each if it is needed; there are the results that are wanted: the gradient by the
/// product first, those by the kernel, the bias and the inputs last.
pub(crate) fn make_projecting(
    composite: &Composite,
    projection: Projection,
    inputs: Vec<Dense>,
    results: Vec<Dense>,
) -> Option<Box<dyn Kernel>> {
    with_cell!(composite, C => {
        let (part, recurrence) = Part::new::<C>(composite)?;
        let recurrence = recurrence.projection(projection);
        let dtype = inputs.first()?.spec.dtype;
        let (scratch, in_place) = (None, false);
        let made =
            Loop { recurrence, part, projection, dtype, inputs, results, scratch, in_place };
        Some(Box::new(made) as Box<dyn Kernel>)
    })
}

/// Whether a composite is a loop that had better multiply inputs of so many elements itself.
pub(crate) fn projects(composite: &Composite, features: usize) -> bool {
    let projects = with_cell!(composite, C => {
        let found = Part::new::<C>(composite);
        found.map(|(part, recurrence)| recurrence.projects(features, part.backward))
    });
    projects.unwrap_or(false)
}

impl Part {
    /// The composite that it is, if its inputs and results look like it.
    fn new<C: Cell>(composite: &Composite) -> Option<(Self, Recurrence<C>)> {
        let body = &composite.body;
        let inputs: Vec<_> =
            body.inputs().iter().map(|&value| body.spec(value)).collect();
        let flag = |name| composite.int(name).is_some_and(|value| value != 0);
        let part = Self {
            backward: composite.name.ends_with("_backward"),
            by_sequence: flag("by_sequence"),
            dropped: flag("dropped"),
            masked: flag("masked"),
        };
        // The state before the first step and the steps' x or states tell all sizes.
        let steps = if part.backward { 1 + C::STATES } else { 0 };
        let (state, steps) = (inputs.get(1)?, inputs.get(steps)?);
        let (&[batch, units], [time, ..]) = (&state.shape[..], &steps.shape[..]) else {
            return None;
        };
        let sizes = [*time, batch, units];
        let float = matches!(state.dtype, DType::F32 | DType::F64);
        let fits = float
            && fits(&inputs, &part.inputs::<C>(sizes), state.dtype, part.masked, sizes)
            && same_shapes(&body.output_specs(), &part.results::<C>(sizes));
        fits.then(|| (part, Recurrence::new(sizes, part.dropped)))
    }

    /// The shapes of the floating-point inputs.
    fn inputs<C: Cell>(self, [time, batch, units]: [usize; 3]) -> Vec<Vec<usize>> {
        let states = || std::iter::repeat_n(vec![batch, units], C::STATES);
        let steps = |parts: usize| vec![time, batch, parts * units];
        let kernel = vec![units, C::GATES * units];
        let mut shapes = Vec::new();
        if self.backward {
            shapes.push(kernel);
            shapes.extend(states());
            shapes.push(steps(1));
            shapes.extend((C::KEPT > 0).then(|| steps(C::KEPT)));
            shapes.extend((C::STATES > 1).then(|| steps(1)));
            shapes.extend(states());
            shapes.extend(self.by_sequence.then(|| steps(1)));
        } else {
            shapes.push(steps(C::GATES));
            shapes.extend(states());
            shapes.push(kernel);
            shapes.extend(C::BIAS.then(|| vec![C::GATES * units]));
        }
        shapes.extend(self.dropped.then(|| vec![C::GATES, batch, units]));
        shapes
    }

    fn results<C: Cell>(self, [time, batch, units]: [usize; 3]) -> Vec<Vec<usize>> {
        let states = || std::iter::repeat_n(vec![batch, units], C::STATES);
        let steps = |parts: usize| vec![time, batch, parts * units];
        let mut shapes = Vec::new();
        if self.backward {
            shapes.push(steps(C::GATES));
            shapes.extend(states());
            shapes.push(vec![units, C::GATES * units]);
            shapes.extend(C::BIAS.then(|| vec![C::GATES * units]));
        } else {
            shapes.push(steps(1));
            shapes.extend(states());
            shapes.extend((C::KEPT > 0).then(|| steps(C::KEPT)));
            shapes.extend((C::STATES > 1).then(|| steps(1)));
        }
        shapes
    }
}

/// Whether inputs have the shapes and one element type, and are followed by the mask.
fn fits(
    inputs: &[&Spec],
    expected: &[Vec<usize>],
    dtype: DType,
    masked: bool,
    [time, batch, _]: [usize; 3],
) -> bool {
    let Some((floats, mask)) = inputs.split_at_checked(expected.len()) else {
        return false;
    };
    floats.iter().zip(expected).all(|(a, b)| a.shape == *b && a.dtype == dtype)
        && mask.len() == usize::from(masked)
        && mask.iter().all(|m| m.shape == [time, batch] && m.dtype == DType::Bool)
}

fn same_shapes(specs: &[Spec], shapes: &[Vec<usize>]) -> bool {
    specs.len() == shapes.len() && specs.iter().zip(shapes).all(|(a, b)| a.shape == *b)
}

/// Inputs, or results, one after the other.
struct Next<'a>(std::slice::Iter<'a, Dense>);

impl<'a> Next<'a> {
    fn one(&mut self) -> &'a Dense {
        self.0.next().expect("as many as the shapes that were checked")
    }
}

impl<C: Cell> Loop<C> {
    fn compute<T: Float + Plain>(&self, context: &Context<'_>) {
        let scratch: &mut [T] = match &self.scratch {
            Some(scratch) => context.write(scratch),
            None => &mut [],
        };
        if self.part.backward {
            self.backward(context, scratch);
        } else {
            self.forward(context, scratch);
        }
    }

    fn forward<T: Float + Plain>(&self, context: &Context<'_>, scratch: &mut [T]) {
        let mut inputs = Next(self.inputs.iter());
        let mut results = Next(self.results.iter());
        let has_c = C::STATES > 1;
        let projects = self.projection.features > 0;
        let x = inputs.one();
        let x = (projects || !self.in_place).then(|| context.read::<T>(x));
        let (x, own) = if let Some(given) = x.filter(|_| projects) {
            let kernel = context.read(inputs.one());
            let bias = self.projection.biased.then(|| context.read(inputs.one()));
            let bias = bias.unwrap_or_default();
            (None, Some(Inputs { x: given, kernel, bias }))
        } else {
            (x, None)
        };
        let h = context.read(inputs.one());
        let c = if has_c { context.read(inputs.one()) } else { &[] };
        let kernel = context.read(inputs.one());
        let bias = if C::BIAS { context.read(inputs.one()) } else { &[] };
        let dropout = self.part.dropped.then(|| context.read(inputs.one()));
        let mask = self.part.masked.then(|| context.read(inputs.one()));
        let states = [h, c];
        let from = Forward { x, inputs: own, states, kernel, bias, dropout, mask };
        let sequence = context.write(results.one());
        let h = context.write(results.one());
        let c = if has_c { context.write(results.one()) } else { &mut [] };
        let kept = if C::KEPT > 0 { context.write(results.one()) } else { &mut [] };
        let cells = if has_c { context.write(results.one()) } else { &mut [] };
        let to = States { sequence, states: [h, c], kept, cells };
        self.recurrence.forward(context.simd, context.threads, &from, to, scratch);
    }

    fn backward<T: Float + Plain>(&self, context: &Context<'_>, scratch: &mut [T]) {
        let mut inputs = Next(self.inputs.iter());
        let mut results = Next(self.results.iter());
        let has_c = C::STATES > 1;
        let kernel = context.read::<T>(inputs.one());
        let h = context.read(inputs.one());
        let c = if has_c { context.read(inputs.one()) } else { &[] };
        let sequence = context.read(inputs.one());
        let kept = (C::KEPT > 0).then(|| inputs.one());
        let kept = match kept.filter(|_| !self.in_place) {
            Some(kept) => Some(context.read(kept)),
            None if C::KEPT == 0 => Some(&[][..]),
            None => None,
        };
        let cells = if has_c { context.read(inputs.one()) } else { &[] };
        let by_h = context.read(inputs.one());
        let by_c = if has_c { context.read(inputs.one()) } else { &[] };
        let by_sequence = self.part.by_sequence.then(|| context.read(inputs.one()));
        let dropout = self.part.dropped.then(|| context.read(inputs.one()));
        let mask = self.part.masked.then(|| context.read(inputs.one()));
        let Projection { by_product, by_kernel, by_input, by_bias, .. } = self.projection;
        let x = if by_kernel { context.read(inputs.one()) } else { &[] };
        let own = if by_input { context.read(inputs.one()) } else { &[] };
        let own = Inputs { x, kernel: own, bias: &[] };
        let own = (self.projection.features > 0).then_some(own);
        let (states, by_states) = ([h, c], [by_h, by_c]);
        let from = Backward {
            kernel,
            states,
            sequence,
            kept,
            cells,
            by_states,
            by_sequence,
            dropout,
            mask,
            inputs: own,
        };
        let mut wanted = |wanted: bool| match wanted {
            true => context.write(results.one()),
            false => &mut [],
        };
        let dx = wanted(by_product);
        let dh = wanted(true);
        let dc = wanted(has_c);
        let dkernel = wanted(true);
        let dbias = wanted(C::BIAS);
        let learned = Learned {
            dkernel: wanted(by_kernel),
            dbias: wanted(by_bias),
            dinput: wanted(by_input),
        };
        let to = Gradients { dx, states: [dh, dc], dkernel, dbias, learned };
        self.recurrence.backward(context.simd, context.threads, &from, to, scratch);
    }

    fn elements<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.part.backward {
            self.recurrence.backward_scratch::<T>(simd, threads)
        } else {
            self.recurrence.forward_scratch::<T>(simd, threads)
        }
    }

    /// What may share memory: x with what is made of it, or what was kept with `dx`.
    fn pair(&self) -> Option<(Id, Id)> {
        if !self.part.backward && self.projection.features > 0 {
            return None;
        }
        let (from, to) = match (self.part.backward, C::IN_PLACE) {
            (false, Some(Target::Kept)) => (0, 1 + C::STATES),
            (false, Some(Target::Sequence)) => (0, 0),
            (true, _) if self.recurrence.kept_in_place() => (2 + C::STATES, 0),
            _ => return None,
        };
        let (from, to) = (&self.inputs[from], &self.results[to]);
        Some((from.id, to.id))
    }
}

impl<C: Cell> Kernel for Loop<C> {
    fn prepare(&mut self, same: &dyn Fn(Id, Id) -> bool, _: Simd) {
        self.in_place = self.pair().is_some_and(|(from, to)| same(from, to));
    }

    fn in_place(&self) -> Option<(Id, Id)> {
        self.pair()
    }

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
