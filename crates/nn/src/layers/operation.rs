//! Keras's operations as layers of functional models: [`Operation`].

mod element_wise;
mod given;
mod layout;
mod places;
mod products;
mod statistics;
mod table;
mod windows;

use deckle_autograd::{Signature, Var};
use deckle_tensor::{DType, Shape};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    Arguments, Built, Call, Error, Init, Inputs, Layer, Nest, Result, did_you_mean,
};
use given::Given;
use table::Row;

/// One of `keras.ops` as a layer: `x + y`, `x[:, 1:]`, `ops.mean(x, axis=1)`.
///
/// An operation has settings, as `axis`, and arguments: tensors, and constants among them.
/// Element types of tensors that meet are promoted as in Keras.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, LayerExt, Model, Symbol, layers::Operation};
/// use deckle_tensor::Tensor;
///
/// let x = Symbol::input("x", [3]);
/// let y = Operation::new("Mean")?.set("axis", -1).set("keepdims", true).apply(&x)?;
/// let z = Operation::new("Subtract")?.join([&x, &y])?;
/// let model = Model::new([&x], [&z])?;
/// let x = Var::constant(&Tensor::from([[1.0f32, 2.0, 6.0]]));
/// let z = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(z[0].eval()?, Tensor::from([[-2.0f32, -1.0, 3.0]]));
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// What a functional model records of `keras.ops` and of operators on its tensors.
#[derive(Clone, Debug)]
pub struct Operation {
    row: &'static Row,
    settings: Map<String, Value>,
    arguments: Option<Arguments>,
}

impl Operation {
    /// The operation of that class, as `Add` or `Mean`, on its inputs.
    ///
    /// # Errors
    ///
    /// If there is none of that name, with the one that was probably meant.
    pub fn new(class: &str) -> Result<Self> {
        let row = table::find(class).ok_or_else(|| {
            let known: Vec<_> = table::classes().collect();
            let suggestion = did_you_mean(class, &known).unwrap_or_default().to_owned();
            Error::Unknown { what: "operation", name: class.to_owned(), suggestion }
        })?;
        Ok(Self { row, settings: Map::new(), arguments: None })
    }

    /// Sets one of Keras's settings, as `axis`.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the arguments: numbers of inputs, lists of them, and constants.
    ///
    /// By default, these are the inputs one after another, or the list of all, as the
    /// operation takes them.
    #[must_use]
    pub fn arguments(mut self, arguments: Arguments) -> Self {
        self.arguments = Some(arguments);
        self
    }

    /// Whether there is an operation of that class.
    pub(crate) fn is_known(class: &str) -> bool {
        table::find(class).is_some()
    }

    /// The settings that it does not know.
    pub(crate) fn unknown_settings(&self) -> Vec<(&str, &Value)> {
        let known = |key: &str| self.row.settings.contains(&key);
        let settings = self.settings.iter().filter(|(key, _)| !known(key));
        settings.map(|(key, value)| (key.as_str(), value)).collect()
    }

    /// The arguments for that many inputs.
    pub(crate) fn arguments_for(&self, count: usize) -> Arguments {
        self.arguments.clone().unwrap_or_else(|| {
            let all = (0..count).map(Nest::One).collect();
            let positional =
                if self.row.takes_list { vec![Nest::List(all)] } else { all };
            Arguments { positional, named: Vec::new() }
        })
    }

    fn run(&self, tensors: &[Var]) -> Result<Vec<Var>> {
        let arguments = self.arguments_for(tensors.len());
        let given = Given::new(&arguments, &self.settings, tensors)?;
        self.row.run(&given)
    }
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.row.class == other.row.class
            && self.settings == other.settings
            && self.arguments == other.arguments
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.settings.serialize(serializer)
    }
}

impl Layer for Operation {
    fn class_name(&self) -> &'static str {
        self.row.class
    }

    fn module(&self) -> &'static str {
        self.row.module
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let inputs: Vec<_> =
            inputs.iter().map(|shape| Signature::new(DType::F32, shape)).collect();
        let outputs = self.outputs(&inputs, DType::F32)?.into_iter();
        Ok(outputs.map(|output| output.shape).collect())
    }

    fn outputs(&self, inputs: &[Signature], _dtype: DType) -> Result<Vec<Signature>> {
        let inputs: Vec<_> =
            inputs.iter().map(|x| Var::input("x", &x.shape, x.dtype)).collect();
        Ok(self.run(&inputs)?.iter().map(|y| y.signature().clone()).collect())
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn casts_inputs(&self) -> bool {
        false
    }

    fn takes_named(&self, _name: &str) -> bool {
        true
    }

    fn takes_constant(&self, _argument: &str, _value: &Value) -> bool {
        true
    }
}

impl Built for Operation {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        self.run(inputs.positional())
    }
}

#[cfg(test)]
mod tests;
