//! The cell of an LSTM: [`Lstm`].

use super::{
    cell::{Cell, Formula, Step, StepBack, Target, each_by, parts, parts_mut},
    clear,
    products::Products,
};
use crate::simd::{Float, vectorized};

/// With the functions σ and tanh: z is x plus `h · kernel`, and its quarters `i, f, g, o` become
/// the gates `σ(i), σ(f), tanh(g), σ(o)`; then `c' = f · c + i · g` and `h' = o · tanh(c')`.
///
/// # References
///
/// S. Hochreiter, J. Schmidhuber, *Long short-term memory*, Neural Computation 9 (1997); with
/// the forget gate of F. Gers, J. Schmidhuber, F. Cummins (2000).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lstm;

impl Cell for Lstm {
    const STATES: usize = 2;
    const GATES: usize = 4;
    const KEPT: usize = 4;
    const PRODUCTS: &'static [(usize, usize)] = &[(0, 4)];
    const BIAS: bool = false;
    const IN_PLACE: Option<Target> = Some(Target::Kept);
    const SPARE: [usize; 2] = [0, 0];

    fn forward<T: Float>(step: Step<'_, T>, products: &mut Products<'_, T>) {
        let base = step.base();
        let Step { simd, units, before: [h, c], kept, .. } = step;
        products.add(0, h, base, kept);
        forward::<T>(simd)(units, kept, c, step.c, step.h);
    }

    fn backward<T: Float>(step: StepBack<'_, T>, products: &mut Products<'_, T>) {
        let StepBack { simd, units, kept, before: [h, c], after: [_, after], .. } = step;
        let StepBack { dh, dc, dx, mask, .. } = step;
        if kept.is_empty() {
            backward::<T>(simd)(units, dx, after, c, dh, dc);
        } else {
            backward_of::<T>(simd)(units, kept, dx, after, c, dh, dc);
        }
        if let Some(mask) = mask {
            clear(mask, 4 * units, dx, T::ZERO);
        }
        products.learn(0, h, dx);
        products.set_back(dx, dh);
    }
}

/// The gates, and the states after a step.
struct Next<const FMA: bool>;

impl<T: Float, const FMA: bool> Formula<T, 1, 6> for Next<FMA> {
    #[inline(always)]
    fn apply(&self, [before]: [T; 1], [i, f, g, o, ..]: [T; 6]) -> [T; 6] {
        let (i, f) = (i.sigmoid::<FMA>(), f.sigmoid::<FMA>());
        let (g, o) = (g.tanh::<FMA>(), o.sigmoid::<FMA>());
        let c = f * before + i * g;
        [i, f, g, o, c, o * c.tanh::<FMA>()]
    }
}

vectorized! {
    /// Makes z the gates; `c' = f · c + i · g` and `h' = o · tanh(c')`.
    fn forward<T: Float, const FMA: bool>(
        units: usize,
        z: &mut [T],
        before: &[T],
        c: &mut [T],
        h: &mut [T],
    ) {
        let rows = z.chunks_exact_mut(4 * units).zip(before.chunks_exact(units));
        let rows = rows.zip(c.chunks_exact_mut(units).zip(h.chunks_exact_mut(units)));
        for ((z, before), (c, h)) in rows {
            let [i, f, g, o] = parts_mut(z, units);
            each_by(units, [before], [i, f, g, o, c, h], &Next::<FMA>);
        }
    }
}

/// As [`Next`], with x apart.
struct NextOf<const FMA: bool>;

impl<T: Float, const FMA: bool> Formula<T, 5, 6> for NextOf<FMA> {
    #[inline(always)]
    fn apply(
        &self,
        [xi, xf, xg, xo, before]: [T; 5],
        [i, f, g, o, c, h]: [T; 6],
    ) -> [T; 6] {
        Next::<FMA>.apply([before], [xi + i, xf + f, xg + g, xo + o, c, h])
    }
}

vectorized! {
    /// Makes of z, which x is added to, the gates of a step, and its states.
    pub(crate) fn gates<T: Float, const FMA: bool>(
        units: usize,
        x: &[T],
        z: &mut [T],
        before: &[T],
        c: &mut [T],
        h: &mut [T],
    ) {
        let rows = x.chunks_exact(4 * units).zip(z.chunks_exact_mut(4 * units));
        let rows = rows.zip(before.chunks_exact(units));
        let states = c.chunks_exact_mut(units).zip(h.chunks_exact_mut(units));
        for (((x, z), before), (c, h)) in rows.zip(states) {
            let ([xi, xf, xg, xo], [i, f, g, o]) = (parts(x, units), parts_mut(z, units));
            let from = [xi, xf, xg, xo, before];
            each_by(units, from, [i, f, g, o, c, h], &NextOf::<FMA>);
        }
    }
}

