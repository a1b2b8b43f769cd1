//! Operations on places along axes: taking, repeating, padding, ordering, diagonals.

use deckle_autograd::Var;
use deckle_tensor::{Axes, DType, Part, Tensor};
use serde_json::Value;

use super::{
    given::{Argument, Given, missing, whole, wrong},
    table::{
        CORE, MATH, NN, NUMPY, Row,
        Rule::{Many, One},
        counted, last, row,
    },
};
use crate::Result;

pub(super) static ROWS: &[Row] = &[
    row(NUMPY, "Take", &["axis"], One(take)),
    row(NUMPY, "TakeAlongAxis", &["axis"], One(take_along)),
    row(NUMPY, "Repeat", &["repeats", "axis"], One(repeat)),
    row(NUMPY, "Roll", &["shift", "axis"], One(roll)),
    row(NUMPY, "Pad", &["pad_width", "mode"], One(pad)),
    row(NUMPY, "Tril", &["k"], One(|g| triangle(g, true))),
    row(NUMPY, "Triu", &["k"], One(|g| triangle(g, false))),
    row(NUMPY, "Diagonal", &["offset", "axis1", "axis2"], One(diagonal)),
    row(
        NUMPY,
        "Trace",
        &["offset", "axis1", "axis2"],
        One(|g| Ok(counted(&diagonal(g)?)?.sum(-1)?)),
    ),
    row(CORE, "Slice", &["shape"], One(slice)),
    row(NN, "MultiHot", &["num_classes", "axis", "dtype", "sparse"], One(multi_hot)),
    row(MATH, "TopK", &["k", "sorted"], Many(top_k)),
    row(NUMPY, "Sort", &["axis"], One(|g| Ok(sorted(g)?.0))),
    row(NUMPY, "Argsort", &["axis"], One(|g| Ok(sorted(g)?.1.cast(DType::I32)?))),
    row(NUMPY, "GetItem", &[], One(get_item)),
    row(NN, "OneHot", &["num_classes", "axis", "dtype"], One(one_hot)),
];

/// A length or number of times.
fn size(given: &Given<'_>, at: usize, name: &str) -> Result<usize> {
    let value = given.constant(at, name)?.unwrap_or_default();
    usize::try_from(whole(name, &value)?)
        .map_err(|_| wrong(name, "a number from 0 on", &value))
}

fn top_k(given: &Given<'_>) -> Result<Vec<Var>> {
    let (values, places) = given.x()?.top_k(size(given, 1, "k")?)?;
    Ok(vec![values, places.cast(DType::I32)?])
}

/// `x[key]`, with Python's slices.
fn get_item(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?;
    let key = match given.get(1, "key") {
        Some(Argument::Tensor(_)) => return Err(missing("key", "numbers and slices")),
        _ => given.constant(1, "key")?.ok_or_else(|| missing("key", "an index"))?,
    };
    let parts = match &key {
        Value::Array(parts) => parts.iter().map(part).collect::<Result<Vec<_>>>()?,
        one => vec![part(one)?],
    };
    Ok(x.slice(parts)?)
}

fn part(value: &Value) -> Result<Part> {
    let error = || wrong("key", "numbers, slices, None and Ellipsis", value);
    match value {
        Value::Null => Ok(Part::NewAxis),
        Value::Number(_) => Ok(Part::Index(whole("key", value)?)),
        value => match value.get("class_name").and_then(Value::as_str) {
            Some("__ellipsis__") => Ok(Part::Ellipsis),
            Some("__slice__") => {
                let bound = |name: &str| match value["config"].get(name) {
                    None | Some(Value::Null) => Ok(None),
                    Some(bound) => whole(name, bound).map(Some),
                };
                let (start, stop) = (bound("start")?, bound("stop")?);
                let step = bound("step")?.unwrap_or(1);
                Ok(Part::Range { start, stop, step })
            }
            _ => Err(error()),
        },
    }
}

