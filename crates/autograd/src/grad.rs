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
    for var in wrt {
        if !var.dtype().is_float() {
            return Err(Error::function(
                format_args!("{var:?} has no gradient, because it is not floating point"),
                "leave it out, or cast it before it is used: .cast(DType::F32)",
            ));
        }
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
/// `None` among the results says that no output with a gradient depends on that one, or that it
/// is not floating point.
///
/// # Errors
///
/// If a path between them leads through an operation without a gradient.
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Var, gradients};
/// use deckle_tensor::Tensor;
///
/// let x = Var::constant(&Tensor::from([1.0, 2.0]));
/// let y = x.square()?;
/// let by_y = Var::constant(&Tensor::from([10.0, 100.0]));
/// let by_x = gradients(&[y], &[Some(by_y)], &[&x])?.remove(0);
/// assert_eq!(by_x.expect("y is made of x").eval()?, Tensor::from([20.0, 400.0]));
/// # Ok::<(), deckle_autograd::Error>(())
/// ```
pub fn gradients(
    outputs: &[Var],
    cotangents: &[Option<Var>],
    wrt: &[&Var],
) -> Result<Vec<Option<Var>>> {
    let targets: BTreeSet<_> = wrt.iter().map(|var| var.key()).collect();
    let sums = reverse(outputs, cotangents, &targets, &BTreeSet::new())?;
    let found = wrt.iter().map(|var| {
        let gradient = sums.get(&var.key()).cloned();
        gradient.filter(|_| var.dtype().is_float())
    });
    Ok(found.collect())
}

/// The gradients of a piece of graph by those of its `inputs` that are `needed`: what lies
/// behind the inputs does not count, not even if it is another input.
///
/// If one value is several inputs, the first of them gets the gradient.
pub(crate) fn gradients_between(
    outputs: &[Var],
    cotangents: &[Option<Var>],
    inputs: &[Var],
    needed: &[bool],
) -> Result<Vec<Option<Var>>> {
    let stops: BTreeSet<_> = inputs.iter().map(Var::key).collect();
    let wanted = inputs.iter().zip(needed).filter(|(_, needed)| **needed);
    let targets: BTreeSet<_> = wanted.map(|(input, _)| input.key()).collect();
    let mut sums = reverse(outputs, cotangents, &targets, &stops)?;
    Ok(inputs.iter().map(|input| sums.remove(&input.key())).collect())
}

type Sums = BTreeMap<(usize, usize), Var>;

/// The gradients by `targets`; the graph ends at `stops`.
fn reverse(
    outputs: &[Var],
    cotangents: &[Option<Var>],
    targets: &BTreeSet<(usize, usize)>,
    stops: &BTreeSet<(usize, usize)>,
) -> Result<Sums> {
    let order = topological(outputs, |var| stops.contains(&var.key()));
    let forward: BTreeSet<_> = order.iter().map(|node| node.key()).collect();
    let depends = dependents(&order, |var| targets.contains(&var.key()));
    let leads = |var: &Var| {
        let key = var.key();
        targets.contains(&key) || !stops.contains(&key) && depends.contains(&key)
    };
    let mut sums = Sums::new();
    for (output, cotangent) in outputs.iter().zip(cotangents) {
        if let Some(cotangent) = cotangent {
            accumulate(&mut sums, output, cotangent.clone())?;
        }
    }
    for node in order.iter().rev() {
        let Kind::Op(op) = &node.kind else { continue };
        let count = node.outputs.len();
        // What arrives at whole numbers has been looked at already.
        let grads: Vec<_> = (node.outputs.iter().enumerate())
            .map(|(output, made)| {
                let key = (node.key(), output);
                let is_asked = made.dtype.is_float() && depends.contains(&key);
                sums.get(&key).filter(|_| is_asked).cloned()
            })
            .collect();
        if grads.iter().all(Option::is_none) {
            continue;
        }
        let made: Vec<_> = (0..count).map(|i| Var::of(Arc::clone(node), i)).collect();
        let needed: Vec<_> = node.inputs.iter().map(leads).collect();
        let rule =
            Rule { inputs: &node.inputs, outputs: &made, grads: &grads, needed: &needed };
        let found = op.vjp(&rule).map_err(|error| error.at(node.path()))?;
        label(&found, node, &forward);
        for ((input, gradient), needed) in node.inputs.iter().zip(found).zip(needed) {
            let Some(gradient) = gradient else { continue };
            if !needed {
                continue;
            }
            if !input.dtype().is_float() {
                stepped(input, leads)?;
                sums.entry(input.key()).or_insert(gradient);
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
    sums.retain(|key, _| targets.contains(key));
    Ok(sums)
}

/// The outputs of the nodes of `order` that depend on what `is_target`.
fn dependents(
    order: &[Arc<Node>],
    is_target: impl Fn(&Var) -> bool,
) -> BTreeSet<(usize, usize)> {
    let mut depends = BTreeSet::new();
    for node in order {
        let Kind::Op(op) = &node.kind else { continue };
        let leading: Vec<_> = (0..node.inputs.len())
            .filter(|&i| {
                let input = &node.inputs[i];
                is_target(input) || depends.contains(&input.key())
            })
            .collect();
        let outputs = 0..node.outputs.len();
        let outputs = outputs.filter(|&o| leading.iter().any(|&i| op.depends(o, i)));
        depends.extend(outputs.map(|output| (node.key(), output)));
    }
    depends
}

/// A gradient has arrived at a value that is not floating point: names the operation that made
/// whole numbers of floating-point ones on the way from there to what is differentiated by, if
/// there is one.
pub(crate) fn stepped(var: &Var, leads: impl Fn(&Var) -> bool) -> Result<()> {
    let mut seen = BTreeSet::new();
    let mut stack = vec![var.clone()];
    while let Some(var) = stack.pop() {
        let node = var.node();
        let Kind::Op(op) = &node.kind else { continue };
        for (i, input) in node.inputs.iter().enumerate() {
            if !leads(input) || !op.depends(var.output(), i) {
                continue;
            }
            if input.dtype().is_float() {
                let (op, path) = (op.name().to_owned(), node.path().to_owned());
                return Err(Error::NoGradient { op, path });
            }
            if seen.insert(input.key()) {
                stack.push(input.clone());
            }
        }
    }
    Ok(())
}

fn accumulate(sums: &mut Sums, var: &Var, gradient: Var) -> Result<()> {
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
