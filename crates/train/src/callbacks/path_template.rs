//! File names with values in them, as Python formats them: [`PathTemplate`].

use std::str::FromStr;

use crate::{Error, Result};

/// A file's name with fields, as `{epoch:02d}-{val_loss:.2f}.keras`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field { name: String, spec: Spec },
}

/// How a number is written: Python's `[[fill]align][sign][0][width][.precision][type]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    kind: Option<char>,
}

/// The widest a field may be; a wider one is a mistake.
const WIDEST: usize = 200;

/// A number that fills a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Whole(usize),
    Real(f64),
}

impl FromStr for PathTemplate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = |problem: &str| {
            Error::invalid(
                format_args!("the file name `{text}` cannot be filled in"),
                "fields as {epoch:02d} or {val_loss:.2f}",
            )
            .got(problem)
        };
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..];
            if brace.starts_with("{{") || brace.starts_with("}}") {
                plain.push_str(&brace[..1]);
                rest = &brace[2..];
                continue;
            }
            if brace.starts_with('}') {
                return Err(error("a `}` without its `{`"));
            }
            let end = brace.find('}').ok_or_else(|| error("a `{` without its `}`"))?;
            let field = &brace[1..end];
            let (name, spec) = field.split_once(':').unwrap_or((field, ""));
            let is_name = |c: char| c.is_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(error(&format!("field `{field}`")));
            }
            let spec = Spec::parse(spec).ok_or_else(|| {
                error(&format!("field `{field}` with a format that is none"))
            })?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Field { name: name.to_owned(), spec });
            rest = &brace[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl PathTemplate {
    /// The names of the fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The name with its fields filled in.
    pub(crate) fn fill(&self, value: impl Fn(&str) -> Option<Number>) -> Result<String> {
        let error = |expected: &str, name: &str| {
            Error::invalid(
                format_args!("the file name `{}` cannot be filled in", self.text),
                expected,
            )
            .got(format_args!("`{name}`"))
        };
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Field { name, spec } => {
                    let number = value(name)
                        .ok_or_else(|| error("values that this epoch has", name))?;
                    let text = spec
                        .format(number)
                        .ok_or_else(|| error("`d` for whole numbers only", name))?;
                    filled.push_str(&text);
                }
            }
        }
        Ok(filled)
    }
}

impl Spec {
    fn parse(text: &str) -> Option<Self> {
        let mut spec = Self::default();
        let mut chars: Vec<char> = text.chars().collect();
        let is_align = |c: &char| "<>^=".contains(*c);
        if chars.get(1).is_some_and(is_align) {
            (spec.fill, spec.align) = (Some(chars[0]), Some(chars[1]));
            chars.drain(..2);
        } else if chars.first().is_some_and(is_align) {
            spec.align = Some(chars.remove(0));
        }
        if chars.first().is_some_and(|c| "+- ".contains(*c)) {
            spec.sign = Some(chars.remove(0));
        }
        if chars.first() == Some(&'0') {
            spec.zeros = true;
            chars.remove(0);
        }
        let number = |chars: &mut Vec<char>| -> Option<Option<usize>> {
            let len = chars.iter().take_while(|c| c.is_ascii_digit()).count();
            let digits: String = chars.drain(..len).collect();
            if digits.is_empty() {
                return Some(None);
            }
            let value = digits.parse().ok()?;
            (value <= WIDEST).then_some(Some(value))
        };
        spec.width = number(&mut chars)?.unwrap_or(0);
        if chars.first() == Some(&'.') {
            chars.remove(0);
            spec.precision = Some(number(&mut chars)??);
        }
        spec.kind = chars.first().copied();
        let known = spec.kind.is_none_or(|kind| "dfFeEgG%".contains(kind));
        (chars.len() <= 1 && known).then_some(spec)
    }

