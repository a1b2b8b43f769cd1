//! The cells of GRUs: [`ResetAfter`], [`ResetBefore`].

use super::{
    cell::{Cell, Formula, Step, StepBack, Target, each, each_by, parts, parts_mut},
    clear,
    products::Products,
};
use crate::{
    Simd,
    gemm::Base,
    simd::{Float, vectorized},
};

/// With the functions σ and tanh, and the reset gate after the product: y is
/// `h · kernel + bias`, and in thirds `z = σ(x + y)`, `r = σ(x + y)`, `g = tanh(x + r · y)`;
/// then `h' = z · h + (1 - z) · g`. Kept are `z, r, g` and the last third of y.
///
/// # References
///
/// K. Cho et al., *Learning phrase representations using RNN encoder–decoder* (2014).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetAfter;

/// With the reset gate before the product: `z = σ(x + h · kernel)`, `r = σ(x + h · kernel)`,
/// `g = tanh(x + (r · h) · kernel)`; then `h' = z · h + (1 - z) · g`. Kept are `z, r, g`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetBefore;

impl Cell for ResetAfter {
    const STATES: usize = 1;
    const GATES: usize = 3;
    const KEPT: usize = 4;
    const PRODUCTS: &'static [(usize, usize)] = &[(0, 3)];
    const BIAS: bool = true;
    const IN_PLACE: Option<Target> = None;
    const SPARE: [usize; 2] = [3, 0];

    fn forward<T: Float>(step: Step<'_, T>, products: &mut Products<'_, T>) {
        let Step { simd, units, x, bias, before: [before, _], h, kept, spare: y, .. } =
            step;
        products.add(0, before, Base::Row(bias), y);
        after_forward::<T>(simd)(units, x, y, before, kept, h);
    }

    fn backward<T: Float>(step: StepBack<'_, T>, products: &mut Products<'_, T>) {
        let StepBack { simd, units, kept, before: [before, _], dh, .. } = step;
        let StepBack { dx, dy, mask, .. } = step;
        after_backward::<T>(simd)(units, kept, before, dh, dx, dy);
        if let Some(mask) = mask {
            clear(mask, 3 * units, dx, T::ZERO);
            clear(mask, 3 * units, dy, T::ZERO);
        }
        products.learn(0, before, dy);
        products.learn_bias(dy);
        products.add_back(0, dy, dh);
    }
}

impl Cell for ResetBefore {
    const STATES: usize = 1;
    const GATES: usize = 3;
    const KEPT: usize = 3;
    const PRODUCTS: &'static [(usize, usize)] = &[(0, 2), (2, 3)];
    const BIAS: bool = false;
    const IN_PLACE: Option<Target> = Some(Target::Kept);
    const SPARE: [usize; 2] = [1, 2];

    fn forward<T: Float>(step: Step<'_, T>, products: &mut Products<'_, T>) {
        let base = step.base();
        let Step { simd, units, before: [before, _], h, kept, spare: reset, .. } = step;
        products.add(0, before, base, kept);
        products.drop_for(2, before, reset);
        before_gates::<T>(simd)(units, kept, reset);
        products.add_ready(1, reset, base, kept);
        before_forward::<T>(simd)(units, kept, before, h);
    }

    fn backward<T: Float>(step: StepBack<'_, T>, products: &mut Products<'_, T>) {
        let StepBack { simd, units, kept, before: [before, _], dh, .. } = step;
        let StepBack { dx, mask, spare, .. } = step;
        if !kept.is_empty() {
            dx.copy_from_slice(kept);
        }
        let (reset, by_reset) = spare.split_at_mut(dh.len());
        // r · h, and the gradient by the candidate, in whose place its gate was.
        products.drop_for(2, before, reset);
        before_candidate::<T>(simd)(units, dx, dh, before, reset);
        if let Some(mask) = mask {
            // Nothing is learned of these steps.
            clear(mask, units, reset, T::ZERO);
            clear(mask, 3 * units, dx, T::ZERO);
        }
        products.learn_ready(1, reset, dx);
        products.set_back_ready(1, dx, by_reset);
        // reset is what r multiplied from here on.
        products.drop_for(2, before, reset);
        before_backward::<T>(simd)(units, dx, reset, by_reset);
        if let Some(mask) = mask {
            clear(mask, 3 * units, dx, T::ZERO);
        }
        products.drop_back(2, by_reset, dh);
        products.learn(0, before, dx);
        products.add_back(0, dx, dh);
    }

    fn source<T: Float>(product: usize, kept: &[T], states: &mut [T], simd: Simd) {
        if product == 1 {
            reset::<T>(simd)(kept, states);
        }
    }
}

/// The gates, the last part of y, and the state after a step.
struct Next<const FMA: bool>;

impl<T: Float, const FMA: bool> Formula<T, 7, 5> for Next<FMA> {
    #[inline(always)]
    fn apply(&self, [xz, xr, xg, yz, yr, yg, before]: [T; 7], _: [T; 5]) -> [T; 5] {
        let (z, r) = ((xz + yz).sigmoid::<FMA>(), (xr + yr).sigmoid::<FMA>());
        let g = (xg + r * yg).tanh::<FMA>();
        [z, r, g, yg, z * before + (T::ONE - z) * g]
    }
}

