//! Elements at places that other elements name.

use super::{
    layout::{axis_back, axis_last},
    number::{Wide, collect, narrow, widen, with_wide},
};
use crate::{Element, Error, Result, Tensor, with_element};

/// The indices in row-major order, all below `len`.
fn places(op: &'static str, indices: &Tensor, len: usize) -> Result<Vec<usize>> {
    with_element!(indices.dtype(), T => {
        let place = |index: T| {
            let index = index.to_i64();
            usize::try_from(index).ok().filter(|&place| place < len).ok_or_else(|| {
                Error::Index { op: op.into(), path: String::new(), index, len }
            })
        };
        indices.iter::<T>().map(place).collect()
    })
}

pub(super) fn gather(x: &Tensor, indices: &Tensor, axis: usize) -> Result<Tensor> {
    let len = x.shape()[axis];
    let places = places("gather", indices, len)?;
    let (before, after) = (&x.shape()[..axis], &x.shape()[axis + 1..]);
    let shape = [before, indices.shape(), after].concat();
    let (outer, inner) =
        (before.iter().product::<usize>(), after.iter().product::<usize>());
    let x = x.contiguous();
    Ok(with_element!(x.dtype(), T => {
        let values = x.as_slice::<T>().unwrap_or_default();
        let starts = (0..outer).flat_map(|i| places.iter().map(move |at| (i * len + at) * inner));
        collect(&shape, starts.flat_map(|start| &values[start..start + inner]).copied())
    }))
}

pub(super) fn scatter_add(
    indices: &Tensor,
    updates: &Tensor,
    axis: usize,
    len: usize,
) -> Result<Tensor> {
    let places = places("scatter_add", indices, len)?;
    let (before, rest) = updates.shape().split_at(axis);
    let after = &rest[indices.rank()..];
    let (outer, inner) =
        (before.iter().product::<usize>(), after.iter().product::<usize>());
    let shape = [before, &[len], after].concat();
    Ok(with_wide!(updates.dtype(), T, W => {
        let updates = widen::<T, W>(updates);
        let mut sums = vec![<W as Wide>::ZERO; outer * len * inner];
        let starts = (0..outer).flat_map(|i| places.iter().map(move |at| (i * len + at) * inner));
        for (start, updates) in starts.zip(updates.chunks(inner.max(1))) {
            for (sum, &update) in sums[start..start + inner].iter_mut().zip(updates) {
                *sum = sum.plus(update);
            }
        }
        narrow::<T, W>(&shape, &sums)
    }))
}

pub(super) fn gather_along(x: &Tensor, indices: &Tensor, axis: usize) -> Result<Tensor> {
    let len = x.shape()[axis];
    let (x, indices) = (axis_last(x, axis), axis_last(indices, axis));
    let places = places("gather_along", &indices, len)?;
    let count = indices.shape()[indices.rank() - 1];
    Ok(with_element!(x.dtype(), T => {
        let values = x.as_slice::<T>().unwrap_or_default();
        let chosen = places.iter().enumerate().map(|(i, at)| values[i / count * len + at]);
        axis_back(&collect(indices.shape(), chosen), axis)
    }))
}

pub(super) fn scatter_add_along(
    indices: &Tensor,
    updates: &Tensor,
    axis: usize,
    len: usize,
) -> Result<Tensor> {
    let (indices, updates) = (axis_last(indices, axis), axis_last(updates, axis));
    let places = places("scatter_add_along", &indices, len)?;
    let mut shape = indices.shape().to_vec();
    let count = shape.pop().unwrap_or(1);
    shape.push(len);
    Ok(with_wide!(updates.dtype(), T, W => {
        let updates = widen::<T, W>(&updates);
        let mut sums = vec![<W as Wide>::ZERO; shape.iter().product()];
        for (i, (at, &update)) in places.iter().zip(&updates).enumerate() {
            let sum = &mut sums[i / count * len + at];
            *sum = sum.plus(update);
        }
        axis_back(&narrow::<T, W>(&shape, &sums), axis)
    }))
}
