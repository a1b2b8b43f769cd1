//! Gradients against numbers: [`check_gradients`], and proof that it would notice.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use deckle_tensor::{DType, Tensor, Value, random::Draw};

use crate::{
    Compiled, Device, Error, Function, Lower, Op, Result, Rule, Signature, Var,
    lower::topological,
    var::{Kind, Node},
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
    Graph::new(&function, inputs)?.check()
}

/// Checks that [`check_gradients`] would notice wrong rules in `function`: each operation's
/// rule times 1.01, with one input's gradient dropped, and with a gradient not summed over what
/// was broadcast (but averaged).
///
/// Operations are those of the function and of its gradient, so that what a rule is written in
/// is checked too. Of several operations of one name, one has to be noticed. A wrong rule that
/// changes no derivative at `inputs` (the gradient is zero there) is an error too: choose inputs
/// at which every rule matters.
///
/// # Errors
///
/// An error that names the operation whose wrong rule went unnoticed.
///
/// # Examples
///
/// ```
/// use deckle_autograd::check_rejections;
/// use deckle_tensor::Tensor;
///
/// let (x, y) = (Tensor::from([0.5, -1.5]), Tensor::from(2.0));
/// check_rejections(|x| Ok(vec![x[0].mul(&x[1])?]), &[x, y])?;
/// # Ok::<(), deckle_autograd::Error>(())
/// ```
pub fn check_rejections(
    function: impl Fn(&[Var]) -> Result<Vec<Var>>,
    inputs: &[Tensor],
) -> Result<()> {
    Graph::new(&function, inputs)?.check_rejections()
}

