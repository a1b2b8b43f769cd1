//! Which examples train and which test: [`k_fold`], [`train_test_split`].

use crate::{Error, Order, Result, split_at};

/// Indices to train on and indices to test on.
pub type Fold = (Vec<usize>, Vec<usize>);

/// Cuts `len` examples into folds, each of which is once the one to test on.
///
/// With a seed, the examples are shuffled first. Of `len mod folds` folds, each has one example
/// more.
///
/// # Errors
///
/// If there are fewer than two folds, or fewer examples than folds.
///
/// # Examples
///
/// ```
/// use deckle_data::k_fold;
///
/// let folds = k_fold(5, 2, None)?;
/// assert_eq!(folds[0], (vec![3, 4], vec![0, 1, 2]));
/// assert_eq!(folds[1], (vec![0, 1, 2], vec![3, 4]));
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// None; scikit-learn's `KFold`.
pub fn k_fold(
    len: usize,
    folds: usize,
    seed: impl Into<Option<u64>>,
) -> Result<Vec<Fold>> {
    if folds < 2 || folds > len {
        return Err(Error::invalid("k_fold", "2 <= folds <= examples")
            .got(format_args!("{folds} folds of {len} examples")));
    }
    let order = ordered(len, seed.into());
    let (size, larger) = (len / folds, len % folds);
    let fold = |fold: usize| {
        let start = fold * size + fold.min(larger);
        let end = start + size + usize::from(fold < larger);
        ([&order[..start], &order[end..]].concat(), order[start..end].to_vec())
    };
    Ok((0..folds).map(fold).collect())
}

/// Cuts `len` examples into those to train on and the last ones, `fraction` of all, to test on.
///
/// With a seed, the examples are shuffled first.
///
/// # Errors
///
/// As for [`split_at`].
///
/// # Examples
///
/// ```
/// use deckle_data::train_test_split;
///
/// assert_eq!(train_test_split(4, 0.25, None)?, (vec![0, 1, 2], vec![3]));
/// let (train, test) = train_test_split(100, 0.2, 42)?;
/// assert_eq!((train.len(), test.len()), (80, 20));
/// # Ok::<(), deckle_data::Error>(())
/// ```
pub fn train_test_split(
    len: usize,
    fraction: f64,
    seed: impl Into<Option<u64>>,
) -> Result<Fold> {
    let at = split_at(len, fraction)?;
    let mut train = ordered(len, seed.into());
    let test = train.split_off(at);
    Ok((train, test))
}

fn ordered(len: usize, seed: Option<u64>) -> Vec<usize> {
    let mut order = Order::new(0..len);
    if let Some(seed) = seed {
        order.shuffle(seed, 0);
    }
    order.indices().to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_example_is_tested_once(len in 2usize..60, folds in 2usize..9, seed: Option<u64>) {
            prop_assume!(folds <= len);
            let all = k_fold(len, folds, seed).unwrap();
            let mut tested: Vec<usize> = all.iter().flat_map(|(_, test)| test.clone()).collect();
            for (train, test) in &all {
                prop_assert_eq!(train.len() + test.len(), len);
                prop_assert!(train.iter().all(|index| !test.contains(index)));
                prop_assert!(test.len().abs_diff(len / folds) <= 1);
            }
            tested.sort_unstable();
            prop_assert_eq!(tested, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn folds_that_cannot_be_are_errors() {
        for (len, folds) in [(5, 0), (5, 1), (5, 6), (0, 2)] {
            assert!(k_fold(len, folds, None).is_err());
        }
        assert!(train_test_split(1, 0.5, None).is_err());
        assert_ne!(k_fold(50, 2, 1).unwrap(), k_fold(50, 2, 2).unwrap());
    }
}
