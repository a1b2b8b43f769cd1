//! Every primitive on `Reference`, against values worked out by hand or by NumPy 2.
#![expect(clippy::unwrap_used, reason = "a test may")]
#![expect(
    clippy::cloned_ref_to_slice_refs,
    reason = "every call lists its operands alike"
)]

mod element_wise;
mod index;
mod layout;
mod linear;
mod pool;
mod reduce;
mod run;
mod scan;

use deckle_tensor::{
    Backend, Buffer, Builder, Element, Primitive, Program, Reference, Result, Spec,
    Tensor,
};

/// A tensor of these values.
#[track_caller]
fn tensor<T: Element>(values: &[T], shape: &[usize]) -> Tensor {
    Tensor::new(values, shape).unwrap()
}

/// A buffer that holds a copy of the tensor.
fn buffer(tensor: &Tensor) -> Buffer {
    let buffer = Reference::new().allocate(&tensor.spec()).unwrap();
    Reference::new().write(tensor, &buffer).unwrap();
    buffer
}

fn read(buffer: &Buffer) -> Tensor {
    let Spec { dtype, shape } = buffer.spec();
    let mut tensor = Tensor::zeros(*dtype, shape);
    Reference::new().read(buffer, &mut tensor).unwrap();
    tensor
}

/// Runs a program without variables.
fn run_program(program: &Program, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let inputs: Vec<_> = inputs.iter().map(buffer).collect();
    let outputs: Vec<_> = program
        .output_specs()
        .iter()
        .map(|spec| Reference::new().allocate(spec))
        .collect::<Result<_>>()?;
    Reference::new().compile(program)?.run(&inputs, &[], &outputs)?;
    Ok(outputs.iter().map(read).collect())
}

/// Runs one primitive.
fn run_all(primitive: Primitive, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut builder = Builder::new();
    let values: Vec<_> = inputs.iter().map(|input| builder.input(input.spec())).collect();
    let outputs = builder.push_all(primitive, &values)?;
    run_program(&builder.finish(outputs, [])?, inputs)
}

/// Runs a primitive with one output.
#[track_caller]
fn run(primitive: Primitive, inputs: &[Tensor]) -> Tensor {
    let [output] = run_all(primitive, inputs).unwrap().try_into().unwrap();
    output
}

/// Runs a primitive with one output and compares it, bit for bit.
#[track_caller]
fn check<T: Element>(
    primitive: Primitive,
    inputs: &[Tensor],
    values: &[T],
    shape: &[usize],
) {
    let name = primitive.name();
    let output = run(primitive, inputs);
    assert_eq!(output.shape(), shape, "{name}");
    assert_eq!(output.to_vec::<T>().unwrap(), values, "{name}");
}
