//! What a layer is: [`Layer`] (its configuration), [`Built`] (with weights), [`LayerHandle`].

mod convert;
pub mod expect;
mod layer_ext;

use std::{
    any::Any,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use deckle_autograd::{Signature, Var, Variable};
use deckle_tensor::{DType, Shape};
use serde::Serialize;
use serde_json::Value;

use crate::{
    Arguments, Call, DTypePolicy, Error, Init, InputLayer, Inputs, Model, Nest,
    Regularizer, Result, Symbol, Weight,
    config::{is_keras, is_operation},
    keras::ACTIVITY,
    model::Nested,
    snake_case,
};
pub use layer_ext::LayerExt;

/// The configuration of a layer: plain data, from which [`Layer::build`] makes weights.
///
/// Field names and defaults are Keras's, so that the serialized form is the `config` of a
/// layer in a `.keras` file. Implement this for a struct that is `Clone`, `PartialEq`, `Debug`
/// and `Serialize`; name, trainability, element type and the penalty on outputs live in its
/// [`LayerHandle`].
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Var, Variable};
/// use deckle_nn::{
///     Built, Call, Init, Initializer, Inputs, Layer, Registry, Result, Sequential, expect,
/// };
/// use deckle_tensor::{Shape, Tensor};
/// use serde::{Deserialize, Serialize};
///
/// /// `y = scale · x`, with a scale for each feature.
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct Scale {
///     initial: f64,
/// }
///
/// /// The same with its weight.
/// #[derive(Debug)]
/// struct BuiltScale {
///     scale: Variable,
/// }
///
/// impl Layer for Scale {
///     fn class_name(&self) -> &'static str {
///         "Scale"
///     }
///
///     fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
///         let input = expect::one_input(inputs)?;
///         expect::known(input, -1)?;
///         Ok(vec![input.clone()])
///     }
///
///     fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
///         let features = expect::known(&inputs[0], -1)?;
///         let scale = Initializer::Constant(self.initial);
///         Ok(Box::new(BuiltScale { scale: init.variable("scale", [features], &scale)? }))
///     }
/// }
///
/// impl Built for BuiltScale {
///     fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
///         Ok(vec![inputs.only()?.mul(&call.read(&self.scale))?])
///     }
/// }
///
/// let model = Sequential::new([2]).add(Scale { initial: 3.0 }).build()?;
/// let x = Var::constant(&Tensor::from([[1.0f32, 2.0]]));
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?, Tensor::from([[3.0f32, 6.0]]));
///
/// // A file names the class and has its fields; whoever reads it says what the class is.
/// let registry = Registry::keras().register::<Scale>("Scale");
/// assert_eq!(model.config()?["config"]["layers"][1]["config"]["initial"], 3.0);
/// # let device = deckle_autograd::Device::reference();
/// # let again = deckle_nn::Model::from_config(&model.config()?, &registry, 1, &device)?;
/// # assert_eq!(again.count_params(), 2);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Layer`: `build` and `call`, with the fields as `get_config`.
pub trait Layer: fmt::Debug + Send + Sync {
    /// Keras's name of the class, as `Dense`.
    fn class_name(&self) -> &'static str;

    /// The shapes of the outputs, with the batch axis.
    ///
    /// Checks the configuration and the inputs; nothing else does.
    ///
    /// # Errors
    ///
    /// If the configuration makes no sense or the layer cannot take such inputs.
    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>>;

    /// Makes the weights for inputs of these shapes, which [`Layer::output_shape`] has checked.
    ///
    /// # Errors
    ///
    /// If a weight cannot be made.
    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>>;

    /// Whether the output keeps the mask of the (first) input.
    fn passes_mask(&self) -> bool {
        false
    }

    /// Whether inputs that are floating point are cast to the layer's element type.
    fn casts_inputs(&self) -> bool {
        true
    }

