//! The loop of an LSTM as an operation that a backend may have a kernel for.

use std::collections::BTreeMap;

use deckle_autograd::{Composite, Result, Rule, Var, scan};
use deckle_tensor::Attribute;

use super::gates::back;
use crate::layers::recurrent::composite::{
    Extras, before, counted, kernel_gradient, learned, product, product_back,
};

/// All steps of an LSTM with the functions σ and tanh; time comes before the batch.
///
/// Inputs: the inputs times their kernel, with the bias (time, batch, 4 · units); `h` and `c`
/// before the first step (batch, units); the recurrent kernel (units, 4 · units); with attribute
/// `dropped`, what each gate multiplies `h` by (4, batch, units); with attribute `masked`, which
/// steps count (time, batch), `Bool`. Masked steps keep `h` and `c`.
///
/// Results: `h` after each step (time, batch, units); the last `h` and `c` (batch, units).
/// Residuals: the gates `σ(i), σ(f), tanh(g), σ(o)` side by side (time, batch, 4 · units); `c`
/// after each step (time, batch, units).
#[derive(Debug, Default)]
pub(crate) struct Lstm(pub(crate) Extras);

impl Composite for Lstm {
    fn name(&self) -> &str {
        "lstm"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        self.0.attributes(None)
    }

    fn results(&self) -> usize {
        3
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (x, h, c, kernel) = (&inputs[0], &inputs[1], &inputs[2], &inputs[3]);
        let (dropout, mask) = self.0.of(inputs);
        let sequences: Vec<_> = std::iter::once(x).chain(mask).collect();
        let mut done = scan(&[h, c], &sequences, false, |states, step| {
            let (h, c, mask) = (&states[0], &states[1], step.get(1));
            let parts = step[0].add(&product(h, kernel, dropout, 0..4)?)?.split(4, -1)?;
            let (i, f) = (parts[0].sigmoid()?, parts[1].sigmoid()?);
            let (g, o) = (parts[2].tanh()?, parts[3].sigmoid()?);
            let gates = Var::concatenate(&[&i, &f, &g, &o], -1)?;
            let next_c = f.mul(c)?.add(&i.mul(&g)?)?;
            let next_h = counted(mask, o.mul(&next_c.tanh()?)?, h)?;
            let next_c = counted(mask, next_c, c)?;
            let results = vec![next_h.clone(), gates, next_c.clone()];
            Ok((vec![next_h, next_c], results))
        })?;
        let residuals = done.results.split_off(1);
        Ok([done.results, done.carries, residuals].concat())
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        // What multiplies states is random, and has no gradient; else the body has it.
        let learned = self.0.dropped && rule.needed[4];
        (!learned).then(|| backward(self.0, rule))
    }
}

fn backward(extras: Extras, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
    let (h, c, kernel) = (&rule.inputs[1], &rule.inputs[2], &rule.inputs[3]);
    let (sequence, gates, cells) = (&rule.outputs[0], &rule.outputs[3], &rule.outputs[4]);
    let (dh, dc) = (rule.grad(1)?, rule.grad(2)?);
    let by_sequence = rule.grads[0].is_some();
    let inputs = [kernel, h, c, sequence, gates, cells, &dh, &dc].into_iter();
    let inputs: Vec<_> = inputs.chain(&rule.grads[0]).chain(&rule.inputs[4..]).collect();
    let made = Var::composite(LstmBackward { by_sequence, extras }, &inputs)?;
    let others = std::iter::repeat_n(None, extras.count());
    Ok(made.into_iter().map(Some).chain(others).collect())
}

/// The gradients of [`Lstm`].
///
/// Inputs: the recurrent kernel, `h` and `c` before the first step; then, of the forward pass,
/// `h` after each step, gates and `c` after each step; the gradients by the last `h` and `c`;
/// with attribute `by_sequence`, the gradient by `h` after each step; then as [`Lstm`] has them,
/// with attribute `dropped` what multiplies `h`, with attribute `masked` which steps count.
///
/// Results: the gradients by the inputs times their kernel, by `h` and `c` before the first
/// step, by the recurrent kernel.
#[derive(Debug)]
struct LstmBackward {
    by_sequence: bool,
    extras: Extras,
}

impl Composite for LstmBackward {
    fn name(&self) -> &str {
        "lstm_backward"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        self.extras.attributes(Some(self.by_sequence))
    }

    fn results(&self) -> usize {
        4
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [kernel, h, c, sequence, gates, cells, dh, dc, rest @ ..] = inputs else {
            unreachable!("made with these inputs")
        };
        let (dropout, mask) = self.extras.of(inputs);
        let before_c = before(c, cells)?;
        let by_sequence = rest.first().filter(|_| self.by_sequence);
        let sequences = [gates, &before_c].into_iter().chain(by_sequence).chain(mask);
        let sequences: Vec<_> = sequences.collect();
        let done = scan(&[dh, dc], &sequences, true, |grads, step| {
            let parts = step[0].split(4, -1)?;
            let [i, f, g, o] = &parts[..] else { unreachable!("split into four") };
            let (c, by_step) = (&step[1], step.get(2).filter(|_| self.by_sequence));
            let mask = step.last().filter(|_| self.extras.masked);
            let dh =
                by_step.map_or_else(|| Ok(grads[0].clone()), |by| grads[0].add(by))?;
            let made = back([i, f, g, o], c, &dh, &grads[1])?;
            let (dz, dc) = (&made[0], made[1].clone());
            let dz = learned(mask, dz.clone())?;
            let next_c = counted(mask, dc, &grads[1])?;
            let next_h = product_back(&dz, kernel, dropout, 0..4)?;
            Ok((vec![counted(mask, next_h, &dh)?, next_c], vec![dz]))
        })?;
        let dz = &done.results[0];
        let dkernel = kernel_gradient(&before(h, sequence)?, dz, dropout, 0..4)?;
        Ok(vec![dz.clone(), done.carries[0].clone(), done.carries[1].clone(), dkernel])
    }
}
