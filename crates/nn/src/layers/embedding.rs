//! The layer that looks up vectors.

use deckle_autograd::{Var, Variable};
use deckle_tensor::{DType, Shape};
use serde::{Deserialize, Serialize};

use crate::{
    Built, Call, Constraint, Init, Initializer, Inputs, Layer, Regularizer, Result,
    expect,
};

/// A vector for each whole number: row `x` of a table.
///
/// With `mask_zero`, steps whose number is 0 are masked: recurrent layers skip them, losses and
/// metrics do not count them.
///
/// # Shapes
///
/// | tensor       | shape                      |
/// |--------------|----------------------------|
/// | input        | `(batch, ...)`             |
/// | `embeddings` | `(input_dim, output_dim)`  |
/// | output       | `(batch, ..., output_dim)` |
///
/// # Errors
///
/// Building fails if a dimension is 0. A number from `input_dim` on, or below 0, is an error of
/// the step.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::Embedding};
///
/// let layer = Embedding::new(10_000, 32);
/// let shapes = layer.output_shape(&[[None, None].into()])?;
/// assert_eq!(shapes[0].to_string(), "(batch, ?, 32)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Embedding`. There, what a number outside the table gives depends on the
/// backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    input_dim: usize,
    output_dim: usize,
    #[serde(default = "Initializer::uniform")]
    embeddings_initializer: Initializer,
    #[serde(default)]
    embeddings_regularizer: Option<Regularizer>,
    #[serde(default)]
    embeddings_constraint: Option<Constraint>,
    #[serde(default)]
    activity_regularizer: Option<Regularizer>,
    #[serde(default)]
    mask_zero: bool,
}

impl Embedding {
    /// A table of `input_dim` vectors with `output_dim` elements each.
    #[must_use]
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        Self {
            input_dim,
            output_dim,
            embeddings_initializer: Initializer::uniform(),
            embeddings_regularizer: None,
            embeddings_constraint: None,
            activity_regularizer: None,
            mask_zero: false,
        }
    }

    /// Sets the table's first values; uniform from -0.05 to 0.05 by default.
    #[must_use]
    pub fn embeddings_initializer(mut self, initializer: Initializer) -> Self {
        self.embeddings_initializer = initializer;
        self
    }

    /// Sets the penalty on the table; none by default.
    #[must_use]
    pub fn embeddings_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.embeddings_regularizer = Some(regularizer);
        self
    }

    /// Sets what the table is made to be after each step; free by default.
    #[must_use]
    pub fn embeddings_constraint(mut self, constraint: Constraint) -> Self {
        self.embeddings_constraint = Some(constraint);
        self
    }

    /// Sets the penalty on the output, divided by the batch size; none by default.
    #[must_use]
    pub fn activity_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.activity_regularizer = Some(regularizer);
        self
    }

    /// Sets whether 0 masks a step; false by default.
    #[must_use]
    pub fn mask_zero(mut self, mask_zero: bool) -> Self {
        self.mask_zero = mask_zero;
        self
    }
}

impl Layer for Embedding {
    fn class_name(&self) -> &'static str {
        "Embedding"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        expect::positive("input_dim", self.input_dim)?;
        expect::positive("output_dim", self.output_dim)?;
        Ok(vec![input.dims().iter().cloned().chain([self.output_dim.into()]).collect()])
    }

    fn build(&self, _inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.built(init)?))
    }

    /// Numbers of words may come as floating point, which low precision would change.
    fn casts_inputs(&self) -> bool {
        false
    }
}

impl Embedding {
    pub(super) const fn input_dim(&self) -> usize {
        self.input_dim
    }

    pub(super) const fn output_dim(&self) -> usize {
        self.output_dim
    }

    pub(super) const fn initializer(&self) -> &Initializer {
        &self.embeddings_initializer
    }

