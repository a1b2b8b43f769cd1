//! What all recurrent layers have in common: settings, weights, masks, dropout, the loop.

pub(crate) mod composite;

use deckle_autograd::{Result as GraphResult, Scanned, Var, Variable, scan};
use deckle_tensor::{Dim, Shape};
use serde::{Deserialize, Serialize};

use super::{
    dropout::dropout,
    rnn::{begun, steps_left},
};
use crate::{
    Activation, Call, Constraint, Error, Init, Initializer, Inputs, Regularizer, Result,
    expect, keras::yes,
};
use composite::Extras;

/// The settings that all recurrent layers share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Recurrent {
    #[serde(default)]
    pub(super) return_sequences: bool,
    #[serde(default)]
    pub(super) return_state: bool,
    #[serde(default)]
    pub(super) go_backwards: bool,
    #[serde(default)]
    pub(super) stateful: bool,
    #[serde(default)]
    pub(super) unroll: bool,
    #[serde(default)]
    pub(super) zero_output_for_mask: bool,
    pub(super) units: usize,
    #[serde(default = "tanh")]
    pub(super) activation: Activation,
    #[serde(default = "yes")]
    pub(super) use_bias: bool,
    #[serde(default)]
    pub(super) kernel_initializer: Initializer,
    #[serde(default = "Initializer::orthogonal")]
    pub(super) recurrent_initializer: Initializer,
    #[serde(default = "Initializer::zeros")]
    pub(super) bias_initializer: Initializer,
    #[serde(default)]
    pub(super) kernel_regularizer: Option<Regularizer>,
    #[serde(default)]
    pub(super) kernel_constraint: Option<Constraint>,
    #[serde(default)]
    pub(super) recurrent_regularizer: Option<Regularizer>,
    #[serde(default)]
    pub(super) recurrent_constraint: Option<Constraint>,
    #[serde(default)]
    pub(super) bias_regularizer: Option<Regularizer>,
    #[serde(default)]
    pub(super) bias_constraint: Option<Constraint>,
    #[serde(default)]
    pub(super) activity_regularizer: Option<Regularizer>,
    #[serde(default)]
    pub(super) dropout: f64,
    #[serde(default)]
    pub(super) recurrent_dropout: f64,
    #[serde(default)]
    pub(super) seed: Option<u64>,
}

fn tanh() -> Activation {
    Activation::Tanh
}

/// Keras's default of `recurrent_activation`, as a function for serde.
pub(super) fn sigmoid() -> Activation {
    Activation::Sigmoid
}

