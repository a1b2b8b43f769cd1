//! The table of operations.

use deckle_autograd::{Result as GraphResult, Var};
use deckle_tensor::DType;
use serde_json::Value;

use super::{
    element_wise,
    given::{self, Argument, Given, missing, promoted, wrong},
    layout, places, products, statistics, windows,
};
use crate::Result;

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
pub(super) enum Rule {
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
    /// What it computes. Whole numbers and truth values are constants to gradients, as in Keras.
    pub(super) fn run(&self, given: &Given<'_>) -> Result<Vec<Var>> {
        let made = self.compute(given)?.into_iter();
        made.map(|y| Ok(if y.dtype().is_float() { y } else { y.stop_gradient()? }))
            .collect()
    }

    fn compute(&self, given: &Given<'_>) -> Result<Vec<Var>> {
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
    rows().find(|row| row.class == class)
}

pub(super) fn classes() -> impl Iterator<Item = &'static str> {
    rows().map(|row| row.class)
}

fn rows() -> impl Iterator<Item = &'static Row> {
    [
        TABLE,
        element_wise::ROWS,
        statistics::ROWS,
        products::ROWS,
        windows::ROWS,
        layout::ROWS,
        places::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// What changes in steps only: its gradient is 0 in Keras.
pub(super) fn flat(y: GraphResult<Var>) -> GraphResult<Var> {
    y?.stop_gradient()
}

pub(super) fn float(x: &Var) -> GraphResult<Var> {
    if x.dtype().is_float() { Ok(x.clone()) } else { x.cast(DType::F32) }
}

pub(super) const fn row(
    module: &'static str,
    class: &'static str,
    settings: &'static [&'static str],
    rule: Rule,
) -> Row {
    Row { class, module, settings, takes_list: false, rule }
}

pub(super) const fn listed(
    class: &'static str,
    axis: &'static [&'static str],
    rule: Rule,
) -> Row {
    Row { class, module: NUMPY, settings: axis, takes_list: true, rule }
}

pub(super) const NUMPY: &str = "keras.src.ops.numpy";
pub(super) const NN: &str = "keras.src.ops.nn";
pub(super) const MATH: &str = "keras.src.ops.math";
pub(super) const CORE: &str = "keras.src.ops.core";
pub(super) const LINALG: &str = "keras.src.ops.linalg";
pub(super) const IMAGE: &str = "keras.src.ops.image";
pub(super) const REDUCED: &[&str] = &["axis", "keepdims"];
const LIMITED: &[&str] = &["axis", "keepdims", "initial"];

use Rule::{Float, FloatPair, Logical, Many, One, Pair, Unary};

static TABLE: &[Row] = &[
    // Two tensors.
    row(NUMPY, "Add", &[], Pair(|a, b| a.add(b))),
    row(NUMPY, "Subtract", &[], Pair(|a, b| a.sub(b))),
    row(NUMPY, "Multiply", &[], Pair(|a, b| a.mul(b))),
    row(NUMPY, "Divide", &[], FloatPair(|a, b| a.div(b))),
    row(NUMPY, "TrueDivide", &[], FloatPair(|a, b| a.div(b))),
    row(NUMPY, "DivideNoNan", &[], FloatPair(divide_no_nan)),
    row(NUMPY, "FloorDivide", &[], Pair(element_wise::floor_divide)),
    row(NUMPY, "Mod", &[], Pair(|a, b| a.mod_(b))),
    row(NUMPY, "Power", &[], Pair(|a, b| a.power(b))),
    row(NUMPY, "Maximum", &[], Pair(|a, b| a.maximum(b))),
    row(NUMPY, "Minimum", &[], Pair(|a, b| a.minimum(b))),
    row(NUMPY, "Arctan2", &[], FloatPair(|a, b| a.atan2(b))),
    row(NUMPY, "Logaddexp", &[], FloatPair(|a, b| element_wise::logaddexp(a, b, 1.0))),
    row(NUMPY, "Hypot", &[], FloatPair(element_wise::hypot)),
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
    row(NUMPY, "Sign", &[], Unary(|x| flat(x.sign()))),
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
    row(NUMPY, "Floor", &[], Float(|x| flat(x.floor()))),
    row(NUMPY, "Ceil", &[], Float(|x| flat(x.ceil()))),
    row(NUMPY, "Trunc", &[], Float(|x| flat(x.abs()?.floor()?.mul(&x.sign()?)))),
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
    row(NN, "Relu6", &[], Unary(Var::relu6)),
    row(NN, "Sigmoid", &[], Float(Var::sigmoid)),
    row(NN, "LogSigmoid", &[], Float(|x| x.neg()?.softplus()?.neg())),
    row(NN, "Softplus", &[], Float(Var::softplus)),
    row(NN, "Softsign", &[], Float(|x| x.div(&x.abs()?.add(1)?))),
    row(NN, "Silu", &[], Float(|x| x.mul(&x.sigmoid()?))),
    row(NN, "HardSigmoid", &[], Float(Var::hard_sigmoid)),
    row(NN, "HardSilu", &[], Float(Var::hard_silu)),
    row(NN, "HardTanh", &[], Float(Var::hard_tanh)),
    row(NN, "TanhShrink", &[], Float(|x| x.sub(&x.tanh()?))),
    row(NN, "Selu", &[], Float(selu)),
    row(NN, "Elu", &["alpha"], One(|g| Ok(g.x()?.elu(g.number("alpha", 1.0)?)?))),
    row(NN, "Celu", &["alpha"], One(|g| Ok(g.x()?.celu(g.number("alpha", 1.0)?)?))),
    row(NN, "LeakyRelu", &["negative_slope"], One(leaky_relu)),
    row(
        NN,
        "Gelu",
        &["approximate"],
        One(|g| Ok(g.x()?.gelu(g.flag_or("approximate", true)?)?)),
    ),
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
    row(NUMPY, "Sum", REDUCED, One(|g| Ok(counted(&g.x()?)?.sum(g.axes()?)?))),
    row(NUMPY, "Mean", REDUCED, One(|g| Ok(float(&g.x()?)?.mean(g.axes()?)?))),
    row(NUMPY, "Var", REDUCED, One(|g| Ok(float(&g.x()?)?.variance(g.axes()?)?))),
    row(NUMPY, "Std", REDUCED, One(|g| Ok(float(&g.x()?)?.std(g.axes()?)?))),
    row(NUMPY, "Prod", &["axis", "keepdims", "dtype"], One(prod)),
    row(
        NUMPY,
        "Max",
        LIMITED,
        One(|g| limited(g, &g.x()?.max(g.axes()?)?, |a, b| a.maximum(b))),
    ),
    row(
        NUMPY,
        "Min",
        LIMITED,
        One(|g| limited(g, &g.x()?.min(g.axes()?)?, |a, b| a.minimum(b))),
    ),
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
    row(NN, "Normalize", &["axis", "order", "epsilon"], One(normalize)),
];

