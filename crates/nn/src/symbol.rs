//! The graph of layers that a functional model is made of: [`Symbol`].

mod operators;

use std::{fmt, sync::Arc};

use deckle_autograd::{Signature, Var};
use deckle_tensor::{DType, Shape};
use serde::{Deserialize, Serialize};

use crate::{
    Arguments, Built, Call, Error, Init, Inputs, Layer, LayerHandle, Result,
    layers::KerasShape,
};

/// A tensor between the layers of a functional model: a layer, one call of it, one output.
///
/// Operators are layers, too: `&x + &y`, `2.0 * &x`, `-&x`. Where shapes do not broadcast they
/// panic with the error that [`Operation`](crate::layers::Operation) returns, which is also how
/// functions of `keras.ops`, as `Sum` or `Sqrt`, are applied.
///
/// # Examples
///
/// ```
/// use deckle_nn::{LayerExt, Model, Symbol, layers::Dense};
///
/// let x = Symbol::input("x", [4]);
/// let y = Dense::new(3).apply(&x)?;
/// assert_eq!(y.shape().to_string(), "(batch, 3)");
/// let model = Model::new([&x], [&y])?;
/// assert_eq!(model.count_params(), 15);
/// let residual: Symbol = 0.5 * Dense::new(3).apply(&y)? + &y;
/// assert_eq!(residual.layer().layer().class_name(), "Add");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
#[derive(Clone)]
pub struct Symbol {
    call: Arc<SymbolCall>,
    output: usize,
}

/// One call of a layer.
pub(crate) struct SymbolCall {
    pub(crate) layer: LayerHandle,
    pub(crate) inputs: Vec<Symbol>,
    pub(crate) named: Vec<(String, Symbol)>,
    /// How a file nests the tensors, and the constants among them.
    pub(crate) arguments: Option<Arc<Arguments>>,
    /// How often the layer was called before.
    pub(crate) number: usize,
    pub(crate) outputs: Vec<Signature>,
}

impl SymbolCall {
    /// What it is given, in Keras's order: positional tensors, then named ones by name.
    pub(crate) fn given(&self) -> impl Iterator<Item = &Symbol> {
        let mut named: Vec<_> = self.named.iter().collect();
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.inputs.iter().chain(named.into_iter().map(|(_, symbol)| symbol))
    }
}

/// A long chain of calls must not be dropped by recursion.
impl Drop for SymbolCall {
    fn drop(&mut self) {
        let mut waiting: Vec<Symbol> = std::mem::take(&mut self.inputs);
        waiting.extend(std::mem::take(&mut self.named).into_iter().map(|(_, s)| s));
        while let Some(symbol) = waiting.pop() {
            if let Some(mut call) = Arc::into_inner(symbol.call) {
                waiting.append(&mut call.inputs);
                let named = std::mem::take(&mut call.named);
                waiting.extend(named.into_iter().map(|(_, symbol)| symbol));
            }
        }
    }
}

impl Symbol {
    /// An input of a model: `Float32` examples of that shape, without the batch axis.
    ///
    /// Axes may be unknown: `Symbol::input("words", [None])`.
    #[must_use]
    pub fn input(name: &str, shape: impl Into<KerasShape>) -> Self {
        Self::typed_input(name, shape, DType::F32)
    }

    /// An input of a model with that element type.
    #[must_use]
    pub fn typed_input(name: &str, shape: impl Into<KerasShape>, dtype: DType) -> Self {
        let layer = InputLayer::new(shape, dtype);
        Self::of_input(&LayerHandle::from(layer).named(name))
    }

    /// An input of a model whose batches all have that many examples, as stateful layers need.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{LayerExt, Symbol, layers::LSTM};
    ///
    /// let x = Symbol::batch_input("x", 8, [None, Some(3)]);
    /// let y = LSTM::new(2).stateful(true).apply(&x)?;
    /// assert_eq!(y.shape().to_string(), "(8, 2)");
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `Input(batch_shape=...)`.
    #[must_use]
    pub fn batch_input(name: &str, batch: usize, shape: impl Into<KerasShape>) -> Self {
        let layer = InputLayer::new(shape, DType::F32).batch_size(batch);
        Self::of_input(&LayerHandle::from(layer).named(name))
    }

    /// The output of an [`InputLayer`].
    pub(crate) fn of_input(layer: &LayerHandle) -> Self {
        let shapes = layer.layer().output_shape(&[]).unwrap_or_default();
        let dtype = layer.as_input().map_or(DType::F32, InputLayer::dtype);
        let outputs = shapes.into_iter().map(|shape| Signature::new(dtype, shape));
        let call = SymbolCall {
            layer: layer.clone(),
            inputs: Vec::new(),
            named: Vec::new(),
            arguments: None,
            number: 0,
            outputs: outputs.collect(),
        };
        Self { call: Arc::new(call), output: 0 }
    }

