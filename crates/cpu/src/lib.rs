//! The fast CPU backend: fusion, memory plan, vector kernels, threads.
//!
//! ```
//! use deckle_cpu::Cpu;
//! use deckle_tensor::{Backend, Binary, Builder, DType, Primitive, Spec, Tensor};
//!
//! // A program: y = (x + 1) · 2.
//! let mut builder = Builder::new();
//! let x = builder.input(Spec::new(DType::F32, [3]));
//! let (one, two) = (Tensor::scalar(1.0_f32), Tensor::scalar(2.0_f32));
//! let (one, two) = (builder.constant(&one), builder.constant(&two));
//! let sum = builder.push(Primitive::Binary(Binary::Add), &[x, one])?;
//! let y = builder.push(Primitive::Binary(Binary::Mul), &[sum, two])?;
//! let program = builder.finish([y], [])?;
//!
//! // Compiled once, it runs any number of times on any number of threads.
//! let cpu = Cpu::with_threads(2);
//! let executable = cpu.compile(&program)?;
//! let (x, y) = (cpu.allocate(program.spec(x))?, cpu.allocate(program.spec(y))?);
//! cpu.write(&Tensor::new([1.0_f32, 2.0, 3.0], [3])?, &x)?;
//! executable.run(&[x], &[], &[y.clone()])?;
//! let mut result = Tensor::scalar(0.0_f32);
//! cpu.read(&y, &mut result)?;
//! assert_eq!(result.to_vec::<f32>()?, [4.0, 6.0, 8.0]);
//!
//! // Both operations are one pass over memory.
//! assert!(executable.plan().starts_with("  0  add + multiply -> float32 (3,)  @ output 0"));
//! # Ok::<(), deckle_tensor::Error>(())
//! ```
//!
//! # What compiling does
//!
//! A [`Program`] becomes a *plan*: a list of instructions, each with its operands' places in
//! memory. All decisions are made then; a run executes the list and allocates nothing.
//!
//! 1. The program is simplified: equal instructions become one, dead ones go, constants fold.
//! 2. Reshaping, transposing, slicing and broadcasting become strides of whoever reads them.
//! 3. Element-wise operations over the same elements become *tile programs*, which go over
//!    memory once, some hundred elements at a time. Reductions join them; where rows are short,
//!    what was reduced is used in the same pass, so that a softmax reads its input once.
//! 4. Bias and activation run in the finished block of a matrix product.
//! 5. What only changes variables, as all of an optimizer's step, is one instruction at the end.
//! 6. Values that do not live at the same time share one arena; outputs and new values of
//!    variables are made in place where all reads come before.
//! 7. Where the values of many examples are more than a cache holds, what computes each example by
//!    itself is compiled for fewer of them, and runs part by part, each on one thread; gradients
//!    by small kernels of convolutions are added up from those of the parts.
//!
//! [`Executable::plan`] shows the result, one line per instruction; with `DECKLE_PLAN=1` in the
//! environment every compilation prints it to standard error.
//!
//! # Where the time goes
//!
//! With `DECKLE_PROFILE=1` in the environment, or [`Cpu::profile`], each executable measures its
//! instructions, and prints a table at the end of its life: the mean and the least time of a
//! call, arithmetic and memory rates, and the layer. `DECKLE_PROFILE=trace.json` writes every
//! call to that file besides, in Chrome's format. [`Executable::profile`] has the table at any
//! time. Bytes are those of all operands and results, each once, wherever they are cached.
//!
//! # Promises
//!
//! - Results are the same bits on any number of threads. Work is cut by shape alone; for the same
//!   shapes, a sum has one order. Between instruction sets ([`Simd`]) the last bits may differ.
//! - All reads of variables see the values from before the run. A run that returns an error,
//!   as for an index out of range, has changed no variable.
//! - A buffer that a run writes is used by nobody else meanwhile: whoever tries gets an error.
//! - Subnormal numbers count as zero during a run, on every thread alike.
//!
//! # The parts
//!
//! [`Cpu`] is the backend. [`Threads`] are its persistent workers, [`gemm`] its matrix
//! products, [`math`] its vector functions; all three can be used alone.

// What is public and hidden is so for the tests in `tests`: within the library, their harness would
// compile every kernel a second time.

mod absorb;
mod assign;
#[doc(hidden)]
pub mod attention;
mod batch;
mod canonical;
pub mod conv;
mod cut;
mod examples;
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
mod profile;
#[doc(hidden)]
pub mod recurrent;
mod run;
pub mod simd;
mod softmax;
pub mod threads;
mod tile;
mod view;
mod work;

use std::{fmt, io::Write, sync::Arc};

use deckle_tensor::{
    Backend, Buffer, Composite, Error, Executable, Program, Result, Spec, Tensor,
    with_element,
};

pub use profile::Profile;
pub use simd::Simd;
pub use threads::Threads;

use memory::Memory;
use profile::Recorder;

/// The fast CPU backend: compiles programs to static plans.
///
/// Clones are not needed: executables keep what they use alive. See the [crate] for what
/// compiling does.
///
/// # Examples
///
/// ```
/// use deckle_cpu::Cpu;
/// use deckle_tensor::Backend;
///
/// assert_eq!(Cpu::with_threads(1).name(), "cpu");
/// ```
pub struct Cpu {
    options: Options,
    /// What measures, if anything does.
    recorder: Option<Arc<Recorder>>,
}

