//! Convolutions: up to three spatial axes by the fast kernels, more by their definition.

use deckle_tensor::{Convolution, DType, Primitive, Result};

use super::{Finish, Kernel, Product, matmul::rows, pooling::Windows};
use crate::{
    Simd,
    conv::Conv,
    gemm::Epilogue,
    graph::{Graph, Id, Node},
    place::{Context, Dense, Plain},
    simd::Float,
};

/// The most spatial axes of a convolution that the fast kernels run.
pub(crate) const FAST_AXES: usize = 3;

/// A convolution, or an adjoint of one, of few spatial axes.
pub(crate) struct Convolve {
    conv: Conv,
    part: Part,
    a: Dense,
    b: Dense,
    out: Dense,
    scratch: Option<Dense>,
    finish: Option<Finish>,
}

/// Which of a convolution's three tensors is computed.
#[derive(Clone, Copy)]
enum Part {
    Forward,
    ToInput,
    ToKernel,
}

impl Convolve {
    /// `None` if the primitive is no convolution, or one of more axes. `in_part` says whether it
    /// is of a part of a batch.
    pub(crate) fn new(
        graph: &Graph,
        node: &Node,
        primitive: &Primitive,
        in_part: bool,
    ) -> Option<Self> {
        let (settings, part) = match primitive {
            Primitive::Convolution(settings) => (settings, Part::Forward),
            Primitive::ConvolutionToInput { convolution, .. } => {
                (convolution, Part::ToInput)
            }
            Primitive::ConvolutionToKernel { convolution, .. } => {
                (convolution, Part::ToKernel)
            }
            _ => return None,
        };
        if settings.strides.len() > FAST_AXES {
            return None;
        }
        let [a, b] = [0, 1].map(|i| Dense::new(graph, &node.operands[i]));
        let out = Dense::whole(node.results[0], &graph.values[node.results[0]].spec);
        let (x, kernel) = match part {
            Part::Forward => (a.shape(), b.shape()),
            Part::ToInput => (out.shape(), b.shape()),
            Part::ToKernel => (a.shape(), out.shape()),
        };
        let conv = Conv::new(settings, x, kernel);
        let conv = if in_part { conv.in_one_slice() } else { conv };
        Some(Self { conv, part, a, b, out, scratch: None, finish: None })
    }

    fn elements<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        match self.part {
            Part::Forward => self.conv.forward_scratch::<T>(simd, threads),
            Part::ToInput => self.conv.to_input_scratch::<T>(simd, threads),
            Part::ToKernel => self.conv.to_kernel_scratch::<T>(simd, threads),
        }
    }

    fn compute<T: Float + Plain>(&self, context: &Context<'_>) {
        let (a, b) = (context.read::<T>(&self.a), context.read::<T>(&self.b));
        let out = context.write::<T>(&self.out);
        let scratch: &mut [T] = match &self.scratch {
            Some(scratch) => context.write(scratch),
            None => &mut [],
        };
        let finish = |row: usize, column: usize, part: &mut [T]| {
            if let Some(finish) = &self.finish {
                finish.part(context, row, column, part);
            }
        };
        let epilogue: Option<Epilogue<'_, T>> =
            if self.finish.is_some() { Some(&finish) } else { None };
        let (simd, threads) = (context.simd, context.threads);
        match self.part {
            Part::Forward => {
                self.conv.forward(simd, threads, a, b, out, scratch, epilogue);
            }
            Part::ToInput => {
                self.conv.to_input(simd, threads, a, b, out, scratch, epilogue);
            }
            Part::ToKernel => self.conv.to_kernel(simd, threads, a, b, out, scratch),
        }
    }
}

impl Product for Convolve {
    fn set_finish(&mut self, finish: Finish) {
        self.finish = Some(finish);
    }
}

impl Kernel for Convolve {
    fn scratch(&self, simd: Simd, threads: usize) -> usize {
        match self.out.spec.dtype {
            DType::F64 => 8 * self.elements::<f64>(simd, threads),
            _ => 4 * self.elements::<f32>(simd, threads),
        }
    }

    fn set_scratch(&mut self, id: Id, bytes: usize) {
        let width = self.out.spec.dtype.size();
        self.scratch = Some(Dense::scratch(id, bytes / width, width));
    }

    fn prepare(&mut self, same: &dyn Fn(Id, Id) -> bool, simd: Simd) {
        if let Some(finish) = &mut self.finish {
            finish.prepare(same, simd);
        }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        match self.out.spec.dtype {
            DType::F64 => self.compute::<f64>(context),
            _ => self.compute::<f32>(context),
        }
        Ok(())
    }
}

/// The shapes of one convolution.
struct Shapes {
    windows: Windows,
    channels: usize,
    filters: usize,
    /// Channels and filters of one group.
    group: [usize; 2],
}

impl Shapes {
    fn new(settings: &Convolution, x: &[usize], kernel: &[usize], y: &[usize]) -> Self {
        let rank = settings.strides.len();
        let windows = Windows::new(
            x,
            y,
            &kernel[..rank],
            &settings.strides,
            &settings.padding,
            &settings.dilation,
        );
        let filters = kernel[rank + 1];
        let group = [kernel[rank], filters / settings.groups];
        Self { windows, channels: x[rank + 1], filters, group }
    }
}

