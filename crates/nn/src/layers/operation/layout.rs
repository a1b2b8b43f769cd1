//! Operations that join, cut, turn and reshape.

use deckle_autograd::{Axis, Var};
use serde_json::Value;

use super::{
    given::{Given, missing, whole, wrong},
    places::flat,
    table::{
        CORE, NUMPY, Row,
        Rule::{Many, One, Unary},
        cast, listed, row, whole_bool,
    },
};
use crate::{Error, Result};

pub(super) static ROWS: &[Row] = &[
    listed("Concatenate", &["axis"], One(concatenate)),
    listed("Stack", &["axis"], One(stack)),
    listed("Hstack", &[], One(|g| Ok(Var::concatenate(&g.tensors()?, 1)?))),
    listed("Vstack", &[], One(|g| Ok(Var::concatenate(&g.tensors()?, 0)?))),
    row(NUMPY, "Split", &["indices_or_sections", "axis"], Many(split)),
    row(
        CORE,
        "Unstack",
        &["num", "axis"],
        Many(|g| Ok(g.x()?.unstack(g.axis("axis")?.unwrap_or(0))?)),
    ),
    row(NUMPY, "Reshape", &["newshape"], One(reshape)),
    row(NUMPY, "Ravel", &[], Unary(Var::flatten)),
    row(NUMPY, "Transpose", &["axes"], One(transpose)),
    row(NUMPY, "Swapaxes", &["axis1", "axis2"], One(swap_axes)),
    row(NUMPY, "Moveaxis", &["source", "destination"], One(move_axis)),
    row(NUMPY, "ExpandDims", &["axis"], One(expand_dims)),
    row(NUMPY, "Squeeze", &["axis"], One(|g| Ok(g.x()?.squeeze(g.axes()?)?))),
    row(NUMPY, "Flip", &["axis"], One(|g| Ok(g.x()?.flip(g.axes()?)?))),
    row(NUMPY, "Tile", &["repeats"], One(tile)),
    row(
        NUMPY,
        "Cumsum",
        &["axis", "dtype"],
        One(|g| {
            let (x, axis) = flat(&whole_bool(&cast(g, usize::MAX, &g.x()?)?)?, g)?;
            Ok(x.cumsum(axis, false, false)?)
        }),
    ),
    listed("Dstack", &[], One(|g| Ok(Var::concatenate(&deep(&g.tensors()?)?, 2)?))),
    row(NUMPY, "Append", &["axis"], One(append)),
    row(NUMPY, "ArraySplit", &["indices_or_sections", "axis"], Many(array_split)),
    row(NUMPY, "Hsplit", &["indices_or_sections"], Many(|g| split_along(g, 1))),
    row(NUMPY, "Vsplit", &["indices_or_sections"], Many(|g| split_along(g, 0))),
    row(NUMPY, "Fliplr", &[], Unary(|x| x.flip(1))),
    row(NUMPY, "Flipud", &[], Unary(|x| x.flip(0))),
    row(NUMPY, "Rot90", &["k", "axes"], One(rot90)),
    row(NUMPY, "BroadcastTo", &["shape"], One(broadcast_to)),
];

fn concatenate(given: &Given<'_>) -> Result<Var> {
    Ok(Var::concatenate(&given.tensors()?, given.axis("axis")?.unwrap_or(0))?)
}

fn stack(given: &Given<'_>) -> Result<Var> {
    Ok(Var::stack(&given.tensors()?, given.axis("axis")?.unwrap_or(0))?)
}

fn split(given: &Given<'_>) -> Result<Vec<Var>> {
    let name = "indices_or_sections";
    let axis = given.axis("axis")?.unwrap_or(0);
    let value = given.constant(1, name)?.unwrap_or_default();
    let places = |value: &Value| {
        usize::try_from(whole(name, value)?)
            .map_err(|_| wrong(name, "numbers from 0 on", value))
    };
    match &value {
        Value::Array(cuts) => {
            let cuts = cuts.iter().map(places).collect::<Result<Vec<_>, Error>>()?;
            Ok(given.x()?.split_at(cuts, axis)?)
        }
        sections => Ok(given.x()?.split(places(sections)?, axis)?),
    }
}

fn reshape(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?;
    let lens =
        given.wholes(1, "newshape")?.ok_or_else(|| missing("newshape", "a shape"))?;
    let mut axes: Vec<Axis> = lens.iter().map(|&len| Axis::from(len)).collect();
    // The rest is the batch if all else stays in the example.
    let known = |lens: &[Option<usize>]| -> Option<usize> {
        lens.iter().try_fold(1usize, |size, len| size.checked_mul((*len)?))
    };
    let example: Vec<_> =
        x.shape().dims().iter().skip(1).map(deckle_tensor::Dim::known).collect();
    let new: Vec<_> = lens.iter().skip(1).map(|&len| usize::try_from(len).ok()).collect();
    let fits = known(&example) == known(&new) && known(&new).is_some_and(|size| size > 0);
    if lens.first() == Some(&-1) && x.rank() > 0 && fits {
        axes[0] = Axis::Of(0);
    }
    Ok(x.reshape(axes)?)
}

fn transpose(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?;
    let reversed = || (0..x.rank().cast_signed()).rev().collect();
    Ok(x.transpose(given.wholes(1, "axes")?.unwrap_or_else(reversed))?)
}

fn swap_axes(given: &Given<'_>) -> Result<Var> {
    let axis = |name| given.axis(name)?.ok_or_else(|| missing(name, "an axis"));
    Ok(given.x()?.swap_axes(axis("axis1")?, axis("axis2")?)?)
}

