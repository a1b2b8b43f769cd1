//! The cells of an image under a moving window, as rows of a matrix: [`Patches`].

use std::ops::Range;

/// One axis: window p reads the cells `p · step + offset`, those of them that exist.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// The cells that exist.
    pub(super) len: usize,
    /// The windows.
    pub(super) count: usize,
    pub(super) step: usize,
    /// Ascending.
    pub(super) offsets: Vec<isize>,
}

impl Axis {
    /// The place of an offset's cell in a window, if it exists.
    fn cell(&self, window: usize, offset: isize) -> Option<usize> {
        (window * self.step).checked_add_signed(offset).filter(|&cell| cell < self.len)
    }
}

/// All windows of all images of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Patches {
    axes: [Axis; 3],
    /// The elements of a cell, and how many of them one group reads.
    channels: usize,
    run: usize,
    /// Whether the cells of a window along the last axis lie side by side.
    contiguous: bool,
}

impl Patches {
    pub(super) fn new(axes: [Axis; 3], channels: usize, run: usize) -> Self {
        let contiguous = run == channels
            && axes[2].offsets.windows(2).all(|pair| pair[1] == pair[0] + 1);
        Self { axes, channels, run, contiguous }
    }

    /// The elements of a window.
    pub(super) const fn width(&self) -> usize {
        let [a, b, c] = &self.axes;
        a.offsets.len() * b.offsets.len() * c.offsets.len() * self.run
    }

    /// The windows of one image.
    pub(crate) const fn windows(&self) -> usize {
        self.axes[0].count * self.axes[1].count * self.axes[2].count
    }

    /// The cells of the image along each axis.
    pub(crate) const fn lens(&self) -> [usize; 3] {
        [self.axes[0].len, self.axes[1].len, self.axes[2].len]
    }

    /// The image of a window of the batch, and its place there.
    pub(crate) const fn place(&self, window: usize) -> (usize, [usize; 3]) {
        let [a, b, c] = [self.axes[0].count, self.axes[1].count, self.axes[2].count];
        (window / (a * b * c), [window / (b * c) % a, window / c % b, window % c])
    }

    /// Calls `visit` with each cell of a window that exists: its number in the window, and its
    /// place in the batch.
    pub(crate) fn visit(&self, window: usize, mut visit: impl FnMut(usize, usize)) {
        let (image, [p, q, r]) = self.place(window);
        let [a, b, c] = &self.axes;
        for (i, &first) in a.offsets.iter().enumerate() {
            let Some(x) = a.cell(p, first) else { continue };
            for (j, &second) in b.offsets.iter().enumerate() {
                let Some(y) = b.cell(q, second) else { continue };
                for (k, &third) in c.offsets.iter().enumerate() {
                    let Some(z) = c.cell(r, third) else { continue };
                    let cell = (i * b.offsets.len() + j) * c.offsets.len() + k;
                    visit(cell, ((image * a.len + x) * b.len + y) * c.len + z);
                }
            }
        }
    }

    /// Copies windows of one group as rows; zeros where there is no cell.
    pub(super) fn copy<T: Copy + Default>(
        &self,
        source: &[T],
        first_channel: usize,
        windows: Range<usize>,
        to: &mut [T],
    ) {
        let [a, b, c] = &self.axes;
        let line = c.offsets.len() * self.run;
        if line == 0 || windows.is_empty() {
            return;
        }
        let width = self.width();
        let mut start = windows.start;
        // Windows that differ along the last axis only, at a time.
        let runs = Runs { rest: to, width, count: c.count, windows };
        for to in runs {
            let (image, [p, q, r]) = self.place(start);
            let count = to.len() / width;
            start += count;
            let mut line_start = 0;
            for &first in &a.offsets {
                let x = a.cell(p, first);
                for &second in &b.offsets {
                    let to = &mut to[line_start..];
                    line_start += line;
                    if let (Some(x), Some(y)) = (x, b.cell(q, second)) {
                        let row =
                            ((image * a.len + x) * b.len + y) * c.len * self.channels;
                        let source = &source[row..row + c.len * self.channels];
                        self.copy_lines(source, first_channel, r..r + count, to);
                    } else {
                        to.chunks_mut(width).for_each(|to| to[..line].fill(T::default()));
                    }
                }
            }
        }
    }

    /// Copies the cells of some windows along the last axis, `width` elements apart.
    fn copy_lines<T: Copy + Default>(
        &self,
        source: &[T],
        first_channel: usize,
        windows: Range<usize>,
        to: &mut [T],
    ) {
        let axis = &self.axes[2];
        let to = windows.zip(to.chunks_mut(self.width()));
        if !self.contiguous {
            for (r, to) in to {
                for (to, &offset) in to.chunks_exact_mut(self.run).zip(&axis.offsets) {
                    match axis.cell(r, offset) {
                        Some(cell) => {
                            let start = cell * self.channels + first_channel;
                            to.copy_from_slice(&source[start..start + self.run]);
                        }
                        None => to.fill(T::default()),
                    }
                }
            }
            return;
        }
        let count = axis.offsets.len();
        match count * self.run {
            1 => self.copy_side_by_side::<T, 1>(source, to),
            2 => self.copy_side_by_side::<T, 2>(source, to),
            3 => self.copy_side_by_side::<T, 3>(source, to),
            5 => self.copy_side_by_side::<T, 5>(source, to),
            7 => self.copy_side_by_side::<T, 7>(source, to),
            9 => self.copy_side_by_side::<T, 9>(source, to),
            _ => self.copy_side_by_side::<T, 0>(source, to),
        }
    }

    /// As [`copy_lines`](Self::copy_lines), for cells that lie side by side; `LINE` elements in
    /// all, or any number if that is 0.
    #[inline(always)]
    fn copy_side_by_side<'a, T: Copy + Default + 'a, const LINE: usize>(
        &self,
        source: &[T],
        to: impl Iterator<Item = (usize, &'a mut [T])>,
    ) {
        let (axis, run) = (&self.axes[2], self.run);
        let count = axis.offsets.len();
        let line = if LINE > 0 { LINE } else { count * run };
        for (r, to) in to {
            let start = (r * axis.step).cast_signed() + axis.offsets[0];
            if start >= 0 && start.unsigned_abs() + count <= axis.len {
                let from = &source[start.unsigned_abs() * run..];
                to[..line].copy_from_slice(&from[..line]);
                continue;
            }
            // The cells of the window that exist: from `low` to `high`.
            let low = start.min(0).unsigned_abs().min(count);
            let high = axis.len.saturating_add_signed(-start).min(count).max(low);
            to[..low * run].fill(T::default());
            if high > low {
                let from = &source[start.max(0).unsigned_abs() * run..];
                to[low * run..high * run].copy_from_slice(&from[..(high - low) * run]);
            }
            to[high * run..line].fill(T::default());
        }
    }
}

/// Windows that differ along the last axis only: their rows.
struct Runs<'a, T> {
    rest: &'a mut [T],
    /// The elements of a window.
    width: usize,
    /// The windows along the last axis.
    count: usize,
    windows: Range<usize>,
}

impl<'a, T> Iterator for Runs<'a, T> {
    type Item = &'a mut [T];

    fn next(&mut self) -> Option<Self::Item> {
        if self.windows.is_empty() {
            return None;
        }
        let len = (self.count - self.windows.start % self.count).min(self.windows.len());
        self.windows.start += len;
        let (run, rest) = std::mem::take(&mut self.rest).split_at_mut(len * self.width);
        self.rest = rest;
        Some(run)
    }
}
