//! Gradients by what is the same in all steps of a loop: [`Learned`].

use std::{any::Any, collections::BTreeSet};

use super::Scanned;
use crate::{
    Result, Var,
    lower::topological,
    ops::{Add, ConvToKernel, MatMul},
};

/// Values of a step, and what they are in all steps.
#[derive(Debug)]
pub(super) struct Stacked {
    steps: Vec<Var>,
    sequences: Vec<Var>,
}

impl Stacked {
    pub(super) fn new<'a>(
        steps: impl Iterator<Item = &'a Var>,
        sequences: impl Iterator<Item = &'a Var>,
    ) -> Self {
        Self { steps: steps.cloned().collect(), sequences: sequences.cloned().collect() }
    }

    pub(super) fn push(&mut self, step: &Var, sequence: &Var) {
        self.steps.push(step.clone());
        self.sequences.push(sequence.clone());
    }

    pub(super) fn steps(&self) -> &[Var] {
        &self.steps
    }

    /// What a value of a step is in all of them, if that is known.
    fn find(&self, step: &Var) -> Option<usize> {
        self.steps.iter().position(|known| known.is_same(step))
    }

    /// Those that `outputs` read, besides `constants`; one at least, which tells the number of
    /// steps.
    pub(super) fn read_by(
        &self,
        outputs: &[Var],
        constants: &[Var],
    ) -> (Vec<Var>, Vec<Var>) {
        let known: BTreeSet<_> =
            self.steps.iter().chain(constants).map(Var::key).collect();
        let order = topological(outputs, |var| known.contains(&var.key()));
        let inputs = order.iter().flat_map(|node| &node.inputs);
        let read: BTreeSet<_> = inputs.chain(outputs).map(Var::key).collect();
        let pairs = self.steps.iter().zip(&self.sequences);
        let kept = pairs.filter(|(step, _)| read.contains(&step.key()));
        let (steps, sequences): (Vec<_>, Vec<_>) =
            kept.map(|(step, sequence)| (step.clone(), sequence.clone())).unzip();
        if steps.is_empty() {
            return (self.steps[..1].to_vec(), self.sequences[..1].to_vec());
        }
        (steps, sequences)
    }
}

/// The place of a value among the results of a loop, where it is only once.
pub(super) fn place(value: &Var, results: &mut Vec<Var>) -> usize {
    results.iter().position(|known| known.is_same(value)).unwrap_or_else(|| {
        results.push(value.clone());
        results.len() - 1
    })
}

/// The gradient by a constant of a loop: products whose operands are stacked over the steps and
/// multiplied once, and the rest, which is summed from step to step.
#[derive(Debug, Default)]
pub(super) struct Learned {
    products: Vec<Product>,
    sum: Option<Var>,
    /// The place of the sum among the carries.
    carry: Option<usize>,
}

/// The sum over all steps of a product of two of their values.
#[derive(Debug)]
struct Product {
    /// In a step.
    term: Var,
    operands: [Operand; 2],
}

/// Where the values of all steps are.
#[derive(Clone, Copy, Debug)]
enum Operand {
    /// The loop reads them.
    Sequence(usize),
    /// The loop makes them.
    Result(usize),
}

impl Learned {
    /// Sorts the terms of a gradient, which is a sum of any length, in their order.
    pub(super) fn split(
        &mut self,
        gradient: &Var,
        sequences: &Stacked,
        results: &mut Vec<Var>,
    ) -> Result<()> {
        let mut terms = vec![gradient.clone()];
        while let Some(term) = terms.pop() {
            let op = term.op().map(|op| op as &dyn Any);
            let inputs = term.inputs();
            if op.is_some_and(<dyn Any>::is::<Add>)
                && inputs.iter().all(|input| input.shape() == term.shape())
            {
                terms.extend(inputs.iter().rev().cloned());
                continue;
            }
            if let (Some(op), [a, b, ..]) = (op, inputs)
                && adds_up(op, [a, b])
            {
                let mut operand = |value: &Var| match sequences.find(value) {
                    Some(place) => Operand::Sequence(place),
                    None => Operand::Result(place(value, results)),
                };
                let operands = [operand(a), operand(b)];
                self.products.push(Product { term, operands });
                continue;
            }
            self.sum = Some(match &self.sum {
                Some(sum) => sum.add(&term)?,
                None => term,
            });
        }
        Ok(())
    }

    /// What is summed from step to step, if anything is.
    pub(super) const fn sum(&self) -> Option<&Var> {
        self.sum.as_ref()
    }

    /// Sets the place of the sum among the carries of the loop.
    pub(super) const fn set_carry(&mut self, carry: usize) {
        self.carry = Some(carry);
    }

    /// The whole gradient by `constant`, after the loop.
    pub(super) fn join(
        self,
        back: &Scanned,
        sequences: &Stacked,
        constant: &Var,
    ) -> Result<Option<Var>> {
        let mut total = self.carry.map(|carry| back.carries[carry].clone());
        for Product { term, operands } in self.products {
            // (steps, rows, ...) to (steps · rows, ...).
            let [a, b] = operands.map(|operand| match operand {
                Operand::Sequence(place) => sequences.sequences[place].merge_axes(0, 2),
                Operand::Result(place) => back.results[place].merge_axes(0, 2),
            });
            let (a, b) = (a?, b?);
            let convolution: Option<&ConvToKernel> =
                term.op().and_then(|op| (op as &dyn Any).downcast_ref());
            let product = match convolution {
                Some(convolution) => convolution.again(&a, &b, constant)?,
                None => a.matmul_with(&b, true, false)?,
            };
            total = Some(match total {
                Some(total) => total.add(&product)?,
                None => product,
            });
        }
        Ok(total)
    }
}

/// Whether the sum of such products over steps is one product of operands stacked along their
/// first axes: `aᵀ · b`, or the adjoint of a convolution in its kernel.
fn adds_up(op: &dyn Any, operands: [&Var; 2]) -> bool {
    let is_matrix = operands.iter().all(|operand| operand.rank() == 2);
    let product: Option<&MatMul> = op.downcast_ref();
    product.is_some_and(|op| op.transpose_a && !op.transpose_b && is_matrix)
        || op.is::<ConvToKernel>()
}
