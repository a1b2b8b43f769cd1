//! Intersection over union: [`IoU`] and its kin.

use deckle_autograd::Var;
use deckle_tensor::{DType, Shape, Tensor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use super::{
    setting::{check_finite, check_size, metric, metric_basics, no_sense, wrong_shapes},
    thresholds::spread,
};
use crate::{Direction, Metric, Result, any_metric::dtype_name, metric_state::numbers};

/// How samples' weights count, by the type of Keras's matrix of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MatrixType(DType);

impl From<DType> for MatrixType {
    fn from(dtype: DType) -> Self {
        Self(dtype)
    }
}

impl Serialize for MatrixType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for MatrixType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match dtype_name(&value).as_deref() {
            Some("int") => Ok(Self(DType::I32)),
            Some(name) => name.parse().map(Self).map_err(D::Error::custom),
            None => Err(D::Error::custom("not a type of numbers")),
        }
    }
}

/// How classes are counted in pairs of truth and prediction.
#[derive(Debug)]
struct Pairs<'a> {
    class: &'a str,
    num_classes: usize,
    ignore_class: Option<i64>,
    sparse_y_true: bool,
    sparse_y_pred: bool,
    axis: isize,
    dtype: Option<MatrixType>,
}

/// The most classes that there is a matrix of.
const MOST_CLASSES: usize = 1 << 12;

impl Pairs<'_> {
    fn check_classes(&self) -> Result<()> {
        check_size(self.class, "num_classes", self.num_classes, [1, MOST_CLASSES])
    }

    fn check(&self, target_class_ids: &[usize]) -> Result<()> {
        self.check_classes()?;
        if target_class_ids.is_empty()
            || target_class_ids.iter().any(|id| *id >= self.num_classes)
        {
            let expected = format_args!("classes from 0 to {}", self.num_classes - 1);
            return Err(no_sense(self.class, "target_class_ids", expected)
                .got(format_args!("{target_class_ids:?}")));
        }
        Ok(())
    }

    fn initial(&self) -> Vec<Tensor> {
        vec![Tensor::zeros(DType::F64, [self.num_classes; 2])]
    }

    /// The matrix with a batch's pairs added: rows are truths, columns predictions.
    fn update(
        &self,
        state: &[Var],
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        let classes = |x: &Var, is_sparse: bool| -> Result<Var> {
            Ok(if is_sparse { x.clone() } else { x.argmax(self.axis)? })
        };
        let t = classes(y_true, self.sparse_y_true)?;
        let p = classes(y_pred, self.sparse_y_pred)?;
        let weights = match weights {
            Some(weights) => {
                let like = if t.rank() > p.rank() { &p } else { &t };
                let weights = spread(weights, like)?;
                // Whole numbers: what comes after the point is cut off.
                let exact = self.dtype.is_some_and(|dtype| dtype.0.is_float());
                let weights = if exact { weights } else { weights.cast(DType::I64)? };
                Some(weights.cast(DType::F64)?)
            }
            None => None,
        };
        let flat = |x: &Var| x.cast(DType::I64)?.flatten();
        let (t, p) = (flat(&t)?, flat(&p)?);
        if !t.shape().may_equal(p.shape()) {
            return Err(wrong_shapes(self.class, "as many truths as predictions")
                .got(format_args!("{} and {}", y_true.shape(), y_pred.shape())));
        }
        let count = self.num_classes.cast_signed() as i64;
        let inside = |x: &Var| x.greater_equal(0)?.and(&x.less(count)?);
        let mut counted = inside(&t)?.and(&inside(&p)?)?;
        if let Some(ignored) = self.ignore_class {
            counted = counted.and(&t.not_equal(ignored)?)?;
        }
        let at = counted.select(&t.mul(count)?.add(&p)?, 0)?;
        let weights = match weights {
            Some(weights) => counted.select(&weights.flatten()?, 0.0)?,
            None => counted.cast(DType::F64)?,
        };
        let pairs = Var::scatter_add(&at, &weights, 0, self.num_classes.pow(2))?;
        Ok(vec![state[0].add(&pairs.reshape([self.num_classes; 2])?)?])
    }

    /// The mean of the intersections over the unions of these classes, of those that appear.
    fn result(&self, state: &[Tensor], target_class_ids: &[usize]) -> Result<Tensor> {
        let (matrix, n) = (numbers(&state[0])?, self.num_classes);
        let unions = target_class_ids.iter().map(|&id| {
            let truths: f64 = matrix[id * n..(id + 1) * n].iter().sum();
            let predictions: f64 = matrix.iter().skip(id).step_by(n).sum();
            (matrix[id * n + id], truths + predictions - matrix[id * n + id])
        });
        let seen: Vec<_> = unions.filter(|(_, union)| *union > 1e-9).collect();
        let sum: f64 = seen.iter().map(|(both, union)| both / (union + EPSILON)).sum();
        #[expect(clippy::cast_precision_loss, reason = "there are few classes")]
        Ok(Tensor::scalar(sum / (seen.len() as f64 + EPSILON)))
    }
}

