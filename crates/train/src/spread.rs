//! The same training several times: [`k_fold`], [`over_seeds`], and the [`Spread`] of results.

use std::{fmt, ops::Range};

use deckle_data::{Batch, Dataset, Example};

use crate::{Error, Logs, Result};

/// A data set's part: examples by index.
struct Part<'a> {
    data: &'a dyn Dataset,
    /// Two ranges one after the other; either may be empty.
    ranges: [Range<usize>; 2],
}

impl Dataset for Part<'_> {
    fn len(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    fn example(&self) -> &Example {
        self.data.example()
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> deckle_data::Result<()> {
        self.data.read_batch(&self.places(indices)?, into)
    }

    fn read_epoch(
        &self,
        epoch: u64,
        indices: &[usize],
        into: &mut Batch,
    ) -> deckle_data::Result<()> {
        self.data.read_epoch(epoch, &self.places(indices)?, into)
    }
}

impl Part<'_> {
    /// Where the part's examples are in the whole.
    fn places(&self, indices: &[usize]) -> deckle_data::Result<Vec<usize>> {
        self.check_indices(indices)?;
        let [first, second] = &self.ranges;
        let place = |&index: &usize| match index.checked_sub(first.len()) {
            None => first.start + index,
            Some(rest) => second.start + rest,
        };
        Ok(indices.iter().map(place).collect())
    }
}

/// One of the ways to hold a part of the data out.
pub struct Fold<'a> {
    number: usize,
    train: Part<'a>,
    validation: Part<'a>,
}

impl Fold<'_> {
    /// Which one, counted from 0.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }

    /// The examples to train on, in order.
    #[must_use]
    pub fn train(&self) -> &dyn Dataset {
        &self.train
    }

    /// The examples that are held out.
    #[must_use]
    pub fn validation(&self) -> &dyn Dataset {
        &self.validation
    }
}

impl fmt::Debug for Fold<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fold")
            .field("number", &self.number)
            .field("train", &self.train.len())
            .field("validation", &self.validation.len())
            .finish()
    }
}

/// Trains once for each of `folds` parts of the data, held out in turn and in order, and gives
/// the spread of the results.
///
/// The parts are as equal as can be: the first ones have one example more.
///
/// # Errors
///
/// If there are fewer than two folds or fewer examples than folds, or `run` fails.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::Tensor;
/// use deckle_train::{Compile, Fit, Trainable, k_fold};
///
/// let x = Tensor::random_normal([20, 2], 0.0, 1.0, 1);
/// let data = Arrays::new(x, Tensor::full([20, 1], 1.0f32))?;
/// let spread = k_fold(&data, 4, |fold| {
///     let model = Sequential::new([2]).add(Dense::new(1)).build()?;
///     let mut trainer = model.compile(Compile::named("sgd", "mae")?)?;
///     trainer.fit(fold.train(), Fit::new().epochs(20).verbose(0))?;
///     trainer.evaluate(fold.validation())
/// })?;
/// assert_eq!(spread.values("loss").unwrap().len(), 4);
/// assert!(spread.mean("loss").unwrap() > 0.0 && spread.std("loss").unwrap() > 0.0);
/// # Ok::<(), deckle_train::Error>(())
/// ```
pub fn k_fold(
    data: &dyn Dataset,
    folds: usize,
    mut run: impl FnMut(&Fold<'_>) -> Result<Logs>,
) -> Result<Spread> {
    let len = data.len();
    if folds < 2 || len < folds {
        return Err(Error::invalid(
            "k_fold",
            "two folds or more, of one example or more",
        )
        .got(format_args!("{folds} folds of {len} examples")));
    }
    let start = |fold: usize| fold * (len / folds) + fold.min(len % folds);
    (0..folds)
        .map(|number| {
            let held_out = start(number)..start(number + 1);
            let rest = [0..held_out.start, held_out.end..len];
            let validation = Part { data, ranges: [held_out, 0..0] };
            run(&Fold { number, train: Part { data, ranges: rest }, validation })
        })
        .collect()
}

/// Trains once for each seed, and gives the spread of the results.
///
/// # Errors
///
/// If there is no seed, or `run` fails.
///
/// # Examples
///
/// ```
/// use deckle_train::{Logs, over_seeds};
///
/// let spread = over_seeds(0..3, |seed| {
///     Ok(Logs::from_iter([("accuracy".to_owned(), 0.9 + 0.01 * seed as f64)]))
/// })?;
/// assert_eq!(spread.to_string(), "accuracy: 0.9100 ± 0.0100");
/// # Ok::<(), deckle_train::Error>(())
/// ```
pub fn over_seeds(
    seeds: impl IntoIterator<Item = u64>,
    run: impl FnMut(u64) -> Result<Logs>,
) -> Result<Spread> {
    let spread: Spread = seeds.into_iter().map(run).collect::<Result<_>>()?;
    if spread.0.is_empty() {
        return Err(Error::invalid("over_seeds", "one seed or more").got("none"));
    }
    Ok(spread)
}

/// Results of the same training done several times.
///
/// # Examples
///
/// ```
/// use deckle_train::{Logs, Spread};
///
/// let runs = [1.0, 2.0, 6.0].map(|loss| Logs::from_iter([("loss".to_owned(), loss)]));
/// let spread = Spread::from_iter(runs);
/// assert_eq!(spread.mean("loss"), Some(3.0));
/// assert_eq!(spread.std("loss"), Some(7.0f64.sqrt()));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread(Vec<(String, Vec<f64>)>);

impl FromIterator<Logs> for Spread {
    fn from_iter<I: IntoIterator<Item = Logs>>(runs: I) -> Self {
        let mut all: Vec<(String, Vec<f64>)> = Vec::new();
        for run in runs {
            for (name, value) in run.iter() {
                match all.iter_mut().find(|(known, _)| known == name) {
                    Some((_, values)) => values.push(value),
                    None => all.push((name.to_owned(), vec![value])),
                }
            }
        }
        Self(all)
    }
}

impl Spread {
    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The values of that name, run by run.
    #[must_use]
    pub fn values(&self, name: &str) -> Option<&[f64]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, values)| &values[..])
    }

    /// Their mean.
    #[must_use]
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.values(name).map(|values| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// Their standard deviation, that of a sample: divided by one less than their number; 0 of
    /// a single value.
    #[must_use]
    pub fn std(&self, name: &str) -> Option<f64> {
        let (values, mean) = (self.values(name)?, self.mean(name)?);
        let sum: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Some((sum / (values.len() - 1).max(1) as f64).sqrt())
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.names().enumerate() {
            let separator = if i > 0 { " - " } else { "" };
            let (mean, std) = (self.mean(name), self.std(name));
            let (mean, std) = (mean.unwrap_or(f64::NAN), std.unwrap_or(f64::NAN));
            write!(f, "{separator}{name}: {mean:.4} ± {std:.4}")?;
        }
        Ok(())
    }
}
