//! The long short-term memory of images: `ConvLSTM1D`, `ConvLSTM2D`, `ConvLSTM3D`.

use deckle_autograd::{Axis, Padding as Edges, Result as GraphResult, Var, Variable};
use deckle_tensor::{Dim, Shape};
use serde::{Deserialize, Serialize};

use super::{
    Conv, DataFormat, Padding, PerAxis, RNN, dropout::dropout, lstm::gates::LstmGates,
    recurrent::sigmoid, setters::setters,
};
use crate::{
    Activation, Built, Call, Constraint, Error, Init, Initializer, Inputs, Layer,
    Regularizer, Result, expect, keras::yes,
};

/// The [long short-term memory](ConvLSTM) of sequences in space.
pub type ConvLSTM1D = ConvLSTM<1>;
/// The [long short-term memory](ConvLSTM) of images.
pub type ConvLSTM2D = ConvLSTM<2>;
/// The [long short-term memory](ConvLSTM) of volumes.
pub type ConvLSTM3D = ConvLSTM<3>;

/// An [`LSTM`](super::LSTM) whose products of matrices are convolutions.
///
/// The names [`ConvLSTM1D`], [`ConvLSTM2D`] and [`ConvLSTM3D`] stand for one, two and three spatial
/// axes. The states' convolution has padding `Same` and stride 1. Masked steps keep both states.
/// States start with 0, or with `initial_state`: two more inputs, positional or by that name.
///
/// # Shapes
///
/// | tensor                  | shape                                                              |
/// |-------------------------|--------------------------------------------------------------------|
/// | input                   | `(batch, time, spatial..., channels)`                              |
/// | `cell/kernel`           | `(kernel_size..., channels, 4 · filters)`                          |
/// | `cell/recurrent_kernel` | `(kernel_size..., filters, 4 · filters)`                           |
/// | `cell/bias`             | `(4 · filters,)`                                                   |
/// | output                  | `(batch, windows..., filters)`, or with `time` after the batch     |
/// | states                  | `h` and `c`, `(batch, windows..., filters)` each                   |
///
/// Windows are those of a [`Conv`]; spatial lengths have to be known.
///
/// # Errors
///
/// Building fails as that of a [`Conv`] with that many spatial axes, and if a share to drop is not
/// from 0 to below 1.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::ConvLSTM2D};
///
/// let film = [None, Some(10), Some(28), Some(28), Some(1)].into();
/// let layer = ConvLSTM2D::new(8, 3).return_sequences(true);
/// assert_eq!(layer.output_shape(&[film])?[0].to_string(), "(batch, 10, 26, 26, 8)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.ConvLSTM1D`, `ConvLSTM2D`, `ConvLSTM3D`.
///
/// # References
///
/// Shi et al., *Convolutional LSTM network: a machine learning approach for precipitation
/// nowcasting* (2015), equation 3 without peepholes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvLSTM<const N: usize> {
    #[serde(default)]
    return_sequences: bool,
    #[serde(default)]
    return_state: bool,
    #[serde(default)]
    go_backwards: bool,
    #[serde(default)]
    stateful: bool,
    #[serde(default)]
    zero_output_for_mask: bool,
    #[serde(default)]
    activity_regularizer: Option<Regularizer>,
    #[serde(flatten)]
    cell: ConvLSTMCell<N>,
}

