//! What can be asked of the program: [`Arguments`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Look at, use and train models that Keras or Deckle has saved.
///
/// Results go to standard output and files, progress to standard error. Exit codes: 0 done,
/// 1 failed, 2 wrong arguments.
#[derive(Debug, Parser)]
#[command(name = "deckle", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a model's layers, shapes and numbers of weights.
    #[command(after_help = "Example:\n  deckle summary model.keras")]
    Summary {
        /// The model, a `.keras` file.
        model: PathBuf,
    },
    /// Compute a model's outputs for arrays.
    #[command(
        after_help = "Example:\n  deckle predict model.keras --input data.npz --output out.npz"
    )]
    Predict(Predict),
    /// Train a model as its file says it was compiled.
    #[command(
        after_help = "Example:\n  deckle fit model.keras --data data.npz --epochs 5 \
                      --batch-size 128 --validation-split 0.1 --output trained.keras --history \
                      history.json"
    )]
    Fit(Fit),
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// The model, a `.keras` file.
    pub(crate) model: PathBuf,
    /// The inputs: an `.npz` file with `x0`, `x1`, ..., or the model's inputs by name.
    #[arg(long)]
    pub(crate) input: PathBuf,
    /// The outputs: an `.npz` file with `y0`, `y1`, ...
    #[arg(long)]
    pub(crate) output: PathBuf,
    /// The number of examples computed at once.
    #[arg(long, default_value_t = 32)]
    pub(crate) batch_size: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Fit {
    /// The model, a `.keras` file.
    pub(crate) model: PathBuf,
    /// Inputs `x0`, `x1`, ... (or by name) and targets `t0`, `t1`, ..., an `.npz` file.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// The number of passes over the data.
    #[arg(long, default_value_t = 1)]
    pub(crate) epochs: usize,
    /// The number of examples in a batch.
    #[arg(long, default_value_t = 32)]
    pub(crate) batch_size: usize,
    /// The share of the examples, from the end, that validates instead of training.
    #[arg(long)]
    pub(crate) validation_split: Option<f64>,
    /// Keep the order of the examples.
    #[arg(long)]
    pub(crate) no_shuffle: bool,
    /// The seed of shuffles and dropout.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The trained model, a `.keras` file.
    #[arg(long)]
    pub(crate) output: Option<PathBuf>,
    /// The values of every epoch, a JSON file.
    #[arg(long)]
    pub(crate) history: Option<PathBuf>,
    /// How much is shown: 0, 1 or 2.
    #[arg(long, default_value_t = 1)]
    pub(crate) verbose: u8,
}
