//! Tensors as text, as NumPy prints arrays.

use std::fmt::{self, Write};

use crate::{DType, Element, Tensor, walk, with_element};

/// NumPy's default print options.
const PRECISION: usize = 8;
const THRESHOLD: usize = 1000;
const EDGE: usize = 3;
const LINE: usize = 75;

/// As NumPy's `print`: aligned columns, eight digits after the point, scientific notation if
/// the numbers differ much, and `...` in the middle of more than 1000 elements.
///
/// # Examples
///
/// ```
/// use deckle_tensor::Tensor;
///
/// let x = Tensor::from([[1.0, 2.5], [-3.0, 100.0]]);
/// assert_eq!(x.to_string(), "[[  1.    2.5]\n [ -3.  100. ]]");
/// assert_eq!(Tensor::arange(0..2000).to_string(), "[   0    1    2 ... 1997 1998 1999]");
/// ```
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("[]");
        }
        let summarized = self.size() > THRESHOLD;
        let picks: Vec<Vec<usize>> = self
            .shape()
            .iter()
            .map(|&len| match len {
                len if summarized && len > 2 * EDGE => {
                    (0..EDGE).chain(len - EDGE..len).collect()
                }
                len => (0..len).collect(),
            })
            .collect();
        let words = with_element!(self.dtype(), T => self.words::<T>(&picks));
        if self.rank() == 0 {
            return f.write_str(&words[0]);
        }
        let lens: Vec<usize> = picks.iter().map(Vec::len).collect();
        let cut: Vec<bool> =
            lens.iter().zip(self.shape()).map(|(shown, len)| shown < len).collect();
        write_rows(f, &words, &lens, &cut)
    }
}

/// Element type, shape and the first elements, on one line.
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "Tensor({}, [", self.spec())?;
        with_element!(self.dtype(), T => {
            for (i, value) in self.iter::<T>().take(SHOWN).enumerate() {
                write!(f, "{}{value:?}", if i > 0 { ", " } else { "" })?;
            }
        });
        f.write_str(if self.size() > SHOWN { ", ...])" } else { "])" })
    }
}

impl Tensor {
    /// The elements at these positions of each axis, as words of one width.
    fn words<T: Element>(&self, picks: &[Vec<usize>]) -> Vec<String> {
        let memory = self.memory::<T>();
        let lens: Vec<usize> = picks.iter().map(Vec::len).collect();
        let mut values = Vec::with_capacity(lens.iter().product());
        let mut index = vec![0; lens.len()];
        loop {
            let at = index
                .iter()
                .zip(picks)
                .zip(self.strides())
                .fold(self.offset().cast_signed(), |at, ((&i, picks), &stride)| {
                    at + stride * picks[i].cast_signed()
                });
            values.push(memory[walk::position(at, 0, 0)]);
            let Some(axis) =
                (0..lens.len()).rev().find(|&axis| index[axis] + 1 < lens[axis])
            else {
                break;
            };
            index[axis] += 1;
            index[axis + 1..].fill(0);
        }
        match T::DTYPE {
            DType::Bool if self.rank() == 0 => {
                vec![if values[0].to_i64() == 1 { "True" } else { "False" }.to_owned()]
            }
            DType::Bool => values
                .iter()
                .map(|value| {
                    if value.to_i64() == 1 { " True" } else { "False" }.to_owned()
                })
                .collect(),
            dtype if dtype.is_float() => {
                let numbers: Vec<Number> = values
                    .iter()
                    .map(|&value| Number { value: value.to_f64(), dtype })
                    .collect();
                match &numbers[..] {
                    [number] if self.rank() == 0 => vec![number.alone()],
                    numbers => float_words(numbers, dtype),
                }
            }
            _ => {
                let words: Vec<String> =
                    values.iter().map(|value| value.to_i64().to_string()).collect();
                let width = longest(&words);
                words.iter().map(|word| format!("{word:>width$}")).collect()
            }
        }
    }
}

/// Rows of words in nested brackets; `cut` says along which axes the middle is left out.
fn write_rows(
    f: &mut fmt::Formatter<'_>,
    words: &[String],
    lens: &[usize],
    cut: &[bool],
) -> fmt::Result {
    let rank = lens.len();
    let last = rank - 1;
    let mut index = vec![0; last];
    for _ in 0..rank {
        f.write_char('[')?;
    }
    for row in words.chunks(lens[last]) {
        f.write_str(&row_text(row, rank, cut[last]))?;
        f.write_char(']')?;
        let Some(axis) = (0..last).rev().find(|&axis| index[axis] + 1 < lens[axis])
        else {
            continue;
        };
        index[axis] += 1;
        index[axis + 1..].fill(0);
        for _ in axis + 1..last {
            f.write_char(']')?;
        }
        let next = |f: &mut fmt::Formatter<'_>| {
            (axis..last).try_for_each(|_| f.write_char('\n'))?;
            (0..=axis).try_for_each(|_| f.write_char(' '))
        };
        if cut[axis] && index[axis] == EDGE {
            next(f)?;
            f.write_str("...")?;
        }
        next(f)?;
        for _ in axis..last {
            f.write_char('[')?;
        }
    }
    for _ in 0..last {
        f.write_char(']')?;
    }
    Ok(())
}