/// What plans are made for.
pub(crate) struct Options {
    pub(crate) threads: Arc<Threads>,
    pub(crate) simd: Simd,
    /// Whether composites run by kernels of their own where there are some.
    pub(crate) composites: bool,
    /// What runs part by part, in the place of its body.
    pub(crate) parts: Option<Arc<batch::Parts>>,
    /// Which inputs all parts of a batch share: variables, or what is made before the parts; false
    /// where there are fewer.
    pub(crate) learned: Vec<bool>,
    /// Whether a part of a batch is planned, which one thread computes.
    pub(crate) in_part: bool,
}

impl Options {
    /// The parts that a composite is computed by, if it is.
    fn parts_of(&self, composite: &Composite) -> Option<&Arc<batch::Parts>> {
        self.parts.as_ref().filter(|parts| Arc::ptr_eq(parts.body(), &composite.body))
    }
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
        let simd = Simd::detect();
        let options = Options {
            threads,
            simd,
            composites: true,
            parts: None,
            learned: Vec::new(),
            in_part: false,
        };
        Self { options, recorder: Recorder::new(Profile::from_environment()) }
    }

    /// Sets the vector instructions; by default, the best ones that the machine has.
    ///
    /// Instructions that the machine lacks are replaced by the best ones that it has.
    #[must_use]
    pub fn simd(mut self, simd: Simd) -> Self {
        self.options.simd = simd.or_detected();
        self
    }

    /// Sets whether composites run by kernels of their own, where there are some; true by
    /// default. Else all run by their bodies.
    #[must_use]
    pub const fn composites(mut self, composites: bool) -> Self {
        self.options.composites = composites;
        self
    }

    /// Sets whether the runs of programs that are compiled from now on are measured; what
    /// `DECKLE_PROFILE` in the environment says by default, which is not.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.recorder = Recorder::new(profile);
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
        let Options { threads, simd, .. } = &self.options;
        write!(f, "Cpu({} threads, {})", threads.count(), simd.name())
    }
}

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn compile(&self, program: &Program) -> Result<Box<dyn Executable>> {
        self.compile_batch(program, &|_| None)
    }

    fn compile_batch(
        &self,
        program: &Program,
        smaller: &dyn Fn(usize) -> Option<Program>,
    ) -> Result<Box<dyn Executable>> {
        let plan = batch::compile(program, smaller, &self.options)?;
        let runner = run::Runner::new(plan, &self.options, self.recorder.as_ref())?;
        if std::env::var("DECKLE_PLAN").is_ok_and(|value| value == "1") {
            // Whether somebody reads it changes nothing.
            let _ = write!(std::io::stderr(), "{}", runner.plan());
        }
        Ok(Box::new(runner))
    }

    fn allocate(&self, spec: &Spec) -> Result<Buffer> {
        Ok(Buffer::new(spec.clone(), Arc::new(Memory::zeroed(spec.bytes())?)))
    }

    fn accepts(&self, buffer: &Buffer) -> bool {
        buffer.memory::<Memory>().is_some()
    }

    fn write(&self, from: &Tensor, to: &Buffer) -> Result<()> {
        if !from.is_of(to.spec()) {
            return Err(Error::invalid("write", to.spec()).got(from.spec()));
        }
        // Nothing is allocated for a tensor that lies in order, as every batch does.
        let Some(bytes) = from.as_bytes() else {
            return self.write(&from.contiguous(), to);
        };
        let threads = &self.options.threads;
        // New memory is slow at first, on each thread by itself.
        let copied = memory(to, "write")?.write(bytes.len(), |to| {
            threads.run_chunks(to, COPY, |start, to| {
                to.copy_from_slice(&bytes[start..][..to.len()]);
            });
        });
        copied.ok_or_else(|| in_use("write"))
    }

    fn lend(&self, from: &Tensor, to: &mut Buffer) -> Result<()> {
        let fits = from.is_of(to.spec());
        if let (true, Some(memory)) = (fits, to.memory_mut::<Memory>()) {
            let shared = from.shared_bytes();
            if shared.is_some_and(|(storage, range)| memory.show(storage, range)) {
                return Ok(());
            }
        }
        self.write(from, to)
    }

    fn release(&self, buffer: &mut Buffer) {
        if let Some(memory) = buffer.memory_mut::<Memory>() {
            memory.take_back();
        }
    }

    fn borrow(&self, from: &mut Buffer) -> Result<Tensor> {
        let spec = from.spec().clone();
        match from.memory_mut::<Memory>().and_then(Memory::lend) {
            Some(storage) => Tensor::of_storage(storage, &spec),
            None => {
                let mut tensor = Tensor::zeros(spec.dtype, [0]);
                self.read(from, &mut tensor)?;
                Ok(tensor)
            }
        }
    }

    fn reclaim(&self, buffer: &mut Buffer) -> Result<()> {
        buffer.memory_mut::<Memory>().map_or(Ok(()), Memory::reclaim)
    }

    fn share(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        self.options.threads.run(tasks, task);
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

/// The bytes that one thread copies at a time: a huge page.
const COPY: usize = 1 << 21;

fn memory<'a>(buffer: &'a Buffer, op: &'static str) -> Result<&'a Memory> {
    buffer.memory().ok_or_else(|| {
        Error::invalid(op, "a buffer of the backend `cpu`").got("one of another backend")
    })
}

fn in_use(op: &'static str) -> Error {
    Error::invalid(op, "a buffer that nobody uses").got("a buffer in use")
}
