//! Sums of products: Einstein's notation, dot products, attention.

use deckle_autograd::{Axis, Result as GraphResult, Var};
use deckle_tensor::DType;

use super::{
    given::{Given, missing, promoted},
    table::{
        LINALG, NN, NUMPY, Row,
        Rule::{One, Pair},
        flat, float, row,
    },
};
use crate::{Error, Result};

pub(super) static ROWS: &[Row] = &[
    row(NUMPY, "Einsum", &["subscripts"], One(einsum)),
    row(NUMPY, "Dot", &[], Pair(Var::dot)),
    row(NUMPY, "Outer", &[], Pair(Var::outer)),
    row(NUMPY, "Vdot", &[], Pair(|a, b| a.flatten()?.mul(&b.flatten()?)?.sum(..))),
    row(NUMPY, "Inner", &[], One(inner)),
    row(NUMPY, "Tensordot", &["axes"], One(tensordot)),
    row(NUMPY, "Cross", &["axisa", "axisb", "axisc", "axis"], One(cross)),
    row(LINALG, "Norm", &["ord", "axis", "keepdims"], One(norm)),
    row(
        NN,
        "DotProductAttention",
        &["is_causal", "flash_attention", "attn_logits_soft_cap"],
        One(attention),
    ),
];

/// A tensor whose axes have letters.
struct Lettered {
    tensor: Var,
    letters: Vec<char>,
}

fn pick(from: &[char], keep: impl Fn(char) -> bool) -> Vec<char> {
    from.iter().copied().filter(|&letter| keep(letter)).collect()
}

impl Lettered {
    fn order(&self, letters: &[char]) -> GraphResult<Var> {
        let place = |letter| self.letters.iter().position(|known| known == letter);
        self.tensor.transpose(letters.iter().filter_map(place).collect::<Vec<_>>())
    }

    /// The sum over all axes but these.
    fn keeping(&self, keep: impl Fn(char) -> bool) -> GraphResult<Self> {
        let axes: Vec<usize> =
            (0..self.letters.len()).filter(|&axis| !keep(self.letters[axis])).collect();
        let tensor =
            if axes.is_empty() { self.tensor.clone() } else { self.tensor.sum(axes)? };
        Ok(Self { tensor, letters: pick(&self.letters, keep) })
    }

    fn times(&self, other: &Self, keeps: impl Fn(char) -> bool) -> Result<Self> {
        let left = self.keeping(|l| other.letters.contains(&l) || keeps(l))?;
        let right = other.keeping(|l| left.letters.contains(&l) || keeps(l))?;
        let (a, b) = (&left.letters, &right.letters);
        let shared = pick(a, |l| b.contains(&l) && keeps(l));
        let rows = pick(a, |l| !b.contains(&l));
        let inner = pick(a, |l| b.contains(&l) && !keeps(l));
        let columns = pick(b, |l| !a.contains(&l));
        let x = left.order(&[&shared[..], &rows, &inner].concat())?;
        let y = right.order(&[&shared[..], &inner, &columns].concat())?;
        let (s, r, i) = (shared.len(), rows.len(), inner.len());
        let matrix = y.merge_axes(s + i, s + i + columns.len())?.merge_axes(s, s + i)?;
        let flat = x.merge_axes(s + r, s + r + i)?.merge_axes(s, s + r)?;
        let product = flat.matmul(&matrix)?;
        let dims = &y.shape().dims()[s + i..];
        if dims.iter().filter(|dim| dim.known().is_none()).count() > 1 {
            return Err(missing("subscripts", "known lengths").got(y.shape()));
        }
        let lens = dims.iter().map(|dim| match dim.known() {
            Some(len) => Axis::from(len),
            None => Axis::Rest,
        });
        let axes: Vec<_> = (0..s + r).map(Axis::Of).chain(lens).collect();
        let tensor = product.reshape_by(&x, axes)?;
        Ok(Self { tensor, letters: [shared, rows, columns].concat() })
    }
}

fn wrong(subscripts: &str) -> Error {
    missing("subscripts", "letters for each axis, each once in a tensor, as in ij,jk->ik")
        .got(subscripts)
}

/// The letters of one tensor; an ellipsis has letters of its own, counted from the last axis.
fn letters(part: &str, rank: Option<usize>, subscripts: &str) -> Result<Vec<char>> {
    let hidden = |count: usize| -> Vec<char> {
        let code = |at| char::from_u32(0xE000 + u32::try_from(at).unwrap_or(0));
        (0..count.min(64)).rev().filter_map(code).collect()
    };
    let (start, end) = part.split_once("...").map_or((part, None), |(a, b)| (a, Some(b)));
    let mut all: Vec<char> = start.chars().collect();
    let named = all.len() + end.map_or(0, |end| end.chars().count());
    if let Some(end) = end {
        let count = rank.and_then(|rank| rank.checked_sub(named));
        all.extend(hidden(count.ok_or_else(|| wrong(subscripts))?));
        all.extend(end.chars());
    }
    let is_letter = |l: &char| l.is_ascii_alphabetic() || ('\u{E000}'..).contains(l);
    let once = (1..all.len()).all(|at| !all[..at].contains(&all[at]));
    let fits = rank.is_none_or(|rank| rank == all.len());
    if once && fits && all.iter().all(is_letter) {
        Ok(all)
    } else {
        Err(wrong(subscripts))
    }
}

