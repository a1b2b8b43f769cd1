//! Convolutions as sums over windows that stay where they are: [`Conv`].
#![expect(unsafe_code, reason = "tasks that write parts of the result")]

mod by_cells;
mod columns;
mod direct;
mod few_windows;
mod forward;
mod patches;
mod side_by_side;
mod spread;
mod to_input;
mod to_kernel;
mod turns;

use std::ops::Range;

use deckle_tensor::{Convolution, Pool};

use patches::Axis;
pub(crate) use patches::Patches;

/// The multiplications that make a task worth handing over.
const TASK: usize = 1 << 18;

/// The convolution of tensors of given shapes, forward and to both of its operands.
///
/// Images are (batch, spatial…, channels), kernels (spatial…, channels / groups, filters), as
/// [`Primitive::Convolution`](deckle_tensor::Primitive::Convolution) has them; up to three
/// spatial axes. Tiles of the result are computed in registers, from the cells of the images
/// that exist, which are read where they are; a 1 × 1 kernel is a matrix product. The work is
/// cut by shape alone, so results are the same bits on any number of threads.
///
/// # Examples
///
/// ```
/// use deckle_cpu::{Simd, Threads, conv::Conv};
/// use deckle_tensor::{Convolution, Pool};
///
/// let settings = Convolution {
///     strides: vec![1],
///     padding: vec![(1, 0)],
///     dilation: vec![1],
///     groups: 1,
/// };
/// let conv = Conv::new(&settings, &[1, 3, 1], &[2, 1, 1]);
/// let (simd, threads) = (Simd::detect(), Threads::new(1));
/// let mut scratch = vec![0.0_f32; conv.forward_scratch::<f32>(simd, 1)];
/// let mut y = [0.0; 3];
/// let (x, kernel) = ([1.0, 2.0, 4.0], [10.0, 1.0]);
/// conv.forward(simd, &threads, &x, &kernel, &mut y, &mut scratch, None);
/// assert_eq!(y, [1.0, 12.0, 24.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Conv {
    batch: usize,
    channels: usize,
    filters: usize,
    groups: usize,
    /// The cells of an image, of the result of one, and of the kernel.
    cells: [usize; 3],
    forward: Patches,
    /// By the remainders of a place's coordinates by the strides: what of the result reaches
    /// there.
    phases: Vec<Phase>,
    /// Whether each patch is one cell, one after the other.
    pointwise: bool,
    /// The most parts of a batch whose gradients by the kernel are added up in the end.
    slices: usize,
}

/// The places of an image whose coordinates have the same remainders by the strides.
#[derive(Clone, Debug)]
struct Phase {
    /// The first place, and the distance between places, per axis.
    start: [usize; 3],
    step: [usize; 3],
    /// The cells of the kernel that reach these places, in the order of the patches.
    cells: Vec<usize>,
    /// Patches of the result's gradient.
    patches: Patches,
}

impl Conv {
    /// The convolution of an image and a kernel of these shapes.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit the settings, or have more than three spatial axes.
    #[must_use]
    pub fn new(settings: &Convolution, x: &[usize], kernel: &[usize]) -> Self {
        let rank = settings.strides.len();
        assert!(
            rank <= 3 && x.len() == rank + 2 && kernel.len() == rank + 2,
            "up to 3 axes"
        );
        let (channels, filters) = (x[rank + 1], kernel[rank + 1]);
        let groups = settings.groups;
        assert!(
            kernel[rank] * groups == channels && filters.is_multiple_of(groups),
            "groups divide channels and filters"
        );
        let axes = axes(settings, x, kernel);
        let forward = Patches::new(
            axes.each_ref().map(AxisShape::forward),
            channels,
            channels / groups,
        );
        // A group's filters at a time; with one channel each, the filters one by one.
        let run = if groups > 1 && groups == channels { 1 } else { filters / groups };
        let phases = axes[0]
            .phases()
            .flat_map(|i| axes[1].phases().map(move |j| [i, j]))
            .flat_map(|[i, j]| axes[2].phases().map(move |k| [i, j, k]))
            .map(|start| Phase::new(&axes, start, filters, run))
            .collect();
        let product = |len: fn(&AxisShape) -> usize| axes.iter().map(len).product();
        Self {
            batch: x[0],
            channels,
            filters,
            groups,
            cells: [product(|a| a.len), product(|a| a.windows), product(|a| a.window)],
            forward,
            phases,
            pointwise: groups == 1 && axes.iter().all(AxisShape::is_pointwise),
            slices: to_kernel::SLICES,
        }
    }

    /// The same for one thread, whose gradient by the kernel is no sum of several.
    #[must_use]
    pub(crate) fn in_one_slice(self) -> Self {
        Self { slices: 1, ..self }
    }

