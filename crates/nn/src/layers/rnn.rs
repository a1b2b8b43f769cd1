//! The layer that runs a cell over a sequence.

#[cfg(test)]
mod tests;

use std::{any::Any, cell::RefCell};

use deckle_autograd::{Axis, Error as GraphError, Var, Variable, scan};
use deckle_tensor::{DType, Dim, Shape};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    GRU, GRUCell, LSTM, LSTMCell, SimpleRNN, SimpleRNNCell, StackedRNNCells,
    recurrent::{batch_of, remember},
    setters::setters,
    wrapped::{BuiltWrapped, Wrapped},
};
use crate::{
    Built, Call, Error, FromConfig, Init, Inputs, Layer, Registry, Result, expect,
};

/// Runs a cell over the steps of a sequence.
///
/// A cell is a layer with [`Layer::state_shapes`], of your own perhaps: of a step and its states
/// it makes an output and the next states. States start with 0, or with `initial_state`: more
/// inputs, positional or by that name. Masked steps keep the states, and repeat the output; that
/// of the first is the (last) cell's first state. A cell of [`LSTM`], [`GRU`] or [`SimpleRNN`]
/// runs as that layer does, and so do stacks of these alone.
///
/// # Shapes
///
/// | tensor     | shape                                                          |
/// |------------|----------------------------------------------------------------|
/// | input      | `(batch, time, ...)`; `time` may be unknown                    |
/// | `cell/...` | the cell's weights                                             |
/// | output     | the cell's, or `(batch, time, ...)` with all steps             |
/// | states     | the cell's                                                     |
///
/// # Errors
///
/// Building fails if the layer is no cell, or cannot take the steps or the states.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::{GRUCell, LSTMCell, RNN}};
///
/// let words = [None, None, Some(32)].into();
/// let layer = RNN::stacked([LSTMCell::new(16).into(), GRUCell::new(8).into()]);
/// assert_eq!(layer.output_shape(&[words])?[0].to_string(), "(batch, 8)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.RNN`. As there, a layer that is given states does not use
/// the mask that belongs to its input: give it by name, as `mask`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RNN {
    #[serde(default)]
    return_sequences: bool,
    #[serde(default)]
    return_state: bool,
    #[serde(default)]
    go_backwards: bool,
    #[serde(default)]
    stateful: bool,
    #[serde(default)]
    unroll: bool,
    #[serde(default)]
    zero_output_for_mask: bool,
    cell: Wrapped,
}

impl RNN {
    /// The layer that runs that cell.
    #[must_use]
    pub fn new(cell: impl Into<Wrapped>) -> Self {
        Self {
            return_sequences: false,
            return_state: false,
            go_backwards: false,
            stateful: false,
            unroll: false,
            zero_output_for_mask: false,
            cell: cell.into(),
        }
    }

    /// The layer that runs these cells, each on the outputs of the one before.
    #[must_use]
    pub fn stacked(cells: impl Into<Vec<Wrapped>>) -> Self {
        Self::new(StackedRNNCells::new(cells))
    }

    setters! {
        /// Sets whether the output has all steps, not only the last; false by default.
        return_sequences: bool;
        /// Sets whether the last states are outputs too; false by default.
        return_state: bool;
        /// Sets whether the last step comes first, in the output too; false by default.
        go_backwards: bool;
        /// Sets whether a masked step gives what Keras's unrolled loops give: the output before it,
        /// or 0 at first, whatever `zero_output_for_mask` says; false by default.
        unroll: bool;
        /// Sets whether the output of a masked step is 0, not that of the step before; false by
        /// default.
        zero_output_for_mask: bool;
        /// Sets whether a batch begins with the states that the one before ended with, in
        /// inference too, see [`LSTM::stateful`]; false by default.
        stateful: bool;
    }

    /// The layer that computes the same as this with its cell, and all steps' products of the
    /// inputs at once.
    fn whole(&self) -> Result<Option<Box<dyn OverSteps>>> {
        let settings = [
            ("return_sequences", self.return_sequences),
            ("return_state", self.return_state),
            ("go_backwards", self.go_backwards),
            ("unroll", self.unroll),
            ("zero_output_for_mask", self.zero_output_for_mask),
            ("stateful", self.stateful),
        ];
        whole(&self.cell, &settings)
    }