    /// The layer with its table.
    pub(super) fn built(&self, init: &mut Init<'_>) -> Result<BuiltEmbedding> {
        let shape = [self.input_dim, self.output_dim];
        let embeddings =
            init.variable("embeddings", shape, &self.embeddings_initializer)?;
        init.regularize(&embeddings, self.embeddings_regularizer.as_ref());
        init.constrain(&embeddings, self.embeddings_constraint.as_ref());
        let (mask_zero, activity) = (self.mask_zero, self.activity_regularizer.clone());
        Ok(BuiltEmbedding { embeddings, mask_zero, activity })
    }
}

#[derive(Debug)]
pub(super) struct BuiltEmbedding {
    embeddings: Variable,
    mask_zero: bool,
    activity: Option<Regularizer>,
}

impl BuiltEmbedding {
    pub(super) const fn table(&self) -> &Variable {
        &self.embeddings
    }
}

impl Built for BuiltEmbedding {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        let ids = if x.dtype().is_integer() { x.clone() } else { x.cast(DType::I32)? };
        let y = call.read_exact(&self.embeddings).gather(0, &ids)?.cast(call.dtype())?;
        if self.mask_zero {
            let number = if x.dtype() == DType::Bool { &ids } else { x };
            call.set_mask(&y, &number.not_equal(0)?);
        }
        if let Some(regularizer) = &self.activity {
            regularizer.add_activity(&y, call)?;
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Sequential, check_layer_on};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        let ids = Tensor::new(vec![0i32, 3, 1, 3, 2, 0], [2, 3])?;
        check_layer_on(&Embedding::new(4, 2), std::slice::from_ref(&ids))?;
        check_layer_on(&Embedding::new(4, 3).mask_zero(true), &[ids.cast(DType::U8)])
    }

    #[test]
    fn a_number_outside_the_table_is_an_error_of_the_step() -> Result<()> {
        let model =
            Sequential::typed([None], DType::I32).add(Embedding::new(4, 2)).build()?;
        for id in [4, -1] {
            let x = Var::constant(&Tensor::new(vec![1i32, id], [1, 2])?);
            let error = model.call(&[x], &mut Call::inference())?[0].eval().unwrap_err();
            assert!(error.to_string().contains(&id.to_string()), "{error}");
        }
        Ok(())
    }

    #[test]
    fn numbers_may_come_as_floating_point() -> Result<()> {
        let model = Sequential::new([2]).add(Embedding::new(4, 2)).build()?;
        let table = model.variables()[0].value()?;
        let x = Var::constant(&Tensor::new(vec![3.0f32, 1.0], [1, 2])?);
        let y = model.call(&[x], &mut Call::inference())?[0].eval()?;
        assert_eq!(y.slice((0, 0))?, table.slice(3)?);
        assert_eq!(y.slice((0, 1))?, table.slice(1)?);
        Ok(())
    }

    #[test]
    fn zero_masks_a_step() -> Result<()> {
        let model = Sequential::typed([2], DType::I32)
            .add(Embedding::new(4, 2).mask_zero(true))
            .build()?;
        let x = Var::constant(&Tensor::new(vec![1i32, 0], [1, 2])?);
        let mut call = Call::inference();
        let y = model.call(&[x], &mut call)?;
        let mask = call.mask(&y[0]).unwrap().eval()?;
        assert_eq!(mask.to_vec::<bool>()?, [true, false]);
        let model = Sequential::typed([2], DType::Bool)
            .add(Embedding::new(2, 2).mask_zero(true))
            .build()?;
        let x = Var::constant(&Tensor::from([[true, false]]));
        let y = model.call(&[x], &mut call)?;
        let mask = call.mask(&y[0]).unwrap().eval()?;
        assert_eq!(mask.to_vec::<bool>()?, [true, false]);
        // What becomes 0 is none.
        let model =
            Sequential::new([2]).add(Embedding::new(4, 2).mask_zero(true)).build()?;
        let x = Var::constant(&Tensor::from([[0.5f32, 0.0]]));
        let y = model.call(&[x], &mut call)?;
        let mask = call.mask(&y[0]).unwrap().eval()?;
        assert_eq!(mask.to_vec::<bool>()?, [true, false]);
        Ok(())
    }
}