fn one_hot(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?.stop_gradient()?;
    let classes = classes(given)?;
    let dtype = given.dtype(usize::MAX)?.unwrap_or(DType::F32);
    let made = x.one_hot(classes, dtype)?;
    Ok(match given.axis("axis")? {
        None | Some(-1) => made,
        Some(axis) => made.move_axis(-1, axis)?,
    })
}

/// The number of classes, each of which has a place in vectors.
fn classes(given: &Given<'_>) -> Result<usize> {
    let name = "num_classes";
    let value = given.constant(usize::MAX, name)?.unwrap_or_default();
    let classes = usize::try_from(whole(name, &value)?).ok();
    classes.filter(|&classes| classes <= LONGEST).ok_or_else(|| {
        missing(name, format_args!("a whole number from 0 to {LONGEST}")).got(value)
    })
}

/// The most places that are written out.
const LONGEST: usize = 1 << 24;

/// The tensor and an axis of it; without an axis the tensor with one axis.
pub(super) fn flat(x: &Var, given: &Given<'_>) -> Result<(Var, isize)> {
    Ok(match given.axis("axis")? {
        Some(axis) => (x.clone(), axis),
        None => (x.flatten()?, 0),
    })
}

/// The numbers along an axis, of all if it is null, and where they were.
fn sorted(given: &Given<'_>) -> Result<(Var, Var)> {
    let x = given.x()?;
    if given.is_null("axis") {
        return Ok(x.flatten()?.sort(0, false)?);
    }
    Ok(x.sort(last(given)?, false)?)
}

/// The length of that axis, which has to be known.
fn len(x: &Var, axis: isize) -> Result<usize> {
    let at = deckle_tensor::resolve_axis("take", axis, x.rank())?;
    let len = x.shape().dims()[at].known();
    len.ok_or_else(|| missing("axis", "an axis of known length").got(x.shape()))
}

/// These places along an axis.
fn pick(x: &Var, axis: isize, places: Vec<usize>) -> Result<Var> {
    let count = places.len();
    let error = |_| missing("axis", "a shorter axis");
    let places = places.into_iter().map(i32::try_from).collect::<Result<Vec<_>, _>>();
    let places = Tensor::new(places.map_err(error)?, [count])?;
    Ok(x.gather(axis, &Var::constant(&places))?)
}

/// Places, of which negative ones count from the end.
fn from_start(places: &Var, x: &Var, axis: isize) -> Result<Var> {
    let places = places.cast(DType::I32)?;
    let Ok(len) = len(x, axis) else { return Ok(places) };
    Ok(places.less(0)?.select(&places.add(len)?, &places)?)
}

/// Nested lists of whole numbers as a tensor.
fn whole_numbers(value: &Value) -> Option<(Vec<usize>, Vec<i32>)> {
    let Value::Array(parts) = value else {
        return Some((vec![], vec![i32::try_from(value.as_i64()?).ok()?]));
    };
    let (mut shape, mut numbers) = (vec![parts.len()], Vec::new());
    for (at, part) in parts.iter().enumerate() {
        let (inner, mut more) = whole_numbers(part)?;
        if at == 0 {
            shape.extend(inner);
        } else if inner != shape[1..] {
            return None;
        }
        numbers.append(&mut more);
    }
    Some((shape, numbers))
}

fn take(given: &Given<'_>) -> Result<Var> {
    let (x, axis) = flat(&given.x()?, given)?;
    let places = match given.get(1, "indices") {
        Some(Argument::Tensor(places)) => places,
        _ => {
            let value = given.constant(1, "indices")?.unwrap_or_default();
            let numbers = whole_numbers(&value);
            let numbers = numbers.ok_or_else(|| wrong("indices", "places", &value))?;
            Var::constant(&Tensor::new(numbers.1, numbers.0)?)
        }
    };
    Ok(x.gather(axis, &from_start(&places, &x, axis)?)?)
}

fn take_along(given: &Given<'_>) -> Result<Var> {
    let (x, axis) = flat(&given.x()?, given)?;
    let mut places = given.tensor(1, "indices")?;
    if given.axis("axis")?.is_none() {
        places = places.flatten()?;
    }
    Ok(x.gather_along(axis, &from_start(&places, &x, axis)?)?)
}

