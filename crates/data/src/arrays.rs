//! Examples in memory: [`Arrays`].

use std::{fmt, ops::Range, sync::Arc};

use deckle_tensor::{DType, Spec, Tensor, shape_text};

use crate::{Batch, Dataset, Error, Example, Field, Result, split_at};

/// A data set of tensors in memory, one for each input and target.
///
/// The first axis of every tensor counts the examples. Nothing is converted: images of `U8`
/// reach the model as `U8`. Clones, [`Arrays::take`], [`Arrays::skip`] and [`Arrays::split`]
/// share memory.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Dataset};
/// use deckle_tensor::{DType, Tensor};
///
/// let data = Arrays::new(
///     Tensor::zeros(DType::U8, [10, 28, 28]),
///     Tensor::zeros(DType::U8, [10]),
/// )?;
/// assert_eq!(data.len(), 10);
/// assert_eq!(data.to_string(), "10 examples of `x0`: uint8 (28, 28), `y0`: uint8 ()");
///
/// let (train, validation) = data.split(0.2)?;
/// assert_eq!((train.len(), validation.len()), (8, 2));
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// The arrays `x`, `y` and `sample_weight` that `Model.fit` takes.
#[derive(Clone)]
pub struct Arrays {
    /// As many as `example` has fields, in row-major order.
    inputs: Vec<Tensor>,
    targets: Vec<Tensor>,
    /// None, one, or one for each target.
    weights: Vec<Tensor>,
    example: Example,
    len: usize,
    description: Option<Arc<str>>,
}

impl Arrays {
    /// Examples of one input `x0` and one target `y0`.
    ///
    /// # Errors
    ///
    /// If the numbers of examples disagree, or a tensor has no axis.
    pub fn new(x: Tensor, y: Tensor) -> Result<Self> {
        Self::of([x], [y])
    }

    /// Examples without targets, as for `predict`; inputs are named `x0`, `x1`, ...
    ///
    /// # Errors
    ///
    /// If there is no input, the numbers of examples disagree, or a tensor has no axis.
    pub fn of_inputs(inputs: impl IntoIterator<Item = Tensor>) -> Result<Self> {
        Self::of(inputs, [])
    }

    /// Examples of several inputs `x0`, `x1`, ... and targets `y0`, `y1`, ...
    ///
    /// # Errors
    ///
    /// As for [`Arrays::of_inputs`].
    pub fn of(
        inputs: impl IntoIterator<Item = Tensor>,
        targets: impl IntoIterator<Item = Tensor>,
    ) -> Result<Self> {
        let number =
            |prefix: char| move |(i, t): (usize, Tensor)| (format!("{prefix}{i}"), t);
        Self::named(
            inputs.into_iter().enumerate().map(number('x')),
            targets.into_iter().enumerate().map(number('y')),
        )
    }

    /// Examples of inputs and targets with names of their own.
    ///
    /// # Errors
    ///
    /// As for [`Arrays::of_inputs`]; also if two inputs or two targets have one name.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_data::{Arrays, Dataset};
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let column = |len| Tensor::zeros(DType::F32, [3, len]);
    /// let data = Arrays::named([("wide", column(4)), ("deep", column(8))], [("price", column(1))])?;
    /// assert_eq!(data.example().inputs[1].name, "deep");
    /// # Ok::<(), deckle_data::Error>(())
    /// ```
    pub fn named<N: Into<String>, M: Into<String>>(
        inputs: impl IntoIterator<Item = (N, Tensor)>,
        targets: impl IntoIterator<Item = (M, Tensor)>,
    ) -> Result<Self> {
        let mut example = Example::new();
        let (inputs, fields) = columns(inputs)?;
        example.inputs = fields;
        let (targets, fields) = columns(targets)?;
        example.targets = fields;
        let Some(first) = inputs.first() else {
            return Err(Error::invalid("Arrays", "at least one input").got("none"));
        };
        let len = first.shape()[0];
        let fields = example.inputs.iter().chain(&example.targets);
        for (tensor, field) in inputs.iter().chain(&targets).zip(fields) {
            if tensor.shape()[0] != len {
                return Err(Error::Counts {
                    first: example.inputs[0].name.clone(),
                    expected: len,
                    other: field.name.clone(),
                    got: tensor.shape()[0],
                });
            }
        }
        Ok(Self { inputs, targets, weights: Vec::new(), example, len, description: None })
    }

    /// Sets the weight of each example in the loss, or in all losses; without it, all weigh 1.
    ///
    /// Weights `(examples, steps)` weigh each step of sequences.
    ///
    /// # Errors
    ///
    /// If `weights` is not `(examples, ...)` of a floating-point type.
    pub fn sample_weight(self, weights: &Tensor) -> Result<Self> {
        self.weighted(std::slice::from_ref(weights))
    }

