//! Stopping when a value gets no better: [`EarlyStopping`].

use deckle_tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::monitor::{Monitor, monitor_setters};
use crate::{Callback, Context, Logs, Result, State};

/// Stops training when a value has not become better for some epochs.
///
/// # Examples
///
/// See [`callbacks`](crate::callbacks).
///
/// # Keras
///
/// `keras.callbacks.EarlyStopping`, with the same defaults. A value that does not exist is an
/// error before training.
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: usize,
    baseline: Option<f64>,
    restore_best_weights: bool,
    start_from_epoch: usize,
    verbose: bool,
    now: Now,
    best_weights: Option<Vec<Tensor>>,
}

/// What changes while it watches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Now {
    wait: usize,
    stopped_epoch: Option<usize>,
    best: Option<f64>,
    best_epoch: usize,
    has_weights: bool,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self::new()
    }
}

impl EarlyStopping {
    /// Stops at the first epoch whose `val_loss` is not better.
    #[must_use]
    pub fn new() -> Self {
        Self {
            monitor: Monitor::new("val_loss", 0.0),
            patience: 0,
            baseline: None,
            restore_best_weights: false,
            start_from_epoch: 0,
            verbose: false,
            now: Now::default(),
            best_weights: None,
        }
    }

    monitor_setters!("0");

    /// Sets after how many epochs without a better value training stops; 0 by default.
    #[must_use]
    pub const fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// Sets a value that has to be reached for the patience to begin anew; none by default.
    #[must_use]
    pub const fn baseline(mut self, value: f64) -> Self {
        self.baseline = Some(value);
        self
    }

    /// Sets whether the weights of the best epoch are put back at the end, even if training
    /// was not stopped; false by default.
    #[must_use]
    pub const fn restore_best_weights(mut self, restore: bool) -> Self {
        self.restore_best_weights = restore;
        self
    }

    /// Sets the first epoch that is watched, counted from 0; 0 by default.
    #[must_use]
    pub const fn start_from_epoch(mut self, epoch: usize) -> Self {
        self.start_from_epoch = epoch;
        self
    }

    /// Sets whether it says what it does; false by default.
    #[must_use]
    pub const fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// The epoch, counted from 0, after which it has stopped training.
    #[must_use]
    pub const fn stopped_epoch(&self) -> Option<usize> {
        self.now.stopped_epoch
    }

    /// The best epoch, counted from 0.
    #[must_use]
    pub const fn best_epoch(&self) -> usize {
        self.now.best_epoch
    }

    /// The best value.
    #[must_use]
    pub const fn best(&self) -> Option<f64> {
        self.now.best
    }

    /// For how many epochs the value has not been better.
    #[must_use]
    pub const fn wait(&self) -> usize {
        self.now.wait
    }
}

impl Callback for EarlyStopping {
    fn name(&self) -> &'static str {
        "EarlyStopping"
    }

    fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        (self.now, self.best_weights) = (Now::default(), None);
        self.monitor.resolve(context)
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let Some(current) = self.monitor.value(logs) else { return Ok(()) };
        if epoch < self.start_from_epoch {
            return Ok(());
        }
        let now = &mut self.now;
        if self.restore_best_weights && self.best_weights.is_none() {
            self.best_weights = Some(context.weights()?);
            now.best_epoch = epoch;
        }
        now.wait += 1;
        if self.monitor.is_better(current, now.best) {
            (now.best, now.best_epoch) = (Some(current), epoch);
            if self.restore_best_weights {
                self.best_weights = Some(context.weights()?);
            }
            if self.monitor.is_better(current, self.baseline) {
                now.wait = 0;
            }
        } else if now.wait >= self.patience && epoch > 0 {
            now.stopped_epoch = Some(epoch);
            context.stop_training();
        }
        Ok(())
    }

    fn on_train_end(&mut self, context: &mut Context<'_>) -> Result<()> {
        if let (Some(epoch), true) = (self.now.stopped_epoch, self.verbose) {
            context.print(format!("Epoch {}: early stopping", epoch + 1));
        }
        if let Some(weights) = &self.best_weights {
            if self.verbose {
                context.print(format!(
                    "Restoring model weights from the end of the best epoch: {}.",
                    self.now.best_epoch + 1
                ));
            }
            context.set_weights(weights)?;
        }
        Ok(())
    }

    fn state(&self) -> Result<State> {
        let has_weights = self.best_weights.is_some();
        let state = State::of(&Now { has_weights, ..self.now.clone() })?;
        Ok(state.tensors(self.best_weights.iter().flatten().cloned()))
    }

    fn restore(&mut self, state: &State, _: &mut Context<'_>) -> Result<()> {
        self.now = state.value()?;
        self.best_weights = self.now.has_weights.then(|| state.all_tensors().to_vec());
        Ok(())
    }
}
