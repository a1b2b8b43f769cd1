//! The loop of a GRU as an operation that a backend may have a kernel for.

use std::collections::BTreeMap;

use deckle_autograd::{Composite, Result, Rule, Var, scan};
use deckle_tensor::Attribute;

use crate::layers::recurrent::composite::{
    Extras, before, counted, dropped, kernel_gradient, learned, product, product_back,
};

/// All steps of a GRU with the functions σ and tanh; time comes before the batch.
///
/// Inputs: the inputs times their kernel, with their bias (time, batch, 3 · units); `h` before
/// the first step (batch, units); the recurrent kernel (units, 3 · units); with attribute
/// `reset_after`, the bias of its products (3 · units); with attribute `dropped`, what each gate
/// multiplies `h` by (3, batch, units); with attribute `masked`, which steps count (time, batch),
/// `Bool`. Masked steps keep `h`.
///
/// Results: `h` after each step (time, batch, units); the last `h` (batch, units). Residual: the
/// gates `z`, `r`, `g` side by side; with `reset_after`, the last third of `h · kernel + bias`
/// beside them (time, batch, 3 or 4 · units).
#[derive(Debug)]
pub(crate) struct Gru {
    pub(crate) reset_after: bool,
    pub(crate) extras: Extras,
}

impl Gru {
    /// The inputs before dropout and mask.
    const fn inputs(&self) -> usize {
        if self.reset_after { 4 } else { 3 }
    }
}

fn attributes(
    reset_after: bool,
    extras: Extras,
    by_sequence: Option<bool>,
) -> BTreeMap<String, Attribute> {
    let reset_after = Attribute::Int(i64::from(reset_after));
    let mut attributes = extras.attributes(by_sequence);
    attributes.insert("reset_after".to_owned(), reset_after);
    attributes
}

impl Composite for Gru {
    fn name(&self) -> &str {
        "gru"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        attributes(self.reset_after, self.extras, None)
    }

    fn results(&self) -> usize {
        2
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (x, h, kernel) = (&inputs[0], &inputs[1], &inputs[2]);
        let (dropout, mask) = self.extras.of(inputs);
        let kernels = kernel.split(3, -1)?;
        let of_gates = Var::concatenate(&kernels[..2], -1)?;
        let sequences: Vec<_> = std::iter::once(x).chain(mask).collect();
        let mut done = scan(&[h], &sequences, false, |states, step| {
            let h = &states[0];
            let x = step[0].split(3, -1)?;
            let (z, gates, g);
            if self.reset_after {
                let y = product(h, kernel, dropout, 0..3)?.add(&inputs[3])?;
                let y = y.split(3, -1)?;
                let r = x[1].add(&y[1])?.sigmoid()?;
                z = x[0].add(&y[0])?.sigmoid()?;
                g = x[2].add(&r.mul(&y[2])?)?.tanh()?;
                gates = Var::concatenate(&[&z, &r, &g, &y[2]], -1)?;
            } else {
                let y = product(h, &of_gates, dropout, 0..2)?.split(2, -1)?;
                let r = x[1].add(&y[1])?.sigmoid()?;
                let y = [y[0].clone(), r.mul(&dropped(h, dropout, 2)?)?];
                z = x[0].add(&y[0])?.sigmoid()?;
                g = x[2].add(&y[1].matmul(&kernels[2])?)?.tanh()?;
                gates = Var::concatenate(&[&z, &r, &g], -1)?;
            }
            let next = z.mul(h)?.add(&(1.0 - &z).mul(&g)?)?;
            let next = counted(step.get(1), next, h)?;
            Ok((vec![next.clone()], vec![next, gates]))
        })?;
        let residuals = done.results.split_off(1);
        Ok([done.results, done.carries, residuals].concat())
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        // What multiplies states is random, and has no gradient; else the body has it.
        let learned = self.extras.dropped && rule.needed[self.inputs()];
        (!learned).then(|| self.backward(rule))
    }
}

impl Gru {
    fn backward(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let (h, kernel) = (&rule.inputs[1], &rule.inputs[2]);
        let (sequence, gates) = (&rule.outputs[0], &rule.outputs[2]);
        let dh = rule.grad(1)?;
        let Self { reset_after, extras } = *self;
        let by_sequence = rule.grads[0].is_some();
        let inputs = [kernel, h, sequence, gates, &dh].into_iter();
        let others = &rule.inputs[self.inputs()..];
        let inputs: Vec<_> = inputs.chain(&rule.grads[0]).chain(others).collect();
        let backward = GruBackward { reset_after, by_sequence, extras };
        let made = Var::composite(backward, &inputs)?;
        let others = std::iter::repeat_n(None, extras.count());
        Ok(made.into_iter().map(Some).chain(others).collect())
    }
}

