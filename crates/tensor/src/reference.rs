//! The obvious backend, which says what every primitive means: [`Reference`].

mod convolution;
mod element_wise;
mod index;
mod layout;
mod matmul;
mod number;
mod plan;
mod pool;
mod reduce;
mod sort;

use std::sync::{
    Arc, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError, TryLockResult,
};

use self::plan::Plan;
use crate::{
    Backend, Buffer, Error, Executable, Program, Result, Spec, Tensor, with_element,
};

/// The backend that runs a program one instruction after the other, on one thread.
///
/// It is written to be read and to be right, and works on every target; other backends are
/// judged by it. Elements are computed in `f64` (integers and `Bool` in `i64`) and then rounded
/// to their type; sums of `F32` and `F64` accumulate in `f64`, those of `F16` and `BF16` in
/// `f32`. Products of `F32` matrices are `matrixmultiply`'s. Values that nobody reads are not
/// computed.
///
/// # Examples
///
/// ```
/// use deckle_tensor::{Backend, Builder, DType, Primitive, Reference, Spec, Tensor, Unary};
///
/// let mut builder = Builder::new();
/// let x = builder.input(Spec::new(DType::F32, [2]));
/// let y = builder.push(Primitive::Unary(Unary::Square), &[x])?;
/// let program = builder.finish([y], [])?;
///
/// let backend = Reference::new();
/// let executable = backend.compile(&program)?;
/// let x = backend.allocate(&Spec::new(DType::F32, [2]))?;
/// let y = backend.allocate(&Spec::new(DType::F32, [2]))?;
/// backend.write(&Tensor::new([3.0f32, -4.0], [2])?, &x)?;
/// executable.run(&[x], &[], &[y.clone()])?;
/// let mut result = Tensor::zeros(DType::F32, [2]);
/// backend.read(&y, &mut result)?;
/// assert_eq!(result.to_vec::<f32>()?, [9.0, 16.0]);
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reference;

/// A tensor's values never change, so a buffer is a place that holds one tensor after another.
type Memory = RwLock<Tensor>;

impl Reference {
    /// The backend.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Backend for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn compile(&self, program: &Program) -> Result<Box<dyn Executable>> {
        let plan = Plan::new(Arc::new(program.clone()));
        Ok(Box::new(Compiled { plan }))
    }

    fn allocate(&self, spec: &Spec) -> Result<Buffer> {
        let zeros = Tensor::try_zeros(spec.dtype, &spec.shape)?;
        Ok(Buffer::new(spec.clone(), Arc::new(Memory::new(zeros))))
    }

    fn write(&self, from: &Tensor, to: &Buffer) -> Result<()> {
        if from.spec() != *to.spec() {
            return Err(Error::invalid("write", to.spec()).got(from.spec()));
        }
        let mut memory = free("write", memory("write", to)?.try_write(), to)?;
        *memory = copy(from);
        Ok(())
    }

    fn adopt(&self, tensor: Tensor) -> Result<Buffer> {
        let tensor = if tensor.is_alone() { tensor } else { copy(&tensor) };
        Ok(Buffer::new(tensor.spec(), Arc::new(Memory::new(tensor))))
    }

    fn read(&self, from: &Buffer, to: &mut Tensor) -> Result<()> {
        let memory = free("read", memory("read", from)?.try_read(), from)?;
        *to = memory.clone();
        Ok(())
    }
}

/// The memory behind a buffer of this backend.
fn memory<'a>(op: &'static str, buffer: &'a Buffer) -> Result<&'a Memory> {
    buffer.memory().ok_or_else(|| {
        Error::invalid(op, "a buffer of the backend `reference`")
            .got(format_args!("{buffer:?} of another backend"))
    })
}

