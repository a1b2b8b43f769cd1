//! The test of a data set's promises: [`check_dataset`].

use deckle_tensor::{Spec, Tensor};

use crate::{Batch, Dataset, Error, Result};

/// Tests what every data set promises, on all of its examples.
///
/// That batches have the element types and shapes that [`Dataset::example`] says; that an
/// example is the same alone, in a batch, in reverse order and when it is read again; that
/// memory is reused; that an index out of range is an error. Reads each example three times.
///
/// # Errors
///
/// If a promise is broken, or a read fails; the text says which promise and where.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, check_dataset};
/// use deckle_tensor::{DType, Tensor};
///
/// let x = Tensor::zeros(DType::F32, [5, 2]);
/// check_dataset(&Arrays::of_inputs([x])?)?;
/// # Ok::<(), deckle_data::Error>(())
/// ```
pub fn check_dataset(dataset: &dyn Dataset) -> Result<()> {
    let len = dataset.len();
    if dataset.is_empty() != (len == 0) {
        return broken("`is_empty` means `len() == 0`", "the contrary");
    }
    let forward: Vec<usize> = (0..len).collect();
    let backward: Vec<usize> = (0..len).rev().collect();
    let (mut all, mut reverse, mut one) = (Batch::new(), Batch::new(), Batch::new());
    dataset.read_batch(&forward, &mut all)?;
    dataset.read_batch(&backward, &mut reverse)?;
    check_shapes(dataset, &all, len)?;
    check_shapes(dataset, &reverse, len)?;
    let mut place = Vec::new();
    for index in 0..len {
        dataset.read_batch(&[index], &mut one)?;
        check_shapes(dataset, &one, 1)?;
        for ((one, all), reverse) in
            one.tensors().zip(all.tensors()).zip(reverse.tensors())
        {
            let alone = row(one, 0);
            if alone != row(all, index) || alone != row(reverse, len - 1 - index) {
                return broken(
                    "one index is one example, whatever is read before and beside it",
                    format_args!("another example at index {index}"),
                );
            }
        }
        let now: Vec<_> =
            one.tensors().map(|t| t.as_bytes().map(<[u8]>::as_ptr)).collect();
        if index > 0 && now != place {
            return broken("a batch keeps its memory", "other memory for an equal size");
        }
        place = now;
    }
    match dataset.read_batch(&[len], &mut one) {
        Err(_) => Ok(()),
        Ok(()) => broken(
            "an index out of range is an error",
            format_args!("an example at index {len} of {len}"),
        ),
    }
}

fn check_shapes(dataset: &dyn Dataset, batch: &Batch, len: usize) -> Result<()> {
    let example = dataset.example();
    let stacked = |spec: &Spec| (spec.dtype, [&[len][..], &spec.shape].concat());
    let expected: Vec<_> = example.specs().map(stacked).collect();
    let got: Vec<_> = batch.tensors().map(|t| (t.dtype(), t.shape().to_vec())).collect();
    if batch.len() == len
        && batch.inputs.len() == example.inputs.len()
        && batch.targets.len() == example.targets.len()
        && got == expected
    {
        return Ok(());
    }
    broken(
        format_args!("{len} examples of {expected:?}"),
        format_args!("{} of {got:?}", batch.len()),
    )
}

/// The bytes of one example.
fn row(tensor: &Tensor, index: usize) -> Option<Vec<u8>> {
    let bytes = tensor.as_bytes()?;
    let width = bytes.len() / tensor.shape()[0].max(1);
    bytes.get(index * width..(index + 1) * width).map(<[u8]>::to_vec)
}

fn broken(expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Result<()> {
    Err(Error::invalid("check_dataset", expected).got(got))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use deckle_tensor::DType;

    use super::*;
    use crate::Example;

    #[derive(Clone, Copy, PartialEq)]
    enum Fault {
        None,
        Counts,
        TakesAnyIndex,
        WrongShape,
        FreshMemory,
    }

    struct Numbers {
        fault: Fault,
        example: Example,
        calls: AtomicUsize,
    }

    impl Dataset for Numbers {
        fn len(&self) -> usize {
            5
        }

        fn example(&self) -> &Example {
            &self.example
        }

        fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
            if self.fault != Fault::TakesAnyIndex {
                self.check_indices(indices)?;
            }
            match self.fault {
                Fault::WrongShape => into.prepare(&Example::new(), indices.len()),
                Fault::FreshMemory => {
                    let mut fresh = Batch::new();
                    fresh.prepare(&self.example, indices.len());
                    // The old batch lives on, so that the memory is another one for certain.
                    std::mem::forget(std::mem::replace(into, fresh));
                }
                _ => into.prepare(&self.example, indices.len()),
            }
            let calls = match self.fault {
                Fault::Counts => self.calls.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
            if let Some(tensor) = into.inputs.first_mut() {
                for (to, index) in tensor.make_mut::<i64>().iter_mut().zip(indices) {
                    *to = (index + calls) as i64;
                }
            }
            Ok(())
        }
    }

    fn check(fault: Fault) -> Result<()> {
        let example = Example::new().input("x0", Spec::scalar(DType::I64));
        check_dataset(&Numbers { fault, example, calls: AtomicUsize::new(0) })
    }

    #[test]
    fn every_broken_promise_is_found() {
        check(Fault::None).unwrap();
        for (fault, text) in [
            (Fault::Counts, "whatever is read before and beside it"),
            (Fault::TakesAnyIndex, "an index out of range is an error"),
            (Fault::WrongShape, "got: 5 of []"),
            (Fault::FreshMemory, "a batch keeps its memory"),
        ] {
            let error = check(fault).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
