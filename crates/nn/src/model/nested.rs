//! Models as layers of other models.

use std::fmt;

use deckle_autograd::{Signature, Var};
use deckle_tensor::{DType, Shape};
use serde::{Serialize, Serializer, ser::Error as _};

use super::Model;
use crate::{Built, Call, Error, Init, Inputs, Layer, LayerHandle, Result, Symbol};

impl Model {
    /// Applies the model to one tensor, as a layer of another model; its weights are shared.
    ///
    /// # Errors
    ///
    /// If the model cannot take it, or has not exactly one input and one output.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{LayerExt, Model, Sequential, Symbol, layers::{Concatenate, Dense}};
    ///
    /// let encoder = Sequential::new([4]).add(Dense::new(3)).name("encoder").build()?;
    /// let (a, b) = (Symbol::input("a", [4]), Symbol::input("b", [4]));
    /// let joined = Concatenate::new().join([&encoder.apply(&a)?, &encoder.apply(&b)?])?;
    /// let model = Model::new([&a, &b], [&joined])?;
    /// assert_eq!(model.count_params(), encoder.count_params());
    /// assert_eq!(model.layer("encoder/dense")?.count_params(), 15);
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `model(x)`, on a `keras.Input`.
    pub fn apply(&self, input: &Symbol) -> Result<Symbol> {
        LayerHandle::from(self).apply(input)
    }

    /// Applies the model to several tensors, as a layer of another model.
    ///
    /// # Errors
    ///
    /// If the model cannot take them, or has not exactly one output.
    pub fn join<'a>(
        &self,
        inputs: impl IntoIterator<Item = &'a Symbol>,
    ) -> Result<Symbol> {
        LayerHandle::from(self).join(inputs)
    }

    /// Applies the model to its inputs, as a layer of another model; all its outputs.
    ///
    /// # Errors
    ///
    /// If the model cannot take them.
    pub fn apply_all<'a>(
        &self,
        inputs: impl IntoIterator<Item = &'a Symbol>,
    ) -> Result<Vec<Symbol>> {
        LayerHandle::from(self).call(inputs, [])
    }

    /// That the number of inputs is wrong, if it is.
    pub(super) fn check_count(&self, got: usize) -> Result<()> {
        let expected = self.input_refs().len();
        if got == expected {
            return Ok(());
        }
        Err(Error::invalid(
            format_args!("model `{}` cannot take these inputs", self.name()),
            match expected {
                1 => "1 input".to_owned(),
                n => format!("{n} inputs"),
            },
        )
        .got(got))
    }

    /// Checks that the model can take tensors of these shapes, with an axis of any number of
    /// examples first, as inputs.
    ///
    /// # Errors
    ///
    /// If there are more or fewer than the model has inputs, or one is of another shape, which
    /// is named.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3)).build()?;
    /// assert!(model.check_inputs(&[[1, 4].into()]).is_ok());
    ///
    /// let error = model.check_inputs(&[[4].into()]).unwrap_err();
    /// assert!(error.to_string().ends_with("the axis of the batch by expand_dims(0)"));
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    pub fn check_inputs(&self, shapes: &[Shape]) -> Result<()> {
        self.check_count(shapes.len())?;
        let mut inputs = self.inputs().zip(shapes);
        inputs.try_for_each(|((name, expected, _), got)| {
            let example = expected.dims().iter().skip(1).cloned();
            check_input(name, &Shape::batch_of(example), got)
        })
    }

    /// Shapes and element types of the outputs for inputs of these.
    pub(super) fn signatures(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        self.check_count(inputs.len())?;
        let mut made: Vec<Vec<Signature>> = vec![Vec::new(); self.calls().len()];
        let mut is_known = true;
        for ((input, tensor), (name, shape, dtype)) in
            inputs.iter().zip(self.input_refs()).zip(self.inputs())
        {
            check_input(name, shape, &input.shape)?;
            is_known &= input.shape == *shape;
            made[tensor.call] = vec![Signature::new(dtype, &input.shape)];
        }
        if is_known {
            let outputs = self.output_refs().iter();
            return Ok(outputs.map(|&tensor| self.signature(tensor).clone()).collect());
        }
        for (at, step) in self.calls().iter().enumerate() {
            let layer = &self.layers()[step.layer];
            if layer.is_input() {
                continue;
            }
            let given: Vec<_> =
                step.inputs.iter().map(|t| made[t.call][t.output].clone()).collect();
            let handle = layer.handle();
            made[at] = handle
                .layer()
                .outputs_of_call(
                    &given,
                    handle.dtype_policy().compute_dtype(),
                    step.arguments.as_deref(),
                )
                .map_err(|error| layer.locate(error))?;
        }
        let outputs = self.output_refs().iter();
        Ok(outputs.map(|tensor| made[tensor.call][tensor.output].clone()).collect())
    }
}

/// That data of that shape do not fit, if they do not.
pub(super) fn check_input(name: &str, expected: &Shape, got: &Shape) -> Result<()> {
    if got.may_equal(expected) {
        return Ok(());
    }
    let error = Error::invalid(
        format_args!("input `{name}` of the model got data of another shape"),
        expected,
    )
    .got(got);
    let batch: Shape =
        expected.dims().iter().take(1).chain(got.dims()).cloned().collect();
    if batch.may_equal(expected) {
        return Err(error.help(
            "one example is a batch, too: give it the axis of the batch by \
             expand_dims(0)",
        ));
    }
    let example: Shape = got.dims().iter().skip(1).cloned().collect();
    Err(error.help(format_args!(
        "reshape the data, or build the model for examples of shape {example}"
    )))
}

/// A model that is a layer of another one.
#[derive(Clone)]
pub(crate) struct Nested(pub(crate) Model);

impl fmt::Debug for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model `{}`", self.0.name())
    }
}

impl PartialEq for Nested {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let config = self.0.config().map_err(S::Error::custom)?;
        config["config"].serialize(serializer)
    }
}

impl Layer for Nested {
    fn class_name(&self) -> &'static str {
        if self.0.is_sequential() { "Sequential" } else { "Functional" }
    }

    fn module(&self) -> &'static str {
        if self.0.is_sequential() { "keras" } else { "keras.src.models.functional" }
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let inputs: Vec<_> =
            inputs.iter().map(|shape| Signature::new(DType::F32, shape)).collect();
        let outputs = self.0.signatures(&inputs)?.into_iter();
        Ok(outputs.map(|output| output.shape).collect())
    }

    fn outputs(&self, inputs: &[Signature], _dtype: DType) -> Result<Vec<Signature>> {
        self.0.signatures(inputs)
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn casts_inputs(&self) -> bool {
        false
    }

    fn takes_named(&self, name: &str) -> bool {
        name == "mask"
    }
}

impl Built for Nested {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let given = inputs.positional();
        // Masks are one for each input, in the inputs' order; those left out are not tensors.
        let masks = inputs.arguments().and_then(|arguments| arguments.named("mask"));
        if let Some(masks) = masks {
            let mut named = inputs.named("mask");
            for (input, mask) in given.iter().zip(masks.leaves()) {
                if let (true, Some(mask)) = (mask.is_ok(), named.next()) {
                    call.set_mask(input, mask);
                }
            }
        }
        self.0.call(given, call)
    }
}
