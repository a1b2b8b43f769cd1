//! Pictures of trainings and models.

use std::path::Path;

use deckle::{
    Error, Result,
    formats::json,
    nn::Registry,
    plot::{self, PlotModel, Rankdir},
    tensor,
    train::{self, History},
};

use crate::arguments;

/// Draws the curves of a history, or the layers of a model, by the ending of the file's name.
pub(crate) fn plot(arguments: &arguments::Plot) -> Result<()> {
    let (file, out) = (&arguments.file, &arguments.out);
    let ends = |endings: &[&str]| {
        let ending = file.extension().map(|e| e.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| endings.contains(&ending.as_str()))
    };
    if ends(&["json"]) {
        let history = History::from_json(&json::read(file)?).map_err(|error| {
            train::Error::InFile { file: file.display().to_string(), error: error.into() }
        })?;
        return Ok(plot::history(&history).save(out)?);
    }
    if !ends(&["keras", "h5", "hdf5"]) {
        return Err(unknown(file));
    }
    let model = train::load_model(file, &Registry::keras())?;
    let rankdir = if arguments.left_to_right { Rankdir::LR } else { Rankdir::TB };
    let graph = PlotModel::new()
        .show_shapes(arguments.show_shapes)
        .show_dtype(arguments.show_dtype)
        .show_layer_names(arguments.show_layer_names)
        .show_layer_activations(arguments.show_layer_activations)
        .show_trainable(arguments.show_trainable)
        .expand_nested(arguments.expand_nested)
        .rankdir(rankdir);
    Ok(graph.save(&model, out)?)
}

fn unknown(file: &Path) -> Error {
    let problem = "cannot be drawn";
    let help = "give a history (`.json`, as `fit --history` writes it) or a model (`.keras` or \
                legacy `.h5`)";
    tensor::Error::file(file.display(), problem).help(help).into()
}
