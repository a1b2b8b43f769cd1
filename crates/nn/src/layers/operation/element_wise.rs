//! Further operations that work element by element.

use std::f64::consts::{LN_2, PI};

use deckle_autograd::{Result as GraphResult, Var};
use deckle_tensor::DType;

use super::{
    given::{Given, missing},
    table::{
        CORE, IMAGE, MATH, NN, NUMPY, Row,
        Rule::{Float, FloatPair, One, Pair, Unary},
        cast, flat, float, row, whole_bool,
    },
};
use crate::Result;

pub(super) static ROWS: &[Row] = &[
    row(NUMPY, "Abs", &[], Unary(Var::abs)),
    row(NUMPY, "Fabs", &[], Float(Var::abs)),
    row(NUMPY, "Copy", &[], Unary(|x| Ok(x.clone()))),
    row(NUMPY, "Real", &[], Unary(|x| Ok(x.clone()))),
    row(NUMPY, "Conj", &[], Unary(|x| Ok(x.clone()))),
    row(NUMPY, "Conjugate", &[], Unary(|x| Ok(x.clone()))),
    row(NUMPY, "Deg2rad", &[], Float(|x| x.mul(PI / 180.0))),
    row(NUMPY, "Rad2deg", &[], Float(|x| x.mul(180.0 / PI))),
    row(NUMPY, "Cbrt", &[], Float(|x| x.abs()?.power(1.0 / 3.0)?.mul(&flat(x.sign())?))),
    row(NUMPY, "Sinc", &[], Float(sinc)),
    row(NUMPY, "Signbit", &[], Float(|x| x.less(0)?.or(&x.reciprocal()?.less(0)?))),
    row(NUMPY, "Isposinf", &[], Float(|x| x.equal(f64::INFINITY))),
    row(NUMPY, "Isneginf", &[], Float(|x| x.equal(f64::NEG_INFINITY))),
    row(NUMPY, "Round", &["decimals"], One(round)),
    row(NUMPY, "NanToNum", &["nan", "posinf", "neginf"], One(nan_to_num)),
    row(NUMPY, "FullLike", &["dtype"], One(full_like)),
    row(NUMPY, "Heaviside", &[], FloatPair(heaviside)),
    row(NUMPY, "Fmax", &[], Pair(|a, b| without_nan(a, b, &a.maximum(b)?))),
    row(NUMPY, "Fmin", &[], Pair(|a, b| without_nan(a, b, &a.minimum(b)?))),
    row(NUMPY, "Fmod", &[], Pair(fmod)),
    row(NUMPY, "Logaddexp2", &[], FloatPair(|a, b| logaddexp(a, b, LN_2))),
    row(NUMPY, "Isclose", &["equal_nan"], One(is_close)),
    row(NUMPY, "Select", &[], One(select)),
    row(MATH, "Erfc", &[], Float(erfc)),
    row(CORE, "ConvertToTensor", &["dtype"], One(|g| cast(g, 1, &g.x()?))),
    row(NN, "SparseSigmoid", &[], Float(|x| x.add(1)?.mul(0.5)?.clip(0, 1))),
    row(NN, "SparsePlus", &[], Float(sparse_plus)),
    row(NN, "BinaryCrossentropy", &["from_logits"], One(binary_crossentropy)),
    row(
        NN,
        "CategoricalCrossentropy",
        &["from_logits", "axis"],
        One(|g| crossentropy(&float(&g.tensor(0, "target")?)?, g)),
    ),
    row(
        NN,
        "SparseCategoricalCrossentropy",
        &["from_logits", "axis"],
        One(sparse_crossentropy),
    ),
    row(IMAGE, "RGBToGrayscale", &["data_format"], One(grayscale)),
];

fn sinc(x: &Var) -> GraphResult<Var> {
    let is_zero = x.equal(0)?;
    let turned = is_zero.select(&x.ones_like()?, &x.mul(PI)?)?;
    is_zero.select(&x.ones_like()?, &turned.sin()?.div(&turned)?)
}

