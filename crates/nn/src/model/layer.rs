//! The layers of a model: [`ModelLayer`].

use std::sync::{Arc, OnceLock};

use deckle_autograd::{Var, Variable};
use deckle_tensor::{DType, Shape};

use super::{Model, Nested};
use crate::{
    Built, Call, Error, Init, Inputs, LayerHandle, Result, Weight, symbol::SymbolCall,
};

/// A layer of a model, with its weights.
#[derive(Clone, Debug)]
pub struct ModelLayer {
    handle: LayerHandle,
    name: String,
    built: Arc<dyn Built>,
    weights: Vec<Weight>,
    memories: Vec<Variable>,
    input_shapes: Vec<Shape>,
    output_shapes: Vec<Shape>,
}

impl ModelLayer {
    /// The name, unique in its model.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keras's name of the class.
    #[must_use]
    pub fn class_name(&self) -> &'static str {
        self.handle.layer().class_name()
    }

    /// Configuration, trainability, element type and the penalty on outputs.
    #[must_use]
    pub const fn handle(&self) -> &LayerHandle {
        &self.handle
    }

    /// The weights, in the order in which they were made; if it is a model, those of all its
    /// layers.
    #[must_use]
    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }

    /// What it remembers from batch to batch, as the states of a stateful recurrent layer.
    #[must_use]
    pub fn memories(&self) -> &[Variable] {
        &self.memories
    }

    /// The shapes that it was built for.
    #[must_use]
    pub fn input_shapes(&self) -> &[Shape] {
        &self.input_shapes
    }

    /// The shapes of its first call's outputs.
    #[must_use]
    pub fn output_shapes(&self) -> &[Shape] {
        &self.output_shapes
    }

    /// The number of numbers in its weights.
    #[must_use]
    pub fn count_params(&self) -> usize {
        self.weights.iter().map(|weight| weight.variable().spec().size()).sum()
    }

    /// Whether it stands for an input of the model.
    #[must_use]
    pub fn is_input(&self) -> bool {
        self.handle.as_input().is_some()
    }

    /// The model that this layer is, if it is one.
    #[must_use]
    pub fn model(&self) -> Option<&Model> {
        self.handle.model()
    }

    /// The layer with its weights, to be applied in other models, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Model, Sequential, Symbol, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3)).add(Dense::new(1)).build()?;
    /// let x = Symbol::input("x", [4]);
    /// let features = Model::new([&x], [&model.layer("dense")?.shared().apply(&x)?])?;
    /// model.weight("dense/bias")?.variable().set(&[1.0f32, 2.0, 3.0].into())?;
    /// assert_eq!(features.get_weights()?[1], [1.0f32, 2.0, 3.0].into());
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `model.get_layer(name)`, to be called on other tensors.
    #[must_use]
    pub fn shared(&self) -> LayerHandle {
        if self.model().is_some() || self.is_input() || self.handle.made().is_some() {
            return self.handle.clone();
        }
        let made = (Arc::clone(&self.built), self.weights.clone(), self.memories.clone());
        let made = OnceLock::from(made);
        self.handle.named(&self.name).sharing(Arc::new(made))
    }

    /// Whether it is not frozen; the layers of a model are on their own.
    pub(crate) fn is_open(&self) -> bool {
        self.model().is_some() || self.handle.is_trainable()
    }

    /// Whether both have the same weights, and not none.
    pub(crate) fn has_weights_of(&self, other: &Self) -> bool {
        !self.weights.is_empty()
            && self.weights.len() == other.weights.len()
            && (self.weights.iter().zip(&other.weights))
                .all(|(a, b)| a.variable().is_same(b.variable()))
    }

    /// The same layer as another handle on its configuration, with the same weights.
    pub(super) fn with_handle(&self, handle: LayerHandle) -> Self {
        Self { handle, ..self.clone() }
    }

    /// The same layer as a model in its place, which has the same weights.
    pub(super) fn with_model(&self, model: &Model) -> Self {
        Self {
            handle: LayerHandle::from(model),
            built: Arc::new(Nested(model.clone())),
            weights: weights_of(model),
            memories: model.memories(),
            ..self.clone()
        }
    }

    /// The same layer, built for inputs of these shapes.
    pub(super) fn with_shapes(self, inputs: Vec<Shape>, outputs: Vec<Shape>) -> Self {
        Self { input_shapes: inputs, output_shapes: outputs, ..self }
    }

    /// Says that an error happened in this layer.
    pub(crate) fn locate(&self, error: Error) -> Error {
        match error {
            Error::Layer { name, class, error } if self.model().is_some() => {
                Error::Layer { name: format!("{}/{name}", self.name), class, error }
            }
            error => error.in_layer(&self.name, self.class_name()),
        }
    }
}

