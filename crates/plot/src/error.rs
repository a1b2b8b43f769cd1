//! What can go wrong with a picture: [`Error`].

use std::fmt;

/// The result of making a picture.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong while a picture was made or written.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file failed.
    File(#[from] deckle_formats::Error),
    /// A tensor failed.
    Tensor(#[from] deckle_tensor::Error),
    /// Something was given that cannot be drawn.
    Invalid {
        /// What was to be drawn.
        problem: String,
        /// What it takes.
        expected: String,
        /// What it was given.
        got: String,
        /// What to do; empty if there is nothing to name.
        help: String,
    },
}

impl Error {
    /// An [`Error::Invalid`] with what was expected and given.
    pub(crate) fn invalid(
        problem: impl fmt::Display,
        expected: impl fmt::Display,
        got: impl fmt::Display,
    ) -> Self {
        Self::Invalid {
            problem: problem.to_string(),
            expected: expected.to_string(),
            got: got.to_string(),
            help: String::new(),
        }
    }

    /// Says what to do.
    pub(crate) fn help(mut self, text: &str) -> Self {
        if let Self::Invalid { help, .. } = &mut self {
            text.clone_into(help);
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Tensor(error) => error.fmt(f),
            Self::Invalid { problem, expected, got, help } => {
                write!(f, "{problem}\n  expected: {expected}\n       got: {got}")?;
                if !help.is_empty() {
                    write!(f, "\n      help: {help}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => fmt::Debug::fmt(error, f),
            Self::Tensor(error) => fmt::Debug::fmt(error, f),
            Self::Invalid { .. } => fmt::Display::fmt(self, f),
        }
    }
}
