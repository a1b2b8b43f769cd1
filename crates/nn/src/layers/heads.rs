//! What the layers with attention heads share: projections, masks, the attention itself.

pub(crate) mod composite;

use deckle_autograd::{Axis, Var, Variable};
use deckle_tensor::{DType, Shape};
use serde_json::Value;

use super::dropout::dropout;
use crate::{
    Activation, Call, Constraint, Error, Init, Initializer, Inputs, Regularizer, Result,
};
use composite::{Attention, MASKED};

/// The settings of all projections of a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Projections<'a> {
    pub(super) use_bias: bool,
    pub(super) kernel_initializer: &'a Initializer,
    pub(super) bias_initializer: &'a Initializer,
    pub(super) kernel_regularizer: Option<&'a Regularizer>,
    pub(super) bias_regularizer: Option<&'a Regularizer>,
    pub(super) kernel_constraint: Option<&'a Constraint>,
    pub(super) bias_constraint: Option<&'a Constraint>,
}

/// A dense layer from some of the last axes to others.
#[derive(Debug)]
pub(super) struct Projection {
    kernel: Variable,
    bias: Option<Variable>,
    /// How many of the last axes it takes.
    from: usize,
    activation: Activation,
}

impl Projections<'_> {
    /// Makes the weights `kernel (from..., to...)` and `bias (to...)` in a scope of that name.
    pub(super) fn make(
        &self,
        scope: &str,
        from: &[usize],
        to: &[usize],
        init: &mut Init<'_>,
    ) -> Result<Projection> {
        let size =
            |lens: &[usize]| lens.iter().fold(1usize, |n, &len| n.saturating_mul(len));
        init.scoped(scope, |init| {
            let matrix = [size(from), size(to)];
            let shape = [from, to].concat();
            let kernel =
                init.projection("kernel", shape, matrix, self.kernel_initializer)?;
            init.regularize(&kernel, self.kernel_regularizer);
            init.constrain(&kernel, self.kernel_constraint);
            let mut bias = None;
            if self.use_bias {
                let made = init.variable("bias", to, self.bias_initializer)?;
                init.regularize(&made, self.bias_regularizer);
                init.constrain(&made, self.bias_constraint);
                bias = Some(made);
            }
            let (from, activation) = (from.len(), Activation::default());
            Ok(Projection { kernel, bias, from, activation })
        })
    }
}

impl Projection {
    /// The same projection, with a function after it.
    pub(super) fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// The last axes of `x` times the kernel: one product of matrices.
    pub(super) fn apply(
        &self,
        x: &Var,
        activity: Option<&Regularizer>,
        call: &mut Call<'_>,
    ) -> Result<Var> {
        let kernel = call.read(&self.kernel);
        let rank = kernel.rank();
        let matrix = kernel.merge_axes(self.from, rank)?.merge_axes(0, self.from)?;
        let kept = x.rank() - self.from;
        let mut y = x.merge_axes(kept, x.rank())?.matmul(&matrix)?;
        if let Some(bias) = &self.bias {
            y = y.add(&call.read(bias).flatten()?)?;
        }
        let to = self.kernel.shape()[self.from..].iter().map(|&len| Axis::from(len));
        let axes: Vec<_> = (0..kept).map(Axis::Of).chain(to).collect();
        let y = self.activation.apply(&y.reshape_by(x, axes)?)?;
        if let Some(regularizer) = activity {
            regularizer.add_activity(&y, call)?;
        }
        Ok(y)
    }
}

/// The constant of a call, false if it is not given.
pub(super) fn flag(inputs: &Inputs, name: &str) -> bool {
    let given = inputs.arguments().and_then(|arguments| arguments.constant(name));
    given == Some(&Value::Bool(true))
}

/// Which positions a query may look at: at none but before, and at none too far away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) causal: bool,
    pub(super) window: Option<usize>,
}

impl Reach {
    /// As a mask (queries, keys); none if a query may look at all.
    ///
    /// `query` and `key` have the positions along the second axis.
    pub(super) fn mask(self, query: &Var, key: &Var) -> Result<Option<Var>> {
        let places = |x: &Var| x.positions(1, DType::I32);
        let mut mask = None;
        if self.causal || self.window.is_some() {
            let (row, column) = (places(query)?.expand_dims(-1)?, places(key)?);
            let away = row.sub(&column)?;
            if self.causal {
                mask = Some(away.greater_equal(0)?);
            }
            if let Some(window) = self.window {
                let window = i32::try_from(window).unwrap_or(i32::MAX);
                let near = away.abs()?.less(window)?;
                mask = Some(mask.map_or(Ok(near.clone()), |mask| mask.and(&near))?);
            }
        }
        Ok(mask)
    }
}

/// Query, value and key, which is the value if it is not given.
pub(super) fn given(inputs: &Inputs) -> Result<[&Var; 3]> {
    match inputs.positional() {
        [query, value] => Ok([query, value, value]),
        [query, value, key] => Ok([query, value, key]),
        others => {
            let expected = "query, value and perhaps key";
            Err(Error::invalid("cannot take these inputs", expected)
                .got(format_args!("{} inputs", others.len())))
        }
    }
}

