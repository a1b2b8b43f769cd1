//! The table of operations.

use deckle_autograd::{Axis, Result as GraphResult, Var};
use deckle_tensor::{DType, Part};
use serde_json::Value;

use super::given::{Argument, Given, missing, promoted, whole, wrong};
use crate::{Error, Result};

/// An operation: Keras's class and module, the settings it knows, what it computes.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) class: &'static str,
    pub(super) module: &'static str,
    pub(super) settings: &'static [&'static str],
    pub(super) takes_list: bool,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    /// Of one tensor of any type.
    Unary(fn(&Var) -> GraphResult<Var>),
    /// Of one tensor, which is made floating point.
    Float(fn(&Var) -> GraphResult<Var>),
    /// Of two that are promoted to one type.
    Pair(fn(&Var, &Var) -> GraphResult<Var>),
    /// Of two that are promoted and made floating point.
    FloatPair(fn(&Var, &Var) -> GraphResult<Var>),
    /// Of two that are made `Bool`.
    Logical(fn(&Var, &Var) -> GraphResult<Var>),
    /// Anything else.
    One(fn(&Given<'_>) -> Result<Var>),
    Many(fn(&Given<'_>) -> Result<Vec<Var>>),
}

impl Row {
    pub(super) fn run(&self, given: &Given<'_>) -> Result<Vec<Var>> {
        Ok(vec![match self.rule {
            Unary(rule) => rule(&given.x()?)?,
            Float(rule) => rule(&float(&given.x()?)?)?,
            Pair(rule) => {
                let (a, b) = given.pair(0)?;
                rule(&a, &b)?
            }
            FloatPair(rule) => {
                let (a, b) = given.pair(0)?;
                rule(&float(&a)?, &float(&b)?)?
            }
            Logical(rule) => {
                let (a, b) = given.pair(0)?;
                rule(&a.cast(DType::Bool)?, &b.cast(DType::Bool)?)?
            }
            One(rule) => rule(given)?,
            Many(rule) => return rule(given),
        }])
    }
}

/// The operation of that class.
pub(super) fn find(class: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.class == class)
}

pub(super) fn classes() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.class)
}

fn float(x: &Var) -> GraphResult<Var> {
    if x.dtype().is_float() { Ok(x.clone()) } else { x.cast(DType::F32) }
}

const fn row(
    module: &'static str,
    class: &'static str,
    settings: &'static [&'static str],
    rule: Rule,
) -> Row {
    Row { class, module, settings, takes_list: false, rule }
}

