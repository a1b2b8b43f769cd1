//! Statistics and normalizations.

use deckle_autograd::{Axis, Result as GraphResult, Var};
use deckle_tensor::{Axes, DType, keep};

use super::{
    given::{Given, missing},
    table::{
        NN, NUMPY, REDUCED, Row,
        Rule::{Many, One},
        counted, flat, float, row,
    },
};
use crate::{Result, layers::gamma_beta::narrow};

pub(super) static ROWS: &[Row] = &[
    row(
        NUMPY,
        "Ptp",
        REDUCED,
        One(|g| Ok(g.x()?.max(g.axes()?)?.sub(&g.x()?.min(g.axes()?)?)?)),
    ),
    row(NUMPY, "Average", &["axis"], One(average)),
    row(NUMPY, "Median", REDUCED, One(|g| quantile(g, 0.5))),
    row(
        NUMPY,
        "Quantile",
        &["axis", "method", "keepdims"],
        One(|g| quantile(g, share(g, 1.0)?)),
    ),
    row(
        NUMPY,
        "Percentile",
        &["axis", "method", "keepdims"],
        One(|g| quantile(g, share(g, 100.0)?)),
    ),
    row(NUMPY, "Diff", &["n", "axis"], One(diff)),
    row(NUMPY, "Nansum", REDUCED, One(|g| Ok(number(g, 0.0)?.sum(g.axes()?)?))),
    row(NUMPY, "Nanmean", REDUCED, One(nan_mean)),
    row(NUMPY, "Nanmax", REDUCED, One(|g| nan_extreme(g, f64::NEG_INFINITY, Var::max))),
    row(NUMPY, "Nanmin", REDUCED, One(|g| nan_extreme(g, f64::INFINITY, Var::min))),
    row(NUMPY, "Nanprod", REDUCED, One(|g| Ok(number(g, 1.0)?.prod(g.axes()?)?))),
    row(NN, "Moments", &["axes", "keepdims", "synchronized"], Many(moments)),
    row(NN, "BatchNorm", &["axis", "epsilon"], One(batch_norm)),
    row(NN, "LayerNorm", &["axis", "epsilon", "rms_scaling"], One(layer_norm)),
    row(NN, "RMSNorm", &["axis", "epsilon"], One(rms_norm)),
];

/// The tensor with another number where it is none; bytes with room for sums.
fn number(given: &Given<'_>, instead: f64) -> Result<Var> {
    let x = counted(&given.x()?)?;
    if !x.dtype().is_float() {
        return Ok(x);
    }
    Ok(x.is_nan()?.select(&x.full_like(instead)?, &x)?)
}

/// The largest or smallest number, and none where there is none.
fn nan_extreme(
    given: &Given<'_>,
    instead: f64,
    reduce: fn(&Var, Axes) -> GraphResult<Var>,
) -> Result<Var> {
    if !given.x()?.dtype().is_float() {
        return Ok(reduce(&given.x()?, given.axes()?)?);
    }
    let made = reduce(&number(given, instead)?, given.axes()?)?;
    let is_none = float(&given.x()?)?.is_nan()?.all(given.axes()?)?;
    Ok(is_none.select(&made.full_like(f64::NAN)?, &made)?)
}

fn nan_mean(given: &Given<'_>) -> Result<Var> {
    let x = float(&given.x()?)?;
    let count = flat(x.is_nan()?.not()?.cast(x.dtype()))?.sum(given.axes()?)?;
    Ok(float(&number(given, 0.0)?)?.sum(given.axes()?)?.div(&count)?)
}