/// What masks queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryMask {
    /// The mask that belongs to the tensor.
    Own,
    /// The one that is given as `query_mask`, or else that one.
    GivenOrOwn,
}

/// The mask of all scores (batch, queries, keys): what is masked of inputs, what is given as
/// `attention_mask`, and what is out of reach.
///
/// Of value and key, a mask that is given goes before that of the tensor.
pub(super) fn scores_mask(
    inputs: &Inputs,
    reach: Reach,
    query_mask: QueryMask,
    call: &Call<'_>,
) -> Result<Option<Var>> {
    let [query, _, key] = given(inputs)?;
    let given = inputs.positional();
    let mut parts = Vec::new();
    for (at, (name, axis)) in
        [("query_mask", -1), ("value_mask", -2), ("key_mask", -2)].into_iter().enumerate()
    {
        let named = inputs.named(name).next();
        let named = named.filter(|_| at > 0 || query_mask == QueryMask::GivenOrOwn);
        let mask = named.or_else(|| call.mask(given.get(at)?));
        if let Some(mask) = mask {
            parts.push(mask.cast(DType::Bool)?.expand_dims(axis)?);
        }
    }
    if let Some(mask) = inputs.named("attention_mask").next() {
        parts.push(mask.cast(DType::Bool)?);
    }
    parts.extend(reach.mask(query, key)?);
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return Ok(None) };
    Ok(Some(parts.try_fold(first, |mask, part| mask.and(&part))?))
}

/// How the scores of attention become shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    /// Whether a query that may look at nothing gets nothing, instead of the mean of all values.
    pub(super) zero_masked: bool,
    pub(super) dropout: f64,
    pub(super) seed: Option<u64>,
}

impl Shares {
    /// What is found by all heads, of query, key and value as projections leave them, (batch,
    /// positions, heads, features): one operation, where nothing asks for the shares.
    pub(super) fn attend_at_once(
        self,
        (query, key, value): (&Var, &Var, &Var),
        mask: Option<&Var>,
        call: &Call<'_>,
    ) -> Result<Option<Var>> {
        let drops = call.is_training() && self.dropout > 0.0;
        let fits = matches!(query.dtype(), DType::F32 | DType::F64)
            && mask.is_none_or(|mask| mask.rank() == 4 && !self.zero_masked);
        if drops || !fits {
            return Ok(None);
        }
        let attention = Attention { masked: mask.is_some() };
        let inputs: Vec<_> = [query, key, value].into_iter().chain(mask).collect();
        Ok(Some(Var::composite(attention, &inputs)?.remove(0)))
    }

    /// `softmax(query · keyᵀ) · value` and the shares, for `(…, positions, features)`; the mask
    /// broadcasts to `(…, queries, keys)`.
    pub(super) fn attend(
        self,
        (query, key, value): (&Var, &Var, &Var),
        mask: Option<&Var>,
        call: &mut Call<'_>,
    ) -> Result<(Var, Var)> {
        let mut scores = query.matmul_with(key, false, true)?;
        if let Some(mask) = mask {
            let half = matches!(scores.dtype(), DType::F16);
            scores = mask.select(&scores, if half { -3e4 } else { MASKED })?;
        }
        self.of(&scores, value, mask, call)
    }

    /// `softmax(scores) · value` and the shares.
    pub(super) fn of(
        self,
        scores: &Var,
        value: &Var,
        mask: Option<&Var>,
        call: &mut Call<'_>,
    ) -> Result<(Var, Var)> {
        let mut shares = scores.softmax(-1)?;
        if let (Some(mask), true) = (mask, self.zero_masked) {
            shares = mask.select(&shares, 0.0)?;
        }
        let mut used = shares.clone();
        if call.is_training() && self.dropout > 0.0 {
            used = dropout(&shares, self.dropout, self.seed, &[], call)?;
        }
        Ok((used.matmul(value)?, shares))
    }
}

/// The shapes of query, value and key, which is the value if it is not given.
pub(super) fn three(inputs: &[Shape]) -> Result<[&Shape; 3]> {
    let shapes = match inputs {
        [query, value] => [query, value, value],
        [query, value, key] => [query, value, key],
        _ => {
            return Err(Error::invalid(
                "cannot take these inputs",
                "query, value and perhaps key",
            )
            .got(format_args!("{} inputs", inputs.len())));
        }
    };
    let [query, value, key] = shapes;
    let places = |shape: &Shape| shape.dims()[1..shape.rank() - 1].to_vec();
    let fits =
        shapes.iter().all(|shape| shape.rank() >= 3 && shape.rank() == query.rank())
            && query.dims()[0].may_equal(&value.dims()[0])
            && places(value).iter().zip(&places(key)).all(|(a, b)| a.may_equal(b));
    if fits {
        return Ok(shapes);
    }
    let got: Vec<_> = inputs.iter().map(Shape::to_string).collect();
    Err(Error::invalid(
        "cannot take these inputs",
        "(batch, ..., features) each, as many positions of the key as of the value",
    )
    .got(got.join(" and ")))
}