fn round(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?;
    let decimals = given.axis("decimals")?.unwrap_or(0);
    if x.dtype().is_integer() && decimals >= 0 {
        return Ok(x);
    }
    let factor = i32::try_from(decimals).ok().filter(|n| n.abs() < 38);
    let factor = factor.ok_or_else(|| missing("decimals", "a small number"))?;
    let factor = 10f64.powi(factor);
    let rounded = flat(float(&x)?.mul(factor)?.round())?.div(factor)?;
    Ok(rounded.cast(x.dtype())?)
}

fn nan_to_num(given: &Given<'_>) -> Result<Var> {
    let x = given.x()?;
    if !x.dtype().is_float() {
        return Ok(x);
    }
    let largest = match x.dtype() {
        DType::F16 => 65504.0,
        DType::F64 => f64::MAX,
        DType::BF16 => 3.389_531_389_251_535_5e38,
        _ => f64::from(f32::MAX),
    };
    let like =
        |name, default| Ok::<_, crate::Error>(x.full_like(given.number(name, default)?)?);
    let y = x.is_nan()?.select(&like("nan", 0.0)?, &x)?;
    let y = x.equal(f64::INFINITY)?.select(&like("posinf", largest)?, &y)?;
    Ok(x.equal(f64::NEG_INFINITY)?.select(&like("neginf", -largest)?, &y)?)
}

fn full_like(given: &Given<'_>) -> Result<Var> {
    let value = given.constant(1, "fill_value")?.and_then(|value| value.as_f64());
    let value = value.ok_or_else(|| missing("fill_value", "a number"))?;
    let x = given.x()?;
    let dtype = given.dtype(usize::MAX)?.unwrap_or(x.dtype());
    Ok(x.cast(dtype)?.full_like(value)?)
}

fn heaviside(a: &Var, b: &Var) -> GraphResult<Var> {
    let step = flat(a.greater(0)?.cast(a.dtype()))?;
    a.equal(0)?.select(b, &step)
}

/// What is made of two, or the one that is a number.
fn without_nan(a: &Var, b: &Var, made: &Var) -> GraphResult<Var> {
    if !a.dtype().is_float() {
        return Ok(made.clone());
    }
    let rest = b.is_nan()?.select(a, made)?;
    a.is_nan()?.select(b, &rest)
}

/// What is left of `a` after a whole number of `b`, with the sign of `a`: of positive numbers,
/// the remainder is exact.
fn fmod(a: &Var, b: &Var) -> GraphResult<Var> {
    if !a.dtype().is_float() && !a.dtype().is_integer() {
        return fmod(&whole_bool(a)?, &whole_bool(b)?);
    }
    let is_negative = a.less(0)?;
    let rest = is_negative.select(&a.neg()?, a)?.mod_(&b.abs()?)?;
    is_negative.select(&rest.neg()?, &rest)
}

/// The quotient rounded down, of the exact remainder, as in JAX and Python.
pub(super) fn floor_divide(a: &Var, b: &Var) -> GraphResult<Var> {
    if !a.dtype().is_float() {
        return a.sub(&a.mod_(b)?)?.div(b);
    }
    let rest = fmod(a, b)?;
    let differ = rest.less(0)?.not_equal(&b.less(0)?)?;
    let above = differ.and(&rest.not_equal(0)?)?.cast(a.dtype())?;
    let whole = a.sub(&rest)?.div(b)?.sub(&above)?;
    flat(b.equal(0)?.select(&a.div(b)?, &whole)?.round())
}

/// `ln(e^a + e^b)` where `unit` is 1, and to the base 2 where it is `ln 2`: the larger one and
/// what the other one adds.
pub(super) fn logaddexp(a: &Var, b: &Var, unit: f64) -> GraphResult<Var> {
    let first = a.greater_equal(b)?;
    let (large, small) = (first.select(a, b)?, first.select(b, a)?);
    // The difference of equal infinities is no number.
    let are_same = a.equal(b)?.and(&a.is_finite()?.not()?)?;
    let distance = are_same.select(0.0, &small.sub(&large)?)?;
    large.add(&distance.mul(unit)?.softplus()?.div(unit)?)
}