/// The setters of the shared settings, which are the layer's field `recurrent`.
macro_rules! recurrent_setters {
    ($layer:ident) => {
        impl $layer {
            /// Sets whether the output has all steps, not only the last; false by default.
            #[must_use]
            pub fn return_sequences(mut self, return_sequences: bool) -> Self {
                self.recurrent.return_sequences = return_sequences;
                self
            }

            /// Sets whether the last states are outputs too; false by default.
            #[must_use]
            pub fn return_state(mut self, return_state: bool) -> Self {
                self.recurrent.return_state = return_state;
                self
            }

            /// Sets whether the last step comes first, in the output too; false by default.
            #[must_use]
            pub fn go_backwards(mut self, go_backwards: bool) -> Self {
                self.recurrent.go_backwards = go_backwards;
                self
            }

            /// Sets whether a batch begins with the states that the one before ended with, in
            /// inference too; false by default.
            ///
            /// All batches have to be of one size, which the model's input gives:
            /// [`Sequential::batch_size`](crate::Sequential::batch_size),
            /// [`Symbol::batch_input`](crate::Symbol::batch_input).
            /// [`Model::reset_states`](crate::Model::reset_states) begins anew.
            #[must_use]
            pub fn stateful(mut self, stateful: bool) -> Self {
                self.recurrent.stateful = stateful;
                self
            }

            /// Sets whether a masked step gives what Keras's unrolled loops give: the output before
            /// it, or 0 at first, whatever `zero_output_for_mask` says; false by default.
            #[must_use]
            pub fn unroll(mut self, unroll: bool) -> Self {
                self.recurrent.unroll = unroll;
                self
            }

            /// Sets whether the output of a masked step is 0, not that of the step before; false
            /// by default.
            #[must_use]
            pub fn zero_output_for_mask(mut self, zero_output_for_mask: bool) -> Self {
                self.recurrent.zero_output_for_mask = zero_output_for_mask;
                self
            }

            /// Sets the function of the output; the hyperbolic tangent by default.
            #[must_use]
            pub fn activation(mut self, activation: $crate::Activation) -> Self {
                self.recurrent.activation = activation;
                self
            }

            /// Sets whether a bias is added; true by default.
            #[must_use]
            pub fn use_bias(mut self, use_bias: bool) -> Self {
                self.recurrent.use_bias = use_bias;
                self
            }

            /// Sets the first values of the inputs' kernel; Glorot uniform by default.
            #[must_use]
            pub fn kernel_initializer(
                mut self,
                kernel_initializer: $crate::Initializer,
            ) -> Self {
                self.recurrent.kernel_initializer = kernel_initializer;
                self
            }

            /// Sets the first values of the states' kernel; orthogonal by default.
            #[must_use]
            pub fn recurrent_initializer(
                mut self,
                recurrent_initializer: $crate::Initializer,
            ) -> Self {
                self.recurrent.recurrent_initializer = recurrent_initializer;
                self
            }

            /// Sets the bias's first values; zeros by default.
            #[must_use]
            pub fn bias_initializer(
                mut self,
                bias_initializer: $crate::Initializer,
            ) -> Self {
                self.recurrent.bias_initializer = bias_initializer;
                self
            }

            /// Sets the share of inputs left out in training, the same at all steps; 0 by default.
            #[must_use]
            pub fn dropout(mut self, dropout: f64) -> Self {
                self.recurrent.dropout = dropout;
                self
            }

            /// Sets the share of states left out in training, the same at all steps; 0 by default.
            #[must_use]
            pub fn recurrent_dropout(mut self, recurrent_dropout: f64) -> Self {
                self.recurrent.recurrent_dropout = recurrent_dropout;
                self
            }

            /// Sets the penalty on the inputs' kernel; none by default.
            #[must_use]
            pub fn kernel_regularizer(
                mut self,
                kernel_regularizer: $crate::Regularizer,
            ) -> Self {
                self.recurrent.kernel_regularizer = Some(kernel_regularizer);
                self
            }

            /// Sets what the inputs' kernel is made to be after each step; free by default.
            #[must_use]
            pub fn kernel_constraint(mut self, constraint: $crate::Constraint) -> Self {
                self.recurrent.kernel_constraint = Some(constraint);
                self
            }

            /// Sets the penalty on the states' kernel; none by default.
            #[must_use]
            pub fn recurrent_regularizer(
                mut self,
                recurrent_regularizer: $crate::Regularizer,
            ) -> Self {
                self.recurrent.recurrent_regularizer = Some(recurrent_regularizer);
                self
            }

            /// Sets what the states' kernel is made to be after each step; free by default.
            #[must_use]
            pub fn recurrent_constraint(
                mut self,
                constraint: $crate::Constraint,
            ) -> Self {
                self.recurrent.recurrent_constraint = Some(constraint);
                self
            }

            /// Sets the penalty on the bias; none by default.
            #[must_use]
            pub fn bias_regularizer(
                mut self,
                bias_regularizer: $crate::Regularizer,
            ) -> Self {
                self.recurrent.bias_regularizer = Some(bias_regularizer);
                self
            }

            /// Sets what the bias is made to be after each step; free by default.
            #[must_use]
            pub fn bias_constraint(mut self, constraint: $crate::Constraint) -> Self {
                self.recurrent.bias_constraint = Some(constraint);
                self
            }

            /// Sets the penalty on the outputs, divided by the batch size; none by default.
            #[must_use]
            pub fn activity_regularizer(
                mut self,
                activity_regularizer: $crate::Regularizer,
            ) -> Self {
                self.recurrent.activity_regularizer = Some(activity_regularizer);
                self
            }

            /// Sets the seed that dropout depends on; the layer's name by default.
            #[must_use]
            pub fn seed(mut self, seed: u64) -> Self {
                self.recurrent.seed = Some(seed);
                self
            }
        }
    };
}

pub(super) use recurrent_setters;

/// The weights of a recurrent layer.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) kernel: Variable,
    pub(super) recurrent_kernel: Variable,
    pub(super) bias: Option<Variable>,
    /// Of a stateful layer: the states after the batch before.
    memories: Vec<Variable>,
}

