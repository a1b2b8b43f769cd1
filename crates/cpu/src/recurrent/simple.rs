//! The cell of a simple recurrent layer: [`Simple`].

use super::{
    cell::{Cell, Formula, Step, StepBack, Target, each, each_by},
    clear,
    products::Products,
};
use crate::simd::{Float, vectorized};

/// `h' = tanh(x + h · kernel)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simple;

impl Cell for Simple {
    const STATES: usize = 1;
    const GATES: usize = 1;
    const KEPT: usize = 0;
    const PRODUCTS: &'static [(usize, usize)] = &[(0, 1)];
    const BIAS: bool = false;
    const IN_PLACE: Option<Target> = Some(Target::Sequence);
    const SPARE: [usize; 2] = [0, 0];

    fn forward<T: Float>(step: Step<'_, T>, products: &mut Products<'_, T>) {
        let base = step.base();
        let Step { simd, before: [before, _], h, .. } = step;
        products.add(0, before, base, h);
        forward::<T>(simd)(h);
    }

    fn backward<T: Float>(step: StepBack<'_, T>, products: &mut Products<'_, T>) {
        let StepBack { simd, units, before: [before, _], after: [after, _], .. } = step;
        let StepBack { dh, dx, mask, .. } = step;
        backward::<T>(simd)(after, dh, dx);
        if let Some(mask) = mask {
            clear(mask, units, dx, T::ZERO);
        }
        products.learn(0, before, dx);
        products.set_back(dx, dh);
    }
}

struct Tanh<const FMA: bool>;

impl<T: Float, const FMA: bool> Formula<T, 0, 1> for Tanh<FMA> {
    #[inline(always)]
    fn apply(&self, _: [T; 0], [h]: [T; 1]) -> [T; 1] {
        [h.tanh::<FMA>()]
    }
}

vectorized! {
    fn forward<T: Float, const FMA: bool>(h: &mut [T]) {
        each_by(h.len(), [], [h], &Tanh::<FMA>);
    }
}

vectorized! {
    fn backward<T: Float, const FMA: bool>(after: &[T], dh: &[T], dx: &mut [T]) {
        each(after.len(), [after, dh], [dx], |[h, dh], _| [dh * (T::ONE - h * h)]);
    }
}
