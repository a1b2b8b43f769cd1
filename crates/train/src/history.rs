//! What training reports: [`Logs`] of an epoch, [`History`] of a run.

use std::fmt;

use deckle_tensor::{DType, Tensor, shape_text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Callback, Context, Error, Result};

/// Named numbers of one epoch or evaluation: the loss first, then the metrics.
///
/// A metric that is a vector, as one score for each class, has an entry for each number:
/// `f1_score[0]`, `f1_score[1]` and so on, where Keras has an array.
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Logs(Vec<(String, f64)>);

impl Logs {
    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// Adds a value, one number or, as `name[0]`, `name[1]` and so on, a vector of them.
    ///
    /// # Errors
    ///
    /// If it has more than one axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::Logs;
    ///
    /// let mut logs = Logs::default();
    /// logs.push("loss", &Tensor::from(0.5))?;
    /// logs.push("f1_score", &Tensor::from([0.25, 0.75]))?;
    /// assert_eq!(logs.get("f1_score[1]"), Some(0.75));
    /// assert_eq!(logs.values("f1_score"), [0.25, 0.75]);
    /// assert_eq!(logs.values("loss"), [0.5]);
    /// # Ok::<(), deckle_train::Error>(())
    /// ```
    pub fn push(&mut self, name: &str, value: &Tensor) -> Result<()> {
        let values = value.cast(DType::F64).to_vec::<f64>()?;
        match value.shape() {
            [] => self.0.extend(values.into_iter().map(|value| (name.to_owned(), value))),
            [_] => {
                let named = values.into_iter().enumerate();
                self.0.extend(named.map(|(i, value)| (format!("{name}[{i}]"), value)));
            }
            _ => {
                return Err(Error::invalid(
                    format_args!("`{name}` cannot be reported"),
                    "one number, or a vector of them",
                )
                .got(shape_text(value.shape())));
            }
        }
        Ok(())
    }

    /// The numbers of that name: one, or those of a vector in order; none if there is no such
    /// name.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<f64> {
        if let Some(value) = self.get(name) {
            return vec![value];
        }
        (0..).map_while(|i| self.get(&format!("{name}[{i}]"))).collect()
    }

    /// The loss; NaN if there is none.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.get("loss").unwrap_or(f64::NAN)
    }

    /// Sets the value of a name, which is added if it is new.
    pub fn set(&mut self, name: &str, value: f64) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
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
/// It is a callback too, which keeps what happened before training failed; it begins anew with
/// each `fit`.
///
/// # Keras
///
/// `keras.callbacks.History`, with the loss first instead of in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    epochs: Vec<usize>,
    values: Vec<Series>,
}

/// The values of one name, and the epoch that each is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Series {
    name: String,
    epochs: Vec<usize>,
    values: Vec<f64>,
}

impl History {
    /// Adds an epoch, counted from 0.
    pub fn push(&mut self, epoch: usize, logs: &Logs) {
        self.epochs.push(epoch);
        for (name, value) in logs.iter() {
            match self.values.iter_mut().find(|series| series.name == name) {
                Some(series) => {
                    series.epochs.push(epoch);
                    series.values.push(value);
                }
                None => self.values.push(Series {
                    name: name.to_owned(),
                    epochs: vec![epoch],
                    values: vec![value],
                }),
            }
        }
    }

    /// The epochs, counted from 0.
    #[must_use]
    pub fn epochs(&self) -> &[usize] {
        &self.epochs
    }

    fn series(&self, name: &str) -> Option<&Series> {
        self.values.iter().find(|series| series.name == name)
    }

