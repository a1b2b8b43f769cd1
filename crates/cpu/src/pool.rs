//! Largest elements and means of windows: [`Pooling`].
#![expect(
    unsafe_code,
    reason = "functions compiled for instruction sets that are detected"
)]

use std::ops::Range;

use deckle_tensor::Pool;

use crate::{
    Simd, Threads,
    conv::{Patches, pool_windows},
    simd::{Float, vectorized},
};

/// The channels that are looked at together, on the stack.
const CHANNELS: usize = 256;

/// The most cells of a window that are looked at in one go.
const CELLS: usize = 32;

/// Some cells of windows side by side; see [`Pooling::lines`].
struct Line<'a> {
    /// Where they are, from a window's first cell on, and from one window to the next.
    places: &'a [usize],
    step: usize,
    channels: usize,
    /// The window's cells up to the last of these, and all of them.
    seen: usize,
    all: usize,
}

/// The elements of a task's rows.
const TASK: usize = 8192;

/// A pooling of images (batch, spatial…, channels) of a given shape; up to three spatial axes.
///
/// The methods are the pooling primitives of
/// [`Primitive`](deckle_tensor::Primitive) for `f32` and `f64`. Work is cut by shape alone, so
/// results are the same bits on any number of threads.
///
/// # Examples
///
/// ```
/// use deckle_cpu::{Simd, Threads, pool::Pooling};
/// use deckle_tensor::Pool;
///
/// let pool = Pool { window: vec![2], strides: vec![2], padding: vec![(0, 1)] };
/// let pooling = Pooling::new(&pool, &[1, 3, 1]);
/// let mut y = [0.0; 2];
/// pooling.max(Simd::detect(), &Threads::new(1), &[1.0, 5.0, 2.0], &mut y);
/// assert_eq!(y, [5.0, 2.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Pooling {
    batch: usize,
    channels: usize,
    windows: Patches,
}

impl Pooling {
    /// The pooling of images of that shape.
    ///
    /// # Panics
    ///
    /// If the shape does not fit the settings, or has more than three spatial axes.
    #[must_use]
    pub fn new(pool: &Pool, x: &[usize]) -> Self {
        let windows = pool_windows(pool, x);
        Self { batch: x[0], channels: x[x.len() - 1], windows }
    }

    /// The elements of an image.
    fn image(&self) -> usize {
        self.windows.lens().iter().product::<usize>() * self.channels
    }

    fn check_lens(&self, x: usize, y: usize) {
        assert_eq!(x, self.batch * self.image(), "elements of x");
        assert_eq!(
            y,
            self.batch * self.windows.windows() * self.channels,
            "elements of y"
        );
    }

    /// Calls `row` with each window and its part of the result.
    fn rows<T: Float>(
        &self,
        threads: &Threads,
        y: &mut [T],
        row: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let channels = self.channels.max(1);
        let rows = (TASK / channels).max(1);
        threads.run_chunks(y, rows * channels, |start, y| {
            for (i, y) in y.chunks_exact_mut(channels).enumerate() {
                row(start / channels + i, y);
            }
        });
    }

