//! A table of vectors, to look up and to look back.

use deckle_autograd::{Signature, Var, Variable};
use deckle_tensor::{DType, Shape};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Embedding, embedding::BuiltEmbedding, heads::flag, setters::setters};
use crate::{
    Arguments, Built, Call, Constraint, Error, Init, Initializer, Inputs, Layer,
    Regularizer, Result, expect, keras::yes,
};

/// An [`Embedding`] whose table also turns vectors into scores of all rows.
///
/// With the constant `reverse` of a call, the input are vectors, and the output their products
/// with all rows; `logit_soft_cap` bends these, `cap · tanh(y / cap)`.
///
/// # Shapes
///
/// | tensor               | shape                                                    |
/// |----------------------|----------------------------------------------------------|
/// | `embeddings`         | `(input_dim, output_dim)`                                |
/// | `reverse_embeddings` | `(output_dim, input_dim)`; only if weights are not tied  |
/// | input                | `(batch, ...)`, or with `reverse` `(batch, ..., output_dim)` |
/// | output               | `(batch, ..., output_dim)`, or `(batch, ..., input_dim)` |
///
/// # Errors
///
/// As [`Embedding`]; and if the cap is not above 0, or vectors have another length.
///
/// # Examples
///
/// ```
/// use deckle_nn::{LayerExt, Symbol, layers::ReversibleEmbedding};
///
/// let (words, vectors) = (Symbol::input("words", [5]), Symbol::input("vectors", [5, 4]));
/// let table = ReversibleEmbedding::new(100, 4).shared();
/// assert_eq!(table.apply(&words)?.shape().to_string(), "(batch, 5, 4)");
/// let scores = table.call_with([&vectors], [], [("reverse", true.into())])?;
/// assert_eq!(scores[0].shape().to_string(), "(batch, 5, 100)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.ReversibleEmbedding`.
///
/// # References
///
/// Press and Wolf, *Using the output embedding to improve language models* (2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReversibleEmbedding {
    #[serde(flatten)]
    embedding: Embedding,
    #[serde(default = "yes")]
    tie_weights: bool,
    #[serde(default)]
    reverse_dtype: Option<ReverseDType>,
    #[serde(default)]
    logit_soft_cap: Option<f64>,
}

/// An element type by its name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct ReverseDType(DType);

impl TryFrom<String> for ReverseDType {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let dtype: DType = name.parse().map_err(|_| format!("dtype {name}"))?;
        if dtype.is_float() { Ok(Self(dtype)) } else { Err(format!("dtype {name}")) }
    }
}

impl From<ReverseDType> for String {
    fn from(dtype: ReverseDType) -> Self {
        dtype.0.name().to_owned()
    }
}

impl ReversibleEmbedding {
    /// A table of `input_dim` vectors with `output_dim` elements each.
    #[must_use]
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        Self {
            embedding: Embedding::new(input_dim, output_dim),
            tie_weights: true,
            reverse_dtype: None,
            logit_soft_cap: None,
        }
    }

    setters! {
        /// Sets whether the table serves both ways; true by default.
        tie_weights: bool;
        /// Sets how large scores may become; any by default.
        logit_soft_cap: into Option<f64>;
    }

    /// Sets the floating-point type that scores are computed in; the layer's by default.
    #[must_use]
    pub fn reverse_dtype(mut self, dtype: DType) -> Self {
        self.reverse_dtype = Some(ReverseDType(dtype));
        self
    }

    /// Sets the tables' first values; uniform from -0.05 to 0.05 by default.
    #[must_use]
    pub fn embeddings_initializer(mut self, initializer: Initializer) -> Self {
        self.embedding = self.embedding.embeddings_initializer(initializer);
        self
    }

    /// Sets the penalty on the table; none by default.
    #[must_use]
    pub fn embeddings_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.embedding = self.embedding.embeddings_regularizer(regularizer);
        self
    }

    /// Sets what the table is made to be after each step; free by default.
    #[must_use]
    pub fn embeddings_constraint(mut self, constraint: Constraint) -> Self {
        self.embedding = self.embedding.embeddings_constraint(constraint);
        self
    }

    /// Sets whether 0 masks a step; false by default.
    #[must_use]
    pub fn mask_zero(mut self, mask_zero: bool) -> Self {
        self.embedding = self.embedding.mask_zero(mask_zero);
        self
    }

    fn check(&self) -> Result<()> {
        if let Some(ReverseDType(dtype)) = self.reverse_dtype
            && !dtype.is_float()
        {
            let expected = "a type of floating-point numbers";
            let error = Error::invalid("`reverse_dtype` makes no sense", expected);
            return Err(error.got(dtype.name()));
        }
        match self.logit_soft_cap {
            Some(cap) if cap.is_nan() || cap <= 0.0 => {
                let expected = "a number above 0, or none";
                Err(Error::invalid("`logit_soft_cap` makes no sense", expected).got(cap))
            }
            _ => Ok(()),
        }
    }
}