/// A number as a function of inputs, and where it is examined.
struct Graph {
    inputs: Vec<Var>,
    at: Vec<Tensor>,
    /// What the function makes.
    results: Vec<Var>,
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
    /// What a function makes; not of a kind of function, of which tests have hundreds.
    fn new(
        function: &dyn Fn(&[Var]) -> Result<Vec<Var>>,
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
                value = value.add(&result.mul(&weights)?.sum(..)?)?;
            }
        }
        Ok(Self { inputs: vars, at: inputs.to_vec(), results, value })
    }

    fn floats(&self) -> Vec<usize> {
        (0..self.inputs.len()).filter(|&i| self.inputs[i].dtype() == DType::F64).collect()
    }

    fn check(&self) -> Result<()> {
        let Some(first) = self.along(&self.value, 0)? else {
            return Err(Error::Independent { wrt: "any input".to_owned() });
        };
        self.compare("first", &self.value, &first, 0)?;
        // What is linear has no second derivative: it has to be 0.
        let zero = || Var::scalar(DType::F64, 0.0);
        let second = self.along(&first, 100)?.unwrap_or_else(zero);
        self.compare("second", &first, &second, 100)
    }

    fn check_rejections(&self) -> Result<()> {
        let mut noticed = BTreeMap::new();
        self.notice(&self.value, &self.results, 0, &mut noticed)?;
        let gradients = self.by_inputs(&self.value)?;
        if let Some(first) = self.towards(&gradients, 0)? {
            let gradients: Vec<_> = gradients.into_iter().flatten().collect();
            self.notice(&first, &gradients, 100, &mut noticed)?;
        }
        match noticed.into_iter().find(|(_, noticed)| !noticed) {
            None => Ok(()),
            Some(((op, fault), _)) => Err(Error::function(
                format_args!("`{op}`: the wrong rule {fault:?} is not noticed"),
                "choose inputs at which the gradient is not zero",
            )),
        }
    }

    /// The gradients of `value` by the inputs that are floating point.
    fn by_inputs(&self, value: &Var) -> Result<Vec<Option<Var>>> {
        let floats = self.floats();
        let wrt: Vec<_> = floats.iter().map(|&i| &self.inputs[i]).collect();
        let one = Var::scalar(DType::F64, 1.0);
        crate::gradients(std::slice::from_ref(value), &[Some(one)], &wrt)
    }

    /// The derivative of `value` along the direction that `stream` names, as graph; `None` if it
    /// depends on no input.
    fn along(&self, value: &Var, stream: u64) -> Result<Option<Var>> {
        self.towards(&self.by_inputs(value)?, stream)
    }

    /// The derivative along a direction from the gradients by the inputs.
    fn towards(&self, gradients: &[Option<Var>], stream: u64) -> Result<Option<Var>> {
        let mut sum: Option<Var> = None;
        for (&i, gradient) in self.floats().iter().zip(gradients) {
            let Some(gradient) = gradient else { continue };
            let direction = Var::constant(&noise(&self.at[i], stream + i as u64));
            let part = gradient.mul(&direction)?.sum(..)?;
            sum = Some(match sum {
                Some(sum) => sum.add(&part)?,
                None => part,
            });
        }
        Ok(sum)
    }

    /// Compares `derivative` with the change of `value` along the direction of `stream`.
    fn compare(
        &self,
        order: &'static str,
        value: &Var,
        derivative: &Var,
        stream: u64,
    ) -> Result<()> {
        let got = self.compile(derivative)?.at(0.0)?;
        let numeric = Numeric::new(self.compile(value)?.towards(stream)?)?;
        let agrees = numeric.agrees(got)?;
        let expected = numeric.coarse;
        if agrees { Ok(()) } else { Err(Error::Gradient { order, expected, got }) }
    }

    fn compile(&self, value: &Var) -> Result<Line<'_>> {
        let function =
            Function::new(&self.inputs, [value]).compile(&Device::reference())?;
        Ok(Line { graph: self, function, directions: Vec::new() })
    }

    /// Tries wrong rules for the operations between the inputs and `results`, of which `value`
    /// is made, and enters whether the derivative of that along the direction of `stream` shows
    /// them.
    fn notice(
        &self,
        value: &Var,
        results: &[Var],
        stream: u64,
        noticed: &mut Noticed,
    ) -> Result<()> {
        let numeric = Numeric::new(self.compile(value)?.towards(stream)?)?;
        let own: BTreeSet<_> =
            topological(results, |_| false).iter().map(|node| node.key()).collect();
        for (place, node, faults) in self.faults(value)? {
            let Kind::Op(op) = &node.kind else { continue };
            if !own.contains(&node.key()) {
                continue;
            }
            let name = op.name().to_owned();
            for fault in faults {
                let seen = noticed.entry((name.clone(), fault)).or_insert(false);
                if *seen {
                    continue;
                }
                let wrong = self.with_fault(value, place, fault)?;
                *seen = match self.along(&wrong, stream)? {
                    Some(derivative) => {
                        !numeric.agrees(self.compile(&derivative)?.at(0.0)?)?
                    }
                    None => true,
                };
            }
        }
        Ok(())
    }

    /// The operations that a gradient of `value` reaches.
    fn faults(&self, value: &Var) -> Result<Vec<Suspect>> {
        let order = topological(std::slice::from_ref(value), |_| false);
        let mut carries: BTreeSet<_> =
            self.floats().iter().map(|&i| self.inputs[i].key()).collect();
        // Which inputs of each node carry a derivative on, if one is asked for.
        let mut carried = Vec::new();
        for node in &order {
            let needed: Vec<_> =
                node.inputs.iter().map(|var| carries.contains(&var.key())).collect();
            let found =
                if needed.contains(&true) { gradients(node, &needed)? } else { vec![] };
            let through: Vec<_> = (0..found.len())
                .filter(|&i| needed[i] && found[i] && node.inputs[i].dtype().is_float())
                .collect();
            if !through.is_empty() {
                carries.extend((0..node.outputs.len()).map(|i| (node.key(), i)));
            }
            carried.push(through);
        }
        let mut reached = BTreeSet::from([value.node().key()]);
        let mut found = Vec::new();
        for (place, (node, through)) in order.iter().zip(carried).enumerate().rev() {
            if through.is_empty() || !reached.contains(&node.key()) {
                continue;
            }
            let mut faults = vec![Fault::Scaled];
            for i in through {
                let input = &node.inputs[i];
                reached.insert(input.node().key());
                faults.push(Fault::Dropped(i));
                let size = input.shape().size();
                if node.outputs.iter().all(|output| output.shape.size() > size) {
                    faults.push(Fault::Averaged(i));
                }
            }
            found.push((place, Arc::clone(node), faults));
        }
        Ok(found)
    }

    /// The same value with a wrong rule for the operation at that place of its order.
    fn with_fault(&self, value: &Var, place: usize, fault: Fault) -> Result<Var> {
        let mut copies: BTreeMap<(usize, usize), Var> =
            self.inputs.iter().map(|var| (var.key(), var.clone())).collect();
        let order = topological(std::slice::from_ref(value), |_| false);
        for (i, node) in order.iter().enumerate() {
            let Kind::Op(op) = &node.kind else {
                let leaf = Var::of(Arc::clone(node), 0);
                copies.entry(leaf.key()).or_insert(leaf);
                continue;
            };
            let inputs: Vec<_> =
                node.inputs.iter().map(|var| copies[&var.key()].clone()).collect();
            let mut op = Arc::clone(op);
            if i == place {
                op = Arc::new(Faulty { op, fault });
            }
            let outputs = Var::apply_shared(op, &inputs.iter().collect::<Vec<_>>())?;
            for (output, var) in outputs.into_iter().enumerate() {
                copies.insert((node.key(), output), var);
            }
        }
        Ok(copies[&value.key()].clone())
    }
}

