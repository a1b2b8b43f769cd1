//! Primitives that move elements: views where strides suffice, copies elsewhere.

use super::number::collect;
use crate::{
    DType, Element, SliceAxis, Spec, Storage, Tensor,
    tensor::{Positions, contiguous_strides},
    with_element,
};

pub(super) fn transpose(x: &Tensor, permutation: &[usize]) -> Tensor {
    let shape = permutation.iter().map(|&axis| x.shape()[axis]).collect();
    let strides = permutation.iter().map(|&axis| x.strides()[axis]).collect();
    x.view(shape, strides, x.offset())
}

pub(super) fn broadcast(x: &Tensor, shape: &[usize]) -> Tensor {
    if x.shape() == shape {
        return x.clone();
    }
    let mut strides = vec![0; shape.len()];
    let first = shape.len() - x.rank();
    for (axis, (&len, &stride)) in x.shape().iter().zip(x.strides()).enumerate() {
        if len != 1 {
            strides[first + axis] = stride;
        }
    }
    x.view(shape.to_vec(), strides, x.offset())
}

pub(super) fn reshape(x: &Tensor, shape: &[usize]) -> Tensor {
    let x = x.contiguous();
    x.view(shape.to_vec(), contiguous_strides(shape), x.offset())
}

pub(super) fn slice(x: &Tensor, axes: &[SliceAxis]) -> Tensor {
    let shape: Vec<_> = axes.iter().map(|axis| axis.len).collect();
    if shape.contains(&0) {
        return Tensor::zeros(x.dtype(), shape);
    }
    let mut offset = x.offset().cast_signed();
    let mut strides = Vec::with_capacity(axes.len());
    for (axis, &stride) in axes.iter().zip(x.strides()) {
        offset += axis.start.cast_signed() * stride;
        // One element needs no way to the next, which need not fit into an `isize`.
        strides.push(if axis.len == 1 { 0 } else { axis.step * stride });
    }
    x.view(shape, strides, offset.unsigned_abs())
}

/// One step along the first axis, which goes away.
pub(super) fn step(x: &Tensor, at: usize) -> Tensor {
    let offset = x.offset().cast_signed() + at.cast_signed() * x.strides()[0];
    x.view(x.shape()[1..].to_vec(), x.strides()[1..].to_vec(), offset.unsigned_abs())
}

/// Tensors of one shape, one after the other along a new first axis.
pub(super) fn stack(spec: &Spec, steps: &[Tensor]) -> Tensor {
    with_element!(spec.dtype, T => {
        collect(&spec.shape, steps.iter().flat_map(Tensor::iter::<T>))
    })
}

pub(super) fn pad(x: &Tensor, value: &Tensor, padding: &[(usize, usize)]) -> Tensor {
    let lens = x.shape().iter().zip(padding);
    let shape: Vec<_> = lens.map(|(len, (low, high))| low + len + high).collect();
    let low: Vec<_> = padding.iter().map(|&(low, _)| low).collect();
    with_element!(x.dtype(), T => {
        let mut y = vec![value.memory::<T>()[value.offset()]; shape.iter().product()];
        place(&mut y, &shape, &low, x);
        collect(&shape, y.into_iter())
    })
}

pub(super) fn concat(parts: &[&Tensor], axis: usize, spec: &Spec) -> Tensor {
    let mut start = vec![0; spec.rank()];
    with_element!(spec.dtype, T => {
        let mut storage = Storage::zeroed(spec.bytes());
        let y = storage.as_mut_slice::<T>();
        for part in parts {
            place(y, &spec.shape, &start, part);
            start[axis] += part.shape()[axis];
        }
        Tensor::from_storage(storage, spec.dtype, &spec.shape)
    })
}

/// Copies `x` into an array of `shape`, its first element at `start`.
fn place<T: Element>(y: &mut [T], shape: &[usize], start: &[usize], x: &Tensor) {
    let strides = contiguous_strides(shape);
    let offset: usize =
        start.iter().zip(&strides).map(|(at, stride)| at * stride.unsigned_abs()).sum();
    for (at, value) in Positions::new(x.shape(), &strides, offset).zip(x.iter::<T>()) {
        y[at] = value;
    }
}

pub(super) fn iota(shape: &[usize], axis: usize, dtype: DType) -> Tensor {
    let after: usize = shape[axis + 1..].iter().product();
    with_element!(dtype, T => {
        collect(shape, (0..).map(|i: usize| {
            T::from_i64((i / after % shape[axis]).cast_signed() as i64)
        }))
    })
}

/// `x` with an axis moved to the end, in row-major order.
pub(super) fn axis_last(x: &Tensor, axis: usize) -> Tensor {
    let others = (0..x.rank()).filter(|&other| other != axis);
    transpose(x, &others.chain([axis]).collect::<Vec<_>>()).contiguous()
}

/// The inverse of [`axis_last`].
pub(super) fn axis_back(x: &Tensor, axis: usize) -> Tensor {
    let last = x.rank() - 1;
    let axes = (0..last).map(|i| if i < axis { i } else { i + 1 });
    let mut permutation = vec![last; x.rank()];
    for (from, to) in axes.enumerate() {
        permutation[to] = from;
    }
    transpose(x, &permutation)
}
