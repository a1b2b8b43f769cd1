//! What the program does for each command.

mod arrays;
mod measures;
mod plot;

use std::{io::Write, path::Path};

use deckle::{
    Error, Result, datasets,
    formats::json::{self, Value},
    nn::Registry,
    prelude::*,
    tensor::{self, DType, Npz, NpzWriter},
    train::{self, Verbose},
};

use crate::arguments::{self, Arguments, Command};

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Summary { model, expand_nested, show_trainable } => {
            let model = train::load_model(model, &Registry::keras())?;
            let summary = model.summary().expand_nested(*expand_nested);
            print(&summary.show_trainable(*show_trainable).to_string())
        }
        Command::Predict(arguments) => predict(arguments),
        Command::Fit(arguments) => fit(arguments),
        Command::Evaluate(arguments) => evaluate(arguments),
        Command::Convert { input, output, model } => {
            convert(input, output, model.as_deref())
        }
        Command::Plot(arguments) => plot::plot(arguments),
        Command::Datasets => datasets(),
    }
}

/// Writes lines to standard output; that nobody reads them is no error.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(tensor::Error::io("standard output", error).into())
        }
        _ => Ok(()),
    }
}

fn predict(arguments: &arguments::Predict) -> Result<()> {
    let model = train::load_model(&arguments.model, &Registry::keras())?;
    check_writable(&arguments.output)?;
    let inputs = arrays::inputs(&model, &Npz::open(&arguments.input)?, &arguments.input)?;
    let predictor = model.predictor()?.batch_size(arguments.batch_size);
    let outputs = predictor.predict_dataset(&Arrays::named(inputs, NONE)?)?;
    let mut file = NpzWriter::create(&arguments.output)?;
    for (i, output) in outputs.iter().enumerate() {
        // NumPy lacks bfloat16.
        let is_lacking = output.dtype() == DType::BF16;
        let output = if is_lacking { &output.cast(DType::F32) } else { output };
        file.add(&format!("y{i}"), output)?;
    }
    Ok(file.finish()?.commit()?)
}

const NONE: [(String, Tensor); 0] = [];

fn fit(arguments: &arguments::Fit) -> Result<()> {
    let saved = train::load(&arguments.model)?;
    let data = arrays::examples(&saved.model, &arguments.data)?;
    let validation = arguments.validation_data.as_deref();
    let validation =
        validation.map(|file| arrays::examples(&saved.model, file)).transpose()?;
    if let Some(path) = &arguments.output {
        train::check_path(path)?;
    }
    if let Some(path) = &arguments.history {
        check_writable(path)?;
    }
    let measures = &arguments.measures;
    let mut trainer = measures::trainer(saved, arguments.optimizer.as_deref(), measures)?;
    if let Some(rate) = arguments.learning_rate {
        trainer.optimizer().set_learning_rate(rate)?;
    }
    let mut fit = Fit::new()
        .epochs(arguments.epochs)
        .initial_epoch(arguments.initial_epoch)
        .batch_size(arguments.batch_size)
        .shuffle(!arguments.no_shuffle)
        .seed(arguments.seed)
        .verbose(arguments.verbose);
    if let Some(fraction) = arguments.validation_split {
        fit = fit.validation_split(fraction);
    }
    if let Some(data) = &validation {
        fit = fit.validation_data(data);
    }
    if let Some(size) = arguments.validation_batch_size {
        fit = fit.validation_batch_size(size);
    }
    if !arguments.class_weight.is_empty() {
        fit = fit.class_weight(&arguments.class_weight);
    }
    if let Some(folder) = &arguments.tensorboard {
        fit = fit.callback(TensorBoard::new(folder).histogram_freq(1).write_images(true));
    }
    if let Some(path) = &arguments.csv_log {
        fit = fit.callback(CSVLogger::new(path));
    }
    if let Some(path) = &arguments.checkpoint {
        let mut backup = BackupAndRestore::file(path)
            .delete_checkpoint(false)
            .resume(arguments.resume);
        if let Some(batches) = arguments.checkpoint_batches {
            backup = backup.save_freq(batches);
        }
        fit = fit.callback(backup);
    }
    let history = trainer.fit(&data, fit)?;
    // What one of these cannot write, the others may.
    let saved = arguments.output.as_ref().map(|path| trainer.save(path)).transpose();
    let history_path = arguments.history.as_ref();
    let written =
        history_path.map(|path| json::write(path, &history.to_json())).transpose();
    let last = |name: &str| (name.to_owned(), Value::from(history.last(name)));
    let printed = print(&history.names().map(last).collect::<Value>().to_string());
    saved?;
    written?;
    printed
}

fn evaluate(arguments: &arguments::Evaluate) -> Result<()> {
    let saved = train::load(&arguments.model)?;
    let data = arrays::examples(&saved.model, &arguments.data)?;
    // The optimizer makes no step, so any will do where the file has none.
    let has_none = saved.compile.is_none().then_some("sgd");
    let mut trainer = measures::trainer(saved, has_none, &arguments.measures)?;
    let evaluate = Evaluate::new()
        .batch_size(arguments.batch_size)
        .verbose(Verbose::from(arguments.verbose));
    let logs = trainer.evaluate_with(&data, evaluate)?;
    let values = logs.iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    print(&values.collect::<Value>().to_string())
}

fn datasets() -> Result<()> {
    let list = datasets::ALL.iter().map(|info| {
        let places = info.folders().into_iter().map(|folder| {
            let found = if folder.is_dir() { "a folder" } else { "no folder" };
            format!("\n  looked for in {} ({found})", folder.display())
        });
        format!("{info}{}", places.collect::<String>())
    });
    print(&list.collect::<Vec<_>>().join("\n\n"))
}

/// Without `model`, the input itself has to say what model it is.
fn convert(input: &Path, output: &Path, model: Option<&Path>) -> Result<()> {
    train::check_path(output)?;
    let saved = match model {
        Some(model) => {
            let saved = train::load(model)?;
            if saved.compile.is_some() {
                let trainer = saved.into_trainer()?;
                trainer.load_weights(input)?;
                return Ok(trainer.save(output)?);
            }
            saved.model.load_weights(input)?;
            saved
        }
        None => train::load(input).map_err(asks_for_model)?,
    };
    Ok(saved.save(output)?)
}

/// Says how the program is told what a library would be told otherwise.
fn asks_for_model(mut error: train::Error) -> train::Error {
    if let train::Error::InFile { error, .. } = &mut error
        && let train::Error::Invalid { got, help, .. } = &mut **error
        && got == "weights alone"
    {
        "name the model's file: --model model.keras".clone_into(help);
    }
    error
}

/// Fails before a long training if its results could not be written.
fn check_writable(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let problem = if !folder.is_dir() {
        format!("the folder {} does not exist", folder.display())
    } else if path.is_dir() {
        "is a folder".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::from(tensor::Error::file(path.display(), problem)))
}