/// One step of a [`ConvLSTM`], which is given the convolution of the step's inputs, with channels
/// last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ConvLSTMCell<const N: usize> {
    filters: usize,
    kernel_size: PerAxis<N>,
    #[serde(default = "PerAxis::ones")]
    strides: PerAxis<N>,
    #[serde(default)]
    padding: Padding,
    #[serde(default)]
    data_format: DataFormat,
    #[serde(default = "PerAxis::ones")]
    dilation_rate: PerAxis<N>,
    #[serde(default = "tanh")]
    activation: Activation,
    #[serde(default = "sigmoid")]
    recurrent_activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default)]
    kernel_initializer: Initializer,
    #[serde(default = "Initializer::orthogonal")]
    recurrent_initializer: Initializer,
    #[serde(default = "Initializer::zeros")]
    bias_initializer: Initializer,
    #[serde(default = "yes")]
    unit_forget_bias: bool,
    #[serde(default)]
    kernel_regularizer: Option<Regularizer>,
    #[serde(default)]
    recurrent_regularizer: Option<Regularizer>,
    #[serde(default)]
    bias_regularizer: Option<Regularizer>,
    #[serde(default)]
    kernel_constraint: Option<Constraint>,
    #[serde(default)]
    recurrent_constraint: Option<Constraint>,
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

const GATES: usize = 4;

/// Setters of the cell's settings; a row is the doc, the name, and the setting's type.
macro_rules! cell_setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl Into<$type>) -> Self {
            self.cell.$name = $name.into();
            self
        }
    )*};
}

impl<const N: usize> ConvLSTM<N> {
    /// A layer with that many filters, and kernels of that size.
    #[must_use]
    pub fn new(filters: usize, kernel_size: impl Into<PerAxis<N>>) -> Self {
        Self {
            return_sequences: false,
            return_state: false,
            go_backwards: false,
            stateful: false,
            zero_output_for_mask: false,
            activity_regularizer: None,
            cell: ConvLSTMCell {
                filters,
                kernel_size: kernel_size.into(),
                strides: PerAxis::ones(),
                padding: Padding::Valid,
                data_format: DataFormat::ChannelsLast,
                dilation_rate: PerAxis::ones(),
                activation: Activation::Tanh,
                recurrent_activation: Activation::Sigmoid,
                use_bias: true,
                kernel_initializer: Initializer::default(),
                recurrent_initializer: Initializer::orthogonal(),
                bias_initializer: Initializer::Zeros,
                unit_forget_bias: true,
                kernel_regularizer: None,
                recurrent_regularizer: None,
                bias_regularizer: None,
                kernel_constraint: None,
                recurrent_constraint: None,
                bias_constraint: None,
                dropout: 0.0,
                recurrent_dropout: 0.0,
                seed: None,
            },
        }
    }

    setters! {
        /// Sets whether the output has all steps, not only the last; false by default.
        return_sequences: bool;
        /// Sets whether the last states are outputs too; false by default.
        return_state: bool;
        /// Sets whether the last step comes first, in the output too; false by default.
        go_backwards: bool;
        /// Sets whether the output of a masked step is 0, not that of the step before; false by
        /// default.
        zero_output_for_mask: bool;
        /// Sets whether a batch begins with the states that the one before ended with, in
        /// inference too, see [`LSTM::stateful`](super::LSTM::stateful); false by default.
        stateful: bool;
        /// Sets the penalty on the outputs, divided by the batch size; none by default.
        activity_regularizer: into Option<Regularizer>;
    }

    cell_setters! {
        /// Sets the step of the window; 1 by default.
        strides: PerAxis<N>;
        /// Sets how windows meet the edges; `Valid` by default.
        padding: Padding;
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
        /// Sets the step between the kernel's cells; 1 by default.
        dilation_rate: PerAxis<N>;
        /// Sets the function of the output; the hyperbolic tangent by default.
        activation: Activation;
        /// Sets the function of the gates; the sigmoid by default.
        recurrent_activation: Activation;
        /// Sets whether a bias is added; true by default.
        use_bias: bool;
        /// Sets the first values of the inputs' kernel; Glorot uniform by default.
        kernel_initializer: Initializer;
        /// Sets the first values of the states' kernel; orthogonal by default.
        recurrent_initializer: Initializer;
        /// Sets the bias's first values; zeros by default.
        bias_initializer: Initializer;
        /// Sets whether the bias of the forget gate starts with 1; true by default.
        unit_forget_bias: bool;
        /// Sets the penalty on the inputs' kernel; none by default.
        kernel_regularizer: Option<Regularizer>;
        /// Sets the penalty on the states' kernel; none by default.
        recurrent_regularizer: Option<Regularizer>;
        /// Sets the penalty on the bias; none by default.
        bias_regularizer: Option<Regularizer>;
        /// Sets what the inputs' kernel is made to be after each step; free by default.
        kernel_constraint: Option<Constraint>;
        /// Sets what the states' kernel is made to be after each step; free by default.
        recurrent_constraint: Option<Constraint>;
        /// Sets what the bias is made to be after each step; free by default.
        bias_constraint: Option<Constraint>;
        /// Sets the share of inputs left out in training, the same at all steps; 0 by default.
        dropout: f64;
        /// Sets the share of states left out in training, the same at all steps; 0 by default.
        recurrent_dropout: f64;
        /// Sets the seed that dropout depends on; the layer's name by default.
        seed: Option<u64>;
    }

