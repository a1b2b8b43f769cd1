//! Optimizer, losses and metrics: the file's, or those that the arguments name.

use deckle::{
    Result,
    nn::AnyLoss,
    optim::AnyOptimizer,
    prelude::*,
    train::{self, AnyMetric, Saved},
};

use crate::arguments::Measures;

/// The model of a file with what it was compiled with, but for what is given instead.
///
/// A given optimizer has no state; else the file's goes on.
pub(crate) fn trainer(
    mut saved: Saved,
    optimizer: Option<&str>,
    measures: &Measures,
) -> Result<Trainer> {
    let given = optimizer.map(AnyOptimizer::named).transpose()?;
    let mut compile = match (saved.compile.take(), &given, measures.loss.is_empty()) {
        (Some(compile), ..) => compile,
        (None, Some(optimizer), false) => {
            // Set below.
            Compile::new(optimizer.clone(), AnyLoss::by_name("mse")?)
        }
        _ => {
            return Err(train::Error::invalid(
                "the file does not say how to train its model",
                "a model that was compiled",
            )
            .got("no compile state")
            .help("name optimizer and loss: --optimizer adam --loss mse")
            .into());
        }
    };
    if let Some(optimizer) = &given {
        compile = compile.optimizer(optimizer.clone());
    }
    for text in &measures.loss {
        compile = match text.split_once('=') {
            Some((output, loss)) => compile.loss_for(output, AnyLoss::by_name(loss)?),
            None if measures.loss.len() == 1 => compile.loss(AnyLoss::by_name(text)?),
            None => {
                return Err(train::Error::invalid(
                    "--loss with several losses",
                    "OUTPUT=LOSS,...",
                )
                .got(measures.loss.join(","))
                .into());
            }
        };
    }
    if let Some(metrics) = &measures.metrics {
        compile = compile.without_metrics();
        for text in metrics.iter().filter(|text| !text.is_empty()) {
            compile = match text.split_once('=') {
                Some((output, name)) => {
                    compile.metric_for(output, AnyMetric::by_name(name)?)
                }
                None => compile.metric(AnyMetric::by_name(text)?),
            };
        }
    }
    if given.is_some() {
        return Ok(saved.model.compile(compile)?);
    }
    saved.compile = Some(compile);
    Ok(saved.into_trainer()?)
}
