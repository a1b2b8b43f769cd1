//! Loops over the steps of sequences: [`scan`].

mod learned;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use deckle_tensor::{DType, Dim, Primitive, Scan, Shape, Value};

use crate::{
    Error, Lower, Op, Result, Rule, Signature, Var,
    grad::{gradients_between, stepped},
    lower::topological,
    ops::is_product,
    var::{Kind, Node},
};
use learned::{Learned, Stacked};

/// What one run of a loop gives.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The carries after the last step.
    pub carries: Vec<Var>,
    /// The results of all steps, stacked along a new first axis.
    pub results: Vec<Var>,
}

/// Runs `step` over the first axis of `sequences`, all of one length.
///
/// `step` gets the carries and one step of each sequence, and returns the next carries and the
/// step's results. Whatever else it uses of the graph around it stays the same in all steps.
/// If `reverse`, the last step runs first; results keep the order of the sequences. With no
/// step at all, the carries are those given.
///
/// The gradient is a scan in the other direction. It recomputes each step from its saved carries,
/// but for what is made of products and convolutions, which is saved where it is needed;
/// gradients by matrices and kernels that every step multiplies by are one product, or one
/// convolution, over all steps.
///
/// # Errors
///
/// If the sequences' lengths differ, `step` returns carries of another kind, or there is
/// neither a sequence nor a `length`.
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Var, scan};
/// use deckle_tensor::Tensor;
///
/// let xs = Var::constant(&Tensor::new(vec![1.0f32, 2.0, 3.0], [3])?);
/// let zero = Var::constant(&Tensor::scalar(0.0f32));
/// let sums = scan(&[&zero], &[&xs], false, |carries, x| {
///     let sum = carries[0].add(&x[0])?;
///     Ok((vec![sum.clone()], vec![sum]))
/// })?;
/// assert_eq!(sums.results[0].eval()?.to_vec::<f32>()?, [1.0, 3.0, 6.0]);
/// assert_eq!(sums.carries[0].eval()?.item::<f32>()?, 6.0);
/// # Ok::<(), deckle_autograd::Error>(())
/// ```
pub fn scan(
    carries: &[&Var],
    sequences: &[&Var],
    reverse: bool,
    step: impl FnOnce(&[Var], &[Var]) -> Result<(Vec<Var>, Vec<Var>)>,
) -> Result<Scanned> {
    let [first, ..] = sequences else {
        return Err(Error::function(
            "a scan needs a sequence, whose length is the number of steps",
            "",
        ));
    };
    let mut length = Dim::Unknown;
    for sequence in sequences {
        let dim = sequence.shape().dims().first();
        length = dim.and_then(|dim| dim.meet(&length)).ok_or_else(|| {
            Error::function(
                format_args!(
                    "a scan over sequences of shapes {} and {}",
                    first.shape(),
                    sequence.shape()
                ),
                "give all sequences the same first axis",
            )
        })?;
    }
    let inputs: Vec<_> =
        carries.iter().map(|var| Var::input("carry", var.shape(), var.dtype())).collect();
    let steps: Vec<_> = sequences
        .iter()
        .map(|var| {
            let rest: Shape = var.shape().dims()[1..].iter().cloned().collect();
            Var::input("step", rest, var.dtype())
        })
        .collect();
    let (next, results) = step(&inputs, &steps)?;
    if next.len() != carries.len() {
        return Err(Error::function(
            format_args!(
                "a scan's step returns {} carries for {}",
                next.len(),
                carries.len()
            ),
            "return each carry once, in their order",
        ));
    }
    // A carry that is always the same as another one goes with it.
    let same = twins(&inputs, carries, &next, &results);
    let is_own = |i: &usize| same[*i] == *i;
    let own: Vec<_> = (0..carries.len()).filter(is_own).collect();
    let pick = |from: &[Var]| own.iter().map(|&i| from[i].clone()).collect::<Vec<_>>();
    let first: Vec<_> = own.iter().map(|&i| carries[i]).collect();
    let op = ScanOp::new(pick(&inputs), steps, pick(&next), results, reverse);
    let Scanned { carries, results } = op.apply(&first, sequences)?;
    let place = |i: &usize| own.partition_point(|own| own < i);
    let carries = same.iter().map(|i| carries[place(i)].clone()).collect();
    Ok(Scanned { carries, results })
}

