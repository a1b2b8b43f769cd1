//! The dense layer along axes that an equation names.

use deckle_autograd::{Axis, Var, Variable};
use deckle_tensor::{Dim, Shape};
use serde::{Deserialize, Serialize};

use super::{KerasShape, setters::setters};
use crate::{
    Activation, Built, Call, Constraint, Error, Init, Initializer, Inputs, Layer,
    Regularizer, Result, expect, keras::one_or_many,
};

/// A dense layer along the axes that an equation names: `y = activation(einsum(x, kernel) + bias)`.
///
/// In `"abc,cd->abd"`, the letters are the axes of input, kernel and output; those that the output
/// lacks are summed over. `...` stands for other axes of input and output, first or last in both.
///
/// # Shapes
///
/// | tensor   | shape                                                                     |
/// |----------|---------------------------------------------------------------------------|
/// | input    | any that the equation fits                                                |
/// | `kernel` | the axes that the equation names                                          |
/// | `bias`   | the output's from the first of `bias_axes` on; 1 along others             |
/// | output   | `(batch, output_shape...)`, and the axes that `...` stands for            |
///
/// # Errors
///
/// Building fails if the equation has another form or does not fit the input, an axis of the kernel
/// has an unknown length, or `bias_axes` are not among the output's.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::EinsumDense};
///
/// let layer = EinsumDense::new("abc,cd->abd", [None, Some(64)]).bias_axes("d");
/// let shapes = layer.output_shape(&[[None, Some(32), Some(128)].into()])?;
/// assert_eq!(shapes[0].to_string(), "(batch, 32, 64)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.EinsumDense`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EinsumDense {
    equation: String,
    #[serde(deserialize_with = "one_or_many")]
    output_shape: Option<Vec<Option<usize>>>,
    #[serde(default)]
    activation: Activation,
    #[serde(default)]
    bias_axes: Option<String>,
    #[serde(default)]
    kernel_initializer: Initializer,
    #[serde(default = "Initializer::zeros")]
    bias_initializer: Initializer,
    #[serde(default)]
    kernel_regularizer: Option<Regularizer>,
    #[serde(default)]
    kernel_constraint: Option<Constraint>,
    #[serde(default)]
    bias_regularizer: Option<Regularizer>,
    #[serde(default)]
    bias_constraint: Option<Constraint>,
    #[serde(default)]
    activity_regularizer: Option<Regularizer>,
}

/// An equation with a letter for every axis, and the shapes that it leads to.
#[derive(Clone, Debug)]
struct Plan {
    input: Vec<char>,
    kernel: Vec<char>,
    output: Vec<char>,
    kernel_shape: Vec<usize>,
    /// The numbers of inputs and outputs of the kernel.
    matrix: [usize; 2],
    bias_shape: Option<Vec<usize>>,
    output_shape: Shape,
}

impl EinsumDense {
    /// The layer of that equation, whose output has that shape, without the batch; `None` where a
    /// length is the input's.
    #[must_use]
    pub fn new(equation: impl Into<String>, output_shape: impl Into<KerasShape>) -> Self {
        Self {
            equation: equation.into(),
            output_shape: Some(output_shape.into().0),
            activation: Activation::default(),
            bias_axes: None,
            kernel_initializer: Initializer::default(),
            bias_initializer: Initializer::zeros(),
            kernel_regularizer: None,
            kernel_constraint: None,
            bias_regularizer: None,
            bias_constraint: None,
            activity_regularizer: None,
        }
    }

    setters! {
        /// Sets the activation; none by default.
        activation: Activation;


        /// Sets the kernel's first values; Glorot uniform by default.
        kernel_initializer: Initializer;
        /// Sets the bias's first values; zeros by default.
        bias_initializer: Initializer;
        /// Sets the penalty on the kernel; none by default.
        kernel_regularizer: into Option<Regularizer>;
        /// Sets what the kernel is made to be after each step; free by default.
        kernel_constraint: into Option<Constraint>;
        /// Sets the penalty on the bias; none by default.
        bias_regularizer: into Option<Regularizer>;
        /// Sets what the bias is made to be after each step; free by default.
        bias_constraint: into Option<Constraint>;
        /// Sets the penalty on the output, divided by the batch size; none by default.
        activity_regularizer: into Option<Regularizer>;
    }

