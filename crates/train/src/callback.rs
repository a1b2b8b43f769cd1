//! What watches training and steps in: [`Callback`], and what it remembers: [`State`].

use std::path::PathBuf;

use deckle_tensor::Tensor;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Context, Error, Logs, Result};

/// What is told of the events of training, and may stop it, save, or change the learning rate.
///
/// Every hook does nothing unless it is written. Epochs and batches are counted from 0.
/// Hooks at batches cost nothing as long as they do not ask for [`Context::logs`], which reads
/// the metrics from the device.
///
/// Give a callback to `fit` by value, or by reference to read its results afterwards.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Callback, Compile, Context, Fit, Logs, Result, Trainable};
///
/// /// Stops when the loss is good enough.
/// struct GoodEnough {
///     loss: f64,
///     epochs: usize,
/// }
///
/// impl Callback for GoodEnough {
///     fn name(&self) -> &str {
///         "GoodEnough"
///     }
///
///     fn on_epoch_end(
///         &mut self,
///         epoch: usize,
///         logs: &mut Logs,
///         context: &mut Context<'_>,
///     ) -> Result<()> {
///         self.epochs = epoch + 1;
///         if logs.loss() < self.loss {
///             context.stop_training();
///         }
///         Ok(())
///     }
/// }
///
/// let x = Tensor::zeros(DType::F32, [8, 2]);
/// let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
/// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
/// let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
/// let mut good_enough = GoodEnough { loss: 0.1, epochs: 0 };
/// trainer.fit(&data, Fit::new().epochs(5).verbose(0).callback(&mut good_enough))?;
/// assert_eq!(good_enough.epochs, 1);
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `keras.callbacks.Callback`. Batches' logs come from [`Context::logs`].
pub trait Callback {
    /// What it is called in errors and checkpoints: its type's name.
    fn name(&self) -> &str;

    /// The names of values that it adds to an epoch's logs, so that others can monitor them.
    fn adds(&self) -> Vec<String> {
        Vec::new()
    }

    /// The checkpoint that training is to be resumed from, if there is one.
    ///
    /// # Errors
    ///
    /// If that cannot be found out.
    fn resume_from(&self) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    /// Before the first epoch. After a resume, [`Context::is_resumed`], and
    /// [`Callback::restore`] follows.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        let _ = context;
        Ok(())
    }

    /// After the last epoch; not if training failed.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_train_end(&mut self, context: &mut Context<'_>) -> Result<()> {
        let _ = context;
        Ok(())
    }

    /// Before an epoch; not again if training is resumed within it.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_epoch_begin(&mut self, epoch: usize, context: &mut Context<'_>) -> Result<()> {
        let _ = (epoch, context);
        Ok(())
    }

    /// After an epoch and its validation. What is added to `logs` reaches the callbacks after
    /// this one, the progress line and the history.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let _ = (epoch, logs, context);
        Ok(())
    }

    /// Before a training step.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_train_batch_begin(
        &mut self,
        batch: usize,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let _ = (batch, context);
        Ok(())
    }

    /// After a training step.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_train_batch_end(
        &mut self,
        batch: usize,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let _ = (batch, context);
        Ok(())
    }

    /// After a training step whose loss, [`Context::batch_loss`], is NaN or infinite; it has
    /// changed no weight. Unless a callback stops training, `fit` fails.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_not_finite(&mut self, batch: usize, context: &mut Context<'_>) -> Result<()> {
        let _ = (batch, context);
        Ok(())
    }

    /// Before an evaluation, a validation included.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_test_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        let _ = context;
        Ok(())
    }

    /// After an evaluation, with its values under their own names.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_test_end(&mut self, logs: &Logs, context: &mut Context<'_>) -> Result<()> {
        let _ = (logs, context);
        Ok(())
    }

    /// Before a batch of an evaluation.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_test_batch_begin(
        &mut self,
        batch: usize,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let _ = (batch, context);
        Ok(())
    }

    /// After a batch of an evaluation.
    ///
    /// # Errors
    ///
    /// What is to stop training with an error.
    fn on_test_batch_end(
        &mut self,
        batch: usize,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let _ = (batch, context);
        Ok(())
    }

    /// What it has to remember over an interruption; nothing by default.
    ///
    /// # Errors
    ///
    /// If it cannot be written down.
    fn state(&self) -> Result<State> {
        Ok(State::default())
    }

    /// Goes on from what [`Callback::state`] gave.
    ///
    /// # Errors
    ///
    /// If it is not a state of this callback.
    fn restore(&mut self, state: &State, context: &mut Context<'_>) -> Result<()> {
        let _ = (state, context);
        Ok(())
    }
}

