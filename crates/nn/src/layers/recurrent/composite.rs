//! What the loops of recurrent layers have in common: [`Extras`].

use std::collections::BTreeMap;

use deckle_autograd::{Result, Var};
use deckle_tensor::Attribute;

/// Which inputs a loop has besides: what each gate multiplies its states by
/// (gates, batch, units), then which steps count (time, batch), `Bool`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    pub(crate) dropped: bool,
    pub(crate) masked: bool,
}

impl Extras {
    /// The attributes that say which there are; for a backward pass, with `by_sequence`.
    pub(crate) fn attributes(
        self,
        by_sequence: Option<bool>,
    ) -> BTreeMap<String, Attribute> {
        let flag =
            |name: &str, value| (name.to_owned(), Attribute::Int(i64::from(value)));
        let own = [flag("dropped", self.dropped), flag("masked", self.masked)];
        let by_sequence = by_sequence.map(|value| flag("by_sequence", value));
        own.into_iter().chain(by_sequence).collect()
    }

    /// Dropout and mask, which are the last inputs.
    pub(crate) fn of(self, inputs: &[Var]) -> (Option<&Var>, Option<&Var>) {
        let mut last = inputs.iter().rev();
        let mask = if self.masked { last.next() } else { None };
        (if self.dropped { last.next() } else { None }, mask)
    }

    /// The number of inputs that it stands for.
    pub(crate) fn count(self) -> usize {
        usize::from(self.dropped) + usize::from(self.masked)
    }
}

/// The state that a gate takes.
pub(crate) fn dropped(state: &Var, dropout: Option<&Var>, gate: usize) -> Result<Var> {
    match dropout {
        Some(dropout) => state.mul(&dropout.slice(gate as isize)?),
        None => Ok(state.clone()),
    }
}

/// The product of a state and the kernel of some gates, the first of which has that number.
pub(crate) fn product(
    state: &Var,
    kernel: &Var,
    dropout: Option<&Var>,
    gates: std::ops::Range<usize>,
) -> Result<Var> {
    if dropout.is_none() {
        return state.matmul(kernel);
    }
    let kernels = kernel.split(gates.len(), -1)?.into_iter().zip(gates);
    let parts: Vec<_> = kernels
        .map(|(kernel, gate)| dropped(state, dropout, gate)?.matmul(&kernel))
        .collect::<Result<_>>()?;
    Var::concatenate(&parts, -1)
}

/// The gradient by the state of [`product`].
pub(crate) fn product_back(
    by: &Var,
    kernel: &Var,
    dropout: Option<&Var>,
    gates: std::ops::Range<usize>,
) -> Result<Var> {
    if dropout.is_none() {
        return by.matmul_with(kernel, false, true);
    }
    let kernels = kernel.split(gates.len(), -1)?;
    let parts = by.split(gates.len(), -1)?.into_iter().zip(&kernels).zip(gates);
    let mut sum: Option<Var> = None;
    for ((by, kernel), gate) in parts {
        let part = dropped(&by.matmul_with(kernel, false, true)?, dropout, gate)?;
        sum = Some(sum.map_or(Ok(part.clone()), |sum| sum.add(&part))?);
    }
    Ok(sum.expect("there is a gate"))
}

/// The gradient by the kernel of [`product`] in all steps: one product for all gates, or one for
/// each that has states of its own.
pub(crate) fn kernel_gradient(
    states: &Var,
    by: &Var,
    dropout: Option<&Var>,
    gates: std::ops::Range<usize>,
) -> Result<Var> {
    let by = by.merge_axes(0, 2)?;
    if dropout.is_none() {
        return states.merge_axes(0, 2)?.matmul_with(&by, true, false);
    }
    let parts = by.split(gates.len(), -1)?.into_iter().zip(gates);
    let parts: Vec<_> = parts
        .map(|(by, gate)| {
            dropped(states, dropout, gate)?
                .merge_axes(0, 2)?
                .matmul_with(&by, true, false)
        })
        .collect::<Result<_>>()?;
    Var::concatenate(&parts, -1)
}

/// The state before each step, from that before the first and that after each.
pub(crate) fn before(first: &Var, after: &Var) -> Result<Var> {
    Var::concatenate(&[&first.expand_dims(0)?, after], 0)?.slice(..-1)
}

/// What a step makes where it counts, and what was before where it does not.
pub(crate) fn counted(mask: Option<&Var>, new: Var, before: &Var) -> Result<Var> {
    match mask {
        Some(mask) => mask.expand_dims(-1)?.select(&new, before),
        None => Ok(new),
    }
}

/// The gradient where a step counts, and 0 where it does not.
pub(crate) fn learned(mask: Option<&Var>, by: Var) -> Result<Var> {
    match mask {
        Some(mask) => mask.expand_dims(-1)?.select(&by, 0.0),
        None => Ok(by),
    }
}
