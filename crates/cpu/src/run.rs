//! Running plans on buffers: [`Runner`].
#![expect(unsafe_code, reason = "hands the memory of borrowed buffers to a plan")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deckle_tensor::{Buffer, Error, Executable, Result, Spec};

use crate::{
    Options, Simd, Threads,
    batch::Parts,
    memory::{Memory, Release},
    place::Base,
    plan::Plan,
    profile::{Measured, Recorder},
};

/// A plan, and memory for any number of runs at once.
pub(crate) struct Runner {
    plan: Plan,
    /// What runs in the plan's place, each part on one thread.
    parts: Option<Parts>,
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
        parts: Option<Parts>,
        options: &Options,
        recorder: Option<&Arc<Recorder>>,
    ) -> Result<Self> {
        let measure = |plan: &Plan| {
            recorder.map(|recorder| Measured::new(recorder, plan.subjects()))
        };
        let measured = measure(parts.as_ref().map_or(&plan, Parts::plan));
        let (threads, simd) = (Arc::clone(&options.threads), options.simd);
        // Each thread that computes parts needs memory.
        let at_once =
            parts.as_ref().map_or(1, |parts| parts.count().min(threads.count()));
        let idle = Mutex::default();
        let runner = Self { plan, parts, threads, simd, measured, idle };
        for _ in 0..at_once {
            let workspace = runner.workspace()?;
            runner.idle().push(workspace);
        }
        Ok(runner)
    }

    fn workspace(&self) -> Result<Workspace> {
        let bytes = match &self.parts {
            Some(parts) => parts.arena_bytes(),
            None => self.plan.arena_bytes(),
        };
        let arena = Memory::zeroed(bytes)?;
        let count = 2
            + self.plan.inputs.len()
            + self.plan.variables.len()
            + self.plan.outputs.len();
        Ok(Workspace { arena, bases: Vec::with_capacity(count) })
    }

    /// What it does, for people.
    pub(crate) fn text(&self) -> String {
        let whole = || self.plan.text().to_owned();
        self.parts.as_ref().map_or_else(whole, Parts::text)
    }

    /// Runs a plan on the examples from `start` on.
    ///
    /// # Safety
    ///
    /// The plan is that of the whole, or of a part of the examples; the buffers are acquired,
    /// and nobody else uses these examples of what is written.
    unsafe fn execute(
        &self,
        plan: &Plan,
        threads: &Threads,
        measured: Option<&Measured>,
        what: &Buffers<'_>,
        start: usize,
    ) -> Result<()> {
        let taken = self.idle().pop();
        let mut workspace = match taken {
            Some(workspace) => workspace,
            None => self.workspace()?,
        };
        let bases = &mut workspace.bases;
        bases.clear();
        bases.extend([Base(workspace.arena.pointer()), plan.constants_base()]);
        for number in 0..what.count() {
            let buffer = what.at(&self.plan, number).0;
            let memory = buffer.memory::<Memory>().expect("acquired");
            let before = match start {
                0 => 0,
                _ if what.is_variable(number) => 0,
                _ => start * (buffer.spec().bytes() / buffer.spec().shape[0]),
            };
            // SAFETY: the examples lie within the buffer.
            bases.push(Base(unsafe { memory.pointer().add(before) }));
        }
        // SAFETY: the caller's promise; the workspace is this run's own, and as large as the
        // plan needs.
        let done = unsafe { plan.execute(bases, threads, self.simd, measured) };
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

    const fn is_variable(&self, number: usize) -> bool {
        let (inputs, variables) = (self.inputs.len(), self.variables.len());
        number >= inputs && number < inputs + variables
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

/// What a part of a run ended with, if it is the first error by its number.
fn keep_first(
    result: &Mutex<Result<(), (usize, Error)>>,
    number: usize,
    done: Result<()>,
) {
    let Err(error) = done else { return };
    let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
    if !matches!(&*result, Err((first, _)) if *first < number) {
        *result = Err((number, error));
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
        match &self.parts {
            // As a task, so that subnormal numbers are flushed between parallel parts too.
            None => self.threads.run(1, &|_| {
                // SAFETY: all buffers have the plan's specs, and are borrowed until `_release`:
                // those that are written by this run alone.
                let done = unsafe {
                    let measured = self.measured.as_ref();
                    self.execute(&self.plan, &self.threads, measured, &what, 0)
                };
                keep_first(&result, 0, done);
            }),
            Some(parts) => self.threads.run(parts.count(), &|number| {
                let part = parts.part(number);
                let measured = self.measured.as_ref().filter(|_| part.is_common);
                // SAFETY: as above; no example belongs to two parts.
                let done = unsafe {
                    self.execute(part.plan, &parts.serial, measured, &what, part.start)
                };
                keep_first(&result, number, done);
            }),
        }
        let result = result.into_inner().unwrap_or_else(PoisonError::into_inner);
        result.map_err(|(_, error)| error)
    }

    fn plan(&self) -> String {
        self.text()
    }

    fn profile(&self) -> String {
        self.measured.as_ref().map_or_else(String::new, Measured::table)
    }
}
