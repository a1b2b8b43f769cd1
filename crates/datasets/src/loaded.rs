//! A data set that was loaded: [`Loaded`], and its [`Source`].

use std::{fmt, io::Write, path::PathBuf};

use crate::Info;

/// The two parts of a data set, and where they came from.
///
/// # Examples
///
/// ```
/// use deckle_data::Dataset;
/// use deckle_datasets::mnist::Mnist;
///
/// let mnist = Mnist::new().embedded().load()?;
/// assert_eq!((mnist.train.len(), mnist.test.len()), (8000, 2000));
/// assert!(mnist.source.to_string().starts_with("MNIST: 10,000 embedded digits"));
/// let (train, test) = mnist.into_parts();
/// # let _ = (train, test);
/// # Ok::<(), deckle_datasets::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded<T> {
    /// The part to train on.
    pub train: T,
    /// The part to test on.
    pub test: T,
    /// Where the data came from; `Display` says it in a sentence that is worth printing.
    pub source: Source,
}

impl<T> Loaded<T> {
    /// The part to train on and the part to test on.
    #[must_use]
    pub fn into_parts(self) -> (T, T) {
        (self.train, self.test)
    }

    /// The same; says on standard error what this is, if it is not the whole data set, as nobody
    /// will have the source.
    pub(crate) fn into_told_parts(self) -> (T, T) {
        if !self.source.is_whole() {
            // A closed standard error is no reason to stop.
            drop(writeln!(std::io::stderr(), "{}", self.source));
        }
        self.into_parts()
    }
}

/// Where a data set came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// The data set.
    pub info: &'static Info,
    /// The place.
    pub place: Place,
    /// The number of examples to train on.
    pub train: usize,
    /// The number of examples to test on.
    pub test: usize,
}

/// The place that a data set was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A folder that has the whole data set.
    Folder(PathBuf),
    /// A folder that has a part of the data set.
    Part {
        /// What the part is, as `a part of the images`.
        part: &'static str,
        /// The folder.
        folder: PathBuf,
    },
    /// The sample inside the program; not the whole data set.
    Embedded {
        /// What the sample is, as `10,000 embedded digits`.
        sample: &'static str,
        /// Why it is not the whole data set, and how to get that, as an error says it; empty if
        /// the sample was asked for.
        why: String,
    },
}

impl Source {
    /// Whether this is the whole data set, not a part or a sample of it.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self.place, Place::Folder(_))
    }

    /// Whether this is the sample inside the program, not the whole data set.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        matches!(self.place, Place::Embedded { .. })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (train, test) = (thousands(self.train), thousands(self.test));
        let name = self.info.name;
        match &self.place {
            Place::Folder(folder) => write!(
                f,
                "{name}: {train} examples to train on, {test} to test on, from {}",
                folder.display()
            ),
            Place::Part { part, folder } => write!(
                f,
                "{name}: {part}, {train} examples to train on, {test} to test on, from {}",
                folder.display()
            ),
            Place::Embedded { sample, why } => {
                write!(
                    f,
                    "{name}: {sample} ({train} to train on, {test} to test on), not {name}'s test \
                     set"
                )?;
                if why.is_empty() { Ok(()) } else { write!(f, ", because\n{why}") }
            }
        }
    }
}

/// A number with commas, as 60,000.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mnist;

    #[test]
    fn numbers_have_commas() {
        let text = [0, 12, 999, 1000, 25_000, 1_234_567].map(thousands);
        assert_eq!(text, ["0", "12", "999", "1,000", "25,000", "1,234,567"]);
    }

    #[test]
    fn folders_are_named() {
        let place = Place::Folder("data/mnist".into());
        let source = Source { info: &mnist::INFO, place, train: 60_000, test: 10_000 };
        assert_eq!(
            source.to_string(),
            "MNIST: 60,000 examples to train on, 10,000 to test on, from data/mnist"
        );
        assert!(source.is_whole() && !source.is_embedded());
        let place = Place::Part { part: "a part of it", folder: "data/some".into() };
        let source = Source { place, ..source };
        assert_eq!(
            source.to_string(),
            "MNIST: a part of it, 60,000 examples to train on, 10,000 to test on, from data/some"
        );
        assert!(!source.is_whole() && !source.is_embedded());
    }
}
