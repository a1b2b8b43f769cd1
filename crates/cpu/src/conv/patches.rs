//! The cells of an image under a moving window: [`Patches`].

use std::ops::Range;

use crate::gemm::Stretch;

/// The most stretches that are added up at a time.
pub(super) const STRETCHES: usize = 64;

/// The most products that are added up at a time: that part of the kernel stays in the second
/// cache.
const DEPTH: usize = 1024;

/// One axis: window p reads the cells `p · step + offset`, those of them that exist.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// The cells that exist.
    len: usize,
    /// The windows.
    count: usize,
    step: usize,
    /// Ascending.
    offsets: Vec<isize>,
    /// The windows in order, by which of their cells exist.
    classes: Vec<Class>,
}

/// Windows side by side, and which of their cells exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(super) windows: Range<usize>,
    pub(super) cells: Range<usize>,
}

impl Axis {
    pub(super) fn new(
        len: usize,
        count: usize,
        step: usize,
        offsets: Vec<isize>,
    ) -> Self {
        let cells = |window: usize| {
            let at = |offset: isize| (window * step).saturating_add_signed(offset);
            let before =
                |&offset: &isize| offset < 0 && (window * step) < offset.unsigned_abs();
            let low = offsets.partition_point(before);
            let high =
                offsets.partition_point(|offset| before(offset) || at(*offset) < len);
            low..high
        };
        let mut classes: Vec<Class> = Vec::new();
        for window in 0..count {
            let cells = cells(window);
            match classes.last_mut().filter(|class| class.cells == cells) {
                Some(class) => class.windows.end += 1,
                None => classes.push(Class { windows: window..window + 1, cells }),
            }
        }
        Self { len, count, step, offsets, classes }
    }

    /// The place of an offset's cell in a window, if it exists.
    fn cell(&self, window: usize, offset: isize) -> Option<usize> {
        (window * self.step).checked_add_signed(offset).filter(|&cell| cell < self.len)
    }

    /// The place of a cell that exists.
    fn existing(&self, window: usize, cell: usize) -> usize {
        (window * self.step).wrapping_add_signed(self.offsets[cell])
    }

    /// The cells of a window that exist.
    fn cells(&self, window: usize) -> Range<usize> {
        let class = self.classes.partition_point(|class| class.windows.end <= window);
        self.classes[class].cells.clone()
    }

    /// The windows for which a cell exists.
    fn windows(&self, cell: usize) -> Range<usize> {
        let mut with = self.classes.iter().filter(|class| class.cells.contains(&cell));
        let Some(first) = with.next() else { return 0..0 };
        first.windows.start..with.next_back().unwrap_or(first).windows.end
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
        self.cells() * self.run
    }

    /// The elements of a cell that one group reads.
    pub(super) const fn run(&self) -> usize {
        self.run
    }

    /// The cells of a window.
    pub(crate) const fn cells(&self) -> usize {
        let [a, b, c] = &self.axes;
        a.offsets.len() * b.offsets.len() * c.offsets.len()
    }

    /// The windows of one image.
    pub(crate) const fn windows(&self) -> usize {
        self.axes[0].count * self.axes[1].count * self.axes[2].count
    }

    /// The windows of one image along each axis.
    pub(super) const fn counts(&self) -> [usize; 3] {
        [self.axes[0].count, self.axes[1].count, self.axes[2].count]
    }

    /// The cells of the image along each axis.
    pub(crate) const fn lens(&self) -> [usize; 3] {
        [self.axes[0].len, self.axes[1].len, self.axes[2].len]
    }

    /// The elements of the image.
    pub(super) const fn image(&self) -> usize {
        self.axes[0].len * self.axes[1].len * self.axes[2].len * self.channels
    }

    /// The elements from a window to the next along the last axis.
    pub(crate) const fn step(&self) -> usize {
        self.axes[2].step * self.channels
    }

    /// The elements from a window to the next along the second axis.
    pub(super) const fn line_step(&self) -> usize {
        self.axes[1].step * self.axes[2].len * self.channels
    }