macro_rules! callback_behind {
    ($($pointer:ty),*) => {$(
        impl<C: Callback + ?Sized> Callback for $pointer {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn adds(&self) -> Vec<String> {
                (**self).adds()
            }

            fn resume_from(&self) -> Result<Option<PathBuf>> {
                (**self).resume_from()
            }

            fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
                (**self).on_train_begin(context)
            }

            fn on_train_end(&mut self, context: &mut Context<'_>) -> Result<()> {
                (**self).on_train_end(context)
            }

            fn on_epoch_begin(
                &mut self,
                epoch: usize,
                context: &mut Context<'_>,
            ) -> Result<()> {
                (**self).on_epoch_begin(epoch, context)
            }

            fn on_epoch_end(
                &mut self,
                epoch: usize,
                logs: &mut Logs,
                context: &mut Context<'_>,
            ) -> Result<()> {
                (**self).on_epoch_end(epoch, logs, context)
            }

            fn on_train_batch_begin(
                &mut self,
                batch: usize,
                context: &mut Context<'_>,
            ) -> Result<()> {
                (**self).on_train_batch_begin(batch, context)
            }

            fn on_train_batch_end(
                &mut self,
                batch: usize,
                context: &mut Context<'_>,
            ) -> Result<()> {
                (**self).on_train_batch_end(batch, context)
            }

            fn on_not_finite(
                &mut self,
                batch: usize,
                context: &mut Context<'_>,
            ) -> Result<()> {
                (**self).on_not_finite(batch, context)
            }

            fn on_test_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
                (**self).on_test_begin(context)
            }

            fn on_test_end(
                &mut self,
                logs: &Logs,
                context: &mut Context<'_>,
            ) -> Result<()> {
                (**self).on_test_end(logs, context)
            }

            fn on_test_batch_begin(
                &mut self,
                batch: usize,
                context: &mut Context<'_>,
            ) -> Result<()> {
                (**self).on_test_batch_begin(batch, context)
            }

            fn on_test_batch_end(
                &mut self,
                batch: usize,
                context: &mut Context<'_>,
            ) -> Result<()> {
                (**self).on_test_batch_end(batch, context)
            }

            fn state(&self) -> Result<State> {
                (**self).state()
            }

            fn restore(
                &mut self,
                state: &State,
                context: &mut Context<'_>,
            ) -> Result<()> {
                (**self).restore(state, context)
            }
        }
    )*};
}

callback_behind!(&mut C, Box<C>);

/// What a callback remembers over an interruption: values, and tensors beside them.
///
/// # Examples
///
/// ```
/// use deckle_train::State;
///
/// let state = State::of(&(3usize, f64::NEG_INFINITY))?;
/// assert_eq!(state.value::<(usize, f64)>()?, (3, f64::NEG_INFINITY));
/// assert!(State::default().is_empty());
/// # Ok::<(), deckle_train::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(crate) bytes: Vec<u8>,
    pub(crate) tensors: Vec<Tensor>,
}

impl State {
    /// The state that these values are.
    ///
    /// # Errors
    ///
    /// If they cannot be serialized.
    pub fn of(values: &impl Serialize) -> Result<Self> {
        let bytes = postcard::to_stdvec(values).map_err(|error| {
            Error::invalid("a callback's state cannot be written", "plain values")
                .got(error)
        })?;
        Ok(Self { bytes, tensors: Vec::new() })
    }

    /// Adds tensors.
    #[must_use]
    pub fn tensors(mut self, tensors: impl IntoIterator<Item = Tensor>) -> Self {
        self.tensors.extend(tensors);
        self
    }

    /// The values.
    ///
    /// # Errors
    ///
    /// If they are of another type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T> {
        postcard::from_bytes(&self.bytes).map_err(|error| {
            Error::invalid("a callback's state cannot be read", "what it has written")
                .got(error)
        })
    }

    /// The tensors.
    #[must_use]
    pub fn all_tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.tensors.is_empty()
    }
}
