//! The fast CPU backend: fusion, memory plan, vector kernels, threads.

mod assign;
mod canonical;
pub mod conv;
mod fuse;
pub mod gemm;
mod graph;
mod kernel;
mod lower;
pub mod math;
mod memory;
mod place;
mod plan;
pub mod pool;
mod run;
pub mod simd;
pub mod threads;
mod tile;
mod view;

use std::{fmt, io::Write, sync::Arc};

use deckle_tensor::{
    Backend, Buffer, Error, Executable, Program, Result, Spec, Tensor, with_element,
};

pub use simd::Simd;
pub use threads::Threads;

use memory::Memory;

/// The fast CPU backend.
pub struct Cpu {
    options: Options,
}

/// What plans are made for.
pub(crate) struct Options {
    pub(crate) threads: Arc<Threads>,
    pub(crate) simd: Simd,
}

impl Cpu {
    /// A backend on `DECKLE_THREADS` threads; by default, as many as the machine has cores.
    #[must_use]
    pub fn new() -> Self {
        let wanted = std::env::var("DECKLE_THREADS").ok().and_then(|n| n.parse().ok());
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads(wanted.unwrap_or_else(cores))
    }

    /// A backend on that many threads, the caller's being one of them.
    #[must_use]
    pub fn with_threads(count: usize) -> Self {
        let threads = Arc::new(Threads::new(count.max(1)));
        Self { options: Options { threads, simd: Simd::detect() } }
    }

    /// Sets the vector instructions; by default, the best ones that the machine has.
    ///
    /// Instructions that the machine lacks are replaced by the best ones that it has.
    #[must_use]
    pub fn simd(mut self, simd: Simd) -> Self {
        self.options.simd = simd.or_detected();
        self
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { threads, simd } = &self.options;
        write!(f, "Cpu({} threads, {})", threads.count(), simd.name())
    }
}

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn compile(&self, program: &Program) -> Result<Box<dyn Executable>> {
        let plan = plan::Plan::compile(program, &self.options)?;
        if std::env::var("DECKLE_PLAN").is_ok_and(|value| value == "1") {
            // Whether somebody reads it changes nothing.
            let _ = write!(io_error(), "{}", plan.text());
        }
        let threads = Arc::clone(&self.options.threads);
        Ok(Box::new(run::Runner::new(plan, threads, self.options.simd)?))
    }

    fn allocate(&self, spec: &Spec) -> Result<Buffer> {
        Ok(Buffer::new(spec.clone(), Arc::new(Memory::zeroed(spec.bytes())?)))
    }

    fn write(&self, from: &Tensor, to: &Buffer) -> Result<()> {
        if !from.is_of(to.spec()) {
            return Err(Error::invalid("write", to.spec()).got(from.spec()));
        }
        // Nothing is allocated for a tensor that lies in order, as every batch does.
        let Some(bytes) = from.as_bytes() else {
            return self.write(&from.contiguous(), to);
        };
        let copied =
            memory(to, "write")?.write(bytes.len(), |to| to.copy_from_slice(bytes));
        copied.ok_or_else(|| in_use("write"))
    }

    fn read(&self, from: &Buffer, to: &mut Tensor) -> Result<()> {
        let spec = from.spec();
        if !to.is_of(spec) {
            *to = Tensor::zeros(spec.dtype, &spec.shape);
        }
        let memory = memory(from, "read")?;
        let copied = with_element!(spec.dtype, T => memory.read_into(to.make_mut::<T>()));
        if copied { Ok(()) } else { Err(in_use("read")) }
    }
}

fn io_error() -> impl Write {
    std::io::stderr()
}

fn memory<'a>(buffer: &'a Buffer, op: &'static str) -> Result<&'a Memory> {
    buffer.memory().ok_or_else(|| {
        Error::invalid(op, "a buffer of the backend `cpu`").got("one of another backend")
    })
}

fn in_use(op: &'static str) -> Error {
    Error::invalid(op, "a buffer that nobody uses").got("a buffer in use")
}
