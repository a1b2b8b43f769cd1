//! What can be asked of the program: [`Arguments`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Look at, use and train models that Keras or Deckle has saved.
///
/// Results go to standard output and files, progress and errors to standard error.
#[derive(Debug, Parser)]
#[command(
    name = "deckle",
    version,
    after_help = "Exit codes:\n  0  done\n  1  failed\n  2  wrong arguments\n  3  the model asks for \
                  what Deckle does not have\n\nArrays are found in .npz files by position or by \
                  name: inputs as x0, x1, ... or\nby the inputs' names, targets as t0, t1, ... or \
                  by the outputs' names. Weights\nof the examples are w0, or w0, w1, ... for one \
                  target each. One input alone may\nbe x, one target t or y, one array of weights w. \
                  Outputs are written as y0, y1, ..."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a model's layers, shapes and numbers of weights.
    #[command(
        after_help = "Examples:\n  deckle summary model.keras\n  deckle summary model.keras \
                      --expand-nested --show-trainable"
    )]
    Summary {
        /// The model, a `.keras` or legacy `.h5` file.
        model: PathBuf,
        /// Show the layers of models that are layers, too.
        #[arg(long)]
        expand_nested: bool,
        /// Show which layers are trained (Y) and which are frozen (N).
        #[arg(long)]
        show_trainable: bool,
    },
    /// Compute a model's outputs for arrays.
    #[command(
        after_help = "Example:\n  deckle predict model.keras --input data.npz --output out.npz"
    )]
    Predict(Predict),
    /// Train a model; print the last epoch's values as a line of JSON.
    #[command(
        after_help = "Examples:\n  deckle fit model.keras --data data.npz --epochs 5 \
                      --batch-size 128 \\\n      --validation-split 0.1 --output trained.keras \
                      --history history.json\n  deckle fit model.keras --data data.npz \
                      --optimizer adam --learning-rate 0.01 --loss mse --metrics mae\n  deckle fit model.keras --data \
                      data.npz --class-weight 0=0.5,1=2\n  deckle fit model.keras --data data.npz \
                      --loss price=mse,kind=sparse_categorical_crossentropy \\\n      --metrics \
                      kind=accuracy"
    )]
    Fit(Box<Fit>),
    /// Measure loss and metrics on arrays; print them as a line of JSON.
    #[command(
        after_help = "Examples:\n  deckle evaluate model.keras --data test.npz\n  deckle \
                            evaluate model.keras --data test.npz --loss mse --metrics mae"
    )]
    Evaluate(Evaluate),
    /// Write a model, or its weights alone, in another format.
    #[command(
        after_help = "Formats, by the names' endings:\n  .keras        model, weights, compile and \
                      optimizer state\n  .h5           the same in Keras's legacy format\n  \
                      .weights.h5   weights alone\n  .safetensors  weights alone\n\nExamples:\n  \
                      deckle convert legacy.h5 model.keras\n  deckle convert model.keras \
                      model.safetensors\n  deckle convert trained.weights.h5 trained.keras --model \
                      model.keras"
    )]
    Convert {
        /// The file to read.
        input: PathBuf,
        /// The file to write.
        output: PathBuf,
        /// The model, where the input holds weights alone.
        #[arg(long)]
        model: Option<PathBuf>,
    },
    /// Draw the curves of a training, or the layers of a model.
    #[command(
        after_help = "Examples:\n  deckle plot history.json --out curves.svg\n  deckle plot \
                      model.keras --out model.png --show-shapes --show-layer-names"
    )]
    Plot(Plot),
    /// List the data sets, with their sources and licences, and where they are looked for.
    Datasets,
}

#[derive(Debug, Args)]
pub(crate) struct Plot {
    /// A history, a JSON file, or a model, a `.keras` or legacy `.h5` file.
    pub(crate) file: PathBuf,
    /// The picture, `.svg` or `.png`; for a model also `.dot` or `.gv`.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Show the shapes of inputs and outputs.
    #[arg(long)]
    pub(crate) show_shapes: bool,
    /// Show the element types of outputs.
    #[arg(long)]
    pub(crate) show_dtype: bool,
    /// Show the layers' names.
    #[arg(long)]
    pub(crate) show_layer_names: bool,
    /// Show the layers' activations.
    #[arg(long)]
    pub(crate) show_layer_activations: bool,
    /// Show which layers are trained.
    #[arg(long)]
    pub(crate) show_trainable: bool,
    /// Show the layers of models that are layers.
    #[arg(long)]
    pub(crate) expand_nested: bool,
    /// Draw the layers from left to right.
    #[arg(long)]
    pub(crate) left_to_right: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// The model, a `.keras` or legacy `.h5` file.
    pub(crate) model: PathBuf,
    /// The inputs: an `.npz` file with `x0`, `x1`, ..., or the model's inputs by name.
    #[arg(long)]
    pub(crate) input: PathBuf,
    /// The outputs: an `.npz` file with `y0`, `y1`, ...; bfloat16 becomes float32.
    #[arg(long)]
    pub(crate) output: PathBuf,
    /// The number of examples computed at once.
    #[arg(long, default_value_t = 32, allow_negative_numbers = true)]
    pub(crate) batch_size: usize,
}

