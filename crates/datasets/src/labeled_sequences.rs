//! Lists of word ids with a label each: [`LabeledSequences`].

use std::fmt;

use deckle_data::{Arrays, Error, MultiHot, PadSequences, Result, Sequences, split_at};
use deckle_tensor::Tensor;

/// Lists of word ids with a label each, as IMDB's reviews and Reuters' wires are.
///
/// [`LabeledSequences::multi_hot`] or [`LabeledSequences::padded`] makes a data set of them.
///
/// # Examples
///
/// ```
/// use deckle_data::{Dataset, Sequences};
/// use deckle_datasets::LabeledSequences;
///
/// let reviews = Sequences::from_iter([vec![1, 5, 2], vec![1, 3], vec![1]]);
/// let data = LabeledSequences::new(reviews, vec![1, 0, 0])?;
/// assert_eq!(data.take(2).len(), 2);
/// assert_eq!(data.multi_hot(6)?.example().inputs[0].spec.shape, [6]);
/// assert_eq!(data.padded(2)?.x().to_vec::<i32>()?, [5, 2, 1, 3, 0, 1]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct LabeledSequences {
    x: Sequences,
    y: Vec<i64>,
}

impl LabeledSequences {
    /// Sequences and their labels.
    ///
    /// # Errors
    ///
    /// If there are more of the ones than of the others.
    pub fn new(x: Sequences, y: Vec<i64>) -> Result<Self> {
        if x.len() == y.len() {
            return Ok(Self { x, y });
        }
        Err(Error::Counts {
            first: "x0".into(),
            expected: x.len(),
            other: "y0".into(),
            got: y.len(),
        })
    }

    /// The sequences.
    #[must_use]
    pub const fn x(&self) -> &Sequences {
        &self.x
    }

    /// The labels.
    #[must_use]
    pub fn y(&self) -> &[i64] {
        &self.y
    }

    /// The labels as a tensor, `I64` `(n,)`.
    ///
    /// # Errors
    ///
    /// None today; memory for the labels is there.
    pub fn labels(&self) -> Result<Tensor> {
        Ok(Tensor::new(&self.y, [self.y.len()])?)
    }

    /// The number of examples.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.x.len()
    }

    /// Whether there is no example.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.x.is_empty()
    }

    /// The first `count` examples; all if there are fewer.
    #[must_use]
    pub fn take(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self { x: self.x.range(0..count), y: self.y[..count].to_vec() }
    }

    /// All but the first `count` examples; none if there are fewer.
    #[must_use]
    pub fn skip(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self { x: self.x.range(count..self.len()), y: self.y[count..].to_vec() }
    }

    /// The examples for training and the last ones, `fraction` of all, for validation.
    ///
    /// # Errors
    ///
    /// As for [`split_at`].
    pub fn split(&self, fraction: f64) -> Result<(Self, Self)> {
        let at = split_at(self.len(), fraction)?;
        Ok((self.take(at), self.skip(at)))
    }

    /// A data set of rows with 1 at the ids that occur, made when they are read.
    ///
    /// One input of `dimension` elements of `F32` ([`MultiHot::dtype`] sets another type), and
    /// the label as `I64`. [`Sequences::multi_hot`] makes all rows at once.
    ///
    /// # Errors
    ///
    /// If an id is not below `dimension`.
    pub fn multi_hot(&self, dimension: usize) -> Result<MultiHot> {
        MultiHot::new(self.x.clone(), &self.labels()?, dimension)
    }

    /// A data set of the last `maxlen` ids of each sequence, with 0 before shorter ones.
    ///
    /// One input of `maxlen` elements of `I32`, and the label as `I64`. [`PadSequences`] has
    /// other ways.
    ///
    /// # Errors
    ///
    /// If the result does not fit into memory.
    pub fn padded(&self, maxlen: impl Into<Option<usize>>) -> Result<Arrays> {
        let x = PadSequences::new().maxlen(maxlen).apply(&self.x)?;
        Arrays::new(x, self.labels()?)
    }
}

impl fmt::Display for LabeledSequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, each with a label", self.x)
    }
}

impl fmt::Debug for LabeledSequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LabeledSequences({self})")
    }
}

#[cfg(test)]
mod tests {
    use deckle_data::check_dataset;

    use super::*;

    #[test]
    fn parts_keep_labels_beside_their_sequences() {
        let x = Sequences::from_iter([vec![0, 1], vec![2], vec![], vec![3, 3]]);
        let all = LabeledSequences::new(x, vec![5, 6, 7, 8]).unwrap();
        let (train, validation) = all.split(0.25).unwrap();
        assert_eq!((train.len(), train.y()), (3, &[5, 6, 7][..]));
        assert_eq!(validation.x().get(0), Some(&[3, 3][..]));
        assert_eq!(validation.y(), [8]);
        assert!(all.skip(9).is_empty());
        check_dataset(&all.multi_hot(4).unwrap()).unwrap();
        check_dataset(&all.padded(3).unwrap()).unwrap();
        assert!(LabeledSequences::new(Sequences::new(), vec![1]).is_err());
    }
}
