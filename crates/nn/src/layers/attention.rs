//! Attention without projections: `Attention` and `AdditiveAttention`.

use deckle_autograd::{Signature, Var, Variable};
use deckle_tensor::{DType, Shape};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    heads::{Reach, Shares, flag, given, three},
    setters::setters,
};
use crate::{
    Arguments, Built, Call, Init, Initializer, Inputs, Layer, Nest, Result, expect,
    keras::yes,
};

/// How a query and a key make a score.
///
/// # Keras
///
/// `score_mode` of `keras.layers.Attention`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreMode {
    /// Their product, `q · k`.
    #[default]
    Dot,
    /// `Σ tanh(q + k)`, times a weight.
    Concat,
}

/// Attention by products: `softmax(query · keyᵀ) · value`.
///
/// The inputs are query, value and perhaps key, which is the value by default. Masked values are
/// not looked at, masked queries get 0, and with the constant `use_causal_mask` nothing that
/// comes later is looked at. With the constant `return_attention_scores` the shares
/// `(batch, queries, keys)` are a second output. The output has the query's mask.
///
/// # Shapes
///
/// | tensor                         | shape                                 |
/// |--------------------------------|---------------------------------------|
/// | query                          | `(batch, queries, features)`          |
/// | value                          | `(batch, keys, values)`               |
/// | key                            | `(batch, keys, features)`             |
/// | `scale`, `concat_score_weight` | `()`, each only if it is used         |
/// | output                         | `(batch, queries, values)`            |
///
/// # Errors
///
/// Building fails if the inputs do not fit, or the share to drop is not between 0 and 1.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, LayerExt, Model, Symbol, layers::Attention};
/// use deckle_tensor::Tensor;
///
/// let (query, value) = (Symbol::input("query", [1, 1]), Symbol::input("value", [2, 1]));
/// let model = Model::new([&query, &value], [&Attention::new().join([&query, &value])?])?;
/// let query = Var::constant(&Tensor::zeros(deckle_tensor::DType::F32, [1, 1, 1]));
/// let value = Var::constant(&Tensor::new(vec![1.0f32, 3.0], [1, 2, 1])?);
/// let y = model.call(&[query, value], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [2.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Attention`.
///
/// # References
///
/// Luong, Pham and Manning, *Effective approaches to attention-based neural machine
/// translation* (2015).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    #[serde(default)]
    use_scale: bool,
    #[serde(default)]
    score_mode: ScoreMode,
    #[serde(default)]
    dropout: f64,
    #[serde(default)]
    seed: Option<u64>,
}

impl Attention {
    /// The layer with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets whether scores are multiplied by a weight; false by default.
        use_scale: bool;
        /// Sets how a query and a key make a score; their product by default.
        score_mode: ScoreMode;
        /// Sets the share of what a query looks at that is left out in training; 0 by default.
        dropout: f64;
        /// Sets the seed that dropout depends on; the layer's name by default.
        seed: into Option<u64>;
    }
}

/// Attention by sums: the score of a query and a key is `Σ scale · tanh(query + key)`.
///
/// Otherwise as [`Attention`].
///
/// # Shapes
///
/// | tensor  | shape                                 |
/// |---------|---------------------------------------|
/// | query   | `(batch, queries, features)`          |
/// | value   | `(batch, keys, values)`               |
/// | key     | `(batch, keys, features)`             |
/// | `scale` | `(features,)`                         |
/// | output  | `(batch, queries, values)`            |
///
/// # Errors
///
/// As [`Attention`]; and if the features are unknown.
///
/// # Examples
///
/// ```
/// use deckle_nn::{LayerExt, Symbol, layers::AdditiveAttention};
///
/// let (query, value) = (Symbol::input("query", [5, 8]), Symbol::input("value", [7, 8]));
/// let y = AdditiveAttention::new().join([&query, &value])?;
/// assert_eq!(y.shape().to_string(), "(batch, 5, 8)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.AdditiveAttention`.
///
/// # References
///
/// Bahdanau, Cho and Bengio, *Neural machine translation by jointly learning to align and
/// translate* (2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdditiveAttention {
    #[serde(default = "yes")]
    use_scale: bool,
    #[serde(default)]
    dropout: f64,
    #[serde(default)]
    seed: Option<u64>,
}

impl Default for AdditiveAttention {
    fn default() -> Self {
        Self { use_scale: true, dropout: 0.0, seed: None }
    }
}

impl AdditiveAttention {
    /// The layer with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets whether a weight scales each feature; true by default.
        use_scale: bool;
        /// Sets the share of what a query looks at that is left out in training; 0 by default.
        dropout: f64;
        /// Sets the seed that dropout depends on; the layer's name by default.
        seed: into Option<u64>;
    }
}

