//! Callbacks: what is done at epochs and batches besides training.
//!
//! | callback                  | what it does                                               |
//! |---------------------------|------------------------------------------------------------|
//! | [`EarlyStopping`]         | stops when a value gets no better                          |
//! | [`ReduceLROnPlateau`]     | lowers the learning rate when a value gets no better       |
//! | [`LearningRateScheduler`] | sets the learning rate of each epoch                       |
//! | [`ModelCheckpoint`]       | saves the model, always or when it is the best so far      |
//! | [`BackupAndRestore`]      | lets interrupted training go on, bit for bit               |
//! | [`CSVLogger`]             | writes the epochs' values to a CSV file                    |
//! | [`TensorBoard`]           | writes values, weights and the graph for TensorBoard       |
//! | [`TerminateOnNaN`]        | ends training at a loss that is not finite                 |
//! | [`SwapEMAWeights`]        | evaluates and saves with the averages of the weights       |
//! | [`LearningRateFinder`]    | tries learning rates, and suggests one                     |
//! | [`LambdaCallback`]        | calls closures                                             |
//! | [`History`](crate::History) | keeps the epochs' values                                 |
//!
//! One of your own implements [`Callback`](crate::Callback).
//!
//! ```
//! use deckle_data::Arrays;
//! use deckle_nn::{Sequential, layers::Dense};
//! use deckle_tensor::{DType, Tensor};
//! use deckle_train::{Compile, Fit, Trainable, callbacks::EarlyStopping};
//!
//! let x = Tensor::zeros(DType::F32, [8, 2]);
//! let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
//! let model = Sequential::new([2]).add(Dense::new(1)).build()?;
//! let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
//! let mut stopping = EarlyStopping::new().monitor("loss").patience(2);
//! let fit = Fit::new().epochs(100).verbose(0).callback(&mut stopping);
//! let history = trainer.fit(&data, fit)?;
//! assert_eq!(history.epochs(), [0, 1, 2]);
//! assert_eq!(stopping.stopped_epoch(), Some(2));
//! # Ok::<(), deckle_train::Error>(())
//! ```

mod backup_and_restore;
mod csv_logger;
mod early_stopping;
mod lambda_callback;
mod learning_rate_finder;
mod learning_rate_scheduler;
mod model_checkpoint;
mod monitor;
mod path_template;
mod reduce_lr_on_plateau;
mod save_freq;
mod swap_ema_weights;
mod tensor_board;
mod terminate_on_nan;

pub use backup_and_restore::BackupAndRestore;
pub use csv_logger::CSVLogger;
pub use early_stopping::EarlyStopping;
pub use lambda_callback::LambdaCallback;
pub use learning_rate_finder::LearningRateFinder;
pub use learning_rate_scheduler::LearningRateScheduler;
pub use model_checkpoint::ModelCheckpoint;
pub(crate) use monitor::Better;
pub use monitor::Mode;
pub use reduce_lr_on_plateau::ReduceLROnPlateau;
pub use save_freq::SaveFreq;
pub use swap_ema_weights::SwapEMAWeights;
pub use tensor_board::TensorBoard;
pub use terminate_on_nan::TerminateOnNaN;

#[cfg(test)]
mod tests;
