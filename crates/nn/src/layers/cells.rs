//! One step of the recurrent layers: `SimpleRNNCell`, `GRUCell`, `LSTMCell`.

use deckle_autograd::{Result as GraphResult, Var, Variable};
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::{dropout::dropout, recurrent::sigmoid};
use crate::{
    Activation, Built, Call, Constraint, Error, Init, Initializer, Inputs, Layer,
    Regularizer, Result, expect, keras::yes,
};

/// The settings that all cells share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    units: usize,
    #[serde(default = "tanh")]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default)]
    kernel_initializer: Initializer,
    #[serde(default = "Initializer::orthogonal")]
    recurrent_initializer: Initializer,
    #[serde(default = "Initializer::zeros")]
    bias_initializer: Initializer,
    #[serde(default)]
    kernel_regularizer: Option<Regularizer>,
    #[serde(default)]
    kernel_constraint: Option<Constraint>,
    #[serde(default)]
    recurrent_regularizer: Option<Regularizer>,
    #[serde(default)]
    recurrent_constraint: Option<Constraint>,
    #[serde(default)]
    bias_regularizer: Option<Regularizer>,
    #[serde(default)]
    bias_constraint: Option<Constraint>,
    #[serde(default)]
    dropout: f64,
    #[serde(default)]
    recurrent_dropout: f64,
    #[serde(default)]
    seed: Option<u64>,
}

fn tanh() -> Activation {
    Activation::Tanh
}

impl Settings {
    fn new(units: usize) -> Self {
        Self {
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
            dropout: 0.0,
            recurrent_dropout: 0.0,
            seed: None,
        }
    }

    /// The shapes of the output and the states, which are alike.
    fn output_shape(&self, inputs: &[Shape], states: usize) -> Result<Vec<Shape>> {
        expect::positive("units", self.units)?;
        for (name, rate) in
            [("dropout", self.dropout), ("recurrent_dropout", self.recurrent_dropout)]
        {
            if !(0.0..1.0).contains(&rate) {
                let problem = format_args!("`{name}` makes no sense").to_string();
                return Err(
                    Error::invalid(problem, "a number from 0 to below 1").got(rate)
                );
            }
        }
        let Some((x, given)) = inputs.split_first() else {
            return Err(Error::invalid("cannot take no input", "one step").got("none"));
        };
        let help = "give a cell to an RNN, which runs it over the steps";
        expect::exactly(x, 2, "(batch, features)", help)?;
        expect::known(x, -1)?;
        let state = x.with(-1, self.units)?;
        if given.len() != states || given.iter().any(|given| !given.may_equal(&state)) {
            let shapes: Vec<_> = given.iter().map(Shape::to_string).collect();
            let expected = format_args!("{states} of shape {state}").to_string();
            return Err(Error::invalid("cannot take these states", expected)
                .got(shapes.join(" and ")));
        }
        Ok(vec![state; states + 1])
    }

    fn state_shapes(&self, input: &Shape, states: usize) -> Option<Vec<Shape>> {
        Some(vec![input.with(-1, self.units).ok()?; states])
    }

