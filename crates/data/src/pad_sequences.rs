//! Sequences of equal length: [`PadSequences`] and [`pad_sequences`].

use deckle_tensor::{DType, Tensor, with_element};

use crate::{Error, Result, Sequences, sequences::zeros};

/// The beginning or the end of a sequence.
///
/// # Examples
///
/// ```
/// use deckle_data::Side;
///
/// assert_eq!(Side::default(), Side::Pre);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The beginning.
    #[default]
    Pre,
    /// The end.
    Post,
}

/// Makes sequences equally long: short ones are padded, long ones cut.
///
/// # Examples
///
/// ```
/// use deckle_data::{PadSequences, Sequences, Side};
///
/// let sequences = Sequences::from_iter([vec![1], vec![2, 3, 4], vec![5, 6]]);
/// let x = PadSequences::new().maxlen(2).apply(&sequences)?;
/// assert_eq!(x.shape(), [3, 2]);
/// assert_eq!(x.to_vec::<i32>()?, [0, 1, 3, 4, 5, 6]);
///
/// let x = PadSequences::new().padding(Side::Post).value(9.0).apply(&sequences)?;
/// assert_eq!(x.to_vec::<i32>()?, [1, 9, 9, 2, 3, 4, 5, 6, 9]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.utils.pad_sequences`, same names and defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct PadSequences {
    maxlen: Option<usize>,
    dtype: DType,
    padding: Side,
    truncating: Side,
    value: f64,
}

impl Default for PadSequences {
    fn default() -> Self {
        Self::new()
    }
}

impl PadSequences {
    /// Pads at the beginning with 0, to the length of the longest sequence.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            maxlen: None,
            dtype: DType::I32,
            padding: Side::Pre,
            truncating: Side::Pre,
            value: 0.0,
        }
    }

    /// Sets the common length; that of the longest sequence by default.
    #[must_use]
    pub fn maxlen(mut self, maxlen: impl Into<Option<usize>>) -> Self {
        self.maxlen = maxlen.into();
        self
    }

    /// Sets the element type; `I32` by default.
    #[must_use]
    pub const fn dtype(mut self, dtype: DType) -> Self {
        self.dtype = dtype;
        self
    }

    /// Sets where short sequences are padded; at the beginning by default.
    #[must_use]
    pub const fn padding(mut self, padding: Side) -> Self {
        self.padding = padding;
        self
    }

    /// Sets where long sequences are cut; at the beginning by default.
    #[must_use]
    pub const fn truncating(mut self, truncating: Side) -> Self {
        self.truncating = truncating;
        self
    }

    /// Sets what short sequences are padded with; 0 by default.
    #[must_use]
    pub const fn value(mut self, value: f64) -> Self {
        self.value = value;
        self
    }

    /// The sequences as `(sequences, maxlen)`.
    ///
    /// # Errors
    ///
    /// If an id is too large for the element type, or the result does not fit into memory.
    pub fn apply(&self, sequences: &Sequences) -> Result<Tensor> {
        let longest = || sequences.iter().map(<[u32]>::len).max().unwrap_or(0);
        let maxlen = self.maxlen.unwrap_or_else(longest);
        self.check_ids(sequences)?;
        let mut padded = zeros("pad_sequences", self.dtype, sequences.len(), maxlen)?;
        if padded.is_empty() {
            return Ok(padded);
        }
        with_element!(self.dtype, T => {
            use deckle_tensor::Element as _;
            let to = padded.make_mut::<T>();
            to.fill(T::from_f64(self.value));
            for (row, sequence) in to.chunks_exact_mut(maxlen).zip(sequences.iter()) {
                let excess = sequence.len().saturating_sub(maxlen);
                let kept = match self.truncating {
                    Side::Pre => &sequence[excess..],
                    Side::Post => &sequence[..sequence.len() - excess],
                };
                let start = match self.padding {
                    Side::Pre => maxlen - kept.len(),
                    Side::Post => 0,
                };
                for (to, &id) in row[start..].iter_mut().zip(kept) {
                    *to = T::from_i64(i64::from(id));
                }
            }
        });
        Ok(padded)
    }

    /// Ids must survive the way into the element type and back.
    fn check_ids(&self, sequences: &Sequences) -> Result<()> {
        let limit = match self.dtype {
            DType::U8 => 255,
            DType::Bool => 1,
            DType::I32 => i32::MAX.cast_unsigned(),
            // The integers up to which all are exact.
            DType::F32 => 1 << 24,
            DType::F16 => 1 << 11,
            DType::BF16 => 1 << 8,
            _ => u32::MAX,
        };
        match sequences.max() {
            Some(max) if max > limit => Err(Error::invalid(
                "pad_sequences",
                format_args!("ids up to {limit}, for {}", self.dtype),
            )
            .got(format_args!("id {max}"))
            .help(".dtype(DType::I64) holds every id")),
            _ => Ok(()),
        }
    }
}

