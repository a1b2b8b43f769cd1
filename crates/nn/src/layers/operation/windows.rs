//! Operations of windows: pooling, convolutions, blocks of space and depth.

use deckle_autograd::{Axis, Padding as Edges, Var};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    given::{Given, missing, promoted},
    table::{NN, Row, Rule::One, float, row},
};
use crate::{
    Result,
    layers::{ConvTranspose, PerAxis, conv::Padding},
};

const POOLED: &[&str] = &["pool_size", "strides", "padding", "data_format"];
const CONVOLVED: &[&str] = &["strides", "padding", "data_format", "dilation_rate"];
const BLOCKS: &[&str] = &["block_size", "data_format"];

pub(super) static ROWS: &[Row] = &[
    row(NN, "MaxPool", POOLED, One(|g| pool(g, false))),
    row(NN, "AveragePool", POOLED, One(|g| pool(g, true))),
    row(NN, "Conv", CONVOLVED, One(conv)),
    row(NN, "DepthwiseConv", CONVOLVED, One(depthwise_conv)),
    row(NN, "SeparableConv", CONVOLVED, One(separable_conv)),
    row(
        NN,
        "ConvTranspose",
        &["strides", "padding", "output_padding", "data_format", "dilation_rate"],
        One(conv_transpose),
    ),
    row(NN, "DepthToSpace", BLOCKS, One(depth_to_space)),
    row(NN, "SpaceToDepth", BLOCKS, One(space_to_depth)),
];

fn inputs(given: &Given<'_>) -> Result<Var> {
    let x = given.tensor(0, "inputs")?;
    match x.rank() {
        3..=5 => Ok(given.data_format()?.to_last(&x)?),
        _ => Err(missing(
            "inputs",
            "a tensor with batch, one to three spatial axes, channels",
        )
        .got(x.shape())),
    }
}

fn back(given: &Given<'_>, y: &Var) -> Result<Var> {
    Ok(given.data_format()?.of_last(y)?)
}

fn setting<T: DeserializeOwned>(given: &Given<'_>, name: &str) -> Result<Option<T>> {
    let Some(value) = given.constant(usize::MAX, name)? else { return Ok(None) };
    let error = |_| missing(name, "what Keras writes there").got(&value);
    serde_json::from_value(value.clone()).map(Some).map_err(error)
}

/// One number for each spatial axis.
fn per_axis(given: &Given<'_>, name: &str, spatial: usize) -> Result<Option<Vec<usize>>> {
    let lens = match setting::<Value>(given, name)? {
        None => return Ok(None),
        Some(Value::Array(lens)) if lens.len() == 1 => vec![lens[0].clone(); spatial],
        Some(Value::Array(lens)) => lens,
        Some(len) => vec![len; spatial],
    };
    let read = |len: &Value| usize::try_from(len.as_u64()?).ok().filter(|&n| n > 0);
    let lens: Option<Vec<_>> = lens.iter().map(read).collect();
    let lens = lens.filter(|lens| lens.len() == spatial);
    lens.map(Some)
        .ok_or_else(|| missing(name, "a number from 1 on for each spatial axis"))
}

fn padding(given: &Given<'_>) -> Result<Padding> {
    let text: Option<String> = setting(given, "padding")?;
    match text.unwrap_or_default().to_lowercase().as_str() {
        "" | "valid" => Ok(Padding::Valid),
        "same" => Ok(Padding::Same),
        other => Err(missing("padding", "valid or same").got(other)),
    }
}

fn pool(given: &Given<'_>, is_average: bool) -> Result<Var> {
    let x = inputs(given)?;
    let window = per_axis(given, "pool_size", x.rank() - 2)?;
    let window = window.ok_or_else(|| missing("pool_size", "a size"))?;
    let strides = per_axis(given, "strides", window.len())?;
    let strides = strides.unwrap_or_else(|| window.clone());
    let edges = padding(given)?.edges();
    let y = if is_average {
        float(&x)?.average_pool(&window, &strides, &edges)?
    } else {
        x.max_pool(&window, &strides, &edges)?
    };
    back(given, &y)
}

/// What a convolution is given: input, kernel, strides, dilation.
struct Convolved {
    x: Var,
    kernel: Var,
    strides: Vec<usize>,
    dilation: Vec<usize>,
    edges: Edges,
}

impl Convolved {
    fn new(given: &Given<'_>, kernel: &str) -> Result<Self> {
        let (x, kernel) = (float(&inputs(given)?)?, float(&given.tensor(1, kernel)?)?);
        if kernel.rank() != x.rank() {
            return Err(
                missing("kernel", "a kernel of the input's rank").got(kernel.shape())
            );
        }
        let dtype = promoted(x.dtype(), kernel.dtype());
        let spatial = x.rank() - 2;
        let numbers = |name| {
            Ok::<_, crate::Error>(
                per_axis(given, name, spatial)?.unwrap_or_else(|| vec![1; spatial]),
            )
        };
        Ok(Self {
            strides: numbers("strides")?,
            dilation: numbers("dilation_rate")?,
            edges: padding(given)?.edges(),
            x: x.cast(dtype)?,
            kernel: kernel.cast(dtype)?,
        })
    }

    fn spatial(&self) -> usize {
        self.strides.len()
    }

    /// The length of an axis of the kernel or of the input's channels.
    fn known(tensor: &Var, axis: usize) -> Result<usize> {
        let len = tensor.shape().dims()[axis].known();
        len.ok_or_else(|| missing("kernel", "known lengths").got(tensor.shape()))
    }