impl ModelLayer {
    /// The layer with weights for its first call.
    pub(super) fn build<'a>(
        handle: LayerHandle,
        name: String,
        call: &SymbolCall,
        init: impl FnOnce(&str, DType) -> Init<'a>,
    ) -> Result<Self> {
        let input_shapes: Vec<_> =
            call.inputs.iter().map(|input| input.shape().clone()).collect();
        let output_shapes =
            call.outputs.iter().map(|output| output.shape.clone()).collect();
        let made = handle.made().and_then(|made| made.get()).cloned();
        let (built, weights, memories) = match made {
            Some(made) => made,
            None => {
                let mut init = init(&name, handle.dtype_policy().variable_dtype());
                let locate =
                    |error: Error| error.in_layer(&name, handle.layer().class_name());
                handle.check_activity().map_err(locate)?;
                let built =
                    handle.layer().build(&input_shapes, &mut init).map_err(locate)?;
                let (weights, memories) = match handle.model() {
                    Some(model) => (weights_of(model), model.memories()),
                    None => init.into_parts(),
                };
                for weight in &weights {
                    weight.check().map_err(locate)?;
                }
                let made = (Arc::from(built), weights, memories);
                match handle.made() {
                    Some(shared) => shared.get_or_init(|| made).clone(),
                    None => made,
                }
            }
        };
        Ok(Self { handle, name, built, weights, memories, input_shapes, output_shapes })
    }

    pub(super) fn call(&self, given: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let handle = &self.handle;
        let dtype = handle.dtype_policy().compute_dtype();
        let casts = handle.layer().casts_inputs();
        let inputs = given.map(|input| {
            let cast = casts && input.dtype().is_float() && input.dtype() != dtype;
            if !cast {
                return Ok(input.clone());
            }
            let mut output = input.cast(dtype)?;
            if !dtype.is_float() {
                // Whole numbers are constants to gradients, as in Keras.
                output = output.stop_gradient()?;
            }
            if let Some(mask) = call.mask(input).cloned() {
                call.set_mask(&output, &mask);
            }
            Ok(output)
        })?;
        let mut path = String::new();
        let mut outputs = call.within(&self.name, self.is_open(), dtype, |call| {
            call.path().clone_into(&mut path);
            let outputs = self.built.call(&inputs, call)?;
            handle.penalize(&outputs, call)?;
            Ok(outputs)
        })?;
        if self.model().is_some() {
            return Ok(outputs);
        }
        if !handle.layer().passes_mask() {
            for output in &mut outputs {
                let is_input =
                    inputs.positional().iter().any(|input| input.is_same(output));
                if is_input
                    && call.mask(output).is_some()
                    && output.dtype() != DType::Bool
                {
                    // The same numbers, but another tensor, to which the mask does not belong.
                    *output = output.mul(1.0)?;
                }
            }
        }
        let all: Vec<_> = inputs.positional().to_vec();
        Var::set_path(&outputs, &all, &path);
        if handle.layer().passes_mask() {
            let given = inputs.named("mask").next();
            let first = inputs.positional().first();
            let mask = given.or_else(|| call.mask(first?)).cloned();
            if let (Some(output), Some(mask)) = (outputs.first(), &mask)
                && call.mask(output).is_none()
            {
                call.set_mask(output, mask);
            }
        }
        Ok(outputs)
    }
}

/// A model's weights, of which those of frozen layers are not to be trained.
fn weights_of(model: &Model) -> Vec<Weight> {
    let all = model.open_weights().into_iter();
    all.map(|(is_open, weight)| weight.trained(is_open)).collect()
}