    /// Sets the weight of each example in the loss of each target.
    ///
    /// # Errors
    ///
    /// If there is not one tensor for each target, or one is not `(examples, ...)` of a
    /// floating-point type.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_data::{Arrays, Dataset};
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let column = || Tensor::zeros(DType::F32, [2, 1]);
    /// let weights = [Tensor::from([1.0f32, 2.0]), Tensor::from([0.5f32, 0.0])];
    /// let data = Arrays::of([column()], [column(), column()])?.sample_weights(&weights)?;
    /// assert_eq!(data.example().weights.len(), 2);
    /// # Ok::<(), deckle_data::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `sample_weight` of `Model.fit` as a list.
    pub fn sample_weights(self, weights: &[Tensor]) -> Result<Self> {
        if weights.len() != self.targets.len() {
            let expected =
                format!("one tensor for each of {} targets", self.targets.len());
            return Err(Error::invalid("sample_weights", expected).got(weights.len()));
        }
        self.weighted(weights)
    }

    fn weighted(mut self, weights: &[Tensor]) -> Result<Self> {
        for weights in weights {
            if weights.rank() == 0 {
                return Err(Error::invalid(
                    "sample_weight",
                    format_args!("float32 ({}, ...)", self.len),
                )
                .got(weights.spec())
                .help("give one weight for each example, or for each of its steps"));
            }
            if weights.shape()[0] != self.len {
                return Err(Error::Counts {
                    first: self.example.inputs[0].name.clone(),
                    expected: self.len,
                    other: "sample_weight".into(),
                    got: weights.shape()[0],
                });
            }
        }
        // Whole numbers and truths are weights, too.
        let as_float = |weights: &Tensor| match weights.dtype().is_float() {
            true => weights.contiguous(),
            false => weights.cast(DType::F32).contiguous(),
        };
        self.weights = weights.iter().map(as_float).collect();
        self.example.weights =
            self.weights.iter().map(|w| Spec::new(w.dtype(), &w.shape()[1..])).collect();
        Ok(self)
    }

    /// Sets a sentence about the data, which `Display` begins with; none by default.
    #[must_use]
    pub fn description(mut self, text: impl Into<Arc<str>>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// The first input, `(examples, ...)`.
    #[must_use]
    pub fn x(&self) -> &Tensor {
        &self.inputs[0]
    }

    /// The first target, `(examples, ...)`.
    ///
    /// # Errors
    ///
    /// If there are no targets.
    pub fn y(&self) -> Result<&Tensor> {
        self.targets.first().ok_or_else(|| {
            Error::invalid("Arrays::y", "a data set with targets").got("inputs only")
        })
    }

    /// The inputs, each `(examples, ...)`.
    #[must_use]
    pub fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    /// The targets, each `(examples, ...)`.
    #[must_use]
    pub fn targets(&self) -> &[Tensor] {
        &self.targets
    }

    /// The weights of the examples, each `(examples, ...)`: none, one for all targets, or one for
    /// each.
    #[must_use]
    pub fn weights(&self) -> &[Tensor] {
        &self.weights
    }

    /// The first `count` examples; all if there are fewer.
    #[must_use]
    pub fn take(&self, count: usize) -> Self {
        self.range(0..count.min(self.len))
    }

    /// All but the first `count` examples; none if there are fewer.
    #[must_use]
    pub fn skip(&self, count: usize) -> Self {
        self.range(count.min(self.len)..self.len)
    }

    /// The examples for training and the last ones, `fraction` of all, for validation.
    ///
    /// # Errors
    ///
    /// As for [`split_at`].
    ///
    /// # Keras
    ///
    /// `validation_split` of `Model.fit`: cut before any shuffle.
    pub fn split(&self, fraction: f64) -> Result<(Self, Self)> {
        let at = split_at(self.len, fraction)?;
        Ok((self.take(at), self.skip(at)))
    }

    /// The examples at `indices`, in that order; an index may occur more than once.
    ///
    /// # Errors
    ///
    /// If an index is out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_data::Arrays;
    /// use deckle_tensor::Tensor;
    ///
    /// let data = Arrays::of_inputs([Tensor::new(vec![1i64, 2, 3], [3])?])?;
    /// assert_eq!(data.subset(&[2, 0])?.x().to_vec::<i64>()?, [3, 1]);
    /// # Ok::<(), deckle_data::Error>(())
    /// ```
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        let mut batch = Batch::new();
        self.read_batch(indices, &mut batch)?;
        Ok(Self {
            inputs: batch.inputs,
            targets: batch.targets,
            weights: batch.weights,
            len: indices.len(),
            ..self.clone()
        })
    }