fn repeat(given: &Given<'_>) -> Result<Var> {
    let (x, axis) = flat(&given.x()?, given)?;
    let times = given.wholes(1, "repeats")?.unwrap_or_default();
    let times =
        times.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<Vec<_>>>();
    let times = times.ok_or_else(|| missing("repeats", "numbers from 0 on"))?;
    if let &[times] = &times[..] {
        return Ok(x.repeat(times, axis)?);
    }
    let total = times.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    if times.len() != len(&x, axis)? || total.is_none_or(|total| total > LONGEST) {
        return Err(missing("repeats", "a number for each place of the axis"));
    }
    let places = times.iter().enumerate();
    pick(&x, axis, places.flat_map(|(at, &n)| std::iter::repeat_n(at, n)).collect())
}

fn roll(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?;
    let shifts = given.wholes(usize::MAX, "shift")?;
    let shifts = shifts.ok_or_else(|| missing("shift", "a number"))?;
    let Some(axes) = given.wholes(usize::MAX, "axis")? else {
        return Err(missing("axis", "an axis: a batch has no fixed length"));
    };
    if shifts.len() != axes.len() && shifts.len() != 1 {
        return Err(missing("shift", "a number for each axis"));
    }
    let mut y = x;
    for (at, &axis) in axes.iter().enumerate() {
        let shift = shifts[if shifts.len() == 1 { 0 } else { at }];
        let turned = y.move_axis(axis, 0)?;
        let shift = match len(&y, axis) {
            Ok(0) => 0,
            Ok(len) => shift.rem_euclid(len.cast_signed()),
            Err(error) => return Err(error),
        };
        if shift > 0 {
            let parts = [turned.slice(-shift..)?, turned.slice(..-shift)?];
            y = Var::concatenate(&parts, 0)?.move_axis(0, axis)?;
        }
    }
    Ok(y)
}

/// How new places are filled.
const MODES: [&str; 5] = ["constant", "reflect", "symmetric", "edge", "wrap"];

fn pad(given: &Given<'_>) -> Result<Var> {
    let name = "pad_width";
    let x = given.x()?;
    let mode = given.constant(usize::MAX, "mode")?;
    let mode = match &mode {
        None => "constant",
        Some(Value::String(mode)) if MODES.contains(&mode.as_str()) => mode.as_str(),
        Some(other) => {
            return Err(
                missing("mode", format_args!("one of {}", MODES.join(", "))).got(other)
            );
        }
    };
    let value = given.constant(1, name)?.unwrap_or_default();
    let number = |n: &Value| usize::try_from(n.as_u64()?).ok();
    let pair = |pair: &Value| match pair.as_array()?.as_slice() {
        [one] => Some((number(one)?, number(one)?)),
        [low, high] => Some((number(low)?, number(high)?)),
        _ => None,
    };
    let one_for_all = || Some(vec![(number(&value)?, number(&value)?); x.rank()]);
    let all = || match value.as_array()?.as_slice() {
        [one] => Some(vec![pair(one)?; x.rank()]),
        [low, high] if low.is_number() => {
            Some(vec![(number(low)?, number(high)?); x.rank()])
        }
        pairs => pairs.iter().map(pair).collect(),
    };
    let widths: Option<Vec<_>> = one_for_all().or_else(all);
    let widths = widths.filter(|widths| widths.len() == x.rank());
    let widths =
        widths.ok_or_else(|| missing(name, "a pair of numbers for each axis"))?;
    if mode == "constant" {
        return Ok(x.pad(widths, given.number("constant_values", 0.0)?)?);
    }
    let mut y = x;
    for (axis, &(low, high)) in widths.iter().enumerate() {
        if (low, high) == (0, 0) {
            continue;
        }
        let axis = axis.cast_signed();
        y = pick(&y, axis, beyond(mode, len(&y, axis)?, low, high)?)?;
    }
    Ok(y)
}

