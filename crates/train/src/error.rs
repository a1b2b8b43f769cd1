//! What can go wrong in training: [`Error`].

use std::fmt;

/// The result of a fallible operation of training.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong while a model was compiled, trained, used, saved or loaded.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model, layer or loss failed.
    Model(#[from] deckle_nn::Error),
    /// An optimizer failed.
    Optimizer(#[from] deckle_optim::Error),
    /// A data set failed.
    Data(#[from] deckle_data::Error),
    /// A file failed.
    File(#[from] deckle_formats::Error),
    /// What a file asks for failed.
    InFile {
        /// The file's name.
        file: String,
        /// What failed.
        #[source]
        error: Box<Self>,
    },
    /// A callback failed.
    InCallback {
        /// Its name.
        callback: String,
        /// What failed.
        #[source]
        error: Box<Self>,
    },
    /// Data that validate failed.
    InValidation {
        /// What failed.
        #[source]
        error: Box<Self>,
    },
    /// A metric failed.
    InMetric {
        /// Its class.
        metric: String,
        /// What failed.
        #[source]
        error: Box<Self>,
    },
    /// Something was given that cannot be used.
    Invalid {
        /// What was done.
        problem: String,
        /// What it takes.
        expected: String,
        /// What it was given.
        got: String,
        /// The call that mends it; empty if there is none to name.
        help: String,
    },
    /// The loss became NaN or infinite; the weights are those from before that batch.
    NotFinite {
        /// The loss.
        loss: f32,
        /// The epoch, counted from 1.
        epoch: usize,
        /// The batch in the epoch, counted from 1.
        batch: usize,
    },
    /// An operation has made a NaN or an infinity of finite numbers, or was given one.
    MadeNotFinite {
        /// The operation with its layer, or the input or weight that is not finite.
        what: String,
        /// The epoch, counted from 1.
        epoch: usize,
        /// The batch in the epoch, counted from 1.
        batch: usize,
    },
    /// A target is not one of the classes.
    Label {
        /// The target; [`i64::MIN`] if it is NaN or no whole number.
        label: i64,
        /// The number of classes.
        classes: usize,
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

    /// Says which callback failed.
    pub(crate) fn in_callback(self, name: &str) -> Self {
        Self::InCallback { callback: name.to_owned(), error: Box::new(self) }
    }

    /// Says that it was in the validation, unless a callback failed there.
    pub(crate) fn in_validation(self) -> Self {
        match self {
            Self::InCallback { .. } => self,
            error => Self::InValidation { error: Box::new(error) },
        }
    }

    /// Says which metric failed, if that is not said yet.
    pub(crate) fn in_metric(self, class: &str) -> Self {
        match self {
            Self::Model(_) => {
                Self::InMetric { metric: class.to_owned(), error: Box::new(self) }
            }
            other => other,
        }
    }

    /// Says which name was probably meant, if that is not said yet.
    pub(crate) fn or_suggest(mut self, probably: String) -> Self {
        if let Self::Model(deckle_nn::Error::Unknown { suggestion, .. }) = &mut self
            && suggestion.is_empty()
        {
            *suggestion = probably;
        }
        self
    }

    /// Names the output of a model that has several.
    pub(crate) fn of_output(mut self, output: &str, several: bool) -> Self {
        if let Self::Invalid { problem, .. } = &mut self
            && several
        {
            *problem = format!("output `{output}`: {problem}");
        }
        self
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
}

impl From<deckle_autograd::Error> for Error {
    fn from(error: deckle_autograd::Error) -> Self {
        if let deckle_autograd::Error::Tensor(deckle_tensor::Error::Index {
            path,
            index,
            len,
            ..
        }) = &error
            && path == LOSS
        {
            return Self::Label { label: *index, classes: *len };
        }
        Self::Model(error.into())
    }
}

impl From<deckle_tensor::Error> for Error {
    fn from(error: deckle_tensor::Error) -> Self {
        Self::from(deckle_autograd::Error::from(error))
    }
}

/// The path of a loss's operations.
pub(crate) const LOSS: &str = "loss";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(error) => error.fmt(f),
            Self::Optimizer(error) => error.fmt(f),
            Self::Data(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
            Self::InFile { file, error } => {
                write!(f, "{file}: {error}{}", advice(error))
            }
            Self::InCallback { callback, error } => {
                write!(f, "callback `{callback}`: {error}")
            }
            Self::InMetric { metric, error } => write!(f, "metric {metric}: {error}"),
            Self::InValidation { error } => write!(f, "validation data: {error}"),
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
            Self::NotFinite { loss, epoch, batch } => write!(
                f,
                "the loss is {loss} in epoch {epoch}, batch {batch}; the weights are those from \
                 before that batch\n      help: look for NaN in the data, or lower the learning \
                 rate"
            ),
            Self::MadeNotFinite { what, epoch, batch } => write!(
                f,
                "{what} in epoch {epoch}, batch {batch}; the weights are those from before that \
                 batch"
            ),
            Self::Label { label, classes } => write!(
                f,
                "a target is not one of the classes\n  expected: 0 <= label < {classes}\n       \
                 got: {}\n      help: number the classes from 0, and give the last layer \
                 one unit for each",
                // What the losses make of such labels.
                if *label == i64::MIN {
                    "a number that is not whole".to_owned()
                } else {
                    label.to_string()
                }
            ),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(error) => fmt::Debug::fmt(error, f),
            Self::Optimizer(error) => fmt::Debug::fmt(error, f),
            Self::Data(error) => fmt::Debug::fmt(error, f),
            Self::File(error) => fmt::Debug::fmt(error, f),
            Self::InFile { file, error } => {
                write!(f, "{file}: {error:?}{}", advice(error))
            }
            Self::InCallback { callback, error } => {
                write!(f, "callback `{callback}`: {error:?}")
            }
            Self::InValidation { error } => write!(f, "validation data: {error:?}"),
            error => fmt::Display::fmt(error, f),
        }
    }
}

/// What to do about an error in a file.
fn advice(error: &Error) -> &'static str {
    match error {
        Error::Model(deckle_nn::Error::Unknown { what: "loss", .. }) => {
            "\n      help: of a loss of your own, files have the name alone: read the model by \
             load_model, and compile it"
        }
        _ => "",
    }
}
