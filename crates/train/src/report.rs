//! How a classifier errs: [`ConfusionMatrix`] and [`ClassificationReport`].

use std::fmt;

use deckle_tensor::{DType, Tensor, shape_text};

use crate::{Error, Result};

/// How often examples of each class (rows) were taken for each class (columns).
///
/// # Examples
///
/// ```
/// use deckle_train::ConfusionMatrix;
///
/// let matrix = ConfusionMatrix::new(&[0, 1, 2, 2], &[0, 2, 2, 1])?;
/// assert_eq!(matrix.rows(), [[1, 0, 0], [0, 0, 1], [0, 1, 1]]);
/// assert_eq!(matrix.accuracy(), 0.5);
/// assert_eq!(
///     matrix.to_string(),
///     "\
/// true \\ predicted  0  1  2
///                0  1  0  0
///                1  0  0  1
///                2  0  1  1
/// "
/// );
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// Has none; as `sklearn.metrics.confusion_matrix`, whose labels are those that occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    names: Vec<String>,
    rows: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    /// Counts labels that were predicted; the classes are the labels that occur, in order.
    ///
    /// # Errors
    ///
    /// If there are none, or not as many of both.
    pub fn new(y_true: &[i64], y_pred: &[i64]) -> Result<Self> {
        let mut labels = [y_true, y_pred].concat();
        labels.sort_unstable();
        labels.dedup();
        let names = labels.iter().map(i64::to_string).collect();
        Self::count(y_true, y_pred, &labels, names)
    }

    /// Counts labels that were predicted; the classes are those named, from 0.
    ///
    /// # Errors
    ///
    /// If there are no labels, not as many of both, or some that are not named.
    pub fn named(y_true: &[i64], y_pred: &[i64], names: &[&str]) -> Result<Self> {
        let labels: Vec<_> = (0..names.len() as i64).collect();
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Self::count(y_true, y_pred, &labels, names)
    }

    /// Counts what a model's outputs say about targets; the classes are those that occur.
    ///
    /// Both are labels `(batch,)` or `(batch, 1)` of integers; probabilities `(batch, classes)`,
    /// or one-hot vectors, of which the greatest counts; or probabilities `(batch,)` or
    /// `(batch, 1)` of class 1, from 0.5 on.
    ///
    /// # Errors
    ///
    /// If a shape is another one, or there are not as many of both.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::ConfusionMatrix;
    ///
    /// let targets = Tensor::new(vec![0i64, 1, 1], [3])?;
    /// let outputs = Tensor::new(vec![0.2f32, 0.9, 0.4], [3, 1])?;
    /// assert_eq!(ConfusionMatrix::of(&targets, &outputs)?.rows(), [[1, 0], [1, 1]]);
    /// # Ok::<(), deckle_train::Error>(())
    /// ```
    pub fn of(targets: &Tensor, outputs: &Tensor) -> Result<Self> {
        Self::new(&labels(targets)?, &labels(outputs)?)
    }

    fn count(
        y_true: &[i64],
        y_pred: &[i64],
        labels: &[i64],
        names: Vec<String>,
    ) -> Result<Self> {
        if y_true.len() != y_pred.len() || y_true.is_empty() {
            return Err(Error::invalid(
                "labels and predictions cannot be compared",
                "as many of both, one or more",
            )
            .got(format_args!("{} and {}", y_true.len(), y_pred.len())));
        }
        let place = |label: &i64| {
            labels.binary_search(label).map_err(|_| {
                let expected = format!("0 <= label < {}", labels.len());
                Error::invalid("a label is not one of the classes", expected).got(label)
            })
        };
        let mut rows = vec![vec![0; labels.len()]; labels.len()];
        for (truth, guess) in y_true.iter().zip(y_pred) {
            rows[place(truth)?][place(guess)?] += 1;
        }
        Ok(Self { names, rows })
    }

    /// The names of the classes.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The counts: for each true class a row, with a number for each predicted class.
    #[must_use]
    pub fn rows(&self) -> &[Vec<u64>] {
        &self.rows
    }

    /// The share of examples that were taken for what they are.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        let right: u64 = self.rows.iter().enumerate().map(|(i, row)| row[i]).sum();
        right as f64 / self.rows.iter().flatten().sum::<u64>() as f64
    }

    /// Precision, recall and F1 score of each class.
    #[must_use]
    pub fn report(&self) -> ClassificationReport {
        let share = |part: u64, whole: u64| {
            if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
        };
        let of_class = |(i, name): (usize, &String)| {
            let right = self.rows[i][i];
            let support = self.rows[i].iter().sum();
            let predicted: u64 = self.rows.iter().map(|row| row[i]).sum();
            ClassScores {
                name: name.clone(),
                precision: share(right, predicted),
                recall: share(right, support),
                f1_score: share(2 * right, support + predicted),
                support,
            }
        };
        let classes = self.names.iter().enumerate().map(of_class).collect();
        ClassificationReport { classes, accuracy: self.accuracy(), digits: 2 }
    }
}

