//! Convolution and its two adjoints, which all visit the same triples of elements.

use super::{
    number::{Wide, narrow, widen, with_wide},
    pool::cells,
};
use crate::{Convolution, Spec, Tensor};

pub(super) fn convolution(
    settings: &Convolution,
    x: &Tensor,
    kernel: &Tensor,
    y: &Spec,
) -> Tensor {
    let triples = Triples { settings, x: x.shape(), kernel: kernel.shape(), y: &y.shape };
    with_wide!(y.dtype, T, W => {
        let (x, kernel) = (widen::<T, W>(x), widen::<T, W>(kernel));
        let mut sums = vec![<W as Wide>::ZERO; y.size()];
        triples.visit(&mut |i, j, o| sums[o] = sums[o].plus(x[i].times(kernel[j])));
        narrow::<T, W>(&y.shape, &sums)
    })
}

pub(super) fn to_input(
    settings: &Convolution,
    dy: &Tensor,
    kernel: &Tensor,
    x: &Spec,
) -> Tensor {
    let triples =
        Triples { settings, x: &x.shape, kernel: kernel.shape(), y: dy.shape() };
    with_wide!(x.dtype, T, W => {
        let (dy, kernel) = (widen::<T, W>(dy), widen::<T, W>(kernel));
        let mut sums = vec![<W as Wide>::ZERO; x.size()];
        triples.visit(&mut |i, j, o| sums[i] = sums[i].plus(dy[o].times(kernel[j])));
        narrow::<T, W>(&x.shape, &sums)
    })
}

pub(super) fn to_kernel(
    settings: &Convolution,
    x: &Tensor,
    dy: &Tensor,
    kernel: &Spec,
) -> Tensor {
    let triples =
        Triples { settings, x: x.shape(), kernel: &kernel.shape, y: dy.shape() };
    with_wide!(kernel.dtype, T, W => {
        let (x, dy) = (widen::<T, W>(x), widen::<T, W>(dy));
        let mut sums = vec![<W as Wide>::ZERO; kernel.size()];
        triples.visit(&mut |i, j, o| sums[j] = sums[j].plus(x[i].times(dy[o])));
        narrow::<T, W>(&kernel.shape, &sums)
    })
}

/// The shapes of `x`, `kernel` and `y` of one convolution.
struct Triples<'a> {
    settings: &'a Convolution,
    x: &'a [usize],
    kernel: &'a [usize],
    y: &'a [usize],
}

impl Triples<'_> {
    /// Calls `f` with the places in `x`, `kernel` and `y` of each product in the sum
    /// `y[o] = Σ x[i] · kernel[j]`.
    fn visit(&self, f: &mut dyn FnMut(usize, usize, usize)) {
        let spatial = self.settings.strides.len();
        let split = |shape: &[usize]| shape[1..=spatial].to_vec();
        let (cells_x, cells_y) = (split(self.x), split(self.y));
        let (size_x, size_y) =
            (cells_x.iter().product::<usize>(), cells_y.iter().product::<usize>());
        let (batch, channels) = (self.x[0], self.x[spatial + 1]);
        let (per_group, filters) = (self.kernel[spatial], self.kernel[spatial + 1]);
        let filters_per_group = filters / self.settings.groups;
        for (at_y, y) in cells(&cells_y).enumerate() {
            for (at_kernel, k) in cells(&self.kernel[..spatial]).enumerate() {
                let Some(at_x) = self.cell(&cells_x, &y, &k) else { continue };
                for b in 0..batch {
                    for c in 0..channels {
                        let i = (b * size_x + at_x) * channels + c;
                        let row = (at_kernel * per_group + c % per_group) * filters;
                        let first = c / per_group * filters_per_group;
                        for filter in first..first + filters_per_group {
                            let o = (b * size_y + at_y) * filters + filter;
                            f(i, row + filter, o);
                        }
                    }
                }
            }
        }
    }

    /// The cell of `x` under a cell of the kernel, unless it is padding.
    fn cell(&self, lens: &[usize], y: &[usize], kernel: &[usize]) -> Option<usize> {
        let mut at = 0;
        for axis in 0..lens.len() {
            let position = y[axis] * self.settings.strides[axis]
                + kernel[axis] * self.settings.dilation[axis];
            let position = position.checked_sub(self.settings.padding[axis].0)?;
            if position >= lens[axis] {
                return None;
            }
            at = at * lens[axis] + position;
        }
        Some(at)
    }
}
