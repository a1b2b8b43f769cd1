//! Two data sets side by side: [`Zip`].

use std::mem;

use super::Pool;
use crate::{Batch, Dataset, Error, Example, Result};

/// Examples that have the inputs, targets and weights of two data sets.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Dataset, DatasetExt};
/// use deckle_tensor::Tensor;
///
/// let column = |name, range| Arrays::named([(name, Tensor::arange(range))], [] as [(&str, _); 0]);
/// let data = column("a", 0i64..3)?.zip(column("b", 10..20)?)?;
/// assert_eq!(data.len(), 3);
/// let mut batch = Batch::new();
/// data.read_batch(&[2], &mut batch)?;
/// assert_eq!(batch.inputs[1].to_vec::<i64>()?, [12]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Zip<D, E> {
    first: D,
    second: E,
    example: Example,
    pool: Pool<(Batch, Batch)>,
}

/// The fields of two examples as those of one.
pub(crate) fn side_by_side(first: &Example, second: &Example) -> Result<Example> {
    let mut example = first.clone();
    for (fields, more) in
        [(&mut example.inputs, &second.inputs), (&mut example.targets, &second.targets)]
    {
        if let Some(twice) = more.iter().find(|m| fields.iter().any(|f| f.name == m.name))
        {
            return Err(Error::invalid("zip", "every name once")
                .got(format_args!("`{}` twice", twice.name))
                .help("name the inputs and targets: Arrays::named"));
        }
        fields.extend(more.iter().cloned());
    }
    example.weights.extend(second.weights.iter().cloned());
    Ok(example)
}

impl<D: Dataset, E: Dataset> Zip<D, E> {
    pub(super) fn new(first: D, second: E) -> Result<Self> {
        let example = side_by_side(first.example(), second.example())?;
        Ok(Self { first, second, example, pool: Pool::default() })
    }
}

impl<D: Dataset, E: Dataset> Dataset for Zip<D, E> {
    fn len(&self) -> usize {
        self.first.len().min(self.second.len())
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.read_epoch(0, indices, into)
    }

    fn read_epoch(&self, epoch: u64, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        into.prepare(&self.example, indices.len());
        self.pool.with(|(first, second)| {
            // Lends the tensors to the parts, so that they are read in place.
            let parts = self.first.example();
            first.prepare(parts, indices.len());
            second.prepare(self.second.example(), indices.len());
            let cut = (parts.inputs.len(), parts.targets.len(), parts.weights.len());
            exchange(into, first, second, cut);
            let read = read(&self.first, epoch, indices, first)
                .and_then(|()| read(&self.second, epoch, indices, second));
            exchange(into, first, second, cut);
            read
        })
    }
}

/// Reads the examples of a part, and checks that it gave them.
fn read(
    part: &dyn Dataset,
    epoch: u64,
    indices: &[usize],
    into: &mut Batch,
) -> Result<()> {
    part.read_epoch(epoch, indices, into)?;
    into.settle(part.example(), indices.len())
}

/// Exchanges the tensors of the whole for those of the parts, which are as many.
fn exchange(
    whole: &mut Batch,
    first: &mut Batch,
    second: &mut Batch,
    cut: (usize, usize, usize),
) {
    for (all, a, b, at) in [
        (&mut whole.inputs, &mut first.inputs, &mut second.inputs, cut.0),
        (&mut whole.targets, &mut first.targets, &mut second.targets, cut.1),
        (&mut whole.weights, &mut first.weights, &mut second.weights, cut.2),
    ] {
        let (left, right) = all.split_at_mut(at);
        left.iter_mut().zip(a).for_each(|(x, y)| mem::swap(x, y));
        right.iter_mut().zip(b).for_each(|(x, y)| mem::swap(x, y));
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Arrays, DatasetExt, check_dataset};

    #[test]
    fn keeps_the_promises_of_a_data_set() {
        let named = |name: &str, len: i64| {
            let x = Tensor::arange(0..3 * len).reshape([len as usize, 3]).unwrap();
            Arrays::named([(name, x)], [(name, Tensor::arange(0..len))])
                .unwrap()
                .sample_weight(&Tensor::full([len as usize], 0.5f32))
                .unwrap()
        };
        let data = named("a", 5).zip(named("b", 7)).unwrap();
        check_dataset(&data).unwrap();
        assert_eq!(data.example().weights.len(), 2);
        assert_eq!(
            named("a", 5).zip(named("a", 7)).unwrap_err().to_string(),
            "`zip`: cannot take this input\n  expected: every name once\n       got: `a` twice\n      \
             help: name the inputs and targets: Arrays::named"
        );
    }
}
