//! The loop of an LSTM as an operation that a backend may have a kernel for.

use std::collections::BTreeMap;

use deckle_autograd::{Composite, Result, Rule, Var, scan};
use deckle_tensor::Attribute;

/// All steps of an LSTM with the functions σ and tanh; time comes before the batch.
///
/// Inputs: the inputs times their kernel, with the bias (time, batch, 4 · units); `h` and `c`
/// before the first step (batch, units); the recurrent kernel (units, 4 · units); and, if steps
/// are masked, which count (time, batch), `Bool`. Masked steps keep `h` and `c`.
///
/// Results: `h` after each step (time, batch, units); the last `h` and `c` (batch, units).
/// Residuals: the gates `σ(i), σ(f), tanh(g), σ(o)` side by side (time, batch, 4 · units); `c`
/// after each step (time, batch, units).
#[derive(Debug)]
pub(crate) struct Lstm;

impl Composite for Lstm {
    fn name(&self) -> &str {
        "lstm"
    }

    fn results(&self) -> usize {
        3
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (x, h, c, kernel, mask) =
            (&inputs[0], &inputs[1], &inputs[2], &inputs[3], inputs.get(4));
        let sequences: Vec<_> = std::iter::once(x).chain(mask).collect();
        let mut done = scan(&[h, c], &sequences, false, |states, step| {
            let (h, c) = (&states[0], &states[1]);
            let parts = step[0].add(&h.matmul(kernel)?)?.split(4, -1)?;
            let (i, f) = (parts[0].sigmoid()?, parts[1].sigmoid()?);
            let (g, o) = (parts[2].tanh()?, parts[3].sigmoid()?);
            let gates = Var::concatenate(&[&i, &f, &g, &o], -1)?;
            let mut next_c = f.mul(c)?.add(&i.mul(&g)?)?;
            let mut next_h = o.mul(&next_c.tanh()?)?;
            if let Some(mask) = step.get(1) {
                let mask = mask.expand_dims(-1)?;
                next_c = mask.select(&next_c, c)?;
                next_h = mask.select(&next_h, h)?;
            }
            let results = vec![next_h.clone(), gates, next_c.clone()];
            Ok((vec![next_h, next_c], results))
        })?;
        let residuals = done.results.split_off(1);
        Ok([done.results, done.carries, residuals].concat())
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        Some(backward(rule))
    }
}

fn backward(rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
    let (h, c, kernel, mask) =
        (&rule.inputs[1], &rule.inputs[2], &rule.inputs[3], rule.inputs.get(4));
    let (sequence, gates, cells) = (&rule.outputs[0], &rule.outputs[3], &rule.outputs[4]);
    let (dh, dc) = (rule.grad(1)?, rule.grad(2)?);
    let (by_sequence, masked) = (rule.grads[0].is_some(), mask.is_some());
    let inputs = [kernel, h, c, sequence, gates, cells, &dh, &dc].into_iter();
    let inputs: Vec<_> = inputs.chain(&rule.grads[0]).chain(mask).collect();
    let made = Var::composite(LstmBackward { by_sequence, masked }, &inputs)?;
    let mask = mask.map(|_| None);
    Ok(made.into_iter().map(Some).chain(mask).collect())
}

/// The gradients of [`Lstm`].
///
/// Inputs: the recurrent kernel, `h` and `c` before the first step; then, of the forward pass,
/// `h` after each step, gates and `c` after each step; the gradients by the last `h` and `c`;
/// with attribute `by_sequence`, the gradient by `h` after each step; with attribute `masked`,
/// which steps count.
///
/// Results: the gradients by the inputs times their kernel, by `h` and `c` before the first
/// step, by the recurrent kernel. The last is one product over all steps.
#[derive(Debug)]
struct LstmBackward {
    by_sequence: bool,
    masked: bool,
}

impl Composite for LstmBackward {
    fn name(&self) -> &str {
        "lstm_backward"
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
        let [kernel, h, c, sequence, gates, cells, dh, dc, rest @ ..] = inputs else {
            unreachable!("made with these inputs")
        };
        let before_c = before(c, cells)?;
        let sequences: Vec<_> = [gates, &before_c].into_iter().chain(rest).collect();
        let done = scan(&[dh, dc], &sequences, true, |grads, step| {
            let parts = step[0].split(4, -1)?;
            let [i, f, g, o] = &parts[..] else { unreachable!("split into four") };
            let (c, by_step) = (&step[1], step.get(2).filter(|_| self.by_sequence));
            let dh =
                by_step.map_or_else(|| Ok(grads[0].clone()), |by| grads[0].add(by))?;
            let tanh_c = f.mul(c)?.add(&i.mul(g)?)?.tanh()?;
            // Through h' = o · tanh(c').
            let through = dh.mul(o)?.mul(&(1.0 - tanh_c.square()?))?;
            let dc = grads[1].add(&through)?;
            let sigmoid = |by: &Var, y: &Var| by.mul(y)?.mul(&(1.0 - y));
            let mut dz = Var::concatenate(
                &[
                    sigmoid(&dc.mul(g)?, i)?,
                    sigmoid(&dc.mul(c)?, f)?,
                    dc.mul(i)?.mul(&(1.0 - g.square()?))?,
                    sigmoid(&dh.mul(&tanh_c)?, o)?,
                ],
                -1,
            )?;
            let mut next_c = dc.mul(f)?;
            let mask = step.last().filter(|_| self.masked);
            let mask = mask.map(|mask| mask.expand_dims(-1)).transpose()?;
            if let Some(mask) = &mask {
                dz = mask.select(&dz, 0.0)?;
                next_c = mask.select(&next_c, &grads[1])?;
            }
            let mut next_h = dz.matmul_with(kernel, false, true)?;
            if let Some(mask) = &mask {
                next_h = mask.select(&next_h, &dh)?;
            }
            Ok((vec![next_h, next_c], vec![dz]))
        })?;
        let dz = &done.results[0];
        let rows = before(h, sequence)?.merge_axes(0, 2)?;
        let dkernel = rows.matmul_with(&dz.merge_axes(0, 2)?, true, false)?;
        Ok(vec![dz.clone(), done.carries[0].clone(), done.carries[1].clone(), dkernel])
    }
}

/// The state before each step, from that before the first and that after each.
pub(crate) fn before(first: &Var, after: &Var) -> Result<Var> {
    Var::concatenate(&[&first.expand_dims(0)?, after], 0)?.slice(..-1)
}
