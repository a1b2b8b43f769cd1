//! The loop of a GRU as an operation that a backend may have a kernel for.

use std::collections::BTreeMap;

use deckle_autograd::{Composite, Result, Rule, Var, scan};
use deckle_tensor::Attribute;

use crate::layers::lstm::composite::before;

/// All steps of a GRU with the functions σ and tanh, and the reset gate after the product; time
/// comes before the batch.
///
/// Inputs: the inputs times their kernel, with their bias (time, batch, 3 · units); `h` before
/// the first step (batch, units); the recurrent kernel (units, 3 · units) and bias (3 · units);
/// and, if steps are masked, which count (time, batch), `Bool`. Masked steps keep `h`.
///
/// Results: `h` after each step (time, batch, units); the last `h` (batch, units). Residual:
/// the gates `z`, `r`, `g`, and the last third of `h · kernel + bias`, side by side
/// (time, batch, 4 · units).
#[derive(Debug)]
pub(crate) struct Gru;

impl Composite for Gru {
    fn name(&self) -> &str {
        "gru"
    }

    fn results(&self) -> usize {
        2
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (x, h, kernel, bias, mask) =
            (&inputs[0], &inputs[1], &inputs[2], &inputs[3], inputs.get(4));
        let sequences: Vec<_> = std::iter::once(x).chain(mask).collect();
        let mut done = scan(&[h], &sequences, false, |states, step| {
            let h = &states[0];
            let x = step[0].split(3, -1)?;
            let y = h.matmul(kernel)?.add(bias)?.split(3, -1)?;
            let (z, r) = (x[0].add(&y[0])?.sigmoid()?, x[1].add(&y[1])?.sigmoid()?);
            let g = x[2].add(&r.mul(&y[2])?)?.tanh()?;
            let gates = Var::concatenate(&[&z, &r, &g, &y[2]], -1)?;
            let mut next = z.mul(h)?.add(&(1.0 - &z).mul(&g)?)?;
            if let Some(mask) = step.get(1) {
                next = mask.expand_dims(-1)?.select(&next, h)?;
            }
            Ok((vec![next.clone()], vec![next, gates]))
        })?;
        let residuals = done.results.split_off(1);
        Ok([done.results, done.carries, residuals].concat())
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        Some(backward(rule))
    }
}

fn backward(rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
    let (h, kernel, mask) = (&rule.inputs[1], &rule.inputs[2], rule.inputs.get(4));
    let (sequence, gates) = (&rule.outputs[0], &rule.outputs[2]);
    let dh = rule.grad(1)?;
    let (by_sequence, masked) = (rule.grads[0].is_some(), mask.is_some());
    let inputs = [kernel, h, sequence, gates, &dh].into_iter();
    let inputs: Vec<_> = inputs.chain(&rule.grads[0]).chain(mask).collect();
    let made = Var::composite(GruBackward { by_sequence, masked }, &inputs)?;
    let mask = mask.map(|_| None);
    Ok(made.into_iter().map(Some).chain(mask).collect())
}

/// The gradients of [`Gru`].
///
/// Inputs: the recurrent kernel; `h` before the first step; then, of the forward pass, `h` after
/// each step and the gates; the gradient by the last `h`; with attribute `by_sequence`, the
/// gradient by `h` after each step; with attribute `masked`, which steps count.
///
/// Results: the gradients by the inputs times their kernel, by `h` before the first step, by the
/// recurrent kernel and bias. That by the kernel is one product over all steps.
#[derive(Debug)]
struct GruBackward {
    by_sequence: bool,
    masked: bool,
}

impl Composite for GruBackward {
    fn name(&self) -> &str {
        "gru_backward"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        let flag =
            |name: &str, value| (name.to_owned(), Attribute::Int(i64::from(value)));
        [flag("by_sequence", self.by_sequence), flag("masked", self.masked)].into()
    }

    fn results(&self) -> usize {
        4
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [kernel, h, sequence, gates, dh, rest @ ..] = inputs else {
            unreachable!("made with these inputs")
        };
        let before = before(h, sequence)?;
        let sequences: Vec<_> = [gates, &before].into_iter().chain(rest).collect();
        let done = scan(&[dh], &sequences, true, |grads, step| {
            let parts = step[0].split(4, -1)?;
            let [z, r, g, y] = &parts[..] else { unreachable!("split into four") };
            let (h, by_step) = (&step[1], step.get(2).filter(|_| self.by_sequence));
            let dh =
                by_step.map_or_else(|| Ok(grads[0].clone()), |by| grads[0].add(by))?;
            let by_g = dh.mul(&(1.0 - z))?.mul(&(1.0 - g.square()?))?;
            let by_z = dh.mul(&h.sub(g)?)?.mul(z)?.mul(&(1.0 - z))?;
            let by_r = by_g.mul(y)?.mul(r)?.mul(&(1.0 - r))?;
            let mut dx = Var::concatenate(&[&by_z, &by_r, &by_g], -1)?;
            let mut dy = Var::concatenate(&[&by_z, &by_r, &by_g.mul(r)?], -1)?;
            let mask = step.last().filter(|_| self.masked);
            let mask = mask.map(|mask| mask.expand_dims(-1)).transpose()?;
            if let Some(mask) = &mask {
                dx = mask.select(&dx, 0.0)?;
                dy = mask.select(&dy, 0.0)?;
            }
            let mut next = dh.mul(z)?.add(&dy.matmul_with(kernel, false, true)?)?;
            if let Some(mask) = &mask {
                next = mask.select(&next, &dh)?;
            }
            Ok((vec![next], vec![dx, dy]))
        })?;
        let (dx, dy) = (&done.results[0], done.results[1].merge_axes(0, 2)?);
        let dkernel = before.merge_axes(0, 2)?.matmul_with(&dy, true, false)?;
        Ok(vec![dx.clone(), done.carries[0].clone(), dkernel, dy.sum(0)?])
    }
}
