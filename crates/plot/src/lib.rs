//! Pictures of training and models: curves, graphs of layers, grids of images, heat maps.
//!
//! All of them are files, SVG or PNG by the name's ending, and the same bytes for the same
//! values. Nothing is needed for them: no system font, no display, no other program.
//!
//! ```
//! use deckle_nn::{Sequential, layers::Dense};
//! use deckle_plot::{Chart, PlotModel};
//!
//! let chart = Chart::new("loss").line("training", [(1.0, 0.9), (2.0, 0.4), (3.0, 0.3)]);
//! assert!(chart.picture().to_svg().contains("training"));
//!
//! let model = Sequential::new([784]).add(Dense::new(10)).build()?;
//! let graph = PlotModel::new().show_shapes(true);
//! assert!(graph.to_dot(&model).contains("Output shape: <b>(None, 10)</b>"));
//! # Ok::<(), deckle_nn::Error>(())
//! ```
//!
//! - [`Chart`]: lines and points over two axes; [`history()`] makes one for each value of a
//!   training.
//! - [`PlotModel`]: Keras's `plot_model`, as DOT, SVG or PNG.
//! - [`Grid`]: many images as one; [`filters`] and [`activations`] make images of weights and of
//!   what layers put out.
//! - [`heat_map`], [`overlay`], [`confusion_matrix`]: numbers as colors.
//! - [`embeddings`]: vectors as points in the plane.
//! - [`Picture`]: what all of these draw on.
#![forbid(unsafe_code)]

mod chart;
mod color;
mod embeddings;
mod error;
mod grid;
mod heat;
mod history;
mod layered;
mod model;
mod picture;
mod raster;
mod svg;
mod ticks;

pub use chart::Chart;
pub use color::Color;
pub use embeddings::embeddings;
pub use error::{Error, Result};
pub use grid::{Grid, activations, filters};
pub use heat::{confusion_matrix, heat_map, overlay};
pub use history::history;
pub use model::{PlotModel, Rankdir};
pub use picture::{Anchor, Picture};