    fn run(&self, kernel: &Var, groups: usize) -> Result<Var> {
        Ok(self.x.conv(kernel, &self.strides, &self.edges, &self.dilation, groups)?)
    }

    /// Each channel with filters of its own.
    fn by_channel(&self) -> Result<Var> {
        let spatial = self.spatial();
        let channels = Self::known(&self.kernel, spatial)?;
        let place = [Axis::from(1usize), Axis::Product(spatial..spatial + 2)];
        let axes: Vec<_> = (0..spatial).map(Axis::Of).chain(place).collect();
        self.run(&self.kernel.reshape(axes)?, channels)
    }
}

fn conv(given: &Given<'_>) -> Result<Var> {
    let convolved = Convolved::new(given, "kernel")?;
    let spatial = convolved.spatial();
    let channels = Convolved::known(&convolved.x, spatial + 1)?;
    let per_group = Convolved::known(&convolved.kernel, spatial)?;
    let groups = channels.checked_div(per_group).unwrap_or(1);
    back(given, &convolved.run(&convolved.kernel, groups)?)
}

fn depthwise_conv(given: &Given<'_>) -> Result<Var> {
    back(given, &Convolved::new(given, "kernel")?.by_channel()?)
}

fn separable_conv(given: &Given<'_>) -> Result<Var> {
    let convolved = Convolved::new(given, "depthwise_kernel")?;
    let pointwise = given.tensor(2, "pointwise_kernel")?.cast(convolved.x.dtype())?;
    let ones = vec![1; convolved.spatial()];
    let y = convolved.by_channel()?.conv(&pointwise, &ones, &Edges::Valid, &ones, 1)?;
    back(given, &y)
}

fn conv_transpose(given: &Given<'_>) -> Result<Var> {
    let y = match inputs(given)?.rank() {
        3 => transposed::<1>(given)?,
        4 => transposed::<2>(given)?,
        _ => transposed::<3>(given)?,
    };
    back(given, &y)
}

fn transposed<const N: usize>(given: &Given<'_>) -> Result<Var> {
    let convolved = Convolved::new(given, "kernel")?;
    let mut kernel_size = [1; N];
    for (axis, len) in kernel_size.iter_mut().enumerate() {
        *len = Convolved::known(&convolved.kernel, axis)?;
    }
    let filters = Convolved::known(&convolved.kernel, N)?;
    let numbers = |lens: &[usize]| PerAxis::<N>(std::array::from_fn(|axis| lens[axis]));
    let mut layer = ConvTranspose::<N>::new(filters, kernel_size)
        .strides(numbers(&convolved.strides))
        .dilation_rate(numbers(&convolved.dilation))
        .padding(padding(given)?);
    if let Some(extra) = setting::<PerAxis<N>>(given, "output_padding")? {
        layer = layer.output_padding(extra);
    }
    layer.transpose(&convolved.x, &convolved.kernel)
}

/// Side of a block, and the tensor with channels last.
fn blocks(given: &Given<'_>) -> Result<(usize, Var, usize)> {
    let x = given.x()?;
    let format = given.data_format()?;
    let side = setting::<usize>(given, "block_size")?.filter(|&side| side > 0);
    let side = side.ok_or_else(|| missing("block_size", "a number from 1 on"))?;
    if x.rank() != 4 {
        return Err(missing("x", "a tensor of rank 4").got(x.shape()));
    }
    let x = format.to_last(&x)?;
    let channels = x.shape().dims()[3].known();
    let channels = channels.ok_or_else(|| missing("x", "a known number of channels"))?;
    Ok((side, x, channels))
}

fn depth_to_space(given: &Given<'_>) -> Result<Var> {
    let (side, x, channels) = blocks(given)?;
    let area = side.checked_mul(side).filter(|area| channels.is_multiple_of(*area));
    let area = area.ok_or_else(|| {
        missing("block_size", "a side whose square divides the channels").got(side)
    })?;
    let made = channels / area;
    let first = given.data_format()? == crate::layers::DataFormat::ChannelsFirst;
    let depth = if first { [made, side, side] } else { [side, side, made] };
    let axes: Vec<Axis> = (0..3).map(Axis::Of).chain(depth.map(Axis::from)).collect();
    let order = if first { [0, 1, 4, 2, 5, 3] } else { [0, 1, 3, 2, 4, 5] };
    let y = x.reshape(axes)?.transpose(order)?;
    let y = y.merge_axes(3, 5)?.merge_axes(1, 3)?;
    back(given, &y)
}

fn space_to_depth(given: &Given<'_>) -> Result<Var> {
    let (side, x, channels) = blocks(given)?;
    let mut lens = Vec::new();
    for axis in [1, 2] {
        let len = x.shape().dims()[axis].known().filter(|len| len.is_multiple_of(side));
        lens.push(len.ok_or_else(|| {
            missing("x", "known lengths that `block_size` divides").got(x.shape())
        })?);
    }
    let axes = [
        Axis::Of(0),
        (lens[0] / side).into(),
        side.into(),
        (lens[1] / side).into(),
        side.into(),
        channels.into(),
    ];
    let first = given.data_format()? == crate::layers::DataFormat::ChannelsFirst;
    let order = if first { [0, 1, 3, 5, 2, 4] } else { [0, 1, 3, 2, 4, 5] };
    let y = x.reshape(axes.to_vec())?.transpose(order)?.merge_axes(3, 6)?;
    back(given, &y)
}
