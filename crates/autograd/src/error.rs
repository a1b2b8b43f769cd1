//! What can go wrong in a graph: [`Error`].

use std::fmt;

use deckle_tensor::Shape;

/// The result of a fallible operation on graphs.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong in a graph of operations, its gradient, or a compiled function.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation, a program or a backend failed.
    #[error(transparent)]
    Tensor(#[from] deckle_tensor::Error),
    /// The layer, or part of the model, in which something failed.
    At {
        /// The layer's path.
        path: String,
        /// What failed there.
        error: Box<Self>,
    },
    /// A path from the loss leads through an operation without a gradient.
    NoGradient {
        /// The operation.
        op: String,
        /// The layer it is in; empty if it is in none.
        path: String,
    },
    /// The loss does not depend on what it is to be differentiated by.
    Independent {
        /// Its name or description.
        wrt: String,
    },
    /// A gradient was asked of something that is not one floating-point number.
    NotAScalar {
        /// The shape it has.
        got: Shape,
        /// Its element type.
        dtype: deckle_tensor::DType,
    },
    /// A function was called with an input of another shape or element type.
    Input {
        /// The input's name.
        name: String,
        /// What the function takes.
        expected: String,
        /// What it was given.
        got: String,
    },
    /// A function was made or called in a way that cannot work.
    Function {
        /// What is wrong.
        problem: String,
        /// What to do; empty if there is nothing to name.
        help: String,
    },
    /// A gradient rule disagrees with the numeric derivative.
    Gradient {
        /// Which derivative, `first` or `second`.
        order: &'static str,
        /// The numeric derivative along a random direction.
        expected: f64,
        /// What the rule gives.
        got: f64,
    },
}

impl Error {
    /// Names the layer in which this happened, unless a layer is named already.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        match self {
            Self::At { .. } | Self::NoGradient { .. } => self,
            error if path.is_empty() => error,
            error => Self::At { path: path.to_owned(), error: Box::new(error) },
        }
    }

    pub(crate) fn function(problem: impl fmt::Display, help: impl fmt::Display) -> Self {
        Self::Function { problem: problem.to_string(), help: help.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor(error) => error.fmt(f),
            Self::At { path, error } => write!(f, "in `{path}`: {error}"),
            Self::NoGradient { op, path } => {
                write!(f, "`{op}`")?;
                if !path.is_empty() {
                    write!(f, " in `{path}`")?;
                }
                write!(
                    f,
                    " has no gradient, but lies between the loss and what it is differentiated \
                     by\n      help: cut the path where you mean to with .stop_gradient()"
                )
            }
            Self::Independent { wrt } => write!(
                f,
                "the loss does not depend on {wrt}\n      help: leave it out, or check that \
                 it is used on the way to the loss"
            ),
            Self::NotAScalar { got, dtype } => write!(
                f,
                "grad: cannot differentiate this\n  expected: one floating-point number, shape \
                 ()\n       got: {dtype} {got}\n      help: reduce it first, e.g. .sum() or \
                 .mean()"
            ),
            Self::Input { name, expected, got } => write!(
                f,
                "input `{name}` of the function got a tensor of another kind\n  expected: \
                 {expected}\n       got: {got}"
            ),
            Self::Function { problem, help } if help.is_empty() => f.write_str(problem),
            Self::Function { problem, help } => {
                write!(f, "{problem}\n      help: {help}")
            }
            Self::Gradient { order, expected, got } => write!(
                f,
                "the {order} derivative is wrong\n  expected: {expected:e} (numerically)\n       \
                 got: {got:e}"
            ),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor(error) => fmt::Debug::fmt(error, f),
            error => fmt::Display::fmt(error, f),
        }
    }
}
