//! One data set after another: [`Concatenate`].

use deckle_tensor::{Tensor, with_element};

use super::Pool;
use crate::{Batch, Dataset, Error, Example, Field, Result};

/// The examples of one data set, then those of another; the first's names count.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Dataset, DatasetExt};
/// use deckle_tensor::Tensor;
///
/// let numbers = |range| Arrays::of_inputs([Tensor::arange(range)]);
/// let data = numbers(0i64..3)?.concatenate(numbers(10..12)?)?;
/// let mut batch = Batch::new();
/// data.read_batch(&[4, 0, 3], &mut batch)?;
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [11, 0, 10]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Concatenate<D, E> {
    first: D,
    second: E,
    pool: Pool<Part>,
}

/// What one of the two is asked for, and what it answers.
#[derive(Debug, Default)]
struct Part {
    indices: Vec<usize>,
    batch: Batch,
}

/// Checks that examples have the same element types and shapes.
pub(crate) fn check_alike(one: &Example, other: &Example) -> Result<()> {
    let alike = |a: &[Field], b: &[Field]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.spec == b.spec)
    };
    if alike(&one.inputs, &other.inputs)
        && alike(&one.targets, &other.targets)
        && one.weights == other.weights
    {
        return Ok(());
    }
    Err(Error::invalid("concatenate", one).got(other))
}

impl<D: Dataset, E: Dataset> Concatenate<D, E> {
    pub(super) fn new(first: D, second: E) -> Result<Self> {
        check_alike(first.example(), second.example())?;
        Ok(Self { first, second, pool: Pool::default() })
    }
}

impl<D: Dataset, E: Dataset> Dataset for Concatenate<D, E> {
    fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    fn example(&self) -> &Example {
        self.first.example()
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.read_epoch(0, indices, into)
    }

    fn read_epoch(&self, epoch: u64, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        let at = self.first.len();
        into.prepare(self.example(), indices.len());
        for is_second in [false, true] {
            self.pool.with(|Part { indices: inner, batch }| -> Result<()> {
                let belongs = |index: usize| (index >= at) == is_second;
                inner.clear();
                inner.extend(
                    indices
                        .iter()
                        .filter(|&&index| belongs(index))
                        .map(|&index| if is_second { index - at } else { index }),
                );
                if inner.is_empty() {
                    return Ok(());
                }
                batch.workers.clone_from(&into.workers);
                let example = if is_second {
                    self.second.read_epoch(epoch, inner, batch)?;
                    self.second.example()
                } else {
                    self.first.read_epoch(epoch, inner, batch)?;
                    self.first.example()
                };
                batch.settle(example, inner.len())?;
                for (from, to) in batch.tensors().zip(into.tensors_mut()) {
                    spread(from, to, indices.iter().map(|&index| belongs(index)));
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Copies the rows of `from` to the rows of `to` that are wanted.
fn spread(from: &Tensor, to: &mut Tensor, wanted: impl Iterator<Item = bool>) {
    with_element!(from.dtype(), T => {
        let from = from.as_slice::<T>().expect("it was settled");
        let rows = to.shape()[0];
        let to = to.make_mut::<T>();
        let width = to.len() / rows.max(1);
        if width > 0 {
            let wanted = to.chunks_exact_mut(width).zip(wanted).filter(|(_, wanted)| *wanted);
            for ((to, _), from) in wanted.zip(from.chunks_exact(width)) {
                to.copy_from_slice(from);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use deckle_tensor::DType;

    use super::*;
    use crate::{Arrays, DatasetExt, check_dataset};

    #[test]
    fn keeps_the_promises_of_a_data_set() {
        let part = |start: i64, len: i64| {
            let x = Tensor::arange(start..start + 2 * len)
                .reshape([len as usize, 2])
                .unwrap();
            Arrays::new(x, Tensor::arange(start..start + len)).unwrap()
        };
        for (a, b) in [(3, 4), (0, 2), (2, 0)] {
            let data = part(0, a).concatenate(part(100, b)).unwrap();
            check_dataset(&data).unwrap();
            let mut batch = Batch::new();
            data.read_batch(&(0..data.len()).collect::<Vec<_>>(), &mut batch).unwrap();
            let y: Vec<i64> = (0..a).chain(100..100 + b).collect();
            assert_eq!(batch.targets[0].to_vec::<i64>().unwrap(), y);
        }
        let other = Arrays::of_inputs([Tensor::zeros(DType::F32, [3, 2])]).unwrap();
        assert_eq!(
            part(0, 1).concatenate(other).unwrap_err().to_string(),
            "`concatenate`: cannot take this input\n  \
             expected: `x0`: int64 (2,), `y0`: int64 ()\n       got: `x0`: float32 (2,)"
        );
    }
}
