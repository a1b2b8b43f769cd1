//! Attention of all heads as an operation that a backend may have a kernel for.

use std::collections::BTreeMap;

use deckle_autograd::{Composite, Result, Rule, Var};
use deckle_tensor::{Attribute, keep};

/// The score of a key that is masked, as Keras has it.
pub(super) const MASKED: f64 = -1e9;

/// `softmax(query · keyᵀ) · value` of each head of each example.
///
/// Inputs: query (batch, queries, heads, features); key (batch, keys, heads, features); value
/// (batch, keys, heads, values); with attribute `masked`, which keys each query may look at,
/// `Bool`, (batch, heads, queries, keys), any of them 1. A query that may look at nothing gets
/// the mean of all values.
///
/// Result: what is found (batch, queries, heads, values). Residual: the shares (batch, heads,
/// queries, keys).
#[derive(Debug)]
pub(crate) struct Attention {
    pub(crate) masked: bool,
}

fn attributes(masked: bool) -> BTreeMap<String, Attribute> {
    BTreeMap::from([("masked".to_owned(), Attribute::Int(i64::from(masked)))])
}

/// From (batch, positions, heads, …) to (batch, heads, positions, …), and back.
fn turned(x: &Var) -> Result<Var> {
    x.swap_axes(1, 2)
}

impl Composite for Attention {
    fn name(&self) -> &str {
        "attention"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        attributes(self.masked)
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (query, key, value) = (&inputs[0], &inputs[1], &inputs[2]);
        let mut scores = turned(query)?.matmul_with(&turned(key)?, false, true)?;
        if let Some(mask) = inputs.get(3) {
            scores = mask.select(&scores, MASKED)?;
        }
        let shares = scores.softmax(-1)?;
        Ok(vec![turned(&shares.matmul(&turned(value)?)?)?, shares])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        let shares = &rule.outputs[1];
        let made = rule.dy().and_then(|dy| {
            let inputs = rule.inputs[..3].iter().chain([shares, &dy]);
            let inputs: Vec<_> = inputs.chain(rule.inputs.get(3)).collect();
            Var::composite(AttentionBackward { masked: self.masked }, &inputs)
        });
        let mask = self.masked.then_some(None);
        Some(made.map(|made| made.into_iter().map(Some).chain(mask).collect()))
    }
}

/// The gradients of [`Attention`].
///
/// Inputs: query, key and value; the shares; the gradient by what was found; with attribute
/// `masked`, the mask. Results: the gradients by query, key and value.
///
/// With `g = dy · valueᵀ`, that by the scores is `shares · (g - Σ g · shares)`, and 0 where a
/// key is masked.
#[derive(Debug)]
struct AttentionBackward {
    masked: bool,
}

impl Composite for AttentionBackward {
    fn name(&self) -> &str {
        "attention_backward"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        attributes(self.masked)
    }

    fn results(&self) -> usize {
        3
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [query, key, value, shares, dy, mask @ ..] = inputs else {
            unreachable!("made with these inputs")
        };
        let dy = turned(dy)?;
        let by_shares = dy.matmul_with(&turned(value)?, false, true)?;
        let sum = by_shares.mul(shares)?.sum(keep(-1))?;
        let mut by_scores = by_shares.sub(&sum)?.mul(shares)?;
        if let Some(mask) = mask.first() {
            by_scores = mask.select(&by_scores, 0.0)?;
        }
        let by_query = by_scores.matmul(&turned(key)?)?;
        let by_key = by_scores.matmul_with(&turned(query)?, true, false)?;
        let by_value = shares.matmul_with(&dy, true, false)?;
        Ok(vec![turned(&by_query)?, turned(&by_key)?, turned(&by_value)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_autograd::check_gradients;
    use deckle_tensor::Tensor;

    use super::*;

    /// The rule and differentiating through the body give the same gradients, orders one and
    /// two.
    #[test]
    fn the_gradient_is_right() -> crate::Result<()> {
        let numbers = |shape: &[usize]| {
            let size: usize = shape.iter().product();
            let numbers: Vec<_> =
                (0..size).map(|i| (i * 7 % 11) as f64 / 11.0 - 0.4).collect();
            Tensor::new(numbers, shape)
        };
        let given =
            [numbers(&[2, 3, 2, 2])?, numbers(&[2, 4, 2, 2])?, numbers(&[2, 4, 2, 3])?];
        let all = |x: &[Var], mask: Option<&Var>| {
            let masked = mask.is_some();
            Var::composite(
                Attention { masked },
                &x.iter().chain(mask).collect::<Vec<_>>(),
            )
        };
        check_gradients(|x: &[Var]| all(x, None), &given)?;
        let flags: Vec<_> = (0..24).map(|i| i % 3 != 1 && i / 4 != 2).collect();
        let mask = Var::constant(&Tensor::new(flags, [2, 1, 3, 4])?);
        check_gradients(|x: &[Var]| all(x, Some(&mask)), &given)?;
        Ok(())
    }
}
