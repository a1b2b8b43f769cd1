//! Running plans on buffers: [`Runner`].
#![expect(unsafe_code, reason = "hands the memory of borrowed buffers to a plan")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deckle_tensor::{Buffer, Error, Executable, Result, Spec};

use crate::{
    Options, Simd, Threads,
    memory::{Memory, Release},
    place::Base,
    plan::Plan,
    profile::{Measured, Recorder},
};

/// A plan, and memory for any number of runs at once.
pub(crate) struct Runner {
    plan: Plan,
    threads: Arc<Threads>,
    simd: Simd,
    measured: Option<Measured>,
    /// What no run uses just now.
    idle: Mutex<Vec<Workspace>>,
}

/// The memory of one run.
struct Workspace {
    arena: Memory,
    bases: Vec<Base>,
}

impl Runner {
    pub(crate) fn new(
        plan: Plan,
        options: &Options,
        recorder: Option<&Arc<Recorder>>,
    ) -> Result<Self> {
        let measure = |plan: &Plan, recorder| Measured::new(recorder, plan.subjects());
        let measured = recorder.map(|recorder| measure(&plan, recorder));
        if let (Some(parts), Some(recorder)) = (plan.parts(), recorder) {
            parts.measured.get_or_init(|| measure(parts.plan(), recorder));
        }
        let (threads, simd) = (Arc::clone(&options.threads), options.simd);
        let runner = Self { plan, threads, simd, measured, idle: Mutex::default() };
        let workspace = runner.workspace()?;
        runner.idle().push(workspace);
        Ok(runner)
    }

    fn workspace(&self) -> Result<Workspace> {
        let arena = Memory::zeroed(self.plan.arena_bytes())?;
        let count = 2
            + self.plan.inputs.len()
            + self.plan.variables.len()
            + self.plan.outputs.len();
        Ok(Workspace { arena, bases: Vec::with_capacity(count) })
    }

    /// Runs the plan.
    ///
    /// # Safety
    ///
    /// The buffers are acquired.
    unsafe fn execute(&self, what: &Buffers<'_>) -> Result<()> {
        let taken = self.idle().pop();
        let mut workspace = match taken {
            Some(workspace) => workspace,
            None => self.workspace()?,
        };
        let bases = &mut workspace.bases;
        bases.clear();
        bases.extend([Base(workspace.arena.pointer()), self.plan.constants_base()]);
        for number in 0..what.count() {
            let buffer = what.at(&self.plan, number).0;
            let memory = buffer.memory::<Memory>().expect("acquired");
            bases.push(Base(memory.pointer()));
        }
        // SAFETY: the caller's promise; the workspace is this run's own, and as large as the
        // plan needs.
        let done = unsafe {
            self.plan.execute(bases, &self.threads, self.simd, self.measured.as_ref())
        };
        self.idle().push(workspace);
        done
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Workspace>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the readers, or becomes the writer, of each buffer; undone by `release`.
    fn acquire(&self, what: &Buffers<'_>) -> Result<()> {
        for number in 0..what.count() {
            let (buffer, writes) = what.at(&self.plan, number);
            let memory = buffer.memory::<Memory>();
            let free = memory.is_some_and(|memory| match writes {
                true => memory.acquire_write(),
                false => memory.acquire_read(),
            });
            if !free {
                release(&self.plan, what, number);
                let got = match memory {
                    Some(_) => "a buffer in use",
                    None => "a buffer of another backend",
                };
                return Err(Error::invalid(
                    "run",
                    "buffers of this backend that nobody uses",
                )
                .got(format_args!("{got} as {}", what.name(number)))
                .help(
                    "wait for the other run, or give each output a buffer of its own",
                ));
            }
        }
        Ok(())
    }
}

/// Gives back the first `count` buffers.
fn release(plan: &Plan, what: &Buffers<'_>, count: usize) {
    for number in 0..count {
        let (buffer, writes) = what.at(plan, number);
        if let Some(memory) = buffer.memory::<Memory>() {
            if writes {
                memory.release_write();
            } else {
                memory.release_read();
            }
        }
    }
}

/// What a run works on.
struct Buffers<'a> {
    inputs: &'a [Buffer],
    variables: &'a [Buffer],
    outputs: &'a [Buffer],
}

impl<'a> Buffers<'a> {
    const fn count(&self) -> usize {
        self.inputs.len() + self.variables.len() + self.outputs.len()
    }

    /// A buffer, and whether it is written.
    fn at(&self, plan: &Plan, number: usize) -> (&'a Buffer, bool) {
        let after_inputs = number.checked_sub(self.inputs.len());
        let after_variables =
            after_inputs.and_then(|n| n.checked_sub(self.variables.len()));
        match (after_inputs, after_variables) {
            (_, Some(output)) => (&self.outputs[output], true),
            (Some(variable), None) => (&self.variables[variable], plan.updated[variable]),
            (None, _) => (&self.inputs[number], false),
        }
    }

    fn name(&self, number: usize) -> String {
        let (inputs, variables) = (self.inputs.len(), self.variables.len());
        match number {
            n if n < inputs => format!("input {n}"),
            n if n < inputs + variables => format!("variable {}", n - inputs),
            n => format!("output {}", n - inputs - variables),
        }
    }
}

fn check(what: &str, expected: &[Spec], got: &[Buffer]) -> Result<()> {
    if expected.len() != got.len() {
        return Err(Error::invalid("run", format_args!("{} {what}s", expected.len()))
            .got(format_args!("{}", got.len())));
    }
    for (number, (spec, buffer)) in expected.iter().zip(got).enumerate() {
        if spec != buffer.spec() {
            return Err(Error::invalid("run", format_args!("{spec} as {what} {number}"))
                .got(buffer.spec()));
        }
    }
    Ok(())
}

impl Executable for Runner {
    fn run(
        &self,
        inputs: &[Buffer],
        variables: &[Buffer],
        outputs: &[Buffer],
    ) -> Result<()> {
        check("input", &self.plan.inputs, inputs)?;
        check("variable", &self.plan.variables, variables)?;
        check("output", &self.plan.outputs, outputs)?;
        let what = Buffers { inputs, variables, outputs };
        self.acquire(&what)?;
        let _release = Release(|| release(&self.plan, &what, what.count()));
        let result = Mutex::new(Ok(()));
        // As a task, so that subnormal numbers are flushed between parallel parts too.
        self.threads.run(1, &|_| {
            // SAFETY: all buffers have the plan's specs, and are borrowed until `_release`:
            // those that are written by this run alone.
            let done = unsafe { self.execute(&what) };
            *result.lock().unwrap_or_else(PoisonError::into_inner) = done;
        });
        result.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self) -> String {
        self.plan.text().to_owned()
    }

    fn profile(&self) -> String {
        let parts = self.plan.parts().and_then(|parts| parts.measured.get());
        let both = self.measured.iter().chain(parts);
        both.map(Measured::table).collect()
    }
}