    /// Sets the letters of the output's axes along which a bias is added; none by default.
    #[must_use]
    pub fn bias_axes(mut self, bias_axes: impl Into<String>) -> Self {
        self.bias_axes = Some(bias_axes.into());
        self
    }

    fn wrong(&self, expected: impl std::fmt::Display) -> Error {
        Error::invalid("`equation` makes no sense", expected).got(&self.equation)
    }

    /// The letters of input, kernel and output, and whether `...` is first or last.
    fn letters(&self) -> Result<([Vec<char>; 3], Option<bool>)> {
        let form =
            "`X,Y->Z`, with `...` first or last in X and Z, each letter once in each";
        let wrong = || self.wrong(form);
        let (given, output) = self.equation.split_once("->").ok_or_else(wrong)?;
        let (input, kernel) = given.split_once(',').ok_or_else(wrong)?;
        let dots = |text: &str| -> (String, Option<bool>) {
            if let Some(rest) = text.strip_prefix("...") {
                (rest.to_owned(), Some(true))
            } else if let Some(rest) = text.strip_suffix("...") {
                (rest.to_owned(), Some(false))
            } else {
                (text.to_owned(), None)
            }
        };
        let ((input, first), (output, second)) = (dots(input), dots(output));
        let parts = [input, kernel.to_owned(), output];
        let mut made: [Vec<char>; 3] = Default::default();
        for (part, letters) in parts.iter().zip(&mut made) {
            for letter in part.chars() {
                if !letter.is_ascii_alphabetic() || letters.contains(&letter) {
                    return Err(wrong());
                }
                letters.push(letter);
            }
        }
        if first != second || made[0].is_empty() || made[1].is_empty() {
            return Err(wrong());
        }
        Ok((made, first))
    }

    fn plan(&self, shape: &Shape) -> Result<Plan> {
        let ([mut input, kernel, mut output], dots) = self.letters()?;
        let more = shape.rank().checked_sub(input.len());
        let more = more.filter(|&more| more == 0 || dots.is_some()).ok_or_else(|| {
            Error::invalid(
                "cannot take this input",
                format!("axes as in {}", self.equation),
            )
            .got(shape)
        })?;
        // Letters of their own for what `...` stands for.
        let other: Vec<char> =
            (0..more).filter_map(|i| char::from_u32(0xe000 + i as u32)).collect();
        let named = output.len();
        let at = |letters: &mut Vec<char>| {
            let place = if dots == Some(true) { 0 } else { letters.len() };
            letters.splice(place..place, other.iter().copied());
        };
        at(&mut input);
        at(&mut output);
        let of_input = |letter: char| {
            let axis = input.iter().position(|&known| known == letter)?;
            Some(shape.dims()[axis].clone())
        };
        let given = self.output_shape.as_deref().unwrap_or(&[]);
        // The batch, and what `...` stands for, are not in `output_shape`.
        let hidden = if dots == Some(true) && more > 0 { more } else { 1 };
        let expected =
            if dots == Some(true) && more > 0 { named } else { named.saturating_sub(1) };
        if given.len() != expected {
            return Err(Error::invalid(
                "`output_shape` makes no sense",
                format_args!("{expected} lengths for {}", self.equation),
            )
            .got(given.len()));
        }
        let mut dims = Vec::new();
        for (axis, &letter) in output.iter().enumerate() {
            let own = of_input(letter);
            let set =
                axis.checked_sub(hidden).and_then(|at| given.get(at).copied().flatten());
            dims.push(match (own, set) {
                (Some(own), None) => own,
                (Some(own), Some(set)) => {
                    own.meet(&Dim::Known(set)).ok_or_else(|| {
                        Error::invalid(
                            "`output_shape` makes no sense",
                            format!("the input's {own}"),
                        )
                        .got(set)
                    })?
                }
                (None, Some(set)) if kernel.contains(&letter) => Dim::Known(set),
                (None, None) if kernel.contains(&letter) => {
                    return Err(
                        self.wrong(format!("a length for `{letter}` in `output_shape`"))
                    );
                }
                (None, _) => {
                    return Err(
                        self.wrong(format!("`{letter}` in the input or the kernel"))
                    );
                }
            });
        }
        let mut kernel_shape = Vec::new();
        let mut matrix = [1usize; 2];
        for &letter in &kernel {
            let in_output = output.iter().position(|&known| known == letter);
            let dim =
                in_output.map(|axis| dims[axis].clone()).or_else(|| of_input(letter));
            let dim = dim.ok_or_else(|| {
                self.wrong(format!("`{letter}` in the input or the output"))
            })?;
            let len = dim.known().ok_or_else(|| {
                Error::invalid(
                    "cannot take this input",
                    format!("a known length of `{letter}`"),
                )
                .got(shape)
            })?;
            expect::positive("a length of the kernel", len)?;
            kernel_shape.push(len);
            let side = usize::from(in_output.is_some());
            matrix[side] = matrix[side].saturating_mul(len);
        }
        let bias_shape = self.bias_shape(&output, &dims)?;
        let output_shape = dims.into();
        Ok(Plan { input, kernel, output, kernel_shape, matrix, bias_shape, output_shape })
    }

