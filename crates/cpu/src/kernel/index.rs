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

    /// The first one that is not below `len`.
    fn outside(&self, len: usize) -> Option<i64> {
        fn find<T: Copy + Into<i64>>(values: &[T], len: usize) -> Option<i64> {
            let is_outside = |&value: &T| value.into().cast_unsigned() >= len as u64;
            // All of them without a branch: hardly ever is there one.
            let any = values.iter().fold(false, |any, value| any | is_outside(value));
            any.then(|| values.iter().find(|value| is_outside(value)))?
                .map(|&value| value.into())
        }
        match self {
            Self::I32(values) => find(values, len),
            Self::I64(values) => find(values, len),
            Self::U8(values) => find(values, len),
            Self::U32(values) => find(values, len),
        }
    }

    /// Calls `body` with the place, and the distance from `first`, of each index that is less
    /// than `count` away from there.
    fn within(&self, first: usize, count: usize, body: impl FnMut(usize, usize)) {
        /// The indices that are looked at before `body` is called: where each call waits for
        /// memory, a loop of calls alone lets several wait at once.
        const TOGETHER: usize = 256;
        fn find<T: Copy + Into<i64>>(
            values: &[T],
            [first, count]: [u64; 2],
            mut body: impl FnMut(usize, usize),
        ) {
            let mut found = [(0, 0); TOGETHER];
            for (number, values) in values.chunks(TOGETHER).enumerate() {
                let mut last = 0;
                for (i, &value) in values.iter().enumerate() {
                    let away = value.into().cast_unsigned().wrapping_sub(first);
                    found[last] = (number * TOGETHER + i, away);
                    last += usize::from(away < count);
                }
                for &(i, away) in &found[..last] {
                    body(i, away as usize);
                }
            }
        }
        let range = [first as u64, count as u64];
        match self {
            Self::I32(values) => find(values, range, body),
            Self::I64(values) => find(values, range, body),
            Self::U8(values) => find(values, range, body),
            Self::U32(values) => find(values, range, body),
        }
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
        match numbers.outside(len) {
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
            let updates = &updates[outer * count * inner..][..count * inner];
            numbers.within(first, out.len() / inner.max(1), |i, row| {
                let to = &mut out[row * inner..][..inner];
                for (to, &from) in to.iter_mut().zip(&updates[i * inner..][..inner]) {
                    *to = Number::add(*to, from);
                }
            });
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