/// For each carry, which one has the same values in all steps: itself, or one that begins with
/// the same and becomes the same, if no step reads it.
fn twins(inputs: &[Var], carries: &[&Var], next: &[Var], results: &[Var]) -> Vec<usize> {
    let outputs = [next, results].concat();
    let own: BTreeSet<_> = inputs.iter().map(Var::key).collect();
    let order = topological(&outputs, |var| own.contains(&var.key()));
    let read = order.iter().flat_map(|node| &node.inputs).chain(&outputs);
    let read: BTreeSet<_> = read.map(Var::key).collect();
    let is_read = |i: usize| read.contains(&inputs[i].key());
    let twin = |i: usize| {
        let same = |&j: &usize| {
            let first = carries[i].is_same(carries[j]) && next[i].is_same(&next[j]);
            // Of several that no step reads the first one stays.
            first && (is_read(j) || j < i)
        };
        if is_read(i) { None } else { (0..inputs.len()).find(same) }
    };
    (0..inputs.len()).map(|i| twin(i).unwrap_or(i)).collect()
}

/// A loop. Inputs: what is the same in all steps, carries, sequences. Outputs: carries, results,
/// then what only the gradient reads: the carries from before each step, and what is made of
/// its products.
#[derive(Debug)]
struct ScanOp {
    /// The body's inputs: constants, carries, steps of the sequences.
    inputs: Vec<Var>,
    constants: usize,
    carries: usize,
    /// The body's outputs: the next carries, the results, the carries from before, and the rest.
    outputs: Vec<Var>,
    /// The first output that only the gradient reads.
    saved: usize,
    /// For each output, which of the inputs it depends on in any number of steps.
    depends: Vec<BTreeSet<usize>>,
    reverse: bool,
}

impl ScanOp {
    /// The loop with that body, whose constants are what it uses of the graph around it.
    fn new(
        carries: Vec<Var>,
        steps: Vec<Var>,
        next: Vec<Var>,
        results: Vec<Var>,
        reverse: bool,
    ) -> Self {
        let own: BTreeSet<_> = carries.iter().chain(&steps).map(Var::key).collect();
        let saved = next.len() + results.len();
        let made: Vec<_> = [next, results].concat();
        let costly = costly(&made, &own);
        let outputs: Vec<_> = [made, carries.clone(), costly].concat();
        let constants = free(&outputs, &own);
        let (count, carried) = (constants.len(), carries.len());
        let inputs = [constants, carries, steps].concat();
        let depends = dependencies(&inputs, &outputs, count, carried);
        let constants = count;
        Self { inputs, constants, carries: carried, outputs, saved, depends, reverse }
    }

    fn constants(&self) -> &[Var] {
        &self.inputs[..self.constants]
    }

    fn steps(&self) -> &[Var] {
        &self.inputs[self.constants + self.carries..]
    }

    /// Which of the body's inputs lead to what is differentiated by: those for which the loop's
    /// inputs do, and carries that are made of such.
    fn needed(&self, of_inputs: &[bool]) -> Vec<bool> {
        let mut needed = of_inputs.to_vec();
        for i in 0..self.carries {
            needed[self.constants + i] |= self.depends[i].iter().any(|&on| of_inputs[on]);
        }
        needed
    }

