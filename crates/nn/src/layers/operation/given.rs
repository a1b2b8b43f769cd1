//! What an operation is given: tensors, constants, settings.

use std::fmt;

use deckle_autograd::Var;
use deckle_tensor::{Axes, DType, Tensor, keep};
use serde_json::{Map, Value};

use crate::{Arguments, Error, Nest, Result, layers::DataFormat};

/// An argument.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Tensor(Var),
    List(Vec<Self>),
    Constant(Value),
}

/// Arguments and settings.
pub(super) struct Given<'a> {
    positional: Vec<Argument>,
    named: Vec<(String, Argument)>,
    settings: &'a Map<String, Value>,
}

/// The most numbers that a constant in a file may have.
const LARGEST: usize = 1 << 28;

impl<'a> Given<'a> {
    pub(super) fn new(
        arguments: &Arguments,
        settings: &'a Map<String, Value>,
        tensors: &[Var],
    ) -> Result<Self> {
        let resolve = |nest: &Nest<usize>| resolve(nest, tensors);
        let positional =
            arguments.positional.iter().map(resolve).collect::<Result<_>>()?;
        let named = arguments.named.iter();
        let named = named.map(|(name, nest)| Ok((name.clone(), resolve(nest)?)));
        Ok(Self { positional, named: named.collect::<Result<_>>()?, settings })
    }

    /// The argument at that place or of that name, or the setting of that name; nothing if it
    /// is null.
    pub(super) fn get(&self, at: usize, name: &str) -> Option<Argument> {
        let named = || self.named.iter().find(|(known, _)| known == name);
        let found = self.positional.get(at).or_else(|| named().map(|(_, value)| value));
        let found = found.cloned();
        let found = match found {
            None | Some(Argument::Constant(Value::Null)) => {
                self.settings.get(name).cloned().map(Argument::Constant)
            }
            found => found,
        };
        found.filter(|found| !matches!(found, Argument::Constant(Value::Null)))
    }

    pub(super) fn x(&self) -> Result<Var> {
        self.tensor(0, "x")
    }

    pub(super) fn tensor(&self, at: usize, name: &str) -> Result<Var> {
        match self.get(at, name) {
            Some(Argument::Tensor(tensor)) => Ok(tensor),
            _ => Err(missing(name, "a tensor")),
        }
    }

    /// Where the channels of images are.
    pub(super) fn data_format(&self) -> Result<DataFormat> {
        let Some(value) = self.constant(usize::MAX, "data_format")? else {
            return Ok(DataFormat::ChannelsLast);
        };
        let format = serde_json::from_value(value.clone());
        format
            .map_err(|_| wrong("data_format", "channels_last or channels_first", &value))
    }

    /// All positional arguments, which are tensors.
    pub(super) fn operands(&self) -> Result<Vec<Var>> {
        let one = |part: &Argument| match part {
            Argument::Tensor(tensor) => Ok(tensor.clone()),
            _ => Err(missing("operands", "tensors")),
        };
        self.positional.iter().map(one).collect()
    }

    /// A list of tensors.
    pub(super) fn list(&self, at: usize, name: &str) -> Result<Vec<Var>> {
        let Some(Argument::List(parts)) = self.get(at, name) else {
            return Err(missing(name, "a list of tensors"));
        };
        let one = |part| match part {
            Argument::Tensor(tensor) => Ok(tensor),
            _ => Err(missing(name, "a list of tensors")),
        };
        parts.into_iter().map(one).collect()
    }

    /// A list of tensors, which are promoted to one type.
    pub(super) fn tensors(&self) -> Result<Vec<Var>> {
        let Some(Argument::List(parts)) = self.get(0, "xs") else {
            return Err(missing("xs", "a list of tensors"));
        };
        let tensors: Option<Vec<Var>> = (parts.into_iter())
            .map(|part| match part {
                Argument::Tensor(tensor) => Some(tensor),
                _ => None,
            })
            .collect();
        let tensors = tensors.filter(|tensors| !tensors.is_empty());
        let tensors = tensors.ok_or_else(|| missing("xs", "a list of tensors"))?;
        let dtype = tensors.iter().map(Var::dtype).reduce(promoted).unwrap_or(DType::F32);
        tensors.iter().map(|tensor| Ok(tensor.cast(dtype)?)).collect()
    }

