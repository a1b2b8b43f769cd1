//! Softmax of long rows, and its logarithm: a row stays in the cache until it is done.

use deckle_tensor::{Composite, DType, Result, Spec, Unary};

use super::{Kernel, matmul::rows};
use crate::{
    math,
    place::{Context, Dense, Plain},
    simd::Float,
    tile::LONGEST_ROW,
};

/// The elements that are computed at once, beside the row.
const PIECE: usize = 512;

/// `eˣ / Σeˣ` of each row, or `x - ln Σeˣ`; the largest element is subtracted first.
pub(crate) struct Softmax {
    x: Dense,
    out: Dense,
    logarithm: bool,
}

impl Softmax {
    /// Whether it is along the last axis, and of more elements than a pass takes at once:
    /// shorter rows are as fast by the body, and what is around them runs in the same pass.
    pub(super) fn takes(composite: &Composite) -> bool {
        let ([input], [output]) = (composite.body.inputs(), composite.body.outputs())
        else {
            return false;
        };
        let Spec { dtype, shape } = composite.body.spec(*input);
        let last = composite.int("axis") == Some(shape.len() as i64 - 1);
        last && matches!(dtype, DType::F32 | DType::F64)
            && shape.last().is_some_and(|&len| len > LONGEST_ROW)
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
        let simd = context.simd;
        rows(context.threads, context.write::<T>(&self.out), len, |row, out| {
            let x = &x[row * len..][..len];
            let larger =
                |a: T, b: T| if a > b || a.partial_cmp(&a).is_none() { a } else { b };
            let largest = x.iter().copied().fold(T::NEG_INFINITY, larger);
            let mut sum = T::ZERO;
            let mut powers = [T::ZERO; PIECE];
            for (out, x) in out.chunks_mut(PIECE).zip(x.chunks(PIECE)) {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = x - largest;
                }
                let powers = &mut powers[..out.len()];
                powers.copy_from_slice(out);
                math::unary_in_place(simd, Unary::Exp, powers);
                sum += sum_of(powers);
                if !self.logarithm {
                    out.copy_from_slice(powers);
                }
            }
            if self.logarithm {
                let mut total = [sum];
                math::unary_in_place(simd, Unary::Log, &mut total);
                out.iter_mut().for_each(|out| *out = *out - total[0]);
            } else {
                out.iter_mut().for_each(|out| *out = *out / sum);
            }
        });
    }
}

/// In a fixed order that vector instructions can follow.
fn sum_of<T: Float>(values: &[T]) -> T {
    let mut lanes = [T::ZERO; 16];
    for values in values.chunks(16) {
        for (lane, &value) in lanes.iter_mut().zip(values) {
            *lane += value;
        }
    }
    lanes.into_iter().fold(T::ZERO, |sum, lane| sum + lane)
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