    /// Adds to `sequences` what the gradients read of a step that is costly to make of what they
    /// read already.
    fn save(&self, gradients: &[Option<Var>], outputs: &[Var], sequences: &mut Stacked) {
        let costly = &self.outputs[self.saved + self.carries..];
        let forward: BTreeSet<_> = costly.iter().map(|var| var.node().key()).collect();
        let constants = self.constants().iter();
        let mut known: BTreeSet<_> =
            constants.chain(sequences.steps()).map(Var::key).collect();
        let gradients: Vec<_> = gradients.iter().flatten().cloned().collect();
        let mut read: BTreeSet<_> = gradients.iter().map(Var::key).collect();
        for node in topological(&gradients, |var| known.contains(&var.key())) {
            let Kind::Op(op) = &node.kind else { continue };
            if forward.contains(&node.key()) {
                continue;
            }
            for (place, input) in node.inputs.iter().enumerate() {
                // Not what is read for its shape alone.
                if (0..node.outputs.len()).any(|output| op.depends(output, place)) {
                    read.insert(input.key());
                }
            }
        }
        for value in costly.iter().filter(|var| read.contains(&var.key())) {
            let of = std::slice::from_ref(value);
            let order = topological(of, |var| known.contains(&var.key()));
            if !order.iter().any(|node| multiplies(node)) {
                continue;
            }
            let place = (self.carries..).find(|&i| self.outputs[i].is_same(value));
            let place = place.expect("it is one of the outputs");
            sequences.push(value, &outputs[place]);
            known.insert(value.key());
        }
    }

    /// Applies the loop to its carries' first values and its sequences.
    fn apply(self, carries: &[&Var], sequences: &[&Var]) -> Result<Scanned> {
        let constants = self.constants().to_vec();
        let given: Vec<_> = constants
            .iter()
            .chain(carries.iter().copied())
            .chain(sequences.iter().copied())
            .collect();
        let (count, saved) = (self.carries, self.saved);
        let mut carries = Var::apply(self, &given)?;
        carries.truncate(saved);
        let results = carries.split_off(count);
        Ok(Scanned { carries, results })
    }
}

/// What a body uses of the graph around it: the values that do not depend on its own inputs,
/// and are read by something that does, or are outputs.
fn free(outputs: &[Var], own: &BTreeSet<(usize, usize)>) -> Vec<Var> {
    let order = topological(outputs, |var| own.contains(&var.key()));
    let inside = inside(&order, own);
    let read = order.iter().filter(|node| inside.contains(&node.key()));
    let read = read.flat_map(|node| &node.inputs).chain(outputs);
    let mut found: Vec<Var> = Vec::new();
    for var in read {
        let is_inside = own.contains(&var.key()) || inside.contains(&var.node().key());
        if !is_inside && !found.iter().any(|known| known.is_same(var)) {
            found.push(var.clone());
        }
    }
    found
}

/// Those nodes of a body that depend on its own inputs.
fn inside(order: &[Arc<Node>], own: &BTreeSet<(usize, usize)>) -> BTreeSet<usize> {
    let mut inside = BTreeSet::new();
    for node in order {
        let is_own =
            |var: &Var| own.contains(&var.key()) || inside.contains(&var.node().key());
        if node.inputs.iter().any(is_own) {
            inside.insert(node.key());
        }
    }
    inside
}

fn multiplies(node: &Node) -> bool {
    matches!(&node.kind, Kind::Op(op) if is_product(&**op))
}

/// What takes longer to compute once more than to keep: of the values of a body that depend on
/// its own inputs, those that need a product for it; each after those that it is made of.
fn costly(outputs: &[Var], own: &BTreeSet<(usize, usize)>) -> Vec<Var> {
    let order = topological(outputs, |var| own.contains(&var.key()));
    let inside = inside(&order, own);
    let (mut costly, mut found) = (BTreeSet::new(), Vec::new());
    for node in order.iter().filter(|node| inside.contains(&node.key())) {
        let of_costly = |var: &Var| costly.contains(&var.node().key());
        if multiplies(node) || node.inputs.iter().any(of_costly) {
            costly.insert(node.key());
            let outputs = 0..node.outputs.len();
            found.extend(outputs.map(|output| Var::of(Arc::clone(node), output)));
        }
    }
    found
}