fn expand_dims(given: &Given<'_>) -> Result<Var> {
    let axes = given.wholes(1, "axis")?.ok_or_else(|| missing("axis", "an axis"))?;
    axes.iter().try_fold(given.x()?, |x, &axis| Ok(x.expand_dims(axis)?))
}

fn tile(given: &Given<'_>) -> Result<Var> {
    let repeats = given.wholes(1, "repeats")?.unwrap_or_default();
    let repeats =
        repeats.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<Vec<_>>>();
    let repeats = repeats.ok_or_else(|| missing("repeats", "numbers from 0 on"))?;
    Ok(given.x()?.tile(repeats)?)
}

fn move_axis(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?;
    let axes = |name| -> Result<Vec<usize>> {
        let axes =
            given.wholes(usize::MAX, name)?.ok_or_else(|| missing(name, "axes"))?;
        Ok(deckle_tensor::Axes::from(axes).resolve("moveaxis", x.rank())?)
    };
    let (from, to) = (axes("source")?, axes("destination")?);
    if from.len() != to.len() {
        return Err(missing("destination", "as many axes as `source`"));
    }
    let mut rest = (0..x.rank()).filter(|axis| !from.contains(axis));
    let order = (0..x.rank()).filter_map(|axis| {
        match to.iter().position(|known| *known == axis) {
            Some(at) => Some(from[at]),
            None => rest.next(),
        }
    });
    Ok(x.transpose(order.collect::<Vec<_>>())?)
}

/// Tensors with three axes at least, as NumPy makes them.
fn deep(tensors: &[Var]) -> Result<Vec<Var>> {
    let deepen = |x: &Var| match x.rank() {
        0 | 1 => Err(missing("xs", "tensors with a batch and another axis")),
        2 => Ok(x.expand_dims(-1)?),
        _ => Ok(x.clone()),
    };
    tensors.iter().map(deepen).collect()
}

fn append(given: &Given<'_>) -> Result<Var> {
    let (a, b) = given.pair(0)?;
    Ok(match given.axis("axis")? {
        Some(axis) => Var::concatenate(&[a, b], axis)?,
        None => Var::concatenate(&[a.flatten()?, b.flatten()?], 0)?,
    })
}

/// As [`split`]; a number of sections need not divide the length.
fn array_split(given: &Given<'_>) -> Result<Vec<Var>> {
    let axis = given.axis("axis")?.unwrap_or(0);
    let name = "indices_or_sections";
    let sections = match given.constant(usize::MAX, name)? {
        Some(Value::Array(_)) | None => return split(given),
        Some(sections) => whole(name, &sections)?,
    };
    let x = given.x()?;
    let at = deckle_tensor::resolve_axis("array_split", axis, x.rank())?;
    let len = x.shape().dims()[at].known();
    let len = len.ok_or_else(|| missing("axis", "an axis of known length"))?;
    let sections =
        usize::try_from(sections).ok().filter(|n| (1..=len.max(1)).contains(n));
    let sections =
        sections.ok_or_else(|| missing(name, "parts of one element or more"))?;
    let (size, larger) = (len / sections, len % sections);
    let cuts: Vec<_> = (1..sections).map(|part| part * size + part.min(larger)).collect();
    Ok(x.split_at(cuts, axis)?)
}

fn split_along(given: &Given<'_>, axis: isize) -> Result<Vec<Var>> {
    let name = "indices_or_sections";
    match given.wholes(usize::MAX, name)?.as_deref() {
        Some(&[sections])
            if !matches!(given.constant(usize::MAX, name)?, Some(Value::Array(_))) =>
        {
            let sections = usize::try_from(sections).unwrap_or(0);
            Ok(given.x()?.split(sections, axis)?)
        }
        Some(cuts) => {
            let cuts = cuts.iter().map(|&n| usize::try_from(n).ok());
            let cuts = cuts.collect::<Option<Vec<_>>>();
            let cuts = cuts.ok_or_else(|| missing(name, "numbers from 0 on"))?;
            Ok(given.x()?.split_at(cuts, axis)?)
        }
        None => Err(missing(name, "a number of parts")),
    }
}

fn rot90(given: &Given<'_>) -> Result<Var> {
    let x = given.tensor(0, "array")?;
    let axes = given.wholes(usize::MAX, "axes")?.unwrap_or_else(|| vec![0, 1]);
    let axes = deckle_tensor::Axes::from(axes).resolve("rot90", x.rank())?;
    let &[a, b] = &axes[..] else { return Err(missing("axes", "two axes")) };
    let (a, b) = (a.cast_signed(), b.cast_signed());
    Ok(match given.axis("k")?.unwrap_or(1).rem_euclid(4) {
        0 => x,
        1 => x.flip(b)?.swap_axes(a, b)?,
        2 => x.flip(a)?.flip(b)?,
        _ => x.swap_axes(a, b)?.flip(b)?,
    })
}

fn broadcast_to(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?;
    let shape = given.constant(usize::MAX, "shape")?;
    let lens = shape.as_ref().and_then(Value::as_array);
    let lens = lens.ok_or_else(|| missing("shape", "a shape"))?;
    let ahead = lens.len().checked_sub(x.rank());
    let ahead =
        ahead.ok_or_else(|| missing("shape", "as many axes or more").got(x.shape()))?;
    let dims: Option<Vec<deckle_tensor::Dim>> = (lens.iter().enumerate())
        .map(|(axis, len)| match len {
            Value::Null => {
                axis.checked_sub(ahead).map(|axis| x.shape().dims()[axis].clone())
            }
            len => Some(usize::try_from(len.as_u64()?).ok()?.into()),
        })
        .collect();
    let dims = dims.ok_or_else(|| missing("shape", "lengths"))?;
    Ok(x.broadcast_to(dims)?)
}
