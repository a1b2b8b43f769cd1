//! What can go wrong with a data set's files: [`Error`].

use std::{fmt, io, path::PathBuf};

/// The result of a fallible operation on data sets.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong while a data set was looked for or read.
///
/// Names the file and what is wrong with it. `Debug` prints the same text as `Display`.
///
/// # Examples
///
/// ```
/// use deckle_datasets::imdb::Imdb;
///
/// let error = Imdb::new().folder("no/such/folder").load().unwrap_err();
/// assert!(error.to_string().contains("expected: imdb.npz"));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no file of the data set where it was looked for.
    NotFound {
        /// The data set's name.
        name: &'static str,
        /// The files that would do, in lines.
        expected: String,
        /// Where they were looked for.
        searched: Vec<PathBuf>,
        /// Where to put them, in lines.
        help: String,
    },
    /// A file could not be downloaded.
    Download {
        /// The data set's name.
        name: &'static str,
        /// The file's name.
        file: &'static str,
        /// What each server answered, or why the file cannot be written.
        problems: Vec<String>,
        /// The file's SHA-256 sum.
        sha256: &'static str,
        /// Where to put it, in lines.
        help: String,
    },
    /// A file does not hold what it should.
    File {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The operating system could not read a file.
    Io {
        /// The file's name.
        file: String,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// The data cannot be used as asked for.
    Data(deckle_data::Error),
}

impl Error {
    /// An [`Error::File`]: `problem` with `file`.
    pub fn file(file: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::File { file: file.to_string(), problem: problem.to_string() }
    }
}

impl From<deckle_data::Error> for Error {
    fn from(error: deckle_data::Error) -> Self {
        Self::Data(error)
    }
}

impl From<deckle_tensor::Error> for Error {
    fn from(error: deckle_tensor::Error) -> Self {
        Self::Data(error.into())
    }
}

/// Lines below the first of an error, of which the first says what they are.
fn labelled(f: &mut fmt::Formatter<'_>, label: &str, lines: &str) -> fmt::Result {
    let mut label = Some(label);
    for line in lines.lines() {
        match label.take() {
            Some(label) => write!(f, "\n{label:>10}: {line}")?,
            None => write!(f, "\n            {line}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { name, expected, searched, help } => {
                write!(f, "{name}: no file of this data set was found")?;
                labelled(f, "expected", expected)?;
                for folder in searched {
                    write!(f, "\n  searched: {}", folder.display())?;
                }
                labelled(f, "help", help)
            }
            Self::Download { name, file, problems, sha256, help } => {
                write!(f, "{name}: {file} could not be downloaded")?;
                write!(f, "\n  expected: a file with the SHA-256 sum {sha256}")?;
                for problem in problems {
                    write!(f, "\n       got: {problem}")?;
                }
                labelled(f, "help", help)
            }
            Self::File { file, problem } => write!(f, "{file}: {problem}"),
            Self::Io { file, .. } => write!(f, "{file}: cannot be read"),
            Self::Data(error) => fmt::Display::fmt(error, f),
        }
    }
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
