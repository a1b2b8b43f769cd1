//! Pooling and its adjoints, which all visit the same windows.

use super::{
    number::{Wide, collect, narrow, widen, with_wide},
    reduce::wins,
};
use crate::{Pool, Spec, Tensor, with_element};

/// The indices of all cells of an array, in row-major order.
pub(super) fn cells(lens: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    (0..lens.iter().product::<usize>()).map(move |mut at| {
        let mut index = vec![0; lens.len()];
        for (i, len) in index.iter_mut().zip(lens).rev() {
            *i = at % len;
            at /= len;
        }
        index
    })
}

/// Calls `f` with each element of `y` and the elements of `x` in its window.
fn visit(pool: &Pool, x: &[usize], y: &[usize], f: &mut dyn FnMut(usize, &[usize])) {
    let spatial = pool.window.len();
    let (batch, channels) = (x[0], x[spatial + 1]);
    let (lens, windows) = (&x[1..=spatial], &y[1..=spatial]);
    let (size_x, size_y) =
        (lens.iter().product::<usize>(), windows.iter().product::<usize>());
    let mut window = Vec::new();
    for (at_y, y) in cells(windows).enumerate() {
        let inside: Vec<_> =
            cells(&pool.window).filter_map(|k| cell(pool, lens, &y, &k)).collect();
        for b in 0..batch {
            for c in 0..channels {
                window.clear();
                window.extend(inside.iter().map(|at| (b * size_x + at) * channels + c));
                f((b * size_y + at_y) * channels + c, &window);
            }
        }
    }
}

/// The cell of `x` under a cell of the window, unless it lies outside.
fn cell(pool: &Pool, lens: &[usize], y: &[usize], k: &[usize]) -> Option<usize> {
    let mut at = 0;
    for axis in 0..lens.len() {
        let position = y[axis] * pool.strides[axis] + k[axis];
        let position = position.checked_sub(pool.padding[axis].0)?;
        if position >= lens[axis] {
            return None;
        }
        at = at * lens[axis] + position;
    }
    Some(at)
}

/// The place of the first largest element of each window, row-major in `y`.
fn largest(pool: &Pool, x: &Tensor, y: &[usize]) -> Vec<Option<usize>> {
    let mut places = vec![None; y.iter().product()];
    with_wide!(x.dtype(), T, W => {
        let values = widen::<T, W>(x);
        visit(pool, x.shape(), y, &mut |o, window| {
            places[o] = window.iter().copied().reduce(|best, i| {
                if wins(values[i], values[best], true) { i } else { best }
            });
        });
    });
    places
}

pub(super) fn max(pool: &Pool, x: &Tensor, y: &Spec) -> Tensor {
    let places = largest(pool, x, &y.shape);
    with_wide!(x.dtype(), T, W => {
        let values = x.contiguous();
        let values = values.as_slice::<T>().unwrap_or_default();
        let least = <W as Wide>::least(x.dtype()).to::<T>();
        collect(&y.shape, places.iter().map(|place| place.map_or(least, |i| values[i])))
    })
}

pub(super) fn max_gather(pool: &Pool, x: &Tensor, values: &Tensor, y: &Spec) -> Tensor {
    let places = largest(pool, x, &y.shape);
    with_element!(values.dtype(), T => {
        let values = values.contiguous();
        let values = values.as_slice::<T>().unwrap_or_default();
        let chosen = places.iter().map(|place| place.map(|i| values[i]));
        collect(&y.shape, chosen.map(Option::unwrap_or_default))
    })
}

pub(super) fn max_scatter(pool: &Pool, x: &Tensor, dy: &Tensor) -> Tensor {
    let places = largest(pool, x, dy.shape());
    with_wide!(dy.dtype(), T, W => {
        let dy = widen::<T, W>(dy);
        let mut sums = vec![<W as Wide>::ZERO; x.size()];
        for (place, &dy) in places.iter().zip(&dy) {
            if let Some(i) = *place {
                sums[i] = sums[i].plus(dy);
            }
        }
        narrow::<T, W>(x.shape(), &sums)
    })
}

pub(super) fn average(pool: &Pool, x: &Tensor, y: &Spec) -> Tensor {
    with_wide!(x.dtype(), T, W => {
        let values = widen::<T, W>(x);
        let mut means = vec![0.0; y.size()];
        visit(pool, x.shape(), &y.shape, &mut |o, window| {
            let sum = window.iter().fold(<W as Wide>::ZERO, |sum, &i| sum.plus(values[i]));
            means[o] = sum.to::<f64>() / window.len().max(1) as f64;
        });
        narrow::<T, f64>(&y.shape, &means)
    })
}

pub(super) fn average_to_input(pool: &Pool, dy: &Tensor, x: &Spec) -> Tensor {
    with_wide!(dy.dtype(), T, W => {
        let shares = widen::<T, f64>(dy);
        let mut sums = vec![<W as Wide>::ZERO; x.size()];
        visit(pool, &x.shape, dy.shape(), &mut |o, window| {
            let share = <W as Wide>::of(shares[o] / window.len().max(1) as f64);
            for &i in window {
                sums[i] = sums[i].plus(share);
            }
        });
        narrow::<T, W>(&x.shape, &sums)
    })
}
