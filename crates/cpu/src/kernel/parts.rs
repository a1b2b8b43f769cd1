//! What is computed part by part.
#![expect(
    unsafe_code,
    reason = "plans of their own on places within the outer one's memory"
)]

use std::sync::{Arc, Mutex, PoisonError};

use deckle_tensor::{Error, Result};

use super::Kernel;
use crate::{
    Simd,
    batch::{Part, Parts},
    graph::Id,
    memory::ALIGN,
    place::{Base, Context, Dense},
};

/// The parts of a batch, each on one thread from its start to its end.
pub(crate) struct ByParts {
    parts: Arc<Parts>,
    /// Each with the bytes of an example, or 0 if all examples share it.
    inputs: Vec<(Dense, usize)>,
    outputs: Vec<(Dense, usize)>,
    /// For each thread that computes a part, its values and where its memories are; then what
    /// all parts share.
    scratch: Option<Dense>,
}

impl ByParts {
    pub(crate) fn new(
        parts: Arc<Parts>,
        inputs: Vec<Dense>,
        outputs: Vec<Dense>,
    ) -> Self {
        let plan = parts.plan();
        let with = |all: Vec<Dense>, specs: &[deckle_tensor::Spec]| -> Vec<_> {
            let each = |(dense, part): (Dense, &deckle_tensor::Spec)| {
                let is_shared = dense.spec == *part;
                let bytes = dense.spec.bytes() / parts.examples();
                (dense, if is_shared { 0 } else { bytes })
            };
            all.into_iter().zip(specs).map(each).collect()
        };
        let inputs = with(inputs, &plan.inputs);
        let outputs = with(outputs, &plan.outputs);
        Self { parts, inputs, outputs, scratch: None }
    }

    const fn bases(&self) -> usize {
        3 + self.inputs.len() + self.outputs.len()
    }

    /// The threads that compute parts at the same time, at most.
    fn slots(&self, threads: usize) -> usize {
        threads.min(self.parts.count())
    }

    /// The bytes of scratch memory of a thread: its values, then where its memories are.
    fn slot(&self) -> usize {
        let bases = self.bases() * size_of::<Base>();
        self.parts.arena_bytes().next_multiple_of(ALIGN) + bases.next_multiple_of(ALIGN)
    }

    /// Where a part's memories are, written into its slot.
    ///
    /// # Safety
    ///
    /// `scratch` is what [`Kernel::scratch`] asks for, and nobody else uses the slot.
    unsafe fn bases_of<'a>(
        &self,
        context: &Context<'_>,
        scratch: &'a Base,
        slot: usize,
        part: &Part<'_>,
    ) -> &'a [Base] {
        let (slot_bytes, count) = (self.slot(), self.bases());
        let slots = self.slots(context.threads.count());
        // SAFETY: the caller's promise: slots, and what is shared after them, are aligned as
        // scratch memory is; a base is a pointer, of which all bits are values. The examples of
        // a part lie within its values.
        unsafe {
            let arena = scratch.0.add(slot * slot_bytes);
            let bases = arena.add(self.parts.arena_bytes().next_multiple_of(ALIGN));
            let bases = std::slice::from_raw_parts_mut(bases.cast::<Base>(), count);
            bases[0] = Base(arena);
            bases[1] = part.plan.constants_base();
            let all = self.inputs.iter().chain(&self.outputs);
            for (base, (value, bytes)) in bases[2..].iter_mut().zip(all) {
                *base = Base(context.pointer(value).add(part.start * bytes));
            }
            bases[count - 1] = Base(scratch.0.add(slots * slot_bytes + part.shared));
            bases
        }
    }
}

impl Kernel for ByParts {
    fn scratch(&self, _: Simd, threads: usize) -> usize {
        self.slots(threads) * self.slot() + self.parts.shared_bytes()
    }

    fn set_scratch(&mut self, id: Id, bytes: usize) {
        self.scratch = Some(Dense::scratch(id, bytes, 1));
    }

    fn parts(&self) -> Option<&Parts> {
        Some(&self.parts)
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let parts = &*self.parts;
        let scratch =
            Base(context.pointer(self.scratch.as_ref().expect("set in lowering")));
        for part in parts.of_each_plan() {
            // SAFETY: as below; no part runs yet.
            unsafe {
                let bases = self.bases_of(context, &scratch, 0, &part);
                part.plan.share(bases, context.threads, context.simd);
            }
        }
        let first_error = Mutex::new(None);
        // Any thread may take a part: where there are fewer parts than threads, the memory is
        // the part's.
        let by_part = parts.count() <= context.threads.count();
        context.threads.run_with_slot(parts.count(), &|number, slot| {
            let slot = if by_part { number } else { slot };
            let (scratch, part) = (&scratch, parts.part(number));
            // SAFETY: nobody else uses the slot.
            let bases = unsafe { self.bases_of(context, scratch, slot, &part) };
            let measured = parts.measured.get().filter(|_| part.is_common);
            // SAFETY: the bases are those of the part's plan. Inputs are only read; no example
            // of an output belongs to two parts; nobody else uses the slot's memory.
            let done = unsafe {
                part.plan.execute(bases, &parts.serial, context.simd, measured)
            };
            if let Err(error) = done {
                keep_first(&first_error, number, error);
            }
        });
        let first = first_error.into_inner().unwrap_or_else(PoisonError::into_inner);
        first.map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// Keeps the error of the part with the lowest number.
fn keep_first(first: &Mutex<Option<(usize, Error)>>, number: usize, error: Error) {
    let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
    if first.as_ref().is_none_or(|&(known, _)| number < known) {
        *first = Some((number, error));
    }
}
