//! Attention with several heads, groups of which share keys and values.

use deckle_autograd::{Signature, Var};
use deckle_tensor::{DType, Shape};
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
    Layer, Regularizer, Result, expect, keras::yes,
};

/// Attention with several heads, groups of which share the projections of key and value.
///
/// As [`MultiHeadAttention`](super::MultiHeadAttention), with its inputs, masks and constants,
/// for one axis of positions. With as many heads for keys as for queries it is the same, with
/// one it is called multi-query attention.
///
/// # Shapes
///
/// | tensor                 | shape                                             |
/// |------------------------|---------------------------------------------------|
/// | query                  | `(batch, queries, features)`                      |
/// | value, key             | `(batch, keys, features)`, of any number each     |
/// | `_query_dense/kernel`  | `(features, num_query_heads, head_dim)`           |
/// | `_key_dense/kernel`    | `(features, num_key_value_heads, head_dim)`       |
/// | `_value_dense/kernel`  | `(features, num_key_value_heads, head_dim)`       |
/// | `_gate_dense/kernel`   | as `_query_dense/kernel`; only with a gate        |
/// | `_output_dense/kernel` | `(num_query_heads, head_dim, features)`           |
/// | `.../bias`             | the kernel's last axes, from heads on             |
/// | output                 | the query's                                       |
///
/// # Errors
///
/// Building fails if a number is 0, the heads of queries are no multiple of those of keys,
/// features are unknown, or inputs do not fit.
///
/// # Examples
///
/// ```
/// use deckle_nn::{LayerExt, Symbol, layers::GroupQueryAttention};
///
/// let (query, value) = (Symbol::input("query", [5, 8]), Symbol::input("value", [7, 6]));
/// let y = GroupQueryAttention::new(4, 6, 2).join([&query, &value])?;
/// assert_eq!(y.shape().to_string(), "(batch, 5, 8)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.GroupQueryAttention`; `flash_attention`, how it is computed, is up to the
/// backend.
///
/// # References
///
/// Ainslie et al., *GQA: training generalized multi-query transformer models from multi-head
/// checkpoints* (2023).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupQueryAttention {
    head_dim: usize,
    num_query_heads: usize,
    num_key_value_heads: usize,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default)]
    use_gate: bool,
    #[serde(default)]
    dropout: f64,
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

impl GroupQueryAttention {
    /// The layer with heads of that length: so many for queries, so many for keys and values.
    #[must_use]
    pub fn new(
        head_dim: usize,
        num_query_heads: usize,
        num_key_value_heads: usize,
    ) -> Self {
        Self {
            head_dim,
            num_query_heads,
            num_key_value_heads,
            use_bias: true,
            use_gate: false,
            dropout: 0.0,
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
        /// Sets whether projections add a bias; true by default.
        use_bias: bool;
        /// Sets whether a gate, the sigmoid of a projection of the query, multiplies what the
        /// heads find; false by default.
        use_gate: bool;
        /// Sets the share of what a query looks at that is left out in training; 0 by default.
        dropout: f64;
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
}

impl Layer for GroupQueryAttention {
    fn class_name(&self) -> &'static str {
        "GroupQueryAttention"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let shapes = three(inputs)?;
        let help = "add or merge axes, e.g. with Reshape";
        for shape in shapes {
            expect::exactly(shape, 3, "(batch, positions, features)", help)?;
            expect::known(shape, -1)?;
        }
        for (name, number) in [
            ("head_dim", self.head_dim),
            ("num_query_heads", self.num_query_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("sliding_window", self.sliding_window.unwrap_or(1)),
        ] {
            expect::positive(name, number)?;
        }
        expect::rate("dropout", self.dropout)?;
        if !self.num_query_heads.is_multiple_of(self.num_key_value_heads) {
            return Err(Error::invalid(
                "`num_query_heads` makes no sense",
                "a multiple of `num_key_value_heads`",
            )
            .got(format_args!(
                "{} for {}",
                self.num_query_heads, self.num_key_value_heads
            )));
        }
        Ok(vec![shapes[0].clone()])
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
            let place = |at: usize| inputs[at].shape.dims()[1].clone();
            let batch = inputs[0].shape.dims()[0].clone();
            let shape =
                Shape::from([batch, self.num_query_heads.into(), place(0), place(1)]);
            outputs.push(Signature::new(dtype, shape));
        }
        Ok(outputs)
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let [query, value, key] = three(inputs)?;
        let features = |shape: &Shape| Ok::<_, Error>([expect::known(shape, -1)?]);
        let queries = [self.num_query_heads, self.head_dim];
        let keys = [self.num_key_value_heads, self.head_dim];
        let make = Projections {
            use_bias: self.use_bias,
            kernel_initializer: &self.kernel_initializer,
            bias_initializer: &self.bias_initializer,
            kernel_regularizer: self.kernel_regularizer.as_ref(),
            kernel_constraint: self.kernel_constraint.as_ref(),
            bias_regularizer: self.bias_regularizer.as_ref(),
            bias_constraint: self.bias_constraint.as_ref(),
        };
        let query_dense = make.make("_query_dense", &features(query)?, &queries, init)?;
        let key_dense = make.make("_key_dense", &features(key)?, &keys, init)?;
        let mut gate_dense = None;
        if self.use_gate {
            let gate = make.make("_gate_dense", &features(query)?, &queries, init)?;
            gate_dense = Some(gate.activation(Activation::Sigmoid));
        }
        let value_dense = make.make("_value_dense", &features(value)?, &keys, init)?;
        let output_dense =
            make.make("_output_dense", &queries, &features(query)?, init)?;
        Ok(Box::new(BuiltGroupQueryAttention {
            config: self.clone(),
            query_dense,
            key_dense,
            gate_dense,
            value_dense,
            output_dense,
        }))
    }

    fn takes_constant(&self, argument: &str, value: &Value) -> bool {
        value.is_boolean()
            && matches!(argument, "use_causal_mask" | "return_attention_scores")
    }

    fn own_class_name(&self) -> &'static str {
        "GroupedQueryAttention"
    }