    pub(crate) fn call(
        layer: &LayerHandle,
        mut inputs: Vec<Self>,
        mut named: Vec<(String, Self)>,
        mut arguments: Option<Arguments>,
    ) -> Result<Vec<Self>> {
        place(layer.layer().input_names(), &mut inputs, &mut named, arguments.as_mut());
        if let Some((name, _)) =
            named.iter().find(|(name, _)| !layer.layer().takes_named(name))
        {
            let expected = "a tensor that the layer takes by that name";
            let error = Error::invalid("cannot be called so", expected).got(name);
            return Err(layer.locate(error));
        }
        let given: Vec<_> =
            inputs.iter().map(|input| input.signature().clone()).collect();
        let outputs = layer
            .layer()
            .outputs_of_call(
                &given,
                layer.dtype_policy().compute_dtype(),
                arguments.as_ref(),
            )
            .map_err(|error| layer.locate(error))?;
        let (number, arguments) = (layer.count_call(), arguments.map(Arc::new));
        let count = outputs.len();
        let layer = layer.clone();
        let call = SymbolCall { layer, inputs, named, arguments, number, outputs };
        let call = Arc::new(call);
        Ok((0..count).map(|output| Self { call: Arc::clone(&call), output }).collect())
    }

    /// The shape and, as far as it is known before a model is built, the element type.
    pub(crate) fn signature(&self) -> &Signature {
        &self.call.outputs[self.output]
    }

    /// The shape, with the batch axis.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.signature().shape
    }

    /// The layer that makes it.
    #[must_use]
    pub fn layer(&self) -> &LayerHandle {
        &self.call.layer
    }

    pub(crate) fn made_by(&self) -> &Arc<SymbolCall> {
        &self.call
    }

    pub(crate) fn output(&self) -> usize {
        self.output
    }
}

/// Makes positional what is given by the name of a positional input.
fn place(
    names: &[&str],
    inputs: &mut Vec<Symbol>,
    named: &mut Vec<(String, Symbol)>,
    arguments: Option<&mut Arguments>,
) {
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    let mut rest: Vec<usize> = (inputs.len()..inputs.len() + named.len()).collect();
    while let Some(name) = names.get(inputs.len()) {
        let Some(at) = named.iter().position(|(known, _)| known == name) else { break };
        inputs.push(named.remove(at).1);
        order.push(rest.remove(at));
    }
    order.append(&mut rest);
    if let Some(arguments) = arguments {
        let mut moved =
            |at: &usize| order.iter().position(|old| old == at).unwrap_or(*at);
        let Arguments { positional, named } = arguments;
        for nest in positional.iter_mut().chain(named.iter_mut().map(|(_, nest)| nest)) {
            *nest = nest.map(&mut moved);
        }
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = self.layer();
        let name = layer.name().unwrap_or(layer.layer().class_name());
        write!(f, "Symbol({name}: {})", self.shape())
    }
}

/// What stands for a model's input among its layers.
///
/// # Keras
///
/// `keras.layers.InputLayer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputLayer {
    batch_shape: Vec<Option<usize>>,
    #[serde(default)]
    sparse: bool,
    #[serde(default)]
    ragged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    optional: Option<bool>,
    #[serde(skip)]
    dtype: Option<DType>,
}

impl InputLayer {
    /// The input for examples of that shape and element type.
    #[must_use]
    pub fn new(shape: impl Into<KerasShape>, dtype: DType) -> Self {
        let mut batch_shape = vec![None];
        batch_shape.extend(shape.into().0);
        Self::of_batch(batch_shape, dtype)
    }

    /// The input for batches of that shape, batch axis included.
    pub(crate) fn of_batch(batch_shape: Vec<Option<usize>>, dtype: DType) -> Self {
        Self {
            batch_shape,
            sparse: false,
            ragged: false,
            optional: None,
            dtype: Some(dtype),
        }
    }

    /// The same input for batches of that many examples.
    #[must_use]
    pub fn batch_size(mut self, batch: usize) -> Self {
        if let Some(first) = self.batch_shape.first_mut() {
            *first = Some(batch);
        }
        self
    }

    /// The same input with another element type.
    #[must_use]
    pub fn with_dtype(mut self, dtype: DType) -> Self {
        self.dtype = Some(dtype);
        self
    }

    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype.unwrap_or(DType::F32)
    }
}

impl Layer for InputLayer {
    fn class_name(&self) -> &'static str {
        "InputLayer"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if inputs.is_empty() {
            return Ok(vec![Shape::from(&self.batch_shape[..])]);
        }
        Err(Error::invalid(
            "cannot take an input",
            "none, as the first of a model's layers",
        )
        .got(format_args!("{} inputs", inputs.len())))
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(Given))
    }
}

/// A model's input, which is given and never called.
#[derive(Debug)]
struct Given;

impl Built for Given {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        Ok(inputs.positional().to_vec())
    }
}