/// What a loop over the steps works with; time comes before the batch.
#[derive(Debug)]
pub(super) struct Steps {
    /// The inputs times their kernel: (time, batch, gates · units).
    pub(super) projection: Var,
    /// Which steps count: (time, batch).
    pub(super) mask: Option<Var>,
    /// The states before the first step: (batch, units) each.
    pub(super) states: Vec<Var>,
    /// What each gate multiplies its states by: none, or one for each gate.
    pub(super) state_dropout: Vec<Var>,
    /// The mask that belongs to the output: (batch, time).
    given_mask: Option<Var>,
    /// What is to have the states after the last step.
    memories: Vec<Variable>,
}

impl Recurrent {
    pub(super) fn new(units: usize) -> Self {
        Self {
            return_sequences: false,
            return_state: false,
            go_backwards: false,
            stateful: false,
            unroll: false,
            zero_output_for_mask: false,
            units,
            activation: Activation::Tanh,
            use_bias: true,
            kernel_initializer: Initializer::default(),
            recurrent_initializer: Initializer::orthogonal(),
            bias_initializer: Initializer::Zeros,
            kernel_regularizer: None,
            kernel_constraint: None,
            recurrent_regularizer: None,
            recurrent_constraint: None,
            bias_regularizer: None,
            bias_constraint: None,
            activity_regularizer: None,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            seed: None,
        }
    }

    /// The shapes of the outputs of a layer with that many states.
    pub(super) fn output_shape(
        &self,
        inputs: &[Shape],
        states: usize,
    ) -> Result<Vec<Shape>> {
        expect::positive("units", self.units)?;
        for (name, value) in
            [("dropout", self.dropout), ("recurrent_dropout", self.recurrent_dropout)]
        {
            if !(0.0..1.0).contains(&value) {
                return Err(Error::invalid(
                    format_args!("`{name}` makes no sense"),
                    "a number from 0 to below 1",
                )
                .got(value));
            }
        }
        let Some((x, initial)) = inputs.split_first() else {
            return Err(Error::invalid("cannot take no input", "one input").got("none"));
        };
        let help = "add an axis for time or features, e.g. with an Embedding or Reshape";
        expect::exactly(x, 3, "(batch, time, features)", help)?;
        expect::known(x, -1)?;
        if self.stateful {
            batch_of(x)?;
        }
        let state = Shape::from([x.dims()[0].clone(), self.units.into()]);
        let fits = initial.is_empty() || initial.len() == states;
        if !fits || initial.iter().any(|given| !given.may_equal(&state)) {
            let shapes: Vec<_> = initial.iter().map(Shape::to_string).collect();
            return Err(Error::invalid(
                "cannot start with these states",
                format_args!("{states} of shape {state}"),
            )
            .got(shapes.join(" and ")));
        }
        let output =
            if self.return_sequences { x.with(-1, self.units)? } else { state.clone() };
        let states =
            std::iter::repeat_n(state, if self.return_state { states } else { 0 });
        Ok(std::iter::once(output).chain(states).collect())
    }