    /// The same data with every input replaced, for instance `|x| Ok(x.cast(DType::F32))`.
    ///
    /// # Errors
    ///
    /// If `change` fails, or changes the number of examples.
    pub fn map_inputs(
        &self,
        change: impl FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        let inputs = self.inputs.iter().map(change).collect::<Result<Vec<_>>>()?;
        self.with(inputs, self.targets.clone())
    }

    /// The same data with every target replaced.
    ///
    /// # Errors
    ///
    /// If `change` fails, or changes the number of examples.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_data::{Arrays, to_categorical};
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Tensor::zeros(DType::U8, [3, 4]);
    /// let data = Arrays::new(x, Tensor::new(vec![0u8, 2, 1], [3])?)?;
    /// let data = data
    ///     .map_inputs(|x| Ok(x.cast(DType::F32).reshape([3, 2, 2])?))?
    ///     .map_targets(|y| to_categorical(y, 3))?;
    /// assert_eq!(
    ///     data.to_string(),
    ///     "3 examples of `x0`: float32 (2, 2), `y0`: float32 (3,)"
    /// );
    /// # Ok::<(), deckle_data::Error>(())
    /// ```
    pub fn map_targets(
        &self,
        change: impl FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        let targets = self.targets.iter().map(change).collect::<Result<Vec<_>>>()?;
        self.with(self.inputs.clone(), targets)
    }

    fn with(&self, inputs: Vec<Tensor>, targets: Vec<Tensor>) -> Result<Self> {
        let names = |fields: &[Field]| -> Vec<String> {
            fields.iter().map(|field| field.name.clone()).collect()
        };
        let mut data = Self::named(
            names(&self.example.inputs).into_iter().zip(inputs),
            names(&self.example.targets).into_iter().zip(targets),
        )?;
        data = data.weighted(&self.weights)?;
        data.description.clone_from(&self.description);
        Ok(data)
    }

    fn range(&self, range: Range<usize>) -> Self {
        let part = range.start.cast_signed()..range.end.cast_signed();
        let rows = |tensor: &Tensor| {
            tensor.slice(part.clone()).expect("a range of the first axis, which exists")
        };
        Self {
            inputs: self.inputs.iter().map(rows).collect(),
            targets: self.targets.iter().map(rows).collect(),
            weights: self.weights.iter().map(rows).collect(),
            len: range.len(),
            ..self.clone()
        }
    }
}

impl Dataset for Arrays {
    fn len(&self) -> usize {
        self.len
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        into.prepare(&self.example, indices.len());
        let from = self.inputs.iter().chain(&self.targets).chain(&self.weights);
        let to = into.inputs.iter_mut().chain(&mut into.targets).chain(&mut into.weights);
        for (from, to) in from.zip(to) {
            into.workers.copy(from, indices, |index| index, to);
        }
        Ok(())
    }
}

/// All examples, as one batch.
impl From<Arrays> for Batch {
    fn from(data: Arrays) -> Self {
        let mut batch = Self::new();
        (batch.inputs, batch.targets) = (data.inputs, data.targets);
        batch.weights = data.weights;
        batch
    }
}

impl fmt::Display for Arrays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(description) = &self.description {
            write!(f, "{description}: ")?;
        }
        write!(f, "{} examples of {}", self.len, self.example)
    }
}

impl fmt::Debug for Arrays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arrays({self})")
    }
}

/// Checks names and ranks.
fn columns<N: Into<String>>(
    named: impl IntoIterator<Item = (N, Tensor)>,
) -> Result<(Vec<Tensor>, Vec<Field>)> {
    let (mut tensors, mut fields) = (Vec::new(), Vec::<Field>::new());
    for (name, tensor) in named {
        let name = name.into();
        let Some((_, shape)) = tensor.shape().split_first() else {
            return Err(Error::invalid(
                "Arrays",
                "tensors whose first axis counts the examples",
            )
            .got(format_args!("`{name}` of shape {}", shape_text(tensor.shape()))));
        };
        if fields.iter().any(|field| field.name == name) {
            return Err(Error::invalid("Arrays", "every name once")
                .got(format_args!("`{name}` twice")));
        }
        fields.push(Field { name, spec: Spec::new(tensor.dtype(), shape) });
        tensors.push(tensor.contiguous());
    }
    Ok((tensors, fields))
}

#[cfg(test)]
mod tests {
    use deckle_tensor::DType;

    use super::*;
    use crate::check_dataset;

    fn count(dtype: DType, shape: &[usize]) -> Tensor {
        let size = shape.iter().product::<usize>();
        let values: Vec<i64> = (0..size as i64).collect();
        Tensor::new(values, shape).unwrap().cast(dtype)
    }

