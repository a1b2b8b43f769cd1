//! The contract of a data set: [`Dataset`], and [`Example`] for what one example holds.

use std::{fmt, sync::Arc};

use deckle_tensor::{DType, Spec, shape_text};

use crate::{Batch, Error, Result};

/// Examples that can be read by index, many at once.
///
/// Two reads of one index give the same example, in any order and on any thread: randomness,
/// if any, is keyed by the index (and the epoch, see [`Dataset::read_epoch`]), never by the
/// number of calls.
///
/// # Examples
///
/// ```
/// use deckle_data::{Batch, Dataset, Example, Result, check_dataset};
/// use deckle_tensor::{DType, Spec};
///
/// /// The numbers below `len` and their squares.
/// struct Squares {
///     len: usize,
///     example: Example,
/// }
///
/// impl Dataset for Squares {
///     fn len(&self) -> usize {
///         self.len
///     }
///
///     fn example(&self) -> &Example {
///         &self.example
///     }
///
///     fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
///         self.check_indices(indices)?;
///         into.prepare(&self.example, indices.len());
///         let x = into.inputs[0].make_mut::<f32>();
///         let y = into.targets[0].make_mut::<f32>();
///         for (at, &index) in indices.iter().enumerate() {
///             x[at] = index as f32;
///             y[at] = x[at] * x[at];
///         }
///         Ok(())
///     }
/// }
///
/// let number = Spec::scalar(DType::F32);
/// let example = Example::new().input("x", number.clone()).target("y", number);
/// let squares = Squares { len: 10, example };
/// check_dataset(&squares)?;
/// let mut batch = Batch::new();
/// squares.read_batch(&[3, 1], &mut batch)?;
/// assert_eq!(batch.targets[0].to_vec::<f32>()?, [9.0, 1.0]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.utils.PyDataset`, but by example instead of by batch, so that shuffles and splits
/// need nothing from the data set.
pub trait Dataset: Send + Sync {
    /// The number of examples.
    fn len(&self) -> usize;

    /// What one example holds: names, element types and shapes without the batch axis.
    fn example(&self) -> &Example;

    /// Makes `into` hold the examples at `indices`, in that order.
    ///
    /// Reuses the memory of `into`: no allocation if a batch of as many examples was there
    /// before, see [`Batch::prepare`].
    ///
    /// # Errors
    ///
    /// If an index is not below [`Dataset::len`], or an example cannot be read.
    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()>;

    /// As [`Dataset::read_batch`], for training in that epoch.
    ///
    /// The epoch, counted from 0, is the only thing besides the index that an example may depend
    /// on: data that is augmented at random is another one in each. By default, the examples of
    /// `read_batch`, which is epoch 0.
    ///
    /// # Errors
    ///
    /// As for [`Dataset::read_batch`].
    fn read_epoch(&self, epoch: u64, indices: &[usize], into: &mut Batch) -> Result<()> {
        let _ = epoch;
        self.read_batch(indices, into)
    }

    /// Whether there is no example.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that every index is below [`Dataset::len`].
    ///
    /// # Errors
    ///
    /// If one is not.
    fn check_indices(&self, indices: &[usize]) -> Result<()> {
        let len = self.len();
        match indices.iter().find(|&&index| index >= len) {
            Some(&index) => Err(Error::Index { index, len }),
            None => Ok(()),
        }
    }
}

macro_rules! dataset_behind {
    ($($pointer:ty),*) => {$(
        impl<D: Dataset + ?Sized> Dataset for $pointer {
            fn len(&self) -> usize {
                (**self).len()
            }

            fn example(&self) -> &Example {
                (**self).example()
            }

            fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
                (**self).read_batch(indices, into)
            }

            fn read_epoch(
                &self,
                epoch: u64,
                indices: &[usize],
                into: &mut Batch,
            ) -> Result<()> {
                (**self).read_epoch(epoch, indices, into)
            }
        }
    )*};
}

dataset_behind!(&D, Box<D>, Arc<D>);

/// A name, an element type and a shape without the batch axis.
///
/// # Examples
///
/// ```
/// use deckle_data::Field;
/// use deckle_tensor::{DType, Spec};
///
/// let field = Field { name: "image".into(), spec: Spec::new(DType::U8, [28, 28]) };
/// assert_eq!(field.to_string(), "`image`: uint8 (28, 28)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name: `x0`, `x1`, ... for inputs and `y0`, ... for targets that have no other.
    pub name: String,
    /// Element type and shape of one example.
    pub spec: Spec,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {} {}", self.name, self.spec.dtype, shape_text(&self.spec.shape))
    }
}

/// What one example of a data set holds: inputs, targets and perhaps weights.
///
/// # Examples
///
/// ```
/// use deckle_data::Example;
/// use deckle_tensor::{DType, Spec};
///
/// let example = Example::new()
///     .input("wide", Spec::new(DType::F32, [4]))
///     .input("deep", Spec::new(DType::F32, [8]))
///     .target("price", Spec::scalar(DType::F32));
/// assert_eq!(example.inputs[1].name, "deep");
/// assert!(example.weights.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// The inputs, in the order of the model's.
    pub inputs: Vec<Field>,
    /// The targets, in the order of the model's outputs; none for data without answers.
    pub targets: Vec<Field>,
    /// The weights of an example in the losses: none, one for all targets, or one for each.
    pub weights: Vec<Spec>,
}

impl Example {
    /// An example of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>, spec: Spec) -> Self {
        self.inputs.push(Field { name: name.into(), spec });
        self
    }

    /// Adds a target.
    #[must_use]
    pub fn target(mut self, name: impl Into<String>, spec: Spec) -> Self {
        self.targets.push(Field { name: name.into(), spec });
        self
    }

    /// Says that every example has a weight, or one more.
    #[must_use]
    pub fn weight(mut self, dtype: DType) -> Self {
        self.weights.push(Spec::scalar(dtype));
        self
    }

    /// Of inputs, targets and weights, as a batch has them.
    pub(crate) fn specs(&self) -> impl Iterator<Item = &Spec> + Clone {
        let fields = self.inputs.iter().chain(&self.targets);
        fields.map(|field| &field.spec).chain(&self.weights)
    }

    /// Of inputs, targets and weights, as a batch has them.
    pub(crate) fn specs_mut(&mut self) -> impl Iterator<Item = &mut Spec> {
        let fields = self.inputs.iter_mut().chain(&mut self.targets);
        fields.map(|field| &mut field.spec).chain(&mut self.weights)
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for field in self.inputs.iter().chain(&self.targets) {
            write!(f, "{separator}{field}")?;
            separator = ", ";
        }
        if !self.weights.is_empty() {
            write!(f, "{separator}weighted")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Arrays, check_dataset};

    #[test]
    fn pointers_to_data_sets_are_data_sets() {
        let data = Arrays::of_inputs([Tensor::zeros(DType::F32, [3, 2])]).unwrap();
        let boxed: Box<dyn Dataset> = Box::new(data.clone());
        check_dataset(&boxed).unwrap();
        check_dataset(&&data).unwrap();
        let shared: Arc<dyn Dataset> = Arc::new(data);
        check_dataset(&shared).unwrap();
        assert_eq!(shared.example().to_string(), "`x0`: float32 (2,)");
    }
}
