//! Named pieces of graph that a backend may have a kernel for: [`Composite`].

use std::{collections::BTreeMap, fmt};

use deckle_tensor::{Attribute, Value};

use crate::{Lower, Op, Result, Rule, Signature, Var, grad::gradients_between};

/// An operation that means what its body, a graph, computes.
///
/// A backend that knows the name runs a kernel of its own; every other one runs the body. What
/// the backward pass needs is declared as *residuals*: further outputs of the body, whose
/// meaning the implementation documents. The backward pass is a second composite that takes
/// them, so that forward and backward can each be fused or not.
pub trait Composite: fmt::Debug + Send + Sync + 'static {
    /// The name that backends know it by.
    fn name(&self) -> &str;

    /// Its settings, for backends.
    fn attributes(&self) -> BTreeMap<String, Attribute> {
        BTreeMap::new()
    }

    /// The number of results; outputs of the body beyond these are residuals.
    fn results(&self) -> usize {
        1
    }

    /// The meaning: results, then residuals.
    ///
    /// # Errors
    ///
    /// If it cannot take these inputs.
    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>>;

    /// The gradient of each input from results and residuals; `None`, the default, says that
    /// the body is to be differentiated.
    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        let _ = rule;
        None
    }
}

impl Var {
    /// Applies a composite; returns its results.
    ///
    /// # Errors
    ///
    /// If the composite cannot take these inputs.
    pub fn composite(composite: impl Composite, inputs: &[&Self]) -> Result<Vec<Self>> {
        let results = composite.results();
        let mut outputs = Self::apply(CompositeOp(composite), inputs)?;
        outputs.truncate(results);
        Ok(outputs)
    }
}

/// A composite as an operation of the graph.
#[derive(Debug)]
pub(crate) struct CompositeOp<C>(pub(crate) C);

impl<C: Composite> CompositeOp<C> {
    /// The body between inputs of its own.
    fn graph(&self, inputs: &[Signature]) -> Result<(Vec<Var>, Vec<Var>)> {
        let inputs: Vec<_> = inputs
            .iter()
            .map(|input| Var::input("composite", &input.shape, input.dtype))
            .collect();
        let outputs = self.0.body(&inputs)?;
        Ok((inputs, outputs))
    }
}

impl<C: Composite> Op for CompositeOp<C> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (_, outputs) = self.graph(inputs)?;
        Ok(outputs.iter().map(|output| output.signature().clone()).collect())
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let specs = inputs.iter().map(|&value| Signature::from(lower.spec(value)));
        let (from, to) = self.graph(&specs.collect::<Vec<_>>())?;
        lower.composite(self.0.name(), self.0.attributes(), (&from, &to), inputs)
    }

    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        // A gradient by a residual (it comes with the second order) the rule does not know.
        let plain = rule.grads[self.0.results()..].iter().all(Option::is_none);
        if plain && let Some(found) = self.0.vjp(rule) {
            return found;
        }
        let outputs = self.0.body(rule.inputs)?;
        gradients_between(&outputs, rule.grads, rule.inputs, rule.needed)
    }
}