/// Σ of products of tensors whose axes have letters, one after another.
fn contract(subscripts: &str, operands: Vec<Var>) -> Result<Var> {
    let text: String = subscripts.chars().filter(|c| !c.is_whitespace()).collect();
    let (from, to) =
        text.split_once("->").map_or((&text[..], None), |(from, to)| (from, Some(to)));
    let parts: Vec<_> = from.split(',').collect();
    if parts.len() != operands.len() {
        return Err(wrong(subscripts));
    }
    let mut waiting = Vec::new();
    for (part, tensor) in parts.iter().zip(operands) {
        let letters = letters(part, Some(tensor.rank()), subscripts)?;
        waiting.push(Lettered { tensor, letters });
    }
    let all: Vec<char> = waiting.iter().flat_map(|part| part.letters.clone()).collect();
    let hidden = |l: char| l >= '\u{E000}';
    let mut dots = pick(&all, hidden);
    dots.sort_by(|a, b| b.cmp(a));
    dots.dedup();
    let output = match to {
        Some(to) => letters(
            to,
            to.contains("...").then(|| to.chars().count() - 3 + dots.len()),
            subscripts,
        )?,
        None => {
            let count = |l| all.iter().filter(|&&known| known == l).count();
            let mut once = pick(&all, |l| !hidden(l) && count(l) == 1);
            once.sort_unstable();
            [dots, once].concat()
        }
    };
    if !output.iter().all(|letter| all.contains(letter)) {
        return Err(wrong(subscripts));
    }
    let mut waiting = waiting.into_iter();
    let mut made = waiting.next().ok_or_else(|| wrong(subscripts))?;
    while let Some(next) = waiting.next() {
        let later: Vec<char> =
            waiting.as_slice().iter().flat_map(|part| part.letters.clone()).collect();
        made = made.times(&next, |l| output.contains(&l) || later.contains(&l))?;
    }
    Ok(made.keeping(|l| output.contains(&l))?.order(&output)?)
}

fn einsum(given: &Given<'_>) -> Result<Var> {
    let subscripts = given.constant(usize::MAX, "subscripts")?;
    let subscripts = subscripts.as_ref().and_then(serde_json::Value::as_str);
    let subscripts = subscripts.ok_or_else(|| missing("subscripts", "a text"))?;
    let operands = given.operands()?;
    let dtype = operands.iter().map(Var::dtype).reduce(promoted).unwrap_or(DType::F32);
    let operands = operands.iter().map(|x| x.cast(dtype)).collect::<GraphResult<_>>()?;
    contract(subscripts, operands)
}

/// The product along these axes of two tensors.
fn along(a: &Var, b: &Var, of_a: &[isize], of_b: &[isize]) -> Result<Var> {
    let letter = |at: usize| char::from(b'a' + u8::try_from(at).unwrap_or(0));
    let resolve = |x: &Var, axes: &[isize]| -> Result<Vec<usize>> {
        Ok(deckle_tensor::Axes::from(axes).resolve("tensordot", x.rank())?)
    };
    let (of_a, of_b) = (resolve(a, of_a)?, resolve(b, of_b)?);
    if of_a.len() != of_b.len() || a.rank() + b.rank() > 26 {
        return Err(missing("axes", "as many axes of one as of the other"));
    }
    let left: Vec<char> = (0..a.rank()).map(letter).collect();
    let mut right: Vec<char> = (a.rank()..a.rank() + b.rank()).map(letter).collect();
    for (&from, &to) in of_a.iter().zip(&of_b) {
        right[to] = left[from];
    }
    let text = |letters: &[char]| letters.iter().collect::<String>();
    let output =
        [pick(&left, |l| !right.contains(&l)), pick(&right, |l| !left.contains(&l))];
    let subscripts =
        format!("{},{}->{}", text(&left), text(&right), text(&output.concat()));
    contract(&subscripts, vec![a.clone(), b.clone()])
}

fn inner(given: &Given<'_>) -> Result<Var> {
    let (a, b) = given.pair(0)?;
    if a.rank() == 0 || b.rank() == 0 {
        return Ok(a.mul(&b)?);
    }
    along(&a, &b, &[-1], &[-1])
}

