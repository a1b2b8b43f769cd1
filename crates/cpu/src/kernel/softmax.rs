//! Softmax of rows that are not short, and its logarithm: a row stays in the cache until it is done.

use deckle_tensor::{Composite, DType, Result, Spec};

use super::Kernel;
use crate::{
    place::{Context, Dense, Plain},
    simd::Float,
    softmax::{log_softmax, softmax},
};

/// The least elements of a row.
const LEAST: usize = 64;

/// The elements of a task, unless one row has more.
const TOGETHER: usize = 1 << 14;

/// `eˣ / Σeˣ` of each row, or `x - ln Σeˣ`; the largest element is subtracted first.
pub(crate) struct Softmax {
    x: Dense,
    out: Dense,
    logarithm: bool,
}

impl Softmax {
    /// Whether it is along the last axis, and of enough elements: what is around shorter rows
    /// runs in one pass with the body.
    pub(super) fn takes(composite: &Composite) -> bool {
        let ([input], [output]) = (composite.body.inputs(), composite.body.outputs())
        else {
            return false;
        };
        let Spec { dtype, shape } = composite.body.spec(*input);
        let last = composite.int("axis") == Some(shape.len() as i64 - 1);
        last && matches!(dtype, DType::F32 | DType::F64)
            && shape.last().is_some_and(|&len| len >= LEAST)
            && composite.body.spec(*input) == composite.body.spec(*output)
    }

    pub(super) fn make(
        composite: &Composite,
        mut inputs: Vec<Dense>,
        mut results: Vec<Dense>,
    ) -> Option<Box<dyn Kernel>> {
        let (x, out) = (inputs.pop()?, results.pop()?);
        Some(Box::new(Self { x, out, logarithm: &*composite.name == "log_softmax" }))
    }

    fn compute<T: Float + Plain>(&self, context: &Context<'_>) {
        let len = self.x.shape().last().copied().unwrap_or(1);
        let x = context.read::<T>(&self.x);
        let of_rows = if self.logarithm { log_softmax::<T> } else { softmax::<T> };
        let of_rows = of_rows(context.simd);
        let out = context.write::<T>(&self.out);
        let together = (TOGETHER / len / 4 * 4).max(1);
        context.threads.run_chunks(out, together * len, |start, out| {
            out.copy_from_slice(&x[start..][..out.len()]);
            of_rows(out, len);
        });
    }
}

impl Kernel for Softmax {
    fn run(&self, context: &Context<'_>) -> Result<()> {
        match self.x.spec.dtype {
            DType::F64 => self.compute::<f64>(context),
            _ => self.compute::<f32>(context),
        }
        Ok(())
    }
}
