//! Finding the operation that makes the first NaN: [`Inspector`].

use std::collections::BTreeSet;

use deckle_autograd::{Compiled, Function, Var};
use deckle_data::Batch;
use deckle_tensor::{Spec, Tensor};

use crate::{
    Result,
    step::{Mode, Parts, inputs, is_of, tensors},
};

/// A training step that changes nothing and says of each of its values whether it is finite.
#[derive(Debug)]
pub(crate) struct Inspector {
    /// Element types and shapes of one example of each tensor of a batch.
    fields: Vec<Spec>,
    /// Each after those it is made of.
    values: Vec<Watched>,
    /// The places of loss and new values among them.
    results: Vec<usize>,
    compiled: Compiled,
}

/// A value of the step.
#[derive(Debug)]
struct Watched {
    what: String,
    /// The places of what it is made of.
    inputs: Vec<usize>,
    /// Which of the function's outputs says whether it is finite; whole numbers always are.
    output: Option<usize>,
}

impl Inspector {
    /// For batches like this one.
    pub(crate) fn new(parts: &Parts<'_>, batch: &Batch) -> Result<Self> {
        let (fields, given) = inputs(parts.model, batch);
        let (outputs, updates) = parts.unguarded(Mode::Train, &given, batch)?;
        let results: Vec<_> =
            outputs.into_iter().chain(updates.into_iter().map(|(_, new)| new)).collect();
        let graph = Var::graph(&results);
        let place = |var: &Var| graph.iter().position(|known| known.is_same(var));
        let (mut values, mut flags) = (Vec::new(), Vec::new());
        for var in &graph {
            let output = if var.dtype().is_float() {
                let finite = var.is_finite()?;
                flags.push(if var.rank() == 0 { finite } else { finite.all(..)? });
                Some(flags.len() - 1)
            } else {
                None
            };
            let inputs = var.inputs().iter().filter_map(place).collect();
            values.push(Watched { what: describe(var, &given, batch), inputs, output });
        }
        let results = results.iter().filter_map(place).collect();
        let device = parts.model.group().device();
        let compiled = Function::new(&given, &flags).compile(&device)?;
        Ok(Self { fields, values, results, compiled })
    }

    /// Whether it is for that batch.
    pub(crate) fn fits(&self, batch: &Batch) -> bool {
        is_of(batch, &self.fields)
    }

    /// What makes the first value that is not finite, if loss or new values depend on one.
    pub(crate) fn find(&self, batch: &Batch) -> Result<Option<String>> {
        let given: Vec<Tensor> = tensors(batch).cloned().collect();
        let flags = self.compiled.call(&given)?;
        let flags = flags.iter().map(|flag| Ok(flag.item::<bool>()?));
        let flags = flags.collect::<Result<Vec<_>>>()?;
        let finite =
            |at: usize| self.values[at].output.is_none_or(|output| flags[output]);
        let mut stack: Vec<_> =
            self.results.iter().copied().filter(|&at| !finite(at)).collect();
        // Only what a bad result is made of: elsewhere, an infinity may be meant.
        let mut found = BTreeSet::new();
        while let Some(at) = stack.pop() {
            if found.insert(at) {
                stack.extend(self.values[at].inputs.iter().filter(|&&at| !finite(at)));
            }
        }
        let first = found
            .into_iter()
            .find(|&at| self.values[at].inputs.iter().all(|&input| finite(input)));
        Ok(first.map(|at| self.values[at].what.clone()))
    }
}

/// What a value is, as the beginning of a sentence on where it happens.
fn describe(var: &Var, given: &[Var], batch: &Batch) -> String {
    if let Some(op) = var.op() {
        let path = var.path();
        let path = if path.is_empty() { "no layer" } else { path };
        return format!(
            "operation `{}` of `{path}` makes the first value that is not finite",
            op.name()
        );
    }
    if let Some(variable) = var.as_variable() {
        return format!("`{}` is not finite before the step", variable.name());
    }
    match given.iter().position(|known| known.is_same(var)) {
        Some(at) => {
            let (targets, weights) = (batch.inputs.len(), batch.targets.len());
            let (what, at) = match at {
                at if at < targets => ("input", at),
                at if at < targets + weights => ("target", at - targets),
                at => ("weight of the examples", at - targets - weights),
            };
            format!("the data have a value that is not finite, in {what} {at},")
        }
        None => "a constant is not finite".to_owned(),
    }
}