/// The label of each example; see [`ConfusionMatrix::of`].
fn labels(tensor: &Tensor) -> Result<Vec<i64>> {
    match *tensor.shape() {
        [_] | [_, 1] if tensor.dtype().is_float() => {
            let values = tensor.cast(DType::F64).to_vec::<f64>()?;
            Ok(values.iter().map(|&value| i64::from(value >= 0.5)).collect())
        }
        [_] | [_, 1] => Ok(tensor.cast(DType::I64).to_vec()?),
        [_, classes] if classes > 1 => {
            let values = tensor.cast(DType::F64).to_vec::<f64>()?;
            // The first of equals, as NumPy's `argmax`.
            let greatest = |row: &[f64]| {
                let better = |best: usize, i: usize| {
                    if row[i] > row[best] { i } else { best }
                };
                (0..row.len()).fold(0, better) as i64
            };
            Ok(values.chunks_exact(classes).map(greatest).collect())
        }
        _ => Err(Error::invalid(
            "these are no labels",
            "(batch,), (batch, 1) or (batch, classes)",
        )
        .got(shape_text(tensor.shape()))),
    }
}

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = "true \\ predicted";
        let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let first = widest(&mut self.names.iter().map(|name| name.chars().count()));
        let first = first.max(head.chars().count());
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].to_string().len());
            widest(&mut cells.chain([self.names[column].chars().count()]))
        };
        let widths: Vec<_> = (0..self.names.len()).map(width).collect();
        write!(f, "{head:>first$}")?;
        for (name, width) in self.names.iter().zip(&widths) {
            write!(f, "  {name:>width$}")?;
        }
        writeln!(f)?;
        for (name, row) in self.names.iter().zip(&self.rows) {
            write!(f, "{name:>first$}")?;
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// How well one class is told from the others.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassScores {
    /// The class.
    pub name: String,
    /// The share of right ones among those taken for this class; 0 if there are none.
    pub precision: f64,
    /// The share of right ones among those of this class; 0 if there are none.
    pub recall: f64,
    /// The harmonic mean of both; 0 if there are none.
    pub f1_score: f64,
    /// The number of examples of this class.
    pub support: u64,
}

/// How well each class is told from the others, and on average.
///
/// # Examples
///
/// ```
/// use deckle_train::ConfusionMatrix;
///
/// let report = ConfusionMatrix::new(&[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?.report();
/// assert_eq!(report.classes()[2].precision, 1.0);
/// assert_eq!(
///     report.to_string(),
///     "              \
///               precision    recall  f1-score   support
///
///            0       0.50      1.00      0.67         1
///            1       0.00      0.00      0.00         1
///            2       1.00      0.67      0.80         3
///
///     accuracy                           0.60         5
///    macro avg       0.50      0.56      0.49         5
/// weighted avg       0.70      0.60      0.61         5
/// "
/// );
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// Has none; as `sklearn.metrics.classification_report(zero_division=0)` prints it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassificationReport {
    classes: Vec<ClassScores>,
    accuracy: f64,
    digits: usize,
}

impl ClassificationReport {
    /// Sets the number of digits that are printed; 2 by default.
    #[must_use]
    pub fn digits(mut self, digits: usize) -> Self {
        self.digits = digits;
        self
    }

    /// Each class, in the order of the confusion matrix.
    #[must_use]
    pub fn classes(&self) -> &[ClassScores] {
        &self.classes
    }

    /// The share of examples that were taken for what they are.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.accuracy
    }

    /// The mean over the classes, each of which counts the same.
    #[must_use]
    pub fn macro_average(&self) -> ClassScores {
        self.average("macro avg", |_| 1.0)
    }

    /// The mean over the classes, each of which counts as its number of examples.
    #[must_use]
    pub fn weighted_average(&self) -> ClassScores {
        self.average("weighted avg", |class| class.support as f64)
    }

    fn average(&self, name: &str, weight: impl Fn(&ClassScores) -> f64) -> ClassScores {
        let total: f64 = self.classes.iter().map(&weight).sum();
        let mean = |score: fn(&ClassScores) -> f64| {
            let parts = self.classes.iter().map(|class| score(class) * weight(class));
            parts.sum::<f64>() / total
        };
        ClassScores {
            name: name.to_owned(),
            precision: mean(|class| class.precision),
            recall: mean(|class| class.recall),
            f1_score: mean(|class| class.f1_score),
            support: self.classes.iter().map(|class| class.support).sum(),
        }
    }
}