/// The gradients of [`Gru`].
///
/// Inputs: the recurrent kernel; `h` before the first step; then, of the forward pass, `h` after
/// each step and the gates; the gradient by the last `h`; with attribute `by_sequence`, the
/// gradient by `h` after each step; then as [`Gru`] has them, with attribute `dropped` what
/// multiplies `h`, with attribute `masked` which steps count.
///
/// Results: the gradients by the inputs times their kernel, by `h` before the first step, by the
/// recurrent kernel, and with attribute `reset_after` by the bias of its products.
#[derive(Debug)]
struct GruBackward {
    reset_after: bool,
    by_sequence: bool,
    extras: Extras,
}

impl Composite for GruBackward {
    fn name(&self) -> &str {
        "gru_backward"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        attributes(self.reset_after, self.extras, Some(self.by_sequence))
    }

    fn results(&self) -> usize {
        if self.reset_after { 4 } else { 3 }
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [kernel, h, sequence, gates, dh, rest @ ..] = inputs else {
            unreachable!("made with these inputs")
        };
        let (dropout, mask) = self.extras.of(inputs);
        let kernels = kernel.split(3, -1)?;
        let of_gates = Var::concatenate(&kernels[..2], -1)?;
        let before = before(h, sequence)?;
        let by_sequence = rest.first().filter(|_| self.by_sequence);
        let sequences = [gates, &before].into_iter().chain(by_sequence).chain(mask);
        let done = scan(&[dh], &sequences.collect::<Vec<_>>(), true, |grads, step| {
            let parts = step[0].split(if self.reset_after { 4 } else { 3 }, -1)?;
            let (z, r, g) = (&parts[0], &parts[1], &parts[2]);
            let (h, by_step) = (&step[1], step.get(2).filter(|_| self.by_sequence));
            let mask = step.last().filter(|_| self.extras.masked);
            let dh =
                by_step.map_or_else(|| Ok(grads[0].clone()), |by| grads[0].add(by))?;
            let by_g = dh.mul(&(1.0 - z))?.mul(&(1.0 - g.square()?))?;
            let by_z = dh.mul(&h.sub(g)?)?.mul(z)?.mul(&(1.0 - z))?;
            let sigmoid = |by: &Var| by.mul(r)?.mul(&(1.0 - r));
            let around = dh.mul(z)?;
            let (next, results);
            if self.reset_after {
                let by_r = sigmoid(&by_g.mul(&parts[3])?)?;
                let dx = Var::concatenate(&[&by_z, &by_r, &by_g], -1)?;
                let dy = Var::concatenate(&[&by_z, &by_r, &by_g.mul(r)?], -1)?;
                let (dx, dy) = (learned(mask, dx)?, learned(mask, dy)?);
                next = around.add(&product_back(&dy, kernel, dropout, 0..3)?)?;
                results = vec![dx, dy];
            } else {
                let state = dropped(h, dropout, 2)?;
                let by_product = by_g.matmul_with(&kernels[2], false, true)?;
                let by_r = sigmoid(&by_product.mul(&state)?)?;
                let by_gates = learned(mask, Var::concatenate(&[&by_z, &by_r], -1)?)?;
                let by_state = dropped(&by_product.mul(r)?, dropout, 2)?;
                let by_gate = product_back(&by_gates, &of_gates, dropout, 0..2)?;
                next = around.add(&by_state)?.add(&by_gate)?;
                let dx = Var::concatenate(&[by_gates, learned(mask, by_g)?], -1)?;
                results = vec![dx, r.mul(&state)?];
            }
            Ok((vec![counted(mask, next, &dh)?], results))
        })?;
        let (dx, dh) = (done.results[0].clone(), done.carries[0].clone());
        if self.reset_after {
            let dy = &done.results[1];
            let dkernel = kernel_gradient(&before, dy, dropout, 0..3)?;
            return Ok(vec![dx, dh, dkernel, dy.merge_axes(0, 2)?.sum(0)?]);
        }
        let parts = dx.split(3, -1)?;
        let by_gates = Var::concatenate(&parts[..2], -1)?;
        let of_gates = kernel_gradient(&before, &by_gates, dropout, 0..2)?;
        let last = kernel_gradient(&done.results[1], &parts[2], None, 2..3)?;
        Ok(vec![dx, dh, Var::concatenate(&[of_gates, last], -1)?])
    }
}
