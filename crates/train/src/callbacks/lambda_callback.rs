//! Closures as a callback: [`LambdaCallback`].

use std::fmt;

use crate::{Callback, Context, Logs, Result};

type OfTraining<'a> = Box<dyn FnMut(&mut Context<'_>) -> Result<()> + 'a>;
type OfNumber<'a> = Box<dyn FnMut(usize, &mut Context<'_>) -> Result<()> + 'a>;
type OfEpochEnd<'a> =
    Box<dyn FnMut(usize, &mut Logs, &mut Context<'_>) -> Result<()> + 'a>;

/// Calls closures at the events of training.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Compile, Fit, Trainable, callbacks::LambdaCallback};
///
/// let x = Tensor::zeros(DType::F32, [8, 2]);
/// let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
/// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
/// let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
/// let mut batches = 0;
/// let count = LambdaCallback::new().on_train_batch_end(|_, _| {
///     batches += 1;
///     Ok(())
/// });
/// trainer.fit(&data, Fit::new().epochs(3).batch_size(4).verbose(0).callback(count))?;
/// assert_eq!(batches, 6);
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `keras.callbacks.LambdaCallback`.
#[derive(Default)]
pub struct LambdaCallback<'a> {
    train_begin: Option<OfTraining<'a>>,
    train_end: Option<OfTraining<'a>>,
    epoch_begin: Option<OfNumber<'a>>,
    epoch_end: Option<OfEpochEnd<'a>>,
    train_batch_begin: Option<OfNumber<'a>>,
    train_batch_end: Option<OfNumber<'a>>,
}

impl<'a> LambdaCallback<'a> {
    /// Calls nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is called before the first epoch.
    #[must_use]
    pub fn on_train_begin(
        mut self,
        call: impl FnMut(&mut Context<'_>) -> Result<()> + 'a,
    ) -> Self {
        self.train_begin = Some(Box::new(call));
        self
    }

    /// Sets what is called after the last epoch.
    #[must_use]
    pub fn on_train_end(
        mut self,
        call: impl FnMut(&mut Context<'_>) -> Result<()> + 'a,
    ) -> Self {
        self.train_end = Some(Box::new(call));
        self
    }

    /// Sets what is called before an epoch.
    #[must_use]
    pub fn on_epoch_begin(
        mut self,
        call: impl FnMut(usize, &mut Context<'_>) -> Result<()> + 'a,
    ) -> Self {
        self.epoch_begin = Some(Box::new(call));
        self
    }

    /// Sets what is called after an epoch.
    #[must_use]
    pub fn on_epoch_end(
        mut self,
        call: impl FnMut(usize, &mut Logs, &mut Context<'_>) -> Result<()> + 'a,
    ) -> Self {
        self.epoch_end = Some(Box::new(call));
        self
    }

    /// Sets what is called before a training step.
    #[must_use]
    pub fn on_train_batch_begin(
        mut self,
        call: impl FnMut(usize, &mut Context<'_>) -> Result<()> + 'a,
    ) -> Self {
        self.train_batch_begin = Some(Box::new(call));
        self
    }

    /// Sets what is called after a training step.
    #[must_use]
    pub fn on_train_batch_end(
        mut self,
        call: impl FnMut(usize, &mut Context<'_>) -> Result<()> + 'a,
    ) -> Self {
        self.train_batch_end = Some(Box::new(call));
        self
    }
}

impl fmt::Debug for LambdaCallback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LambdaCallback").finish_non_exhaustive()
    }
}

impl Callback for LambdaCallback<'_> {
    fn name(&self) -> &'static str {
        "LambdaCallback"
    }

    fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        self.train_begin.as_mut().map_or(Ok(()), |call| call(context))
    }

    fn on_train_end(&mut self, context: &mut Context<'_>) -> Result<()> {
        self.train_end.as_mut().map_or(Ok(()), |call| call(context))
    }

    fn on_epoch_begin(&mut self, epoch: usize, context: &mut Context<'_>) -> Result<()> {
        self.epoch_begin.as_mut().map_or(Ok(()), |call| call(epoch, context))
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        self.epoch_end.as_mut().map_or(Ok(()), |call| call(epoch, logs, context))
    }

    fn on_train_batch_begin(
        &mut self,
        batch: usize,
        context: &mut Context<'_>,
    ) -> Result<()> {
        self.train_batch_begin.as_mut().map_or(Ok(()), |call| call(batch, context))
    }

    fn on_train_batch_end(
        &mut self,
        batch: usize,
        context: &mut Context<'_>,
    ) -> Result<()> {
        self.train_batch_end.as_mut().map_or(Ok(()), |call| call(batch, context))
    }
}
