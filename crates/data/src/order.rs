//! Which examples are read, and in which order: [`Order`], [`Batches`], [`split_at`].

use std::{ops::Range, slice::Chunks};

use deckle_tensor::random::Draw;

use crate::{Dataset, Error, Result, error::at_least_one};

/// The stream of random numbers that shuffles draw from.
const SHUFFLE: u64 = u64::from_le_bytes(*b"shuffle\0");

/// Indices of examples, in the order in which they are read.
///
/// # Examples
///
/// ```
/// use deckle_data::Order;
///
/// let mut order = Order::new(0..5);
/// assert_eq!(order.indices(), [0, 1, 2, 3, 4]);
/// order.shuffle(42, 0);
/// let first = order.indices().to_vec();
/// order.shuffle(42, 1);
/// assert_ne!(order.indices(), first);
/// order.shuffle(42, 0);
/// assert_eq!(order.indices(), first);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    range: Range<usize>,
    indices: Vec<usize>,
}

impl Order {
    /// The examples of that range, in order.
    #[must_use]
    pub fn new(range: Range<usize>) -> Self {
        Self { indices: range.clone().collect(), range }
    }

    /// All examples of a data set, in order.
    #[must_use]
    pub fn of(dataset: &(impl Dataset + ?Sized)) -> Self {
        Self::new(0..dataset.len())
    }

    /// Shuffles: a function of range, seed and epoch, whatever the order was before.
    ///
    /// A Fisher–Yates shuffle; all permutations are equally likely up to 2⁻⁴⁰ for ranges below
    /// 2²⁴. Allocates nothing.
    pub fn shuffle(&mut self, seed: u64, epoch: u64) {
        self.restore();
        let draw = Draw::new(seed, SHUFFLE, epoch);
        for last in (1..self.indices.len()).rev() {
            // Both fit: an index is below 2⁶³.
            let other = draw.below(last as u64, last as u64 + 1) as usize;
            self.indices.swap(last, other);
        }
    }

    /// Puts the examples back into the order of their indices.
    pub fn restore(&mut self) {
        for (to, index) in self.indices.iter_mut().zip(self.range.clone()) {
            *to = index;
        }
    }

    /// The indices.
    #[must_use]
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The number of examples.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no example.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The indices of each batch; the last one may be smaller.
    ///
    /// # Errors
    ///
    /// If `batch_size` is 0, or there is no example.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_data::Order;
    ///
    /// let order = Order::new(0..5);
    /// let batches: Vec<_> = order.batches(2)?.collect();
    /// assert_eq!(batches, [&[0, 1][..], &[2, 3], &[4]]);
    /// assert_eq!(order.batches(2)?.len(), 3);
    /// # Ok::<(), deckle_data::Error>(())
    /// ```
    pub fn batches(&self, batch_size: usize) -> Result<Batches<'_>> {
        at_least_one("batches", "batch_size", batch_size)
            .map_err(|error| error.help("batch_size(32) is Keras's default"))?;
        if self.indices.is_empty() {
            return Err(Error::invalid("batches", "at least one example")
                .got("an empty data set"));
        }
        Ok(Batches { chunks: self.indices.chunks(batch_size) })
    }
}

/// The indices of one batch after the other, made by [`Order::batches`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    chunks: Chunks<'a, usize>,
}

impl<'a> Iterator for Batches<'a> {
    type Item = &'a [usize];

    fn next(&mut self) -> Option<Self::Item> {
        self.chunks.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl ExactSizeIterator for Batches<'_> {}

/// Where a validation split cuts `len` examples: `floor(len · (1 - fraction))`.
///
/// The examples before it are for training, those from it on for validation. The cut is made
/// before any shuffle.
///
/// # Errors
///
/// If `fraction` is not between 0 and 1 (both excluded), or either part would be empty.
///
/// # Examples
///
/// ```
/// use deckle_data::split_at;
///
/// assert_eq!(split_at(25, 0.2)?, 20);
/// assert_eq!(split_at(7, 0.5)?, 3);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `validation_split` of `Model.fit`, to the rounding.
pub fn split_at(len: usize, fraction: f64) -> Result<usize> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::invalid(
            "validation_split",
            "a fraction between 0 and 1, both excluded",
        )
        .got(fraction)
        .help("validation_split(0.2) keeps the last fifth for validation"));
    }
    // Beyond 2⁵³ examples, the product can round up to more than there are.
    let at = ((len as f64 * (1.0 - fraction)).floor() as usize).min(len);
    if at == 0 || at == len {
        return Err(Error::invalid(
            "validation_split",
            "at least one example in either part",
        )
        .got(format_args!(
            "{at} for training and {} for validation, of {len} with fraction {fraction}",
            len - at
        ))
        .help("give more data or another fraction"));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_shuffle_is_a_permutation_of_its_range(
            start in 0usize..1000, len in 0usize..300, seed: u64, epoch: u64,
        ) {
            let mut order = Order::new(start..start + len);
            order.shuffle(seed, epoch);
            let shuffled = order.clone();
            order.shuffle(seed.wrapping_add(1), epoch);
            order.shuffle(seed, epoch);
            prop_assert_eq!(&order, &shuffled);
            let mut sorted = order.indices().to_vec();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (start..start + len).collect::<Vec<_>>());
        }

        #[test]
        fn batches_cover_the_order_once(len in 1usize..300, batch_size in 1usize..400) {
            let mut order = Order::new(0..len);
            order.shuffle(1, 2);
            let batches = order.batches(batch_size).unwrap();
            prop_assert_eq!(batches.len(), len.div_ceil(batch_size));
            let joined: Vec<_> = batches.flatten().copied().collect();
            prop_assert_eq!(&joined[..], order.indices());
        }

        #[test]
        fn a_split_never_panics(len: usize, fraction: f64) {
            if let Ok(at) = split_at(len, fraction) {
                prop_assert!(0 < at && at < len);
            }
        }
    }

    /// Each of the 24 permutations of four, 24,000 times: 1000 expected, five standard
    /// deviations are 155.
    #[test]
    fn permutations_are_equally_likely() {
        let mut counts = BTreeMap::new();
        let mut order = Order::new(0..4);
        for epoch in 0..24_000 {
            order.shuffle(7, epoch);
            *counts.entry(order.indices().to_vec()).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        assert!(counts.values().all(|count| count.abs_diff(1000) < 155), "{counts:?}");
    }

    #[test]
    fn impossible_batches_and_splits_are_errors() {
        assert_eq!(
            Order::new(0..3).batches(0).unwrap_err().to_string(),
            "`batches`: cannot take this input\n  expected: batch_size of at least 1\n       \
             got: batch_size 0\n      help: batch_size(32) is Keras's default"
        );
        assert_eq!(
            Order::new(3..3).batches(1).unwrap_err().to_string(),
            "`batches`: cannot take this input\n  expected: at least one example\n       \
             got: an empty data set"
        );
        assert_eq!(
            split_at(4, 1.0).unwrap_err().to_string(),
            "`validation_split`: cannot take this input\n  \
             expected: a fraction between 0 and 1, both excluded\n       got: 1\n      \
             help: validation_split(0.2) keeps the last fifth for validation"
        );
        assert_eq!(
            split_at(1, 0.5).unwrap_err().to_string(),
            "`validation_split`: cannot take this input\n  \
             expected: at least one example in either part\n       \
             got: 0 for training and 1 for validation, of 1 with fraction 0.5\n      \
             help: give more data or another fraction"
        );
        assert!(split_at(10, f64::NAN).is_err());
    }
}
