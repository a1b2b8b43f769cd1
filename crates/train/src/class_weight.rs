//! How much the classes count in the loss: [`ClassWeights`].

use deckle_data::Batch;
use deckle_tensor::{DType, Dim, Shape, Tensor};

use crate::{Error, Result};

/// The weights of classes, which become weights of a batch's examples.
#[derive(Debug)]
pub(crate) struct ClassWeights<'a> {
    weights: &'a [(i64, f64)],
    /// Memory for batches of several sizes.
    made: Vec<Tensor>,
    labels: Vec<i64>,
}

impl<'a> ClassWeights<'a> {
    /// For a model with outputs of these shapes.
    pub(crate) fn new(weights: &'a [(i64, f64)], outputs: &[&Shape]) -> Result<Self> {
        let [output] = outputs else {
            return Err(Error::invalid("class weights", "a model with one output")
                .got(format_args!("{} outputs", outputs.len()))
                .help("give weights to the examples: Arrays::sample_weight"));
        };
        // One number stands for two classes, whatever they are called.
        let classes = output.dims().last().and_then(Dim::known).filter(|len| *len > 1);
        for (i, (class, weight)) in weights.iter().enumerate() {
            if !weight.is_finite() || *weight < 0.0 {
                return Err(Error::invalid("class weights", "numbers from 0 on")
                    .got(format_args!("{weight} for class {class}")));
            }
            let is_class = |classes| usize::try_from(*class).is_ok_and(|at| at < classes);
            if let Some(classes) = classes.filter(|classes| !is_class(*classes)) {
                return Err(Error::invalid(
                    "class weights",
                    format_args!("classes from 0 to {}", classes - 1),
                )
                .got(format_args!("class {class}")));
            }
            if weights[..i].iter().any(|(known, _)| known == class) {
                return Err(Error::invalid("class weights", "every class once")
                    .got(format_args!("class {class} twice")));
            }
        }
        Ok(Self { weights, made: Vec::new(), labels: Vec::new() })
    }

    /// Multiplies the batch's weights by those of its classes; a class without one weighs 1.
    ///
    /// The tensor that was added, if the batch had none, is to be given back by
    /// [`ClassWeights::take_back`], so that the batch is what its data set knows.
    pub(crate) fn apply(&mut self, batch: &mut Batch) -> Result<bool> {
        self.read_labels(batch)?;
        let count = self.labels.len();
        let weight = |label: &i64| {
            let found = self.weights.iter().find(|(class, _)| class == label);
            found.map_or(1.0, |(_, weight)| *weight)
        };
        if let [given] = &mut batch.weights[..] {
            // Those of all steps of an example.
            let steps = given.size().checked_div(count).unwrap_or(1).max(1);
            match given.dtype() {
                DType::F64 => given
                    .make_mut::<f64>()
                    .chunks_exact_mut(steps)
                    .zip(&self.labels)
                    .for_each(|(given, label)| {
                        given.iter_mut().for_each(|given| *given *= weight(label));
                    }),
                DType::F32 => given
                    .make_mut::<f32>()
                    .chunks_exact_mut(steps)
                    .zip(&self.labels)
                    .for_each(|(given, label)| {
                        let weight = weight(label) as f32;
                        given.iter_mut().for_each(|given| *given *= weight);
                    }),
                _ => {
                    return Err(Error::invalid(
                        "class weights",
                        "weights of examples of float32 or float64",
                    )
                    .got(given.dtype()));
                }
            }
            return Ok(false);
        }
        let found = self.made.iter().position(|made| made.shape() == [count]);
        let mut made = match found {
            Some(at) => self.made.swap_remove(at),
            None => Tensor::zeros(DType::F32, [count]),
        };
        for (made, label) in made.make_mut::<f32>().iter_mut().zip(&self.labels) {
            *made = weight(label) as f32;
        }
        batch.weights.push(made);
        Ok(true)
    }

    /// Takes the weights out of the batch that [`ClassWeights::apply`] has added.
    pub(crate) fn take_back(&mut self, batch: &mut Batch) {
        self.made.append(&mut batch.weights);
    }

