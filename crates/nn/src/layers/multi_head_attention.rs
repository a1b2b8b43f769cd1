//! Attention with several heads.

use deckle_autograd::{Axis, Signature, Var};
use deckle_tensor::{DType, Dim, Shape, resolve_axis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    heads::{
        Projection, Projections, QueryMask, Reach, Shares, flag, given, scores_mask,
        three,
    },
    setters::setters,
};
use crate::{
    Activation, Arguments, Built, Call, Constraint, Error, Init, Initializer, Inputs,
    Layer, Regularizer, Result, expect,
    keras::{one_or_many, yes},
};

/// Attention with several heads: each looks at projections of its own.
///
/// With `q`, `k` and `v` the projections of query, key and value to a head, its output is
/// `softmax(q · kᵀ / √key_dim) · v`; those of all heads are projected to the output. The inputs
/// are query, value and key, positional or by these names; the key is the value by default.
///
/// What masks leave out is not looked at: the masks of the inputs, for value and key those given by
/// name as `value_mask` and `key_mask` before them (as in Keras, a `query_mask` is not used);
/// `attention_mask` (batch, queries, keys); and with the constant `use_causal_mask` what comes
/// later. A query that may look at nothing gets the mean
/// of all values. The output has the query's mask. With the constant `return_attention_scores`
/// the shares `(batch, heads, queries, keys)` are a second output; then, and with dropout, a
/// query that may look at nothing gets nothing.
///
/// # Shapes
///
/// | tensor                | shape                                                    |
/// |-----------------------|----------------------------------------------------------|
/// | query                 | `(batch, queries..., features)`                          |
/// | value, key            | `(batch, keys..., features)`, of any number each         |
/// | `query_dense/kernel`  | `(features, num_heads, key_dim)`; so `key_dense`         |
/// | `query_dense/bias`    | `(num_heads, key_dim)`; so `key_dense`                   |
/// | `value_dense/kernel`  | `(features, num_heads, value_dim)`                       |
/// | `value_dense/bias`    | `(num_heads, value_dim)`                                 |
/// | `_gate_dense/...`     | as `value_dense`, of the query; only with a gate         |
/// | `output_dense/kernel` | `(num_heads, value_dim, output_shape...)`                |
/// | `output_dense/bias`   | `output_shape`                                           |
/// | output                | `(batch, queries..., output_shape...)`                   |
///
/// # Errors
///
/// Building fails if a number is 0, features are unknown, an attention axis is the batch or the
/// features, or inputs do not fit.
///
/// # Examples
///
/// ```
/// use deckle_nn::{LayerExt, Symbol, layers::MultiHeadAttention};
///
/// let (query, value) = (Symbol::input("query", [5, 8]), Symbol::input("value", [7, 6]));
/// let y = MultiHeadAttention::new(2, 4).join([&query, &value])?;
/// assert_eq!(y.shape().to_string(), "(batch, 5, 8)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.MultiHeadAttention`; `flash_attention`, how it is computed, is up to the
/// backend. As there, a call takes the masks away from its inputs: a sum of input and output,
/// as Transformers have it, has none.
///
/// # References
///
/// Vaswani et al., *Attention is all you need* (2017), section 3.2.2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiHeadAttention {
    num_heads: usize,
    key_dim: usize,
    #[serde(default)]
    value_dim: Option<usize>,
    #[serde(default)]
    dropout: f64,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default)]
    use_gate: bool,
    #[serde(default, deserialize_with = "one_or_many")]
    output_shape: Option<Vec<usize>>,
    #[serde(default, deserialize_with = "one_or_many")]
    attention_axes: Option<Vec<isize>>,
    #[serde(default)]
    sliding_window: Option<usize>,
    #[serde(default)]
    kernel_initializer: Initializer,
    #[serde(default = "Initializer::zeros")]
    bias_initializer: Initializer,
    #[serde(default)]
    kernel_regularizer: Option<Regularizer>,
    #[serde(default)]
    kernel_constraint: Option<Constraint>,
    #[serde(default)]
    bias_regularizer: Option<Regularizer>,
    #[serde(default)]
    bias_constraint: Option<Constraint>,
    #[serde(default)]
    activity_regularizer: Option<Regularizer>,
    #[serde(default)]
    seed: Option<u64>,
}