vectorized! {
    fn after_forward<T: Float, const FMA: bool>(
        units: usize,
        x: &[T],
        y: &[T],
        before: &[T],
        kept: &mut [T],
        h: &mut [T],
    ) {
        let rows = x.chunks_exact(3 * units).zip(y.chunks_exact(3 * units));
        let rows = rows.zip(kept.chunks_exact_mut(4 * units));
        let rows = rows.zip(before.chunks_exact(units).zip(h.chunks_exact_mut(units)));
        for (((x, y), kept), (before, h)) in rows {
            let ([xz, xr, xg], [yz, yr, yg]) = (parts(x, units), parts(y, units));
            let [z, r, g, last] = parts_mut(kept, units);
            let from = [xz, xr, xg, yz, yr, yg, before];
            each_by(units, from, [z, r, g, last, h], &Next::<FMA>);
        }
    }
}

vectorized! {
    /// Of the gradient by the state after a step it makes its part that goes around the
    /// product, and the gradients by x and y.
    fn after_backward<T: Float>(
        units: usize,
        kept: &[T],
        before: &[T],
        dh: &mut [T],
        dx: &mut [T],
        dy: &mut [T],
    ) {
        let rows = kept.chunks_exact(4 * units).zip(before.chunks_exact(units));
        let rows = rows.zip(dh.chunks_exact_mut(units));
        let rows = rows.zip(dx.chunks_exact_mut(3 * units).zip(dy.chunks_exact_mut(3 * units)));
        for (((kept, before), dh), (dx, dy)) in rows {
            let [z, r, g, y] = parts(kept, units);
            let [dx_z, dx_r, dx_g] = parts_mut(dx, units);
            let [dy_z, dy_r, dy_g] = parts_mut(dy, units);
            let to = [dh, dx_z, dx_r, dx_g, dy_z, dy_r, dy_g];
            each(units, [z, r, g, y, before], to, |[z, r, g, y, before], [dh, ..]| {
                let by_g = dh * (T::ONE - z) * (T::ONE - g * g);
                let by_z = dh * (before - g) * z * (T::ONE - z);
                let by_r = by_g * y * r * (T::ONE - r);
                [dh * z, by_z, by_r, by_g, by_z, by_r, by_g * r]
            });
        }
    }
}

struct Gates<const FMA: bool>;

impl<T: Float, const FMA: bool> Formula<T, 0, 3> for Gates<FMA> {
    #[inline(always)]
    fn apply(&self, _: [T; 0], [z, r, state]: [T; 3]) -> [T; 3] {
        let (z, r) = (z.sigmoid::<FMA>(), r.sigmoid::<FMA>());
        [z, r, r * state]
    }
}

vectorized! {
    /// Makes z and r the gates, and of the state what the last product takes.
    fn before_gates<T: Float, const FMA: bool>(
        units: usize,
        kept: &mut [T],
        state: &mut [T],
    ) {
        let rows = kept.chunks_exact_mut(3 * units).zip(state.chunks_exact_mut(units));
        for (kept, state) in rows {
            let [z, r, _] = parts_mut(kept, units);
            each_by(units, [], [z, r, state], &Gates::<FMA>);
        }
    }
}

/// The candidate, and the state after a step.
struct Mixed<const FMA: bool>;

impl<T: Float, const FMA: bool> Formula<T, 2, 2> for Mixed<FMA> {
    #[inline(always)]
    fn apply(&self, [z, before]: [T; 2], [g, _]: [T; 2]) -> [T; 2] {
        let g = g.tanh::<FMA>();
        [g, z * before + (T::ONE - z) * g]
    }
}

vectorized! {
    fn before_forward<T: Float, const FMA: bool>(
        units: usize,
        kept: &mut [T],
        before: &[T],
        h: &mut [T],
    ) {
        let rows = kept.chunks_exact_mut(3 * units).zip(before.chunks_exact(units));
        for ((kept, before), h) in rows.zip(h.chunks_exact_mut(units)) {
            let [z, _, g] = parts_mut(kept, units);
            each_by(units, [z, before], [g, h], &Mixed::<FMA>);
        }
    }
}

vectorized! {
    /// Makes of z and g the gradients by them, of the gradient by the state after a step its
    /// part that goes around the products, and of the state what the last product took.
    fn before_candidate<T: Float>(
        units: usize,
        dx: &mut [T],
        dh: &mut [T],
        before: &[T],
        state: &mut [T],
    ) {
        let rows = dx.chunks_exact_mut(3 * units).zip(dh.chunks_exact_mut(units));
        let rows = rows.zip(before.chunks_exact(units).zip(state.chunks_exact_mut(units)));
        for ((dx, dh), (before, state)) in rows {
            let [z, r, g] = parts_mut(dx, units);
            each(units, [r, before], [z, g, dh, state], |[r, before], [z, g, dh, state]| {
                let by_g = dh * (T::ONE - z) * (T::ONE - g * g);
                let by_z = dh * (before - g) * z * (T::ONE - z);
                [by_z, by_g, dh * z, r * state]
            });
        }
    }
}

vectorized! {
    /// Makes of r the gradient by it, and of that by what the last product took the one by the
    /// state that r multiplied.
    fn before_backward<T: Float>(
        units: usize,
        dx: &mut [T],
        state: &[T],
        by_product: &mut [T],
    ) {
        let rows = dx.chunks_exact_mut(3 * units).zip(state.chunks_exact(units));
        for ((dx, state), by) in rows.zip(by_product.chunks_exact_mut(units)) {
            let [_, r, _] = parts_mut(dx, units);
            each(units, [state], [r, by], |[state], [r, by]| {
                [by * state * r * (T::ONE - r), by * r]
            });
        }
    }
}

vectorized! {
    /// Multiplies states by r.
    fn reset<T: Float>(kept: &[T], states: &mut [T]) {
        let units = kept.len() / 3;
        let [_, r, _] = parts(kept, units);
        each(units, [r], [states], |[r], [state]| [r * state]);
    }
}