/// What both layers compute of their inputs' shapes.
fn attended_shape(
    inputs: &[Shape],
    dropout: f64,
    scales_features: bool,
) -> Result<Vec<Shape>> {
    let [query, value, key] = three(inputs)?;
    if scales_features {
        expect::known(query, -1)?;
    }
    let help = "add or merge axes, e.g. with Reshape";
    for shape in [query, value, key] {
        expect::exactly(shape, 3, "(batch, positions, features)", help)?;
    }
    if !query.dims()[2].may_equal(&key.dims()[2]) {
        let expected = format!("as many features of the key as of the query, {query}");
        return Err(crate::Error::invalid("cannot take these inputs", expected).got(key));
    }
    expect::rate("dropout", dropout)?;
    Ok(vec![query.with(-1, value.dims()[2].clone())?])
}

/// The shares as a second output, if the call wants them.
fn with_shares(
    mut outputs: Vec<Signature>,
    inputs: &[Signature],
    arguments: Option<&Arguments>,
) -> Result<Vec<Signature>> {
    let wanted = arguments.and_then(|given| given.constant("return_attention_scores"));
    if wanted == Some(&Value::Bool(true)) {
        let keys = inputs[1].shape.dims()[1].clone();
        outputs.push(Signature::new(outputs[0].dtype, inputs[0].shape.with(-1, keys)?));
    }
    Ok(outputs)
}

fn takes(argument: &str, value: &Value) -> bool {
    let constants = ["use_causal_mask", "return_attention_scores"];
    value.is_boolean() && constants.contains(&argument)
}

macro_rules! attention_layer {
    ($layer:ident, $scales_features:expr, $scale:expr) => {
        impl Layer for $layer {
            fn class_name(&self) -> &'static str {
                stringify!($layer)
            }

            fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
                attended_shape(inputs, self.dropout, $scales_features(self))
            }

            fn outputs_of_call(
                &self,
                inputs: &[Signature],
                dtype: DType,
                arguments: Option<&Arguments>,
            ) -> Result<Vec<Signature>> {
                with_shares(self.outputs(inputs, dtype)?, inputs, arguments)
            }

            fn build(
                &self,
                inputs: &[Shape],
                init: &mut Init<'_>,
            ) -> Result<Box<dyn Built>> {
                let (dropout, seed) = (self.dropout, self.seed);
                let score: Score = $scale(self, inputs, init)?;
                Ok(Box::new(BuiltAttention { score, dropout, seed }))
            }

            fn takes_constant(&self, argument: &str, value: &Value) -> bool {
                takes(argument, value)
            }

            fn takes_named(&self, name: &str) -> bool {
                name == "mask"
            }

            fn list_from(&self) -> Option<usize> {
                Some(0)
            }
        }
    };
}

attention_layer! { Attention, |_: &Attention| false, |layer: &Attention, _: &[Shape], init: &mut Init<'_>| {
    let mut weight = |wanted: bool, name: &str| -> Result<Option<Variable>> {
        wanted.then(|| init.variable(name, [], &Initializer::Ones)).transpose()
    };
    let concat = layer.score_mode == ScoreMode::Concat;
    let scale = weight(layer.use_scale, "scale")?;
    Ok::<_, crate::Error>(match weight(concat, "concat_score_weight")? {
        Some(weight) => Score::Concat { scale, weight },
        None => Score::Dot { scale },
    })
} }

attention_layer! { AdditiveAttention, |layer: &AdditiveAttention| layer.use_scale,
|layer: &AdditiveAttention, inputs: &[Shape], init: &mut Init<'_>| {
    let mut scale = None;
    if layer.use_scale {
        let features = expect::known(&inputs[0], -1)?;
        scale = Some(init.variable("scale", [features], &Initializer::GlorotUniform)?);
    }
    Ok::<_, crate::Error>(Score::Sum { scale })
} }

/// How a query and a key make a score, with the weights for it.
#[derive(Debug)]
enum Score {
    Dot { scale: Option<Variable> },
    Concat { scale: Option<Variable>, weight: Variable },
    Sum { scale: Option<Variable> },
}

impl Score {
    /// The scores (batch, queries, keys).
    fn of(&self, query: &Var, key: &Var, call: &Call<'_>) -> Result<Var> {
        let scaled = |x: Var, scale: &Option<Variable>| match scale {
            Some(scale) => x.mul(&call.read(scale)),
            None => Ok(x),
        };
        let pairs = || query.expand_dims(-2)?.add(&key.expand_dims(-3)?);
        Ok(match self {
            Self::Dot { scale } => scaled(query.matmul_with(key, false, true)?, scale)?,
            Self::Concat { scale, weight } => {
                scaled(pairs()?, scale)?.tanh()?.sum(-1)?.mul(&call.read(weight))?
            }
            Self::Sum { scale } => scaled(pairs()?.tanh()?, scale)?.sum(-1)?,
        })
    }
}

