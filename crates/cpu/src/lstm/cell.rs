//! One step of all units of some rows, between the products.

use crate::simd::{Float, vectorized};

#[inline(always)]
fn sigmoid<T: Float, const FMA: bool>(values: &mut [T]) {
    for x in values {
        *x = x.sigmoid::<FMA>();
    }
}

#[inline(always)]
fn tanh<T: Float, const FMA: bool>(values: &mut [T]) {
    for x in values {
        *x = x.tanh::<FMA>();
    }
}

/// The four parts of a row.
#[inline(always)]
fn quarters<T>(row: &[T], units: usize) -> [&[T]; 4] {
    let (a, rest) = row.split_at(units);
    let (b, rest) = rest.split_at(units);
    let (c, d) = rest.split_at(units);
    [a, b, c, &d[..units]]
}

vectorized! {
    /// Makes z the gates; `c' = f · c + i · g` and `h' = o · tanh(c')`.
    pub(super) fn forward<T: Float, const FMA: bool>(
        units: usize,
        z: &mut [T],
        before: &[T],
        c: &mut [T],
        h: &mut [T],
    ) {
        let rows = z.chunks_exact_mut(4 * units).zip(before.chunks_exact(units));
        let rows = rows.zip(c.chunks_exact_mut(units).zip(h.chunks_exact_mut(units)));
        for ((z, before), (c, h)) in rows {
            sigmoid::<T, FMA>(&mut z[..2 * units]);
            tanh::<T, FMA>(&mut z[2 * units..3 * units]);
            sigmoid::<T, FMA>(&mut z[3 * units..]);
            let [i, f, g, o] = quarters(z, units);
            next_cells(c, [i, f, g, before]);
            h.copy_from_slice(c);
            tanh::<T, FMA>(h);
            for (h, &o) in h.iter_mut().zip(o) {
                *h = *h * o;
            }
        }
    }
}

vectorized! {
    /// Through a step: of the gradients by the states after it makes that by `c` before it,
    /// and `dz`.
    pub(super) fn backward<T: Float, const FMA: bool>(
        units: usize,
        gates: &[T],
        cells: &[T],
        before: &[T],
        dh: &[T],
        dc: &mut [T],
        dz: &mut [T],
    ) {
        let rows = gates.chunks_exact(4 * units).zip(cells.chunks_exact(units));
        let rows = rows.zip(before.chunks_exact(units).zip(dh.chunks_exact(units)));
        let rows = rows.zip(dc.chunks_exact_mut(units).zip(dz.chunks_exact_mut(4 * units)));
        for (((gates, cells), (before, dh)), (dc, dz)) in rows {
            // The last quarter holds tanh(c') until its own value takes its place.
            dz[3 * units..].copy_from_slice(cells);
            tanh::<T, FMA>(&mut dz[3 * units..]);
            let (first, rest) = dz.split_at_mut(units);
            let (second, rest) = rest.split_at_mut(units);
            let (third, fourth) = rest.split_at_mut(units);
            let gates = quarters(gates, units);
            step_back(gates, [before, dh], dc, [first, second, third, fourth]);
        }
    }
}

/// `c' = f · c + i · g`.
#[inline(always)]
fn next_cells<T: Float>(c: &mut [T], [i, f, g, before]: [&[T]; 4]) {
    let units = c.len();
    let (i, f, g, before) = (&i[..units], &f[..units], &g[..units], &before[..units]);
    for j in 0..units {
        c[j] = f[j] * before[j] + i[j] * g[j];
    }
}

/// One row of [`backward`]; the last quarter of `dz` holds tanh(c').
#[inline(always)]
fn step_back<T: Float>(
    [i, f, g, o]: [&[T]; 4],
    [before, dh]: [&[T]; 2],
    dc: &mut [T],
    [di, df, dg, d_o]: [&mut [T]; 4],
) {
    let units = dc.len();
    let (i, f, g, o) = (&i[..units], &f[..units], &g[..units], &o[..units]);
    let (before, dh) = (&before[..units], &dh[..units]);
    let (di, df) = (&mut di[..units], &mut df[..units]);
    let (dg, d_o) = (&mut dg[..units], &mut d_o[..units]);
    for j in 0..units {
        let tanh_c = d_o[j];
        // Through h' = o · tanh(c').
        let by_c = dc[j] + dh[j] * o[j] * (T::ONE - tanh_c * tanh_c);
        di[j] = by_c * g[j] * i[j] * (T::ONE - i[j]);
        df[j] = by_c * before[j] * f[j] * (T::ONE - f[j]);
        dg[j] = by_c * i[j] * (T::ONE - g[j] * g[j]);
        d_o[j] = dh[j] * tanh_c * o[j] * (T::ONE - o[j]);
        dc[j] = by_c * f[j];
    }
}