fn average(given: &Given<'_>) -> Result<Var> {
    let x = float(&given.x()?)?;
    if given.get(1, "weights").is_none() {
        return Ok(x.mean(given.axes()?)?);
    }
    let mut weights = given.tensor(1, "weights")?.cast(x.dtype())?;
    if weights.rank() == 1 && x.rank() > 1 {
        let axis = given.axis("axis")?.ok_or_else(|| missing("axis", "an axis"))?;
        let at = deckle_tensor::resolve_axis("average", axis, x.rank())?;
        for _ in at + 1..x.rank() {
            weights = weights.expand_dims(-1)?;
        }
    }
    let weights = weights.broadcast_like(&x)?;
    Ok(x.mul(&weights)?.sum(given.axes()?)?.div(&weights.sum(given.axes()?)?)?)
}

/// Which part of the sorted numbers lies below.
fn share(given: &Given<'_>, whole: f64) -> Result<f64> {
    if let Some(method) = given.constant(usize::MAX, "method")?
        && method != "linear"
    {
        return Err(missing("method", "linear").got(method));
    }
    let share = given.constant(1, "q")?.and_then(|q| q.as_f64()).map(|q| q / whole);
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| missing("q", format_args!("a number from 0 to {whole}")))
}

fn quantile(given: &Given<'_>, share: f64) -> Result<Var> {
    let x = float(&given.x()?)?;
    let axes = given.axes()?.resolve("quantile", x.rank())?;
    let others: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let flat = x.transpose([&others[..], &axes].concat())?;
    let flat = flat.merge_axes(others.len(), x.rank())?;
    let len = flat.shape().dims()[others.len()].known().filter(|&len| len > 0);
    let len =
        len.ok_or_else(|| missing("axis", "axes of known lengths").got(x.shape()))?;
    let place = share * (len - 1) as f64;
    let (low, part) = (place.floor(), place.fract());
    #[expect(clippy::cast_possible_truncation, reason = "a place in the axis")]
    let low = low as isize;
    let sorted = flat.sort(-1, false)?.0;
    let at = |place: isize| -> GraphResult<Var> {
        sorted.gather(-1, &Var::scalar(DType::I32, place as f64))
    };
    // Between numbers only both count: one of them may be infinite.
    let made = if part > 0.0 {
        at(low)?.mul(1.0 - part)?.add(&at(low + 1)?.mul(part)?)?
    } else {
        at(low)?
    };
    let is_none = flat.is_nan()?.any(-1)?;
    let made = is_none.select(f64::NAN, &made)?;
    if !given.flag("keepdims")? {
        return Ok(made);
    }
    let mut axes = axes;
    axes.sort_unstable();
    let made = axes.iter().try_fold(made, |y, axis| y.expand_dims(axis.cast_signed()));
    Ok(made?)
}

fn diff(given: &Given<'_>) -> Result<Var> {
    let mut x = given.tensor(0, "a")?;
    let axis = given.axis("axis")?.unwrap_or(-1);
    let times = given.axis("n")?.unwrap_or(1);
    if !(0..=64).contains(&times) {
        return Err(missing("n", "a small number from 0 on").got(times));
    }
    for _ in 0..times {
        let turned = x.move_axis(axis, 0)?;
        x = turned.slice(1..)?.sub(&turned.slice(..-1)?)?.move_axis(0, axis)?;
    }
    Ok(x)
}

fn moments(given: &Given<'_>) -> Result<Vec<Var>> {
    let x = given.x()?;
    let axes = given.wholes(usize::MAX, "axes")?;
    let axes = Axes::from(axes.ok_or_else(|| missing("axes", "axes"))?);
    let axes = if given.flag("keepdims")? { keep(axes) } else { axes };
    let x = float(&x)?;
    Ok(vec![x.mean(axes.clone())?, x.variance(axes)?])
}

fn epsilon(given: &Given<'_>, default: f64) -> Result<f64> {
    given.number("epsilon", default)
}

/// A tensor among the arguments, if it is given, in the element type of `x`.
fn optional(given: &Given<'_>, at: usize, name: &str, x: &Var) -> Result<Option<Var>> {
    if given.get(at, name).is_none() {
        return Ok(None);
    }
    Ok(Some(given.tensor(at, name)?.cast(x.dtype())?))
}

