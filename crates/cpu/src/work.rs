//! How many arithmetic operations a node takes: [`flops`].

use deckle_tensor::{Operation, Primitive, Program};

use crate::graph::{Graph, Kind, Node};

/// The additions, multiplications and other functions of numbers that a node computes.
///
/// A fused multiply-add counts as two, any other function of an element as one. Windows that
/// reach into padding count in full. What only moves elements counts nothing.
pub(crate) fn flops(graph: &Graph, node: &Node) -> u64 {
    let result = product(&graph.values[node.results[0]].spec.shape);
    let operand = |i: usize| node.operands[i].view.shape.as_slice();
    match &node.kind {
        Kind::Map(map) if map.name() == "copy" => 0,
        Kind::Map(_) => result,
        Kind::Reduce { .. } => product(operand(0)),
        Kind::Turn => 0,
        Kind::Primitive(primitive) => of_primitive(primitive, &operand, result),
        Kind::Composite(composite) => of_program(&composite.body),
        Kind::Loop(composite, projection) => {
            let body = &composite.body;
            // The inputs times their kernel, or the gradient by that.
            let gates = match composite.name.ends_with("_backward") {
                true => product(&body.output_specs()[0].shape),
                false => product(&body.spec(body.inputs()[0]).shape),
            };
            of_program(body) + gates * projection.flops()
        }
    }
}

fn of_program(program: &Program) -> u64 {
    let of = |instruction: &deckle_tensor::Instruction| {
        let result = product(&program.spec(instruction.outputs[0]).shape);
        match &instruction.operation {
            Operation::Primitive(primitive) => {
                let operand =
                    |i: usize| program.spec(instruction.inputs[i]).shape.as_slice();
                of_primitive(primitive, &operand, result)
            }
            Operation::Composite(composite) => of_program(&composite.body),
        }
    };
    program.instructions().iter().map(of).sum()
}

fn of_primitive<'a>(
    primitive: &Primitive,
    operand: &dyn Fn(usize) -> &'a [usize],
    result: u64,
) -> u64 {
    match primitive {
        Primitive::MatMul { transpose_a, .. } => {
            let a = operand(0);
            let inner = if *transpose_a { a.len() - 2 } else { a.len() - 1 };
            2 * result * a[inner] as u64
        }
        Primitive::Convolution(_) => 2 * result * per_filter(operand(1)),
        Primitive::ConvolutionToInput { .. } => {
            2 * product(operand(0)) * per_filter(operand(1))
        }
        Primitive::ConvolutionToKernel { .. } => {
            let (dy, filters) = (operand(1), operand(1).last().copied().unwrap_or(1));
            2 * product(dy) * (result / (filters as u64).max(1))
        }
        Primitive::Scan(scan) => scan.length as u64 * of_program(&scan.body),
        Primitive::Unary(_)
        | Primitive::Binary(_)
        | Primitive::Compare(_)
        | Primitive::Select
        | Primitive::Cast(_)
        | Primitive::Random { .. } => result,
        Primitive::Reduce { .. }
        | Primitive::ArgReduce { .. }
        | Primitive::CumSum { .. }
        | Primitive::MaxPool(_)
        | Primitive::MaxPoolGather(_)
        | Primitive::MaxPoolScatter(_)
        | Primitive::AveragePool(_) => product(operand(0)),
        Primitive::ScatterAdd { .. }
        | Primitive::ScatterAddAlong { .. }
        | Primitive::AveragePoolToInput { .. } => product(operand(0)).max(result),
        _ => 0,
    }
}

/// The elements of a kernel for one filter.
fn per_filter(kernel: &[usize]) -> u64 {
    product(&kernel[..kernel.len() - 1])
}

fn product(shape: &[usize]) -> u64 {
    shape.iter().map(|&len| len as u64).product()
}