#[derive(Debug)]
struct BuiltAttention {
    score: Score,
    dropout: f64,
    seed: Option<u64>,
}

/// The mask of that input: its own, or one in the list that is given as `mask`.
fn mask_of(at: usize, inputs: &Inputs, call: &Call<'_>) -> Option<Var> {
    let given: Vec<_> = inputs.named("mask").collect();
    if given.is_empty() {
        return call.mask(inputs.positional().get(at)?).cloned();
    }
    let Some(Nest::List(list)) = inputs.arguments().and_then(|all| all.named("mask"))
    else {
        return given.get(at).map(|mask| (*mask).clone());
    };
    // Some in the list may be nothing.
    let before = list.iter().take(at).filter(|part| matches!(part, Nest::One(_))).count();
    matches!(list.get(at), Some(Nest::One(_))).then(|| given[before].clone())
}

impl Built for BuiltAttention {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let (query_mask, value_mask) =
            (mask_of(0, inputs, call), mask_of(1, inputs, call));
        let [query, value, key] = given(inputs)?;
        let dtype = call.dtype();
        let (query, value, key) =
            (query.cast(dtype)?, value.cast(dtype)?, key.cast(dtype)?);
        let mut scores = self.score.of(&query, &key, call)?;
        let causal = flag(inputs, "use_causal_mask");
        let mut mask = Reach { causal, window: None }.mask(&query, &key)?;
        if let Some(values) = value_mask {
            let values = values.expand_dims(-2)?;
            mask = Some(mask.map_or(Ok(values.clone()), |mask| values.and(&mask))?);
        }
        if let Some(mask) = mask {
            let far = if dtype == DType::F16 { 65504.0 } else { 1e9 };
            scores = mask.select(&scores, &scores.sub(far)?)?;
        }
        let shares =
            Shares { zero_masked: false, dropout: self.dropout, seed: self.seed };
        let (mut output, scores) = shares.of(&scores, &value, None, call)?;
        if let Some(mask) = query_mask {
            output = mask.expand_dims(-1)?.select(&output, 0.0)?;
            call.set_mask(&output, &mask);
        }
        let returns_scores = flag(inputs, "return_attention_scores");
        Ok(if returns_scores { vec![output, scores] } else { vec![output] })
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{LayerExt, Model, Symbol, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Attention::new(), [[2, 3, 2], [2, 4, 2]])?;
        check_layer(
            &Attention::new().use_scale(true).dropout(0.2),
            [vec![2, 3, 2], vec![2, 2, 3], vec![2, 2, 2]],
        )?;
        let concat = Attention::new().score_mode(ScoreMode::Concat);
        check_layer(&concat, [[2, 3, 2], [2, 2, 2]])?;
        check_layer(&concat.use_scale(true), [[2, 3, 2], [2, 2, 2]])?;
        check_layer(&AdditiveAttention::new(), [[2, 3, 2], [2, 2, 2]])?;
        check_layer(&AdditiveAttention::new().use_scale(false), [[2, 3, 2], [2, 2, 2]])
    }

    #[test]
    fn masks_are_given_as_a_list() -> Result<()> {
        let x = Symbol::input("x", [2, 1]);
        let mask = Symbol::typed_input("mask", [2], DType::Bool);
        let all = [("mask", &mask), ("mask", &mask)];
        let layer = Attention::new().shared();
        let made =
            layer.call_with([&x, &x], all, [("return_attention_scores", true.into())]);
        let model = Model::new([&x, &mask], &made?)?;
        let x = Var::constant(&Tensor::new(vec![1.0f32, 2.0], [1, 2, 1])?);
        let mask = Var::constant(&Tensor::new(vec![true, false], [1, 2])?);
        let made = model.call(&[x, mask], &mut Call::inference())?;
        assert_eq!(made[0].eval()?.to_vec::<f32>()?, [1.0, 0.0]);
        assert_eq!(made[1].eval()?.to_vec::<f32>()?, [1.0, 0.0, 1.0, 0.0]);
        Ok(())
    }

    #[test]
    fn features_that_differ_are_named() {
        let shapes = [[2, 3, 4].into(), [2, 3, 5].into()];
        let error = Attention::new().output_shape(&shapes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot take these inputs\n  expected: as many features of the key as of the \
             query, (2, 3, 4)\n       got: (2, 3, 5)"
        );
    }
}
