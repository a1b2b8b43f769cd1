//! Models made of others, with the same weights.

use std::sync::Arc;

use super::{Model, ModelLayer, State};
use crate::Result;

impl Model {
    fn with(&self, change: impl FnOnce(&mut State)) -> Self {
        let mut state = (*self.0).clone();
        state.applied = Arc::default();
        change(&mut state);
        Self(Arc::new(state))
    }

    /// The model with that name, and the same weights.
    #[must_use]
    pub fn named(&self, name: impl Into<String>) -> Self {
        self.with(|state| state.name = Some(name.into()))
    }

    /// The model with the same weights, and all layers in it, at any depth, trained or frozen.
    ///
    /// A frozen `BatchNormalization` uses its moving averages in training, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3)).build()?;
    /// assert_eq!(model.trainable_weights().count(), 2);
    /// assert_eq!(model.trainable(false).trainable_weights().count(), 0);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `model.trainable = False`, which changes the model itself.
    #[must_use]
    pub fn trainable(&self, trainable: bool) -> Self {
        self.with(|state| {
            state.is_trainable = trainable;
            for layer in &mut state.layers {
                *layer = layer.trained(trainable);
            }
        })
    }

    /// The model with the same weights, and the layer at that path, as `encoder/dense`, trained
    /// or frozen; if it is a model, all layers in it.
    ///
    /// # Errors
    ///
    /// If there is no such layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let base = Sequential::new([8]).add(Dense::new(4)).name("base").build()?;
    /// let model = Sequential::new([8]).add(&base).add(Dense::new(3)).build()?;
    /// let frozen = model.with_trainable("base", false)?;
    /// let names: Vec<_> = frozen.trainable_weights().map(|w| w.variable().name()).collect();
    /// assert_eq!(names, ["dense/kernel", "dense/bias"]);
    /// assert_eq!(frozen.count_params(), model.count_params());
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `model.get_layer(name).trainable = False`, which changes the layer itself; here `model`
    /// stays as it was.
    pub fn with_trainable(&self, path: &str, trainable: bool) -> Result<Self> {
        self.layer(path)?;
        Ok(self.trained_at(path, trainable))
    }

    fn trained_at(&self, path: &str, trainable: bool) -> Self {
        let (name, rest) =
            path.split_once('/').map_or((path, None), |(a, b)| (a, Some(b)));
        self.with(|state| {
            for layer in state.layers.iter_mut().filter(|layer| layer.name() == name) {
                *layer = match (rest, layer.model()) {
                    (Some(rest), Some(model)) => {
                        layer.with_model(&model.trained_at(rest, trainable))
                    }
                    _ => layer.trained(trainable),
                };
            }
        })
    }
}

impl ModelLayer {
    fn trained(&self, trainable: bool) -> Self {
        match self.model() {
            Some(model) => self.with_model(&model.trainable(trainable)),
            None => self.with_handle(self.handle().trainable(trainable)),
        }
    }
}
