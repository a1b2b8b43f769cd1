//! Largest elements and means of windows.

use deckle_tensor::{DType, Element, Pool};

use super::{Kernel, arrange::is_nan, matmul::rows};
use crate::{
    place::{Context, Dense, Plain},
    pool::Pooling,
    tile::{number::Number, with_number},
};

/// Where the windows of a pooling or convolution lie.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    x: Vec<usize>,
    y: Vec<usize>,
    window: Vec<usize>,
    strides: Vec<usize>,
    before: Vec<usize>,
    dilation: Vec<usize>,
}

impl Windows {
    pub(super) fn new(
        x: &[usize],
        y: &[usize],
        window: &[usize],
        strides: &[usize],
        padding: &[(usize, usize)],
        dilation: &[usize],
    ) -> Self {
        let inner = |shape: &[usize]| shape[1..shape.len() - 1].to_vec();
        Self {
            x: inner(x),
            y: inner(y),
            window: window.to_vec(),
            strides: strides.to_vec(),
            before: padding.iter().map(|&(low, _)| low).collect(),
            dilation: dilation.to_vec(),
        }
    }

    fn pool(pool: &Pool, x: &[usize], y: &[usize]) -> Self {
        let dilation = vec![1; pool.window.len()];
        Self::new(x, y, &pool.window, &pool.strides, &pool.padding, &dilation)
    }

    /// The numbers of cells in x, in y and in a window.
    pub(super) fn sizes(&self) -> [usize; 3] {
        [&self.x, &self.y, &self.window].map(|lens| lens.iter().product())
    }

    /// The cell of x under cell `k` of the window of cell `y`, if it lies inside.
    pub(super) fn cell(&self, mut y: usize, mut k: usize) -> Option<usize> {
        let (mut cell, mut step) = (0, 1);
        for axis in (0..self.x.len()).rev() {
            let at = (y % self.y[axis]) * self.strides[axis]
                + (k % self.window[axis]) * self.dilation[axis];
            let at = at.checked_sub(self.before[axis]).filter(|&at| at < self.x[axis])?;
            cell += at * step;
            step *= self.x[axis];
            y /= self.y[axis];
            k /= self.window[axis];
        }
        Some(cell)
    }
}

/// Of several elements, the largest: the first one, or the first NaN.
fn largest_cell<T: Plain + PartialOrd>(
    windows: &Windows,
    y: usize,
    x: impl Fn(usize) -> T,
) -> Option<usize> {
    let mut best: Option<(usize, T)> = None;
    for k in 0..windows.sizes()[2] {
        let Some(cell) = windows.cell(y, k) else { continue };
        let new = x(cell);
        if best.is_none_or(|(_, old)| new > old || is_nan(new) && !is_nan(old)) {
            best = Some((cell, new));
        }
    }
    best.map(|(cell, _)| cell)
}

/// Runs the fast kernel of a pooling of floats with up to three spatial axes, if it is one.
macro_rules! fast {
    (
        $pool:ident of $shape:expr, $first:expr,
        |$pooling:ident, $context:ident| $T:ident => $body:expr
    ) => {
        if $pool.window.len() <= 3 {
            let $pooling = Pooling::new($pool, $shape);
            match $first.spec.dtype {
                DType::F32 => {
                    return Box::new(move |$context: &Context<'_>| {
                        type $T = f32;
                        $body;
                        Ok(())
                    });
                }
                DType::F64 => {
                    return Box::new(move |$context: &Context<'_>| {
                        type $T = f64;
                        $body;
                        Ok(())
                    });
                }
                _ => {}
            }
        }
    };
}

pub(crate) fn max_pool(x: Dense, out: Dense, pool: &Pool) -> Box<dyn Kernel> {
    fast!(pool of x.shape(), x, |pooling, context| T => pooling.max::<T>(
        context.simd,
        context.threads,
        context.read(&x),
        context.write(&out),
    ));
    let windows = Windows::pool(pool, x.shape(), out.shape());
    let channels = x.shape()[x.shape().len() - 1];
    with_number!(x.spec.dtype, T => Box::new(move |context: &Context<'_>| {
        let [cells_x, cells_y, _] = windows.sizes();
        let x = context.read::<T>(&x);
        rows(context.threads, context.write::<T>(&out), channels, |row, out| {
            let (image, y) = (row / cells_y * cells_x, row % cells_y);
            for (channel, out) in out.iter_mut().enumerate() {
                let at = |cell: usize| x[(image + cell) * channels + channel];
                *out = largest_cell(&windows, y, at)
                    .map_or(T::from_f64(f64::NEG_INFINITY), at);
            }
        });
        Ok(())
    }))
}