    /// Whether there is nothing to add up.
    fn is_empty(&self) -> bool {
        self.batch * self.channels * self.filters * self.cells.iter().product::<usize>()
            == 0
    }

    fn check_lens(&self, x: usize, kernel: usize, y: usize) {
        let [cells_x, cells_y, cells] = self.cells;
        assert_eq!(x, self.batch * cells_x * self.channels, "elements of x");
        let channels = self.channels / self.groups;
        assert_eq!(kernel, cells * channels * self.filters, "elements of the kernel");
        assert_eq!(y, self.batch * cells_y * self.filters, "elements of y");
    }
}

/// The spatial axes; those that are missing have one cell.
fn axes(settings: &Convolution, x: &[usize], window: &[usize]) -> [AxisShape; 3] {
    let missing = 3 - settings.strides.len();
    std::array::from_fn(|axis| match axis.checked_sub(missing) {
        Some(axis) => AxisShape::new(settings, axis, x[axis + 1], window[axis]),
        None => {
            AxisShape { len: 1, windows: 1, window: 1, stride: 1, dilation: 1, low: 0 }
        }
    })
}

/// The windows of a pooling over an image.
pub(crate) fn pool_windows(pool: &Pool, x: &[usize]) -> Patches {
    let rank = pool.window.len();
    assert!(rank <= 3 && x.len() == rank + 2, "up to 3 spatial axes");
    let settings = Convolution {
        strides: pool.strides.clone(),
        padding: pool.padding.clone(),
        dilation: vec![1; rank],
        groups: 1,
    };
    let channels = x[rank + 1];
    let axes = axes(&settings, x, &pool.window);
    Patches::new(axes.each_ref().map(AxisShape::forward), channels, channels)
}

/// One spatial axis.
#[derive(Clone, Copy, Debug)]
struct AxisShape {
    /// The cells of the image.
    len: usize,
    /// The cells of the result.
    windows: usize,
    /// The cells of the kernel.
    window: usize,
    stride: usize,
    dilation: usize,
    /// The zeros before the image.
    low: isize,
}

impl AxisShape {
    fn new(settings: &Convolution, axis: usize, len: usize, window: usize) -> Self {
        let (stride, dilation) = (settings.strides[axis], settings.dilation[axis]);
        let (low, high) = settings.padding[axis];
        let reach = window.saturating_sub(1) * dilation + 1;
        let windows =
            (len + low + high).checked_sub(reach).map_or(0, |rest| rest / stride + 1);
        let low = isize::try_from(low).expect("padding fits into memory");
        Self { len, windows, window, stride, dilation, low }
    }

    fn is_pointwise(&self) -> bool {
        self.window == 1 && self.stride == 1 && self.low == 0 && self.windows == self.len
    }

    /// What the result's cells read of the image.
    fn forward(&self) -> Axis {
        let offset = |cell| signed(cell * self.dilation) - self.low;
        let offsets = (0..self.window).map(offset).collect();
        Axis::new(self.len, self.windows, self.stride, offsets)
    }

    /// The remainders by the stride that there are.
    fn phases(&self) -> Range<usize> {
        0..self.stride.min(self.len)
    }

    /// What the image's cells from `start` on, in steps of the stride, read of the result's
    /// gradient; and which cells of the kernel do that, in the order of the offsets.
    fn backward(&self, start: usize) -> (Axis, Vec<usize>) {
        let stride = signed(self.stride);
        let distance =
            |cell: usize| signed(start) + self.low - signed(cell * self.dilation);
        let cells: Vec<_> =
            (0..self.window).rev().filter(|&cell| distance(cell) % stride == 0).collect();
        let count = (self.len - start).div_ceil(self.stride);
        let offsets = cells.iter().map(|&cell| distance(cell) / stride).collect();
        (Axis::new(self.windows, count, 1, offsets), cells)
    }
}

fn signed(len: usize) -> isize {
    isize::try_from(len).expect("lengths fit into memory")
}

impl Phase {
    fn new(axes: &[AxisShape; 3], start: [usize; 3], filters: usize, run: usize) -> Self {
        let [(a, cells_a), (b, cells_b), (c, cells_c)] =
            std::array::from_fn(|axis| axes[axis].backward(start[axis]));
        let mut cells = Vec::new();
        for &i in &cells_a {
            for &j in &cells_b {
                for &k in &cells_c {
                    cells.push((i * axes[1].window + j) * axes[2].window + k);
                }
            }
        }
        let step = axes.each_ref().map(|axis| axis.stride);
        Self { start, step, cells, patches: Patches::new([a, b, c], filters, run) }
    }
}