impl MultiHeadAttention {
    /// The layer with that many heads, whose queries and keys have that length.
    #[must_use]
    pub fn new(num_heads: usize, key_dim: usize) -> Self {
        Self {
            num_heads,
            key_dim,
            value_dim: None,
            dropout: 0.0,
            use_bias: true,
            use_gate: false,
            output_shape: None,
            attention_axes: None,
            sliding_window: None,
            kernel_initializer: Initializer::default(),
            bias_initializer: Initializer::zeros(),
            kernel_regularizer: None,
            kernel_constraint: None,
            bias_regularizer: None,
            bias_constraint: None,
            activity_regularizer: None,
            seed: None,
        }
    }

    setters! {
        /// Sets the length of each head's values; `key_dim` by default.
        value_dim: into Option<usize>;
        /// Sets the share of what a query looks at that is left out in training; 0 by default.
        dropout: f64;
        /// Sets whether projections add a bias; true by default.
        use_bias: bool;
        /// Sets whether a gate, the sigmoid of a projection of the query, multiplies what the
        /// heads find; false by default.
        use_gate: bool;
        /// Sets the axes of the positions; all but batch and features by default.
        attention_axes: into Option<Vec<isize>>;
        /// Sets how far a query looks in either direction, itself included; anywhere by default.
        sliding_window: into Option<usize>;
        /// Sets the first values of kernels; Glorot uniform by default.
        kernel_initializer: Initializer;
        /// Sets the first values of biases; zeros by default.
        bias_initializer: Initializer;
        /// Sets the penalty on kernels; none by default.
        kernel_regularizer: into Option<Regularizer>;
        /// Sets what kernels are made to be after each step; free by default.
        kernel_constraint: into Option<Constraint>;
        /// Sets the penalty on biases; none by default.
        bias_regularizer: into Option<Regularizer>;
        /// Sets what biases are made to be after each step; free by default.
        bias_constraint: into Option<Constraint>;
        /// Sets the penalty on the output of each projection, divided by the batch size; none by
        /// default.
        activity_regularizer: into Option<Regularizer>;
        /// Sets the seed that dropout depends on; the layer's name by default.
        seed: into Option<u64>;
    }

    /// Sets the lengths of the output's last axes, Keras's `output_shape`; the query's features
    /// by default, or if there is none.
    #[must_use]
    pub fn output_lens(mut self, lens: impl Into<Vec<usize>>) -> Self {
        self.output_shape = Some(lens.into());
        self
    }

    /// The lengths of the output's last axes, if they are not the query's.
    fn own_output(&self) -> Option<&[usize]> {
        self.output_shape.as_deref().filter(|lens| !lens.is_empty())
    }

    fn value_len(&self) -> usize {
        self.value_dim.unwrap_or(self.key_dim)
    }

    /// The axes of the positions, of inputs of that rank.
    fn axes(&self, rank: usize) -> Result<Vec<usize>> {
        let Some(axes) = &self.attention_axes else { return Ok((1..rank - 1).collect()) };
        let mut found = Vec::new();
        for &axis in axes {
            let at = resolve_axis("attention_axes", axis, rank)?;
            if at == 0 || at + 1 == rank || found.contains(&at) {
                return Err(Error::invalid(
                    "`attention_axes` makes no sense",
                    "axes between batch and features, each once",
                )
                .got(format_args!("{axes:?}")));
            }
            found.push(at);
        }
        if found.is_empty() {
            return Err(Error::invalid(
                "`attention_axes` makes no sense",
                "one axis or more",
            )
            .got("none"));
        }
        Ok(found)
    }

    /// The shape of what the heads look at: (batch..., heads, queries..., keys...).
    fn shares_shape(&self, query: &Shape, key: &Shape) -> Result<Shape> {
        let axes = self.axes(query.rank())?;
        let others = (0..query.rank() - 1).filter(|axis| !axes.contains(axis));
        let others = others.map(|axis| query.dims()[axis].clone());
        let of = |shape: &Shape| -> Vec<Dim> {
            axes.iter().map(|&axis| shape.dims()[axis].clone()).collect()
        };
        let heads = std::iter::once(Dim::from(self.num_heads));
        Ok(others.chain(heads).chain(of(query)).chain(of(key)).collect())
    }
}

