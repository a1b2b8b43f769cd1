//! How a tile program is cut into tasks, and how long reductions are put together.
#![expect(unsafe_code, reason = "tasks of tile programs on raw memory")]

use deckle_tensor::DType;

use super::{Fold, Tile, fold::Identity, run::Worker};
use crate::{graph::Id, place::Places};

/// The elements of a part of work that is worth its own task.
const PART: usize = 16 * 1024;
/// The most parts that one long reduction is cut into.
const MOST_SEGMENTS: usize = 64;

/// How many parts the reduced axis of a frame is cut into, and their length.
///
/// By the frame alone: the order of a sum must depend on nothing else.
pub(crate) fn segments([outer, len, inner]: [usize; 3]) -> (usize, usize) {
    let columns = inner.clamp(1, 1024);
    let alone = outer * inner.div_ceil(1024).max(1) >= 16;
    let rows = (PART / columns).max(1);
    let long = if inner == 1 {
        !alone && len > rows
    } else {
        len > rows && !alone || len > 4096
    };
    if !long {
        return (1, len);
    }
    let each = rows.max(len.div_ceil(MOST_SEGMENTS)).next_multiple_of(32);
    (len.div_ceil(each), each)
}

impl Worker<'_> {
    /// Reduces the rows `start` to `end` of a frame without inner axes, or one part of a row.
    unsafe fn rows(&mut self, start: usize, end: usize, part: Option<(usize, usize)>) {
        let tile = self.tile;
        let [_, len, _] = tile.space.frame.expect("rows are those of a frame");
        let width = tile.layout.width;
        let (segments, each) = part.map_or((1, len), |(segments, _)| {
            (segments, self::segments(tile.space.frame.unwrap_or_default()).1)
        });
        let segment = part.map_or(0, |(_, segment)| segment);
        let from = segment * each;
        let to = len.min(from + each);
        let together = if to - from == len && len <= width { width / len } else { 1 };
        let mut row = start;
        while row < end {
            let count = together.min(end - row);
            for fold in &tile.folds {
                let first = self.target(fold, row * segments + segment);
                // SAFETY: the target has an element for each row.
                unsafe { fill_identity(fold, first, count) };
            }
            let mut at = from;
            while at < to {
                let n = if together > 1 { count * len } else { width.min(to - at) };
                // SAFETY: the caller's promise.
                unsafe { self.advance((row * len + at, n), (0, 0)) };
                for (fold, &(_, _, fold_row)) in tile.folds.iter().zip(&tile.layout.folds)
                {
                    let size = fold.dtype.size();
                    let first = self.target(fold, row * segments + segment);
                    let each = n / count;
                    for j in 0..count {
                        // SAFETY: the value has n elements, the target one for each row.
                        unsafe {
                            let x = self.pointers[fold.local].add(j * each * size);
                            fold_row(x, each, first.add(j * size));
                        }
                    }
                }
                at += n;
            }
            row += count;
        }
    }

    /// Reduces one block of columns of one part of a frame.
    unsafe fn columns(&mut self, outer: usize, block: usize, segment: usize) {
        let tile = self.tile;
        let frame @ [_, len, inner] =
            tile.space.frame.expect("columns are those of a frame");
        let (segments, each) = segments(frame);
        let width = tile.layout.width;
        let count = inner.min(width);
        let first = block * count;
        let count = count.min(inner - first);
        let (from, to) = (segment * each, len.min((segment + 1) * each));
        let together = if inner <= width { (width / inner).min(to - from) } else { 1 };
        for (fold, &(register, ..)) in tile.folds.iter().zip(&tile.layout.folds) {
            // SAFETY: accumulators have room for a tile.
            unsafe {
                fill_identity(fold, self.registers.add(register), together * count);
            }
        }
        let mut row = from;
        while row < to {
            let rows = together.min(to - row);
            // SAFETY: the caller's promise. Several rows are whole ones.
            unsafe {
                let at = (outer * len + row) * inner + first;
                self.advance((at, rows * count), (0, 0));
            }
            for (fold, &(register, accumulate, _)) in
                tile.folds.iter().zip(&tile.layout.folds)
            {
                let x = self.pointers[fold.local];
                // SAFETY: both have as many elements.
                unsafe {
                    let sums = self.registers.add(register);
                    accumulate(sums, x, x, sums, rows * count);
                }
            }
            row += rows;
        }
        for (fold, &(register, accumulate, _)) in
            tile.folds.iter().zip(&tile.layout.folds)
        {
            let size = fold.dtype.size();
            let target = self.target(fold, (outer * segments + segment) * inner + first);
            // SAFETY: accumulators hold `together` rows; the target has these columns.
            unsafe {
                let sums = self.registers.add(register);
                for row in 1..together {
                    let next = sums.add(row * count * size);
                    accumulate(sums, next, next, sums, count);
                }
                sums.copy_to_nonoverlapping(target, count * size);
            }
        }
    }

    /// Where a fold's result, or that of a part, goes.
    fn target(&self, fold: &Fold, element: usize) -> *mut u8 {
        let base = self.places.pointer(fold.parts.unwrap_or(fold.id));
        // SAFETY: the element lies within the value.
        unsafe { base.add(element * fold.dtype.size()) }
    }
}

