//! Functions of layers as activations: [`LayerFunction`].

use std::any::Any;

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Activation;
use crate::{
    AnyLayer, Error, Layer, Registry, Result,
    layers::{self, ELU, LeakyReLU, ReLU, Softmax, Wrapped},
};

/// What a layer without weights does to each of its inputs, with that layer's settings.
///
/// # Keras
///
/// An object of `keras.layers.ReLU`, `LeakyReLU`, `ELU` or `Softmax` where an activation is
/// expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerFunction(Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    ReLU(ReLU),
    LeakyReLU(LeakyReLU),
    Elu(ELU),
    Softmax { axis: isize },
}

impl Activation {
    /// What that layer does, with its settings: `ReLU`, `LeakyReLU`, `ELU`, `Softmax` along one
    /// axis, or `Activation`.
    ///
    /// # Errors
    ///
    /// If it is another layer, or its settings make no sense.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Activation, layers::LeakyReLU};
    /// use deckle_tensor::Tensor;
    ///
    /// let activation = Activation::of_layer(&LeakyReLU::new().negative_slope(0.5))?;
    /// let x = Var::constant(&Tensor::from([-3.0, 2.0]));
    /// assert_eq!(activation.apply(&x)?.eval()?, Tensor::from([-1.5, 2.0]));
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// The layer as the argument `activation`, which may be any layer there, even one with
    /// weights; such a one is a layer of its own here.
    pub fn of_layer(layer: &dyn AnyLayer) -> Result<Self> {
        let any: &dyn Any = layer;
        if let Some(layer) = any.downcast_ref::<layers::Activation>() {
            return Ok(layer.function());
        }
        let kind = if let Some(layer) = any.downcast_ref::<ReLU>() {
            Kind::ReLU(*layer)
        } else if let Some(layer) = any.downcast_ref::<LeakyReLU>() {
            Kind::LeakyReLU(*layer)
        } else if let Some(layer) = any.downcast_ref::<ELU>() {
            Kind::Elu(*layer)
        } else if let Some(axis) = any.downcast_ref().and_then(Softmax::only_axis) {
            Kind::Softmax { axis }
        } else {
            let expected = "ReLU, LeakyReLU, ELU, Softmax along one axis, or Activation";
            return Err(Error::invalid("this layer cannot be an activation", expected)
                .got(layer.class_name())
                .help("add it as a layer of its own after this one"));
        };
        if !matches!(kind, Kind::Softmax { .. }) {
            layer.output_shape(&[[None].into()])?;
        }
        Ok(Self::Layer(LayerFunction(kind)))
    }
}

/// Whether a setting is Keras's object of a layer; Keras 2 writes no module.
pub(super) fn is_layer(setting: &Value) -> bool {
    let class = setting.get("class_name").and_then(Value::as_str);
    let is_known = |class: &str| Registry::keras().knows(class);
    Wrapped::is_in(setting) || class.is_some_and(is_known)
}

/// What Keras's object of a layer stands for.
pub(super) fn read(object: &Value) -> Result<Activation> {
    let wrong = |error: &dyn ToString| {
        Error::invalid("cannot read the activation", "a layer").got(error.to_string())
    };
    let layer =
        Wrapped::read(object, &Registry::keras()).map_err(|error| wrong(&error))?;
    if layer.handle().activity().is_some() {
        return Err(wrong(&"one with activity_regularizer"));
    }
    Activation::of_layer(layer.layer())
}

impl LayerFunction {
    /// Keras's name of the layer's class.
    pub(super) fn class_name(self) -> &'static str {
        self.with(Layer::class_name)
    }

    pub(super) fn apply(self, x: &Var) -> deckle_autograd::Result<Var> {
        match self.0 {
            Kind::ReLU(layer) => layer.apply(x),
            Kind::LeakyReLU(layer) => layer.apply(x),
            Kind::Elu(layer) => layer.apply(x),
            Kind::Softmax { axis } => x.softmax(axis),
        }
    }

    pub(super) fn output_shape(self, x: &Shape) -> Result<Shape> {
        Ok(self.with(|layer| layer.output_shape(std::slice::from_ref(x)))?.remove(0))
    }

    fn with<T>(self, action: impl FnOnce(&dyn AnyLayer) -> T) -> T {
        match &self.0 {
            Kind::ReLU(layer) => action(layer),
            Kind::LeakyReLU(layer) => action(layer),
            Kind::Elu(layer) => action(layer),
            Kind::Softmax { axis } => action(&Softmax::new().axis(*axis)),
        }
    }
}

