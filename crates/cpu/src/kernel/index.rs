//! Reading and adding at indices.

use std::sync::Arc;

use deckle_tensor::{DType, Error, Result};

use super::{Kernel, arrange::around, matmul::rows};
use crate::{
    Threads,
    place::{Context, Dense, Plain},
    tile::{number::Number, with_number, with_width},
};

/// The parts that the rows of one output are cut into.
const PARTS: usize = 16;

/// Where the indices are, and what they are checked against.
#[derive(Clone, Debug)]
pub(crate) struct Indices {
    pub(crate) from: Dense,
    pub(crate) op: &'static str,
    pub(crate) path: Arc<str>,
}

/// Integers of any width.
#[derive(Clone, Copy)]
enum Numbers<'a> {
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U32(&'a [u32]),
}

impl Numbers<'_> {
    fn at(&self, i: usize) -> i64 {
        match self {
            Self::I32(values) => values[i].into(),
            Self::I64(values) => values[i],
            Self::U8(values) => values[i].into(),
            Self::U32(values) => values[i].into(),
        }
    }

    /// An index that has been checked.
    fn index(&self, i: usize) -> usize {
        self.at(i) as usize
    }
}

impl Indices {
    /// The indices, each of them below `len`.
    fn checked<'a>(&self, context: &Context<'a>, len: usize) -> Result<Numbers<'a>> {
        let numbers = match self.from.spec.dtype {
            DType::I32 => Numbers::I32(context.read(&self.from)),
            DType::I64 => Numbers::I64(context.read(&self.from)),
            DType::U32 => Numbers::U32(context.read(&self.from)),
            _ => Numbers::U8(context.read(&self.from)),
        };
        let outside = |&index: &i64| usize::try_from(index).map_or(true, |i| i >= len);
        match (0..self.from.spec.size()).map(|i| numbers.at(i)).find(outside) {
            None => Ok(numbers),
            Some(index) => Err(Error::Index {
                op: self.op.into(),
                path: self.path.to_string(),
                index,
                len,
            }),
        }
    }
}

pub(crate) fn gather(
    x: Dense,
    indices: Indices,
    out: Dense,
    axis: usize,
) -> Box<dyn Kernel> {
    with_width!(x.spec.dtype.size(), T => Box::new(move |context: &Context<'_>| {
        let [_, len, inner] = around(x.shape(), axis);
        let count = indices.from.spec.size();
        let numbers = indices.checked(context, len)?;
        let x = context.read::<T>(&x);
        rows(context.threads, context.write::<T>(&out), inner, |row, out| {
            let (outer, i) = (row / count, row % count);
            let from = (outer * len + numbers.index(i)) * inner;
            out.copy_from_slice(&x[from..from + inner]);
        });
        Ok(())
    }))
}

pub(crate) fn scatter_add(
    indices: Indices,
    updates: Dense,
    out: Dense,
    axis: usize,
) -> Box<dyn Kernel> {
    with_number!(updates.spec.dtype, T => Box::new(move |context: &Context<'_>| {
        let [outer, len, inner] = around(out.shape(), axis);
        let count = indices.from.spec.size();
        let numbers = indices.checked(context, len)?;
        let updates = context.read::<T>(&updates);
        let out = context.write::<T>(&out);
        let part = if outer >= PARTS { len } else { len.div_ceil(PARTS) };
        // Each task adds to rows of its own, in the order of the indices.
        let add = |outer: usize, first: usize, out: &mut [T]| {
            out.fill(T::default());
            let last = first + out.len() / inner.max(1);
            for i in 0..count {
                let row = numbers.index(i);
                if (first..last).contains(&row) {
                    let to = &mut out[(row - first) * inner..][..inner];
                    let from = &updates[(outer * count + i) * inner..][..inner];
                    for (to, &from) in to.iter_mut().zip(from) {
                        *to = Number::add(*to, from);
                    }
                }
            }
        };
        in_parts(context.threads, out, [len, inner], part, add);
        Ok(())
    }))
}

/// Runs `body` with (outer index, first row, rows) on parts of the rows of an output.
fn in_parts<T: Plain>(
    threads: &Threads,
    out: &mut [T],
    [len, inner]: [usize; 2],
    part: usize,
    body: impl Fn(usize, usize, &mut [T]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    if part == len {
        threads.run_chunks(out, len * inner, |start, rows| {
            body(start / (len * inner), 0, rows);
        });
        return;
    }
    for (outer, out) in out.chunks_mut(len * inner).enumerate() {
        threads.run_chunks(out, part * inner, |start, rows| {
            body(outer, start / inner, rows);
        });
    }
}

pub(crate) fn gather_along(
    x: Dense,
    indices: Indices,
    out: Dense,
    axis: usize,
) -> Box<dyn Kernel> {
    with_width!(x.spec.dtype.size(), T => Box::new(move |context: &Context<'_>| {
        let [_, len, inner] = around(x.shape(), axis);
        let count = out.shape()[axis];
        let numbers = indices.checked(context, len)?;
        let x = context.read::<T>(&x);
        rows(context.threads, context.write::<T>(&out), inner, |row, out| {
            for (column, out) in out.iter_mut().enumerate() {
                let index = numbers.index(row * inner + column);
                *out = x[(row / count * len + index) * inner + column];
            }
        });
        Ok(())
    }))
}

pub(crate) fn scatter_add_along(
    indices: Indices,
    updates: Dense,
    out: Dense,
    axis: usize,
) -> Box<dyn Kernel> {
    with_number!(updates.spec.dtype, T => Box::new(move |context: &Context<'_>| {
        let [_, len, inner] = around(out.shape(), axis);
        let count = updates.shape()[axis];
        let numbers = indices.checked(context, len)?;
        let updates = context.read::<T>(&updates);
        rows(context.threads, context.write::<T>(&out), len * inner, |outer, out| {
            out.fill(T::default());
            for i in 0..count {
                for column in 0..inner {
                    let at = (outer * count + i) * inner + column;
                    let to = &mut out[numbers.index(at) * inner + column];
                    *to = Number::add(*to, updates[at]);
                }
            }
        });
        Ok(())
    }))
}