    #[test]
    fn keeps_the_promises_of_a_data_set() {
        for dtype in DType::ALL {
            let data = Arrays::of(
                [count(dtype, &[7, 2, 3]), count(DType::U8, &[7])],
                [count(DType::F64, &[7, 0]), count(DType::I64, &[7, 1])],
            );
            check_dataset(&data.unwrap()).unwrap();
        }
        let data =
            Arrays::new(count(DType::F32, &[5, 4]), count(DType::U8, &[5])).unwrap();
        let data = data.sample_weight(&count(DType::F32, &[5])).unwrap();
        check_dataset(&data).unwrap();
        check_dataset(&data.take(2)).unwrap();
        check_dataset(&data.skip(2)).unwrap();
        check_dataset(&data.skip(9)).unwrap();
    }

    #[test]
    fn parts_hold_the_examples_that_they_should() {
        let data =
            Arrays::new(count(DType::I64, &[5, 2]), count(DType::U8, &[5])).unwrap();
        let data = data.sample_weight(&count(DType::F32, &[5])).unwrap();
        let (train, validation) = data.split(0.3).unwrap();
        assert_eq!(train.x().to_vec::<i64>().unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(validation.y().unwrap().to_vec::<u8>().unwrap(), [3, 4]);
        let start = |data: &Arrays| data.x().as_slice::<i64>().unwrap().as_ptr();
        assert_eq!(start(&validation), start(&data).wrapping_add(6), "memory is shared");
        assert_eq!(validation.weights()[0].to_vec::<f32>().unwrap(), [3.0, 4.0]);
        let subset = data.subset(&[4, 0, 4]).unwrap();
        assert_eq!(subset.x().to_vec::<i64>().unwrap(), [8, 9, 0, 1, 8, 9]);
        assert_eq!(subset.weights()[0].to_vec::<f32>().unwrap(), [4.0, 0.0, 4.0]);
        assert_eq!(subset.len(), 3);
    }

    #[test]
    fn maps_keep_names_weights_and_description() {
        let x = count(DType::U8, &[3, 2]);
        let data = Arrays::named([("pixels", x)], [("digit", count(DType::U8, &[3]))])
            .unwrap()
            .sample_weight(&count(DType::F32, &[3]))
            .unwrap()
            .description("three digits");
        let mapped = data.map_inputs(|x| Ok(x.cast(DType::F32))).unwrap();
        assert_eq!(
            mapped.to_string(),
            "three digits: 3 examples of `pixels`: float32 (2,), `digit`: uint8 (), weighted"
        );
        let mapped = mapped.map_targets(|y| Ok(y.cast(DType::I64))).unwrap();
        assert_eq!(mapped.y().unwrap().dtype(), DType::I64);
        assert!(mapped.map_inputs(|_| Ok(Tensor::zeros(DType::U8, [2]))).is_err());
    }

    #[test]
    fn arrays_that_do_not_belong_together_are_errors() {
        let f32s = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
        assert_eq!(
            Arrays::of([f32s(&[4, 2])], [f32s(&[4]), f32s(&[3])])
                .unwrap_err()
                .to_string(),
            "data set: arrays disagree in their number of examples\n  \
             expected: 4 examples, as in `x0`\n       got: 3 examples in `y1`\n      \
             help: the first axis of every array counts the examples"
        );
        assert_eq!(
            Arrays::new(f32s(&[4]), f32s(&[])).unwrap_err().to_string(),
            "`Arrays`: cannot take this input\n  \
             expected: tensors whose first axis counts the examples\n       \
             got: `y0` of shape ()"
        );
        assert_eq!(
            Arrays::of([], [f32s(&[1])]).unwrap_err().to_string(),
            "`Arrays`: cannot take this input\n  expected: at least one input\n       got: none"
        );
        assert_eq!(
            Arrays::named([("a", f32s(&[1])), ("a", f32s(&[1]))], [("y", f32s(&[1]))])
                .unwrap_err()
                .to_string(),
            "`Arrays`: cannot take this input\n  expected: every name once\n       \
             got: `a` twice"
        );
        let data = Arrays::of_inputs([f32s(&[4, 2])]).unwrap();
        assert_eq!(
            data.clone().sample_weight(&f32s(&[3])).unwrap_err().to_string(),
            "data set: arrays disagree in their number of examples\n  \
             expected: 4 examples, as in `x0`\n       got: 3 examples in `sample_weight`\n      \
             help: the first axis of every array counts the examples"
        );
        assert_eq!(
            data.clone().sample_weight(&f32s(&[])).unwrap_err().to_string(),
            "`sample_weight`: cannot take this input\n  expected: float32 (4, ...)\n       \
             got: float32 ()\n      help: give one weight for each example, or for each of its \
             steps"
        );
        let steps = data.clone().sample_weight(&f32s(&[4, 3])).unwrap();
        assert_eq!(steps.example().weights[0].shape[..], [3]);
        assert_eq!(
            data.subset(&[1, 4]).unwrap_err().to_string(),
            "data set: index out of range\n  expected: 0 <= index < 4\n       got: 4"
        );
        assert!(data.y().is_err());
    }
}
