//! Loops over the steps of sequences.
#![expect(
    unsafe_code,
    reason = "a plan of its own on places within the outer one's memory"
)]

use deckle_tensor::Result;

use super::Kernel;
use crate::{
    place::{Base, Context, Dense},
    plan::Plan,
};

/// A body that runs once per step, on memory of the plan around it.
pub(crate) struct ScanLoop {
    pub(crate) body: Plan,
    pub(crate) constants: usize,
    pub(crate) length: usize,
    pub(crate) reverse: bool,
    /// Constants, first carries, sequences.
    pub(crate) inputs: Vec<Dense>,
    /// Last carries, results.
    pub(crate) outputs: Vec<Dense>,
    /// Two places for each carry: one step's result, and the next one's.
    pub(crate) carries: Vec<[Dense; 2]>,
    /// The body's own memory.
    pub(crate) arena: Dense,
    /// Where the body finds its memories.
    pub(crate) bases: Dense,
}

impl Kernel for ScanLoop {
    fn run(&self, context: &Context<'_>) -> Result<()> {
        let carries = self.carries.len();
        let fixed = self.constants + carries;
        if self.length == 0 {
            for (from, to) in self.inputs[self.constants..fixed].iter().zip(&self.outputs)
            {
                let bytes = from.spec.bytes();
                let (from, to) = (context.pointer(from), context.pointer(to));
                // SAFETY: both are as long, and the plan keeps what is read and what is
                // written apart.
                unsafe { from.copy_to_nonoverlapping(to, bytes) };
            }
            return Ok(());
        }
        let bases = context.write::<Base>(&self.bases);
        let (first_input, first_output) = (2, 2 + self.inputs.len());
        bases[0] = Base(context.pointer(&self.arena));
        bases[1] = self.body.constants_base();
        for (i, input) in self.inputs.iter().enumerate() {
            bases[first_input + i] = Base(context.pointer(input));
        }
        let part = |whole: &Dense, step: usize| {
            let bytes = whole.spec.bytes() / self.length;
            // SAFETY: the step lies within the sequence.
            Base(unsafe { context.pointer(whole).add(step * bytes) })
        };
        for count in 0..self.length {
            let step = if self.reverse { self.length - 1 - count } else { count };
            for (i, carry) in self.carries.iter().enumerate() {
                let [now, before] = [count % 2, (count + 1) % 2];
                if count > 0 {
                    bases[first_input + self.constants + i] =
                        Base(context.pointer(&carry[before]));
                }
                let last = count + 1 == self.length;
                let to = if last { &self.outputs[i] } else { &carry[now] };
                bases[first_output + i] = Base(context.pointer(to));
            }
            for (i, sequence) in self.inputs.iter().enumerate().skip(fixed) {
                bases[first_input + i] = part(sequence, step);
            }
            for (i, result) in self.outputs.iter().enumerate().skip(carries) {
                bases[first_output + i] = part(result, step);
            }
            // SAFETY: the bases are those of the body's plan: its arena is scratch memory of
            // this instruction, inputs are only read, and no output lies where another value
            // of the step does.
            unsafe { self.body.execute(bases, context.threads, context.simd, None)? };
        }
        Ok(())
    }
}