    /// Calls `line` with the results of windows side by side whose cells lie alike, and with x
    /// from their first cell on; more than once where they have many cells. What has no cell
    /// gets `empty`.
    fn lines<T: Float>(
        &self,
        threads: &Threads,
        x: &[T],
        y: &mut [T],
        empty: T,
        line: fn(&mut [T], &[T], &Line<'_>),
    ) {
        let channels = self.channels.max(1);
        let rows = (TASK / channels).max(1);
        let (clipped, step) = (self.windows.is_clipped(), self.windows.step());
        threads.run_chunks(y, rows * channels, |start, y| {
            let windows = start / channels..(start + y.len()) / channels;
            if clipped {
                y.fill(empty);
            }
            for class in self.windows.classes() {
                let piece = |first: usize, from, count, cells: &[Range<usize>; 3]| {
                    let y = &mut y[(first - windows.start) * channels..];
                    let (y, x) = (&mut y[..count * channels], &x[from..]);
                    let all = cells.iter().map(Range::len).product();
                    let (mut places, mut seen) = ([0; CELLS], 0);
                    self.windows.cells_of(cells, |_, place| {
                        places[seen % CELLS] = place;
                        seen += 1;
                        if seen % CELLS == 0 || seen == all {
                            let places = &places[..(seen - 1) % CELLS + 1];
                            line(y, x, &Line { places, step, channels, seen, all });
                        }
                    });
                };
                self.windows.lines(windows.clone(), class, piece);
            }
        });
    }

    /// Calls `image` with the first window of each image and its part of the result.
    fn images<T: Float>(
        &self,
        threads: &Threads,
        dx: &mut [T],
        image: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let len = self.image();
        threads.run_chunks(dx, len.max(1), |start, dx| {
            dx.fill(T::ZERO);
            image(start / len, dx);
        });
    }

    /// [`MaxPool`](deckle_tensor::Primitive::MaxPool).
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape.
    pub fn max<T: Float>(&self, simd: Simd, threads: &Threads, x: &[T], y: &mut [T]) {
        self.check_lens(x.len(), y.len());
        self.lines(threads, x, y, T::NEG_INFINITY, largest_of::<T>(simd));
    }

    /// [`MaxPoolGather`](deckle_tensor::Primitive::MaxPoolGather).
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape.
    pub fn max_gather<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        x: &[T],
        values: &[T],
        y: &mut [T],
    ) {
        self.check_lens(x.len(), y.len());
        self.check_lens(values.len(), y.len());
        let (largest, take) = (largest::<T>(simd), take::<T>(simd));
        self.rows(threads, y, |window, y| {
            y.fill(T::ZERO);
            for (block, y) in y.chunks_mut(CHANNELS).enumerate() {
                let channel = block * CHANNELS;
                let mut cells = [u32::MAX; CHANNELS];
                self.largest_cells(largest, x, window, channel, &mut cells[..y.len()]);
                self.windows.visit(window, |cell, place| {
                    let values = &values[place * self.channels + channel..][..y.len()];
                    take(y, values, &cells, cell as u32);
                });
            }
        });
    }