    /// The values of that name, one for each epoch that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        Some(&self.series(name)?.values)
    }

    /// The values of that name with their epochs: not every epoch has one of validation if
    /// `validation_freq` says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_train::{History, Logs};
    ///
    /// let logs = |name: &str, value| Logs::from_iter([(name.to_owned(), value)]);
    /// let mut history = History::default();
    /// history.push(0, &logs("loss", 0.5));
    /// history.push(1, &logs("val_loss", 0.6));
    /// assert!(history.points("val_loss").eq([(1, 0.6)]));
    /// assert!(history.points("accuracy").eq([]));
    /// ```
    pub fn points(&self, name: &str) -> impl Iterator<Item = (usize, f64)> {
        let of = |series: &'_ Series| {
            let epochs = series.epochs.clone();
            epochs.into_iter().zip(series.values.clone())
        };
        self.series(name).map(of).into_iter().flatten()
    }

    /// The epochs, each with the values that it has.
    pub fn rows(&self) -> impl Iterator<Item = (usize, Logs)> {
        // Epochs come in order, so each series is read once.
        let mut next = vec![0; self.values.len()];
        self.epochs.iter().map(move |&epoch| {
            let mut logs = Logs::default();
            for (series, at) in self.values.iter().zip(&mut next) {
                if series.epochs.get(*at) == Some(&epoch) {
                    logs.0.push((series.name.clone(), series.values[*at]));
                    *at += 1;
                }
            }
            (epoch, logs)
        })
    }

    /// The last value of that name.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<f64> {
        self.get(name)?.last().copied()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|series| series.name.as_str())
    }

    /// The values as JSON, an object of lists.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let lists = self.values.iter();
        Value::Object(
            lists
                .map(|one| (one.name.clone(), Value::from(one.values.clone())))
                .collect::<Map<_, _>>(),
        )
    }

    /// The values that [`History::to_json`] or Keras's `history.history` gave, for epochs from 0.
    ///
    /// A list that is shorter than others is taken for values of the last of each few epochs, as
    /// `validation_freq` makes them.
    ///
    /// # Errors
    ///
    /// If it is not an object of lists of numbers; `null` is NaN.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_formats::json::json;
    /// use deckle_train::History;
    ///
    /// let history = History::from_json(&json!({"loss": [0.5, 0.25], "val_loss": [0.6, null]}))?;
    /// assert_eq!(history.epochs(), [0, 1]);
    /// assert_eq!(history.get("val_loss").map(|values| values[1].is_nan()), Some(true));
    /// # Ok::<(), deckle_train::Error>(())
    /// ```
    pub fn from_json(json: &Value) -> Result<Self> {
        let fails = |got: &Value| {
            let mut got = got.to_string();
            if got.chars().count() > 40 {
                got = got.chars().take(37).collect::<String>() + "...";
            }
            Error::invalid("this is no history", "an object of lists of numbers").got(got)
        };
        let lists = json.as_object().ok_or_else(|| fails(json))?;
        let mut values = Vec::with_capacity(lists.len());
        for (name, list) in lists {
            let numbers = list.as_array().ok_or_else(|| fails(list))?.iter();
            let number = |value: &Value| match value {
                Value::Null => Ok(f64::NAN),
                value => value.as_f64().ok_or_else(|| fails(value)),
            };
            values.push((name, numbers.map(number).collect::<Result<Vec<_>>>()?));
        }
        let longest = values.iter().map(|(_, list)| list.len()).max().unwrap_or(0);
        let series = values.into_iter().map(|(name, values)| {
            let every = longest.checked_div(values.len()).unwrap_or(1);
            let epochs = (1..=values.len()).map(|i| i * every - 1).collect();
            Series { name: name.clone(), epochs, values }
        });
        Ok(Self { values: series.collect(), epochs: (0..longest).collect() })
    }

    /// The values as a table of comma-separated values, a line for each epoch.
    ///
    /// The first column is `epoch`, counted from 0. What an epoch does not have is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_train::{History, Logs};
    ///
    /// let mut history = History::default();
    /// history.push(0, &Logs::from_iter([("loss".to_owned(), 0.5)]));
    /// assert_eq!(history.to_csv(), "epoch,loss\n0,0.5\n");
    /// ```
    ///
    /// # Keras
    ///
    /// What `CSVLogger` writes, with the loss first instead of in alphabetical order.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let quoted = |name: &str| {
            if name.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", name.replace('"', "\"\""))
            } else {
                name.to_owned()
            }
        };
        let names = self.names().map(quoted);
        let head: Vec<_> = ["epoch".to_owned()].into_iter().chain(names).collect();
        let mut table = head.join(",") + "\n";
        for (epoch, logs) in self.rows() {
            table += &epoch.to_string();
            for name in self.names() {
                table.push(',');
                if let Some(value) = logs.get(name) {
                    table += &value.to_string();
                }
            }
            table.push('\n');
        }
        table
    }
}

impl Callback for History {
    fn name(&self) -> &'static str {
        "History"
    }

    fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        self.clone_from(context.history());
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        _: &mut Context<'_>,
    ) -> Result<()> {
        self.push(epoch, logs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> History {
        let mut history = History::default();
        for (epoch, loss) in [(3, 0.5), (4, f64::NAN)] {
            let values = [("loss", loss), ("a,\"b\"", 1e-9)];
            let values = values.map(|(name, value)| (name.to_owned(), value));
            history.push(epoch, &Logs::from_iter(values));
        }
        history
    }

    #[test]
    fn tables_have_a_line_for_each_epoch() {
        let expected =
            "epoch,loss,\"a,\"\"b\"\"\"\n3,0.5,0.000000001\n4,NaN,0.000000001\n";
        assert_eq!(run().to_csv(), expected);
        assert_eq!(History::default().to_csv(), "epoch\n");
    }

    #[test]
    fn each_value_stays_with_its_epoch() -> Result<()> {
        let mut history = History::default();
        for epoch in 0..4 {
            let values = [("loss", epoch as f64), ("val_loss", 10.0 * epoch as f64)];
            let known = if epoch % 2 == 1 { 2 } else { 1 };
            let values = values.into_iter().take(known);
            history.push(epoch, &values.map(|(k, v)| (k.to_owned(), v)).collect());
        }
        assert!(history.points("val_loss").eq([(1, 10.0), (3, 30.0)]));
        let rows: Vec<_> = history.rows().map(|(_, logs)| logs.get("val_loss")).collect();
        assert_eq!(rows, [None, Some(10.0), None, Some(30.0)]);
        assert_eq!(history.to_csv(), "epoch,loss,val_loss\n0,0,\n1,1,10\n2,2,\n3,3,30\n");
        assert_eq!(History::from_json(&history.to_json())?, history);
        Ok(())
    }

    #[test]
    fn json_comes_back() -> Result<()> {
        let again = History::from_json(&run().to_json())?;
        assert_eq!(again.epochs(), [0, 1]);
        assert_eq!(
            again.get("loss").map(|values| values[0].to_bits()),
            Some(0.5f64.to_bits())
        );
        assert!(again.last("loss").is_some_and(f64::is_nan));
        assert_eq!(History::from_json(&serde_json::json!({}))?, History::default());
        Ok(())
    }

    #[test]
    fn what_is_no_history_is_an_error() {
        let text = |json| History::from_json(&json).unwrap_err().to_string();
        let expected =
            "this is no history\n  expected: an object of lists of numbers\n       got: ";
        assert_eq!(text(serde_json::json!([1])), format!("{expected}[1]"));
        assert_eq!(text(serde_json::json!({"loss": 3})), format!("{expected}3"));
        assert_eq!(text(serde_json::json!({"loss": ["x"]})), format!("{expected}\"x\""));
    }
}