/// The words of one row, wrapped at the line's end.
fn row_text(words: &[String], rank: usize, cut: bool) -> String {
    let indent = " ".repeat(rank);
    let (mut text, mut line) = (String::new(), indent.clone());
    let mut push = |word: &str| {
        if line.len() > indent.len()
            && line.len() + word.len() > LINE.saturating_sub(rank)
        {
            text.push_str(line.trim_end());
            text.push('\n');
            line.clone_from(&indent);
        }
        line.push_str(word);
        line.push(' ');
    };
    for (i, word) in words.iter().enumerate() {
        if cut && i == EDGE {
            push("...");
        }
        push(word);
    }
    line.pop();
    text.push_str(&line);
    text.split_off(indent.len())
}

fn longest(words: &[impl AsRef<str>]) -> usize {
    words.iter().map(|word| word.as_ref().len()).max().unwrap_or(0)
}

/// A floating-point number of one of our types.
#[derive(Clone, Copy)]
struct Number {
    value: f64,
    dtype: DType,
}

/// The words of an array's numbers: all in positional or all in scientific notation.
fn float_words(numbers: &[Number], dtype: DType) -> Vec<String> {
    let finite: Vec<Number> =
        numbers.iter().copied().filter(|number| number.value.is_finite()).collect();
    let scientific = is_scientific(&finite, dtype);
    let form = |number: &Number| match scientific {
        true => number.scientific(0, PRECISION),
        false => number.positional(PRECISION),
    };
    let parts: Vec<Parts> = finite.iter().map(form).collect();
    let width = |part: fn(&Parts) -> &String| {
        longest(&parts.iter().map(part).collect::<Vec<_>>())
    };
    let (fraction, exponent) = (width(|p| &p.fraction), width(|p| &p.exponent));
    let mut whole = width(|p| &p.whole);
    // "e", sign and digits, if there are any.
    let right = fraction + if scientific { exponent + 2 } else { 0 };
    if finite.len() < numbers.len() {
        let negative = numbers.iter().any(|number| number.value == f64::NEG_INFINITY);
        whole = whole.max((3 + usize::from(negative)).saturating_sub(right + 1));
    }
    numbers
        .iter()
        .map(|number| {
            if !number.value.is_finite() {
                return format!("{:>1$}", number.not_finite(), whole + right + 1);
            }
            if scientific {
                let Parts { whole: digits, fraction: after, sign, exponent: power } =
                    number.scientific(fraction, PRECISION);
                format!("{digits:>whole$}.{after:0<fraction$}e{sign}{power:0>exponent$}")
            } else {
                let Parts { whole: digits, fraction: after, .. } = form(number);
                format!("{digits:>whole$}.{after:<fraction$}")
            }
        })
        .collect()
}

/// NumPy's rule: large numbers, small ones, or both.
fn is_scientific(finite: &[Number], dtype: DType) -> bool {
    let sizes =
        || finite.iter().map(|number| number.value.abs()).filter(|&size| size > 0.0);
    let (largest, least) =
        (sizes().fold(0.0, f64::max), sizes().fold(f64::INFINITY, f64::min));
    if largest == 0.0 {
        return false;
    }
    // The decimal digits that a number of this type always keeps, at most eight.
    let cutoff = match dtype {
        DType::F16 => 1e3,
        DType::BF16 => 1e2,
        DType::F32 => 1e6,
        _ => 1e8,
    };
    // NumPy compares numbers of the array's type.
    let rounded = |value: f64| with_element!(dtype, T => T::from_f64(value).to_f64());
    let (small, ratio) = (rounded(1e-4), rounded(largest / least));
    largest >= cutoff || least < small || ratio > 1000.0
}

/// The pieces of a number around its point.
struct Parts {
    whole: String,
    fraction: String,
    /// Of the exponent.
    sign: char,
    /// At least two digits; empty in positional notation.
    exponent: String,
}