    /// [`MaxPoolScatter`](deckle_tensor::Primitive::MaxPoolScatter).
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape.
    pub fn max_scatter<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        x: &[T],
        dy: &[T],
        dx: &mut [T],
    ) {
        self.check_lens(x.len(), dy.len());
        self.check_lens(dx.len(), dy.len());
        if self.windows.cells() <= CELLS && self.windows.are_disjoint() {
            return self.disjoint_lines(threads, x, dy, dx, give_largest::<T>(simd));
        }
        let (largest, give) = (largest::<T>(simd), give::<T>(simd));
        let (windows, len) = (self.windows.windows(), self.image());
        self.images(threads, dx, |image, dx| {
            for window in image * windows..(image + 1) * windows {
                let dy = &dy[window * self.channels..][..self.channels];
                for (block, dy) in dy.chunks(CHANNELS).enumerate() {
                    let channel = block * CHANNELS;
                    let mut cells = [u32::MAX; CHANNELS];
                    self.largest_cells(
                        largest,
                        x,
                        window,
                        channel,
                        &mut cells[..dy.len()],
                    );
                    self.windows.visit(window, |cell, place| {
                        let start = place * self.channels + channel - image * len;
                        give(&mut dx[start..start + dy.len()], dy, &cells, cell as u32);
                    });
                }
            }
        });
    }

    /// Calls `line` with each image's gradient and the windows of it that lie side by side, if
    /// windows share no cells and have few: with dx and x from their first cell on, and dy.
    /// What belongs to no window gets 0.
    fn disjoint_lines<T: Float>(
        &self,
        threads: &Threads,
        x: &[T],
        dy: &[T],
        dx: &mut [T],
        line: fn(&mut [T], &[T], &[T], &Line<'_>),
    ) {
        let (windows, len) = (self.windows.windows(), self.image());
        let (channels, step) = (self.channels, self.windows.step());
        let partition = self.windows.partition();
        threads.run_chunks(dx, len.max(1), |start, dx| {
            if !partition {
                dx.fill(T::ZERO);
            }
            let image = start / len;
            for class in self.windows.classes() {
                let piece = |first: usize, from, count, cells: &[Range<usize>; 3]| {
                    let (mut places, mut all) = ([0; CELLS], 0);
                    self.windows.cells_of(cells, |_, place| {
                        places[all] = place;
                        all += 1;
                    });
                    let (dx, x) = (&mut dx[from - start..], &x[from..]);
                    let dy = &dy[first * channels..][..count * channels];
                    let places = &places[..all];
                    line(dx, x, dy, &Line { places, step, channels, seen: all, all });
                };
                self.windows.lines(image * windows..(image + 1) * windows, class, piece);
            }
        });
    }

    /// Finds the cells of a window where some channels of x are largest.
    fn largest_cells<T: Float>(
        &self,
        largest: fn(&mut [T], &mut [u32], &[T], u32),
        x: &[T],
        window: usize,
        channel: usize,
        cells: &mut [u32],
    ) {
        let mut best = [T::ZERO; CHANNELS];
        let best = &mut best[..cells.len()];
        self.windows.visit(window, |cell, place| {
            let x = &x[place * self.channels + channel..][..best.len()];
            largest(best, cells, x, cell as u32);
        });
    }

    /// [`AveragePool`](deckle_tensor::Primitive::AveragePool).
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape.
    pub fn average<T: Float>(&self, simd: Simd, threads: &Threads, x: &[T], y: &mut [T]) {
        self.check_lens(x.len(), y.len());
        self.lines(threads, x, y, T::ZERO, mean_of::<T>(simd));
    }

    /// [`AveragePoolToInput`](deckle_tensor::Primitive::AveragePoolToInput).
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape.
    pub fn average_to_input<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        dy: &[T],
        dx: &mut [T],
    ) {
        self.check_lens(dx.len(), dy.len());
        let add = add::<T>(simd);
        let (windows, len) = (self.windows.windows(), self.image());
        self.images(threads, dx, |image, dx| {
            for window in image * windows..(image + 1) * windows {
                let dy = &dy[window * self.channels..][..self.channels];
                let mut count = 0;
                self.windows.visit(window, |_, _| count += 1);
                self.windows.visit(window, |_, place| {
                    let start = place * self.channels - image * len;
                    let dx = &mut dx[start..start + self.channels];
                    add(dx, dy, T::from_i64(count));
                });
            }
        });
    }
}

/// The elements from `start` on.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of functions for instruction sets")]
fn lanes<T: Float, const LANES: usize>(values: &[T], start: usize) -> [T; LANES] {
    *values[start..].first_chunk().expect("the cell lies within")
}

/// Runs the block for the first channel of 16 each, which stay in registers, then of 8, 4, 2
/// and 1 of those that are left.
macro_rules! in_lanes {
    ($channels:expr, |$channel:ident, $LANES:ident| $block:block) => {{
        let (channels, mut $channel) = ($channels, 0);
        while channels - $channel >= 16 {
            const $LANES: usize = 16;
            $block
            $channel += 16;
        }
        in_lanes!(@rest channels, $channel, $LANES, $block, 8, 4, 2, 1);
    }};
    (@rest $channels:ident, $channel:ident, $LANES:ident, $block:block, $($lanes:literal),*) => {
        $(
            if $channels & $lanes != 0 {
                const $LANES: usize = $lanes;
                $block
                $channel += $lanes;
            }
        )*
        let _ = $channel;
    };
}

