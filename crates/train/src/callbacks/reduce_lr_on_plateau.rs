//! Lowering the learning rate when a value gets no better: [`ReduceLROnPlateau`].

use serde::{Deserialize, Serialize};

use super::monitor::{Monitor, monitor_setters};
use crate::{Callback, Context, Error, Logs, Result, State};

/// Lowers the learning rate when a value has not become better for some epochs.
///
/// The epoch's learning rate is added to the logs as `learning_rate`.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Compile, Fit, Trainable, callbacks::ReduceLROnPlateau};
///
/// let x = Tensor::zeros(DType::F32, [8, 2]);
/// let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
/// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
/// let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
/// let reduce = ReduceLROnPlateau::new().monitor("loss").factor(0.5).patience(2);
/// let fit = Fit::new().epochs(4).verbose(0).callback(reduce);
/// let rates = trainer.fit(&data, fit)?.get("learning_rate").unwrap().to_vec();
/// assert_eq!(rates[2..], [f64::from(0.01f32), f64::from(0.005f32)]);
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `keras.callbacks.ReduceLROnPlateau`, with the same defaults.
#[derive(Clone, Debug)]
pub struct ReduceLROnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    cooldown: usize,
    min_lr: f64,
    verbose: bool,
    now: Now,
}

/// What changes while it watches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Now {
    wait: usize,
    cooldown: usize,
    best: Option<f64>,
}

impl Default for ReduceLROnPlateau {
    fn default() -> Self {
        Self::new()
    }
}

impl ReduceLROnPlateau {
    /// A tenth of the learning rate after 10 epochs in which `val_loss` was not better.
    #[must_use]
    pub fn new() -> Self {
        Self {
            monitor: Monitor::new("val_loss", 1e-4),
            factor: 0.1,
            patience: 10,
            cooldown: 0,
            min_lr: 0.0,
            verbose: false,
            now: Now::default(),
        }
    }

    monitor_setters!("0.0001");

    /// Sets what the learning rate is multiplied by; 0.1 by default.
    #[must_use]
    pub const fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Sets after how many epochs without a better value it acts; 10 by default.
    #[must_use]
    pub const fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// Sets how many epochs it rests after it has acted; 0 by default.
    #[must_use]
    pub const fn cooldown(mut self, epochs: usize) -> Self {
        self.cooldown = epochs;
        self
    }

    /// Sets the lowest learning rate; 0 by default.
    #[must_use]
    pub const fn min_lr(mut self, learning_rate: f64) -> Self {
        self.min_lr = learning_rate;
        self
    }

    /// Sets whether it says what it does; false by default.
    #[must_use]
    pub const fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Lowers the learning rate, if it is not the lowest.
    fn reduce(&self, epoch: usize, context: &mut Context<'_>) -> Result<bool> {
        let old = context.learning_rate()?;
        if old <= f64::from(self.min_lr as f32) {
            return Ok(false);
        }
        let new = (old * self.factor).max(self.min_lr);
        context.set_learning_rate(new)?;
        if self.verbose {
            context.print(format!(
                "Epoch {}: ReduceLROnPlateau reducing learning rate to {new}.",
                epoch + 1
            ));
        }
        Ok(true)
    }
}

impl Callback for ReduceLROnPlateau {
    fn name(&self) -> &'static str {
        "ReduceLROnPlateau"
    }

    fn adds(&self) -> Vec<String> {
        vec!["learning_rate".to_owned()]
    }

    fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        if !(self.factor > 0.0 && self.factor < 1.0) {
            let error = Error::invalid("factor", "a number between 0 and 1");
            return Err(error.got(self.factor));
        }
        self.now = Now::default();
        self.monitor.resolve(context)?;
        // Fails now where it would have to fail after the first plateau.
        context.set_learning_rate(context.learning_rate()?)
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        logs.set("learning_rate", context.learning_rate()?);
        let Some(current) = self.monitor.value(logs) else { return Ok(()) };
        if self.now.cooldown > 0 {
            self.now.cooldown -= 1;
            self.now.wait = 0;
        }
        if self.monitor.is_better(current, self.now.best) {
            (self.now.best, self.now.wait) = (Some(current), 0);
        } else if self.now.cooldown == 0 {
            self.now.wait += 1;
            if self.now.wait >= self.patience && self.reduce(epoch, context)? {
                (self.now.cooldown, self.now.wait) = (self.cooldown, 0);
            }
        }
        Ok(())
    }

    fn state(&self) -> Result<State> {
        State::of(&self.now)
    }

    fn restore(&mut self, state: &State, _: &mut Context<'_>) -> Result<()> {
        self.now = state.value()?;
        Ok(())
    }
}
