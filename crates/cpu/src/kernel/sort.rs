//! Order along the last axis, without memory of its own.

use std::cmp::Ordering;

use super::{Kernel, arrange::is_nan, matmul::rows};
use crate::{
    place::{Context, Dense, Plain},
    tile::with_number,
};

/// Sorts each row; `values` and `positions` have `x`'s shape.
pub(crate) fn sort(
    x: Dense,
    values: Dense,
    positions: Dense,
    descending: bool,
) -> Box<dyn Kernel> {
    with_number!(x.spec.dtype, T => Box::new(move |context: &Context<'_>| {
        let len = x.shape().last().copied().unwrap_or(1);
        let x = context.read::<T>(&x);
        let positions = context.write::<i64>(&positions);
        rows(context.threads, positions, len, |row, positions| {
            let x = &x[row * len..][..len];
            for (i, position) in positions.iter_mut().enumerate() {
                *position = i as i64;
            }
            // Places are unequal, so that this sort keeps the order of equal values.
            positions.sort_unstable_by(|&i, &j| {
                order(x[i as usize], x[j as usize], descending).then(i.cmp(&j))
            });
        });
        let positions = &*positions;
        rows(context.threads, context.write::<T>(&values), len, |row, values| {
            for (i, value) in values.iter_mut().enumerate() {
                *value = x[row * len + positions[row * len + i] as usize];
            }
        });
        Ok(())
    }))
}

/// NaN is larger than all numbers.
fn order<T: Plain + PartialOrd>(a: T, b: T, descending: bool) -> Ordering {
    let ascending = a.partial_cmp(&b).unwrap_or_else(|| is_nan(a).cmp(&is_nan(b)));
    if descending { ascending.reverse() } else { ascending }
}

/// The `k` largest of each row, the largest first.
pub(crate) fn top_k(
    x: Dense,
    values: Dense,
    positions: Dense,
    k: usize,
) -> Box<dyn Kernel> {
    with_number!(x.spec.dtype, T => Box::new(move |context: &Context<'_>| {
        let len = x.shape().last().copied().unwrap_or(1);
        let x = context.read::<T>(&x);
        let positions = context.write::<i64>(&positions);
        rows(context.threads, positions, k, |row, best| {
            let x = &x[row * len..][..len];
            let mut count = 0;
            for (i, &value) in x.iter().enumerate() {
                // After all that are as large, which came before.
                let place = best[..count].partition_point(|&j| {
                    order(x[j as usize], value, true) != Ordering::Greater
                });
                if place < k {
                    count = k.min(count + 1);
                    best.copy_within(place..count - 1, place + 1);
                    best[place] = i as i64;
                }
            }
        });
        let positions = &*positions;
        rows(context.threads, context.write::<T>(&values), k, |row, values| {
            for (i, value) in values.iter_mut().enumerate() {
                *value = x[row * len + positions[row * k + i] as usize];
            }
        });
        Ok(())
    }))
}
