//! Copies of views whose neighbours lie far apart in memory.
#![expect(unsafe_code, reason = "blocks of elements of any type in raw memory")]

use super::Kernel;
use crate::{
    graph::Id,
    place::{Base, Context},
    tile::with_width,
    view::View,
};

/// The edge of the blocks that are read along one axis and written along the other.
const BLOCK: usize = 32;

/// Copies the view, elements of `size` bytes each, to the whole of `to`.
pub(crate) fn transpose(from: Id, view: &View, to: Id, size: usize) -> Box<dyn Kernel> {
    let view = view.collapsed();
    let target = View::contiguous(&view.shape);
    let last = view.shape.len() - 1;
    let near = view.strides.iter().position(|&stride| stride == 1).unwrap_or(last);
    let outer: Vec<_> = (0..last).filter(|&axis| axis != near).collect();
    let blocks = |axis: usize| view.shape[axis].div_ceil(BLOCK);
    let [rows, columns] = [blocks(near), blocks(last)];
    let count: usize = outer.iter().map(|&axis| view.shape[axis]).product();
    Box::new(move |context: &Context<'_>| {
        let (from, to) = (context.base(from), context.base(to));
        // A task takes the blocks of some rows of the result.
        context.threads.run(count * rows, &|task| {
            let (mut left, row) = (task / rows, task % rows * BLOCK);
            let (mut at, mut place) = (view.offset, 0);
            for &axis in outer.iter().rev() {
                let index = (left % view.shape[axis]).cast_signed();
                left /= view.shape[axis];
                at += index * view.strides[axis];
                place += index * target.strides[axis];
            }
            let height = BLOCK.min(view.shape[near] - row);
            for column in (0..columns).map(|block| block * BLOCK) {
                let width = BLOCK.min(view.shape[last] - column);
                let [row, column] = [row, column].map(usize::cast_signed);
                let at = at + row + column * view.strides[last];
                let place = place + row * target.strides[near] + column;
                let steps = [view.strides[last], target.strides[near]];
                with_width!(size, T => {
                    // SAFETY: the block lies within the view and within the target, whose
                    // elements have this size; tasks write different rows.
                    unsafe { block::<T>(from, at, to, place, steps, [height, width]) }
                });
            }
        });
        Ok(())
    })
}

/// Copies a block: reads along its columns, writes along its rows.
unsafe fn block<T: Copy + Default>(
    from: Base,
    at: isize,
    to: Base,
    place: isize,
    [column_step, row_step]: [isize; 2],
    [height, width]: [usize; 2],
) {
    let mut tile = [[T::default(); BLOCK]; BLOCK];
    // SAFETY: the caller's promise.
    unsafe {
        let from = from.0.cast::<T>().offset(at);
        for column in 0..width {
            let from = from.offset(column.cast_signed() * column_step);
            for (row, line) in tile.iter_mut().enumerate().take(height) {
                line[column] = from.add(row).read();
            }
        }
        let to = to.0.cast::<T>().offset(place);
        for (row, line) in tile.iter().enumerate().take(height) {
            let to = to.offset(row.cast_signed() * row_step);
            to.copy_from_nonoverlapping(line.as_ptr(), width);
        }
    }
}
