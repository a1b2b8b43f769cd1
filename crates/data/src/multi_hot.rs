//! Sequences of ids that become rows of zeros and ones when they are read: [`MultiHot`].

use deckle_tensor::{DType, Spec, Tensor, with_element};

use crate::{Batch, Dataset, Error, Example, Result, Sequences, sequences::mark_rows};

/// A data set of sequences, of which each becomes a row with 1 at the ids that occur in it.
///
/// The rows are made batch by batch, so 25,000 reviews take the memory of their ids (24 MB)
/// and not that of their rows (1 GB as `F32`).
///
/// # Examples
///
/// ```
/// use deckle_data::{Batch, Dataset, MultiHot, Sequences};
/// use deckle_tensor::{DType, Tensor};
///
/// let reviews = Sequences::from_iter([vec![0, 2], vec![1], vec![]]);
/// let data = MultiHot::new(reviews, &Tensor::new(vec![1u8, 0, 0], [3])?, 3)?;
/// let mut batch = Batch::new();
/// data.read_batch(&[1, 0], &mut batch)?;
/// assert_eq!(batch.inputs[0].to_vec::<f32>()?, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
/// assert_eq!(data.dtype(DType::U8).example().inputs[0].spec.dtype, DType::U8);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MultiHot {
    sequences: Sequences,
    y: Tensor,
    dimension: usize,
    example: Example,
}

impl MultiHot {
    /// Examples of one input `x0` of `dimension` elements of `F32`, and one target `y0`.
    ///
    /// # Errors
    ///
    /// If an id is not below `dimension`, or the numbers of examples disagree.
    pub fn new(sequences: Sequences, y: &Tensor, dimension: usize) -> Result<Self> {
        sequences.check_below(dimension)?;
        let Some((&count, shape)) = y.shape().split_first() else {
            return Err(Error::invalid(
                "MultiHot",
                "targets whose first axis counts the examples",
            )
            .got(y.spec()));
        };
        if count != sequences.len() {
            return Err(Error::Counts {
                first: "x0".into(),
                expected: sequences.len(),
                other: "y0".into(),
                got: count,
            });
        }
        let example = Example::new()
            .input("x0", Spec::new(DType::F32, [dimension]))
            .target("y0", Spec::new(y.dtype(), shape));
        Ok(Self { sequences, y: y.contiguous(), dimension, example })
    }

    /// Sets the element type of the input; `F32` by default.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.example.inputs[0].spec.dtype = dtype;
        self
    }

    /// The sequences.
    #[must_use]
    pub const fn sequences(&self) -> &Sequences {
        &self.sequences
    }

    /// The targets, `(examples, ...)`.
    #[must_use]
    pub const fn y(&self) -> &Tensor {
        &self.y
    }
}

impl Dataset for MultiHot {
    fn len(&self) -> usize {
        self.sequences.len()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        into.prepare(&self.example, indices.len());
        with_element!(self.example.inputs[0].spec.dtype, T => {
            into.workers.fill(into.inputs[0].make_mut::<T>(), indices, |row, index| {
                row.fill(T::default());
                mark_rows(self.sequences.get(index).into_iter(), self.dimension, row);
            });
        });
        into.workers.copy(&self.y, indices, |index| index, &mut into.targets[0]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_dataset;

    #[test]
    fn keeps_the_promises_of_a_data_set() {
        let sequences =
            Sequences::from_iter([vec![0, 3, 3], vec![], vec![2], vec![1, 0]]);
        let y = Tensor::new(vec![0i64, 1, 2, 3], [4, 1]).unwrap();
        for dtype in DType::ALL {
            let data = MultiHot::new(sequences.clone(), &y, 4).unwrap().dtype(dtype);
            check_dataset(&data).unwrap();
            let mut batch = Batch::new();
            data.read_batch(&[0, 1, 2, 3], &mut batch).unwrap();
            assert_eq!(batch.inputs[0], sequences.multi_hot(4, dtype).unwrap());
        }
    }

    #[test]
    fn what_does_not_belong_together_is_an_error() {
        let sequences = Sequences::from_iter([vec![0], vec![3]]);
        let y = Tensor::zeros(DType::U8, [3]);
        assert_eq!(
            MultiHot::new(sequences.clone(), &y, 4).unwrap_err().to_string(),
            "data set: arrays disagree in their number of examples\n  \
             expected: 2 examples, as in `x0`\n       got: 3 examples in `y0`\n      \
             help: the first axis of every array counts the examples"
        );
        assert!(MultiHot::new(sequences.clone(), &y, 3).is_err());
        assert!(MultiHot::new(sequences, &Tensor::scalar(1u8), 4).is_err());
    }
}