    /// Makes the weights, in a scope; the bias last, if there is one.
    pub(super) fn cell(
        &self,
        scope: &str,
        inputs: &[Shape],
        (gates, states): (usize, usize),
        init: &mut Init<'_>,
        bias: impl FnOnce(&mut Init<'_>) -> Result<Variable>,
    ) -> Result<Cell> {
        let (features, units) = (expect::known(&inputs[0], -1)?, self.units);
        init.scoped(scope, |init| {
            let shape = [features, gates.saturating_mul(units)];
            let kernel = init.variable("kernel", shape, &self.kernel_initializer)?;
            init.regularize(&kernel, self.kernel_regularizer.as_ref());
            init.constrain(&kernel, self.kernel_constraint.as_ref());
            let shape = [units, gates.saturating_mul(units)];
            let recurrent_kernel =
                init.variable("recurrent_kernel", shape, &self.recurrent_initializer)?;
            init.regularize(&recurrent_kernel, self.recurrent_regularizer.as_ref());
            init.constrain(&recurrent_kernel, self.recurrent_constraint.as_ref());
            let bias = if self.use_bias { Some(bias(init)?) } else { None };
            if let Some(bias) = &bias {
                init.regularize(bias, self.bias_regularizer.as_ref());
                init.constrain(bias, self.bias_constraint.as_ref());
            }
            let mut memories = Vec::new();
            if self.stateful {
                let shape = [batch_of(&inputs[0])?, units];
                for number in 0..states {
                    memories.push(init.memory(&format!("state_{number}"), shape)?);
                }
            }
            Ok(Cell { kernel, recurrent_kernel, bias, memories })
        })
    }

    /// Prepares the loop: inputs times kernel for all steps at once, masks, states, dropout.
    pub(super) fn begin(
        &self,
        cell: &Cell,
        (gates, states): (usize, usize),
        bias: Option<&Var>,
        inputs: &Inputs,
        call: &mut Call<'_>,
    ) -> Result<Steps> {
        let Some((given, initial)) = inputs.positional().split_first() else {
            return Err(Error::invalid("cannot take no input", "one input").got("none"));
        };
        let given_mask =
            inputs.named("mask").next().or_else(|| call.mask(given)).cloned();
        let mut x = given.cast(call.dtype())?;
        // With states given, Keras passes the input's own mask on, but does not use it.
        let mut initial: Vec<Var> =
            initial.iter().chain(inputs.named("initial_state")).cloned().collect();
        let is_used = inputs.named("mask").next().is_some() || initial.is_empty();
        let used = given_mask.clone().filter(|_| is_used);
        let mut mask = used.map(steps_left).transpose()?;
        if self.go_backwards {
            x = x.flip(1)?;
            mask = mask.map(|mask| mask.flip(1)).transpose()?;
        }
        if initial.is_empty() {
            initial = cell.memories.iter().map(|memory| call.read(memory)).collect();
        }
        if initial.is_empty() {
            let shape = [x.shape().dims()[0].clone(), self.units.into()];
            initial = vec![zeros(&x, shape)?; states];
        }
        if initial.len() != states {
            return Err(Error::invalid("cannot start with these states", states)
                .got(initial.len()));
        }
        for state in &mut initial {
            *state = state.cast(call.dtype())?;
        }
        let kernel = call.read(&cell.kernel);
        let drops_state = call.is_training() && self.recurrent_dropout > 0.0;
        let drops_input = call.is_training() && self.dropout > 0.0;
        // Time comes first: all that follows reads and writes it in that order.
        let x = x.swap_axes(0, 1)?;
        let mut projection = if drops_input && drops_state {
            // As in Keras: with dropout of states, each gate has its own of the inputs.
            let mut parts = Vec::new();
            for kernel in kernel.split(gates, -1)? {
                let x = dropout(&x, self.dropout, self.seed, &[0], call)?;
                parts.push(x.matmul(&kernel)?);
            }
            Var::concatenate(&parts, -1)?
        } else if drops_input {
            dropout(&x, self.dropout, self.seed, &[0], call)?.matmul(&kernel)?
        } else {
            x.matmul(&kernel)?
        };
        if let Some(bias) = bias {
            projection = projection.add(bias)?;
        }
        let mut state_dropout = Vec::new();
        if drops_state {
            let ones = initial[0].ones_like()?;
            for _ in 0..gates {
                let (rate, seed) = (self.recurrent_dropout, self.seed);
                state_dropout.push(dropout(&ones, rate, seed, &[], call)?);
            }
        }
        let mask = mask.map(|mask| mask.swap_axes(0, 1)).transpose()?;
        let (states, memories) = (initial, cell.memories.clone());
        Ok(Steps { projection, mask, states, state_dropout, given_mask, memories })
    }

    /// The layer's outputs, from the first state after each step and all after the last.
    pub(super) fn finish(
        &self,
        steps: &Steps,
        sequence: &Var,
        states: Vec<Var>,
        call: &mut Call<'_>,
    ) -> Result<Vec<Var>> {
        remember(&steps.memories, &states, call)?;
        let zeroed = match &steps.mask {
            Some(mask) if self.unroll => Some(begun(mask)?),
            mask => mask.clone().filter(|_| self.zero_output_for_mask),
        };
        let output = match (self.return_sequences, zeroed) {
            (true, None) => sequence.swap_axes(0, 1)?,
            (true, Some(mask)) => {
                mask.expand_dims(-1)?.select(sequence, 0.0)?.swap_axes(0, 1)?
            }
            (false, None) => states[0].clone(),
            (false, Some(mask)) => {
                mask.slice(-1)?.expand_dims(-1)?.select(&states[0], 0.0)?
            }
        };
        if let (true, Some(mask)) = (self.return_sequences, &steps.given_mask) {
            call.set_mask(&output, mask);
        }
        let mut outputs = vec![output];
        if self.return_state {
            outputs.extend(states);
        }
        if let Some(regularizer) = &self.activity_regularizer {
            for output in &outputs {
                regularizer.add_activity(output, call)?;
            }
        }
        Ok(outputs)
    }
}

impl Steps {
    /// What a loop that is one operation takes besides: dropout, then mask.
    pub(super) fn extras(&self) -> Result<(Extras, Vec<Var>)> {
        let dropped = !self.state_dropout.is_empty();
        let extras = Extras { dropped, masked: self.mask.is_some() };
        let mut inputs = Vec::new();
        if dropped {
            let parts = self.state_dropout.iter().map(|dropout| dropout.expand_dims(0));
            let parts = parts.collect::<GraphResult<Vec<_>>>()?;
            inputs.push(Var::concatenate(&parts, 0)?);
        }
        inputs.extend(self.mask.clone());
        Ok((extras, inputs))
    }

