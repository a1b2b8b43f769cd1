//! Order along an axis.

use std::cmp::Ordering;

use super::{
    layout::{axis_back, axis_last},
    number::collect,
};
use crate::{Element, Tensor, with_element};

pub(super) fn sort(x: &Tensor, axis: usize, descending: bool) -> Vec<Tensor> {
    let sorted = first(&axis_last(x, axis), x.shape()[axis], descending);
    sorted.iter().map(|y| axis_back(y, axis)).collect()
}

pub(super) fn top_k(x: &Tensor, k: usize) -> Vec<Tensor> {
    first(&x.contiguous(), k, true)
}

/// The first `k` values in order along the last axis, and their positions.
fn first(x: &Tensor, k: usize, descending: bool) -> Vec<Tensor> {
    let mut shape = x.shape().to_vec();
    let len = shape.pop().unwrap_or(1);
    shape.push(k);
    with_element!(x.dtype(), T => {
        let values = x.as_slice::<T>().unwrap_or_default();
        let mut positions = Vec::with_capacity(shape.iter().product());
        for row in values.chunks(len.max(1)) {
            let mut order: Vec<_> = (0..len).collect();
            order.sort_by(|&i, &j| {
                let order = compare(row[i], row[j]);
                if descending { order.reverse() } else { order }
            });
            positions.extend_from_slice(&order[..k]);
        }
        let rows = positions.iter().enumerate().map(|(i, at)| i / k * len + at);
        vec![
            collect(&shape, rows.map(|at| values[at])),
            collect(&shape, positions.iter().map(|&at| at as i64)),
        ]
    })
}

/// The order of numbers, with all NaN equal and above ∞.
fn compare<T: Element>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.to_f64().is_nan().cmp(&b.to_f64().is_nan()))
}