    /// Whether some window reaches beyond the image.
    pub(crate) fn is_clipped(&self) -> bool {
        let whole = |axis: &Axis| match &axis.classes[..] {
            [class] => class.cells == (0..axis.offsets.len()),
            _ => false,
        };
        !self.axes.iter().all(whole)
    }

    /// Whether no two windows share a cell.
    pub(crate) fn are_disjoint(&self) -> bool {
        self.axes.iter().all(|axis| match &axis.offsets[..] {
            [first, .., last] => axis.count < 2 || last - first < axis.step.cast_signed(),
            _ => true,
        })
    }

    /// Whether each cell of an image belongs to exactly one window.
    pub(crate) fn partition(&self) -> bool {
        let all = |axis: &Axis| axis.count * axis.offsets.len() == axis.len;
        self.are_disjoint() && !self.is_clipped() && self.axes.iter().all(all)
    }

    /// The classes of windows along the last axis.
    pub(crate) fn classes(&self) -> &[Class] {
        &self.axes[2].classes
    }

    /// The classes of windows along the second axis.
    pub(super) fn line_classes(&self) -> &[Class] {
        &self.axes[1].classes
    }

    /// The image of a window of the batch, and its place there.
    pub(crate) const fn place(&self, window: usize) -> (usize, [usize; 3]) {
        let [a, b, c] = self.counts();
        (window / (a * b * c), [window / (b * c) % a, window / c % b, window % c])
    }

    /// Where a window's first cell would be in its image, if no window is clipped; what the
    /// stretches of the window at `[0; 3]` start from.
    pub(super) fn start(&self, [p, q, r]: [usize; 3]) -> usize {
        let [a, b, c] = &self.axes;
        ((p * a.step * b.len + q * b.step) * c.len + r * c.step) * self.channels
    }