impl Layer for ReversibleEmbedding {
    fn class_name(&self) -> &'static str {
        "ReversibleEmbedding"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.check()?;
        self.embedding.output_shape(inputs)
    }

    fn outputs_of_call(
        &self,
        inputs: &[Signature],
        dtype: DType,
        arguments: Option<&Arguments>,
    ) -> Result<Vec<Signature>> {
        let reverse = arguments.and_then(|given| given.constant("reverse"));
        if reverse != Some(&Value::Bool(true)) {
            return self.outputs(inputs, dtype);
        }
        let shapes: Vec<_> = inputs.iter().map(|input| input.shape.clone()).collect();
        let input = expect::one_input(&shapes)?;
        self.output_shape(&shapes)?;
        let (rows, len) = (self.embedding.input_dim(), self.embedding.output_dim());
        if input.rank() < 2 || expect::known(input, -1)? != len {
            let expected = format_args!("(batch, ..., {len})").to_string();
            return Err(Error::invalid("cannot look back", expected).got(input));
        }
        let dtype = self.reverse_dtype.map_or(dtype, |reverse| reverse.0);
        Ok(vec![Signature::new(dtype, input.with(-1, rows)?)])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let embedding = self.embedding.built(init)?;
        let mut reverse = None;
        if !self.tie_weights {
            let shape = [self.embedding.output_dim(), self.embedding.input_dim()];
            let initializer = self.embedding.initializer();
            reverse = Some(init.variable("reverse_embeddings", shape, initializer)?);
        }
        let _ = inputs;
        Ok(Box::new(BuiltReversible { config: self.clone(), embedding, reverse }))
    }

    fn casts_inputs(&self) -> bool {
        false
    }

    fn takes_constant(&self, argument: &str, value: &Value) -> bool {
        argument == "reverse" && value.is_boolean()
    }
}

#[derive(Debug)]
struct BuiltReversible {
    config: ReversibleEmbedding,
    embedding: BuiltEmbedding,
    reverse: Option<Variable>,
}

impl Built for BuiltReversible {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        if !flag(inputs, "reverse") {
            return self.embedding.call(inputs, call);
        }
        let dtype = self.config.reverse_dtype.map_or(call.dtype(), |reverse| reverse.0);
        let x = inputs.only()?.cast(dtype)?;
        let mut y = match &self.reverse {
            Some(reverse) => x.matmul(&call.read_exact(reverse).cast(dtype)?)?,
            None => {
                let table = call.read_exact(self.embedding.table()).cast(dtype)?;
                x.matmul(&table.swap_axes(0, 1)?)?
            }
        };
        if let Some(cap) = self.config.logit_soft_cap {
            y = y.div(cap)?.tanh()?.mul(cap)?;
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{LayerExt, Model, Symbol, check_layer_on};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        let ids = Tensor::new(vec![0i32, 3, 1, 3, 2, 0], [2, 3])?;
        check_layer_on(&ReversibleEmbedding::new(4, 2), &[ids])
    }

    #[test]
    fn looking_back_is_the_product_with_the_table() -> Result<()> {
        let x = Symbol::input("x", [1]);
        let table = ReversibleEmbedding::new(3, 2).logit_soft_cap(0.5).shared();
        let vectors = table.apply(&x)?;
        let y = table.call_with([&vectors], [], [("reverse", true.into())])?.remove(0);
        let model = Model::new([&x], [&y])?;
        let numbers = Tensor::new(vec![1.0f32, 2.0, 0.0, -1.0, 3.0, 0.5], [3, 2])?;
        model.variables()[0].set(&numbers)?;
        let x = Var::constant(&Tensor::new(vec![1.0f32], [1, 1])?);
        let y = model.call(&[x], &mut Call::inference())?[0].eval()?;
        let bent = |y: f32| 0.5 * (y / 0.5).tanh();
        assert!(y.allclose(
            &Tensor::new(vec![bent(-2.0), bent(1.0), bent(-0.5)], [1, 1, 3])?,
            1e-6,
            1e-6
        )?);
        assert_eq!(model.count_params(), 6);
        Ok(())
    }

    #[test]
    fn vectors_of_another_length_are_an_error() {
        let x = Symbol::input("x", [3]);
        let table = ReversibleEmbedding::new(3, 2).shared();
        let error = table.call_with([&x], [], [("reverse", true.into())]).unwrap_err();
        assert!(error.to_string().contains("expected: (batch, ..., 2)"), "{error}");
    }
}
