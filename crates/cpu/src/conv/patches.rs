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
pub(super) struct Patches {
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
    pub(super) const fn windows(&self) -> usize {
        self.axes[0].count * self.axes[1].count * self.axes[2].count
    }

    /// The cells of the image along each axis.
    pub(super) const fn lens(&self) -> [usize; 3] {
        [self.axes[0].len, self.axes[1].len, self.axes[2].len]
    }

    /// The image of a window of the batch, and its place there.
    pub(super) const fn place(&self, window: usize) -> (usize, [usize; 3]) {
        let [a, b, c] = [self.axes[0].count, self.axes[1].count, self.axes[2].count];
        (window / (a * b * c), [window / (b * c) % a, window / c % b, window % c])
    }

    /// Calls `visit` with each cell of a window that exists: its number in the window, and its
    /// place in the batch.
    pub(super) fn visit(&self, window: usize, mut visit: impl FnMut(usize, usize)) {
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
        let (mut image, [mut p, mut q, mut r]) = self.place(windows.start);
        let mut lines = to.chunks_exact_mut(line);
        for _ in windows {
            for &first in &a.offsets {
                let x = a.cell(p, first);
                for &second in &b.offsets {
                    let to = lines.next().expect("room for the windows");
                    match (x, b.cell(q, second)) {
                        (Some(x), Some(y)) => {
                            let row = ((image * a.len + x) * b.len + y) * c.len;
                            let source = &source[row * self.channels..];
                            self.copy_line(
                                &source[..c.len * self.channels],
                                first_channel,
                                r,
                                to,
                            );
                        }
                        _ => to.fill(T::default()),
                    }
                }
            }
            // The next window, as an odometer.
            r += 1;
            if r == c.count {
                (r, q) = (0, q + 1);
                if q == b.count {
                    (q, p) = (0, p + 1);
                    if p == a.count {
                        (p, image) = (0, image + 1);
                    }
                }
            }
        }
    }

    /// Copies the cells of window `r` along the last axis.
    #[inline]
    fn copy_line<T: Copy + Default>(
        &self,
        source: &[T],
        first_channel: usize,
        r: usize,
        to: &mut [T],
    ) {
        let axis = &self.axes[2];
        if self.contiguous {
            let count = axis.offsets.len();
            let start = (r * axis.step).cast_signed() + axis.offsets[0];
            // The cells of the window that exist: from `low` to `high`.
            let low = start.min(0).unsigned_abs().min(count);
            let high = axis.len.saturating_add_signed(-start).min(count).max(low);
            let (run, from) = (self.run, start.max(0).unsigned_abs());
            to[..low * run].fill(T::default());
            if high > low {
                copy(
                    &mut to[low * run..high * run],
                    &source[from * run..][..(high - low) * run],
                );
            }
            to[high * run..].fill(T::default());
        } else {
            for (to, &offset) in to.chunks_exact_mut(self.run).zip(&axis.offsets) {
                match axis.cell(r, offset) {
                    Some(cell) => {
                        copy(
                            to,
                            &source[cell * self.channels + first_channel..][..self.run],
                        );
                    }
                    None => to.fill(T::default()),
                }
            }
        }
    }
}

/// Copies a slice; short ones without a call.
#[inline]
fn copy<T: Copy>(to: &mut [T], from: &[T]) {
    if to.len() < 16 {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = from;
        }
    } else {
        to.copy_from_slice(from);
    }
}