pub(crate) fn max_pool_gather(
    x: Dense,
    values: Dense,
    out: Dense,
    pool: &Pool,
) -> Box<dyn Kernel> {
    if values.spec.dtype == x.spec.dtype {
        fast!(pool of x.shape(), x, |pooling, context| T => pooling.max_gather::<T>(
            context.simd,
            context.threads,
            context.read(&x),
            context.read(&values),
            context.write(&out),
        ));
    }
    let windows = Windows::pool(pool, x.shape(), out.shape());
    let channels = x.shape()[x.shape().len() - 1];
    with_number!(x.spec.dtype, T => with_number!(values.spec.dtype, V => {
        Box::new(move |context: &Context<'_>| {
            let [cells_x, cells_y, _] = windows.sizes();
            let (x, values) = (context.read::<T>(&x), context.read::<V>(&values));
            rows(context.threads, context.write::<V>(&out), channels, |row, out| {
                let (image, y) = (row / cells_y * cells_x, row % cells_y);
                for (channel, out) in out.iter_mut().enumerate() {
                    let at = |cell: usize| (image + cell) * channels + channel;
                    *out = largest_cell(&windows, y, |cell| x[at(cell)])
                        .map_or(V::default(), |cell| values[at(cell)]);
                }
            });
            Ok(())
        })
    }))
}

pub(crate) fn max_pool_scatter(
    x: Dense,
    dy: Dense,
    out: Dense,
    pool: &Pool,
) -> Box<dyn Kernel> {
    if dy.spec.dtype == x.spec.dtype {
        fast!(pool of x.shape(), x, |pooling, context| T => pooling.max_scatter::<T>(
            context.simd,
            context.threads,
            context.read(&x),
            context.read(&dy),
            context.write(&out),
        ));
    }
    let windows = Windows::pool(pool, x.shape(), dy.shape());
    let channels = x.shape()[x.shape().len() - 1];
    with_number!(x.spec.dtype, T => with_number!(dy.spec.dtype, V => {
        Box::new(move |context: &Context<'_>| {
            let [cells_x, cells_y, _] = windows.sizes();
            let (x, dy) = (context.read::<T>(&x), context.read::<V>(&dy));
            let len = cells_x * channels;
            rows(context.threads, context.write::<V>(&out), len, |image, dx| {
                dx.fill(V::default());
                for y in 0..cells_y {
                    for channel in 0..channels {
                        let at = |cell: usize| {
                            x[(image * cells_x + cell) * channels + channel]
                        };
                        let Some(cell) = largest_cell(&windows, y, at) else { continue };
                        let dx = &mut dx[cell * channels + channel];
                        let dy = dy[(image * cells_y + y) * channels + channel];
                        *dx = Number::add(*dx, dy);
                    }
                }
            });
            Ok(())
        })
    }))
}

pub(crate) fn average_pool(x: Dense, out: Dense, pool: &Pool) -> Box<dyn Kernel> {
    fast!(pool of x.shape(), x, |pooling, context| T => pooling.average::<T>(
        context.simd,
        context.threads,
        context.read(&x),
        context.write(&out),
    ));
    let windows = Windows::pool(pool, x.shape(), out.shape());
    let channels = x.shape()[x.shape().len() - 1];
    with_number!(x.spec.dtype, T => Box::new(move |context: &Context<'_>| {
        let [cells_x, cells_y, cells] = windows.sizes();
        let x = context.read::<T>(&x);
        rows(context.threads, context.write::<T>(&out), channels, |row, out| {
            let (image, y) = (row / cells_y * cells_x, row % cells_y);
            out.fill(T::default());
            let mut count = 0;
            for cell in (0..cells).filter_map(|k| windows.cell(y, k)) {
                count += 1;
                let x = &x[(image + cell) * channels..][..channels];
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = Number::add(*out, x);
                }
            }
            for out in out.iter_mut().filter(|_| count > 0) {
                *out = Number::div(*out, T::from_i64(count));
            }
        });
        Ok(())
    }))
}

pub(crate) fn average_pool_to_input(
    dy: Dense,
    out: Dense,
    pool: &Pool,
) -> Box<dyn Kernel> {
    fast!(pool of out.shape(), dy, |pooling, context| T => pooling.average_to_input::<T>(
        context.simd,
        context.threads,
        context.read(&dy),
        context.write(&out),
    ));
    let windows = Windows::pool(pool, out.shape(), dy.shape());
    let channels = dy.shape()[dy.shape().len() - 1];
    with_number!(dy.spec.dtype, T => Box::new(move |context: &Context<'_>| {
        let [cells_x, cells_y, cells] = windows.sizes();
        let dy = context.read::<T>(&dy);
        let len = cells_x * channels;
        rows(context.threads, context.write::<T>(&out), len, |image, dx| {
            dx.fill(T::default());
            for y in 0..cells_y {
                let count = (0..cells).filter_map(|k| windows.cell(y, k)).count();
                let dy = &dy[(image * cells_y + y) * channels..][..channels];
                for cell in (0..cells).filter_map(|k| windows.cell(y, k)) {
                    let dx = &mut dx[cell * channels..][..channels];
                    for (dx, &dy) in dx.iter_mut().zip(dy) {
                        *dx = Number::add(*dx, Number::div(dy, T::from_i64(count as i64)));
                    }
                }
            }
        });
        Ok(())
    }))
}