macro_rules! float_kernel {
    ($dtype:expr, $body:ident($($argument:expr),*)) => {
        match $dtype {
            DType::F64 => Box::new(move |context: &Context<'_>| {
                $body::<f64>(context, $($argument),*);
                Ok(())
            }),
            _ => Box::new(move |context: &Context<'_>| {
                $body::<f32>(context, $($argument),*);
                Ok(())
            }),
        }
    };
}

pub(crate) fn convolution(
    x: Dense,
    kernel: Dense,
    out: Dense,
    settings: &Convolution,
) -> Box<dyn Kernel> {
    let shapes = Shapes::new(settings, x.shape(), kernel.shape(), out.shape());
    float_kernel!(x.spec.dtype, forward(&shapes, &x, &kernel, &out))
}

fn forward<T: Float + Plain>(
    context: &Context<'_>,
    shapes: &Shapes,
    x: &Dense,
    kernel: &Dense,
    out: &Dense,
) {
    let [cells_x, cells_y, cells] = shapes.windows.sizes();
    let [channels, filters] = shapes.group;
    let (x, kernel) = (context.read::<T>(x), context.read::<T>(kernel));
    rows(context.threads, context.write::<T>(out), shapes.filters, |row, y| {
        let (image, place) = (row / cells_y * cells_x, row % cells_y);
        y.fill(T::ZERO);
        for k in 0..cells {
            let Some(cell) = shapes.windows.cell(place, k) else { continue };
            let x = &x[(image + cell) * shapes.channels..][..shapes.channels];
            for (channel, &x) in x.iter().enumerate() {
                let (group, channel) = (channel / channels, channel % channels);
                let from = (k * channels + channel) * shapes.filters + group * filters;
                let kernel = &kernel[from..from + filters];
                for (y, &kernel) in y[group * filters..].iter_mut().zip(kernel) {
                    *y += x * kernel;
                }
            }
        }
    });
}

pub(crate) fn convolution_to_input(
    dy: Dense,
    kernel: Dense,
    out: Dense,
    settings: &Convolution,
) -> Box<dyn Kernel> {
    let shapes = Shapes::new(settings, out.shape(), kernel.shape(), dy.shape());
    float_kernel!(dy.spec.dtype, to_input(&shapes, &dy, &kernel, &out))
}

fn to_input<T: Float + Plain>(
    context: &Context<'_>,
    shapes: &Shapes,
    dy: &Dense,
    kernel: &Dense,
    out: &Dense,
) {
    let [cells_x, cells_y, cells] = shapes.windows.sizes();
    let [channels, filters] = shapes.group;
    let (dy, kernel) = (context.read::<T>(dy), context.read::<T>(kernel));
    let len = cells_x * shapes.channels;
    rows(context.threads, context.write::<T>(out), len, |image, dx| {
        dx.fill(T::ZERO);
        for place in 0..cells_y {
            let dy = &dy[(image * cells_y + place) * shapes.filters..][..shapes.filters];
            for k in 0..cells {
                let Some(cell) = shapes.windows.cell(place, k) else { continue };
                let dx = &mut dx[cell * shapes.channels..][..shapes.channels];
                for (channel, dx) in dx.iter_mut().enumerate() {
                    let (group, channel) = (channel / channels, channel % channels);
                    let from =
                        (k * channels + channel) * shapes.filters + group * filters;
                    let kernel = &kernel[from..from + filters];
                    for (&dy, &kernel) in dy[group * filters..].iter().zip(kernel) {
                        *dx += dy * kernel;
                    }
                }
            }
        }
    });
}

pub(crate) fn convolution_to_kernel(
    x: Dense,
    dy: Dense,
    out: Dense,
    settings: &Convolution,
) -> Box<dyn Kernel> {
    let shapes = Shapes::new(settings, x.shape(), out.shape(), dy.shape());
    let batch = x.shape()[0];
    float_kernel!(x.spec.dtype, to_kernel(&shapes, batch, &x, &dy, &out))
}

fn to_kernel<T: Float + Plain>(
    context: &Context<'_>,
    shapes: &Shapes,
    batch: usize,
    x: &Dense,
    dy: &Dense,
    out: &Dense,
) {
    let [cells_x, cells_y, _] = shapes.windows.sizes();
    let [channels, filters] = shapes.group;
    let (x, dy) = (context.read::<T>(x), context.read::<T>(dy));
    rows(context.threads, context.write::<T>(out), shapes.filters, |row, dk| {
        let (k, channel) = (row / channels, row % channels);
        dk.fill(T::ZERO);
        for image in 0..batch {
            for place in 0..cells_y {
                let Some(cell) = shapes.windows.cell(place, k) else { continue };
                let x = &x[(image * cells_x + cell) * shapes.channels..];
                let dy = &dy[(image * cells_y + place) * shapes.filters..];
                for (filter, dk) in dk.iter_mut().enumerate() {
                    let group = filter / filters;
                    *dk += x[group * channels + channel] * dy[filter];
                }
            }
        }
    });
}
