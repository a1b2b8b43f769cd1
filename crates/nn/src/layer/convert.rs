//! What a [`LayerHandle`] is made of: a layer's configuration, or a model.

use std::sync::Arc;

use super::{AnyLayer, LayerHandle, Placed};
use crate::{Model, model::Nested};

impl<L: AnyLayer> From<L> for LayerHandle {
    fn from(layer: L) -> Self {
        Self::new(Arc::new(layer))
    }
}

impl From<&Model> for LayerHandle {
    fn from(model: &Model) -> Self {
        let name = model.own_name().map(str::to_owned);
        Self(Arc::new(Placed {
            layer: Arc::new(Nested(model.clone())),
            name,
            trainable: model.is_trainable(),
            dtype: None,
            activity_regularizer: None,
            calls: model.call_counter(),
            made: None,
        }))
    }
}

impl From<Model> for LayerHandle {
    fn from(model: Model) -> Self {
        (&model).into()
    }
}

impl From<&Self> for LayerHandle {
    fn from(layer: &Self) -> Self {
        layer.clone()
    }
}