    fn rnn(&self) -> RNN {
        RNN::new(self.cell.clone())
            .return_sequences(self.return_sequences)
            .return_state(self.return_state)
            .go_backwards(self.go_backwards)
            .zero_output_for_mask(self.zero_output_for_mask)
            .stateful(self.stateful)
    }
}

impl<const N: usize> Layer for ConvLSTM<N> {
    fn class_name(&self) -> &'static str {
        ["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"][N - 1]
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let Some(x) = inputs.first() else {
            return Err(Error::invalid("cannot take no input", "one input").got("none"));
        };
        let help = "add an axis for time or channels, e.g. with Reshape";
        let expected = match self.cell.data_format {
            DataFormat::ChannelsLast => "(batch, time, spatial..., channels)",
            DataFormat::ChannelsFirst => "(batch, time, channels, spatial...)",
        };
        expect::exactly(x, N + 3, expected, help)?;
        // What is wrong with one step is said of it, not of its states.
        let step: Shape = x.dims()[..1].iter().chain(&x.dims()[2..]).cloned().collect();
        self.cell.state(&step)?;
        self.rnn().output_shape(inputs).map_err(of_the_layer)
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let first = init.weights_made();
        let rnn = self.rnn();
        let built = rnn.build(inputs, init).map_err(of_the_layer)?;
        let kernel = init.find(first, "cell", &["kernel"]);
        let bias = init.find(first, "cell", &["bias"]);
        Ok(Box::new(BuiltConvLSTM { config: self.clone(), built, kernel, bias }))
    }

    fn takes_named(&self, name: &str) -> bool {
        matches!(name, "mask" | "initial_state")
    }

    fn list_from(&self) -> Option<usize> {
        Some(1)
    }
}

/// An error without the name of the cell, which is no layer of its own.
fn of_the_layer(error: Error) -> Error {
    match error {
        Error::Layer { error, .. } => *error,
        error => error,
    }
}

/// The convolution of the inputs of all steps, the loop, and the penalty on the outputs.
#[derive(Debug)]
struct BuiltConvLSTM<const N: usize> {
    config: ConvLSTM<N>,
    built: Box<dyn Built>,
    kernel: Option<Variable>,
    bias: Option<Variable>,
}

impl<const N: usize> BuiltConvLSTM<N> {
    /// The convolution of all steps of the inputs, `(batch, time, windows..., 4 · filters)`.
    fn convolved(
        &self,
        given: &Var,
        kernel: &Variable,
        call: &mut Call<'_>,
    ) -> Result<Var> {
        let config = &self.config.cell;
        let mut x = given.cast(call.dtype())?;
        if call.is_training() && config.dropout > 0.0 {
            x = dropout(&x, config.dropout, config.seed, &[1], call)?;
        }
        // Time first, as the loop has it; the images of all steps are one batch.
        let x = x.swap_axes(0, 1)?;
        let images = config.data_format.to_last(&x.merge_axes(0, 2)?)?;
        let kernel = call.read(kernel);
        let (strides, dilation) = (&config.strides.0, &config.dilation_rate.0);
        let mut y =
            images.conv(&kernel, strides, &config.padding.edges(), dilation, 1)?;
        if let Some(bias) = &self.bias {
            y = y.add(&call.read(bias))?;
        }
        let rest = y.shape().dims()[1..].iter().map(|dim| match dim {
            Dim::Unknown => Axis::Rest,
            dim => Axis::from(dim),
        });
        let axes: Vec<_> = [Axis::Of(0), Axis::Of(1)].into_iter().chain(rest).collect();
        Ok(y.reshape_by(&x, axes)?.swap_axes(0, 1)?)
    }
}