/// Writes what the fold of no elements is.
unsafe fn fill_identity(fold: &Fold, to: *mut u8, count: usize) {
    let size = fold.dtype.size();
    // SAFETY: the caller promises room for `count` elements.
    unsafe { Identity::new(fold.reduction, fold.dtype).fill(to, count, size) };
}

impl Tile {
    /// How many independent tasks a run is cut into.
    pub(crate) fn tasks(&self) -> usize {
        let (parts, together) = self.parts();
        parts.div_ceil(together)
    }

    /// The parts of the space, and how many make a task.
    fn parts(&self) -> (usize, usize) {
        let width = self.layout.width;
        let size = self.space.size;
        match self.space.frame {
            None => {
                let each = PART.max(size / 64).next_multiple_of(width);
                (size.div_ceil(each), 1)
            }
            Some(_) if size == 0 => (1, 1),
            Some([outer, len, _]) if self.by_rows() => {
                let together = (width / len).max(1);
                (outer, (PART / len).max(1).next_multiple_of(together))
            }
            Some([outer, len, 1]) => {
                let (segments, _) = segments([outer, len, 1]);
                if segments > 1 {
                    return (outer * segments, 1);
                }
                let together = (width / len).max(1);
                (outer, (PART / len).max(1).next_multiple_of(together))
            }
            Some(frame @ [outer, len, inner]) => {
                let (segments, each) = segments(frame);
                let blocks = inner.div_ceil(width);
                let part = each.min(len) * inner.min(width);
                (outer * blocks * segments, (PART / part).max(1))
            }
        }
    }

    /// Runs one task.
    ///
    /// # Safety
    ///
    /// The program's values are in `places`; nobody else uses what it writes, but for other
    /// tasks of this program.
    pub(crate) unsafe fn task(&self, places: Places<'_>, task: usize) {
        let (parts, together) = self.parts();
        let size = self.space.size;
        Worker::with(self, places, |worker| {
            let first = task * together;
            let last = parts.min(first + together);
            match self.space.frame {
                None => {
                    let each = PART.max(size / 64).next_multiple_of(self.layout.width);
                    // SAFETY: the caller's promise; tasks write different elements.
                    unsafe { worker.range(task * each, size.min((task + 1) * each)) };
                }
                Some([outer, _, inner]) if size == 0 => {
                    for fold in &self.folds {
                        let to = places.pointer(fold.id);
                        // SAFETY: as above.
                        unsafe { fill_identity(fold, to, outer * inner) };
                    }
                }
                // SAFETY: as above.
                Some([_, len, _]) if self.by_rows() => unsafe {
                    worker.whole_rows(first, last, len);
                },
                Some([outer, len, 1]) => {
                    let (segments, _) = segments([outer, len, 1]);
                    if segments > 1 {
                        let (row, segment) = (first / segments, first % segments);
                        // SAFETY: as above.
                        unsafe { worker.rows(row, row + 1, Some((segments, segment))) };
                    } else {
                        // SAFETY: as above.
                        unsafe { worker.rows(first, last, None) };
                    }
                }
                Some(frame @ [_, _, inner]) => {
                    let (segments, _) = segments(frame);
                    let blocks = inner.div_ceil(self.layout.width);
                    for part in first..last {
                        let (rest, segment) = (part / segments, part % segments);
                        // SAFETY: as above.
                        unsafe { worker.columns(rest / blocks, rest % blocks, segment) };
                    }
                }
            }
        });
    }

    /// Puts the parts of long reductions together, after all tasks.
    ///
    /// # Safety
    ///
    /// As for [`Tile::task`].
    pub(crate) unsafe fn finish(&self, places: Places<'_>) {
        let Some(frame @ [outer, _, inner]) = self.space.frame else { return };
        let (segments, _) = segments(frame);
        for (fold, &(_, accumulate, fold_row)) in
            self.folds.iter().zip(&self.layout.folds)
        {
            let Some(parts) = fold.parts else { continue };
            let size = fold.dtype.size();
            let (from, to) = (places.pointer(parts), places.pointer(fold.id));
            for row in 0..outer {
                // SAFETY: there are `segments` times as many parts as results.
                unsafe {
                    let from = from.add(row * segments * inner * size);
                    let to = to.add(row * inner * size);
                    if inner == 1 {
                        fill_identity(fold, to, 1);
                        fold_row(from, segments, to);
                        continue;
                    }
                    from.copy_to_nonoverlapping(to, inner * size);
                    for segment in 1..segments {
                        let next = from.add(segment * inner * size);
                        accumulate(to, next, next, to, inner);
                    }
                }
            }
        }
    }

    /// The values that long reductions need for their parts: fold, and number of elements.
    pub(crate) fn scratch(&self) -> Vec<(usize, usize)> {
        let Some(frame @ [outer, _, inner]) = self.space.frame else { return Vec::new() };
        let (segments, _) = segments(frame);
        if segments == 1 {
            return Vec::new();
        }
        (0..self.folds.len()).map(|fold| (fold, outer * segments * inner)).collect()
    }

    /// Gives a fold memory for its parts.
    pub(crate) fn set_parts(&mut self, fold: usize, parts: Id) {
        self.folds[fold].parts = Some(parts);
    }

    pub(crate) fn fold_dtype(&self, fold: usize) -> DType {
        self.folds[fold].dtype
    }
}