/// Keras's `epsilon()`, added to what is divided by.
const EPSILON: f64 = 1e-7;

macro_rules! unions {
    ($name:ident, |$own:ident| $pairs:expr, $targets:expr) => {
        impl Metric for $name {
            metric_basics! { $name }

            fn direction(&self) -> Option<Direction> {
                Some(Direction::Up)
            }

            fn takes_mask(&self) -> bool {
                false
            }

            fn check(&self) -> Result<()> {
                let $own = self;
                // The targets may be all classes.
                $pairs.check_classes()?;
                $pairs.check(&$targets)
            }

            fn initial(&self, _: &Shape) -> Result<Vec<Tensor>> {
                let $own = self;
                Ok($pairs.initial())
            }

            fn update(
                &self,
                state: &[Var],
                y_true: &Var,
                y_pred: &Var,
                weights: Option<&Var>,
            ) -> Result<Vec<Var>> {
                let $own = self;
                $pairs.update(state, y_true, y_pred, weights)
            }

            fn result(&self, state: &[Tensor]) -> Result<Tensor> {
                let $own = self;
                $pairs.result(state, &$targets)
            }
        }
    };
}

metric! {
    /// The mean over some classes of intersection over union: `TP / (TP + FP + FN)`.
    ///
    /// Classes that appear neither in truth nor prediction do not count. Samples' weights are
    /// cut off to whole numbers, unless `dtype` is a floating-point type.
    ///
    /// # Shapes
    ///
    /// Classes of any shape; with a further axis of scores or one-hot vectors where
    /// `sparse_y_true` or `sparse_y_pred` is false.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::IoU};
    ///
    /// let (t, p) = (Tensor::from([0, 0, 1, 1]), Tensor::from([0, 1, 0, 1]));
    /// let iou = IoU::new(2, [0]).measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((iou - 1.0 / 3.0).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.IoU`.
    IoU(num_classes: usize = usize, target_class_ids: Vec<usize> = impl Into<Vec<usize>>) {
        /// Sets whether truths are classes instead of one-hot vectors; true by default.
        sparse_y_true: bool = true;
        /// Sets whether predictions are classes instead of scores; true by default.
        sparse_y_pred: bool = true;
        /// Sets the axis of scores and one-hot vectors; the last by default.
        axis: isize = -1;
    } optional {
        /// Sets a class that does not count where it is the truth; none by default.
        ignore_class: i64 = i64;
        /// Sets the type that weights are counted in; `I32` by default.
        dtype: MatrixType = DType;
    }
}

unions! { IoU, |own| Pairs {
    class: "IoU",
    num_classes: own.num_classes,
    ignore_class: own.ignore_class,
    sparse_y_true: own.sparse_y_true,
    sparse_y_pred: own.sparse_y_pred,
    axis: own.axis,
    dtype: own.dtype,
}, own.target_class_ids }

metric! {
    /// The mean over all classes of intersection over union: `TP / (TP + FP + FN)`.
    ///
    /// Classes that appear neither in truth nor prediction do not count. Samples' weights are
    /// cut off to whole numbers, unless `dtype` is a floating-point type.
    ///
    /// # Shapes
    ///
    /// Classes of any shape; with a further axis of scores or one-hot vectors where
    /// `sparse_y_true` or `sparse_y_pred` is false.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::MeanIoU};
    ///
    /// let (t, p) = (Tensor::from([0, 0, 1, 1]), Tensor::from([0, 1, 0, 1]));
    /// let iou = MeanIoU::new(2).measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((iou - 1.0 / 3.0).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.MeanIoU`.
    MeanIoU(num_classes: usize = usize) {
        /// Sets whether truths are classes instead of one-hot vectors; true by default.
        sparse_y_true: bool = true;
        /// Sets whether predictions are classes instead of scores; true by default.
        sparse_y_pred: bool = true;
        /// Sets the axis of scores and one-hot vectors; the last by default.
        axis: isize = -1;
    } optional {
        /// Sets a class that does not count where it is the truth; none by default.
        ignore_class: i64 = i64;
        /// Sets the type that weights are counted in; `I32` by default.
        dtype: MatrixType = DType;
    }
}

unions! { MeanIoU, |own| Pairs {
    class: "MeanIoU",
    num_classes: own.num_classes,
    ignore_class: own.ignore_class,
    sparse_y_true: own.sparse_y_true,
    sparse_y_pred: own.sparse_y_pred,
    axis: own.axis,
    dtype: own.dtype,
}, (0..own.num_classes).collect::<Vec<_>>() }

