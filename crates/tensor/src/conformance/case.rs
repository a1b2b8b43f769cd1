//! One program with its inputs, and what has to come out.

use super::widen::widen;
use crate::{
    Backend, Buffer, DType, Element, Executable, Operation, Primitive, Program,
    Reduction, Reference, Result, Spec, Tensor, shape_text, with_element,
};

/// How far floating-point results may be off, in units of their type's rounding.
#[derive(Clone, Copy, Debug)]
pub(super) enum Measure {
    /// By the element's own size.
    Relative {
        /// Relative to the element.
        units: f64,
        /// Absolute.
        floor: f64,
    },
    /// By the size of the largest element, the number of terms in sums, and the error that
    /// `Reference` makes in the same type.
    Norm,
}

/// A program to run and compare.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) program: Program,
    pub(super) inputs: Vec<Tensor>,
    pub(super) variables: Vec<Tensor>,
    pub(super) measure: Measure,
}

/// The outputs and the variables after a run.
pub(super) struct Results {
    pub(super) outputs: Vec<Tensor>,
    pub(super) variables: Vec<Tensor>,
}

impl Results {
    fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let outputs = self.outputs.iter().enumerate();
        let variables = self.variables.iter().enumerate();
        outputs
            .map(|(i, tensor)| (format!("output {i}"), tensor))
            .chain(variables.map(|(i, tensor)| (format!("variable {i}"), tensor)))
    }
}

/// A new buffer with the values of a tensor.
pub(super) fn buffer(backend: &dyn Backend, tensor: &Tensor) -> Result<Buffer> {
    let buffer = backend.allocate(&tensor.spec())?;
    backend.write(tensor, &buffer)?;
    Ok(buffer)
}

/// The values of a buffer.
pub(super) fn read(backend: &dyn Backend, buffer: &Buffer) -> Result<Tensor> {
    let Spec { dtype, shape } = buffer.spec();
    let mut tensor = Tensor::zeros(*dtype, shape);
    backend.read(buffer, &mut tensor)?;
    Ok(tensor)
}

/// New buffers for the outputs of a program, with values that no run may depend on.
pub(super) fn outputs(backend: &dyn Backend, program: &Program) -> Result<Vec<Buffer>> {
    let junk = |spec: Spec| {
        let ones = with_element!(spec.dtype, T => {
            Tensor::full(&spec.shape, <T as Element>::from_f64(1.0))
        });
        buffer(backend, &ones)
    };
    program.output_specs().into_iter().map(junk).collect()
}

/// Runs an executable on fresh buffers.
pub(super) fn run(
    backend: &dyn Backend,
    program: &Program,
    executable: &dyn Executable,
    inputs: &[Tensor],
    variables: &[Tensor],
) -> Result<Results> {
    let buffers = |tensors: &[Tensor]| {
        tensors.iter().map(|tensor| buffer(backend, tensor)).collect::<Result<Vec<_>>>()
    };
    let (inputs, variables) = (buffers(inputs)?, buffers(variables)?);
    let outputs = outputs(backend, program)?;
    executable.run(&inputs, &variables, &outputs)?;
    let tensors = |buffers: &[Buffer]| {
        buffers.iter().map(|buffer| read(backend, buffer)).collect::<Result<Vec<_>>>()
    };
    // What was only read stays as it is; the caller compares the variables.
    Ok(Results { outputs: tensors(&outputs)?, variables: tensors(&variables)? })
}

impl Case {
    /// Runs the program on a backend; says what is wrong.
    pub(super) fn run(&self, backend: &dyn Backend) -> Result<(), String> {
        let expected = self.expected().map_err(|error| format!("in f64: {error}"))?;
        let own = run_fresh(&Reference, &self.program, &self.inputs, &self.variables)
            .map_err(|error| format!("on the reference: {error}"))?;
        let failed = |error| format!("failed: {error}");
        let executable = backend.compile(&self.program).map_err(failed)?;
        let once =
            || run(backend, &self.program, &*executable, &self.inputs, &self.variables);
        let (first, second) = (once().map_err(failed)?, once().map_err(failed)?);
        for ((what, a), (_, b)) in first.tensors().zip(second.tensors()) {
            if !a.bits_equal(b) {
                return Err(format!("{what} has other bits when it is run again"));
            }
        }
        let terms = terms(&self.program) as f64;
        let wide = expected.tensors().map(|(_, tensor)| tensor);
        let own = own.tensors().map(|(_, tensor)| tensor);
        for (((what, got), expected), own) in first.tensors().zip(wide).zip(own) {
            compare(got, expected, own, self.measure, terms)
                .map_err(|problem| format!("{what} {problem}"))?;
        }
        Ok(())
    }

    /// The results in `f64`.
    pub(super) fn expected(&self) -> Result<Results> {
        let wide = |tensors: &[Tensor]| tensors.iter().map(widen).collect::<Vec<_>>();
        let program = self.program.to_f64()?;
        run_fresh(&Reference, &program, &wide(&self.inputs), &wide(&self.variables))
    }
}