    /// Two arguments, one a tensor at least, in one element type.
    pub(super) fn pair(&self, at: usize) -> Result<(Var, Var)> {
        let part = |at, name| self.get(at, name).ok_or_else(|| missing(name, "a tensor"));
        match (part(at, "x1")?, part(at + 1, "x2")?) {
            (Argument::Tensor(a), Argument::Tensor(b)) => {
                let dtype = promoted(a.dtype(), b.dtype());
                Ok((a.cast(dtype)?, b.cast(dtype)?))
            }
            (Argument::Tensor(a), b) => {
                let b = beside(&a, &b)?;
                Ok((a.cast(b.dtype())?, b))
            }
            (a, Argument::Tensor(b)) => {
                let a = beside(&b, &a)?;
                let dtype = a.dtype();
                Ok((a, b.cast(dtype)?))
            }
            _ => Err(missing("x1", "a tensor among two arguments")),
        }
    }

    pub(super) fn constant(&self, at: usize, name: &str) -> Result<Option<Value>> {
        match self.get(at, name) {
            Some(Argument::Constant(value)) => Ok(Some(value)),
            Some(Argument::List(parts)) => constants(&parts)
                .map(Some)
                .ok_or_else(|| missing(name, "numbers, not tensors")),
            Some(Argument::Tensor(_)) => Err(missing(name, "a number, not a tensor")),
            None => Ok(None),
        }
    }

    pub(super) fn number(&self, name: &str, default: f64) -> Result<f64> {
        match self.constant(usize::MAX, name)? {
            Some(value) => value.as_f64().ok_or_else(|| wrong(name, "a number", &value)),
            None => Ok(default),
        }
    }

    /// A setting that is true or false; false if it is not given.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        self.flag_or(name, false)
    }

    pub(super) fn flag_or(&self, name: &str, default: bool) -> Result<bool> {
        match self.constant(usize::MAX, name)? {
            Some(value) => value.as_bool().ok_or_else(|| wrong(name, "a bool", &value)),
            None => Ok(default),
        }
    }

    /// Whether a setting is given, as null.
    pub(super) fn is_null(&self, name: &str) -> bool {
        self.settings.get(name).is_some_and(Value::is_null)
    }

    pub(super) fn axis(&self, name: &str) -> Result<Option<isize>> {
        self.constant(usize::MAX, name)?.map(|value| whole(name, &value)).transpose()
    }

    /// A whole number, or a list of these.
    pub(super) fn wholes(&self, at: usize, name: &str) -> Result<Option<Vec<isize>>> {
        let Some(value) = self.constant(at, name)? else { return Ok(None) };
        let all = match &value {
            Value::Array(all) => all.iter().map(|one| whole(name, one)).collect(),
            one => whole(name, one).map(|one| vec![one]),
        };
        all.map(Some)
    }

    /// The axes to reduce.
    pub(super) fn axes(&self) -> Result<Axes> {
        let axes = self.wholes(usize::MAX, "axis")?.map_or((..).into(), Axes::from);
        Ok(if self.flag("keepdims")? { keep(axes) } else { axes })
    }

    pub(super) fn dtype(&self, at: usize) -> Result<Option<DType>> {
        let Some(value) = self.constant(at, "dtype")? else { return Ok(None) };
        let dtype = value.as_str().and_then(|name| name.parse().ok());
        dtype.map(Some).ok_or_else(|| wrong("dtype", "an element type", &value))
    }
}

pub(super) fn missing(name: &str, expected: impl fmt::Display) -> Error {
    Error::invalid(format_args!("cannot take `{name}`"), expected)
}

pub(super) fn wrong(name: &str, expected: &str, got: &Value) -> Error {
    missing(name, expected).got(got)
}

pub(super) fn whole(name: &str, value: &Value) -> Result<isize> {
    let number = value.as_i64().and_then(|n| isize::try_from(n).ok());
    number.ok_or_else(|| wrong(name, "a whole number", value))
}

fn constants(parts: &[Argument]) -> Option<Value> {
    let part = |part: &Argument| match part {
        Argument::Constant(value) => Some(value.clone()),
        Argument::List(parts) => constants(parts),
        Argument::Tensor(_) => None,
    };
    parts.iter().map(part).collect::<Option<Vec<_>>>().map(Value::Array)
}

