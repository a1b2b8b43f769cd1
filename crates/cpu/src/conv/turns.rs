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
        let across = matches!(first.order(&job(0)), Order::Images(_));
        let parts =
            if across { first.batch.div_ceil(job(0).rows()) } else { first.batch };
        let lines = lens[0] * lens[1];
        let units = parts * lines;
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
                let images = part(first.batch, parts, unit / lines);
                let line = unit % lines;
                let at = [line / lens[1], line % lens[1]];
                // The phase of the line's first cell, and how many cells have others.
                let [a, b, c] = first.target.step;
                let (others, turns) = (b.min(lens[1]), c.min(lens[2]));
                let number = (at[0] % a * others + at[1] % b) * turns;
                for number in number..number + turns {
                    let (direct, job) = ((self.directs)(number), job(number));
                    let line = at[0] / a * direct.patches.counts()[1] + at[1] / b;
                    direct.line(&job, images.clone(), line, across);
                }
                for image in images {
                    let start = (image * lines + line) * lens[2];
                    first.finish(&job(0), start..start + lens[2]);
                }
            }
        });
    }
}
