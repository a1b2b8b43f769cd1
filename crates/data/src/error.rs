//! What can go wrong with a data set: [`Error`].

use std::{borrow::Cow, fmt};

/// The result of a fallible operation on data.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with a data set, a batch or a preprocessing step.
///
/// The first line says what and where; `expected`, `got` and `help` follow. `Debug` prints the
/// same text as `Display`.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_tensor::{DType, Tensor};
///
/// let (x, y) = (Tensor::zeros(DType::F32, [4, 2]), Tensor::zeros(DType::U8, [3]));
/// let error = Arrays::new(x, y).unwrap_err();
/// assert!(error.to_string().contains("got: 3 examples in `y0`"));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The arrays of a data set have different numbers of examples.
    Counts {
        /// The array that sets the number.
        first: String,
        /// Its number of examples.
        expected: usize,
        /// The array that disagrees.
        other: String,
        /// Its number of examples.
        got: usize,
    },
    /// A label is not one of the classes.
    Label {
        /// The operation, or the file that holds the label.
        op: Cow<'static, str>,
        /// The label.
        label: i64,
        /// Where it stands among the labels.
        position: usize,
        /// The number of classes.
        classes: usize,
    },
    /// An index lies outside a data set.
    Index {
        /// The index.
        index: usize,
        /// The number of examples.
        len: usize,
    },
    /// An operation was given something that it cannot take.
    Invalid {
        /// The operation.
        op: Cow<'static, str>,
        /// What it takes.
        expected: String,
        /// What it was given.
        got: String,
        /// The call that mends it; empty if there is none to name.
        help: String,
    },
    /// A file or folder does not hold what it should, or cannot be read.
    File {
        /// Its name; of a table, with line and column.
        file: Box<str>,
        /// What is wrong.
        problem: Box<str>,
        /// What it should hold; empty if that goes without saying.
        expected: String,
        /// What it holds; empty if there is nothing to say.
        got: String,
        /// What mends it; empty if there is nothing to say.
        help: String,
    },
    /// An operation on tensors failed.
    Tensor(#[from] deckle_tensor::Error),
    /// A data set of another crate failed.
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An [`Error::Invalid`] of `op`, which takes `expected`.
    pub fn invalid(
        op: impl Into<Cow<'static, str>>,
        expected: impl fmt::Display,
    ) -> Self {
        Self::Invalid {
            op: op.into(),
            expected: expected.to_string(),
            got: String::new(),
            help: String::new(),
        }
    }

    /// An [`Error::File`]: `problem` with `file`.
    pub fn file(file: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::File {
            file: file.to_string().into(),
            problem: problem.to_string().into(),
            expected: String::new(),
            got: String::new(),
            help: String::new(),
        }
    }

    /// An [`Error::Other`], for data sets of other crates.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// Says what a file should hold.
    #[must_use]
    pub fn expected(mut self, value: impl fmt::Display) -> Self {
        if let Self::Invalid { expected, .. } | Self::File { expected, .. } = &mut self {
            *expected = value.to_string();
        }
        self
    }

    /// Says what was given instead.
    #[must_use]
    pub fn got(mut self, value: impl fmt::Display) -> Self {
        if let Self::Invalid { got, .. } | Self::File { got, .. } = &mut self {
            *got = value.to_string();
        }
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl fmt::Display) -> Self {
        if let Self::Invalid { help, .. } | Self::File { help, .. } = &mut self {
            *help = text.to_string();
        }
        self
    }
}

/// Checks a number that has to be 1 or more.
pub(crate) fn at_least_one(op: &'static str, name: &str, value: usize) -> Result<usize> {
    if value == 0 {
        return Err(Error::invalid(op, format_args!("{name} of at least 1"))
            .got(format_args!("{name} 0")));
    }
    Ok(value)
}

/// The lines below the first, those that say something.
fn write_lines(
    f: &mut fmt::Formatter<'_>,
    expected: &str,
    got: &str,
    help: &str,
) -> fmt::Result {
    for (name, text) in [("expected", expected), ("     got", got), ("    help", help)] {
        if !text.is_empty() {
            write!(f, "\n  {name}: {text}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counts { first, expected, other, got } => write!(
                f,
                "data set: arrays disagree in their number of examples\n  \
                 expected: {expected} examples, as in `{first}`\n       \
                 got: {got} examples in `{other}`\n      \
                 help: the first axis of every array counts the examples"
            ),
            Self::Label { op, label, position, classes } => write!(
                f,
                "{op}: label {label} is not one of {classes} classes\n  \
                 expected: 0 <= label < {classes}\n       \
                 got: {label} at position {position}\n      \
                 help: labels count from 0; {classes} classes end with label {}",
                classes.saturating_sub(1)
            ),
            Self::Index { index, len } => write!(
                f,
                "data set: index out of range\n  expected: 0 <= index < {len}\n       \
                 got: {index}"
            ),
            Self::Invalid { op, expected, got, help } => {
                write!(f, "`{op}`: cannot take this input")?;
                write_lines(f, expected, got, help)
            }
            Self::File { file, problem, expected, got, help } => {
                write!(f, "{file}: {problem}")?;
                write_lines(f, expected, got, help)
            }
            Self::Tensor(error) => fmt::Display::fmt(error, f),
            Self::Other(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor(error) => fmt::Debug::fmt(error, f),
            _ => fmt::Display::fmt(self, f),
        }
    }
}
