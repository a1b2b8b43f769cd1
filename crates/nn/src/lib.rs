//! Layers, activations, initializers, losses, and the models made of them.
#![forbid(unsafe_code)]

mod activation;
mod call;
mod check;
mod config;
mod error;
mod init;
mod initializer;
pub mod keras;
mod layer;
pub mod layers;
mod loss;
pub mod losses;
mod model;
mod regularizer;
mod summary;
mod symbol;

pub use activation::Activation;
pub use call::{Call, Inputs, Randomness, stream};
pub use check::{check_layer, check_layer_on};
pub use config::Registry;
pub use error::{Error, Result, did_you_mean};
pub use init::{Init, Weight};
pub use initializer::{Fan, Initializer, Spread};
pub use layer::{AnyLayer, Built, Layer, LayerExt, LayerHandle, expect};
pub use loss::{AnyLoss, Loss, Reduction, align, reduce};
pub use model::{
    Functional, LayerCall, Model, ModelLayer, Sequential, TensorRef, snake_case,
};
pub use regularizer::Regularizer;
pub use summary::Summary;
pub use symbol::{InputLayer, Symbol};
