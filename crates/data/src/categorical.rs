//! Class numbers as rows of zeros and one: [`to_categorical`].

use deckle_tensor::{DType, Tensor};

use crate::{Error, Result, error::at_least_one, sequences::zeros};

/// Turns class numbers into one-hot rows: 1 at the class, 0 elsewhere.
///
/// Without `num_classes`, there are as many as the largest label demands.
///
/// # Shapes
///
/// `(..., )` to `(..., num_classes)` of `F32`; a trailing axis of length 1 is left out first.
///
/// # Errors
///
/// If `num_classes` is 0; a label is negative, not below `num_classes` or not a whole number; if there is no label
/// and no `num_classes`.
///
/// # Examples
///
/// ```
/// use deckle_data::to_categorical;
/// use deckle_tensor::Tensor;
///
/// let labels = Tensor::new(vec![0u8, 2], [2])?;
/// let rows = to_categorical(&labels, 3)?;
/// assert_eq!(rows.shape(), [2, 3]);
/// assert_eq!(rows.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
/// assert_eq!(to_categorical(&labels, None)?, rows);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.utils.to_categorical`; there a negative label counts from the end and a fraction is
/// cut off, here both are errors.
pub fn to_categorical(
    labels: &Tensor,
    num_classes: impl Into<Option<usize>>,
) -> Result<Tensor> {
    let classes = whole_numbers("to_categorical", labels)?;
    let needed = match classes.iter().max() {
        Some(&max) => usize::try_from(max).map_or(0, |max| max.saturating_add(1)),
        None => 0,
    };
    let num_classes = match num_classes.into() {
        Some(num_classes) => at_least_one("to_categorical", "num_classes", num_classes)?,
        None if classes.is_empty() => {
            return Err(Error::invalid("to_categorical", "at least one label")
                .got("none")
                .help("give num_classes"));
        }
        None => needed,
    };
    let class_of = |(position, label): (usize, i64)| {
        usize::try_from(label).ok().filter(|&class| class < num_classes).ok_or_else(
            || Error::Label {
                op: "`to_categorical`".into(),
                label,
                position,
                classes: num_classes,
            },
        )
    };
    let classes: Vec<usize> =
        classes.into_iter().enumerate().map(class_of).collect::<Result<_>>()?;
    let mut rows = zeros("to_categorical", DType::F32, classes.len(), num_classes)?;
    let to = rows.make_mut::<f32>();
    for (row, class) in classes.into_iter().enumerate() {
        to[row * num_classes + class] = 1.0;
    }
    let mut shape = labels.shape().to_vec();
    if shape.len() > 1 && shape.last() == Some(&1) {
        shape.pop();
    }
    shape.push(num_classes);
    Ok(Tensor::new(rows.as_slice::<f32>().unwrap_or_default(), shape)?)
}

pub(crate) fn whole_numbers(op: &'static str, labels: &Tensor) -> Result<Vec<i64>> {
    if !labels.dtype().is_float() {
        return Ok(labels.cast(DType::I64).to_vec()?);
    }
    let numbers = labels.cast(DType::F64).to_vec::<f64>()?;
    match numbers.iter().find(|number| number.fract() != 0.0 || number.abs() > 1e15) {
        Some(number) => Err(Error::invalid(op, "labels that are whole numbers")
            .got(number)
            .help("regression targets need no to_categorical")),
        None => Ok(numbers.into_iter().map(|number| number as i64).collect()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn argmax_gives_the_labels_back(labels in prop::collection::vec(0u8..20, 1..50)) {
            let rows = to_categorical(&Tensor::new(&labels, [labels.len()]).unwrap(), 20).unwrap();
            let values = rows.to_vec::<f32>().unwrap();
            for (row, &label) in values.chunks(20).zip(&labels) {
                for (class, &value) in row.iter().enumerate() {
                    prop_assert_eq!(value > 0.5, class == usize::from(label));
                }
            }
            prop_assert_eq!(values.iter().sum::<f32>() as usize, labels.len());
        }
    }

    #[test]
    fn only_a_trailing_axis_of_one_is_left_out() {
        let shape_of = |shape: &[usize]| {
            let labels = Tensor::zeros(DType::I64, shape);
            to_categorical(&labels, 3).unwrap().shape().to_vec()
        };
        assert_eq!(shape_of(&[4, 1]), [4, 3]);
        assert_eq!(shape_of(&[4, 2]), [4, 2, 3]);
        assert_eq!(shape_of(&[1]), [1, 3]);
        assert_eq!(shape_of(&[]), [3]);
        assert_eq!(shape_of(&[0]), [0, 3]);
    }

    #[test]
    fn labels_outside_the_classes_are_errors() {
        let labels = Tensor::new(vec![3i64, 10], [2]).unwrap();
        assert_eq!(
            to_categorical(&labels, 10).unwrap_err().to_string(),
            "`to_categorical`: label 10 is not one of 10 classes\n  \
             expected: 0 <= label < 10\n       got: 10 at position 1\n      \
             help: labels count from 0; 10 classes end with label 9"
        );
        assert!(to_categorical(&Tensor::scalar(-1i32), None).is_err());
        assert!(to_categorical(&Tensor::scalar(i64::MAX), None).is_err());
        assert!(to_categorical(&Tensor::scalar(0u8), 0).is_err());
        assert!(to_categorical(&Tensor::scalar(0.5f32), 2).is_err());
        assert!(to_categorical(&Tensor::scalar(f32::NAN), 2).is_err());
        assert!(to_categorical(&Tensor::zeros(DType::U8, [0]), None).is_err());
        assert_eq!(to_categorical(&Tensor::scalar(1.0f32), None).unwrap().shape(), [2]);
    }
}