    /// The layers that compute, one after the other, what the cells of a stack do over the steps
    /// of a sequence, if they all have one; with their names and the numbers of their states.
    fn layers(
        &self,
        stack: &StackedRNNCells,
        sequence: &Shape,
        init: &mut Init<'_>,
    ) -> Result<Option<Vec<CellLayer>>> {
        let flow = stack.flow(&step(sequence))?;
        let mut wholes = Vec::new();
        for (number, (name, cell)) in stack.named().enumerate() {
            let is_last = number + 1 == flow.len();
            let settings = [
                ("return_sequences", self.return_sequences || !is_last),
                ("return_state", true),
                ("unroll", self.unroll && is_last),
                ("zero_output_for_mask", self.zero_output_for_mask && is_last),
            ];
            let Some(whole) = whole(cell, &settings)? else { return Ok(None) };
            wholes.push((name, whole));
        }
        if !self.cell.handle().is_trainable() {
            return Ok(None);
        }
        // The weights are where the cells have them.
        let layers = init.scoped("cell", |init| {
            init.scoped("cells", |init| {
                let mut layers = Vec::new();
                for ((name, whole), (given, _)) in wholes.into_iter().zip(&flow) {
                    let (dims, time) = (given[0].dims(), &sequence.dims()[1]);
                    let x: Shape = dims[..1]
                        .iter()
                        .chain([time])
                        .chain(&dims[1..])
                        .cloned()
                        .collect();
                    let built = whole.build_in(&name, &[x], init)?;
                    layers.push(CellLayer { name, built, states: given.len() - 1 });
                }
                Ok(layers)
            })
        })?;
        Ok(Some(layers))
    }
}

/// The layer that computes the same over all steps as that cell, with other settings; if it has
/// one.
fn whole(
    cell: &Wrapped,
    settings: &[(&str, bool)],
) -> Result<Option<Box<dyn OverSteps>>> {
    fn made<L: OverSteps + DeserializeOwned + 'static>(
        config: Value,
    ) -> serde_json::Result<Box<dyn OverSteps>> {
        Ok(Box::new(serde_json::from_value::<L>(config)?))
    }
    let layer: &dyn Any = cell.layer();
    let make = if layer.is::<LSTMCell>() {
        made::<LSTM>
    } else if layer.is::<GRUCell>() {
        made::<GRU>
    } else if layer.is::<SimpleRNNCell>() {
        made::<SimpleRNN>
    } else {
        return Ok(None);
    };
    if !cell.handle().is_trainable() {
        return Ok(None);
    }
    let mut config = cell.layer().config()?;
    for &(name, value) in settings {
        config[name] = value.into();
    }
    make(config).map(Some).map_err(|error| {
        Error::invalid("cannot run this cell", "the settings of its layer").got(error)
    })
}

impl FromConfig for RNN {
    fn from_config(config: Value, registry: &Registry) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Flags {
            #[serde(default)]
            return_sequences: bool,
            #[serde(default)]
            return_state: bool,
            #[serde(default)]
            go_backwards: bool,
            #[serde(default)]
            stateful: bool,
            #[serde(default)]
            unroll: bool,
            #[serde(default)]
            zero_output_for_mask: bool,
        }
        let cell = match config.get("cell").unwrap_or(&Value::Null) {
            Value::Array(cells) => StackedRNNCells::read(cells, registry)?.into(),
            cell => Wrapped::read(cell, registry)?,
        };
        let flags: Flags = serde_json::from_value(config)?;
        Ok(Self {
            return_sequences: flags.return_sequences,
            return_state: flags.return_state,
            go_backwards: flags.go_backwards,
            stateful: flags.stateful,
            unroll: flags.unroll,
            zero_output_for_mask: flags.zero_output_for_mask,
            cell,
        })
    }
}

