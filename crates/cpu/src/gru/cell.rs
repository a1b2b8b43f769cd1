//! One step of all units of some rows, between the products.

use crate::simd::{Float, vectorized};

vectorized! {
    /// Of x and `y = h · kernel + bias` it makes the gates, with y's last third beside them,
    /// and `h' = z · h + (1 - z) · g`.
    pub(super) fn forward<T: Float, const FMA: bool>(
        units: usize,
        x: &[T],
        y: &[T],
        before: &[T],
        gates: &mut [T],
        h: &mut [T],
    ) {
        let rows = x.chunks_exact(3 * units).zip(y.chunks_exact(3 * units));
        let rows = rows.zip(gates.chunks_exact_mut(4 * units));
        let rows = rows.zip(before.chunks_exact(units).zip(h.chunks_exact_mut(units)));
        for (((x, y), gates), (before, h)) in rows {
            let (zr, rest) = gates.split_at_mut(2 * units);
            let (g, last) = rest.split_at_mut(units);
            add(zr, &x[..2 * units], &y[..2 * units]);
            for value in &mut *zr {
                *value = value.sigmoid::<FMA>();
            }
            last.copy_from_slice(&y[2 * units..]);
            let (z, r) = zr.split_at(units);
            candidate(g, &x[2 * units..], r, last);
            for value in &mut *g {
                *value = value.tanh::<FMA>();
            }
            mix(h, z, before, g);
        }
    }
}

vectorized! {
    /// Through a step: of the gradient by the state after it makes its part that goes around
    /// the product, and the gradients by x and y.
    pub(super) fn backward<T: Float, const FMA: bool>(
        units: usize,
        gates: &[T],
        before: &[T],
        dh: &mut [T],
        dx: &mut [T],
        dy: &mut [T],
    ) {
        let rows = gates.chunks_exact(4 * units).zip(before.chunks_exact(units));
        let rows = rows.zip(dh.chunks_exact_mut(units));
        let rows = rows.zip(dx.chunks_exact_mut(3 * units).zip(dy.chunks_exact_mut(3 * units)));
        for (((gates, before), dh), (dx, dy)) in rows {
            step_back(units, gates, before, dh, dx, dy);
        }
    }
}

#[inline(always)]
fn add<T: Float>(to: &mut [T], a: &[T], b: &[T]) {
    let (a, b) = (&a[..to.len()], &b[..to.len()]);
    for j in 0..to.len() {
        to[j] = a[j] + b[j];
    }
}

/// `x + r · y`.
#[inline(always)]
fn candidate<T: Float>(to: &mut [T], x: &[T], r: &[T], y: &[T]) {
    let len = to.len();
    let (x, r, y) = (&x[..len], &r[..len], &y[..len]);
    for j in 0..len {
        to[j] = x[j] + r[j] * y[j];
    }
}

/// `z · h + (1 - z) · g`.
#[inline(always)]
fn mix<T: Float>(to: &mut [T], z: &[T], h: &[T], g: &[T]) {
    let len = to.len();
    let (z, h, g) = (&z[..len], &h[..len], &g[..len]);
    for j in 0..len {
        to[j] = z[j] * h[j] + (T::ONE - z[j]) * g[j];
    }
}

/// One row of [`backward`].
#[inline(always)]
fn step_back<T: Float>(
    units: usize,
    gates: &[T],
    before: &[T],
    dh: &mut [T],
    dx: &mut [T],
    dy: &mut [T],
) {
    let (z, rest) = gates.split_at(units);
    let (r, rest) = rest.split_at(units);
    let (g, y) = rest.split_at(units);
    let (y, before, dh) = (&y[..units], &before[..units], &mut dh[..units]);
    let (dx_z, rest) = dx.split_at_mut(units);
    let (dx_r, dx_g) = rest.split_at_mut(units);
    let (dy_z, rest) = dy.split_at_mut(units);
    let (dy_r, dy_g) = rest.split_at_mut(units);
    let (dx_g, dy_g) = (&mut dx_g[..units], &mut dy_g[..units]);
    for j in 0..units {
        let by_g = dh[j] * (T::ONE - z[j]) * (T::ONE - g[j] * g[j]);
        let by_z = dh[j] * (before[j] - g[j]) * z[j] * (T::ONE - z[j]);
        let by_r = by_g * y[j] * r[j] * (T::ONE - r[j]);
        dx_z[j] = by_z;
        dy_z[j] = by_z;
        dx_r[j] = by_r;
        dy_r[j] = by_r;
        dx_g[j] = by_g;
        dy_g[j] = by_g * r[j];
        dh[j] = dh[j] * z[j];
    }
}