/// `√(a² + b²)`, whose squares may be too large or small for the element type.
///
/// The gradient at 0 is 1/2 for each, as in JAX.
pub(super) fn hypot(a: &Var, b: &Var) -> GraphResult<Var> {
    let positive = |x: &Var| x.less(0)?.select(&x.neg()?, x);
    let infinite = a.is_finite()?.or(&a.is_nan()?)?.not()?;
    let infinite = infinite.or(&b.is_finite()?.or(&b.is_nan()?)?.not()?)?;
    let (a, b) = (positive(a)?, positive(b)?);
    let finite = |x: Var| infinite.select(1.0, &x);
    let (large, small) = (finite(a.maximum(&b)?)?, finite(a.minimum(&b)?)?);
    let ratio = small.div(&large.equal(0)?.select(1.0, &large)?)?;
    let made = ratio.square()?.add(1)?.sqrt()?.mul(&large)?;
    infinite.select(f64::INFINITY, &made)
}

/// Coefficients of numerator and denominator, up to 4 and beyond.
const ERFC: [[&[f64]; 2]; 2] = [
    [
        &[
            2.153_115_354_744_038_5e-8,
            0.564_188_496_988_670_1,
            8.883_149_794_388_376,
            66.119_190_637_141_63,
            298.635_138_197_400_1,
            881.952_221_241_769,
            1_712.047_612_634_070_6,
            2_051.078_377_826_071_5,
            1_230.339_354_797_997_2,
        ],
        &[
            1.0,
            15.744_926_110_709_835,
            117.693_950_891_312_5,
            537.181_101_862_009_9,
            1_621.389_574_566_690_2,
            3_290.799_235_733_459_6,
            4_362.619_090_143_247,
            3_439.367_674_143_721_6,
            1_230.339_354_803_749_5,
        ],
    ],
    [
        &[
            1.631_538_713_730_209_8e-2,
            0.305_326_634_961_232_34,
            0.360_344_899_949_804_44,
            0.125_781_726_111_229_26,
            1.608_378_514_874_227_5e-2,
            6.587_491_615_298_378e-4,
        ],
        &[
            1.0,
            2.568_520_192_289_822,
            1.872_952_849_923_467_3,
            0.527_905_102_951_428_4,
            6.051_834_131_244_132e-2,
            2.335_204_976_268_691_8e-3,
        ],
    ],
];

/// `1 - erf(x)`, which that difference gives no digit of for large `x`: there, by the rational
/// functions of Cody, *Rational Chebyshev approximations for the error function* (1969).
fn erfc(x: &Var) -> GraphResult<Var> {
    if x.dtype().size() < 4 {
        return erfc(&x.cast(DType::F32)?)?.cast(x.dtype());
    }
    let difference = x.erf()?.neg()?.add(1)?;
    // Beyond, `F64` too has no number but 0.
    let y = x.stop_gradient()?.clip(0.5, 30.0)?;
    let quotient = |of: &Var, [above, below]: [&[f64]; 2]| -> GraphResult<Var> {
        let sum = |all: &[f64]| {
            let zero = of.zeros_like();
            all.iter().fold(zero, |sum, &one| sum?.mul(of)?.add(one))
        };
        sum(above)?.div(&sum(below)?)
    };
    let [near, far] = ERFC;
    let z = y.square()?.reciprocal()?;
    let far = quotient(&z, far)?.mul(&z)?.neg()?.add(1.0 / PI.sqrt())?.div(&y)?;
    let scaled = y.less_equal(4)?.select(&quotient(&y, near)?, &far)?;
    // The square in two parts, of which the larger one has few digits.
    let coarse = y.mul(16)?.floor()?.div(16)?;
    let rest = y.sub(&coarse)?.mul(&y.add(&coarse)?)?;
    let bell = coarse.square()?.neg()?.exp()?.mul(&rest.neg()?.exp()?)?;
    let exact = x.greater(0.5)?.select(&scaled.mul(&bell)?, &difference)?;
    // The gradient is that of the difference.
    let plain = difference.stop_gradient()?;
    difference.add(&exact.sub(&plain)?.stop_gradient()?)
}