fn tensordot(given: &Given<'_>) -> Result<Var> {
    use super::given::whole;
    let (a, b) = given.pair(0)?;
    let axes = given.constant(usize::MAX, "axes")?.unwrap_or_else(|| 2.into());
    let several = |value: &serde_json::Value| match value {
        serde_json::Value::Array(all) => all.iter().map(|n| whole("axes", n)).collect(),
        one => Ok(vec![whole("axes", one)?]),
    };
    let (of_a, of_b): (Vec<isize>, Vec<isize>) = match &axes {
        serde_json::Value::Array(pair) if pair.len() == 2 => {
            (several(&pair[0])?, several(&pair[1])?)
        }
        count => {
            let count = whole("axes", count)?;
            let (rank, most) = (a.rank().cast_signed(), a.rank().min(b.rank()));
            if !(0..=most.cast_signed()).contains(&count) {
                return Err(missing("axes", "axes of both tensors").got(count));
            }
            ((rank - count..rank).collect(), (0..count).collect())
        }
    };
    along(&a, &b, &of_a, &of_b)
}

fn cross(given: &Given<'_>) -> Result<Var> {
    let (a, b) = given.pair(0)?;
    let axis = |name: &str, default| Ok::<_, Error>(given.axis(name)?.unwrap_or(default));
    let all = axis("axis", -1)?;
    let (from_a, from_b, to) = match given.axis("axis")? {
        Some(_) => (all, all, all),
        None => (axis("axisa", -1)?, axis("axisb", -1)?, axis("axisc", -1)?),
    };
    let parts = |x: &Var, axis| -> Result<[Var; 3]> {
        let parts = x.unstack(axis)?;
        parts.try_into().map_err(|_| missing("x1", "three numbers along the axis"))
    };
    let ([a, b, c], [x, y, z]) = (parts(&a, from_a)?, parts(&b, from_b)?);
    let less = |p: &Var, q: &Var, r: &Var, s: &Var| p.mul(q)?.sub(&r.mul(s)?);
    let made = [less(&b, &z, &c, &y)?, less(&c, &x, &a, &z)?, less(&a, &y, &b, &x)?];
    Ok(Var::stack(&made, to)?)
}

/// A vector's norm, or a matrix's Frobenius norm.
fn norm(given: &Given<'_>) -> Result<Var> {
    let x = float(&given.x()?)?;
    let axes = given.axes()?;
    let count = axes.resolve("norm", x.rank())?.len();
    let order = given.constant(usize::MAX, "ord")?;
    let number = match &order {
        None => 2.0,
        Some(order) if order == "fro" && count == 2 => 2.0,
        Some(order) => match order.as_f64() {
            Some(order) if count == 1 => order,
            _ => return Err(missing("ord", "a vector's norm, or fro").got(order)),
        },
    };
    if (number - 2.0).abs() < f64::EPSILON {
        return Ok(x.norm(axes)?);
    }
    let x = x.abs()?;
    if number == 0.0 {
        return Ok(flat(x.not_equal(0)?.cast(x.dtype()))?.sum(axes)?);
    }
    // What is read of a file's infinity.
    if number.abs() >= f64::MAX {
        return Ok(if number > 0.0 { x.max(axes)? } else { x.min(axes)? });
    }
    Ok(x.power(number)?.sum(axes)?.power(1.0 / number)?)
}

/// softmax(query · keyᵀ · scale + bias) · value, for each head.
fn attention(given: &Given<'_>) -> Result<Var> {
    let [query, key, value] =
        [(0, "query"), (1, "key"), (2, "value")].map(|(at, name)| given.tensor(at, name));
    let (query, key, value) = (float(&query?)?, float(&key?)?, float(&value?)?);
    if let Some(cap) = given.constant(usize::MAX, "attn_logits_soft_cap")? {
        return Err(missing("attn_logits_soft_cap", "none").got(cap));
    }
    if [&query, &key, &value].iter().any(|x| x.rank() != 4) {
        return Err(missing("query", "(batch, time, heads, depth)").got(query.shape()));
    }
    let depth = query.shape().dims()[3].known();
    let depth = depth.ok_or_else(|| missing("query", "a known depth"))?;
    let scale = given.constant(5, "scale")?.and_then(|scale| scale.as_f64());
    let scale = scale.unwrap_or_else(|| 1.0 / (depth as f64).sqrt());
    let dtype = query.dtype();
    let mut logits = contract("btnh,bsnh->bnts", vec![query, key.cast(dtype)?])?;
    logits = logits.mul(scale)?;
    if given.get(3, "bias").is_some() {
        logits = logits.add(&given.tensor(3, "bias")?.cast(dtype)?)?;
    }
    let lowest = logits.full_like(-0.7 * f64::from(f32::MAX))?;
    if given.get(4, "mask").is_some() {
        let mask = given.tensor(4, "mask")?.cast(DType::Bool)?;
        logits = mask.select(&logits, &lowest)?;
    }
    if given.flag("is_causal")? {
        let at = logits.positions(2, DType::I32)?.expand_dims(-1)?;
        let seen = logits.positions(3, DType::I32)?;
        logits = seen.less_equal(&at)?.select(&logits, &lowest)?;
    }
    contract("bnts,bsnh->btnh", vec![logits.softmax(-1)?, value.cast(dtype)?])
}
