//! The graph of a model's layers: [`PlotModel`].

mod dot;
mod draw;
mod graph;

use std::path::Path;

use deckle_formats::write_atomically;
use deckle_nn::Model;

use crate::{
    Picture, Result,
    picture::{ending, unknown_ending},
};
use graph::Graph;

/// The direction of a graph's arrows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rankdir {
    /// From the top to the bottom.
    #[default]
    TB,
    /// From the left to the right.
    LR,
}

/// Draws the layers of a model and what each of them is given.
///
/// # Examples
///
/// ```
/// use deckle_nn::{LayerExt, Model, Symbol, layers::{Add, Dense}};
/// use deckle_plot::{PlotModel, Rankdir};
///
/// let x = Symbol::input("x", [4]);
/// let y = Add::new().join([&Dense::new(4).apply(&x)?, &x])?;
/// let model = Model::new([&x], [&y])?;
/// let plot = PlotModel::new().show_shapes(true).show_layer_names(true).rankdir(Rankdir::LR);
/// assert_eq!(plot.to_dot(&model).matches(" -> ").count(), 3);
/// assert!(plot.picture(&model).to_svg().contains("(None, 4)"));
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.utils.plot_model` and `model_to_dot` with the same defaults; SVG and PNG are made
/// without Graphviz, with straight lines for `splines`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlotModel {
    show_shapes: bool,
    show_dtype: bool,
    show_layer_names: bool,
    rankdir: Rankdir,
    expand_nested: bool,
    dpi: usize,
    show_layer_activations: bool,
    show_trainable: bool,
}

impl Default for PlotModel {
    fn default() -> Self {
        Self::new()
    }
}

impl PlotModel {
    /// The classes of the layers alone, from the top to the bottom.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            show_shapes: false,
            show_dtype: false,
            show_layer_names: false,
            rankdir: Rankdir::TB,
            expand_nested: false,
            dpi: 200,
            show_layer_activations: false,
            show_trainable: false,
        }
    }

    /// Sets whether shapes of inputs and outputs are shown; false by default.
    #[must_use]
    pub const fn show_shapes(mut self, show: bool) -> Self {
        self.show_shapes = show;
        self
    }

    /// Sets whether element types of outputs are shown; false by default.
    #[must_use]
    pub const fn show_dtype(mut self, show: bool) -> Self {
        self.show_dtype = show;
        self
    }

    /// Sets whether the layers' names are shown; false by default.
    #[must_use]
    pub const fn show_layer_names(mut self, show: bool) -> Self {
        self.show_layer_names = show;
        self
    }

    /// Sets the direction; from the top to the bottom by default.
    #[must_use]
    pub const fn rankdir(mut self, rankdir: Rankdir) -> Self {
        self.rankdir = rankdir;
        self
    }

    /// Sets whether models that are layers are shown with their own layers; false by default.
    #[must_use]
    pub const fn expand_nested(mut self, expand: bool) -> Self {
        self.expand_nested = expand;
        self
    }

    /// Sets the resolution that DOT asks Graphviz for; 200 by default.
    #[must_use]
    pub const fn dpi(mut self, dpi: usize) -> Self {
        self.dpi = dpi;
        self
    }

    /// Sets whether activations are shown; false by default.
    #[must_use]
    pub const fn show_layer_activations(mut self, show: bool) -> Self {
        self.show_layer_activations = show;
        self
    }

    /// Sets whether it is shown which layers are trained; false by default.
    #[must_use]
    pub const fn show_trainable(mut self, show: bool) -> Self {
        self.show_trainable = show;
        self
    }

    /// The graph in Graphviz's language.
    #[must_use]
    pub fn to_dot(&self, model: &Model) -> String {
        dot::write(&Graph::of(model, self), model.name(), self.rankdir, self.dpi)
    }

    /// The graph as a picture.
    #[must_use]
    pub fn picture(&self, model: &Model) -> Picture {
        draw::draw(&Graph::of(model, self), self.rankdir)
    }

    /// Writes the graph as DOT, SVG or PNG, by the name's ending (`.dot` or `.gv`, `.svg`,
    /// `.png`), replacing the file at once.
    ///
    /// # Errors
    ///
    /// If the name ends in none of these, the picture is too large for PNG, or the file cannot
    /// be written.
    pub fn save(&self, model: &Model, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match ending(path).as_str() {
            "dot" | "gv" => Ok(write_atomically(path, self.to_dot(model).as_bytes())?),
            "svg" | "png" => self.picture(model).save(path),
            _ => Err(unknown_ending(path, "`.dot`, `.gv`, `.svg` or `.png`")),
        }
    }
}

#[cfg(test)]
mod tests;