impl Serialize for LayerFunction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Kind::ReLU(layer) => Wrapped::from(layer).serialize(serializer),
            Kind::LeakyReLU(layer) => Wrapped::from(layer).serialize(serializer),
            Kind::Elu(layer) => Wrapped::from(layer).serialize(serializer),
            Kind::Softmax { axis } => {
                Wrapped::from(Softmax::new().axis(axis)).serialize(serializer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        check_layer,
        layers::{Conv1D, Dense, GRU, LSTM, PReLU, RNN, SimpleRNNCell},
    };

    fn all() -> Result<Vec<Activation>> {
        Ok(vec![
            Activation::of_layer(&ReLU::new().max_value(0.5).negative_slope(0.1))?,
            Activation::of_layer(&LeakyReLU::new().negative_slope(0.1))?,
            Activation::of_layer(&ELU::new().alpha(0.5))?,
            Activation::of_layer(&Softmax::new().axis(1))?,
        ])
    }

    #[test]
    fn layers_with_such_activations_keep_their_promises() -> Result<()> {
        for activation in all()? {
            check_layer(&Dense::new(3).activation(activation), [[2, 3]])?;
            check_layer(&Conv1D::new(2, 2).activation(activation), [[2, 3, 2]])?;
            check_layer(&LSTM::new(2).activation(activation), [[2, 2, 2]])?;
            check_layer(&GRU::new(2).recurrent_activation(activation), [[2, 2, 2]])?;
            let cell = SimpleRNNCell::new(2).activation(activation);
            check_layer(&RNN::new(cell), [[2, 2, 2]])?;
            check_layer(&layers::Activation::new(activation), [[2, 3]])?;
        }
        Ok(())
    }

    #[test]
    fn settings_survive_a_round_trip() -> Result<()> {
        for activation in all()? {
            let json = serde_json::to_value(activation).unwrap();
            assert_eq!(json["module"], "keras.layers");
            assert_eq!(json["class_name"], activation.name());
            assert_eq!(serde_json::from_value::<Activation>(json).unwrap(), activation);
            let layer = layers::Activation::new(activation);
            assert_eq!(Activation::of_layer(&layer)?, activation);
        }
        Ok(())
    }

    #[test]
    fn what_a_layer_of_keras_stands_for_is_read() {
        let object = |class: &str, config: Value| json!({"module": "keras.layers", "class_name": class, "config": config});
        let read = |value: Value| serde_json::from_value::<Activation>(value);
        let tanh = object("Activation", json!({"name": "a", "activation": "tanh"}));
        assert_eq!(read(tanh).unwrap(), Activation::Tanh);
        let slope = json!({"class_name": "LeakyReLU", "config": {"name": "l", "negative_slope": 0.2}});
        let expected = LeakyReLU::new().negative_slope(0.2);
        assert_eq!(read(slope).unwrap(), Activation::of_layer(&expected).unwrap());
        let elu = object("ELU", json!({"name": "elu", "trainable": true, "alpha": 0.5}));
        let both = object("Activation", json!({"activation": elu}));
        let expected = Activation::of_layer(&ELU::new().alpha(0.5)).unwrap();
        assert_eq!(read(both).unwrap(), expected);
        for (class, config, text) in [
            ("PReLU", json!({}), "cannot be an activation\n  expected: ReLU, LeakyReLU"),
            ("Softmax", json!({"axis": [1, 2]}), "this layer cannot be an activation"),
            ("ReLU", json!({"threshold": -1.0}), "`threshold` makes no sense"),
            ("ReLU", json!({"lora_rank": 3}), "lora_rank = 3"),
            ("ReLU", json!({"activity_regularizer": "l2"}), "activity_regularizer"),
            ("Own", json!({}), "layer Own: no such class"),
        ] {
            let error = read(object(class, config)).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        assert!(Activation::of_layer(&PReLU::new()).is_err());
    }

    #[test]
    fn an_axis_that_is_not_there_is_an_error() -> Result<()> {
        let softmax = Activation::of_layer(&Softmax::new().axis(2))?;
        assert!(softmax.output_shape(&[2, 3].into()).is_err());
        assert_eq!(softmax.output_shape(&[2, 3, 4].into())?, [2, 3, 4].into());
        Ok(())
    }
}
