//! Reading and adding at indices.
#![expect(unsafe_code, reason = "tasks that add to rows of their own")]

use std::sync::Arc;

use deckle_tensor::{DType, Error, Result};

use super::{Kernel, arrange::around, matmul::rows};
use crate::{
    Threads,
    place::{Context, Dense, Plain},
    threads::Disjoint,
    tile::{number::Number, with_number, with_width},
};

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

    /// Calls `body` with the place and the value of each index that leaves the remainder `part`
    /// by `parts`, a power of two.
    fn among(&self, part: usize, parts: usize, body: impl FnMut(usize, usize)) {
        /// The indices that are looked at before `body` is called: where each call waits for
        /// memory, a loop of calls alone lets several wait at once.
        const TOGETHER: usize = 256;
        fn find<T: Copy + Into<i64>>(
            values: &[T],
            [part, mask]: [u64; 2],
            mut body: impl FnMut(usize, usize),
        ) {
            let mut found = [(0, 0); TOGETHER];
            for (number, values) in values.chunks(TOGETHER).enumerate() {
                let mut last = 0;
                for (i, &value) in values.iter().enumerate() {
                    let value = value.into().cast_unsigned();
                    found[last] = (number * TOGETHER + i, value);
                    last += usize::from(value & mask == part);
                }
                for &(i, value) in &found[..last] {
                    body(i, value as usize);
                }
            }
        }
        let of = [part as u64, parts as u64 - 1];
        match self {
            Self::I32(values) => find(values, of, body),
            Self::I64(values) => find(values, of, body),
            Self::U8(values) => find(values, of, body),
            Self::U32(values) => find(values, of, body),
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
        let numbers = indices.checked(context, len)?;
        let (x, out) = (context.read::<T>(&x), context.write::<T>(&out));
        let (threads, sizes) = (context.threads, [len, inner]);
        match numbers {
            Numbers::I32(numbers) => read_rows(threads, x, numbers, sizes, out),
            Numbers::I64(numbers) => read_rows(threads, x, numbers, sizes, out),
            Numbers::U8(numbers) => read_rows(threads, x, numbers, sizes, out),
            Numbers::U32(numbers) => read_rows(threads, x, numbers, sizes, out),
        }
        Ok(())
    }))
}

/// Elements that one task reads.
const TOGETHER: usize = 4096;

/// Reads the rows at `indices`, which have been checked, of each `len` rows of `x`.
fn read_rows<T: Plain, I: Copy + Into<i64> + Sync>(
    threads: &Threads,
    x: &[T],
    indices: &[I],
    [len, inner]: [usize; 2],
    out: &mut [T],
) {
    if out.is_empty() {
        return;
    }
    let together = (TOGETHER / inner).max(1) * inner;
    threads.run_chunks(out, together, |start, mut out| {
        let first = start / inner;
        let (mut outer, mut next) = (first / indices.len(), first % indices.len());
        while !out.is_empty() {
            let count = (indices.len() - next).min(out.len() / inner);
            let (rows, rest) = out.split_at_mut(count * inner);
            let x = &x[outer * len * inner..][..len * inner];
            let indices = &indices[next..next + count];
            match inner {
                // Pixels: a call to copy so few elements takes longer than the copy.
                1 => read_short_rows::<1, T, I>(x, indices, rows),
                2 => read_short_rows::<2, T, I>(x, indices, rows),
                3 => read_short_rows::<3, T, I>(x, indices, rows),
                4 => read_short_rows::<4, T, I>(x, indices, rows),
                _ => {
                    for (row, &index) in rows.chunks_exact_mut(inner).zip(indices) {
                        let from = index.into() as usize * inner;
                        row.copy_from_slice(&x[from..from + inner]);
                    }
                }
            }
            (out, outer, next) = (rest, outer + 1, 0);
        }
    });
}

fn read_short_rows<const N: usize, T: Plain, I: Copy + Into<i64>>(
    x: &[T],
    indices: &[I],
    rows: &mut [T],
) {
    let (x, rows) = (x.as_chunks::<N>().0, rows.as_chunks_mut::<N>().0);
    for (row, &index) in rows.iter_mut().zip(indices) {
        *row = x[index.into() as usize];
    }
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
        if out.is_empty() {
            return Ok(());
        }
        // Each task adds to rows of its own, in the order of the indices, so that all numbers of
        // parts give the same bits; and looks at all indices, so that there are as few as do. Its
        // rows lie apart: small indices are often the frequent ones.
        let threads = context.threads.count();
        let parts = if outer >= threads { 1 } else { threads.next_power_of_two() };
        let out = Disjoint::new(out);
        context.threads.run(outer * parts, &|task| {
            let (outer, part) = (task / parts, task % parts);
            let row = |row: usize| {
                let start = (outer * len + row) * inner;
                // SAFETY: rows with this remainder by `parts` are this task's alone; it has one
                // of them at a time.
                unsafe { out.slice(start..start + inner) }
            };
            (part..len).step_by(parts).for_each(|i| row(i).fill(T::default()));
            let updates = &updates[outer * count * inner..][..count * inner];
            numbers.among(part, parts, |i, index| {
                for (to, &from) in row(index).iter_mut().zip(&updates[i * inner..][..inner]) {
                    *to = Number::add(*to, from);
                }
            });
        });
        Ok(())
    }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_every_width_are_read_across_tasks() {
        let threads = Threads::new(2);
        let (outer, len, count) = (3, 7, 2500);
        let indices: Vec<u8> = (0..count).map(|at| (at * at % len) as u8).collect();
        for inner in 1..7 {
            let x: Vec<u32> = (0..(outer * len * inner) as u32).collect();
            let mut out = vec![0; outer * count * inner];
            read_rows(&threads, &x, &indices, [len, inner], &mut out);
            let mut rows = out.chunks_exact(inner);
            for number in 0..outer {
                for &index in &indices {
                    let from = (number * len + usize::from(index)) * inner;
                    assert_eq!(rows.next(), Some(&x[from..from + inner]));
                }
            }
        }
        read_rows(&threads, &[] as &[u32], &[] as &[i64], [0, 3], &mut []);
        read_rows(&threads, &[1u32], &[0i64], [1, 0], &mut []);
    }
}
