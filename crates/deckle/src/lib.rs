//! Deep learning in pure Rust: one `cargo add`, no Python, no C++.
//!
//! ```no_run
//! use deckle::{datasets::mnist, prelude::*};
//!
//! fn main() -> Result<()> {
//!     let (train, test) = mnist::load()?;
//!     let model = Sequential::new([28, 28])
//!         .add(Rescaling::new(1.0 / 255.0))
//!         .add(Flatten::new())
//!         .add(Dense::new(512).activation(Relu))
//!         .add(Dense::new(10).activation(Softmax))
//!         .seed(42)
//!         .build()?;
//!     let mut trainer = model.compile(
//!         Compile::new(RmsProp::new(), SparseCategoricalCrossentropy::new())
//!             .metric(Accuracy::new()),
//!     )?;
//!     trainer.fit(&train, Fit::new().epochs(5).batch_size(128))?;
//!     println!("{}", trainer.evaluate(&test)?);
//!     Ok(())
//! }
//! ```
//!
//! This crate only gathers the others under one name; each can be used alone.
//!
//! | module        | what it holds                                                          |
//! |---------------|------------------------------------------------------------------------|
//! | [`tensor`]    | [`Tensor`](tensor::Tensor), primitives, programs, backends, `.npy/.npz` |
//! | [`autograd`]  | [`Var`](autograd::Var), gradients of any order, compiled functions      |
//! | [`nn`]        | layers, activations, initializers, losses, models                       |
//! | [`optim`]     | optimizers and learning-rate schedules                                  |
//! | [`data`]      | data sets, batches, preprocessing                                       |
//! | [`datasets`]  | MNIST, IMDB, Reuters and more, downloaded with the feature `download`    |
//! | [`formats`]   | `.keras` archives and HDF5 weights                                      |
//! | [`train`]     | compile, fit, evaluate, predict                                         |
//! | [`plot`]      | curves, graphs of models, grids of images, as SVG and PNG                |
//! | [`cpu`]       | the fast CPU backend, the default device                                |
//!
//! The feature `download` is on by default; without it, nothing of a network is compiled.
//!
//! # Gradients without a model
//!
//! ```
//! use deckle::prelude::*;
//!
//! let x = Var::constant(&Tensor::scalar(3.0f32));
//! let y = &x * &x;
//! let dy = grad(&y, &[&x])?.remove(0);
//! assert_eq!(dy.eval()?.item::<f32>()?, 6.0);
//! # Ok::<(), Error>(())
//! ```
#![forbid(unsafe_code)]

mod error;

pub use deckle_autograd as autograd;
pub use deckle_cpu as cpu;
pub use deckle_data as data;
pub use deckle_datasets as datasets;
pub use deckle_formats as formats;
pub use deckle_nn as nn;
pub use deckle_optim as optim;
pub use deckle_plot as plot;
pub use deckle_tensor as tensor;
pub use deckle_train as train;
pub use error::{Error, Result};

/// What most programs need: `use deckle::prelude::*;`.
///
/// `Softmax` and `Activation` are the functions here; the layers of these names are
/// [`layers::Softmax`](struct@crate::nn::layers::Softmax) and
/// [`layers::Activation`](struct@crate::nn::layers::Activation) of the module `nn`.
pub mod prelude {
    pub use deckle_autograd::{Device, Function, Var, Variable, grad};
    pub use deckle_cpu::Cpu;
    pub use deckle_data::{
        Arrays, Dataset, MultiHot, Sequences, pad_sequences, to_categorical,
    };
    pub use deckle_nn::{
        Activation::{self, Softmax, *},
        Constraint, DTypePolicy, Functional, Initializer, LayerExt, LayerHandle, Loss,
        Model, Regularizer, Sequential, Symbol,
        layers::*,
        losses::*,
    };
    pub use deckle_optim::{
        Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, CosineDecay,
        CosineDecayRestarts, ExponentialDecay, Ftrl, InverseTimeDecay, Lamb, Lbfgs, Lion,
        LossScaleOptimizer, Muon, Nadam, PiecewiseConstantDecay, PolynomialDecay,
        RmsProp, ScheduleFreeAdamW, Sgd, Warmup,
    };
    pub use deckle_tensor::{DType, Dim, Shape, Tensor};
    pub use deckle_train::{
        Accuracy, Callback, Compile, Context, Evaluate, Fit, History, Logs, Metric,
        Predictor, Trainable, Trainer,
        callbacks::{
            BackupAndRestore, CSVLogger, EarlyStopping, LambdaCallback,
            LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau, SwapEMAWeights,
            TensorBoard, TerminateOnNaN,
        },
    };

    pub use crate::{Error, Result};
}

/// Tests the code on that page of the book.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/book/src/coming_from_keras.md")]
struct ComingFromKeras;
