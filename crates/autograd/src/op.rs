//! What an operation is: [`Op`] and its gradient's [`Rule`].

use std::{any::Any, fmt};

use deckle_tensor::Value;

use crate::{Error, Lower, Result, Signature, Var};

/// An operation of the graph: one struct, one place.
///
/// Write the documented method or function that makes it first, then the struct, `infer`,
/// `lower` and `vjp`, then the property test with
/// [`check_gradients`](crate::check_gradients).
pub trait Op: Any + fmt::Debug + Send + Sync {
    /// The operation's name, for errors.
    fn name(&self) -> &str;

    /// Shapes and element types of the outputs.
    ///
    /// Called twice: with unknown axes when the graph is built, with numbers when a function is
    /// specialized.
    ///
    /// # Errors
    ///
    /// If the operation cannot take these inputs.
    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>>;

    /// Whether an output's values depend on an input's values, not on its shape alone.
    ///
    /// No gradient is asked for where it is `false`. The default is `true`.
    fn depends(&self, output: usize, input: usize) -> bool {
        let _ = (output, input);
        true
    }

    /// Writes the operation as primitives.
    ///
    /// # Errors
    ///
    /// If a primitive cannot take its inputs.
    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>>;

    /// The reverse-mode product: the gradient of each input.
    ///
    /// Written in operations on [`Var`]s, so that it can be differentiated again. `None` says
    /// that an input (an index, a condition) has no gradient by its nature. The default is the
    /// error that the operation has none at all.
    ///
    /// # Errors
    ///
    /// If the operation has no gradient.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Err(rule.no_gradient(self.name()))
    }
}

/// What a gradient rule works with.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The operation's inputs.
    pub inputs: &'a [Var],
    /// Its outputs.
    pub outputs: &'a [Var],
    /// The gradient of the loss by each output; `None` if the loss does not depend on it.
    pub grads: &'a [Option<Var>],
    /// Whether anybody asks for the gradient of each input; a rule may return `None` for the
    /// others.
    pub needed: &'a [bool],
}

impl Rule<'_> {
    /// The gradient of one input, made only if anybody asks for it.
    ///
    /// # Errors
    ///
    /// Those of `gradient`.
    pub fn when_needed(
        &self,
        input: usize,
        gradient: impl FnOnce() -> Result<Var>,
    ) -> Result<Option<Var>> {
        self.needed[input].then(gradient).transpose()
    }

    /// The error that the operation of that name has no gradient.
    #[must_use]
    pub fn no_gradient(&self, op: &str) -> Error {
        Error::NoGradient { op: op.to_owned(), path: self.outputs[0].path().to_owned() }
    }

    /// The only input.
    #[must_use]
    pub fn x(&self) -> &Var {
        &self.inputs[0]
    }

    /// The first output.
    #[must_use]
    pub fn y(&self) -> &Var {
        &self.outputs[0]
    }

    /// The gradient by the first output, zeros if there is none.
    ///
    /// # Errors
    ///
    /// Never for operations with one output.
    pub fn dy(&self) -> Result<Var> {
        self.grad(0)
    }

    /// The gradient by an output, zeros if the loss does not depend on it.
    ///
    /// # Errors
    ///
    /// If zeros of its kind cannot be made.
    pub fn grad(&self, output: usize) -> Result<Var> {
        self.grads[output].clone().map_or_else(|| self.outputs[output].zeros_like(), Ok)
    }
}
