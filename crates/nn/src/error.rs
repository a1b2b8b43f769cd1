//! What can go wrong with layers and models: [`Error`].

use std::fmt;

/// The result of a fallible operation on layers and models.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with a layer, a loss, or a model.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A graph, a tensor or a backend failed.
    Autograd(#[from] deckle_autograd::Error),
    /// A layer, loss or model was given something that it cannot take.
    Invalid {
        /// What was done, as `cannot take this input`.
        problem: String,
        /// What it takes.
        expected: String,
        /// What it was given.
        got: String,
        /// The call that mends it; empty if there is none to name.
        help: String,
    },
    /// Something failed in a layer.
    Layer {
        /// The layer's name.
        name: String,
        /// Its class.
        class: String,
        /// What failed.
        error: Box<Self>,
    },
    /// Something failed in a loss.
    Loss {
        /// Its class.
        class: String,
        /// What failed.
        error: Box<Self>,
    },
    /// A name that nothing is known by.
    Unknown {
        /// What it should name, as `activation`.
        what: &'static str,
        /// The name.
        name: String,
        /// The known name that looks most like it; empty if none does.
        suggestion: String,
    },
    /// A model's configuration asks for what does not exist here; everything that is missing.
    Unsupported {
        /// One line for each.
        missing: Vec<String>,
    },
}

impl Error {
    /// An [`Error::Invalid`] with that first line, and what was expected.
    pub fn invalid(problem: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self::Invalid {
            problem: problem.to_string(),
            expected: expected.to_string(),
            got: String::new(),
            help: String::new(),
        }
    }

    /// An [`Error::Unknown`], with the most similar of the known names.
    #[must_use]
    pub fn unknown(what: &'static str, name: &str, known: &[&str]) -> Self {
        let suggestion = did_you_mean(name, known).unwrap_or_default().to_owned();
        Self::Unknown { what, name: name.to_owned(), suggestion }
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
        if let Self::Invalid { help, .. } = &mut self {
            *help = text.to_string();
        }
        self
    }

    /// Names the layer in which this happened, unless one is named already.
    #[must_use]
    pub fn in_layer(self, name: &str, class: &str) -> Self {
        match self {
            Self::Layer { .. } => self,
            error => Self::Layer {
                name: name.to_owned(),
                class: class.to_owned(),
                error: Box::new(error),
            },
        }
    }
}

impl Error {
    /// Names the loss in which this happened, unless it is named already.
    #[must_use]
    pub(crate) fn in_loss(self, class: &str) -> Self {
        match self {
            Self::Loss { .. } => self,
            Self::Invalid { ref problem, .. } if problem.starts_with("loss ") => self,
            error => Self::Loss { class: class.to_owned(), error: Box::new(error) },
        }
    }
}

impl From<deckle_tensor::Error> for Error {
    fn from(error: deckle_tensor::Error) -> Self {
        Self::Autograd(error.into())
    }
}

/// The one of `known` that differs least from `name`, if it is similar at all.
///
/// # Examples
///
/// ```
/// use deckle_nn::did_you_mean;
///
/// assert_eq!(did_you_mean("mssse", &["mae", "mse"]), Some("mse"));
/// assert_eq!(did_you_mean("zebra", &["mae", "mse"]), None);
/// ```
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let scored = known.iter().map(|known| (edits(&name, &known.to_lowercase()), *known));
    let (edits, best) = scored.min_by_key(|(edits, _)| *edits)?;
    let longest = name.chars().count().max(best.chars().count());
    (edits * 2 <= longest).then_some(best)
}

/// The least number of characters to insert, delete or replace (Levenshtein 1966).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<_> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Autograd(error) => error.fmt(f),
            Self::Invalid { problem, expected, got, help } => {
                f.write_str(problem)?;
                for (name, text) in
                    [("expected", expected), ("     got", got), ("    help", help)]
                {
                    if !text.is_empty() {
                        write!(f, "\n  {name}: {text}")?;
                    }
                }
                Ok(())
            }
            Self::Layer { name, class, error } => {
                write!(f, "layer `{name}` ({class}): {error}")
            }
            Self::Loss { class, error } => write!(f, "loss {class}: {error}"),
            Self::Unknown { what, name, suggestion } => {
                write!(f, "unknown {what} `{name}`")?;
                if !suggestion.is_empty() {
                    write!(f, "\n      help: did you mean `{suggestion}`?")?;
                }
                Ok(())
            }
            Self::Unsupported { missing } => {
                f.write_str("the model asks for what does not exist here")?;
                for line in missing {
                    write!(f, "\n  missing: {line}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Autograd(error) => fmt::Debug::fmt(error, f),
            error => fmt::Display::fmt(error, f),
        }
    }
}
