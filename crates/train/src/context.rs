//! Training, as a callback sees and steers it: [`Context`].

use std::path::Path;

use deckle_nn::Model;
use deckle_tensor::Tensor;

use crate::{
    Error, Evaluate, History, Logs, Result, Source, Trainer, callbacks::Better, run::Run,
};

/// Training, as a callback sees and steers it.
#[derive(Debug)]
pub struct Context<'a> {
    pub(crate) trainer: &'a mut Trainer,
    pub(crate) run: &'a mut Run,
}

impl Context<'_> {
    /// The epoch that training ends before, counted from 0.
    #[must_use]
    pub const fn epochs(&self) -> usize {
        self.run.epochs
    }

    /// The number of batches of an epoch, if it is known.
    #[must_use]
    pub const fn steps(&self) -> Option<usize> {
        self.run.steps
    }

    /// The epoch, counted from 0.
    #[must_use]
    pub const fn epoch(&self) -> usize {
        self.run.epoch
    }

    /// Model, optimizer, losses and metrics.
    #[must_use]
    pub const fn trainer(&self) -> &Trainer {
        self.trainer
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Model {
        self.trainer.model()
    }

    /// The epochs so far.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.run.history
    }

    /// Whether training was interrupted and goes on now.
    #[must_use]
    pub const fn is_resumed(&self) -> bool {
        self.run.is_resumed
    }

    /// Ends training: after this batch and its epoch's validation, or after this epoch.
    pub const fn stop_training(&mut self) {
        self.run.stop = true;
    }

    /// Whether training is about to end, because a callback has said so.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        self.run.stop
    }

    /// The learning rate of the next step.
    ///
    /// # Errors
    ///
    /// If the device cannot be read.
    pub fn learning_rate(&self) -> Result<f64> {
        Ok(self.trainer.optimizer().learning_rate()?)
    }

    /// Changes the learning rate from the next step on.
    ///
    /// # Errors
    ///
    /// If it follows a schedule, or the new one is not finite.
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        Ok(self.trainer.optimizer().set_learning_rate(learning_rate)?)
    }

    /// Copies of all weights and states of the model, in the order of [`Model::weights`].
    ///
    /// # Errors
    ///
    /// If the device cannot be read.
    pub fn weights(&self) -> Result<Vec<Tensor>> {
        let weights = self.model().weights();
        weights.map(|weight| Ok(weight.variable().value()?)).collect()
    }

    /// Replaces all weights and states of the model, in the order of [`Model::weights`].
    ///
    /// # Errors
    ///
    /// If there are more or fewer, or one is of another shape or element type; then nothing
    /// has changed.
    pub fn set_weights(&mut self, values: &[Tensor]) -> Result<()> {
        let variables = self.model().variables();
        if variables.len() != values.len() {
            return Err(Error::invalid(
                "the weights cannot be replaced",
                format_args!("{} tensors", variables.len()),
            )
            .got(values.len()));
        }
        for (variable, value) in variables.iter().zip(values) {
            if *variable.spec() != value.spec() {
                return Err(Error::invalid(
                    format_args!("weight `{}` cannot be replaced", variable.name()),
                    variable.spec(),
                )
                .got(value.spec()));
            }
        }
        for (variable, value) in variables.iter().zip(values) {
            variable.set(value)?;
        }
        Ok(())
    }

    /// Puts the averages of the weights in their place, or takes them back; see `use_ema` of
    /// the optimizers. Does nothing if it is so already.
    ///
    /// # Errors
    ///
    /// If the optimizer keeps no averages.
    pub fn use_averages(&mut self, wanted: bool) -> Result<()> {
        self.trainer.use_averages(wanted)
    }

    /// The loss of the last training step alone.
    #[must_use]
    pub const fn batch_loss(&self) -> f32 {
        self.run.loss
    }

    /// Loss and metrics over the epoch's batches so far, or the evaluation's; read from the
    /// device when first asked for after a step.
    ///
    /// # Errors
    ///
    /// If the device cannot be read.
    pub fn logs(&mut self) -> Result<&Logs> {
        if self.run.logs.is_none() {
            self.run.logs = Some(self.trainer.logs()?);
        }
        Ok(self.run.logs.get_or_insert_default())
    }

    /// Loss and metrics of other data; the epoch's own are not touched.
    ///
    /// # Errors
    ///
    /// As [`Trainer::evaluate_with`].
    pub fn evaluate<'s>(
        &mut self,
        data: impl Into<Source<'s>>,
        evaluate: Evaluate<'s>,
    ) -> Result<Logs> {
        let kept = self.trainer.tracked()?;
        let logs = self.trainer.evaluate_with(data, evaluate);
        self.trainer.set_tracked(&kept)?;
        logs
    }

    /// Saves the model with its optimizer, see [`Trainer::save`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.trainer.save(path)
    }

    /// Saves the weights, see [`Trainer::save_weights`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        self.trainer.save_weights(path)
    }

    /// Has a checkpoint written to that file when all callbacks have seen this batch or epoch:
    /// all that is needed to go on as if training had not been interrupted.
    pub fn write_checkpoint(&mut self, path: impl AsRef<Path>) {
        self.run.checkpoint = Some(path.as_ref().to_path_buf());
    }

    /// Has a line shown on standard error, beside the progress line.
    pub fn print(&mut self, line: impl Into<String>) {
        self.run.messages.push(line.into());
    }

    /// The names of the values in an epoch's logs; those of validation may be missing in some.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.run.names
    }

    /// Whether a value of the logs is better when it is larger or smaller, if that is known.
    pub(crate) fn better(&self, name: &str) -> Option<Better> {
        self.trainer.better(name.strip_prefix("val_").unwrap_or(name))
    }
}