    /// The cells that exist, of the windows at these places along the first two axes, and of
    /// a class of them along the last.
    pub(super) fn existing(
        &self,
        [p, q]: [usize; 2],
        class: &Class,
    ) -> [Range<usize>; 3] {
        [self.axes[0].cells(p), self.axes[1].cells(q), class.cells.clone()]
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

    /// Calls `visit` with the stretches of the sum over some cells of a window, all of which
    /// exist, some at a time; and whether they are the first ones. Without a cell it is called
    /// once. B's steps are the elements of a window.
    pub(super) fn stretches(
        &self,
        [p, q, r]: [usize; 3],
        cells: &[Range<usize>; 3],
        mut visit: impl FnMut(&[Stretch], bool),
    ) {
        let [a, b, c] = &self.axes;
        let [first, second, third] = cells;
        let width = first.len() * second.len() * third.len() * self.run;
        let most = width.div_ceil(width.div_ceil(DEPTH).max(1)).next_multiple_of(8);
        let mut list = [Stretch::default(); STRETCHES];
        let (mut len, mut depth, mut is_first) = (0, 0, true);
        let mut push = |mut stretch: Stretch| {
            while stretch.depth > 0 {
                let now = stretch.depth.min(most - depth);
                list[len] = Stretch { depth: now, ..stretch };
                (len, depth) = (len + 1, depth + now);
                if len == STRETCHES || depth == most {
                    visit(&list[..len], is_first);
                    (len, depth, is_first) = (0, 0, false);
                }
                stretch.a += now;
                stretch.b += now;
                stretch.depth -= now;
            }
        };
        for i in first.clone() {
            let x = a.existing(p, i) * b.len;
            for j in second.clone() {
                let y = (x + b.existing(q, j)) * c.len;
                let line = (i * b.offsets.len() + j) * c.offsets.len();
                let mut cell = |k: usize, count: usize| {
                    push(Stretch {
                        a: (y + c.existing(r, k)) * self.channels,
                        b: (line + k) * self.run,
                        depth: count * self.run,
                    });
                };
                if self.contiguous && !third.is_empty() {
                    cell(third.start, third.len());
                } else {
                    third.clone().for_each(|k| cell(k, 1));
                }
            }
        }
        if len > 0 || is_first {
            visit(&list[..len], is_first);
        }
    }

    /// The place of a cell in its window.
    const fn cell(&self, cell: usize) -> [usize; 3] {
        let [_, b, c] = &self.axes;
        let (b, c) = (b.offsets.len(), c.offsets.len());
        [cell / (b * c), cell / c % b, cell % c]
    }

    /// Where a cell of the window at `[0; 3]`, which exists, is in its image.
    pub(super) fn first(&self, cell: usize) -> usize {
        let [i, j, k] = self.cell(cell);
        let [a, b, c] = &self.axes;
        let line = a.existing(0, i) * b.len + b.existing(0, j);
        (line * c.len + c.existing(0, k)) * self.channels
    }

    /// Calls `visit` with the pieces of lines that some windows of the batch make, of a class
    /// along the last axis: the first window, where the first of its cells that exist is in
    /// the batch, how many there are, and which cells exist; some do.
    pub(crate) fn lines(
        &self,
        windows: Range<usize>,
        class: &Class,
        mut visit: impl FnMut(usize, usize, usize, &[Range<usize>; 3]),
    ) {
        let [a, b, c] = &self.axes;
        let mut window = windows.start;
        while window < windows.end {
            let (image, [p, q, r]) = self.place(window);
            let line = window - r;
            let from = r.max(class.windows.start);
            let to = class.windows.end.min(windows.end - line);
            window = line + c.count;
            let cells = self.existing([p, q], class);
            if from >= to || cells.iter().any(Range::is_empty) {
                continue;
            }
            let [i, j, k] = cells.each_ref().map(|cells| cells.start);
            let start = a.existing(p, i) * b.len + b.existing(q, j);
            let start = (start * c.len + c.existing(from, k)) * self.channels;
            visit(line + from, image * self.image() + start, to - from, &cells);
        }
    }

    /// Calls `visit` with the cells in these ranges: the number in the window, and where from
    /// the first of them on.
    pub(crate) fn cells_of(
        &self,
        cells: &[Range<usize>; 3],
        mut visit: impl FnMut(usize, usize),
    ) {
        let [a, b, c] = &self.axes;
        let [first, second, third] = cells;
        let from = |axis: &Axis, cells: &Range<usize>, cell: usize| {
            axis.offsets[cell].abs_diff(axis.offsets[cells.start])
        };
        for i in first.clone() {
            for j in second.clone() {
                let line = from(a, first, i) * b.len + from(b, second, j);
                for k in third.clone() {
                    let cell = (i * b.offsets.len() + j) * c.offsets.len() + k;
                    visit(cell, (line * c.len + from(c, third, k)) * self.channels);
                }
            }
        }
    }

    /// Calls `visit` with the pieces of lines that some windows of the batch make, or those
    /// of them for which a cell exists: the first window, where its cell (without one, its
    /// first cell) is in the batch, and how many there are.
    pub(super) fn pieces(
        &self,
        windows: Range<usize>,
        cell: Option<usize>,
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        let [a, b, c] = &self.axes;
        let cell = cell.map(|cell| self.cell(cell));
        let exist = cell.map(|[i, j, k]| [a.windows(i), b.windows(j), c.windows(k)]);
        let mut window = windows.start;
        while window < windows.end {
            let (image, [p, q, r]) = self.place(window);
            let line = window - r;
            let (mut from, mut to) = (r, c.count.min(windows.end - line));
            window = line + to;
            let mut start = image * self.image();
            match (&exist, cell) {
                (Some([first, second, third]), Some([i, j, k])) => {
                    if !first.contains(&p) || !second.contains(&q) {
                        continue;
                    }
                    (from, to) = (from.max(third.start), to.min(third.end));
                    if from >= to {
                        continue;
                    }
                    let line = a.existing(p, i) * b.len + b.existing(q, j);
                    start += (line * c.len + c.existing(from, k)) * self.channels;
                }
                _ => start += self.start([p, q, from]),
            }
            visit(line + from, start, to - from);
        }
    }
}