/// The gradients by z, and by `c` before a step.
struct NextBack<const FMA: bool>;

impl<T: Float, const FMA: bool> Formula<T, 3, 5> for NextBack<FMA> {
    #[inline(always)]
    fn apply(&self, [after, before, dh]: [T; 3], [i, f, g, o, dc]: [T; 5]) -> [T; 5] {
        let tanh_c = after.tanh::<FMA>();
        // Through h' = o · tanh(c').
        let by_c = dc + dh * o * (T::ONE - tanh_c * tanh_c);
        [
            by_c * g * i * (T::ONE - i),
            by_c * before * f * (T::ONE - f),
            by_c * i * (T::ONE - g * g),
            dh * tanh_c * o * (T::ONE - o),
            by_c * f,
        ]
    }
}

vectorized! {
    /// Through a step: of the gradients by the states after it makes that by `c` before it, and
    /// of the gates the gradient by z.
    fn backward<T: Float, const FMA: bool>(
        units: usize,
        gates: &mut [T],
        after: &[T],
        before: &[T],
        dh: &[T],
        dc: &mut [T],
    ) {
        let rows = gates.chunks_exact_mut(4 * units).zip(after.chunks_exact(units));
        let rows = rows.zip(before.chunks_exact(units).zip(dh.chunks_exact(units)));
        for (((gates, after), (before, dh)), dc) in rows.zip(dc.chunks_exact_mut(units)) {
            let [i, f, g, o] = parts_mut(gates, units);
            let from = [after, before, dh];
            each_by(units, from, [i, f, g, o, dc], &NextBack::<FMA>);
        }
    }
}

/// As [`NextBack`], of gates that stay as they are.
struct NextBackOf<const FMA: bool>;

impl<T: Float, const FMA: bool> Formula<T, 7, 5> for NextBackOf<FMA> {
    #[inline(always)]
    fn apply(&self, [after, before, dh, i, f, g, o]: [T; 7], [.., dc]: [T; 5]) -> [T; 5] {
        NextBack::<FMA>.apply([after, before, dh], [i, f, g, o, dc])
    }
}

vectorized! {
    /// As [`backward`], of gates that stay as they are.
    fn backward_of<T: Float, const FMA: bool>(
        units: usize,
        gates: &[T],
        dz: &mut [T],
        after: &[T],
        before: &[T],
        dh: &[T],
        dc: &mut [T],
    ) {
        let rows = gates.chunks_exact(4 * units).zip(dz.chunks_exact_mut(4 * units));
        let states = before.chunks_exact(units).zip(dh.chunks_exact(units));
        let rows = rows.zip(after.chunks_exact(units).zip(states));
        let rows = rows.zip(dc.chunks_exact_mut(units));
        for (((gates, dz), (after, (before, dh))), dc) in rows {
            let [i, f, g, o] = parts(gates, units);
            let [dz_i, dz_f, dz_g, dz_o] = parts_mut(dz, units);
            let from = [after, before, dh, i, f, g, o];
            let to = [dz_i, dz_f, dz_g, dz_o, dc];
            each_by(units, from, to, &NextBackOf::<FMA>);
        }
    }
}

/// As [`NextBackOf`], of what a step began with.
struct NextBackFrom<const FMA: bool>;

impl<T: Float, const FMA: bool> Formula<T, 6, 5> for NextBackFrom<FMA> {
    #[inline(always)]
    fn apply(&self, [before, dh, i, f, g, o]: [T; 6], [.., dc]: [T; 5]) -> [T; 5] {
        let after = f * before + i * g;
        NextBack::<FMA>.apply([after, before, dh], [i, f, g, o, dc])
    }
}

vectorized! {
    /// Through a step, of which the gates and `c` before it are known: of the gradients by the
    /// states after it makes those by z and by `c` before it.
    pub(crate) fn gates_back<T: Float, const FMA: bool>(
        units: usize,
        gates: &[T],
        before: &[T],
        dh: &[T],
        dz: &mut [T],
        dc: &mut [T],
    ) {
        let rows = gates.chunks_exact(4 * units).zip(dz.chunks_exact_mut(4 * units));
        let rows = rows.zip(before.chunks_exact(units).zip(dh.chunks_exact(units)));
        for (((gates, dz), (before, dh)), dc) in rows.zip(dc.chunks_exact_mut(units)) {
            let [i, f, g, o] = parts(gates, units);
            let [dz_i, dz_f, dz_g, dz_o] = parts_mut(dz, units);
            let from = [before, dh, i, f, g, o];
            each_by(units, from, [dz_i, dz_f, dz_g, dz_o, dc], &NextBackFrom::<FMA>);
        }
    }
}