/// What a model is trained or measured with, where it differs from the model's file.
#[derive(Debug, Args)]
pub(crate) struct Measures {
    /// The losses, by name: one for every output, or `OUTPUT=LOSS,...`; by default the file's.
    #[arg(long, value_delimiter = ',')]
    pub(crate) loss: Vec<String>,
    /// The metrics, by name: `METRIC,...` or `OUTPUT=METRIC,...`; by default the file's.
    #[arg(long, value_delimiter = ',')]
    pub(crate) metrics: Option<Vec<String>>,
}

#[derive(Debug, Args)]
pub(crate) struct Fit {
    /// The model, a `.keras` or legacy `.h5` file.
    pub(crate) model: PathBuf,
    /// Inputs `x0`, `x1`, ..., targets `t0`, `t1`, ... (or by name), weights `w0`, an `.npz` file.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// The epoch to end before, counted from 0.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    pub(crate) epochs: usize,
    /// The epoch to begin with, counted from 0.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) initial_epoch: usize,
    /// The number of examples in a batch.
    #[arg(long, default_value_t = 32, allow_negative_numbers = true)]
    pub(crate) batch_size: usize,
    /// The share of the examples, from the end, that validates instead of training.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) validation_split: Option<f64>,
    /// The examples that validate, an `.npz` file as that of `--data`.
    #[arg(long, conflicts_with = "validation_split")]
    pub(crate) validation_data: Option<PathBuf>,
    /// The number of examples in a batch of validation; by default that of a batch.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) validation_batch_size: Option<usize>,
    /// The optimizer, by name, with its defaults and no state; by default the file's.
    #[arg(long)]
    pub(crate) optimizer: Option<String>,
    /// The learning rate, instead of the optimizer's.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) learning_rate: Option<f64>,
    #[command(flatten)]
    pub(crate) measures: Measures,
    /// How much the examples of a class count: `CLASS=WEIGHT,...`.
    #[arg(long, value_delimiter = ',', value_parser = class_weight)]
    pub(crate) class_weight: Vec<(i64, f64)>,
    /// Keep the order of the examples.
    #[arg(long)]
    pub(crate) no_shuffle: bool,
    /// The seed of shuffles and dropout.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// The trained model, a `.keras` file.
    #[arg(long)]
    pub(crate) output: Option<PathBuf>,
    /// The values of every epoch, a JSON file.
    #[arg(long)]
    pub(crate) history: Option<PathBuf>,
    /// The folder for TensorBoard's files: the graph, the values and the weights of every epoch.
    #[arg(long, value_name = "DIR")]
    pub(crate) tensorboard: Option<PathBuf>,
    /// The file that all is kept in from which an interrupted training can go on.
    #[arg(long)]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Write the checkpoint every so many batches; by default, after every epoch.
    #[arg(long, requires = "checkpoint", allow_negative_numbers = true)]
    pub(crate) checkpoint_batches: Option<usize>,
    /// Go on from the checkpoint, if it is there; without this, training begins anew.
    #[arg(long, requires = "checkpoint")]
    pub(crate) resume: bool,
    /// A CSV file with a line for every epoch.
    #[arg(long)]
    pub(crate) csv_log: Option<PathBuf>,
    /// How much is shown: 0, 1 or 2.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(..=2))]
    pub(crate) verbose: u8,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The model, a `.keras` or legacy `.h5` file.
    pub(crate) model: PathBuf,
    /// Inputs `x0`, `x1`, ..., targets `t0`, `t1`, ... (or by name), weights `w0`, an `.npz` file.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// The number of examples in a batch.
    #[arg(long, default_value_t = 32, allow_negative_numbers = true)]
    pub(crate) batch_size: usize,
    #[command(flatten)]
    pub(crate) measures: Measures,
    /// How much is shown: 0, 1 or 2.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=2))]
    pub(crate) verbose: u8,
}

fn class_weight(text: &str) -> Result<(i64, f64), String> {
    let parse = || {
        let (class, weight) = text.split_once('=')?;
        Some((class.trim().parse().ok()?, weight.trim().parse().ok()?))
    };
    parse().ok_or_else(|| "expected CLASS=WEIGHT, as 0=0.5".to_owned())
}