    /// The product of the states and a kernel for all gates, with each gate's dropout.
    pub(super) fn product(&self, state: &Var, kernel: &Var) -> GraphResult<Var> {
        if self.state_dropout.is_empty() {
            return state.matmul(kernel);
        }
        let kernels = kernel.split(self.state_dropout.len(), -1)?;
        let parts = kernels.iter().zip(&self.state_dropout);
        let parts = parts.map(|(kernel, dropout)| state.mul(dropout)?.matmul(kernel));
        Var::concatenate(&parts.collect::<GraphResult<Vec<_>>>()?, -1)
    }

    /// Runs the loop: `step` makes the next states of a step's projection and the states.
    pub(super) fn run(
        &self,
        step: impl FnOnce(&Var, &[Var]) -> GraphResult<Vec<Var>>,
    ) -> GraphResult<Scanned> {
        masked_scan(&self.projection, self.mask.as_ref(), &self.states, step)
    }
}

/// A loop whose first result is the first state after each step; masked steps keep the states.
fn masked_scan(
    projection: &Var,
    mask: Option<&Var>,
    states: &[Var],
    step: impl FnOnce(&Var, &[Var]) -> GraphResult<Vec<Var>>,
) -> GraphResult<Scanned> {
    let carries: Vec<_> = states.iter().collect();
    let sequences: Vec<_> = std::iter::once(projection).chain(mask).collect();
    scan(&carries, &sequences, false, |before, steps| {
        let mut next = step(&steps[0], before)?;
        if let Some(mask) = steps.get(1) {
            let mask = mask.expand_dims(-1)?;
            for (next, before) in next.iter_mut().zip(before) {
                *next = mask.select(&*next, before)?;
            }
        }
        let first = next[0].clone();
        Ok((next, vec![first]))
    })
}

/// The number of examples of every batch, which a stateful layer has to know.
pub(super) fn batch_of(input: &Shape) -> Result<usize> {
    input.dims()[0].known().ok_or_else(|| {
        Error::invalid("a stateful layer needs batches of one size", "a known batch axis")
            .got(input)
            .help("give the model's input that size: Sequential::batch_size, or Symbol::batch_input")
    })
}

/// Keeps the states for the next batch.
pub(super) fn remember(
    memories: &[Variable],
    states: &[Var],
    call: &mut Call<'_>,
) -> Result<()> {
    for (memory, state) in memories.iter().zip(states) {
        call.update(memory, &state.cast(memory.dtype())?.stop_gradient()?);
    }
    Ok(())
}

/// Zeros of that shape; where a length is unknown, it is that of the same axis of `like`.
fn zeros(like: &Var, shape: [Dim; 2]) -> Result<Var> {
    if !shape.contains(&Dim::Unknown) {
        return Ok(Var::zeros(like.dtype(), shape)?);
    }
    let [_, units] = shape;
    let nothing = Var::zeros(like.dtype(), [1.into(), units])?;
    let batch = like.full_like(0.0)?.sum(deckle_tensor::keep([1, 2]))?.squeeze(-1)?;
    Ok(batch.add(&nothing)?)
}