    /// Makes the weights; the bias last, if there is one.
    fn weights(
        &self,
        inputs: &[Shape],
        gates: usize,
        init: &mut Init<'_>,
        bias: impl FnOnce(&mut Init<'_>) -> Result<Variable>,
    ) -> Result<Weights> {
        let (features, units) = (expect::known(&inputs[0], -1)?, self.units);
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
        Ok(Weights { kernel, recurrent_kernel, bias })
    }

    /// What a gate multiplies by instead of `x`, one for each gate; or one for all.
    fn dropped(
        &self,
        x: &Var,
        rate: f64,
        gates: usize,
        call: &mut Call<'_>,
    ) -> Result<Vec<Var>> {
        if !call.is_training() || rate <= 0.0 {
            return Ok(vec![x.clone()]);
        }
        // As in Keras: with dropout of states, each gate has its own.
        let count = if self.recurrent_dropout > 0.0 { gates } else { 1 };
        (0..count).map(|_| dropout(x, rate, self.seed, &[], call)).collect()
    }
}

#[derive(Debug)]
struct Weights {
    kernel: Variable,
    recurrent_kernel: Variable,
    bias: Option<Variable>,
}

/// The products of the inputs, one for all gates or one for each, and a kernel; one per gate.
fn products(xs: &[Var], kernel: &Var, gates: usize) -> GraphResult<Vec<Var>> {
    match xs {
        [x] => x.matmul(kernel)?.split(gates, -1),
        xs => {
            let kernels = kernel.split(gates, -1)?;
            xs.iter().zip(&kernels).map(|(x, kernel)| x.matmul(kernel)).collect()
        }
    }
}

fn sums(a: &[Var], b: &[Var]) -> GraphResult<Vec<Var>> {
    a.iter().zip(b).map(|(a, b)| a.add(b)).collect()
}

/// A cell: the doc, its name, gates, states, the fields besides the shared ones.
macro_rules! cell {
    (
        $(#[$doc:meta])*
        $cell:ident, $built:ident, $gates:literal gates, $states:literal states;
        { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr, $serde:literal;)* }
        bias: $bias:expr;
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct $cell {
            #[serde(flatten)]
            settings: Settings,
            $(#[serde(default = $serde)] $field: $type,)*
        }

        impl $cell {
            /// The cell with that many outputs.
            #[must_use]
            pub fn new(units: usize) -> Self {
                Self { settings: Settings::new(units), $($field: $default,)* }
            }

            $(
                $(#[$field_doc])*
                #[must_use]
                pub fn $field(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*

            /// Sets the function of the output; the hyperbolic tangent by default.
            #[must_use]
            pub fn activation(mut self, activation: Activation) -> Self {
                self.settings.activation = activation;
                self
            }

            /// Sets whether a bias is added; true by default.
            #[must_use]
            pub fn use_bias(mut self, use_bias: bool) -> Self {
                self.settings.use_bias = use_bias;
                self
            }

            /// Sets the first values of the input's kernel; Glorot uniform by default.
            #[must_use]
            pub fn kernel_initializer(mut self, initializer: Initializer) -> Self {
                self.settings.kernel_initializer = initializer;
                self
            }

            /// Sets the first values of the states' kernel; orthogonal by default.
            #[must_use]
            pub fn recurrent_initializer(mut self, initializer: Initializer) -> Self {
                self.settings.recurrent_initializer = initializer;
                self
            }

            /// Sets the bias's first values; zeros by default.
            #[must_use]
            pub fn bias_initializer(mut self, initializer: Initializer) -> Self {
                self.settings.bias_initializer = initializer;
                self
            }

            /// Sets the penalty on the input's kernel; none by default.
            #[must_use]
            pub fn kernel_regularizer(mut self, regularizer: Regularizer) -> Self {
                self.settings.kernel_regularizer = Some(regularizer);
                self
            }

            /// Sets what the input's kernel is made to be after each step; free by default.
            #[must_use]
            pub fn kernel_constraint(mut self, constraint: Constraint) -> Self {
                self.settings.kernel_constraint = Some(constraint);
                self
            }

            /// Sets the penalty on the states' kernel; none by default.
            #[must_use]
            pub fn recurrent_regularizer(mut self, regularizer: Regularizer) -> Self {
                self.settings.recurrent_regularizer = Some(regularizer);
                self
            }

            /// Sets what the states' kernel is made to be after each step; free by default.
            #[must_use]
            pub fn recurrent_constraint(mut self, constraint: Constraint) -> Self {
                self.settings.recurrent_constraint = Some(constraint);
                self
            }

            /// Sets the penalty on the bias; none by default.
            #[must_use]
            pub fn bias_regularizer(mut self, regularizer: Regularizer) -> Self {
                self.settings.bias_regularizer = Some(regularizer);
                self
            }

            /// Sets what the bias is made to be after each step; free by default.
            #[must_use]
            pub fn bias_constraint(mut self, constraint: Constraint) -> Self {
                self.settings.bias_constraint = Some(constraint);
                self
            }

            /// Sets the share of inputs left out in training; 0 by default.
            #[must_use]
            pub fn dropout(mut self, dropout: f64) -> Self {
                self.settings.dropout = dropout;
                self
            }

            /// Sets the share of states left out in training; 0 by default.
            #[must_use]
            pub fn recurrent_dropout(mut self, recurrent_dropout: f64) -> Self {
                self.settings.recurrent_dropout = recurrent_dropout;
                self
            }

            /// Sets the seed that dropout depends on; the layer's name by default.
            #[must_use]
            pub fn seed(mut self, seed: u64) -> Self {
                self.settings.seed = Some(seed);
                self
            }
        }

        impl Layer for $cell {
            fn class_name(&self) -> &'static str {
                stringify!($cell)
            }

            fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
                self.settings.output_shape(inputs, $states)
            }

            fn build(
                &self,
                inputs: &[Shape],
                init: &mut Init<'_>,
            ) -> Result<Box<dyn Built>> {
                let bias: fn(&Self, &mut Init<'_>) -> Result<Variable> = $bias;
                let make = |init: &mut Init<'_>| bias(self, init);
                let weights = self.settings.weights(inputs, $gates, init, make)?;
                Ok(Box::new($built { config: self.clone(), weights }))
            }

            fn state_shapes(&self, input: &Shape) -> Option<Vec<Shape>> {
                self.settings.state_shapes(input, $states)
            }

            fn list_from(&self) -> Option<usize> {
                Some(1)
            }
        }

        #[derive(Debug)]
        struct $built {
            config: $cell,
            weights: Weights,
        }

        impl Built for $built {
            fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
                let given = inputs.positional();
                if given.len() != $states + 1 {
                    let expected = concat!("a step and its states, ", $states);
                    return Err(Error::invalid("cannot take these inputs", expected)
                        .got(given.len()));
                }
                let settings = &self.config.settings;
                let dtype = call.dtype();
                let (x, h) = (given[0].cast(dtype)?, given[1].cast(dtype)?);
                let x = settings.dropped(&x, settings.dropout, $gates, call)?;
                let rate = settings.recurrent_dropout;
                let dropped = settings.dropped(&h, rate, $gates, call)?;
                let states =
                    given[1..].iter().map(|state| state.cast(dtype)).collect::<GraphResult<Vec<_>>>()?;
                let next = self.step(&x, &dropped, &states, call)?;
                Ok(std::iter::once(next[0].clone()).chain(next).collect())
            }
        }
    };
}

cell! {
    /// One step of a [`SimpleRNN`](super::SimpleRNN).
    ///
    /// # Shapes
    ///
    /// | tensor             | shape               |
    /// |--------------------|---------------------|
    /// | input              | `(batch, features)` |
    /// | state, output      | `(batch, units)`    |
    /// | `kernel`           | `(features, units)` |
    /// | `recurrent_kernel` | `(units, units)`    |
    /// | `bias`             | `(units,)`          |
    ///
    /// # Errors
    ///
    /// Building fails if `units` is 0, a share to drop is not from 0 to below 1, or the inputs
    /// are not a step and a state.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Layer, layers::SimpleRNNCell};
    ///
    /// let (step, state) = ([None, Some(4)].into(), [None, Some(3)].into());
    /// assert_eq!(SimpleRNNCell::new(3).output_shape(&[step, state])?.len(), 2);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.layers.SimpleRNNCell`.
    SimpleRNNCell, BuiltSimpleRNNCell, 1 gates, 1 states;
    {}
    bias: |cell, init| {
        let settings = &cell.settings;
        init.variable("bias", [settings.units], &settings.bias_initializer)
    };
}

impl BuiltSimpleRNNCell {
    fn step(&self, x: &[Var], h: &[Var], _: &[Var], call: &Call<'_>) -> Result<Vec<Var>> {
        let weights = &self.weights;
        let by_x = products(x, &call.read(&weights.kernel), 1)?;
        let by_h = products(h, &call.read(&weights.recurrent_kernel), 1)?;
        let mut y = by_x[0].add(&by_h[0])?;
        if let Some(bias) = &weights.bias {
            y = y.add(&call.read(bias))?;
        }
        Ok(vec![self.config.settings.activation.apply(&y)?])
    }
}

cell! {
    /// One step of a [`GRU`](super::GRU).
    ///
    /// # Shapes
    ///
    /// | tensor             | shape                                                    |
    /// |--------------------|----------------------------------------------------------|
    /// | input              | `(batch, features)`                                      |
    /// | state, output      | `(batch, units)`                                         |
    /// | `kernel`           | `(features, 3 · units)`                                  |
    /// | `recurrent_kernel` | `(units, 3 · units)`                                     |
    /// | `bias`             | `(2, 3 · units)`, or `(3 · units,)` without reset after  |
    ///
    /// # Errors
    ///
    /// Building fails if `units` is 0, a share to drop is not from 0 to below 1, or the inputs
    /// are not a step and a state.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Layer, layers::GRUCell};
    ///
    /// let (step, state) = ([None, Some(4)].into(), [None, Some(3)].into());
    /// assert_eq!(GRUCell::new(3).output_shape(&[step, state])?.len(), 2);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.layers.GRUCell`.
    GRUCell, BuiltGRUCell, 3 gates, 1 states;
    {
        /// Sets the function of the gates; the sigmoid by default.
        recurrent_activation: Activation = Activation::Sigmoid, "sigmoid";
        /// Sets whether the reset gate acts after the product of matrices; true by default.
        reset_after: bool = true, "yes";
    }
    bias: |cell, init| {
        let settings = &cell.settings;
        let width = settings.units.saturating_mul(3);
        let shape = if cell.reset_after { vec![2, width] } else { vec![width] };
        init.variable("bias", shape, &settings.bias_initializer)
    };
}

impl BuiltGRUCell {
    fn step(
        &self,
        x: &[Var],
        h: &[Var],
        states: &[Var],
        call: &Call<'_>,
    ) -> Result<Vec<Var>> {
        let (config, weights, before) = (&self.config, &self.weights, &states[0]);
        let (gate, units) = (config.recurrent_activation, config.settings.units);
        let mut by_x = products(x, &call.read(&weights.kernel), 3)?;
        let kernel = call.read(&weights.recurrent_kernel);
        let bias = weights.bias.as_ref().map(|bias| call.read(bias));
        let (of_x, of_h) = match bias {
            Some(bias) if config.reset_after => {
                (Some(bias.slice(0)?), Some(bias.slice(1)?))
            }
            bias => (bias, None),
        };
        if let Some(bias) = of_x {
            by_x = sums(&by_x, &bias.split(3, -1)?)?;
        }
        let (z, r, g);
        if config.reset_after {
            let mut by_h = products(h, &kernel, 3)?;
            if let Some(bias) = of_h {
                by_h = sums(&by_h, &bias.split(3, -1)?)?;
            }
            z = gate.apply(&by_x[0].add(&by_h[0])?)?;
            r = gate.apply(&by_x[1].add(&by_h[1])?)?;
            g = by_x[2].add(&r.mul(&by_h[2])?)?;
        } else {
            let kernels = kernel.split_at([2 * units], -1)?;
            let gates = if h.len() > 1 { &h[..2] } else { h };
            let by_h = products(gates, &kernels[0], 2)?;
            z = gate.apply(&by_x[0].add(&by_h[0])?)?;
            r = gate.apply(&by_x[1].add(&by_h[1])?)?;
            let last = &h[h.len() - 1];
            g = by_x[2].add(&r.mul(last)?.matmul(&kernels[1])?)?;
        }
        let new = config.settings.activation.apply(&g)?;
        Ok(vec![z.mul(before)?.add(&(1.0 - &z).mul(&new)?)?])
    }
}

cell! {
    /// One step of an [`LSTM`](super::LSTM).
    ///
    /// # Shapes
    ///
    /// | tensor             | shape                          |
    /// |--------------------|--------------------------------|
    /// | input              | `(batch, features)`            |
    /// | states, output     | `(batch, units)` each          |
    /// | `kernel`           | `(features, 4 · units)`        |
    /// | `recurrent_kernel` | `(units, 4 · units)`           |
    /// | `bias`             | `(4 · units,)`                 |
    ///
    /// # Errors
    ///
    /// Building fails if `units` is 0, a share to drop is not from 0 to below 1, or the inputs
    /// are not a step and two states.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Layer, layers::LSTMCell};
    ///
    /// let (step, state) = ([None, Some(4)].into(), deckle_tensor::Shape::from([None, Some(3)]));
    /// let shapes = LSTMCell::new(3).output_shape(&[step, state.clone(), state])?;
    /// assert_eq!(shapes.len(), 3);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.layers.LSTMCell`.
    LSTMCell, BuiltLSTMCell, 4 gates, 2 states;
    {
        /// Sets the function of the gates; the sigmoid by default.
        recurrent_activation: Activation = Activation::Sigmoid, "sigmoid";
        /// Sets whether the bias of the forget gate starts with 1; true by default.
        unit_forget_bias: bool = true, "yes";
    }
    bias: |cell, init| {
        let (units, initializer) = (cell.settings.units, &cell.settings.bias_initializer);
        let rest = units.saturating_mul(2);
        if !cell.unit_forget_bias {
            return init.variable("bias", [rest.saturating_mul(2)], initializer);
        }
        let parts = [(initializer, units), (&Initializer::Ones, units), (initializer, rest)];
        init.joined("bias", &parts)
    };
}

impl BuiltLSTMCell {
    fn step(
        &self,
        x: &[Var],
        h: &[Var],
        states: &[Var],
        call: &Call<'_>,
    ) -> Result<Vec<Var>> {
        let (config, weights) = (&self.config, &self.weights);
        let (gate, activation) =
            (config.recurrent_activation, config.settings.activation);
        let by_x = products(x, &call.read(&weights.kernel), 4)?;
        let by_h = products(h, &call.read(&weights.recurrent_kernel), 4)?;
        let mut parts = sums(&by_x, &by_h)?;
        if let Some(bias) = &weights.bias {
            parts = sums(&parts, &call.read(bias).split(4, -1)?)?;
        }
        let (i, f) = (gate.apply(&parts[0])?, gate.apply(&parts[1])?);
        let (g, o) = (activation.apply(&parts[2])?, gate.apply(&parts[3])?);
        let c = f.mul(&states[1])?.add(&i.mul(&g)?)?;
        Ok(vec![o.mul(&activation.apply(&c)?)?, c])
    }
}

#[cfg(test)]
mod tests;