/// The places that an axis shows with so many more at its ends.
fn beyond(mode: &str, len: usize, low: usize, high: usize) -> Result<Vec<usize>> {
    let total = len.checked_add(low).and_then(|total| total.checked_add(high));
    let total = total.filter(|&total| len > 0 && total <= LONGEST);
    let total = total.ok_or_else(|| missing("pad_width", "smaller numbers"))?;
    let (n, low) = (len.cast_signed(), low.cast_signed());
    let place = |at: isize| match mode {
        "wrap" => at.rem_euclid(n),
        "symmetric" => {
            let at = at.rem_euclid(2 * n);
            at.min(2 * n - 1 - at)
        }
        "reflect" if n > 1 => {
            let at = at.rem_euclid(2 * n - 2);
            at.min(2 * n - 2 - at)
        }
        _ => at.clamp(0, n - 1),
    };
    Ok((0..total.cast_signed()).map(|at| place(at - low).cast_unsigned()).collect())
}

fn triangle(given: &Given<'_>, is_lower: bool) -> Result<Var> {
    let x = given.x()?;
    let k = given.axis("k")?.unwrap_or(0) as f64;
    let row = x.positions(-2, DType::I32)?.expand_dims(-1)?;
    let row = row.add(&Var::scalar(DType::I32, k))?;
    let column = x.positions(-1, DType::I32)?;
    let kept =
        if is_lower { column.less_equal(&row)? } else { column.greater_equal(&row)? };
    Ok(kept.select(&x, &x.zeros_like()?)?)
}

fn diagonal(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?;
    let axis =
        |name, default| Ok::<_, crate::Error>(given.axis(name)?.unwrap_or(default));
    let axes = Axes::from(vec![axis("axis1", 0)?, axis("axis2", 1)?]);
    let axes = axes.resolve("diagonal", x.rank())?;
    let others: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let turned = x.transpose([&others[..], &axes].concat())?;
    let (rows, columns) = (len(&turned, -2)?, len(&turned, -1)?);
    let offset = axis("offset", 0)?;
    let (down, right) = ((-offset).max(0).cast_unsigned(), offset.max(0).cast_unsigned());
    let count = rows.saturating_sub(down).min(columns.saturating_sub(right));
    if count > LONGEST {
        return Err(missing("x", "a shorter diagonal").got(x.shape()));
    }
    let place =
        |at: usize| (at + down).saturating_mul(columns).saturating_add(at + right);
    let places = (0..count).map(place).collect();
    pick(&turned.merge_axes(x.rank() - 2, x.rank())?, -1, places)
}

fn slice(given: &Given<'_>) -> Result<Var> {
    let x = given.tensor(0, "inputs")?;
    let starts = given.wholes(1, "start_indices")?;
    let starts = starts.ok_or_else(|| missing("start_indices", "places"))?;
    let lens = given.wholes(usize::MAX, "shape")?;
    let lens = lens.ok_or_else(|| missing("shape", "a shape"))?;
    if starts.len() != x.rank() || lens.len() != x.rank() {
        return Err(missing("shape", "a length for each axis"));
    }
    let part = |(&start, &len): (&isize, &isize)| {
        let stop = (len >= 0).then(|| start.checked_add(len)).flatten();
        let stop = stop.filter(|_| start >= 0);
        let stop = stop.ok_or_else(|| missing("start_indices", "places from 0 on"))?;
        Ok(Part::Range { start: Some(start), stop: Some(stop), step: 1 })
    };
    Ok(x.slice(starts.iter().zip(&lens).map(part).collect::<Result<Vec<_>>>()?)?)
}

fn multi_hot(given: &Given<'_>) -> Result<Var> {
    let x = given.tensor(0, "inputs")?.stop_gradient()?;
    let classes = classes(given)?;
    let dtype = given.dtype(usize::MAX)?.unwrap_or(DType::F32);
    let hot = x.cast(DType::I32)?.one_hot(classes, dtype)?;
    let hot = match given.axis("axis")? {
        None | Some(-1) => hot,
        Some(axis) => hot.move_axis(-1, axis)?,
    };
    Ok(hot.max(isize::from(x.rank() > 1))?)
}
