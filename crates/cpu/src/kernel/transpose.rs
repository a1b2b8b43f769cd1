//! Copies of views whose neighbours lie far apart in memory.
#![expect(unsafe_code, reason = "blocks of elements of any type in raw memory")]

use super::Kernel;
use crate::{
    Simd,
    gemm::Turn,
    graph::Id,
    place::{Base, Context},
    simd::Float,
    tile::with_width,
    view::View,
};

/// The edge of the blocks that are read along one axis and written along the other.
const BLOCK: usize = 32;

/// The elements that make a task worth handing over.
const TASK: usize = 1 << 14;

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
    let together = (TASK / (BLOCK * view.shape[last]).max(1)).max(1);
    // A task takes the blocks of some rows of the result.
    Box::new(move |context: &Context<'_>| {
        let (from, to) = (context.base(from), context.base(to));
        context.threads.run((count * rows).div_ceil(together), &|task| {
            for unit in task * together..(count * rows).min((task + 1) * together) {
                let (mut left, row) = (unit / rows, unit % rows * BLOCK);
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
                    let block = Block { from, at, to, place, steps, height, width };
                    // SAFETY: the block lies within the view and within the target, whose
                    // elements have this size; tasks write different rows.
                    unsafe {
                        match size {
                            4 => block.turn::<f32>(context.simd),
                            8 => block.turn::<f64>(context.simd),
                            _ => with_width!(size, T => block.copy::<T>()),
                        }
                    }
                }
            }
        });
        Ok(())
    })
}

/// A part of the view and of the target.
struct Block {
    from: Base,
    at: isize,
    to: Base,
    place: isize,
    /// From one column to the next in the view, from one row to the next in the target.
    steps: [isize; 2],
    height: usize,
    width: usize,
}

impl Block {
    /// Copies what a vector register can hold as a number of this type, whatever it is.
    unsafe fn turn<T: Float>(&self, simd: Simd) {
        let [Ok(row), Ok(to_row)] = self.steps.map(usize::try_from) else {
            // SAFETY: the caller's promise.
            return unsafe { self.copy::<T>() };
        };
        // SAFETY: the caller's promise; the view's columns are rows of what is read.
        unsafe {
            T::kernels(simd).transpose(Turn {
                from: self.from.0.cast::<T>().offset(self.at),
                row,
                to: self.to.0.cast::<T>().offset(self.place),
                to_row,
                rows: self.width,
                columns: self.height,
            });
        }
    }

    /// Reads along the columns, writes along the rows.
    unsafe fn copy<T: Copy + Default>(&self) {
        let &Self { height, width, steps: [column_step, row_step], .. } = self;
        let mut tile = [[T::default(); BLOCK]; BLOCK];
        // SAFETY: the caller's promise.
        unsafe {
            let from = self.from.0.cast::<T>().offset(self.at);
            for column in 0..width {
                let from = from.offset(column.cast_signed() * column_step);
                for (row, line) in tile.iter_mut().enumerate().take(height) {
                    line[column] = from.add(row).read();
                }
            }
            let to = self.to.0.cast::<T>().offset(self.place);
            for (row, line) in tile.iter().enumerate().take(height) {
                let to = to.offset(row.cast_signed() * row_step);
                to.copy_from_nonoverlapping(line.as_ptr(), width);
            }
        }
    }
}