impl<const N: usize> Built for BuiltConvLSTM<N> {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let mut inputs = inputs.clone();
        if let (Some(kernel), Some((given, states))) =
            (&self.kernel, inputs.positional().split_first())
        {
            let x = self.convolved(given, kernel, call)?;
            if let Some(mask) = call.mask(given).cloned() {
                call.set_mask(&x, &mask);
            }
            let all: Vec<_> = std::iter::once(&x).chain(states).cloned().collect();
            let mut replaced = Inputs::new(all);
            for name in ["mask", "initial_state"] {
                for value in inputs.named(name) {
                    replaced = replaced.with(name, value.clone());
                }
            }
            inputs = replaced;
        }
        let outputs = self.built.call(&inputs, call).map_err(of_the_layer)?;
        if let Some(regularizer) = &self.config.activity_regularizer {
            for output in &outputs {
                regularizer.add_activity(output, call)?;
            }
        }
        Ok(outputs)
    }
}

impl<const N: usize> ConvLSTMCell<N> {
    /// The shape of a state, for that step.
    fn state(&self, step: &Shape) -> Result<Shape> {
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
        if self.padding == Padding::Causal {
            return Err(
                Error::invalid("`padding` makes no sense", "Valid or Same").got("Causal")
            );
        }
        let convolution = Conv::new(self.filters, self.kernel_size)
            .strides(self.strides)
            .padding(self.padding)
            .data_format(self.data_format)
            .dilation_rate(self.dilation_rate);
        Ok(convolution.output_shape(std::slice::from_ref(step))?.remove(0))
    }
}

impl<const N: usize> Layer for ConvLSTMCell<N> {
    fn class_name(&self) -> &'static str {
        "ConvLSTMCell"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let [step, given @ ..] = inputs else {
            return Err(Error::invalid("cannot take no input", "one step").got("none"));
        };
        let state = self.state(step)?;
        if given.len() != 2 || given.iter().any(|given| !given.may_equal(&state)) {
            let shapes: Vec<_> = given.iter().map(Shape::to_string).collect();
            let expected = format_args!("2 of shape {state}").to_string();
            return Err(Error::invalid("cannot take these states", expected)
                .got(shapes.join(" and ")));
        }
        Ok(vec![state; 3])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let channels = expect::known(&self.data_format.shape_to_last(&inputs[0]), -1)?;
        let (filters, width) = (self.filters, self.filters.saturating_mul(GATES));
        let shape = |from: usize| [&self.kernel_size.0[..], &[from, width]].concat();
        let kernel =
            init.variable("kernel", shape(channels), &self.kernel_initializer)?;
        init.regularize(&kernel, self.kernel_regularizer.as_ref());
        init.constrain(&kernel, self.kernel_constraint.as_ref());
        let recurrent_kernel = init.variable(
            "recurrent_kernel",
            shape(filters),
            &self.recurrent_initializer,
        )?;
        init.regularize(&recurrent_kernel, self.recurrent_regularizer.as_ref());
        init.constrain(&recurrent_kernel, self.recurrent_constraint.as_ref());
        if self.use_bias {
            let initializer = &self.bias_initializer;
            let made = if self.unit_forget_bias {
                let rest = filters.saturating_mul(2);
                let ones = &Initializer::Ones;
                let parts =
                    [(initializer, filters), (ones, filters), (initializer, rest)];
                init.joined("bias", &parts)?
            } else {
                init.variable("bias", [width], initializer)?
            };
            init.regularize(&made, self.bias_regularizer.as_ref());
            init.constrain(&made, self.bias_constraint.as_ref());
        }
        Ok(Box::new(BuiltConvLSTMCell { config: self.clone(), recurrent_kernel }))
    }

    fn state_shapes(&self, input: &Shape) -> Option<Vec<Shape>> {
        Some(vec![self.state(input).ok()?; 2])
    }
}

