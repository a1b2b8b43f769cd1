//! Keras's `config.json`, read and written: [`Registry`], [`Model::from_config`],
//! [`Model::config`].

mod read;
mod settle;
mod shared;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, LazyLock},
};

use deckle_autograd::Device;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{AnyLayer, Layer, Model, init::Blank, layers};
use read::Reader;
pub(crate) use read::is_model;
use settle::settled;

/// The classes of layers that a file may name.
///
/// It is a value: custom layers are known where you register them, and nowhere else.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Registry, layers::Dense};
///
/// let registry = Registry::keras().register::<Dense>("MyDense");
/// assert!(registry.knows("MyDense") && registry.knows("LSTM"));
/// assert!(!registry.knows("Lambda"));
/// ```
///
/// # Keras
///
/// `keras.saving.register_keras_serializable`, without a global list.
#[derive(Clone)]
pub struct Registry {
    makers: Arc<BTreeMap<String, Maker>>,
    /// The classes that were registered beyond Keras's own, or in their place.
    custom: Arc<BTreeSet<String>>,
    /// How many elements weights of models in layers may have, if that is limited.
    blank: Option<Blank>,
}

/// Makes a layer of its configuration, in which other layers may be.
type Maker =
    Arc<dyn Fn(Value, &Registry) -> serde_json::Result<Arc<dyn AnyLayer>> + Send + Sync>;

/// Makes a layer of its configuration.
pub(crate) type Make =
    Arc<dyn Fn(Value) -> serde_json::Result<Arc<dyn AnyLayer>> + Send + Sync>;

/// A layer whose configuration holds other layers.
pub trait FromConfig: Sized {
    /// Reads the configuration; the registry knows the classes of the layers in it.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn from_config(config: Value, registry: &Registry) -> serde_json::Result<Self>;
}

impl Registry {
    /// A registry without any class.
    #[must_use]
    pub fn empty() -> Self {
        Self { makers: Arc::default(), custom: Arc::default(), blank: None }
    }

