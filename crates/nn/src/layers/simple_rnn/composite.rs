//! The loop of a simple recurrent layer as an operation that a backend may have a kernel for.

use std::collections::BTreeMap;

use deckle_autograd::{Composite, Result, Rule, Var, scan};
use deckle_tensor::Attribute;

use crate::layers::recurrent::composite::{
    Extras, before, counted, kernel_gradient, learned, product, product_back,
};

/// All steps of a simple recurrent layer with the function tanh; time comes before the batch.
///
/// Inputs: the inputs times their kernel, with the bias (time, batch, units); `h` before the
/// first step (batch, units); the recurrent kernel (units, units); with attribute `dropped`,
/// what multiplies `h` (1, batch, units); with attribute `masked`, which steps count
/// (time, batch), `Bool`. Masked steps keep `h`.
///
/// Results: `h` after each step (time, batch, units); the last `h` (batch, units).
#[derive(Debug, Default)]
pub(crate) struct Simple(pub(crate) Extras);

impl Composite for Simple {
    fn name(&self) -> &str {
        "simple_rnn"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        self.0.attributes(None)
    }

    fn results(&self) -> usize {
        2
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (x, h, kernel) = (&inputs[0], &inputs[1], &inputs[2]);
        let (dropout, mask) = self.0.of(inputs);
        let sequences: Vec<_> = std::iter::once(x).chain(mask).collect();
        let done = scan(&[h], &sequences, false, |states, step| {
            let h = &states[0];
            let next = step[0].add(&product(h, kernel, dropout, 0..1)?)?.tanh()?;
            let next = counted(step.get(1), next, h)?;
            Ok((vec![next.clone()], vec![next]))
        })?;
        Ok([done.results, done.carries].concat())
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        // What multiplies states is random, and has no gradient; else the body has it.
        let learned = self.0.dropped && rule.needed[3];
        (!learned).then(|| backward(self.0, rule))
    }
}

fn backward(extras: Extras, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
    let (h, kernel, sequence) = (&rule.inputs[1], &rule.inputs[2], &rule.outputs[0]);
    let dh = rule.grad(1)?;
    let by_sequence = rule.grads[0].is_some();
    let inputs = [kernel, h, sequence, &dh].into_iter();
    let inputs: Vec<_> = inputs.chain(&rule.grads[0]).chain(&rule.inputs[3..]).collect();
    let made = Var::composite(SimpleBackward { by_sequence, extras }, &inputs)?;
    let others = std::iter::repeat_n(None, extras.count());
    Ok(made.into_iter().map(Some).chain(others).collect())
}

/// The gradients of [`Simple`].
///
/// Inputs: the recurrent kernel; `h` before the first step, and after each; the gradient by the
/// last `h`; with attribute `by_sequence`, the gradient by `h` after each step; then as
/// [`Simple`] has them, with attribute `dropped` what multiplies `h`, with attribute `masked`
/// which steps count.
///
/// Results: the gradients by the inputs times their kernel, by `h` before the first step, by the
/// recurrent kernel.
#[derive(Debug)]
struct SimpleBackward {
    by_sequence: bool,
    extras: Extras,
}

impl Composite for SimpleBackward {
    fn name(&self) -> &str {
        "simple_rnn_backward"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        self.extras.attributes(Some(self.by_sequence))
    }

    fn results(&self) -> usize {
        3
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [kernel, h, sequence, dh, rest @ ..] = inputs else {
            unreachable!("made with these inputs")
        };
        let (dropout, mask) = self.extras.of(inputs);
        let by_sequence = rest.first().filter(|_| self.by_sequence);
        let sequences: Vec<_> =
            std::iter::once(sequence).chain(by_sequence).chain(mask).collect();
        let done = scan(&[dh], &sequences, true, |grads, step| {
            let by_step = step.get(1).filter(|_| self.by_sequence);
            let mask = step.last().filter(|_| self.extras.masked);
            let dh =
                by_step.map_or_else(|| Ok(grads[0].clone()), |by| grads[0].add(by))?;
            let dz = learned(mask, dh.mul(&(1.0 - step[0].square()?))?)?;
            let next = product_back(&dz, kernel, dropout, 0..1)?;
            Ok((vec![counted(mask, next, &dh)?], vec![dz]))
        })?;
        let dz = &done.results[0];
        let dkernel = kernel_gradient(&before(h, sequence)?, dz, dropout, 0..1)?;
        Ok(vec![dz.clone(), done.carries[0].clone(), dkernel])
    }
}