/// For each value of a body, which of the body's inputs it depends on in one step.
fn direct(inputs: &[Var], values: &[Var]) -> Vec<BTreeSet<usize>> {
    let mut known: BTreeMap<_, _> = inputs
        .iter()
        .enumerate()
        .map(|(place, input)| (input.key(), BTreeSet::from([place])))
        .collect();
    let own: BTreeSet<_> = known.keys().copied().collect();
    for node in topological(values, |var| own.contains(&var.key())) {
        let Kind::Op(op) = &node.kind else { continue };
        for output in (0..node.outputs.len()).filter(|&o| !own.contains(&(node.key(), o)))
        {
            let read = node.inputs.iter().enumerate();
            let read = read.filter(|(input, _)| op.depends(output, *input));
            let on = read.filter_map(|(_, var)| known.get(&var.key())).flatten();
            let on = on.copied().collect::<BTreeSet<_>>();
            known.insert((node.key(), output), on);
        }
    }
    values
        .iter()
        .map(|value| known.get(&value.key()).cloned().unwrap_or_default())
        .collect()
}

/// For each output of a loop, which of its inputs it depends on in any number of steps.
fn dependencies(
    inputs: &[Var],
    outputs: &[Var],
    constants: usize,
    carries: usize,
) -> Vec<BTreeSet<usize>> {
    let mut depends = direct(inputs, outputs);
    // With no step at all, a carry is the one given.
    for (i, on) in depends.iter_mut().take(carries).enumerate() {
        on.insert(constants + i);
    }
    loop {
        let before = depends.clone();
        for on in &mut depends {
            for (i, through) in before.iter().take(carries).enumerate() {
                if on.contains(&(constants + i)) {
                    on.extend(through);
                }
            }
        }
        if depends == before {
            return depends;
        }
    }
}

impl Op for ScanOp {
    fn name(&self) -> &str {
        "scan"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let sequences = &inputs[self.constants + self.carries..];
        let length = sequences[0].shape.dims()[0].clone();
        let carries = &inputs[self.constants..][..self.carries];
        for (before, after) in carries.iter().zip(&self.outputs) {
            if before.dtype != after.dtype() || !before.shape.may_equal(after.shape()) {
                return Err(Error::function(
                    format_args!(
                        "a scan's step makes a carry of {} from one of {before}",
                        after.signature()
                    ),
                    "return the carries in their order, with the same shapes and element types",
                ));
            }
        }
        let stacked = self.outputs[self.carries..].iter().map(|result| {
            let dims = std::iter::once(length.clone())
                .chain(result.shape().dims().iter().cloned());
            Signature::new(result.dtype(), dims.collect::<Shape>())
        });
        Ok(carries.iter().cloned().chain(stacked).collect())
    }

    fn depends(&self, output: usize, input: usize) -> bool {
        self.depends[output].contains(&input)
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let length = lower.shape(inputs[self.constants + self.carries])[0];
        // What is the same in every run becomes part of the body.
        let given: Vec<_> = (0..inputs.len())
            .filter(|&i| {
                let is_constant = matches!(self.inputs[i].node().kind, Kind::Constant(_));
                i >= self.constants || !is_constant
            })
            .collect();
        let constants = given.iter().filter(|&&i| i < self.constants).count();
        let own: Vec<_> = given.iter().map(|&i| self.inputs[i].clone()).collect();
        let inputs: Vec<_> = given.iter().map(|&i| inputs[i]).collect();
        let fixed = constants + self.carries;
        let mut specs: Vec<_> =
            inputs.iter().map(|&value| lower.spec(value).clone()).collect();
        for spec in &mut specs[fixed..] {
            spec.shape.remove(0);
        }
        // What nobody reads is not computed; its place is taken by any other output.
        let kept: Vec<_> = (0..self.outputs.len())
            .filter(|&output| output < self.carries || lower.is_used(output))
            .collect();
        let outputs: Vec<_> =
            kept.iter().map(|&output| self.outputs[output].clone()).collect();
        let body = Arc::new(lower.sub_program(&own, &specs, &outputs)?);
        let (carries, reverse) = (self.carries, self.reverse);
        let primitive =
            Primitive::Scan(Scan { body, constants, carries, length, reverse });
        let made = lower.push_all(primitive, &inputs)?;
        let place = |output| kept.iter().position(|&kept| kept == output);
        Ok((0..self.outputs.len())
            .map(|output| place(output).map_or(inputs[fixed], |place| made[place]))
            .collect())
    }