fn batch_norm(given: &Given<'_>) -> Result<Var> {
    let x = float(&given.x()?)?;
    let axis = given.axis("axis")?.unwrap_or(-1);
    let at = deckle_tensor::resolve_axis("batch_norm", axis, x.rank())?;
    let along =
        |v: &Var| (at + 1..x.rank()).try_fold(v.clone(), |v, _| v.expand_dims(-1));
    let part = |at, name| optional(given, at, name, &x);
    let mean = along(&part(1, "mean")?.ok_or_else(|| missing("mean", "a tensor"))?)?;
    let variance = part(2, "variance")?.ok_or_else(|| missing("variance", "a tensor"))?;
    let mut inverse = along(&variance)?.add(epsilon(given, 1e-3)?)?.rsqrt()?;
    if let Some(scale) = part(4, "scale")? {
        inverse = inverse.mul(&along(&scale)?)?;
    }
    let mut shift = mean.neg()?.mul(&inverse)?;
    if let Some(offset) = part(3, "offset")? {
        shift = shift.add(&along(&offset)?)?;
    }
    Ok(x.mul(&inverse)?.add(&shift)?)
}

/// The axes to normalize, in order, and gain or shift with lengths of 1 for the others.
struct Normalized {
    axes: Vec<usize>,
}

impl Normalized {
    fn new(given: &Given<'_>, x: &Var) -> Result<Self> {
        let axes = given.wholes(usize::MAX, "axis")?.unwrap_or_else(|| vec![-1]);
        let mut axes = Axes::from(axes).resolve("normalize", x.rank())?;
        axes.sort_unstable();
        Ok(Self { axes })
    }

    fn along(&self, v: &Var, x: &Var) -> GraphResult<Var> {
        if v.rank() == x.rank() || self.axes == [x.rank() - 1] {
            return Ok(v.clone());
        }
        let axes = (0..x.rank()).map(|axis| {
            if self.axes.contains(&axis) { Axis::Of(axis) } else { 1usize.into() }
        });
        v.reshape_by(x, axes.collect::<Vec<_>>())
    }
}

/// The tensor, and its element type before: at least `F32` to compute in.
fn wide(given: &Given<'_>) -> Result<(DType, Var)> {
    let x = given.x()?;
    let original = x.dtype();
    let x = float(&x)?;
    let x = if x.dtype().size() < 4 { x.cast(DType::F32)? } else { x };
    Ok((original, x))
}

fn layer_norm(given: &Given<'_>) -> Result<Var> {
    let (original, x) = wide(given)?;
    let normalized = Normalized::new(given, &x)?;
    let axes = || keep(&normalized.axes);
    let inverse = x.variance(axes())?.add(epsilon(given, 1e-7)?)?.rsqrt()?;
    let rms = given.flag("rms_scaling")?;
    let mut y =
        if rms { x.mul(&inverse)? } else { x.sub(&x.mean(axes())?)?.mul(&inverse)? };
    if let Some(gamma) = optional(given, 1, "gamma", &x)? {
        y = y.mul(&normalized.along(&gamma, &x)?)?;
    }
    if let Some(beta) = optional(given, 2, "beta", &x)?.filter(|_| !rms) {
        y = y.add(&normalized.along(&beta, &x)?)?;
    }
    Ok(narrow(&y, original)?)
}

fn rms_norm(given: &Given<'_>) -> Result<Var> {
    let (original, x) = wide(given)?;
    let normalized = Normalized::new(given, &x)?;
    let mean = x.square()?.mean(keep(&normalized.axes))?;
    let mut y = x.mul(&mean.add(epsilon(given, 1e-7)?)?.rsqrt()?)?;
    if let Some(scale) = optional(given, 1, "scale", &x)? {
        y = y.mul(&scale)?;
    }
    Ok(narrow(&y, original)?)
}
