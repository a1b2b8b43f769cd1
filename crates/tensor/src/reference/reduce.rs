//! Many elements to one, and running sums.

use super::{
    layout::{axis_back, axis_last, transpose},
    number::{Wide, collect, narrow, with_wide},
};
use crate::{DType, Element, Reduction, Tensor};

pub(super) fn reduce(reduction: Reduction, axes: &[usize], x: &Tensor) -> Tensor {
    let kept: Vec<_> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let shape: Vec<_> = kept.iter().map(|&axis| x.shape()[axis]).collect();
    let count = axes.iter().map(|&axis| x.shape()[axis]).product();
    let rows = transpose(x, &[&kept, axes].concat()).contiguous();
    with_wide!(x.dtype(), T, W => {
        let (start, f) = fold::<W>(reduction, x.dtype());
        fold_rows::<T, W>(&rows, &shape, count, start, f)
    })
}

/// What the reduction starts with, and how it takes one more element.
fn fold<W: Wide>(reduction: Reduction, dtype: DType) -> (W, fn(W, W) -> W) {
    match reduction {
        Reduction::Sum => (W::ZERO, W::plus),
        Reduction::Product | Reduction::All => (W::ONE, W::times),
        Reduction::Max => (W::least(dtype), W::max),
        Reduction::Min => (W::greatest(dtype), W::min),
        Reduction::Any => (W::ZERO, W::max),
    }
}

fn fold_rows<T: Element, W: Wide>(
    rows: &Tensor,
    shape: &[usize],
    count: usize,
    start: W,
    f: fn(W, W) -> W,
) -> Tensor {
    let values = rows.as_slice::<T>().unwrap_or_default();
    let size = shape.iter().product();
    let row = |i: usize| &values[i * count..(i + 1) * count];
    collect(
        shape,
        (0..size).map(|i| {
            row(i).iter().fold(start, |sum, &value| f(sum, W::of(value))).to::<T>()
        }),
    )
}

/// Whether `new` takes the place of `old` as the largest (or least): NaN does, but the first
/// of equals stays.
pub(super) fn wins<W: Wide>(new: W, old: W, largest: bool) -> bool {
    let beyond = if largest { new > old } else { new < old };
    beyond || (new.is_nan() && !old.is_nan())
}

pub(super) fn arg_reduce(x: &Tensor, axis: usize, largest: bool) -> Tensor {
    let rows = axis_last(x, axis);
    let (shape, len) = (&rows.shape()[..x.rank() - 1], x.shape()[axis]);
    with_wide!(x.dtype(), T, W => {
        let values = rows.as_slice::<T>().unwrap_or_default();
        collect(shape, values.chunks(len).map(|row| {
            let mut best = 0;
            for i in 1..len {
                if wins(<W as Wide>::of(row[i]), <W as Wide>::of(row[best]), largest) {
                    best = i;
                }
            }
            best as i64
        }))
    })
}

pub(super) fn cum_sum(x: &Tensor, axis: usize, exclusive: bool, reverse: bool) -> Tensor {
    let rows = axis_last(x, axis);
    let len = x.shape()[axis].max(1);
    with_wide!(x.dtype(), T, W => {
        let values = rows.as_slice::<T>().unwrap_or_default();
        let mut sums = vec![<W as Wide>::ZERO; values.len()];
        for (row, sums) in values.chunks(len).zip(sums.chunks_mut(len)) {
            let mut sum = <W as Wide>::ZERO;
            for i in 0..len {
                let i = if reverse { len - 1 - i } else { i };
                let next = sum.plus(Wide::of(row[i]));
                sums[i] = if exclusive { sum } else { next };
                sum = next;
            }
        }
        axis_back(&narrow::<T, W>(rows.shape(), &sums), axis)
    })
}
