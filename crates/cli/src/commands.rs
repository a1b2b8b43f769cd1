//! What the program does for each command.

use std::path::Path;

use deckle::{
    Error, Result,
    formats::json,
    nn::Model,
    prelude::*,
    tensor::{Npz, NpzWriter},
    train,
};

use crate::arguments::{self, Arguments, Command};

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Summary { model } => summary(model),
        Command::Predict(arguments) => predict(arguments),
        Command::Fit(arguments) => fit(arguments),
    }
}

#[expect(clippy::print_stdout, reason = "the table is the command's result")]
fn summary(model: &Path) -> Result<()> {
    println!("{}", train::load(model)?.model.summary());
    Ok(())
}

fn predict(arguments: &arguments::Predict) -> Result<()> {
    let model = train::load(&arguments.model)?.model;
    let arrays = Npz::open(&arguments.input)?;
    let inputs = inputs(&model, &arrays, &arguments.input)?;
    let outputs = model.predictor()?.batch_size(arguments.batch_size).predict(&inputs)?;
    let mut file = NpzWriter::create(&arguments.output)?;
    for (i, output) in outputs.iter().enumerate() {
        file.add(&format!("y{i}"), output)?;
    }
    file.finish()?.commit()?;
    Ok(())
}

fn fit(arguments: &arguments::Fit) -> Result<()> {
    let saved = train::load(&arguments.model)?;
    let arrays = Npz::open(&arguments.data)?;
    let inputs = inputs(&saved.model, &arrays, &arguments.data)?;
    let count = saved.model.outputs().count();
    let mut targets = Vec::new();
    for i in 0..count {
        targets.push(find(&arrays, &[&format!("t{i}")], &arguments.data)?);
    }
    let data = Arrays::of(inputs, targets)?;
    let mut trainer = saved.into_trainer()?;
    let mut fit = Fit::new()
        .epochs(arguments.epochs)
        .batch_size(arguments.batch_size)
        .shuffle(!arguments.no_shuffle)
        .seed(arguments.seed)
        .verbose(arguments.verbose);
    if let Some(fraction) = arguments.validation_split {
        fit = fit.validation_split(fraction);
    }
    let history = trainer.fit(&data, fit)?;
    if let Some(path) = &arguments.output {
        trainer.save(path)?;
    }
    if let Some(path) = &arguments.history {
        json::write(path, &history.to_json())?;
    }
    Ok(())
}

/// The arrays for a model's inputs: by position (`x0`) or by the input's name.
fn inputs(model: &Model, arrays: &Npz, file: &Path) -> Result<Vec<Tensor>> {
    let names: Vec<_> = model.inputs().map(|(name, ..)| name.to_owned()).collect();
    let mut found = Vec::new();
    for (i, name) in names.iter().enumerate() {
        found.push(find(arrays, &[&format!("x{i}"), name], file)?);
    }
    Ok(found)
}

fn find(arrays: &Npz, names: &[&str], file: &Path) -> Result<Tensor> {
    let known: Vec<String> = arrays.names().map(str::to_owned).collect();
    match names.iter().find(|name| known.iter().any(|known| known == *name)) {
        Some(name) => Ok(arrays.tensor(name)?),
        None => {
            let help = format!("it has {}", known.join(", "));
            let problem = format!("has no array `{}`", names.join("` or `"));
            Err(Error::from(
                deckle::tensor::Error::file(file.display(), problem).help(help),
            ))
        }
    }
}