fn run_fresh(
    backend: &dyn Backend,
    program: &Program,
    inputs: &[Tensor],
    variables: &[Tensor],
) -> Result<Results> {
    run(backend, program, &*backend.compile(program)?, inputs, variables)
}

/// The most terms that the sums of a program add up to one number.
fn terms(program: &Program) -> usize {
    let len = |value: crate::Value, axes: &[usize]| -> usize {
        let shape = &program.spec(value).shape;
        axes.iter().map(|&axis| shape[axis]).product()
    };
    let size = |value: crate::Value| program.spec(value).size();
    let of = |instruction: &crate::Instruction| {
        let inputs = &instruction.inputs;
        match &instruction.operation {
            Operation::Composite(composite) => terms(&composite.body),
            Operation::Primitive(primitive) => match primitive {
                Primitive::Reduce {
                    reduction: Reduction::Sum | Reduction::Product,
                    axes,
                } => len(inputs[0], axes),
                Primitive::CumSum { axis, .. } => len(inputs[0], &[*axis]),
                Primitive::MatMul { transpose_a, .. } => {
                    let rank = program.spec(inputs[0]).rank();
                    len(inputs[0], &[rank - 1 - usize::from(*transpose_a)])
                }
                Primitive::Convolution(_) | Primitive::ConvolutionToInput { .. } => {
                    size(inputs[1])
                }
                Primitive::ConvolutionToKernel { .. }
                | Primitive::MaxPoolScatter(_)
                | Primitive::AveragePoolToInput { .. } => size(inputs[inputs.len() - 1]),
                Primitive::AveragePool(pool) => pool.window.iter().product(),
                Primitive::ScatterAdd { .. } | Primitive::ScatterAddAlong { .. } => {
                    size(inputs[0])
                }
                Primitive::Scan(scan) => scan.length * (1 + terms(&scan.body)),
                _ => 0,
            },
        }
    };
    program.instructions().iter().map(of).sum()
}

/// The distance from 1 to the next number, the type that sums accumulate in, and the least
/// number that has all its digits.
const fn precision(dtype: DType) -> (f64, f64, f64) {
    let single = f32::EPSILON as f64;
    match dtype {
        DType::F16 => (1.0 / 1024.0, single, 6.2e-5),
        DType::BF16 => (1.0 / 128.0, single, 1.2e-38),
        DType::F32 => (single, single, 1.2e-38),
        _ => (f64::EPSILON, f64::EPSILON, f64::MIN_POSITIVE),
    }
}

/// Compares a result with the one in `f64`; `own` is `Reference`'s in the same type.
fn compare(
    got: &Tensor,
    expected: &Tensor,
    own: &Tensor,
    measure: Measure,
    terms: f64,
) -> Result<(), String> {
    let dtype = got.dtype();
    if dtype != own.dtype() || got.shape() != expected.shape() {
        return Err(format!("is {}, not {}", got.spec(), own.spec()));
    }
    if !dtype.is_float() {
        return compare_exactly(got, expected);
    }
    let numbers =
        |tensor: &Tensor| tensor.cast(DType::F64).iter::<f64>().collect::<Vec<_>>();
    let (values, expected) = (numbers(got), numbers(expected));
    // What the type cannot hold is ∞ there.
    let own = numbers(own);
    let finite = |x: &&f64| x.is_finite();
    let scale =
        expected.iter().filter(finite).fold(0.0, |most: f64, x| most.max(x.abs()));
    let (unit, sum_unit, least) = precision(dtype);
    let pairs = own.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    let own_error = pairs.filter(|x| x.is_finite()).fold(0.0, f64::max);
    let norm = scale * (16.0 * unit + terms * sum_unit)
        + (8.0 * own_error).min(512.0 * unit * scale);
    for (i, (&got_number, &expected)) in values.iter().zip(&expected).enumerate() {
        let tolerance = least
            + match measure {
                Measure::Relative { units, floor } => {
                    unit * (units * expected.abs() + floor)
                }
                Measure::Norm => norm,
            };
        let close = (got_number - expected).abs() <= tolerance
            || (got_number.is_nan() && expected.is_nan())
            || (got_number.is_infinite() && got_number.to_bits() == own[i].to_bits());
        if !close {
            return Err(format!(
                "{} at {} is {got_number}, not {expected} ± {tolerance:.1e}",
                got.spec(),
                index_text(i, got.shape()),
            ));
        }
    }
    Ok(())
}

fn compare_exactly(got: &Tensor, expected: &Tensor) -> Result<(), String> {
    with_element!(got.dtype(), T => {
        let pairs = got.iter::<T>().zip(expected.iter::<T>()).enumerate();
        match pairs.into_iter().find(|(_, (got, expected))| T::ne(got, expected)) {
            None => Ok(()),
            Some((i, (value, expected))) => Err(format!(
                "{} at {} is {value:?}, not {expected:?}",
                got.spec(),
                index_text(i, got.shape()),
            )),
        }
    })
}

fn index_text(mut i: usize, shape: &[usize]) -> String {
    let mut index = vec![0; shape.len()];
    for (at, len) in index.iter_mut().zip(shape).rev() {
        *at = i % len;
        i /= len;
    }
    shape_text(&index)
}
