//! What is computed part by part.
#![expect(
    unsafe_code,
    reason = "plans of their own on places within the outer one's memory"
)]

use std::sync::{Arc, Mutex, PoisonError};

use deckle_tensor::{DType, Error, Result};

use super::Kernel;
use crate::{
    Simd,
    batch::{Part, Parts},
    graph::Id,
    memory::ALIGN,
    place::{Base, Context, Dense, Plain},
    simd::Float,
};

/// The elements of sums that are added up at a time: they stay in the first cache.
const CHUNK: usize = 2048;

/// The parts of a batch, each on one thread from its start to its end.
pub(crate) struct ByParts {
    parts: Arc<Parts>,
    /// Each with the bytes of an example, unless all examples share it.
    inputs: Vec<(Dense, Option<usize>)>,
    /// Each with the bytes of an example, unless it is the sum of what the parts make.
    outputs: Vec<(Dense, Option<usize>)>,
    /// For each thread that computes a part, its values and where its memories are; then what
    /// all parts share, and what each makes of each sum.
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
                (dense, (!is_shared).then_some(bytes))
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

    /// The bytes that a part makes of a sum, with those up to the next one.
    fn summand(sum: &Dense) -> usize {
        sum.spec.bytes().next_multiple_of(ALIGN)
    }

    /// Where in the scratch memory the parts' summands start, of each sum.
    fn summands(&self, threads: usize) -> impl Iterator<Item = (&Dense, usize)> {
        let mut start = self.slots(threads) * self.slot()
            + self.parts.shared_bytes().next_multiple_of(ALIGN);
        let sums = self.outputs.iter().filter(|(_, bytes)| bytes.is_none());
        sums.map(move |(sum, _)| {
            let own = start;
            start += self.parts.count() * Self::summand(sum);
            (sum, own)
        })
    }

    /// Adds up what the parts have made of the sums, one part after the other.
    ///
    /// # Safety
    ///
    /// All parts are done; `scratch` is theirs.
    unsafe fn add_up(&self, context: &Context<'_>, scratch: &Base) {
        for (sum, start) in self.summands(context.threads.count()) {
            // SAFETY: there it lies within the scratch memory.
            let first = Base(unsafe { scratch.0.add(start) });
            // SAFETY: the caller's promise.
            unsafe {
                match sum.spec.dtype {
                    DType::F64 => self.add::<f64>(context, sum, &first),
                    _ => self.add::<f32>(context, sum, &first),
                }
            }
        }
    }

    /// # Safety
    ///
    /// What each part has made of the sum, of this type, is at `first`, one after the other.
    unsafe fn add<T: Float + Plain>(
        &self,
        context: &Context<'_>,
        sum: &Dense,
        first: &Base,
    ) {
        let to = context.write::<T>(sum);
        context.threads.run_chunks(to, CHUNK, |start, chunk| {
            let len = chunk.len();
            let summand = |number: usize| {
                // SAFETY: the caller's promise; nobody writes there any more.
                unsafe {
                    let own = first.0.add(number * Self::summand(sum)).cast::<T>();
                    std::slice::from_raw_parts(own.add(start), len)
                }
            };
            chunk.copy_from_slice(summand(0));
            for number in 1..self.parts.count() {
                let summand = summand(number);
                chunk.iter_mut().zip(summand).for_each(|(sum, &x)| *sum += x);
            }
        });
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
        // a part lie within its values, and each has a summand of its own of each sum.
        unsafe {
            let arena = scratch.0.add(slot * slot_bytes);
            let bases = arena.add(self.parts.arena_bytes().next_multiple_of(ALIGN));
            let bases = std::slice::from_raw_parts_mut(bases.cast::<Base>(), count);
            bases[0] = Base(arena);
            bases[1] = part.plan.constants_base();
            let (inputs, outputs) = bases[2..].split_at_mut(self.inputs.len());
            let of_part = |value: &Dense, bytes: Option<usize>| {
                Base(context.pointer(value).add(part.start * bytes.unwrap_or(0)))
            };
            for (base, (value, bytes)) in inputs.iter_mut().zip(&self.inputs) {
                *base = of_part(value, *bytes);
            }
            let mut summands = self.summands(context.threads.count());
            for (base, (value, bytes)) in outputs.iter_mut().zip(&self.outputs) {
                let summand = if bytes.is_none() { summands.next() } else { None };
                *base = match summand {
                    Some((sum, start)) => {
                        Base(scratch.0.add(start + part.number * Self::summand(sum)))
                    }
                    None => of_part(value, *bytes),
                };
            }
            bases[count - 1] = Base(scratch.0.add(slots * slot_bytes + part.shared));
            bases
        }
    }
}

impl Kernel for ByParts {
    fn scratch(&self, _: Simd, threads: usize) -> usize {
        let end = self.slots(threads) * self.slot() + self.parts.shared_bytes();
        let last = self.summands(threads).last();
        let sums = |(sum, start)| start + self.parts.count() * Self::summand(sum);
        last.map_or(end, sums)
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
            // of an output and no summand belongs to two parts; nobody else uses the slot's memory.
            let done = unsafe {
                part.plan.execute(bases, &parts.serial, context.simd, measured)
            };
            if let Err(error) = done {
                keep_first(&first_error, number, error);
            }
        });
        let first = first_error.into_inner().unwrap_or_else(PoisonError::into_inner);
        first.map_or(Ok(()), |(_, error)| Err(error))?;
        // SAFETY: no part has failed.
        unsafe { self.add_up(context, &scratch) };
        Ok(())
    }
}

/// Keeps the error of the part with the lowest number.
fn keep_first(first: &Mutex<Option<(usize, Error)>>, number: usize, error: Error) {
    let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
    if first.as_ref().is_none_or(|&(known, _)| number < known) {
        *first = Some((number, error));
    }
}