impl Layer for MultiHeadAttention {
    fn class_name(&self) -> &'static str {
        "MultiHeadAttention"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let [query, value, key] = three(inputs)?;
        for (name, number) in [
            ("num_heads", self.num_heads),
            ("key_dim", self.key_dim),
            ("value_dim", self.value_len()),
            ("sliding_window", self.sliding_window.unwrap_or(1)),
        ] {
            expect::positive(name, number)?;
        }
        for &len in self.output_shape.iter().flatten() {
            expect::positive("output_shape", len)?;
        }
        expect::rate("dropout", self.dropout)?;
        for shape in [query, value, key] {
            expect::known(shape, -1)?;
        }
        self.axes(query.rank())?;
        let Some(own) = self.own_output() else { return Ok(vec![query.clone()]) };
        let places = query.dims()[..query.rank() - 1].iter().cloned();
        Ok(vec![places.chain(own.iter().map(|&len| len.into())).collect()])
    }

    fn outputs_of_call(
        &self,
        inputs: &[Signature],
        dtype: DType,
        arguments: Option<&Arguments>,
    ) -> Result<Vec<Signature>> {
        let mut outputs = self.outputs(inputs, dtype)?;
        let wanted =
            arguments.and_then(|given| given.constant("return_attention_scores"));
        if wanted == Some(&Value::Bool(true)) {
            let shape = self.shares_shape(&inputs[0].shape, &inputs[1].shape)?;
            outputs.push(Signature::new(dtype, shape));
        }
        Ok(outputs)
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let [query, value, key] = three(inputs)?;
        let features = |shape: &Shape| Ok::<_, Error>([expect::known(shape, -1)?]);
        let keys = [self.num_heads, self.key_dim];
        let values = [self.num_heads, self.value_len()];
        let output = match self.own_output() {
            Some(shape) => shape.to_vec(),
            None => features(query)?.to_vec(),
        };
        let make = Projections {
            use_bias: self.use_bias,
            kernel_initializer: &self.kernel_initializer,
            bias_initializer: &self.bias_initializer,
            kernel_regularizer: self.kernel_regularizer.as_ref(),
            kernel_constraint: self.kernel_constraint.as_ref(),
            bias_regularizer: self.bias_regularizer.as_ref(),
            bias_constraint: self.bias_constraint.as_ref(),
        };
        let query_dense = make.make("query_dense", &features(query)?, &keys, init)?;
        let key_dense = make.make("key_dense", &features(key)?, &keys, init)?;
        let mut gate_dense = None;
        if self.use_gate {
            let gate = make.make("_gate_dense", &features(query)?, &values, init)?;
            gate_dense = Some(gate.activation(Activation::Sigmoid));
        }
        Ok(Box::new(BuiltMultiHeadAttention {
            config: self.clone(),
            axes: self.axes(query.rank())?,
            query_dense,
            key_dense,
            gate_dense,
            value_dense: make.make("value_dense", &features(value)?, &values, init)?,
            output_dense: make.make("output_dense", &values, &output, init)?,
        }))
    }

    fn takes_constant(&self, argument: &str, value: &Value) -> bool {
        value.is_boolean()
            && matches!(argument, "use_causal_mask" | "return_attention_scores")
    }

    fn takes_named(&self, name: &str) -> bool {
        matches!(name, "attention_mask" | "query_mask" | "value_mask" | "key_mask")
    }

    fn input_names(&self) -> &'static [&'static str] {
        &["query", "value", "key"]
    }
}

#[derive(Debug)]
struct BuiltMultiHeadAttention {
    config: MultiHeadAttention,
    axes: Vec<usize>,
    query_dense: Projection,
    key_dense: Projection,
    gate_dense: Option<Projection>,
    value_dense: Projection,
    output_dense: Projection,
}

impl BuiltMultiHeadAttention {
    /// The axes of a projection in the order (batch..., heads, positions..., features).
    fn order(&self, rank: usize) -> Vec<usize> {
        let others = (0..rank - 2).filter(|axis| !self.axes.contains(axis));
        others
            .chain([rank - 2])
            .chain(self.axes.iter().copied())
            .chain([rank - 1])
            .collect()
    }