    /// The module that Keras has the class in, for files; empty for a class of your own, which
    /// Keras then looks for under `Custom>` and its name.
    ///
    /// By default, `keras.layers` for a class of one of the names in [`layers`](crate::layers).
    fn module(&self) -> &'static str {
        if is_keras(self.class_name()) { "keras.layers" } else { "" }
    }

    /// Shapes and element types of the outputs, for a layer that computes in that type.
    ///
    /// Only layers whose outputs are of other types have to say more than the shapes.
    ///
    /// # Errors
    ///
    /// As [`Layer::output_shape`].
    fn outputs(&self, inputs: &[Signature], dtype: DType) -> Result<Vec<Signature>> {
        let shapes: Vec<_> = inputs.iter().map(|input| input.shape.clone()).collect();
        let outputs = self.output_shape(&shapes)?.into_iter();
        Ok(outputs.map(|shape| Signature::new(dtype, shape)).collect())
    }

    /// As [`Layer::outputs`], for a call whose arguments are known: a constant among them may
    /// say what comes out.
    ///
    /// # Errors
    ///
    /// As [`Layer::output_shape`].
    fn outputs_of_call(
        &self,
        inputs: &[Signature],
        dtype: DType,
        arguments: Option<&Arguments>,
    ) -> Result<Vec<Signature>> {
        let _ = arguments;
        self.outputs(inputs, dtype)
    }

    /// The names under which inputs may be given that are positional else, in their order.
    fn input_names(&self) -> &'static [&'static str] {
        &[]
    }

    /// The name of Keras's class if files name it by another one: weights are found by it.
    fn own_class_name(&self) -> &'static str {
        self.class_name()
    }

    /// Whether Keras's class has the setting `trainable`, for files.
    fn takes_trainable(&self) -> bool {
        true
    }

    /// If it is a cell of a recurrent layer: the shapes of its states, for such an input.
    ///
    /// A cell's inputs are one step of a sequence, then its states; its outputs are that of the
    /// step, then the next states.
    fn state_shapes(&self, input: &Shape) -> Option<Vec<Shape>> {
        let _ = input;
        None
    }

    /// Whether a call may have that argument with that value, which is not a tensor;
    /// [`Inputs::arguments`] has it then.
    fn takes_constant(&self, _argument: &str, _value: &Value) -> bool {
        false
    }

    /// Whether a call may have a tensor of that name besides its positional inputs.
    ///
    /// Layers of your own may have any.
    fn takes_named(&self, name: &str) -> bool {
        self.module().is_empty() || (name == "mask" && self.passes_mask())
    }

    /// Whether training counts something as constant that depends on weights or inputs, as the
    /// vectors of spectral normalization; differences of the loss then are not its gradient.
    fn has_constants(&self) -> bool {
        false
    }

    /// From which positional input on Keras takes the inputs as one list, for files.
    fn list_from(&self) -> Option<usize> {
        None
    }
}

/// A layer with its weights: it builds graph.
pub trait Built: fmt::Debug + Send + Sync {
    /// The outputs for these inputs.
    ///
    /// # Errors
    ///
    /// If an operation cannot take its inputs.
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>>;
}

/// A [`Layer`] as an object: adds what every plain-data struct has.
pub trait AnyLayer: Layer + Any {
    /// The configuration as Keras's JSON, without what its [`LayerHandle`] has.
    ///
    /// # Errors
    ///
    /// If the struct cannot be serialized.
    fn config(&self) -> Result<Value>;

    /// Whether both are equal configurations of one class.
    fn is_equal(&self, other: &dyn AnyLayer) -> bool;
}

impl<L: Layer + PartialEq + Serialize + Any> AnyLayer for L {
    fn config(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|error| {
            Error::invalid("cannot write the configuration", "plain data").got(error)
        })
    }

    fn is_equal(&self, other: &dyn AnyLayer) -> bool {
        (other as &dyn Any).downcast_ref::<L>().is_some_and(|other| self == other)
    }
}

/// One layer of a model: a configuration with name, trainability, element type and, if it has
/// one, the penalty on its outputs.
///
/// Clones are the same layer: applying one twice shares its weights.
///
/// # Examples
///
/// ```
/// use deckle_nn::{LayerExt, Symbol, layers::Dense};
///
/// let shared = Dense::new(5).named("shared");
/// let a = shared.apply(&Symbol::input("a", [4]))?;
/// let b = shared.apply(&Symbol::input("b", [4]))?;
/// assert_eq!(a.shape(), b.shape());
/// # Ok::<(), deckle_nn::Error>(())
/// ```
#[derive(Clone)]
pub struct LayerHandle(Arc<Placed>);

#[derive(Clone)]
struct Placed {
    layer: Arc<dyn AnyLayer>,
    name: Option<String>,
    trainable: bool,
    /// That of the model it is added to, if it has none.
    dtype: Option<DTypePolicy>,
    activity_regularizer: Option<Regularizer>,
    /// How often it was called; the numbers of its calls in files.
    calls: Arc<AtomicUsize>,
    /// What all models share that it is a layer of; without it, each makes weights of its own.
    made: Option<Made>,
}

/// A layer's weights and states, from the first model that is built with it.
pub(crate) type Made = Arc<OnceLock<(Arc<dyn Built>, Vec<Weight>, Vec<Variable>)>>;

impl LayerHandle {
    /// The layer with that configuration.
    pub fn new(layer: Arc<dyn AnyLayer>) -> Self {
        Self(Arc::new(Placed {
            layer,
            name: None,
            trainable: true,
            dtype: None,
            activity_regularizer: None,
            calls: Arc::default(),
            made: None,
        }))
    }

