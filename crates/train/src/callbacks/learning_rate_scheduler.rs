//! A learning rate for each epoch: [`LearningRateScheduler`].

use std::fmt;

use crate::{Callback, Context, Logs, Result};

/// Sets the learning rate at the beginning of each epoch.
///
/// The epoch's learning rate is added to the logs as `learning_rate`.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Compile, Fit, Trainable, callbacks::LearningRateScheduler};
///
/// let x = Tensor::zeros(DType::F32, [8, 2]);
/// let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
/// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
/// let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
/// let halve = LearningRateScheduler::new(|epoch, rate| if epoch == 0 { 0.5 } else { rate / 2.0 });
/// let history = trainer.fit(&data, Fit::new().epochs(3).verbose(0).callback(halve))?;
/// assert_eq!(history.get("learning_rate"), Some(&[0.5, 0.25, 0.125][..]));
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `keras.callbacks.LearningRateScheduler`.
pub struct LearningRateScheduler<'a> {
    schedule: Box<dyn FnMut(usize, f64) -> f64 + 'a>,
    verbose: bool,
}

impl<'a> LearningRateScheduler<'a> {
    /// Sets the learning rate that `schedule` makes of epoch, counted from 0, and learning rate.
    pub fn new(schedule: impl FnMut(usize, f64) -> f64 + 'a) -> Self {
        Self { schedule: Box::new(schedule), verbose: false }
    }

    /// Sets whether it says what it does; false by default.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }
}

impl fmt::Debug for LearningRateScheduler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LearningRateScheduler").finish_non_exhaustive()
    }
}

impl Callback for LearningRateScheduler<'_> {
    fn name(&self) -> &'static str {
        "LearningRateScheduler"
    }

    fn adds(&self) -> Vec<String> {
        vec!["learning_rate".to_owned()]
    }

    fn on_epoch_begin(&mut self, epoch: usize, context: &mut Context<'_>) -> Result<()> {
        let rate = (self.schedule)(epoch, context.learning_rate()?);
        context.set_learning_rate(rate)?;
        if self.verbose {
            context.print(format!(
                "Epoch {}: LearningRateScheduler setting learning rate to {rate}.",
                epoch + 1
            ));
        }
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        _: usize,
        logs: &mut Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        logs.set("learning_rate", context.learning_rate()?);
        Ok(())
    }
}
