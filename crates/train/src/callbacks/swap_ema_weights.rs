//! Evaluating with the averages of the weights: [`SwapEMAWeights`].

use crate::{Callback, Context, Logs, Result};

/// Puts the averages of the weights in their place while the model is evaluated.
///
/// The optimizer has to keep averages: `use_ema(true)`.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense, losses::MeanSquaredError};
/// use deckle_optim::Sgd;
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Compile, Fit, Trainable, callbacks::SwapEMAWeights};
///
/// let x = Tensor::full([8, 1], 1.0f32);
/// let data = Arrays::new(x, Tensor::full([8, 1], 3.0f32))?;
/// let model = Sequential::new([1]).add(Dense::new(1)).build()?;
/// let sgd = Sgd::new().use_ema(true).ema_momentum(0.5);
/// let mut trainer = model.compile(Compile::new(sgd, MeanSquaredError::new()))?;
/// let fit = Fit::new().epochs(2).validation_data(&data).verbose(0);
/// let history = trainer.fit(&data, fit.callback(SwapEMAWeights::new()))?;
/// // The averages lag behind, and they are what remains.
/// assert_eq!(history.last("val_loss"), Some(trainer.evaluate(&data)?.loss()));
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `keras.callbacks.SwapEMAWeights`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwapEMAWeights {
    swap_on_epoch: bool,
}

impl SwapEMAWeights {
    /// Averages during evaluations only.
    #[must_use]
    pub const fn new() -> Self {
        Self { swap_on_epoch: false }
    }

    /// Sets whether the averages are there from the end of an epoch to the next one's
    /// beginning, so that callbacks after this one save them; false by default.
    #[must_use]
    pub const fn swap_on_epoch(mut self, swap: bool) -> Self {
        self.swap_on_epoch = swap;
        self
    }
}

impl Callback for SwapEMAWeights {
    fn name(&self) -> &'static str {
        "SwapEMAWeights"
    }

    fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        context.trainer().check_averages()
    }

    fn on_epoch_begin(&mut self, _: usize, context: &mut Context<'_>) -> Result<()> {
        context.use_averages(false)
    }

    fn on_epoch_end(
        &mut self,
        _: usize,
        _: &mut Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        if self.swap_on_epoch { context.use_averages(true) } else { Ok(()) }
    }

    fn on_test_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        context.use_averages(true)
    }

    fn on_test_end(&mut self, _: &Logs, context: &mut Context<'_>) -> Result<()> {
        context.use_averages(false)
    }
}