    /// The class of each example: a whole number, or the place of the largest of several.
    fn read_labels(&mut self, batch: &Batch) -> Result<()> {
        let target = batch.targets.first().ok_or_else(|| {
            Error::invalid("class weights", "a data set with targets").got("inputs only")
        })?;
        let classes = match target.shape() {
            [_] | [_, 1] => 1,
            &[_, classes] if classes > 1 => classes,
            _ => {
                return Err(Error::invalid(
                    "class weights",
                    "a label or one-hot vector for each example",
                )
                .got(target.spec()));
            }
        };
        self.labels.clear();
        deckle_tensor::with_element!(target.dtype(), T => {
            let whole = if target.is_contiguous() { None } else { Some(target.contiguous()) };
            let values = whole.as_ref().unwrap_or(target).as_slice::<T>().unwrap_or_default();
            for row in values.chunks_exact(classes) {
                let number = |value: &T| deckle_tensor::Element::to_f64(*value);
                let mut best = 0;
                for (i, value) in row.iter().enumerate() {
                    if number(value) > number(&row[best]) {
                        best = i;
                    }
                }
                let label = if classes == 1 {
                    number(&row[0]).round_ties_even() as i64
                } else {
                    best as i64
                };
                self.labels.push(label);
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use deckle_data::{Arrays, Dataset};

    use super::*;

    /// The shape of predictions of that many classes.
    fn classes(count: usize) -> Shape {
        Shape::from(&[5, count][..])
    }

    fn weights_of(target: Tensor, given: Option<&Tensor>) -> Result<Vec<f32>> {
        let x = Tensor::zeros(DType::F32, [target.shape()[0], 2]);
        let mut data = Arrays::new(x, target)?;
        if let Some(given) = given {
            data = data.sample_weight(given)?;
        }
        let mut batch = Batch::new();
        data.read_batch(&(0..data.len()).collect::<Vec<_>>(), &mut batch)?;
        let mut weights = ClassWeights::new(&[(0, 0.5), (2, 3.0)], &[&classes(3)])?;
        assert_eq!(weights.apply(&mut batch)?, given.is_none());
        Ok(batch.weights[0].to_vec()?)
    }

    #[test]
    fn labels_and_one_hot_vectors_name_classes() {
        let labels = || Tensor::from([0i64, 1, 2, 2]);
        assert_eq!(weights_of(labels(), None).unwrap(), [0.5, 1.0, 3.0, 3.0]);
        let column = labels().reshape([4, 1]).unwrap().cast(DType::F32);
        assert_eq!(weights_of(column, None).unwrap(), [0.5, 1.0, 3.0, 3.0]);
        let one_hot = Tensor::from([[0.0f32, 0.0, 1.0], [1.0, 0.0, 0.0]]);
        assert_eq!(weights_of(one_hot, None).unwrap(), [3.0, 0.5]);
    }

    #[test]
    fn tensors_may_be_put_into_a_batch_and_be_views() {
        let mut batch = Batch::new();
        batch.inputs = vec![Tensor::zeros(DType::F32, [2, 1])];
        batch.targets =
            vec![Tensor::from([[1.0f32, 0.0], [0.0, 0.0], [0.0, 1.0]]).transpose()];
        let mut weights =
            ClassWeights::new(&[(0, 0.5), (2, 3.0)], &[&classes(3)]).unwrap();
        assert!(weights.apply(&mut batch).unwrap());
        assert_eq!(batch.weights[0].to_vec::<f32>().unwrap(), [0.5, 3.0]);
    }

    #[test]
    fn weights_of_examples_are_multiplied() {
        let given = Tensor::from([2.0f32, 3.0, 4.0]);
        let weights = weights_of(Tensor::from([0i64, 1, 2]), Some(&given)).unwrap();
        assert_eq!(weights, [1.0, 3.0, 12.0]);
        let steps = Tensor::from([[2.0f32, 3.0], [4.0, 5.0], [6.0, 7.0]]);
        let weights = weights_of(Tensor::from([0i64, 1, 2]), Some(&steps)).unwrap();
        assert_eq!(weights, [1.0, 1.5, 4.0, 5.0, 18.0, 21.0]);
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        let four = classes(4);
        let text = |weights: &[(i64, f64)], outputs: usize| {
            let outputs = vec![&four; outputs];
            ClassWeights::new(weights, &outputs).unwrap_err().to_string()
        };
        for class in [4, -1] {
            assert_eq!(
                text(&[(0, 1.0), (class, 1.0)], 1),
                format!(
                    "class weights\n  expected: classes from 0 to 3\n       got: class {class}"
                )
            );
        }
        assert!(ClassWeights::new(&[(-1, 1.0), (1, 2.0)], &[&classes(1)]).is_ok());
        assert_eq!(
            text(&[(0, 1.0)], 2),
            "class weights\n  expected: a model with one output\n       got: 2 outputs\n      \
             help: give weights to the examples: Arrays::sample_weight"
        );
        assert_eq!(
            text(&[(0, -1.0)], 1),
            "class weights\n  expected: numbers from 0 on\n       got: -1 for class 0"
        );
        assert_eq!(
            text(&[(3, 1.0), (3, 2.0)], 1),
            "class weights\n  expected: every class once\n       got: class 3 twice"
        );
    }
}
