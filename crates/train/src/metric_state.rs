//! A metric outside of training: [`MetricState`].

use deckle_autograd::{Compiled, Function, Var};
use deckle_tensor::{DType, Dim, Shape, Spec, Tensor};

use crate::{AnyMetric, Error, Result, compile::default_device};

/// A metric with what it has seen, to be used without a model.
///
/// # Examples
///
/// ```
/// use deckle_tensor::Tensor;
/// use deckle_train::{MetricState, metrics::MeanAbsoluteError};
///
/// let mut error = MetricState::new(MeanAbsoluteError::new());
/// let column = |values: [f32; 2]| Tensor::from(values.map(|value| [value]));
/// error.update_state(&column([1.0, 2.0]), &column([1.5, 2.0]), None)?;
/// error.update_state(&column([3.0, 5.0]), &column([4.0, 5.5]), None)?;
/// assert_eq!(error.result()?.item::<f64>()?, 0.5);
/// error.reset_state();
/// assert_eq!(error.result()?.item::<f64>()?, 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keras
///
/// `update_state`, `result` and `reset_state` of `keras.metrics.Metric`.
#[derive(Debug)]
pub struct MetricState {
    metric: AnyMetric,
    /// `None` before the first batch.
    state: Option<Vec<Tensor>>,
    kinds: Vec<(Vec<Spec>, Compiled)>,
}

impl MetricState {
    /// The metric that has seen nothing.
    #[must_use]
    pub fn new(metric: impl Into<AnyMetric>) -> Self {
        Self { metric: metric.into(), state: None, kinds: Vec::new() }
    }

    /// The metric.
    #[must_use]
    pub const fn metric(&self) -> &AnyMetric {
        &self.metric
    }

    /// Adds a batch of samples, each of which counts by its weight.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense, or the shapes do not belong together; the state is then as
    /// before.
    pub fn update_state(
        &mut self,
        y_true: &Tensor,
        y_pred: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<()> {
        let state = match &self.state {
            Some(state) => state.clone(),
            None => {
                self.metric.check()?;
                self.metric.initial(&Shape::from(y_pred.shape()))?
            }
        };
        let batch: Vec<_> = [Some(y_true), Some(y_pred), weights]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let kind: Vec<_> = batch.iter().map(example).collect();
        let at = match self.kinds.iter().position(|(known, _)| *known == kind) {
            Some(at) => at,
            None => {
                let compiled = self.compile(&state, &batch)?;
                self.kinds.push((kind, compiled));
                self.kinds.len() - 1
            }
        };
        let inputs: Vec<_> = batch.into_iter().chain(state).collect();
        self.state = Some(self.kinds[at].1.call(&inputs)?);
        Ok(())
    }

    /// Adds numbers to a metric of numbers, as [`Mean`](crate::metrics::Mean).
    ///
    /// # Errors
    ///
    /// As [`MetricState::update_state`].
    pub fn update_values(
        &mut self,
        values: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<()> {
        self.update_state(values, values, weights)
    }

    /// The measure of all that was seen, one `F64` number or a vector of them.
    ///
    /// # Errors
    ///
    /// If nothing was seen, and the size of the result depends on it.
    pub fn result(&self) -> Result<Tensor> {
        match &self.state {
            Some(state) => self.metric.result(state),
            None => {
                self.metric.check()?;
                let nothing = self.metric.initial(&Shape::from([0usize]));
                self.metric.result(&nothing.map_err(|_| {
                    Error::invalid(
                        format_args!("metric `{}` has no result", self.metric.name()),
                        "a batch, whose shape says how many numbers it has",
                    )
                    .got("none")
                })?)
            }
        }
    }

    /// Forgets all that was seen.
    pub fn reset_state(&mut self) {
        self.state = None;
    }

    fn compile(&self, state: &[Tensor], batch: &[Tensor]) -> Result<Compiled> {
        let of_batch = |(i, tensor): (usize, &Tensor)| {
            let mut dims: Vec<_> =
                tensor.shape().iter().map(|&len| Dim::Known(len)).collect();
            if let Some(first) = dims.first_mut() {
                *first = Dim::batch();
            }
            Var::input(&format!("batch[{i}]"), Shape::from(dims), tensor.dtype())
        };
        let of_state = |(i, tensor): (usize, &Tensor)| {
            Var::input(
                &format!("state[{i}]"),
                Shape::from(tensor.shape()),
                tensor.dtype(),
            )
        };
        let batch: Vec<_> = batch.iter().enumerate().map(of_batch).collect();
        let old: Vec<_> = state.iter().enumerate().map(of_state).collect();
        let (y_true, y_pred) = (&batch[0], &batch[1]);
        let metric = self.metric.resolve(y_true, y_pred);
        let new = metric
            .update(&old, y_true, y_pred, batch.get(2))
            .map_err(|error| error.in_metric(metric.class_name()))?;
        let inputs: Vec<_> = batch.into_iter().chain(old).collect();
        Ok(Function::new(&inputs, &new).compile(&default_device())?)
    }
}

/// Element type and shape of one example; of a single number, its own.
fn example(tensor: &Tensor) -> Spec {
    let shape = tensor.shape();
    // A marker keeps a number and a vector apart.
    let rest: Vec<_> = shape.iter().skip(1).copied().chain([shape.len()]).collect();
    Spec::new(tensor.dtype(), rest)
}

/// Numbers as a vector of `F64`.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.cast(DType::F64).to_vec()?)
}