const fn listed(class: &'static str, axis: &'static [&'static str], rule: Rule) -> Row {
    Row { class, module: NUMPY, settings: axis, takes_list: true, rule }
}

const NUMPY: &str = "keras.src.ops.numpy";
const NN: &str = "keras.src.ops.nn";
const MATH: &str = "keras.src.ops.math";
const CORE: &str = "keras.src.ops.core";
const REDUCED: &[&str] = &["axis", "keepdims"];

use Rule::{Float, FloatPair, Logical, Many, One, Pair, Unary};

static TABLE: &[Row] = &[
    // Two tensors.
    row(NUMPY, "Add", &[], Pair(|a, b| a.add(b))),
    row(NUMPY, "Subtract", &[], Pair(|a, b| a.sub(b))),
    row(NUMPY, "Multiply", &[], Pair(|a, b| a.mul(b))),
    row(NUMPY, "Divide", &[], FloatPair(|a, b| a.div(b))),
    row(NUMPY, "TrueDivide", &[], FloatPair(|a, b| a.div(b))),
    row(NUMPY, "DivideNoNan", &[], FloatPair(divide_no_nan)),
    row(NUMPY, "FloorDivide", &[], Pair(floor_divide)),
    row(NUMPY, "Mod", &[], Pair(|a, b| a.mod_(b))),
    row(NUMPY, "Power", &[], Pair(|a, b| a.power(b))),
    row(NUMPY, "Maximum", &[], Pair(|a, b| a.maximum(b))),
    row(NUMPY, "Minimum", &[], Pair(|a, b| a.minimum(b))),
    row(NUMPY, "Arctan2", &[], FloatPair(|a, b| a.atan2(b))),
    row(NUMPY, "Logaddexp", &[], FloatPair(|a, b| a.add(&b.sub(a)?.softplus()?))),
    row(NUMPY, "Hypot", &[], FloatPair(|a, b| a.square()?.add(&b.square()?)?.sqrt())),
    row(NUMPY, "Matmul", &[], Pair(Var::matmul)),
    row(NUMPY, "Equal", &[], Pair(|a, b| a.equal(b))),
    row(NUMPY, "NotEqual", &[], Pair(|a, b| a.not_equal(b))),
    row(NUMPY, "Greater", &[], Pair(|a, b| a.greater(b))),
    row(NUMPY, "GreaterEqual", &[], Pair(|a, b| a.greater_equal(b))),
    row(NUMPY, "Less", &[], Pair(|a, b| a.less(b))),
    row(NUMPY, "LessEqual", &[], Pair(|a, b| a.less_equal(b))),
    row(NUMPY, "LogicalAnd", &[], Logical(|a, b| a.and(b))),
    row(NUMPY, "LogicalOr", &[], Logical(|a, b| a.or(b))),
    row(NUMPY, "LogicalXor", &[], Logical(|a, b| a.xor(b))),
    // One tensor.
    row(NUMPY, "LogicalNot", &[], Unary(|x| x.cast(DType::Bool)?.not())),
    row(NUMPY, "Negative", &[], Unary(Var::neg)),
    row(NUMPY, "Absolute", &[], Unary(Var::abs)),
    row(NUMPY, "Square", &[], Unary(Var::square)),
    row(NUMPY, "Sign", &[], Unary(Var::sign)),
    row(NUMPY, "Exp", &[], Float(Var::exp)),
    row(NUMPY, "Exp2", &[], Float(|x| x.mul(std::f64::consts::LN_2)?.exp())),
    row(NUMPY, "Expm1", &[], Float(Var::expm1)),
    row(NUMPY, "Log", &[], Float(Var::log)),
    row(NUMPY, "Log1p", &[], Float(Var::log1p)),
    row(NUMPY, "Log2", &[], Float(|x| x.log()?.div(std::f64::consts::LN_2))),
    row(NUMPY, "Log10", &[], Float(|x| x.log()?.div(std::f64::consts::LN_10))),
    row(NUMPY, "Sqrt", &[], Float(Var::sqrt)),
    row(MATH, "Rsqrt", &[], Float(Var::rsqrt)),
    row(NUMPY, "Reciprocal", &[], Float(Var::reciprocal)),
    row(NUMPY, "Sin", &[], Float(Var::sin)),
    row(NUMPY, "Cos", &[], Float(Var::cos)),
    row(NUMPY, "Tan", &[], Float(Var::tan)),
    row(NUMPY, "Arcsin", &[], Float(Var::asin)),
    row(NUMPY, "Arccos", &[], Float(Var::acos)),
    row(NUMPY, "Arctan", &[], Float(Var::atan)),
    row(NUMPY, "Sinh", &[], Float(Var::sinh)),
    row(NUMPY, "Cosh", &[], Float(Var::cosh)),
    row(NUMPY, "Tanh", &[], Float(Var::tanh)),
    row(NUMPY, "Arcsinh", &[], Float(Var::asinh)),
    row(NUMPY, "Arccosh", &[], Float(Var::acosh)),
    row(NUMPY, "Arctanh", &[], Float(Var::atanh)),
    row(NUMPY, "Floor", &[], Float(Var::floor)),
    row(NUMPY, "Ceil", &[], Float(Var::ceil)),
    row(NUMPY, "Trunc", &[], Float(|x| x.abs()?.floor()?.mul(&x.sign()?))),
    row(MATH, "Erf", &[], Float(Var::erf)),
    row(MATH, "Erfinv", &[], Float(Var::erfinv)),
    row(NUMPY, "Isfinite", &[], Float(Var::is_finite)),
    row(NUMPY, "Isnan", &[], Float(Var::is_nan)),
    row(NUMPY, "Isinf", &[], Float(|x| x.is_finite()?.or(&x.is_nan()?)?.not())),
    row(CORE, "StopGradient", &[], Unary(Var::stop_gradient)),
    row(NUMPY, "ZerosLike", &["dtype"], One(|g| cast(g, 1, &g.x()?.zeros_like()?))),
    row(NUMPY, "OnesLike", &["dtype"], One(|g| cast(g, 1, &g.x()?.ones_like()?))),
    row(CORE, "Cast", &["dtype"], One(|g| cast(g, 1, &g.x()?))),
    row(NUMPY, "Clip", &["x_min", "x_max"], One(clip)),
    row(NUMPY, "Where", &[], One(choose)),
    // Activations.
    row(NN, "Relu", &[], Unary(Var::relu)),
    row(NN, "Relu6", &[], Unary(|x| x.clip(0, 6))),
    row(NN, "Sigmoid", &[], Float(Var::sigmoid)),
    row(NN, "LogSigmoid", &[], Float(|x| x.neg()?.softplus()?.neg())),
    row(NN, "Softplus", &[], Float(Var::softplus)),
    row(NN, "Softsign", &[], Float(|x| x.div(&x.abs()?.add(1)?))),
    row(NN, "Silu", &[], Float(|x| x.mul(&x.sigmoid()?))),
    row(NN, "HardSigmoid", &[], Float(|x| x.div(6.0)?.add(0.5)?.clip(0, 1))),
    row(NN, "HardSilu", &[], Float(|x| x.div(6.0)?.add(0.5)?.clip(0, 1)?.mul(x))),
    row(NN, "HardTanh", &[], Float(|x| x.clip(-1, 1))),
    row(NN, "TanhShrink", &[], Float(|x| x.sub(&x.tanh()?))),
    row(NN, "Selu", &[], Float(selu)),
    row(NN, "Elu", &["alpha"], One(|g| Ok(g.x()?.elu(g.number("alpha", 1.0)?)?))),
    row(NN, "Celu", &["alpha"], One(|g| Ok(g.x()?.celu(g.number("alpha", 1.0)?)?))),
    row(NN, "LeakyRelu", &["negative_slope"], One(leaky_relu)),
    row(NN, "Gelu", &["approximate"], One(|g| Ok(g.x()?.gelu(g.flag("approximate")?)?))),
    row(NN, "Glu", &["axis"], One(|g| Ok(g.x()?.glu(last(g)?)?))),
    row(NN, "Squareplus", &["b"], One(|g| Ok(g.x()?.squareplus(g.number("b", 4.0)?)?))),
    row(NN, "Softmax", &["axis"], One(|g| Ok(float(&g.x()?)?.softmax(last(g)?)?))),
    row(NN, "LogSoftmax", &["axis"], One(|g| Ok(float(&g.x()?)?.log_softmax(last(g)?)?))),
    row(NN, "Sparsemax", &["axis"], One(|g| Ok(float(&g.x()?)?.sparsemax(last(g)?)?))),
    row(
        NN,
        "HardShrink",
        &["threshold"],
        One(|g| Ok(g.x()?.hard_shrink(g.number("threshold", 0.5)?)?)),
    ),
    row(
        NN,
        "SoftShrink",
        &["threshold"],
        One(|g| Ok(g.x()?.soft_shrink(g.number("threshold", 0.5)?)?)),
    ),
    row(
        NN,
        "Threshold",
        &["threshold", "default_value"],
        One(|g| {
            Ok(g.x()?.threshold(
                g.number("threshold", 0.0)?,
                g.number("default_value", 0.0)?,
            )?)
        }),
    ),
    // Reductions.
    row(
        NUMPY,
        "CountNonzero",
        &["axis"],
        One(|g| Ok(g.x()?.not_equal(0)?.cast(DType::I32)?.sum(g.axes()?)?)),
    ),
    row(NUMPY, "Sum", REDUCED, One(|g| Ok(whole_bool(&g.x()?)?.sum(g.axes()?)?))),
    row(NUMPY, "Mean", REDUCED, One(|g| Ok(float(&g.x()?)?.mean(g.axes()?)?))),
    row(NUMPY, "Var", REDUCED, One(|g| Ok(float(&g.x()?)?.variance(g.axes()?)?))),
    row(NUMPY, "Std", REDUCED, One(|g| Ok(float(&g.x()?)?.std(g.axes()?)?))),
    row(NUMPY, "Prod", &["axis", "keepdims", "dtype"], One(prod)),
    row(NUMPY, "Max", REDUCED, One(|g| Ok(g.x()?.max(g.axes()?)?))),
    row(NUMPY, "Min", REDUCED, One(|g| Ok(g.x()?.min(g.axes()?)?))),
    row(NUMPY, "Amax", REDUCED, One(|g| Ok(g.x()?.max(g.axes()?)?))),
    row(NUMPY, "Amin", REDUCED, One(|g| Ok(g.x()?.min(g.axes()?)?))),
    row(NUMPY, "All", REDUCED, One(|g| Ok(g.x()?.cast(DType::Bool)?.all(g.axes()?)?))),
    row(NUMPY, "Any", REDUCED, One(|g| Ok(g.x()?.cast(DType::Bool)?.any(g.axes()?)?))),
    row(MATH, "Logsumexp", REDUCED, One(|g| Ok(float(&g.x()?)?.logsumexp(g.axes()?)?))),
    row(
        NUMPY,
        "Argmax",
        REDUCED,
        One(|g| Ok(g.x()?.argmax(g.axes()?)?.cast(DType::I32)?)),
    ),
    row(
        NUMPY,
        "Argmin",
        REDUCED,
        One(|g| Ok(g.x()?.argmin(g.axes()?)?.cast(DType::I32)?)),
    ),
    // Layout.
    listed("Concatenate", &["axis"], One(concatenate)),
    listed("Stack", &["axis"], One(stack)),
    listed("Hstack", &[], One(|g| Ok(Var::concatenate(&g.tensors()?, 1)?))),
    listed("Vstack", &[], One(|g| Ok(Var::concatenate(&g.tensors()?, 0)?))),
    row(NUMPY, "Split", &["indices_or_sections", "axis"], Many(split)),
    row(
        CORE,
        "Unstack",
        &["axis"],
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
        &["axis"],
        One(|g| Ok(g.x()?.cumsum(g.axis("axis")?.unwrap_or(0), false, false)?)),
    ),
    row(NUMPY, "Pad", &["pad_width", "mode"], One(pad)),
    row(NUMPY, "Repeat", &["repeats", "axis"], One(repeat)),
    row(NUMPY, "Take", &["axis"], One(take)),
    row(MATH, "TopK", &["k", "sorted"], Many(top_k)),
    row(NUMPY, "Sort", &["axis"], One(|g| Ok(g.x()?.sort(last(g)?, false)?.0))),
    row(
        NUMPY,
        "Argsort",
        &["axis"],
        One(|g| Ok(g.x()?.sort(last(g)?, false)?.1.cast(DType::I32)?)),
    ),
    row(NUMPY, "GetItem", &[], One(get_item)),
    row(NN, "OneHot", &["num_classes", "axis", "dtype"], One(one_hot)),
    row(NN, "Normalize", &["axis", "order", "epsilon"], One(normalize)),
];

fn divide_no_nan(a: &Var, b: &Var) -> GraphResult<Var> {
    let is_zero = b.equal(0)?;
    let safe = is_zero.select(&b.ones_like()?, b)?;
    is_zero.select(&a.zeros_like()?, &a.div(&safe)?)
}

fn floor_divide(a: &Var, b: &Var) -> GraphResult<Var> {
    if a.dtype().is_float() {
        return a.div(b)?.floor();
    }
    a.sub(&a.mod_(b)?)?.div(b)
}

fn selu(x: &Var) -> GraphResult<Var> {
    let (alpha, scale) = (1.673_263_242_354_377_2, 1.050_700_987_355_480_5);
    x.elu(alpha)?.mul(scale)
}

fn leaky_relu(given: &Given<'_>) -> Result<Var> {
    Ok(given.x()?.leaky_relu(given.number("negative_slope", 0.2)?)?)
}

/// The axis, the last by default.
fn last(given: &Given<'_>) -> Result<isize> {
    Ok(given.axis("axis")?.unwrap_or(-1))
}

/// Truth values as whole numbers.
fn whole_bool(x: &Var) -> GraphResult<Var> {
    if x.dtype() == DType::Bool { x.cast(DType::I32) } else { Ok(x.clone()) }
}

fn cast(given: &Given<'_>, at: usize, x: &Var) -> Result<Var> {
    Ok(given.dtype(at)?.map_or_else(|| Ok(x.clone()), |dtype| x.cast(dtype))?)
}

fn clip(given: &Given<'_>) -> Result<Var> {
    let (low, high) =
        (given.number("x_min", f64::NAN)?, given.number("x_max", f64::NAN)?);
    Ok(given.x()?.maximum(low)?.minimum(high)?)
}

fn choose(given: &Given<'_>) -> Result<Var> {
    let (a, b) = given.pair(1)?;
    Ok(given.tensor(0, "condition")?.cast(DType::Bool)?.select(&a, &b)?)
}

fn prod(given: &Given<'_>) -> Result<Var> {
    cast(given, usize::MAX, &given.x()?.prod(given.axes()?)?)
}

fn concatenate(given: &Given<'_>) -> Result<Var> {
    Ok(Var::concatenate(&given.tensors()?, last(given)?)?)
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

fn move_axis(given: &Given<'_>) -> Result<Var> {
    let axis = |name| match given.wholes(usize::MAX, name)?.as_deref() {
        Some(&[axis]) => Ok(axis),
        _ => Err(missing(name, "one axis")),
    };
    Ok(given.x()?.move_axis(axis("source")?, axis("destination")?)?)
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

/// A length or number of times.
fn size(given: &Given<'_>, at: usize, name: &str) -> Result<usize> {
    let value = given.constant(at, name)?.unwrap_or_default();
    usize::try_from(whole(name, &value)?)
        .map_err(|_| wrong(name, "a number from 0 on", &value))
}

fn repeat(given: &Given<'_>) -> Result<Var> {
    let axis = given.axis("axis")?.ok_or_else(|| missing("axis", "an axis"))?;
    Ok(given.x()?.repeat(size(given, 1, "repeats")?, axis)?)
}

fn top_k(given: &Given<'_>) -> Result<Vec<Var>> {
    let (values, places) = given.x()?.top_k(size(given, 1, "k")?)?;
    Ok(vec![values, places.cast(DType::I32)?])
}

fn take(given: &Given<'_>) -> Result<Var> {
    let axis = given.axis("axis")?.ok_or_else(|| missing("axis", "an axis"))?;
    let places = match given.get(1, "indices") {
        Some(Argument::Tensor(places)) => places.cast(DType::I32)?,
        _ => Var::scalar(DType::I32, size(given, 1, "indices")? as f64),
    };
    Ok(given.x()?.gather(axis, &places)?)
}

fn pad(given: &Given<'_>) -> Result<Var> {
    let name = "pad_width";
    let mode = given.constant(usize::MAX, "mode")?;
    if let Some(mode) = mode.filter(|mode| mode != "constant") {
        return Err(wrong("mode", "constant", &mode));
    }
    let widths = given.constant(1, name)?.unwrap_or_default();
    let pair = |pair: &Value| {
        let pair: Vec<_> = (pair.as_array().into_iter().flatten())
            .filter_map(|n| usize::try_from(n.as_u64()?).ok())
            .collect();
        (pair.len() == 2).then(|| (pair[0], pair[1]))
    };
    let widths: Option<Vec<_>> =
        widths.as_array().and_then(|pairs| pairs.iter().map(pair).collect());
    let widths =
        widths.ok_or_else(|| missing(name, "a pair of numbers for each axis"))?;
    Ok(given.x()?.pad(widths, given.number("constant_values", 0.0)?)?)
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
    let x = given.x()?;
    let classes = given.axis("num_classes")?.and_then(|n| usize::try_from(n).ok());
    let classes = classes.ok_or_else(|| missing("num_classes", "a number of classes"))?;
    let dtype = given.dtype(usize::MAX)?.unwrap_or(DType::F32);
    let made = x.one_hot(classes, dtype)?;
    Ok(match given.axis("axis")? {
        None | Some(-1) => made,
        Some(axis) => made.move_axis(-1, axis)?,
    })
}

/// `x / max(|x|, √ε)`, along an axis.
fn normalize(given: &Given<'_>) -> Result<Var> {
    let x = float(&given.x()?)?;
    let order = given.number("order", 2.0)?;
    if (order - 2.0).abs() > f64::EPSILON {
        return Err(missing("order", "2").got(order));
    }
    let epsilon = given.number("epsilon", 1e-7)?;
    let axes = deckle_tensor::keep(last(given)?);
    let squares = x.square()?.sum(axes)?;
    let dtype = promoted(squares.dtype(), x.dtype());
    Ok(x.mul(&squares.maximum(epsilon * epsilon)?.rsqrt()?.cast(dtype)?)?)
}