/// A constant as a tensor that meets `x`: a number with a fraction makes whole ones `F32`.
fn beside(x: &Var, constant: &Argument) -> Result<Var> {
    let Argument::Constant(value) = constant else {
        return Err(missing("x2", "a tensor or a number"));
    };
    let number = number("x2", value)?;
    let dtype = match x.dtype() {
        dtype if dtype.is_float() => dtype,
        _ if value.is_f64() => DType::F32,
        DType::Bool if !value.is_boolean() => DType::I32,
        dtype => dtype,
    };
    Ok(Var::scalar(dtype, number))
}

/// Two constants in one element type: `Bool` of truth values, `I32` of whole numbers, else
/// `F32`.
pub(super) fn scalars(a: &Value, b: &Value) -> Result<(Var, Var)> {
    let numbers = (number("x1", a)?, number("x2", b)?);
    let dtype = match [a, b] {
        all if all.iter().all(|value| value.is_boolean()) => DType::Bool,
        all if all.iter().any(|value| value.is_f64()) => DType::F32,
        _ => DType::I32,
    };
    Ok((Var::scalar(dtype, numbers.0), Var::scalar(dtype, numbers.1)))
}

/// A number or truth value.
fn number(name: &str, value: &Value) -> Result<f64> {
    let truth = value.as_bool().map(|is_true| f64::from(u8::from(is_true)));
    truth.or_else(|| value.as_f64()).ok_or_else(|| wrong(name, "a number", value))
}

/// The element type of two that meet: floating point before whole numbers, then the wider.
pub(super) fn promoted(a: DType, b: DType) -> DType {
    let rank = |dtype: DType| (dtype.is_float(), dtype != DType::Bool, dtype.size());
    if rank(b) > rank(a) { b } else { a }
}

fn resolve(nest: &Nest<usize>, tensors: &[Var]) -> Result<Argument> {
    Ok(match nest {
        Nest::One(at) => match tensors.get(*at) {
            Some(tensor) => Argument::Tensor(tensor.clone()),
            None => return Err(missing("x", "as many inputs as arguments name")),
        },
        Nest::List(parts) => Argument::List(
            parts.iter().map(|part| resolve(part, tensors)).collect::<Result<_>>()?,
        ),
        Nest::Dict(_) => return Err(missing("x", "no dictionary")),
        Nest::Constant(value) => match value.get("class_name").and_then(Value::as_str) {
            Some("__numpy__" | "__tensor__") => Argument::Tensor(array(value)?),
            _ => Argument::Constant(value.clone()),
        },
    })
}

/// An array in a file.
fn array(value: &Value) -> Result<Var> {
    let error = || missing("x", "an array of numbers in a file");
    let (mut shape, mut numbers) = (Vec::new(), Vec::new());
    let mut inner = value.pointer("/config/value").ok_or_else(error)?;
    let all = inner;
    while let Value::Array(parts) = inner {
        shape.push(parts.len());
        match parts.first() {
            Some(first) => inner = first,
            None => break,
        }
    }
    collect(all, &shape, &mut numbers).ok_or_else(error)?;
    let dtype = value.pointer("/config/dtype").and_then(Value::as_str);
    let dtype: Option<DType> = dtype.unwrap_or("float32").parse().ok();
    let dtype = match dtype.ok_or_else(error)? {
        DType::F64 => DType::F32,
        dtype => dtype,
    };
    Ok(Var::constant(&Tensor::new(numbers, shape)?.cast(dtype)))
}

fn collect(value: &Value, shape: &[usize], numbers: &mut Vec<f64>) -> Option<()> {
    match (value, shape) {
        (Value::Array(parts), [len, rest @ ..]) if parts.len() == *len => {
            parts.iter().try_for_each(|part| collect(part, rest, numbers))
        }
        (Value::Bool(b), []) => {
            numbers.push(f64::from(u8::from(*b)));
            Some(())
        }
        (value, []) if numbers.len() < LARGEST => {
            numbers.push(value.as_f64()?);
            Some(())
        }
        _ => None,
    }
}
