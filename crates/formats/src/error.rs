//! What can go wrong with a file: [`Error`].

use std::{fmt, io, path::Path};

/// The result of reading or writing a file.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a file, and with which part of it.
///
/// `Debug` prints the same text as `Display`, so that `fn main() -> Result<()>` reads well.
///
/// # Examples
///
/// ```
/// use deckle_formats::KerasArchive;
///
/// let error = KerasArchive::from_bytes(b"no archive").unwrap_err();
/// assert!(error.to_string().starts_with("not a zip archive, or a truncated one"));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file does not hold what it should, or cannot hold what it was given.
    File {
        /// The file's name; empty if the bytes did not come from a file.
        file: String,
        /// The part that is wrong: the archive's member, then the path in it; may be empty.
        part: String,
        /// What is wrong with it.
        problem: String,
        /// What to do; empty if there is nothing to name.
        help: String,
    },
    /// The operating system could not read or write a file.
    Io {
        /// The file's name.
        file: String,
        /// The system's error.
        #[source]
        error: io::Error,
    },
}

impl Error {
    /// An [`Error::File`] that does not know yet where it is.
    pub(crate) fn new(problem: impl fmt::Display) -> Self {
        Self::File {
            file: String::new(),
            part: String::new(),
            problem: problem.to_string(),
            help: String::new(),
        }
    }

    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { file: path.display().to_string(), error }
    }

    /// Says what to do.
    pub(crate) fn help(mut self, text: &str) -> Self {
        if let Self::File { help, .. } = &mut self {
            text.clone_into(help);
        }
        self
    }

    /// Says in which part of the file this happened; the outer part comes last.
    pub(crate) fn inside(mut self, outer: impl fmt::Display) -> Self {
        if let Self::File { part, .. } = &mut self {
            *part = if part.is_empty() {
                outer.to_string()
            } else {
                format!("{outer}: {part}")
            };
        }
        self
    }

    /// Says in which group or data set this happened; the outer one comes last.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        if let Self::File { part, .. } = &mut self {
            *part = match part.as_str() {
                "" => outer.to_owned(),
                attribute if attribute.starts_with("attribute ") => {
                    format!("{outer}: {part}")
                }
                _ => format!("{outer}/{part}"),
            };
        }
        self
    }

    /// Says in which file this happened.
    pub(crate) fn in_file(mut self, path: &Path) -> Self {
        if let Self::File { file, .. } = &mut self {
            *file = path.display().to_string();
        }
        self
    }
}

impl From<deckle_tensor::Error> for Error {
    fn from(error: deckle_tensor::Error) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, part, problem, help } => {
                for place in [file, part] {
                    if !place.is_empty() {
                        write!(f, "{place}: ")?;
                    }
                }
                f.write_str(problem)?;
                if !help.is_empty() {
                    write!(f, "\n      help: {help}")?;
                }
                Ok(())
            }
            Self::Io { file, .. } => write!(f, "{file}: cannot be read or written"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match self {
            Self::Io { error, .. } => write!(f, ": {error}"),
            Self::File { .. } => Ok(()),
        }
    }
}
