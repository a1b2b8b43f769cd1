//! A program with what its interpreter needs to know: [`Plan`].

use std::{collections::BTreeMap, sync::Arc};

use super::{
    convolution, element_wise, index, layout, matmul::MatMul, pool, reduce, sort,
};
use crate::{
    DType, Distribution, Error, Instruction, Operation, Primitive, Program, Result, Scan,
    Spec, Tensor, Value, random::Draw, with_element,
};

/// A program, and for each instruction whether it runs and which values end with it.
pub(super) struct Plan {
    program: Arc<Program>,
    steps: Vec<Step>,
    /// The plans of the bodies of composites and scans, by instruction.
    bodies: BTreeMap<usize, Self>,
}

#[derive(Clone, Default)]
struct Step {
    runs: bool,
    frees: Vec<Value>,
}

impl Plan {
    pub(super) fn new(program: Arc<Program>) -> Self {
        let mut read = vec![false; program.specs().len()];
        for value in results(&program) {
            read[value.index()] = true;
        }
        let mut steps = vec![Step::default(); program.instructions().len()];
        let mut bodies = BTreeMap::new();
        for (i, instruction) in program.instructions().iter().enumerate().rev() {
            let Instruction { operation, inputs, outputs, .. } = instruction;
            if !outputs.iter().any(|value| read[value.index()]) {
                continue;
            }
            steps[i].runs = true;
            for &value in outputs.iter().chain(inputs) {
                if !std::mem::replace(&mut read[value.index()], true) {
                    steps[i].frees.push(value);
                }
            }
            match operation {
                Operation::Composite(composite) => {
                    bodies.insert(i, Self::new(Arc::clone(&composite.body)));
                }
                Operation::Primitive(Primitive::Scan(scan)) => {
                    bodies.insert(i, Self::new(Arc::clone(&scan.body)));
                }
                Operation::Primitive(_) => {}
            }
        }
        Self { program, steps, bodies }
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// Computes the outputs, and after them the updates' values. `given` are the inputs, and
    /// after them the variables.
    pub(super) fn run(&self, given: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let program = &self.program;
        let mut values: Vec<Option<Tensor>> = vec![None; program.specs().len()];
        for (value, tensor) in
            program.inputs().iter().chain(program.variables()).zip(given)
        {
            values[value.index()] = Some(tensor);
        }
        for (i, instruction) in program.instructions().iter().enumerate() {
            let step = &self.steps[i];
            if !step.runs {
                continue;
            }
            let inputs: Vec<_> =
                instruction.inputs.iter().map(|&value| at(&values, value)).collect();
            let made = self
                .execute(i, instruction, &inputs)
                .map_err(|error| located(error, &instruction.path))?;
            for (value, tensor) in instruction.outputs.iter().zip(made) {
                values[value.index()] = Some(tensor);
            }
            for value in &step.frees {
                values[value.index()] = None;
            }
        }
        Ok(results(program).map(|value| at(&values, value).clone()).collect())
    }

    fn execute(
        &self,
        i: usize,
        instruction: &Instruction,
        inputs: &[&Tensor],
    ) -> Result<Vec<Tensor>> {
        let spec = |output: usize| self.program.spec(instruction.outputs[output]);
        match &instruction.operation {
            Operation::Primitive(Primitive::Scan(scan)) => {
                let results: Vec<_> =
                    (scan.carries..instruction.outputs.len()).map(spec).collect();
                run_scan(scan, &self.bodies[&i], inputs, &results)
            }
            Operation::Composite(_) => {
                self.bodies[&i].run(inputs.iter().map(|&input| input.clone()).collect())
            }
            Operation::Primitive(Primitive::Sort { axis, descending }) => {
                Ok(sort::sort(inputs[0], *axis, *descending))
            }
            Operation::Primitive(Primitive::TopK { k }) => Ok(sort::top_k(inputs[0], *k)),
            Operation::Primitive(primitive) => Ok(vec![run(primitive, inputs, spec(0))?]),
        }
    }
}

fn results(program: &Program) -> impl Iterator<Item = Value> {
    let updates = program.updates().iter().map(|update| update.value);
    program.outputs().iter().copied().chain(updates)
}

fn at(values: &[Option<Tensor>], value: Value) -> &Tensor {
    values[value.index()].as_ref().expect("a value is made before it is read")
}

/// The error with the layer that it stems from, unless it names one already.
fn located(mut error: Error, layer: &str) -> Error {
    if let Error::Index { path, .. } = &mut error
        && path.is_empty()
    {
        *path = layer.to_owned();
    }
    error
}

fn run_scan(
    scan: &Scan,
    body: &Plan,
    inputs: &[&Tensor],
    results: &[&Spec],
) -> Result<Vec<Tensor>> {
    let (constants, rest) = inputs.split_at(scan.constants);
    let (first, sequences) = rest.split_at(scan.carries);
    let mut carries: Vec<Tensor> = first.iter().map(|&carry| carry.clone()).collect();
    let mut made: Vec<Vec<Tensor>> = vec![Vec::with_capacity(scan.length); results.len()];
    for i in 0..scan.length {
        let at = if scan.reverse { scan.length - 1 - i } else { i };
        let mut given: Vec<_> =
            constants.iter().map(|&constant| constant.clone()).collect();
        given.append(&mut carries);
        given.extend(sequences.iter().map(|sequence| layout::step(sequence, at)));
        let mut outputs = body.run(given)?.into_iter();
        carries.extend(outputs.by_ref().take(scan.carries));
        for (steps, output) in made.iter_mut().zip(outputs) {
            steps.push(output);
        }
    }
    for (steps, spec) in made.iter_mut().zip(results) {
        if scan.reverse {
            steps.reverse();
        }
        carries.push(layout::stack(spec, steps));
    }
    Ok(carries)
}

/// Runs a primitive with one output, of `spec`.
fn run(primitive: &Primitive, inputs: &[&Tensor], spec: &Spec) -> Result<Tensor> {
    let shape = &spec.shape;
    Ok(match (primitive, inputs) {
        (Primitive::Constant(tensor), _) => tensor.clone(),
        (Primitive::Iota { axis, .. }, _) => layout::iota(shape, *axis, spec.dtype),
        (Primitive::Random { distribution, stream, .. }, [seed, step]) => {
            let draw = Draw::new(scalar(seed), *stream, scalar(step));
            random(draw, *distribution, spec)
        }
        (Primitive::Unary(unary), [x]) => element_wise::unary(*unary, x),
        (Primitive::Binary(binary), [a, b]) => element_wise::binary(*binary, a, b, shape),
        (Primitive::Compare(compare), [a, b]) => {
            element_wise::compare(*compare, a, b, shape)
        }
        (Primitive::Select, [condition, a, b]) => {
            element_wise::select(condition, a, b, shape)
        }
        (Primitive::Cast(dtype), [x]) => x.cast(*dtype),
        (Primitive::Reduce { reduction, axes }, [x]) => {
            reduce::reduce(*reduction, axes, x)
        }
        (Primitive::ArgReduce { largest, axis }, [x]) => {
            reduce::arg_reduce(x, *axis, *largest)
        }
        (Primitive::CumSum { axis, exclusive, reverse }, [x]) => {
            reduce::cum_sum(x, *axis, *exclusive, *reverse)
        }
        (Primitive::MatMul { transpose_a, transpose_b }, [a, b]) => {
            let (transpose_a, transpose_b) = (*transpose_a, *transpose_b);
            MatMul { a, b, transpose_a, transpose_b, spec }.run()
        }
        (Primitive::Convolution(settings), [x, kernel]) => {
            convolution::convolution(settings, x, kernel, spec)
        }
        (Primitive::ConvolutionToInput { convolution, .. }, [dy, kernel]) => {
            convolution::to_input(convolution, dy, kernel, spec)
        }
        (Primitive::ConvolutionToKernel { convolution, .. }, [x, dy]) => {
            convolution::to_kernel(convolution, x, dy, spec)
        }
        (Primitive::MaxPool(pool), [x]) => pool::max(pool, x, spec),
        (Primitive::MaxPoolGather(pool), [x, values]) => {
            pool::max_gather(pool, x, values, spec)
        }
        (Primitive::MaxPoolScatter(pool), [x, dy]) => pool::max_scatter(pool, x, dy),
        (Primitive::AveragePool(pool), [x]) => pool::average(pool, x, spec),
        (Primitive::AveragePoolToInput { pool, .. }, [dy]) => {
            pool::average_to_input(pool, dy, spec)
        }
        (Primitive::Gather { axis }, [x, indices]) => index::gather(x, indices, *axis)?,
        (Primitive::ScatterAdd { axis, len }, [indices, updates]) => {
            index::scatter_add(indices, updates, *axis, *len)?
        }
        (Primitive::GatherAlong { axis }, [x, indices]) => {
            index::gather_along(x, indices, *axis)?
        }
        (Primitive::ScatterAddAlong { axis, len }, [indices, updates]) => {
            index::scatter_add_along(indices, updates, *axis, *len)?
        }
        (Primitive::Pad { padding }, [x, value]) => layout::pad(x, value, padding),
        (Primitive::Slice(axes), [x]) => layout::slice(x, axes),
        (Primitive::Concat { axis }, parts) => layout::concat(parts, *axis, spec),
        (Primitive::Transpose { permutation }, [x]) => layout::transpose(x, permutation),
        (Primitive::Broadcast { shape }, [x]) => layout::broadcast(x, shape),
        (Primitive::Reshape { shape }, [x]) => layout::reshape(x, shape),
        (primitive, inputs) => {
            let expected = "the inputs that its shape rule allows";
            return Err(Error::invalid(primitive.name(), expected)
                .got(format_args!("{} inputs", inputs.len())));
        }
    })
}

fn scalar(x: &Tensor) -> u64 {
    debug_assert_eq!(x.dtype(), DType::I64, "the shape rule allows nothing else");
    x.iter::<i64>().next().unwrap_or_default().cast_unsigned()
}

fn random(draw: Draw, distribution: Distribution, spec: &Spec) -> Tensor {
    with_element!(spec.dtype, T => {
        super::number::collect(&spec.shape, (0..).map(|i| {
            <T as crate::Element>::from_f64(draw.sample(distribution, i))
        }))
    })
}
