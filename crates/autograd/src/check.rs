//! Gradients against numbers: [`check_gradients`], and proof that it would notice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use deckle_tensor::{DType, Tensor, Value, random::Draw};

use crate::{
    Device, Error, Function, Lower, Op, Result, Rule, Signature, Var, lower::topological,
    var::Kind,
};

/// Checks first and second derivatives of `function` at `inputs` against finite differences.
///
/// Everything is `f64`. The function's results, of any shapes, are multiplied by random weights
/// and summed; the derivative of that number along a random direction is compared with the
/// gradient rule's, then the same for the derivative itself. Inputs that are not floating point
/// are held fixed.
///
/// # Errors
///
/// [`Error::Gradient`] if a derivative is wrong; any error of the function.
///
/// # Examples
///
/// ```
/// use deckle_autograd::check_gradients;
/// use deckle_tensor::Tensor;
///
/// let x = Tensor::new(vec![0.5f64, -1.5], [2])?;
/// check_gradients(|x| Ok(vec![x[0].mul(&x[0])?]), &[x])?;
/// # Ok::<(), deckle_autograd::Error>(())
/// ```
pub fn check_gradients(
    function: impl Fn(&[Var]) -> Result<Vec<Var>>,
    inputs: &[Tensor],
) -> Result<()> {
    let graph = Graph::new(function, inputs)?;
    graph.check()
}

/// Checks that [`check_gradients`] would notice wrong rules in `function`: each operation's
/// rule times 1.01, with one input's gradient dropped, and with a gradient not summed over what
/// was broadcast (but averaged).
///
/// A wrong rule that changes no derivative at `inputs` (the gradient is zero there) is an error
/// too: choose inputs at which every rule matters.
///
/// # Errors
///
/// An error that names the operation whose wrong rule went unnoticed.
pub fn check_rejections(
    function: impl Fn(&[Var]) -> Result<Vec<Var>>,
    inputs: &[Tensor],
) -> Result<()> {
    let graph = Graph::new(function, inputs)?;
    let order = topological(std::slice::from_ref(&graph.value), |_| false);
    let own = graph.inputs.iter().filter(|input| input.dtype().is_float());
    let mut depends: BTreeSet<_> = own.map(|input| input.node().key()).collect();
    for (place, node) in order.iter().enumerate() {
        let Kind::Op(op) = &node.kind else { continue };
        let on_path: Vec<_> =
            node.inputs.iter().map(|var| depends.contains(&var.node().key())).collect();
        if !on_path.contains(&true) {
            continue;
        }
        depends.insert(node.key());
        let outputs: Vec<_> =
            (0..node.outputs.len()).map(|i| Var::of(Arc::clone(node), i)).collect();
        let grads = outputs.iter().map(|output| output.full_like(1.0).map(Some));
        let grads = grads.collect::<Result<Vec<_>>>()?;
        let rule = Rule {
            inputs: &node.inputs,
            outputs: &outputs,
            grads: &grads,
            needed: &on_path,
        };
        let found = op.vjp(&rule)?;
        let mut faults = Vec::new();
        for (i, input) in node.inputs.iter().enumerate() {
            if on_path[i] && found[i].is_some() {
                faults.push(Fault::Dropped(i));
                let size = input.shape().size();
                if outputs.iter().all(|output| output.shape().size() > size) {
                    faults.push(Fault::Averaged(i));
                }
            }
        }
        if !faults.is_empty() {
            faults.push(Fault::Scaled);
        }
        for fault in faults {
            match graph.with_fault(place, fault)?.check() {
                Err(Error::Gradient { .. } | Error::Independent { .. }) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    return Err(Error::function(
                        format_args!(
                            "`{}`: the wrong rule {fault:?} is not noticed",
                            op.name()
                        ),
                        "choose inputs at which the gradient is not zero",
                    ));
                }
            }
        }
    }
    Ok(())
}

/// A number as a function of inputs, and where it is examined.
struct Graph {
    inputs: Vec<Var>,
    at: Vec<Tensor>,
    value: Var,
}

/// Random numbers between -1 and 1 in the shape of `tensor`.
fn noise(tensor: &Tensor, stream: u64) -> Tensor {
    let draw = Draw::new(1, stream, 0);
    let values: Vec<_> =
        (0..tensor.size() as u64).map(|i| 2.0 * draw.uniform(i) - 1.0).collect();
    Tensor::new(values, tensor.shape()).expect("the same number of elements")
}

impl Graph {
    fn new(
        function: impl Fn(&[Var]) -> Result<Vec<Var>>,
        inputs: &[Tensor],
    ) -> Result<Self> {
        let vars: Vec<_> =
            inputs.iter().map(|x| Var::input("x", x.shape(), x.dtype())).collect();
        let results = function(&vars)?;
        // The shapes of the results are known once they are computed.
        let call = Function::new(&vars, &results).compile(&Device::reference())?;
        let samples = call.call(inputs)?;
        let mut value = Var::scalar(DType::F64, 0.0);
        for (i, (result, sample)) in results.iter().zip(&samples).enumerate() {
            if result.dtype() == DType::F64 {
                // Away from zero, so that no result is left out by chance.
                let weights = noise(sample, 1000 + i as u64).to_vec::<f64>()?;
                let weights: Vec<_> =
                    weights.iter().map(|w| w + w.signum() * 0.5).collect();
                let weights = Var::constant(&Tensor::new(weights, sample.shape())?);
                let weighted = result.mul(&weights)?;
                value =
                    value.add(&weighted.sum_to_like(&Var::scalar(DType::F64, 0.0))?)?;
            }
        }
        Ok(Self { inputs: vars, at: inputs.to_vec(), value })
    }