    fn takes_named(&self, name: &str) -> bool {
        matches!(name, "attention_mask" | "query_mask" | "value_mask" | "key_mask")
    }

    fn input_names(&self) -> &'static [&'static str] {
        &["query", "value", "key"]
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct BuiltGroupQueryAttention {
    config: GroupQueryAttention,
    query_dense: Projection,
    key_dense: Projection,
    gate_dense: Option<Projection>,
    value_dense: Projection,
    output_dense: Projection,
}

impl Built for BuiltGroupQueryAttention {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let config = &self.config;
        let activity = config.activity_regularizer.as_ref();
        let window = config.sliding_window;
        let reach = Reach { causal: flag(inputs, "use_causal_mask"), window };
        let mut mask = scores_mask(inputs, reach, QueryMask::GivenOrOwn, call)?;
        if let Some(mask) = &mut mask {
            while mask.rank() < 4 {
                *mask = mask.expand_dims(-3)?;
            }
        }
        let [x, value, key] = given(inputs)?;
        let dtype = call.dtype();
        let (x, value, key) = (x.cast(dtype)?, value.cast(dtype)?, key.cast(dtype)?);
        let query = self.query_dense.apply(&x, activity, call)?;
        let key = self.key_dense.apply(&key, activity, call)?;
        let gate = match &self.gate_dense {
            Some(gate) => Some(gate.apply(&x, activity, call)?),
            None => None,
        };
        let value = self.value_dense.apply(&value, activity, call)?;
        let repeats = config.num_query_heads / config.num_key_value_heads;
        let all = |x: &Var| x.swap_axes(1, 2)?.repeat(repeats, 1);
        let scaled = query.mul(1.0 / (config.head_dim as f64).sqrt())?;
        let returns_scores = flag(inputs, "return_attention_scores");
        let shares = Shares {
            zero_masked: returns_scores || config.dropout > 0.0,
            dropout: config.dropout,
            seed: config.seed,
        };
        let mut at_once = None;
        if !returns_scores {
            let (key, value) = (key.repeat(repeats, 2)?, value.repeat(repeats, 2)?);
            let given = (&scaled, &key, &value);
            at_once = shares.attend_at_once(given, mask.as_ref(), call)?;
        }
        let (mut found, scores) = match at_once {
            Some(found) => (found, None),
            None => {
                let (q, k, v) = (scaled.swap_axes(1, 2)?, all(&key)?, all(&value)?);
                let (found, scores) = shares.attend((&q, &k, &v), mask.as_ref(), call)?;
                (found.swap_axes(1, 2)?, Some(scores))
            }
        };
        if let Some(gate) = gate {
            found = found.mul(&gate)?;
        }
        let output = self.output_dense.apply(&found, activity, call)?;
        let scores = scores.filter(|_| returns_scores);
        let outputs: Vec<_> = std::iter::once(output).chain(scores).collect();
        // As in Keras, not only the projections pay it, but the layer too.
        if let Some(regularizer) = activity {
            for output in &outputs {
                regularizer.add_activity(output, call)?;
            }
        }
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&GroupQueryAttention::new(2, 4, 2), [[2, 3, 4], [2, 2, 3]])?;
        check_layer(
            &GroupQueryAttention::new(1, 2, 1).use_gate(true).use_bias(false),
            [vec![2, 3, 2], vec![2, 2, 3], vec![2, 2, 1]],
        )?;
        check_layer(
            &GroupQueryAttention::new(2, 2, 2).sliding_window(1).dropout(0.2),
            [[2, 3, 2], [2, 3, 2]],
        )
    }

    #[test]
    fn heads_that_do_not_fit_are_named() {
        let shapes = [[2, 3, 4].into(), [2, 3, 4].into()];
        let error = GroupQueryAttention::new(2, 3, 2).output_shape(&shapes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`num_query_heads` makes no sense\n  expected: a multiple of \
             `num_key_value_heads`\n       got: 3 for 2"
        );
    }
}