fn divide_no_nan(a: &Var, b: &Var) -> GraphResult<Var> {
    let is_zero = b.equal(0)?;
    let safe = is_zero.select(&b.ones_like()?, b)?;
    is_zero.select(&a.zeros_like()?, &a.div(&safe)?)
}

fn selu(x: &Var) -> GraphResult<Var> {
    let (alpha, scale) = (1.673_263_242_354_377_2, 1.050_700_987_355_480_5);
    x.elu(alpha)?.mul(scale)
}

fn leaky_relu(given: &Given<'_>) -> Result<Var> {
    Ok(given.x()?.leaky_relu(given.number("negative_slope", 0.2)?)?)
}

/// The axis, the last by default.
pub(super) fn last(given: &Given<'_>) -> Result<isize> {
    Ok(given.axis("axis")?.unwrap_or(-1))
}

/// Truth values as whole numbers.
pub(super) fn whole_bool(x: &Var) -> GraphResult<Var> {
    if x.dtype() == DType::Bool { x.cast(DType::I32) } else { Ok(x.clone()) }
}

/// What is to be added up or multiplied: truth values and bytes in a type with room for it.
pub(super) fn counted(x: &Var) -> GraphResult<Var> {
    if x.dtype() == DType::U8 { x.cast(DType::U32) } else { whole_bool(x) }
}

pub(super) fn cast(given: &Given<'_>, at: usize, x: &Var) -> Result<Var> {
    Ok(given.dtype(at)?.map_or_else(|| Ok(x.clone()), |dtype| x.cast(dtype))?)
}

/// A bound that is not given is none; one with a fraction makes whole numbers `F32`.
fn clip(given: &Given<'_>) -> Result<Var> {
    let bound = |name: &str| -> Result<Option<Value>> {
        let bound = given.constant(usize::MAX, name)?;
        if let Some(other) = bound.as_ref().filter(|value| value.as_f64().is_none()) {
            return Err(wrong(name, "a number", other));
        }
        Ok(bound)
    };
    let (low, high) = (bound("x_min")?, bound("x_max")?);
    let mut x = whole_bool(&given.x()?)?;
    if [&low, &high].into_iter().flatten().any(Value::is_f64) {
        x = float(&x)?;
    }
    if let Some(low) = low.and_then(|low| low.as_f64()) {
        x = x.maximum(&Var::scalar(x.dtype(), low))?;
    }
    if let Some(high) = high.and_then(|high| high.as_f64()) {
        x = x.minimum(&Var::scalar(x.dtype(), high))?;
    }
    Ok(x)
}

fn choose(given: &Given<'_>) -> Result<Var> {
    let condition = given.tensor(0, "condition")?.cast(DType::Bool)?;
    let constants = (given.get(1, "x1"), given.get(2, "x2"));
    if let (Some(Argument::Constant(a)), Some(Argument::Constant(b))) = constants {
        let (a, b) = given::scalars(&a, &b)?;
        return Ok(condition.select(&a, &b)?.stop_gradient()?);
    }
    let (a, b) = given.pair(1)?;
    Ok(condition.select(&a, &b)?)
}

/// The largest or smallest of `found` and `initial`, if that is given.
fn limited(
    given: &Given<'_>,
    found: &Var,
    beyond: fn(&Var, &Var) -> GraphResult<Var>,
) -> Result<Var> {
    Ok(match given.constant(usize::MAX, "initial")?.and_then(|value| value.as_f64()) {
        Some(initial) => beyond(found, &Var::scalar(found.dtype(), initial))?,
        None => found.clone(),
    })
}

fn prod(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?;
    let x = match given.dtype(usize::MAX)? {
        Some(dtype) => x.cast(dtype)?,
        None => counted(&x)?,
    };
    Ok(x.prod(given.axes()?)?)
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
