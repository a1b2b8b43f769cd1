//! Whatever can go wrong anywhere in Deckle: [`Error`].

use std::fmt;

/// The result of a program that uses Deckle.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whatever went wrong, with the text of the crate that it comes from.
///
/// `Debug` prints the same text as `Display`, because that is what `fn main() -> Result<()>`
/// shows.
///
/// # Examples
///
/// ```
/// use deckle::prelude::*;
///
/// fn train() -> Result<()> {
///     Compile::named("adam", "mssse")?;
///     Ok(())
/// }
///
/// let error = train().unwrap_err();
/// assert_eq!(format!("{error:?}"), "unknown loss `mssse`\n      help: did you mean `mse`?");
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Training, saving or loading failed.
    #[error(transparent)]
    Train(#[from] deckle_train::Error),
    /// A model, layer or loss failed.
    #[error(transparent)]
    Nn(#[from] deckle_nn::Error),
    /// An optimizer failed.
    #[error(transparent)]
    Optim(#[from] deckle_optim::Error),
    /// A graph failed.
    #[error(transparent)]
    Autograd(#[from] deckle_autograd::Error),
    /// A tensor or backend failed.
    #[error(transparent)]
    Tensor(#[from] deckle_tensor::Error),
    /// A data set or batch failed.
    #[error(transparent)]
    Data(#[from] deckle_data::Error),
    /// A data set's files failed.
    #[error(transparent)]
    Datasets(#[from] deckle_datasets::Error),
    /// A model's file failed.
    #[error(transparent)]
    Formats(#[from] deckle_formats::Error),
    /// A picture failed.
    #[error(transparent)]
    Plot(#[from] deckle_plot::Error),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Train(error) => fmt::Debug::fmt(error, f),
            Self::Nn(error) => fmt::Debug::fmt(error, f),
            Self::Optim(error) => fmt::Debug::fmt(error, f),
            Self::Autograd(error) => fmt::Debug::fmt(error, f),
            Self::Tensor(error) => fmt::Debug::fmt(error, f),
            Self::Data(error) => fmt::Debug::fmt(error, f),
            Self::Datasets(error) => fmt::Debug::fmt(error, f),
            Self::Formats(error) => fmt::Debug::fmt(error, f),
            Self::Plot(error) => fmt::Debug::fmt(error, f),
        }
    }
}