#[derive(Debug)]
struct BuiltConvLSTMCell<const N: usize> {
    config: ConvLSTMCell<N>,
    recurrent_kernel: Variable,
}

impl<const N: usize> Built for BuiltConvLSTMCell<N> {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let [x, h, c] = inputs.positional() else {
            return Err(Error::invalid(
                "cannot take these inputs",
                "a step and 2 states",
            )
            .got(inputs.positional().len()));
        };
        let (config, dtype, one) = (&self.config, call.dtype(), [1; N]);
        let last =
            |x: &Var| -> GraphResult<Var> { config.data_format.to_last(&x.cast(dtype)?) };
        let (mut h, c) = (last(h)?, last(c)?);
        if call.is_training() && config.recurrent_dropout > 0.0 {
            h = dropout(&h, config.recurrent_dropout, config.seed, &[], call)?;
        }
        let kernel = call.read(&self.recurrent_kernel);
        let by_h = h.conv(&kernel, &one, &Edges::Same, &one, 1)?;
        let (gate, activation) = (config.recurrent_activation, config.activation);
        let of_last = |x: &Var| config.data_format.of_last(x);
        if (activation, gate) == (Activation::Tanh, Activation::Sigmoid) {
            let states = Var::composite(LstmGates, &[x, &by_h, &c])?;
            let (h, c) = (of_last(&states[0])?, of_last(&states[1])?);
            return Ok(vec![h.clone(), h, c]);
        }
        // Some functions are along the last axis, which is that of the data's format.
        let apply = |function: Activation, x: &Var| -> GraphResult<Var> {
            config.data_format.to_last(&function.apply(&of_last(x)?)?)
        };
        let parts = x.add(&by_h)?.split(GATES, -1)?;
        let (i, f) = (apply(gate, &parts[0])?, apply(gate, &parts[1])?);
        let (g, o) = (apply(activation, &parts[2])?, apply(gate, &parts[3])?);
        let c = f.mul(&c)?.add(&i.mul(&g)?)?;
        let h = of_last(&o.mul(&apply(activation, &c)?)?)?;
        Ok(vec![h.clone(), h, of_last(&c)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&ConvLSTM1D::new(1, 2), [[1, 2, 3, 2]])?;
        check_layer(
            &ConvLSTM1D::new(2, 2)
                .return_sequences(true)
                .padding(Padding::Same)
                .dropout(0.2),
            [[2, 2, 3, 1]],
        )?;
        check_layer(
            &ConvLSTM2D::new(1, [1, 2])
                .data_format(DataFormat::ChannelsFirst)
                .unit_forget_bias(false)
                .return_state(true),
            [[1, 2, 1, 2, 2]],
        )?;
        check_layer(
            &ConvLSTM1D::new(2, 2).recurrent_activation(Activation::HardSigmoid),
            [[1, 2, 3, 1]],
        )?;
        check_layer(&ConvLSTM3D::new(1, 1).use_bias(false), [[1, 1, 1, 2, 1, 1]])
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = ConvLSTM2D::new(0, 3).output_shape(&[[1, 2, 4, 4, 1].into()]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "`filters` makes no sense\n  expected: a positive number\n       got: 0"
        );
        let error = ConvLSTM1D::new(1, 2).output_shape(&[[1, 4, 4].into()]).unwrap_err();
        assert!(error.to_string().contains("(batch, time, spatial..., channels)"));
    }
}
