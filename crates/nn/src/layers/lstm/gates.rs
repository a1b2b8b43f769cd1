//! The gates of one step of an LSTM as an operation that a backend may have a kernel for.

use deckle_autograd::{Composite, Result, Rule, Var};

/// The states after one step of an LSTM with the functions σ and tanh.
///
/// Inputs: two summands, whose sum has the parts `i, f, g, o` along the last axis
/// (..., 4 · units); `c` before the step (..., units).
///
/// Results: `h` and `c` after the step (..., units). Residual: the gates
/// `σ(i), σ(f), tanh(g), σ(o)` side by side (..., 4 · units).
#[derive(Debug)]
pub(crate) struct LstmGates;

impl Composite for LstmGates {
    fn name(&self) -> &str {
        "lstm_gates"
    }

    fn results(&self) -> usize {
        2
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [x, y, c] = inputs else { unreachable!("made with these inputs") };
        let parts = x.add(y)?.split(4, -1)?;
        let (i, f) = (parts[0].sigmoid()?, parts[1].sigmoid()?);
        let (g, o) = (parts[2].tanh()?, parts[3].sigmoid()?);
        let gates = Var::concatenate(&[&i, &f, &g, &o], -1)?;
        let c = f.mul(c)?.add(&i.mul(&g)?)?;
        Ok(vec![o.mul(&c.tanh()?)?, c, gates])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        Some(backward(rule))
    }
}

fn backward(rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
    let (c, gates) = (&rule.inputs[2], &rule.outputs[2]);
    let (dh, dc) = (rule.grad(0)?, rule.grad(1)?);
    let made = Var::composite(LstmGatesBackward, &[gates, c, &dh, &dc])?;
    let (dz, dc) = (made[0].clone(), made[1].clone());
    Ok(vec![Some(dz.clone()), Some(dz), Some(dc)])
}

/// The gradients of [`LstmGates`].
///
/// Inputs: the gates, `c` before the step, the gradients by `h` and `c` after it.
///
/// Results: the gradients by each summand (..., 4 · units), and by `c` before the step.
#[derive(Debug)]
struct LstmGatesBackward;

impl Composite for LstmGatesBackward {
    fn name(&self) -> &str {
        "lstm_gates_backward"
    }

    fn results(&self) -> usize {
        2
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [gates, c, dh, dc] = inputs else { unreachable!("made with these inputs") };
        let parts = gates.split(4, -1)?;
        let [i, f, g, o] = &parts[..] else { unreachable!("split into four") };
        back([i, f, g, o], c, dh, dc)
    }
}

/// Through one step: of its gates, `c` before it, and the gradients by the states after it, the
/// gradients by what the gates are functions of, side by side, and by `c` before it.
pub(super) fn back(
    [i, f, g, o]: [&Var; 4],
    c: &Var,
    dh: &Var,
    dc: &Var,
) -> Result<Vec<Var>> {
    let tanh_c = f.mul(c)?.add(&i.mul(g)?)?.tanh()?;
    // Through h' = o · tanh(c').
    let through = dh.mul(o)?.mul(&(1.0 - tanh_c.square()?))?;
    let dc = dc.add(&through)?;
    let sigmoid = |by: &Var, y: &Var| by.mul(y)?.mul(&(1.0 - y));
    let dz = Var::concatenate(
        &[
            sigmoid(&dc.mul(g)?, i)?,
            sigmoid(&dc.mul(c)?, f)?,
            dc.mul(i)?.mul(&(1.0 - g.square()?))?,
            sigmoid(&dh.mul(&tanh_c)?, o)?,
        ],
        -1,
    )?;
    Ok(vec![dz, dc.mul(f)?])
}