/// A layer that runs a cell over all steps.
pub(super) trait OverSteps: Layer {
    /// As [`Layer::build`], with the weights in a scope, which is `cell` there.
    fn build_in(
        &self,
        scope: &str,
        inputs: &[Shape],
        init: &mut Init<'_>,
    ) -> Result<Box<dyn Built>>;
}

/// Which steps (batch, time) a mask leaves: with further axes, those of which it leaves anything.
pub(super) fn steps_left(mask: Var) -> Result<Var> {
    let axes: Vec<isize> = (2..mask.rank().cast_signed()).collect();
    Ok(if axes.is_empty() { mask } else { mask.any(axes)? })
}

/// At which steps, the first axis, a mask has left something so far.
pub(super) fn begun(mask: &Var) -> Result<Var> {
    Ok(mask.cast(DType::F32)?.cumsum(0, false, false)?.greater(0.0)?)
}

/// The shape of one step.
fn step(input: &Shape) -> Shape {
    input.dims()[..1].iter().chain(&input.dims()[2..]).cloned().collect()
}

pub(super) fn states_of(cell: &Wrapped, step: &Shape) -> Result<Vec<Shape>> {
    if let Some(penalty) = cell.handle().activity() {
        let problem = "cannot penalize the outputs of a cell";
        return Err(Error::invalid(problem, "a cell without `activity_regularizer`")
            .got(format_args!("{penalty:?}"))
            .help("give the layer that runs the cell the regularizer"));
    }
    cell.layer().state_shapes(step).ok_or_else(|| {
        Error::invalid("cannot run this layer over steps", "a cell, as LSTMCell")
            .got(cell.layer().class_name())
            .help("a cell has Layer::state_shapes")
    })
}

/// A step's shape with those of the states.
pub(super) fn with_states(step: Shape, states: &[Shape]) -> Vec<Shape> {
    std::iter::once(step).chain(states.iter().cloned()).collect()
}

impl Layer for RNN {
    fn class_name(&self) -> &'static str {
        "RNN"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let Some((x, given)) = inputs.split_first() else {
            return Err(Error::invalid("cannot take no input", "one input").got("none"));
        };
        let help = "add an axis for time or features, e.g. with an Embedding or Reshape";
        expect::at_least(x, 3, "(batch, time, ...)", help)?;
        if self.stateful {
            batch_of(x)?;
        }
        let states = states_of(&self.cell, &step(x))?;
        let is_open =
            |state: &&Shape| state.dims()[1..].iter().any(|dim| dim.known().is_none());
        if let Some(state) = states.iter().find(is_open) {
            let expected = "steps of which the lengths of states follow";
            return Err(Error::invalid("cannot start with zeros", expected)
                .got(format_args!("a state {state}"))
                .help("give the model's input these lengths"));
        }
        let fits = |(given, state): (&Shape, &Shape)| given.may_equal(state);
        let all_fit = given.len() == states.len() && given.iter().zip(&states).all(fits);
        if !given.is_empty() && !all_fit {
            let list = |shapes: &[Shape]| {
                shapes.iter().map(Shape::to_string).collect::<Vec<_>>().join(" and ")
            };
            let expected = list(&states);
            return Err(Error::invalid("cannot start with these states", expected)
                .got(list(given)));
        }
        let mut made = self.cell.output_shape(&with_states(step(x), &states))?;
        if made.len() != states.len() + 1 {
            let expected = "a cell with an output and as many next states as states";
            return Err(Error::invalid("cannot run this cell", expected).got(made.len()));
        }
        if self.return_sequences {
            let dims = made[0].dims();
            let time = &x.dims()[1];
            made[0] = dims[..1].iter().chain([time]).chain(&dims[1..]).cloned().collect();
        }
        made.truncate(if self.return_state { made.len() } else { 1 });
        Ok(made)
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        if let Some(whole) = self.whole()? {
            return whole.build(inputs, init);
        }
        let step = step(&inputs[0]);
        let states = states_of(&self.cell, &step)?;
        let given = with_states(step, &states);
        let output = self.cell.output_shape(&given)?.remove(0);
        let stack = (self.cell.layer() as &dyn Any).downcast_ref::<StackedRNNCells>();
        let last = match stack {
            Some(stack) => {
                stack.flow(&given[0])?.last().map_or(1, |(given, _)| given.len() - 1)
            }
            None => states.len(),
        };
        let first = states.len().saturating_sub(last);
        let layers = match stack {
            Some(stack) => self.layers(stack, &inputs[0], init)?,
            None => None,
        };
        let cell = match layers {
            Some(layers) => Runs::Layers(layers),
            None => Runs::Loop(self.cell.build("cell", &given, init)?),
        };
        let mut memories = Vec::new();
        for (number, state) in states.iter().enumerate().filter(|_| self.stateful) {
            let lens = state.dims().iter().map(Dim::known);
            let lens: Option<Vec<_>> = lens.collect();
            let lens = lens.ok_or_else(|| {
                Error::invalid("cannot keep this state", "known lengths").got(state)
            })?;
            memories.push(init.memory(&format!("state_{number}"), lens)?);
        }
        let config = self.clone();
        Ok(Box::new(BuiltRNN { config, cell, states, output, first, memories }))
    }

    fn takes_named(&self, name: &str) -> bool {
        matches!(name, "mask" | "initial_state")
    }

    fn list_from(&self) -> Option<usize> {
        Some(1)
    }
}

