//! Compiled programs: [`Plan`].
#![expect(unsafe_code, reason = "runs kernels on memory that the plan lays out")]

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use deckle_tensor::{Composite, Program, Result, Spec};

use crate::{
    Options, Simd, Threads,
    assign::{FIRST, assign},
    batch::Parts,
    canonical::canonical,
    graph::{Graph, Origin},
    kernel::{self, Instruction},
    lower::lower,
    memory::Memory,
    place::{Base, Context, Place, Places},
    profile::{Measured, Subject},
};

/// Instructions, and where their values are.
pub(crate) struct Plan {
    instructions: Vec<Instruction>,
    places: Vec<Place>,
    constants: Memory,
    arena_bytes: usize,
    value_bytes: usize,
    shared_bytes: usize,
    text: String,
    /// Per instruction, the bytes of what it reads and writes.
    bytes: Vec<u64>,
    pub(crate) inputs: Vec<Spec>,
    pub(crate) variables: Vec<Spec>,
    pub(crate) outputs: Vec<Spec>,
    /// Per variable, whether a run changes it.
    pub(crate) updated: Vec<bool>,
}

impl Plan {
    /// The plan of a program.
    pub(crate) fn compile(program: &Program, options: &Options) -> Result<Self> {
        let keep = |composite: &Composite| {
            options.parts_of(composite).is_some()
                || (options.composites && kernel::takes(composite))
        };
        let canonical = canonical(program, &keep)?;
        let mut graph = Graph::new(&canonical);
        let mut lowered = lower(&mut graph, options)?;
        let assignment = assign(&mut graph, &mut lowered);
        let places = assignment.places;
        let constants = Memory::zeroed(assignment.constant_bytes)?;
        constants.write(assignment.constant_bytes, |bytes| {
            for (slot, place) in graph.values.iter().zip(&places) {
                if let Origin::Constant(tensor) = &slot.origin {
                    let from = tensor.as_bytes().expect("constants are contiguous");
                    bytes[place.offset..place.offset + from.len()].copy_from_slice(from);
                }
            }
        });
        let mut instructions = lowered.instructions;
        for instruction in &mut instructions {
            instruction.kernel.prepare(&|a, b| places[a] == places[b], options.simd);
        }
        let mut updated = vec![false; program.variables().len()];
        for update in program.updates() {
            updated[update.variable] = true;
        }
        let specs = |values: &[deckle_tensor::Value]| {
            values.iter().map(|&value| program.spec(value).clone()).collect::<Vec<_>>()
        };
        let bytes = |instruction: &Instruction| {
            let used = instruction.reads.iter().chain(&instruction.writes);
            let used: BTreeSet<_> = used.copied().collect();
            used.iter().map(|&id| graph.values[id].spec.bytes() as u64).sum()
        };
        let mut plan = Self {
            bytes: instructions.iter().map(bytes).collect(),
            instructions,
            places,
            constants,
            arena_bytes: assignment.arena_bytes,
            value_bytes: assignment.value_bytes,
            shared_bytes: assignment.shared_bytes,
            text: String::new(),
            inputs: specs(program.inputs()),
            variables: specs(program.variables()),
            outputs: program.output_specs(),
            updated,
        };
        plan.text = plan.describe(assignment.peak_bytes);
        Ok(plan)
    }

    /// One line per instruction, and one on memory.
    fn describe(&self, peak: usize) -> String {
        let mut text = String::new();
        for (number, instruction) in self.instructions.iter().enumerate() {
            let mut homes: Vec<_> =
                instruction.writes.iter().map(|&id| self.home(self.places[id])).collect();
            homes.dedup();
            let shown = homes.len().min(4);
            let more = if homes.len() > shown { ", ..." } else { "" };
            let homes = homes[..shown].join(", ");
            let path = match &*instruction.path {
                "" => String::new(),
                path => format!("  [{path}]"),
            };
            let name = &instruction.name;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{number:3}  {name}  @ {homes}{more}{path}");
        }
        let bytes = self.arena_bytes;
        let _ = writeln!(text, "arena {bytes} bytes, peak {peak} bytes");
        text
    }

    /// A place for people.
    fn home(&self, place: Place) -> String {
        let Some(external) = place.base.checked_sub(FIRST) else {
            return format!("arena+{}", place.offset);
        };
        let (inputs, variables) = (self.inputs.len(), self.variables.len());
        match external {
            i if i < inputs => format!("input {i}"),
            i if i < inputs + variables => format!("variable {}", i - inputs),
            i => format!("output {}", i - inputs - variables),
        }
    }

    /// What is measured of each instruction.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let subject = |(instruction, &bytes): (&Instruction, &u64)| Subject {
            name: instruction.name.clone(),
            path: Arc::clone(&instruction.path),
            flops: instruction.flops,
            bytes,
        };
        self.instructions.iter().zip(&self.bytes).map(subject).collect()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of scratch memory of one run.
    pub(crate) const fn arena_bytes(&self) -> usize {
        self.arena_bytes
    }

    /// The most bytes of values that live in it at the same time; whatever the threads.
    pub(crate) const fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// The bytes that all instructions read and write.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.iter().map(|&bytes| bytes as usize).sum()
    }

    /// The bytes of what all parts of a batch share, in a base after that of the last output.
    pub(crate) const fn shared_bytes(&self) -> usize {
        self.shared_bytes
    }

    /// Makes what all parts of a batch share, of inputs that they share.
    ///
    /// # Safety
    ///
    /// As for [`execute`](Self::execute).
    pub(crate) unsafe fn share(&self, bases: &[Base], threads: &Threads, simd: Simd) {
        let places = Places { places: &self.places, bases };
        // SAFETY: the caller's promise; kernels share one after the other.
        let context = unsafe { Context::new(places, threads, simd) };
        self.instructions.iter().for_each(|i| i.kernel.share(&context));
    }

    /// Where the constants are.
    pub(crate) const fn constants_base(&self) -> Base {
        Base(self.constants.pointer())
    }

    /// The parts that it computes, if it does.
    pub(crate) fn parts(&self) -> Option<&Parts> {
        self.instructions.iter().find_map(|instruction| instruction.kernel.parts())
    }

    /// Whether a run can return an error.
    pub(crate) fn fallible(&self) -> bool {
        self.instructions.iter().any(|instruction| instruction.fallible)
    }

    /// Runs all instructions.
    ///
    /// # Safety
    ///
    /// The bases are the arena, the constants, inputs, variables and outputs, each as long as
    /// its spec (the arena as [`Plan::arena_bytes`]) and aligned for its elements; and what
    /// parts share, if that is anything. Until the
    /// return nobody else uses the arena, outputs and updated variables, nor writes the others;
    /// no two of those that are written are one memory, nor one that is written and one that
    /// is read under another number.
    ///
    /// # Errors
    ///
    /// If an index lies outside its axis; then no variable has changed.
    pub(crate) unsafe fn execute(
        &self,
        bases: &[Base],
        threads: &Threads,
        simd: Simd,
        measured: Option<&Measured>,
    ) -> Result<()> {
        let places = Places { places: &self.places, bases };
        // SAFETY: the caller's promise; instructions run one after the other.
        let context = unsafe { Context::new(places, threads, simd) };
        let Some(measured) = measured else {
            return self.instructions.iter().try_for_each(|i| i.kernel.run(&context));
        };
        measured.run(|| {
            let mut numbered = self.instructions.iter().enumerate();
            numbered.try_for_each(|(number, instruction)| {
                measured.instruction(number, || instruction.kernel.run(&context))
            })
        })
    }
}
