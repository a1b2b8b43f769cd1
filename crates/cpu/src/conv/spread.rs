//! Sums of several columns that read the same elements, which are spread once for all windows
//! that see them: [`Spread`].

use std::mem::MaybeUninit;

use super::{
    direct::{Job, Run},
    patches::STRETCHES,
};
use crate::{
    gemm::{Spreading, Stretch, Strip},
    simd::Float,
};

/// The most rows from the first stretch of a view to the last one.
const REACH: usize = 15;

/// The most rows that are spread together.
const ROWS: usize = 32;

/// The elements that are spread at a time.
const ELEMENTS: usize = 4096;

/// The stretches of what is spread at a time.
const LIST: usize = 2 * STRETCHES;

/// Stretches that read the same elements, but for some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct View {
    /// Where the first one starts, and the rows from there to the last one.
    start: usize,
    reach: usize,
    /// The elements of each stretch.
    depth: usize,
    stretches: usize,
}

/// The cells that windows have in common, view by view.
pub(super) struct Spread {
    spreading: Spreading,
    views: [View; STRETCHES],
    count: usize,
    /// Where they start is counted in rows, from their view's start on.
    stretches: [Stretch; STRETCHES],
}

/// What was spread, as whole vectors are read best.
#[repr(align(64))]
struct Elements<T>(MaybeUninit<[T; ELEMENTS]>);

/// Where sums of a block of columns come from and go to.
pub(super) struct Block<T> {
    /// The first row's elements, for a stretch that starts at 0.
    pub(super) source: *const T,
    pub(super) factors: *const T,
    /// The elements that a stretch's start in the factors counts.
    pub(super) factors_unit: usize,
    pub(super) out: *mut T,
    pub(super) columns: usize,
}

impl Spread {
    /// The views of these stretches, for rows at this distance.
    pub(super) fn new(spreading: Spreading, stretches: &[Stretch], step: usize) -> Self {
        let mut spread = Self {
            spreading,
            views: [View::default(); STRETCHES],
            count: 0,
            stretches: [Stretch::default(); STRETCHES],
        };
        let mut is_taken = [false; STRETCHES];
        let mut len = 0;
        for (number, first) in stretches.iter().enumerate() {
            if is_taken[number] {
                continue;
            }
            let mut view = View { start: first.a, depth: first.depth, ..View::default() };
            for (next, is_taken) in stretches.iter().zip(&mut is_taken).skip(number) {
                let Some(distance) = next.a.checked_sub(first.a) else { continue };
                let rows = distance / step;
                let is_seen = rows <= REACH && rows * step == distance;
                if is_seen && !*is_taken && next.depth == first.depth {
                    *is_taken = true;
                    spread.stretches[len] = Stretch { a: rows, ..*next };
                    len += 1;
                    view.reach = view.reach.max(rows);
                    view.stretches += 1;
                }
            }
            spread.views[spread.count] = view;
            spread.count += 1;
        }
        spread
    }

    /// Computes a block of columns of the rows of a run.
    ///
    /// # Safety
    ///
    /// As [`Kernels::sum_strip`](crate::gemm::Kernels::sum_strip), of columns of which some have
    /// the same one of the source, for the stretches that the views were made of.
    pub(super) unsafe fn run<T: Float>(
        &self,
        job: &Job<'_, T>,
        run: Run,
        block: &Block<T>,
        accumulate: bool,
    ) {
        let lanes = 2 * job.kernels.half_lanes();
        let mut elements = Elements::<T>(MaybeUninit::uninit());
        let elements = elements.0.as_mut_ptr().cast::<T>();
        let mut list = [Stretch::default(); LIST];
        for run in run.parts(ROWS) {
            let (mut len, mut filled, mut accumulate) = (0, 0, accumulate);
            let mut sum = |stretches: &[Stretch]| {
                let rows =
                    Run { start: [0, run.start[1]], step: [lanes, run.step[1]], ..run };
                for rows in rows.parts(job.rows()) {
                    let strip = Strip {
                        rows: rows.len,
                        a: elements.wrapping_add(rows.start[0]).cast_const(),
                        a_row: lanes,
                        b: block.factors,
                        b_unit: block.factors_unit,
                        stretches,
                        c: block.out.wrapping_add(rows.start[1]),
                        c_row: rows.step[1],
                        columns: block.columns,
                        accumulate,
                    };
                    // SAFETY: the stretches are of what was spread, of which there is a vector
                    // for each row; otherwise the caller's promise.
                    unsafe { job.kernels.sum_strip(&strip) };
                }
                accumulate = true;
            };
            let mut stretches = &self.stretches[..];
            for view in &self.views[..self.count] {
                let own;
                (own, stretches) = stretches.split_at(view.stretches);
                let rows = view.reach + run.len;
                for step in 0..view.depth {
                    if len + own.len() > LIST || filled + rows * lanes > ELEMENTS {
                        sum(&list[..len]);
                        (len, filled) = (0, 0);
                    }
                    let from =
                        block.source.wrapping_add(run.start[0] + view.start + step);
                    let to = elements.wrapping_add(filled);
                    // SAFETY: the rows lie between those of the first and of the last stretch,
                    // which are there; there is room for their vectors.
                    unsafe {
                        let (spreading, columns) = (&self.spreading, block.columns);
                        job.kernels.spread(
                            spreading,
                            columns,
                            from,
                            run.step[0],
                            rows,
                            to,
                        );
                    }
                    for (to, from) in list[len..].iter_mut().zip(own) {
                        let (a, b) = (filled + from.a * lanes, from.b + step);
                        *to = Stretch { a, b, depth: 1 };
                    }
                    len += own.len();
                    filled += rows * lanes;
                }
            }
            sum(&list[..len]);
        }
    }
}