impl Number {
    /// As NumPy prints a number that is not in an array.
    fn alone(self) -> String {
        let size = self.value.abs();
        if !self.value.is_finite() {
            return self.not_finite().to_owned();
        }
        let cutoff = match self.dtype {
            DType::BF16 => 1e2,
            DType::F16 => 1e3,
            DType::F32 => 1e6,
            _ => 1e16,
        };
        if size == 0.0 || (1e-4..cutoff).contains(&size) {
            let Parts { whole, fraction, .. } = self.positional(usize::MAX);
            let fraction = if fraction.is_empty() { "0" } else { &fraction };
            return format!("{whole}.{fraction}");
        }
        let Parts { whole, fraction, sign, exponent } = self.scientific(0, usize::MAX);
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{whole}{point}{fraction}e{sign}{exponent}")
    }

    const fn not_finite(self) -> &'static str {
        if self.value.is_nan() {
            "nan"
        } else if self.value > 0.0 {
            "inf"
        } else {
            "-inf"
        }
    }

    /// The fewest digits that mean this number and no other of its type, as `1.25e-3`.
    ///
    /// Of two such numbers that are equally close it is the even one.
    fn shortest(self) -> String {
        let Self { value, dtype } = self;
        let candidates = match dtype {
            DType::F32 => vec![mantissa(&format!("{:e}", value as f32)).1.len()],
            DType::F16 | DType::BF16 => (0..=PRECISION).collect(),
            _ => vec![mantissa(&format!("{value:e}")).1.len()],
        };
        let means_it = |text: &String| {
            text.parse()
                .is_ok_and(|parsed| with_element!(dtype, T => same::<T>(parsed, value)))
        };
        candidates
            .into_iter()
            .map(|digits| format!("{value:.digits$e}"))
            .find(means_it)
            .unwrap_or_else(|| match dtype {
                DType::F32 => format!("{:e}", value as f32),
                _ => format!("{value:e}"),
            })
    }

    /// With the fewest digits that mean this number, but from `least` to `most` after the point.
    fn scientific(self, least: usize, most: usize) -> Parts {
        let mut text = self.shortest();
        let digits = mantissa(&text).1.len();
        if !(least..=most).contains(&digits) {
            let digits = digits.clamp(least, most);
            text = format!("{:.digits$e}", self.value);
        }
        let (whole, fraction, exponent) = mantissa(&text);
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        Parts {
            whole: whole.to_owned(),
            fraction: fraction.trim_end_matches('0').to_owned(),
            sign,
            exponent: format!("{digits:0>2}"),
        }
    }

    fn positional(self, precision: usize) -> Parts {
        let shortest = self.shortest();
        let (whole, fraction, exponent) = mantissa(&shortest);
        let exponent: isize = exponent.parse().unwrap_or_default();
        let negative = whole.starts_with('-');
        let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
        let after = (fraction.len().cast_signed() - exponent).max(0).unsigned_abs();
        let text = if after > precision {
            format!("{:.precision$}", self.value)
        } else {
            // The point moves by the exponent, with zeros where there are no digits.
            let zeros = |count: isize| "0".repeat(count.max(0).unsigned_abs());
            let padded = format!(
                "{}{digits}{}",
                zeros(-exponent),
                zeros(exponent - fraction.len().cast_signed())
            );
            let (whole, fraction) = padded.split_at(padded.len() - after);
            format!("{}{whole}.{fraction}", if negative { "-" } else { "" })
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        Parts {
            whole: whole.to_owned(),
            fraction: fraction.trim_end_matches('0').to_owned(),
            sign: '+',
            exponent: String::new(),
        }
    }
}

/// Whether both are one number of a type.
fn same<T: Element>(a: f64, b: f64) -> bool {
    T::from_f64(a) == T::from_f64(b)
}

/// `-1.25e-3` as `-1`, `25`, `-3`.
fn mantissa(text: &str) -> (&str, &str, &str) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    (whole, fraction, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_axes_and_elements_are_no_trouble() {
        let deep = Tensor::from(1).reshape(vec![1usize; 5000]).unwrap();
        assert_eq!(deep.to_string().len(), 10_001);
        let wide = Tensor::from(1.5).broadcast_to([1 << 20, 1 << 20]).unwrap();
        assert!(wide.to_string().starts_with("[[1.5 1.5 1.5 ... 1.5 1.5 1.5]\n [1.5"));
    }

    #[test]
    fn debug_is_one_line() {
        let x = Tensor::arange(0..12).reshape([3, 4]).unwrap();
        assert_eq!(
            format!("{x:?}"),
            "Tensor(int32 (3, 4), [0, 1, 2, 3, 4, 5, 6, 7, ...])"
        );
        assert_eq!(format!("{:?}", Tensor::from(0.5f32)), "Tensor(float32 (), [0.5])");
    }

    #[test]
    fn bfloat16_prints_its_shortest_digits() {
        let x = Tensor::from([0.1, 1.5, 2.0]).cast(DType::BF16);
        assert_eq!(x.to_string(), "[0.1 1.5 2. ]");
    }
}