    /// The mask of the scores, with an axis for the heads and one each for all queries and keys.
    fn mask(&self, inputs: &Inputs, rank: usize, call: &Call<'_>) -> Result<Option<Var>> {
        let window = self.config.sliding_window;
        let reach = Reach { causal: flag(inputs, "use_causal_mask"), window };
        let Some(mut mask) = scores_mask(inputs, reach, QueryMask::Own, call)? else {
            return Ok(None);
        };
        let count = self.axes.len();
        let expected = rank - 1 + count;
        if mask.rank() > expected || (count > 1 && mask.rank() + 1 < expected) {
            return Err(Error::invalid(
                "cannot use this mask",
                format_args!("one of rank {}, or with heads", expected - 1),
            )
            .got(mask.shape())
            .help("give an attention_mask of the queries' and keys' axes"));
        }
        let heads = -(2 * count.cast_signed()) - 1;
        while mask.rank() < expected {
            mask = mask.expand_dims(heads)?;
        }
        if count > 1 {
            let start = expected - 2 * count;
            mask = mask.merge_axes(start + count, expected)?;
            mask = mask.merge_axes(start, start + count)?;
        }
        Ok(Some(mask))
    }
}

impl Built for BuiltMultiHeadAttention {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let config = &self.config;
        let activity = config.activity_regularizer.as_ref();
        let [x, value, key] = given(inputs)?;
        let mask = self.mask(inputs, x.rank() + 1, call)?;
        let query_mask = call.mask(x).cloned();
        for given in [x, value, key] {
            call.remove_mask(given);
        }
        let dtype = call.dtype();
        let (x, value, key) = (x.cast(dtype)?, value.cast(dtype)?, key.cast(dtype)?);
        let query = self.query_dense.apply(&x, activity, call)?;
        let key = self.key_dense.apply(&key, activity, call)?;
        let gate = match &self.gate_dense {
            Some(gate) => Some(gate.apply(&x, activity, call)?),
            None => None,
        };
        let value = self.value_dense.apply(&value, activity, call)?;
        let (rank, count) = (query.rank(), self.axes.len());
        let order = self.order(rank);
        let first = rank - 1 - count;
        let arranged = |x: &Var| x.transpose(&order)?.merge_axes(first, rank - 1);
        let scaled = query.mul(1.0 / (config.key_dim as f64).sqrt())?;
        let returns_scores = flag(inputs, "return_attention_scores");
        let shares = Shares {
            zero_masked: returns_scores || config.dropout > 0.0 || rank != 4,
            dropout: config.dropout,
            seed: config.seed,
        };
        let turned = query.transpose(&order)?;
        let mut at_once = None;
        if rank == 4 && self.axes == [1] && !returns_scores {
            let given = (&scaled, &key, &value);
            at_once = shares.attend_at_once(given, mask.as_ref(), call)?;
        }
        let (mut found, scores) = match at_once {
            Some(found) => (found, None),
            None => {
                let (q, k, v) = (arranged(&scaled)?, arranged(&key)?, arranged(&value)?);
                let (found, scores) = shares.attend((&q, &k, &v), mask.as_ref(), call)?;
                // Back to (batch, positions..., heads, features).
                let features = Axis::from(config.value_len());
                let axes: Vec<_> =
                    (0..rank - 1).map(Axis::Of).chain([features]).collect();
                let mut back = vec![0; rank];
                for (at, &axis) in order.iter().enumerate() {
                    back[axis] = at;
                }
                (found.reshape_by(&turned, axes)?.transpose(&back)?, Some(scores))
            }
        };
        if let Some(gate) = gate {
            found = found.mul(&gate)?;
        }
        let output = self.output_dense.apply(&found, activity, call)?;
        if let Some(mask) = query_mask {
            call.set_mask(&output, &mask);
        }
        let Some(scores) = scores.filter(|_| returns_scores) else {
            return Ok(vec![output]);
        };
        if count == 1 {
            return Ok(vec![output, scores]);
        }
        let keys = key.transpose(&order)?;
        let spread = (scores.expand_dims(-1)?).reshape_by(
            &turned,
            (0..rank - 1).map(Axis::Of).chain([Axis::Rest]).collect::<Vec<_>>(),
        )?;
        let lens: Vec<_> = keys.shape().dims()[first..rank - 1].to_vec();
        let axes = (0..rank - 1).map(Axis::Of).chain(lens.into_iter().map(Axis::from));
        Ok(vec![output, spread.reshape(axes.collect::<Vec<_>>())?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{LayerExt, Model, Symbol, check_layer, layers::Embedding};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&MultiHeadAttention::new(2, 3), [[2, 3, 4], [2, 2, 3]])?;
        check_layer(
            &MultiHeadAttention::new(1, 2).value_dim(3).output_lens([2, 2]),
            [vec![2, 3, 2], vec![2, 2, 3], vec![2, 2, 1]],
        )?;
        check_layer(
            &MultiHeadAttention::new(2, 2).use_gate(true).use_bias(false),
            [[2, 2, 3], [2, 3, 3]],
        )?;
        check_layer(
            &MultiHeadAttention::new(2, 1).sliding_window(2).dropout(0.3),
            [[2, 3, 2], [2, 3, 2]],
        )?;
        check_layer(&MultiHeadAttention::new(2, 2), [[2, 2, 3, 2], [2, 1, 2, 3]])?;
        check_layer(
            &MultiHeadAttention::new(1, 2).attention_axes(vec![2]),
            [[2, 2, 3, 2], [2, 2, 2, 3]],
        )
    }