    fn floats(&self) -> Vec<usize> {
        (0..self.inputs.len()).filter(|&i| self.inputs[i].dtype() == DType::F64).collect()
    }

    fn check(&self) -> Result<()> {
        let floats = self.floats();
        let wrt: Vec<_> = floats.iter().map(|&i| &self.inputs[i]).collect();
        let first = self.along(&self.value, &wrt, 0)?;
        self.compare("first", &self.value, &first, 0)?;
        // An operation that is linear has no second derivative to check.
        match self.along(&first, &wrt, 100) {
            Ok(second) => self.compare("second", &first, &second, 100),
            Err(Error::Independent { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The derivative of `value` along the direction that `stream` names, as graph.
    fn along(&self, value: &Var, wrt: &[&Var], stream: u64) -> Result<Var> {
        let one = Var::scalar(DType::F64, 1.0);
        let found = crate::gradients(std::slice::from_ref(value), &[Some(one)], wrt)?;
        let mut sum: Option<Var> = None;
        for (&i, gradient) in self.floats().iter().zip(found) {
            let Some(gradient) = gradient else { continue };
            let direction = Var::constant(&noise(&self.at[i], stream + i as u64));
            let part =
                gradient.mul(&direction)?.sum_to_like(&Var::scalar(DType::F64, 0.0))?;
            sum = Some(match sum {
                Some(sum) => sum.add(&part)?,
                None => part,
            });
        }
        sum.ok_or_else(|| Error::Independent { wrt: "any input".to_owned() })
    }

    /// Compares `derivative` with the change of `value` along the direction of `stream`.
    fn compare(
        &self,
        order: &'static str,
        value: &Var,
        derivative: &Var,
        stream: u64,
    ) -> Result<()> {
        let compiled = Function::new(&self.inputs, [value, derivative])
            .compile(&Device::reference())?;
        let at = |step: f64| -> Result<[f64; 2]> {
            let mut inputs = self.at.clone();
            for &i in &self.floats() {
                let direction = noise(&inputs[i], stream + i as u64).to_vec::<f64>()?;
                let moved = inputs[i].to_vec::<f64>()?;
                let moved: Vec<_> =
                    moved.iter().zip(direction).map(|(x, d)| x + step * d).collect();
                inputs[i] = Tensor::new(moved, inputs[i].shape())?;
            }
            let outputs = compiled.call(&inputs)?;
            Ok([outputs[0].item()?, outputs[1].item()?])
        };
        let got = at(0.0)?[1];
        // Fourth-order central differences: the error falls with the step's fourth power.
        let difference = |step: f64| -> Result<f64> {
            let [near_up, near_down] = [at(step)?[0], at(-step)?[0]];
            let [far_up, far_down] = [at(2.0 * step)?[0], at(-2.0 * step)?[0]];
            Ok((8.0 * (near_up - near_down) - (far_up - far_down)) / (12.0 * step))
        };
        let expected = difference(1e-3)?;
        let scale = expected.abs().max(got.abs()).max(1e-3);
        if (expected - got).abs() <= 1e-6 * scale {
            return Ok(());
        }
        // Close to a pole or kink a smaller step tells.
        let expected = difference(1e-4)?;
        if (expected - got).abs() <= 1e-5 * scale {
            return Ok(());
        }
        Err(Error::Gradient { order, expected, got })
    }

    /// The same graph with a wrong rule for the operation at that place of its order.
    fn with_fault(&self, place: usize, fault: Fault) -> Result<Self> {
        let mut copies: BTreeMap<(usize, usize), Var> =
            self.inputs.iter().map(|var| (var.key(), var.clone())).collect();
        for (i, node) in
            topological(std::slice::from_ref(&self.value), |_| false).iter().enumerate()
        {
            let Kind::Op(op) = &node.kind else {
                let leaf = Var::of(Arc::clone(node), 0);
                copies.entry(leaf.key()).or_insert(leaf);
                continue;
            };
            let inputs: Vec<_> =
                node.inputs.iter().map(|var| &copies[&var.key()]).collect();
            let outputs = if i == place {
                Var::apply(Faulty { op: Arc::clone(op), fault }, &inputs)?
            } else {
                Var::apply_shared(Arc::clone(op), &inputs)?
            };
            for (output, copy) in outputs.into_iter().enumerate() {
                copies.insert((node.key(), output), copy);
            }
        }
        let (inputs, at) = (self.inputs.clone(), self.at.clone());
        Ok(Self { inputs, at, value: copies[&self.value.key()].clone() })
    }
}

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Times 1.01.
    Scaled,
    /// One input's gradient is zero.
    Dropped(usize),
    /// One input's gradient is averaged over what was broadcast, not summed.
    Averaged(usize),
}

/// An operation with a wrong rule.
#[derive(Debug)]
struct Faulty {
    op: Arc<dyn Op>,
    fault: Fault,
}

impl Op for Faulty {
    fn name(&self) -> &str {
        self.op.name()
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        self.op.infer(inputs)
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        self.op.lower(inputs, lower)
    }

    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let mut found = self.op.vjp(rule)?;
        match self.fault {
            Fault::Scaled => {
                for gradient in found.iter_mut().flatten() {
                    *gradient = &*gradient * 1.01;
                }
            }
            Fault::Dropped(i) => found[i] = None,
            Fault::Averaged(i) => {
                let size = |var: &Var| var.shape().size().unwrap_or(1) as f64;
                let share = size(&rule.inputs[i]) / size(rule.y());
                found[i] = found[i].as_ref().map(|gradient| gradient * share);
            }
        }
        Ok(found)
    }
}