/// How a sequence is run.
#[derive(Debug)]
enum Runs {
    /// Step by step.
    Loop(BuiltWrapped),
    /// Cell by cell of a stack.
    Layers(Vec<CellLayer>),
}

/// The layer of a cell of a stack.
#[derive(Debug)]
struct CellLayer {
    name: String,
    built: Box<dyn Built>,
    /// The number of its states.
    states: usize,
}

#[derive(Debug)]
struct BuiltRNN {
    config: RNN,
    cell: Runs,
    /// The shapes of the states and of a step's output.
    states: Vec<Shape>,
    output: Shape,
    /// Which state is the output of a masked first step: the first one of the last cell.
    first: usize,
    /// If it is stateful: the states after the batch before.
    memories: Vec<Variable>,
}

/// Zeros of that shape, for as many examples as `x` has; other axes have known lengths.
fn zeros(x: &Var, shape: &Shape, call: &Call<'_>) -> Result<Var> {
    let rest: Shape = shape.dims()[1..].iter().cloned().collect();
    let batch = match x.shape().dims()[0].clone() {
        Dim::Unknown => {
            let others: Vec<_> = (1..x.rank()).collect();
            let zeros = x.full_like(0.0)?.cast(call.dtype())?.sum(&others)?;
            let ones = rest.dims().iter().map(|_| Axis::from(1));
            zeros.reshape([Axis::Of(0)].into_iter().chain(ones).collect::<Vec<_>>())?
        }
        known => {
            let dims = std::iter::once(known).chain(rest.dims().iter().cloned());
            return Ok(Var::zeros(call.dtype(), dims.collect::<Shape>())?);
        }
    };
    Ok(batch.add(&Var::zeros(call.dtype(), rest)?)?)
}

impl Built for BuiltRNN {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let config = &self.config;
        let Some((given, initial)) = inputs.positional().split_first() else {
            return Err(Error::invalid("cannot take no input", "one input").got("none"));
        };
        let own = call.mask(given).cloned();
        let named = inputs.named("mask").next().cloned();
        let mut states: Vec<Var> =
            initial.iter().chain(inputs.named("initial_state")).cloned().collect();
        let mask = named.clone().or_else(|| own.clone().filter(|_| states.is_empty()));
        let mut x = given.cast(call.dtype())?;
        let mut steps_mask = mask.map(steps_left).transpose()?;
        if config.go_backwards {
            x = x.flip(1)?;
            steps_mask = steps_mask.map(|mask| mask.flip(1)).transpose()?;
        }
        if states.is_empty() {
            states = self.memories.iter().map(|memory| call.read(memory)).collect();
        }
        if states.is_empty() {
            let made = self.states.iter().map(|shape| zeros(&x, shape, call));
            states = made.collect::<Result<_>>()?;
        }
        for state in &mut states {
            *state = state.cast(call.dtype())?;
        }
        let (output, states) = match &self.cell {
            Runs::Layers(layers) => {
                run_layers(layers, x, steps_mask.as_ref(), &states, call)?
            }
            Runs::Loop(cell) => {
                let mask = steps_mask.map(|mask| mask.swap_axes(0, 1)).transpose()?;
                let x = x.swap_axes(0, 1)?;
                let (sequence, last, states) =
                    self.run(cell, &x, mask.as_ref(), &states, call)?;
                let output = if config.return_sequences {
                    sequence.swap_axes(0, 1)?
                } else {
                    last
                };
                (output, states)
            }
        };
        remember(&self.memories, &states, call)?;
        if let (true, Some(mask)) = (config.return_sequences, named.or(own)) {
            call.set_mask(&output, &mask);
        }
        let mut outputs = vec![output];
        if config.return_state {
            outputs.extend(states);
        }
        Ok(outputs)
    }
}