    /// A registry of all layers in [`layers`], under Keras's names.
    #[must_use]
    pub fn keras() -> Self {
        let all = Self::empty()
            .register::<layers::Activation>("Activation")
            .register::<layers::ActivityRegularization>("ActivityRegularization")
            .register::<layers::AdaptiveAveragePooling1D>("AdaptiveAveragePooling1D")
            .register::<layers::AdaptiveAveragePooling2D>("AdaptiveAveragePooling2D")
            .register::<layers::AdaptiveAveragePooling3D>("AdaptiveAveragePooling3D")
            .register::<layers::AdaptiveMaxPooling1D>("AdaptiveMaxPooling1D")
            .register::<layers::AdaptiveMaxPooling2D>("AdaptiveMaxPooling2D")
            .register::<layers::AdaptiveMaxPooling3D>("AdaptiveMaxPooling3D")
            .register::<layers::Add>("Add")
            .register::<layers::AdditiveAttention>("AdditiveAttention")
            .register::<layers::AlphaDropout>("AlphaDropout")
            .register::<layers::Attention>("Attention")
            .register::<layers::Average>("Average")
            .register::<layers::AveragePooling1D>("AveragePooling1D")
            .register::<layers::AveragePooling2D>("AveragePooling2D")
            .register::<layers::AveragePooling3D>("AveragePooling3D")
            .register::<layers::BatchNormalization>("BatchNormalization")
            .register::<layers::CategoryEncoding>("CategoryEncoding")
            .register::<layers::CenterCrop>("CenterCrop")
            .register::<layers::Concatenate>("Concatenate")
            .register::<layers::Conv1D>("Conv1D")
            .register::<layers::Conv1DTranspose>("Conv1DTranspose")
            .register::<layers::Conv2D>("Conv2D")
            .register::<layers::Conv2DTranspose>("Conv2DTranspose")
            .register::<layers::Conv3D>("Conv3D")
            .register::<layers::Conv3DTranspose>("Conv3DTranspose")
            .register::<layers::ConvLSTM1D>("ConvLSTM1D")
            .register::<layers::ConvLSTM2D>("ConvLSTM2D")
            .register::<layers::ConvLSTM3D>("ConvLSTM3D")
            .register::<layers::Cropping1D>("Cropping1D")
            .register::<layers::Cropping2D>("Cropping2D")
            .register::<layers::Cropping3D>("Cropping3D")
            .register::<layers::Dense>("Dense")
            .register::<layers::DepthwiseConv1D>("DepthwiseConv1D")
            .register::<layers::DepthwiseConv2D>("DepthwiseConv2D")
            .register::<layers::Discretization>("Discretization")
            .register::<layers::Dot>("Dot")
            .register::<layers::Dropout>("Dropout")
            .register::<layers::ELU>("ELU")
            .register::<layers::EinsumDense>("EinsumDense")
            .register::<layers::Embedding>("Embedding")
            .register::<layers::Flatten>("Flatten")
            .register::<layers::GRU>("GRU")
            .register::<layers::GRUCell>("GRUCell")
            .register::<layers::GaussianDropout>("GaussianDropout")
            .register::<layers::GaussianNoise>("GaussianNoise")
            .register::<layers::GlobalAveragePooling1D>("GlobalAveragePooling1D")
            .register::<layers::GlobalAveragePooling2D>("GlobalAveragePooling2D")
            .register::<layers::GlobalAveragePooling3D>("GlobalAveragePooling3D")
            .register::<layers::GlobalMaxPooling1D>("GlobalMaxPooling1D")
            .register::<layers::GlobalMaxPooling2D>("GlobalMaxPooling2D")
            .register::<layers::GlobalMaxPooling3D>("GlobalMaxPooling3D")
            .register::<layers::GroupNormalization>("GroupNormalization")
            .register::<layers::GroupQueryAttention>("GroupQueryAttention")
            .register::<layers::Identity>("Identity")
            .register::<layers::LSTM>("LSTM")
            .register::<layers::LSTMCell>("LSTMCell")
            .register::<layers::LayerNormalization>("LayerNormalization")
            .register::<layers::LeakyReLU>("LeakyReLU")
            .register::<layers::Masking>("Masking")
            .register::<layers::MaxPooling1D>("MaxPooling1D")
            .register::<layers::MaxPooling2D>("MaxPooling2D")
            .register::<layers::MaxPooling3D>("MaxPooling3D")
            .register::<layers::Maximum>("Maximum")
            .register::<layers::Minimum>("Minimum")
            .register::<layers::MixUp>("MixUp")
            .register::<layers::MultiHeadAttention>("MultiHeadAttention")
            .register::<layers::Multiply>("Multiply")
            .register::<layers::Normalization>("Normalization")
            .register::<layers::PReLU>("PReLU")
            .register::<layers::Permute>("Permute")
            .register::<layers::RMSNormalization>("RMSNormalization")
            .register::<layers::RandomBrightness>("RandomBrightness")
            .register::<layers::RandomContrast>("RandomContrast")
            .register::<layers::RandomCrop>("RandomCrop")
            .register::<layers::RandomErasing>("RandomErasing")
            .register::<layers::RandomFlip>("RandomFlip")
            .register::<layers::RandomRotation>("RandomRotation")
            .register::<layers::RandomShear>("RandomShear")
            .register::<layers::RandomTranslation>("RandomTranslation")
            .register::<layers::RandomZoom>("RandomZoom")
            .register::<layers::ReLU>("ReLU")
            .register::<layers::RepeatVector>("RepeatVector")
            .register::<layers::Rescaling>("Rescaling")
            .register::<layers::Reshape>("Reshape")
            .register::<layers::Resizing>("Resizing")
            .register::<layers::ReversibleEmbedding>("ReversibleEmbedding")
            .register::<layers::SeparableConv1D>("SeparableConv1D")
            .register::<layers::SeparableConv2D>("SeparableConv2D")
            .register::<layers::SimpleRNN>("SimpleRNN")
            .register::<layers::SimpleRNNCell>("SimpleRNNCell")
            .register::<layers::Softmax>("Softmax")
            .register::<layers::SpatialDropout1D>("SpatialDropout1D")
            .register::<layers::SpatialDropout2D>("SpatialDropout2D")
            .register::<layers::SpatialDropout3D>("SpatialDropout3D")
            .register::<layers::Subtract>("Subtract")
            .register_wrapper::<layers::Bidirectional>("Bidirectional")
            .register_wrapper::<layers::RNN>("RNN")
            .register_wrapper::<layers::SpectralNormalization>("SpectralNormalization")
            .register_wrapper::<layers::StackedRNNCells>("StackedRNNCells")
            .register_wrapper::<layers::TimeDistributed>("TimeDistributed")
            .register::<layers::UnitNormalization>("UnitNormalization")
            .register::<layers::UpSampling1D>("UpSampling1D")
            .register::<layers::UpSampling2D>("UpSampling2D")
            .register::<layers::UpSampling3D>("UpSampling3D")
            .register::<layers::ZeroPadding1D>("ZeroPadding1D")
            .register::<layers::ZeroPadding2D>("ZeroPadding2D")
            .register::<layers::ZeroPadding3D>("ZeroPadding3D");
        Self { custom: Arc::default(), ..all }
    }

