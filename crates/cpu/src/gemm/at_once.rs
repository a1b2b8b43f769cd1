//! Products of short sums without copies, in one task: [`at_once`].

use super::{
    Gemm,
    kernel::{Kernels, Operands},
    plan::{Blocks, SMALL, Source},
    run::Matrices,
};
use crate::simd::Float;

/// Computes the tiles of a product one after the other; what is added, with its distance from
/// row to row, can be C or stand elsewhere.
///
/// A product of some ten thousand multiplications takes less than a microsecond: here it takes
/// little more than its tiles do.
///
/// # Safety
///
/// The blocks are the product's, and [`Blocks::is_at_once`] holds. A, B or its copy, C and what
/// is added are valid for the shape and strides.
pub(super) unsafe fn at_once<T: Float>(
    gemm: &Gemm,
    blocks: &Blocks,
    kernels: &Kernels<T>,
    Matrices { a, b, c }: Matrices<T>,
    add: Option<(*const T, usize)>,
) {
    let tiles = if blocks.a == Source::Steps { kernels.packed } else { kernels.direct };
    let tile = |first: usize, end: usize, panel: usize| {
        let column = blocks.column(panel);
        let columns = blocks.column(panel + 1) - column;
        let tile = tiles[end - first - 1][columns.div_ceil(kernels.lanes) - 1];
        let (b_start, b_step) = match blocks.b {
            Source::Direct => (column, gemm.b[0]),
            _ => (blocks.padded_column(panel) * gemm.k, blocks.width(panel)),
        };
        // SAFETY: the rows and columns of a tile are some of the product's.
        unsafe {
            let (add, add_row) = match add {
                Some((add, row)) => (add.add(first * row + column), row),
                None => (std::ptr::null(), 0),
            };
            tile(Operands {
                depth: gemm.k,
                a: a.add(first * gemm.a[0]),
                a_row: gemm.a[0],
                a_step: gemm.a[1],
                b: b.add(b_start),
                b_step,
                c: c.add(first * gemm.c_row + column),
                c_row: gemm.c_row,
                columns,
                add,
                add_row,
            });
        }
    };
    if blocks.far || gemm.n * gemm.k <= SMALL {
        let mut first = 0;
        for row in 1..=blocks.row_panels {
            let end = blocks.row(row);
            (0..blocks.column_panels).for_each(|panel| tile(first, end, panel));
            first = end;
        }
    } else {
        for panel in 0..blocks.column_panels {
            let rows = 0..blocks.row_panels;
            rows.for_each(|row| tile(blocks.row(row), blocks.row(row + 1), panel));
        }
    }
}
