//! What can go wrong: [`Error`].

use std::{borrow::Cow, fmt, io};

/// The result of a fallible operation on tensors.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with a tensor, a program or a file of arrays.
///
/// The first line says what and where; `expected`, `got` and `help` follow. `Debug` prints
/// the same text as `Display`, so that `fn main() -> Result<()>` reads well.
///
/// # Examples
///
/// ```
/// use deckle_tensor::Tensor;
///
/// let error = Tensor::new(vec![1.0f32, 2.0, 3.0], [2, 2]).unwrap_err();
/// assert!(error.to_string().contains("expected: 4 elements for shape (2, 2)"));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// An index lies outside its axis.
    Index {
        /// The operation.
        op: Cow<'static, str>,
        /// The layer or part of the model that ran it; empty if unknown.
        path: String,
        /// The index.
        index: i64,
        /// The length of the axis.
        len: usize,
    },
    /// A file or stream does not hold what it should.
    File {
        /// The file's name, or what is being read.
        file: String,
        /// What is wrong with it.
        problem: String,
        /// What to do; empty if there is nothing to name.
        help: String,
    },
    /// The operating system could not read or write a file.
    Io {
        /// The file's name, or what was being done.
        file: String,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// A backend cannot run a program.
    Unsupported {
        /// The backend's name.
        backend: String,
        /// What it cannot run.
        what: String,
    },
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
            file: file.to_string(),
            problem: problem.to_string(),
            help: String::new(),
        }
    }

    /// An [`Error::Io`] of `file`.
    pub fn io(file: impl fmt::Display, error: io::Error) -> Self {
        Self::Io { file: file.to_string(), error }
    }

    /// Says what was given instead.
    #[must_use]
    pub fn got(mut self, value: impl fmt::Display) -> Self {
        if let Self::Invalid { got, .. } = &mut self {
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { op, expected, got, help } => {
                write!(f, "`{op}`: cannot take this input\n  expected: {expected}")?;
                if !got.is_empty() {
                    write!(f, "\n       got: {got}")?;
                }
                write_help(f, help)
            }
            Self::Index { op, path, index, len } => {
                write!(f, "`{op}`")?;
                if !path.is_empty() {
                    write!(f, " in `{path}`")?;
                }
                write!(
                    f,
                    ": index out of range\n  expected: 0 <= index < {len}\n       got: {index}"
                )
            }
            Self::File { file, problem, help } => {
                write!(f, "{file}: {problem}")?;
                write_help(f, help)
            }
            Self::Io { file, .. } => write!(f, "{file}: cannot be read or written"),
            Self::Unsupported { backend, what } => {
                write!(f, "backend `{backend}` cannot run {what}")
            }
        }
    }
}

fn write_help(f: &mut fmt::Formatter<'_>, help: &str) -> fmt::Result {
    if help.is_empty() { Ok(()) } else { write!(f, "\n      help: {help}") }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match self {
            Self::Io { error, .. } => write!(f, ": {error}"),
            _ => Ok(()),
        }
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