    /// A step at which an input differs changes no output before it.
    #[test]
    fn a_causal_mask_hides_what_comes_later() -> Result<()> {
        let x = Symbol::input("x", [3, 2]);
        let layer = MultiHeadAttention::new(2, 2).shared();
        let constants = ["use_causal_mask", "return_attention_scores"]
            .map(|name| (name, true.into()));
        let outputs = layer.call_with([&x], [("value", &x)], constants)?;
        let model = Model::new([&x], &outputs)?;
        let mut numbers = vec![0.1f32, 0.5, -0.4, 0.9, 0.3, -0.7];
        let run = |numbers: &[f32]| -> Result<Vec<Tensor>> {
            let x = Var::constant(&Tensor::new(numbers, [1, 3, 2])?);
            let made = model.call(&[x], &mut Call::inference())?;
            Ok(made.iter().map(Var::eval).collect::<Result<_, _>>()?)
        };
        let before = run(&numbers)?;
        numbers[4] = 5.0;
        let after = run(&numbers)?;
        assert_eq!(before[1].shape(), [1, 2, 3, 3]);
        let early = |y: &Tensor| y.slice((.., ..2)).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(early(&before[0]), early(&after[0]));
        assert_ne!(before[0].to_vec::<f32>()?, after[0].to_vec::<f32>()?);
        let shares = before[1].to_vec::<f32>()?;
        assert_eq!((shares[1], shares[2], shares[5]), (0.0, 0.0, 0.0));
        Ok(())
    }

    #[test]
    fn masked_steps_are_not_looked_at() -> Result<()> {
        let words = Symbol::input("words", [3]);
        let x = Embedding::new(4, 2).mask_zero(true).apply(&words)?;
        let y = MultiHeadAttention::new(1, 2).join([&x, &x])?;
        let model = Model::new([&words], [&y])?;
        let run = |words: Vec<f32>| -> Result<Vec<f32>> {
            let words = Var::constant(&Tensor::new(words, [1, 3])?);
            let y = model.call(&[words], &mut Call::inference())?;
            Ok(y[0].eval()?.to_vec()?)
        };
        let long = run(vec![2.0, 1.0, 0.0])?;
        let weights = model.variables();
        let table = weights[0].value()?.to_vec::<f32>()?;
        let mut other = table.clone();
        other[0] += 1.0;
        weights[0].set(&Tensor::new(other, [4, 2])?)?;
        let again = run(vec![2.0, 1.0, 0.0])?;
        assert_eq!(long[..4], again[..4]);
        assert_ne!(long[4..], again[4..]);
        Ok(())
    }

    #[test]
    fn no_lengths_of_outputs_are_those_of_the_query() -> Result<()> {
        let layer = MultiHeadAttention::new(2, 3).output_lens([]);
        check_layer(&layer, [[2, 3, 4], [2, 3, 4]])?;
        let shapes = [[2, 3, 4].into(), [2, 5, 1].into()];
        assert_eq!(layer.output_shape(&shapes)?, [Shape::from([2, 3, 4])]);
        Ok(())
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let shapes = [[2, 3, 4].into(), [2, 3, 4].into()];
        let layer = MultiHeadAttention::new(2, 3).attention_axes(vec![2]);
        assert_eq!(
            layer.output_shape(&shapes).unwrap_err().to_string(),
            "`attention_axes` makes no sense\n  expected: axes between batch and features, \
             each once\n       got: [2]"
        );
        let error = MultiHeadAttention::new(0, 3).output_shape(&shapes).unwrap_err();
        assert!(error.to_string().starts_with("`num_heads` makes no sense"));
        let x = Symbol::input("x", [3, 4]);
        let layer = MultiHeadAttention::new(2, 3).named("heads");
        let error = layer.call_with([&x, &x], [], [("causal", true.into())]).unwrap_err();
        assert!(error.to_string().contains("causal = true"), "{error}");
    }
}
