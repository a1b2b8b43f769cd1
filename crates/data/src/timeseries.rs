//! Windows of a long series as examples: [`Timeseries`].

use std::fmt;

use deckle_tensor::{Spec, Tensor, with_element};

use crate::{Batch, Dataset, Error, Example, Result, error::at_least_one};

/// Cuts a long series into windows of equal length.
///
/// Window `i` has the rows `s, s + r, s + 2r, ...`, with `s = start_index + i · sequence_stride`
/// and `r = sampling_rate`; its target, if there is one, is the row `s` of the targets. To
/// forecast, shift them: targets that begin at the row that is to be known.
///
/// # Examples
///
/// ```
/// use deckle_data::{Batch, Dataset, Timeseries};
/// use deckle_tensor::Tensor;
///
/// let series = Tensor::arange(0i64..10);
/// // Three values, and the one after them.
/// let windows = Timeseries::new(3).apply(&series, &series.slice(3..)?)?;
/// assert_eq!(windows.len(), 7);
/// let mut batch = Batch::new();
/// windows.read_batch(&[0, 6], &mut batch)?;
/// assert_eq!(batch.inputs[0], Tensor::from([[0i64, 1, 2], [6, 7, 8]]));
/// assert_eq!(batch.targets[0], Tensor::from([3i64, 9]));
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.utils.timeseries_dataset_from_array`; batches and shuffles are those of whoever reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeseries {
    sequence_length: usize,
    sequence_stride: usize,
    sampling_rate: usize,
    start_index: usize,
    end_index: Option<usize>,
}

impl Timeseries {
    /// Windows of `sequence_length` rows, one from each row on.
    #[must_use]
    pub const fn new(sequence_length: usize) -> Self {
        Self {
            sequence_length,
            sequence_stride: 1,
            sampling_rate: 1,
            start_index: 0,
            end_index: None,
        }
    }

    /// Sets the rows from one window to the next; 1 by default.
    #[must_use]
    pub const fn sequence_stride(mut self, stride: usize) -> Self {
        self.sequence_stride = stride;
        self
    }

    /// Sets the rows from one element of a window to the next; 1 by default.
    #[must_use]
    pub const fn sampling_rate(mut self, rate: usize) -> Self {
        self.sampling_rate = rate;
        self
    }

    /// Sets the first row that is used; 0 by default.
    #[must_use]
    pub const fn start_index(mut self, index: usize) -> Self {
        self.start_index = index;
        self
    }

    /// Sets the row before which windows end; the number of rows by default.
    #[must_use]
    pub fn end_index(mut self, index: impl Into<Option<usize>>) -> Self {
        self.end_index = index.into();
        self
    }

    /// The windows of `data` and their targets, both with an axis of rows first.
    ///
    /// Windows whose target would lie beyond the last one are left out.
    ///
    /// # Errors
    ///
    /// If a setting is 0 or beyond the data, or there is no window.
    pub fn apply(&self, data: &Tensor, targets: &Tensor) -> Result<Windows> {
        self.windows(data, Some(targets))
    }

    /// The windows of `data` alone, as for `predict`.
    ///
    /// # Errors
    ///
    /// As for [`Timeseries::apply`].
    pub fn apply_without_targets(&self, data: &Tensor) -> Result<Windows> {
        self.windows(data, None)
    }

    fn windows(&self, data: &Tensor, targets: Option<&Tensor>) -> Result<Windows> {
        let (rows, row) = split_rows(data, "a series whose first axis counts the rows")?;
        for (name, value) in [
            ("sequence_length", self.sequence_length),
            ("sequence_stride", self.sequence_stride),
            ("sampling_rate", self.sampling_rate),
        ] {
            at_least_one(NAME, name, value)?;
        }
        let end = self.end_index.unwrap_or(rows);
        if end > rows || self.start_index >= end {
            return Err(invalid("0 <= start_index < end_index <= rows").got(
                format_args!(
                    "start_index {}, end_index {end}, {rows} rows",
                    self.start_index
                ),
            ));
        }
        let reach = (self.sequence_length - 1).checked_mul(self.sampling_rate);
        let mut starts =
            reach.map_or(0, |reach| (end - self.start_index).saturating_sub(reach));
        let mut example =
            Example::new().input("x0", Spec::new(data.dtype(), window(self, row)));
        if let Some(targets) = targets {
            let (count, shape) =
                split_rows(targets, "targets whose first axis counts them")?;
            // Keras cuts the targets as it cuts the data.
            starts = starts.min(count.min(end).saturating_sub(self.start_index));
            example = example.target("y0", Spec::new(targets.dtype(), shape));
        }
        if starts == 0 {
            return Err(invalid("at least one window").got(format_args!(
                "windows of {} rows at a rate of {} in {} rows",
                self.sequence_length,
                self.sampling_rate,
                end - self.start_index
            )));
        }
        Ok(Windows {
            config: *self,
            data: data.contiguous(),
            targets: targets.map(Tensor::contiguous),
            example,
            len: starts.div_ceil(self.sequence_stride),
        })
    }
}

fn window(config: &Timeseries, row: &[usize]) -> Vec<usize> {
    [&[config.sequence_length], row].concat()
}

fn split_rows<'a>(tensor: &'a Tensor, expected: &str) -> Result<(usize, &'a [usize])> {
    match tensor.shape().split_first() {
        Some((&rows, row)) => Ok((rows, row)),
        None => Err(invalid(expected).got(tensor.spec())),
    }
}

/// What makes windows, in errors.
const NAME: &str = "timeseries_dataset_from_array";

fn invalid(expected: impl fmt::Display) -> Error {
    Error::invalid(NAME, expected)
}

/// The windows of a series, made by [`Timeseries::apply`]; the series is held once.
#[derive(Clone, Debug)]
pub struct Windows {
    config: Timeseries,
    data: Tensor,
    targets: Option<Tensor>,
    example: Example,
    len: usize,
}

impl Dataset for Windows {
    fn len(&self) -> usize {
        self.len
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        into.prepare(&self.example, indices.len());
        let Timeseries {
            sequence_length,
            sequence_stride,
            sampling_rate,
            start_index,
            ..
        } = self.config;
        let start = |index: usize| start_index + index * sequence_stride;
        with_element!(self.data.dtype(), T => {
            let from = self.data.as_slice::<T>().expect("windows are cut from row-major data");
            into.workers.fill(into.inputs[0].make_mut::<T>(), indices, |window, index| {
                let width = window.len() / sequence_length;
                for (step, to) in window.chunks_exact_mut(width).enumerate() {
                    let row = start(index) + step * sampling_rate;
                    to.copy_from_slice(&from[row * width..][..width]);
                }
            });
        });
        if let (Some(targets), Some(to)) = (&self.targets, into.targets.first_mut()) {
            into.workers.copy(targets, indices, start, to);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::DType;

    use super::*;
    use crate::check_dataset;

    #[test]
    fn keeps_the_promises_of_a_data_set() {
        let data = Tensor::arange(0i64..60).reshape([20, 3]).unwrap();
        for dtype in [DType::F32, DType::U8, DType::F64] {
            let data = data.cast(dtype);
            let config =
                Timeseries::new(4).sequence_stride(3).sampling_rate(2).start_index(1);
            check_dataset(&config.apply(&data, &data).unwrap()).unwrap();
            check_dataset(&config.apply_without_targets(&data).unwrap()).unwrap();
        }
        let empty_rows = Tensor::zeros(DType::F32, [5, 0]);
        check_dataset(&Timeseries::new(2).apply(&empty_rows, &empty_rows).unwrap())
            .unwrap();
    }

    #[test]
    fn windows_that_do_not_fit_are_errors() {
        let data = Tensor::arange(0i64..5);
        let fails = |config: Timeseries| {
            config.apply_without_targets(&data).unwrap_err().to_string()
        };
        assert_eq!(
            fails(Timeseries::new(3).sampling_rate(3)),
            "`timeseries_dataset_from_array`: cannot take this input\n  \
             expected: at least one window\n       \
             got: windows of 3 rows at a rate of 3 in 5 rows"
        );
        fails(Timeseries::new(0));
        fails(Timeseries::new(1).sequence_stride(0));
        fails(Timeseries::new(1).sampling_rate(0));
        fails(Timeseries::new(usize::MAX).sampling_rate(usize::MAX));
        fails(Timeseries::new(1).start_index(5));
        fails(Timeseries::new(1).end_index(6));
        fails(Timeseries::new(1).start_index(3).end_index(3));
        let none = Tensor::zeros(DType::F32, [0]);
        assert!(Timeseries::new(1).apply(&data, &none).is_err());
        assert!(Timeseries::new(1).apply(&Tensor::scalar(1.0f32), &data).is_err());
    }
}
