//! Primitives that make or move elements.

use super::{
    Suite,
    data::{Domain, Draft, Feed, numbers, values},
};
use crate::{DType, Primitive, SliceAxis, Spec, random::Draw, shape_text};

const DOMAIN: Domain = Domain::Between(-9.0, 9.0);
const SHAPES: [&[usize]; 9] =
    [&[], &[1], &[7], &[0], &[3, 5], &[2, 0, 3], &[2, 3, 4], &[2, 1, 3, 2], &[17, 33]];

pub(super) fn check(suite: &mut Suite<'_>) {
    for (i, dtype) in numbers().chain([DType::Bool]).enumerate() {
        for (j, shape) in SHAPES.into_iter().enumerate() {
            check_sources(suite, dtype, shape);
            check_pad(suite, dtype, shape, i + j);
            check_slice(suite, dtype, shape, i + j);
            check_concat(suite, dtype, shape, i + j);
            check_transpose(suite, dtype, shape, i + j);
            check_reshape(suite, dtype, shape, i + j);
        }
        check_broadcast(suite, dtype, i);
    }
}

/// Checks one primitive of one operand; elements only move, so they stay the same.
fn check_one(
    suite: &mut Suite<'_>,
    primitive: Primitive,
    dtype: DType,
    shape: &[usize],
    feed: Feed,
) {
    let name = format!("{primitive:?} {dtype} {} {feed:?}", shape_text(shape));
    let mut draft = Draft::new(name).relative(0.0, 0.0);
    let x = draft.operand(dtype, shape, DOMAIN, feed);
    let y = draft.push(primitive, &[x]);
    suite.check(&draft.finish(&[y]));
}

fn check_sources(suite: &mut Suite<'_>, dtype: DType, shape: &[usize]) {
    let name = format!("constant {dtype} {}", shape_text(shape));
    let mut draft = Draft::new(name).relative(0.0, 0.0);
    let tensor = values(&Spec::new(dtype, shape), DOMAIN, Draw::new(1, 2, 3));
    let y = draft.builder.constant(&tensor);
    suite.check(&draft.finish(&[y]));
    if dtype == DType::Bool {
        return;
    }
    for axis in 0..shape.len() {
        let name = format!("iota {dtype} {} axis {axis}", shape_text(shape));
        let mut draft = Draft::new(name).relative(0.0, 0.0);
        let y = draft.push(Primitive::Iota { shape: shape.to_vec(), axis, dtype }, &[]);
        suite.check(&draft.finish(&[y]));
    }
}

fn check_pad(suite: &mut Suite<'_>, dtype: DType, shape: &[usize], nth: usize) {
    for padding in [(0, 0), (1, 2), (3, 0)] {
        let feed = Feed::nth(nth + padding.0);
        let name = format!("pad {dtype} {} by {padding:?} {feed:?}", shape_text(shape));
        let mut draft = Draft::new(name).relative(0.0, 0.0);
        let x = draft.operand(dtype, shape, DOMAIN, feed);
        let value = draft.operand(dtype, &[], DOMAIN, Feed::nth(nth + padding.1));
        // Not the same along all axes.
        let (low, high) = padding;
        let padding = (0..shape.len()).map(|axis| (low + axis, high)).collect();
        let y = draft.push(Primitive::Pad { padding }, &[x, value]);
        suite.check(&draft.finish(&[y]));
    }
}

fn check_slice(suite: &mut Suite<'_>, dtype: DType, shape: &[usize], nth: usize) {
    let of_len = |f: fn(usize) -> SliceAxis| shape.iter().map(|&len| f(len)).collect();
    let slices: [Vec<SliceAxis>; 5] = [
        of_len(SliceAxis::all),
        of_len(|len| SliceAxis { start: len / 2, len: len - len / 2, step: 1 }),
        of_len(|len| SliceAxis { start: 0, len: len.div_ceil(3), step: 3 }),
        of_len(|len| SliceAxis {
            start: len.saturating_sub(1),
            len: len.div_ceil(2),
            step: -2,
        }),
        of_len(|len| SliceAxis { start: len, len: 0, step: 1 }),
    ];
    for (i, axes) in slices.into_iter().enumerate() {
        check_one(suite, Primitive::Slice(axes), dtype, shape, Feed::nth(nth + i));
    }
}

fn check_concat(suite: &mut Suite<'_>, dtype: DType, shape: &[usize], nth: usize) {
    for axis in 0..shape.len() {
        for parts in [1, 2, 4] {
            let feed = Feed::nth(nth + parts);
            let name = format!(
                "concat {dtype} {} axis {axis} of {parts} {feed:?}",
                shape_text(shape)
            );
            let mut draft = Draft::new(name).relative(0.0, 0.0);
            let made: Vec<_> = (0..parts)
                .map(|i| {
                    let mut shape = shape.to_vec();
                    shape[axis] = (shape[axis] + i) % 4;
                    draft.operand(dtype, &shape, DOMAIN, Feed::nth(nth + parts + i))
                })
                .collect();
            let y = draft.push(Primitive::Concat { axis }, &made);
            suite.check(&draft.finish(&[y]));
        }
        let name =
            format!("concat {dtype} {} axis {axis} with itself", shape_text(shape));
        let mut draft = Draft::new(name).relative(0.0, 0.0);
        let x = draft.input(dtype, shape, DOMAIN);
        let y = draft.push(Primitive::Concat { axis }, &[x, x]);
        suite.check(&draft.finish(&[y]));
    }
}

fn check_transpose(suite: &mut Suite<'_>, dtype: DType, shape: &[usize], nth: usize) {
    let rank = shape.len();
    let rotated = |by: usize| (0..rank).map(|axis| (axis + by) % rank.max(1)).collect();
    let mut swapped: Vec<_> = (0..rank).collect();
    if rank > 1 {
        swapped.swap(0, 1);
    }
    let permutations: [Vec<usize>; 4] =
        [rotated(1), rotated(2), (0..rank).rev().collect(), swapped];
    for (i, permutation) in permutations.into_iter().enumerate() {
        let primitive = Primitive::Transpose { permutation };
        check_one(suite, primitive, dtype, shape, Feed::nth(nth + 2 * i));
    }
}

fn check_reshape(suite: &mut Suite<'_>, dtype: DType, shape: &[usize], nth: usize) {
    let size: usize = shape.iter().product();
    let reversed: Vec<_> = shape.iter().rev().copied().collect();
    for (i, shape_to) in [vec![size], vec![1, size, 1], reversed].into_iter().enumerate()
    {
        let primitive = Primitive::Reshape { shape: shape_to };
        check_one(suite, primitive, dtype, shape, Feed::nth(nth + 3 * i));
    }
}

fn check_broadcast(suite: &mut Suite<'_>, dtype: DType, nth: usize) {
    let pairs: [[&[usize]; 2]; 8] = [
        [&[], &[]],
        [&[], &[3, 2]],
        [&[1], &[0]],
        [&[5], &[3, 5]],
        [&[3, 1], &[3, 5]],
        [&[1, 3], &[2, 4, 3]],
        [&[2, 1, 3], &[2, 5, 3]],
        [&[0, 1], &[0, 4]],
    ];
    for (i, [from, to]) in pairs.into_iter().enumerate() {
        let primitive = Primitive::Broadcast { shape: to.to_vec() };
        check_one(suite, primitive, dtype, from, Feed::nth(nth + i));
    }
}