/// Pads and cuts at the beginning: `(sequences, maxlen)` of `I32`.
///
/// # Errors
///
/// As for [`PadSequences::apply`].
///
/// # Examples
///
/// ```
/// use deckle_data::{Sequences, pad_sequences};
///
/// let x = pad_sequences(&Sequences::from_iter([vec![7], vec![1, 2, 3]]), 2)?;
/// assert_eq!(x.to_vec::<i32>()?, [0, 7, 2, 3]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.utils.pad_sequences(sequences, maxlen)`; [`PadSequences`] has its other arguments.
pub fn pad_sequences(
    sequences: &Sequences,
    maxlen: impl Into<Option<usize>>,
) -> Result<Tensor> {
    PadSequences::new().maxlen(maxlen).apply(sequences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pad: &PadSequences, expected: &[i64]) {
        let sequences = Sequences::from_iter([vec![1, 2, 3], vec![], vec![4]]);
        let padded = pad.apply(&sequences).unwrap().cast(DType::I64);
        assert_eq!(padded.to_vec::<i64>().unwrap(), expected);
    }

    #[test]
    fn sides_are_independent() {
        let pad = PadSequences::new().maxlen(2);
        check(&pad, &[2, 3, 0, 0, 0, 4]);
        check(&pad.clone().padding(Side::Post), &[2, 3, 0, 0, 4, 0]);
        check(&pad.clone().truncating(Side::Post), &[1, 2, 0, 0, 0, 4]);
        check(
            &pad.padding(Side::Post).truncating(Side::Post).value(-1.0),
            &[1, 2, -1, -1, 4, -1],
        );
    }

    #[test]
    fn every_type_holds_the_ids_or_says_so() {
        for dtype in DType::ALL {
            let pad = PadSequences::new().dtype(dtype);
            let ones = Sequences::from_iter([vec![1], vec![]]);
            assert_eq!(pad.apply(&ones).unwrap().dtype(), dtype);
        }
        let large = Sequences::from_iter([vec![300]]);
        assert_eq!(
            PadSequences::new().dtype(DType::U8).apply(&large).unwrap_err().to_string(),
            "`pad_sequences`: cannot take this input\n  expected: ids up to 255, for uint8\n       \
             got: id 300\n      help: .dtype(DType::I64) holds every id"
        );
    }

    #[test]
    fn empty_and_absurd_lengths_are_no_panic() {
        let sequences = Sequences::from_iter([vec![1], vec![2]]);
        assert_eq!(pad_sequences(&sequences, 0).unwrap().shape(), [2, 0]);
        assert_eq!(pad_sequences(&Sequences::new(), None).unwrap().shape(), [0, 0]);
        assert!(pad_sequences(&sequences, usize::MAX).is_err());
        assert!(pad_sequences(&sequences, usize::MAX / 64).is_err());
    }
}
