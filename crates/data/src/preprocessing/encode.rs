//! Class numbers as numbers, or as rows of a column for each class: [`OutputMode`].

use deckle_tensor::{DType, Tensor};

use crate::{Error, Result, sequences::zeros};

/// What preprocessing makes of class numbers.
///
/// # Examples
///
/// ```
/// use deckle_data::OutputMode;
///
/// assert_eq!(OutputMode::default(), OutputMode::Int);
/// ```
///
/// # Keras
///
/// The argument `output_mode`: `"int"`, `"one_hot"`, `"multi_hot"`, `"count"`, `"tf_idf"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputMode {
    /// The numbers themselves, `I64`.
    #[default]
    Int,
    /// A row for each number: 1 in its column, 0 elsewhere.
    OneHot,
    /// A row for each sample: 1 in the column of every number that occurs in it.
    MultiHot,
    /// As [`OutputMode::MultiHot`], with the number of occurrences.
    Count,
    /// As [`OutputMode::Count`], times the inverse document frequency of the column.
    TfIdf,
}

/// Rows of class numbers, of any lengths. A negative number belongs to no class.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rows {
    pub(crate) numbers: Vec<i64>,
    ends: Vec<usize>,
}

impl Rows {
    pub(crate) fn end_row(&mut self) {
        self.ends.push(self.numbers.len());
    }

    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[i64]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let row = &self.numbers[start..end];
            start = end;
            row
        })
    }

    /// The rows as `(rows, width)`, cut or filled with 0; the longest row's width if none is
    /// given.
    pub(crate) fn padded(
        &self,
        op: &'static str,
        width: impl Into<Option<usize>>,
    ) -> Result<Tensor> {
        let longest = || self.iter().map(<[i64]>::len).max().unwrap_or(0);
        let width = width.into().unwrap_or_else(longest);
        let mut padded = zeros(op, DType::I64, self.len(), width)?;
        if width > 0 {
            let to = padded.make_mut::<i64>().chunks_exact_mut(width);
            for (to, row) in to.zip(self.iter()) {
                let len = row.len().min(width);
                to[..len].copy_from_slice(&row[..len]);
            }
        }
        Ok(padded)
    }

    /// The rows as `(rows, depth)` of `F32`, of `mode` multi-hot or count.
    pub(crate) fn counted(
        &self,
        op: &'static str,
        mode: OutputMode,
        depth: usize,
    ) -> Result<Tensor> {
        let mut counted = zeros(op, DType::F32, self.len(), depth)?;
        if depth > 0 {
            let to = counted.make_mut::<f32>().chunks_exact_mut(depth);
            for (to, row) in to.zip(self.iter()) {
                count(row, mode, |_| 1.0, to);
            }
        }
        Ok(counted)
    }
}

fn count(row: &[i64], mode: OutputMode, weight: impl Fn(usize) -> f32, to: &mut [f32]) {
    for (at, &number) in row.iter().enumerate() {
        if let Some(to) =
            usize::try_from(number).ok().and_then(|number| to.get_mut(number))
        {
            *to = if mode == OutputMode::MultiHot { 1.0 } else { *to + weight(at) };
        }
    }
}

/// Encodes class numbers of that shape, as Keras's `encode_categorical_inputs`.
///
/// | mode | shape |
/// |---|---|
/// | int | that of the numbers |
/// | one-hot | the same and `depth`, where a last axis of length 1 is left out first |
/// | one-hot of `()` | `(1, depth)` |
/// | multi-hot, count | `(numbers,)` to `(depth,)`, `(batch, numbers)` to `(batch, depth)` |
///
/// Numbers outside of `0..depth` are rows of zeros or not counted.
pub(crate) fn encode(
    op: &'static str,
    numbers: &[i64],
    shape: &[usize],
    mode: OutputMode,
    depth: usize,
    weights: Option<&[f32]>,
) -> Result<Tensor> {
    match mode {
        OutputMode::Int => Ok(Tensor::new(numbers, shape)?),
        OutputMode::OneHot => {
            let mut encoded = zeros(op, DType::F32, numbers.len(), depth)?;
            let to = encoded.make_mut::<f32>();
            for (row, &number) in numbers.iter().enumerate() {
                if let Some(class) = usize::try_from(number).ok().filter(|&n| n < depth) {
                    to[row * depth + class] = 1.0;
                }
            }
            let mut shape = if shape.is_empty() { vec![1] } else { shape.to_vec() };
            if shape.len() > 1 && shape.last() == Some(&1) {
                shape.pop();
            }
            shape.push(depth);
            Ok(Tensor::new(encoded.as_slice::<f32>().unwrap_or_default(), shape)?)
        }
        OutputMode::MultiHot | OutputMode::Count | OutputMode::TfIdf => {
            let (rows, width, shape) = match *shape {
                [] => (1, 1, vec![depth]),
                [width] => (1, width, vec![depth]),
                [rows, width] => (rows, width, vec![rows, depth]),
                _ => {
                    return Err(Error::invalid(
                        op,
                        "one or two axes, for this output mode",
                    )
                    .got(format_args!("{} axes", shape.len()))
                    .help(
                        "OutputMode::OneHot and OutputMode::Int take any number of axes",
                    ));
                }
            };
            let mut encoded = zeros(op, DType::F32, rows, depth)?;
            let to = encoded.make_mut::<f32>();
            for row in 0..rows {
                let range = row * width..(row + 1) * width;
                let weight =
                    |at| weights.map_or(1.0, |weights| weights[row * width + at]);
                let to = &mut to[row * depth..(row + 1) * depth];
                count(&numbers[range], mode, weight, to);
            }
            Ok(Tensor::new(encoded.as_slice::<f32>().unwrap_or_default(), shape)?)
        }
    }
}
