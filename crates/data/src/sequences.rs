//! Lists of ids of any lengths: [`Sequences`].

use std::{fmt, ops::Range};

use deckle_tensor::{DType, Tensor, with_element};

use crate::{Error, Result};

/// Lists of ids (words of a review, say), each of any length, in one block of memory.
///
/// # Examples
///
/// ```
/// use deckle_data::Sequences;
///
/// let reviews = Sequences::from_iter([vec![1, 14, 22], vec![], vec![1, 5]]);
/// assert_eq!(reviews.len(), 3);
/// assert_eq!(reviews.get(2), Some(&[1, 5][..]));
/// assert_eq!(reviews.max(), Some(22));
/// assert_eq!(reviews.to_string(), "3 sequences of 0 to 3 ids");
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sequences {
    ids: Vec<u32>,
    /// Where each sequence ends in `ids`.
    ends: Vec<usize>,
}

impl Sequences {
    /// No sequences.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sequence.
    pub fn push(&mut self, sequence: impl IntoIterator<Item = u32>) {
        self.ids.extend(sequence);
        self.ends.push(self.ids.len());
    }

    /// The number of sequences.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no sequence.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The sequence at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u32]> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.ids.get(start..end)
    }

    /// One sequence after the other.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    /// All ids of all sequences.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The largest id, if there is one.
    #[must_use]
    pub fn max(&self) -> Option<u32> {
        self.ids.iter().copied().max()
    }

    /// The sequences at `indices`, in that order.
    ///
    /// # Errors
    ///
    /// If an index is out of range.
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        let mut subset = Self::new();
        for &index in indices {
            let found = self.get(index).ok_or(Error::Index { index, len: self.len() })?;
            subset.push(found.iter().copied());
        }
        Ok(subset)
    }

    /// The sequences of that range; what lies beyond the end is left out.
    #[must_use]
    pub fn range(&self, range: Range<usize>) -> Self {
        range.map_while(|index| self.get(index)).collect()
    }

    /// Rows with 1 at every id that occurs in the sequence and 0 elsewhere.
    ///
    /// The result is `(sequences, dimension)` of `dtype`. `U8` takes a quarter of the memory of
    /// `F32`: 250 MB for 25,000 reviews of 10,000 words. [`MultiHot`](crate::MultiHot) makes
    /// the rows when they are read.
    ///
    /// # Errors
    ///
    /// If an id is not below `dimension`, or the result does not fit into memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_data::Sequences;
    /// use deckle_tensor::DType;
    ///
    /// let wires = Sequences::from_iter([vec![0, 2, 2], vec![3]]);
    /// let x = wires.multi_hot(4, DType::F32)?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    /// # Ok::<(), deckle_data::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// The `vectorize_sequences` of the book, or `CategoryEncoding(output_mode="multi_hot")`.
    pub fn multi_hot(&self, dimension: usize, dtype: DType) -> Result<Tensor> {
        self.check_below(dimension)?;
        let mut rows = zeros("multi_hot", dtype, self.len(), dimension)?;
        with_element!(dtype, T => {
            mark_rows(self.iter(), dimension, rows.make_mut::<T>());
        });
        Ok(rows)
    }

    /// Checks that every id is below `dimension`.
    pub(crate) fn check_below(&self, dimension: usize) -> Result<()> {
        let outside = |&id: &u32| usize::try_from(id).is_ok_and(|id| id >= dimension);
        for (index, sequence) in self.iter().enumerate() {
            if let Some(id) = sequence.iter().copied().find(outside) {
                return Err(Error::invalid(
                    "multi_hot",
                    format_args!("ids below the dimension {dimension}"),
                )
                .got(format_args!("id {id} in sequence {index}"))
                .help("load fewer words (num_words), or give a larger dimension"));
            }
        }
        Ok(())
    }
}

/// Sets 1 at the ids of each sequence; `rows` holds zeros, the ids are below `dimension`.
pub(crate) fn mark_rows<'a, T: deckle_tensor::Element>(
    sequences: impl Iterator<Item = &'a [u32]>,
    dimension: usize,
    rows: &mut [T],
) {
    if dimension == 0 {
        return;
    }
    let one = T::from_i64(1);
    for (row, sequence) in rows.chunks_exact_mut(dimension).zip(sequences) {
        for &id in sequence {
            row[id as usize] = one;
        }
    }
}

/// Zeros of shape `(rows, width)`, if they can be addressed.
pub(crate) fn zeros(
    op: &'static str,
    dtype: DType,
    rows: usize,
    width: usize,
) -> Result<Tensor> {
    let bytes = rows.checked_mul(width).and_then(|size| size.checked_mul(dtype.size()));
    if bytes.is_none_or(|bytes| bytes > isize::MAX.unsigned_abs() / 16) {
        return Err(Error::invalid(op, "a result that fits into memory")
            .got(format_args!("{rows} rows of {width} elements of {dtype}")));
    }
    Ok(Tensor::zeros(dtype, [rows, width]))
}

impl<S: AsRef<[u32]>> FromIterator<S> for Sequences {
    fn from_iter<I: IntoIterator<Item = S>>(sequences: I) -> Self {
        let mut all = Self::new();
        for sequence in sequences {
            all.push(sequence.as_ref().iter().copied());
        }
        all
    }
}

impl fmt::Display for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = || self.iter().map(<[u32]>::len);
        write!(f, "{} sequences", self.len())?;
        match (lengths().min(), lengths().max()) {
            (Some(shortest), Some(longest)) => {
                write!(f, " of {shortest} to {longest} ids")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequences({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(
            lists in prop::collection::vec(prop::collection::vec(0u32..50, 0..6), 0..8),
        ) {
            let sequences: Sequences = lists.iter().collect();
            prop_assert_eq!(sequences.len(), lists.len());
            prop_assert!(sequences.iter().eq(lists.iter().map(Vec::as_slice)));
            prop_assert_eq!(sequences.get(lists.len()), None);
            prop_assert_eq!(sequences.max(), lists.iter().flatten().copied().max());

            let hot = sequences.multi_hot(50, DType::U8).unwrap();
            let expected: Vec<u8> = lists
                .iter()
                .flat_map(|list| (0..50).map(|id| u8::from(list.contains(&id))))
                .collect();
            prop_assert_eq!(hot.to_vec::<u8>().unwrap(), expected);
        }
    }

    #[test]
    fn parts_are_copies_of_the_sequences() {
        let all = Sequences::from_iter([vec![1, 2], vec![], vec![3]]);
        assert_eq!(all.range(1..9), Sequences::from_iter([vec![], vec![3u32]]));
        assert_eq!(
            all.subset(&[2, 0]).unwrap(),
            Sequences::from_iter([vec![3], vec![1, 2]])
        );
        assert!(all.subset(&[3]).is_err());
        assert!(all.range(3..9).is_empty());
    }

    #[test]
    fn ids_beyond_the_dimension_are_errors() {
        let all = Sequences::from_iter([vec![1, 2], vec![3, 10]]);
        assert_eq!(
            all.multi_hot(10, DType::F32).unwrap_err().to_string(),
            "`multi_hot`: cannot take this input\n  expected: ids below the dimension 10\n       \
             got: id 10 in sequence 1\n      \
             help: load fewer words (num_words), or give a larger dimension"
        );
        assert!(all.multi_hot(0, DType::F32).is_err());
        assert!(all.multi_hot(usize::MAX, DType::F32).is_err());
        assert_eq!(Sequences::new().multi_hot(0, DType::F32).unwrap().shape(), [0, 0]);
    }
}