    fn with(&self, change: impl FnOnce(&mut Placed)) -> Self {
        let mut placed = (*self.0).clone();
        placed.calls = Arc::default();
        placed.made = None;
        change(&mut placed);
        Self(Arc::new(placed))
    }

    /// The layer with weights that it shares with all that are given `made`.
    pub(crate) fn sharing(&self, made: Made) -> Self {
        self.with(|placed| placed.made = Some(made))
    }

    /// The weights that it shares between models.
    pub(crate) fn made(&self) -> Option<&Made> {
        self.0.made.as_ref()
    }

    /// A layer of the same configuration with that name.
    ///
    /// If it is a model, the new one has the same weights.
    #[must_use]
    pub fn named(&self, name: impl Into<String>) -> Self {
        match self.model() {
            Some(model) => model.named(name).into(),
            None => self.with(|placed| placed.name = Some(name.into())),
        }
    }

    /// A layer of the same configuration whose weights are trained or not.
    ///
    /// If it is a model, the new one has the same weights, and so have all layers in it.
    #[must_use]
    pub fn trainable(&self, trainable: bool) -> Self {
        match self.model() {
            Some(model) => model.trainable(trainable).into(),
            None => self.with(|placed| placed.trainable = trainable),
        }
    }

    /// A layer of the same configuration that computes in, and has weights of, that type; or, in
    /// [mixed precision](DTypePolicy), computes in 16 bits with weights of `F32`.
    #[must_use]
    pub fn dtype(&self, dtype: impl Into<DTypePolicy>) -> Self {
        self.with(|placed| placed.dtype = Some(dtype.into()))
    }

    /// A layer of the same configuration that adds the penalty of each output of each of its
    /// calls, divided by the batch size, to the loss; none by default.
    ///
    /// A layer that has this setting itself, as `Dense`, can have it here instead. Building a
    /// model fails if it is set in both places, or on a model, an input, an operation, or the
    /// cell of a recurrent layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_nn::{Call, LayerExt, Regularizer, Sequential, layers::Flatten};
    /// use deckle_tensor::Tensor;
    ///
    /// let flatten = Flatten::new().activity_regularizer(Regularizer::l2(0.5));
    /// let model = Sequential::new([2]).add(flatten).build()?;
    /// let x = Var::constant(&Tensor::new(vec![1.0f32, 3.0, 2.0, 0.0], [2, 2])?);
    /// let mut call = Call::inference();
    /// model.call(&[x], &mut call)?;
    /// assert_eq!(call.losses()[0].eval()?.item::<f32>()?, 3.5);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `activity_regularizer` of every layer.
    #[must_use]
    pub fn activity_regularizer(
        &self,
        regularizer: impl Into<Option<Regularizer>>,
    ) -> Self {
        self.with(|placed| placed.activity_regularizer = regularizer.into())
    }

    /// The configuration.
    #[must_use]
    pub fn layer(&self) -> &dyn AnyLayer {
        &*self.0.layer
    }

    /// The name, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Whether the weights are trained.
    #[must_use]
    pub fn is_trainable(&self) -> bool {
        self.0.trainable
    }

    pub(crate) fn own_policy(&self) -> Option<DTypePolicy> {
        self.0.dtype
    }

    /// The element types of the computation and of the weights.
    #[must_use]
    pub fn dtype_policy(&self) -> DTypePolicy {
        self.0.dtype.unwrap_or_default()
    }

    /// The penalty on its outputs, unless it is a setting of the configuration.
    #[must_use]
    pub fn activity(&self) -> Option<&Regularizer> {
        self.0.activity_regularizer.as_ref()
    }

    /// Adds the penalty of these outputs to the loss.
    pub(crate) fn penalize(&self, outputs: &[Var], call: &mut Call<'_>) -> Result<()> {
        let penalties = self.activity().into_iter();
        let mut of_outputs =
            penalties.flat_map(|penalty| outputs.iter().map(move |y| (penalty, y)));
        of_outputs.try_for_each(|(penalty, output)| penalty.add_activity(output, call))
    }

    /// Checks that it is a layer with one penalty on its outputs, if it has any.
    pub(crate) fn check_activity(&self) -> Result<()> {
        let Some(penalty) = self.activity() else { return Ok(()) };
        let layer = self.layer();
        let is_part = self.model().is_some() || self.as_input().is_some();
        if is_part || is_operation(layer.module()) || !layer.takes_trainable() {
            let problem = "takes no `activity_regularizer`";
            return Err(Error::invalid(problem, "a layer that takes one")
                .got(layer.class_name())
                .help("add a layer ActivityRegularization after it"));
        }
        let config = layer.config()?;
        match config.get(ACTIVITY) {
            Some(own) if !own.is_null() => {
                let problem = "has `activity_regularizer` twice";
                Err(Error::invalid(problem, "one, of the layer or of its handle")
                    .got(format_args!("{own} and {penalty:?}"))
                    .help("set one that does what both do, as Regularizer::l1_l2"))
            }
            _ => Ok(()),
        }
    }

