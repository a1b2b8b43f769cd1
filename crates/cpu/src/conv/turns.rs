//! Sums of several kinds of windows that take turns in the lines of one result: [`Turns`].

use super::{
    TASK,
    direct::{Direct, Factors, Order},
};
use crate::{
    Simd, Threads,
    gemm::Epilogue,
    simd::Float,
    threads::{Disjoint, part},
};

/// The windows of several phases, which have one target; together they fill it.
///
/// Their numbers go by the first place along each axis, the last axis fastest.
pub(super) struct Turns<'a, 'f, T> {
    pub(super) count: usize,
    pub(super) directs: &'f (dyn Fn(usize) -> Direct<'a> + Sync),
    pub(super) factors: &'f (dyn Fn(usize) -> Factors<'f, T> + Sync),
}

impl<T: Float> Turns<'_, '_, T> {
    /// Computes all sums, line by line of the target, and hands finished lines to the epilogue.
    pub(super) fn run(
        &self,
        simd: Simd,
        threads: &Threads,
        source: &[T],
        out: &Disjoint<'_, T>,
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let kernels = T::kernels(simd);
        let first = (self.directs)(0);
        let job = |number| {
            let factors = (self.factors)(number);
            (self.directs)(number).job(kernels, source, factors, out, epilogue)
        };
        let lens = first.target.lens;
        // The phases along each axis.
        let [a, b, c] = first.target.step;
        let (others, turns) = (b.min(lens[1]), c.min(lens[2]));
        let order = first.order(&job(0), threads);
        let (across, parts, lines) = match order {
            Order::Images { parts, lines } => (true, parts, lines * others),
            Order::Lines | Order::Flat => {
                (false, first.batch, first.task_lines() * others)
            }
        };
        let blocks = lens[1].div_ceil(lines);
        let units = parts * lens[0] * blocks;
        let work: usize =
            (0..self.count).map(|number| (self.directs)(number).work()).sum();
        let together = if work < TASK / 2 {
            units
        } else {
            (TASK / (work / units).max(1)).min(units.div_ceil(2))
        };
        let together = together.max(1);
        threads.run(units.div_ceil(together), &|task| {
            for unit in task * together..units.min((task + 1) * together) {
                let images = part(first.batch, parts, unit / (lens[0] * blocks));
                let plane = unit / blocks % lens[0];
                let start = unit % blocks * lines;
                let end = lens[1].min(start + lines);
                for other in 0..others {
                    // The lines of these phases whose place is one of the unit's.
                    let [from, to] =
                        [start, end].map(|place| place.saturating_sub(other).div_ceil(b));
                    for turn in 0..turns {
                        let number = (plane % a * others + other) * turns + turn;
                        let (direct, job) = ((self.directs)(number), job(number));
                        let images = images.clone();
                        direct.lines(&job, images, plane / a, from..to, across);
                    }
                }
                for image in images {
                    let line = (image * lens[0] + plane) * lens[1];
                    first.finish(
                        &job(0),
                        (line + start) * lens[2]..(line + end) * lens[2],
                    );
                }
            }
        });
    }
}