    /// The scan in the other direction. Its carries are the gradients by the carries, and by
    /// the constants as far as they are sums over the steps; it reads the sequences, the
    /// carries from before each step, and the gradients by the results.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let own_carries = &self.inputs[self.constants..][..self.carries];
        let needed = self.needed(rule.needed);
        let mut cotangents: Vec<Option<Var>> = Vec::new();
        let (mut carried, mut first, mut from) = (Vec::new(), Vec::new(), Vec::new());
        for (i, carry) in own_carries.iter().enumerate() {
            let is_carried = carry.dtype().is_float() && needed[self.constants + i];
            let by =
                is_carried.then(|| Var::input("dcarry", carry.shape(), carry.dtype()));
            if let Some(by) = &by {
                carried.push(by.clone());
                first.push(rule.grad(i)?);
                from.push(i);
            }
            cotangents.push(by);
        }
        let before = self.saved..self.saved + self.carries;
        let mut sequences = Stacked::new(
            self.steps().iter().chain(&self.outputs[before.clone()]),
            rule.inputs[self.constants + self.carries..]
                .iter()
                .chain(&rule.outputs[before]),
        );
        for (output, grad) in self.outputs.iter().zip(rule.grads).skip(self.carries) {
            let by = grad.as_ref().map(|grad| {
                let step = Var::input("dresult", output.shape(), output.dtype());
                sequences.push(&step, grad);
                step
            });
            cotangents.push(by);
        }
        let found = gradients_between(&self.outputs, &cotangents, &self.inputs, &needed)?;
        self.save(&found, rule.outputs, &mut sequences);

        let mut stepped_carries = vec![false; self.carries];
        for (i, carry) in own_carries.iter().enumerate() {
            if !carry.dtype().is_float() && found[self.constants + i].is_some() {
                stepped(&self.outputs[i], |var| {
                    let on = direct(&self.inputs, std::slice::from_ref(var)).remove(0);
                    on.iter().any(|&on| needed[on])
                })?;
                stepped_carries[i] = true;
            }
        }
        let mut next = Vec::new();
        for (&i, by) in from.iter().zip(&carried) {
            next.push(match &found[self.constants + i] {
                Some(gradient) => gradient.clone(),
                None => by.zeros_like()?,
            });
        }
        let mut results = Vec::new();
        let mut constants = Vec::new();
        for (constant, gradient) in self.constants().iter().zip(&found) {
            let mut learned = Learned::default();
            if let Some(gradient) = gradient {
                learned.split(gradient, &sequences, &mut results)?;
            }
            if let Some(sum) = learned.sum().cloned() {
                let total = Var::input("dconstant", constant.shape(), constant.dtype());
                learned.set_carry(carried.len());
                next.push(total.add(&sum)?);
                carried.push(total);
                first.push(constant.zeros_like()?);
            }
            constants.push(learned);
        }
        let by_steps: Vec<_> = found[self.constants + self.carries..]
            [..self.steps().len()]
            .iter()
            .map(|gradient| {
                gradient.as_ref().map(|gradient| learned::place(gradient, &mut results))
            })
            .collect();

        // What no step backward reads is not kept.
        let read = [&next[..], &results].concat();
        let (steps, stacked) = sequences.read_by(&read, self.constants());
        let back = Self::new(carried, steps, next, results, !self.reverse);
        let back = back.apply(
            &first.iter().collect::<Vec<_>>(),
            &stacked.iter().collect::<Vec<_>>(),
        )?;
        let mut gradients = Vec::new();
        for (learned, constant) in constants.into_iter().zip(rule.inputs) {
            gradients.push(learned.join(&back, &sequences, constant)?);
        }
        for (i, _) in own_carries.iter().enumerate() {
            let place = from.iter().position(|&from| from == i);
            // Whoever made whole numbers of what is differentiated is named further on.
            let nothing = stepped_carries[i].then(|| Var::scalar(DType::F32, 0.0));
            gradients.push(place.map(|place| back.carries[place].clone()).or(nothing));
        }
        let by_steps = by_steps.into_iter();
        gradients
            .extend(by_steps.map(|place| place.map(|place| back.results[place].clone())));
        Ok(gradients)
    }
}
