//! Layers, activations, initializers, losses, and the models made of them.
//!
//! What you write is data: a layer is a struct with Keras's settings, a model a list or a graph
//! of layers. Building it makes the weights. A model builds graph of
//! [`Var`](deckle_autograd::Var)s; training it is another crate's work.
//!
//! ```
//! use deckle_autograd::Var;
//! use deckle_nn::{Activation::{Relu, Softmax}, Call, Sequential, layers::{Dense, Flatten}};
//! use deckle_tensor::{DType, Tensor};
//!
//! let model = Sequential::new([28, 28])
//!     .add(Flatten::new())
//!     .add(Dense::new(512).activation(Relu))
//!     .add(Dense::new(10).activation(Softmax))
//!     .seed(42)
//!     .build()?;
//! assert_eq!(model.count_params(), 407_050);
//!
//! let images = Var::constant(&Tensor::zeros(DType::F32, [3, 28, 28]));
//! let classes = model.call(&[images], &mut Call::inference())?;
//! assert_eq!(classes[0].eval()?.shape(), [3, 10]);
//! # Ok::<(), deckle_nn::Error>(())
//! ```
//!
//! # What is where
//!
//! | | |
//! |---|---|
//! | [`layers`], [`Activation`], [`Initializer`], [`Regularizer`], [`Constraint`] | what models are made of |
//! | [`Sequential`] | layers one after another |
//! | [`Symbol`], [`Functional`], [`LayerHandle`] | graphs: several inputs and outputs, shared layers |
//! | [`Model`], [`Summary`] | layers with weights |
//! | [`losses`], [`Loss`], [`AnyLoss`] | how far predictions are from the truth |
//! | [`Layer`], [`Built`], [`Init`], [`Inputs`], [`Call`], [`check_layer`] | layers of your own |
//! | [`Registry`], [`Model::from_config`], [`Model::config`] | Keras's `config.json` |
//!
//! # Several inputs, several outputs, a shared layer
//!
//! ```
//! use deckle_nn::{LayerExt, Model, Symbol, layers::{Concatenate, Dense}};
//!
//! let (left, right) = (Symbol::input("left", [4]), Symbol::input("right", [4]));
//! let shared = Dense::new(8).named("shared");
//! let joined = Concatenate::new().join([&shared.apply(&left)?, &shared.apply(&right)?])?;
//! let (score, kind) = (Dense::new(1).apply(&joined)?, Dense::new(3).apply(&joined)?);
//! let model = Model::new([&left, &right], [&score, &kind])?;
//! assert_eq!(model.layer("shared")?.count_params(), 40);
//! # Ok::<(), deckle_nn::Error>(())
//! ```
//!
//! # A layer of your own
//!
//! Implement [`Layer`] for the settings and [`Built`] for what holds weights;
//! [`check_layer`] tests what every layer promises, gradients included.
//!
//! ```
//! use deckle_autograd::{Var, Variable};
//! use deckle_nn::{Built, Call, Init, Initializer, Inputs, Layer, Result, check_layer, expect};
//! use deckle_tensor::Shape;
//! use serde::{Deserialize, Serialize};
//!
//! /// One trained number for each feature: `y = x · scale`.
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
//! struct Scale {}
//!
//! impl Layer for Scale {
//!     fn class_name(&self) -> &'static str {
//!         "Scale"
//!     }
//!
//!     fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
//!         expect::known(expect::one_input(inputs)?, -1)?;
//!         Ok(inputs.to_vec())
//!     }
//!
//!     fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
//!         let features = expect::known(&inputs[0], -1)?;
//!         Ok(Box::new(BuiltScale(init.variable("scale", [features], &Initializer::Ones)?)))
//!     }
//! }
//!
//! #[derive(Debug)]
//! struct BuiltScale(Variable);
//!
//! impl Built for BuiltScale {
//!     fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
//!         Ok(vec![inputs.only()?.mul(&call.read(&self.0))?])
//!     }
//! }
//!
//! check_layer(&Scale {}, [[2, 3]])?;
//! # Ok::<(), deckle_nn::Error>(())
//! ```
#![forbid(unsafe_code)]

mod activation;
mod call;
mod check;
#[cfg(test)]
mod composites;
mod config;
mod constraint;
mod dtype_policy;
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
mod words;

pub use activation::{Activation, LayerFunction};
pub use call::{Call, Inputs, Randomness, stream};
pub use check::{check_layer, check_layer_on};
pub use config::{FromConfig, Registry};
pub use constraint::Constraint;
pub use dtype_policy::DTypePolicy;
pub use error::{Error, Result, did_you_mean};
pub use init::{Init, Weight};
pub use initializer::{Fan, Initializer, Scaling, Spread, Stft, StftPart, Window};
pub use layer::{AnyLayer, Built, Layer, LayerExt, LayerHandle, expect};
pub use loss::{AnyLoss, Labels, Loss, Reduction, align, reduce};
pub use model::{
    Arguments, Functional, LayerCall, Model, ModelLayer, Nest, Sequential, TensorRef,
    snake_case,
};
pub use regularizer::{Regularizer, Vectors};
pub use summary::{Summary, keras_shape};
pub use symbol::{InputLayer, Symbol};
pub use words::allowed;