fn is_close(given: &Given<'_>) -> Result<Var> {
    let (a, b) = given.pair(0)?;
    let (a, b) = (float(&a)?, float(&b)?);
    let tolerance = |at, name, default: f64| -> Result<f64> {
        let value = given.constant(at, name)?;
        Ok(value.and_then(|value| value.as_f64()).unwrap_or(default))
    };
    let (relative, absolute) = (tolerance(2, "rtol", 1e-5)?, tolerance(3, "atol", 1e-8)?);
    let near = b.abs()?.mul(relative)?.add(absolute)?;
    // Infinities are close to themselves.
    let made = a.sub(&b)?.abs()?.less_equal(&near)?.and(&b.is_finite()?)?;
    let made = made.or(&a.equal(&b)?)?;
    if given.flag("equal_nan")? {
        return Ok(made.or(&a.is_nan()?.and(&b.is_nan()?)?)?);
    }
    Ok(made)
}

/// For each element the first choice whose condition holds.
fn select(given: &Given<'_>) -> Result<Var> {
    let conditions = given.list(0, "condlist")?;
    let choices = given.list(1, "choicelist")?;
    if conditions.len() != choices.len() || choices.is_empty() {
        return Err(missing("choicelist", "a choice for each condition"));
    }
    let default = given.constant(2, "default")?.and_then(|value| value.as_f64());
    let mut made = choices[0].full_like(default.unwrap_or(0.0))?;
    for (condition, choice) in conditions.iter().zip(&choices).rev() {
        made = condition.cast(DType::Bool)?.select(choice, &made)?;
    }
    Ok(made)
}

fn sparse_plus(x: &Var) -> GraphResult<Var> {
    let curve = x.add(1)?.square()?.mul(0.25)?;
    let above = x.greater_equal(1)?.select(x, &curve)?;
    x.less_equal(-1)?.select(&x.zeros_like()?, &above)
}

/// Keras's distance of probabilities from 0 and 1.
const EPSILON: f64 = 1e-7;

fn binary_crossentropy(given: &Given<'_>) -> Result<Var> {
    let target = float(&given.tensor(0, "target")?)?;
    let output = float(&given.tensor(1, "output")?)?;
    let target = target.cast(output.dtype())?;
    if given.flag("from_logits")? {
        return Ok(output.sigmoid_cross_entropy(&target)?);
    }
    let output = output.clip(EPSILON, 1.0 - EPSILON)?;
    let others = output.neg()?.add(1)?.log()?.mul(&target.neg()?.add(1)?)?;
    Ok(output.log()?.mul(&target)?.add(&others)?.neg()?)
}

fn sparse_crossentropy(given: &Given<'_>) -> Result<Var> {
    let output = float(&given.tensor(1, "output")?)?;
    let mut target = given.tensor(0, "target")?.cast(DType::I32)?;
    if target.rank() == output.rank() {
        target = target.squeeze(-1)?;
    }
    let axis = given.axis("axis")?.unwrap_or(-1);
    let at = deckle_tensor::resolve_axis("crossentropy", axis, output.rank())?;
    let classes = output.shape().dims()[at].known();
    let classes =
        classes.ok_or_else(|| missing("output", "a known number of classes"))?;
    let target = target.one_hot(classes, output.dtype())?.move_axis(-1, axis)?;
    crossentropy(&target, given)
}

fn crossentropy(target: &Var, given: &Given<'_>) -> Result<Var> {
    let output = float(&given.tensor(1, "output")?)?;
    let axis = given.axis("axis")?.unwrap_or(-1);
    let logs = if given.flag("from_logits")? {
        output.log_softmax(axis)?
    } else {
        let sum = output.sum(deckle_tensor::keep(axis))?;
        output.div(&sum)?.clip(EPSILON, 1.0 - EPSILON)?.log()?
    };
    Ok(target.cast(logs.dtype())?.mul(&logs)?.sum(axis)?.neg()?)
}

fn grayscale(given: &Given<'_>) -> Result<Var> {
    let x = float(&given.tensor(0, "images")?)?;
    let format = given.data_format()?;
    let weights = deckle_tensor::Tensor::from([0.2989f32, 0.587, 0.114]);
    let weights = Var::constant(&weights.cast(x.dtype()));
    let last = format.to_last(&x)?;
    Ok(format.of_last(&last.mul(&weights)?.sum(deckle_tensor::keep(-1))?)?)
}
