//! Reverse-mode differentiation: [`grad`], [`gradients`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    Error, Result, Rule, Var,
    lower::topological,
    var::{Kind, Node},
};

/// The gradients of a loss, one floating-point number, by each of `wrt`.
///
/// The result is graph again, so that any order of derivative works: `grad(&grad(..)?[0], ..)`.
/// Contributions are summed in an order that follows from the graph's structure alone.
///
/// # Errors
///
/// If the loss is not one floating-point number, does not depend on one of `wrt`, or a path
/// between them leads through an operation without a gradient.
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Var, grad};
/// use deckle_tensor::Tensor;
///
/// let x = Var::constant(&Tensor::scalar(2.0f64));
/// let y = &(&x * &x) * &x;
/// let first = grad(&y, &[&x])?.remove(0);
/// let second = grad(&first, &[&x])?.remove(0);
/// assert_eq!(first.eval()?.item::<f64>()?, 12.0);
/// assert_eq!(second.eval()?.item::<f64>()?, 12.0);
/// # Ok::<(), deckle_autograd::Error>(())
/// ```
pub fn grad(loss: &Var, wrt: &[&Var]) -> Result<Vec<Var>> {
    if loss.rank() != 0 || !loss.dtype().is_float() {
        let got = loss.shape().clone();
        return Err(Error::NotAScalar { got, dtype: loss.dtype() });
    }
    let one = Var::scalar(loss.dtype(), 1.0);
    let found = gradients(std::slice::from_ref(loss), &[Some(one)], wrt)?;
    let named = found.into_iter().zip(wrt);
    named
        .map(|(gradient, wrt)| {
            gradient.ok_or_else(|| Error::Independent {
                wrt: wrt.as_variable().map_or_else(
                    || format!("{wrt:?}"),
                    |variable| format!("variable `{}`", variable.name()),
                ),
            })
        })
        .collect()
}

/// The gradients of `outputs` by each of `wrt`, given the loss's gradient by each output.
///
/// `None` among the results says that no output with a gradient depends on that one.
///
/// # Errors
///
/// If a path between them leads through an operation without a gradient.
pub fn gradients(
    outputs: &[Var],
    cotangents: &[Option<Var>],
    wrt: &[&Var],
) -> Result<Vec<Option<Var>>> {
    reverse(outputs, cotangents, wrt, false)
}

/// As [`gradients`], but only along paths that do not lead through one of `wrt` to another:
/// the gradients of a graph between `wrt` and `outputs`.
pub(crate) fn gradients_between(
    outputs: &[Var],
    cotangents: &[Option<Var>],
    wrt: &[&Var],
) -> Result<Vec<Option<Var>>> {
    reverse(outputs, cotangents, wrt, true)
}

fn reverse(
    outputs: &[Var],
    cotangents: &[Option<Var>],
    wrt: &[&Var],
    between: bool,
) -> Result<Vec<Option<Var>>> {
    let targets: BTreeSet<_> = wrt.iter().map(|var| var.key()).collect();
    let order = topological(outputs, |var| between && targets.contains(&var.key()));
    let forward: BTreeSet<_> = order.iter().map(|node| node.key()).collect();
    let mut depends = BTreeSet::new();
    let leads = |var: &Var, depends: &BTreeSet<usize>| {
        targets.contains(&var.key()) || depends.contains(&var.node().key())
    };
    for node in &order {
        if node.inputs.iter().any(|input| leads(input, &depends)) {
            depends.insert(node.key());
        }
    }
    let mut sums: BTreeMap<(usize, usize), Var> = BTreeMap::new();
    for (output, cotangent) in outputs.iter().zip(cotangents) {
        if let Some(cotangent) = cotangent {
            accumulate(&mut sums, output, cotangent.clone())?;
        }
    }
    for node in order.iter().rev() {
        let leads_on = depends.contains(&node.key());
        let Kind::Op(op) = &node.kind else { continue };
        let count = node.outputs.len();
        let grads: Vec<_> =
            (0..count).map(|output| sums.get(&(node.key(), output)).cloned()).collect();
        if !leads_on || grads.iter().all(Option::is_none) {
            continue;
        }
        let made: Vec<_> = (0..count).map(|i| Var::of(Arc::clone(node), i)).collect();
        let rule = Rule { inputs: &node.inputs, outputs: &made, grads: &grads };
        let found = op.vjp(&rule).map_err(|error| error.at(node.path()))?;
        label(&found, node, &forward);
        for (input, gradient) in node.inputs.iter().zip(found) {
            let Some(gradient) = gradient else { continue };
            if !leads(input, &depends) {
                continue;
            }
            if !gradient.shape().may_equal(input.shape()) {
                return Err(Error::function(
                    format_args!(
                        "the gradient rule of `{}` gives shape {} for an input of shape {}",
                        op.name(),
                        gradient.shape(),
                        input.shape(),
                    ),
                    "sum it to the input's shape, e.g. with .sum_to_like(input)",
                ));
            }
            accumulate(&mut sums, input, gradient)?;
        }
    }
    Ok(wrt.iter().map(|var| sums.get(&var.key()).cloned()).collect())
}

fn accumulate(
    sums: &mut BTreeMap<(usize, usize), Var>,
    var: &Var,
    gradient: Var,
) -> Result<()> {
    let sum = match sums.get(&var.key()) {
        Some(sum) => sum.add(&gradient)?,
        None => gradient,
    };
    sums.insert(var.key(), sum);
    Ok(())
}

/// Gives the new nodes of a gradient the layer of the operation that it belongs to.
fn label(gradients: &[Option<Var>], of: &Node, forward: &BTreeSet<usize>) {
    if !of.has_path() {
        return;
    }
    let path = of.shared_path();
    let mut stack: Vec<_> = gradients.iter().flatten().map(Var::node).collect();
    while let Some(node) = stack.pop() {
        if !node.has_path() && !forward.contains(&node.key()) {
            node.set_path(&path);
            stack.extend(node.inputs.iter().map(Var::node));
        }
    }
}
