//! What is said of a layer on its configuration: [`LayerExt`].

use crate::{AnyLayer, LayerHandle, Regularizer, Result, Symbol};

/// What can be said of every layer, on its configuration.
pub trait LayerExt: AnyLayer + Sized {
    /// The layer with that name.
    #[must_use]
    fn named(self, name: impl Into<String>) -> LayerHandle {
        LayerHandle::from(self).named(name)
    }

    /// The layer, whose weights are trained or not.
    #[must_use]
    fn trainable(self, trainable: bool) -> LayerHandle {
        LayerHandle::from(self).trainable(trainable)
    }

    /// The layer, which adds the penalty of each output of each of its calls to the loss.
    ///
    /// See [`LayerHandle::activity_regularizer`].
    #[must_use]
    fn activity_regularizer(self, regularizer: Regularizer) -> LayerHandle {
        LayerHandle::from(self).activity_regularizer(regularizer)
    }

    /// The layer, to be applied several times with the same weights.
    #[must_use]
    fn shared(self) -> LayerHandle {
        LayerHandle::from(self)
    }

    /// Applies a new layer of this configuration to one tensor.
    ///
    /// # Errors
    ///
    /// If the layer cannot take it.
    fn apply(self, input: &Symbol) -> Result<Symbol> {
        LayerHandle::from(self).apply(input)
    }

    /// Applies a new layer of this configuration to several tensors.
    ///
    /// # Errors
    ///
    /// If the layer cannot take them.
    fn join<'a>(self, inputs: impl IntoIterator<Item = &'a Symbol>) -> Result<Symbol> {
        LayerHandle::from(self).join(inputs)
    }
}

impl<L: AnyLayer + Sized> LayerExt for L {}