    fn bias_shape(&self, output: &[char], dims: &[Dim]) -> Result<Option<Vec<usize>>> {
        let Some(axes) = &self.bias_axes else { return Ok(None) };
        let wrong = |expected: String| {
            Error::invalid("`bias_axes` makes no sense", expected).got(axes)
        };
        let places: Option<Vec<_>> = axes
            .chars()
            .map(|axis| output.iter().position(|&known| known == axis))
            .collect();
        let places = places.filter(|places| !places.is_empty());
        let places = places.ok_or_else(|| wrong("letters of the output".to_owned()))?;
        let first = places.iter().copied().min().unwrap_or(0);
        let lens = (first..output.len()).map(|axis| {
            if !places.contains(&axis) {
                return Ok(1);
            }
            dims[axis].known().ok_or_else(|| wrong("axes of known lengths".to_owned()))
        });
        lens.collect::<Result<_>>().map(Some)
    }
}

impl Layer for EinsumDense {
    fn class_name(&self) -> &'static str {
        "EinsumDense"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let plan = self.plan(expect::one_input(inputs)?)?;
        Ok(vec![self.activation.output_shape(&plan.output_shape)?])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let plan = self.plan(&inputs[0])?;
        let (shape, initializer) = (&plan.kernel_shape, &self.kernel_initializer);
        let kernel = init.projection("kernel", shape, plan.matrix, initializer)?;
        init.regularize(&kernel, self.kernel_regularizer.as_ref());
        init.constrain(&kernel, self.kernel_constraint.as_ref());
        let mut bias = None;
        if let Some(shape) = &plan.bias_shape {
            let made = init.variable("bias", shape, &self.bias_initializer)?;
            init.regularize(&made, self.bias_regularizer.as_ref());
            init.constrain(&made, self.bias_constraint.as_ref());
            bias = Some(made);
        }
        Ok(Box::new(BuiltEinsumDense { config: self.clone(), plan, kernel, bias }))
    }
}

#[derive(Debug)]
struct BuiltEinsumDense {
    config: EinsumDense,
    plan: Plan,
    kernel: Variable,
    bias: Option<Variable>,
}

/// The places of these letters.
fn places(letters: &[char], among: &[char]) -> Vec<usize> {
    letters
        .iter()
        .filter_map(|letter| among.iter().position(|known| known == letter))
        .collect()
}