/// Combines the cells of each window, some channels at a time, with what was made of those
/// before; the first with `start`. `finish` makes the results of the last.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of functions for instruction sets")]
fn fold_line<T: Float>(
    y: &mut [T],
    x: &[T],
    line: &Line<'_>,
    start: T,
    combine: impl Fn(T, T) -> T,
    finish: impl Fn(T) -> T,
) {
    let Line { places, step, channels, seen, all } = *line;
    let (is_first, is_last) = (seen == places.len(), seen == all);
    for (window, y) in y.chunks_exact_mut(channels).enumerate() {
        let x = &x[window * step..];
        in_lanes!(channels, |channel, LANES| {
            let mut made = if is_first { [start; LANES] } else { lanes(y, channel) };
            for &place in places {
                let x = lanes::<T, LANES>(x, place + channel);
                for i in 0..LANES {
                    made[i] = combine(made[i], x[i]);
                }
            }
            if is_last {
                made = made.map(&finish);
            }
            y[channel..][..LANES].copy_from_slice(&made);
        });
    }
}

vectorized! {
    /// Of each window, the largest of the cells; NaN wins.
    fn largest_of<T: Float>(y: &mut [T], x: &[T], line: &Line<'_>) {
        let larger = |best: T, x: T| if (x > best) | x.is_nan() { x } else { best };
        fold_line(y, x, line, T::NEG_INFINITY, larger, |best| best);
    }
}

vectorized! {
    /// Of each window, the mean of the cells.
    fn mean_of<T: Float>(y: &mut [T], x: &[T], line: &Line<'_>) {
        let count = T::from_i64(line.all as i64);
        fold_line(y, x, line, T::ZERO, |sum, x| sum + x, |sum| sum / count);
    }
}

vectorized! {
    /// Where x is larger than the best so far, or the first, or NaN: x and its cell.
    fn largest<T: Float>(best: &mut [T], cells: &mut [u32], x: &[T], cell: u32) {
        for ((best, at), &x) in best.iter_mut().zip(cells).zip(x) {
            let first = *at == u32::MAX;
            let better = first | (x > *best) | (x.is_nan() & !best.is_nan());
            *best = if better { x } else { *best };
            *at = if better { cell } else { *at };
        }
    }
}

vectorized! {
    /// The values of the places of that cell.
    fn take<T: Float>(y: &mut [T], values: &[T], cells: &[u32], cell: u32) {
        for ((y, &value), &at) in y.iter_mut().zip(values).zip(cells) {
            *y = if at == cell { value } else { *y };
        }
    }
}

vectorized! {
    /// Adds `dy` at the places of that cell.
    fn give<T: Float>(dx: &mut [T], dy: &[T], cells: &[u32], cell: u32) {
        for ((dx, &dy), &at) in dx.iter_mut().zip(dy).zip(cells) {
            *dx = if at == cell { *dx + dy } else { *dx };
        }
    }
}

vectorized! {
    /// Of each window's cells, gives each channel's largest one `dy`, and the others 0.
    fn give_largest<T: Float>(dx: &mut [T], x: &[T], dy: &[T], line: &Line<'_>) {
        let Line { places, step, channels, .. } = *line;
        let Some((&first, others)) = places.split_first() else { return };
        for (window, dy) in dy.chunks_exact(channels).enumerate() {
            let (dx, x) = (&mut dx[window * step..], &x[window * step..]);
            in_lanes!(channels, |channel, LANES| {
                let mut best = lanes::<T, LANES>(x, first + channel);
                let mut at = [0_u32; LANES];
                for (cell, &place) in others.iter().enumerate() {
                    let x = lanes::<T, LANES>(x, place + channel);
                    for i in 0..LANES {
                        let better = (x[i] > best[i]) | (x[i].is_nan() & !best[i].is_nan());
                        best[i] = if better { x[i] } else { best[i] };
                        at[i] = if better { cell as u32 + 1 } else { at[i] };
                    }
                }
                let dy = lanes::<T, LANES>(dy, channel);
                for (cell, &place) in places.iter().enumerate() {
                    let mut given = [T::ZERO; LANES];
                    for i in 0..LANES {
                        given[i] = if at[i] == cell as u32 { dy[i] } else { T::ZERO };
                    }
                    dx[place + channel..][..LANES].copy_from_slice(&given);
                }
            });
        }
    }
}

vectorized! {
    /// Adds `x / count`.
    fn add<T: Float>(y: &mut [T], x: &[T], count: T) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += x / count;
        }
    }
}