metric! {
    /// The mean over some classes of intersection over union of one-hot truths.
    ///
    /// As [`IoU`], of which `sparse_y_true` is false.
    ///
    /// # Shapes
    ///
    /// Truths have an axis of one-hot vectors, and predictions one of scores unless
    /// `sparse_y_pred` is true.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::OneHotIoU};
    ///
    /// let t = Tensor::from([[1.0f32, 0.0], [0.0, 1.0], [0.0, 1.0]]);
    /// let p = Tensor::from([[0.8f32, 0.2], [0.6, 0.4], [0.1, 0.9]]);
    /// let iou = OneHotIoU::new(2, [1]).measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((iou - 0.5).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.OneHotIoU`.
    OneHotIoU(num_classes: usize = usize, target_class_ids: Vec<usize> = impl Into<Vec<usize>>) {
        /// Sets whether predictions are classes instead of scores; false by default.
        sparse_y_pred: bool = false;
        /// Sets the axis of scores and one-hot vectors; the last by default.
        axis: isize = -1;
    } optional {
        /// Sets a class that does not count where it is the truth; none by default.
        ignore_class: i64 = i64;
        /// Sets the type that weights are counted in; `I32` by default.
        dtype: MatrixType = DType;
    }
}

unions! { OneHotIoU, |own| Pairs {
    class: "OneHotIoU",
    num_classes: own.num_classes,
    ignore_class: own.ignore_class,
    sparse_y_true: false,
    sparse_y_pred: own.sparse_y_pred,
    axis: own.axis,
    dtype: own.dtype,
}, own.target_class_ids }

metric! {
    /// The mean over all classes of intersection over union of one-hot truths.
    ///
    /// As [`MeanIoU`], of which `sparse_y_true` is false.
    ///
    /// # Shapes
    ///
    /// Truths have an axis of one-hot vectors, and predictions one of scores unless
    /// `sparse_y_pred` is true.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::OneHotMeanIoU};
    ///
    /// let t = Tensor::from([[1.0f32, 0.0], [0.0, 1.0], [0.0, 1.0]]);
    /// let p = Tensor::from([[0.8f32, 0.2], [0.6, 0.4], [0.1, 0.9]]);
    /// let iou = OneHotMeanIoU::new(2).measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((iou - 0.5).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.OneHotMeanIoU`.
    OneHotMeanIoU(num_classes: usize = usize) {
        /// Sets whether predictions are classes instead of scores; false by default.
        sparse_y_pred: bool = false;
        /// Sets the axis of scores and one-hot vectors; the last by default.
        axis: isize = -1;
    } optional {
        /// Sets a class that does not count where it is the truth; none by default.
        ignore_class: i64 = i64;
        /// Sets the type that weights are counted in; `I32` by default.
        dtype: MatrixType = DType;
    }
}

unions! { OneHotMeanIoU, |own| Pairs {
    class: "OneHotMeanIoU",
    num_classes: own.num_classes,
    ignore_class: own.ignore_class,
    sparse_y_true: false,
    sparse_y_pred: own.sparse_y_pred,
    axis: own.axis,
    dtype: own.dtype,
}, (0..own.num_classes).collect::<Vec<_>>() }

metric! {
    /// The mean over the classes 0 and 1, or one of them, of intersection over union.
    ///
    /// A prediction at or above the threshold is one of class 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    /// use deckle_train::{Metric, metrics::BinaryIoU};
    ///
    /// let (t, p) = (Tensor::from([0, 1, 0, 1]), Tensor::from([0.1f32, 0.2, 0.4, 0.7]));
    /// let iou = BinaryIoU::new().threshold(0.3).measure(&t, &p, None)?.item::<f64>()?;
    /// assert!((iou - 1.0 / 3.0).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.metrics.BinaryIoU`.
    BinaryIoU {
        /// Sets the classes that count; 0 and 1 by default.
        target_class_ids: Vec<usize> = vec![0, 1];
        /// Sets the threshold; a half by default.
        threshold: f64 = 0.5;
    } optional {
        /// Sets the type that weights are counted in; `I32` by default.
        dtype: MatrixType = DType;
    }
}

impl BinaryIoU {
    fn pairs(&self) -> Pairs<'_> {
        Pairs {
            class: "BinaryIoU",
            num_classes: 2,
            ignore_class: None,
            sparse_y_true: true,
            sparse_y_pred: true,
            axis: -1,
            dtype: self.dtype,
        }
    }
}

impl Metric for BinaryIoU {
    metric_basics! { BinaryIoU }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Up)
    }

    fn takes_mask(&self) -> bool {
        false
    }

    fn check(&self) -> Result<()> {
        check_finite("BinaryIoU", "threshold", self.threshold)?;
        self.pairs().check(&self.target_class_ids)
    }

    fn initial(&self, _: &Shape) -> Result<Vec<Tensor>> {
        Ok(self.pairs().initial())
    }

    fn update(
        &self,
        state: &[Var],
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
    ) -> Result<Vec<Var>> {
        let p = y_pred.cast(DType::F32)?.greater_equal(self.threshold)?;
        self.pairs().update(state, y_true, &p, weights)
    }

    fn result(&self, state: &[Tensor]) -> Result<Tensor> {
        self.pairs().result(state, &self.target_class_ids)
    }
}
