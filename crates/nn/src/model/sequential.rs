//! Models of layers one after another: [`Sequential`].

use deckle_autograd::Device;
use deckle_tensor::DType;

use super::{Functional, Model, functional::unique_names};
use crate::{
    DTypePolicy, Error, InputLayer, LayerHandle, Result, Symbol, init::Blank,
    layers::KerasShape,
};

/// Layers one after another, to be built to a [`Model`].
///
/// # Examples
///
/// ```
/// use deckle_nn::{Activation::{Relu, Softmax}, Sequential, layers::Dense};
///
/// let model = Sequential::new([784])
///     .add(Dense::new(512).activation(Relu))
///     .add(Dense::new(10).activation(Softmax))
///     .seed(42)
///     .build()?;
/// assert_eq!(model.count_params(), 407_050);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.Sequential`, with the input's shape given first.
#[derive(Clone, Debug)]
pub struct Sequential {
    input: LayerHandle,
    layers: Vec<LayerHandle>,
    name: Option<String>,
    seed: u64,
    device: Device,
    blank: Option<Blank>,
    is_trainable: bool,
    freezes: bool,
    policy: Option<DTypePolicy>,
    /// Layers as they were added, and as they became with the policy.
    given: Vec<(LayerHandle, LayerHandle)>,
}

impl Sequential {
    /// A model for examples of that shape, without the batch axis; `[None]` for an unknown
    /// length.
    #[must_use]
    pub fn new(shape: impl Into<KerasShape>) -> Self {
        Self::typed(shape, DType::F32)
    }

    /// A model for examples of that shape and element type, as `I32` for words.
    #[must_use]
    pub fn typed(shape: impl Into<KerasShape>, dtype: DType) -> Self {
        Self::from_input(InputLayer::new(shape, dtype).into())
    }

    /// A model after that input layer.
    pub(crate) fn from_input(input: LayerHandle) -> Self {
        Self {
            input,
            layers: Vec::new(),
            name: None,
            seed: 0,
            device: Device::reference(),
            blank: None,
            is_trainable: true,
            freezes: false,
            policy: None,
            given: Vec::new(),
        }
    }

    /// Appends a layer.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "Keras's name")]
    pub fn add(mut self, layer: impl Into<LayerHandle>) -> Self {
        let layer = layer.into();
        let brings_weights = layer.model().is_some() || layer.made().is_some();
        self.layers.push(match (self.policy, layer.own_policy()) {
            (Some(policy), None) if !brings_weights => {
                // A layer in several places stays one.
                let known = self.given.iter().find(|(given, _)| given.is_same(&layer));
                let made = known.map(|(_, made)| made.clone());
                let made = made.unwrap_or_else(|| layer.dtype(policy));
                self.given.push((layer, made.clone()));
                made
            }
            _ => layer,
        });
        self
    }

    /// Sets what the layers that are added from here on compute in and what their weights are,
    /// unless a layer has a [policy of its own](LayerHandle::dtype); `F32` by default. Models that
    /// are added stay as they are.
    ///
    /// # Examples
    ///
    /// Mixed precision, but for the probabilities:
    ///
    /// ```
    /// use deckle_nn::{DTypePolicy, LayerHandle, Sequential, layers::Dense};
    /// use deckle_tensor::DType;
    ///
    /// let last = LayerHandle::from(Dense::new(10)).dtype(DType::F32);
    /// let model = Sequential::new([784])
    ///     .dtype_policy(DTypePolicy::MIXED_BFLOAT16)
    ///     .add(Dense::new(32))
    ///     .add(last)
    ///     .build()?;
    /// let policies = model.layers().iter().map(|layer| layer.handle().dtype_policy().name());
    /// assert_eq!(policies.collect::<Vec<_>>(), ["float32", "mixed_bfloat16", "float32"]);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.config.set_dtype_policy`, for one model. With `mixed_float16`, Keras scales the loss by
    /// itself; here that is a choice: `LossScaleOptimizer`.
    #[must_use]
    pub fn dtype_policy(mut self, policy: impl Into<DTypePolicy>) -> Self {
        self.policy = Some(policy.into());
        self
    }

    /// Sets how many examples all batches have, which stateful layers need; any number by default.
    #[must_use]
    pub fn batch_size(mut self, batch: usize) -> Self {
        if let Some(input) = self.input.as_input() {
            let made = LayerHandle::from(input.clone().batch_size(batch));
            let name = self.input.name();
            self.input = name.map_or_else(|| made.clone(), |name| made.named(name));
        }
        self
    }

    /// Sets the model's name; `sequential` by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the seed that all weights descend from; 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets where the weights live, see [`Functional::device`].
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// Makes weights of zeros.
    pub(crate) fn blank(mut self, blank: Option<Blank>) -> Self {
        self.blank = blank;
        self
    }

    /// Sets whether training changes the weights, see [`Functional::trainable`].
    #[must_use]
    pub fn trainable(mut self, trainable: bool) -> Self {
        (self.is_trainable, self.freezes) = (trainable, !trainable);
        self
    }

    /// Sets what the model says of itself, whatever its layers are.
    pub(crate) fn flagged(mut self, trainable: bool) -> Self {
        self.is_trainable = trainable;
        self
    }

    /// Names the layers, checks their shapes, and makes their weights.
    ///
    /// # Errors
    ///
    /// If a layer cannot take what the one before it gives, or two have one name.
    pub fn build(&self) -> Result<Model> {
        let mut all = vec![self.input.clone()];
        all.extend(self.layers.iter().cloned());
        let names = unique_names(&all)?;
        let input = Symbol::of_input(&self.input);
        let mut last = input.clone();
        for (layer, name) in self.layers.iter().zip(&names[1..]) {
            let class = layer.layer().class_name();
            last = layer.apply(&last).map_err(|error| match error {
                Error::Layer { error, .. } if layer.model().is_none() => {
                    error.in_layer(name, class)
                }
                error => error.in_layer(name, class),
            })?;
        }
        let mut functional = Functional::new([&input], [&last]);
        functional.name.clone_from(&self.name);
        functional.seed = self.seed;
        functional.device = self.device.clone();
        functional.blank = self.blank.clone();
        functional.is_sequential = true;
        (functional.is_trainable, functional.freezes) = (self.is_trainable, self.freezes);
        functional.layer_order(all).build()
    }
}
