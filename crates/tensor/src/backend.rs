//! What runs programs: [`Backend`], [`Executable`], and the [`Buffer`]s they work on.

use std::{any::Any, fmt, sync::Arc};

use crate::{Program, Result, Spec, Tensor};

/// A handle on memory of a backend; clones are handles on the same memory.
///
/// What lies behind it only its backend knows. A backend guards the memory itself: a run that
/// meets a buffer which another thread is writing returns an error, it never reads torn values.
#[derive(Clone)]
pub struct Buffer {
    spec: Spec,
    memory: Arc<dyn Any + Send + Sync>,
}

impl Buffer {
    /// A handle on `memory`, which holds a value of `spec`.
    #[must_use]
    pub fn new(spec: Spec, memory: Arc<dyn Any + Send + Sync>) -> Self {
        Self { spec, memory }
    }

    /// Element type and shape of the value.
    #[must_use]
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The memory, if it is a backend's `M`.
    #[must_use]
    pub fn memory<M: Any>(&self) -> Option<&M> {
        self.memory.downcast_ref()
    }

    /// The memory, if it is a backend's `M` and this is the only handle on it.
    #[must_use]
    pub fn memory_mut<M: Any + Send + Sync>(&mut self) -> Option<&mut M> {
        Arc::get_mut(&mut self.memory)?.downcast_mut()
    }

    /// Whether both are handles on the same memory.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.memory, &other.memory)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({})", self.spec)
    }
}

/// What compiles programs for a kind of hardware, and owns the memory there.
///
/// Object safe: anyone can bring their own. It starts with the
/// [`Primitive`](crate::Primitive)s; a [composite](crate::Composite) that it has no kernel for
/// it runs through its body. The [`conformance`](crate::conformance) suite is the judge.
pub trait Backend: Send + Sync + fmt::Debug {
    /// The backend's name, as `cpu`.
    fn name(&self) -> &str;

    /// Compiles a program; the backend sees all of it.
    ///
    /// # Errors
    ///
    /// If the program holds something that this backend cannot run.
    fn compile(&self, program: &Program) -> Result<Box<dyn Executable>>;

    /// As [`Backend::compile`], for the examples of a batch, which are counted along the first
    /// axis of the inputs; `smaller` makes the program for fewer of them.
    ///
    /// A backend may compute examples part by part, as far as none depends on others. By default
    /// it compiles the whole.
    ///
    /// # Errors
    ///
    /// As [`Backend::compile`].
    fn compile_batch(
        &self,
        program: &Program,
        _smaller: &dyn Fn(usize) -> Option<Program>,
    ) -> Result<Box<dyn Executable>> {
        self.compile(program)
    }

    /// New memory for a value of `spec`, all zero.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn allocate(&self, spec: &Spec) -> Result<Buffer>;

    /// Copies a tensor into a buffer of the same spec.
    ///
    /// # Errors
    ///
    /// If the specs differ, or the buffer is another backend's or in use.
    fn write(&self, from: &Tensor, to: &Buffer) -> Result<()>;

    /// New memory with the values of a tensor, which may be the tensor's own.
    ///
    /// By default [`Backend::allocate`] and [`Backend::write`]; a backend whose memory tensors
    /// are saves the copy.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn adopt(&self, tensor: Tensor) -> Result<Buffer> {
        let buffer = self.allocate(&tensor.spec())?;
        self.write(&tensor, &buffer)?;
        Ok(buffer)
    }

    /// Whether a buffer of another backend can be used as it is, like one of its own.
    ///
    /// By default none can. What is so moves to this backend without a copy.
    fn accepts(&self, _buffer: &Buffer) -> bool {
        false
    }

    /// Makes a buffer of the same spec show a tensor, until [`Backend::release`].
    ///
    /// As [`Backend::write`], which it is by default; a backend that can read the tensor's own
    /// memory saves the copy. The buffer can then be an input of runs, and be read; what it held
    /// before is lost.
    ///
    /// # Errors
    ///
    /// As [`Backend::write`].
    fn lend(&self, from: &Tensor, to: &mut Buffer) -> Result<()> {
        self.write(from, to)
    }

    /// Lets go of the tensor that a buffer shows, so that its memory can be changed in place.
    ///
    /// The buffer's value is unspecified afterwards. Nothing happens to a buffer that shows none.
    fn release(&self, _buffer: &mut Buffer) {}

    /// The values of a buffer, as a tensor that may show its memory, until
    /// [`Backend::reclaim`].
    ///
    /// By default [`Backend::read`] into a new tensor; a backend whose memory tensors can show
    /// saves the copy. The buffer can then only be read.
    ///
    /// # Errors
    ///
    /// As [`Backend::read`].
    fn borrow(&self, from: &mut Buffer) -> Result<Tensor> {
        let mut tensor = Tensor::zeros(from.spec().dtype, [0]);
        self.read(from, &mut tensor)?;
        Ok(tensor)
    }

    /// Gives a buffer whose memory a tensor may show memory that none does, so that it can be
    /// written: the same if the tensor is gone, or new memory.
    ///
    /// The buffer's value is unspecified afterwards. Nothing happens to a buffer that has not
    /// been borrowed from.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn reclaim(&self, _buffer: &mut Buffer) -> Result<()> {
        Ok(())
    }

    /// Runs `task` with each number below `tasks`, and returns when all are done: for what the
    /// host does between runs, as filling a batch.
    ///
    /// By default one after the other; a backend with threads of its own shares them out, in any
    /// order. No task may use the backend.
    fn share(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(task);
    }

    /// Copies a buffer into a tensor; reuses the tensor's memory if it has the same spec and
    /// nobody else sees it.
    ///
    /// # Errors
    ///
    /// If the buffer is another backend's or in use.
    fn read(&self, from: &Buffer, to: &mut Tensor) -> Result<()>;
}

/// A compiled program.
///
/// Scratch memory comes from the executable's own pool, so that any number of threads can run
/// it at once.
pub trait Executable: Send + Sync {
    /// Computes the outputs, then updates the variables.
    ///
    /// All reads of variables see the values from before the call. `inputs`, `variables` and
    /// `outputs` are in the program's order and of its specs; no output may be a handle on the
    /// memory of an input or variable.
    ///
    /// # Errors
    ///
    /// If a buffer has another spec, belongs to another backend or is in use, or an index lies
    /// out of range; the outputs' values are then unspecified.
    fn run(
        &self,
        inputs: &[Buffer],
        variables: &[Buffer],
        outputs: &[Buffer],
    ) -> Result<()>;

    /// The plan as text: what runs in which order, and the memory it takes.
    fn plan(&self) -> String {
        String::new()
    }

    /// Where the time of the runs so far went, as text; empty if the backend does not measure.
    fn profile(&self) -> String {
        String::new()
    }
}
