//! Positions of extremes, and running sums.

use deckle_tensor::Element;

use super::{Kernel, matmul::rows};
use crate::{
    place::{Context, Dense, Plain},
    tile::{number::Number, with_number},
};

/// The lengths before, along and after an axis.
pub(super) fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    let size = |lens: &[usize]| lens.iter().product();
    [size(&shape[..axis]), shape[axis], size(&shape[axis + 1..])]
}

pub(crate) fn arg_reduce(
    x: Dense,
    out: Dense,
    axis: usize,
    largest: bool,
) -> Box<dyn Kernel> {
    with_number!(x.spec.dtype, T => Box::new(move |context: &Context<'_>| {
        positions::<T>(context, &x, &out, axis, largest);
        Ok(())
    }))
}

fn positions<T: Plain + PartialOrd>(
    context: &Context<'_>,
    x: &Dense,
    out: &Dense,
    axis: usize,
    largest: bool,
) {
    let [_, len, inner] = around(x.shape(), axis);
    let x = context.read::<T>(x);
    let out = context.write::<i64>(out);
    rows(context.threads, out, inner, |outer, out| {
        for (column, out) in out.iter_mut().enumerate() {
            let at = |i: usize| x[(outer * len + i) * inner + column];
            let mut best = 0;
            for i in 1..len {
                let (new, old) = (at(i), at(best));
                let better = if largest { new > old } else { new < old };
                if better || is_nan(new) && !is_nan(old) {
                    best = i;
                }
            }
            *out = best as i64;
        }
    });
}

pub(super) fn is_nan<T: PartialOrd + Copy>(value: T) -> bool {
    // NaN alone is not comparable to itself.
    value.partial_cmp(&value).is_none()
}

pub(crate) fn cumulative_sum(
    x: Dense,
    out: Dense,
    axis: usize,
    exclusive: bool,
    reverse: bool,
) -> Box<dyn Kernel> {
    with_number!(x.spec.dtype, T => Box::new(move |context: &Context<'_>| {
        running::<T>(context, &x, &out, axis, exclusive, reverse);
        Ok(())
    }))
}

fn running<T: Plain + Number + Element>(
    context: &Context<'_>,
    x: &Dense,
    out: &Dense,
    axis: usize,
    exclusive: bool,
    reverse: bool,
) {
    let [_, len, inner] = around(x.shape(), axis);
    let x = context.read::<T>(x);
    let out = context.write::<T>(out);
    rows(context.threads, out, len * inner, |outer, out| {
        let x = &x[outer * len * inner..][..len * inner];
        for step in 0..len {
            let place = |step: usize| if reverse { len - 1 - step } else { step } * inner;
            let (to, before) = (place(step), step.checked_sub(1).map(place));
            for column in 0..inner {
                let sum = before.map_or(T::default(), |at| out[at + column]);
                out[to + column] = match (exclusive, before) {
                    (true, None) => T::default(),
                    (true, Some(at)) => sum.add(x[at + column]),
                    (false, None) => x[to + column],
                    (false, Some(_)) => sum.add(x[to + column]),
                };
            }
        }
    });
}
