//! Ending training at a loss that is not finite: [`TerminateOnNaN`].

use crate::{Callback, Context, Result};

/// Ends training, without an error, at a loss that is NaN or infinite.
///
/// The weights are those from before that batch, and the epoch's logs hold its loss. Without
/// this callback, `fit` fails there.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Compile, Fit, Trainable, callbacks::TerminateOnNaN};
///
/// let x = Tensor::full([8, 2], f32::NAN);
/// let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
/// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
/// let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
/// let fit = || Fit::new().epochs(9).verbose(0);
/// assert!(trainer.fit(&data, fit()).is_err());
/// let history = trainer.fit(&data, fit().callback(TerminateOnNaN::new()))?;
/// assert_eq!(history.epochs(), [0]);
/// assert!(history.get("loss").unwrap()[0].is_nan());
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `keras.callbacks.TerminateOnNaN`, whose weights are NaN by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TerminateOnNaN;

impl TerminateOnNaN {
    /// The callback.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Callback for TerminateOnNaN {
    fn name(&self) -> &'static str {
        "TerminateOnNaN"
    }

    fn on_not_finite(&mut self, batch: usize, context: &mut Context<'_>) -> Result<()> {
        context.print(format!("Batch {batch}: Invalid loss, terminating training"));
        context.stop_training();
        Ok(())
    }
}
