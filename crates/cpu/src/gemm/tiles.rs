//! Tiles of a product whose operands the caller packs: [`Tile`].

use super::{
    kernel::{Kernels, Operands},
    pack::Panel,
};

/// A tile of C, of at least one row and one column, with packed panels of A and B.
#[derive(Clone, Copy)]
pub(crate) struct Tile<T> {
    /// The rows, and the columns; at most as many as [`Kernels::tile_len`] says.
    pub(crate) len: [usize; 2],
    /// The steps of the sums.
    pub(crate) depth: usize,
    /// Steps of as many elements as there are rows.
    pub(crate) a: *const T,
    /// Steps of columns, filled up to whole vectors.
    pub(crate) b: *const T,
    pub(crate) c: *mut T,
    /// From a row to the next in C.
    pub(crate) c_row: usize,
    /// Whether C is added to.
    pub(crate) accumulate: bool,
}

impl<T> Kernels<T> {
    /// The most rows and columns of a tile.
    pub(crate) const fn tile_len(&self) -> [usize; 2] {
        [self.rows, 2 * self.lanes]
    }

    /// What the columns of a panel of B are filled up to a multiple of.
    pub(crate) const fn lanes(&self) -> usize {
        self.lanes
    }

    /// Copies `depth` steps of `len` elements, filled up to `width` with zeros, less than a vector.
    ///
    /// Strides are those from step to step, and from element to element.
    pub(crate) fn copy_panel(
        &self,
        from: &[T],
        [step, across]: [usize; 2],
        depth: usize,
        [len, width]: [usize; 2],
        to: &mut [T],
    ) {
        if depth * len == 0 {
            return;
        }
        assert!((depth - 1) * step + (len - 1) * across < from.len(), "steps to copy");
        assert!(len <= width && width < len + self.lanes, "less than a vector more");
        assert!(depth * width <= to.len(), "room for the copy");
        let (to, from) = (to.as_mut_ptr(), from.as_ptr());
        // SAFETY: all elements lie within the slices; less than a vector is filled up.
        unsafe { (self.pack)(Panel { to, from, depth, step, across, len, width }) };
    }

    /// Computes a tile.
    ///
    /// # Safety
    ///
    /// A and B are valid for these steps, C for these rows and columns, and nobody else uses
    /// those.
    pub(crate) unsafe fn packed_tile(&self, tile: &Tile<T>) {
        let &Tile { len: [rows, columns], depth, a, b, c, c_row, accumulate } = tile;
        let vectors = columns.div_ceil(self.lanes);
        let compute = self.packed[rows - 1][vectors - 1];
        // SAFETY: the caller's promise; the table's instruction set is there, and this entry
        // is for so many rows and vectors.
        unsafe {
            compute(Operands {
                depth,
                a,
                a_row: 1,
                a_step: rows,
                b,
                b_step: vectors * self.lanes,
                c,
                c_row,
                columns,
                add: if accumulate { c } else { std::ptr::null() },
                add_row: c_row,
            });
        }
    }
}
