//! Cells one after another, as one cell.

use std::collections::BTreeMap;

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    rnn::{states_of, with_states},
    wrapped::{BuiltWrapped, Wrapped},
};
use crate::{
    Built, Call, Error, FromConfig, Init, Inputs, Layer, Registry, Result, snake_case,
};

/// Cells of which each takes the outputs of the one before, as one cell.
///
/// # Shapes
///
/// The inputs are a step and the states of all cells, in their order; the outputs that of the
/// last cell and the next states of all. Weights are in `cells/<class>`, numbered by class.
///
/// # Errors
///
/// Building fails if there is no cell, one is a stack itself, or one cannot take what it gets.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::{GRUCell, SimpleRNNCell, StackedRNNCells}};
///
/// let cells = StackedRNNCells::new([GRUCell::new(3).into(), SimpleRNNCell::new(2).into()]);
/// let states = cells.state_shapes(&[None, Some(4)].into()).unwrap_or_default();
/// assert_eq!(states, [[None, Some(3)].into(), [None, Some(2)].into()]);
/// ```
///
/// # Keras
///
/// `keras.layers.StackedRNNCells`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackedRNNCells {
    cells: Vec<Wrapped>,
}

impl StackedRNNCells {
    /// These cells as one.
    #[must_use]
    pub fn new(cells: impl Into<Vec<Wrapped>>) -> Self {
        Self { cells: cells.into() }
    }

    pub(super) fn read(cells: &[Value], registry: &Registry) -> serde_json::Result<Self> {
        let cells = cells.iter().map(|cell| Wrapped::read(cell, registry));
        Ok(Self { cells: cells.collect::<serde_json::Result<_>>()? })
    }

    /// The cells with their names, which are numbered by class.
    pub(super) fn named(&self) -> impl Iterator<Item = (String, &Wrapped)> {
        let mut counts = BTreeMap::new();
        self.cells.iter().map(move |cell| {
            let class = snake_case(cell.layer().class_name());
            let count = counts.entry(class.clone()).or_insert(0usize);
            let name = if *count == 0 { class } else { format!("{class}_{count}") };
            *count += 1;
            (name, cell)
        })
    }

    /// For each cell what it is given, and its output.
    pub(super) fn flow(&self, step: &Shape) -> Result<Vec<(Vec<Shape>, Shape)>> {
        if self.cells.is_empty() {
            return Err(Error::invalid("cannot stack nothing", "one cell or more"));
        }
        let (mut x, mut all) = (step.clone(), Vec::new());
        for cell in &self.cells {
            if cell.layer().class_name() == self.class_name() {
                let expected = "cells that are no stacks themselves";
                return Err(Error::invalid("cannot stack these cells", expected)
                    .got(self.class_name()));
            }
            let given = with_states(x.clone(), &states_of(cell, &x)?);
            x = cell.output_shape(&given)?.remove(0);
            all.push((given, x.clone()));
        }
        Ok(all)
    }
}

impl FromConfig for StackedRNNCells {
    fn from_config(config: Value, registry: &Registry) -> serde_json::Result<Self> {
        let cells = config.get("cells").and_then(Value::as_array);
        Self::read(cells.map_or(&[], Vec::as_slice), registry)
    }
}

impl Layer for StackedRNNCells {
    fn class_name(&self) -> &'static str {
        "StackedRNNCells"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let Some((x, given)) = inputs.split_first() else {
            return Err(Error::invalid("cannot take no input", "one step").got("none"));
        };
        let flow = self.flow(x)?;
        let states: Vec<_> =
            flow.iter().flat_map(|(given, _)| given[1..].iter().cloned()).collect();
        let fits = given.len() == states.len()
            && given.iter().zip(&states).all(|(given, state)| given.may_equal(state));
        if !fits {
            return Err(
                Error::invalid("cannot take these states", states.len()).got(given.len())
            );
        }
        let last = flow.last().map_or_else(|| x.clone(), |(_, output)| output.clone());
        Ok(with_states(last, &states))
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let mut cells = Vec::new();
        init.scoped("cells", |init| {
            for ((name, cell), (given, _)) in self.named().zip(self.flow(&inputs[0])?) {
                cells.push((cell.build(&name, &given, init)?, given.len() - 1));
            }
            Ok(())
        })?;
        Ok(Box::new(BuiltStackedRNNCells(cells)))
    }

    fn state_shapes(&self, input: &Shape) -> Option<Vec<Shape>> {
        let flow = self.flow(input).ok()?;
        Some(flow.into_iter().flat_map(|(given, _)| given.into_iter().skip(1)).collect())
    }

    fn list_from(&self) -> Option<usize> {
        Some(1)
    }
}

/// The cells, with the number of states of each.
#[derive(Debug)]
struct BuiltStackedRNNCells(Vec<(BuiltWrapped, usize)>);

impl Built for BuiltStackedRNNCells {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let given = inputs.positional();
        let needed: usize = self.0.iter().map(|(_, states)| states).sum();
        if given.len() != needed + 1 {
            return Err(
                Error::invalid("cannot take these inputs", needed + 1).got(given.len())
            );
        }
        let (mut x, mut rest, mut next) = (given[0].clone(), &given[1..], Vec::new());
        for (cell, states) in &self.0 {
            let (own, others) = rest.split_at(*states);
            let given: Vec<_> = std::iter::once(&x).chain(own).cloned().collect();
            let mut made = cell.call(&Inputs::new(given), call)?;
            rest = others;
            x = made.remove(0);
            next.extend(made);
        }
        Ok(std::iter::once(x).chain(next).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check_layer,
        layers::{GRUCell, SimpleRNNCell},
    };

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        let cells =
            StackedRNNCells::new([GRUCell::new(1).into(), GRUCell::new(2).into()]);
        check_layer(&cells, [[2, 2], [2, 1], [2, 2]])?;
        let cells = StackedRNNCells::new([SimpleRNNCell::new(2).into()]);
        check_layer(&cells, [[2, 1], [2, 2]])
    }

    #[test]
    fn a_stack_in_a_stack_is_an_error() {
        let inner = StackedRNNCells::new([GRUCell::new(1).into()]);
        let error = StackedRNNCells::new([inner.into()])
            .output_shape(&[[2, 2].into(), [2, 1].into()])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot stack these cells\n  expected: cells that are no stacks themselves\n       \
             got: StackedRNNCells"
        );
    }
}