impl fmt::Display for ClassificationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.classes.iter().map(|class| class.name.chars().count());
        let width = names.chain(["weighted avg".len(), self.digits]).max().unwrap_or(0);
        write!(f, "{:>width$} ", "")?;
        for head in ["precision", "recall", "f1-score", "support"] {
            write!(f, " {head:>9}")?;
        }
        write!(f, "\n\n")?;
        let digits = self.digits;
        let row = |f: &mut fmt::Formatter<'_>, scores: &ClassScores| {
            write!(f, "{:>width$} ", scores.name)?;
            for score in [scores.precision, scores.recall, scores.f1_score] {
                write!(f, " {score:>9.digits$}")?;
            }
            writeln!(f, " {:>9}", scores.support)
        };
        for class in &self.classes {
            row(f, class)?;
        }
        let total = self.macro_average();
        write!(f, "\n{:>width$} ", "accuracy")?;
        let (accuracy, support) = (self.accuracy, total.support);
        writeln!(f, " {:>9} {:>9} {accuracy:>9.digits$} {support:>9}", "", "")?;
        row(f, &total)?;
        row(f, &self.weighted_average())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<i64> {
        text.bytes().map(|byte| i64::from(byte - b'0')).collect()
    }

    /// 200 labels and predictions, of which scikit-learn 1.9.1 printed the report below.
    const TRUE: &str = "211000000212112211120220121022200201001110000211012112221221222120122110\
        112202112100211121020021001212002200211021222020112020112022202201101122\
        11120101211212012211110201022222000222222002022210121212";
    const PREDICTED: &str = "211100020112210211020200122022200201202110000210022112220211222000101112\
        110100211100111121020001011212002220201022220000212020112012212202101112\
        21120101001212212201110201022101200222222202022210121111";

    #[test]
    fn the_report_is_what_scikit_learn_prints() -> Result<()> {
        let names = ["a very long name", "b", "ç"];
        let matrix = ConfusionMatrix::named(&digits(TRUE), &digits(PREDICTED), &names)?;
        assert_eq!(matrix.rows(), [[45, 3, 7], [7, 50, 9], [11, 12, 56]]);
        let expected = "                  precision    recall  f1-score   support

a very long name     0.7143    0.8182    0.7627        55
               b     0.7692    0.7576    0.7634        66
               ç     0.7778    0.7089    0.7417        79

        accuracy                         0.7550       200
       macro avg     0.7538    0.7615    0.7559       200
    weighted avg     0.7575    0.7550    0.7546       200
";
        assert_eq!(matrix.report().digits(4).to_string(), expected);
        Ok(())
    }

    /// As printed by scikit-learn 1.9.1 with `zero_division=0`.
    #[test]
    fn classes_that_are_never_there_or_never_predicted_count_as_zero() -> Result<()> {
        let matrix =
            ConfusionMatrix::new(&[0, 1, 2, 2, 2, 5, 5], &[0, 0, 2, 2, 1, 5, 7])?;
        let expected = "              precision    recall  f1-score   support

           0       0.50      1.00      0.67         1
           1       0.00      0.00      0.00         1
           2       1.00      0.67      0.80         3
           5       1.00      0.50      0.67         2
           7       0.00      0.00      0.00         0

    accuracy                           0.57         7
   macro avg       0.50      0.43      0.43         7
weighted avg       0.79      0.57      0.63         7
";
        assert_eq!(matrix.report().to_string(), expected);
        let single = ConfusionMatrix::new(&[1, 1], &[1, 1])?.report().to_string();
        assert!(
            single.contains("           1       1.00      1.00      1.00         2\n")
        );
        Ok(())
    }

    #[test]
    fn outputs_of_every_kind_become_labels() -> Result<()> {
        let floats = vec![0.1f32, 0.7, 0.7, f32::NAN, 0.2, 0.3];
        let outputs = Tensor::new(floats, [2, 3])?;
        assert_eq!(labels(&outputs)?, [1, 0]);
        let single = Tensor::new(vec![0.5f64, 0.499], [2, 1])?;
        assert_eq!(labels(&single)?, [1, 0]);
        assert_eq!(labels(&Tensor::new(vec![7u8, 3], [2])?)?, [7, 3]);
        let one_hot = Tensor::new(vec![0i32, 1, 1, 0], [2, 2])?;
        assert_eq!(labels(&one_hot)?, [1, 0]);
        Ok(())
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() -> Result<()> {
        let text = |error: Error| error.to_string();
        assert_eq!(
            text(ConfusionMatrix::new(&[1, 2], &[1]).unwrap_err()),
            "labels and predictions cannot be compared\n  expected: as many of both, one or \
             more\n       got: 2 and 1"
        );
        assert!(ConfusionMatrix::new(&[], &[]).is_err());
        assert_eq!(
            text(ConfusionMatrix::named(&[0, 2], &[0, 0], &["a", "b"]).unwrap_err()),
            "a label is not one of the classes\n  expected: 0 <= label < 2\n       got: 2"
        );
        assert_eq!(
            text(labels(&Tensor::zeros(DType::F32, [2, 3, 4])).unwrap_err()),
            "these are no labels\n  expected: (batch,), (batch, 1) or (batch, classes)\n       \
             got: (2, 3, 4)"
        );
        Ok(())
    }
}