/// The guard of a buffer, unless another run has it.
fn free<G>(op: &'static str, guard: TryLockResult<G>, buffer: &Buffer) -> Result<G> {
    match guard {
        Ok(guard) => Ok(guard),
        // A tensor is replaced as a whole, so it is valid whatever happened to the writer.
        Err(TryLockError::Poisoned(guard)) => Ok(guard.into_inner()),
        Err(TryLockError::WouldBlock) => {
            Err(Error::invalid(op, "a buffer that nobody else uses at the same time")
                .got(format_args!("{buffer:?}, which is in use")))
        }
    }
}

/// The values in row-major order, in memory of their own: who owns the tensor still changes its
/// memory in place, as after any other copy.
fn copy(tensor: &Tensor) -> Tensor {
    with_element!(tensor.dtype(), T => number::collect(tensor.shape(), tensor.iter::<T>()))
}

/// The values in row-major order, in memory of just their size.
fn compact(tensor: &Tensor) -> Tensor {
    let tensor = tensor.contiguous();
    with_element!(tensor.dtype(), T => {
        if tensor.memory::<T>().len() == tensor.size() { tensor } else { copy(&tensor) }
    })
}

struct Compiled {
    plan: Plan,
}

enum Guard<'a> {
    Read(RwLockReadGuard<'a, Tensor>),
    Write(RwLockWriteGuard<'a, Tensor>),
}

impl Guard<'_> {
    fn tensor(&self) -> Tensor {
        match self {
            Self::Read(guard) => Tensor::clone(guard),
            Self::Write(guard) => Tensor::clone(guard),
        }
    }
}

impl Executable for Compiled {
    fn run(
        &self,
        inputs: &[Buffer],
        variables: &[Buffer],
        outputs: &[Buffer],
    ) -> Result<()> {
        let program = self.plan.program();
        check("inputs", inputs, program.inputs().iter().map(|&v| program.spec(v)))?;
        check(
            "variables",
            variables,
            program.variables().iter().map(|&v| program.spec(v)),
        )?;
        check("outputs", outputs, program.outputs().iter().map(|&v| program.spec(v)))?;

        let mut values = Vec::with_capacity(inputs.len() + variables.len());
        let mut readers = Vec::with_capacity(inputs.len());
        for buffer in inputs {
            let guard = free("run", memory("run", buffer)?.try_read(), buffer)?;
            values.push(Tensor::clone(&guard));
            readers.push(guard);
        }
        let mut places = Vec::with_capacity(variables.len());
        for (i, buffer) in variables.iter().enumerate() {
            let place = memory("run", buffer)?;
            let guard = if program.updates().iter().any(|update| update.variable == i) {
                Guard::Write(free("run", place.try_write(), buffer)?)
            } else {
                Guard::Read(free("run", place.try_read(), buffer)?)
            };
            values.push(guard.tensor());
            places.push(guard);
        }
        let mut results = Vec::with_capacity(outputs.len());
        for buffer in outputs {
            results.push(free("run", memory("run", buffer)?.try_write(), buffer)?);
        }

        // Nothing is stored before all is computed, so an error changes nothing.
        let mut made = self.plan.run(values)?.into_iter();
        for (place, value) in results.iter_mut().zip(&mut made) {
            **place = compact(&value);
        }
        for (update, value) in program.updates().iter().zip(made) {
            if let Guard::Write(place) = &mut places[update.variable] {
                **place = compact(&value);
            }
        }
        Ok(())
    }

    fn plan(&self) -> String {
        self.plan.program().to_string()
    }
}

/// Checks the number and specs of buffers.
fn check<'a>(
    what: &str,
    buffers: &[Buffer],
    specs: impl ExactSizeIterator<Item = &'a Spec>,
) -> Result<()> {
    if buffers.len() != specs.len() {
        return Err(Error::invalid("run", format_args!("{} {what}", specs.len()))
            .got(buffers.len()));
    }
    for (i, (buffer, spec)) in buffers.iter().zip(specs).enumerate() {
        if buffer.spec() != spec {
            return Err(Error::invalid(
                "run",
                format_args!("{spec} as {i} of the {what}"),
            )
            .got(buffer.spec()));
        }
    }
    Ok(())
}