/// The output of the last of these layers, each on the outputs of the one before, and the last
/// states of all; the batch comes first.
fn run_layers(
    layers: &[CellLayer],
    mut x: Var,
    mask: Option<&Var>,
    states: &[Var],
    call: &mut Call<'_>,
) -> Result<(Var, Vec<Var>)> {
    let (mut rest, mut last) = (states, Vec::new());
    for layer in layers {
        let (own, others) = rest.split_at(layer.states);
        let given: Vec<_> = std::iter::once(&x).chain(own).cloned().collect();
        let mut inputs = Inputs::new(given);
        if let Some(mask) = mask {
            inputs = inputs.with("mask", mask.clone());
        }
        let dtype = call.dtype();
        let mut made = call
            .within(&layer.name, true, dtype, |call| layer.built.call(&inputs, call))?;
        x = made.remove(0);
        last.extend(made);
        rest = others;
    }
    Ok((x, last))
}

impl BuiltRNN {
    /// The loop: outputs of all steps, the last one, the last states; time comes first.
    fn run(
        &self,
        cell: &BuiltWrapped,
        x: &Var,
        mask: Option<&Var>,
        states: &[Var],
        call: &mut Call<'_>,
    ) -> Result<(Var, Var, Vec<Var>)> {
        let unroll = self.config.unroll;
        let zero = self.config.zero_output_for_mask && !unroll;
        // Carried are the output of the step before, then the states.
        let like = x.swap_axes(0, 1)?;
        let first = states.get(self.first).filter(|_| {
            let state = self.states.get(self.first);
            !unroll && state.is_some_and(|state| state.may_equal(&self.output))
        });
        let before =
            first.cloned().map_or_else(|| zeros(&like, &self.output, call), Ok)?;
        let carries: Vec<_> = std::iter::once(&before).chain(states).collect();
        let sequences: Vec<_> = std::iter::once(x).chain(mask).collect();
        let failure = RefCell::new(None);
        let scanned = scan(&carries, &sequences, false, |carried, steps| {
            let given: Vec<_> =
                std::iter::once(&steps[0]).chain(&carried[1..]).cloned().collect();
            let made = cell.call(&Inputs::new(given), call).map_err(|error| {
                match error {
                    Error::Autograd(error) => error,
                    error => {
                        *failure.borrow_mut() = Some(error);
                        // The error above is what is returned.
                        GraphError::Independent { wrt: String::new() }
                    }
                }
            })?;
            let mut next = made;
            if let Some(mask) = steps.get(1) {
                for (at, next) in next.iter_mut().enumerate() {
                    let mut mask = mask.clone();
                    while mask.rank() < next.rank() {
                        mask = mask.expand_dims(-1)?;
                    }
                    *next = if at == 0 && zero {
                        mask.select(&*next, 0.0)?
                    } else {
                        mask.select(&*next, &carried[at])?
                    };
                }
            }
            let output = next[0].clone();
            Ok((next, vec![output]))
        });
        let mut scanned = match failure.into_inner() {
            Some(error) => return Err(error),
            None => scanned?,
        };
        let last = scanned.carries.remove(0);
        Ok((scanned.results.remove(0), last, scanned.carries))
    }
}
