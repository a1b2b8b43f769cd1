//! What can go wrong with an optimizer: [`Error`].

use std::fmt;

use deckle_tensor::DType;

/// The result of a fallible operation of an optimizer or schedule.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with an optimizer, a schedule or a config of one.
///
/// `Debug` prints the same text as `Display`, so that `fn main() -> Result<()>` reads well.
///
/// # Examples
///
/// ```
/// use deckle_optim::AnyOptimizer;
///
/// let error = AnyOptimizer::named("rmsprp").unwrap_err();
/// assert!(error.to_string().ends_with("help: did you mean `RMSprop`?"));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The graph of the update could not be built or run.
    #[error(transparent)]
    Graph(#[from] deckle_autograd::Error),
    /// A setting has a value with which nothing can work.
    Setting {
        /// The optimizer's or schedule's class.
        class: String,
        /// The setting.
        setting: &'static str,
        /// What it can be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// More than one way of clipping gradients is set.
    Clipping {
        /// The optimizer's class.
        class: String,
        /// The settings, two or three.
        got: Vec<&'static str>,
    },
    /// There is no optimizer or schedule of that name.
    UnknownName {
        /// What was looked for.
        kind: &'static str,
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// A config has settings that the class does not know, and that are not switched off.
    UnknownSettings {
        /// The class.
        class: String,
        /// All of them, as JSON.
        settings: Vec<String>,
    },
    /// A config lacks a setting, or has it as something else.
    Config {
        /// The class, or what is being read.
        class: String,
        /// The setting; empty if the whole config is meant.
        setting: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A list has another length than what it belongs to.
    Count {
        /// What the list holds.
        what: &'static str,
        /// The length that it should have.
        expected: usize,
        /// The length that it has.
        got: usize,
    },
    /// A gradient or a saved value is of another shape or element type.
    Mismatch {
        /// What it is, with its name.
        what: String,
        /// The kind it should be.
        expected: String,
        /// The kind it is.
        got: String,
    },
    /// A weight is not made of floating-point numbers.
    NotFloating {
        /// The weight's name.
        weight: String,
        /// Its element type.
        got: DType,
    },
    /// The learning rate follows a schedule, so it cannot be set.
    Scheduled {
        /// The schedule's class.
        schedule: String,
    },
    /// The optimizer does not do what it promises; only [`check_optimizer`] says so.
    ///
    /// [`check_optimizer`]: crate::check_optimizer
    Promise {
        /// The optimizer's class.
        class: String,
        /// What it should do.
        expected: &'static str,
        /// What it does.
        got: String,
    },
}

impl Error {
    pub(crate) fn config(
        class: impl Into<String>,
        setting: impl Into<String>,
        problem: impl fmt::Display,
    ) -> Self {
        Self::Config {
            class: class.into(),
            setting: setting.into(),
            problem: problem.to_string(),
        }
    }
}

impl From<deckle_tensor::Error> for Error {
    fn from(error: deckle_tensor::Error) -> Self {
        Self::Graph(error.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(error) => error.fmt(f),
            Self::Setting { class, setting, expected, got } => write!(
                f,
                "{class}: cannot use this `{setting}`\n  expected: {expected}\n       got: {got}"
            ),
            Self::Clipping { class, got } => write!(
                f,
                "{class}: gradients can be clipped in one way only\n  expected: one of \
                 `clipnorm`, `clipvalue`, `global_clipnorm`\n       got: `{}`",
                got.join("`, `")
            ),
            Self::UnknownName { kind, name, known } => {
                write!(
                    f,
                    "unknown {kind} `{name}`\n  expected: one of {}",
                    known.join(", ")
                )?;
                match nearest(name, known) {
                    Some(name) => write!(f, "\n      help: did you mean `{name}`?"),
                    None => Ok(()),
                }
            }
            Self::UnknownSettings { class, settings } => write!(
                f,
                "{class}: the config has settings that this class does not know\n       got: \
                 {}\n      help: leave them out, or null, if they are not needed",
                settings.join(", ")
            ),
            Self::Config { class, setting, problem } if setting.is_empty() => {
                write!(f, "{class}: cannot read this config: {problem}")
            }
            Self::Config { class, setting, problem } => {
                write!(f, "{class}: cannot read `{setting}` of the config: {problem}")
            }
            Self::Count { what, expected, got } => write!(
                f,
                "the number of {what} is wrong\n  expected: {expected}\n       got: {got}"
            ),
            Self::Mismatch { what, expected, got } => write!(
                f,
                "{what} is of another kind\n  expected: {expected}\n       got: {got}"
            ),
            Self::NotFloating { weight, got } => write!(
                f,
                "weight `{weight}` cannot be trained\n  expected: floating-point numbers\n       \
                 got: {got}"
            ),
            Self::Scheduled { schedule } => write!(
                f,
                "the learning rate follows {schedule} and cannot be set\n      help: make the \
                 optimizer with a number as .learning_rate(…)"
            ),
            Self::Promise { class, expected, got } => write!(
                f,
                "{class} does not keep its promise\n  expected: {expected}\n       got: {got}"
            ),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(error) => fmt::Debug::fmt(error, f),
            error => fmt::Display::fmt(error, f),
        }
    }
}

/// The known name that is most like `name`, if any is like it.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distances =
        known.iter().map(|known| (distance(&name, &known.to_lowercase()), *known));
    // One slip in three letters, and never all of them.
    let (distance, best) = distances.min_by_key(|&(distance, _)| distance)?;
    (distance <= 1 + best.chars().count() / 3 && distance < name.chars().count())
        .then_some(best)
}

/// The number of letters to insert, drop, replace or swap to come from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_slips() {
        for (a, b, expected) in [
            ("", "", 0),
            ("adam", "adam", 0),
            ("adma", "adam", 1),
            ("sg", "sgd", 1),
            ("x", "", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_a_name_that_is_like_another_is_suggested() {
        let known = ["SGD", "Adam", "AdamW"];
        assert_eq!(nearest("addam", &known), Some("Adam"));
        assert_eq!(nearest("ADAM-W", &known), Some("AdamW"));
        assert_eq!(nearest("lbfgs", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