impl Plan {
    /// The product, as one of matrices for each of what both share and the output keeps.
    fn product(&self, x: &Var, kernel: &Var) -> Result<Var> {
        let (a, b, to) = (&self.input, &self.kernel, &self.output);
        let pick = |from: &[char], keep: &dyn Fn(&char) -> bool| -> Vec<char> {
            from.iter().copied().filter(|letter| keep(letter)).collect()
        };
        let shared = pick(a, &|l| b.contains(l) && to.contains(l));
        let rows = pick(a, &|l| !b.contains(l) && to.contains(l));
        let inner = pick(a, &|l| b.contains(l) && !to.contains(l));
        let columns = pick(b, &|l| !a.contains(l));
        // What only the input has is summed first.
        let lone = places(&pick(a, &|l| !b.contains(l) && !to.contains(l)), a);
        let x = if lone.is_empty() { x.clone() } else { x.sum(&lone)? };
        let left = pick(a, &|l| b.contains(l) || to.contains(l));
        let order = [&shared[..], &rows, &inner].concat();
        let x = x.transpose(places(&order, &left))?;
        let order = [&shared[..], &inner, &columns].concat();
        let kernel = kernel.transpose(places(&order, b))?;
        let (s, r, i) = (shared.len(), rows.len(), inner.len());
        let matrix = kernel.merge_axes(s + i, kernel.rank())?.merge_axes(s, s + i)?;
        let flat = x.merge_axes(s + r, x.rank())?;
        let flat = if s > 0 || r == 0 { flat.merge_axes(s, s + r)? } else { flat };
        let product = flat.matmul(&matrix)?;
        let lens = kernel.shape().dims()[s + i..].iter().map(Axis::from);
        let axes: Vec<_> = (0..s + r).map(Axis::Of).chain(lens).collect();
        let made = [&shared[..], &rows, &columns].concat();
        Ok(product.reshape_by(&x, axes)?.transpose(places(to, &made))?)
    }
}

impl Built for BuiltEinsumDense {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?.cast(call.dtype())?;
        let mut y = self.plan.product(&x, &call.read(&self.kernel))?;
        if let Some(bias) = &self.bias {
            y = y.add(&call.read(bias))?;
        }
        let y = self.config.activation.apply(&y)?;
        if let Some(regularizer) = &self.config.activity_regularizer {
            regularizer.add_activity(&y, call)?;
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        let layer = |equation: &str, shape: Vec<Option<usize>>| {
            EinsumDense::new(equation, KerasShape(shape))
        };
        check_layer(&layer("ab,bc->ac", vec![Some(2)]).bias_axes("c"), [[2, 3]])?;
        check_layer(
            &layer("abc,cde->abde", vec![None, Some(2), Some(2)]).bias_axes("e"),
            [[2, 3, 2]],
        )?;
        check_layer(
            &layer("...x,xy->...y", vec![Some(2)]).activation(Activation::Tanh),
            [[2, 3, 2]],
        )?;
        check_layer(&layer("ab...,bc->ac...", vec![Some(2)]), [[2, 3, 2]])?;
        check_layer(&layer("abc,bcd->abd", vec![Some(3), Some(2)]), [[2, 3, 2]])?;
        check_layer(&layer("abcd,be->ae", vec![Some(2)]), [[2, 3, 2, 2]])?;
        check_layer(&layer("abc,b->abc", vec![Some(3), None]), [[2, 3, 2]])
    }

    #[test]
    fn a_wrong_equation_is_named() {
        let shape = [[None, Some(3)].into()];
        let error = EinsumDense::new("ab->ac", [2]).output_shape(&shape).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`equation` makes no sense\n  expected: `X,Y->Z`, with `...` first or last in X \
             and Z, each letter once in each\n       got: ab->ac"
        );
        let error =
            EinsumDense::new("abc,cd->abd", [2]).output_shape(&shape).unwrap_err();
        assert!(error.to_string().contains("axes as in abc,cd->abd"), "{error}");
        let error = EinsumDense::new("ab,bc->ac", [Some(2)]).bias_axes("z");
        let error = error.output_shape(&shape).unwrap_err();
        assert!(error.to_string().starts_with("`bias_axes` makes no sense"), "{error}");
    }
}
