//! Optimizers and learning-rate schedules, built as graphs.
//!
//! An optimizer is plain data: [`Sgd`], [`RmsProp`], [`Adam`] and the others have Keras's
//! settings under Keras's names. [`OptimizerState`] adds what it remembers about some
//! weights, and writes one training step as a graph that a backend runs in one pass.
//!
//! ```
//! use deckle_autograd::{Device, Function, Group, grad};
//! use deckle_optim::{Adam, CosineDecay, OptimizerState};
//! use deckle_tensor::Tensor;
//!
//! let group = Group::new(&Device::reference());
//! let w = group.variable("w", &Tensor::new(vec![3.0f32, -2.0], [2])?)?;
//! let adam = Adam::new().learning_rate(CosineDecay::new(0.1, 100)).clipnorm(1.0);
//! let state = OptimizerState::new(adam, &[w.clone()], &group)?;
//!
//! let loss = w.read().square()?.sum(..)?;
//! let gradients = grad(&loss, &[&w.read()])?;
//! let step = Function::new([], [&loss]).updates(state.updates(&gradients)?);
//! let step = step.compile(&group.device())?;
//! for _ in 0..100 {
//!     step.call(&[])?;
//! }
//! assert!(step.call(&[])?[0].item::<f32>()? < 0.5);
//! # Ok::<(), deckle_optim::Error>(())
//! ```
//!
//! # The main types
//!
//! - [`Optimizer`] is the rule for one weight, [`AnyOptimizer`] any of them by name or from a
//!   Keras file, [`Common`] the settings that all have.
//! - [`OptimizerState`] is an optimizer at work: steps, saving, loading, learning rate.
//! - [`LearningRate`] is a number or a [`Schedule`]: [`ExponentialDecay`], [`CosineDecay`],
//!   [`CosineDecayRestarts`], [`InverseTimeDecay`], [`PiecewiseConstantDecay`],
//!   [`PolynomialDecay`], and [`Warmup`] before any of them.
//! - [`check_optimizer`] tests what every optimizer promises; use it for your own.
//!
//! # Cookbook
//!
//! - From a name: `AnyOptimizer::named("rmsprop")`; from a file: [`AnyOptimizer::from_keras`].
//! - No weight decay for biases: [`OptimizerState::exclude_from_weight_decay`].
//! - Less or more change of some weights: [`OptimizerState::multiply_learning_rate`].
//! - All data at once, without randomness: [`Lbfgs`].
//! - Another learning rate while training: [`OptimizerState::set_learning_rate`].
//! - Weights averaged over steps: `use_ema(true)`, then [`OptimizerState::finalize`].

#![forbid(unsafe_code)]

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adam_w;
mod adamax;
mod any;
mod betas;
mod check;
mod class;
mod clip;
mod config;
mod error;
mod ftrl;
mod lamb;
mod lbfgs;
mod lion;
mod loss_scale;
mod moments;
mod muon;
mod nadam;
mod optimizer;
mod rms_prop;
mod schedule;
mod schedule_free_adam_w;
mod schedules;
mod sgd;
mod state;
mod step;
mod update;

pub use adadelta::Adadelta;
pub use adafactor::Adafactor;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adam_w::AdamW;
pub use adamax::Adamax;
pub use any::AnyOptimizer;
pub use check::check_optimizer;
pub use error::{Error, Result};
pub use ftrl::Ftrl;
pub use lamb::Lamb;
pub use lbfgs::{Lbfgs, Minimum};
pub use lion::Lion;
pub use loss_scale::{LossScale, LossScaleOptimizer};
pub use muon::Muon;
pub use nadam::Nadam;
pub use optimizer::{Common, Optimizer};
pub use rms_prop::RmsProp;
pub use schedule::{AnySchedule, LearningRate, Schedule};
pub use schedule_free_adam_w::ScheduleFreeAdamW;
pub use schedules::{
    CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay,
    PiecewiseConstantDecay, PolynomialDecay, Warmup,
};
pub use sgd::Sgd;
pub use state::OptimizerState;
pub use step::{Slot, Step, Updated};