    fn format(&self, number: Number) -> Option<String> {
        let value = match number {
            Number::Whole(whole) => whole as f64,
            Number::Real(real) => real,
        };
        let precision = self.precision.unwrap_or(6);
        let digits = match (self.kind, number) {
            (Some('d') | None, Number::Whole(whole)) if self.precision.is_none() => {
                whole.to_string()
            }
            (Some('d') | None, Number::Whole(_)) | (Some('d'), _) => return None,
            _ if !value.is_finite() => {
                let text = if value.is_nan() { "nan" } else { "inf" };
                let percent = if self.kind == Some('%') { "%" } else { "" };
                format!("{text}{percent}")
            }
            (None, Number::Real(_)) if self.precision.is_none() => {
                python_float(value.abs())
            }
            (None, _) => general(value.abs(), precision, true),
            (Some('e' | 'E'), _) => scientific(&format!("{:.precision$e}", value.abs())),
            (Some('g' | 'G'), _) => general(value.abs(), precision, false),
            (Some('%'), _) => format!("{:.precision$}%", value.abs() * 100.0),
            _ => format!("{:.precision$}", value.abs()),
        };
        let digits = match self.kind {
            Some('E' | 'G' | 'F') => digits.to_uppercase(),
            _ => digits,
        };
        let negative = value.is_sign_negative() && !value.is_nan();
        let sign = match self.sign {
            _ if negative => "-",
            Some('+') => "+",
            Some(' ') => " ",
            _ => "",
        };
        let missing = self.width.saturating_sub(sign.len() + digits.chars().count());
        let fill = self.fill.unwrap_or(if self.zeros { '0' } else { ' ' });
        let align = self.align.unwrap_or(if self.zeros { '=' } else { '>' });
        let pad = |count: usize| fill.to_string().repeat(count);
        Some(match align {
            '<' => format!("{sign}{digits}{}", pad(missing)),
            '^' => {
                format!("{}{sign}{digits}{}", pad(missing / 2), pad(missing.div_ceil(2)))
            }
            '=' => format!("{sign}{}{digits}", pad(missing)),
            _ => format!("{}{sign}{digits}", pad(missing)),
        })
    }
}

/// Rust's `1e-7` as Python's `1e-07`.
fn scientific(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// Python's `g`: that many significant digits without zeros at the end; with `point`, as
/// Python formats a float without a type, which keeps one digit after the point.
fn general(value: f64, precision: usize, point: bool) -> String {
    let precision = precision.max(1);
    let text = format!("{:.*e}", precision - 1, value);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let limit = precision as i64 - i64::from(point);
    if exponent < -4 || exponent >= limit {
        return scientific(&format!("{}e{exponent}", without_zeros(digits)));
    }
    let decimals = (precision as i64 - 1 - exponent).max(0) as usize;
    let fixed = format!("{value:.decimals$}");
    let short = without_zeros(&fixed);
    match point && !short.contains('.') {
        true => format!("{short}.0"),
        false => short.to_owned(),
    }
}

fn without_zeros(digits: &str) -> &str {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
}

/// A number as Python's `str` writes it: `0.25`, `1.0`, `1e-05`, `nan`.
pub(crate) fn python_float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let text = format!("{value:e}");
    let exponent = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok());
    if (-4..16).contains(&exponent.unwrap_or(0)) {
        let fixed = format!("{value}");
        return if fixed.contains('.') { fixed } else { format!("{fixed}.0") };
    }
    scientific(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str) -> Result<String> {
        let template: PathTemplate = template.parse()?;
        template.fill(|name| match name {
            "epoch" => Some(Number::Whole(7)),
            "loss" => Some(Number::Real(0.012_345_678)),
            "big" => Some(Number::Real(-1_234_567.0)),
            "nan" => Some(Number::Real(f64::NAN)),
            _ => None,
        })
    }

    /// What Python 3 writes.
    #[test]
    fn fields_are_formatted_as_python_does() {
        for (template, expected) in [
            ("{epoch}", "7"),
            ("{epoch:02d}", "07"),
            ("{epoch:03}", "007"),
            ("{epoch:.2f}", "7.00"),
            ("{epoch:<3d}|", "7  |"),
            ("{epoch:*^5}", "**7**"),
            ("{loss}", "0.012345678"),
            ("{loss:.2f}", "0.01"),
            ("{loss:.3e}", "1.235e-02"),
            ("{loss:g}", "0.0123457"),
            ("{loss:.3g}", "0.0123"),
            ("{loss:.1%}", "1.2%"),
            ("{loss:+.2f}", "+0.01"),
            ("{loss:.3}", "0.0123"),
            ("{big}", "-1234567.0"),
            ("{big:g}", "-1.23457e+06"),
            ("{big:012.1f}", "-001234567.0"),
            ("{big:E}", "-1.234567E+06"),
            ("{nan:.2f}", "nan"),
            ("a{{{epoch}}}b", "a{7}b"),
            ("ä-{epoch}-ö", "ä-7-ö"),
        ] {
            assert_eq!(fill(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_an_error() {
        for template in [
            "{epoch",
            "epoch}",
            "{}",
            "{0}",
            "{epoch!r}",
            "{epoch:x}",
            "{loss:d}",
            "{val_loss}",
            "{epoch:.2d}",
            "{epoch:99999999999999999999}",
            "{a.b}",
        ] {
            assert!(fill(template).is_err(), "{template}");
        }
        assert_eq!(
            fill("{val_loss:.2f}").unwrap_err().to_string(),
            "the file name `{val_loss:.2f}` cannot be filled in\n  expected: values that this \
             epoch has\n       got: `val_loss`"
        );
    }

    #[test]
    fn floats_are_written_as_python_does() {
        for (value, expected) in [
            (0.25, "0.25"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e300, "1.5e+300"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(python_float(value), expected);
        }
    }
}
