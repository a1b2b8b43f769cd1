//! What training reports: [`Logs`] of an epoch, [`History`] of a run.

use std::fmt;

use serde_json::{Map, Value};

/// Named numbers of one epoch or evaluation: the loss first, then the metrics.
///
/// # Examples
///
/// ```
/// use deckle_train::Logs;
///
/// let logs = Logs::from_iter([("loss".to_owned(), 0.25), ("accuracy".to_owned(), 0.9)]);
/// assert_eq!(logs.loss(), 0.25);
/// assert_eq!(logs.get("accuracy"), Some(0.9));
/// assert_eq!(logs.to_string(), "loss: 0.2500 - accuracy: 0.9000");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs(Vec<(String, f64)>);

impl Logs {
    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// The loss; NaN if there is none.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.get("loss").unwrap_or(f64::NAN)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// These values under names with a prefix, as `val_loss`.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        self.0.iter().map(|(name, value)| (format!("{prefix}{name}"), *value)).collect()
    }

    /// Adds the values of others.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

impl FromIterator<(String, f64)> for Logs {
    fn from_iter<I: IntoIterator<Item = (String, f64)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            let separator = if i > 0 { " - " } else { "" };
            if value.abs() > 1e-3 || value == 0.0 || !value.is_finite() {
                write!(f, "{separator}{name}: {value:.4}")?;
            } else {
                write!(f, "{separator}{name}: {value:.4e}")?;
            }
        }
        Ok(())
    }
}

/// The values of every epoch of a run.
///
/// # Examples
///
/// ```
/// use deckle_train::{History, Logs};
///
/// let mut history = History::default();
/// history.push(0, &Logs::from_iter([("loss".to_owned(), 0.5)]));
/// history.push(1, &Logs::from_iter([("loss".to_owned(), 0.25)]));
/// assert_eq!(history.get("loss"), Some(&[0.5, 0.25][..]));
/// assert_eq!(history.epochs(), [0, 1]);
/// ```
///
/// # Keras
///
/// `keras.callbacks.History`, with the loss first instead of in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    epochs: Vec<usize>,
    values: Vec<(String, Vec<f64>)>,
}

impl History {
    /// Adds an epoch, counted from 0.
    pub fn push(&mut self, epoch: usize, logs: &Logs) {
        self.epochs.push(epoch);
        for (name, value) in logs.iter() {
            match self.values.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(value),
                None => self.values.push((name.to_owned(), vec![value])),
            }
        }
    }

    /// The epochs, counted from 0.
    #[must_use]
    pub fn epochs(&self) -> &[usize] {
        &self.epochs
    }

    /// The values of that name, one for each epoch that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, values)| &values[..])
    }

    /// The last value of that name.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<f64> {
        self.get(name)?.last().copied()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(name, _)| name.as_str())
    }

    /// The values as JSON, an object of lists.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let lists = self.values.iter();
        Value::Object(
            lists
                .map(|(k, v)| (k.clone(), Value::from(v.clone())))
                .collect::<Map<_, _>>(),
        )
    }
}