    /// Whether both are the same layer, with the same weights.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    /// A number that differs from that of every other layer that is alive.
    pub(crate) fn key(&self) -> usize {
        self.model().map_or_else(|| Arc::as_ptr(&self.0).addr(), Model::key)
    }

    /// The model that this layer is, if it is one.
    #[must_use]
    pub fn model(&self) -> Option<&Model> {
        let nested: Option<&Nested> = (self.layer() as &dyn Any).downcast_ref();
        nested.map(|nested| &nested.0)
    }

    /// The input of a model that it stands for, if it does.
    pub(crate) fn as_input(&self) -> Option<&InputLayer> {
        (self.layer() as &dyn Any).downcast_ref()
    }

    /// Counts a call, and says how many were before.
    pub(crate) fn count_call(&self) -> usize {
        self.0.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Applies the layer to one tensor.
    ///
    /// # Errors
    ///
    /// If the layer cannot take it.
    pub fn apply(&self, input: &Symbol) -> Result<Symbol> {
        self.join([input])
    }

    /// Applies the layer to several tensors.
    ///
    /// # Errors
    ///
    /// If the layer cannot take them, or has not exactly one output.
    pub fn join<'a>(
        &self,
        inputs: impl IntoIterator<Item = &'a Symbol>,
    ) -> Result<Symbol> {
        let mut outputs = self.call(inputs, [])?;
        if outputs.len() != 1 {
            let error = Error::invalid("has several outputs", "a layer with one output");
            return Err(
                self.locate(error.got(outputs.len()).help("use LayerHandle::call"))
            );
        }
        Ok(outputs.swap_remove(0))
    }

    /// Says that an error happened in this layer.
    pub(crate) fn locate(&self, error: Error) -> Error {
        let class = self.layer().class_name();
        match self.name() {
            Some(name) => error.in_layer(name, class),
            None => error.in_layer(&snake_case(class), class),
        }
    }

    /// Applies the layer to positional and named tensors.
    ///
    /// # Errors
    ///
    /// If the layer cannot take them.
    pub fn call<'a>(
        &self,
        inputs: impl IntoIterator<Item = &'a Symbol>,
        named: impl IntoIterator<Item = (&'a str, &'a Symbol)>,
    ) -> Result<Vec<Symbol>> {
        let named =
            named.into_iter().map(|(name, symbol)| (name.to_owned(), symbol.clone()));
        Symbol::call(self, inputs.into_iter().cloned().collect(), named.collect(), None)
    }

    /// Applies the layer to positional and named tensors, with arguments that are no tensors.
    ///
    /// # Errors
    ///
    /// If the layer cannot take them.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{LayerExt, Symbol, layers::MultiHeadAttention};
    ///
    /// let x = Symbol::input("x", [5, 8]);
    /// let attention = MultiHeadAttention::new(2, 4).shared();
    /// let causal = [("use_causal_mask", true.into())];
    /// let y = attention.call_with([&x, &x], [], causal)?;
    /// assert_eq!(y[0].shape().to_string(), "(batch, 5, 8)");
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    pub fn call_with<'a>(
        &self,
        inputs: impl IntoIterator<Item = &'a Symbol>,
        named: impl IntoIterator<Item = (&'a str, &'a Symbol)>,
        constants: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Vec<Symbol>> {
        let inputs: Vec<_> = inputs.into_iter().cloned().collect();
        let named: Vec<_> = named
            .into_iter()
            .map(|(name, symbol)| (name.to_owned(), symbol.clone()))
            .collect();
        let mut positional: Vec<_> = (0..inputs.len()).map(Nest::One).collect();
        if let Some(from) =
            self.layer().list_from().filter(|&from| positional.len() > from)
        {
            let list = positional.split_off(from);
            positional.push(Nest::List(list));
        }
        let places = named.iter().enumerate();
        let places =
            places.map(|(at, (name, _))| (name.clone(), Nest::One(inputs.len() + at)));
        let mut arguments = Arguments { positional, named: places.collect() };
        for (name, value) in constants {
            if !self.layer().takes_constant(name, &value) {
                let expected =
                    "an argument that the layer has, with a value that it takes";
                let error = Error::invalid("cannot be called so", expected);
                return Err(self.locate(error.got(format_args!("{name} = {value}"))));
            }
            arguments.named.push((name.to_owned(), Nest::Constant(value)));
        }
        Symbol::call(self, inputs, named, Some(arguments))
    }
}

impl fmt::Debug for LayerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.layer())?;
        self.name().map_or(Ok(()), |name| write!(f, " named {name:?}"))
    }
}