    /// Adds, or replaces, a class: by its name, or by the one that it is registered under in
    /// Keras, as `my_package>MyLayer`.
    #[must_use]
    pub fn register<L>(self, class_name: &str) -> Self
    where
        L: Layer + PartialEq + Serialize + DeserializeOwned + 'static,
    {
        let make = |config, _: &Self| -> serde_json::Result<Arc<dyn AnyLayer>> {
            Ok(Arc::new(serde_json::from_value::<L>(config)?))
        };
        self.insert(class_name, Arc::new(make))
    }

    /// Adds, or replaces, a class whose configuration holds other layers.
    #[must_use]
    pub fn register_wrapper<L>(self, class_name: &str) -> Self
    where
        L: Layer + PartialEq + Serialize + FromConfig + 'static,
    {
        let make = |config, registry: &Self| -> serde_json::Result<Arc<dyn AnyLayer>> {
            Ok(Arc::new(L::from_config(config, registry)?))
        };
        self.insert(class_name, Arc::new(make))
    }

    fn insert(mut self, class_name: &str, maker: Maker) -> Self {
        Arc::make_mut(&mut self.makers).insert(class_name.to_owned(), maker);
        Arc::make_mut(&mut self.custom).insert(class_name.to_owned());
        self
    }

    /// The model in a layer's configuration; its weights are zeros if those of the model around
    /// it are.
    pub(crate) fn model(&self, object: &Value) -> crate::Result<Model> {
        Reader::new(self, &Device::reference(), 0, self.blank.clone()).whole(object)
    }

    /// What makes layers of that class.
    fn maker(&self, class_name: &str) -> Option<Make> {
        let make = Arc::clone(self.makers.get(class_name)?);
        let registry = self.clone();
        Some(Arc::new(move |config| settled(config, |config| make(config, &registry))))
    }

    /// What makes the layer of an object in a file; else what is missing, if that is more than the
    /// class.
    ///
    /// A class of somebody else's is one that was registered here, never Keras's of that name.
    pub(crate) fn maker_of(&self, object: &Value) -> Result<Make, Option<String>> {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let mut names = text("registered_name").into_iter().chain(text("class_name"));
        if let Some(name) = names.find(|name| self.custom.contains(*name)) {
            return self.maker(name).ok_or(None);
        }
        if is_custom(object) {
            if let Some(name) = self.custom_of(object) {
                return self.maker(name).ok_or(None);
            }
            let origin = text("registered_name").filter(|name| name.contains('>'));
            let origin = origin.or_else(|| text("module")).unwrap_or("?");
            return Err(Some(format!(
                "a class of {origin}, not Keras's: add it with Registry::register"
            )));
        }
        text("class_name").and_then(|class| self.maker(class)).ok_or(None)
    }

    /// The one class that was registered with its package, as `my_package>MyLayer`, which an
    /// object without a module may mean, as [`Model::config`] writes it.
    fn custom_of(&self, object: &Value) -> Option<&str> {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let (class, registered) = (text("class_name")?, text("registered_name"));
        let is_other = |name: &str| name != class && !name.starts_with("Custom>");
        if text("module").is_some() || registered.is_some_and(is_other) {
            return None;
        }
        let is_it = |name: &&String| name.rsplit('>').next() == Some(class);
        let mut found = self.custom.iter().filter(is_it);
        found.next().filter(|_| found.next().is_none()).map(String::as_str)
    }

    /// The names of all classes, sorted.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::Registry;
    ///
    /// assert_eq!(Registry::keras().classes().next(), Some("Activation"));
    /// ```
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.makers.keys().map(String::as_str)
    }

    /// Whether there is a class of that name.
    #[must_use]
    pub fn knows(&self, class_name: &str) -> bool {
        self.makers.contains_key(class_name)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.makers.keys().collect::<Vec<_>>()).finish()
    }
}

/// Whether a class of that name is in [`layers`].
pub(crate) fn is_keras(class_name: &str) -> bool {
    static LAYERS: LazyLock<Registry> = LazyLock::new(Registry::keras);
    class_name == "InputLayer" || LAYERS.knows(class_name)
}

/// Whether the class of an object in a file is none of Keras's, whatever its name is: it is
/// registered under another one, or from another package.
pub(crate) fn is_custom(object: &Value) -> bool {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let registered = text("registered_name").filter(|name| !name.is_empty());
    let Some(module) = text("module") else {
        // Keras names no module of what a script defines, but then its class twice.
        return registered.is_some();
    };
    let package = module.split('.').next().unwrap_or(module);
    let keras = ["keras", "tf_keras", "keras_core", "tensorflow", "builtins"];
    let is_other = |name: &str| text("class_name") != Some(name);
    !keras.contains(&package) || registered.is_some_and(is_other)
}

/// Whether a class is one of Keras's operations, whose number comes with the tensors in a file.
pub(crate) fn is_operation(module: &str) -> bool {
    ["keras.src.ops", "keras.ops"].iter().any(|start| module.starts_with(start))
}

#[cfg(test)]
mod tests;