/// Operations by name with what is wrong with them, and whether that was noticed.
type Noticed = BTreeMap<(String, Fault), bool>;

/// A value of a graph along a line through the point at which the graph is examined.
struct Line<'a> {
    graph: &'a Graph,
    function: Compiled,
    /// Per input; none at all stands for no direction.
    directions: Vec<Option<Vec<f64>>>,
}

impl Line<'_> {
    /// Along the direction of `stream`.
    fn towards(mut self, stream: u64) -> Result<Self> {
        let floats = self.graph.floats();
        for (i, at) in self.graph.at.iter().enumerate() {
            let direction = noise(at, stream + i as u64).to_vec()?;
            self.directions.push(floats.contains(&i).then_some(direction));
        }
        Ok(self)
    }

    /// The value at that distance from the point.
    fn at(&self, distance: f64) -> Result<f64> {
        let mut inputs = self.graph.at.clone();
        for (input, direction) in inputs.iter_mut().zip(&self.directions) {
            let Some(direction) = direction else { continue };
            let values = input.to_vec::<f64>()?;
            let moved: Vec<_> =
                values.iter().zip(direction).map(|(x, d)| x + distance * d).collect();
            *input = Tensor::new(moved, input.shape())?;
        }
        Ok(self.function.call(&inputs)?[0].item()?)
    }

    /// The derivative by a fourth-order central difference: the error falls with the step's
    /// fourth power.
    fn difference(&self, step: f64) -> Result<f64> {
        let near = self.at(step)? - self.at(-step)?;
        let far = self.at(2.0 * step)? - self.at(-2.0 * step)?;
        Ok((8.0 * near - far) / (12.0 * step))
    }
}

/// The numeric derivative along a line.
struct Numeric<'a> {
    line: Line<'a>,
    coarse: f64,
    fine: OnceCell<f64>,
}

impl<'a> Numeric<'a> {
    fn new(line: Line<'a>) -> Result<Self> {
        let coarse = line.difference(1e-3)?;
        Ok(Self { line, coarse, fine: OnceCell::new() })
    }

    /// Whether a derivative is right.
    fn agrees(&self, got: f64) -> Result<bool> {
        let close = |expected: f64, tolerance: f64| {
            let scale = expected.abs().max(got.abs()).max(1e-3);
            (expected - got).abs() <= tolerance * scale
        };
        if close(self.coarse, 1e-6) {
            return Ok(true);
        }
        // Close to a pole or kink a smaller step tells.
        let fine = match self.fine.get() {
            Some(fine) => *fine,
            None => *self.fine.get_or_init({
                let fine = self.line.difference(1e-4)?;
                move || fine
            }),
        };
        Ok(close(fine, 1e-5))
    }
}

/// Of which inputs the rule of a node makes a gradient; of none, if it has no rule.
fn gradients(node: &Arc<Node>, needed: &[bool]) -> Result<Vec<bool>> {
    let Kind::Op(op) = &node.kind else { return Ok(Vec::new()) };
    let outputs: Vec<_> =
        (0..node.outputs.len()).map(|i| Var::of(Arc::clone(node), i)).collect();
    let grads = outputs.iter().map(|output| {
        output.dtype().is_float().then(|| output.full_like(1.0)).transpose()
    });
    let grads = grads.collect::<Result<Vec<_>>>()?;
    if grads.iter().all(Option::is_none) {
        return Ok(Vec::new());
    }
    let rule = Rule { inputs: &node.inputs, outputs: &outputs, grads: &grads, needed };
    match op.vjp(&rule) {
        Ok(found) => Ok(found.iter().map(Option::is_some).collect()),
        Err(Error::NoGradient { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// An operation whose rule may be wrong: its place in topological order, the operation, what can
/// be wrong.
type Suspect = (usize, Arc<Node>, Vec<Fault>);

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
